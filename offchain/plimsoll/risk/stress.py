"""What named scenarios would cost each account and the fund: full revaluation, no lanes.

A *stress book* is a book (`plimsoll.risk.reference.book`) of many accounts and a fund:

    {
      "time": "2026-01-05T08:00Z",
      "underlyings": {"BTC": {"spot": 92500, "volatility": 0.45, "scan_range": 0.15}},
      "accounts": {
        "maker": {
          "cash": 60000,                                                       default 0
          "positions": [{"underlying": "BTC", "kind": "perp", "quantity": 0.5}],
          "collateral": [{"underlying": "BTC", "quantity": 1, "staked": true}]   of a token that stands for it
        }
      },
      "fund": 250000
    }

A scenario is data: moves of prices, a factor on volatility, a depeg. For account i it gives

    loss      = -(P&L of all positions by Black-76 at moved prices and volatility) + depeg + cost
    cost      = rate x gross notional after the move, where E_h < MM there: it is liquidated at the moved price
    consumed  = max(0, E before) - max(0, E after)        what the account's own equity pays
    lacking   = max(0, -E after)                          what it does not

What accounts lack together the fund pays as far as it goes; the rest is shared by accounts that have equity left, in
proportion to it; what even they lack is uncovered. So, to rounding,

    sum of losses + what was lacking before = consumed + fund paid + shared + uncovered

Three ways in which a scenario moves prices:

    stated      every underlying by the number that is stated for it
    together    all by their own range in one direction, correlation one; up or down, whichever makes accounts lack more
    each        correlation gone, so that no hedge across underlyings helps: each account meets, in each underlying by
                itself, the worst for it of minus its range, no move, plus its range. No market can do that to all
                accounts at once: it is a bound, not a forecast.

No time passes, and nobody trades on the way.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, ValidationError

from plimsoll.market.bars import Bars
from plimsoll.market.plainfile import read_json, wrong_fields
from plimsoll.market.portable import expm1
from plimsoll.market.snapshot import MAX_VOLATILITY, Market
from plimsoll.market.sources import DATA_VARIABLE, load_recorded, load_sp500
from plimsoll.risk.errors import RiskError
from plimsoll.risk.reference.book import Book, Entry, Moment, Part, Positive, Underlying
from plimsoll.risk.reference.portfolio import Portfolio
from plimsoll.risk.volatility import historical_tail, parametric_tail
from plimsoll.spec.instruments import FUTURE, MAX_POSITIONS, PERP, SPOT

COST: Final = 0.01  # share of gross notional that a liquidation costs where nothing else is said
HOUR: Final = 3_600
HOURS: Final = 24
ENOUGH_HOURS: Final = 5_000  # hourly returns from which their own 99.9 % quantile is read
HOURLY_LEVEL: Final = 0.999
FREEDOM: Final = 4.0  # of the Student t where there are fewer
FLOOR: Final = -0.99  # a price that is nothing has no margin

Way = Literal["stated", "together", "each"]


class StressError(RiskError):
    """A stress book that makes no sense, or a scenario that nobody knows."""


# --------------------------------------------------------------------------------------------------------- stress books


class Collateral(Part):
    """A token that an account holds: the underlying itself, or a staked one that stands for it."""

    underlying: str
    quantity: Positive
    staked: bool = False


class _Account(Part):
    cash: float = 0.0
    positions: tuple[Entry, ...] = Field(default=(), max_length=MAX_POSITIONS, strict=False)
    collateral: tuple[Collateral, ...] = Field(default=(), max_length=MAX_POSITIONS, strict=False)


class _Content(Part):
    time: Moment
    underlyings: dict[str, Underlying] = Field(min_length=1)
    accounts: dict[str, _Account] = Field(min_length=1)
    fund: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Account:
    """An account of a stress book.

    Parameters
    ----------
    name
        For people.
    book
        Its cash, positions and collateral, and the underlyings that these are on.
    staked
        Underlying -> tokens among the collateral that only stand for it.
    """

    name: str
    book: Book
    staked: Mapping[str, float]

    @property
    def equity(self) -> float:
        """Cash, options and tokens at their marks; perpetuals and futures are settled in cash."""
        return self.book.cash + math.fsum(portfolio.value - portfolio.cash for portfolio in self.book.portfolios)


@dataclass(frozen=True)
class StressBook:
    """What a file says."""

    time: int
    underlyings: Mapping[str, Underlying]
    accounts: tuple[Account, ...]
    fund: float
    folder: Path = Path()

    @classmethod
    def load(cls, path: Path) -> StressBook:
        """Read a file.

        Raises
        ------
        StressError, BookError
            There is no such file, it is no JSON, or the book in it makes no sense: every field that is wrong is named.
        """
        return cls.parse(read_json(path, StressError), str(path), path.parent)

    @classmethod
    def parse(cls, data: Any, source: str = "book", folder: Path = Path()) -> StressBook:
        """The book of plain values; as `load`."""
        try:
            content = _Content.model_validate(data)
        except ValidationError as error:
            raise StressError(f"{source}: {wrong_fields(error, 'book')}") from error
        accounts = tuple(
            _account(name, found, content, f"{source}: accounts.{name}", folder)
            for name, found in content.accounts.items()
        )
        return cls(content.time, content.underlyings, accounts, content.fund, folder)

    @cached_property
    def market(self) -> Book:
        """The underlyings without any account."""
        return Book(self.time, 0.0, self.underlyings, (), self.folder)


def _account(name: str, found: _Account, content: _Content, where: str, folder: Path) -> Account:
    tokens: dict[str, float] = {}
    staked: dict[str, float] = {}
    for number, item in enumerate(found.collateral):
        if item.underlying not in content.underlyings:
            known = ", ".join(content.underlyings)
            raise StressError(f"{where}.collateral.{number}: underlying {item.underlying}; one of {known} is right")
        tokens[item.underlying] = tokens.get(item.underlying, 0.0) + item.quantity
        if item.staked:
            staked[item.underlying] = staked.get(item.underlying, 0.0) + item.quantity
    if found.positions:  # checks what a single book is checked for
        Book.parse(
            {
                "time": content.time,
                "underlyings": {key: entry.model_dump() for key, entry in content.underlyings.items()},
                "positions": [entry.model_dump() for entry in found.positions],
            },
            where,
        )
    spots = tuple(Entry(underlying=key, kind="spot", quantity=amount) for key, amount in tokens.items())
    positions = (*found.positions, *spots)
    if len(positions) > MAX_POSITIONS:
        raise StressError(f"{where}: {len(positions)} positions with collateral; at most {MAX_POSITIONS} is right")
    held = {entry.underlying for entry in positions}
    underlyings = {key: entry for key, entry in content.underlyings.items() if key in held}
    return Account(name, Book(content.time, found.cash, underlyings, positions, folder), staked)


# ------------------------------------------------------------------------------------------------------------ scenarios


@dataclass(frozen=True)
class Scenario:
    """A scenario.

    Parameters
    ----------
    name
        What the command line calls it; one that begins like it, up to a dash, is asked for with it.
    says
        In a sentence, with its source.
    moves
        Underlying -> relative move; of another than `stated`, the range it moves by, either way.
    way
        See the module.
    volatility
        Factor on all implied volatilities.
    quote
        Share that the quote coin loses: of every credit in cash, and of the fund. Nobody's debt becomes less.
    staked
        Share of their underlying's price that staked tokens lose.
    """

    name: str
    says: str
    moves: Mapping[str, float]
    way: Way = "stated"
    volatility: float = 1.0
    quote: float = 0.0
    staked: float = 0.0


@dataclass(frozen=True)
class Ranges:
    """What is measured of a book's underlyings: `scan` range [1], by the engine; `hour`, the 99.9 % move of an hour."""

    scan: Mapping[str, float]
    hour: Mapping[str, float]


