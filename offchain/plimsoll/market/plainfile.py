"""Files of plain values: JSON that no stranger brings a process down with, and what is wrong with its fields."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from plimsoll.spec.errors import PlimsollError

MAX_DEPTH: Final = 100  # brackets inside each other; what this package writes has six
STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def parse_json(content: bytes) -> Any:
    """What JSON in UTF-8 says.

    Python's parser calls itself for each bracket. How deep it may is a limit of the whole process, which any library
    raises (that of pairings a hundred times), and over the machine's own stack no error is left to catch: so the depth
    is looked at before.

    Raises
    ------
    ValueError
        It is no JSON, or nested deeper than `MAX_DEPTH`.
    """
    if content.count(b"[") + content.count(b"{") > MAX_DEPTH:
        depth = _depth(content)
        if depth > MAX_DEPTH:
            raise ValueError(f"brackets nested {depth} deep; at most {MAX_DEPTH} is right")
    return json.loads(content.decode())


def _depth(content: bytes) -> int:
    """How many brackets stand inside each other, those in text left out."""
    signs = np.frombuffer(STRING.sub(b"", content), dtype=np.uint8)
    opened = (signs == ord("[")) | (signs == ord("{"))
    closed = (signs == ord("]")) | (signs == ord("}"))
    return int(np.max(np.cumsum(opened.astype(np.int64) - closed), initial=0))


def read_json(path: Path, refused: type[PlimsollError]) -> Any:
    """What a file of JSON holds.

    Parameters
    ----------
    path
        The file, UTF-8.
    refused
        The error that the caller names by what it cannot use.

    Raises
    ------
    PlimsollError
        As `refused`: there is no such file, or `parse_json` refuses it.
    """
    try:
        return parse_json(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise refused(f"{path}: {error}") from error
    except ValueError as error:
        raise refused(f"{path} is no JSON: {error}") from error


def wrong_fields(error: ValidationError, whole: str) -> str:
    """Every field that is wrong, by its path, and why; `whole` stands where it is no field but all of them."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or whole}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors()
    )
