"""Clearinghouse.set_bands: .1 % <= reduce band <= price band <= 50 %."""

import pytest

from .stage import ATTACKER, DELEGATE, OWNER


@pytest.mark.parametrize(
    ("price_band", "reduce_band"), [(1_000, 1_000), (500_000, 500_000), (500_000, 1_000), (20_000, 20_000)]
)
def test_within_the_bounds(stage, price_band, reduce_band):
    stage.pair.must("book", "set_bands", price_band, reduce_band, sender=OWNER)
    assert stage.ask("book", "price_band") == price_band
    assert stage.ask("book", "reduce_band") == reduce_band
    assert stage.last() == ("BandsSet", {"price_band": price_band, "reduce_band": reduce_band})


@pytest.mark.parametrize(
    ("price_band", "reduce_band"),
    [(1_000, 999), (999, 999), (500_001, 1_000), (20_000, 20_001), (0, 0), (2**255, 1_000)],
)
def test_out_of_range(stage, price_band, reduce_band):
    stage.refuses("clearinghouse: bands out of range", "book", "set_bands", price_band, reduce_band, sender=OWNER)


@pytest.mark.parametrize("sender", [ATTACKER, DELEGATE])
def test_only_the_owner(stage, sender):
    stage.refuses("ownable: caller is not the owner", "book", "set_bands", 100_000, 10_000, sender=sender)
