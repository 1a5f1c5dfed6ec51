"""I-46: no function that is somebody's answers a stranger, asked on the bytecode."""

from functools import cache

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from tests.access import ACCESS, RULES
from tests.pairs import PARTS, Pair, address_of, compiled, text

STRANGER = address_of("attacker")
# What is refused before anybody is asked who he is, and an account that is nobody's for being the zero address's.
SOUND = {
    ("account", "uint256"): 7 << 96,
    ("buyer", "uint256"): 7 << 96,
    ("seller", "uint256"): 9 << 96,
    ("bidder", "uint256"): 9 << 96,
    ("quantity", "uint256"): 1,
    ("price", "uint256"): 1,
    ("sequence", "uint64"): 1,
}
PART_OF = {contract: part for part, contract in PARTS.items()}

SOMEBODYS = [
    (contract, name) for contract, rows in ACCESS.items() for name, row in rows.items() if RULES[row.rule].refusals
]


@cache
def governed() -> Pair:
    """A deployment that the timelock owns, with an executor of its own."""
    pair = Pair()
    pair.wire()
    pair.govern()
    return pair


@cache
def guard():
    """The real Guardrails: the deployment's lets anything through."""
    pair = governed()
    made = deploy(pair.chain, compiled("Guardrails"), pair.contracts["feed"].address, sender=text(pair.owner))
    made.transact("set_oracle", pair.contracts["oracle"].address, sender=text(pair.owner))
    return made


def zero_of(entry):
    """The least value of a type, and an account of somebody else's where one is asked for."""
    kind = entry["type"]
    if (entry["name"], kind) in SOUND:
        return SOUND[entry["name"], kind]
    if entry["name"] == "market_time":
        return governed().now
    if kind.endswith("]"):
        return []
    if kind == "tuple":
        return {part["name"]: zero_of(part) for part in entry["components"]}
    return {"address": text(0), "bool": False}.get(kind, bytes(int(kind[5:] or 0)) if kind[:5] == "bytes" else 0)


@pytest.mark.parametrize(("contract", "name"), SOMEBODYS)
def test_a_stranger_is_refused_by_name(contract, name):
    pair = governed()
    target = guard() if contract == "Guardrails" else pair.contracts[PART_OF[contract]]
    entries = [entry for entry in target.artifact.abi if entry.get("name") == name and entry["type"] == "function"]
    refusals = RULES[ACCESS[contract][name].rule].refusals
    assert entries
    for entry in entries:
        with pytest.raises(Refused) as caught:
            target.transact(name, *(zero_of(part) for part in entry["inputs"]), sender=text(STRANGER))
        assert caught.value.reason in refusals


def test_most_functions_that_change_state_are_somebodys():
    assert len(SOMEBODYS) > 80
    assert {"Clearinghouse", "RiskOracle", "Registry", "Timelock", "InsuranceFund"} <= {c for c, _ in SOMEBODYS}
