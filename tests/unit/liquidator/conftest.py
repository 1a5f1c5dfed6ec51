"""The small market of `tests.unit.clearinghouse.stage`, undone after each test; an auction; a market without a fund."""

from dataclasses import replace
from functools import cache
from unittest.mock import patch

import pytest

from plimsoll.spec.margin import Params
from plimsoll.spec.report import pack_floors, pack_rates
from tests.pairs import Pair
from tests.unit.clearinghouse.stage import TRADER, Stage, clean_stage

from .rig import open_auction

# what is worked out by hand here does not widen with the age of the surfaces: that is tests/unit/oracle's
STILL = replace(Params(), widen=0)


@pytest.fixture
def stage():
    """A market on which nothing happened."""
    with clean_stage() as made:
        made.pair.must("oracle", "set_params", pack_rates(STILL), pack_floors(STILL), sender=made.pair.owner)
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
    with _uninsured().undone() as stage:
        stage.pair.must("oracle", "set_params", pack_rates(STILL), pack_floors(STILL), sender=stage.pair.owner)
        yield stage


@pytest.fixture
def auction(stage):
    """The trader: E_m = E_h = 200, MM 209, IM 271.7, in an auction just begun; the bidder: 1,000."""
    stage.sick(300)
    stage.fund("bidder", 1_000)
    open_auction(stage, TRADER)
    return stage
