"""Liquidator.set_fund: once."""

from tests.unit.clearinghouse.stage import ATTACKER, OWNER


def test_once(uninsured):
    fund = uninsured.pair.twin.at.fund
    assert uninsured.ask("liquidator", "fund") == 0
    uninsured.refuses("ownable: caller is not the owner", "liquidator", "set_fund", fund, sender=ATTACKER)
    uninsured.refuses("liquidator: zero address", "liquidator", "set_fund", 0, sender=OWNER)
    uninsured.pair.must("liquidator", "set_fund", fund, sender=OWNER)
    assert uninsured.last("liquidator") == ("FundSet", {"fund": fund})
    assert uninsured.ask("liquidator", "fund") == fund
    uninsured.refuses("liquidator: fund is set", "liquidator", "set_fund", fund, sender=OWNER)
    uninsured.refuses("liquidator: zero address", "liquidator", "set_fund", 0, sender=OWNER)
