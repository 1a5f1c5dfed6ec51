"""The small market of `tests.unit.clearinghouse.stage`, undone after each test."""

import pytest

from tests.unit.clearinghouse.stage import clean_stage


@pytest.fixture
def stage():
    """A market on which nothing happened."""
    with clean_stage() as made:
        yield made
