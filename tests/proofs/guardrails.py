"""Lemmas of `Guardrails.vy`: four comparisons in a word, and how far a scalar may move."""

from __future__ import annotations

from typing import Final

import z3

from tests.proofs.prove import Run, moved, planted, proof
from tests.proofs.vyper import Cond, Num

GUARD: Final = "Guardrails.vy"
LANE: Final = 2**16 - 1  # a biased one
SHAPES: Final = range(1, 7)


def _fields(run: Run, name: str, low: int, high: int) -> list[Num]:
    """Four unknowns, the lowest field first."""
    return [run.int(f"{name}{k}", low, high) for k in range(4)]


def _packed(run: Run, fields: list[Num]) -> Num:
    """Four numbers in a word, 64 bits apart."""
    return run.machine.word(*((field, 64) for field in reversed(fields)))


def _bit(run: Run, field: Num) -> Cond:
    """Whether bit 40 of a field is set."""
    rest = run.machine.divide(field.term, 2**41)[1]
    return Num(rest) >= 2**40


def _says(run: Run, word: Num, fields: list[Num], wanted: dict[int, Cond], text: str) -> None:
    """A word is these fields, none borrows, and bit 40 of those wanted says what the integers do."""
    for k, field in enumerate(fields):
        run.claim(field >= 0, f"{text}: field {k} borrows from none")
        run.claim(field < 2**64, f"{text}: field {k} reaches none")
    run.claim(
        word.equals(fields[0] + fields[1] * 2**64 + fields[2] * 2**128 + fields[3] * 2**192), f"{text}: the fields"
    )
    for k, cond in wanted.items():
        run.claim(_bit(run, fields[k]) == cond, f"{text}: bit 40 of field {k}")


@proof("L-57", moved("seven steps on a side", steps=7))
def shifts(run: Run) -> None:
    for k in range(run.number("steps", 6)):
        at = Num(k, "uint256")
        run.claim(z3.BoolVal(val=True), "a place")
        for text in ("unsafe_sub(224, unsafe_mul(32, k))", "unsafe_sub(208, unsafe_mul(32, k))", "unsafe_add(k, 1)"):
            found = run.value(GUARD, "check", text, k=at)
            run.claim(z3.And(found.term >= 0, found.term <= 224), f"{text} at {k}")
            if "208" in text:
                run.claim(z3.BoolVal(found.term >= 48), "over the extremes' fields")
    lane = run.int("lane", 0, 15)
    local = run.run(GUARD, "_is_token", "bits: uint256 = unsafe_mul(16, lane)", lane=Num(lane.term, "uint256"))
    run.claim(local["bits"] <= 240, "a lane's bits")


