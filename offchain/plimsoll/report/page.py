"""A replay as one HTML file that needs nothing else: picture, numbers, accounts, events."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from plimsoll.report.tables import date, moment, rows

CSS: Final = """
:root { --ink: #1d2733; --muted: #64717e; --line: #e3e8ec; --sea: #1f6f8b; --rust: #c1440e; --paper: #fff; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 40px 0 10px; }
p { max-width: 74ch; } .muted { color: var(--muted); }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 24px 0; }
@media (max-width: 720px) { .tiles { grid-template-columns: repeat(2, 1fr); } }
.narrow { max-width: 620px; } .narrow thead { display: none; }
.tile { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--muted); font-size: 13px; }
.bad b { color: var(--rust); }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 14px; overflow-x: auto; }
img { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--muted); font-weight: 600; font-size: 13px; } th:first-child, td:first-child { text-align: left; }
table.left td, table.left th { text-align: left; } tr:last-child td { border-bottom: 0; }
.scroll { max-height: 520px; overflow-y: auto; }
.k { font-weight: 600; } .k-liquidated, .k-insolvent, .k-shortfall, .k-recorded { color: var(--rust); }
.k-lie { color: #8a2f8f; }
.k-called { color: #a66b00; }
.k-recovered { color: #2d7d46; } .k-auction, .k-closed { color: var(--muted); }
"""


RATES: Final = ("mm_first", "mm_highest", "im_first", "im_highest", "worst", "exceeded", "exceeded_static")


def tile(value: str, label: str, *, bad: bool = False) -> str:
    """A number and what it is."""
    return f'<div class="tile{" bad" if bad else ""}"><b>{escape(value)}</b><span>{escape(label)}</span></div>'


def table(head: tuple[str, ...], body: list[tuple[str, ...]], css: str = "") -> str:
    """A table; the cells of its body are HTML."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>" for line in body)
    return f'<table class="{css}"><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>'


def _node_text(nodes: Mapping[str, Any] | None) -> str:
    if nodes is None:
        return ""
    return f"""
The nodes are processes of their own, with their own keys, clocks and prices, and recompute what they sign. From
{moment(nodes["lies_from"])} on one of them lies: it signs no true report, and before each of them pushes a forged one,
with the scan range halved, lanes of zero or marks doubled, to the other nodes and to the chain."""


def _node_tiles(nodes: Mapping[str, Any] | None) -> list[str]:
    if nodes is None:
        return []
    return [
        tile(f"{nodes['quorum']} of {nodes['nodes']}", "risk nodes sign a report"),
        tile(f"{nodes['told']:,}", "forged reports from a node that lies"),
        tile(f"{nodes['cosigned']:,}", "of them co-signed by others", bad=nodes["cosigned"] > 0),
        tile(f"{nodes['believed']:,}", "of them believed by the chain", bad=nodes["believed"] > 0),
    ]


def replay_page(summary: Mapping[str, Any], png: bytes) -> str:
    """The page, complete."""
    names = " and ".join(item["name"] for item in summary["coverage"])
    picture = base64.b64encode(png).decode()
    tiles = "".join(
        [
            tile(f"{summary['reports']:,}", "reports posted"),
            tile(f"{summary['gas_per_report']:,}", "gas a report"),
            tile(f"{summary['accounts_called']}", "accounts called"),
            tile(f"{summary['accounts_liquidated']}", "liquidated in part"),
            tile(f"{summary['accounts_recovered']}", "recovered at least once"),
            tile(f"{summary['bad_debt']:,.0f}", "bad debt", bad=summary["bad_debt"] > 0),
            tile(f"{summary['comparisons']:,}", "margins compared with the spec"),
            tile(f"{summary['mismatches']:,}", "mismatches", bad=summary["mismatches"] > 0),
            *_node_tiles(summary["nodes"]),
        ]
    )
    markets = table(
        (
            "market",
            "first price",
            "lowest",
            "last",
            "MM first",
            "MM highest",
            "IM first",
            "IM highest",
            "worst day",
            "days over MM",
            "over a static MM",
        ),
        [
            (
                escape(item["name"]),
                *(f"{item[key]:,.6g}" for key in ("first_price", "lowest_price", "last_price")),
                *(
                    f"{item[key]:.1%}"
                    for key in (
                        "mm_first",
                        "mm_highest",
                        "im_first",
                        "im_highest",
                        "worst",
                        "exceeded",
                        "exceeded_static",
                    )
                ),
            )
            for item in summary["coverage"]
        ],
    )
    accounts = table(
        ("account", "funded", "topped up", "equity at the end", "calls", "bids", "taken", "discount paid", "state"),
        [
            (
                escape(story["name"]),
                f"{story['funded']:,.0f}",
                f"{story['topped_up']:,.0f}",
                f"{story['equity']:,.0f}",
                f"{story['calls']}",
                f"{story['bids']}",
                f"{story['taken']:.0%}",
                f"{story['paid_discount']:,.0f}",
                escape(story["state"].lower()),
            )
            for story in summary["stories"]
        ],
    )
    events = table(
        ("time [UTC]", "what", "account", "", "price"),
        [
            (
                moment(event["time"]),
                f'<span class="k k-{escape(event["kind"].replace(" ", "-"))}">{escape(event["kind"])}</span>',
                escape(event["account"]),
                escape(event["text"]),
                f"{event['price']:,.6g}" if event["price"] else "",
            )
            for event in summary["events"]
        ],
        "left",
    )
    numbers = table(("", ""), [(escape(name.strip()), f"<b>{escape(value)}</b>") for name, value in rows(summary)])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plimsoll: {escape(names)}, {date(summary["start"])} to {date(summary["end"])}</title>
<style>{CSS}</style>
</head>
<body>
<main>
<h1>{escape(names)}, {date(summary["start"])} to {date(summary["end"])}</h1>
<p class="muted">Real prices, replayed through the contracts on a local chain. All times UTC, money in quote.</p>
<div class="tiles">{tiles}</div>
<div class="card"><img alt="Prices, liquidations and margin rates" src="data:image/png;base64,{picture}"></div>
<p>The index moves in steps through every bar. At each step the keeper looks, posts a report signed by a quorum of
risk nodes when one is due, calls accounts under their call line, brings in what their owners mandated beforehand, and
opens auctions of those still under maintenance margin when their notice has passed; bidders take what part brings an
account back to initial margin. Owners top up, cut, or do nothing. Trades and liquidations pay fees into an insurance
fund, which pays what a liquidated account cannot. After every report each account's margin and state on chain is
compared, to the last unit, with the integer specification in Python.{_node_text(summary["nodes"])}</p>
<p>Risk is measured on bars that had closed. The grey area is the largest move, either way, over the trading day after
each moment: where it stands above a margin line, that margin would not have covered a day without acting. A static MM
is the first day's, kept for ever.</p>
<h2>Result</h2>
<div class="card narrow">{numbers}</div>
<h2>Markets</h2>
<div class="card">{markets}</div>
<h2>Accounts</h2>
<div class="card">{accounts}</div>
<h2>Events</h2>
<div class="card scroll">{events}</div>
</main>
</body>
</html>
"""
