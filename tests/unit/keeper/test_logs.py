"""Logs: an event a line, and no secret in any of them, however it got there."""

import io
import json
import logging
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.keeper import logs
from plimsoll.keeper.logs import REDACTED, LoggedRecorder, Secrets, event, level_of, public_url, set_up
from plimsoll.keeper.recorder import MemoryRecorder

KEY = "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63"
HASH = "0x" + "c5" * 32
TOKEN = "4f1d9c2ab87e4d5fa0c1e2d3f4a5b6c7"


@pytest.fixture
def out():
    """The stream that is logged to; loggers are put back."""
    root, ours = logging.getLogger(), logging.getLogger(logs.NAME)
    before, level = list(root.handlers), ours.level
    yield io.StringIO()
    root.handlers[:] = before
    ours.setLevel(level)


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


# ------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"0x{KEY}",
        KEY.upper(),
        f"no account for key {KEY}!",
        f"ValueError('0x{KEY}')",
        f'{{"k":"{KEY}"}}',
        f"key=0x{KEY},nonce=3",
    ],
)
def test_a_private_key_that_nobody_named_is_seen_by_its_look(text):
    said = Secrets().out_of(text)
    assert KEY.lower() not in said.lower()
    assert REDACTED in said


@pytest.mark.parametrize(
    "text",
    [
        f"transaction {HASH} was not mined within 120 s",
        f"reorg at block {HASH}",
        f'{{"blockHash": "{HASH}"}}',
        f"digest: {HASH}",
        f"account {HASH} is called",
    ],
)
def test_a_hash_that_is_named_one_stays(text):
    assert Secrets().out_of(text) == text


def test_what_is_named_a_hash_and_is_a_known_key_does_not_stay():
    secrets = Secrets([KEY])
    assert KEY not in secrets.out_of(f"transaction 0x{KEY} failed")
    assert KEY not in json.dumps(secrets.plain({"hash": f"0x{KEY}"}))


def test_data_of_a_transaction_is_no_key():
    data = "0x" + "ab" * 200
    assert Secrets().out_of(f"data {data}") == f"data {data}"


@given(st.text(min_size=6, max_size=40).filter(lambda text: text.strip() == text and len(text) >= 6))
def test_a_known_passphrase_goes_however_it_is_written(phrase):
    secrets = Secrets([phrase])
    for spelt in (phrase, quote(phrase, safe=""), json.dumps(phrase)[1:-1], repr(phrase)[1:-1]):
        assert secrets.out_of(f"<{spelt}>") == f"<{REDACTED}>"


def test_a_value_too_short_to_be_a_secret_does_not_black_out_every_line():
    assert Secrets(["", "0x", "on", " "]).out_of("posted on time") == "posted on time"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        (f"https://mainnet.infura.io/v3/{TOKEN}", "https://mainnet.infura.io/v3/…"),
        ("https://user:open-sesame@node.example.org:8545/", "https://node.example.org:8545/"),
        ("https://node.example.org/rpc?apikey=sesame", "https://node.example.org/rpc?…"),
        ("https://node.example.org/rpc#sesame", "https://node.example.org/rpc?…"),
        ("https://hooks.slack.com/services/T02AB/B03CD/xYzSesame9", "https://hooks.slack.com/services/…/…/…"),
        ("https://api.telegram.org/bot123456:AAsesame/sendMessage", "https://api.telegram.org/…/…"),
        ("https://api.kraken.com/0/public/Ticker", "https://api.kraken.com/0/public/Ticker"),
        ("http://[::1]:8545/v2/Sesame99", "http://[::1]:8545/v2/…"),
        ("https://user:pass,word;(1)@host/rpc", "https://host/rpc"),
        ("http://host:notaport/", REDACTED),
    ],
)
def test_of_a_url_only_what_is_no_secret_is_shown(url, shown):
    assert public_url(url) == shown
    assert Secrets().out_of(f"asked {url} in vain") == f"asked {shown} in vain"


def test_a_url_ends_where_the_sentence_goes_on():
    said = "asked (http://h:80), then http://127.0.0.1:8545: refused; [http://h:1]"
    assert Secrets().out_of(said) == said


def test_how_requests_quotes_a_url_without_its_host():
    said = f"HTTPSConnectionPool(host='h', port=443): Max retries exceeded with url: /v2/{TOKEN}?k=sesame (Caused by x)"
    found = Secrets().out_of(said)
    assert TOKEN not in found
    assert "sesame" not in found
    assert found.endswith("url: /v2/… (Caused by x)")


