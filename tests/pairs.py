"""The contracts and their twin side by side: one step on both, one comparison of both.

`Pair.step` runs a function on the chain and on the twin, and demands the same outcome: the same result and the same
log, or a refusal with the same reason. `Pair.compare` demands the same state. Neither knows what the step does.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain import artifacts
from plimsoll.chain.contract import Contract, Function, deploy, events_of
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.chain.governance import slowest
from plimsoll.spec import lens
from plimsoll.spec.atomic import atomic
from plimsoll.spec.breakers import Limits
from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.fund import Income
from plimsoll.spec.interest import Pool
from plimsoll.spec.liquidator import Config
from plimsoll.spec.margin import Params, groups
from plimsoll.spec.report import Report, digest
from plimsoll.spec.surface import Surface, encode
from plimsoll.spec.system import Addresses, PlainAggregator, PlainToken, Roles, System, Waits

MAX = 2**256 - 1
GUARDIANS = ("guardian", "other guardian")
ZERO = bytes(32)


class Mismatch(AssertionError):  # noqa: N818 - it is what it says
    """Chain and twin differ."""


@cache
def key_of(name: str) -> PrivateKey:
    """The key of a role; roles are names."""
    return PrivateKey(name.encode().rjust(32, b"\1"))


@cache
def address_of(name: str) -> int:
    """The address of a role."""
    return int.from_bytes(key_of(name).public_key.to_canonical_address(), "big")


def text(address: int) -> str:
    """An address as the chain layer writes it."""
    return _text(address)


@cache
def _text(address: int) -> str:
    return to_checksum_address(address.to_bytes(20, "big"))


def number(address: str) -> int:
    """An address as the twin writes it."""
    return int(address, 16)


def sign(name: str, message: bytes) -> bytes:
    """A role's signature of a digest: r | s | v."""
    signature = key_of(name).sign_msg_hash(message)
    return signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([27 + signature.v])


def account(name: str, at: int = 0) -> int:
    """A role's account of a number."""
    return address_of(name) << 96 | at


