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


# ------------------------------------------------------------------- constants


FAILS: constant(uint256) = 1 << 255


# ------------------------------------------------------------------ immutables


decimals: public(immutable(uint8))


# --------------------------------------------------------------------- storage


description: public(String[64])
# fails u1 | started_at u128 [s] | round id u80: one slot, so that being asked
# costs what it costs of others
round: uint256
answer: int256
updated_at: uint256  # [s]


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
    self.round &= max_value(uint256) >> 1
    if fails:
        self.round |= FAILS


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    """
    @notice Round id, answer, start [s], update [s], round the answer is of.
    """
    round: uint256 = self.round
    assert round < FAILS, "aggregator: down"
    id: uint80 = convert(round & (2**80 - 1), uint80)
    return id, self.answer, round >> 80, self.updated_at, id


# -------------------------------------------------------------------- internal


@internal
def _set(answer: int256, started_at: uint256, updated_at: uint256):
    """
    @notice Begin a round with an answer.
    """
    round: uint256 = self.round
    id: uint256 = (round & (2**80 - 1)) + 1
    self.round = (round & FAILS) | ((started_at & (2**128 - 1)) << 80) | id
    self.answer = answer
    self.updated_at = updated_at
    log AnswerUpdated(current=answer, roundId=id, updatedAt=updated_at)
