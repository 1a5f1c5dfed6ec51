"""What must hold of an account after something left it: where it needs no margin, and where the liquidator took it."""

import pytest

from plimsoll.spec.instruments import PERP, SPOT
from plimsoll.spec.registry import LEAVE
from tests.pairs import account

from .stage import ETH, OTHER, OWNER, TRADER, USD, WAD, clean_stage, make_row
from .test_interest import borrow

TRADER_ADDRESS = TRADER >> 96
RESERVE = account("trader", 1)
URGENT = 120  # [s]


@pytest.fixture
def stage():
    with clean_stage() as made:
        yield made


def test_a_debt_over_tokens_that_lose_nothing_has_no_least_equity(stage):
    """Margin is zero: the least equity of accounts with positions is not asked of it, solvency is."""
    borrow(stage, 1_000)
    stage.surfaces[ETH, 0] = (make_row(PERP), make_row(SPOT, 1, lanes=(0,) * 32, gross=0))
    stage.post()
    stage.limit(min_equity=10**6 * WAD)
    found = stage.margin(TRADER)
    assert (found.mm, found.im) == (0, 0)
    out = "book", "withdraw", TRADER, stage.weth
    stage.pair.must(*out, 9 * WAD, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    assert stage.quantity(TRADER, stage.spot) == WAD
    left = stage.margin(TRADER).equity_haircut
    assert 0 <= left < 10**6 * WAD
    reason = "clearinghouse: below initial margin"
    stage.refuses(reason, *out, WAD, TRADER_ADDRESS, sender=TRADER_ADDRESS)


def test_what_the_liquidator_draws_within_a_batch_is_no_withdrawal(stage):
    """A stop of withdrawals does not hold it up; the owner's own, in the same place, it does."""
    pair = stage.pair
    stage.sick()
    stage.fund("trader", 30)
    stage.fund("trader", 100, at=1)
    stage.allow("trader", at=1)
    pair.must("registry", "set_venue", pair.twin.at.liquidator, True, sender=OWNER)
    pair.must("mandates", "set_reserve", TRADER, RESERVE, sender=TRADER_ADDRESS)
    pair.must("liquidator", "call", TRADER)
    stage.fund("other", 1_000)
    stage.trade(RESERVE, OTHER, stage.sol_perp, WAD, 100 * WAD)
    pair.must("registry", "stop", LEAVE, pair.now + 600, sender=OWNER)
    own = ("book", "withdraw", RESERVE, stage.usd, USD, TRADER_ADDRESS)
    assert stage.batch(RESERVE, own, sender=TRADER_ADDRESS) is not None
    assert stage.batch(RESERVE, ("liquidator", "draw", TRADER, 10 * USD), sender=TRADER_ADDRESS) is None
    assert stage.ledger(RESERVE)[0] == 90 * WAD
    assert stage.margin(TRADER).equity_haircut == 226 * WAD
