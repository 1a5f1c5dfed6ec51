"""`plimsoll compare`: our own arithmetic beside other venues' on one book; what it cannot use has a name."""

import copy
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from plimsoll import cli
from plimsoll.report.compare import OURS, StatedRange, compare, compare_tables, model_of
from plimsoll.risk.engine import Engine
from plimsoll.risk.errors import TooFewObservationsError
from plimsoll.risk.models import EwmaFhs, RiskModel
from plimsoll.risk.reference.book import Book, BookError
from plimsoll.risk.reference.deribit import DeribitMatrix
from plimsoll.risk.reference.pmrm import Pmrm
from plimsoll.risk.reference.static import Static
from plimsoll.spec.wad import PPM

EXAMPLE = Path(__file__).parents[3] / "docs" / "book.example.json"
DAY = 86_400
NOW = 1_767_600_000  # 2026-01-05T08:00Z
RULES = [OURS, "classic SPAN", "PMRM2", "Deribit-style matrix", "static"]


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main(["compare", *map(str, arguments)])
    return left.value.code


def plain(**changes):
    """One perpetual at 100, range 10 %."""
    book = {
        "time": NOW,
        "cash": 50.0,
        "underlyings": {"TOY": {"spot": 100.0, "scan_range": 0.1, "volatility": 0.5}},
        "positions": [{"underlying": "TOY", "kind": "perp", "quantity": 1.0}],
    }
    return book | changes


def option(**changes):
    call = {"underlying": "TOY", "kind": "call", "expiry": "2026-02-04T08:00Z", "strike": 100.0, "quantity": -1.0}
    return call | changes


def rules(book):
    return {rule["name"]: rule for rule in compare(Book.parse(book))["rules"]}


def prices(folder, days=400, *, crash=False):
    """Daily bars up to the book's time, and a crash behind it if asked for."""
    rng = np.random.default_rng(11)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.03, days)))
    times = NOW // DAY * DAY - DAY * np.arange(days, 0, -1)
    lines = ["time,open,high,low,close,volume"]
    lines += [f"{t},{c},{c * 1.01},{c * 0.99},{c},1" for t, c in zip(times, close, strict=True)]
    if crash:
        lines.append(f"{times[-1] + DAY},{close[-1]},{close[-1]},{close[-1] / 3},{close[-1] / 2},1")
    (folder / "toy.csv").write_text("\n".join(lines) + "\n")


# ------------------------------------------------------------------------------------------------------ what it says


