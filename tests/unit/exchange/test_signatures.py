"""Which bytes count as a signature: keys, contract wallets, and every near miss."""

from dataclasses import replace

import pytest
from eth_keys.datatypes import PrivateKey

from plimsoll.spec.errors import Refused
from plimsoll.spec.exchange import Exchange
from tests.venues import ATTACKER, DEPLOYER, MAKER, ORDER_OF_CURVE, TAKER, WAD, Trader, Wallet, WalletTrader, abi, sign

WRONG = "refused: exchange: wrong signature"


def split(signature: bytes) -> tuple[int, int, int]:
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]


def join(r: int, s: int, v: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])


def test_a_domain_of_its_own(bench):
    fields, name, version, chain_id, contract, salt, extensions = bench.contract.call("eip712Domain")
    assert (fields, name, version, chain_id) == (b"\x0f", "Plimsoll Exchange", "1", bench.chain.chain_id)
    assert (contract, salt, extensions) == (bench.contract.address, bytes(32), ())


def test_the_other_traders_signature(bench):
    maker, taker = bench.pair()
    assert bench.settle(maker, taker, WAD, bench.signed(maker, TAKER)) == WRONG
    assert bench.settle(maker, taker, WAD, None, bench.signed(taker, MAKER)) == WRONG


def test_a_signature_of_another_order(bench):
    maker, taker = bench.pair()
    other, _ = bench.pair()
    assert bench.settle(maker, taker, WAD, bench.signed(other, MAKER)) == WRONG


@pytest.mark.parametrize(
    "change",
    [
        {"account": MAKER.account(1)},
        {"quantity": -2 * WAD},
        {"price": 1999 * WAD},
        {"expires": 1_700_000_061},
        {"nonce": 1_000},
    ],
)
def test_every_field_is_signed(bench, change):
    maker, taker = bench.pair()
    signature = bench.signed(maker, MAKER)
    assert bench.settle(replace(maker, **change), taker, WAD, signature) == WRONG


def test_the_instrument_is_signed(bench):
    maker, taker = bench.pair()
    signature = bench.signed(maker, MAKER)
    moved = maker.instrument + 1
    assert bench.settle(replace(maker, instrument=moved), replace(taker, instrument=moved), WAD, signature) == WRONG


@pytest.mark.parametrize("which", ["chain", "contract"])
def test_signed_for_elsewhere(bench, which):
    maker, taker = bench.pair()
    home = bench.twin.address, bench.twin.chain_id
    if which == "chain":
        bench.twin.chain_id += 1
    else:
        bench.twin.address += 1
    signature = bench.signed(maker, MAKER)
    bench.twin.address, bench.twin.chain_id = home
    assert bench.settle(maker, taker, WAD, signature) == WRONG


def test_the_malleable_twin_of_a_signature(bench):
    maker, taker = bench.pair()
    r, s, v = split(bench.signed(maker, MAKER))
    assert bench.settle(maker, taker, WAD, join(r, ORDER_OF_CURVE - s, 55 - v)) == WRONG


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_other_values_of_v(bench, v):
    maker, taker = bench.pair()
    r, s, _ = split(bench.signed(maker, MAKER))
    assert bench.settle(maker, taker, WAD, join(r, s, v)) == WRONG


def test_the_wrong_parity(bench):
    maker, taker = bench.pair()
    r, s, v = split(bench.signed(maker, MAKER))
    assert bench.settle(maker, taker, WAD, join(r, s, 55 - v)) == WRONG


@pytest.mark.parametrize("r", [0, ORDER_OF_CURVE, 2**256 - 1])
def test_r_out_of_the_group(bench, r):
    maker, taker = bench.pair()
    _, s, v = split(bench.signed(maker, MAKER))
    assert bench.settle(maker, taker, WAD, join(r, s, v)) == WRONG


def test_s_of_zero(bench):
    maker, taker = bench.pair()
    r, _, v = split(bench.signed(maker, MAKER))
    assert bench.settle(maker, taker, WAD, join(r, 0, v)) == WRONG


@pytest.mark.parametrize("length", [0, 1, 32, 64, 66, 96, 1024])
def test_other_lengths(bench, length):
    maker, taker = bench.pair()
    signature = (bench.signed(maker, MAKER) + bytes(1024))[:length]
    assert bench.settle(maker, taker, WAD, signature) == WRONG


def test_the_compact_form(bench):
    """EIP-2098 writes the same signature in 64 bytes: refused, one form is enough."""
    maker, taker = bench.pair()
    r, s, v = split(bench.signed(maker, MAKER))
    assert bench.settle(maker, taker, WAD, join(r, s | (v - 27) << 255, 0)[:64]) == WRONG


def test_longer_than_the_call_takes(bench):
    maker, taker = bench.pair()
    args = (abi(maker), bytes(1025), abi(taker), bench.signed(taker, TAKER), WAD)
    with pytest.raises(Refused, match=r"^$"):
        bench.contract.transact("settle", *args, sender=DEPLOYER)


# ---------------------------------------------------------------------------------------------------- ERC-1271


@pytest.fixture
def wallet(bench):
    """A contract wallet, the trader it is, an order of its own and one that meets it."""
    contract, trader = bench.wallet(Trader(PrivateKey(b"\x09" * 32)))
    return contract, trader, bench.order(trader, -WAD), bench.order(TAKER, WAD)


