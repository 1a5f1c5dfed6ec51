"""Dust: positions and debts so small that nobody gains by clearing them; on many markets the last of each bad debt.

What happens: gas costs more than a liquidation brings. Thousands of such accounts, made on purpose, are bad debt that
nobody takes away.

What stands against it: a rest under `min_rest` is taken along with a bid (I-25), a trade leaves no position under the
instrument's least size, an account that needs margin has a least equity; roundings of single units go to the system.
"""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import BIDDER, ETH, EVERYONE, MAKER, OTHER, OWNER, TRADER, USD, WAD

from .scene import auction

BIDDER_ADDRESS = address_of("bidder")


def configure(stage, **changes):
    from dataclasses import replace

    config = replace(stage.pair.twin.liquidator.config, **changes)
    stage.pair.must("liquidator", "set_config", config, sender=OWNER)


@pytest.mark.parametrize("min_rest", [0, 100 * WAD, 1_000 * WAD])
def test_a_rest_too_small_is_taken_along(stage, min_rest):
    stage.sick()
    stage.post()
    stage.fund("bidder", 10_000)
    configure(stage, min_rest=min_rest)
    auction(stage, TRADER)
    fraction = stage.pair.must("liquidator", "bid", TRADER, BIDDER, WAD, sender=BIDDER_ADDRESS)[0]
    # MM 209 as a whole; about two fifths would restore initial margin
    assert (fraction == WAD) == (min_rest == 1_000 * WAD)
    left = stage.margin(TRADER).mm
    assert left == 0 or left >= min_rest
    stage.pair.compare(EVERYONE)


def test_no_position_and_no_equity_under_the_least(stage):
    stage.fund("maker", 100_000)
    stage.fund("other", 49)
    stage.pair.must("registry", "set_underlying_limits", ETH, 0, WAD // 100, sender=OWNER)
    small = "clearinghouse: position below the minimum"
    stage.refuses_trade(small, OTHER, MAKER, stage.perp, WAD // 100 - 1, 2_000 * WAD)
    stage.limit(min_equity=50 * WAD)
    poor = "clearinghouse: equity below the minimum"
    stage.refuses_trade(poor, OTHER, MAKER, stage.perp, WAD // 100, 2_000 * WAD)
    stage.fund("other", 1)
    stage.trade(OTHER, MAKER, stage.perp, WAD // 100, 2_000 * WAD)
    stage.refuses(poor, "book", "withdraw", OTHER, stage.usd, 1, 1, sender=address_of("other"))
    # nor a rest of it; all of it is closed
    stage.refuses_trade(small, MAKER, OTHER, stage.perp, WAD // 100 - 1, 2_000 * WAD)
    stage.trade(MAKER, OTHER, stage.perp, WAD // 100, 2_000 * WAD)
    stage.pair.must("book", "withdraw", OTHER, stage.usd, 50 * USD - 1, 1, sender=address_of("other"))
    stage.pair.compare(EVERYONE)


def test_without_the_limits_dust_accounts_come_about(stage):
    """As a deployment begins: the limits are governance's to set."""
    stage.fund("maker", 100_000)
    stage.fund("other", 1)
    stage.trade(OTHER, MAKER, stage.perp, 1, 2_000 * WAD)
    assert stage.quantity(OTHER, stage.perp) == 1
    # it needs margin all the same (I-14)
    assert stage.margin(OTHER).mm > 0
