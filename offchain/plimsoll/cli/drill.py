"""`plimsoll drill`: the whole path of a liquidation on a fork, with the keeper's own settings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plimsoll.cli.base import EPILOG, FAILED, FILE, OK, InputError, LateBar, cli, show
from plimsoll.spec.wad import WAD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from plimsoll.keeper.drill import Drill, Row

WIDTH = 140  # of what is written to no terminal


@cli.command(epilog=EPILOG)
@click.option("--settings", type=FILE, required=True, help="The keeper's settings file.")
@click.option("--accounts", "most", type=click.IntRange(1, 100), default=3, show_default=True, help="How many.")
@click.option("--account", "named", multiple=True, help="This account, 0x..., in place of the nearest.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def drill(settings: Path, most: int, named: tuple[str, ...], *, as_json: bool) -> int:
    """Liquidate accounts on a fork of the real chain, and say what would have stopped it.

    The fork is an anvil of this machine, which reads the first node of the settings and sends it nothing. Exit code 0:
    every account that was drilled was liquidated, and a report posted where its signers' keys are here.

    \b
      plimsoll drill --settings keeper.yaml
      plimsoll drill --settings keeper.yaml --accounts 10 --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.keeper.drill import drill as run  # noqa: PLC0415 - web3 is slow to import
    from plimsoll.keeper.settings import load_settings  # noqa: PLC0415

    accounts = [_account(text) for text in named]
    found_settings = load_settings(settings)
    with LateBar("drill") as bar:
        done = [0]

        def progress(what: str) -> None:
            done[0] += 1
            bar.progress(done[0], most + 2, what)

        found = run(found_settings, most=most, accounts=accounts, progress=progress)
    show(plain_of(found), lambda: page_of(found), WIDTH, as_json=as_json)
    return OK if found.ok else FAILED


def _account(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise InputError(f"--account {text} is no account; 0x and hexadecimal digits are right") from None


def plain_of(found: Drill) -> dict[str, Any]:
    """A drill as JSON has it: accounts as hexadecimal digits, money as text [wad]."""
    plain = asdict(found)
    for row, item in zip(plain["rows"], found.rows, strict=True):
        row |= {
            "account": hex(item.account),
            "equity": str(item.equity),
            "mm": str(item.mm),
            "profit": str(item.profit),
            "gas": item.gas,
        }
    return {"ok": found.ok, **plain}


def page_of(found: Drill) -> RenderableType:
    """A drill as a table: an account a row, then what else was found."""
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    for name in ("account", "state before", "index moved", "steps: gas, after", "outcome", "bidder's profit"):
        table.add_column(name, justify="right" if name == "bidder's profit" else "left")
    for row in found.rows:
        table.add_row(
            _short(row.account),
            f"{row.state}\nequity {row.equity / WAD:,.2f}\nMM {row.mm / WAD:,.2f}",
            row.move.replace(", ", "\n"),
            _steps(row),
            Text(row.outcome, style="green" if row.is_done else "bold red"),
            f"{row.profit / WAD:,.2f}",
        )
    rest = [Text(f"\nreport: {found.report}" + (f", gas {found.report_gas:,}" if found.report_gas else ""))]
    lines = [*found.stopped, *(f"{_short(row.account)}: {why}" for row in found.rows for why in row.stopped)]
    if lines:
        rest.append(Text("\nwhat would have stopped it", style="bold red"))
        rest += [Text(f"  {line}") for line in lines]
    reads = (
        f"\nforked at block {found.block:,}; the real node was asked {sum(found.reads.values()):,} times, only to read"
    )
    refused = f", and {sum(found.refused.values())} requests were held back" if found.refused else ""
    return Group(table, *rest, Text(reads + refused, style="bright_black"))


def _steps(row: Row) -> str:
    return "\n".join(
        f"{step.name}: {step.error}" if step.error else f"{step.name}: {step.gas:,}, {step.seconds:,} s"
        for step in row.steps
    )


def _short(account: int) -> str:
    owner, number = f"{account >> 96:040x}", account & 2**96 - 1
    return f"0x{owner[:6]}..{owner[-4:]}/{number}"
