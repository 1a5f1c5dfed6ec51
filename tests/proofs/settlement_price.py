"""Lemmas of `modules/settlement_price.vy`."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import z3

from tests.proofs.prove import Run, planted, proof
from tests.proofs.vyper import Num

SETTLEMENT: Final = "modules/settlement_price.vy"
MAX_PRICE: Final = 10**27
BUCKETS: Final = 30


def _sorted(run: Run, low: Num | int, high: Num | int) -> list[Num]:
    """Thirty prices in order."""
    prices = [Num(run.int(f"p{i}", 0, MAX_PRICE).term, "uint256") for i in range(BUCKETS)]
    for one, two in pairwise(prices):
        run.assume(one <= two)
    return prices


def _mean(run: Run, ordered: list[Num]) -> Num:
    """The end of `_middle_half`: what it makes of prices in order."""
    local = run.run(SETTLEMENT, "_middle_half", "total: uint256 = 0", ordered=ordered)
    local = run.run(
        SETTLEMENT,
        "_middle_half",
        "for i: uint256 in range(TAIL, TAIL + MIDDLE):\n    total += ordered[i]",
        **local,
    )
    return run.value(SETTLEMENT, "_middle_half", "return total // MIDDLE", **local)


@proof("L-30", planted(SETTLEMENT, "return total // MIDDLE", "return total // (MIDDLE - 1)"))
def between(run: Run) -> None:
    ordered = _sorted(run, 0, MAX_PRICE)
    run.total = True
    tail, middle = run.machine.constant(SETTLEMENT, "TAIL").term, run.machine.constant(SETTLEMENT, "MIDDLE").term
    mean = _mean(run, ordered)
    run.claim(mean >= ordered[tail], "not under the least of the middle half")
    run.claim(mean <= ordered[tail + middle - 1], "not over the greatest")


@proof("L-31", planted(SETTLEMENT, "TAIL: constant(uint256) = 7", "TAIL: constant(uint256) = 6"))
def seven_wrong(run: Run) -> None:
    ordered = _sorted(run, 0, MAX_PRICE)
    low, high = run.int("low", 0, MAX_PRICE), run.int("high", 0, MAX_PRICE)
    wrong = [run.int(f"w{i}", 0, 1) for i in range(BUCKETS)]
    count = sum(wrong[1:], wrong[0])
    run.assume(count <= 7)
    for price, is_wrong in zip(ordered, wrong, strict=True):
        run.assume(z3.Implies(is_wrong.equals(0), z3.And(low <= price, price <= high)))
    run.total = True
    mean = _mean(run, ordered)
    run.claim(mean >= low, "not under what the right ones say")
    run.claim(mean <= high, "nor over it")


@proof(
    "L-32",
    planted(SETTLEMENT, "ordered[unsafe_sub(place, 1)] <= price", "ordered[unsafe_sub(place, 1)] < price + 1 - 2"),
)
def insertion(run: Run) -> None:
    # induction over the places: what stands before is in order; one price more, in a window of four
    ordered = [Num(run.int(f"p{i}", 0, MAX_PRICE).term, "uint256") for i in range(4)]
    for one, two in pairwise(ordered[:3]):
        run.assume(one <= two)
    before = list(ordered)
    local = {"ordered": ordered, "price": ordered[3], "place": Num(3, "uint256"), "BUCKETS": Num(4)}
    local = run.run(
        SETTLEMENT,
        "_middle_half",
        """
for _: uint256 in range(BUCKETS):
    if place == 0 or ordered[unsafe_sub(place, 1)] <= price:
        break
    ordered[place] = ordered[unsafe_sub(place, 1)]
    place = unsafe_sub(place, 1)
ordered[place] = price
""",
        **local,
    )
    found = local["ordered"]
    for one, two in pairwise(found):
        run.claim(one <= two, "in order")
    run.claim(
        (found[0] + found[1] + found[2] + found[3]).equals(before[0] + before[1] + before[2] + before[3]),
        "the same prices",
    )
    seen = [Num(run.int(f"s{i}", 0, MAX_PRICE).term, "uint256") for i in range(2)] + [Num(0, "uint256")] * (BUCKETS - 2)
    run.claim(run.call(SETTLEMENT, "_count", seen) <= BUCKETS, "no more than there are buckets")
