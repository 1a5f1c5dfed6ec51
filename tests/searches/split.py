"""I-28 on the enforced margin: a search for a way of splitting a book over accounts that lowers what it owes.

What an account owes is subadditive, concentration aside: the scan, the short option minimum and the charges of parts
sum to at least those of the whole, to the last unit, since every rounding is against the account and every discount is
of what the account itself nets. So the search must find nothing, at a tolerance of nothing.

The concentration charge is the exception by intention: it is of an account's size beyond the depth of its market, and
so a book split over accounts that are each inside the depth owes none. (What all accounts hold together is charged by
the market's part of the initial margin, which no split lessens.) Counted in, the search finds that, which shows that
it can find what is there; by how much is measured.

Books are drawn as those of the agreement tests: any size, any shape, fresh and stale, several underlyings. Every way
of splitting is judged by the twin, and whole and parts of each book's best one by the bytecode of RiskOracle as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import MAX_POSITIONS, id_of, quantity_of, unpack, word
from plimsoll.spec.margin import View, assess, groups, terms
from tests.strategies import Seeded, Source, World, book_of, chance, pick, world

DEBT: Final = -1  # [wad] a ledger below zero: an account of collateral alone owes nothing otherwise
STEPS: Final = 40  # of a climb from the best of the named ways
WORLD: Final = 12  # books of one world

Words = tuple[int, ...]
Parts = tuple[Words, ...]


class Enforced(Protocol):
    """A world as a chain holds it."""

    @property
    def view(self) -> View:
        """What the twin reads."""
        ...

    def check(self, words: Sequence[int]) -> None:
        """Demand that the bytecode asks the same margin of a book as the twin."""


@dataclass(frozen=True, slots=True)
class Owed:
    """Maintenance margin [wad], and the part of it that is for concentration."""

    mm: int
    concentration: int

    @property
    def netted(self) -> int:
        """What no split may lower."""
        return self.mm - self.concentration


def owed(words: Sequence[int], view: View) -> Owed:
    """What a sorted book owes, by the twin; the concentration is the oracle's own term of each underlying."""
    if not words:
        return Owed(0, 0)
    concentration = sum(terms(group, view)[0].concentration for group in groups(words))
    return Owed(assess(words, DEBT, view).mm, concentration)


@dataclass(slots=True)
class Result:
    """What a search counted; `gain` is what the best split of a book owes less than the whole, in units of 1e-18.

    `most` may not be over zero. `most_of_mm` is the largest share of a book's maintenance margin that a split saves
    with concentration counted in.
    """

    books: int = 0
    splits: int = 0
    on_chain: int = 0
    largest: int = 0  # positions of the largest book
    most: int | None = None
    worst: tuple[Words, Parts] | None = None
    avoiding: int = 0  # books whose concentration a split lowers
    most_of_mm: float = 0.0
    gains: list[str] = field(default_factory=list)


# -------------------------------------------------------------------------------------------------- ways of splitting


def parted(words: Words, place: Callable[[int], int]) -> Parts:
    """Whole positions, each to the account that `place` says."""
    found: dict[int, list[int]] = {}
    for held in words:
        found.setdefault(place(held), []).append(held)
    return tuple(tuple(found[key]) for key in sorted(found))


def shared(words: Words, ways: int) -> Parts:
    """Every position in equal pieces, what is left over to the first account."""
    found: list[list[int]] = [[] for _ in range(ways)]
    for held in words:
        quantity = quantity_of(held)
        piece = abs(quantity) // ways
        sign = 1 if quantity > 0 else -1
        sizes = [abs(quantity) - piece * (ways - 1), *[piece] * (ways - 1)]
        for at, size in enumerate(sizes):
            if size:
                found[at].append(word(id_of(held), sign * size))
    return tuple(tuple(part) for part in found if part)


def named_ways(words: Words, source: Source) -> Iterator[Parts]:
    """What comes to mind: each alone; by underlying, class, expiry, kind and sign; halves, thirds; at random."""
    yield parted(words, id_of)
    yield parted(words, lambda held: unpack(id_of(held)).underlying)
    yield parted(words, lambda held: unpack(id_of(held)).underlying >> 8)
    yield parted(words, lambda held: unpack(id_of(held)).expiry)
    yield parted(words, lambda held: unpack(id_of(held)).kind)
    yield parted(words, lambda held: quantity_of(held) > 0)
    yield parted(words, lambda held: unpack(id_of(held)).is_option)
    for ways in (2, 3, 8):
        yield shared(words, ways)
        yield parted(words, lambda _: source.integer(0, ways - 1))  # noqa: B023 - called before the next


