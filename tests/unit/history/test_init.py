"""History's constructor, what it starts with, and two-step ownership."""

import pytest

from plimsoll.chain.errors import AbiError
from plimsoll.spec import history
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import WINDOW

from .conftest import ATTACKER, DAY, DELAY, ETH, EXPIRY, LAG, OWNER, TRADER, History, outcome, plain, text

ZERO = "0x" + "00" * 20


@pytest.mark.parametrize("missing", [0, 1])
def test_an_address_of_zero(bench, missing):
    args = [bench.feed.address, bench.oracle.address, LAG, DELAY]
    args[missing] = ZERO
    assert outcome(lambda: bench.put("History", *args)) == "refused: history: zero address"


@pytest.mark.parametrize(
    ("lag", "delay", "reason"),
    [
        (DAY + 1, 0, "history: lag out of range"),
        (2**256 - 1, 0, "history: lag out of range"),
        (0, 7 * DAY + 1, "history: delay out of range"),
        (0, 2**256 - 1, "history: delay out of range"),
    ],
)
def test_out_of_range(bench, lag, delay, reason):
    with pytest.raises(Refused, match=f"^{reason}$"):
        bench.put("History", bench.feed.address, bench.oracle.address, lag, delay)
    with pytest.raises(Refused, match=f"^{reason}$"):
        History(OWNER, bench.twins.feed, bench.twins.oracle, lag, delay)


@pytest.mark.parametrize(("lag", "delay"), [(0, 0), (1, 1), (LAG, DELAY), (DAY, 7 * DAY)])
def test_what_it_starts_with(bench, lag, delay):
    bench.begin(lag, delay)
    contract, twin = bench.contract, bench.twins.history
    assert contract.call("lag") == twin.lag == lag
    assert contract.call("delay") == twin.delay == delay
    assert contract.call("feed") == bench.feed.address
    assert contract.call("oracle") == bench.oracle.address
    assert plain(contract.call("owner")) == OWNER
    assert bench.ask("checkpoints", ETH) == (0, 0, 0, 0)
    assert bench.ask("settlement", ETH, EXPIRY) == (0, 0, False)
    assert bench.ask("buckets", ETH, EXPIRY) == (0,) * 30
    bench.same()


def test_the_half_hour_is_thirty_minutes(bench):
    assert (WINDOW, history.BUCKETS, history.BUCKET) == (1_800, 30, 60)
    assert WINDOW == history.BUCKETS * history.BUCKET
    assert history.TAIL * 2 + history.MIDDLE == history.BUCKETS


def test_ownership_moves_in_two_steps(bench):
    contract = bench.contract
    with pytest.raises(Refused, match=r"^ownable: caller is not the owner$"):
        contract.transact("transfer_ownership", text(ATTACKER), sender=text(ATTACKER))
    contract.transact("transfer_ownership", text(TRADER), sender=text(OWNER))
    assert plain(contract.call("owner")) == OWNER
    assert plain(contract.call("pending_owner")) == TRADER
    with pytest.raises(Refused, match=r"^ownable_2step: caller is not the new owner$"):
        contract.transact("accept_ownership", sender=text(ATTACKER))
    contract.transact("accept_ownership", sender=text(TRADER))
    assert plain(contract.call("owner")) == TRADER
    with pytest.raises(Refused, match=r"^ownable: caller is not the owner$"):
        contract.transact("resolve", ETH, EXPIRY, 1, sender=text(OWNER))


def test_it_cannot_be_renounced(bench):
    with pytest.raises(AbiError):
        bench.contract.transact("renounce_ownership", sender=text(OWNER))
