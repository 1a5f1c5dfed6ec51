"""Event records of the twin, equal to what a node decodes from the chain's log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One log entry: who logged it, under which name, with which arguments.

    Addresses are integers, bytes32 are bytes, arrays are tuples, the rest as the ABI has it.
    """

    contract: str
    name: str
    args: Mapping[str, object]
