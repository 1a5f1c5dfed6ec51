"""Whether an archived or posted report is what its snapshot says: every number that differs, and what it means.

`posted` reads a report off the chain: the events of its transaction hold all of it but the surfaces, whose code stands
on chain, and the digest in them proves that nothing is missing. The snapshot is the one thing that the chain does not
hold; the archive does, under the hash that the report names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from eth_utils.crypto import keccak

from plimsoll.chain.deployment import System
from plimsoll.chain.protocol import Receipt
from plimsoll.keeper.errors import NotPostedError
from plimsoll.risk.engine import BuiltReport
from plimsoll.spec.errors import FormatError
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT
from plimsoll.spec.report import Report, digest, unpack_class, unpack_scalars
from plimsoll.spec.surface import LANES, Row, Surface, decode

KINDS: Final = {PERP: "perpetual", FUTURE: "future", CALL: "call", PUT: "put", SPOT: "token"}
PARTS: Final = frozenset({"surfaces", "scalars", "classes"})  # of a report; the rest is one number or hash each
NODE_LANES: Final = 26  # two a node; six extremes follow


@dataclass(frozen=True, slots=True)
class Said:
    """A report and the codes of its surfaces, in its order."""

    report: Report
    codes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that is not what it should be.

    Parameters
    ----------
    what
        Its name: a field of the report, of a surface's header, of a row, of scalars or of a class; "lane".
    archived, recomputed
        What was archived or posted, and what the snapshot says; None where one side has no such thing.
    underlying, expiry
        Of the surface; the underlying alone for scalars.
    row, instrument
        The row in its surface, and what it is.
    lane, meaning
        The lane's number, and its scenario.
    """

    what: str
    archived: Any
    recomputed: Any
    underlying: int | None = None
    expiry: int | None = None
    row: int | None = None
    instrument: str | None = None
    lane: int | None = None
    meaning: str | None = None

    def __str__(self) -> str:
        place = [f"underlying {self.underlying}" if self.underlying is not None else ""]
        place += [f"expiry {self.expiry}" if self.expiry is not None else ""]
        place += [f"row {self.row} ({self.instrument})" if self.row is not None else ""]
        lane = f"lane {self.lane} ({self.meaning})" if self.lane is not None else self.what
        where = ", ".join([part for part in place if part] + [lane])
        return f"{where}: archived {_text(self.archived)}, recomputed {_text(self.recomputed)}"


def differences(said: Said, built: BuiltReport) -> tuple[Difference, ...]:
    """Every number in which a report is not what was built anew; none: they are equal to the byte."""
    found = [
        Difference(field.name, getattr(said.report, field.name), getattr(built.report, field.name))
        for field in fields(Report)
        if field.name not in PARTS and getattr(said.report, field.name) != getattr(built.report, field.name)
    ]
    found += _surfaces(said.codes, built.codes)
    for name, unpack, key in (("scalars", unpack_scalars, "underlying"), ("classes", unpack_class, "klass")):
        found += _words(name, unpack, key, getattr(said.report, name), getattr(built.report, name))
    if not found and said.report != built.report:  # the codes are equal, so their hashes or order are what is left
        found.append(Difference("surfaces", said.report.surfaces, built.report.surfaces))
    return tuple(found)


def _surfaces(said: Sequence[bytes], built: Sequence[bytes]) -> Iterator[Difference]:
    theirs, ours = _by_key(said), _by_key(built)
    for key in sorted(theirs.keys() | ours.keys()):
        if theirs.get(key) == ours.get(key):
            continue
        if key not in theirs or key not in ours:
            one, other = (keccak(codes[key]) if key in codes else None for codes in (theirs, ours))
            yield Difference("surface", one, other, *key)
            continue
        surfaces = []
        for code in (theirs[key], ours[key]):
            try:
                surfaces.append(decode(code))
            except FormatError as error:
                yield Difference("surface", str(error), keccak(ours[key]), *key)
        if len(surfaces) == 2:
            inside = list(_inside(*surfaces))
            # bits that no field shows
            yield from inside or [Difference("surface", keccak(theirs[key]), keccak(ours[key]), *key)]


def _by_key(codes: Sequence[bytes]) -> Mapping[tuple[int, int], bytes]:
    """Codes by underlying and expiry, read off the header without a look at the rest."""
    return {(int.from_bytes(code[2:4], "big"), int.from_bytes(code[4:9], "big")): code for code in codes}


