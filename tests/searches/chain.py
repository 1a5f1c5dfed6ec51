"""Books held to the bytecode: what a search found, asked of RiskOracle on the embedded chain as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from plimsoll.risk.adversary import UNDERLYING, Target
from plimsoll.spec.instruments import Instrument, id_of, quantity_of, unpack, word
from plimsoll.spec.margin import View
from tests.agreement.rig import Rig
from tests.searches.split import DEBT
from tests.strategies import NOW, World


class Held:
    """A world as the rig holds it; see `tests.searches.split.Enforced`."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    @cached_property
    def view(self) -> View:
        """What the twin reads, once: nothing of it changes."""
        return self.rig.pair.twin.oracle.view(self.rig.pair.now)

    def check(self, words: Sequence[int]) -> None:
        """Mismatch where chain and twin differ about a book that owes."""
        self.rig.check_assess(words, DEBT)


class Chain:
    """RiskOracle and its twin, for one world after the other."""

    def __init__(self) -> None:
        self.rig = Rig()

    @contextmanager
    def held(self, made: World) -> Iterator[Held]:
        """A world, for as long as the context lasts."""
        with self.rig.load(made):
            yield Held(self.rig)


def later(held: Instrument, by: int) -> Instrument:
    """The instrument of an expiry so much later; what does not expire stays."""
    return replace(held, expiry=held.expiry + by) if held.expiry else held


def world_of(found: Target) -> World:
    """What the search for the cheapest book posted, as a world at the time at which worlds are looked at."""
    by = NOW - found.now
    view = found.view
    price, unit = view.index[UNDERLYING].price, view.index[UNDERLYING].strike_unit
    surfaces = [
        replace(surface, time=NOW, expiry=surface.expiry + by if surface.expiry else 0)
        for surface in view.surfaces.values()
    ]
    exponent = len(str(unit)) - 1
    if 10**exponent != unit:
        raise ValueError(f"a strike unit is a power of ten, not {unit}")
    return World(
        params=view.params,
        price={UNDERLYING: price},
        exponent={UNDERLYING: exponent},
        dead=set(),
        surfaces=surfaces,
        scalars=list(view.scalars.values()),
        classes=list(view.classes.values()),
        interest={},
        listed=[later(instrument, by) for instrument in found.market.listed],
    )


def words_at(words: Sequence[int], found: Target) -> tuple[int, ...]:
    """A book of the search in that world: the same, its expiries moved as the world was."""
    by = NOW - found.now
    return tuple(word(later(unpack(id_of(held)), by).pack(), quantity_of(held)) for held in words)
