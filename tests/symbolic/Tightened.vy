# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Loosening is the owner's alone, and waits
@notice Whoever is not the Timelock, a guardian too, calls any function: no number
        is looser afterwards.
"""


from . import cheats


# ------------------------------------------------------------------ interfaces


interface Registry:
    def price_band() -> uint256: view
    def reduce_band() -> uint256: view
    def account_limits() -> uint256: view
    def pool_limits() -> uint256: view
    def curve() -> uint256: view
    def fees() -> uint256: view
    def stops() -> uint256: view
    def venues(venue: address) -> bool: view


interface Guardrails:
    def limit(scope: uint8, place: uint8) -> uint256: view
    def index_band() -> uint256: view
    def boost() -> uint256: view
    def halted_until() -> uint256: view
    def oracle() -> address: view


interface History:
    def settled(underlying: uint16, expiry: uint40) -> uint256: view


interface Timelock:
    def delay_of(target: address, selector: bytes4) -> uint256: view
    def get_timestamp(id: bytes32) -> uint256: view
    def hasRole(role: bytes32, who: address) -> bool: view
    def hash_operation(
        target: address, amount: uint256, payload: Bytes[1_024], predecessor: bytes32, salt: bytes32
    ) -> bytes32: view


# ------------------------------------------------------------------- constants


REGISTRY: constant(Registry) = Registry(cheats.TARGET)
GUARDRAILS: constant(Guardrails) = Guardrails(cheats.TARGET)
HISTORY: constant(History) = History(cheats.TARGET)
TIMELOCK: constant(Timelock) = Timelock(cheats.TARGET)
LONGEST: constant(uint256) = 30 * 86_400  # [s] as the registry says
ELSEWHERE: constant(address) = 0x0000000000000000000000000000000000020001


# -------------------------------------------------------------------- internal


@internal
def _anyone(name: String[32]) -> address:
    """
    @notice Who is not the owner of a contract.
    """
    cheats._governed(name)
    who: address = cheats._address("caller")
    cheats._assume(who != cheats.GOVERNANCE)
    return who


# ---------------------------------------------------------------------- checks


@external
def check_registry():
    who: address = self._anyone("Registry")
    bands: uint256[2] = [staticcall REGISTRY.price_band(), staticcall REGISTRY.reduce_band()]
    own: uint256 = staticcall REGISTRY.account_limits()
    pool: uint256 = staticcall REGISTRY.pool_limits()
    curve: uint256 = staticcall REGISTRY.curve()
    fees: uint256 = staticcall REGISTRY.fees()
    stops: uint256 = staticcall REGISTRY.stops()
    venue: address = cheats._address("venue")
    admitted: bool = staticcall REGISTRY.venues(venue)
    if not cheats._try(who, cheats.TARGET, cheats._calldata("Registry")):
        return
    after: uint256 = staticcall REGISTRY.account_limits()
    cheats._holds(
        cheats._field(after, 160, 96) >= cheats._field(own, 160, 96)
        and cheats._field(after, 32, 128) <= cheats._field(own, 32, 128)
        and cheats._field(after, 24, 8) <= cheats._field(own, 24, 8)
    )
    after = staticcall REGISTRY.pool_limits()
    cheats._holds(
        cheats._field(after, 128, 128) <= cheats._field(pool, 128, 128)
        and cheats._field(after, 32, 96) <= cheats._field(pool, 32, 96)
        and cheats._field(after, 0, 32) >= cheats._field(pool, 0, 32)
    )
    after = staticcall REGISTRY.stops()
    cheats._holds(
        cheats._field(after, 0, 64) >= cheats._field(stops, 0, 64)
        and cheats._field(after, 64, 64) >= cheats._field(stops, 64, 64)
        and cheats._field(after, 128, 64) >= cheats._field(stops, 128, 64)
    )
    cheats._holds(staticcall REGISTRY.price_band() <= bands[0] and staticcall REGISTRY.reduce_band() <= bands[1])
    cheats._holds(staticcall REGISTRY.curve() == curve and staticcall REGISTRY.fees() == fees)
    cheats._holds(admitted or not staticcall REGISTRY.venues(venue))


@external
def check_guardrails():
    who: address = self._anyone("Guardrails")
    cheats._assume(staticcall GUARDRAILS.oracle() != who)
    scope: uint8 = convert(cheats._bits(8, "of_scope"), uint8)
    place: uint8 = convert(cheats._bits(8, "of_place"), uint8)
    limit: uint256 = staticcall GUARDRAILS.limit(scope, place)
    cheats._assume(limit != 0)  # what nobody ever set admits nothing but zero: any limit is looser
    band: uint256 = staticcall GUARDRAILS.index_band()
    boost: uint256 = staticcall GUARDRAILS.boost()
    halted: uint256 = staticcall GUARDRAILS.halted_until()
    if not cheats._try(who, cheats.TARGET, cheats._calldata("Guardrails")):
        return
    after: uint256 = staticcall GUARDRAILS.limit(scope, place)
    cheats._holds(
        cheats._field(after, 160, 96) >= cheats._field(limit, 160, 96)
        and cheats._field(after, 64, 96) <= cheats._field(limit, 64, 96)
        and cheats._field(after, 32, 32) <= cheats._field(limit, 32, 32)
        and cheats._field(after, 0, 32) <= cheats._field(limit, 0, 32)
    )
    cheats._holds(
        staticcall GUARDRAILS.index_band() <= band
        and staticcall GUARDRAILS.boost() <= boost
        and staticcall GUARDRAILS.halted_until() >= halted
    )


@external
def check_delays():
    """
    @notice The Timelock's own: a delay that another sets is no shorter, and no
            longer than the longest.
    """
    cheats._stand("Timelock", cheats.TARGET)
    who: address = cheats._address("caller")
    cheats._assume(who != cheats.TARGET)
    target: address = cheats._address("target")
    selector: bytes4 = convert(slice(cheats._bytes(4, "selector"), 0, 4), bytes4)
    delay: uint256 = cheats._uint("delay")
    before: uint256 = staticcall TIMELOCK.delay_of(target, selector)
    data: Bytes[6_000] = abi_encode(target, selector, delay, method_id=method_id("set_delay(address,bytes4,uint256)"))
    if cheats._try(who, cheats.TARGET, data):
        cheats._holds(delay <= LONGEST and staticcall TIMELOCK.delay_of(target, selector) >= before)


@external
def check_schedule():
    """
    @notice What is scheduled waits as long as its function must.
    """
    cheats._stand("Timelock", cheats.TARGET)
    now: uint256 = cheats._bits(40, "time")
    cheats._warp(now)
    target: address = cheats._address("target")
    payload: Bytes[1_024] = slice(cheats._bytes(68, "payload"), 0, 68)
    predecessor: bytes32 = convert(cheats._uint("predecessor"), bytes32)
    salt: bytes32 = convert(cheats._uint("salt"), bytes32)
    delay: uint256 = cheats._uint("delay")
    id: bytes32 = staticcall TIMELOCK.hash_operation(target, 0, payload, predecessor, salt)
    selector: bytes4 = convert(slice(payload, 0, 4), bytes4)
    before: uint256 = staticcall TIMELOCK.get_timestamp(id)
    least: uint256 = staticcall TIMELOCK.delay_of(target, selector)
    data: Bytes[6_000] = abi_encode(
        target,
        empty(uint256),
        payload,
        predecessor,
        salt,
        delay,
        method_id=method_id("schedule(address,uint256,bytes,bytes32,bytes32,uint256)"),
    )
    if cheats._try(cheats._address("caller"), cheats.TARGET, data):
        after: uint256 = staticcall TIMELOCK.get_timestamp(id)
        cheats._holds(before == 0 and after >= now and unsafe_sub(after, now) >= least)


@external
def check_execute():
    """
    @notice What is executed has waited, and is executed by who may, once.
    """
    cheats._stand("Timelock", cheats.TARGET)
    now: uint256 = cheats._bits(40, "time")
    cheats._warp(now)
    who: address = cheats._address("caller")
    payload: Bytes[1_024] = slice(cheats._bytes(68, "payload"), 0, 68)
    predecessor: bytes32 = convert(cheats._uint("predecessor"), bytes32)
    salt: bytes32 = convert(cheats._uint("salt"), bytes32)
    id: bytes32 = staticcall TIMELOCK.hash_operation(ELSEWHERE, 0, payload, predecessor, salt)
    due: uint256 = staticcall TIMELOCK.get_timestamp(id)
    may: bool = staticcall TIMELOCK.hasRole(keccak256("EXECUTOR_ROLE"), who) or staticcall TIMELOCK.hasRole(
        keccak256("EXECUTOR_ROLE"), empty(address)
    )
    data: Bytes[6_000] = abi_encode(
        ELSEWHERE,
        empty(uint256),
        payload,
        predecessor,
        salt,
        method_id=method_id("execute(address,uint256,bytes,bytes32,bytes32)"),
    )
    if cheats._try(who, cheats.TARGET, data):
        cheats._holds(may and 1 < due and due <= now and staticcall TIMELOCK.get_timestamp(id) == 1)


@external
def check_final():
    """
    @notice The owner too: a settlement price that is final stays what it is.
    """
    cheats._stand("History", cheats.TARGET)
    cheats._warp(cheats._bits(40, "time"))
    underlying: uint16 = convert(cheats._bits(16, "underlying"), uint16)
    expiry: uint40 = convert(cheats._bits(40, "expiry"), uint40)
    price: uint256 = staticcall HISTORY.settled(underlying, expiry)
    cheats._assume(price != 0)
    data: Bytes[6_000] = cheats._calldata("History")
    # functions of this expiry alone
    cheats._assume(convert(extract32(data, 4), uint256) == convert(underlying, uint256))
    cheats._assume(convert(extract32(data, 36), uint256) == convert(expiry, uint256))
    through: bool = cheats._try(cheats._address("caller"), cheats.TARGET, data)
    cheats._holds(not through and staticcall HISTORY.settled(underlying, expiry) == price)
