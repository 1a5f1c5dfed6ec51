"""A guarded deployment whose posted numbers a test says by name, for tests of Guardrails.

    ETH 2,000  BTC 20,000, reference and index alike; 0.1 bp lanes, PSR 10 %, extremes 1.5, 2, 3 damped by .60, .45, .33
    ETH: perp, token (95 % of the index, haircut 10 %); an expiry with a future, a call at 6,000 and a put at 500
    BTC: perp and token
    NEW, of another class: 100, and nothing was ever said of it
    three signers, quorum 2, urgent quorum 3

`Said` is all that a report says; the lanes follow from it as the guardrails demand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from plimsoll.chain.artifacts import Artifact
from plimsoll.risk.scenarios import NODES
from plimsoll.spec.errors import Refused
from plimsoll.spec.guardrails import linear_lanes
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT
from plimsoll.spec.margin import ClassOffset, Scalars
from plimsoll.spec.report import pack_class, pack_scalars
from plimsoll.spec.surface import LANES, Row, Surface
from plimsoll.spec.wad import MARK_UNIT, PPM, WAD
from tests.pairs import Pair, address_of, number

NOW = 1_700_000_000
HOUR, DAY = 3_600, 86_400
EXPIRY = NOW + 60 * DAY
ETH, BTC, NEW = 0x0102, 0x0103, 0x0201
PRICES = {ETH: 2_000 * WAD, BTC: 20_000 * WAD, NEW: 100 * WAD}
OWNER, ATTACKER = address_of("owner"), address_of("attacker")
GUARDIANS = ("guardian", "other guardian")
WORTH_UNIT = MARK_UNIT // PPM


@dataclass(frozen=True)
class Said:
    """What a report says of one underlying, and of its class."""

    reference: int
    psr: int = 100_000
    vol_up: int = 400_000
    vol_down: int = 250_000
    extremes: tuple[int, int, int] = (150, 200, 300)
    damps: tuple[int, int, int] = (60, 45, 33)
    forward: int = 10**9
    perp_mark: int = MARK_UNIT
    future_mark: int | None = None  # the forward's where it is not said
    gross: int = 10_000
    haircut: int = 100_000
    worth: int = 950_000  # [ppm]
    depth: int = 1_000 * WAD
    kappa: int = 50_000
    som: int = 10_000
    im_factor: int = 1_300_000
    volatility: int = 600_000
    market: int = 20_000
    offset: int = 300_000
    cross_haircut: int = 100_000


def surfaces(underlying: int, said: Said, time: int, *, dated: bool = True) -> list[Surface]:
    """The surfaces that say it."""
    empty = Surface(
        underlying=underlying,
        expiry=0,
        scale=1,
        common=LANES,
        time=time,
        set_id=1,
        forward=10**9,
        reference=said.reference,
        psr=said.psr,
        vol_up=said.vol_up,
        vol_down=said.vol_down,
        nodes=NODES,
        extremes=said.extremes,
        rows=(),
        damps=said.damps,
    )
    try:
        lanes = linear_lanes(empty)
    except Refused:  # lanes that a finer unit cannot hold
        empty = replace(empty, scale=10)
        lanes = linear_lanes(empty)
    mark = said.worth * WORTH_UNIT
    most = min(mark // (empty.scale * 10**7), 2**15 - 1)
    held = tuple(min(max(lane * mark // MARK_UNIT, -most), 2**15 - 1) for lane in lanes)
    first = replace(
        empty,
        rows=(
            Row(PERP, 0, lanes, said.perp_mark, PPM, 0, 0, 0, said.gross),
            Row(SPOT, 1, held, mark, said.worth, 0, 0, 0, said.haircut),
        ),
    )
    if not dated or underlying != ETH:
        return [first]
    future_mark = said.forward * 1_000 if said.future_mark is None else said.future_mark
    nothing = (0,) * LANES
    second = replace(
        empty,
        expiry=EXPIRY,
        forward=said.forward,
        rows=(
            Row(FUTURE, 0, lanes, future_mark, PPM, 0, 0, 0, said.gross),
            Row(CALL, 6_000, nothing, 10**6, 0, 0, 0, 0, said.gross),
            Row(PUT, 500, nothing, 10**6, 0, 0, 0, 0, said.gross),
        ),
    )
    return [first, second]


def scalars_of(underlying: int, said: Said) -> int:
    """The posted word of an underlying."""
    return pack_scalars(
        Scalars(underlying, said.depth, said.kappa, said.som, said.im_factor, said.volatility, said.market)
    )


def class_of(said: Said, klass: int = 1) -> int:
    """The posted word of the class."""
    return pack_class(ClassOffset(klass, said.offset, said.cross_haircut))


class Yard:
    """The deployment, with one report believed."""

    def __init__(self, replaced: Mapping[str, Artifact] | None = None) -> None:
        pair = self.pair = Pair(guarded=True, underlyings=PRICES, signers=3, quorum=2, now=NOW, replaced=replaced)
        for underlying, price in PRICES.items():
            pair.price(underlying, price)
            pair.must("feed", "set_feed", underlying, pair.aggregators[underlying], DAY, 18, sender=OWNER)
        self.said = {underlying: Said(PRICES[underlying]) for underlying in (ETH, BTC)}
        self.must()
        pair.compare([])

    @property
    def guard(self) -> Any:
        """The twin of Guardrails."""
        return self.pair.twin.guard

    def later(self, seconds: int) -> None:
        """Let time pass, while the aggregators go on."""
        self.pair.advance(seconds)
        for underlying in PRICES:
            at = self.pair.twin.aggregators[self.pair.aggregators[underlying]]
            self.pair.price(underlying, at.answer)

    def words(self, *, urgent: bool = False, **changes: Any) -> tuple[Any, ...]:
        """The arguments of `post` for a report of all that is said, changed for ETH."""
        changed = {**self.said, ETH: replace(self.said[ETH], **changes)}
        made = [each for u, said in sorted(changed.items()) for each in surfaces(u, said, self.pair.now)]
        words = [scalars_of(u, said) for u, said in changed.items()]
        return self.report(made, words, [class_of(changed[ETH])], urgent=urgent)

    def first(self, **changes: Any) -> tuple[Any, ...]:
        """The arguments of `post` for the first report of the underlying that nothing was said of."""
        said = Said(PRICES[NEW], **changes)
        made = surfaces(NEW, said, self.pair.now)
        return self.report(made, [scalars_of(NEW, said)], [class_of(said, NEW >> 8)])

    def report(
        self, made: Sequence[Surface], scalars: Sequence[int] = (), classes: Sequence[int] = (), *, urgent: bool = False
    ) -> tuple[Any, ...]:
        """The arguments of `post` for a report, signed by as many as must."""
        report, stored = self.pair.report(made, scalars, classes, urgent=urgent, market_time=self.pair.now)
        names = self.pair.signers if urgent else self.pair.signers[:2]
        return report, self.pair.signed(report, names), stored, b""

    def must(self, *, urgent: bool = False, **changes: Any) -> None:
        """A report that must be believed; what it says of ETH stands then."""
        self.pair.must("oracle", "post", *self.words(urgent=urgent, **changes))
        self.said[ETH] = replace(self.said[ETH], **changes)

    def refuses(self, reason: str, *, urgent: bool = False, **changes: Any) -> None:
        """A report that both refuse with this reason, and that changes nothing."""
        self.refused(reason, "oracle", "post", *self.words(urgent=urgent, **changes))

    def refused(self, reason: str, part: str, name: str, *args: Any, sender: int = 1) -> None:
        """A step that both refuse with this reason, and that changes nothing."""
        self.pair.compare([])
        self.pair.refused(reason, part, name, *args, sender=sender)
        self.pair.compare([])

    def passes(self, *, urgent: bool = False, **changes: Any) -> bool:
        """Whether a report would be believed, by both; undone."""
        with self.pair.isolated():
            return not isinstance(self.pair.step("oracle", "post", *self.words(urgent=urgent, **changes)), Refused)

    def entrust(self, part: str) -> None:
        """Hand a part over to the timelock, which names guardians."""
        self.pair.hand_over(part, self.pair.twin.at.timelock)
        self.pair.must("timelock", "adopt", number(self.pair.contracts[part].address))

    def ask(self, part: str, name: str, *args: Any) -> Any:
        """A view on chain."""
        return self.pair.contracts[part].call(name, *args)

    def last(self, part: str = "guard") -> tuple[str, dict[str, Any]]:
        """The last event of a part; `Pair.step` has held the log of the chain to it."""
        event = getattr(self.pair.twin, part).log[-1]
        return event.name, dict(event.args)


@cache
def session_yard() -> Yard:
    """The yard, built once for all folders of tests."""
    return Yard()


@contextmanager
def clean_yard() -> Iterator[Yard]:
    """The yard as it was built; what happens inside is undone."""
    yard = session_yard()
    kept, pending = dict(yard.said), dict(yard.pair.pending)
    with yard.pair.isolated():
        yield yard
    yard.said, yard.pair.pending = kept, pending
