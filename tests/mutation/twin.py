"""The twin, mutated by mutmut: `plimsoll.spec`, judged by its unit tests and those that hold the modules to it.

`python -m tests.mutation.twin [--file offchain/plimsoll/spec/wad.py] [--jobs 2] [--record] [--json]`

mutmut (https://github.com/boxed/mutmut) writes every mutant of a function beside it and picks one at run time: what the
switched contracts do with coinbase, it does with a trampoline. It works on a copy, as the contracts' mutants do.

JSON: {"part": "mutation-twin", "ok": bool, "seconds": s, "counts": {"mutants", "killed", "survived"}, "files": [...],
"findings": [{"file", "id", "edit"} or {"what"}]}. Exit codes as of `python -m tests.mutation`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from plimsoll.chain.artifacts import ROOT
from tests.mutation import record as records
from tests.mutation.targets import gate_of
from tests.mutation.workspace import copy

FILES: Final = tuple(f"offchain/plimsoll/spec/{name}.py" for name in ("wad", "instruments", "interest"))
TESTS: Final = ("tests/unit/spec/test_wad.py", "tests/unit/spec/test_instruments.py", "tests/unit/modules")
KILLED: Final = frozenset({1, 2, 3, 24, -24, 36, 152, 255, -9, -11})  # exit codes: a test failed, or time ran out
UNTOUCHED: Final = 33  # no test calls it
SETTINGS: Final = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {files}
also_copy = ["contracts", "build", "docs", "README.md", "Makefile"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:ape_test", "-p", "no:cacheprovider"]
use_git_change_detection = false
"""


class MutmutError(RuntimeError):
    """mutmut is not there, or did not come to an end."""


def prepare(root: Path, folder: Path, files: Sequence[str]) -> None:
    """A copy of the repository with mutmut's settings in it."""
    copy(root, folder)
    (folder / "offchain").rename(folder / "src")  # the one prefix that mutmut takes off a module's name
    if (root / "build" / "artifacts").is_dir():
        shutil.copytree(root / "build" / "artifacts", folder / "build" / "artifacts")
    settings = SETTINGS.format(files=json.dumps([_inside(path) for path in files]), tests=json.dumps(list(TESTS)))
    with (folder / "pyproject.toml").open("a") as out:
        out.write(settings)


def run(folder: Path, jobs: int) -> None:
    """Let mutmut make and judge its mutants.

    Raises
    ------
    MutmutError
        With the end of what it said.
    """
    environment = {
        **os.environ,
        "PLIMSOLL_PROFILE": "quick",
        "PYTHONPATH": os.pathsep.join([str(folder / "mutants" / "src"), str(folder / "mutants")]),
    }
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    (folder / "mutmut.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise MutmutError(f"mutmut ended with {done.returncode}: {(done.stdout + done.stderr)[-600:]}")


def verdicts(folder: Path, path: str) -> dict[str, int | None]:
    """Exit code of each mutant of a file, by mutmut's name.

    Raises
    ------
    MutmutError
        Where mutmut left none.
    """
    meta = folder / "mutants" / f"{_inside(path)}.meta"
    if not meta.exists():
        raise MutmutError(f"mutmut left no verdicts of {path}")
    found: dict[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
    return found


def entry_of(root: Path, folder: Path, path: str) -> dict[str, Any]:
    """What the record keeps of a file."""
    codes = verdicts(folder, path)
    judged = {name: code for name, code in codes.items() if code is not None}
    tests = sorted(file for name in TESTS for file in _files(root / name))
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "source": records.digest([root / path]),
        "tests": records.digest(tests),
        "mutants": len(codes),
        "sample": None,
        "invalid": 0,
        "killed": sorted(name for name, code in judged.items() if code in KILLED),
        "survivors": [
            {"id": name, "edit": _edit(folder, name), "how": "unreached" if code == UNTOUCHED else "survived"}
            for name, code in sorted(judged.items())
            if code not in KILLED
        ],
    }


def _inside(path: str) -> str:
    """A file's place in the copy."""
    return path.replace("offchain/", "src/", 1)


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def _edit(folder: Path, name: str) -> str:
    """The lines that mutmut changed."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], cwd=folder, capture_output=True, text=True, check=False
    ).stdout
    changed = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    return " ".join(" ".join(line.split()) for line in changed)[:240]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.twin", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", action="append", default=[], metavar="PATH", help=f"of {', '.join(FILES)}")
    parser.add_argument("--jobs", type=int, default=2, help="mutants judged at once (default 2)")
    parser.add_argument("--record", action="store_true", help=f"keep what is found in {records.RECORD}")
    parser.add_argument("--json", action="store_true", help="one JSON object to stdout")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    files = options.file or list(FILES)
    folder = ROOT / "build" / "mutation" / "twin"
    try:
        unknown = [path for path in files if not (ROOT / path).is_file()]
        if unknown:
            raise MutmutError(f"no such file: {', '.join(unknown)}")
        known = records.reasons(ROOT / records.SURVIVORS)
        prepare(ROOT, folder, files)
        run(folder, options.jobs)
        entries = {path: entry_of(ROOT, folder, path) for path in files}
    except (MutmutError, records.RecordError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    if options.record:
        records.write(ROOT, {"files": {**records.read(ROOT)["files"], **entries}})
    rows, findings = [], []
    for path, entry in entries.items():
        killed, counted, share = records.score(entry, known)
        ok = records.passes(path, entry, known)
        rows.append({"file": path, "mutants": entry["mutants"], "killed": killed, "score": round(share, 4), "ok": ok})
        if not ok:
            findings += [{"file": path, **found} for found in entry["survivors"] if found["id"] not in known]
            findings.append({"what": f"{path}: score {share:.1%} of {counted}, gate {gate_of(path):.0%}"})
    counts = {"mutants": sum(row["mutants"] for row in rows), "killed": sum(row["killed"] for row in rows)}
    counts["survived"] = sum(len(entry["survivors"]) for entry in entries.values())
    ok = not findings
    if options.json:
        seconds = round(time.monotonic() - begun, 1)
        said = {"part": "mutation-twin", "ok": ok, "seconds": seconds, "counts": counts, "files": rows}
        sys.stdout.write(json.dumps({**said, "findings": findings}) + "\n")
    else:
        for row in rows:
            sys.stdout.write(f"{row['file']:<44} {row['killed']:>4} of {row['mutants']:>4} {row['score']:7.1%}\n")
        for path, entry in entries.items():
            for found in entry["survivors"]:
                sys.stdout.write(f"{path} {found['id']} ({found['how']})\n  {found['edit']}\n")
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main())
