"""I-60, I-61: after any sequence of actions, good and bad, the chain stands where the twin stands.

After each step cash, linear, positions, open interest, margins, calls, auctions, pointers and the tokens held are
compared; in each step the result and the log, or the reason of the refusal.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agreement.actions import ACCOUNTS, PRICES, Player
from tests.agreement.test_planted import faulty_contract, is_found
from tests.counts import record
from tests.pairs import Mismatch, Pair
from tests.strategies import Drawn, Seeded

SEQUENCES = {"quick": 30, "ci": 500, "long": 5_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
STEPS = 10
# quote decimals, collateral decimals, signers, quorum
DEPLOYMENTS = ((6, (18, 8), 3, 2), (18, (18, 8), 1, 1), (0, (18, 8), 4, 3), (6, (18, 8), 2, 2))

# What a few hundred sequences must have come by, whichever deployment: what a function did, what it refused.
SEEN = {
    "book.deposit": {"done", "amount over the maximum", "system account", "token new to the account", "zero amount"},
    "book.withdraw": {"done", "below initial margin", "not the account's", "surface not fresh", "zero amount"},
    "book.trade": {
        "done",
        "below initial margin",
        "buyer is seller",
        "price outside the band",
        "price worse than allowed",
        "quantity over the maximum",
        "surface not fresh",
        "unknown instrument",
        "venue not admitted",
        "venue not allowed",
        "zero price",
        "zero quantity",
    },
    "exchange.settle": {"done", "wrong signature", "order cancelled", "same side", "prices do not cross"},
    "oracle.post": {"done", "sequence not above the last", "not a signer", "below quorum", "mixed sets"},
    "liquidator.call": {"done", "not under the call line"},
    "liquidator.cure": {"done", "not called", "not curable"},
    "liquidator.start": {"done", "not liquidatable"},
    "liquidator.bid": {"done", "no auction", "payment over the bidder's limit", "bidder is the account"},
    "liquidator.close": {"done", "no auction", "still below initial margin"},
}


def deployment(at: int, replaced: dict | None = None) -> Pair:
    """A deployment with a book of trades, where sequences begin."""
    quote_decimals, decimals, signers, quorum = DEPLOYMENTS[at]
    pair = Pair(
        quote_decimals=quote_decimals,
        decimals=decimals,
        underlyings=PRICES,
        signers=signers,
        quorum=quorum,
        replaced=replaced,
    )
    player = Player(pair, Seeded(at))
    player.open()
    player.fund()
    pair.compare(player.everyone())
    return pair


def play(pair: Pair, seed: int, steps: int = STEPS) -> Counter[tuple[str, str]]:
    """One sequence; what came of its steps."""
    with pair.isolated():
        player = Player(pair, Seeded(seed))
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
        assert {name: wanted - {r for n, r in short if n == name} for name, wanted in SEEN.items()} == {
            name: set() for name in SEEN
        }
        assert sum(count for (_, reason), count in seen.items() if reason == "done") > sum(seen.values()) // 3


@pytest.fixture(scope="module")
def pair() -> Pair:
    return deployment(0)


@given(st.data())
def test_drawn_sequences_go_the_same_way(pair: Pair, data: st.DataObject) -> None:
    with pair.isolated():
        player = Player(pair, Drawn(data.draw))
        for _ in range(5):
            player.act()
            pair.compare(player.everyone())
        assert not pair.changed


AUCTION = "modules/dutch_auction.vy"
CONTRACT_FAULTS = {
    "payment up": (
        "Liquidator",
        AUCTION,
        "return fixed._mul_div_down(convert(full, uint256) - discount, fraction",
        "return fixed._mul_div_up(convert(full, uint256) - discount, fraction",
    ),
    "fraction down": ("Liquidator", AUCTION, "fixed._mul_div_up(need", "fixed._mul_div_down(need"),
    "seller's share up": (
        "Clearinghouse",
        "Clearinghouse.vy",
        "received: uint256 = fixed._mul_div_down(",
        "received: uint256 = fixed._mul_div_up(",
    ),
    "seized cash down": (
        "Clearinghouse",
        "Clearinghouse.vy",
        "fixed._div_ceil(convert(ledger.cash",
        "fixed._div_floor(convert(ledger.cash",
    ),
    "open interest that a seizure closes": (
        "Clearinghouse",
        "Clearinghouse.vy",
        "convert(min(abs(held), abs(moved)), uint256)",
        "convert(max(abs(held), abs(moved)), uint256)",
    ),
    "open interest of the other side": (
        "Clearinghouse",
        "Clearinghouse.vy",
        "max(held_seller - change, 0)",
        "max(held_seller + change, 0)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", CONTRACT_FAULTS)
def test_a_fault_in_a_contract_is_found(tmp_path: Path, fault: str) -> None:
    contract, *change = CONTRACT_FAULTS[fault]
    faulty = faulty_contract(tmp_path, contract, *change)

    def compare() -> None:
        pair = deployment(0, {contract: faulty})
        for seed in range(300):
            play(pair, seed)

    assert is_found(compare)
