"""Cream, 27 October 2021, 130 M$; Hundred Finance, 15 April 2023, 7 M$; Onyx, 1 November 2023, 2 M$; Resupply, 26 June
2025, 10 M$.

What happened: the price of a share was read off a balance that anyone can add to. A donation bent it: collateral
became worth twice as much, or, in a pool that was empty but for a wei of shares, any deposit of another rounded to
nothing.

What stands against it: the book counts what was brought in and never reads its balance but to check a transfer; the
fund counts likewise, has a million virtual shares from the start, and takes a donation in over a week.
"""

import pytest

from plimsoll.spec.errors import Refused
from tests.pairs import account, address_of, text
from tests.unit.clearinghouse.stage import ATTACKER, DAY, EVERYONE, MAKER, TRADER, USD, WAD

from .scene import fill_fund, passes, pocket, stage_without, wealth

VICTIM = address_of("other")
COUNTED = (
    ("InsuranceFund.vy", "    return self._held - self._locked()", "    return staticcall QUOTE.balanceOf(self)"),
    ("InsuranceFund.vy", "VIRTUAL: constant(uint256) = 10**6", "VIRTUAL: constant(uint256) = 1"),
)


def donate(stage, token, to, amount):
    """Tokens sent, past every function."""
    pair, contract = stage.pair, stage.pair.token_contracts[token]
    pair.mint(token, ATTACKER, amount)
    contract.transact("transfer", text(to), amount, sender=text(ATTACKER))
    pair.twin.tokens[token].transfer(ATTACKER, to, amount)


def ready(stage, who, dollars):
    """Quote in hand, and the fund may take it."""
    stage.pair.mint(stage.usd, who, dollars)
    stage.pair.approve(stage.usd, who, stage.pair.twin.at.fund)


def test_a_donation_to_the_book_moves_nothing(stage):
    """Neither collateral nor cash, neither utilisation nor an index, of an account that borrows and one that lends."""
    stage.fund("maker", 10_000)
    stage.bring("trader", stage.weth, 10 * WAD)
    stage.trade(TRADER, MAKER, stage.call, 5 * WAD, 100 * WAD)
    stage.curve(base=50_000)
    stage.later(3_600)

    def read():
        views = [stage.ask("book", name) for name in ("pool", "utilisation", "outflow")]
        views += [stage.ask("book", "instrument_interest", stage.spot), stage.margin(TRADER), stage.margin(MAKER)]
        return views

    before = read()
    donate(stage, stage.usd, stage.pair.twin.at.book, 10**6 * USD)
    donate(stage, stage.weth, stage.pair.twin.at.book, 10**6 * WAD)
    assert read() == before
    # and nobody can take it out
    for token in (stage.usd, stage.weth):
        stage.refuses(
            f"clearinghouse: {'cash' if token == stage.usd else 'collateral'} not there",
            "book", "withdraw", account("attacker"), token, 1, ATTACKER, sender=ATTACKER,
        )  # fmt: skip


def test_a_donation_to_the_fund_comes_in_over_a_week(stage):
    fill_fund(stage, 1_000)
    before = stage.ask("fund", "totalAssets")
    donate(stage, stage.usd, stage.pair.twin.at.fund, 1_000 * USD)
    assert stage.ask("fund", "totalAssets") == before
    stage.pair.must("fund", "collect")
    assert stage.ask("fund", "totalAssets") == before
    stage.later(DAY)
    assert stage.ask("fund", "totalAssets") - before in (1_000 * USD // 7, 1_000 * USD // 7 + 1)
    stage.pair.compare(EVERYONE)


def inflate(stage, first, donated, deposit):
    """The attack on an empty fund: first in, a donation, a victim, and out again; what each has in the end."""
    pair = stage.pair
    ready(stage, ATTACKER, first)
    pair.must("fund", "deposit", first, ATTACKER, sender=ATTACKER)
    donate(stage, stage.usd, pair.twin.at.fund, donated)
    pair.must("fund", "collect")
    stage.later(7 * DAY)
    ready(stage, VICTIM, deposit)
    found = pair.step("fund", "deposit", deposit, VICTIM, sender=VICTIM)
    people = [ATTACKER] if isinstance(found, Refused) else [ATTACKER, VICTIM]
    for who in people:
        pair.must("fund", "request", stage.ask("fund", "balanceOf", who), sender=who)
    stage.later(7 * DAY)
    for who in people:
        shares = stage.ask("fund", "maxRedeem", who)
        pair.must("fund", "redeem", shares, who, who, sender=who)
    return pocket(stage, "attacker"), pocket(stage, "other")


@pytest.mark.parametrize("first", [1, 1_000, USD])
@pytest.mark.parametrize("donated", [USD, 10_000 * USD, 10**6 * USD])
def test_who_inflates_an_empty_fund_loses_by_it(stage, first, donated):
    deposit = 10_000 * USD
    attacker, victim = inflate(stage, first, donated, deposit)
    assert attacker <= first + donated
    # the victim loses less than the attacker, and less than a share's price
    assert deposit - victim <= max(1, (first + donated - attacker) // 2)
    stage.pair.compare(EVERYONE)


def test_the_honest_version_two_stakers_get_their_own_back(stage):
    attacker, victim = inflate(stage, 1_000 * USD, 0 + 1, 10_000 * USD)
    assert attacker >= 1_000 * USD
    assert victim >= 10_000 * USD - 1


def test_an_account_that_is_given_something_is_not_worse(stage):
    """A gift of quote to an account: its requirement stays, its debt falls."""
    stage.bring("trader", stage.weth, 10 * WAD)
    stage.fund("maker", 10_000)
    stage.trade(TRADER, MAKER, stage.call, 5 * WAD, 100 * WAD)
    before, mine = stage.margin(TRADER), wealth(stage, "attacker")
    stage.pair.mint(stage.usd, ATTACKER, 10**9)
    stage.pair.must("book", "deposit", TRADER, stage.usd, 10**9, sender=ATTACKER)
    after = stage.margin(TRADER)
    assert (after.mm, after.im) == (before.mm, before.im)
    assert after.equity_haircut == before.equity_haircut + 1_000 * WAD
    assert wealth(stage, "attacker") == mine


@pytest.mark.slow
def test_where_a_balance_is_the_price_the_victim_loses_all():
    """Counting taken out and a single virtual share: the first depositor takes the second one's money."""
    stage = stage_without("InsuranceFund", *COUNTED)
    fund = stage.pair.twin.at.fund
    ready(stage, ATTACKER, 1)
    ready(stage, VICTIM, 10_000 * USD)
    assert passes(stage, "fund", "deposit", 1, ATTACKER, sender=ATTACKER)
    donate(stage, stage.usd, fund, 20_000 * USD)
    assert stage.on_chain("fund", "deposit", 10_000 * USD, VICTIM, sender=VICTIM) == "fund: zero shares"
    assert passes(stage, "fund", "deposit", 10_000 * USD, VICTIM, sender=VICTIM) is False
    donate(stage, stage.usd, fund, 1)
    ready(stage, VICTIM, 19_000 * USD)
    assert passes(stage, "fund", "deposit", 29_000 * USD, VICTIM, sender=VICTIM)
    # shares bought for 29,000 are worth less than 25,000
    assert stage.ask("fund", "convertToAssets", stage.ask("fund", "balanceOf", VICTIM)) < 25_000 * USD
