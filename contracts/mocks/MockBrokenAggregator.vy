# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title MockBrokenAggregator
@notice Says it has 8 decimals and answers any bytes to `latestRoundData`, or
        reverts, or burns all gas: what a feed must survive being asked.
@custom:security For tests alone.
@custom:kill Nothing to switch off.
"""


# --------------------------------------------------------------------- storage


response: public(Bytes[512])
fails: public(bool)
burns: public(bool)
reported_decimals: uint8


# ----------------------------------------------------------------- constructor


@deploy
def __init__():
    self.reported_decimals = 8


# -------------------------------------------------------------------- external


@external
def set_response(response: Bytes[512]):
    """
    @notice Answer these bytes.
    @param response The bytes.
    """
    self.response = response


@external
def set_fails(fails: bool):
    """
    @notice Revert when asked.
    @param fails Whether.
    """
    self.fails = fails


@external
def set_burns(burns: bool):
    """
    @notice Burn all gas when asked.
    @param burns Whether.
    """
    self.burns = burns


@external
def set_decimals(decimals: uint8):
    """
    @notice Report other decimals from now on.
    @param decimals Decimals of answers.
    """
    self.reported_decimals = decimals


@external
@view
def decimals() -> uint8:
    """
    @notice Decimals of answers.
    """
    return self.reported_decimals


@external
@view
@raw_return
def latestRoundData() -> Bytes[512]:
    """
    @notice Whatever the switches say.
    """
    assert not self.fails, "aggregator: down"
    if self.burns:
        raise UNREACHABLE
    return self.response