# The low of the hour from 02:00 on 13 March 2020 against the highest open of the 24 hours up to it, on Binance spot.
# What is recorded says the same; where nothing is recorded, these stand for it.
MARCH_2020: Final[Mapping[str, float]] = {"BTC": -0.506, "ETH": -0.533}
OCTOBER_2008: Final = (datetime(2008, 10, 1, tzinfo=UTC), datetime(2008, 11, 1, tzinfo=UTC))
WINDOWS_2008: Final = {"day": 1, "week": 5, "month": 21}  # trading days


def worst_fall(bars: Bars, first: int, last: int, length: int) -> float:
    """The largest fall from close to close over `length` bars that ends in bars of `first` <= time < `last` [unix s].

    Raises
    ------
    StressError
        No such window is in the bars.
    """
    ends = np.flatnonzero((bars.time >= first) & (bars.time < last))
    ends = ends[ends >= length]
    if not len(ends):
        raise StressError(f"{bars.source}: no {length} bars that end between {first} and {last}")
    return float(np.min(bars.close[ends] / bars.close[ends - length]) - 1)


def worst_day(bars: Bars) -> float:
    """The lowest low against the highest open of the 24 hours up to it, of hourly bars."""
    highest = np.array([np.max(bars.open[max(0, i - HOURS + 1) : i + 1]) for i in range(len(bars))])
    return float(np.min(bars.low / highest) - 1)


