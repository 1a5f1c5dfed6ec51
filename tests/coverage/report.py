"""From what processes saw to numbers, and to what nobody reached.

A line of a contract counts as covered when its probe was passed in any deployment, a branch when its condition went
that way. snekmate's modules are not ours and not counted, mocks neither. `uncovered.yaml` names what is known not to be
reached, and why; a reason for something that is reached, or is not there, is a finding like a missing one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import coverage
import yaml

from plimsoll.chain.artifacts import ROOT
from tests.coverage import settings
from tests.coverage.points import LINE, LOOP, Point, points_of
from tests.coverage.rounds import sure_of

PACKAGE: Final = ROOT / "offchain" / "plimsoll"


@dataclass
class Unit:
    """A contract, a module or a package: how much there is, how much was reached."""

    name: str
    lines: int = 0
    covered: int = 0
    branches: int = 0
    taken: int = 0
    missed: list[dict[str, Any]] = field(default_factory=list)  # file, line, what, source

    def to_plain(self) -> dict[str, Any]:
        """For JSON, without what was missed."""
        return {
            "name": self.name,
            "lines": self.lines,
            "covered": self.covered,
            "branches": self.branches,
            "taken": self.taken,
        }


def total(name: str, units: Iterable[Unit]) -> Unit:
    """All of them together."""
    found = Unit(name)
    for unit in units:
        found.lines += unit.lines
        found.covered += unit.covered
        found.branches += unit.branches
        found.taken += unit.taken
    return found


def files_of(root: Path = ROOT) -> list[Path]:
    """The Vyper files that are counted: contracts and modules, no mocks, no interfaces."""
    return [path for path in sorted((root / "contracts").rglob("*.vy")) if "mocks" not in path.parts]


def seen_of(folder: Path = settings.SEEN) -> set[int]:
    """Every probe that any process passed."""
    return {number for path in sorted(folder.glob("*.json")) for number in json.loads(path.read_text(encoding="utf-8"))}


def missed_ways(point: Point, seen: set[int]) -> list[str]:
    """The ways of a condition that were never taken; of a line `never run`."""
    if point.kind == LINE:
        return [] if point.number in seen else ["never run"]
    return [way for k, way in enumerate(point.ways) if point.number + k not in seen]


def whole(line: str, start: int, end: int) -> str:
    """An expression in a line; the compiler puts its end too early where it holds `staticcall` or `extcall`."""
    while end < len(line):
        text = line[start:end]
        is_open = text.count("(") > text.count(")")
        if not (is_open or line[end].isidentifier() or (line[end] == "(" and text[-1:].isidentifier())):
            break
        end += 1
    return line[start:end]


def vyper_unit(name: str, points: Sequence[Point], seen: set[int], source: Sequence[str]) -> Unit:
    """One file's numbers. What a line holds that never ran is not said again for its branches."""
    unit = Unit(name)
    lines = {point.line for point in points if point.kind == LINE}
    dead = {point.line for point in points if point.kind == LINE and point.number not in seen}
    unit.lines, unit.covered = len(lines), len(lines - dead)
    for point in points:
        ways = missed_ways(point, seen)
        if point.kind != LINE:
            unit.branches += len(point.ways)
            unit.taken += len(point.ways) - len(ways)
        if not ways or (point.kind != LINE and point.line in dead):
            continue
        text = source[point.line - 1].strip()
        if point.kind != LINE:
            line = source[point.line - 1]
            inside = (
                line[point.column :] if point.end_line > point.line else whole(line, point.column, point.end_column)
            )
            ways = [f"{point.kind} `{inside.strip()}` never {way}" for way in ways]
        unit.missed += [
            {"file": point.file, "line": point.line, "function": point.function, "what": way, "source": text}
            for way in ways
        ]
    return unit


def vyper_units(seen: set[int], root: Path = ROOT) -> list[Unit]:
    """Every contract and module."""
    units = []
    for path in files_of(root):
        file = path.relative_to(root).as_posix()
        sure = sure_of(path)
        points = [p for p in points_of(path, file) if p.kind != LOOP or (p.line, p.column) not in sure]
        if points:
            name = file.removeprefix("contracts/").removesuffix(".vy")
            units.append(vyper_unit(name, points, seen, path.read_text(encoding="utf-8").splitlines()))
    return units


def edited(since: float, package: Path = PACKAGE) -> list[str]:
    """Files of the package that were written after a time [s]: what ran of them is told by lines that have moved."""
    return [path.relative_to(ROOT).as_posix() for path in sorted(package.rglob("*.py")) if path.stat().st_mtime > since]


