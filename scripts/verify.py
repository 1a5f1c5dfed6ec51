"""`ape run verify --network ...`: audit a deployment against what was compiled and configured.

    ape run verify --network ethereum:local:http://127.0.0.1:8545
    ape run verify --network ethereum:sepolia:node --json

The code of every contract, immutables included; wiring; who owns what, every role and delay of the timelock; signers
and quorums; every number and limit; routes, aggregators and ages; stops in force. Reads alone, and needs no key. Exit
code 0 where all is as it should be, 4 with every difference named: what should be there, what is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts._checks import Check
from scripts._config import CHAIN, NETWORKS, VERIFICATION, load, refuse
from scripts._deployment import book_of, is_development, people_of, verify

WIDTH = 120  # of what is written to no terminal
LONGEST = 42  # of a value in the table: an address; differences are named in full


def table_of(checks: Sequence[Check]) -> Table:
    """A line for everything that was looked at."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    for name in ("", "where", "what", "expected"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    last = ""
    for check in checks:
        sign = Text("ok", style="green") if check.is_good else Text("DIFFERS", style="bold red")
        table.add_row(sign, check.where if check.where != last else "", check.what, _clipped(check.expected))
        last = check.where
    return table


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]}.."


@click.command(cls=ConnectedProviderCommand)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), default=NETWORKS, help="What was put up.")
@click.option("--profile", help="Its entry; the network's name where none is given.")
@click.option("--book", type=click.Path(path_type=Path, dir_okay=False), help="Address book; under build/ by default.")
@click.option("--json", "as_json", is_flag=True, help="Every check as JSON.")
def cli(provider: ProviderAPI, config: Path, profile: str | None, book: Path | None, *, as_json: bool) -> None:
    """Audit a deployment: what stands against what was compiled and configured."""
    told = load(profile or provider.network.name, config)
    recorded = book_of(provider, book)
    if not recorded.path.exists():
        refuse(f"verify: no address book {recorded.path}", CHAIN)
    checks = verify(told, people_of(told, development=is_development(provider)), provider, recorded)
    wrong = [check for check in checks if not check.is_good]
    if as_json:
        click.echo(json.dumps({"differences": len(wrong), "checks": [check._asdict() for check in checks]}, indent=2))
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH).print(table_of(checks))
    if wrong:
        refuse(f"verify: {len(wrong)} differences\n" + "\n".join(f"  {check}" for check in wrong), VERIFICATION)
    if not as_json:
        click.echo(f"\n{len(checks)} checks: all as compiled and configured")
