"""I-60: what the guardrails say of surfaces and reports is the same on the chain and in the twin; honest ones pass.

A surface of the engine is taken as it is, with something of it changed, and changed to the very edge: as far as the
twin lets a lane, a mark or a field of the header go, and one further. A report moves each scalar as far as its limit
and one further.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from plimsoll.chain.artifacts import Artifact
from plimsoll.market.snapshot import Snapshot
from plimsoll.spec.errors import FormatError, Refused
from plimsoll.spec.guardrails import (
    BASIS,
    CARRY,
    CROSS_HAIRCUT,
    DAMP,
    DEFAULTS,
    DEPTH,
    EXTREME,
    GROSS,
    HAIRCUT,
    IM_FACTOR,
    KAPPA,
    MARKET,
    NAMES,
    OFFSET,
    PSR,
    SOM,
    UNLIMITED,
    VOL_DOWN,
    VOL_UP,
    VOLATILITY,
    WORTH,
    Guardrails,
    Limit,
    linear_lanes,
    unpack_scenarios,
)
from plimsoll.spec.instruments import CALL, PUT, SPOT, Instrument
from plimsoll.spec.surface import LANES, Row, Surface, encode
from plimsoll.spec.wad import MARK_UNIT, PPM, WAD
from tests.counts import record
from tests.markets import forecast, market, report
from tests.pairs import Pair
from tests.strategies import Seeded, chance, edge, pick, row, world
from tests.unit.guardrails.yard import ETH, HOUR, Said, Yard, class_of, clean_yard, scalars_of, surfaces

SURFACES = {"quick": 20, "ci": 90, "figures": 90, "long": 5_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
EXPONENTS = (9, 12, 15, 16, 18)
CLASS = 0x0100
DAY = 86_400
GUARD = "guard: "


def guarded(replaced: Mapping[str, Artifact] | None = None) -> Pair:
    """A deployment with an underlying for each strike unit, whatever its price."""
    pair = Pair(guarded=True, underlyings=[CLASS | exponent for exponent in EXPONENTS], replaced=replaced)
    for underlying, at in pair.aggregators.items():
        pair.price(underlying, WAD)
        pair.must("feed", "set_feed", underlying, at, DAY, underlying & 0xFF, sender=pair.owner)
    return pair


@pytest.fixture(scope="module")
def pair() -> Pair:
    return guarded()


@dataclass(frozen=True)
class Case:
    """A surface, and what a test did to an honest one."""

    surface: Surface
    what: str


def honest(source: Seeded, now: int, sizes: tuple[int, ...] = (5, 5)) -> tuple[Surface, ...]:
    """The surfaces that the engine makes of some market."""
    exponent = pick(source, EXPONENTS)
    made = market(source, CLASS | exponent, exponent, now, sizes)
    return report(Snapshot(now, (made,)), {made.underlying: forecast(source, made.underlying)}).surfaces


def verdict(guard: Guardrails, surface: Surface) -> str:
    """What the twin says of a surface."""
    try:
        guard.check(surface)
    except Refused as refused:
        return refused.reason
    return "done"


def with_row(surface: Surface, at: int, **changes: Any) -> Surface:
    """A surface of this row alone, changed."""
    return replace(surface, rows=(replace(surface.rows[at], **changes),))


def with_lane(surface: Surface, at: int, lane: int, value: int) -> Surface:
    lanes = list(surface.rows[at].lanes)
    lanes[lane] = value
    return with_row(surface, at, lanes=tuple(lanes))


def farthest(guard: Guardrails, of: Callable[[int], Surface], start: int, end: int) -> int:
    """The last of start .. end that the twin lets pass, where those from some on do not."""
    near, far = start, end  # near passes, far does not
    while abs(far - near) > 1:
        middle = (near + far) // 2
        if verdict(guard, of(middle)) == "done":
            near = middle
        else:
            far = middle
    return near


HEADER = (  # field, least and most that its bits hold
    ("psr", 1, 2**32 - 1),
    ("forward", 1, 2**32 - 1),
    ("reference", 1, 10**27),
    ("scale", 1, 10),
)


def edges(source: Seeded, guard: Guardrails, surface: Surface) -> Iterator[Case]:
    """One thing of a row or of the header moved as far as the twin lets it, and one further."""
    at = source.integer(0, len(surface.rows) - 1)
    known = surface.rows[at]
    way = source.integer(0, 6)
    if way <= 2:
        lane = pick(source, (0, source.integer(0, 25), source.integer(0, LANES - 1)))
        start, of = known.lanes[lane], lambda value: with_lane(surface, at, lane, value)
        low, high, what = -(2**15), 2**15 - 1, f"lane {lane} of kind {known.kind}"
    elif way == 3:
        start, of = known.mark, lambda value: with_row(surface, at, mark=value)
        low, high, what = 0, 2**48 - 1, f"mark of kind {known.kind}"
    else:
        name, low, high = pick(source, HEADER)
        start, what = getattr(surface, name), name
        bare = with_row(surface, at)
        if way == 6:  # the header alone
            damps = tuple(pick(source, (damp, 100)) for damp in surface.damps)
            bare = replace(surface, rows=(), psr=min(surface.psr, 100_000), damps=damps)
            start = getattr(bare, name)
        of = lambda value: replace(bare, **{name: value})  # noqa: E731 - as those above
    end = pick(source, (low, high))
    if verdict(guard, of(end)) == "done":
        yield Case(of(end), f"{what} at its end")
        return
    last = farthest(guard, of, start, end)
    yield Case(of(last), f"{what} at its edge")
    yield Case(of(last + (1 if end > start else -1)), f"{what} past its edge")


def bent(source: Seeded, surface: Surface) -> Case:
    """A surface with something of it wrong, more or less."""
    at = source.integer(0, len(surface.rows) - 1)
    known = surface.rows[at]
    alone = with_row(surface, at)
    near = source.integer(-3, 3)
    ways: list[Callable[[], Surface]] = [
        lambda: with_lane(surface, at, lane := source.integer(0, LANES - 1), _fit(known.lanes[lane] + near)),
        lambda: with_row(surface, at, lanes=tuple(_fit(lane + near) for lane in known.lanes)),
        lambda: with_row(surface, at, lanes=known.lanes[::-1]),
        lambda: with_row(surface, at, lanes=tuple(-max(lane, -32_767) for lane in known.lanes)),
        lambda: with_row(surface, at, lanes=tuple(_fit(lane + source.integer(-1, 1)) for lane in known.lanes)),
        lambda: with_row(surface, at, lanes=_swapped(source, known.lanes)),
        lambda: with_row(surface, at, mark=max(0, known.mark + near * pick(source, (1, 10**6)))),
        lambda: with_row(surface, at, kind=pick(source, (0, 1, 2, 3, 4, 5, 5, 5, 6))),
        lambda: replace(alone, rows=tuple(_worth_two(source, surface) for _ in alone.rows), expiry=0),
        lambda: with_row(surface, at, strike=pick(source, (0, 1, known.strike + near, 2**48 - 1)) % 2**48),
        lambda: with_row(surface, at, kind=PUT if known.kind == CALL else CALL),
        lambda: replace(alone, nodes=_spoilt_nodes(source, surface.nodes)),
        lambda: replace(
            alone, extremes=tuple(pick(source, (e, e + near, 99, 100, 0, 65_535)) for e in surface.extremes)
        ),
        lambda: replace(alone, damps=tuple(pick(source, (d, d, d + near, 0, 100, 101, 255)) for d in surface.damps)),
        lambda: replace(alone, psr=pick(source, (surface.psr + near, 0, PPM, PPM + 1))),
        lambda: replace(alone, forward=max(1, surface.forward + near * pick(source, (1, 10**5, 10**8)))),
        lambda: replace(alone, scale=11 - surface.scale),
        lambda: replace(alone, expiry=0 if surface.expiry else surface.time + DAY),
        lambda: replace(alone, rows=(_nothing(pick(source, ((0,) * LANES, known.lanes))), known)),
        lambda: replace(surface, rows=surface.rows[::-1]),
    ]
    return Case(pick(source, ways)(), "bent")


def _fit(lane: int) -> int:
    return min(max(lane, -(2**15)), 2**15 - 1)


def _swapped(source: Seeded, lanes: tuple[int, ...]) -> tuple[int, ...]:
    a, b = source.integer(0, LANES - 1), source.integer(0, LANES - 1)
    found = list(lanes)
    found[a], found[b] = found[b], found[a]
    return tuple(found)


def _spoilt_nodes(source: Seeded, nodes: tuple[int, ...]) -> tuple[int, ...]:
    at = source.integer(0, 12)
    value = pick(source, (0, 1, -1, 9_999, 10_000, -10_000, 10_001, 2**15 - 1, -(2**15), nodes[at - 2]))
    spoilt = [*nodes[:at], value, *nodes[at + 1 :]]
    if chance(source, 50) and at:  # both sides alike: only the widths change
        other = at + 1 if at % 2 else at - 1
        spoilt[other] = -value if value > -(2**15) else value
    return tuple(spoilt)


def _worth_two(source: Seeded, surface: Surface) -> Row:
    """A token at the highest mark there is, or a little more, whose lanes are as its worth demands."""
    mark = 2 * MARK_UNIT + source.integer(-1, 2)
    lanes = tuple(_fit(lane * mark // MARK_UNIT) for lane in linear_lanes(surface))
    return Row(SPOT, 1, lanes, mark, 0, 0, 0, 0, 0)


def _nothing(lanes: tuple[int, ...]) -> Row:
    return Row(0, 0, lanes, 0, 0, 0, 0, 0, 0)


def wild(source: Seeded) -> Case:
    """A surface that no engine makes, with the header of one that could be."""
    found: list[Surface] = []
    while not found:
        found = world(source, most=3, underlyings=2).surfaces
    nodes = tuple(sign * k * 1_666 + sign * 4 for k in range(1, 7) for sign in (1, -1))
    surface = replace(
        found[0],
        underlying=CLASS | pick(source, (*EXPONENTS, 99)),
        nodes=(0, *nodes) if chance(source, 80) else found[0].nodes,
        extremes=tuple(source.integer(100, 300) for _ in range(3)),
        psr=edge(source, 0, PPM),
        rows=tuple(replace(each, gross=1) for each in found[0].rows),
    )
    if chance(source, 50):
        linear = replace(row(source, Instrument(CLASS, 0, SPOT, 1, 0)), lanes=(0,) * LANES)
        surface = replace(surface, expiry=0, rows=(linear,))
    return Case(surface, "wild")


def compared(pair: Pair, case: Case) -> str:
    """What both say of a surface that is stored; it binds nothing, so it may stay."""
    found = pair.step("oracle", "store", encode(case.surface))
    return found.reason if isinstance(found, Refused) else "done"


@pytest.mark.slow
def test_chain_and_twin_check_surfaces_alike(pair: Pair) -> None:
    guard = pair.twin.guard
    seen: Counter[str] = Counter()
    at_edge: Counter[str] = Counter()
    refused = []
    for seed in range(SURFACES):
        source = Seeded(seed)
        for surface in honest(source, pair.now):
            if compared(pair, Case(surface, "honest")) != "done":
                refused.append((seed, surface))
            cases = [bent(source, surface) for _ in range(2)] + [wild(source)]
            for _ in range(2):
                cases += edges(source, guard, surface)
            for case in cases:
                reason = compared(pair, case)
                seen[reason] += 1
                if case.what.endswith("past its edge"):
                    at_edge[reason] += 1
                    assert reason != "done", case.what
                elif case.what.endswith("its edge"):
                    assert reason == "done", case.what
    record(surface_cases=sum(seen.values()) + 3 * SURFACES, honest_surfaces=3 * SURFACES, honest_refused=len(refused))
    assert refused == []
    wanted = {
        GUARD + reason
        for reason in (
            "nodes malformed",
            "extremes malformed",
            "scan range out of bounds",
            "lanes out of range",
            "lanes of no instrument",
            "instrument malformed",
            "linear lanes are not node x PSR",
            "mark out of bounds",
            "token gains more or loses less than its index",
            "option lanes have an arbitrage",
            "extremes do not follow the nodes",
        )
    }
    if SURFACES >= 90:
        assert seen.keys() >= wanted | {"done"}, wanted - seen.keys()
        assert len(at_edge) > 4


# ------------------------------------------------------------------------------------------------------------- reports

REPORTS = {"quick": 60, "ci": 1_050, "figures": 1_050, "long": 50_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
PLACES = {
    "psr": PSR,
    "vol_up": VOL_UP,
    "vol_down": VOL_DOWN,
    "gross": GROSS,
    "haircut": HAIRCUT,
    "worth": WORTH,
    "depth": DEPTH,
    "kappa": KAPPA,
    "som": SOM,
    "im_factor": IM_FACTOR,
    "volatility": VOLATILITY,
    "market": MARKET,
    "offset": OFFSET,
    "cross_haircut": CROSS_HAIRCUT,
}
ORACLES = (
    DEPTH,
    KAPPA,
    SOM,
    IM_FACTOR,
    VOLATILITY,
    MARKET,
    CROSS_HAIRCUT,
)  # as narrow in the oracle, which comes first
WIDTHS = {"depth": 96, "vol_up": 32, "vol_down": 32, "volatility": 32}


def near(source: Seeded, limit: Limit, was: int, seconds: int, top: int) -> int:
    """A value at an edge of what may follow, one past it, inside, or anywhere in its field."""
    low, high = limit.reach(was, seconds)
    way = source.integer(0, 9)
    if way == 9:
        return edge(source, 0, top)
    if way <= 2:
        found = source.integer(low, max(low, min(high, top)))
    else:
        found = pick(source, (low, high, limit.low, limit.high, was)) + pick(source, (-1, 0, 0, 1))
    return min(max(found, 0), top)


def move(source: Seeded, guard: Guardrails, said: Said, seconds: int) -> dict[str, Any]:
    """What the next report says otherwise."""
    changes: dict[str, Any] = {}
    scope = guard.scopes.get(ETH, 0)
    for name in sorted({pick(source, list(PLACES)) for _ in range(source.integer(0, 3))}):
        place, was = PLACES[name], getattr(said, name)
        limit = guard.limit_of(0 if place in {OFFSET, CROSS_HAIRCUT} else scope, place)
        top = PPM if name == "psr" else 2 * PPM if name == "worth" else 2 ** WIDTHS.get(name, 24) - 1
        changes[name] = near(source, limit, was, seconds, top)
    price = said.reference
    if chance(source, 20):
        inside = price * guard.index_band // PPM
        changes["reference"] = max(1, price + pick(source, (-inside - 1, -inside, 0, 7, inside, inside + 1)))
    if chance(source, 12):
        apart = guard.limit_of(scope, CARRY).high * 1_000
        changes["forward"] = max(1, 10**9 + pick(source, (-apart - 1, -apart, 5, apart, apart + 1)))
    if chance(source, 12):
        fair = changes.get("forward", said.forward) * 1_000
        off = fair * guard.limit_of(scope, BASIS).high // PPM
        name, fair = pick(source, (("future_mark", fair), ("perp_mark", MARK_UNIT)))
        changes[name] = max(0, fair + pick(source, (-off - 1, -off, off, off + 1)))
    for name, place, least, top in (("extremes", EXTREME, 100, 1_200), ("damps", DAMP, 0, 100)):
        if chance(source, 8):  # what `check` lets pass
            at, known = source.integer(0, 2), getattr(said, name)
            value = max(least, near(source, guard.limit_of(scope, place), known[at], seconds, top))
            changes[name] = (*known[:at], value, *known[at + 1 :])
    return changes


def governed(source: Seeded, pair: Pair) -> None:
    """Other limits, a scope, another band, before a report; most are taken."""
    place = source.integer(0, 17)
    known = pair.twin.guard.limit_of(0, place)
    paces = (10_000, 50_000, 1_000_000, UNLIMITED)
    args = pick(source, (0, 0, known.low)), known.high, pick(source, paces), pick(source, paces)
    for name, *what in (
        ("set_limit", pick(source, (0, 7)), place, *args),
        ("set_scope", ETH, pick(source, (0, 7))),
        ("set_band", pick(source, (1_000, 50_000, 200_000)), pick(source, (1, 10, 20))),
    ):
        if chance(source, 40):
            pair.must("guard", name, *what, sender=pair.owner)


def posted(yard: Yard, source: Seeded) -> Iterator[str]:
    """Three reports, each some time after the last: what both say of each."""
    pair = yard.pair
    if chance(source, 30):
        governed(source, pair)
    for _ in range(3):
        seconds = pick(source, (0, 1, 60, 600, HOUR, source.integer(0, 7_200)))
        yard.later(seconds)
        urgent = chance(source, 25)
        guard, said = pair.twin.guard, yard.said[ETH]
        since = guard.seconds(urgent, pair.now, unpack_scenarios(guard.scenarios(ETH)).time)
        changes = move(source, guard, said, since)
        new = {**yard.said, ETH: replace(said, **changes)}
        of = [key for key in new if key == ETH or chance(source, 50)]
        try:
            made = [each for key in of for each in surfaces(key, new[key], pair.now, dated=chance(source, 80))]
            assert all(map(guard.check, made))
        except (Refused, FormatError):  # no lane can say it, as `check` has it
            made = []
        words = [scalars_of(key, new[key]) for key in of if chance(source, 90)] * pick(source, (1, 1, 1, 2))
        classes = [class_of(new[ETH])] if chance(source, 80) else []
        found = pair.step("oracle", "post", *yard.report(made, words, classes, urgent=urgent))
        if not isinstance(found, Refused):
            yard.said = new if made and words and classes else yard.said
        yield found.reason if isinstance(found, Refused) else "done"
    pair.compare([])


@pytest.mark.slow
def test_chain_and_twin_admit_reports_alike() -> None:
    seen: Counter[str] = Counter()
    for seed in range(REPORTS // 3):
        with clean_yard() as yard:
            seen.update(posted(yard, Seeded(seed)))
    record(admitted_cases=sum(seen.values()))
    wanted = {f"guard: {NAMES[place]} moves too fast" for place in PLACES.values() if DEFAULTS[place].fall != UNLIMITED}
    wanted |= {f"guard: {NAMES[place]} out of bounds" for place in (*PLACES.values(), EXTREME, DAMP)}
    wanted -= {f"guard: {NAMES[place]} out of bounds" for place in ORACLES}
    wanted |= {"done", "guard: reference price off the index", "guard: forward off the index"}
    wanted |= {"guard: linear mark off the forward", "oracle: scalars out of range"}
    if REPORTS >= 1_000:
        assert not wanted - seen.keys(), wanted - seen.keys()
        assert seen["done"] > REPORTS // 4
