"""Registry.set_fees: taker, maker <= cap <= 5 %, liquidation <= its cap <= 20 %."""

import pytest

from plimsoll.spec.registry import Fees, pack_fees

from .bench import ATTACKER, NOT_THE_OWNER, VENUE

ALL = Fees(500, 200, 2**24 - 1, 2**24 - 1, 50_000, 100_000, 200_000)


@pytest.mark.parametrize(
    "fees",
    [
        Fees(),
        ALL,
        Fees(taker=50_000, maker=50_000, cap=50_000, liquidation=200_000, liquidation_cap=200_000),
        Fees(taker=1, cap=1),
        Fees(maker=1, cap=1),
        Fees(liquidation=1, liquidation_cap=1),
    ],
)
def test_within_the_bounds(bench, fees):
    bench.must("set_fees", pack_fees(ALL))
    bench.must("set_fees", pack_fees(fees))
    assert bench.ask("fees") == pack_fees(fees)
    assert bench.last() == ("FeesSet", {"old_fees": pack_fees(ALL), "fees": pack_fees(fees)})
    # the bands beside it stay
    assert (bench.ask("price_band"), bench.ask("reduce_band")) == (100_000, 10_000)


@pytest.mark.parametrize(
    "word",
    [
        *map(
            pack_fees,
            (
                Fees(cap=50_001),
                Fees(taker=2, cap=1),
                Fees(maker=2, cap=1),
                Fees(liquidation_cap=200_001),
                Fees(liquidation=2, liquidation_cap=1, cap=2),
            ),
        ),
        pack_fees(ALL) | 1,
        pack_fees(ALL) | 1 << 87,
        2**256 - 1,
    ],
)
def test_out_of_range(bench, word):
    bench.refuses("registry: fees out of range", "set_fees", word)


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner(bench, sender):
    bench.refuses(NOT_THE_OWNER, "set_fees", pack_fees(ALL), sender=sender)
