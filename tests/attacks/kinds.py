"""Attacks on a report: each takes an honest one and gives a false one, with the reasons that may refuse it.

Those that need a quorum's keys say what holds even then: the quorum signs, the guardrails refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from eth_utils.crypto import keccak

from plimsoll.risk.engine import BuiltReport
from plimsoll.spec.guardrails import (
    CROSS_HAIRCUT,
    DEPTH,
    IM_FACTOR,
    KAPPA,
    MARKET,
    NAMES,
    OFFSET,
    PSR,
    SOM,
    VOL_DOWN,
    VOL_UP,
)
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT
from plimsoll.spec.report import pack_class, pack_scalars
from plimsoll.spec.surface import LANES, Surface, encode
from plimsoll.spec.wad import FORWARD_UNIT, PPM, WAD, mul_div_up
from tests.attacks.desk import KEYS, STRANGER, Desk, Package
from tests.strategies import Source, pick

Attack = tuple[Package, frozenset[str]]
Kind = Callable[[Desk, BuiltReport, Source], Attack]

NO_SIGNER: Final = frozenset(
    {
        "oracle: not a signer",
        "oracle: signers not ascending",
        "ecdsa: invalid signature",
        "ecdsa: invalid signature `s` value",
    }
)
TIMES: Final = frozenset(
    {"oracle: market time in the future", "oracle: market time too old", "oracle: market time goes back"}
)
SEQUENCE: Final = frozenset({"oracle: sequence not above the last"})


def only(*reasons: str) -> frozenset[str]:
    return frozenset(reasons)


def flipped(data: bytes, source: Source) -> bytes:
    """One bit of it changed."""
    at = source.integer(0, 8 * len(data) - 1)
    return bytes(b ^ (1 << at % 8) if k == at // 8 else b for k, b in enumerate(data))


def honest(desk: Desk, built: BuiltReport) -> Package:
    return desk.signed(built.report, built.codes)


def remade(desk: Desk, built: BuiltReport, surfaces: Sequence[Surface]) -> Package:
    """The report with other surfaces, signed by a quorum that lies."""
    codes = tuple(encode(surface) for surface in surfaces)
    report = replace(built.report, surfaces=tuple(keccak(code) for code in codes))
    return desk.signed(report, codes)


def with_surface(built: BuiltReport, at: int, **changes: object) -> list[Surface]:
    return [replace(s, **changes) if k == at else s for k, s in enumerate(built.surfaces)]  # type: ignore[arg-type]


def rows_of(built: BuiltReport, kinds: set[int]) -> list[tuple[int, int]]:
    """Surface and row of everything of these kinds."""
    return [(k, r) for k, s in enumerate(built.surfaces) for r, row in enumerate(s.rows) if row.kind in kinds]


def with_row(built: BuiltReport, at: tuple[int, int], **changes: object) -> list[Surface]:
    surface = built.surfaces[at[0]]
    rows = tuple(
        replace(row, **changes) if r == at[1] else row  # type: ignore[arg-type]
        for r, row in enumerate(surface.rows)
    )
    return with_surface(built, at[0], rows=rows)


# ------------------------------------------------------------------------------------------ without a quorum's keys


def flip_signature(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    package = honest(desk, built)
    at = source.integer(0, 1)
    signatures = tuple(flipped(s, source) if k == at else s for k, s in enumerate(package.signatures))
    return replace(package, signatures=signatures), NO_SIGNER


def flip_report(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    package = honest(desk, built)
    report = package.report
    field = pick(source, ("sequence", "market_time", "urgent", "model", "config", "snapshot", "scalars", "classes"))
    expected = NO_SIGNER
    if field == "sequence":
        report, expected = replace(report, sequence=report.sequence ^ 1 << source.integer(0, 63)), NO_SIGNER | SEQUENCE
    elif field == "market_time":
        time = report.market_time ^ 1 << source.integer(0, 63)
        report, expected = replace(report, market_time=time), NO_SIGNER | TIMES
    elif field == "urgent":
        report, expected = replace(report, urgent=True), NO_SIGNER | {"oracle: below quorum"}
    elif field in {"scalars", "classes"}:
        words = list(getattr(report, field))
        at = source.integer(0, len(words) - 1)
        words[at] ^= 1 << source.integer(0, 255)
        report = replace(report, **{field: tuple(words)})
    else:
        report = replace(report, **{field: flipped(getattr(report, field), source)})
    return replace(package, report=report), expected


def flip_hash(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    package = honest(desk, built)
    at = source.integer(0, len(package.codes) - 1)
    hashes = tuple(flipped(h, source) if k == at else h for k, h in enumerate(package.report.surfaces))
    return replace(package, report=replace(package.report, surfaces=hashes)), NO_SIGNER


def flip_code(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    package = honest(desk, built)
    code = flipped(package.codes[-1], source)
    return replace(package, codes=(*package.codes[:-1], code)), only(
        "oracle: surface is not the signed one", "oracle: surface malformed"
    )


def wrong_order(desk: Desk, built: BuiltReport, _: Source) -> Attack:
    package = honest(desk, built)
    return replace(package, signatures=package.signatures[::-1]), only("oracle: signers not ascending")


def duplicate(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    package = honest(desk, built)
    one = pick(source, package.signatures)
    return replace(package, signatures=(one, one)), only("oracle: signers not ascending")


def too_few(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    package = honest(desk, built)
    return replace(package, signatures=package.signatures[: source.integer(0, 1)]), only("oracle: below quorum")


def stranger(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    package = desk.signed(built.report, built.codes, [KEYS[source.integer(0, 2)], STRANGER])
    return package, only("oracle: not a signer")


def malleated(desk: Desk, built: BuiltReport, _: Source) -> Attack:
    """The same signature by its other root."""
    package = honest(desk, built)
    first = package.signatures[0]
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(first[32:64], "big")
    twin = first[:32] + s.to_bytes(32, "big") + bytes([55 - first[64]])
    return replace(package, signatures=(twin, package.signatures[1])), only("ecdsa: invalid signature `s` value")


def other_chain(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    chain = desk.chain.chain_id + source.integer(1, 10**6)
    return desk.signed(built.report, built.codes, chain_id=chain), NO_SIGNER


def other_contract(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    oracle = f"0x{source.integer(1, 2**160 - 1):040x}"
    return desk.signed(built.report, built.codes, oracle=oracle), NO_SIGNER


# --------------------------------------------------------------------------------------------- signed by a quorum


def old_sequence(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    last = built.report.sequence - 1
    report = replace(built.report, sequence=source.integer(max(0, last - 3), last))
    return desk.signed(report, built.codes), SEQUENCE


def other_time(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    time = built.report.market_time
    way = source.integer(0, 2)
    moved = (time + source.integer(1, 10**6), max(0, time - source.integer(7_201, 10**6)), 2**39)[way]
    package = remade(desk, built, [replace(s, time=moved) for s in built.surfaces])
    report = replace(package.report, market_time=moved)
    return desk.signed(report, package.codes), TIMES


def surface_of_another_time(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    at = source.integer(0, len(built.surfaces) - 1)
    time = built.report.market_time + pick(source, (-1, 1, 3_600))
    return remade(desk, built, with_surface(built, at, time=time)), only("oracle: surface time is not the report's")


def not_ascending(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    surfaces = list(built.surfaces)
    at = source.integer(0, len(surfaces) - 2)
    if source.integer(0, 1):
        surfaces[at], surfaces[at + 1] = surfaces[at + 1], surfaces[at]
    else:
        surfaces.insert(at, surfaces[at])
    return remade(desk, built, surfaces), only("oracle: surfaces not ascending")


def missing_code(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    package = honest(desk, built)
    codes = list(package.codes)
    del codes[source.integer(0, len(codes) - 1)]
    return replace(package, codes=tuple(codes)), only("oracle: surface count differs")


def mixed_sets(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """One surface of an underlying on another scenario set, or of another reference price."""
    first = [k for k, s in enumerate(built.surfaces) if s.underlying == built.surfaces[0].underlying]
    at, way = pick(source, first), source.integer(0, 2)
    surface = built.surfaces[at]
    if way == 0:
        return remade(desk, built, with_surface(built, at, set_id=surface.set_id ^ 1 << source.integer(0, 63))), only(
            "oracle: mixed sets"
        )
    if way == 1:
        shift = max(1, surface.vol_up // 10**4)
        return remade(desk, built, with_surface(built, at, vol_up=surface.vol_up + shift)), only(
            "guard: mixed sets", "guard: volatility up moves too fast"
        )
    perps = with_surface(built, first[0], reference=surface.reference + source.integer(1, 10**6))
    return remade(desk, built, perps), only("oracle: mixed sets")


def scalar(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """A scalar past its bounds, under its floor, or further than it may have moved."""
    at = source.integer(0, len(built.scalars) - 1)
    found = built.scalars[at]
    limits = desk.reader.read().rails
    posted = limits.scalars[found.underlying]
    place, name, way = *pick(source, SCALARS), source.integer(0, 2)
    limit = limits.limit(found.underlying, place)
    since = limits.seconds(built.report.market_time, limits.sets[found.underlying].scalars_time, urgent=False)
    low, high = limit.reach(getattr(posted, name), since)
    top = 2**96 - 1 if place == DEPTH else 2**24 - 1
    choices = []
    if limit.low > 0:
        choices.append((source.integer(0, limit.low - 1), "out of bounds"))
    if limit.high < top:
        choices.append((source.integer(limit.high + 1, top), "out of bounds"))
    if low > limit.low and getattr(posted, name):
        choices.append((source.integer(limit.low, low - 1), "moves too fast"))
    if high < limit.high and getattr(posted, name):
        choices.append((source.integer(high + 1, limit.high), "moves too fast"))
    value, what = choices[way % len(choices)]
    words = list(built.report.scalars)
    words[at] = pack_scalars(replace(found, **{name: value}))
    report = replace(built.report, scalars=tuple(words))
    return desk.signed(report, built.codes), only(f"guard: {NAMES[place]} {what}", "oracle: scalars out of range")


SCALARS: Final = ((DEPTH, "depth"), (KAPPA, "kappa"), (SOM, "som"), (IM_FACTOR, "im_factor"), (MARKET, "market"))


def class_offset(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    rails = desk.reader.read().rails
    found = built.classes[0]
    seconds = rails.seconds(built.report.market_time, rails.class_times[1], urgent=False)
    place, name = pick(source, ((OFFSET, "offset"), (CROSS_HAIRCUT, "cross_haircut")))
    limit, was = rails.limits[0][place], getattr(rails.classes[1], name)
    _, high = limit.reach(was, seconds)
    value, what = source.integer(limit.high + 1, 2**24 - 1), "out of bounds"
    if was and high < limit.high and source.integer(0, 1):
        value, what = source.integer(high + 1, limit.high), "moves too fast"
    report = replace(built.report, classes=(pack_class(replace(found, **{name: value})),))
    return desk.signed(report, built.codes), only(f"guard: {NAMES[place]} {what}", "oracle: class out of range")


def scan_range(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """Surfaces of a scan range or a volatility shift out of bounds, or moved too far: right otherwise."""
    rails = desk.reader.read().rails
    underlying = built.surfaces[0].underlying
    seconds = rails.seconds(built.report.market_time, rails.sets[underlying].time, urgent=False)
    place, name = pick(source, ((PSR, "psr"), (VOL_UP, "vol_up"), (VOL_DOWN, "vol_down")))
    limit, was = rails.limit(underlying, place), getattr(rails.sets[underlying], name)
    low, high = limit.reach(was, seconds)
    way = source.integer(0, 3)
    if way == 0 or low <= limit.low:
        value, what = source.integer(limit.low // 2, limit.low - 1), "out of bounds"
    elif way == 1 or high >= limit.high:
        value, what = source.integer(max(limit.low, low // 2), low - 1), "moves too fast"
    elif way == 2 and place == VOL_UP:
        value, what = source.integer(limit.high + 1, 2 * limit.high), "out of bounds"
    else:
        value, what = source.integer(high + 1, min(2 * high, limit.high)), "moves too fast"
    lied = desk.build(bound=False, **{name: value})
    kept = replace(built.report, surfaces=lied.report.surfaces)
    return desk.signed(kept, lied.codes), only(f"guard: {NAMES[place]} {what}")


def off_the_index(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """Reference prices that the live index does not know."""
    away = source.integer(51_000, 600_000) / PPM
    lied = desk.build(factor=1 + away if source.integer(0, 1) else 1 - away)
    kept = replace(built.report, surfaces=lied.report.surfaces)
    return desk.signed(kept, lied.codes), only("guard: reference price off the index")


def linear_lane(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    at = pick(source, rows_of(built, {PERP, FUTURE}))
    lanes = list(built.surfaces[at[0]].rows[at[1]].lanes)
    lane = source.integer(0, LANES - 1)
    lanes[lane] += pick(source, (-1, 1, -lanes[lane] or 1, -2 * lanes[lane] or 1))
    return remade(desk, built, with_row(built, at, lanes=tuple(lanes))), only("guard: linear lanes are not node x PSR")


def option_lane(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """A lane on a node moved by more than the whole way to its neighbour."""
    at = pick(source, rows_of(built, {CALL, PUT}))
    surface = built.surfaces[at[0]]
    lanes = list(surface.rows[at[1]].lanes)
    lane = source.integer(0, 25)
    width = max(abs(a) for a in surface.nodes) // 6 + 2
    most = mul_div_up(width * surface.psr, surface.forward, surface.scale * 10 * 10**4 * FORWARD_UNIT) + 4
    moved = lanes[lane] + pick(source, (-1, 1)) * source.integer(most, 2 * most)
    lanes[lane] = min(max(moved, -(2**15)), 2**15 - 1)
    if abs(lanes[lane] - surface.rows[at[1]].lanes[lane]) < most:
        return linear_lane(desk, built, source)  # there is no room to lie in
    return remade(desk, built, with_row(built, at, lanes=tuple(lanes))), only(
        "guard: option lanes have an arbitrage", "guard: extremes do not follow the nodes"
    )


def swapped_volatility(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """Lanes of volatility up and down changed: an option worth more when less moves."""
    rows = [
        at for at in rows_of(built, {CALL, PUT}) if (lanes := built.surfaces[at[0]].rows[at[1]].lanes)[0] > lanes[1] + 1
    ]
    if not rows:
        return linear_lane(desk, built, source)
    at = pick(source, rows)
    lanes = list(built.surfaces[at[0]].rows[at[1]].lanes)
    lanes[:26] = [lanes[k ^ 1] for k in range(26)]
    return remade(desk, built, with_row(built, at, lanes=tuple(lanes))), only("guard: option lanes have an arbitrage")


def zeroed(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """A position that no scenario moves."""
    at = pick(source, rows_of(built, {PERP, FUTURE, SPOT}))
    return remade(desk, built, with_row(built, at, lanes=(0,) * LANES)), only(
        "guard: linear lanes are not node x PSR", "guard: token gains more or loses less than its index"
    )


def option_mark(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """A mark over what an option can be worth."""
    at = pick(source, rows_of(built, {CALL, PUT}))
    surface = built.surfaces[at[0]]
    row = surface.rows[at[1]]
    most = surface.forward * 1_000 if row.kind == CALL else row.strike * WAD * 10**12 // surface.reference
    return remade(desk, built, with_row(built, at, mark=most + source.integer(1_000, 10**12))), only(
        "guard: mark out of bounds"
    )


def linear_mark(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """A perpetual or a future marked off its forward: profit out of nothing."""
    at = pick(source, rows_of(built, {PERP, FUTURE}))
    forward = built.surfaces[at[0]].forward * 1_000
    off = forward * source.integer(50_010, 900_000) // PPM * pick(source, (-1, 1))
    return remade(desk, built, with_row(built, at, mark=forward + off)), only("guard: linear mark off the forward")


def charges(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """A gross charge or a haircut past its bounds."""
    at = pick(source, rows_of(built, {PERP, FUTURE, CALL, PUT, SPOT}))
    is_token = built.surfaces[at[0]].rows[at[1]].kind == SPOT
    value = source.integer(PPM + 1, 2**24 - 1) if is_token else source.integer(300_001, 2**24 - 1)
    return remade(desk, built, with_row(built, at, gross=value)), only(
        f"guard: {'haircut' if is_token else 'gross charge'} out of bounds"
    )


def priceless_token(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """Collateral that is worth twice its index."""
    at = pick(source, rows_of(built, {SPOT}))
    worth = source.integer(1_500_001, 2_000_000) * 10**6
    return remade(desk, built, with_row(built, at, mark=worth)), only(
        "guard: worth of a token out of bounds", "guard: token gains more or loses less than its index"
    )


def forward_off(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """A forward far from the index, with a future's mark on it."""
    at = pick(source, rows_of(built, {FUTURE}))
    surface = built.surfaces[at[0]]
    forward = FORWARD_UNIT * source.integer(1_500_001, 1_900_000) // PPM
    future = replace(surface.rows[at[1]], mark=forward * 1_000)
    return remade(desk, built, with_surface(built, at[0], forward=forward, rows=(future,))), only(
        "guard: forward off the index"
    )


