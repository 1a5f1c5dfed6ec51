"""A guardian's right where the owner is a contract that cannot say who its guardians are: nobody is one."""

import pytest

from plimsoll.spec.errors import Refused
from plimsoll.spec.registry import RISK
from tests.pairs import address_of, text
from tests.unit.clearinghouse.stage import ATTACKER, OWNER, clean_stage

REVERTS = bytes.fromhex("5f5ffd")  # whatever it is asked
STRANGER = "ownable: caller is not the owner"


@pytest.fixture
def stage():
    with clean_stage() as made:
        yield made


@pytest.mark.parametrize("who", [address_of("guardian"), ATTACKER])
def test_an_owner_that_reverts_names_nobody(stage, who):
    pair = stage.pair
    registry = pair.contracts["registry"]
    deaf = text(address_of("deaf"))
    registry.transact("transfer_ownership", deaf, sender=text(OWNER))
    registry.transact("accept_ownership", sender=deaf)
    pair.chain.set_code(deaf, REVERTS)
    with pytest.raises(Refused):
        pair.chain.call(deaf, pair.contracts["timelock"].encode("is_guardian", text(who)))
    assert registry.call("owner") == deaf
    assert stage.on_chain("registry", "stop", RISK, pair.now + 60, sender=who) == STRANGER
    assert stage.ask("registry", "stops") == 0
