"""Lemmas of `modules/instruments.vy`."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, planted, proof
from tests.proofs.vyper import Num

INSTRUMENTS: Final = "modules/instruments.vy"


@proof(
    "L-05",
    planted(
        INSTRUMENTS, "return (fixed._unsigned(quantity) << 128) | id", "return (fixed._unsigned(quantity) << 127) | id"
    ),
)
def word_and_back(run: Run) -> None:
    quantity = run.int("quantity", -(10**27), 10**27)
    id_ = run.int("id", 1, 2**128 - 1)
    word = run.call(INSTRUMENTS, "_word", id_, quantity)
    run.claim(word >= 0, "a word")
    run.claim(word < 2**256, "of 256 bits")
    run.claim(run.call(INSTRUMENTS, "_quantity", word).equals(quantity), "the quantity")
    mask = run.machine.constant(INSTRUMENTS, "MASK_ID")
    run.claim(
        run.value(
            INSTRUMENTS, "_position", "words[middle] & MASK_ID", words=[word], middle=Num(0), MASK_ID=mask
        ).equals(id_),
        "the id",
    )


@proof("L-06", planted(INSTRUMENTS, "for _: uint256 in range(8):", "for _: uint256 in range(6):"))
def halving(run: Run) -> None:
    # one step, for any range of any book: what is searched halves, and the place stays in it
    low, high, place = run.int("low", 0, 126), run.int("high", 1, 127), run.int("place", 0, 127)
    run.assume(low < high)
    run.assume(place >= low)
    run.assume(place <= high)
    middle = run.value(INSTRUMENTS, "_position", "(low + high) // 2", low=Num(low.term, "uint256"), high=high)
    run.claim(middle >= low, "in the book")
    run.claim(middle < high, "in the book")
    width = high - low
    if run.when(middle < place):  # sorted: a word in the middle is under the id exactly where its place is
        run.claim(place >= middle + 1, "the place stays inside")
        after = high - (middle + 1)
    else:
        after = middle - low
    run.claim(after * 2 <= width, "half is left at most")
    # from the longest book: 127 halves to nothing in so many steps, and one more is looked at to see it
    steps, left = 0, run.machine.constant(INSTRUMENTS, "MAX_POSITIONS").term
    while left:
        steps, left = steps + 1, left // 2
    loop = next(n for n in run.machine.loops(INSTRUMENTS, "_position"))
    run.claim(steps < loop, f"{steps} halvings and a last look fit the loop")
