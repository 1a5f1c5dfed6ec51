"""RiskOracle.terms: what the words of one underlying add to an account."""

import pytest

from plimsoll.spec.instruments import CALL, Instrument, word
from plimsoll.spec.margin import Terms
from plimsoll.spec.wad import WAD
from tests.unit.clearinghouse.stage import BTC, DAY, ETH, EXPIRY, words_of


def refused(stage, words):
    """Why terms of these words are refused."""
    function = stage.pair.contracts["oracle"].interface.function("terms", 1)
    return stage.pair.ask(stage.pair.contracts["oracle"], function.encode([words]), function).reason


def test_every_term_of_a_mixed_book(stage):
    held = {stage.perp: WAD, stage.spot: 2 * WAD, stage.call: -WAD, stage.put: WAD}
    # 3 + moves: perp and WETH 3 m, short call -.7 m | -.3 m, long put -.3 m | -.7 m; worst at -10 %:
    # -300 + 30 + 70 bp x 2,000 / 100 = -400
    assert stage.terms(held) == Terms(
        underlying=ETH,
        price=2_000 * WAD,
        value=2_000 * WAD,
        full=4_000 * WAD,
        haircut=3_600 * WAD,
        scan=400 * WAD,
        worst_lane=24,
        short=60 * WAD,
        gross=40 * WAD,
        concentration=0,
        im_add=132 * WAD,
        common=32,
        fresh=True,
    )


def test_an_expiry_without_a_surface_after_one_with(stage):
    """Nothing of the surface before is read for it."""
    stray = Instrument(ETH, EXPIRY + DAY, CALL, 2_000, 0).pack()
    alone, beside = stage.terms({stage.perp: WAD}), stage.terms({stage.perp: WAD, stray: WAD})
    assert beside.scan == alone.scan
    assert beside.gross > alone.gross
    assert alone.fresh
    assert not beside.fresh


@pytest.mark.parametrize("price", [2_000, 1_999])
def test_the_lanes_of_a_book_are_those_of_its_underlyings(stage, price):
    stage.pair.price(ETH, price * WAD)

    def lanes(held):
        found = stage.ask("oracle", "lanes", words_of(held))
        assert found == stage.pair.twin.oracle.lanes(words_of(held), stage.pair.now)
        return found

    ether, bitcoin = {stage.perp: -WAD, stage.call: 3 * WAD}, {stage.btc_perp: WAD // 7}
    both = lanes(ether | bitcoin)
    apart = [a + b for a, b in zip(lanes(ether), lanes(bitcoin), strict=True)]
    assert all(0 <= x - y <= 1 for x, y in zip(both, apart, strict=True))  # each is down
    assert min(lanes({stage.perp: -WAD})) == -stage.terms({stage.perp: -WAD}).scan
    assert set(lanes({})) == {0}


def test_the_first_of_equal_lanes_is_the_worst(stage):
    assert stage.terms({stage.perp: -WAD}).worst_lane == 22
    assert stage.terms({stage.perp: WAD, stage.future: -WAD}).worst_lane == 0


def test_terms_of_each_underlying_make_the_whole(stage):
    eth, btc = {stage.perp: WAD, stage.call: WAD}, {stage.btc_perp: 3 * WAD}
    whole = stage.assess(eth | btc, 5)
    parts = [stage.terms(eth), stage.terms(btc)]
    assert [part.underlying for part in parts] == [ETH, BTC]
    assert whole.equity_full == 5 + sum(part.value for part in parts)
    assert whole.im - whole.mm == sum(part.im_add for part in parts)


def test_words_of_several_underlyings(stage):
    words = words_of({stage.perp: WAD, stage.btc_perp: WAD})
    assert refused(stage, words) == "oracle: words of several underlyings"
    assert refused(stage, words[::-1]) == "oracle: words of several underlyings"


def test_no_words(stage):
    assert refused(stage, []) == ""


def test_a_quantity_over_the_maximum(stage):
    assert refused(stage, [word(stage.perp, 10**27 + 1)]) == "oracle: quantity over the maximum"
