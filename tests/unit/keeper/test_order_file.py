"""Files of signed orders: what a line may say, what is wrong with one, what is read anew and when."""

import json
import os

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.chain.errors import NodeError
from plimsoll.keeper import order_file
from plimsoll.keeper.order_file import MAX_LINE, OrderFiles, OrderLineError, parse_line
from plimsoll.risk.signing import sign
from plimsoll.simulate.market import Party
from plimsoll.spec.standing import MAX_SLACK, StandingOrder, digest
from plimsoll.spec.wad import MAX_QUANTITY, WAD

CHAIN = 31_337
VENUE = to_checksum_address("0x" + "ab" * 20)
OWNER = Party.of("owner")


def no_contract(_address):
    return False


def order(nonce=1, **changes):
    fields = {"instrument": 5, "quantity": -3 * WAD, "slack": 10_000, "expires": 2_000_000_000, **changes}
    return StandingOrder(OWNER.account, int(OWNER.address, 16), nonce=nonce, **fields)


def line(made, **changes):
    fields = {name: getattr(made, name) for name in ("account", "instrument", "quantity", "slack", "expires", "nonce")}
    signature = "0x" + sign(digest(made, CHAIN, VENUE), OWNER.key).hex()
    whole = {"chain": CHAIN, "venue": VENUE, "order": fields | {"signer": OWNER.address}, "signature": signature}
    for path, value in changes.items():
        if path in whole:
            whole[path] = value
        else:
            whole["order"][path] = value
    return whole


def parse(whole):
    return parse_line(json.dumps(whole).encode(), CHAIN, VENUE, no_contract)


def test_a_line_is_the_order_that_was_signed():
    found = parse(line(order()))
    assert found.order == order()
    assert found.digest == digest(order(), CHAIN, VENUE)
    assert found.ref == "0x" + found.digest.hex()


@given(st.integers(0, 2**256 - 1), st.sampled_from([int, str, hex]))
def test_numbers_may_be_texts(nonce, written):
    whole = line(order(), nonce=written(nonce))
    with pytest.raises(OrderLineError, match="signature: not that of") if nonce != 1 else _nothing():
        parse(whole)


class _nothing:  # noqa: N801 - stands where pytest.raises stands
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"chain": 1}, "chain: 1; 31337 is right"),
        ({"venue": "0x" + "cd" * 20}, "venue: 0xcdcd"),
        ({"signature": "0x12"}, "signature: not that of"),
        ({"signature": "12"}, "signature: 0x and"),
        ({"signature": "0x" + "00" * 1_025}, "signature: 0x and"),
        ({"signer": "0x" + "00" * 20}, "signature: not that of"),
        ({"signer": "alice"}, "order.signer: an address"),
        ({"signer": OWNER.address.swapcase().replace("0X", "0x")}, "order.signer: an address"),
        ({"signer": "0X" + OWNER.address[2:]}, "order.signer: an address"),
        ({"signer": OWNER.address[2:]}, "order.signer: an address"),
        ({"account": -1}, "order.account"),
        ({"account": 1.0}, "order.account: a whole number"),
        ({"account": True}, "order.account: a whole number"),
        ({"account": "1e3"}, "order.account: a whole number"),
        ({"account": 2**256}, "order.account"),
        ({"instrument": 2**128}, "order.instrument"),
        ({"quantity": 0}, "order.quantity: zero"),
        ({"quantity": MAX_QUANTITY + 1}, "order.quantity"),
        ({"slack": MAX_SLACK + 1}, "order.slack"),
        ({"expires": 1}, "signature: not that of"),
        ({"price": 5}, "order.price"),
        ({"order": None}, "order"),
    ],
)
def test_what_is_wrong_is_named(changes, named):
    with pytest.raises(OrderLineError) as met:
        parse(line(order(), **changes))
    assert str(met.value).startswith(named)


@pytest.mark.parametrize("raw", [b"nothing", b"[1]", b"\xff", b"[" * 500, b"{}", b" " * MAX_LINE + b"{}"])
def test_no_line_of_ours(raw):
    with pytest.raises(OrderLineError):
        parse_line(raw, CHAIN, VENUE, no_contract)


def test_only_the_chain_can_tell_for_a_wallet():
    whole = json.dumps(line(order(), signature="0xaabb")).encode()
    asked = []
    found = parse_line(whole, CHAIN, VENUE, lambda address: not asked.append(address))
    assert (found.signature, asked) == (b"\xaa\xbb", [OWNER.address.lower()])
    asked.clear()
    parse_line(json.dumps(line(order())).encode(), CHAIN, VENUE, lambda address: not asked.append(address))
    assert asked == []


# ------------------------------------------------------------------------------------------------------------ files


def text(*orders):
    return "".join(json.dumps(line(made)) + "\n" for made in orders)


def files(path, is_contract=no_contract):
    return OrderFiles(path, CHAIN, VENUE, is_contract)


def nonces(found):
    return [signed.order.nonce for signed in found.orders.values()]


