"""Faults of one unit, planted in a copy of the contracts, and how soon the drawn cases find them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.agreement.test_planted import faulty_contracts
from tests.scale.engine import KINDS, Finding, Stands, run
from tests.scale.kept import Kept, shrunk


@dataclass(frozen=True)
class Fault:
    """One replacement in a source text."""

    contract: str
    file: str
    old: str
    new: str


PATIENCE = 10.0  # [s] within which a planted fault must be found, compiling aside
FAULTS: Mapping[str, Fault] = {
    "value of a book up": Fault(
        "RiskOracle",
        "RiskOracle.vy",
        "result.value = fixed._div_floor(sums.value, 10**18)",
        "result.value = fixed._div_ceil(sums.value, 10**18)",
    ),
    "scan risk down": Fault(
        "RiskOracle",
        "modules/margin.vy",
        "fixed._mul_div_up(price, convert(-worst, uint256)",
        "fixed._mul_div_down(price, convert(-worst, uint256)",
    ),
    "a lane decoded one unit low": Fault(
        "RiskOracle",
        "modules/surface.vy",
        "lanes[unsafe_sub(23, k)] = unsafe_sub(high, bias)",
        "lanes[unsafe_sub(23, k)] = unsafe_sub(unsafe_sub(high, bias), 1)",
    ),
    "funding up": Fault(
        "RiskOracle",
        "modules/margin.vy",
        "fixed._div_floor(self._accrued",
        "fixed._div_ceil(self._accrued",
    ),
    "funding slope down": Fault(
        "RiskOracle",
        "modules/margin.vy",
        "fixed._div_truncate(rate * convert",
        "fixed._div_floor(rate * convert",
    ),
    "bound of a scalar one less": Fault(
        "Guardrails",
        "Guardrails.vy",
        "said <= (limit >> 64) & MASK_96",
        "said < (limit >> 64) & MASK_96",
    ),
    "pace of a scalar one less": Fault(
        "Guardrails",
        "Guardrails.vy",
        "step * (fixed.PPM * HOUR) <= was * pace * seconds",
        "step * (fixed.PPM * HOUR) < was * pace * seconds",
    ),
    "discount of an auction down": Fault(
        "Liquidator",
        "modules/dutch_auction.vy",
        "return fixed._mul_div_up(convert(full - haircut, uint256) + mm, share, fixed.PPM)",
        "return fixed._mul_div_down(convert(full - haircut, uint256) + mm, share, fixed.PPM)",
    ),
    "payment of a bid up": Fault(
        "Liquidator",
        "Liquidator.vy",
        "offer.payment = fixed._mul_div_down(price, offer.fraction, fixed.WAD)",
        "offer.payment = fixed._mul_div_up(price, offer.fraction, fixed.WAD)",
    ),
    "debts grow by one less": Fault(
        "BackOffice",
        "modules/interest.vy",
        "fixed._mul_div_up(pool.borrow_index, grown, fixed.PPM * fixed.YEAR)",
        "fixed._mul_div_down(pool.borrow_index, grown, fixed.PPM * fixed.YEAR)",
    ),
    "fees down": Fault(
        "Registry",
        "modules/fees.vy",
        "return min(cap, fixed._mul_div_up(base, factor, fixed.PPM))",
        "return min(cap, fixed._mul_div_down(base, factor, fixed.PPM))",
    ),
}


@dataclass(frozen=True)
class Hunt:
    """How a fault was found, or that it was not."""

    fault: str
    finding: Finding | None
    cases: int  # until it was
    seconds: float  # from bare contracts to the finding
    processor: float  # [s] of them
    compiling: float  # [s]
    kept: Kept | None = None


def hunt(name: str, seed: int = 1, blocks: int = 20, *, shrink: float = 0.0) -> Hunt:
    """Plant a fault, compile, and draw cases until one differs; shrink it for so many seconds."""
    fault = FAULTS[name]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        replaced = faulty_contracts(Path(folder), [fault.contract], fault.file, fault.old, fault.new)
    compiled, used = time.perf_counter(), time.process_time()
    stands, cases = Stands(replaced), 0
    for block in range(blocks):
        tally = run(stands, seed, block, KINDS, most=1)
        cases += tally.cases
        if tally.findings:
            found = tally.findings[0]
            seconds, processor = time.perf_counter() - compiled, time.process_time() - used
            kept = shrunk(stands, seed, found, KINDS, shrink) if shrink else None
            kept = kept and replace(kept, found=f"{kept.found}, with a fault planted: {name}")
            return Hunt(name, found, cases, seconds, processor, compiled - start, kept)
    seconds, processor = time.perf_counter() - compiled, time.process_time() - used
    return Hunt(name, None, cases, seconds, processor, compiled - start)
