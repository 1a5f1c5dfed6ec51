"""The record of signatures: one report a sequence, over restarts; what cannot be read stops the node."""

import json

import pytest

from plimsoll.nodes.errors import PromiseError
from plimsoll.nodes.promises import Promise

from .conftest import ADDRESSES, MAX_AGE, NOW

ONE, TWO = Promise(b"\x01" * 32, NOW), Promise(b"\x02" * 32, NOW + 9)


def test_a_restart_forgets_nothing(opened, tmp_path):
    path = tmp_path / "deep" / "promises.jsonl"
    first = opened(path)
    first.make(4, ONE)
    first.make(5, TWO)
    first.close()
    again = opened(path)
    assert (again.of(4, NOW, MAX_AGE), again.of(5, NOW, MAX_AGE)) == (ONE, TWO)
    assert again.of(6, NOW, MAX_AGE) is None
    assert again.free(3, NOW, MAX_AGE) == 6
    assert again.free(6, NOW, MAX_AGE) == 7


def test_a_sequence_is_free_when_its_report_is_too_old_to_post(opened):
    promises = opened(None)
    promises.make(1, ONE)
    assert promises.of(1, NOW + MAX_AGE, MAX_AGE) == ONE
    assert promises.of(1, NOW + MAX_AGE + 1, MAX_AGE) is None


def test_a_line_cut_off_by_a_crash_promised_nothing(opened, tmp_path):
    path = tmp_path / "promises.jsonl"
    first = opened(path)
    first.make(1, ONE)
    first.close()
    with path.open("a") as file:
        file.write('{"sequence": 2, "dig')
    again = opened(path)
    assert again.of(2, NOW, MAX_AGE) is None
    again.make(2, TWO)
    again.close()
    last = opened(path)
    assert (last.of(1, NOW, MAX_AGE), last.of(2, NOW, MAX_AGE)) == (ONE, TWO)


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"sequence": 1, "digest": "zz", "market_time": 1}', "nonsense"])
def test_a_line_that_cannot_be_read_stops_the_node(opened, tmp_path, line):
    path = tmp_path / "promises.jsonl"
    opened(path).close()
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(PromiseError, match="line 2: no promise; a node that forgets must not sign"):
        opened(path)


@pytest.mark.parametrize("other", [{"signer": ADDRESSES[1]}, {"chain_id": 1}, {"oracle": "0x" + "00" * 20}])
def test_another_node_s_record_is_refused(opened, tmp_path, other):
    path = tmp_path / "promises.jsonl"
    opened(path).close()
    with pytest.raises(PromiseError, match="the record of"):
        opened(path, **other)


def test_one_process_has_the_file(opened, tmp_path):
    path = tmp_path / "promises.jsonl"
    first = opened(path)
    with pytest.raises(PromiseError, match="another process signs by it"):
        opened(path)
    first.close()
    opened(path).close()


def test_a_file_that_cannot_be_had(opened, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PromiseError):
        opened(tmp_path / "file" / "promises.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\n")
    with pytest.raises(PromiseError):
        opened(tmp_path / "binary")


def test_what_cannot_be_written_is_not_promised(opened, tmp_path):
    promises = opened(tmp_path / "promises.jsonl")
    promises._file.close()
    for _ in range(2):
        with pytest.raises(PromiseError, match="cannot be written"):
            promises.make(1, ONE)
    assert promises.of(1, NOW, MAX_AGE) is None


def test_the_file_holds_no_key(opened, tmp_path):
    promises = opened(tmp_path / "promises.jsonl")
    promises.make(1, ONE)
    owner, line = (json.loads(text) for text in (tmp_path / "promises.jsonl").read_text().splitlines())
    assert set(owner) == {"signer", "chain_id", "oracle"}
    assert set(line) == {"sequence", "digest", "market_time"}
