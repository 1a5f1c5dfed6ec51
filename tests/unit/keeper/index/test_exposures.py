"""Levels and deltas of the cascade, by books whose levels are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from plimsoll.keeper.index.bench import drawn_market, made_up
from plimsoll.keeper.index.exposures import REACH, STEP, exposures
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.index.generate import generated_log
from plimsoll.keeper.index.screener import Screener
from plimsoll.risk.cascade import cascade
from plimsoll.spec.instruments import PERP, unpack, word
from plimsoll.spec.margin import assess
from plimsoll.spec.wad import WAD


@pytest.fixture(scope="module")
def market():
    return drawn_market(1)


@pytest.fixture
def desk(market, tmp_path):
    """Two generated accounts that are then given books of the test's own."""
    view, listings = market
    deployed = made_up()
    log = generated_log(2, 5, deployed, listings)
    index = AccountIndex(tmp_path / "index.db", deployed, log)
    index.update()
    perp = next(item.instrument for item in listings if unpack(item.instrument).kind == PERP)
    return index, Screener(index), view, perp


def give(index, screener, books):
    """Books of (instrument, contracts) and money, in place of what the accounts had."""
    for account, (held, money) in zip(index.accounts(), books, strict=True):
        index.state.books[account] = tuple(word(key, round(q * 10**6) * 10**12) for key, q in sorted(held.items()))
        index.state.ledgers[account] = (round(money * 10**6) * 10**12, 0)
        index.state.entries[account] = (WAD, 0)
        screener._changed.add(account)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_long_fails_in_a_fall_and_a_short_in_a_rise(desk, sign):
    index, screener, view, perp = desk
    key = unpack(perp).underlying
    price = view.index[key].price / WAD
    margin = assess((word(perp, sign * WAD),), 0, view)
    paid = -(margin.equity_haircut - margin.mm) / WAD + 0.02 * price  # fails two hundredths away
    give(index, screener, [({perp: sign}, paid), ({}, 5.0)])
    found = exposures(screener, view)[key]
    assert found.delta == pytest.approx([sign], rel=1e-3)  # a lane is rounded to its unit
    assert found.level[0] * sign <= 0
    assert 0.02 - STEP - 1e-3 < abs(found.level[0]) <= 0.02 + 1e-3
    crowd = cascade(found.level, found.delta, psr=0.05, depth=10.0, band=0.005)
    side = crowd.down if sign > 0 else crowd.up
    assert (side.accounts, side.delta) == (1, pytest.approx(1, rel=1e-3))


def test_who_is_liquidatable_now_fails_at_once_and_who_never_is_does_not_count(desk):
    index, screener, view, perp = desk
    key = unpack(perp).underlying
    price = view.index[key].price / WAD
    give(index, screener, [({perp: 2.0}, -2.0 * price), ({perp: 2.0}, 50.0 * price)])
    found = exposures(screener, view)[key]
    assert found.level.tolist() == [0.0]
    assert found.delta == pytest.approx([2.0], rel=1e-3)


def test_who_is_liquidatable_now_does_not_fail_again_farther_off(desk, market):
    index, screener, view, _ = desk
    rng = np.random.default_rng(2)
    signs = 0
    for _ in range(12):
        items = [market[1][k].instrument for k in rng.choice(len(market[1]), 6, replace=False)]
        give(index, screener, [({item: float(rng.standard_normal()) for item in items}, -1e7), ({}, 5.0)])
        found = exposures(screener, view).values()
        assert all(not crowd.level.any() for crowd in found)
        signs += sum(len(crowd.level) for crowd in found)
    assert signs > 12


def test_others_make_no_difference_to_another_underlying(desk):
    index, screener, view, perp = desk
    key = unpack(perp).underlying
    price = view.index[key].price / WAD
    give(index, screener, [({perp: 1.0}, -price), ({}, 0.0)])
    found = exposures(screener, view)
    assert set(found) == {unpack(i).underlying for i in index.state.listed}
    assert all(len(found[other].level) == 0 for other in found if other != key)


def test_many_accounts_make_few_numbers_that_do_not_depend_on_their_order(market, tmp_path):
    view, listings = market
    deployed = made_up()
    log = generated_log(400, 9, deployed, listings)
    index = AccountIndex(tmp_path / "index.db", deployed, log)
    index.update()
    one, other = Screener(index), Screener(index)
    other.arrays.take(index.state, sorted(index.accounts()))
    found, again = exposures(one, view), exposures(other, view)
    screened = one.screen(view)
    for key, crowd in found.items():
        assert crowd.level.tobytes() == again[key].level.tobytes()
        assert crowd.delta.tobytes() == again[key].delta.tobytes()
        assert len(crowd.level) <= 2 * (REACH / STEP + 1)
        assert np.all(np.abs(crowd.level) <= REACH)
        assert np.all(np.where(crowd.level < 0, crowd.delta > 0, True))
        assert np.all(np.where(crowd.level > 0, crowd.delta < 0, True))
        assert all(math.isclose(level / STEP, round(level / STEP), abs_tol=1e-9) for level in crowd.level)
    at_once = sum(np.sum(np.abs(crowd.delta[crowd.level == 0])) for crowd in found.values())
    assert (at_once > 0) == bool(screened.below)
    assert sum(len(crowd.level) for crowd in found.values()) > 50


def test_without_prices_there_is_nothing(desk):
    _, screener, view, _ = desk
    assert exposures(screener, replace(view, index={})) == {}
