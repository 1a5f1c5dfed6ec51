"""What would keep a keeper from doing its work, looked for before it starts: `plimsoll doctor`.

Each check looks at one thing and says what it found; one that meets an error says that, under its own name, and the
others go on. Nothing is sent to the chain, and nothing is written but a file of a few bytes beside the journal, which
goes again. A key is read to learn its address, and never shown.

A check whose ground is missing (no endpoint answers, say) is not looked at: it warns, and what is missing fails.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import requests

from plimsoll.chain.contract import Contract, batch, interface_of
from plimsoll.chain.deployment import System, account_id, load_book
from plimsoll.chain.errors import NodeError
from plimsoll.chain.node import NodeChain
from plimsoll.chain.rpc import HttpRpc
from plimsoll.keeper.alerts import webhook_url
from plimsoll.keeper.gas import cost, counts_of
from plimsoll.keeper.live import collector_of
from plimsoll.keeper.logs import SECRETS, public_url
from plimsoll.keeper.settings import KeeperSettings, key_at
from plimsoll.keeper.state import ChainReader, read_margins
from plimsoll.market.plainfile import parse_json
from plimsoll.market.sources import load_bars, load_series
from plimsoll.market.venues.answers import PRICING
from plimsoll.risk.signing import address_of
from plimsoll.spec.errors import PlimsollError, Refused
from plimsoll.spec.instruments import MASK_ID, unpack
from plimsoll.spec.wad import WAD

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"

DAY: Final = 86_400
ETHER: Final = 10**18
GWEI: Final = 10**9
STRIDE: Final = 2_000  # blocks of events asked for at once, as the keeper does
LOOK_BACK: Final = 10  # strides that are searched for posts
POSTS: Final = 5  # whose gas is averaged
SEIZE_GAS: Final = 2_700_000  # by tests/bench/gas.json: a call, a start and a bid on 64 positions
DAYS_FAIL, DAYS_WARN = 1.0, 7.0
SKEW_FAIL, SKEW_WARN = 15.0, 5.0  # [s]; risk nodes refuse what is 15 s ahead of them
HEAD_FAIL, HEAD_WARN = 600.0, 60.0  # [s]
APART: Final = 3  # blocks between the heads of two endpoints
FREE_FAIL, FREE_WARN = 2**28, 2**31  # [bytes]
SLOW_SYNC: Final = 0.1  # [s]
REPORT_POSTED: Final = "ReportPosted"
SURFACE_STORED: Final = "SurfaceStored"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: its name, `ok`, `warn` or `fail`, what is, and what to do where it is not well."""

    name: str
    verdict: str
    said: str
    todo: str = ""

    def to_plain(self) -> dict[str, str]:
        """As JSON has it."""
        return asdict(self)


class UnreachedError(PlimsollError):
    """What a check stands on is missing; the check that looks at it says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one endpoint answered when it was first asked; `date` [unix s] by its HTTP header."""

    url: str
    rpc: HttpRpc
    chain_id: int = 0
    latency: float = 0.0
    date: float | None = None
    at: float = 0.0  # this machine's clock then
    number: int = 0
    hash: str = ""
    time: int = 0
    base_fee: int = 0
    error: str = ""


