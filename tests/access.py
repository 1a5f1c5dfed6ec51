"""Who may call what: every external function that changes state, its rule, what bounds it, and a test of the rule.

`python -m tests.access --write` renews the table in docs/TRUST.md; `--check` says whether it is the one of this file;
`--json` prints all of it as one object: ``part`` "access", ``ok``, ``seconds``, ``counts`` (contracts, functions,
views), ``findings`` and ``rows``. Exit codes: 0 good, 1 a finding.

Functions come from the compiled contracts: one without a row here, or a row without its function, is a finding. So is
a row whose rule is not the one that the source asks for: `Rule.asks` are the expressions of which one must stand in
the function, or in what it calls in its file, and of which none may stand in a function that is anyone's.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from plimsoll.chain import artifacts

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENT: Final = ROOT / "docs" / "TRUST.md"
BEGIN: Final = "<!-- the table: python -m tests.access --write -->"
END: Final = "<!-- end of the table -->"

# Not deployed by anybody's script but for tests, or as an example for other protocols.
ASIDE: Final = {"LendingCheck"}


class Rule(NamedTuple):
    """Who may call, how the source asks for it, and how a stranger is refused."""

    who: str
    asks: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


NOT_OWNER: Final = "ownable: caller is not the owner"
NO_ROLE: Final = "access_control: account is missing role"

RULES: Final[dict[str, Rule]] = {
    "anyone": Rule("anyone"),
    "owner": Rule("owner", ("ownable._check_owner()",), (NOT_OWNER,)),
    "tighter": Rule("owner; a guardian where no field gets looser", ("authority._check(",), (NOT_OWNER,)),
    "guardian": Rule("owner or a guardian", ("authority._check(True)",), (NOT_OWNER,)),
    "stopper": Rule("a guardian, the breakers or the owner", ("self._check_stop(",), (NOT_OWNER,)),
    "offers": Rule("owner", ("ownable_2step.transfer_ownership",), (NOT_OWNER,)),
    "takes": Rule(
        "whom it was offered to",
        ("ownable_2step.accept_ownership",),
        ("ownable_2step: caller is not the new owner",),
    ),
    "account": Rule("the account's owner", ("self._owns(",), ("mandates: not the account's",)),
    "allow": Rule("the account's owner; a delegate with ALLOW", ("bits.ALLOW",), ("mandates: not the account's",)),
    "bring": Rule("anyone, the quote coin; collateral the account's owner, a delegate with DEPOSIT", ("book._bring(",)),
    "withdraw": Rule(
        "the account's owner; a delegate with WITHDRAW", ("rights.WITHDRAW",), ("clearinghouse: not the account's",)
    ),
    "transfer": Rule(
        "the account's owner; a delegate with TRANSFER; the liquidator",
        ("rights.TRANSFER",),
        ("clearinghouse: not the account's",),
    ),
    "batch": Rule(
        "the account's owner; a delegate with TRADE or WITHDRAW",
        ("rights.TRADE",),
        ("clearinghouse: not the account's",),
    ),
    "venue": Rule(
        "a venue that governance admits and both accounts allow",
        ("trade_terms(msg.sender",),
        ("registry: venue not admitted",),
    ),
    "seizes": Rule("the liquidator", ("book._check_liquidator()",), ("clearinghouse: not the liquidator",)),
    "pays": Rule("the liquidator", ("msg.sender == LIQUIDATOR",), ("fund: not the liquidator",)),
    "book": Rule("the book", ("msg.sender == self.book",), ("mandates: not the book",)),
    "oracle": Rule("the oracle", ("msg.sender == self.oracle",), ("guard: not the oracle",)),
    "quorum": Rule("anyone, with signatures of a quorum", ("self._check_signatures(",), ("oracle: below quorum",)),
    "bidder": Rule(
        "the bidding account's owner; a delegate with BID", ("rights.BID",), ("liquidator: not the bidder's account",)
    ),
    "orders": Rule(
        "anyone, with orders that both sides signed", ("self._check_signer(", "signed_orders._check_signer(")
    ),
    "taker": Rule(
        "whoever may trade the counterparty, with the account's signed order", ("signed_orders.BOOK.may_act(",)
    ),
    "signer": Rule(
        "its signer; the account's owner; a delegate with TRADE",
        ("signed_orders._cancel(",),
        ("exchange: not the account's", "standing: not the account's"),
    ),
    "floor": Rule(
        "the account's owner; a delegate with TRADE",
        ("signed_orders.cancel_below",),
        ("exchange: not the account's", "standing: not the account's"),
    ),
    "shares": Rule("who holds the shares, or whom he allows", ("msg.sender", "erc20.approve")),
    "proposer": Rule("a proposer", ("timelock_controller.PROPOSER_ROLE, msg.sender",), (NO_ROLE,)),
    "executor": Rule(
        "an executor; anyone where that is the zero address", ("timelock_controller.execute",), (NO_ROLE,)
    ),
    "cancels": Rule("a guardian, but not his own dismissal", ("_check_role(GUARDIAN_ROLE",), (NO_ROLE,)),
    "raises": Rule("the timelock; a guardian, upward", ("msg.sender != self",), (NO_ROLE,)),
    "itself": Rule(
        "the timelock",
        ("msg.sender == self,", "access_control.grantRole", "access_control.revokeRole"),
        (NO_ROLE, "timelock: not the timelock"),
    ),
    "holder": Rule(
        "who holds the role", ("access_control.renounceRole",), ("access_control: can only renounce roles for itself",)
    ),
}


class Row(NamedTuple):
    """A function's rule, what bounds whoever passes it, and a test of that."""

    rule: str
    bound: str
    test: str  # a path from `tests`, ::, a test there


