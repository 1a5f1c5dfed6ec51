"""The event log of a pair's chain, replayed through the spec, held to the chain's storage."""

from __future__ import annotations

from plimsoll.chain.contract import events_of
from plimsoll.spec.events import Event
from plimsoll.spec.replay import Replay
from tests.pairs import Pair, from_chain
from tests.storage import ledger_of, word_of

SOURCES = ("feed", "registry", "book", "liquidator")


def log_of(pair: Pair) -> list[tuple[int, Event]]:
    """Every event so far of what a replay reads, decoded, with its block's time."""
    contracts = [pair.contracts[part] for part in SOURCES]
    return [
        (pair.chain._time_of(block), Event(e.contract, e.name, {k: from_chain(v) for k, v in e.args._asdict().items()}))
        for block, found in pair.chain._logs
        for e in events_of([found], contracts)
    ]


def check(pair: Pair, replayed: Replay) -> None:
    """Demand the chain's storage and views of a replay."""
    book, liquidator = pair.twin.book, pair.contracts["liquidator"]
    known = book.ledgers.keys() | book.books.keys() | replayed.ledgers.keys() | replayed.books.keys()
    for who in known:
        ledger = replayed.ledgers.get(who, (0, 0))
        assert ledger == ledger_of(pair, who), hex(who)
        entry = word_of(pair, "_entries", who)
        assert replayed.brought_in(who) == entry & (2**128 - 1)
        if ledger[0] and who >> 96:
            assert replayed.entries[who][0] == entry >> 128
        words = replayed.books.get(who, ())
        assert len(words) == word_of(pair, "_positions", who)
        assert words == tuple(word_of(pair, "_positions", who, 1 + at) for at in range(len(words)))
    pool = replayed.sums
    assert pool.supply_index << 152 | pool.borrow_index << 48 | pool.since == word_of(pair, "_indexes")
    assert pool.supply << 128 | pool.debt == word_of(pair, "_sums")
    assert replayed.kept == word_of(pair, "_kept")
    assert replayed.flowed[0] << 128 | replayed.flowed[1] == word_of(pair, "_outflow")
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
    assert paid_of(replayed.paid) == paid_of(pair.twin.liquidator.paid)


def paid_of(paid: dict[int, int]) -> dict[int, int]:
    """Accounts for which a fund paid; a word of zero is none."""
    return {who: amount for who, amount in paid.items() if amount}


def replay(pair: Pair, events: list[tuple[int, Event]]) -> Replay:
    """What the events alone give."""
    replayed = Replay(pair.tokens[0], pair.twin.book.quote_scale, pair.chain._time_of(1))
    replayed.feed_all(events)
    return replayed
