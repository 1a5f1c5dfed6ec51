"""Alerts: each fires on its own sign and not on a quiet day; they are said once, again, and over; they get through."""

import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from plimsoll.keeper.alerts import (
    PAGE,
    RULES,
    TICKET,
    Alarm,
    AlertSettings,
    Firing,
    Limits,
    Notice,
    Rule,
    Watchman,
    Webhook,
    body_of,
    firing,
    unfit,
    watchman_of,
    webhook_url,
)
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.status import (
    AccountsStatus,
    AccountStatus,
    AuctionStatus,
    EndpointStatus,
    HeadStatus,
    KeyStatus,
    LoopStatus,
    RelayStatus,
    ReportStatus,
    SignerStatus,
    SourceStatus,
    Status,
    StatusBoard,
    StorageStatus,
    TransactionStatus,
)

from .statuses import GIB, NOW, account, bad, quiet

KEY = "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63"


def names(status, **limits):
    return [item.rule.name for item in firing(status, Limits(**limits))]


def report(**parts):
    return {"report": replace(quiet().report, **parts)}


def loop(**parts):
    return {"loop": replace(quiet().loop, **parts)}


def down(*alive):
    return {"endpoints": tuple(EndpointStatus(f"http://10.0.0.{k}:1", ok, 9) for k, ok in enumerate(alive))}


def used(*good):
    return {"sources": tuple(SourceStatus(f"v{k}", "BTC", used=ok, dropped="x") for k, ok in enumerate(good))}


def near(state, waiting):
    return {"accounts": AccountsStatus(near=(AccountStatus(account(1), state, waiting=waiting),))}


def key(balance, per_day=0.0, spent=0.0, cap=None):
    return {"keys": (KeyStatus("poster", "0xab", balance, spent_today=spent, cap=cap, per_day=per_day),)}


def sent(state, age):
    return {"transactions": (TransactionStatus(1, "post", "4", 7, state, age),)}


def answers(*good):
    return {"signers": tuple(SignerStatus(f"s{k}", ok, error="no answer") for k, ok in enumerate(good))}


# each alert: what brings it about, and what only just does not
CASES = {
    "keeper-halted": [(loop(halted="5 rounds failed"), {}), ({"enforcing": LoopStatus(halted="x")}, {})],
    "loop-hung": [
        (loop(age=120.1), loop(age=120.0)),
        ({"enforcing": LoopStatus(age=121)}, {"enforcing": None}),
        # the chain stands, and somebody looks: no block, no round
        ({**loop(age=500.0), "head": HeadStatus(9, age=90.0)}, {**loop(age=500.0), "head": HeadStatus(9, age=91.0)}),
        # nobody looks any more: what he saw last does not excuse him
        (
            {**loop(age=500.0), "head": HeadStatus(9, age=500.0), "silent": 121.0},
            {**loop(age=500.0), "head": HeadStatus(9, age=500.0), "silent": 120.0},
        ),
    ],
    "rounds-failing": [(loop(failures_in_a_row=2), loop(failures_in_a_row=1))],
    "head-stale": [({"head": HeadStatus(9, age=91)}, {"head": HeadStatus(9, age=90)})],
    "endpoints-down": [(down(False, False), down(False, True))],
    "endpoint-down": [(down(False, True), down(True, True))],
    "endpoints-disagree": [
        ({"endpoints": (EndpointStatus(lag=6),)}, {"endpoints": (EndpointStatus(lag=5),)}),
        ({"endpoints": (EndpointStatus(agrees=False),)}, {"endpoints": (EndpointStatus(healthy=True),)}),
    ],
    "report-stale": [(report(age=5_761.0), report(age=5_760.0))],
    "report-late": [(report(age=4_501.0), report(age=4_500.0))],
    "posts-refused": [(report(refused=3), report(refused=2))],
    "quorum-missing": [(answers(True, False, False), answers(True, True))],
    "signer-silent": [(answers(True, True, False), answers(True, True, True))],
    "sources-under-minimum": [(used(True, True, False), used(True, True, True))],
    "source-dropped": [
        ({"sources": (*used(True, True, True)["sources"], SourceStatus("p", "BTC", "perp", used=False))}, {}),
        (used(True, True, True, False), used(True, True, True)),
    ],
    "balance-empty": [(key(0.0), key(1.0)), (key(1.0, 1.01), key(1.0, 1.0))],
    "balance-low": [(key(6.9, 1.0), key(7.0, 1.0))],
    "spending-cap": [(key(99.0, spent=1.0, cap=1.0), key(99.0, spent=0.99, cap=1.0))],
    "transaction-stuck": [(sent("sent", 301.0), sent("sent", 300.0)), (sent("intent", 301.0), sent("mined", 9e9))],
    "deep-reorganisation": [({"head": HeadStatus(9, reorganised=4)}, {"head": HeadStatus(9, reorganised=3)})],
    "liquidation-waiting": [
        (near("liquidatable", 11), near("liquidatable", 10)),
        (near("insolvent", 11), near("called", 99)),
    ],
    "auction-without-bids": [
        ({"auctions": (AuctionStatus(account(1), age=601),)}, {"auctions": (AuctionStatus(account(1), age=600),)}),
        ({"auctions": (AuctionStatus(account(1), age=601),)}, {"auctions": (AuctionStatus("", bids=1, age=9e9),)}),
    ],
    "bad-debt": [({"accounts": AccountsStatus(bad_debt=0.01)}, {"accounts": AccountsStatus(bad_debt=0.0)})],
    "index-mismatch": [({"accounts": AccountsStatus(mismatch="ledger of 0x1")}, {})],
    "index-behind": [({"accounts": AccountsStatus(behind=21)}, {"accounts": AccountsStatus(behind=20)})],
    "storage-failing": [
        ({"storage": StorageStatus(journal="disk full")}, {}),
        ({"storage": StorageStatus(free=0.9 * GIB)}, {"storage": StorageStatus(free=GIB)}),
    ],
    "clock-skew": [({"skew": 10.1}, {"skew": 10.0}), ({"skew": -10.1}, {"skew": None})],
    "relay-silent": [
        ({"relays": (RelayStatus("r", False),)}, {"relays": (RelayStatus("r", True),)}),
        ({"relays": (RelayStatus("r", True, NOW - 3_601),)}, {"relays": (RelayStatus("r", True, NOW - 3_600),)}),
    ],
}


