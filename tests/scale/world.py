"""Kinds of cases about one world: margins and what they are made of, marks, funding, auctions, interest, fees.

A world is drawn, stored, signed and posted as an engine would; then hundreds of cases are drawn in it. What a view
reads beside the world (an account's book, an auction under way, a pool, a word of fees or of funding) is put into
storage and into the twin, of any value that the contracts can come to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from plimsoll.chain.artifacts import Artifact
from plimsoll.spec import margin
from plimsoll.spec.instruments import MAX_POSITIONS, unpack
from plimsoll.spec.interest import MAX_INDEX, ONE, Pool
from plimsoll.spec.liquidator import MAX_BONUS, MAX_REST, MAX_START, RAMP, Config
from plimsoll.spec.margin import LIFE
from plimsoll.spec.registry import MAX_FEE, MAX_LIQUIDATION_FEE, MAX_RATE, Curve, Fees, pack_curve, pack_fees
from plimsoll.spec.wad import DAY, MAX_LEDGER, PPM, WAD, YEAR
from tests.agreement.rig import Rig
from tests.pairs import call_words
from tests.scale.bytecode import Bytecode
from tests.scale.kind import CASES, Case, Kind, Question, Seen, compare
from tests.storage import slot_of
from tests.strategies import NOW, Source, World, chance, edge, is_dead, pick, portfolios, words_of, world

ACCOUNT = 0xACC << 96 | 7
LENDER = 0xBEE << 96 | 1
PAID = 0xFEFE  # an underlying that no world has: its funding is put there
MASK_LOW = 2**128 - 1
LEDGERS = 4  # that a drawn book has in turn: the book is the dear part of a case
IN_BOOK = ("_ledgers", "_entries", "_positions", "_indexes", "_sums", "_kept")  # what is put there


def size_of(source: Source) -> int:
    """How many positions: in most cases up to eight, in some up to all that an account can hold."""
    way = source.integer(0, 199)
    if way < 180:
        return source.integer(1, 8)
    if way < 194:
        return source.integer(9, 32)
    return MAX_POSITIONS if way >= 198 else source.integer(33, MAX_POSITIONS)


@dataclass(frozen=True)
class Loaded:
    """A world on both, and a margin by the twin."""

    world: World
    assess: Callable[[tuple[int, ...], int], margin.Assessment]


class Floor:
    """One deployment and its twin, in which worlds are loaded one after the other."""

    scene, cases = World, CASES

    def __init__(self, replaced: dict[str, Artifact] | None = None) -> None:
        self.rig = Rig(replaced)
        self.pair = self.rig.pair
        self.bytecode = Bytecode(self.pair.chain)
        self.at = {part: contract.address for part, contract in self.pair.contracts.items()}
        layouts = {
            part: contract.artifact.layout["storage_layout"]
            for part, contract in self.pair.contracts.items()
            if part in {"oracle", "book", "registry", "liquidator"}
        }
        book = layouts["book"]["book"]
        self.slots = {
            **{
                name: book[name]["slot"]
                for name in ("_ledgers", "_entries", "_positions", "_indexes", "_sums", "_kept")
            },
            **{name: layouts["registry"][name]["slot"] for name in ("_rates", "curve", "venues", "_places")},
            **{name: layouts["liquidator"][name]["slot"] for name in ("_auctions", "config")},
            "_fundings": layouts["oracle"]["_fundings"]["slot"],
        }
        self.functions = {
            name: self.pair.contracts[part].interface.function(name, count)
            for part, name, count in (
                ("oracle", "mark", 1),
                ("oracle", "funding", 1),
                ("liquidator", "quote", 2),
                ("book", "pool", 0),
                ("book", "ledger", 1),
                ("registry", "liquidation_fee", 2),
                ("registry", "trade_terms", 3),
            )
        }

    def draw(self, source: Source, *, small: bool = False) -> World:
        """A world, in which not every feed is dead; a small one shrinks better."""
        known = world(source, 4, 3) if small else world(source)
        if known.dead.issuperset(known.price):
            known.dead.discard(min(known.price))
        return known

    @contextmanager
    def load(self, known: World) -> Iterator[Loaded]:
        """A world on both, for as long as the context lasts."""
        with self.rig.load(known):
            oracle, now = self.pair.twin.oracle, self.pair.now
            view = oracle.view(now)
            yield Loaded(known, lambda words, ledger: margin.assess(words, ledger, view))

    def check(self, case: Case) -> Seen:
        """One case on both; Mismatch where they differ."""
        asked: Question = BY_NAME[case.kind].question(self, *case.args)
        return compare(self.bytecode, asked)

    def words(self, name: str, *args: int) -> bytes:
        """Calldata of a function of plain words."""
        return self.functions[name].selector + b"".join((a % 2**256).to_bytes(32, "big") for a in args)

    # ------------------------------------------------------------------------------------------- what is put there

    def put_pool(self, pool: Pool, kept: int) -> list[tuple[str, int, int]]:
        """A pool on both: the words for the chain."""
        book = self.pair.twin.book
        book.sums, book.kept = pool, kept
        at = self.at["book"]
        return [
            (at, self.slots["_indexes"], pool.supply_index << 152 | pool.borrow_index << 48 | pool.since),
            (at, self.slots["_sums"], pool.supply << 128 | pool.debt),
            (at, self.slots["_kept"], kept),
        ]

    def put_account(
        self, account: int, words: tuple[int, ...], cash: int, linear: int, entry: int
    ) -> list[tuple[str, int, int]]:
        """An account's book and ledgers on both: the words for the chain."""
        book = self.pair.twin.book
        book.books[account] = words
        book.ledgers[account] = (cash, linear)
        book.entries[account] = (entry, 0)
        at, first = self.at["book"], slot_of(self.slots["_positions"], account)
        return [
            (at, slot_of(self.slots["_ledgers"], account), (cash & MASK_LOW) << 128 | linear & MASK_LOW),
            (at, slot_of(self.slots["_entries"], account), entry << 128),
            (at, first, len(words)),
            *((at, first + 1 + place, word) for place, word in enumerate(words)),
        ]

    def put_fees(self, fees: int) -> list[tuple[str, int, int]]:
        """A word of fees on both: the word for the chain, which keeps the bands with it."""
        registry = self.pair.twin.registry
        registry.fees_word = fees
        return [(self.at["registry"], self.slots["_rates"], fees | registry.price_band << 24 | registry.reduce_band)]