class Patient:
    """What is examined, each part looked up once.

    Parameters
    ----------
    settings
        Checked already.
    environment
        In place of the process's.
    wall
        This machine's clock [unix s].
    timeout
        Of a request [s].
    """

    def __init__(
        self,
        settings: KeeperSettings,
        environment: Mapping[str, str] | None = None,
        wall: Callable[[], float] = clock.time,
        timeout: float = 5.0,
    ) -> None:
        self.settings = settings
        self.environment: Mapping[str, str] = os.environ if environment is None else environment
        self.wall = wall
        self.timeout = timeout

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """Every endpoint's first answer."""
        return tuple(self._ask(url) for url in self.settings.node)

    def _ask(self, url: str) -> Answer:
        rpc = HttpRpc(url, self.timeout)
        begun = clock.monotonic()
        try:
            answer = requests.post(
                url,
                json={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []},
                timeout=self.timeout,
                allow_redirects=False,
            )
            latency, at = clock.monotonic() - begun, self.wall()
            if not answer.ok:
                return Answer(url, rpc, error=f"HTTP {answer.status_code}")
            block = rpc.ask("eth_getBlockByNumber", "latest", False)
            return Answer(
                url,
                rpc,
                chain_id=int(parse_json(answer.content)["result"], 16),
                latency=latency,
                date=_date(answer.headers.get("Date")),
                at=at,
                number=int(block["number"], 16),
                hash=str(block["hash"]),
                time=int(block["timestamp"], 16),
                base_fee=int(block.get("baseFeePerGas") or "0x0", 16),
            )
        except (requests.RequestException, NodeError, Refused, ValueError, KeyError, TypeError) as error:
            return Answer(url, rpc, error=f"{type(error).__name__}: {error}")

    @property
    def live(self) -> Answer:
        """The first endpoint that answers."""
        for answer in self.answers:
            if not answer.error:
                return answer
        raise UnreachedError("no endpoint answers")

    @cached_property
    def book(self) -> dict[str, Any]:
        """The address book as it stands in its file."""
        try:
            found = parse_json(self.settings.book.read_bytes())
        except (OSError, ValueError) as error:
            raise UnreachedError("the address book cannot be read") from error
        if not isinstance(found, dict) or not isinstance(found.get("contracts"), dict):
            raise UnreachedError("the address book names no contracts")
        return found

    @cached_property
    def chain(self) -> NodeChain:
        """The chain behind the first endpoint that answers."""
        return NodeChain(self.live.rpc)

    @cached_property
    def system(self) -> System:
        """The deployment."""
        live = self.live
        if self.book.get("chain_id") != live.chain_id:
            raise UnreachedError("the address book is of another chain")
        try:
            return load_book(self.settings.book, self.chain)
        except PlimsollError as error:
            raise UnreachedError("the deployment cannot be read") from error

    @cached_property
    def keys(self) -> dict[str, str | PlimsollError]:
        """Role -> address, or what is wrong with the key."""
        named = self.settings.keys
        asked: dict[str, Any] = {"poster": named.poster}
        asked |= {f"signer {k + 1}": name for k, name in enumerate(named.signers)}
        if named.liquidator is not None:
            asked["liquidator"] = named.liquidator
        return {role: self._address(setting) for role, setting in asked.items()}

    def _address(self, setting: Any) -> str | PlimsollError:
        try:
            key = key_at(setting, self.environment)
        except PlimsollError as error:
            return error
        SECRETS.know(key)
        return address_of(key)

    def address(self, role: str) -> str:
        """The address of a role; raises UnreachedError where there is none."""
        found = self.keys.get(role)
        if not isinstance(found, str):
            raise UnreachedError(f"the {role}'s key is missing")
        return found

    @property
    def signers(self) -> list[str]:
        """Addresses of the keys that sign here."""
        return [a for role, a in self.keys.items() if role.startswith("signer ") and isinstance(a, str)]


def _date(header: str | None) -> float | None:
    try:
        return None if header is None else parsedate_to_datetime(header).timestamp()
    except ValueError:
        return None


# -------------------------------------------------------------------------------------------------------------- checks


def check_settings(patient: Patient) -> Iterator[Finding]:
    """Settings that pass on their own and still do not fit together."""
    held = patient.settings
    markets = ", ".join(market.name for market in held.markets)
    yield Finding("settings", OK, f"markets {markets}; model {held.model.name}")
    if held.liquidation is None:
        yield Finding("settings", WARN, "liquidation is not set: accounts are not watched", "set liquidation:")
    elif held.liquidation.account is None:
        yield Finding(
            "settings", WARN, "liquidation.account is not set: auctions are started, never bid in", "set its number"
        )
    if held.archive is None:
        yield Finding("settings", WARN, "archive is not set: reports cannot be recomputed", "set archive: to a folder")


