"""The cheapest losing book: none of a hundred contracts loses more than its MM to what no lane says."""

import math

import numpy as np
import pytest

from plimsoll.market.errors import SourceNotFoundError
from plimsoll.risk import adversary
from plimsoll.risk.adversary import Shock, cheapest, check, hedges, play, shocks, target, tightest
from plimsoll.risk.arrays import ArrayConfig
from plimsoll.risk.engine import EngineConfig
from plimsoll.risk.errors import ModelError
from plimsoll.risk.models import EwmaFhsConfig
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, quantity_of
from plimsoll.spec.wad import WAD
from tests.counts import record

PARAMETERS = ("basis", "skew", "term")


@pytest.fixture(scope="module")
def quotes():
    return adversary.synthetic()


@pytest.fixture(scope="module")
def posted(quotes):
    return target(quotes)


def shock_of(posted, family, name):
    return next(shock for shock in shocks(posted, (family,)) if shock.name == name)


def assert_covered(found):
    assert found.worst.excess < 0
    assert 0.5 < found.ratio < 1  # and not by asking for everything
    assert found.worst.gross == pytest.approx(100, abs=1e-3)


def assert_teeth(found):
    """Without the gross charge: half a coin at no margin by one maturity's basis, and less than it costs elsewhere."""
    assert found.single.loss > 0.5
    assert found.single.mm < 1e-6
    assert found.free.loss > 1
    assert found.free.mm < 1e-6
    for family in PARAMETERS:
        assert found.uncovered[family].excess > 0.4


def test_no_book_of_a_hundred_contracts_loses_more_than_its_margin(posted):
    found = play(posted, PARAMETERS, every=2)
    assert_covered(found)
    assert_teeth(found)
    record(adversary_programs=found.programs)


def test_nor_by_a_move_between_the_nodes(posted):
    found = play(posted, ("between", "mixed"), every=9)
    assert_covered(found)
    assert found.uncovered["between"].excess > 0.05


def test_nor_at_the_scan_range_of_a_crash(quotes):
    wild = target(quotes, model=EwmaFhsConfig(psr_floor=0.4))
    assert wild.scenarios.psr == 400_000
    assert wild.scenarios.scale == 10
    found = play(wild, adversary.FAMILIES, every=23)
    assert_covered(found)


@pytest.mark.data
@pytest.mark.parametrize("day", ["2026-01-05", "2026-01-31"])
def test_nor_on_recorded_chains(day):
    posted = target(adversary.recorded(day))
    assert posted.maturities == 8
    assert posted.source == f"recorded chain of {day}"
    found = play(posted, adversary.FAMILIES, every=17)
    assert_covered(found)


@pytest.mark.data
def test_a_recorded_day_without_so_many_maturities():
    with pytest.raises(ModelError, match="99 are needed"):
        adversary.recorded("2026-01-05", maturities=99)


@pytest.mark.parametrize(
    ("short", "family", "name"),
    [
        ({"basis_floor": 0.005}, "basis", "every second +"),
        ({"skew_floor": 0.0, "basis_floor": 0.0, "term_floor": 0.0, "vol_spread": 0.0}, "skew", "maturity 8 +"),
        ({"skew_floor": 0.0, "basis_floor": 0.0, "term_floor": 0.0, "vol_spread": 0.0}, "term", "every second -"),
    ],
)
def test_a_charge_that_is_too_small_is_found(quotes, short, family, name):
    weak = target(quotes, config=EngineConfig(arrays=ArrayConfig(**short)))
    shock = shock_of(weak, family, name)
    found = check(weak, cheapest(weak, shock), shock)
    assert found.excess > 0.02
    assert tightest(weak, shock)[1] > 1


def test_with_the_charge_it_is_best_not_to_trade(posted):
    for shock in (shock_of(posted, "basis", "maturity 3 +"), shock_of(posted, "term", "tilt -")):
        assert np.abs(cheapest(posted, shock)).sum() == pytest.approx(0, abs=1e-9)


