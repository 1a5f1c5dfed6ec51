"""What holds guardrails and oracle to their twins sees what it is there to see: each check dropped, or off by one.

All faults of a contract are compiled into one: `plant(k)` turns the k-th on, and with none the contract is the right
one. A fault is found where the chain then says something else than the twin, of surfaces and reports drawn as in
`test_guardrails`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import ROOT, Artifact, compile_one
from plimsoll.spec.errors import Refused
from plimsoll.spec.guardrails import DEPTH, PSR, UNLIMITED
from plimsoll.spec.margin import ClassOffset, Params
from plimsoll.spec.report import pack_class, pack_floors, pack_rates, pack_scalars, unpack_scalars
from plimsoll.spec.surface import LANES, Surface, encode
from plimsoll.spec.wad import MARK_UNIT, PPM, WAD
from tests.agreement.test_guardrails import PLACES, bent, edges, guarded, honest, verdict
from tests.counts import record
from tests.pairs import address_of, encode_call, text
from tests.strategies import Seeded
from tests.unit.guardrails.yard import (
    BTC,
    ETH,
    HOUR,
    NEW,
    OWNER,
    PRICES,
    Said,
    Yard,
    class_of,
    scalars_of,
    surfaces,
)

TOPS = {"depth": 2**96, "volatility": 2**32, "worth": 2 * PPM + 1}  # past what a field holds
TOKEN = "self._is_token(\n                high, linear_far, mark, unit\n            )"
# where it stands (once in the source), what is replaced there, and by what; expressions all of them
Fault = tuple[str, str, str]

CHECK_FAULTS: dict[str, Fault] = {
    "scan range one further": ("assert psr <= fixed.PPM,", "psr <= fixed.PPM", "psr <= fixed.PPM + 1"),
    "any first node": ("assert third >> 240 == 0", "third >> 240 == 0", "True"),
    "nodes alike": ("assert nodes[k] < ahead", "nodes[k] < ahead", "nodes[k] <= ahead"),
    "nodes unlike on their sides": ("ahead + behind == 2**16", "ahead + behind == 2**16", "True"),
    "nodes within the range": ("nodes[STEPS] == NODE_UNIT", "nodes[STEPS] == NODE_UNIT", "nodes[STEPS] <= NODE_UNIT"),
    "a lane one further": ("assert at_node <= MAX_LANE", "at_node <= MAX_LANE", "at_node <= MAX_LANE + 1"),
    "an extreme's lane one further": ("assert ahead <= MAX_LANE", "ahead <= MAX_LANE", "ahead <= MAX_LANE + 1"),
    "extremes nearer": ("assert extreme >= 100", "extreme >= 100", "extreme >= 99"),
    "damping over one": ("damp <= 100,", "damp <= 100", "damp <= 101"),
    "lanes of no instrument, of the second word": ("assert low == 0 and high == 0", "high == 0", "True"),
    "one kind more": ("kind <= instruments.SPOT\n", "kind <= instruments.SPOT", "kind <= instruments.SPOT + 1"),
    "whatever expires": (
        "and is_dated == (is_option or kind == instruments.FUTURE)",
        "is_dated == (is_option or kind == instruments.FUTURE)",
        "True",
    ),
    "whatever has a strike": (
        "and (strike > 0) == (is_option or kind == instruments.SPOT)",
        "(strike > 0) == (is_option or kind == instruments.SPOT)",
        "True",
    ),
    "linear lanes of the second word": ("assert low == linear and high == linear_far", "high == linear_far", "True"),
    "linear lanes of the first word": ("assert low == linear and high == linear_far", "low == linear", "True"),
    "a linear mark one further": (
        '"guard: linear lanes are not node x PSR"\n            assert mark <= 2 * surface.MARK_UNIT',
        "mark <= 2 * surface.MARK_UNIT",
        "mark <= 2 * surface.MARK_UNIT + 1",
    ),
    "a token's mark one further": (
        "if kind == instruments.SPOT:\n            assert mark <= 2 * surface.MARK_UNIT",
        "mark <= 2 * surface.MARK_UNIT",
        "mark <= 2 * surface.MARK_UNIT + 1",
    ),
    "a token gains a unit more": ("if (pnl - 1) * whole > (of_index", "pnl - 1", "pnl - 2"),
    "a token loses a unit more": ("pnl < -all_of_it", "pnl < -all_of_it", "pnl < -all_of_it - 1"),
    "tokens of the second word": (TOKEN, TOKEN, "True"),
    "a mark under the bounds": ("assert inside <= worth", "inside <= worth", "inside <= unsafe_add(worth, reference)"),
    "a mark over the bounds": ("and worth <= most", "worth <= most", "worth <= unsafe_add(most, reference)"),
    "a unit more to lose": (
        "min(unsafe_add(mark // grain, 1), 2**16)",
        "unsafe_add(mark // grain, 1)",
        "unsafe_add(mark // grain, 2)",
    ),
    "a unit more to gain": (
        "min(gain, mark // grain)) + 1",
        "min(gain, mark // grain)",
        "min(gain, mark // grain) - 1",
    ),
    "volatility in the middle": ("(at_node >> 64) + YES + FIELDS - at_node", "FIELDS", "2 * FIELDS"),
    "a slope one steeper, gaining": ("YES + (ZERO + most) * GAINING", "ZERO + most", "ZERO + most + 1"),
    "a slope one steeper, losing": ("(ZERO - most) * LOSING", "ZERO - most", "ZERO - most - 1"),
    "a slope one backward, gaining": ("YES - (ZERO - 1) * GAINING", "ZERO - 1", "ZERO - 2"),
    "a slope one backward, losing": ("(ZERO + 1) * LOSING", "ZERO + 1", "ZERO + 2"),
    "a bend of a unit more": ("= (2**40 + widths[k - 1] + width", "width", "2 * width"),
    "no bend in the middle": ("(2 * ZERO - 2) * LOSING", "2 * ZERO - 2", "2 * ZERO - 3"),
    **{
        f"any slope at node {k}": (
            f"unsafe_add(step, least_step[{k}]) & unsafe_sub(most_step[{k}], step)",
            f"unsafe_add(step, least_step[{k}]) & unsafe_sub(most_step[{k}], step)",
            "YES",
        )
        for k in (1, 3, 6)
    },
    **{
        f"any bend at node {k}": (
            f"unsafe_sub(unsafe_add(unsafe_mul(step, widths[{k - 1}]), bend[{k}]), unsafe_mul(last, widths[{k}]))",
            f"unsafe_sub(unsafe_add(unsafe_mul(step, widths[{k - 1}]), bend[{k}]), unsafe_mul(last, widths[{k}]))",
            "YES",
        )
        for k in (2, 5, 6)
    },
    "a put's far lanes as a call's": ("farther = self._mirrored(farther)", "self._mirrored(farther)", "farther"),
    "an extreme a unit over, gaining": ("extreme_most |= (bias - damp", "bias", "bias + 100"),
    "an extreme a unit under, gaining": ("extreme_least |= (bias + damp", "bias", "bias + 100"),
    "an extreme a unit over, losing": ("other_most |= (bias - damp", "bias", "bias + 100"),
    "an extreme a unit under, losing": ("other_least |= (bias + damp", "bias", "bias + 100"),
    "any last extreme": (
        "assert good >> 104 & (YES >> 104) == YES >> 104",
        "good >> 104 & (YES >> 104) == YES >> 104",
        "good >> 168 & (YES >> 168) == YES >> 168",
    ),
}
ADMIT_FAULTS: dict[str, Fault] = {
    "an index one further": (
        "assert distance * fixed.PPM <= self.index_band * price",
        "self.index_band * price",
        "self.index_band * price + fixed.PPM",
    ),
    "a forward one further": ("assert apart * fixed.PPM <= carry", "apart", "apart - min(apart, 1)"),
    "a linear mark one further": ("assert off * fixed.PPM <= basis", "off", "off - min(off, 1)"),
    "mixed scan ranges": ("assert second == last_second and third", "second == last_second", "True"),
    "mixed nodes": ("and third == last_third", "third == last_third", "True"),
    "a bound one lower": ("assert limit >> 160 <= said", "limit >> 160 <= said", "limit >> 160 <= said + 1"),
    "a bound one higher": (
        "and said <= (limit >> 64) & MASK_96",
        "(limit >> 64) & MASK_96",
        "((limit >> 64) & MASK_96) + 1",
    ),
    "a step one further": ("step * (fixed.PPM * HOUR) <=", "step", "(step - 1)"),
    "a fall as fast as a rise": ("pace = limit & MASK_32", "limit & MASK_32", "(limit >> 32) & MASK_32"),
    "a rise as fast as a fall": ("pace = (limit >> 32) & MASK_32", "(limit >> 32) & MASK_32", "limit & MASK_32"),
    "urgent by the second": ("return max(passed, HOUR) * self.boost", "max(passed, HOUR)", "passed"),
    "urgent once more": ("return max(passed, HOUR) * self.boost", "self.boost", "(self.boost + 1)"),
    "urgent twice at a time": ("if urgent and passed > 0:", "urgent and passed > 0", "urgent"),
    "scenarios without scope": (
        "last_third = third\n            scope = convert(self.scopes[convert(underlying, uint16)], uint256)",
        "convert(self.scopes[convert(underlying, uint16)], uint256)",
        "underlying & 0",
    ),
    "scalars without scope": (
        "word >> 240\n    scope: uint256 = convert(self.scopes[convert(underlying, uint16)], uint256)",
        "convert(self.scopes[convert(underlying, uint16)], uint256)",
        "underlying & 0",
    ),
    "any scan range": ("PSR, was >> 216, made", "was >> 216", "was & 0"),
    "any volatility up": ("VOL_UP, (was >> 184) & MASK_32", "(was >> 184) & MASK_32", "was & 0"),
    "any volatility down": ("VOL_DOWN, (was >> 152) & MASK_32", "(was >> 152) & MASK_32", "was & 0"),
    "any gross charge": ("self._hold(gross, GROSS, (was >> 24) & MASK_24", "(was >> 24) & MASK_24", "was & 0"),
    "any haircut": ("HAIRCUT, (was >> 24) & MASK_24", "(was >> 24) & MASK_24", "was & 0"),
    "any worth": ("((was >> 152) & MASK_48) // 10**6", "((was >> 152) & MASK_48) // 10**6", "was & 0"),
    "any depth": ("DEPTH, (was >> 144) & MASK_96", "(was >> 144) & MASK_96", "was & 0"),
    "any kappa": ("KAPPA, (was >> 120) & MASK_24", "(was >> 120) & MASK_24", "was & 0"),
    "any short option minimum": ("SOM, (was >> 96) & MASK_24", "(was >> 96) & MASK_24", "was & 0"),
    "any IM factor": ("IM_FACTOR, (was >> 72) & MASK_24", "(was >> 72) & MASK_24", "was & 0"),
    "any market term": ("MARKET, (was >> 16) & MASK_24", "(was >> 16) & MASK_24", "was & 0"),
    "any offset": ("OFFSET, (was >> 224) & MASK_24", "(was >> 224) & MASK_24", "was & 0"),
    "any cross haircut": ("CROSS_HAIRCUT, (was >> 200) & MASK_24", "(was >> 200) & MASK_24", "was & 0"),
    "scenarios without time": ("= made | (now << 40)", "(now << 40)", "(was & (MASK_40 << 40))"),
    "scalars without time": ("((known >> 40) << 40) | now", "now", "(known & MASK_40)"),
    "offsets without time": ("((word >> 200) << 200) | now", "now", "(was & MASK_40)"),
    "the last row is new": ("if row < known:", "row < known", "row + 1 < known"),
    "a halt one second shorter": (
        "assert block.timestamp >= self.halted_until",
        "block.timestamp >= self.halted_until",
        "block.timestamp + 1 >= self.halted_until",
    ),
    "governance one second sooner": ("self.params_at + PARAM_WAIT", "PARAM_WAIT", "(PARAM_WAIT - 1)"),
    "governance one further": ("max(old // 4, quantum)", "old // 4", "old // 4 + 1"),
    "any widening": (
        "self._is_step(old_rates & MASK_16, rates & MASK_16, 5_000)",
        "self._is_step(old_rates & MASK_16, rates & MASK_16, 5_000)",
        "True",
    ),
    "a narrower limit out of range": ("and low <= high", "low <= high", "True"),
    "a slower limit": ("and MIN_STEP <= rise", "MIN_STEP <= rise", "MIN_STEP <= rise + 1"),
    "a wider band": ("index_band <= MAX_BAND and", "index_band <= MAX_BAND", "index_band <= MAX_BAND + 1"),
    "a longer halt": ("until <= block.timestamp + MAX_HALT", "MAX_HALT", "MAX_HALT + 1"),
}
ORACLE_FAULTS: dict[str, Fault] = {
    "the same sequence": (
        "assert report.sequence > self.sequence",
        "report.sequence > self.sequence",
        "report.sequence >= self.sequence",
    ),
    "a second in the future": (
        "uint256) <= block.timestamp, ",
        "block.timestamp",
        "block.timestamp + 1",
    ),
    "a second too old": ("+ max_age >= block.timestamp", "max_age", "max_age + 1"),
    "a time that goes back": (
        "assert report.market_time >= self.market_time",
        "report.market_time >= self.market_time",
        "True",
    ),
    "one signature less": (
        "quorum > 0 and len(signatures) >= quorum",
        "len(signatures) >= quorum",
        "len(signatures) + 1 >= quorum",
    ),
    "urgent by the usual quorum": (
        "self.urgent_quorum if report.urgent else",
        "self.urgent_quorum",
        "self.quorum",
    ),
    "a signer twice": (
        'assert convert(signer, uint160) > last, "oracle: signers not ascending"',
        "convert(signer, uint160) > last",
        "convert(signer, uint160) >= last",
    ),
    "any signer": (
        "assert block.timestamp < self.valid_until[signer]",
        "block.timestamp < self.valid_until[signer]",
        "True",
    ),
    "a signer one second longer": (
        "assert block.timestamp < self.valid_until[signer]",
        "block.timestamp < self.valid_until[signer]",
        "block.timestamp <= self.valid_until[signer]",
    ),
    "any code": (
        "assert at.codehash == report.surfaces[i]",
        "at.codehash == report.surfaces[i]",
        "True",
    ),
    "surfaces from anywhere": (
        "assert self._checked[report.surfaces[i]]",
        "self._checked[report.surfaces[i]]",
        "True",
    ),
    "what is brought along unchecked": (
        "            assert staticcall GUARD.check(at)\n",
        "staticcall GUARD.check(at)",
        "True",
    ),
    "another time": (
        "assert head.time == convert(report.market_time, uint256)",
        "head.time == convert(report.market_time, uint256)",
        "head.time <= convert(report.market_time, uint256)",
    ),
    "one surface twice": ("assert i == 0 or head.key > last.key", "head.key > last.key", "head.key >= last.key"),
    "mixed set ids": ("assert head.set_id == last.set_id and", "head.set_id == last.set_id", "True"),
    "mixed references": ("and head.reference == last.reference", "head.reference == last.reference", "True"),
    "less depth": (">= MIN_DEPTH\n", "MIN_DEPTH", "(MIN_DEPTH - 1)"),
    "more kappa": ("<= MAX_KAPPA\n", "MAX_KAPPA", "(MAX_KAPPA + 1)"),
    "an IM factor of the call buffer": ("> least\n", "least", "(least - 1)"),
    "an offset over one": (
        'fixed.PPM and (word >> 200) & (2**24 - 1) <= fixed.PPM\n        ), "oracle: class',
        "(word >> 200) & (2**24 - 1) <= fixed.PPM",
        "True",
    ),
    "a longer overlap": ("assert overlap <= MAX_OVERLAP", "overlap <= MAX_OVERLAP", "overlap <= MAX_OVERLAP + 1"),
    "whoever leaves stays": ("= block.timestamp + overlap", "overlap", "(overlap + 1)"),
    "an urgent quorum under the usual": ("and quorum <= urgent_quorum and", "quorum <= urgent_quorum", "True"),
}


def planted(folder: Path, contract: str, faults: Sequence[Fault]) -> Artifact:
    """A contract with all these faults, of which `plant` turns one on."""
    shutil.copytree(ROOT / "contracts", folder / "contracts")
    at = folder / "contracts" / f"{contract}.vy"
    source = at.read_text()
    changes: dict[tuple[int, int], str] = {}
    for k, (place, old, new) in enumerate(faults, 1):
        assert source.count(place) == 1, f"{place!r} stands {source.count(place)} times in {contract}"
        start = source.index(place) + place.rindex(old)
        span = start, start + len(old)
        changes[span] = f"({new} if self.planted == {k} else {changes.get(span, old)})"
    end = len(source)
    for (start, stop), text_of in sorted(changes.items(), reverse=True):
        assert stop <= end, f"faults overlap at {source[start:stop]!r}"
        source, end = source[:start] + text_of + source[stop:], start
    source = source.replace("@pure\n", "@view\n")  # what asks which fault it is
    if contract == "RiskOracle":  # which has no room for more: it is made small, without a view that no probe asks
        source = source.replace("# pragma version 0.4.3\n", "# pragma version 0.4.3\n# pragma optimize codesize\n", 1)
        start = source.index("@external\n@view\ndef lanes(")
        source = source[:start] + source[source.index("@external", start + 1) :]
    mark = "# ---------------------------------------------------------------------- events"
    assert source.count(mark) == 1
    source = source.replace(mark, f"planted: uint256\n\n\n{mark}")
    at.write_text(f"{source}\n\n@external\ndef plant(fault: uint256):\n    self.planted = fault\n")
    return compile_one(at, folder)


# --------------------------------------------------------------------------------------------------- what surfaces say


class Checked:
    """Guardrails with every fault of `check`, surfaces on their chain, and what the twin says of each."""

    def __init__(self, artifact: Artifact, seeds: int) -> None:
        self.pair = guarded({"Guardrails": artifact})
        self.guard = self.pair.contracts["guard"]
        known: dict[bytes, str] = {}
        for seed in range(seeds):
            source = Seeded(seed)
            for surface in honest(source, self.pair.now):
                cases = [bent(source, surface) for _ in range(4)]
                for _ in range(5):
                    cases += edges(source, self.pair.twin.guard, surface)
                known |= {encode(case.surface): verdict(self.pair.twin.guard, case.surface) for case in cases}
        # the smallest first: they are looked at fastest
        self.said = [(self.written(code), known[code]) for code in sorted(known, key=len)]

    def written(self, code: bytes) -> bytes:
        """The call that asks of this code, once it stands somewhere."""
        initcode = b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80600a3d393df3") + code
        made = self.pair.chain.deploy(initcode, sender=text(OWNER))
        return self.guard.interface.function("check", 1).encode([made.address])

    def differs(self, fault: int) -> int:
        """How many surfaces it takes until chain and twin differ, with a fault planted; 0 where they never do."""
        self.guard.transact("plant", fault, sender=text(OWNER))
        for count, (data, expected) in enumerate(self.said, 1):
            try:
                self.pair.chain.call(self.guard.address, data)
                found = "done"
            except Refused as refused:
                found = refused.reason
            if found != expected:
                return count
        return 0


# ---------------------------------------------------------------------------------------------------- what reports say

Step = tuple[Any, ...]  # ("later", seconds), ("price", answer), or part, function, arguments, sender


@dataclass(frozen=True)
class Probe:
    """Some steps, and what chain and twin answered to each where no fault was planted."""

    steps: tuple[Step, ...]
    answers: tuple[str, ...] = ()


class Probed:
    """A deployment with a contract of many faults, and what it is asked."""

    def __init__(self, contract: str, artifact: Artifact) -> None:
        self.yard = Yard({contract: artifact})
        self.pair = self.yard.pair
        self.contract = self.pair.contracts[{"Guardrails": "guard", "RiskOracle": "oracle"}[contract]]
        pair = self.pair
        # BTC in a scope of its own, where less may move
        pair.must("guard", "set_scope", BTC, 3, sender=OWNER)
        for place in (PSR, DEPTH):
            pair.must("guard", "set_limit", 3, place, 1, 2**96 - 1, 10_000, 10_000, sender=OWNER)
        self.probes = [replace(probe, answers=self.recorded(probe)) for probe in self.made()]

    def recorded(self, probe: Probe) -> tuple[str, ...]:
        """What both say; a mismatch is raised."""
        answers = []
        with self.pair.isolated():
            for step in probe.steps:
                if step[0] == "later":
                    self.yard.later(step[1])
                else:
                    part, name, args, sender = step
                    found = self.pair.step(part, name, *args, sender=sender)
                    answers.append(found.reason if isinstance(found, Refused) else "done")
        return tuple(answers)

    def answers(self, probe: Probe) -> tuple[str, ...]:
        """What the chain alone says."""
        answers, chain = [], self.pair.chain
        with chain.isolate():
            for step in probe.steps:
                if step[0] == "later":
                    chain.advance(step[1])
                    for at, known in self.pair.twin.aggregators.items():
                        answer = self.pair.aggregator_contracts[at]
                        answer.transact("set_at", known.answer, chain.now, sender=text(OWNER))
                    continue
                part, name, args, sender = step
                contract = self.pair.contracts[part]
                data = encode_call(contract.interface.function(name, len(args)), args)
                try:
                    chain.transact(contract.address, data, sender=text(sender))
                    answers.append("done")
                except Refused as refused:
                    answers.append(refused.reason)
        return tuple(answers)

    def differs(self, fault: int) -> int:
        """How many probes it takes until the chain says something else, with a fault planted; 0 where it never does."""
        self.contract.transact("plant", fault, sender=text(OWNER))
        for count, probe in enumerate(self.probes, 1):
            if self.answers(probe) != probe.answers:
                return count
        return 0

    # ------------------------------------------------------------------------------------------------------ the probes

    def post(
        self,
        made: Sequence[Surface] = (),
        scalars: Sequence[int] = (),
        classes: Sequence[int] = (),
        *,
        later: int = 0,
        number: int = 1,
        names: Sequence[str] | None = None,
        stored: Sequence[int] | None = None,
        fresh: bytes = b"",
        **changes: Any,
    ) -> Step:
        """A post so many seconds from now, the `number`-th of its probe."""
        report, found = self.pair.report(made, scalars, classes)
        last = self.pair.twin.oracle.sequence
        report = replace(report, sequence=last + number, market_time=self.pair.now + later)
        report = replace(report, **changes)
        names = names or (self.pair.signers if report.urgent else self.pair.signers[:2])
        signatures = self.pair.signed(report, names)
        return "oracle", "post", (report, signatures, found if stored is None else list(stored), fresh), 1

    def says(self, later: int = 0, of: int = ETH, number: int = 1, *, urgent: bool = False, **said: Any) -> Step:
        """A post of all that is said of an underlying, changed."""
        known = replace(self.yard.said[of], **said)
        made = surfaces(of, known, self.pair.now + later)
        words = [scalars_of(of, known)], [class_of(known)]
        return self.post(made, *words, later=later, number=number, urgent=urgent)

    def made(self) -> Iterator[Probe]:
        """Every limit at its edge and past it, bounds, bands, sets, times, signers, governance."""
        yield from self.steps_of_time()
        yield from self.bands()
        yield from self.believing()
        yield from self.governing()

    def steps_of_time(self) -> Iterator[Probe]:
        """As far as each limit lets it and one further, of each underlying; without time; urgent; past bounds."""
        guard = self.pair.twin.guard
        for later, urgent in ((600, False), (60, True), (4_000, True)):
            for name, place in PLACES.items():
                was = getattr(self.yard.said[ETH], name)
                low, high = guard.limit_of(0, place).reach(was, guard.seconds(urgent, later, 0))
                for value in (low - 1, low, high, high + 1) if not urgent else (high, high + 1):
                    if 0 < value < TOPS.get(name, 2**24):
                        yield Probe((("later", later), self.says(later, urgent=urgent, **{name: value})))
        for name, value in (("psr", 101_000), ("depth", 1_010 * WAD), ("psr", 101_001), ("depth", 1_010 * WAD + 1)):
            yield Probe((("later", HOUR), self.says(HOUR, BTC, **{name: value})))
        for name in ("psr", "depth", "offset"):
            more = {name: getattr(self.yard.said[ETH], name) + 1}
            for urgent in (False, True):
                again = self.says(600, number=2, urgent=urgent, **more)
                yield Probe((("later", 600), self.says(600), again))
        first, second = surfaces(ETH, self.yard.said[ETH], self.pair.now)
        last = replace(second.rows[-1], gross=second.rows[-1].gross + 1)
        yield Probe((self.post([first, replace(second, rows=(*second.rows[:-1], last))]),))
        for name, place in PLACES.items():
            limit = guard.limit_of(0, place)
            for value in (limit.low - 1, limit.low, limit.high, limit.high + 1):
                said = Said(PRICES[NEW])
                if not 0 <= value < TOPS.get(name, 2**24):
                    continue
                if name == "psr" and value > 900_000:
                    said = replace(said, extremes=(100, 100, 100))
                said = replace(said, **{name: value})
                made = surfaces(NEW, said, self.pair.now)
                yield Probe((self.post(made, [scalars_of(NEW, said)], [class_of(said, NEW >> 8)]),))

    def bands(self) -> Iterator[Probe]:
        """References, forwards and linear marks at the edges of their bands; mixed sets."""
        price, fair = self.yard.said[ETH].reference, 1_100_000_000
        for sign in (1, -1):
            for off in (0, 1):
                yield Probe((self.says(reference=price + sign * (price // 20 + off)),))
                yield Probe((self.says(forward=10**9 + sign * (5 * 10**8 + off)),))
                yield Probe((self.says(perp_mark=MARK_UNIT + sign * (MARK_UNIT // 20 + off)),))
                yield Probe((self.says(forward=fair, future_mark=1_000 * fair + sign * (50 * fair + off)),))
        known, time = self.yard.said[ETH], self.pair.now + HOUR
        first, second = surfaces(ETH, known, time)
        others = (
            surfaces(ETH, replace(known, vol_up=known.vol_up + 1), time)[1],
            replace(second, nodes=(*second.nodes[:1], 1_600, -1_600, *second.nodes[3:]), rows=()),
        )
        for other in (*others, replace(second, set_id=9), replace(second, reference=second.reference + 1)):
            yield Probe((("later", HOUR), self.post([first, other], later=HOUR)))

    def believing(self) -> Iterator[Probe]:
        """What the oracle itself asks of a report: number, time, signers, surfaces, ranges."""
        pair, now = self.pair, self.pair.now
        age = 7_200
        last = pair.twin.oracle.sequence
        for changes in (
            {"sequence": last},
            {"sequence": 2**64 - 1},
            {"market_time": now + 1},
            {"market_time": now - 1},
        ):
            yield Probe((self.post(**changes),))
        for time in (now + 8_000 - age, now + 8_000 - age - 1):
            yield Probe((("later", 8_000), self.post(market_time=time)))
        a, b, c = pair.signers
        for names in ([a], [a, a], [b, a], [a, c], ["attacker"] * 2, sorted([a, "attacker"], key=address_of)):
            yield Probe((self.post(names=names),))
        for names in ([a, b], [a, b, c]):
            yield Probe((self.post(names=names, urgent=True),))
        keys = [address_of(name) for name in pair.signers]
        for signers, quorum, urgent, overlap in (
            (keys[1:], 2, 2, 60),
            (keys[1:], 2, 1, 0),
            (keys, 2, 3, 86_400),
            (keys, 2, 3, 86_401),
        ):
            change = "oracle", "set_signers", (signers, quorum, urgent, overlap), OWNER
            for later in (59, 60):
                yield Probe((change, ("later", later), self.post(later=later, names=[a, b])))
        first, second = surfaces(ETH, self.yard.said[ETH], now)
        good = self.post([first, second])
        report, signatures, stored, _ = good[2]
        other = pair.must("oracle", "store", encode(replace(second, set_id=first.set_id, vol_up=second.vol_up + 1)))
        yield Probe((good,))
        yield Probe((("oracle", "post", (report, signatures, [stored[0], other], b""), 1),))
        yield Probe((self.post([first, first]),))
        yield Probe((self.post([second, first]),))
        for time in (now - 1, now + 1):
            yield Probe((self.post([replace(first, time=time), replace(second, time=time)], market_time=now),))
        bad = encode(replace(second, rows=(replace(second.rows[0], lanes=(1,) * LANES),)))
        broken = bad[:-1]
        for code in (bad, broken):
            yield Probe((self.post(stored=[], fresh=code, surfaces=(keccak(code),)),))
        at = self.foreign(encode(replace(second, rows=second.rows[:1])))
        code = pair.twin.oracle.codes[at]
        yield Probe((self.post(stored=[at], surfaces=(keccak(code),)),))
        known = unpack_scalars(scalars_of(ETH, self.yard.said[ETH]))
        for changes in (
            {"depth": 10**15 - 1},
            {"kappa": 10**7 + 1},
            {"som": PPM + 1},
            {"im_factor": 1_100_000},
            {"im_factor": 1_100_001},
            {"market": PPM + 1},
        ):
            yield Probe((self.post([], [pack_scalars(replace(known, underlying=NEW, **changes))]),))
        for klass in (ClassOffset(2, PPM + 1, 0), ClassOffset(2, 0, PPM + 1)):
            yield Probe((self.post([], [], [pack_class(klass)]),))

    def foreign(self, code: bytes) -> int:
        """Where another contract wrote a surface that nobody stored."""
        initcode = b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80600a3d393df3") + code
        made = self.pair.chain.deploy(initcode, sender=text(OWNER))
        assert made.address is not None
        at = int(made.address, 16)
        self.pair.twin.oracle.codes[at] = code
        return at

    def governing(self) -> Iterator[Probe]:
        """Halts, limits, bands, and the oracle's own numbers by steps."""
        now = self.pair.now
        for until in (now + 7 * 86_400, now + 7 * 86_400 + 1):
            yield Probe((("guard", "halt", (until,), OWNER),))
        for later in (99, 100):
            halt = "guard", "halt", (now + 100,), OWNER
            yield Probe((halt, ("later", later), self.post(later=later)))
        for args in (
            (5, 4, UNLIMITED, UNLIMITED),
            (4, 4, 10_000, 10_000),
            (4, 4, 9_999, 10_000),
            (4, 4, 10_000, 9_999),
        ):
            yield Probe((("guard", "set_limit", (0, PSR, *args), OWNER),))
        for args in ((200_000, 20), (200_001, 20), (1_000, 1), (999, 1), (1_000, 21)):
            yield Probe((("guard", "set_band", args, OWNER),))

        def sets(**changes: int) -> Step:
            params = replace(Params(), leg_cost=WAD, **changes)
            return "oracle", "set_params", (pack_rates(params), pack_floors(params)), OWNER

        for later in (HOUR - 1, HOUR):
            yield Probe((sets(), ("later", later), sets(call_buffer=100_001)))
        for changes in ({"call_buffer": 125_000}, {"call_buffer": 125_001}, {"widen": 25_000}, {"widen": 25_001}):
            yield Probe((sets(), ("later", HOUR), sets(**changes)))