# ----------------------------------------------------------------------------------------------------------- the kinds


class Margin:
    """`RiskOracle.assess`: the margin of a book. Half on an edge of a state, some with a dead feed."""

    name, weight = "margin", 64 // LEDGERS

    def draw(self, source: Source, loaded: Loaded) -> tuple[Case, ...]:
        found = portfolios(source, loaded.world, loaded.assess, size_of, LEDGERS)
        return tuple(Case(self.name, (each.words, each.ledger), len(each.words)) for each in found)

    def question(self, floor: Floor, words: tuple[int, ...], ledger: int) -> Question:
        pair, rig = floor.pair, floor.rig
        data = call_words(rig.oracle, "assess", words, ledger)
        return Question(rig.oracle.address, data, lambda: pair.twin.oracle.assess(words, ledger, pair.now))


class Terms:
    """`RiskOracle.terms` of one underlying's words: each part of a margin, not only what they come to."""

    name, weight = "terms", 6

    def draw(self, source: Source, loaded: Loaded) -> tuple[Case, ...]:
        book = words_of(source, loaded.world, size_of)
        words = book if chance(source, 10) else tuple(pick(source, margin.groups(book)))
        return (Case(self.name, (() if chance(source, 2) else words,), len(words)),)

    def question(self, floor: Floor, words: tuple[int, ...]) -> Question:
        pair, rig = floor.pair, floor.rig
        data = call_words(rig.oracle, "terms", words)
        return Question(rig.oracle.address, data, lambda: pair.twin.oracle.terms(words, pair.now))


class Lanes:
    """`RiskOracle.lanes`: profit or loss of a book in each scenario, as surfaces decode."""

    name, weight = "lanes", 4

    def draw(self, source: Source, loaded: Loaded) -> tuple[Case, ...]:
        words = words_of(source, loaded.world, size_of)
        return (Case(self.name, (words,), len(words)),)

    def question(self, floor: Floor, words: tuple[int, ...]) -> Question:
        pair, rig = floor.pair, floor.rig
        data = call_words(rig.oracle, "lanes", words)
        return Question(rig.oracle.address, data, lambda: pair.twin.oracle.lanes(words, pair.now))


class Mark:
    """`RiskOracle.mark` of a listed instrument, of a row that no surface has, of any id."""

    name, weight = "mark", 4

    def draw(self, source: Source, loaded: Loaded) -> tuple[Case, ...]:
        known = loaded.world
        way = source.integer(0, 9)
        if way == 0:
            found = source.integer(0, 2**128 - 1)
        elif way == 1:
            found = pick(source, known.wrong).pack()
        else:
            found = pick(source, known.listed).pack()
        return (Case(self.name, (found,), 1),)

    def question(self, floor: Floor, instrument: int) -> Question:
        pair = floor.pair
        data = floor.words("mark", instrument)
        return Question(floor.at["oracle"], data, lambda: pair.twin.oracle.mark(instrument, pair.now))


