import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plimsoll.risk import black
from plimsoll.risk.arrays import (
    ArrayConfig,
    SpotTerms,
    by_expiry,
    fitting_scale,
    forward_ratios,
    quantise,
    revalue,
)
from plimsoll.risk.errors import LaneRangeError, ListingError, ModelError
from plimsoll.risk.rounding import nearest
from plimsoll.risk.scenarios import COARSE, FINE, ScenarioSet
from plimsoll.spec import margin
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument, word
from plimsoll.spec.surface import LANES, Surface, decode, encode
from plimsoll.spec.wad import FORWARD_UNIT, PPM, WAD
from tests.counts import record

SET = ScenarioSet(psr=100_000, vol_up=400_000, vol_down=250_000)
FREE = ArrayConfig(
    basis_share=0,
    basis_floor=0,
    carry=0,
    spread=0,
    vol_spread=0,
    skew_share=0,
    skew_floor=0,
    term_share=0,
    term_floor=0,
)


def surfaces_of(market, floats, now):
    rows = quantise(floats)
    scenarios = floats.scenarios
    return {
        (market.underlying, expiry): Surface(
            underlying=market.underlying,
            expiry=expiry,
            scale=scenarios.scale,
            common=scenarios.common,
            time=now,
            set_id=scenarios.set_id,
            forward=floats.forwards.get(expiry, FORWARD_UNIT),
            reference=floats.reference,
            psr=scenarios.psr,
            vol_up=scenarios.vol_up,
            vol_down=scenarios.vol_down,
            nodes=scenarios.nodes,
            extremes=scenarios.extremes,
            rows=part,
        )
        for expiry, part in by_expiry(floats, rows).items()
    }


def view_of(market, surfaces, now, price=None):
    return margin.View(
        params=margin.Params(),
        now=now,
        index={market.underlying: margin.Index(price or market.reference, market.strike_unit)},
        surfaces=surfaces,
    )


def fitted(market, scenarios, now, volatility=0.6, config=FREE):
    floats = revalue(market, scenarios, now, volatility, config)
    return replace(floats, scenarios=scenarios.at_scale(fitting_scale(floats.pnl)))


quantities = st.lists(st.integers(-(10**24), 10**24), min_size=16, max_size=16)


@given(
    q=quantities,
    psr=st.integers(10_000, 800_000),
    vol=st.floats(0.05, 3),
    index=st.floats(0.01, 1e6),
    skew=st.floats(0.9, 1.2),
)
def test_float_scan_and_integer_scan_agree_within_the_bound(make_market, now, q, psr, vol, index, skew):
    strikes = tuple(index * m for m in (0.7, 0.9, 1.0, 1.3))
    expiry = now + 7 * 86_400
    market = make_market(index=index, days=(7, 0.2), strikes=strikes[:3], forwards={expiry: index * skew})
    floats = fitted(market, replace(SET, psr=psr), now, vol)
    surfaces = surfaces_of(market, floats, now)
    words = [word(i, amount) for i, amount in zip(market.instruments, q, strict=True) if amount]
    assume(words)
    found, _ = margin.terms(words, view_of(market, surfaces, now))
    amounts = np.array(q) / WAD
    integer = found.scan / market.reference
    bound = float(np.sum(np.abs(amounts))) * floats.scenarios.unit / 2
    assert abs(integer - floats.scan(amounts)) <= bound * (1 + 1e-9) + 1e-9


@given(psr=st.integers(10_000, 900_000), vol=st.floats(0.05, 3), days=st.floats(0.01, 400))
def test_each_lane_is_within_half_a_unit(make_market, now, psr, vol, days):
    market = make_market(days=(days,))
    floats = fitted(market, replace(SET, psr=psr), now, vol)
    lanes = np.array([row.lanes for row in quantise(floats)]) * floats.scenarios.unit
    assert np.max(np.abs(lanes - floats.pnl)) <= floats.scenarios.unit * (0.5 + 1e-6)


