"""The proposer among dead, slow, lying and babbling peers: it counts what it has checked, and says who failed."""

import contextlib
import socket
import threading
import time

import pytest

from plimsoll.nodes.errors import QuorumError
from plimsoll.nodes.proposer import WAITING, Peers, Quorum, ask
from plimsoll.nodes.service import Service
from plimsoll.nodes.wire import MAX_ANSWER, Answer, Disagreement
from plimsoll.risk.signing import address_of, recover, sign
from plimsoll.simulate.market import key_of
from plimsoll.spec.report import digest

from .conftest import ADDRESSES, CHAIN_ID, KEYS, ORACLE

STRANGER = key_of("stranger")


class Peer:
    """A signer that answers as it is told."""

    def __init__(self, answer):
        self.address = "0x"
        self._answer = answer
        self.asked = []

    def answer(self, proposed):
        self.asked.append(proposed)
        return self._answer(proposed) if callable(self._answer) else self._answer

    def record(self, *_, **__):
        pytest.fail("a peer of a test broke")


def honest(key):
    return Peer(lambda proposed: Answer(sign(digest(proposed.report, CHAIN_ID, ORACLE), key)))


def slow(seconds, key=KEYS[0]):
    def answer(proposed):
        time.sleep(seconds)
        return Answer(sign(digest(proposed.report, CHAIN_ID, ORACLE), key))

    return Peer(answer)


@pytest.fixture
def network():
    """URLs of peers: signers, or raw bytes to answer with."""
    closing = []

    def start(peer):
        if isinstance(peer, bytes | list):
            server = socket.create_server(("127.0.0.1", 0))
            parts = [peer] if isinstance(peer, bytes) else peer
            threading.Thread(target=babble, args=(server, parts), daemon=True).start()
            closing.append(server.close)
            return f"http://127.0.0.1:{server.getsockname()[1]}"
        service = Service(peer)
        service.start()
        closing.extend((service.server_close, service.shutdown))
        return service.url

    yield lambda *peers: [start(peer) for peer in peers]
    for close in reversed(closing):
        close()


def babble(server, parts):
    """Answer whoever sends a proposal with these bytes, a twentieth of a second between parts."""

    def reply(peer):
        with peer, contextlib.suppress(OSError):
            got = b""
            while b"Content-Length: %d\r\n" % len(got.partition(b"\r\n\r\n")[2]) not in got:
                part = peer.recv(2**16)
                if not part:
                    return
                got += part
            for part in parts:
                peer.sendall(part)
                time.sleep(0.05 * (len(parts) > 1))

    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=reply, args=(server.accept()[0],), daemon=True).start()


@pytest.fixture
def signed(built):
    return digest(built.report, CHAIN_ID, ORACLE)


def peers(urls, needed=2, journal=None, **options):
    def record(kind, time, **fields):
        if journal is not None:
            journal.append({"kind": kind, **fields})

    return Peers(urls, lambda _: Quorum(needed, ADDRESSES.__contains__), record=record, **{"timeout": 2.0, **options})


def dead():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_signatures_come_by_rising_address(network, built, signed):
    found = peers(network(*map(honest, KEYS)), needed=3).sign(built, signed)
    signers = [recover(signed, signature) for signature in found]
    assert signers == sorted(ADDRESSES, key=lambda a: int(a, 16))


def test_own_keys_count_and_nobody_is_asked_where_they_do(network, built, signed):
    peer = honest(KEYS[2])
    urls = network(peer)
    assert len(peers(urls, keys=KEYS[:2]).sign(built, signed)) == 2
    assert peer.asked == []
    assert len(peers(urls, keys=KEYS[:1]).sign(built, signed)) == 2
    assert len(peer.asked) == 1


def test_it_returns_as_soon_as_there_are_enough(network, built, signed):
    urls = [*network(slow(1.5), honest(KEYS[1]), honest(KEYS[2])), dead()]
    begin = time.monotonic()
    found = peers(urls).sign(built, signed)
    assert time.monotonic() - begin < 1.0
    assert {recover(signed, signature) for signature in found} == set(ADDRESSES[1:])


