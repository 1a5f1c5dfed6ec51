"""Registry.set_instrument_cap."""

import pytest

from .bench import ATTACKER, NOT_THE_OWNER, VENUE

UNKNOWN = "registry: unknown instrument"


@pytest.mark.parametrize("cap", [0, 1, 2**128 - 1])
def test_a_cap_leaves_the_listing_as_it_is(bench, cap):
    bench.must("set_instrument_cap", bench.call, 7)
    bench.must("set_instrument_cap", bench.call, cap)
    assert bench.ask("instrument_cap", bench.call) == cap
    assert bench.ask("is_listed", bench.call)
    assert bench.ask("instrument_cap", bench.future) == 0
    assert bench.last() == ("InstrumentCapSet", {"instrument": bench.call, "old_cap": 7, "cap": cap})


def test_what_is_not_listed(bench):
    bench.must("set_instrument_cap", bench.call, 7)
    for instrument in (0, bench.call + 1, bench.call - 1, bench.call + (1 << 16), 2**128 - 1):
        bench.refuses(UNKNOWN, "set_instrument_cap", instrument, 1)
        assert bench.ask("instrument_cap", instrument) == 0


def test_collateral(bench):
    bench.refuses(UNKNOWN, "set_instrument_cap", bench.spot, 1)


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner(bench, sender):
    bench.refuses(NOT_THE_OWNER, "set_instrument_cap", bench.perp, 1, sender=sender)