@given(
    q=quantities,
    vol=st.floats(0.05, 3),
    psr=st.integers(10_000, 500_000),
    at=st.floats(-1, 1),
    up=st.booleans(),
)
def test_no_price_inside_the_range_costs_more_than_scan_and_gap(make_market, now, q, vol, psr, at, up):
    """What the gap charge is for: between nodes a book loses at most its scan and sum |q| gap."""
    days = 5.0
    market = make_market(days=(days, 40), strikes=(92.0, 100.0, 103.0))
    scenarios = replace(SET, psr=psr)
    floats = revalue(market, scenarios, now, vol, FREE)
    amounts = np.array(q) / WAD
    moved = np.zeros(len(q))
    for i, item in enumerate(market.listed):
        if item.kind not in {CALL, PUT}:
            moved[i] = at * psr / PPM
            continue
        tau = np.array([(item.expiry - now) / (365 * 86_400)])
        shocked = scenarios.shifted(np.array([vol]), tau)[0 if up else 1]
        later = tau if up else np.maximum(tau - scenarios.look_ahead / (365 * 86_400), 0)
        strike = item.strike / 1000 / 100
        after = black.price(item.kind == CALL, 1 + at * psr / PPM, strike, shocked, later)[0]
        moved[i] = after - floats.mark[i]
    gap = np.where([item.kind in {CALL, PUT} for item in market.listed], floats.gross, 0)
    loss = -float(amounts @ moved)
    size = float(np.sum(np.abs(amounts)))
    assert loss <= floats.scan(amounts) + float(np.abs(amounts) @ gap) + 1e-9 * size


def test_without_the_gap_charge_a_straddle_would_lose_unseen(make_market, now):
    """The worst of a long straddle lies at its strike; with the strike between two nodes no lane sees it."""
    market = make_market(days=(1,), strikes=(100 * (1 + 0.1 / 12),))
    floats = revalue(market, SET, now, 0.3, FREE)
    amounts = np.array([0.0 if item.kind not in {CALL, PUT} else 1.0 for item in market.listed])
    true = -(0.0 - float(amounts @ floats.mark))  # after the day, at the strike, nothing is left
    seen = floats.scan(amounts)
    assert true > seen
    assert true <= seen + float(amounts @ floats.gross)


