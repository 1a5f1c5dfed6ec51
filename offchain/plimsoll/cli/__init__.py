"""The command line: what an operator, an auditor or a risk desk types; `plimsoll --help` lists it.

One file a command: importing it adds it to the group. Errors that have a name are one line on standard error, without
a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from plimsoll.chain.errors import ChainError, DeploymentError
from plimsoll.cli import (
    account,
    audit,
    automate,
    backtest,
    calibrate,
    compare,
    demo,
    demo_node,
    doctor,
    drill,
    figures,
    journal,
    keeper,
    node,
    replay,
    report,
    solvency,
    stress,
    top,
    verify_build,
)
from plimsoll.cli.base import BAD_INPUT, FAILED, cli
from plimsoll.spec.errors import PlimsollError, Refused

__all__ = [
    "account",
    "audit",
    "automate",
    "backtest",
    "calibrate",
    "cli",
    "compare",
    "demo",
    "demo_node",
    "doctor",
    "drill",
    "figures",
    "journal",
    "keeper",
    "main",
    "node",
    "replay",
    "report",
    "solvency",
    "stress",
    "top",
    "verify_build",
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments), prog_name="plimsoll", standalone_mode=False
        )
    except click.UsageError as error:
        error.show()
        code = BAD_INPUT
    except click.Abort:
        code = FAILED
    except click.ClickException as error:
        error.show()
        code = BAD_INPUT
    except PlimsollError as error:
        click.echo(f"plimsoll: {type(error).__name__}: {str(error) or 'no reason given'}", err=True)
        code = (
            FAILED if isinstance(error, (Refused, ChainError)) and not isinstance(error, DeploymentError) else BAD_INPUT
        )
    sys.exit(code)
