"""Agreement at scale: draw so many cases, run each on bytecode and in the twin, demand the same to the last unit.

    python -m tests.scale --cases 100000
    python -m tests.scale --cases 1000000 --seed 7 --jobs 2 --record
    python -m tests.scale --cases 50000 --kinds margin auction
    python -m tests.scale --seed 7 --replay 12:345
    python -m tests.scale --planted all

A case counts when its whole external call ran on bytecode (calldata in; returndata, revert data and logs out, compared
byte by byte) and the whole of the twin's function ran on the same input. Cases are drawn from arrays seeded with (seed,
block, scene): an address, block:place, is the same case wherever it is run. A case that differs is shrunk through
Hypothesis and kept in tests/scale/cases/, where an ordinary test replays it.

With `--json` one object: `part`, `ok`, `seconds` (wall), `processor_seconds` (of all processes), `counts` (`cases`,
`mismatches`, `scenes`, `gas`, `positions` by bucket; `kinds`: for each `cases`, `reverts`, `reasons`, `gas`, `sizes`,
seconds of drawing, chain and spec), `findings` (a line each, with the command that replays it), `seed`, `jobs`.
With `--planted`, `counts` has `planted` and `found`, and `plants` a row for each: seconds from bare contracts to the
finding, wall and processor, and those of compiling, which do not count.

Exit code 0 where all agree, 1 where a case differs or a planted fault is not found in time, 2 on bad input.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.pairs import Mismatch
from tests.scale import record
from tests.scale.engine import KINDS, SCENE, Finding, Stands, Tally, family_of
from tests.scale.kept import FOLDER, drawn_again, replay, shrunk
from tests.scale.kind import CASES
from tests.scale.planted import FAULTS, PATIENCE, Hunt, hunt
from tests.scale.shards import tallies, total

DEFAULT = 10_000
SHRINKING = 60.0  # [s]
WIDTH = 110  # [columns] of the table


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    made = argparse.ArgumentParser(
        prog="python -m tests.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--cases", type=int, default=DEFAULT, metavar="N", help="how many (default: %(default)s)")
    made.add_argument("--seed", type=int, metavar="S", help="of what is drawn (default: one not on record)")
    made.add_argument("--jobs", type=int, default=2, metavar="J", help="processes (default: %(default)s)")
    made.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of cases (default: all)")
    made.add_argument("--json", action="store_true", help="one object instead of tables")
    made.add_argument("--record", action="store_true", help="add this run to docs/agreement.json")
    made.add_argument("--replay", metavar="BLOCK:PLACE", help="run one case of the seed alone, and show it")
    made.add_argument("--planted", nargs="+", choices=["all", *FAULTS], metavar="FAULT", help="plant these, and hunt")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for."""
    made = parser()
    chosen = made.parse_args(arguments)
    if chosen.seed is None:
        chosen.seed = record.next_seed()
    if chosen.cases < 1 or chosen.jobs < 1 or chosen.seed < 0:
        made.error("--cases and --jobs are 1 or more, --seed is 0 or more")
    if chosen.planted:
        return planted(chosen)
    if chosen.replay:
        try:
            block, place = map(int, chosen.replay.split(":"))
        except ValueError:
            made.error(f"--replay wants BLOCK:PLACE, two numbers, not {chosen.replay!r}")
        least = SCENE - (CASES - 1) // family_of(block, chosen.kinds)[0].cases
        if block < 0 or not least <= place < CASES:
            made.error(f"--replay: a block is 0 or more, a place under {CASES}, or {SCENE} to {least} for a scene")
        return one(chosen, block, place)
    return many(chosen)


# ----------------------------------------------------------------------------------------------------- many cases


