import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from eth_utils.crypto import keccak

from plimsoll.market.snapshot import Snapshot
from plimsoll.risk.arrays import ArrayConfig, SpotTerms
from plimsoll.risk.engine import Engine, EngineConfig, canonical
from plimsoll.risk.errors import ModelError, ReportError
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig, State
from plimsoll.spec import margin
from plimsoll.spec.instruments import FUTURE, PERP, Instrument, word
from plimsoll.spec.report import digest, struct_hash, unpack_class, unpack_scalars
from plimsoll.spec.surface import decode
from plimsoll.spec.wad import WAD

PROGRAM = """
import sys
from plimsoll.market.snapshot import Snapshot
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.spec.report import struct_hash

first, second = map(Snapshot.load, sys.argv[1:])
engine = Engine(EwmaFhs())
one = engine.report(first)
two = engine.report(second, one.state)
print(struct_hash(one.report).hex(), struct_hash(two.report).hex())
"""


class Fixed:
    """A model that has made up its mind."""

    name = "fixed"
    version = "1"
    parameters = {}  # noqa: RUF012 - never written

    def __init__(self, forecasts):
        self.forecasts = forecasts

    def assess(self, snapshot, previous):
        return self.forecasts


@pytest.fixture(scope="module")
def built(snapshot):
    return Engine(EwmaFhs()).report(snapshot)


def later(snapshot, seconds=3600):
    return Snapshot(snapshot.market_time + seconds, snapshot.markets)


def test_parts_fit_together(built, snapshot):
    report = built.report
    assert report.sequence == 1
    assert report.market_time == snapshot.market_time
    assert report.snapshot == snapshot.content_hash
    assert report.model == keccak(b"ewma-fhs/2")
    assert report.surfaces == tuple(keccak(code) for code in built.codes)
    assert [decode(code) for code in built.codes] == list(built.surfaces)
    assert [unpack_scalars(w) for w in report.scalars] == list(built.scalars)
    assert [unpack_class(w) for w in report.classes] == list(built.classes)
    assert [(s.underlying, len(s.rows)) for s in built.surfaces] == [(256, 2), (256, 7), (257, 2), (257, 7), (257, 7)]
    assert [c.klass for c in built.classes] == [1]
    assert built.classes[0].cross_haircut == 200_000
    for surface in built.surfaces:
        market = snapshot.market(surface.underlying)
        forecast = built.forecasts[surface.underlying]
        assert surface.reference == market.reference
        assert surface.time == snapshot.market_time
        assert (surface.psr, surface.vol_up, surface.vol_down) == (forecast.psr, forecast.vol_up, forecast.vol_down)
        assert surface.common == 32
        assert all(
            (surface.rows[item.row].kind, surface.rows[item.row].strike) == (item.kind, item.strike)
            for item in market.listed
            if item.expiry == surface.expiry
        )
    assert built.surface(257).expiry == 0
    with pytest.raises(ReportError, match="no surface"):
        built.surface(258)


def test_one_set_per_underlying(built):
    sets = {}
    for surface in built.surfaces:
        sets.setdefault(surface.underlying, set()).add((surface.set_id, surface.scale, surface.reference))
    assert all(len(found) == 1 for found in sets.values())


def test_summary_is_the_margin_of_one_perpetual(built, snapshot):
    rate = built.summary[256]
    surface = built.surface(256)
    assert rate.psr == surface.psr / 1e6
    assert surface.psr <= rate.mm * 1e6 - surface.rows[0].gross + 1 <= surface.psr + 10
    assert rate.im == pytest.approx(1.25 * rate.mm, rel=1e-6)
    view = margin.View(
        margin.Params(),
        snapshot.market_time,
        {256: margin.Index(surface.reference, snapshot.market(256).strike_unit)},
        {(256, 0): surface},
        {s.underlying: s for s in built.scalars},
    )
    for sign in (1, -1):
        found = margin.assess([word(Instrument(256, 0, PERP, 0, 0).pack(), sign * WAD)], 0, view)
        assert found.mm / surface.reference == pytest.approx(rate.mm)
        assert found.fresh


def test_perpetual_against_future_is_not_free(built, snapshot):
    """In every lane the two cancel; the gross charge still asks for the basis."""
    market = snapshot.market(256)
    future = next(item for item in market.listed if item.kind == FUTURE)
    view = margin.View(
        margin.Params(),
        snapshot.market_time,
        {256: margin.Index(market.reference, market.strike_unit)},
        {(s.underlying, s.expiry): s for s in built.surfaces},
        {s.underlying: s for s in built.scalars},
    )
    words = [word(Instrument(256, 0, PERP, 0, 0).pack(), WAD), word(future.pack(), -WAD)]
    terms, _ = margin.terms(words, view)
    assert terms.scan == 0
    assert terms.gross > market.reference * 5 // 1000


def test_state_carries_the_glide(snapshot, make_returns, make_market):
    engine = Engine(EwmaFhs())
    calm = Snapshot(snapshot.market_time, (make_market(256, returns=make_returns(600, 1, 0.02)),))
    wild = Snapshot(calm.market_time + 3600, (make_market(256, returns=make_returns(600, 1, 0.06)),))
    first = engine.report(calm)
    second = engine.report(wild, first.state)
    assert second.report.sequence == 2
    assert second.surfaces[0].psr <= first.surfaces[0].psr * 1.05
    assert second.scalars[0].im_factor > 2_500_000
    chain = State.of(1, first.report.market_time, first.surfaces, first.classes, first.scalars)
    assert chain == first.state
    assert engine.report(wild, chain).codes == second.codes


