"""`plimsoll node`: run a risk node."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from plimsoll.cli.base import EPILOG, FILE, OK, InputError, cli, moment

if TYPE_CHECKING:
    from plimsoll.keeper.cosigner import ListenSettings
    from plimsoll.nodes.cosigner import CoSigner

PATIENCE: Final = 30.0  # [s] for venues to be asked once


@cli.command(epilog=EPILOG)
@click.option("--settings", type=FILE, required=True, help="Settings file; see plimsoll/keeper/cosigner.py.")
@click.option("--once", is_flag=True, help="Look once and say what this node would sign; listen to nobody.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def node(settings: Path, *, once: bool, as_json: bool) -> int:
    """Run a risk node: recompute what a proposer asks it to sign, and sign only what it finds itself.

    \b
      plimsoll node --settings node.yaml --once
      plimsoll node --settings node.yaml
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.keeper.cosigner import build_node, live_of, load_node_settings  # noqa: PLC0415

    found = load_node_settings(settings)
    signer = build_node(found)
    live = live_of(signer)
    if live is not None:
        live.start()
        live.wait(PATIENCE)
    try:
        return _look_once(signer, as_json=as_json) if once else _serve(signer, found.listen, as_json=as_json)
    finally:
        if live is not None:
            live.close()


def _look_once(signer: CoSigner, *, as_json: bool) -> int:
    """Say what this node would sign now."""
    sight = signer.observer.look()
    built = signer.engine.report(sight.snapshot(sight.now), sight.previous, sight.sequence + 1, rails=sight.rails)
    said = {
        "signer": signer.address,
        "oracle": signer.oracle,
        "sequence": built.report.sequence,
        "market_time": built.report.market_time,
        "margin": {str(u): {"mm": r.mm, "im": r.im, "psr": r.psr} for u, r in built.summary.items()},
    }
    if as_json:
        click.echo(json.dumps(said))
        return OK
    click.echo(f"{signer.address} would sign report {said['sequence']}, {moment(built.report.market_time)} UTC")
    for underlying, rate in built.summary.items():
        click.echo(f"{underlying:<12} MM {rate.mm:.2%}  IM {rate.im:.2%}  scan range {rate.psr:.2%}")
    return OK


def _serve(signer: CoSigner, listen: ListenSettings, *, as_json: bool) -> int:
    """Answer until told to end."""
    from plimsoll.nodes.service import Service  # noqa: PLC0415

    try:
        service = Service(signer, listen.host, listen.port, listen.timeout)
    except OSError as error:
        raise InputError(f"listen {listen.host}:{listen.port}: {error.strerror or error}") from error
    what = {"listening": service.url, "signer": signer.address, "oracle": signer.oracle, "chain_id": signer.chain_id}
    click.echo(json.dumps(what) if as_json else f"{signer.address} listens on {service.url}")
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    try:
        service.serve_forever()
    except KeyboardInterrupt:
        return OK
    finally:
        service.server_close()
    return OK


def _interrupt() -> None:
    """Stop as by hand: every promise is on disk."""
    raise KeyboardInterrupt