def test_a_file_is_read_anew_where_it_changed_and_old_lines_are_not(tmp_path, monkeypatch):
    path = tmp_path / "orders"
    path.write_text(text(order(1)))
    found, parsed = files(path), []
    monkeypatch.setattr(order_file, "parse_line", lambda *args: parsed.append(args[0]) or parse_line(*args))
    assert found.refresh() == []
    assert found.refresh() == []
    assert (nonces(found), len(parsed)) == ([1], 1)
    with path.open("a") as file:
        file.write("\n" + text(order(2)))
    assert found.refresh() == []
    assert (nonces(found), len(parsed)) == ([1, 2], 2)
    path.write_text(text(order(2)))
    found.refresh()
    assert (nonces(found), len(parsed)) == ([2], 2)
    path.unlink()
    (bad,) = found.refresh()
    assert bad.line == 0
    assert nonces(found) == []


def test_orders_stay_the_same_object_while_nothing_changes(tmp_path):
    path = tmp_path / "orders"
    path.write_text(text(order(1)))
    found = files(path)
    found.refresh()
    before = found.orders
    found.refresh()
    assert found.orders is before


def test_bad_lines_are_told_once_by_their_number(tmp_path):
    path = tmp_path / "orders"
    path.write_text("bad\n\n" + text(order(1)) + "worse\nbad\n")
    found = files(path)
    assert [(bad.file, bad.line) for bad in found.refresh()] == [("orders", 1), ("orders", 4)]
    assert nonces(found) == [1]
    with path.open("a") as file:
        file.write("worst\n")
    assert [bad.line for bad in found.refresh()] == [6]


def test_a_line_that_is_being_written_is_waited_for(tmp_path):
    path = tmp_path / "orders"
    whole = text(order(1), order(2))
    path.write_text(whole[:-20])
    found = files(path)
    assert found.refresh() == []
    assert nonces(found) == [1]
    path.write_text(whole[:-1])  # no newline, yet whole
    assert found.refresh() == []
    assert nonces(found) == [1, 2]


def test_a_folder_is_its_files_of_json(tmp_path):
    for name, nonce in (("b.json", 2), ("a.jsonl", 1), ("c.tmp", 3), (".d.json", 4)):
        (tmp_path / name).write_text(text(order(nonce)))
    found = files(tmp_path)
    assert found.refresh() == []
    assert nonces(found) == [1, 2]
    (tmp_path / "a.jsonl").unlink()
    found.refresh()
    assert nonces(found) == [2]


def test_an_order_stands_once(tmp_path):
    (tmp_path / "a.json").write_text(text(order(1), order(1)))
    (tmp_path / "b.json").write_text(text(order(1)))
    found = files(tmp_path)
    assert found.refresh() == []
    assert nonces(found) == [1]


def test_no_file_is_told_once_and_mended_by_one(tmp_path):
    path = tmp_path / "orders"
    found = files(path)
    (bad,) = found.refresh()
    assert (bad.file, bad.line) == ("orders", 0)
    assert found.refresh() == []
    path.write_text(text(order(1)))
    assert found.refresh() == []
    assert nonces(found) == [1]


def test_what_cannot_be_read_for_now_stands(tmp_path):
    path, moved = tmp_path / "a.json", tmp_path / "moved"
    path.write_text(text(order(1)))
    found = files(tmp_path)
    found.refresh()
    path.rename(moved)
    path.mkdir()  # a folder in its place cannot be read as a file
    (bad,) = found.refresh()
    assert (bad.file, bad.line, nonces(found)) == ("a.json", 0, [1])


def test_many_lines_are_checked_a_part_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(order_file, "AT_ONCE", 2)
    (tmp_path / "a.json").write_text("bad\n" + text(order(1), order(2)))
    (tmp_path / "b.json").write_text(text(order(3)))
    found = files(tmp_path)
    assert ([bad.line for bad in found.refresh()], nonces(found)) == ([1], [1])
    assert (found.refresh(), nonces(found)) == ([], [1, 2, 3])
    assert (found.refresh(), nonces(found)) == ([], [1, 2, 3])


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "orders.json")
    (bad,) = files(tmp_path).refresh()
    assert (bad.file, bad.line) == ("orders.json", 0)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "orders"
    path.write_text(text(order(1)))
    monkeypatch.setattr(order_file, "MAX_FILE", 10)
    (bad,) = files(path).refresh()
    assert "at most" in bad.error


def test_a_node_that_does_not_answer_is_asked_again(tmp_path):
    path = tmp_path / "orders"
    path.write_text(text(order(2)) + json.dumps(line(order(1), signature="0xaabb")) + "\n")
    answers = [NodeError("silent"), True]

    def is_contract(_address):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    found = files(path, is_contract)
    with pytest.raises(NodeError):
        found.refresh()
    assert found.refresh() == []
    assert nonces(found) == [2, 1]


def test_a_change_that_leaves_the_size_is_seen(tmp_path):
    path = tmp_path / "orders"
    path.write_text(text(order(1)))
    found = files(path)
    found.refresh()
    path.write_text(text(order(2)))
    os.utime(path, ns=(1, 1))
    found.refresh()
    assert nonces(found) == [2]
