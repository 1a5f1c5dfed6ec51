"""The small market, where profit waits an hour and prices were remembered, and a second trigger beside it."""

import pytest

from tests.regression.scene import LAG, fill_fund, wait
from tests.unit.clearinghouse.stage import clean_stage

from .rig import Trigger


@pytest.fixture
def trigger():
    """Nothing is due: the fund has 1,000 and was noted, prices are a moment old."""
    with clean_stage(0, LAG) as stage:
        fill_fund(stage, 1_000)
        wait(stage)
        stage.pair.must("breakers", "note")
        yield Trigger(stage)
