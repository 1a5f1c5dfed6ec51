"""Measure rows, print them, keep them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from plimsoll.chain.artifacts import ROOT
from plimsoll.figures.commands import FigureError, run
from plimsoll.figures.row import Row
from plimsoll.figures.rows import ROWS
from plimsoll.figures.sources import Sources

BUILD: Final = ROOT / "build"
KEPT: Final = ROOT / "docs" / "figures-long.json"


def kept() -> list[dict[str, Any]]:
    """The long rows as last measured."""
    found: list[dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else []
    return found


def measure(rows: Sequence[Row], console: Console) -> list[dict[str, Any]]:
    """Measure rows one by one, with a line that says which is under way.

    The audit comes first where it is asked for: what its parts found is not measured a second time. A row that cannot
    be measured is said, has no value, and is short; the others go on.
    """
    sources = Sources()
    commit = run(["git", "rev-parse", "--short", "HEAD"]).strip()  # of what is measured, though it take hours
    found: list[dict[str, Any]] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        for row in sorted(rows, key=lambda row: not row.name.startswith("audit.")):
            progress.update(task, description=row.name)
            entry: dict[str, Any] = {"name": row.name, "value": None, "unit": row.unit, "bar": row.limit}
            try:
                value = round(float(row.measure(sources)), 3)
            except FigureError as error:
                console.print(f"figures: {row.name}: {error}", markup=False, soft_wrap=True)
                found.append(entry | {"verdict": "short"})
                continue
            entry |= {"value": int(value) if value == int(value) else value, "verdict": row.verdict(value)}
            if row.long:
                entry |= {"date": datetime.now(UTC).date().isoformat(), "commit": commit}
            found.append(entry)
    order = [row.name for row in rows]
    return sorted(found, key=lambda entry: order.index(entry["name"]))


def show(entries: Sequence[dict[str, Any]], console: Console) -> None:
    """The table."""
    table = Table("figure", "value", "unit", "bar", "verdict", "long: run on", title="Figures")
    for entry in entries:
        style = "green" if entry["verdict"] == "ok" else "red"
        ran = f"{entry['date']} {entry['commit']}" if "date" in entry else ""
        value = "none" if entry["value"] is None else f"{entry['value']:,}"
        table.add_row(entry["name"], value, entry["unit"], entry["bar"], f"[{style}]{entry['verdict']}[/]", ran)
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; exit code 1 where a figure falls short, 2 where a row is unknown."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    long = "--long" in words
    names = [word for word in words if not word.startswith("-")]
    unknown = sorted(set(names) - {row.name for row in ROWS})
    console = Console(stderr=True)
    if unknown:
        known = ", ".join(row.name for row in ROWS)
        console.print(f"figures: no row {', '.join(unknown)}; rows are {known}", soft_wrap=True)
        return 2
    rows = [row for row in ROWS if (row.name in names if names else row.long == long)]
    left_out = [] if os.environ.get("PLIMSOLL_DATA") else [row.name for row in rows if row.data]
    if left_out:
        console.print(f"figures: left out, as PLIMSOLL_DATA is unset: {', '.join(left_out)}", soft_wrap=True)
        rows = [row for row in rows if row.name not in left_out]
    entries = measure(rows, console)
    fresh = {entry["name"] for entry in entries if entry["value"] is not None}
    if any(row.long for row in rows):
        remembered = [entry for entry in kept() if entry["name"] not in fresh]
        KEPT.write_text(json.dumps(remembered + [e for e in entries if "date" in e], indent=2) + "\n", encoding="utf-8")
    if not names:
        asked = {entry["name"] for entry in entries}
        entries += [entry for entry in kept() if entry["name"] not in asked]
    BUILD.mkdir(exist_ok=True)
    (BUILD / "figures.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    show(entries, Console(width=shutil.get_terminal_size((120, 40)).columns))
    return 1 if any(entry["verdict"] != "ok" for entry in entries) else 0
