"""Searches on the enforced margin: for a book that loses more than its margin, and for a split that lowers one.

    python -m tests.searches
    python -m tests.searches --books 200 --seed 7 --families basis skew
    python -m tests.searches --json

With `--json` one object: `part`, `ok`, `seconds`, `counts`, `findings` (a line for each book that should not be).
Exit code 1 where a search finds one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from plimsoll.risk import adversary
from plimsoll.risk.adversary import FAMILIES
from tests.searches import cheapest, split
from tests.searches.chain import Chain

BOOKS = 600


def main(arguments: list[str] | None = None) -> int:
    """Search, print, and say by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.searches", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--books", type=int, default=BOOKS, help="books to split (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the books (default: %(default)s)")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="of shocks")
    parser.add_argument("--every", type=int, default=1, help="only every so many of each family's shocks")
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    chosen = parser.parse_args(arguments)
    if chosen.books < 1 or chosen.every < 1:
        parser.error("--books and --every are 1 or more")
    start = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        targets = adversary.targets()
        task = progress.add_task("cheapest losing book", total=len(targets))
        losing = cheapest.search(targets, chosen.families, chosen.every, lambda: progress.advance(task))
        task = progress.add_task("splits", total=chosen.books)
        found = split.search(chosen.books, chosen.seed, Chain().held, lambda: progress.advance(task))
    findings = [f"split: {line}" for line in found.gains]
    if losing.excess > 0:
        findings.append(f"a book loses {losing.excess} coins more than its margin")
    counts = {
        "programs": losing.programs,
        "worst_excess": losing.excess,
        "worst_ratio": losing.ratio,
        "free_loss": losing.free_loss,
        "books_on_chain": losing.on_chain,
        "split_books": found.books,
        "splits": found.splits,
        "split_on_chain": found.on_chain,
        "largest": found.largest,
        "split_gain": found.most,
        "concentration_avoided": found.avoiding,
        "concentration_share": found.most_of_mm,
    }
    if chosen.json:
        said = {"part": "searches", "ok": not findings, "seconds": round(time.monotonic() - start, 1)}
        print(json.dumps(said | {"counts": counts, "findings": findings, "source": losing.sources}))  # noqa: T201
        return 1 if findings else 0
    table = Table("search", "", title="Searches on the enforced margin")
    table.add_row("cheapest losing book", f"{losing.programs:,} linear programs on {losing.sources}")
    table.add_row("  largest loss beyond margin", f"{losing.excess:.3f} coins; {losing.ratio:.3f} of the margin")
    table.add_row("  without the gross charge", f"a book of margin 0 loses {losing.free_loss:.3f} coins")
    table.add_row("  asked of the bytecode", f"{losing.on_chain} books, each as the twin said")
    table.add_row("splits", f"{found.splits:,} of {found.books:,} books, up to {found.largest} positions")
    table.add_row("  largest gain", f"{found.most:,} units of 1e-18, concentration aside")
    table.add_row(
        "  concentration avoided", f"by {found.avoiding} books; at most {100 * found.most_of_mm:.1f} % of the margin"
    )
    table.add_row("  asked of the bytecode", f"{found.on_chain:,} books, each as the twin said")
    console = Console()
    console.print(table)
    for line in findings:
        console.print(f"[red]{line}[/]", soft_wrap=True)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
