"""Clearinghouse.socialise: a loss that nobody else bears, of all positive cash the same part."""

import pytest

from plimsoll.spec.interest import ONE
from tests.pairs import account, address_of

from .stage import ATTACKER, BIDDER, EVERYONE, MAKER, OTHER, OWNER, TRADER, WAD, clean_stage

SEIZER = address_of("seizer")
LOSER = account("loser")  # whose loss it is
INTEREST = 2
HALF = "clearinghouse: loss over half of all cash"


@pytest.fixture
def stage():
    """6,000 of the maker's, 3,000 of the trader's, 1,000 of the bidder's; a role is the liquidator."""
    with clean_stage(SEIZER) as made:
        for role, dollars in (("maker", 6_000), ("trader", 3_000), ("bidder", 1_000)):
            made.fund(role, dollars)
        yield made


def socialise(stage, who, amount, loser=LOSER):
    stage.is_told &= stage.ledger(loser)[0] <= 0  # whose loss it is, what the Liquidator logs behind it tells
    stage.pair.must("book", "socialise", loser, who, amount, sender=SEIZER)
    stage.pair.compare([*EVERYONE, INTEREST])


def refuses(stage, reason, who, amount, sender=SEIZER):
    stage.refuses(reason, "book", "socialise", LOSER, who, amount, sender=sender)


