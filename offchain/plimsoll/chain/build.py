"""Whether the code on a chain is what the sources give: recompiled in a clean place, compared byte for byte.

What is deployed is the compiler's runtime code with the contract's immutables behind it. The code must be the same; the
immutables are cut off where the compiler's layout says, read as what they are, and held to what the address book and
the chain know: addresses of contracts, the chain's id, the domain of signatures. Surfaces, which are data, are no
code of ours: the oracle's reports stand for them.

Errors
------
    DeploymentError
    +-- BookFileError          a file that is no address book
    +-- ArtifactsError         a folder without compiled code
    +-- WrongChainError        an address book of another chain
    +-- UnknownContractError   a name that no contract has
    +-- NoCodeError            nothing at an address
    +-- CompilerVersionError   a compiler that is not the one that the sources name
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain import artifacts, checkout
from plimsoll.chain.artifacts import EVM_VERSION, ROOT, Artifact
from plimsoll.chain.errors import CompileError, DeploymentError
from plimsoll.chain.protocol import Chain
from plimsoll.spec.report import domain_separator

IDENTICAL: Final = "identical"
DIFFERS: Final = "differs"
IMMUTABLES: Final = "immutables"  # the code is the same, what is behind it is not

NAMED: Final = {  # which contract an immutable names
    "FEED": "IndexFeed",
    "GUARD": "Guardrails",
    "ORACLE": "RiskOracle",
    "HISTORY": "History",
    "REGISTRY": "Registry",
    "MANDATES": "Mandates",
    "BACK_OFFICE": "BackOffice",
    "BOOK": "Clearinghouse",
    "LIQUIDATOR": "Liquidator",
    "FUND": "InsuranceFund",
    "QUOTE": "quote",
}
_PRAGMA: Final = re.compile(r"^# *pragma version *=*(\S+)", re.MULTILINE)
_OPTIMIZE: Final = re.compile(r"^# *pragma optimize (\w+)", re.MULTILINE)
_INTERFACE: Final = re.compile(r"\w+\.vyi?$|^[A-Z]\w*$")  # of a file, or of the contract itself


class BookFileError(DeploymentError):
    """A file that is no address book."""


class ArtifactsError(DeploymentError):
    """A folder without compiled code."""


class WrongChainError(DeploymentError):
    """An address book of another chain."""


class UnknownContractError(DeploymentError):
    """A name that no contract has."""


class NoCodeError(DeploymentError):
    """Nothing at an address."""


class CompilerVersionError(DeploymentError):
    """A compiler that is not the one that the sources name."""


class Immutable(NamedTuple):
    """One value behind the code."""

    name: str  # with its modules
    value: str  # as people read it
    expected: str | None  # what it should be, where that is known
    said: str  # what it is an address of, where the address book says

    @property
    def ok(self) -> bool:
        """Whether it is what it should be, as far as that is known."""
        return self.expected is None or self.expected == self.value


@dataclass(frozen=True)
class BuildCheck:
    """What became of one contract."""

    name: str
    address: str  # or a file
    verdict: str
    at: int | None = None  # the first byte that differs
    found: str = ""  # eight bytes from there, hexadecimal, likewise what they should be
    expected: str = ""
    differing: int = 0  # [byte] in all, with those that one has more than the other
    size: int = 0  # [byte] of what was found
    code_hash: str = ""  # keccak of the runtime code without immutables, from the sources
    sources: str = ""  # sha256 over every source that went into it
    optimize: str = "gas"
    immutables: tuple[Immutable, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is what the sources give."""
        return self.verdict == IDENTICAL

    def __str__(self) -> str:
        """The finding in a sentence."""
        if self.verdict == DIFFERS:
            return (
                f"differs at byte {self.at}: {self.found or 'nothing'}, not {self.expected or 'nothing'}; "
                f"{self.differing} bytes in all"
            )
        wrong = [item for item in self.immutables if not item.ok]
        return "; ".join(f"{item.name} is {item.value}, not {item.expected}" for item in wrong) or self.verdict


