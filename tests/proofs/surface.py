"""Lemmas of `modules/surface.vy`, and of the packed sums that RiskOracle makes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Final

import z3

from tests.proofs.prove import Run, moved, planted, proof
from tests.proofs.vyper import WORD, Num

SURFACE: Final = "modules/surface.vy"
ORACLE: Final = "RiskOracle.vy"
MAX_PRICE: Final = 10**27
MAX_QUANTITY: Final = 10**27
LANES: Final = 2**16 - 1
HALF: Final = 2**128


@proof(
    "L-07",
    planted(
        SURFACE,
        "return unsafe_div(unsafe_mul(price, forward), FORWARD_UNIT)",
        "return unsafe_mul(unsafe_div(price, FORWARD_UNIT), forward)",
    ),
)
def forward_at(run: Run) -> None:
    price, forward = run.int("price", 0, MAX_PRICE), run.int("forward", 0, 2**32 - 1)
    ahead = run.call(SURFACE, "_ahead", price, forward)
    run.claim(ahead < 2**122, "small")
    run.claim(ahead * 10**9 <= price * forward, "down")
    run.claim((ahead + 1) * 10**9 > price * forward, "by less than a unit")


@proof("L-08", planted(SURFACE, "return min(unsafe_sub(raw, SHIFT), high)", "return unsafe_sub(raw, SHIFT)"))
def mark_is_bounded(run: Run) -> None:
    kind, strike = run.int("kind", 0, 4), run.int("strike", 0, 2**48 - 1)
    price, unit = run.int("price", 1, MAX_PRICE), run.int("strike_unit", 1, 10**18)
    ahead = run.int("ahead", 0, MAX_PRICE * 2**32 // 10**9)  # L-07
    raw = run.int("raw", 0, 2**255)  # L-09
    zero = Num(0)
    paid = strike * unit
    run.claim(paid <= 2**48 * 10**18, "what is paid at a strike")
    local = {
        "id": run.machine.word((zero, 192), (strike, 48), (zero, 16)),
        "price": Num(price.term, "uint256"),
        "ahead": Num(ahead.term, "uint256"),
        "strike_unit": Num(unit.term, "uint256"),
        "kind": Num(kind.term, "uint256"),
        "raw": Num(raw.term, "uint256"),
        "low": Num(0, "uint256"),
        "is_option": False,
    }
    local = run.run(SURFACE, "_mark", "high: uint256 = unsafe_mul(price, 2)", **local)
    local = run.run(
        SURFACE,
        "_mark",
        """
if kind == instruments.CALL:
    is_option = True
    strike: uint256 = unsafe_mul((id >> 16) & (2**48 - 1), strike_unit)
    high = ahead
    if ahead > strike:
        low = unsafe_sub(ahead, strike)
elif kind == instruments.PUT:
    is_option = True
    high = unsafe_mul((id >> 16) & (2**48 - 1), strike_unit)
    if high > ahead:
        low = unsafe_sub(high, ahead)
""",
        **local,
    )
    if run.when(run.value(SURFACE, "_mark", "raw <= unsafe_add(low, SHIFT)", **local)):
        found = local["low"]
    else:
        found = run.value(SURFACE, "_mark", "return min(unsafe_sub(raw, SHIFT), high)", **local)
    if run.when(kind.equals(2)):
        low, high = (ahead - paid if run.when(ahead > paid) else zero), ahead
    elif run.when(kind.equals(3)):
        low, high = (paid - ahead if run.when(paid > ahead) else zero), paid
    else:
        low, high = zero, 2 * price
    run.claim(found >= low, "not under what it is worth at once")
    run.claim(found <= high, "not over what it can ever be")
    run.claim(found < 3 * 10**32, "the greatest mark there is")


@proof("L-09", planted(SURFACE, "unsafe_mul(reference, 2 * 10**6)", "unsafe_mul(reference, 10**6)"))
def mark_is_the_formula(run: Run) -> None:
    price, reference = run.int("price", 0, MAX_PRICE), run.int("reference", 1, MAX_PRICE)
    posted, gamma = run.int("mark", 0, 2**48 - 1), run.int("gamma", 0, 2**32 - 1)
    delta = run.int("delta", -(2**23), 2**23 - 1)
    zero = Num(0)
    info = run.machine.word((zero, 56), (posted, 48), (run.machine.field(delta, 24), 24), (gamma, 32), (zero, 96))
    run.signs = {
        "unsafe_sub(price, reference)",
        "unsafe_mul(delta, move)",
        "unsafe_add(unsafe_mul(delta, move), SHIFT * 10 ** 6)",
        "unsafe_mul(move, move)",
    }
    move = price - reference
    run.when(price >= reference)
    run.claim(move * move <= MAX_PRICE * MAX_PRICE, "the move's square")
    run.claim(move * move >= 0, "a square")
    run.claim(gamma * (move * move) <= 2**32 * MAX_PRICE * MAX_PRICE, "times gamma")
    run.claim(gamma * (move * move) >= 0, "times gamma")
    run.claim(delta * move <= 2**23 * MAX_PRICE, "delta's part")
    run.claim(delta * move >= -(2**23) * MAX_PRICE, "delta's part")
    run.claim(reference * posted <= MAX_PRICE * 2**48, "the posted mark")
    local = {"info": info, "price": Num(price.term, "uint256"), "reference": Num(reference.term, "uint256")}
    local = run.run(
        SURFACE,
        "_mark",
        """
