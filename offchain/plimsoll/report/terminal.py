"""What tables in a terminal share: how money reads, and no frames."""

from __future__ import annotations

from decimal import Decimal

from rich.table import Table


def money(text: str) -> str:
    """An amount in decimal text, to two digits."""
    return f"{Decimal(text):,.2f}"


def frameless(*names: str, left: int = 1) -> Table:
    """A table without a frame; the first `left` columns are text. Without any name it has no head."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black", show_header=any(names))
    for k, name in enumerate(names):
        table.add_column(name, justify="left" if k < left else "right", no_wrap=True)
    return table
