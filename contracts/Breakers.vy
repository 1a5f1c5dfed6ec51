# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Breakers: stops that a rule brings, and that end by themselves
@license GNU Affero General Public License v3.0 only
@notice Anyone trips a breaker whose condition is met; nobody else can:
            0 MOVE        the live index lies further from the one of `lag` ago
                          than a limit: no new risk in that underlying
            1 VOLATILITY  posted volatility lies over a limit: likewise
            2 DRAWDOWN    what the insurance fund could pay lies under a share
                          of the most it could within the window: no new risk
            3 OUTFLOW     profit that left uses a share of the outflow cap:
                          withdrawals of accounts that need margin stop
        It may stop in the Registry, and nothing else. A stop lasts for the
        configured time. A breaker trips again only once less than half of it is
        left, and only while its condition still holds then: what it found once
        locks nobody in for longer. Whoever holds no position can leave always.
        Units: limits [ppm], money and prices [wad], time [s]. Rounds toward not
        stopping.
        Roles: owner sets limits and times, within bounds; anyone notes the fund
        and trips. It trusts IndexFeed, History, RiskOracle, InsuranceFund and
        the book for what they say of themselves.
@custom:security Where nobody touched an underlying for long, its price of `lag`
        ago is older, and a slow move counts as a fast one. Who leaves the fund
        with a large part of it brings a drawdown about, after the cool-down.
        A market at the limit of OUTFLOW drains within the window of its cap.
