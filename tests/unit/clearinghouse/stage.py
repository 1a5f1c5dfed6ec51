"""A deployment with a small market, for tests that calculate by hand.

    ETH 2,000  BTC 20,000  SOL 100, reference and index alike; 1 bp lanes, worst move +-10 %
    perp, future    delta 1, gross 1 %       one ETH: scan 200, gross 20: MM 220, call line 242, IM 286
    call, put 2000  marked 100, delta +-1/2, gross .5 %; long loses 3 %, gains 7 % at 10 %; short option minimum 3 %
    WETH, WBTC      haircuts 10 %, 5 %
    im factor 1.3, call buffer 10 %, gate 1 %, surfaces good for 7,200 s, prices for a day

Nobody holds anything, the role `venue` is an admitted venue, and each of `ROLES` allows it to trade account 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from plimsoll.chain.contract import events_of
from plimsoll.spec.errors import Refused
from plimsoll.spec.history import BUCKET, MIN_BUCKETS
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, WINDOW, word
from plimsoll.spec.margin import Assessment, ClassOffset, Scalars, Terms
from plimsoll.spec.registry import (
    Curve,
    Fees,
    pack_account_limits,
    pack_curve,
    pack_fees,
    pack_pool_limits,
    unpack_account_limits,
    unpack_pool_limits,
)
from plimsoll.spec.report import pack_class, pack_scalars
from plimsoll.spec.surface import LANES, Row, Surface
from plimsoll.spec.wad import MARK_UNIT, PPM, WAD
from tests.pairs import MAX, Pair, account, address_of, compiled, encode_call, from_chain, text
from tests.replays import check, log_of, replay
from tests.storage import place_of

USD = 10**6  # of the quote token
DAY = 86_400
NOW = 1_700_000_000
EXPIRY = NOW + 30 * DAY
BTC, ETH, SOL = 0x0101, 0x0102, 0x0201
PRICES = {BTC: 20_000 * WAD, ETH: 2_000 * WAD, SOL: 100 * WAD}
FEED_AGE = DAY

ROLES = ("trader", "maker", "bidder", "other")
TRADER, MAKER, BIDDER, OTHER = (account(role) for role in ROLES)
EVERYONE = [TRADER, MAKER, BIDDER, OTHER, account("attacker"), account("delegate"), account("trader", 1)]
OWNER = address_of("owner")
VENUE = address_of("venue")
ATTACKER = address_of("attacker")
DELEGATE = address_of("delegate")

_NODES = (0, 170, -170, 330, -330, 500, -500, 670, -670, 830, -830, 1_000, -1_000)
MOVES = (*(move for node in _NODES for move in (node, node)), 900, -900, 990, -990, 660, -660)  # [bp]


def lanes_of(kind: int) -> tuple[int, ...]:
    """One unit's profit or loss in the lanes [bp]."""
    if kind == CALL:
        return tuple(move * (7 if move > 0 else 3) // 10 for move in MOVES)
    if kind == PUT:
        return tuple(-move * (3 if move > 0 else 7) // 10 for move in MOVES)
    return MOVES


def make_row(kind: int, strike: int = 0, **changes: Any) -> Row:
    """A row of the small market."""
    is_option = kind in {CALL, PUT}
    fields = {
        "kind": kind,
        "strike": strike,
        "lanes": lanes_of(kind),
        "mark": MARK_UNIT // 20 if is_option else MARK_UNIT,
        "delta": {CALL: PPM // 2, PUT: -PPM // 2}.get(kind, PPM),
        "gamma": 0,
        "vega": 0,
        "theta": 0,
        "gross": {CALL: 5_000, PUT: 5_000, SPOT: 100_000}.get(kind, 10_000),
    }
    return Row(**(fields | changes))


def make_surface(underlying: int, expiry: int, rows: Sequence[Row], time: int, **changes: Any) -> Surface:
    """A surface of the small market."""
    fields = {
        "underlying": underlying,
        "expiry": expiry,
        "scale": 10,
        "common": LANES,
        "time": time,
        "set_id": 1,
        "forward": 10**9,
        "reference": PRICES.get(underlying, WAD),
        "psr": 100_000,
        "vol_up": 0,
        "vol_down": 0,
        "nodes": (0,) * 13,
        "extremes": (0,) * 3,
        "rows": tuple(rows),
    }
    return Surface(**(fields | changes))


def make_scalars(underlying: int, **changes: int) -> Scalars:
    """Scalars of the small market: nothing is concentrated in it."""
    fields = {
        "depth": 10**6 * WAD,
        "kappa": PPM,
        "som": 30_000,
        "im_factor": 1_300_000,
        "volatility": 600_000,
        "market": 0,
    }
    return Scalars(underlying=underlying, **(fields | changes))


def wad(value: float | str) -> int:
    """A decimal number as WAD, exactly."""
    whole, _, part = str(value).partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole or 0)) * WAD + int(part.ljust(18, "0") or 0))


