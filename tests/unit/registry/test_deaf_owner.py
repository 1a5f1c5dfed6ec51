"""A guardian's right where the owner is a contract that cannot say who its guardians are: nobody is one."""

import pytest

from plimsoll.spec.registry import RISK
from tests.pairs import address_of, text
from tests.unit.clearinghouse.stage import ATTACKER, OWNER, clean_stage

STRANGER = "ownable: caller is not the owner"


@pytest.fixture
def stage():
    with clean_stage() as made:
        yield made


@pytest.mark.parametrize("who", [address_of("guardian"), ATTACKER])
def test_an_owner_that_reverts_names_nobody(stage, who):
    pair = stage.pair
    registry = pair.contracts["registry"]
    deaf = pair.aggregator_contracts[next(iter(pair.aggregator_contracts))]
    registry.transact("transfer_ownership", deaf.address, sender=text(OWNER))
    as_owner = stage.on_chain("registry", "stop", RISK, pair.now + 60, sender=who)
    assert as_owner == STRANGER
    assert stage.ask("registry", "stops") == 0