def test_each_alert_has_its_case():
    assert list(CASES) == [rule.name for rule in RULES]
    assert {rule.severity for rule in RULES} == {PAGE, TICKET}


@pytest.mark.parametrize(("name", "wrong", "right"), [(n, *pair) for n, pairs in CASES.items() for pair in pairs])
def test_an_alert_fires_on_its_sign_and_not_before(name, wrong, right):
    assert name in names(quiet(**wrong))
    assert name not in names(quiet(**right))


def test_a_quiet_day_is_quiet():
    assert firing(quiet()) == ()
    assert unfit(quiet()) == {}


def test_a_keeper_that_said_nothing_yet_is_not_accused_of_it():
    assert firing(Status()) == ()


def test_what_a_page_says_leaves_no_ticket_beside_it():
    assert names(quiet(**down(False, False))) == ["endpoints-down"]
    assert names(quiet(**answers(True, False, False))) == ["quorum-missing"]
    assert names(quiet(**used(True, True, False))) == ["sources-under-minimum"]
    assert names(quiet(**key(0.5, 1.0))) == ["balance-empty"]


def test_what_makes_a_keeper_unfit():
    assert set(unfit(bad())) == set()
    assert set(unfit(quiet(**loop(age=999.0), **key(0.0)))) == {"loop-hung", "balance-empty"}
    assert {rule.name for rule in RULES if rule.unfit} == {
        "keeper-halted",
        "loop-hung",
        "head-stale",
        "endpoints-down",
        "report-stale",
        "balance-empty",
        "storage-failing",
    }


def test_a_mark_makes_no_price():
    sources = (*used(True, True)["sources"], SourceStatus("p", "BTC", "perp", used=True))
    assert names(quiet(sources=sources)) == ["sources-under-minimum"]


def test_many_of_a_kind_are_one_short_text():
    many = AccountsStatus(near=tuple(AccountStatus(account(k), "insolvent", waiting=50) for k in range(12)))
    (found,) = firing(quiet(accounts=many))
    assert found.text.endswith("; and 7 more")
    assert found.text.count("nobody acted") == 5


# --------------------------------------------------------------------------------------------------------------- alarm


def fires(name="bad-debt", text="x", lasting=0.0):
    return Firing(Rule(name, PAGE, "", lambda _s, _l: "", lasting), text)


