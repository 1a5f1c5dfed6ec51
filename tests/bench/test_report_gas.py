"""The estimate of a report's gas against reports of other shapes than those it was fitted to, within its band."""

import json

import pytest

from plimsoll.keeper.gas import BAND, COSTS
from tests.bench.gas import SNAPSHOT
from tests.bench.report_gas import FITTED, Shape, Town, fitted, main, measure

OTHERS = (Shape(2), Shape(3, 1, 30, classes=3), Shape(5, 1, 6, classes=2, tokens=1), Shape(1, 2, 100, signatures=4))


def estimated(counts):
    return sum(COSTS[name] * number for name, number in counts.items())


@pytest.mark.parametrize("shape", OTHERS, ids=str)
def test_other_shapes_within_the_band(shape):
    assert shape not in FITTED
    for used in measure([shape]):
        assert abs(estimated(used.counts) / used.gas - 1) < BAND, (shape, used.gas, estimated(used.counts))


@pytest.mark.parametrize(
    ("row", "surfaces", "options", "others"),
    [
        ("post 50, guarded, 3 signatures", 1, 49, 1),
        ("post 850 options over 12 expiries, guarded, 3 signatures", 12, 850, 12),
    ],
)
def test_the_rows_of_the_bench_within_the_band(row, surfaces, options, others):
    counts = {"report": 1, "signature": 3, "store": surfaces - 1, "surface": surfaces, "option": options}
    used = json.loads(SNAPSHOT.read_text(encoding="utf-8"))[row]
    found = estimated({**counts, "other row": others, "underlying": 1, "class": 1})
    assert abs(found / used - 1) < BAND


def test_the_numbers_are_those_of_the_fit(capsys):
    assert main(["--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["worst"] < BAND
    assert {name: pytest.approx(value, rel=0.02, abs=500) for name, value in COSTS.items()} == said["costs"]
    assert len(said["rows"]) == 2 * len(FITTED)


def test_a_fit_finds_what_was_put_in():
    town = Town(Shape(2, 1, 4))
    known = [town.post(2_000.0)]
    rows = [
        type(known[0])(known[0].shape, {"report": 1, "option": k, "class": k % 3}, 1_000 + 70 * k + 30 * (k % 3))
        for k in range(1, 9)
    ]
    assert fitted(rows) == {"report": 1_000, "option": 70, "class": 30}
