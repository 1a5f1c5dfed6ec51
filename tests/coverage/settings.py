"""Where a run of coverage keeps what it sees, and which tests it runs."""

from __future__ import annotations

from typing import Any, Final

from plimsoll.chain.artifacts import ROOT

FOLDER: Final = ROOT / "build" / "coverage"
SEEN: Final = FOLDER / "seen"
OUTCOME: Final = FOLDER / "outcome.json"
PYTHON: Final = FOLDER / "python"
SUMMARY: Final = ROOT / "docs" / "coverage.json"
REASONS: Final = ROOT / "tests" / "coverage" / "uncovered.yaml"

QUICK: Final = ("tests/unit",)
USUAL: Final = ("tests/unit", "tests/agreement", "tests/regression", "tests/stateful", "tests/attacks")
LEFT_OUT: Final = {  # of those, what would measure something else
    "tests/agreement/test_planted.py": "plants faults: what they reach is not what the contracts reach",
    "tests/agreement/test_planted_guards.py": "plants faults: what they reach is not what the contracts reach",
    "tests/unit/figures": "checks the README's figures, no code",
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
