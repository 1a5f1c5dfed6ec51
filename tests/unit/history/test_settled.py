"""History.settled, settlement and buckets: never a revert, and never another price once there is one."""

import pytest

from plimsoll.spec.wad import MAX_PRICE, WAD

from .conftest import ATTACKER, BTC, DAY, DEAD, DELAY, ETH, EXPIRY, OWNER, TRADER, UNKNOWN


@pytest.fixture
def proposal(bench):
    """A price that is proposed."""
    bench.fill_all()
    bench.until(EXPIRY)
    bench.step("propose", ETH, EXPIRY)
    return bench


def test_from_when_on(proposal):
    for later, found in ((0, 0), (DELAY - 1, 0), (DELAY, 2_000), (DELAY + 1, 2_000), (400 * DAY, 2_000)):
        proposal.until(EXPIRY + later)
        assert proposal.ask("settled", ETH, EXPIRY) == found * WAD


@pytest.mark.parametrize("underlying", [0, ETH, UNKNOWN, 2**16 - 1])
@pytest.mark.parametrize("expiry", [0, 1, EXPIRY - 1, EXPIRY + 1, 2**40 - 1])
def test_of_anything_else_it_is_nothing(proposal, underlying, expiry):
    proposal.later(DELAY)
    assert proposal.ask("settled", underlying, expiry) == 0
    assert proposal.ask("settlement", underlying, expiry) == (0, 0, False)
    assert proposal.ask("buckets", underlying, expiry) == (0,) * 30


def test_an_expiry_is_of_one_underlying(proposal):
    proposal.later(DELAY)
    assert proposal.ask("settled", BTC, EXPIRY) == 0


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed_does_not_matter(proposal, way):
    proposal.kill(ETH, way)
    assert proposal.ask("settled", ETH, EXPIRY) == 0
    proposal.later(DELAY)
    assert proposal.ask("settled", ETH, EXPIRY) == 2_000 * WAD
    assert proposal.ask("settlement", ETH, EXPIRY) == (2_000 * WAD, EXPIRY + DELAY, False)


def test_nothing_that_anyone_does_changes_it(proposal):
    proposal.later(DELAY)
    proposal.price(ETH, MAX_PRICE)
    for sender in (ATTACKER, TRADER, OWNER):
        for name, *args in (("observe",), ("propose",), ("dispute",), ("resolve", 2_000 * WAD), ("resolve", MAX_PRICE)):
            assert "refused" in proposal.step(name, ETH, EXPIRY, *args, sender=sender)
            assert proposal.ask("settled", ETH, EXPIRY) == 2_000 * WAD


def test_it_is_cheap(proposal):
    proposal.later(DELAY)
    gas = proposal.contract.transact("settled", ETH, EXPIRY, sender="0x" + "11" * 20).gas_used
    assert gas < 21_000 + 1_000 + 2_100 + 1_500  # base, calldata, one cold slot, the rest
