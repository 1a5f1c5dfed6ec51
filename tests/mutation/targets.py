"""Which tests judge which file, and the contracts that carry its mutants into them.

A module is judged by the cheapest contract that uses it, or by a contract of a test that opens its functions; then, in
a second round, what survived is judged by the larger suites. A file of the twin is judged by tests that hold a contract
to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutation.twin import SPEC, is_twin

MODULES_GATE: Final = 0.95
CONTRACTS_GATE: Final = 0.90


@dataclass(frozen=True)
class Target:
    """Files whose mutants are judged together."""

    name: str
    files: tuple[str, ...]
    hosts: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def twin(self) -> bool:
        """Whether these are files of the twin."""
        return is_twin(self.files[0])


def _module(*names: str) -> tuple[str, ...]:
    return tuple(f"contracts/modules/{name}.vy" for name in names)


def _contract(name: str, *tests: str, hosts: tuple[str, ...] = ()) -> Target:
    return Target(name, (f"contracts/{name}.vy",), (name, *hosts), tuple(f"tests/unit/{test}" for test in tests))


def _twin(name: str, *files: str, tests: tuple[str, ...]) -> Target:
    """Files of the twin: judged by their unit tests, those that hold a contract to them, and drawn cases of both."""
    return Target(f"twin-{name}", tuple(f"{SPEC}{file}.py" for file in files), (), tests)


UNIT: Final = "tests/unit/spec"
SCALE: Final = "tests/scale/test_scale.py"
WALKS: Final = "tests/agreement/test_sequences.py"
CONTRACTS: Final = (
    Target("arithmetic", _module("fixed", "instruments", "dutch_auction", "interest"), (), ("tests/unit/modules",)),
    Target("terms", _module("fees", "authority"), ("Registry",), ("tests/unit/registry", "tests/unit/modules")),
    Target(
        "params",
        _module("params"),
        ("Guardrails", "OpenGuardrails"),
        ("tests/unit/oracle/test_set_params.py", "tests/unit/oracle/test_params.py"),
    ),
    Target(
        "prices",
        _module("settlement_price"),
        ("History", "Automation"),
        ("tests/unit/history", "tests/unit/automation"),
    ),
    Target(
        "orders",
        _module("signed_orders"),
        ("Exchange", "StandingOrders"),
        ("tests/unit/exchange", "tests/unit/standing"),
    ),
    Target("margin", _module("margin", "surface"), ("RiskOracle",), ("tests/unit/oracle", "tests/unit/modules")),
    Target("book", _module("book"), ("Clearinghouse", "BackOffice"), ("tests/unit/clearinghouse",)),
    _contract("Clearinghouse", "clearinghouse"),
    _contract("BackOffice", "clearinghouse", hosts=("Clearinghouse",)),
    _contract("Liquidator", "liquidator", "stops"),
    _contract("Guardrails", "guardrails", "oracle/test_params.py", "oracle/test_set_params.py"),
    _contract("RiskOracle", "oracle"),
    _contract("Registry", "registry"),
    _contract("IndexFeed", "feed"),
    _contract("InsuranceFund", "fund"),
    _contract("History", "history"),
    _contract("Exchange", "exchange"),
    _contract("StandingOrders", "standing"),
    _contract("Mandates", "mandates"),
    _contract("Timelock", "timelock"),
    _contract("Breakers", "breakers"),
    _contract("Automation", "automation"),
    _contract("Lens", "lens"),
)
TWINS: Final = (
    _twin(
        "margin",
        *("wad", "instruments", "interest", "margin", "surface", "report"),
        tests=(UNIT, SCALE, "tests/unit/modules", "tests/agreement/test_margin.py"),
    ),
    _twin(
        "oracle",
        *("oracle", "guardrails", "feed"),
        tests=(
            SCALE,
            *(f"tests/unit/{name}" for name in ("oracle", "guardrails", "feed")),
            *(f"tests/agreement/test_{name}.py" for name in ("reports", "guardrails")),
        ),
    ),
    _twin(
        "book",
        *("book", "liquidator", "fund", "lens"),
        tests=(UNIT, SCALE, *(f"tests/unit/{name}" for name in ("clearinghouse", "liquidator", "fund", "lens")), WALKS),
    ),
    _twin(
        "venue",
        *("exchange", "registry", "standing", "signed_orders", "signatures", "mandates", "history"),
        tests=(
            SCALE,
            f"{UNIT}/test_signatures.py",
            *(f"tests/unit/{name}" for name in ("exchange", "registry", "standing", "stops", "mandates", "history")),
            WALKS,
        ),
    ),
    _twin(
        "rules",
        *("timelock", "authority", "breakers", "automation"),
        tests=(
            f"{UNIT}/test_system.py",
            *(f"tests/unit/{name}" for name in ("timelock", "breakers", "automation")),
            *(f"tests/agreement/test_{name}.py" for name in ("automation", "sequences")),
        ),
    ),
    _twin(
        "system",
        *("system", "atomic", "errors", "replay"),
        tests=(
            UNIT,
            WALKS,
            "tests/agreement/test_replay.py",
            *(f"tests/unit/{name}" for name in ("clearinghouse", "liquidator")),
        ),
    ),
)
TARGETS: Final = (*CONTRACTS, *TWINS)


def gate_of(path: str) -> float:
    """The least score of a file."""
    return MODULES_GATE if "/modules/" in path or "/spec/" in path else CONTRACTS_GATE


def test_files(root: Path, target: Target) -> list[Path]:
    """What a target's tests are made of."""
    places = [root / name for name in target.tests]
    return sorted(path for place in places for path in ([place] if place.is_file() else place.rglob("*.py")))
