"""The margin formula of an account, from posted integers. Twin of `contracts/modules/margin.vy` and `RiskOracle`.

For every underlying `u` of a sorted book, with live index P [wad]:

    mark      = clamp(m0 + delta dP + gamma dP^2 / (2 P0))            one number for both sides
    value     = floor(sum q mark)                                     non-spot, a perp's mark less its funding
    full      = floor(sum q mark)                                     spot
    haircut   = floor(sum q mark (1 - h))                             spot, what counts in E_h
    scan      = ceil(P max(0, -min_s sum over expiries of w(sum q lane_s)))
    gross     = ceil(P sum |q| g) + legs leg_cost                     non-spot, g at least the governance floor
    short     = ceil(P som sum |q|)                                   short options
    size      = max(|net delta|, min_share sum |q|)
    conc      = ceil(P kappa max(0, size - depth)^2 / depth)
    market    = ceil(P sum |q| min(1, market OI / depth))             non-spot
    im_add    = ceil((im_factor + widening - 1) (max(scan, short) + gross + conc)) + market
    widening  = ceil(widen x age of the oldest surface read, in hours)

where w takes the sums of an expiry that is less than WINDOW ahead with losses whole and gains x time left / WINDOW,
down, and those of any other as they are; and for every class of underlyings:

    joint     = ceil(max(0, -min over common lanes of sum_u w(pnl)))  w: losses whole, gains x (1 - cross_haircut)
    portfolio = max(sum scan - floor(offset (sum scan - joint)), max scan)

    MM        = max(sum portfolio, sum short) + sum gross + sum conc
    IM        = MM + sum im_add
    E_m       = ledger + sum value + sum full
    E_h       = ledger + sum value + sum haircut                      ledger = cash + linear

A book without positions other than collateral and with ledger >= 0 needs nothing: MM = IM = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby
from typing import Final

from plimsoll.spec.errors import require
from plimsoll.spec.instruments import CALL, PERP, PUT, SPOT, WINDOW, Instrument, id_of, quantity_of, unpack
from plimsoll.spec.surface import LANES, Row, Surface
from plimsoll.spec.wad import (
    DAY,
    FORWARD_UNIT,
    HOUR,
    LANE_UNIT,
    MARK_UNIT,
    MAX_QUANTITY,
    PPM,
    WAD,
    YEAR,
    div_floor,
    div_truncate,
    div_up,
    mul_div_down,
    mul_div_up,
)

NO_LANES: Final = (0,) * LANES
LIFE: Final = 86_400  # [s] a funding rate that nobody renews stops: a dead engine moves no money


class State(IntEnum):
    """Where an account stands, best first. Twin of the constants of `Clearinghouse`."""

    HEALTHY = 0
    RESTRICTED = 1
    CALLED = 2
    LIQUIDATABLE = 3
    INSOLVENT = 4


@dataclass(frozen=True, slots=True)
class Scalars:
    """Posted risk numbers of one underlying; how they are packed: `plimsoll.spec.report.pack_scalars`."""

    underlying: int
    depth: int  # [wad contracts]
    kappa: int  # [ppm]
    som: int  # [ppm]
    im_factor: int  # [ppm], over 1 + call_buffer
    volatility: int  # [ppm a year]
    market: int  # [ppm of notional when open interest is one depth]
    funding: int = 0  # [ppm a day] what a perp's long pays, before governance's limit


@dataclass(frozen=True, slots=True)
class ClassOffset:
    """Posted offset of one class; how it is packed: `plimsoll.spec.report.pack_class`."""

    klass: int
    offset: int  # [ppm]
    cross_haircut: int  # [ppm]


@dataclass(frozen=True, slots=True)
class Params:
    """Governance numbers of `RiskOracle`, one word each for rates and for gross floors."""

    call_buffer: int = 100_000  # [ppm]
    move_gate: int = 10_000  # [ppm]
    max_age: int = 7_200  # [s]
    floor_rate: int = 500_000  # [ppm] charge and haircut of a row that its surface lacks
    min_share: int = 50_000  # [ppm]
    leg_cost: int = 0  # [wad]
    max_funding: int = 20_000  # [ppm a day]
    widen: int = 20_000  # [ppm an hour] by which IM factors grow with the age of a surface
    gross_base: tuple[int, int, int, int] = (1_000, 1_500, 2_000, 2_000)  # [ppm] by kind PERP, FUTURE, CALL, PUT
    gross_slope: tuple[int, int, int, int] = (0, 5_000, 5_000, 5_000)  # [ppm a year of tenor]


@dataclass(frozen=True, slots=True)
class Index:
    """What IndexFeed says of one underlying."""

    price: int  # [wad]
    strike_unit: int  # [wad] per unit of strike


@dataclass(slots=True)
class View:
    """All that a margin check reads: the oracle's state, the feeds' prices and the clock."""

    params: Params
    now: int
    index: Mapping[int, Index]
    surfaces: Mapping[tuple[int, int], Surface]
    scalars: Mapping[int, Scalars] = field(default_factory=dict)
    classes: Mapping[int, ClassOffset] = field(default_factory=dict)
    open_interest: Mapping[int, int] = field(default_factory=dict)
    funding: Mapping[int, int] = field(default_factory=dict)  # [wad a contract] what a perp's long has paid


@dataclass(slots=True)
class Terms:
    """What one underlying adds to an account. Twin of the struct of the same name."""

    underlying: int
    price: int
    value: int = 0
    full: int = 0
    haircut: int = 0
    scan: int = 0
    worst_lane: int = 0
    short: int = 0
    gross: int = 0
    concentration: int = 0
    im_add: int = 0
    common: int = 0
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Assessment:
    """Both equities, both requirements, the call line. Twin of the struct of the same name."""

    equity_haircut: int
    equity_full: int
    mm: int
    im: int
    call_line: int
    fresh: bool


def row_of(surface: Surface | None, instrument: Instrument) -> Row | None:
    """The instrument's row; None where the surface lacks it, holds another instrument in its place, or says nothing."""
    if surface is None or instrument.row >= len(surface.rows):
        return None
    row = surface.rows[instrument.row]
    if (row.kind, row.strike) != (instrument.kind, instrument.strike):
        return None
    if row.mark or row.kind or row.strike or row.delta or row.gamma or row.vega or row.theta or row.gross:
        return row
    return None


