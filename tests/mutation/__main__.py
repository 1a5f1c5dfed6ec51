"""`python -m tests.mutation`: mutate the contracts and the twin, run the tests, say what survives.

JSON (`--json`): {"part": "mutation", "ok": bool, "seconds": s, "counts": {"mutants", "judged", "killed", "survived",
"equivalent", "invalid"; with --show "files", "files_not_judged"}, "files": [{"file", "mutants", "judged", "killed",
"survived", "equivalent", "score", "interval", "gate", "ok"}], "findings": [{"file", "line", "id", "operator", "edit",
"how"} or {"what"}]}
"""

from __future__ import annotations

import argparse
import datetime as dt
import difflib
import json
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from plimsoll.chain.artifacts import ROOT
from tests.mutation import record as records
from tests.mutation import twin
from tests.mutation.operators import Mutant, mutants_of, tables
from tests.mutation.source import Source, SourceError
from tests.mutation.targets import TARGETS, Target, gate_of, test_files
from tests.mutation.twin import is_twin
from tests.mutation.workspace import Workspace, WorkspaceError, prepare, serving

WIDTH = 120  # of the table, at least: paths are long
EXAMPLES = """examples:
  python -m tests.mutation                                     every file whose source or tests changed since the record
  python -m tests.mutation --file contracts/modules/fixed.vy   one file, every mutant
  python -m tests.mutation --sample 40 --seed 7                40 mutants drawn over all files, held to the record
  python -m tests.mutation --file contracts/Guardrails.vy --per-file 60 --record
  python -m tests.mutation --file offchain/plimsoll/spec/margin.py --per-file 60 --record
  python -m tests.mutation --show                              the record as it stands, nothing run
exit codes: 0 at every gate, 1 below one, a stale reason or a verdict unlike the record's, 2 bad input"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__.splitlines()[0] if __doc__ else None,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--file", action="append", default=[], metavar="PATH", help="only this file; may be repeated")
    made.add_argument("--sample", type=int, metavar="N", help="draw N recorded mutants and compare with the record")
    made.add_argument("--per-file", type=int, metavar="N", help="judge a seeded sample of N mutants of each file")
    made.add_argument("--seed", type=int, default=1, help="of what is drawn (default 1)")
    made.add_argument("--changed", action="store_true", help="only files whose source or tests are not the record's")
    made.add_argument("--budget", type=float, metavar="MINUTES", help="begin no further group of files after this")
    made.add_argument("--jobs", type=int, default=2, help="mutants judged at once (default 2)")
    made.add_argument("--json", action="store_true", help="one JSON object to stdout")
    made.add_argument("--record", action="store_true", help=f"keep what is found in {records.RECORD}")
    made.add_argument("--show", action="store_true", help="print the record and judge its gates; run nothing")
    return made


class Run:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace, root: Path = ROOT) -> None:
        self.options = options
        self.root = root
        self.console = Console(stderr=True)
        self.begun = time.monotonic()
        self.known = tables(root)
        self.record = records.read(root)
        self.reasons = records.reasons(root / records.SURVIVORS)
        self.files = {path for target in TARGETS for path in target.files}
        self.all: dict[str, list[Mutant]] = {}  # of files that were asked for
        self.findings: list[dict[str, Any]] = []
        self.entries: dict[str, dict[str, Any]] = {}

    def of(self, paths: Iterable[str]) -> dict[str, list[Mutant]]:
        """Every mutant of some files."""
        missing = sorted({*paths} & self.files - {*self.all})
        self.all |= {
            path: mutants_of(Source.load(self.root, path), self.known) for path in missing if not is_twin(path)
        }
        twins = [path for path in missing if is_twin(path)]
        self.all |= twin.mutants_of(self.root, twins, self.options.jobs)
        return {path: self.all[path] for path in paths if path in self.files}

    # --------------------------------------------------------------------------------------------------- what to judge

    def chosen(self) -> list[tuple[Target, list[Mutant]]]:
        """The groups to run, with the mutants of each."""
        files = set(self.options.file) or self.files
        unknown = files - self.files
        if unknown:
            raise SourceError(f"not mutated: {', '.join(sorted(unknown))}; there are {', '.join(sorted(self.files))}")
        if self.options.sample:
            return self._sampled(files)
        found = []
        for target in TARGETS:
            wanted = [path for path in target.files if path in files]
            if self.options.changed or not self.options.file:
                wanted = [path for path in wanted if self._changed(target, path)]
            mutants = [mutant for path in wanted for mutant in self._drawn(path)]
            if mutants:
                found.append((target, mutants))
        return found

    def _drawn(self, path: str) -> list[Mutant]:
        mutants = [mutant for mutant in self.of([path])[path] if not mutant.alone]
        if self.options.per_file and self.options.per_file < len(mutants):
            drawn = random.Random(f"{self.options.seed} {path}").sample(range(len(mutants)), self.options.per_file)
            return [mutants[k] for k in sorted(drawn)]
        return mutants

    def _sampled(self, files: set[str]) -> list[tuple[Target, list[Mutant]]]:
        """Mutants drawn from the record, from as few groups as their number allows: each costs a compilation."""
        known = {path: records.judged(entry) for path, entry in self.record["files"].items() if path in files}
        groups = [target for target in TARGETS if any(known.get(path) for path in target.files)]
        if not groups:
            raise records.RecordError(f"{records.RECORD} knows no mutant of these files: run with --record first")
        rng = random.Random(self.options.seed)
        rng.shuffle(groups)
        groups = groups[: max(1, self.options.sample // 10)]
        there = self.of([path for target in groups for path in target.files])
        pool = sorted(
            (path, mutant.id) for path, found in there.items() for mutant in found if mutant.id in known.get(path, ())
        )
        drawn = set(rng.sample(pool, min(self.options.sample, len(pool))))
        return [
            (target, mine)
            for target in groups
            if (mine := [each for path in target.files for each in there[path] if (path, each.id) in drawn])
        ]

    def _changed(self, target: Target, path: str) -> bool:
        entry = self.record["files"].get(path)
        if entry is None:
            return True
        source, tests = records.digest([self.root / path]), records.digest(test_files(self.root, target))
        return bool(entry["source"] != source or entry["tests"] != tests)

    # ---------------------------------------------------------------------------------------------------------- judge

    def run(self) -> None:
        """Judge what was chosen."""
        groups = self.chosen()
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        ) as progress:
            for target, mutants in groups:
                if self.options.budget and time.monotonic() - self.begun > 60 * self.options.budget:
                    self.findings.append({"what": f"{target.name}: not begun within {self.options.budget:g} minutes"})
                    continue
                self._group(target, mutants, progress)

    def _group(self, target: Target, mutants: list[Mutant], progress: Progress) -> None:
        task = progress.add_task(f"{target.name}: compile", total=len(target.hosts) or None)
        folder = self.root / "build" / "mutation" / target.name
        space: Workspace | None = None
        steps = (
            [twin.prepare(self.root, folder, mutants)]
            if target.twin
            else prepare(self.root, folder, mutants, target.hosts, jobs=self.options.jobs)
        )
        for step in steps:
            if isinstance(step, Workspace):
                space = step
            else:
                progress.advance(task)
        assert space is not None
        judged = [mutant for mutant in mutants if mutant.id not in space.invalid]
        progress.update(task, description=f"{target.name}: suite", completed=0, total=None)
        plan = {
            "tests": list(target.tests),
            "jobs": self.options.jobs,
            "twin": target.twin,
            "mutants": [
                {"id": mutant.id, "number": space.number[mutant.id], "function": f"{mutant.path} {mutant.function}"}
                | (twin.planned(mutant) if target.twin else {})
                for mutant in judged
            ],
        }
        verdicts: dict[str, dict[str, Any]] = {}
        tests, left_out = 0, []
        with serving(folder, plan) as lines:
            for line in lines:
                if "baseline" in line:
                    tests = line["baseline"]["tests"]
                    left_out = line["baseline"]["failed"]
                elif "reached" in line:
                    progress.update(task, description=f"{target.name}: mutants", completed=0, total=len(judged))
                else:
                    verdicts[line["mutant"]] = line
                    progress.advance(task)
        progress.update(task, visible=False)
        if len(verdicts) < len(judged):
            tail = "\n".join([*(item["why"] for item in left_out), (folder / "server.log").read_text()[-800:]])
            self.findings.append(
                {"what": f"{target.name}: {len(judged) - len(verdicts)} mutants were not judged", "why": tail}
            )
        if verdicts:
            self._keep(target, judged, verdicts, space, tests, [item["test"] for item in left_out])

    def _keep(
        self,
        target: Target,
        judged: list[Mutant],
        verdicts: dict[str, dict[str, Any]],
        space: Workspace,
        tests: int,
        left_out: list[str],
    ) -> None:
        for path in sorted({mutant.path for mutant in judged}):
            mine = [mutant for mutant in judged if mutant.path == path and mutant.id in verdicts]
            dead = [mutant for mutant in mine if verdicts[mutant.id]["how"] in {"test", "timeout"}]
            killers: dict[str, int] = {}
            for mutant in dead:
                by = (verdicts[mutant.id]["killed"] or "time").partition("::")[0]
                killers[by] = killers.get(by, 0) + 1
            self.entries[path] = {
                "date": dt.datetime.now(dt.UTC).date().isoformat(),
                "source": records.digest([self.root / path]),
                "tests": records.digest(test_files(self.root, target)),
                "tests_run": tests - len(left_out),
                "left_out": left_out,  # tests that fail on the switched copy itself
                "mutants": len(self.all[path]),
                "sample": None if not self.options.per_file else {"size": len(mine), "seed": self.options.seed},
                "invalid": sum(mutant.path == path and mutant.id in space.invalid for mutant in self.all[path]),
                "killed": sorted(mutant.id for mutant in dead),
                "killers": killers,
                "survivors": [
                    {
                        "id": mutant.id,
                        "line": mutant.line,
                        "function": mutant.function,
                        "operator": mutant.operator,
                        "edit": mutant.edit,
                        "how": verdicts[mutant.id]["how"],
                    }
                    for mutant in mine
                    if verdicts[mutant.id]["how"] in {"survived", "unreached"}
                ],
            }

    # ------------------------------------------------------------------------------------------------------------ tell

    def compare(self) -> None:
        """Hold a sample to the record: what it calls killed and survives is a finding; the other way round is news."""
        for path, entry in self.entries.items():
            recorded = self.record["files"][path]
            for name in entry["killed"]:
                if name not in recorded["killed"]:
                    self.console.print(f"{path} {name}: killed by now, survived in the record", highlight=False)
            for found in entry["survivors"]:
                if found["id"] in recorded["killed"]:
                    self.findings.append({"file": path, **found, "what": "survives now, was killed in the record"})

    def judge(self, entries: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """A row a file; what is below a gate becomes a finding."""
        rows = []
        for path, entry in sorted(entries.items()):
            killed, counted, share = records.score(entry, self.reasons)
            sample = entry["sample"] is not None
            row = {
                "file": path,
                "mutants": entry["mutants"],
                "judged": killed + len(entry["survivors"]),
                "killed": killed,
                "survived": len(entry["survivors"]),
                "equivalent": killed + len(entry["survivors"]) - counted,
                "score": round(share, 4),
                "interval": [round(x, 4) for x in records.wilson(killed, counted)] if sample else None,
                "gate": gate_of(path),
                "ok": records.passes(path, entry, self.reasons),
            }
            rows.append(row)
            if not row["ok"]:
                self.findings.extend(
                    {"file": path, **found} for found in entry["survivors"] if found["id"] not in self.reasons
                )
                self.findings.append(
                    {"file": path, "what": f"{path}: score {share:.1%} of {counted}, gate {gate_of(path):.0%}"}
                )
        return rows

    def check_reasons(self, entries: dict[str, dict[str, Any]]) -> None:
        """A stale reason is a finding.

        The record knows the mutants of a file that is still as it was judged. Of another file they are made anew: of a
        contract always, of the twin where mutmut is at hand; where it is not, that is said.
        """
        asked = {reason.file for reason in self.reasons.values()} & self.files
        fresh = {path for path in asked & entries.keys() if self._as_judged(path, entries[path])}
        there = {name for path in fresh for name in records.judged(entries[path])}
        unknown = {reason.file for name, reason in self.reasons.items() if reason.file in asked and name not in there}
        left_out = set() if twin.at_hand(self.root) else {path for path in unknown if is_twin(path)}
        if left_out:
            which = ", ".join(sorted(left_out))
            self.console.print(f"reasons not looked at, for want of {twin.ENVIRONMENT}: {which}", highlight=False)
        there |= {mutant.id for found in self.of(unknown - left_out).values() for mutant in found}
        known = {name: reason for name, reason in self.reasons.items() if reason.file not in left_out}
        killed = {name for entry in entries.values() for name in entry["killed"]}
        self.findings.extend({"what": f"stale reason: {line}"} for line in records.stale(known, there, killed))

    def _as_judged(self, path: str, entry: dict[str, Any]) -> bool:
        return bool(entry["source"] == records.digest([self.root / path]))

    def table(self, rows: list[dict[str, Any]]) -> Table:
        """The rows for a terminal."""
        made = Table(title="Mutation")
        for name in ("file", "mutants", "judged", "killed", "survived", "equivalent", "score", "interval", "gate"):
            made.add_column(name, justify="left" if name == "file" else "right")
        for row in rows:
            low_high = row["interval"]
            made.add_row(
                row["file"].removeprefix("contracts/").removeprefix("offchain/plimsoll/"),
                *(str(row[name]) for name in ("mutants", "judged", "killed", "survived", "equivalent")),
                f"{row['score']:.1%}",
                f"{low_high[0]:.0%}..{low_high[1]:.0%}" if low_high else "",
                f"{row['gate']:.0%}{'' if row['ok'] else '  below'}",
            )
        return made

    def survivors(self, entries: dict[str, dict[str, Any]]) -> list[str]:
        """Each survivor without a reason, as a diff."""
        by_id = {mutant.id: mutant for mutants in self.of(entries).values() for mutant in mutants}
        found = []
        for path, entry in sorted(entries.items()):
            for item in entry["survivors"]:
                mutant = by_id.get(item["id"])
                if mutant is None or item["id"] in self.reasons:
                    continue
                text = (self.root / path).read_text()
                changes = difflib.unified_diff(text.splitlines(), mutant.applied(text).splitlines(), lineterm="", n=0)
                lines = [line for line in changes if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
                found.append(
                    f"{path}:{item['line']} {item['operator']} {item['id']} ({item['how']})\n" + "\n".join(lines)
                )
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    options = parser().parse_args(arguments)
    try:
        run = Run(options)
        if not options.show:
            run.run()
    except (SourceError, WorkspaceError, records.RecordError) as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}[/]: {error}", highlight=False)
        return 2
    merged = {**records.read(run.root)["files"], **run.entries}
    if options.record and not options.sample:
        records.write(run.root, {"files": merged})
    if options.sample:
        run.compare()
        rows = []
    else:
        rows = run.judge(merged if options.show else run.entries)
        run.check_reasons(merged)
    ok = not run.findings
    if options.json:
        counted = ("mutants", "judged", "killed", "survived", "equivalent")
        entries = run.entries or merged
        counts = (
            {name: sum(row[name] for row in rows) for name in counted}
            if rows
            else {"judged": sum(len(entry["killed"]) + len(entry["survivors"]) for entry in entries.values())}
        )
        if options.show:
            counts |= {"files": len(run.files), "files_not_judged": len(run.files - merged.keys())}
        counts["invalid"] = sum(entry["invalid"] for entry in entries.values())
        seconds = round(time.monotonic() - run.begun, 1)
        said = {"part": "mutation", "ok": ok, "seconds": seconds, "counts": counts, "files": rows}
        sys.stdout.write(json.dumps({**said, "findings": run.findings}) + "\n")
        return int(not ok)
    console = Console()
    console.width = max(console.width, WIDTH)
    if rows:
        console.print(run.table(rows))
        for text in run.survivors(run.entries):
            console.print(text, markup=False, highlight=False)
    if options.sample:
        judged = sum(len(entry["killed"]) + len(entry["survivors"]) for entry in run.entries.values())
        console.print(f"{judged} mutants drawn with seed {options.seed}: {len(run.findings)} unlike the record")
    if options.show and (missing := sorted(run.files - merged.keys())):
        console.print(
            f"{len(missing)} files of {len(run.files)} were never judged: {', '.join(missing)}", soft_wrap=True
        )
    for finding in run.findings:
        if "what" in finding:
            console.print(finding["what"], finding.get("why", ""), markup=False, highlight=False)
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main())
