"""`plimsoll figures`: measure what the README claims."""

from __future__ import annotations

import click

from plimsoll.cli.base import EPILOG, InputError, cli


@cli.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
    epilog=EPILOG,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def figures(arguments: tuple[str, ...]) -> int:
    """The figures of the README; `plimsoll figures --help` says more."""
    try:
        from plimsoll.figures import main as run  # noqa: PLC0415 - heavy, and may not be there
    except ImportError as error:
        raise InputError(f"the figures cannot be made here: {error}") from error
    return int(run(list(arguments)) or 0)
