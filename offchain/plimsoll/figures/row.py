"""One figure: what it is, how it is measured, what it is held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plimsoll.figures.sources import Sources


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: `bar` is what `value` is held to, as `(comparison, number)`; `data` says it is of recorded prices."""

    name: str
    unit: str
    bar: tuple[str, float]
    measure: Callable[[Sources], float]
    long: bool = False
    data: bool = False

    @property
    def limit(self) -> str:
        """The bar in words."""
        return f"{self.bar[0]} {self.bar[1]:.10g}"

    def verdict(self, value: float) -> str:
        """`ok` where the bar is met, else `short`."""
        comparison, number = self.bar
        met = {
            "<=": value <= number,
            "<": value < number,
            ">=": value >= number,
            ">": value > number,
            "=": value == number,
        }[comparison]
        return "ok" if met else "short"
