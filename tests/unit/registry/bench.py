"""A registry and its twin side by side, over a feed, an oracle and tokens; nothing of a book.

ETH, BTC, SOL   fed; volatility posted: 60 %, 40 %, none
FINE            fed, its strikes in the least unit there is
listed          ETH perp, WETH (18 decimals), BTC perp, WBTC (8), and on ETH at EXPIRY a future and a call at 2,000
VENUE           admitted
"""

import copy
import dataclasses
import inspect
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from eth_keys.datatypes import PrivateKey

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import Contract, deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import IndexFeed
from plimsoll.spec.instruments import CALL, FUTURE, PERP
from plimsoll.spec.margin import Scalars
from plimsoll.spec.registry import Registry
from plimsoll.spec.report import Report, digest, pack_scalars
from plimsoll.spec.system import PlainAggregator
from plimsoll.spec.wad import PPM, WAD
from tests.guardians import named

NOW = 1_700_000_000
DAY = 86_400
EXPIRY = NOW + 30 * DAY
BTC, ETH, SOL, FINE, UNFED = 0x0101, 0x0102, 0x0201, 0x0202, 0x0999
OWNER, VENUE, ATTACKER, OTHER, GUARDIAN, BREAKERS = (k << 152 | k for k in range(1, 7))
SIGNER = PrivateKey(b"\1" * 32)
ZERO = bytes(32)
NOT_THE_OWNER = "ownable: caller is not the owner"


@dataclass
class Known:
    """As much of a token's twin as is read here."""

    decimals: int


def guards(owner: int, who: int) -> bool:
    """Whom the owner names his guardian."""
    return (owner, who) == (OWNER, GUARDIAN)


class Posted:
    """As much of the oracle's twin as the registry reads."""

    def __init__(self, address: int) -> None:
        self.address = address
        self.scalars: dict[int, int] = {}


def text(address: int) -> str:
    """An address as the chain layer writes it."""
    return f"0x{address:040x}"


def number(address: str) -> int:
    """An address as the twin writes it."""
    return int(address, 16)


