"""Whether what stands on a chain is what was compiled and configured. Reads alone.

Every function returns what it found wrong, in sentences; empty is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import Artifact
from plimsoll.chain.artifacts import load as artifact
from plimsoll.spec.feed import pack_bound_down, pack_bound_up, unpack_bound
from plimsoll.spec.report import domain_separator, pack_floors, pack_rates
from plimsoll.spec.wad import WAD
from scripts._config import Config, Underlying

CONTRACTS: Final = ("IndexFeed", "RiskOracle", "Clearinghouse", "Exchange", "Liquidator", "Lens")
OWNED: Final = ("IndexFeed", "RiskOracle", "Clearinghouse", "Liquidator")
IMMUTABLES: Final = {  # which contract an immutable names
    "FEED": "IndexFeed",
    "ORACLE": "RiskOracle",
    "BOOK": "Clearinghouse",
    "clearinghouse": "Clearinghouse",
    "QUOTE": "quote",
}
DOMAINS: Final = {"RiskOracle": "Plimsoll RiskOracle", "Exchange": "Plimsoll Exchange"}
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


def check_wiring(c: Mapping[str, Any], quote: str) -> list[str]:
    """Who names whom, read back."""
    book, oracle = c["Clearinghouse"], c["RiskOracle"]
    pairs = [
        ("RiskOracle.feed", oracle.feed(), c["IndexFeed"].address),
        ("RiskOracle.book", oracle.book(), book.address),
        ("Clearinghouse.quote", book.quote(), quote),
        ("Clearinghouse.oracle", book.oracle(), oracle.address),
        ("Clearinghouse.feed", book.feed(), c["IndexFeed"].address),
        ("Clearinghouse.liquidator", book.liquidator(), c["Liquidator"].address),
        ("Exchange.clearinghouse", c["Exchange"].clearinghouse(), book.address),
        ("Liquidator.clearinghouse", c["Liquidator"].clearinghouse(), book.address),
    ]
    found = [f"{what} is {is_}, not {should}" for what, is_, should in pairs if is_ != should]
    if not book.venues(c["Exchange"].address):
        found.append("the Exchange is no venue of the Clearinghouse")
    return found


def check_governance(c: Mapping[str, Any], config: Config, signers: Sequence[str]) -> list[str]:
    """Signers, quorum and numbers, read back."""
    oracle, book, liquidator = c["RiskOracle"], c["Clearinghouse"], c["Liquidator"]
    bands, liquidation = config.bands, config.liquidation
    pairs: list[tuple[str, Any, Any]] = [
        ("signers", [to_checksum_address(s) for s in oracle.signers()], list(signers)),
        ("quorum", oracle.quorum(), config.quorum),
        ("rates", oracle.rates(), pack_rates(config.params)),
        ("floors", oracle.floors(), pack_floors(config.params)),
        ("bands", (book.price_band(), book.reduce_band()), (bands.price_band, bands.reduce_band)),
        (
            "liquidation",
            (liquidator.call_period(), liquidator.ramp(), liquidator.start_discount()),
            (liquidation.call_period, liquidation.ramp, liquidation.start_discount),
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
