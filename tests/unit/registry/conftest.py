"""The registry of `bench`, undone after each test."""

import pytest

from .bench import Bench


@pytest.fixture(scope="session")
def session_bench():
    return Bench()


@pytest.fixture
def bench(session_bench):
    """A registry that nobody changed."""
    made = session_bench
    kept, posted, known, sequence = made.kept(), dict(made.twin.oracle.scalars), dict(made.known), made.sequence
    with made.chain.isolate():
        yield made
    vars(made.twin).update(kept)
    made.twin.oracle.scalars = posted
    made.known.clear()
    made.known.update(known)
    made.sequence = sequence
