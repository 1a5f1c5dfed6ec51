"""Deployment: twice is once, a dry run does nothing, an interrupted run goes on, what is wrong is named."""

import json
import shutil
from dataclasses import replace

import pytest
from ape.exceptions import ContractLogicError
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.chain.artifacts import load as artifact
from plimsoll.chain.governance import OWNED
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import QUOTE
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, unpack
from plimsoll.spec.timelock import ADMIN_ROLE, EXECUTOR_ROLE, GUARDIAN_ROLE, PROPOSER_ROLE
from plimsoll.spec.wad import WAD
from scripts import _checks, _config
from scripts._chain import reader_of
from scripts._config import CHAIN, INPUT, NETWORKS, NOBODY, VERIFICATION, Bands, DeployError, Expiry
from scripts._deployment import Deployment, expiry_of, instance, strikes_of

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


def with_leg(item, **changes):
    """An underlying whose only leg is another."""
    return replace(item, legs=(replace(item.legs[0], **changes),))


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


def test_what_came_later_is_added_alone(site):
    """An address book of before the second trigger: one contract goes up, and nothing else changes."""
    book = json.loads(site.path.read_text())
    kept = json.loads(site.path.read_text())
    for part in ("contracts", "code"):
        del kept[part]["Automation"]
    site.path.write_text(json.dumps(kept))
    try:
        run, lines = site.run()
        found = json.loads(site.path.read_text())
        assert run.sent == 1
        assert sum(line.startswith("deploy") for line in lines) == 1
        assert found["contracts"].pop("Automation") != book["contracts"]["Automation"]
        assert found["contracts"] == kept["contracts"]
        assert site.verify(run) == []
    finally:
        site.path.write_text(json.dumps(book))


def test_a_dry_run_on_a_bare_chain_does_nothing(bare):
    height, nonce = bare.provider.get_block("latest").number, bare.accounts[0].nonce
    run, lines = bare.run(dry_run=True)
    assert (bare.provider.get_block("latest").number, bare.accounts[0].nonce) == (height, nonce)
    assert not bare.path.exists()
    assert run.sent == 0
    assert run.planned == sum(line.startswith("would") for line in lines) > 40
    assert "would deploy  History(IndexFeed, RiskOracle, 3600, 3600)" in lines
    assert "would deploy  Timelock([1], [1], [2], 60, 300, [7])" in lines
    assert "would call    Registry.transfer_ownership(Timelock)" in lines
    assert "would call    Timelock.adopt(Registry)" in lines
    assert "would deploy  StandingOrders(Clearinghouse, Liquidator)" in lines
    assert "would deploy  Automation(Clearinghouse, Liquidator)" in lines


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


# ---------------------------------------------------------------------------------------------------- who has power


def test_the_timelock_owns_every_contract_and_holds_the_roles(site):
    contracts = site.deployed.contracts
    timelock = contracts["Timelock"]
    for name in OWNED:
        assert contracts[name].owner() == timelock.address
        assert contracts[name].pending_owner() == NOBODY
    roles = {
        PROPOSER_ROLE: {site.proposer.address},
        EXECUTOR_ROLE: {NOBODY},
        GUARDIAN_ROLE: {site.guardian.address, site.accounts[9].address},
        ADMIN_ROLE: {timelock.address},
    }
    people = {account.address for account in site.accounts} | {NOBODY, timelock.address}
    for role, holders in roles.items():
        assert {who for who in people if timelock.hasRole(role, who)} == holders
    registry = contracts["Registry"]
    for name, delay in (("list_collateral", 300), ("transfer_ownership", 300), ("set_bands", 60)):
        selector = bytes.fromhex(artifact_selector("Registry", name))
        assert timelock.delay_of(registry, selector) == delay


def artifact_selector(contract: str, name: str) -> str:
    from plimsoll.chain.contract import interface_of

    (function,) = interface_of(artifact(contract)).functions[name].values()
    return function.selector.hex()


def setters():
    """Every function of an owned contract that begins as governance's do, with arguments of zeros."""
    from plimsoll.chain.contract import interface_of

    verbs = ("set_", "list_", "resume", "stop", "halt", "transfer_ownership", "resolve", "cancel", "remove", "dispute")
    others = {"cancel_request", "set_delegate", "set_allowance", "set_top_up", "set_reserve"}  # account owners'
    others |= {"stops", "stopped", "halted_until"}  # views
    for name in OWNED:
        for functions in interface_of(artifact(name)).functions.values():
            for function in functions.values():
                if function.name.startswith(verbs) and function.name not in {
                    *others,
                    "stops",
                    "stopped",
                    "halted_until",
                }:
                    yield name, function