def march_2020() -> tuple[dict[str, float], str]:
    """Falls within 24 hours of 12 and 13 March 2020 by underlying, and where they come from."""
    if not os.environ.get(DATA_VARIABLE):
        return dict(MARCH_2020), "as published"
    first, last = (int(datetime(2020, 3, day, tzinfo=UTC).timestamp()) for day in (11, 14))
    found = {name: worst_day(load_recorded(f"{name.lower()}_usdt_spot_1h", first, last)) for name in MARCH_2020}
    return found, "as recorded"


def hourly_move(market: Market, sigma: float) -> float:
    """The relative move that an hour exceeds once in a thousand, the wider side.

    Parameters
    ----------
    market
        Its own hourly returns say it, where there are 5,000 or more.
    sigma
        Else a Student t of four degrees of freedom does, at this volatility of a day.
    """
    history = market.history
    if history.interval == HOUR and len(history.returns) >= ENOUGH_HOURS:
        tail = historical_tail(history.returns, HOURLY_LEVEL)
        return max(-expm1(-tail.quantile_down), expm1(tail.quantile_up))
    return expm1(parametric_tail(HOURLY_LEVEL, FREEDOM).quantile_up * sigma / math.sqrt(HOURS))


def _2008(names: Sequence[str]) -> list[Scenario]:
    first, last = (int(moment.timestamp()) for moment in OCTOBER_2008)
    bars = load_sp500(first - 60 * 86_400, last)
    return [
        Scenario(
            f"2008-10-{word}",
            f"every underlying falls as the S&P 500 did on its worst {word} of October 2008; "
            "volatility doubles, as the VIX from 39 to 80",
            dict.fromkeys(names, worst_fall(bars, first, last, length)),
            volatility=2.0,
        )
        for word, length in WINDOWS_2008.items()
    ]


def _2020(names: Sequence[str]) -> list[Scenario]:
    falls, source = march_2020()
    says = f"BTC and ETH fall as within 24 hours of 12 March 2020 ({source}), others as BTC; volatility x 2.5 (assumed)"
    return [Scenario("2020-03-12", says, {key: falls.get(key, falls["BTC"]) for key in names}, volatility=2.5)]


def _jumps(names: Sequence[str]) -> list[Scenario]:
    return [
        Scenario(
            name, f"every price {sign:+.0%} at once, volatility doubled", dict.fromkeys(names, sign), volatility=2.0
        )
        for name, sign in (("down-50", -0.5), ("up-50", 0.5))
    ]


def _depegs(names: Sequence[str]) -> list[Scenario]:
    still = dict.fromkeys(names, 0.0)
    return [
        Scenario("depeg-quote", "the quote coin loses a tenth: credits and the fund, not debts", still, quote=0.10),
        Scenario("depeg-staked", "staked tokens lose a tenth against what they stand for", still, staked=0.10),
    ]