def for_chain(value: Any, entry: Mapping[str, Any]) -> Any:
    """An argument of the twin as the ABI wants it: addresses are text."""
    kind = str(entry["type"])
    if kind.endswith("]"):
        inner = {**entry, "type": kind[: kind.rindex("[")]}
        return [for_chain(item, inner) for item in value]
    if kind == "tuple":
        fields = (
            {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            if dataclasses.is_dataclass(value)
            else value
        )
        return {part["name"]: for_chain(fields[part["name"]], part) for part in entry["components"]}
    return text(value) if kind == "address" else value


def from_chain(value: Any) -> Any:
    """A decoded value as the twin has it: addresses are integers, structs and arrays tuples."""
    if isinstance(value, tuple):
        return tuple(from_chain(item) for item in value)
    return number(value) if isinstance(value, str) and value.startswith("0x") and len(value) == 42 else value


def encode_call(function: Function, args: Sequence[Any]) -> bytes:
    """Calldata from the twin's arguments."""
    return function.encode([for_chain(value, entry) for value, entry in zip(args, function.inputs, strict=True)])


def call_words(contract: Contract, name: str, words: Sequence[int], *more: int) -> bytes:
    """Calldata of `name(uint256[], ...)`: in bulk, eth-abi takes longer than the chain."""
    function = contract.interface.function(name, 1 + len(more))
    head = [32 * (1 + len(more)), *(value % 2**256 for value in more)]
    return function.selector + b"".join(w.to_bytes(32, "big") for w in (*head, len(words), *words))


@cache
def compiled(name: str) -> artifacts.Artifact:
    """An artifact, read once."""
    return artifacts.load(name)


def state_of(system: System) -> dict[tuple[str, str], Any]:
    """A twin's state by part and name, copied."""
    return {
        (part, key): value.copy() if isinstance(value, dict | list | set) else value
        for part in PARTS
        for key, value in vars(getattr(system, part)).items()
        if key not in {"known", "aggregators", "wallets", "funds", "oracles", "parts"}
        and isinstance(value, int | tuple | dict | list | set | Params | Pool | Config | Income | Limits)
    }


def fork(system: System) -> System:
    """A twin that goes on from the same state by itself."""
    new = System(
        system.at,
        system.oracle.chain_id,
        system.clock,
        {
            at: PlainToken(token.decimals, dict(token.balances), dict(token.allowances))
            for at, token in system.tokens.items()
        },
        {at: dataclasses.replace(aggregator) for at, aggregator in system.aggregators.items()},
        system.waits,
        guarded=system.guarded,
        roles=system.roles,
    )
    for (part, key), value in state_of(system).items():
        setattr(getattr(new, part), key, value)
    new.liquidator.fund = new.fund if system.liquidator.fund else None
    new.timelock.run = system.timelock.run
    return new


PARTS = {
    "timelock": "Timelock",
    "feed": "IndexFeed",
    "guard": "Guardrails",
    "oracle": "RiskOracle",
    "history": "History",
    "registry": "Registry",
    "mandates": "Mandates",
    "book": "Clearinghouse",
    "exchange": "Exchange",
    "liquidator": "Liquidator",
    "standing": "StandingOrders",
    "fund": "InsuranceFund",
    "breakers": "Breakers",
}
OWNED = [part for part in PARTS if part not in {"timelock", "exchange", "standing"}]


# what of a twin's state, by key, which views of the chain tell
BY_KEY = {
    ("book", "entries"): ("brought_in",),
    ("book", "open"): ("instrument_interest",),
    ("exchange", "filled"): ("filled",),
    ("exchange", "floors"): ("floor",),
    ("feed", "routes"): ("route",),
    ("feed", "waiting"): ("staged",),
    ("fund", "allowances"): ("allowance",),
    ("fund", "balances"): ("balanceOf",),
    ("fund", "buckets"): ("spent",),
    ("fund", "requests"): ("requested", "maxRedeem", "maxWithdraw"),
    ("guard", "sets"): ("scenarios",),
    ("guard", "class_words"): ("class_time",),
    ("guard", "scopes"): ("scopes",),
    ("history", "observed"): ("buckets",),
    ("history", "remembered"): ("checkpoints",),
    ("history", "settlements"): ("settlement", "settled"),
    ("liquidator", "auctions"): ("auction",),
    ("liquidator", "calls"): ("deadline", "ripe"),
    ("liquidator", "records"): ("recorded",),
    ("mandates", "allowances"): ("allowance",),
    ("mandates", "delegates"): ("delegate",),
    ("mandates", "reserves"): ("reserve",),
    ("mandates", "top_ups"): ("top_up", "bounty"),
    ("registry", "instrument_caps"): ("instrument_cap",),
    ("registry", "limits"): ("underlying_limits",),
    ("registry", "listed"): ("collateral",),
    ("registry", "listings"): ("listing",),
    ("registry", "underlying_ends"): ("underlying_stop",),
    ("oracle", "valid"): ("valid_until",),
    ("standing", "filled"): ("filled",),
    ("standing", "floors"): ("floor",),
    ("timelock", "delays"): ("delay_of",),
    ("timelock", "times"): ("get_timestamp",),
}
# likewise what is one value: the twin's view or attribute, the chain's view
BY_NAME = {
    ("book", "flowed"): ("outflow", "outflow"),
    ("book", "sums"): ("utilisation", "utilisation"),
    ("breakers", "config"): ("config", "config"),
    ("breakers", "peaks"): ("peak", "peak"),
    ("feed", "band"): ("band", "band"),
    ("feed", "order"): ("underlyings", "underlyings"),
    ("feed", "uptime"): ("sequencer", "sequencer"),
    ("feed", "witness"): ("witness", "witness"),
    ("fund", "claim_window"): ("claim_window", "claim_window"),
    ("fund", "cooldown"): ("cooldown", "cooldown"),
    ("fund", "event_cap"): ("event_cap", "event_cap"),
    ("fund", "held"): ("cover", "cover"),
    ("fund", "supply"): ("totalSupply", "totalSupply"),
    ("fund", "underlying_cap"): ("underlying_cap", "underlying_cap"),
    ("guard", "boost"): ("boost", "boost"),
    ("guard", "halted_until"): ("halted_until", "halted_until"),
    ("guard", "index_band"): ("index_band", "index_band"),
    ("guard", "params_at"): ("params_at", "params_at"),
    ("liquidator", "bad_debt"): ("bad_debt", "bad_debt"),
    ("liquidator", "config"): ("config", "config"),
    ("oracle", "floors"): ("floors", "floors"),
    ("oracle", "quorum"): ("quorum", "quorum"),
    ("oracle", "urgent_quorum"): ("urgent_quorum", "urgent_quorum"),
    ("oracle", "signer_list"): ("signers", "signers"),
    ("oracle", "rates"): ("rates", "rates"),
    ("registry", "breakers"): ("breakers", "breakers"),
    ("registry", "ends"): ("stops", "stops"),
    ("timelock", "minimum"): ("minimum", "get_minimum_delay"),
    ("registry", "account_word"): ("account_limits", "account_limits"),
    ("registry", "curve_word"): ("curve", "curve"),
    ("registry", "fees_word"): ("fees", "fees"),
    ("registry", "pool_word"): ("pool_limits", "pool_limits"),
    ("registry", "price_band"): ("price_band", "price_band"),
    ("registry", "reduce_band"): ("reduce_band", "reduce_band"),
}


def _viewed(twin: Any, view: str, args: Sequence[Any], now: int) -> Any:
    """What a view of the twin says: of the state, or of the state at a time."""
    found = getattr(twin, view)
    if isinstance(found, dict):
        return found.get(*args, 0)
    return found(*args, now) if "now" in _asks_for(type(twin), view) else found(*args)


@cache
def slow_functions() -> tuple[bytes, ...]:
    """Selectors of what waits longest in the timelock."""
    return tuple(slowest())


def text_of(value: Any) -> Any:
    """Addresses in a constructor's argument as the chain layer writes them."""
    return [text(item) if isinstance(item, int) else item for item in value] if isinstance(value, tuple) else value


class Pair:
    """A deployment on the embedded chain, and its twin.

    Tokens: the quote token and one more for each of `decimals`. Aggregators: one for each of `underlyings`, 18
    decimals, unless told otherwise. Signers: `signer-0` ..., as many as `signers`, of whom `quorum` must sign. On a
    `rollup` the feed asks an aggregator, at `uptime`, whether the sequencer is up: it is, since a day before.
    """

    owner = address_of("owner")

    def __init__(
        self,
        *,
        quote_decimals: int = 6,
        decimals: Sequence[int] = (),
        underlyings: Iterable[int] = (),
        aggregator_decimals: int = 18,
        signers: int = 1,
        quorum: int = 1,
        now: int = 1_700_000_000,
        lag: int = 0,
        delay: int = 0,
        guarded: bool = False,
        rollup: bool = False,
        roles: Mapping[str, Any] | None = None,
        replaced: Mapping[str, artifacts.Artifact] | None = None,
    ) -> None:
        # a contract with a fault planted in it may be larger than a chain would take
        self.chain = EmbeddedChain(time=now, code_limit=2**16 if replaced else None)
        self.replaced = replaced or {}
        quote = self.put("MockToken", "Quote", "QUOTE", quote_decimals)
        tokens = [self.put("MockToken", "Token", "TOKEN", d) for d in decimals]
        aggregators = {u: self.put("MockAggregator", aggregator_decimals, "") for u in underlyings}
        told = Roles(
            (address_of("proposer"),),
            (address_of("executor"),),
            tuple(sorted(map(address_of, GUARDIANS))),
            3_600,
            86_400,
            slow_functions(),
        )
        held = dataclasses.replace(told, **(roles or {}))
        timelock = self.put("Timelock", *map(text_of, dataclasses.astuple(held)))
        uptime = self.put("MockAggregator", 0, "") if rollup else None
        if uptime is not None:
            uptime.transact("set_since", 0, now - 86_400, sender=text(self.owner))
        self.uptime = number(uptime.address) if uptime is not None else 0  # where the sequencer's feed stands
        feed = self.put("IndexFeed", text(self.uptime))
        # most tests post surfaces that no engine would: the margin must hold over them too
        guard = self.put("Guardrails", feed.address) if guarded else self.put("OpenGuardrails")
        oracle = self.put("RiskOracle", feed.address, guard.address)
        history = self.put("History", feed.address, oracle.address, lag, delay)
        registry = self.put("Registry", quote.address, feed.address, oracle.address)
        mandates = self.put("Mandates")
        parts = (quote, oracle, feed, registry, mandates, history)
        back_office = self.put("BackOffice", *(part.address for part in parts))
        book = self.put("Clearinghouse", *(part.address for part in parts), back_office.address)
        exchange = self.put("Exchange", book.address)
        liquidator = self.put("Liquidator", book.address)
        standing = self.put("StandingOrders", book.address, liquidator.address)
        fund = self.put("InsuranceFund", book.address, liquidator.address)
        breakers = self.put("Breakers", book.address, fund.address)
        self.lens = self.put("Lens", book.address, oracle.address)
        self.contracts = {
            "timelock": timelock,
            "feed": feed,
            "guard": guard,
            "oracle": oracle,
            "history": history,
            "registry": registry,
            "mandates": mandates,
            "book": book,
            "exchange": exchange,
            "liquidator": liquidator,
            "standing": standing,
            "fund": fund,
            "breakers": breakers,
        }
        self.token_contracts = {number(token.address): token for token in (quote, *tokens)}
        self.tokens = list(self.token_contracts)  # the quote token first
        self.aggregators = {u: number(aggregator.address) for u, aggregator in aggregators.items()}
        self.aggregator_contracts = {number(a.address): a for a in aggregators.values()}
        known = {at: PlainAggregator(aggregator_decimals) for at in self.aggregator_contracts}
        if uptime is not None:
            self.aggregator_contracts[self.uptime] = uptime
            known[self.uptime] = PlainAggregator(0, updated_at=now, started_at=now - 86_400)
        self.twin = System(
            Addresses(
                owner=self.owner,
                feed=number(feed.address),
                quote=self.tokens[0],
                **{part: number(self.contracts[part].address) for part in PARTS if part != "feed"},
            ),
            self.chain.chain_id,
            now,
            {at: PlainToken(d) for at, d in zip(self.tokens, (quote_decimals, *decimals), strict=True)},
            known,
            Waits(lag, delay),
            guarded=guarded,
            roles=held,
            sequencer=self.uptime,
        )
        self.twin.timelock.run = self._run
        self.pending: dict[str, int] = {}  # by part, whom it was handed to
        self.changed = True  # whether anything happened since the last comparison
        self.known: dict[tuple[str, str], Any] = {}  # the twin's state at that
        self.margins: dict[int, tuple[Any, Any]] = {}  # by account, what its margin was compared at, and the margin
        self.signers = sorted((f"signer-{k}" for k in range(signers)), key=address_of)
        self.quorum = quorum
        if guarded:
            self.must("guard", "set_oracle", self.twin.at.oracle, sender=self.owner)
        keys = [address_of(name) for name in self.signers]
        self.must("oracle", "set_signers", keys, quorum, signers, 0, sender=self.owner)

    def wire(self) -> None:
        """As the deployment script does: the parts to each other."""
        at = self.twin.at
        for part, name, *args in (
            ("feed", "set_witness", at.oracle),
            ("oracle", "set_book", at.book),
            ("mandates", "set_book", at.book),
            ("registry", "set_venue", at.exchange, True),
            ("registry", "set_venue", at.standing, True),
            ("registry", "set_breakers", at.breakers),
            ("book", "set_liquidator", at.liquidator),
            ("book", "set_fund", at.fund),
            ("liquidator", "set_fund", at.fund),
        ):
            self.must(part, name, *args, sender=self.owner)

    def govern(self) -> None:
        """Hand every part over to the timelock: from then on nobody sends as the owner, who has code."""
        for part in OWNED:
            if hasattr(getattr(self.twin, part), "owner"):
                self.hand_over(part, self.twin.at.timelock)
                self.must("timelock", "adopt", number(self.contracts[part].address))

    def hand_over(self, part: str, to: int) -> None:
        """The first of the two steps by which a part changes its owner."""
        self.contracts[part].transact("transfer_ownership", text(to), sender=text(self.owner))
        self.pending[part] = to

    def operation(self, part: str, name: str, *args: Any) -> tuple[Any, ...]:
        """A call of the timelock: target, amount, payload, predecessor, salt."""
        contract = self.contracts[part]
        return number(contract.address), 0, encode_call(contract.interface.function(name, len(args)), args), ZERO, ZERO

    def announce(self, operation: Sequence[Any], delay: int, sender: int = address_of("proposer")) -> Any:
        """Schedule a call of the timelock on both."""
        return self.step("timelock", "schedule", *operation, delay, sender=sender)

    def carry_out(self, operation: Sequence[Any], sender: int = address_of("executor")) -> Any:
        """Execute a call of the timelock on both."""
        return self.step("timelock", "execute", *operation, sender=sender)

    def _run(self, target: int, data: bytes) -> None:
        """What the timelock calls, for the twin."""
        at = {number(contract.address): part for part, contract in self.contracts.items()}
        if target not in at:
            return  # nothing stands there
        part = at[target]
        twin = getattr(self.twin, part)
        functions = [f for named in self.contracts[part].interface.functions.values() for f in named.values()]
        function = next((f for f in functions if f.selector == data[:4]), None)
        require(function is not None, "")
        assert function is not None
        args = [from_chain(value) for value in abi_decode(function.types, data[4:])]
        me = self.twin.at.timelock
        if function.name == "accept_ownership":
            require(self.pending.get(part) == me, "ownable_2step: caller is not the new owner")
            event = Event(PARTS[part], "OwnershipTransferred", {"previous_owner": twin.owner, "new_owner": me})
            twin.log.append(event)
            twin.owner = me
            del self.pending[part]
        else:
            self._call(twin, function.name, args, me)

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """What happens inside is undone on both at the end."""
        kept, self.twin = self.twin, fork(self.twin)
        self.changed = True
        try:
            with self.chain.isolate():
                yield
        finally:
            self.twin = kept
            self.changed = True

    # ------------------------------------------------------------------------------------------------------- steps

    def put(self, name: str, *args: Any) -> Contract:
        """Deploy a contract."""
        artifact = self.replaced.get(name) or compiled(name)
        extension = artifacts.EXTENSIONS.get(name)
        if extension is not None:
            artifact = artifacts.extended(artifact, self.replaced.get(extension) or compiled(extension))
        return deploy(self.chain, artifact, *args, sender=text(self.owner))

    @property
    def now(self) -> int:
        """The time on both."""
        return self.chain.now

    def advance(self, seconds: int) -> None:
        """Let time pass on both."""
        self.changed = True
        self.chain.advance(seconds)
        self.twin.clock += seconds

    def step(self, part: str, name: str, *args: Any, sender: int = 1) -> Any:
        """One function on both; its result, or the `Refused` that both answered with.

        Raises
        ------
        Mismatch
            Where result, log or reason differ.
        """
        contract = self.contracts[part]
        function = contract.interface.function(name, len(args))
        return self._both(
            f"{part}.{name}{args}",
            lambda: self._ask(getattr(self.twin, part), name, args, sender),
            contract,
            function,
            encode_call(function, args),
            sender,
        )

    def batch(self, who: int, calls: Sequence[tuple[str, str, Sequence[Any]]], *, sender: int) -> Any:
        """`multicall` for an account on both: (part, function, arguments) each, a venue's or the book's.

        A part that is an address is called there, where nothing stands. A `multicall` within takes an account and
        calls again.
        """
        book = self.contracts["book"]
        function = book.interface.function("multicall", 2)
        twin = self.twin
        parts = [getattr(twin, part) for part in PARTS if part not in {"book", "mandates"}]

        def ask() -> Any:
            try:
                with atomic(*parts):
                    return twin.book.multicall(who, self._callables(calls, sender), sender=sender, now=twin.clock)
            except Refused as refused:
                return refused

        data = function.encode([who, self._encoded(calls)])
        return self._both(f"batch of {who:#x}: {calls}", ask, book, function, data, sender)

    def _callables(self, calls: Sequence[tuple[str, str, Sequence[Any]]], sender: int) -> list[Any]:
        """The calls of a batch, for the twin."""
        twin = self.twin

        def run(part: str, name: str, args: Sequence[Any]) -> None:
            if part == "book":
                if name == "multicall":
                    inner = self._callables(args[1], sender)
                    twin.book.multicall(args[0], inner, sender=sender, now=twin.clock)
                else:
                    self._call(twin.book, name, args, sender)
                return
            target = int(part, 16) if part.startswith("0x") else getattr(twin.at, part)
            require(twin.registry.venues.get(target, False), "clearinghouse: venue not admitted")
            if name:
                self._call(getattr(twin, part), name, args, twin.at.book)

        return [partial(run, *call) for call in calls]

    def _encoded(self, calls: Sequence[tuple[str, str, Sequence[Any]]]) -> list[tuple[str, bytes]]:
        """The calls of a batch, for the chain."""
        found = []
        for part, name, args in calls:
            if part.startswith("0x"):
                found.append((text(int(part, 16)), b""))
                continue
            contract = self.contracts[part]
            function = contract.interface.function(name, len(args))
            if name == "multicall":
                data = function.encode([args[0], self._encoded(args[1])])
            else:
                data = encode_call(function, args)
            found.append((contract.address, data))
        return found

    def _both(self, what: str, ask: Any, contract: Contract, function: Function, data: bytes, sender: int) -> Any:
        """One transaction on both; its result, or the `Refused` that both answered with."""
        before = [len(log) for log in self.twin.logs()]
        expected = ask()
        events = [event for log, count in zip(self.twin.logs(), before, strict=True) for event in log[count:]]
        try:
            receipt = self.chain.transact(contract.address, data, sender=text(sender))
        except Refused as refused:
            found: Any = refused
            logs: list[Event] = []
        else:
            found = from_chain(function.decode(receipt.output)) if receipt.output else None
            logs = self.events(receipt.logs)
        if isinstance(expected, Refused) or isinstance(found, Refused):
            if repr(expected) != repr(found):
                raise Mismatch(f"{what}: twin {expected!r}, chain {found!r}")
            return expected
        self.changed = True
        if expected != found:
            raise Mismatch(f"{what}: twin returns {expected!r}, chain {found!r}")
        for name_of in PARTS.values():  # in order within each contract
            ours, theirs = ([e for e in log if e.contract == name_of] for log in (events, logs))
            if ours != theirs:
                raise Mismatch(f"{what}: twin logs {ours!r}, chain {theirs!r}")
        return expected

    def must(self, part: str, name: str, *args: Any, sender: int = 1) -> Any:
        """One function on both, which must not be refused."""
        found = self.step(part, name, *args, sender=sender)
        assert not isinstance(found, Refused), f"{part}.{name}: {found.reason}"
        return found

    def refused(self, reason: str, part: str, name: str, *args: Any, sender: int = 1) -> None:
        """One function on both, which must be refused with this reason."""
        found = self.step(part, name, *args, sender=sender)
        assert isinstance(found, Refused), f"{part}.{name} was not refused"
        assert found.reason == reason

    def _ask(self, twin: Any, name: str, args: Sequence[Any], sender: int) -> Any:
        assert self.twin.clock == self.chain.now
        try:
            return self._call(twin, name, args, sender)
        except Refused as refused:
            return refused

    def _call(self, twin: Any, name: str, args: Sequence[Any], sender: int) -> Any:
        function = getattr(twin, name)
        known = {"sender": sender, "now": self.twin.clock}
        return function(*args, **{key: known[key] for key in _asks_for(type(twin), name)})

    def events(self, logs: Sequence[Any]) -> list[Event]:
        """The protocol's events in a receipt's logs, as the twin writes them."""
        return [
            Event(event.contract, event.name, {k: from_chain(v) for k, v in event.args._asdict().items()})
            for event in events_of(logs, list(self.contracts.values()))
        ]

    # ------------------------------------------------------------------------------- what lies outside the protocol

    def price(self, underlying: int, answer: int, updated_at: int | None = None) -> None:
        """Set an aggregator on both."""
        at = self.aggregators[underlying]
        when = self.now if updated_at is None else updated_at
        self.changed = True
        self.aggregator_contracts[at].transact("set_at", answer, when, sender=text(self.owner))
        found = self.twin.aggregators[at]
        found.answer, found.updated_at, found.started_at = answer, when, when

    def fail(self, underlying: int, *, fails: bool = True) -> None:
        """Let an aggregator revert, or answer again, on both."""
        at = self.aggregators[underlying]
        self.changed = True
        self.aggregator_contracts[at].transact("set_fails", fails, sender=text(self.owner))
        self.twin.aggregators[at].fails = fails

    def add_aggregator(self, decimals: int = 8, description: str = "") -> int:
        """One more aggregator on both; where it stands."""
        contract = self.put("MockAggregator", decimals, description)
        at = number(contract.address)
        self.aggregator_contracts[at] = contract
        self.twin.aggregators[at] = PlainAggregator(decimals, description=description)
        return at

    def answer(self, at: int, answer: int, since: int | None = None) -> None:
        """Let an aggregator answer now on both; `since` is when its round began [s], by default now."""
        started = self.now if since is None else since
        self.changed = True
        self.aggregator_contracts[at].transact("set_since", answer, started, sender=text(self.owner))
        found = self.twin.aggregators[at]
        found.answer, found.updated_at, found.started_at = answer, self.now, started

    def mint(self, token: int, to: int, amount: int) -> None:
        """Tokens out of nothing on both, and the book allowed to move them."""
        contract = self.token_contracts[token]
        self.changed = True
        contract.transact("mint", text(to), amount, sender=text(to))
        contract.transact("approve", text(self.twin.at.book), MAX, sender=text(to))
        self.twin.tokens[token].mint(to, amount)
        self.twin.tokens[token].approve(to, self.twin.at.book, MAX)

    def approve(self, token: int, owner: int, spender: int, amount: int = MAX) -> None:
        """An owner lets another move his tokens, on both."""
        self.changed = True
        self.token_contracts[token].transact("approve", text(spender), amount, sender=text(owner))
        self.twin.tokens[token].approve(owner, spender, amount)

    def report(
        self,
        surfaces: Sequence[Surface] = (),
        scalars: Sequence[int] = (),
        classes: Sequence[int] = (),
        **changes: Any,
    ) -> tuple[Report, list[int]]:
        """Store surfaces on both, and make the next report of them: the report, and where the surfaces stand."""
        stored = [self.must("oracle", "store", encode(surface)) for surface in surfaces]
        hashes = tuple(keccak(self.twin.oracle.codes[at]) for at in stored)
        fields = {
            "sequence": self.twin.oracle.sequence + 1,
            "market_time": surfaces[0].time if surfaces else self.now,
            "urgent": False,
            "model": ZERO,
            "config": ZERO,
            "snapshot": ZERO,
            "surfaces": hashes,
            "scalars": tuple(scalars),
            "classes": tuple(classes),
        }
        return Report(**(fields | changes)), stored

    def signed(self, report: Report, names: Sequence[str] | None = None) -> list[bytes]:
        """Signatures of a report by roles, by default as many signers as must."""
        message = digest(report, self.chain.chain_id, text(self.twin.at.oracle))
        return [sign(name, message) for name in (self.signers[: self.quorum] if names is None else names)]

    def post(self, *args: Any, **changes: Any) -> None:
        """Store, sign and post on both."""
        report, stored = self.report(*args, **changes)
        self.must("oracle", "post", report, self.signed(report), stored, b"")

    # -------------------------------------------------------------------------------------------------- comparison

    def ask(self, contract: Contract, data: bytes, function: Function) -> Any:
        """What a view answers, or its `Refused`."""
        try:
            return function.decode(self.chain.call(contract.address, data))
        except Refused as refused:
            return refused

    def compare(self, accounts: Iterable[int]) -> None:
        """Demand the same state of both: for these accounts and account 0, and all that is not any account's.

        What the chain refused it undid. So where nothing but refusals happened since the last comparison, it is enough
        that the twin is as it was.
        """
        twin = self.twin
        state = state_of(twin)
        if not self.changed:
            if state != self.known:
                raise Mismatch(f"a refusal changed {[key for key in state if state[key] != self.known.get(key)]}")
            return
        book, liquidator = twin.book, twin.liquidator
        market = self._market(state)
        for who in (0, *accounts):
            words, ledger = book.positions(who, twin.clock), book.ledger(who, twin.clock)
            self._same("book", "ledger", (who,), ledger)
            self._same("book", "positions", (who,), words)
            if words or any(ledger):
                # from the same words at the same market comes the same margin
                interest = [book.open_interest(underlying) for underlying in sorted({w >> 112 & 0xFFFF for w in words})]
                key = words, ledger, interest, market
                if self.margins.get(who, (None,))[0] != key:
                    margin = _or_refused(lambda who=who: book.margin(who, twin.clock))
                    self._same("book", "margin", (who,), margin)
                    self.margins[who] = key, margin
            else:
                self.margins.pop(who, None)
        for who in liquidator.auctions.keys() | liquidator.calls.keys():
            for view in ("auction", "deadline", "ripe"):
                self._same("liquidator", view, (who,), getattr(liquidator, view)(who, twin.clock))
        for at in (1, 2, twin.at.fund << 96):
            self._same("book", "ledger", (at,), book.ledger(at, twin.clock))
        self._same("book", "pool", (), tuple(map(plain_of, book.pool(twin.clock))))
        for part, name in (("fund", "totalAssets"), ("fund", "locked")):
            self._same(part, name, (), getattr(twin.fund, name)(twin.clock))
        self._compare_changed(state)
        for underlying in self.aggregators:
            self._same("book", "open_interest", (underlying,), book.open_interest(underlying))
            self._same("oracle", "funding", (underlying,), twin.oracle.funding(underlying, twin.clock))
        if state["oracle", "sequence"] != self.known.get(("oracle", "sequence")):
            self._same("oracle", "sequence", (), twin.oracle.sequence)
            for underlying in self.aggregators:
                self._same("oracle", "scalars", (underlying,), twin.oracle.scalars.get(underlying, 0))
            for klass in {underlying >> 8 for underlying in self.aggregators}:
                self._same("oracle", "classes", (klass,), twin.oracle.classes.get(klass, 0))
            for (underlying, expiry), pointer in twin.oracle.pointers.items():
                self._same("oracle", "pointer", (underlying, expiry), pointer)
        for at, token in self.token_contracts.items():
            held = self.chain.call(token.address, calldata(token, "balanceOf", (twin.at.book,)))
            if int.from_bytes(held, "big") != twin.tokens[at].balance_of(twin.at.book):
                raise Mismatch(f"token {at:#x}: the book holds {int.from_bytes(held, 'big')}")
        self.known = state
        self.changed = False

    def _market(self, state: Mapping[tuple[str, str], Any]) -> Any:
        """What margins are taken at, books and open interest aside."""
        prices = [(a.answer, a.updated_at, a.started_at, a.fails) for a in self.twin.aggregators.values()]
        return (
            self.twin.clock,
            prices,
            [state[key] for key in state if key[0] in {"feed", "oracle"} and key[1] != "log"],
        )

    def _compare_changed(self, state: Mapping[tuple[str, str], Any]) -> None:
        """Demand of the chain what views say of everything that changed in the twin since the last comparison."""
        twin, now = self.twin, self.twin.clock
        for (part, name), views in BY_KEY.items():
            new, old = state.get((part, name), {}), self.known.get((part, name), {})
            if new == old:
                continue
            for key in new.keys() | old.keys():
                if new.get(key) != old.get(key):
                    args = key if isinstance(key, tuple) else (key,)
                    for view in views:
                        self._same(part, view, args, _viewed(getattr(twin, part), view, args, now))
        for (part, name), (view, place) in BY_NAME.items():
            if state.get((part, name)) != self.known.get((part, name)):
                found = getattr(getattr(twin, part), view)
                value = self._call(getattr(twin, part), view, (), 0) if callable(found) else found
                self._same(part, place, (), value)

    def compare_lens(self, who: int, trades: Sequence[tuple[int, int, int]]) -> None:
        """Demand of the lens what the twin says of an account, and of it after (instrument, quantity, price)s."""
        twin, now = self.twin, self.twin.clock
        words = twin.book.positions(who, now)
        surfaces = {key: twin.oracle.surface_at(at >> 96) for key, at in twin.oracle.pointers.items()}
        self._lens("greeks", (who,), lambda: tuple(map(plain_of, lens.greeks(words, surfaces))))
        self._lens("margins", ([who, 0],), lambda: tuple(plain_of(twin.book.margin(a, now)) for a in (who, 0)))
        self._lens(
            "explain",
            (who,),
            lambda: (
                plain_of(twin.book.margin(who, now)),
                twin.book.state(who, now),
                tuple(plain_of(twin.oracle.terms(group, now)) for group in groups(words)),
            ),
        )

        keys = ("instrument", "quantity", "price")
        self._lens(
            "margin_after",
            (who, [dict(zip(keys, trade, strict=True)) for trade in trades]),
            lambda: plain_of(lens.margin_after(twin.book, who, trades, now)),
        )
        self._lens(
            "standings",
            ([who, 0],),
            lambda: tuple(plain_of(lens.standing(twin.book, twin.liquidator, a, now)) for a in (who, 0)),
        )

    def _lens(self, name: str, args: tuple[Any, ...], ask: Any) -> None:
        function = self.lens.interface.function(name, len(args))
        expected = _or_refused(ask)
        found = self.ask(self.lens, encode_call(function, args), function)
        same = repr(found) == repr(expected) if isinstance(expected, Refused) else found == expected
        if not same:
            raise Mismatch(f"lens.{name}{args}: twin {expected!r}, chain {found!r}")

    def _same(self, part: str, name: str, args: tuple[Any, ...], expected: Any) -> None:
        contract = self.contracts[part]
        function = contract.interface.function(name, len(args))
        found = self.ask(contract, calldata(contract, name, args), function)
        if isinstance(found, Refused) or isinstance(expected, Refused):
            same = repr(found) == repr(expected)
        else:
            plain = tuple(expected) if isinstance(expected, tuple) else plain_of(expected)
            same = from_chain(found) == plain
        if not same:
            raise Mismatch(f"{part}.{name}{args}: twin {expected!r}, chain {found!r}")


@cache
def _asks_for(kind: type, name: str) -> tuple[str, ...]:
    """Which of sender and time a function of a twin takes."""
    wanted = inspect.signature(getattr(kind, name)).parameters
    return tuple(key for key in ("sender", "now") if key in wanted)


def plain_of(value: Any) -> Any:
    """A dataclass as the tuple of its fields, in order."""
    return dataclasses.astuple(value) if dataclasses.is_dataclass(value) else value


def _or_refused(ask: Any) -> Any:
    try:
        return ask()
    except Refused as refused:
        return refused


_CALLDATA: dict[tuple[str, str, tuple[Any, ...]], bytes] = {}


def calldata(contract: Contract, name: str, args: tuple[Any, ...]) -> bytes:
    key = contract.name, name, args
    if key not in _CALLDATA:
        _CALLDATA[key] = encode_call(contract.interface.function(name, len(args)), args)
    return _CALLDATA[key]