def zero_of(kind: str, components=()):
    if kind.endswith("]"):
        return []
    if kind == "tuple":
        return tuple(zero_of(part["type"], part.get("components", ())) for part in components)
    return {"address": NOBODY, "bool": False}.get(kind, b"" if kind.startswith("bytes") else 0)


def test_the_deployer_can_do_nothing(site):
    """Whatever governance may call, of whatever contract, he is refused by name; so he is by the timelock."""
    deployer, contracts, seen = site.accounts[0], site.deployed.contracts, []
    chain = reader_of(site.provider)
    for name, function in setters():
        args = [zero_of(part["type"], part.get("components", ())) for part in function.inputs]
        target = contracts[name].address
        with pytest.raises(Refused) as caught:
            chain.call(target, function.encode(args), sender=deployer.address)
        assert caught.value.reason == "ownable: caller is not the owner", (name, function.name)
        seen.append(f"{name}.{function.name}")
    assert len(seen) > 35
    assert {"Registry.set_venue", "Guardrails.halt", "RiskOracle.remove_signer", "Breakers.set_config"} <= set(seen)
    timelock = contracts["Timelock"]
    call = (contracts["Registry"], 0, b"1234", bytes(32), bytes(32))
    for act in (
        lambda: timelock.schedule(*call, 300, sender=deployer),
        lambda: timelock.cancel(bytes(32), sender=deployer),
        lambda: timelock.grantRole(PROPOSER_ROLE, deployer, sender=deployer),
        lambda: timelock.set_delay(contracts["Registry"], b"1234", 300, sender=deployer),
    ):
        with pytest.raises(ContractLogicError, match=r"account is missing role$"):
            act()


def test_a_deployer_who_would_keep_power_is_refused(bare):
    for change in (
        {"governance": replace(bare.config.governance, proposers=("TEST::0",))},
        {"governance": replace(bare.config.governance, guardians=("TEST::0", "TEST::8"))},
        {"nodes": replace(bare.config.nodes, signers=("TEST::0", "TEST::1", "TEST::2"))},
    ):
        said = refusal(lambda change=change: bare.run(config=replace(bare.config, **change)), INPUT)
        assert "must have no power left" in said


def test_a_change_of_configuration_is_proposed_waits_and_is_executed(site):
    """By a proposer, and by whoever comes after the delay; anybody else is told what to propose."""
    told = replace(site.config, bands=Bands(50_000, 10_000))
    said = refusal(lambda: site.run(config=told), CHAIN)
    assert said.endswith("is no proposer: Registry.set_bands(50000, 10000)")
    run, lines = site.run(config=told, account=site.proposer)
    assert (run.sent, run.waiting) == (1, ["Registry.set_bands(50000, 10000)"])
    assert "propose Registry.set_bands(50000, 10000), to wait 60 s" in lines
    assert site.deployed.contracts["Registry"].price_band() == site.config.bands.price_band
    run, lines = site.run(config=told, account=site.accounts[14])
    assert run.sent == 0
    assert any(line.startswith("wait    Registry.set_bands(50000, 10000) until") for line in lines)
    site.wait(60)
    run, lines = site.run(config=told, account=site.accounts[14])
    assert run.sent == 1
    assert "execute Registry.set_bands(50000, 10000)" in lines
    assert lines[-1].startswith("verified")
    # back, and there again: the same call a second time
    site.govern(site.deployed.contracts["Registry"], "set_bands", 100_000, 10_000)
    run, _ = site.run(config=told, account=site.proposer)
    assert (run.sent, run.waiting) == (1, ["Registry.set_bands(50000, 10000)"])


def test_another_expiry_is_listed_by_a_proposer(site):
    item = site.config.underlyings[1]
    longer = replace(item, expiries=(*item.expiries, Expiry(weeks=4, future=True, strikes=1, step=100)))
    told = replace(site.config, underlyings=(site.config.underlyings[0], longer))
    assert site.run(config=told, account=site.proposer)[0].sent == 3
    site.wait(60)
    assert site.run(config=told)[0].sent == 3