def missed(probed: Checked | Probed, faults: Sequence[str]) -> list[str]:
    """The faults that nothing finds; each is counted. With none planted, chain and twin agree."""
    assert probed.differs(0) == 0
    found = [probed.differs(k) > 0 for k in range(1, len(faults) + 1)]
    record(planted=len(faults), planted_found=sum(found))
    return [fault for fault, is_found in zip(faults, found, strict=True) if not is_found]


# each compiles a contract once, and so is one test


@pytest.mark.long
def test_faults_in_what_surfaces_may_say_are_found(tmp_path: Path) -> None:
    checked = Checked(planted(tmp_path, "Guardrails", list(CHECK_FAULTS.values())), 200)
    assert len(checked.said) > 1_000
    assert missed(checked, list(CHECK_FAULTS)) == []


@pytest.mark.long
@pytest.mark.parametrize(("contract", "faults"), [("Guardrails", ADMIT_FAULTS), ("RiskOracle", ORACLE_FAULTS)])
def test_faults_in_what_is_believed_are_found(tmp_path: Path, contract: str, faults: dict[str, Fault]) -> None:
    probed = Probed(contract, planted(tmp_path, contract, list(faults.values())))
    answers = [answer for probe in probed.probes for answer in probe.answers]
    assert answers.count("done") > 50
    assert len(set(answers)) > 40
    assert missed(probed, list(faults)) == []
