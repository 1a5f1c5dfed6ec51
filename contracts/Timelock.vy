# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title Owner of every contract: what it does was announced, and has waited
@license GNU Affero General Public License v3.0 only
@notice Snekmate's timelock controller, and on top of it:
        - a least delay for each (target, function): the minimum for most, longer
          for what was named, the longest for whatever changes the timelock
          itself and for functions named when it was built (those that list
          collateral, change a feed or the signers, hand a contract over);
        - guardians, who make the protocol safer at once (`modules/authority.vy`),
          cancel what was scheduled, and raise delays; none of it can be undone
          faster than the delays allow;
        - `adopt`, by which it takes over a contract that was handed to it.
        Three roles: proposers schedule, executors execute what has waited (the
        zero address: anyone), guardians cancel. Proposers do not cancel, so that
        a stolen key cannot hold up its own dismissal; for the same reason a
        guardian cannot cancel his own, which must be scheduled by itself, so
        that another can. There are two at least when it is built.
        Units: time [s]. Nobody but the timelock itself grants a role or changes
        a delay for the shorter. Whoever holds a role renounces it at once.
@custom:security A stolen proposer key schedules, and no more, while one guardian
        looks at it within the delay. What is scheduled stays so until it is
        cancelled. Add a guardian before one is dismissed.
