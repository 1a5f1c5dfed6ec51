"""Lens.greeks of a token whose underlying nobody posted a surface of: its quantity is its delta."""

from plimsoll.spec.lens import Greeks
from plimsoll.spec.wad import WAD
from tests.unit.clearinghouse.stage import ETH, FEED_AGE, OWNER, SOL, TRADER

from .test_greeks import ask

UNPOSTED = 0x0301


def test_a_token_without_a_surface(stage):
    pair = stage.pair
    pair.must("feed", "set_feed", UNPOSTED, pair.aggregators[SOL], FEED_AGE, 18, sender=OWNER)
    pair.must("registry", "list_collateral", stage.unlisted, UNPOSTED, sender=OWNER)
    stage.bring("trader", stage.weth, 2 * WAD)
    stage.bring("trader", stage.unlisted, 7 * WAD)
    assert pair.twin.oracle.pointers.get((UNPOSTED, 0), 0) == 0
    assert ask(stage, TRADER) == [Greeks(ETH, 2 * WAD), Greeks(UNPOSTED, 7 * WAD)]
