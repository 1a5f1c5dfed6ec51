"""Event logs of as many accounts as one wants, as the contracts would have left them.

Every account deposits and trades with others in drawn instruments, until it holds as many positions as asked on
average. What is kept are a few arrays; events are encoded when somebody asks for their blocks, so that a log of
millions takes little memory.

    block 1                 where a deployment is made up: feeds, listings, fund and liquidator
    blocks 2 ...            deposits, then trades
    grow(events)            one more block of trades between drawn accounts

Block hashes are those of number and seed: a log that is grown otherwise from some block on gets others by `fork`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from eth_utils.crypto import keccak

from plimsoll.chain.contract import Contract, EventType
from plimsoll.chain.protocol import Header, Log
from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.index.decode import Deployed
from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.spec.instruments import unpack
from plimsoll.spec.wad import WAD, div_floor, div_up

WORD: Final = 32
BLOCK_TIME: Final = 12  # [s]
BEGAN: Final = 1_700_000_000  # [s]
MICRO: Final = 10**12  # [wad] a millionth, in which quantities and money are drawn
STRIKE_EXPONENT: Final = 15
NOTIONAL: Final = 10_000.0  # [quote] of an account's positions together
SOMEBODY: Final = 0xFEED  # who deposits and which venue it was: nothing reads it


class Listing(NamedTuple):
    """An instrument that is traded at `price` while its underlying is at `spot` [quote currency]."""

    instrument: int
    price: float
    spot: float


class _Block(NamedTuple):
    """Events of one block: `kind` and what is in the columns of their row."""

    start: int
    size: int
    kind: str


class GeneratedLog:
    """A log that is encoded when it is asked for; satisfies `BlockSource`.

    Parameters
    ----------
    accounts
        How many.
    seed
        Of everything that is drawn.
    deployed
        Whose events they are.
    listings
        What is traded, and at which price.
    positions
        That an account holds on average.
    cover
        Cash of an account as a share of its notional is drawn evenly from 0 to this.
    per_block
        Events in a block, until the accounts stand.
    preamble
        Whether block 1 makes a deployment up; not, where a chain's own events do (`MergedBlocks`).

    Raises
    ------
    SettingsError
        Fewer than two accounts, nothing to trade, or a number that is not positive.
    """

    def __init__(
        self,
        accounts: int,
        seed: int,
        deployed: Deployed,
        listings: Sequence[Listing],
        *,
        positions: float = 8.0,
        cover: float = 0.4,
        per_block: int = 1_000,
        preamble: bool = True,
    ) -> None:
        if accounts < 2 or not listings or positions <= 0 or cover <= 0 or per_block < 1:
            raise SettingsError(
                f"{accounts} accounts, {len(listings)} listings, {positions} positions, cover {cover}, {per_block} "
                "events a block; at least 2, 1, above 0, above 0 and at least 1 are right"
            )
        self.deployed = deployed
        self.listings = tuple(listings)
        self.seed = seed
        self._rng = np.random.default_rng(seed)
        self._size = NOTIONAL / positions
        self._names = [int.from_bytes(self._rng.bytes(20), "big") << 96 | k % 3 for k in range(accounts)]
        self._encode = _Encoder(deployed)
        self._blocks: list[_Block] = []
        self._salts: list[int] = []  # by block
        self._columns: dict[str, list[Any]] = {"deposit": [], "trade": []}
        self._count = {"deposit": 0, "trade": 0}
        self._salt = 0
        if preamble:
            self._add("preamble", 1)
        money = np.rint(self._rng.random(accounts) * cover * NOTIONAL * 1e6).astype(np.int64)
        self._extend("deposit", np.stack([np.arange(accounts), np.maximum(money, 1)], axis=1), per_block)
        self._extend("trade", self._trades(round(accounts * positions / 2)), per_block)

    @property
    def accounts(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(self._names)

    @property
    def events(self) -> int:
        """How many there are, those of block 1 aside."""
        return sum(self._count.values())

    def grow(self, events: int) -> int:
        """One more block, of so many trades; its number."""
        self._extend("trade", self._trades(events), events)
        return self.head()

    def fork(self, number: int) -> None:
        """Forget the blocks behind `number`; what is grown from here on are others.

        Raises
        ------
        SettingsError
            There is no such block, or the accounts did not stand yet at it.
        """
        if not 0 < number <= self.head():
            raise SettingsError(f"block {number}; 1 .. {self.head()} is right")
        gone = self._blocks[number:]
        if any(block.kind != "trade" for block in gone):
            raise SettingsError(f"block {number} is before the last deposit")
        self._salt += 1
        del self._blocks[number:], self._salts[number:]
        kept = self._count["trade"] - sum(block.size for block in gone)
        whole: IntArray = np.concatenate(self._columns["trade"])[:kept]
        self._columns["trade"], self._count["trade"] = [whole], kept

    # -------------------------------------------------------------------------------------------------- as a source

    def head(self) -> int:
        """Number of the last block."""
        return len(self._blocks)

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Headers by number; block 0 is empty."""
        return [
            Header(n, self._hash(n), self._hash(n - 1), BEGAN + BLOCK_TIME * n) if 0 <= n <= self.head() else None
            for n in numbers
        ]

    def _hash(self, number: int) -> bytes:
        salt = self._salts[number - 1] if number > 0 else 0
        return keccak(f"{self.seed} {number} {salt}".encode())

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        """Events of blocks `first` .. `last` of these contracts."""
        found: list[Log] = []
        for number in range(max(1, first), min(last, self.head()) + 1):
            block, hash_ = self._blocks[number - 1], self._hash(number)
            found += [
                Log(*said, number, hash_, place) for place, said in enumerate(self._said(block)) if said[0] in addresses
            ]
        return found

    def _said(self, block: _Block) -> list[tuple[str, tuple[bytes, ...], bytes]]:
        if block.kind == "preamble":
            return self._preamble()
        columns = self._columns[block.kind]
        if len(columns) > 1:
            self._columns[block.kind] = columns = [np.concatenate(columns)]
        rows = columns[0][block.start : block.start + block.size].tolist()
        return [getattr(self, f"_{block.kind}")(*row) for row in rows]

    def _deposit(self, account: int, money: int) -> tuple[str, tuple[bytes, ...], bytes]:
        amount = money * MICRO // self.deployed.quote_scale or 1
        return self._encode("Clearinghouse", "Deposited", self._names[account], self.deployed.quote, amount, SOMEBODY)

    def _trade(self, buyer: int, seller: int, listing: int, size: int) -> tuple[str, tuple[bytes, ...], bytes]:
        item = self.listings[listing]
        quantity, price = size * MICRO, round(item.price * 10**6) * MICRO or 1
        return self._encode(
            "Clearinghouse",
            "Traded",
            self._names[buyer],
            self._names[seller],
            item.instrument,
            quantity,
            price,
            div_up(quantity * price, WAD),
            div_floor(quantity * price, WAD),
            0,
            SOMEBODY,
        )

    def _preamble(self) -> list[tuple[str, tuple[bytes, ...], bytes]]:
        route = (STRIKE_EXPONENT << 56, 0, 0)
        items = sorted({listing.instrument for listing in self.listings})
        say = self._encode
        return [
            *(
                say("IndexFeed", "RouteBound", u, (0, 0, 0), route, 1, 0)
                for u in sorted({unpack(i).underlying for i in items})
            ),
            *(say("Registry", "InstrumentListed", item) for item in items),
            say("Clearinghouse", "LiquidatorSet", SOMEBODY),
            say("Clearinghouse", "FundSet", SOMEBODY + 1),
        ]

    # ---------------------------------------------------------------------------------------------------- as drawn

    def _trades(self, count: int) -> IntArray:
        """Buyer, seller, listing and size [millionths] of trades, shape (count, 4)."""
        most = len(self._names)
        buyer = self._rng.integers(0, most, count)
        seller = (buyer + 1 + self._rng.integers(0, most - 1, count)) % most
        listing = self._rng.integers(0, len(self.listings), count)
        index: FloatArray = np.array([item.spot for item in self.listings])
        size = np.abs(self._rng.standard_normal(count)) * self._size / index[listing]
        found: IntArray = np.stack(
            [buyer, seller, listing, np.maximum(np.rint(size * 1e6), 1).astype(np.int64)], axis=1
        )
        return found

    def _extend(self, kind: str, rows: IntArray, per_block: int) -> None:
        self._columns[kind].append(rows)
        for start in range(0, len(rows), per_block):
            self._add(kind, min(per_block, len(rows) - start))

    def _add(self, kind: str, count: int) -> None:
        self._blocks.append(_Block(self._count.get(kind, 0), count, kind))
        self._salts.append(self._salt)
        if kind in self._count:
            self._count[kind] += count


