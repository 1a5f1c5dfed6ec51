"""The deployment that commands look at."""

import pytest

from .world import World


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(built, monkeypatch):
    """The world behind every node; what a test does to it is undone."""
    monkeypatch.setattr("plimsoll.chain.node.NodeChain", lambda _: built.chain)
    mark = built.chain.snapshot()
    yield built
    built.chain.revert(mark)
