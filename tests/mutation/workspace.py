"""A copy of the repository in which the contracts are switched, compiled as far as any mutant reaches.

Contracts, package and tests are copied: whoever works on the originals meanwhile does not matter, and paths that
tests take from where the package lies lead into the copy. What no mutant touches keeps its compiled form.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from plimsoll.chain import artifacts
from plimsoll.chain.errors import CompileError
from tests.mutation.operators import Mutant
from tests.mutation.switched import FIRST, LAST, numbers_in, switched, unpure

COPIED: Final = ("contracts", "offchain/plimsoll", "tests", "docs", "requirements", "scripts")
FILES: Final = ("pyproject.toml", "README.md", "Makefile", "ape-config.yaml")
_POINTED: Final = re.compile(r"^\s*-+>.*$", re.MULTILINE)


class WorkspaceError(RuntimeError):
    """The switched contracts do not compile, and the compiler does not say at which mutant."""


@dataclass
class Workspace:
    """The copy, and which mutant has which number there."""

    folder: Path
    number: dict[str, int]
    affected: list[str]  # contracts that hold a mutant
    invalid: list[str] = field(default_factory=list)  # mutants that the compiler refuses


def copy(root: Path, folder: Path) -> None:
    """Make a fresh copy of the repository."""
    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".hypothesis", "*.so")
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=ignore)
    for name in FILES:
        if (root / name).is_file():
            shutil.copy2(root / name, folder / name)
    if (root / "node_modules").is_dir():
        (folder / "node_modules").symlink_to(root / "node_modules")


def prepare(
    root: Path, folder: Path, mutants: Sequence[Mutant], hosts: Sequence[str], *, jobs: int = 1
) -> Iterator[str | Workspace]:
    """Copy, switch and compile; yields each contract's name as it is compiled, and the workspace at the end.

    Of contracts, only `hosts` take the mutants in: those whose tests are to be run.

    A mutant that the compiler refuses is taken out and named in `invalid`, and what held it is compiled again.

    Raises
    ------
    WorkspaceError
        Where the compiler refuses without pointing at a mutant.
    """
    if len(mutants) > LAST - FIRST:
        raise WorkspaceError(f"{len(mutants)} mutants at once; there are numbers for {LAST - FIRST}")
    copy(root, folder)
    plain = artifacts.load_all(root=root)
    real = {name: artifacts._cached(name, root, artifacts._tree(root)) for name in plain}
    number = {mutant.id: FIRST + k for k, mutant in enumerate(mutants)}
    touched = {mutant.path for mutant in mutants}
    affected = [name for name in hosts if (found := real[name]) is not None and touched & set(found.sources)]
    invalid: set[str] = set()
    _write(root, folder, mutants, number, invalid)
    made: dict[str, artifacts.Artifact] = {name: found for name, found in real.items() if found}
    waiting = sorted(affected, key=lambda name: -len(made[name].bytecode))
    names = {value: key for key, value in number.items()}
    while waiting:
        refused: set[str] = set()
        again = []
        with ProcessPoolExecutor(jobs) as pool:
            futures = {pool.submit(_compile, name, str(folder)): name for name in waiting}
            for future in as_completed(futures):
                name = futures[future]
                outcome = future.result()
                if isinstance(outcome, str):
                    pointed = {names[k] for k in numbers_in("\n".join(_POINTED.findall(outcome))) if k in names}
                    if not pointed - invalid - refused and not pointed & refused:
                        raise WorkspaceError(outcome)
                    refused |= pointed
                    again.append(name)
                else:
                    made[name] = outcome
                    yield name
        invalid |= refused
        waiting = again
        if again:
            _write(root, folder, mutants, number, invalid)
    for artifact in made.values():
        sources = {
            path: artifacts._hash(folder / path) if path.startswith("contracts/") else digest
            for path, digest in artifact.sources.items()
        }
        artifacts._store(replace(artifact, sources=sources), folder)
    yield Workspace(folder, number, affected, sorted(invalid))


def _write(root: Path, folder: Path, mutants: Sequence[Mutant], number: dict[str, int], invalid: set[str]) -> None:
    by_path: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        if mutant.id not in invalid:
            by_path.setdefault(mutant.path, []).append(mutant)
    for path in sorted((root / "contracts").rglob("*.vy*")):
        name = path.relative_to(root).as_posix()
        text = path.read_text()
        (folder / name).write_text(unpure(switched(text, by_path.get(name, []), number)))
    for path in sorted((folder / "tests").rglob("conftest.py")):  # contracts that tests write, to open modules
        if "@pure" in (text := path.read_text()):
            path.write_text(text.replace("@pure", "@view"))


def _compile(name: str, folder: str) -> artifacts.Artifact | str:
    """One contract, or what the compiler said."""
    root = Path(folder)
    try:
        return artifacts.compile_one(artifacts.contract_paths(root)[name], root)
    except CompileError as error:
        return str(error)
    except RecursionError as error:
        return f"{name}: {error}"


@contextlib.contextmanager
def serving(folder: Path, plan: dict[str, Any], *, nice: int = 0) -> Iterator[Iterator[dict[str, Any]]]:
    """Run the server over a workspace; what it says, line by line."""
    (folder / "plan.json").write_text(json.dumps(plan))
    read, write = os.pipe()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV_"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(folder), str(folder / "offchain")]),
        "PLIMSOLL_PROFILE": "quick",
        "PYTHONHASHSEED": "0",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.mutation.server", str(folder / "plan.json"), str(write)],
        cwd=folder,
        env=environment,
        pass_fds=(write,),
        stdout=log,
        stderr=subprocess.STDOUT,
        preexec_fn=(lambda: os.nice(nice)) if nice else None,  # noqa: PLW1509 - no threads yet
    )
    os.close(write)
    try:
        with os.fdopen(read) as lines:
            yield (json.loads(line) for line in lines)
    finally:
        if server.poll() is None:
            server.terminate()
        server.wait()
        log.close()
