"""I-55: where everything that an account may hold expired, one transaction books it, and views show it before."""

import pytest

from tests.pairs import text
from tests.regression.test_derive import GAS_LIMIT, full_book
from tests.unit.clearinghouse.stage import ATTACKER, ETH, EVERYONE, EXPIRY, TRADER, USD, WAD

DAY = 86_400


@pytest.fixture
def expired(stage):
    """127 positions, 126 of them in four series, all of which have their price."""
    full_book(stage)
    for day in range(1, 5):
        stage.settle_expiry(1_880 * WAD, expiry=EXPIRY + day * DAY)
    return stage


def cost(stage, name, *args):
    book = stage.pair.contracts["book"]
    with stage.pair.chain.isolate():
        return stage.pair.chain.transact(book.address, stage.data("book", name, *args), sender=text(ATTACKER)).gas_used


@pytest.mark.slow
def test_one_transaction_books_everything_that_expired(expired):
    pair = expired.pair
    assert pair.twin.history.settled(ETH, EXPIRY + 4 * DAY, pair.now)
    assert len(expired.ask("book", "positions", TRADER)) == 1  # as if it were booked
    pair.mint(expired.usd, ATTACKER, USD)
    pair.approve(expired.usd, ATTACKER, pair.twin.at.book, USD)
    assert cost(expired, "expire", TRADER) < GAS_LIMIT
    assert cost(expired, "deposit", TRADER, expired.usd, USD) < GAS_LIMIT
    booked = sum(event.name == "Expired" for event in pair.twin.book.log)
    pair.must("book", "expire", TRADER)
    assert sum(event.name == "Expired" for event in pair.twin.book.log) - booked == 126
    pair.compare(EVERYONE)
