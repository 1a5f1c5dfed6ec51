"""Derive (Lyra v2), found by its auditors before anybody lost by it.

What was found: a liquidation could be blocked by sending something to the one who liquidates, whose account was then
not as it had to be; and data that a user hands to a manager contract could call back in.

What stands against it (I-26): bids ask for limits, not for a state; what is sent to an account changes at most how
much of it needs to be taken. Nobody can bring a stranger anything but quote, so nobody fills his book. No
function takes a call to make but `multicall`, which makes it to the book and to admitted venues only.
"""

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import FUTURE
from tests.pairs import account, address_of, text
from tests.unit.clearinghouse.stage import (
    ATTACKER,
    BIDDER,
    ETH,
    EVERYONE,
    EXPIRY,
    MAKER,
    MAX,
    TRADER,
    USD,
    WAD,
    make_row,
)

from .scene import SECOND, auction, pocket

BIDDER_ADDRESS, TRADER_ADDRESS = address_of("bidder"), address_of("trader")
NEW = "clearinghouse: not the account's"
GAS_LIMIT = 16_777_216  # of a transaction, EIP-7825


@pytest.fixture
def sick(stage):
    """In auction: E_m = 186 of MM 209; somebody who wants to take all of it over; an attacker with tokens."""
    stage.sick()
    stage.post()
    stage.fund("bidder", 10_000)
    for token in (stage.usd, stage.weth, stage.wbtc):
        stage.pair.mint(token, ATTACKER, 10**20)
        stage.pair.mint(token, TRADER_ADDRESS, 10**20)
    return stage


def bid(stage, **changes):
    args = {"fraction": WAD, "max_price": 2**255 - 1, "max_mm": MAX, "state": bytes(32)} | changes
    return stage.pair.step("liquidator", "bid", TRADER, BIDDER, *args.values(), sender=BIDDER_ADDRESS)


def send(stage, token, to, amount):
    """Past every function."""
    stage.pair.token_contracts[token].transact("transfer", text(to), amount, sender=text(ATTACKER))
    stage.pair.twin.tokens[token].transfer(ATTACKER, to, amount)


def test_tokens_sent_to_whoever_has_a_part_in_it_block_nothing(sick):
    stage, at = sick, sick.pair.twin.at
    auction(stage, TRADER)
    expected = stage.ask("liquidator", "quote", TRADER, WAD)
    for to in (at.liquidator, at.book, at.fund, BIDDER_ADDRESS, TRADER_ADDRESS):
        for token in (stage.usd, stage.weth):
            send(stage, token, to, 12_345)
    assert stage.ask("liquidator", "quote", TRADER, WAD) == expected
    assert bid(stage)[:2] == expected[:2]
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("amount", [1, 10 * USD])
def test_deposits_into_either_account_in_front_of_each_bid(sick, amount):
    """The price follows; a bid that names limits goes through, and brings the account back."""
    stage = sick
    auction(stage, TRADER)
    limit, state = stage.margin(TRADER).equity_full, stage.ask("liquidator", "fingerprint", TRADER)
    for who in (TRADER, BIDDER):
        stage.pair.must("book", "deposit", who, stage.usd, amount, sender=ATTACKER)
    # who bids on an exact state can be kept waiting so: limits are for that
    assert bid(stage, state=state).reason == "liquidator: another state"
    assert not isinstance(bid(stage, max_price=limit, max_mm=209 * WAD), Refused)
    assert stage.margin(TRADER).equity_haircut >= stage.margin(TRADER).im
    assert stage.ask("liquidator", "auction", TRADER) == 0
    stage.pair.compare(EVERYONE)


def test_nobody_brings_a_stranger_any_collateral(sick):
    stage = sick
    for who in (TRADER, BIDDER, SECOND):
        for token in (stage.weth, stage.wbtc):
            stage.refuses(NEW, "book", "deposit", who, token, 1, sender=ATTACKER)
    stage.refuses("clearinghouse: unknown token", "book", "deposit", TRADER, stage.unlisted, 1, sender=ATTACKER)
    stage.refuses("clearinghouse: another owner", "book", "transfer", account("attacker"), TRADER, stage.usd, 1)


