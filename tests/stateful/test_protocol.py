"""Every state-changing external function of the contracts, in any order, with good and with bad input.

A rule for each function; after each rule the chain must stand where the twin stands (I-60, I-61), and the numbered
properties of the threat list must hold on what the *chain* says:

    I-01  the book holds at least the tokens that it owes
    I-02  cash sums to what was deposited less what was withdrawn, linear to zero; dust goes to account 0 only
    I-04  the quantities of each instrument sum to zero, and open interest is what all accounts are long
    I-10  only price, time, a report or a parameter makes a healthy account liquidatable
    I-11  what an unhealthy account does in a trade reduces its risk, or makes it healthy
    I-12  an action moves the equities and the maintenance margin of its parties alone
    I-13  maintenance margin covers the worst lane of each underlying
    I-14  IM >= MM, and no book of positive gross size has zero MM
    I-20  an auction starts only under maintenance margin, or after a call ran out
    I-21  a bid improves the ratio of equity to maintenance margin, or empties the account
    I-24  the discount of an auction only grows, and leaves no less than nothing
    I-30  nobody's margin is checked on a dead feed: what needs a price is refused
    I-50  a deposit reads no price
    I-52  a deposit and its withdrawal return what went in
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import INVARIANT_MARKER, RULE_MARKER, RuleBasedStateMachine, initialize, invariant, rule

from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import MASK_ID, MAX_POSITIONS, SPOT, quantity_of, unpack
from plimsoll.spec.margin import Assessment, State, groups, state_of
from plimsoll.spec.wad import WAD
from tests.agreement.actions import ACCOUNTS, PRICES, TRADERS, Player
from tests.counts import record
from tests.pairs import Pair, address_of, call_words, calldata, number, text
from tests.strategies import Drawn, Seeded, Source, edge, pick

GOVERNED = (*TRADERS, "owner", "attacker")


def opened() -> Pair:
    """A deployment with a book of trades and room for new accounts."""
    pair = Pair(quote_decimals=6, decimals=(18, 8), underlyings=PRICES, signers=3, quorum=2)
    player = Player(pair, Seeded(2))
    player.open()
    player.fund()
    return pair


_PAIR: list[Pair] = []


def shared() -> Pair:
    """One deployment for all runs; each undoes what it did."""
    if not _PAIR:
        _PAIR.append(opened())
    return _PAIR[0]


def source_of(data: st.DataObject | Seeded) -> Source:
    """Where a rule's choices come from: Hypothesis, or a seed."""
    return data if isinstance(data, Seeded) else Drawn(data.draw)


