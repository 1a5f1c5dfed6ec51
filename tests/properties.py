"""The numbered properties, each with the tests that hold it: file, and name of a test, a rule or a check there."""

from __future__ import annotations

from typing import Final, NamedTuple


class Property(NamedTuple):
    """A sentence, and where it is held."""

    sentence: str
    held_by: tuple[str, ...]  # path from `tests`, ::, a name in that file


PROTOCOL: Final = "stateful/test_protocol.py::"
WATCH: Final = "stateful/watch.py::"
ORACLE: Final = "unit/oracle/test_post.py::"
BIND: Final = "unit/feed/test_bind.py::"
PROFIT: Final = "stateful/test_profit.py::"

PROPERTIES: Final[dict[str, Property]] = {
    "I-01": Property(
        "The book holds the tokens that it owes.",
        (WATCH + "check_conservation", PROTOCOL + "attacker_donates"),
    ),
    "I-02": Property(
        "Cash of all accounts, the system's among them, sums to what was brought in less what was taken out, and linear"
        " to zero; dust goes to account 0 alone, a unit a trade at most; interest is paid by who owes it.",
        (WATCH + "check_conservation", PROTOCOL + "check_books"),
    ),
    "I-03": Property("Bad debt is zero or on record.", (PROTOCOL + "check_books",)),
    "I-04": Property(
        "Quantities of an instrument sum to zero until it is settled; open interest is what all accounts are long.",
        (WATCH + "check_quantities",),
    ),
    "I-10": Property(
        "Only price, time, a report or a parameter makes a healthy account liquidatable; collateral past a market's"
        " depth aside, which caps keep out.",
        (PROTOCOL + "check_change",),
    ),
    "I-11": Property("What an account that is not healthy does reduces its risk.", (PROTOCOL + "check_change",)),
    "I-12": Property(
        "An action moves the equities and the maintenance margin of its parties alone; losses shared by all aside.",
        (PROTOCOL + "check_change",),
    ),
    "I-13": Property(
        "Maintenance margin covers the worst lane of each class.",
        (WATCH + "check_requirements",),
    ),
    "I-14": Property(
        "IM >= MM, and no book of positive gross size has zero MM.",
        (WATCH + "check_requirements",),
    ),
    "I-15": Property(
        "Less of what is held alone needs less, and nothing needs nothing.",
        (PROTOCOL + "owner_closes_a_part", WATCH + "check_requirements"),
    ),
    "I-20": Property(
        "An auction starts only after a call that is ripe, or past its deadline, or where E_m is negative.",
        (WATCH + "check_start",),
    ),
    "I-21": Property(
        "A bid improves the ratio of equity to maintenance margin, lessens a debt in proportion, or empties the"
        " account.",
        (WATCH + "check_bid",),
    ),
    "I-22": Property(
        "What the parties of a bid or a trade gain and lose sums to what the fund pays.",
        (WATCH + "check_bid", PROTOCOL + "attacker_trades_with_himself"),
    ),
    "I-23": Property(
        "No owner profits by liquidating himself through other accounts.",
        (PROFIT + "test_nobody_gains_at_others_expense",),
    ),
    "I-24": Property(
        "The price of an auction only falls, and never past nothing while there is equity.",
        (WATCH + "check_auctions", WATCH + "check_bid"),
    ),
    "I-25": Property(
        "What remains once an auction is over is nothing, or large enough to be worth liquidating.",
        (WATCH + "check_bid",),
    ),
    "I-26": Property(
        "Dust bids, deposits and restarts do not block an auction.",
        (PROTOCOL + "attacker_blocks_an_auction",),
    ),
    "I-27": Property(
        "A sick account cannot hand value to another by trading away from the mark.",
        (
            "unit/clearinghouse/test_trade.py::test_price_worse_than_allowed",
            "regression/test_mango.py::test_late_profit_cannot_be_traded_away",
            PROFIT + "test_nobody_gains_at_others_expense",
        ),
    ),
    "I-28": Property(
        "Splitting a book over accounts gains nothing.",
        (PROFIT + "test_nobody_gains_at_others_expense",),
    ),
    "I-30": Property(
        "No value moves on a price that is stale, zero or negative.",
        (PROTOCOL + "attacker_meets_a_dead_feed",),
    ),
    "I-31": Property(
        "A token that calls back finds every door locked.",
        (PROTOCOL + "attacker_reenters",),
    ),
    "I-32": Property(
        "A signature counts once, for one chain, one contract, one sequence; malleable and zero ones never.",
        (
            ORACLE + "test_a_replayed_report",
            ORACLE + "test_a_duplicate_or_descending_signer",
            ORACLE + "test_a_malleable_signature_of_each",
            ORACLE + "test_signatures_that_recover_to_nobody",
            ORACLE + "test_a_signature_for_another_chain",
            ORACLE + "test_a_signature_for_another_contract",
        ),
    ),
    "I-33": Property(
        "The first price of a new route lies within a band of an independent one before it binds; where there is none,"
        " the route waits in the open.",
        (
            BIND + "test_in_the_band",
            BIND + "test_outside_the_band_the_old_price_stays",
            BIND + "test_the_signed_reference_stops_it_and_never_takes_its_place",
            BIND + "test_where_nothing_was_signed_a_dead_feeds_successor_waits_three_days",
            "regression/test_moonwell.py::test_the_factor_is_lost_and_the_change_refused",
        ),
    ),
    "I-34": Property(
        "Fewer than a quorum, or one stolen key, change nothing.",
        (ORACLE + "test_below_quorum", ORACLE + "test_one_stolen_key_is_no_quorum_however_it_is_written"),
    ),
    "I-40": Property(
        "Parameters move in bounded steps, and ramp: posted ones by their limits an hour, governance's by a quarter an"
        " hour.",
        (
            "unit/oracle/test_params.py::test_a_step_at_its_edge_and_past_it",
            "unit/oracle/test_params.py::test_steps_are_an_hour_apart",
            "unit/oracle/test_params.py::test_far_is_a_ramp",
            "unit/guardrails/test_admit.py::test_as_far_as_a_limit_lets_it_and_one_further",
            "unit/guardrails/test_admit.py::test_many_small_steps_go_no_further_than_the_rate",
        ),
    ),
    "I-41": Property(
        "With index, marks and time held no report makes an account auctionable that was not called; after a call and"
        " its wait what it tightened arrives.",
        (PROTOCOL + "reporter_alone_liquidates_nobody",),
    ),
    "I-42": Property(
        "Stop levels stop exactly what they list, and end by themselves; an account without positions can always"
        " withdraw.",
        (
            "unit/stops/test_matrix.py::test_stops_stop_exactly_what_they_list",
            "unit/stops/test_matrix.py::test_no_function_that_changes_state_asks_for_stops_besides",
            "unit/registry/test_stops.py::",
            PROTOCOL + "attacker_goes_in_and_out",
            PROTOCOL + "guardian_stops",
        ),
    ),
    "I-43": Property(
        "Tightening is immediate, loosening waits; what lists collateral, changes a feed or who signs, or hands a"
        " contract over waits longest.",
        (
            "unit/timelock/test_loosening.py::test_tightening_is_immediate_loosening_waits",
            "unit/timelock/test_loosening.py::test_listing_collateral_and_changing_a_feed_wait_longest",
            "unit/timelock/test_schedule.py::test_each_function_waits_its_least",
            "unit/registry/test_tightening.py::",
            "regression/test_drift.py::test_it_is_announced_waits_longest_and_is_cancelled",
        ),
    ),
    "I-50": Property(
        "A deposit reads no price.",
        (PROTOCOL + "book_deposit", PROTOCOL + "attacker_goes_in_and_out"),
    ),
    "I-51": Property(
        "The margin check at the most positions there may be fits a bound of gas, and what it costs is kept.",
        (
            "bench/test_gas.py::test_the_bounds_that_the_design_states",
            "bench/test_gas.py::test_nothing_drifted",
        ),
    ),
    "I-52": Property(
        "A deposit and its withdrawal return what went in.",
        (PROTOCOL + "attacker_goes_in_and_out",),
    ),
    "I-60": Property(
        "Contract and twin answer alike, refusals among it.",
        (
            "agreement/test_sequences.py::test_chain_and_twin_go_the_same_way",
            "agreement/test_margin.py::",
            PROTOCOL + "what_holds_of_all",
        ),
    ),
    "I-61": Property(
        "The event log, replayed through the spec, gives the chain's state.",
        (
            "agreement/test_replay.py::test_the_log_alone_gives_the_state",
            "agreement/test_sequences.py::test_chain_and_twin_go_the_same_way",
        ),
    ),
    "I-62": Property(
        "Small steps never beat a large one.",
        (PROTOCOL + "attacker_takes_small_steps", PROFIT + "test_nobody_gains_at_others_expense"),
    ),
}
