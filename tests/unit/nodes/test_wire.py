"""The wire: what is sent comes back the same, and every way to be malformed has a name."""

import json

import pytest

from plimsoll.nodes.errors import WireError
from plimsoll.nodes.wire import MAX_CODE, MOST, Answer, Disagreement, Proposal


def altered(proposal, path, value):
    data = json.loads(proposal.body)
    place = data
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(data).encode()


def test_a_proposal_comes_back(proposal):
    assert Proposal.parse(proposal.body) == proposal


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (["version"], 2, "version 2; 1 is right"),
        (["version"], True, "version True"),
        (["version"], None, "'version' is missing"),
        (["codes"], None, "'codes' is missing"),
        (["chain_id"], 1, "'chain_id' is not known"),
        (["proposer"], "", "proposer: printable text"),
        (["proposer"], "a\nb", "proposer: printable text"),
        (["proposer"], "x" * 65, "proposer: printable text"),
        (["proposer"], 7, "proposer: printable text"),
        (["report"], [], "report: a JSON object"),
        (["report", "oracle"], "0x", "'oracle' is not known"),
        (["report", "urgent"], None, "'urgent' is missing"),
        (["report", "urgent"], 1, "urgent: true or false"),
        (["report", "sequence"], -1, "sequence: a number of 64 bits"),
        (["report", "sequence"], 2**64, "sequence: a number of 64 bits"),
        (["report", "sequence"], True, "sequence: a number of 64 bits"),
        (["report", "sequence"], 1.0, "sequence: a number of 64 bits"),
        (["report", "market_time"], "1", "market_time: a number of 64 bits"),
        (["report", "model"], "0x12", "model: 32 bytes each"),
        (["report", "model"], "12" * 32, "model: 0x and hexadecimal digits"),
        (["report", "surfaces"], "0x", "surfaces: a list of at most 64"),
        (["report", "surfaces"], ["0x" + "11" * 32] * 65, "surfaces: a list of at most 64"),
        (["report", "surfaces"], ["0x" + "11" * 31], "surfaces: 32 bytes each"),
        (["report", "scalars"], [1], "scalars: 0x and hexadecimal digits"),
        (["report", "classes"], ["0x" + "11" * 32] * 17, "classes: a list of at most 16"),
        (["codes"], ["0xzz"], "codes: 0x and hexadecimal digits"),
        (["codes"], ["0x11 1"], "codes: 0x and hexadecimal digits"),
        (["codes"], ["0x" + "00" * (MAX_CODE + 1)], f"codes: at most {MAX_CODE} bytes"),
        (["codes"], ["0x"] * 65, "codes: a list of at most 64"),
    ],
)
def test_a_wrong_field_is_named(proposal, path, value, why):
    with pytest.raises(WireError, match=why):
        Proposal.parse(altered(proposal, path, value))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"1" * 5_000])
def test_no_proposal_at_all(body):
    with pytest.raises(WireError):
        Proposal.parse(body)
    with pytest.raises(WireError):
        Answer.parse(body)


def test_answers_come_back():
    lane = Disagreement("lane", -5, 0, 2, 257, 0, 3, 12)
    for answer in (
        Answer(bytes(range(65))),
        Answer(error="busy"),
        Answer.refusal([lane, Disagreement("rows", "a", "b")]),
    ):
        assert Answer.parse(answer.body) == answer


def test_a_long_list_is_cut_and_counted():
    answer = Answer.refusal([Disagreement("lane", k, 0) for k in range(MOST + 9)])
    assert (len(answer.disagreements), answer.count) == (MOST, MOST + 9)
    assert Answer.parse(answer.body) == answer
    assert answer.reason.endswith(f"(and {MOST + 8} more)")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"signature": "0x12"},
        {"signature": None},
        {"signature": "0x" + "11" * 64},
        {"error": 5},
        {"disagreements": []},
        {"disagreements": ["x"]},
        {"disagreements": [{"what": "lane"}], "count": 1},
        {"disagreements": [{"what": "lane", "own": 1.5, "proposed": 2}], "count": 1},
        {"disagreements": [{"what": "lane", "own": 1, "proposed": 2, "row": "0"}], "count": 1},
        {"disagreements": [{"what": "lane", "own": 1, "proposed": 2, "colour": 3}], "count": 1},
        {"disagreements": [{"what": "lane", "own": 1, "proposed": 2}], "count": 0},
        {"disagreements": [{"what": "lane", "own": 1, "proposed": 2}] * (MOST + 1), "count": MOST + 1},
    ],
)
def test_no_answer(data):
    with pytest.raises(WireError):
        Answer.parse(json.dumps(data).encode())


def test_what_a_stranger_says_is_one_short_line():
    said = Answer.parse(json.dumps({"error": "a\nb\x1b[31m" + "x" * 1_000}).encode()).reason
    assert "\n" not in said
    assert "\x1b" not in said
    assert len(said) == 300
