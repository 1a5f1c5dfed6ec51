"""Quote tokens with habits: refused by the vault where it receives or sends, by the book where that receives."""

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.fund import VIRTUAL
from plimsoll.spec.wad import WAD
from tests.pairs import encode_call, text

from .bench import ALICE, BIDDER, BOB, ETH, LIQUIDATOR, MOVED, NOBODY, WEEK

BOOK_MOVED = "clearinghouse: vault moved another amount"
CALLS = {
    "deposit": ((1_000, ALICE), ALICE, MOVED),
    "mint": ((1_000 * VIRTUAL, ALICE), ALICE, MOVED),
    "redeem": ((1_000 * VIRTUAL, ALICE, ALICE), ALICE, MOVED),
    "withdraw": ((1_000, ALICE, ALICE), ALICE, MOVED),
    "pay": ((BIDDER, ETH, 0, WAD), LIQUIDATOR, BOOK_MOVED),
    "collect": ((), NOBODY, BOOK_MOVED),
}


@pytest.fixture
def ready(bench):
    """Everything that moves tokens could be done."""
    bench.enter(ALICE, 1_000 * bench.unit)
    bench.must("request", 500 * bench.unit * VIRTUAL)
    bench.later(WEEK)
    bench.give(ALICE, 1_000 * bench.unit)
    bench.earn(1_000)
    return bench


def switch(bench, name, *args):
    bench.token.transact(name, *args, sender=text(NOBODY))


def refuses(bench, name, reason):
    args, sender, _ = CALLS[name]
    before = bench.state()
    bench.refuses_on_chain(reason, name, *args, sender=sender)
    assert bench.state() == before


@pytest.mark.parametrize("name", CALLS)
class TestHabits:
    def test_false_in_place_of_a_revert(self, ready, name):
        switch(ready, "set_answer", 2)
        refuses(ready, name, CALLS[name][2])
        switch(ready, "set_answer", 0)
        ready.compare()

    @pytest.mark.parametrize(("how", "reason"), [(4, "token: refused")])
    def test_a_revert(self, ready, name, how, reason):
        switch(ready, "set_answer", how)
        refuses(ready, name, reason)

    def test_a_pause(self, ready, name):
        switch(ready, "set_paused", True)
        refuses(ready, name, "token: paused")
        switch(ready, "set_paused", False)
        args, sender, _ = CALLS[name]
        ready.must(name, *args, sender=sender)

    def test_no_answer_at_all_is_good(self, ready, name):
        switch(ready, "set_answer", 1)
        args, sender, _ = CALLS[name]
        ready.must(name, *args, sender=sender)


@pytest.mark.parametrize("fee", [1_000, 500_000])
class TestAFeeOnTransfer:
    @pytest.mark.parametrize("name", ["deposit", "mint"])
    def test_is_refused_by_the_vault_where_it_receives(self, ready, name, fee):
        switch(ready, "set_fee", fee)
        refuses(ready, name, MOVED)
        switch(ready, "set_fee", 0)
        ready.compare()

    def test_is_refused_by_the_book_where_that_receives(self, ready, fee):
        switch(ready, "set_fee", fee)
        refuses(ready, "pay", BOOK_MOVED)

    @pytest.mark.parametrize("name", ["redeem", "withdraw"])
    def test_is_the_receivers_where_the_vault_sends(self, ready, name, fee):
        switch(ready, "set_fee", fee)
        held = ready.token.call("balanceOf", ready.fund.address)
        args, sender, _ = CALLS[name]
        found, _ = ready.on_chain(name, args, sender)
        assert not isinstance(found, Refused)
        assert held - ready.token.call("balanceOf", ready.fund.address) == 1_000

    def test_of_fees_only_what_came_counts(self, ready, fee):
        switch(ready, "set_fee", fee)
        found, _ = ready.on_chain("collect", (), NOBODY)
        assert found == 1_000 - 1_000 * fee // 10**6


class TestARebase:
    def test_down_makes_deposits_and_withdrawals_fail_and_no_price(self, ready):
        before = ready.fund.call("totalAssets")
        switch(ready, "set_rebase", 500_000)
        assert ready.fund.call("totalAssets") == before
        for name in ("deposit", "mint", "redeem", "withdraw"):
            refuses(ready, name, MOVED)

    def test_up_is_a_gift_that_drips(self, ready):
        before = ready.fund.call("totalAssets")
        switch(ready, "set_rebase", 2_000_000)
        assert ready.fund.call("totalAssets") == before


class TestReentry:
    """A token that calls out within its transfer finds the fund locked; the same calls work on their own."""

    INNER = ("collect", "totalAssets", "maxRedeem", "cover", "previewDeposit", "transfer")

    def data(self, bench, name):
        args = {"maxRedeem": (ALICE,), "previewDeposit": (5,), "transfer": (BOB, 0)}.get(name, ())
        return encode_call(bench.fund.interface.function(name, len(args)), args)

    @pytest.mark.parametrize("inner", INNER)
    @pytest.mark.parametrize("outer", CALLS)
    def test_is_locked_out(self, ready, outer, inner):
        switch(ready, "set_hook", ready.fund.address, self.data(ready, inner))
        if inner != "collect":  # within a transfer of its own, it would call itself for ever
            ready.token.transact("transfer", text(BOB), 0, sender=text(NOBODY))
            assert ready.token.call("hook_worked")
        args, sender, _ = CALLS[outer]
        found, _ = ready.on_chain(outer, args, sender)
        assert not isinstance(found, Refused)
        assert not ready.token.call("hook_worked")
