"""False reports are refused, each with the right error, and change nothing; honest ones are always believed.

Along drawn paths of prices, with jumps of ten percent and calm and wild times, the engine makes report after report;
before each is posted, false ones are tried.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.agreement.test_planted import faulty_contracts
from tests.attacks.desk import Desk
from tests.attacks.kinds import KINDS
from tests.counts import record
from tests.strategies import Seeded, pick

PATHS, STEPS, EACH = {"quick": (1, 4, 33), "ci": (2, 8, 33), "figures": (12, 26, 33), "long": (12, 26, 33)}[
    os.environ.get("PLIMSOLL_PROFILE", "quick")
]


def attack(desk: Desk, each: int) -> tuple[Counter[str], list[str]]:
    """One step: false reports, then the honest one. What happened, and what went wrong."""
    desk.move()
    built = desk.build()
    before = desk.state()
    done: Counter[str] = Counter()
    wrong = []
    kinds = [*KINDS, *(pick(desk.source, KINDS) for _ in range(max(0, each - len(KINDS))))][:each]
    for kind in kinds if built.report.sequence > 1 else ():
        package, expected = kind(desk, built, desk.source)
        reason = desk.post(package)
        done[kind.__name__] += 1
        if reason not in expected:
            wrong.append(f"{kind.__name__}: {reason!r}, not one of {sorted(expected)}")
            break
    if desk.state() != before:
        wrong.append("the posted state moved")
    package = desk.signed(built.report, built.codes)
    reason = desk.post(package)
    if reason is not None:
        wrong.append(f"honest: {reason}")
    desk.believed.append(package)
    return done, wrong


@pytest.mark.slow
@pytest.mark.parametrize("path", range(PATHS))
def test_false_reports_are_refused_and_honest_ones_believed(path: int) -> None:
    desk = Desk(Seeded(path))
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    for _ in range(STEPS + 1):  # the first report has none to stand against
        done, faults = attack(desk, EACH)
        seen += done
        wrong += faults
    honest_wrong = sum(fault.startswith("honest") for fault in wrong)
    record(
        attacks=seen.total(),
        attacks_wrong=len(wrong) - honest_wrong,
        honest=STEPS + 1,
        honest_refused=honest_wrong,
        honest_jumps=desk.jumps,
    )
    assert wrong == []
    assert seen.keys() == {kind.__name__ for kind in KINDS}
    assert desk.oracle.call("sequence") == STEPS + 1


FAULTS = {
    "any number of signatures": (
        "RiskOracle",
        "RiskOracle.vy",
        "assert quorum > 0 and len(signatures) >= quorum",
        "assert quorum > 0",
    ),
    "any signer": ("RiskOracle", "RiskOracle.vy", "assert block.timestamp < self.valid_until[signer]", "assert True"),
    "signers in any order": (
        "RiskOracle",
        "RiskOracle.vy",
        'assert convert(signer, uint160) > last, "oracle: signers not ascending"\n        assert block',
        'assert True, "oracle: signers not ascending"\n        assert block',
    ),
    "any step": ("Guardrails", "Guardrails.vy", "assert pace == UNLIMITED or step", "assert True or step"),
    "any bounds": ("Guardrails", "Guardrails.vy", "assert limit >> 160 <= said and said <=", "assert True or said <="),
    "any index": ("Guardrails", "Guardrails.vy", "distance * fixed.PPM <= self.index_band * price", "True"),
    "any lanes of options": ("Guardrails", "Guardrails.vy", "assert good & YES == YES", "assert good >= 0"),
    "any linear lanes": ("Guardrails", "Guardrails.vy", "assert low == linear and high == linear_far", "assert True"),
    "any mark of an option": ("Guardrails", "Guardrails.vy", "assert inside <= worth and worth <= most", "assert True"),
    "nothing is checked when it is stored": (
        "RiskOracle",
        "RiskOracle.vy",
        "    assert staticcall GUARD.check(at)  # or reverts with its reason\n",
        "",
    ),
}


@pytest.mark.long  # each compiles a contract
@pytest.mark.parametrize("fault", FAULTS)
def test_a_check_that_is_dropped_is_missed(tmp_path: Path, fault: str) -> None:
    contract, *change = FAULTS[fault]
    desk = Desk(Seeded(0), faulty_contracts(tmp_path, [contract], *change))
    found = any(attack(desk, EACH)[1] for _ in range(4))
    record(planted_attacks=1, planted_attacks_found=int(found))
    assert found