class Funding:
    """`RiskOracle.funding` over any stored word: what a perp's long has paid, on the edges of a rate's life."""

    name, weight = "funding", 5

    def draw(self, source: Source, _: Loaded) -> tuple[Case, ...]:
        ages = (0, 1, LIFE - 1, LIFE, LIFE + 1, source.integer(0, LIFE), source.integer(0, 4 * LIFE))
        cumulative = edge(source, -(2**125), 2**125)
        if chance(source, 40):  # an exact number of days' worth, give or take one
            cumulative = cumulative // DAY * DAY + source.integer(-1, 1)
        return (Case(self.name, (cumulative, pick(source, ages), edge(source, -(2**85), 2**85)), 1),)

    def question(self, floor: Floor, cumulative: int, age: int, slope: int) -> Question:
        pair = floor.pair
        word = margin.pack_funding(cumulative, NOW - age, slope)
        pair.twin.oracle.fundings[PAID] = word
        writes = [(floor.at["oracle"], slot_of(floor.slots["_fundings"], PAID), word)]
        return Question(
            floor.at["oracle"],
            floor.words("funding", PAID),
            lambda: pair.twin.oracle.funding(PAID, pair.now),
            writes,
        )


def fee_word(source: Source) -> int:
    """Fees that governance may set."""
    cap, most = edge(source, 0, MAX_FEE), edge(source, 0, MAX_LIQUIDATION_FEE)
    return pack_fees(
        Fees(
            taker=edge(source, 0, cap),
            maker=edge(source, 0, cap),
            vol_scale=edge(source, 0, 2**24 - 1),
            util_scale=edge(source, 0, 2**24 - 1),
            cap=cap,
            liquidation=0 if chance(source, 10) else edge(source, 0, most),
            liquidation_cap=most,
        )
    )


