# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MockAggregator
@notice A price aggregator in Chainlink's shape whose answer anyone sets: for tests,
        rehearsals and demonstrations. Answers are in its own decimals. Of a
        sequencer's uptime the answer is 0 while it is up, 1 while it is down.
@custom:security Never to be named in a feed that anything worth something hangs on.
@custom:kill Nothing to switch off.
"""


# ------------------------------------------------------------------ immutables


decimals: public(immutable(uint8))


# --------------------------------------------------------------------- storage


description: public(String[64])
round_id: uint80
answer: int256
started_at: uint256  # [s]
updated_at: uint256  # [s]
fails: public(bool)


# ---------------------------------------------------------------------- events


# As Chainlink's aggregators log it, for those who follow rounds.
event AnswerUpdated:
    current: indexed(int256)
    roundId: indexed(uint256)
    updatedAt: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(decimals_: uint8, description: String[64]):
    decimals = decimals_
    self.description = description


# -------------------------------------------------------------------- external


@external
def set(answer: int256):
    """
    @notice Answer this from now on, updated now.
    @param answer In the aggregator's decimals.
    """
    self._set(answer, block.timestamp, block.timestamp)


@external
def set_at(answer: int256, updated_at: uint256):
    """
    @notice Answer this, and claim it was updated then.
    @param answer In the aggregator's decimals.
    @param updated_at [s] past, present or future.
    """
    self._set(answer, updated_at, updated_at)


@external
def set_since(answer: int256, started_at: uint256):
    """
    @notice Answer this, updated now, and claim it has been so since then.
    @param answer In the aggregator's decimals.
    @param started_at [s] past, present or future; 0 as of a round that never began.
    """
    self._set(answer, started_at, block.timestamp)


@external
def set_fails(fails: bool):
    """
    @notice Revert when asked.
    @param fails Whether.
    """
    self.fails = fails


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    """
    @notice Round id, answer, start [s], update [s], round the answer is of.
    """
    assert not self.fails, "aggregator: down"
    return self.round_id, self.answer, self.started_at, self.updated_at, self.round_id


# -------------------------------------------------------------------- internal


@internal
def _set(answer: int256, started_at: uint256, updated_at: uint256):
    """
    @notice Begin a round with an answer.
    """
    self.round_id += 1
    self.answer = answer
    self.started_at = started_at
    self.updated_at = updated_at
    log AnswerUpdated(current=answer, roundId=convert(self.round_id, uint256), updatedAt=updated_at)
