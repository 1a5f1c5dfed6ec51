"""BackOffice: the same storage as the Clearinghouse, and nothing to gain for who calls it itself."""

import pytest

from plimsoll.chain import artifacts
from plimsoll.chain.contract import Contract
from plimsoll.spec.errors import Refused
from plimsoll.spec.interest import ONE
from tests.integration.test_interfaces import events, functions, interface
from tests.pairs import address_of, compiled, encode_call, from_chain, text

from .stage import ATTACKER, BIDDER, EVERYONE, NOW, OWNER, TRADER, USD, VENUE, WAD

TRADER_ADDRESS = address_of("trader")
POOL = ((ONE, ONE, NOW, 0, 0), 0)


@pytest.fixture
def office(stage):
    """The BackOffice of the stage by itself; the trader has 100 USD in the book and 100 that the book may move."""
    stage.fund("trader", 100)
    stage.pair.mint(stage.usd, TRADER_ADDRESS, 100 * USD)
    book = stage.pair.contracts["book"]
    # the Clearinghouse's immutables lie after its code, its own last
    code = stage.pair.chain.code(book.address)
    return Contract(
        stage.pair.chain, code[-20:].hex() and text(int.from_bytes(code[-20:], "big")), compiled("BackOffice")
    )


def test_storage_lies_alike():
    """Modules, slots, types and lengths; and the transient: the lock, and the batch."""
    mine, its = (compiled(name).layout for name in ("Clearinghouse", "BackOffice"))
    assert mine["storage_layout"] == its["storage_layout"]
    assert mine["transient_storage_layout"] == its["transient_storage_layout"]
    assert "$.nonreentrant_key" in mine["transient_storage_layout"]
    assert "_batch" in mine["transient_storage_layout"]["book"]
    assert set(mine["storage_layout"]) == {"ownable", "ownable_2step", "book"}


def test_immutables_of_the_book_lie_alike():
    mine, its = (compiled(name).layout["code_layout"]["book"] for name in ("Clearinghouse", "BackOffice"))
    assert mine == its


def test_no_function_stands_in_both(monkeypatch):
    """What the Clearinghouse has itself it does not ask of the other."""
    monkeypatch.setattr(artifacts, "EXTENSIONS", {})  # each by itself
    mine, its = (
        {entry["name"] for entry in artifacts.load(name).abi if entry["type"] == "function"}
        for name in ("Clearinghouse", "BackOffice")
    )
    assert not mine & its


def test_the_interface_file_is_all_of_both():
    """But for the owner's own functions and events, which are snekmate's."""
    said, contract = interface("IClearinghouse"), compiled("Clearinghouse").abi
    more = {name.partition("(")[0] for name in set(functions(contract)) - set(functions(said))}
    assert more == {"owner", "pending_owner", "transfer_ownership", "accept_ownership"}
    assert set(functions(said)) <= set(functions(contract))
    assert set(events(contract)) - set(events(said)) == {"OwnershipTransferred", "OwnershipTransferStarted"}
    assert set(events(said)) <= set(events(contract))


CALLS = {
    "set_liquidator": (ATTACKER,),
    "set_fund": (ATTACKER,),
    "transfer": (TRADER, TRADER + 1, "usd", 1),
    "multicall": (TRADER, []),
    "settle": (TRADER,),
    "expire": (TRADER,),
    "claim": (),
    "seize": (TRADER, BIDDER, WAD, 0, 0),
    "pull": (TRADER, "usd", USD, BIDDER, WAD),
    "socialise": (TRADER, TRADER, 1),
    "instrument_interest": (1,),
    "brought_in": (TRADER,),
    "pool": (),
    "utilisation": (),
    "outflow": (),
    "may_act": (TRADER, ATTACKER, 1),
    "liquidator": (),
    "fund": (),
}


def test_every_function_is_tried():
    assert set(CALLS) == {e["name"] for e in compiled("BackOffice").abi if e["type"] == "function"}


