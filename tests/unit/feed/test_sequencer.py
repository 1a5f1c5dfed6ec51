"""IndexFeed on a rollup: no price while its sequencer is down, a grace after an outage, and nothing of it elsewhere."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import IndexFeed

from .conftest import ATTACKER, E8, ETH, OWNER, WAD, Bench, at, copied, leg

DOWN = "refused: feed: sequencer is down"
HOUR = 3_600
ZERO = "0x" + "00" * 20


@pytest.fixture(scope="module")
def module_rollup():
    return Bench(rollup=True)


@pytest.fixture
def rollup(module_rollup):
    """A feed on a rollup, one underlying in it."""
    bench = module_rollup
    kept, known = bench.twin, dict(bench.aggregators)
    uptime = bench.aggregators[at(bench.uptime)]
    state = uptime.answer, uptime.updated_at, uptime.started_at
    bench.twin = copied(bench)
    with bench.chain.isolate():
        bench.set_feed(ETH, bench.aggregator(8, 2_000 * E8))
        yield bench
    bench.twin = kept
    uptime.answer, uptime.updated_at, uptime.started_at = state
    bench.aggregators.clear()
    bench.aggregators.update(known)


def test_up(rollup):
    assert rollup.price()[0] == 2_000 * WAD
    assert rollup.grace_over()


@pytest.mark.parametrize(
    ("answer", "ago"),
    [(1, 10), (1, 10**6), (2, 10**6), (-1, 10**6), (0, -1)],
    ids=["just down", "long down", "no answer", "no answer either", "begins later"],
)
def test_down_or_unknown(rollup, answer, ago):
    rollup.since(rollup.uptime, answer, ago)
    assert rollup.price() == DOWN
    assert not rollup.grace_over()
    assert rollup.contract.call("grace_until") == 2**256 - 1


def test_a_round_that_never_began(rollup):
    rollup.since(rollup.uptime, 0, rollup.chain.now)
    assert rollup.price() == DOWN
    assert not rollup.grace_over()


def test_an_uptime_feed_that_reverts_goes_through(rollup):
    rollup.uptime.transact("set_fails", True, sender=OWNER)
    rollup.aggregators[at(rollup.uptime)].fails = True
    try:
        assert rollup.price() == "refused: aggregator: down"
    finally:
        rollup.aggregators[at(rollup.uptime)].fails = False


@pytest.mark.parametrize(("ago", "over"), [(0, False), (HOUR - 1, False), (HOUR, True)])
def test_prices_count_in_the_grace_and_liquidation_waits(rollup, ago, over):
    rollup.since(rollup.uptime, 0, ago)
    assert rollup.price()[0] == 2_000 * WAD
    assert rollup.grace_over() == over


def test_composed_prices_and_the_quote_coins_ask_too(rollup):
    coin = rollup.aggregator(8, E8, "USDC / USD")
    rollup.act("set_quote_route", [leg(coin, description="USDC / USD")])
    ether = rollup.aggregator(8, 2_000 * E8)
    rollup.set_route(leg(coin, description="USDC / USD"), leg(ether), underlying=7, in_currency=True)
    rollup.since(rollup.uptime, 1, 0)
    assert rollup.price(7) == rollup.quote_price() == DOWN


def test_nothing_is_set_or_bound_while_it_is_down(rollup):
    second = rollup.aggregator(8, 2_000 * E8)
    rollup.set_route(leg(second))
    rollup.since(rollup.uptime, 1, 0)
    assert rollup.set_route(leg(second)) == DOWN
    assert rollup.act("bind", ETH) == DOWN


@pytest.mark.parametrize("grace", [600, 86_400])
def test_another_uptime_feed(rollup, grace):
    other = rollup.aggregator(0, 0, "uptime")
    rollup.since(other, 0, grace - 1)
    assert rollup.act("set_sequencer", at(other), grace) == [
        (
            "SequencerSet",
            {"old": at(rollup.uptime), "new": at(other), "old_grace": HOUR, "new_grace": grace},
        )
    ]
    assert not rollup.grace_over()
    rollup.since(other, 0, grace)
    assert rollup.grace_over()
    rollup.since(rollup.uptime, 1, 0)
    assert isinstance(rollup.price(), tuple)


def test_what_no_uptime_feed_is(rollup):
    assert rollup.act("set_sequencer", at(rollup.uptime), 600, sender=ATTACKER) == (
        "refused: ownable: caller is not the owner"
    )
    for grace in (0, 599, 86_401, 2**256 - 1):
        assert rollup.act("set_sequencer", at(rollup.uptime), grace) == "refused: feed: grace out of range"
    for nobody in (ATTACKER, ZERO):
        assert rollup.act("set_sequencer", at(nobody), 600) == "refused: feed: no code at the aggregator"
    price = rollup.aggregator(8, 2_000 * E8)
    assert rollup.act("set_sequencer", at(price), 600) == DOWN


def test_where_there_is_no_rollup_there_is_none(bench, eth):
    bench.since(bench.uptime, 1, 0)
    assert isinstance(bench.price(), tuple)
    assert bench.grace_over()
    assert bench.contract.call("grace_until") == 0
    assert bench.act("set_sequencer", at(bench.uptime), HOUR) == "refused: feed: not on a rollup"


def test_it_is_not_built_on_one_that_is_down(bench):
    bench.since(bench.uptime, 1, 0)
    with pytest.raises(Refused, match=r"^feed: sequencer is down$"):
        deploy(bench.chain, load("IndexFeed"), bench.uptime.address, sender=OWNER)
    with pytest.raises(Refused, match=r"^feed: sequencer is down$"):
        IndexFeed(at(OWNER), bench.aggregators, {}, at(bench.uptime), bench.chain.now)
