"""I-42: stops stop exactly what they list. Every function that changes state, at every set of stops."""

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.exchange import Order
from plimsoll.spec.registry import LEAVE, LIQUIDATION, RISK
from plimsoll.spec.standing import StandingOrder
from plimsoll.spec.surface import encode
from tests.pairs import MAX, PARTS, account, address_of, compiled, sign
from tests.regression.scene import fill_fund
from tests.unit.clearinghouse.stage import (
    BIDDER,
    BTC,
    DAY,
    ETH,
    EXPIRY,
    MAKER,
    OTHER,
    OWNER,
    SOL,
    TRADER,
    USD,
    VENUE,
    WAD,
    make_surface,
)

TRADER_ADDRESS, MAKER_ADDRESS, BIDDER_ADDRESS, OTHER_ADDRESS = map(address_of, ("trader", "maker", "bidder", "other"))
ONLY_REDUCING = "clearinghouse: only reducing is allowed"
NO_LEAVING = "registry: withdrawals are stopped"
NO_LIQUIDATION = "liquidator: liquidations are stopped"
SETS = range(8)


def risky(stage):
    """The trader and the maker hold a perp, and have more than they need."""
    stage.fund("maker", 10_000)
    stage.fund("trader", 10_000)
    stage.trade(TRADER, MAKER, stage.perp, 2 * WAD, 2_000 * WAD)


def flat(stage):
    """The trader has cash and no position."""
    stage.fund("trader", 10_000)
    stage.bring("trader", stage.weth, WAD)


def called(stage):
    """The trader was called; reserve, top-up and a standing order are there."""
    pair = stage.pair
    stage.sick()
    pair.mint(stage.usd, TRADER_ADDRESS, 1_000 * USD)
    pair.must("mandates", "set_top_up", TRADER, stage.usd, 10 * USD, 0, sender=TRADER_ADDRESS)
    stage.fund("trader", 1_000, at=1)
    pair.must("mandates", "set_reserve", TRADER, account("trader", 1), sender=TRADER_ADDRESS)
    pair.must("liquidator", "call", TRADER)


def ripe(stage):
    called(stage)
    stage.later(121)


def auctioned(stage):
    ripe(stage)
    stage.pair.must("liquidator", "start", TRADER)
    stage.fund("bidder", 10_000)


def wait_for_expiry(stage):
    stage.later(EXPIRY - 600 - stage.pair.now)


def orders(stage, instrument, quantity, maker="maker"):
    """A maker's and the trader's order, signed."""
    pair = stage.pair
    made = []
    for role, amount in ((maker, -quantity), ("trader", quantity)):
        pair.must(
            "mandates", "set_allowance", account(role), pair.twin.at.exchange, MAX, MAX, 0, 0, sender=address_of(role)
        )
        order = Order(account(role), address_of(role), instrument, amount, 2_000 * WAD, MAX, 1)
        made += [order, sign(role, pair.twin.exchange.digest(order))]
    return (*made, abs(quantity))


def standing(stage):
    """A standing order of the called trader to sell, and who takes it."""
    pair = stage.pair
    at = pair.twin.at.standing
    pair.must("mandates", "set_allowance", TRADER, at, MAX, MAX, 0, 0, sender=TRADER_ADDRESS)
    pair.must("mandates", "set_allowance", MAKER, at, MAX, MAX, 0, 0, sender=MAKER_ADDRESS)
    order = StandingOrder(TRADER, TRADER_ADDRESS, stage.perp, -WAD, 0, MAX, 1)
    return order, sign("trader", pair.twin.standing.digest(order)), MAKER, WAD


def requested(stage):
    """The other role's shares of the fund can be redeemed."""
    fill_fund(stage, 100)
    fund = stage.pair.twin.fund
    stage.pair.must("fund", "request", fund.balanceOf(OTHER_ADDRESS), sender=OTHER_ADDRESS)
    stage.later(fund.cooldown)


def staked(stage):
    fill_fund(stage, 100)


def nothing(_):
    pass