def attempt(stage, office, name, *args, sender=ATTACKER):
    function = office.interface.function(name, len(args))
    args = [stage.usd if arg == "usd" else arg for arg in args]
    try:
        receipt = stage.pair.chain.transact(office.address, encode_call(function, args), sender=text(sender))
    except Refused as refused:
        return refused.reason
    return from_chain(function.decode(receipt.output)) if receipt.output else None


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("set_liquidator", "ownable: caller is not the owner"),
        ("set_fund", "ownable: caller is not the owner"),
        ("transfer", "clearinghouse: not the account's"),
        ("multicall", "clearinghouse: not the account's"),
        ("settle", None),
        ("expire", None),
        ("claim", "clearinghouse: no fund"),
        ("seize", "clearinghouse: not the liquidator"),
        ("pull", "clearinghouse: not the liquidator"),
        ("socialise", "clearinghouse: not the liquidator"),
        ("instrument_interest", 0),
        ("brought_in", 0),
        ("pool", POOL),
        ("utilisation", 0),
        ("outflow", 0),
        ("may_act", False),
        ("liquidator", 0),
        ("fund", 0),
    ],
)
@pytest.mark.parametrize("sender", [ATTACKER, VENUE])
def test_called_itself_it_has_an_empty_book(stage, office, name, answer, sender):
    before = stage.balances()
    assert attempt(stage, office, name, *CALLS[name], sender=sender) == answer
    stage.pair.changed = True
    stage.pair.compare(EVERYONE)
    assert stage.balances() == before


def test_the_owner_of_an_account_finds_nothing_to_move(stage, office):
    reason = "clearinghouse: cash not there"
    assert attempt(stage, office, "transfer", TRADER, TRADER + 1, "usd", 1, sender=TRADER_ADDRESS) == reason
    assert attempt(stage, office, "multicall", TRADER, [], sender=TRADER_ADDRESS) is None
    item = {"target": int(office.address, 16), "data": stage.data("book", "transfer", TRADER, TRADER + 1, stage.usd, 1)}
    assert attempt(stage, office, "multicall", TRADER, [item], sender=TRADER_ADDRESS) == reason
    stage.pair.changed = True
    stage.pair.compare(EVERYONE)


def test_who_deployed_it_can_name_himself_and_still_move_nothing(stage, office):
    """Its owner is the deployer for good, of an empty book: neither tokens nor mandates know it."""
    before = stage.balances()
    assert attempt(stage, office, "set_liquidator", OWNER, sender=OWNER) is None
    assert attempt(stage, office, "set_fund", OWNER, sender=OWNER) is None
    stage.pair.must("mandates", "set_top_up", TRADER, stage.usd, 50 * USD, 0, sender=TRADER_ADDRESS)
    assert attempt(stage, office, "pull", TRADER, "usd", USD, BIDDER, 0, sender=OWNER) == "mandates: not the book"
    assert (
        attempt(stage, office, "seize", TRADER, BIDDER, WAD, 1, 0, sender=OWNER)
        == "clearinghouse: below initial margin"
    )
    assert (
        attempt(stage, office, "socialise", TRADER, TRADER, 1, sender=OWNER)
        == "clearinghouse: loss over half of all cash"
    )
    assert stage.ask("book", "liquidator") == stage.pair.twin.at.liquidator
    stage.pair.changed = True
    stage.pair.compare(EVERYONE)
    assert stage.balances() == before


def test_an_unknown_function_is_refused_without_a_reason(stage):
    book = stage.pair.contracts["book"].address
    for data in (b"", b"\1\2\3\4", b"\1\2\3\4" + bytes(64)):
        with pytest.raises(Refused) as refused:
            stage.pair.chain.transact(book, data, sender=text(ATTACKER))
        assert refused.value.reason == ""


def test_no_ether_is_taken(stage):
    stage.pair.chain.set_balance(text(ATTACKER), 10**18)
    for data in (b"", stage.data("book", "claim"), stage.data("book", "expire", TRADER)):
        with pytest.raises(Refused):
            stage.pair.chain.transact(stage.pair.contracts["book"].address, data, sender=text(ATTACKER), value=1)
