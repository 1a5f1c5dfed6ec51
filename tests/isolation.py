"""For tests that do not use ape's chain: they are left alone by ape's plugin.

The plugin isolates every test that has no fixture of this name, and warns, which is an error here, where a fixture of
wider scope comes after one of narrower scope: an order that xdist changes from run to run.
"""

import pytest


@pytest.fixture(autouse=True)
def _function_isolation():
    """Nothing to isolate: no chain of ape's is used here."""
