"""Unbounded loops: GovernMental's jackpot, 2016, could not be paid out because the list to clear was too long.

What happens: a loop over what users add grows until it costs more gas than a block has; what needs it never runs
again.

What stands against it: every list has its bound in its type: the language has no other loops. An account has at most
127 positions; at that bound, all in different surfaces and underlyings as far as there are any, every function that
loops over them stays within the gas of one transaction (I-51). Nothing loops over accounts: losses are shared by an
index.
"""

import pytest

from tests.pairs import text
from tests.unit.clearinghouse.stage import BIDDER, ETH, MAKER, TRADER, VENUE, WAD

from .scene import auction
from .test_derive import GAS_LIMIT, full_book

TRADER_ADDRESS = TRADER >> 96


@pytest.fixture
def full(stage):
    """127 positions in six surfaces, the account under maintenance margin, one who takes it over."""
    full_book(stage)
    stage.fund("bidder", 10**6)
    return stage


def gas(stage, part, name, *args, sender=1):
    contract = stage.pair.contracts[part]
    with stage.pair.chain.isolate():
        receipt = stage.pair.chain.transact(contract.address, stage.data(part, name, *args), sender=text(sender))
    return receipt.gas_used


def test_every_function_stays_within_a_transaction(full):
    stage = full
    cost = {}
    with stage.pair.isolated():
        stage.pair.price(ETH, 2_000 * WAD)
        stage.post()
        stage.fund("trader", 10_000)
        cost["withdraw"] = gas(stage, "book", "withdraw", TRADER, stage.usd, 1, TRADER_ADDRESS, sender=TRADER_ADDRESS)
        args = TRADER, TRADER + 1, stage.usd, 1
        cost["transfer"] = gas(stage, "book", "transfer", *args, sender=TRADER_ADDRESS)
        args = TRADER, MAKER, stage.perp, WAD, 2_000 * WAD
        cost["trade"] = gas(stage, "book", "trade", *args, sender=VENUE)
        cost["settle"] = gas(stage, "book", "settle", TRADER)
    cost["call"] = gas(stage, "liquidator", "call", TRADER)
    auction(stage, TRADER)
    cost["bid"] = gas(stage, "liquidator", "bid", TRADER, BIDDER, WAD, sender=BIDDER >> 96)
    stage.pair.price(ETH, 1_500 * WAD)
    stage.later(3_600)
    cost["bid at a loss"] = gas(stage, "liquidator", "bid", TRADER, BIDDER, WAD, sender=BIDDER >> 96)
    assert max(cost.values()) < GAS_LIMIT, cost


def test_one_more_position_is_refused(full):
    stage = full
    stage.pair.price(ETH, 2_000 * WAD)
    stage.post()
    stage.fund("trader", 10**5)
    many = "clearinghouse: too many positions"
    stage.refuses_trade(many, TRADER, MAKER, stage.btc_perp, 10**6, 20_000 * WAD)
    stage.refuses(many, "book", "deposit", TRADER, stage.weth, 1, sender=funded(stage))


def funded(stage):
    stage.pair.mint(stage.weth, TRADER_ADDRESS, 1)
    return TRADER_ADDRESS
