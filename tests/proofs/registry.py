"""The numbered lemmas: a sentence each, and where the contracts and the twin use it.

This file needs no solver: documents link to it. The proofs are in the modules beside it, one a contract module, each
function under the id of its lemma; `python -m tests.proofs` runs them. A proof is about the contract's own text:
`tests.proofs.vyper` reads the function from `contracts/` and works it out over unknown integers.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Lemma(NamedTuple):
    """A sentence, and where it is used."""

    sentence: str
    used_in: tuple[str, ...]  # path from `contracts`, ::, a function there
    spec: tuple[str, ...] = ()  # its twin: module of `plimsoll.spec`, ., function


LEMMAS: Final[dict[str, Lemma]] = {
    # ---------------------------------------------------------------------------------------------------- fixed.vy
    "L-01": Lemma(
        "A quotient up is the least integer not below the fraction, and its unchecked increment never wraps.",
        ("modules/fixed.vy::_div_up",),
        ("wad.div_up",),
    ),
    "L-02": Lemma(
        "On a machine whose division truncates, the signed quotients go toward minus infinity, plus infinity and zero,"
        " as their names say, at both signs.",
        ("modules/fixed.vy::_div_floor", "modules/fixed.vy::_div_ceil", "modules/fixed.vy::_div_truncate"),
        ("wad.div_floor", "wad.div_up", "wad.div_truncate"),
    ),
    "L-03": Lemma(
        "A product divided down is at most the fraction, up at least, and the two are less than two units apart: equal"
        " exactly where nothing remains.",
        ("modules/fixed.vy::_mul_div_down", "modules/fixed.vy::_mul_div_up"),
        ("wad.mul_div_down", "wad.mul_div_up"),
    ),
    "L-04": Lemma(
        "Splitting gains nothing: quotients down of two parts sum to no more than that of the whole, quotients up to no"
        " less, and to within a unit.",
        ("modules/fixed.vy::_mul_div_down", "modules/fixed.vy::_mul_div_up"),
        ("wad.mul_div_down", "wad.mul_div_up"),
    ),
    # ---------------------------------------------------------------------------------------------- instruments.vy
    "L-05": Lemma(
        "A position word gives back the quantity and the id that it was made of.",
        ("modules/instruments.vy::_word", "modules/instruments.vy::_quantity"),
        ("instruments.word", "instruments.quantity_of"),
    ),
    "L-06": Lemma(
        "Halving the range of a book of 127 words ends within seven steps, and the place looked for stays inside it.",
        ("modules/instruments.vy::_position",),
    ),
    # -------------------------------------------------------------------------------------------------- surface.vy
    "L-07": Lemma(
        "The forward at a live index never wraps, is under 2**122, and is the quotient down.",
        ("modules/surface.vy::_ahead",),
        ("wad.mul_div_down",),
    ),
    "L-08": Lemma(
        "Strikes, bounds and products of a mark never wrap where no two's complement is meant; a mark lies inside its"
        " no-arbitrage bounds, whatever was posted.",
        ("modules/surface.vy::_mark",),
        ("margin.mark",),
    ),
    "L-09": Lemma(
        "A mark worked out in two's complement, shifted up, is the sum of three terms each rounded down, clamped.",
        ("modules/surface.vy::_mark",),
        ("margin.mark",),
    ),
    "L-10": Lemma(
        "A biased lane is the lane plus 2**15, and a pair of a word's lanes stands 128 bits apart.",
        ("RiskOracle.vy::_terms", "modules/surface.vy::_lanes"),
    ),
    "L-11": Lemma(
        "Sums of 127 positions of the greatest quantity keep a packed lane under 2**117: it reaches no neighbour.",
        ("RiskOracle.vy::_terms",),
        ("margin.terms",),
    ),
    "L-12": Lemma(
        "Unpacking gives back the exact sum of quantity x scale x lane, and wraps nowhere.",
        ("modules/surface.vy::_lanes",),
        ("margin.terms",),
    ),
    # --------------------------------------------------------------------------------------------------- margin.vy
    "L-13": Lemma(
        "Funding wraps nowhere, whatever is posted until 2**40 seconds are over, and its words fit their fields.",
        ("modules/margin.vy::_accrued", "RiskOracle.vy::_set_funding"),
        ("margin.accrued",),
    ),
    "L-14": Lemma(
        "Funding is exact over any split of an interval, and stops a life after the rate was set.",
        ("modules/margin.vy::_accrued",),
        ("margin.accrued",),
    ),
    "L-15": Lemma(
        "What the holders of a perp pay and receive sums to zero but for dust, less than a unit an account, that the"
        " system keeps.",
        ("modules/margin.vy::_funding", "RiskOracle.vy::_terms"),
        ("margin.funding",),
    ),
    "L-16": Lemma(
        "In an expiry's window losses stay whole and gains only fade, down, without a wrap; at its start nothing"
        " changes.",
        ("modules/margin.vy::_faded",),
        ("margin.faded",),
    ),
    "L-17": Lemma(
        "The scan is at least the loss in every lane, up, and zero where no lane loses.",
        ("modules/margin.vy::_scan",),
        ("margin.terms",),
    ),
    "L-18": Lemma(
        "Netting never raises the scan: two books together need no more than one by one.",
        ("modules/margin.vy::_scan",),
        ("margin.terms",),
    ),
    "L-19": Lemma(
        "Concentration is zero up to the depth and overflows nowhere; its size never falls with what is held.",
        ("modules/margin.vy::_concentration",),
        ("margin.terms",),
    ),
    "L-20": Lemma(
        "The market term never falls with open interest, is at most the notional, and overflows nowhere.",
        ("modules/margin.vy::_market",),
        ("margin.terms",),
    ),
    "L-21": Lemma(
        "In a class losses count whole and gains at most as they are, down; the sums overflow nowhere.",
        ("modules/margin.vy::_weighed",),
        ("margin.portfolio_scan",),
    ),
    "L-22": Lemma(
        "The joint loss of a class is never over the sum of its scans, so that the credit never underflows.",
        ("modules/margin.vy::_offset", "modules/margin.vy::_scan", "modules/margin.vy::_weighed"),
        ("margin.portfolio_scan",),
    ),
    "L-23": Lemma(
        "The scan of a class lies between its largest member's and the sum: an offset never raises it.",
        ("modules/margin.vy::_offset",),
        ("margin.portfolio_scan",),
    ),
    # ----------------------------------------------------------------------------------------------- RiskOracle.vy
    "L-24": Lemma(
        "No sum over 127 positions of the greatest quantity, at the greatest marks and charges, wraps.",
        ("RiskOracle.vy::_terms",),
        ("margin.terms",),
    ),
    "L-25": Lemma(
        "No product of the terms of an underlying overflows at the greatest sums, price and parameters.",
        ("RiskOracle.vy::_terms",),
        ("margin.terms",),
    ),
    "L-26": Lemma(
        "A position of positive size has a positive gross charge, and maintenance margin is at least the gross charge:"
        " it is positive.",
        ("RiskOracle.vy::_terms", "RiskOracle.vy::assess", "modules/margin.vy::_gross_floor"),
        ("margin.assess",),
    ),
    "L-27": Lemma(
        "IM >= call line >= MM, where every underlying's IM factor is over 1 + call buffer.",
        ("RiskOracle.vy::assess", "RiskOracle.vy::_terms"),
        ("margin.assess",),
    ),
    "L-28": Lemma(
        "E_m reads no number that a report limits risk with: with marks and index held, no report makes it negative.",
        ("RiskOracle.vy::assess",),
        ("margin.assess",),
    ),
    "L-29": Lemma(
        "A row's place in the code, and what counts a loop, wrap nowhere.",
        ("RiskOracle.vy::_terms", "Guardrails.vy::check", "Guardrails.vy::_admit_surfaces"),
    ),
    # --------------------------------------------------------------------------------------------- settlement_price
    "L-30": Lemma(
        "The settlement price lies between the least and the greatest of what it is the mean of, and its sum fits.",
        ("modules/settlement_price.vy::_middle_half",),
        ("history.middle_half",),
    ),
    "L-31": Lemma(
        "Seven wrong buckets of thirty cannot move the settlement price out of the range of the right ones.",
        ("modules/settlement_price.vy::_middle_half",),
        ("history.middle_half",),
    ),
    "L-32": Lemma(
        "An insertion keeps what stands before it in order, and its unchecked steps wrap nowhere.",
        ("modules/settlement_price.vy::_middle_half", "modules/settlement_price.vy::_count"),
        ("history.middle_half",),
    ),
    # ------------------------------------------------------------------------------------------------- interest.vy
    "L-33": Lemma(
        "Utilisation lies in 0 .. 1, is rounded up, and its product fits.",
        ("modules/interest.vy::_utilisation",),
        ("interest.utilisation",),
    ),
    "L-34": Lemma(
        "The borrowing rate never falls as utilisation grows, and is at most base and both slopes.",
        ("modules/interest.vy::_rate",),
        ("interest.rate",),
    ),
    "L-35": Lemma(
        "No index falls by accrual, nor does any sum; none leaves its field.",
        ("modules/interest.vy::_accrued",),
        ("interest.accrued",),
    ),
    "L-36": Lemma(
        "Interest is split without a rest: what the fund keeps and the supply grows by is what the debt grows by.",
        ("modules/interest.vy::_accrued",),
        ("interest.accrued",),
    ),
    "L-37": Lemma(
        "Cash booked often is no more than cash booked once, and a debt booked often no less.",
        ("modules/interest.vy::_grown",),
        ("interest.grown",),
    ),
    "L-38": Lemma(
        "A socialised loss takes at least its amount from all positive cash, and never more than half of the index.",
        ("modules/interest.vy::_cut", "BackOffice.vy::socialise"),
        ("interest.cut",),
    ),
    # ----------------------------------------------------------------------------------------------------- fees.vy
    "L-39": Lemma(
        "A fee's rate is at least its base, at most its cap, never falls as volatility or utilisation grow, and no"
        " product reaches 2**94.",
        ("modules/fees.vy::_raise", "modules/fees.vy::_rate"),
        ("registry.fee_rate",),
    ),
    "L-40": Lemma(
        "Cutting volatility and utilisation changes no rate: a scale and a base of one come over every cap there.",
        ("modules/fees.vy::_raise", "modules/fees.vy::_rate"),
        ("registry.fee_rate",),
    ),
    "L-41": Lemma(
        "A trade conserves money: what the buyer pays is what the seller receives, both fees, and a dust of nought or"
        " one unit for the system.",
        ("Clearinghouse.vy::trade",),
        ("book.Book.trade",),
    ),
    # -------------------------------------------------------------------------------------- dutch_auction, Liquidator
    "L-42": Lemma(
        "The share of an auction's discount never falls, from its start to the whole at the ramp's end.",
        ("modules/dutch_auction.vy::_share",),
        ("liquidator.share_at",),
    ),
    "L-43": Lemma(
        "The discount is at most the haircut plus MM, never falls with the share, and fits.",
        ("modules/dutch_auction.vy::_discount",),
        ("liquidator.discount_of",),
    ),
    "L-44": Lemma(
        "The price of an auction only falls with time, and is never under nothing while there is equity.",
        ("modules/dutch_auction.vy::_share", "modules/dutch_auction.vy::_discount", "Liquidator.vy::_offer"),
        ("liquidator.offer_for",),
    ),
    "L-45": Lemma(
        "A bid at the cap brings the account back to initial margin; the cap lies in 0 .. 1.",
        ("modules/dutch_auction.vy::_fraction",),
        ("liquidator.cap_of",),
    ),
    "L-46": Lemma(
        "A bidder pays at most its part of the price, and the fee is never over the payment.",
        ("Liquidator.vy::_offer",),
        ("liquidator.offer_for",),
    ),
    "L-47": Lemma(
        "What the fund owes a bidder is at most the bonus and the debt, and nothing while the account has a price.",
        ("Liquidator.vy::_offer",),
        ("liquidator.offer_for",),
    ),
    "L-48": Lemma(
        "No auction starts of an account with E_m >= 0 but after a call that is ripe or late, or a dry auction.",
        ("Liquidator.vy::start",),
        ("liquidator.Liquidator.start",),
    ),
    # ---------------------------------------------------------------------------------------------------- book.vy
    "L-49": Lemma(
        "A seized part is down in magnitude, of the position's sign, and leaves the rest: together they are the whole.",
        ("modules/book.vy::_take_over",),
        ("book.split",),
    ),
    "L-50": Lemma(
        "Merging seized positions wraps nowhere: sums, what closes, and places.",
        ("modules/book.vy::_take_over",),
        ("book.merge",),
    ),
    "L-51": Lemma(
        "Both ledgers come back from their word, up to the maximum, and no change of one overflows.",
        ("modules/book.vy::_set_ledger", "modules/book.vy::_cash", "modules/book.vy::_linear"),
        ("book.Book._set_ledger",),
    ),
    "L-52": Lemma(
        "A token amount is worth exactly its units: what is brought in is what can be taken out.",
        ("modules/book.vy::_worth",),
        ("book.Book._worth",),
    ),
    "L-53": Lemma(
        "What a seizure moves of a ledger is up: of a debt the bidder bears no more than its part; and the sum stays.",
        ("BackOffice.vy::seize",),
        ("book.Book.seize",),
    ),
    "L-54": Lemma(
        "Profit that left drains no faster than the cap a window.",
        ("modules/book.vy::_flow_out",),
        ("book.Book._flow_out",),
    ),
    # ------------------------------------------------------------------------------------------- History, IndexFeed
    "L-55": Lemma(
        "An age is never negative where a clock does not go back, and pairs of buckets stay in their array.",
        ("History.vy::touch", "History.vy::_lagged", "History.vy::_buckets"),
        ("history.History.lagged",),
    ),
    "L-56": Lemma(
        "A leg's age and its product with a power of ten never wrap.",
        ("IndexFeed.vy::_leg",),
        ("feed.IndexFeed.price",),
    ),
    # ------------------------------------------------------------------------------------------------ Guardrails.vy
    "L-57": Lemma(
        "Shifts and places of nodes and lanes never wrap.",
        ("Guardrails.vy::check", "Guardrails.vy::_is_token"),
    ),
    "L-58": Lemma(
        "What an option may gain and lose, and what it is worth, never wraps, whatever is posted.",
        ("Guardrails.vy::check",),
        ("guardrails.Guardrails._check_option",),
    ),
    "L-59": Lemma(
        "Four comparisons in one word: bit 40 of a field is set exactly where one lane is not below another, and no"
        " field borrows from its neighbour.",
        ("Guardrails.vy::check",),
        ("guardrails.is_option",),
    ),
    "L-60": Lemma(
        "The slopes and bends of an option's lanes, four at a time, stay in their fields, and their bits say what the"
        " integers do.",
        ("Guardrails.vy::check",),
        ("guardrails.is_option",),
    ),
    "L-61": Lemma(
        "The extremes of an option's lanes, three at a time, stay in their fields; their bits say what integers do.",
        ("Guardrails.vy::check",),
        ("guardrails.is_damped",),
    ),
    "L-62": Lemma(
        "A scalar's step and the product it is held to fit, at the greatest of each; it stays within its limit.",
        ("Guardrails.vy::_hold", "Guardrails.vy::_seconds"),
        ("guardrails.Guardrails._hold",),
    ),
    "L-63": Lemma(
        "At one market time a scalar moves once: a second report of that time moves nothing that stands.",
        ("Guardrails.vy::_seconds", "Guardrails.vy::_hold"),
        ("guardrails.Guardrails.seconds",),
    ),
    # --------------------------------------------------------------------------------------------- InsuranceFund.vy
    "L-64": Lemma(
        "Depositing and redeeming what it gave returns no more than went in.",
        ("InsuranceFund.vy::_shares_down", "InsuranceFund.vy::_assets_down"),
        ("fund.InsuranceFund._shares_down", "fund.InsuranceFund._assets_down"),
    ),
    "L-65": Lemma(
        "Minting and redeeming the same shares, or depositing and withdrawing the same assets, gains nothing.",
        ("InsuranceFund.vy::_assets_up", "InsuranceFund.vy::_shares_up"),
        ("fund.InsuranceFund._assets_up", "fund.InsuranceFund._shares_up"),
    ),
    "L-66": Lemma(
        "No deposit and no redemption lowers what a share of those who stay is worth.",
        ("InsuranceFund.vy::deposit", "InsuranceFund.vy::redeem"),
        ("fund.InsuranceFund._shares_down", "fund.InsuranceFund._assets_down"),
    ),
    "L-67": Lemma(
        "Income comes in late rather than early: what still drips never grows with time, and is done within a drip.",
        ("InsuranceFund.vy::_locked", "InsuranceFund.vy::collect"),
        ("fund.InsuranceFund.locked",),
    ),
    # ------------------------------------------------------------------------------------------------ params, report
    "L-68": Lemma(
        "Sound governance numbers have a positive gross floor for every kind, and a call buffer of one to a hundred per"
        " cent.",
        ("modules/params.vy::_are_sound",),
        ("oracle.are_sound",),
    ),
    "L-69": Lemma(
        "A charge is posted less than one quantum above what the model said, and below it by the guard of a millionth"
        " quantum at most.",
        (),
        (),
    ),
    "L-70": Lemma(
        "A lane is posted within half a unit, and the guard, of what the model said.",
        (),
        (),
    ),
}
