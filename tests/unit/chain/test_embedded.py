"""The embedded chain: what a transaction costs, leaves behind and undoes."""

import pytest
from eth_utils.crypto import keccak

from plimsoll.chain.contract import batch, deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.chain.errors import ExecutionError
from plimsoll.chain.protocol import Chain, TimedChain
from plimsoll.spec.errors import Refused

SENDER = "0x" + "11" * 20


def test_it_is_a_chain(chain):
    assert isinstance(chain, Chain)
    assert isinstance(chain, TimedChain)


def test_a_write_lasts_and_is_logged(toy):
    receipt = toy.transact("set_a", 9, sender=SENDER)
    assert toy.call("a") == 9
    assert toy.decode("set_a", receipt) == 5
    (event,) = toy.events(receipt)
    assert (event.name, int(event.args.who, 16), event.args.value) == ("Set", int(SENDER, 16), 9)


def test_every_transaction_is_cold(toy):
    """The same change costs the same however often the slot was touched before: nothing stays warm."""
    up = toy.transact("set_a", 9, sender=SENDER).gas_used
    toy.transact("set_a", 5, sender=SENDER)
    for _ in range(3):
        toy.call("a")
    assert toy.transact("set_a", 9, sender=SENDER).gas_used == up


def test_storage_gas_follows_eip_2929_and_3529(toy):
    change = toy.transact("set_a", 9, sender=SENDER).gas_used
    clear = toy.transact("set_a", 0, sender=SENDER).gas_used
    create = toy.transact("set_a", 9, sender=SENDER).gas_used
    same = toy.transact("set_a", 9, sender=SENDER).gas_used
    assert create - change == 20_000 - 2_900
    assert change - same == 2_900 - 100
    assert change - clear == 4_800 + 12  # the refund, and a zero byte of calldata is cheaper by 12
    assert same > 21_000


def test_a_view_changes_nothing(toy):
    toy.chain.call(toy.address, toy.encode("set_a", 9), sender=SENDER)
    assert toy.call("a") == 5


@pytest.mark.parametrize("way", ["call", "transact"])
@pytest.mark.parametrize(("name", "reason"), [("refuse", "toy: not today"), ("refuse_silently", "")])
def test_a_revert_says_its_reason_and_leaves_no_trace(toy, way, name, reason):
    with pytest.raises(Refused) as refused:
        getattr(toy, way)(name, sender=SENDER)
    assert refused.value.reason == reason
    assert toy.call("a") == 5


def test_a_transaction_that_runs_out_of_gas_halts(toy):
    with pytest.raises(ExecutionError, match="halted: OutOfGas"):
        toy.transact("burn", sender=SENDER)
    assert toy.call("a") == 5


def test_a_constructor_that_cannot_run_leaves_nothing(chain):
    with pytest.raises((Refused, ExecutionError)):
        chain.deploy(bytes.fromhex("fe"), sender=SENDER)


def test_transient_storage_lasts_one_transaction(toy):
    assert [toy.decode("once", toy.transact("once", sender=SENDER)) for _ in range(2)] == [1, 1]


def test_the_clock_moves_only_when_told(toy, chain):
    assert toy.call("clock")[0] == 1_000
    toy.transact("set_a", 1, sender=SENDER)
    assert toy.call("clock")[0] == 1_000
    chain.advance(120)
    assert toy.call("clock") == (1_120, 11, 1337)
    chain.set_time(5_000)
    assert (chain.now, toy.call("clock")[0]) == (5_000, 5_000)
    with pytest.raises(ValueError, match="does not go back"):
        chain.set_time(4_999)


def test_revert_undoes_writes_creations_logs_and_time(toy, chain, toy_artifact):
    toy.transact("set_a", 6, sender=SENDER)
    mark = chain.snapshot()
    for value in (7, 0, 8):
        toy.transact("set_a", value, sender=SENDER)
    other = deploy(chain, toy_artifact, 1, sender=SENDER)
    chain.set_balance(SENDER, 10**18)
    chain.advance(60)
    chain.revert(mark)
    assert (toy.call("a"), chain.now, chain.balance(SENDER)) == (6, 1_000, 0)
    assert chain.code(other.address) == b""
    assert len(chain.logs([toy.address], 0)) == 1
    again = deploy(chain, toy_artifact, 2, sender=SENDER)
    assert (again.address, again.call("a")) == (other.address, 2)
    with pytest.raises(ValueError, match="spent"):
        chain.revert(mark)


def test_isolate_undoes_even_what_fails(toy, chain):
    with pytest.raises(Refused), chain.isolate():
        _write_and_fail(toy)
    assert toy.call("a") == 5


def _write_and_fail(toy):
    toy.transact("set_a", 6, sender=SENDER)
    toy.transact("refuse", sender=SENDER)


def test_contracts_see_code_at_its_true_length(toy, chain):
    code = chain.code(toy.address)
    assert toy.call("look", toy.address) == (len(code), keccak(code))
    assert toy.call("look", SENDER)[0] == 0


def test_a_batch_keeps_order_and_refusals(toy):
    requests = [toy.request("a"), toy.request("refuse"), toy.request("clock")]
    one, two, three = batch(toy.chain, requests)
    assert (one, three[0]) == (5, 1_000)
    assert isinstance(two, Refused)
    assert two.reason == "toy: not today"


def test_logs_by_block(toy, chain):
    toy.transact("set_a", 1, sender=SENDER)
    chain.advance(24)
    toy.transact("set_a", 2, sender=SENDER)
    first, second = (toy.decode_log(log).args.value for log in chain.logs([toy.address], 0))
    assert (first, second) == (1, 2)
    assert len(chain.logs([toy.address], 2)) == 1
    assert len(chain.logs([toy.address], 0, 1)) == 1
    assert chain.logs([SENDER], 0) == []


def test_native_balance(chain):
    chain.set_balance(SENDER, 10**20)
    assert chain.balance(SENDER) == 10**20
    assert EmbeddedChain().balance(SENDER) == 0
