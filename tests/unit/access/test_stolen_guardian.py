"""What a guardian's stolen key does to accounts at worst: it raises what is demanded, as far as its steps go.

That a guardian may raise it, and how far a step goes, is `tests/unit/oracle/test_params.py`; the market here has no
guardrails, so that its owner raises it at once, and then hands everything to the timelock.
"""

from dataclasses import replace
from functools import cache

import pytest

from plimsoll.spec.margin import State
from plimsoll.spec.registry import LIQUIDATION
from plimsoll.spec.report import pack_floors, pack_rates
from plimsoll.spec.timelock import GUARDIAN_ROLE
from tests.pairs import address_of
from tests.unit.clearinghouse.stage import ATTACKER, TRADER, USD, Stage

THIEF, OTHER = address_of("guardian"), address_of("other guardian")
NOT_OWNER = "ownable: caller is not the owner"
DAY = 86_400


@cache
def market():
    return Stage()


def dearer(stage, base):
    """The governance numbers as they stand, with this floor of every kind's charge [ppm]."""
    params = replace(stage.pair.twin.oracle._params, gross_base=(base,) * 4)
    return pack_rates(params), pack_floors(params)


@pytest.fixture
def raised():
    """The trader sound, with 300 over 286; then the thief raises the floors of the charge."""
    stage = market()
    with stage.pair.isolated():
        stage.sick(300, 2_000)
        stage.pair.must("oracle", "set_params", *dearer(stage, 200_000), sender=stage.pair.owner)
        stage.pair.govern()
        yield stage


def test_it_can_bring_an_account_under_its_margin_and_auction_nobody_without_notice(raised):
    assert raised.ask("book", "state", TRADER) == State.LIQUIDATABLE
    assert raised.margin(TRADER).equity_full == 300 * 10**18  # nothing was taken
    raised.refuses("liquidator: call first", "liquidator", "start", TRADER, sender=THIEF)


def test_another_guardian_stops_the_auctions_and_it_cannot_resume_them(raised):
    pair = raised.pair
    pair.must("liquidator", "call", TRADER, sender=THIEF)
    pair.must("registry", "stop", LIQUIDATION, pair.now + 7 * DAY, sender=OTHER)
    raised.later(121)
    raised.refuses("liquidator: liquidations are stopped", "liquidator", "start", TRADER, sender=THIEF)
    raised.refuses(NOT_OWNER, "registry", "resume", LIQUIDATION, sender=THIEF)
    # meanwhile the owner brings what is demanded now
    pair.mint(raised.usd, ATTACKER, 1_000 * USD)
    pair.approve(raised.usd, ATTACKER, pair.twin.at.book, 1_000 * USD)
    pair.must("book", "deposit", TRADER, raised.usd, 1_000 * USD, sender=ATTACKER)
    pair.must("liquidator", "cure", TRADER)
    assert raised.ask("book", "state", TRADER) == State.HEALTHY


def test_it_is_dismissed_and_raises_nothing_any_more(raised):
    pair = raised.pair
    dismissal = pair.operation("timelock", "revokeRole", GUARDIAN_ROLE, THIEF)
    assert pair.announce(dismissal, 3_600) is None
    raised.later(3_600)
    assert pair.carry_out(dismissal) is None
    raised.refuses(NOT_OWNER, "oracle", "set_params", *dearer(raised, 300_000), sender=THIEF)
