"""What two honest nodes may differ by, and every number in which a proposal differs from one's own by more.

Two observers of one market never see quite the same: their clocks are seconds apart, their prices a few basis points.
What they *compute* from the same numbers is the same, to the byte. So a node takes its own look in two steps:

    observe   the proposal's market time and reference prices against its own clock and its own prices
    carry     its own snapshot to that time and those references, which it has just found to be near enough
    compare   what its own engine says of that against what is proposed, number by number

Without the second step every option's lane would have to be given the room that a few basis points of the index take
up, and a liar the same room. With it, what is left between honest nodes is that their histories come from different
places; `docs/NODES.md` has what that was measured to be.

A tolerance is a number and, where that makes sense, a share of one's own number [ppm]: the room is their sum, and for
lanes one unit more, since two numbers on either side of a half round apart.

*Room is around the target, not around the last step.* What a glide or a guardrail holds back (scan range, shifts,
scalars, offsets) starts at what the chain holds. Room around that would let a proposer take a little each time, and
the next report start from there: a hundred small lies for one large. So `compare` asks what the engine would say if
nothing held it back, gives the room to that, and lets the same limits hold it: where they bind, all honest nodes say
the same number, and there is no room at all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from eth_utils.crypto import keccak

from plimsoll.market.snapshot import Market, Snapshot
from plimsoll.nodes.errors import RiskNodeError
from plimsoll.nodes.wire import Disagreement, Proposal
from plimsoll.risk.engine import BuiltReport
from plimsoll.risk.scenarios import EXTREME_UNIT, LANE_PPM, NODE_UNIT
from plimsoll.spec.margin import Scalars
from plimsoll.spec.report import Report, pack_class, pack_scalars, unpack_class, unpack_scalars
from plimsoll.spec.surface import HEADER_BYTES, ROW_BYTES, Surface
from plimsoll.spec.wad import FORWARD_UNIT, MARK_UNIT, PPM, WAD

NOT_EXACT: Final = frozenset({"market_time", "snapshot", "surfaces", "scalars", "classes"})  # fields of a report
SHAPE: Final = (
    "scale",
    "common",
    "nodes",
    "extremes",
    "damps",
)  # of a surface: equal, or the lanes mean something else
FOLLOWS: Final = frozenset({"im_factor", "funding"})  # today's number at once: no glide holds them back
GREEKS: Final = ("delta", "gamma", "vega")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a proposal may lie from one's own numbers.

    Parameters
    ----------
    ahead, behind
        Market time after and before one's own clock [s].
    reference
        Reference price of an underlying, and an expiry's forward [ppm of it].
    scan
        Scan range and volatility shifts [ppm of them].
    lane, lane_share
        A lane [ppm of the index], and its share [ppm of the lane]. Where the scan ranges differ, by what `scan` lets
        them, a lane may differ by as much as its price move does.
    mark
        A mark [ppm of the index].
    greek, greek_share
        Delta, gamma and vega [ppm], and their share [ppm]; theta in the same measure a day.
    gross, gross_share
        Gross charge and haircut [ppm of the index], and their share [ppm].
    scalar
        Each posted scalar [ppm of it].
    funding
        The funding rate [ppm a day].
    offset
        A class's offset [ppm].

    Raises
    ------
    RiskNodeError
        A tolerance is negative, or so wide that nothing would be checked.
    """

    ahead: int = 15
    behind: int = 60
    reference: int = 1_000
    scan: int = 20_000
    lane: int = 50
    lane_share: int = 10_000
    mark: int = 200
    greek: int = 5_000
    greek_share: int = 20_000
    gross: int = 50
    gross_share: int = 20_000
    scalar: int = 20_000
    funding: int = 5
    offset: int = 5_000

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value, most = getattr(self, name), LIMITS[name]
            if not 0 <= value <= most:
                raise RiskNodeError(f"tolerance {name} {value}; 0 .. {most} is right")