def test_state_keeps_what_a_report_leaves_out(built, snapshot):
    part = Snapshot(snapshot.market_time + 60, (snapshot.market(256),))
    second = Engine(EwmaFhs()).report(part, built.state)
    assert second.state.posted[257] == replace(built.state.posted[257], time=snapshot.market_time)
    assert second.state.posted[256].time is None
    assert (second.state.time_of(256), second.state.time_of(257)) == (part.market_time, snapshot.market_time)
    assert [s.underlying for s in second.scalars] == [256]


def test_offsets_glide(built, snapshot):
    high = replace(built.state, offsets={1: 900_000})
    assert Engine(EwmaFhs()).report(later(snapshot), high).classes[0].offset == 880_000


def test_same_input_same_bytes_in_other_processes(tmp_path, snapshot, built):
    paths = [tmp_path / "1.json", tmp_path / "2.json.gz"]
    snapshot.save(paths[0])
    later(snapshot).save(paths[1])
    said = set()
    for seed in ("0", "1", "4242"):
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, paths)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(result.stdout)
    second = Engine(EwmaFhs()).report(later(snapshot), built.state)
    assert said == {f"{struct_hash(built.report).hex()} {struct_hash(second.report).hex()}\n"}


def test_order_of_the_snapshot_does_not_matter(snapshot, built):
    shuffled = Snapshot(
        snapshot.market_time,
        tuple(replace(m, instruments=m.instruments[::-1]) for m in reversed(snapshot.markets)),
    )
    again = Engine(EwmaFhs()).report(shuffled)
    assert again.report == built.report
    assert again.codes == built.codes


@pytest.mark.parametrize(
    "engine",
    [
        Engine(EwmaFhs(EwmaFhsConfig(decay=0.95))),
        Engine(EwmaFhs(), EngineConfig(arrays=ArrayConfig(carry=0.04))),
        Engine(EwmaFhs(), EngineConfig(arrays=ArrayConfig(spot={5: SpotTerms(0.1)}))),
        Engine(EwmaFhs(), EngineConfig(look_ahead=0)),
    ],
)
def test_every_parameter_is_in_the_hash(engine):
    assert engine.config_hash != Engine(EwmaFhs()).config_hash
    assert engine.model_hash == Engine(EwmaFhs()).model_hash


def test_digest_binds_chain_and_oracle(built):
    oracle = "0x" + "12" * 20
    assert digest(built.report, 1, oracle) != digest(built.report, 2, oracle)
    assert digest(built.report, 1, oracle) != digest(built.report, 1, "0x" + "13" * 20)


def test_time_and_sequence_go_forward(built, snapshot):
    engine = Engine(EwmaFhs())
    with pytest.raises(ReportError, match="not after the last"):
        engine.report(snapshot, built.state)
    with pytest.raises(ReportError, match="sequence 1 is not above"):
        engine.report(later(snapshot), built.state, sequence=1)
    with pytest.raises(ReportError, match="sequence 0"):
        engine.report(snapshot, sequence=0)
    assert engine.report(later(snapshot), built.state, sequence=9).state.sequence == 9


def test_a_model_of_ones_own(built, snapshot):
    own = Engine(Fixed(built.forecasts)).report(snapshot)
    assert own.codes == built.codes
    assert own.report.model != built.report.model
    with pytest.raises(ModelError, match="says nothing of underlying 257"):
        Engine(Fixed({256: built.forecasts[256]})).report(snapshot)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {(1, 2): 3}])
def test_parameters_must_be_plain(value):
    with pytest.raises(ModelError, match="plain"):
        canonical({"x": value})


def test_too_many_surfaces(make_market, snapshot):
    market = make_market(days=tuple(range(1, 65)), strikes=(100,))
    with pytest.raises(ReportError, match="65 surfaces; a report holds 64"):
        Engine(EwmaFhs()).report(Snapshot(snapshot.market_time, (market,)))


def test_an_underlying_without_a_perpetual_has_no_summary(make_market, snapshot):
    market = make_market()
    bare = replace(
        market, instruments=tuple(i for i in market.instruments if i != Instrument(256, 0, PERP, 0, 0).pack())
    )
    options = replace(
        bare, instruments=tuple(i for i, item in zip(bare.instruments, bare.listed, strict=True) if item.expiry)
    )
    built = Engine(EwmaFhs()).report(Snapshot(snapshot.market_time, (options,)))
    assert built.summary == {}
    empty = replace(market, instruments=())
    assert Engine(EwmaFhs()).report(Snapshot(snapshot.market_time, (empty,))).codes == ()


@pytest.mark.slow
def test_speed(make_market, snapshot, built):
    """Two underlyings of 22 rows in a few milliseconds; the bound leaves room for a busy machine."""
    strikes = tuple(np.linspace(80, 120, 10))
    markets = tuple(make_market(u, strikes=strikes) for u in (256, 257))
    busy = Snapshot(snapshot.market_time, markets)
    engine = Engine(Fixed(built.forecasts))
    engine.report(busy)
    took = []
    for _ in range(10):
        start = time.perf_counter()
        engine.report(busy)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.02
