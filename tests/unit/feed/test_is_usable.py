"""IndexFeed.is_usable never reverts, whatever an aggregator does; where it is false, `price` reverts."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.chain.errors import ExecutionError
from plimsoll.spec.errors import Refused

from .conftest import ETH, OWNER


@pytest.fixture
def broken(bench):
    """An aggregator that answers any bytes, behind a feed."""
    mock = deploy(bench.chain, load("MockBrokenAggregator"), sender=OWNER)
    now = bench.chain.now
    mock.transact("set_response", words(1, 10**8, now, now, 1), sender=OWNER)
    bench.contract.transact("set_feed", ETH, mock.address, 3600, 18, sender=OWNER)
    return mock


def words(*values: int) -> bytes:
    return b"".join((value % 2**256).to_bytes(32, "big") for value in values)


def is_usable(bench) -> bool:
    usable = bench.contract.call("is_usable", ETH)
    try:
        bench.contract.call("price", ETH)
    except (Refused, ExecutionError):
        assert not usable
    else:
        assert usable
    return usable


def test_unknown(bench):
    assert bench.contract.call("is_usable", ETH) is False


def test_whole_answer(bench, broken):
    now = bench.chain.now
    broken.transact("set_response", words(1, 10**8, now, now, 1), sender=OWNER)
    assert is_usable(bench)


def test_round_ids_of_any_width(bench, broken):
    now = bench.chain.now
    broken.transact("set_response", words(-1, 10**8, now, now, -1), sender=OWNER)
    assert is_usable(bench)


def test_longer_answer(bench, broken):
    now = bench.chain.now
    broken.transact("set_response", words(1, 10**8, now, now, 1, 7, 7), sender=OWNER)
    assert is_usable(bench)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 64, 128, 159])
def test_short_answer(bench, broken, length):
    now = bench.chain.now
    broken.transact("set_response", words(1, 10**8, now, now, 1)[:length], sender=OWNER)
    assert not is_usable(bench)


def test_garbage(bench, broken):
    broken.transact("set_response", b"\xff" * 160, sender=OWNER)
    assert not is_usable(bench)


def test_revert(bench, broken):
    broken.transact("set_fails", True, sender=OWNER)
    assert not is_usable(bench)
    with pytest.raises(Refused, match=r"^aggregator: down$"):
        bench.contract.call("price", ETH)


def test_all_gas_burnt(bench, broken):
    broken.transact("set_burns", True, sender=OWNER)
    assert not is_usable(bench)