OWNERSHIP: Final = {
    "transfer_ownership": Row(
        "offers",
        "nothing moves until it is taken; the timelock waits longest",
        "unit/feed/test_ownership.py::test_two_steps",
    ),
    "accept_ownership": Row(
        "takes", "it was offered", "unit/feed/test_ownership.py::test_nobody_else_starts_or_ends_it"
    ),
}


def _rows(rule: str, **rows: tuple[str, str]) -> dict[str, Row]:
    return {name: Row(rule, *row) for name, row in rows.items()}


C: Final = "unit/clearinghouse/"
G: Final = "unit/guardrails/"
L: Final = "unit/liquidator/"
R: Final = "unit/registry/"

ACCESS: Final[dict[str, dict[str, Row]]] = {
    "Clearinghouse": {
        **OWNERSHIP,
        **_rows(
            "bring",
            deposit=("it only adds; caps of collateral", C + "test_deposit.py::test_nobody_gives_collateral_away"),
        ),
        **_rows(
            "withdraw",
            withdraw=(
                "IM, fresh surfaces, the lag, the outflow cap; never cash under zero",
                C + "test_withdraw.py::test_a_delegate_withdraws_and_others_do_not",
            ),
        ),
        **_rows(
            "transfer",
            transfer=(
                "between accounts of one owner; the source as for a withdrawal",
                C + "test_transfer.py::test_only_who_may",
            ),
        ),
        **_rows(
            "venue",
            trade=(
                "both at IM or reducing; price band; loss budget; caps",
                C + "test_trade.py::test_a_venue_that_is_not_admitted",
            ),
        ),
        **_rows(
            "batch",
            multicall=(
                "each call needs its own right; checked at the end as a withdrawal",
                C + "test_multicall.py::test_only_who_may",
            ),
        ),
        **_rows(
            "anyone",
            settle=(
                "pays as far as was paid in; changes no equity",
                C + "test_settle.py::test_equity_is_the_same_before_and_after",
            ),
            expire=("books what views show already", C + "test_expire.py::test_views_show_it_before_it_is_booked"),
            claim=("to the fund's account alone", C + "test_interest.py::test_as_far_as_borrowers_have_paid"),
        ),
        **_rows(
            "seizes",
            seize=(
                "the bidder at IM afterwards; a fraction of all, rounded against him",
                C + "test_seize.py::test_only_the_liquidator",
            ),
            pull=("what the owner authorised", C + "test_pull.py::test_only_the_liquidator"),
            socialise=("half of all cash at once", C + "test_socialise.py::test_only_the_liquidator"),
        ),
        **_rows(
            "owner",
            set_liquidator=("once", C + "test_set_liquidator.py::test_once"),
            set_fund=("once", C + "test_set_fund.py::test_once"),
        ),
    },
    "RiskOracle": {
        **OWNERSHIP,
        **_rows(
            "anyone",
            store=(
                "binds nothing; what cannot be is refused",
                "unit/oracle/test_store.py::test_what_is_stored_binds_nothing",
            ),
        ),
        **_rows(
            "quorum",
            post=("Guardrails: bounds, steps, band; sequence, age", "unit/oracle/test_post.py::test_below_quorum"),
        ),
        **_rows(
            "owner",
            set_signers=(
                "waits longest; 16 signers, a day's overlap",
                "unit/oracle/test_set_signers.py::test_only_the_owner",
            ),
            set_book=("once", "unit/oracle/test_set_book.py::test_once"),
        ),
        **_rows(
            "guardian",
            remove_signer=(
                "the quorum stays as large",
                "unit/oracle/test_set_signers.py::test_a_stranger_removes_nobody",
            ),
        ),
        **_rows(
            "tighter",
            set_params=(
                "ranges; a quarter an hour",
                "unit/oracle/test_params.py::test_a_guardian_raises_what_is_demanded_and_lowers_nothing",
            ),
        ),
    },
    "Guardrails": {
        **OWNERSHIP,
        **_rows(
            "oracle",
            admit=(
                "it only refuses and remembers",
                G + "test_admit.py::test_a_stranger_is_not_asked_what_he_would_have_admitted",
            ),
            admit_params=("likewise", G + "test_governance.py::test_governance_numbers_too_are_for_the_oracle_alone"),
        ),
        **_rows(
            "tighter",
            set_limit=("ranges of each place", G + "test_governance.py::test_a_guardian_widens_nothing"),
            set_band=("ranges", G + "test_governance.py::test_a_guardian_narrows_the_band"),
        ),
        **_rows(
            "guardian", halt=("a week ahead; ends by itself", G + "test_governance.py::test_a_stranger_halts_nothing")
        ),
        **_rows(
            "owner",
            set_scope=("known scopes", G + "test_governance.py::test_only_the_owner_sets_scopes"),
            resume=("ends a halt and no more", G + "test_governance.py::test_only_the_owner_resumes"),
            set_oracle=("once", G + "test_governance.py::test_the_oracle_is_named_once"),
        ),
    },
    "IndexFeed": {
        **OWNERSHIP,
        **_rows(
            "owner",
            set_feed=(
                "staged, and bound in a band; the first at once; waits longest",
                "unit/feed/test_set_feed.py::test_only_the_owner",
            ),
            set_route=("likewise", "unit/feed/test_set_route.py::test_only_the_owner"),
            set_quote_route=("likewise", "unit/feed/test_set_route.py::test_the_quote_route_is_the_owners"),
            set_bounds=("refuses prices, makes none", "unit/feed/test_set_bounds.py::test_only_the_owner"),
            set_witness=("once", "unit/feed/test_bind.py::test_the_witness_is_named_once"),
            set_sequencer=("on a rollup; never none", "unit/feed/test_sequencer.py::test_what_no_uptime_feed_is"),
        ),
        **_rows(
            "anyone",
            bind=(
                "what was staged, in the band of an independent price",
                "unit/feed/test_bind.py::test_outside_the_band_the_old_price_stays",
            ),
        ),
        **_rows("guardian", cancel=("of what is staged", "unit/feed/test_bind.py::test_cancelled")),
        **_rows("tighter", set_band=("0.1 % .. 10 %", "unit/feed/test_bind.py::test_the_band_is_the_owners")),
    },
    "History": {
        **OWNERSHIP,
        **_rows(
            "anyone",
            touch=("the live index, once a lag", "unit/history/test_touch.py::test_within_a_lag_nothing_happens"),
            observe=(
                "the live index, the first of a minute",
                "unit/history/test_observe.py::test_the_first_of_a_bucket_stays",
            ),
            propose=(
                "the price that follows from what was seen",
                "unit/history/test_propose.py::test_the_mean_of_the_middle_half",
            ),
        ),
        **_rows("guardian", dispute=("before it is final", "unit/history/test_dispute.py::test_nobody_else")),
        **_rows(
            "owner",
            resolve=(
                "disputed or unseen; within a factor of two of the index; waits in turn",
                "unit/history/test_resolve.py::test_only_the_owner",
            ),
        ),
    },
    "Registry": {
        **OWNERSHIP,
        **_rows(
            "owner",
            list_instrument=(
                "250 rows a surface; never taken back",
                R + "test_list_instrument.py::test_only_the_owner_lists",
            ),
            list_collateral=(
                "waits longest; 16 tokens; needs a feed",
                R + "test_list_collateral.py::test_only_the_owner_lists",
            ),
            set_curve=("ranges", R + "test_set_curve.py::test_only_the_owner"),
            set_fees=("ranges", R + "test_set_fees.py::test_only_the_owner"),
            set_breakers=("who may stop for a day", R + "test_stops.py::test_who_was_the_breakers_is_nobody"),
            resume=("ends stops", R + "test_stops.py::test_resume_ends_what_it_names_now_and_keeps_when_it_was"),
            resume_underlying=("likewise", R + "test_stops.py::test_an_underlying_of_its_own"),
        ),
        **_rows(
            "tighter",
            set_venue=("a guardian dismisses, never admits", R + "test_tightening.py::test_a_venue"),
            set_bands=("ranges", R + "test_tightening.py::test_bands"),
            set_collateral_cap=("binds what comes in", R + "test_tightening.py::test_a_cap_of_collateral"),
            set_underlying_limits=(
                "binds what raises open interest",
                R + "test_tightening.py::test_a_cap_of_an_underlying",
            ),
            set_instrument_cap=("likewise", R + "test_tightening.py::test_a_cap_of_an_instrument"),
            set_limits=("ranges", R + "test_tightening.py::test_each_limit"),
        ),
        **_rows(
            "stopper",
            stop=("7 days, one, 30; what it lists; only extends", R + "test_stops.py::test_nobody_else"),
            stop_underlying=("likewise, new risk in one", R + "test_stops.py::test_no_longer_and_not_in_the_past"),
        ),
    },
    "Mandates": {
        **OWNERSHIP,
        **_rows(
            "account",
            set_delegate=(
                "that account, those rights, until then",
                "unit/mandates/test_set_delegate.py::test_not_the_accounts",
            ),
            set_top_up=("the owner's own wallet", "unit/mandates/test_set_top_up.py::test_nobody_else"),
            set_reserve=("of the same owner", "unit/mandates/test_set_reserve.py::test_nobody_else"),
        ),
        **_rows(
            "allow",
            set_allowance=(
                "venues that governance admits; a loss budget",
                "unit/mandates/test_set_allowance.py::test_not_the_accounts",
            ),
        ),
        **_rows(
            "book",
            spend=("the loss budget only falls", "unit/mandates/test_spend.py::test_only_the_book"),
            use_top_up=("what was authorised only falls", "unit/mandates/test_use_top_up.py::test_only_the_book"),
        ),
        **_rows("owner", set_book=("once", "unit/mandates/test_set_book.py::test_once")),
    },
    "Exchange": {
        **_rows(
            "orders",
            settle=(
                "the orders' quantities and prices; the book's rules",
                "unit/exchange/test_settle.py::test_an_attacker_signs_for_another",
            ),
        ),
        **_rows("signer", cancel=("voids", "unit/exchange/test_cancel.py::test_nobody_else")),
        **_rows(
            "floor",
            cancel_below=("voids; the floor only rises", "unit/exchange/test_cancel_below.py::test_nobody_else"),
        ),
    },
    "StandingOrders": {
        **_rows(
            "taker",
            execute=(
                "while called; toward zero; the slack; the book's rules",
                "unit/standing/test_execute.py::test_nobody_for_an_account_of_anothers",
            ),
        ),
        **_rows("signer", cancel=("voids", "unit/standing/test_cancel.py::test_nobody_else")),
        **_rows(
            "floor",
            cancel_below=("voids; the floor only rises", "unit/standing/test_cancel_below.py::test_nobody_else"),
        ),
    },
    "Liquidator": {
        **OWNERSHIP,
        **_rows(
            "anyone",
            call=("under the call line", L + "test_call.py::test_at_the_call_line_or_over_it"),
            cure=("at the call line", L + "test_cure.py::test_at_the_call_line"),
            top_up=(
                "what the owner authorised, no more than is needed",
                L + "test_top_up.py::test_no_more_than_was_authorised",
            ),
            draw=(
                "no more than is needed; the reserve keeps its IM",
                L + "test_draw.py::test_the_reserve_stays_at_initial_margin",
            ),
            start=("after a ripe call, or where E_m is negative", L + "test_start.py::test_a_sound_account"),
            close=("at IM", L + "test_close.py::test_at_initial_margin_and_not_under_it"),
            record=("says what is so", L + "test_record.py::test_on_and_off"),
        ),
        **_rows(
            "bidder",
            bid=(
                "at most what restores IM; at the auction's price; the bidder at IM",
                L + "test_bid.py::test_a_delegate_of_the_bidder_bids_and_nobody_else",
            ),
        ),
        **_rows(
            "owner",
            set_config=("ranges; calls and auctions keep theirs", L + "test_set_config.py::test_only_the_owner"),
            set_fund=("once", L + "test_set_fund.py::test_once"),
        ),
    },
    "InsuranceFund": {
        **OWNERSHIP,
        **_rows("pays", pay=("the caps of event and underlying", "unit/fund/test_pay.py::test_not_the_liquidator")),
        **_rows(
            "owner",
            set_caps=("no token of the fund's", "unit/fund/test_set_caps.py::test_not_the_owner"),
            set_cooldown=("ranges; requests keep theirs", "unit/fund/test_set_cooldown.py::test_not_the_owner"),
        ),
        **_rows(
            "anyone",
            collect=("fees to the fund; they drip", "unit/fund/test_collect.py::test_anyone_brings_the_fees_in"),
            deposit=("pays for its shares", "unit/fund/test_deposit.py::test_shares_round_down"),
            mint=("likewise", "unit/fund/test_mint.py::test_assets_round_up"),
        ),
        **_rows(
            "shares",
            request=("they lie locked, at risk", "unit/fund/test_request.py::test_more_than_one_has"),
            cancel_request=("gives them back", "unit/fund/test_cancel_request.py::test_no_request"),
            withdraw=(
                "the claim, within its window",
                "unit/fund/test_withdraw.py::test_another_needs_the_owners_allowance",
            ),
            redeem=("likewise", "unit/fund/test_redeem.py::test_another_needs_the_owners_allowance"),
            transfer=("not what is requested", "unit/fund/test_transfer.py::test_requested_shares_do_not_move"),
            transferFrom=("what was allowed", "unit/fund/test_transfer.py::test_moves_what_is_allowed"),
            approve=("his own", "unit/fund/test_transfer.py::test_sets_and_resets"),
        ),
    },
    "Timelock": {
        **_rows(
            "proposer",
            schedule=(
                "each function's least delay; guardians cancel",
                "unit/timelock/test_schedule.py::test_nobody_else",
            ),
            schedule_batch=(
                "the longest of its calls",
                "unit/timelock/test_schedule.py::test_a_batch_waits_the_longest_of_its_calls",
            ),
        ),
        **_rows(
            "executor",
            execute=("what was announced and has waited", "unit/timelock/test_execute.py::test_nobody_else"),
            execute_batch=(
                "likewise, whole or not",
                "unit/timelock/test_execute.py::test_a_batch_is_done_whole_or_not_at_all",
            ),
        ),
        **_rows(
            "cancels",
            cancel=("what is pending", "unit/timelock/test_cancel.py::test_his_own_dismissal_another_cancels"),
        ),
        **_rows("raises", set_delay=("up to the longest", "unit/timelock/test_set_delay.py::test_nobody_else")),
        **_rows(
            "itself",
            set_minimum_delay=(
                "60 s .. the longest",
                "unit/timelock/test_set_delay.py::test_the_minimum_within_bounds",
            ),
            grantRole=("waits longest", "unit/timelock/test_roles.py::test_nobody_grants_or_revokes"),
            revokeRole=(
                "waits the minimum; a guardian's by itself",
                "unit/timelock/test_roles.py::test_nobody_grants_or_revokes",
            ),
        ),
        **_rows(
            "holder",
            renounceRole=("his own", "unit/timelock/test_roles.py::test_whoever_holds_a_role_gives_it_up_at_once"),
        ),
        **_rows(
            "anyone",
            adopt=("what was handed over to it", "unit/timelock/test_roles.py::test_it_adopts_what_was_handed_to_it"),
        ),
    },
    "Breakers": {
        **OWNERSHIP,
        **_rows("owner", set_config=("ranges", "unit/breakers/test_set_config.py::test_only_the_owner")),
        **_rows(
            "anyone",
            note=(
                "remembers the most that the fund could pay",
                "unit/breakers/test_trip.py::test_the_mark_is_kept_through_the_next_window",
            ),
            trip=("while its condition holds; a day ahead", "unit/breakers/test_trip.py::test_nothing_is_met"),
        ),
    },
    "Automation": {
        **_rows(
            "anyone",
            performUpkeep=(
                "what anyone may do where it is done",
                "unit/automation/test_perform_upkeep.py::test_whatever_is_given_it_does_what_the_twin_does",
            ),
        ),
    },
    "Lens": {},
}


