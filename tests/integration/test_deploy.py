"""Deployment: twice is once, a dry run does nothing, an interrupted run goes on, what is wrong is named."""

import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, unpack
from plimsoll.spec.wad import WAD
from scripts import _checks, _config
from scripts._config import CHAIN, INPUT, NETWORKS, VERIFICATION, Bands, DeployError, Expiry
from scripts._deployment import Deployment, expiry_of, strikes_of

BTC, ETH = 0x0101, 0x0102


@pytest.fixture
def copy(site, tmp_path):
    """The site with an address book that a test may spoil."""
    path = site.path
    site.path = tmp_path / "book.json"
    shutil.copy(path, site.path)
    yield site
    site.path = path


def perpetuals(config):
    """A configuration that lists no more than perpetuals."""
    return replace(config, underlyings=tuple(replace(item, expiries=()) for item in config.underlyings))


def refusal(action, exit_code: int) -> str:
    with pytest.raises(DeployError) as caught:
        action()
    assert caught.value.exit_code == exit_code
    return caught.value.message


# ------------------------------------------------------------------------------------------------------- what it does


def test_all_stands_and_is_wired(site):
    book = json.loads(site.path.read_text())
    assert set(book["contracts"]) == set(book["code"]) == set(_checks.CONTRACTS)
    assert set(book["aggregators"]) == {str(BTC), str(ETH)}
    assert site.verify(site.deployed) == []
    contracts = site.deployed.contracts
    assert all(contracts["Registry"].venues(contracts[name]) for name in _checks.VENUES)
    assert contracts["History"].checkpoints(ETH)[0] == 3_000 * WAD
    assert contracts["IndexFeed"].price(ETH)[0] == 3_000 * WAD


def test_every_kind_is_listed(site):
    book = site.deployed.contracts["Registry"]
    expiry = expiry_of(site.provider.get_block("latest").timestamp, 1)
    spot = [unpack(found) for found in book.listing(ETH, 0)]
    dated = [unpack(found) for found in book.listing(ETH, expiry)]
    assert [item.kind for item in spot] == [PERP, SPOT]
    assert [(item.kind, item.strike) for item in dated] == [
        (FUTURE, 0),
        *((kind, strike) for strike in (2_900, 3_000, 3_100) for kind in (CALL, PUT)),
    ]
    assert [item.row for item in dated] == list(range(7))


def test_a_second_run_sends_nothing(site):
    book, nonce = site.path.read_text(), site.accounts[0].nonce
    run, lines = site.run()
    assert run.sent == 0
    assert site.accounts[0].nonce == nonce
    assert site.path.read_text() == book
    assert all(line.startswith(("keep", "use", "verified")) for line in lines)


def test_a_dry_run_on_a_bare_chain_does_nothing(bare):
    height, nonce = bare.provider.get_block("latest").number, bare.accounts[0].nonce
    run, lines = bare.run(dry_run=True)
    assert (bare.provider.get_block("latest").number, bare.accounts[0].nonce) == (height, nonce)
    assert not bare.path.exists()
    assert run.sent == 0
    assert run.planned == sum(line.startswith("would") for line in lines) > 20
    assert "would deploy  History(IndexFeed, RiskOracle, 3600, 3600)" in lines
    assert "would deploy  StandingOrders(Clearinghouse, Liquidator)" in lines


def test_a_dry_run_where_all_stands_plans_nothing(site):
    run, _ = site.run(dry_run=True)
    assert run.planned == 0


def test_a_dry_run_plans_what_changed(site):
    bands = Bands(50_000, 10_000)
    run, lines = site.run(dry_run=True, config=replace(site.config, bands=bands))
    assert run.planned == 1
    assert "would call    Registry.set_bands(50000, 10000)" in lines
    assert site.deployed.contracts["Registry"].price_band() == site.config.bands.price_band


def test_an_interrupted_run_goes_on(bare, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Deployment, "_wire", stop)
        with pytest.raises(KeyboardInterrupt):
            bare.run()
    recorded = json.loads(bare.path.read_text())["contracts"]
    assert set(recorded) == set(_checks.CONTRACTS)
    _, lines = bare.run()
    assert json.loads(bare.path.read_text())["contracts"] == recorded
    assert not any(line.startswith("deploy") for line in lines)


def test_a_change_of_configuration_is_one_call(site):
    run, lines = site.run(config=replace(site.config, bands=Bands(50_000, 10_000)))
    assert run.sent == 1
    assert "call    Registry.set_bands(50000, 10000)" in lines


