"""Twin of MockCustody: as much of the book as the fund sees."""

from __future__ import annotations

from plimsoll.spec.errors import require
from plimsoll.spec.fund import Asset


class Custody:
    """Cash of accounts in one token; anyone may set it."""

    def __init__(self, address: int, quote: int, token: Asset) -> None:
        self.address = address
        self.quote = quote
        self.token = token
        self.scale = 10 ** (18 - min(token.decimals, 18))
        self.cash: dict[int, int] = {}

    def ledger(self, account: int, now: int) -> tuple[int, int]:
        return self.cash.get(account, 0), 0

    def deposit(self, account: int, token: int, amount: int, *, sender: int, now: int) -> None:
        require(amount > 0, "clearinghouse: zero amount")
        require(account >> 96 != 0, "clearinghouse: system account")
        require(token == self.quote, "clearinghouse: unknown token")
        self.token.transfer_from(self.address, sender, self.address, amount)
        self.cash[account] = self.cash.get(account, 0) + amount * self.scale

    def withdraw(self, account: int, token: int, amount: int, to: int, *, sender: int, now: int) -> None:
        require(account >> 96 == sender, "clearinghouse: not the account's")
        require(amount > 0, "clearinghouse: zero amount")
        require(token == self.quote, "clearinghouse: unknown token")
        there = self.cash.get(account, 0) >= amount * self.scale and self.token.balance_of(self.address) >= amount
        require(there, "clearinghouse: cash not there")
        self.token.transfer(self.address, to, amount)
        self.cash[account] -= amount * self.scale
