"""I-61: the event log of the chain, decoded and replayed through the spec, gives the chain's state exactly."""

from __future__ import annotations

import os
from typing import Any

import pytest
from eth_utils.crypto import keccak

from plimsoll.chain.contract import events_of
from plimsoll.spec.events import Event
from plimsoll.spec.replay import Replay
from tests.agreement.actions import Player
from tests.agreement.test_sequences import deployment
from tests.counts import record
from tests.pairs import Pair, from_chain
from tests.strategies import Seeded

SEQUENCES = {"quick": 3, "ci": 12, "figures": 75, "long": 1_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
STEPS = 12
FOCUS = ("crash", "settle_expiry", "cash_out", "batch", "borrow", "claim", "pursue", "pursue", "transfer")
SOURCES = ("feed", "registry", "book", "liquidator")


class Recording(Pair):
    """A pair that knows the time of each block, and so the chain's whole log with times."""

    BEGAN = 1_700_000_000  # [s] the first block, of every constructor

    def __init__(self, **options: Any) -> None:
        self.times = {1: self.BEGAN}
        super().__init__(now=self.BEGAN, **options)

    def advance(self, seconds: int) -> None:
        super().advance(seconds)
        self.times[self.chain.block] = self.now

    def log(self) -> list[tuple[int, Event]]:
        """Every event so far of what a replay reads, decoded, with its block's time."""
        contracts = [self.contracts[part] for part in SOURCES]
        return [
            (self.times[block], Event(e.contract, e.name, {k: from_chain(v) for k, v in e.args._asdict().items()}))
            for block, found in self.chain._logs
            for e in events_of([found], contracts)
        ]


def storage(pair: Pair, name: str, key: int | None = None, offset: int = 0) -> int:
    """A word of the Clearinghouse's storage: of a variable, or of a map at a key; `offset` words on."""
    book = pair.contracts["book"]
    slot = book.artifact.layout["storage_layout"]["book"][name]["slot"]
    if key is not None:
        slot = int.from_bytes(keccak(slot.to_bytes(32, "big") + key.to_bytes(32, "big")), "big")
    return pair.chain.storage(book.address, slot + offset)


def signed(value: int) -> int:
    """128 bits as a signed number."""
    return value - (value >> 127 << 128)


def check(pair: Pair, replayed: Replay) -> None:
    """Demand the chain's storage and views of a replay."""
    book, liquidator = pair.twin.book, pair.contracts["liquidator"]
    known = book.ledgers.keys() | book.books.keys() | replayed.ledgers.keys() | replayed.books.keys()
    for who in known:
        word = storage(pair, "_ledgers", who)
        ledger = replayed.ledgers.get(who, (0, 0))
        assert ledger == (signed(word >> 128), signed(word & (2**128 - 1))), hex(who)
        entry = storage(pair, "_entries", who)
        assert replayed.brought_in(who) == entry & (2**128 - 1)
        if ledger[0] and who >> 96:
            assert replayed.entries[who][0] == entry >> 128
        words = replayed.books.get(who, ())
        assert len(words) == storage(pair, "_positions", who)
        assert words == tuple(storage(pair, "_positions", who, 1 + at) for at in range(len(words)))
    pool = replayed.sums
    assert pool.supply_index << 152 | pool.borrow_index << 48 | pool.since == storage(pair, "_indexes")
    assert pool.supply << 128 | pool.debt == storage(pair, "_sums")
    assert replayed.kept == storage(pair, "_kept")
    assert replayed.flowed[0] << 128 | replayed.flowed[1] == storage(pair, "_outflow")
    for underlying in pair.aggregators:
        assert replayed.open_interest(underlying) == pair.contracts["book"].call("open_interest", underlying)
    for instrument in replayed.open.keys() | book.open.keys():
        found = pair.contracts["book"].call("instrument_interest", instrument)
        assert replayed.instrument_interest(instrument) == found
    for who in known:
        assert replayed.records.get(who, 0) == liquidator.call("recorded", who)
    assert replayed.bad_debt == liquidator.call("bad_debt")
    # what lapsed is in nobody's view: calls and auctions as the twin keeps them, whose views are the chain's
    assert replayed.calls == pair.twin.liquidator.calls
    assert replayed.auctions == pair.twin.liquidator.auctions
    assert replayed.paid == pair.twin.liquidator.paid


def replay(pair: Recording, events: list[tuple[int, Event]]) -> Replay:
    """What the events alone give."""
    replayed = Replay(pair.tokens[0], pair.twin.book.quote_scale, pair.BEGAN)
    replayed.feed_all(events)
    return replayed


@pytest.mark.slow
@pytest.mark.parametrize("at", range(4))
def test_the_log_alone_gives_the_state(at: int) -> None:
    pair = deployment(at, kind=Recording)
    check(pair, replay(pair, pair.log()))
    names: set[str] = set()
    for seed in range(SEQUENCES):
        with pair.isolated():
            player = Player(pair, Seeded(seed), FOCUS)
            for _ in range(STEPS):
                player.act()
            log = pair.log()
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
    pair = deployment(0, kind=Recording)
    log = pair.log()
    at = next(at for at, (_, event) in enumerate(log) if event.name == name)
    with pytest.raises((AssertionError, KeyError)):
        check(pair, replay(pair, log[:at] + log[at + 1 :]))
