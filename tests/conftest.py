"""What every test shares: Hypothesis profiles, and which tests this machine has to leave out.

- ``PLIMSOLL_PROFILE``: ``quick`` (default), ``ci`` (repeatable), ``figures`` (repeatable, with as many examples as the
  README's figures claim), ``long``.
- ``PLIMSOLL_DATA``: the folder of recorded market data that tests marked ``data`` read.
- ``CI=true``: a test marked ``node`` fails where there is no anvil, instead of being left out.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

NO_ANVIL = "no anvil (Node.js)"
NO_DATA = "no data (PLIMSOLL_DATA is unset)"

# No deadline: the first example of a test pays for compiling, and two test processes share the machine.
COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=20, stateful_step_count=15, **COMMON)
settings.register_profile("ci", max_examples=50, stateful_step_count=30, derandomize=True, print_blob=True, **COMMON)
settings.register_profile("figures", settings.get_profile("ci"), max_examples=100)
settings.register_profile("long", max_examples=2_000, stateful_step_count=100, print_blob=True, **COMMON)
settings.load_profile(os.environ.get("PLIMSOLL_PROFILE", "quick"))

# A plain `pytest` finds the anvil that `make setup` fetched, and ape the vyper beside this Python.
os.environ["PATH"] = os.pathsep.join(
    [str(ROOT / "node_modules" / ".bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
)


def forget_stale_contracts() -> None:
    """Make ape compile anew if a contract or module changed: ape does not see a change in an imported module."""
    built = ROOT / ".build" / "__local__.json"
    if "PYTEST_XDIST_WORKER" in os.environ or not built.exists():
        return
    sources = [path.stat().st_mtime for path in (ROOT / "contracts").rglob("*.vy*")]
    if max(sources, default=0.0) > built.stat().st_mtime:
        built.unlink()


forget_stale_contracts()


@functools.cache
def has_anvil() -> bool:
    """Whether an anvil is on the path and runs: a wrapper without Node.js behind it does not."""
    if shutil.which("anvil") is None:
        return False
    try:
        return subprocess.run(["anvil", "--version"], capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, or under CI fail, what this machine cannot run."""
    if item.get_closest_marker("node") and not has_anvil():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{NO_ANVIL}, and CI leaves nothing out for want of a tool", pytrace=False)
        pytest.skip(NO_ANVIL)
    if item.get_closest_marker("data"):
        folder = os.environ.get("PLIMSOLL_DATA")
        if not folder:
            pytest.skip(NO_DATA)
        if not Path(folder).is_dir():
            pytest.fail(f"PLIMSOLL_DATA names no folder: {folder}", pytrace=False)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The recorded market data; for tests marked ``data``."""
    return Path(os.environ["PLIMSOLL_DATA"])


# What takes longest, by the process of two that begins with it. Files, and the folder that deploys by scripts, stay
# whole: what their fixtures stand up is stood up once.
HEAVY = (
    ("integration/test_node", "stateful/test_protocol", "agreement/test_sequences", "unit/simulate/"),
    ("integration/", "agreement/test_planted", "stateful/test_profit", "unit/history/test_sequences"),
)


def _place(item: pytest.Item) -> tuple[int, int] | None:
    """Which process a heavy test begins in, and its turn there; None for a light one."""
    path = item.path.relative_to(ROOT / "tests").as_posix()
    return next(
        ((side, turn) for side, names in enumerate(HEAVY) for turn, name in enumerate(names) if path.startswith(name)),
        None,
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, a share in each of two processes: nobody waits for the other at the end."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    placed = [(_place(item), item) for item in items]
    heavy = sorted(((place, item) for place, item in placed if place is not None), key=lambda found: found[0])
    first, second = ([item for (side, _), item in heavy if side == wanted] for wanted in range(2))
    light = [item for place, item in placed if place is None]
    middle = max(0, (len(items) + 1) // 2 - len(first))
    items[:] = [*first, *light[:middle], *second, *light[middle:]]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was left out, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    for reason in (NO_ANVIL, NO_DATA):
        names = sorted(report.nodeid for report in skipped if reason in str(report.longrepr))
        if names:
            terminalreporter.write_line(f"left out {len(names)} tests: {reason}", yellow=True)
            for name in names:
                terminalreporter.write_line(f"  {name}")