@custom:kill A guardian cancels what is scheduled; nothing stops the rest.
"""


# --------------------------------------------------------------------- imports


from snekmate.auth import access_control
from snekmate.governance import timelock_controller

from interfaces import IGovernance

implements: IGovernance

initializes: access_control
initializes: timelock_controller[access_control := access_control]

exports: (
    access_control.DEFAULT_ADMIN_ROLE,
    access_control.hasRole,
    access_control.getRoleAdmin,
    access_control.grantRole,
    access_control.revokeRole,
    access_control.renounceRole,
    timelock_controller.PROPOSER_ROLE,
    timelock_controller.EXECUTOR_ROLE,
    timelock_controller.get_timestamp,
    timelock_controller.get_minimum_delay,
    timelock_controller.is_operation,
    timelock_controller.is_operation_pending,
    timelock_controller.is_operation_ready,
    timelock_controller.is_operation_done,
    timelock_controller.hash_operation,
    timelock_controller.hash_operation_batch,
    timelock_controller.execute,
    timelock_controller.execute_batch,
)


interface Ownable:
    def accept_ownership(): nonpayable


# ------------------------------------------------------------------- constants


GUARDIAN_ROLE: public(constant(bytes32)) = keccak256("GUARDIAN_ROLE")

MAX_HOLDERS: constant(uint256) = 8
MAX_NAMED: constant(uint256) = 32
MAX_CALLS: constant(uint8) = max_value(uint8)  # of a batch: the library's
# [s] a development deployment should not wait; one that holds money needs days,
# as long as a guardian may be asleep
MIN_DELAY: constant(uint256) = 60
MAX_DELAY: constant(uint256) = 30 * 86_400  # [s] what takes longer than a month cannot answer anything
REVOKE: constant(bytes4) = method_id("revokeRole(bytes32,address)", output_type=bytes4)


# ------------------------------------------------------------------ immutables


LONGEST: immutable(uint256)  # [s]


# --------------------------------------------------------------------- storage


_delays: HashMap[address, HashMap[bytes4, uint256]]  # target -> function -> least delay [s]; target 0: any
_dismissed: HashMap[bytes32, address]  # operation -> guardian whose dismissal it is


# ---------------------------------------------------------------------- events


event DelaySet:
    target: indexed(address)
    selector: indexed(bytes4)
    old_delay: uint256
    delay: uint256
    by: address


event Adopted:
    target: indexed(address)


# ----------------------------------------------------------------- constructor


@deploy
def __init__(
    proposers: DynArray[address, MAX_HOLDERS],
    executors: DynArray[address, MAX_HOLDERS],
    guardians: DynArray[address, MAX_HOLDERS],
    minimum_delay: uint256,
    longest_delay: uint256,
    slowest: DynArray[bytes4, MAX_NAMED],
):
    """
    @notice Nobody administers it but itself, the deployer neither.
    @param proposers Who schedules; one at least.
    @param executors Who executes what has waited; the zero address: anyone.
    @param guardians Who cancels and tightens; two at least, ascending.
    @param minimum_delay Least delay of anything [s].
    @param longest_delay Of what waits longest, for good [s].
    @param slowest Functions that wait longest, on any target.
    """
    assert (
        MIN_DELAY <= minimum_delay and minimum_delay <= longest_delay and longest_delay <= MAX_DELAY
    ), "timelock: delay out of range"
    assert len(proposers) > 0 and len(executors) > 0 and len(guardians) > 1, "timelock: too few holders"
    LONGEST = longest_delay
    access_control.__init__()
    # proposers apart: the library would let them cancel
    timelock_controller.__init__(minimum_delay, [], executors, empty(address))
    for proposer: address in proposers:
        assert proposer != empty(address), "timelock: zero address"
        access_control._grant_role(timelock_controller.PROPOSER_ROLE, proposer)
    last: uint160 = 0
    for guardian: address in guardians:
        assert convert(guardian, uint160) > last, "timelock: guardians zero or not ascending"
        last = convert(guardian, uint160)
        access_control._grant_role(GUARDIAN_ROLE, guardian)
    for selector: bytes4 in slowest:
        self._set_delay(empty(address), selector, longest_delay)


# --------------------------------------------------------- external: operations


@external
def schedule(
    target: address, amount: uint256, payload: Bytes[1_024], predecessor: bytes32, salt: bytes32, delay: uint256
):
    """
    @notice Proposer: announces a call, to be executed after `delay`.
    @param target Whom it calls.
    @param amount Native tokens that go along; the timelock has none.
    @param payload Calldata: a function's selector at least.
    @param predecessor Operation that must be done before; empty for none.
    @param salt Tells equal calls apart.
    @param delay [s] `delay_of` the target and the function at least.
    """
    access_control._check_role(timelock_controller.PROPOSER_ROLE, msg.sender)
    id: bytes32 = timelock_controller._hash_operation(target, amount, payload, predecessor, salt)
    self._check_delay(target, payload, delay)
    self._dismissed[id] = self._dismisses(target, payload)
    timelock_controller._schedule(id, delay)
    log timelock_controller.CallScheduled(
        id=id, index=0, target=target, amount=amount, payload=payload, predecessor=predecessor, delay=delay
    )
    if salt != empty(bytes32):
        log timelock_controller.CallSalt(id=id, salt=salt)


@external
def schedule_batch(
    targets: DynArray[address, MAX_CALLS],
    amounts: DynArray[uint256, MAX_CALLS],
    payloads: DynArray[Bytes[1_024], MAX_CALLS],
    predecessor: bytes32,
    salt: bytes32,
    delay: uint256,
):
    """
    @notice Proposer: announces several calls, to be executed together after
            `delay`: the longest that one of them needs, at least. A guardian is
            dismissed by a call alone.
    """
    access_control._check_role(timelock_controller.PROPOSER_ROLE, msg.sender)
    assert (
        len(targets) > 0 and len(targets) == len(amounts) and len(targets) == len(payloads)
    ), "timelock: length mismatch"
    id: bytes32 = timelock_controller._hash_operation_batch(targets, amounts, payloads, predecessor, salt)
    timelock_controller._schedule(id, delay)
    for i: uint256 in range(len(targets), bound=255):
        self._check_delay(targets[i], payloads[i], delay)
        assert self._dismisses(targets[i], payloads[i]) == empty(address), "timelock: dismissal in a batch"
        log timelock_controller.CallScheduled(
            id=id,
            index=i,
            target=targets[i],
            amount=amounts[i],
            payload=payloads[i],
            predecessor=predecessor,
            delay=delay,
        )
    if salt != empty(bytes32):
        log timelock_controller.CallSalt(id=id, salt=salt)


@external
def cancel(id: bytes32):
    """
    @notice Guardian: cancels what was scheduled and is not done, but for his own
            dismissal.
    """
    access_control._check_role(GUARDIAN_ROLE, msg.sender)
    assert timelock_controller._is_operation_pending(id), "timelock: nothing to cancel"
    assert self._dismissed[id] != msg.sender, "timelock: own dismissal"
    timelock_controller.get_timestamp[id] = 0
    log timelock_controller.Cancelled(id=id)


# --------------------------------------------------------- external: governance


@external
def set_delay(target: address, selector: bytes4, delay: uint256):
    """
    @notice The timelock itself, which waited longest for it; or a guardian, who
            raises: least delay of a function.
    @param target Whose function; zero for any.
    @param selector Which.
    @param delay [s] the longest at most; under the minimum, the minimum holds.
    """
    if msg.sender != self:
        access_control._check_role(GUARDIAN_ROLE, msg.sender)
        assert delay > self._delays[target][selector], "timelock: guardians only raise"
    assert delay <= LONGEST, "timelock: delay out of range"
    self._set_delay(target, selector, delay)


@external
def set_minimum_delay(delay: uint256):
    """
    @notice The timelock itself, which waited longest for it: least delay of
            anything that is scheduled from now on [s].
    """
    assert msg.sender == self, "timelock: not the timelock"
    assert MIN_DELAY <= delay and delay <= LONGEST, "timelock: delay out of range"
    log timelock_controller.MinimumDelayChange(old_duration=timelock_controller.get_minimum_delay, new_duration=delay)
    timelock_controller.get_minimum_delay = delay


@external
def adopt(target: address):
    """
    @notice Anyone: takes over a contract whose owner handed it to the timelock.
    """
    extcall Ownable(target).accept_ownership()
    log Adopted(target=target)


# -------------------------------------------------------------- external: views


@external
@view
@reentrant
def is_guardian(who: address) -> bool:
    """
    @notice Whether `who` may make things safer at once.
    @dev    Reentrant: contracts ask it while the timelock calls them.
    """
    return access_control.hasRole[GUARDIAN_ROLE][who]


@external
@view
def delay_of(target: address, selector: bytes4) -> uint256:
    """
    @notice Least delay of a function of a target [s].
    """
    return self._delay_of(target, selector)


@external
@view
def longest_delay() -> uint256:
    """
    @notice Delay of what waits longest [s].
    """
    return LONGEST


# -------------------------------------------------------------------- internal


@internal
@view
def _delay_of(target: address, selector: bytes4) -> uint256:
    if target == self and selector != REVOKE:
        return LONGEST
    return max(
        timelock_controller.get_minimum_delay,
        max(self._delays[empty(address)][selector], self._delays[target][selector]),
    )


@internal
@view
def _check_delay(target: address, payload: Bytes[1_024], delay: uint256):
    assert len(payload) > 3, "timelock: no function"
    assert delay >= self._delay_of(target, convert(slice(payload, 0, 4), bytes4)), "timelock: delay too short"


@internal
@view
def _dismisses(target: address, payload: Bytes[1_024]) -> address:
    """
    @notice The guardian whose dismissal a call is; zero where it is none.
    """
    if target != self or len(payload) < 68 or convert(slice(payload, 0, 4), bytes4) != REVOKE:
        return empty(address)
    if extract32(payload, 4) != GUARDIAN_ROLE:
        return empty(address)
    return extract32(payload, 36, output_type=address)


@internal
def _set_delay(target: address, selector: bytes4, delay: uint256):
    log DelaySet(target=target, selector=selector, old_delay=self._delays[target][selector], delay=delay, by=msg.sender)
    self._delays[target][selector] = delay
