"""What halmos reads: artifacts of a compiled check and of the contracts it is about, as foundry lays them out.

halmos asks a program `forge` to build, and takes what lies in `out/`. Here that program does nothing: the installed
Vyper compiled everything before. A contract under check is its runtime code and, behind it, its immutables, as its
constructor would leave them: what stands on a chain.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import EXTENSIONS, ROOT, Artifact, compile_one, contract_paths, extended, load
from tests.symbolic.registry import Check, Edit

HERE = Path(__file__).resolve().parent
COMPILER = "0.4.3"
MUTABLE = ("nonpayable", "payable")


class BuildError(ValueError):
    """An artifact cannot be made; the message says of what, and why."""


def signature(entry: Mapping[str, Any]) -> str:
    """Name and types of a function of an ABI, as its selector is the hash of."""
    return f"{entry['name']}({','.join(_type(item) for item in entry['inputs'])})"


def _type(item: Mapping[str, Any]) -> str:
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(part) for part in item['components'])}){kind.removeprefix('tuple')}"


def mutating(artifact: Artifact) -> list[str]:
    """Names of the functions that can change state, each once."""
    return sorted(
        {entry["name"] for entry in artifact.abi if entry["type"] == "function" and entry["stateMutability"] in MUTABLE}
    )


def deployed(artifact: Artifact, values: Mapping[str, int]) -> bytes:
    """Code as it stands on a chain: runtime, and the immutables with these values, zero where none is given.

    Raises
    ------
    BuildError
        Where a value is of no immutable of the contract.
    """
    places = {each.name: each for each in artifact.immutables}
    unknown = sorted(set(values) - set(places))
    if unknown:
        raise BuildError(f"{artifact.name} has no immutable {', '.join(unknown)}; it has {', '.join(sorted(places))}")
    data = bytearray(max((each.at + each.length for each in places.values()), default=0))
    for name, value in values.items():
        data[places[name].at : places[name].at + 32] = value.to_bytes(32, "big")
    return artifact.runtime + bytes(data)


def foundry_json(artifact: Artifact, functions: Iterable[str] | None = None) -> dict[str, Any]:
    """An artifact as foundry writes it, with some of the functions or all."""
    names = None if functions is None else set(functions)
    abi = [entry for entry in artifact.abi if entry["type"] == "function" and (names is None or entry["name"] in names)]
    definition = {
        "nodeType": "ContractDefinition",
        "name": artifact.name,
        "contractKind": "contract",
        "abstract": False,
        "nodes": [],
    }
    return {
        "id": 0,
        "abi": abi,
        "bytecode": {"object": f"0x{artifact.bytecode.hex()}", "linkReferences": {}},
        "deployedBytecode": {"object": f"0x{artifact.runtime.hex()}", "linkReferences": {}},
        "methodIdentifiers": {name: keccak(text=name)[:4].hex() for name in map(signature, abi)},
        "metadata": {"compiler": {"version": COMPILER}, "output": {"devdoc": {"methods": {}}}},
        "ast": {"nodeType": "SourceUnit", "absolutePath": f"{artifact.name}.vy", "nodes": [definition]},
    }


def planted(edit: Edit, into: Path) -> Path:
    """A copy of the contracts with one edit; returns its root.

    Raises
    ------
    BuildError
        Where the text that is replaced does not stand in the source exactly once.
    """
    shutil.copytree(ROOT / "contracts", into / "contracts")
    path = into / "contracts" / edit.path
    source = path.read_text()
    for old, new in edit.replacements:
        if source.count(old) != 1:
            raise BuildError(f"{edit.path} has {source.count(old)} times, not once: {old!r}")
        source = source.replace(old, new)
    path.write_text(source)
    return into


@functools.cache
def harness(name: str) -> Artifact:
    """A check, compiled against the contracts as they are."""
    return compile_one(HERE / f"{name}.vy", ROOT)


# Vyper keeps the settings of what it compiles in one place for all threads.
COMPILER_AT_WORK: Final = threading.Lock()


def under(root: Path, artifact: Artifact, path: Path) -> Artifact:
    """What a compiled source becomes under another root: itself, unless a source of it is another there.

    Raises
    ------
    CompileError
        Where it does not compile there.
    """
    same = all(
        not source.startswith("contracts/") or hashlib.sha256((root / source).read_bytes()).hexdigest() == digest
        for source, digest in artifact.sources.items()
    )
    return artifact if same else compile_one(path, root)


def contract(name: str, root: Path) -> Artifact:
    """A contract under a root, with the functions that another answers for it."""
    here = load(name)
    there = under(root, here, contract_paths(root)[name])
    behind = EXTENSIONS.get(name)
    return there if there is here or behind is None else extended(there, load(behind))


def write(check: Check, into: Path, root: Path = ROOT) -> None:
    """Everything that halmos needs for one check, of contracts under a root, into a folder.

    Raises
    ------
    BuildError
        Where the registry names a function or an immutable that a contract has not.
    CompileError
        Where a check or a contract does not compile.
    """
    with COMPILER_AT_WORK:
        judge = under(root, harness(check.harness), HERE / f"{check.harness}.vy")
        contracts = {name: contract(name, root) for name in check.stands}
    _emit(into, foundry_json(judge), check.harness)
    for name, values in check.stands.items():
        found = contracts[name]
        known = mutating(found)
        unknown = sorted(check.named(name) - set(known))
        if unknown:
            raise BuildError(f"{name} has no state-changing function {', '.join(unknown)}")
        _emit(into, foundry_json(found, check.guarded(name, known)), name)
        code = into / "code" / name
        code.parent.mkdir(exist_ok=True)
        code.write_text(json.dumps({"bytecode": {"object": deployed(found, values).hex()}}))


def _emit(into: Path, artifact: dict[str, Any], name: str) -> None:
    folder = into / "out" / f"{name}.sol"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(artifact))
