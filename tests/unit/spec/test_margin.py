"""The margin formula against fractions: no rounding but against the account, and hardly any.

`exact` is the docstring of `plimsoll.spec.margin` once more, in rational numbers; only the marks are taken from it, and
have a test of their own.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plimsoll.spec import margin
from plimsoll.spec.instruments import (
    CALL,
    FUTURE,
    PERP,
    PUT,
    SPOT,
    WINDOW,
    Instrument,
    id_of,
    quantity_of,
    unpack,
    word,
)
from plimsoll.spec.margin import Assessment, ClassOffset, Index, Params, Scalars, State, View
from plimsoll.spec.surface import LANES, Row, Surface
from plimsoll.spec.wad import MARK_UNIT, PPM, WAD, YEAR
from tests.strategies import NOW, Drawn, Seeded, Source, World, book_of, chance, edge, edge_integers, row, world

MAX_PAID = 5 * 10**32  # [wad a contract] what funding can come to, see `modules/margin.vy`
ETH = 0x0100
PRICE = 3_000 * WAD


def view_of(known: World) -> View:
    """What a margin check in a world reads."""
    return View(
        params=known.params,
        now=NOW,
        index={u: Index(price, 10 ** known.exponent[u]) for u, price in known.price.items()},
        surfaces={(s.underlying, s.expiry): s for s in known.surfaces},
        scalars={s.underlying: s for s in known.scalars},
        classes={c.klass: c for c in known.classes},
        open_interest=known.interest,
    )


def ppm(value: int) -> Fraction:
    return Fraction(value, PPM)


def exact_terms(words: list[int], view: View) -> dict[str, Any]:
    """The terms of one underlying in rational numbers [quote]."""
    underlying = unpack(id_of(words[0])).underlying
    index, known = view.index[underlying], view.params
    price = Fraction(index.price, WAD)
    lanes: dict[int, list[Fraction]] = {}
    sums = dict.fromkeys(("value", "full", "haircut", "delta", "gross", "size", "short", "legs"), Fraction(0))
    common, oldest = LANES, view.now
    for w in words:
        instrument, q = unpack(id_of(w)), Fraction(quantity_of(w), WAD)
        surface = view.surfaces.get((instrument.underlying, instrument.expiry))
        found = margin.row_of(surface, instrument)
        paid = view.funding.get(underlying, 0) if instrument.kind == PERP else 0
        worth = q * Fraction(margin.mark(instrument, found, surface, index) - paid, WAD)
        common = min(common, surface.common) if surface else common
        oldest = min(oldest, surface.time) if surface else oldest
        charge, delta = (ppm(found.gross), ppm(found.delta)) if found else (ppm(known.floor_rate), Fraction(1))
        if found and surface:
            known_lanes = lanes.get(instrument.expiry, [Fraction(0)] * LANES)
            lanes[instrument.expiry] = [
                a + q * surface.scale * lane / 10**5 for a, lane in zip(known_lanes, found.lanes, strict=True)
            ]
        sums["delta"] += q * delta
        if instrument.kind == SPOT:
            sums["full"] += worth
            sums["haircut"] += worth * (1 - min(charge, 1))
            continue
        tenor = max(0, instrument.expiry - view.now)
        slope = ppm(known.gross_slope[instrument.kind]) * tenor / YEAR
        sums["value"] += worth
        sums["gross"] += abs(q) * price * max(charge, ppm(known.gross_base[instrument.kind]) + slope)
        sums["size"] += abs(q)
        sums["legs"] += 1
        sums["short"] += -q if instrument.is_option and q < 0 else 0
    posted = view.scalars.get(underlying)
    som = ppm(posted.som if posted else known.floor_rate)
    total = [Fraction(0)] * LANES
    for expiry, pnl in lanes.items():
        keep = min(Fraction(1), max(Fraction(0), Fraction(expiry - view.now, WINDOW))) if expiry else Fraction(1)
        total = [a + (x * keep if x > 0 else x) for a, x in zip(total, pnl, strict=True)]
    scan, short = price * max(0, -min(total)), price * som * sums["short"]
    gross = sums["gross"] + sums["legs"] * Fraction(known.leg_cost, WAD)
    concentration = market = Fraction(0)
    if posted:
        depth = Fraction(posted.depth, WAD)
        size = max(abs(sums["delta"]), ppm(known.min_share) * sums["size"])
        concentration = price * ppm(posted.kappa) * max(Fraction(0), size - depth) ** 2 / depth
        interest = Fraction(view.open_interest.get(underlying, 0), WAD)
        market = price * sums["size"] * min(Fraction(1), ppm(posted.market) * interest / depth)
    widened = ppm(known.widen) * Fraction(view.now - oldest, 3_600)
    im_factor = ppm(posted.im_factor) + widened if posted else Fraction(2)
    return {
        "underlying": underlying,
        "value": sums["value"],
        "full": sums["full"],
        "haircut": sums["haircut"],
        "scan": scan,
        "short": short,
        "gross": gross,
        "concentration": concentration,
        "im_add": (im_factor - 1) * (max(scan, short) + gross + concentration) + market,
        "pnl": [price * lane for lane in total],
        "common": common,
    }


def exact_assess(words: tuple[int, ...], ledger: int, view: View) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """E_h, E_m, MM and IM in rational numbers [quote]."""
    found = [exact_terms(group, view) for group in margin.groups(words)]
    cash = Fraction(ledger, WAD)
    portfolio = Fraction(0)
    for klass in {t["underlying"] >> 8 for t in found}:
        members = [t for t in found if t["underlying"] >> 8 == klass]
        scans = [t["scan"] for t in members]
        total, net = sum(scans), Fraction(0)
        offset = view.classes.get(klass)
        if offset and len(members) > 1:
            keep = 1 - ppm(offset.cross_haircut)
            common = min(t["common"] for t in members)
            joint = [
                sum(x if x < 0 else x * keep for x in lane) for lane in zip(*(t["pnl"] for t in members), strict=True)
            ]
            net = ppm(offset.offset) * (total - max(Fraction(0), -min(joint[:common])))
        portfolio += max(total - net, *scans)
    short, charges, extra = (
        sum(t["short"] for t in found),
        sum(t["gross"] + t["concentration"] for t in found),
        sum(t["im_add"] for t in found),
    )
    is_due = ledger < 0 or any(unpack(id_of(w)).kind != SPOT for w in words)
    mm = max(portfolio, short) + charges if is_due else Fraction(0)
    return (
        cash + sum(t["value"] + t["haircut"] for t in found),
        cash + sum(t["value"] + t["full"] for t in found),
        mm,
        mm + extra if is_due else Fraction(0),
    )


def check_against_exact(source: Source, known: World) -> None:
    """One book: roundings go against the account, and come to next to nothing."""
    view = view_of(known)
    view.funding = {underlying: edge(source, -MAX_PAID, MAX_PAID) for underlying in known.price if chance(source, 50)}
    words, ledger = book_of(source, known), edge(source, -(10**36), 10**36)
    found = margin.assess(words, ledger, view)
    haircut, full, mm, im = exact_assess(words, ledger, view)
    units = 1 + len(words) * (max(known.price.values()) // WAD + 1)  # what one wei of a quantity can be worth
    assert 0 <= haircut - Fraction(found.equity_haircut, WAD) < Fraction(2 * len(words), WAD)
    assert 0 <= full - Fraction(found.equity_full, WAD) < Fraction(2 * len(words), WAD)
    # a charge rounded up by one ppm is the coarsest of all: of the floor by tenor, in gross
    sizes = sum(abs(quantity_of(w)) * known.price[unpack(id_of(w)).underlying] for w in words)
    slack = Fraction(sizes, PPM * WAD * WAD) + Fraction(10**9 * units, WAD)
    assert 0 <= Fraction(found.mm, WAD) - mm <= slack + mm / 10**12
    assert 0 <= Fraction(found.im, WAD) - im <= 20 * slack + im / 10**6
    assert 0 <= Fraction(found.call_line, WAD) - Fraction(found.mm, WAD) * (1 + ppm(known.params.call_buffer)) < 1


@settings(max_examples=settings.default.max_examples // 2)  # an example is a world; seeds draw more beside
@given(st.data())
def test_roundings_go_against_the_account(data: st.DataObject) -> None:
    source = Drawn(data.draw)
    check_against_exact(source, world(source, most=3, underlyings=3))


@pytest.mark.parametrize("seed", range(40))
def test_roundings_of_large_books_go_against_the_account(seed: int) -> None:
    source = Seeded(seed)
    known = world(source)
    for _ in range(5):
        check_against_exact(source, known)


def one(kind: int = PERP, strike: int = 0, expiry: int = 0, **changes: Any) -> tuple[Instrument, Surface]:
    """An instrument with a surface of its own, reference 3,000."""
    instrument = Instrument(ETH, expiry, kind, strike, 0)
    fields = {
        "kind": kind,
        "strike": strike,
        "lanes": tuple(range(-1_600, 1_600, 100)),
        "mark": MARK_UNIT,
        "delta": PPM,
        "gamma": 0,
        "vega": 0,
        "theta": 0,
        "gross": 2_000,
    }
    surface = Surface(
        ETH, expiry, 10, 26, NOW, 1, 10**9, PRICE, 0, 0, 0, (0,) * 13, (0,) * 3, (Row(**(fields | changes)),)
    )
    return instrument, surface


def view_with(*surfaces: Surface, price: int = PRICE, **changes: Any) -> View:
    fields: dict[str, Any] = {
        "params": Params(),
        "now": NOW,
        "index": {ETH: Index(price, WAD)},
        "surfaces": {(s.underlying, s.expiry): s for s in surfaces},
        "scalars": {ETH: Scalars(ETH, 10**6 * WAD, PPM, 50_000, 1_300_000, 0, 0)},
    }
    return View(**(fields | changes))


def test_a_perp_by_hand() -> None:
    """Ten long at 3,000: the worst lane loses 16 %, gross is 0.2 %, IM is 1.3 times that."""
    instrument, surface = one()
    found = margin.assess([word(instrument.pack(), 10 * WAD)], 5_000 * WAD - 30_000 * WAD, view_with(surface))
    assert found == Assessment(
        equity_haircut=5_000 * WAD,
        equity_full=5_000 * WAD,
        mm=4_800 * WAD + 60 * WAD,
        im=4_860 * WAD * 13 // 10,
        call_line=4_860 * WAD * 11 // 10,
        fresh=True,
    )
    assert margin.state_of(found) == State.CALLED


def test_a_hedged_pair_of_perps_owes_its_gross_charge_only() -> None:
    """Perp against future cancel in every lane; what remains is the basis, which the gross charge pays for."""
    perp, near = one()
    future, far = one(FUTURE, expiry=NOW + 86_400)
    words = sorted([word(perp.pack(), 10 * WAD), word(future.pack(), -10 * WAD)], key=id_of)
    found = margin.assess(words, 0, view_with(near, far))
    assert found.equity_full == 0
    assert found.mm == 120 * WAD
    terms, _ = margin.terms(words, view_with(near, far))
    assert (terms.scan, terms.worst_lane, terms.gross) == (0, 0, 120 * WAD)


def test_a_short_option_has_a_minimum() -> None:
    call, surface = one(CALL, 9_000, NOW + 86_400, lanes=(0,) * LANES, mark=0, delta=0)
    found = margin.assess([word(call.pack(), -WAD)], 0, view_with(surface))
    assert found.mm == 150 * WAD + 3_000 * WAD * 2_014 // PPM  # 5 % of 3,000, and the floor: 0.2 % + 0.5 % / 365, up


def test_collateral_alone_needs_nothing_until_it_backs_a_debt() -> None:
    spot, surface = one(SPOT, 1, gross=100_000)
    words = [word(spot.pack(), 2 * WAD)]
    calm = margin.assess(words, 0, view_with(surface))
    assert (calm.equity_full, calm.equity_haircut, calm.mm, calm.im) == (6_000 * WAD, 5_400 * WAD, 0, 0)
    owing = margin.assess(words, -1, view_with(surface))
    assert owing.mm == 960 * WAD  # it falls by 16 % where it falls most
    assert owing.im > owing.mm


def test_a_lost_row_is_charged_and_never_fresh() -> None:
    instrument, surface = one()
    held = [word(instrument.pack(), -10 * WAD)]
    for view in (view_with(), view_with(replace(surface, rows=()))):
        found = margin.assess(held, 0, view)
        assert found.mm == 15_000 * WAD  # half of the notional
        assert found.equity_full == -30_000 * WAD  # at the index
        assert not found.fresh


def test_a_row_that_says_nothing_is_a_lost_one() -> None:
    instrument, surface = one(mark=0, delta=0, gross=0)
    found, lanes = margin.terms([word(instrument.pack(), WAD)], view_with(surface))
    assert not found.fresh
    assert lanes == [0] * LANES
    assert found.value == PRICE


def test_concentration_by_hand() -> None:
    """1,100,000 long with a depth of a million: 100,000^2 / 1,000,000 contracts on top."""
    instrument, surface = one(lanes=(0,) * LANES)
    terms, _ = margin.terms([word(instrument.pack(), 1_100_000 * WAD)], view_with(surface))
    assert terms.concentration == 10_000 * 3_000 * WAD


def test_the_market_term_binds_new_risk_only() -> None:
    instrument, surface = one()
    words = [word(instrument.pack(), 10 * WAD)]
    scalars = {ETH: Scalars(ETH, 10**6 * WAD, PPM, 50_000, 1_300_000, 0, 20_000)}
    small, large = (
        margin.assess(words, 0, view_with(surface, scalars=scalars, open_interest={ETH: interest * WAD}))
        for interest in (0, 500_000)
    )
    assert large.mm == small.mm
    assert large.im - small.im == 300 * WAD  # 1 % of 30,000


@pytest.mark.parametrize(
    ("late", "fresh"),
    [(7_200, True), (7_201, False)],
)
def test_a_surface_ages(late: int, fresh: bool) -> None:  # noqa: FBT001
    instrument, surface = one()
    found = margin.assess([word(instrument.pack(), WAD)], 0, view_with(surface, now=NOW + late))
    assert found.fresh is fresh


@pytest.mark.parametrize(("price", "fresh"), [(3_030, True), (2_970, True), (3_031, False), (2_969, False)])
def test_a_surface_is_left_behind_by_the_index(price: int, fresh: bool) -> None:  # noqa: FBT001
    instrument, surface = one()
    found = margin.assess([word(instrument.pack(), WAD)], 0, view_with(surface, price=price * WAD))
    assert found.fresh is fresh


def test_surfaces_of_several_sets_are_not_fresh() -> None:
    perp, near = one()
    future, far = one(FUTURE, expiry=NOW + 86_400)
    words = sorted([word(perp.pack(), WAD), word(future.pack(), WAD)], key=id_of)
    assert margin.assess(words, 0, view_with(near, far)).fresh
    assert not margin.assess(words, 0, view_with(near, replace(far, set_id=2))).fresh


class TestMark:
    @pytest.mark.parametrize(
        ("kind", "strike", "price", "raw", "expected"),
        [
            (PERP, 0, 3_000, 1.0, 3_000),
            (PERP, 0, 3_000, 3.0, 6_000),  # no more than twice the index
            (CALL, 2_000, 3_000, 0.0, 1_000),  # at least intrinsic
            (CALL, 2_000, 3_000, 2.0, 3_000),  # at most the forward
            (PUT, 4_000, 3_000, 0.0, 1_000),
            (PUT, 4_000, 3_000, 9.0, 4_000),  # at most the strike
            (PUT, 2_000, 3_000, 0.1, 300),
        ],
    )
    def test_bounds(self, kind: int, strike: int, price: int, raw: float, expected: int) -> None:
        expiry = 0 if kind == PERP else NOW + 1
        instrument, surface = one(kind, strike, expiry, mark=int(raw * MARK_UNIT))
        found = margin.mark(instrument, surface.rows[0], surface, Index(price * WAD, WAD))
        assert found == expected * WAD

    @given(st.data())
    def test_rounds_down_and_stays_inside(self, data: st.DataObject) -> None:
        source = Drawn(data.draw)
        kind = source.integer(0, 4)
        instrument = Instrument(ETH, 0, kind, source.integer(0, 2**48 - 1) if kind in {CALL, PUT} else 0, 0)
        found = row(source, instrument)
        price, reference = source.integer(1, 10**27), source.integer(1, 10**27)
        surface = replace(one()[1], reference=reference, forward=source.integer(1, 2**32 - 1), rows=(found,))
        unit = 10 ** source.integer(0, 18)
        marked = margin.mark(instrument, found, surface, Index(price, unit))
        strike, forward = instrument.strike * unit, Fraction(price * surface.forward, 10**9)
        move = price - reference
        raw = (
            Fraction(reference * found.mark, MARK_UNIT)
            + Fraction(found.delta * move, PPM)
            + Fraction(found.gamma * move * move, 2 * PPM * reference)
        )
        low, high = {CALL: (forward - strike, forward), PUT: (strike - forward, Fraction(strike))}.get(
            kind, (Fraction(0), Fraction(2 * price))
        )
        exact = min(max(raw, low, 0), high)
        assert -1 <= exact - marked < 3  # a put's lower bound rounds up with its forward down
        assert 0 <= marked <= high


class TestState:
    @pytest.mark.parametrize(
        ("haircut", "full", "state"),
        [
            (130, 130, State.HEALTHY),
            (129, 129, State.RESTRICTED),
            (110, 110, State.RESTRICTED),
            (109, 109, State.CALLED),
            (100, 100, State.CALLED),
            (99, 99, State.LIQUIDATABLE),
            (-1, 0, State.LIQUIDATABLE),
            (-1, -1, State.INSOLVENT),
        ],
    )
    def test_edges(self, haircut: int, full: int, state: State) -> None:
        assert margin.state_of(Assessment(haircut, full, 100, 130, 110, fresh=True)) is state


class TestReducesRisk:
    BEFORE = Assessment(50, 60, 100, 130, 110, fresh=True)

    @pytest.mark.parametrize(
        ("changes", "reduces"),
        [
            ({}, True),
            ({"im": 129}, True),
            ({"im": 131}, False),
            ({"equity_haircut": 49}, False),
            ({"equity_haircut": 49, "mm": 99}, True),
            ({"mm": 101}, False),
            ({"equity_full": 0}, True),
            ({"equity_full": -1}, False),
        ],
    )
    def test_each_condition(self, changes: dict, reduces: bool) -> None:  # noqa: FBT001
        assert margin.reduces_risk(self.BEFORE, replace(self.BEFORE, **changes)) is reduces


@given(edge_integers(0, 10**9), edge_integers(0, 50 * YEAR))
def test_the_floor_of_the_gross_charge_rounds_up(slope: int, tenor: int) -> None:
    assume(slope < 2**24)
    known = replace(Params(), gross_slope=(slope,) * 4)
    exact = known.gross_base[CALL] + Fraction(slope * tenor, YEAR)
    assert 0 <= margin.gross_floor(known, CALL, tenor) - exact < 1


def test_no_offset_nets_lanes_that_are_not_common() -> None:
    offset = ClassOffset(1, PPM, 0)
    lanes = [[-(10**23) * 10, 10**23 * 20], [10**23 * 10, -(10**23) * 20]]
    scans = [10, 20]
    assert margin.portfolio_scan(scans, lanes, 2, offset) == 20  # all nets; the larger scan remains
    hostile = [[-(10**23) * 10, -(10**23) * 5], [10**23 * 10, -(10**23) * 20]]
    assert margin.portfolio_scan(scans, hostile, 2, offset) == 25
    assert margin.portfolio_scan(scans, hostile, 1, offset) == 20  # only what is common is looked at
    assert margin.portfolio_scan(scans, lanes, 2, ClassOffset(1, 0, 0)) == 30
    assert margin.portfolio_scan(scans, lanes, 2, None) == 30
    assert margin.portfolio_scan(scans[:1], lanes[:1], 2, offset) == 10
