"""The example of docs/ORACLE.md: a market that lends against a basket, on the oracle's word."""

from pathlib import Path

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.wad import WAD
from tests.pairs import address_of, compiled, text
from tests.unit.clearinghouse.stage import DEAD, ETH, EXPIRY, clean_stage, make_row, words_of

SOURCE = Path(__file__).resolve().parents[3] / "contracts" / "examples" / "LendingCheck.vy"
BORROWER = text(address_of("borrower"))


@pytest.fixture
def market():
    """The small market, and a lender beside it."""
    with clean_stage() as stage:
        at = stage.pair.twin.at
        stage.lender = deploy(
            stage.pair.chain, compiled("LendingCheck"), text(at.oracle), text(at.feed), sender=text(at.owner)
        )
        # two of the token, hedged by a short future: worth 3,600 after haircut, and little risk
        stage.basket = words_of({stage.spot: 2 * WAD, stage.future: -2 * WAD})
        stage.linear = 4_000 * WAD
        yield stage


def borrow(market, amount, basket=None):
    held = basket or market.basket
    return market.lender.transact("borrow", held, market.linear, amount, sender=BORROWER)


def is_healthy(market, debt, basket=None, linear=None):
    held, cost = basket or market.basket, market.linear if linear is None else linear
    return market.lender.call("is_healthy", held, cost, debt)


def refused(reason, action):
    with pytest.raises(Refused) as caught:
        action()
    assert caught.value.reason == reason


def most(market) -> int:
    """The largest debt that initial margin leaves room for, from the twin [wad]."""
    oracle, now = market.pair.twin.oracle, market.pair.now
    low, high = 0, 10**6 * WAD
    while low < high:
        middle = (low + high + 1) // 2
        found = oracle.assess(market.basket, market.linear - middle, now)
        low, high = (middle, high) if found.equity_haircut >= found.im else (low, middle - 1)
    return low


def test_it_is_as_short_as_it_says():
    code, quoted = [], False
    for line in SOURCE.read_text().splitlines():
        quotes = line.count('"""')
        if not quoted and not quotes and line.strip() and not line.lstrip().startswith("#"):
            code.append(line)
        quoted ^= quotes % 2 == 1
    assert 20 < len(code) <= 40


def test_a_loan_up_to_the_exact_unit(market):
    limit = most(market)
    refused("lending: below initial margin", lambda: borrow(market, limit + 1))
    assert market.lender.call("debts", BORROWER) == 0
    borrow(market, limit)
    assert market.lender.call("debts", BORROWER) == limit
    refused("lending: below initial margin", lambda: borrow(market, 1))


def test_healthy_to_the_exact_unit(market):
    oracle, now = market.pair.twin.oracle, market.pair.now
    found = oracle.assess(market.basket, market.linear, now)
    limit = found.equity_haircut - found.mm
    assert limit > most(market)
    assert is_healthy(market, limit)
    assert not is_healthy(market, limit + 1)


def test_a_fall_of_the_index_makes_it_unhealthy(market):
    """Of the token alone; with its hedge it stands."""
    token = words_of({market.spot: 2 * WAD})
    debt = 2_900 * WAD
    assert is_healthy(market, debt, token, 0)
    market.pair.price(ETH, 1_800 * WAD)
    assert not is_healthy(market, debt, token, 0)
    assert is_healthy(market, debt)


def test_stale_data_refuses_new_loans_and_lets_repay(market):
    borrow(market, 100 * WAD)
    market.later(3_600)
    borrow(market, WAD)
    market.later(1)
    refused("lending: surface too old", lambda: borrow(market, WAD))
    assert is_healthy(market, 101 * WAD)
    market.later(7_200)
    refused("lending: surface too old", lambda: borrow(market, WAD))
    market.lender.transact("repay", 101 * WAD, sender=BORROWER)
    assert market.lender.call("debts", BORROWER) == 0
    refused("", lambda: market.lender.transact("repay", 1, sender=BORROWER))


def test_a_row_that_the_surface_lacks_is_not_fresh(market):
    """Young enough, and yet it says nothing of what is held."""
    market.surfaces[ETH, EXPIRY] = (make_row(3, 2_000),)
    market.post()
    refused("lending: surface not fresh", lambda: borrow(market, WAD))


def test_a_surface_that_was_never_posted_is_too_old(market):
    basket = words_of({market.spot: WAD, (market.future & ~(0xFFFFFFFFFF << 72)) | (EXPIRY + 1) << 72: WAD})
    refused("lending: surface too old", lambda: borrow(market, WAD, basket))


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_index_is_named_and_nobody_is_unhealthy_by_it(market, way):
    borrow(market, 100 * WAD)
    market.kill_feed(ETH, way)
    refused("lending: index unusable", lambda: borrow(market, WAD))
    refused("lending: index unusable", lambda: is_healthy(market, 100 * WAD))
    market.lender.transact("repay", 100 * WAD, sender=BORROWER)
    assert market.lender.call("debts", BORROWER) == 0
