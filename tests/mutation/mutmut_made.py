"""Mutants of Python files, made by mutmut: run by the interpreter of .venv-mutmut, which has nothing else.

Standard input is `{path: text}`, standard output `{path: {"code", "names", "spans"}}`: the text with all mutants of
each function beside it, their names, and the first and last line of each in that text. A function with a decorator is
left as it is, and so are constants of a module: mutmut does not mutate them.

To mutmut's own edits comes one: helpers that round, turned the other way.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst as cst
from mutmut.mutation.file_mutation import mutate_file_contents  # type: ignore[import-not-found, unused-ignore]
from mutmut.mutation.mutators import mutation_operators  # type: ignore[import-not-found, unused-ignore]

TURNED = {
    "mul_div_down": "mul_div_up",
    "mul_div_up": "mul_div_down",
    "div_floor": "div_up",
    "div_up": "div_floor",
    "div_truncate": "div_floor",
}


def rounding(node: cst.Call) -> Iterator[cst.Call]:
    """The call of a helper that rounds, turned the other way."""
    if isinstance(node.func, cst.Name) and node.func.value in TURNED:
        yield node.with_changes(func=cst.Name(TURNED[node.func.value]))


def main() -> None:
    """Read texts, write what is made of them."""
    texts: dict[str, str] = json.load(sys.stdin)
    mutation_operators.append((cst.Call, rounding))
    made: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:  # where mutmut reads its settings
        os.chdir(folder)
        Path("pyproject.toml").write_text('[tool.mutmut]\nsource_paths = ["."]\n')
        for path, text in texts.items():
            found = mutate_file_contents(path, text)
            spans = {name: [span.start, span.end] for name, span in found.line_span_by_function_name.items()}
            made[path] = {"code": found.code, "names": list(found.mutant_names), "spans": spans}
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