move: uint256 = unsafe_sub(price, reference)
delta: uint256 = convert(convert(convert(convert(info << 104, bytes32), int256) >> 232, bytes32), uint256)
raw: uint256 = unsafe_add(
    unsafe_div(unsafe_mul(reference, (info >> 152) & (2**48 - 1)), MARK_UNIT),
    unsafe_div(unsafe_add(unsafe_mul(delta, move), SHIFT * 10**6), 10**6),
)
gamma: uint256 = (info >> 96) & (2**32 - 1)
if gamma != 0:
    raw = unsafe_add(raw, unsafe_div(unsafe_mul(gamma, unsafe_mul(move, move)), unsafe_mul(reference, 2 * 10**6)))
""",
        **local,
    )
    divide = run.machine.divide
    terms = (
        Num(divide((reference * posted).term, 10**12)[0])
        + Num(divide((delta * move).term, 10**6)[0])
        + (
            zero
            if run.when(gamma.equals(0))
            else Num(divide((gamma * (move * move)).term, (reference * (2 * 10**6)).term)[0])
        )
    )
    run.claim(local["raw"].equals(terms + 10**34), "the sum of the three terms, each down, shifted up")


class _Bits:
    """A word of bits, shifted as the EVM's SHR does."""

    def __init__(self, bits: z3.BitVecRef) -> None:
        self.bits = bits

    def __rshift__(self, by: int) -> _Bits:
        return _Bits(z3.LShR(self.bits, by))

    def __and__(self, mask: int) -> z3.BitVecRef:
        return self.bits & mask


@proof("L-10", planted(SURFACE, "max_value(uint256) // 65_535 * 32_768", "max_value(uint256) // 65_535 * 16_384"))
def biased_lanes(run: Run) -> None:
    word = run.bits("word", 256)
    bias, pair = (run.machine.constant(SURFACE, name).term for name in ("BIAS", "PAIR"))
    run.machine.nodes(ORACLE, "_terms", "first ^= surface.BIAS")
    run.machine.nodes(ORACLE, "_terms", "second ^= surface.BIAS")
    for k in range(8):
        text = f"(first >> {16 * k}) & surface.PAIR" if k else "first & surface.PAIR"
        run.machine.nodes(ORACLE, "_terms", text)
        names = {"first": _Bits(word ^ bias), "surface": SimpleNamespace(PAIR=pair)}
        found = eval(text, {}, names)  # noqa: S307 - the contract's own expression, on bits
        run.claim(z3.Extract(127, 16, found) == 0, "nothing between")
        run.claim(z3.Extract(255, 144, found) == 0, "nor above")
        for at, lane in ((0, 15 - k), (128, 7 - k)):
            top = 256 - 16 * lane
            lane_bits = z3.Extract(top - 1, top - 16, word)
            biased = z3.ZeroExt(16, z3.Extract(at + 15, at, found))
            run.claim(biased - 2**15 == z3.SignExt(16, lane_bits), f"lane {lane}")


