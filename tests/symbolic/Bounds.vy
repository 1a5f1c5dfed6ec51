# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title What goes through is in bounds
@notice Whoever calls a setter, in whatever state: if the call goes through, every
        number lies where its contract says.
"""


from . import cheats


# ------------------------------------------------------------------ interfaces


interface Registry:
    def fees() -> uint256: view


interface Fund:
    def event_cap() -> uint256: view
    def underlying_cap() -> uint256: view
    def cooldown() -> uint256: view
    def claim_window() -> uint256: view


interface Liquidator:
    def config() -> LiquidatorConfig: view


interface Breakers:
    def config() -> BreakersConfig: view


# --------------------------------------------------------------------- structs


struct LiquidatorConfig:
    call_period: uint256
    urgent_period: uint256
    ramp: uint256
    start_discount: uint256
    bonus: uint256
    min_rest: uint256


struct BreakersConfig:
    move: uint256
    volatility: uint256
    cover: uint256
    outflow: uint256
    window: uint256
    risk_duration: uint256
    leave_duration: uint256


# ------------------------------------------------------------------- constants


PPM: constant(uint256) = 10**6
DAY: constant(uint256) = 86_400
REGISTRY: constant(Registry) = Registry(cheats.TARGET)
FUND: constant(Fund) = Fund(cheats.TARGET)


# -------------------------------------------------------------------- internal


@internal
def _set(name: String[32]) -> bool:
    """
    @notice Whether a call of any setter of a contract goes through.
    """
    cheats._governed(name)
    return cheats._try(cheats._address("caller"), cheats.TARGET, cheats._calldata(name))


# ---------------------------------------------------------------------- checks


@external
def check_fees():
    """
    @notice At most 5 % of the notional and 20 % of the margin: docs/SPEC.md.
    """
    if not self._set("Registry"):
        return
    fees: uint256 = staticcall REGISTRY.fees()
    cap: uint256 = cheats._field(fees, 136, 24)
    most: uint256 = cheats._field(fees, 88, 24)
    cheats._holds(cap <= 50_000 and cheats._field(fees, 232, 24) <= cap and cheats._field(fees, 208, 24) <= cap)
    cheats._holds(cheats._field(fees, 112, 24) <= most and most <= 200_000)


@external
def check_fund():
    if not self._set("InsuranceFund"):
        return
    cheats._holds(
        staticcall FUND.event_cap() <= staticcall FUND.underlying_cap()
        and staticcall FUND.underlying_cap() <= 10**27
    )


@external
def check_cooldown():
    if not self._set("InsuranceFund"):
        return
    cheats._holds(
        cheats._is_within(DAY, staticcall FUND.cooldown(), 30 * DAY)
        and cheats._is_within(DAY, staticcall FUND.claim_window(), 14 * DAY)
    )


@external
def check_liquidator():
    if not self._set("Liquidator"):
        return
    config: LiquidatorConfig = staticcall Liquidator(cheats.TARGET).config()
    cheats._holds(
        cheats._is_within(300, config.call_period, 7 * DAY)
        and cheats._is_within(60, config.urgent_period, config.call_period)
        and cheats._is_within(60, config.ramp, DAY)
        and config.start_discount <= PPM // 2
        and config.bonus <= PPM // 10
    )


@external
def check_breakers():
    if not self._set("Breakers"):
        return
    config: BreakersConfig = staticcall Breakers(cheats.TARGET).config()
    cheats._holds(
        cheats._is_within(20_000, config.move, PPM)
        and config.cover <= 900_000
        and cheats._is_within(500_000, config.outflow, PPM)
        and cheats._is_within(3_600, config.window, 30 * DAY)
        and cheats._is_within(300, config.risk_duration, DAY)
        and cheats._is_within(300, config.leave_duration, DAY)
    )
