"""IndexFeed.bind where the witness is there and signed nothing of that underlying: as if there were no witness."""

from plimsoll.spec.wad import WAD
from tests.unit.clearinghouse.stage import FEED_AGE, SOL
from tests.unit.clearinghouse.stage import OWNER as STAGE_OWNER

from .test_bind import BLIND_WAIT, NOTHING, dead

NEW = 0x0301


def test_a_successor_of_what_nobody_signed_waits_three_days(stage):
    pair = stage.pair
    own = pair.add_aggregator(18, "ETH / USD")
    pair.answer(own, 2_000 * WAD)
    pair.must("feed", "set_feed", NEW, own, FEED_AGE, 18, sender=STAGE_OWNER)
    assert stage.ask("oracle", "pointer", SOL, 0) != 0
    assert stage.ask("oracle", "pointer", NEW, 0) == 0
    pair.aggregators[NEW] = own
    second = dead(stage, NEW, 6_000 * WAD)
    pair.refused(NOTHING, "feed", "bind", NEW)
    pair.advance(BLIND_WAIT - 1)
    pair.answer(second, 6_000 * WAD)
    pair.refused(NOTHING, "feed", "bind", NEW)
    pair.advance(1)
    pair.must("feed", "bind", NEW)
    assert stage.last("feed")[1]["against"] == 0
    assert stage.ask("feed", "price", NEW)[0] == 6_000 * WAD
