"""The example of another protocol that reads the oracle: exact at the unit, short, and named where it refuses.

One WETH is worth 2,000, 1,800 after haircut; its scan is 200: MM 200, IM 260. So 1,540 may be borrowed on it, and 1,600
may stand.
"""

from pathlib import Path

import pytest

from plimsoll.chain.artifacts import ROOT
from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import word
from tests.pairs import compiled, text
from tests.unit.clearinghouse.stage import ETH, FEED_AGE, OWNER, wad

SOURCE = ROOT / "contracts" / "examples" / "LendingCheck.vy"


@pytest.fixture
def check(stage):
    """The example on the stage's chain."""
    return deploy(stage.pair.chain, compiled("LendingCheck"), text(stage.pair.twin.at.oracle), sender=text(OWNER))


@pytest.fixture
def basket(stage):
    """One WETH."""
    return [word(stage.spot, wad(1))]


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor comment nor docstring."""
    count, in_text = 0, False
    for line in path.read_text().splitlines():
        bare = line.strip()
        if bare.startswith('"""'):
            in_text = not in_text
        elif bare and not in_text and not bare.startswith("#"):
            count += 1
    return count


def test_it_is_short():
    assert 20 < code_lines(SOURCE) <= 40


def test_a_loan_up_to_initial_margin_and_not_a_unit_more(check, basket):
    assert check.call("may_owe", basket, wad(1_540))
    assert not check.call("may_owe", basket, wad(1_540) + 1)


def test_it_stands_down_to_maintenance_margin(check, basket):
    assert check.call("is_safe", basket, wad(1_600))
    assert not check.call("is_safe", basket, wad(1_600) + 1)
    assert check.call("shortfall", basket, wad(1_600)) == 0
    assert check.call("shortfall", basket, wad(1_600) + 7) == 7


def test_without_debt_nothing_is_needed(check, basket):
    assert check.call("may_owe", basket, 0)
    assert check.call("shortfall", [], 0) == 0


def test_on_old_data_nothing_new_is_lent_and_what_stands_is_still_judged(stage, check, basket):
    stage.pair.advance(7_201)
    with pytest.raises(Refused, match="lending: risk data too old to lend on"):
        check.call("may_owe", basket, wad(1))
    assert check.call("is_safe", basket, wad(1_600))
    assert not check.call("is_safe", basket, wad(1_600) + 1)


def test_a_dead_index_is_named(stage, check, basket):
    stage.pair.advance(FEED_AGE + 1)
    for view in ("may_owe", "is_safe", "shortfall"):
        with pytest.raises(Refused, match="feed: stale price"):
            check.call(view, basket, wad(1))


def test_a_falling_index_is_felt_at_once(stage, check, basket):
    stage.pair.price(ETH, wad(1_900))
    assert not check.call("is_safe", basket, wad(1_600))


def test_a_debt_over_the_maximum(check, basket):
    with pytest.raises(Refused, match="lending: debt over the maximum"):
        check.call("is_safe", basket, 10**36 + 1)


def test_an_oracle_that_is_none(stage):
    with pytest.raises(Refused, match="lending: no oracle there"):
        deploy(stage.pair.chain, compiled("LendingCheck"), "0x" + "00" * 20, sender=text(OWNER))
