import numpy as np
import pytest

from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument
from plimsoll.spec.wad import WAD

NOW = 1_735_689_600
DAY = 86_400


def clustered(n, seed, volatility=0.03, beta=0.93):
    """Returns with clusters and tails: an integrated recursion driven by a Student t."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(4, n) / np.sqrt(2)
    variance = volatility**2
    returns = np.empty(n)
    for i, shock in enumerate(shocks):
        returns[i] = np.sqrt(variance) * shock
        variance = 0.05 * volatility**2 + 0.02 * returns[i] ** 2 + beta * variance
    return returns


@pytest.fixture(scope="session")
def now():
    return NOW


@pytest.fixture(scope="session")
def make_returns():
    return clustered


@pytest.fixture(scope="session")
def make_history():
    def make(returns, last=100.0, interval=DAY, end=NOW):
        path = np.exp(np.concatenate(([0.0], np.cumsum(returns))))
        return History(end - interval * np.arange(len(path), 0, -1), path / path[-1] * last, interval)

    return make


@pytest.fixture(scope="session")
def make_market(make_history):
    def make(underlying=256, index=100.0, returns=None, days=(30,), strikes=(80, 100, 125), **changes):
        ids = [Instrument(underlying, 0, PERP, 0, 0), Instrument(underlying, 0, SPOT, 0, 1)]
        for tenor in days:
            expiry = NOW + round(tenor * DAY)
            ids.append(Instrument(underlying, expiry, FUTURE, 0, 0))
            for i, strike in enumerate(strikes):
                ids.append(Instrument(underlying, expiry, CALL, round(strike * 1000), 1 + 2 * i))
                ids.append(Instrument(underlying, expiry, PUT, round(strike * 1000), 2 + 2 * i))
        fields = {
            "history": make_history(clustered(600, underlying) if returns is None else returns, index),
            "instruments": tuple(item.pack() for item in ids),
            "strike_unit": WAD // 1000,
        }
        return Market(underlying, index, **(fields | changes))

    return make


@pytest.fixture(scope="session")
def snapshot(make_market):
    return Snapshot(NOW, (make_market(256, 100.0), make_market(257, 7.25, strikes=(6, 7, 8), days=(7, 90))))
