"""Tokens that answer `false` where others revert, and tokens that answer nothing: ZRX and BNB, USDT.

What happens: a transfer that failed is taken for one that went through, and is credited; or one that went through is
taken for a failure, and the token is locked in.

What stands against it: `false` is refused, no answer at all is taken for `true`, and either way the balance must have
moved by what was asked for.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import EVERYONE, TRADER, USD

from .scene import fill_fund

MOVED = "clearinghouse: vault moved another amount"
TRADER_ADDRESS = address_of("trader")


@pytest.fixture(params=["usd", "weth"])
def token(request, stage):
    at = getattr(stage, request.param)
    stage.bring("trader", at, 10**7)
    stage.pair.mint(at, TRADER_ADDRESS, 10**7)
    return at


STEPS = (("deposit", ()), ("withdraw", (TRADER_ADDRESS,)))


@pytest.mark.parametrize(("name", "more"), STEPS)
def test_false_is_a_failure(stage, token, name, more):
    stage.switch(token, "set_answer", 2)
    before = stage.balances()
    assert stage.on_chain("book", name, TRADER, token, 1_000, *more, sender=TRADER_ADDRESS) == MOVED
    assert stage.balances() == before
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize(("name", "more"), STEPS)
def test_no_answer_is_a_success_once_it_moved(stage, token, name, more):
    stage.switch(token, "set_answer", 1)
    stage.pair.must("book", name, TRADER, token, 1_000, *more, sender=TRADER_ADDRESS)
    stage.pair.compare(EVERYONE)


def test_likewise_the_fund(stage):
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 10 * USD)
    stage.pair.approve(stage.usd, TRADER_ADDRESS, stage.pair.twin.at.fund)
    stage.switch(stage.usd, "set_answer", 2)
    found = stage.on_chain("fund", "deposit", USD, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    assert found == "fund: vault moved another amount"
    stage.switch(stage.usd, "set_answer", 1)
    stage.pair.must("fund", "deposit", USD, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    fill_fund(stage, 10)
    stage.pair.compare(EVERYONE)
