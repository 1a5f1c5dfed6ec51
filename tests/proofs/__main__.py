"""Proves every lemma and refutes its twin: `python -m tests.proofs [--id L-07] [--json]`.

With `--json`, one object: {"part": "proofs", "ok": bool, "seconds": s, "counts": {"lemmas", "proven", "refuted",
"claims", "paths", "unchecked", "worked_out"}, "findings": [sentence], "lemmas": [{"id", "sentence", "verdict", "ms",
"claims", "paths", "used_in", "twin": {"what", "verdict", "ms", "claim", "example", "executed", "sound"}}]}. A
counterexample is executed: the faulty code must fail on it (`fails`), the sound one must not (`holds`, or `refused`
where it reverts). `unchecked` counts the `unsafe_*` operations of the contracts, `worked_out` those that a lemma of
their function executes: all, or it is a finding; one lemma alone (`--id`) is not asked about them.

Exit codes: 0 all proven and all twins refuted, 1 a lemma is not or a twin stands, 2 no such lemma.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.proofs.lemmas import PROOFS
from tests.proofs.prove import Verdict, attempt, execute, seen_by
from tests.proofs.registry import LEMMAS
from tests.proofs.vyper import unsafe_calls

EXAMPLES = """examples:
  python -m tests.proofs                 all of them, as a table
  python -m tests.proofs --id L-07       one of them
  python -m tests.proofs --json          one JSON object, for a report
"""


def judge(lemma: str) -> dict[str, Any]:
    """A lemma's verdict and its twin's."""
    entry = PROOFS[lemma]
    found = attempt(entry)
    twin = attempt(entry, twin=True)
    executed = sound = "-"
    if twin.word == "fails":
        executed, sound = execute(entry, twin.example, twin=True), execute(entry, twin.example, twin=False)
    return {
        "id": lemma,
        "sentence": LEMMAS[lemma].sentence,
        "used_in": list(LEMMAS[lemma].used_in),
        "verdict": found.word,
        "ms": round(1000 * found.seconds),
        "claims": found.claims,
        "paths": found.paths,
        **({"claim": found.claim, "example": found.example} if found.word != "holds" else {}),
        "twin": {
            "what": entry.twin.what,
            "verdict": _refuted(twin),
            "ms": round(1000 * twin.seconds),
            "claim": twin.claim,
            "example": twin.example,
            "executed": executed,
            "sound": sound,
        },
    }


def _refuted(twin: Verdict) -> str:
    return {"fails": "refuted", "holds": "stands"}.get(twin.word, twin.word)


def findings_of(row: dict[str, Any]) -> list[str]:
    """What is wrong with a lemma, if anything is."""
    found = []
    if row["verdict"] != "holds":
        found.append(f"{row['id']} {row['verdict']}: {row['claim']} {row['example']}")
    twin = row["twin"]
    if twin["verdict"] != "refuted":
        found.append(f"{row['id']}: its twin is {twin['verdict']}")
    elif twin["executed"] not in {"fails", "refused"} or twin["sound"] == "fails":
        found.append(
            f"{row['id']}: the counterexample, executed, {twin['executed']}; in the sound code {twin['sound']}"
        )
    return found


def not_worked_out() -> list[str]:
    """The unchecked operations that no lemma executes which names their function: a sentence each."""
    return [
        f"{path}::{function}, line {node.lineno}: no lemma works out {ast.unparse(node)}"
        for (path, function), nodes in unsafe_calls().items()
        for node in nodes
        if not any(
            (path, node.lineno, node.col_offset) in seen_by(lemma)
            for lemma in PROOFS
            if f"{path}::{function}" in LEMMAS[lemma].used_in
        )
    ]


def main(argv: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.proofs",
        description="Prove every lemma of the arithmetic, and refute its twin.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--id", help="one lemma, as L-07")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args(argv)
    if args.id is not None and args.id not in PROOFS:
        sys.stderr.write(f"no lemma {args.id}: there are {', '.join(sorted(PROOFS))}\n")
        return 2
    wanted = [args.id] if args.id else sorted(PROOFS)
    console = Console(stderr=True)
    rows = [judge(lemma) for lemma in track(wanted, "proving", console=console, disable=len(wanted) == 1)]
    unchecked = 0 if args.id else sum(len(nodes) for nodes in unsafe_calls().values())
    lost = [] if args.id else not_worked_out()
    findings = [*(text for row in rows for text in findings_of(row)), *lost]
    if args.json:
        proven = sum(row["verdict"] == "holds" for row in rows)
        refuted = sum(row["twin"]["verdict"] == "refuted" for row in rows)
        counts = {
            "lemmas": len(rows),
            "proven": proven,
            "refuted": refuted,
            "claims": sum(row["claims"] for row in rows),
            "paths": sum(row["paths"] for row in rows),
            "unchecked": unchecked,
            "worked_out": unchecked - len(lost),
        }
        seconds = sum(row["ms"] + row["twin"]["ms"] for row in rows) / 1000
        report = {
            "part": "proofs",
            "ok": not findings,
            "seconds": seconds,
            "counts": counts,
            "findings": findings,
            "lemmas": rows,
        }
        sys.stdout.write(json.dumps(report) + "\n")
        return 1 if findings else 0
    table = Table("id", "sentence", "verdict", "ms", "the twin, and what refutes it")
    for row in rows:
        twin = row["twin"]
        shown = ", ".join(f"{k} = {v}" for k, v in twin["example"].items() if v)[:240]
        table.add_row(
            row["id"],
            row["sentence"],
            row["verdict"],
            str(row["ms"]),
            f"{twin['what']}: {twin['verdict']} ({twin['claim']}) at {shown or 'zeros'}",
        )
    out = Console(width=None if sys.stdout.isatty() else 200)
    out.print(table)
    for text in findings:
        out.print(text)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
