"""The fund and its twin side by side, over a mock book and a token that is plain until a switch is turned."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused
from plimsoll.spec.fund import VIRTUAL, InsuranceFund
from plimsoll.spec.system import PlainToken
from plimsoll.spec.wad import WAD
from tests.pairs import address_of, encode_call, from_chain, number, text

from .custody import Custody

DAY = 86_400
WEEK = 7 * DAY
NOW = 1_700_000_000
MOST = 2**256 - 1
ETH, BTC = 0x0102, 0x0101

OWNER = address_of("owner")
LIQUIDATOR = address_of("liquidator")
ALICE = address_of("insurer")
BOB = address_of("other insurer")
ATTACKER = address_of("attacker")
NOBODY = address_of("nobody")
PEOPLE = (ALICE, BOB, ATTACKER)
BIDDER = address_of("bidder") << 96 | 7

NOT_OWNER = "ownable: caller is not the owner"
OVER_CLAIM = "fund: over the claim"
TO_THE_FUND = "fund: receiver is the fund"
MOVED = "fund: vault moved another amount"
VIEWS_OF_NOBODY = ("totalSupply", "totalAssets", "cover", "locked", "asset")
VIEWS_OF_ONE = ("balanceOf", "requested", "maxWithdraw", "maxRedeem", "maxDeposit", "maxMint")
VIEWS_OF_AMOUNTS = (
    "convertToShares",
    "convertToAssets",
    "previewDeposit",
    "previewMint",
    "previewWithdraw",
    "previewRedeem",
)
FIELDS = ("event_cap", "underlying_cap", "cooldown", "claim_window")


@dataclass
class World:
    """The twins: token, book and fund."""

    token: PlainToken
    custody: Custody
    fund: InsuranceFund


class Bench:
    """Every step is taken on both, and both must answer and log the same."""

    def __init__(self, decimals: int) -> None:
        self.chain = EmbeddedChain(time=NOW)
        self.unit: int = 10**decimals
        self.scale: int = 10 ** (18 - decimals)
        self.token = self.put("MockOddToken", "Token", "TOKEN", decimals)
        self.custody = self.put("MockCustody", self.token.address)
        self.fund = self.put("InsuranceFund", self.custody.address, text(LIQUIDATOR))
        self.at = number(self.fund.address)
        token = PlainToken(decimals)
        quote = number(self.token.address)
        custody = Custody(number(self.custody.address), quote, token)
        self.twin = World(token, custody, InsuranceFund(self.at, OWNER, custody, LIQUIDATOR, {quote: token}))
        for who in (*PEOPLE, NOBODY):
            self.token.transact("approve", self.fund.address, MOST, sender=text(who))
            token.approve(who, self.at, MOST)

    def put(self, name: str, *args: Any) -> Contract:
        return deploy(self.chain, load(name), *args, sender=text(OWNER))

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """What happens inside is undone on both at the end."""
        kept, self.twin = self.twin, copy.deepcopy(self.twin)
        try:
            with self.chain.isolate():
                yield
        finally:
            self.twin = kept

    # ------------------------------------------------------------------------------------------------------- steps

    @property
    def now(self) -> int:
        return self.chain.now

    def later(self, seconds: int) -> None:
        self.chain.advance(seconds)

    def on_twin(self, name: str, args: tuple[Any, ...], sender: int) -> Any:
        function = getattr(self.twin.fund, name)
        known = {"sender": sender, "now": self.now}
        wanted = inspect.signature(function).parameters
        try:
            return function(*args, **{key: value for key, value in known.items() if key in wanted})
        except Refused as refused:
            return refused

    def on_chain(self, name: str, args: tuple[Any, ...], sender: int) -> tuple[Any, list[tuple[str, dict[str, Any]]]]:
        function = self.fund.interface.function(name, len(args))
        try:
            receipt = self.chain.transact(self.fund.address, encode_call(function, args), sender=text(sender))
        except Refused as refused:
            return refused, []
        events = [
            (event.name, {k: from_chain(v) for k, v in event.args._asdict().items()})
            for event in self.fund.events(receipt)
        ]
        return (from_chain(function.decode(receipt.output)) if receipt.output else None), events

    def step(self, name: str, *args: Any, sender: int) -> Any:
        """One function on both; its result, or the `Refused` that both answered with."""
        count = len(self.twin.fund.log)
        expected = self.on_twin(name, args, sender)
        found, events = self.on_chain(name, args, sender)
        assert repr(found) == repr(expected), f"{name}{args}"
        assert events == [(event.name, dict(event.args)) for event in self.twin.fund.log[count:]], f"{name}{args}"
        return expected

    def must(self, name: str, *args: Any, sender: int = ALICE) -> Any:
        found = self.step(name, *args, sender=sender)
        assert not isinstance(found, Refused), f"{name}{args}: {found.reason}"
        self.compare()
        return found

    def refuses(self, reason: str, name: str, *args: Any, sender: int = ALICE) -> None:
        before = self.state()
        found = self.step(name, *args, sender=sender)
        assert isinstance(found, Refused), f"{name}{args} was not refused"
        assert found.reason == reason
        assert self.state() == before
        self.compare()

    def refuses_on_chain(self, reason: str, name: str, *args: Any, sender: int = ALICE) -> None:
        """Where the token has a habit that the twin's has not."""
        found, _ = self.on_chain(name, args, sender)
        assert isinstance(found, Refused), f"{name}{args} was not refused"
        assert found.reason == reason

    def read(self, name: str, *args: Any) -> Any:
        """A view, the same on both."""
        expected = self.on_twin(name, args, 0)
        function = self.fund.interface.function(name, len(args))
        try:
            found = from_chain(function.decode(self.chain.call(self.fund.address, encode_call(function, args))))
        except Refused as refused:
            found = refused
        if isinstance(found, tuple):
            found = tuple(found)
        assert repr(found) == repr(expected), f"{name}{args}"
        return expected

    # ------------------------------------------------------------------------------------------------------- money

    def give(self, who: int, amount: int) -> None:
        """Tokens out of nothing [token]."""
        self.token.transact("mint", text(who), amount, sender=text(NOBODY))
        self.twin.token.mint(who, amount)

    def enter(self, who: int, amount: int) -> int:
        """Deposit fresh tokens; the shares."""
        self.give(who, amount)
        return self.must("deposit", amount, who, sender=who)

    def earn(self, amount: int) -> None:
        """Fees in the fund's account of the book [token]."""
        account = self.at << 96
        self.give(number(self.custody.address), amount)
        self.twin.custody.cash[account] = self.twin.custody.cash.get(account, 0) + amount * self.scale
        self.custody.transact("set_cash", account, self.twin.custody.cash[account], sender=text(NOBODY))

    def income(self, amount: int) -> int:
        """Fees that come in at once."""
        self.earn(amount)
        return self.must("collect", sender=NOBODY)

    def pay(self, amount: int, *, event_paid: int = 0, underlying: int = ETH) -> int:
        return self.must("pay", BIDDER, underlying, event_paid, amount, sender=LIQUIDATOR)

    def leave(self, who: int, shares: int | None = None) -> int:
        """Request, wait, redeem; the assets."""
        count = self.read("balanceOf", who) if shares is None else shares
        self.must("request", count, sender=who)
        self.later(self.twin.fund.cooldown)
        return self.must("redeem", count, who, who, sender=who)

    def has(self, who: int) -> int:
        """Tokens of `who`."""
        return self.twin.token.balance_of(who)

    # -------------------------------------------------------------------------------------------------- comparison

    def state(self) -> dict[str, Any]:
        fund = self.twin.fund
        kept = {key: copy.copy(value) for key, value in vars(fund).items() if key not in {"log", "token", "book"}}
        approvals = {key: amount for key, amount in self.twin.token.allowances.items() if amount}
        return kept | {"tokens": dict(self.twin.token.balances), "approvals": approvals}

    def compare(self) -> None:
        """Demand the same state of both, and what must hold of it."""
        for name in VIEWS_OF_NOBODY:
            self.read(name)
        for name in VIEWS_OF_ONE:
            for who in (*PEOPLE, self.at, 0):
                self.read(name, who)
        for name in VIEWS_OF_AMOUNTS:
            self.read(name, 123_456_789)
        for underlying in (ETH, BTC):
            self.read("spent", underlying)
            self.read("available", underlying, 0)
        for name in FIELDS:
            assert self.fund.call(name) == getattr(self.twin.fund, name)
        for who in (*PEOPLE, self.at, number(self.custody.address)):
            assert self.token.call("balanceOf", text(who)) == self.twin.token.balance_of(who)
        self.check()

    def check(self) -> None:
        """What always holds."""
        fund, token = self.twin.fund, self.twin.token
        locked, assets = fund.locked(self.now), fund.totalAssets(self.now)
        assert sum(fund.balances.values()) == fund.supply
        assert fund.balanceOf(self.at) == sum(found.shares for found in fund.requests.values())
        assert 0 <= locked <= fund.held <= token.balance_of(self.at)
        assert fund.convertToAssets(fund.supply, self.now) <= assets
        assert token.allowances.get((self.at, number(self.custody.address)), 0) == 0

    def price(self) -> tuple[int, int]:
        """What a share is worth, as a fraction."""
        return self.twin.fund.totalAssets(self.now) + 1, self.twin.fund.supply + VIRTUAL

    def wad(self, amount: int) -> int:
        """Whole coins as wad."""
        return amount * WAD