def test_half_a_coin_by_hand(posted):
    """Long the perpetual, short the last future, which rises by 1 %: free in every lane, and half a coin gone."""
    bare = posted.without_charge()
    items = posted.market.listed
    last = max(item.expiry for item in items)
    book = np.array(
        [50.0 if item.kind == PERP else -50.0 if (item.kind, item.expiry) == (FUTURE, last) else 0.0 for item in items]
    )
    shock = shock_of(posted, "basis", f"maturity {posted.maturities} +")
    found = check(bare, book, shock)
    forward = posted.forward[np.argmin(book)]
    assert found.mm == 0
    assert found.loss == pytest.approx(0.5 * forward, abs=1e-9)
    assert check(bare, cheapest(bare, shock, free=True), shock).loss >= found.loss - 1e-6
    assert check(posted, book, shock).excess < -0.1


def test_the_program_is_not_beaten_by_guessing(posted):
    bare = posted.without_charge()
    rng = np.random.default_rng(7)
    for shock in (shock_of(bare, "basis", "tilt +"), shock_of(bare, "mixed", "all +0.58 +0.58 +0.58")):
        best = check(bare, cheapest(bare, shock), shock).excess
        for _ in range(200):
            legs = rng.choice(len(bare.marks), 4, replace=False)
            book = np.zeros(len(bare.marks))
            book[legs] = rng.normal(size=4)
            book *= 100 / np.abs(book).sum()
            assert check(bare, book, shock).excess <= best + 1e-4


def test_program_and_integers_agree(posted):
    """MM as the program sees it, and as `plimsoll.spec.margin` does: the same but for what 1e-6 contracts are."""
    shock = shock_of(posted, "skew", "front against back +")
    book, ratio = tightest(posted, shock)
    found = check(posted, book, shock)
    short = posted.som * float(np.maximum(-book, 0) @ posted.short)
    scan = max(0.0, -float(np.min(book @ posted.lanes)))
    assert found.mm == pytest.approx(max(scan, short) + float(np.abs(book) @ posted.gross), abs=1e-4)
    assert found.loss / found.mm == pytest.approx(ratio, rel=1e-4)
    assert sum(abs(quantity_of(w)) for w in found.words) <= 100 * WAD
    assert list(found.words) == sorted(found.words, key=lambda w: w % 2**128)


def test_something_for_nothing_has_no_ratio(posted):
    bare = posted.without_charge()
    shock = shock_of(bare, "basis", "maturity 1 +")
    book, ratio = tightest(bare, shock)
    assert ratio == math.inf
    assert check(bare, book, shock).loss > 0.5


def test_nothing_happens_nothing_is_lost(posted):
    still = Shock("basis", "none", posted.values())
    assert np.abs(posted.values() - posted.marks).max() < 1e-9
    book, ratio = tightest(posted, still)
    assert ratio < 1e-5
    assert abs(check(posted, book, still).loss) < 1e-5


def test_values_at_nodes_are_the_posted_lanes(posted):
    scenarios = posted.scenarios
    up, down = scenarios.shifted(posted.volatility, posted.tau)
    options = posted.short > 0
    for node, move in enumerate(scenarios.node_moves):
        for lane, volatility, later in ((2 * node, up, 0), (2 * node + 1, down, scenarios.look_ahead)):
            moved = posted.values(move=move, volatility=volatility, later=later) - posted.marks
            assert np.abs(moved - posted.lanes[:, lane])[options].max() <= scenarios.unit / 2 + 1e-8