class Auction:
    """`Liquidator.quote` over the whole stack: a bid's price, discount, cap and what the fund owes, at any moment.

    The margin it starts from is that of a drawn account, by the book, the oracle and the feed.
    """

    name, weight = "auction", 9

    def draw(self, source: Source, loaded: Loaded) -> tuple[Case, ...]:
        words = words_of(source, loaded.world, size_of)
        ledger = edge(source, -MAX_LEDGER, MAX_LEDGER)
        if not is_dead(words, loaded.world) and chance(source, 85):  # under initial margin, by so much, or over it
            at_debt = loaded.assess(words, -1)
            above = at_debt.equity_haircut - at_debt.im  # what a debt of one leaves over it
            below = edge(source, 1, 2 * at_debt.im + 10) if chance(source, 88) else pick(source, (0, -1))
            ledger = -1 - above - below
        ledger = min(max(ledger, -MAX_LEDGER), MAX_LEDGER)
        linear = edge(source, -WAD, WAD) if chance(source, 40) else 0
        cash = min(max(ledger - linear, -MAX_LEDGER), MAX_LEDGER)
        ramp = edge(source, *RAMP)
        elapsed = pick(source, (0, 1, ramp - 1, ramp, 2 * ramp, 2 * ramp + 1, source.integer(0, ramp), ramp // 2))
        supply = edge(source, 0, 2**127)
        case = Case(
            self.name,
            (
                words,
                cash,
                linear,
                elapsed,
                ramp,
                edge(source, 0, MAX_START),
                edge(source, 0, WAD),  # fraction
                edge(source, 0, MAX_BONUS),
                0 if chance(source, 50) else edge(source, 0, MAX_REST),
                fee_word(source),
                supply,
                edge(source, 0, supply),  # debt
            ),
            len(words),
        )
        return (case,)

    def question(
        self,
        floor: Floor,
        words: tuple[int, ...],
        cash: int,
        linear: int,
        elapsed: int,
        ramp: int,
        start_discount: int,
        fraction: int,
        bonus: int,
        rest: int,
        fees: int,
        supply: int,
        debt: int,
    ) -> Question:
        pair, at = floor.pair, floor.at["liquidator"]
        liquidator = pair.twin.liquidator
        liquidator.config = Config(bonus=bonus, min_rest=rest)
        liquidator.auctions[ACCOUNT] = (NOW - elapsed, ramp, start_discount)
        writes = [
            *floor.put_account(ACCOUNT, words, cash, linear, ONE),
            *floor.put_pool(Pool(since=NOW, supply=supply, debt=debt), 0),
            *floor.put_fees(fees),
            (at, floor.slots["config"] + 4, bonus),
            (at, floor.slots["config"] + 5, rest),
            (at, slot_of(floor.slots["_auctions"], ACCOUNT), NOW - elapsed << 64 | ramp << 32 | start_discount),
        ]
        return Question(
            at,
            floor.words("quote", ACCOUNT, fraction),
            lambda: liquidator.quote(ACCOUNT, fraction, pair.now),
            writes,
        )


class Interest:
    """`pool` and `ledger` of the Clearinghouse: interest on any pool and curve, after any time; an account's cash."""

    name, weight = "interest", 4

    def draw(self, source: Source, _: Loaded) -> tuple[Case, ...]:
        supply = edge(source, 0, 2**128 - 1)
        debt = edge(source, 0, supply) if chance(source, 80) else edge(source, 0, 2**128 - 1)
        kink = edge(source, 1, PPM - 1)
        if chance(source, 15) and supply > PPM:  # a utilisation on the kink, give or take one
            debt = max(0, supply // PPM * kink + source.integer(-1, 1))
        curve = Curve(
            edge(source, 0, MAX_RATE),
            kink,
            edge(source, 0, MAX_RATE),
            edge(source, 0, MAX_RATE),
            edge(source, 0, PPM),
        )
        supply_index, borrow_index = edge(source, ONE, MAX_INDEX), edge(source, ONE, MAX_INDEX)
        cash = edge(source, -MAX_LEDGER, MAX_LEDGER)
        entry = edge(source, 1, supply_index if cash >= 0 else borrow_index)
        case = Case(
            self.name,
            (
                int(chance(source, 50)),
                supply_index,
                borrow_index,
                pick(source, (0, 1, 12, 3_600, DAY, YEAR, source.integer(0, 50 * YEAR))),
                supply,
                debt,
                edge(source, 0, 2**128 - 1),  # kept
                pack_curve(curve),
                cash,
                entry,
            ),
            0,
        )
        return (case,)

    def question(
        self,
        floor: Floor,
        of_account: int,
        supply_index: int,
        borrow_index: int,
        age: int,
        supply: int,
        debt: int,
        kept: int,
        curve: int,
        cash: int,
        entry: int,
    ) -> Question:
        pair = floor.pair
        book = pair.twin.book
        pair.twin.registry.curve_word = curve
        writes = [
            *floor.put_pool(Pool(supply_index, borrow_index, NOW - age, supply, debt), kept),
            *floor.put_account(LENDER, (), cash, 0, entry),
            (floor.at["registry"], floor.slots["curve"], curve),
        ]
        if of_account:
            data = floor.words("ledger", LENDER)
            return Question(floor.at["book"], data, lambda: book.ledger(LENDER, pair.now), writes)
        return Question(floor.at["book"], floor.words("pool"), lambda: book.pool(pair.now), writes)


class Fee:
    """`Registry.liquidation_fee` by any volatility and utilisation under any fees that may be set."""

    name, weight = "fees", 2

    def draw(self, source: Source, _: Loaded) -> tuple[Case, ...]:
        volatility = edge(source, 0, 2**32 - 1) if chance(source, 70) else edge(source, 0, 2**256 - 1)
        used = edge(source, 0, PPM) if chance(source, 70) else edge(source, 0, 2**256 - 1)
        return (Case(self.name, (fee_word(source), volatility, used), 0),)

    def question(self, floor: Floor, fees: int, volatility: int, used: int) -> Question:
        registry = floor.pair.twin.registry
        writes = floor.put_fees(fees)
        return Question(
            floor.at["registry"],
            floor.words("liquidation_fee", volatility, used),
            lambda: registry.liquidation_fee(volatility, used),
            writes,
        )


class Trading:
    """`Registry.trade_terms`: both fees of a trade by posted volatility; spot and what expired are refused."""

    name, weight = "trading", 3

    def draw(self, source: Source, loaded: Loaded) -> tuple[Case, ...]:
        found = pick(source, loaded.world.listed)
        used = edge(source, 0, PPM) if chance(source, 70) else edge(source, 0, 2**256 - 1)
        cap = edge(source, 0, 2**128 - 1)
        return (Case(self.name, (found.pack(), int(not chance(source, 4)), fee_word(source), cap, used), 1),)

    def question(self, floor: Floor, instrument: int, listed: int, fees: int, cap: int, used: int) -> Question:
        pair, at = floor.pair, floor.at["registry"]
        registry, venue = pair.twin.registry, pair.twin.at.exchange
        found = unpack(instrument)
        registry.venues[venue] = True
        registry.listings[found.underlying, found.expiry] = [0] * found.row + [instrument] * listed
        registry.instrument_caps[instrument] = cap
        writes = [
            *floor.put_fees(fees),
            (at, slot_of(floor.slots["venues"], venue), 1),
            (at, slot_of(floor.slots["_places"], instrument >> 16), cap << 16 | found.row + 1 if listed else 0),
        ]
        return Question(
            at,
            floor.words("trade_terms", venue, instrument, used),
            lambda: registry.trade_terms(venue, instrument, used, pair.now),
            writes,
        )


KINDS: tuple[Kind, ...] = (Margin(), Terms(), Lanes(), Mark(), Funding(), Auction(), Interest(), Fee(), Trading())
BY_NAME: dict[str, Any] = {kind.name: kind for kind in KINDS}