def test_another_expiry_is_listed_beside(site):
    item = site.config.underlyings[1]
    longer = replace(item, expiries=(*item.expiries, Expiry(weeks=4, future=True, strikes=1, step=100)))
    run, _ = site.run(config=replace(site.config, underlyings=(site.config.underlyings[0], longer)))
    assert run.sent == 3


def test_a_mock_that_went_stale_answers_again(site, chain):
    chain.mine(timestamp=site.provider.get_block("latest").timestamp + 80_000)
    run, lines = site.run(config=perpetuals(site.config))
    assert run.sent == 2
    assert all("MockAggregator.set" in line for line in lines if line.startswith("call"))


def test_hand_over(site):
    owner = site.accounts[5].address
    told = replace(site.config, owner=owner)
    run, _ = site.run(config=told)
    assert run.sent == len(_checks.OWNED)
    assert site.verify(run, owner=owner) == []
    for name in _checks.OWNED:
        run.contracts[name].accept_ownership(sender=site.accounts[5])
    assert site.run(config=told)[0].sent == 0
    message = refusal(lambda: site.run(config=replace(told, bands=Bands(50_000, 10_000))), CHAIN)
    assert message.endswith("is not the owner")


# ----------------------------------------------------------------------------------------------------- what it refuses


def test_other_code_at_a_recorded_address(copy):
    book = json.loads(copy.path.read_text())
    book["contracts"]["Lens"] = book["contracts"]["Exchange"]
    copy.path.write_text(json.dumps(book))
    message = refusal(copy.run, CHAIN)
    assert message.startswith("deploy: Lens: code at")
    assert message.endswith("--replace deploys the protocol anew")
    assert any("Lens: code at" in line for line in copy.verify(copy.deployed))


def test_a_contract_wired_to_another(copy):
    other = replace(copy.config, underlyings=(), collateral=())
    path = copy.path
    copy.path = path.with_name("other.json")
    copy.run(config=other)
    stranger = json.loads(copy.path.read_text())["contracts"]["Lens"]
    copy.path = path
    book = json.loads(path.read_text())
    book["contracts"]["Lens"] = stranger
    path.write_text(json.dumps(book))
    assert "Lens: its BOOK is" in refusal(copy.run, CHAIN)


def test_a_back_office_of_another_book(copy):
    """The Clearinghouse's code is right, what it calls as its own is not."""
    other = replace(copy.config, underlyings=(), collateral=())
    path = copy.path
    copy.path = path.with_name("other.json")
    copy.run(config=other)
    stranger = json.loads(copy.path.read_text())["contracts"]["BackOffice"]
    copy.path = path
    book = json.loads(path.read_text())
    book["contracts"]["BackOffice"] = stranger
    path.write_text(json.dumps(book))
    found = copy.verify(copy.deployed)
    assert any("BackOffice: its REGISTRY is" in line for line in found)
    assert any("Clearinghouse: its BACK_OFFICE is" in line for line in found)


def test_replace_deploys_the_protocol_anew(copy):
    before = json.loads(copy.path.read_text())
    run, _ = copy.run(replace=True, config=perpetuals(copy.config))
    after = json.loads(copy.path.read_text())
    assert not set(before["contracts"].values()) & set(after["contracts"].values())
    assert (before["quote"], before["tokens"]) == (after["quote"], after["tokens"])
    assert copy.verify(run) == []


def test_a_fresh_development_chain_forgets_the_book(copy):
    """An address book of a chain that is gone: no code at its addresses."""
    book = json.loads(copy.path.read_text())
    gone = {name: f"0x{k + 1:040x}" for k, name in enumerate(book["contracts"])}
    copy.path.write_text(json.dumps({**book, "contracts": gone}))
    run, _ = copy.run(config=perpetuals(copy.config))
    assert copy.verify(run) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "is no address book"),
        ("[]", "is no address book of version 2"),
        ({"version": 1}, "is no address book of version 2"),
        ({"chain_id": 1}, "is of chain 1, this is"),
        ({"contracts": None}, "contracts are no addresses by name"),
        ({"tokens": {"WETH": "here"}}, "tokens are no addresses by name"),
        ({"quote": "here"}, "the quote token has no address"),
    ],
)
def test_a_spoilt_address_book(copy, change, message):
    whole = json.loads(copy.path.read_text())
    copy.path.write_text(change if isinstance(change, str) else json.dumps({**whole, **change}))
    assert message in refusal(copy.run, INPUT)


def test_someone_else_goes_on(copy):
    told = replace(copy.config, bands=Bands(50_000, 10_000))
    assert "is not the owner" in refusal(lambda: copy.run(account=copy.accounts[7], config=told), CHAIN)


