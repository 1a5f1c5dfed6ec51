"""RiskOracle.terms: what the words of one underlying add to an account."""

from plimsoll.spec.instruments import word
from plimsoll.spec.margin import Terms
from plimsoll.spec.wad import WAD
from tests.unit.clearinghouse.stage import BTC, ETH, words_of


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