def mark(instrument: Instrument, row: Row | None, surface: Surface | None, index: Index) -> int:
    """Mark at the live index [wad], rounded down, inside no-arbitrage bounds.

    Linear and spot in [0, 2 P]; call in [max(0, F - K), F]; put in [max(0, K - F), K] with F = P forward. A missing
    row is marked at the index (linear, spot) or at the intrinsic value at the index (options).
    """
    price = index.price
    strike = instrument.strike * index.strike_unit
    forward = price
    raw = price
    if row is not None and surface is not None:
        forward = mul_div_down(price, surface.forward, FORWARD_UNIT)
        move = price - surface.reference
        raw = (
            mul_div_down(surface.reference, row.mark, MARK_UNIT)
            + mul_div_down(row.delta, move, PPM)
            + div_floor(row.gamma * move * move, 2 * PPM * surface.reference)
        )
    elif instrument.kind in {CALL, PUT}:
        raw = 0  # the lower bound is the intrinsic value
    low, high = 0, 2 * price
    if instrument.kind == CALL:
        low, high = max(0, forward - strike), forward
    elif instrument.kind == PUT:
        low, high = max(0, strike - forward), strike
    return min(max(raw, low), high)


def slope(rate: int, price: int) -> int:
    """What one long contract pays in a day [wad] at `rate` [ppm a day], toward zero: neither side is charged for it."""
    return div_truncate(rate * price, PPM)


def accrued(word: int, now: int) -> int:
    """Funding of a long contract since ever [wad s / day], exactly: linear in time until LIFE after the rate was set.

    `word` is cumulative int128 | since u40 [s] | slope int88.
    """
    cumulative, since, a_day = unpack_funding(word)
    return cumulative + a_day * min(now - since, LIFE)


def funding(word: int, now: int) -> int:
    """The same [wad a contract], rounded down: one number for both sides."""
    return div_floor(accrued(word, now), DAY)


