"""What proposer and co-signer say to each other: JSON over HTTP, one version, every field checked.

    POST /sign   {"version": 1, "proposer": "name", "report": {...}, "codes": ["0x..", ...]}
    200          {"signature": "0x.."}                               65 bytes, r | s | v
    409          {"disagreements": [{...}, ...], "count": n}         n of them, the first `MOST` listed
    400, 413, 503   {"error": "one line"}

A report's fields go by their types, whatever fields it has: numbers as numbers, bytes as 0x-text, packed words as
0x-text of 32 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Final, get_type_hints

from plimsoll.nodes.errors import WireError
from plimsoll.risk.engine import MAX_CLASSES, MAX_SCALARS, MAX_SURFACES, BuiltReport
from plimsoll.spec.errors import FormatError
from plimsoll.spec.report import Report
from plimsoll.spec.surface import HEADER_BYTES, MAX_ROWS, ROW_BYTES, Surface, decode

VERSION: Final = 1
MAX_CODE: Final = 1 + HEADER_BYTES + MAX_ROWS * ROW_BYTES
MAX_PROPOSAL: Final = 2 * MAX_SURFACES * MAX_CODE + 2**16  # [bytes] of a request
MAX_ANSWER: Final = 2**18  # [bytes]
MAX_NAME: Final = 64
MAX_BRACKETS: Final = 900  # a proposal has 6, an answer some dozens
MOST: Final = 64  # disagreements that an answer lists
HINTS: Final = get_type_hints(Report)
COUNTS: Final = {"surfaces": MAX_SURFACES, "scalars": MAX_SCALARS, "classes": MAX_CLASSES}


@dataclass(frozen=True)
class Proposal:
    """A report that somebody would post: its fields, and the codes of its surfaces in the report's order."""

    proposer: str
    report: Report
    codes: tuple[bytes, ...]

    @classmethod
    def of(cls, proposer: str, built: BuiltReport) -> Proposal:
        """What is sent of a built report."""
        return cls(proposer, built.report, built.codes)

    @cached_property
    def body(self) -> bytes:
        """The request's body."""
        whole = {
            "version": VERSION,
            "proposer": self.proposer,
            "report": {f.name: _plain(getattr(self.report, f.name)) for f in fields(Report)},
            "codes": ["0x" + code.hex() for code in self.codes],
        }
        return json.dumps(whole, separators=(",", ":")).encode()

    @cached_property
    def surfaces(self) -> tuple[Surface | None, ...]:
        """The codes decoded; None where one is no surface."""
        return tuple(_surface(code) for code in self.codes)

    @classmethod
    def parse(cls, body: bytes) -> Proposal:
        """Inverse of `body`.

        Raises
        ------
        WireError
            Naming the field that is wrong.
        """
        data = _mapping(_json(body), "proposal", {"version", "proposer", "report", "codes"})
        if data["version"] != VERSION or isinstance(data["version"], bool):
            raise WireError(f"version {data['version']!r}; {VERSION} is right")
        name = data["proposer"]
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            raise WireError(f"proposer: printable text of 1 .. {MAX_NAME} characters is right")
        said = _mapping(data["report"], "report", set(HINTS))
        report = Report(**{key: _field(key, said[key]) for key in HINTS})
        codes = tuple(_bytes("codes", code) for code in _list("codes", data["codes"], MAX_SURFACES))
        if any(len(code) > MAX_CODE for code in codes):
            raise WireError(f"codes: at most {MAX_CODE} bytes each is right")
        return cls(name, report, codes)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One number in which a proposal differs from what the node finds by more than it tolerates.

    `what` names it; `underlying`, `expiry`, `row` and `lane` say where, as far as they apply. `own` and `proposed` are
    in the unit of the field that `what` names, as `tolerance` is.
    """

    what: str
    own: int | str
    proposed: int | str
    tolerance: int = 0
    underlying: int | None = None
    expiry: int | None = None
    row: int | None = None
    lane: int | None = None

    def __str__(self) -> str:
        places = (("underlying", self.underlying), ("expiry", self.expiry), ("row", self.row), ("lane", self.lane))
        where = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        within = f", tolerance {self.tolerance}" if self.tolerance else ""
        return f"{self.what}{' of ' + where if where else ''}: own {self.own}, proposed {self.proposed}{within}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node answers: a signature; or disagreements, `count` in all; or an error."""

    signature: bytes | None = None
    disagreements: tuple[Disagreement, ...] = ()
    count: int = 0
    error: str = ""

    @classmethod
    def refusal(cls, disagreements: Sequence[Disagreement]) -> Answer:
        """The answer that lists the first of some disagreements."""
        return cls(disagreements=tuple(disagreements[:MOST]), count=len(disagreements))

    @property
    def reason(self) -> str:
        """Why there is no signature, in one line."""
        if self.error or not self.disagreements:
            return self.error or "refused without a reason"
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return f"{self.disagreements[0]}{more}"

    @property
    def body(self) -> bytes:
        """The response's body."""
        if self.signature is not None:
            return json.dumps({"signature": "0x" + self.signature.hex()}).encode()
        if self.error:
            return json.dumps({"error": self.error}).encode()
        listed = [{k: v for k, v in asdict(item).items() if v is not None} for item in self.disagreements]
        return json.dumps({"disagreements": listed, "count": self.count}).encode()

    @classmethod
    def parse(cls, body: bytes) -> Answer:
        """Inverse of `body`; a signature is only measured here, not checked.

        Raises
        ------
        WireError
            It is no answer.
        """
        data = _json(body)
        if not isinstance(data, dict):
            raise WireError("answer: a JSON object is right")
        if "signature" in data:
            signature = _bytes("signature", data["signature"])
            if len(signature) != 65:
                raise WireError(f"signature of {len(signature)} bytes; 65 is right")
            return cls(signature)
        if isinstance(data.get("error"), str):
            return cls(error=_line(data["error"]))
        listed = [_disagreement(item) for item in _list("disagreements", data.get("disagreements"), MOST)]
        count = data.get("count", len(listed))
        if not listed or not _is_int(count) or count < len(listed):
            raise WireError("answer: a signature, disagreements and their count, or an error is right")
        return cls(disagreements=tuple(listed), count=count)