@dataclass(frozen=True)
class Book:
    """What an address book says."""

    chain_id: int
    contracts: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)  # quote, tokens, aggregators

    @property
    def addresses(self) -> dict[str, str]:
        """Every name that it has, and where."""
        return {**self.others, **self.contracts}


def read_book(path: Path) -> Book:
    """An address book's addresses; it is not asked whether anything is there.

    Raises
    ------
    BookFileError
        Where the file cannot be read, is no address book, or an address is none.
    UnknownContractError
        Where it names a contract that the sources do not have.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BookFileError(f"address book {path.name}: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("contracts"), dict):
        raise BookFileError(f"address book {path.name}: contracts are missing")
    if not isinstance(told.get("chain_id"), int):
        raise BookFileError(f"address book {path.name}: chain_id is missing")
    others = {
        **({"quote": told["quote"]} if told.get("quote") else {}),
        **{f"token {symbol}": at for symbol, at in (told.get("tokens") or {}).items()},
        **{f"aggregator {key}": at for key, at in (told.get("aggregators") or {}).items()},
    }
    for name, at in {**told["contracts"], **others}.items():
        if not isinstance(at, str) or not is_address(at):
            raise BookFileError(f"address book {path.name}: {at!r} of {name} is no address")
    known(told["contracts"])
    return Book(
        told["chain_id"],
        {name: to_checksum_address(at) for name, at in told["contracts"].items()},
        {name: to_checksum_address(at) for name, at in others.items()},
    )


def known(names: Sequence[str] | Mapping[str, Any], root: Path = ROOT) -> None:
    """Refuse names that no contract has.

    Raises
    ------
    UnknownContractError
        With the names that there are.
    """
    paths = artifacts.contract_paths(root)
    for name in names:
        if name not in paths:
            raise UnknownContractError(f"unknown contract {name}; there are {', '.join(sorted(paths))}")


def check_compiler(names: Sequence[str], root: Path = ROOT) -> None:
    """Refuse a compiler that is not the one that the sources name.

    Raises
    ------
    CompilerVersionError
        With both versions, and the command that cures it.
    """
    installed = importlib.metadata.version("vyper")
    paths = artifacts.contract_paths(root)
    for name in names:
        pinned = _PRAGMA.search(paths[name].read_text(encoding="utf-8"))
        if pinned is None:
            raise CompilerVersionError(f"{name} names no compiler; `# pragma version {installed}` would be right")
        if pinned[1] != installed:
            raise CompilerVersionError(
                f"{name} wants vyper {pinned[1]}, installed is {installed}; `make setup` installs what is pinned"
            )


def compile_clean(
    names: Sequence[str],
    source: Path = ROOT,
    *,
    jobs: int = 2,
    seed: str = "random",
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Artifact]:
    """Compile a copy of the sources in a fresh folder: no cache, a process for each contract.

    Parameters
    ----------
    names
        Of contracts.
    source
        The folder that holds `contracts`.
    jobs
        Processes at once.
    seed
        PYTHONHASHSEED of the compiler's processes: what is compiled must not hang on it.
    progress
        Told how many are done, of how many, and which was the last.

    Raises
    ------
    CompileError
        Where one does not compile.
    CompilerVersionError, UnknownContractError
        Before anything is compiled.
    """
    known(names, source)
    check_compiler(names, source)
    with tempfile.TemporaryDirectory(prefix="plimsoll-build-") as place:
        root = Path(place)
        shutil.copytree(source / "contracts", root / "contracts")

        def one(name: str) -> str:
            done = subprocess.run(  # noqa: S603 - our own module
                [sys.executable, "-m", "plimsoll.chain.artifacts", "--worker", str(root), name],
                cwd=root,
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise CompileError(done.stderr.strip())
            return name

        paths = artifacts.contract_paths(root)
        order = sorted(dict.fromkeys(names), key=lambda name: -paths[name].stat().st_size)
        with ThreadPoolExecutor(jobs) as pool:
            for done, future in enumerate(as_completed([pool.submit(one, name) for name in order]), 1):
                name = future.result()
                if progress is not None:
                    progress(done, len(order), name)
        return artifacts.load_all(list(names), root, jobs=1)


# ---------------------------------------------------------------------------------------------------------- comparison


def first_difference(found: bytes, expected: bytes) -> tuple[int | None, int]:
    """Where two strings of bytes part, None where they do not; and in how many places, lengths counted."""
    shorter = min(len(found), len(expected))
    places = [k for k in range(shorter) if found[k] != expected[k]]
    beyond = max(len(found), len(expected)) - shorter
    if places:
        return places[0], len(places) + beyond
    return (shorter, beyond) if beyond else (None, 0)


def shown(word: bytes, kind: str) -> str:
    """An immutable as people read it."""
    if kind == "address" or _INTERFACE.search(kind):
        return to_checksum_address(word[12:32]) if not any(word[:12]) else f"0x{word.hex()}"
    if kind.startswith("String"):
        length = int.from_bytes(word[:32], "big")
        return word[32 : 32 + length].decode("utf-8", errors="replace")
    if kind.startswith("uint"):
        return str(int.from_bytes(word, "big"))
    if kind.startswith("int"):
        return str(int.from_bytes(word, "big", signed=True))
    if kind == "bool" and word[-1] in {0, 1} and not any(word[:-1]):
        return str(bool(word[-1]))
    return f"0x{word.hex()}"


def immutables_of(tail: bytes, artifact: Artifact, address: str, chain_id: int, book: Book) -> tuple[Immutable, ...]:
    """Every value behind a contract's code, and what it should be where that is known."""
    values = {name: shown(tail[at : at + length], kind) for name, at, length, kind in artifact.immutables}
    by_address = {at: name for name, at in reversed(book.addresses.items())}
    found = []
    for name, value in values.items():
        module, _, own = name.rpartition(".")
        expected = book.addresses.get(NAMED.get(own, ""))
        text = values.get(f"{module}._NAME", "")
        if own == "_CACHED_SELF":
            expected = to_checksum_address(address)
        elif own == "_CACHED_CHAIN_ID":
            expected = str(chain_id)
        elif own == "_CACHED_DOMAIN_SEPARATOR":
            expected = f"0x{domain_separator(text, chain_id, address).hex()}"
        elif own == "_HASHED_NAME":
            expected = f"0x{keccak(text=text).hex()}"
        elif own == "_HASHED_VERSION":
            expected = f"0x{keccak(text=values.get(f'{module}._VERSION', '')).hex()}"
        found.append(Immutable(name, value, expected, by_address.get(value, "")))
    return tuple(found)


