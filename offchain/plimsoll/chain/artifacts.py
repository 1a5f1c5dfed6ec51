"""Contracts, compiled by the installed Vyper and kept under `build/artifacts`.

A cached artifact is taken while every source that went into it is the same (compared by hash), no source file came or
went, and the compiler, snekmate and settings are the same. So a warm start reads files and compiles nothing, and a
change recompiles only what it touches.

`python -m plimsoll.chain.artifacts [NAME ...]` compiles into the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from eth_utils.crypto import keccak

from plimsoll.chain.errors import CompileError

EVM_VERSION: Final = "cancun"
ROOT: Final = Path(__file__).resolve().parents[3]
FOLDERS: Final = ("contracts", "contracts/examples", "contracts/mocks")  # where deployable contracts live
MAX_RUNTIME: Final = 24_576  # [bytes] EIP-170
EXTENSIONS: Final = {"Clearinghouse": "BackOffice"}  # a contract that answers for another's functions too


@dataclass(frozen=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: list[dict[str, Any]] = field(repr=False)
    bytecode: bytes = field(repr=False)  # creation code, without constructor arguments
    runtime: bytes = field(repr=False)  # without immutables
    layout: dict[str, Any] = field(repr=False)
    sources: dict[str, str] = field(repr=False)  # path (from the root, or of the package): sha256

    @cached_property
    def size(self) -> int:
        """Size of the code as deployed [bytes], immutables counted, as EIP-170 does."""
        return len(self.runtime) + sum(each.length for each in self.immutables)

    @cached_property
    def immutables(self) -> tuple[Variable, ...]:
        """What stands behind the code, in order."""
        return tuple(variables(self.layout.get("code_layout") or {}))

    @cached_property
    def code_hash(self) -> str:
        """Keccak-256 of the runtime code, immutables not filled in [hexadecimal]."""
        return f"0x{keccak(self.runtime).hex()}"


class Variable(NamedTuple):
    """A variable of a contract, in storage, transient storage or behind the code."""

    name: str  # with its modules before it
    at: int  # slot; behind the code: byte
    length: int  # slots, or bytes
    kind: str  # its type


def variables(layout: Mapping[str, Any], prefix: str = "") -> Iterator[Variable]:
    """Every variable of one space of a layout, modules' included: leaves are variables, what holds them modules."""
    for name, entry in layout.items():
        if isinstance(entry.get("type"), str):
            at, length = (entry["slot"], entry["n_slots"]) if "slot" in entry else (entry["offset"], entry["length"])
            yield Variable(prefix + name, int(at), int(length), entry["type"])
        else:
            yield from variables(entry, f"{prefix}{name}.")


def extended(artifact: Artifact, extension: Artifact) -> Artifact:
    """A contract that calls another's code as its own: its interface is both."""
    known = {_signature(entry) for entry in artifact.abi}
    more = [entry for entry in extension.abi if _signature(entry) not in known and entry["type"] != "constructor"]
    return replace(artifact, abi=[*artifact.abi, *more])


def _signature(entry: dict[str, Any]) -> tuple[str, str, str]:
    return entry["type"], entry.get("name", ""), json.dumps(entry.get("inputs", []), sort_keys=True)


def contract_paths(root: Path = ROOT) -> dict[str, Path]:
    """Every deployable contract by name.

    Raises
    ------
    CompileError
        Where there is none.
    """
    found = {path.stem: path for folder in FOLDERS for path in sorted((root / folder).glob("*.vy"))}
    if not found:
        raise CompileError(f"no contracts found under {FOLDERS[0]}/")
    return found


def load(name: str, root: Path = ROOT) -> Artifact:
    """One contract, from the cache or compiled.

    Raises
    ------
    CompileError
        Where it is unknown or does not compile.
    """
    return load_all([name], root)[name]


def load_all(names: Sequence[str] | None = None, root: Path = ROOT, jobs: int = 2) -> dict[str, Artifact]:
    """Several contracts, by default all; what is not cached is compiled in up to `jobs` processes.

    Raises
    ------
    CompileError
        Where one is unknown or does not compile; what compiled is kept.
    """
    paths = contract_paths(root)
    asked = list(paths) if names is None else list(names)
    wanted = list(dict.fromkeys([*asked, *(EXTENSIONS[name] for name in asked if EXTENSIONS.get(name) in paths)]))
    for name in wanted:
        if name not in paths:
            raise CompileError(f"unknown contract {name}; there are {', '.join(sorted(paths))}")
    tree = _tree(root)
    found = {name: artifact for name in wanted if (artifact := _cached(name, root, tree)) is not None}
    if len(found) < len(wanted):
        with _lock(root):  # of several processes that start at once, one compiles
            missing = [name for name in wanted if name not in found and _cached(name, root, tree) is None]
            _compile_missing(missing, paths, root, jobs)
        found = {name: artifact for name in wanted if (artifact := _cached(name, root, tree)) is not None}
        lost = [name for name in wanted if name not in found]
        if lost:
            raise CompileError(f"sources changed while compiling {', '.join(lost)}")
    return {
        name: extended(found[name], found[EXTENSIONS[name]]) if EXTENSIONS.get(name) in found else found[name]
        for name in asked
    }


