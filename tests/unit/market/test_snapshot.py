import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.bars import Bars
from plimsoll.market.errors import SnapshotError
from plimsoll.market.snapshot import History, Market, Snapshot, to_wad
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument

NOW = 1_735_689_600
EXPIRY = NOW + 30 * 86_400
PERP_ID = Instrument(256, 0, PERP, 0, 0).pack()
CALL_ID = Instrument(256, EXPIRY, CALL, 100, 0).pack()


def history(n=5, end=NOW, interval=3600):
    return History(end - interval * np.arange(n, 0, -1), 100 + np.arange(n) / 7, interval)


def market(**changes):
    fields = {
        "underlying": 256,
        "index": 100.1,
        "history": history(),
        "instruments": (CALL_ID, PERP_ID),
        "implied_vols": {CALL_ID: 0.55},
        "forwards": {EXPIRY: 101.3},
        "marks": {PERP_ID: 100.2},
        "depth": 12.5,
        "name": "BTC",
    }
    return Market(**fields | changes)


def test_round_trip(tmp_path):
    snapshot = Snapshot(NOW, (market(), market(underlying=3, instruments=(), implied_vols={}, marks={}, depth=None)))
    for name in ("s.json", "s.json.gz"):
        snapshot.save(tmp_path / name)
        again = Snapshot.load(tmp_path / name)
        assert again.content == snapshot.content
        assert again.content_hash == snapshot.content_hash
    assert again.market(256).index == 100.1
    assert again.market(256).listed[0].kind == PERP
    assert again.market(256).implied_vols == {CALL_ID: 0.55}
    assert again.market(256).history.close.tolist() == history().close.tolist()
    assert again.market(3).depth is None
    with pytest.raises(SnapshotError, match="not in the snapshot"):
        again.market(4)


def test_order_of_what_is_given_does_not_change_the_hash():
    other = market(underlying=3, instruments=(), implied_vols={}, marks={})
    first = Snapshot(NOW, (market(), other))
    second = Snapshot(NOW, (other, market(instruments=(PERP_ID, CALL_ID))))
    assert first.content_hash == second.content_hash


@pytest.mark.parametrize(
    "changes",
    [
        {"index": 100.10000000000001},
        {"history": history(6)},
        {"depth": 13},
        {"name": "ETH"},
        {"strike_unit": 10**17},
        {"forwards": {}},
        {"marks": {}},
        {"implied_vols": {CALL_ID: 0.56}},
    ],
)
def test_every_field_is_in_the_hash(changes):
    assert Snapshot(NOW, (market(**changes),)).content_hash != Snapshot(NOW, (market(),)).content_hash


@given(st.floats(1e-3, 1e9), st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20))
def test_floats_survive_exactly(index, closes):
    past = History(NOW - 3600 * np.arange(len(closes), 0, -1), np.array(closes), 3600)
    snapshot = Snapshot(NOW, (Market(1, index, past, ()),))
    again = Snapshot.parse(snapshot.content)
    assert again.markets[0].index == index
    assert again.markets[0].history.close.tolist() == closes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"index": 0.0}, "index price"),
        ({"index": float("nan")}, "index price"),
        ({"index": 1e10}, "index price"),
        ({"strike_unit": 0}, "strike unit"),
        ({"underlying": 2**16}, "16 bits"),
        ({"underlying": 257}, "another underlying's"),
        ({"instruments": (PERP_ID, PERP_ID, CALL_ID)}, "listed twice"),
        ({"instruments": (PERP_ID,)}, "quoted but not listed"),
        ({"implied_vols": {CALL_ID: 0.0}}, "implied_vols"),
        ({"implied_vols": {CALL_ID: float("nan")}}, "implied_vols"),
        ({"implied_vols": {CALL_ID: 21.0}}, "implied_vols"),
        ({"forwards": {EXPIRY: -1.0}}, "forwards"),
        ({"forwards": {EXPIRY: 1e6}}, "forwards"),
        ({"marks": {PERP_ID: float("inf")}}, "marks"),
        ({"depth": 0.0}, "depth"),
        ({"depth": float("nan")}, "depth"),
    ],
)
def test_market_out_of_range(changes, words):
    with pytest.raises(SnapshotError, match=words):
        market(**changes)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Instrument(256, EXPIRY, PERP, 0, 0), "expiry 0"),
        (Instrument(256, EXPIRY, SPOT, 0, 0), "expiry 0"),
        (Instrument(256, 0, FUTURE, 0, 0), "expiry 0"),
        (Instrument(256, 0, CALL, 5, 0), "expiry 0"),
        (Instrument(256, EXPIRY, PUT, 0, 0), "no strike"),
        (Instrument(256, EXPIRY, 9, 0, 0), "no known kind"),
    ],
)
def test_malformed_instruments(item, words):
    with pytest.raises(SnapshotError, match=words):
        market(instruments=(item.pack(),), implied_vols={}, marks={})


