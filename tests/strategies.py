"""What tests draw: numbers biased to edges, surfaces, worlds of several underlyings, portfolios in them.

One generator, three sources of chance. `Seeded` draws from a seeded generator, a number at a time; `Arrays` from seeded
arrays, thousands at a time: agreement at scale. `Drawn` draws from Hypothesis and shrinks: everything else. Values are
valid, that is, such as the contracts accept, unless a name says otherwise; a portfolio names its regime.

    VALID     anything the contracts can hold
    BOUNDARY  the ledger puts E_h (or E_m) on the edge of a state, or one unit to either side
    REVERT    the check must revert: a feed is dead, or a word names an underlying that has none
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol, TypeVar

import numpy as np
from hypothesis import strategies as st

from plimsoll.spec import margin
from plimsoll.spec.instruments import (
    CALL,
    FUTURE,
    MAX_POSITIONS,
    PERP,
    PUT,
    SPOT,
    WINDOW,
    Instrument,
    id_of,
    unpack,
    word,
)
from plimsoll.spec.margin import LIFE, ClassOffset, Params, Scalars
from plimsoll.spec.oracle import (
    CALL_BUFFER,
    FLOOR_RATE,
    MAX_AGE,
    MAX_FUNDING,
    MAX_LEG_COST,
    MAX_SCALE,
    MAX_SOM,
    MOVE_GATE,
)
from plimsoll.spec.report import MAX_KAPPA, MIN_DEPTH
from plimsoll.spec.surface import LANES, Row, Surface
from plimsoll.spec.wad import FORWARD_UNIT, MARK_UNIT, MAX_LEDGER, MAX_PRICE, MAX_QUANTITY, PPM, WAD

T = TypeVar("T")

NOW = 1_800_000_000  # [s] when portfolios are looked at
DAY = 86_400
CLASSES = (0, 1, 2, 255)


class Regime(Enum):
    """What a case is about."""

    VALID = "valid"
    BOUNDARY = "boundary"
    REVERT = "must revert"


# ------------------------------------------------------------------------------------------------ sources of chance


class Source(Protocol):
    """Where choices come from."""

    def integer(self, low: int, high: int) -> int: ...

    def blob(self, size: int) -> bytes: ...


class Seeded:
    """Choices of a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def blob(self, size: int) -> bytes:
        return self._random.randbytes(size)


BLOCK = 4_096  # words that are drawn at once
WORD = 64  # [bit]


