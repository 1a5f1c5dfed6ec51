"""I-60, I-61: after any sequence of actions, good and bad, the chain stands where the twin stands.

After each step ledgers, positions, open interest, margins, calls, auctions, indexes and sums of the interest pool,
prices remembered and observed, mandates, limits, the fund, pointers and the tokens held are compared; in each step the
result and the log, or the reason of the refusal.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.chain.artifacts import Artifact
from tests.agreement.actions import ACCOUNTS, FREE, PRICES, TIGHT, USUAL, Player, Terms
from tests.agreement.test_planted import compiled_rarely, faulty_contracts, is_found
from tests.counts import record
from tests.pairs import Mismatch, Pair
from tests.strategies import Drawn, Seeded

P = TypeVar("P", bound=Pair)
SEQUENCES = {"quick": 30, "ci": 30, "figures": 500, "long": 5_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
STEPS = 10


@dataclass(frozen=True)
class Deployment:
    """What sequences run on."""

    quote_decimals: int
    signers: int
    quorum: int
    lag: int  # [s]
    delay: int  # [s]
    terms: Terms


DEPLOYMENTS = (
    Deployment(6, 3, 2, 0, 0, USUAL),
    Deployment(18, 1, 1, 600, 900, FREE),
    Deployment(0, 4, 3, 0, 600, TIGHT),
    Deployment(6, 2, 2, 1_800, 0, USUAL),
)

# What a few hundred sequences must have come by, whichever deployment: what a function did, what it refused.
SEEN: dict[str, set[str]] = {
    "book.claim": {"done"},
    "book.deposit": {"collateral over the cap", "done", "not the account's"},
    "book.expire": {"done"},
    "book.multicall": {
        "below initial margin",
        "cash not there",
        "done",
        "surface not fresh",
        "venue not admitted",
        "zero amount",
    },
    "book.pull": {"not the liquidator"},
    "book.seize": {"not the liquidator"},
    "book.settle": {"done"},
    "book.socialise": {"not the liquidator"},
    "book.trade": {
        "below initial margin",
        "done",
        "instrument expired",
        "loss budget used up",
        "only reducing is allowed",
        "price outside the band",
        "surface not fresh",
        "unknown instrument",
        "venue not allowed",
    },
    "book.transfer": {"below initial margin", "done", "source is target", "zero amount"},
    "book.withdraw": {
        "below initial margin",
        "cash not there",
        "done",
        "surface not fresh",
        "withdrawals are stopped",
        "zero amount",
    },
    "breakers.note": {"done"},
    "breakers.trip": {"nothing to stop"},
    "exchange.cancel": {"not the account's"},
    "exchange.cancel_below": {"done"},
    "exchange.settle": {"below initial margin", "done", "price outside the band", "surface not fresh"},
    "fund.approve": {"done"},
    "fund.cancel_request": {"no request"},
    "fund.collect": {"done"},
    "fund.deposit": {"done"},
    "fund.mint": {"done"},
    "fund.pay": {"not the liquidator"},
    "fund.redeem": {"over the claim", "zero shares"},
    "fund.request": {"done", "transfer amount exceeds balance"},
    "fund.set_caps": {"caps out of range"},
    "fund.transfer": {"done"},
    "fund.transferFrom": {"done"},
    "fund.withdraw": {"over the claim"},
    "history.dispute": {"caller is not the owner", "nothing to dispute"},
    "history.observe": {"bucket is filled", "done", "not in the window"},
    "history.propose": {"done", "not expired", "too few observations"},
    "history.resolve": {
        "caller is not the owner",
        "done",
        "not expired",
        "nothing to resolve",
        "price too far from the index",
    },
    "history.touch": {"done"},
    "liquidator.bid": {
        "another state",
        "below initial margin",
        "bidder is the account",
        "done",
        "fraction below the minimum",
        "margin over the bidder's limit",
        "no auction",
        "not the bidder's account",
        "price over the bidder's limit",
        "surface not fresh",
    },
    "liquidator.call": {"done", "not under the call line"},
    "liquidator.close": {"no auction", "still below initial margin"},
    "liquidator.cure": {"done", "not called", "not curable"},
    "liquidator.draw": {"not called"},
    "liquidator.record": {"done"},
    "liquidator.start": {"call first", "done", "not liquidatable"},
    "liquidator.top_up": {"done", "not called"},
    "mandates.set_allowance": {"base outside the mask", "done"},
    "mandates.set_book": {"book is set"},
    "mandates.set_delegate": {"done"},
    "mandates.set_reserve": {"done", "reserve of another owner"},
    "mandates.set_top_up": {"done"},
    "mandates.spend": {"not the book"},
    "mandates.use_top_up": {"not the book"},
    "oracle.post": {
        "done",
        "not a signer",
        "scalars out of range",
        "sequence not above the last",
        "signers not ascending",
    },
    "oracle.set_book": {"book is set"},
    "oracle.store": {"done", "surface malformed"},
    "registry.resume": {"done"},
    "registry.set_collateral_cap": {"done", "unknown token"},
    "registry.set_instrument_cap": {"done"},
    "registry.set_limits": {"done"},
    "registry.set_underlying_limits": {"done"},
    "registry.stop": {"caller is not the owner", "done", "stop out of range"},
    "registry.stop_underlying": {"done"},
    "standing.execute": {"account not called", "below initial margin"},
    "timelock.execute": {"done", "operation is not ready"},
    "timelock.schedule": {"account is missing role", "done"},
}

# and where limits are tight
SEEN_TIGHT = {
    "book.trade": {"borrowing over the cap", "too many positions"},
    "book.withdraw": {"outflow over the cap"},
}


def deployment(at: int, replaced: dict[str, Artifact] | None = None, kind: type[P] = Pair) -> P:
    """A deployment with a book of trades, where sequences begin."""
    chosen = DEPLOYMENTS[at]
    pair = kind(
        quote_decimals=chosen.quote_decimals,
        decimals=(18, 8),
        underlyings=PRICES,
        signers=chosen.signers,
        quorum=chosen.quorum,
        lag=chosen.lag,
        delay=chosen.delay,
        replaced=replaced,
    )
    player = Player(pair, Seeded(at))
    player.open(chosen.terms)
    player.fund(chosen.terms)
    pair.compare(player.everyone())
    return pair


def play(pair: Pair, seed: int, steps: int = STEPS, focus: Sequence[str] = ()) -> Counter[tuple[str, str]]:
    """One sequence; what came of its steps."""
    with pair.isolated():
        player = Player(pair, Seeded(seed), focus)
        for _ in range(steps):
            player.act()
            pair.compare(player.everyone())
        deals = [player.deal()[2:] for _ in range(2)]
        tried = [(instrument, player.pick((1, -1)) * quantity, price) for instrument, quantity, price in deals]
        pair.compare_lens(player.pick(ACCOUNTS), tried)
        return Counter(player.outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("at", range(len(DEPLOYMENTS)))
def test_chain_and_twin_go_the_same_way(at: int) -> None:
    pair = deployment(at)
    seen: Counter[tuple[str, str]] = Counter()
    mismatches: list[str] = []
    for seed in range(at * SEQUENCES, (at + 1) * SEQUENCES):
        try:
            seen += play(pair, seed)
        except Mismatch as mismatch:
            mismatches.append(f"sequence {seed}: {mismatch}")
    record(sequences=SEQUENCES, sequence_mismatches=len(mismatches))
    assert mismatches == []
    assert sum(seen.values()) > SEQUENCES * STEPS // 2
    if SEQUENCES >= 500:  # a few sequences come by few things
        short = {(name, reason.rpartition(": ")[2]) for name, reason in seen}
        wanted = [*SEEN.items(), *(SEEN_TIGHT.items() if DEPLOYMENTS[at].terms is TIGHT else ())]
        missing = {name: reasons - {r for n, r in short if n == name} for name, reasons in wanted}
        assert not any(missing.values()), missing
        assert sum(count for (_, reason), count in seen.items() if reason == "done") > sum(seen.values()) // 3


@pytest.fixture(scope="module")
def pair() -> Pair:
    return deployment(0)


@settings(max_examples=settings.default.max_examples // 2)  # an example is a world; seeds draw more beside
@given(st.data())
def test_drawn_sequences_go_the_same_way(pair: Pair, data: st.DataObject) -> None:
    with pair.isolated():
        player = Player(pair, Drawn(data.draw))
        for _ in range(5):
            player.act()
            pair.compare(player.everyone())
        assert not pair.changed


AUCTION = "modules/dutch_auction.vy"
BOOK = "modules/book.vy"
INTEREST = "modules/interest.vy"
LIQUIDATOR = ("Liquidator",)
BOTH = ("Clearinghouse", "BackOffice")  # one storage, one module: what is wrong in it is wrong in both
TIME = ("wait", "expire", "borrow")
SALES = ("crash", "pursue", "bid")
CALLS = ("gear", "pursue", "pursue")


@dataclass(frozen=True)
class Fault:
    """One replacement in the sources of some contracts, the deployment that shows it, and what shows it soonest."""

    contracts: tuple[str, ...]
    file: str
    old: str
    new: str
    focus: tuple[str, ...]
    at: int = 0


def rounded(old: str) -> str:
    """The same text with its first rounding turned."""
    for one, other in (("_up(", "_down("), ("_down(", "_up("), ("_floor(", "_ceil("), ("_ceil(", "_floor(")):
        if one in old and not any(x in old[: old.index(one)] for x in ("_up(", "_down(", "_floor(", "_ceil(")):
            return old.replace(one, other, 1)
    raise ValueError(old)


def turned(
    contracts: tuple[str, ...], file: str, old: str, focus: tuple[str, ...], at: int = 0, new: str | None = None
) -> Fault:
    """A rounding the other way, or another replacement."""
    return Fault(contracts, file, old, rounded(old) if new is None else new, focus, at)


TRADE = (("Clearinghouse",), "Clearinghouse.vy")
OFFICE = (("BackOffice",), "BackOffice.vy")
DEALS = ("trade", "settle")
CONTRACT_FAULTS = {
    # auctions
    "payment up": turned(LIQUIDATOR, "Liquidator.vy", "offer.payment = fixed._mul_div_down(price", SALES),
    "fraction down": turned(LIQUIDATOR, AUCTION, "fixed._mul_div_up(need", SALES),
    "due up": turned(LIQUIDATOR, "Liquidator.vy", "offer.due = fixed._mul_div_down(", ("crash",)),
    "bonus up": turned(
        LIQUIDATOR, "Liquidator.vy", "convert(fixed._mul_div_down(found.mm, self.config.bonus", ("crash",)
    ),
    "fee of a liquidation down": turned(LIQUIDATOR, "Liquidator.vy", "fee = min(price, fixed._mul_div_up(", CALLS),
    "fee of a part down": turned(
        LIQUIDATOR, "Liquidator.vy", "offer.fee = min(offer.payment, fixed._mul_div_up(", CALLS
    ),
    "socialised up": turned(LIQUIDATOR, "Liquidator.vy", "owed: uint256 = fixed._mul_div_down(", ("crash",)),
    "record down": turned(LIQUIDATOR, "Liquidator.vy", "fixed._div_floor(before.equity_full * left", ("crash",)),
    "need down": turned(
        LIQUIDATOR,
        "Liquidator.vy",
        "fixed._div_up(convert(missing, uint256), QUOTE_SCALE)",
        ("pursue", "draw", "top_up"),
        new="convert(missing, uint256) // QUOTE_SCALE",
    ),
    "price of a part down": turned(LIQUIDATOR, "Liquidator.vy", "convert(received, int256) <= fixed._div_ceil(", SALES),
    # trades
    "buyer pays down": turned(*TRADE, "fixed._div_ceil(change * cost", DEALS),
    "seller receives up": turned(*TRADE, "fixed._div_floor(change * cost", DEALS),
    "fee of a trade down": turned(*TRADE, "fee: uint256 = fixed._mul_div_up(notional", DEALS),
    "fee of the other side down": turned(*TRADE, "fees: uint256 = fee + fixed._mul_div_up(notional", DEALS),
    "loss against the mark down": turned(*TRADE, "loss: uint256 = fixed._mul_div_up(", ("allow", *DEALS)),
    "funding paid twice": turned(*TRADE, "cost -= staticcall", ("wait", "gear", "trade"), new="cost += staticcall"),
    "open interest of the other side": turned(
        *TRADE, "max(held_seller - change, 0)", DEALS, new="max(held_seller + change, 0)"
    ),
    # seizures and losses
    "seized cash down": turned(*OFFICE, "fixed._div_ceil(book._cash(account) * part", SALES),
    "seized linear down": turned(*OFFICE, "fixed._div_ceil(book._linear(account) * part", SALES),
    "open interest that a seizure closes": turned(
        BOTH,
        BOOK,
        "convert(min(abs(held), abs(moved)), uint256)",
        SALES,
        new="convert(max(abs(held), abs(moved)), uint256)",
    ),
    "loss down": turned(("BackOffice",), INTEREST, "supply_index - fixed._mul_div_up(supply_index, amount", ("crash",)),
    "who is paid bears nothing": turned(
        *OFFICE, "    book._touch(account)  # it bears its part before it is paid\n", ("crash",), new=""
    ),
    # what time brings
    "expiry paid up": turned(BOTH, BOOK, "pays: int256 = fixed._div_floor(", ("settle_expiry",)),
    "debt grows down": turned(BOTH, INTEREST, "-convert(fixed._mul_div_up(convert(-cash", TIME),
    "cash grows up": turned(BOTH, INTEREST, "convert(fixed._mul_div_down(convert(cash", TIME),
    "interest up": turned(BOTH, INTEREST, "interest: uint256 = fixed._mul_div_down(", TIME),
    "index of debts down": turned(BOTH, INTEREST, "pool.borrow_index + fixed._mul_div_up(", TIME),
    "index of cash up": turned(BOTH, INTEREST, "pool.supply_index + fixed._mul_div_down(", TIME),
    "what the fund keeps down": turned(BOTH, INTEREST, "kept = fixed._mul_div_up(", TIME),
    "utilisation down": turned(BOTH, INTEREST, "return fixed._mul_div_up(debt, fixed.PPM", TIME),
    "rate down": turned(BOTH, INTEREST, "base + fixed._mul_div_up(low", TIME, 2),
    "rate past the kink down": turned(BOTH, INTEREST, "base + low + fixed._mul_div_up(high", TIME),
    "a gain counts at the better price": turned(
        *OFFICE,
        "min(linear + min(now, lagged)",
        ("settle_account", "move", "wait"),
        3,
        new="min(linear + max(now, lagged)",
    ),
    "outflow drains up": turned(BOTH, BOOK, "drained: uint256 = fixed._mul_div_down(cap", ("cash_out", "wait"), 2),
    # the fund, the history, the rest
    "shares of a deposit up": turned(
        ("InsuranceFund",), "InsuranceFund.vy", "return fixed._mul_div_down(assets, erc20.totalSupply", ("insure",)
    ),
    "assets of a mint down": turned(
        ("InsuranceFund",), "InsuranceFund.vy", "return fixed._mul_div_up(shares, self._assets() + 1", ("insure",)
    ),
    "what drips down": turned(
        ("InsuranceFund",), "InsuranceFund.vy", "return fixed._mul_div_up(income.locked", ("insure", "wait")
    ),
    "what is spent drains up": turned(
        ("InsuranceFund",), "InsuranceFund.vy", "drained: uint256 = fixed._mul_div_down(", ("crash", "wait")
    ),
    "fee factor down": turned(("Registry",), "modules/fees.vy", "return min(cap, fixed._mul_div_up(base", DEALS),
    "late profit down": turned(
        ("History",), "History.vy", "live += fixed._div_floor(at_live", ("settle_account", "move"), 3
    ),
    "standing price to the taker": turned(
        ("StandingOrders",),
        "StandingOrders.vy",
        "return fixed._mul_div_down(mark, fixed.PPM - order.slack",
        ("stand_ready",),
    ),
}


USUAL = {"payment up"}


@pytest.mark.slow
@pytest.mark.parametrize("name", compiled_rarely(CONTRACT_FAULTS, USUAL))
def test_a_fault_in_a_contract_is_found(tmp_path: Path, name: str) -> None:
    fault = CONTRACT_FAULTS[name]
    faulty = faulty_contracts(tmp_path, fault.contracts, fault.file, fault.old, fault.new)

    def compare() -> None:
        pair = deployment(fault.at, faulty)
        for seed in range(300):
            play(pair, seed, focus=fault.focus)

    assert is_found(compare)
