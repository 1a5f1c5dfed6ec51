"""IndexFeed is handed over in two steps, and never to nobody."""

import pytest

from plimsoll.chain.errors import AbiError
from plimsoll.spec.errors import Refused

from .conftest import ATTACKER, ETH, OWNER

HEIR = "0x" + "b2" * 20


def owner(bench) -> str:
    return bench.contract.call("owner").lower()


def test_the_deployer_owns_it(bench):
    assert owner(bench) == OWNER


def test_two_steps(bench):
    bench.contract.transact("transfer_ownership", HEIR, sender=OWNER)
    assert owner(bench) == OWNER
    bench.contract.transact("accept_ownership", sender=HEIR)
    assert owner(bench) == HEIR
    with pytest.raises(Refused, match=r"^ownable: caller is not the owner$"):
        bench.contract.transact("set_feed", ETH, HEIR, 60, 0, sender=OWNER)


def test_nobody_else_starts_or_ends_it(bench):
    with pytest.raises(Refused, match=r"^ownable: caller is not the owner$"):
        bench.contract.transact("transfer_ownership", ATTACKER, sender=ATTACKER)
    bench.contract.transact("transfer_ownership", HEIR, sender=OWNER)
    with pytest.raises(Refused, match=r"^ownable_2step: caller is not the new owner$"):
        bench.contract.transact("accept_ownership", sender=ATTACKER)


def test_it_cannot_be_renounced(bench):
    with pytest.raises(AbiError):
        bench.contract.transact("renounce_ownership", sender=OWNER)
