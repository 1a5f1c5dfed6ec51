"""IndexFeed.price: every refusal at its boundary, exact scaling, and the same from the twin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import IndexFeed
from plimsoll.spec.wad import MAX_PRICE

from .conftest import ETH, Bench

EDGES = [0, 1, -1, 10**8, 2**127, 2**255 - 1, -(2**255), *(10**n + d for n in (9, 17, 26, 27) for d in (-1, 0, 1))]


def test_a_price_is_the_answer_in_wad(bench, eth):
    assert bench.price() == (2_000 * 10**18, bench.chain.now, 10**18)


def test_unknown_underlying(bench, eth):
    assert bench.price(ETH + 1) == "refused: feed: unknown underlying"


@pytest.mark.parametrize("answer", [0, -1, -(2**255)])
def test_not_positive(bench, eth, answer):
    bench.answer(eth, answer)
    assert bench.price() == "refused: feed: price not positive"


def test_the_smallest_price(bench, eth):
    bench.answer(eth, 1)
    assert bench.price()[0] == 10**10


def test_as_old_as_may_be(bench, eth):
    bench.answer(eth, 1, age=3600)
    assert isinstance(bench.price(), tuple)


def test_a_second_older(bench, eth):
    bench.answer(eth, 1, age=3601)
    assert bench.price() == "refused: feed: stale price"


def test_it_goes_stale_by_itself(bench, eth):
    bench.chain.advance(3600)
    assert isinstance(bench.price(), tuple)
    bench.chain.advance(1)
    assert bench.price() == "refused: feed: stale price"


def test_a_round_that_never_ended(bench, eth):
    bench.answer(eth, 1, age=bench.chain.now)
    assert bench.price() == "refused: feed: stale price"


def test_from_the_future(bench, eth):
    bench.answer(eth, 1, age=-1)
    assert bench.price() == "refused: feed: price from the future"


@pytest.mark.parametrize("answer", [10**17 + 1, 10**27, 10**27 + 1, 2**255 - 1])
def test_over_the_maximum(bench, eth, answer):
    bench.answer(eth, answer)
    assert bench.price() == "refused: feed: price over the maximum"


def test_at_the_maximum(bench, eth):
    bench.answer(eth, 10**17)
    assert bench.price()[0] == MAX_PRICE


_BENCHES: list[Bench] = []


def shared() -> Bench:
    """One bench for all examples: fixtures are not reset between them."""
    if not _BENCHES:
        _BENCHES.append(Bench())
    return _BENCHES[0]


@given(
    decimals=st.integers(0, 20),
    answer=st.one_of(st.sampled_from(EDGES), st.integers(-(2**255), 2**255 - 1), st.integers(1, 10**30)),
    age=st.one_of(st.sampled_from([-1, 0, 1, 3599, 3600, 3601]), st.integers(-(10**6), 10**6)),
    low=st.one_of(st.sampled_from([0, 1, MAX_PRICE]), st.integers(0, MAX_PRICE)),
    high=st.one_of(st.sampled_from([0, 1, MAX_PRICE]), st.integers(0, MAX_PRICE)),
)
def test_contract_and_twin_agree(decimals, answer, age, low, high):
    bench = shared()
    with bench.chain.isolate():
        bench.twin = IndexFeed(bench.twin.owner, bench.aggregators)
        mock = bench.aggregator(decimals, 1)
        bench.set_feed(ETH, mock)
        bench.answer(mock, answer, age)
        bench.set_bounds(ETH, low, high)
        bench.price()
        strike = bench.contract.call("strike_unit", ETH) if ETH in bench.twin.routes else None
        assert strike == (10**18 if decimals <= 18 else None)


def test_strike_unit_of_an_unknown_underlying(bench):
    with pytest.raises(Refused, match=r"^feed: unknown underlying$"):
        bench.contract.call("strike_unit", ETH)
    with pytest.raises(Refused, match=r"^feed: unknown underlying$"):
        bench.twin.strike_unit(ETH)
