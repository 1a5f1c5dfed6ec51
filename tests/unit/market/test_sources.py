import gzip

import numpy as np
import pytest

from plimsoll.market.errors import (
    DuplicateTimesError,
    EmptyRangeError,
    InconsistentBarError,
    MalformedFileError,
    MissingColumnError,
    MissingPriceError,
    NonPositivePriceError,
    SourceError,
    SourceNotFoundError,
    UnsortedTimesError,
)
from plimsoll.market.sources import (
    data_folder,
    load_bars,
    load_option_chain,
    load_recorded,
    load_series,
    load_sp500,
    load_wti,
)
from plimsoll.spec.errors import PlimsollError

GOOD = """time,open,high,low,close,volume
1700000000,10,12,9,11,5
1700003600,11,13,10,12,6
1700007200,12,12,8,9,7
"""


@pytest.fixture
def write(tmp_path):
    def _write(text, name="prices.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return _write


def test_reads_ohlcv(write):
    bars = load_bars(write(GOOD))
    assert bars.time.tolist() == [1_700_000_000, 1_700_003_600, 1_700_007_200]
    assert bars.open.tolist() == [10, 11, 12]
    assert bars.low.tolist() == [9, 10, 8]
    assert bars.close.tolist() == [11, 12, 9]
    assert bars.volume.tolist() == [5, 6, 7]
    assert bars.interval == 3600
    assert bars.dropped == 0


def test_reads_gzip(tmp_path):
    path = tmp_path / "prices.csv.gz"
    path.write_bytes(gzip.compress(GOOD.encode()))
    assert len(load_bars(path)) == 3


@pytest.mark.parametrize(
    "first",
    [
        "1700000000",
        "1700000000000",
        "1700000000000000",
        "1700000000000000000",
        "1700000000.0",
        "2023-11-14T22:13:20Z",
        "2023-11-14 22:13:20",
        "2023-11-14T23:13:20+01:00",
    ],
)
@pytest.mark.parametrize("column", ["Time", "timestamp", " open_time", "Date"])
def test_reads_times_in_any_dress(write, first, column):
    assert load_bars(write(f"{column},price\n{first},5\n")).time.tolist() == [1_700_000_000]


def test_reads_dates(write):
    bars = load_bars(write("date,close\n2024-01-01,5\n2024-01-02,6\n2024-01-05,7\n"))
    assert bars.time.tolist() == [1_704_067_200, 1_704_153_600, 1_704_412_800]
    assert bars.interval == 86_400


def test_one_price_stands_for_all_four(write):
    bars = load_bars(write("time,mid\n1,5\n2,6\n"))
    assert bars.open.tolist() == bars.high.tolist() == bars.low.tolist() == bars.close.tolist() == [5, 6]
    assert bars.volume.tolist() == [0, 0]


def test_price_column_by_name(write):
    assert load_bars(write("time,close,dvol\n1,5,0.8\n"), price="dvol").close.tolist() == [0.8]


def test_range(write):
    path = write(GOOD)
    assert load_bars(path, start=1_700_003_600).time.tolist() == [1_700_003_600, 1_700_007_200]
    assert load_bars(path, end=1_700_003_600).time.tolist() == [1_700_000_000]
    with pytest.raises(EmptyRangeError, match="no bar opens in"):
        load_bars(path, start=1_700_007_201)


@pytest.mark.parametrize(
    ("text", "error", "row", "words"),
    [
        ("", MalformedFileError, 1, "a header and rows"),
        ("time,close\n", EmptyRangeError, 2, "at least one row"),
        ("time,close\n1,5\n2\n", MalformedFileError, 3, "2 cells, as in the header"),
        ("time,close\n1,5\n2,x\n", MalformedFileError, 3, "close is 'x'; a number is right"),
        ("time,close\n1,5\nnoon,6\n", MalformedFileError, 3, "ISO 8601"),
        ("time,close\n1,inf\n", MalformedFileError, 2, "a finite number"),
        ("close,volume\n5,1\n", MissingColumnError, 1, "bar open times"),
        ("time,volume\n1,1\n", MissingColumnError, 1, "open, high, low and close"),
        ("time,open,high,close\n1,1,1,1\n", MissingColumnError, 1, "no column low"),
        ("time,close\n1,5\n2,\n", MissingPriceError, 3, "a number in each price column"),
        ("time,close\n1,5\n2,NaN\n", MissingPriceError, 3, "a number in each price column"),
        ("time,close\n1,5\n2,0\n", NonPositivePriceError, 3, "a price above zero"),
        ("time,close\n1,5\n2,-3\n", NonPositivePriceError, 3, "a price above zero"),
        ("time,close\n2,5\n1,6\n", UnsortedTimesError, 3, "oldest first"),
        ("time,close\n1,5\n2,5\n2,6\n", DuplicateTimesError, 4, "each time once"),
        ("time,open,high,low,close\n1,5,4,3,4\n", InconsistentBarError, 2, "low <= open, close <= high"),
        ("time,open,high,low,close\n1,5,6,5.5,6\n", InconsistentBarError, 2, "low <= open, close <= high"),
    ],
)
def test_refuses_by_name_and_row(write, text, error, row, words):
    path = write(text)
    with pytest.raises(error) as caught:
        load_bars(path)
    assert isinstance(caught.value, PlimsollError)
    assert caught.value.row == row
    assert caught.value.source == str(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_row_of_an_error_counts_dropped_and_blank_lines(write):
    path = write("time,close\n1,5\n2,\n\n3,-1\n")
    with pytest.raises(NonPositivePriceError) as caught:
        load_bars(path, drop_missing=True)
    assert caught.value.row == 5


def test_missing_prices_can_be_dropped_and_are_counted(write):
    bars = load_bars(write("time,close\n1,5\n2,\n3,.\n4,6\n"), drop_missing=True)
    assert bars.dropped == 2
    assert bars.close.tolist() == [5, 6]


def test_all_prices_missing(write):
    with pytest.raises(EmptyRangeError, match="no row has a price"):
        load_bars(write("time,close\n1,\n"), drop_missing=True)


def test_no_such_file(tmp_path):
    with pytest.raises(SourceNotFoundError, match="is no file"):
        load_bars(tmp_path / "none.csv")


def test_no_gzip_behind_the_name(write):
    with pytest.raises(MalformedFileError, match="is unreadable"):
        load_bars(write(GOOD, "prices.csv.gz"))


def test_not_utf8(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_bytes(b"time,close\n1,\xff\xfe\n")
    with pytest.raises(MalformedFileError, match="UTF-8"):
        load_bars(path)


def test_series_of_any_sign_with_a_choice_of_rows(write):
    path = write("time,symbol,rate\n1,A,-0.1\n1,B,0.2\n2,A,0.3\n")
    series = load_series(path, "rate", {"symbol": "A"})
    assert series.time.tolist() == [1, 2]
    assert series.value.tolist() == [-0.1, 0.3]
    assert series.at(1) == -0.1
    assert series.at(99) == 0.3
    with pytest.raises(EmptyRangeError, match="no value at 0"):
        series.at(0)
    with pytest.raises(EmptyRangeError, match="no row is chosen"):
        load_series(path, "rate", {"symbol": "C"})
    with pytest.raises(MissingColumnError):
        load_series(path, "spread")
    with pytest.raises(DuplicateTimesError) as caught:
        load_series(path, "rate")
    assert caught.value.row == 3


def test_series_stitched_from_parts(write):
    path = write("time,rate\n3,0.3\n1,0.1\n")
    with pytest.raises(UnsortedTimesError):
        load_series(path, "rate")
    assert load_series(path, "rate", sort=True).value.tolist() == [0.1, 0.3]


CHAIN = (
    "timestamp,currency,instrument_name,option_type,strike,expiry,underlying,index_price,mark_price,"
    "implied_volatility,open_interest\n"
)


def test_option_chain(write):
    path = write(
        CHAIN
        + "2026-01-05T09:00:00Z,BTC,C1,call,100,2026-02-01 08:00:00+00:00,101,100,0.05,0.6,7\n"
        + "2026-01-05T09:00:00Z,BTC,P1,put,100,2026-02-01 08:00:00+00:00,101,100,0.04,0.6,8\n"
        + "2026-01-05T09:00:00Z,ETH,C2,call,10,2026-02-01 08:00:00+00:00,10,10,0.05,0.7,9\n"
    )
    put, call = load_option_chain(path, "BTC")
    assert (put.name, call.name) == ("P1", "C1")
    assert not put.is_call
    assert call.is_call
    assert (call.strike, call.forward, call.index, call.volatility) == (100, 101, 100, 0.6)
    assert call.expiry - call.time == 26 * 86_400 + 23 * 3600
    with pytest.raises(EmptyRangeError):
        load_option_chain(path, "BTC", "2026-01-06")
    with pytest.raises(EmptyRangeError):
        load_option_chain(path, "SOL")


def test_option_chain_refuses_a_strike_of_zero(write):
    path = write(CHAIN + "2026-01-05T09:00:00Z,BTC,C1,call,0,2026-02-01T08:00:00Z,101,100,0.05,0.6,7\n")
    with pytest.raises(NonPositivePriceError) as caught:
        load_option_chain(path, "BTC")
    assert caught.value.row == 2


def test_folder_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("PLIMSOLL_DATA", raising=False)
    with pytest.raises(SourceNotFoundError, match="is not set"):
        data_folder()
    monkeypatch.setenv("PLIMSOLL_DATA", str(tmp_path / "none"))
    with pytest.raises(SourceNotFoundError, match="is no folder"):
        data_folder()
    (tmp_path / "x_1h.csv").write_text(GOOD)
    monkeypatch.setenv("PLIMSOLL_DATA", str(tmp_path))
    assert len(load_recorded("x_1h")) == 3
    assert len(load_recorded("x_1h.csv")) == 3
    with pytest.raises(SourceNotFoundError, match=r"one of these is right: x_1h\.csv"):
        load_recorded("y_1h")


@pytest.mark.slow
def test_sp500():
    bars = load_sp500()
    assert len(bars) == 5031
    assert bars.time[0] == 915_408_000  # 1999-01-04
    assert bars.close[0] == pytest.approx(1228.099976)
    assert 250 < bars.per_year < 253
    assert np.all(bars.high >= bars.low)
    with pytest.raises(EmptyRangeError):
        load_sp500(end=0)


@pytest.mark.slow
def test_wti_drops_holidays_and_counts_them():
    bars = load_wti()
    assert bars.dropped == 290
    assert bars.close[0] == 25.56
    assert np.all(np.isfinite(bars.close))
    assert 250 < bars.per_year < 254


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows", "volatility"), [("btc_usdt_spot_1h", 70_813, 0.68), ("eth_usdt_spot_1h", 58_837, 0.82)]
)
def test_recorded_facts(data_folder, name, rows, volatility):
    bars = load_bars(data_folder / f"{name}.csv.gz")
    assert len(bars) == rows
    assert bars.interval == 3600
    daily = bars.close[(bars.time + 3600) % 86_400 == 0]
    returns = np.diff(np.log(daily))
    assert np.std(returns) * np.sqrt(365) == pytest.approx(volatility, abs=0.025)
    centred = returns - returns.mean()
    assert np.mean(centred**4) / np.mean(centred**2) ** 2 - 3 == pytest.approx(16, abs=1.5)


@pytest.mark.data
@pytest.mark.slow
def test_recorded_series_and_chains_load(data_folder):
    assert len(load_series(data_folder / "perp_funding_8h.csv.gz", "funding_rate_8h", {"symbol": "BTCUSDT"})) == 4074
    depth = load_series(data_folder / "perp_depth_50bps.csv.gz", "depth_50bps", {"asset": "BTC"}, sort=True)
    assert 3e6 < np.median(depth.value) < 3.5e6
    assert np.quantile(depth.value, 0.01) == pytest.approx(0.96e6, rel=0.02)
    assert load_bars(data_folder / "btc_dvol_1h.csv.gz", price="dvol").close[0] == 0.8488
    chain = load_option_chain(data_folder / "option_chain_2025-12-30.csv.gz", "ETH")
    assert all(quote.expiry > quote.time for quote in chain)
    with pytest.raises(SourceError):
        load_bars(data_folder / "btc_book25_sample.csv.gz")
