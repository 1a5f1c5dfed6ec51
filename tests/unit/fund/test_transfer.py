"""InsuranceFund.transfer, transferFrom, approve: shares that are not requested move."""

import pytest

from plimsoll.spec.fund import VIRTUAL

from .bench import ALICE, ATTACKER, BOB, MOST, TO_THE_FUND

LITTLE = "erc20: transfer amount exceeds balance"


@pytest.fixture
def held(bench):
    bench.enter(ALICE, 100)
    return bench


class TestTransfer:
    def test_moves_shares(self, held):
        assert held.must("transfer", BOB, 30 * VIRTUAL) is True
        assert held.read("balanceOf", BOB) == 30 * VIRTUAL
        held.must("transfer", ALICE, 70 * VIRTUAL)
        held.must("transfer", BOB, 0)
        assert held.read("totalSupply") == 100 * VIRTUAL

    def test_requested_shares_do_not_move(self, held):
        held.must("request", 60 * VIRTUAL)
        held.refuses(LITTLE, "transfer", BOB, 40 * VIRTUAL + 1)
        held.must("transfer", BOB, 40 * VIRTUAL)

    def test_refusals(self, held):
        held.refuses(LITTLE, "transfer", BOB, 100 * VIRTUAL + 1)
        held.refuses("erc20: transfer to the zero address", "transfer", 0, 1)
        held.refuses(TO_THE_FUND, "transfer", held.at, 1)


class TestTransferFrom:
    def test_moves_what_is_allowed(self, held):
        held.must("approve", BOB, 30 * VIRTUAL)
        assert held.must("transferFrom", ALICE, ATTACKER, 10 * VIRTUAL, sender=BOB) is True
        assert held.read("balanceOf", ATTACKER) == 10 * VIRTUAL
        assert held.read("allowance", ALICE, BOB) == 20 * VIRTUAL
        held.must("approve", BOB, MOST)
        held.must("transferFrom", ALICE, BOB, VIRTUAL, sender=BOB)
        assert held.read("allowance", ALICE, BOB) == MOST

    def test_requested_shares_do_not_move(self, held):
        held.must("approve", BOB, MOST)
        held.must("request", 60 * VIRTUAL)
        held.refuses(LITTLE, "transferFrom", ALICE, BOB, 40 * VIRTUAL + 1, sender=BOB)
        held.refuses("erc20: insufficient allowance", "transferFrom", held.at, BOB, 1, sender=BOB)

    def test_refusals(self, held):
        held.refuses("erc20: insufficient allowance", "transferFrom", ALICE, BOB, 1, sender=BOB)
        held.must("approve", BOB, MOST - 1)
        held.refuses(LITTLE, "transferFrom", ALICE, BOB, 100 * VIRTUAL + 1, sender=BOB)
        held.refuses("erc20: transfer to the zero address", "transferFrom", ALICE, 0, 1, sender=BOB)
        held.refuses(TO_THE_FUND, "transferFrom", ALICE, held.at, 1, sender=BOB)
        held.refuses("erc20: approve from the zero address", "transferFrom", 0, BOB, 0, sender=BOB)


class TestApprove:
    def test_sets_and_resets(self, held):
        assert held.must("approve", BOB, 5) is True
        assert held.read("allowance", ALICE, BOB) == 5
        held.must("approve", BOB, 0)
        assert held.read("allowance", ALICE, BOB) == 0

    def test_zero_address(self, held):
        held.refuses("erc20: approve to the zero address", "approve", 0, 5)
