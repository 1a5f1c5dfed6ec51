"""Where a second trigger stands: in the address book, and in one of before it nowhere."""

import json

import pytest

from plimsoll.chain.deployment import SystemConfig, deploy_system, load_book, save_book
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.chain.errors import DeploymentError
from tests.pairs import text

OWNER, SIGNER = text(1), text(2)


@pytest.fixture(scope="module")
def deployed():
    return deploy_system(EmbeddedChain(), SystemConfig(OWNER, [SIGNER], 1))


def test_a_deployment_has_one(deployed, tmp_path):
    path = tmp_path / "book.json"
    save_book(deployed, path)
    found = load_book(path, deployed.chain)
    assert found.automation.address == deployed.automation.address
    assert found.automation.call("liquidator") == deployed.liquidator.address
    assert found.automation.call("clearinghouse") == deployed.clearinghouse.address
    assert found.automation in found.contracts


def test_an_address_book_of_before_has_none(deployed, tmp_path):
    path = tmp_path / "book.json"
    save_book(deployed, path)
    book = json.loads(path.read_text())
    del book["contracts"]["Automation"]
    path.write_text(json.dumps(book))
    found = load_book(path, deployed.chain)
    assert found.automation is None
    assert len(found.contracts) == len(deployed.contracts) - 1
    del book["contracts"]["Lens"]
    path.write_text(json.dumps(book))
    with pytest.raises(DeploymentError, match="Lens has no address"):
        load_book(path, deployed.chain)
