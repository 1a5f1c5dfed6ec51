"""`plimsoll report`: show what a report of a snapshot says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from plimsoll.cli.base import EPILOG, FILE, OK, InputError, cli, moment


@cli.command(epilog=EPILOG)
@click.argument("snapshot", type=FILE)
@click.option("--sequence", type=click.IntRange(1, 2**64 - 1), default=1, show_default=True, help="Of the report.")
@click.option(
    "--chain-id", type=click.IntRange(1, 2**256 - 1), help="With --oracle: show the digest that signers sign."
)
@click.option("--oracle", help="Address of the RiskOracle.")
@click.option("--model", "chosen", default="har-fhs", show_default=True, help="Model, an entry point or module:Class.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def report(
    snapshot: Path, sequence: int, chain_id: int | None, oracle: str | None, chosen: str, *, as_json: bool
) -> int:
    """Show what a first report of a SNAPSHOT says; `plimsoll replay` recomputes one that was posted.

    \b
      plimsoll report snapshot.json.gz
      plimsoll report snapshot.json.gz --sequence 12 --chain-id 1 --oracle 0x...
    """  # noqa: D301 - \b is what click wants: keep these lines
    from eth_utils.address import is_address  # noqa: PLC0415

    from plimsoll.market.snapshot import Snapshot  # noqa: PLC0415
    from plimsoll.risk.engine import Engine  # noqa: PLC0415
    from plimsoll.risk.named import made  # noqa: PLC0415
    from plimsoll.spec.report import digest  # noqa: PLC0415

    if (chain_id is None) != (oracle is None):
        raise InputError("--chain-id and --oracle go together")
    if oracle is not None and not is_address(oracle):
        raise InputError(f"--oracle {oracle} is no address")
    loaded = Snapshot.load(snapshot)
    built = Engine(made(chosen)).report(loaded, sequence=sequence)
    said: dict[str, Any] = {
        "sequence": built.report.sequence,
        "market_time": built.report.market_time,
        "model": "0x" + built.report.model.hex(),
        "config": "0x" + built.report.config.hex(),
        "snapshot": "0x" + built.report.snapshot.hex(),
        "surfaces": ["0x" + code_hash.hex() for code_hash in built.report.surfaces],
        "rows": sum(len(surface.rows) for surface in built.surfaces),
        "margin": {
            loaded.market(u).name or str(u): {"mm": r.mm, "im": r.im, "psr": r.psr, "volatility": r.volatility}
            for u, r in built.summary.items()
        },
    }
    if chain_id is not None and oracle is not None:
        said["digest"] = "0x" + digest(built.report, chain_id, oracle).hex()
    if as_json:
        click.echo(json.dumps(said, indent=2))
        return OK
    for name in ("sequence", "model", "config", "snapshot", "digest"):
        if name in said:
            click.echo(f"{name:<12} {said[name]}")
    click.echo(f"{'time':<12} {moment(built.report.market_time)} UTC")
    click.echo(f"{'surfaces':<12} {len(built.surfaces)}, rows {said['rows']}")
    for name, rate in said["margin"].items():
        click.echo(
            f"{name:<12} MM {rate['mm']:.2%}  IM {rate['im']:.2%}  scan range {rate['psr']:.2%}  "
            f"volatility {rate['volatility']:.1%} a year"
        )
    return OK
