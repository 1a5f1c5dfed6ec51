"""What there is to cover in a Vyper file: its statements, and the two ways of each of its conditions.

    line      a statement
    if        the test of an `if` or `elif`
    assert    the test of an `assert`
    choose    the test of `a if test else b`
    operand   a side of `and` or `or`, as far as it is evaluated
    loop      a `for` whose number of rounds is not fixed: some rounds, none

A point is known by its place, so that the compiler, which meets it when it makes code, and a reader of the file agree
on its number.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LINE: Final = "line"
IF: Final = "if"
ASSERT: Final = "assert"
CHOOSE: Final = "choose"
OPERAND: Final = "operand"
LOOP: Final = "loop"
WAYS: Final = {  # how a report names the two ways: not taken, taken
    IF: ("false", "true"),
    ASSERT: ("refuses", "passes"),
    CHOOSE: ("false", "true"),
    OPERAND: ("false", "true"),
    LOOP: ("no round", "some rounds"),
}
MARK: Final = 0xC0  # the first of ten bytes of a probe's address; no contract has so many zeros before it
ID_BITS: Final = 64


@dataclass(frozen=True, order=True)
class Point:
    """A statement, or a condition with two ways."""

    file: str  # from the root of the repository
    line: int
    column: int
    end_line: int
    end_column: int
    kind: str
    function: str  # in which it stands

    @property
    def number(self) -> int:
        """The address of its probe; of a condition, of its way that is not taken: the other's is one more."""
        place = f"{self.file}:{self.line}:{self.column}:{self.end_line}:{self.end_column}:{self.kind}"
        digest = hashlib.sha256(place.encode()).digest()
        return MARK << ID_BITS + 8 | int.from_bytes(digest[: ID_BITS // 8]) << 1

    @property
    def ways(self) -> tuple[str, ...]:
        """The names of its ways; none of a statement."""
        return WAYS.get(self.kind, ())


def condition_kind(node: Any) -> str | None:
    """What kind of condition an expression is by where it stands; None for one that decides nothing."""
    from vyper import ast as vy_ast

    parent = node.get_ancestor()
    for within, kind in ((vy_ast.If, IF), (vy_ast.Assert, ASSERT), (vy_ast.IfExp, CHOOSE)):
        if isinstance(parent, within) and parent.test is node:
            return kind
    if isinstance(parent, vy_ast.BoolOp) and any(value is node for value in parent.values):
        return OPERAND
    return None


def point_at(node: Any, kind: str, file: str) -> Point:
    """The point at a node."""
    from vyper import ast as vy_ast

    function = node.get_ancestor(vy_ast.FunctionDef)
    return Point(
        file,
        node.lineno,
        node.col_offset,
        node.end_lineno,
        node.end_col_offset,
        kind,
        function.name if function else "",
    )


def is_statement(node: Any) -> bool:
    """Whether a node stands in a body, as a line of its own."""
    bodies = (getattr(node.get_ancestor(), name, None) for name in ("body", "orelse"))
    return any(child is node for body in bodies if isinstance(body, list) for child in body)


def is_bounded(loop: Any) -> bool:
    """Whether the number of rounds of a `for` is known when it runs alone: its range is bounded, or its list grows."""
    from vyper import ast as vy_ast

    call = loop.iter
    if isinstance(call, vy_ast.Call) and call.get("func.id") == "range":
        return bool(call.keywords)
    return not isinstance(call, vy_ast.List)


def points_of(path: Path, file: str) -> list[Point]:
    """Every point of a source file, in order; none of an interface."""
    from vyper import ast as vy_ast

    module = vy_ast.parse_to_ast(path.read_text(encoding="utf-8"), module_path=str(path), resolved_path=str(path))
    found = set()
    for function in module.get_children(vy_ast.FunctionDef):
        for statement in function.get_descendants(vy_ast.VyperNode):
            if is_statement(statement):
                found.add(point_at(statement, LINE, file))
            if isinstance(statement, vy_ast.For) and is_bounded(statement):
                found.add(point_at(statement, LOOP, file))
            kind = condition_kind(statement)
            if kind is not None:
                found.add(point_at(statement, kind, file))
    return sorted(found)