def test_another_route_is_staged_and_bound(site):
    item = site.config.underlyings[1]
    leg = item.legs[0]
    told = replace(
        site.config, underlyings=(site.config.underlyings[0], replace(item, legs=(replace(leg, max_age=80_000),)))
    )
    feed = site.deployed.contracts["IndexFeed"]
    site.run(config=told, account=site.proposer)
    site.wait(300)
    run, lines = site.run(config=told)
    assert run.sent == 2
    assert any(line.startswith("execute IndexFeed.set_route(0x0102, ETH / USD, 80000 s") for line in lines)
    assert "call    IndexFeed.bind(258)" in lines
    assert feed.route(ETH)[0] >> 64 & 0xFFFFFF == 80_000


def test_a_mock_that_went_stale_answers_again(site, chain):
    site.wait(80_000)
    run, lines = site.run(config=perpetuals(site.config))
    assert run.sent == 2
    assert all("MockAggregator.set" in line for line in lines if line.startswith("call"))


def test_routes_of_several_legs_a_coin_that_is_no_dollar_and_a_rollup(bare):
    """A staked token in ether in dollars in coins, on a rollup."""
    sender = bare.accounts[0]
    uptime = sender.deploy(bare_contract("MockAggregator"), 0, "uptime")
    uptime.set_since(0, bare.provider.get_block("latest").timestamp - 86_400, sender=sender)
    btc, eth = bare.config.underlyings
    ratio = replace(eth.legs[0], description="stETH / ETH", first=1, bounds=_config.Bounds(0, 2))
    coin = replace(eth.legs[0], description="USDC / USD", first=2, bounds=_config.Bounds(0, 0))
    told = replace(
        bare.config,
        underlyings=(btc, replace(eth, legs=(ratio, eth.legs[0]), in_currency=True)),
        feed=replace(bare.config.feed, quote=(coin,), sequencer=uptime.address),
    )
    run, _ = bare.run(config=told)
    feed = run.contracts["IndexFeed"]
    assert feed.price(ETH)[0] == 1_500 * WAD
    assert feed.quote_price()[0] == 2 * WAD
    assert set(bare.book().aggregators) == {str(BTC), str(ETH), f"{ETH}/1", str(QUOTE)}
    assert bare.run(config=told)[0].sent == 0
    found = bare.verify(run)
    assert any("IndexFeed: ON_ROLLUP is" in line for line in found)


# ----------------------------------------------------------------------------------------------------- what it refuses


def test_other_code_at_a_recorded_address(copy):
    book = json.loads(copy.path.read_text())
    book["contracts"]["Lens"] = book["contracts"]["Exchange"]
    copy.path.write_text(json.dumps(book))
    message = refusal(copy.run, CHAIN)
    assert message.startswith("deploy: Lens: code is")
    assert message.endswith("--replace deploys the protocol anew")
    assert any("Lens: code is" in line for line in copy.verify(copy.deployed))


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
    assert "Lens: BOOK is" in refusal(copy.run, CHAIN)


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
    assert any("BackOffice: REGISTRY is" in line for line in found)
    assert any("Clearinghouse: BACK_OFFICE is" in line for line in found)


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
        ("[]", "is no address book of version 3"),
        ({"version": 1}, "is no address book of version 3"),
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


def test_someone_else_goes_on(bare, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Deployment, "_govern", stop)
        with pytest.raises(KeyboardInterrupt):
            bare.run()
    said = refusal(lambda: bare.run(account=bare.accounts[6]), CHAIN)
    assert said.endswith("is not the owner")


def test_blocks_that_do_not_come(site, monkeypatch):
    """A node that mines nothing by itself: all is sent, and the next run finds it so."""
    from scripts import _deployment

    site.wait(80_000)  # mocks answer again: something is sent
    told = perpetuals(site.config)
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
    item = with_leg(bare.config.underlyings[0], aggregator=token.address)
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
    item = with_leg(bare.config.underlyings[0], aggregator=mock.address)
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
    people = tuple(account.address for account in bare.accounts[7:10])
    bare.config = replace(
        bare.config,
        nodes=replace(bare.config.nodes, signers=signers),
        governance=replace(bare.config.governance, proposers=people[:1], guardians=people[1:]),
        mocks=_config.Mocks(tokens=True, feeds=False),
    )
    return bare


