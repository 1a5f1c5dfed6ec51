"""`plimsoll automate`: a second trigger beside the keeper, which needs a node, an address book and a key."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plimsoll.cli.base import EPILOG, FAILED, FILE, OK, InputError, cli, moment

if TYPE_CHECKING:
    from plimsoll.keeper.automation import Performed


@cli.command(epilog=EPILOG)
@click.option("--node", required=True, help="URL of a node.")
@click.option("--book", type=FILE, required=True, help="Address book of the deployment.")
@click.option("--key", required=True, help="Environment variable that holds the key of who pays.")
@click.option("--every", type=click.FloatRange(1), help="Look again each so many seconds; without it once.")
@click.option("--dry-run", is_flag=True, help="Say how many calls are due, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Each call as one line of JSON.")
def automate(node: str, book: Path, key: str, every: float | None, *, dry_run: bool, as_json: bool) -> int:
    """Have done what is due and anyone may do, by the Automation contract; without prices, engine or bids.

    For a clock on another machine than the keeper's, or somebody else's.

    \b
      plimsoll automate --node http://127.0.0.1:8545 --book build/deployment.json --key PAYER_KEY
      plimsoll automate --node ... --book ... --key PAYER_KEY --every 60
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.chain.deployment import book_block, load_book  # noqa: PLC0415 - web3 is slow to import
    from plimsoll.chain.errors import NodeError  # noqa: PLC0415
    from plimsoll.chain.node import NodeChain  # noqa: PLC0415
    from plimsoll.keeper.automation import SecondTrigger  # noqa: PLC0415
    from plimsoll.keeper.recorder import MemoryRecorder  # noqa: PLC0415
    from plimsoll.keeper.settings import key_at  # noqa: PLC0415
    from plimsoll.risk.signing import address_of  # noqa: PLC0415

    if not node.startswith(("http://", "https://")):
        raise InputError(f"--node {node} is no URL; http://127.0.0.1:8545 is right")
    secret = key_at(key)
    chain = NodeChain(node, [secret])
    trigger = SecondTrigger(load_book(book, chain), address_of(secret), MemoryRecorder(), book_block(book))
    while True:
        failed = False
        try:
            if dry_run:
                click.echo(f"{moment(chain.now)}  {len(trigger.plan())} calls due")
            else:
                done = trigger.round()
                failed = any(item.error is not None for item in done)
                for item in done:
                    click.echo(_line(item, chain.now, as_json=as_json))
        except NodeError as error:
            if every is None:
                raise
            click.echo(f"plimsoll: {error}", err=True)  # the next look may find it well again
        if every is None:
            return FAILED if failed else OK
        time.sleep(every)


def _line(done: Performed, now: int, *, as_json: bool) -> str:
    if as_json:
        steps = {
            name: [[action, hex(subject), detail] for action, subject, detail in found]
            for name, found in (("taken", done.taken), ("refused", done.refused))
        }
        return json.dumps({"time": now, **steps, "gas": done.gas, "error": done.error})
    if done.error is not None:
        return f"{moment(now)}  FAILED: {done.error}"
    taken = ", ".join(f"{action} {subject:#x}" for action, subject, _ in done.taken)
    refused = f"; {len(done.refused)} refused" if done.refused else ""
    return f"{moment(now)}  {taken}{refused}, gas {done.gas:,}"