def test_what_an_authorization_header_carries():
    assert "abc.def" not in Secrets().out_of("Authorization: Bearer abc.def.ghi")


@pytest.mark.parametrize("name", ["private_key", "key", "passphrase", "PASSWORD", "api_token", "mnemonic", "cookie"])
def test_a_field_that_says_it_is_secret(name):
    assert Secrets().plain({name: "x"}) == {name: REDACTED}
    assert Secrets().plain({"deep": [{name: "x"}]}) == {"deep": [{name: REDACTED}]}


@pytest.mark.parametrize("name", ["token", "keys", "nonce", "monkey_business"])
def test_a_field_that_only_sounds_like_it(name):
    assert Secrets().plain({name: "x"}) == {name: "x"}


def test_hashes_stay_in_fields_of_hashes_and_nowhere_else():
    found = Secrets().plain({"hash": HASH, "block_hash": bytes.fromhex(HASH[2:]), "note": HASH})
    assert found == {"hash": HASH, "block_hash": HASH, "note": REDACTED}


# --------------------------------------------------------------------------------------------------------------- lines


def test_an_event_is_a_line_of_json(out):
    set_up(stream=out)
    event("info", "posted", sequence=2**70, reasons=["heartbeat: 1"], hash=HASH)
    (line,) = lines(out)
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "event": "posted",
        "sequence": 2**70,
        "reasons": ["heartbeat: 1"],
        "hash": HASH,
    }


def test_a_field_does_not_displace_what_every_line_has(out):
    set_up(stream=out)
    event("warning", "odd", level="fake", at="never")
    (line,) = lines(out)
    assert (line["level"], line["level_"]) == ("warning", "fake")
    assert line["at"] != "never"


def test_a_traceback_holds_no_secret_either(out):
    set_up(stream=out, secrets=Secrets(["open sesame"]))
    try:
        int(f"open sesame {KEY}")  # quotes what it was given
    except ValueError as error:
        event("error", "bug", failure=error)
    assert "sesame" not in out.getvalue()
    assert KEY not in out.getvalue()
    (line,) = lines(out)
    assert "test_logs.py" in line["traceback"]


def test_libraries_that_warn_are_heard_without_their_urls(out):
    set_up(stream=out)
    logging.getLogger("urllib3.connectionpool").warning("Retrying: https://h/v2/%s", TOKEN)
    assert TOKEN not in out.getvalue()
    assert lines(out)[0]["event"] == "Retrying: https://h/v2/…"


def test_levels(out):
    set_up("warning", stream=out)
    event("info", "quiet")
    event("error", "loud")
    assert [line["event"] for line in lines(out)] == ["loud"]
    with pytest.raises(ValueError, match="level 'chatty'; one of debug, info"):
        set_up("chatty", stream=out)


def test_set_up_twice_says_things_once(out):
    set_up(stream=out)
    set_up(stream=out)
    event("info", "once")
    assert len(lines(out)) == 1


def test_text_for_a_terminal_is_one_line_whatever_a_stranger_sends(out):
    set_up(stream=out, as_json=False)
    event("info", "posted", error="two\nlines \x1b[31m", sequence=3)
    (line,) = out.getvalue().splitlines()
    assert "\x1b" not in line
    assert "sequence=3" in line


@given(st.text(), st.text())
def test_any_text_gives_one_line(name, value):
    record = logging.LogRecord("plimsoll", logging.INFO, "", 0, "%s", (name,), None)
    record.fields = {"said": value}
    assert len(logs.TextFormatter(Secrets()).format(record).splitlines()) == 1
    assert len(logs.JsonFormatter(Secrets()).format(record).splitlines()) == 1


def test_the_journal_is_kept_first_and_then_said(out):
    set_up(stream=out)
    kept = MemoryRecorder()
    LoggedRecorder(kept).record("post-failed", 17, error="no")
    assert kept.lines == [{"time": 17, "kind": "post-failed", "error": "no"}]
    assert lines(out)[0] | {"at": ""} == {
        "at": "",
        "level": "warning",
        "event": "post-failed",
        "chain_time": 17,
        "error": "no",
    }


@pytest.mark.parametrize(
    ("kind", "level"), [("halt", "critical"), ("round-failed", "warning"), ("reorg", "warning"), ("posted", "info")]
)
def test_how_loud_a_line_is(kind, level):
    assert level_of(kind) == level
