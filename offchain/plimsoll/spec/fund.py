"""The insurance fund: an ERC-4626 vault that earns fees and pays shortfalls. Twin of `contracts/InsuranceFund.vy`.

With A what the fund holds less what still drips, S the shares, V = 10**6 virtual ones:

    shares for assets   assets (S + V) / (A + 1)       down for a deposit, up for a withdrawal
    assets for shares   shares (A + 1) / (S + V)       up for a mint, down for a redemption
    drips still         ceil(locked (until - now) / (until - since))
    collect             until - now = ceil((locked left + income DRIP) / (locked + income))
    spent               max(0, spent - floor(underlying cap (now - since) / DRAIN))
    available           min(event cap - paid for the event, underlying cap - spent, held - one coin)

A loss takes first what still drips. Functions of ERC-20 and ERC-4626 have the names that those standards give them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from plimsoll.spec.errors import Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.wad import MAX_QUANTITY, WAD, div_up, mul_div_down, mul_div_up

NAME: Final = "InsuranceFund"
MAX_DECIMALS: Final = 18
DAY: Final = 86_400  # [s]
OFFSET: Final = 6  # [digits] shares are finer than tokens by so many
VIRTUAL: Final = 10**6  # [share] that nobody has
MAX_SHARES: Final = 10**48
DRIP: Final = 7 * DAY  # [s]
DRAIN: Final = 7 * DAY  # [s]
MAX_CAP: Final = 10**27  # [wad]
COOLDOWN: Final = (DAY, 30 * DAY)  # [s]
CLAIM: Final = (DAY, 14 * DAY)  # [s]
ENDLESS: Final = 2**256 - 1  # an allowance that is not used up; no limit

ZERO_ADDRESS: Final = "fund: zero address"
ZERO_SHARES: Final = "fund: zero shares"
TO_THE_FUND: Final = "fund: receiver is the fund"
OVER_MAXIMUM: Final = "fund: over the maximum"
OVER_CLAIM: Final = "fund: over the claim"


class Asset(Protocol):
    """The quote token. What it refuses leaves it as it was."""

    decimals: int

    def balance_of(self, holder: int) -> int:
        """What `holder` has, in the token's own decimals."""
        ...

    def approve(self, owner: int, spender: int, amount: int) -> None:
        """Let `spender` move so much of what `owner` has."""
        ...

    def transfer(self, sender: int, to: int, amount: int) -> None:
        """Move `amount` of the sender's own."""
        ...

    def transfer_from(self, spender: int, sender: int, to: int, amount: int) -> None:
        """Move `amount` that `sender` allowed `spender` to move."""
        ...


