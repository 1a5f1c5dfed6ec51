"""Standing orders: takes what owners signed for the day that their account is called, where the bounty is worth it.

A called account is made smaller by its owner's own order, at the mark less a slack that he chose, before any auction
is needed. The slack is the bounty of whoever executes: his account takes the other side, at the mark better by the
slack, and pays the taker's fee. See `contracts/StandingOrders.vy`; its one condition is that the account is called or
in auction, so nothing is due by price alone.

    most     min(what is left of the order, what is held, what the loss budget covers, what the rule allows)
             and where less than the least position would be left over, so much less that the least is left
    profit   floor(most |mark - price|) - ceil(ceil(most index) taker fee)

Deciding is a pure function of numbers (`most_of`, `profit_of`); the agent reads them, simulates, and hands over. An
account has one thing under way at a time, this keeper's steps and bids included: what comes second would be decided
on what the first is about to change. Who was faster is no harm: the contract refuses what does not reduce.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System, account_id
from plimsoll.chain.errors import ChainError
from plimsoll.keeper.errors import KeeperError, SettingsError
from plimsoll.keeper.liquidation import TOO_MUCH
from plimsoll.keeper.order_file import OrderFiles, SignedOrder
from plimsoll.keeper.outbox import Awaited, DirectOutbox, Outbox, Ticket
from plimsoll.keeper.recorder import Recorder
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import unpack
from plimsoll.spec.signed_orders import CANCELLED
from plimsoll.spec.standing import StandingOrder, price_of
from plimsoll.spec.wad import PPM, WAD, mul_div_down, mul_div_up

PURPOSE: Final = "standing"
MOST: Final = 20  # orders tried in a round: a round must end
PAUSE: Final = 60  # [s] before an order that was refused is tried again
SWEEP: Final = 600  # [s] between looks at which orders are over; a reorganisation may bring one back
SHARE: Final = 64  # a fill is halved down to this part where the taker's margin refuses it


class StandingSettings(BaseModel):
    """Where signed orders are, and which account takes them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orders: Path = Field(description="file of JSON lines, or a folder of them")
    account: int | None = Field(default=None, ge=0, lt=2**96, description="number; by default the one that bids")
    min_profit: float = Field(default=1.0, ge=0, description="after the fee, at the mark [quote]")
    max_value: float = Field(default=1e9, gt=0, description="of what one fill moves, at the index [quote]")

    def beside(self, folder: Path) -> StandingSettings:
        """The settings with their file relative to a folder."""
        return self.model_copy(update={"orders": folder / self.orders})


@dataclass(frozen=True, slots=True)
class FillConfig:
    """When taking an order is worth it.

    Parameters
    ----------
    min_profit
        Least profit of a fill, at the mark and after the fee [wad of quote]: gas, and the risk until it is hedged.
    max_value
        Most that one fill moves, at the index [wad of quote].
    """

    min_profit: int = WAD
    max_value: int = 10**9 * WAD

    def __post_init__(self) -> None:
        if self.min_profit < 0 or self.max_value <= 0:
            raise SettingsError("standing: min_profit at least 0 and max_value above 0 are right")


@dataclass(frozen=True, slots=True)
class Terms:
    """What an instrument trades at now: mark and index [wad], fee of the taker [ppm], least position [wad]."""

    mark: int
    index: int
    fee: int
    least: int


class Room(NamedTuple):
    """What an order may still do: what is left of it, what its account holds, what it may lose at this venue [wad]."""

    left: int
    held: int  # long +
    budget: int


class Fill(NamedTuple):
    """A part of an order that is worth taking [wad]."""

    signed: SignedOrder
    quantity: int
    terms: Terms
    profit: int


@dataclass(frozen=True, slots=True)
class Executed:
    """One order that was executed in part or whole, or refused."""

    ref: str
    account: int
    quantity: int = 0  # [wad]
    price: int = 0  # [wad]
    gas: int = 0
    error: str | None = None
    under_way: bool = False  # sent, and not known yet what came of it


