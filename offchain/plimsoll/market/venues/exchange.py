"""Exchanges, through ccxt: books, perpetuals' marks and funding, option chains, hours.

ccxt knows each venue's wire format; what is done here is to bound it. An answer has a time and a size in all, not a
read alone: who sends a byte now and then is cut off. Every number that comes out is checked, since a venue that answers
`null`, text or a book that crosses is an error of that venue and of nothing else. And no host but the one that is meant
is asked: a redirect is refused.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import numpy as np
import requests

from plimsoll.market.errors import SourceError
from plimsoll.market.extras import required
from plimsoll.market.orderbook import OrderBook
from plimsoll.market.venues.answers import HOUR, Answer, Candle, Candles, Kind, OptionLine, mark_of, number
from plimsoll.market.venues.errors import (
    VenueAnswerError,
    VenueBusyError,
    VenueDownError,
    VenueError,
    VenueSettingError,
)
from plimsoll.market.venues.hours import candles_of

LARGEST: Final = 32 * 2**20  # [bytes] of an answer: the instruments of a large venue are a third of it
CHUNK: Final = 2**16
PAGE: Final = 300  # hours at once: the least that a venue gives
PAGES: Final = 8  # at one asking
RELOAD: Final = 6 * HOUR  # [s] between looks at what a venue lists: options come every day
WIDEST: Final = 0.02  # [share of mid] a wider book says nothing of a price
TRADED: Final[tuple[Kind, ...]] = ("spot", "perp", "option")
BUSY: Final = frozenset({418, 429})  # HTTP: too many requests, and Binance's ban of who goes on
COARSE: Final = 1_000  # [ms of the epoch] to seconds

T = TypeVar("T")


class BoundedSession(requests.Session):
    """A session whose answers end in time, are no longer than `LARGEST`, and come from who was asked.

    Connecting, the wait for a first byte, and any silence have `seconds` each; the whole of an answer that keeps coming
    has as much, so that three times that is the most that one takes.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.trust_env = False
        self.seconds = seconds
        self.status = 0  # of the last answer

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """As the base class, the body read whole."""
        ends = clock.monotonic() + self.seconds
        options.update(stream=True, timeout=self.seconds, allow_redirects=False)
        self.status = 0
        response = super().request(*args, **options)
        self.status = response.status_code
        try:
            if response.is_redirect:
                raise VenueDownError(f"redirected to {urlsplit(response.headers['location']).hostname}")
            body = bytearray()
            # read1 gives what there is: a read of a whole chunk would wait for one that never fills
            while part := response.raw.read1(CHUNK, decode_content=True):
                body += part
                if clock.monotonic() > ends:
                    raise VenueDownError(f"no whole answer within {self.seconds:g} s")
                if len(body) > LARGEST:
                    raise VenueDownError(f"an answer of over {LARGEST} bytes")
        finally:
            response.close()
        response._content = bytes(body)  # noqa: SLF001 - requests has no other door for a body that was read
        return response


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """How an exchange is asked.

    Parameters
    ----------
    venue
        Its name in ccxt: ``kraken``, ``coinbaseexchange``, ``binanceusdm``.
    symbol
        ccxt's name of the market: ``BTC/USD``, ``BTC/USDT:USDT``; the coin alone for a chain of options.
    kind
        ``spot``, ``perp`` or ``option``.
    url
        Scheme, host and path before the venue's own, in place of its hosts: a mirror, or a stand-in.
    ticker
        Take the last trade in place of the mid of the book; then no depth is measured.
    levels
        Of the book that are asked for, each side; a venue gives as many as it likes.
    cost
        Mean distance from mid up to which an order counts as depth [share of mid].
    deadline
        Of one request [s].
    """

    venue: str
    symbol: str
    kind: Kind = "spot"
    url: str | None = None
    ticker: bool = False
    levels: int = 100
    cost: float = 0.001
    deadline: float = 8.0


