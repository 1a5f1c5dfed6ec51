"""All or nothing: what a transaction is on chain, for twins that change several things before they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def atomic(*parts: Any) -> Iterator[None]:
    """What the parts' attributes held before is put back where anything is raised; containers stay the same objects."""
    kept = [(part, name, value, _copy(value)) for part in parts for name, value in _attributes(part)]
    try:
        yield
    except BaseException:
        for part, name, value, copy in kept:
            if isinstance(value, dict | set):
                value.clear()
                value.update(copy)
            elif isinstance(value, list):
                value[:] = copy
            setattr(part, name, value)
        raise


def _attributes(part: Any) -> Iterator[tuple[str, Any]]:
    names = vars(part) if hasattr(part, "__dict__") else type(part).__slots__
    for name in list(names):
        yield name, getattr(part, name)


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | set | list) else value
