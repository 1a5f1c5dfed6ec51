"""A calibration in a terminal, as plain values, and as a proposal that a person reviews."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from rich.console import Group, RenderableType
from rich.table import Table

from plimsoll import __version__
from plimsoll.backtest.calibrate import Calibration, Trial
from plimsoll.backtest.record import HOUR, Summary
from plimsoll.report.tables import date
from plimsoll.risk.named import DEFAULT, made

SHOWN = 8


def _numbers(found: Summary) -> dict[str, Any]:
    return {
        "passing": found.passing,
        "cells": found.cells,
        "red": found.red,
        "ratio": found.ratio,
        "peak_over_trough": found.peak_over_trough,
        "rise_5": found.rise_5,
        "worst": found.worst,
    }


def _plain(trial: Trial) -> dict[str, Any]:
    config = trial.config
    return {
        "weight": config.weight,
        "reach": config.reach,
        "rise": config.rise,
        "train": _numbers(trial.train),
        "unseen": _numbers(trial.unseen),
    }


def plain_of(found: Calibration) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "split": date(found.split),
        "level": found.level,
        "horizons": list(found.horizons),
        "tried": len(found.trials),
        "admissible": found.admissible,
        "better_unseen": found.is_better,
        "chosen": _plain(found.chosen),
        "present": _plain(found.present),
        "trials": [_plain(trial) for trial in found.trials],
    }


def _cells(found: Summary) -> tuple[str, ...]:
    return (
        f"{found.passing} of {found.cells}",
        str(found.red),
        f"{found.ratio:.3f}",
        f"{found.peak_over_trough:.1f}",
        f"{found.rise_5:+.0%}",
        f"{found.worst:.2f}",
    )


def calibrate_tables(found: Calibration) -> RenderableType:
    """The best candidates by the training range, what is in use, and both on the range that none has seen."""
    table = Table(title=f"Weight/reach/rise: trained before {date(found.split)}, unseen after", title_justify="left")
    table.add_column("shape")
    for name in ("passed", "red", "margin / static", "peak / trough", "5 days", "worst"):
        table.add_column(f"trained: {name}", justify="right")
    for name in ("passed", "red", "margin / static", "peak / trough", "5 days", "worst"):
        table.add_column(f"unseen: {name}", justify="right")
    for k, trial in enumerate(found.trials[:SHOWN]):
        table.add_row(trial.name, *_cells(trial.train), *_cells(trial.unseen), style="bold" if k == 0 else "")
    present = found.present
    table.add_row(f"{present.name} (in use)", *_cells(present.train), *_cells(present.unseen), style="cyan")
    if found.chosen.config == present.config:
        said = "What is in use is what the training range would choose."
    elif found.is_better:
        said = "On the unseen range the choice covers no less than what is in use, and costs or moves less."
    else:
        said = "On the unseen range the choice is no better than what is in use: keep that."
    kept = f"{found.admissible} of {len(found.trials)} candidates keep the wishes on the training range."
    return Group(table, f"{kept} {said}")


def proposal(found: Calibration, ranges: Mapping[str, tuple[int, int]]) -> str:
    """Settings of the chosen shape for `plimsoll keeper` and `plimsoll node`, with the evidence as comments.

    Raises
    ------
    ModelError
        The shape makes no model.
    """
    parameters = {"har": found.parameters}
    made(DEFAULT, parameters)  # refused here rather than by a keeper
    change = {"model": {"name": DEFAULT, "parameters": parameters}}
    lines = [
        "# Proposed, to be reviewed: put `model` into the settings of every node at once, so that they agree.",
        f"# Plimsoll {__version__}; {len(found.trials)} candidates, {found.admissible} admissible when trained.",
    ]
    hours = ", ".join(f"{horizon // HOUR} h" for horizon in found.horizons)
    lines.append(
        f"# Margins that cover {found.level:.2%} of moves, over {hours}; `level` and `horizon` are not changed."
    )
    lines += [
        f"# {name}: {date(first)} .. {date(last)}, split at {date(found.split)}"
        for name, (first, last) in ranges.items()
    ]
    for what, trial in (("proposed", found.chosen), ("in use", found.present)):
        for where, s in (("trained", trial.train), ("unseen", trial.unseen)):
            lines.append(
                f"# {what} {trial.name}, {where}: {s.passing} of {s.cells} cells pass, {s.red} red, margin over static "
                f"{s.ratio:.3f}, peak over trough {s.peak_over_trough:.1f}, worst five days {s.rise_5:+.0%}"
            )
    if not found.is_better:
        lines.append("# On the unseen range it is no better than what is in use: there is no reason to change.")
    return "\n".join(lines) + "\n" + yaml.safe_dump(change, sort_keys=False)