@pytest.mark.parametrize("volatility", [0.3, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("move", [-0.02, 0.02, -0.01, 0.01, 0.005])
def test_a_straddles_mark_follows_the_index(make_market, now, volatility, move):
    """One day to expiry, at the money: within 35 bp of the index after 2 %, exact at the bump of 1 %."""
    market = make_market(days=(1,), strikes=(100,))
    floats = fitted(market, SET, now, volatility)
    surfaces = surfaces_of(market, floats, now)
    price = round(100 * (1 + move) * 10**6) * 10**12
    marked = truth = 0.0
    for item in market.listed:
        if item.kind not in {CALL, PUT}:
            continue
        surface = surfaces[market.underlying, item.expiry]
        row = margin.row_of(surface, item)
        found = margin.mark(item, row, surface, margin.Index(price, market.strike_unit))
        marked += found / WAD / 100
        truth += float(black.price(item.kind == CALL, 1 + move, 1, volatility, 1 / 365))
    record(max_straddle_bp=10_000 * abs(marked - truth) if abs(move) == 0.02 else 0)
    assert abs(marked - truth) <= (0.0035 if abs(move) > 0.01 else 0.0002)
    if abs(move) == 0.01:
        assert abs(marked - truth) < 3e-6  # delta and gamma are rounded to ppm


@given(vol=st.floats(0.01, 5), days=st.floats(0.0001, 500), strike=st.floats(20, 500), forward=st.floats(90, 110))
def test_marks_lie_inside_the_bounds_that_contracts_clamp_to(make_market, now, vol, days, strike, forward):
    expiry = now + round(days * 86_400)
    market = make_market(days=(days,), strikes=(strike,), forwards={expiry: forward}, index=100.0)
    floats = fitted(market, SET, now, vol)
    surface = surfaces_of(market, floats, now)[market.underlying, expiry]
    live = margin.Index(market.reference, market.strike_unit)
    for item in market.listed:
        if item.kind in {CALL, PUT}:
            row = surface.rows[item.row]
            free = market.reference * row.mark // 10**12
            assert margin.mark(item, row, surface, live) == free
            assert free / WAD == pytest.approx(
                100
                * float(black.price(item.kind == CALL, forward / 100, strike / 100, vol, (expiry - now) / 31_536_000)),
                abs=2e-3,
            )


def test_greeks_are_those_of_the_formula_where_the_curve_is_smooth(make_market, now):
    market = make_market(days=(60,))
    floats = revalue(market, SET, now, 0.6, FREE)
    tau = 60 / 365
    for i, item in enumerate(market.listed):
        if item.kind not in {CALL, PUT}:
            continue
        greeks = black.greeks(item.kind == CALL, 1.0, item.strike / 1e5, 0.6, tau)
        assert floats.delta[i] == pytest.approx(greeks.delta, abs=1e-3)
        assert floats.gamma[i] == pytest.approx(greeks.gamma, rel=1e-2)
        assert floats.vega[i] == pytest.approx(greeks.vega)
        assert floats.theta[i] == pytest.approx(greeks.theta / 365, rel=3e-2)


def test_linear_rows_are_node_times_psr(make_market, now):
    market = make_market(days=(90,), forwards={now + 90 * 86_400: 103.0})
    floats = fitted(market, SET, now)
    for item, row in zip(floats.instruments, quantise(floats), strict=True):
        if item.kind in {PERP, FUTURE, SPOT}:
            assert row.lanes == floats.scenarios.linear_lanes
        if item.kind == FUTURE:
            assert row.mark == 1_030_000_000_000
            assert row.delta == 1_030_000


def test_short_is_minus_long_and_parity_holds_in_every_lane(make_market, now):
    market = make_market(days=(30,))
    floats = revalue(market, SET, now, 0.6, FREE)
    by_kind = {(item.kind, item.strike): floats.pnl[i] for i, item in enumerate(floats.instruments)}
    for strike in (80_000, 100_000, 125_000):
        assert by_kind[CALL, strike] - by_kind[PUT, strike] == pytest.approx(SET.linear_pnl, abs=1e-12)
    assert nearest(np.array([0.5, -0.5, 1.49, -2.5, 0.0])).tolist() == [1, -1, 1, -3, 0]


def test_options_are_convex_and_slope_at_most_one_between_nodes(make_market, now):
    market = make_market(days=(0.5, 30))
    floats = fitted(market, SET, now)
    order = np.argsort(SET.node_moves)
    moves = SET.node_moves[order] / floats.scenarios.unit
    for item, row in zip(floats.instruments, quantise(floats), strict=True):
        if item.kind not in {CALL, PUT}:
            continue
        for first in (0, 1):
            lanes = np.array(row.lanes[first:26:2], dtype=float)[order]
            rise, run = np.diff(lanes), np.diff(moves)
            low, high = (0, 1) if item.kind == CALL else (-1, 0)
            assert np.all(rise >= low * run - 1)
            assert np.all(rise <= high * run + 1)
            assert np.all(np.diff(rise / run) * run[1:] >= -2.01)


def test_long_options_lose_by_time_and_by_volatility(make_market, now):
    market = make_market(days=(1,), strikes=(100,))
    pnl = revalue(market, SET, now, 0.6, FREE).pnl
    call = next(i for i, item in enumerate(market.listed) if item.kind == CALL)
    mark = revalue(market, SET, now, 0.6, FREE).mark[call]
    assert pnl[call, 0] > 0
    assert pnl[call, 1] == pytest.approx(-mark)  # a day on, at the money, it is worth nothing
    instant = revalue(market, replace(SET, look_ahead=0), now, 0.6, FREE).pnl
    assert -mark < instant[call, 1] < 0


def test_a_lane_of_minus_42_per_cent(make_market, now):
    """-4,200 bp is 0xEF98: as the first byte of a code it could not be created, so a STOP byte leads."""
    market = make_market(days=(30,))
    floats = fitted(market, replace(SET, psr=420_000), now)
    assert floats.scenarios.scale == COARSE
    surface = surfaces_of(market, floats, now)[market.underlying, 0]
    code = encode(surface)
    assert surface.rows[0].lanes[24] == -4200
    assert (-4200).to_bytes(2, "big", signed=True) == b"\xef\x98"
    assert b"\xef\x98" in code
    assert code[0] == 0
    assert decode(code) == surface


@given(psr=st.integers(10_000, 900_000), vol=st.floats(0.1, 3))
def test_surfaces_survive_the_coding(make_market, now, psr, vol):
    market = make_market(days=(3, 90))
    for surface in surfaces_of(market, fitted(market, replace(SET, psr=psr), now, vol, ArrayConfig()), now).values():
        assert decode(encode(surface)) == surface


def test_scale_is_the_finer_that_fits():
    assert fitting_scale(np.array([[0.32767, -0.32767]])) == FINE
    assert fitting_scale(np.array([[0.32768]])) == COARSE
    assert fitting_scale(np.array([[-3.2767]])) == COARSE
    assert fitting_scale(np.zeros((0, LANES))) == FINE
    for bad in (3.27671, np.nan, np.inf):
        with pytest.raises(LaneRangeError, match="fits"):
            fitting_scale(np.array([[bad]]))


def test_lanes_are_refused_not_cut_off(make_market, now):
    market = make_market(days=(30,))
    floats = revalue(market, replace(SET, psr=500_000), now, 0.6, FREE)  # 50 % in units of 0.1 bp
    with pytest.raises(LaneRangeError, match="does not fit 16 bits"):
        quantise(floats)
    small = revalue(market, SET, now, 0.6, FREE)
    with pytest.raises(LaneRangeError, match="vega"):
        quantise(replace(small, vega=small.vega + 20))
    with pytest.raises(LaneRangeError, match="delta"):
        quantise(replace(small, delta=small.delta - 10))
    with pytest.raises(LaneRangeError, match="gross"):
        quantise(replace(small, gross=small.gross + 17))


def test_strike_far_above_the_index_does_not_fit_the_mark(make_market, now):
    market = make_market(days=(30,), strikes=(30_000,), index=100.0)
    with pytest.raises(LaneRangeError, match="mark"):
        quantise(fitted(market, SET, now))


def test_spot_loses_more_than_it_gains_when_wrapped(make_market, now):
    market = make_market(days=())
    spot = Instrument(256, 0, SPOT, 0, 1).pack()
    plain, wrapped = (
        revalue(market, SET, now, 0.6, ArrayConfig(spot=terms))
        for terms in ({}, {spot: SpotTerms(asymmetry=0.05, haircut_floor=0.03)})
    )
    i = market.instruments.index(spot)
    linear = SET.linear_pnl
    assert np.all(wrapped.pnl[i][linear < 0] == pytest.approx(1.05 * linear[linear < 0]))
    assert np.all(wrapped.pnl[i][linear > 0] == pytest.approx(0.95 * linear[linear > 0]))
    assert np.all(wrapped.pnl[i] <= plain.pnl[i])
    assert plain.gross[i] == pytest.approx(0.01 + 0.25 * 0.1)
    assert wrapped.gross[i] == pytest.approx(0.03 + 0.25 * 0.1 * 1.05)
    assert quantise(plain)[i].gross == 35_000


def test_a_staked_token_worth_more_than_the_index(make_market, now):
    spot = Instrument(256, 0, SPOT, 0, 1).pack()
    market = make_market(days=(), marks={spot: 120.0})
    floats = revalue(market, SET, now, 0.6)
    i = market.instruments.index(spot)
    assert floats.pnl[i] == pytest.approx(1.2 * SET.linear_pnl)
    row = quantise(floats)[i]
    assert row.mark == 1_200_000_000_000
    assert row.delta == 1_200_000
    with pytest.raises(LaneRangeError, match="an underlying of its own"):
        revalue(make_market(days=(), marks={spot: 201.0}), SET, now, 0.6)


def test_gross_charge_by_kind(make_market, now):
    expiry = now + 73 * 86_400
    market = make_market(days=(73,), strikes=(100,), forwards={expiry: 102.0})
    config = ArrayConfig()
    floats = revalue(market, SET, now, 0.6, config)
    rows = quantise(floats)
    found = {item.kind: (row.gross, i) for i, (item, row) in enumerate(zip(market.listed, rows, strict=True))}
    basis = max(0.01, 0.02 * 0.1 + 0.01 * math.sqrt(0.2))
    assert found[PERP][0] == 2000 + 200 + 10
    assert found[FUTURE][0] == 10_200 + 200 + 2000 + 10
    free = revalue(market, SET, now, 0.6, FREE)
    up = float(SET.shifted(np.array([0.6]), np.array([0.2]))[0][0])
    turned = min(1, math.log(1.02) / (0.6 * math.sqrt(0.2)))
    for kind in (CALL, PUT):
        gross, i = found[kind]

        def worst(basis, vol, kind=kind):
            base, low, high = (
                float(black.price(kind == CALL, 1.02 * (1 + sign * basis), 1.0, 0.6 + sign * vol, 0.2))
                for sign in (0, -1, 1)
            )
            return max(abs(low - base), abs(high - base))

        skew, term = max(0.05, 0.1 * (up - 0.6)), max(0.03, 0.06 * (up - 0.6))
        moved = math.hypot(worst(basis, 0), worst(0, turned * skew), worst(0, term))
        wanted = abs(floats.delta[i]) * 0.0002 + floats.vega[i] * config.vol_spread + 10e-6 + moved
        gap = gross * 1e-6 - wanted
        assert 0 < gap <= free.gross[i] + 1e-6
    coarse = quantise(replace(floats, scenarios=SET.at_scale(COARSE)))
    assert coarse[found[PERP][1]].gross == found[PERP][0] + 90
    assert all(row.gross >= 10 for row in rows)


@given(
    vol=st.floats(0.1, 2), days=st.floats(0.3, 400), strike=st.floats(60, 160), up=st.booleans(), share=st.floats(0, 1)
)
def test_the_charge_pays_for_each_move_whole_and_for_a_mixture(make_market, now, vol, days, strike, up, share):
    """Basis of 1 %, 5 points of skew at the wings, 3 points of term structure; or parts whose squares add to one."""
    market = make_market(days=(days,), strikes=(strike,))
    floats = revalue(market, SET, now, vol)
    rows = quantise(floats)
    sign = 1 if up else -1
    for item, row, base in zip(market.listed, rows, floats.mark, strict=True):
        if item.kind not in {CALL, PUT}:
            continue
        k, tau = item.strike / 1e5, (item.expiry - now) / 31_536_000
        turned = min(1.0, abs(math.log(k)) / (vol * math.sqrt(tau)))

        def value(basis, skew, term, call=item.kind == CALL, k=k, tau=tau, turned=turned):
            shift = 0.05 * turned * skew + 0.03 * term
            return float(black.price(call, 1 + 0.01 * basis, k, max(vol + shift, 0), tau))

        for parts in ((sign, 0, 0), (0, sign, 0), (0, 0, sign)):
            assert abs(value(*parts) - base) * 1e6 <= row.gross
        a, b = share, math.sqrt(1 - share**2)
        assert (
            abs(value(sign * a, b, 0) - base) * 1e6 <= row.gross * 1.05
        )  # curvature may add to a sum of straight ones


def test_charges_grow_with_the_scan_range(make_market, now):
    market = make_market(days=(30,))
    small, large = (revalue(market, replace(SET, psr=psr), now, 0.6) for psr in (50_000, 200_000))
    assert np.all(large.gross >= small.gross)


def test_implied_volatility_before_the_forecast(make_market, now):
    bare = make_market(days=(30,), strikes=(100,))
    call = next(i for i, item in zip(bare.instruments, bare.listed, strict=True) if item.kind == CALL)
    quoted = replace(bare, implied_vols={call: 0.9})
    i = bare.instruments.index(call)
    marks = [revalue(m, SET, now, 0.6, FREE).mark[i] for m in (bare, quoted)]
    assert marks[0] == pytest.approx(float(black.price(True, 1, 1, 0.6, 30 / 365)))
    assert marks[1] == pytest.approx(float(black.price(True, 1, 1, 0.9, 30 / 365)))
    marked = replace(bare, marks={call: 7.0})
    assert revalue(marked, SET, now, 0.6, FREE).mark[i] == pytest.approx(0.07)


def test_forwards(make_market, now):
    market = make_market(days=(30, 60), forwards={now + 30 * 86_400: 101.0})
    assert forward_ratios(market) == {0: 10**9, now + 30 * 86_400: 1_010_000_000, now + 60 * 86_400: 10**9}
    with pytest.raises(LaneRangeError, match="forward"):
        forward_ratios(make_market(days=(30,), forwards={now + 30 * 86_400: 1e-9}))


def test_expired_instruments_are_refused(make_market, now):
    market = make_market(days=(1,))
    with pytest.raises(ListingError, match="expired"):
        revalue(market, SET, now + 86_400, 0.6)


def test_rows_without_gaps_or_repeats(make_market, now):
    market = make_market(days=(30,))
    floats = fitted(market, SET, now)
    rows = quantise(floats)
    ordered = by_expiry(floats, rows)
    assert [len(part) for part in ordered.values()] == [2, 7]
    assert [row.kind for row in ordered[0]] == [PERP, SPOT]
    twice = replace(floats, instruments=tuple(replace(item, row=0) for item in floats.instruments))
    with pytest.raises(ListingError, match="row 0 is given twice"):
        by_expiry(twice, rows)
    gap = replace(floats, instruments=tuple(replace(item, row=item.row + 1) for item in floats.instruments))
    with pytest.raises(ListingError, match="no instrument has row 0"):
        by_expiry(gap, rows)
    item = floats.instruments[0]
    many = replace(floats, instruments=tuple(replace(item, row=i) for i in range(251)))
    with pytest.raises(ListingError, match="at most 250"):
        by_expiry(many, rows[:1] * 251)


@pytest.mark.parametrize(
    "bad", [{"basis_share": -0.1}, {"term_floor": 2}, {"carry": 2}, {"bump": 0}, {"bump": 0.2}, {"spread": np.nan}]
)
def test_config_out_of_range(bad):
    with pytest.raises(ModelError):
        ArrayConfig(**bad)


@pytest.mark.parametrize("bad", [{"asymmetry": 1}, {"asymmetry": -0.1}, {"haircut_floor": 1}])
def test_spot_terms_out_of_range(bad):
    with pytest.raises(ModelError):
        SpotTerms(**bad)
