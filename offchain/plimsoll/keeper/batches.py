"""Batches: what is due at once, split into reports that each stay under a limit of gas.

The keeper posts the first batch, and decides anew when it is known what came of it: by then the chain itself says what
was posted, and of what is left the urgent and the oldest are first again, on prices of that moment. So nothing need be
remembered from one batch to the next, not over a crash, nor where another keeper posted one of them meanwhile, and each
has the sequence that is free when it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plimsoll.keeper.gas import estimate
from plimsoll.keeper.refusals import Refusals
from plimsoll.keeper.state import Held
from plimsoll.keeper.triggers import Reason, Standing, TriggerConfig, due
from plimsoll.risk.engine import BuiltReport
from plimsoll.risk.errors import ReportError
from plimsoll.risk.models import State
from plimsoll.risk.report_parts import part


@dataclass(frozen=True, slots=True)
class Batch:
    """Underlyings that go in one report, by number; why, those that are due first; its gas as estimated.

    Without gas: one underlying that is too much for any report.
    """

    underlyings: tuple[int, ...]
    reasons: tuple[Reason, ...]
    gas: int | None


def split(
    going: Sequence[Standing],
    gas_of: Callable[[tuple[int, ...]], int | None],
    limit: int,
    refusals: Refusals | None = None,
) -> list[Batch]:
    """Underlyings in their order, each in the first batch that has room for it.

    Parameters
    ----------
    going
        In the order of their urgency.
    gas_of
        Gas of a report of these underlyings; None where they are too many for one.
    limit
        Of gas; what is over it by itself has a batch of its own.
    refusals
        What was refused, and who may go together; None: nothing was.
    """
    refusals = refusals or Refusals()
    made: list[tuple[list[Standing], int | None]] = []  # with its gas
    for one in going:
        for k, (batch, _) in enumerate(made):
            numbers = _numbers([*batch, one])
            gas = gas_of(numbers) if refusals.together(numbers) else None
            if gas is not None and gas <= limit:
                made[k] = [*batch, one], gas
                break
        else:
            made.append(([one], gas_of((one.underlying,))))
    return [Batch(_numbers(batch), _why(batch), gas) for batch, gas in made]


def _numbers(batch: Sequence[Standing]) -> tuple[int, ...]:
    return tuple(sorted(one.underlying for one in batch))


def _why(batch: Sequence[Standing]) -> tuple[Reason, ...]:
    """Each reason once; what only goes along says so after the others."""
    said = dict.fromkeys(reason for one in batch for reason in one.reasons)
    return tuple(sorted(said, key=lambda reason: reason.kind == "neighbour"))


def batches(
    held: Held,
    whole: BuiltReport,
    previous: State | None,
    config: TriggerConfig,
    *,
    urgent: bool = False,
    refusals: Refusals | None = None,
) -> list[Batch]:
    """What to post now, the first batch first; none: nothing is due.

    Parameters
    ----------
    held
        What the chain holds.
    whole
        What the engine would post of all underlyings, `Engine.whole`.
    previous
        What it was built from.
    config
        Thresholds and limit.
    urgent
        Whether a report was asked for.
    refusals
        What was refused: it goes behind the others, in smaller parts, lest it hold them all up; None: nothing was.
    """

    def gas_of(underlyings: tuple[int, ...]) -> int | None:
        try:
            return estimate(part(whole, underlyings, previous), held)
        except ReportError:
            return None

    refusals = refusals or Refusals()
    made = split(due(held, whole, config, urgent=urgent), gas_of, config.post_gas_limit, refusals)
    # stable: else as they were; all of a batch have one turn
    return sorted(made, key=lambda batch: refusals.turn(batch.underlyings[0]))
