"""InsuranceFund.set_cooldown: the owner, within bounds. That requests keep their times, test_request.py holds."""

import pytest

from .bench import ALICE, DAY, LIQUIDATOR, MOST, NOT_OWNER, OWNER

WRONG = "fund: cooldown out of range"


@pytest.mark.parametrize("times", [(DAY, DAY), (30 * DAY, 14 * DAY), (3 * DAY, 5 * DAY)])
def test_sets_both_and_logs_old_and_new(bench, times):
    bench.must("set_cooldown", *times, sender=OWNER)
    args = dict(bench.twin.fund.log[-1].args)
    assert (args["cooldown"], args["claim_window"]) == times
    assert (args["old_cooldown"], args["old_claim_window"]) == (7 * DAY, 2 * DAY)


@pytest.mark.parametrize(
    "times", [(DAY - 1, DAY), (30 * DAY + 1, DAY), (DAY, DAY - 1), (DAY, 14 * DAY + 1), (0, 0), (MOST, MOST)]
)
def test_out_of_range(bench, times):
    bench.refuses(WRONG, "set_cooldown", *times, sender=OWNER)


@pytest.mark.parametrize("who", [ALICE, LIQUIDATOR])
def test_not_the_owner(bench, who):
    bench.refuses(NOT_OWNER, "set_cooldown", DAY, DAY, sender=who)
