"""`plimsoll solvency`: what it says is what chain and twin say, and it fails where, and only where, it should."""

import io
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console

from plimsoll import cli
from plimsoll.chain.deployment import book_block
from plimsoll.keeper.accounts import AccountWatcher
from plimsoll.report.solvency import failures_of, read_solvency, solvency_tables
from plimsoll.simulate.market import Party
from plimsoll.spec.wad import WAD

from .world import OTHER, TOY

LANES = 32
FOLDER = Path(__file__).parent


def run(world, *options):
    with pytest.raises(SystemExit) as left:
        cli.main(["solvency", "--node", "http://127.0.0.1:8545", "--book", str(world.book), *options])
    return left.value.code


def read(world, **options):
    accounts = AccountWatcher(world.system, book_block(world.book)).update()
    return read_solvency(world.system, accounts, **options)


def wad(text: str) -> int:
    found = Fraction(text) * WAD
    assert found.denominator == 1
    return int(found)


def drawn(summary) -> str:
    out = io.StringIO()
    Console(file=out, width=110, highlight=False).print(solvency_tables(summary))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


# ------------------------------------------------------------------------------------------------------ what it says


def test_a_system_that_can_pay(world, capsys):
    assert run(world, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["failures"] == said["unknown"] == said["short"] == []
    quote, token = said["tokens"]
    assert (quote["symbol"], token["symbol"]) == ("quote", "tTOY")
    assert wad(quote["held"]) == wad(quote["owed"]) == 100_060 * WAD
    assert wad(token["held"]) == WAD // 4
    assert said["accounts"] == 2
    assert [lane["lane"] for lane in said["lanes"]] == list(range(LANES))
    assert said["lanes"][22]["means"].startswith("TOY +")
    assert said["lanes"][22]["means"].endswith("%, volatility up")
    assert "OTHER +" in said["lanes"][22]["means"]


def test_a_system_that_can_pay_in_a_terminal(world, capsys):
    assert run(world) == 0
    said = capsys.readouterr().out
    assert "solvent, now and in every lane" in said
    assert "no account lacks anything in any" in said


def squeeze(world, price: int) -> None:
    """The trader is long a perpetual of OTHER on 60, and short half a call on TOY: prices fall, or rise."""
    world.venue.set_index({TOY: 100, OTHER: price})


def test_the_shortfall_of_every_account_is_the_twins(world):
    squeeze(world, 16)
    said = read(world)
    (short,) = said["short"]
    assert short["name"] == world.trader.address
    margin = world.system.clearinghouse.call("margin", world.account)
    lanes = world.system.oracle.call("lanes", world.system.clearinghouse.call("positions", world.account))
    assert wad(short["equity_full"]) == margin.equity_full > 0
    assert [wad(one) for one in short["lanes"]] == [max(0, -(margin.equity_full + pnl)) for pnl in lanes]
    assert short["worst_lane"] == max(range(LANES), key=lambda k: -lanes[k])
    totals, unknown = world.system.lens.call("shortfalls", [world.account])
    assert unknown == 0
    assert [wad(lane["shortfall"]) for lane in said["lanes"]] == list(totals)
    assert said["worst_lane"] == short["worst_lane"]


def test_a_fund_that_does_not_cover_the_worst_lane(world, capsys):
    squeeze(world, 16)
    assert run(world) == 1
    said = capsys.readouterr().out
    assert "FAILS  the fund could pay 0 of the" in said
    assert "that accounts lack in lane" in said
    lender = Party.of("lender")
    world.venue.join(lender)
    quote, fund = world.system.quote, world.system.fund
    quote.transact("mint", lender.address, 1_000 * 10**6, sender=lender.address)
    quote.transact("approve", fund.address, 1_000 * 10**6, sender=lender.address)
    fund.transact("deposit", 1_000 * 10**6, lender.address, sender=lender.address)
    assert run(world) == 0
    assert "solvent" in capsys.readouterr().out
    # all of the cover, and yet no more than a cap's for one event
    fund.transact("set_caps", WAD, 10**6 * WAD, sender=world.venue.admin)
    assert run(world, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["lanes"][told["worst_lane"]]["payable"] == "1"
    assert told["fund"]["cover"] == "999"


def test_bad_debt_that_is_not_on_record(world, capsys):
    squeeze(world, 2)
    said = read(world)
    lost = -wad(said["short"][0]["equity_full"])
    assert lost > 0
    assert said["bad_debt"] == {"recorded": "0", "unrecorded": str(Decimal(lost) / WAD)}
    assert f"bad debt of {said['bad_debt']['unrecorded']} is not on record" in said["failures"]
    world.system.liquidator.transact("record", world.account, sender=world.trader.address)
    said = read(world)
    assert wad(said["bad_debt"]["recorded"]) == lost
    assert said["bad_debt"]["unrecorded"] == "0"
    assert not any("record" in failure for failure in said["failures"])


def test_an_account_that_nobody_can_assess(world, capsys):
    world.system.aggregators[OTHER].transact("set", 0, sender=world.trader.address)
    said = read(world)
    assert len(said["unknown"]) == 2
    assert said["failures"] == ["2 accounts cannot be assessed: an index is dead"]
    assert run(world) == 1


def test_a_token_that_is_short(world):
    said = read(world)
    said["tokens"][1]["held"] = "0.24"
    assert failures_of(said) == ["tTOY: 0.24 held, 0.25 owed"]


def test_many_accounts_in_parts(world):
    strangers = [(k + 1) << 96 for k in range(120)]
    seen = []
    said = read_solvency(world.system, [*strangers, world.account], lambda done, of: seen.append((done, of)))
    assert seen == [(50, 121), (100, 121), (121, 121)]
    assert said["accounts"] == 121


# ---------------------------------------------------------------------------------------------------------- the table

SUMMARY = {
    "time": 1_800_000_000,
    "accounts": 1_234,
    "unknown": ["0x976EA74026E726554dB657fA54763abd0C3a0aa9:7"],
    "tokens": [
        {"token": "0x1", "symbol": "quote", "held": "1000000.5", "owed": "1000000.25"},
        {"token": "0x2", "symbol": "WETH", "held": "10", "owed": "12.000001"},
    ],
    "supply": "1500000.25",
    "debt": "500000",
    "kept_interest": "12.5",
    "pool": "-3",
    "utilisation": "0.333333",
    "outflow": "250",
    "bad_debt": {"recorded": "5", "unrecorded": "7.5"},
    "fund": {"cover": "1000", "event_cap": "100000", "underlying_cap": "500000"},
    "worst_lane": 24,
    "lanes": [
        {"lane": k, "means": f"ETH {k}", "shortfall": {24: "2500", 25: "900"}.get(k, "0"), "payable": {24: "1000", 25: "900"}.get(k, "0")}  # noqa: E501
        for k in range(LANES)
    ],
    "short": [
        {"account": hex(k), "name": f"account {k}", "equity_full": str(k - 2), "recorded": "0", "worst_lane": 24, "shortfall": str(2_500 - k), "lanes": []}  # noqa: E501
        for k in range(12)
    ],
}  # fmt: skip


def test_the_table():
    summary = {**SUMMARY, "failures": failures_of(SUMMARY)}
    assert summary["failures"] == [
        "WETH: 10 held, 12.000001 owed",
        "bad debt of 7.5 is not on record",
        "1 accounts cannot be assessed: an index is dead",
        "the fund could pay 1000 of the 2500 that accounts lack in lane 24 (ETH 24)",
    ]
    assert drawn(summary) == (FOLDER / "solvency.txt").read_text().rstrip("\n")


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--node", "127.0.0.1:8545", "--book", "none.json"], "is no URL"),
        (["--node", "http://127.0.0.1:8545", "--book", "none.json"], "no such file"),
        (["--book", "none.json"], "Missing option '--node'"),
    ],
)
def test_bad_input(options, said, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["solvency", *options])
    assert left.value.code == 2
    assert said in capsys.readouterr().err