def python_units(left_out: Collection[str] = ()) -> list[Unit]:
    """Every package of the off-chain part but some files, from the data that processes left."""
    if not list(settings.PYTHON.glob("data*")):
        return []
    measured = coverage.Coverage(**settings.python_options())
    measured.combine([str(settings.PYTHON)], keep=True)
    package = PACKAGE
    units: dict[str, Unit] = {}
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(ROOT).as_posix() in left_out:
            continue
        folder = path.relative_to(package).parts[0] if path.parent != package else "."
        unit = units.setdefault(folder, Unit(f"plimsoll.{folder}" if folder != "." else "plimsoll"))
        found = measured._analyze(str(path))  # its public `analysis2` leaves branches out
        numbers, source = found.numbers, path.read_text(encoding="utf-8").splitlines()
        unit.lines += numbers.n_statements
        unit.covered += numbers.n_executed
        unit.branches += numbers.n_branches
        unit.taken += numbers.n_executed_branches
        file = path.relative_to(ROOT).as_posix()
        unit.missed += [
            {"file": file, "line": line, "function": "", "what": "never run", "source": source[line - 1].strip()}
            for line in sorted(found.missing)
        ]
        unit.missed += [
            {
                "file": file,
                "line": line,
                "function": "",
                "what": "never " + ", ".join(f"to line {to}" if to > 0 else "left" for to in sorted(to_lines)),
                "source": source[line - 1].strip(),
            }
            for line, to_lines in sorted(found.missing_branch_arcs().items())
        ]
    return list(units.values())


def tested(units: Sequence[Unit], tests: Sequence[str]) -> list[Unit]:
    """Of the packages those whose own unit tests were run: of the others what is reached by the way says little."""
    return [unit for unit in units if {"tests/unit", f"tests/unit/{unit.name.removeprefix('plimsoll.')}"} & set(tests)]


def ranges(lines: Iterable[int]) -> str:
    """Lines as a reader takes them in: `3-5, 9`."""
    found: list[list[int]] = []
    for line in sorted(set(lines)):
        if found and line == found[-1][-1] + 1:
            found[-1][1:] = [line]
        else:
            found.append([line])
    return ", ".join("-".join(map(str, pair)) for pair in found)


def by_file(units: Sequence[Unit]) -> dict[str, dict[str, str]]:
    """What packages lack, by file: lines never run, and lines of which a way was never taken."""
    found: dict[str, dict[str, list[int]]] = {}
    for unit in units:
        for item in unit.missed:
            kind = "lines" if item["what"] == "never run" else "branches"
            found.setdefault(item["file"], {}).setdefault(kind, []).append(item["line"])
    return {file: {kind: ranges(lines) for kind, lines in kinds.items()} for file, kinds in sorted(found.items())}


# -------------------------------------------------------------------------------------------------------------- reasons


def reasons_of(path: Path = settings.REASONS) -> list[dict[str, str]]:
    """What is known not to be reached: file, source, what, why."""
    return list(yaml.safe_load(path.read_text(encoding="utf-8")) or []) if path.exists() else []


def judged(units: Sequence[Unit], reasons: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """What has no reason, and reasons that have nothing: findings."""
    return judged_items([item for unit in units for item in unit.missed], reasons)


def judged_items(missed: Iterable[Mapping[str, Any]], reasons: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """As `judged`, of what was missed in whatever unit."""
    used = set()
    findings: list[dict[str, Any]] = []
    for item in missed:
        fitting = [
            k
            for k, reason in enumerate(reasons)
            if all(reason[key] == item[key] for key in ("file", "function", "source", "what"))
        ]
        used.update(fitting)
        if not fitting:
            findings.append({**item, "kind": "uncovered"})
    findings += [{"kind": "stale reason", **reason} for k, reason in enumerate(reasons) if k not in used]
    findings += [
        {"kind": "reason without a why", **reason} for reason in reasons if len(reason.get("why", "").split()) < 4
    ]
    return findings


# ---------------------------------------------------------------------------------------------------------------- texts


def _share(part: int, of: int) -> str:
    return f"{100 * part / of:6.1f}" if of else "     -"


def table(units: Sequence[Unit], title: str) -> str:
    """Lines and branches of each, and of all."""
    lines = [f"{title:<28}{'lines':>7}{'covered':>9}{'%':>7}{'branches':>10}{'taken':>7}{'%':>7}"]
    lines += [
        f"{unit.name:<28}{unit.lines:>7}{unit.covered:>9}{_share(unit.covered, unit.lines):>7}"
        f"{unit.branches:>10}{unit.taken:>7}{_share(unit.taken, unit.branches):>7}"
        for unit in [*units, total("all", units)]
    ]
    return "\n".join(lines)


def listing(units: Sequence[Unit]) -> str:
    """What was not reached: file, line, what, and the line itself."""
    return "\n".join(
        f"{item['file']}:{item['line']}: {item['what']}\n    {item['source']}" for unit in units for item in unit.missed
    )