# Beyond these a co-signer would let through what changes who is liquidated.
LIMITS: Final[Mapping[str, int]] = {
    "ahead": 60,
    "behind": 900,
    "reference": 10_000,
    "scan": 50_000,
    "lane": 1_000,
    "lane_share": 50_000,
    "mark": 5_000,
    "greek": 50_000,
    "greek_share": 100_000,
    "gross": 1_000,
    "gross_share": 100_000,
    "scalar": 100_000,
    "funding": 1_000,
    "offset": 100_000,
}
DEFAULT: Final = Tolerance()


def observe(now: int, own: Snapshot, proposed: Proposal, tolerance: Tolerance = DEFAULT) -> tuple[Disagreement, ...]:
    """Where the proposal's time and reference prices lie too far from what one sees oneself.

    Parameters
    ----------
    now
        One's own clock [unix s].
    own
        One's own snapshot.
    proposed
        The proposal, of some of the underlyings that one sees, or all; of its surfaces the first of each underlying is
        looked at, `compare` holds the others to it.
    tolerance
        The room.
    """
    found = list(_time(now, proposed.report, tolerance))
    references = references_of(proposed)
    mine = {market.underlying: market.reference for market in own.markets}
    if not references or references.keys() - mine.keys():
        found.append(Disagreement("underlyings", _said(sorted(mine)), _said(sorted(references))))
        return tuple(found)
    for underlying, reference in references.items():
        room = mine[underlying] * tolerance.reference // PPM
        if abs(reference - mine[underlying]) > room:
            found.append(Disagreement("reference", mine[underlying], reference, room, underlying))
    return tuple(found)


def _time(now: int, report: Report, tolerance: Tolerance) -> Sequence[Disagreement]:
    ahead = report.market_time - now
    room = tolerance.ahead if ahead > 0 else tolerance.behind
    return [] if abs(ahead) <= room else [Disagreement("market_time", now, report.market_time, room)]


def references_of(proposed: Proposal) -> dict[int, int]:
    """Underlying -> reference price [wad] of its first surface; what is no surface is left to `compare`."""
    found: dict[int, int] = {}
    for surface in proposed.surfaces:
        if surface is not None:
            found.setdefault(surface.underlying, surface.reference)
    return found


def carry(own: Snapshot, references: Mapping[int, int]) -> Snapshot:
    """One's own snapshot at given reference prices [wad]: what is quoted in money moves along, all else stays.

    Raises
    ------
    SnapshotError
        A reference is no price.
    """
    return replace(own, markets=tuple(_carried(m, references.get(m.underlying, m.reference)) for m in own.markets))


def _carried(market: Market, reference: int) -> Market:
    if reference == market.reference:
        return market
    index = reference / WAD
    ratio = index / market.index
    return replace(
        market,
        index=index,
        forwards={key: value * ratio for key, value in market.forwards.items()},
        marks={key: value * ratio for key, value in market.marks.items()},
    )


def compare(
    own: BuiltReport,
    proposed: Proposal,
    tolerance: Tolerance = DEFAULT,
    free: Callable[[], BuiltReport] | None = None,
) -> tuple[Disagreement, ...]:
    """Every number in which a proposal lies too far from one's own report; none: it may be signed.

    Parameters
    ----------
    own
        What one's own engine says, under the proposal's sequence.
    proposed
        Report and codes.
    tolerance
        The room.
    free
        What one's own engine says where no report came before and no guardrail holds it; asked only where a number
        that these hold differs. None: nothing holds `own`.
    """
    report = proposed.report
    target = functools.cache(free or (lambda: own))
    found = list(_time(own.report.market_time, report, tolerance))
    for name in (f.name for f in fields(Report) if f.name not in NOT_EXACT):
        mine, theirs = getattr(own.report, name), getattr(report, name)
        if mine != theirs:
            found.append(Disagreement(name, _said(mine), _said(theirs)))
    found += _surfaces(own, proposed, tolerance, target)
    found += _scalars(own, report.scalars, tolerance, target)
    found += _classes(own, report.classes, tolerance, target)
    return tuple(found)


def held_room(target: int, own: int, room: int) -> tuple[int, int]:
    """What of `target` +- `room` is left once it is held back as `own` was: lowest and highest that may be proposed."""
    low = own if own > target else min(own, target - room)
    high = own if own < target else max(own, target + room)
    return low, high


