"""Mutants of the twin, `plimsoll.spec`: mutmut (https://github.com/boxed/mutmut) makes them, our server judges them.

mutmut judges by a pytest started anew for each mutant, seconds each; the server forks one that has its fixtures
standing and runs the tests that call the mutated function, those that killed before first. mutmut wants a newer click
than ape allows, so it has an environment of its own, and what it makes is kept by the hash of what it was made from.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.mutation.operators import Mutant
from tests.mutation.workspace import Workspace, WorkspaceError, copy

ENVIRONMENT: Final = ".venv-mutmut"
MAKER: Final = Path(__file__).with_name("mutmut_made.py")
# of a zip: what runs side by side here is of one length by its types
STRICT: Final = re.compile(r",\s*(strict=\w+)?(?=\))")
KEPT: Final = "build/mutation/made"
SPEC: Final = "offchain/plimsoll/spec/"
HELPERS: Final = "div_floor, div_truncate, div_up, mul_div_down, mul_div_up"
MUTMUTS: Final = "from mutmut.mutation.trampoline import wrap_in_trampoline as _mutmut_mutated, MutantDict\n"
OURS: Final = "from tests.mutation.picked import wrap_in_trampoline as _mutmut_mutated, MutantDict\n"


@dataclass(frozen=True)
class Made:
    """A file with all its mutants in it."""

    code: str
    names: Sequence[str]
    spans: Mapping[str, tuple[int, int]]  # first and last line of each, and of the originals


def is_twin(path: str) -> bool:
    """Whether this is a file of the twin."""
    return path.startswith(SPEC)


def at_hand(root: Path) -> bool:
    """Whether mutmut has its environment."""
    return (root / ENVIRONMENT / "bin" / "python").exists()


def made(root: Path, paths: Sequence[str], jobs: int = 2) -> dict[str, Made]:
    """What mutmut makes of these files; what it made before is read.

    Raises
    ------
    WorkspaceError
        Where mutmut has no environment, or fails.
    """
    kept = {path: _kept(root, path) for path in paths}
    missing = sorted(
        (path for path in paths if not kept[path].exists()), key=lambda path: -(root / path).stat().st_size
    )
    if missing:
        python = root / ENVIRONMENT / "bin" / "python"
        if not at_hand(root):
            raise WorkspaceError(f"mutants of the twin want {ENVIRONMENT}: make {ENVIRONMENT}/.installed")
        with ThreadPoolExecutor(jobs) as pool:
            for path, text in zip(missing, pool.map(lambda path: _make(python, root, path), missing), strict=True):
                kept[path].parent.mkdir(parents=True, exist_ok=True)
                kept[path].write_text(text)
    return {path: Made(**json.loads(place.read_text())) for path, place in kept.items()}


def _kept(root: Path, path: str) -> Path:
    digest = hashlib.sha256((root / path).read_bytes() + MAKER.read_bytes()).hexdigest()[:16]
    return root / KEPT / f"{Path(path).stem}-{digest}.json"


def _make(python: Path, root: Path, path: str) -> str:
    done = subprocess.run(
        [str(python), str(MAKER)],
        input=json.dumps({path: (root / path).read_text()}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WorkspaceError(f"mutmut on {path}: {done.stderr[-800:]}")
    return json.dumps(json.loads(done.stdout)[path])


def mutants_of(root: Path, paths: Sequence[str], jobs: int = 2) -> dict[str, list[Mutant]]:
    """Every mutant of these files, as `operators.mutants_of` has those of a contract."""
    return {path: _mutants(path, (root / path).read_text(), found) for path, found in made(root, paths, jobs).items()}


def _mutants(path: str, text: str, found: Made) -> list[Mutant]:
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    code = found.code.splitlines(keepends=True)
    first = _first_lines(text)
    mutants = []
    for name in found.names:
        mangled, _, number = name.rpartition("__mutmut_")
        qualname = _qualname(mangled)
        before = _function(code, found.spans[f"{mangled}__mutmut_orig"], f"{mangled}__mutmut_orig")
        after = _function(code, found.spans[name], name)
        head = next((k for k, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(after))
        most = min(len(before), len(after)) - head
        tail = next((k for k in range(most) if before[-1 - k] != after[-1 - k]), most)
        if STRICT.sub("", "".join(before[head:])) == STRICT.sub("", "".join(after[head:])):
            continue
        line = first[qualname] + head
        last = first[qualname] + len(before) - tail
        mutants.append(
            Mutant(
                id=f"{Path(path).stem}.{qualname}#{number}",
                path=path,
                function=qualname,
                operator="mutmut",
                line=line,
                start=starts[line - 1],
                end=starts[last - 1],
                before="".join(before[head : len(before) - tail]),
                after="".join(after[head : len(after) - tail]),
            )
        )
    return mutants


def _qualname(mangled: str) -> str:
    """The function's name as Python has it: `x_f`, `xǁClassǁf`."""
    return mangled[2:] if mangled.startswith("x_") else mangled[2:].replace("ǁ", ".")


def _function(code: list[str], span: tuple[int, int], name: str) -> list[str]:
    """The lines of a function from its `def`, its own name put back."""
    lines = code[span[0] - 1 : span[1]]
    place = next(k for k, line in enumerate(lines) if f"def {name}(" in line)
    plain = _qualname(name.rpartition("__mutmut_")[0]).rpartition(".")[2]
    body = [lines[place].replace(name, plain, 1), *lines[place + 1 :]]
    while body and not body[-1].strip():
        body.pop()
    return body


def _first_lines(text: str) -> dict[str, int]:
    found = {}
    for node in ast.parse(text).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        found |= {f"{owner}{item.name}": item.lineno for item in inner if isinstance(item, ast.FunctionDef)}
    return found


def prepare(root: Path, folder: Path, mutants: Sequence[Mutant]) -> Workspace:
    """A copy of the repository, with all mutants in the files they are of."""
    copy(root, folder)
    if (root / "build" / "artifacts").is_dir():
        shutil.copytree(root / "build" / "artifacts", folder / "build" / "artifacts")
    paths = sorted({mutant.path for mutant in mutants})
    for path, found in made(root, paths).items():
        ours = OURS if path == f"{SPEC}wad.py" else f"{OURS}from plimsoll.spec.wad import {HELPERS}\n"
        if MUTMUTS not in found.code:
            raise WorkspaceError(f"mutmut wrote {path} without its trampoline")
        (folder / path).write_text(found.code.replace(MUTMUTS, ours, 1))
    return Workspace(folder, {mutant.id: 1 + k for k, mutant in enumerate(mutants)}, [])


def planned(mutant: Mutant) -> dict[str, Any]:
    """What the server's switch wants to know of a mutant."""
    owner, _, name = mutant.function.rpartition(".")
    number = mutant.id.rpartition("#")[2]
    return {
        "module": mutant.path.removeprefix("offchain/").removesuffix(".py").replace("/", "."),
        "qualname": mutant.function,
        "name": f"xǁ{owner}ǁ{name}__mutmut_{number}" if owner else f"x_{name}__mutmut_{number}",
    }
