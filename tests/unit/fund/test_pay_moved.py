"""InsuranceFund.pay where the quote token does not do as it is told: nothing is paid, nothing is counted as paid."""

import pytest

from plimsoll.spec.wad import WAD
from tests.pairs import encode_call, text

from .bench import ALICE, BIDDER, ETH, LIQUIDATOR, MOVED, NOBODY

# answers `approve` (095ea7b3) with false, and every other call with 2^100
REFUSES_APPROVALS = bytes.fromhex("5f3560e01c63095ea7b3141560641b5f5260205ff3")


@pytest.fixture
def ready(bench):
    """A fund of 1,000."""
    bench.enter(ALICE, 1_000 * bench.unit)
    return bench


def refuses(bench):
    before = bench.state()
    spent = bench.fund.call("spent", ETH)
    bench.refuses_on_chain(MOVED, "pay", BIDDER, ETH, 0, WAD, sender=LIQUIDATOR)
    assert bench.state() == before
    assert bench.fund.call("spent", ETH) == spent


@pytest.mark.parametrize("extra", [1, 10**6])
def test_a_token_that_leaves_more_than_it_moved(ready, extra):
    """The book has what it was to have, and the fund lost less than that: somebody's balance was made up."""
    mint = ready.token.interface.function("mint", 2)
    switch = "set_hook", ready.token.address, encode_call(mint, (ready.at, extra))
    with ready.chain.isolate():
        ready.token.transact(*switch, sender=text(NOBODY))
        refuses(ready)
    ready.pay(WAD)  # without the habit it is paid


def test_a_token_that_allows_nothing(ready):
    """It says so and does not revert; the book is not asked."""
    with ready.chain.isolate():
        ready.chain.set_code(ready.token.address, REFUSES_APPROVALS)
        refuses(ready)
    ready.pay(WAD)
