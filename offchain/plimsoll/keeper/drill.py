"""A drill: the whole path of a liquidation, with the operator's own keeper, on a fork of the chain that it looks after.

    fork the chain ──> for each account: move its index ──> call ──> notice ──> start ──> bid ──> back to the fork
                                  report on the moved index, where the keys that sign are here ──┘

What decides is what runs on the real chain: the keeper that the settings build, its agent, its rule for bids. What is
moved is the code of aggregators, on the fork: each answers a fixed price, fresh at every moment. Real balances are
measured first, and only then is the fork's gas paid for, so that a key without money is told and not met.

A row says what became of an account, and what would have stopped it: keys, balance, the bidder's margin, a stop of
liquidations, a rule under which no bid was worth it. Nothing is written to the real chain: `plimsoll.keeper.fork`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System, book_block, load_book
from plimsoll.chain.errors import ChainError
from plimsoll.chain.node import NodeChain
from plimsoll.keeper.accounts import AccountWatcher
from plimsoll.keeper.build import Keys, build_keeper
from plimsoll.keeper.errors import KeeperError
from plimsoll.keeper.fork import Fork, forked
from plimsoll.keeper.liquidation import LiquidationAgent, Step
from plimsoll.keeper.loop import Keeper
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.settings import KeeperSettings
from plimsoll.keeper.state import read_margins
from plimsoll.market.errors import MarketError
from plimsoll.risk.errors import RiskError
from plimsoll.risk.signing import address_of
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import DIVIDES
from plimsoll.spec.instruments import id_of, unpack
from plimsoll.spec.margin import Assessment, State, state_of

FAILURES: Final = (KeeperError, MarketError, RiskError, ChainError, Refused)
MOVES: Final = (20, 50, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900)  # [1/1000] tried on an index, either way
FINER: Final = 8  # halvings between the last move that did nothing and the first that did
ROUNDS: Final = 80  # of looking and acting, an account
PARTS: Final = 12  # of a ramp: how often a bid that was not worth it is looked at again
PURSE: Final = 10**20  # [wei] given on the fork to a key that could not pay
STRANGER: Final = "0x000000000000000000000000000000000000d811"  # who acts where the operator's keys are not here
SPARE: Final = 2  # times what was burnt: what a key should hold, the fee may double


@dataclass(frozen=True, slots=True)
class Taken:
    """One step of a drill."""

    name: str
    seconds: int  # of the chain's, since the index moved
    gas: int = 0
    error: str | None = None


@dataclass(slots=True)
class Row:
    """What became of one account."""

    account: int
    state: str  # on the real chain
    equity: int  # E_h there [wad]
    mm: int  # [wad]
    move: str = ""  # what was done to its indexes
    steps: list[Taken] = field(default_factory=list)
    outcome: str = ""
    is_done: bool = False
    profit: int = 0  # the bidder's, at the marks of the fork [wad]
    stopped: list[str] = field(default_factory=list)  # what would have stopped it

    @property
    def gas(self) -> int:
        """Of all its steps."""
        return sum(step.gas for step in self.steps)


@dataclass(slots=True)
class Drill:
    """What a drill found."""

    block: int  # of the real chain
    rows: list[Row] = field(default_factory=list)
    report: str = ""  # what became of a post
    report_gas: int = 0
    stopped: list[str] = field(default_factory=list)  # what would stop the keeper whatever the account
    reads: dict[str, int] = field(default_factory=dict)  # what the real node was asked, by method
    refused: dict[str, int] = field(default_factory=dict)  # what it was not let to be asked

    @property
    def ok(self) -> bool:
        """Whether every account that was drilled was liquidated, and there was one."""
        return bool(self.rows) and not self.stopped and all(row.is_done and not row.stopped for row in self.rows)


def drill(
    settings: KeeperSettings,
    *,
    most: int = 3,
    accounts: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Drill:
    """Liquidate some accounts on a fork of the chain that settings name.

    Parameters
    ----------
    settings
        The keeper's own.
    most
        Accounts at most: those nearest to maintenance margin.
    accounts
        These, in place of the nearest.
    environment
        In place of the process's: where keys are.
    progress
        Told what is under way.

    Raises
    ------
    ForkError, NodeError, DeploymentError
        There is no fork to drill on, or no deployment there.
    """
    progress("forking")
    with TemporaryDirectory(prefix="plimsoll-drill-") as folder, forked(settings.node) as fork:
        found = _Run(settings, fork, Path(folder), environment, progress).run(most, accounts)
        found.reads, found.refused = dict(fork.gate.passed), dict(fork.gate.refused)
    return found


class Indexes:
    """Prices of a fork: every aggregator answers a fixed price from now on, fresh at every moment.

    Parameters
    ----------
    system
        The deployment, on the fork.
    underlyings
        Whose routes are held.
    """

    def __init__(self, system: System, underlyings: Sequence[int]) -> None:
        self.system = system
        known = [int(found) for found in system.feed.call("underlyings")]
        routes = batch(system.chain, [system.feed.request("route", key) for key in known])
        self._first: dict[int, tuple[str, bool]] = {}  # the leg that is moved, and whether it divides
        self._answers: dict[str, int] = {}
        for key, route in zip(known, routes, strict=True):
            for word in route:
                if word >> 96:
                    address = f"0x{word >> 96:040x}"
                    self._answers[address] = _answer(system, address)
                    if key in underlyings:
                        self._first.setdefault(key, (address, bool(word & DIVIDES)))
        for address, answer in self._answers.items():
            self._fix(address, answer)

    def move(self, factors: Mapping[int, int]) -> None:
        """Let indexes stand at so many millionths of what they were, and all others as they were."""
        for underlying, (address, divides) in self._first.items():
            factor = factors.get(underlying, 10**6)
            answer = self._answers[address]
            self._fix(address, answer * 10**6 // factor if divides else answer * factor // 10**6)

    def _fix(self, address: str, answer: int) -> None:
        _rpc(self.system).ask("anvil_setCode", address, "0x" + fixed_answer(answer).hex())


def fixed_answer(answer: int) -> bytes:
    """Code that answers every call as an aggregator whose round began and ended this moment.

    PUSH1 1 PUSH0 MSTORE, PUSH32 answer PUSH1 32 MSTORE, TIMESTAMP PUSH1 64 MSTORE, TIMESTAMP PUSH1 96 MSTORE,
    PUSH1 1 PUSH1 128 MSTORE, PUSH1 160 PUSH0 RETURN
    """
    return (
        bytes.fromhex("60015f52")
        + b"\x7f"
        + answer.to_bytes(32, "big", signed=True)
        + bytes.fromhex("6020524260405242606052600160805260a05ff3")
    )


class _Run:
    """One drill on one fork."""

    def __init__(
        self,
        settings: KeeperSettings,
        fork: Fork,
        folder: Path,
        environment: Mapping[str, str] | None,
        progress: Callable[[str], object],
    ) -> None:
        self.fork = fork
        self.progress = progress
        self.found = Drill(fork.block)
        self.recorder = MemoryRecorder()
        self.keeper: Keeper | None = None
        self.keys: dict[str, str] = {}  # address by what it is for
        # whatever is kept of a fork is none of the keeper's: its archive, journal and index are left alone
        kept = {"archive": None, "journal": folder / "journal.db", "index": folder / "index.db"}
        quiet = settings.model_copy(update=kept)
        self.sending = settings.sending
        self.signed_here = settings.nodes is None
        signing: tuple[str, ...] = ()
        try:
            keys = Keys.of(settings, environment)
            signing = tuple(key for key in (keys.poster, keys.liquidator) if key)
            self.keys = {"keys.poster": address_of(keys.poster)}
            if keys.liquidator:
                self.keys["keys.liquidator"] = address_of(keys.liquidator)
        except KeeperError as error:
            self.found.stopped.append(f"keys: {error}")
        self.chain = fork.chain(signing)
        self.system = load_book(settings.book, self.chain)
        self.first_block = book_block(settings.book) if settings.first_block is None else settings.first_block
        if self.keys:
            try:
                self.keeper = build_keeper(quiet, chain=self.chain, recorder=self.recorder, environment=environment)
                self.system = self.keeper.reader.system
            except FAILURES as error:
                self.found.stopped.append(f"the keeper does not start: {error}")
        self.balances = {name: self.chain.balance(address) for name, address in self.keys.items()}
        self.price = int(_rpc(self.system).ask("eth_gasPrice"), 16)
        self.agent = self._agent()
        for address in {self.agent.sender, *self.keys.values()}:
            self.chain.set_balance(address, PURSE)

    def run(self, most: int, accounts: Sequence[int]) -> Drill:
        """All of it."""
        chosen = self._chosen(most, accounts)
        if not chosen:
            self.found.stopped.append("no account holds positions: there is nothing to drill")
        for account, margin, words in chosen:
            row = Row(account, state_of(margin).name.lower(), margin.equity_haircut, margin.mm)
            self.progress(f"account {account:#x}")
            self.found.rows.append(row)
            self._undone(lambda row=row, words=words: self._account(row, words))  # type: ignore[misc]
        self.progress("report")
        self._undone(self._report)
        self._money()
        return self.found

    def _agent(self) -> LiquidationAgent:
        if self.keeper is not None and self.keeper.agent is not None:
            if self.keeper.agent.bidder is None:
                self.found.stopped.append("liquidation.account is not set: nobody bids")
            return self.keeper.agent
        if self.keeper is not None:
            self.found.stopped.append("liquidation is not set: this keeper liquidates nobody")
        _rpc(self.system).ask("anvil_impersonateAccount", STRANGER)
        return LiquidationAgent(self.system, STRANGER, self.recorder)

    def _chosen(self, most: int, accounts: Sequence[int]) -> list[tuple[int, Assessment, list[int]]]:
        """The accounts to drill, their margins and position words: the nearest to maintenance margin."""
        watched = accounts or AccountWatcher(self.system, self.first_block).update()
        margins = {who: m for who, m in read_margins(self.system, list(watched)).items() if isinstance(m, Assessment)}
        needy = [who for who, margin in margins.items() if margin.mm > 0 and who != self.agent.bidder]
        needy.sort(key=lambda who: (margins[who].equity_haircut - margins[who].mm) / margins[who].mm)
        needy = needy if accounts else needy[:most]
        for who in set(accounts) - set(needy):
            self.found.stopped.append(f"account {who:#x} holds nothing that needs margin, or cannot be assessed")
        words = batch(self.chain, [self.system.clearinghouse.request("positions", who) for who in needy])
        return [(who, margins[who], list(held)) for who, held in zip(needy, words, strict=True)]

    def _undone(self, action: Callable[[], None]) -> None:
        """What is done to the fork, it is taken back."""
        mark = self.chain.snapshot()
        try:
            action()
        finally:
            self.chain.revert(mark)

    # ------------------------------------------------------------------------------------------------- an account

    def _account(self, row: Row, words: Sequence[int]) -> None:
        try:
            underlyings = sorted({unpack(id_of(word)).underlying for word in words})
            indexes = Indexes(self.system, underlyings)
            moved = self._fell(row.account, indexes, underlyings)
            if moved is None:
                row.outcome = f"stands whatever its indexes do, up to {MOVES[-1] / 10:.0f} % either way"
                row.stopped.append("no move of its indexes brings it under maintenance margin")
                return
            row.move = ", ".join(f"{u:#06x} {(factor - 10**6) / 10**4:+.1f} %" for u, factor in moved.items())
            self._path(row)
        except FAILURES as error:
            row.outcome = "the drill failed"
            row.stopped.append(f"{type(error).__name__}: {error}")

    def _fell(self, account: int, indexes: Indexes, underlyings: Sequence[int]) -> dict[int, int] | None:
        """The least move that leaves an account under MM, all its indexes together or one of them; it is made."""
        groups = [list(underlyings), *([[u] for u in underlyings] if len(underlyings) > 1 else [])]
        for size in MOVES:
            for group in groups:
                for sign in (-1, 1):
                    if self._state(account, indexes, group, sign * size * 1_000) >= State.LIQUIDATABLE:
                        return self._least(account, indexes, group, sign * size * 1_000)
        return None

    def _least(self, account: int, indexes: Indexes, group: Sequence[int], far: int) -> dict[int, int]:
        """Between a move that was too small and one that is enough [1/1000000]: the smallest found that is enough."""
        place = MOVES.index(abs(far) // 1_000)
        near = (MOVES[place - 1] if place else 0) * 1_000 * (1 if far > 0 else -1)
        for _ in range(FINER):
            middle = (near + far) // 2
            if self._state(account, indexes, group, middle) >= State.LIQUIDATABLE:
                far = middle
            else:
                near = middle
        self._state(account, indexes, group, far)
        return dict.fromkeys(group, 10**6 + far)

    def _state(self, account: int, indexes: Indexes, group: Sequence[int], move: int) -> State:
        """Where an account stands once indexes moved by so many millionths; healthy where nobody can tell."""
        indexes.move(dict.fromkeys(group, 10**6 + move))
        try:
            return state_of(Assessment(*self.system.clearinghouse.call("margin", account)))
        except Refused:
            return State.HEALTHY

    def _path(self, row: Row) -> None:
        """Look and act, as the keeper's rounds do, and let time pass where nothing is due."""
        agent, account = self.agent, row.account
        begun, held = self.chain.now, self._worth(agent.bidder)
        bids = 0
        for _ in range(ROUNDS):
            margins = agent.watch([account])
            if account not in margins:
                row.stopped.append("the account cannot be assessed")
                break
            acted = False
            for due in agent.plan(margins):
                taken = agent.act(due, margins[account])
                if taken is None:
                    continue
                row.steps.append(Taken(taken.step.value, self.chain.now - begun, taken.gas, taken.error))
                if taken.error is not None:
                    row.stopped.append(f"{taken.step.value}: {taken.error}")
                else:
                    acted = True
                    bids += taken.step is Step.BID
            if self._is_whole(account):
                break
            if row.stopped or (not acted and not self._waited(account)):
                break
        row.profit = self._worth(agent.bidder) - held
        row.is_done = self._is_whole(account)
        if row.is_done:
            row.outcome = f"liquidated, {bids} bids" if bids > 1 else "liquidated" if bids else "rescued"
        else:
            row.outcome = "not liquidated"
            if not row.stopped:
                row.stopped.append(
                    "nobody bids"
                    if agent.bidder is None
                    else f"start: liquidations are stopped until {agent.stopped_until}"
                    if agent.stopped_until
                    else "no bid was worth it under liquidation.min_profit, min_share or max_payment"
                )

    def _is_whole(self, account: int) -> bool:
        """Whether an account is over its call line again, or holds nothing any more, and in no auction.

        A bid at the cap restores initial margin but for roundings.
        """
        margin = Assessment(*self.system.clearinghouse.call("margin", account))
        return state_of(margin) <= State.RESTRICTED and not self.system.liquidator.call("auction", account)

    def _waited(self, account: int) -> bool:
        """Let time pass until something may be due; False where nothing will be."""
        liquidator, now = self.system.liquidator, self.chain.now
        ripe, deadline, opened = (int(liquidator.call(name, account)) for name in ("ripe", "deadline", "auction"))
        if opened:
            ramp = int(liquidator.call("config").ramp)
            if now > opened + ramp:
                return False  # the discount is whole, and was looked at
            self.chain.advance(min(ramp // PARTS + 1, opened + ramp + 1 - now))
            return True
        wait = next((end + 1 - now for end in (ripe, deadline) if end >= now), None)
        if wait is None:
            return False
        self.chain.advance(wait)
        return True

    def _worth(self, account: int | None) -> int:
        if account is None:
            return 0
        return Assessment(*self.system.clearinghouse.call("margin", account)).equity_full

    # ------------------------------------------------------------------------------------------ report, and money

    def _report(self) -> None:
        """Make a report, have it signed by keys that are here, post it."""
        keeper = self.keeper
        if keeper is None:
            self.found.report = "not drilled: the keeper does not start"
            return
        if not self.signed_here:
            self.found.report = "not drilled: risk nodes sign, and are not asked for a fork's report"
            return
        try:
            Indexes(self.system, ())  # fresh prices, as they were
            self.chain.advance(1)
            held = keeper.reader.read()
            built, reasons = keeper.assess(held)
            if built is None:
                self.found.report = "none can be made: no time has passed"
                return
            posted = keeper.poster.post(built)
        except FAILURES as error:
            self.found.report = f"not posted: {type(error).__name__}: {error}"
            self.found.stopped.append(f"report: {error}")
            return
        self.found.report_gas = posted.gas
        if posted.ok:
            due = "; ".join(map(str, reasons)) or "nothing makes one due now"
            self.found.report = f"posted {posted.sequence} ({due})"
        else:
            self.found.report = f"refused: {posted.error}"
            self.found.stopped.append(f"report: {posted.error}")

    def _money(self) -> None:
        """Whether the real balances, and what may be spent, pay for all that was done: fees may double."""
        found, price = self.found.stopped, self.price
        if price > self.sending.max_fee * 10**9:
            found.append(f"sending.max_fee: {self.sending.max_fee} gwei; the chain takes {price / 1e9:.1f}")
        spent = {"keys.liquidator": sum(row.gas for row in self.found.rows), "keys.poster": self.found.report_gas}
        for name, balance in self.balances.items():
            needed = SPARE * spent[name] * price
            if balance < needed:
                found.append(
                    f"balance: {name} {self.keys[name]} holds {balance / 1e18:.6f} ether, {needed / 1e18:.6f} is right"
                )
            if needed > self.sending.spend_per_day * 10**18:
                found.append(
                    f"sending.spend_per_day: {self.sending.spend_per_day} ether; {name} took up to {needed / 1e18:.6f}"
                )


def _answer(system: System, aggregator: str) -> int:
    """What an aggregator says now."""
    data = bytes.fromhex("feaf968c")  # latestRoundData()
    output = system.chain.call(aggregator, data)
    return int.from_bytes(output[32:64], "big", signed=True)


def _rpc(system: System) -> Any:
    """The fork's JSON-RPC, for what only a development node does."""
    chain = system.chain
    if not isinstance(chain, NodeChain):
        raise TypeError("a drill runs on a fork's node")
    return chain.rpc
