"""What the books of a deployment add up to: whether money was conserved, and what went where by the events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from plimsoll.chain.contract import events_of
from plimsoll.chain.deployment import System
from plimsoll.spec.book import INTEREST, POOL, SYSTEM
from plimsoll.spec.instruments import SPOT, id_of, quantity_of, unpack

SYSTEM_ACCOUNTS: Final = (SYSTEM, POOL, INTEREST)


def fund_account(system: System) -> int:
    """The insurance fund's account of the book, where fees arrive."""
    return int(system.fund.address, 16) << 96


def conserved(system: System, accounts: Iterable[int], sender: str) -> bool:
    """Whether all accounts together hold what the book does.

    The accounts named, the fund's and the system's: their cash is the quote token's balance, their linear is zero, and
    so is each quantity; of collateral it is the token's balance. What time owes them is booked first, by `sender`.
    """
    book = system.clearinghouse
    owned = dict.fromkeys([*accounts, fund_account(system)])
    for account in owned:
        book.transact("expire", account, sender=sender)
    cash = linear = 0
    quantities: dict[int, int] = {}
    for account in (*SYSTEM_ACCOUNTS, *owned):
        held_cash, held_linear = book.call("ledger", account)
        cash += held_cash
        linear += held_linear
        for word in book.call("positions", account):
            quantities[id_of(word)] = quantities.get(id_of(word), 0) + quantity_of(word)
    vault = system.quote.call("balanceOf", book.address) * 10 ** (18 - system.quote.call("decimals"))
    tokens = {}
    for token in system.tokens.values():
        made, scale, _ = system.registry.call("collateral", token.address)
        tokens[int(made)] = token.call("balanceOf", book.address) * scale
    spot = {made: held for made, held in quantities.items() if unpack(made).kind == SPOT}
    return (
        cash == vault
        and linear == 0
        and all(held == 0 for made, held in quantities.items() if made not in spot)
        and all(spot.get(made, 0) == balance for made, balance in tokens.items())
    )


@dataclass(slots=True)
class Flows:
    """What went where, by the events [wad]."""

    fees: int = 0  # of trades
    liquidation_fees: int = 0
    collected: int = 0  # into the fund
    fund_paid: int = 0  # by the fund, to bidders
    socialised: int = 0  # borne by all positive cash
    shortfalls_paid: int = 0  # what auctions say that the fund paid
    shortfalls_socialised: int = 0  # and that all cash bore
    recorded: int = 0  # bad debt on record at the end


def flows(system: System, first_block: int = 0) -> Flows:
    """All flows since a block."""
    contracts = [system.clearinghouse, system.liquidator, system.fund]
    scale = 10 ** (18 - system.quote.call("decimals"))
    found = Flows()
    for event in events_of(system.chain.logs([c.address for c in contracts], first_block), contracts):
        args = event.args
        if event.name == "Traded":
            found.fees += args.fees
        elif event.name == "BidTaken":
            found.liquidation_fees += args.fee
        elif event.name == "Collected":
            found.collected += args.amount * scale
        elif event.name == "Paid":
            found.fund_paid += args.paid
        elif event.name == "LossSocialised":
            found.socialised += args.amount
        elif event.name == "ShortfallPaid":
            found.shortfalls_paid += args.fund
            found.shortfalls_socialised += args.socialised
        elif event.name == "BadDebtRecorded":
            found.recorded = args.total
    return found