def check_code(artifact: Artifact, code: bytes, address: str, chain_id: int, book: Book) -> BuildCheck:
    """Code at an address against what the sources give.

    Raises
    ------
    NoCodeError
        Where there is none.
    """
    if not code:
        raise NoCodeError(f"no code at {artifact.name} {address} on chain {chain_id}")
    body = code[: len(artifact.runtime)]
    at, differing = first_difference(body, artifact.runtime)
    more = len(code) - artifact.size
    if at is None and more:
        at, differing = min(len(code), artifact.size), abs(more)
    told = _told(artifact, address, len(code))
    if at is not None:
        known_there = artifact.runtime[at : at + 8]
        return BuildCheck(
            **told,
            verdict=DIFFERS,
            at=at,
            found=code[at : at + 8].hex(),
            expected=known_there.hex(),
            differing=differing,
        )
    found = immutables_of(code[len(artifact.runtime) :], artifact, address, chain_id, book)
    return BuildCheck(**told, verdict=IDENTICAL if all(item.ok for item in found) else IMMUTABLES, immutables=found)


def _told(artifact: Artifact, address: str, size: int) -> dict[str, Any]:
    own = next((ROOT / file for file in artifact.sources if Path(file).stem == artifact.name), None)
    return {
        "name": artifact.name,
        "address": address,
        "size": size,
        "code_hash": artifact.code_hash,
        "sources": source_hash(artifact),
        "optimize": optimize_of(own.read_text(encoding="utf-8") if own is not None and own.is_file() else ""),
    }