def scenarios_of(book: StressBook, ranges: Ranges, wanted: Sequence[str] = ()) -> tuple[Scenario, ...]:
    """Scenarios for the underlyings of a book; all, or those that are wanted.

    Parameters
    ----------
    book
        Whose underlyings move.
    ranges
        What of them is measured.
    wanted
        Names, or what names begin with up to a dash: 2008-10 is a day, a week and a month.

    Raises
    ------
    StressError
        A name that none has.
    SourceError
        Recorded prices cannot be read.
    """
    names = tuple(book.underlyings)
    makers: dict[tuple[str, ...], Callable[[], list[Scenario]]] = {
        tuple(f"2008-10-{word}" for word in WINDOWS_2008): lambda: _2008(names),
        ("2020-03-12",): lambda: _2020(names),
        ("down-50", "up-50"): lambda: _jumps(names),
        ("depeg-quote", "depeg-staked"): lambda: _depegs(names),
        ("correlation-1", "correlation-0"): lambda: _correlations(ranges),
        ("feed-dead",): lambda: _dead(ranges),
    }
    known = [name for group in makers for name in group]

    def is_wanted(name: str) -> bool:
        return not wanted or any(name == word or name.startswith(f"{word}-") for word in wanted)

    for word in wanted:
        if not any(name == word or name.startswith(f"{word}-") for name in known):
            raise StressError(f"scenario {word}; {', '.join(known)} are known")
    return tuple(
        scenario
        for group, make in makers.items()
        if any(map(is_wanted, group))  # reading prices takes time
        for scenario in make()
        if is_wanted(scenario.name)
    )


def _correlations(ranges: Ranges) -> list[Scenario]:
    together = "all underlyings move by their scan range one way, volatility up by 40 %; the worse way counts"
    each = "each account meets the worst of its scan range in every underlying by itself, volatility up by 40 %"
    return [
        Scenario("correlation-1", together, ranges.scan, "together", 1.4),
        Scenario("correlation-0", each, ranges.scan, "each", 1.4),
    ]


def _dead(ranges: Ranges) -> list[Scenario]:
    says = (
        "the feed is dead for an hour in which all move one way by what an hour exceeds once in a thousand; "
        "liquidation begins at the moved price"
    )
    return [Scenario("feed-dead", says, ranges.hour, "together")]


# -------------------------------------------------------------------------------------------------------- what it costs


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account has and needs, by whoever margins it [quote currency]."""

    equity_haircut: float
    equity_full: float
    mm: float
    im: float


Margin = Callable[[Book], Standing]


@dataclass(frozen=True)
class AccountLoss:
    """What a scenario does to an account [quote currency]; see the module.

    `moves` are those that it met, `profit` is its positions' and tokens', `after` its equity before anything is shared.
    """

    name: str
    moves: Mapping[str, float]
    before: float
    profit: float
    depeg: float
    cost: float
    liquidated: bool
    shared: float = 0.0

    @property
    def loss(self) -> float:
        """What it lost, above or below zero."""
        return self.depeg + self.cost - self.profit

    @property
    def after(self) -> float:
        """Equity afterwards."""
        return self.before - self.loss

    @property
    def consumed(self) -> float:
        """What its own equity paid; below zero where it gained."""
        return max(0.0, self.before) - max(0.0, self.after)

    @property
    def lacking(self) -> float:
        """What it cannot pay."""
        return max(0.0, -self.after)


@dataclass(frozen=True)
class Outcome:
    """A scenario's end: every account, what the fund lost by depeg and what it paid, what nobody pays."""

    scenario: Scenario
    accounts: tuple[AccountLoss, ...]
    fund: float
    fund_depeg: float
    fund_paid: float
    uncovered: float

    @property
    def lacking(self) -> float:
        """What accounts lack together."""
        return math.fsum(account.lacking for account in self.accounts)

    @property
    def shared(self) -> float:
        """What accounts with equity left pay for others."""
        return math.fsum(account.shared for account in self.accounts)

    @property
    def fund_left(self) -> float:
        """What the fund has left."""
        return self.fund - self.fund_depeg - self.fund_paid

    @property
    def ran_out(self) -> bool:
        """Whether accounts lack more than the fund had."""
        return self.lacking > self.fund_paid


def profit_of(portfolio: Portfolio, move: float, volatility: float = 1.0) -> float:
    """Profit of all positions on one underlying by full revaluation, at `volatility` times what it was."""
    vols = np.minimum(portfolio.volatilities * volatility, MAX_VOLATILITY)[:, None]
    change = portfolio.prices(move, vols)[:, 0] - portfolio.marks
    return math.fsum((portfolio.quantities * change).tolist())


def depeg_of(account: Account, scenario: Scenario, moves: Mapping[str, float]) -> float:
    """What an account loses by depegs."""
    tokens = math.fsum(
        amount * account.book.underlyings[key].spot * (1 + moves[key]) for key, amount in account.staked.items()
    )
    return scenario.quote * max(0.0, account.book.cash) + scenario.staked * tokens


