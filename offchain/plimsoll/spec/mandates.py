"""Who may act for an account, and how far. Twin of `contracts/Mandates.vy` and `contracts/modules/rights.vy`.

Rights are bits. Dates are inclusive. What a field of the contract cannot hold is without end, and reads as `ENDLESS`:
dates from 2**64 - 1 on, budgets from 2**192 - 1 on.

    may act : `who` owns the account; or now <= expires, and rights & right = right != 0
    spend   : now <= expires, instrument & mask = base, loss <= budget; the budget falls by the loss
"""

from __future__ import annotations

from typing import Final

from plimsoll.spec.errors import require
from plimsoll.spec.events import Event

NAME: Final = "Mandates"

TRADE: Final = 1  # sign, bring and cancel orders
WITHDRAW: Final = 2  # take tokens out, to whomever
TRANSFER: Final = 4  # move tokens between accounts of the owner
BID: Final = 8  # take over parts of others' accounts
ALLOW: Final = 16  # let venues trade the account, within limits
DEPOSIT: Final = 32  # bring in a token that is new to the account
ALL: Final = 63

ENDLESS: Final = 2**256 - 1
ENDLESS_TIME: Final = 2**64 - 1  # [s]
ENDLESS_BUDGET: Final = 2**192 - 1  # [wad]

NOT_THE_ACCOUNTS: Final = "mandates: not the account's"
NOT_THE_BOOK: Final = "mandates: not the book"


def kept(value: int, endless: int) -> int:
    """What a field that ends at `endless` says of `value`."""
    return ENDLESS if value >= endless else value


class Mandates:
    """The state of one `Mandates`."""

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.book = 0
        self.delegates: dict[tuple[int, int], tuple[int, int]] = {}  # rights, expires [s]
        self.allowances: dict[tuple[int, int], tuple[int, int, int, int]] = {}  # expires [s], budget, mask, base
        self.top_ups: dict[tuple[int, int], tuple[int, int]] = {}  # amount, bounty [token]
        self.reserves: dict[int, int] = {}
        self.log: list[Event] = []

    def set_book(self, book: int, *, sender: int) -> None:
        """Name the book that spends what accounts mandate; once."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(self.book == 0, "mandates: book is set")
        require(book != 0, "mandates: zero address")
        self.book = book
        self._emit("BookSet", book=book)

    def set_delegate(self, account: int, delegate: int, rights: int, expires: int, *, sender: int) -> None:
        """Let another act for the account until `expires` [s]; rights 0 withdraws it."""
        require(account >> 96 == sender, NOT_THE_ACCOUNTS)
        require(delegate != 0, "mandates: zero address")
        require(rights <= ALL, "mandates: unknown rights")
        until = kept(expires, ENDLESS_TIME) if rights else 0
        self.delegates[account, delegate] = (rights, until)
        self._emit("DelegateSet", account=account, delegate=delegate, rights=rights, expires=until)

    def set_allowance(
        self, account: int, venue: int, expires: int, budget: int, mask: int, base: int, *, sender: int, now: int
    ) -> None:
        """Let a venue trade the account until `expires` [s], losing it `budget` [wad] at most."""
        require(self.may_act(account, sender, ALLOW, now=now), NOT_THE_ACCOUNTS)
        require(base & mask == base, "mandates: base outside the mask")
        until, left = kept(expires, ENDLESS_TIME), kept(budget, ENDLESS_BUDGET)
        self.allowances[account, venue] = (until, left, mask, base)
        self._emit("AllowanceSet", account=account, venue=venue, expires=until, budget=left, mask=mask, base=base)

    def set_top_up(self, account: int, token: int, amount: int, bounty: int, *, sender: int) -> None:
        """How much anyone may pull from the owner's wallet once the account is called [token]."""
        require(account >> 96 == sender, NOT_THE_ACCOUNTS)
        self.top_ups[account, token] = (amount, bounty)
        self._emit("TopUpSet", account=account, token=token, amount=amount, bounty=bounty)

    def set_reserve(self, account: int, reserve: int, *, sender: int) -> None:
        """Name the other account of the owner that stands in for this one; 0 none."""
        require(account >> 96 == sender, NOT_THE_ACCOUNTS)
        is_own = reserve >> 96 == account >> 96 and reserve != account
        require(reserve == 0 or is_own, "mandates: reserve of another owner")
        self.reserves[account] = reserve
        self._emit("ReserveSet", account=account, reserve=reserve)

    def spend(self, account: int, venue: int, instrument: int, loss: int, *, sender: int, now: int) -> None:
        """Let a venue trade an account at a loss against the mark [wad]."""
        require(sender == self.book, NOT_THE_BOOK)
        expires, left, mask, base = self.allowance(account, venue)
        require(expires >= now, "mandates: venue not allowed")
        require(instrument & mask == base, "mandates: instrument not allowed")
        if loss == 0:
            return
        if left != ENDLESS:
            require(loss <= left, "mandates: loss budget used up")
            self.allowances[account, venue] = (expires, left - loss, mask, base)
        self._emit("Spent", account=account, venue=venue, loss=loss)

    def use_top_up(self, account: int, token: int, amount: int, *, sender: int) -> None:
        """So much is pulled from the owner's wallet [token]."""
        require(sender == self.book, NOT_THE_BOOK)
        left = self.top_up(account, token)
        require(amount <= left, "mandates: over the top-up")
        self.top_ups[account, token] = (left - amount, self.bounty(account, token))
        self._emit("TopUpUsed", account=account, token=token, amount=amount)

    # ---------------------------------------------------------------------------------------------------- views

    def may_act(self, account: int, who: int, right: int, *, now: int) -> bool:
        """Whether `who` owns the account, or is a delegate of it now with all bits of `right`."""
        if account >> 96 == who:
            return True
        rights, expires = self.delegate(account, who)
        return right != 0 and rights & right == right and expires >= now

    def delegate(self, account: int, who: int) -> tuple[int, int]:
        """Rights of a delegate, and until when [s]."""
        return self.delegates.get((account, who), (0, 0))

    def allowance(self, account: int, venue: int) -> tuple[int, int, int, int]:
        """Until when a venue may trade an account [s], what it may still lose [wad], mask and base."""
        return self.allowances.get((account, venue), (0, 0, 0, 0))

    def top_up(self, account: int, token: int) -> int:
        """How much may still be pulled from the owner's wallet [token]."""
        return self.top_ups.get((account, token), (0, 0))[0]

    def bounty(self, account: int, token: int) -> int:
        """What whoever pulls a top-up may keep of it [token]."""
        return self.top_ups.get((account, token), (0, 0))[1]

    def reserve(self, account: int) -> int:
        """The account that stands in for this one; 0 none."""
        return self.reserves.get(account, 0)

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))
