"""I-60: the margin of a book is the same on the chain and in the twin, to the last unit.

Bulk cases come from seeds: worlds of several underlyings and classes are stored, signed and posted, then books in them
are assessed by both. What the cases are about is counted and demanded, so that a generator gone dull fails.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.spec import margin
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import PERP, SPOT, WINDOW, id_of, unpack
from tests.agreement.rig import Rig
from tests.counts import record
from tests.pairs import Mismatch
from tests.strategies import (
    NOW,
    Drawn,
    Portfolio,
    Regime,
    Seeded,
    World,
    chance,
    edges_of,
    pick,
    portfolio,
    world,
)

WORLDS = {"quick": 8, "ci": 15, "figures": 90, "long": 2_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
BOOKS = 25  # in each world
CHUNKS = 4

# Of a hundred assessed books, at least so many ...
SHARES = {
    "over ten positions": 30,
    "64 positions or more": 10,
    "within one unit of a state's edge": 30,
    "several underlyings": 40,
    "a class nets": 8,
    "fresh": 25,
    "not fresh": 40,
    "healthy": 15,
    "restricted": 8,
    "called": 8,
    "liquidatable": 15,
    "insolvent": 15,
    "no margin needed": 1,
    "short options": 50,
    "concentration": 30,
    "a row missing": 15,
    "market term": 40,
    "an expiry in its window": 10,
    "an expiry past": 8,
    "funding": 15,
}


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig()


def traits(
    case: Portfolio,
    known: World,
    found: margin.Assessment,
    terms: list[margin.Terms],
    funding: Mapping[int, int],
) -> set[str]:
    """What an assessed book is about; `funding` by underlying."""
    lefts = [i.expiry - NOW for i in map(unpack, map(id_of, case.words)) if i.expiry]
    classes = Counter(t.underlying >> 8 for t in terms if t.scan)
    posted = {s.underlying: s for s in known.scalars}
    wrong = {instrument.pack() for instrument in known.wrong}
    named = {
        "over ten positions": len(case.words) > 10,
        "64 positions or more": len(case.words) >= 64,
        "within one unit of a state's edge": min(abs(above) for above in edges_of(found).values()) <= 1,
        "several underlyings": len(terms) > 1,
        "a class nets": any(classes[c.klass] > 1 and c.offset for c in known.classes),
        "fresh": found.fresh,
        "not fresh": not found.fresh,
        "no margin needed": found.im == 0,
        "short options": any(t.short for t in terms),
        "concentration": any(t.concentration for t in terms),
        "a row missing": any(id_of(w) in wrong for w in case.words),
        "market term": any(
            t.gross and known.interest.get(t.underlying) and t.underlying in posted and posted[t.underlying].market
            for t in terms
        ),
        "an expiry in its window": any(0 < left < WINDOW for left in lefts),
        "an expiry past": any(left <= 0 for left in lefts),
        "funding": any(unpack(id_of(w)).kind == PERP and funding.get(w >> 112 & 0xFFFF) for w in case.words),
        margin.state_of(found).name.lower(): True,
    }
    return {name for name, holds in named.items() if holds}


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_chain_and_twin_assess_alike(rig: Rig, chunk: int) -> None:
    seen: Counter[str] = Counter()
    regimes: Counter[Regime] = Counter()
    mismatches: list[str] = []
    for seed in range(chunk * WORLDS, (chunk + 1) * WORLDS):
        source = Seeded(seed)
        known = world(source)
        with rig.load(known):
            for _ in range(BOOKS):
                case = portfolio(source, known, rig.twin_assess)
                regimes[case.regime] += 1
                try:
                    check(rig, source, known, case, seen)
                except Mismatch as mismatch:
                    mismatches.append(f"world {seed}: {mismatch}")
    total = WORLDS * BOOKS
    record(
        margin_cases=total,
        margin_large=seen["over ten positions"],
        margin_boundary=seen["within one unit of a state's edge"],
        margin_mismatches=len(mismatches),
    )
    assert mismatches == []
    assert sum(regimes.values()) == total
    assessed = total - regimes[Regime.REVERT]
    if WORLDS >= 90:  # shares of a few cases say nothing
        assert all(regimes[regime] > total // 100 for regime in Regime), regimes
        assert {
            name: 100 * seen[name] // assessed for name in SHARES if 100 * seen[name] < SHARES[name] * assessed
        } == {}


def check(rig: Rig, source: Seeded, known: World, case: Portfolio, seen: Counter[str]) -> None:
    """One book by both, with its terms and a mark; what it is about is counted."""
    found = rig.check_assess(case.words, case.ledger)
    assert isinstance(found, Refused) == (case.regime is Regime.REVERT)
    groups = margin.groups(case.words)
    if isinstance(found, Refused):
        assert found.reason == "feed: stale price"
        return
    terms = [rig.check_terms(group) if chance(source, 30) else twin_terms(rig, group) for group in groups]
    rig.check_mark(id_of(pick(source, case.words)))
    funding = {t.underlying: rig.check_funding(t.underlying) for t in terms}
    seen.update(traits(case, known, found, terms, funding))
    assert found.im >= found.mm  # I-14
    assert found.mm > 0 or not margin_is_due(case)  # I-14


def twin_terms(rig: Rig, group: list[int]) -> margin.Terms:
    return rig.pair.twin.oracle.terms(group, rig.pair.now)


def margin_is_due(case: Portfolio) -> bool:
    """Whether a book has positive gross size; |q| P g rounds up, so any size is something."""
    return any(unpack(id_of(word)).kind != SPOT for word in case.words)


@settings(max_examples=settings.default.max_examples // 2)  # an example is a world; seeds draw more beside
@given(st.data())
def test_small_worlds_assess_alike(rig: Rig, data: st.DataObject) -> None:
    source = Drawn(data.draw)
    known = world(source, most=3, underlyings=3)
    with rig.load(known):
        case = portfolio(source, known, rig.twin_assess)
        found = rig.check_assess(case.words, case.ledger)
        for group in margin.groups(case.words):
            rig.check_terms(group)
        rig.check_mark(id_of(case.words[0]))
        assert isinstance(found, Refused) == (case.regime is Regime.REVERT)


@pytest.mark.parametrize("seed", range(4))
def test_words_of_several_underlyings_have_no_terms(rig: Rig, seed: int) -> None:
    source = Seeded(1_000 + seed)
    known = world(source)
    while len(known.price) < 2 or known.dead:
        known = world(source)
    with rig.load(known):
        first, *_, last = sorted(known.listed)
        found = rig.check_terms([1 << 128 | first.pack(), 1 << 128 | last.pack()])
        assert isinstance(found, Refused)
        assert found.reason == "oracle: words of several underlyings"


def test_an_underlying_without_a_feed_is_refused(rig: Rig) -> None:
    source = Seeded(7)
    known = world(source)
    with rig.load(known):
        found = rig.check_assess([1 << 128 | 0xFEFE << 112], 0)
        assert isinstance(found, Refused)
        assert found.reason == "feed: unknown underlying"


def test_an_empty_book_needs_nothing(rig: Rig) -> None:
    with rig.load(world(Seeded(3))):
        assert rig.check_assess([], 5) == margin.Assessment(5, 5, 0, 0, 0, fresh=True)
        assert rig.check_assess([], -5) == margin.Assessment(-5, -5, 0, 0, 0, fresh=True)
