"""Lemmas of `modules/book.vy` and BackOffice: ledgers, seizures, what leaves."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, moved, planted, proof
from tests.proofs.vyper import Num

BOOK: Final = "modules/book.vy"
BACK: Final = "BackOffice.vy"
WAD: Final = 10**18
MAX_QUANTITY: Final = 10**27
MAX_LEDGER: Final = 10**36


@proof(
    "L-49",
    planted(
        BOOK,
        "moved: int256 = unsafe_div(unsafe_mul(quantity, part), WAD)",
        "moved: int256 = unsafe_div(unsafe_mul(quantity, part), WAD) - 1",
    ),
)
def seized_part(run: Run) -> None:
    quantity, part = run.int("quantity", -MAX_QUANTITY, MAX_QUANTITY), run.int("part", 1, WAD)
    negative = run.when(quantity < 0)
    local = run.run(
        BOOK,
        "_take_over",
        "moved: int256 = unsafe_div(unsafe_mul(quantity, part), WAD)",
        quantity=Num(quantity.term, "int256"),
        part=Num(part.term, "int256"),
    )
    moved_ = local["moved"]
    rest = run.value(BOOK, "_take_over", "unsafe_sub(quantity, moved)", **local)
    run.claim((moved_ + rest).equals(quantity), "together the whole")
    exact = quantity * part
    if negative:
        run.claim(moved_ <= 0, "of its sign")
        run.claim(rest <= 0, "and so is the rest")
        run.claim(moved_ * WAD >= exact, "down in magnitude")
    else:
        run.claim(moved_ >= 0, "of its sign")
        run.claim(rest >= 0, "and so is the rest")
        run.claim(moved_ * WAD <= exact, "down in magnitude")
    if run.when(part.equals(WAD)):
        run.claim(rest.equals(0), "all of it leaves nothing")


@proof("L-50", moved("positions of 2**240", most=2**240))
def merging(run: Run) -> None:
    most = run.number("most", MAX_QUANTITY)
    held, moved_ = run.int("held", -most, most), run.int("moved", -most, most)
    local = {"held": Num(held.term, "int256"), "moved": Num(moved_.term, "int256")}
    local = run.run(BOOK, "_take_over", "after: int256 = unsafe_add(held, moved)", **local)
    run.claim(local["after"].equals(held + moved_), "the sum")
    # of at most 127 words of a seized book, each closes no more than the greatest quantity
    words = run.int("words", 0, 126)
    closing, closed = run.int("closing", 0), run.int("closed", 0, most)
    run.assume(closing <= words * most)
    found = run.run(
        BOOK,
        "_take_over",
        "closing = unsafe_add(closing, closed)",
        closing=Num(closing.term, "uint256"),
        closed=Num(closed.term, "uint256"),
    )["closing"]
    run.claim(found <= (words + 1) * most, "one word more")
    run.claim(found <= 127 * MAX_QUANTITY, "all that 127 words can close")
    place = run.int("place", 0, 126)
    after = run.run(BOOK, "_take_over", "place = unsafe_add(place, 1)", place=Num(place.term, "uint256"))["place"]
    run.claim(after <= 127, "a place, or the end")


@proof("L-51", moved("ledgers of 2**130", most=2**130))
def ledgers(run: Run) -> None:
    most = run.number("most", MAX_LEDGER)
    cash, linear = run.int("cash", -most, most), run.int("linear", -most, most)
    run.when(cash < 0)
    run.when(linear < 0)
    run.total = True
    word = run.machine.word((run.machine.field(cash, 128), 128), (run.machine.field(linear, 128), 128))
    given = run.machine.given
    given["self._ledgers"] = {0: word}
    run.claim(run.call(BOOK, "_cash", Num(0)).equals(cash), "cash")
    run.claim(run.call(BOOK, "_linear", Num(0)).equals(linear), "linear")
    run.call(BOOK, "_set_ledger", Num(0), cash, linear)
    written = given["self._ledgers"][0]
    run.claim(written.equals(word), "the word that is written is this one")


@proof("L-52", planted(BOOK, "return convert(amount * scale, int256)", "return convert(amount * scale + 1, int256)"))
def token_worth(run: Run) -> None:
    scale = 10 ** run.number("missing", 12)  # 18 less the decimals: six, here
    amount, other = run.int("amount", 1, 2**255), run.int("other", 1, 2**255)
    run.total = True
    one, two = run.call(BOOK, "_worth", amount, Num(scale)), run.call(BOOK, "_worth", other, Num(scale))
    run.claim(one.equals(amount * scale), "exactly its units")
    run.claim(one <= MAX_QUANTITY, "no more than a quantity")
    run.assume(amount + other <= MAX_QUANTITY // scale)
    both = run.call(BOOK, "_worth", amount + other, Num(scale))
    run.claim((one + two).equals(both), "in parts or at once")


@proof(
    "L-53",
    planted(
        BACK,
        "cash: int256 = fixed._div_ceil(book._cash(account) * part, book.WAD)",
        "cash: int256 = fixed._div_floor(book._cash(account) * part, book.WAD)",
    ),
)
def seizure(run: Run) -> None:
    held, part = run.int("cash", -MAX_LEDGER, MAX_LEDGER), run.int("part", 1, WAD)
    payment, fee = run.int("payment", 0, MAX_LEDGER), run.int("fee", 0, MAX_LEDGER)
    run.assume(fee <= payment)
    run.total = True
    given = run.machine.given
    given["book._cash"] = lambda *_: Num(held.term, "int256")
    local = run.run(
        BACK,
        "seize",
        "cash: int256 = fixed._div_ceil(book._cash(account) * part, book.WAD)",
        account=Num(0),
        part=Num(part.term, "int256"),
    )
    cash = local["cash"]
    run.claim(cash * WAD >= held * part, "up: a debt that goes over is no more than its part")
    local |= {"price": Num(payment.term, "int256"), "fee": Num(fee.term, "uint256")}
    left = run.value(BACK, "seize", "price - convert(fee, int256) - cash", **local)
    taken = run.value(BACK, "seize", "cash - price", **local)
    run.claim((left + taken + fee).equals(0), "what both change by is the fee")


@proof(
    "L-54",
    planted(
        BOOK,
        "used: uint256 = profit + (left - drained if left > drained else 0)",
        "used: uint256 = (left - drained if left > drained else 0)",
    ),
)
def outflow(run: Run) -> None:
    cap, window = run.int("cap", 0, 2**96 - 2), run.int("window", 1, 2**32 - 1)
    left, since = run.int("left", 0, 2**96), run.int("since", 0, 2**40)
    now, profit = run.int("now", 0, 2**40), run.int("profit", 1, 2**96)
    run.assume(since <= now)
    given = run.machine.given
    given["msg.sender"], given["self.fund"] = False, True
    given["REGISTRY.pool_limits"] = lambda: run.machine.word((Num(0), 128), (cap, 96), (window, 32))
    given["self._outflow"] = run.machine.word((left, 128), (since, 128))
    given["block.timestamp"] = Num(now.term, "uint256")
    run.claim(cap * (now - since) <= 2**96 * 2**40, "drained")
    run.call(BOOK, "_flow_out", profit)
    word = given["self._outflow"]
    used = run.value(BOOK, "_flow_out", "word >> 128", word=word)
    run.claim(used <= cap, "within the cap")
    run.claim(used >= profit, "what leaves now counts whole")
    drained = Num(run.machine.divide((cap * (now - since)).term, window.term)[0])
    run.claim(used >= profit + left - drained, "what left before drains")
    run.claim(drained * window <= cap * (now - since), "no faster than the cap a window")
