"""Rebasing tokens, such as Ampleforth or staked ether, in contracts that count on balances.

What happens: the balance of a contract changes by itself. What was owed is not there any more, and the last to
withdraw stands before nothing; or what came in by itself is anybody's.

What stands against it: rebasing tokens must not be listed, and governance is told so where it lists. If one does
rebase: the book neither books nor pays another amount than is asked for, a rise is nobody's, and a fall is refused,
not hidden.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import EVERYONE, OTHER, TRADER, WAD

MOVED = "clearinghouse: vault moved another amount"
TRADER_ADDRESS, OTHER_ADDRESS = address_of("trader"), address_of("other")


@pytest.mark.parametrize("rebase", [999_999, 500_000, 2_000_000])
def test_what_moves_is_checked_against_what_was_asked_for(stage, rebase):
    stage.bring("trader", stage.weth, WAD)
    stage.pair.mint(stage.weth, TRADER_ADDRESS, WAD)
    stage.switch(stage.weth, "set_rebase", rebase)
    for name, *args in (("deposit", 10**9), ("withdraw", 10**9, TRADER_ADDRESS)):
        assert stage.on_chain("book", name, TRADER, stage.weth, *args, sender=TRADER_ADDRESS) == MOVED
    stage.switch(stage.weth, "set_rebase", 10**6)
    stage.pair.compare(EVERYONE)
    stage.pair.must("book", "withdraw", TRADER, stage.weth, WAD, TRADER_ADDRESS, sender=TRADER_ADDRESS)


def test_a_rise_is_nobody_s_and_moves_no_margin(stage):
    stage.bring("trader", stage.weth, WAD)
    before = stage.margin(TRADER), stage.ask("book", "instrument_interest", stage.spot)
    stage.switch(stage.weth, "set_rebase", 3 * 10**6)
    assert (stage.margin(TRADER), stage.ask("book", "instrument_interest", stage.spot)) == before
    args = TRADER, stage.weth, WAD + 1, TRADER_ADDRESS
    assert stage.on_chain("book", "withdraw", *args, sender=TRADER_ADDRESS) == "clearinghouse: collateral not there"


def test_after_a_fall_the_quote_that_is_not_there_is_not_paid(stage):
    """The whole is owed, half is there: refused with its reason, and paid once it is back."""
    for role in ("trader", "other"):
        stage.fund(role, 100)
    stage.switch(stage.usd, "set_rebase", 400_000)
    args = OTHER, stage.usd, 100 * 10**6, OTHER_ADDRESS
    assert stage.on_chain("book", "withdraw", *args, sender=OTHER_ADDRESS) == "clearinghouse: cash not there"
    stage.switch(stage.usd, "set_rebase", 10**6)
    stage.pair.must("book", "withdraw", *args, sender=OTHER_ADDRESS)
    stage.pair.compare(EVERYONE)
