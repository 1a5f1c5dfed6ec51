"""A feed's round data: what a working feed says is a price, and nothing else is."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.venues.chainlink import DECIMALS, LATEST, ChainlinkFeed, FeedBounds, decode_round
from plimsoll.market.venues.errors import VenueAnswerError, VenueDownError, VenueError, VenueSettingError

from .conftest import START

TYPES = ["uint80", "int256", "uint256", "uint256", "uint80"]
FEED = "0x" + "11" * 20


def data(answer=60_000 * 10**8, updated=START, round_id=7, answered_in=7, started=START):
    return encode(TYPES, [round_id, answer, started, updated, answered_in])


class Chain:
    """Answers calls of one feed."""

    def __init__(self, output=None, decimals=8):
        self.output, self.decimals, self.asked = output or data(), decimals, []

    def __call__(self, address, calldata):
        self.asked.append((address, calldata))
        if isinstance(self.output, Exception):
            raise self.output
        return encode(["uint8"], [self.decimals]) if calldata == DECIMALS else self.output


def feed(chain, **more):
    return ChainlinkFeed("feed", FEED, chain, now=lambda: float(START + 5), **more)


def test_selectors_are_those_of_the_interface():
    assert keccak(text="latestRoundData()")[:4] == LATEST
    assert keccak(text="decimals()")[:4] == DECIMALS


def test_the_latest_round_is_the_price_at_its_time_of_update():
    chain = Chain()
    found = feed(chain).ask()
    assert (found.price, found.stamp, found.received, found.kind) == (60_000.0, START, START + 5, "chainlink")
    assert {address for address, _ in chain.asked} == {FEED}


@given(st.integers(1, 10**30), st.integers(0, 36))
def test_the_answer_is_scaled_by_the_decimals(answer, decimals):
    price, _ = decode_round(data(answer), decimals, FeedBounds())
    assert price == pytest.approx(answer / 10**decimals, rel=1e-15)


def test_decimals_are_asked_once_and_held_against_the_settings():
    chain = Chain()
    found = feed(chain, decimals=8)
    found.ask()
    found.ask()
    assert [calldata for _, calldata in chain.asked] == [DECIMALS, LATEST, LATEST]
    with pytest.raises(VenueAnswerError, match="decimals 18; the settings expect 8"):
        feed(Chain(decimals=18), decimals=8).ask()


@pytest.mark.parametrize(
    ("output", "match"),
    [
        (data(answer=0), "answer 0; above 0"),
        (data(answer=-1), "answer -1"),
        (data(updated=0), "updated at 0"),
        (data(updated=2**40), "unix seconds"),
        (data(round_id=8, answered_in=7), "carried over"),
        (data(answer=100 * 10**8), "at or past its bounds"),
        (data(answer=10**6 * 10**8), "at or past its bounds"),
        (data(answer=2**255 - 1), "a price is right"),
        (data()[:-1], "159 bytes"),
        (data() + b"\0", "161 bytes"),
    ],
)
def test_what_no_working_feed_says_is_refused(output, match):
    with pytest.raises(VenueAnswerError, match=match):
        decode_round(output, 8, FeedBounds(100.0, 1e6))


@given(st.binary(max_size=200))
def test_no_bytes_are_worse_than_an_error(output):
    try:
        price, updated = decode_round(output, 8, FeedBounds())
    except VenueAnswerError:
        return
    assert price > 0
    assert updated > 0


@pytest.mark.parametrize("error", [RuntimeError("node down"), ValueError("revert"), TimeoutError()])
def test_a_call_that_fails_is_a_venue_that_is_down(error):
    with pytest.raises(VenueDownError, match=type(error).__name__):
        feed(Chain(error)).ask()


def test_a_contract_that_is_not_there_is_refused():
    with pytest.raises(VenueAnswerError, match="decimals empty"):
        feed(lambda *_: b"").ask()


def test_it_has_no_hours():
    with pytest.raises(VenueError, match="no hours"):
        feed(Chain()).hours(0, 1)


def test_bounds_that_hold_nothing_are_refused():
    with pytest.raises(VenueSettingError):
        FeedBounds(5.0, 5.0)
