"""A market, an engine, three keys, and co-signers that look through eyes of their own."""

from dataclasses import replace

import numpy as np
import pytest

from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.nodes.cosigner import CoSigner, Sight
from plimsoll.nodes.promises import Promises
from plimsoll.nodes.wire import Proposal
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import key_of
from plimsoll.spec.instruments import CALL, PERP, PUT, SPOT, Instrument

DAY = 86_400
NOW = 1_700_006_400 // DAY * DAY + 3_600
EXPIRY = NOW // DAY * DAY + 30 * DAY
UNDERLYING = 257
KEYS = [key_of(f"risk node {k}") for k in range(3)]
ADDRESSES = [address_of(key) for key in KEYS]
CHAIN_ID = 31_337
ORACLE = "0x" + "12" * 20
MAX_AGE = 7_200


def closes(seed=5, days=120):
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.02, days)))


def snapshot(time=NOW, index=100.0, close=None):
    """A perpetual, a token, and four options a month away."""
    found = closes() if close is None else close
    days = NOW // DAY * DAY + DAY * np.arange(-len(found), 0, dtype=np.int64)
    items = [Instrument(UNDERLYING, 0, PERP, 0, 0), Instrument(UNDERLYING, 0, SPOT, 0, 1)]
    options = ((CALL, 100), (PUT, 100), (CALL, 120), (PUT, 80))
    items += [Instrument(UNDERLYING, EXPIRY, kind, strike, row) for row, (kind, strike) in enumerate(options)]
    listed = tuple(item.pack() for item in items)
    return Snapshot(time, (Market(UNDERLYING, index, History(days, found, DAY), listed, depth=1_000.0, name="TOY"),))


@pytest.fixture(scope="session")
def engine():
    return Engine(EwmaFhs())


@pytest.fixture(scope="session")
def built(engine):
    """An honest report, number 1."""
    return engine.report(snapshot())


class Eyes:
    """What one node sees; each field may be set."""

    def __init__(self, **changes):
        self.now, self.sequence, self.previous, self.index, self.close = NOW, 0, None, 100.0, None
        self.looked = 0
        self.error = None
        vars(self).update(changes)

    def look(self):
        self.looked += 1
        if self.error is not None:
            raise self.error
        seen = replace(snapshot(NOW, self.index, self.close))
        return Sight(self.now, self.sequence, MAX_AGE, self.previous, lambda at: replace(seen, market_time=at))


@pytest.fixture
def opened(tmp_path):
    """Opens records of promises, and gives their files back."""
    made = []

    def open_(path=tmp_path / "promises.jsonl", signer=ADDRESSES[0], chain_id=CHAIN_ID, oracle=ORACLE):
        made.append(Promises(path, signer, chain_id, oracle))
        return made[-1]

    yield open_
    for promises in made:
        promises.close()


@pytest.fixture
def journal():
    return []


@pytest.fixture
def cosigner(engine, journal):
    """A maker of co-signers over the eyes given."""

    def make(key=KEYS[0], promises=None, **eyes):
        def record(kind, time, **fields):
            journal.append({"kind": kind, "time": time, **fields})

        return CoSigner(Eyes(**eyes), engine, key, CHAIN_ID, ORACLE, promises, record=record)

    return make


@pytest.fixture
def proposal(built):
    return Proposal.of("somebody", built)


def again(engine, sequence=1, time=NOW, index=100.0):
    """An honest proposal that differs in sequence, time or index."""
    return Proposal.of("somebody", engine.report(snapshot(time, index), None, sequence))
