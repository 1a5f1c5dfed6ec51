"""Owner of every contract: what it does was announced, and has waited. Twin of `contracts/Timelock.vy`.

The contract's checks in its order, its log, its state. What an operation calls is handed to `run`, which whoever builds
the twin sets: it carries a call of the timelock out on the twin of the target, or refuses as that does.

    delay_of(target, function) = longest                               of the timelock itself, but revokeRole
                               = max(minimum, named for any target, named for this)            of all else

An operation is known by the keccak of the ABI encoding of what it calls; a batch likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from eth_utils.crypto import keccak

from plimsoll.spec.atomic import atomic
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event

NAME: Final = "Timelock"
MIN_DELAY: Final = 60  # [s]
MAX_DELAY: Final = 30 * 86_400  # [s]
MAX_BATCH: Final = 255
MAX_PAYLOAD: Final = 1_024  # [bytes]
DONE: Final = 1  # the time of an operation that was executed
NO_SALT: Final = bytes(32)
ANY: Final = 0  # a target that stands for any; a holder that stands for anyone

ADMIN_ROLE: Final = bytes(32)
PROPOSER_ROLE: Final = keccak(b"PROPOSER_ROLE")
EXECUTOR_ROLE: Final = keccak(b"EXECUTOR_ROLE")
GUARDIAN_ROLE: Final = keccak(b"GUARDIAN_ROLE")

NO_ROLE: Final = "access_control: account is missing role"
NOT_READY: Final = "timelock_controller: operation is not ready"
REVERTED: Final = "timelock_controller: underlying transaction reverted"
MISMATCH: Final = "timelock_controller: length mismatch"
DELAY_RANGE: Final = "timelock: delay out of range"

Run = Callable[[int, bytes], object]


def selector(signature: str) -> bytes:
    """The four bytes by which a function is called."""
    return keccak(signature.encode())[:4]


REVOKE: Final = selector("revokeRole(bytes32,address)")

# What waits longest, on any target, by name: what lists collateral, changes a feed or who signs, or hands a contract
# over.
SLOWEST: Final = (
    "list_collateral",
    "set_feed",
    "set_quote_route",
    "set_route",
    "set_sequencer",
    "set_signers",
    "transfer_ownership",
)


def hash_operation(target: int, amount: int, payload: bytes, predecessor: bytes, salt: bytes) -> bytes:
    """What an operation of one call is known by."""
    head = (_word(target), _word(amount), _word(5 * 32), predecessor, salt)
    return keccak(b"".join(head) + _bytes(payload))


def hash_batch(
    targets: Sequence[int], amounts: Sequence[int], payloads: Sequence[bytes], predecessor: bytes, salt: bytes
) -> bytes:
    """What an operation of several calls is known by."""
    calls = [_bytes(payload) for payload in payloads]
    offsets = [_word(32 * len(calls) + sum(map(len, calls[:k]))) for k in range(len(calls))]
    parts = [
        b"".join([_word(len(items)), *items])
        for items in (list(map(_word, targets)), list(map(_word, amounts)), [*offsets, *calls])
    ]
    parts[2] = _word(len(calls)) + parts[2][32:]
    places = [_word(5 * 32 + sum(map(len, parts[:k]))) for k in range(3)]
    return keccak(b"".join([*places, predecessor, salt, *parts]))


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _bytes(data: bytes) -> bytes:
    return _word(len(data)) + data.ljust(-(-len(data) // 32) * 32, b"\0")


def _nothing(_: int, __: bytes) -> None:
    """Where nothing stands a call does nothing."""


class Timelock:
    """The state of one `Timelock`."""

    def __init__(
        self,
        address: int,
        proposers: Sequence[int],
        executors: Sequence[int],
        guardians: Sequence[int],
        minimum_delay: int,
        longest_delay: int,
        slowest: Sequence[bytes] = (),
    ) -> None:
        require(MIN_DELAY <= minimum_delay <= longest_delay <= MAX_DELAY, DELAY_RANGE)
        require(bool(proposers) and bool(executors) and len(guardians) > 1, "timelock: too few holders")
        require(0 not in proposers, "timelock: zero address")
        ascending = all(a < b for a, b in zip((0, *guardians), guardians, strict=False))
        require(ascending, "timelock: guardians zero or not ascending")
        self.address = address
        self.proposers = set(proposers)
        self.executors = set(executors)
        self.guards = set(guardians)
        self.admins = {address}
        self.minimum = minimum_delay
        self.longest = longest_delay
        self.delays: dict[tuple[int, bytes], int] = {(ANY, name): longest_delay for name in slowest}
        self.times: dict[bytes, int] = {}  # by operation, from when on it can be executed [s]
        self.dismissed: dict[bytes, int] = {}  # by operation, the guardian whose dismissal it is
        self.run: Run = _nothing
        self.parts: Sequence[object] = ()  # twins that `run` may change
        self.log: list[Event] = []

    # ------------------------------------------------------------------------------------------------- operations

    def schedule(
        self,
        target: int,
        amount: int,
        payload: bytes,
        predecessor: bytes,
        salt: bytes,
        delay: int,
        *,
        sender: int,
        now: int,
    ) -> None:
        """Announce a call, to be executed after `delay` [s]."""
        require(sender in self.proposers, NO_ROLE)
        key = hash_operation(target, amount, payload, predecessor, salt)
        self._check_delay(target, payload, delay)
        dismissed = self._dismisses(target, payload)
        self._schedule(key, delay, now)
        self.dismissed[key] = dismissed
        self._scheduled(key, 0, target, amount, payload, predecessor, delay)
        self._salted(key, salt)

    def schedule_batch(
        self,
        targets: Sequence[int],
        amounts: Sequence[int],
        payloads: Sequence[bytes],
        predecessor: bytes,
        salt: bytes,
        delay: int,
        *,
        sender: int,
        now: int,
    ) -> None:
        """Announce several calls, to be executed together after `delay` [s]."""
        require(sender in self.proposers, NO_ROLE)
        require(0 < len(targets) == len(amounts) == len(payloads), "timelock: length mismatch")
        key = hash_batch(targets, amounts, payloads, predecessor, salt)
        with atomic(self):
            self._schedule(key, delay, now)
            for index, (target, amount, payload) in enumerate(zip(targets, amounts, payloads, strict=True)):
                self._check_delay(target, payload, delay)
                require(self._dismisses(target, payload) == 0, "timelock: dismissal in a batch")
                self._scheduled(key, index, target, amount, payload, predecessor, delay)
            self._salted(key, salt)

    def cancel(self, key: bytes, *, sender: int) -> None:
        """Cancel what was scheduled and is not done; for guardians, but his own dismissal for none."""
        require(sender in self.guards, NO_ROLE)
        require(self.times.get(key, 0) > DONE, "timelock: nothing to cancel")
        require(self.dismissed.get(key, 0) != sender, "timelock: own dismissal")
        self.times.pop(key)
        self._emit("Cancelled", id=key)

    def execute(
        self, target: int, amount: int, payload: bytes, predecessor: bytes, salt: bytes, *, sender: int, now: int
    ) -> None:
        """Carry a call out that has waited."""
        self._check_executor(sender)
        key = hash_operation(target, amount, payload, predecessor, salt)
        self._execute(key, [(target, amount, payload)], predecessor, now)

    def execute_batch(
        self,
        targets: Sequence[int],
        amounts: Sequence[int],
        payloads: Sequence[bytes],
        predecessor: bytes,
        salt: bytes,
        *,
        sender: int,
        now: int,
    ) -> None:
        """Carry several calls out that have waited: all, or none."""
        self._check_executor(sender)
        require(len(targets) == len(amounts) == len(payloads), MISMATCH)
        key = hash_batch(targets, amounts, payloads, predecessor, salt)
        self._execute(key, list(zip(targets, amounts, payloads, strict=True)), predecessor, now)

    # ------------------------------------------------------------------------------------------------- governance

    def set_delay(self, target: int, name: bytes, delay: int, *, sender: int) -> None:
        """Least delay of a function [s]: the timelock sets it, a guardian raises it."""
        old = self.delays.get((target, name), 0)
        if sender != self.address:
            require(sender in self.guards, NO_ROLE)
            require(delay > old, "timelock: guardians only raise")
        require(delay <= self.longest, DELAY_RANGE)
        self.delays[target, name] = delay
        self._emit("DelaySet", target=target, selector=name, old_delay=old, delay=delay, by=sender)

    def set_minimum_delay(self, delay: int, *, sender: int) -> None:
        """Least delay of anything [s]; the timelock alone sets it."""
        require(sender == self.address, "timelock: not the timelock")
        require(MIN_DELAY <= delay <= self.longest, DELAY_RANGE)
        self._emit("MinimumDelayChange", old_duration=self.minimum, new_duration=delay)
        self.minimum = delay

    def adopt(self, target: int) -> None:
        """Take over a contract that was handed to the timelock; ownership is no state of the twins."""
        self.run(target, selector("accept_ownership()"))
        self._emit("Adopted", target=target)

    def grantRole(self, role: bytes, account: int, *, sender: int) -> None:
        """Let an account hold a role; for the timelock alone."""
        require(sender in self.admins, NO_ROLE)
        holders = self._holders(role)
        if account not in holders:
            holders.add(account)
            self._emit("RoleGranted", role=role, account=account, sender=sender)

    def revokeRole(self, role: bytes, account: int, *, sender: int) -> None:
        """Take a role from an account; for the timelock alone."""
        require(sender in self.admins, NO_ROLE)
        self._revoke(role, account, sender)

    def renounceRole(self, role: bytes, account: int, *, sender: int) -> None:
        """Give a role up, at once."""
        require(account == sender, "access_control: can only renounce roles for itself")
        self._revoke(role, account, sender)

    # ------------------------------------------------------------------------------------------------------ views

    def guards_for(self, owner: int, who: int) -> bool:
        """Whether somebody is a guardian of what an owner owns: what `plimsoll.spec.authority` asks."""
        return owner == self.address and self.is_guardian(who)

    def is_guardian(self, who: int) -> bool:
        """Whether `who` may make things safer at once."""
        return who in self.guards

    def delay_of(self, target: int, name: bytes) -> int:
        """Least delay of a function of a target [s]."""
        if target == self.address and name != REVOKE:
            return self.longest
        return max(self.minimum, self.delays.get((ANY, name), 0), self.delays.get((target, name), 0))

    def get_timestamp(self, key: bytes) -> int:
        """From when on an operation can be executed [s]; 1 once it is done, 0 where there is none."""
        return self.times.get(key, 0)

    # ---------------------------------------------------------------------------------------------------- helpers

    def _schedule(self, key: bytes, delay: int, now: int) -> None:
        require(self.times.get(key, 0) == 0, "timelock_controller: operation already scheduled")
        require(delay >= self.minimum, "timelock_controller: insufficient delay")
        require(now + delay < 2**256, "")
        self.times[key] = now + delay

    def _check_delay(self, target: int, payload: bytes, delay: int) -> None:
        require(len(payload) > 3, "timelock: no function")
        require(delay >= self.delay_of(target, payload[:4]), "timelock: delay too short")

    def _dismisses(self, target: int, payload: bytes) -> int:
        """The guardian whose dismissal a call is; zero where it is none."""
        if target != self.address or payload[:4] != REVOKE or payload[4:36] != GUARDIAN_ROLE or len(payload) < 68:
            return 0
        require(not any(payload[36:48]), "")
        return int.from_bytes(payload[48:68], "big")

    def _check_executor(self, sender: int) -> None:
        require(ANY in self.executors or sender in self.executors, NO_ROLE)

    def _execute(self, key: bytes, calls: Sequence[tuple[int, int, bytes]], predecessor: bytes, now: int) -> None:
        require(self._is_ready(key, now), NOT_READY)
        is_free = predecessor == NO_SALT or self.times.get(predecessor) == DONE
        require(is_free, "timelock_controller: missing dependency")
        with atomic(self, *self.parts):
            for index, (target, amount, payload) in enumerate(calls):
                require(amount == 0, REVERTED)
                self._carry_out(target, payload)
                self._emit("CallExecuted", id=key, index=index, target=target, amount=amount, payload=payload)
            require(self._is_ready(key, now), NOT_READY)
            self.times[key] = DONE

    def _carry_out(self, target: int, payload: bytes) -> None:
        try:
            self.run(target, payload)
        except Refused as refused:
            raise Refused(refused.reason or REVERTED) from None

    def _is_ready(self, key: bytes, now: int) -> bool:
        return DONE < self.times.get(key, 0) <= now

    def _holders(self, role: bytes) -> set[int]:
        return {
            PROPOSER_ROLE: self.proposers,
            EXECUTOR_ROLE: self.executors,
            GUARDIAN_ROLE: self.guards,
            ADMIN_ROLE: self.admins,
        }.get(role, set())

    def _revoke(self, role: bytes, account: int, sender: int) -> None:
        holders = self._holders(role)
        if account in holders:
            holders.remove(account)
            self._emit("RoleRevoked", role=role, account=account, sender=sender)

    def _scheduled(
        self, key: bytes, index: int, target: int, amount: int, payload: bytes, predecessor: bytes, delay: int
    ) -> None:
        self._emit(
            "CallScheduled",
            id=key,
            index=index,
            target=target,
            amount=amount,
            payload=payload,
            predecessor=predecessor,
            delay=delay,
        )

    def _salted(self, key: bytes, salt: bytes) -> None:
        if salt != NO_SALT:
            self._emit("CallSalt", id=key, salt=salt)

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))
