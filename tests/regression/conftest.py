"""The small market of `tests.unit.clearinghouse.stage`, undone after each test."""

import pytest

from tests.isolation import _function_isolation
from tests.regression.scene import LAG
from tests.unit.clearinghouse.stage import clean_stage

__all__ = ["_function_isolation"]


@pytest.fixture
def stage():
    """A market on which nothing happened, and where profit does not wait."""
    with clean_stage() as made:
        yield made


@pytest.fixture
def late():
    """A market on which nothing happened, and where profit waits an hour."""
    with clean_stage(0, LAG) as made:
        yield made
