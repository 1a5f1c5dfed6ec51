"""Clearinghouse.set_venue."""

import pytest

from .stage import ATTACKER, DELEGATE, MAKER, OWNER, TRADER, VENUE, WAD


@pytest.mark.parametrize("admitted", [True, False])
def test_it_admits_and_dismisses(stage, admitted):
    stage.pair.must("book", "set_venue", ATTACKER, not admitted, sender=OWNER)
    stage.pair.must("book", "set_venue", ATTACKER, admitted, sender=OWNER)
    assert stage.ask("book", "venues", ATTACKER) is admitted
    assert stage.last() == ("VenueSet", {"venue": ATTACKER, "admitted": admitted})


def test_a_dismissed_venue_trades_no_more(stage):
    stage.fund("trader", 1_000)
    stage.fund("maker", 1_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.must("book", "set_venue", VENUE, False, sender=OWNER)
    stage.refuses_trade("clearinghouse: venue not admitted", TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE, VENUE])
def test_only_the_owner(stage, sender):
    stage.refuses("ownable: caller is not the owner", "book", "set_venue", ATTACKER, True, sender=sender)


@pytest.mark.parametrize("admitted", [True, False])
def test_zero_address(stage, admitted):
    stage.refuses("clearinghouse: zero address", "book", "set_venue", 0, admitted, sender=OWNER)
