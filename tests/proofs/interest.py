"""Lemmas of `modules/interest.vy`."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, planted, proof
from tests.proofs.vyper import Num, Struct

INTEREST: Final = "modules/interest.vy"
PPM: Final = 10**6
MAX_SUM: Final = 2**128 - 1
MAX_INDEX: Final = 2**104 - 1
MASK: Final = 2**24 - 1


@proof(
    "L-33", planted(INTEREST, "return fixed._mul_div_up(debt, fixed.PPM, supply)", "return debt * fixed.PPM // supply")
)
def utilisation(run: Run) -> None:
    supply, debt = run.int("supply", 0, MAX_SUM), run.int("debt", 0, MAX_SUM)
    run.total = True
    used = run.call(INTEREST, "_utilisation", supply, debt)
    run.claim(used >= 0, "not under nothing")
    run.claim(used <= PPM, "not over all")
    if run.when(debt < supply):
        run.claim(used * supply >= debt * PPM, "up: against who borrows")


def _curve(run: Run) -> Num:
    """A curve whose kink lies strictly inside, as the Registry asks."""
    base, low, high = run.int("base", 0, MASK), run.int("low", 0, MASK), run.int("high", 0, MASK)
    kink, reserve = run.int("kink", 1, PPM - 1), run.int("reserve", 0, PPM)
    return run.machine.word((base, 24), (kink, 24), (low, 24), (high, 24), (reserve, 24), (Num(0), 136))


@proof(
    "L-34",
    planted(
        INTEREST,
        "fixed._mul_div_up(low, utilisation, kink)",
        "fixed._mul_div_up(low, fixed.PPM, kink)",
        "the lower slope is not worked out at the utilisation",
    ),
)
def rate_rises(run: Run) -> None:
    curve = _curve(run)
    less, more = run.int("less", 0, PPM), run.int("more", 0, PPM)
    run.assume(less <= more)
    run.total = True
    base, low, high, kink = (Num(run.inputs[name]) for name in ("base", "low", "high", "kink"))
    if run.when(more <= kink):
        run.claim(low * less <= low * more, "the lower slope's products")
        run.claim(low * more <= low * kink, "and its last")
    else:
        run.claim(high * (more - kink) <= high * (PPM - kink), "the higher slope's last product")
        if run.when(less <= kink):
            run.claim(low * less <= low * kink, "the lower slope's")
        else:
            run.claim(high * (less - kink) <= high * (more - kink), "the higher slope's")
    one, two = run.call(INTEREST, "_rate", curve, less), run.call(INTEREST, "_rate", curve, more)
    run.claim(one >= 0, "not negative")
    run.claim(one <= two, "it never falls")
    if run.when(more <= kink):
        run.claim((two - base - 1) * kink < low * kink, "times the kink")
    else:
        run.claim((two - base - low - 1) * (PPM - kink) < high * (PPM - kink), "times what is over the kink")
    run.claim(two <= base + low + high, "at most the base and both slopes")


def _pool(run: Run) -> Struct:
    """Any pool that the book can hold, with a debt."""
    return Struct(
        {
            "supply_index": Num(run.int("supply_index", 0, MAX_INDEX).term, "uint256"),
            "borrow_index": Num(run.int("borrow_index", 0, MAX_INDEX).term, "uint256"),
            "since": Num(run.int("since", 0, 2**48 - 1).term, "uint256"),
            "supply": Num(run.int("supply", 0, MAX_SUM).term, "uint256"),
            "debt": Num(run.int("debt", 0, MAX_SUM).term, "uint256"),
        }
    )


def _accrue(run: Run) -> tuple[Struct, Struct, Num]:
    """A pool before and after some time, and what the fund keeps; the rate is any that the curve can say."""
    pool = _pool(run)
    # 35,000 years: past 2**43 s at the highest rate an index times the interest would be over a word
    elapsed = run.int("elapsed", 0, run.number("longest", 2**40))
    now = pool["since"] + elapsed
    rate = run.int("rate", 0, 3 * MASK)
    run.machine.given["self._rate"] = lambda *_: Num(rate.term, "uint256")
    run.machine.given["self._utilisation"] = lambda *_: Num(0, "uint256")
    reserve = run.int("reserve", 0, PPM)
    run.total = True
    grown = run.int("grown", 0)
    run.assume(grown.equals(rate * elapsed))
    run.claim(grown <= 3 * MASK * 2**40, "what a wad of debt grows by")
    run.claim(pool["debt"] * grown <= MAX_SUM * 3 * MASK * 2**40, "what the debt grows by")
    run.claim(pool["borrow_index"] * grown <= MAX_INDEX * 3 * MASK * 2**40, "what the index grows by")
    after, kept = run.call(
        INTEREST, "_accrued", pool, run.machine.word((Num(0), 96), (reserve, 24), (Num(0), 136)), now
    )
    return pool, after, kept


@proof(
    "L-35",
    planted(
        INTEREST,
        "after.supply += interest - kept",
        "after.supply -= interest - kept",
    ),
)
def nothing_falls(run: Run) -> None:
    pool, after, kept = _accrue(run)
    for name in ("supply_index", "borrow_index", "supply", "debt"):
        run.claim(after[name] >= pool[name], f"{name} never falls")
    for name in ("supply_index", "borrow_index"):
        run.claim(after[name] <= MAX_INDEX, f"{name} fits its field")
    run.claim(kept >= 0, "the fund gives nothing")


@proof(
    "L-36",
    planted(
        INTEREST,
        "kept = fixed._mul_div_up(interest, (curve >> 136) & (2**24 - 1), fixed.PPM)",
        "kept = fixed._mul_div_up(interest, (curve >> 136) & (2**24 - 1), fixed.PPM) + 1",
    ),
)
def split_without_rest(run: Run) -> None:
    pool, after, kept = _accrue(run)
    grown = after["debt"] - pool["debt"]
    run.claim(kept <= grown, "the fund keeps no more than there is")
    run.claim((kept + after["supply"] - pool["supply"]).equals(grown), "nothing is lost, nothing made")


@proof(
    "L-37",
    planted(
        INTEREST,
        "return -convert(fixed._mul_div_up(convert(-cash, uint256), borrow_index, entry), int256)",
        "return -convert(fixed._mul_div_down(convert(-cash, uint256), borrow_index, entry), int256)",
    ),
)
def often_is_no_better(run: Run) -> None:
    cash = run.int("cash", -(10**36), 10**36)
    entry, middle, last = (run.int(name, 1, MAX_INDEX) for name in ("entry", "middle", "last"))
    run.assume(entry <= middle)
    run.assume(middle <= last)
    run.total = True
    once = run.call(INTEREST, "_grown", cash, entry, last, last)
    halfway = run.call(INTEREST, "_grown", cash, entry, middle, middle)
    run.assume(halfway >= -(10**36))  # else the book refuses the ledger
    run.assume(halfway <= 10**36)
    if run.when(cash >= 0):
        run.claim(halfway * entry <= cash * middle, "cash grows down")
        run.claim(halfway >= cash, "and by no less than nothing")
    else:
        run.claim(halfway * entry <= cash * middle, "a debt grows up")
    twice = run.call(INTEREST, "_grown", halfway, middle, last, last)
    run.claim(twice * middle <= halfway * last, "again")
    run.claim(twice * middle * entry <= halfway * last * entry, "times the entry")
    run.claim(halfway * last * entry <= cash * middle * last, "times the last")
    run.claim(twice * middle * entry <= cash * last * middle, "both together")
    run.claim(twice * entry <= cash * last, "without the middle")
    run.claim(twice <= once, "booked twice is no better than once")


@proof(
    "L-38",
    planted(
        INTEREST,
        "supply_index - fixed._mul_div_up(supply_index, amount, supply)",
        "supply_index - fixed._mul_div_down(supply_index, amount, supply)",
    ),
)
def loss_is_borne(run: Run) -> None:
    index, supply = run.int("supply_index", 2, MAX_INDEX), run.int("supply", 1, MAX_SUM)
    amount = run.int("amount", 0, MAX_SUM)
    run.assume(amount * 2 <= supply)
    run.total = True
    after = run.call(INTEREST, "_cut", index, supply, amount)
    run.claim(after <= index, "no index rises by a loss")
    run.claim(after * supply <= index * (supply - amount), "all cash bears the amount at least")
    run.claim(after * 2 >= index - 1, "and no more than half, a unit aside")