def generated_log(
    accounts: int, seed: int, deployed: Deployed, listings: Sequence[Listing], **options: Any
) -> GeneratedLog:
    """A log of so many accounts; the options are those of `GeneratedLog`."""
    return GeneratedLog(accounts, seed, deployed, listings, **options)


class _Encoder:
    """Makes what a contract would have logged of an event's fields, all of them words or fixed arrays of words."""

    def __init__(self, deployed: Deployed) -> None:
        self._kinds: dict[tuple[str, str], tuple[str, bytes, list[bool]]] = {}
        for contract in deployed.contracts:
            self._learn(contract)

    def _learn(self, contract: Contract) -> None:
        for entry in contract.artifact.abi:
            if entry["type"] == "event":
                indexed = [bool(part["indexed"]) for part in entry["inputs"]]
                self._kinds[contract.name, entry["name"]] = contract.address, EventType(entry).topic, indexed

    def __call__(
        self, contract: str, name: str, *fields: int | tuple[int, ...]
    ) -> tuple[str, tuple[bytes, ...], bytes]:
        address, topic, indexed = self._kinds[contract, name]
        topics: list[bytes] = [topic]
        data: list[bytes] = []
        for value, apart in zip(fields, indexed, strict=True):
            (topics if apart else data).append(_words(value))
        return address, tuple(topics), b"".join(data)


def _words(value: int | tuple[int, ...]) -> bytes:
    if isinstance(value, tuple):
        return b"".join(map(_words, value))
    return (value % 2**256).to_bytes(WORD, "big")
