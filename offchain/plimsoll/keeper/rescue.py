"""What the owner of a called account mandated beforehand: a top-up out of the wallet, or out of a reserve account.

Anyone may trigger either, and the Liquidator decides whether it is due. So both are simulated, and only what would go
through is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System
from plimsoll.keeper.state import read_margins
from plimsoll.spec.errors import Refused
from plimsoll.spec.margin import Assessment

TopUp = tuple[int, str, int]  # account, token, account of the bounty
Draw = tuple[int, int]  # account, amount [token]


def needed(margin: Assessment, scale: int) -> int:
    """Quote that brings an account to initial margin [token], up; `scale` is [wad] per unit of the token."""
    return max(0, -(-(margin.im - margin.equity_haircut) // scale))


def draw_for(margin: Assessment, reserve: Assessment, cash: int, scale: int) -> int:
    """How much of a reserve's cash helps [token]: no more than is needed, and than the reserve can spare."""
    spare = cash if reserve.im == 0 else min(cash, reserve.equity_haircut - reserve.im)
    return min(needed(margin, scale), max(0, spare) // scale)


def top_ups(system: System, accounts: Sequence[int], to: int) -> list[TopUp]:
    """The top-ups of called accounts that would go through now, the quote token's first."""
    if not accounts:
        return []
    tokens = [str(token) for token in system.registry.call("tokens")]
    asked = [(account, token, to) for account in accounts for token in tokens]
    answers = batch(system.chain, [system.liquidator.request("top_up", *args) for args in asked])
    return [args for args, answer in zip(asked, answers, strict=True) if not isinstance(answer, Refused)]


def draws(system: System, margins: Mapping[int, Assessment], scale: int) -> list[Draw]:
    """What called accounts can draw from the reserves that they named."""
    accounts = list(margins)
    reserves = batch(system.chain, [system.mandates.request("reserve", account) for account in accounts])
    named = {account: int(reserve) for account, reserve in zip(accounts, reserves, strict=True) if reserve}
    if not named:
        return []
    held = read_margins(system, list(dict.fromkeys(named.values())))
    found = []
    for account, reserve in named.items():
        margin = held[reserve]
        if isinstance(margin, Refused):
            continue
        cash, _ = system.clearinghouse.call("ledger", reserve)
        amount = draw_for(margins[account], margin, cash, scale)
        if amount > 0:
            found.append((account, amount))
    return found