def _said(value: object) -> int | str:
    """A value as a disagreement states it."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return str(value)


def _surfaces(
    own: BuiltReport, proposed: Proposal, tolerance: Tolerance, target: Callable[[], BuiltReport]
) -> list[Disagreement]:
    hashes = tuple(keccak(code) for code in proposed.codes)
    if hashes != proposed.report.surfaces:
        return [Disagreement("code hashes", _said_hashes(hashes), _said_hashes(proposed.report.surfaces))]
    theirs = []
    for place, (code, surface) in enumerate(zip(proposed.codes, proposed.surfaces, strict=True)):
        if surface is None:
            return [Disagreement("code", f"surface {place} is one", "it is none")]
        if any(code[start:end].strip(b"\0") for start, end in _spare(code)):
            return [Disagreement("code", f"surface {place} has no other bits", "it has")]
        theirs.append(surface)
    keys, wanted = ([(s.underlying, s.expiry) for s in surfaces] for surfaces in (theirs, own.surfaces))
    if keys != wanted:
        return [Disagreement("surfaces", _said(wanted), _said(keys))]
    found: list[Disagreement] = []
    first: dict[int, int] = {}
    for mine, other in zip(own.surfaces, theirs, strict=True):
        found += _surface(mine, other, proposed.report, tolerance, target)
        reference = first.setdefault(other.underlying, other.reference)
        if other.reference != reference:  # one moment, one price
            found.append(Disagreement("reference", reference, other.reference, 0, other.underlying, other.expiry))
    return found


def _spare(code: bytes) -> Iterator[tuple[int, int]]:
    """Where a surface's code has bytes that mean nothing and are zero: a decoder does not show what else is there."""
    yield 30, 33
    yield 64, 65
    for row in range(1 + HEADER_BYTES, len(code), ROW_BYTES):
        yield row + ROW_BYTES - 3, row + ROW_BYTES


def _said_hashes(hashes: Sequence[bytes]) -> str:
    return " ".join("0x" + code_hash[:4].hex() for code_hash in hashes) or "none"