@cache
def functions(contract: str) -> tuple[frozenset[str], int]:
    """Names of a contract's functions that change state, and how many views it has; overloads count once."""
    found = [entry for entry in artifacts.load(contract).abi if entry["type"] == "function"]
    changing = {entry["name"] for entry in found if entry["stateMutability"] not in {"view", "pure"}}
    return frozenset(changing), len({entry["name"] for entry in found} - changing)


def contracts() -> list[str]:
    """Every contract that is deployed under its own address; BackOffice's functions are the Clearinghouse's."""
    return sorted(
        name
        for name, path in artifacts.contract_paths().items()
        if "mocks" not in path.parts and name not in {*ASIDE, *artifacts.EXTENSIONS.values()}
    )


@cache
def _source(contract: str) -> str:
    names = (contract, artifacts.EXTENSIONS.get(contract))
    return "\n".join((ROOT / "contracts" / f"{name}.vy").read_text() for name in names if name)


@cache
def body(contract: str, function: str) -> str:
    """What a function says, and all that it calls in its file; of one that is exported, the export.

    Comments and docstrings are left out: they ask for nothing.
    """
    source = re.sub(r'"""[\s\S]*?"""|#[^\n]*', "", _source(contract))
    blocks = dict(re.findall(r"^def (\w+)\(([\s\S]*?)(?=^@|^def |\Z)", source, re.MULTILINE))
    if function not in blocks:
        return " ".join(re.findall(rf"\w+\.{function}\b", source))
    seen: set[str] = set()
    waiting = [function]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in blocks:
            seen.add(name)
            waiting += re.findall(r"\bself\.(\w+)\(", blocks[name])
    return "\n".join(blocks[name] for name in sorted(seen))


