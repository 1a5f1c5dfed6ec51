"""Moves that were planted into chains are measured, and charged."""

import math
from dataclasses import replace

import numpy as np
import pytest

from plimsoll.backtest import charges
from plimsoll.backtest.errors import BacktestError
from plimsoll.market.sources import OptionQuote
from plimsoll.risk import black
from plimsoll.risk.arrays import DEFAULT_CONFIG
from plimsoll.risk.charges import LEAST_DAYS, Floors, TooFewDaysError, covered
from plimsoll.risk.errors import ModelError
from plimsoll.risk.scenarios import ScenarioSet

START, DAY, YEAR = 1_767_000_000, 86_400, 365 * 86_400
LIVES = (40, 60, 100, 200)  # [days] from the start
INDEX = 1_000.0
STAND = charges.Stand(psr=0.08, vol_up=0.30)
LEVEL, SLOPE = 0.50, -0.02  # at the money, and by a standard deviation


def chain(now, basis=None, turn=None, level=None, common=0.0, half=0.004):
    """A chain whose smile is straight in deviations; `basis`, `turn` and `level` move an expiry, named by place."""
    found = []
    for place, life in enumerate(LIVES):
        expiry = START + life * DAY
        tau = (expiry - now) / YEAR
        forward = INDEX * 1.01 * (1 + (basis or {}).get(place, 0.0))
        money = LEVEL * (1 + common * factor(tau)) + (level or {}).get(place, 0.0)
        slope = SLOPE + (turn or {}).get(place, 0.0)
        z = np.repeat(np.linspace(-1.95, 1.95, 14), 2)
        calls = np.arange(len(z)) % 2 == 1
        strikes = np.array([forward * math.exp(x * money * math.sqrt(tau)) for x in z.tolist()])
        v = money + slope * z
        prices = (black.price(calls, forward, strikes, v + s * half, tau) / forward for s in (0, -1, 1))
        columns = zip(*(column.tolist() for column in (calls, strikes, v, *prices)), strict=True)
        for call, strike, volatility, price, low, high in columns:
            quote = OptionQuote(now, "", call, strike, expiry, forward, INDEX, price, volatility, 1.0)
            found.append(replace(quote, bid=low, ask=high))
    return tuple(found)


def factor(tau):
    return float(ScenarioSet(psr=80_000, vol_up=300_000, vol_down=0).tenor_factor(np.array([tau]))[0])


def days_of(count, step=DAY, half=0.004, **moved):
    """`count` chains; every second one is moved."""
    return {
        f"day {n:02}": {"BTC": chain(START + n * step, half=half, **(moved if n % 2 else {}))} for n in range(count)
    }


def stands(days):
    return {(day, "BTC"): STAND for day in days}


def moves(days, **more):
    return charges.moves_of(days, stands(days), **more)


def of(found, place, name):
    """A measure of the expiry at a place of `LIVES`, day by day."""
    return np.array([values[place] for values in np.split(getattr(found, name), found.day[-1] + 1)])


def test_a_still_chain_does_not_move_and_gets_the_floors():
    days = days_of(LEAST_DAYS + 1, half=0.001)
    found = moves(days)
    for name in ("basis", "turn", "skew", "term"):
        assert np.max(np.abs(getattr(found, name))) < 1e-9
    floors = Floors(0.004, 0.003, 0.02, 0.01, 0.0001, 0.005)
    record = charges.measure(days, stands(days), np.full(5, 0.00005), floors=floors)
    config = record.estimate.config(DEFAULT_CONFIG)
    for name in ("basis_floor", "carry", "skew_floor", "term_floor", "spread", "vol_spread"):
        assert getattr(config, name) == pytest.approx(getattr(floors, name))
    assert (config.skew_share, config.term_share) == (DEFAULT_CONFIG.skew_share, DEFAULT_CONFIG.term_share)
    assert charges.measure(days, stands(days)).estimate.config(DEFAULT_CONFIG) == DEFAULT_CONFIG


