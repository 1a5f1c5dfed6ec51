"""Which action accepts data of which age: one table, and every cell of it tried on chain and twin.

`TABLE` is the table of `docs/SPEC.md`, section "What each action needs"; a test holds the two together. An action is
prepared under a live index and fresh surfaces, then the data comes into one of the states, then the action is tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import pytest

from plimsoll.chain.artifacts import ROOT
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import PERP
from plimsoll.spec.oracle import unpack_params
from plimsoll.spec.report import pack_class, pack_floors, pack_rates, pack_scalars
from plimsoll.spec.surface import Surface
from tests.pairs import account, address_of

from .stage import (
    BIDDER,
    ETH,
    EVERYONE,
    MAKER,
    OTHER,
    OWNER,
    TRADER,
    USD,
    VENUE,
    WAD,
    Stage,
    clean_stage,
    make_row,
    make_surface,
)

MAX_AGE: Final = 60  # [s] of surfaces: what is called stays called while they grow old
NOTICE: Final = 121  # [s] until a call is ripe
SECOND: Final = account("trader", 1)
ADDRESS: Final = {role: address_of(role) for role in ("trader", "maker", "bidder", "other")}

FRESH = "live index, fresh surfaces"
OLD = "surface too old, or index past the gate"
MISSING = "row missing"
DEAD = "index dead, or sequencer down"
GRACE = "grace after an outage"
COLUMNS: Final = (FRESH, OLD, MISSING, DEAD, GRACE)

YES, NO = "yes", "no"
ALWAYS = (YES, YES, YES, YES, YES)
LEAVING = (YES, NO, NO, NO, YES)
INDEX = (YES, YES, YES, NO, YES)
TABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "deposit": ALWAYS,
    "expire": ALWAYS,
    "claim": ALWAYS,
    "withdrawal and transfer of an account that needs no margin": ALWAYS,
    "withdrawal of any other": LEAVING,
    "transfer of any other": LEAVING,
    "multicall of any other": LEAVING,
    "trade that adds risk": LEAVING,
    "trade that reduces risk": INDEX,
    "settle": INDEX,
    "credit for a loss that is settled": LEAVING,
    "call": INDEX,
    "cure": INDEX,
    "top_up": INDEX,
    "draw": INDEX,
    "close": INDEX,
    "record": INDEX,
    "start": (YES, YES, YES, NO, NO),
    "bid": (YES, YES, YES, NO, NO),
}

NOT_FRESH = "clearinghouse: surface not fresh"
IN_GRACE = "liquidator: in the grace after an outage"


# ------------------------------------------------------------------------------------------------------------- states


def renew(stage: Stage, change: Callable[[Surface], Surface]) -> None:
    """Believe surfaces of now that are changed."""
    made = [
        change(make_surface(u, e, rows, stage.pair.now, reference=stage.index(u)))
        for (u, e), rows in sorted(stage.surfaces.items())
    ]
    stage.pair.post(made, map(pack_scalars, stage.scalars.values()), map(pack_class, stage.classes.values()))


def past_the_gate(made: Surface) -> Surface:
    return replace(made, reference=made.reference * 102 // 100)


def without_the_perp(made: Surface) -> Surface:
    if (made.underlying, made.expiry) != (ETH, 0):
        return made
    return replace(made, rows=(make_row(PERP, 7), *made.rows[1:]))  # another instrument in its place


@dataclass(frozen=True)
class State:
    """A column, a way into it, and what refuses then."""

    column: str
    enter: Callable[[Stage], object]
    refusal: str = ""


def go_down(stage: Stage) -> None:
    stage.pair.answer(stage.pair.uptime, 1)


def come_back(stage: Stage) -> None:
    stage.pair.answer(stage.pair.uptime, 0)


STATES: Final[Mapping[str, State]] = {
    "fresh": State(FRESH, lambda _: None),
    "too old": State(OLD, lambda stage: stage.later(MAX_AGE + 1), NOT_FRESH),
    "past the gate": State(OLD, lambda stage: renew(stage, past_the_gate), NOT_FRESH),
    "missing": State(MISSING, lambda stage: renew(stage, without_the_perp), NOT_FRESH),
    "index stale": State(DEAD, lambda stage: stage.kill_feed(ETH, "stale"), "feed: stale price"),
    "index reverting": State(DEAD, lambda stage: stage.kill_feed(ETH, "reverting"), "aggregator: down"),
    "sequencer down": State(DEAD, go_down, "feed: sequencer is down"),
    "grace": State(GRACE, come_back, IN_GRACE),
}


# ------------------------------------------------------------------------------------------------------------ actions


@dataclass(frozen=True)
class Action:
    """What prepares it, and what it is: part, function, arguments, sender."""

    prepare: Callable[[Stage], object]
    step: Callable[[Stage], tuple[object, ...]]


def rich(stage: Stage) -> None:
    """The trader long one perp, with more than any requirement; the maker on the other side."""
    stage.fund("maker", 1_000_000)
    stage.fund("trader", 100_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)


def free(stage: Stage) -> None:
    stage.fund("other", 1_000)


def weak(stage: Stage) -> None:
    """The trader under maintenance margin, its equity not negative, on fresh surfaces."""
    stage.sick()
    stage.post()


def called(stage: Stage) -> None:
    weak(stage)
    stage.pair.must("liquidator", "call", TRADER)


def ripe(stage: Stage) -> None:
    called(stage)
    stage.later(NOTICE)
    stage.post()


def auctioned(stage: Stage) -> None:
    ripe(stage)
    stage.fund("bidder", 1_000_000)
    stage.pair.must("liquidator", "start", TRADER)


def cured(stage: Stage) -> None:
    called(stage)
    stage.fund("trader", 100_000)


def recovered(stage: Stage) -> None:
    auctioned(stage)
    stage.fund("trader", 100_000)


def mandated(stage: Stage) -> None:
    called(stage)
    stage.pair.mint(stage.usd, ADDRESS["trader"], 1_000 * USD)
    args = TRADER, stage.usd, 1_000 * USD, 0
    stage.pair.must("mandates", "set_top_up", *args, sender=ADDRESS["trader"])


def reserved(stage: Stage) -> None:
    called(stage)
    stage.fund("trader", 1_000, at=1)
    stage.pair.must("mandates", "set_reserve", TRADER, SECOND, sender=ADDRESS["trader"])


def indebted(stage: Stage) -> None:
    """The trader with a loss of 50, no cash, and much collateral."""
    stage.limit(borrow_cap=1_000 * WAD, total_borrow_cap=1_000 * WAD)
    stage.fund("maker", 1_000_000)
    stage.bring("trader", stage.weth, 10 * WAD)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.pair.price(ETH, 1_950 * WAD)
    stage.post()


def out(stage: Stage, role: str, amount: int = USD) -> tuple[object, ...]:
    return "book", "withdraw", account(role), stage.usd, amount, ADDRESS[role], ADDRESS[role]


ACTIONS: Final[Mapping[str, Action]] = {
    "deposit": Action(
        lambda stage: (rich(stage), stage.pair.mint(stage.usd, ADDRESS["trader"], USD)),
        lambda stage: ("book", "deposit", TRADER, stage.usd, USD, ADDRESS["trader"]),
    ),
    "expire": Action(rich, lambda _: ("book", "expire", TRADER, OWNER)),
    "claim": Action(rich, lambda _: ("book", "claim", OWNER)),
    "withdrawal and transfer of an account that needs no margin": Action(free, lambda stage: out(stage, "other")),
    "withdrawal of any other": Action(rich, lambda stage: out(stage, "trader")),
    "transfer of any other": Action(
        rich, lambda stage: ("book", "transfer", TRADER, SECOND, stage.usd, USD, ADDRESS["trader"])
    ),
    "trade that adds risk": Action(
        rich, lambda stage: ("book", "trade", TRADER, MAKER, stage.perp, WAD, 2_000 * WAD, VENUE)
    ),
    "trade that reduces risk": Action(
        rich, lambda stage: ("book", "trade", MAKER, TRADER, stage.perp, WAD // 2, 2_000 * WAD, VENUE)
    ),
    "settle": Action(rich, lambda _: ("book", "settle", TRADER, OWNER)),
    "call": Action(weak, lambda _: ("liquidator", "call", TRADER, OWNER)),
    "cure": Action(cured, lambda _: ("liquidator", "cure", TRADER, OWNER)),
    "top_up": Action(mandated, lambda stage: ("liquidator", "top_up", TRADER, stage.usd, 0, OWNER)),
    "draw": Action(reserved, lambda _: ("liquidator", "draw", TRADER, USD, OWNER)),
    "close": Action(recovered, lambda _: ("liquidator", "close", TRADER, OWNER)),
    "record": Action(weak, lambda _: ("liquidator", "record", TRADER, OWNER)),
    "start": Action(ripe, lambda _: ("liquidator", "start", TRADER, OWNER)),
    "bid": Action(auctioned, lambda _: ("liquidator", "bid", TRADER, BIDDER, WAD // 10, ADDRESS["bidder"])),
}


# -------------------------------------------------------------------------------------------------------------- tests


@pytest.fixture
def rollup() -> Iterator[Stage]:
    """The small market on a rollup, its surfaces good for a minute."""
    with clean_stage(rollup=True) as made:
        oracle = made.pair.twin.oracle
        params = replace(unpack_params(oracle.rates, oracle.floors), max_age=MAX_AGE)
        made.pair.must("oracle", "set_params", pack_rates(params), pack_floors(params), sender=OWNER)
        yield made


def expected(action: str, state: str) -> str | None:
    """The reason that the table's cell stands for; None where the action passes."""
    found = STATES[state]
    return None if TABLE[action][COLUMNS.index(found.column)] == YES else found.refusal