def pack_funding(cumulative: int, since: int, a_day: int) -> int:
    """The stored word of an underlying's funding."""
    return (cumulative & (2**128 - 1)) << 128 | since << 88 | a_day & (2**88 - 1)


def unpack_funding(word: int) -> tuple[int, int, int]:
    """Inverse of `pack_funding`."""
    return (
        (word >> 128 ^ 1 << 127) - (1 << 127),
        word >> 88 & (2**40 - 1),
        (word & (2**88 - 1) ^ 1 << 87) - (1 << 87),
    )


def faded(lanes: Sequence[int], left: int) -> Sequence[int]:
    """Lane sums of one expiry `left` seconds before it, at most WINDOW: losses whole, gains x left / WINDOW, down."""
    if left == WINDOW:
        return lanes
    return [mul_div_down(x, left, WINDOW) if x > 0 else x for x in lanes]


def gross_floor(params: Params, kind: int, tenor: int) -> int:
    """Governance floor of the gross charge [ppm] by kind and tenor [s], rounded up."""
    return params.gross_base[kind] + mul_div_up(params.gross_slope[kind], tenor, YEAR)


def terms(words: Sequence[int], view: View) -> tuple[Terms, list[int]]:
    """Terms of the words of one underlying, and its profit or loss in each lane [price x 1e-5 x wad x wad, raw]."""
    first = unpack(id_of(words[0]))
    index = view.index[first.underlying]
    params = view.params
    price = index.price
    result = Terms(underlying=first.underlying, price=price, common=LANES)
    by_expiry: dict[int, list[int]] = {}
    value = full = haircut = gross = short = net_delta = size = legs = 0
    set_id = None
    oldest = view.now
    surface = None
    key = None  # of the surface under way: sorted words come to each once
    for word in words:
        instrument = unpack(id_of(word))
        quantity = quantity_of(word)
        require(abs(quantity) <= MAX_QUANTITY, "oracle: quantity over the maximum")
        if instrument.expiry != key:
            key = instrument.expiry
            surface = view.surfaces.get((first.underlying, key))
            if surface is not None:
                result.common = min(result.common, surface.common)
                oldest = min(oldest, surface.time)
                late = view.now > surface.time + params.max_age
                far = abs(price - surface.reference) * PPM > params.move_gate * surface.reference
                mixed = set_id is not None and set_id != surface.set_id
                set_id = surface.set_id
                if late or far or mixed:
                    result.fresh = False
        row = row_of(surface, instrument)
        paid = view.funding.get(first.underlying, 0) if instrument.kind == PERP else 0
        worth = quantity * (mark(instrument, row, surface, index) - paid)
        if row is None or surface is None:
            result.fresh = False
            charge = params.floor_rate
            delta = PPM
        else:
            charge = row.gross
            delta = row.delta
            weight = quantity * surface.scale
            sums = by_expiry.get(key)
            if sums is None:
                by_expiry[key] = [weight * lane for lane in row.lanes]
            else:
                by_expiry[key] = [total + weight * lane for total, lane in zip(sums, row.lanes, strict=True)]
        net_delta += quantity * delta
        if instrument.kind == SPOT:
            full += worth
            haircut += worth * (PPM - min(charge, PPM))
            continue
        tenor = max(0, instrument.expiry - view.now)
        charge = max(charge, gross_floor(params, instrument.kind, tenor))
        value += worth
        gross += abs(quantity) * charge
        size += abs(quantity)
        legs += 1
        if instrument.is_option and quantity < 0:
            short += -quantity
    scalars = view.scalars.get(first.underlying)
    depth = scalars.depth if scalars else 0
    som = scalars.som if scalars else params.floor_rate
    widening = div_up(params.widen * (view.now - oldest), HOUR)
    im_factor = scalars.im_factor + widening if scalars else 2 * PPM
    result.fresh = result.fresh and scalars is not None

    acc: Sequence[int] = NO_LANES
    for expiry, sums in by_expiry.items():
        left = min(max(0, expiry - view.now), WINDOW) if expiry else WINDOW
        acc = [a + x for a, x in zip(acc, faded(sums, left), strict=True)]
    worst = acc.index(min(acc))  # the first of equals
    result.worst_lane = worst
    result.scan = mul_div_up(price, max(0, -acc[worst]), LANE_UNIT * WAD)
    result.value = div_floor(value, WAD)
    result.full = div_floor(full, WAD)
    result.haircut = div_floor(haircut, WAD * PPM)
    result.gross = mul_div_up(price, gross, PPM * WAD) + legs * params.leg_cost
    result.short = mul_div_up(price * som, short, PPM * WAD)
    market = 0
    if scalars:
        account_size = max(div_up(abs(net_delta), PPM), mul_div_up(params.min_share, size, PPM))
        excess = max(0, account_size - depth)
        spread = mul_div_up(div_up(excess * excess, depth), scalars.kappa, PPM)
        result.concentration = mul_div_up(price, spread, WAD)
        rate = min(PPM, mul_div_up(scalars.market, view.open_interest.get(first.underlying, 0), depth))
        market = mul_div_up(price * rate, size, PPM * WAD)
    base = max(result.scan, result.short) + result.gross + result.concentration
    result.im_add = mul_div_up(im_factor - PPM, base, PPM) + market
    return result, [price * a for a in acc]


