"""The command line: every bad input has a name, exit code 2, and leaves nothing behind."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from plimsoll import cli
from plimsoll.market.bars import Bars
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.simulate.agreement import Mismatch
from plimsoll.simulate.replay import Replay
from plimsoll.spec.instruments import PERP, Instrument

HOUR = 3_600
START = 1_704_067_200
HEADER = "time,open,high,low,close,volume"


def prices(folder, name="toy_1h.csv", hours=120, edit=None):
    """A file of hourly bars; `edit` changes its lines."""
    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, hours)))
    lines = [HEADER]
    for k, price in enumerate(close):
        lines.append(f"{START + k * HOUR},{price},{price * 1.002},{price * 0.998},{price},1")
    if edit:
        edit(lines)
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def run(*arguments):
    """Exit code of a command, in this process."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(a) for a in arguments])
    return left.value.code


def put(line, column, text):
    def edit(lines):
        cells = lines[line].split(",")
        cells[column] = text
        lines[line] = ",".join(cells)

    return edit


def drop_column(lines):
    lines[:] = [",".join(line.split(",")[1:]) for line in lines]


def swap(lines):
    lines[5], lines[6] = lines[6], lines[5]


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (put(7, 4, "nan"), "MissingPriceError"),
        (put(7, 4, ""), "MissingPriceError"),
        (put(7, 4, "-1"), "NonPositivePriceError"),
        (put(7, 4, "lots"), "MalformedFileError"),
        (put(7, 2, "0.001"), "InconsistentBarError"),
        (put(7, 0, "yesterday"), "MalformedFileError"),
        (drop_column, "MissingColumnError"),
        (swap, "UnsortedTimesError"),
        (lambda lines: lines.insert(5, lines[5]), "DuplicateTimesError"),
        (lambda lines: lines.__setitem__(slice(1, None), []), "MalformedFileError|EmptyRangeError"),
        (lambda lines: lines.__setitem__(slice(20, None), []), "SimulationError"),
    ],
)
def test_a_bad_price_file_is_named_and_nothing_is_written(tmp_path, capsys, edit, error):
    path = prices(tmp_path, edit=edit)
    out = tmp_path / "out"
    assert run("demo", "--prices", path, "--out", out, "--quiet") == 2
    said = capsys.readouterr()
    assert any(f"plimsoll: {name}: " in said.err for name in error.split("|"))
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--prices", "nowhere.csv"], "SourceNotFoundError"),
        (["demo", "--from", "yesterday"], "is no date"),
        (["demo", "--from", "2008-12-01", "--to", "2008-11-01"], "InputError"),
        (["demo", "--from", "2035-01-01", "--to", "2035-02-01"], "EmptyRangeError"),
        (["demo", "--from", "1999-01-01", "--to", "1999-02-01"], "SimulationError"),
        (["demo", "--per-leg", "0"], "--per-leg"),
        (["demo", "--colour"], "No such option"),
        (["demo", "extra"], "behind --prices"),
        (["keeper"], "--settings"),
        (["keeper", "--settings", "nowhere.yaml"], "SettingsError"),
        (["keeper", "--settings", "nowhere.yaml", "--urgent"], "--urgent goes with --once"),
        (["node"], "--settings"),
        (["node", "--settings", "nowhere.yaml"], "SettingsError"),
        (["node", "--settings", "nowhere.yaml", "--port", "1"], "No such option"),
        (["report", "nowhere.json"], "SnapshotError"),
        (["report"], "SNAPSHOT"),
        (["report", "x.json", "--chain-id", "1"], "InputError"),
        (["report", "x.json", "--chain-id", "1", "--oracle", "0x12"], "is no address"),
        (["report", "x.json", "--sequence", "0"], "--sequence"),
        (["figures", "no-such-figure"], "no-such-figure"),
        (["dance"], "No such command"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    found = capsys.readouterr()
    assert said in found.err
    assert "Traceback" not in found.err
    assert list(tmp_path.iterdir()) == []


def test_keeper_settings_that_are_wrong(tmp_path, capsys):
    path = tmp_path / "keeper.yaml"
    for text in ("a: [", yaml.safe_dump({"node": "http://x", "triggers": {"heartbeat": 0}})):
        path.write_text(text)
        assert run("keeper", "--settings", path, "--once") == 2
        assert "plimsoll: SettingsError: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("command", "error"), [("report", "SnapshotError"), ("stress", "StressError"), ("compare", "BookError")]
)
def test_a_file_of_brackets_is_a_named_error(tmp_path, capsys, command, error):
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    assert run(command, path) == 2
    found = capsys.readouterr().err
    assert found.startswith(f"plimsoll: {error}: ")
    assert found.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--help"], ["demo", "--help"], ["keeper", "-h"], ["node", "-h"], ["report", "--help"]]
)
def test_help_has_examples_and_exit_codes(capsys, arguments):
    assert run(*arguments) == 0
    said = capsys.readouterr().out
    assert "Exit codes: 0" in said
    if len(arguments) > 1:
        assert f"plimsoll {arguments[0]} " in said


