"""A history and its twin side by side, over a real feed and an oracle whose surfaces and funding are set."""

import copy
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from plimsoll.chain.artifacts import ROOT, compile_one, load
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import IndexFeed
from plimsoll.spec.history import BUCKET, BUCKETS, History
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, WINDOW, Instrument, word
from plimsoll.spec.margin import Params, View
from plimsoll.spec.surface import LANES, Row, Surface, encode
from plimsoll.spec.wad import FORWARD_UNIT, MARK_UNIT, PPM, WAD
from tests.guardians import named

OWNER = 0xA1 * (256**20 // 255)
GUARDIAN = 0xB2 * (256**20 // 255)
ATTACKER = 0xEE * (256**20 // 255)
TRADER = 0xC3 * (256**20 // 255)

ETH = 0x0102
BTC = 0x0103
SOL = 0x0201
UNKNOWN = 0x0999
UNDERLYINGS = (ETH, BTC, SOL)

DAY = 86_400
START = 1_700_000_000
EXPIRY = START + 7 * DAY
LAG = 600
DELAY = 3_600
MAX_AGE = 7 * DAY

NOT_OWNER = "refused: ownable: caller is not the owner"
# what makes the feed of an underlying refuse, and how
DEAD = {
    "nothing": "feed: price not positive",
    "future": "feed: price from the future",
    "stale": "feed: stale price",
    "bounded": "feed: price at its bound",
    "huge": "feed: price over the maximum",
}


def text(address: int) -> str:
    return f"0x{address:040x}"


def plain(value: Any) -> Any:
    """As the twin has it: addresses are integers, tuples are plain."""
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return int(value, 16) if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{40}", value) else value


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives: its value, or the reason it was refused with."""
    try:
        return action()
    except Refused as refused:
        return f"refused: {refused.reason}"


def wad(number: float | str) -> int:
    """A number of at most 18 decimals [wad], exactly."""
    whole, _, rest = str(number).partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole)) * WAD + int(rest.ljust(18, "0") or 0))


def make_row(kind: int, strike: int = 0, **changes: Any) -> Row:
    """A row: linear at the index, an option at a twentieth of it with half its delta."""
    is_option = kind in {CALL, PUT}
    fields = {
        "kind": kind,
        "strike": strike,
        "lanes": (0,) * LANES,
        "mark": MARK_UNIT // 20 if is_option else MARK_UNIT,
        "delta": {CALL: PPM // 2, PUT: -PPM // 2}.get(kind, PPM),
        "gamma": 0,
        "vega": 0,
        "theta": 0,
        "gross": 10_000,
    }
    return Row(**(fields | changes))


def make_surface(underlying: int, expiry: int, *rows: Row, reference: int = 2_000 * WAD, **changes: Any) -> Surface:
    """A surface of these rows."""
    fields = {
        "underlying": underlying,
        "expiry": expiry,
        "scale": 10,
        "common": LANES,
        "time": START,
        "set_id": 1,
        "forward": FORWARD_UNIT,
        "reference": reference,
        "psr": 0,
        "vol_up": 0,
        "vol_down": 0,
        "nodes": (0,) * 13,
        "extremes": (0,) * 3,
        "rows": rows,
    }
    return Surface(**(fields | changes))


def perp(underlying: int = ETH, quantity: int = WAD) -> int:
    return word(Instrument(underlying, 0, PERP, 0, 0).pack(), quantity)


def spot(underlying: int = ETH, quantity: int = WAD) -> int:
    return word(Instrument(underlying, 0, SPOT, 1, 1).pack(), quantity)


def future(underlying: int = ETH, quantity: int = WAD, expiry: int = EXPIRY) -> int:
    return word(Instrument(underlying, expiry, FUTURE, 0, 0).pack(), quantity)


def call(underlying: int = ETH, quantity: int = WAD, strike: int = 2_000) -> int:
    return word(Instrument(underlying, EXPIRY, CALL, strike, 1).pack(), quantity)


def put(underlying: int = ETH, quantity: int = WAD, strike: int = 2_000) -> int:
    return word(Instrument(underlying, EXPIRY, PUT, strike, 2).pack(), quantity)


@dataclass
class Aggregator:
    """Twin of MockAggregator."""

    decimals: int = 18
    answer: int = 0
    updated_at: int = 0

    def latest(self) -> tuple[int, int]:
        return self.answer, self.updated_at


@dataclass
class Oracle:
    """Twin of MockRiskOracle."""

    surfaces: dict[tuple[int, int], Surface] = field(default_factory=dict)
    fundings: dict[int, int] = field(default_factory=dict)

    def view(self, now: int) -> View:
        return View(Params(), now, {}, self.surfaces)

    def funding(self, underlying: int, now: int) -> int:
        return self.fundings.get(underlying, 0)


def guards(owner: int, who: int) -> bool:
    """Whom the owner names his guardian."""
    return (owner, who) == (OWNER, GUARDIAN)


@dataclass
class Twins:
    """All that is copied at once."""

    aggregators: dict[int, Aggregator]
    feed: IndexFeed
    oracle: Oracle
    history: History


class Bench:
    """Contract and twin, driven alike; every call asserts that both answer the same, and are the same after it."""

    def __init__(self) -> None:
        self.chain = EmbeddedChain(time=START)
        self.feed = self.put("IndexFeed", text(0))
        self.oracle = self.put("MockRiskOracle")
        self.aggregators = {u: self.put("MockAggregator", 18, "") for u in UNDERLYINGS}
        twins = {plain(mock.address): Aggregator() for mock in self.aggregators.values()}
        feed = IndexFeed(OWNER, twins)
        oracle = Oracle()
        self.twins = Twins(twins, feed, oracle, History(OWNER, feed, oracle, 0, 0))
        for underlying, mock in self.aggregators.items():
            self.price(underlying, 2_000 * WAD)
            self.feed.transact("set_feed", underlying, mock.address, MAX_AGE, 18, sender=text(OWNER))
            feed.set_feed(underlying, plain(mock.address), MAX_AGE, 18, sender=OWNER, now=self.now)
        self.begin(LAG, DELAY)

    def put(self, name: str, *args: Any) -> Any:
        return deploy(self.chain, load(name), *args, sender=text(OWNER))

    def begin(self, lag: int = LAG, delay: int = DELAY) -> None:
        """A history of its own."""
        self.contract = self.put("History", self.feed.address, self.oracle.address, lag, delay)
        self.twins.history = History(OWNER, self.twins.feed, self.twins.oracle, lag, delay, guards)

    @contextmanager
    def isolated(self) -> Iterator["Bench"]:
        """What happens inside is undone on both."""
        kept, contract = copy.deepcopy(self.twins), self.contract
        try:
            with self.chain.isolate():
                yield self
        finally:
            self.twins, self.contract = kept, contract

    @property
    def now(self) -> int:
        return self.chain.now

    def later(self, seconds: int) -> None:
        self.chain.advance(seconds)

    def until(self, time: int) -> None:
        self.chain.set_time(time)

    # ---------------------------------------------------------------------------------------------- what is around

    def price(self, underlying: int, answer: int, updated_at: int | None = None) -> None:
        when = self.now if updated_at is None else updated_at
        mock = self.aggregators[underlying]
        mock.transact("set_at", answer, when, sender=text(OWNER))
        twin = self.twins.aggregators[plain(mock.address)]
        twin.answer, twin.updated_at = answer, when

    def kill(self, underlying: int, way: str) -> str:
        """Let a feed refuse; the outcome of whatever reads it."""
        price = 2_000 * WAD
        if way == "bounded":
            self.price(underlying, price)
            bounds = (underlying, price, 0)
            self.feed.transact("set_bounds", *bounds, sender=text(OWNER))
            self.twins.feed.set_bounds(*bounds, sender=OWNER)
        elif way == "stale":
            self.price(underlying, price, self.now - MAX_AGE - 1)
        elif way == "future":
            self.price(underlying, price, self.now + 1)
        else:
            self.price(underlying, 0 if way == "nothing" else 10**27 + 1)
        return f"refused: {DEAD[way]}"

    def surface(self, found: Surface) -> None:
        """Post a surface."""
        code = encode(found)
        # as RiskOracle creates it: copies all but these ten bytes
        head = b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80600a3d393df3")
        at = self.chain.deploy(head + code, sender=text(OWNER)).address
        self.oracle.transact("set_surface", found.underlying, found.expiry, at, sender=text(OWNER))
        self.twins.oracle.surfaces[found.underlying, found.expiry] = found

    def surfaces(self, underlying: int = ETH, **changes: Any) -> None:
        """Post both surfaces of an underlying: all that `perp` .. `put` name."""
        self.surface(make_surface(underlying, 0, make_row(PERP), make_row(SPOT, 1), **changes))
        rows = make_row(FUTURE), make_row(CALL, 2_000), make_row(PUT, 2_000)
        self.surface(make_surface(underlying, EXPIRY, *rows, **changes))

    def funding(self, underlying: int, funding: int) -> None:
        self.oracle.transact("set_funding", underlying, funding, sender=text(OWNER))
        self.twins.oracle.fundings[underlying] = funding

    # ------------------------------------------------------------------------------------------------------- steps

    def step(self, name: str, *args: Any, sender: int = TRADER) -> Any:
        """One function on both: the events, or why it was refused."""
        twin = self.twins.history
        function = self.contract.interface.function(name, len(args))
        given = [text(a) if entry["type"] == "address" else a for a, entry in zip(args, function.inputs, strict=True)]
        with nullcontext() if sender == OWNER else named(self.chain, text(OWNER), GUARDIAN):
            on_chain = outcome(lambda: self._log(self.contract.transact(name, *given, sender=text(sender))))
        known = {"now": self.now}
        if name in {"dispute", "resolve"}:
            known["sender"] = sender
        before = len(twin.log)

        def run() -> list[tuple[str, dict[str, Any]]]:
            assert getattr(twin, name)(*args, **known) is None
            return [(event.name, dict(event.args)) for event in twin.log[before:]]

        assert on_chain == outcome(run)
        self.same(*args[:2])
        return on_chain

    def ask(self, name: str, *args: Any) -> Any:
        """A view of both."""
        on_chain = outcome(lambda: plain(self.contract.call(name, *args)))
        function = getattr(self.twins.history, name)
        timed = name in {"lagged", "unpaid", "variation", "settled"}
        found = outcome(lambda: function(*args, self.now) if timed else function(*args))
        assert on_chain == found
        return on_chain

    def same(self, underlying: int = ETH, expiry: int = EXPIRY) -> None:
        """All views of one underlying and expiry."""
        if underlying >= 2**16:  # an address
            underlying = ETH
        self.ask("checkpoints", underlying)
        self.ask("lagged", underlying)
        for name in ("settled", "settlement", "buckets"):
            self.ask(name, underlying, expiry)

    # --------------------------------------------------------------------------------------------------- shortcuts

    def to_bucket(self, bucket: int, expiry: int = EXPIRY, second: int = 0) -> None:
        self.until(expiry - WINDOW + bucket * BUCKET + second)

    def fill(self, prices: dict[int, int], underlying: int = ETH, expiry: int = EXPIRY) -> None:
        """Observe these prices in these buckets."""
        for bucket, price in sorted(prices.items()):
            self.to_bucket(bucket, expiry)
            self.price(underlying, price)
            assert self.step("observe", underlying, expiry) == [
                ("Observed", {"underlying": underlying, "expiry": expiry, "bucket": bucket, "price": price})
            ]

    def fill_all(self, price: int = 2_000 * WAD, underlying: int = ETH, expiry: int = EXPIRY) -> None:
        self.fill(dict.fromkeys(range(BUCKETS), price), underlying, expiry)

    def _log(self, receipt: Any) -> list[tuple[str, dict[str, Any]]]:
        return [
            (event.name, {key: plain(value) for key, value in event.args._asdict().items()})
            for event in self.contract.events(receipt)
        ]


@pytest.fixture(scope="session")
def session_bench() -> Bench:
    return Bench()


@pytest.fixture
def bench(session_bench):
    """A history of a lag and a delay in which nothing happened; what a test does to it is undone."""
    with session_bench.isolated():
        yield session_bench


OPENED = """# pragma version 0.4.3
from modules import settlement_price

@external
@pure
def count(seen: uint256[30]) -> uint256:
    return settlement_price._count(seen)

@external
@pure
def filled(seen: uint256[30]) -> uint256[30]:
    return settlement_price._filled(seen)

@external
@pure
def middle_half(prices: uint256[30]) -> uint256:
    return settlement_price._middle_half(prices)
"""


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """The module's functions, made external."""
    root = tmp_path_factory.mktemp("opened")
    shutil.copytree(ROOT / "contracts" / "modules", root / "contracts" / "modules")
    path = root / "contracts" / "Opened.vy"
    path.write_text(OPENED)
    return deploy(EmbeddedChain(), compile_one(path, root), sender=text(OWNER))
