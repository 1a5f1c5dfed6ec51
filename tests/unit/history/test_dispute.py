"""History.dispute: owner or guardian withdraw a price that is not final."""

import pytest

from plimsoll.spec.wad import WAD

from .conftest import ATTACKER, BTC, DEAD, DELAY, ETH, EXPIRY, GUARDIAN, NOT_OWNER, OWNER, TRADER

NOTHING = "refused: history: nothing to dispute"
FINAL = "refused: history: price is final"


def disputed(by, price=2_000 * WAD):
    return [("Disputed", {"underlying": ETH, "expiry": EXPIRY, "price": price, "by": by})]


@pytest.fixture
def proposal(bench):
    """A price that is proposed."""
    bench.fill_all()
    bench.until(EXPIRY)
    bench.step("propose", ETH, EXPIRY)
    return bench


@pytest.mark.parametrize("who", [OWNER, GUARDIAN])
@pytest.mark.parametrize("later", [0, DELAY - 1])
def test_until_it_is_final(proposal, who, later):
    proposal.later(later)
    assert proposal.step("dispute", ETH, EXPIRY, sender=who) == disputed(who)
    assert proposal.ask("settlement", ETH, EXPIRY) == (0, 0, True)
    proposal.later(30 * DELAY)
    assert proposal.ask("settled", ETH, EXPIRY) == 0


@pytest.mark.parametrize("later", [DELAY, DELAY + 1])
def test_not_once_it_is_final(proposal, later):
    proposal.later(later)
    assert proposal.step("dispute", ETH, EXPIRY, sender=OWNER) == FINAL
    assert proposal.step("dispute", ETH, EXPIRY, sender=GUARDIAN) == FINAL
    assert proposal.ask("settled", ETH, EXPIRY) == 2_000 * WAD


@pytest.mark.parametrize("who", [ATTACKER, TRADER])
def test_nobody_else(proposal, who):
    assert proposal.step("dispute", ETH, EXPIRY, sender=who) == NOT_OWNER


def test_where_nothing_was_proposed(proposal):
    assert proposal.step("dispute", BTC, EXPIRY, sender=OWNER) == NOTHING
    assert proposal.step("dispute", ETH, EXPIRY + 1, sender=OWNER) == NOTHING


def test_twice(proposal):
    proposal.step("dispute", ETH, EXPIRY, sender=OWNER)
    assert proposal.step("dispute", ETH, EXPIRY, sender=GUARDIAN) == NOTHING


def test_what_was_resolved_again_and_again(proposal):
    proposal.step("dispute", ETH, EXPIRY, sender=OWNER)
    for k in (1, 2):
        price = 2_000 * WAD + k
        proposal.step("resolve", ETH, EXPIRY, price, sender=OWNER)
        proposal.later(DELAY - 1)
        assert proposal.step("dispute", ETH, EXPIRY, sender=GUARDIAN) == disputed(GUARDIAN, price)
    proposal.step("resolve", ETH, EXPIRY, 2_000 * WAD, sender=OWNER)
    proposal.later(DELAY)
    assert proposal.step("dispute", ETH, EXPIRY, sender=GUARDIAN) == FINAL


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_does_not_matter(proposal, way):
    proposal.kill(ETH, way)
    assert proposal.step("dispute", ETH, EXPIRY, sender=OWNER) == disputed(OWNER)


def test_without_a_delay_there_is_nothing_to_dispute(bench):
    bench.begin(delay=0)
    bench.fill_all()
    bench.until(EXPIRY)
    bench.step("propose", ETH, EXPIRY)
    assert bench.step("dispute", ETH, EXPIRY, sender=OWNER) == FINAL
