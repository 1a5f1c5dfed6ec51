"""The engine dead for a day while the market falls by two fifths: what still happens, and what does not.

Through the real contracts, with the real keeper's agents. A cast of accounts (perps and options, on cash and on their
own token, from reckless to none at all) is opened under a live engine. Then nothing is posted for 24 hours. The index
lives, and so do keepers and bidders; within two hours every surface is too old, and most are past the move gate before.
The same path is run with the engine alive, and the two are compared:

    bad debt      what the fund paid, what all cash bore, and the negative equity left at the end of the day. Dead may
                  cost more than live by at most the fund's *first layer*: the most that it pays for one event, of one
                  account, before anything of it is socialised (its event cap).
    time          from the step that first sees an account under maintenance margin, at the index that the contracts
                  see, to the first bid on it; an account that waits at the end counts with what it waited.
    new risk      every hour while surfaces are stale every trader tries to take more of what it has, to sell options,
                  to open and to hand on, alone and in a batch. A trade that passes is new risk where the initial margin
                  of a side rises or its equity over maintenance margin falls by it.
    withdrawals   every quarter of an hour every account takes out, or transfers to another of its owner's, the most
                  that passes; none may be under its initial margin afterwards.
    old reports   what the engine signed before it died is offered every hour once it is too old.

Each attempt is undone, so that both runs see the same accounts. `dark` is the other half: the index is silent for six
hours of the fall, and nobody is called, auctioned or bid on while it is dead, deposits pass, and so do withdrawals of
accounts that need no margin.

It takes keepers that look: here they do every 150 seconds while somebody is called, which is coarse. Where they look
every five minutes only, a two minutes' notice lasts five, and a quarter lost within an hour has cost more than a first
layer over a live engine.

Paths are drawn from seeds; where a folder of recorded prices is given, 12-13 March 2020 is one more, as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from plimsoll.chain.contract import Contract, batch, events_of
from plimsoll.chain.deployment import System
from plimsoll.keeper.liquidation import BidConfig, Step, Taken
from plimsoll.keeper.state import assessment_of
from plimsoll.market.sources import load_bars
from plimsoll.risk.engine import BuiltReport
from plimsoll.simulate.books import flows
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.market import BELOW, STALE, Party
from plimsoll.simulate.paths import FALLS, HOUR, HOURS, START, WARM, made_up
from plimsoll.simulate.replay import BIDDERS, Event, Replay, ReplayConfig, ReplayMarket
from plimsoll.simulate.traders import Leg, Reaction, Trader
from plimsoll.simulate.walk import Point
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import CALL, PERP, PUT, SPOT, id_of, quantity_of, unpack, word
from plimsoll.spec.margin import Assessment, Params
from plimsoll.spec.wad import PPM, WAD

DAY: Final = HOURS * HOUR
NAME: Final = "BTC"
PER_LEG: Final = 4  # twelve steps an hour
LOOK: Final = 150  # [s] between looks of keepers and bidders while somebody is called; real ones look more often
FEED_AGE: Final = 600  # [s] an index that is silent for longer is dead
SEEDS: Final = {"steady": 1, "crash": 2, "stairs": 3}
RECORDED: Final = "btc_usdt_spot_1h.csv.gz"
DARK: Final = (6 * HOUR, 12 * HOUR + FEED_AGE)  # after the start: when the index is silent
BETWEEN: Final = 890  # [s] between attempts to withdraw: every third step
PARAMS: Final = Params()  # what surfaces are held to
NO_RISK: Final = {BELOW, STALE}  # what new risk is refused with
NO_WAY_OUT: Final = {
    BELOW,
    STALE,
    "history: no price of so long ago",
}  # likewise withdrawals; the last in the first hour
SYSTEM_ROLES: Final = 3  # market maker and bidders


def cast(name: str) -> list[Trader]:
    """Who is there: longs from reckless to cautious, options sold and bought, shorts, and some who take no risk."""
    perp = Leg(0, PERP, 1.0)
    return [
        Trader(f"{name} reckless long", (Leg(0, PERP, 2.0),), 1.03),
        *(Trader(f"{name} long {funding}", (perp,), funding) for funding in (1.1, 1.4, 2.0, 3.0, 12.0)),
        Trader(f"{name} long that tops up", (perp,), 1.6, (), Reaction.MANDATED, 2.0),
        Trader(f"{name} long on its own token", (Leg(0, PERP, 2.0),), 1.03, ((0, 0.4),)),
        Trader(f"{name} put seller", (Leg(0, PUT, -1.0, 0.9),), 1.03),
        Trader(f"{name} put spread", (Leg(0, PUT, -1.0, 0.9), Leg(0, PUT, 1.0, 0.8)), 1.1),
        Trader(f"{name} straddle seller", (Leg(0, CALL, -0.5, 1.0), Leg(0, PUT, -0.5, 1.0)), 1.1),
        Trader(f"{name} call buyer", (Leg(0, CALL, 1.0, 1.0),), 1.2),
        Trader(f"{name} short", (Leg(0, PERP, -1.0),), 2.0),
        Trader(f"{name} covered call", (Leg(0, CALL, -0.5, 1.05),), 1.1, ((0, 0.5),)),
        Trader(f"{name} holder", (), 1.0, ((0, 0.5),)),
        Trader("saver", (), 1.0, savings=2.0),
    ]


def market_of(path: str, folder: Path | None = None, seed: int = 0) -> ReplayMarket:
    """The bars of a path: one of `FALLS`, or `recorded` ones of a folder.

    Raises
    ------
    SimulationError
        Where recorded ones are asked for without a folder.
    """
    if path == "recorded":
        if folder is None:
            raise SimulationError("recorded prices need a folder")
        return ReplayMarket(NAME, load_bars(folder / RECORDED))
    return ReplayMarket(NAME, made_up(NAME, seed, FALLS[path](seed), begin=START, end=START + DAY))


@dataclass
class Tried:
    """Attempts, and what came of them."""

    trades: int = 0
    reductions: int = 0  # that passed, and should
    new_risk: int = 0  # that passed, and should not
    withdrawals: int = 0
    made: int = 0
    below_im: int = 0
    old_reports: int = 0
    believed: int = 0
    refusals: dict[str, int] = field(default_factory=dict)  # of trades, by reason


@dataclass
class Dark:
    """What was tried while the index was dead."""

    steps: int = 0
    liquidations: int = 0  # calls, starts and bids that would have passed; none should
    tried: int = 0
    leaves: int = 0  # trades and withdrawals on what has no price that would have passed; none should
    deposits: int = 0
    deposits_refused: int = 0
    withdrawals: int = 0  # of accounts that need no margin
    withdrawals_refused: int = 0


class DeadEngine(Replay):
    """A day without the engine; with it where `is_alive`.

    Parameters
    ----------
    market
        Prices, with a history.
    is_alive
        Whether the engine posts: the run to compare with, in which nothing is tried.
    silent
        When the index is silent [s after the start]; None: never.
    hours
        How long the day is.
    tries
        Whether anything is tried.
    """

    bid_rules = (BIDDERS[0], BidConfig(min_profit=0, min_share=150_000, min_bonus=0))
    look_after = HOUR
    feed_age = FEED_AGE
    auction_step = LOOK

    def __init__(
        self,
        market: ReplayMarket,
        *,
        is_alive: bool = False,
        silent: tuple[int, int] | None = None,
        hours: int = HOURS,
        tries: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        config = ReplayConfig(START, START + hours * HOUR, WARM, PER_LEG)
        super().__init__([market], config, traders=cast(market.name), on_event=on_event)
        self.is_alive = is_alive
        self.silent = (START + silent[0], START + silent[1]) if silent else (0, 0)
        self.tries = tries
        self.tried = Tried()
        self.dark = Dark()
        self.under: dict[int, int] = {}  # account: since when it is under MM without a bid
        self.to_auction: list[int] = []  # [s]
        self.to_bid: list[int] = []  # [s]
        self.im_factor: list[float] = []  # in force, by the hour
        self.in_the_dark = 0  # calls, auctions and bids that took place on a dead index
        self.resumed = False
        self._old: BuiltReport | None = None
        self._hour = 0
        self._inner = False
        self._next = 0  # when withdrawals are tried again [unix s]
        self._shown = self.chain.now  # when the index last said something [unix s]
        self._posted = 0  # when the last report was [unix s]
        (self.underlying,) = self.markets

    # ------------------------------------------------------------------------------------------------------ the day

    def _open_accounts(self) -> None:
        super()._open_accounts()
        self._token_of = {
            made: self.venue.system.tokens[self.venue.token_of[unpack(made).underlying]]
            for made in self.listed[self.underlying]
            if unpack(made).kind == SPOT
        }
        for party in self.parties.values():
            self.venue.fund(party, 1)  # who never deposited quote has not let the book take any
        self._posted = self._shown = self.chain.now
        self.chain.advance(1)
        self._old, _ = self.keeper.assess(self.keeper.reader.read())
        self._hour = self.chain.now // HOUR

    def _show(self, prices: Mapping[int, float]) -> None:
        if not self.silent[0] <= self.chain.now < self.silent[1]:
            super()._show(prices)
            self._shown = self.chain.now

    def _arrive(self, point: Point, *, inner: bool = False) -> None:
        self._inner = inner
        super()._arrive(point, inner=inner)

    def _post_round(self) -> dict[int, Assessment]:
        if self._inner:
            margins = self._margins()
        elif self.is_alive or not self.outcome.reports:
            margins = super()._post_round()
        else:
            margins = self._without()
        self._watch(margins)
        return margins

    def _agree(self) -> dict[int, Assessment]:
        """Chain against spec: without the engine every hour, with it at the end only."""
        if self.is_alive and self.chain.now < self.outcome.end:
            return self._margins()
        return super()._agree()

    def _is_dark(self) -> bool:
        """Whether the index is dead: by the clock, whatever the chain says."""
        return self.chain.now > self._shown + FEED_AGE

    def _without(self) -> dict[int, Assessment]:
        """A step without the engine: chores go on; and everybody tries."""
        if self.keeper.upkeep is not None:
            self.keeper.upkeep.round(list(self.parties))
        is_dead = self._is_dark()
        is_hour = self.chain.now // HOUR > self._hour
        self._hour = self.chain.now // HOUR
        margins = self._agree() if is_hour and not is_dead else self._margins()
        if is_dead:
            self._try_in_the_dark()
        elif self.tries:
            if is_hour:
                self._look()
                self._try_trades()
                self._try_old_report()
            if self.chain.now >= self._next:
                self._next = self.chain.now + BETWEEN
                self._try_withdrawals(is_hour=is_hour)
        return margins

    def _watch(self, margins: Mapping[int, Assessment]) -> None:
        """Who came under maintenance margin, and who is over it again."""
        for account, margin in margins.items():
            if margin.equity_haircut >= margin.mm:
                self.under.pop(account, None)
            else:
                self.under.setdefault(account, self.chain.now)

    def _account_for(self, taken: Taken) -> None:
        super()._account_for(taken)
        if taken.error is None and taken.step in {Step.CALL, Step.START, Step.BID}:
            self.in_the_dark += self._is_dark()
        since = self.under.get(taken.account)
        if taken.error is None and since is not None and taken.step is Step.START:
            self.to_auction.append(self.chain.now - since)
        if taken.error is None and since is not None and taken.step is Step.BID:
            self.to_bid.append(self.chain.now - since)
            del self.under[taken.account]

    def _finish(self) -> None:
        self._record_losses()
        self.to_bid += [self.chain.now - since for since in self.under.values()]
        super()._finish()

    def resume(self) -> None:
        """The engine is back: whether its first report is believed."""
        found = self.keeper.round()
        self.resumed = found.posted is not None and found.posted.ok

    def _look(self) -> None:
        """What initial margin is over maintenance margin now, the market term aside, which collateral has none of."""
        (made,) = self._token_of
        found = self.venue.system.oracle.call("terms", [word(made, self._quantity(self.underlying, 0.01))])
        self.im_factor.append(1 + found.im_add / found.scan)

    # ----------------------------------------------------------------------------------------------------- attempts

    def _is_stale(self) -> bool:
        """Whether surfaces are too old, or the index too far from them: by the clock, whatever the chain says."""
        price, reference = self._inner_prices[self.underlying], self.first_prices[self.underlying]
        moved = abs(price - reference) * PPM > (PARAMS.move_gate + 1) * reference
        return moved or self.chain.now > self._posted + PARAMS.max_age

    def _traders(self) -> list[Party]:
        return list(self.parties.values())[SYSTEM_ROLES:]

    def _risky(self, party: Party) -> list[tuple[int, int]]:
        return [(made, held) for made, held in self.venue.positions(party.account) if unpack(made).kind != SPOT]

    def _try_trades(self) -> None:
        """More of what everybody has, options sold, positions handed on, alone and in a batch; and reductions."""
        if not self._is_stale():
            return
        u = self.underlying
        some = self._quantity(u, 0.02)
        perp, call = self.by_name[u, PERP, 0.0], self.by_name[u, CALL, 1.0]
        saver = next(party for party in self._traders() if party.name == "saver")
        for party in self._traders():
            held = self._risky(party)
            wanted = [(made, quantity // 10, self.maker) for made, quantity in held[:1]]
            wanted += [(made, -quantity // 2, other) for made, quantity in held[:1] for other in (self.maker, saver)]
            wanted += [(call, -some, self.maker)] if held else [(perp, some, self.maker), (call, -some, self.maker)]
            for k, (made, quantity, other) in enumerate(wanted):
                if quantity and other is not party:
                    self._try_trade(party, other, made, quantity, batched=k == 0)

    def _try_trade(self, party: Party, other: Party, made: int, quantity: int, *, batched: bool) -> None:
        venue, system = self.venue, self.venue.system
        sides = (party, other) if quantity > 0 else (other, party)
        orders = venue.orders(*sides, made, abs(quantity))
        data = system.exchange.interface.function("settle", 5).encode(list(orders))
        ways: list[tuple[Contract, str, tuple[Any, ...]]] = [(system.exchange, "settle", orders)]
        if batched:
            calls = [(system.exchange.address, data)]
            ways.append((system.clearinghouse, "multicall", (party.account, calls)))
        for contract, name, args in ways:
            self.tried.trades += 1
            try:
                contract.call(name, *args, sender=party.address)
            except Refused as refused:
                self.tried.refusals[refused.reason] = self.tried.refusals.get(refused.reason, 0) + 1
                continue
            books = [self._book(side) for side in sides]
            with self.chain.isolate():
                contract.transact(name, *args, sender=party.address)
                # both at the open interest that the trade leaves
                pairs = [
                    (self._assess(*book), self._assess(*self._book(side)))
                    for book, side in zip(books, sides, strict=True)
                ]
            if any(_is_riskier(*pair) for pair in pairs):
                self.tried.new_risk += 1
            else:
                self.tried.reductions += 1

    def _book(self, party: Party) -> tuple[list[int], int]:
        """Words of an account, and what its ledgers add up to."""
        book = self.venue.system.clearinghouse
        return book.call("positions", party.account), sum(book.call("ledger", party.account))

    def _assess(self, words: list[int], ledger: int) -> Assessment:
        return assessment_of(self.venue.system.oracle.call("assess", words, ledger))

    def _held(self) -> Iterator[tuple[Party, bool, Contract, int]]:
        """Every account, whether it needs margin, and each token that it has, and how much [token]."""
        book = self.venue.system.clearinghouse
        asked = [book.request(name, account) for account in self.parties for name in ("positions", "ledger")]
        answers = batch(self.chain, asked)
        for k, party in enumerate(self.parties.values()):
            words, (cash, linear) = answers[2 * k : 2 * k + 2]
            needs = cash + linear < 0 or any(unpack(id_of(item)).kind != SPOT for item in words)
            if cash > 0:
                yield party, needs, self.venue.system.quote, cash // self.venue.wad(1)
            for item in words:
                token = self._token_of.get(id_of(item))
                if token is not None:
                    yield party, needs, token, quantity_of(item)

    def _try_withdrawals(self, *, is_hour: bool) -> None:
        """Every account takes out the most that passes, or puts it into another of its owner's.

        An account that needs no margin cannot be under it: it leaves once an hour.
        """
        book = self.venue.system.clearinghouse
        for party, needs, token, units in self._held():
            if not (needs or is_hour):
                continue
            self.tried.withdrawals += 1
            most = self.venue.most(party, token, units, NO_WAY_OUT)
            if not most:
                continue
            self.tried.made += 1
            ways: tuple[tuple[str, tuple[Any, ...]], ...] = (
                ("withdraw", (party.account, token.address, most, party.address)),
                ("transfer", (party.account, party.account + 1, token.address, most)),
            )
            for name, args in ways:
                if not _passes(book, name, args, party.address):
                    continue
                with self.chain.isolate():
                    book.transact(name, *args, sender=party.address)
                    left = self._assess(*self._book(party))
                self.tried.below_im += left.equity_haircut < left.im

    def _try_old_report(self) -> None:
        """Post what was signed before the engine died, once it is too old."""
        if self._old is None or self.chain.now <= self._old.report.market_time + PARAMS.max_age:
            return
        self.tried.old_reports += 1
        with self.chain.isolate():
            self.tried.believed += self.keeper.poster.post(self._old).ok

    def _try_in_the_dark(self) -> None:
        """Call, auction and bid on everybody; trade and withdraw on what has no price; deposit; and leave."""
        system, dark = self.venue.system, self.dark
        dark.steps += 1
        bidder = self.bidders[-1]
        for party in self.parties.values():
            account = party.account
            steps: tuple[tuple[str, tuple[Any, ...]], ...] = (
                ("call", (account,)),
                ("start", (account,)),
                ("bid", (account, bidder.account, WAD)),
            )
            for name, args in steps:
                if party is not bidder:
                    dark.tried += 1
                    dark.liquidations += _passes(system.liquidator, name, args, bidder.address)
            dark.deposits += 1
            with self.chain.isolate():
                try:
                    self.venue.fund(party, WAD)
                except Refused:
                    dark.deposits_refused += 1
        for party, needs, token, units in self._held():
            out = (party.account, token.address, units, party.address)
            passes = _passes(system.clearinghouse, "withdraw", out, party.address)
            if needs:
                dark.tried += 1
                dark.leaves += passes
            else:
                dark.withdrawals += 1
                dark.withdrawals_refused += not passes


def _passes(contract: Contract, name: str, args: Sequence[Any], sender: str) -> bool:
    try:
        contract.call(name, *args, sender=sender)
    except Refused:
        return False
    return True


def _is_riskier(before: Assessment, after: Assessment) -> bool:
    """Whether a trade did more than reduce: initial margin rose, or equity over maintenance margin fell."""
    return after.im > before.im or after.equity_haircut - after.mm < before.equity_haircut - before.mm


def uncalled(events: Iterable[Any]) -> int:
    """Auctions, by the liquidator's events, of accounts neither called before, nor auctioned lately, nor insolvent."""
    called: set[int] = set()
    ran: set[int] = set()
    found = 0
    for event in events:
        if event.name == "Called":
            called.add(event.args.account)
        elif event.name == "Cured":
            called.discard(event.args.account)
        elif event.name == "AuctionClosed":
            ran.discard(event.args.account)
        elif event.name == "AuctionStarted":
            account = event.args.account
            found += account not in called | ran and event.args.equity >= 0
            called.discard(account)
            ran.add(account)
    return found