def test_no_code_at_a_configured_aggregator(live):
    at = "0x694AA1769357215DE4FAC081bf1f309aDC325306"
    told = replace(live.config, underlyings=(with_leg(live.config.underlyings[0], aggregator=at),), collateral=())
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
    told = replace(live.config, nodes=replace(live.config.nodes, signers=("TEST::1", "TEST::2", "TEST::3")))
    assert "signer TEST::1 is a test account" in refusal(lambda: live.run(config=told), INPUT)
    told = replace(live.config, governance=replace(live.config.governance, proposers=("TEST::7",)))
    assert "proposer TEST::7 is a test account" in refusal(lambda: live.run(config=told), INPUT)


def test_a_live_network_names_who_governs(live, monkeypatch):
    monkeypatch.delenv("PLIMSOLL_PROPOSERS", raising=False)
    told = replace(live.config, governance=replace(live.config.governance, proposers=None))
    assert "no proposers; name them in PLIMSOLL_PROPOSERS" in refusal(lambda: live.run(config=told), INPUT)


# -------------------------------------------------------------------------------------------------------- verification


def plant_signers(site):
    oracle = site.deployed.contracts["RiskOracle"]
    site.govern(oracle, "set_signers", [site.accounts[9].address], 1, 1, 86_400)


def plant_signer_who_left(site):
    oracle, signers = site.deployed.contracts["RiskOracle"], site.deployed.people.signers
    more = sorted([*signers, site.accounts[9].address], key=lambda address: int(address, 16))
    site.govern(oracle, "set_signers", more, 2, 3, 0)
    site.govern(oracle, "set_signers", signers, 2, 3, 86_400)


def plant_owner(site):
    feed = site.deployed.contracts["IndexFeed"]
    site.govern(feed, "transfer_ownership", site.accounts[9].address)


def plant_theft(site):
    plant_owner(site)
    site.deployed.contracts["IndexFeed"].accept_ownership(sender=site.accounts[9])


def plant_route(site):
    """An aggregator that an attacker owns, at the same price."""
    mock = site.accounts[9].deploy(bare_contract("MockAggregator"), 8, "ETH / USD")
    mock.set(3_000 * 10**8, sender=site.accounts[9])
    feed = site.deployed.contracts["IndexFeed"]
    site.govern(feed, "set_feed", ETH, mock.address, 80_000, 18)


def plant_bound_route(site):
    plant_route(site)
    site.deployed.contracts["IndexFeed"].bind(ETH, sender=site.accounts[9])


def planted(contract: str, function: str, *args, by_guardian: bool = False):
    def plant(site):
        target = site.deployed.contracts[contract]
        told = [arg(site) if callable(arg) else arg for arg in args]
        if by_guardian:
            getattr(target, function)(*told, sender=site.guardian)
        else:
            site.govern(target, function, *told)

    return plant


def soon(site) -> int:
    return site.provider.get_block("latest").timestamp + 3_600


def other(site) -> str:
    return site.accounts[9].address


def rates_up(site) -> int:
    return site.deployed.contracts["RiskOracle"].rates() + 1


def floors(site) -> int:
    return site.deployed.contracts["RiskOracle"].floors()


def new_token(site) -> str:
    return site.accounts[9].deploy(bare_contract("MockToken"), "X", "X", 6).address


