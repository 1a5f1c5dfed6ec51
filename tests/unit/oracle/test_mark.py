"""RiskOracle.mark: the posted mark, moved with the index, down, inside what no arbitrage leaves."""

import pytest

from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument
from plimsoll.spec.wad import MARK_UNIT
from tests.unit.clearinghouse.stage import DAY, DEAD, ETH, EXPIRY, WAD, make_row, wad


@pytest.mark.parametrize("name", ["perp", "spot", "future"])
@pytest.mark.parametrize("price", [2_000, 2_010, 1_000, 4_000])
def test_linear_marks_go_with_the_index(stage, name, price):
    stage.pair.price(ETH, price * WAD)
    assert stage.mark(getattr(stage, name)) == price * WAD


@pytest.mark.parametrize(
    ("price", "call", "put"),
    [
        (2_000, 100, 100),
        (2_010, 105, 95),
        (1_990, 95, 105),
        (2_150, 175, 25),
        (2_300, 300, 0),  # the call at its intrinsic value, the put at nothing
        (1_700, 0, 300),
        (1_000, 0, 1_000),
    ],
)
def test_options_move_by_their_delta_between_their_bounds(stage, price, call, put):
    stage.pair.price(ETH, price * WAD)
    assert stage.mark(stage.call) == call * WAD
    assert stage.mark(stage.put) == put * WAD


def post_rows(stage, *rows, **changes):
    stage.surfaces[ETH, EXPIRY] = (make_row(FUTURE), *rows)
    stage.post(**changes)


def test_gamma_adds_half_the_square(stage):
    post_rows(stage, make_row(CALL, 2_000, gamma=2_000_000), make_row(PUT, 2_000, gamma=2_000_000))
    # 2 x 10 x 10 / 4,000 = .05, whichever way
    stage.pair.price(ETH, 2_010 * WAD)
    assert (stage.mark(stage.call), stage.mark(stage.put)) == (wad("105.05"), wad("95.05"))
    stage.pair.price(ETH, 1_990 * WAD)
    assert (stage.mark(stage.call), stage.mark(stage.put)) == (wad("95.05"), wad("105.05"))


def test_the_least_gamma_counts(stage):
    post_rows(stage, make_row(CALL, 2_000, gamma=1), make_row(PUT, 2_000, gamma=1))
    # a millionth x 40 x 40 / 4,000
    stage.pair.price(ETH, 2_040 * WAD)
    assert (stage.mark(stage.call), stage.mark(stage.put)) == (wad("120.0000004"), wad("80.0000004"))


def test_a_wei_of_move_rounds_down_either_way(stage):
    stage.pair.price(ETH, 2_000 * WAD + 1)
    assert (stage.mark(stage.call), stage.mark(stage.put)) == (100 * WAD, 100 * WAD - 1)
    stage.pair.price(ETH, 2_000 * WAD - 1)
    assert (stage.mark(stage.call), stage.mark(stage.put)) == (100 * WAD - 1, 100 * WAD)


@pytest.mark.parametrize("kind", [CALL, PUT])
def test_no_option_is_worth_more_than_what_it_gives(stage, kind):
    # a call no more than the forward, a put no more than the strike
    dear = 3 * MARK_UNIT
    post_rows(stage, make_row(CALL, 2_000, mark=dear), make_row(PUT, 2_000, mark=dear), forward=900_000_000)
    assert stage.mark(stage.call if kind == CALL else stage.put) == (1_800 if kind == CALL else 2_000) * WAD


def test_intrinsic_values_are_of_the_forward(stage):
    cheap = [make_row(kind, 2_000, mark=1, delta=0) for kind in (CALL, PUT)]
    post_rows(stage, *cheap, forward=1_100_000_000)
    assert (stage.mark(stage.call), stage.mark(stage.put)) == (200 * WAD, 2 * WAD // 10**9)
    post_rows(stage, *cheap, forward=900_000_000)
    assert (stage.mark(stage.call), stage.mark(stage.put)) == (2 * WAD // 10**9, 200 * WAD)


def test_the_forward_rounds_down(stage):
    post_rows(stage, make_row(CALL, 2_000, mark=3 * MARK_UNIT), make_row(PUT, 2_000), forward=999_999_999)
    stage.pair.price(ETH, 2_000 * WAD + 1)
    assert stage.mark(stage.call) == (2_000 * WAD + 1) * 999_999_999 // 10**9


@pytest.mark.parametrize(("mark", "found"), [(3 * MARK_UNIT, 4_000), (2 * MARK_UNIT, 4_000), (1, 0), (0, 0)])
def test_linear_marks_lie_between_nothing_and_twice_the_index(stage, mark, found):
    stage.surfaces[ETH, 0] = (make_row(PERP, mark=mark, delta=0), make_row(SPOT, 1))
    stage.post()
    assert stage.mark(stage.perp) == found * WAD + (2_000 * WAD // MARK_UNIT if mark == 1 else 0)


@pytest.mark.parametrize(
    ("price", "found"), [(2_010, "2083.88607"), (2_300, "4516.5821"), (2_400, "4800"), (1_700, "0")]
)
def test_a_delta_as_large_as_fits_is_held_there_too(stage, price, found):
    stage.surfaces[ETH, 0] = (make_row(PERP, delta=2**23 - 1), make_row(SPOT, 1))
    stage.post()
    stage.pair.price(ETH, price * WAD)
    assert stage.mark(stage.perp) == wad(found)


@pytest.mark.parametrize(
    ("kind", "strike", "mark"), [(FUTURE, 0, 2_000), (CALL, 1_900, 100), (CALL, 2_100, 0), (PUT, 2_100, 100)]
)
def test_without_a_row(stage, kind, strike, mark):
    past = len(stage.surfaces[ETH, EXPIRY])  # the first place that has none
    for expiry in (EXPIRY, EXPIRY + DAY):
        for place in (past, past + 1, 2**16 - 1):
            assert stage.mark(Instrument(ETH, expiry, kind, strike, place).pack()) == mark * WAD


@pytest.mark.parametrize(
    ("kind", "strike", "mark"),
    [(FUTURE, 0, 2_000), (CALL, 1_900, 100), (CALL, 2_100, 0), (PUT, 2_100, 100), (PUT, 2_000, 0)],
)
def test_with_another_instruments_row_in_its_place(stage, kind, strike, mark):
    """It is worth what it is without a row, not what the other is."""
    assert stage.mark(stage.call) == 100 * WAD
    assert stage.mark(Instrument(ETH, EXPIRY, kind, strike, stage.call & 0xFFFF).pack()) == mark * WAD


@pytest.mark.parametrize("seconds", [0, 7_201, DAY])
def test_the_age_of_a_surface_does_not_change_its_mark(stage, seconds):
    stage.later(seconds)
    assert stage.mark(stage.call) == 100 * WAD


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(stage, way):
    reason = stage.kill_feed(ETH, way)
    function = stage.pair.contracts["oracle"].interface.function("mark", 1)
    refused = stage.pair.ask(stage.pair.contracts["oracle"], function.encode([stage.perp]), function)
    assert refused.reason == reason
    if way != "stale":  # that one is everybody's
        assert stage.mark(stage.sol_perp) == 100 * WAD
