"""GMX, 9 July 2025, 42 M$ (most of it given back).

What happened: a refund called the receiver's contract in the midst of closing a position. From there the attacker
opened a short past the function that keeps the average price of all shorts; the value of the whole pool was read off a
number that was half updated, and his shares redeemed far too high.

What stands against it: whoever is called within a function finds either the state before it or the state after, or no
answer. Here a token asks for every number that anything is valued by, in the midst of every function that moves it.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import ATTACKER, ETH, EVERYONE, MAKER, MAX, TRADER, USD, WAD

from .scene import auction, fill_fund

TRADER_ADDRESS, STAKER = address_of("trader"), address_of("other")
BIDDER = address_of("bidder") << 96


def market(stage):
    """A borrower, a lender, an account in auction under water, a staker with a claim, fees to collect."""
    pair = stage.pair
    stage.fees(taker=1_000, cap=50_000)
    stage.curve(base=50_000)
    fill_fund(stage, 10_000)
    pair.must("fund", "request", 10**9, sender=STAKER)
    stage.fund("maker", 100_000)
    stage.fund("bidder", 10_000)
    stage.fund("trader", 400)
    stage.bring("trader", stage.weth, 10)
    stage.bring("maker", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.trade(MAKER, BIDDER, stage.call, WAD, 100 * WAD)
    stage.later(7 * 86_400)
    stage.pair.price(ETH, 1_500 * WAD)
    stage.post()
    auction(stage, TRADER)
    stage.later(900)
    pair.mint(stage.usd, TRADER_ADDRESS, 10**9)
    pair.mint(stage.weth, TRADER_ADDRESS, 10**9)
    for token in (stage.usd, stage.weth):
        pair.must("mandates", "set_top_up", TRADER, token, 10**6, 0, sender=TRADER_ADDRESS)


# what moves tokens: token, part, function, arguments, sender
STEPS = {
    "deposit": ("weth", "book", "deposit", lambda s: (TRADER, s.weth, 5), TRADER_ADDRESS),
    "deposit of cash": ("usd", "book", "deposit", lambda s: (TRADER, s.usd, 5), TRADER_ADDRESS),
    "withdraw": ("weth", "book", "withdraw", lambda s: (MAKER, s.weth, 5, ATTACKER), address_of("maker")),
    "withdraw cash": ("usd", "book", "withdraw", lambda s: (MAKER, s.usd, 5, ATTACKER), address_of("maker")),
    "top up": ("weth", "liquidator", "top_up", lambda s: (TRADER, s.weth, MAKER), ATTACKER),
    "top up cash": ("usd", "liquidator", "top_up", lambda s: (TRADER, s.usd, MAKER), ATTACKER),
    "bid that the fund pays for": ("usd", "liquidator", "bid", lambda _: (TRADER, BIDDER, WAD // 2), BIDDER >> 96),
    "stake": ("usd", "fund", "deposit", lambda _: (USD, STAKER), STAKER),
    "unstake": ("usd", "fund", "redeem", lambda _: (10**9, STAKER, STAKER), STAKER),
    "collect": ("usd", "fund", "collect", lambda _: (), ATTACKER),
}


def views(stage):
    """Every number that an account, a bid or a share is valued by."""
    words = list(stage.ask("book", "positions", MAKER))
    for who in (TRADER, MAKER, BIDDER):
        for name in ("ledger", "positions", "margin", "state", "brought_in"):
            yield "book", name, who
        yield "liquidator", "quote", who, WAD
        yield "liquidator", "fingerprint", who
        yield "liquidator", "recorded", who
        yield "lens", "explain", who
    yield "lens", "margins", [TRADER, MAKER]
    for name in ("pool", "utilisation", "outflow"):
        yield "book", name
    for instrument in (stage.perp, stage.spot):
        yield "book", "instrument_interest", instrument
        yield "oracle", "mark", instrument
    yield "book", "open_interest", ETH
    yield "oracle", "assess", words, 0
    yield "history", "variation", words
    yield "history", "unpaid", words
    for name in ("totalAssets", "totalSupply", "locked", "cover"):
        yield "fund", name
    yield "fund", "convertToAssets", 10**12
    yield "fund", "maxWithdraw", STAKER
    yield "fund", "available", ETH, 0
    yield "liquidator", "bad_debt"


def ask(stage, contract, data):
    """The first bytes of what a view answers, as the token keeps them; None where it refuses."""
    from plimsoll.spec.errors import Refused

    try:
        return stage.pair.chain.call(contract.address, data)[:256]
    except Refused:
        return None


@pytest.mark.parametrize("step", STEPS)
def test_within_a_transfer_every_number_is_old_or_new_or_none(stage, step):
    market(stage)
    pair = stage.pair
    token_name, part, name, args, sender = STEPS[step]
    token = getattr(stage, token_name)
    pair.mint(stage.usd, STAKER, 10**9)
    pair.approve(stage.usd, STAKER, pair.twin.at.fund, MAX)
    asked = [
        (contract := pair.contracts.get(of) or pair.lens, view, stage.data(of, view, *given))
        if of != "lens"
        else (pair.lens, view, lens_data(stage, view, given))
        for of, view, *given in views(stage)
    ]
    old = [ask(stage, contract, data) for contract, _, data in asked]
    with pair.isolated():
        pair.must(part, name, *args(stage), sender=sender)
        new = [ask(stage, contract, data) for contract, _, data in asked]
    assert old != new
    answers = 0
    for (contract, view, data), before, after in zip(asked, old, new, strict=True):
        with pair.isolated():
            stage.switch(token, "set_hook", contract.address, data)
            pair.must(part, name, *args(stage), sender=sender)
            made = pair.token_contracts[token]
            if made.call("hook_worked"):
                answers += 1
                assert made.call("hook_error") in (before, after), (step, view)
    assert answers > 0
    pair.compare(EVERYONE)


def lens_data(stage, view, given):
    function = stage.pair.lens.interface.function(view, len(given))
    return function.encode(given)


def test_the_honest_version_between_calls_all_is_there(stage):
    market(stage)
    for of, view, *given in views(stage):
        if of != "lens":
            stage.ask(of, view, *given)
