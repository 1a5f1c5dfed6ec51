"""The parts of the model wired together: plain tokens, plain aggregators, and the refusals that leave no trace."""

from __future__ import annotations

import pytest

from plimsoll.spec.authority import NOBODY, check
from plimsoll.spec.errors import Refused
from plimsoll.spec.events import Event
from plimsoll.spec.guardrails import Guardrails, OpenGuardrails
from plimsoll.spec.margin import Assessment
from plimsoll.spec.system import ENDLESS, Addresses, PlainAggregator, PlainToken, System
from plimsoll.spec.wad import WAD
from tests.pairs import state_of

OWNER, QUOTE, TRADER, BOOK = 1, 2, 3, 14
ACCOUNT = TRADER << 96


@pytest.fixture
def system() -> System:
    parts = ("feed", "guard", "oracle", "exchange", "liquidator", "history", "registry", "mandates", "standing", "fund")
    at = Addresses(owner=OWNER, book=BOOK, quote=QUOTE, **{part: 15 + k for k, part in enumerate(parts)})
    made = System(at, 1, 1_000, {QUOTE: PlainToken(6)}, {20: PlainAggregator(8, 10**8, 1_000)})
    made.tokens[QUOTE].mint(TRADER, 100)
    return made


def test_a_token_moves_what_is_there_and_allowed() -> None:
    token = PlainToken(6)
    token.mint(1, 10)
    token.transfer(1, 2, 4)
    assert (token.balance_of(1), token.balance_of(2)) == (6, 4)
    with pytest.raises(Refused):
        token.transfer(1, 2, 7)
    with pytest.raises(Refused):
        token.transfer_from(9, 1, 2, 1)
    token.approve(1, 9, 5)
    token.transfer_from(9, 1, 2, 3)
    assert token.allowances[1, 9] == 2
    token.approve(1, 9, ENDLESS)
    token.transfer_from(9, 1, 1, 3)
    assert token.allowances[1, 9] == ENDLESS
    assert (token.balance_of(1), token.balance_of(2)) == (3, 7)


def test_parts_are_wired_once(system: System) -> None:
    system.wire()
    assert system.oracle.book == BOOK
    assert system.mandates.book == BOOK
    assert system.registry.venues == {system.at.exchange: True, system.at.standing: True}
    assert system.book.liquidator == system.at.liquidator
    assert system.book.fund == system.at.fund
    with pytest.raises(Refused, match="feed: witness is set"):
        system.wire()


def test_every_part_that_asks_for_guardians_asks_the_timelock(system: System) -> None:
    asking = [part for part in system.parts() if hasattr(part, "guardians") and part is not system.timelock]
    assert {type(part).__name__ for part in asking} >= {"IndexFeed", "Guardrails", "Oracle", "History", "Breakers"}
    assert [part for part in asking if part.guardians != system.timelock.guards_for] == []


def test_guardrails_are_there_unless_they_are_left_out(system: System) -> None:
    assert isinstance(system.guard, Guardrails)
    bare = System(system.at, 1, 1_000, system.tokens, system.aggregators, guarded=False)
    assert isinstance(bare.guard, OpenGuardrails)


def test_what_the_feed_may_take_for_a_witness_is_the_oracle(system: System) -> None:
    assert system.feed.oracles == {system.at.oracle: system.oracle}


def test_money_in_and_out(system: System) -> None:
    token = system.tokens[QUOTE]
    token.approve(TRADER, BOOK, ENDLESS)
    system.book.deposit(ACCOUNT, QUOTE, 60, sender=TRADER, now=system.clock)
    assert system.conserved() == (60 * 10**12, 0)
    assert system.book.margin(ACCOUNT, system.clock) == Assessment(60 * 10**12, 60 * 10**12, 0, 0, 0, fresh=True)
    system.book.withdraw(ACCOUNT, QUOTE, 60, TRADER, sender=TRADER, now=system.clock)
    assert system.conserved() == (0, 0)
    assert token.balance_of(TRADER) == 100
    assert system.book.log[-1] == Event(
        "Clearinghouse", "Withdrawn", {"account": ACCOUNT, "token": QUOTE, "amount": 60, "to": TRADER}
    )


@pytest.mark.parametrize(
    ("amount", "reason"),
    [(0, "clearinghouse: zero amount"), (101, ""), (10**16, "clearinghouse: amount over the maximum")],
)
def test_a_refusal_leaves_no_trace(system: System, amount: int, reason: str) -> None:
    system.tokens[QUOTE].approve(TRADER, BOOK, ENDLESS)
    before = state_of(system), system.tokens[QUOTE].balance_of(TRADER)
    with pytest.raises(Refused) as refused:
        system.book.deposit(ACCOUNT, QUOTE, amount, sender=TRADER, now=system.clock)
    assert refused.value.reason == reason
    assert (state_of(system), system.tokens[QUOTE].balance_of(TRADER)) == before


def test_a_deposit_asks_no_feed(system: System) -> None:
    """I-50: the twin's feed answers nothing here, and is not asked."""
    system.aggregators[20].answer = 0
    system.tokens[QUOTE].approve(TRADER, BOOK, ENDLESS)
    system.book.deposit(ACCOUNT, QUOTE, 100, sender=TRADER, now=system.clock)
    assert system.book.ledger(ACCOUNT, system.clock) == (100 * WAD // 10**6, 0)


def test_of_an_owner_that_is_no_contract_nobody_is_a_guardian() -> None:
    check(1, 1, False, NOBODY)
    for is_safer in (True, False):
        with pytest.raises(Refused, match=r"^ownable: caller is not the owner$"):
            check(1, 2, is_safer, NOBODY)