def most_of(order: StandingOrder, room: Room, terms: Terms, max_value: int) -> int:
    """The most of an order that can be filled now [wad]; 0 where nothing can."""
    held = -room.held if order.quantity > 0 else room.held
    most = min(room.left, held)
    distance = abs(terms.mark - price_of(order, terms.mark))
    if distance:
        # the book rounds a fill's loss up: so much that it does not exceed the budget
        most = min(most, mul_div_down(room.budget, WAD, distance))
    most = min(most, mul_div_down(max_value, WAD, terms.index))
    if 0 < held - most < terms.least:
        most = held - terms.least
    return max(most, 0)


def profit_of(order: StandingOrder, quantity: int, terms: Terms) -> int:
    """What who takes a part of an order gains by it at the mark, after the fee [wad], down."""
    gain = mul_div_down(quantity, abs(terms.mark - price_of(order, terms.mark)), WAD)
    return gain - mul_div_up(mul_div_up(quantity, terms.index, WAD), terms.fee, PPM)


def over_because(order: StandingOrder, filled: int, floor: int, now: int) -> str | None:
    """Why an order can never be filled again; None where it can."""
    if filled == CANCELLED:
        return "cancelled"
    if filled >= abs(order.quantity):
        return "filled"
    if order.nonce < floor:
        return "nonce below the account's floor"
    return "expired" if now > order.expires else None