def test_shocks_are_of_the_size_they_say(posted):
    kinds = np.array([item.kind for item in posted.market.listed])
    future = kinds == FUTURE
    basis = shock_of(posted, "basis", "front against back +").value / posted.values() - 1
    assert basis[future] == pytest.approx([0.01] * 4 + [-0.01] * 4)
    assert basis[kinds == PERP] == 0
    alone = shock_of(posted, "basis", "perpetual -").value - posted.values()
    assert alone[kinds == PERP] == pytest.approx(-0.01)
    assert np.count_nonzero(alone) == 1
    for family, size in (("skew", 0.05), ("term", 0.03)):
        moved = shock_of(posted, family, "all +").value - posted.values()
        assert np.all(moved[(kinds == PERP) | future] == 0)
        ratio = np.abs(moved[kinds == CALL]) / posted.values()[kinds == CALL]
        assert ratio.max() > size
        turned = np.sign(moved[kinds == PUT])
        assert (turned.min(), turned.max()) == ((-1, 1) if family == "skew" else (0, 1) if 0 in turned else (1, 1))


def test_simple_hedges_cost_little_more(posted):
    """In coins a contract: the charge is felt where the lanes see nothing, and is no second scan elsewhere."""
    after, before = hedges(posted), hedges(posted.without_charge())
    psr = posted.scenarios.psr / 1e6
    added = {name: after[name] - before[name] for name in after}
    assert before["perpetual against future"] == before["calendar of futures"] == 0
    assert 0.01 < after["perpetual against future"] < 0.015
    assert 0.02 < after["calendar of futures"] < 0.025
    assert added["perpetual"] < 0.05 * psr
    assert max(added["long call"], added["short call"], added["covered call (perpetual)"]) < 0.01
    assert added["long call spread"] < 0.016
    assert added["calendar of calls"] < 0.02
    assert after["covered call (perpetual)"] < after["perpetual"] + after["short call"]
    assert after["long call spread"] < after["long call"]


def test_a_short_straddle_of_a_fifth_of_open_interest_pays_for_its_size(posted, quotes):
    large, small = (adversary.straddle_concentration(posted, quotes.open_interest, share) for share in (0.2, 0.001))
    assert large["charge"] > 0.01 * 2 * large["contracts"]
    assert large["mm"] > large["charge"]
    assert small["charge"] == 0
    assert small["mm"] > 0
    assert large["mm"] / large["contracts"] > 1.2 * small["mm"] / small["contracts"]


@pytest.mark.data
def test_and_so_it_does_at_the_recorded_depth_and_open_interest():
    quotes = adversary.recorded("2026-01-05")
    assert quotes.open_interest == pytest.approx(269_365.7)
    posted = target(quotes)
    large, small = (adversary.straddle_concentration(posted, quotes.open_interest, share) for share in (0.2, 0.001))
    assert 20 < large["depth"] < 500
    assert large["charge"] > 0.05 * 2 * large["contracts"]
    assert small["charge"] == 0


def test_full_search_without_recorded_data(monkeypatch):
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    found = adversary.search(("basis",))
    assert found.source == "synthetic chain: PLIMSOLL_DATA is unset"
    assert found.programs == 4 * found.shocks == 4 * 2 * 28
    assert set(found.numbers) >= {"worst_excess", "worst_ratio", "free_loss", "free_mm", "uncovered_basis", "programs"}
    assert_covered(found)


def test_recorded_days_need_recorded_data(monkeypatch):
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    assert adversary.quotes_of("2026-01-05").source == "synthetic chain: PLIMSOLL_DATA is unset"
    with pytest.raises(SourceNotFoundError):
        adversary.recorded("2026-01-05")


def test_unknown_families_are_refused(posted):
    with pytest.raises(ModelError, match="no family of shocks 'weather'"):
        list(shocks(posted, ("weather",)))


def test_a_days_decay_alone_is_known_not_to_be_covered(posted):
    """A limit that is stated: no lane has a look-ahead pass at unchanged volatility. Held so that it does not grow."""
    found = play(posted, ("decay",), every=3)
    assert 0 < found.worst.excess < 0.2
    assert found.ratio < 1.3
