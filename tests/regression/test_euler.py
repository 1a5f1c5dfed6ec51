"""Euler Finance, 13 March 2023, 197 M$.

What happened: of all functions that lower an account's collateral one, a donation to the reserves, did not check
health afterwards. The attacker borrowed to the limit, donated himself under water, and liquidated himself from a
second contract at the largest discount.

What stands against it: every function that takes anything out of an account ends in the same check (I-10), here tried
over the whole ABI; and whoever liquidates himself moves his own discount from one hand to the other (I-23).
"""

import pytest

from tests.pairs import account, address_of
from tests.unit.clearinghouse.stage import (
    ATTACKER,
    BIDDER,
    ETH,
    EVERYONE,
    MAKER,
    MAX,
    OTHER,
    OWNER,
    TRADER,
    USD,
    VENUE,
    WAD,
)

from .scene import LOW, SECOND, auction, fill_fund, passes, reason, stage_without, wealth

TRADER_ADDRESS = address_of("trader")
UNCHECKED = ("BackOffice.vy", "    book._check_left(source, msg.sender != book.liquidator)\n", "")


def limit(stage):
    """The trader at initial margin to the wei: 1 perp, 0.1 WETH, 132 USD; E_h = IM = 312, MM 240."""
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 132)
    stage.bring("trader", stage.weth, WAD // 10)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    # a stranger's account, under water: what the trader might take over
    stage.fund("other", 286)
    stage.trade(OTHER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.allow("trader", at=1)
    for token in (stage.usd, stage.weth):
        stage.pair.mint(token, ATTACKER, 10**18)
        stage.pair.mint(token, TRADER_ADDRESS, 10**18)
    found = stage.margin(TRADER)
    assert found.equity_haircut == found.im == 312 * WAD
    return stage


def attempts(stage):
    """Every function of the book and of the liquidator that changes state, with the worst arguments for the trader."""
    usd, weth = stage.usd, stage.weth
    inner = [("book", "withdraw", TRADER, usd, 1, ATTACKER)], [("book", "transfer", TRADER, SECOND, weth, 1)]
    return {
        "book.deposit": [
            ((TRADER, usd, 1), ATTACKER),
            ((TRADER, weth, 10**18), ATTACKER),
            ((TRADER, usd, 0), ATTACKER),
        ],
        "book.withdraw": [
            ((TRADER, token, amount, to), who)
            for token in (usd, weth)
            for amount in (1, 10**5)
            for to, who in ((TRADER_ADDRESS, TRADER_ADDRESS), (ATTACKER, TRADER_ADDRESS), (ATTACKER, ATTACKER))
        ],
        "book.transfer": [
            ((TRADER, target, token, 1), who)
            for token in (usd, weth)
            for target in (SECOND, MAKER, TRADER)
            for who in (TRADER_ADDRESS, ATTACKER)
        ],
        "book.multicall": [((TRADER, *calls), TRADER_ADDRESS) for calls in (*inner, (*inner[0], *inner[1]))],
        "book.trade": [
            ((*sides, instrument, quantity, price), VENUE)
            for sides in ((TRADER, MAKER), (MAKER, TRADER), (TRADER, SECOND), (SECOND, TRADER))
            for instrument, mark in ((stage.perp, 2_000), (stage.future, 2_000), (stage.call, 100), (stage.put, 100))
            for quantity in (1, WAD // 10, WAD, 2 * WAD)
            for price in (mark * WAD, (mark - 90) * WAD, (mark + 200) * WAD)
        ],
        "book.settle": [((TRADER,), ATTACKER), ((SECOND,), ATTACKER)],
        "book.expire": [((TRADER,), ATTACKER)],
        "book.claim": [((), ATTACKER)],
        "book.seize": [((TRADER, MAKER, WAD, 0, 0), who) for who in (ATTACKER, OWNER, VENUE)],
        "book.pull": [((TRADER, usd, 1, MAKER, 10**18), who) for who in (ATTACKER, TRADER_ADDRESS)],
        "book.socialise": [((TRADER, TRADER, WAD), who) for who in (ATTACKER, TRADER_ADDRESS)],
        "book.set_liquidator": [((ATTACKER,), who) for who in (ATTACKER, OWNER)],
        "book.set_fund": [((ATTACKER,), who) for who in (ATTACKER, OWNER)],
        "liquidator.call": [((TRADER,), ATTACKER)],
        "liquidator.cure": [((TRADER,), ATTACKER)],
        "liquidator.top_up": [((TRADER, token, account("attacker")), ATTACKER) for token in (usd, weth)],
        "liquidator.draw": [((TRADER, 1), ATTACKER), ((SECOND, 1), ATTACKER), ((OTHER, 1), ATTACKER)],
        "liquidator.start": [((TRADER,), ATTACKER)],
        "liquidator.bid": [
            ((target, bidder, WAD), who)
            for target, bidder in ((TRADER, BIDDER), (OTHER, TRADER), (TRADER, SECOND))
            for who in (TRADER_ADDRESS, ATTACKER, BIDDER >> 96)
        ]
        + [((OTHER, SECOND, WAD, 2**255 - 1, MAX, bytes(32), TRADER, amount), TRADER_ADDRESS) for amount in (1, USD)],
        "liquidator.close": [((TRADER,), ATTACKER)],
        "liquidator.record": [((TRADER,), ATTACKER)],
        "liquidator.set_config": [((stage.pair.twin.liquidator.config,), ATTACKER)],
        "liquidator.set_fund": [((ATTACKER,), who) for who in (ATTACKER, OWNER)],
    }


def changing(stage, part):
    """Names of the functions of a part that can change state; its ownership is another matter."""
    abi = stage.pair.contracts[part].artifact.abi
    names = {entry["name"] for entry in abi if entry["type"] == "function" and entry["stateMutability"] != "view"}
    return {f"{part}.{name}" for name in names - {"transfer_ownership", "accept_ownership"}}


def test_every_function_that_changes_state_is_tried(stage):
    assert set(attempts(stage)) == changing(stage, "book") | changing(stage, "liquidator")


def test_no_function_leaves_an_account_at_its_limit_below_it(stage):
    """I-10: prices, time and parameters held, whatever is called, by whomever."""
    limit(stage)
    done = 0
    for key, tries in attempts(stage).items():
        part, name = key.split(".")
        for args, sender in tries:
            with stage.pair.isolated():
                if name == "multicall":
                    refused = stage.batch(args[0], *args[1:], sender=sender)
                else:
                    refused = reason(stage.pair.step(part, name, *args, sender=sender))
                done += not refused
                found = stage.margin(TRADER)
                assert found.equity_haircut >= found.im, (key, args)
    assert done > 20  # deposits, trades that reduce, settling: not all is refused


def test_with_the_stranger_in_auction_the_account_at_its_limit_can_pay_nothing_for_it(stage):
    limit(stage)
    # BTC falls, the stranger with it; ETH, and so the trader, stay
    stage.fund("other", 2_000)
    stage.trade(OTHER, MAKER, stage.btc_perp, WAD // 2, 20_000 * WAD)
    stage.pair.price(0x0101, 16_000 * WAD)
    stage.post()
    auction(stage, OTHER)
    for args in ((OTHER, TRADER, WAD), (OTHER, TRADER, 10**15)):
        stage.refuses(LOW, "liquidator", "bid", *args, sender=TRADER_ADDRESS)
    stage.refuses(
        LOW, "liquidator", "bid", OTHER, SECOND, WAD, 2**255 - 1, MAX, bytes(32), TRADER, 1, sender=TRADER_ADDRESS
    )
    # the honest version: who has the margin takes it
    stage.fund("bidder", 10_000)
    stage.pair.must("liquidator", "bid", OTHER, BIDDER, WAD, sender=BIDDER >> 96)
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("after", [0, 900, 3_600, 7_200])
@pytest.mark.parametrize("price", [1_990, 1_920, 1_800, 1_600])
def test_who_liquidates_himself_gains_nothing(stage, price, after):
    """I-23: from a second account of his own, at any time of the auction, with a fund that would pay others."""
    fill_fund(stage, 10_000)
    limit(stage)
    stage.fund("trader", 2_000, at=1)
    stage.fund("bidder", 1_000)
    stage.pair.price(ETH, price * WAD)
    stage.post()
    if stage.margin(TRADER).equity_haircut >= stage.margin(TRADER).mm:
        stage.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)
        return
    auction(stage, TRADER)
    stage.later(after)
    before, cover = wealth(stage, "trader"), stage.ask("fund", "cover")
    lost = max(0, -stage.margin(TRADER).equity_full)
    _, _, received = stage.pair.must("liquidator", "bid", TRADER, SECOND, WAD, sender=TRADER_ADDRESS)
    assert received == 0
    assert wealth(stage, "trader") <= before
    assert stage.ask("fund", "cover") == cover
    assert stage.margin(SECOND).equity_haircut >= stage.margin(SECOND).im
    # a loss that went under water comes along: nobody else bears it
    assert lost == 0 or stage.margin(TRADER).equity_full == 0
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("price", [1_920, 1_800, 1_600])
def test_behind_another_address_the_bonus_is_all_there_is_to_gain(stage, price):
    """What is known to remain: with equity under the discount the fund pays whoever bids, a hidden owner too."""
    fill_fund(stage, 10_000)
    limit(stage)
    stage.fund("bidder", 2_000)
    stage.pair.price(ETH, price * WAD)
    stage.post()
    auction(stage, TRADER)
    stage.later(3_600)
    found = stage.margin(TRADER)
    before = wealth(stage, "trader", "bidder")
    stage.pair.must("liquidator", "bid", TRADER, BIDDER, WAD, sender=BIDDER >> 96)
    bonus = found.mm * stage.pair.twin.liquidator.config.bonus // 10**6
    assert wealth(stage, "trader", "bidder") - before <= bonus + max(0, -found.equity_full)


@pytest.mark.slow
def test_without_the_check_the_margin_leaves():
    """The control taken out of `transfer` alone: an account at its limit is emptied, and lies there for others."""
    stage = limit(stage_without("BackOffice", UNCHECKED))
    assert passes(stage, "book", "transfer", TRADER, SECOND, stage.usd, 132 * USD, sender=TRADER_ADDRESS)
    assert passes(stage, "book", "withdraw", SECOND, stage.usd, 132 * USD, TRADER_ADDRESS, sender=TRADER_ADDRESS)
    assert stage.ask("book", "state", TRADER) == 3
