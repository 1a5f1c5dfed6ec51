"""InsuranceFund.set_caps: the owner, within bounds."""

import pytest

from plimsoll.spec.fund import MAX_CAP
from plimsoll.spec.wad import WAD

from .bench import ALICE, LIQUIDATOR, MOST, NOT_OWNER, OWNER

WRONG = "fund: caps out of range"


@pytest.mark.parametrize("caps", [(0, 0), (0, 1), (1, 1), (5 * WAD, 7 * WAD), (MAX_CAP, MAX_CAP)])
def test_sets_both_and_logs_old_and_new(bench, caps):
    bench.must("set_caps", *caps, sender=OWNER)
    args = dict(bench.twin.fund.log[-1].args)
    assert (args["event_cap"], args["underlying_cap"]) == caps
    assert (args["old_event_cap"], args["old_underlying_cap"]) == (100_000 * WAD, 500_000 * WAD)


@pytest.mark.parametrize("caps", [(1, 0), (MAX_CAP, MAX_CAP + 1), (MAX_CAP + 1, MAX_CAP + 1), (MOST, MOST)])
def test_out_of_range(bench, caps):
    bench.refuses(WRONG, "set_caps", *caps, sender=OWNER)


@pytest.mark.parametrize("who", [ALICE, LIQUIDATOR])
def test_not_the_owner(bench, who):
    bench.refuses(NOT_OWNER, "set_caps", 1, 2, sender=who)
