"""A chain with a book of trades on it, whose actions are drawn, and an index of it."""

from __future__ import annotations

from dataclasses import replace

from plimsoll.chain.contract import Contract
from plimsoll.chain.deployment import System
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.spec.errors import Refused
from plimsoll.spec.margin import View
from tests.agreement.actions import Player
from tests.agreement.test_sequences import deployment
from tests.pairs import Pair, text
from tests.strategies import Seeded

NAMES = ("feed", "guard", "oracle", "history", "registry", "mandates", "exchange", "liquidator", "standing", "fund")
FOCUS = ("crash", "settle_expiry", "cash_out", "batch", "borrow", "claim", "pursue", "pursue", "transfer")


def system_of(pair: Pair) -> System:
    """A pair's contracts as the keeper has them."""
    return System(
        pair.chain,
        **{name: pair.contracts[name] for name in NAMES},
        back_office=Contract(pair.chain, text(pair.twin.at.book), pair.contracts["book"].artifact),
        clearinghouse=pair.contracts["book"],
        lens=pair.lens,
        breakers=pair.contracts["breakers"],
        quote=pair.token_contracts[pair.tokens[0]],
    )


class Scene:
    """A deployment that lives on, and what a test asks of it."""

    def __init__(self, at: int = 0) -> None:
        self.pair = deployment(at)
        self.system = system_of(self.pair)

    def index(self, path, **options) -> AccountIndex:
        return AccountIndex.of(self.system, path, **options)

    def play(self, seed: int, steps: int, focus=FOCUS) -> None:
        player = Player(self.pair, Seeded(seed), focus)
        for _ in range(steps):
            player.act()

    def stir(self, seed: int) -> None:
        """Something that leaves an event in the latest block."""
        token = self.pair.token_contracts[self.pair.tokens[0]]
        token.transact("approve", token.address, seed, sender=text(self.pair.owner))


def differences(index: AccountIndex, pair: Pair) -> list[str]:
    """Where the index and the twin, which is the chain's, differ."""
    book, liquidator, state = pair.twin.book, pair.twin.liquidator, index.state
    found = []
    for name, own, theirs in (
        ("ledgers", state.ledgers, book.ledgers),
        ("books", state.books, book.books),
        ("brought", *({a: e[1] for a, e in entries.items()} for entries in (state.entries, book.entries))),
        ("open", state.open, book.open),
        ("calls", state.calls, liquidator.calls),
        ("auctions", state.auctions, liquidator.auctions),
        ("records", state.records, liquidator.records),
    ):
        for key in own.keys() | theirs.keys():
            empty = {"ledgers": (0, 0), "books": ()}.get(name, 0)
            if own.get(key, empty) != theirs.get(key, empty):
                found.append(f"{name} of {key:#x}: {own.get(key, empty)}, {theirs.get(key, empty)}")
    if replace(state.sums, since=0) != replace(book.sums, since=0):  # since: nothing while nobody owes
        found.append(f"pool: {state.sums}, {book.sums}")
    held = {}
    for account, words in book.books.items():
        for word in words:
            if expiry := word >> 72 & 2**40 - 1:
                held.setdefault((word >> 112 & 0xFFFF, expiry), set()).add(account)
    if dict(index.holders) != held:
        found.append(f"holders: {dict(index.holders)}, {held}")
    if state.curve != pair.twin.registry.curve():
        found.append(f"curve: {state.curve}, {pair.twin.registry.curve()}")
    return found


def same(one: AccountIndex, other: AccountIndex) -> bool:
    """Whether two indexes say the same of everything."""
    names = ("places", "ledgers", "entries", "books", "interest", "open", "tokens", "strike_units", "calls", "auctions")
    more = ("paid", "records", "listed", "sums", "kept", "flowed", "liquidator", "fund", "bad_debt", "config", "curve")
    return (
        all(getattr(one.state, name) == getattr(other.state, name) for name in (*names, *more))
        and one.state.pool_limits == other.state.pool_limits
        and one.head == other.head
        and dict(one.holders) == dict(other.holders)
        and list(one.state.places) == list(other.state.places)
        and list(one.state.listed) == list(other.state.listed)
    )


def view_of(pair: Pair) -> View:
    """What the oracle holds now, as `Held.view` has it."""
    oracle, now = pair.twin.oracle, pair.now
    live = oracle.view(now)
    index = {}
    for underlying in pair.aggregators:
        try:
            index[underlying] = live.index[underlying]
        except Refused:  # its feed is down
            continue
    surfaces = {key: oracle.surface_at(pointer >> 96) for key, pointer in oracle.pointers.items() if pointer}
    return replace(live, index=index, surfaces=surfaces)
