"""Whether what stands on a chain is what was compiled and configured. Reads alone.

Every function returns what it found wrong, in sentences; empty is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import Artifact
from plimsoll.chain.artifacts import load as artifact
from plimsoll.chain.deployment import CONTRACTS as DEPLOYED
from plimsoll.spec.feed import pack_bound_down, pack_bound_up, unpack_bound
from plimsoll.spec.registry import pack_account_limits, pack_curve, pack_fees, pack_pool_limits
from plimsoll.spec.report import domain_separator, pack_floors, pack_rates
from plimsoll.spec.wad import WAD
from scripts._config import Config, Underlying

CONTRACTS: Final = tuple(DEPLOYED.values())  # in the order they are deployed in
OWNED: Final = (
    "IndexFeed",
    "RiskOracle",
    "History",
    "Registry",
    "Mandates",
    "Clearinghouse",
    "Liquidator",
    "InsuranceFund",
)
VENUES: Final = ("Exchange", "StandingOrders")
IMMUTABLES: Final = {  # which contract an immutable names
    "FEED": "IndexFeed",
    "ORACLE": "RiskOracle",
    "HISTORY": "History",
    "REGISTRY": "Registry",
    "MANDATES": "Mandates",
    "BACK_OFFICE": "BackOffice",
    "BOOK": "Clearinghouse",
    "LIQUIDATOR": "Liquidator",
    "QUOTE": "quote",
}
DOMAINS: Final = {
    "RiskOracle": "Plimsoll RiskOracle",
    "Exchange": "Plimsoll Exchange",
    "StandingOrders": "Plimsoll StandingOrders",
    "InsuranceFund": "Plimsoll Insurance Fund",
}
WORD: Final = 32


def is_compiled(code: bytes, made: Artifact) -> bool:
    """Whether code is an artifact's, whatever its immutables."""
    immutables = sum(length for _, _, length in _immutables(made.layout.get("code_layout") or {}))
    return len(code) == len(made.runtime) + immutables and code.startswith(made.runtime)


def check_code(name: str, address: str, code: bytes, known: Mapping[str, str], chain_id: int) -> list[str]:
    """A contract's code against the compiled artifact; its immutables against what they should name.

    `known` holds addresses by contract name, and `quote`.
    """
    made = artifact(name)
    if not code:
        return [f"{name}: no code at {address}"]
    if not is_compiled(code, made):
        return [f"{name}: code at {address} is not the compiled one ({keccak(code).hex()[:16]}..)"]
    wanted: dict[str, bytes] = {
        **{key: _word(known[of]) for key, of in IMMUTABLES.items() if of in known},
        "_CACHED_SELF": _word(address),
        "_CACHED_CHAIN_ID": chain_id.to_bytes(WORD, "big"),
    }
    if name in DOMAINS:
        wanted["_CACHED_DOMAIN_SEPARATOR"] = domain_separator(DOMAINS[name], chain_id, address)
    tail = code[len(made.runtime) :]
    return [
        f"{name}: its {key} is 0x{tail[offset : offset + length].hex()}, not 0x{wanted[key].hex()}"
        for key, offset, length in _immutables(made.layout.get("code_layout") or {})
        if key in wanted and tail[offset : offset + length] != wanted[key]
    ]


def check_aggregator(aggregator: Any, item: Underlying, code: bytes, now: int) -> list[str]:
    """What an aggregator says of itself, and whether its price is fresh."""
    where = f"aggregator {item.description}"
    if not code:
        return [f"{where}: no code at {aggregator.address}"]
    found = []
    if aggregator.decimals() != item.decimals:
        found.append(f"{where}: {aggregator.decimals()} decimals, not {item.decimals}")
    if aggregator.description() != item.description:
        found.append(f"{where}: calls itself {aggregator.description()!r}")
    _, answer, _, updated_at, _ = aggregator.latestRoundData()
    if answer <= 0:
        found.append(f"{where}: answers {answer}")
    if not 0 <= now - updated_at <= item.max_age:
        found.append(f"{where}: updated {now - updated_at} s ago, may be {item.max_age} s old")
    return found


def limit_words(config: Config) -> tuple[int, int]:
    """The words of account and pool limits."""
    return pack_account_limits(config.account_limits), pack_pool_limits(config.pool_limits)


def caps_of(config: Config) -> tuple[int, int]:
    """The fund's caps [wad]: of an event, of an underlying."""
    return config.fund.event_cap * WAD, config.fund.underlying_cap * WAD


def bounds_of(item: Underlying) -> tuple[int, int]:
    """The bounds [wad] that the feed holds once they are set."""
    low, high = pack_bound_up(item.bounds.low * WAD), pack_bound_down(item.bounds.high * WAD)
    return unpack_bound(low), unpack_bound(high)


def is_fed(feed: Any, item: Underlying, aggregator: str) -> bool:
    """Whether the feed has an underlying as configured, bounds aside."""
    word = feed.configs(item.id)
    return (word >> 96, word >> 64 & 0xFFFFFFFF, word >> 56 & 0xFF, word >> 48 & 0xFF) == (
        int(aggregator, 16),
        item.max_age,
        item.strike_exponent,
        18 - item.decimals,
    )


