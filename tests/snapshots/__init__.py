"""What is deployed, as files in git: interfaces, selectors, storage, code. `python -m tests.snapshots`.

    abi/<Contract>.json     every function, event and constructor, one a line, sorted
    layout/<Contract>.txt   where each variable lies: storage, transient storage, immutables behind the code
    selectors.txt           what answers at each address
    code.txt                sizes with the margin that is left, hashes, compiler and settings

A change of any of them is a change of what was audited: a test fails until it is taken over on purpose.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from plimsoll.chain import artifacts
from plimsoll.chain.artifacts import EVM_VERSION, EXTENSIONS, MAX_RUNTIME, ROOT, Artifact, variables
from plimsoll.chain.build import optimize_of
from plimsoll.chain.contract import Function

FOLDER: Final = Path(__file__).parent
MAX_CREATION: Final = 2 * MAX_RUNTIME  # [byte] EIP-3860
UPDATE: Final = "make snapshots-update"
_FILE: Final = re.compile(r"[^\s\[\](),]*/(\w+)\.vyi?\b")  # a type that is an interface is called by its file
_SPACES: Final = {
    "storage_layout": "storage",
    "transient_storage_layout": "transient storage",
    "code_layout": "immutables",
}


def deployables(root: Path = ROOT) -> dict[str, Artifact]:
    """Every contract that may be deployed in earnest, by name, each by itself."""
    names = [name for name, path in artifacts.contract_paths(root).items() if path.parent.name != "mocks"]
    artifacts.load_all(names, root)
    tree = artifacts._tree(root)
    found = {name: artifacts._cached(name, root, tree) for name in names}  # not merged with what it delegates to
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def abi_text(abi: list[dict[str, Any]]) -> str:
    """An interface, in an order that does not hang on the source's."""
    lines = sorted(json.dumps(entry, sort_keys=True) for entry in abi if entry["type"] != "error")
    return "[\n" + ",\n".join(f"  {line}" for line in lines) + "\n]\n"


def _called(kind: str) -> str:
    """A type; of an interface that comes from a file, the file's name."""
    return _FILE.sub(r"\1", kind)


def layout_text(layout: Mapping[str, Any]) -> str:
    """Every variable's place, a line each."""
    lines = []
    for key, title in _SPACES.items():
        unit = "byte" if key == "code_layout" else "slot"
        lines.append(f"{title}: {unit}, {unit}s, name, type")
        rows = sorted(variables(layout.get(key) or {}), key=lambda each: (each.at, each.length, each.name))
        lines += [f"  {each.at:>5} {each.length:>5}  {each.name}  {_called(each.kind)}" for each in rows]
    return "\n".join(lines) + "\n"


def selectors(found: Mapping[str, Artifact]) -> dict[str, list[tuple[str, str, str]]]:
    """By address, here a contract's name: selector, signature, and whose code answers."""
    return {
        name: sorted(
            (function.selector.hex(), function.signature, code)
            for code in (name, EXTENSIONS.get(name, ""))
            if code in found
            for entry in found[code].abi
            if entry["type"] == "function"
            for function in [Function(entry)]
        )
        for name in found
    }


def clashes(found: Mapping[str, Artifact]) -> list[str]:
    """Selectors that mean two functions at one address, as sentences."""
    said = []
    for name, rows in selectors(found).items():
        for (selector, signature, code), (other, another, its) in itertools.pairwise(rows):
            if selector == other:
                said.append(f"{name}: 0x{selector} is {signature} of {code} and {another} of {its}")
    return said


def selectors_text(found: Mapping[str, Artifact]) -> str:
    """What answers at each address."""
    lines = ["# address, selector, signature, whose code where it is not its own"]
    for name, rows in selectors(found).items():
        for selector, signature, code in rows:
            lines.append(f"{name:<15} 0x{selector}  {signature}{'' if code == name else f'  {code}'}")
    return "\n".join(lines) + "\n"


def code_text(found: Mapping[str, Artifact], paths: Mapping[str, Path]) -> str:
    """Sizes, hashes and what made them."""
    vyper, snekmate = (importlib.metadata.version(name) for name in ("vyper", "snekmate"))
    lines = [
        f"# vyper {vyper}, snekmate {snekmate}, evm {EVM_VERSION}",
        f"# deployed: with immutables [byte], at most {MAX_RUNTIME:,}; left: up to that; creation: without arguments,",
        f"# at most {MAX_CREATION:,}; keccak: of the runtime code without immutables",
        f"{'contract':<15} {'deployed':>8} {'left':>6} {'creation':>8}  {'optimize':<8}  keccak",
    ]
    for name, artifact in found.items():
        deployed = artifact.size
        optimize = optimize_of(paths[name].read_text(encoding="utf-8"))
        lines.append(
            f"{name:<15} {deployed:>8} {MAX_RUNTIME - deployed:>6} {len(artifact.bytecode):>8}  "
            f"{optimize:<8}  {artifact.code_hash}"
        )
    return "\n".join(lines) + "\n"


def take(root: Path = ROOT) -> dict[str, str]:
    """Every snapshot's text, by file."""
    found = deployables(root)
    return {
        **{f"abi/{name}.json": abi_text(artifact.abi) for name, artifact in found.items()},
        **{f"layout/{name}.txt": layout_text(artifact.layout) for name, artifact in found.items()},
        "selectors.txt": selectors_text(found),
        "code.txt": code_text(found, artifacts.contract_paths(root)),
    }


def kept(folder: Path = FOLDER) -> dict[str, str]:
    """What is in git, by file."""
    files = [*folder.glob("abi/*.json"), *folder.glob("layout/*.txt"), *folder.glob("*.txt")]
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in sorted(files)}


def drift(now: Mapping[str, str], before: Mapping[str, str]) -> list[dict[str, Any]]:
    """What changed: a file, and the lines that went and came."""
    found = []
    for file in sorted({*now, *before}):
        old, new = before.get(file, "").splitlines(), now.get(file, "").splitlines()
        if old != new:
            lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]  # without the names of the files
            lines = [line for line in lines if not line.startswith("@@")]
            found.append({"file": f"tests/snapshots/{file}", "changed": lines})
    return found


def explained(findings: list[dict[str, Any]]) -> str:
    """The drift for people, and how it is taken over."""
    parts = [f"{item['file']}\n" + "\n".join(f"    {line}" for line in item["changed"]) for item in findings]
    return "\n".join([*parts, f"If all of this is meant: {UPDATE}"])


def write(now: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Keep what is, and nothing else."""
    for file in kept(folder):
        if file not in now:
            (folder / file).unlink()
    for file, text in now.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
