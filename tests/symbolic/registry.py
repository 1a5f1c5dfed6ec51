"""What is checked symbolically of the compiled contracts, sentence by sentence, and a planted bug for each.

A check is one function of a Vyper contract in this folder (`harness`, `test`). halmos runs it on every input at once,
against the bytecode that is deployed (`stands`), and either finds inputs for which the sentence is false or shows that
there are none within the `bound`. The `twin` is one edit of the contracts after which the same check must fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["access", "conservation", "boundary"]
KINDS: Final[tuple[Kind, ...]] = ("access", "conservation", "boundary")

MONTH: Final = 30 * 86_400  # [s]
QUOTE_SCALE: Final = 10**12  # of a quote token with six decimals, as USDC
# addresses without code; what stands at the first two is in `cheats.vy`
ELSEWHERE: Final = {name: 0x2_0001 + place for place, name in enumerate(("quote", "book", "liquidator", "feed"))}

# Immutables that matter to a check. All others, addresses that no check comes to call, are zero.
TIMELOCK: Final = {"LONGEST": MONTH}
FUND: Final = {
    "BOOK": ELSEWHERE["book"],
    "LIQUIDATOR": ELSEWHERE["liquidator"],
    "QUOTE": ELSEWHERE["quote"],
    "SCALE": QUOTE_SCALE,
    "MAX_ASSETS": 10**27 // QUOTE_SCALE,
    "RESERVE": 10**6,
}
ANY_STATE: Final = "any storage, caller, time below 2**40 s and arguments"
LENGTHS: Final = "arrays of up to 2 items, bytes of 0, 65 or 1,024"


@dataclass(frozen=True)
class Edit:
    """A planted bug: text of a source under contracts/ that stands there once, and what takes its place."""

    path: str
    old: str
    new: str
    says: str  # what is wrong then


@dataclass(frozen=True)
class Check:
    """One sentence about compiled contracts."""

    id: str
    sentence: str
    kind: Kind
    contract: str
    functions: str
    harness: str
    test: str
    bound: str
    twin: Edit
    stands: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # contract: immutables, by name
    open: Mapping[str, Sequence[str]] = field(default_factory=dict)  # contract: functions that the check is not about
    loop: int = 2  # times that a loop of unknown length is followed

    def guarded(self, name: str, known: Sequence[str]) -> list[str]:
        """Of the functions of a contract, those the check calls with any arguments."""
        return [function for function in known if function not in self.open.get(name, ())]


def governed(
    number: int,
    name: str,
    *,
    open_to_all: Sequence[str],
    roles: str,
    twin: Edit,
    immutables: Mapping[str, int] = MappingProxyType({}),
    also: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
) -> Check:
    """A check that whoever holds no role in a contract is refused by all its functions but those open to all."""
    besides = f" but {', '.join(open_to_all)}" if open_to_all else ""
    return Check(
        id=f"S-{number:02}",
        sentence=f"Whoever is not {roles} is refused by every state-changing function of {name}{besides}.",
        kind="access",
        contract=name,
        functions=f"all that change state{besides}",
        harness="Governed",
        test=f"check_{name.lower()}",
        bound=f"{ANY_STATE}; {LENGTHS}; the owner is a Timelock in any state",
        twin=twin,
        stands={name: immutables, "Timelock": TIMELOCK, **also},
        open={name: open_to_all},
    )


OWNER: Final = "the owner, the pending owner"
CHECKS: Final[tuple[Check, ...]] = (
    governed(
        1,
        "Registry",
        open_to_all=(),
        roles=f"{OWNER}, a guardian or the breakers",
        twin=Edit(
            "Registry.vy",
            "    else:\n        authority._check(True)\n    assert block",
            "    assert block",
            "anyone stops",
        ),
    ),
    governed(
        2,
        "Guardrails",
        open_to_all=(),
        roles=f"{OWNER}, a guardian or the oracle",
        twin=Edit(
            "Guardrails.vy",
            "    authority._check(index_band <= self.index_band and boost <= self.boost)\n",
            "",
            "anyone sets the index band",
        ),
    ),
    governed(
        3,
        "RiskOracle",
        open_to_all=("post", "store"),
        roles=f"{OWNER} or a guardian",
        twin=Edit(
            "modules/authority.vy",
            "assert is_safer and self._is_guardian(msg.sender)",
            "assert is_safer or self._is_guardian(msg.sender)",
            "anyone makes what is safer, such as removing a signer",
        ),
    ),
    governed(
        4,
        "IndexFeed",
        open_to_all=("bind",),
        roles=f"{OWNER} or a guardian",
        twin=Edit(
            "modules/authority.vy",
            "len(answer) == 32 and convert(answer, uint256) == 1",
            "len(answer) == 32",
            "any answer of the Timelock counts as yes",
        ),
    ),
    governed(
        5,
        "History",
        open_to_all=("touch", "observe", "propose"),
        roles=f"{OWNER} or a guardian",
        twin=Edit(
            "History.vy",
            "    # it waits for the owner, and settles nothing\n    authority._check(True)\n",
            "",
            "anyone disputes a settlement price",
        ),
    ),
    governed(
        6,
        "Breakers",
        open_to_all=("note", "trip"),
        roles=OWNER.replace(", ", " or "),
        twin=Edit("Breakers.vy", "    ownable._check_owner()\n", "", "anyone sets the limits"),
    ),
    governed(
        7,
        "Liquidator",
        open_to_all=("call", "cure", "top_up", "draw", "start", "bid", "close", "record"),
        roles=OWNER.replace(", ", " or "),
        twin=Edit(
            "Liquidator.vy",
            "    ownable._check_owner()\n    self._set_config(config)",
            "    self._set_config(config)",
            "anyone sets how long calls and auctions last",
        ),
    ),
    governed(
        8,
        "InsuranceFund",
        open_to_all=(
            "approve",
            "collect",
            "deposit",
            "mint",
            "request",
            "cancel_request",
            "withdraw",
            "redeem",
            "transfer",
            "transferFrom",
        ),
        roles=f"{OWNER} or the liquidator",
        immutables=FUND,
        also={"MockToken": {}, "MockCustody": {"QUOTE": ELSEWHERE["quote"], "SCALE": QUOTE_SCALE}},
        twin=Edit(
            "InsuranceFund.vy",
            "    ownable._check_owner()\n    self._set_cooldown",
            "    self._set_cooldown",
            "anyone sets how long leaving takes",
        ),
    ),
    governed(
        9,
        "Mandates",
        open_to_all=("set_delegate", "set_allowance", "set_top_up", "set_reserve"),
        roles=f"{OWNER} or the book",
        twin=Edit(
            "Mandates.vy",
            '    assert msg.sender == self.book, "mandates: not the book"\n    left',
            "    left",
            "anyone uses up a top-up",
        ),
    ),
    governed(
        10,
        "Clearinghouse",
        open_to_all=("deposit", "withdraw", "trade", "transfer", "multicall", "settle", "expire", "claim"),
        roles=f"{OWNER} or the liquidator",
        immutables={"BACK_OFFICE": 0x1_0003},
        also={"BackOffice": {}},
        twin=Edit(
            "BackOffice.vy",
            "    ownable._check_owner()\n    assert fund !=",
            "    assert fund !=",
            "anyone names who gets the fees",
        ),
    ),
    Check(
        id="S-11",
        sentence="Whoever holds no role in the Timelock neither schedules, nor cancels, nor changes a delay.",
        kind="access",
        contract="Timelock",
        functions="schedule, schedule_batch, cancel, set_delay, set_minimum_delay",
        harness="Governed",
        test="check_timelock",
        bound=f"{ANY_STATE}; {LENGTHS}",
        twin=Edit(
            "Timelock.vy",
            "        access_control._check_role(GUARDIAN_ROLE, msg.sender)\n        assert delay >",
            "        assert delay >",
            "anyone raises a delay",
        ),
        stands={"Timelock": TIMELOCK},
        open={
            "Timelock": ("grantRole", "revokeRole", "renounceRole", "execute", "execute_batch", "adopt"),
        },
    ),
)