class Arrays:
    """Choices out of seeded arrays of words: what is drawn where depends on the seed alone.

    A word is scaled down to the range that is asked for, so no choice is off its even share by more than a part in
    2**64 / range; what does not fit a word takes as many as it needs, and one more.
    """

    def __init__(self, *seed: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
        self._words: list[int] = []

    def integer(self, low: int, high: int) -> int:
        span = high - low + 1
        if span >> WORD // 2 == 0:
            return low + ((self._words.pop() if self._words else self._word()) * span >> WORD)
        count = span.bit_length() // WORD + 2
        word = 0
        for _ in range(count):
            word = word << WORD | self._word()
        return low + (word * span >> WORD * count)

    def blob(self, size: int) -> bytes:
        count = -(-size // 8)
        return b"".join(self._word().to_bytes(8, "big") for _ in range(count))[:size]

    def _word(self) -> int:
        if not self._words:
            self._words = self._generator.integers(0, 2**WORD, size=BLOCK, dtype=np.uint64).tolist()
        return self._words.pop()


class Drawn:
    """Choices of Hypothesis."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def blob(self, size: int) -> bytes:
        return self._draw(st.binary(min_size=size, max_size=size))


def pick(source: Source, items: Sequence[T]) -> T:
    """One of several; Hypothesis shrinks to the first."""
    return items[source.integer(0, len(items) - 1)]


def chance(source: Source, percent: int) -> bool:
    """True in so many of a hundred cases; Hypothesis shrinks to False."""
    return source.integer(0, 99) >= 100 - percent


EDGES = sorted(
    {0, 1, 2, PPM - 1, PPM, PPM + 1, WAD - 1, WAD, WAD + 1, MAX_QUANTITY, MAX_LEDGER}
    | {2**k + d for k in (7, 8, 15, 16, 23, 24, 31, 32, 47, 48, 63, 64, 95, 96, 127, 128) for d in (-1, 0, 1)}
)
SIGNED_EDGES = sorted({-edge for edge in EDGES} | set(EDGES))


def edge(source: Source, low: int, high: int) -> int:
    """An integer of [low, high], at an edge, or of any magnitude, or anywhere: a third each."""
    way = source.integer(0, 2)
    if way == 0:
        inside = SIGNED_EDGES[bisect_right(SIGNED_EDGES, low) : bisect_right(SIGNED_EDGES, high)]
        return pick(source, [low, high, *inside])
    if way == 1:
        bits = source.integer(0, max(1, max(abs(low), abs(high)).bit_length()))
        value = source.integer(0, 2**bits)
        return min(max(-value if low < 0 and chance(source, 50) else value, low), high)
    return source.integer(low, high)


def edge_integers(low: int, high: int) -> st.SearchStrategy[int]:
    """`edge` for Hypothesis."""
    return st.composite(lambda draw: edge(Drawn(draw), low, high))()


# --------------------------------------------------------------------------------------------------------- numbers


def params(source: Source) -> Params:
    """Governance numbers in their bounds."""
    if chance(source, 30):
        return Params()

    def four(low: int) -> tuple[int, int, int, int]:
        a, b, c, d = (edge(source, low, PPM) for _ in range(4))
        return a, b, c, d

    return Params(
        call_buffer=edge(source, *CALL_BUFFER),
        move_gate=edge(source, *MOVE_GATE),
        max_age=edge(source, *MAX_AGE),
        floor_rate=edge(source, *FLOOR_RATE),
        min_share=edge(source, 0, PPM),
        leg_cost=edge(source, 0, MAX_LEG_COST),
        max_funding=edge(source, 0, MAX_FUNDING),
        widen=edge(source, 0, 2**16 - 1),
        gross_base=four(1),
        gross_slope=four(0),
    )


def scalars(source: Source, underlying: int, least: Params) -> Scalars:
    """Posted numbers of an underlying in their bounds."""
    return Scalars(
        underlying=underlying,
        depth=edge(source, MIN_DEPTH, 2**96 - 1) if chance(source, 30) else source.integer(1, 10**6) * WAD,
        kappa=edge(source, 0, MAX_KAPPA),
        som=edge(source, 0, MAX_SOM),
        im_factor=edge(source, PPM + least.call_buffer + 1, 2**24 - 1),
        volatility=edge(source, 0, 2**32 - 1),
        market=edge(source, 0, PPM),
        funding=funding_rate(source, least),
    )


def funding_rate(source: Source, known: Params) -> int:
    """A funding rate [ppm a day]: none, of a real market, at governance's limit or past it, any."""
    way = source.integer(0, 3)
    if way == 0:
        return source.integer(-1_000, 1_000)
    if way == 1:
        at = min(known.max_funding + source.integer(-1, 1), 2**15 - 1)
        return at if chance(source, 50) else -at
    return 0 if way == 2 else edge(source, -(2**15), 2**15 - 1)


def class_offset(source: Source, klass: int) -> ClassOffset:
    """Posted numbers of a class in their bounds."""
    return ClassOffset(klass=klass, offset=edge(source, 0, PPM), cross_haircut=edge(source, 0, PPM))


# -------------------------------------------------------------------------------------------------------- surfaces


def lanes(source: Source) -> tuple[int, ...]:
    """32 lanes: of the full range, all alike, at the ends, or those of something linear."""
    way = source.integer(0, 4)
    if way == 0:
        step = source.integer(-1_000, 1_000)
        return tuple(step * (lane - LANES // 2) for lane in range(LANES))
    if way == 1:
        return (pick(source, (0, -1, 1, -32_768, 32_767)),) * LANES
    if way == 2:
        bits = source.integer(0, 2**LANES - 1)
        return tuple(32_767 if bits >> lane & 1 else -32_768 for lane in range(LANES))
    data = source.blob(2 * LANES)
    found = (int.from_bytes(data[2 * lane : 2 * lane + 2], "big", signed=True) for lane in range(LANES))
    return tuple(found) if way == 3 else tuple(lane // 64 for lane in found)


def row(source: Source, instrument: Instrument) -> Row:
    """A row for an instrument; every other one of the kind an engine would post."""
    if chance(source, 50):
        is_linear = instrument.kind in {PERP, FUTURE, SPOT}
        return Row(
            kind=instrument.kind,
            strike=instrument.strike,
            lanes=lanes(source),
            mark=MARK_UNIT if is_linear else source.integer(0, MARK_UNIT // 4),
            delta=PPM if is_linear else source.integer(-PPM, PPM),
            gamma=0 if is_linear else source.integer(0, 10 * PPM),
            vega=0 if is_linear else source.integer(0, PPM),
            theta=0 if is_linear else source.integer(-10_000, 0),
            gross=source.integer(0, 50_000),
        )
    return Row(
        kind=instrument.kind,
        strike=instrument.strike,
        lanes=lanes(source),
        mark=edge(source, 0, 2**48 - 1),
        delta=edge(source, -(2**23), 2**23 - 1),
        gamma=edge(source, 0, 2**32 - 1),
        vega=edge(source, 0, 2**24 - 1),
        theta=edge(source, -(2**23), 2**23 - 1),
        gross=edge(source, 0, 2**24 - 1),
    )


def reference(source: Source, price: int, gate: int) -> int:
    """A reference price: the index itself, just at the gate or past it, far, or at an end of the range."""
    way = source.integer(0, 5)
    if way <= 1:
        return price
    if way == 2:  # |price - reference| = gate x reference, give or take one
        return _in_range(price * PPM // (PPM + pick(source, (gate, -gate))) + source.integer(-1, 1))
    if way == 3:
        return _in_range(price * (PPM + source.integer(-gate, gate)) // PPM)
    if way == 4:
        return _in_range(price * source.integer(1, 3 * PPM) // PPM)
    return pick(source, (1, 2, WAD, MAX_PRICE))


def at_gate(price: int, gate: int) -> list[int]:
    """Reference prices from which the index is exactly `gate` away; few prices have any."""
    found = [price * PPM // (PPM + g) for g in (gate, -gate) if price * PPM % (PPM + g) == 0]
    return [reference for reference in found if reference <= MAX_PRICE]


def _in_range(price: int) -> int:
    return min(max(price, 1), MAX_PRICE)


def surface(
    source: Source, instruments: Sequence[Instrument], price: int, known: Params, set_id: int, *, calm: bool = False
) -> Surface:
    """A surface for the listed instruments of one (underlying, expiry): fresh or stale, near or far; fresh if calm."""
    ages = (0, 1, known.max_age - 1, known.max_age)
    age = pick(source, ages if calm else (*ages, known.max_age + 1, 2 * known.max_age))
    return Surface(
        underlying=instruments[0].underlying,
        expiry=instruments[0].expiry,
        scale=pick(source, (10, 1, source.integer(1, MAX_SCALE))),
        common=pick(source, (26, LANES, 1, source.integer(1, LANES))),
        time=NOW - age,
        set_id=set_id,
        forward=pick(source, (FORWARD_UNIT, source.integer(950_000_000, 1_050_000_000), edge(source, 1, 2**32 - 1))),
        reference=pick(source, [price, *at_gate(price, known.move_gate)])
        if calm
        else reference(source, price, known.move_gate),
        psr=edge(source, 0, 2**32 - 1),
        vol_up=edge(source, 0, 2**32 - 1),
        vol_down=edge(source, 0, 2**32 - 1),
        nodes=tuple(source.integer(-10_000, 10_000) for _ in range(13)),
        extremes=tuple(source.integer(0, 1_000) for _ in range(3)),
        rows=tuple(row(source, instrument) for instrument in instruments),
    )


# ---------------------------------------------------------------------------------------------------------- worlds


@dataclass(frozen=True)
class Funded:
    """A report of one underlying's scalars with a funding rate, and of its perp's surface where there is one."""

    time: int  # [s]
    scalars: Scalars
    surface: Surface | None


@dataclass
class World:
    """All that margin checks read, as the engine, governance and the feeds left it, and what can be held in it."""

    params: Params
    price: dict[int, int]  # by underlying [wad]
    exponent: dict[int, int]  # strike unit = 10 ** exponent [wad]
    dead: set[int]  # underlyings whose feed is stale
    surfaces: list[Surface]  # in order of time
    scalars: list[Scalars]
    classes: list[ClassOffset]
    interest: dict[int, int]
    listed: list[Instrument]
    wrong: list[Instrument] = field(default_factory=list)  # rows that no surface has, or has for something else
    funded: list[Funded] = field(default_factory=list)  # in order of time, what was posted beside the surfaces


def chain_of(source: Source, underlying: int, expiry: int, price: int, unit: int, size: int) -> list[Instrument]:
    """Listed instruments of one (underlying, expiry), by row: linear and spot first, then options by strike."""
    at_money = max(1, price // unit)
    found = []
    for at in range(size):
        if expiry == 0:
            kind, strike = (PERP, 0) if at == 0 else (SPOT, at)
        elif at == 0:
            kind, strike = FUTURE, 0
        else:
            kind = CALL if at % 2 else PUT
            strike = at_money * (50 + 100 * at // size) // 100 + at
            if chance(source, 10):
                strike = edge(source, 1, 2**48 - 1)
            strike = min(max(strike, 1), 2**48 - 1)
        found.append(Instrument(underlying, expiry, kind, strike, at))
    return found


def world(source: Source, most: int = 60, underlyings: int = 5) -> World:
    """A world of up to so many underlyings with up to `most` rows a surface."""
    known = params(source)
    keys = sorted(
        {pick(source, CLASSES) << 8 | pick(source, (0, 1, 2, 255)) for _ in range(source.integer(1, underlyings))}
    )
    made = World(known, {}, {}, set(), [], [], [], {}, [])
    calm = chance(source, 40)  # nothing missing, nothing stale
    for underlying in keys:
        price = edge(source, 1, MAX_PRICE) if chance(source, 25) else source.integer(1, 10**8) * 10**16
        if chance(source, 25):  # so that a reference can be exactly at the gate
            gated = PPM + pick(source, (known.move_gate, -known.move_gate))
            price = max(1, price // gated) * gated
        exponent = pick(source, (18, 16, 0, source.integer(0, 18)))
        made.price[underlying] = price
        made.exponent[underlying] = exponent
        if chance(source, 70):
            made.interest[underlying] = edge(source, 0, MAX_POSITIONS * MAX_QUANTITY)
        if calm or chance(source, 85):
            made.scalars.append(scalars(source, underlying, known))
        set_id = edge(source, 0, 2**64 - 1)
        days = sorted({0} | {pick(source, (0, 1, 7, 30, 365, 3_650)) for _ in range(source.integer(0, 3))})
        expiries = [0 if day == 0 else NOW + day * DAY + source.integer(-DAY, DAY) for day in days]
        if chance(source, 40):
            expiries = sorted({*expiries, *(NOW + near_expiry(source) for _ in range(source.integer(1, 2)))})
        for expiry in expiries:
            size = source.integer(1, 3 if expiry == 0 else most)
            listed = chain_of(source, underlying, expiry, price, 10**exponent, size)
            made.listed += listed
            stray = replace(listed[-1], row=size + source.integer(0, 3))
            other = replace(listed[0], kind=PUT, strike=listed[0].strike + 1)
            made.wrong += [stray, other]
            if calm or chance(source, 90):
                mixed = not calm and chance(source, 10)
                made.surfaces.append(surface(source, listed, price, known, set_id ^ mixed, calm=calm))
    made.classes = [class_offset(source, k) for k in sorted({u >> 8 for u in keys}) if chance(source, 80)]
    made.dead = {u for u in keys if chance(source, 8)}
    made.surfaces.sort(key=lambda found: found.time)
    made.funded = funded(source, made)
    return made


def near_expiry(source: Source) -> int:
    """Seconds to an expiry in its window, on one of its edges, past, or just ahead of its window."""
    ends = (-1, 0, 1, WINDOW - 1, WINDOW, WINDOW + 1)
    return pick(source, (*ends, source.integer(1, WINDOW), source.integer(-30 * DAY, 2 * WINDOW)))


def funded(source: Source, made: World) -> list[Funded]:
    """Rates of up to three reports for each underlying, the last of them of any age: renewed, or past its life."""
    perps = {found.underlying: found for found in made.surfaces if found.expiry == 0}
    found = []
    for known in made.scalars:
        last = perps.get(known.underlying)
        for _ in range(source.integer(0, 3)):
            age = pick(source, (0, 1, LIFE - 1, LIFE, LIFE + 1, source.integer(0, LIFE), source.integer(0, 4 * LIFE)))
            scalars = replace(known, funding=funding_rate(source, made.params))
            surface = None
            if last is not None and chance(source, 60):
                age = max(age, NOW - last.time)  # so that the world's own surface is the last one
                price = reference(source, made.price[known.underlying], made.params.move_gate)
                surface = replace(last, time=NOW - age, reference=price)
            found.append(Funded(NOW - age, scalars, surface))
    return sorted(found, key=lambda each: each.time)


@st.composite
def worlds(draw: Callable[..., Any], most: int = 4, underlyings: int = 3) -> World:
    """`world` for Hypothesis, small so that it shrinks well."""
    return world(Drawn(draw), most, underlyings)


# ------------------------------------------------------------------------------------------------------ portfolios


@dataclass(frozen=True)
class Portfolio:
    """A sorted book with its ledger."""

    words: tuple[int, ...]
    ledger: int
    regime: Regime


def quantity(source: Source, kind: int) -> int:
    """A quantity, never zero: of a few contracts, of dust, of any size; collateral is never short."""
    way = source.integer(0, 3)
    if way <= 1:
        found = source.integer(1, 10**6) * 10**15
    elif way == 2:
        found = source.integer(1, 3)
    else:
        found = edge(source, 1, MAX_QUANTITY)
    return found if kind == SPOT or chance(source, 50) else -found


def size_of(source: Source) -> int:
    """How many positions: in half of all cases more than ten."""
    way = source.integer(0, 9)
    if way <= 4:
        return source.integer(1, 10)
    return pick(source, (11, 16, 64, 126, MAX_POSITIONS, source.integer(11, MAX_POSITIONS)))


def sample(source: Source, items: Sequence[T], count: int) -> list[T]:
    """So many different items, or all there are."""
    left = list(items)
    return [left.pop(source.integer(0, len(left) - 1)) for _ in range(min(count, len(left)))]


Size = Callable[[Source], int]


def book_of(source: Source, known: World, size_of: Size = size_of) -> tuple[int, ...]:
    """Words of a portfolio in a world, sorted: listed instruments, and now and then rows that no surface has."""
    count = size_of(source)
    pool = known.listed
    if known.dead:
        pool = [i for i in pool if i.underlying not in known.dead] or pool
    if chance(source, 8):  # collateral alone
        pool = [i for i in pool if i.kind == SPOT] or pool
    chosen = sample(source, pool, count)
    if chance(source, 25):
        strays = [i for i in known.wrong if i.underlying in {c.underlying for c in chosen}]
        chosen = [*chosen[: max(1, count - 1)], *sample(source, strays, 1)]
    hedged = chance(source, 20)  # long against short, so that lanes cancel
    size = quantity(source, SPOT)
    found = []
    for at, instrument in enumerate(sorted(chosen, key=Instrument.pack)):
        held = size * (-1) ** at if hedged and instrument.kind != SPOT else quantity(source, instrument.kind)
        found.append(word(instrument.pack(), held))
    return tuple(found)


def edges_of(found: margin.Assessment) -> dict[str, int]:
    """How far the account is above each edge of a state."""
    haircut = found.equity_haircut
    return {
        "mm": haircut - found.mm,
        "call line": haircut - found.call_line,
        "im": haircut - found.im,
        "insolvent": found.equity_full,
    }


def words_of(source: Source, known: World, size_of: Size = size_of) -> tuple[int, ...]:
    """`book_of`; where a feed is dead, in some cases with a word of it."""
    words = book_of(source, known, size_of)
    if known.dead and any(i.underlying in known.dead for i in known.listed) and chance(source, 25):
        dead = [i for i in known.listed if i.underlying in known.dead]
        extra = [word(i.pack(), quantity(source, i.kind)) for i in sample(source, dead, 1)]
        words = tuple(sorted({*words[: MAX_POSITIONS - 1], *extra}, key=lambda w: w % 2**128))
    return words


def is_dead(words: Sequence[int], known: World) -> bool:
    """Whether one of them is of a feed that is dead."""
    dead = known.dead
    return bool(dead) and any((w >> 112) & 0xFFFF in dead for w in words)


Assess = Callable[[tuple[int, ...], int], margin.Assessment]


def portfolios(
    source: Source, known: World, assess: Assess, size_of: Size = size_of, count: int = 1
) -> list[Portfolio]:
    """So many portfolios of a world, of one book; of two books in five all are on edges of states, by `assess`."""
    words = words_of(source, known, size_of)
    if is_dead(words, known):
        return [Portfolio(words, edge(source, -MAX_LEDGER, MAX_LEDGER), Regime.REVERT) for _ in range(count)]
    if not chance(source, 45):
        is_calm = all(unpack(id_of(w)).kind == SPOT for w in words)  # the sign of the ledger then decides
        ledgers = [
            pick(source, (0, 0, 1, -1))
            if chance(source, 60 if is_calm else 15)
            else edge(source, -MAX_LEDGER, MAX_LEDGER)
            for _ in range(count)
        ]
        return [Portfolio(words, ledger, Regime.VALID) for ledger in ledgers]
    edges = edges_of(assess(words, -1))  # with a debt, so that requirements show
    return [
        Portfolio(words, -1 - edges[pick(source, sorted(edges))] + source.integer(-1, 1), Regime.BOUNDARY)
        for _ in range(count)
    ]


def portfolio(source: Source, known: World, assess: Assess, size_of: Size = size_of) -> Portfolio:
    """A portfolio of a world; in two of five cases on the edge of a state, by `assess`."""
    return portfolios(source, known, assess, size_of)[0]
