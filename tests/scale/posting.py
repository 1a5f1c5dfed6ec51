"""Kinds of cases about what is posted: surfaces that anybody stores, and reports, under the guardrails.

A scene is a deployment on which one report was believed, some time ago, under limits that governance drew; honest
surfaces of an engine lie ready. A surface is one of them, bent, or moved to the very edge of what passes and one past
it, or damaged bytes. A report is signed and posted whole: it moves what was said before as far as the limits let it
and one further, and carries funding rates; some lack signers, come late, or out of order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import Artifact
from plimsoll.spec.errors import FormatError, Refused
from plimsoll.spec.events import Event
from plimsoll.spec.guardrails import UNLIMITED, Guardrails, unpack_scenarios
from plimsoll.spec.margin import Params
from plimsoll.spec.report import Report
from plimsoll.spec.surface import decode, encode
from tests.agreement.test_guardrails import CLASS, EXPONENTS, bent, edges, honest, move, wild
from tests.agreement.test_reports import damaged
from tests.pairs import ZERO, Mismatch, encode_call
from tests.scale.bytecode import Answer, Bytecode, Log, answer_of, packed, raw_log, reason_of
from tests.scale.kind import Case, Kind, Seen, described
from tests.strategies import NOW as OF_WORLDS
from tests.strategies import Source, chance, funding_rate, pick
from tests.unit.guardrails.yard import DAY, ETH, HOUR, OWNER, Yard, class_of, scalars_of, surfaces

FEED_DAYS = 2 * DAY
KNOWN_PARAMS = Params()


@dataclass(frozen=True)
class Setting:
    """What happened since the first report, and what an engine would post now."""

    seconds: int
    steps: tuple[tuple[str, tuple[int, ...]], ...]  # what governance did to the guardrails
    honest: tuple[str, ...]  # code, in hexadecimals


@dataclass(frozen=True)
class Set:
    """A setting on both."""

    yard: Yard
    honest: tuple[bytes, ...]

    @property
    def guard(self) -> Guardrails:
        """The twin of Guardrails."""
        found: Guardrails = self.yard.guard
        return found


class Desk:
    """One guarded deployment and its twin, on which settings are set one after the other.

    A setting holds few cases: whether a report can come to the very edge of a pace is for the seconds and limits of its
    setting, not for the report.
    """

    scene, cases = Setting, 100

    def __init__(self, replaced: dict[str, Artifact] | None = None) -> None:
        self.yard = Yard(replaced)
        self.pair = self.yard.pair
        for exponent in EXPONENTS:  # what the engine's surfaces are of: an underlying for each strike unit
            at = self.pair.aggregators[CLASS | exponent] = self.pair.add_aggregator(18)
            self.pair.answer(at, 10**18)
            self.pair.must("feed", "set_feed", CLASS | exponent, at, DAY, exponent, sender=OWNER)
        self.bytecode = Bytecode(self.pair.chain)
        self.oracle = self.pair.contracts["oracle"]
        self.abis = {
            part: {entry["name"]: entry for entry in self.pair.contracts[part].artifact.abi if entry["type"] == "event"}
            for part in ("oracle", "guard")
        }

    def draw(self, source: Source, *, small: bool = False) -> Setting:
        """A setting; a small one shrinks better."""
        guard: Guardrails = self.yard.guard
        steps: list[tuple[str, tuple[int, ...]]] = []
        if chance(source, 40):
            place = source.integer(0, 17)
            known = guard.limit_of(0, place)
            paces = (10_000, 50_000, 1_000_000, UNLIMITED)
            limit = pick(source, (0, 0, known.low)), known.high, pick(source, paces), pick(source, paces)
            steps.append(("set_limit", (pick(source, (0, 7)), place, *limit)))
        if chance(source, 40):
            steps.append(("set_scope", (ETH, pick(source, (0, 7)))))
        if chance(source, 30):
            steps.append(("set_band", (pick(source, (1_000, 50_000, 200_000)), pick(source, (1, 10, 20)))))
        made = [each for _ in range(1 if small else 2) for each in honest(source, OF_WORLDS)]  # type: ignore[arg-type]
        seconds = pick(source, (HOUR, HOUR, HOUR // 2, 600, 60, 1, 0, source.integer(0, 7_200)))
        return Setting(seconds, tuple(steps), tuple(encode(each).hex() for each in made))

    @contextmanager
    def load(self, known: Setting) -> Iterator[Set]:
        """A setting on both, for as long as the context lasts."""
        with self.pair.isolated():
            for name, args in known.steps:
                self.pair.must("guard", name, *args, sender=self.pair.owner)
            self.yard.later(known.seconds)
            yield Set(self.yard, tuple(map(bytes.fromhex, known.honest)))

    def check(self, case: Case) -> Seen:
        """One case on both, undone; Mismatch where answer, log, or state that is left differs."""
        evm, twin = self.bytecode.evm, self.pair.twin
        checkpoint = evm.snapshot()
        try:
            with undone(twin.oracle, twin.guard):
                seen: Seen = BY_NAME[case.kind].check(self, *case.args)
                return seen
        except RuntimeError as error:
            raise Mismatch(f"the chain halts: {error}") from error
        finally:
            evm.revert(checkpoint)

    def both(self, data: bytes, ask: Any) -> tuple[Answer, float, float]:
        """One transaction to the oracle on both: what they said, and how long each took."""
        parts = self.pair.twin.oracle, self.pair.twin.guard
        before = [len(part.log) for part in parts]
        start = time.perf_counter()
        found = self.bytecode.call(self.oracle.address, data, with_logs=True)
        middle = time.perf_counter()
        expected = answer_of(ask)
        end = time.perf_counter()
        if not expected.reverted:
            events = [event for part, count in zip(parts, before, strict=True) for event in part.log[count:]]
            expected = expected._replace(logs=tuple(map(self._raw, events)))
        if found != expected:
            if found[:2] == expected[:2]:
                raise Mismatch(f"twin logs {expected.logs}, chain {found.logs}")
            raise Mismatch(f"twin {described(expected)}, chain {described(found)}")
        return found, middle - start, end - middle

    def _raw(self, event: Event) -> Log:
        part = "oracle" if event.contract == "RiskOracle" else "guard"
        return raw_log(event, self.pair.contracts[part].address, self.abis[part][event.name])


@contextmanager
def undone(*parts: Any) -> Iterator[None]:
    """What parts of a twin hold is put back at the end."""
    kept = [
        {name: value.copy() if isinstance(value, dict | set | list) else value for name, value in vars(part).items()}
        for part in parts
    ]
    try:
        yield
    finally:
        for part, known in zip(parts, kept, strict=True):
            vars(part).update(known)


class Stored:
    """`RiskOracle.store` under the guardrails: any bytes, from an engine's surface to nonsense."""

    name, weight = "surface", 1

    def draw(self, source: Source, loaded: Set) -> tuple[Case, ...]:
        code = pick(source, loaded.honest)
        way = source.integer(0, 9)
        if way <= 2:
            code = encode(bent(source, decode(code)).surface)  # type: ignore[arg-type]
        elif way <= 4:
            found = list(edges(source, loaded.guard, decode(code)))  # type: ignore[arg-type]
            code = encode(pick(source, found).surface)
        elif way <= 6:
            code = damaged(source, code)  # type: ignore[arg-type]
        elif way == 7:
            code = encode(wild(source).surface)  # type: ignore[arg-type]
        return (Case(self.name, (code.hex(),), min(max(0, len(code) - 97) // 96, 127)),)

    def check(self, desk: Desk, code: str) -> Seen:
        data = bytes.fromhex(code)
        calldata = desk.oracle.interface.function("store", 1).selector + packed((32, len(data))) + padded(data)
        found, on_chain, in_spec = desk.both(calldata, lambda: desk.pair.twin.oracle.store(data))
        return Seen(reason_of(found), on_chain, in_spec)


def padded(data: bytes) -> bytes:
    """Bytes up to a whole number of words."""
    return data.ljust(-(-len(data) // 32) * 32, b"\0")


class Posted:
    """`RiskOracle.post` of a signed report: each scalar at the edge of what the limits let it, or one past."""

    name, weight = "report", 1

    def draw(self, source: Source, loaded: Set) -> tuple[Case, ...]:
        yard, guard = loaded.yard, loaded.guard
        now, urgent = yard.pair.now, chance(source, 25)
        said = yard.said[ETH]
        since = guard.seconds(urgent, now, unpack_scenarios(guard.scenarios(ETH)).time)
        changes = move(source, guard, said, since)  # type: ignore[arg-type]
        if chance(source, 40):  # no round price: what is reckoned of it does not come out even
            changes.setdefault("reference", said.reference + source.integer(-(10**6), 10**6))
        new = {**yard.said, ETH: replace(said, **changes)}
        of = [key for key in new if key == ETH or chance(source, 50)]
        late = pick(source, (1, 60, 7_200, 7_201, -1)) if chance(source, 12) else 0  # [s]
        try:
            made = [
                encode(each).hex()
                for key in of
                for each in surfaces(key, new[key], max(0, now - late), dated=chance(source, 80))
                if guard.check(each)
            ]
        except (Refused, FormatError):  # no lane can say it
            made = []
        if chance(source, 3):
            made = made[::-1]
        words = [
            scalars_of(key, new[key]) | funding_rate(source, KNOWN_PARAMS) & 0xFFFF for key in of if chance(source, 90)
        ] * pick(source, (1, 1, 1, 2))
        classes = [class_of(new[ETH])] if chance(source, 80) else []
        signers = 3 if urgent else 2
        case = Case(
            self.name,
            (
                tuple(made),
                tuple(words),
                tuple(classes),
                int(urgent),
                late,
                pick(source, (0, 2**40)) if chance(source, 5) else 1,  # sequence, over the last
                signers - chance(source, 3),
                int(chance(source, 30)),  # whether the last surface comes along
            ),
            len(made),
        )
        return (case,)

    def check(
        self,
        desk: Desk,
        codes: tuple[str, ...],
        scalars: tuple[int, ...],
        classes: tuple[int, ...],
        urgent: int,
        late: int,
        ahead: int,
        signers: int,
        brings: int,
    ) -> Seen:
        pair, oracle = desk.pair, desk.pair.twin.oracle
        made = list(map(bytes.fromhex, codes))
        fresh = made.pop() if brings and made else b""
        on_chain = in_spec = 0.0
        stored: list[int] = []
        store = desk.oracle.interface.function("store", 1).selector
        for code in made:
            calldata = store + packed((32, len(code))) + padded(code)
            found, there, here = desk.both(calldata, lambda code=code: oracle.store(code))
            on_chain, in_spec = on_chain + there, in_spec + here
            stored.append(int.from_bytes(found.data, "big"))
        report = Report(
            sequence=oracle.sequence + ahead,
            market_time=pair.now - late,
            urgent=bool(urgent),
            model=ZERO,
            config=ZERO,
            snapshot=ZERO,
            surfaces=tuple(keccak(bytes.fromhex(code)) for code in codes),
            scalars=scalars,
            classes=classes,
        )
        args = report, pair.signed(report, pair.signers[:signers]), stored, fresh
        calldata = encode_call(desk.oracle.interface.function("post", 4), args)
        found, there, here = desk.both(calldata, lambda: oracle.post(*args, now=pair.now))
        if not found.reverted:
            self._state(desk, sorted({word >> 240 for word in scalars}), sorted({word >> 248 for word in classes}))
        return Seen(reason_of(found), on_chain + there, in_spec + here)

    @staticmethod
    def _state(desk: Desk, underlyings: list[int], klasses: list[int]) -> None:
        """What a report leaves that its log does not tell."""
        twin, guard = desk.pair.twin, desk.yard.guard
        for part, name, key, expected in (
            *(("guard", "scenarios", u, guard.scenarios(u)) for u in underlyings),
            *(("oracle", "funding", u, twin.oracle.funding(u, desk.pair.now)) for u in underlyings),
            *(("guard", "class_time", k, guard.class_time(k)) for k in klasses),
        ):
            contract = desk.pair.contracts[part]
            found = desk.bytecode.call(contract.address, contract.interface.function(name, 1).selector + packed(key))
            if found != Answer(packed(expected), False):
                raise Mismatch(f"{part}.{name}({key}) after the report: twin {expected}, chain {described(found)}")


KINDS: tuple[Kind, ...] = (Stored(), Posted())
BY_NAME: dict[str, Any] = {kind.name: kind for kind in KINDS}
