"""Whether what stands on a chain is what was compiled and configured. Reads alone.

    code      every byte of every contract, immutables included
    wiring    who names whom
    power     who owns what, every role of the timelock, every delay; the deployer has nothing
    nodes     signers, quorums, who left and still counts; the age of the report
    numbers   every word and limit that governance sets, also those that nobody configured
    feeds     routes, what their aggregators say of themselves, ages; sequencer and witness
    stops     what is stopped now

Each line is a `Check`: what should be there, what is. All reads go out in one batch; what is kept in mappings (roles,
venues, delays, caps) is told from events, as nothing else lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final, NamedTuple

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.chain.artifacts import Artifact
from plimsoll.chain.artifacts import load as artifact
from plimsoll.chain.build import NAMED
from plimsoll.chain.contract import Contract, Event, Function, batch, events_of
from plimsoll.chain.deployment import CONTRACTS as DEPLOYED
from plimsoll.chain.governance import OWNED, slowest
from plimsoll.chain.protocol import Call, Chain
from plimsoll.spec.errors import Refused
from plimsoll.spec.feed import DIVIDES, IN_CURRENCY, IS_LONG, QUOTE, pack_bounds, unpack_bound
from plimsoll.spec.guardrails import NAMES, pack_limit
from plimsoll.spec.instruments import PERP, unpack
from plimsoll.spec.oracle import unpack_params
from plimsoll.spec.registry import pack_account_limits, pack_curve, pack_fees, pack_pool_limits
from plimsoll.spec.report import domain_separator, pack_floors, pack_rates
from plimsoll.spec.timelock import ADMIN_ROLE, EXECUTOR_ROLE, GUARDIAN_ROLE, PROPOSER_ROLE
from plimsoll.spec.wad import MAX_QUANTITY, WAD
from scripts._config import NOBODY, Config, Leg

CONTRACTS: Final = tuple(DEPLOYED.values())
VENUES: Final = ("Exchange", "StandingOrders")
DOMAINS: Final = {
    "RiskOracle": "Plimsoll RiskOracle",
    "Exchange": "Plimsoll Exchange",
    "StandingOrders": "Plimsoll StandingOrders",
    "InsuranceFund": "Plimsoll Insurance Fund",
}
FUND_DECIMALS: Final = 6  # of a share beyond the quote token's
WORD: Final = 32
STRIDE: Final = 2_000  # blocks asked for at once; many nodes refuse more
LEVELS: Final = ("new risk", "leaving", "liquidation")
NOTHING: Final = "none"
SHOWN: Final = 2**64  # larger numbers are words, and read in hexadecimal


class Check(NamedTuple):
    """One thing that was looked at."""

    where: str
    what: str
    expected: str
    found: str
    is_good: bool

    def __str__(self) -> str:
        """The sentence that names a difference."""
        return f"{self.where}: {self.what} is {self.found}, not {self.expected}"


class People(NamedTuple):
    """Addresses behind the names of a configuration, ascending."""

    signers: list[str]
    proposers: list[str]
    executors: list[str]
    guardians: list[str]


class Site(NamedTuple):
    """Where a deployment stands: what an address book says."""

    contracts: Mapping[str, str]  # by name
    quote: str
    tokens: Mapping[str, str]  # by symbol
    aggregators: Mapping[str, str]  # by `leg_key`
    deployer: str
    block: int  # where its events begin


def leg_key(underlying: int, place: int) -> str:
    """Under which an address book has an aggregator: the underlying's number, and its place behind the first."""
    return f"{underlying}/{place}" if place else str(underlying)


def legs_of(config: Config) -> Iterator[tuple[int, int, Leg]]:
    """Every leg of every route: its underlying, or QUOTE, its place, the leg; the quote coin's come first."""
    for place, leg in enumerate(config.feed.quote):
        yield QUOTE, place, leg
    for item in config.underlyings:
        for place, leg in enumerate(item.legs):
            yield item.id, place, leg


# --------------------------------------------------------------------------------------------------------------- code


def is_compiled(code: bytes, made: Artifact) -> bool:
    """Whether code is an artifact's, whatever its immutables."""
    return len(code) == made.size and code.startswith(made.runtime)


