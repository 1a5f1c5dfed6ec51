"""The service: the wire over HTTP, and what strangers send: too long, too slow, too many, and no HTTP at all."""

import contextlib
import http.client
import json
import socket
import time

import pytest

from plimsoll.nodes.bounded import AT_ONCE
from plimsoll.nodes.proposer import ask
from plimsoll.nodes.service import Service
from plimsoll.nodes.wire import MAX_PROPOSAL, Answer
from plimsoll.risk.signing import recover
from plimsoll.spec.report import digest

from .conftest import ADDRESSES, CHAIN_ID, ORACLE, again


@pytest.fixture
def serve():
    """Starts services, and stops them."""
    running = []

    def start(signer, seconds=5.0):
        service = Service(signer, seconds=seconds)
        service.start()
        running.append(service)
        return service

    yield start
    for service in running:
        service.shutdown()
        service.server_close()


def call(service, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(*service.server_address, timeout=5)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, text, response.headers


def raw(service, data, pause=0.0, *, close=False):
    """What comes back for raw bytes."""
    with socket.create_connection(service.server_address, timeout=5) as peer:
        with contextlib.suppress(BrokenPipeError):
            for part in data:
                peer.sendall(part)
                time.sleep(pause)
        if close:
            peer.shutdown(socket.SHUT_WR)
        got = b""
        while part := peer.recv(2**16):
            got += part
        return got


def test_a_signature_over_http(serve, cosigner, proposal):
    service = serve(cosigner())
    answer = ask(service.url, proposal)
    assert recover(digest(proposal.report, CHAIN_ID, ORACLE), answer.signature) == ADDRESSES[0]
    status, text, _ = call(service, "POST", "/sign", proposal.body)
    assert (status, Answer.parse(text)) == (200, answer)


def test_disagreements_over_http(serve, cosigner, engine):
    service = serve(cosigner())
    proposal = again(engine, index=101.0)
    status, text, _ = call(service, "POST", "/sign", proposal.body)
    (said,) = Answer.parse(text).disagreements
    assert status == 409
    assert (said.what, said.own, said.proposed) == ("reference", 100 * 10**18, 101 * 10**18)


def test_it_says_that_it_lives_and_what_it_did(serve, cosigner, proposal, engine):
    service = serve(cosigner())
    ask(service.url, proposal)
    ask(service.url, again(engine, index=101.0))
    status, text, _ = call(service, "GET", "/healthz")
    assert (status, json.loads(text)) == (200, {"ok": True, "signer": ADDRESSES[0]})
    status, text, _ = call(service, "GET", "/metrics")
    assert status == 200
    assert b'plimsoll_node_requests_total{outcome="signed"} 1.0' in text
    assert b'plimsoll_node_requests_total{outcome="refused"} 1.0' in text


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "why"),
    [
        ("POST", "/sign", b"{", {}, 400, "no JSON"),
        ("POST", "/sign", b"", {"Content-Length": "-1"}, 400, "Content-Length"),
        ("POST", "/sign", b"", {"Content-Length": "x"}, 400, "Content-Length"),
        ("POST", "/sign", b"", {"Content-Length": "9" * 13}, 400, "Content-Length"),
        ("POST", "/sign", b"", {"Content-Length": str(MAX_PROPOSAL + 1)}, 413, f"at most {MAX_PROPOSAL}"),
        ("POST", "/", b"{}", {}, 404, "/sign"),
        ("GET", "/sign", b"", {}, 404, "/healthz"),
        ("GET", "/../../etc/passwd", b"", {}, 404, "/healthz"),
        ("PUT", "/sign", b"{}", {}, 501, "method"),
    ],
)
def test_what_is_no_request(serve, cosigner, method, path, body, headers, status, why):
    service = serve(cosigner())
    got, text, sent = call(service, method, path, body, headers)
    assert got == status
    assert why in json.loads(text)["error"]
    assert "Python" not in str(sent)
    assert service.signer.observer.looked == 0


def test_a_slow_request_is_turned_away(serve, cosigner, proposal):
    service = serve(cosigner(), seconds=0.2)
    head = b"POST /sign HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(proposal.body)
    for data in ([head], [head + proposal.body[:100]], [head, b" ", b" "]):
        assert b"too slow" in raw(service, data, pause=0.05)
    assert raw(service, [b"POST /sign HT"]) == b""
    assert service.signer.observer.looked == 0
    assert ask(service.url, proposal).signature is not None


def test_a_request_cut_short(serve, cosigner):
    service = serve(cosigner())
    assert b"1 bytes of 100" in raw(service, [b"POST /sign HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"], close=True)


def test_a_header_that_never_ends_is_cut_off(serve, cosigner):
    service = serve(cosigner(), seconds=0.1)
    begin = time.monotonic()
    with contextlib.suppress(OSError):
        raw(service, [b"POST /sign HTTP/1.1\r\n", *[b"X"] * 100], pause=0.05)
    assert time.monotonic() - begin < 2.0
    assert service.signer.observer.looked == 0


def test_garbage_is_no_http(serve, cosigner, proposal):
    service = serve(cosigner())
    for data in (b"\x00\xff" * 100 + b"\r\n\r\n", b"GET\r\n\r\n", b"A" * 70_000):
        assert b"Traceback" not in raw(service, [data])
    assert ask(service.url, proposal).signature is not None


def test_so_many_at_once_and_no_more(serve, cosigner, proposal):
    service = serve(cosigner(), seconds=2.0)
    held = [socket.create_connection(service.server_address) for _ in range(AT_ONCE)]
    for peer in held:
        peer.sendall(b"POST")
    deadline = time.monotonic() + 2
    while service._room._value and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "unreachable" in ask(service.url, proposal).error
    for peer in held:
        peer.close()
    while not service._room._value and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ask(service.url, proposal).signature is not None


def test_what_breaks_inside_stays_inside(serve, cosigner, proposal, journal, monkeypatch):
    node = cosigner(error=ZeroDivisionError("at line 7 of secret.py"))
    status, text, _ = call(serve(node), "POST", "/sign", proposal.body)
    assert (status, json.loads(text)) == (500, {"error": "internal error"})
    assert journal[0]["error"] == "ZeroDivisionError: at line 7 of secret.py"
