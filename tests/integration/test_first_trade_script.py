"""`ape run first_trade`: it plays once, sends nothing the second time, and refuses where it has no business."""

import json
import shutil
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from eth_utils.crypto import keccak

from plimsoll.chain.deployment import account_id
from plimsoll.report.account import exact
from plimsoll.spec.exchange import ORDER_TYPE
from plimsoll.spec.instruments import CALL, PERP, unpack
from plimsoll.spec.margin import State
from plimsoll.spec.wad import WAD
from scripts import first_trade
from scripts._config import CHAIN, INPUT, DeployError
from scripts.first_trade import CASH, DAY, DAYS, MAKER, TAKER, FirstTrade, made_up_history, next_command, step_line

ETH = 0x0102
WETH = "WETH"


@pytest.fixture(scope="module")
def played(site):
    """One run; what it did stays for this module."""
    run = FirstTrade(site.config, site.provider, site.book())
    run.run()
    return run


@pytest.fixture
def copy(site, tmp_path):
    """The address book, to be spoilt."""
    path = tmp_path / "book.json"
    shutil.copy(site.path, path)

    def spoil(**changes):
        data = json.loads(path.read_text())
        for part, value in changes.items():
            data[part] = {**data[part], **value} if isinstance(value, dict) else value
        path.write_text(json.dumps(data))
        book = site.book()
        book.path = path
        book._read()
        return book

    return spoil


def refusal(action, exit_code: int) -> str:
    with pytest.raises(DeployError) as caught:
        action()
    assert caught.value.exit_code == exit_code
    assert caught.value.message.startswith("first_trade: ")
    return caught.value.message


# ------------------------------------------------------------------------------------------------------- what it does


def test_two_trades_stand_and_margin_is_held(site, played):
    book = site.deployed.contracts["Clearinghouse"]
    taker, maker = (account_id(str(who.address)) for who in (played.taker, played.maker))
    perp, call = played._wanted()
    assert [unpack(found).kind for found in (perp, call)] == [PERP, CALL]
    assert unpack(call).strike == 3_100
    for found in (perp, call):
        assert (book.quantity(taker, found), book.quantity(maker, found)) == (WAD, -WAD)
    cash, linear = book.ledger(taker)
    assert -3_000 * WAD > linear > -3_003 * WAD  # with the fee
    assert 0 < CASH[TAKER] * WAD - cash < 303 * WAD  # the premium
    earned = tuple(book.ledger(int(site.deployed.contracts["InsuranceFund"].address, 16) << 96))
    assert cash + book.ledger(maker)[0] + earned[0] == (CASH[MAKER] + CASH[TAKER]) * WAD
    assert linear + book.ledger(maker)[1] + earned[1] == 0
    assert min(earned) > 0
    mandate = site.deployed.contracts["Mandates"].allowance(taker, site.deployed.contracts["Exchange"])
    assert mandate[1] == first_trade.BUDGET * WAD
    assert mandate[2:] == (0xFFFF << 112, ETH << 112)
    for account in (taker, maker):
        assert book.state(account) == State.HEALTHY
        assert book.margin(account).fresh
    assert site.deployed.contracts["RiskOracle"].sequence() == 1


def test_each_step_says_who_what_and_gas(played):
    lines = [step_line(step) for step in played.steps]
    assert [step.who for step in played.steps if step.gas] == [
        *["keeper"] * 2,
        *["maker"] * 3,
        *["taker"] * 5,
        *["keeper"] * 2,
    ]
    assert all(step.gas is None or step.gas > 20_000 for step in played.steps)
    assert max(map(len, lines)) <= 100
    assert sum("made-up history" in line for line in lines) == 2  # BTC and ETH
    assert any("settle two orders: the taker buys 1 ETH perp at 3000" in line for line in lines)


def test_the_summary_is_the_lens_own(site, played):
    said = played.summary()
    told = site.deployed.contracts["Clearinghouse"].margin(played.account)
    assert (said["mm"], said["im"]) == (exact(told.mm), exact(told.im))
    assert 0 < Decimal(said["mm"]) < Decimal(said["im"]) < Decimal(said["equity_haircut"])
    assert [item["text"].split(" 2")[0] for item in said["positions"]] == [
        "ETH perp",
        "WETH collateral",
        "ETH call 3100",
    ]
    assert [item["name"] for item in said["greeks"]] == ["ETH"]
    assert Decimal(1) < Decimal(said["greeks"][0]["delta"]) < Decimal("2.5")
    assert said["underlyings"][0]["worst"].startswith("price -")


def test_a_second_run_sends_nothing(site, played):
    before = site.provider.get_block("latest").number
    again = FirstTrade(site.config, site.provider, site.book())
    again.run()
    assert site.provider.get_block("latest").number == before
    assert all(step.gas == 0 for step in again.steps)
    assert all("done before" in step_line(step) for step in again.steps)


def test_a_stale_report_is_renewed_from_the_last(site, played, chain):
    chain.mine(timestamp=site.provider.get_block("latest").timestamp + 7_000)
    again = FirstTrade(site.config, site.provider, site.book())
    again.run()
    assert site.deployed.contracts["RiskOracle"].sequence() == 2
    assert again.summary()["fresh"]
    assert [step.who for step in again.steps if step.gas] == ["keeper", "keeper"]


