"""Gas and size against the snapshot in git: drift fails until `make bench-update` renews it on purpose."""

import json

import pytest

from tests.bench.gas import SIZE_LIMIT, SNAPSHOT, Bench, main, table


@pytest.fixture(scope="module")
def measured():
    return Bench().run()


def test_nothing_drifted(measured):
    known = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert measured == known, "\n" + table(measured, known)


def test_contracts_fit(measured):
    sizes = {name: value for name, value in measured.items() if name.startswith("size ")}
    assert len(sizes) == 16
    assert max(sizes.values()) < SIZE_LIMIT


def test_the_bounds_that_the_design_states(measured):
    assert measured["margin 64 over 4"] <= 470_000
    for what in ("post 50", "post 50, funding"):  # without the guardrails
        assert measured[what] <= 50 * 24_000
    # a perp and a token of collateral besides
    assert measured["post 50, funding and a perp's surface"] <= 52 * 24_000
    assert measured["post 50, guarded, 3 signatures"] <= 50 * 34_000
    assert measured["bid on 64 positions, bidder holding the same series"] <= 1_700_000
    assert measured["bid on 64 positions, bidder empty"] <= 2_900_000
    assert 3 * measured["margin 127 over 8"] <= 3_000_000  # what Automation gives to a step
    for step in ("call", "start"):  # what looking once more adds to a step
        assert measured[f"performUpkeep, {step} of 64 positions"] <= measured[f"{step}, 64 positions"] + 20_000


def test_a_drift_is_shown():
    assert "+1" in table({"trade": 11}, {"trade": 10})


def test_the_command_says_when_it_drifted(monkeypatch, capsys, measured):
    monkeypatch.setattr(Bench, "run", lambda _: measured | {"trade, 0 other positions a side": 1})
    monkeypatch.setattr(Bench, "__init__", lambda _: None)
    assert main([]) == 1
    assert "trade, 0 other positions a side" in capsys.readouterr().out