def check_keys(patient: Patient) -> Iterator[Finding]:
    """Each key is there; no key has two roles."""
    seen: dict[str, str] = {}
    for role, found in patient.keys.items():
        if not isinstance(found, str):
            yield Finding(
                f"key {role}", FAIL, str(found), "set the variable that the settings name, in the unit's file"
            )
        elif found in seen:
            sends = {role, seen[found]} == {"poster", "liquidator"}
            yield Finding(
                f"key {role}",
                FAIL if sends else WARN,
                f"{found}, as the {seen[found]}'s",
                "a key for each role: one stuck transaction would keep both from sending"
                if sends
                else "a key for each role: what one loses, the other keeps",
            )
        else:
            seen[found] = role
            yield Finding(f"key {role}", OK, found)


def check_endpoints(patient: Patient) -> Iterator[Finding]:
    """Each endpoint answers, of the right chain, at the head, in time, and can do what the keeper asks."""
    wanted = _chain_id(patient)
    best = max((answer.number for answer in patient.answers if not answer.error), default=0)
    for answer in patient.answers:
        name = f"endpoint {public_url(answer.url)}"
        if answer.error:
            yield Finding(name, FAIL, f"does not answer: {answer.error}", "check the URL, its token and the network")
            continue
        if wanted is not None and answer.chain_id != wanted:
            yield Finding(
                name, FAIL, f"is of chain {answer.chain_id}, the address book of {wanted}", "name one of the same chain"
            )
            continue
        said = f"chain {answer.chain_id}, block {answer.number}, answers in {answer.latency * 1000:.0f} ms"
        behind = best - answer.number
        if behind > APART:
            yield Finding(name, WARN, f"{said}, {behind} blocks behind", "it lags: put it last, or leave it out")
        elif answer.latency > 1:
            yield Finding(name, WARN, f"{said}: slow", "a nearer one answers within a block")
        else:
            yield Finding(name, OK, said)
        yield from _abilities(answer, name)
    if len(patient.answers) == 1:
        yield Finding(
            "endpoints", WARN, "one endpoint: when it is down, so is the keeper", "name a second, of another provider"
        )
    yield from _agreement(patient)


def _chain_id(patient: Patient) -> int | None:
    try:
        found = patient.book.get("chain_id")
    except UnreachedError:
        return None
    return found if isinstance(found, int) else None


def _abilities(answer: Answer, name: str) -> Iterator[Finding]:
    """Whether it does what the keeper asks besides plain views."""
    nobody = "0x" + "00" * 20
    logs = {"address": nobody, "fromBlock": hex(max(0, answer.number - STRIDE + 1)), "toBlock": hex(answer.number)}
    asked: tuple[tuple[str, str, list[Any], str, str], ...] = (
        (f"eth_getLogs over {STRIDE} blocks", "eth_getLogs", [logs], FAIL, "accounts are not found without it"),
        (
            "eth_call at the pending block",
            "eth_call",
            [{"to": nobody, "data": "0x"}, "pending"],
            WARN,
            "transactions are then simulated without those before them",
        ),
    )
    for what, method, params, verdict, why in asked:
        try:
            answer.rpc.ask(method, *params)
        except (NodeError, Refused) as error:
            yield Finding(name, verdict, f"no {what}: {error}", f"{why}: another plan, or another provider")


def _agreement(patient: Patient) -> Iterator[Finding]:
    """Whether endpoints know the same block under the highest number that all of them have."""
    live = [answer for answer in patient.answers if not answer.error]
    if len(live) < 2:
        return
    number = min(answer.number for answer in live)
    hashes = {}
    for answer in live:
        try:
            block = answer.rpc.ask("eth_getBlockByNumber", hex(number), False)
            hashes[public_url(answer.url)] = str(block["hash"])
        except (NodeError, Refused, TypeError, KeyError):
            hashes[public_url(answer.url)] = "unknown"
    if len(set(hashes.values())) == 1:
        yield Finding("endpoints", OK, f"{len(live)} agree on block {number}")
    else:
        told = ", ".join(f"{url}: {found[:10]}" for url, found in hashes.items())
        yield Finding(
            "endpoints",
            FAIL,
            f"they know different blocks {number}: {told}",
            "leave out the one that others contradict",
        )


