"""How long closing takes: depths and exposures lengthen the horizon, and leave no mark where they are not known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.observed import DepthHistory, Exposures, MarkHistory
from plimsoll.market.snapshot import Snapshot
from plimsoll.risk.closing import ClosingConfig, closing
from plimsoll.risk.conformance import FIRST, history_of, market_of, snapshot_of
from plimsoll.risk.engine import Engine
from plimsoll.risk.errors import ModelError
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.screen import view_of
from plimsoll.spec.instruments import PERP, Instrument, word
from plimsoll.spec.margin import Params, assess
from plimsoll.spec.wad import WAD

DAY = 86_400
BARS = history_of(1, days=200)
BARE = market_of(BARS)
NOW = snapshot_of(BARE).market_time


def depths(last, usual=40.0, count=60):
    time = NOW - 6 * 3_600 * np.arange(count, 0, -1)
    return DepthHistory(time, np.append(np.full(count - 1, usual), last))


def test_nothing_observed_changes_nothing():
    found = closing(BARE, NOW, 0.1, DAY, ClosingConfig())
    assert (found.range, found.thin, found.crowded, found.depth.posted) == (0.1, 1.0, 1.0, 500.0)
    unknown = closing(replace(BARE, depth=None), NOW, 0.1, DAY, ClosingConfig(default_depth=7.0))
    assert (unknown.depth.posted, unknown.depth.origin) == (7.0, "default")


def test_thin_books_and_crowds_lengthen_it():
    thin = closing(replace(BARE, depths=depths(10.0)), NOW, 0.1, DAY, ClosingConfig())
    assert (thin.thin, thin.depth.posted) == (4.0, 10.0)
    assert thin.range == pytest.approx(0.2)
    crowd = replace(BARE, exposures=Exposures([-0.05, -0.3], [500.0, 900.0]))
    crowded = closing(crowd, NOW, 0.1, DAY, ClosingConfig())
    assert crowded.crowded == pytest.approx(2.0)
    assert crowded.range == pytest.approx(0.1 * math.sqrt(2))
    both = closing(replace(crowd, depths=depths(40.0)), NOW, 0.1, DAY, ClosingConfig())
    assert both.crowded == ClosingConfig().cascade.max_factor  # of 40 contracts a horizon, 500 are many


@given(st.floats(1, 80), st.floats(1, 80), st.floats(0, 1e4), st.floats(0.01, 0.5))
def test_thinner_or_more_crowded_never_asks_less(one, other, delta, psr):
    thick, thin = max(one, other), min(one, other)
    crowd = Exposures([-0.005], [delta])
    ranges = [
        closing(replace(BARE, depths=depths(last), exposures=held), NOW, psr, DAY, ClosingConfig()).range
        for last, held in ((thick, None), (thin, None), (thin, crowd))
    ]
    assert psr <= ranges[0] <= ranges[1] <= ranges[2]


@pytest.mark.parametrize("scan_range", [0.0, 1e-9, 0.95, 0.96, 1.0, 7.5])
def test_no_range_that_a_tail_can_ask_for_ends_in_an_error(scan_range):
    crowd = replace(BARE, exposures=Exposures([-0.5, 0.5], [500.0, -500.0]))
    found = closing(crowd, NOW, scan_range, DAY, ClosingConfig())
    assert found.crowded == (2.0 if scan_range > 0.5 else 1.0)
    assert found.range == pytest.approx(scan_range * math.sqrt(found.crowded))


def test_a_model_posts_depth_range_and_funding():
    time = NOW - 3_600 * np.arange(10, -1, -1)
    index = np.full(11, 100.0)
    seen = replace(BARE, depths=depths(10.0), marks_seen=MarkHistory(time, index * 1.002, index))
    plain = EwmaFhs().assess(snapshot_of(BARE))[FIRST]
    found = EwmaFhs().assess(snapshot_of(seen))[FIRST]
    assert (plain.funding, plain.closing.thin) == (0, 1.0)
    assert found.depth == 10 * WAD
    assert found.forecast_psr == pytest.approx(2 * plain.forecast_psr, abs=2)
    assert found.funding == round((0.002 - 0.0005) * 3 * 1e6)
    built = Engine(EwmaFhs()).report(snapshot_of(seen))
    assert built.scalars[0].funding == found.funding


@pytest.mark.parametrize("contracts", [5, 50, 500, 50_000])
def test_books_that_empty_between_two_reports_liquidate_nobody_by_themselves(contracts):
    """MM of any size rises by less than the call buffer, though nine tenths of the depth are gone."""
    engine = Engine(EwmaFhs())
    deep = snapshot_of(replace(BARE, depths=depths(40.0)))
    empty = Snapshot(NOW + 3_600, (replace(BARE, depths=depths(4.0)),))
    first = engine.report(deep)
    second = engine.report(empty, first.state)
    needed = []
    for built, snapshot in ((first, deep), (second, empty)):
        held = [word(Instrument(FIRST, 0, PERP, 0, 0).pack(), contracts * WAD)]
        needed.append(assess(held, 0, view_of(built, snapshot)).mm)
    assert 1.01 < needed[1] / needed[0] < 1 + Params().call_buffer / 1e6
    assert second.scalars[0].depth == first.scalars[0].depth * 975 // 1_000
    later = Snapshot(NOW + DAY, (replace(BARE, depths=None),))
    assert engine.report(later, second.state).scalars[0].depth == 500 * WAD  # a rise goes out at once


def test_parameters_out_of_range_have_a_name():
    for change, said in (({"default_depth": 0.0}, "default_depth"), ({"band": 2.0}, "band")):
        with pytest.raises(ModelError, match=said):
            ClosingConfig(**change)