def _inside(said: Surface, built: Surface) -> Iterator[Difference]:
    where = (built.underlying, built.expiry)
    for field in fields(Surface):
        a, b = getattr(said, field.name), getattr(built, field.name)
        if field.name != "rows" and a != b:
            yield Difference(field.name, a, b, *where)
    if len(said.rows) != len(built.rows):
        yield Difference("rows", len(said.rows), len(built.rows), *where)
    for number, (a, b) in enumerate(zip(said.rows, built.rows, strict=False)):
        if a != b:
            yield from _row(a, b, built, number)


def _row(said: Row, built: Row, surface: Surface, number: int) -> Iterator[Difference]:
    strike = f" {built.strike}" if built.strike else ""
    where = (surface.underlying, surface.expiry, number, f"{KINDS.get(built.kind, built.kind)}{strike}")
    for lane in range(LANES):
        if said.lanes[lane] != built.lanes[lane]:
            meaning = lane_meaning(surface, lane)
            yield Difference("lane", said.lanes[lane], built.lanes[lane], *where, lane, meaning)
    for field in fields(Row):
        a, b = getattr(said, field.name), getattr(built, field.name)
        if field.name != "lanes" and a != b:
            yield Difference(field.name, a, b, *where)


def lane_meaning(surface: Surface, lane: int) -> str:
    """The scenario of a lane: move of the index, as a share of it and of the scan range, and move of volatility."""
    if lane < NODE_LANES:
        share, volatility = surface.nodes[lane // 2] / 1e4, "down" if lane % 2 else "up"
        return f"price {share * surface.psr / 1e6:+.2%}, {share:+.4f} of the scan range, volatility {volatility}"
    at = (lane - NODE_LANES) // 2
    share = surface.extremes[at] / 1e2 * (-1 if lane % 2 else 1)
    damp = surface.damps[at]
    return f"extreme, price {share * surface.psr / 1e6:+.2%}, {share:+.2f} scan ranges, volatility up, {damp} % counts"


def _words(name: str, unpack: Any, key: str, said: Sequence[int], built: Sequence[int]) -> Iterator[Difference]:
    theirs, ours = ({getattr(unpack(word), key): word for word in words} for words in (said, built))
    for number in sorted(theirs.keys() | ours.keys()):
        underlying = number if key == "underlying" else None
        prefix = "" if key == "underlying" else f"class {number}: "
        if theirs.get(number) == ours.get(number):
            continue
        if number not in theirs or number not in ours:
            yield Difference(f"{prefix}{name}", theirs.get(number), ours.get(number), underlying)
            continue
        a, b = unpack(theirs[number]), unpack(ours[number])
        names = [field.name for field in fields(a) if getattr(a, field.name) != getattr(b, field.name)]
        for one in names:
            yield Difference(f"{prefix}{one}", getattr(a, one), getattr(b, one), underlying)
        if not names:
            yield Difference(f"{prefix}{name}", hex(theirs[number]), hex(ours[number]), underlying)


def posted(system: System, receipt: Receipt) -> Said:
    """The report that a transaction posted to a deployment's oracle, from its events and the surfaces' code.

    Raises
    ------
    NotPostedError
        The transaction posted none there, or what it left on chain is not what was signed.
    NodeError
        Where the node does not answer.
    """
    oracle = system.oracle
    heads = oracle.events(receipt, "ReportPosted")
    if len(heads) != 1:
        raise NotPostedError(f"transaction {receipt.hash} posts {len(heads)} reports to {oracle.address}; 1 is right")
    head = heads[0].args
    found = {
        name: [event.args for event in oracle.events(receipt, name) if event.args.sequence == head.sequence]
        for name in ("SurfacePosted", "ScalarsPosted", "ClassPosted")
    }
    codes = tuple(system.chain.code(args.surface) for args in found["SurfacePosted"])
    parts: dict[str, Any] = {
        "surfaces": tuple(map(keccak, codes)),
        "scalars": tuple(args.word for args in found["ScalarsPosted"]),
        "classes": tuple(args.word for args in found["ClassPosted"]),
    }
    own = {field.name: getattr(head, field.name) for field in fields(Report) if field.name not in PARTS}
    report = Report(**own, **parts)
    if digest(report, system.chain.chain_id, oracle.address) != head.digest:
        raise NotPostedError(f"transaction {receipt.hash}: its events and code are not the report that was signed")
    return Said(report, codes)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_text, value)) + ")"
    return "nothing" if value is None else str(value)
