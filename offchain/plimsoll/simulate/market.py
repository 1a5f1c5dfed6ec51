"""One deployment with its people: funds, signed orders, the index. What a replay does to the chain, it does here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eth_utils.crypto import keccak

from plimsoll.chain.contract import Contract
from plimsoll.chain.deployment import System, account_id
from plimsoll.chain.protocol import Receipt, TimedChain
from plimsoll.risk.signing import address_of, sign
from plimsoll.spec.errors import Refused
from plimsoll.spec.exchange import Order, digest
from plimsoll.spec.instruments import SPOT, id_of, quantity_of, unpack
from plimsoll.spec.wad import WAD

FOREVER: Final = 2**64 - 1  # [unix s]
UNLIMITED: Final = 2**256 - 1
FEED_DECIMALS: Final = 8
BELOW: Final = "clearinghouse: below initial margin"
STALE: Final = "clearinghouse: surface not fresh"
MIN_PRICE: Final = 10**10  # [wad] what an option that is worth nothing trades at


def key_of(role: str) -> str:
    """The private key of a role: public by design, for chains of one process only."""
    return keccak(text=f"plimsoll simulation: {role}").hex()


@dataclass
class Party:
    """An account with its owner's key."""

    name: str
    key: str = field(repr=False)
    address: str
    account: int
    nonce: int = 0

    @classmethod
    def of(cls, name: str) -> Party:
        """The party of a name, always the same."""
        key = key_of(name)
        address = address_of(key)
        return cls(name, key, address, account_id(address))