class ExchangeVenue:
    """One market of one exchange.

    Parameters
    ----------
    name
        Of the source.
    config
        What is asked, and how.
    now
        The clock [unix s].

    Raises
    ------
    VenueSettingError
        ccxt knows no such exchange, or it cannot give what is asked for.
    """

    def __init__(self, name: str, config: ExchangeConfig, now: Callable[[], float] = clock.time) -> None:
        ccxt = required("ccxt", "live")
        if config.venue not in ccxt.exchanges:
            raise VenueSettingError(f"{name}: ccxt knows no exchange {config.venue!r}")
        if config.kind not in TRADED:
            raise VenueSettingError(f"{name}: kind {config.kind}; {', '.join(TRADED)} is right of an exchange")
        self.name, self.kind, self.config, self._now = name, config.kind, config, now
        self._session = BoundedSession(config.deadline)
        self._ccxt = ccxt
        self._client = self._made()
        self._fresh = True  # it was asked nothing yet
        self._loaded: float | None = None  # never
        wanted = {"spot": "fetchOrderBook", "perp": "fetchFundingRate", "option": "fetchOptionChain"}[config.kind]
        if not self._client.has.get(wanted):
            raise VenueSettingError(f"{name}: {config.venue} has no {wanted} in ccxt")

    def _made(self) -> Any:
        """A client that knows nothing yet."""
        config = self.config
        client = getattr(self._ccxt, config.venue)(
            {
                "session": self._session,
                "enableRateLimit": config.url is None,  # a server of one's own needs no pacing
                "timeout": round(config.deadline * COARSE),
            }
        )
        self._narrow(client)
        if config.url is not None:
            self._redirect(client, config.url)
        return client

    def _narrow(self, client: Any) -> None:
        """Let it ask for markets of the one type: each further type is another host that can be down."""
        listed = client.options.get("fetchMarkets")
        if isinstance(listed, dict) and "types" in listed:
            swap = "swap"
            if client.id.startswith("binance"):
                coin, _, settled = self.config.symbol.partition("/")
                swap = "inverse" if settled.endswith(f":{coin}") else "linear"
            kind = swap if self.kind == "perp" else self.kind
            client.options["fetchMarkets"] = {**listed, "types": [kind]}

    @staticmethod
    def _redirect(client: Any, url: str) -> None:
        """Every host of the venue, public or private, becomes the one that is given."""
        base = url.rstrip("/")
        api = client.urls["api"]
        if isinstance(api, str):
            client.urls["api"] = base + urlsplit(api).path
        else:
            client.urls["api"] = {
                key: base + urlsplit(value.replace("{hostname}", "host")).path
                for key, value in api.items()
                if isinstance(value, str)
            }

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()

    def ask(self) -> Answer:
        """What it says now; `changed` is when it was received, for who asks to put right.

        Raises
        ------
        VenueError
            No answer, or one that cannot be used.
        """
        return self._bounded({"spot": self._spot, "perp": self._perp, "option": self._chain}[self.kind])

    def hours(self, since: int, until: int) -> Candles:
        """Its hours that open from `since` and closed by `until` [unix s].

        Raises
        ------
        VenueError
            As `ask`.
        """
        return self._bounded(lambda: self._hours(since, until))

    def _bounded(self, asked: Callable[[], T]) -> T:
        """Load what is listed, ask, and name what goes wrong."""
        try:
            self._load()
            return asked()
        except VenueError:
            raise
        except SourceError as error:
            raise VenueAnswerError(str(error)) from error
        except self._ccxt.BaseError as error:
            # ccxt has names of its own for it, but not for every venue
            busy = isinstance(error, self._ccxt.DDoSProtection | self._ccxt.RateLimitExceeded)
            busy = busy or self._session.status in BUSY
            kind = VenueBusyError if busy else VenueDownError
            raise kind(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        except Exception as error:
            # ccxt reads fields of whatever came: an answer of another shape is a TypeError somewhere in it
            raise VenueAnswerError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error

    def _load(self) -> None:
        """Look at what is listed, where that was not done lately."""
        now = clock.monotonic()
        if self._loaded is not None and now - self._loaded < RELOAD:
            return
        # another one each time: some keep what they were told, also where it was nonsense
        client = self._client if self._fresh else self._made()
        self._fresh = False
        client.load_markets()
        if not client.markets:
            raise VenueAnswerError("lists no market")
        if self.kind != "option" and self.config.symbol not in client.markets:
            raise VenueAnswerError(f"lists no {self.config.symbol}")
        self._client, self._loaded = client, now

    # ------------------------------------------------------------------------------------------------------- answers

    def _answer(self, stamp: object, content: object, **fields: Any) -> Answer:
        received = int(self._now())
        seconds = None if stamp is None else int(number(stamp, "time", least=0.0)) // COARSE
        return Answer(self.name, self.kind, received, seconds, received, mark_of(content), **fields)

    def _spot(self) -> Answer:
        config = self.config
        if config.ticker:
            found = self._client.fetch_ticker(config.symbol)
            price = number(found["last"], "last", least=0.0)
            return self._answer(found.get("timestamp"), [price, found.get("baseVolume")], price=price)
        found = self._client.fetch_order_book(config.symbol, config.levels)
        book = self._book(found)
        if book.spread > WIDEST:
            raise VenueAnswerError(f"a spread of {book.spread:.2%}; at most {WIDEST:.0%} is a market")
        depth = min(book.takes(config.cost, buy=buy) for buy in (False, True))
        content = [side.tolist() for side in (book.bid_price, book.bid_size, book.ask_price, book.ask_size)]
        return self._answer(found.get("timestamp"), content, price=book.mid, depth=depth)

    def _book(self, found: Mapping[str, Any]) -> OrderBook:
        """The book down to its last level that was asked for, levels without size left out."""
        sides = {}
        for side in ("bids", "asks"):
            first = found[side][: self.config.levels]
            rows = [(number(row[0], side, least=0.0), number(row[1], f"size of {side}")) for row in first]
            there = [row for row in rows if row[1] != 0]
            if not there:
                raise VenueAnswerError(f"no {side}")
            sides[side] = np.array(there, dtype=np.float64).T
        bids, asks = sides["bids"], sides["asks"]
        return OrderBook(self._now(), bids[0], bids[1], asks[0], asks[1], self.name)

    def _perp(self) -> Answer:
        """The mark that the venue publishes, its index and the funding rate."""
        symbol, client = self.config.symbol, self._client
        rate = client.fetch_funding_rate(symbol)
        mark, index, stamp = rate.get("markPrice"), rate.get("indexPrice"), rate.get("timestamp")
        if mark is None:
            seen = client.fetch_mark_price(symbol) if client.has.get("fetchMarkPrice") else client.fetch_ticker(symbol)
            mark, index, stamp = seen.get("markPrice"), seen.get("indexPrice") or index, seen.get("timestamp")
        price = number(mark, "mark", least=0.0)
        beside = None if index is None else number(index, "index", least=0.0)
        funding = rate.get("fundingRate")
        funds = None if funding is None else number(funding, "funding rate")
        return self._answer(stamp, [price, beside, funds], price=price, index=beside, funding=funds)

    def _chain(self) -> Answer:
        """Every option that is listed, its sides and the venue's volatility; a line that cannot be used is left out."""
        found = self._client.fetch_option_chain(self.config.symbol)
        lines, stamps, refused = [], [], 0
        for symbol, option in found.items():
            listed = self._client.markets.get(symbol)
            if listed is None or not listed.get("option"):
                continue
            try:
                lines.append(_line(option, listed))
            except VenueAnswerError:
                refused += 1
                continue
            stamp = option.get("timestamp") or option["info"].get("creation_timestamp")
            stamps += [] if stamp is None else [number(stamp, "time", least=0.0)]
        if not lines:
            raise VenueAnswerError(f"a chain of {len(found)} options, {refused} of them not to be used, and no other")
        lines.sort(key=lambda line: (line.expiry, line.strike, line.call))
        content = [[o.expiry, o.strike, o.call, o.forward, o.bid, o.ask, o.volatility] for o in lines]
        return self._answer(max(stamps) if stamps else None, content, chain=tuple(lines))

    def _hours(self, since: int, until: int) -> Candles:
        received = int(self._now())
        found: dict[int, Candle] = {}
        for _ in range(PAGES):
            if since + HOUR > until:
                break
            rows: Sequence[Any] = self._client.fetch_ohlcv(self.config.symbol, "1h", since * COARSE, PAGE)
            page = candles_of(self.name, min(received, until), rows)
            found.update({candle.time: candle for candle in page.hours if candle.time >= since})
            # a page without hours is a hole of the venue's own, or older than it remembers: go past it
            since = max(since + HOUR, page.hours[-1].time + HOUR) if page.hours else since + PAGE * HOUR
        return Candles(self.name, received, tuple(found[time] for time in sorted(found)))


def _line(option: Mapping[str, Any], listed: Mapping[str, Any]) -> OptionLine:
    """One option; prices in coin, as of inverse options, are multiplied by the forward."""
    info = option["info"]
    forward = number(option.get("underlyingPrice"), "forward", least=0.0)
    unit = forward if listed.get("settle") == listed.get("base") else 1.0
    percent = info.get("mark_iv")  # Deribit's; ccxt passes it on as it came
    volatility = option.get("impliedVolatility") if percent is None else number(percent, "volatility", least=0.0) / 100
    sides = {
        side: None if option.get(side) is None else number(option[side], side) * unit
        for side in ("bidPrice", "askPrice")
    }
    return OptionLine(
        int(number(listed["expiry"], "expiry", least=0.0)) // COARSE,
        number(listed["strike"], "strike", least=0.0),
        listed["optionType"] == "call",
        forward,
        sides["bidPrice"],
        sides["askPrice"],
        None if volatility is None else number(volatility, "volatility", least=0.0),
    )
