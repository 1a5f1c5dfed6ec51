"""A town on a development node, without its keeper: what the rig does to a chain, and what it sees there."""

import time

import pytest
from eth_account import Account

from plimsoll.chain.node import NodeChain
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.rig import checks
from plimsoll.simulate.rig.devnet import BASE_FEE, CHAIN_ID, STRANDED
from plimsoll.simulate.rig.process import Stage
from plimsoll.simulate.rig.town import ETHER, KEYS, Town, TownConfig, underlying_of
from plimsoll.simulate.rig.watch import Watch
from plimsoll.spec.margin import State
from plimsoll.spec.wad import WAD

pytestmark = [pytest.mark.node, pytest.mark.slow]

BLOCK_TIME = 0.2
CROWD = 12


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("town")) as stage:
        made = Town(stage, TownConfig(CROWD, BLOCK_TIME, own_clock=True, seed=4))
        made.start_clock()
        yield made
        made.close()


def transfer(role, nonce, fee, value=0, gas=21_000):
    """A signed transfer of a role to itself."""
    to = Account.from_key(KEYS[role]).address
    fields = {"chainId": CHAIN_ID, "nonce": nonce, "gas": gas, "to": to, "value": value, "data": b""}
    fields |= {"maxFeePerGas": fee, "maxPriorityFeePerGas": 1}
    return "0x" + Account.sign_transaction(fields, KEYS[role]).raw_transaction.hex().removeprefix("0x")


def nonce_of(town, address, at="latest"):
    return int(town.net.ask("eth_getTransactionCount", address, at), 16)


def test_everybody_is_there_and_well_funded(town):
    assert len(set(town.accounts)) == CROWD
    watch = Watch(town.net, town.system, [], town.net.head)
    margins = watch.margins([*town.accounts, town.bidder], town.net.head)
    assert len(margins) == CROWD + 1
    assert all(found.equity_haircut > 2 * found.im > 0 for account, found in margins.items() if account != town.bidder)
    assert margins[town.bidder].equity_haircut >= 10**9 * WAD
    assert town.system.oracle.call("sequence") == 1
    assert len(town.system.registry.call("listing", underlying_of(0), town.expiry)) == 4


def test_an_index_moves_in_the_next_block(town):
    before = town.net.head
    hashes = town.move({underlying_of(1): 101.0})
    (receipt,) = town.settle(hashes)
    assert 1 <= int(receipt["blockNumber"], 16) - before <= 3
    assert town.system.feed.call("price", underlying_of(1))[0] == 101 * WAD
    town.settle(town.move({underlying_of(1): 100.0}))


def test_who_was_opened_to_break_breaks_and_a_town_without_a_keeper_misses_it(town):
    """The negative control of the faults' verdict: nobody acts, and the check says who was let stand."""
    town.look()
    underlying = underlying_of(0)
    first = town.net.head
    victims = [town.doomed(underlying, size, 0.07, equity) for size, equity in ((10.0, -0.001), (10.0, 0.01))]
    other_side = town.doomed(underlying, -10.0, 0.07, 0.02)
    hashes = town.open([*victims, other_side])
    town.settle(hashes)
    town.settle(town.move({underlying: town.prices[underlying] * 0.93}))
    town.net.wait(checks.WITHIN + 4)
    watch = Watch(town.net, town.system, [town.poster], first)
    watch.accounts.update(town.accounts)
    watch.read(town.net.head)
    last = {stand.account: stand for stand in watch.stands}
    insolvent, thin = (last[victim.account] for victim in victims)
    assert (insolvent.state, insolvent.due) == (State.INSOLVENT, "start")
    assert insolvent.equity == pytest.approx(-0.001 * 930 * WAD, rel=0.05)
    assert (thin.state, thin.due) == (State.LIQUIDATABLE, "call")
    assert other_side.account not in last
    assert set(last) == {insolvent.account, thin.account}
    missed = checks.missed(watch.stands, [])
    assert len(missed) == 2
    assert checks.missed(watch.stands, [(first, town.net.head)]) == []
    assert watch.mined == []
    town.settle(town.move({underlying: 100.0}))


