"""I-61: the event log of the chain, decoded and replayed through the spec, gives the chain's state exactly."""

from __future__ import annotations

import os

import pytest

from tests.agreement.actions import Player
from tests.agreement.test_sequences import deployment
from tests.counts import record
from tests.replays import check, log_of, replay
from tests.strategies import Seeded

SEQUENCES = {"quick": 3, "ci": 12, "figures": 75, "long": 1_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
STEPS = 12
FOCUS = ("crash", "settle_expiry", "cash_out", "batch", "borrow", "claim", "pursue", "pursue", "transfer")


@pytest.mark.slow
@pytest.mark.parametrize("at", range(4))
def test_the_log_alone_gives_the_state(at: int) -> None:
    pair = deployment(at)
    check(pair, replay(pair, log_of(pair)))
    names: set[str] = set()
    for seed in range(SEQUENCES):
        with pair.isolated():
            player = Player(pair, Seeded(seed), FOCUS)
            for _ in range(STEPS):
                player.act()
            log = log_of(pair)
            check(pair, replay(pair, log))
            names |= {event.name for _, event in log}
    record(replayed_sequences=SEQUENCES)
    if SEQUENCES >= 75:
        assert names >= MUST_HAPPEN


MUST_HAPPEN = {
    "Accrued",
    "AuctionClosed",
    "AuctionStarted",
    "BadDebtRecorded",
    "Called",
    "Claimed",
    "Expired",
    "LossSocialised",
    "Seized",
    "Settled",
    "ShortfallPaid",
    "Transferred",
    "Withdrawn",
}


@pytest.mark.parametrize("name", ["Traded", "Deposited", "CollateralListed", "FundSet"])
def test_an_event_less_is_found(name: str) -> None:
    pair = deployment(0)
    log = log_of(pair)
    at = next(at for at, (_, event) in enumerate(log) if event.name == name)
    with pytest.raises((AssertionError, KeyError)):
        check(pair, replay(pair, log[:at] + log[at + 1 :]))
