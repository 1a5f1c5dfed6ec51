"""Lens.standings: where many accounts stand, and which nobody can assess."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.lens import Standing, standing
from plimsoll.spec.margin import Assessment
from plimsoll.spec.wad import WAD
from tests.pairs import compiled, text
from tests.unit.clearinghouse.stage import BTC, DEAD, ETH, MAKER, OTHER, OWNER, TRADER, clean_stage, wad

NOTHING = Assessment(0, 0, 0, 0, 0, fresh=True)
UNKNOWN = Assessment(0, 0, 0, 0, 0, fresh=False)


def ask(stage, accounts, lens=None):
    """What the lens says; the twin says the same."""
    contract = stage.pair.lens if lens is None else lens
    function = contract.interface.function("standings", 1)
    answer = stage.pair.ask(contract, function.encode([accounts]), function)
    found = [Standing(known, state, Assessment(*margin), *times) for known, state, margin, *times in answer]
    if lens is None:
        book, liquidator = stage.book, stage.pair.twin.liquidator
        assert found == [standing(book, liquidator, who, stage.pair.now) for who in accounts]
    return found


def test_each_in_its_place(stage):
    stage.sick(300, 1_900)
    stage.fund("other", 5)
    found = ask(stage, [OTHER, TRADER, MAKER, TRADER, 0])
    assert [item.assessment for item in found] == [stage.margin(who) for who in (OTHER, TRADER, MAKER, TRADER, 0)]
    assert [item.state for item in found] == [0, 3, 0, 3, 0]
    assert all(item.is_known for item in found)


@pytest.mark.parametrize(("price", "state"), [(2_000, 0), (1_980, 1), (1_915, 2), (1_900, 3), (1_699, 4)])
def test_states_are_the_books(stage, price, state):
    stage.sick(300, price)
    assert ask(stage, [TRADER])[0].state == stage.ask("book", "state", TRADER) == state


def test_calls_and_auctions(stage):
    stage.sick()
    stage.fund("trader", 30)
    stage.pair.must("liquidator", "call", TRADER)
    now = stage.pair.now
    found = ask(stage, [TRADER, OTHER])
    assert [(item.ripe, item.deadline, item.auction) for item in found] == [(now + 120, now + 3_600, 0), (0, 0, 0)]
    stage.later(3_601)
    stage.pair.must("liquidator", "start", TRADER)
    found = ask(stage, [TRADER])[0]
    assert (found.ripe, found.deadline, found.auction) == (0, 0, now + 3_601)
    stage.later(7_201)
    assert ask(stage, [TRADER])[0].auction == 0


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_hides_only_what_it_prices(stage, way):
    stage.sick(300, 1_900)
    stage.fund("other", 1_000)
    stage.post()
    stage.trade(OTHER, MAKER, stage.btc_perp, WAD // 100, 20_000 * WAD)
    stage.pair.must("liquidator", "call", TRADER)
    stage.kill_feed(ETH, way)
    found = ask(stage, [TRADER, OTHER, MAKER, 0])
    assert [item.is_known for item in found] == [False, True, False, True]
    assert found[0].assessment == UNKNOWN
    assert found[0].state == 0
    assert found[0].deadline == stage.pair.now + 120  # what is called is known without a price
    assert found[1].assessment.mm == wad("22")
    assert found[3].assessment == NOTHING
    stage.kill_feed(BTC, "zero")
    assert not ask(stage, [OTHER])[0].is_known


@pytest.mark.parametrize("count", [0, 1, 200])
def test_up_to_200(stage, count):
    assert ask(stage, list(range(1, count + 1))) == [Standing(True, 0, NOTHING, 0, 0, 0)] * count


def test_201_are_too_many(stage):
    function = stage.pair.lens.interface.function("standings", 1)
    assert stage.pair.ask(stage.pair.lens, function.encode([list(range(201))]), function).reason == ""


def test_a_book_without_a_liquidator():
    """Nobody is called in it."""
    with clean_stage() as stage:
        pair = stage.pair
        at = pair.twin.at
        parts = [text(getattr(at, name)) for name in ("quote", "oracle", "feed", "registry", "mandates", "history")]
        office = deploy(pair.chain, compiled("BackOffice"), *parts, sender=text(OWNER))
        book = deploy(pair.chain, compiled("Clearinghouse"), *parts, office.address, sender=text(OWNER))
        lens = deploy(pair.chain, compiled("Lens"), book.address, text(at.oracle), sender=text(OWNER))
        assert ask(stage, [TRADER], lens) == [Standing(True, 0, NOTHING, 0, 0, 0)]