def said(notices):
    return [(notice.name, notice.state) for notice in notices]


def test_once_then_again_then_over():
    alarm = Alarm(repeat=100, calm=30)
    assert said(alarm.step([fires()], 0)) == [("bad-debt", "firing")]
    assert alarm.step([fires()], 99) == []
    assert said(alarm.step([fires()], 100)) == [("bad-debt", "still firing")]
    assert alarm.step([], 129) == []
    (over,) = alarm.step([], 130)
    assert (over.state, over.since, over.time, over.severity) == ("resolved", 0, 130, PAGE)
    assert alarm.step([], 9_999) == []
    assert alarm.open() == ()


def test_what_flickers_is_one_alert():
    alarm = Alarm(repeat=1_000, calm=30)
    told = [notice for k in range(100) for notice in alarm.step([fires()] if k % 2 else [], 10 * k)]
    assert said(told) == [("bad-debt", "firing")]


def test_what_must_last_is_not_said_before_and_not_where_it_goes_in_between():
    alarm = Alarm(repeat=1_000, calm=30)
    assert alarm.step([fires(lasting=60)], 0) == []
    assert alarm.open() == ()
    assert alarm.step([], 50) == []
    assert alarm.step([fires(lasting=60)], 70) == []
    assert said(alarm.step([fires(lasting=60)], 130)) == [("bad-debt", "firing")]


def test_the_latest_text_is_told_and_pages_come_first():
    alarm = Alarm()
    late = Firing(Rule("clock-skew", TICKET, "", lambda _s, _l: ""), "t")
    alarm.step([late, fires(text="one")], 5)
    alarm.step([late, fires(text="two")], 6)
    assert [(item.name, item.text, item.since) for item in alarm.open()] == [
        ("bad-debt", "two", 5),
        ("clock-skew", "t", 5),
    ]


# ------------------------------------------------------------------------------------------------------------ delivery


class Operator(ThreadingHTTPServer):
    """A chat service: `codes` are its answers in order, the last for good; `hold` keeps it from answering."""

    daemon_threads = True

    def __init__(self, *codes):
        self.codes = list(codes) or [200]
        self.heard = []
        self.hold = threading.Event()
        self.hold.set()
        super().__init__(("127.0.0.1", 0), _Hears)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook/{KEY}"

    def wait(self, count, seconds=5):
        until = time.monotonic() + seconds
        while len(self.heard) < count and time.monotonic() < until:
            time.sleep(0.01)
        return [body["name"] for body in self.heard]


