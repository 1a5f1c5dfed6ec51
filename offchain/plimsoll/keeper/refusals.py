"""What was refused, by underlying: in what company it tries again, and behind whom.

Who refused does not say which underlying of a report it was for: co-signers name the number that they disagree with,
the chain its reason, a node that is silent nothing. So what was refused together tries again in halves. What is sound
is believed after as many tries as the report can be halved; what is not ends up alone, and holds nobody up.
"""

from __future__ import annotations

from collections.abc import Collection


class Refusals:
    """Underlyings whose last report was refused."""

    def __init__(self) -> None:
        self._company: dict[int, int] = {}  # most underlyings of the next report it is in
        self._turns: dict[int, int] = {}  # which refusal was its last; since a report was believed
        self._count = 0

    def refused(self, underlyings: Collection[int]) -> None:
        """A report of these was refused."""
        self._count += 1
        for underlying in underlyings:
            self._company[underlying] = max(1, len(underlyings) // 2)
            self._turns[underlying] = self._count

    def believed(self, underlyings: Collection[int]) -> None:
        """A report of these was believed; what was refused before need not stand behind any longer."""
        self._turns.clear()
        for underlying in underlyings:
            self._company.pop(underlying, None)

    def turn(self, underlying: int) -> int:
        """Its place: 0 where nothing was refused since a report was believed, else higher the later it was."""
        return self._turns.get(underlying, 0)

    def together(self, underlyings: Collection[int]) -> bool:
        """Whether these may be in one report."""
        return len({self.turn(u) for u in underlyings}) == 1 and all(
            len(underlyings) <= self._company.get(u, len(underlyings)) for u in underlyings
        )