GUARDS: Final = (
    "ownable._check_owner()",
    "authority._check(",
    "_check_role(",
    "_check_liquidator()",
    "_check_right(",
    "_owns(",
    "msg.sender == self",
    "msg.sender == LIQUIDATOR",
)


def findings() -> list[str]:
    """What does not agree between rows, contracts and sources; a sentence each."""
    found = [f"{name}: no such contract" for name in ACCESS.keys() - set(contracts())]
    for contract in contracts():
        rows = ACCESS.get(contract, {})
        changing, _ = functions(contract)
        found += [f"{contract}.{name}: no row; add one to tests/access.py" for name in sorted(changing - rows.keys())]
        found += [f"{contract}.{name}: no such function" for name in sorted(rows.keys() - changing)]
        for name in sorted(changing & rows.keys()):
            said, rule = body(contract, name), RULES[rows[name].rule]
            if rule.asks and not any(asked in said for asked in rule.asks):
                found.append(f"{contract}.{name}: {rule.who}, but nothing asks for it: {' or '.join(rule.asks)}")
            if rows[name].rule == "anyone" and any(guard in said for guard in GUARDS):
                found.append(f"{contract}.{name}: anyone's, but it asks who calls")
    return found


def table() -> str:
    """The table of docs/TRUST.md."""
    lines = [
        "| contract | function | who may call | what bounds him | test |",
        "| --- | --- | --- | --- | --- |",
    ]
    for contract in contracts():
        changing, views = functions(contract)
        for name in sorted(changing & ACCESS[contract].keys()):
            row = ACCESS[contract][name]
            file, _, test = row.test.partition("::")
            link = f"[{Path(file).parent.name}/{Path(file).stem}](../tests/{file}) `{test.removeprefix('test_')}`"
            lines.append(f"| {contract} | `{name}` | {RULES[row.rule].who} | {row.bound} | {link} |")
        lines.append(f"| {contract} | {views} views | anyone | change nothing | |")
    return "\n".join(lines)


def document() -> str:
    """docs/TRUST.md with the table as it must be."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Run the command; its exit code."""
    start = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="python -m tests.access", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="renew the table in docs/TRUST.md")
    parser.add_argument("--check", action="store_true", help="whether docs/TRUST.md has this table")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    found = findings()
    if arguments.write:
        DOCUMENT.write_text(document())
    elif DOCUMENT.read_text() != document():
        found.append("docs/TRUST.md has another table; python -m tests.access --write")
    if arguments.json:
        rows = {
            f"{contract}.{name}": {"who": RULES[row.rule].who, "bound": row.bound, "test": row.test}
            for contract, inside in ACCESS.items()
            for name, row in inside.items()
        }
        counts = {
            "contracts": len(ACCESS),
            "functions": len(rows),
            "views": sum(functions(contract)[1] for contract in contracts()),
        }
        said = {"part": "access", "ok": not found, "seconds": round(time.monotonic() - start, 3)}
        json.dump(said | {"counts": counts, "findings": found, "rows": rows}, sys.stdout, indent=2)
        print()  # noqa: T201
    else:
        count = sum(map(len, ACCESS.values()))
        print("\n".join(found) or f"{count} functions of {len(ACCESS)} contracts, each as its row says")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
