"""RiskOracle.funding: what a perp's long pays, by a rate that a report posts and the price of the perp's surface.

On the small market one ETH is 2,000: at 1,000 ppm a day a long pays 2 a day.
"""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec import margin
from plimsoll.spec.instruments import FUTURE, PERP, Instrument
from plimsoll.spec.margin import LIFE, Params
from plimsoll.spec.report import pack_floors, pack_rates, pack_scalars
from plimsoll.spec.wad import MAX_PRICE, MAX_QUANTITY, PPM, WAD, div_truncate
from tests.strategies import edge_integers
from tests.unit.clearinghouse.stage import (
    BTC,
    DAY,
    ETH,
    OWNER,
    SOL,
    clean_stage,
    make_row,
    make_scalars,
    make_surface,
)

OTHER = 0x0300  # an underlying that has no perp


def post_rate(stage, rate, underlying=ETH, **surface):
    """A report of one rate; with the perp's surface where any of it is given."""
    made = [make_surface(underlying, 0, [make_row(PERP)], stage.pair.now, **surface)] if surface else []
    stage.pair.post(made, [pack_scalars(make_scalars(underlying, funding=rate))])


def paid(stage, underlying=ETH):
    """What a long has paid on chain; the twin says the same."""
    found = stage.ask("oracle", "funding", underlying)
    assert found == stage.pair.twin.oracle.funding(underlying, stage.pair.now)
    return found


def told(stage):
    """The last funding event, which chain and twin logged alike; None where the last report had none."""
    name, args = stage.last("oracle")
    return args if name == "FundingSet" else None


# ------------------------------------------------------------------------------------------------------------- a rate


def test_nothing_is_paid_before_a_rate(stage):
    stage.later(DAY)
    assert [paid(stage, underlying) for underlying in (BTC, ETH, SOL, OTHER)] == [0, 0, 0, 0]


def test_a_rate_of_nothing_is_not_written(stage):
    seen = len(stage.pair.twin.oracle.log)
    post_rate(stage, 0)
    assert [e.name for e in stage.pair.twin.oracle.log[seen:]] == ["ReportPosted", "ScalarsPosted"]
    assert ETH not in stage.pair.twin.oracle.fundings


