"""The numbered properties, each with the tests that hold it and, where there is one, its proof.

A place is a path from `tests`, ``::``, and a name in that file: a test, a rule or a check of a stateful machine; a
path alone is every test of the file. Numbers go by tens, `SECTIONS` says of what. `tests.properties` reads this,
writes `docs/INVARIANTS.md` of it, and tells from a run's report which properties it held.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Property(NamedTuple):
    """A sentence, where it is held, and what proves it.

    Attributes
    ----------
    sentence
        What always holds.
    held_by
        Places in `tests`; all of them run in `make test`.
    proofs
        Lemmas (``L-..`` of `tests/proofs/registry.py`) and symbolic checks (``S-..`` of `tests/symbolic/registry.py`).

    """

    sentence: str
    held_by: tuple[str, ...]
    proofs: tuple[str, ...] = ()


def of(folder: str, *names: str) -> tuple[str, ...]:
    """Places in a folder of unit tests: ``post.a_test`` is ``test_a_test`` of ``test_post.py`` there."""
    parts = (name.partition(".") for name in names)
    return tuple(f"{folder}/test_{file}.py::" + (f"test_{name}" if name else "") for file, _, name in parts)


def unit(folder: str, *names: str) -> tuple[str, ...]:
    """Likewise, of a folder of `tests/unit`."""
    return of(f"unit/{folder}", *names)


PROTOCOL: Final = "stateful/test_protocol.py::"
WATCH: Final = "stateful/watch.py::"
PROFIT: Final = "stateful/test_profit.py::test_nobody_gains_at_others_expense"

SECTIONS: Final[dict[int, str]] = {
    0: "Solvency",
    1: "Health and margin",
    2: "Liquidation",
    3: "What is believed: index and reports",
    4: "Governance",
    5: "Liveness",
    6: "Agreement and code",
    7: "Accounts, mandates, venues, limits",
    8: "Fund, history, breakers, automation",
    9: "Nodes",
    10: "Keeper",
    11: "Engine and replay",
    12: "Ranges and words",
}

PROPERTIES: Final[dict[str, Property]] = {
    "I-01": Property(
        "The book holds the tokens that it owes.",
        (WATCH + "check_conservation", PROTOCOL + "attacker_donates"),
    ),
    "I-02": Property(
        "Cash of all accounts, the system's among them, sums to what was brought in less what was taken out, and linear"
        " to zero; dust goes to account 0 alone, a unit a trade at most; interest is paid by who owes it.",
        (WATCH + "check_conservation", PROTOCOL + "check_books"),
        ("L-41", "L-51"),
    ),
    "I-03": Property("Bad debt is zero or on record.", (PROTOCOL + "check_books", *unit("liquidator", "record."))),
    "I-04": Property(
        "Quantities of an instrument sum to zero until it is settled; open interest is what all accounts are long.",
        (WATCH + "check_quantities",),
    ),
    "I-05": Property(
        "What is sent to the book past its functions changes no margin, no rate and no account, and nobody takes it"
        " out.",
        of("regression", "cream.a_donation_to_the_book_moves_nothing"),
    ),
    "I-06": Property(
        "Borrowers pay, to the unit and rounded up, what lenders and the fund are owed: interest makes no money.",
        (
            *unit("modules", "interest.interest_is_shared_and_none_is_made"),
            *unit(
                "clearinghouse",
                "interest.all_that_is_owed_is_all_that_is_paid",
                "interest.interest_rounds_up_for_a_wei",
                "interest.often_touched_is_not_better_off",
            ),
        ),
        ("L-33", "L-35", "L-36", "L-37"),
    ),
    "I-07": Property(
        "What an expiry pays all its sides together is never more than nothing; each side is paid down.",
        (
            *unit("spec", "book.what_an_expiry_pays_all_sides_is_never_more_than_nothing"),
            *unit(
                "clearinghouse",
                "expire.what_is_paid_rounds_against_both_sides",
                "expire.once",
                "expire.a_pool_of_many_sides_ends_with_dust",
            ),
        ),
    ),
    "I-08": Property(
        "Settled profit is paid only out of settled losses, in whatever order they come, and changes no equity.",
        unit(
            "clearinghouse",
            "settle.a_gain_waits_for_a_loss",
            "settle.a_gain_is_paid_as_far_as_the_pool_has_cash",
            "settle.equity_is_the_same_before_and_after",
            "settle.a_gain_that_is_gone_is_not_paid",
        ),
    ),
    "I-09": Property(
        "A token moves exactly what the book moves, or nothing happens: fees, false answers, rebases, pauses, lists"
        " and hooks.",
        unit(
            "clearinghouse",
            "odd_tokens.a_fee_on_transfer",
            "odd_tokens.a_fee_of_one_unit",
            "odd_tokens.false_in_place_of_a_revert",
            "odd_tokens.a_revert",
            "odd_tokens.a_rebase",
            "odd_tokens.a_pause",
            "odd_tokens.a_block_list",
            "odd_tokens.a_withdrawal_within_a_deposit_of_another_account",
            "withdraw.what_went_in_comes_out_exactly",
        ),
    ),
    "I-10": Property(
        "Only price, time, a report or a parameter makes a healthy account liquidatable; collateral past a market's"
        " depth aside, which caps keep out.",
        (PROTOCOL + "check_change", *of("regression", "euler.no_function_leaves_an_account_at_its_limit_below_it")),
    ),
    "I-11": Property(
        "What an account that is not healthy does reduces its risk.",
        (
            PROTOCOL + "check_change",
            *unit(
                "clearinghouse",
                "trade.a_restricted_account_may_not_add",
                "trade.a_hedge_that_raises_initial_margin_is_no_reduction",
                "trade.health_may_not_fall_by_a_reduction",
                "trade.an_insolvent_account_may_not_trade",
            ),
        ),
    ),
    "I-12": Property(
        "An action moves the equities and the maintenance margin of its parties alone; losses shared by all aside.",
        (PROTOCOL + "check_change", *unit("spec", "margin.the_market_term_binds_new_risk_only")),
    ),
    "I-13": Property(
        "Maintenance margin covers the worst lane of each class; only common lanes net across underlyings, and never"
        " below the largest scan.",
        (
            WATCH + "check_requirements",
            *unit("oracle", "assess.never_under_the_largest_scan", "assess.only_common_lanes_net"),
        ),
        ("L-17", "L-22", "L-23"),
    ),
    "I-14": Property(
        "IM >= MM, and no book of positive gross size has zero MM.",
        (
            WATCH + "check_requirements",
            *unit(
                "oracle",
                "assess.a_calendar_hedge_pays_the_gross_charge_alone",
                "post.the_least_im_factor_goes_with_the_call_buffer",
            ),
        ),
        ("L-26", "L-27", "L-68"),
    ),
    "I-15": Property(
        "Less of what is held alone needs less, and nothing needs nothing.",
        (PROTOCOL + "owner_closes_a_part", WATCH + "check_requirements"),
    ),
    "I-16": Property(
        "Every rounding goes against the account: requirements up, what it owns down.",
        (
            *unit(
                "spec",
                "margin.roundings_go_against_the_account",
                "margin.roundings_of_large_books_go_against_the_account",
            ),
            *unit("oracle", "assess.requirements_round_up", "assess.what_an_account_owns_rounds_down"),
        ),
        ("L-01", "L-02", "L-03"),
    ),
    "I-17": Property(
        "A position larger than its market needs margin as such, hedged or not, and no withdrawal escapes it.",
        (
            *unit("oracle", "assess.a_delta_neutral_giant_is_not_small", "assess.beyond_it_grows_with_the_square"),
            *of("regression", "hyperliquid.what_may_be_withdrawn_leaves_what_getting_out_would_cost"),
        ),
        ("L-19",),
    ),
    "I-18": Property(
        "A row that a surface lacks is margined at governance's floor, never skipped, never fresh, never a revert.",
        (
            *unit(
                "spec", "margin.a_lost_row_is_charged_and_never_fresh", "margin.a_row_that_says_nothing_is_a_lost_one"
            ),
            *unit(
                "oracle",
                "assess.another_instrument_in_its_place",
                "assess.it_goes_with_the_floor_rate",
                "assess.a_future_without_a_surface",
                "assess.collateral",
            ),
        ),
    ),
    "I-19": Property(
        "As a series nears its expiry its gains fade and its losses stay whole: the scan of a book does not fall.",
        unit(
            "oracle",
            "expiring.the_scan_never_falls_as_an_expiry_comes",
            "expiring.losses_stay_whole",
            "expiring.from_the_expiry_on_no_gain_is_left",
        ),
        ("L-16",),
    ),
    "I-20": Property(
        "An auction starts only after a call that is ripe, or past its deadline, or where E_m is negative.",
        (
            WATCH + "check_start",
            *unit("liquidator", "start.after_the_urgent_notice", "start.a_call_that_lapsed_is_none"),
        ),
        ("L-48",),
    ),
    "I-21": Property(
        "A bid improves the ratio of equity to maintenance margin, lessens a debt in proportion, or empties the"
        " account; it takes no more than restores initial margin, a rest too small aside.",
        (WATCH + "check_bid", *unit("liquidator", "bid.the_fraction_is_capped_to_restore_initial_margin")),
        ("L-45",),
    ),
    "I-22": Property(
        "What the parties of a bid or a trade gain and lose sums to what the fund pays them, less its fees.",
        (
            WATCH + "check_bid",
            PROTOCOL + "attacker_trades_with_himself",
            *unit("liquidator", "bid.what_the_parties_gain_and_lose_sums_to_zero"),
        ),
        ("L-41", "L-46", "L-53"),
    ),
    "I-23": Property(
        "No owner profits by liquidating himself through other accounts that are seen to be his.",
        (PROFIT, *unit("liquidator", "bid.the_owner_bids_with_another_account_and_gains_nothing")),
    ),
    "I-24": Property(
        "The price of an auction only falls, and never past nothing while there is equity.",
        (
            WATCH + "check_auctions",
            WATCH + "check_bid",
            *unit("spec", "liquidator.the_share_only_grows_from_its_start_to_all"),
            *of("regression", "maker.the_price_goes_one_way_and_the_discount_no_further_than_margin"),
        ),
        ("L-42", "L-43", "L-44"),
    ),
    "I-25": Property(
        "What remains once an auction is over is nothing, or large enough to be worth liquidating.",
        (
            WATCH + "check_bid",
            *unit("liquidator", "bid.a_rest_that_needs_less_than_the_least_margin_is_taken_along"),
        ),
    ),
    "I-26": Property(
        "Dust bids, deposits and restarts do not block an auction.",
        (
            PROTOCOL + "attacker_blocks_an_auction",
            *of("regression", "derive.deposits_into_either_account_in_front_of_each_bid"),
            *of("regression", "derive.the_owner_s_own_manoeuvres_neither_end_nor_delay_it"),
        ),
    ),
    "I-27": Property(
        "A sick account cannot hand value to another by trading away from the mark.",
        (
            *unit("clearinghouse", "trade.price_worse_than_allowed"),
            *of("regression", "mango.late_profit_cannot_be_traded_away"),
            PROFIT,
        ),
    ),
    "I-28": Property("Splitting a book over accounts gains nothing.", (PROFIT,)),
    "I-29": Property(
        "A loss that nobody else bears is borne by all positive cash alike, by a published part, half of it at most,"
        " only once the discount is whole, and on record.",
        unit(
            "liquidator",
            "losses.all_who_have_cash_bear_the_published_part_of_it",
            "losses.at_most_half_of_all_cash_at_once",
            "losses.nothing_is_socialised_before_the_discount_is_whole",
            "losses.each_can_take_out_what_the_books_say",
        ),
        ("L-38",),
    ),
    "I-30": Property(
        "No value moves on a price that is stale, zero, negative, at its bound, or of a rollup whose sequencer is"
        " down.",
        (
            PROTOCOL + "attacker_meets_a_dead_feed",
            *unit("clearinghouse", "ages.each_cell"),
            *unit("feed", "set_route.each_leg_has_its_own_age", "set_route.each_leg_has_its_own_bounds"),
            *of("regression", "venus_luna.a_price_at_its_bound_is_no_price"),
            *of("regression", "any_l2_sequencer.no_price_counts_while_it_is_down"),
        ),
    ),
    "I-31": Property(
        "A token that calls back finds every door locked, in either piece of the book; what is read meanwhile is old,"
        " new or refused.",
        (
            PROTOCOL + "attacker_reenters",
            *of("regression", "curve_vyper.every_function_finds_the_book_locked"),
            *of("regression", "curve_vyper.only_these_views_answer_while_the_lock_is_held"),
            *of("regression", "gmx.within_a_transfer_every_number_is_old_or_new_or_none"),
        ),
    ),
    "I-32": Property(
        "A signature counts once, for one chain, one contract, one sequence; malleable and zero ones never.",
        unit(
            "oracle",
            "post.a_replayed_report",
            "post.a_duplicate_or_descending_signer",
            "post.a_malleable_signature_of_each",
            "post.signatures_that_recover_to_nobody",
            "post.a_signature_for_another_chain",
            "post.a_signature_for_another_contract",
            "post.every_field_is_signed",
        ),
    ),
    "I-33": Property(
        "The first price of a new route lies within a band of an independent one before it binds; where there is none,"
        " the route waits in the open.",
        (
            *unit(
                "feed",
                "bind.in_the_band",
                "bind.outside_the_band_the_old_price_stays",
                "bind.the_signed_reference_stops_it_and_never_takes_its_place",
                "bind.where_nothing_was_signed_a_dead_feeds_successor_waits_three_days",
            ),
            *of("regression", "moonwell.the_factor_is_lost_and_the_change_refused"),
        ),
    ),
    "I-34": Property(
        "Fewer than a quorum, or one stolen key, change nothing.",
        (
            *unit(
                "oracle",
                "post.below_quorum",
                "post.one_stolen_key_is_no_quorum_however_it_is_written",
                "set_signers.an_urgent_report_below_its_quorum",
            ),
            *of("attacks", "stolen_key.nothing_moves_outside_what_honest_nodes_sign"),
        ),
    ),
    "I-35": Property(
        "Every posted scalar lies inside its bounds, at the bound and not past it, urgent reports included.",
        unit(
            "guardrails",
            "admit.at_a_bound_and_past_it",
            "admit.bounds_and_band_hold_an_urgent_report_too",
            "admit.what_stands_outside_a_narrowed_bound_must_come_in",
        ),
        ("L-62",),
    ),
    "I-36": Property(
        "Lanes and marks that cannot be are refused: linear lanes are node x scan range, options have no arbitrage, a"
        " mark lies in its bounds, to the unit.",
        unit(
            "guardrails",
            "check.a_linear_lane_off_by_a_unit",
            "check.a_mark_inside_no_arbitrage_bounds",
            "check.a_slope_over_one_by_more_than_a_unit",
            "check.a_slope_the_wrong_way_by_more_than_a_unit",
            "check.a_bend_the_wrong_way",
            "check.higher_volatility_is_worth_no_less",
            "check.a_long_loses_no_more_than_its_mark",
            "check.an_extreme_follows_the_last_node",
            "check.a_token_gains_no_more_and_loses_no_less_than_its_worth_does",
        ),
        ("L-59", "L-60", "L-61"),
    ),
    "I-37": Property(
        "A report is believed whole or not at all: sequence and market time only rise, surfaces are the signed ones,"
        " of its time, of one set, checked and written here.",
        unit(
            "oracle",
            "post.the_last_fault_undoes_all",
            "post.an_old_or_equal_sequence",
            "post.a_market_time_that_goes_back",
            "post.a_market_time_as_old_as_may_be_and_too_old",
            "post.a_market_time_in_the_future",
            "post.a_surface_that_is_not_the_signed_one",
            "post.a_surface_that_another_contract_wrote_was_not_checked",
            "post.a_surface_of_another_time",
            "post.mixed_sets",
        ),
    ),
    "I-38": Property(
        "A reference price lies within the band of a live index, a forward and a mark within theirs; a signed price"
        " replaces no index.",
        (
            *unit(
                "guardrails",
                "admit.a_reference_at_the_edge_of_the_band_and_past_it",
                "admit.over_a_dead_index_no_surface_is_believed",
                "admit.a_forward_off_the_index",
                "admit.a_perp_off_the_index",
                "admit.a_future_off_its_forward",
            ),
            *unit("feed", "bind.the_signed_reference_stops_it_and_never_takes_its_place"),
        ),
    ),
    "I-39": Property(
        "Drawn false reports of every kind are refused by name and change nothing, and an honest engine is never"
        " refused.",
        (
            *of("attacks", "attacks.false_reports_are_refused_and_honest_ones_believed"),
            *of("agreement", "honest.an_honest_engine_is_never_refused"),
        ),
    ),
    "I-40": Property(
        "Parameters move in bounded steps, and ramp: posted ones by their limits an hour, governance's by a quarter an"
        " hour.",
        (
            *unit(
                "oracle",
                "params.a_step_at_its_edge_and_past_it",
                "params.steps_are_an_hour_apart",
                "params.far_is_a_ramp",
            ),
            *unit(
                "guardrails",
                "admit.as_far_as_a_limit_lets_it_and_one_further",
                "admit.many_small_steps_go_no_further_than_the_rate",
                "admit.an_urgent_report_goes_ten_times_as_far_as_in_an_hour_at_least",
                "admit.of_the_same_market_time_an_urgent_report_moves_nothing",
            ),
        ),
        ("L-62", "L-63"),
    ),
    "I-41": Property(
        "With index, marks and time held no report makes an account auctionable that was not called; after a call and"
        " its wait what it tightened arrives.",
        (
            PROTOCOL + "reporter_alone_liquidates_nobody",
            *unit("liquidator", "start.a_report_alone_starts_nothing", "start.nor_do_parameters"),
        ),
        ("L-28", "L-48"),
    ),
    "I-42": Property(
        "Stop levels stop exactly what they list, and end by themselves; an account without positions can always"
        " withdraw.",
        (
            *unit(
                "stops",
                "matrix.stops_stop_exactly_what_they_list",
                "matrix.no_function_that_changes_state_asks_for_stops_besides",
                "matrix.a_stop_ends_by_itself_and_levels_are_apart",
            ),
            *unit("registry", "stops."),
            PROTOCOL + "attacker_goes_in_and_out",
            PROTOCOL + "guardian_stops",
        ),
    ),
    "I-43": Property(
        "Tightening is immediate, loosening waits; what lists collateral, changes a feed or who signs, or hands a"
        " contract over waits longest.",
        (
            *unit(
                "timelock",
                "loosening.tightening_is_immediate_loosening_waits",
                "loosening.listing_collateral_and_changing_a_feed_wait_longest",
                "schedule.each_function_waits_its_least",
            ),
            *unit("registry", "tightening."),
            *of("regression", "drift.it_is_announced_waits_longest_and_is_cancelled"),
        ),
        ("S-29", "S-30"),
    ),
    "I-44": Property(
        "The timelock does nothing that was not announced and has not waited its least delay; a batch is done whole.",
        unit(
            "timelock",
            "execute.not_before_it_has_waited",
            "execute.nothing_else_is_called_by_waiting",
            "execute.a_batch_is_done_whole_or_not_at_all",
            "execute.nobody_else",
            "schedule.nobody_else",
            "schedule.a_batch_waits_the_longest_of_its_calls",
        ),
        ("S-13", "S-14"),
    ),
    "I-45": Property(
        "A thief of one governance key cannot hold up his own dismissal, grant a role, or shorten a delay.",
        (
            *unit(
                "timelock",
                "cancel.his_own_dismissal_another_cancels",
                "cancel.nobody_else",
                "roles.nobody_grants_or_revokes",
                "schedule.no_guardian_is_dismissed_in_a_batch",
                "set_delay.only_the_timelock_lowers_after_the_longest_delay",
                "set_delay.nobody_else",
            ),
            *of("regression", "drift.the_thief_cannot_silence_the_guardians"),
        ),
        ("S-11", "S-12"),
    ),
    "I-46": Property(
        "No function that is somebody's answers a stranger, and each external function has its row in the table of"
        " roles.",
        unit("access", "strangers.", "table."),
        tuple(f"S-{k:02}" for k in range(1, 12)),
    ),
    "I-47": Property(
        "Parts are wired once: whoever owns a contract later cannot put another book, oracle, fund or liquidator in"
        " place of the one.",
        (
            *unit("clearinghouse", "set_liquidator.once", "set_fund.once"),
            *unit("oracle", "set_book.once"),
            *unit("mandates", "set_book.once"),
            *unit("liquidator", "set_fund.once"),
            *unit("guardrails", "governance.the_oracle_is_named_once"),
            *unit("feed", "bind.the_witness_is_named_once"),
        ),
    ),
    "I-48": Property(
        "Ownership passes in two steps: nobody but the owner offers, nobody but whom it is offered to takes.",
        (PROTOCOL + "transfer_and_accept_ownership", *unit("feed", "ownership.")),
    ),
    "I-49": Property(
        "As deployed the timelock owns every contract, and who deployed can do nothing.",
        (
            *unit("timelock", "roles.every_owned_contract_is_handed_over_and_every_slow_function_is_there"),
            *of(
                "integration",
                "deploy.the_timelock_owns_every_contract_and_holds_the_roles",
                "deploy.the_deployer_can_do_nothing",
                "deploy.verification_finds_each_difference",
            ),
        ),
    ),
    "I-50": Property(
        "A deposit reads no price.",
        (
            PROTOCOL + "book_deposit",
            PROTOCOL + "attacker_goes_in_and_out",
            *unit("clearinghouse", "deposit.a_dead_feed_stops_no_deposit"),
        ),
    ),
    "I-51": Property(
        "The margin check at the most positions there may be fits a bound of gas, and what it costs is kept.",
        of("bench", "gas.the_bounds_that_the_design_states", "gas.nothing_drifted"),
    ),
    "I-52": Property(
        "A deposit and its withdrawal return what went in.",
        (
            PROTOCOL + "attacker_goes_in_and_out",
            *of("regression", "kyberswap_balancer.deposits_and_withdrawals_of_single_units_change_nothing"),
        ),
        ("L-52",),
    ),
    "I-53": Property(
        "Which action needs data of which age is the table of SPEC.md, cell by cell, and no action is missing in it.",
        unit(
            "clearinghouse",
            "ages.each_cell",
            "ages.every_action_is_in_the_table",
            "ages.the_document_says_the_same",
        ),
    ),
    "I-54": Property(
        "Liquidation needs no token to move and no fund that pays.",
        (
            *of("regression", "any_pausing.liquidation_needs_no_token_to_move"),
            *unit("liquidator", "losses.a_fund_that_cannot_pay_stops_nothing", "losses.without_a_fund"),
        ),
    ),
    "I-55": Property(
        "Withdrawals, transfers, trades, settling, expiries, calls and bids fit a transaction at the largest account"
        " there may be, and one position more is refused.",
        (*of("regression", "any_unbounded_loops."), *unit("clearinghouse", "full_expiry.")),
    ),
    "I-56": Property(
        "With the engine dead nobody takes new risk or leaves below initial margin, liquidation goes on, and IM widens"
        " with age.",
        unit(
            "simulate",
            "dead_engine.no_risk_is_taken_and_nobody_leaves_below_initial_margin",
            "dead_engine.accounts_under_margin_are_bid_on_in_time",
            "dead_engine.initial_margin_widens_by_the_hour",
        ),
    ),
    "I-57": Property(
        "Nobody is called, auctioned or bid on over a dead index, and deposits and free withdrawals pass meanwhile.",
        (
            *unit("simulate", "dead_engine.nobody_on_a_dead_index"),
            *of("regression", "any_l2_sequencer.nobody_is_auctioned_in_the_grace"),
        ),
    ),
    "I-58": Property(
        "A book is left by its holders without any owner's key: everything is settled, withdrawn and adds up, and what"
        " nobody fetched stays withdrawable.",
        of(
            "integration",
            "migration.nobody_needed_an_owners_key",
            "migration.sums_are_the_same_to_the_unit",
            "migration.the_old_one_stays_withdrawable_for_ever",
        ),
    ),
    "I-60": Property(
        "Contract and twin answer alike, refusals among it.",
        (
            *of("agreement", "sequences.chain_and_twin_go_the_same_way", "margin.", "reports."),
            *of("agreement", "guardrails.", "automation."),
            PROTOCOL + "what_holds_of_all",
        ),
    ),
    "I-61": Property(
        "The event log, replayed through the spec, gives the chain's state.",
        of("agreement", "replay.the_log_alone_gives_the_state", "sequences.chain_and_twin_go_the_same_way"),
    ),
    "I-62": Property(
        "Small steps never beat a large one.",
        (
            PROTOCOL + "attacker_takes_small_steps",
            PROFIT,
            *of("regression", "kyberswap_balancer."),
            *unit("spec", "liquidator.many_small_bids_never_pay_less_than_it_costs"),
        ),
        ("L-04", "L-14", "L-37"),
    ),
    "I-63": Property(
        "Faults planted in contracts, modules and twin, off by one in a rounding among them, are found by these tests.",
        of(
            "agreement",
            "planted.a_fault_in_the_twin_is_found",
            "planted.a_fault_in_a_contract_is_found",
        ),
    ),
    "I-64": Property(
        "The Clearinghouse and its BackOffice are one book: storage and immutables lie alike, no function stands in"
        " both, and the second called by itself moves nothing.",
        unit(
            "clearinghouse",
            "back_office.storage_lies_alike",
            "back_office.immutables_of_the_book_lie_alike",
            "back_office.no_function_stands_in_both",
            "back_office.called_itself_it_has_an_empty_book",
        ),
    ),
    "I-65": Property(
        "The interface files say what the contracts say, functions and events.",
        of("integration", "interfaces.functions", "interfaces.events"),
    ),
    "I-66": Property(
        "What the Lens foretells of a trade is what the trade does, to the wei; its solvency statement covers what is"
        " owed whatever happens.",
        unit(
            "lens",
            "margin_after.it_foretells_a_trade_to_the_wei",
            "solvency.whatever_happens_what_is_held_covers_what_is_owed",
        ),
    ),
    "I-67": Property(
        "Numbers past a type's or a ledger's end are refused before they spill, never cut.",
        of(
            "regression",
            "any_int_casts.extremes_are_refused_or_exact",
            "any_int_casts.what_does_not_fit_a_ledger_is_refused_before_it_spills",
        ),
        ("L-11", "L-24", "L-25", "L-51"),
    ),
    "I-68": Property(
        "While a batch runs its account is neither assessed, called, auctioned, bid on nor seized, and no other batch"
        " begins.",
        unit(
            "clearinghouse",
            "multicall.it_is_not_assessed",
            "multicall.it_is_neither_called_nor_auctioned_nor_marked_insolvent",
            "multicall.it_is_not_bid_on",
            "multicall.nor_is_anybody_seized",
            "multicall.no_other_batch_begins",
        ),
    ),
    "I-70": Property(
        "A delegate does only what his rights say, for that account, until that date; nobody else acts unasked.",
        unit(
            "mandates",
            "may_act.each_right_is_one",
            "may_act.nobody_else_unasked",
            "may_act.up_to_and_in_the_last_second",
            "may_act.for_this_account_alone",
            "set_delegate.a_delegate_names_no_delegate",
        ),
        ("S-15", "S-16"),
    ),
    "I-71": Property(
        "A venue loses an account no more against the mark than its allowance says, to the wei.",
        (
            *of("regression", "bad_venue.it_takes_the_budget_and_no_more", "bad_venue.the_budget_is_exact_to_the_wei"),
            *unit("mandates", "spend.the_budget_falls_by_the_loss_and_never_below_zero"),
        ),
        ("S-17", "S-18"),
    ),
    "I-72": Property(
        "Only a venue that governance admits and the account allows trades it, in the instruments and until the date"
        " that it said.",
        unit(
            "clearinghouse",
            "trade.a_venue_that_is_not_admitted",
            "trade.a_venue_that_the_account_does_not_allow",
            "trade.a_venue_trades_what_the_account_said",
        ),
    ),
    "I-73": Property(
        "A trade's price lies in the band around the mark, whatever the venue says.",
        (
            *unit(
                "clearinghouse",
                "trade.the_price_band_is_a_tenth_of_the_index_around_the_mark",
                "trade.the_price_band_of_an_option_is_of_the_index_too",
            ),
            *of("regression", "bad_venue.past_the_edge_of_the_band_nothing_goes"),
        ),
    ),
    "I-74": Property(
        "An order fills up to its quantity and no further, however often and in whatever form it is brought, only"
        " while its signer may act for the account.",
        unit(
            "exchange",
            "settle.partial_fills_add_up_to_the_order_and_no_further",
            "settle.replay_of_filled_orders",
            "settle.a_dismissed_delegates_orders_are_void",
            "settle.an_attacker_signs_for_another",
            "settle.no_way_back_in_from_a_trade",
            "signatures.",
        ),
    ),
    "I-75": Property(
        "A standing order fills only while its account is called or in auction, only toward zero, and never worse than"
        " its slack.",
        unit(
            "standing",
            "execute.called_or_in_auction",
            "execute.never_away_from_zero_nor_past_it",
            "execute.the_price_is_rounded_against_the_account",
            "execute.slack_over_the_maximum",
            "execute.nobody_for_an_account_of_anothers",
        ),
    ),
    "I-76": Property(
        "From an owner's wallet comes what he authorised, while the account is called, no more than it needs; from a"
        " reserve, what leaves the reserve its IM.",
        unit(
            "liquidator",
            "top_up.no_more_than_was_authorised",
            "top_up.no_more_than_brings_it_to_initial_margin",
            "top_up.not_before_it_is_called",
            "top_up.the_bounty_is_a_tenth_at_most",
            "draw.the_reserve_stays_at_initial_margin",
            "draw.not_before_it_is_called",
        ),
    ),
    "I-77": Property(
        "Caps hold to the unit: open interest by instrument and underlying, collateral, borrowing by account and in"
        " total, positions, least sizes.",
        unit(
            "clearinghouse",
            "trade.open_interest_over_its_cap",
            "trade.borrowing_over_the_cap",
            "trade.a_position_below_the_minimum",
            "trade.no_more_positions_than_governance_lets",
            "trade.the_least_equity_of_an_account_with_positions",
            "deposit.a_collateral_cap",
        ),
    ),
    "I-78": Property(
        "Profit younger than the lag leaves by no door: not withdrawn, not transferred, not traded on, not settled.",
        (
            *unit(
                "clearinghouse",
                "withdraw.late_profit_is_not_counted",
                "withdraw.profit_of_one_underlying_does_not_excuse_the_loss_of_another",
                "transfer.late_profit_does_not_leave_by_way_of_another_account",
                "trade.it_pays_no_price_worse_than_the_mark",
                "trade.it_buys_no_option_on_credit",
                "multicall.late_profit_does_not_count_at_the_end",
                "settle.a_loss_counts_at_once_a_gain_once_it_is_old",
            ),
            *of("regression", "mango.the_profit_of_minutes_does_not_leave"),
        ),
    ),
    "I-79": Property(
        "What leaves beyond what was brought in keeps to the outflow cap of all accounts; what was brought in is never"
        " held back by it, and a batch is checked at its end as a withdrawal is.",
        unit(
            "clearinghouse",
            "withdraw.what_was_brought_in_leaves_freely_profit_by_and_by",
            "withdraw.the_cap_is_of_all_accounts",
            "multicall.the_check_at_the_end_is_to_the_wei",
            "multicall.no_batch_within_a_batch",
            "multicall.only_this_contract_and_admitted_venues",
        ),
        ("L-54",),
    ),
    "I-80": Property(
        "The fund's shares round for who stays; without income nobody takes out more than was brought; who leaves last"
        " gets what a share is worth.",
        unit(
            "fund",
            "views.rounding_is_for_the_fund",
            "sequences.without_income_nobody_takes_out_more_than_he_brought",
            "sequences.who_leaves_last_gets_no_less",
            "sequences.contract_and_twin_are_alike_and_the_fund_is_whole",
        ),
        ("L-64", "L-65", "L-66", "S-20"),
    ),
    "I-81": Property("No gift moves the price of a share at once, of an empty fund least.", unit("fund", "inflation.")),
    "I-82": Property(
        "Shares leave the fund only after a request, the cool-down, and within the window; meanwhile they bear losses.",
        (
            *unit("fund", "cooldown_dodges.", "redeem.the_window_to_the_second"),
            *unit("fund", "pay.requested_shares_bear_losses", "transfer.requested_shares_do_not_move"),
        ),
        ("S-19",),
    ),
    "I-83": Property(
        "The fund pays the liquidator's bidders alone, within the cap of an event and of an underlying, two of those a"
        " week at most.",
        (
            *unit("fund", "pay.not_the_liquidator", "pay.of_an_event", "pay.of_an_underlying"),
            *unit("fund", "pay.within_any_week_no_more_than_two_caps", "pay.what_the_book_refuses_undoes_the_payment"),
            *unit("liquidator", "losses.the_cap_of_an_event", "losses.the_cap_of_an_underlying"),
        ),
        ("L-47", "S-21"),
    ),
    "I-84": Property(
        "Income drips in over a week: who comes right before it or leaves right after gains nothing by it.",
        unit("fund", "collect.it_drips_over_a_week_and_never_early", "sandwich."),
        ("L-67",),
    ),
    "I-85": Property(
        "A settlement price lies among what honest minutes saw while seven of thirty are wrong, the first price of a"
        " minute being that minute's.",
        unit(
            "history",
            "settlement_price.seven_wrong_prices_stay_inside_the_range_of_the_honest",
            "observe.the_first_of_a_bucket_stays",
            "outliers.all_minutes_observed",
        ),
        ("L-30", "L-31"),
    ),
    "I-86": Property(
        "A settlement price that is final never changes; before, owner and guardians withdraw it, and only the owner"
        " names another, within a factor of two of the index.",
        unit(
            "history",
            "settled.nothing_that_anyone_does_changes_it",
            "dispute.until_it_is_final",
            "dispute.not_once_it_is_final",
            "dispute.nobody_else",
            "resolve.only_the_owner",
            "resolve.within_a_factor_of_two_of_the_index",
        ),
        ("S-28",),
    ),
    "I-87": Property(
        "A breaker trips only while its condition holds, stops for its time and not twice for one finding.",
        unit(
            "breakers",
            "trip.nothing_is_met",
            "trip.an_index_that_moves_further_than_the_limit",
            "trip.it_trips_again_only_while_the_condition_holds_and_half_is_gone",
            "trip.a_longer_stop_stays",
            "trip.a_posted_volatility_over_the_limit",
            "trip.a_fund_that_lost_more_than_the_limit",
            "trip.an_outflow_that_uses_the_cap_up",
            "trip.a_dead_index_is_no_move",
        ),
    ),
    "I-88": Property(
        "Automation does what anyone may do and nothing else: each step is checked again where it is taken, and one"
        " that is refused holds up no other.",
        unit(
            "automation",
            "perform_upkeep.whatever_is_given_it_does_what_the_twin_does",
            "perform_upkeep.one_that_is_refused_holds_up_no_other",
            "init.it_stores_nothing_and_takes_no_money",
            "check_upkeep.a_call_is_not_taken_back_and_comes_again_once_it_lapsed",
        ),
    ),
    "I-89": Property(
        "Funding pays from some to others and makes no money; it is exact over any split of time, limited by"
        " governance, and stops a day after nobody renews it.",
        unit(
            "oracle",
            "funding.what_some_pay_others_are_paid",
            "funding.it_is_the_same_over_any_split_of_a_time",
            "funding.governance_limits_the_rate",
            "funding.a_rate_that_nobody_renews_stops",
        ),
        ("L-13", "L-14", "L-15"),
    ),
    "I-90": Property(
        "A node signs what it finds itself, from its own prices, and nothing else: no lane, mark, scalar or bit of code"
        " is free.",
        unit(
            "nodes",
            "cosigner.it_signs_what_it_finds_itself",
            "cosigner.it_looks_with_its_own_eyes",
            "cosigner.a_lane_is_refused_with_both_numbers",
            "tolerance.lane",
            "tolerance.mark",
            "tolerance.greeks_and_charges",
            "tolerance.forward",
            "tolerance.reference_against_one_s_own_prices",
            "tolerance.scalars",
            "tolerance.funding",
            "tolerance.class_offset_and_cross_haircut",
            "tolerance.what_is_exact",
            "tolerance.no_bit_of_a_code_is_free",
        ),
    ),
    "I-91": Property(
        "A node signs one report a sequence, promises on disk before it signs, and forgets no promise by a restart.",
        unit(
            "nodes",
            "cosigner.one_report_a_sequence",
            "cosigner.no_signature_without_a_promise_on_disk",
            "promises.a_restart_forgets_nothing",
            "promises.what_cannot_be_written_is_not_promised",
        ),
    ),
    "I-92": Property(
        "Tolerances are bounded, and lies as small as they are do not add up.",
        unit("nodes", "cosigner.small_lies_do_not_add_up", "tolerance.tolerances_have_bounds"),
    ),
    "I-93": Property(
        "A peer that lies, stalls, never ends or is dead costs its own signature and no more.",
        unit(
            "nodes",
            "proposer.a_bad_peer_costs_its_own_signature_only",
            "proposer.a_peer_that_answers_too_late",
            "proposer.a_peer_that_never_ends_its_answer",
            "proposer.a_peer_cannot_drive_the_sequence_away",
        ),
    ),
    "I-94": Property(
        "One wrong source among enough changes no price: quorum by count, median, no mean of two, nothing stale.",
        (
            *unit(
                "market",
                "aggregate.a_source_a_thousand_times_off_changes_nothing",
                "aggregate.a_minority_cannot_move_the_price_past_the_honest",
                "aggregate.too_few",
                "aggregate.no_mean_of_two_that_disagree",
                "aggregate.stale_and_future_quotes_are_dropped",
                "aggregate.two_votes_for_one_source",
            ),
            *of("regression", "synthetix_skrw.two_sources_left_are_no_price"),
        ),
    ),
    "I-100": Property(
        "One nonce a decision: whatever dies, whenever, a decision is mined at most once.",
        unit(
            "keeper",
            "sender.a_process_that_dies_at_any_step_sends_it_at_most_once",
            "sender.several_at_once_take_nonces_in_a_row_and_one_block",
            "sender.a_stuck_one_is_replaced_at_its_nonce_by_an_eighth_more",
        ),
    ),
    "I-101": Property(
        "No sequence is posted twice and no step taken twice: what is under way is not begun again, and a sequence that"
        " was sent is not used again.",
        unit(
            "keeper",
            "outbox.a_post_under_way_is_the_only_one",
            "outbox.a_sequence_that_was_sent_is_not_used_again_whatever_came_of_it",
            "outbox.a_step_under_way_is_not_taken_twice",
            "outbox.a_chore_under_way_is_not_done_twice",
        ),
    ),
    "I-102": Property(
        "What is decided is in the journal before it is sent, and there after kill -9.",
        unit(
            "keeper",
            "write_ahead.intent_and_bytes_are_on_disk_before_a_node_sees_them",
            "journal.what_it_said_is_there_after_kill_9",
        ),
    ),
    "I-103": Property(
        "What would revert is not sent, no fee goes over its cap, and a key spends no more a day than it was given.",
        unit(
            "keeper",
            "sender.what_would_revert_is_neither_written_nor_sent",
            "sender.no_fee_over_the_cap",
            "sender.no_more_than_a_days_money",
            "journal.what_was_spent_and_may_be",
        ),
    ),
    "I-104": Property(
        "A reorganisation or a node that forgets brings back the same bytes, not another transaction.",
        unit(
            "keeper",
            "sender.a_reorganisation_brings_it_back_as_the_same_bytes",
            "sender.what_a_node_lost_goes_out_again_as_the_same_bytes",
        ),
    ),
    "I-105": Property(
        "Posting that fails or hangs keeps nobody from being liquidated.",
        unit(
            "keeper",
            "runner.posting_that_hangs_keeps_nobody_from_being_liquidated",
            "loop.liquidation_goes_on_while_the_source_is_down",
            "nodes.without_a_quorum_the_round_fails_stores_nothing_and_liquidation_goes_on",
        ),
    ),
    "I-106": Property(
        "The keeper's index stands where the chain stands, through reorganisations, restarts and kills.",
        unit(
            "keeper/index",
            "follow.it_stands_where_the_chain_stands_after_drawn_actions",
            "follow.blocks_that_the_chain_no_longer_has_are_taken_back",
            "follow.a_kill_at_any_point_leaves_a_whole_database",
            "follow.what_differs_from_the_chain_is_found_and_read_again",
        ),
    ),
    "I-107": Property(
        "Whom the screener calls safe is safe by the chain; whom floats cannot decide is left to integers.",
        (
            *unit("keeper/index", "screener.verdicts_are_those_of_the_chain_after_time_passed"),
            *unit(
                "risk",
                "screen.margins_are_those_of_integers_within_the_bound",
                "screen.an_account_on_the_edge_is_left_to_integers_and_one_beside_it_is_not",
            ),
        ),
    ),
    "I-108": Property(
        "No key, passphrase or secret part of a URL is in a log, a status, an alert or an error.",
        unit(
            "keeper",
            "logs.a_private_key_that_nobody_named_is_seen_by_its_look",
            "logs.a_traceback_holds_no_secret_either",
            "status.no_secret_goes_out_with_it",
            "alerts.what_is_said_holds_no_secret",
            "settings.a_key_that_is_none_is_never_quoted",
        ),
    ),
    "I-109": Property(
        "The keeper bids only where its rule finds a profit, and fills no more than rule, order, position and budget"
        " allow.",
        unit(
            "keeper",
            "liquidation.the_profit_rule",
            "standing.no_fill_moves_more_than_the_rule_allows",
            "standing.what_is_filled_is_allowed_whatever_the_numbers",
        ),
    ),
    "I-110": Property(
        "The same snapshot and configuration give the same report, to the byte, under other threads, instructions,"
        " orders, seeds and libraries.",
        unit(
            "risk",
            "determinism.other_threads_instructions_kernels_seeds_orders_libraries_and_interpreters",
            "engine.same_input_same_bytes_in_other_processes",
            "engine.order_of_the_snapshot_does_not_matter",
            "engine.every_parameter_is_in_the_hash",
        ),
    ),
    "I-111": Property(
        "Any report that the keeper posted is recomputed from its archive to the byte, or the lane that differs is"
        " named.",
        unit(
            "keeper",
            "archive.what_is_kept_comes_back_and_recomputes_to_the_byte",
            "archive.a_changed_byte_is_named",
            "recompute.what_the_keeper_posts_is_archived_and_replays_by_number_and_by_transaction",
            "recompute.the_lane_that_differs_is_named_with_its_meaning_and_both_numbers",
        ),
    ),
    "I-112": Property(
        "The engine's floats and the spec's integers agree within half a unit a lane, and a scan within its bound.",
        unit(
            "risk",
            "arrays.each_lane_is_within_half_a_unit",
            "arrays.float_scan_and_integer_scan_agree_within_the_bound",
        ),
        ("L-69", "L-70"),
    ),
    "I-113": Property(
        "No price inside the scan range costs a book more than its scan and the charge for what lies between nodes; no"
        " book that a search found loses more than its margin.",
        (
            *unit("risk", "arrays.no_price_inside_the_range_costs_more_than_scan_and_gap"),
            *of("regression", "cheapest_losing_book.no_book_loses_more_than_its_margin"),
        ),
    ),
    "I-114": Property(
        "A crash replayed through chain and twin conserves money and leaves no loss off the record, with bidders away"
        " and a node that lies.",
        unit(
            "simulate",
            "replay.chain_and_spec_agree_and_money_is_conserved",
            "replay.a_node_that_lies_changes_nothing",
            "absent.six_hours_without_a_bid",
        ),
    ),
    "I-115": Property(
        "The engine moves what maintenance is made of no faster than the chain allows, however often it reports, and"
        " puts what is urgent into the initial margin at once.",
        (
            *unit(
                "risk",
                "models.however_often_reports_come_the_rate_holds",
                "models.urgency_goes_into_the_initial_margin_at_once",
                "models.glide_by_hand",
            ),
            *unit("keeper", "loop.at_a_limit_it_posts_what_the_guardrails_allow_and_goes_on"),
        ),
    ),
    "I-116": Property(
        "No offset is granted for correlation that is negative, few data earn less, and it moves in steps.",
        unit(
            "risk",
            "correlation.a_negative_correlation_earns_nothing",
            "correlation.few_data_earn_less",
            "correlation.steps_are_limited",
        ),
    ),
    "I-120": Property(
        "What governance sets lies in its published range, whoever sets it, at the limit and not past it.",
        (
            *unit("registry", "set_bands.out_of_range", "set_curve.out_of_range", "set_fees.out_of_range"),
            *unit("registry", "set_limits.account_limits_out_of_range", "set_limits.pool_limits_out_of_range"),
            *unit("registry", "set_collateral_cap.out_of_range"),
            *unit("liquidator", "set_config.at_the_limits", "set_config.out_of_range"),
            *unit("fund", "set_caps.out_of_range", "set_cooldown.out_of_range"),
            *unit("breakers", "set_config.each_within_its_bounds"),
            *unit("oracle", "set_params.at_a_limit", "set_params.beyond_a_limit", "set_signers.a_quorum_out_of_range"),
            *unit("guardrails", "governance.a_limit_out_of_range", "governance.a_halt_out_of_range"),
            *unit("feed", "set_feed.ages_out_of_bounds", "set_bounds.out_of_range", "bind.bands_out_of_bounds"),
            *unit("timelock", "set_delay.the_minimum_within_bounds"),
        ),
        ("S-21", "S-22", "S-23", "S-24", "S-26", "S-27", "L-68"),
    ),
    "I-121": Property(
        "A packed word gives back what it was made of, field by field, and what does not fit its field is refused.",
        (
            *unit("modules", "instruments.a_word_holds_a_signed_quantity"),
            *unit(
                "spec",
                "instruments.an_id_says_what_the_instrument_is",
                "instruments.a_field_that_does_not_fit_is_refused",
                "registry.a_word_is_its_fields",
                "registry.a_field_that_does_not_fit",
                "surface.a_surface_decodes_to_itself",
                "surface.each_row_field_has_its_own_bits",
                "report.words_unpack_to_what_was_packed",
            ),
        ),
        ("L-05", "S-25"),
    ),
}
