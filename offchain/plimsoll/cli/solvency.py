"""`plimsoll solvency`: show whether the system can pay."""

from __future__ import annotations

from pathlib import Path

import click

from plimsoll.cli.base import EPILOG, FAILED, FILE, OK, LateBar, cli, deployed, show


@cli.command(epilog=EPILOG)
@click.option("--node", required=True, metavar="URL", help="The node's HTTP endpoint.")
@click.option("--book", type=FILE, required=True, help="Address book, as `ape run deploy` writes it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: amounts are decimal text with all their digits.")
def solvency(node: str, book: Path, *, as_json: bool) -> int:
    """Show whether the system can pay: tokens held against owed, and what accounts would lack in every lane.

    All accounts that events named are read. It fails where a token is short, bad debt is not on record, an account
    cannot be assessed, or the fund does not cover what accounts lack together in a lane.

    \b
      plimsoll solvency --node http://127.0.0.1:8545 --book build/deployments/ethereum-local-1337.json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.chain.deployment import book_block  # noqa: PLC0415 - web3 is slow to import
    from plimsoll.keeper.accounts import AccountWatcher  # noqa: PLC0415
    from plimsoll.report.solvency import read_solvency, solvency_tables  # noqa: PLC0415

    _, system = deployed(node, book)
    with LateBar("accounts") as bar:
        found = read_solvency(system, AccountWatcher(system, book_block(book)).update(), bar.progress)
    show(found, lambda: solvency_tables(found), 120, as_json=as_json)
    return FAILED if found["failures"] else OK
