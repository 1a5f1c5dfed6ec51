"""What a report was made from, kept on disk: its snapshot, and what the report before it left.

With both, anyone recomputes the report to the byte: `plimsoll report N.snapshot.json.gz --previous N.previous.json`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from plimsoll.keeper.errors import KeeperError
from plimsoll.market.snapshot import Snapshot
from plimsoll.risk.models import Posted, State


class Archive:
    """A folder of snapshots and states, by sequence."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, sequence: int, snapshot: Snapshot, previous: State | None) -> None:
        """Write both; a retry under the same sequence replaces them.

        Raises
        ------
        KeeperError
            Where the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            snapshot.save(self.folder / f"{sequence}.snapshot.json.gz")
            if previous is not None:
                text = json.dumps(asdict(previous), indent=2, sort_keys=True)
                (self.folder / f"{sequence}.previous.json").write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise KeeperError(f"archive {self.folder}: {error.strerror or error}") from error


def read_state(path: Path) -> State:
    """What `Archive` wrote of the report before.

    Raises
    ------
    KeeperError
        Where the file is no such thing.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return State(
            int(data["sequence"]),
            int(data["market_time"]),
            {int(key): Posted(**{name: int(v) for name, v in item.items()}) for key, item in data["posted"].items()},
            {int(key): int(value) for key, value in data["offsets"].items()},
        )
    except OSError as error:
        raise KeeperError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeeperError(f"{path}: not what a report left ({type(error).__name__} {error})") from error
