"""A keeper at a glance: its status as a page of a terminal, wide or narrow.

What an operator must act on comes first: that the keeper is down, alerts, then accounts and auctions; then what the
keeper stands on. Text of the status comes from far away (an error of a venue, say): it is shown as text, and what is no
printable character as a space, so that nobody draws on this terminal but us.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from plimsoll.keeper.status import STATES, AccountStatus, Status, account_text

WIDE: Final = 120  # columns from which two tables stand beside each other
STATE_STYLES: Final = {
    "healthy": "green",
    "restricted": "cyan",
    "called": "yellow",
    "liquidatable": "bold red",
    "insolvent": "bold white on red",
}
DIM: Final = "bright_black"
BAD: Final = "bold red"
POOR: Final = "yellow"
GOOD: Final = "green"


def printable(text: str) -> str:
    """A text without what a terminal obeys."""
    return "".join(char if char.isprintable() else " " for char in text)


def span(seconds: float) -> str:
    """A length of time as people say it, in its largest two units."""
    whole = max(0, int(seconds))
    for size, unit, small, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def short(text: str, keep: int = 6) -> str:
    """A hash or an address by its ends."""
    if len(text) <= 2 * keep + 3 or not text.startswith("0x"):
        return text
    return f"{text[: keep + 2]}…{text[-4:]}"


def short_account(account: str) -> str:
    """An account by its owner's ends and its number."""
    owner, colon, number = account_text(account).partition(":")
    return short(owner) + colon + number


