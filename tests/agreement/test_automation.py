"""I-60: what a second trigger finds due, and what it does, is the same on the chain and in the twin.

Accounts, prices, times and stops are drawn; each world is looked at and acted upon round after round, until nothing is
left to do. What the cases are about is counted and demanded, so that a generator gone dull fails.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plimsoll.spec.automation import ACTIONS, Step
from plimsoll.spec.instruments import WINDOW
from plimsoll.spec.registry import LIQUIDATION
from tests.pairs import account
from tests.regression.scene import LAG, fill_fund, touch
from tests.unit.automation.rig import NOTHING, Trigger
from tests.unit.clearinghouse.stage import BTC, ETH, EXPIRY, MAKER, OTHER, OWNER, SOL, WAD, Stage, clean_stage

TRADERS = [account("trader", k) for k in range(4)]
UNDERLYINGS = [BTC, ETH, SOL]
SERIES = [(ETH, EXPIRY), (BTC, EXPIRY)]
found: Counter[str] = Counter()

prices = st.sampled_from([1_500, 1_640, 1_699, 1_700, 1_900, 1_933, 1_935, 1_983, 2_000, 2_301, 2_400])
waits = st.sampled_from([0, 1, 59, 60, 120, 121, 3_599, 3_600, 3_601, 7_201, 10_801])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("price"), prices),
        st.tuples(st.just("wait"), waits),
        st.tuples(st.just("deposit"), st.integers(1, 100)),
        st.tuples(st.just("stop"), st.sampled_from([60, 3_600])),
        st.tuples(st.just("window"), st.integers(0, WINDOW + 60)),
        st.tuples(st.just("perform"), st.integers(0, 2**16)),
    ),
    min_size=4,
    max_size=12,
)


EACH_ONCE = [
    ("price", 1_900),
    ("perform", 0),
    ("wait", 121),
    ("perform", 0),
    ("price", 2_400),
    ("perform", 0),
    ("wait", 3_600),
    ("perform", 0),
    ("window", 10),
    ("perform", 0),
]


@pytest.fixture(scope="module")
def shared():
    """Four traders at their margin, of whom each is long one more; the fund has 1,000."""
    with clean_stage(0, LAG) as stage:
        fill_fund(stage, 1_000)
        touch(stage)
        stage.later(LAG)
        touch(stage)
        stage.post()
        stage.fund("maker", 1_000_000)
        for k, who in enumerate(TRADERS):
            if k:
                stage.allow("trader", at=k)
            stage.fund("trader", 300 * (k + 1), at=k)
            stage.trade(who, MAKER, stage.perp, (k + 1) * WAD, 2_000 * WAD)
        yield stage


def act(stage: Stage, trigger: Trigger, kind: str, value: int) -> None:
    """One drawn event, and for `perform` what is due, some of it left out or doubled."""
    if kind == "price":
        stage.pair.price(ETH, value * WAD)
    elif kind == "wait":
        stage.later(value)
    elif kind == "deposit":
        stage.fund("trader", value, at=value % 4)
    elif kind == "stop":
        stage.pair.must("registry", "stop", LIQUIDATION, stage.pair.now + value, sender=OWNER)
    elif kind == "window":
        stage.later(max(0, EXPIRY - WINDOW + value - stage.pair.now))
    else:
        chosen = [step for k, step in enumerate(look(trigger)) if not value >> k & 1]
        trigger.perform(*chosen, *chosen[: 10 - len(chosen)][:2])


def look(trigger: Trigger) -> list[Step]:
    """What is due of everything; the rig holds all views of contract and twin together."""
    due = trigger.due([*TRADERS, MAKER, OTHER], UNDERLYINGS, SERIES)
    found.update(ACTIONS[step.action] for step in due)
    return due


def test_contract_and_twin_agree_until_nothing_is_due(shared):
    @settings(max_examples=settings().max_examples // 3 + 1)  # each looks at the whole market some forty times
    @given(events=steps)
    @example(events=EACH_ONCE)
    def agree(events):
        with shared.pair.isolated():
            trigger = Trigger(shared)
            for kind, value in events:
                act(shared, trigger, kind, value)
                look(trigger)
            for _ in range(4):
                due = look(trigger)
                if not due:
                    break
                # whatever it says is due can be done, all of it, one step an account at a time
                assert trigger.perform(*due) == [True] * len(due)
            assert look(trigger) == []
            assert trigger.perform() == NOTHING

    agree()
    for name in ("call", "start", "trip", "touch", "observe"):
        assert found[name] > 0, name
