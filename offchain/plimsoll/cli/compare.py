"""`plimsoll compare`: compare what a book is asked here and elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from plimsoll.cli.base import EPILOG, FILE, OK, cli, show


@cli.command(epilog=EPILOG)
@click.argument("book", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="As JSON: all parts of every requirement.")
def compare(book: Path, *, as_json: bool) -> int:
    """Show what we ask of a BOOK beside what classic SPAN, PMRM2, a Deribit-style matrix and static margin would.

    BOOK is a JSON file of a time, cash, underlyings and positions; docs/book.example.json is one. An underlying has a
    spot, and either a scan_range (0.12: our lanes reach 12 % either way) or prices, an OHLCV file beside the book that
    our model measures it on; it may have perp, forwards (expiry: price), volatility and depth. A position has an
    underlying, a kind (perp, future, call, put, spot) and a quantity; dated kinds have an expiry, options a strike, and
    a volatility here or at their underlying. Times are 2026-01-30T08:00Z or unix seconds.

    \b
      plimsoll compare docs/book.example.json
      plimsoll compare book.json --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.report.compare import compare as compared  # noqa: PLC0415 - scipy is slow to import
    from plimsoll.report.compare import compare_tables  # noqa: PLC0415
    from plimsoll.risk.reference.book import Book  # noqa: PLC0415

    found = compared(Book.load(book))
    show(found, lambda: compare_tables(found), 120, as_json=as_json)
    return OK
