"""RiskOracle.assess: worked examples by hand, through the bytecode. Each figure is also the twin's."""

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import pytest

from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument, word
from plimsoll.spec.margin import Assessment, ClassOffset, Params
from plimsoll.spec.report import pack_floors, pack_rates
from plimsoll.spec.wad import MAX_QUANTITY
from tests.unit.clearinghouse.stage import (
    BTC,
    DAY,
    DEAD,
    ETH,
    EXPIRY,
    MAKER,
    OWNER,
    PRICES,
    SOL,
    TRADER,
    WAD,
    make_row,
    make_scalars,
    make_surface,
    wad,
)

# McMillan, Options as a Strategic Investment, ch. 34: profit or loss of one long, scan range 10,000
SPAN_FUTURE = (0, 0, 3330, 3330, -3330, -3330, 6670, 6670, -6670, -6670, 10000, 10000, -10000, -10000, 7000, -7000)
SPAN_CALL = (460, -610, 2640, 1730, -1270, -2340, 5210, 4540, -2540, -3430, 8060, 7640, -3380, -3990, 3130, -1500)


def set_params(stage, **changes):
    """Governance numbers: the defaults but for these."""
    params = replace(Params(), **changes)
    stage.pair.must("oracle", "set_params", pack_rates(params), pack_floors(params), sender=OWNER)


# ------------------------------------------------------------------------------------------------- worked examples


def test_nothing_needs_nothing(stage):
    assert stage.assess({}) == Assessment(0, 0, 0, 0, 0, fresh=True)
    assert stage.assess({}, 5) == Assessment(5, 5, 0, 0, 0, fresh=True)
    assert stage.assess({}, -5) == Assessment(-5, -5, 0, 0, 0, fresh=True)


@pytest.mark.parametrize("quantity", [WAD, -WAD])
@pytest.mark.parametrize("name", ["perp", "future"])
def test_one_linear_contract(stage, name, quantity):
    found = stage.assess({getattr(stage, name): quantity}, 500 * WAD)
    equity = 500 * WAD + 2_000 * quantity
    assert found == Assessment(equity, equity, 220 * WAD, 286 * WAD, 242 * WAD, fresh=True)


class TestSpanCoveredWrite:
    """The covered write of the book, on an index of 10,000, where a basis point is 1."""

    @pytest.fixture
    def span(self, stage):
        pad = (0,) * 16
        stage.pair.price(ETH, 10_000 * WAD)
        stage.surfaces[ETH, EXPIRY] = (
            make_row(FUTURE, lanes=SPAN_FUTURE + pad, gross=0),
            make_row(CALL, 2_000, lanes=SPAN_CALL + pad, gross=0),
        )
        stage.scalars[ETH] = make_scalars(ETH, som=0)
        set_params(stage, gross_base=(1, 1, 1, 1), gross_slope=(0, 0, 0, 0))
        stage.post()
        return stage

    @pytest.mark.parametrize(
        ("future", "call", "scan", "lane"),
        [(1, 0, 10_000, 12), (0, 1, 3_990, 13), (1, -1, 6_620, 12), (-1, 0, 10_000, 10), (0, -1, 8_060, 10)],
    )
    def test_scan_risk(self, span, future, call, scan, lane):
        held = {i: q * WAD for i, q in ((span.future, future), (span.call, call)) if q}
        terms = span.terms(held)
        assert (terms.scan, terms.worst_lane) == (scan * WAD, lane)
        # a gross charge of a millionth, .01 a leg
        assert span.assess(held).mm == scan * WAD + len(held) * WAD // 100

    def test_seventy_five_lots(self, span):
        assert span.terms({span.future: 75 * WAD, span.call: -75 * WAD}).scan == 75 * 6_620 * WAD


def test_a_long_option(stage):
    # marked 100; loses 3 % of 2,000 at worst; gross .5 %
    found = stage.assess({stage.call: WAD}, -100 * WAD)
    assert found == Assessment(0, 0, 70 * WAD, 91 * WAD, 77 * WAD, fresh=True)


def test_a_short_option(stage):
    found = stage.assess({stage.put: -WAD}, 100 * WAD)
    assert found == Assessment(0, 0, 150 * WAD, 195 * WAD, 165 * WAD, fresh=True)


def test_the_short_option_minimum_of_a_straddle(stage):
    # each way one leg loses 140 and the other gains 60: scan 80, under a minimum of 60 for each
    held = {stage.call: -WAD, stage.put: -WAD}
    terms = stage.terms(held)
    assert (terms.scan, terms.short, terms.gross, terms.im_add) == (80 * WAD, 120 * WAD, 20 * WAD, 42 * WAD)
    found = stage.assess(held)
    assert (found.mm, found.im) == (140 * WAD, 182 * WAD)


