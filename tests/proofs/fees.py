"""Lemmas of `modules/fees.vy`, and of what a trade moves."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, planted, proof
from tests.proofs.vyper import Num

FEES: Final = "modules/fees.vy"
BOOK: Final = "Clearinghouse.vy"
PPM: Final = 10**6
MASK: Final = 2**24 - 1


def _word(run: Run) -> Num:
    """A word of fees with both scales."""
    first, second = run.int("vol_scale", 0, MASK), run.int("util_scale", 0, MASK)
    return run.machine.word((Num(0), 48), (first, 24), (second, 24), (Num(0), 160))


@proof(
    "L-39",
    planted(
        FEES,
        "return min(cap, fixed._mul_div_up(base, factor, fixed.PPM))",
        "return fixed._mul_div_up(base, factor, fixed.PPM)",
    ),
)
def rates(run: Run) -> None:
    word = _word(run)
    volatility, more = run.int("volatility", 0, 2**32 - 1), run.int("more", 0, 2**32 - 1)
    used = run.int("utilisation", 0, PPM)
    cap = run.int("cap", 0, run.machine.constant(FEES, "MAX_LIQUIDATION_FEE"))
    base = run.int("base", 0, cap)
    run.assume(volatility <= more)
    run.total = True
    factor, higher = run.call(FEES, "_raise", word, volatility, used), run.call(FEES, "_raise", word, more, used)
    run.claim(factor >= PPM, "at least one")
    run.claim(factor <= higher, "it never falls")
    one, two = run.call(FEES, "_rate", base, factor, cap), run.call(FEES, "_rate", base, higher, cap)
    run.claim(one >= base, "at least its base")
    run.claim(two <= cap, "at most its cap")
    run.claim(one <= two, "it never falls")
    # whatever is asked: cut, the products stay small
    any_factor = run.call(FEES, "_raise", word, run.int("any", 0, 2**255), Num(0))
    run.claim(any_factor * base < 2**94, "no product reaches 2**94")


@proof("L-40", planted(FEES, "CUT: constant(uint256) = 2**64", "CUT: constant(uint256) = 2**24"))
def cutting(run: Run) -> None:
    word = _word(run)
    volatility = run.int("volatility", 0, 2**255)
    cap = run.int("cap", 0, run.machine.constant(FEES, "MAX_LIQUIDATION_FEE"))
    base = run.int("base", 0, cap)
    scale = Num(run.inputs["vol_scale"])
    cut = run.machine.constant(FEES, "CUT")
    factor = run.call(FEES, "_raise", word, volatility, Num(0))
    rate = run.call(FEES, "_rate", base, factor, cap)
    # what it would be without the cut: ceil(base (1 + ceil(scale x volatility)))
    whole = PPM - Num(run.machine.divide(-(scale * volatility).term, PPM)[0])
    uncut = -Num(run.machine.divide(-(base * whole).term, PPM)[0])
    if run.when(scale.equals(0)) or run.when(base.equals(0)) or run.when(volatility <= cut):
        run.claim(
            whole.equals(factor) if not run.when(base.equals(0)) else rate.equals(0),
            "nothing is cut, or nothing to scale",
        )
        if not run.when(base.equals(0)):
            run.claim((base * whole).equals(base * factor), "nor its product")
    else:
        run.claim(scale * volatility >= cut, "a scale of one comes over the cut")
        run.claim(whole >= 10**13, "uncut")
        run.claim(factor >= 10**13, "and cut")
        run.claim(base * whole >= 10**13, "a base of one over every cap, uncut")
        run.claim(base * factor >= 10**13, "and cut")
    if run.when(uncut >= cap):
        run.claim(rate.equals(cap), "at the cap, as without the cut")
    else:
        run.claim(rate.equals(uncut), "what it is without the cut")


@proof(
    "L-41",
    planted(
        BOOK,
        "fixed._div_floor(change * cost, book.WAD)",
        "fixed._div_ceil(change * cost, book.WAD)",
        "the seller receives up",
    ),
)
def trade_conserves(run: Run) -> None:
    change = run.int("change", 1, 10**27)
    cost = run.int("cost", -(10**33), 10**33)
    notional = run.int("notional", 0, 10**37)
    taker, maker = run.int("taker", 0, 50_000), run.int("maker", 0, 50_000)
    run.total = True
    local = {"change": Num(change.term, "int256"), "cost": Num(cost.term, "int256")}
    given = run.machine.given
    given["notional"] = Num(notional.term, "uint256")
    given["terms.taker_fee"], given["terms.maker_fee"] = Num(taker.term, "uint256"), Num(maker.term, "uint256")
    given["buyer_takes"] = True
    for text in (
        "fee: uint256 = fixed._mul_div_up(notional, terms.taker_fee if buyer_takes else terms.maker_fee, fixed.PPM)",
        (
            "fees: uint256 = fee + fixed._mul_div_up("
            "notional, terms.maker_fee if buyer_takes else terms.taker_fee, fixed.PPM)"
        ),
        "paid: int256 = fixed._div_ceil(change * cost, book.WAD) + convert(fee, int256)",
        "received: int256 = fixed._div_floor(change * cost, book.WAD) - convert(fees - fee, int256)",
        "dust: int256 = paid - received - convert(fees, int256)",
    ):
        local = run.run(BOOK, "trade", text, **local)
    run.claim(local["dust"] >= 0, "the system gives nothing")
    run.claim(local["dust"] <= 1, "and keeps a unit at most")
    exact = change * cost
    run.claim((local["paid"] - local["fee"]) * 10**18 >= exact, "the buyer pays up")
    run.claim((local["received"] + local["fees"] - local["fee"]) * 10**18 <= exact, "the seller receives down")
    is_odd = run.machine.divide(exact.term, 10**18)[1]
    run.claim(
        local["dust"].equals(is_odd > 0) if isinstance(is_odd, bool) else local["dust"] <= Num(is_odd),
        "no dust where nothing remains",
    )
