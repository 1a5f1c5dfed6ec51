"""An audit, from the first part to the report's data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plimsoll.audit.parts import PARTS, Part, Result, Task
from plimsoll.audit.provenance import Provenance
from plimsoll.chain.artifacts import ROOT

LIMITS = "## Known limits"


@dataclass(frozen=True, slots=True)
class Audit:
    """What was audited, what each part came to, and what Plimsoll does not claim."""

    provenance: Provenance
    task: Task
    results: tuple[Result, ...]
    limits: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether no part that ran has a finding."""
        return all(result.verdict != "finding" for result in self.results)

    @property
    def complete(self) -> bool:
        """Whether every part ran, on a tree that is a commit."""
        return self.provenance.is_commit and all(result.verdict != "not run" for result in self.results)

    @property
    def seconds(self) -> float:
        """Of all parts."""
        return sum(result.seconds for result in self.results)

    def result(self, name: str) -> Result:
        """One part's."""
        return next(result for result in self.results if result.name == name)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "part": "audit",
            "ok": self.ok,
            "complete": self.complete,
            "seconds": round(self.seconds, 1),
            "provenance": self.provenance.plain(),
            "seed": self.task.seed,
            "results": [result.plain() for result in self.results],
            "limits": list(self.limits),
        }


def audit(
    parts: Sequence[Part],
    task: Task,
    provenance: Provenance,
    told: Callable[[Part], None] = lambda _: None,
    root: Path = ROOT,
) -> Audit:
    """Run the parts one after the other: each uses all processes that it is given.

    Parameters
    ----------
    parts
        Which; those left out are in the report as not run.
    task
        How much of each.
    provenance
        What is audited.
    told
        Called before each part.
    """
    found: dict[str, Result] = {}
    for part in parts:
        told(part)
        lost = [name for name in part.needs if name not in found]
        if lost:
            why = (f"it reads what {', '.join(lost)} leaves, which was left out",)
            found[part.name] = Result(part.name, part.title, "not run", 0.0, {}, why)
        else:
            found[part.name] = part.run(task, root)
    results = tuple(
        found.get(part.name, Result(part.name, part.title, "not run", 0.0, {}, ("left out by who ran the audit",)))
        for part in PARTS
    )
    return Audit(provenance, task, results, limits(root))


def limits(root: Path = ROOT) -> tuple[str, ...]:
    """The known limits, as the README says them; none is a finding of its own: a reader looks for them."""
    lines = (root / "README.md").read_text(encoding="utf-8").partition(LIMITS)[2].splitlines()
    found: list[str] = []
    for line in lines:
        if line.startswith("## "):
            break
        if line.startswith("- "):
            found.append(line[2:])
        elif line.startswith("  ") and found:
            found[-1] += " " + line.strip()
    return tuple(found)
