"""`plimsoll calibrate`: what it searches, what it proposes, and how bad input ends."""

import json

import numpy as np
import pytest
import yaml

from plimsoll import cli
from plimsoll.backtest.calibrate import Trial, Wishes, calibrate
from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.record import judge, summary
from plimsoll.backtest.run import DEFAULT
from plimsoll.backtest.walk import har_fhs
from plimsoll.market.bars import Bars
from plimsoll.report.calibrate import calibrate_tables, plain_of, proposal
from plimsoll.risk.conformance import history_of
from plimsoll.risk.har import HarConfig
from plimsoll.risk.named import made

HOUR, DAY = 3_600, 86_400
SHAPES = (HarConfig(weight=0.5), HarConfig(weight=1.0, reach=3.0, rise=6.0))


@pytest.fixture(scope="module")
def bars():
    return history_of(31, days=1_150)


@pytest.fixture(scope="module")
def split(bars):
    return int(bars.time[0]) + 940 * DAY


@pytest.fixture(scope="module")
def found(bars, split):
    return calibrate({"TOY": bars}, split, SHAPES, [DAY])


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main(["calibrate", *map(str, arguments)])
    return left.value.code


def test_each_range_is_judged_on_its_own(bars, split, found):
    """The training range as if nothing came after it; the unseen range with all that was known before each day."""
    trial = next(t for t in found.trials if t.config == SHAPES[0])
    before = bars.take(slice(0, int(np.searchsorted(bars.time, split))))
    margins = har_fhs(before, 24, 0.99, SHAPES[0])
    assert trial.train == summary([judge("TOY", "candidate", before, margins, DAY)])
    whole = har_fhs(bars, 24, 0.99, SHAPES[0])
    assert trial.unseen == summary([judge("TOY", "candidate", bars, whole, DAY, 0.99, split - int(bars.time[0]))])


def test_what_comes_after_the_split_changes_no_choice(bars, split, found):
    source = np.random.default_rng(3)
    at = int(np.searchsorted(bars.time, split))
    wild = bars.close.copy()
    wild[at:] = wild[at - 1] * np.exp(np.cumsum(0.03 * source.standard_normal(len(bars) - at)))
    opened = np.concatenate((bars.open[:1], wild[:-1]))
    opened[:at] = bars.open[:at]
    high, low = np.maximum(opened, wild) * 1.001, np.minimum(opened, wild) * 0.999
    high[:at], low[:at] = bars.high[:at], bars.low[:at]
    other = calibrate({"TOY": Bars(bars.time, opened, high, low, wild, bars.volume, HOUR)}, split, SHAPES, [DAY])
    assert [t.config for t in other.trials] == [t.config for t in found.trials]
    assert [t.train for t in other.trials] == [t.train for t in found.trials]
    assert [t.unseen for t in other.trials] != [t.unseen for t in found.trials]


def test_the_least_capital_of_what_keeps_the_wishes_is_chosen(bars, split, found):
    admissible = [t for t in found.trials if Wishes().missed(t.train) == 0]
    assert len(admissible) == found.admissible
    assert found.chosen.train.ratio == min(t.train.ratio for t in admissible)
    still = min(t.train.rise_5 for t in found.trials)
    calm = calibrate({"TOY": bars}, split, SHAPES, [DAY], wishes=Wishes(passing=0.0, rise_5=still))
    assert calm.chosen.train.rise_5 == still
    none = calibrate({"TOY": bars}, split, SHAPES, [DAY], wishes=Wishes(passing=0.0, rise_5=still / 2))
    assert (none.admissible, none.chosen.train.rise_5) == (0, still)


def test_the_proposal_is_settings_with_the_evidence(found, bars):
    text = proposal(found, {"TOY": (int(bars.time[0]), int(bars.time[-1]))})
    said = yaml.safe_load(text)
    model = made(said["model"]["name"], said["model"]["parameters"])
    assert model.name == DEFAULT
    assert model.parameters["har"]["weight"] == found.chosen.config.weight
    assert "TOY: 2020-09-14 .. " in text
    assert "# Margins that cover 99.00% of moves, over 24 h;" in text
    assert text.count("unseen: ") == text.count("trained: ") == 2
    assert ("no better than what is in use" in text) == (not found.is_better)
    plain = json.loads(json.dumps(plain_of(found)))
    assert plain["chosen"] == plain["trials"][0]
    assert (plain["tried"], plain["present"]["weight"]) == (2, HarConfig().weight)