def words_of(held: Mapping[int, int]) -> list[int]:
    """A book's words, sorted, from quantities by id."""
    return [word(instrument, held[instrument]) for instrument in sorted(held)]


class Stage:
    """The small market on chain and in the twin.

    `seizer` is the liquidator's address, if not the Liquidator's, and `fund` whether there is one then; `lag` and
    `delay` are the history's [s]. On a `rollup` there is a sequencer.
    """

    def __init__(
        self, seizer: int = 0, lag: int = 0, delay: int = 0, *, fund: bool = True, rollup: bool = False
    ) -> None:
        self.is_told = True  # whether the log tells all: not where a test writes storage, or acts on the chain alone
        # MockOddToken is a plain token until a switch is turned
        self.pair = Pair(
            quote_decimals=6,
            decimals=(18, 8, 18, 19),
            underlyings=PRICES,
            signers=3,
            quorum=2,
            now=NOW,
            lag=lag,
            delay=delay,
            rollup=rollup,
            replaced={"MockToken": compiled("MockOddToken")},
        )
        pair = self.pair
        if seizer:
            for part in ("oracle", "mandates"):
                pair.must(part, "set_book", pair.twin.at.book, sender=OWNER)
            pair.must("book", "set_liquidator", seizer, sender=OWNER)
            if fund:
                pair.must("book", "set_fund", pair.twin.at.fund, sender=OWNER)
        else:
            pair.wire()
        self.usd, self.weth, self.wbtc, self.unlisted, self.long_decimals = pair.tokens
        for underlying, price in PRICES.items():
            pair.price(underlying, price)
            pair.must("feed", "set_feed", underlying, pair.aggregators[underlying], FEED_AGE, 18, sender=OWNER)
        self.perp = self.list(ETH, 0, PERP)
        self.spot = pair.must("registry", "list_collateral", self.weth, ETH, sender=OWNER)
        self.btc_perp = self.list(BTC, 0, PERP)
        self.btc_spot = pair.must("registry", "list_collateral", self.wbtc, BTC, sender=OWNER)
        self.sol_perp = self.list(SOL, 0, PERP)
        self.future = self.list(ETH, EXPIRY, FUTURE)
        self.call = self.list(ETH, EXPIRY, CALL, 2_000)
        self.put = self.list(ETH, EXPIRY, PUT, 2_000)
        pair.must("registry", "set_venue", VENUE, True, sender=OWNER)
        for role in ROLES:
            self.allow(role)
        self.surfaces = {
            (BTC, 0): (make_row(PERP), make_row(SPOT, 2, gross=50_000)),
            (ETH, 0): (make_row(PERP), make_row(SPOT, 1)),
            (ETH, EXPIRY): (make_row(FUTURE), make_row(CALL, 2_000), make_row(PUT, 2_000)),
            (SOL, 0): (make_row(PERP),),
        }
        self.scalars = {underlying: make_scalars(underlying) for underlying in PRICES}
        self.classes = {1: ClassOffset(1, 300_000, 100_000)}
        self.post()
        pair.compare(EVERYONE)

    # ------------------------------------------------------------------------------------------------------- acting

    @property
    def book(self) -> Any:
        """The twin of the Clearinghouse: whatever a step left in it is on chain too."""
        return self.pair.twin.book

    def list(self, underlying: int, expiry: int, kind: int, strike: int = 0) -> int:
        """List an instrument."""
        return self.pair.must("registry", "list_instrument", underlying, expiry, kind, strike, sender=OWNER)

    def post(self, **changes: Any) -> None:
        """Believe surfaces of now, at the live index."""
        made = [
            make_surface(u, e, rows, self.pair.now, **({"reference": self.index(u)} | changes))
            for (u, e), rows in sorted(self.surfaces.items())
        ]
        self.pair.post(made, map(pack_scalars, self.scalars.values()), map(pack_class, self.classes.values()))

    def index(self, underlying: int) -> int:
        """The live index [wad], whatever its age."""
        return self.pair.twin.aggregators[self.pair.aggregators[underlying]].answer

    def allow(
        self,
        role: str,
        venue: int = VENUE,
        at: int = 0,
        *,
        expires: int = MAX,
        budget: int = MAX,
        mask: int = 0,
        base: int = 0,
    ) -> None:
        """Let a venue trade a role's account, by default without end."""
        args = account(role, at), venue, expires, budget, mask, base
        self.pair.must("mandates", "set_allowance", *args, sender=address_of(role))

    def delegate(self, role: str, rights: int, delegate: int = DELEGATE) -> None:
        """Let another act for a role's account."""
        args = account(role), delegate, rights, MAX
        self.pair.must("mandates", "set_delegate", *args, sender=address_of(role))

    def limit(self, **changes: int) -> None:
        """Change limits of accounts or of the pool, by their names in the registry's twin."""
        registry = self.pair.twin.registry
        old = unpack_account_limits(registry.account_limits()), unpack_pool_limits(registry.pool_limits())
        mine, all_of = (
            replace(limits, **{key: value for key, value in changes.items() if hasattr(limits, key)}) for limits in old
        )
        assert all(hasattr(old[0], key) or hasattr(old[1], key) for key in changes)
        args = pack_account_limits(mine), pack_pool_limits(all_of)
        self.pair.must("registry", "set_limits", *args, sender=OWNER)

    def curve(self, **fields: int) -> None:
        """What borrowing costs."""
        self.pair.must("registry", "set_curve", pack_curve(Curve(**fields)), sender=OWNER)

    def fees(self, **fields: int) -> None:
        """What trades cost."""
        self.pair.must("registry", "set_fees", pack_fees(Fees(**fields)), sender=OWNER)

    def batch(self, who: int, *calls: tuple[Any, ...], sender: int) -> str | None:
        """A multicall of (part, name, arguments ...) on both: None, or the reason that both refused it with."""
        found = self.pair.batch(who, [(part, name, args) for part, name, *args in calls], sender=sender)
        return found.reason if isinstance(found, Refused) else None

    def data(self, part: str, name: str, *args: Any) -> bytes:
        """Calldata of a function."""
        return encode_call(self.pair.contracts[part].interface.function(name, len(args)), args)

    def settle_expiry(
        self, price: int, wait: int | None = None, *, underlying: int = ETH, expiry: int = EXPIRY
    ) -> None:
        """Let an expiry pass at a price, and as long as it takes till that is final, if not told otherwise."""
        pair = self.pair
        self.later(expiry - WINDOW - pair.now)
        pair.price(underlying, price)
        for _ in range(MIN_BUCKETS):
            pair.must("history", "observe", underlying, expiry)
            self.later(BUCKET)
        self.later(expiry - pair.now)
        pair.must("history", "propose", underlying, expiry)
        self.later(pair.twin.history.delay if wait is None else wait)

    def later(self, seconds: int) -> None:
        """Let time pass, while the aggregators go on."""
        self.pair.advance(seconds)
        for underlying in PRICES:
            self.pair.price(underlying, self.index(underlying))

    def fund(self, role: str, dollars: float | str, *, at: int = 0) -> None:
        """Deposit new quote tokens."""
        amount = wad(dollars) // 10**12
        self.pair.mint(self.usd, address_of(role), amount)
        self.pair.must("book", "deposit", account(role, at), self.usd, amount, sender=address_of(role))

    def bring(self, role: str, token: int, amount: int) -> None:
        """Deposit new tokens."""
        self.pair.mint(token, address_of(role), amount)
        self.pair.must("book", "deposit", account(role), token, amount, sender=address_of(role))

    def trade(self, buyer: int, seller: int, instrument: int, quantity: int, price: int, *more: bool) -> None:
        """A trade that must pass."""
        self.pair.must("book", "trade", buyer, seller, instrument, quantity, price, *more, sender=VENUE)

    def refuses(self, reason: str, part: str, name: str, *args: Any, sender: int = ATTACKER) -> None:
        """A step that chain and twin refuse with this reason, and that changes nothing."""
        before = self.balances()
        self.pair.refused(reason, part, name, *args, sender=sender)
        self.pair.compare(EVERYONE)
        assert self.balances() == before

    def refuses_trade(self, reason: str, *args: int, sender: int = VENUE) -> None:
        """A trade that is refused."""
        self.refuses(reason, "book", "trade", *args, sender=sender)

    def sick(self, dollars: float | str = 286, price: float | str = 1_900) -> None:
        """The trader at initial margin with one long perp of 2,000, and the index somewhere else."""
        self.fund("maker", 1_000_000)
        self.fund("trader", dollars)
        self.trade(TRADER, MAKER, self.perp, WAD, 2_000 * WAD)
        self.pair.price(ETH, wad(price))

    # ------------------------------------------------------------------------------------------------------ looking

    def ask(self, part: str, name: str, *args: Any) -> Any:
        """A view on chain, in the twin's types."""
        contract = self.pair.contracts.get(part) or self.pair.lens
        function = contract.interface.function(name, len(args))
        return from_chain(function.decode(self.pair.chain.call(contract.address, encode_call(function, args))))

    def margin(self, who: int) -> Assessment:
        """An account's margin on chain; the twin's is the same."""
        found = Assessment(*self.ask("book", "margin", who))
        assert found == self.book.margin(who, self.pair.now)
        return found

    def assess(self, held: Mapping[int, int], ledger: int = 0) -> Assessment:
        """The margin on chain of a book that nobody need have; the twin's is the same."""
        words = words_of(held)
        found = Assessment(*self.ask("oracle", "assess", words, ledger))
        assert found == self.pair.twin.oracle.assess(words, ledger, self.pair.now)
        return found

    def terms(self, held: Mapping[int, int]) -> Terms:
        """The terms of positions on one underlying on chain; the twin's are the same."""
        words = words_of(held)
        found = Terms(*self.ask("oracle", "terms", words))
        assert found == self.pair.twin.oracle.terms(words, self.pair.now)
        return found

    def mark(self, instrument: int) -> int:
        """An instrument's mark on chain; the twin's is the same."""
        found = self.ask("oracle", "mark", instrument)
        assert found == self.pair.twin.oracle.mark(instrument, self.pair.now)
        return found

    def ledger(self, who: int) -> tuple[int, int]:
        """Cash and linear on chain."""
        return tuple(self.ask("book", "ledger", who))

    def quantity(self, who: int, instrument: int) -> int:
        """A position on chain."""
        return self.ask("book", "quantity", who, instrument)

    def balances(self) -> list[int]:
        """Tokens of the book and of the roles, on chain."""
        holders = [self.pair.twin.at.book, *map(address_of, (*ROLES, "attacker", "delegate"))]
        return [
            token.call("balanceOf", text(holder)) for token in self.pair.token_contracts.values() for holder in holders
        ]

    def last(self, part: str = "book") -> tuple[str, dict[str, Any]]:
        """The last event of a part; `Pair.step` has held the log of the chain to it."""
        event = getattr(self.pair.twin, part).log[-1]
        return event.name, dict(event.args)

    # ---------------------------------------------------------------------------------------------------- chain only

    def on_chain(self, part: str, name: str, *args: Any, sender: int) -> str | list[tuple[str, dict[str, Any]]]:
        """A step on the chain alone, for what the twin does not know: its events, or the reason of its refusal."""
        contract = self.pair.contracts[part]
        function = contract.interface.function(name, len(args))
        self.pair.changed = True
        try:
            receipt = self.pair.chain.transact(contract.address, encode_call(function, args), sender=text(sender))
        except Refused as refused:
            return refused.reason
        self.is_told = False
        found = events_of(receipt.logs, list(self.pair.contracts.values()))
        return [(event.name, {k: from_chain(v) for k, v in event.args._asdict().items()}) for event in found]

    def write(self, variable: str, value: int, key: int | None = None) -> None:
        """A word of the Clearinghouse's storage, written on the chain alone: of a variable, or of a map at a key."""
        book = self.pair.contracts["book"].address
        self.pair.chain._write({(book, place_of(self.pair, variable, key)): value}, {})
        self.pair.changed = True
        self.is_told = False

    @contextmanager
    def undone(self) -> Iterator[Stage]:
        """What happens inside is undone, once the state was found to be what the log alone gives."""
        kept = dict(self.surfaces), dict(self.scalars), dict(self.classes)
        with self.pair.isolated():
            self.is_told = True
            yield self
            if self.is_told:
                check(self.pair, replay(self.pair, log_of(self.pair)))
        self.surfaces, self.scalars, self.classes = kept

    def switch(self, token: int, name: str, *args: Any) -> None:
        """Turn a switch of a token."""
        self.pair.token_contracts[token].transact(name, *args, sender=text(OWNER))

    def kill_feed(self, underlying: int, way: str) -> str:
        """Let a feed die, in one of several ways; what it refuses with."""
        pair = self.pair
        if way == "stale":
            answer = pair.twin.aggregators[pair.aggregators[underlying]].answer
            pair.price(underlying, answer, pair.now - FEED_AGE - 1)
            return "feed: stale price"
        if way == "zero":
            pair.price(underlying, 0)
            return "feed: price not positive"
        if way == "negative":
            pair.price(underlying, -1)
            return "feed: price not positive"
        pair.fail(underlying)
        return "aggregator: down"


DEAD = ("stale", "zero", "negative", "reverting")


@cache
def session_stage(seizer: int = 0, lag: int = 0, delay: int = 0, *, rollup: bool = False) -> Stage:
    """The stage, built once for all folders of tests."""
    return Stage(seizer, lag, delay, rollup=rollup)


@contextmanager
def clean_stage(seizer: int = 0, lag: int = 0, delay: int = 0, *, rollup: bool = False) -> Iterator[Stage]:
    """The stage as it was built; what happens inside is undone."""
    with session_stage(seizer, lag, delay, rollup=rollup).undone() as stage:
        yield stage