def test_a_calendar_hedge_pays_the_gross_charge_alone(stage):
    found = stage.assess({stage.perp: WAD, stage.future: -WAD}, 7)
    assert found == Assessment(7, 7, 40 * WAD, 52 * WAD, 44 * WAD, fresh=True)


class TestClassOffset:
    """One ETH against .1 BTC: 2,000 of each, scan 200 of each; gains count nine tenths."""

    def test_opposite_sides(self, stage):
        # joint loss 200 - 180 = 20; credit .3 x (400 - 20)
        found = stage.assess({stage.perp: WAD, stage.btc_perp: -WAD // 10})
        assert found.mm == (286 + 40) * WAD
        assert found.im == found.mm + 2 * 66 * WAD

    def test_the_same_side_has_no_credit(self, stage):
        assert stage.assess({stage.perp: WAD, stage.btc_perp: WAD // 10}).mm == 440 * WAD

    def test_never_under_the_largest_scan(self, stage):
        stage.classes[1] = ClassOffset(1, 10**6, 0)
        stage.post()
        assert stage.assess({stage.perp: WAD, stage.btc_perp: -WAD // 10}).mm == 240 * WAD

    def test_only_common_lanes_net(self, stage):
        # lane 0 is no move: no joint loss at all there, credit .3 x 400
        stage.post(common=1)
        assert stage.assess({stage.perp: WAD, stage.btc_perp: -WAD // 10}).mm == 320 * WAD

    def test_no_offset_without_a_word(self, stage):
        stage.classes[1] = ClassOffset(1, 0, 0)
        stage.post()
        assert stage.assess({stage.perp: WAD, stage.btc_perp: -WAD // 10}).mm == 440 * WAD

    @pytest.mark.parametrize("eth", [1, 7, 10**9 + 7, WAD // 3, 10**27 - 1])
    @pytest.mark.parametrize("btc", [1, 3, 10**8 + 1, WAD // 70, 10**26 - 1])
    def test_losses_round_up_and_the_credit_down(self, stage, eth, btc):
        """At prices that leave a rest, from single units to the largest books."""
        prices = 2_000 * WAD + 1, 20_000 * WAD + 7
        for underlying, price in zip((ETH, BTC), prices, strict=True):
            stage.pair.price(underlying, price)
            stage.scalars[underlying] = make_scalars(underlying, kappa=0)
        stage.post()
        of = [Fraction(size * price, 10 * WAD) for size, price in zip((eth, btc), prices, strict=True)]  # a tenth
        scans, gross = [ceil(each) for each in of], [ceil(each / 10) for each in of]
        joint = ceil(max(of) - min(of) * 9 / 10)
        credit = floor(Fraction(3, 10) * (sum(scans) - joint))
        found = stage.assess({stage.perp: eth, stage.btc_perp: -btc})
        assert found.mm == max(sum(scans) - credit, *scans) + sum(gross)

    def test_a_class_that_gains_in_every_common_lane_loses_nothing_there(self, stage):
        stage.surfaces[ETH, 0] = (make_row(PERP, lanes=(50, *make_row(PERP).lanes[1:])), *stage.surfaces[ETH, 0][1:])
        stage.post(common=1)
        assert stage.assess({stage.perp: WAD, stage.btc_perp: -WAD // 10}).mm == 320 * WAD

    def test_other_classes_add_up(self, stage):
        # SOL 100: scan 10, gross 1 each
        assert stage.assess({stage.perp: WAD, stage.sol_perp: -20 * WAD}).mm == 440 * WAD


class TestCollateral:
    def test_alone_it_needs_nothing(self, stage):
        found = stage.assess({stage.spot: WAD}, 0)
        assert found == Assessment(1_800 * WAD, 2_000 * WAD, 0, 0, 0, fresh=True)

    def test_with_a_debt_of_one_wei_it_is_risky(self, stage):
        found = stage.assess({stage.spot: WAD}, -1)
        assert (found.mm, found.im) == (200 * WAD, 260 * WAD)
        assert (found.equity_haircut, found.equity_full) == (1_800 * WAD - 1, 2_000 * WAD - 1)

    def test_it_hedges_a_short(self, stage):
        # lanes net; the perp's gross charge stays
        assert stage.assess({stage.spot: WAD, stage.perp: -WAD}, 2_000 * WAD).mm == 20 * WAD

    def test_a_haircut_of_everything(self, stage):
        stage.surfaces[ETH, 0] = (make_row(PERP), make_row(SPOT, 1, gross=10**6 + 5))
        stage.post()
        assert stage.assess({stage.spot: WAD}).equity_haircut == 0

    def test_what_an_account_owns_rounds_down(self, stage):
        # one wei is worth 2,000 wei, and a little more once the index is: that little is lost
        assert stage.assess({stage.spot: 1}).equity_haircut == 1_800
        stage.pair.price(ETH, 2_001 * WAD - 1)
        found = stage.assess({stage.spot: 1})
        assert (found.equity_full, found.equity_haircut) == (2_000, 1_800)
        # in cash a debt of less than a wei is a whole one
        assert stage.assess({stage.perp: -1}).equity_full == -2_001


# ------------------------------------------------------------------------------------------------------ missing rows


class TestMissingRow:
    """Margined at the governance floor: half of the index, no lanes, not fresh; never skipped, never a revert."""

    def test_a_future_without_a_surface(self, stage):
        held = {Instrument(ETH, EXPIRY + DAY, FUTURE, 0, 0).pack(): WAD}
        found = stage.assess(held)
        assert found == Assessment(2_000 * WAD, 2_000 * WAD, 1_000 * WAD, 1_300 * WAD, 1_100 * WAD, fresh=False)
        assert stage.terms(held).scan == 0

    @pytest.mark.parametrize(
        ("kind", "strike", "value"), [(CALL, 1_500, 500), (CALL, 2_500, 0), (PUT, 2_500, 500), (PUT, 1_500, 0)]
    )
    def test_an_option_is_worth_its_intrinsic_value(self, stage, kind, strike, value):
        made = Instrument(ETH, EXPIRY, kind, strike, 77).pack()
        found = stage.assess({made: WAD})
        assert (found.equity_full, found.mm, found.fresh) == (value * WAD, 1_000 * WAD, False)
        found = stage.assess({made: -WAD})
        # the minimum of a short option, 60, over a scan of nothing
        assert (found.equity_full, found.mm, found.fresh) == (-value * WAD, 1_060 * WAD, False)

    @pytest.mark.parametrize(
        "made",
        [
            Instrument(ETH, EXPIRY, CALL, 2_001, 1),  # another strike in its place
            Instrument(ETH, EXPIRY, PUT, 2_000, 1),  # another kind
            Instrument(ETH, EXPIRY, CALL, 2_000, 2),  # another row
            Instrument(ETH, EXPIRY, CALL, 2_000, 3),  # out of range
            Instrument(ETH, EXPIRY, CALL, 2_000, 65_535),
        ],
        ids=str,
    )
    def test_another_instrument_in_its_place(self, stage, made):
        found = stage.assess({made.pack(): WAD})
        assert (found.mm, found.fresh) == (1_000 * WAD, False)

    def test_a_row_that_says_nothing(self, stage):
        empty = make_row(PERP, lanes=(0,) * 32, mark=0, delta=0, gross=0)
        stage.surfaces[ETH, 0] = (empty, make_row(SPOT, 1))
        stage.post()
        found = stage.assess({stage.perp: WAD})
        assert (found.equity_full, found.mm, found.fresh) == (2_000 * WAD, 1_000 * WAD, False)
        # one number is enough to be believed: the floor is then the kind's
        stage.surfaces[ETH, 0] = (replace(empty, gross=1), make_row(SPOT, 1))
        stage.post()
        found = stage.assess({stage.perp: WAD})
        assert (found.equity_full, found.mm, found.fresh) == (0, 2 * WAD, True)

    def test_collateral(self, stage):
        made = Instrument(ETH, 0, SPOT, 9, 9).pack()
        found = stage.assess({made: WAD})
        assert found == Assessment(1_000 * WAD, 2_000 * WAD, 0, 0, 0, fresh=False)

    def test_it_goes_with_the_floor_rate(self, stage):
        set_params(stage, floor_rate=100_000)
        assert stage.assess({Instrument(ETH, EXPIRY + DAY, FUTURE, 0, 0).pack(): WAD}).mm == 200 * WAD


def test_an_underlying_without_scalars(stage):
    pair = stage.pair
    pair.must("feed", "set_feed", 0x0300, pair.aggregators[ETH], DAY, 18, sender=OWNER)
    pair.post([make_surface(0x0300, 0, [make_row(PERP)], pair.now, reference=PRICES[ETH])])
    made = Instrument(0x0300, 0, PERP, 0, 0).pack()
    # im factor 2, not fresh; a short option would have a minimum of half its notional
    found = stage.assess({made: WAD})
    assert found == Assessment(2_000 * WAD, 2_000 * WAD, 220 * WAD, 440 * WAD, 242 * WAD, fresh=False)
    option = Instrument(0x0300, EXPIRY, CALL, 3_000, 0).pack()
    assert stage.terms({option: -WAD}).short == 1_000 * WAD


# ------------------------------------------------------------------------------------------------------------- fresh


@pytest.mark.parametrize(("seconds", "fresh"), [(0, True), (7_200, True), (7_201, False)])
def test_stale(stage, seconds, fresh):
    stage.later(seconds)
    found = stage.assess({stage.perp: WAD})
    assert found.fresh is fresh
    assert found.mm == 220 * WAD


@pytest.mark.parametrize(
    ("price", "fresh"),
    [(2_020 * WAD, True), (2_020 * WAD + 1, False), (1_980 * WAD, True), (1_980 * WAD - 1, False)],
)
def test_beyond_the_gate(stage, price, fresh):
    stage.pair.price(ETH, price)
    assert stage.assess({stage.perp: WAD}).fresh is fresh
    assert stage.assess({stage.future: WAD}).fresh is fresh
    assert stage.assess({stage.sol_perp: WAD}).fresh
    assert stage.assess({stage.perp: WAD, stage.sol_perp: WAD}).fresh is fresh


def test_mixed_sets_in_one_underlying(stage):
    rows = stage.surfaces[ETH, EXPIRY]
    stage.pair.post([make_surface(ETH, EXPIRY, rows, stage.pair.now, set_id=2)])
    assert stage.assess({stage.perp: WAD}).fresh
    assert stage.assess({stage.future: WAD}).fresh
    assert not stage.assess({stage.perp: WAD, stage.future: WAD}).fresh
    # of two underlyings each has its own
    assert stage.assess({stage.btc_perp: WAD, stage.future: WAD}).fresh
    stage.pair.post([make_surface(ETH, 0, stage.surfaces[ETH, 0], stage.pair.now, set_id=3)])
    assert not stage.assess({stage.perp: WAD, stage.future: WAD}).fresh  # neighbours are not the same
    stage.pair.post([make_surface(ETH, EXPIRY, rows, stage.pair.now, set_id=3)])
    assert stage.assess({stage.perp: WAD, stage.future: WAD}).fresh


# ----------------------------------------------------------------------------------------------------------- charges


@pytest.mark.parametrize(
    ("name", "charge"),
    [("perp", 2_000_000), ("future", 3_822_000), ("call", 4_822_000), ("put", 4_822_000)],
)
def test_the_floor_of_the_gross_charge(stage, name, charge):
    # 30 days at .5 % a year: 410.96 ppm, up to 411, over .1, .15 and .2 %; of 2,000
    rows = (make_row(FUTURE, gross=0), make_row(CALL, 2_000, gross=0), make_row(PUT, 2_000, gross=0))
    stage.surfaces[ETH, 0] = (make_row(PERP, gross=0), make_row(SPOT, 1))
    stage.surfaces[ETH, EXPIRY] = rows
    stage.post()
    assert stage.terms({getattr(stage, name): WAD}).gross == charge * WAD // 10**6


def test_a_leg_costs_something_each(stage):
    set_params(stage, leg_cost=5 * WAD)
    assert stage.terms({stage.perp: WAD}).gross == 25 * WAD
    assert stage.terms({stage.perp: 1, stage.future: -1, stage.spot: WAD}).gross == 10 * WAD + 40
    assert stage.assess({stage.perp: 1}).mm == 5 * WAD + 220


class TestConcentration:
    @pytest.fixture
    def thin(self, stage):
        """10 contracts of depth."""
        stage.scalars[ETH] = make_scalars(ETH, depth=10 * WAD)
        stage.post()
        return stage

    def test_up_to_the_depth_it_costs_nothing(self, thin):
        assert thin.terms({thin.perp: 10 * WAD}).concentration == 0
        # one wei over: 1e-18 squared over 10, up to a wei at each division, times the index
        assert thin.terms({thin.perp: 10 * WAD + 1}).concentration == 2_000

    @pytest.mark.parametrize("sign", [1, -1])
    def test_beyond_it_grows_with_the_square(self, thin, sign):
        # 20 over: 400 / 10 x 2,000
        assert thin.terms({thin.perp: sign * 30 * WAD}).concentration == 80_000 * WAD
        # MM 30 x 220 + 80,000; IM x 1.3
        assert thin.assess({thin.perp: sign * 30 * WAD}).mm == 86_600 * WAD
        assert thin.assess({thin.perp: sign * 30 * WAD}).im == 112_580 * WAD

    def test_a_delta_neutral_giant_is_not_small(self, thin):
        # 2,000 legs of gross size count a twentieth: 100, so 90 over: 810 x 2,000
        held = {thin.perp: 1_000 * WAD, thin.future: -1_000 * WAD}
        assert thin.terms(held).concentration == 1_620_000 * WAD

    def test_collateral_counts_for_the_delta(self, thin):
        assert thin.terms({thin.spot: 30 * WAD}).concentration == 80_000 * WAD
        assert thin.terms({thin.spot: 30 * WAD, thin.perp: -30 * WAD}).concentration == 0


class TestMarketTerm:
    @pytest.fixture
    def busy(self, stage):
        """10 contracts of depth, 5 of open interest, a tenth of the notional a depth: 5 %."""
        stage.fund("trader", 10**6)
        stage.fund("maker", 10**6)
        stage.trade(TRADER, MAKER, stage.perp, 5 * WAD, 2_000 * WAD)
        stage.scalars[ETH] = make_scalars(ETH, depth=10 * WAD, market=100_000, kappa=0)
        stage.post()
        return stage

    def test_it_adds_to_initial_margin_alone(self, busy):
        found = busy.assess({busy.perp: WAD})
        assert (found.mm, found.im) == (220 * WAD, 386 * WAD)

    def test_it_counts_every_leg_but_collateral(self, busy):
        assert busy.terms({busy.perp: WAD, busy.future: -WAD}).im_add == (12 + 200) * WAD
        assert busy.terms({busy.spot: WAD}).im_add == 60 * WAD

    def test_the_whole_notional_at_most(self, busy):
        busy.scalars[ETH] = make_scalars(ETH, depth=10**15, market=10**6, kappa=0)
        busy.post()
        assert busy.terms({busy.perp: WAD}).im_add == (66 + 2_000) * WAD

    def test_the_largest_size_to_the_last_unit(self, busy):
        held = {busy.perp: MAX_QUANTITY}
        alone = busy.terms(held).im_add
        busy.scalars[ETH] = make_scalars(ETH, depth=10 * WAD, market=0, kappa=0)
        busy.post()
        assert alone - busy.terms(held).im_add == MAX_QUANTITY * 100  # 5 % of 2,000

    def test_another_underlying_is_not_busy(self, busy):
        busy.scalars[SOL] = make_scalars(SOL, depth=10 * WAD, market=100_000)
        busy.post()
        assert busy.terms({busy.sol_perp: WAD}).im_add == wad("3.3")


def test_requirements_round_up(stage):
    # one wei of a perp: scan 200 wei, gross 20; with a third more wei of price each is a wei more
    assert stage.assess({stage.perp: 1}).mm == 220
    stage.pair.price(ETH, 2_000 * WAD + 1)
    found = stage.assess({stage.perp: 1})
    assert (found.mm, found.im, found.call_line) == (222, 289, 245)


# ---------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("sign", [1, -1])
def test_a_quantity_over_the_maximum(stage, sign):
    assert stage.assess({stage.perp: sign * MAX_QUANTITY}).mm > 0
    function = stage.pair.contracts["oracle"].interface.function("assess", 2)
    data = function.encode([[word(stage.perp, sign * (MAX_QUANTITY + 1))], 0])
    refused = stage.pair.ask(stage.pair.contracts["oracle"], data, function)
    assert refused.reason == "oracle: quantity over the maximum"


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(stage, way):
    reason = stage.kill_feed(ETH, way)
    function = stage.pair.contracts["oracle"].interface.function("assess", 2)
    data = function.encode([[word(stage.perp, WAD)], 0])
    assert stage.pair.ask(stage.pair.contracts["oracle"], data, function).reason == reason
    assert stage.assess({}).fresh


def test_an_underlying_that_nobody_feeds(stage):
    function = stage.pair.contracts["oracle"].interface.function("assess", 2)
    data = function.encode([[word(Instrument(0x0999, 0, PERP, 0, 0).pack(), WAD)], 0])
    assert stage.pair.ask(stage.pair.contracts["oracle"], data, function).reason == "feed: unknown underlying"


def test_128_words_are_too_many(stage):
    function = stage.pair.contracts["oracle"].interface.function("assess", 2)
    words = [word(Instrument(ETH, EXPIRY, CALL, strike, 9).pack(), 1) for strike in range(1, 129)]
    found = stage.pair.ask(stage.pair.contracts["oracle"], function.encode([words, 0]), function)
    assert found.reason == ""
    # 127 rows that nobody posted: half the index each, in wei
    assert stage.assess({w & (2**128 - 1): 1 for w in words[:127]}).mm == 127 * 1_000
