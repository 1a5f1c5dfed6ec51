"""A pytest plugin, `-p tests.coverage.plugin`: contracts with probes, Python under coverage.py, and what both saw.

Every process of a run writes what it saw into `build/coverage/seen` when it ends. Nothing of this is in a usual run.
Processes that tests start themselves (a keeper, a script of ape) are not watched.
"""

from __future__ import annotations

import json
import os
import weakref
from typing import Any

import coverage
import pytest

from tests.coverage import settings

_python = None
if os.environ.get(settings.CONTRACTS_ALONE) != "1":
    _python = coverage.Coverage(**settings.python_options(), data_suffix=True)
    _python.start()  # before anything of the package is imported that is to be watched

from plimsoll.chain.embedded import EmbeddedChain  # noqa: E402
from tests.coverage import probes  # noqa: E402

_seen: set[int] = set()
_chains: weakref.WeakSet[Any] = weakref.WeakSet()
_outcome: dict[str, Any] = {"passed": 0, "failed": [], "skipped": 0}


def _watch() -> None:
    """Whatever chain is made is asked what it saw, when it goes or at the end."""
    plain = EmbeddedChain.__init__

    def watched(self: Any, **options: Any) -> None:
        plain(self, **options)
        _chains.add(self)

    def leave(self: Any) -> None:
        evm = getattr(self, "_evm", None)
        if evm is not None:
            _seen.update(probes.looked_at(evm))

    EmbeddedChain.__init__ = watched  # type: ignore[method-assign]
    EmbeddedChain.__del__ = leave  # type: ignore[attr-defined]


probes.install()
_watch()


@pytest.hookimpl
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count how tests end."""
    if report.failed and report.nodeid not in _outcome["failed"]:
        _outcome["failed"].append(report.nodeid)
    elif report.when == "call" and report.passed:
        _outcome["passed"] += 1
    elif report.skipped:
        _outcome["skipped"] += 1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down what this process saw; the first process, how the tests ended."""
    if _python is not None:
        _python.stop()
        _python.save()
    for chain in list(_chains):
        _seen.update(probes.looked_at(chain._evm))
    settings.SEEN.mkdir(parents=True, exist_ok=True)
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    (settings.SEEN / f"{worker or 'alone'}-{os.getpid()}.json").write_text(json.dumps(sorted(_seen)), encoding="utf-8")
    if worker is None:
        settings.OUTCOME.write_text(json.dumps(_outcome), encoding="utf-8")
