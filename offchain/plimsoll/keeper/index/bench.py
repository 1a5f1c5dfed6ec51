"""How long a block takes: index and screening of generated accounts, on one core.

    python -m plimsoll.keeper.index.bench --accounts 100000 --json

The log is generated, read from the first event on into a database, and then followed: each block brings 200 trades,
is applied in a transaction of its own, and after it every account is screened over the rows of a report. What is told
is processor time, which on a machine that others use too is what a core of one's own would take; `wall_seconds` is
what the clock said.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from eth_utils.address import to_checksum_address

from plimsoll.chain.artifacts import load_all
from plimsoll.chain.contract import Contract
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.index.decode import Deployed
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.index.generate import Listing, generated_log
from plimsoll.keeper.index.screener import Screener
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.screen import drawn_snapshot, peak_gibibytes, table_of, view_of
from plimsoll.spec.margin import View

NAMES: Final = ("IndexFeed", "Registry", "Clearinghouse", "Liquidator")
QUOTE: Final = 0xC0FFEE
QUOTE_SCALE: Final = 10**12  # [wad] per unit of a token of six decimals
BLOCKS: Final = 20
EVENTS: Final = 200  # in each


@cache
def made_up() -> Deployed:
    """A deployment that is on no chain: contracts with their interfaces, at made-up addresses."""
    compiled = load_all(NAMES)
    chain = EmbeddedChain()
    contracts = tuple(
        Contract(chain, to_checksum_address((0xA0 + k).to_bytes(20, "big")), compiled[name])
        for k, name in enumerate(NAMES)
    )
    return Deployed(chain.chain_id, contracts, QUOTE, QUOTE_SCALE)


def drawn_market(seed: int) -> tuple[View, list[Listing]]:
    """What an oracle holds after a report on four underlyings with 1,300 rows, and all these rows at their marks."""
    snapshot = drawn_snapshot(seed)
    view = view_of(Engine(EwmaFhs()).report(snapshot), snapshot)
    table = table_of(view)
    return view, [
        Listing(key, float(table.row[at, 1]), float(table.market[table.underlying[at], 0]))
        for key, at in table.places.items()
    ]


def measure(
    accounts: int, seed: int = 1, blocks: int = BLOCKS, events: int = EVENTS, folder: Path | None = None
) -> dict[str, Any]:
    """Time and memory of following generated accounts.

    Parameters
    ----------
    accounts, seed
        Of the log; an account holds eight positions on average.
    blocks, events
        Blocks that are measured, and trades in each.
    folder
        Where the database goes; a temporary one where None.

    Returns
    -------
    dict
        `seconds_per_block`, of the slowest block, update and screening together, processor time; `mean_seconds`;
        `update_seconds` and `screen_seconds` of the slowest; `wall_seconds` of the slowest by the clock; `load_seconds`
        and `load_wall_seconds` of the first reading; `reload_seconds` of opening the database again; `gib`, the most
        that the process held; `file_gib`; `accounts`, `positions`, `rows`, `events` in the log; how many accounts are
        `below`, `near`, `exact` at the end.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = (folder or Path(temporary)) / "index.db"
        deployed = made_up()
        view, listings = drawn_market(seed)
        log = generated_log(accounts, seed, deployed, listings)
        loading, loading_by_clock = time.process_time(), time.perf_counter()
        index = AccountIndex(path, deployed, log, stride=100)
        loaded = index.update()
        screener = Screener(index)
        screener.screen(view)  # compiles, and takes all accounts over
        loading, loading_by_clock = time.process_time() - loading, time.perf_counter() - loading_by_clock
        spent: list[tuple[float, float, float]] = []
        for _ in range(blocks):
            log.grow(events)
            clock, start = time.perf_counter(), time.process_time()
            index.update()
            between = time.process_time()
            found = screener.screen(view)
            spent.append((between - start, time.process_time() - between, time.perf_counter() - clock))
        peak = peak_gibibytes()
        index.close()
        reloading = time.process_time()
        AccountIndex(path, deployed, log).close()
        reloading = time.process_time() - reloading
        return {
            "seconds_per_block": max(update + screening for update, screening, _ in spent),
            "mean_seconds": sum(update + screening for update, screening, _ in spent) / blocks,
            "update_seconds": max(update for update, _, _ in spent),
            "screen_seconds": max(screening for _, screening, _ in spent),
            "wall_seconds": max(wall for _, _, wall in spent),
            "load_seconds": loading,
            "load_wall_seconds": loading_by_clock,
            "reload_seconds": reloading,
            "gib": peak,
            "file_gib": path.stat().st_size / 2**30,
            "accounts": found.accounts,
            "positions": len(screener.arrays.positions().items),
            "rows": len(listings),
            "events": loaded.events,
            "below": len(found.below),
            "near": len(found.near),
            "exact": len(found.exact),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(prog="plimsoll.keeper.index.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.accounts, chosen.seed, chosen.blocks)
    if chosen.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.writelines(f"{name:18} {value:,.3f}\n" for name, value in found.items())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
