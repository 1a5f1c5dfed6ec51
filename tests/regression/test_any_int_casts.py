"""Casts of integers: a cut-off high bit turns a huge amount into a small one, or a debt into a fortune.

What happens: a value is cast to a narrower or another type without a check. `type(uint256).max` becomes -1, a packed
field spills into its neighbour.

What stands against it: Vyper's `convert` checks its range; every packed field has a bound that is checked where it
comes in. Here every function of the book, the liquidator and the fund is given the extremes of its types: it refuses
for its own reason, or does exactly what the twin, which has integers without end, does.
"""

import pytest

from plimsoll.spec.errors import Refused
from tests.pairs import account, address_of
from tests.unit.clearinghouse.stage import ETH, EVERYONE, MAKER, MAX, OWNER, TRADER, VENUE, WAD

EDGES = (0, 1, 2**96 - 1, 2**96, 2**104, 2**127 - 1, 2**127, 2**128 - 1, 2**128, 2**255 - 1, 2**255, MAX)
TRADER_ADDRESS = address_of("trader")


@pytest.fixture
def market(stage):
    stage.fund("maker", 100_000)
    stage.fund("trader", 100_000)
    stage.bring("trader", stage.weth, WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 10**27)
    stage.pair.approve(stage.usd, TRADER_ADDRESS, stage.pair.twin.at.fund)
    return stage


def calls(stage, x):
    """Functions of anyone, an owner or a venue, with an extreme in each place."""
    usd, to = stage.usd, TRADER_ADDRESS
    yield "book", "deposit", (TRADER, usd, x), to
    yield "book", "deposit", (x, usd, 1), to
    yield "book", "withdraw", (TRADER, usd, x, to), to
    yield "book", "withdraw", (x, usd, 1, to), to
    yield "book", "transfer", (TRADER, x, usd, 1), to
    yield "book", "transfer", (TRADER, TRADER + 1, usd, x), to
    yield "book", "trade", (TRADER, MAKER, stage.perp, x, 2_000 * WAD), VENUE
    yield "book", "trade", (TRADER, MAKER, stage.perp, WAD, x), VENUE
    yield "book", "trade", (TRADER, MAKER, stage.call, x, x), VENUE
    yield "book", "trade", (x, MAKER, stage.perp, 1, 2_000 * WAD), VENUE
    yield "book", "trade", (TRADER, MAKER, x % 2**128, 1, 2_000 * WAD), VENUE
    for name in ("settle", "expire"):
        yield "book", name, (x,), to
    for name in ("call", "start", "cure", "close", "record"):
        yield "liquidator", name, (x,), to
    yield "liquidator", "bid", (x, TRADER, x), to
    yield "liquidator", "draw", (TRADER, x), to
    yield "fund", "deposit", (x, to), to
    yield "fund", "mint", (x, to), to
    yield "fund", "request", (x,), to
    yield "fund", "set_caps", (x, x), OWNER
    yield "mandates", "set_allowance", (TRADER, VENUE, x, x, 0, 0), to
    yield "mandates", "set_delegate", (TRADER, VENUE, x % 64, x), to
    yield "mandates", "set_top_up", (TRADER, usd, x, x), to
    yield "registry", "set_underlying_limits", (ETH, x % 2**128, x % 2**96), OWNER
    yield "registry", "set_collateral_cap", (stage.weth, x), OWNER


@pytest.mark.parametrize("x", EDGES)
def test_extremes_are_refused_or_exact(market, x):
    stage = market
    for part, name, args, sender in calls(stage, x):
        with stage.pair.isolated():
            found = stage.pair.step(part, name, *args, sender=sender)
            if not isinstance(found, Refused):
                stage.pair.compare([*EVERYONE, account("trader", 1)])
            else:
                assert found.reason or part == "fund", (part, name, args)


def test_what_does_not_fit_a_ledger_is_refused_before_it_spills(market):
    """Cash and linear share a word: neither reaches the other."""
    stage = market
    stage.pair.must("book", "deposit", TRADER, stage.usd, 10**15, sender=TRADER_ADDRESS)
    reason = "clearinghouse: amount over the maximum"
    stage.refuses(reason, "book", "deposit", TRADER, stage.usd, 10**15 + 1, sender=TRADER_ADDRESS)
    cash, linear = stage.ledger(TRADER)
    assert (cash, linear) == (10**27 + 100_000 * WAD, -2_000 * WAD)
    assert stage.ledger(MAKER)[1] == 2_000 * WAD