def groups(words: Sequence[int]) -> list[list[int]]:
    """The words of a sorted book, split by underlying."""
    return [list(group) for _, group in groupby(words, key=lambda word: unpack(id_of(word)).underlying)]


def portfolio_scan(scans: Sequence[int], pnl: Sequence[Sequence[int]], common: int, offset: ClassOffset | None) -> int:
    """Scan risk of one class after its offset; `pnl` [underlying][lane], raw."""
    total = sum(scans)
    if offset is None or offset.offset == 0 or len(scans) == 1:
        return total
    keep = PPM - offset.cross_haircut
    lanes = [sum(x if x < 0 else mul_div_down(x, keep, PPM) for x in lane) for lane in zip(*pnl, strict=True)][:common]
    joint = div_up(max(0, -min(lanes, default=0)), LANE_UNIT * WAD)
    return max(total - mul_div_down(offset.offset, total - joint, PPM), *scans)


def assess(words: Sequence[int], ledger: int, view: View) -> Assessment:
    """Margin of a sorted book with `ledger` = cash + linear [wad]."""
    equity_haircut = equity_full = ledger
    portfolio = short = gross = concentration = im_add = 0
    fresh = True
    risky = ledger < 0 or any(unpack(id_of(w)).kind != SPOT for w in words)
    by_class: dict[int, list[tuple[Terms, list[int]]]] = {}
    for group in groups(words):
        found, pnl = terms(group, view)
        by_class.setdefault(found.underlying >> 8, []).append((found, pnl))
        equity_haircut += found.value + found.haircut
        equity_full += found.value + found.full
        short += found.short
        gross += found.gross
        concentration += found.concentration
        im_add += found.im_add
        fresh = fresh and found.fresh
    for klass, members in by_class.items():
        portfolio += portfolio_scan(
            [t.scan for t, _ in members],
            [p for _, p in members],
            min(t.common for t, _ in members),
            view.classes.get(klass),
        )
    mm = max(portfolio, short) + gross + concentration if risky else 0
    im = mm + im_add if risky else 0
    call_line = mul_div_up(mm, PPM + view.params.call_buffer, PPM)
    return Assessment(equity_haircut, equity_full, mm, im, call_line, fresh)


def state_of(margin: Assessment) -> State:
    """The state of an account, by E_h; insolvency by E_m."""
    if margin.equity_full < 0:
        return State.INSOLVENT
    if margin.equity_haircut < margin.mm:
        return State.LIQUIDATABLE
    if margin.equity_haircut < margin.call_line:
        return State.CALLED
    if margin.equity_haircut < margin.im:
        return State.RESTRICTED
    return State.HEALTHY


def reduces_risk(before: Assessment, after: Assessment) -> bool:
    """DESIGN 4.1: IM does not rise, E_h - MM does not fall, and E_m >= 0 after it."""
    return (
        after.im <= before.im
        and after.equity_haircut - after.mm >= before.equity_haircut - before.mm
        and after.equity_full >= 0
    )
