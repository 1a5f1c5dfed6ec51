"""`plimsoll top`: what stands on the page, wide and narrow, and that a keeper which is down is no reason to end."""

import io
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from plimsoll import cli
from plimsoll.cli import top as command
from plimsoll.keeper.metrics import Metrics
from plimsoll.keeper.status import (
    AccountsStatus,
    AccountStatus,
    AlertStatus,
    AuctionStatus,
    EndpointStatus,
    HeadStatus,
    KeyStatus,
    LoopStatus,
    ReportStatus,
    SignerStatus,
    SourceStatus,
    Status,
    StatusBoard,
    TransactionStatus,
)
from plimsoll.keeper.web import OperationsServer
from plimsoll.report.top import amount, draw, printable, short, short_account, span

NOW = 1_700_006_400
URL = "http://127.0.0.1:9464"


def account(k):
    return f"0x{0x976EA74026E726554DB657FA54763ABD0C3A0AA9 + k:040x}{k:024x}"


STATUS = Status(
    version="0.1.0",
    chain_id=11155111,
    time=NOW,
    started=NOW - 3 * 86_400 - 4 * 3_600,
    head=HeadStatus(6_412_345, "0x" + "ab" * 32, NOW - 7, 7.0),
    endpoints=(
        EndpointStatus("https://sepolia.example.org/v3/0123456789abcdef", False, 0, 0, True, None, "HTTP 503"),
        EndpointStatus("http://10.0.0.7:8545", True, 6_412_344, 1, True, 0.004),
    ),
    loop=LoopStatus(21_600, NOW - 3, "SourceDownError: BTC: 2 sources are good", 2, True, "", 0.4, 3.0),
    report=ReportStatus(412, NOW - 4_800, 4_800.0, 3_600, 7_200, NOW, 2, "oracle: step too large", ("gate: x",), 2, 3),
    keys=(KeyStatus("poster", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", 3.2105, 902, 1, 0.05, 1.0, 0.05),),
    signers=(
        SignerStatus("http://10.0.0.2:9560", True, NOW - 300),
        SignerStatus("http://10.0.0.4:9560", False, 0, "no answer within 5 s"),
    ),
    sources=(
        SourceStatus("kraken", "BTC", "spot", 63_412.5, NOW - 2, 2.0, True, "", 0),
        SourceStatus("okx", "BTC", "spot", 634_125.0, NOW - 1, 1.0, False, "outlier: 10.0 times the median", 3),
    ),
    accounts=AccountsStatus(
        1_204,
        {"healthy": 1_100, "liquidatable": 11, "insolvent": 1},
        tuple(AccountStatus(account(k), "liquidatable", 9_000.0, 10_000.0, 13_000.0, 0.9, 0.97, 12) for k in range(12)),
    ),
    auctions=(AuctionStatus(account(0), NOW - 700, -12_034.5, 0.95, 0, 700.0),),
    transactions=(TransactionStatus(78, "start", account(3), 32, "sent", 320.0, "0x" + "cd" * 32, 62.5, 4),),
    alerts=(AlertStatus("bad-debt", "page", "bad debt of 12,034.50 is on record", NOW - 600),),
)


def drawn(status, width, error="", **options):
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, markup=False).print(draw(status, width, URL, error, **options))
    return out.getvalue()


def run(*arguments):
    """Exit code of a command, in this process."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(a) for a in arguments])
    return left.value.code


# ---------------------------------------------------------------------------------------------------------------- page


@pytest.mark.parametrize("width", [80, 140])
def test_everything_an_operator_needs_is_on_the_page(width):
    page = drawn(STATUS, width)
    for text in (
        *("PLIMSOLL 0.1.0", "DRY RUN", "chain 11155111", "block 6,412,345", "report 412", "up 3 d 4 h"),
        *("age 1 h 20 m of 1 h", "round 21,600", "2 posting rounds failed in a row: SourceDownError"),
        *("2 posts refused in a row: oracle: step too large", "gate: x", "bad-debt", "page", "10 m"),
        *("of 1,204", "insolvent 1  liquidatable 11", "0x976Ea7…0Aaa:1", "9,000.00", "10,000.00", "90.0%", "97.0%"),
        *("-12,034.50", "11 m 40 s", "95.0%", "start", "0x976Ea7…0aAc:3", "5 m 20 s", "62.50"),
        *("63,412.5", "634,125", "used", "outlier: 10.0", "signers, 1 of 2, quorum 2", "never", "no answer"),
        *("0xf39Fd6…2266", "3.2105", "64", "0.0500/1", "HTTP 503", "6,412,344", "4 ms", "good"),
    ):
        assert text in page, text
    assert max(map(len, page.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 100, 119, 120, 140, 200])
def test_no_number_is_cut(width):
    page = drawn(STATUS, width)
    for text in ("9,000.00  10,000.00", "90.0%  97.0%     12", "63,412.5", "634,125", "-12,034.50", "5 m 20 s"):
        assert text in page.replace("13,000.00   ", ""), text


def test_wide_has_two_beside_each_other_and_narrow_has_not():
    assert any("auctions" in line and "transactions" in line for line in drawn(STATUS, 140).splitlines())
    assert not any("auctions" in line and "transactions" in line for line in drawn(STATUS, 80).splitlines())


def test_what_must_be_acted_on_comes_first():
    page = drawn(STATUS, 80)
    places = [page.index(text) for text in ("alerts ─", "accounts near", "auctions ─", "sources ─", "keys ─")]
    assert places == sorted(places)


def test_the_rest_of_a_long_table_is_counted():
    page = drawn(STATUS, 140, most=5)
    assert page.count("90.0%") == 5
    assert "and 7 more" in page


def test_a_keeper_that_said_nothing_yet():
    page = drawn(Status(), 80)
    assert "report none" in page
    assert page.count("none") >= 5
    assert "asking" in drawn(None, 80)


def test_a_keeper_that_is_down_shows_its_last_word():
    page = drawn(STATUS, 80, "nobody listens there")
    assert "the keeper does not answer: nobody listens there; what follows was its last word" in page.replace("\n", " ")
    assert "block 6,412,345" in page
    assert "the keeper does not answer: nobody" in drawn(None, 80, "nobody listens there")


def test_what_a_stranger_sends_is_text():
    status = Status(loop=LoopStatus(halted="\x1b]0;owned\x07\x1b[2J [bold]x[/bold]\nnext"))
    page = drawn(status, 140)
    assert "\x1b" not in page
    assert "\x07" not in page
    assert "[bold]x[/bold] next" in page


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 s"), (0.9, "0 s"), (59, "59 s"), (60, "1 m"), (61, "1 m 1 s"), (3_600, "1 h"), (90_061, "1 d 1 h")],
)
def test_time_as_people_say_it(seconds, said):
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.004, "0.00"),
        (-12_034.5, "-12,034.50"),
        (99_999, "99,999.00"),
        (1e5, "100.00k"),
        (-2.5e6, "-2.50M"),
        (3e9, "3.00B"),
    ],
)
def test_money_at_a_glance(value, said):
    assert amount(value) == said


def test_ends_of_hashes_and_accounts():
    assert short("0x" + "ab" * 32) == "0xababab…abab"
    assert short("412") == "412"
    assert short_account(account(3)) == "0x976Ea7…0aAc:3"
    assert printable("a\tb\x00c") == "a b c"


# ------------------------------------------------------------------------------------------------------------- command


@pytest.fixture
def served():
    board = StatusBoard(chain_id=31337, report=ReportStatus(sequence=7))
    server = OperationsServer(board, Metrics().registry)
    server.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def speaks():
    """A server that says what it is told to."""
    made = []

    def make(code, body):
        class Says(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(code)
                self.send_header("Location", "http://127.0.0.1:1/status")
                self.end_headers()
                try:
                    for part in body:
                        self.wfile.write(part)
                except OSError:  # nobody reads on
                    pass

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        made.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


def test_one_look(served, capsys):
    assert run("top", "--url", served.url, "--once") == 0
    page = capsys.readouterr().out
    assert "chain 31337" in page
    assert "report 7" in page


def test_one_look_as_json(served, capsys):
    assert run("top", "--url", served.url + "/", "--once", "--json") == 0
    assert Status.from_plain(json.loads(capsys.readouterr().out)).report.sequence == 7


def test_nobody_listens(capsys):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    assert run("top", "--url", url, "--once") == 1
    assert "nobody listens there" in capsys.readouterr().out
    assert run("top", "--url", url, "--once", "--json") == 1
    assert json.loads(capsys.readouterr().out) == {"error": "nobody listens there"}


@pytest.mark.parametrize(
    ("code", "body", "said"),
    [
        (200, [b"<html>"], "what it says is no JSON"),
        (200, [b"[" * 100_000], "what it says is no JSON"),
        (200, [b"\xff\xfe"], "what it says is no JSON"),
        (200, [b'{"jsonrpc": "2.0"}'], "no status of a keeper: it names no version"),
        (200, [b" " * 2**20] * 20, "its status has no end"),
        (500, [b"{}"], "HTTP 500"),
        (302, [b"{}"], "HTTP 302"),
    ],
)
def test_somebody_else_listens(speaks, code, body, said):
    assert command.read_status(speaks(code, body)) == (None, said)


def test_it_goes_on_while_the_keeper_is_down_and_shows_it_when_it_is_back(served, monkeypatch, capsys):
    real, calls = command.read_status, []

    def read(url):
        calls.append(url)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return (None, "nobody listens there") if len(calls) == 2 else real(url)

    monkeypatch.setattr(command, "read_status", read)
    assert run("top", "--url", served.url, "--every", "0.1") == 0
    page = capsys.readouterr().out
    assert len(calls) == 4
    assert "chain 31337" in page


def test_each_look_is_one_line_of_json(served, monkeypatch, capsys):
    looks = iter([None, None, KeyboardInterrupt()])

    def sleep(_):
        if (left := next(looks)) is not None:
            raise left

    monkeypatch.setattr(command.time, "sleep", sleep)
    assert run("top", "--url", served.url, "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["chain_id"] for line in lines] == [31337] * 3


@pytest.mark.parametrize("arguments", [("--url", "127.0.0.1:9464"), ("--every", "0"), ("--every", "x")])
def test_bad_input(arguments, capsys):
    assert run("top", *arguments) == 2
    assert "Traceback" not in capsys.readouterr().err