def test_the_made_up_history_is_always_the_same_and_ends_at_the_price():
    now = 1_800_000_123
    first, second = made_up_history(now, [100.0, 3_000.0])
    again, _ = made_up_history(now, [100.0, 3_000.0])
    assert np.array_equal(first.close, again.close)
    assert (first.close[-1], second.close[-1]) == (100.0, 3_000.0)
    assert len(first.close) == DAYS
    assert int(first.time[-1]) + DAY <= now < int(first.time[-1]) + 2 * DAY
    assert 0.02 < first.returns.std() < 0.03
    assert 0.6 < np.corrcoef(first.returns, second.returns)[0, 1] < 0.95


def test_orders_are_of_the_type_that_is_hashed():
    fields = first_trade.order_fields()
    said = "Order(" + ",".join(f"{field['type']} {field['name']}" for field in fields) + ")"
    assert keccak(text=said) == keccak(ORDER_TYPE)


def test_the_next_command_is_for_a_node_that_stays(played, monkeypatch):
    assert next_command(played) == ""
    node = type("Node", (), {"name": "node", "http_uri": "http://127.0.0.1:8545"})
    monkeypatch.setattr(played, "provider", node)
    said = next_command(played)
    assert f"plimsoll account {played.taker.address} --node http://127.0.0.1:8545 --book " in said


# ---------------------------------------------------------------------------------------------------------- refusals


def test_a_live_network_is_refused(site, monkeypatch):
    monkeypatch.setattr(first_trade, "is_development", lambda _: False)
    said = refusal(lambda: FirstTrade(site.config, site.provider, site.book()), INPUT)
    assert "live network" in said
    cli = first_trade.cli.callback
    said = refusal(lambda: cli(provider=site.provider, config=first_trade.NETWORKS, profile="none", book=None), INPUT)
    assert "live network" in said


def test_no_address_book_is_refused(site, tmp_path):
    book = site.book()
    book.path, book.contracts, book.quote, book.tokens = tmp_path / "none.json", {}, None, {}
    said = refusal(lambda: FirstTrade(site.config, site.provider, book), INPUT)
    assert "lacks IndexFeed" in said
    assert "`ape run deploy` writes it" in said


def test_a_book_of_another_node_is_refused(site, copy):
    book = copy(contracts={"Lens": "0x" + "11" * 20})
    assert "Lens: code is nothing at" in refusal(lambda: FirstTrade(site.config, site.provider, book), CHAIN)


@pytest.mark.parametrize(
    ("part", "said"),
    [("quote", "USD at"), ("tokens", "WETH at"), ("aggregators", "ETH / USD at")],
)
def test_what_is_no_mock_is_refused(site, copy, monkeypatch, part, said):
    strange = site.book().contracts["Lens"]
    values = {"quote": strange, "tokens": {WETH: strange}, "aggregators": {str(ETH): strange}}
    book = copy(**{part: values[part]})
    if part == "quote":
        found = refusal(lambda: FirstTrade(site.config, site.provider, book), CHAIN)
        assert "Registry: QUOTE is" in found  # unless it was deployed with that one:
        monkeypatch.setattr(first_trade._checks, "check_code", lambda *_: [])
    found = refusal(lambda: FirstTrade(site.config, site.provider, book), INPUT)
    assert said in found
    assert "is no Mock" in found


def test_signers_that_are_no_test_accounts_are_refused(site, played, chain):
    config = replace(site.config, nodes=replace(site.config.nodes, signers=("TEST::7", "TEST::8", "TEST::1")))
    chain.mine(timestamp=site.provider.get_block("latest").timestamp + 7_000)
    said = refusal(lambda: FirstTrade(config, site.provider, site.book()).run(), CHAIN)
    assert "1 test accounts are signers of the oracle; a report takes 2" in said


def test_a_configuration_without_what_is_traded_is_refused(site):
    config = replace(site.config, underlyings=site.config.underlyings[:1], collateral=())
    assert "no perpetual on ETH" in refusal(lambda: FirstTrade(config, site.provider, site.book()), INPUT)


def test_a_stale_feed_is_refused_with_what_helps(site, played, chain):
    chain.mine(timestamp=site.provider.get_block("latest").timestamp + 86_401)
    said = refusal(lambda: FirstTrade(site.config, site.provider, site.book()).run(), CHAIN)
    assert "feed: stale price" in said
    assert "`ape run deploy` sets the mocks' prices anew" in said


def test_when_every_call_has_expired_it_says_so(site, played, chain):
    chain.mine(timestamp=site.provider.get_block("latest").timestamp + 15 * DAY)
    for number in site.book().aggregators.values():
        aggregator = first_trade.instance("MockAggregator", number)
        aggregator.set(aggregator.latestRoundData()[1], sender=site.accounts[0])
    said = refusal(lambda: FirstTrade(site.config, site.provider, site.book()).run(), CHAIN)
    assert "no call that has not expired" in said