@pytest.mark.parametrize("rate", [1_000, -1_000, 1, -1])
def test_a_long_pays_where_the_rate_is_positive(stage, rate):
    post_rate(stage, rate)
    day = rate * 2_000 * WAD // 10**6
    assert told(stage) == {"underlying": ETH, "rate": rate, "slope": day, "cumulative": 0}
    before = stage.assess({stage.perp: WAD}).equity_full, stage.assess({stage.perp: -WAD}).equity_full
    assert before == (2_000 * WAD, -2_000 * WAD)
    stage.later(DAY // 2)
    assert paid(stage) == day // 2
    assert stage.assess({stage.perp: WAD}).equity_full == before[0] - day // 2
    assert stage.assess({stage.perp: -WAD}).equity_full == before[1] + day // 2
    assert stage.assess({stage.perp: 3 * WAD, stage.future: WAD}).equity_full == 8_000 * WAD - 3 * day // 2


def test_requirements_and_marks_do_not_change(stage):
    held = {stage.perp: WAD, stage.spot: WAD, stage.call: -WAD}
    terms, mark = stage.terms(held), stage.mark(stage.perp)
    post_rate(stage, 5_000)
    stage.later(7_200)
    # what is two hours old widens initial margin; of the rest nothing but the value changed
    found = stage.terms(held)
    assert found == replace(terms, value=terms.value - paid(stage), im_add=found.im_add)
    assert stage.mark(stage.perp) == mark
    assert stage.terms({stage.future: WAD, stage.spot: WAD}).value == 2_000 * WAD  # only a perp pays


def test_each_underlying_has_its_own(stage):
    post_rate(stage, 1_000, BTC)
    post_rate(stage, -500, SOL)
    stage.later(DAY // 4)
    assert (paid(stage, BTC), paid(stage, ETH), paid(stage, SOL)) == (5 * WAD, 0, -WAD // 80)
    assert (
        stage.assess({stage.btc_perp: -WAD, stage.perp: WAD, stage.sol_perp: WAD}).equity_full
        == (-20_000 + 5 + 2_000 + 100) * WAD + WAD // 80
    )


def test_a_perp_whose_row_is_missing_pays_too(stage):
    post_rate(stage, 1_000)
    stage.later(DAY)
    stray = Instrument(ETH, 0, PERP, 0, 9).pack()
    found = stage.assess({stray: WAD})
    assert (found.equity_full, found.fresh) == (1_998 * WAD, False)


def test_what_a_long_pays_rounds_down_for_both(stage):
    post_rate(stage, 1, reference=1_000_001)  # a slope of 1 wei a day
    stage.later(1)
    assert (told(stage)["slope"], paid(stage)) == (1, 0)
    stage.later(DAY - 1)
    assert paid(stage) == 1
    post_rate(stage, -1, reference=1_000_001)
    stage.later(1)
    assert paid(stage) == 0  # 1 - 1/86,400, down
    stage.later(DAY)
    assert paid(stage) == 0  # the rate stopped a day after it was posted


# ------------------------------------------------------------------------------------------------- the price of a slope


def test_a_slope_is_of_the_price_in_the_same_report(stage):
    post_rate(stage, 1_000, reference=2_500 * WAD)
    assert told(stage)["slope"] == 5 * WAD // 2
    # and stays until the next, wherever the index goes
    stage.pair.price(ETH, 4_000 * WAD)
    stage.later(DAY)
    assert paid(stage) == 5 * WAD // 2
    post_rate(stage, 1_000)
    assert told(stage) == {"underlying": ETH, "rate": 1_000, "slope": 5 * WAD // 2, "cumulative": 5 * WAD // 2 * DAY}


def test_a_surface_of_an_expiry_has_no_part_in_it(stage):
    surface = make_surface(ETH, stage.pair.now + DAY, [make_row(FUTURE)], stage.pair.now, reference=9 * WAD)
    stage.pair.post([surface], [pack_scalars(make_scalars(ETH, funding=1_000))])
    assert told(stage)["slope"] == 2 * WAD


def test_without_a_perps_surface_nothing_runs_up(stage):
    pair = stage.pair
    post_rate(stage, 1_000, OTHER)
    assert told(stage) == {"underlying": OTHER, "rate": 1_000, "slope": 0, "cumulative": 0}
    stage.later(1_000)
    assert paid(stage, OTHER) == 0
    # from the report on that has one
    post_rate(stage, 1_000, OTHER, reference=864 * WAD)
    assert told(stage)["slope"] == 864 * WAD // 1_000
    pair.advance(1_000)
    assert paid(stage, OTHER) == WAD // 100


@pytest.mark.parametrize(("rate", "slope"), [(1, 0), (-1, 0), (2, 1), (-2, -1), (3, 2), (-3, -2)])
def test_a_slope_rounds_toward_zero(stage, rate, slope):
    post_rate(stage, rate, reference=999_999)
    assert told(stage)["slope"] == slope


# ---------------------------------------------------------------------------------------------------------- the limit


@pytest.mark.parametrize(
    ("limit", "rate", "expected"),
    [
        (20_000, 20_000, 20_000),
        (20_000, 20_001, 20_000),
        (20_000, -20_001, -20_000),
        (20_000, 2**15 - 1, 20_000),
        (2**15 - 1, -(2**15), -(2**15) + 1),
        (5, -6, -5),
        (5, 5, 5),
    ],
)
def test_governance_limits_the_rate(stage, limit, rate, expected):
    params = replace(Params(), max_funding=limit)
    stage.pair.must("oracle", "set_params", pack_rates(params), pack_floors(params), sender=OWNER)
    post_rate(stage, rate)
    assert told(stage) == {"underlying": ETH, "rate": expected, "slope": expected * 2 * WAD // 1_000, "cumulative": 0}


def test_a_limit_of_zero_is_no_funding(stage):
    params = replace(Params(), max_funding=0)
    stage.pair.must("oracle", "set_params", pack_rates(params), pack_floors(params), sender=OWNER)
    post_rate(stage, 9)
    assert told(stage) is None
    stage.later(DAY)
    assert paid(stage) == 0


def test_a_new_limit_binds_from_the_next_report_on(stage):
    post_rate(stage, 10_000)
    params = replace(Params(), max_funding=1_000)
    stage.pair.must("oracle", "set_params", pack_rates(params), pack_floors(params), sender=OWNER)
    stage.later(DAY // 2)
    assert paid(stage) == 10 * WAD
    post_rate(stage, 10_000)
    assert told(stage)["rate"] == 1_000


# ------------------------------------------------------------------------------------------------------------- in time


@pytest.mark.parametrize(
    ("seconds", "share"), [(LIFE - 1, LIFE - 1), (LIFE, LIFE), (LIFE + 1, LIFE), (365 * DAY, LIFE)]
)
def test_a_rate_that_nobody_renews_stops(stage, seconds, share):
    post_rate(stage, -1_000)
    stage.pair.advance(seconds)
    assert paid(stage) == -2 * WAD * share // DAY
    # what was missed is not made good by the next report
    post_rate(stage, 0)
    assert told(stage)["cumulative"] == -2 * WAD * share
    stage.pair.advance(DAY)
    assert paid(stage) == -2 * WAD * share // DAY


def test_a_report_without_the_underlying_renews_nothing(stage):
    post_rate(stage, 1_000)
    stage.later(DAY)
    post_rate(stage, 1_000, BTC)
    stage.later(DAY)
    assert paid(stage) == 2 * WAD


def test_the_same_underlying_twice_in_one_report(stage):
    words = [pack_scalars(make_scalars(ETH, funding=rate)) for rate in (1_000, -1_000)]
    post_rate(stage, 4_000)
    stage.later(DAY // 2)
    stage.pair.post([], words)
    assert told(stage) == {"underlying": ETH, "rate": -1_000, "slope": -2 * WAD, "cumulative": 4 * WAD * DAY}
    stage.later(DAY // 2)
    assert paid(stage) == 3 * WAD


@given(
    rate=edge_integers(-(2**15), 2**15 - 1),
    price=edge_integers(1, MAX_PRICE),
    cuts=st.lists(st.integers(0, LIFE), max_size=6),
)
def test_it_is_the_same_over_any_split_of_a_time(rate, price, cuts):
    """However many reports renew a rate, in time: to the last unit what one report would have made of it."""
    limited = min(max(rate, -20_000), 20_000)
    slope = div_truncate(limited * price, PPM)
    with clean_stage() as stage:
        post_rate(stage, rate, reference=price)
        for start, end in pairwise(sorted({0, *cuts, LIFE})):
            stage.pair.advance(end - start)
            assert paid(stage) == slope * end // DAY
            post_rate(stage, rate)
            assert told(stage) == (
                {"underlying": ETH, "rate": limited, "slope": slope, "cumulative": slope * end} if rate else None
            )
        assert paid(stage) == slope


# -------------------------------------------------------------------------------------------------- over all accounts


@given(
    rate=edge_integers(-(2**15), 2**15 - 1),
    seconds=st.integers(0, 2 * LIFE),
    quantities=st.lists(edge_integers(-(10**26), 10**26).filter(bool), min_size=1, max_size=4).filter(sum),
)
def test_what_some_pay_others_are_paid(rate, seconds, quantities):
    """Over accounts whose quantities sum to zero values do so too, but for less than a unit of rounding each."""
    with clean_stage() as stage:
        post_rate(stage, rate)
        stage.later(seconds)
        values = [stage.terms({stage.perp: quantity}).value for quantity in (*quantities, -sum(quantities))]
        assert -len(values) < sum(values) <= 0


# ---------------------------------------------------------------------------------------------------- what fits a word


@given(
    cumulative=edge_integers(-(2**127), 2**127 - 1),
    slope=edge_integers(-(2**87), 2**87 - 1),
    since=st.integers(0, 2**40 - 1),
    later=edge_integers(0, 2**40),
)
def test_any_word_is_read_alike(opened, cumulative, slope, since, later):
    word = margin.pack_funding(cumulative, since, slope)
    assert margin.unpack_funding(word) == (cumulative, since, slope)
    expected = cumulative + slope * min(later, LIFE)
    assert opened.call("accrued", word, since + later) == margin.accrued(word, since + later) == expected
    assert opened.call("funding", word, since + later) == margin.funding(word, since + later) == expected // DAY


@pytest.mark.parametrize("rate", [2**15 - 1, -(2**15)])
def test_nothing_overflows_before_the_clock_does(opened, rate):
    slope = opened.call("slope", rate, MAX_PRICE)
    assert slope == margin.slope(rate, MAX_PRICE) == rate * MAX_PRICE // PPM
    assert abs(slope) < 2**85
    most = abs(slope) * 2**40
    assert most < 2**127
    assert 127 * MAX_QUANTITY * (29 * 10**31 + most // DAY + 1) < 2**255
