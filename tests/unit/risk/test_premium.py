import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.orderbook import OrderBook
from plimsoll.risk.errors import ModelError
from plimsoll.risk.premium import FundingConfig, damped, funding_rate, impact_premium, mean_premium
from plimsoll.spec.margin import Params, Scalars
from plimsoll.spec.report import pack_scalars, unpack_scalars

NOW = 1_735_689_600
HOUR = 3_600
EIGHT = 8 * HOUR
CONFIG = FundingConfig()
FLAT = FundingConfig(rising=False)
BOUNDLESS = FundingConfig(bound=1.0)


def rate_of(premiums, step=HOUR, config=CONFIG, end=NOW):
    """Premiums of which the last is seen now."""
    premiums = np.array(premiums, dtype=np.float64)
    time = end - step * np.arange(len(premiums) - 1, -1, -1)
    return funding_rate(time, 100 * (1 + premiums), np.full(len(premiums), 100.0), NOW, config)


def test_the_exchanges_rule_by_hand():
    """Binance: within the damper the interest, beyond it the premium less the damper; Deribit: without interest."""
    assert damped(0.0) == 0.0001
    assert damped(0.0006) == pytest.approx(0.0001)
    assert damped(0.0010) == pytest.approx(0.0005)
    assert damped(-0.0003) == pytest.approx(0.0001)
    assert damped(-0.0010) == pytest.approx(-0.0005)
    deribit = FundingConfig(interest=0)
    for premium in (-0.003, -0.0005, -0.0002, 0.0, 0.0004, 0.002):
        assert damped(premium, deribit) == pytest.approx(max(premium, 0.0005) + min(premium, -0.0005))


def test_a_steady_premium_is_paid_three_times_a_day():
    found = rate_of([0.001] * 9)
    assert found.premium == pytest.approx(0.001)
    assert found.interval_rate == pytest.approx(0.0005)
    assert found.rate == 1_500  # ppm a day, three times 0.05 %
    assert found.covered == 1
    assert rate_of([0.0] * 9).rate == 300
    assert rate_of([-0.001] * 9).rate == -1_500


def test_the_cap_holds_both_ways_and_is_governances():
    assert CONFIG.cap == Params().max_funding
    assert rate_of([0.02] * 9, config=BOUNDLESS).rate == CONFIG.cap
    assert rate_of([-0.02] * 9, config=BOUNDLESS).rate == -CONFIG.cap
    # at the bound of one observation it is not reached
    assert rate_of([0.02] * 9).rate == rate_of([0.005] * 9).rate == 13_500
    with pytest.raises(ModelError, match="cap"):
        FundingConfig(cap=40_000)


def test_it_fits_the_posted_word():
    for premium in (-1e-2, -1e-3, 0, 7.3e-4, 1e-2):
        posted = Scalars(256, 10**18, 1, 1, 1_100_000, 1, 1, funding=rate_of([premium] * 9).rate)
        assert unpack_scalars(pack_scalars(posted)) == posted


def test_rounding_is_toward_zero():
    config = FundingConfig(interest=0, damper=0)
    up, down = rate_of([1.05e-6 / 3] * 9, config=config), rate_of([-1.95e-6 / 3] * 9, config=config)
    assert (up.rate, down.rate) == (1, -1)


@pytest.mark.parametrize("config", [CONFIG, FLAT])
def test_the_mean_by_fine_steps(config):
    """The closed form against a sum over seconds."""
    source = np.random.default_rng(3)
    time = np.sort(source.choice(np.arange(NOW - 12 * HOUR, NOW - 60), 40, replace=False))
    premium = 0.001 * source.standard_normal(40)
    found, covered = mean_premium(time, premium, NOW, config)
    u = np.arange(EIGHT) + 0.5
    path = np.interp(NOW - EIGHT + u, time, premium)
    weights = u if config.rising else np.ones(EIGHT)
    assert found == pytest.approx(np.sum(weights * path) / np.sum(weights), rel=1e-6)
    assert covered == 1


