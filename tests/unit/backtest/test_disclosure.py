"""The disclosure: what is said of coverage, the fund and concentration, and of what was not given."""

from dataclasses import replace

import pytest

from plimsoll.backtest.record import judge
from plimsoll.backtest.walk import ewma_normal
from plimsoll.report.disclosure import concentration, disclosure_part
from plimsoll.risk.conformance import history_of

STRESS = {
    "fund": 1_000.0,
    "accounts": [{"mm": 300.0}, {"mm": 100.0}, {"mm": 0.0}],
    "scenarios": [
        {"name": "down & out", "liquidated": 2, "lacking": 250.0, "fund_left": 750.0, "shared": 0.0, "uncovered": 0.0}
    ],
}


@pytest.fixture(scope="module")
def cells():
    bars = history_of(41, days=800)
    return judge("TOY", "ewma-94", bars, ewma_normal(bars, 24, 0.99), 86_400).cells


def test_concentration_by_hand():
    found = concentration(STRESS["accounts"])
    assert found == pytest.approx({"first": 0.75, "five": 1.0, "even": 1 / (0.75**2 + 0.25**2)})
    assert concentration([{"mm": 0.0}]) == {"first": 0.0, "five": 0.0, "even": 0.0}
    assert concentration([{"mm": 2.0}] * 10)["even"] == pytest.approx(10)
    assert concentration([{"mm": 2.0}] * 10)["five"] == pytest.approx(0.5)


def test_the_fund_stands_against_each_scenario(cells):
    page = disclosure_part(cells, STRESS)
    assert "down &amp; out" in page
    assert "<td>25%</td>" in page
    assert "holds\n75% of all maintenance margin" in page
    worst = max(cells, key=lambda cell: cell.worst)
    assert f"{worst.worst:.2f} (TOY" in page
    assert "No book of accounts" not in page


def test_what_was_not_given_is_said(cells):
    page = disclosure_part([replace(cells[0], worst=9.87), cells[1]])
    assert "9.87 (TOY, long, 24 h" in page
    assert "No book of accounts was given" in page
    assert "fund against stress" not in page
