"""The measurement of a day's posting, over an hour of made-up prices in which one of eight underlyings moves."""

from datetime import UTC, datetime

import numpy as np
import pytest

from plimsoll.market.bars import Bars
from tests.bench import posting_day
from tests.bench.posting_day import ALL, BAR, NUMBERS, WINDOW, PricePath, paths_of, posting

HOUR = 3_600
BEGINS = int(datetime(2024, 7, 1, tzinfo=UTC).timestamp())


def bars(jump=0.0):
    """A month of quarters of an hour, and an hour in whose second quarter the price jumps."""
    count = WINDOW * 4 + 8
    closes = 1_000 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 1e-5, count)))
    closes[-6:] *= 1 + jump
    opens = np.concatenate([closes[:1], closes[:-1]])
    times = BEGINS + BAR * np.arange(8 - count, 8)
    return Bars(times, opens, np.maximum(opens, closes), np.minimum(opens, closes), closes, np.ones(count), BAR)


@pytest.fixture
def hour(monkeypatch):
    monkeypatch.setattr(posting_day, "HOURS", 1)
    return {u: PricePath(bars(0.012 if u == NUMBERS[0] else 0.0), BEGINS) for u in NUMBERS}


def test_one_that_moves_goes_alone_and_costs_an_eighth(hour):
    whole, parts = (posting(hour, 0, share) for share in (ALL, 1.0))
    days = 1 / 24
    assert (whole.posts * days, parts.posts * days) == (1, 1)
    assert (round(whole.underlyings * days), round(parts.underlyings * days)) == (8, 1)
    assert parts.gas < whole.gas / 4
    assert parts.oldest > whole.oldest  # the others stay as they were
    assert whole.shut == parts.shut == 0


def test_the_stretches_are_what_was_recorded(tmp_path, monkeypatch):
    names = ("a.csv", "b.csv")
    monkeypatch.setattr(posting_day, "FILES", names)
    found = bars()
    for name in names:
        lines = ["timestamp,open,high,low,close,volume"]
        columns = (found.time, found.open, found.high, found.low, found.close)
        for at, *prices in zip(*columns, strict=True):
            when = datetime.fromtimestamp(int(at), UTC).isoformat()
            lines.append(",".join([when, *(repr(float(price)) for price in prices), "1"]))
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(posting_day, "HOURS", 2)
    paths = paths_of(tmp_path, ("2024-07-01",) * 4)
    assert sorted(paths) == sorted(NUMBERS)
    for path in paths.values():
        assert len(path.prices) == 4 * 8
        assert path.prices[-1] == round(float(found.close[-1]), 2)
        assert len(path.history(posting_day.START + HOUR).time) == WINDOW
