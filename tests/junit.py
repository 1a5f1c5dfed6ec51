"""JUnit reports, as pytest writes them: how each test ended."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

OUTCOMES = {"failure": "failed", "error": "failed", "skipped": "skipped"}


class ReportError(Exception):
    """A file that is not there, or is no report."""


class Case(NamedTuple):
    """One test, or one case of it."""

    owner: str  # its file, and its class where it has one, with dots between
    name: str  # with the case's parameters
    outcome: str  # passed, failed or skipped
    said: str  # why it failed or was left out


def cases(report: Path) -> list[Case]:
    """Every case of a report.

    Raises
    ------
    ReportError
        Where the file is not there or is no report.
    """
    try:
        root = ET.parse(report).getroot()  # noqa: S314 - written by our own run, not by a stranger
    except (OSError, ET.ParseError) as error:
        raise ReportError(f"{report}: no JUnit report ({error}); make one with pytest --junitxml") from error
    found = []
    for case in root.iter("testcase"):
        told = {OUTCOMES[child.tag]: child.get("message") or "" for child in case if child.tag in OUTCOMES}
        outcome = "failed" if "failed" in told else "skipped" if "skipped" in told else "passed"
        found.append(Case(case.get("classname", ""), case.get("name", ""), outcome, told.get(outcome, "")))
    return found
