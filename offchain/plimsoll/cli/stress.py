"""`plimsoll stress`: named scenarios over the accounts of a book."""

from __future__ import annotations

from pathlib import Path

import click

from plimsoll.cli.base import EPILOG, FAILED, FILE, OK, LateBar, cli, show


@cli.command(epilog=EPILOG)
@click.argument("book", type=FILE)
@click.option("--scenario", "scenarios", multiple=True, metavar="NAME", help="Only this one; may be repeated. [all]")
@click.option("--cost", type=float, default=0.01, show_default=True, help="Of a liquidation, share of gross notional.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: every account in every scenario.")
def stress(book: Path, scenarios: tuple[str, ...], cost: float, *, as_json: bool) -> int:
    """Show what named scenarios would cost each account of a BOOK, who pays, and what the fund has left.

    BOOK is a JSON file of a time, underlyings (as for `plimsoll compare`), accounts and a fund;
    docs/stress.example.json is one. An account has cash, positions and collateral: tokens of an underlying, which may
    be staked. Scenarios are 2008-10 (a day, a week, a month), 2020-03-12, down-50, up-50, depeg (quote, staked),
    correlation-1, correlation-0 and feed-dead. It fails where the fund runs out.

    \b
      plimsoll stress docs/stress.example.json
      plimsoll stress book.json --scenario 2020-03-12 --scenario depeg --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.report.stress import stress as stressed  # noqa: PLC0415 - scipy is slow to import
    from plimsoll.report.stress import stress_tables  # noqa: PLC0415
    from plimsoll.risk.stress import StressBook  # noqa: PLC0415

    with LateBar() as bar:
        found = stressed(StressBook.load(book), scenarios, cost, bar.progress)
    show(found, lambda: stress_tables(found), 120, as_json=as_json)
    return FAILED if found["failures"] else OK