def bent_header(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """Nodes that do not reach a scan range, or extremes that are none."""
    at = source.integer(0, len(built.surfaces) - 1)
    surface = built.surfaces[at]
    if source.integer(0, 1):
        k = source.integer(1, 12)
        nodes = tuple(n // 2 if j == k else n for j, n in enumerate(surface.nodes))
        return remade(desk, built, with_surface(built, at, nodes=nodes)), only("guard: nodes malformed")
    extremes = (source.integer(0, 99), *surface.extremes[1:])
    return remade(desk, built, with_surface(built, at, extremes=extremes)), only("guard: extremes malformed")


def urgent_by_few(desk: Desk, built: BuiltReport, _: Source) -> Attack:
    """An urgent report that only the usual quorum signed."""
    return desk.signed(replace(built.report, urgent=True), built.codes), only("oracle: below quorum")


def replayed(desk: Desk, built: BuiltReport, source: Source) -> Attack:
    """What was believed before, once more."""
    return (pick(source, desk.believed), SEQUENCE) if desk.believed else old_sequence(desk, built, source)


KINDS: Final[tuple[Kind, ...]] = (
    flip_signature,
    flip_report,
    flip_hash,
    flip_code,
    wrong_order,
    duplicate,
    too_few,
    stranger,
    malleated,
    other_chain,
    other_contract,
    old_sequence,
    other_time,
    surface_of_another_time,
    not_ascending,
    missing_code,
    mixed_sets,
    scalar,
    class_offset,
    scan_range,
    off_the_index,
    linear_lane,
    option_lane,
    swapped_volatility,
    zeroed,
    option_mark,
    linear_mark,
    charges,
    priceless_token,
    forward_off,
    bent_header,
    urgent_by_few,
    replayed,
)