def plain(value: Any) -> Any:
    """A value of either, in one form: addresses are integers, structs and arrays tuples."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.astuple(value)
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return number(value) if isinstance(value, str) and value.startswith("0x") else value


class Bench:
    """Contract and twin, driven alike; every step asserts that both answer and log the same."""

    def __init__(self) -> None:
        self.chain = EmbeddedChain(time=NOW)
        self.feed = self.put("IndexFeed", text(0))
        self.oracle = self.put("RiskOracle", self.feed.address, self.put("OpenGuardrails").address)
        self.known: dict[int, Known] = {}
        self.usd, self.weth, self.wbtc, self.unlisted, self.long_decimals = (
            self.token(decimals) for decimals in (6, 18, 8, 18, 19)
        )
        # what an aggregator answers is nothing to the registry
        aggregator = self.put("MockAggregator", 18, "")
        aggregator.transact("set", 1, sender=text(OWNER))
        feed = IndexFeed(OWNER, {number(aggregator.address): PlainAggregator(18, 1, NOW)})
        for underlying, exponent in ((BTC, 18), (ETH, 18), (SOL, 18), (FINE, 0)):
            self.feed.transact("set_feed", underlying, aggregator.address, DAY, exponent, sender=text(OWNER))
            feed.set_feed(underlying, number(aggregator.address), DAY, exponent, sender=OWNER, now=NOW)
        posted = Posted(number(self.oracle.address))
        self.contract = self.put("Registry", text(self.usd), self.feed.address, self.oracle.address)
        self.twin = Registry(OWNER, self.usd, feed, posted, self.known, guards)
        self.oracle.transact("set_signers", [SIGNER.public_key.to_checksum_address()], 1, 1, 0, sender=text(OWNER))
        self.sequence = 0
        self.post({ETH: 600_000, BTC: 400_000})
        self.perp = self.add(ETH, 0, PERP)
        self.spot = self.must("list_collateral", self.weth, ETH)
        self.btc_perp = self.add(BTC, 0, PERP)
        self.btc_spot = self.must("list_collateral", self.wbtc, BTC)
        self.future = self.add(ETH, EXPIRY, FUTURE)
        self.call = self.add(ETH, EXPIRY, CALL, 2_000)
        self.must("set_venue", VENUE, True)

    # ------------------------------------------------------------------------------------------------------ building

    def put(self, name: str, *args: Any) -> Contract:
        """Deploy a contract, as the owner."""
        return deploy(self.chain, load(name), *args, sender=text(OWNER))

    def token(self, decimals: int = 18) -> int:
        """One more token on both."""
        at = number(self.put("MockToken", "Token", "TOKEN", decimals).address)
        self.known[at] = Known(decimals)
        return at

    def post(self, volatilities: Mapping[int, int]) -> None:
        """Let the oracle believe in these volatilities [ppm]."""
        words = [
            pack_scalars(Scalars(underlying, 10**6 * WAD, PPM, 30_000, 1_300_000, volatility, 0))
            for underlying, volatility in volatilities.items()
        ]
        self.sequence += 1
        report = Report(self.sequence, self.chain.now, False, ZERO, ZERO, ZERO, (), tuple(words), ())
        signature = SIGNER.sign_msg_hash(digest(report, self.chain.chain_id, self.oracle.address))
        raw = signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([27 + signature.v])
        self.oracle.transact("post", report, [raw], [], b"", sender=text(OTHER))
        self.twin.oracle.scalars.update(zip(volatilities, words, strict=True))

    def add(self, underlying: int, expiry: int, kind: int, strike: int = 0) -> int:
        """List an instrument."""
        return self.must("list_instrument", underlying, expiry, kind, strike)

    # -------------------------------------------------------------------------------------------------------- acting

    def step(self, name: str, *args: Any, sender: int = OWNER) -> Any:
        """A function on both: its result, or the reason of its refusal."""
        logged = len(self.twin.log)
        expected = self._twin(name, args, sender)
        given = self._args(name, args)
        try:
            with nullcontext() if sender == OWNER else named(self.chain, text(OWNER), GUARDIAN):
                receipt = self.contract.transact(name, *given, sender=text(sender))
        except Refused as refused:
            found = f"refused: {refused.reason}"
            receipt = None
        if receipt is None:
            assert found == expected
            assert len(self.twin.log) == logged
            return found
        function = self.contract.interface.function(name, len(args))
        found = plain(function.decode(receipt.output)) if receipt.output else None
        assert found == plain(expected)
        events = [
            (event.name, {key: plain(value) for key, value in event.args._asdict().items()})
            for event in self.contract.events(receipt)
        ]
        assert events == [(event.name, dict(event.args)) for event in self.twin.log[logged:]]
        return found

    def must(self, name: str, *args: Any, sender: int = OWNER) -> Any:
        """A function on both, which must not be refused."""
        found = self.step(name, *args, sender=sender)
        assert not (isinstance(found, str) and found.startswith("refused")), found
        return found

    def refuses(self, reason: str, name: str, *args: Any, sender: int = OWNER) -> None:
        """A function on both, which must be refused with this reason, and change nothing."""
        before = self.state()
        assert self.step(name, *args, sender=sender) == f"refused: {reason}"
        assert self.state() == before

    # ------------------------------------------------------------------------------------------------------- looking

    def ask(self, name: str, *args: Any) -> Any:
        """A view on chain; the twin's is the same."""
        try:
            found = plain(self.contract.call(name, *self._args(name, args)))
        except Refused as refused:
            found = f"refused: {refused.reason}"
        assert found == plain(self._twin(name, args, 0))
        return found

    def terms(self, instrument: int, utilisation: int = 0, venue: int = VENUE) -> Any:
        """The terms of a trade on chain, by name; the twin's are the same."""
        found = self.ask("trade_terms", venue, instrument, utilisation)
        return (
            found if isinstance(found, str) else self.twin.trade_terms(venue, instrument, utilisation, self.chain.now)
        )

    def state(self) -> tuple[Any, ...]:
        """All that can be asked; chain and twin answer alike."""
        listed = [id_ for rows in self.twin.listings.values() for id_ in rows]
        return (
            *(
                self.ask(name)
                for name in (
                    "price_band",
                    "reduce_band",
                    "account_limits",
                    "pool_limits",
                    "curve",
                    "fees",
                    "tokens",
                    "stops",
                    "breakers",
                )
            ),
            *(self.ask("listing", *key) for key in self.twin.listings),
            *(self.ask("instrument_cap", id_) for id_ in listed),
            *(
                self.ask(name, underlying)
                for name in ("underlying_limits", "underlying_stop")
                for underlying in (BTC, ETH, SOL, FINE, UNFED)
            ),
            *(self.ask("collateral", token) for token in self.known),
            *(self.ask("venues", who) for who in (VENUE, ATTACKER, 0)),
        )

    def last(self) -> tuple[str, dict[str, Any]]:
        """The last event; `step` has held the log of the chain to it."""
        event = self.twin.log[-1]
        return event.name, dict(event.args)

    def _args(self, name: str, args: tuple[Any, ...]) -> list[Any]:
        inputs = self.contract.interface.function(name, len(args)).inputs
        return [text(v) if e["type"] == "address" else v for v, e in zip(args, inputs, strict=True)]

    def _twin(self, name: str, args: tuple[Any, ...], sender: int) -> Any:
        member = getattr(self.twin, name)
        if isinstance(member, dict):
            return member.get(*args, False)
        if not callable(member):
            return tuple(member) if isinstance(member, list) else member
        known = {"sender": sender, "now": self.chain.now}
        wanted = inspect.signature(member).parameters
        try:
            return member(*args, **{key: value for key, value in known.items() if key in wanted})
        except Refused as refused:
            return f"refused: {refused.reason}"

    def kept(self) -> dict[str, Any]:
        """The twin's state, copied."""
        own = {"feed", "oracle", "known", "guardians"}
        return {key: copy.deepcopy(value) for key, value in vars(self.twin).items() if key not in own}