def test_what_is_newer_weighs_more():
    early, late = [0.002] * 4 + [0.0] * 5, [0.0] * 5 + [0.002] * 4
    assert rate_of(late).premium > 2 * rate_of(early).premium
    assert rate_of(late, config=FLAT).premium == pytest.approx(rate_of(early, config=FLAT).premium)


def test_too_little_is_no_rate():
    nothing = funding_rate(np.array([], dtype=np.int64), np.array([]), np.array([]), NOW)
    assert (nothing.rate, nothing.covered, nothing.origin) == (0, 0, "none")
    short = rate_of([0.005] * 4)  # three hours
    assert (short.rate, short.covered, short.origin) == (0, 3 / 8, "none")
    assert rate_of([0.005] * 5).origin == "measured"
    # what is older than two intervals does not count, what is older than one holds on, where its age is allowed
    patient = FundingConfig(max_age=24 * HOUR)
    assert rate_of([0.001], end=NOW - 16 * HOUR, config=patient).origin == "none"
    assert rate_of([0.001], end=NOW - 15 * HOUR, config=patient).premium == pytest.approx(0.001)


def test_a_file_that_nobody_writes_to_moves_no_money():
    assert rate_of([0.001] * 9, end=NOW - 4 * HOUR).origin == "measured"
    late = rate_of([0.001] * 9, end=NOW - 4 * HOUR - 1)
    assert (late.rate, late.origin) == (0, "none")


def test_what_is_later_is_not_looked_at():
    time = NOW + HOUR * np.arange(-8, 4)
    mark = np.full(12, 100.05)
    other = mark.copy()
    other[9:] = 500
    index = np.full(12, 100.0)
    assert funding_rate(time, mark, index, NOW) == funding_rate(time, other, index, NOW)


def test_one_stale_index_is_no_premium():
    calm = rate_of([0.0] * 9)
    assert rate_of([0.0] * 5 + [0.3] + [0.0] * 3, config=BOUNDLESS).rate > 10 * calm.rate
    assert rate_of([0.0] * 5 + [0.3] + [0.0] * 3).rate < 3 * calm.rate


@given(st.lists(st.floats(-0.01, 0.01), min_size=9, max_size=30), st.integers(0, 8), st.floats(0, 0.01))
def test_a_higher_mark_never_lowers_the_rate(premiums, at, more):
    raised = list(premiums)
    raised[-1 - at] += more
    assert rate_of(raised).rate >= rate_of(premiums).rate


def test_nonsense_is_refused():
    time, one = NOW + HOUR * np.arange(-2, 0), np.array([100.0, 100.0])
    with pytest.raises(ModelError, match="rising"):
        funding_rate(time[::-1], one, one, NOW)
    with pytest.raises(ModelError, match="above 0"):
        funding_rate(time, one, np.array([100.0, 0.0]), NOW)
    with pytest.raises(ModelError, match="equal"):
        funding_rate(time, one, one[:1], NOW)
    with pytest.raises(ModelError, match="equal"):
        mean_premium(time, one[:1], NOW)
    with pytest.raises(ModelError, match=f"at {time[1]}"):
        mean_premium(time, np.array([0.0, np.nan]), NOW)


def test_impact_premium_by_hand():
    found = OrderBook(0, np.array([99.0, 97.0]), np.array([1.0, 9.0]), np.array([101.0, 103.0]), np.array([1.0, 9.0]))
    # two contracts sell at 98 and buy at 102
    assert impact_premium(found, 95, 200) == pytest.approx(3 / 95)
    assert impact_premium(found, 105, 200) == pytest.approx(-3 / 105)
    assert impact_premium(found, 100, 200) == 0
    with pytest.raises(ModelError, match="smaller notional"):
        impact_premium(found, 100, 2_000)
    with pytest.raises(ModelError, match="index"):
        impact_premium(found, 0, 200)


def test_an_observation_of_this_second_alone_is_no_rate():
    found = funding_rate(np.array([NOW]), np.array([101.0]), np.array([100.0]), NOW)
    assert (found.rate, found.covered, found.origin) == (0, 0.0, "none")