def check_clock(patient: Patient) -> Iterator[Finding]:
    """The clock here against the endpoints' HTTP dates and the chain's head."""
    live = [answer for answer in patient.answers if not answer.error]
    if not live:
        raise UnreachedError("no endpoint answers")
    todo = "let NTP set the clock: timedatectl set-ntp true"
    dated = [(answer, answer.at - answer.date) for answer in live if answer.date is not None]
    if dated:
        skew = min((skew for _, skew in dated), key=abs)  # the header has whole seconds
        verdict = FAIL if abs(skew) > SKEW_FAIL else WARN if abs(skew) > SKEW_WARN else OK
        yield Finding(
            "clock", verdict, f"{skew:+.1f} s against {len(dated)} endpoints' dates", "" if verdict == OK else todo
        )
    else:
        yield Finding("clock", WARN, "no endpoint says what time it is", "compare it with another machine's")
    newest = max(live, key=lambda answer: answer.time)
    age = newest.at - newest.time
    said = f"block {newest.number} is {age:.0f} s old"
    if age < -SKEW_FAIL:
        yield Finding("head", WARN, f"block {newest.number} is {-age:.0f} s ahead of this clock", todo)
    elif age > HEAD_FAIL:
        yield Finding("head", FAIL, said, "the chain stands, or all endpoints do: name another one")
    else:
        yield Finding(
            "head", WARN if age > HEAD_WARN else OK, said, "" if age <= HEAD_WARN else "look again in a minute"
        )


def check_contracts(patient: Patient) -> Iterator[Finding]:
    """Code at every address of the book."""
    held = patient.settings.book
    try:
        book = patient.book
    except UnreachedError as error:
        yield Finding("address book", FAIL, f"{held.name}: {error}", "name the file that the deployment wrote")
        return
    live = patient.live
    named = dict(book["contracts"])
    if book.get("quote"):
        named["quote"] = book["quote"]
    named |= {f"token {symbol}": address for symbol, address in (book.get("tokens") or {}).items()}
    named |= {f"aggregator {key}": address for key, address in (book.get("aggregators") or {}).items()}
    if book.get("chain_id") != live.chain_id:
        yield Finding(
            "contracts",
            FAIL,
            f"{held.name} is of chain {book.get('chain_id')}, this is {live.chain_id}",
            "name this chain's address book",
        )
        return
    codes = live.rpc.ask_many([("eth_getCode", [address, "latest"]) for address in named.values()])
    empty = [name for name, code in zip(named, codes, strict=True) if code in {None, "0x", ""}]
    if empty:
        yield Finding("contracts", FAIL, f"no code at {', '.join(empty)}", "the book is of another deployment")
    else:
        yield Finding("contracts", OK, f"code at all {len(named)} addresses of {held.name}")


def check_signers(patient: Patient) -> Iterator[Finding]:
    """The oracle knows who signs here, and together with the peers they are enough."""
    oracle = patient.system.oracle
    quorum, known = int(oracle.call("quorum")), set(oracle.call("signers"))
    good = set(patient.signers) & known
    for address in patient.signers:
        if address not in known:
            yield Finding(
                "signers", FAIL, f"{address} is no signer of the oracle", "use its key, or have it rotated in"
            )
    nodes = patient.settings.nodes
    for peer in nodes.peers if nodes is not None else ():
        name = f"peer {public_url(peer)}"
        try:
            answer = requests.get(peer.rstrip("/") + "/healthz", timeout=patient.timeout, allow_redirects=False)
            signer = str(parse_json(answer.content)["signer"]) if answer.ok else ""
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            yield Finding(name, WARN, f"does not answer: {type(error).__name__}", "start it, or ask its operator")
            continue
        if signer in known:
            good.add(signer)
            yield Finding(name, OK, f"signs as {signer}")
        else:
            yield Finding(name, WARN, f"signs as {signer or 'nobody'}, whom the oracle does not know", "leave it out")
    if len(good) < quorum:
        yield Finding(
            "quorum", FAIL, f"{len(good)} signers can be had, the quorum is {quorum}", "add keys.signers or nodes.peers"
        )
    else:
        spare = len(good) - quorum
        yield Finding(
            "quorum",
            OK if spare else WARN,
            f"{len(good)} signers, the quorum is {quorum}",
            "" if spare else "one that fails stops all reports: add another",
        )


