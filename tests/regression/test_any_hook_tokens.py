"""Tokens that call the receiver or the sender, ERC-777 and its like: imBTC in Lendf.Me, 19 April 2020, 25 M$.

What happened: within the transfer of a deposit the depositor's hook withdrew what he had; then the deposit wrote the
old balance, grown by what he brought, and his withdrawal was forgotten.

What stands against it: the lock (`test_curve_vyper.py` tries every function), and the amount that moved counted by the
balance before and after, so that a hook which moves the token past the book is found as well.
"""

import pytest

from plimsoll.spec.mandates import ALL
from tests.pairs import address_of, encode_call, text
from tests.unit.clearinghouse.stage import ATTACKER, EVERYONE, MAX, TRADER, WAD

TRADER_ADDRESS = address_of("trader")


@pytest.fixture
def hooked(stage):
    """The trader with 1 WETH in the book and one outside; the token may do whatever he may."""
    stage.bring("trader", stage.weth, WAD)
    stage.pair.mint(stage.weth, TRADER_ADDRESS, WAD)
    stage.pair.must("mandates", "set_delegate", TRADER, stage.weth, ALL, MAX, sender=TRADER_ADDRESS)
    return stage


def test_a_withdrawal_within_a_deposit_does_not_happen(hooked):
    stage, token = hooked, hooked.weth
    book = stage.pair.contracts["book"]
    stage.switch(token, "set_hook", book.address, stage.data("book", "withdraw", TRADER, token, WAD, ATTACKER))
    stage.pair.must("book", "deposit", TRADER, token, 1_000, sender=TRADER_ADDRESS)
    assert not stage.pair.token_contracts[token].call("hook_worked")
    assert stage.quantity(TRADER, stage.spot) == WAD + 1_000
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("name", ["deposit", "withdraw"])
@pytest.mark.parametrize("amount", [1, 1_000, WAD // 2])
def test_tokens_sent_to_the_book_within_a_transfer_are_found(hooked, name, amount):
    """The hook sends the book some more of the same token: the amount differs from what was asked for."""
    stage, token = hooked, hooked.pair.token_contracts[hooked.weth]
    stage.switch(hooked.weth, "mint", token.address, WAD)
    # the hook's own transfer calls the hook again, which runs dry and is forgotten
    transfer = encode_call(token.interface.function("transfer", 2), (stage.pair.twin.at.book, amount))
    stage.switch(hooked.weth, "set_hook", token.address, transfer)
    args = (TRADER, hooked.weth, 1_000, *((TRADER_ADDRESS,) if name == "withdraw" else ()))
    assert stage.on_chain("book", name, *args, sender=TRADER_ADDRESS) == "clearinghouse: vault moved another amount"
    stage.pair.compare(EVERYONE)
    stage.switch(hooked.weth, "set_hook", text(0), b"")
    stage.pair.must("book", name, *args, sender=TRADER_ADDRESS)