def held_to(stage: Stage, action: str, state: str, part: str, name: str, *args: object) -> None:
    """Try it on both: it passes, or is refused by name and changes nothing."""
    *rest, sender = args
    reason = expected(action, state)
    # while the sequencer is down no grace ends, and auctions ask that first
    if state == "sequencer down" and name in {"start", "bid"}:
        reason = IN_GRACE
    if reason is None:
        stage.pair.must(part, name, *rest, sender=sender)
        stage.pair.compare(EVERYONE)
    else:
        stage.refuses(reason, part, name, *rest, sender=sender)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_each_cell(rollup: Stage, action: str, state: str) -> None:
    ACTIONS[action].prepare(rollup)
    STATES[state].enter(rollup)
    held_to(rollup, action, state, *ACTIONS[action].step(rollup))


@pytest.mark.parametrize("state", STATES)
def test_transfers_of_an_account_that_needs_no_margin(rollup: Stage, state: str) -> None:
    free(rollup)
    STATES[state].enter(rollup)
    action = "withdrawal and transfer of an account that needs no margin"
    held_to(rollup, action, state, "book", "transfer", OTHER, OTHER + 1, rollup.usd, USD, ADDRESS["other"])


@pytest.mark.parametrize("state", STATES)
def test_batches(rollup: Stage, state: str) -> None:
    """With nothing in it, a batch is its check."""
    rich(rollup)
    STATES[state].enter(rollup)
    reason = rollup.batch(TRADER, sender=ADDRESS["trader"])
    assert reason == expected("multicall of any other", state)
    rollup.pair.compare(EVERYONE)