def compile_one(path: Path, root: Path = ROOT) -> Artifact:
    """Compile one contract in this process, past the cache.

    Raises
    ------
    CompileError
        With the compiler's message.
    """
    from vyper.compiler.input_bundle import FilesystemInputBundle  # noqa: PLC0415 - the compiler is slow to import
    from vyper.compiler.output import build_abi_output, build_layout_output  # noqa: PLC0415
    from vyper.compiler.phases import CompilerData  # noqa: PLC0415
    from vyper.compiler.settings import Settings, anchor_settings  # noqa: PLC0415
    from vyper.exceptions import VyperException, VyperInternalException  # noqa: PLC0415

    bundle = FilesystemInputBundle([*_packages(), root, root / "contracts"])
    try:
        source = bundle.load_file(path)
        data = CompilerData(source, bundle, settings=Settings(evm_version=EVM_VERSION))
        with anchor_settings(data.settings):
            layout = build_layout_output(data)
            abi = build_abi_output(data)
            creation, runtime = data.bytecode, data.bytecode_runtime
    except (VyperException, VyperInternalException, OSError, SyntaxError, ValueError) as error:
        raise CompileError(f"{path.stem} does not compile: {_brief(error)}") from error
    # hashes of what was compiled: a file may have changed since
    inputs = [source, *data.resolved_imports.compiler_inputs]
    sources = {
        _relative(item.resolved_path, root): hashlib.sha256(item.contents.encode()).hexdigest()
        for item in inputs
        if Path(item.resolved_path).is_file()
    }
    return Artifact(path.stem, abi, creation, runtime, json.loads(json.dumps(layout)), sources)


def _brief(error: Exception) -> str:
    lines = [line.rstrip() for line in str(error).strip().splitlines() if line.strip()]
    return "\n  ".join([f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, *lines[1:]])


def _packages() -> list[Path]:
    """Where imports of installed packages (snekmate) resolve."""
    return [Path(entry) for entry in reversed(sys.path) if entry and Path(entry).is_dir()]


def _relative(file: str | os.PathLike[str], root: Path) -> str:
    """A source's name in the cache: from the root, or from the package folder, never an absolute path."""
    path = Path(file).resolve()
    for base in (root.resolve() / "contracts",):
        if path.is_relative_to(base):
            return path.relative_to(root.resolve()).as_posix()
    for base in sorted(_packages(), key=lambda p: -len(str(p))):
        if path.is_relative_to(base.resolve()):
            return path.relative_to(base.resolve()).as_posix()
    return path.name


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tree(root: Path) -> dict[str, Any]:
    """What besides contents decides a compilation: versions, settings, and which files there are."""
    return {
        "vyper": importlib.metadata.version("vyper"),
        "snekmate": importlib.metadata.version("snekmate"),
        "evm": EVM_VERSION,
        "files": sorted(
            path.relative_to(root).as_posix()
            for suffix in ("vy", "vyi")
            for path in (root / "contracts").rglob(f"*.{suffix}")
        ),
    }


def _file(name: str, root: Path) -> Path:
    return root / "build" / "artifacts" / f"{name}.json"


def _cached(name: str, root: Path, tree: dict[str, Any]) -> Artifact | None:
    try:
        stored = json.loads(_file(name, root).read_text())
    except (OSError, ValueError):
        return None
    if stored.get("tree") != tree:
        return None
    for source, digest in stored["sources"].items():
        # sources of installed packages are told apart by the package's version, in `tree`
        if source.startswith("contracts/") and (not (root / source).is_file() or _hash(root / source) != digest):
            return None
    return Artifact(
        name=name,
        abi=stored["abi"],
        bytecode=bytes.fromhex(stored["bytecode"]),
        runtime=bytes.fromhex(stored["runtime"]),
        layout=stored["layout"],
        sources=stored["sources"],
    )


def _store(artifact: Artifact, root: Path) -> None:
    target = _file(artifact.name, root)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        {
            "tree": _tree(root),
            "sources": artifact.sources,
            "abi": artifact.abi,
            "bytecode": artifact.bytecode.hex(),
            "runtime": artifact.runtime.hex(),
            "layout": artifact.layout,
        }
    )
    with tempfile.NamedTemporaryFile("w", dir=target.parent, suffix=".part", delete=False) as part:
        part.write(text)
    Path(part.name).replace(target)


def _compile_missing(missing: Sequence[str], paths: dict[str, Path], root: Path, jobs: int) -> None:
    if len(missing) <= 1 or jobs <= 1:
        for name in missing:
            _store(compile_one(paths[name], root), root)
        return
    # the largest first, dealt out in turn: sizes decide compile times
    order = sorted(missing, key=lambda name: -paths[name].stat().st_size)
    shares = [order[k::jobs] for k in range(jobs) if order[k::jobs]]
    command = [sys.executable, "-m", "plimsoll.chain.artifacts", "--worker", str(root)]
    workers = [
        subprocess.Popen([*command, *share], stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own module
        for share in shares
    ]
    failures = []
    for worker in workers:
        _, stderr = worker.communicate()
        if worker.returncode:
            failures.append(stderr.strip())
    if failures:
        raise CompileError("\n".join(failures))


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[None]:
    folder = root / "build" / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _worker(root: Path, names: Sequence[str]) -> int:
    paths = contract_paths(root)
    failed = False
    for name in names:
        try:
            _store(compile_one(paths[name], root), root)
        except CompileError as error:
            failed = True
            sys.stderr.write(f"{error}\n")
    return int(failed)


def main(arguments: Sequence[str]) -> int:
    """Compile into the cache; exit code 1 where something does not compile."""
    if arguments and arguments[0] == "--worker":
        return _worker(Path(arguments[1]), arguments[2:])
    try:
        for artifact in load_all(list(arguments) or None).values():
            sys.stdout.write(f"{artifact.name:<16} {artifact.size:>6} bytes\n")
    except CompileError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