def test_a_planted_move_of_the_basis_is_found_where_it_is():
    found = moves(days_of(4, basis={2: 0.003}))
    assert np.abs(of(found, 2, "basis")) == pytest.approx(np.full(3, 0.003), rel=0.01)
    assert np.max(np.abs(of(found, 0, "basis"))) < 1e-12
    assert of(found, 2, "basis")[0] > 0 > of(found, 2, "basis")[1]


def test_a_planted_turn_of_the_smile_is_found():
    found = moves(days_of(4, turn={1: 0.012}))
    assert np.abs(of(found, 1, "turn")) == pytest.approx(np.full(3, 0.012), rel=0.02)
    assert of(found, 1, "skew") == pytest.approx(np.full(3, 0.012), rel=0.02)  # both sides the same
    assert np.max(of(found, 0, "skew")) < 1e-9


def test_a_planted_move_of_one_expiry_is_term_structure_and_one_of_all_is_not():
    one = moves(days_of(4, level={3: 0.02}))
    assert np.abs(of(one, 3, "term")) == pytest.approx(np.full(3, 0.02), rel=0.02)
    assert np.max(np.abs(of(one, 1, "term"))) < 1e-9
    all_of_them = moves(days_of(4, common=0.15))
    assert np.max(np.abs(all_of_them.term)) < 2e-3  # what the factor of the later day differs by
    assert np.max(np.abs(all_of_them.basis)) < 1e-12


def test_moves_are_scaled_by_the_root_of_time():
    day = of(moves(days_of(4, basis={2: 0.003})), 2, "basis")
    assert of(moves(days_of(4, basis={2: 0.003}), horizon=4 * DAY), 2, "basis") == pytest.approx(2 * day)
    assert of(moves(days_of(4, step=4 * DAY, basis={2: 0.003})), 2, "basis") == pytest.approx(day / 2)


def test_spreads_are_found_in_volatility_and_price():
    """Half a spread of 0.8 points, out of the money; in the money a market ten times as wide changes nothing."""
    days = days_of(2, half=0.008)
    found = charges.spreads_of(days)
    assert found.volatility == pytest.approx(np.full(len(found.volatility), 0.008), rel=0.02)
    assert set(found.deviations) == {0.0, 1.0}
    assert np.all(found.left(0.0002) < found.volatility)
    wide = {
        day: {"BTC": tuple(widened(q) if q.is_call == (q.strike < q.forward) else q for q in chain["BTC"])}
        for day, chain in days.items()
    }
    assert charges.spreads_of(wide).half == pytest.approx(found.half)
    bare = {day: {"BTC": tuple(replace(q, bid=math.nan) for q in chain["BTC"])} for day, chain in days.items()}
    with pytest.raises(BacktestError, match="bid and ask are needed"):
        charges.spreads_of(bare)


def widened(quote):
    return replace(quote, bid=quote.bid * 0.9, ask=quote.ask * 1.5)


def test_charges_that_are_too_small_are_raised_and_cover_what_was_measured():
    days = days_of(
        LEAST_DAYS + 3, basis={0: 0.03, 2: 0.03}, turn={0: 0.08, 1: -0.07}, level={1: 0.09, 3: -0.05}, half=0.03
    )
    record = charges.measure(days, stands(days), np.full(10, 0.0007))
    found = record.estimate
    assert found.basis.value == pytest.approx(0.03, rel=0.04)
    assert found.turn.value == pytest.approx(0.08, rel=0.05)
    assert found.term.value == pytest.approx(0.09, rel=0.05)
    assert found.vol_spread.value == pytest.approx(0.03, rel=0.1)
    assert found.spread.value == pytest.approx(0.0007)
    assert found.basis.low <= found.basis.value <= found.basis.high
    assert dict(found.covered)["basis"] < 0.99
    assert dict(found.covered)["vol_spread"] < 0.01
    config = found.config(DEFAULT_CONFIG)
    assert {"basis_floor", "carry", "spread", "vol_spread"} <= found.raised.keys()
    assert found.raised.keys() & {"skew_share", "skew_floor"}
    assert found.raised.keys() & {"term_share", "term_floor"}
    assert all(share >= 0.99 for share in covered(record.moves, record.spreads, config).values())
    assert all(getattr(config, name) >= getattr(DEFAULT_CONFIG, name) for name, _ in found.proposed)
    numbers = record.numbers()
    assert numbers["present_vol_spread"] == DEFAULT_CONFIG.vol_spread
    assert numbers["proposed_vol_spread"] == config.vol_spread
    (row, *rest) = record.by_tenor()
    assert row["from"] < rest[0]["from"]
    assert sum(part["count"] for part in (row, *rest)) == len(record.moves.day)


