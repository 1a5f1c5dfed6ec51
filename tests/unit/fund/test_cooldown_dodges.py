"""Ways around the cool-down, none of which leads out before a payment."""

import pytest

from plimsoll.spec.fund import VIRTUAL
from plimsoll.spec.wad import WAD

from .bench import ALICE, ATTACKER, BOB, DAY, MOST, OVER_CLAIM, OWNER, WEEK

LITTLE = "erc20: transfer amount exceeds balance"


@pytest.fixture
def held(bench):
    """The attacker and another, 1,000 coins each."""
    bench.enter(ATTACKER, 1_000 * bench.unit)
    bench.enter(BOB, 1_000 * bench.unit)
    return bench


def test_without_a_request_nothing_leaves(held):
    for wait in (0, WEEK, 100 * WEEK):
        held.later(wait)
        held.refuses(OVER_CLAIM, "redeem", 1, ATTACKER, ATTACKER, sender=ATTACKER)
        held.refuses(OVER_CLAIM, "withdraw", 1, ATTACKER, ATTACKER, sender=ATTACKER)


def test_in_the_block_of_the_deposit_nothing_leaves(bench):
    shares = bench.enter(ATTACKER, 1_000)
    bench.must("request", shares, sender=ATTACKER)
    bench.refuses(OVER_CLAIM, "redeem", shares, ATTACKER, ATTACKER, sender=ATTACKER)


def test_a_ripe_claim_is_not_for_shares_bought_later(held):
    """One unit is requested early; what is deposited in its window is not part of it."""
    held.must("request", VIRTUAL, sender=ATTACKER)
    held.later(WEEK)
    held.enter(ATTACKER, 10**9)
    held.refuses(OVER_CLAIM, "redeem", VIRTUAL + 1, ATTACKER, ATTACKER, sender=ATTACKER)
    # and to request them too ends the claim
    held.must("request", VIRTUAL, sender=ATTACKER)
    held.refuses(OVER_CLAIM, "redeem", 1, ATTACKER, ATTACKER, sender=ATTACKER)


def test_a_transfer_passes_no_claim_on(held):
    held.must("request", 500 * held.unit * VIRTUAL, sender=ATTACKER)
    held.refuses(LITTLE, "transfer", ALICE, 501 * held.unit * VIRTUAL, sender=ATTACKER)
    held.must("transfer", ALICE, 500 * held.unit * VIRTUAL, sender=ATTACKER)
    held.later(WEEK)
    held.refuses(OVER_CLAIM, "redeem", 1, ALICE, ALICE, sender=ALICE)
    # who has a claim gains none by shares that come to him
    held.must("transfer", ATTACKER, 500 * held.unit * VIRTUAL, sender=ALICE)
    held.refuses(OVER_CLAIM, "redeem", 500 * held.unit * VIRTUAL + 1, ATTACKER, ATTACKER, sender=ATTACKER)


def test_a_claim_is_not_kept_for_ever(held):
    """Requested at once and never used, it is not there when a payment is foreseen."""
    held.must("request", 1_000 * held.unit * VIRTUAL, sender=ATTACKER)
    held.later(WEEK + 2 * DAY + 1)
    held.refuses(OVER_CLAIM, "redeem", 1, ATTACKER, ATTACKER, sender=ATTACKER)
    held.pay(1_000 * WAD)
    held.must("cancel_request", sender=ATTACKER)
    # a new one waits anew
    held.must("request", 1_000 * held.unit * VIRTUAL, sender=ATTACKER)
    held.refuses(OVER_CLAIM, "redeem", 1, ATTACKER, ATTACKER, sender=ATTACKER)
    held.later(WEEK)
    assert held.must("redeem", 1_000 * held.unit * VIRTUAL, ATTACKER, ATTACKER, sender=ATTACKER) == 500 * held.unit


def test_another_with_a_ripe_claim_does_not_redeem_for_who_has_none(held):
    held.must("request", 1_000 * held.unit * VIRTUAL, sender=BOB)
    held.later(WEEK)
    held.must("approve", BOB, MOST, sender=ATTACKER)
    held.refuses(OVER_CLAIM, "redeem", 1, BOB, ATTACKER, sender=BOB)
    held.refuses(OVER_CLAIM, "withdraw", 1, BOB, ATTACKER, sender=BOB)
    # nor does he who has none through who has, without his leave
    held.refuses("erc20: insufficient allowance", "redeem", 1, ATTACKER, BOB, sender=ATTACKER)


def test_the_fund_is_nobodys_owner_to_redeem_from(held):
    held.must("request", 1_000 * held.unit * VIRTUAL, sender=BOB)
    held.later(WEEK)
    held.refuses(OVER_CLAIM, "redeem", 1, ATTACKER, held.at, sender=ATTACKER)


def test_cancelling_and_requesting_again_keeps_no_time(held):
    held.must("request", VIRTUAL, sender=ATTACKER)
    held.later(WEEK)
    held.must("cancel_request", sender=ATTACKER)
    held.must("request", VIRTUAL, sender=ATTACKER)
    held.refuses(OVER_CLAIM, "redeem", 1, ATTACKER, ATTACKER, sender=ATTACKER)


def test_a_shorter_cool_down_sets_no_request_free(held):
    held.must("set_cooldown", 30 * DAY, DAY, sender=OWNER)
    held.must("request", VIRTUAL, sender=ATTACKER)
    held.must("set_cooldown", DAY, DAY, sender=OWNER)
    held.later(30 * DAY - 1)
    held.refuses(OVER_CLAIM, "redeem", 1, ATTACKER, ATTACKER, sender=ATTACKER)


@pytest.mark.parametrize("when", [0, 1, WEEK - 1])
def test_who_requests_when_a_payment_is_seen_coming_bears_it(held, when):
    held.must("request", 1_000 * held.unit * VIRTUAL, sender=ATTACKER)
    held.later(when)
    held.pay(1_000 * WAD)
    held.later(WEEK - when)
    assert held.must("redeem", 1_000 * held.unit * VIRTUAL, ATTACKER, ATTACKER, sender=ATTACKER) == 500 * held.unit