REPLY = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "unreachable"),
        (b"nonsense\r\n\r\n", "unreachable"),
        (REPLY, "answers nonsense: no JSON"),
        (REPLY + b"<html>", "answers nonsense: no JSON"),
        (REPLY + b'{"signature": "0x12"}', "answers nonsense: signature of 1 bytes"),
        (REPLY + b"[" * 10_000, "answers nonsense: more than"),
        (REPLY + b" " * (MAX_ANSWER + 1), f"answers nonsense: answer longer than {MAX_ANSWER}"),
        (Answer(bytes(65)), "a signature that is none"),
        (Answer(b"\xff" * 64 + b"\x1b"), "a signature that is none"),
        (honest(STRANGER), f"signs as {address_of(STRANGER)}, which is no signer"),
        (Peer(Answer(sign(b"\x07" * 32, KEYS[0]))), "which is no signer of the oracle, or signs something else"),
        (honest(KEYS[1]), f"signs as {ADDRESSES[1]}, which has signed already"),
        (Answer(error="busy"), "busy"),
        (
            Answer.refusal([Disagreement("lane", -9, 0, 2, 257, 0, 1, 4)]),
            "lane of underlying 257, expiry 0, row 1, lane 4",
        ),
    ],
)
def test_a_bad_peer_costs_its_own_signature_only(network, built, signed, bad, why):
    bad_url, *good = network(Peer(bad) if isinstance(bad, Answer) else bad, honest(KEYS[1]), honest(KEYS[2]))
    assert len(peers([bad_url, *good]).sign(built, signed)) == 2
    journal = []
    with pytest.raises(QuorumError) as error:  # with its only friend it is one of two, whoever answers first
        peers([good[0], bad_url], journal=journal).sign(built, signed)
    assert (error.value.needed, error.value.found) == (2, 1)
    (refusal,) = error.value.refusals.values()
    assert why in refusal or "has signed already" in why
    assert len(journal) == 1


def test_a_peer_that_answers_too_late(network, built, signed):
    urls = network(slow(1.0), honest(KEYS[1]))
    with pytest.raises(QuorumError, match=r"1 of 2 signatures: .*: no answer within 0.3 s"):
        peers(urls, timeout=0.3).sign(built, signed)


def test_a_peer_that_never_ends_its_answer(network, built, signed):
    """It is waited for no longer than the others, and not asked for ever while it drips."""
    url, good = network([b"HTTP/1.0 200 OK\r\n", *[b"X"] * 200], honest(KEYS[1]))
    asking = peers([url, good], timeout=0.5)
    begin = time.monotonic()
    whys = []
    for _ in range(WAITING + 1):
        with pytest.raises(QuorumError) as error:
            asking.sign(built, signed)
        whys.append(error.value.refusals[url])
    assert time.monotonic() - begin < 8  # the answer drips for ten seconds
    assert whys == ["no answer within 0.5 s"] * WAITING + ["still busy with earlier proposals"]


def test_dead_peers_are_named(built, signed):
    urls = [dead(), "http://no.such.host.invalid:1"]
    with pytest.raises(QuorumError) as error:
        peers(urls).sign(built, signed)
    assert set(error.value.refusals) == set(urls)
    assert all("unreachable" in why or "no answer" in why for why in error.value.refusals.values())


def test_a_disagreement_is_in_the_journal_with_lane_and_numbers(network, built, signed):
    journal = []
    refusal = Answer.refusal([Disagreement("lane", -9, 0, 2, 257, 0, 1, 4)] * 20)
    urls = network(Peer(refusal), honest(KEYS[1]))
    with pytest.raises(QuorumError):
        peers(urls, journal=journal).sign(built, signed)
    (line,) = journal
    assert (line["kind"], line["peer"], line["sequence"], line["count"]) == ("node-disagrees", urls[0], 1, 20)
    assert (
        line["disagreements"][0] == "lane of underlying 257, expiry 0, row 1, lane 4: own -9, proposed 0, tolerance 2"
    )


def test_a_sequence_that_failed_is_not_proposed_again(network, built, signed):
    asking = peers(network(honest(KEYS[0])))
    assert asking.next_sequence(0) == 1
    with pytest.raises(QuorumError):
        asking.sign(built, signed)
    assert asking.next_sequence(0) == 2
    assert asking.next_sequence(7) == 8


def test_a_peer_cannot_drive_the_sequence_away(network, built, signed):
    refusal = Answer.refusal([Disagreement("sequence already signed", 10**18, 1)])
    asking = peers(network(Peer(refusal)))
    with pytest.raises(QuorumError):
        asking.sign(built, signed)
    assert asking.next_sequence(0) <= 3


def test_no_key_in_what_is_printed():
    assert KEYS[0] not in repr(peers([], keys=KEYS))


def test_a_url_that_is_none(proposal):
    assert "unreachable" in ask("http://", proposal).error
