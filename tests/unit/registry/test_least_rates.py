"""Fees at the least rates there are: one part in a million is something, and hangs on volatility like any other."""

import pytest

from plimsoll.spec.registry import Fees, pack_fees

from .bench import ETH


@pytest.mark.parametrize(
    ("fees", "taker", "maker"),
    [
        (Fees(500, 200, 1, 0, 50_000), 501, 201),  # 500 x 1.000001, up
        (Fees(0, 1, 1_000_000, 0, 50_000), 0, 2),
        (Fees(1, 0, 1_000_000, 0, 50_000), 2, 0),
    ],
)
def test_the_least_rate_counts(bench, fees, taker, maker):
    bench.must("set_fees", pack_fees(fees))
    bench.post({ETH: 1_000_000})
    found = bench.terms(bench.perp)
    assert (found.taker_fee, found.maker_fee) == (taker, maker)
