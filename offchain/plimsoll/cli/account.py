"""`plimsoll account`: explain an account."""

from __future__ import annotations

from pathlib import Path

import click

from plimsoll.cli.base import EPILOG, FILE, OK, cli, deployed, show


@cli.command(epilog=EPILOG)
@click.argument("account")
@click.option("--node", required=True, metavar="URL", help="The node's HTTP endpoint.")
@click.option("--book", type=FILE, required=True, help="Address book, as `ape run deploy` writes it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: amounts are decimal text with all their digits.")
def account(account: str, node: str, book: Path, *, as_json: bool) -> int:
    """Show an ACCOUNT: its state, equities and margins, positions, what each underlying adds, Greeks.

    ACCOUNT is a number (decimal or 0x), an owner's address, or address:number.

    \b
      plimsoll account 0xf39F...2266 --node http://127.0.0.1:8545 --book build/deployments/ethereum-local-1337.json
      plimsoll account 0xf39F...2266:7 --node http://127.0.0.1:8545 --book build/deployments/book.json --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.report.account import account_tables, parse_account, read_account  # noqa: PLC0415

    number = parse_account(account)
    found = read_account(deployed(node, book)[1], number)
    show(found, lambda: account_tables(found), 100, as_json=as_json)
    return OK