def check_wiring(c: Mapping[str, Any], office: Any, quote: str) -> list[str]:
    """Who names whom, read back; `office` is the Clearinghouse with the functions of its back office."""
    book, oracle, registry, history = (c[name] for name in ("Clearinghouse", "RiskOracle", "Registry", "History"))
    feed, liquidator, fund = (c[name].address for name in ("IndexFeed", "Liquidator", "InsuranceFund"))
    pairs = [
        ("RiskOracle.feed", oracle.feed(), feed),
        ("RiskOracle.book", oracle.book(), book.address),
        ("History.feed", history.feed(), feed),
        ("History.oracle", history.oracle(), oracle.address),
        ("Registry.quote", registry.quote(), quote),
        ("Registry.feed", registry.feed(), feed),
        ("Registry.oracle", registry.oracle(), oracle.address),
        ("Mandates.book", c["Mandates"].book(), book.address),
        ("Clearinghouse.quote", book.quote(), quote),
        ("Clearinghouse.oracle", book.oracle(), oracle.address),
        ("Clearinghouse.feed", book.feed(), feed),
        ("Clearinghouse.registry", book.registry(), registry.address),
        ("Clearinghouse.mandates", book.mandates(), c["Mandates"].address),
        # `history` of an instance is what ape calls its transactions
        ("Clearinghouse.history", book.call_view_method("history"), history.address),
        ("Clearinghouse.liquidator", office.liquidator(), liquidator),
        ("Clearinghouse.fund", office.fund(), fund),
        ("Exchange.clearinghouse", c["Exchange"].clearinghouse(), book.address),
        ("Liquidator.clearinghouse", c["Liquidator"].clearinghouse(), book.address),
        ("Liquidator.fund", c["Liquidator"].fund(), fund),
        ("StandingOrders.clearinghouse", c["StandingOrders"].clearinghouse(), book.address),
        ("StandingOrders.liquidator", c["StandingOrders"].liquidator(), liquidator),
        ("InsuranceFund.asset", c["InsuranceFund"].asset(), quote),
    ]
    found = [f"{what} is {is_}, not {should}" for what, is_, should in pairs if is_ != should]
    found += [f"{name} is no venue of the Registry" for name in VENUES if not registry.venues(c[name].address)]
    return found


def check_governance(c: Mapping[str, Any], config: Config, signers: Sequence[str]) -> list[str]:
    """Signers, quorum and numbers, read back."""
    oracle, registry, history, fund = (c[name] for name in ("RiskOracle", "Registry", "History", "InsuranceFund"))
    bands = config.bands
    pairs: list[tuple[str, Any, Any]] = [
        ("signers", [to_checksum_address(s) for s in oracle.signers()], list(signers)),
        ("quorum", oracle.quorum(), config.quorum),
        ("rates", oracle.rates(), pack_rates(config.params)),
        ("floors", oracle.floors(), pack_floors(config.params)),
        ("lag and delay", (history.lag(), history.delay()), (config.history.lag, config.history.delay)),
        ("bands", (registry.price_band(), registry.reduce_band()), (bands.price_band, bands.reduce_band)),
        ("limits", (registry.account_limits(), registry.pool_limits()), limit_words(config)),
        ("curve", registry.curve(), pack_curve(config.curve)),
        ("fees", registry.fees(), pack_fees(config.fees)),
        ("liquidation", tuple(c["Liquidator"].config()), astuple(config.liquidation)),
        ("caps of the fund", (fund.event_cap(), fund.underlying_cap()), caps_of(config)),
        (
            "cool-down of the fund",
            (fund.cooldown(), fund.claim_window()),
            (config.fund.cooldown, config.fund.claim_window),
        ),
    ]
    return [f"{what}: {is_}, not {should}" for what, is_, should in pairs if is_ != should]


def check_feed(feed: Any, item: Underlying, aggregator: str) -> list[str]:
    """One underlying, as the contracts see it."""
    found = []
    if not is_fed(feed, item, aggregator):
        found.append(f"feed {item.description}: not as configured")
    if tuple(feed.bounds(item.id)) != bounds_of(item):
        found.append(f"feed {item.description}: bounds {tuple(feed.bounds(item.id))}")
    if not feed.is_usable(item.id):
        found.append(f"feed {item.description}: not usable")
    return found


def check_owners(c: Mapping[str, Any], deployer: str, owner: str | None) -> list[str]:
    """Every owned contract is the deployer's, or on its way to the configured owner."""
    found = []
    for name in OWNED:
        held, offered = c[name].owner(), c[name].pending_owner()
        if owner is not None and owner not in {held, offered}:
            found.append(f"{name} is {held}'s and not offered to {owner}")
        if owner is None and held != deployer:
            found.append(f"{name} is {held}'s, not {deployer}'s")
    return found


def _immutables(layout: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Name, offset and length of every immutable behind the code, modules' included."""
    found: list[tuple[str, int, int]] = []
    for name, entry in layout.items():
        if "offset" in entry:
            found.append((name, int(entry["offset"]), int(entry["length"])))
        else:
            found.extend(_immutables(entry))
    return found


def _word(address: str) -> bytes:
    return int(address, 16).to_bytes(WORD, "big")
