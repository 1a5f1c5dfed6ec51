"""Where a run of coverage keeps what it sees, and which tests it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

ROOT: Final = (
    Path(__file__).resolve().parents[2]
)  # the package, which knows it too, is not imported before it is watched
FOLDER: Final = ROOT / "build" / "coverage"
SEEN: Final = FOLDER / "seen"
OUTCOME: Final = FOLDER / "outcome.json"
PYTHON: Final = FOLDER / "python"
SUMMARY: Final = ROOT / "docs" / "coverage.json"
REASONS: Final = ROOT / "tests" / "coverage" / "uncovered.yaml"
CONTRACTS_ALONE: Final = "PLIMSOLL_COVERAGE_CONTRACTS_ALONE"  # of the environment: "1" leaves Python out

QUICK: Final = ("tests/unit",)
CONTRACTS: Final = tuple(
    f"tests/unit/{name}"
    for name in (
        *("automation", "breakers", "clearinghouse", "examples", "exchange", "feed", "fund", "guardrails", "history"),
        *("lens", "liquidator", "mandates", "modules", "oracle", "registry", "standing", "stops", "timelock"),
    )
)
USUAL: Final = ("tests/unit", "tests/agreement", "tests/regression", "tests/stateful", "tests/attacks")
LEFT_OUT: Final = {  # of those, what would measure something else
    "tests/agreement/test_planted.py": "plants faults: what they reach is not what the contracts reach",
    "tests/agreement/test_planted_guards.py": "plants faults: what they reach is not what the contracts reach",
}


def python_options() -> dict[str, Any]:
    """How coverage.py is to watch the package."""
    return {
        "branch": True,
        "source": [str(ROOT / "offchain" / "plimsoll")],
        "data_file": str(PYTHON / "data"),
        "config_file": False,
        "messages": False,
    }