def test_blocks_that_do_not_come(site, monkeypatch):
    """A node that mines nothing by itself: all is sent, and the next run finds it so."""
    from scripts import _deployment

    told = replace(site.config, bands=Bands(50_000, 10_000))
    with monkeypatch.context() as patch:
        patch.setattr(_deployment, "POLL", 0)
        patch.setattr(type(site.provider.network), "transaction_acceptance_timeout", 0)
        assert "a second run will verify it" in refusal(lambda: site.run(config=told, confirmations=3), CHAIN)
    assert site.run(config=told, confirmations=3)[0].sent == 0


def test_what_a_contract_refuses_is_named(bare):
    told = replace(bare.config, bands=Bands(10_000, 50_000))
    message = refusal(lambda: bare.run(config=told), CHAIN)
    assert message == "deploy: Registry.set_bands(10000, 50000): registry: bands out of range"


def test_an_aggregator_that_is_none(bare):
    token = bare.accounts[0].deploy(bare_contract("MockToken"), "USD", "USD", 6)
    item = replace(bare.config.underlyings[0], aggregator=token.address)
    message = refusal(lambda: bare.run(config=replace(bare.config, underlyings=(item,), collateral=())), CHAIN)
    assert "does not answer" in message


@pytest.mark.parametrize(
    ("decimals", "description", "age", "answer", "message"),
    [
        (18, "BTC / USD", 0, 1, "18 decimals, not 8"),
        (8, "BTC / EUR", 0, 1, "calls itself 'BTC / EUR'"),
        (8, "BTC / USD", 86_402, 1, "may be 86400 s old"),
        (8, "BTC / USD", 0, 0, "answers 0"),
    ],
)
def test_an_aggregator_of_another_kind(bare, decimals, description, age, answer, message):
    sender = bare.accounts[0]
    mock = sender.deploy(bare_contract("MockAggregator"), decimals, description)
    mock.set_at(answer, bare.provider.get_block("latest").timestamp - age, sender=sender)
    item = replace(bare.config.underlyings[0], aggregator=mock.address)
    assert message in refusal(lambda: bare.run(config=replace(bare.config, underlyings=(item,), collateral=())), CHAIN)


def test_a_token_of_other_decimals(bare):
    token = bare.accounts[0].deploy(bare_contract("MockToken"), "USD", "USD", 18)
    quote = replace(bare.config.quote, address=token.address)
    assert "18 decimals, not 6" in refusal(lambda: bare.run(config=replace(bare.config, quote=quote)), CHAIN)


def test_mocks_that_are_not_allowed(bare):
    told = replace(bare.config, mocks=_config.Mocks(tokens=False, feeds=True))
    assert "mocks of tokens are not allowed" in refusal(lambda: bare.run(config=told), INPUT)


def bare_contract(name):
    from ape import project

    return getattr(project, name)


# ----------------------------------------------------------------------------------------------- a live network's rules


class LiveProvider:
    """The embedded chain, passing for a node of a live network."""

    name = "node"
    client_version = "Geth/v1.16"

    def __init__(self, provider):
        self._provider = provider

    def __getattr__(self, name):
        return getattr(self._provider, name)


@pytest.fixture
def live(bare):
    bare.provider = LiveProvider(bare.provider)
    signers = tuple(account.address for account in bare.accounts[1:4])
    bare.config = replace(bare.config, signers=signers, mocks=_config.Mocks(tokens=True, feeds=False))
    return bare


def test_no_code_at_a_configured_aggregator(live):
    at = "0x694AA1769357215DE4FAC081bf1f309aDC325306"
    told = replace(live.config, underlyings=(replace(live.config.underlyings[0], aggregator=at),), collateral=())
    assert refusal(lambda: live.run(config=told), CHAIN) == f"deploy: aggregator BTC / USD: no code at {at}"


def test_no_mock_of_a_feed(live):
    assert "mocks of feeds are not allowed" in refusal(live.run, INPUT)


def test_no_code_at_a_recorded_contract(live, site):
    book = json.loads(site.path.read_text())
    book["contracts"]["IndexFeed"] = "0x" + "12" * 20
    live.path.write_text(json.dumps(book))
    live.config = replace(live.config, mocks=_config.Mocks(tokens=True, feeds=True))
    assert "where the address book has it" in refusal(live.run, CHAIN)


def test_test_accounts_do_not_sign(live):
    told = replace(live.config, signers=("TEST::1", "TEST::2"))
    assert "signer TEST::1 is a test account" in refusal(lambda: live.run(config=told), INPUT)


# -------------------------------------------------------------------------------------------------------- verification


