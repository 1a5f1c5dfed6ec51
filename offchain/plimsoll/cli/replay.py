"""`plimsoll replay`: recompute a report that was posted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plimsoll import __version__
from plimsoll.cli.base import EPILOG, FAILED, FILE, FOLDER, OK, InputError, cli, deployed, moment

if TYPE_CHECKING:
    from plimsoll.keeper.recompute import Said


@cli.command(epilog=EPILOG)
@click.argument("report", metavar="REPORT|TX")
@click.option(
    "--archive", type=FOLDER, default=Path("build/reports"), show_default=True, help="Where reports are kept."
)
@click.option("--node", metavar="URL", help="With a TX: the node's HTTP endpoint.")
@click.option("--book", type=FILE, help="With a TX: the address book, as `ape run deploy` writes it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def replay(report: str, archive: Path, node: str | None, book: Path | None, *, as_json: bool) -> int:
    """Recompute a report from its archived snapshot: equal to the byte, or every number that differs.

    REPORT is a sequence number, a digest, or the path of an archived report. With --node and --book, a TX is the hash
    of the transaction that posted one: what stands on chain is then compared, and the archive gives the snapshot.

    \b
      plimsoll replay 12
      plimsoll replay 0x5d2c... --archive build/reports
      plimsoll replay 0x91af... --node http://127.0.0.1:8545 --book build/deployments/book.json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.keeper.archive import Archive, open_report  # noqa: PLC0415
    from plimsoll.keeper.recompute import Said, differences  # noqa: PLC0415
    from plimsoll.risk.plain import to_plain  # noqa: PLC0415

    if (node is None) != (book is None):
        raise InputError("--node and --book go together")
    said: Said | None = None
    if node is not None and book is not None:
        said, signed = _posted(report, node, book)
        kept = Archive(archive)
        entry = kept.find(signed)
    elif report.endswith(".json"):
        kept, entry = open_report(Path(report))
    else:
        kept = Archive(archive)
        entry = kept.find(report)
    record = kept.load(entry)
    built = record.recompute(kept.snapshot(record.report.snapshot))
    wrong = differences(said or Said(record.report, record.codes), built)
    if as_json:
        found = {
            "equal": not wrong,
            "sequence": record.report.sequence,
            "digest": "0x" + record.digest.hex(),
            "chain_id": record.chain_id,
            "oracle": record.oracle,
            "transaction": report if said else entry.transaction,
            "model": f"{record.model.name}/{record.model.version}",
            "release": record.release,
            "differences": [to_plain(item) for item in wrong],
        }
        click.echo(json.dumps(found, indent=2))
        return FAILED if wrong else OK
    click.echo(
        f"report {record.report.sequence}, {moment(record.report.market_time)} UTC, {len(record.codes)} surfaces"
    )
    for item in wrong:
        click.echo(str(item))
    if wrong and record.release != __version__:
        click.echo(f"it was made by release {record.release}; this is {__version__}")
    click.echo(f"{len(wrong)} numbers differ" if wrong else "equal")
    return FAILED if wrong else OK


def _posted(transaction: str, node: str, book: Path) -> tuple[Said, str]:
    """The report that a transaction posted, and its digest as text."""
    from plimsoll.keeper.recompute import posted  # noqa: PLC0415
    from plimsoll.spec.report import digest  # noqa: PLC0415

    if not (transaction.startswith("0x") and len(transaction) == 66):
        raise InputError(f"{transaction} is no transaction; with --node and --book, a hash of 32 bytes, 0x.., is right")
    chain, system = deployed(node, book)
    said = posted(system, chain.receipt(transaction))
    return said, "0x" + digest(said.report, chain.chain_id, system.oracle.address).hex()