# what is done: part, function, scene, arguments of the stage, sender, and by which levels it is refused, and how
STEPS = {
    "deposit": ("book", "deposit", flat, lambda s: _paid(s, (TRADER, s.usd, USD)), TRADER_ADDRESS, {}),
    "withdraw, flat": ("book", "withdraw", flat, lambda s: (TRADER, s.usd, 9_000 * USD, 5), TRADER_ADDRESS, {}),
    "withdraw collateral, flat": ("book", "withdraw", flat, lambda s: (TRADER, s.weth, WAD, 5), TRADER_ADDRESS, {}),
    "withdraw": ("book", "withdraw", risky, lambda s: (TRADER, s.usd, USD, 5), TRADER_ADDRESS, {LEAVE: NO_LEAVING}),
    "transfer, flat": (
        "book",
        "transfer",
        flat,
        lambda s: (TRADER, account("trader", 1), s.usd, USD),
        TRADER_ADDRESS,
        {},
    ),
    "transfer": (
        "book",
        "transfer",
        risky,
        lambda s: (TRADER, account("trader", 1), s.usd, USD),
        TRADER_ADDRESS,
        {LEAVE: NO_LEAVING},
    ),
    "trade, new risk": (
        "book",
        "trade",
        risky,
        lambda s: (TRADER, MAKER, s.perp, WAD, 2_000 * WAD),
        VENUE,
        {RISK: ONLY_REDUCING},
    ),
    "trade, less risk": ("book", "trade", risky, lambda s: (MAKER, TRADER, s.perp, WAD, 2_000 * WAD), VENUE, {}),
    "exchange, new risk": (
        "exchange",
        "settle",
        risky,
        lambda s: orders(s, s.perp, WAD),
        1,
        {RISK: ONLY_REDUCING},
    ),
    "exchange, less risk": ("exchange", "settle", risky, lambda s: orders(s, s.perp, -WAD), 1, {}),
    "standing order": ("standing", "execute", called, standing, MAKER_ADDRESS, {}),
    "settle": ("book", "settle", risky, lambda _: (TRADER,), 1, {}),
    "expire": ("book", "expire", risky, lambda _: (TRADER,), 1, {}),
    "claim": ("book", "claim", risky, lambda _: (), 1, {}),
    "call": ("liquidator", "call", lambda s: s.sick(), lambda _: (TRADER,), 1, {}),
    "cure": ("liquidator", "cure", lambda s: (called(s), s.fund("trader", 900)), lambda _: (TRADER,), 1, {}),
    "top up": ("liquidator", "top_up", called, lambda s: (TRADER, s.usd, MAKER), 1, {}),
    "draw": ("liquidator", "draw", called, lambda _: (TRADER, 10 * USD), 1, {}),
    "start": ("liquidator", "start", ripe, lambda _: (TRADER,), 1, {LIQUIDATION: NO_LIQUIDATION}),
    "bid": (
        "liquidator",
        "bid",
        auctioned,
        lambda _: (TRADER, BIDDER, WAD // 10),
        BIDDER_ADDRESS,
        {LIQUIDATION: NO_LIQUIDATION},
    ),
    "close": ("liquidator", "close", lambda s: (auctioned(s), s.fund("trader", 900)), lambda _: (TRADER,), 1, {}),
    "record": ("liquidator", "record", lambda s: s.sick(), lambda _: (TRADER,), 1, {}),
    "fund, deposit": (
        "fund",
        "deposit",
        staked,
        lambda s: _staking(s, (USD, OTHER_ADDRESS)),
        OTHER_ADDRESS,
        {},
    ),
    "fund, request": ("fund", "request", staked, lambda _: (1,), OTHER_ADDRESS, {}),
    "fund, redeem": ("fund", "redeem", requested, lambda _: (10**9, 5, OTHER_ADDRESS), OTHER_ADDRESS, {}),
    "fund, collect": ("fund", "collect", staked, lambda _: (), 1, {}),
    "touch": ("history", "touch", nothing, lambda _: (ETH,), 1, {}),
    "observe": ("history", "observe", wait_for_expiry, lambda _: (ETH, EXPIRY), 1, {}),
    "store": ("oracle", "store", nothing, lambda s: (_surface(s),), 1, {}),
    "allowance": (
        "mandates",
        "set_allowance",
        nothing,
        lambda _: (TRADER, VENUE, 0, 0, 0, 0),
        TRADER_ADDRESS,
        {},
    ),
    "delegate": ("mandates", "set_delegate", nothing, lambda _: (TRADER, 7, 1, MAX), TRADER_ADDRESS, {}),
    "reserve": ("mandates", "set_reserve", nothing, lambda _: (TRADER, TRADER + 1), TRADER_ADDRESS, {}),
    "top-up mandate": ("mandates", "set_top_up", nothing, lambda s: (TRADER, s.usd, 1, 0), TRADER_ADDRESS, {}),
    "note": ("breakers", "note", nothing, lambda _: (), 1, {}),
    "bands": ("registry", "set_bands", nothing, lambda _: (50_000, 5_000), OWNER, {}),
    "listing": ("registry", "list_instrument", nothing, lambda _: (SOL, EXPIRY, 1, 0), OWNER, {}),
}


def _paid(stage, args):
    stage.pair.mint(stage.usd, TRADER_ADDRESS, USD)
    return args


def _staking(stage, args):
    stage.pair.mint(stage.usd, OTHER_ADDRESS, USD)
    return args


def _surface(stage):
    return encode(make_surface(BTC, 0, stage.surfaces[BTC, 0], stage.pair.now))


@pytest.mark.parametrize("name", STEPS)
def test_stops_stop_exactly_what_they_list(stage, name):
    part, function, scene, arguments, sender, refused = STEPS[name]
    pair = stage.pair
    scene(stage)
    args = arguments(stage)
    for levels in SETS:
        with pair.isolated():
            if levels:
                pair.must("registry", "stop", levels, pair.now + DAY, sender=OWNER)
            found = pair.step(part, function, *args, sender=sender)
        reasons = [reason for level, reason in refused.items() if levels & level]
        if reasons:
            assert isinstance(found, Refused), (name, levels)
            assert found.reason == reasons[0]
        else:
            assert not isinstance(found, Refused), (name, levels, found)


# what a person's stop does not reach by design: who may call it is not the public, or it has rows of its own above
ELSEWHERE = {
    "book": {"multicall", "seize", "pull", "socialise", "set_liquidator", "set_fund"},
    "exchange": {"cancel", "cancel_below"},
    "standing": {"cancel", "cancel_below"},
    "fund": {"mint", "withdraw", "cancel_request", "transfer", "transferFrom", "approve", "pay"},
    "history": {"propose", "dispute", "resolve"},
    "oracle": {"post"},
    "breakers": {"trip"},
    "mandates": {"spend", "use_top_up"},
    "registry": {"list_collateral", "stop", "stop_underlying", "resume", "resume_underlying"},
}


def test_no_function_that_changes_state_asks_for_stops_besides():
    """Where a function is neither in the matrix nor named here, somebody added one and must say what stops it."""
    tried = {(part, function) for part, function, *_ in STEPS.values()}
    for part, names in ELSEWHERE.items():
        for entry in compiled(PARTS[part]).abi:
            if entry["type"] != "function" or entry["stateMutability"] in {"view", "pure"}:
                continue
            name = entry["name"]
            is_admin = name.startswith("set_") or name in {"transfer_ownership", "accept_ownership", "remove_signer"}
            assert is_admin or (part, name) in tried or name in names, (part, name)


# ------------------------------------------------------------------------------------------------------ batches


def test_a_batch_that_takes_something_out_is_held_up_by_leave_alone(stage):
    risky(stage)
    stage.pair.must("registry", "stop", LEAVE, stage.pair.now + DAY, sender=OWNER)
    out = ("book", "withdraw", TRADER, stage.usd, USD, 5)
    over = ("book", "transfer", TRADER, account("trader", 1), stage.usd, USD)
    settle = ("book", "settle", TRADER)
    for calls in ((out,), (over,), (settle, out), (out, settle)):
        assert stage.batch(TRADER, *calls, sender=TRADER_ADDRESS) == NO_LEAVING
    assert stage.batch(TRADER, settle, sender=TRADER_ADDRESS) is None
    stage.pair.must("registry", "resume", LEAVE, sender=OWNER)
    assert stage.batch(TRADER, out, over, sender=TRADER_ADDRESS) is None


def test_a_batch_after_one_that_took_something_out(stage):
    """What one batch took out is not held against the next."""
    risky(stage)
    assert stage.batch(TRADER, ("book", "withdraw", TRADER, stage.usd, USD, 5), sender=TRADER_ADDRESS) is None
    stage.pair.must("registry", "stop", LEAVE, stage.pair.now + DAY, sender=OWNER)
    assert stage.batch(TRADER, ("book", "settle", TRADER), sender=TRADER_ADDRESS) is None


@pytest.mark.parametrize(
    ("quantity", "maker", "reason"),
    [(WAD, "maker", ONLY_REDUCING), (WAD, "other", ONLY_REDUCING), (-WAD, "maker", None)],
)
def test_a_trade_within_a_batch_reduces_risk_too(stage, quantity, maker, reason):
    """The other role closes what it has: then the batch's account alone takes risk."""
    risky(stage)
    stage.fund("other", 10_000)
    stage.trade(OTHER, MAKER, stage.perp, WAD, 2_000 * WAD)
    args = orders(stage, stage.perp, quantity, maker)
    stage.pair.must("registry", "stop", RISK, stage.pair.now + DAY, sender=OWNER)
    assert stage.batch(TRADER, ("exchange", "settle", *args), sender=TRADER_ADDRESS) == reason


# --------------------------------------------------------------------------------------------------------- risk


@pytest.mark.parametrize("one", [True, False])
def test_a_stop_of_one_underlying_is_of_that_one(stage, one):
    risky(stage)
    until = stage.pair.now + DAY
    if one:
        stage.pair.must("registry", "stop_underlying", ETH, until, sender=OWNER)
    else:
        stage.pair.must("registry", "stop", RISK, until, sender=OWNER)
    stage.refuses_trade(ONLY_REDUCING, TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    if one:
        stage.trade(TRADER, MAKER, stage.btc_perp, WAD // 100, 20_000 * WAD)
    else:
        stage.refuses_trade(ONLY_REDUCING, TRADER, MAKER, stage.btc_perp, WAD // 100, 20_000 * WAD)
    stage.later(DAY)
    stage.post()
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)


def test_both_sides_must_reduce(stage):
    risky(stage)
    stage.fund("other", 10_000)
    stage.pair.must("registry", "stop", RISK, stage.pair.now + DAY, sender=OWNER)
    stage.refuses_trade(ONLY_REDUCING, OTHER, TRADER, stage.perp, WAD, 2_000 * WAD)
    stage.refuses_trade("clearinghouse: below initial margin", BIDDER, TRADER, stage.perp, WAD, 2_000 * WAD)


def test_what_reduces_is_not_far_from_the_mark(stage):
    """As of an account that is not healthy: within the reduce band, 1 %."""
    risky(stage)
    stage.pair.must("registry", "stop", RISK, stage.pair.now + DAY, sender=OWNER)
    stage.refuses_trade("clearinghouse: price worse than allowed", MAKER, TRADER, stage.perp, WAD, 2_021 * WAD)
    stage.trade(MAKER, TRADER, stage.perp, WAD, 2_020 * WAD)


# -------------------------------------------------------------------------------------------------- liquidation


def test_an_auction_that_was_stopped_starts_anew(stage):
    """Its discount grew while nobody could bid: what is left of it is no gift."""
    pair = stage.pair
    auctioned(stage)
    pair.must("registry", "stop", LIQUIDATION, pair.now + 1_800, sender=OWNER)
    stage.later(1_800)
    stage.refuses("liquidator: auction was stopped", "liquidator", "bid", TRADER, BIDDER, WAD, sender=BIDDER_ADDRESS)
    assert pair.twin.liquidator.auction(TRADER, pair.now) == pair.now - 1_800
    pair.must("liquidator", "start", TRADER)
    assert pair.twin.liquidator.auction(TRADER, pair.now) == pair.now
    pair.must("liquidator", "bid", TRADER, BIDDER, WAD, sender=BIDDER_ADDRESS)


@pytest.mark.parametrize("resumed", [True, False])
def test_after_a_stop_an_auction_goes_on_but_once(stage, resumed):
    pair = stage.pair
    auctioned(stage)
    stage.refuses("liquidator: already in auction", "liquidator", "start", TRADER)
    pair.must("registry", "stop", LIQUIDATION, pair.now + 60, sender=OWNER)
    stage.later(30 if resumed else 60)
    if resumed:
        pair.must("registry", "resume", LIQUIDATION, sender=OWNER)
    pair.must("liquidator", "start", TRADER)
    stage.refuses("liquidator: already in auction", "liquidator", "start", TRADER)


def test_help_goes_on_in_every_stop(stage):
    """The liquidator moves a reserve's money under LEAVE, whoever asks it to."""
    pair = stage.pair
    called(stage)
    stage.allow("trader", at=1)
    stage.post()
    # the reserve needs margin itself
    stage.trade(account("trader", 1), MAKER, stage.btc_perp, WAD // 1_000, 20_000 * WAD)
    pair.must("registry", "stop", 7, pair.now + DAY, sender=OWNER)
    pair.must("liquidator", "draw", TRADER, 10 * USD)


def test_a_stop_ends_by_itself_and_levels_are_apart(stage):
    pair = stage.pair
    now = pair.now
    for levels, ahead in ((RISK, 60), (LEAVE, 120), (LIQUIDATION, 180)):
        pair.must("registry", "stop", levels, now + ahead, sender=OWNER)
    for at, left in ((59, 7), (60, 6), (119, 6), (120, 4), (179, 4), (180, 0)):
        stage.later(now + at - pair.now)
        assert [pair.twin.registry.stopped(level, pair.now) for level in (1, 2, 4)] == [
            bool(left & level) for level in (1, 2, 4)
        ]
