"""InsuranceFund: what it begins with, and whom it takes for its book."""

import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.fund import InsuranceFund
from plimsoll.spec.system import PlainToken
from plimsoll.spec.wad import WAD
from tests.pairs import number, text

from .bench import BOB, DAY, LIQUIDATOR, OWNER
from .custody import Custody

NONE = "0x" + "00" * 20


def made(bench, book, liquidator):
    return deploy(bench.chain, load("InsuranceFund"), book, liquidator, sender=text(OWNER))


def test_what_it_begins_with(any_bench):
    fund, bench = any_bench.fund, any_bench
    assert number(fund.call("owner")) == OWNER
    assert number(fund.call("liquidator")) == LIQUIDATOR
    assert fund.call("book") == bench.custody.address
    assert fund.call("asset") == bench.token.address
    assert fund.call("name") == "Plimsoll Insurance Fund"
    assert fund.call("symbol") == "PIF"
    assert fund.call("decimals") == bench.twin.token.decimals + 6 == bench.twin.fund.decimals
    assert (fund.call("event_cap"), fund.call("underlying_cap")) == (100_000 * WAD, 500_000 * WAD)
    assert (fund.call("cooldown"), fund.call("claim_window")) == (7 * DAY, 2 * DAY)
    assert [event.name for event in bench.twin.fund.log] == ["CapsSet", "CooldownSet"]
    bench.compare()


@pytest.mark.parametrize("who", ["book", "liquidator"])
def test_zero_address(bench, who):
    book = NONE if who == "book" else bench.custody.address
    with pytest.raises(Refused) as refused:
        made(bench, book, NONE if who == "liquidator" else text(LIQUIDATOR))
    assert refused.value.reason == "fund: zero address"
    with pytest.raises(Refused, match="fund: zero address"):
        InsuranceFund(1, OWNER, Custody(number(book), 3, PlainToken(6)), 0, {3: PlainToken(6)})


def test_decimals_over_18(bench):
    token = bench.put("MockOddToken", "Long", "LONG", 19)
    custody = bench.put("MockCustody", token.address)
    with pytest.raises(Refused) as refused:
        made(bench, custody.address, text(LIQUIDATOR))
    assert refused.value.reason == "fund: decimals over 18"
    with pytest.raises(Refused, match="fund: decimals over 18"):
        InsuranceFund(1, OWNER, Custody(2, 3, PlainToken(19)), LIQUIDATOR, {3: PlainToken(19)})


def test_ownership_passes_in_two_steps_and_is_not_renounced(bench):
    heir = text(BOB)
    bench.fund.transact("transfer_ownership", heir, sender=text(OWNER))
    assert number(bench.fund.call("owner")) == OWNER
    assert bench.fund.call("pending_owner") == heir
    with pytest.raises(Refused, match="caller is not the new owner"):
        bench.fund.transact("accept_ownership", sender=text(OWNER))
    bench.fund.transact("accept_ownership", sender=heir)
    assert bench.fund.call("owner") == heir
    bench.refuses_on_chain("ownable: caller is not the owner", "set_caps", 0, 0, sender=OWNER)


def test_shares_cannot_be_made_or_burnt_past_the_vault():
    names = {entry["name"] for entry in load("InsuranceFund").abi if entry["type"] == "function"}
    assert not names & {"burn", "burn_from", "set_minter", "is_minter", "renounce_ownership", "permit"}
    minting = [e for e in load("InsuranceFund").abi if e.get("name") == "mint"]
    assert [[part["type"] for part in entry["inputs"]] for entry in minting] == [["uint256", "address"]]
