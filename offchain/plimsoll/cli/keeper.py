"""`plimsoll keeper`: run the keeper."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plimsoll.cli.base import EPILOG, FAILED, FILE, OK, InputError, cli, moment

if TYPE_CHECKING:
    from plimsoll.keeper.loop import Round


@cli.command(epilog=EPILOG)
@click.option("--settings", type=FILE, required=True, help="Settings file; see plimsoll/keeper/settings.py.")
@click.option("--once", is_flag=True, help="One round.")
@click.option("--dry-run", is_flag=True, help="Decide and record, send nothing.")
@click.option("--urgent", is_flag=True, help="With --once: ask for an urgent report, which more nodes sign.")
@click.option("--json", "as_json", is_flag=True, help="Each round as one line of JSON.")
def keeper(settings: Path, *, once: bool, dry_run: bool, urgent: bool, as_json: bool) -> int:
    """Run the loop: ingest, assess, report, post, enforce, observe.

    \b
      plimsoll keeper --settings keeper.yaml --once --dry-run
      plimsoll keeper --settings keeper.yaml
      plimsoll keeper --settings keeper.yaml --once --urgent
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.keeper.build import build_service  # noqa: PLC0415
    from plimsoll.keeper.logs import set_up  # noqa: PLC0415
    from plimsoll.keeper.settings import load_settings  # noqa: PLC0415

    if urgent and not once:
        raise click.UsageError("--urgent goes with --once: somebody decides each time")
    found = load_settings(settings)
    set_up("warning" if once else "info")
    try:
        service = build_service(
            found,
            dry_run=dry_run,
            urgent=urgent,
            serves=not once,
            on_round=lambda done: None if once else _tell(done, as_json=as_json),
        )
    except OSError as error:
        raise InputError(f"metrics_port {found.metrics_port}: {error.strerror or error}") from error
    if once:
        done = service.once()
        click.echo(_round_text(done, as_json=as_json))
        return OK if done.ok else FAILED
    if service.server is not None:
        click.echo(f"metrics, healthz and status on {service.server.url}", err=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service.run(stop)
    return OK


def _tell(done: Round, *, as_json: bool) -> None:
    """A line for a round in which something happened."""
    news = done.posted is not None and (bool(done.reasons) or not done.posted.under_way)
    if news or done.steps or done.fills or done.planned or done.chores or done.error:
        click.echo(_round_text(done, as_json=as_json))


def _round_text(done: Round, *, as_json: bool) -> str:
    steps = [
        {"account": hex(step.account), "step": step.step.value, "error": step.error, "under_way": step.under_way}
        for step in done.steps
    ] + [{"account": hex(account), "step": step, "planned": True} for account, step in done.planned]
    if as_json:
        return json.dumps(
            {
                "time": done.time,
                "sequence": done.held.sequence if done.held else None,
                "reasons": [str(reason) for reason in done.reasons],
                "posted": done.posted.sequence if done.posted and done.posted.ok else None,
                "gas": done.posted.gas if done.posted else 0,
                "steps": steps,
                "fills": [
                    {"order": fill.ref, "account": hex(fill.account), "error": fill.error} for fill in done.fills
                ],
                "chores": [{"name": chore.name, "error": chore.error} for chore in done.chores],
                "error": done.error,
            }
        )
    posted = "nothing posted"
    if done.posted is not None and done.posted.error is None:
        posted = f"{'sent' if done.posted.under_way else 'posted'} report {done.posted.sequence}"
    why = f" ({'; '.join(map(str, done.reasons))})" if done.reasons else ""
    acted = f", {len(steps)} liquidation steps" if steps else ""
    acted += f", {len(done.fills)} standing orders" if done.fills else ""
    acted += f", {len(done.chores)} chores" if done.chores else ""
    return f"{moment(done.time)}  {posted}{why}{acted}" + (f"  FAILED: {done.error}" if done.error else "")