def liquidator_events(system: System) -> list[Any]:
    """All of them, in order."""
    return list(events_of(system.chain.logs([system.liquidator.address], 0), [system.liquidator]))


def bad_debt(system: System) -> int:
    """What the fund paid, what all cash bore, and what is on record [wad]."""
    went = flows(system)
    return went.fund_paid + went.socialised + int(system.liquidator.call("bad_debt"))


@dataclass(frozen=True, slots=True)
class Day:
    """One path, dead against alive. Money in quote, times in minutes."""

    path: str
    fall: float  # lowest over first price, less one
    accounts: int
    liquidated: int
    liquidated_alive: int
    bad_debt: float
    bad_debt_alive: float
    first_layer: float
    slowest_auction: float
    slowest: float  # to the first bid
    slowest_alive: float
    uncalled: int
    tried: Tried
    resumed: bool
    im_factor: tuple[float, ...]  # in force without the engine, by the hour
    comparisons: int
    mismatches: int
    conserved: bool

    @property
    def bad_debt_over_live(self) -> float:
        """What the engine's absence cost, in first layers."""
        return (self.bad_debt - self.bad_debt_alive) / self.first_layer


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every path, and the dead index."""

    days: tuple[Day, ...]
    dark: Dark
    in_the_dark: int  # calls, auctions and bids that took place while the index was dead
    left_out: tuple[str, ...]  # paths that need recorded prices

    def most(self, name: str) -> float:
        """The largest of a number over the paths."""
        return max(float(getattr(day, name)) for day in self.days)

    def count(self, name: str) -> int:
        """The sum of a count of attempts over the paths."""
        return sum(getattr(day.tried, name) for day in self.days)

    @property
    def tried(self) -> int:
        """Trades and withdrawals that were tried."""
        return self.count("trades") + self.count("withdrawals")

    @property
    def on_dead_index(self) -> int:
        """What passed on a dead index and should not, and what was refused and should pass."""
        dark = self.dark
        wrong = dark.liquidations + dark.leaves + dark.deposits_refused + dark.withdrawals_refused
        return wrong + self.in_the_dark

    @property
    def ok(self) -> bool:
        """Whether all held."""
        return (
            self.most("bad_debt_over_live") <= 1
            and self.count("new_risk") == self.count("below_im") == self.count("believed") == self.on_dead_index == 0
            and all(not day.uncalled and not day.mismatches and day.conserved and day.resumed for day in self.days)
            and all(set(day.tried.refusals) <= NO_RISK for day in self.days)
        )


def run_day(path: str, folder: Path | None = None, *, seed: int | None = None, hours: int = HOURS) -> Day:
    """One path without the engine, and with it."""
    market = market_of(path, folder, SEEDS.get(path, 0) if seed is None else seed)
    alive = DeadEngine(market, is_alive=True, hours=hours)
    with_engine = alive.run()
    dead = DeadEngine(market, hours=hours)
    without = dead.run()
    system = dead.venue.system
    cost = bad_debt(system)
    dead.resume()
    prices = [point.prices[dead.underlying] for point in dead.points]
    return Day(
        path=path,
        fall=min(prices) / dead.first_prices[dead.underlying] - 1,
        accounts=len(dead.parties),
        liquidated=without.liquidated,
        liquidated_alive=with_engine.liquidated,
        bad_debt=cost / WAD,
        bad_debt_alive=bad_debt(alive.venue.system) / WAD,
        first_layer=system.fund.call("event_cap") / WAD,
        slowest_auction=max(dead.to_auction, default=0) / 60,
        slowest=max(dead.to_bid, default=0) / 60,
        slowest_alive=max(alive.to_bid, default=0) / 60,
        uncalled=sum(uncalled(liquidator_events(run.venue.system)) for run in (dead, alive)),
        tried=dead.tried,
        resumed=dead.resumed,
        im_factor=tuple(dead.im_factor),
        comparisons=without.comparisons + with_engine.comparisons,
        mismatches=len(without.mismatches) + len(with_engine.mismatches),
        conserved=without.conserved and with_engine.conserved,
    )


def run_dark(
    path: str = "stairs", silent: tuple[int, int] = DARK, hours: int = 15, *, seed: int | None = None
) -> DeadEngine:
    """One path without the engine, and for six hours of it without the index either."""
    market = market_of(path, seed=SEEDS[path] if seed is None else seed)
    found = DeadEngine(market, silent=silent, tries=False, hours=hours)
    found.run()
    return found


def dead_engine(folder: Path | None = None) -> Numbers:
    """Every path, and the dead index.

    Parameters
    ----------
    folder
        Of recorded prices; None: paths from seeds alone, and what needs recorded ones is named as left out.
    """
    paths = [*FALLS, *(["recorded"] if folder else [])]
    dark = run_dark()
    return Numbers(
        days=tuple(run_day(path, folder) for path in paths),
        dark=dark.dark,
        in_the_dark=dark.in_the_dark,
        left_out=() if folder else ("recorded",),
    )


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(asdict(dead_engine(Path(sys.argv[1]) if len(sys.argv) > 1 else None)), indent=2))  # noqa: T201
