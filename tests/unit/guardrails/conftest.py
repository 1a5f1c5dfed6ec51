import pytest

from tests.unit.guardrails.yard import clean_yard


@pytest.fixture
def yard():
    """A guarded deployment on which one report was believed."""
    with clean_yard() as made:
        yield made