def test_verification_finds_what_was_changed_behind_its_back(site):
    sender = site.accounts[0]
    contracts = site.deployed.contracts
    feed, oracle, registry = (contracts[name] for name in ("IndexFeed", "RiskOracle", "Registry"))
    registry.set_venue(contracts["Exchange"], False, sender=sender)
    registry.set_bands(20_000, 10_000, sender=sender)
    registry.set_fees(0, sender=sender)
    registry.set_curve(registry.curve() + (1 << 232), sender=sender)
    registry.set_limits(registry.account_limits() + (1 << 160), registry.pool_limits(), sender=sender)
    contracts["Liquidator"].set_config((7_200, 120, 3_600, 50_000, 20_000, 0), sender=sender)
    contracts["InsuranceFund"].set_caps(1, 1, sender=sender)
    contracts["InsuranceFund"].set_cooldown(2 * 86_400, 2 * 86_400, sender=sender)
    oracle.set_signers([site.accounts[9].address], 1, sender=sender)
    feed.set_feed(ETH, feed.route(ETH)[0].to_bytes(32, "big")[:20].hex(), 3_600, 18, sender=sender)
    feed.bind(ETH, sender=sender)
    feed.transfer_ownership(site.accounts[9], sender=sender)
    feed.accept_ownership(sender=site.accounts[9])
    found = "\n".join(site.verify(site.deployed))
    for part in (
        "Exchange is no venue",
        "bands:",
        "fees:",
        "curve:",
        "limits:",
        "liquidation:",
        "caps of the fund:",
        "cool-down of the fund:",
        "signers:",
        "quorum:",
        "feed ETH / USD: not as",
        "IndexFeed is",
    ):
        assert part in found
    assert found.count("\n") == 12  # the bounds are gone too


def test_verification_as_a_command(copy, capsys):
    from scripts.verify import cli

    options = {"provider": copy.provider, "config": NETWORKS, "profile": None}
    cli.callback(**options, book=copy.path)
    assert "all as compiled and configured" in capsys.readouterr().out
    missing = copy.path.with_name("none.json")
    assert "no address book" in refusal(lambda: cli.callback(**options, book=missing), CHAIN)


def test_verification_of_half_a_book(copy):
    book = json.loads(copy.path.read_text())
    del book["contracts"]["Lens"], book["aggregators"][str(ETH)]
    copy.path.write_text(json.dumps(book))
    assert copy.verify(copy.deployed) == ["book.json lacks Lens, ETH / USD"]


def test_a_deployment_that_fails_verification_says_so(bare, monkeypatch):
    monkeypatch.setattr(Deployment, "_admit", lambda _: None)
    said = refusal(bare.run, VERIFICATION)
    assert said == "verify: Exchange is no venue of the Registry; StandingOrders is no venue of the Registry"


# ------------------------------------------------------------------------------------------------------------- numbers


@given(st.integers(1_600_000_000, 2_000_000_000), st.integers(1, 104))
def test_expiries_are_fridays_at_eight(now, weeks):
    import datetime as dt

    at = dt.datetime.fromtimestamp(expiry_of(now, weeks), dt.UTC)
    assert (at.weekday(), at.hour, at.minute, at.second) == (4, 8, 0, 0)
    ahead = expiry_of(now, weeks) - now
    assert 86_400 + (weeks - 1) * 604_800 <= ahead < 86_400 + weeks * 604_800


@given(st.integers(0, 10**9), st.integers(0, 41), st.integers(1, 10**5))
def test_strikes_lie_around_the_index(index, count, step):
    strikes = strikes_of(index * WAD, count, step)
    assert len(strikes) <= count
    assert all(strike > 0 and strike % step == 0 for strike in strikes)
    if index >= step * 42:
        assert len(strikes) == count
        assert all(abs(strike - index) <= step * (count // 2 + 1) for strike in strikes)


# ------------------------------------------------------------------------------------------------------------- accounts


def account_of(alias, provider):
    from scripts.deploy import account_of

    return account_of(alias, provider)


def test_test_accounts_deploy_on_a_development_node_alone(bare):
    assert account_of(None, bare.provider) == bare.accounts[0]
    assert account_of("TEST::3", bare.provider) == bare.accounts[3]
    assert refusal(lambda: account_of("TEST::99", bare.provider), INPUT) == "deploy: no account TEST::99"
    assert refusal(lambda: account_of("TEST::x", bare.provider), INPUT) == "deploy: no account TEST::x"
    away = LiveProvider(bare.provider)
    assert "needs --account" in refusal(lambda: account_of(None, away), INPUT)
    assert "this is a live network" in refusal(lambda: account_of("TEST::0", away), INPUT)
    assert "no account nobody-of-that-name" in refusal(lambda: account_of("nobody-of-that-name", away), INPUT)