def test_everybody_bears_the_same_part(stage):
    socialise(stage, OTHER, 1_000 * WAD)
    assert [stage.ledger(who)[0] for who in (MAKER, TRADER, BIDDER, OTHER)] == [
        5_400 * WAD,
        2_700 * WAD,
        900 * WAD,
        1_000 * WAD,
    ]
    args = {"account": OTHER, "amount": 1_000 * WAD, "supply": 10_000 * WAD, "supply_index": ONE * 9 // 10}
    assert stage.last() == ("LossSocialised", args)
    assert stage.ask("book", "pool") == ((ONE * 9 // 10, ONE, stage.pair.now, 10_000 * WAD, 0), 0)
    # until the others are touched the interest account stands in for them
    assert stage.ledger(INTEREST) == (-1_000 * WAD, 0)
    for who in (MAKER, TRADER, BIDDER, OTHER):
        stage.pair.must("book", "expire", who)
    assert stage.ledger(INTEREST) == (0, 0)
    assert stage.pair.twin.conserved()[0] == 10_000 * WAD


def test_who_takes_it_over_bears_his_part_too(stage):
    socialise(stage, BIDDER, 1_000 * WAD)
    assert stage.ledger(BIDDER) == (1_900 * WAD, 0)
    names = [event.name for event in stage.book.log[-2:]]
    assert names == ["InterestBooked", "LossSocialised"]


def test_the_losers_own_cash_bears_no_part(stage):
    """It goes toward the loss already: cut besides, who takes the account over would pay for it twice."""
    socialise(stage, OTHER, 700 * WAD, loser=TRADER)
    assert [stage.ledger(who)[0] for who in (MAKER, TRADER, BIDDER, OTHER)] == [
        5_400 * WAD,
        3_000 * WAD,
        900 * WAD,
        700 * WAD,
    ]
    assert stage.last()[1]["supply"] == 7_000 * WAD
    for who in (MAKER, TRADER, BIDDER, OTHER):
        stage.pair.must("book", "expire", who)
    assert stage.ledger(INTEREST) == (0, 0)
    refuses(stage, HALF, OTHER, 2**255)


def test_half_is_of_what_others_have(stage):
    for loser, most in ((TRADER, 3_500 * WAD), (MAKER, 2_000 * WAD)):
        args = loser, OTHER, most + 1
        stage.refuses(HALF, "book", "socialise", *args, sender=SEIZER)
    socialise(stage, OTHER, 2_000 * WAD, loser=MAKER)
    assert stage.ledger(MAKER)[0] == 6_000 * WAD
    assert stage.ledger(TRADER)[0] == 1_500 * WAD


def test_the_losers_interest_is_booked_first(stage):
    stage.curve(base=1_000_000, reserve=0)
    stage.bring("other", stage.weth, WAD)
    stage.trade(OTHER, MAKER, stage.call, WAD, 100 * WAD)
    stage.later(365 * 86_400)
    had = stage.ledger(TRADER)[0]
    assert had > 3_000 * WAD
    socialise(stage, BIDDER, 100 * WAD, loser=TRADER)
    assert stage.ledger(TRADER)[0] == had


def test_debts_stay(stage):
    stage.bring("other", stage.weth, WAD)
    stage.trade(OTHER, MAKER, stage.call, WAD, 100 * WAD)
    socialise(stage, BIDDER, 1_010 * WAD)
    assert stage.ledger(OTHER) == (-100 * WAD, 0)
    assert stage.ledger(MAKER) == (6_100 * WAD * 9 // 10, 0)
    assert stage.ask("book", "pool")[0][4] == 100 * WAD


def test_a_debtor_who_takes_it_over_owes_less(stage):
    stage.bring("other", stage.weth, WAD)
    stage.trade(OTHER, MAKER, stage.call, WAD, 100 * WAD)
    socialise(stage, OTHER, 30 * WAD)
    assert stage.ledger(OTHER) == (-70 * WAD, 0)
    assert stage.ask("book", "pool")[0][3:] == (10_070 * WAD, 70 * WAD)


@pytest.mark.parametrize("amount", [1, 7, 333_333_333_333_333_333, 10**21 + 1])
def test_the_odd_unit_is_borne_by_accounts(stage, amount):
    before = {who: stage.ledger(who)[0] for who in (MAKER, TRADER, BIDDER)}
    socialise(stage, OTHER, amount)
    lost = {who: cash - stage.ledger(who)[0] for who, cash in before.items()}
    assert all(lost[who] * 10_000 * WAD >= amount * cash for who, cash in before.items())
    assert amount <= sum(lost.values()) <= amount + 10_003
    for who in before:
        stage.pair.must("book", "expire", who)
    assert 0 <= stage.ledger(INTEREST)[0] <= 10_003


def test_half_of_all_cash_and_no_more(stage):
    refuses(stage, HALF, OTHER, 5_000 * WAD + 1)
    refuses(stage, HALF, OTHER, 2**256 - 1)
    socialise(stage, OTHER, 5_000 * WAD)
    assert stage.ledger(MAKER)[0] == 3_000 * WAD
    assert stage.ledger(OTHER)[0] == 5_000 * WAD


def test_an_index_that_would_say_nothing(stage):
    for _ in range(39):
        socialise(stage, OTHER, 5_000 * WAD)
    refuses(stage, HALF, OTHER, 5_000 * WAD)
    socialise(stage, OTHER, 4_000 * WAD)
    assert stage.ask("book", "pool")[0][0] >= 10**6


def test_where_nobody_has_any_cash():
    with clean_stage(SEIZER) as made:
        made.refuses(HALF, "book", "socialise", LOSER, OTHER, 1, sender=SEIZER)
        made.refuses("", "book", "socialise", LOSER, OTHER, 0, sender=SEIZER)


def test_where_others_have_one_unit():
    """Nothing can be taken of it, and taking nothing stays good: it is none that is refused."""
    with clean_stage(SEIZER) as made:
        made.fund("maker", "0.000001")
        socialise(made, OTHER, 1)
        made.pair.must("book", "expire", MAKER)
        assert [made.ledger(who)[0] for who in (MAKER, OTHER)] == [10**12 - 1, 1]
        before = made.ask("book", "pool")
        made.refuses(HALF, "book", "socialise", MAKER, BIDDER, 1, sender=SEIZER)
        socialise(made, BIDDER, 0, loser=MAKER)
        assert made.ask("book", "pool") == before


@pytest.mark.parametrize("sender", [ATTACKER, OWNER, address_of("trader"), address_of("venue")])
def test_only_the_liquidator(stage, sender):
    refuses(stage, "clearinghouse: not the liquidator", OTHER, 1, sender=sender)


def test_interest_accrues_first(stage):
    stage.curve(base=100_000, reserve=0)
    stage.bring("other", stage.weth, WAD)
    stage.trade(OTHER, MAKER, stage.call, WAD, 100 * WAD)
    stage.later(365 * 86_400)
    socialise(stage, BIDDER, 1_011 * WAD)
    # 10,100 of cash and 10 of interest, of which a tenth
    assert stage.last()[1]["supply"] == 10_110 * WAD
    assert stage.ledger(OTHER)[0] == -110 * WAD


def test_a_deposit_afterwards_bears_nothing(stage):
    socialise(stage, OTHER, 1_000 * WAD)
    stage.fund("trader", 300)
    assert stage.ledger(TRADER)[0] == 3_000 * WAD
