"""`plimsoll demo-node`: what it says of a story, and its exit code. The story itself is in the integration tests."""

import json

import pytest
from click.testing import CliRunner

from plimsoll.cli.base import FAILED, OK
from plimsoll.cli.demo_node import demo_node
from plimsoll.simulate.rig import story
from plimsoll.simulate.rig.story import SCRIPT, Ending, Told


@pytest.fixture
def told(monkeypatch):
    """What the command asked of the story; its ending can be set."""
    asked = {"ending": Ending(blocks=90, seconds=90.2, accounts=70, at_risk=10, reports=15, moves=14, called=4)}

    def run(seconds, accounts, *, seed, tell, tick, say):
        asked.update(seconds=seconds, accounts=accounts, seed=seed)
        say("three risk nodes, a keeper")
        tell(Told(81, "called", "margin call for [one]"))
        tick("http://127.0.0.1:1")
        return asked["ending"]

    monkeypatch.setattr(story, "run", run)
    return asked


def invoke(*arguments):
    done = CliRunner().invoke(demo_node, list(arguments), standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def test_story_and_ending_are_told(told):
    done = invoke("--minutes", "1.5", "--accounts", "7", "--seed", "3")
    assert (told["seconds"], told["accounts"], told["seed"]) == (90, 7, 3)
    assert done.return_value == OK
    assert "three risk nodes, a keeper" in done.output
    assert "block     81  called     margin call for [one]" in done.output
    assert "reports           15 believed; the index moved 14 times" in done.output
    assert "missed            nothing" in done.output
    assert "ENDED" not in done.output


def test_quiet_leaves_the_ending_and_json_is_json(told):
    assert "margin call" not in invoke("--quiet").output
    found = json.loads(invoke("--json").output)
    assert found["ok"] is True
    assert found["reports"] == 15


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"missed": ["account 0x7 waited 11 blocks"]}, "account 0x7 waited 11 blocks"),
        ({"keeper_ended": True}, "ENDED by itself"),
        ({"reports": 0}, "0 believed"),
    ],
)
def test_what_went_wrong_is_said_and_fails(told, change, said):
    told["ending"] = Ending(**{"reports": 15, **change})
    done = invoke()
    assert done.return_value == FAILED
    assert said in done.output


def test_interrupt_is_said_and_fails(told, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(story, "run", stop)
    done = invoke("--quiet")
    assert done.return_value == FAILED
    assert "every process has ended" in done.output


def test_the_script_falls_past_accounts_that_were_opened_to_fail():
    lowest, price = 1.0, 1.0
    for change in SCRIPT:
        price *= 1 + change
        lowest = min(lowest, price)
    assert sum(1 - lowest > fall for fall in story.FALLS) >= len(story.FALLS) // 2
    assert 1 - lowest < max(story.FALLS)
