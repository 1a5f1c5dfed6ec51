"""Lemmas of `modules/params.vy`, and of the numbers that a report is made of."""

from __future__ import annotations

from typing import Final

import z3

from tests.proofs.prove import Run, moved, planted, proof
from tests.proofs.vyper import Num

PARAMS: Final = "modules/params.vy"
PPM: Final = 10**6


@proof("L-68", planted(PARAMS, "0 < base and base <= fixed.PPM", "0 <= base and base <= fixed.PPM"))
def sound(run: Run) -> None:
    bases = [run.int(f"base{kind}", 0, 2**24 - 1) for kind in range(4)]
    slopes = [run.int(f"slope{kind}", 0, 2**24 - 1) for kind in range(4)]
    fields = (
        ("buffer", 24),
        ("gate", 24),
        ("age", 32),
        ("rate", 24),
        ("share", 24),
        ("leg", 96),
        ("funding", 16),
        ("widen", 16),
    )
    numbers = {name: run.int(name, 0, 2**bits - 1) for name, bits in fields}
    rates = run.machine.word(*((numbers[name], bits) for name, bits in fields))
    floors = run.machine.word(*((n, 24) for n in (*bases, *slopes)), (Num(0), 64))
    if not run.when(run.call(PARAMS, "_are_sound", rates, floors)):
        return
    for base, slope in zip(bases, slopes, strict=True):
        run.claim(base >= 1, "a positive floor")
        run.claim(base + slope * 2 <= 3 * PPM, "a bounded one")
    run.claim(numbers["buffer"] >= 10_000, "a call buffer of one per cent at least")
    run.claim(numbers["buffer"] <= PPM, "of a hundred at most")
    run.claim(numbers["leg"] <= 10**24, "a cost a leg")


@proof("L-69", moved("a guard of two quanta", guard=2_000_000))
def charges_up(run: Run) -> None:
    # upward: ceil(v - GUARD); v in millionths of a quantum, as any rational with that many digits, and so any real
    value = run.int("value", 0, 2**24 * 10**6)
    guard = run.number("guard", 1)
    posted = -Num(run.machine.divide(-(value - guard).term, 10**6)[0])
    run.claim(posted * 10**6 >= value - 1, "no less than the model said, a guard aside")
    run.claim(posted * 10**6 < value + 10**6, "less than a quantum above")
    # a row's charge has the lanes' rounding on top, of ten or a hundred quanta: over the model's in any case
    run.claim((posted + 10) * 10**6 >= value, "with the lanes' rounding, never less")


@proof("L-70", moved("a half that is three quarters", half=750_000))
def lanes_nearest(run: Run) -> None:
    # nearest: sign(v) floor(|v| + 1/2 + GUARD); v in millionths of a lane unit
    value = run.int("value", -(2**15) * 10**6, 2**15 * 10**6)
    size = -value if run.when(value < 0) else value
    magnitude = Num(run.machine.divide((size + run.number("half", 500_000) + 1).term, 10**6)[0])
    posted = -magnitude if run.when(value < 0) else magnitude
    run.claim(posted * 10**6 - value <= 500_001, "half a unit above at most")
    run.claim(posted * 10**6 - value >= -500_001, "half a unit below at most")
    run.claim(
        z3.Implies(value.equals(0), posted.equals(0))
        if not isinstance(value.term, int)
        else posted.equals(0) or value.term != 0,
        "nothing stays nothing",
    )