@pytest.mark.parametrize("padding", [0, 1, 31, 64, 959])
def test_a_wallet_takes_its_own_kind_of_bytes(bench, wallet, padding):
    _, trader, maker, taker = wallet
    signature = b"\xaa" * padding + bench.signed(maker, trader)
    assert isinstance(bench.settle(maker, taker, WAD, signature), tuple)


def test_a_wallet_as_taker(bench, wallet):
    _, trader, _, _ = wallet
    maker, taker = bench.order(MAKER, -WAD), bench.order(trader, WAD)
    assert isinstance(bench.settle(maker, taker, WAD, None, bench.signed(taker, trader)), tuple)


def test_a_wallet_that_says_no(bench, wallet):
    _, _, maker, taker = wallet
    assert bench.settle(maker, taker, WAD, bench.signed(maker, ATTACKER)) == WRONG


def test_a_wallet_as_delegate(bench, wallet):
    _, trader, _, taker = wallet
    maker = bench.order(MAKER, -WAD, signer=trader.number)
    signature = b"\x01" + bench.signed(maker, trader)
    assert bench.settle(maker, taker, WAD, signature) == "refused: exchange: signer may not act for the account"
    bench.set_delegate(MAKER.account(), trader)
    assert isinstance(bench.settle(maker, taker, WAD, signature), tuple)


def test_a_wallet_that_approved_on_chain_and_took_it_back(bench, wallet):
    contract, trader, maker, taker = wallet
    maker, taker = replace(maker, quantity=-2 * WAD), replace(taker, quantity=2 * WAD)
    key = bench.twin.digest(maker)
    owner = Trader(trader.key).address
    contract.transact("approve_digest", key, True, sender=owner)
    bench.wallets[trader.number] = Wallet(lambda message, _: message == key)
    assert isinstance(bench.settle(maker, taker, WAD, b""), tuple)
    contract.transact("approve_digest", key, False, sender=owner)
    bench.wallets[trader.number] = Wallet(lambda *_: False)
    assert bench.settle(maker, taker, WAD, b"") == WRONG


@pytest.mark.parametrize("manner", range(1, 7))
def test_wallets_that_misbehave(bench, wallet, manner):
    """Reverts, nothing, 31 bytes, two words (its first is yes, which counts), a dirty word, all gas burnt."""
    contract, trader, maker, taker = wallet
    contract.transact("set_manner", manner, sender=DEPLOYER)
    bench.wallets[trader.number] = Wallet(lambda *_: manner == 4)
    found = bench.settle(maker, taker, WAD, b"\x00")
    assert isinstance(found, tuple) if manner == 4 else found == WRONG


def test_a_twin_that_is_told_of_no_wallet_knows_none(bench, wallet):
    _, _, maker, taker = wallet
    alone = Exchange(bench.twin.address, bench.twin.chain_id, bench.twin_book)
    with pytest.raises(Refused, match="exchange: wrong signature"):
        alone.settle(maker, bytes(65), taker, bench.signed(taker, TAKER), WAD, now=bench.chain.now)
    maker = bench.order(MAKER, -WAD)
    signatures = bench.signed(maker, MAKER), bench.signed(taker, TAKER)
    alone.settle(maker, signatures[0], taker, signatures[1], WAD, now=bench.chain.now)
    assert len(alone.log) == 2


def test_a_contract_that_is_no_wallet(bench):
    signer = int(bench.book.address, 16)
    maker = replace(bench.order(MAKER, -WAD), signer=signer)
    bench.set_delegate(MAKER.account(), WalletTrader(MAKER.key, bench.book.address))
    assert bench.settle(maker, bench.order(TAKER, WAD), WAD, bytes(65)) == WRONG


def test_a_wallet_may_ask_for_the_digest_while_it_is_asked(bench, wallet):
    contract, trader, maker, taker = wallet
    contract.transact("set_asked", bench.contract.address, bench.contract.encode("digest", abi(maker)), sender=DEPLOYER)
    assert isinstance(bench.settle(maker, taker, WAD, bench.signed(maker, trader)), tuple)


def test_a_wallet_cannot_settle_while_it_is_asked(bench, wallet):
    """The question is a static call, so that a wallet that answers by trading fails."""
    contract, trader, maker, taker = wallet
    other = bench.pair()
    args = (abi(other[0]), bench.signed(other[0], MAKER), abi(other[1]), bench.signed(other[1], TAKER), WAD)
    contract.transact("set_asked", bench.contract.address, bench.contract.encode("settle", *args), sender=DEPLOYER)
    bench.wallets[trader.number] = Wallet(lambda *_: False)
    assert bench.settle(maker, taker, WAD, bench.signed(maker, trader)) == WRONG


def test_the_key_of_an_address_with_delegated_code_still_signs(bench):
    """EIP-7702: code that knows nothing of ERC-1271 does not take an owner's key away."""
    runtime = bench.chain.code(bench.book.address)
    with bench.chain.isolate():
        bench.chain.set_code(MAKER.address, runtime)
        maker, taker = bench.pair()
        assert isinstance(bench.settle(maker, taker), tuple)
        again = bench.pair()
        assert bench.settle(*again, WAD, sign(ATTACKER, bench.twin.digest(again[0]))) == WRONG