class Book(Protocol):
    """As much of the book as the fund needs. What it refuses leaves it as it was."""

    address: int
    quote: int

    def ledger(self, account: int, now: int) -> tuple[int, int]:
        """Cash and linear of an account [wad]."""
        ...

    def deposit(self, account: int, token: int, amount: int, *, sender: int, now: int) -> None:
        """Bring tokens into an account."""
        ...

    def withdraw(self, account: int, token: int, amount: int, to: int, *, sender: int, now: int) -> None:
        """Take tokens out of an account."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """Shares to be redeemed, from when and until when [s]."""

    shares: int = 0
    opens: int = 0
    closes: int = 0


@dataclass(frozen=True, slots=True)
class Income:
    """Tokens that drip in: how many at `since`, none at `until` [s]."""

    locked: int = 0
    since: int = 0
    until: int = 0


class InsuranceFund:
    """The state of one `InsuranceFund`; `tokens` maps the addresses of all tokens there are to their twins."""

    def __init__(self, address: int, owner: int, book: Book, liquidator: int, tokens: Mapping[int, Asset]) -> None:
        require(book.address != 0 and liquidator != 0, ZERO_ADDRESS)
        self.token = tokens[book.quote]
        require(self.token.decimals <= MAX_DECIMALS, "fund: decimals over 18")
        self.address = address
        self.owner = owner
        self.book = book
        self.liquidator = liquidator
        self.scale: int = 10 ** (MAX_DECIMALS - self.token.decimals)
        self.max_assets = mul_div_down(MAX_QUANTITY, 1, self.scale)
        self.reserve: int = 10**self.token.decimals
        self.decimals = self.token.decimals + OFFSET
        self.balances: dict[int, int] = {}
        self.allowances: dict[tuple[int, int], int] = {}
        self.supply = 0
        self.held = 0
        self.income = Income()
        self.requests: dict[int, Request] = {}
        self.buckets: dict[int, tuple[int, int]] = {}  # underlying -> spent [wad], since [s]
        self.event_cap = self.underlying_cap = 0
        self.cooldown = self.claim_window = 0
        self.log: list[Event] = []
        self._set_caps(100_000 * WAD, 500_000 * WAD)
        self._set_cooldown(7 * DAY, 2 * DAY)

    # ----------------------------------------------------------------------------------------------- governance

    def set_caps(self, event_cap: int, underlying_cap: int, *, sender: int) -> None:
        """The most that is paid for one event, and for one underlying [wad]."""
        require(sender == self.owner, "ownable: caller is not the owner")
        self._set_caps(event_cap, underlying_cap)

    def set_cooldown(self, cooldown: int, claim_window: int, *, sender: int) -> None:
        """How long requested shares wait, and how long they can be claimed then [s]."""
        require(sender == self.owner, "ownable: caller is not the owner")
        self._set_cooldown(cooldown, claim_window)

    # ------------------------------------------------------------------------------------------------ the money

    def pay(self, bidder: int, underlying: int, event_paid: int, amount: int, *, sender: int, now: int) -> int:
        """Pay into a bidder's account what there is, within the caps [wad]; what was paid."""
        require(sender == self.liquidator, "fund: not the liquidator")
        units = mul_div_down(min(amount, self.available(underlying, event_paid, now)), 1, self.scale)
        if units == 0:
            return 0
        paid = units * self.scale
        self.token.approve(self.address, self.book.address, units)
        try:
            self.book.deposit(bidder, self.book.quote, units, sender=self.address, now=now)
        except Refused:
            self.token.approve(self.address, self.book.address, 0)
            raise
        spent = self.spent(underlying, now) + paid
        self.buckets[underlying] = spent, now
        locked = self.locked(now)
        self.income = Income(locked - min(locked, units), min(now, self.income.until), self.income.until)
        self.held -= units
        self._emit("Paid", bidder=bidder, underlying=underlying, amount=amount, paid=paid, spent=spent)
        return paid

    def collect(self, most: int = ENDLESS, *, now: int) -> int:
        """Bring in the fund's cash from the book, at most so much, and whatever was sent here; how much [token]."""
        room = self.max_assets - self.held
        account = self.address << 96
        cash, _ = self.book.ledger(account, now)
        if cash > 0:
            due = mul_div_down(cash, 1, self.scale)
            amount = min(due, most, self.token.balance_of(self.book.address), room)
            if amount > 0:
                self.book.withdraw(account, self.book.quote, amount, self.address, sender=self.address, now=now)
        income = min(self.token.balance_of(self.address) - self.held, room)
        if income <= 0:
            return 0
        locked = self.locked(now)
        left = self.income.until - now if locked else 0
        wait = div_up(locked * left + income * DRIP, locked + income)
        self.held += income
        self.income = Income(locked + income, now, now + wait)
        self._emit("Collected", amount=income, locked=locked + income, until=now + wait)
        return income

    def deposit(self, assets: int, receiver: int, *, sender: int, now: int) -> int:
        """Bring in `assets` for shares, rounded down."""
        self._check_receiver(receiver)
        require(assets <= self._max_deposit(now), OVER_MAXIMUM)
        shares = self._shares_down(assets, now)
        require(shares > 0, ZERO_SHARES)
        self._bring(sender, receiver, assets, shares)
        return shares

    def mint(self, shares: int, receiver: int, *, sender: int, now: int) -> int:
        """Make `shares` for assets, rounded up."""
        self._check_receiver(receiver)
        require(shares <= self._max_mint(now), OVER_MAXIMUM)
        require(shares > 0, ZERO_SHARES)
        assets = self._assets_up(shares, now)
        self._bring(sender, receiver, assets, shares)
        return assets

    def request(self, shares: int, *, sender: int, now: int) -> None:
        """Lock shares to be redeemed after the cool-down, which begins anew for all that are requested."""
        require(shares > 0, ZERO_SHARES)
        self._transfer(sender, self.address, shares)
        total = self.requests.get(sender, Request()).shares + shares
        opens = now + self.cooldown
        closes = opens + self.claim_window
        self.requests[sender] = Request(total, opens, closes)
        self._emit("Requested", owner=sender, shares=shares, total=total, opens=opens, closes=closes)

    def cancel_request(self, *, sender: int) -> None:
        """Give back the shares that are still requested."""
        shares = self.requests.get(sender, Request()).shares
        require(shares > 0, "fund: no request")
        self.requests.pop(sender)
        self._transfer(self.address, sender, shares)
        self._emit("RequestCancelled", owner=sender, shares=shares)

    def withdraw(self, assets: int, receiver: int, owner: int, *, sender: int, now: int) -> int:
        """Take `assets` out for requested shares in their window, rounded up."""
        self._check_receiver(receiver)
        require(assets > 0, "fund: zero amount")
        require(assets <= self.maxWithdraw(owner, now), OVER_CLAIM)
        shares = self._shares_up(assets, now)
        self._take(sender, receiver, owner, assets, shares)
        return shares

    def redeem(self, shares: int, receiver: int, owner: int, *, sender: int, now: int) -> int:
        """Redeem requested shares in their window for assets, rounded down."""
        self._check_receiver(receiver)
        require(shares > 0, ZERO_SHARES)
        require(shares <= self.maxRedeem(owner, now), OVER_CLAIM)
        assets = self._assets_down(shares, now)
        self._take(sender, receiver, owner, assets, shares)
        return assets

    # ------------------------------------------------------------------------------------------------ the shares

    def approve(self, spender: int, amount: int, *, sender: int) -> bool:
        """Let `spender` move so many shares of the sender's."""
        require(sender != 0, "erc20: approve from the zero address")
        require(spender != 0, "erc20: approve to the zero address")
        self._approve(sender, spender, amount)
        return True

    def transfer(self, to: int, amount: int, *, sender: int) -> bool:
        """Move shares that are not requested."""
        require(to != self.address, TO_THE_FUND)
        self._transfer(sender, to, amount)
        return True

    def transferFrom(self, owner: int, to: int, amount: int, *, sender: int) -> bool:
        """Move shares of another, who allowed it, that are not requested."""
        require(to != self.address, TO_THE_FUND)
        self._check_allowance(owner, sender, amount)
        self._check_transfer(owner, to, amount)
        self._spend_allowance(owner, sender, amount)
        self._transfer(owner, to, amount)
        return True

    def totalSupply(self) -> int:
        """All shares, requested ones among them."""
        return self.supply

    def balanceOf(self, who: int) -> int:
        """Shares of `who` that are not requested; of the fund, those that are."""
        return self.balances.get(who, 0)

    def allowance(self, owner: int, spender: int) -> int:
        """How many shares of `owner` the spender may still move."""
        return self.allowances.get((owner, spender), 0)

    # ----------------------------------------------------------------------------------------------------- views

    def cover(self) -> int:
        """What could be paid if no cap stood against it [wad]."""
        held = min(self.held, self.token.balance_of(self.address))
        return max(held - self.reserve, 0) * self.scale

    def available(self, underlying: int, event_paid: int, now: int) -> int:
        """The most that `pay` would pay now [wad], but for whole token units."""
        of_event = max(self.event_cap - event_paid, 0)
        of_underlying = max(self.underlying_cap - self.spent(underlying, now), 0)
        return min(of_event, of_underlying, self.cover())

    def spent(self, underlying: int, now: int) -> int:
        """What of the cap of an underlying is used [wad]."""
        spent, since = self.buckets.get(underlying, (0, 0))
        return max(spent - mul_div_down(self.underlying_cap, now - since, DRAIN), 0)

    def requested(self, owner: int) -> tuple[int, int, int]:
        """Shares requested, from when and until when they can be redeemed [s]."""
        found = self.requests.get(owner, Request())
        return found.shares, found.opens, found.closes

    def locked(self, now: int) -> int:
        """Income that has not dripped in yet [token]."""
        income = self.income
        if now >= income.until:
            return 0
        return mul_div_up(income.locked, income.until - now, income.until - income.since)

    def asset(self) -> int:
        """The quote token."""
        return self.book.quote

    def totalAssets(self, now: int) -> int:
        """All the fund holds but income that still drips [token]."""
        return self.held - self.locked(now)

    def convertToShares(self, assets: int, now: int) -> int:
        """Shares for assets, down."""
        return self._shares_down(assets, now)

    def convertToAssets(self, shares: int, now: int) -> int:
        """Assets for shares, down."""
        return self._assets_down(shares, now)

    def maxDeposit(self, receiver: int, now: int) -> int:
        """The most that can be deposited for a receiver [token]."""
        return 0 if receiver in {0, self.address} else self._max_deposit(now)

    def maxMint(self, receiver: int, now: int) -> int:
        """The most shares that can be minted for a receiver."""
        return 0 if receiver in {0, self.address} else self._max_mint(now)

    def maxWithdraw(self, owner: int, now: int) -> int:
        """What `owner` can take out now [token]."""
        return self._assets_down(self.maxRedeem(owner, now), now)

    def maxRedeem(self, owner: int, now: int) -> int:
        """Shares that `owner` can redeem now."""
        found = self.requests.get(owner, Request())
        return found.shares if found.opens <= now <= found.closes else 0

    def previewDeposit(self, assets: int, now: int) -> int:
        """Shares that a deposit gives, down."""
        return self._shares_down(assets, now)

    def previewMint(self, shares: int, now: int) -> int:
        """Assets that a mint takes, up."""
        return self._assets_up(shares, now)

    def previewWithdraw(self, assets: int, now: int) -> int:
        """Shares that a withdrawal takes, up."""
        return self._shares_up(assets, now)

    def previewRedeem(self, shares: int, now: int) -> int:
        """Assets that a redemption gives, down."""
        return self._assets_down(shares, now)

    # -------------------------------------------------------------------------------------------------- internal

    def _shares_down(self, assets: int, now: int) -> int:
        return mul_div_down(assets, self.supply + VIRTUAL, self.totalAssets(now) + 1)

    def _shares_up(self, assets: int, now: int) -> int:
        return mul_div_up(assets, self.supply + VIRTUAL, self.totalAssets(now) + 1)

    def _assets_down(self, shares: int, now: int) -> int:
        return mul_div_down(shares, self.totalAssets(now) + 1, self.supply + VIRTUAL)

    def _assets_up(self, shares: int, now: int) -> int:
        return mul_div_up(shares, self.totalAssets(now) + 1, self.supply + VIRTUAL)

    def _max_deposit(self, now: int) -> int:
        room = min(self.max_assets - self.held, self._assets_down(MAX_SHARES - self.supply, now))
        return room if self._shares_down(room, now) > 0 else 0

    def _max_mint(self, now: int) -> int:
        return min(MAX_SHARES - self.supply, self._shares_down(self.max_assets - self.held, now))

    def _check_receiver(self, receiver: int) -> None:
        require(receiver != 0, ZERO_ADDRESS)
        require(receiver != self.address, TO_THE_FUND)

    def _bring(self, sender: int, receiver: int, assets: int, shares: int) -> None:
        self.token.transfer_from(self.address, sender, self.address, assets)
        self.held += assets
        self.supply += shares
        self.balances[receiver] = self.balanceOf(receiver) + shares
        self._emit("Transfer", sender=0, receiver=receiver, value=shares)
        self._emit("Deposit", sender=sender, owner=receiver, assets=assets, shares=shares)

    def _take(self, sender: int, receiver: int, owner: int, assets: int, shares: int) -> None:
        if sender != owner:
            self._check_allowance(owner, sender, shares)
        if assets > 0:
            self.token.transfer(self.address, receiver, assets)
        if sender != owner:
            self._spend_allowance(owner, sender, shares)
        found = self.requests[owner]
        self.requests[owner] = replace(found, shares=found.shares - shares)
        self.balances[self.address] -= shares
        self.supply -= shares
        self.held -= assets
        self._emit("Transfer", sender=self.address, receiver=0, value=shares)
        self._emit("Withdraw", sender=sender, receiver=receiver, owner=owner, assets=assets, shares=shares)

    def _check_transfer(self, owner: int, to: int, amount: int) -> None:
        require(owner != 0, "erc20: transfer from the zero address")
        require(to != 0, "erc20: transfer to the zero address")
        require(self.balanceOf(owner) >= amount, "erc20: transfer amount exceeds balance")

    def _transfer(self, owner: int, to: int, amount: int) -> None:
        self._check_transfer(owner, to, amount)
        self.balances[owner] = self.balanceOf(owner) - amount
        self.balances[to] = self.balanceOf(to) + amount
        self._emit("Transfer", sender=owner, receiver=to, value=amount)

    def _check_allowance(self, owner: int, spender: int, amount: int) -> None:
        allowed = self.allowance(owner, spender)
        require(allowed >= amount, "erc20: insufficient allowance")
        require(owner != 0 or allowed == ENDLESS, "erc20: approve from the zero address")

    def _spend_allowance(self, owner: int, spender: int, amount: int) -> None:
        allowed = self.allowance(owner, spender)
        if allowed != ENDLESS:
            self._approve(owner, spender, allowed - amount)

    def _approve(self, owner: int, spender: int, amount: int) -> None:
        self.allowances[owner, spender] = amount
        self._emit("Approval", owner=owner, spender=spender, value=amount)

    def _set_caps(self, event_cap: int, underlying_cap: int) -> None:
        require(event_cap <= underlying_cap <= MAX_CAP, "fund: caps out of range")
        self._emit(
            "CapsSet",
            old_event_cap=self.event_cap,
            event_cap=event_cap,
            old_underlying_cap=self.underlying_cap,
            underlying_cap=underlying_cap,
        )
        self.event_cap = event_cap
        self.underlying_cap = underlying_cap

    def _set_cooldown(self, cooldown: int, claim_window: int) -> None:
        require(
            COOLDOWN[0] <= cooldown <= COOLDOWN[1] and CLAIM[0] <= claim_window <= CLAIM[1],
            "fund: cooldown out of range",
        )
        self._emit(
            "CooldownSet",
            old_cooldown=self.cooldown,
            cooldown=cooldown,
            old_claim_window=self.claim_window,
            claim_window=claim_window,
        )
        self.cooldown = cooldown
        self.claim_window = claim_window

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))
