"""The configuration of networks: what ships is sound, and every way to get it wrong has its name."""

import copy

import pytest
import yaml

from plimsoll.spec.guardrails import NAMES, UNLIMITED, Limit
from plimsoll.spec.margin import Params
from scripts import _config
from scripts._config import INPUT, NETWORKS, DeployError

GOOD = yaml.safe_load(NETWORKS.read_text())["local"]
ADDRESS = "0x694AA1769357215DE4FAC081bf1f309aDC325306"


def load(tmp_path, data) -> _config.Config:
    path = tmp_path / "networks.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump({"local": data}))
    return _config.load("local", path)


def refusal(tmp_path, data) -> str:
    with pytest.raises(DeployError) as caught:
        load(tmp_path, data)
    assert caught.value.exit_code == INPUT
    return caught.value.message


def changed(at: str, value) -> dict:
    """A good configuration with one field changed; `at` is its path, dots between."""
    data = copy.deepcopy(GOOD)
    *path, last = at.split(".")
    place = data
    for part in path:
        place = place[int(part)] if part.isdecimal() else place[part]
    place[int(last) if last.isdecimal() else last] = value
    return data


@pytest.mark.parametrize("network", ["local", "sepolia"])
def test_what_ships_is_sound(network):
    found = _config.load(network)
    assert [item.description for item in found.underlyings] == ["BTC / USD", "ETH / USD"]
    assert found.params == Params()


def test_sepolia_names_real_aggregators_and_no_keys():
    found = _config.load("sepolia")
    assert all(leg.aggregator for item in found.underlyings for leg in item.legs)
    assert found.nodes.signers is found.governance.proposers is found.governance.guardians is None
    assert not found.mocks.feeds


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        ("nodes.quorum", 0, "local.nodes.quorum is 0, no integer from 1 to 16"),
        ("nodes.quorum", True, "local.nodes.quorum is True, no integer"),
        ("nodes.overlap", 86_401, "local.nodes.overlap is 86401, no integer from 0 to 86400"),
        ("nodes.signers", "TEST::1", "local.nodes.signers is no list of addresses"),
        ("nodes.signers", ["0x12"], "local.nodes.signers is '0x12', no address"),
        ("governance.proposers", ["0x" + "00" * 20], "local.governance.proposers is '0x00000"),
        ("governance.delay", 59, "local.governance.delay is 59, no integer from 60 to"),
        ("governance.longest", 59, "local.governance.longest is 59, no integer from 60 to"),
        ("governance.owner", None, "local.governance.owner is unknown"),
        ("feed.band", 999, "local.feed.band is 999, no integer from 1000 to 100000"),
        ("feed.grace", 0, "local.feed.grace is 0, no integer from 600 to 86400"),
        ("feed.sequencer", "here", "local.feed.sequencer is 'here', no address"),
        ("feed.quote", None, "local.feed.quote is no list"),
        ("guardrails.boost", 21, "local.guardrails.boost is 21, no integer from 1 to 20"),
        ("guardrails.limits", {"lanes": []}, "local.guardrails.limits may hold scan range, volatility up"),
        ("guardrails.limits", {"kappa": [1, 2]}, "guardrails.limits.kappa is no list of low, high, rise, fall"),
        ("guardrails.limits", {"kappa": [0, 2**96, 1, 1]}, "guardrails.limits.kappa is 79228162514264337593543950336"),
        ("breakers.move", "far", "local.breakers.move is 'far', no integer"),
        ("mocks", [], "local.mocks is no mapping"),
        ("mocks.tokens", 1, "local.mocks.tokens is 1, neither true nor false"),
        ("quote.decimals", 19, "local.quote.decimals is 19, no integer from 0 to 18"),
        ("quote.symbol", "", "local.quote.symbol is '', no text"),
        ("quote.symbol", "WETH", "local has two tokens of one symbol"),
        ("underlyings", {}, "local.underlyings is no list"),
        ("underlyings.0.id", 2**16, "local.underlyings[0].id is 65536"),
        ("underlyings.0.id", 0x0102, "local.underlyings name one id twice"),
        ("underlyings.0.legs", [], "local.underlyings[0].legs are none"),
        ("underlyings.0.legs", [GOOD["underlyings"][0]["legs"][0]] * 4, "underlyings[0].legs are more than 3"),
        ("underlyings.0.in_currency", True, "local.feed.quote has no legs, and an underlying is in the currency"),
        ("underlyings.0.legs.0.aggregator", "Chainlink", "local.underlyings[0].legs[0].aggregator is 'Chainlink'"),
        ("underlyings.0.legs.0.max_age", 59, "legs[0].max_age is 59, no integer from 60 to 604800"),
        ("underlyings.0.legs.0.divides", 0, "local.underlyings[0].legs[0].divides is 0, neither true nor false"),
        ("underlyings.0.strike_exponent", 19, "local.underlyings[0].strike_exponent is 19"),
        ("underlyings.0.legs.0.bounds", {"low": 5, "high": 5}, "local.underlyings[0].legs[0].bounds are no range"),
        ("underlyings.0.legs.0.bounds.high", 10**10, "local.underlyings[0].legs[0].bounds are no range"),
        ("underlyings.0.legs.0.first", 1_000, "local.underlyings[0].legs[0].first is not within its bounds"),
        ("underlyings.0.perpetual", "yes", "local.underlyings[0].perpetual is 'yes', neither true nor false"),
        ("underlyings.0.expiries.0.weeks", 0, "local.underlyings[0].expiries[0].weeks is 0"),
        ("underlyings.0.expiries.0.step", 0, "local.underlyings[0].expiries[0].step is 0"),
        ("collateral.0.underlying", 7, "local.collateral WETH is priced by 0x0007, which is no underlying"),
        ("params", {"lanes": 1}, "local.params may hold call_buffer"),
        ("params", {"gross_base": [1, 2]}, "local.params.gross_base is no list of four, by kind"),
        ("bands.price_band", -1, "local.bands.price_band is -1"),
        ("colour", "blue", "local.colour is unknown"),
    ],
)
def test_every_field_is_checked(tmp_path, at, value, message):
    assert message in refusal(tmp_path, changed(at, value))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_nothing_may_be_missing(tmp_path, name):
    data = {key: value for key, value in GOOD.items() if key != name}
    assert refusal(tmp_path, data) == f"config: local.{name} is missing"


