"""`plimsoll account`: what it says is what the chain holds, to the last unit; what it cannot use has a name."""

import io
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from plimsoll import cli
from plimsoll.report.account import (
    MEANING,
    AccountError,
    Labels,
    account_tables,
    exact,
    parse_account,
)
from plimsoll.risk.scenarios import FINE, ScenarioSet
from plimsoll.spec.instruments import FUTURE, PUT, SPOT, Instrument
from plimsoll.spec.margin import State
from plimsoll.spec.wad import WAD

from .world import DAY, EXPIRY, OTHER, TOY

OWNER = "0x976EA74026E726554dB657fA54763abd0C3a0aa9"
NUMBER = int(OWNER, 16) << 96


def run(*arguments):
    """Exit code of a command, in this process."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(a) for a in arguments])
    return left.value.code


def show(world, account, *options):
    return run("account", account, "--node", "http://127.0.0.1:8545", "--book", world.book, *options)


def drawn(summary, width=80):
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(account_tables(summary))
    return out.getvalue()


# ---------------------------------------------------------------------------------------------------- which account


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (str(NUMBER), NUMBER),
        (hex(NUMBER), NUMBER),
        (hex(NUMBER + 7), NUMBER + 7),
        (OWNER, NUMBER),
        (OWNER.lower(), NUMBER),
        (f"{OWNER}:7", NUMBER + 7),
        (f"{OWNER}:0x10", NUMBER + 16),
        (f"{OWNER}:{2**96 - 1}", NUMBER + 2**96 - 1),
        (f" {OWNER} ", NUMBER),
    ],
)
def test_an_account_by_number_or_by_owner(text, number):
    assert parse_account(text) == number


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no account"),
        ("alice", "is no account"),
        ("12.5", "is no account"),
        ("1_000", "is no account"),
        ("-1", "is no account"),
        ("0x", "is no account"),
        ("²", "is no account"),
        ("0", "owner << 96"),
        ("7", "owner << 96"),
        (str(2**256), "owner << 96"),
        ("9" * 5_000, "is no account"),
        ("0x" + "0" * 40, "is no address"),
        ("0x" + "g" * 40, "is no address"),
        (OWNER[:-1] + ":0", "is no address"),
        (OWNER.removeprefix("0x") + ":0", "is no address"),
        (OWNER.replace("E", "e", 1), "fails its checksum"),
        (f"{OWNER}:", "is no account number"),
        (f"{OWNER}:x", "is no account number"),
        (f"{OWNER}:{2**96}", "is no account number"),
        (f"{OWNER}:1:2", "is no account number"),
    ],
)
def test_what_is_no_account_is_named(text, said):
    with pytest.raises(AccountError, match=said):
        parse_account(text)


# ---------------------------------------------------------------------------------------------------------- numbers


@given(st.integers(-(2**127), 2**127))
def test_amounts_are_exact(wad):
    assert Fraction(exact(wad)) * WAD == wad


def test_json_is_what_the_chain_says(world, capsys):
    assert show(world, world.trader.address, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    told = world.system.lens.call("explain", world.account)
    held = told.assessment
    for name in ("equity_haircut", "equity_full", "mm", "im", "call_line"):
        assert Fraction(said[name]) * WAD == getattr(held, name)
    assert Fraction(said["headroom"]["to_im"]) * WAD == held.equity_haircut - held.im
    assert Fraction(said["headroom"]["to_call"]) * WAD == held.equity_haircut - held.call_line
    assert Fraction(said["headroom"]["to_liquidation"]) * WAD == held.equity_haircut - held.mm
    assert (said["state"], said["fresh"]) == (State(told.state).name.lower(), True)
    assert [Fraction(item["scan"]) * WAD for item in said["underlyings"]] == [found.scan for found in told.terms]
    assert [item["worst_lane"] for item in said["underlyings"]] == [found.worst_lane for found in told.terms]
    greeks = world.system.lens.call("greeks", world.account)
    assert [Fraction(item["delta"]) * WAD for item in said["greeks"]] == [found.delta for found in greeks]
    assert tuple(Fraction(said["ledger"][key]) * WAD for key in ("cash", "linear")) == tuple(
        world.system.clearinghouse.call("ledger", world.account)
    )
    assert [(item["text"], item["quantity"]) for item in said["positions"]] == [
        ("tTOY collateral", "0.25"),
        ("TOY call 110 2023-11-25", "-0.5"),
        ("OTHER perp", "1"),
    ]
    assert int(said["account"], 16) == world.account


def test_the_tables_say_it_too_and_fit_a_terminal(world, capsys):
    assert show(world, f"{world.trader.address}:0") == 0
    said = capsys.readouterr().out
    for text in ("healthy", "TOY call 110 2023-11-25", "-0.5", "tTOY collateral", "OTHER perp", "+1", "theta a day"):
        assert text in said
    narrow = drawn(world.read())
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= 80


def test_an_account_that_was_never_used(world, capsys):
    assert show(world, OWNER) == 0
    assert "no positions" in capsys.readouterr().out
    assert show(world, f"{world.trader.address}:7", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["number"], said["state"], said["positions"], said["mm"]) == (7, "healthy", [], "0")


def test_every_state_is_named(world):
    seen = set()
    for quarters in range(400, 0, -1):
        world.venue.set_index({OTHER: quarters / 4})
        said = world.read()
        state = State[said["state"].upper()]
        assert state == world.system.clearinghouse.call("state", world.account)
        if state not in seen:
            assert MEANING[state] in drawn(said)
        seen.add(state)
    assert seen == set(State)


def test_stale_reports_show(world):
    world.chain.advance(3 * 3_600)
    said = world.read()
    assert not said["fresh"]
    assert "TOY (stale)" in drawn(said)
    assert "reports" in drawn(said)


def test_a_series_that_expired_says_so(world):
    world.chain.advance(11 * DAY)
    world.venue.set_index({TOY: 100, OTHER: 100})
    assert "TOY call 110 2023-11-25 (expired)" in drawn(world.read())


@pytest.mark.parametrize("lane", range(32))
def test_lanes_in_words(world, lane):
    scenarios = ScenarioSet(psr=123_456, vol_up=0, vol_down=0, scale=FINE)
    surface = type("Surface", (), {name: getattr(scenarios, name) for name in ("psr", "nodes", "extremes")})
    said = Labels(surfaces={TOY: surface}).lane(TOY, lane)
    moves = [*np.repeat(scenarios.node_moves, 2), *scenarios.extreme_moves]
    assert f"price {moves[lane]:+.1%}," in said
    assert ("damped" in said) == (lane >= 26)
    assert lane >= 26 or ("down" in said) == (lane % 2 == 1)


def test_what_nobody_named_goes_by_number():
    labels = Labels()
    assert labels.instrument(Instrument(TOY, EXPIRY, PUT, 9, 0).pack()) == "0x0101 put 9 units 2023-11-25"
    assert labels.instrument(Instrument(TOY, EXPIRY, FUTURE, 0, 0).pack()) == "0x0101 future 2023-11-25"
    assert labels.instrument(Instrument(TOY, 0, SPOT, 0, 0).pack()) == "0x0101 collateral"
    assert labels.lane(TOY, 3) == ""


# -------------------------------------------------------------------------------------------------------- refusals


def test_a_dead_index_is_named(world, capsys):
    world.chain.advance(2 * DAY)
    world.venue.set_index({TOY: 100})
    assert show(world, world.trader.address) == 1
    said = capsys.readouterr()
    assert said.err == "plimsoll: Refused: the account cannot be assessed: feed: stale price (OTHER)\n"
    assert said.out == ""


def test_bad_input_has_a_name_and_code_2(world, tmp_path, capsys):
    node = ["--node", "http://127.0.0.1:8545"]
    other = tmp_path / "other.json"
    other.write_text(world.book.read_text().replace('"chain_id": 1337', '"chain_id": 1'))
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for arguments, said in (
        ([OWNER], "--node"),
        ([OWNER, *node], "--book"),
        ([OWNER, "--node", "127.0.0.1:8545", "--book", world.book], "InputError: --node 127.0.0.1:8545 is no URL"),
        ([OWNER, *node, "--book", tmp_path / "none.json"], "no such file"),
        ([OWNER, *node, "--book", broken], "DeploymentError"),
        ([OWNER, *node, "--book", other], "DeploymentError: address book other.json is of chain 1, this is 1337"),
        (["alice", *node, "--book", world.book], "AccountError"),
        ([], "ACCOUNT"),
    ):
        assert run("account", *arguments) == 2
        found = capsys.readouterr()
        assert said in found.err
        assert "Traceback" not in found.err
        assert found.out == ""


def test_no_node_is_named(built, capsys):
    assert run("account", OWNER, "--node", "http://127.0.0.1:1", "--book", built.book) == 1
    assert "plimsoll: NodeError: the node does not answer" in capsys.readouterr().err


def test_help_has_examples(capsys):
    assert run("account", "--help") == 0
    said = capsys.readouterr().out
    assert "plimsoll account 0x" in said
    assert "Exit codes: 0" in said