def moved(parts: Parts, source: Source) -> Parts:
    """One position, or a piece of one, from an account to another or to a new one."""
    books = [{id_of(held): quantity_of(held) for held in part} for part in parts]
    giver = source.integer(0, len(books) - 1)
    taker = source.integer(0, len(books))
    if taker == giver:
        taker = len(books)
    if taker == len(books):
        books.append({})
    instrument = pick(source, sorted(books[giver]))
    held = books[giver].pop(instrument)
    size = held if chance(source, 50) else (1 if held > 0 else -1) * source.integer(1, abs(held))
    if held != size:
        books[giver][instrument] = held - size
    books[taker][instrument] = books[taker].get(instrument, 0) + size
    if any(len(book) > MAX_POSITIONS for book in books):
        return parts
    return tuple(tuple(word(i, book[i]) for i in sorted(book)) for book in books if book)


# -------------------------------------------------------------------------------------------------------- the search


def best(words: Words, view: View, source: Source, value: Callable[[Owed], int]) -> tuple[int, Parts, int]:
    """The split that owes least by `value`: of the named ways, then by a climb; what it saves, and how many tried."""
    known: dict[Words, int] = {}

    def cost(parts: Parts) -> int:
        for part in parts:
            if part not in known:
                known[part] = value(owed(part, view))
        return sum(known[part] for part in parts)

    whole = value(owed(words, view))
    tried = 0
    found: tuple[int, Parts] | None = None
    for parts in named_ways(words, source):
        if len(parts) > 1:
            tried += 1
            now = cost(parts)
            if found is None or now < found[0]:
                found = now, parts
    if found is None:  # one unit of one position
        return -(2**255), (words,), 0
    for _ in range(STEPS):
        parts = moved(found[1], source)
        if len(parts) > 1:
            tried += 1
            now = cost(parts)
            if now < found[0]:
                found = now, parts
    return whole - found[0], found[1], tried


def search(
    books: int,
    seed: int,
    held: Callable[[World], AbstractContextManager[Enforced]],
    step: Callable[[], None] = lambda: None,
    value: Callable[[Owed], int] = lambda found: found.netted,
) -> Result:
    """Draw worlds and books, and split each.

    Parameters
    ----------
    books, seed
        How many, from where.
    held
        Holds a world as long as its context lasts.
    step
        Called after each book.
    value
        What a split should lower; by default maintenance margin without the concentration charge.
    """
    source = Seeded(seed)
    result = Result()
    while result.books < books:
        made = world(source, most=12, underlyings=4)
        with held(made) as chain:
            for _ in range(WORLD):
                if result.books == books:
                    break
                words = book_of(source, made)
                try:
                    owed(words, chain.view)
                except (Refused, KeyError):  # a feed is dead, an underlying has none: there is no margin to lower
                    continue
                if len(words) == 1 and abs(quantity_of(words[0])) == 1:
                    continue
                _one(words, chain, source, result, value)
                step()
    return result


def _one(words: Words, chain: Enforced, source: Source, result: Result, value: Callable[[Owed], int]) -> None:
    view = chain.view
    gain, parts, tried = best(words, view, source, value)
    result.books += 1
    result.splits += tried
    result.largest = max(result.largest, len(words))
    for book in (words, *parts):
        chain.check(book)
        result.on_chain += 1
    if result.most is None or gain > result.most:
        result.most, result.worst = gain, (words, parts)
    if gain > 0:
        result.gains.append(f"{[hex(w) for w in words]} as {[[hex(w) for w in part] for part in parts]}: {gain}")
    whole = owed(words, view)
    if whole.concentration:
        saved, _, more = best(words, view, source, lambda found: found.mm)
        result.splits += more
        result.avoiding += saved > 0
        if saved > 0:
            result.most_of_mm = max(result.most_of_mm, saved / whole.mm)