def _surface(
    own: Surface, other: Surface, report: Report, tolerance: Tolerance, target: Callable[[], BuiltReport]
) -> list[Disagreement]:
    where = (own.underlying, own.expiry)
    found = [
        Disagreement(name, _said(getattr(own, name)), _said(getattr(other, name)), 0, *where)
        for name in SHAPE
        if getattr(own, name) != getattr(other, name)
    ]

    def near(what: str, mine: int, theirs: int, room: int, row: int | None = None, lane: int | None = None) -> None:
        if abs(mine - theirs) > room:
            found.append(Disagreement(what, mine, theirs, room, *where, row, lane))

    if [(row.kind, row.strike) for row in own.rows] != [(row.kind, row.strike) for row in other.rows]:
        found.append(Disagreement("rows", _listed(own), _listed(other), 0, *where))
    if found:
        return found
    near("surface time", report.market_time, other.time, 0)
    for name in ("psr", "vol_up", "vol_down"):
        mine, theirs = getattr(own, name), getattr(other, name)
        if mine != theirs:
            wanted = getattr(target().surface(*where), name)
            found += _held(name, wanted, mine, theirs, _share(wanted, tolerance.scan), *where)
    # the id is a hash of these headers and of what the configuration fixes: with equal headers it has to be equal
    headers = [(s.psr, s.vol_up, s.vol_down) for s in (own, other)]
    if headers[0] == headers[1]:
        near("set_id", own.set_id, other.set_id, 0)
    near("reference", own.reference, other.reference, _share(own.reference, tolerance.reference))
    near("forward", own.forward, other.forward, FORWARD_UNIT * tolerance.reference // PPM)
    unit = own.scale * LANE_PPM  # [ppm]
    moved = [abs(a - b) for a, b in zip(_moves(own), _moves(other), strict=True)]
    for k, (mine, theirs) in enumerate(zip(own.rows, other.rows, strict=True)):
        for lane, (a, b) in enumerate(zip(mine.lanes, theirs.lanes, strict=True)):
            if a != b:
                room = 1 + (tolerance.lane + moved[lane]) // unit + _share(a, tolerance.lane_share)
                near("lane", a, b, room, k, lane)
        near("mark", mine.mark, theirs.mark, MARK_UNIT // PPM * tolerance.mark, k)
        for name in GREEKS:
            a, b = getattr(mine, name), getattr(theirs, name)
            near(name, a, b, tolerance.greek + _share(a, tolerance.greek_share), k)
        near("theta", mine.theta, theirs.theta, 10 * tolerance.greek + _share(mine.theta, tolerance.greek_share), k)
        near("gross", mine.gross, theirs.gross, tolerance.gross + _share(mine.gross, tolerance.gross_share), k)
    return found


def _moves(surface: Surface) -> list[int]:
    """The price move of each lane, as far as it counts [ppm]."""
    nodes = [node * surface.psr // NODE_UNIT for node in surface.nodes for _ in range(2)]
    far = zip(surface.extremes, surface.damps, strict=True)
    return nodes + [extreme * damp * surface.psr // EXTREME_UNIT**2 for extreme, damp in far for _ in range(2)]


def _held(
    what: str, target: int, own: int, proposed: int, room: int, underlying: int | None = None, expiry: int | None = None
) -> list[Disagreement]:
    """A number that a glide or a guardrail may hold back."""
    low, high = held_room(target, own, room)
    if low <= proposed <= high:
        return []
    return [Disagreement(what, own, proposed, own - low if proposed < own else high - own, underlying, expiry)]


def _share(value: int, ppm: int) -> int:
    return abs(value) * ppm // PPM


def _listed(surface: Surface) -> str:
    """The rows of a surface by kind and strike, so that a person sees which one is missing."""
    return " ".join(f"{row.kind}/{row.strike}" for row in surface.rows)


def _scalars(
    own: BuiltReport, words: Sequence[int], tolerance: Tolerance, target: Callable[[], BuiltReport]
) -> list[Disagreement]:
    theirs = [unpack_scalars(word) for word in words]
    wanted, got = ([item.underlying for item in items] for items in (own.scalars, theirs))
    if wanted != got:
        return [Disagreement("scalars", _said(wanted), _said(got))]
    found = []
    for place, (mine, other, word) in enumerate(zip(own.scalars, theirs, words, strict=True)):
        if pack_scalars(other) != word:
            found.append(Disagreement("scalars", hex(pack_scalars(other)), hex(word), 0, mine.underlying))
        for name in (f.name for f in fields(Scalars) if f.name != "underlying"):
            a, b = getattr(mine, name), getattr(other, name)
            if a == b:
                continue
            if name in FOLLOWS:
                aim, room = a, tolerance.funding if name == "funding" else _share(a, tolerance.scalar)
            else:
                aim = getattr(target().scalars[place], name)
                room = _share(aim, tolerance.scalar)
            found += _held(name, aim, a, b, room, mine.underlying)
    return found


def _classes(
    own: BuiltReport, words: Sequence[int], tolerance: Tolerance, target: Callable[[], BuiltReport]
) -> list[Disagreement]:
    theirs = [unpack_class(word) for word in words]
    wanted, got = ([item.klass for item in items] for items in (own.classes, theirs))
    if wanted != got:
        return [Disagreement("classes", _said(wanted), _said(got))]
    found = []
    for place, (mine, other, word) in enumerate(zip(own.classes, theirs, words, strict=True)):
        if pack_class(other) != word:
            found.append(Disagreement("classes", hex(pack_class(other)), hex(word)))
        if mine.offset != other.offset:
            aim = target().classes[place].offset
            found += _held(f"offset of class {mine.klass}", aim, mine.offset, other.offset, tolerance.offset)
        if mine.cross_haircut != other.cross_haircut:  # the configuration's
            what = f"cross_haircut of class {mine.klass}"
            found.append(Disagreement(what, mine.cross_haircut, other.cross_haircut))
    return found