class Venue:
    """The deployment, as people use it.

    Parameters
    ----------
    chain, system
        Where it is.
    admin
        Owner of the contracts and of the mock aggregators.
    """

    def __init__(self, chain: TimedChain, system: System, admin: str) -> None:
        self.chain = chain
        self.system = system
        self.admin = admin
        self.token_of: dict[int, str] = {}  # underlying -> symbol of its token
        self._approved: set[tuple[str, str]] = set()
        self._quote_scale = 10 ** (18 - system.quote.call("decimals"))
        self._shown: dict[int, int] = {}

    # ------------------------------------------------------------------------------------------------------- prices

    def set_index(self, prices: Mapping[int, float]) -> None:
        """Let the aggregators say these prices [quote], by underlying."""
        for underlying, price in prices.items():
            answer = round(price * 10**FEED_DECIMALS)
            self.system.aggregators[underlying].transact("set", answer, sender=self.admin)
            self._shown[underlying] = answer

    def mark(self, instrument: int) -> int:
        """Mark of an instrument at the live index [wad]."""
        return int(self.system.oracle.call("mark", instrument))

    # -------------------------------------------------------------------------------------------------------- money

    def join(self, party: Party) -> None:
        """Let the exchange trade for a party, whatever it may lose it inside the book's bands."""
        mandates, exchange = self.system.mandates, self.system.exchange
        mandates.transact(
            "set_allowance", party.account, exchange.address, FOREVER, UNLIMITED, 0, 0, sender=party.address
        )

    def wad(self, units: int) -> int:
        """Quote in token units as [wad]."""
        return int(units * self._quote_scale)

    def fund(self, party: Party, amount: int) -> None:
        """Mint and deposit quote [wad], rounded up to the token's decimals."""
        units = -(-amount // self._quote_scale)
        if units > 0:
            self._deposit(party, self.system.quote.address, units)

    def fund_token(self, party: Party, underlying: int, amount: int) -> None:
        """Mint and deposit an underlying's token [wad]."""
        self._deposit(party, self.system.tokens[self.token_of[underlying]].address, amount)

    def mandate(self, party: Party, amount: int) -> None:
        """Mint quote [wad] into a party's wallet, and let anyone bring it into the account once that is called."""
        quote, units = self.system.quote, amount // self._quote_scale
        quote.transact("mint", party.address, units, sender=self.admin)
        self._approve(party, quote)
        self.system.mandates.transact("set_top_up", party.account, quote.address, units, 0, sender=party.address)

    def insure(self, party: Party, amount: int) -> None:
        """Mint quote [wad] and deposit it in the insurance fund."""
        quote, fund, units = self.system.quote, self.system.fund, amount // self._quote_scale
        quote.transact("mint", party.address, units, sender=self.admin)
        quote.transact("approve", fund.address, units, sender=party.address)
        fund.transact("deposit", units, party.address, sender=party.address)

    def _deposit(self, party: Party, token: str, units: int) -> None:
        found = next(c for c in (self.system.quote, *self.system.tokens.values()) if c.address == token)
        found.transact("mint", party.address, units, sender=self.admin)
        self._approve(party, found)
        self.system.clearinghouse.transact("deposit", party.account, token, units, sender=party.address)

    def _approve(self, party: Party, token: Contract) -> None:
        """Let the book take a token out of a party's wallet."""
        if (party.address, token.address) not in self._approved:
            token.transact("approve", self.system.clearinghouse.address, UNLIMITED, sender=party.address)
            self._approved.add((party.address, token.address))

    # ------------------------------------------------------------------------------------------------------- trades

    def orders(
        self, buyer: Party, seller: Party, instrument: int, quantity: int, price: int | None = None
    ) -> tuple[Any, ...]:
        """Arguments of `Exchange.settle` for two signed orders; at the mark where no price is given [wad]."""
        at = max(self.mark(instrument), MIN_PRICE) if price is None else price
        sides: list[Any] = []
        for party, signed in ((seller, -quantity), (buyer, quantity)):
            party.nonce += 1
            order = Order(
                party.account, int(party.address, 16), instrument, signed, at, self.chain.now + 60, party.nonce
            )
            hashed = digest(order, self.chain.chain_id, self.system.exchange.address)
            signature = sign(hashed, party.key)
            fields = (order.account, party.address, instrument, signed, at, order.expires, order.nonce)
            sides += [fields, signature]
        return (*sides, quantity)

    def trade(self, buyer: Party, seller: Party, instrument: int, quantity: int, price: int | None = None) -> Receipt:
        """Settle two signed orders; at the mark where no price is given [wad].

        Raises
        ------
        Refused
            Where exchange or book refuse it.
        """
        orders = self.orders(buyer, seller, instrument, quantity, price)
        return self.system.exchange.transact("settle", *orders, sender=buyer.address)

    def most(self, party: Party, token: Contract, held: int, reasons: Collection[str] = (BELOW,)) -> int:
        """The most of what an account holds of a token that it may withdraw now [token]: found by asking.

        Raises
        ------
        Refused
            Where a withdrawal is refused for a reason that is none of `reasons`.
        """
        low, high = 0, held + 1
        while high - low > 1:
            # all of it, then one unit: what is free is often one or nothing
            middle = held if high > held else 1 if not low else (low + high) // 2
            args = (party.account, token.address, middle, party.address)
            try:
                self.system.clearinghouse.call("withdraw", *args, sender=party.address)
            except Refused as refused:
                if refused.reason not in reasons:
                    raise
                high = middle
            else:
                low = middle
        return low

    def positions(self, account: int) -> list[tuple[int, int]]:
        """Instrument ids and quantities [wad] of an account, collateral included."""
        return [(id_of(word), quantity_of(word)) for word in self.system.clearinghouse.call("positions", account)]

    def unwind(self, party: Party, maker: Party, share: float = 1.0) -> list[Receipt]:
        """Trade a share of every position but collateral against the maker, at the mark, the largest risk first.

        Raises
        ------
        Refused
            Where the book refuses a trade.
        """
        receipts = []
        for instrument, held in self.positions(party.account):
            quantity = int(abs(held) * share)
            if unpack(instrument).kind == SPOT or quantity == 0:
                continue
            sides = (maker, party) if held > 0 else (party, maker)
            receipts.append(self.trade(*sides, instrument, quantity))
        return receipts


def worth(receipts: Sequence[Receipt]) -> int:
    """Gas of several transactions."""
    return sum(receipt.gas_used for receipt in receipts)


__all__ = ["FEED_DECIMALS", "WAD", "Party", "Venue", "key_of", "worth"]
