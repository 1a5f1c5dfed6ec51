"""Deposits and withdrawals of tokens with habits: the amount that moved is what counts, and nobody gets in between."""

import pytest

from plimsoll.chain.contract import events_of
from plimsoll.spec.mandates import ALL
from tests.pairs import account, address_of, encode_call, text

from .stage import ATTACKER, BIDDER, EVERYONE, MAKER, OTHER, TRADER, USD, WAD, clean_stage

TRADER_ADDRESS = address_of("trader")
MOVED = "clearinghouse: vault moved another amount"


@pytest.fixture
def held(stage):
    """The trader with 100 USD and 1 WETH in the book, and as much outside."""
    for token, amount in ((stage.usd, 100 * USD), (stage.weth, WAD)):
        stage.bring("trader", token, amount)
        stage.pair.mint(token, TRADER_ADDRESS, amount)
    stage.pair.compare(EVERYONE)
    return stage


def call_of(stage, name, token, amount):
    """A move of the trader's tokens: what to call, and who does."""
    to = TRADER_ADDRESS
    if name in {"deposit", "withdraw"}:
        return name, (TRADER, token, amount, to)[: 3 if name == "deposit" else 4], to
    inner = name.removeprefix("batched ")
    data = stage.data("book", inner, *call_of(stage, inner, token, amount)[1])
    return "multicall", (TRADER, [{"target": stage.pair.twin.at.book, "data": data}]), to


def moves(stage, name, token, amount=1_000):
    """It goes through on the chain, by itself or in a batch."""
    function, args, sender = call_of(stage, name, token, amount)
    found = stage.on_chain("book", function, *args, sender=sender)
    assert isinstance(found, list), found
    return [event for event, _ in found]


def refused(stage, name, token, amount=1_000, *, reason=MOVED):
    """Refused on the chain, and all as before."""
    before = stage.balances()
    function, args, sender = call_of(stage, name, token, amount)
    assert stage.on_chain("book", function, *args, sender=sender) == reason
    assert stage.balances() == before
    stage.pair.compare(EVERYONE)


@pytest.mark.parametrize("name", ["deposit", "withdraw", "batched deposit", "batched withdraw"])
@pytest.mark.parametrize("token", ["usd", "weth"])
class TestHabits:
    def test_a_fee_on_transfer(self, held, token, name):
        held.switch(getattr(held, token), "set_fee", 1_000)
        if name.endswith("deposit"):
            refused(held, name, getattr(held, token))
        else:  # the fee is the receiver's: the book gives what it owes
            before = held.balances()[0 if token == "usd" else 7]
            moves(held, name, getattr(held, token))
            assert held.balances()[0 if token == "usd" else 7] == before - 1_000

    def test_a_fee_of_one_unit(self, held, token, name):
        held.switch(getattr(held, token), "set_fee", 1)
        if name.endswith("deposit"):
            refused(held, name, getattr(held, token), 10**6)
        else:  # nothing of 999,999 units
            moves(held, name, getattr(held, token), 999_999)

    def test_false_in_place_of_a_revert(self, held, token, name):
        held.switch(getattr(held, token), "set_answer", 2)
        refused(held, name, getattr(held, token))

    def test_a_revert(self, held, token, name):
        held.switch(getattr(held, token), "set_answer", 4)
        refused(held, name, getattr(held, token), reason="token: refused")

    def test_a_pause(self, held, token, name):
        held.switch(getattr(held, token), "set_paused", True)
        refused(held, name, getattr(held, token), reason="token: paused")

    def test_a_block_list(self, held, token, name):
        held.switch(getattr(held, token), "set_blocked", text(TRADER_ADDRESS), True)
        refused(held, name, getattr(held, token), reason="token: blocked")

    def test_no_answer_at_all_is_good(self, held, token, name):
        held.switch(getattr(held, token), "set_answer", 1)
        event = "Deposited" if name.endswith("deposit") else "Withdrawn"
        assert moves(held, name, getattr(held, token)) == [event]

    def test_a_rebase(self, held, token, name):
        # balances show half: 1,000 that move show as 500
        at = getattr(held, token)
        held.switch(at, "set_rebase", 500_000)
        function, args, sender = call_of(held, name, at, 1_000)
        assert held.on_chain("book", function, *args, sender=sender) == MOVED
        held.switch(at, "set_rebase", 10**6)
        held.pair.compare(EVERYONE)


HABITS = [("set_fee", 1_000), ("set_answer", 2), ("set_answer", 4), ("set_paused", True), ("set_rebase", 500_000)]


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("token", ["usd", "weth"])
def test_a_transfer_within_the_book_moves_no_token(held, token, habit):
    """So that neither a pause nor a block list keeps an owner's accounts apart."""
    at = getattr(held, token)
    held.switch(at, *habit)
    held.switch(at, "set_blocked", text(TRADER_ADDRESS), True)
    before = held.balances()
    held.pair.must("book", "transfer", TRADER, TRADER + 1, at, 1_000, sender=TRADER_ADDRESS)
    assert held.balances() == before
    assert held.ask("book", "brought_in", TRADER + 1) == (10**15 if token == "usd" else 0)


@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        (("set_fee", 1_000), MOVED),
        (("set_answer", 2), MOVED),
        (("set_answer", 4), "token: refused"),
        (("set_paused", True), "token: paused"),
    ],
)
def test_a_top_up_is_exact_too(habit, reason):
    with clean_stage(address_of("seizer")) as stage:
        stage.pair.mint(stage.usd, TRADER_ADDRESS, 100 * USD)
        args = TRADER, stage.usd, 50 * USD, 0
        stage.pair.must("mandates", "set_top_up", *args, sender=TRADER_ADDRESS)
        stage.switch(stage.usd, *habit)
        args = TRADER, stage.usd, USD, 0, 0
        assert stage.on_chain("book", "pull", *args, sender=address_of("seizer")) == reason
        stage.pair.compare(EVERYONE)


