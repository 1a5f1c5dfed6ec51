"""The switched source: it compiles, does what the original does, and each mutant when its number is set."""

import pyrevm
import pytest

from plimsoll.chain.artifacts import compile_one
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused
from tests.mutation.operators import Tables, mutants_of
from tests.mutation.source import Source
from tests.mutation.switched import FIRST, numbers_in, switched, traced, unpure

SOURCE = """# pragma version 0.4.3
# pragma evm-version cancun
LIMIT: constant(uint256) = 100
total: public(uint256)

event Added:
    amount: uint256

@external
def add(amount: uint256) -> uint256:
    assert amount <= LIMIT and amount != 0, "sample: amount"
    if amount > 50:
        self.total += 1
    self.total += amount
    log Added(
        amount=amount
    )
    return self._half(amount)

@internal
@pure
def _half(x: uint256) -> uint256:
    return (x + 1) // 2
"""
KNOWN = Tables({"Sample": {"LIMIT": "+"}}, {}, {})
SENDER = "0x" + "11" * 20


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    """The compiled switched contract and its mutants by number."""
    root = tmp_path_factory.mktemp("switched")
    (root / "contracts").mkdir()
    mutants = [m for m in mutants_of(Source.of("contracts/Sample.vy", SOURCE), KNOWN) if not m.alone]
    number = {mutant.id: FIRST + k for k, mutant in enumerate(mutants)}
    text = unpure(switched(SOURCE, mutants, number))
    assert numbers_in(text) == set(number.values())
    path = root / "contracts" / "Sample.vy"
    path.write_text(text)
    return compile_one(path, root), {number[mutant.id]: mutant for mutant in mutants}


def story(artifact, number=0):
    """What a few calls give, the chain's coinbase set."""
    chain = EmbeddedChain(code_limit=1 << 20)
    contract = deploy(chain, artifact, sender=SENDER)
    said = []
    for amount in (0, 1, 49, 50, 51, 52, 99, 100, 101, 102):
        with chain.isolate():
            # undoing sets the block anew, without a coinbase
            chain._evm.set_block_env(
                pyrevm.BlockEnv(number=1, timestamp=chain.now, gas_limit=60_000_000, coinbase=f"0x{number:040x}")
            )
            try:
                output = contract.call("add", amount)
                receipt = contract.transact("add", amount, sender=SENDER)
                said.append((output, contract.call("total"), [log.data for log in receipt.logs]))
            except Refused as refused:
                said.append(refused.reason)
    return said


def test_without_a_number_it_is_the_original(switch, tmp_path):
    (tmp_path / "contracts").mkdir()
    path = tmp_path / "contracts" / "Sample.vy"
    path.write_text(SOURCE)
    assert story(switch[0]) == story(compile_one(path, tmp_path))


def test_each_mutant_does_something_else(switch):
    artifact, mutants = switch
    real = story(artifact)
    same = [mutant.edit for number, mutant in mutants.items() if story(artifact, number) == real]
    assert same == []
    assert len(mutants) >= 15


def test_each_switched_mutant_is_the_mutant_itself(switch, tmp_path):
    artifact, mutants = switch
    (tmp_path / "contracts").mkdir()
    path = tmp_path / "contracts" / "Sample.vy"
    for number, mutant in list(mutants.items())[::4]:
        path.write_text(mutant.applied(SOURCE))
        assert story(artifact, number) == story(compile_one(path, tmp_path)), mutant.edit


def test_the_traced_code_does_the_same_and_tells_what_it_passed(switch):
    artifact, mutants = switch
    code = traced(artifact.runtime)
    assert len(code) == len(artifact.runtime)
    assert code != artifact.runtime
    assert sum(number.to_bytes(2, "big") + b"\x31" in code for number in mutants) == len(mutants)
