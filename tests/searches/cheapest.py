"""The cheapest losing book, on the enforced margin: the linear programs of `plimsoll.risk.adversary`, and the bytecode.

The programs search in floating point over the posted integers; every book they find is assessed by the twin in exact
integers. Here the ones that come nearest to losing more than their margin are asked of RiskOracle as well, after the
same report was posted to it: what is compared with the loss is then what a chain would demand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from plimsoll.risk import adversary
from plimsoll.risk.adversary import FAMILIES, Target
from plimsoll.spec.margin import assess
from tests.searches.chain import Chain, words_at, world_of

ALIKE: Final = 1e-12  # a margin told in coins, in floating point, against the same in units


@dataclass(frozen=True, slots=True)
class Result:
    """What the search counted; losses in coins.

    `excess` is the largest loss beyond the margin, and may not be over zero; `ratio` the largest loss over margin.
    `free_loss` is what a book of margin zero loses with the gross charge taken out: the search can find what is there.
    `on_chain` counts the books that the bytecode was asked about; it and the twin agreed on each.
    """

    sources: str
    programs: int
    excess: float
    ratio: float
    free_loss: float
    on_chain: int


def search(
    targets: Sequence[Target],
    families: Sequence[str] = FAMILIES,
    every: int = 1,
    step: Callable[[], None] = lambda: None,
) -> Result:
    """Play against each target, and hold what comes nearest to the bytecode.

    Raises
    ------
    Mismatch
        Where chain and twin differ about a book.
    AssertionError
        Where the book that stands for it in the chain's world owes something else than what the search was told.
    """
    chain = Chain()
    found = []
    asked = 0
    for target in targets:
        result = adversary.play(target, families, every=every)
        found.append(result)
        with chain.held(world_of(target)) as held:
            for book in result.nearest:
                words = words_at(book.words, target)
                held.check(words)
                asked += 1
                mm = assess(words, 0, held.view).mm
                if not math.isclose(book.mm * target.market.reference, mm, rel_tol=ALIKE):
                    raise AssertionError(f"{book.shock.name}: the search was told {book.mm} coins, the chain {mm} wad")
        step()
    joined = adversary.joined(found)
    return Result(joined.source, joined.programs, joined.worst.excess, joined.ratio, joined.single.loss, asked)