def bar() -> Progress:
    """How far it is."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def many(chosen: argparse.Namespace) -> int:
    """Draw, compare, tell, record; shrink and keep what differs."""
    told = Console(stderr=True, highlight=False, soft_wrap=True)
    count = -(-chosen.cases // CASES)
    told.print(f"seed {chosen.seed}: blocks 0 to {count - 1} of {CASES} cases, by {chosen.jobs} processes")
    code, start, own = record.code(), time.perf_counter(), time.process_time()
    with bar() as progress:
        task = progress.add_task("agreement", total=chosen.cases)
        found = tallies(chosen.cases, chosen.seed, chosen.jobs, chosen.kinds)
        sums = total(found, lambda cases: progress.advance(task, cases))
    seconds = time.perf_counter() - start
    sums.processor += time.process_time() - own
    lines = [f"{finding.kind}: {finding.what}  [{command(chosen, finding)}]" for finding in sums.findings]
    for line in lines:
        told.print(f"[red]{line}[/]")
    if sums.findings:
        told.print("shrinking the first ...")
        kept = shrunk(Stands(), chosen.seed, sums.findings[0], chosen.kinds, SHRINKING)
        told.print(f"kept as {kept.write(FOLDER).name}: {kept.what}")
    if chosen.record:
        record.append(record.run_of(code, sums, chosen.seed, chosen.jobs, seconds))
    if chosen.json:
        print(json.dumps(as_json(chosen, sums, seconds, lines)))  # noqa: T201
    else:
        console = Console()
        console.width = max(console.width, WIDTH)
        console.print(table_of(sums))
        rate = sums.cases / seconds
        console.print(
            f"{sums.cases:,} cases, {len(sums.findings)} mismatches; {seconds:.1f} s, {sums.processor:.1f} s of"
            f" processor, {rate:,.0f} cases a second; {sums.scenes} scenes, {sums.setting:.1f} s to set them",
            highlight=False,
        )
    return 1 if sums.findings else 0


def command(chosen: argparse.Namespace, finding: Finding) -> str:
    """What replays exactly this case."""
    kinds = "" if len(chosen.kinds) == len(KINDS) else f" --kinds {' '.join(chosen.kinds)}"
    return f"python -m tests.scale --seed {chosen.seed} --replay {finding.block}:{finding.place}{kinds}"


def as_json(chosen: argparse.Namespace, sums: Tally, seconds: float, lines: list[str]) -> dict[str, Any]:
    """The object of `--json`."""
    kinds = {
        name: {
            "cases": row.cases,
            "reverts": row.reverts,
            "reasons": dict(row.reasons.most_common()),
            "gas": row.gas,
            "sizes": {str(size): count for size, count in sorted(row.sizes.items())},
            "drawing": round(row.drawing, 1),
            "on_chain": round(row.on_chain, 1),
            "in_spec": round(row.in_spec, 1),
        }
        for name, row in sorted(sums.rows.items())
    }
    return {
        "part": "scale",
        "ok": not sums.findings,
        "seconds": round(seconds, 1),
        "processor_seconds": round(sums.processor, 1),
        "counts": {
            "cases": sums.cases,
            "mismatches": len(sums.findings),
            "scenes": sums.scenes,
            "gas": sum(row.gas for row in sums.rows.values()),
            "positions": record.positions(sums),
            "kinds": kinds,
        },
        "findings": lines,
        "seed": chosen.seed,
        "jobs": chosen.jobs,
    }


def table_of(sums: Tally) -> Table:
    """Kinds: how many, how many refused, of what size, how much gas, how long."""
    table = Table(
        "kind", "cases", "refused", "to 8", "to 32", "to 126", "127", "gas each", "draw", "chain", "spec",
        title="Agreement at scale; positions a case; seconds",
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in sorted(sums.rows.items(), key=lambda item: -item[1].cases):
        sizes = [row.sizes[0] + row.sizes[1] + row.sizes[8], row.sizes[32], row.sizes[126], row.sizes[127]]
        table.add_row(
            name,
            f"{row.cases:,}",
            f"{100 * row.reverts / row.cases:.1f} %",
            *(f"{size:,}" for size in sizes),
            f"{row.gas // row.cases:,}",
            *(f"{seconds:.1f}" for seconds in (row.drawing, row.on_chain, row.in_spec)),
        )
    return table


# ------------------------------------------------------------------------------------------------------- one case


def one(chosen: argparse.Namespace, block: int, place: int) -> int:
    """Run one case alone, and say what it is."""
    stands = Stands()
    kept, _ = drawn_again(stands, chosen.seed, Finding(block, place, "", ""), chosen.kinds)
    try:
        seen = replay(stands, kept)
    except Mismatch as mismatch:
        said, ok = str(mismatch), False
    else:
        said, ok = "both agree" + (f": refused, {seen.reason!r}" if seen.reason is not None else ""), True
    if chosen.json:
        findings = [] if ok else [f"{kept.case.kind}: {said}"]
        counts = {"cases": 1, "mismatches": len(findings)}
        print(json.dumps({"part": "scale", "ok": ok, "counts": counts, "findings": findings, **json.loads(kept.text)}))  # noqa: T201
    else:
        console = Console(highlight=False, soft_wrap=True)
        console.print(f"{kept.case.kind} {kept.found}, {kept.case.size} positions", markup=False)
        console.print(f"arguments {kept.case.args}", markup=False)
        console.print(said, markup=False)
    return 0 if ok else 1


# --------------------------------------------------------------------------------------------------- planted faults


def planted(chosen: argparse.Namespace) -> int:
    """Plant faults, and say how soon each is found."""
    names = list(FAULTS) if "all" in chosen.planted else list(dict.fromkeys(chosen.planted))
    start, hunts = time.perf_counter(), []
    with bar() as progress:
        task = progress.add_task("planted faults", total=len(names))
        for name in names:
            progress.update(task, description=name)
            hunts.append(hunt(name, chosen.seed))
            progress.advance(task)
    lost = [f"{each.fault}: {said_of(each)}" for each in hunts if not is_soon(each)]
    if chosen.json:
        rows = [
            {
                "fault": each.fault,
                "found": each.finding is not None,
                "kind": each.finding.kind if each.finding else None,
                "cases": each.cases,
                "seconds": round(each.seconds, 2),
                "processor_seconds": round(each.processor, 2),
                "compiling": round(each.compiling, 1),
            }
            for each in hunts
        ]
        print(  # noqa: T201
            json.dumps(
                {
                    "part": "scale",
                    "ok": not lost,
                    "seconds": round(time.perf_counter() - start, 1),
                    "counts": {"planted": len(hunts), "found": sum(each.finding is not None for each in hunts)},
                    "findings": lost,
                    "plants": rows,
                }
            )
        )
        return 1 if lost else 0
    table = Table(
        "fault", "found by", "after cases", "seconds", "processor", "compiling", title="Planted faults of one unit"
    )
    for each in hunts:
        kind = each.finding.kind if each.finding else "nothing"
        table.add_row(
            each.fault, kind, f"{each.cases:,}", *(f"{s:.1f}" for s in (each.seconds, each.processor, each.compiling))
        )
    Console().print(table)
    return 1 if lost else 0


def is_soon(found: Hunt) -> bool:
    """Whether a fault was found in time."""
    return found.finding is not None and found.seconds < PATIENCE


def said_of(found: Hunt) -> str:
    """How a hunt ended."""
    return f"found after {found.seconds:.1f} s" if found.finding else f"not found in {found.cases:,} cases"


if __name__ == "__main__":
    sys.exit(main())
