"""A short seed of faults against a keeper that is a process: nothing is missed, nothing is done twice."""

import pytest

from plimsoll.simulate.rig.faults import run, summary_of

pytestmark = [pytest.mark.node, pytest.mark.slow]

SECONDS = 70
SEED = 2


def test_a_keeper_gets_over_what_befalls_it():
    said = []
    result = run(SECONDS, SEED, accounts=20, nodes=0, say=said.append)
    told = "\n".join([*said, summary_of(result)])
    assert result.ok, told
    assert len(result.faults) >= 3, told
    assert result.reports > len(result.faults), told
    assert result.steps["BidTaken"] > 0, told
    assert set(result.wrong) >= {"twice", "missed", "unbid", "overspent", "disagree"}, told
    assert result.to_all > 0, told
