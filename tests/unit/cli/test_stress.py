"""`plimsoll stress`: tables, JSON, and what its exit code says."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from plimsoll import cli
from plimsoll.report.stress import SHOWN, numbers, stress, stress_tables
from plimsoll.risk.stress import StressBook

EXAMPLE = Path(__file__).parents[3] / "docs" / "stress.example.json"


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main(["stress", *map(str, arguments)])
    return left.value.code


def shown(summary, width=120):
    told = io.StringIO()
    Console(file=told, width=width, highlight=False).print(stress_tables(summary))
    return told.getvalue()


def test_the_example_in_json(capsys):
    assert run(EXAMPLE, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["scenarios"]) == 11
    assert len(said["accounts"]) == 8
    assert said["failures"] == []
    crash = next(found for found in said["scenarios"] if found["name"] == "2020-03-12")
    assert crash["lacking"] > 0
    assert crash["fund_left"] == pytest.approx(said["fund"] - crash["lacking"])
    for account in said["accounts"]:
        assert account["state"] in {"healthy", "restricted"}  # nobody is in trouble before


def test_the_example_in_tables(capsys):
    assert run(EXAMPLE, "--scenario", "down-50", "--scenario", "depeg") == 0
    said = capsys.readouterr().out
    for word in ("down-50", "depeg-quote", "depeg-staked", "perp long", "fund left", "the fund pays for all"):
        assert word in said
    assert "up-50" not in said
    assert max(map(len, said.splitlines())) <= 120


def test_a_fund_that_runs_out_fails_and_says_where(tmp_path, capsys):
    data = json.loads(EXAMPLE.read_text())
    data["fund"] = 1_000
    (tmp_path / "poor.json").write_text(json.dumps(data))
    assert run(tmp_path / "poor.json", "--scenario", "down-50") == 1
    assert "FUND RUNS OUT" in capsys.readouterr().out
    assert run(tmp_path / "poor.json", "--scenario", "feed-dead") == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.json",), "nowhere.json"),
        ((EXAMPLE, "--scenario", "flood"), "scenario flood"),
        ((EXAMPLE, "--scenario", "up-50", "--cost", "2"), "cost 2.0"),
        ((EXAMPLE, "--cost", "much"), "much"),
        ((), "BOOK"),
    ],
)
def test_bad_input_ends_with_two_and_a_reason(arguments, says, capsys):
    assert run(*arguments) == 2
    assert says in capsys.readouterr().err


def test_a_name_in_brackets_is_text(tmp_path, capsys):
    data = json.loads(EXAMPLE.read_text())
    data["accounts"] = {"[/desk] [bold]one": {"cash": 1.0}}
    (tmp_path / "book.json").write_text(json.dumps(data))
    assert run(tmp_path / "book.json", "--scenario", "up-50") == 0
    assert "[/desk] [bold]one" in capsys.readouterr().out


def test_more_accounts_than_fit_are_counted():
    data = json.loads(EXAMPLE.read_text())
    data["accounts"] = {f"account {k}": {"cash": 1.0} for k in range(SHOWN + 5)}
    said = shown(stress(StressBook.parse(data), ["up-50"]))
    assert f"account {SHOWN - 1}" in said
    assert f"account {SHOWN + 1}" not in said
    assert "and 5 more" in said


def test_numbers_say_the_worst_of_all_scenarios():
    told = []
    found = stress(StressBook.load(EXAMPLE), ["down-50", "depeg"], on_progress=lambda *words: told.append(words))
    assert told == [(0, 3, "down-50"), (1, 3, "depeg-quote"), (2, 3, "depeg-staked")]
    said = numbers(found)
    assert (said["scenarios"], said["accounts"], said["runs_out"]) == (3, 8, 0)
    assert said["lacking"] == found["scenarios"][0]["lacking"] > 0
    assert said["fund_left"] == found["scenarios"][0]["fund_left"]
    assert said["gap"] < 1e-6
    found["scenarios"][1]["fund_paid"] += 5  # a payment that nobody lost
    assert numbers(found)["gap"] == pytest.approx(5, abs=1e-6)