class Protocol(RuleBasedStateMachine):
    """The contracts, their twin, and what was brought in and taken out."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = shared()
        self.context = self.pair.isolated()
        self.context.__enter__()
        self.player = Player(self.pair, Seeded(0))
        self.owners = dict.fromkeys(("feed", "oracle", "book", "liquidator"), (self.pair.owner, 0))
        self.donated = dict.fromkeys(self.pair.tokens, 0)
        self.steps = 0
        self.before = self.margins()
        self.discounts: dict[int, tuple[int, int]] = {}

    def teardown(self) -> None:
        record(stateful_steps=self.steps)
        self.context.__exit__(None, None, None)

    # ------------------------------------------------------------------------------------------------------- tools

    def ask(self, part: str, name: str, *args: Any) -> Any:
        """What a view of the chain answers, or its `Refused`."""
        contract = self.pair.contracts[part]
        if args and not isinstance(args[0], int):
            data = call_words(contract, name, *args)
        else:
            data = calldata(contract, name, args)
        return self.pair.ask(contract, data, contract.interface.function(name, len(args)))

    def margins(self) -> dict[int, Assessment]:
        """Margins of all accounts by the chain; without those that a dead feed hides."""
        found = {who: self.ask("book", "margin", who) for who in self.player.everyone()}
        return {who: Assessment(*margin) for who, margin in found.items() if not isinstance(margin, Refused)}

    def parties(self, state: dict[int, Any]) -> set[int]:
        """Accounts whose book or ledgers are not what they were."""
        return {who for who in self.player.everyone() if self.holdings(who) != state[who]}

    def holdings(self, who: int) -> Any:
        """Ledgers and positions by the chain."""
        return self.ask("book", "ledger", who), self.ask("book", "positions", who)

    def act(self, data: st.DataObject, name: str, *, moves_the_market: bool = False) -> dict[str, str]:
        """One action of the player, and what must hold between before and after it; its outcomes."""
        self.player.source = source_of(data)
        self.player.outcomes = {}
        self.before = self.margins()
        held = {who: self.holdings(who) for who in self.player.everyone()}
        getattr(self.player, name)()
        self.steps += 1
        if not moves_the_market:
            self.check_change(name, self.parties(held))
        return dict(self.player.outcomes)

    def check_change(self, name: str, parties: set[int]) -> None:
        """I-10, I-11, I-12 between two states with the same prices, time, reports and parameters."""
        after = self.margins()
        assert after.keys() == self.before.keys()
        for who, now in after.items():
            was = self.before[who]
            if who not in parties:  # I-12; open interest may move what new risk costs, nothing else
                same = (was.equity_haircut, was.equity_full, was.mm, was.call_line)
                assert (now.equity_haircut, now.equity_full, now.mm, now.call_line) == same, "I-12"
                continue
            if state_of(was) <= State.RESTRICTED:
                assert state_of(now) < State.LIQUIDATABLE, "I-10"
            if name in {"trade", "settle"} and state_of(was) != State.HEALTHY:
                is_healthy = state_of(now) == State.HEALTHY and now.fresh
                assert is_healthy or now.equity_haircut - now.mm >= was.equity_haircut - was.mm, "I-11"

    # ------------------------------------------------------------------------------------------- rules: the market

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.player.source = source_of(data)

    @rule(data=st.data())
    def prices_move(self, data: st.DataObject) -> None:
        self.act(data, "move", moves_the_market=True)

    @rule(data=st.data())
    def prices_move_until_it_hurts(self, data: st.DataObject) -> None:
        self.act(data, "stress", moves_the_market=True)

    @rule(data=st.data())
    def feeds_come_back(self, data: st.DataObject) -> None:
        self.act(data, "revive", moves_the_market=True)

    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        self.act(data, "wait", moves_the_market=True)

    @rule(data=st.data())
    def oracle_store_and_post(self, data: st.DataObject) -> None:
        self.act(data, "post", moves_the_market=True)

    # --------------------------------------------------------------------------------------------- rules: accounts

    @rule(data=st.data())
    def book_deposit(self, data: st.DataObject) -> None:
        for _, reason in self.act(data, "deposit"):
            assert not reason.startswith("feed: "), "I-50"

    @rule(data=st.data())
    def book_withdraw(self, data: st.DataObject) -> None:
        self.act(data, "withdraw")

    @rule(data=st.data())
    def book_deposit_and_withdraw(self, data: st.DataObject) -> None:
        """I-50, I-52: in and out again, by an account without positions, whatever the feeds do."""
        source = source_of(data)
        token = self.player.pair.tokens[source.integer(0, 2)]
        owner = address_of("attacker")
        who = owner << 96 | 5
        amount = edge(source, 1, 10**9)
        before = self.pair.twin.tokens[token].balance_of(owner)
        self.pair.must("book", "deposit", who, token, amount, sender=owner)
        self.pair.refused(
            "clearinghouse: collateral not there" if token != self.pair.tokens[0] else "clearinghouse: cash not there",
            "book", "withdraw", who, token, amount + 1, owner, sender=owner,
        )  # fmt: skip
        assert self.pair.step("book", "withdraw", who, token, amount, owner, sender=owner) is None, "I-50"
        assert self.pair.twin.tokens[token].balance_of(owner) == before, "I-52"

    @rule(data=st.data())
    def book_trade(self, data: st.DataObject) -> None:
        self.act(data, "trade")

    @rule(data=st.data())
    def book_seize_by_another(self, data: st.DataObject) -> None:
        self.act(data, "seize")
        assert ("book.seize", "done") not in self.player.outcomes

    @rule(data=st.data())
    def book_set_delegate_and_allowance(self, data: st.DataObject) -> None:
        self.act(data, "allow")

    @rule(data=st.data())
    def tokens_are_sent_to_the_book(self, data: st.DataObject) -> None:
        """A donation belongs to nobody."""
        source = source_of(data)
        token = self.pair.tokens[source.integer(0, 2)]
        amount = source.integer(1, 10**20)
        at = self.pair.twin.at.book
        self.pair.token_contracts[token].transact("mint", text(at), amount, sender=text(self.pair.owner))
        self.pair.twin.tokens[token].mint(at, amount)
        self.donated[token] += amount

    # --------------------------------------------------------------------------------------------- rules: exchange

    @rule(data=st.data())
    def exchange_settle_and_cancel(self, data: st.DataObject) -> None:
        self.act(data, "settle")

    @rule(data=st.data())
    def exchange_cancel_below(self, data: st.DataObject) -> None:
        self.act(data, "cancel_below")

    # ------------------------------------------------------------------------------------------- rules: liquidator

    @rule(data=st.data())
    def liquidator_call(self, data: st.DataObject) -> None:
        self.act(data, "call")

    @rule(data=st.data())
    def liquidator_cure(self, data: st.DataObject) -> None:
        self.act(data, "cure")

    @rule(data=st.data())
    def liquidator_start(self, data: st.DataObject) -> None:
        deadlines = {who: self.ask("liquidator", "deadline", who) for who in ACCOUNTS}
        auctions = {who: self.ask("liquidator", "auction", who) for who in ACCOUNTS}
        self.act(data, "start")
        for who in ACCOUNTS:
            if self.ask("liquidator", "auction", who) and not auctions[who]:
                found = self.before[who]
                ran_out = 0 < deadlines[who] < self.pair.now and found.equity_haircut < found.call_line
                assert ran_out or found.equity_haircut < found.mm or found.equity_full < 0, "I-20"

    @rule(data=st.data())
    def liquidator_bid(self, data: st.DataObject) -> None:
        log = self.pair.twin.liquidator.log  # the chain's, by I-61
        known = len(log)
        self.act(data, "bid")
        for who in (event.args["account"] for event in log[known:] if event.name == "BidTaken"):
            was, now = self.before[who], Assessment(*self.ask("book", "margin", who))
            words = self.ask("book", "positions", who)
            # each quantity may keep one wei more than its share, each ledger one unit less
            slack = 2 * MAX_POSITIONS * (max(PRICES.values()) // WAD * 1_000 + 1)
            improved = (now.equity_haircut + slack) * was.mm >= was.equity_haircut * (now.mm - slack)
            assert improved or not words, "I-21"

    @rule(data=st.data())
    def liquidator_close(self, data: st.DataObject) -> None:
        self.act(data, "close")

    @rule(data=st.data())
    def liquidation_goes_on(self, data: st.DataObject) -> None:
        """Calls, auctions and bids as a keeper makes them, over some time."""
        self.act(data, "pursue", moves_the_market=True)

    # ------------------------------------------------------------------------------------------- rules: governance

    @rule(data=st.data())
    def owner_functions(self, data: st.DataObject) -> None:
        """feed.set_bounds; oracle.set_params, set_signers, set_book; book.list_*, set_venue, set_liquidator,
        set_bands; liquidator.set_config."""
        self.act(data, "govern", moves_the_market=True)

    @rule(data=st.data())
    def feed_set_feed(self, data: st.DataObject) -> None:
        source = source_of(data)
        underlying = (*PRICES, 77)[source.integer(0, 3)]
        at = self.pair.aggregators[(*PRICES,)[source.integer(0, 2)]] if source.integer(0, 9) else 0
        sender = self.pair.owner if source.integer(0, 3) else address_of("attacker")
        exponent = source.integer(0, 19)
        if underlying != 77 and source.integer(0, 3):
            exponent, at = {0: 18, 1: 18, 0x0200: 16}[underlying], self.pair.aggregators[underlying]
        self.steps += 1
        self.pair.step("feed", "set_feed", underlying, at, edge(source, 0, 2**32 - 1), exponent, sender=sender)

    @rule(data=st.data())
    def transfer_and_accept_ownership(self, data: st.DataObject) -> None:
        """Two steps: nobody but the owner offers, nobody but whom it is offered to takes."""
        source = source_of(data)
        part = ("feed", "oracle", "book", "liquidator")[source.integer(0, 3)]
        owner, pending = self.owners[part]
        sender, to = (address_of(GOVERNED[source.integer(0, len(GOVERNED) - 1)]) for _ in range(2))
        contract = self.pair.contracts[part]
        self.steps += 1
        offers = source.integer(0, 1) == 1
        is_let = sender == (owner if offers else pending)
        name, args = ("transfer_ownership", (text(to),)) if offers else ("accept_ownership", ())
        if is_let:
            contract.transact(name, *args, sender=text(sender))
            owner, pending = (owner, to) if offers else (sender, 0)
            getattr(self.pair.twin, part).owner = owner
            self.pair.changed = True
        else:
            with pytest.raises(Refused, match=r"caller is not the (new )?owner"):
                contract.transact(name, *args, sender=text(sender))
        self.owners[part] = owner, pending
        assert number(self.ask(part, "owner")) == owner
        assert number(self.ask(part, "pending_owner")) == pending

    # -------------------------------------------------------------------------------------------------- invariants

    @invariant()
    def chain_is_twin(self) -> None:
        """I-60, I-61."""
        self.pair.compare([*self.player.everyone(), address_of("attacker") << 96 | 5])

    @invariant()
    def tokens_cover_what_is_owed(self) -> None:
        """I-01, and more: what is there is what is owed, and what was given away."""
        holders = [0, *self.player.everyone(), address_of("attacker") << 96 | 5]
        words = [word for who in holders for word in self.ask("book", "positions", who)]
        book = self.pair.contracts["book"]
        for token, contract in self.pair.token_contracts.items():
            there = contract.call("balanceOf", book.address)
            if token == self.pair.tokens[0]:
                owed, scale = sum(self.ask("book", "ledger", who)[0] for who in holders), 10**12
            else:
                instrument_id, scale = book.call("collateral", contract.address)
                owed = sum(quantity_of(word) for word in words if word & MASK_ID == instrument_id)
            assert there * scale >= owed, "I-01"
            assert (there - self.donated[token]) * scale == owed, "I-02"
        assert sum(self.ask("book", "ledger", who)[1] for who in holders) == 0, "I-02"
        assert min(self.ask("book", "ledger", 0)) >= 0, "I-02"
        longs: dict[int, int] = dict.fromkeys(PRICES, 0)
        totals: dict[int, int] = {}
        for word in words:
            instrument = unpack(word & MASK_ID)
            if instrument.kind != SPOT:
                totals[word & MASK_ID] = totals.get(word & MASK_ID, 0) + quantity_of(word)
                longs[instrument.underlying] += max(0, quantity_of(word))
            else:
                assert quantity_of(word) > 0, "I-01"
        assert set(totals.values()) <= {0}, "I-04"
        assert longs == {u: self.ask("book", "open_interest", u) for u in PRICES}, "I-04"

    @invariant()
    def requirements_are_ordered(self) -> None:
        """I-13, I-14."""
        for who, found in self.margins().items():
            words = self.ask("book", "positions", who)
            assert found.im >= found.mm, "I-14"
            assert found.equity_full >= found.equity_haircut
            is_open = any(unpack(word & MASK_ID).kind != SPOT for word in words)
            assert found.mm > 0 or not is_open, "I-14"
            assert found.call_line >= found.mm
            if is_open:
                scans = [self.ask("oracle", "terms", group)[5] for group in groups(words)]
                assert found.mm >= max(scans), "I-13"

    @invariant()
    def auctions_move_one_way(self) -> None:
        """I-24: with prices, books and configuration the same, the discount only grows; never past E_m."""
        for who in ACCOUNTS:
            began = self.ask("liquidator", "auction", who)
            found = self.ask("book", "margin", who)
            if not began or isinstance(found, Refused):
                self.discounts.pop(who, None)
                continue
            _, payment, discount = self.ask("liquidator", "quote", who, WAD)
            assert 0 <= discount <= max(0, found[1]), "I-24"
            assert payment <= max(0, found[1]) - discount, "I-24"
            config = self.ask("liquidator", "ramp"), self.ask("liquidator", "start_discount")
            key = hash((began, found, config))
            if self.discounts.get(who, (0, 0))[0] == key and payment:
                assert discount >= self.discounts[who][1], "I-24"
            self.discounts[who] = key, discount


# a run is thirty steps, each with every property: half as many runs as other tests have examples
Protocol.TestCase.settings = settings(max_examples=settings().max_examples // 2)
TestProtocol = Protocol.TestCase

# the rules once more, from seeds: many more steps in the same time, but no shrinking
RULES = {name: rule for name, rule in vars(Protocol).items() if hasattr(rule, RULE_MARKER)}
INVARIANTS = [check for check in vars(Protocol).values() if hasattr(check, INVARIANT_MARKER)]
OFTEN = ("liquidation_goes_on", "liquidator_bid", "book_trade", "book_withdraw", "oracle_store_and_post")
WALKS = {"quick": 3, "ci": 45, "long": 1_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(2))
def test_properties_hold_on_walks_from_seeds(chunk: int) -> None:
    taken: Counter[str] = Counter()
    did: Counter[str] = Counter()
    for seed in range(chunk * WALKS, (chunk + 1) * WALKS):
        machine = Protocol()
        source = Seeded(seed)
        for _ in range(30):
            name = pick(source, (*RULES, *(OFTEN * 2)))
            RULES[name](machine, data=source)
            taken[name] += 1
            did.update(name for name, reason in machine.player.outcomes if reason == "done")
            for check in INVARIANTS:
                check(machine)
        machine.teardown()
    assert len(INVARIANTS) == 4
    if WALKS >= 45:
        assert taken.keys() == RULES.keys()
        wanted = {"book.trade", "book.withdraw", "book.deposit", "exchange.settle", "oracle.post"}
        assert did.keys() >= wanted | {"liquidator.call", "liquidator.start", "liquidator.bid"}


def test_every_state_changing_function_has_a_rule() -> None:
    """A function that is added to a contract needs a rule here, or this fails."""
    known = {
        "feed": {"set_feed", "set_bounds"},
        "oracle": {"store", "post", "set_signers", "set_params", "set_book"},
        "book": {
            "list_instrument",
            "list_collateral",
            "set_venue",
            "set_liquidator",
            "set_bands",
            "set_delegate",
            "set_allowance",
            "deposit",
            "withdraw",
            "trade",
            "seize",
        },
        "exchange": {"settle", "cancel", "cancel_below"},
        "liquidator": {"call", "cure", "start", "bid", "close", "set_config"},
    }
    ownership = {"transfer_ownership", "accept_ownership"}
    for part, contract in shared().contracts.items():
        changing = {
            entry["name"]
            for entry in contract.artifact.abi
            if entry["type"] == "function" and entry["stateMutability"] not in {"view", "pure"}
        }
        assert changing - ownership == known[part]
    assert not [
        e for e in shared().lens.artifact.abi if e.get("stateMutability") == "nonpayable" and e["type"] == "function"
    ]
