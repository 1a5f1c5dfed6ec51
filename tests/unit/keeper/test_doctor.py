"""The doctor: on a keeper that is well nothing fails; each way to be ill is found, under its name, with what to do."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from plimsoll.keeper import doctor
from plimsoll.keeper.doctor import CHECKS, FAIL, OK, WARN, Finding, Patient, examine, failed
from plimsoll.keeper.gas import estimate
from plimsoll.keeper.settings import parse_settings
from plimsoll.nodes.service import Service
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import Party

from .conftest import DAY, SIGNERS, UNDERLYING, World
from .standin import GAS, Endpoint

POSTER, LIQUIDATOR = "11" * 32, "33" * 32
ETHER = 10**18


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def ward(built):
    """One deployment for all; what a test does to chain and files is undone."""
    mark = built.chain.snapshot()
    files = {path: path.read_bytes() for path in (built.book, built.prices)}
    found = Ward(built)
    yield found
    for item in found.open:
        item.close()
    built.chain.revert(mark)
    for path in built.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path, held in files.items():
        path.write_bytes(held)


class Ward:
    """A keeper that is well, over a chain that has seen no report."""

    def __init__(self, world):
        self.world = world
        self.open = []
        self.first = self.endpoint()
        self.environment = {"POSTER": POSTER, "LIQUIDATOR": LIQUIDATOR} | {
            f"NODE_{k}": key if isinstance(key, str) else key.hex() for k, key in enumerate(SIGNERS)
        }
        world.chain.set_balance(address_of(POSTER), 100 * ETHER)
        world.chain.set_balance(address_of(LIQUIDATOR), ETHER)
        self.ahead = 2.0  # [s] of this machine's clock
        self.data = {
            "node": [self.first.url, self.endpoint().url],
            "book": "book.json",
            "keys": {"poster": "POSTER", "signers": ["NODE_0", "NODE_1", "NODE_2"], "liquidator": "LIQUIDATOR"},
            "markets": [{"underlying": UNDERLYING, "name": "TOY", "prices": "toy.csv", "depth": 1e6}],
            "liquidation": {"account": None},
            "journal": "keeper.db",
            "archive": "reports",
        }

    def endpoint(self, **config):
        self.open.append(Endpoint(self.world.chain, **config))
        return self.open[-1]

    def patient(self):
        settings = parse_settings(self.data, self.world.folder / "keeper.yaml")
        return Patient(settings, self.environment, lambda: self.world.chain.now + self.ahead, timeout=2)

    def look(self, only=None):
        checks = [item for item in CHECKS if only is None or item[0] in only.split()]
        return examine(self.patient(), checks)

    def post(self, times):
        keeper = self.world.keeper(heartbeat=60)
        for _ in range(times):
            self.world.chain.advance(600)
            self.world.index(100)
            assert keeper.round().posted.ok


def verdicts(findings):
    return {(item.name.partition(" http")[0], item.verdict) for item in findings}


def worst(findings):
    return [item for item in findings if item.verdict == FAIL]


def one(findings, name):
    (found,) = [item for item in findings if item.name == name]
    return found


def test_a_keeper_that_is_well(ward):
    findings = ward.look()
    assert worst(findings) == []
    assert not failed(findings)
    names = {item.name.partition(" http")[0] for item in findings}
    assert names >= {
        *("settings", "key poster", "key signer 3", "key liquidator", "endpoint", "endpoints", "clock", "head"),
        *("contracts", "quorum", "balance poster", "balance liquidator", "heartbeat", "report", "feed TOY"),
        *("prices TOY", "journal", "index", "archive", "disk", "alerts"),
    }
    warned = {item.name for item in findings if item.verdict == WARN}
    assert warned == {
        "settings",
        "report",
        "venues",
        "alerts",
    }  # never bids, nothing posted, no live price, nobody told
    assert all(item.todo for item in findings if item.verdict != OK)


def test_nothing_is_sent_and_no_file_is_left(ward):
    before = sorted(ward.world.folder.iterdir())
    block = ward.world.chain.block
    ward.look()
    assert sorted(ward.world.folder.iterdir()) == before
    assert ward.world.chain.block == block
    assert {name for item in ward.open for name in item.asked if name.startswith("eth_send")} == set()


def test_no_key_is_shown(ward):
    ward.environment["NODE_1"] = "not a key but 0x" + "ab" * 32
    said = json.dumps([item.to_plain() for item in ward.look()])
    for value in ward.environment.values():
        assert value.removeprefix("0x") not in said
    assert address_of(POSTER) in said


# ---------------------------------------------------------------------------------------------------------------- keys


def test_a_key_that_is_missing_and_what_needed_it(ward):
    del ward.environment["POSTER"]
    findings = ward.look()
    assert {item.name for item in worst(findings)} == {"key poster"}
    assert "POSTER is not set" in one(findings, "key poster").said
    assert one(findings, "balances").said == "not looked at: the poster's key is missing"


def test_one_key_for_both_that_send(ward):
    ward.environment["LIQUIDATOR"] = POSTER
    assert one(ward.look("keys"), "key liquidator").verdict == FAIL


def test_a_signer_that_is_also_the_poster_is_warned_of(ward):
    ward.environment["POSTER"] = ward.environment["NODE_0"]
    assert one(ward.look("keys"), "key signer 1").verdict == WARN


def test_a_keystore_account(ward):
    from eth_account import Account

    folder = ward.world.folder / "ape" / "accounts"
    folder.mkdir(parents=True)
    (folder / "poster.json").write_text(json.dumps(Account.encrypt(POSTER, "open sesame", kdf="pbkdf2", iterations=1)))
    ward.environment |= {"APE_DATA_FOLDER": str(folder.parent), "PHRASE": "open sesame"}
    ward.data["keys"]["poster"] = {"account": "poster", "passphrase": "PHRASE"}
    assert one(ward.look("keys"), "key poster").said == address_of(POSTER)
    ward.environment["PHRASE"] = "open barley"
    found = one(ward.look("keys"), "key poster")
    assert (found.verdict, "barley" in found.said) == (FAIL, False)


# ----------------------------------------------------------------------------------------------------------- endpoints


def test_one_endpoint_down_fails_and_the_rest_is_looked_at(ward):
    ward.data["node"] = ["http://127.0.0.1:1/v3/4f1d9c2ab87e4d5f", ward.first.url]
    findings = ward.look()
    assert [item.name for item in worst(findings)] == ["endpoint http://127.0.0.1:1/v3/…"]
    assert "4f1d9c2a" not in json.dumps([item.to_plain() for item in findings])
    assert one(findings, "contracts").verdict == OK


def test_all_down_is_said_once_for_each_and_nothing_else_is_blamed(ward):
    ward.data["node"] = ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    findings = ward.look()
    assert {item.name for item in worst(findings)} == {"endpoint http://127.0.0.1:1", "endpoint http://127.0.0.1:2"}
    assert one(findings, "feeds") == Finding(
        "feeds", WARN, "not looked at: no endpoint answers", "first what fails above"
    )


def test_http_errors_are_named(ward):
    ward.first.code = 503
    assert worst(ward.look("endpoints"))[0].said == "does not answer: HTTP 503"


def test_another_chain(ward):
    ward.data["node"].append(ward.endpoint(chain_id=5).url)
    assert worst(ward.look("endpoints"))[0].said == "is of chain 5, the address book of 1337"


def test_one_that_lags_is_warned_of(ward):
    ward.world.chain.advance(1_200)
    ward.first.behind = 4
    found = [item for item in ward.look("endpoints") if item.name == f"endpoint {ward.first.url}"]
    assert found[0].verdict == WARN
    assert "4 blocks behind" in found[0].said


def test_two_that_know_different_blocks(ward):
    ward.first.odd = True
    (found,) = worst(ward.look("endpoints"))
    assert (found.name, "different blocks" in found.said) == ("endpoints", True)


@pytest.mark.parametrize(("method", "verdict"), [("eth_getLogs", FAIL), ("eth_call", WARN)])
def test_one_that_cannot_do_what_is_needed(ward, method, verdict):
    ward.first.lacks = {method}
    found = [item for item in ward.look("endpoints") if method in item.said]
    assert [item.verdict for item in found] == [verdict]
    assert "is not available" in found[0].said


def test_a_single_endpoint_is_warned_of(ward):
    ward.data["node"] = ward.first.url
    assert one(ward.look("endpoints"), "endpoints").verdict == WARN


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(0.0, OK), (4.0, OK), (7.0, WARN), (-7.0, WARN), (30.0, FAIL), (-30.0, FAIL)]
)
def test_a_clock_that_is_off(ward, ahead, verdict):
    ward.ahead = ahead
    assert one(ward.look("clock"), "clock").verdict == verdict


@pytest.mark.parametrize(("age", "verdict"), [(50, OK), (70, WARN), (700, FAIL), (-20, WARN)])
def test_a_head_that_is_old(ward, age, verdict):
    ward.ahead = age
    for item in ward.open:
        item.date = age
    assert one(ward.look("clock"), "head").verdict == verdict


# ---------------------------------------------------------------------------------------------------------- deployment


def edit_book(ward, **changes):
    path = ward.world.book
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_address_without_code(ward):
    edit_book(ward, tokens={"tTOY": "0x" + "77" * 20})
    findings = ward.look("contracts signers")
    assert one(findings, "contracts").said == "no code at token tTOY"
    assert one(findings, "signers").verdict == WARN  # not looked at


def test_a_book_of_another_chain_or_none(ward):
    edit_book(ward, chain_id=5)
    assert "is of chain 5, this is 1337" in one(ward.look("contracts"), "contracts").said
    ward.world.book.write_text("{")
    assert one(ward.look("contracts"), "address book").verdict == FAIL


def test_a_stranger_signs(ward):
    ward.environment["NODE_2"] = "44" * 32
    findings = ward.look("signers")
    assert [item.said for item in worst(findings)] == [f"{address_of('44' * 32)} is no signer of the oracle"]
    assert one(findings, "quorum").verdict == WARN  # two are enough, and none to spare


def test_too_few_sign(ward):
    ward.data["keys"]["signers"] = ["NODE_0"]
    assert one(ward.look("signers"), "quorum").said == "1 signers can be had, the quorum is 2"


def test_peers_count_where_they_answer_and_the_oracle_knows_them(ward):
    class Signs:
        def __init__(self, key):
            self.address = address_of(key)

    known, strange = Service(Signs(SIGNERS[1])), Service(Signs("44" * 32))
    for item in (known, strange):
        item.start()
        item.close = item.server_close
        ward.open.append(item)
    ward.data["keys"]["signers"] = ["NODE_0"]
    ward.data["nodes"] = {"peers": [known.url, strange.url, "http://127.0.0.1:1"]}
    findings = ward.look("signers")
    assert [item.verdict for item in findings if item.name.startswith("peer ")] == [OK, WARN, WARN]
    assert one(findings, "quorum").said == "2 signers, the quorum is 2"
    for item in (known, strange):
        item.shutdown()


# --------------------------------------------------------------------------------------------------------------- money


def test_gas_is_measured_by_the_last_posts(ward):
    ward.post(4)
    patient = ward.patient()
    gas, a_day, how = doctor.expected_posts(patient)
    assert how == "mean of the last 3"
    assert gas == GAS  # a perpetual and a token: one surface, no store before the post
    assert a_day == pytest.approx(DAY / 600, rel=0.02)


def test_before_any_post_by_what_is_listed(ward):
    gas, a_day, how = doctor.expected_posts(ward.patient())
    assert (a_day, how) == (24, "2 instruments, none posted lately")
    built = ward.world.keeper().round().built
    assert gas == estimate(built, ward.world.reader.read(), 2)  # as the keeper's, once its slots are written


@pytest.mark.parametrize(("days", "verdict"), [(0, FAIL), (0.9, FAIL), (1.1, WARN), (6.9, WARN), (7.1, OK)])
def test_days_that_a_balance_lasts(ward, days, verdict):
    gas, _, _ = doctor.expected_posts(ward.patient())
    spends = gas * 24 * 2 * 10**9  # at base fee and tip of a gwei each
    ward.world.chain.set_balance(address_of(POSTER), int(days * spends))
    found = one(ward.look("balances"), "balance poster")
    assert found.verdict == verdict
    assert f"{days:.1f} days" in found.said


@pytest.mark.parametrize(("times", "verdict"), [(0.9, FAIL), (9.9, WARN), (10.1, OK)])
def test_liquidations_that_a_balance_pays(ward, times, verdict):
    ward.world.chain.set_balance(address_of(LIQUIDATOR), int(times * doctor.SEIZE_GAS * 2 * 10**9))
    assert one(ward.look("balances"), "balance liquidator").verdict == verdict


def test_a_bidder_without_margin(ward):
    ward.data["liquidation"] = {"account": 0}
    assert one(ward.look("bidder"), "bidder").verdict == FAIL
    party = Party.of("bidder")
    ward.world.venue.join(party)
    ward.world.venue.fund(party, 500 * ETHER)
    ward.environment["LIQUIDATOR"] = party.key if isinstance(party.key, str) else party.key.hex()
    found = one(ward.look("bidder"), "bidder")
    assert (found.verdict, "500.00 of free margin" in found.said) == (OK, True)


# -------------------------------------------------------------------------------------------------------------- prices


@pytest.mark.parametrize(("heartbeat", "verdict"), [(3_600, OK), (3_601, WARN), (7_199, WARN), (7_200, FAIL)])
def test_a_heartbeat_longer_than_reports_last(ward, heartbeat, verdict):
    ward.data["triggers"] = {"heartbeat": heartbeat}
    assert one(ward.look("report"), "heartbeat").verdict == verdict


def test_a_report_fresh_and_stale(ward):
    ward.post(1)
    assert one(ward.look("report"), "report") == Finding("report", OK, "1, 0 s old")
    ward.world.chain.advance(7_300)
    assert one(ward.look("report"), "report").verdict == WARN


def test_a_report_is_as_old_as_what_was_posted_longest_ago(ward):
    ward.post(1)
    ward.world.chain.advance(60)
    ward.data["markets"].append({"underlying": 258, "name": "NEW", "prices": "toy.csv"})
    found = ward.look("report")
    assert one(found, "report") == Finding("report", OK, "1, 60 s old where oldest")
    assert one(found, "report NEW").verdict == WARN
    assert not [item for item in found if item.name == "report TOY"]


def test_a_feed_that_stands(ward):
    ward.world.chain.advance(8 * DAY)
    found = one(ward.look("feeds"), "feed TOY")
    assert (found.verdict, found.said) == (FAIL, "unusable: feed: stale price")


@pytest.mark.parametrize(("low", "high", "verdict"), [(50, 200, OK), (90, 200, WARN), (50, 110, WARN)])
def test_a_price_near_its_bounds(ward, low, high, verdict):
    feed = ward.world.system.feed
    feed.transact("set_bounds", UNDERLYING, low * ETHER, high * ETHER, sender=ward.world.admin)
    assert one(ward.look("feeds"), "feed TOY").verdict == verdict


@pytest.mark.parametrize(("days", "verdict"), [(1, OK), (3, WARN), (5, FAIL)])
def test_a_file_that_nobody_appends_to(ward, days, verdict):
    ward.world.chain.advance(days * DAY)
    assert one(ward.look("files"), "prices TOY").verdict == verdict


def live(ward, *prices):
    """Venues that are files, each with its last price; None: a file that is not there."""
    sources = []
    for k, price in enumerate(prices):
        path = ward.world.folder / f"venue{k}.csv"
        if price is not None:
            path.write_text(f"time,close\n{ward.world.chain.now - 5},{price}\n")
        sources.append({"kind": "file", "path": path.name})
    ward.data["venues"] = {"markets": {UNDERLYING: sources}, "deadline": 0.5}


def test_venues_are_asked_and_judged(ward):
    pytest.importorskip("ccxt", reason="no ccxt: the extra `live` is not installed")
    live(ward, 100.0, 100.1, 99.9, 1_000.0)
    findings = ward.look("venues")
    assert one(findings, "prices TOY, live").said == "3 of 4 sources are good, 3 are needed"
    (liar,) = [item for item in findings if item.name == "venue file venue3.csv, TOY"]
    assert liar.verdict == WARN
    assert not (ward.world.folder / "build").exists()  # the keeper's own record is left alone


def test_too_few_venues(ward):
    pytest.importorskip("ccxt", reason="no ccxt: the extra `live` is not installed")
    live(ward, 100.0, 100.1, None)
    findings = ward.look("venues")
    assert one(findings, "prices TOY, live").verdict == FAIL
    assert "venue2.csv" in one(findings, "venue file venue2.csv, TOY").name


def test_a_file_that_is_gone(ward):
    ward.world.prices.unlink()
    found = one(ward.look("files"), "prices TOY")
    assert (found.verdict, "toy.csv" in found.said) == (FAIL, True)


# ------------------------------------------------------------------------------------------------------------- machine


def test_a_folder_that_cannot_be_written(ward, monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda path, _: "reports" not in str(path))  # root may write everywhere
    (ward.world.folder / "reports").mkdir()
    assert [item.name for item in worst(ward.look("storage"))] == ["archive"]


def test_a_disk_that_is_full(ward, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**27}))
    assert one(ward.look("storage"), "disk").verdict == FAIL


def test_a_journal_that_is_damaged(ward):
    path = ward.world.folder / "keeper.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE lines(fields TEXT)")
        database.executemany("INSERT INTO lines VALUES (?)", [("x" * 900,)] * 200)
        database.commit()
    assert one(ward.look("storage"), "journal").verdict == OK
    held = bytearray(path.read_bytes())
    held[8_192:60_000] = b"\xff" * (60_000 - 8_192)
    path.write_bytes(held)
    assert one(ward.look("storage"), "journal").verdict == FAIL


def test_a_check_that_raises_is_a_finding_of_its_own_name(ward):
    def bug(_):
        yield Finding("before", OK, "")
        raise ZeroDivisionError("at https://h/v2/4f1d9c2ab87e4d5f")

    (found,) = examine(ward.patient(), [("bug", bug)])
    assert found == Finding("bug", FAIL, "ZeroDivisionError: at https://h/v2/…", "see docs/KEEPER.md")
