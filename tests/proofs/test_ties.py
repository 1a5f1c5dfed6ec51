"""What the proofs work out is what the twin works out: each function of a contract, read as the proofs read it, run on
drawn integers, gives what `plimsoll.spec` gives. So a lemma is about the code, not about a paraphrase of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec import history, instruments, interest, liquidator, margin, registry, wad
from plimsoll.spec.margin import Assessment, Index, Params
from plimsoll.spec.surface import Row, Surface
from tests.proofs.prove import Run
from tests.proofs.vyper import Num, Struct, term_of


def count(high, low=0):
    """An integer, often at an end."""
    return st.sampled_from([low, low + 1, high - 1, high]) | st.integers(low, high)


BIG = count(10**36)
SIGNED = count(10**36, -(10**36))
PART = count(10**6)
POSITIVE = count(10**30, 1)
CURVE = st.tuples(count(2**24 - 1), count(10**6 - 1, 1), count(2**24 - 1), count(2**24 - 1), PART).map(
    lambda f: f[0] << 232 | f[1] << 208 | f[2] << 184 | f[3] << 160 | f[4] << 136
)
LANES = st.lists(SIGNED, min_size=32, max_size=32)
FUNDING = st.tuples(count(2**124, -(2**124)), count(2**40 - 1), count(2**80, -(2**80)))


def found(haircut, full=0, mm=0, im=0):
    """An assessment."""
    return Assessment(haircut, full, mm, im, 0, fresh=True)


def fee(base, vol_scale, util_scale, volatility, used, cap):
    """A fee's rate, by the contract's two functions."""
    run = Run(values={})
    word = Num(vol_scale << 184 | util_scale << 160)
    factor = run.call("modules/fees.vy", "_raise", word, Num(volatility), Num(used))
    return run.call("modules/fees.vy", "_rate", Num(base), factor, Num(cap)).term


def faded(sums, lanes, left):
    return [a + x for a, x in zip(sums, margin.faded(lanes, left), strict=True)]


def scan(price, lanes):
    worst = min(range(32), key=lanes.__getitem__)
    return [wad.mul_div_up(price, max(0, -lanes[worst]), wad.LANE_UNIT * wad.WAD), worst]


TIES = {
    "fixed._div_up": ((BIG, POSITIVE), wad.div_up),
    "fixed._div_floor": ((SIGNED, POSITIVE), wad.div_floor),
    "fixed._div_ceil": ((SIGNED, POSITIVE), wad.div_up),
    "fixed._div_truncate": ((SIGNED, POSITIVE), wad.div_truncate),
    "fixed._mul_div_down": ((BIG, BIG, POSITIVE), wad.mul_div_down),
    "fixed._mul_div_up": ((BIG, BIG, POSITIVE), wad.mul_div_up),
    "instruments._word": ((count(2**128 - 1), count(10**27, -(10**27))), instruments.word),
    "instruments._quantity": ((count(2**256 - 1),), instruments.quantity_of),
    "surface._ahead": ((count(10**27), count(2**32 - 1)), lambda p, f: wad.mul_div_down(p, f, wad.FORWARD_UNIT)),
    "margin._slope": ((count(2**15 - 1, -(2**15)), count(10**27)), margin.slope),
    "margin._faded": ((LANES, LANES, count(1_800)), faded),
    "margin._scan": ((count(10**27, 1), LANES), scan),
    "interest._utilisation": ((BIG, BIG), interest.utilisation),
    "interest._rate": ((CURVE, PART), interest.rate),
    "interest._grown": (
        (SIGNED, count(2**104 - 1, 1), count(2**104 - 1), count(2**104 - 1)),
        lambda cash, entry, supply, borrow: interest.grown(cash, entry, interest.Pool(supply, borrow)),
    ),
    "dutch_auction._share": ((count(10**6), count(86_400, 60), count(500_000)), liquidator.share_at),
    "dutch_auction._discount": (
        (SIGNED, BIG, BIG, PART),
        lambda haircut, cut, mm, share: liquidator.discount_of(found(haircut, haircut + cut, mm), share),
    ),
    "dutch_auction._fraction": (
        (SIGNED, BIG, BIG),
        lambda haircut, more, net: liquidator.cap_of(found(haircut, im=haircut + more + 1), net),
    ),
    "settlement_price._middle_half": ((st.lists(count(10**27), min_size=30, max_size=30),), history.middle_half),
    "settlement_price._filled": ((st.lists(count(3), min_size=30, max_size=30),), lambda s: list(history.filled(s))),
}
# what the contract's function takes, of what is drawn
ARGUMENTS = {
    "dutch_auction._discount": lambda haircut, cut, mm, share: (haircut + cut, haircut, mm, share),
    "dutch_auction._fraction": lambda haircut, more, net: (haircut, haircut + more + 1, net),
}


def numbers(value):
    return [numbers(item) for item in value] if isinstance(value, list) else Num(value)


def plainly(value):
    return [plainly(item) for item in value] if isinstance(value, list) else term_of(value)


@pytest.mark.parametrize("name", sorted(TIES))
@given(data=st.data())
def test_a_function_is_its_twin(name, data):
    drawn, twin = TIES[name]
    values = [data.draw(one) for one in drawn]
    if name == "dutch_auction._fraction" and sum(values[:2]) < 0:
        values[1] -= sum(values[:2])  # a requirement is not negative
    args = ARGUMENTS.get(name, lambda *same: same)(*values)
    module, function = name.split(".")
    answer = Run(values={}).call(f"modules/{module}.vy", function, *(numbers(arg) for arg in args))
    assert plainly(answer) == twin(*values)


@given(count(50_000), count(2**24 - 1), count(2**24 - 1), count(2**32 - 1), PART, count(200_000))
def test_a_fee_is_its_twin(base, vol_scale, util_scale, volatility, used, cap):
    twin = registry.fee_rate(base, volatility, used, cap, vol_scale=vol_scale, util_scale=util_scale)
    assert fee(base, vol_scale, util_scale, volatility, used, cap) == twin


@given(FUNDING, count(2**40 - 1))
def test_funding_is_its_twin(word, later):
    cumulative, since, a_day = word
    packed = margin.pack_funding(cumulative, since, a_day)
    run = Run(values={})
    assert run.call("modules/margin.vy", "_accrued", Num(packed), Num(since + later)).term == margin.accrued(
        packed, since + later
    )
    assert run.call("modules/margin.vy", "_funding", Num(packed), Num(since + later)).term == margin.funding(
        packed, since + later
    )


@given(st.lists(PART, min_size=8, max_size=8), count(3), count(2**40))
def test_a_floor_is_its_twin(fields, kind, tenor):
    params = Params(gross_base=tuple(fields[:4]), gross_slope=tuple(fields[4:]))
    word = sum(field << 232 - 24 * k for k, field in enumerate(fields))
    answer = Run(values={}).call("modules/margin.vy", "_gross_floor", Num(word), Num(kind), Num(tenor))
    assert answer.term == margin.gross_floor(params, kind, tenor)


@given(
    CURVE,
    count(2**104 - 1),
    count(2**104 - 1),
    count(10**36),
    count(10**36),
    count(2**40),
)
def test_interest_is_its_twin(curve, supply_index, borrow_index, supply, debt, elapsed):
    pool = interest.Pool(supply_index, borrow_index, 0, supply, debt)
    fields = {name: Num(getattr(pool, name), "uint256") for name in pool.__dataclass_fields__}
    after, kept = Run(values={}).call("modules/interest.vy", "_accrued", Struct(fields), Num(curve), Num(elapsed))
    twin, twin_kept = interest.accrued(pool, curve, elapsed)
    assert {name: term_of(after[name]) for name in fields} == {name: getattr(twin, name) for name in fields}
    assert term_of(kept) == twin_kept


@given(
    st.sampled_from(instruments.KINDS),
    count(2**48 - 1),
    count(2**48 - 1),
    count(2**23 - 1, -(2**23)),
    count(2**32 - 1),
    count(10**27, 1),
    count(10**27, 1),
    count(2**32 - 1, 1),
    st.integers(0, 18),
)
def test_a_mark_is_its_twin(kind, strike, posted, delta, gamma, price, reference, forward, exponent):
    row = Row(kind, strike, (0,) * 32, posted, delta, gamma, 0, 0, 0)
    found_at = Surface(1, 0, 1, 32, 0, 0, forward, reference, 0, 0, 0, (0,) * 13, (0,) * 3, (row,))
    instrument = instruments.Instrument(1, 0, kind, strike, 0)
    info = posted << 152 | (delta % 2**24) << 128 | gamma << 96
    run = Run(values={})
    ahead = run.call("modules/surface.vy", "_ahead", Num(price), Num(forward))
    answer = run_mark(run, instrument.pack(), info, price, ahead, 10**exponent, reference)
    assert answer == margin.mark(instrument, row, found_at, Index(price, 10**exponent))


def run_mark(run, id_, info, price, ahead, unit, reference):
    """A mark, its two's complement products wrapped as the EVM wraps them."""
    run.wraps = {
        "unsafe_sub(price, reference)",
        "unsafe_mul(delta, move)",
        "unsafe_add(unsafe_mul(delta, move), SHIFT * 10 ** 6)",
        "unsafe_mul(move, move)",
    }
    return run.call(
        "modules/surface.vy", "_mark", Num(id_), Num(info), Num(price), ahead, Num(unit), Num(reference)
    ).term