def check_balances(patient: Patient) -> Iterator[Finding]:
    """What keys hold, and how long it lasts at what gas costs now."""
    live = patient.live
    try:
        tip = int(live.rpc.ask("eth_maxPriorityFeePerGas"), 16)
    except (NodeError, Refused):
        tip = GWEI
    price = live.base_fee + tip
    gas, a_day, how = expected_posts(patient)
    spends = gas * a_day * price / ETHER
    held = patient.chain.balance(patient.address("poster")) / ETHER
    left = held / spends if spends else float("inf")
    said = (
        f"{held:.4f} ether; {a_day:.0f} reports a day of {gas:,.0f} gas ({how}) at {price / GWEI:.2f} gwei are "
        f"{spends:.4f}: {left:.1f} days"
    )
    todo = "send it ether"
    verdict = FAIL if held <= 0 or left < DAYS_FAIL else WARN if left < DAYS_WARN else OK
    yield Finding("balance poster", verdict, said, "" if verdict == OK else todo)
    if patient.settings.keys.liquidator is None:
        return
    held = patient.chain.balance(patient.address("liquidator")) / ETHER
    times = held * ETHER / (SEIZE_GAS * price) if price else float("inf")
    verdict = FAIL if held <= 0 or times < 1 else WARN if times < 10 else OK
    yield Finding(
        "balance liquidator",
        verdict,
        f"{held:.4f} ether, enough for {times:,.0f} liquidations of 64 positions",
        "" if verdict == OK else todo,
    )


def expected_posts(patient: Patient) -> tuple[float, float, str]:
    """Gas of a report, reports a day, and how that is known: the last posts on chain, or the listed instruments."""
    by_heartbeat = DAY / patient.settings.triggers.heartbeat
    found = _last_posts(patient)
    if found is None:
        gas_of_all, rows = _listed(patient)
        return gas_of_all, by_heartbeat, f"{rows} instruments, none posted lately"
    gas, a_day, count = found
    return gas, max(by_heartbeat, a_day), f"mean of the last {count}"


def _last_posts(patient: Patient) -> tuple[float, float, int] | None:
    """Mean gas of the last reports, stores included, and how many came a day; None where there are too few."""
    oracle, live = patient.system.oracle, patient.live
    posted, stored = ("0x" + topic.hex() for topic in (_topic(oracle, REPORT_POSTED), _topic(oracle, SURFACE_STORED)))
    logs: list[Mapping[str, Any]] = []
    last = live.number
    for _ in range(LOOK_BACK):
        first = max(0, last - STRIDE + 1)
        wanted = {
            "address": oracle.address,
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "topics": [[posted, stored]],
        }
        logs = [*live.rpc.ask("eth_getLogs", wanted), *logs]
        if sum(log["topics"][0] == posted for log in logs) > POSTS or first == 0:
            break
        last = first - 1
    reports = [at for at, log in enumerate(logs) if log["topics"][0] == posted]
    if len(reports) < 2:
        return None
    reports = reports[-POSTS - 1 :]  # what lies between two posts belongs to the second
    part = logs[reports[0] + 1 : reports[-1] + 1]
    hashes = list(dict.fromkeys(str(log["transactionHash"]) for log in part))
    receipts = live.rpc.ask_many([("eth_getTransactionReceipt", [one]) for one in hashes])
    count = len(reports) - 1
    times = [
        int(block["timestamp"], 16)
        for block in live.rpc.ask_many(
            [("eth_getBlockByNumber", [logs[at]["blockNumber"], False]) for at in (reports[0], reports[-1])]
        )
    ]
    gas = sum(int(receipt["gasUsed"], 16) for receipt in receipts) / count
    return gas, count * DAY / max(1, times[1] - times[0]), count


