"""`ape run keeper`: the loop against a node. Arguments as of `plimsoll keeper`."""

import click

from plimsoll.cli.keeper import keeper


@click.command(
    cls=click.Command,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run the loop: ingest, assess, report, post, enforce, observe."""
    ctx.exit(keeper.main(args=ctx.args, prog_name="ape run keeper", standalone_mode=False) or 0)
