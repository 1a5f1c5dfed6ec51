"""A stand-in for exchanges: one server that answers in each venue's own wire format, and misbehaves on command.

What is under test is then the whole way from a socket through ccxt to a median. Each venue has a path of its own:
`<url>/kraken` in the settings' `url` stands for Kraken's hosts. The formats are those of

    binance           developers.binance.com: Spot REST API, General and Market Data endpoints (exchangeInfo, depth,
                      klines, ticker/24hr); USDS-Margined Futures, Market Data (exchangeInfo, premiumIndex, depth)
    coinbaseexchange  docs.cdp.coinbase.com: Exchange REST API, Products (products, book, ticker, candles), Currencies
    kraken            docs.kraken.com: Spot REST, Market Data (Assets, AssetPairs, Depth, OHLC, Ticker)
    okx               www.okx.com/docs-v5: Public Data (instruments, funding-rate, mark-price), Order Book Trading,
                      Market Data (books, candles, ticker)
    bitstamp          www.bitstamp.net/api: Market info (markets, ohlc), Order book, Tickers
    deribit           docs.deribit.com: Market Data (get_instruments, get_currencies, ticker, get_funding_rate_value,
                      get_book_summary_by_currency, get_order_book, get_tradingview_chart_data)

as far as they are asked. Books change from answer to answer, as living ones do; prices change when told to.

    python -m plimsoll.simulate.venues --port 9700
    curl -d '{"price": {"BTC/USD": 65000}, "fault": "lie", "venue": "kraken"}' http://127.0.0.1:9700/control
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import socket
import struct
import threading
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from plimsoll.simulate.errors import SimulationError

VENUES: Final = ("binance", "coinbaseexchange", "kraken", "okx", "bitstamp", "deribit")
FAULTS: Final[Mapping[str, str]] = {
    "none": "as it should be",
    "lie": "ten times the price",
    "freeze": "answers stand still, their stamps too",
    "still": "answers stand still under fresh stamps",
    "future": "stamps an hour ahead",
    "hang": "no answer, the connection open",
    "drip": "a byte now and then",
    "endless": "an answer without an end",
    "500": "internal server error",
    "429": "too many requests",
    "garbage": "no JSON",
    "empty": "an empty object",
    "null": "null for every number",
    "crossed": "bids over asks",
    "redirect": "sends elsewhere",
    "gone": "the connection is cut",
}
HOUR: Final = 3_600
DAY: Final = 86_400
LEVELS: Final = 100
STEP: Final = 5e-5  # of the price, between levels
LIE: Final = 10.0
BASIS: Final = 1.0002  # mark of a perpetual over the index
FUNDING: Final = 0.0001
VOLATILITY: Final = 0.6  # [1 a year] at the money
STRIKES: Final = (0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3)  # of the price when it started
DRIP: Final = 0.1  # [s] between bytes
PATIENCE: Final = 0.02  # [s] between looks at whether a fault is over
MILLI: Final = 1_000
PERPETUAL: Final = 4_133_404_800_000  # [ms] what Binance gives as the delivery of what never is


@dataclass(frozen=True, slots=True)
class View:
    """What one venue sees when it is asked: its time [s], the count of answers, prices by coin."""

    now: float
    count: int
    prices: Mapping[str, float]
    crossed: bool = False

    @property
    def milliseconds(self) -> int:
        """Its time [ms]."""
        return round(self.now * MILLI)

    def book(self, coin: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Bids and asks, best first; a size changes from answer to answer."""
        price = self.prices[coin]
        swap = -1 if self.crossed else 1
        sides = []
        for sign in (-swap, swap):
            sizes = [1.0 + (k % 3) / 2 + (self.count % 97 + 1) / 1_000 * (k == 0) for k in range(LEVELS)]
            sides.append([(round(price * (1 + sign * STEP * (k + 1)), 8), sizes[k]) for k in range(LEVELS)])
        return sides[0], sides[1]

    def hours(self, coin: str, start: int, end: int, most: int) -> list[tuple[int, float, float, float, float]]:
        """Time [s], open, high, low, close of the hours that open from `start` to `end` [s], `most` at most."""
        first = start + -start % HOUR
        times = range(first, min(end, int(self.now)) + 1, HOUR)[:most]
        found = []
        for time in times:
            opened, closed = (self.prices[coin] * (1 + 0.001 * ((t // HOUR) % 5 - 2)) for t in (time, time + HOUR))
            found.append((time, opened, max(opened, closed) * 1.0005, min(opened, closed) * 0.9995, closed))
        return found


class _Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A path or a symbol that the venue does not have."""


class VenueStandIn:
    """The server; `start` it in a thread of this process, or run the module.

    Parameters
    ----------
    port
        Of 127.0.0.1; 0 takes any free one.
    prices
        Coin -> price.
    expiries
        Of options [unix s]; two by default, a week and a month from now.
    now
        The clock [unix s].

    Raises
    ------
    OSError
        The port cannot be had.
    """

    def __init__(
        self,
        port: int = 0,
        prices: Mapping[str, float] | None = None,
        expiries: tuple[int, ...] = (),
        now: Callable[[], float] = clock.time,
    ) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._prices: dict[str, dict[str, float]] = {
            venue: dict(prices or {"BTC": 60_000.0, "ETH": 3_000.0}) for venue in VENUES
        }
        self._faults: dict[str, str] = dict.fromkeys(VENUES, "none")
        self._frozen: dict[str, View] = {}
        self._count = 0
        self.requests: dict[str, int] = dict.fromkeys(VENUES, 0)
        start = int(now()) // DAY * DAY + 8 * HOUR  # options expire at eight
        self.expiries = expiries or (start + 7 * DAY, start + 30 * DAY)
        self.strikes = {
            coin: tuple(_rounded(price * share) for share in STRIKES) for coin, price in self._prices["deribit"].items()
        }
        self.ended = threading.Event()
        self._server = _Server(self, port)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def url_of(self, venue: str) -> str:
        """What stands for a venue's hosts."""
        return f"{self.url}/{venue}"

    def set_price(self, symbol: str, price: float, venue: str | None = None) -> None:
        """Set the price of a coin, named alone or by a pair, at one venue or at all.

        Raises
        ------
        SimulationError
            The price is not positive, or venue or coin are not there.
        """
        coin = symbol.partition("/")[0]
        if not (math.isfinite(price) and price > 0):
            raise SimulationError(f"price {price}; a positive number is right")
        with self._lock:
            for name in self._named(venue):
                if coin not in self._prices[name]:
                    raise SimulationError(f"no coin {coin}; {', '.join(self._prices[name])} is right")
                self._prices[name][coin] = price

    def fault(self, name: str, venue: str | None = None) -> None:
        """Let one venue, or all, misbehave by one of `FAULTS`; "none" ends it.

        Raises
        ------
        SimulationError
            There is no such fault or venue.
        """
        if name not in FAULTS:
            raise SimulationError(f"no fault {name!r}; one of {', '.join(FAULTS)} is right")
        with self._lock:
            for one in self._named(venue):
                self._faults[one] = name
                self._frozen.pop(one, None)
                if name in {"freeze", "still"}:
                    self._frozen[one] = View(self._now(), self._count, dict(self._prices[one]))

    def _named(self, venue: str | None) -> tuple[str, ...]:
        if venue is not None and venue not in VENUES:
            raise SimulationError(f"no venue {venue!r}; one of {', '.join(VENUES)} is right")
        return VENUES if venue is None else (venue,)

    def fault_of(self, venue: str) -> str:
        """How a venue misbehaves now."""
        with self._lock:
            return self._faults[venue]

    def view(self, venue: str) -> View:
        """What a venue sees now, one answer further."""
        with self._lock:
            self._count += 1
            self.requests[venue] += 1
            fault, now = self._faults[venue], self._now()
            frozen = self._frozen.get(venue)
            if frozen is not None:
                return frozen if fault == "freeze" else View(now, frozen.count, frozen.prices)
            scale = LIE if fault == "lie" else 1.0
            prices = {coin: price * scale for coin, price in self._prices[venue].items()}
            return View(now + HOUR * (fault == "future"), self._count, prices, fault == "crossed")

    def start(self) -> VenueStandIn:
        """Serve in a thread of this process, until `stop`."""
        threading.Thread(target=self.serve, name="plimsoll stand-in", daemon=True).start()
        return self

    def serve(self) -> None:
        """Serve in this thread, until `stop`."""
        self._server.serve_forever(poll_interval=0.01)

    def stop(self) -> None:
        """End it, and what hangs in it."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, venue: str, path: str, asked: Mapping[str, str]) -> Any:
        """What a venue answers, as plain values.

        Raises
        ------
        SimulationError
            It has no such path or symbol.
        """
        formats: Mapping[str, Callable[[VenueStandIn, View, str, Mapping[str, str]], Any]] = {
            "binance": _binance,
            "coinbaseexchange": _coinbase,
            "kraken": _kraken,
            "okx": _okx,
            "bitstamp": _bitstamp,
            "deribit": _deribit,
        }
        view = self.view(venue)
        try:
            return formats[venue](self, view, path, asked)
        except (_Refused, KeyError, ValueError) as error:
            raise SimulationError(f"{venue} has no {path} {dict(asked)} ({error})") from error


def _rounded(strike: float) -> float:
    """A strike of three digits at most."""
    unit = 10.0 ** max(0, math.floor(math.log10(strike)) - 2)
    return round(strike / unit) * unit


def _texts(levels: list[tuple[float, float]], most: int = LEVELS) -> list[list[str]]:
    return [[f"{price:.8f}", f"{size:.8f}"] for price, size in levels[:most]]


# --------------------------------------------------------------------------------------------------------------- venues


def _binance(stand: VenueStandIn, view: View, path: str, asked: Mapping[str, str]) -> Any:
    del stand
    if path in {"/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo"}:
        future = path.startswith("/fapi")
        return {
            "timezone": "UTC",
            "serverTime": view.milliseconds,
            "symbols": [
                {
                    "symbol": f"{coin}USDT",
                    "status": "TRADING",
                    "baseAsset": coin,
                    "quoteAsset": "USDT",
                    "baseAssetPrecision": 8,
                    "quotePrecision": 8,
                    "quoteAssetPrecision": 8,
                    "filters": [
                        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
                        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
                    ],
                    "permissions": [],
                    **(
                        {
                            "pair": f"{coin}USDT",
                            "contractType": "PERPETUAL",
                            "deliveryDate": PERPETUAL,
                            "marginAsset": "USDT",
                        }
                        if future
                        else {"isSpotTradingAllowed": True}
                    ),
                }
                for coin in view.prices
            ],
        }
    coin = asked["symbol"].removesuffix("USDT")
    price = view.prices[coin]
    if path in {"/api/v3/depth", "/fapi/v1/depth"}:
        bids, asks = view.book(coin)
        most = int(asked.get("limit", "100"))
        times = {"E": view.milliseconds, "T": view.milliseconds} if path.startswith("/fapi") else {}
        return {"lastUpdateId": view.count, **times, "bids": _texts(bids, most), "asks": _texts(asks, most)}
    if path == "/api/v3/klines":
        most = int(asked.get("limit", "500"))
        start = int(asked.get("startTime", view.milliseconds - most * HOUR * MILLI)) // MILLI
        return [
            [t * MILLI, *(f"{x:.8f}" for x in prices), "10.0", (t + HOUR) * MILLI - 1, "0", 1, "0", "0", "0"]
            for t, *prices in view.hours(coin, start, int(view.now), most)
        ]
    if path == "/api/v3/ticker/24hr":
        return {
            "symbol": asked["symbol"],
            "lastPrice": f"{price:.8f}",
            "bidPrice": f"{price * (1 - STEP):.8f}",
            "askPrice": f"{price * (1 + STEP):.8f}",
            "volume": f"{1_000 + view.count:.8f}",
            "openTime": view.milliseconds - DAY * MILLI,
            "closeTime": view.milliseconds,
        }
    if path == "/fapi/v1/premiumIndex":
        return {
            "symbol": asked["symbol"],
            "markPrice": f"{price * BASIS:.8f}",
            "indexPrice": f"{price:.8f}",
            "estimatedSettlePrice": f"{price:.8f}",
            "lastFundingRate": f"{FUNDING:.8f}",
            "interestRate": "0.00010000",
            "nextFundingTime": (int(view.now) // (8 * HOUR) + 1) * 8 * HOUR * MILLI,
            "time": view.milliseconds,
        }
    raise _Refused


def _coinbase(stand: VenueStandIn, view: View, path: str, asked: Mapping[str, str]) -> Any:
    del stand
    if path == "/currencies":
        return [
            {"id": coin, "name": coin, "status": "online", "max_precision": "0.00000001", "details": {"type": "crypto"}}
            for coin in (*view.prices, "USD")
        ]
    if path == "/products":
        return [
            {
                "id": f"{coin}-USD",
                "base_currency": coin,
                "quote_currency": "USD",
                "base_increment": "0.00000001",
                "quote_increment": "0.01",
                "min_market_funds": "1",
                "margin_enabled": False,
                "status": "online",
            }
            for coin in view.prices
        ]
    _, _, product, what = path.split("/")
    coin = product.removesuffix("-USD")
    stamp = datetime.fromtimestamp(view.now, UTC).isoformat().replace("+00:00", "Z")
    if what == "book":
        bids, asks = view.book(coin)
        return {
            "bids": [[*row, 1] for row in _texts(bids)],
            "asks": [[*row, 1] for row in _texts(asks)],
            "sequence": view.count,
            "auction_mode": False,
            "auction": None,
            "time": stamp,
        }
    if what == "ticker":
        price = view.prices[coin]
        return {
            "trade_id": view.count,
            "price": f"{price:.8f}",
            "size": "0.1",
            "time": stamp,
            "bid": f"{price * (1 - STEP):.8f}",
            "ask": f"{price * (1 + STEP):.8f}",
            "volume": f"{1_000 + view.count}",
        }
    if what == "candles":
        start = int(datetime.fromisoformat(asked["start"]).timestamp())
        end = int(datetime.fromisoformat(asked["end"]).timestamp())
        rows = view.hours(coin, start, end, 300)
        return [[t, low, high, opened, closed, 10.0] for t, opened, high, low, closed in reversed(rows)]
    raise _Refused


KRAKEN: Final = {"BTC": ("XXBT", "XBT"), "ETH": ("XETH", "ETH")}


def _kraken(stand: VenueStandIn, view: View, path: str, asked: Mapping[str, str]) -> Any:
    del stand
    names = {coin: KRAKEN.get(coin, (coin, coin)) for coin in view.prices}
    if path == "/0/public/Assets":
        assets = dict(names.values()) | {"ZUSD": "USD"}
        return _kraken_result(
            {name: {"aclass": "currency", "altname": alt, "decimals": 10} for name, alt in assets.items()}
        )
    if path == "/0/public/AssetPairs":
        return _kraken_result(
            {
                f"{name}ZUSD": {
                    "altname": f"{alt}USD",
                    "wsname": f"{alt}/USD",
                    "base": name,
                    "quote": "ZUSD",
                    "pair_decimals": 1,
                    "lot_decimals": 8,
                    "leverage_buy": [],
                    "fees": [[0, 0.26]],
                    "fees_maker": [[0, 0.16]],
                    "ordermin": "0.0001",
                    "costmin": "0.5",
                    "status": "online",
                }
                for name, alt in names.values()
            }
        )
    pair = asked["pair"]
    coin = next(coin for coin, (name, _) in names.items() if f"{name}ZUSD" == pair)
    if path == "/0/public/Depth":
        bids, asks = view.book(coin)
        most = int(asked.get("count", "100"))
        sides = {"asks": asks, "bids": bids}
        return _kraken_result(
            {pair: {side: [[*row, int(view.now)] for row in _texts(rows, most)] for side, rows in sides.items()}}
        )
    if path == "/0/public/OHLC":
        rows = view.hours(coin, max(int(asked.get("since", "0")) + 1, int(view.now) - 720 * HOUR), int(view.now), 720)
        found = [[t, *(f"{x:.8f}" for x in prices), f"{prices[3]:.8f}", "10.0", 5] for t, *prices in rows]
        return _kraken_result({pair: found, "last": rows[-1][0] if rows else 0})
    if path == "/0/public/Ticker":
        price = view.prices[coin]
        return _kraken_result(
            {
                pair: {
                    "a": [f"{price * (1 + STEP):.8f}", "1", "1.0"],
                    "b": [f"{price * (1 - STEP):.8f}", "1", "1.0"],
                    "c": [f"{price:.8f}", "0.1"],
                    "v": [f"{100 + view.count}", f"{1_000 + view.count}"],
                    "p": [f"{price:.8f}", f"{price:.8f}"],
                    "t": [1, 2],
                    "l": [f"{price:.8f}", f"{price:.8f}"],
                    "h": [f"{price:.8f}", f"{price:.8f}"],
                    "o": f"{price:.8f}",
                }
            }
        )
    raise _Refused


def _kraken_result(result: Any) -> Any:
    return {"error": [], "result": result}


def _okx(stand: VenueStandIn, view: View, path: str, asked: Mapping[str, str]) -> Any:
    del stand
    if path == "/api/v5/public/instruments":
        kind = asked["instType"]
        if kind not in {"SPOT", "SWAP"}:
            return _okx_data([])
        swap = kind == "SWAP"
        return _okx_data(
            [
                {
                    "instType": kind,
                    "instId": f"{coin}-USDT{'-SWAP' * swap}",
                    "uly": f"{coin}-USDT" * swap,
                    "instFamily": f"{coin}-USDT" * swap,
                    "baseCcy": "" if swap else coin,
                    "quoteCcy": "" if swap else "USDT",
                    "settleCcy": "USDT" * swap,
                    "ctVal": "0.01" * swap,
                    "lotSz": "0.01",
                    "tickSz": "0.1",
                    "minSz": "0.01",
                    "lever": "10",
                    "state": "live",
                    "listTime": "1600000000000",
                }
                for coin in view.prices
            ]
        )
    name = asked["instId"]
    coin = name.split("-")[0]
    price, stamp = view.prices[coin], str(view.milliseconds)
    if path == "/api/v5/market/books":
        bids, asks = view.book(coin)
        most = int(asked.get("sz", "1"))
        rows = {
            side: [[*row, "0", "1"] for row in _texts(levels, most)]
            for side, levels in (("asks", asks), ("bids", bids))
        }
        return _okx_data([{**rows, "ts": stamp, "seqId": view.count}])
    if path in {"/api/v5/market/candles", "/api/v5/market/history-candles"}:
        start = int(asked.get("before", "0")) // MILLI + 1
        end = int(asked.get("after", stamp)) // MILLI - 1
        found = view.hours(coin, start, end, int(asked.get("limit", "100")))
        ends = int(view.now)
        return _okx_data(
            [
                [str(t * MILLI), *(f"{x:.8f}" for x in prices), "10", "0", "0", "1" if t + HOUR <= ends else "0"]
                for t, *prices in reversed(found)
            ]
        )
    if path == "/api/v5/public/funding-rate":
        next_time = (int(view.now) // (8 * HOUR) + 1) * 8 * HOUR * MILLI
        return _okx_data(
            [
                {
                    "instType": "SWAP",
                    "instId": name,
                    "fundingRate": str(FUNDING),
                    "nextFundingRate": "",
                    "fundingTime": str(next_time),
                    "nextFundingTime": str(next_time + 8 * HOUR * MILLI),
                    "ts": stamp,
                }
            ]
        )
    if path == "/api/v5/public/mark-price":
        return _okx_data([{"instType": "SWAP", "instId": name, "markPx": f"{price * BASIS:.8f}", "ts": stamp}])
    if path == "/api/v5/market/ticker":
        return _okx_data(
            [
                {
                    "instType": "SPOT",
                    "instId": name,
                    "last": f"{price:.8f}",
                    "askPx": f"{price * (1 + STEP):.8f}",
                    "bidPx": f"{price * (1 - STEP):.8f}",
                    "vol24h": f"{1_000 + view.count}",
                    "volCcy24h": "0",
                    "ts": stamp,
                }
            ]
        )
    raise _Refused


def _okx_data(data: list[Any]) -> Any:
    return {"code": "0", "msg": "", "data": data}


def _bitstamp(stand: VenueStandIn, view: View, path: str, asked: Mapping[str, str]) -> Any:
    del stand
    if path == "/api/v2/markets/":
        return [
            {
                "name": f"{coin}/USD",
                "market_symbol": f"{coin.lower()}usd",
                "base_currency": coin,
                "base_decimals": 8,
                "counter_currency": "USD",
                "counter_decimals": 2,
                "minimum_order_value": "10",
                "trading": "Enabled",
                "instant_and_market_orders": "Enabled",
                "description": f"{coin} / U.S. dollar",
                "market_type": "SPOT",
            }
            for coin in view.prices
        ]
    _, _, _, what, pair, _ = path.split("/")
    coin = pair.removesuffix("usd").upper()
    price = view.prices[coin]
    if what == "order_book":
        bids, asks = view.book(coin)
        return {
            "timestamp": str(int(view.now)),
            "microtimestamp": str(round(view.now * 1e6)),
            "bids": _texts(bids),
            "asks": _texts(asks),
        }
    if what == "ohlc":
        most = int(asked.get("limit", "1000"))
        start = int(asked.get("start", str(int(view.now) - most * HOUR)))
        rows = view.hours(coin, start, int(asked.get("end", str(int(view.now)))), most)
        return {
            "data": {
                "pair": f"{coin}/USD",
                "ohlc": [
                    {
                        "timestamp": str(t),
                        "open": f"{opened:.8f}",
                        "high": f"{high:.8f}",
                        "low": f"{low:.8f}",
                        "close": f"{closed:.8f}",
                        "volume": "10.0",
                    }
                    for t, opened, high, low, closed in rows
                ],
            }
        }
    if what == "ticker":
        return {
            "timestamp": str(int(view.now)),
            "last": f"{price:.8f}",
            "bid": f"{price * (1 - STEP):.8f}",
            "ask": f"{price * (1 + STEP):.8f}",
            "high": f"{price:.8f}",
            "low": f"{price:.8f}",
            "open": f"{price:.8f}",
            "vwap": f"{price:.8f}",
            "volume": f"{1_000 + view.count}",
            "pair": f"{coin}/USD",
        }
    raise _Refused


def _deribit(stand: VenueStandIn, view: View, path: str, asked: Mapping[str, str]) -> Any:
    what = path.removeprefix("/api/v2/public/")
    return {
        "jsonrpc": "2.0",
        "result": _deribit_result(stand, view, what, asked),
        "usIn": round(view.now * 1e6),
        "usOut": round(view.now * 1e6),
        "usDiff": 0,
        "testnet": False,
    }


def _deribit_result(stand: VenueStandIn, view: View, what: str, asked: Mapping[str, str]) -> Any:
    if what == "get_currencies":
        return [
            {"currency": coin, "currency_long": coin, "coin_type": coin, "fee_precision": 4} for coin in view.prices
        ]
    if what == "get_instruments":
        return [item for coin in view.prices for item in _deribit_listed(stand, coin)]
    if what == "get_book_summary_by_currency":
        return _deribit_options(stand, view, asked["currency"])
    name = asked["instrument_name"]
    coin = name.split("-")[0]
    price = view.prices[coin]
    if what == "ticker":
        return {
            "timestamp": view.milliseconds,
            "state": "open",
            "stats": {"volume": 1_000.0 + view.count, "low": price, "high": price},
            "instrument_name": name,
            "last_price": price,
            "mark_price": round(price * BASIS, 2),
            "index_price": price,
            "funding_8h": FUNDING,
            "current_funding": FUNDING,
            "best_bid_price": price * (1 - STEP),
            "best_bid_amount": 1_000.0,
            "best_ask_price": price * (1 + STEP),
            "best_ask_amount": 1_000.0,
            "open_interest": 1e8,
        }
    if what == "get_funding_rate_value":
        return FUNDING
    if what == "get_order_book":
        bids, asks = view.book(coin)
        return {
            "timestamp": view.milliseconds,
            "change_id": view.count,
            "instrument_name": name,
            "bids": [list(row) for row in bids],
            "asks": [list(row) for row in asks],
        }
    if what == "get_tradingview_chart_data":
        rows = view.hours(coin, int(asked["start_timestamp"]) // MILLI, int(asked["end_timestamp"]) // MILLI, 5_000)
        columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
        names = ("ticks", "open", "high", "low", "close")
        found = {key: list(column) for key, column in zip(names, columns, strict=True)}
        found["ticks"] = [tick * MILLI for tick in found["ticks"]]
        return {"status": "ok", "volume": [10.0] * len(rows), "cost": [0.0] * len(rows), **found}
    raise _Refused


def _option_name(coin: str, expiry: int, strike: float, letter: str) -> str:
    day = datetime.fromtimestamp(expiry, UTC)
    return f"{coin}-{day.day}{day.strftime('%b%y').upper()}-{strike:g}-{letter}"


def _deribit_listed(stand: VenueStandIn, coin: str) -> list[dict[str, Any]]:
    common = {
        "base_currency": coin,
        "counter_currency": "USD",
        "settlement_currency": coin,
        "is_active": True,
        "creation_timestamp": 1_534_242_287_000,
        "taker_commission": 0.0005,
        "maker_commission": 0.0,
    }
    perpetual = {
        **common,
        "kind": "future",
        "instrument_name": f"{coin}-PERPETUAL",
        "settlement_period": "perpetual",
        "quote_currency": "USD",
        "future_type": "reversed",
        "contract_size": 10.0,
        "tick_size": 0.5,
        "min_trade_amount": 10.0,
        "expiration_timestamp": 32_503_708_800_000,
    }
    options = [
        {
            **common,
            "kind": "option",
            "instrument_name": _option_name(coin, expiry, strike, letter),
            "settlement_period": "month",
            "quote_currency": coin,
            "option_type": "call" if letter == "C" else "put",
            "strike": strike,
            "contract_size": 1.0,
            "tick_size": 0.0005,
            "min_trade_amount": 0.1,
            "expiration_timestamp": expiry * MILLI,
        }
        for expiry in stand.expiries
        for strike in stand.strikes[coin]
        for letter in "PC"
    ]
    return [perpetual, *options]


def _deribit_options(stand: VenueStandIn, view: View, coin: str) -> list[dict[str, Any]]:
    """Options in coin, by Black's formula on a smile of one shape."""
    found = []
    price = view.prices[coin]
    for expiry in stand.expiries:
        tau = (expiry - view.now) / (365 * DAY)
        if tau <= 0:
            continue
        forward = price * (1 + 0.05 * tau)
        for strike in stand.strikes[coin]:
            k = math.log(strike / forward)
            volatility = VOLATILITY * (1 + k * k)
            spread = volatility * math.sqrt(tau)
            d1 = -k / spread + spread / 2
            call = _normal(d1) - strike / forward * _normal(d1 - spread)
            for letter, value in (("P", call - 1 + strike / forward), ("C", call)):
                bid, ask = (max(0.0, value - 0.0005), value + 0.0005)
                found.append(
                    {
                        "instrument_name": _option_name(coin, expiry, strike, letter),
                        "base_currency": coin,
                        "quote_currency": coin,
                        "underlying_index": f"SYN.{coin}",
                        "underlying_price": forward,
                        "estimated_delivery_price": price,
                        "bid_price": round(bid, 6) or None,
                        "ask_price": round(ask, 6),
                        "mid_price": round((bid + ask) / 2, 6),
                        "mark_price": round(value, 6),
                        "mark_iv": round(volatility * 100, 2),
                        "interest_rate": 0.0,
                        "open_interest": 100.0 + view.count % 7,
                        "volume": 1.0,
                        "creation_timestamp": view.milliseconds,
                    }
                )
    return found


def _normal(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


# --------------------------------------------------------------------------------------------------------------- server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, stand: VenueStandIn, port: int) -> None:
        self.stand = stand
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no news: the base class would print a traceback."""
        del request, client_address


def _nulled(value: Any) -> Any:
    """The same shape with null for every number and every text."""
    if isinstance(value, dict):
        return {key: _nulled(item) for key, item in value.items()}
    return [_nulled(item) for item in value] if isinstance(value, list) else None


class _Handler(BaseHTTPRequestHandler):
    """One connection, one request."""

    server: _Server
    protocol_version = "HTTP/1.0"
    server_version = "plimsoll-stand-in"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: thousands of answers are no news."""
        del format, args

    def do_POST(self) -> None:
        """Take a command."""
        if urlsplit(self.path).path != "/control":
            self._send(404, b"{}")
            return
        stand = self.server.stand
        try:
            told = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            for symbol, price in told.get("price", {}).items():
                stand.set_price(symbol, float(price), told.get("venue"))
            if "fault" in told:
                stand.fault(str(told["fault"]), told.get("venue"))
        except (SimulationError, ValueError, AttributeError, TypeError) as error:
            self._send(400, json.dumps({"error": str(error)}).encode())
            return
        self._send(200, b'{"ok": true}')

    def do_GET(self) -> None:
        """Answer for a venue, or misbehave for it."""
        stand = self.server.stand
        found = urlsplit(self.path)
        _, venue, *rest = found.path.split("/")
        if venue not in VENUES:
            self._send(404, b"{}")
            return
        fault = stand.fault_of(venue)
        try:
            plain = stand.answer(venue, "/" + "/".join(rest), dict(parse_qsl(found.query)))
        except SimulationError as error:
            self._send(404, json.dumps({"error": str(error)}).encode())
            return
        body = json.dumps(_nulled(plain) if fault == "null" else plain).encode()
        with contextlib.suppress(OSError):  # who asked has gone
            self._misbehave(venue, fault, body)

    def _misbehave(self, venue: str, fault: str, body: bytes) -> None:
        if fault == "hang":
            self._wait(venue, fault)
        elif fault == "gone":
            # reset, not ended: as a host that is not there any more
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault == "drip":
            self._head(200, len(body))
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                if self.server.stand.ended.wait(DRIP) or self.server.stand.fault_of(venue) != fault:
                    return
        elif fault == "endless":
            self._head(200, None)
            while not self.server.stand.ended.is_set() and self.server.stand.fault_of(venue) == fault:
                self.wfile.write(b" " * 2**20)
        elif fault in {"500", "429"}:
            self._send(int(fault), b"<html>later</html>")
        elif fault in {"garbage", "empty"}:
            self._send(200, b"\xff{]nonsense" if fault == "garbage" else b"{}")
        elif fault == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://203.0.113.1/")  # an address for documents (RFC 5737)
            self.end_headers()
        else:
            self._send(200, body)

    def _wait(self, venue: str, fault: str) -> None:
        stand = self.server.stand
        while not stand.ended.wait(PATIENCE) and stand.fault_of(venue) == fault:
            pass

    def _head(self, status: int, length: int | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, status: int, body: bytes) -> None:
        self._head(status, len(body))
        with contextlib.suppress(OSError):
            self.wfile.write(body)


def main(arguments: list[str] | None = None) -> None:
    """Run it as a process until it is ended."""
    parser = argparse.ArgumentParser(description="A stand-in for exchanges; see the module's docstring.")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; any free one by default")
    parser.add_argument("--price", action="append", default=[], metavar="COIN=PRICE", help="may be given again")
    asked = parser.parse_args(arguments)
    prices = {coin: float(price) for coin, _, price in (text.partition("=") for text in asked.price)}
    stand = VenueStandIn(asked.port, prices or None)
    print(stand.url, flush=True)  # noqa: T201 - who started it reads where it listens
    with contextlib.suppress(KeyboardInterrupt):
        stand.serve()


if __name__ == "__main__":
    main()