def immutables_of(
    name: str, address: str, known: Mapping[str, str], config: Config | None, chain_id: int
) -> dict[str, bytes]:
    """What stands in a contract's immutables, by name, as far as it is known.

    `known` holds addresses by contract name, and `quote`. Without a configuration numbers are not known.
    """
    found: dict[str, bytes] = {key: _address(known[of]) for key, of in NAMED.items() if known.get(of)}
    if name in DOMAINS:
        found |= {
            "_CACHED_SELF": _address(address),
            "_CACHED_CHAIN_ID": _word(chain_id),
            "_CACHED_DOMAIN_SEPARATOR": domain_separator(DOMAINS[name], chain_id, address),
            "_NAME": _string(DOMAINS[name]),
            "_HASHED_NAME": keccak(text=DOMAINS[name]),
            "_VERSION": _string("1"),
            "_HASHED_VERSION": keccak(text="1"),
        }
    found["NAME"] = _string({"Exchange": "exchange"}.get(name, "standing"))
    if config is not None:
        decimals = config.quote.decimals
        scale: int = 10 ** (18 - decimals)
        found |= {
            "QUOTE_SCALE": _word(scale),
            "SCALE": _word(scale),
            "MAX_ASSETS": _word(MAX_QUANTITY // scale),
            "RESERVE": _word(10**decimals),
            "name": _string("Plimsoll Insurance Fund"),
            "symbol": _string("PIF"),
            "decimals": _word(decimals + FUND_DECIMALS),
            "LAG": _word(config.history.lag),
            "DELAY": _word(config.history.delay),
            "LONGEST": _word(config.governance.longest),
            "ON_ROLLUP": _word(int(config.feed.sequencer is not None)),
        }
    return found


def check_code(
    name: str, address: str, code: bytes, known: Mapping[str, str], config: Config | None, chain_id: int
) -> list[Check]:
    """A contract's code against the compiled one, then each immutable; one check where all is well."""
    made = artifact(name)
    if not code:
        return [Check(name, "code", "compiled", f"nothing at {address}", is_good=False)]
    if not is_compiled(code, made):
        return [
            Check(name, "code", _short(keccak(made.runtime)), f"{_short(keccak(code))} at {address}", is_good=False)
        ]
    wanted = immutables_of(name, address, known, config, chain_id)
    tail = code[len(made.runtime) :]
    should = bytearray(tail)
    wrong = []
    for name_there, offset, length, _ in made.immutables:
        key = name_there.rpartition(".")[2]  # without its modules
        if key in wanted:
            size = min(length, len(wanted[key]))  # behind a string's text stands what nobody reads
            should[offset : offset + size] = wanted[key]
            found = tail[offset : offset + size]
            if found != wanted[key]:
                wrong.append(Check(name, key, f"0x{wanted[key].hex()}", f"0x{found.hex()}", is_good=False))
        elif config is not None:
            wrong.append(Check(name, key, "known", "an immutable that nobody checks", is_good=False))
    return wrong or [Check(name, "code", _short(keccak(made.runtime + should)), _short(keccak(code)), is_good=True)]


def _word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


def _address(value: str) -> bytes:
    return _word(int(value, 16))


def _string(text: str) -> bytes:
    """A string as it stands in code: its length, then as much."""
    return _word(len(text)) + text.encode()


def _short(hashed: bytes) -> str:
    return f"0x{hashed.hex()[:16]}.."


# -------------------------------------------------------------------------------------------------------------- words


def limit_words(config: Config) -> tuple[int, int]:
    """The words of account and pool limits."""
    return pack_account_limits(config.account_limits), pack_pool_limits(config.pool_limits)


def caps_of(config: Config) -> tuple[int, int]:
    """The fund's caps [wad]: of an event, of an underlying."""
    return config.fund.event_cap * WAD, config.fund.underlying_cap * WAD


def bounds_of(leg: Leg) -> tuple[int, int]:
    """The bounds [wad] that the feed holds once they are set."""
    packed = pack_bounds(leg.bounds.low * WAD, leg.bounds.high * WAD)
    return unpack_bound(packed >> 24), unpack_bound(packed & 0xFFFFFF)


def route_of(
    legs: Sequence[Leg], aggregators: Sequence[str], strike_exponent: int, *, in_currency: bool
) -> tuple[int, int, int]:
    """The words of a route, as the feed holds them once it is live."""
    words = [
        int(at, 16) << 96
        | leg.max_age << 64
        | 18 - leg.decimals << 48
        | pack_bounds(leg.bounds.low * WAD, leg.bounds.high * WAD)
        | (DIVIDES if leg.divides else 0)
        for leg, at in zip(legs, aggregators, strict=True)
    ]
    if words:
        words[0] |= strike_exponent << 56
        words[0] |= (IS_LONG if len(words) > 1 else 0) | (IN_CURRENCY if in_currency else 0)
    first, second, third = (*words, 0, 0, 0)[:3]
    return first, second, third


def check_aggregator(aggregator: Any, leg: Leg, code: bytes, now: int) -> list[str]:
    """What an aggregator says of itself, and whether its price is fresh; what is wrong, in sentences."""
    where = f"aggregator {leg.description}"
    if not code:
        return [f"{where}: no code at {aggregator.address}"]
    found = []
    if aggregator.decimals() != leg.decimals:
        found.append(f"{where}: {aggregator.decimals()} decimals, not {leg.decimals}")
    if aggregator.description() != leg.description:
        found.append(f"{where}: calls itself {aggregator.description()!r}")
    _, answer, _, updated_at, _ = aggregator.latestRoundData()
    if answer <= 0:
        found.append(f"{where}: answers {answer}")
    if not 0 <= now - updated_at <= leg.max_age:
        found.append(f"{where}: updated {now - updated_at} s ago, may be {leg.max_age} s old")
    return found


# -------------------------------------------------------------------------------------------------------------- audit


class Audit:
    """Reads a deployment back and compares it with its configuration.

    Parameters
    ----------
    chain
        Where it stands.
    config, people
        What was configured, and who is behind the names.
    site
        Where it stands.
    """

    def __init__(self, chain: Chain, config: Config, people: People, site: Site) -> None:
        self.chain = chain
        self.config = config
        self.people = people
        self.site = site
        self.known = {**site.contracts, "quote": site.quote}
        self.checks: list[Check] = []
        self._asked: list[tuple[tuple[Call, Function], Callable[[Any], Check]]] = []

    def run(self) -> list[Check]:
        """Every check, in the order of the sections. Where some code is not the compiled one, nothing else is read."""
        for name in CONTRACTS:
            code = self.chain.code(self.site.contracts[name])
            self.checks += check_code(
                name, self.site.contracts[name], code, self.known, self.config, self.chain.chain_id
            )
        self._layouts()
        if any(not check.is_good for check in self.checks):
            return self.checks
        self.at = {name: Contract(self.chain, self.site.contracts[name], artifact(name)) for name in CONTRACTS}
        self.now = self.chain.now
        self.events = self._events()
        for section in (
            self._wiring,
            self._power,
            self._nodes,
            self._numbers,
            self._listings,
            self._feeds,
            self._stops,
        ):
            section()
            self._answer()
        return self.checks

    def _layouts(self) -> None:
        """Clearinghouse runs BackOffice's code on its own storage."""
        book, office = (artifact(name).layout for name in ("Clearinghouse", "BackOffice"))
        kinds = ("storage_layout", "transient_storage_layout")
        found = "the same" if all(book.get(kind) == office.get(kind) for kind in kinds) else "another"
        self._note("Clearinghouse", "storage layout as BackOffice's", "the same", found)

    def _wiring(self) -> None:
        c = self.at
        for name, function, of in (
            ("IndexFeed", "witness", "RiskOracle"),
            ("Guardrails", "feed", "IndexFeed"),
            ("Guardrails", "oracle", "RiskOracle"),
            ("RiskOracle", "feed", "IndexFeed"),
            ("RiskOracle", "guardrails", "Guardrails"),
            ("RiskOracle", "book", "Clearinghouse"),
            ("History", "feed", "IndexFeed"),
            ("History", "oracle", "RiskOracle"),
            ("Registry", "quote", "quote"),
            ("Registry", "feed", "IndexFeed"),
            ("Registry", "oracle", "RiskOracle"),
            ("Registry", "breakers", "Breakers"),
            ("Mandates", "book", "Clearinghouse"),
            ("Clearinghouse", "quote", "quote"),
            ("Clearinghouse", "oracle", "RiskOracle"),
            ("Clearinghouse", "feed", "IndexFeed"),
            ("Clearinghouse", "registry", "Registry"),
            ("Clearinghouse", "mandates", "Mandates"),
            ("Clearinghouse", "history", "History"),
            ("Clearinghouse", "liquidator", "Liquidator"),
            ("Clearinghouse", "fund", "InsuranceFund"),
            ("Exchange", "clearinghouse", "Clearinghouse"),
            ("Liquidator", "clearinghouse", "Clearinghouse"),
            ("Liquidator", "fund", "InsuranceFund"),
            ("StandingOrders", "clearinghouse", "Clearinghouse"),
            ("StandingOrders", "liquidator", "Liquidator"),
            ("InsuranceFund", "asset", "quote"),
            ("Breakers", "clearinghouse", "Clearinghouse"),
            ("Breakers", "fund", "InsuranceFund"),
            ("Automation", "clearinghouse", "Clearinghouse"),
            ("Automation", "liquidator", "Liquidator"),
        ):
            self._same(name, function, c[name].request(function), to_checksum_address(self.known[of]))

    def _power(self) -> None:
        timelock = self.at["Timelock"]
        for name in OWNED:
            self._same(name, "owner", self.at[name].request("owner"), timelock.address)
            self._same(name, "pending owner", self.at[name].request("pending_owner"), NOBODY)
        roles: dict[bytes, set[str]] = {}
        for event in self._of("Timelock", "RoleGranted", "RoleRevoked"):
            holders = roles.setdefault(event.args.role, set())
            (holders.add if event.name == "RoleGranted" else holders.discard)(event.args.account)
        wanted = {
            "proposers": (PROPOSER_ROLE, self.people.proposers),
            "executors": (EXECUTOR_ROLE, self.people.executors),
            "guardians": (GUARDIAN_ROLE, self.people.guardians),
            "administrators": (ADMIN_ROLE, [timelock.address]),
        }
        for what, (role, people) in wanted.items():
            self._note("Timelock", what, sorted(people), sorted(roles.pop(role, ())))
        stray = {f"0x{role.hex()}": sorted(holders) for role, holders in roles.items() if holders}
        self._note("Timelock", "other roles", {}, stray)
        told = self.config.governance
        self._same("Timelock", "least delay", timelock.request("get_minimum_delay"), told.delay)
        self._same("Timelock", "longest delay", timelock.request("longest_delay"), told.longest)
        delays = {(e.args.target, bytes(e.args.selector)[:4]): e.args.delay for e in self._of("Timelock", "DelaySet")}
        for selector in slowest():
            found = delays.pop((NOBODY, selector), 0)
            self._note("Timelock", f"delay of 0x{selector.hex()}", told.longest, found)
        others = {f"0x{selector.hex()} of {target}": delay for (target, selector), delay in delays.items() if delay}
        self._note("Timelock", "other delays", {}, others)
        deployer = self.site.deployer
        held = [what for what, (_, people) in wanted.items() if deployer in people]
        self._note("deployer", "roles", [], held + (["signer"] if deployer in self.people.signers else []))
        venues = {event.args.venue: event.args.admitted for event in self._of("Registry", "VenueSet")}
        admitted = sorted(venue for venue, is_in in venues.items() if is_in)
        self._note("Registry", "venues", sorted(self.at[name].address for name in VENUES), admitted)

    def _nodes(self) -> None:
        oracle, nodes = self.at["RiskOracle"], self.config.nodes
        self._same("RiskOracle", "signers", oracle.request("signers"), tuple(self.people.signers))
        self._same("RiskOracle", "quorum", oracle.request("quorum"), nodes.quorum)
        self._same("RiskOracle", "urgent quorum", oracle.request("urgent_quorum"), nodes.urgent_quorum)
        # who was one, and may count on for a while
        ever = {signer for event in self._of("RiskOracle", "SignersSet") for signer in event.args.signers} - set(
            self.people.signers
        )
        for signer in sorted(ever):
            self._aged("RiskOracle", f"signature of {signer}", oracle.request("valid_until", signer), self.now)
        sequence, posted = (oracle.call(name) for name in ("sequence", "market_time"))
        max_age = unpack_params(oracle.call("rates"), oracle.call("floors")).max_age
        if sequence == 0:
            self._note("RiskOracle", "report", NOTHING, NOTHING)
        else:
            self._age("RiskOracle", f"age of report {sequence}", self.now - posted, max_age)

    def _numbers(self) -> None:
        c, told = self.at, self.config
        account, pool = limit_words(told)
        for name, function, expected in (
            ("RiskOracle", "rates", pack_rates(told.params)),
            ("RiskOracle", "floors", pack_floors(told.params)),
            ("History", "lag", told.history.lag),
            ("History", "delay", told.history.delay),
            ("Registry", "price_band", told.bands.price_band),
            ("Registry", "reduce_band", told.bands.reduce_band),
            ("Registry", "account_limits", account),
            ("Registry", "pool_limits", pool),
            ("Registry", "curve", pack_curve(told.curve)),
            ("Registry", "fees", pack_fees(told.fees)),
            ("Liquidator", "config", astuple(told.liquidation)),
            ("InsuranceFund", "event_cap", caps_of(told)[0]),
            ("InsuranceFund", "underlying_cap", caps_of(told)[1]),
            ("InsuranceFund", "cooldown", told.fund.cooldown),
            ("InsuranceFund", "claim_window", told.fund.claim_window),
            ("Breakers", "config", astuple(told.breakers)),
            ("Guardrails", "index_band", told.guardrails.index_band),
            ("Guardrails", "boost", told.guardrails.boost),
        ):
            self._same(name, function.replace("_", " "), c[name].request(function), expected)
        self._test(
            "Guardrails",
            "the oracle's numbers",
            c["Guardrails"].request("params_at"),
            "set, so that they move in steps",
            lambda at: at > 0,
        )
        for place, limit in told.guardrails.limits.items():
            self._same(
                "Guardrails", f"limit of {NAMES[place]}", c["Guardrails"].request("limit", 0, place), pack_limit(limit)
            )
        set_to = {(e.args.scope, e.args.place): e.args.limit for e in self._of("Guardrails", "LimitSet")}
        scopes = {f"{e.args.underlying:#06x}": e.args.scope for e in self._of("Guardrails", "ScopeSet") if e.args.scope}
        self._note("Guardrails", "scopes", {}, scopes)
        self._note("Guardrails", "limits of scopes", {}, {f"{s}/{NAMES[p]}": w for (s, p), w in set_to.items() if s})
        for what, kind, field in (
            ("collateral caps", "CollateralCapSet", "token"),
            ("caps of instruments", "InstrumentCapSet", "instrument"),
        ):
            caps = {getattr(e.args, field): e.args.cap for e in self._of("Registry", kind)}
            self._note("Registry", what, {}, {str(key): cap for key, cap in caps.items() if cap})
        limits = {
            f"{e.args.underlying:#06x}": (e.args.open_interest_cap, e.args.min_size)
            for e in self._of("Registry", "UnderlyingLimitsSet")
        }
        self._note("Registry", "limits of underlyings", {}, {k: v for k, v in limits.items() if any(v)})

    def _listings(self) -> None:
        registry = self.at["Registry"]
        tokens = [self.site.quote, *(self.site.tokens[item.symbol] for item in self.config.collateral)]
        self._test(
            "Registry",
            "tokens",
            registry.request("tokens"),
            _text(sorted(tokens)),
            lambda found: sorted(found) == sorted(tokens),
        )
        for item in self.config.collateral:
            self._test(
                "Registry",
                f"collateral {item.symbol}",
                registry.request("collateral", self.site.tokens[item.symbol]),
                f"priced by {item.underlying:#06x}, {item.decimals} decimals",
                lambda found, item=item: (  # type: ignore[misc]
                    (unpack(found[0]).underlying, found[1]) == (item.underlying, 10 ** (18 - item.decimals))
                ),
            )
        for underlying in self.config.underlyings:
            if underlying.perpetual:
                self._test(
                    "Registry",
                    f"perpetual on {underlying.description}",
                    registry.request("listing", underlying.id, 0),
                    "listed",
                    lambda found: any(unpack(word).kind == PERP for word in found),
                )

    def _feeds(self) -> None:
        feed, told = self.at["IndexFeed"], self.config.feed
        ids = [item.id for item in self.config.underlyings] + ([QUOTE] if told.quote else [])
        self._note(
            "IndexFeed",
            "underlyings",
            sorted(ids),
            sorted({e.args.underlying for e in self._of("IndexFeed", "RouteBound")}),
        )
        self._same("IndexFeed", "band", feed.request("band"), told.band)
        sequencer = (told.sequencer or NOBODY, told.grace if told.sequencer else 0)
        self._same("IndexFeed", "sequencer", feed.request("sequencer"), sequencer)
        self._same("IndexFeed", "grace over", feed.request("grace_over"), True)
        routes: list[tuple[str, int, Sequence[Leg], int, bool]] = [
            (item.description, item.id, item.legs, item.strike_exponent, item.in_currency)
            for item in self.config.underlyings
        ]
        if told.quote:
            routes.append((told.quote[0].description, QUOTE, told.quote, 0, False))
        for name, key, legs, exponent, in_currency in routes:
            where = f"feed {name}"
            at = [self.site.aggregators[leg_key(key, place)] for place in range(len(legs))]
            words = route_of(legs, at, exponent, in_currency=in_currency)
            self._same(where, "route", feed.request("route", key), words)
            self._test(where, "staged route", feed.request("staged", key), NOTHING, lambda found: found.since == 0)
            if key != QUOTE:
                self._same(where, "usable", feed.request("is_usable", key), True)
        for key, place, leg in legs_of(self.config):
            where = f"aggregator {leg.description}"
            aggregator = Contract(self.chain, self.site.aggregators[leg_key(key, place)], artifact("MockAggregator"))
            if not self.chain.code(aggregator.address):
                self._note(where, "code", "there", f"nothing at {aggregator.address}")
                continue
            self._same(where, "decimals", aggregator.request("decimals"), leg.decimals)
            self._same(where, "description", aggregator.request("description"), leg.description)
            self._test(
                where,
                "answer",
                aggregator.request("latestRoundData"),
                "positive",
                lambda found: found[1] > 0,
                show=lambda found: found[1],
            )
            self._test(
                where,
                "age",
                aggregator.request("latestRoundData"),
                f"{leg.max_age} s at most",
                lambda found, leg=leg: 0 <= self.now - found[3] <= leg.max_age,  # type: ignore[misc]
                show=lambda found: f"{self.now - found[3]} s",
            )

    def _stops(self) -> None:
        registry = self.at["Registry"]
        for level, name in enumerate(LEVELS):
            self._same("stops", name, registry.request("stopped", 1 << level), False)
        self._aged("stops", "reports", self.at["Guardrails"].request("halted_until"), self.now)
        for item in self.config.underlyings:
            self._aged(
                "stops",
                f"new risk on {item.description}",
                registry.request("underlying_stop", item.id),
                self.now,
            )

    # ------------------------------------------------------------------------------------------------------ a check

    def _note(self, where: str, what: str, expected: Any, found: Any) -> None:
        """What is known already."""
        self.checks.append(Check(where, what, _text(expected), _text(found), is_good=expected == found))

    def _same(self, where: str, what: str, request: tuple[Call, Function], expected: Any) -> None:
        """What a view should answer."""
        self._test(where, what, request, _text(expected), lambda found: _plain(found) == _plain(expected))

    def _aged(self, where: str, what: str, request: tuple[Call, Function], now: int) -> None:
        """A time that should have passed."""
        self._test(where, what, request, "no longer", lambda until: until <= now, show=lambda until: f"until {until}")

    def _age(self, where: str, what: str, age: int, most: int) -> None:
        self.checks.append(Check(where, what, f"{most} s at most", f"{age} s", is_good=0 <= age <= most))

    def _test(
        self,
        where: str,
        what: str,
        request: tuple[Call, Function],
        expected: str,
        is_good: Callable[[Any], bool],
        show: Callable[[Any], Any] = lambda found: found,
    ) -> None:
        """What an answer should be like."""

        def judge(found: Any) -> Check:
            if isinstance(found, Refused):
                return Check(where, what, expected, f"refused ({found.reason or 'no reason'})", is_good=False)
            good = is_good(found)
            return Check(where, what, expected, _text(show(found)) if not good else expected, is_good=good)

        self._asked.append((request, judge))

    def _answer(self) -> None:
        """Ask what was collected, in one batch."""
        answers = batch(self.chain, [request for request, _ in self._asked])
        self.checks += [judge(found) for found, (_, judge) in zip(answers, self._asked, strict=True)]
        self._asked = []

    # ----------------------------------------------------------------------------------------------------- events

    def _events(self) -> list[Event]:
        """What governance did since the beginning."""
        contracts = [self.at[name] for name in ("Timelock", "Registry", "RiskOracle", "Guardrails", "IndexFeed")]
        addresses = [contract.address for contract in contracts]
        last = self.chain.block
        found: list[Event] = []
        for first in range(self.site.block, last + 1, STRIDE):
            found += events_of(self.chain.logs(addresses, first, min(last, first + STRIDE - 1)), contracts)
        return found

    def _of(self, contract: str, *names: str) -> list[Event]:
        return [event for event in self.events if event.contract == contract and event.name in names]


def _plain(value: Any) -> Any:
    """Tuples for sequences of every kind."""
    return tuple(_plain(item) for item in value) if isinstance(value, (list, tuple)) else value


def _text(value: Any) -> str:
    """A value as it is read."""
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return hex(value) if value >= SHOWN else str(value)
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_text(item)}" for key, item in value.items()) or NOTHING
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or NOTHING
    return str(value)
