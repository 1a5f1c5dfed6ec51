"""Registry's constructor, and two-step ownership."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract
from plimsoll.spec.errors import Refused
from plimsoll.spec.registry import (
    AccountLimits,
    Curve,
    Fees,
    PoolLimits,
    Registry,
    pack_account_limits,
    pack_curve,
    pack_fees,
    pack_pool_limits,
)

from .bench import ATTACKER, NOT_THE_OWNER, OTHER, OWNER, Posted, number, plain, text

ZERO = "registry: zero address"


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_an_address_of_zero(bench, missing):
    args = [text(bench.usd), bench.feed.address, bench.oracle.address]
    args[missing] = text(0)
    with pytest.raises(Refused, match=f"^{ZERO}$"):
        bench.put("Registry", *args)


@pytest.mark.parametrize(("quote", "oracle"), [(0, 1), (1, 0)])
def test_an_address_of_zero_in_the_twin(bench, quote, oracle):
    with pytest.raises(Refused, match=f"^{ZERO}$"):
        Registry(OWNER, quote, bench.twin.feed, Posted(oracle), bench.known)


def test_what_it_starts_with(bench):
    assert number(bench.contract.call("owner")) == OWNER
    assert bench.ask("price_band") == 100_000
    assert bench.ask("reduce_band") == 10_000
    assert bench.ask("account_limits") == pack_account_limits(AccountLimits(0, 2**128 - 1, 127))
    assert bench.ask("pool_limits") == pack_pool_limits(PoolLimits(2**128 - 1, 2**96 - 1, 86_400))
    assert bench.ask("curve") == pack_curve(Curve(0, 800_000, 0, 0, 200_000))
    assert bench.ask("fees") == pack_fees(Fees()) == 0


def test_it_logs_what_it_starts_with(bench):
    artifact = load("Registry")
    args = [text(bench.usd), bench.feed.address, bench.oracle.address]
    encoded = b"".join(number(value).to_bytes(32, "big") for value in args)
    receipt = bench.chain.deploy(artifact.bytecode + encoded, sender=text(OWNER))
    made = Contract(bench.chain, receipt.address, artifact)
    twin = Registry(OWNER, bench.usd, bench.twin.feed, bench.twin.oracle, bench.known)
    found = [
        (event.name, {key: plain(value) for key, value in event.args._asdict().items()})
        for event in made.events(receipt)
        if event.name != "OwnershipTransferred"
    ]
    assert found == [(event.name, dict(event.args)) for event in twin.log]
    assert [name for name, _ in found] == ["BandsSet", "LimitsSet", "CurveSet", "FeesSet"]


def test_ownership_moves_in_two_steps(bench):
    def refusal(name, *args, sender):
        with pytest.raises(Refused) as caught:
            bench.contract.transact(name, *args, sender=text(sender))
        return caught.value.reason

    assert refusal("transfer_ownership", text(ATTACKER), sender=ATTACKER) == NOT_THE_OWNER
    bench.contract.transact("transfer_ownership", text(OTHER), sender=text(OWNER))
    assert number(bench.contract.call("owner")) == OWNER
    assert number(bench.contract.call("pending_owner")) == OTHER
    assert refusal("accept_ownership", sender=ATTACKER) == "ownable_2step: caller is not the new owner"
    bench.contract.transact("accept_ownership", sender=text(OTHER))
    assert number(bench.contract.call("owner")) == OTHER