def test_the_example_in_json(capsys):
    assert run(EXAMPLE, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert [rule["name"] for rule in said["rules"]] == RULES
    assert said["positions"] == 5
    for rule in said["rules"]:
        assert 0 < rule["mm"] < rule["im"]
        assert rule["of_cash"]["im"] == pytest.approx(rule["im"] - said["option_value"])
        assert rule["im_share"] == pytest.approx(rule["im"] / said["notional"])
    assert said["equity"] == pytest.approx(60_000 + said["option_value"], rel=1e-6)
    assert {rule["im_over_ours"] == 1 for rule in said["rules"]} == {True, False}


def test_the_example_in_a_terminal(capsys):
    assert run(EXAMPLE) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert [name for name in RULES if any(line.startswith(name) for line in lines)] == RULES
    assert "2026-01-05 08:00" in said
    assert "scan range 15.00%, stated" in said
    assert max(map(len, lines)) <= 120


def test_ours_is_the_chains_arithmetic_over_the_engines_report():
    book = Book.parse(plain())
    rate = Engine(model_of(book)).report(book.snapshot).summary[256]
    ours = rules(plain())[OURS]
    assert (ours["mm"], ours["im"]) == pytest.approx((100 * rate.mm, 100 * rate.im), rel=1e-12)
    assert ours["parts"]["scan"] == pytest.approx(10.0)
    assert ours["mm"] == pytest.approx(sum(ours["parts"].values()))


def test_the_others_are_their_models():
    book = Book.parse(plain(positions=[option(), option(kind="put", strike=80.0, volatility=0.7)]))
    found = {rule["name"]: rule for rule in compare(book)["rules"]}
    for model in (Pmrm(), DeribitMatrix(), Static()):
        expected = model.requirement(book.portfolios)
        assert (found[model.name]["im"], found[model.name]["mm"]) == (expected.im, expected.mm)
        assert found[model.name]["parts"] == expected.parts


def test_span_scans_our_range():
    found = rules(plain())
    assert found["classic SPAN"]["mm"] == pytest.approx(10.0)
    assert found["static"]["mm"] == pytest.approx(16.0)
    assert found["PMRM2"]["im"] == pytest.approx(18.0 + 2.0)
    assert found["Deribit-style matrix"]["mm"] == pytest.approx(16.0)


def test_a_hedge_is_worth_something_to_every_rule_but_static():
    naked = rules(plain(positions=[option()]))
    covered = rules(plain(positions=[option(), option(strike=105.0, quantity=1.0)]))
    for name in RULES[:-1]:
        assert covered[name]["mm"] < naked[name]["mm"]
    assert covered["static"]["mm"] > naked["static"]["mm"]


def test_positions_in_one_instrument_are_one_and_their_order_says_nothing():
    parts = [option(quantity=-0.5), option(strike=120.0), option(quantity=-1.5), plain()["positions"][0]]
    whole = [plain()["positions"][0], option(quantity=-2.0), option(strike=120.0)]
    first, other = (compare(Book.parse(plain(positions=book))) for book in (parts, whole))
    assert first["positions"] == other["positions"] == 3
    for one, two in zip(first["rules"], other["rules"], strict=True):
        assert (one["im"], one["mm"]) == pytest.approx((two["im"], two["mm"]), rel=1e-12)


def test_perpetuals_and_futures_were_entered_at_their_marks():
    book = plain(positions=[*plain()["positions"], option(kind="future", strike=None, quantity=3.0)])
    del book["positions"][1]["strike"]
    book["underlyings"]["TOY"] |= {"perp": 101.5, "forwards": {"2026-02-04T08:00Z": 107.0}}
    assert compare(Book.parse(book))["equity"] == pytest.approx(50.0, abs=1e-9)
    book["positions"].append({"underlying": "TOY", "kind": "spot", "quantity": 2.0})
    assert compare(Book.parse(book))["equity"] == pytest.approx(250.0, abs=1e-9)


def test_what_the_equity_falls_short_of_is_red():
    def drawn(cash):
        out = io.StringIO()
        summary = compare(Book.parse(plain(cash=cash)))
        Console(file=out, width=140, force_terminal=True, color_system="standard").print(compare_tables(summary))
        return out.getvalue()

    assert "\x1b[31m" not in drawn(50.0)
    assert drawn(15.0).count("\x1b[31m") == 3  # of 20 a piece, ours and SPAN's are lower


def test_times_are_text_or_seconds_and_utc():
    assert Book.parse(plain(time="2026-01-05T08:00Z")).time == NOW
    assert Book.parse(plain(time="2026-01-05T08:00")).time == NOW
    assert Book.parse(plain(time="2026-01-05T09:00+01:00")).time == NOW
    assert Book.parse(plain(time="2026-01-05")).time == NOW - 8 * 3_600


# ----------------------------------------------------------------------------------------- a scan range from prices


def measured():
    book = plain()
    book["underlyings"]["TOY"] = {"spot": 100.0, "prices": "toy.csv"}
    return book


def test_the_scan_range_is_the_models(tmp_path):
    prices(tmp_path)
    (tmp_path / "book.json").write_text(json.dumps(measured()))
    book = Book.load(tmp_path / "book.json")
    said = compare(book)
    expected = EwmaFhs().assess(book.snapshot)[256].psr / PPM
    assert said["underlyings"][0]["scan_range"] == expected
    assert said["underlyings"][0]["scan_range_from"] == "prices"
    assert said["rules"][1]["mm"] == pytest.approx(100 * expected)


def test_prices_behind_the_books_time_are_not_looked_at(tmp_path):
    prices(tmp_path)
    before = compare(Book.parse(measured(), folder=tmp_path))
    prices(tmp_path, crash=True)
    assert compare(Book.parse(measured(), folder=tmp_path)) == before


def test_stated_and_measured_side_by_side(tmp_path):
    prices(tmp_path)
    both = measured()
    both["underlyings"]["OTHER"] = {"spot": 7.0, "scan_range": 0.25}
    both["positions"].append({"underlying": "OTHER", "kind": "perp", "quantity": -3.0})
    book = Book.parse(both, folder=tmp_path)
    assert isinstance(model_of(book), RiskModel)
    toy, other = compare(book)["underlyings"]
    assert (other["scan_range"], other["scan_range_from"]) == (0.25, "stated")
    assert toy["scan_range_from"] == "prices"
    first, second = StatedRange({256: 0.1}), StatedRange({256: 0.2})
    assert first.parameters != second.parameters  # the report's hash tells them apart


def test_too_few_prices_have_a_name(tmp_path):
    prices(tmp_path, days=10)
    with pytest.raises(TooFewObservationsError):
        compare(Book.parse(measured(), folder=tmp_path))


# ------------------------------------------------------------------------------------------------- what it refuses


def edited(path, value):
    """The plain book with an option, one place of it changed; None takes the place away."""
    book = copy.deepcopy(plain(positions=[plain()["positions"][0], option()]))
    *way, last = path
    place = book
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return book


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["time"], "yesterday", "time: 'yesterday' is no time"),
        (["time"], True, "time: True is no time"),
        (["time"], -5, "time: "),
        (["cash"], "lots", "cash: "),
        (["colour"], "red", "colour: "),
        (["underlyings"], {}, "underlyings: "),
        (["underlyings", "TOY", "spot"], 0.0, "underlyings.TOY.spot: "),
        (["underlyings", "TOY", "spot"], None, "underlyings.TOY.spot: "),
        (["underlyings", "TOY", "scan_range"], None, "either scan_range or prices"),
        (["underlyings", "TOY", "prices"], "x.csv", "either scan_range or prices"),
        (["underlyings", "TOY", "scan_range"], 1.5, "underlyings.TOY.scan_range: "),
        (["underlyings", "TOY", "forwards"], {"soon": 100.0}, "forwards.soon"),
        (["underlyings", "TOY", "volatility"], None, "positions.1: an option without a volatility"),
        (["positions"], [], "positions: "),
        (["positions", 0, "underlying"], "BTC", "positions.0: underlying BTC; one of TOY is right"),
        (["positions", 0, "kind"], "swap", "positions.0.kind: "),
        (["positions", 0, "quantity"], 0, "positions.0: quantity 0"),
        (["positions", 0, "quantity"], 1e300, "positions.0: quantity 1e+300"),
        (["positions", 0, "quantity"], None, "positions.0.quantity: "),
        (["positions", 0, "expiry"], "2026-02-04", "perp with an expiry"),
        (["positions", 0, "strike"], 5.0, "perp with a strike"),
        (["positions", 0, "volatility"], 0.5, "perp with a volatility"),
        (["positions", 1, "expiry"], None, "call without an expiry"),
        (["positions", 1, "expiry"], "2026-01-05T08:00Z", "is not after the book's time"),
        (["positions", 1, "strike"], None, "call without a strike"),
        (["positions", 1, "strike"], 1e-9, "six decimals"),
        (["positions", 1, "strike"], 1e12, "six decimals"),
        (["positions", 1, "strike"], -1.0, "positions.1.strike: "),
        (["positions", 1, "kind"], "spot", "quantity -1.0 of spot"),
    ],
)
def test_a_bad_book_is_named(tmp_path, capsys, path, value, said):
    file = tmp_path / "book.json"
    file.write_text(json.dumps(edited(path, value)))
    assert run(file) == 2
    found = capsys.readouterr()
    assert found.err.startswith(f"plimsoll: BookError: {file}: ")
    assert said in found.err
    assert found.err.count("\n") == 1
    assert found.out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "is no JSON"), ("[]", "book: "), ('{"cash": NaN}', "cash: "), ("\xff", "codec"), (None, "No such file")],
)
def test_what_is_no_book(tmp_path, capsys, text, said):
    file = tmp_path / "book.json"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    assert run(file, "--json") == 2
    found = capsys.readouterr().err
    assert found.startswith("plimsoll: BookError: ")
    assert said in found
    assert "Traceback" not in found


@pytest.mark.parametrize(
    ("change", "error"),
    [({"prices": "nowhere.csv"}, "SourceNotFoundError"), ({"scan_range": 0.1, "perp": 1e9}, "SnapshotError")],
)
def test_what_source_and_snapshot_refuse_keeps_its_name(tmp_path, capsys, change, error):
    file = tmp_path / "book.json"
    file.write_text(json.dumps(plain(underlyings={"TOY": {"spot": 100.0, **change}})))
    assert run(file) == 2
    assert capsys.readouterr().err.startswith(f"plimsoll: {error}: ")


def test_a_book_names_every_field_that_is_wrong():
    book = plain(cash="lots")
    book["positions"][0]["kind"] = "swap"
    with pytest.raises(BookError, match=r"cash: .*; positions\.0\.kind: "):
        Book.parse(book)


def test_help_has_the_format_an_example_and_exit_codes(capsys):
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert "plimsoll compare docs/book.example.json" in said
    assert "Exit codes: 0" in said
    for word in json.loads(EXAMPLE.read_text())["underlyings"]["BTC"]:
        assert word in said
