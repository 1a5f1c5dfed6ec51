"""`plimsoll backtest`: records of models on files of prices; what it cannot use has a name."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from plimsoll import cli
from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.run import FRONTIER, run
from plimsoll.market.sources import load_bars

HOUR = 3_600
START = 1_577_836_800  # 2020-01-01


def command(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main(["backtest", *map(str, arguments)])
    return left.value.code


BOOK = Path(__file__).resolve().parents[3] / "docs" / "stress.example.json"


def write(path, days=820, seed=3):
    source = np.random.default_rng(seed)
    n = days * 24
    close = 100 * np.exp(np.cumsum(0.006 * source.standard_t(5, n)))
    opened = np.concatenate(([100.0], close[:-1]))
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "open", "high", "low", "close", "volume"])
        for t in range(n):
            high, low = max(opened[t], close[t]) * 1.001, min(opened[t], close[t]) * 0.999
            rows.writerow([START + t * HOUR, opened[t], high, low, close[t], 1])
    return path


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    return write(tmp_path_factory.mktemp("prices") / "toy_1h.csv")


def test_a_table_a_page_and_the_numbers(prices, tmp_path, capsys):
    models = ("--model", "har-fhs", "--model", "ewma-94")
    assert command(prices, *models, "--hours", 8, "--out", tmp_path / "out", "--book", BOOK) == 0
    shown = capsys.readouterr().out
    assert "har-fhs" in shown
    assert "ewma-94" in shown
    assert "Christoffersen" in shown
    page = (tmp_path / "out" / "backtest.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "TOY 2020-01-01 .. 2022-03-30" in page
    assert "As enforced" in page
    assert "The fund against stress" in page
    assert "depeg-staked" in page
    assert "http" not in page.replace("http-equiv", "")
    plain = json.loads((tmp_path / "out" / "backtest.json").read_text())
    assert [found["model"] for found in plain["models"]] == ["har-fhs", "ewma-94"]
    assert [(cell["side"], cell["horizon"]) for cell in plain["cells"]] == [("down", 8 * HOUR), ("up", 8 * HOUR)] * 2
    assert all(0 < cell["average"] < 1 for cell in plain["cells"])


def test_the_page_promises_the_level_that_was_asked_for(prices, tmp_path):
    asked = ("--model", "ewma-94", "--hours", 8, "--level", 0.975)
    assert command(prices, *asked, "--out", tmp_path / "out") == 0
    page = (tmp_path / "out" / "backtest.html").read_text()
    assert "promise to cover\n97.5 % of moves" in page
    assert "Coverage promised 97.5 %" in page
    assert "99 %" not in page


def test_a_page_that_cannot_be_written_is_no_traceback(prices, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert command(prices, "--model", "ewma-94", "--hours", 8, "--out", tmp_path / "file" / "out") == 2
    assert "out: Not a directory" in capsys.readouterr().err


def test_json_says_only_json(prices, capsys):
    assert command(prices, "--model", "ewma-97-fhs", "--hours", 1, "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["models"][0]["cells"] == 2
    assert [(found["asset"], found["liquidating"]) for found in plain["enforced"]] == [("TOY", 0)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "crystal-ball"], "model 'crystal-ball'; har-fhs"),
        (["--level", "0.5"], "level 0.5; 0.9 .. 1 is right"),
        (["--hours", "0"], "0 is not in the range"),
        (["--book", BOOK], "--book goes with --out"),
        (["--out", "nowhere", "--book", "none.json"], "none.json"),
    ],
)
def test_bad_input_has_a_name_and_a_code(prices, arguments, said, capsys):
    assert command(prices, *arguments) == 2
    assert said in capsys.readouterr().err


def test_bad_files_have_a_name_and_nothing_is_written(tmp_path, capsys):
    assert command(tmp_path / "none.csv", "--out", tmp_path / "out") == 2
    assert "none.csv" in capsys.readouterr().err
    short = write(tmp_path / "short.csv", days=300)
    assert command(short, "--model", "ewma-94", "--hours", 1, "--out", tmp_path / "out") == 2
    assert "0 days after a warm-up of 730; 30 are needed" in capsys.readouterr().err
    twice = write(tmp_path / "short_again.csv", days=2)
    assert command(short, twice) == 2
    assert "the same name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_files_and_data_it_says_what_to_name(monkeypatch, capsys):
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    assert command() == 2
    assert "PLIMSOLL_DATA" in capsys.readouterr().err


def test_a_run_of_nothing_or_of_half_bars_has_a_name(prices):
    bars = load_bars(prices)
    for assets, models, horizons in (({}, ["ewma-94"], [HOUR]), ({"TOY": bars}, [], [HOUR])):
        with pytest.raises(BacktestError, match="at least one asset"):
            run(assets, models, horizons)
    with pytest.raises(BacktestError, match="TOY: horizon 5400 s; a multiple of its bars' 3600 s"):
        run({"TOY": bars}, ["ewma-94"], [5_400])


def test_a_run_tells_how_far_it_is_and_whom_it_beats(prices):
    told = []
    found = run({"TOY": load_bars(prices)}, ["har-fhs", "ewma-94"], [HOUR], on_progress=lambda *said: told.append(said))
    parts = 2 + len(FRONTIER) + 1
    assert [said[:2] for said in told] == [(k, parts) for k in range(parts)] + [(parts, parts)]
    assert len(found.points) == len(FRONTIER)
    (held,) = found.enforced
    assert (held.record.model, held.liquidating) == ("har-fhs, enforced", 0)
    best, other = found.summary("har-fhs"), found.summary("ewma-94")
    assert found.beaten() == {
        "ewma-94": best.passing >= other.passing
        and best.ratio < other.ratio
        and best.peak_over_trough < other.peak_over_trough
        and best.rise_5 < other.rise_5
    }