class _Hears(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.hold.wait(5)
        self.server.heard.append(body)
        self.send_response(self.server.codes.pop(0) if len(self.server.codes) > 1 else self.server.codes[0])
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def operator():
    made = []

    def make(*codes):
        made.append(Operator(*codes))
        return made[-1]

    yield make
    for item in made:
        item.hold.set()
        item.shutdown()
        item.server_close()


def notice(name="bad-debt", severity=PAGE, state="firing", text="bad debt of 3.00 is on record"):
    return Notice(name, severity, state, text, NOW, NOW)


def hooked(*servers, **config):
    urls = dict(zip((PAGE, TICKET), (server.url for server in servers), strict=False))
    return Webhook(urls, "keeper of 31337", pauses=(0.01,), **config)


def test_a_message_says_what_where_and_what_to_do(operator):
    service = operator()
    hook = hooked(service, runbook="https://example.org/KEEPER.md")
    hook.put(notice())
    service.wait(1)
    hook.close()
    (body,) = service.heard
    assert body["text"] == (
        "[PAGE] keeper of 31337: bad-debt firing: bad debt of 3.00 is on record (https://example.org/KEEPER.md#bad-debt)"
    )
    assert (body["severity"], body["state"], body["content"]) == ("page", "firing", body["text"])
    assert hook.delivered == 1


def test_a_service_that_fails_is_asked_again(operator):
    service = operator(500, 429, 503, 204)
    hook = hooked(service)
    hook.put(notice())
    assert service.wait(4) == ["bad-debt"] * 4
    hook.close()
    assert (hook.delivered, hook.lost) == (1, 0)


@pytest.mark.parametrize("code", [400, 403, 404, 302])
def test_one_that_refuses_is_not_and_a_redirect_is_not_followed(operator, code):
    service = operator(code)
    hook = hooked(service)
    hook.put(notice())
    service.wait(1)
    hook.close()
    assert (len(service.heard), hook.delivered, hook.lost) == (1, 0, 1)


def test_a_message_is_let_go_at_its_deadline():
    hook = Webhook({PAGE: "http://127.0.0.1:1/"}, "k", deadline=0.2, pauses=(0.05,))
    hook.put(notice())
    begun = time.monotonic()
    while not hook.lost and time.monotonic() - begun < 5:
        time.sleep(0.01)
    assert (hook.lost, hook.delivered) == (1, 0)
    hook.close(1)


def test_nobody_waits_for_a_service_that_hangs(operator):
    service = operator()
    service.hold.clear()
    hook = hooked(service)
    begun = time.monotonic()
    for _ in range(600):
        hook.put(notice())
    assert time.monotonic() - begun < 1
    assert hook.lost >= 600 - 256 - 1
    hook.close(0.1)
    assert time.monotonic() - begun < 3


def test_a_page_does_not_wait_behind_tickets(operator):
    pages, tickets = operator(), operator()
    tickets.hold.clear()
    hook = hooked(pages, tickets)
    hook.put(notice("clock-skew", TICKET))
    hook.put(notice())
    assert pages.wait(1) == ["bad-debt"]
    hook.close(0.1)


def test_what_is_said_holds_no_secret():
    body = body_of(notice(text=f"url: /v2/{KEY} and {KEY}"), "k")
    assert KEY not in json.dumps(body)


# ------------------------------------------------------------------------------------------------------------ watchman


def test_a_loop_that_hangs_is_told_of_without_it(operator):
    service = operator()
    now = [0.0]
    board = StatusBoard(monotonic=lambda: now[0])
    settings = AlertSettings(page="HOOK", every=0.02)
    watchman, hook = watchman_of(settings, board, "k", {"HOOK": service.url})
    watchman.start()
    now[0] = 500.0
    assert service.wait(1) == ["loop-hung"]
    assert [item.name for item in board.current().alerts] == ["loop-hung"]
    watchman.stop()
    hook.close()


def test_a_halt_is_told_though_the_keeper_ends_at_once(operator):
    service = operator()
    board = StatusBoard()
    watchman, hook = watchman_of(AlertSettings(page="HOOK", every=60), board, "k", {"HOOK": service.url})
    watchman.start()
    board.update(loop=LoopStatus(halted="5 rounds failed in a row"))
    watchman.stop()
    hook.close()
    assert [body["name"] for body in service.heard] == ["keeper-halted"]


def test_without_settings_alerts_are_shown_and_not_sent():
    board = StatusBoard(loop=LoopStatus(halted="x"))
    watchman, hook = watchman_of(None, board, "k")
    assert hook is None
    assert said(watchman.look()) == [("keeper-halted", "firing")]
    assert [item.name for item in board.current().alerts] == ["keeper-halted"]


def test_a_watchman_survives_what_he_did_not_expect():
    calls = []

    def put(_):
        calls.append(1)
        raise RuntimeError("a bug")

    board = StatusBoard(loop=LoopStatus(halted="x"))
    watchman = Watchman(board, AlertSettings(page="HOOK", every=0.01, repeat=60), put, wall=lambda: 1e3 * len(calls))
    watchman.start()
    until = time.monotonic() + 5
    while len(calls) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    watchman._stop.set()
    watchman._thread.join(5)
    assert len(calls) >= 3


# ------------------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("environment", "message"),
    [({}, "HOOK is not set"), ({"HOOK": " "}, "HOOK is not set"), ({"HOOK": "sesame-99"}, "HOOK holds no URL")],
)
def test_a_webhook_that_is_none_is_named_and_not_quoted(environment, message):
    with pytest.raises(SettingsError, match=message) as caught:
        webhook_url("HOOK", environment)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"page": "not a name"},
        {"page": "HOOK", "pgae": 1},
        {"page": "HOOK", "repeat": 1},
        {"page": "HOOK", "limits": {"hung": 0}},
    ],
)
def test_settings_that_are_wrong_are_refused(wrong):
    with pytest.raises(ValidationError):
        AlertSettings(**wrong)


def test_limits_are_the_operators():
    assert "loop-hung" in names(quiet(), hung=1.0)
    assert ReportStatus().heartbeat == 0  # of a report that nobody told of, no age is too old