@proof("L-11", moved("127 positions of 2**10 times the greatest quantity", most=MAX_QUANTITY * 2**10))
def lanes_stay_apart(run: Run) -> None:
    most = run.number("most", MAX_QUANTITY)
    held = run.int("held", 0, run.machine.constant("modules/instruments.vy", "MAX_POSITIONS") - 1)
    bound = most * run.machine.constant(SURFACE, "MAX_SCALE").term * LANES
    quantity, scale = run.int("quantity", -most, most), run.int("scale", 1, run.machine.constant(SURFACE, "MAX_SCALE"))
    lane, other = run.int("lane", 0, LANES), run.int("other", 0, LANES)
    low, high, turns = run.int("low"), run.int("high"), run.int("turns")
    weight = run.int("weight")
    for sum_ in (low, high, weight):
        run.assume(sum_ <= held * bound)
        run.assume(sum_ >= -(held * bound))
    negative = run.when(quantity < 0)
    local = run.run(
        ORACLE,
        "_terms",
        "scaled: int256 = unsafe_mul(quantity, convert(head.scale, int256))\nweight = unsafe_add(weight, scaled)\n"
        "by: uint256 = convert(convert(scaled, bytes32), uint256)",
        quantity=Num(quantity.term, "int256"),
        weight=Num(weight.term, "int256"),
        head={"scale": Num(scale.term, "uint256")},
    )
    scaled, by = local["scaled"], local["by"]
    run.claim(scaled <= most * 10, "a scaled quantity")
    run.claim(scaled >= -most * 10, "a scaled quantity")
    run.claim(
        by.equals(scaled + WORD if negative else scaled) if not run.when(scaled.equals(0)) else by.equals(0),
        "in two's complement",
    )
    before = run.int("packed", 0, WORD - 1)
    run.assume(before.equals(low + high * HALF + turns * WORD))
    zero = Num(0)
    for k in range(16):
        at = k % 8
        name = "first" if k < 8 else "second"
        fields = [(zero, 128 - 16 * at - 16), (other, 16), (zero, 112), (lane, 16), (zero, 16 * at)]
        pairs = run.machine.word(*((f, bits) for f, bits in fields if bits))
        part = f"({name} >> {16 * at}) & surface.PAIR" if at else f"{name} & surface.PAIR"
        text = f"packed[{k}] = unsafe_add(packed[{k}], unsafe_mul({part}, by))"
        product = f"unsafe_mul({part.replace('(', '', 1).replace(')', '', 1) if at else part}, by)"
        run.wraps = {product, f"unsafe_add(packed[{k}], {product})"}
        packed = [Num(before.term, "uint256")] * 16
        after = run.run(ORACLE, "_terms", text, packed=list(packed), by=by, **{name: pairs})["packed"][k]
        pair = lane + other * HALF
        turned = Num(run.machine.divide((pair * by).term, WORD)[0])
        again = Num(run.machine.divide((before + pair * by - turned * WORD).term, WORD)[0])
        sums = low + scaled * lane + (high + scaled * other) * HALF
        wrapped = pair if run.when(by > scaled) else zero
        whole = sums + (turns + wrapped - turned - again) * WORD
        run.claim(after.equals(whole), f"field {k} is both sums, whole turns aside")
    for sum_, new in ((low, lane), (high, other)):
        run.claim(scaled * new <= bound, "one position's part")
        run.claim(scaled * new >= -bound, "one position's part")
        run.claim(sum_ + scaled * new <= (held + 1) * bound, "one position more")
        run.claim(sum_ + scaled * new >= -((held + 1) * bound), "one position more")
    run.claim((held + 1) * bound < 2**117, "under 2**117")


@proof(
    "L-12",
    planted(
        SURFACE,
        "high: int256 = unsafe_sub(fixed._signed(field), low) >> 128",
        "high: int256 = fixed._signed(field) >> 128",
    ),
)
def unpacking(run: Run) -> None:
    limit = 2**117
    run.total = True
    weight = run.int("weight", -(127 * 10**28), 127 * 10**28)
    low, high = run.int("low", -limit, limit), run.int("high", -limit, limit)
    run.when(low < 0)
    field = low + high * HALF
    if run.when(field < 0):
        field += WORD
    # every place of a word is unpacked alike
    lanes = run.call(SURFACE, "_lanes", [Num(field.term, "uint256")] * 16, weight)
    for lane in range(32):
        run.claim(lanes[lane].equals((low if lane // 8 % 2 else high) - weight * 2**15), f"lane {lane}")
