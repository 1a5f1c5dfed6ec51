"""Parts of a report: what may be posted by itself, and a report of some underlyings out of one of all.

What is inseparable, and why (`contracts/RiskOracle.vy`, `contracts/Guardrails.vy`):

*An underlying, with all its expiries and its scalars.* The scan of a book adds lanes up over the expiries of an
underlying, lane by lane: they mean one move only where the scenario set is one. `RiskOracle._terms` compares the
`set_id` of the surfaces that it meets and calls the book stale where two differ, so an expiry that stayed behind while
the range moved would hold every book that is in it and in another. Within a report `_point` demands one set and one
reference price (`oracle: mixed sets`). Guardrails keep one clock for the scenarios of an underlying, by which the gross
charges and haircuts of every row are limited too. A funding rate is a share of the reference price of the perpetual's
surface, so the scalars go with the surface they belong to. And a row is no unit: a surface is one piece of code.

*The class of each underlying that goes.* A class has one word, made of the histories of all its members. Nothing on
chain shows its age, as surfaces show theirs: were it left to whoever posts, an offset that should have narrowed could
stay behind unnoticed for good. So it goes along with each member, and a co-signer demands it. A member that stands on
chain and is missing from the snapshot might have the lowest correlation: without it the word may narrow, not widen.

*Nothing else.* Underlyings of one class need not go together. What `assess` adds up over them is money, each at its own
live index, in lanes that are shares of each one's own range; freshness, reference, set and clock are each underlying's
own. Sequence and market time are the oracle's, and only rise: a report of others at the same moment is taken.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from plimsoll.risk.engine import BuiltReport, check_size, named
from plimsoll.risk.models import State


def part(whole: BuiltReport, only: Collection[int], previous: State | None = None) -> BuiltReport:
    """The report of some of its underlyings: to the byte what `Engine.report(only=...)` says of the same snapshot.

    Parameters
    ----------
    whole
        A report of them and others, `Engine.whole` of all; too much for one post it may be.
    only
        Numbers of the underlyings.
    previous
        What the whole was built from; what this part leaves out still stands on chain.

    Raises
    ------
    ReportError
        One is not in it, none is named, or they are too many for one post.
    """
    wanted = named(only, {item.underlying for item in whole.scalars})
    kept = [k for k, surface in enumerate(whole.surfaces) if surface.underlying in wanted]
    going = {underlying >> 8 for underlying in wanted}
    classes = [k for k, item in enumerate(whole.classes) if item.klass in going]
    scalars = [k for k, item in enumerate(whole.scalars) if item.underlying in wanted]
    report = replace(
        whole.report,
        surfaces=tuple(whole.report.surfaces[k] for k in kept),
        scalars=tuple(whole.report.scalars[k] for k in scalars),
        classes=tuple(whole.report.classes[k] for k in classes),
    )
    said = {u: posted for u, posted in whole.state.posted.items() if u in wanted}
    offsets = {whole.classes[k].klass: whole.classes[k].offset for k in classes}
    found = BuiltReport(
        report,
        tuple(whole.codes[k] for k in kept),
        tuple(whole.surfaces[k] for k in kept),
        tuple(whole.scalars[k] for k in scalars),
        tuple(whole.classes[k] for k in classes),
        {u: forecast for u, forecast in whole.forecasts.items() if u in wanted},
        {u: rate for u, rate in whole.summary.items() if u in wanted},
        State(
            whole.state.sequence,
            whole.state.market_time,
            {**(previous.aged() if previous else {}), **said},
            {**(previous.offsets if previous else {}), **offsets},
        ),
    )
    check_size(found)
    return found