def _topic(contract: Contract, name: str) -> bytes:
    return next(topic for topic, event in interface_of(contract.artifact).events.items() if event.name == name)


def _listed(patient: Patient) -> tuple[int, int]:
    """Gas of a report of all that the settings' markets list, and how many instruments that is.

    Expiries that the settings do not name are left out; slots are taken to be written already.
    """
    system = patient.system
    keys = [(u, expiry) for u, expiries in _expiries(patient).items() for expiry in expiries]
    answers = batch(system.chain, [system.registry.request("listing", *key) for key in keys])
    kinds = {
        key: [unpack(int(word) & MASK_ID).kind for word in answer]
        for key, answer in zip(keys, answers, strict=True)
        if not isinstance(answer, Refused) and answer
    }
    return cost(counts_of(kinds, int(system.oracle.call("quorum")))), sum(map(len, kinds.values()))


def _expiries(patient: Patient) -> dict[int, Sequence[int]]:
    """Underlying -> the expiries that its settings name, 0 included."""
    return {m.underlying: (0, *(m.expiries or ())) for m in patient.settings.markets}


def check_report(patient: Patient) -> Iterator[Finding]:
    """What the oracle holds of each underlying, and whether the heartbeat is shorter than what it lets reports age."""
    held = ChainReader(patient.system, _expiries(patient)).read()
    max_age, heartbeat = held.params.max_age, patient.settings.triggers.heartbeat
    if heartbeat >= max_age:
        yield Finding(
            "heartbeat", FAIL, f"{heartbeat} s; reports go stale after {max_age} s", "set triggers.heartbeat well below"
        )
    elif 2 * heartbeat > max_age:
        yield Finding(
            "heartbeat", WARN, f"{heartbeat} s; reports go stale after {max_age} s", "half of that bears a failed post"
        )
    else:
        yield Finding("heartbeat", OK, f"{heartbeat} s; reports go stale after {max_age} s")
    if not held.sequence:
        yield Finding("report", WARN, "the oracle holds none yet", "the first round posts one")
        return
    age = held.time - held.oldest
    fresh = age <= max_age
    what = "" if len(patient.settings.markets) == 1 else " where oldest"
    yield Finding(
        "report",
        OK if fresh else WARN,
        f"{held.sequence}, {age} s old{what}",
        "" if fresh else "it is stale: only risk reduction is allowed until the first post",
    )
    for market in patient.settings.markets:
        if held.posted_at(market.underlying) is None:
            yield Finding(f"report {market.name}", WARN, "nothing was posted of it", "the first round posts it")


def check_feeds(patient: Patient) -> Iterator[Finding]:
    """The index of every underlying: usable, how old, inside its bounds by how much."""
    system = patient.system
    markets = patient.settings.markets
    asked = [system.feed.request("price", m.underlying) for m in markets]
    asked += [system.feed.request("bounds", m.underlying) for m in markets]
    answers = batch(system.chain, asked)
    now = system.chain.now
    for market, price, bounds in zip(markets, answers[: len(markets)], answers[len(markets) :], strict=True):
        name = f"feed {market.name}"
        if isinstance(price, Refused):
            yield Finding(name, FAIL, f"unusable: {price.reason}", "its aggregator stands still, or is another's")
            continue
        value = price[0] / WAD
        said = f"{value:,.6g}, {now - price[1]} s old"
        low, high = (None, None) if isinstance(bounds, Refused) else (bounds[0] / WAD, bounds[1] / WAD)
        if low is not None and high is not None and high > 0:
            said += f", bounds {low:,.6g} .. {high:,.6g}"
            if not 1.25 * low < value < 0.8 * high:
                yield Finding(name, WARN, f"{said}: near the edge", "outside its bounds it is unusable: have them set")
                continue
        yield Finding(name, OK, said)


