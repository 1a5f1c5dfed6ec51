"""Price feeds of other contracts, in the form of Chainlink's `AggregatorV3Interface`.

`latestRoundData()` gives round, answer, time of start, time of update and the round that the answer is of; `decimals()`
the unit. See docs.chain.link, AggregatorV3Interface. An answer that is not positive, lies at or over a bound, was never
updated or is of an older round than it says is refused; how old it may be is for the rules of who asked.

How the contract is called is for who asks, too: this package knows of no chain.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from plimsoll.market.venues.answers import Answer, Candles, Kind, mark_of
from plimsoll.market.venues.errors import VenueAnswerError, VenueDownError, VenueError, VenueSettingError

LATEST: Final = bytes.fromhex("feaf968c")  # latestRoundData()
DECIMALS: Final = bytes.fromhex("313ce567")  # decimals()
WORD: Final = 32
MOST: Final = 36  # decimals; beyond it a float has no use for the answer

ViewCall = Callable[[str, bytes], bytes]  # address, calldata -> output


@dataclass(frozen=True, slots=True)
class FeedBounds:
    """Answers must lie strictly between [quote currency]: an aggregator that is stuck at its bound shows the bound."""

    low: float = 0.0
    high: float = float("inf")

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise VenueSettingError(f"bounds {self.low} and {self.high}; 0 <= low < high is right")


def decode_round(output: bytes, decimals: int, bounds: FeedBounds) -> tuple[float, int]:
    """Price [quote currency] and time of update [unix s] from the output of `latestRoundData()`.

    Raises
    ------
    VenueAnswerError
        It has another length, or says what no working feed says.
    """
    if len(output) != 5 * WORD:
        raise VenueAnswerError(f"{len(output)} bytes of round data; {5 * WORD} are right")
    words = [output[at : at + WORD] for at in range(0, len(output), WORD)]
    round_id, _, updated, answered_in = (int.from_bytes(words[at], "big") for at in (0, 2, 3, 4))
    answer = int.from_bytes(words[1], "big", signed=True)
    if answer <= 0:
        raise VenueAnswerError(f"answer {answer}; above 0 is right")
    if not 0 < updated < 2**40:
        raise VenueAnswerError(f"updated at {updated}; unix seconds are right")
    if answered_in < round_id:
        raise VenueAnswerError(f"round {round_id} was answered in round {answered_in}: the answer is carried over")
    if answer.bit_length() > 192:
        raise VenueAnswerError(f"answer {answer:.3e}; a price is right" if answer < 10**300 else "an absurd answer")
    price = answer / 10**decimals
    if not bounds.low < price < bounds.high:
        raise VenueAnswerError(f"answer {price:g} at or past its bounds {bounds.low:g} and {bounds.high:g}")
    return price, updated


class ChainlinkFeed:
    """One feed.

    Parameters
    ----------
    name
        Of the source.
    address
        Of the feed.
    call
        Makes a view call: address and calldata to output.
    decimals
        What the feed's decimals must be; None: as it says.
    bounds
        Of its answers.
    now
        The clock [unix s].
    """

    kind: Final[Kind] = "chainlink"

    def __init__(
        self,
        name: str,
        address: str,
        call: ViewCall,
        *,
        decimals: int | None = None,
        bounds: FeedBounds | None = None,
        now: Callable[[], float] = clock.time,
    ) -> None:
        self.name, self.address, self._call, self._now = name, address, call, now
        self.bounds = bounds or FeedBounds()
        self._expected = decimals
        self._decimals: int | None = None  # not asked yet

    def close(self) -> None:
        """Nothing is held."""

    def ask(self) -> Answer:
        """The latest round.

        Raises
        ------
        VenueError
            The call fails, or its output cannot be used.
        """
        try:
            decimals = self._unit()
            price, updated = decode_round(self._call(self.address, LATEST), decimals, self.bounds)
        except VenueError:
            raise
        except Exception as error:
            raise VenueDownError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        received = int(self._now())
        return Answer(self.name, self.kind, received, updated, received, mark_of([price]), price)

    def hours(self, since: int, until: int) -> Candles:
        """None: a feed has no hours.

        Raises
        ------
        VenueAnswerError
            Always.
        """
        raise VenueAnswerError(f"a feed has no hours of {since} to {until}")

    def _unit(self) -> int:
        """Its decimals, asked once and held against what is expected."""
        if self._decimals is None:
            output = self._call(self.address, DECIMALS)
            said = int.from_bytes(output, "big") if len(output) == WORD else -1
            if not 0 <= said <= MOST:
                raise VenueAnswerError(f"decimals {output.hex()[:80] or 'empty'}; one word, at most {MOST}, is right")
            if self._expected is not None and said != self._expected:
                raise VenueAnswerError(f"decimals {said}; the settings expect {self._expected}")
            self._decimals = said
        return self._decimals
