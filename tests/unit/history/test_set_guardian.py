"""History.set_guardian: the owner names who may dispute besides."""

import pytest

from .conftest import ATTACKER, GUARDIAN, NOT_OWNER, OWNER, TRADER


def test_the_log_says_who_was_and_who_is(bench):
    assert bench.step("set_guardian", GUARDIAN, sender=OWNER) == [("GuardianSet", {"old": 0, "guardian": GUARDIAN})]
    assert bench.step("set_guardian", TRADER, sender=OWNER) == [("GuardianSet", {"old": GUARDIAN, "guardian": TRADER})]
    assert bench.step("set_guardian", 0, sender=OWNER) == [("GuardianSet", {"old": TRADER, "guardian": 0})]


@pytest.mark.parametrize("who", [ATTACKER, GUARDIAN])
def test_only_the_owner(bench, who):
    bench.step("set_guardian", GUARDIAN, sender=OWNER)
    assert bench.step("set_guardian", ATTACKER, sender=who) == NOT_OWNER
