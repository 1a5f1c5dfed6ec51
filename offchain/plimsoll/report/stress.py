"""Named scenarios over the accounts of a book: what each loses, whether its margin covered it, what the fund has left.

    stress         a stress book -> summary, plain values for `json`
    stress_tables  summary -> what a terminal shows
    numbers        summary -> what a table of figures says of it

Margin beforehand and after the moves is the chain's own arithmetic over reports that the engine makes of the book's
market (`plimsoll.report.compare`); losses are not of lanes but of full revaluation (`plimsoll.risk.stress`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from plimsoll.report.compare import model_of, our_margin
from plimsoll.report.terminal import frameless
from plimsoll.risk.engine import Engine
from plimsoll.risk.reference.book import Book
from plimsoll.risk.stress import (
    COST,
    FLOOR,
    AccountLoss,
    Outcome,
    Ranges,
    Standing,
    StressBook,
    hourly_move,
    run,
    scenarios_of,
)
from plimsoll.spec.wad import PPM, WAD

SHOWN: Final = 40  # accounts in a table
ABREAST: Final = 4  # scenarios in it
Progress = Callable[[int, int, str], None]


def _silent(_: int, __: int, ___: str) -> None:
    """Nobody watches."""


def standing(book: Book) -> Standing:
    """What the chain would say of a book under a report of its market; nothing is asked of cash alone.

    Raises
    ------
    SourceError, SnapshotError, RiskError
        As the engine.
    """
    if not book.positions:
        return Standing(book.cash, book.cash, 0.0, 0.0)
    found, _ = our_margin(book, Engine(model_of(book)).report(book.snapshot))
    return Standing(found.equity_haircut / WAD, found.equity_full / WAD, found.mm / WAD, found.im / WAD)


def ranges_of(book: StressBook) -> Ranges:
    """Scan range and hourly move of each underlying, as the model that the book asks for measures them."""
    market = book.market
    forecasts = model_of(market).assess(market.snapshot, None)
    found = {market.snapshot.market(number).name: forecasts[number] for number in market.numbers.values()}
    return Ranges(
        {name: forecast.psr / PPM for name, forecast in found.items()},
        {
            name: hourly_move(market.snapshot.market(forecast.underlying), forecast.sigma)
            for name, forecast in found.items()
        },
    )


def stress(
    book: StressBook, wanted: Sequence[str] = (), cost: float = COST, on_progress: Progress = _silent
) -> dict[str, Any]:
    """Scenarios over a book.

    Parameters
    ----------
    book
        The book.
    wanted
        Names of scenarios; all where there are none.
    cost
        What a liquidation costs, as a share of gross notional.
    on_progress
        Is told how many scenarios are done, of how many, and which is under way.

    Returns
    -------
    dict
        Plain values. `failures` says in which scenarios the fund runs out.

    Raises
    ------
    StressError, SourceError, SnapshotError, RiskError
        A scenario that nobody knows, or a book whose prices or positions engine or model do not take.
    """
    scenarios = scenarios_of(book, ranges_of(book), wanted)
    outcomes = []
    for done, scenario in enumerate(scenarios):
        on_progress(done, len(scenarios), scenario.name)
        outcomes.append(run(book, scenario, standing, cost))
    before = {account.name: standing(account.book) for account in book.accounts}
    return {
        "time": book.time,
        "fund": book.fund,
        "cost": cost,
        "accounts": [
            {
                "name": account.name,
                "equity": account.equity,
                "equity_haircut": before[account.name].equity_haircut,
                "mm": before[account.name].mm,
                "im": before[account.name].im,
                "state": _state(before[account.name]),
            }
            for account in book.accounts
        ],
        "scenarios": [_scenario(outcome, before) for outcome in outcomes],
        "failures": [
            f"{outcome.scenario.name}: accounts lack {outcome.lacking:,.2f}, the fund has "
            f"{outcome.fund - outcome.fund_depeg:,.2f}; {outcome.shared:,.2f} is shared"
            + (f", {outcome.uncovered:,.2f} nobody can pay" if outcome.uncovered else "")
            for outcome in outcomes
            if outcome.ran_out
        ],
    }


def _state(found: Standing) -> str:
    if found.equity_full < 0:
        return "insolvent"
    if found.equity_haircut < found.mm:
        return "liquidatable"
    return "restricted" if found.equity_haircut < found.im else "healthy"


def _scenario(outcome: Outcome, before: Mapping[str, Standing]) -> dict[str, Any]:
    scenario = outcome.scenario
    return {
        "name": scenario.name,
        "says": scenario.says,
        "moves": _common_moves(outcome),
        "volatility": scenario.volatility,
        "loss": math.fsum(item.loss for item in outcome.accounts),
        "consumed": math.fsum(item.consumed for item in outcome.accounts),
        "lacking": outcome.lacking,
        "fund_depeg": outcome.fund_depeg,
        "fund_paid": outcome.fund_paid,
        "fund_left": outcome.fund_left,
        "shared": outcome.shared,
        "uncovered": outcome.uncovered,
        "liquidated": sum(item.liquidated for item in outcome.accounts),
        "accounts": [_loss(item, before[item.name]) for item in outcome.accounts],
    }


def _common_moves(outcome: Outcome) -> dict[str, float] | None:
    """The moves of a scenario where all accounts met the same."""
    if outcome.scenario.way == "each":
        return None
    found = dict(outcome.scenario.moves)
    for item in outcome.accounts:
        if any(move != found[key] for key, move in item.moves.items()):
            return {key: max(-move, FLOOR) for key, move in found.items()}  # all the other way together
    return found


def _loss(item: AccountLoss, before: Standing) -> dict[str, Any]:
    return {
        "name": item.name,
        "moves": dict(item.moves),
        "profit": item.profit,
        "depeg": item.depeg,
        "cost": item.cost,
        "loss": item.loss,
        "loss_over_mm": item.loss / before.mm if before.mm else None,
        "loss_over_im": item.loss / before.im if before.im else None,
        "equity_before": item.before,
        "equity_after": item.after,
        "liquidated": item.liquidated,
        "consumed": item.consumed,
        "lacking": item.lacking,
        "shared": item.shared,
    }


def numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    """How many scenarios and accounts; the most that is lacking and the least that the fund has left in any scenario.

    `gap` is the largest difference between what is lost and what is paid for it: rounding, and nothing else.
    """
    owed = math.fsum(max(0.0, -account["equity"]) for account in summary["accounts"])
    scenarios = summary["scenarios"]
    parts = ("consumed", "fund_paid", "shared", "uncovered")
    return {
        "scenarios": float(len(scenarios)),
        "accounts": float(len(summary["accounts"])),
        "lacking": max(found["lacking"] for found in scenarios),
        "fund_left": min(found["fund_left"] for found in scenarios),
        "runs_out": float(len(summary["failures"])),
        "gap": max(abs(found["loss"] + owed - math.fsum(found[name] for name in parts)) for found in scenarios),
    }


# ------------------------------------------------------------------------------------------------------------- tables


def stress_tables(summary: Mapping[str, Any]) -> RenderableType:
    """What a terminal shows of a summary."""
    parts: list[RenderableType] = [_outcomes(summary), ""]
    for first in range(0, len(summary["scenarios"]), ABREAST):
        parts += [_accounts(summary, summary["scenarios"][first : first + ABREAST]), ""]
    parts += [Text(f"{found['name']}: {found['says']}", style="bright_black") for found in summary["scenarios"]]
    note = (
        "Losses of each account by full revaluation; yellow where it is liquidated, red where its equity does not pay "
        "all of it. MM and IM are what the chain asked beforehand."
    )
    parts += ["", Text(note, style="bright_black"), ""]
    parts += [Text(f"FUND RUNS OUT  {failure}", style="bold red") for failure in summary["failures"]]
    if not summary["failures"]:
        parts.append(Text("the fund pays for all that accounts lack, in every scenario", style="bold green"))
    return Group(*parts)


def _outcomes(summary: Mapping[str, Any]) -> Table:
    table = frameless(
        "scenario", "moves", "liquidated", "loss", "equity pays", "lacking", "fund left", "shared", left=2
    )
    for found in summary["scenarios"]:
        moves = found["moves"]
        if moves is None:
            said = "each its worst"
        elif len(set(moves.values())) == 1:
            move = next(iter(moves.values()))
            said = f"all {move:+.1%}" if move else "none"
        else:
            said = ", ".join(f"{name} {move:+.1%}" for name, move in moves.items())
        table.add_row(
            found["name"],
            said,
            str(found["liquidated"]),
            f"{found['loss']:,.0f}",
            f"{found['consumed']:,.0f}",
            Text(f"{found['lacking']:,.0f}", style="red" if found["lacking"] else ""),
            f"{found['fund_left']:,.0f}",
            Text(f"{found['shared'] + found['uncovered']:,.0f}", style="bold red" if found["shared"] else ""),
        )
    return table


def _accounts(summary: Mapping[str, Any], scenarios: Sequence[Mapping[str, Any]]) -> Table:
    """Losses of accounts by scenario; first of accounts that lack most in any."""
    table = frameless("account", "equity", "MM", "IM", *(found["name"] for found in scenarios))
    accounts = summary["accounts"]
    lacking = [max(found["accounts"][k]["lacking"] for found in summary["scenarios"]) for k in range(len(accounts))]
    order = sorted(range(len(accounts)), key=lambda k: -lacking[k])
    for k in order[:SHOWN]:
        cells = []
        for found in scenarios:
            item = found["accounts"][k]
            style = "bold red" if item["lacking"] else "yellow" if item["liquidated"] else ""
            cells.append(Text(f"{item['loss']:,.0f}", style=style))
        table.add_row(accounts[k]["name"], *(f"{accounts[k][key]:,.0f}" for key in ("equity", "mm", "im")), *cells)
    if len(order) > SHOWN:
        table.add_row(f"and {len(order) - SHOWN} more")
    return table
