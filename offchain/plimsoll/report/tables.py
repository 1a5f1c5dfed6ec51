"""A replay's result in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from plimsoll.simulate.replay import Event

COLOURS = {
    "posted": "blue",
    "called": "yellow",
    "topped up": "cyan",
    "cut": "cyan",
    "closed": "bright_black",
    "liquidated": "red",
    "recovered": "green",
    "insolvent": "bold white on red",
    "carried": "magenta",
    "auction": "bright_black",
    "shortfall": "bold red",
    "recorded": "bold red",
    "fund": "blue",
    "lie": "bold magenta",
}
COSIGNED = "  co-signed by an honest node"
BELIEVED = "  believed by the chain"
NONE_OF = frozenset({"mismatches", COSIGNED.strip(), BELIEVED.strip()})  # bad unless 0


def date(time: int) -> str:
    """A day [UTC]."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")


def moment(time: int) -> str:
    """A minute [UTC]."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")


def event_line(event: Event) -> Text:
    """One event on one line."""
    return Text.assemble(
        (f"{moment(event.time)}  ", "bright_black"),
        (f"{event.kind:<11}", COLOURS.get(event.kind, "")),
        f"{event.account:<28} ",
        event.text,
    )


def rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The result's lines: what, how much."""
    return [
        ("replayed [UTC]", f"{date(summary['start'])} .. {date(summary['end'])}"),
        ("reports posted", f"{summary['reports']:,}"),
        ("  rounds of the keeper that failed", f"{summary['failed_rounds']:,}"),
        *_node_rows(summary["nodes"]),
        (f"gas a report of {summary['surfaces_per_report']} surfaces", f"{summary['gas_per_report']:,}"),
        ("accounts", f"{summary['accounts']:,}"),
        ("  called at least once", f"{summary['accounts_called']:,} ({summary['margin_calls']:,} calls)"),
        ("  liquidated in part", f"{summary['accounts_liquidated']:,} ({summary['bids']:,} bids)"),
        ("  recovered at least once", f"{summary['accounts_recovered']:,}"),
        ("bad debt", f"{summary['bad_debt']:,.2f}"),
        ("  on record", f"{summary['recorded']:,.2f}"),
        ("  borne by all cash alike", f"{summary['socialised']:,.2f}"),
        ("fees of trades", f"{summary['fees']:,.0f}"),
        ("  of liquidations", f"{summary['liquidation_fees']:,.0f}"),
        ("insurance fund, first to last", f"{summary['fund_start']:,.0f} to {summary['fund_end']:,.0f}"),
        ("  paid to bidders", f"{summary['fund_paid']:,.0f}"),
        ("bidders' profit", f"{summary['bidder_profit']:,.0f}"),
        ("margins compared, chain and spec", f"{summary['comparisons']:,}"),
        ("  mismatches", f"{summary['mismatches']:,}"),
        ("money conserved", "yes" if summary["money_conserved"] else "NO"),
    ]


def _node_rows(nodes: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What the risk nodes did, where there were any beside the keeper."""
    if nodes is None:
        return []
    return [
        (f"  signed by {nodes['quorum']} of {nodes['nodes']} nodes, all honest", f"{nodes['reports_before']:,}"),
        (f"  signed while one lies, from {moment(nodes['lies_from'])}", f"{nodes['reports_after']:,}"),
        ("forged reports pushed by the node that lies", f"{nodes['told']:,}"),
        (COSIGNED, f"{nodes['cosigned']:,}"),
        (BELIEVED, f"{nodes['believed']:,}"),
    ]


def result_table(summary: Mapping[str, Any]) -> Table:
    """What the replay came to."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows(summary):
        bad = (name.strip() in NONE_OF and value != "0") or value == "NO"
        table.add_row(name, Text(value, style="bold red" if bad else "bold"))
    return table


def coverage_table(summary: Mapping[str, Any]) -> Table:
    """Margin rates against what the market did."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    for name in (
        "",
        "price, lowest",
        "MM, first to highest",
        "IM, first to highest",
        "worst day",
        "days over MM",
        "over a static MM",
    ):
        table.add_column(name, justify="left" if not name else "right")
    for item in summary["coverage"]:
        table.add_row(
            item["name"],
            f"{item['first_price']:,.6g}, {item['lowest_price']:,.6g}",
            f"{item['mm_first']:.1%} to {item['mm_highest']:.1%}",
            f"{item['im_first']:.1%} to {item['im_highest']:.1%}",
            f"{item['worst']:.1%}",
            f"{item['exceeded']:.1%}",
            f"{item['exceeded_static']:.1%}",
        )
    return table