def moved(book: Book, moves: Mapping[str, float], volatility: float, earned: float) -> Book:
    """The book at moved prices; `earned` is what its cash changed by."""

    def market(entry: Underlying, move: float) -> Underlying:
        return entry.model_copy(
            update={
                "spot": entry.spot * (1 + move),
                "perp": None if entry.perp is None else entry.perp * (1 + move),
                "forwards": {key: price * (1 + move) for key, price in entry.forwards.items()},
                "volatility": None if entry.volatility is None else min(entry.volatility * volatility, MAX_VOLATILITY),
            }
        )

    def position(entry: Entry) -> Entry:
        if entry.volatility is None:
            return entry
        return entry.model_copy(update={"volatility": min(entry.volatility * volatility, MAX_VOLATILITY)})

    return replace(
        book,
        cash=book.cash + earned,
        underlyings={key: market(entry, moves[key]) for key, entry in book.underlyings.items()},
        positions=tuple(map(position, book.positions)),
    )


def _met(account: Account, scenario: Scenario, sign: int) -> dict[str, float]:
    """The moves that an account meets."""
    found = {}
    for portfolio in account.book.portfolios:
        size = scenario.moves[portfolio.name]
        if scenario.way == "each":
            found[portfolio.name] = min(
                (max(-size, FLOOR), 0.0, size), key=lambda move: profit_of(portfolio, move, scenario.volatility)
            )
        else:
            found[portfolio.name] = max(sign * size, FLOOR)
    return found


def hit(account: Account, scenario: Scenario, margin: Margin, rate: float = COST, sign: int = 1) -> AccountLoss:
    """What a scenario does to one account.

    Parameters
    ----------
    account
        The account.
    scenario
        The scenario.
    margin
        Says whether it is liquidated at the moved prices.
    rate
        What a liquidation costs, as a share of gross notional.
    sign
        Which way `together` goes; 1 for the others.
    """
    moves = _met(account, scenario, sign)
    profit = linear = gross = 0.0
    for portfolio in account.book.portfolios:
        move = moves[portfolio.name]
        profit += profit_of(portfolio, move, scenario.volatility)
        part = tuple(position for position in portfolio.positions if position.kind in {PERP, FUTURE})
        linear += profit_of(replace(portfolio, positions=part), move)
        gross += portfolio.spot * (1 + move) * math.fsum(abs(p.quantity) for p in portfolio.positions if p.kind != SPOT)
    depeg = depeg_of(account, scenario, moves)
    found = margin(moved(account.book, moves, scenario.volatility, linear - depeg))
    liquidated = found.equity_haircut < found.mm
    return AccountLoss(
        account.name, moves, account.equity, profit, depeg, rate * gross if liquidated else 0.0, liquidated
    )


def waterfall(losses: Sequence[AccountLoss], fund: float) -> tuple[tuple[AccountLoss, ...], float, float]:
    """Who pays what accounts lack: the accounts with their shares, what the fund paid, what nobody pays."""
    lacking = math.fsum(item.lacking for item in losses)
    paid = min(fund, lacking)
    able = math.fsum(max(0.0, item.after) for item in losses)
    shared = min(lacking - paid, able)
    share = shared / able if able else 0.0
    return tuple(replace(item, shared=share * max(0.0, item.after)) for item in losses), paid, lacking - paid - shared


def run(book: StressBook, scenario: Scenario, margin: Margin, rate: float = COST) -> Outcome:
    """A scenario over all accounts and the fund.

    Raises
    ------
    StressError
        The cost of a liquidation is no share.
    RiskError, SnapshotError
        As `margin`.
    """
    if not 0 <= rate < 1:
        raise StressError(f"cost {rate}; a share of 0 or more, below 1, is right")
    depeg = scenario.quote * book.fund

    def end(sign: int) -> Outcome:
        losses = [hit(account, scenario, margin, rate, sign) for account in book.accounts]
        accounts, paid, uncovered = waterfall(losses, book.fund - depeg)
        return Outcome(scenario, accounts, book.fund, depeg, paid, uncovered)

    if scenario.way != "together":
        return end(1)
    return max((end(-1), end(1)), key=lambda found: (found.lacking, math.fsum(item.loss for item in found.accounts)))