@proof("L-58", moved("a mark of 2**200", mark=2**200))
def worths(run: Run) -> None:
    reference = Num(run.int("reference", 1, 10**27).term, "uint256")
    mark = Num(run.int("mark", 0, run.number("mark", 2**48 - 1)).term, "uint256")
    strike, unit = run.int("strike", 1, 2**48 - 1), run.int("strike_unit", 1, 10**18)
    grain = Num(run.int("grain", 10**7, 10**8).term, "uint256")
    local = run.run(
        GUARD,
        "check",
        "worth: uint256 = unsafe_mul(reference, mark)\n"
        "paid: uint256 = unsafe_mul(unsafe_mul(strike, strike_unit), surface.MARK_UNIT)",
        reference=reference,
        mark=mark,
        strike=Num(strike.term, "uint256"),
        strike_unit=Num(unit.term, "uint256"),
    )
    paid = local["paid"]
    run.claim(paid < 2**148, "what is paid at a strike")
    paid = Num(run.int("paid", 0, 2**148 - 1).term, "uint256")  # any that small
    local["paid"] = paid
    ahead = Num(run.int("ahead", 0, 10**27 * 2**32 // 10**9 * 10**12).term, "uint256")
    local |= {"ahead": ahead, "grain": grain}
    if run.when(ahead > paid):
        run.claim(run.value(GUARD, "check", "unsafe_sub(ahead, paid)", **local) >= 0, "inside")
    elif run.when(ahead < paid):
        run.claim(run.value(GUARD, "check", "unsafe_sub(paid, ahead)", **local) >= 0, "inside")
    local = run.run(GUARD, "check", "loss: uint256 = min(unsafe_add(mark // grain, 1), 2**16)", **local)
    run.claim(local["loss"] <= 2**16, "no lane is past it")
    run.claim(local["loss"] >= 1, "a unit at least")
    local = run.run(GUARD, "check", "gain = unsafe_add(paid // reference // grain, 1)", **local)
    run.claim(local["gain"] < 2**150, "before the cut")
    local["gain"] = Num(local["gain"].term, "uint256")
    local = run.run(GUARD, "check", "gain = min(unsafe_sub(gain, min(gain, mark // grain)) + 1, 2**16)", **local)
    run.claim(local["gain"] <= 2**16, "no lane is past it")
    run.claim(local["gain"] >= 1, "a unit at least")


@proof(
    "L-59",
    planted(
        GUARD,
        "unsafe_sub(unsafe_add(four >> 64, YES + FIELDS), four)",
        "unsafe_sub(unsafe_add(four >> 64, YES), four)",
        "no unit for rounding",
    ),
)
def comparisons(run: Run) -> None:
    four = _fields(run, "f", 0, LANE)
    word = _packed(run, four)
    found = run.value(GUARD, "check", "unsafe_sub(unsafe_add(four >> 64, YES + FIELDS), four)", four=word)
    after = [*four[1:], Num(0)]
    fields = [a + 2**40 + 1 - f for a, f in zip(after, four, strict=True)]
    # of fields 0 and 2, the lower volatility's: the higher's lane is no less, to a unit
    _says(run, found, fields, {k: four[k + 1] + 1 >= four[k] for k in (0, 2)}, "higher and lower volatility")
    gain, loss = run.int("gain", 0, 2**16), run.int("loss", 0, 2**16)
    local = {"at_node": word, "gain": Num(gain.term, "uint256"), "loss": Num(loss.term, "uint256")}
    found = run.value(
        GUARD,
        "check",
        "unsafe_sub(YES + (ZERO * LOSING) + 2**15 * GAINING + unsafe_mul(gain, GAINING), at_node)",
        **local,
    )
    fields = [2**40 + (2**20 if k < 2 else 2**15 + gain) - f for k, f in enumerate(four)]
    gained = {k: four[k] - 2**15 <= gain for k in (2, 3)}
    _says(run, found, fields, gained, "no more gained than there is")
    found = run.value(
        GUARD, "check", "unsafe_sub(unsafe_add(at_node, YES + unsafe_mul(loss, LOSING)), 2**15 * LOSING)", **local
    )
    fields = [f + 2**40 + (loss - 2**15 if k < 2 else 0) for k, f in enumerate(four)]
    lost = {k: four[k] - 2**15 >= -loss for k in (0, 1)}
    _says(run, found, fields, lost, "no more lost than the mark")


@proof("L-60", planted(GUARD, "YES - (ZERO - 1) * GAINING", "YES - ZERO * GAINING", "no unit for rounding"))
def slopes(run: Run) -> None:
    four, node = _fields(run, "f", 0, LANE), _fields(run, "n", 0, LANE)
    old = _fields(run, "o", 2**20 - LANE, 2**20 + LANE)  # the step before
    before, width = run.int("before", 0, 10**4), run.int("width", 1, 10**4)
    most = run.int("most", 1, 2**17)
    local = {"four": _packed(run, four), "at_node": _packed(run, node), "last": _packed(run, old)}
    step_text = "step = unsafe_sub(unsafe_add(four, ZERO * FIELDS), at_node)"
    found = run.run(GUARD, "check", step_text, **local)["step"]
    steps = [f + 2**20 - n for f, n in zip(four, node, strict=True)]
    _says(run, found, steps, {}, "a step")
    for step in steps:
        run.claim(step >= 2**20 - LANE, "a lane at most")
        run.claim(step <= 2**20 + LANE, "a lane at most")
    local["step"] = _packed(run, steps)
    typed = {name: Num(n.term, "uint256") for name, n in (("width", width), ("most", most), ("before", before))}
    rises = [steps[2] - 2**20, steps[3] - 2**20]
    falls = [steps[0] - 2**20, steps[1] - 2**20]
    limits = run.run(
        GUARD,
        "check",
        "least_step[k] = YES - (ZERO - 1) * GAINING - (ZERO - most) * LOSING\n"
        "most_step[k] = YES + (ZERO + most) * GAINING + (ZERO + 1) * LOSING\n"
        "bend[k] = (2**40 + widths[k - 1] + width + ZERO * width - ZERO * widths[k - 1]) * FIELDS",
        k=Num(1),
        widths=[typed["before"], typed["width"]],
        least_step=[Num(0)] * 2,
        most_step=[Num(0)] * 2,
        bend=[Num(0)] * 2,
        width=typed["width"],
        most=typed["most"],
    )
    for at in SHAPES:
        local |= {"least_step": [limits["least_step"][1]] * 7, "most_step": [limits["most_step"][1]] * 7}
        found = run.value(GUARD, "check", f"unsafe_add(step, least_step[{at}])", **local)
        fields = [s + 2**40 - 2**20 + (most if j < 2 else 1) for j, s in enumerate(steps)]
        least = {j: (falls[j] >= -most if j < 2 else rises[j - 2] >= -1) for j in range(4)}
        _says(run, found, fields, least, "no less than its slope's least")
        found = run.value(GUARD, "check", f"unsafe_sub(most_step[{at}], step)", **local)
        fields = [2**40 + 2**20 + (1 if j < 2 else most) - s for j, s in enumerate(steps)]
        greatest = {j: (falls[j] <= 1 if j < 2 else rises[j - 2] <= most) for j in range(4)}
        _says(run, found, fields, greatest, "no more than its slope's most")
    found = run.value(
        GUARD,
        "check",
        "unsafe_sub(unsafe_add(unsafe_add(step >> 128, step), YES), (2 * ZERO - 2) * LOSING)",
        **local,
    )
    fields = [steps[j] + 2**40 + (steps[j + 2] - 2**21 + 2 if j < 2 else 0) for j in range(4)]
    _says(run, found, fields, {j: rises[j] + falls[j] >= -2 for j in (0, 1)}, "the bend in the middle")
    for s, o in zip(steps, old, strict=True):
        run.claim(s * before <= (2**20 + LANE) * 10**4, "a product")
        run.claim(s * before >= 0, "a product")
        run.claim(o * width <= (2**20 + LANE) * 10**4, "a product")
        run.claim(o * width >= 0, "a product")
    for at in range(2, 7):
        widths = [typed["before"]] * at + [typed["width"]] * (7 - at)
        text = f"unsafe_sub(unsafe_add(unsafe_mul(step, widths[{at - 1}]), bend[{at}]), unsafe_mul(last, widths[{at}]))"
        found = run.value(GUARD, "check", text, widths=widths, bend=[limits["bend"][1]] * 7, **local)
        slack = before + width
        fields = [
            s * before + 2**40 + slack + 2**20 * width - 2**20 * before - o * width
            for s, o in zip(steps, old, strict=True)
        ]
        bent = {j: (steps[j] - 2**20) * before + slack >= (old[j] - 2**20) * width for j in range(4)}
        _says(run, found, fields, bent, "the bend")


@proof("L-61", planted(GUARD, "uint256 = 2**40 + 100 * 2**15 + 100", "uint256 = 2**40 + 100 * 2**15"))
def extremes(run: Run) -> None:
    damps, fars = [run.int(f"damp{j}", 0, 100) for j in range(3)], [run.int(f"far{j}", 1, 2**23) for j in range(3)]
    lanes = [run.int(f"up{j}", 0, LANE) for j in range(3)]
    node = run.int("node", 0, LANE)
    zero = Num(0)
    names = ("extreme_most", "other_most", "extreme_least", "other_least")
    bounds: dict[str, list[Num]] = {name: [] for name in names}
    for damp, far in zip(damps, fars, strict=True):
        run.claim(damp * far <= 100 * 2**23, "a reach, damped")
        run.claim(damp * far >= 0, "a reach, damped")
        local = {"damp": Num(damp.term, "uint256"), "far": Num(far.term, "uint256")}
        local |= run.run(GUARD, "check", "bias: uint256 = 2**40 + 100 * 2**15 + 100", **local)
        bounds["extreme_most"].append(run.value(GUARD, "check", "bias - damp * 2**15 + damp * far", **local))
        bounds["other_most"].append(run.value(GUARD, "check", "bias - damp * 2**15 + damp", **local))
        local |= run.run(GUARD, "check", "bias = 2**40 + 100 - 100 * 2**15", **local)
        bounds["extreme_least"].append(run.value(GUARD, "check", "bias + damp * 2**15 + damp", **local))
        bounds["other_least"].append(run.value(GUARD, "check", "bias + damp * 2**15 + damp * far", **local))
    local = {name: _packed(run, [zero, *reversed(found)]) for name, found in bounds.items()}
    ups = _packed(run, [zero, *reversed(lanes)])
    at_node = _packed(run, [node, node, node, node])
    damp_word = _packed(run, [zero, *reversed(damps)])
    for damp in damps:
        run.claim(node * damp <= LANE * 100, "a damped lane")
        run.claim(node * damp >= 0, "a damped lane")
    local["ups"] = run.run(GUARD, "check", "ups = unsafe_mul(ups, 100)", ups=ups)["ups"]
    local["downs"] = run.run(GUARD, "check", "downs = unsafe_mul(downs, 100)", downs=ups)["downs"]
    local |= run.run(
        GUARD, "check", "gaining: uint256 = unsafe_mul(at_node >> 192, damps)", at_node=at_node, damps=damp_word
    )
    local |= run.run(
        GUARD,
        "check",
        "losing: uint256 = unsafe_mul((at_node >> 64) & MASK_16, damps)",
        at_node=_packed(run, [zero, node, zero, zero]),
        damps=damp_word,
    )
    for text, name, reach in (
        ("unsafe_sub(unsafe_add(gaining, extreme_most), ups)", "extreme_most", True),
        ("unsafe_sub(unsafe_add(losing, other_most), downs)", "other_most", False),
    ):
        found = run.value(GUARD, "check", text, **local)
        fields = [zero] + [
            n * node + b - 100 * lane
            for n, b, lane in zip(reversed(damps), reversed(bounds[name]), reversed(lanes), strict=True)
        ]
        wanted = {
            k + 1: 100 * (lane - 2**15) <= damp * (node - 2**15) + (damp * far if reach else damp) + 100
            for k, (lane, damp, far) in enumerate(zip(reversed(lanes), reversed(damps), reversed(fars), strict=True))
        }
        _says(run, found, fields, wanted, f"at most: {name}")
    for text, name, reach in (
        ("unsafe_sub(unsafe_add(ups, extreme_least), gaining)", "extreme_least", False),
        ("unsafe_sub(unsafe_add(downs, other_least), losing)", "other_least", True),
    ):
        found = run.value(GUARD, "check", text, **local)
        fields = [zero] + [
            100 * lane + b - n * node
            for n, b, lane in zip(reversed(damps), reversed(bounds[name]), reversed(lanes), strict=True)
        ]
        wanted = {
            k + 1: 100 * (lane - 2**15) >= damp * (node - 2**15) - (damp * far if reach else damp) - 100
            for k, (lane, damp, far) in enumerate(zip(reversed(lanes), reversed(damps), reversed(fars), strict=True))
        }
        _says(run, found, fields, wanted, f"at least: {name}")


def _held(run: Run, seconds: Num) -> tuple[Num, Num, Num, Num, Num]:
    """A scalar that `_hold` lets pass: its limit's rise and fall, what stood, what is said."""
    low, high = run.int("low", 0, 2**96 - 1), run.int("high", 0, 2**96 - 1)
    rise, fall = run.int("rise", 10**4, 2**32 - 1), run.int("fall", 10**4, 2**32 - 1)
    was, said = run.int("was", 0, 2**96 - 1), run.int("said", 0, 2**96 - 1)
    limit = run.machine.word((low, 96), (high, 96), (rise, 32), (fall, 32))
    run.machine.given["self._name"] = lambda *_: ""
    run.total = True
    if run.when(was > 0):
        run.claim(was * rise <= 2**128, "a pace")
        run.claim(was * fall <= 2**128, "a pace")
        run.claim((was * rise) * seconds <= 2**128 * 2**45, "times seconds")
        run.claim((was * fall) * seconds <= 2**128 * 2**45, "times seconds")
    run.call(GUARD, "_hold", limit, Num(10), was, said, seconds)
    run.claim(said >= low, "in its bounds")
    run.claim(said <= high, "in its bounds")
    return rise, fall, was, said, limit


@proof("L-62", planted(GUARD, "step = unsafe_sub(was, said)", "step = unsafe_sub(said, was)"))
def steps_are_held(run: Run) -> None:
    seconds = run.int("seconds", 0, 2**45)
    rise, fall, was, said, _ = _held(run, seconds)
    if run.when(was > 0) and run.when(said > was) and run.when(rise < 2**32 - 1):
        run.claim((said - was) * (3_600 * 10**6) <= (was * rise) * seconds, "no more than its rise an hour")
    elif run.when(was > 0) and run.when(said < was) and run.when(fall < 2**32 - 1):
        run.claim((was - said) * (3_600 * 10**6) <= (was * fall) * seconds, "no more than its fall an hour")


@proof("L-63", planted(GUARD, "if urgent and passed > 0:", "if urgent and passed >= 0:"))
def once_a_time(run: Run) -> None:
    now = run.int("now", 0, 2**40)
    urgent = run.when(run.int("urgent", 0, 1).equals(1))
    run.machine.given["self.boost"] = Num(run.int("boost", 1, 20).term, "uint256")
    seconds = run.call(GUARD, "_seconds", urgent, now, now)
    run.claim(seconds.equals(0), "no time has passed, urgent or not")
    rise, fall, was, said, _ = _held(run, seconds)
    if run.when(was > 0) and run.when(rise < 2**32 - 1) and run.when(fall < 2**32 - 1):
        run.claim(said.equals(was), "so what stands stays")