def test_tables_say_whether_to_change(found):
    from dataclasses import replace

    from rich.console import Console

    def said(calibration):
        console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
        console.print(calibrate_tables(calibration))
        console.file.close()
        return console.export_text()

    assert "(in use)" in said(found)
    same = replace(found, trials=(found.present, *found.trials))
    assert "is what the training range would choose" in said(same)
    worse = Trial(SHAPES[0], found.present.train, replace(found.present.unseen, passing=0))
    assert "keep that" in said(replace(found, trials=(worse,)))
    better = Trial(SHAPES[0], found.present.train, replace(found.present.unseen, ratio=0.1))
    assert "costs or moves less" in said(replace(found, trials=(better,)))


def test_a_price_that_stands_still_is_refused_and_not_admissible(bars, split):
    """Margins of 0 would make every comparison one with NaN, which keeps all wishes."""
    still = np.full(len(bars), 100.0)
    flat = Bars(bars.time, still, still, still, still, bars.volume, HOUR)
    with pytest.raises(BacktestError, match="a margin of 0 at "):
        calibrate({"TOY": flat}, split, SHAPES[:1], [DAY])


def test_a_horizon_named_twice_counts_once(bars, split, found):
    twice = calibrate({"TOY": bars}, split, SHAPES, [DAY, DAY])
    assert twice.horizons == (DAY,)
    assert twice.trials == found.trials


def test_a_proposal_that_cannot_be_written_is_no_traceback(found, bars, tmp_path, capsys, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.setattr("plimsoll.cli.calibrate.priced", lambda _: {"TOY": bars})
    monkeypatch.setattr("plimsoll.backtest.calibrate.calibrate", lambda *_, **__: found)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    assert run("--propose", closed / "new.yaml") == 2
    assert "new.yaml: Permission denied" in capsys.readouterr().err


def test_bad_input_has_a_name(bars, split, tmp_path, capsys, monkeypatch):
    with pytest.raises(BacktestError, match="at least one candidate"):
        calibrate({"TOY": bars}, split, ())
    with pytest.raises(BacktestError, match="one forecast is right"):
        calibrate({"TOY": bars}, split, [HarConfig(burn_in=90)])
    with pytest.raises(BacktestError, match=r"TOY: .* days of training after the warm-up, .* unseen; 180 of each"):
        calibrate({"TOY": bars}, int(bars.time[0]) + 740 * DAY)
    with pytest.raises(BacktestError, match="TOY: 419 days of training after the warm-up, 0 unseen"):
        calibrate({"TOY": bars}, int(bars.time[-1]) + 9_000 * DAY)
    with pytest.raises(BacktestError, match="TOY: 0 days of training after the warm-up, 1149 unseen"):
        calibrate({"TOY": bars}, 0)
    there = tmp_path / "there.yaml"
    there.write_text("")
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    for arguments, why in (
        (["--propose", there], "the file is there already"),
        (["--propose", tmp_path / "none" / "new.yaml"], "there is no folder"),
        (["--level", 0.5], "--level 0.5; 0.9 .. 1 is right"),
        ([], "PLIMSOLL_DATA: is not set"),
        ([tmp_path / "none.csv"], "none.csv"),
        (["--split", "soon"], "no date"),
    ):
        assert run(*arguments) == 2
        assert why in capsys.readouterr().err
    assert not there.read_text()


def test_from_a_file_to_a_proposal(bars, split, tmp_path, capsys, monkeypatch):
    path = tmp_path / "toy.csv"
    rows = zip(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    path.write_text("time,open,high,low,close,volume\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n")
    monkeypatch.setattr(calibrate, "__defaults__", (SHAPES, *calibrate.__defaults__[1:]))
    day = np.datetime64(split, "s").astype("datetime64[D]")
    target = tmp_path / "proposal.yaml"
    assert run(path, "--split", day, "--hours", 24, "--propose", target, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["tried"] == 2
    assert yaml.safe_load(target.read_text())["model"]["parameters"]["har"]["weight"] == said["chosen"]["weight"]
