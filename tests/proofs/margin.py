"""Lemmas of `modules/margin.vy`."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, moved, planted, proof
from tests.proofs.vyper import Num, Struct

MARGIN: Final = "modules/margin.vy"
ORACLE: Final = "RiskOracle.vy"
PPM: Final = 10**6
WAD: Final = 10**18
MAX_PRICE: Final = 10**27
MAX_QUANTITY: Final = 10**27
MAX_SIZE: Final = 127 * MAX_QUANTITY
MAX_SUM: Final = 2**118  # of a lane, after unpacking: L-11, L-12
UNIT: Final = 10**23  # of price x lane x quantity in a wad
MAX_DEPTH: Final = 2**96 - 1


def _funding(run: Run, slope_bits: int = 88) -> tuple[Num, Num, Num, Num]:
    """A funding word, whatever was posted since ever; cumulative, since, slope."""
    steepest = 2 ** run.number("rate_bits", 15) * MAX_PRICE // PPM
    slope, since = run.int("slope", -steepest, steepest), run.int("since", 0, 2**40 - 1)
    # by induction over the reports: no more than the steepest rate since ever
    sum_ = run.int("cumulative", -(steepest * (2**40 - 1)), steepest * (2**40 - 1))
    run.assume(sum_ <= since * steepest)
    run.assume(sum_ >= -(since * steepest))
    run.when(sum_ < 0)
    run.when(slope < 0)
    return (
        run.machine.word((run.machine.field(sum_, 128), 128), (since, 40), (run.machine.field(slope, slope_bits), 88)),
        sum_,
        since,
        slope,
    )


@proof("L-13", moved("a rate of 19 bits instead of 15", rate_bits=19))
def funding_fits(run: Run) -> None:
    rate, price = run.int("rate", -(2**15), 2**15), run.int("price", 0, MAX_PRICE)
    run.total = True
    a_day = run.call(MARGIN, "_slope", rate, price)
    steepest = 2**15 * MAX_PRICE // PPM
    run.claim(a_day <= steepest, "no steeper than a rate of 16 bits at the greatest price")
    run.claim(a_day >= -steepest, "either way")
    word, _, since, _ = _funding(run)
    now = run.int("now", 0, 2**40 - 1)
    run.assume(now >= since)
    after = run.call(MARGIN, "_accrued", word, now)
    run.claim(
        after <= now * (2 ** run.number("rate_bits", 15) * MAX_PRICE // PPM), "no more than the steepest since ever"
    )
    run.claim(after >= -(now * (2 ** run.number("rate_bits", 15) * MAX_PRICE // PPM)), "either way")
    run.claim(after < 2**127, "its field")
    run.claim(after >= -(2**127), "its field")


@proof(
    "L-14",
    planted(MARGIN, "unsafe_mul(slope, convert(elapsed, int256))", "unsafe_mul(slope, convert(elapsed + 1, int256))"),
)
def funding_splits(run: Run) -> None:
    word, sum_, since, slope = _funding(run)
    middle, last = run.int("middle", 0, 2**40 - 1), run.int("last", 0, 2**40 - 1)
    run.assume(since <= middle)
    run.assume(middle <= last)
    life = run.machine.constant(MARGIN, "LIFE")
    if not run.when(last - since <= life):
        run.claim(run.call(MARGIN, "_accrued", word, last).equals(sum_ + slope * life), "a life, and no more")
        return
    once = run.call(MARGIN, "_accrued", word, last)
    halfway = run.call(MARGIN, "_accrued", word, middle)
    run.claim(halfway.equals(sum_ + slope * (middle - since)), "so far")
    run.when(halfway < 0)
    run.claim(halfway < 2**127, "its field")
    run.claim(halfway >= -(2**127), "its field")
    again = run.machine.word((run.machine.field(halfway, 128), 128), (middle, 40), (run.machine.field(slope, 88), 88))
    run.claim(run.call(MARGIN, "_accrued", again, last).equals(once), "written halfway, the same at the end")


@proof(
    "L-15",
    planted(
        ORACLE,
        "result.value = fixed._div_floor(sums.value, 10**18)",
        "result.value = fixed._div_ceil(sums.value, 10**18)",
    ),
)
def funding_sums_to_dust(run: Run) -> None:
    # two accounts; with the third's quantity for the first's, by induction any number of them
    run.total = True
    paid = run.int("paid", -(5 * 10**32), 5 * 10**32)
    mark = run.int("mark", 0, 2 * MAX_PRICE)
    one, two = run.int("one", -MAX_QUANTITY, MAX_QUANTITY), run.int("two", -MAX_QUANTITY, MAX_QUANTITY)
    text = "sums.value = unsafe_add(sums.value, unsafe_mul(quantity, unsafe_sub(convert(mark, int256), paid)))"
    values = []
    for quantity in (one, two, one + two):
        sums = Struct({"value": Num(0, "int256")})
        run.run(
            ORACLE,
            "_terms",
            text,
            sums=sums,
            quantity=Num(quantity.term, "int256"),
            mark=Num(mark.term, "uint256"),
            paid=Num(paid.term, "int256"),
        )
        result = Struct({"value": Num(0, "int256")})
        run.run(ORACLE, "_terms", "result.value = fixed._div_floor(sums.value, 10**18)", sums=sums, result=result)
        values.append(result["value"])
    run.claim(values[0] + values[1] <= values[2], "two have no more than one who holds both")
    run.claim(values[0] + values[1] >= values[2] - 1, "and a unit less at most")
    if run.when((one + two).equals(0)):
        run.claim(values[0] + values[1] <= 0, "against each other they get nothing out of nothing")


@proof("L-16", planted(MARGIN, "if pnl > 0:\n            # under 2**128", "if pnl != 0:\n            # under 2**128"))
def fading(run: Run) -> None:
    sum_, pnl = run.int("sum", -MAX_SUM, MAX_SUM), run.int("pnl", -MAX_SUM, MAX_SUM)
    window = run.machine.constant("modules/instruments.vy", "WINDOW")
    left, later = run.int("left", 0, window), run.int("later", 0, window)
    run.assume(later <= left)
    one = run.call(MARGIN, "_faded", [sum_] * 32, [pnl] * 32, left)
    two = run.call(MARGIN, "_faded", [sum_] * 32, [pnl] * 32, later)
    for lane in (0, 31):
        run.claim(one[lane] <= sum_ + pnl if run.when(pnl > 0) else one[lane].equals(sum_ + pnl), "losses stay whole")
        run.claim(
            one[lane] >= sum_ if run.when(pnl > 0) else one[lane] <= sum_, "a gain is none the worse than nothing"
        )
        run.claim(two[lane] <= one[lane], "and only fades")
    if run.when(left.equals(window)):
        run.claim(one[0].equals(sum_ + pnl), "at the window's start it is whole")


@proof(
    "L-17",
    planted(
        MARGIN,
        "return fixed._mul_div_up(price, convert(-worst, uint256)",
        "return fixed._mul_div_down(price, convert(-worst, uint256)",
    ),
)
def scan_covers(run: Run) -> None:
    # the loop, one lane: the worst so far is no better than any lane seen, and is one of them
    worst, next_ = run.int("worst", -MAX_SUM, MAX_SUM), run.int("next", -MAX_SUM, MAX_SUM)
    local = run.run(
        MARGIN,
        "_scan",
        "if lanes[lane] < worst:\n    worst = lanes[lane]\n    at = lane",
        lanes=[next_],
        lane=Num(0),
        worst=worst,
        at=Num(0),
    )
    run.claim(local["worst"] <= worst, "no better than before")
    run.claim(local["worst"] <= next_, "nor than this one")
    found = local["worst"]
    run.claim(found.equals(worst) if not run.when(next_ < worst) else found.equals(next_), "one of them")
    # the whole, on the worst lane and another
    price = run.int("price", 1, MAX_PRICE)
    run.total = True
    scan, _ = run.call(MARGIN, "_scan", price, [worst, next_] + [worst] * 30)
    run.claim(scan >= 0, "not negative")
    run.claim(scan * UNIT >= -(price * worst), "the loss in a lane, up")
    run.claim(scan * UNIT >= -(price * next_), "the loss in another, up")
    if run.when(worst >= 0) and run.when(next_ >= 0):
        run.claim(scan.equals(0), "zero where nothing loses")


@proof(
    "L-18",
    planted(
        MARGIN,
        "return fixed._mul_div_up(price, convert(-worst, uint256)",
        "return fixed._mul_div_down(price, convert(-worst, uint256)",
    ),
)
def netting(run: Run) -> None:
    price = run.int("price", 1, MAX_PRICE)
    # the worst lane of both together, and what each loses there: L-17 says each one's own scan is no less
    half = MAX_SUM // 2
    one, two = run.int("one", -half, half), run.int("two", -half, half)
    scans = [run.call(MARGIN, "_scan", price, [lane] * 32)[0] for lane in (one, two, one + two)]
    run.claim(scans[0] * UNIT >= -(price * one), "what L-17 says")
    run.claim(scans[1] * UNIT >= -(price * two), "what L-17 says")
    run.claim(scans[2] <= scans[0] + scans[1], "together no more than one by one")


@proof(
    "L-19",
    planted(
        MARGIN,
        "if account_size <= depth:\n        return 0",
        "if account_size < depth:\n        return 0\n    if account_size == depth:\n        return 1",
    ),
)
def concentration(run: Run) -> None:
    price, kappa = run.int("price", 1, MAX_PRICE), run.int("kappa", 0, 10**7)
    depth, share = run.int("depth", 10**15, MAX_DEPTH), run.int("share", 0, PPM)
    delta, size = run.int("delta", 0, MAX_SIZE * 2**23), run.int("size", 0, MAX_SIZE)
    more = run.int("more", 0, MAX_SIZE)
    run.assume(size <= more)
    run.total = True
    run.claim(share * size <= PPM * MAX_SIZE, "a share of the size")
    run.claim(share * more <= PPM * MAX_SIZE, "a share of more")
    run.claim(share * size <= share * more, "no less")
    sizes = []
    for gross in (size, more):
        local = run.run(
            MARGIN,
            "_concentration",
            "account_size: uint256 = max("
            "fixed._div_up(convert(abs(delta), uint256), fixed.PPM), fixed._mul_div_up(share, size, fixed.PPM))",
            delta=Num(delta.term, "int256"),
            share=Num(share.term, "uint256"),
            size=Num(gross.term, "uint256"),
        )
        found = local["account_size"]
        run.claim(found <= 2**24 * MAX_SIZE, "an account's size")
        run.claim(found * PPM >= delta, "at least its net delta")
        if run.when(found > depth):
            excess = found - depth
            run.claim(excess * excess <= (2**24 * MAX_SIZE) * (2**24 * MAX_SIZE), "its square")
        sizes.append(found)
    run.claim(sizes[0] <= sizes[1], "more is no smaller")
    for k, gross in enumerate((size, more)):
        found = run.call(MARGIN, "_concentration", price, delta, gross, share, depth, kappa)
        run.claim(found >= 0, "not negative")
        if run.when(sizes[k] <= depth):
            run.claim(found.equals(0), "nothing up to the depth")


@proof(
    "L-20",
    planted(
        MARGIN,
        "rate: uint256 = min(fixed.PPM, fixed._mul_div_up(slope, interest, depth))",
        "rate: uint256 = fixed._mul_div_up(slope, interest, depth)",
    ),
)
def market(run: Run) -> None:
    price, size = run.int("price", 1, MAX_PRICE), run.int("size", 0, MAX_SIZE)
    slope, depth = run.int("slope", 0, PPM), run.int("depth", 10**15, MAX_DEPTH)
    less, more = run.int("interest", 0, 2**200), run.int("more", 0, 2**200)
    run.assume(less <= more)
    run.total = True
    run.claim(slope * less <= slope * more, "products in order")
    run.claim(slope * more <= PPM * 2**200, "the greatest")
    run.claim(price * size <= MAX_PRICE * MAX_SIZE, "the notional")
    terms = []
    for interest in (less, more):
        rate = run.run(
            MARGIN,
            "_market",
            "rate: uint256 = min(fixed.PPM, fixed._mul_div_up(slope, interest, depth))",
            slope=Num(slope.term, "uint256"),
            interest=Num(interest.term, "uint256"),
            depth=Num(depth.term, "uint256"),
        )["rate"]
        run.claim(rate <= PPM, "at most the whole")
        run.claim(price * rate <= MAX_PRICE * PPM, "of the price")
        run.claim((price * rate) * size <= MAX_PRICE * PPM * MAX_SIZE, "of the notional")
        terms.append((rate, run.call(MARGIN, "_market", price, size, slope, interest, depth)))
    run.claim(terms[0][0] <= terms[1][0], "the rate never falls")
    run.claim(price * terms[0][0] <= price * terms[1][0], "nor of the price")
    run.claim((price * terms[0][0]) * size <= (price * terms[1][0]) * size, "nor of the notional")
    run.claim(terms[0][1] <= terms[1][1], "nor the term")
    run.claim((price * size) * terms[1][0] <= (price * size) * PPM, "at most")
    run.claim(
        (terms[1][1] - 1) * WAD < price * size if run.when(price * size > 0) else terms[1][1].equals(0),
        "the notional, up",
    )


@proof(
    "L-21",
    planted(
        MARGIN,
        "if pnl > 0:\n            pnl = pnl * keep // 1_000_000",
        "if pnl != 0:\n            pnl = pnl * keep // 1_000_000",
    ),
)
def weighing(run: Run) -> None:
    price, keep = run.int("price", 1, MAX_PRICE), run.int("keep", 0, PPM)
    lane = run.int("lane", -MAX_SUM, MAX_SUM)
    members = run.int("members", 0, 126)
    most = MAX_PRICE * MAX_SUM
    sum_ = run.int("sum", -126 * most, 126 * most)
    run.assume(sum_ <= members * most)
    run.assume(sum_ >= -(members * most))
    run.total = True
    run.claim(price * lane <= most, "a lane")
    run.claim(price * lane >= -most, "a lane")
    if run.when(price * lane > 0):
        run.claim((price * lane) * keep <= (price * lane) * PPM, "what is kept")
        run.claim((price * lane) * keep >= 0, "what is kept")
    after = run.call(MARGIN, "_weighed", [sum_] * 32, [lane] * 32, price, keep)[31]
    run.claim(
        after <= sum_ + price * lane if run.when(price * lane > 0) else after.equals(sum_ + price * lane),
        "losses whole",
    )
    run.claim(after >= sum_ if run.when(price * lane > 0) else after <= sum_, "gains not under nothing")
    run.claim(after <= (members + 1) * most, "one member more")
    run.claim(after >= -((members + 1) * most), "one member more")


@proof("L-22", planted(MARGIN, "loss: uint256 = fixed._div_up(", "loss: uint256 = 1 + fixed._div_up("))
def joint_loss(run: Run) -> None:
    # two members, and one common lane, the worst of their sums; a third joins the sum of two, and so on
    keep = run.int("keep", 0, PPM)
    joint, total = [Num(0, "int256")] * 32, Num(0)
    run.total = True
    for name in ("a", "b"):
        price, lane = run.int(f"{name}_price", 1, MAX_PRICE), run.int(f"{name}_lane", -MAX_SUM, MAX_SUM)
        run.claim(price * lane <= MAX_PRICE * MAX_SUM, "a lane")
        run.claim(price * lane >= -MAX_PRICE * MAX_SUM, "a lane")
        if run.when(price * lane > 0):
            run.claim((price * lane) * keep <= (price * lane) * PPM, "what is kept")
            run.claim((price * lane) * keep >= 0, "what is kept")
        scan, _ = run.call(MARGIN, "_scan", price, [lane] * 32)
        run.claim(scan * UNIT >= -(price * lane), "L-17")
        joint = run.call(MARGIN, "_weighed", joint, [lane] * 32, price, keep)
        total = total + scan
        run.claim(joint[0] >= -(total * UNIT), "the joint loss so far")
    worst = joint[0] if run.when(joint[0] < 0) else Num(0, "int256")
    text = "loss: uint256 = fixed._div_up(convert(-worst, uint256), surface.LANE_UNIT * fixed.WAD)"
    loss = run.run(MARGIN, "_offset", text, worst=worst)["loss"]
    run.claim(loss <= total, "no more than the sum of the scans")


@proof(
    "L-23",
    planted(
        MARGIN,
        "return max(total - fixed._mul_div_down(offset, total - loss, fixed.PPM), largest)",
        "return total + fixed._mul_div_down(offset, total - loss, fixed.PPM)",
    ),
)
def class_scan(run: Run) -> None:
    total, largest = run.int("total", 0, 2**200), run.int("largest", 0, 2**200)
    run.assume(largest <= total)
    offset, loss = run.int("offset", 0, PPM), run.int("loss", 0, total)  # L-22
    run.total = True
    run.claim(offset * (total - loss) <= PPM * (total - loss), "the credit")
    run.claim(offset * (total - loss) >= 0, "the credit")
    found = run.value(
        MARGIN,
        "_offset",
        "return max(total - fixed._mul_div_down(offset, total - loss, fixed.PPM), largest)",
        total=Num(total.term, "uint256"),
        loss=Num(loss.term, "uint256"),
        largest=Num(largest.term, "uint256"),
        offset=Num(offset.term, "uint256"),
    )
    run.claim(found >= largest, "never under the largest")
    run.claim(found <= total, "never over the sum")
