"""Marks, depths and exposures in a snapshot: kept to the byte, checked, and no trace of them where they are not."""

import json

import numpy as np
import pytest

from plimsoll.market.errors import SnapshotError
from plimsoll.market.observed import DepthHistory, Exposures, MarkHistory
from plimsoll.market.snapshot import OBSERVED, Market, Snapshot
from plimsoll.risk.conformance import history_of, market_of

NOW = 1_700_000_000
MARKS = MarkHistory([NOW - 60, NOW], [100.5, 101.0], [100.0, 100.0])
DEPTHS = DepthHistory([NOW - 60, NOW], [40.0, 50.0])
CROWD = Exposures([-0.1, 0.2], [30.0, -20.0])


def with_(**observed):
    from dataclasses import replace

    return replace(market_of(history_of(1, days=200)), **observed)


def test_what_was_observed_survives_and_what_was_not_leaves_no_trace():
    bare, full = with_(), with_(marks_seen=MARKS, depths=DEPTHS, exposures=CROWD)
    assert not set(OBSERVED) & set(bare.to_json())
    snapshot = Snapshot(NOW, (full,))
    again = Snapshot.parse(snapshot.content).markets[0]
    assert again.to_json() == full.to_json()
    assert again.depths.depth.tolist() == [40.0, 50.0]
    assert again.marks_seen.time.dtype == np.int64
    assert Snapshot(NOW, (bare,)).content_hash != snapshot.content_hash
    assert Market.from_json(json.loads(json.dumps(bare.to_json()))).exposures is None
    with pytest.raises(ValueError, match="read-only"):
        full.depths.depth[0] = 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MarkHistory([1, 2], [1.0], [1.0, 1.0]), "marks: columns of shapes"),
        (lambda: MarkHistory([2, 2], [1.0, 1.0], [1.0, 1.0]), "marks: times do not rise"),
        (lambda: MarkHistory([1], [0.0], [1.0]), "marks: mark 0.0; a positive number"),
        (lambda: DepthHistory([1], [float("nan")]), "depths: depth nan; a positive number"),
        (lambda: Exposures([float("inf")], [1.0]), "exposures: level inf; a finite number"),
        (lambda: Exposures([[0.1]], [[1.0]]), "one length is right"),
        (lambda: Exposures.from_json({"level": [1.0]}), "exposures: level; level, delta is right"),
        (lambda: Snapshot(NOW - 1, (with_(depths=DEPTHS),)), f"depths of {NOW} are not known at {NOW - 1}"),
    ],
)
def test_what_cannot_be_has_a_name(make, said):
    with pytest.raises(SnapshotError, match=said):
        make()
