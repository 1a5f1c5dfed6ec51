"""Lemmas of `History.vy` and `IndexFeed.vy`: ages, places, and a power of ten."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, moved, proof
from tests.proofs.vyper import Num

HISTORY: Final = "History.vy"
FEED: Final = "IndexFeed.vy"
MASK_TIME: Final = 2**38 - 1


@proof("L-55", moved("a clock that may stand before what was remembered", earlier=1))
def ages(run: Run) -> None:
    now, at = run.int("now", 0, MASK_TIME), run.int("at", 0, MASK_TIME)
    run.assume(at <= now + run.number("earlier", 0))  # it was the block's time then
    given = run.machine.given
    given["block.timestamp"] = Num(now.term, "uint256")
    half = run.machine.word((Num(0), 128), (run.int("price", 0, 2**90 - 1), 90), (at, 38))
    run.claim(run.value(HISTORY, "touch", "unsafe_sub(block.timestamp, newer & MASK_TIME)", newer=half) >= 0, "an age")
    run.claim(run.value(HISTORY, "_lagged", "unsafe_sub(block.timestamp, half & MASK_TIME)", half=half) >= 0, "an age")
    i = run.int("i", 0, 14)
    place = Num(i.term, "uint256")
    even = run.value(HISTORY, "_buckets", "unsafe_mul(i, 2)", i=place)
    odd = run.value(HISTORY, "_buckets", "unsafe_add(unsafe_mul(i, 2), 1)", i=place)
    run.claim(even < 30, "in the array")
    run.claim(odd < 30, "in the array")


@proof("L-56", moved("exponents to 60", exponent=60))
def leg(run: Run) -> None:
    now, at = run.int("now", 0, 2**64), run.int("at", 0, 2**64)
    run.assume(at <= now)  # asserted a line before
    run.machine.nodes(FEED, "_leg", "last.updated_at <= block.timestamp")
    run.machine.given["block.timestamp"] = Num(now.term, "uint256")
    run.machine.given["last.updated_at"] = Num(at.term, "uint256")
    run.claim(run.value(FEED, "_leg", "unsafe_sub(block.timestamp, last.updated_at)") >= 0, "an age")
    answer = run.int("answer", 1, run.machine.constant(FEED, "MAX_PRICE"))
    for exponent in range(run.number("exponent", 18) + 1):
        # 18 less the decimals: setters refuse more, `feed: decimals over 18`
        word = run.machine.word((Num(0), 40), (Num(exponent), 8), (Num(0), 208))
        del word
        price = Num(answer.term, "uint256")
        run.machine.given["pow_mod256"] = lambda *_, e=exponent: Num(10**e, "uint256")
        run.machine.given["word"] = Num(0, "uint256")
        given = run.value(FEED, "_leg", "unsafe_mul(price, pow_mod256(10, (word >> PRICE_SHIFT) & 255))", price=price)
        run.claim(given.equals(answer * 10**exponent), "exactly")