def optimize_of(source: str) -> str:
    """What a contract's text has the compiler spare; the compiler's own choice where it says nothing."""
    said = _OPTIMIZE.search(source)
    return said[1] if said else "gas"


def source_hash(artifact: Artifact) -> str:
    """The sha256 over names and contents of every source that went into a contract."""
    listed = "".join(f"{digest}  {file}\n" for file, digest in sorted(artifact.sources.items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def verify_deployment(chain: Chain, book: Book, compiled: Mapping[str, Artifact]) -> list[BuildCheck]:
    """Every contract of an address book that was compiled, in the book's order.

    Raises
    ------
    WrongChainError
        Where the book is of another chain.
    NoCodeError
        Where there is nothing at an address.
    """
    if book.chain_id != chain.chain_id:
        raise WrongChainError(f"the address book is of chain {book.chain_id}, the node of {chain.chain_id}")
    return [
        check_code(compiled[name], chain.code(at), at, chain.chain_id, book)
        for name, at in book.contracts.items()
        if name in compiled
    ]


def read_artifacts(folder: Path) -> dict[str, tuple[bytes, bytes]]:
    """Creation and runtime code by contract: of ape's folder, or of `build/artifacts`.

    Raises
    ------
    ArtifactsError
        Where the folder holds neither.
    """
    try:
        if (folder / "__local__.json").is_file():
            kinds = json.loads((folder / "__local__.json").read_text(encoding="utf-8"))["contractTypes"]
            return {
                name: (_hex(kind["deploymentBytecode"]["bytecode"]), _hex(kind["runtimeBytecode"]["bytecode"]))
                for name, kind in kinds.items()
                if kind.get("runtimeBytecode")
            }
        stored = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
        found = {name: (_hex(item["bytecode"]), _hex(item["runtime"])) for name, item in stored.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactsError(f"{folder}: no artifacts ({type(error).__name__}: {error})") from error
    if not found:
        raise ArtifactsError(f"{folder}: no artifacts; `make compile` writes .build")
    return found


def _hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def verify_artifacts(folder: Path, compiled: Mapping[str, Artifact]) -> list[BuildCheck]:
    """Compiled code kept in a folder against what the sources give: creation code, then runtime code.

    Raises
    ------
    UnknownContractError
        Where the folder lacks a contract.
    """
    stored = read_artifacts(folder)
    checks = []
    for name, artifact in compiled.items():
        if name not in stored:
            raise UnknownContractError(f"{folder} lacks {name}; it has {', '.join(sorted(stored))}")
        told = _told(artifact, str(folder), len(stored[name][1]))
        verdict = BuildCheck(**told, verdict=IDENTICAL)
        for found, expected in zip(stored[name], (artifact.bytecode, artifact.runtime), strict=True):
            at, differing = first_difference(found, expected)
            if at is not None:
                there, should = found[at : at + 8].hex(), expected[at : at + 8].hex()
                verdict = BuildCheck(**told, verdict=DIFFERS, at=at, found=there, expected=should, differing=differing)
        checks.append(verdict)
    return checks


def provenance(root: Path = ROOT) -> dict[str, Any]:
    """What was compiled with what: compiler, settings, commit, and whether the contracts differ from it."""
    return {
        "vyper": importlib.metadata.version("vyper"),
        "snekmate": importlib.metadata.version("snekmate"),
        "evm": EVM_VERSION,
        "commit": checkout.commit(root),
        "dirty": checkout.changed("contracts", root=root),
    }
