"""Automation.checker: what a resolver answers, with and without data; `checkUpkeep`'s tests hold it to the others."""

from plimsoll.spec.automation import NOTHING_DUE, Step, check_data
from tests.pairs import text
from tests.unit.clearinghouse.stage import ATTACKER, ETH, TRADER, WAD


def test_the_payload_is_a_whole_call(trigger):
    trigger.stage.sick()
    is_due, call = trigger.contract.call("checker", check_data([TRADER]))
    assert is_due
    trigger.stage.is_told = False  # the chain goes on alone
    trigger.pair.chain.transact(trigger.contract.address, call, sender=text(ATTACKER))
    assert trigger.contract.chain.call(trigger.pair.contracts["liquidator"].address, _ripe(trigger)) != bytes(32)


def _ripe(trigger):
    return trigger.pair.contracts["liquidator"].encode("ripe", TRADER)


def test_without_data_it_looks_at_the_feeds_underlyings(trigger):
    assert trigger.contract.call("checker") == (False, NOTHING_DUE)
    trigger.stage.pair.price(ETH, 2_400 * WAD)
    is_due, call = trigger.contract.call("checker")
    assert is_due
    assert call == trigger.twin.checker(b"", trigger.pair.now)[1]
    assert trigger.twin.due(b"", trigger.pair.now) == (Step(4, ETH, 0),)
