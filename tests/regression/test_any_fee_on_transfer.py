"""Fee-on-transfer tokens, from 2020 on: Balancer's STA pool lost 0.5 M$ on 28 June 2020.

What happens: a token keeps a part of what moves. A contract that books what was asked for owes more than it has.

What stands against it: the book compares its balance before and after; any other amount than was asked for is refused,
a wei less or more, and such a token cannot come in at all (I-01).
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import EVERYONE, TRADER, USD, WAD

from .scene import OWNER, fill_fund

MOVED = "clearinghouse: vault moved another amount"
TRADER_ADDRESS = address_of("trader")


@pytest.mark.parametrize("fee", [1, 1_000, 10**6])
@pytest.mark.parametrize("token", ["usd", "weth"])
def test_it_does_not_come_in(stage, token, fee):
    at = getattr(stage, token)
    stage.pair.mint(at, TRADER_ADDRESS, 10**8)
    stage.switch(at, "set_fee", fee)
    before = stage.balances()
    assert stage.on_chain("book", "deposit", TRADER, at, 10**7, sender=TRADER_ADDRESS) == MOVED
    assert stage.balances() == before
    stage.pair.compare(EVERYONE)
    stage.switch(at, "set_fee", 0)
    stage.pair.must("book", "deposit", TRADER, at, 10**7, sender=TRADER_ADDRESS)


def test_the_fee_of_a_withdrawal_is_the_receiver_s(stage):
    """Switched on later: the book gives what it owes, and is owed nothing."""
    stage.bring("trader", stage.weth, WAD)
    stage.bring("other", stage.weth, WAD)
    stage.switch(stage.weth, "set_fee", 500_000)
    args = TRADER, stage.weth, WAD, TRADER_ADDRESS
    assert isinstance(stage.on_chain("book", "withdraw", *args, sender=TRADER_ADDRESS), list)
    held = stage.balances()[7]
    assert held == WAD == stage.ask("book", "instrument_interest", stage.spot)


def test_nor_into_the_fund_nor_by_a_top_up(stage):
    fill_fund(stage, 10)
    stage.sick()
    stage.post()
    stage.pair.must("liquidator", "call", TRADER)
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 100 * USD)
    stage.pair.must("mandates", "set_top_up", TRADER, stage.usd, 100 * USD, 0, sender=TRADER_ADDRESS)
    stage.pair.approve(stage.usd, TRADER_ADDRESS, stage.pair.twin.at.fund)
    stage.switch(stage.usd, "set_fee", 10_000)
    assert stage.on_chain("liquidator", "top_up", TRADER, stage.usd, TRADER, sender=OWNER) == MOVED
    found = stage.on_chain("fund", "deposit", USD, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    assert found == "fund: vault moved another amount"
    stage.pair.compare(EVERYONE)
