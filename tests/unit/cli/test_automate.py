"""`plimsoll automate`: what is due is done through the Automation contract, by whoever pays."""

import json

import pytest
from click.testing import CliRunner

from plimsoll.chain.errors import DeploymentError, NodeError
from plimsoll.cli.automate import automate
from plimsoll.cli.base import InputError
from plimsoll.keeper.automation import SecondTrigger
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.simulate.market import Party, key_of

from .world import OTHER, TOY

HOUR = 3_600


@pytest.fixture
def run(world, monkeypatch):
    """The command over the world, of which the node is."""
    monkeypatch.setattr("plimsoll.chain.node.NodeChain", lambda *_: world.chain)
    monkeypatch.setenv("PAYER", key_of("payer"))

    def invoke(*more, node="http://127.0.0.1:1", key="PAYER"):
        arguments = ["--node", node, "--book", str(world.book), "--key", key, *more]
        return CliRunner().invoke(automate, arguments, standalone_mode=False)

    return invoke


def lines_of(shown):
    assert shown.exception is None, shown.exception
    return [json.loads(line) for line in shown.output.splitlines()]


def sick(world):
    """The trader, whose index falls until the account is under maintenance margin."""
    for price in range(99, 10, -1):
        world.venue.set_index({OTHER: price})
        margin = world.system.clearinghouse.call("margin", world.account)
        if margin.equity_full >= 0 and margin.equity_haircut < margin.mm:
            return world.account
    raise AssertionError


def test_nothing_is_due_and_nothing_is_sent(world, run):
    lines_of(run("--json"))  # the high-water mark of an empty fund, at most
    before = world.chain.block
    shown = run()
    assert (shown.return_value, shown.output) == (0, "")
    assert world.chain.block == before


def test_prices_are_remembered_an_account_is_called_and_its_auction_started(world, run):
    account = sick(world)
    world.chain.advance(HOUR)
    world.venue.set_index({TOY: 100})
    done = lines_of(run("--json"))
    taken = [tuple(step) for line in done for step in line["taken"]]
    assert ("touch", hex(TOY), 0) in taken
    assert ("touch", hex(OTHER), 0) in taken
    assert ("call", hex(account), 0) in taken
    assert all(line["gas"] > 21_000 and line["error"] is None and line["refused"] == [] for line in done)
    liquidator = world.system.liquidator
    assert liquidator.call("ripe", account) > 0
    assert "call" not in run().output
    world.chain.advance(int(liquidator.call("ripe", account)) - world.chain.now + 1)
    assert f"start {account:#x}" in run().output
    assert liquidator.call("auction", account) > 0


def test_a_dry_run_sends_nothing(world, run):
    account = sick(world)
    assert "calls due" in run("--dry-run").output
    assert world.system.liquidator.call("ripe", account) == 0


def test_what_is_refused_is_told(world, run, monkeypatch):
    sick(world)
    plan = SecondTrigger.plan
    # what was due when it looked is not any more: somebody was faster
    monkeypatch.setattr(SecondTrigger, "plan", lambda self: [data for data in plan(self) for _ in range(2)])
    done = lines_of(shown := run("--json"))
    assert shown.return_value == 1
    assert {line["error"] for line in done} == {None, "automation: nothing was done"}
    assert "FAILED" not in run().output


def test_more_accounts_than_one_call_takes(world):
    trigger = SecondTrigger(world.system, Party.of("payer").address, MemoryRecorder())
    found = sick(world)
    trigger.watcher.update = lambda: [*range(1 << 96, (1 << 96) + 130), found]
    taken = [step for done in trigger.round() for step in done.taken]
    assert ("call", found, 0) in taken
    assert trigger.recorder.of("perform")[-1]["taken"] == [("call", found, 0)]
    assert trigger.recorder.of("check-failed") == []


def test_a_node_that_fails_ends_one_look_and_not_a_clock(world, run, monkeypatch):
    def fail(_):
        raise NodeError("silent")

    class EndOfTest(Exception):  # noqa: N818 - what ends a loop that has no end
        pass

    def end(_):
        raise EndOfTest

    monkeypatch.setattr(SecondTrigger, "plan", fail)
    assert isinstance(run().exception, NodeError)
    monkeypatch.setattr("plimsoll.cli.automate.time.sleep", end)
    assert isinstance(run("--every", "1").exception, EndOfTest)


def test_bad_input_has_a_name(world, run, monkeypatch):
    assert isinstance(run(node="nowhere").exception, InputError)
    assert "NO_SUCH" in str(run(key="NO_SUCH").exception)
    book = json.loads(world.book.read_text())
    kept = world.book.read_text()
    del book["contracts"]["Automation"]
    world.book.write_text(json.dumps(book))
    try:
        assert isinstance(found := run().exception, DeploymentError)
    finally:
        world.book.write_text(kept)
    assert "another `ape run deploy` adds it" in str(found)