def test_history_out_of_order_or_empty():
    for time, close, words in (
        ([1, 1], [1.0, 2.0], "rise"),
        ([2, 1], [1.0, 2.0], "rise"),
        ([1], [1.0, 2.0], "equal"),
        ([], [], "not empty"),
        ([1], [0.0], "positive"),
        ([1], [float("nan")], "positive"),
    ):
        with pytest.raises(SnapshotError, match=words):
            History(np.array(time), np.array(close), 60)
    with pytest.raises(SnapshotError, match="interval"):
        History(np.array([1]), np.array([1.0]), 0)


def test_no_look_ahead():
    Snapshot(NOW, (market(),))
    with pytest.raises(SnapshotError, match="is not known at"):
        Snapshot(NOW - 1, (market(),))


def test_history_from_bars_takes_closed_bars_only():
    time = np.arange(5) * 3600
    price = np.arange(1.0, 6.0)
    bars = Bars(time, price, price.copy(), price.copy(), price.copy(), np.zeros(5), 3600)
    assert History.from_bars(bars, at=3 * 3600).close.tolist() == [1, 2, 3]
    assert History.from_bars(bars, at=4 * 3600 - 1, last=2).close.tolist() == [2, 3]


def test_snapshot_itself():
    with pytest.raises(SnapshotError, match="no underlying"):
        Snapshot(NOW, ())
    with pytest.raises(SnapshotError, match="twice"):
        Snapshot(NOW, (market(), market()))
    with pytest.raises(SnapshotError, match="unix seconds"):
        Snapshot(0, (market(),))


def test_files_that_are_none(tmp_path):
    good = Snapshot(NOW, (market(),)).content
    path = tmp_path / "s.json"
    data = json.loads(good)
    for content, words in (
        (b"", "not a snapshot"),
        (b"[]", "not a snapshot"),
        (b"{}", "not a snapshot"),
        (good[:-1], "not a snapshot"),
        (good.replace(b'"format":1', b'"format":2'), "format 2"),
        (good.replace(b'"name":"BTC",', b""), "not a snapshot"),
        (good.replace(b'"0x', b'"zz'), "not a snapshot"),
        (json.dumps(data).encode(), "canonical"),
        (good.replace(b"12.5", b"NaN"), "depth"),
    ):
        path.write_bytes(content)
        with pytest.raises(SnapshotError, match=words):
            Snapshot.load(path)
    with pytest.raises(SnapshotError):
        Snapshot.load(tmp_path / "none.json")
    (tmp_path / "s.json.gz").write_bytes(gzip.compress(good)[:-9])
    with pytest.raises(SnapshotError):
        Snapshot.load(tmp_path / "s.json.gz")


def test_wad_is_the_decimal_that_is_printed():
    assert to_wad(0.1) == 10**17
    assert to_wad(94_591.79) == 94_591_790_000_000_000_000_000
    assert to_wad(1e-18) == 1
    assert to_wad(1e9) == 10**27


def test_what_is_frozen():
    with pytest.raises(AttributeError):
        market().index = 5
    assert replace(market(), index=101.0).index == 101.0