@custom:kill Registry.set_breakers to nobody; a stop ends by Registry.resume.
"""


# --------------------------------------------------------------------- imports


from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IClearinghouse
from interfaces import IHistory
from interfaces import IIndexFeed
from interfaces import IInsuranceFund
from interfaces import IRegistry
from interfaces import IRiskOracle

from modules import fixed

initializes: ownable
initializes: ownable_2step[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


MOVE: constant(uint8) = 0
VOLATILITY: constant(uint8) = 1
DRAWDOWN: constant(uint8) = 2
OUTFLOW: constant(uint8) = 3

RISK: constant(uint256) = 1  # levels of the Registry
LEAVE: constant(uint256) = 2

MAX_UNDERLYINGS: constant(uint256) = 64
MAX_DUE: constant(uint256) = 2 * MAX_UNDERLYINGS + 2

MIN_MOVE: constant(uint256) = 20_000  # [ppm] less is an ordinary hour
MAX_MOVE: constant(uint256) = 10**6  # [ppm]
MIN_VOLATILITY: constant(uint256) = 5 * 10**5  # [ppm a year] less is an ordinary month
MAX_VOLATILITY: constant(uint256) = 10**8  # [ppm a year]
MAX_COVER: constant(uint256) = 9 * 10**5  # [ppm] ordinary withdrawals must not stop trading; zero: never
MIN_OUTFLOW: constant(uint256) = 5 * 10**5  # [ppm] the first half of a cap is there to be used
MAX_OUTFLOW: constant(uint256) = 10**6  # [ppm]
MIN_WINDOW: constant(uint256) = 3_600  # [s]
MAX_WINDOW: constant(uint256) = 30 * 86_400  # [s]
MIN_DURATION: constant(uint256) = 300  # [s] less would be over before anybody saw it
MAX_DURATION: constant(uint256) = 86_400  # [s] as far ahead as the Registry lets a rule stop

NO_CAP: constant(uint256) = 2**96 - 1  # of outflow
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_112: constant(uint256) = 2**112 - 1
MASK_128: constant(uint256) = 2**128 - 1


# ------------------------------------------------------------------ immutables


BOOK: immutable(IClearinghouse)
FUND: immutable(IInsuranceFund)
FEED: immutable(IIndexFeed)
HISTORY: immutable(IHistory)
ORACLE: immutable(IRiskOracle)
REGISTRY: immutable(IRegistry)


# --------------------------------------------------------------------- structs


struct Config:
    move: uint256  # [ppm] of the price of `lag` ago
    volatility: uint256  # [ppm a year]
    cover: uint256  # [ppm] of the fund's high-water mark
    outflow: uint256  # [ppm] of the outflow cap
    window: uint256  # [s] of the high-water mark
    risk_duration: uint256  # [s] of a stop of new risk
    leave_duration: uint256  # [s] of a stop of withdrawals


struct Trip:
    kind: uint8
    underlying: uint16  # zero where the breaker is for all


# --------------------------------------------------------------------- storage


config: public(Config)
_peaks: uint256  # window's number u32 | most of the one before u112 [wad] | most of this one u112 [wad]


# ---------------------------------------------------------------------- events


event Tripped:
    kind: indexed(uint8)
    underlying: indexed(uint16)
    found: uint256
    limit: uint256
    until: uint256


event CoverNoted:
    cover: uint256
    peak: uint256


event ConfigSet:
    old: Config
    new: Config


# ----------------------------------------------------------------- constructor


@deploy
def __init__(book: address, fund: address):
    """
    @notice The deployer owns the configuration. The Registry must name this
            contract its breakers.
    @param book Clearinghouse: names feed, history, oracle and registry.
    @param fund InsuranceFund.
    """
    assert book != empty(address) and fund != empty(address), "breakers: zero address"
    ownable.__init__()
    ownable_2step.__init__()
    BOOK = IClearinghouse(book)
    FUND = IInsuranceFund(fund)
    FEED = IIndexFeed(staticcall BOOK.feed())
    HISTORY = IHistory(staticcall BOOK.history())
    ORACLE = IRiskOracle(staticcall BOOK.oracle())
    REGISTRY = IRegistry(staticcall BOOK.registry())
    self._set_config(
        Config(
            move=150_000,
            volatility=3_000_000,
            cover=700_000,
            outflow=900_000,
            window=86_400,
            risk_duration=3_600,
            leave_duration=3_600,
        )
    )


# --------------------------------------------------------- external: governance


@external
def set_config(config: Config):
    """
    @notice Owner: limits, and how long a stop lasts. Stops under way keep their
            time; with another window the high-water mark begins anew.
    """
    ownable._check_owner()
    self._set_config(config)


# ------------------------------------------------------------ external: breakers


@external
def note():
    """
    @notice Anyone: what the fund could pay now, for its high-water mark.
    """
    cover: uint256 = min(staticcall FUND.cover(), MASK_112)
    older: uint256 = 0
    newer: uint256 = 0
    older, newer = self._marks()
    newer = max(newer, cover)
    self._peaks = ((block.timestamp // self.config.window) << 224) | (older << 112) | newer
    log CoverNoted(cover=cover, peak=max(older, newer))


@external
def trip(kind: uint8, underlying: uint16):
    """
    @notice Anyone: stops what a breaker stops, where its condition is met, and
            less than half of such a stop is left.
    @param kind MOVE 0, VOLATILITY 1, DRAWDOWN 2, OUTFLOW 3.
    @param underlying Whose index or volatility; zero where the breaker is for all.
    """
    found: uint256 = 0
    limit: uint256 = 0
    is_due: bool = False
    is_due, found, limit = self._is_due(kind, underlying)
    assert is_due, "breakers: nothing to stop"
    until: uint256 = block.timestamp + self._duration(kind)
    log Tripped(kind=kind, underlying=underlying, found=found, limit=limit, until=until)
    if kind == OUTFLOW:
        extcall REGISTRY.stop(LEAVE, until)
    elif kind == DRAWDOWN:
        extcall REGISTRY.stop(RISK, until)
    else:
        extcall REGISTRY.stop_underlying(underlying, until)


# -------------------------------------------------------------- external: views


@external
@view
def due(underlyings: DynArray[uint16, MAX_UNDERLYINGS]) -> DynArray[Trip, MAX_DUE]:
    """
    @notice What `trip` would stop now. Never reverts for a dead feed.
    @param underlyings Whose indexes and volatilities are looked at.
    """
    trips: DynArray[Trip, MAX_DUE] = []
    found: uint256 = 0
    limit: uint256 = 0
    is_due: bool = False
    for underlying: uint16 in underlyings:
        for kind: uint8 in [MOVE, VOLATILITY]:
            is_due, found, limit = self._is_due(kind, underlying)
            if is_due:
                trips.append(Trip(kind=kind, underlying=underlying))
    for kind: uint8 in [DRAWDOWN, OUTFLOW]:
        is_due, found, limit = self._is_due(kind, 0)
        if is_due:
            trips.append(Trip(kind=kind, underlying=0))
    return trips


@external
@view
def peak() -> uint256:
    """
    @notice High-water mark of what the fund could pay, as noted in this window
            and the one before [wad].
    """
    older: uint256 = 0
    newer: uint256 = 0
    older, newer = self._marks()
    return max(older, newer)


@external
@view
def clearinghouse() -> address:
    """
    @notice The book.
    """
    return BOOK.address


@external
@view
def fund() -> address:
    """
    @notice The InsuranceFund.
    """
    return FUND.address


# -------------------------------------------------------------------- internal


@internal
@view
def _is_due(kind: uint8, underlying: uint16) -> (bool, uint256, uint256):
    """
    @notice Whether a breaker trips; what it found, and its limit.
    """
    limit: uint256 = 0
    found: uint256 = 0
    met: bool = False
    end: uint256 = 0
    if kind == MOVE:
        limit = self.config.move
        found = self._move(underlying)
        met = found > limit
        end = staticcall REGISTRY.underlying_stop(underlying)
    elif kind == VOLATILITY:
        limit = self.config.volatility
        found = (staticcall ORACLE.scalars(underlying) >> 40) & MASK_32
        met = found > limit
        end = staticcall REGISTRY.underlying_stop(underlying)
    elif underlying != 0:
        return False, 0, 0
    elif kind == DRAWDOWN:
        older: uint256 = 0
        newer: uint256 = 0
        older, newer = self._marks()
        limit = fixed._mul_div_down(max(older, newer), self.config.cover, fixed.PPM)
        found = staticcall FUND.cover()
        met = found < limit
        end = staticcall REGISTRY.stops() & MASK_64
    elif kind == OUTFLOW:
        limit = self.config.outflow
        found = self._outflow()
        met = found > limit
        end = (staticcall REGISTRY.stops() >> 64) & MASK_64
    return met and end < block.timestamp + self._duration(kind) // 2, found, limit


@internal
@view
def _duration(kind: uint8) -> uint256:
    return self.config.leave_duration if kind == OUTFLOW else self.config.risk_duration


@internal
@view
def _move(underlying: uint16) -> uint256:
    """
    @notice How far the live index is from the one of `lag` ago [ppm], down;
            zero where either is not known.
    """
    if not staticcall FEED.is_usable(underlying):
        return 0
    price: uint256 = 0
    at: uint256 = 0
    older: uint256 = 0
    older_at: uint256 = 0
    price, at, older, older_at = staticcall HISTORY.checkpoints(underlying)
    if block.timestamp - at < staticcall HISTORY.lag():
        price = older
    if price == 0:
        return 0
    live: uint256 = (staticcall FEED.price(underlying))[0]
    distance: uint256 = live - price if live > price else price - live
    return fixed._mul_div_down(distance, fixed.PPM, price)


@internal
@view
def _outflow() -> uint256:
    """
    @notice Part of the outflow cap that is used [ppm], down; zero without a cap.
    """
    limits: uint256 = staticcall REGISTRY.pool_limits()
    cap: uint256 = (limits >> 32) & NO_CAP
    if cap == NO_CAP:
        return 0
    word: uint256 = staticcall BOOK.outflow()
    left: uint256 = word >> 128
    drained: uint256 = fixed._mul_div_down(cap, block.timestamp - (word & MASK_128), limits & MASK_32)
    return fixed._mul_div_down(left - drained, fixed.PPM, cap) if left > drained else 0


@internal
@view
def _marks() -> (uint256, uint256):
    """
    @notice Most that the fund could pay, in the window before and in this one
            [wad], as noted.
    """
    word: uint256 = self._peaks
    passed: uint256 = block.timestamp // self.config.window - (word >> 224)
    if passed == 0:
        return (word >> 112) & MASK_112, word & MASK_112
    if passed == 1:
        return word & MASK_112, 0
    return 0, 0


@internal
def _set_config(config: Config):
    assert (
        MIN_MOVE <= config.move
        and config.move <= MAX_MOVE
        and MIN_VOLATILITY <= config.volatility
        and config.volatility <= MAX_VOLATILITY
        and config.cover <= MAX_COVER
        and MIN_OUTFLOW <= config.outflow
        and config.outflow <= MAX_OUTFLOW
        and MIN_WINDOW <= config.window
        and config.window <= MAX_WINDOW
        and MIN_DURATION <= config.risk_duration
        and config.risk_duration <= MAX_DURATION
        and MIN_DURATION <= config.leave_duration
        and config.leave_duration <= MAX_DURATION
    ), "breakers: config out of range"
    log ConfigSet(old=self.config, new=config)
    if config.window != self.config.window:
        self._peaks = 0
    self.config = config
