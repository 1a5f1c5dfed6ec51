"""`ape run demo`: the crash replay. Arguments as of `plimsoll demo`."""

import click

from plimsoll.cli.demo import demo


@click.command(
    cls=click.Command,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Replay a crash through the real contracts, on a chain in this process."""
    ctx.exit(demo.main(args=ctx.args, prog_name="ape run demo", standalone_mode=False) or 0)