def check_files(patient: Patient) -> Iterator[Finding]:
    """Files of prices: readable, and how old their last bar is."""
    now = patient.wall()
    for market in patient.settings.markets:
        for what, path in (("prices", market.prices), ("marks", market.marks)):
            if path is None:
                continue
            name = f"{what} {market.name}"
            try:
                bars = load_bars(path)
            except PlimsollError as error:
                yield Finding(name, FAIL, str(error), "see docs/KEEPER.md, what a file of prices holds")
                continue
            age = now - int(bars.time[-1]) - bars.interval
            said = f"{len(bars.time):,} bars of {bars.interval} s, the last closed {age / 3600:,.1f} h ago"
            limit = market.max_history_age
            verdict = FAIL if age > limit else WARN if age > limit / 2 else OK
            yield Finding(name, verdict, said, "" if verdict == OK else f"what appends to {path.name} stands still")
        if market.depths is not None:
            try:
                series = load_series(market.depths, "depth")
            except PlimsollError as error:
                yield Finding(f"depths {market.name}", FAIL, str(error), "columns time and depth are right")
            else:
                age = now - int(series.time[-1])
                old = age > 7 * DAY
                yield Finding(
                    f"depths {market.name}",
                    WARN if old else OK,
                    f"{len(series.time):,} depths, the last {age / 3600:,.1f} h ago",
                    "they are old: the report goes by the stated depth" if old else "",
                )


def check_venues(patient: Patient) -> Iterator[Finding]:
    """Each venue, asked now and judged as the collector does, on a record that is thrown away."""
    venues = patient.settings.venues
    if venues is None:
        yield Finding(
            "venues",
            WARN,
            "venues is not set: no live price stands beside the chain's index",
            "set venues: and a minimum",
        )
        return
    names = {market.underlying: market.name for market in patient.settings.markets}
    with tempfile.TemporaryDirectory(prefix="plimsoll-doctor-") as folder:
        asked = venues.model_copy(update={"record": Path(folder) / "venues.db", "every": 1.0})
        collector = collector_of(asked, patient.chain.call, patient.wall)
        try:
            collector.start()
            until = clock.monotonic() + 2 * venues.deadline + 2
            while clock.monotonic() < until and not all(row.time or row.failures for row in collector.rows()):
                clock.sleep(0.1)
            rows = collector.rows(names)
        finally:
            collector.stop()
    for market in dict.fromkeys(row.market for row in rows):
        pricing = [row for row in rows if row.market == market and row.kind in PRICING]
        good = sum(row.used for row in pricing)
        short = good < venues.minimum
        yield Finding(
            f"prices {market}, live",
            FAIL if short else OK,
            f"{good} of {len(pricing)} sources are good, {venues.minimum} are needed",
            "no report is made from fewer: name others, or mend those below" if short else "",
        )
    for row in rows:
        if not row.used:
            yield Finding(
                f"venue {row.name}, {row.market}",
                WARN,
                row.dropped or "dropped",
                "see docs/SOURCES.md, what is left out and why",
            )


def check_bidder(patient: Patient) -> Iterator[Finding]:
    """The account that bids has something to bid with."""
    rule = patient.settings.liquidation
    if rule is None or rule.account is None:
        return
    account = account_id(patient.address("liquidator"), rule.account)
    name = f"{patient.address('liquidator')}:{rule.account}"
    found = read_margins(patient.system, [account])[account]
    if isinstance(found, Refused):
        yield Finding("bidder", FAIL, f"account {name} cannot be assessed: {found.reason}", "see its feeds")
        return
    free = (found.equity_haircut - found.im) / WAD
    if free <= 0:
        yield Finding(
            "bidder",
            FAIL,
            f"account {name} has no free margin ({free:,.2f}): every bid is refused",
            "deposit the quote token to it",
        )
    else:
        yield Finding("bidder", OK, f"account {name} has {free:,.2f} of free margin")


