"""`plimsoll journal`: look into a keeper's journal, copy it while it runs, put a copy where it should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plimsoll.cli.base import EPILOG, FILE, OK, InputError, cli, moment, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from plimsoll.keeper.journal import Entry


@cli.group(epilog=EPILOG)
def journal() -> None:
    """Look into a keeper's journal, back it up, restore it.

    \b
      plimsoll journal show build/keeper.db
      plimsoll journal lines build/keeper.db --kind post-failed
      plimsoll journal backup build/keeper.db keeper-2026-11-21.db
      plimsoll journal restore keeper-2026-11-21.db build/keeper.db
    """  # noqa: D301 - \b is what click wants: keep these lines


@journal.command("show", epilog=EPILOG)
@click.argument("path", type=FILE)
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="So many.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show_transactions(path: Path, last: int, *, as_json: bool) -> int:
    """Transactions: what for, in which state, what came of them."""
    found = _open(path).transactions(last=last)
    show([_plain(entry) for entry in found], lambda: _table(found), 140, as_json=as_json)
    return OK


@journal.command(epilog=EPILOG)
@click.argument("path", type=FILE)
@click.option("--kind", help="Lines of this kind only.")
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="So many.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON each.")
def lines(path: Path, kind: str | None, last: int, *, as_json: bool) -> int:
    """What was decided and met, line by line."""
    for line in _open(path).lines(kind, last=last):
        if as_json:
            click.echo(json.dumps(line))
            continue
        time, what = line.pop("time"), line.pop("kind")
        said = "  ".join(f"{name} {value}" for name, value in line.items())
        click.echo(f"{moment(time)}  {what:<20} {said}")
    return OK


@journal.command(epilog=EPILOG)
@click.argument("path", type=FILE)
@click.argument("target", type=FILE)
def backup(path: Path, target: Path) -> int:
    """Copy a journal, as of now, while its keeper runs."""
    if target.exists():
        raise InputError(f"{target} is there already: nothing is overwritten")
    _open(path).backup(target)
    click.echo(f"{path} is copied to {target}")
    return OK


@journal.command(epilog=EPILOG)
@click.argument("source", type=FILE)
@click.argument("path", type=FILE)
def restore(source: Path, path: Path) -> int:
    """Put a copy where a journal should be; stop the keeper first."""
    from plimsoll.keeper.journal import restore as put_back  # noqa: PLC0415

    put_back(source, path)
    click.echo(f"{path} is as {source} was")
    return OK


def _open(path: Path) -> Any:
    from plimsoll.keeper.journal import Journal  # noqa: PLC0415

    if not path.is_file():
        raise InputError(f"{path}: no such file; the settings name the journal")
    return Journal(path)


def _plain(entry: Entry) -> dict[str, Any]:
    names = ("id", "created", "purpose", "ref", "sender", "nonce", "state", "block", "hash", "gas_used", "error")
    return {name: getattr(entry, name) for name in names} | {"price": entry.price and str(entry.price)}


def _table(entries: list[Entry]) -> RenderableType:
    from rich.table import Table  # noqa: PLC0415

    found = Table(box=None, pad_edge=False)
    for name in ("id", "when, UTC", "what", "about", "nonce", "state", "block", "gas"):
        found.add_column(name, justify="right" if name in {"id", "nonce", "block", "gas"} else "left")
    found.add_column("error", overflow="fold")
    for entry in entries:
        ref = entry.ref if len(entry.ref) <= 18 else f"{entry.ref[:10]}..{entry.ref[-6:]}"
        block = "" if entry.block is None else str(entry.block)
        gas = "" if entry.gas_used is None else f"{entry.gas_used:,}"
        cells = [str(entry.id), moment(entry.created), entry.purpose, ref, str(entry.nonce), entry.state, block, gas]
        found.add_row(*cells, entry.error or "")
    return found
