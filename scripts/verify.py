"""`ape run verify --network ...`: read a deployment back and compare it with what was compiled and configured.

Code against the compiled artifacts, immutables, wiring, owners, signers, numbers, feeds. Exit code 0 where all is as it
should be, 4 with everything that is not.
"""

from __future__ import annotations

from pathlib import Path

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from scripts._config import CHAIN, NETWORKS, VERIFICATION, load, refuse
from scripts._deployment import book_of, is_development, resolve_signers, verify


@click.command(cls=ConnectedProviderCommand)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), default=NETWORKS, help="What was put up.")
@click.option("--profile", help="Its entry; the network's name where none is given.")
@click.option("--book", type=click.Path(path_type=Path, dir_okay=False), help="Address book; under build/ by default.")
def cli(provider: ProviderAPI, config: Path, profile: str | None, book: Path | None) -> None:
    """Read a deployment back and compare it."""
    told = load(profile or provider.network.name, config)
    recorded = book_of(provider, book)
    if not recorded.path.exists():
        refuse(f"verify: no address book {recorded.path}", CHAIN)
    found = verify(told, resolve_signers(told, development=is_development(provider)), provider, recorded)
    for line in found:
        click.echo(line)
    if found:
        refuse(f"verify: {len(found)} findings", VERIFICATION)
    for name, address in recorded.contracts.items():
        click.echo(f"{name:<14} {address}")
    click.echo("all as compiled and configured")
