"""`plimsoll audit`: every check run afresh, and a dated report of what it came to."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from plimsoll.cli.base import EPILOG, FAILED, OK, InputError, cli

if TYPE_CHECKING:
    from plimsoll.audit.run import Audit

OUT: Final = Path("build/audit")


def names(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(word.strip() for word in value.split(",") if word.strip())


@cli.command(epilog=EPILOG)
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True, help="Folder of the report.")
@click.option("--only", default="", callback=names, help="Parts to run, between commas.")
@click.option("--without", default="", callback=names, help="Parts to leave out; the report says so.")
@click.option("--cases", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Of agreement.")
@click.option("--sample", type=click.IntRange(min=1), default=40, show_default=True, help="Mutants run again.")
@click.option("--seed", type=click.IntRange(min=0), help="Of cases, books and mutants; the day's date by default.")
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="The report's data instead of its summary.")
def audit(
    out: Path,
    only: tuple[str, ...],
    without: tuple[str, ...],
    cases: int,
    sample: int,
    seed: int | None,
    jobs: int,
    *,
    as_json: bool,
) -> int:
    """Run every check of this checkout afresh, and write what each came to: audit.html, audit.txt, audit.json.

    The parts: build, snapshots, tests, properties, agreement, proofs, symbolic, searches, mutation, sample, coverage.
    All of them take most of an hour on two cores. A part that was left out, or did not end, is in the report as such.
    `make audit` sets up what the parts need first.

    \b
      plimsoll audit
      plimsoll audit --only proofs,searches
      plimsoll audit --without tests,properties --cases 100000 --out /tmp/audit
    """  # noqa: D301 - \b is what click wants: keep these lines
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from plimsoll.audit.parts import Task, chosen  # noqa: PLC0415
    from plimsoll.audit.provenance import gather  # noqa: PLC0415
    from plimsoll.audit.run import audit as audited  # noqa: PLC0415
    from plimsoll.chain.artifacts import ROOT  # noqa: PLC0415

    if not (ROOT / "tests").is_dir():
        raise InputError("an audit runs in a checkout: clone the repository, `make setup`, and run it there")
    now = int(time.time())
    parts = chosen(only, without)
    task = Task(out.resolve(), jobs, cases, sample, seed if seed is not None else int(time.strftime("%Y%m%d")))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) if not as_json else nullcontext() as progress:
        line = progress.add_task("sources and code", total=None) if progress else None
        found = audited(
            parts,
            task,
            gather(now),
            lambda part: (
                progress.update(line, description=f"{part.title} (about {part.minutes:g} min)")
                if progress and line is not None
                else None
            ),
        )
    write(found, out)
    if as_json:
        click.echo(json.dumps(found.plain(), indent=2))
    else:
        from plimsoll.report.audit import summary, verdict  # noqa: PLC0415

        for row in summary(found).lines:
            console.print(f"{row[1]:<8} {row[2]:>6} s  {row[0]}", highlight=False, soft_wrap=True)
        console.print(verdict(found), highlight=False, soft_wrap=True)
        click.echo(out / "audit.html")
    return OK if found.ok else FAILED


def write(found: Audit, out: Path) -> None:
    """The three files."""
    from plimsoll.report.audit import page, text  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    (out / "audit.html").write_text(page(found), encoding="utf-8")
    (out / "audit.txt").write_text(text(found), encoding="utf-8")
    (out / "audit.json").write_text(json.dumps(found.plain(), indent=2) + "\n", encoding="utf-8")
