"""Which mutant of the twin is real, in this process: what mutmut writes beside a function is picked when it is called.

What mutmut makes of a file calls `wrap_in_trampoline` for each function, with a table that is filled afterwards: its
own form under `_mutmut_orig`, and each mutant under its name. mutmut's own trampoline asks the environment at every
call; this one looks into the table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

MutantDict = dict[str, Callable[..., Any]]
PICKED: Final = "_picked"

tables: dict[str, list[MutantDict]] = {}  # by module
called: set[tuple[str, str]] | None = None  # module and function of each call, while it is asked for


def wrap_in_trampoline(
    mutants: MutantDict,
    is_classmethod: bool = False,  # noqa: FBT001, FBT002 - mutmut's signature
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function that does as the mutant which is picked."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        tables.setdefault(function.__module__, []).append(mutants)
        name = function.__module__, function.__qualname__

        @functools.wraps(function)
        def chosen(*args: Any, **kwargs: Any) -> Any:
            if called is not None:
                called.add(name)
            picked = mutants.get(PICKED)
            if picked is None:
                return function(*args, **kwargs)
            if is_classmethod:  # bound to its class already
                return getattr(args[0], picked.__name__)(*args[1:], **kwargs)
            return picked(*args, **kwargs)

        return chosen

    return wrap


def pick(module: str, name: str) -> None:
    """Make one mutant real."""
    for mutants in tables.get(module, ()):
        if name in mutants:
            mutants[PICKED] = mutants[name]


class Picked:
    """The switch of `tests.mutation.server`, for mutants of the twin."""

    def __init__(self, mutants: list[Mapping[str, Any]]) -> None:
        self._mutants = {mutant["number"]: mutant for mutant in mutants}
        self._of: dict[tuple[str, str], set[int]] = {}
        for mutant in mutants:
            self._of.setdefault((mutant["module"], mutant["qualname"]), set()).add(mutant["number"])
        self.refused: set[str] = set()  # whatever is called is seen, also by a call that is refused

    def turn(self, number: int) -> None:
        """Make one mutant real."""
        mutant = self._mutants[number]
        pick(mutant["module"], mutant["name"])

    def trace(self) -> None:
        """Note from now on what is called."""
        global called  # noqa: PLW0603 - one switch a process
        called = set()

    @property
    def passed(self) -> dict[str, set[int]]:
        """Mutants of the functions that were called."""
        return {"": set().union(*(self._of.get(name, set()) for name in called or ()))}