@pytest.fixture
def snapshot(tmp_path):
    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, 200)))
    time = START + HOUR * np.arange(200, dtype=np.int64)
    bars = Bars(time, close, close.copy(), close.copy(), close.copy(), np.ones(200), HOUR)
    market = Market(
        257, float(close[-1]), History.from_bars(bars), (Instrument(257, 0, PERP, 0, 0).pack(),), name="TOY"
    )
    path = tmp_path / "snapshot.json"
    Snapshot(int(time[-1]) + HOUR, (market,)).save(path)
    return path


def test_report_recomputes_a_snapshot(snapshot, capsys):
    where = ["--chain-id", "1", "--oracle", "0x" + "11" * 20]
    assert run("report", snapshot, "--json", *where) == 0
    first = capsys.readouterr().out
    assert run("report", snapshot, "--json", *where) == 0
    assert capsys.readouterr().out == first
    said = json.loads(first)
    assert len(said["digest"]) == 66
    assert 0 < said["margin"]["TOY"]["mm"] < said["margin"]["TOY"]["im"]
    assert run("report", snapshot) == 0
    assert "MM" in capsys.readouterr().out


def test_report_refuses_a_chain_that_no_word_holds(snapshot, capsys):
    where = ["--oracle", "0x" + "11" * 20, "--chain-id"]
    assert run("report", snapshot, *where, 2**256) == 2
    assert "not in the range" in capsys.readouterr().err
    assert run("report", snapshot, *where, 2**256 - 1) == 0


def test_report_refuses_what_is_no_snapshot(snapshot, capsys):
    snapshot.write_text(snapshot.read_text().replace('"format":1', '"format":2'))
    assert run("report", snapshot) == 2
    assert "SnapshotError" in capsys.readouterr().err


@pytest.mark.slow
def test_demo_in_json_says_only_json_and_writes_page_and_picture(tmp_path, capsys):
    out = tmp_path / "out"
    files = prices(tmp_path), prices(tmp_path, "other_1h.csv")
    code = run("demo", "--prices", *files, "--from", "2024-01-05T18:00", "--json", "--out", out)
    said = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (said["mismatches"], said["ok"]) == (0, True)
    assert [market["name"] for market in said["coverage"]] == ["TOY", "OTHER"]
    assert said["comparisons"] > 0
    assert sorted(path.name for path in out.iterdir()) == ["index.html", "replay.png"]


@pytest.mark.slow
def test_demo_fails_where_chain_and_spec_differ(tmp_path, monkeypatch, capsys):
    real = Replay.run

    def tampered(self):
        found = real(self)
        found.mismatches.append(Mismatch(0, 1, 2, "this", "that"))
        return found

    monkeypatch.setattr(Replay, "run", tampered)
    arguments = ["--prices", prices(tmp_path), "--from", "2024-01-05T20:00", "--out", tmp_path / "out"]
    assert run("demo", *arguments) == 1
    assert "mismatches" in capsys.readouterr().out


def test_the_console_script_runs():
    done = subprocess.run(
        [sys.executable, "-m", "plimsoll.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("plimsoll, version ")
