"""What this node has signed, on disk before a signature leaves: one report a sequence, whatever happens in between.

A sequence is free again when what was signed under it can be posted no more: the oracle refuses a market time that is
older than its `max_age`. Until then a failed post is tried again under the next free sequence; sequences need only
rise. A second request for the same digest is answered with the same signature.

The file is one line of JSON a promise behind a first line that names key, chain and oracle. A line that a crash cut off
promised nothing, since it is on disk, whole, before the signature is made; any other line that cannot be read stops
the node. One process has the file; a second one with the same key is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from plimsoll.nodes.errors import PromiseError

KEPT: Final = 4_096  # promises that are read back; more than one node signs within any `max_age`


@dataclass(frozen=True, slots=True)
class Promise:
    """One signed report: its digest and its market time [unix s]."""

    digest: bytes
    market_time: int


class Promises:
    """The record of one key on one chain and oracle.

    Parameters
    ----------
    path
        The file; made where there is none. None keeps the record in memory only, for simulations.
    signer, oracle
        Addresses.
    chain_id
        The chain's.

    Raises
    ------
    PromiseError
        The file is another node's, cannot be read or written, or another process has it.
    """

    def __init__(self, path: Path | None, signer: str, chain_id: int, oracle: str) -> None:
        self.path = path
        self._by_sequence: dict[int, Promise] = {}
        self._file: TextIO | None = None
        if path is not None:
            self._open(path, {"signer": signer, "chain_id": chain_id, "oracle": oracle})

    def _open(self, path: Path, owner: dict[str, Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise PromiseError(f"{path}: {error.strerror or error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.seek(0)
            text = file.read()
            whole = text[: text.rfind("\n") + 1]
            self._read(path, whole.splitlines(), owner)
            file.truncate(len(whole.encode()))
            if not whole:
                _append(file, owner)
        except BlockingIOError as error:
            file.close()
            raise PromiseError(f"{path}: another process signs by it") from error
        except (OSError, UnicodeDecodeError) as error:
            file.close()
            raise PromiseError(f"{path}: {error}") from error
        except PromiseError:
            file.close()
            raise
        self._file = file

    def _read(self, path: Path, lines: list[str], owner: dict[str, Any]) -> None:
        for number, line in enumerate(lines, 1):
            try:
                data = json.loads(line)
                if number == 1:
                    if data != owner:
                        raise PromiseError(f"{path}: the record of {data}, not of {owner}")
                    continue
                self._by_sequence[int(data["sequence"])] = Promise(
                    bytes.fromhex(data["digest"]), int(data["market_time"])
                )
            except (ValueError, KeyError, TypeError) as error:
                raise PromiseError(f"{path}, line {number}: no promise; a node that forgets must not sign") from error
        self._forget()

    def of(self, sequence: int, now: int, max_age: int) -> Promise | None:
        """What was signed under a sequence and could still be posted at `now` [unix s]; None: it is free."""
        found = self._by_sequence.get(sequence)
        return None if found is None or found.market_time + max_age < now else found

    def free(self, above: int, now: int, max_age: int) -> int:
        """The lowest free sequence above another."""
        sequence = above + 1
        while self.of(sequence, now, max_age) is not None:
            sequence += 1
        return sequence

    def make(self, sequence: int, promise: Promise) -> None:
        """Keep a promise; it is on disk when this returns.

        Raises
        ------
        PromiseError
            It cannot be written: nothing may be signed.
        """
        if self._file is not None:
            line = {"sequence": sequence, "digest": promise.digest.hex(), "market_time": promise.market_time}
            try:
                _append(self._file, line)
            except (OSError, ValueError) as error:
                self._file.close()  # half a line may stand there: nothing is signed any more, until a restart
                raise PromiseError(f"{self.path}: cannot be written ({error})") from error
        self._by_sequence[sequence] = promise
        self._forget()

    def _forget(self) -> None:
        """Leave the newest in memory."""
        while len(self._by_sequence) > KEPT:
            self._by_sequence.pop(min(self._by_sequence))

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _append(file: TextIO, data: dict[str, Any]) -> None:
    file.write(json.dumps(data) + "\n")
    file.flush()
    os.fsync(file.fileno())