def test_numbers_that_differ_from_the_defaults(tmp_path):
    found = load(tmp_path, changed("params", {"move_gate": 20_000, "gross_base": [1, 2, 3, 4]}))
    assert found.params == Params(move_gate=20_000, gross_base=(1, 2, 3, 4))


def test_no_such_network():
    with pytest.raises(DeployError, match=r"has no network moon; it has local, sepolia$"):
        _config.load("moon")


def test_no_such_file(tmp_path):
    with pytest.raises(DeployError, match=r"^config: none\.yaml: No such file"):
        _config.load("local", tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["{", "- 1", ""])
def test_no_yaml_of_ours(tmp_path, text):
    assert refusal(tmp_path, text).startswith("config: networks.yaml")


def test_signers_come_from_the_environment(tmp_path, monkeypatch):
    found = load(tmp_path, changed("nodes.signers", None))
    monkeypatch.setenv("PLIMSOLL_SIGNERS", f" {ADDRESS}, TEST::1,TEST::2,")
    assert _config.signers_of(found) == (ADDRESS, "TEST::1", "TEST::2")
    monkeypatch.setenv("PLIMSOLL_SIGNERS", ADDRESS)
    with pytest.raises(DeployError, match=r"^config: quorum 2, urgent 3, of 1 signers; at most 16 sign$"):
        _config.signers_of(found)
    monkeypatch.setenv("PLIMSOLL_SIGNERS", "me,you")
    with pytest.raises(DeployError, match=r"^config: PLIMSOLL_SIGNERS is 'me', no address$"):
        _config.signers_of(found)
    monkeypatch.delenv("PLIMSOLL_SIGNERS")
    with pytest.raises(DeployError, match=r"^config: no signers; name them in PLIMSOLL_SIGNERS"):
        _config.signers_of(found)


def test_who_governs_comes_from_the_environment(tmp_path, monkeypatch):
    for name in ("PROPOSERS", "GUARDIANS"):
        monkeypatch.delenv(f"PLIMSOLL_{name}", raising=False)
    found = load(tmp_path, GOOD)
    assert _config.holders_of(found, development=True) == (("TEST::7",), (_config.NOBODY,), ("TEST::8", "TEST::9"))
    with pytest.raises(DeployError, match=r"^config: no proposers; name them in PLIMSOLL_PROPOSERS"):
        _config.holders_of(found, development=False)
    monkeypatch.setenv("PLIMSOLL_PROPOSERS", ADDRESS)
    with pytest.raises(DeployError, match=r"^config: no guardians; name them in PLIMSOLL_GUARDIANS"):
        _config.holders_of(found, development=False)
    monkeypatch.setenv("PLIMSOLL_GUARDIANS", ADDRESS)
    with pytest.raises(DeployError, match=r"^config: 1 executors, 1 guardians; 1 and 2 at least$"):
        _config.holders_of(found, development=False)
    monkeypatch.setenv("PLIMSOLL_GUARDIANS", ",".join(f"0x{n:040x}" for n in range(1, 10)))
    with pytest.raises(DeployError, match=r"^config: a role of the timelock is for 8 at most$"):
        _config.holders_of(found, development=False)


def test_a_limit_of_the_guardrails_that_differs(tmp_path):
    found = load(tmp_path, changed("guardrails.limits", {"kappa": [1, 2, None, 10_000]}))
    assert found.guardrails.limits[NAMES.index("kappa")] == Limit(1, 2, UNLIMITED, 10_000)
    assert len(found.guardrails.limits) == len(NAMES)
