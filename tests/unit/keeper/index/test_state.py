"""What events do to a state, and what is taken back of it."""

import pytest

from plimsoll.keeper.index.bench import made_up
from plimsoll.keeper.index.decode import named_accounts
from plimsoll.keeper.index.state import AccountState
from plimsoll.keeper.index.store import read, told
from plimsoll.spec.events import Event
from plimsoll.spec.instruments import FUTURE, PERP, Instrument, word
from plimsoll.spec.wad import WAD

BUYER, SELLER = 7 << 96, 8 << 96
EXPIRY = 1_800_000_000
ITEM = Instrument(257, EXPIRY, FUTURE, 0, 3).pack()
QUOTE = 0xC0


def book(name, **args):
    return Event("Clearinghouse", name, args)


def traded(instrument=ITEM, quantity=2 * WAD, paid=200 * WAD):
    return book(
        "Traded",
        buyer=BUYER,
        seller=SELLER,
        instrument=instrument,
        quantity=quantity,
        price=100 * WAD,
        paid=paid,
        received=paid,
        fees=0,
        venue=1,
    )


@pytest.fixture
def state():
    made = AccountState(QUOTE, 1, named_accounts(made_up().contracts))
    begin = [
        Event("IndexFeed", "RouteBound", {"underlying": 257, "old": (0, 0, 0), "new": (15 << 56, 0, 0)}),
        Event("Registry", "InstrumentListed", {"instrument": Instrument(257, 0, PERP, 0, 1).pack()}),
        Event("Registry", "InstrumentListed", {"instrument": ITEM}),
        book("Deposited", account=SELLER, token=QUOTE, amount=500 * WAD, by=1),
        traded(),
    ]
    made.apply_block(begin, 1_000)
    made.mark()
    return made


def everything(state):
    names = ("places", "ledgers", "entries", "books", "interest", "open", "strike_units", "calls", "auctions", "listed")
    return {name: dict(getattr(state, name)) for name in names} | state._values() | {"holders": str(state.holders)}


def test_what_an_expiry_pays_is_there_when_its_block_ends(state):
    gone = book("Expired", account=BUYER, instrument=ITEM, quantity=2 * WAD, price=130 * WAD)
    state.apply_block([gone], EXPIRY + 1)
    assert state.ledgers[BUYER] == (0, -200 * WAD + 260 * WAD)
    assert state.books[BUYER] == ()
    state.mark()
    assert state.holders == {(257, EXPIRY): {SELLER}}


def test_a_block_is_taken_back_to_the_last_entry(state):
    before = everything(state)
    state.apply_block(
        [
            traded(Instrument(257, 0, PERP, 0, 1).pack(), WAD, 50 * WAD),
            book("Expired", account=BUYER, instrument=ITEM, quantity=2 * WAD, price=90 * WAD),
            Event("Liquidator", "ConfigSet", {"new": (60, 1, 2, 3)}),
            Event("Liquidator", "Called", {"account": SELLER, "ripe": 5, "deadline": 9}),
            book("Deposited", account=9 << 96, token=QUOTE, amount=3, by=1),
            book("FundSet", fund=77),
            Event("Registry", "CurveSet", {"old_curve": 0, "curve": 12}),
        ],
        EXPIRY + 5,
    )
    undo = state.mark()
    after = everything(state)
    assert after["calls"] == {SELLER: (5, 9, 69)}
    assert {name for name in after if after[name] != before[name]} >= {
        "places",
        "books",
        "calls",
        "fund",
        "curve",
        "sums",
    }
    state.put(read(told(undo)))
    again = state.mark()
    assert everything(state) == before
    state.put(read(told(again)))
    state.mark()
    assert everything(state) == after


def test_only_owned_accounts_are_met_and_in_their_order(state):
    assert state.accounts == [SELLER, BUYER]
    state.apply_block(
        [
            book("BountyPaid", account=SELLER, to=5 << 96 | 3, amount=1),
            book("Withdrawn", account=BUYER, token=QUOTE, amount=0, to=2**160 - 1),  # an address is no account
            book("Settled", account=1, amount=0),
        ],
        2_000,
    )
    assert state.accounts == [SELLER, BUYER, 5 << 96 | 3]


def test_listed_instruments_by_underlying_in_the_order_of_their_rows(state):
    assert state.expiries == {257: (EXPIRY,)}
    assert state.instruments(257) == [Instrument(257, 0, PERP, 0, 1).pack(), ITEM]
    assert state.instruments(258) == []


def test_business_is_open_until_it_lapses(state):
    state.calls[SELLER] = (10, 20, 30)
    state.auctions[BUYER] = (10, 50, 0)
    state.records[9 << 96] = 4
    state.records[10 << 96] = 0
    assert state.open_business(30) == [SELLER, BUYER, 9 << 96]
    assert state.open_business(31) == [BUYER, 9 << 96]
    assert state.open_business(111) == [9 << 96]


def test_views_have_what_a_settled_expiry_pays(state):
    words, cash, linear = state.held(SELLER, state.sums, {(257, EXPIRY): 80 * WAD})
    assert (words, cash, linear) == ((), 500 * WAD, 200 * WAD - 160 * WAD)
    assert state.held(SELLER, state.sums)[0] == (word(ITEM, -2 * WAD),)