def check_storage(patient: Patient) -> Iterator[Finding]:
    """Journal, index and archive can be written, survive a sync, and have room."""
    held = patient.settings
    found: Mapping[str, Path | None] = {
        "journal": held.journal,
        "index": held.index,
        "archive": held.archive,
    }
    for what, path in found.items():
        if path is None:
            continue
        folder = path if what == "archive" else path.parent
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            yield Finding(what, FAIL, f"{there} cannot be written", "give the keeper's user the folder")
            continue
        seconds = _synced(there)
        problem = _damaged(path)
        if problem:
            yield Finding(what, FAIL, f"{path.name}: {problem}", "docs/KEEPER.md, restore from a backup")
            continue
        slow = seconds > SLOW_SYNC
        yield Finding(
            what,
            WARN if slow else OK,
            f"{path} can be written, a sync takes {seconds * 1000:.0f} ms",
            "a faster disk: each transaction waits for several" if slow else "",
        )
    folder = held.journal.parent
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    verdict = FAIL if free < FREE_FAIL else WARN if free < FREE_WARN else OK
    yield Finding("disk", verdict, f"{free / 2**30:,.1f} GiB free at the journal", "" if verdict == OK else "make room")


def _synced(folder: Path) -> float:
    """How long it takes to write a few bytes there so that they survive a crash [s]."""
    begun = clock.monotonic()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".plimsoll-doctor-") as file:
        file.write(b"looked")
        file.flush()
        os.fsync(file.fileno())
        return clock.monotonic() - begun


def _damaged(path: Path) -> str:
    """What is wrong with a database that is there; nothing where it is well, is not there, or is no database."""
    if path.suffix != ".db" or not path.is_file() or path.stat().st_size == 0:
        return ""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return "" if said == "ok" else str(said)


def check_alerts(patient: Patient) -> Iterator[Finding]:
    """Somebody is told when something is wrong."""
    alerts = patient.settings.alerts
    if alerts is None:
        yield Finding("alerts", WARN, "alerts is not set: nobody is told", "set alerts:, or scrape /metrics")
        return
    for severity, variable in (("page", alerts.page), ("ticket", alerts.ticket)):
        if variable is not None:
            webhook_url(variable, patient.environment)
            yield Finding("alerts", OK, f"{severity}s go where {variable} says")


CHECKS: Final[tuple[tuple[str, Callable[[Patient], Iterator[Finding]]], ...]] = (
    ("settings", check_settings),
    ("keys", check_keys),
    ("endpoints", check_endpoints),
    ("clock", check_clock),
    ("contracts", check_contracts),
    ("signers", check_signers),
    ("balances", check_balances),
    ("report", check_report),
    ("feeds", check_feeds),
    ("files", check_files),
    ("venues", check_venues),
    ("bidder", check_bidder),
    ("storage", check_storage),
    ("alerts", check_alerts),
)


def examine(
    patient: Patient, checks: Sequence[tuple[str, Callable[[Patient], Iterator[Finding]]]] = CHECKS
) -> list[Finding]:
    """Every check's findings, in order; one that raises is a finding of its own name."""
    found: list[Finding] = []
    for name, check in checks:
        try:
            found += list(check(patient))
        except UnreachedError as error:
            found.append(Finding(name, WARN, f"not looked at: {error}", "first what fails above"))
        except Exception as error:  # noqa: BLE001 - what a check did not expect is what an operator must hear of
            found.append(Finding(name, FAIL, f"{type(error).__name__}: {error}", "see docs/KEEPER.md"))
    return [Finding(f.name, f.verdict, SECRETS.out_of(f.said), f.todo) for f in found]


def failed(findings: Sequence[Finding]) -> bool:
    """Whether any of them fails."""
    return any(item.verdict == FAIL for item in findings)