CURVE = 20_000 << 232 | 800_000 << 208 | 40_000 << 184 | 600_000 << 160 | 200_000 << 136
# together, as reading all of it back takes longer than planting: what is planted, which sentences name it
DIFFERENCES = {
    "numbers": [
        (
            plant_signers,
            ["RiskOracle: signers is", "RiskOracle: quorum is 1", "urgent quorum is 1", "RiskOracle: signature of"],
        ),
        (plant_owner, ["IndexFeed: pending owner is"]),
        (planted("Registry", "set_venue", other, True), ["Registry: venues is"]),
        (planted("Registry", "set_bands", 20_000, 10_000), ["Registry: price band is 20000, not 100000"]),
        (planted("Registry", "set_fees", 0), ["Registry: fees is 0"]),
        (planted("Registry", "set_curve", CURVE + (1 << 232)), ["Registry: curve is"]),
        (
            planted("Registry", "set_limits", 5 << 24, 1 << 128 | 10**18 << 32 | 3_600),
            ["Registry: account limits is", "Registry: pool limits is"],
        ),
        (
            planted("Registry", "set_collateral_cap", lambda site: site.book().tokens["WETH"], WAD),
            ["Registry: collateral caps is"],
        ),
        (planted("Registry", "set_underlying_limits", ETH, WAD, 0), ["Registry: limits of underlyings is 0x0102"]),
        (
            planted("Registry", "set_instrument_cap", lambda s: s.deployed.contracts["Registry"].listing(ETH, 0)[0], 7),
            ["Registry: caps of instruments is"],
        ),
        (planted("Registry", "list_collateral", new_token, ETH), ["Registry: tokens is"]),
        (planted("Registry", "set_breakers", other), ["Registry: breakers is"]),
        (lambda site: site.wait(3_600), []),  # since the deployment set them
        (planted("RiskOracle", "set_params", rates_up, floors), ["RiskOracle: rates is"]),
        (
            planted("Liquidator", "set_config", (7_200, 120, 3_600, 50_000, 20_000, 0)),
            ["Liquidator: config is 7200"],
        ),
        (planted("InsuranceFund", "set_caps", 1, 1), ["event cap is 1", "underlying cap is 1"]),
        (
            planted("InsuranceFund", "set_cooldown", 172_801, 172_801),
            ["InsuranceFund: cooldown is 172801", "InsuranceFund: claim window is 172801"],
        ),
        (
            planted("Guardrails", "set_limit", 0, 0, 10_000, 800_000, 50_000, 50_000),
            ["Guardrails: limit of scan range is"],
        ),
        (planted("Guardrails", "set_scope", ETH, 3), ["Guardrails: scopes is 0x0102: 3"]),
        (
            planted("Guardrails", "set_limit", 3, 0, 10_000, 800_000, 50_000, 50_000),
            ["Guardrails: limits of scopes is 3/scan range"],
        ),
        (planted("Guardrails", "set_band", 40_000, 9), ["index band is 40000", "boost is 9"]),
        (
            planted("Breakers", "set_config", (200_000, 3_000_000, 700_000, 900_000, 86_400, 3_600, 3_600)),
            ["Breakers: config is 200000"],
        ),
        (plant_route, ["feed ETH / USD: staged route is"]),
        (planted("IndexFeed", "set_bounds", BTC, WAD, 0, 0), ["feed BTC / USD: route is"]),
        (
            planted("IndexFeed", "set_feed", 0x0777, lambda site: site.book().aggregators[str(ETH)], 80_000, 18),
            ["IndexFeed: underlyings is 257, 258, 1911"],
        ),
    ],
    "power": [
        (planted("Timelock", "set_minimum_delay", 61), ["Timelock: least delay is 61, not 60"]),
        (
            planted("Timelock", "set_delay", NOBODY, bytes.fromhex("a3b3d65e"), 200, by_guardian=True),
            ["Timelock: other delays is 0xa3b3d65e of"],
        ),
        (planted("Timelock", "grantRole", PROPOSER_ROLE, other), ["Timelock: proposers is"]),
        (planted("Timelock", "grantRole", EXECUTOR_ROLE, other), ["Timelock: executors is"]),
        (planted("Timelock", "grantRole", ADMIN_ROLE, other), ["Timelock: administrators is"]),
        (planted("Timelock", "grantRole", b"\x01" * 32, other), ["Timelock: other roles is"]),
        (planted("Timelock", "revokeRole", GUARDIAN_ROLE, other), ["Timelock: guardians is"]),
        (
            planted("Registry", "set_venue", lambda site: site.deployed.contracts["Exchange"].address, False),
            ["Registry: venues is"],
        ),
        (plant_signer_who_left, ["RiskOracle: signature of"]),
        (
            planted("RiskOracle", "remove_signer", lambda site: site.deployed.people.signers[0], by_guardian=True),
            ["RiskOracle: signers is"],
        ),
        (planted("IndexFeed", "set_band", 10_000, by_guardian=True), ["IndexFeed: band is 10000"]),
        (plant_bound_route, ["feed ETH / USD: route is"]),
        (plant_theft, ["IndexFeed: owner is"]),
        (planted("Guardrails", "halt", soon, by_guardian=True), ["stops: reports is until"]),
        (planted("Registry", "stop", 7, soon, by_guardian=True), ["new risk is True", "leaving is", "liquidation is"]),
        (
            planted("Registry", "stop_underlying", ETH, soon, by_guardian=True),
            ["stops: new risk on ETH / USD is until"],
        ),
    ],
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_verification_finds_each_difference(site, name):
    """And nothing else."""
    parts = []
    for plant, sentences in DIFFERENCES[name]:
        plant(site)
        parts += sentences
    found = site.verify(site.deployed)
    for part in parts:
        assert sum(part in line for line in found) >= parts.count(part), (part, found)
    assert len(found) == len(parts), found


def test_verification_finds_aggregators_that_changed(site):
    mock = instance("MockAggregator", site.book().aggregators[str(ETH)])
    mock.set(0, sender=site.accounts[0])
    found = site.verify(site.deployed)
    assert found == ["feed ETH / USD: usable is False, not True", "aggregator ETH / USD: answer is 0, not positive"]
    site.wait(86_401)
    found = site.verify(site.deployed)
    assert any(line.startswith("aggregator BTC / USD: age is 86") for line in found)
    mock.set_fails(True, sender=site.accounts[0])
    assert "aggregator ETH / USD: age is refused (aggregator: down), not 86400 s at most" in site.verify(site.deployed)


def test_verification_names_what_an_aggregator_calls_itself(site):
    item = with_leg(site.config.underlyings[1], description="ETH / EUR", decimals=6)
    found = "\n".join(site.verify(site.deployed, underlyings=(site.config.underlyings[0], item)))
    assert "aggregator ETH / EUR: description is ETH / USD, not ETH / EUR" in found
    assert "aggregator ETH / EUR: decimals is 8, not 6" in found
    assert "feed ETH / EUR: route is" in found


def test_verification_knows_every_immutable(site):
    """So that the code's hash is the whole code's."""
    for name in _checks.CONTRACTS:
        known = _checks.immutables_of(name, NOBODY, {**site.book().contracts, "quote": NOBODY}, site.config, 1)
        assert {each.name.rpartition(".")[2] for each in artifact(name).immutables} <= set(known), name


def test_verification_finds_a_number_in_code(site):
    found = site.verify(site.deployed, history=replace(site.config.history, lag=60))
    assert found == [f"History: LAG is 0x{3_600:064x}, not 0x{60:064x}"]
    found = site.verify(site.deployed, governance=replace(site.config.governance, longest=301))
    assert found == [f"Timelock: LONGEST is 0x{300:064x}, not 0x{301:064x}"]


def test_verification_as_a_command(copy, capsys):
    from scripts.verify import cli

    options = {"provider": copy.provider, "config": NETWORKS, "profile": None}
    cli.callback(**options, book=copy.path, as_json=False)
    said = capsys.readouterr().out
    assert "all as compiled and configured" in said
    assert "DIFFERS" not in said
    cli.callback(**options, book=copy.path, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["differences"] == 0
    assert len(told["checks"]) > 150
    assert all(check["is_good"] for check in told["checks"])
    missing = copy.path.with_name("none.json")
    assert "no address book" in refusal(lambda: cli.callback(**options, book=missing, as_json=False), CHAIN)


def test_verification_as_a_command_fails_loudly(site, capsys):
    from scripts.verify import cli

    planted("Registry", "set_bands", 20_000, 10_000)(site)
    options = {"provider": site.provider, "config": NETWORKS, "profile": None, "book": site.path}
    said = refusal(lambda: cli.callback(**options, as_json=False), VERIFICATION)
    assert said == "verify: 1 differences\n  Registry: price band is 20000, not 100000"
    assert "DIFFERS" in capsys.readouterr().out
    refusal(lambda: cli.callback(**options, as_json=True), VERIFICATION)
    (wrong,) = [check for check in json.loads(capsys.readouterr().out)["checks"] if not check["is_good"]]
    assert wrong == {
        "where": "Registry",
        "what": "price band",
        "expected": "100000",
        "found": "20000",
        "is_good": False,
    }


def test_verification_of_half_a_book(copy):
    book = json.loads(copy.path.read_text())
    del book["contracts"]["Lens"], book["aggregators"][str(ETH)]
    copy.path.write_text(json.dumps(book))
    said = refusal(lambda: copy.verify(copy.deployed), VERIFICATION)
    assert said == "verify: book.json lacks Lens, ETH / USD"


def test_a_deployment_that_fails_verification_says_so(bare, monkeypatch):
    monkeypatch.setattr(Deployment, "_hand_over", lambda _: None)
    said = refusal(bare.run, VERIFICATION)
    assert said.count("owner is") == len(OWNED)


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
