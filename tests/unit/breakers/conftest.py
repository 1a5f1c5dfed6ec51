"""The small market, where profit waits an hour and prices were remembered; the fund has 1,000, one of it never paid."""

import pytest

from tests.regression.scene import LAG, fill_fund, wait
from tests.unit.clearinghouse.stage import clean_stage


@pytest.fixture
def late():
    """A market with a history of prices, and the fund noted."""
    with clean_stage(0, LAG) as stage:
        fill_fund(stage, 1_000)
        wait(stage)
        wait(stage)
        stage.pair.must("breakers", "note")
        yield stage
        stage.pair.compare([])


@pytest.fixture
def stage():
    """A market that remembers no price."""
    with clean_stage() as made:
        yield made
