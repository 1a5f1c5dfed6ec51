"""`plimsoll calibrate`: search the model's shape on one range of time, report on a later one."""

from __future__ import annotations

from pathlib import Path

import click

from plimsoll.cli.base import DATE, EPILOG, FILE, OK, InputError, LateBar, cli, priced, show


@cli.command(epilog=EPILOG)
@click.argument("prices", nargs=-1, type=FILE)
@click.option(
    "--split", type=DATE, default="2023-01-01", show_default=True, help="End of training, begin of the unseen."
)
@click.option("--hours", "horizons", multiple=True, type=click.IntRange(1, 240), help="A horizon [h]. [1, 8, 24]")
@click.option("--level", type=float, default=0.99, show_default=True, help="Share of moves that margins cover.")
@click.option("--propose", type=FILE, help="Write the choice here, as settings to be reviewed.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: every candidate.")
def calibrate(
    prices: tuple[Path, ...],
    split: tuple[int, bool],
    horizons: tuple[int, ...],
    level: float,
    propose: Path | None,
    *,
    as_json: bool,
) -> int:
    """Search how far the default model is calmed, on PRICES before a date, and report on what came after it.

    PRICES are OHLCV files of hourly bars; without any, the recorded BTC and ETH of the folder that PLIMSOLL_DATA names.
    Nothing that runs is changed: --propose writes a file that a person reviews and puts into the settings.

    \b
      plimsoll calibrate
      plimsoll calibrate btc.csv.gz --split 2024-01-01 --hours 24 --propose proposal.yaml
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.backtest.calibrate import calibrate as calibrated  # noqa: PLC0415 - scipy is slow to import
    from plimsoll.report.calibrate import calibrate_tables, plain_of, proposal  # noqa: PLC0415

    if not 0.9 <= level < 1:
        raise InputError(f"--level {level}; 0.9 .. 1 is right")
    if propose is not None and propose.exists():
        raise InputError(f"--propose {propose}: the file is there already; a new name is right")
    if propose is not None and not propose.parent.is_dir():
        raise InputError(f"--propose {propose}: there is no folder {propose.parent}; one that exists is right")
    assets = priced(prices)
    with LateBar() as bar:
        found = calibrated(
            assets,
            split[0],
            horizons=[3_600 * h for h in horizons or (1, 8, 24)],
            level=level,
            on_progress=bar.progress,
        )
    show(plain_of(found), lambda: calibrate_tables(found), 190, as_json=as_json)
    if propose is not None:
        ranges = {name: (int(bars.time[0]), int(bars.time[-1])) for name, bars in assets.items()}
        try:
            propose.write_text(proposal(found, ranges), encoding="utf-8")
        except OSError as error:
            raise InputError(f"--propose {propose}: {error.strerror or error}") from error
        if not as_json:
            click.echo(f"proposed in {propose}")
    return OK
