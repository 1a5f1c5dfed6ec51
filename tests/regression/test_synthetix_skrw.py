"""Synthetix, 25 June 2019: a thousandfold profit on sKRW, given back by the bot that made it.

What happened: the won's price was the mean of several services. One by one they failed, two were left, and one of
these answered a thousand times too much; the mean followed it.

What stands against it: quorum by count. The engine takes a median of at least three sources after the outliers are
gone, and with two left it makes no price; on chain a report needs its quorum of distinct signers (I-30, I-34).
"""

import pytest

from plimsoll.market.aggregate import AggregationRules, Quote, aggregate
from plimsoll.market.errors import SourcesDisagreeError, TooFewSourcesError
from tests.unit.clearinghouse.stage import ETH, EVERYONE, NOW, make_surface

from .scene import WAD

RIGHT, WRONG = 0.00086, 0.86
NAMES = "abcdef"


def quotes(*prices, age=0):
    return [Quote(name, price, NOW - age) for name, price in zip(NAMES, prices, strict=False)]


@pytest.mark.parametrize(
    "found",
    [
        quotes(RIGHT, WRONG),
        quotes(WRONG, RIGHT * 1.001),
        quotes(RIGHT, RIGHT),
        # of three, one wrong: two are left
        quotes(RIGHT, RIGHT * 1.0005, WRONG),
        # of four, two stale
        [*quotes(RIGHT, WRONG), *(Quote(name, RIGHT, NOW - 61) for name in "cd")],
        [*quotes(RIGHT, WRONG), Quote("c", 0.0, NOW), Quote("d", float("nan"), NOW)],
    ],
)
def test_two_sources_left_are_no_price(found):
    with pytest.raises(TooFewSourcesError):
        aggregate(found, NOW)


@pytest.mark.parametrize("wrong", [WRONG, RIGHT / 1_000])
def test_with_three_that_agree_a_wrong_one_changes_nothing(wrong):
    found = aggregate(quotes(RIGHT, RIGHT * 1.0005, RIGHT * 0.9995, wrong), NOW)
    assert found.price == RIGHT
    assert [name for name, _ in found.dropped] == ["d"]


def test_half_of_them_wrong_is_no_price_either():
    with pytest.raises(SourcesDisagreeError):
        aggregate(quotes(RIGHT, RIGHT, WRONG, WRONG), NOW)


def test_without_the_count_and_the_dispersion_the_mean_follows_the_wrong_one():
    careless = AggregationRules(minimum=2, max_dispersion=1e9)
    assert aggregate(quotes(RIGHT, WRONG), NOW, careless).price > 400 * RIGHT


def test_a_report_without_its_quorum_is_none(stage):
    """The same on chain: one of two signers, or one of them twice, says nothing."""
    pair = stage.pair
    made = [make_surface(ETH, 0, stage.surfaces[ETH, 0], pair.now, reference=2_000_000 * WAD)]
    report, stored = pair.report(made)
    one = pair.signed(report)[:1]
    for signatures, reason in ((one, "oracle: below quorum"), (one * 2, "oracle: signers not ascending")):
        stage.refuses(reason, "oracle", "post", report, signatures, stored, b"")
    stage.post()
    pair.compare(EVERYONE)
