"""Which loops have a round whatever happens: those over an array of fixed length, as the text alone says.

`for x: uint256 in prices:` where `prices` is declared `uint256[12]` has no way without a round, so there is nothing to
reach; over a `DynArray` there is. The compiler puts a probe at both, which does no harm: what counts is decided here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def is_fixed(annotation: Any) -> bool:
    """Whether a type is written as an array of fixed length: `uint256[12]`, `DynArray[uint256, 3][2]`."""
    from vyper import ast as vy_ast

    if not isinstance(annotation, vy_ast.Subscript):
        return False
    of = annotation.value
    return not (isinstance(of, vy_ast.Name) and of.id in {"DynArray", "HashMap", "Bytes", "String"})


def declared(loop: Any, module: Any) -> list[Any]:
    """Every type under which the function of a loop, or its module, declares what the loop goes over."""
    from vyper import ast as vy_ast

    over = loop.iter
    if isinstance(over, vy_ast.Attribute) and isinstance(over.value, vy_ast.Name) and over.value.id == "self":
        name, places = over.attr, [module.get_children(vy_ast.VariableDecl)]
    elif isinstance(over, vy_ast.Name):
        function, name = loop.get_ancestor(vy_ast.FunctionDef), over.id
        own = [*function.args.args, *function.get_descendants(vy_ast.AnnAssign)]
        places = [own, module.get_children(vy_ast.VariableDecl)]
    else:
        return []
    found = [
        item.annotation
        for items in places
        for item in items
        if (item.arg if isinstance(item, vy_ast.arg) else item.target.id) == name
    ]
    inner = [other.target for other in loop.get_ancestor(vy_ast.FunctionDef).get_descendants(vy_ast.For)]
    return found + [None for target in inner if target.target.id == name]  # the item of a loop: its type is not sought


def sure_of(path: Path) -> set[tuple[int, int]]:
    """Line and column of every loop of a file that has a round whatever happens."""
    from vyper import ast as vy_ast

    module = vy_ast.parse_to_ast(path.read_text(encoding="utf-8"), module_path=str(path), resolved_path=str(path))
    found = set()
    for function in module.get_children(vy_ast.FunctionDef):
        for loop in function.get_descendants(vy_ast.For):
            types = declared(loop, module)
            if types and all(map(is_fixed, types)):
                found.add((loop.lineno, loop.col_offset))
    return found
