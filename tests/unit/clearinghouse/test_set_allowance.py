"""Clearinghouse.set_allowance: a venue trades an account up to and in the second it names."""

import pytest

from tests.pairs import address_of

from .stage import ATTACKER, DELEGATE, MAKER, NOW, OWNER, TRADER, VENUE, WAD

TRADER_ADDRESS = address_of("trader")


@pytest.fixture
def funded(stage):
    stage.fund("trader", 1_000)
    stage.fund("maker", 1_000)
    return stage


@pytest.mark.parametrize("expires", [0, 1, NOW, 2**256 - 1])
def test_the_owner_sets_it(stage, expires):
    stage.pair.must("book", "set_allowance", TRADER, ATTACKER, expires, sender=TRADER_ADDRESS)
    assert stage.ask("book", "allowances", TRADER, ATTACKER) == expires
    assert stage.last() == ("AllowanceSet", {"account": TRADER, "venue": ATTACKER, "expires": expires})


def test_a_delegate_sets_it(stage):
    stage.pair.must("book", "set_delegate", TRADER, DELEGATE, True, sender=TRADER_ADDRESS)
    stage.pair.must("book", "set_allowance", TRADER, VENUE, 0, sender=DELEGATE)
    assert stage.ask("book", "allowances", TRADER, VENUE) == 0


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE, OWNER, VENUE])
def test_not_the_accounts(stage, sender):
    stage.refuses("clearinghouse: not the account's", "book", "set_allowance", TRADER, VENUE, 0, sender=sender)


@pytest.mark.parametrize("side", ["trader", "maker"])
def test_it_is_good_in_its_last_second_and_not_after(funded, side):
    who = {"trader": TRADER, "maker": MAKER}[side]
    funded.pair.must("book", "set_allowance", who, VENUE, NOW + 5, sender=address_of(side))
    funded.later(5)
    funded.trade(TRADER, MAKER, funded.perp, WAD, 2_000 * WAD)
    funded.later(1)
    funded.refuses_trade("clearinghouse: venue not allowed", TRADER, MAKER, funded.perp, WAD, 2_000 * WAD)


@pytest.mark.parametrize("side", ["trader", "maker"])
def test_zero_withdraws_it(funded, side):
    who = {"trader": TRADER, "maker": MAKER}[side]
    funded.pair.must("book", "set_allowance", who, VENUE, 0, sender=address_of(side))
    funded.refuses_trade("clearinghouse: venue not allowed", TRADER, MAKER, funded.perp, WAD, 2_000 * WAD)


def test_it_is_one_venues(funded):
    funded.pair.must("book", "set_venue", ATTACKER, True, sender=OWNER)
    args = TRADER, MAKER, funded.perp, WAD, 2_000 * WAD
    funded.refuses_trade("clearinghouse: venue not allowed", *args, sender=ATTACKER)
