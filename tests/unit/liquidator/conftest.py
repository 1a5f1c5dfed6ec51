"""The small market of `tests.unit.clearinghouse.stage`, undone after each test; an auction; a market without a fund."""

from functools import cache
from unittest.mock import patch

import pytest

from tests.pairs import Pair
from tests.unit.clearinghouse.stage import TRADER, Stage, clean_stage

from .rig import open_auction


@pytest.fixture
def stage():
    """A market on which nothing happened."""
    with clean_stage() as made:
        yield made


def _wire(pair):
    """As `Pair.wire`, but for the liquidator's fund."""
    at = pair.twin.at
    for part, name, *args in (
        ("oracle", "set_book", at.book),
        ("mandates", "set_book", at.book),
        ("book", "set_liquidator", at.liquidator),
        ("book", "set_fund", at.fund),
    ):
        pair.must(part, name, *args, sender=pair.owner)


@cache
def _uninsured():
    with patch.object(Pair, "wire", _wire):
        return Stage()


@pytest.fixture
def uninsured():
    """The same market, whose liquidator knows no fund."""
    stage = _uninsured()
    with stage.pair.isolated():
        yield stage


@pytest.fixture
def auction(stage):
    """The trader: E_m = E_h = 200, MM 209, IM 271.7, in an auction just begun; the bidder: 1,000."""
    stage.sick(300)
    stage.fund("bidder", 1_000)
    open_auction(stage, TRADER)
    return stage
