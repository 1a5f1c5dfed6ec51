"""Vyper source as a Python syntax tree, every place in it at the column it has in the file.

Vyper's own tree shifts columns where a keyword (`staticcall`) was replaced by a shorter one of Python's. An edit by
place has to hit the character, so what Python does not parse is overwritten here by something of the same length.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

KEYWORDS: Final = {
    "struct": "class",
    "event": "class",
    "flag": "class",
    "interface": "class",
    "extcall": "await",
    "staticcall": "await",
    "log": "_ =",
}
_LOOP: Final = re.compile(r"^(\s*for\s+\w+)(\s*:\s*.+?)(\s+in\s)", re.MULTILINE)
_HEX: Final = re.compile(r"\bx(?=[\"'])")


class SourceError(ValueError):
    """A source that cannot be read as Vyper."""


def as_python(source: str) -> str:
    """The same text with Vyper's keywords replaced by Python's, every character of code where it was.

    Raises
    ------
    SourceError
        Where it holds a character outside ASCII: columns would be counted twice over.
    """
    if not source.isascii():
        raise SourceError("a contract's source has characters outside ASCII; columns cannot be told")
    text = _LOOP.sub(lambda found: found[1] + " " * len(found[2]) + found[3], source)
    text = _HEX.sub("b", text)
    lines = text.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        word = KEYWORDS.get(token.string)
        if token.type != tokenize.NAME or word is None:
            continue
        row, column = token.start
        line = lines[row - 1]
        first = not line[:column].strip()
        if word in {"class", "_ ="} and not first:
            continue
        end = column + len(token.string)
        if token.string == "flag":  # its name moves by one; nothing of it is ever edited
            lines[row - 1] = line[:column] + word + line[end:]
        else:
            lines[row - 1] = line[:column] + word.ljust(len(token.string)) + line[end:]
    return "".join(lines)


@dataclass(frozen=True)
class Source:
    """One contract's text, its tree and where its lines begin."""

    path: str  # from the repository's root
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)
    starts: tuple[int, ...] = field(repr=False)

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        """Read a text.

        Raises
        ------
        SourceError
            Where it does not parse.
        """
        try:
            tree = ast.parse(as_python(text))
        except (SyntaxError, tokenize.TokenError) as error:
            raise SourceError(f"{path} does not parse: {error}") from error
        starts = [0]
        for line in text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return cls(path, text, tree, tuple(starts))

    @classmethod
    def load(cls, root: Path, path: str) -> Source:
        """Read a file."""
        return cls.of(path, (root / path).read_text())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Where a node begins and ends in the text."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def cut(self, node: ast.expr | ast.stmt) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def functions(self) -> list[ast.FunctionDef]:
        """Its functions, not those that interfaces declare."""
        return [node for node in self.tree.body if isinstance(node, ast.FunctionDef)]

    def line(self, place: int) -> int:
        """The line number of a place, from 1."""
        return bisect_right(self.starts, place)