def test_the_owner_s_own_manoeuvres_neither_end_nor_delay_it(sick):
    """Dust of every token into the account, out of a reserve, called and closed in between, from the owner's side."""
    stage, pair = sick, sick.pair
    auction(stage, TRADER)
    began = stage.ask("liquidator", "auction", TRADER)
    for token in (stage.usd, stage.weth, stage.wbtc):
        pair.must("book", "deposit", TRADER, token, 1, sender=TRADER_ADDRESS)
        pair.must("book", "deposit", SECOND, token, 100, sender=TRADER_ADDRESS)
        pair.must("book", "transfer", SECOND, TRADER, token, 1, sender=TRADER_ADDRESS)
    tries = (("call", TRADER), ("start", TRADER), ("cure", TRADER), ("close", TRADER), ("record", TRADER))
    for name, *args in tries:
        pair.step("liquidator", name, *args, sender=TRADER_ADDRESS)
        assert stage.ask("liquidator", "auction", TRADER) == began
    args = TRADER, SECOND, 10**14
    reason = "liquidator: fraction below the minimum"
    stage.refuses(reason, "liquidator", "bid", *args, sender=TRADER_ADDRESS)
    found = bid(stage)
    assert found[0] > WAD // 4
    stage.pair.compare(EVERYONE)


def test_a_batch_cannot_be_aimed_at_anything_but_the_book_and_venues(sick):
    stage = sick
    stage.switch(stage.usd, "mint", text(stage.pair.twin.at.book), USD)
    for target in (stage.usd, stage.pair.twin.at.mandates, stage.pair.twin.at.liquidator, ATTACKER):
        usd = stage.pair.token_contracts[stage.usd]
        data = usd.interface.function("transfer", 2).encode([text(ATTACKER), USD])
        items = [{"target": target, "data": data}]
        found = stage.on_chain("book", "multicall", account("attacker"), items, sender=ATTACKER)
        assert found == "clearinghouse: venue not admitted"
    assert pocket(stage, "attacker") == 10**20


def full_book(stage, count=127):
    """An account with as many positions as there may be, under maintenance margin: dust but for one perp."""
    pair = stage.pair
    stage.fund("maker", 10**6)
    stage.fund("trader", 286 + 20)
    expiries = [EXPIRY + day * 86_400 for day in range(1, 5)]
    made = []
    for expiry in expiries:
        made += [stage.list(ETH, expiry, FUTURE)]
        made += [stage.list(ETH, expiry, 2 + n % 2, 1_000 + n) for n in range(31)]
        rows = [make_row(FUTURE), *(make_row(2 + n % 2, 1_000 + n) for n in range(31))]
        stage.surfaces[ETH, expiry] = tuple(rows)
    stage.post()
    for instrument in made[: count - 1]:
        stage.trade(TRADER, MAKER, instrument, 10**6, max(1, stage.mark(instrument)))
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    assert len(stage.ask("book", "positions", TRADER)) == count
    pair.price(ETH, 1_880 * WAD)
    stage.post()


def test_an_account_full_of_dust_is_liquidated_all_the_same(stage):
    """All of it within the gas of one transaction, by a bidder who held nothing before."""
    full_book(stage)
    stage.fund("bidder", 10_000)
    auction(stage, TRADER)
    stage.later(300)
    pair, contract = stage.pair, stage.pair.contracts["liquidator"]
    data = stage.data("liquidator", "bid", TRADER, BIDDER, WAD)
    with pair.chain.isolate():
        receipt = pair.chain.transact(contract.address, data, sender=text(BIDDER_ADDRESS))
    assert receipt.gas_used < GAS_LIMIT
    assert not isinstance(bid(stage), Refused)
    assert stage.ask("liquidator", "auction", TRADER) == 0
    stage.pair.compare(EVERYONE)


def test_without_the_rule_a_stranger_could_hold_the_book_full(stage):
    """What the rule is for: a delegate, who may, brings in tokens the owner never held."""
    from plimsoll.spec.mandates import DEPOSIT

    stage.pair.mint(stage.weth, ATTACKER, 10)
    stage.refuses(NEW, "book", "deposit", TRADER, stage.weth, 1, sender=ATTACKER)
    stage.delegate("trader", DEPOSIT, ATTACKER)
    stage.pair.must("book", "deposit", TRADER, stage.weth, 1, sender=ATTACKER)
    assert stage.quantity(MAKER, stage.spot) == 0