class TestReentry:
    """A token that calls out within its transfer finds the book locked; the same call works on its own."""

    CALLS = (
        "deposit",
        "withdraw",
        "trade",
        "transfer",
        "settle",
        "expire",
        "claim",
        "margin",
        "state",
        "ledger",
        "positions",
        "quantity",
        "pool",
        "utilisation",
        "brought_in",
        "may_act",
    )

    @pytest.fixture
    def hooked(self, held):
        """The token WETH is a venue, the trader's delegate, and has USD that the book may move."""
        pair, token = held.pair, held.weth
        held.fund("maker", 10_000)
        held.fund("trader", 1_000)
        pair.mint(held.usd, ATTACKER, 0)
        held.switch(held.usd, "mint", text(token), USD)
        usd = pair.token_contracts[held.usd]
        data = encode_call(usd.interface.function("approve", 2), (pair.twin.at.book, USD))
        assert self.outside(held, usd.address, data)
        held.delegate("trader", ALL, token)
        pair.must("registry", "set_venue", token, True, sender=pair.owner)
        held.allow("trader", token)
        held.allow("maker", token)
        return held

    def outside(self, stage, target, data):
        """Whether the token can make this call within a transfer that the book has no part in."""
        stage.switch(stage.weth, "set_hook", target, data)
        token = stage.pair.token_contracts[stage.weth]
        token.transact("transfer", text(ATTACKER), 0, sender=text(ATTACKER))
        return token.call("hook_worked")

    def call(self, stage, name):
        """Calldata of a call that the token may make."""
        args = {
            "deposit": (MAKER, stage.usd, USD),
            "withdraw": (TRADER, stage.usd, USD, ATTACKER),
            "trade": (TRADER, MAKER, stage.perp, WAD, 2_000 * WAD),
            "transfer": (TRADER, TRADER + 1, stage.usd, USD),
            "claim": (),
            "quantity": (TRADER, stage.spot),
            "utilisation": (),
            "pool": (),
            "may_act": (TRADER, ATTACKER, 1),
        }.get(name, (TRADER,))
        return encode_call(stage.pair.contracts["book"].interface.function(name, len(args)), args)

    @pytest.mark.parametrize("name", CALLS)
    @pytest.mark.parametrize("action", ["deposit", "withdraw"])
    def test_a_re_entrant_token_finds_the_book_locked(self, hooked, action, name):
        pair, book = hooked.pair, hooked.pair.contracts["book"]
        data = self.call(hooked, name)
        with pair.chain.isolate():
            assert self.outside(hooked, book.address, data)
        hooked.switch(hooked.weth, "set_hook", book.address, data)
        args = (TRADER, hooked.weth, 5) if action == "deposit" else (TRADER, hooked.weth, 5, TRADER_ADDRESS)
        pair.must("book", action, *args, sender=TRADER_ADDRESS)
        token = pair.token_contracts[hooked.weth]
        assert not token.call("hook_worked")
        assert token.call("hook_error") == b""
        pair.compare(EVERYONE)

    def test_the_hook_itself_works(self, hooked):
        # open_interest is the one view that answers under the lock
        book = hooked.pair.contracts["book"]
        data = encode_call(book.interface.function("open_interest", 1), (0x0102,))
        hooked.switch(hooked.weth, "set_hook", book.address, data)
        hooked.pair.must("book", "deposit", TRADER, hooked.weth, 5, sender=TRADER_ADDRESS)
        assert hooked.pair.token_contracts[hooked.weth].call("hook_worked")

    @pytest.mark.parametrize("name", ["start", "quote", "bid", "record"])
    def test_a_liquidation_within_a_transfer_finds_the_book_locked(self, stage, name):
        pair = stage.pair
        stage.sick(300, 1_650)
        stage.fund("bidder", 10_000)
        stage.bring("other", stage.weth, 5)
        stage.delegate("bidder", ALL, stage.weth)
        if name not in {"start", "record"}:
            pair.must("liquidator", "start", TRADER)
        contract = pair.contracts["liquidator"]
        args = {"quote": (TRADER, WAD), "bid": (TRADER, BIDDER, WAD, 10**24)}.get(name, (TRADER,))
        data = encode_call(contract.interface.function(name, len(args)), args)
        with pair.chain.isolate():
            assert self.outside(stage, contract.address, data)
        stage.switch(stage.weth, "set_hook", contract.address, data)
        pair.must("book", "withdraw", OTHER, stage.weth, 2, ATTACKER, sender=address_of("other"))
        assert not pair.token_contracts[stage.weth].call("hook_worked")
        pair.compare(EVERYONE)


def test_a_withdrawal_within_a_deposit_of_another_account(held):
    """The attack: get the deposit counted, take it out, and let the first call think it arrived."""
    token = held.weth
    held.delegate("trader", ALL, token)
    book = held.pair.contracts["book"]
    data = encode_call(book.interface.function("withdraw", 4), (TRADER, held.weth, WAD, token))
    held.switch(token, "set_hook", book.address, data)
    receipt = held.pair.chain.transact(
        book.address,
        encode_call(book.interface.function("deposit", 3), (TRADER, held.weth, 1_000)),
        sender=text(TRADER_ADDRESS),
    )
    assert [event.name for event in events_of(receipt.logs, [book])] == ["Deposited"]
    assert held.quantity(TRADER, held.spot) == WAD + 1_000
    assert held.quantity(account("trader", 1), held.spot) == 0
