"""`ape run deploy --network ...`: put Plimsoll up, or finish what was begun.

    ape run deploy                                                 the embedded chain, for a look
    ape run deploy --network ethereum:local:foundry                an anvil of ape's own
    ape run deploy --network ethereum:sepolia:node --account NAME  Sepolia, through the node that PLIMSOLL_RPC names
    ape run deploy --network ethereum:sepolia:http://127.0.0.1:8545
                                                                   a rehearsal, on `anvil --chain-id 11155111`

What is there already is kept, so that a second run does nothing. `--dry-run` says what would be done. NAME is a
keystore account of ape's; with PLIMSOLL_PASSPHRASE in the environment it signs without asking.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from ape import accounts
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand

from scripts._config import NETWORKS, TEST_ACCOUNT, load, refuse
from scripts._deployment import Deployment, book_of, is_development, test_account


def account_of(alias: str | None, provider: ProviderAPI) -> AccountAPI:
    """Who deploys: a keystore account, or on a development node a test account.

    Raises
    ------
    DeployError
        Where there is no such account, or none is named on a live network.
    """
    if alias is None:
        if not is_development(provider):
            refuse("deploy: a live network needs --account, a keystore account of ape's")
        alias = f"{TEST_ACCOUNT}0"
    if alias.startswith(TEST_ACCOUNT):
        if not is_development(provider):
            refuse(f"deploy: {alias} is a test account, this is a live network")
        return test_account(alias)
    if alias not in set(accounts.aliases):
        refuse(f"deploy: no account {alias}; `ape accounts list` names those there are")
    account = accounts.load(alias)
    passphrase = os.environ.get("PLIMSOLL_PASSPHRASE")
    if passphrase is not None:
        account.set_autosign(True, passphrase=passphrase)
    return account


@click.command(cls=ConnectedProviderCommand)
@click.option("--account", "alias", help="Keystore account, or TEST::n on a development node (default TEST::0).")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), default=NETWORKS, help="What to put up.")
@click.option("--profile", help="Its entry; the network's name where none is given.")
@click.option("--book", type=click.Path(path_type=Path, dir_okay=False), help="Address book; under build/ by default.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--replace", is_flag=True, help="Deploy the protocol anew.")
@click.option("--confirmations", type=click.IntRange(0), help="Blocks to wait for in the end.")
def cli(
    provider: ProviderAPI,
    alias: str | None,
    config: Path,
    profile: str | None,
    book: Path | None,
    *,
    dry_run: bool,
    replace: bool,
    confirmations: int | None,
) -> None:
    """Put Plimsoll up, or finish what was begun."""
    told = load(profile or provider.network.name, config)
    run = Deployment(
        told,
        account_of(alias, provider),
        provider,
        book_of(provider, book),
        dry_run=dry_run,
        replace=replace,
        confirmations=confirmations,
        echo=click.echo,
    )
    run.run()
    if dry_run:
        click.echo(f"dry run: at most {run.planned} transactions would be sent")
    else:
        click.echo(f"done: {run.sent} transactions, address book {run.book.path}")
