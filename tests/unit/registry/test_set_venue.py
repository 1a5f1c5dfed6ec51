"""Registry.set_venue."""

import pytest

from .bench import ATTACKER, NOT_THE_OWNER, VENUE


@pytest.mark.parametrize("admitted", [True, False])
def test_it_admits_and_dismisses(bench, admitted):
    bench.must("set_venue", ATTACKER, not admitted)
    bench.must("set_venue", ATTACKER, admitted)
    assert bench.ask("venues", ATTACKER) is admitted
    assert bench.last() == ("VenueSet", {"venue": ATTACKER, "old_admitted": not admitted, "admitted": admitted})


def test_a_dismissed_venue_gets_no_terms(bench):
    assert bench.terms(bench.perp).price_band == 100_000
    bench.must("set_venue", VENUE, False)
    assert bench.terms(bench.perp) == "refused: registry: venue not admitted"


@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_only_the_owner(bench, sender):
    bench.refuses(NOT_THE_OWNER, "set_venue", ATTACKER, True, sender=sender)


@pytest.mark.parametrize("admitted", [True, False])
def test_zero_address(bench, admitted):
    bench.refuses("registry: zero address", "set_venue", 0, admitted)