def amount(value: float) -> str:
    """Money, in as many digits as are read at a glance."""
    for least, size, unit in ((1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e5, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / size:,.2f}{unit}"
    return f"{value:,.2f}"


def rate(value: float | None) -> str:
    """A share in percent; nothing where none is known."""
    return "" if value is None else f"{value:.1%}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its head, whether it is text (left) or a number (right), and whether it may take several lines."""

    name: str
    text: bool = False
    folds: bool = False


Cell = str | Text


def _table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], rest: int = 0) -> RenderableType:
    """A titled table; `rest` rows more are not shown."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=DIM, expand=False)
    for column in columns:
        table.add_column(
            column.name,
            justify="left" if column.text else "right",
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    parts: list[RenderableType] = [_title(title), table if rows else Text("none", style=DIM)]
    if rest > 0:
        parts.append(Text(f"and {rest} more", style=DIM))
    return Group(*parts)


def _title(title: str) -> RenderableType:
    return Rule(Text(title, style="bold"), align="left", style=DIM, characters="─")


def _styled(text: str, style: str) -> Text:
    return Text(printable(text), style=style)


def _graded(text: str, *, bad: bool, poor: bool = False) -> Text:
    return _styled(text, BAD if bad else POOR if poor else "")


# ------------------------------------------------------------------------------------------------------------- sections


def _header(status: Status, url: str, error: str) -> RenderableType:
    loop, report, head = status.loop, status.report, status.head
    grid = Table.grid(padding=(0, 3, 0, 0))
    for _ in range(4):
        grid.add_column(no_wrap=True, overflow="ellipsis")
    running = span(status.time - status.started) if status.started else ""
    grid.add_row(
        _named("chain", str(status.chain_id)),
        _named("block", f"{head.number:,}"),
        _named("report", str(report.sequence) if report.sequence else "none"),
        _named("round", f"{loop.rounds:,}"),
    )
    late = bool(report.heartbeat) and report.age > 1.25 * report.heartbeat
    stale = bool(report.max_age) and report.age > 0.8 * report.max_age
    of = f" of {span(report.heartbeat)}" if report.heartbeat else ""
    grid.add_row(
        _named("up", running),
        _named("age", span(head.age), bad=head.age > 90),
        _named("age", span(report.age) + of if report.sequence else "", bad=stale, poor=late),
        _named("ended", span(loop.age) + " ago", bad=loop.age > 120),
    )
    parts: list[RenderableType] = []
    title = Text("PLIMSOLL ", style="bold").append(printable(status.version), style=DIM).append(f"  {url}", style=DIM)
    if loop.dry_run:
        title.append("  DRY RUN", style="bold yellow")
    parts.append(title)
    if error:
        parts.append(_styled(f"the keeper does not answer: {error}; what follows was its last word", BAD))
    parts.append(grid)
    for what, part in (("posting", loop), ("enforcing", status.enforcing)):
        if part is None:
            continue
        if part.halted:
            parts.append(_styled(f"{what} halted: {part.halted}", BAD))
        elif part.failures_in_a_row:
            parts.append(_styled(f"{part.failures_in_a_row} {what} rounds failed in a row: {part.last_error}", POOR))
    if report.reasons:
        parts.append(Text("last posted for ", style=DIM).append(printable("; ".join(report.reasons)), style=""))
    if report.refused:
        parts.append(_styled(f"{report.refused} posts refused in a row: {report.last_error}", POOR))
    return Group(*parts)


def _named(name: str, value: str, *, bad: bool = False, poor: bool = False) -> Text:
    return Text(f"{name} ", style=DIM).append(_graded(value, bad=bad, poor=poor))


def _alerts(status: Status) -> RenderableType | None:
    if not status.alerts:
        return None
    rows = [
        (
            _styled(item.severity, BAD if item.severity == "page" else POOR),
            item.name,
            span(status.time - item.since) if item.since else "",
            item.text,
        )
        for item in status.alerts
    ]
    columns = [Column("", text=True), Column("alert", text=True), Column("since"), Column("", text=True, folds=True)]
    return _table("alerts", columns, rows)


def _state(state: str) -> Text:
    return _styled(state, STATE_STYLES.get(state, ""))


def _accounts(status: Status, most: int, *, wide: bool) -> RenderableType:
    held = status.accounts
    counts = "  ".join(f"{state} {held.states[state]:,}" for state in reversed(STATES) if held.states.get(state))
    title = f"accounts near the edge, of {held.indexed:,}" + (f" ({counts})" if counts else "")
    columns = [Column("account", text=True), Column("state", text=True)]
    columns += [Column(name) for name in ("equity", "MM", *(("IM",) if wide else ()), "E / MM", "p", "waits")]
    return _table(title, columns, [_account(item, wide=wide) for item in held.near[:most]], len(held.near) - most)


def _account(item: AccountStatus, *, wide: bool) -> Sequence[Cell]:
    return (
        short_account(item.account),
        _state(item.state),
        amount(item.equity),
        amount(item.mm),
        *((amount(item.im),) if wide else ()),
        rate(item.ratio),
        rate(item.probability),
        _graded(f"{item.waiting}" if item.waiting else "", bad=item.waiting > 10, poor=item.waiting > 3),
    )


def _auctions(status: Status, most: int) -> RenderableType:
    rows = [
        (
            short_account(item.account),
            span(item.age),
            amount(item.equity),
            rate(item.discount),
            _graded(str(item.bids), bad=item.bids == 0 and item.age > 600, poor=item.bids == 0),
        )
        for item in status.auctions[:most]
    ]
    columns = [Column("account", text=True), *(Column(name) for name in ("open", "equity", "discount", "bids"))]
    return _table("auctions", columns, rows, len(status.auctions) - most)


def _transactions(status: Status, most: int) -> RenderableType:
    rows = [
        (
            item.purpose,
            short_account(item.ref) if item.ref.startswith("0x") else item.ref,
            item.state,
            str(item.nonce),
            _graded(span(item.age), bad=item.age > 300, poor=item.age > 60),
            "" if item.max_fee is None else f"{item.max_fee:.2f}",
            str(item.attempts),
        )
        for item in status.transactions[:most]
    ]
    columns = [Column("for", text=True), Column("of", text=True, folds=True), Column("state", text=True)]
    columns += [Column(name) for name in ("nonce", "age", "gwei", "signed")]
    return _table("transactions under way", columns, rows, len(status.transactions) - most)


def _sources(status: Status, most: int) -> RenderableType:
    rows = [
        (
            item.market,
            item.name,
            "" if item.price is None else f"{item.price:,.8g}",
            span(item.age),
            _styled("used", GOOD) if item.used else _styled(item.dropped or "dropped", POOR),
            str(item.failures),
        )
        for item in status.sources[:most]
    ]
    columns = [Column("market", text=True), Column("source", text=True), Column("price"), Column("age")]
    columns += [Column("", text=True, folds=True), Column("failed")]
    return _table("sources", columns, rows, len(status.sources) - most)


def _signers(status: Status, most: int) -> RenderableType:
    if not status.signers:
        return Group(_title(f"signers, quorum {status.report.quorum}"), Text("no other is asked", style=DIM))
    good = sum(item.ok for item in status.signers)
    rows = [
        (
            short(item.name),
            _styled("signs", GOOD) if item.ok else _styled(item.error or "silent", POOR),
            span(status.time - item.last_answer) + " ago" if item.last_answer else "never",
        )
        for item in status.signers[:most]
    ]
    columns = [Column("signer", text=True, folds=True), Column("", text=True, folds=True), Column("answered")]
    title = f"signers, {good} of {len(status.signers)}, quorum {status.report.quorum}"
    return _table(title, columns, rows, len(status.signers) - most)


def _keys(status: Status, most: int) -> RenderableType:
    rows = []
    for item in status.keys[:most]:
        left = item.days_left
        capped = item.cap is not None and item.spent_today >= item.cap
        days = "" if left is None else f"{left:,.0f}" if left < 10_000 else ">9,999"
        rows.append(
            (
                item.role,
                short(item.address),
                _graded(f"{item.balance:.4f}", bad=item.balance <= 0),
                _graded(days, bad=left is not None and left < 1, poor=left is not None and left < 7),
                _graded(f"{item.spent_today:.4f}" + (f"/{item.cap:g}" if item.cap is not None else ""), bad=capped),
                str(item.pending),
            )
        )
    columns = [Column("key", text=True), Column("address", text=True)]
    columns += [Column(name) for name in ("ether", "days", "spent", "unmined")]
    return _table("keys", columns, rows, len(status.keys) - most)


def _endpoints(status: Status, most: int) -> RenderableType:
    rows = [
        (
            item.url,
            f"{item.head:,}" if item.head else "",
            _graded(str(item.lag), bad=False, poor=item.lag > 3),
            "" if item.latency is None else f"{item.latency * 1000:.0f} ms",
            _styled(item.error or "down", BAD)
            if not item.healthy
            else _styled("good", GOOD)
            if item.agrees
            else _styled("another chain", POOR),
        )
        for item in status.endpoints[:most]
    ]
    columns = [Column("endpoint", text=True, folds=True), Column("block"), Column("lag"), Column("takes")]
    columns.append(Column("", text=True, folds=True))
    return _table("endpoints", columns, rows, len(status.endpoints) - most)


# ---------------------------------------------------------------------------------------------------------------- page


def draw(status: Status | None, width: int, url: str, error: str = "", most: int = 8) -> RenderableType:
    """A page of a keeper's status.

    Parameters
    ----------
    status
        The last one that was read; None: none yet.
    width
        Columns of the terminal.
    url
        Where it was read, without secrets.
    error
        Why the keeper does not answer now; empty where it does.
    most
        Rows of a table at most.
    """
    if status is None:
        lines = [Text("PLIMSOLL", style="bold").append(f"  {url}", style=DIM)]
        lines.append(_styled(f"the keeper does not answer: {error}", BAD) if error else Text("asking …", style=DIM))
        return Group(*lines)
    parts: list[RenderableType] = [_header(status, url, error)]
    alerts = _alerts(status)
    if alerts is not None:
        parts.append(alerts)
    parts.append(_accounts(status, most, wide=width >= WIDE))
    pairs: list[tuple[Callable[[Status, int], Any], Callable[[Status, int], Any]]] = [
        (_auctions, _transactions),
        (_sources, _signers),
        (_keys, _endpoints),
    ]
    for left, right in pairs:
        if width < WIDE:
            parts += [left(status, most), right(status, most)]
            continue
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(left(status, most), right(status, most))
        parts.append(grid)
    return Group(*parts)
