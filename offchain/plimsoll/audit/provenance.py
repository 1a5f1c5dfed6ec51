"""What was audited: the commit, the versions, and hashes of sources and of code, so that a reader can say which."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from plimsoll import __version__
from plimsoll.chain import artifacts, checkout
from plimsoll.chain.artifacts import ROOT

PACKAGES: Final = ("vyper", "snekmate", "pyrevm", "eth-ape", "web3", "eth-abi", "numpy", "hypothesis", "z3-solver")
NO_CHECKOUT: Final = "not a checkout"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which code, on what.

    Parameters
    ----------
    time
        When the audit began [unix s].
    commit, changed
        The commit, and the files that differ from it: an audit of a changed tree is of no commit, nor is one of a
        folder that git knows nothing of (`NO_CHECKOUT`).
    versions
        Of Plimsoll, the interpreter and the packages that decide what is compiled, run and proven.
    sources
        SHA-256 of every contract's file, by path.
    locks
        SHA-256 of every lock file, by path.
    code
        Keccak-256 of each contract's runtime code, immutables not filled in, and its size as deployed [byte].
    """

    time: int
    commit: str
    changed: tuple[str, ...]
    versions: dict[str, str]
    sources: dict[str, str]
    locks: dict[str, str]
    code: dict[str, tuple[str, int]]

    @property
    def is_commit(self) -> bool:
        """Whether what was audited is a commit, and nothing beside it."""
        return self.commit != NO_CHECKOUT and not self.changed

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"date": datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d %H:%M")}


def gather(now: int, root: Path = ROOT) -> Provenance:
    """Read it off the checkout."""
    return Provenance(
        time=now,
        commit=checkout.commit(root) or NO_CHECKOUT,
        changed=tuple(checkout.changed(root=root) or ()),
        versions={"plimsoll": __version__, "python": platform.python_version(), **dict(_versions())},
        sources={str(path.relative_to(root)): _sha256(path) for path in sorted((root / "contracts").rglob("*.vy*"))},
        locks={str(path.relative_to(root)): _sha256(path) for path in sorted(root.glob("requirements/*.lock"))},
        code=dict(_code()),
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "not installed"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _code() -> Iterator[tuple[str, tuple[str, int]]]:
    names = [path.stem for path in sorted((ROOT / "contracts").glob("*.vy"))]
    for name, found in artifacts.load_all(names).items():
        yield name, (found.code_hash, found.size)