class StandingAgent:
    """Executes the signed orders of called accounts.

    Parameters
    ----------
    system
        The deployment.
    sender
        Who pays, and owns or acts for the taking account.
    recorder
        The journal.
    taker
        The account that takes the other side; it must have allowed `StandingOrders` in `Mandates`.
    path
        Where orders are: see `plimsoll.keeper.order_file`.
    config
        When taking one is worth it.
    outbox
        Where transactions go; None: they are waited for.
    """

    def __init__(
        self,
        system: System,
        sender: str,
        recorder: Recorder,
        taker: int,
        path: Path,
        config: FillConfig | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.system = system
        self.sender = sender
        self.recorder = recorder
        self.taker = taker
        self.config = config or FillConfig()
        self.outbox = outbox or DirectOutbox()
        self.files = OrderFiles(path, system.chain.chain_id, system.standing.address, self._is_contract)
        self.over: Mapping[bytes, str] = {}  # by digest: why nothing more can come of it
        self._told: set[bytes] = set()  # whose end is on record
        self._swept: tuple[int, Mapping[bytes, SignedOrder]] = (0, {})  # when, and what was there
        self._paused: dict[bytes, int] = {}  # by digest, until [unix s]
        self._idle = False
        self._sent: Awaited[SignedOrder] = Awaited()

    def plan(self, accounts: Collection[int] | None = None) -> list[Fill]:
        """What is due and worth taking, the most profitable first.

        Parameters
        ----------
        accounts
            Whose orders to look at; None: everyone's.

        Raises
        ------
        NodeError
            The chain cannot be read.
        """
        for bad in self.files.refresh():
            self.recorder.record("standing-bad-line", self.system.chain.now, **bad._asdict())
        now = self.system.chain.now
        self._sweep(now)
        due = self._due(accounts, now)
        if not due or not self._may_take(now):
            return []
        return sorted(self._fills(due, now), key=lambda fill: fill.profit, reverse=True)

    def act(self, fill: Fill) -> Executed:
        """Simulate one fill, smaller where the taker's margin asks for it, and hand it over; what is refused rests."""
        signed, order, quantity = fill.signed, fill.signed.order, fill.quantity
        while True:
            args = (_abi(order), signed.signature, self.taker, quantity)
            try:
                self.system.standing.call("execute", *args, sender=self.sender)
            except (Refused, ChainError) as error:
                half = quantity // 2
                is_worth = (
                    half * SHARE >= fill.quantity and profit_of(order, half, fill.terms) >= self.config.min_profit
                )
                if isinstance(error, Refused) and error.reason in TOO_MUCH and is_worth:
                    quantity = half
                    continue
                return self._refused(signed, str(error))
            break
        profit = profit_of(order, quantity, fill.terms)
        now = self.system.chain.now
        self.recorder.record(f"{PURPOSE}-intent", now, **_about(signed), quantity=quantity, profit=profit)
        try:
            ticket = self.outbox.send(
                self.system.standing, "execute", args, sender=self.sender, purpose=PURPOSE, ref=signed.ref
            )
        except (Refused, ChainError, KeeperError) as error:
            return self._refused(signed, str(error))
        if not ticket.done:
            self._sent.add(signed, ticket)
            return Executed(signed.ref, order.account, quantity, under_way=True)
        return self._settled(signed, ticket)

    def round(self, accounts: Collection[int] | None = None) -> list[Executed]:
        """Take what is due, of some accounts or of all: one order an account, the next best where one is refused."""
        done: list[Executed] = []
        served: set[int] = set()
        for fill in self.plan(accounts):
            if len(done) == MOST:
                break
            if fill.signed.order.account not in served:
                done.append(self.act(fill))
                if done[-1].error is None:
                    served.add(fill.signed.order.account)
        return done

    def collect(self) -> list[Executed]:
        """What came of fills that were under way."""
        return [self._settled(*item) for item in self._sent.collect()]

    # ------------------------------------------------------------------------------------------------------- reads

    def _is_contract(self, address: str) -> bool:
        return bool(self.system.chain.code(address))

    def _sweep(self, now: int) -> None:
        """Which orders are over: of new ones at once, of all every so often."""
        at, before = self._swept
        orders = self.files.orders
        if is_full := now - at >= SWEEP:
            asked = dict(orders)
            self._paused = {key: until for key, until in self._paused.items() if until > now}
        elif before is orders:
            return
        else:
            asked = {key: signed for key, signed in orders.items() if key not in before}
        venue = self.system.standing
        answers = batch(
            self.system.chain,
            [
                request
                for signed in asked.values()
                for request in (venue.request("filled", signed.digest), venue.request("floor", signed.order.account))
            ],
        )
        over = {} if is_full else {key: why for key, why in self.over.items() if key in orders}
        for k, (key, signed) in enumerate(asked.items()):
            why = over_because(signed.order, answers[2 * k], answers[2 * k + 1], now)
            if why is None:
                continue
            over[key] = why
            if key not in self._told:
                self.recorder.record(f"{PURPOSE}-over", now, **_about(signed), why=why)
        self.over = over
        self._told = (self._told | over.keys()) & orders.keys()
        self._swept = (now if is_full else at), orders

    def _due(self, accounts: Collection[int] | None, now: int) -> list[SignedOrder]:
        """Orders of called accounts that are not known to be over, and of which nothing is under way."""
        waiting = {ref for _, ref in self.outbox.busy(self.sender)}
        orders = self.files.orders
        busy = {signed.order.account for signed in orders.values() if signed.ref in waiting}
        live = [
            signed
            for key, signed in orders.items()
            if key not in self.over
            and now <= signed.order.expires
            and self._paused.get(key, 0) <= now
            and signed.order.account != self.taker
            and signed.order.account not in busy
            and hex(signed.order.account) not in waiting
            and (accounts is None or signed.order.account in accounts)
        ]
        if not live:
            return []
        called = self._called(list(dict.fromkeys(signed.order.account for signed in live)))
        return [signed for signed in live if signed.order.account in called]

    def _called(self, accounts: Sequence[int]) -> set[int]:
        """Which accounts are called or in auction, in one batch."""
        liquidator = self.system.liquidator
        names = ("deadline", "auction")
        answers = batch(
            self.system.chain, [liquidator.request(name, account) for account in accounts for name in names]
        )
        return {account for k, account in enumerate(accounts) if any(answers[2 * k : 2 * k + 2])}

    def _may_take(self, now: int) -> bool:
        """Whether the taking account allows the venue; that it does not is recorded once."""
        until, *_ = self.system.mandates.call("allowance", self.taker, self.system.standing.address)
        if until < now and not self._idle:
            why = f"account {hex(self.taker)} does not allow {self.system.standing.address}: Mandates.set_allowance"
            self.recorder.record(f"{PURPOSE}-idle", now, error=why)
        self._idle = until < now
        return not self._idle

    def _fills(self, due: Sequence[SignedOrder], now: int) -> Iterator[Fill]:
        """The most of each order that is due, where that is worth it."""
        terms = self._terms(sorted({signed.order.instrument for signed in due}))
        venue, book, mandates = self.system.standing, self.system.clearinghouse, self.system.mandates
        answers = batch(
            self.system.chain,
            [
                request
                for signed in due
                for request in (
                    venue.request("filled", signed.digest),
                    venue.request("floor", signed.order.account),
                    book.request("quantity", signed.order.account, signed.order.instrument),
                    mandates.request("allowance", signed.order.account, venue.address),
                )
            ],
        )
        for k, signed in enumerate(due):
            filled, floor, held, allowance = answers[4 * k : 4 * k + 4]
            order, at = signed.order, terms[signed.order.instrument]
            if over_because(order, filled, floor, now):
                continue
            if allowance[0] < now:
                self._refused(signed, "its account does not allow the venue")
                continue
            if isinstance(at, Refused) or isinstance(held, Refused):
                self._refused(signed, (at if isinstance(at, Refused) else held).reason)
                continue
            quantity = most_of(order, Room(abs(order.quantity) - filled, held, allowance[1]), at, self.config.max_value)
            profit = profit_of(order, quantity, at)
            if quantity > 0 and profit >= self.config.min_profit:
                yield Fill(signed, quantity, at, profit)

    def _terms(self, instruments: Sequence[int]) -> dict[int, Terms | Refused]:
        """What instruments trade at now; why they do not, where they do not."""
        system = self.system
        utilisation = system.clearinghouse.call("utilisation")
        answers = batch(
            system.chain,
            [
                request
                for instrument in instruments
                for request in (
                    system.oracle.request("mark", instrument),
                    system.feed.request("price", unpack(instrument).underlying),
                    system.registry.request("trade_terms", system.standing.address, instrument, utilisation),
                )
            ],
        )
        found: dict[int, Terms | Refused] = {}
        for k, instrument in enumerate(instruments):
            mark, price, trade = answers[3 * k : 3 * k + 3]
            refused = next((answer for answer in (mark, price, trade) if isinstance(answer, Refused)), None)
            found[instrument] = refused or Terms(mark, price[0], trade.taker_fee, trade.min_size)
        return found

    # ------------------------------------------------------------------------------------------------- what came of it

    def _settled(self, signed: SignedOrder, ticket: Ticket) -> Executed:
        receipt = ticket.receipt
        if receipt is None:
            return self._refused(signed, ticket.error or "nothing came of it")
        fills = [event.args for event in self.system.events(receipt, "OrderFilled") if event.args[0] == signed.digest]
        quantity, price = (fills[0].quantity, fills[0].price) if fills else (0, 0)
        self.recorder.record(
            PURPOSE,
            self.system.chain.now,
            **_about(signed),
            quantity=quantity,
            price=price,
            gas=receipt.gas_used,
            hash=receipt.hash,
            block=receipt.block,
        )
        return Executed(signed.ref, signed.order.account, quantity, price, receipt.gas_used)

    def _refused(self, signed: SignedOrder, why: str) -> Executed:
        """Record what was refused, and let the order rest: what refuses it seldom passes within a block."""
        now = self.system.chain.now
        self._paused[signed.digest] = now + PAUSE
        reason = why or "reverted without a reason"
        self.recorder.record(f"{PURPOSE}-failed", now, **_about(signed), error=reason)
        return Executed(signed.ref, signed.order.account, error=reason)


def standing_agent(
    settings: StandingSettings,
    system: System,
    sender: str,
    recorder: Recorder,
    bidder: int | None = None,
    outbox: Outbox | None = None,
) -> StandingAgent:
    """The agent that settings ask for.

    Parameters
    ----------
    settings
        Checked, with paths as they are to be opened.
    system, sender, recorder, outbox
        As `StandingAgent`.
    bidder
        The account that bids at auctions, which takes where the settings name none.

    Raises
    ------
    SettingsError
        There is no account that could take.
    """
    taker = bidder if settings.account is None else account_id(sender, settings.account)
    if taker is None:
        raise SettingsError("standing: no account takes orders; standing.account or liquidation.account is needed")
    config = FillConfig(_wad(settings.min_profit), _wad(settings.max_value))
    return StandingAgent(system, sender, recorder, taker, settings.orders, config, outbox)


def _wad(value: float) -> int:
    return round(value * 10**6) * 10**12


def _about(signed: SignedOrder) -> dict[str, Any]:
    """What a line of the journal says of an order."""
    return {"order": signed.ref, "account": signed.order.account, "instrument": signed.order.instrument}


def _abi(order: StandingOrder) -> tuple[Any, ...]:
    """An order as the contract takes it."""
    signer = f"0x{order.signer:040x}"
    return (order.account, signer, order.instrument, order.quantity, order.slack, order.expires, order.nonce)