def _disagreement(item: Any) -> Disagreement:
    if not isinstance(item, dict):
        raise WireError("disagreements: objects are right")
    kinds: Mapping[str, Any] = get_type_hints(Disagreement)
    for name, value in item.items():
        wanted = (str, int) if name in {"own", "proposed"} else str if name == "what" else int
        if name not in kinds or isinstance(value, bool) or not isinstance(value, wanted):
            raise WireError(f"disagreements: {name[:MAX_NAME]} is unknown, or of a wrong type")
    if not {"what", "own", "proposed"} <= item.keys():
        raise WireError("disagreements: what, own and proposed are needed")
    said: dict[str, Any] = {name: _line(value) if isinstance(value, str) else value for name, value in item.items()}
    return Disagreement(**said)


def _line(text: str) -> str:
    """What a stranger wrote, fit for a journal: one line, not too long."""
    return "".join(c if c.isprintable() else " " for c in text[:300])


def _surface(code: bytes) -> Surface | None:
    try:
        return decode(code)
    except FormatError:
        return None


def _json(body: bytes) -> Any:
    # a parser that recurses for each of a hundred thousand brackets takes the whole process down
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise WireError(f"more than {MAX_BRACKETS} brackets")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"no JSON: {_line(str(error))}") from error


def _mapping(value: Any, what: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WireError(f"{what}: a JSON object is right")
    if wrong := sorted(names ^ value.keys()):
        state = "is missing" if wrong[0] in names else "is not known"
        raise WireError(f"{what}: {wrong[0][:MAX_NAME]!r} {state}")
    return value


def _list(name: str, value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise WireError(f"{name}: a list of at most {most} is right")
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, str) and value.startswith("0x"):
        try:
            found = bytes.fromhex(value[2:])
        except ValueError:
            found = None
        if found is not None and len(value) == 2 + 2 * len(found):  # no blanks between digits
            return found
    raise WireError(f"{name}: 0x and hexadecimal digits are right")


def _word(name: str, value: Any) -> bytes:
    found = _bytes(name, value)
    if len(found) != 32:
        raise WireError(f"{name}: 32 bytes each is right")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return [_plain(v if isinstance(v, bytes) else v.to_bytes(32, "big")) for v in value]
    return value


def _field(name: str, value: Any) -> Any:
    """One field of a report, by its type."""
    hint = HINTS[name]
    if hint is bool:
        if not isinstance(value, bool):
            raise WireError(f"{name}: true or false is right")
        return value
    if hint is int:
        if not _is_int(value) or not 0 <= value < 2**64:
            raise WireError(f"{name}: a number of 64 bits is right")
        return value
    if hint is bytes:
        return _word(name, value)
    words = [_word(name, item) for item in _list(name, value, COUNTS[name])]
    return tuple(words if hint == tuple[bytes, ...] else [int.from_bytes(word, "big") for word in words])
