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
    also: tuple[tuple[str, str], ...] = ()  # further replacements that this one needs

    @property
    def replacements(self) -> tuple[tuple[str, str], ...]:
        """Each text and what takes its place."""
        return ((self.old, self.new), *self.also)


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
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)  # contract: the functions that it is about, if few
    loop: int = 2  # times that a loop of unknown length is followed
    branching: int = 1  # [ms] for whether a branch can be taken at all; one that is not decided in it is followed

    def guarded(self, name: str, known: Sequence[str]) -> list[str]:
        """Of the functions of a contract, those the check calls with any arguments."""
        about = self.only.get(name, known)
        return [function for function in known if function in about and function not in self.open.get(name, ())]

    def named(self, name: str) -> set[str]:
        """Functions of a contract that the check names."""
        return {*self.open.get(name, ()), *self.only.get(name, ())}


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


# an `execute` that asks for neither a role nor a time
HASTY: Final = """@external
@payable
def execute(target: address, amount: uint256, payload: Bytes[1_024], predecessor: bytes32, salt: bytes32):
    id: bytes32 = timelock_controller._hash_operation(target, amount, payload, predecessor, salt)
    raw_call(target, payload, value=amount)
    timelock_controller.get_timestamp[id] = 1


@external
def cancel("""
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
        only={"Timelock": ("schedule", "schedule_batch", "cancel", "set_delay", "set_minimum_delay")},
    ),
    Check(
        id="S-12",
        sentence="A delay that a guardian or any other caller sets is no shorter than before, and within the longest.",
        kind="access",
        contract="Timelock",
        functions="set_delay",
        harness="Tightened",
        test="check_delays",
        bound=ANY_STATE,
        twin=Edit(
            "Timelock.vy",
            '        assert delay > self._delays[target][selector], "timelock: guardians only raise"\n',
            "",
            "a guardian shortens a delay",
        ),
        stands={"Timelock": TIMELOCK},
    ),
    Check(
        id="S-13",
        sentence="What is scheduled was not, and becomes due no sooner than the delay of its target and function.",
        kind="boundary",
        contract="Timelock",
        functions="schedule",
        harness="Tightened",
        test="check_schedule",
        bound=f"{ANY_STATE}; calldata of 68 bytes; no native tokens",
        twin=Edit(
            "Timelock.vy",
            "    assert delay >= self._delay_of(target, convert(slice(payload, 0, 4), bytes4)), "
            '"timelock: delay too short"\n',
            "",
            "every function waits for the minimum alone",
        ),
        stands={"Timelock": TIMELOCK},
    ),
    Check(
        id="S-14",
        sentence="What is executed was due, is executed by an executor, and never again.",
        kind="access",
        contract="Timelock",
        functions="execute",
        harness="Tightened",
        test="check_execute",
        bound=f"{ANY_STATE}; a call of 68 bytes to an address without code; no native tokens",
        twin=Edit(
            "Timelock.vy",
            "    timelock_controller.execute,\n",
            "",
            "anyone executes at any time",
            also=(
                (
                    "@external\ndef cancel(",
                    HASTY,
                ),
            ),
        ),
        stands={"Timelock": TIMELOCK},
    ),
    Check(
        id="S-15",
        sentence="Whoever neither owns an account nor may allow for it sets nothing of its mandates.",
        kind="access",
        contract="Mandates",
        functions="set_delegate, set_allowance, set_top_up, set_reserve",
        harness="Accounts",
        test="check_owners",
        bound=ANY_STATE,
        twin=Edit(
            "Mandates.vy",
            '    assert self._owns(account, msg.sender), "mandates: not the account\'s"\n    assert reserve == 0',
            "    assert reserve == 0",
            "anyone names another account the reserve",
        ),
        stands={"Mandates": {}},
        only={"Mandates": ("set_delegate", "set_allowance", "set_top_up", "set_reserve")},
    ),
    Check(
        id="S-16",
        sentence="Rights and their end are read as they were set, for any two words; none are set that are unknown.",
        kind="boundary",
        contract="Mandates",
        functions="set_delegate, delegate",
        harness="Accounts",
        test="check_delegate",
        bound=f"{ANY_STATE}; all 256-bit words",
        twin=Edit(
            "Mandates.vy",
            "        kept = min(expires, ENDLESS_TIME)",
            "        kept = expires",
            "an end beyond 64 bits runs over into the rights",
        ),
        stands={"Mandates": {}},
    ),
    Check(
        id="S-17",
        sentence="An allowance is read as it was set, for any words; what its fields cannot hold is without end.",
        kind="boundary",
        contract="Mandates",
        functions="set_allowance, allowance",
        harness="Accounts",
        test="check_allowance",
        bound=f"{ANY_STATE}; all 256-bit words",
        twin=Edit(
            "Mandates.vy",
            "    left: uint256 = min(budget, ENDLESS_BUDGET)",
            "    left: uint256 = budget",
            "a budget beyond 192 bits is cut off at the top",
        ),
        stands={"Mandates": {}},
    ),
    Check(
        id="S-18",
        sentence="A venue's budget falls by the loss it makes, to the unit, never under zero; its end and scope stay.",
        kind="conservation",
        contract="Mandates",
        functions="spend",
        harness="Accounts",
        test="check_spend",
        bound=ANY_STATE,
        twin=Edit(
            "Mandates.vy",
            "        self._terms[account][venue] = terms - (loss << 64)",
            "        self._terms[account][venue] = terms - loss",
            "a loss is taken off the end of the allowance, not off the budget",
        ),
        stands={"Mandates": {}},
    ),
    Check(
        id="S-19",
        sentence="Requested shares move from their owner to the fund, to the unit, and stay his in its record.",
        kind="conservation",
        contract="InsuranceFund",
        functions="request",
        harness="Accounts",
        test="check_request",
        bound=ANY_STATE,
        twin=Edit(
            "InsuranceFund.vy",
            "    total: uint256 = self._requests[msg.sender].shares + shares",
            "    total: uint256 = shares",
            "a second request forgets the first",
        ),
        stands={"InsuranceFund": FUND},
    ),
    Check(
        id="S-20",
        sentence="A transfer of shares takes from one what it gives another, within the allowance; the supply stays.",
        kind="conservation",
        contract="InsuranceFund",
        functions="transferFrom",
        harness="Accounts",
        test="check_transfer",
        bound=ANY_STATE,
        twin=Edit(
            "InsuranceFund.vy",
            "    erc20._spend_allowance(owner, msg.sender, amount)\n    erc20._transfer(owner, to",
            "    erc20._transfer(owner, to",
            "anyone moves anyone's shares",
        ),
        stands={"InsuranceFund": FUND},
    ),
    Check(
        id="S-21",
        sentence="Whoever sets the fund's caps: an event's is at most an underlying's, and that at most 10**27.",
        kind="boundary",
        contract="InsuranceFund",
        functions="set_caps",
        harness="Bounds",
        test="check_fund",
        bound=f"{ANY_STATE}; all 256-bit words",
        twin=Edit(
            "InsuranceFund.vy",
            "    assert event_cap <= underlying_cap and underlying_cap <= MAX_CAP",
            "    assert event_cap <= underlying_cap or underlying_cap <= MAX_CAP",
            "one of two bounds is enough",
        ),
        stands={"InsuranceFund": FUND, "Timelock": TIMELOCK},
        only={"InsuranceFund": ("set_caps",)},
    ),
    Check(
        id="S-22",
        sentence="Whoever sets them: the fund's cool-down lies between a day and 30, its claim window a day and 14.",
        kind="boundary",
        contract="InsuranceFund",
        functions="set_cooldown",
        harness="Bounds",
        test="check_cooldown",
        bound=f"{ANY_STATE}; all 256-bit words",
        twin=Edit(
            "InsuranceFund.vy",
            "        and claim_window <= MAX_CLAIM\n",
            "",
            "a claim never lapses",
        ),
        stands={"InsuranceFund": FUND, "Timelock": TIMELOCK},
        only={"InsuranceFund": ("set_cooldown",)},
    ),
    Check(
        id="S-23",
        sentence="Whoever sets it: periods, ramp, first discount and bonus of liquidations lie in their bounds.",
        kind="boundary",
        contract="Liquidator",
        functions="set_config",
        harness="Bounds",
        test="check_liquidator",
        bound=f"{ANY_STATE}; all 256-bit words",
        twin=Edit(
            "Liquidator.vy",
            "        and config.urgent_period <= config.call_period\n",
            "",
            "the urgent period may be the longer one",
        ),
        stands={"Liquidator": {}, "Timelock": TIMELOCK},
        only={"Liquidator": ("set_config",)},
    ),
    Check(
        id="S-24",
        sentence="Whoever sets it: limits and durations of the breakers lie in their bounds.",
        kind="boundary",
        contract="Breakers",
        functions="set_config",
        harness="Bounds",
        test="check_breakers",
        bound=f"{ANY_STATE}; all 256-bit words",
        twin=Edit(
            "Breakers.vy",
            "        and config.leave_duration <= MAX_DURATION\n",
            "",
            "a stop of withdrawals lasts as long as one likes",
        ),
        stands={"Breakers": {}, "Timelock": TIMELOCK},
        only={"Breakers": ("set_config",)},
    ),
    Check(
        id="S-25",
        sentence="A position word gives back the quantity and the id that it was made of, and an id its parts.",
        kind="boundary",
        contract="modules/instruments",
        functions="_word, _quantity, _surface_key, _underlying, _kind",
        harness="Arithmetic",
        test="check_words",
        bound="all quantities of 128 bits, all ids",
        twin=Edit(
            "modules/instruments.vy",
            "    return (fixed._unsigned(quantity) << 128) | id",
            "    return (fixed._unsigned(quantity) << 127) | id",
            "the lowest bit of a quantity lies in the id",
        ),
    ),
    Check(
        id="S-26",
        sentence="The oracle's governance numbers are sound if and only if each lies in its published range.",
        kind="boundary",
        contract="modules/params",
        functions="_are_sound",
        harness="Arithmetic",
        test="check_params",
        bound="all pairs of 256-bit words",
        twin=Edit(
            "modules/params.vy",
            "(floors >> (136 - 24 * kind))",
            "(floors >> (232 - 24 * kind))",
            "slopes are never looked at",
        ),
        loop=5,
    ),
    Check(
        id="S-27",
        sentence="Whoever sets them: no fee is over its cap, no cap over 5 % of the notional or 20 % of the margin.",
        kind="boundary",
        contract="Registry",
        functions="set_fees",
        harness="Bounds",
        test="check_fees",
        bound=f"{ANY_STATE}; all 256-bit words",
        twin=Edit("modules/fees.vy", "        and self._cap(word) <= MAX_FEE\n", "", "a fee has no limit"),
        stands={"Registry": {}, "Timelock": TIMELOCK},
        only={"Registry": ("set_fees",)},
    ),
    Check(
        id="S-28",
        sentence="A settlement price that is final never changes; calls of its expiry are refused, the owner's too.",
        kind="boundary",
        contract="History",
        functions="observe, propose, dispute, resolve, of that expiry",
        harness="Tightened",
        test="check_final",
        bound=f"{ANY_STATE} of the same expiry; a delay of an hour",
        twin=Edit(
            "History.vy",
            '    assert block.timestamp < self._ready_at(word), "history: price is final"\n',
            "",
            "a guardian withdraws a price that is final",
        ),
        stands={"History": {"DELAY": 3_600, "LAG": 3_600}},
        only={"History": ("observe", "propose", "dispute", "resolve")},
        branching=2_000,
    ),
    Check(
        id="S-29",
        sentence="Whoever is not the owner loosens no limit, no band and no fee of the Registry, and admits no venue.",
        kind="access",
        contract="Registry",
        functions="all that change state",
        harness="Tightened",
        test="check_registry",
        bound=f"{ANY_STATE}; {LENGTHS}; the owner is a Timelock in any state",
        twin=Edit(
            "Registry.vy",
            "and pool_limits & MASK_32 >= old_pool & MASK_32",
            "and pool_limits & MASK_32 <= old_pool & MASK_32",
            "a guardian has what left drain faster",
        ),
        stands={"Registry": {}, "Timelock": TIMELOCK},
        loop=4,
    ),
    Check(
        id="S-30",
        sentence="Whoever is not the owner widens no limit of a report and no band, and ends no halt.",
        kind="access",
        contract="Guardrails",
        functions="set_limit, set_band, halt",
        harness="Tightened",
        test="check_guardrails",
        bound=f"{ANY_STATE}; the owner is a Timelock in any state",
        twin=Edit(
            "Guardrails.vy",
            "index_band <= self.index_band and boost <= self.boost",
            "index_band <= self.index_band",
            "a guardian lets urgent reports move further",
        ),
        stands={"Guardrails": {}, "Timelock": TIMELOCK},
        only={"Guardrails": ("set_limit", "set_band", "halt")},
    ),
    Check(
        id="S-31",
        sentence="A quotient rounded up is the one rounded down, or one more where something is left.",
        kind="boundary",
        contract="modules/fixed",
        functions="_div_up",
        harness="Arithmetic",
        test="check_up_and_down",
        bound="numerators below 2**24, denominators below 2**12: beyond, 256-bit division is too hard for the solver",
        twin=Edit(
            "modules/fixed.vy",
            "    if numerator % denominator != 0:",
            "    if numerator % denominator > 1:",
            "a remainder of one is dropped",
        ),
    ),
    Check(
        id="S-32",
        sentence="The part of a discount that an auction gives begins as set, never passes the whole, and gets there.",
        kind="boundary",
        contract="modules/dutch_auction",
        functions="_share",
        harness="Arithmetic",
        test="check_share",
        bound="all times of 256 bits; a ramp of an hour and a first discount of 5 %, as the Liquidator is built",
        twin=Edit(
            "modules/dutch_auction.vy",
            "    if elapsed >= ramp:\n        return fixed.PPM\n",
            "",
            "the discount grows for ever",
        ),
    ),
)
