"""`plimsoll doctor`: what would keep a keeper from its work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from plimsoll.cli.base import EPILOG, FAILED, FILE, OK, cli, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from plimsoll.keeper.doctor import Finding

STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@cli.command(epilog=EPILOG)
@click.option("--settings", type=FILE, required=True, help="The keeper's settings file.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def doctor(settings: Path, *, as_json: bool) -> int:
    """Check everything that a keeper needs, and say what to do where it is not well. Sends nothing to the chain.

    Settings, keys, endpoints, clock, contracts, signers, balances, feeds, files, journal: ok, warn or fail. It fails
    where any of them does.

    \b
      plimsoll doctor --settings keeper.yaml
      plimsoll doctor --settings keeper.yaml --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.keeper.doctor import Patient, examine, failed  # noqa: PLC0415 - web3 is slow to import
    from plimsoll.keeper.settings import load_settings  # noqa: PLC0415

    found = examine(Patient(load_settings(settings)))
    show([item.to_plain() for item in found], lambda: findings_table(found), 120, as_json=as_json)
    return FAILED if failed(found) else OK


def findings_table(found: Sequence[Finding]) -> Table:
    """The findings, a line each, and below what is not well what to do."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=32)
    table.add_column(overflow="fold")
    for item in found:
        said = Text(item.said)
        if item.todo:
            said.append(f"\n-> {item.todo}", style="bright_black")
        table.add_row(Text(item.verdict, style=STYLES[item.verdict]), item.name, said)
    return table