@pytest.mark.parametrize("state", STATES)
def test_credit(rollup: Stage, state: str) -> None:
    """A settlement passes on surfaces of any age; what is lent for it does not."""
    indebted(rollup)
    STATES[state].enter(rollup)
    found = rollup.pair.step("book", "settle", TRADER, sender=OWNER)
    reason = expected("settle", state)
    if isinstance(found, Refused) or reason is not None:
        assert isinstance(found, Refused)
        assert found.reason == reason
        assert expected("credit for a loss that is settled", state) == reason
        return
    rollup.pair.compare(EVERYONE)
    cash, _ = rollup.ledger(TRADER)
    lent = expected("credit for a loss that is settled", state) is None
    assert (cash < 0) == lent


def test_every_action_is_in_the_table() -> None:
    apart = {"multicall of any other", "credit for a loss that is settled"}
    assert set(TABLE) == set(ACTIONS) | apart
    assert {state.column for state in STATES.values()} == set(COLUMNS)


def test_the_document_says_the_same() -> None:
    """The table of docs/SPEC.md, cell by cell; its first column names actions, `; ` between them."""
    text = (ROOT / "docs" / "SPEC.md").read_text(encoding="utf-8")
    section = text[text.index("**What each action needs**") :]
    (table,) = re.findall(r"(?:^\|.*\|\n)+", section[: section.index("\n**", 2)], re.MULTILINE)[:1]
    head, _, *rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
    assert tuple(head[1:]) == COLUMNS
    said = {name.strip("`"): tuple(cells) for first, *cells in rows for name in first.split("; ")}
    assert said == dict(TABLE)
    assert len(said) == sum(len(first.split("; ")) for first, *_ in rows)
