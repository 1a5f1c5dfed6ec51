"""An audit's report: as text for a terminal, a mail or a commit, and as one HTML file that needs nothing else.

Both are made of the same blocks, so that neither says what the other does not.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

from plimsoll.report.page import CSS, table, tile

if TYPE_CHECKING:
    from plimsoll.audit.run import Audit

WIDTH: Final = 118
MOST: Final = 400  # lines of a table in the text; the page has all
MARKS: Final = {"ok": "ok", "finding": "FINDING", "not run": "not run"}
STYLE: Final = """
.ok { color: #2d7d46; font-weight: 600; }
.finding { color: var(--rust); font-weight: 700; } .not-run { color: #a66b00; }
td { white-space: normal; vertical-align: top; } code { font-size: 13px; overflow-wrap: anywhere; }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--sea); } td, th { text-align: left; }
"""

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: what it is of, its head, its lines."""

    title: str
    head: Cells
    lines: tuple[Cells, ...]


def shown(value: Any) -> str:
    """A value in a cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    return "" if value is None else str(value)


def sheets(said: Mapping[str, Any]) -> Iterator[Sheet]:
    """What a part said beside its verdict: its counts, and every list of objects and object of objects, as tables."""
    counts = said.get("counts")
    if isinstance(counts, Mapping) and counts:
        yield Sheet("counts", ("", ""), tuple((key.replace("_", " "), shown(v)) for key, v in counts.items()))
    for key, value in said.items():
        if key in {"counts", "findings"}:
            continue
        items: Sequence[Any] = ()
        if isinstance(value, list):
            items = value
        elif isinstance(value, Mapping) and value and all(isinstance(v, Mapping) for v in value.values()):
            items = [{"": name, **item} for name, item in value.items()]
        if items and all(isinstance(item, Mapping) for item in items):
            head = tuple(dict.fromkeys(word for item in items for word in item))
            lines = tuple(tuple(shown(item.get(word)) for word in head) for item in items)
            yield Sheet(key.replace("_", " "), tuple(word.replace("_", " ") for word in head), lines)


def provenance_sheets(audit: Audit) -> Iterator[Sheet]:
    """What was audited."""
    found = audit.provenance
    changed = ", ".join(found.changed) if found.changed else "none"
    yield Sheet("what", ("", ""), (("commit", found.commit), ("files that differ from it", changed)))
    yield Sheet("versions", ("", ""), tuple(found.versions.items()))
    head = ("contract", "bytes", "keccak-256 of its runtime code")
    yield Sheet("code", head, tuple((name, f"{size:,}", code) for name, (code, size) in found.code.items()))
    yield Sheet("sources", ("file", "SHA-256"), tuple({**found.sources, **found.locks}.items()))


def summary(audit: Audit) -> Sheet:
    """The parts, a line each."""
    from plimsoll.audit.parts import PARTS  # noqa: PLC0415 - the report is read without it

    shows = {part.name: part.shows for part in PARTS}
    lines = tuple(
        (r.title, MARKS[r.verdict], f"{r.seconds:,.0f}", shows.get(r.name, "") if r.verdict == "ok" else r.findings[0])
        for r in audit.results
    )
    return Sheet("parts", ("part", "verdict", "s", "what that shows, or what is wrong"), lines)


def verdict(audit: Audit) -> str:
    """The one sentence."""
    wrong = [r.title for r in audit.results if r.verdict == "finding"]
    left = [r.title for r in audit.results if r.verdict == "not run"]
    sentence = f"Findings in: {', '.join(wrong)}." if wrong else "No part that ran has a finding."
    if left:
        sentence += f" Not run: {', '.join(left)}."
    if audit.provenance.changed:
        sentence += " The tree differs from its commit, so this is an audit of no commit."
    elif not audit.provenance.is_commit:
        sentence += " The tree is no checkout, so this is an audit of no commit."
    return sentence


def moment(audit: Audit) -> str:
    """When it began."""
    return datetime.fromtimestamp(audit.provenance.time, UTC).strftime("%Y-%m-%d %H:%M UTC")


# ----------------------------------------------------------------------------------------------------------- as text


def text(audit: Audit) -> str:
    """The report as text, at most `WIDTH` wide but for hashes and names."""
    lines = [f"Audit of Plimsoll, {moment(audit)}", f"commit {audit.provenance.commit}", "", *_wrapped(verdict(audit))]
    lines += ["", *_text_sheet(summary(audit))]
    for result in audit.results:
        lines += ["", f"{result.title}: {MARKS[result.verdict]}", "=" * (len(result.title) + 2 + len(result.verdict))]
        for finding in result.findings:
            lines += _wrapped(f"- {finding}", "  ")
        for sheet in sheets(result.said):
            lines += ["", *_text_sheet(sheet)]
    lines += ["", "What was audited", "================"]
    for sheet in provenance_sheets(audit):
        lines += ["", *_text_sheet(sheet)]
    lines += ["", "Known limits", "============"]
    for limit in audit.limits:
        lines += _wrapped(f"- {limit}", "  ")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _wrapped(sentence: str, indent: str = "") -> list[str]:
    return textwrap.wrap(sentence, WIDTH, subsequent_indent=indent, break_long_words=False) or [""]


def _text_sheet(sheet: Sheet) -> list[str]:
    """Columns as wide as what is in them; the last one wraps."""
    kept = sheet.lines[:MOST]
    widths = [min(60, max(len(row[at]) for row in (sheet.head, *kept))) for at in range(len(sheet.head) - 1)]
    room = max(30, WIDTH - sum(widths) - 2 * len(widths))
    lines = [sheet.title]
    for row in (sheet.head, *kept) if any(sheet.head) else kept:
        start = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        last = textwrap.wrap(row[-1], room, break_long_words=False) or [""]
        lines.append(f"  {start}  {last[0]}")
        lines += [" " * (len(start) + 4) + more for more in last[1:]]
    if len(sheet.lines) > MOST:
        lines.append(f"  and {len(sheet.lines) - MOST:,} more, in audit.json")
    return lines


# --------------------------------------------------------------------------------------------------------- as a page


def page(audit: Audit) -> str:
    """The report as HTML, complete."""
    counts = {r.name: r.said.get("counts", {}) for r in audit.results}
    tiles = "".join(
        tile(shown(counts.get(part, {}).get(key)), label)
        for part, key, label in (
            ("properties", "held", "numbered properties held"),
            ("agreement", "cases", "cases on chain and twin"),
            ("proofs", "lemmas", "lemmas proven"),
            ("symbolic", "checks", "symbolic checks of bytecode"),
        )
        if counts.get(part, {}).get(key) is not None
    )
    parts: list[Cells] = [
        (escape(title), f'<span class="{css(how)}">{how}</span>', seconds, escape(what))
        for title, how, seconds, what in summary(audit).lines
    ]
    bodies = "".join(_section(audit, result.name) for result in audit.results)
    audited = "".join(_details(sheet, is_open=sheet.title == "what") for sheet in provenance_sheets(audit))
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in audit.limits)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of Plimsoll, {escape(moment(audit))}</title><style>{CSS}{STYLE}</style></head>
<body><main>
<h1>Audit of Plimsoll</h1>
<p class="muted">{escape(moment(audit))} &middot; commit <code>{escape(audit.provenance.commit)}</code>
&middot; {audit.seconds / 60:,.0f} minutes</p>
<p class="{"ok" if audit.ok else "finding"}">{escape(verdict(audit))}</p>
<div class="tiles">{tiles}</div>
<div class="card">{table(("part", "verdict", "s", "what that shows, or what is wrong"), parts, "left")}</div>
{bodies}
<h2>What was audited</h2>
<div class="card">{audited}</div>
<h2>Known limits</h2>
<ul>{limits}</ul>
</main></body></html>
"""


def css(mark: str) -> str:
    """The class of a verdict as shown."""
    return mark.lower().replace(" ", "-")


def _section(audit: Audit, name: str) -> str:
    result = audit.result(name)
    findings = "".join(f'<li class="finding">{escape(finding)}</li>' for finding in result.findings)
    found = "".join(_details(sheet, is_open=sheet.title == "counts") for sheet in sheets(result.said))
    mark = MARKS[result.verdict]
    return f"""<h2>{escape(result.title)} <span class="{css(mark)}">{mark}</span></h2>
<ul>{findings}</ul><div class="card">{found or '<p class="muted">nothing more to show</p>'}</div>"""


def _details(sheet: Sheet, *, is_open: bool) -> str:
    body = [tuple(escape(cell) for cell in row) for row in sheet.lines]
    summed = f"<summary>{escape(sheet.title)} ({len(body):,})</summary>"
    return f"<details{' open' if is_open else ''}>{summed}{table(sheet.head, body, 'left')}</details>"
