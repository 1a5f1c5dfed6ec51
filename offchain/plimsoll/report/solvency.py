"""Whether the system can pay: what it holds against what it owes, now and in every scenario that it posted.

    read_solvency      a System and its accounts -> summary
    solvency_tables    summary -> tables for a terminal

    shortfall of an account in a lane    max(0, -(equity at full value + profit or loss of the lane))
    payable in a lane                    at most what the fund pays: cover, event cap each, underlying cap x underlyings

It fails where a token is short, where an account owes more than it has and nobody put that on record, where an account
cannot be assessed, or where what accounts lack together in a lane is more than the fund could pay. A summary is plain
values for `json`: amounts are decimal text, exact to the last of 18 digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System, owner_of
from plimsoll.report.account import Labels, exact, name_of
from plimsoll.report.terminal import frameless, money
from plimsoll.spec.errors import Refused
from plimsoll.spec.surface import LANES, decode
from plimsoll.spec.wad import PPM, WAD

PART: Final = 50  # accounts at once: a node lets a view spend some 50 million gas
OWNER_SHIFT: Final = 96
SHOWN: Final = 10  # accounts in the table
NO_UNDERLYING: Final = 2**16  # the quote coin's route has that number
Progress = Callable[[int, int], None]


def _silent(_: int, __: int) -> None:
    """Nobody looks."""


def read_solvency(system: System, accounts: Sequence[int], on_progress: Progress = _silent) -> dict[str, Any]:
    """The summary of a deployment.

    Parameters
    ----------
    system
        The deployment.
    accounts
        All of its accounts: every one that an event named.
    on_progress
        Takes how many accounts were read, of how many.

    Raises
    ------
    ChainError
        Where the chain does not answer.
    Refused
        Where the lens is none that knows solvency.
    """
    stand = system.lens.call("solvency")
    found: list[dict[str, Any]] = []
    totals, payable = [0] * LANES, [0] * LANES
    unknown: list[str] = []
    unrecorded = 0
    for start in range(0, len(accounts), PART):
        part = accounts[start : start + PART]
        answers = batch(
            system.chain,
            [
                *(system.lens.request("shortfalls", [account]) for account in part),
                *(system.clearinghouse.request("margin", account) for account in part),
                *(system.liquidator.request("recorded", account) for account in part),
            ],
        )
        size = len(part)
        for account, lack, margin, recorded in zip(
            part, answers[:size], answers[size : 2 * size], answers[2 * size :], strict=True
        ):
            if isinstance(lack, Refused):
                raise lack
            lacks, lost = lack
            if lost or isinstance(margin, Refused):
                unknown.append(_name(account))
                continue
            bad = max(0, -margin.equity_full)
            unrecorded += max(0, bad - recorded)
            totals = [total + one for total, one in zip(totals, lacks, strict=True)]
            payable = [paid + min(one, stand.event_cap) for paid, one in zip(payable, lacks, strict=True)]
            if any(lacks) or bad:
                worst = max(range(LANES), key=lacks.__getitem__)
                found.append(
                    {
                        "account": hex(account),
                        "name": _name(account),
                        "equity_full": exact(margin.equity_full),
                        "recorded": exact(recorded),
                        "worst_lane": worst,
                        "shortfall": exact(lacks[worst]),
                        "lanes": [exact(one) for one in lacks],
                    }
                )
        on_progress(min(start + PART, len(accounts)), len(accounts))
    labels = _labels(system)
    ceiling = min(stand.cover, stand.underlying_cap * max(1, len(labels.names)))
    lanes = [
        {"lane": k, "means": _meaning(labels, k), "shortfall": exact(total), "payable": exact(min(paid, ceiling))}
        for k, (total, paid) in enumerate(zip(totals, payable, strict=True))
    ]
    worst = max(range(LANES), key=totals.__getitem__)
    summary: dict[str, Any] = {
        "time": system.chain.now,
        "accounts": len(accounts),
        "unknown": unknown,
        "tokens": [
            {
                "token": holding.token,
                "symbol": _symbol(system, holding.token),
                "held": exact(holding.held),
                "owed": exact(holding.owed),
            }
            for holding in stand.holdings
        ],
        "supply": exact(stand.supply),
        "debt": exact(stand.debt),
        "kept_interest": exact(stand.kept),
        "pool": exact(stand.pool),
        "utilisation": exact(stand.utilisation * WAD // PPM),
        "outflow": exact(stand.outflow),
        "bad_debt": {"recorded": exact(stand.bad_debt), "unrecorded": exact(unrecorded)},
        "fund": {
            "cover": exact(stand.cover),
            "event_cap": exact(stand.event_cap),
            "underlying_cap": exact(stand.underlying_cap),
        },
        "worst_lane": worst,
        "lanes": lanes,
        "short": sorted(found, key=lambda item: (-Decimal(item["shortfall"]), item["account"])),
    }
    return {**summary, "failures": failures_of(summary)}


def failures_of(summary: Mapping[str, Any]) -> list[str]:
    """What is wrong, in sentences; empty where the system can pay."""
    found = [
        f"{token['symbol']}: {token['held']} held, {token['owed']} owed"
        for token in summary["tokens"]
        if Decimal(token["held"]) < Decimal(token["owed"])
    ]
    if Decimal(summary["bad_debt"]["unrecorded"]) > 0:
        found.append(f"bad debt of {summary['bad_debt']['unrecorded']} is not on record")
    if summary["unknown"]:
        found.append(f"{len(summary['unknown'])} accounts cannot be assessed: an index is dead")
    gaps = [Decimal(lane["shortfall"]) - Decimal(lane["payable"]) for lane in summary["lanes"]]
    worst = max(range(len(gaps)), key=gaps.__getitem__)
    if gaps[worst] > 0:
        lane = summary["lanes"][worst]
        found.append(
            f"the fund could pay {lane['payable']} of the {lane['shortfall']} that accounts lack in lane {worst} "
            f"({lane['means'] or 'of no posted meaning'})"
        )
    return found


def _name(account: int) -> str:
    number = account % 2**OWNER_SHIFT
    return owner_of(account) + (f":{number}" if number else "")


def _symbol(system: System, token: str) -> str:
    if token == system.quote.address:
        return "quote"
    return next((symbol for symbol, found in system.tokens.items() if found.address == token), token)


def _labels(system: System) -> Labels:
    """Names and scenarios of all underlyings that are fed."""
    keys = sorted(key for key in system.aggregators if key < NO_UNDERLYING)
    answers = batch(
        system.chain,
        [
            *(system.aggregators[key].request("description") for key in keys),
            *(system.oracle.request("pointer", key, 0) for key in keys),
        ],
    )
    names, pointers = answers[: len(keys)], answers[len(keys) :]
    return Labels(
        names={key: name_of(name) for key, name in zip(keys, names, strict=True) if not isinstance(name, Refused)},
        surfaces={
            key: decode(system.chain.code(f"0x{pointer >> 96:040x}"))
            for key, pointer in zip(keys, pointers, strict=True)
            if pointer and not isinstance(pointer, Refused)
        },
    )


def _meaning(labels: Labels, lane: int) -> str:
    """What happens in a lane to every underlying: ETH -18.2 %, BTC -15.0 %, volatility up."""
    said = {key: labels.lane(key, lane) for key in labels.surfaces}
    tails = {text.partition(", ")[2] for text in said.values()}
    moves = [f"{labels.name(key)} {text.partition(', ')[0].removeprefix('price ')}" for key, text in said.items()]
    if any(lane >= labels.surfaces[key].common for key in said):
        tails.add("not the same in every underlying")
    return ", ".join([*moves, *sorted(tails)])


# ------------------------------------------------------------------------------------------------------------- tables


def solvency_tables(summary: Mapping[str, Any]) -> RenderableType:
    """What a terminal shows of a summary."""
    parts: list[RenderableType] = [_tokens(summary), "", _pool(summary), "", _lanes(summary)]
    if summary["short"]:
        parts += ["", _accounts(summary)]
    parts += ["", *(Text(f"FAILS  {failure}", style="bold red") for failure in summary["failures"])]
    if not summary["failures"]:
        parts.append(Text("solvent, now and in every lane", style="bold green"))
    return Group(*parts)


def _tokens(summary: Mapping[str, Any]) -> Table:
    table = frameless("token", "held", "owed", "over")
    for token in summary["tokens"]:
        over = Decimal(token["held"]) - Decimal(token["owed"])
        amounts = (f"{Decimal(amount):,.6f}" for amount in (token["held"], token["owed"]))
        table.add_row(token["symbol"], *amounts, Text(f"{over:,.6f}", style="bold red" if over < 0 else ""))
    return table


def _pool(summary: Mapping[str, Any]) -> Table:
    table = frameless("", "", "")
    table.columns[2].justify = "left"
    fund, bad = summary["fund"], summary["bad_debt"]
    table.add_row("accounts", f"{summary['accounts']:,}", "that an event named")
    table.add_row("cash", money(summary["supply"]), f"of which {Decimal(summary['utilisation']):.1%} is borrowed")
    table.add_row("debt", money(summary["debt"]), "")
    table.add_row("settled, unclaimed", money(summary["pool"]), "what losers settled and winners did not yet")
    table.add_row("interest kept", money(summary["kept_interest"]), "the fund's, unclaimed")
    table.add_row("profit that left", money(summary["outflow"]), "of the cap of a window")
    table.add_row("bad debt", money(bad["recorded"]), f"on record; {money(bad['unrecorded'])} is not")
    caps = f"at most {money(fund['event_cap'])} an event, {money(fund['underlying_cap'])} an underlying and week"
    table.add_row("fund", money(fund["cover"]), caps)
    return table


def _lanes(summary: Mapping[str, Any]) -> Table:
    """The lanes in which somebody lacks something, the worst first."""
    table = frameless("lane", "what happens", "accounts lack", "fund pays", left=2)
    lacking = [lane for lane in summary["lanes"] if Decimal(lane["shortfall"]) > 0]
    for lane in sorted(lacking, key=lambda found: -Decimal(found["shortfall"]))[:SHOWN]:
        table.add_row(str(lane["lane"]), lane["means"], money(lane["shortfall"]), money(lane["payable"]))
    if not lacking:
        table.add_row("-", "no account lacks anything in any", "0.00", "0.00")
    return table


def _accounts(summary: Mapping[str, Any]) -> Table:
    table = frameless("account", "lane", "equity now", "lacks")
    for item in summary["short"][:SHOWN]:
        table.add_row(item["name"], str(item["worst_lane"]), money(item["equity_full"]), money(item["shortfall"]))
    rest = len(summary["short"]) - SHOWN
    if rest > 0:
        table.add_row(f"and {rest} more", "", "", "")
    return table