def test_a_fall_within_initial_margin_breaks_nobody(town):
    with pytest.raises(SimulationError, match="within initial margin"):
        town.doomed(underlying_of(0), 10.0, 0.01, 0.0)


def test_a_reorganisation_takes_back_what_was_in_the_last_blocks(town):
    net = town.net
    before = nonce_of(town, town.poster)
    sent = net.ask("eth_sendRawTransaction", transfer("poster", before, 3 * BASE_FEE))
    net.wait(10, lambda: nonce_of(town, town.poster) == before + 1)
    assert nonce_of(town, town.poster) == before + 1
    kept = net.head - 12
    hashed = net.ask("eth_getBlockByNumber", hex(kept), False)["hash"]
    lost = int(net.ask("eth_getTransactionReceipt", sent)["blockNumber"], 16)
    was = net.ask("eth_getBlockByNumber", hex(lost), False)["hash"]
    net.reorganise(net.head - lost + 2)  # a block may come in between
    assert net.head >= lost
    assert nonce_of(town, town.poster) == before
    assert net.ask("eth_getTransactionReceipt", sent) is None
    assert net.ask("eth_getBlockByNumber", hex(lost), False)["hash"] != was
    assert net.ask("eth_getBlockByNumber", hex(kept), False)["hash"] == hashed
    head = net.head
    net.wait(2)
    assert net.head > head


def test_a_stranded_transaction_stays_until_it_is_replaced(town):
    net = town.net
    before = nonce_of(town, town.liquidator)
    stuck = net.strand(transfer("liquidator", before, 2 * BASE_FEE, gas=STRANDED))
    net.wait(4)
    assert net.ask("eth_getTransactionReceipt", stuck) is None
    assert nonce_of(town, town.liquidator) == before
    assert nonce_of(town, town.liquidator, "pending") == before + 1
    net.ask("eth_sendRawTransaction", transfer("liquidator", before, 4 * BASE_FEE, value=1))
    net.wait(10, lambda: nonce_of(town, town.liquidator) == before + 1)
    assert nonce_of(town, town.liquidator) == before + 1
    assert net.ask("eth_getTransactionByHash", stuck) is None


def test_base_fee_is_held_and_can_be_turned(town):
    net = town.net

    def fee():
        return int(net.ask("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)

    assert fee() == BASE_FEE
    net.fee_factor = 10
    net.wait(2)
    assert fee() == 10 * BASE_FEE
    net.fee_factor = 1
    net.wait(2)
    assert fee() == BASE_FEE


def test_a_clock_goes_ahead_and_comes_back_without_going_back(town):
    net = town.net
    net.skew = 2
    net.wait(2)
    ahead = net.now
    assert ahead - time.time() > 0.5
    net.skew = 0
    seen = [ahead]
    until = time.monotonic() + 20
    while net.now - time.time() > 0.1 and time.monotonic() < until:
        seen.append(net.now)
        net.wait(1)
    assert seen == sorted(seen)
    assert net.now - time.time() <= 0.1
    assert seen[-1] > ahead


def test_failed_transactions_of_the_town_are_told_with_their_reason(town):
    hashes = town.send([(town.owner, town.system.liquidator, "call", (town.accounts[0],))])
    town.net.wait(3)
    with pytest.raises(SimulationError, match=r"1 of 1 .* not under the call line"):
        town.check(hashes)


def test_the_keepers_settings_are_good_and_hold_no_key(town):
    from plimsoll.keeper.settings import load_settings

    path = town.settings()
    found = load_settings(path)
    assert found.node == [town.proxies[0].url]
    assert found.book == town.book
    assert not any(key in path.read_text() for key in KEYS.values())
    assert NodeChain(town.proxies[0].url).balance(town.poster) > ETHER
    assert town.proxies[0].counts["eth_getBalance"] == 1
