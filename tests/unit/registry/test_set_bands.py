"""Registry.set_bands: .1 % <= reduce band <= price band <= 50 %."""

import pytest

from plimsoll.spec.registry import Fees, pack_fees

from .bench import ATTACKER, NOT_THE_OWNER, VENUE


@pytest.mark.parametrize(
    ("price_band", "reduce_band"), [(1_000, 1_000), (500_000, 500_000), (500_000, 1_000), (20_000, 20_000)]
)
def test_within_the_bounds(bench, price_band, reduce_band):
    bench.must("set_bands", price_band, reduce_band)
    assert bench.ask("price_band") == price_band
    assert bench.ask("reduce_band") == reduce_band
    assert bench.last() == (
        "BandsSet",
        {
            "old_price_band": 100_000,
            "old_reduce_band": 10_000,
            "price_band": price_band,
            "reduce_band": reduce_band,
        },
    )


def test_fees_beside_them_stay(bench):
    fees = pack_fees(Fees(taker=500, cap=50_000, liquidation_cap=1))
    bench.must("set_fees", fees)
    bench.must("set_bands", 500_000, 1_000)
    assert bench.ask("fees") == fees


@pytest.mark.parametrize(
    ("price_band", "reduce_band"),
    [(1_000, 999), (999, 999), (500_001, 1_000), (20_000, 20_001), (0, 0), (2**255, 1_000)],
)
def test_out_of_range(bench, price_band, reduce_band):
    bench.refuses("registry: bands out of range", "set_bands", price_band, reduce_band)


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner(bench, sender):
    bench.refuses(NOT_THE_OWNER, "set_bands", 100_000, 10_000, sender=sender)
