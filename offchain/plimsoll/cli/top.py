"""`plimsoll top`: a keeper's status, live."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from plimsoll.cli.base import EPILOG, FAILED, OK, InputError, cli

if TYPE_CHECKING:
    from plimsoll.keeper.status import Status

LONGEST: Final = 2**23  # bytes of a status
TIMEOUT: Final = 3.0  # [s]
WIDTH: Final = 140  # where there is no terminal


@cli.command(epilog=EPILOG)
@click.option("--url", default="http://127.0.0.1:9464", show_default=True, help="Where the keeper serves /status.")
@click.option(
    "--every", type=click.FloatRange(0.1, 3_600), default=1.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="One look.")
@click.option("--json", "as_json", is_flag=True, help="Each look as one line of JSON.")
def top(url: str, every: float, *, once: bool, as_json: bool) -> int:
    """Watch a keeper: head, report, accounts near the edge, auctions, sources, signers, keys, transactions, alerts.

    A keeper that does not answer is asked again, until Ctrl-C; with --once that fails.

    \b
      plimsoll top
      plimsoll top --url http://127.0.0.1:9464 --once
      plimsoll top --once --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    if not url.startswith(("http://", "https://")):
        raise InputError(f"--url {url} is no URL; http://127.0.0.1:9464 is right")
    try:
        if as_json or once:
            return _say(url, every, once=once, as_json=as_json)
        _watch(url, every)
    except KeyboardInterrupt:
        return OK
    return OK


def read_status(url: str) -> tuple[Status | None, str]:
    """A keeper's status, or why there is none."""
    import requests  # noqa: PLC0415 - a slow import

    from plimsoll.keeper.status import Status, StatusError  # noqa: PLC0415
    from plimsoll.market.plainfile import parse_json  # noqa: PLC0415

    until = time.monotonic() + TIMEOUT
    try:
        with requests.get(url.rstrip("/") + "/status", timeout=TIMEOUT, stream=True, allow_redirects=False) as answer:
            if not answer.ok or answer.is_redirect:
                return None, f"HTTP {answer.status_code}"
            parts, size = [], 0
            for part in answer.iter_content(2**16):
                parts.append(part)
                size += len(part)
                if size > LONGEST or time.monotonic() > until:
                    return None, "its status has no end"
        return Status.from_plain(parse_json(b"".join(parts))), ""
    except requests.ConnectionError:
        return None, "nobody listens there"
    except requests.RequestException as error:
        return None, type(error).__name__
    except ValueError:
        return None, "what it says is no JSON"
    except StatusError as error:
        return None, str(error)


def _say(url: str, every: float, *, once: bool, as_json: bool) -> int:
    """Look and print, once or again and again."""
    from rich.console import Console  # noqa: PLC0415

    from plimsoll.keeper.logs import public_url  # noqa: PLC0415
    from plimsoll.report.top import draw  # noqa: PLC0415

    shown = public_url(url)
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH)
    while True:
        status, error = read_status(url)
        if as_json:
            plain: dict[str, Any] = {"error": error} if status is None else status.to_plain()
            click.echo(json.dumps(plain))
        else:
            console.print(draw(status, console.width, shown, error))
        if once:
            return OK if status is not None else FAILED
        time.sleep(every)


def _watch(url: str, every: float) -> None:
    """Draw over the terminal, until Ctrl-C; while the keeper is down, what it said last."""
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from plimsoll.keeper.logs import public_url  # noqa: PLC0415
    from plimsoll.keeper.status import older  # noqa: PLC0415
    from plimsoll.report.top import draw  # noqa: PLC0415

    console = Console(highlight=False, markup=False)
    shown = public_url(url)
    last: Status | None = None
    read = 0.0
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            status, error = read_status(url)
            now = time.monotonic()
            if status is not None:
                last, read = status, now
            held = None if last is None else older(last, now - read)
            most = max(2, min(8, console.height // 6))  # rows of a table: six of them share the height
            live.update(draw(held, console.width, shown, error, most), refresh=True)
            time.sleep(every)