@pytest.mark.parametrize(("rule", "other"), [("strike", "moneyness"), ("moneyness", "strike")])
def test_a_smile_that_sticks_is_seen_to_stick(rule, other):
    """The price falls by 5 %; volatility is a straight line, of the strike or of its distance from the forward."""
    days = {}
    for number, fall in enumerate((0.0, 0.05)):
        days[f"day {number}"] = {"BTC": tuple(lined(q, fall, rule) for q in chain(START, half=0.0))}
    later = tuple(replace(q, time=START + DAY) for q in days["day 1"]["BTC"])
    found = charges.stickiness({"day 0": days["day 0"], "day 1": {"BTC": later}})
    assert found[rule] < 1e-9
    assert found[other] == pytest.approx(0.2 * -math.log(0.95), rel=1e-6)
    assert found[f"{other}_large"] == pytest.approx(found[other])
    assert found["count"] == found["count_large"] == 5 * len(LIVES)
    with pytest.raises(BacktestError, match="two neighbouring chains"):
        charges.stickiness({"day 0": days["day 0"]})


def lined(quote, fall, rule):
    """The quote where the forward fell, its volatility falling by 0.2 per unit of log-strike, or of log-moneyness."""
    forward = quote.forward * (1 - fall)
    at = quote.forward if rule == "strike" else forward
    return replace(quote, forward=forward, volatility=0.5 - 0.2 * math.log(quote.strike / at))


def test_too_few_days_and_what_cannot_be_measured_have_names():
    days = days_of(LEAST_DAYS)
    with pytest.raises(TooFewDaysError, match=f"{LEAST_DAYS - 1} pairs of days; at least {LEAST_DAYS}"):
        charges.measure(days, stands(days))
    with pytest.raises(BacktestError, match="two neighbouring chains"):
        charges.moves_of(dict(list(days.items())[:1]), stands(days))
    with pytest.raises(BacktestError, match="name its scan range"):
        charges.moves_of(days, {})
    with pytest.raises(BacktestError, match="times that rise"):
        charges.moves_of({"a": days["day 01"], "b": days["day 00"]}, {("a", "BTC"): STAND})
    with pytest.raises(ModelError, match="floor carry"):
        Floors(carry=-1.0)


def test_without_data_it_says_what_is_left_out(monkeypatch):
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    found = charges.record()
    assert found.numbers() == {}
    assert "PLIMSOLL_DATA is unset" in found.left_out
    with pytest.raises(BacktestError, match="PLIMSOLL_DATA is unset"):
        found.by_tenor()


@pytest.mark.data
@pytest.mark.long
def test_the_record_of_january(data_folder):
    """Every measure lies inside its band, and what is proposed covers what was seen."""
    assert data_folder
    found = charges.record()
    assert found.estimate.days == 32
    for name in ("basis", "turn", "skew", "term", "vol_spread", "spread"):
        part = getattr(found.estimate, name)
        assert part.low <= part.value <= part.high
    config = found.estimate.config(DEFAULT_CONFIG)
    assert all(share >= 0.99 for share in covered(found.moves, found.spreads, config).values())
    assert dict(found.estimate.covered)["basis"] == 1
