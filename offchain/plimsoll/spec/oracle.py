"""What the engine says and whether it is believed. Twin of `contracts/RiskOracle.vy`.

State and refusals of the contract in integers: the same checks in the same order, the same words in storage, the same
log. Every function either commits as a whole or raises `Refused` and leaves the state as it was. Addresses are
integers; `sender` and `now` stand for `msg.sender` and `block.timestamp`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from eth_utils.crypto import keccak

from plimsoll.spec import authority, margin
from plimsoll.spec.atomic import atomic
from plimsoll.spec.authority import NOBODY, Guardians
from plimsoll.spec.errors import FormatError, Refused, require
from plimsoll.spec.events import Event
from plimsoll.spec.instruments import MAX_POSITIONS, id_of, unpack
from plimsoll.spec.margin import Assessment, Index, Params, Scalars, Terms, View
from plimsoll.spec.report import (
    MAX_KAPPA,
    MIN_DEPTH,
    Report,
    digest,
    pack_floors,
    pack_rates,
    unpack_class,
    unpack_scalars,
)
from plimsoll.spec.signatures import HALF_ORDER, signer_of
from plimsoll.spec.surface import LANES, MAX_ROWS, Surface, decode
from plimsoll.spec.wad import MAX_PRICE, PPM, div_floor

T = TypeVar("T")

NAME: Final = "RiskOracle"
MAX_SURFACES: Final = 64
MAX_CLASSES: Final = 16
MAX_SIGNERS: Final = 16
MAX_CODE: Final = 24_576
MAX_SCALE: Final = 10
MAX_SOM: Final = PPM
MAX_LEG_COST: Final = 10**24  # [wad]
MAX_FUNDING: Final = 2**15 - 1  # [ppm a day]
MAX_OVERLAP: Final = 86_400  # [s]
ENDLESS: Final = 2**256 - 1
LANE_PRICE: Final = 10**23  # a lane unit of 1e-5 by a wad of contracts
CALL_BUFFER: Final = (10_000, PPM)  # [ppm]
MOVE_GATE: Final = (1_000, 200_000)  # [ppm]
MAX_AGE: Final = (60, 7 * 86_400)  # [s]
FLOOR_RATE: Final = (100_000, PPM)  # [ppm]
COMPACT: Final = 64
FULL: Final = 65


class Feed(Protocol):
    """What the oracle reads of `IndexFeed`."""

    def price(self, underlying: int, now: int) -> tuple[int, int, int]:
        """Price [wad], its time [s], strike unit [wad]; raises Refused where the contract reverts."""
        ...


def create_address(creator: int, nonce: int) -> int:
    """Where the `nonce`-th contract of `creator` stands: the low 20 bytes of keccak(rlp([creator, nonce]))."""
    tail = bytes([nonce or 0x80]) if nonce < 0x80 else _rlp_number(nonce)
    payload = b"\x94" + creator.to_bytes(20, "big") + tail
    return int.from_bytes(keccak(bytes([0xC0 + len(payload)]) + payload)[12:], "big")


def _rlp_number(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([0x80 + len(data)]) + data


def recover(message: bytes, signature: bytes) -> int:
    """Who signed `message`; 0 where the length is no signature's. Twin of snekmate's `ecdsa._recover_sig`."""
    if len(signature) not in {COMPACT, FULL}:
        return 0
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    v = signature[64] if len(signature) == FULL else 27 + (s >> 255)
    if len(signature) == COMPACT:
        s &= 2**255 - 1
    require(s <= HALF_ORDER, "ecdsa: invalid signature `s` value")
    signer = signer_of(message, r, s, v)
    require(signer != 0, "ecdsa: invalid signature")
    return signer


def read_surface(code: bytes | None) -> Surface:
    """A surface that the scan can read. Twin of `surface._opened`."""
    try:
        found = decode(code or b"")
    except FormatError:
        raise Refused("oracle: surface malformed") from None
    require(
        len(found.rows) <= MAX_ROWS
        and 0 < found.scale <= MAX_SCALE
        and 0 < found.common <= LANES
        and found.forward > 0
        and 0 < found.reference <= MAX_PRICE,
        "oracle: surface malformed",
    )
    return found


def unpack_params(rates: int, floors: int) -> Params:
    """The governance numbers behind their two words."""
    return Params(
        call_buffer=rates >> 232,
        move_gate=rates >> 208 & (2**24 - 1),
        max_age=rates >> 176 & (2**32 - 1),
        floor_rate=rates >> 152 & (2**24 - 1),
        min_share=rates >> 128 & (2**24 - 1),
        leg_cost=rates >> 32 & (2**96 - 1),
        max_funding=rates >> 16 & 0xFFFF,
        widen=rates & 0xFFFF,
        gross_base=_four(floors, 232),
        gross_slope=_four(floors, 136),
    )


def _four(word: int, top: int) -> tuple[int, int, int, int]:
    a, b, c, d = (word >> (top - 24 * kind) & (2**24 - 1) for kind in range(4))
    return a, b, c, d


def are_sound(params: Params) -> bool:
    """Whether governance may set these numbers."""
    bounds = (
        (params.call_buffer, CALL_BUFFER),
        (params.move_gate, MOVE_GATE),
        (params.max_age, MAX_AGE),
        (params.floor_rate, FLOOR_RATE),
        (params.min_share, (0, PPM)),
        (params.leg_cost, (0, MAX_LEG_COST)),
        (params.max_funding, (0, MAX_FUNDING)),
    )
    return (
        all(low <= value <= high for value, (low, high) in bounds)
        and all(0 < base <= PPM for base in params.gross_base)
        and all(slope <= PPM for slope in params.gross_slope)
    )


class Guard(Protocol):
    """What the oracle asks of `Guardrails`."""

    log: list[Event]

    def check(self, surface: Surface) -> bool:
        """True, or refused."""
        ...

    def admit(
        self,
        urgent: bool,  # noqa: FBT001 - as the contract has it
        market_time: int,
        surfaces: Sequence[Surface],
        before: Sequence[Surface | None],
        scalars: Sequence[int],
        classes: Sequence[int],
        *,
        sender: int,
        now: int,
    ) -> None:
        """Refused, or noted."""
        ...

    def admit_params(
        self, old_rates: int, old_floors: int, rates: int, floors: int, *, sender: int, now: int, are_sound: bool
    ) -> bool:
        """Whether no number gets looser; or refused."""
        ...


class _Prices(Mapping[int, Index]):
    """Live prices, asked of the feed when they are read: a dead feed refuses then, not before."""

    def __init__(self, feed: Feed, now: int) -> None:
        self._feed = feed
        self._now = now

    def __getitem__(self, underlying: int) -> Index:
        price, _, strike_unit = self._feed.price(underlying, self._now)
        return Index(price, strike_unit)

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Read(Mapping[int, T]):
    """Stored words, each read when it is asked for."""

    def __init__(self, words: Mapping[int, int], read: Callable[[int], T]) -> None:
        self._words = words
        self._read = read

    def __getitem__(self, key: int) -> T:
        return self._read(self._words[key])

    def __iter__(self) -> Iterator[int]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)


class _Surfaces(Mapping[tuple[int, int], Surface]):
    """Surfaces behind the pointers, decoded when they are read."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle

    def __getitem__(self, key: tuple[int, int]) -> Surface:
        return self._oracle.surface_at(self._oracle.pointers[key] >> 96)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._oracle.pointers)

    def __len__(self) -> int:
        return len(self._oracle.pointers)


class _Interest(Mapping[int, int]):
    """Open interest, asked of the book when it is read; zero while no book is set."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle

    def __getitem__(self, underlying: int) -> int:
        return self._oracle.interest(underlying) if self._oracle.book else 0

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Oracle:
    """The state of one `RiskOracle`.

    `address` and `chain_id` enter the digest that signers sign; `interest` answers for the book once it is set.
    """

    def __init__(
        self,
        address: int,
        chain_id: int,
        owner: int,
        feed: Feed,
        guard: Guard,
        interest: Callable[[int], int] = lambda _: 0,
        guardians: Guardians = NOBODY,
    ) -> None:
        self.address = address
        self.chain_id = chain_id
        self.owner = owner
        self.feed = feed
        self.guard = guard
        self.interest = interest
        self.guardians = guardians
        self.nonce = 1  # of the contract account: the next surface's address depends on it
        self.sequence = 0
        self.market_time = 0
        self.quorum = 0
        self.urgent_quorum = 0
        self.signer_list: tuple[int, ...] = ()
        self.valid: dict[int, int] = {}  # signer -> [s] before when a signature counts
        self.checked: set[bytes] = set()  # code hashes of surfaces that were stored
        self.book = 0
        self.rates = pack_rates(Params())
        self.floors = pack_floors(Params())
        self.pointers: dict[tuple[int, int], int] = {}
        self.scalars: dict[int, int] = {}
        self.classes: dict[int, int] = {}
        self.fundings: dict[int, int] = {}
        self.codes: dict[int, bytes] = {}
        self._decoded: dict[int, Surface] = {}
        self._params = Params()
        self.log: list[Event] = [
            self._event("ParamsSet", old_rates=0, old_floors=0, rates=self.rates, floors=self.floors)
        ]

    # ------------------------------------------------------------------------------------------------ believing

    def store(self, code: bytes) -> int:
        """Write a surface as the code of a new data contract; its address."""
        found = read_surface(code)
        self.guard.check(found)
        at = self._create(code, found)
        self.checked.add(keccak(code))
        return at

    def post(
        self,
        report: Report,
        signatures: Sequence[bytes],
        stored: Sequence[int],
        fresh: bytes = b"",
        *,
        now: int,
    ) -> None:
        """Believe a report, whole or not at all; `stored` then `fresh` are its surfaces in order."""
        require(report.sequence > self.sequence, "oracle: sequence not above the last")
        require(report.market_time <= now, "oracle: market time in the future")
        require(report.market_time + self._params.max_age >= now, "oracle: market time too old")
        require(report.market_time >= self.market_time, "oracle: market time goes back")
        signed = digest(report, self.chain_id, f"0x{self.address:040x}")
        self._check_signatures(signed, signatures, self.urgent_quorum if report.urgent else self.quorum, now)

        targets = [(at, self.codes.get(at)) for at in stored]
        if fresh:
            require(len(stored) < MAX_SURFACES, "oracle: surface count differs")
            require(fresh[0] == 0, "oracle: surface malformed")  # before anything is written
            targets.append((create_address(self.address, self.nonce), fresh))
        require(len(targets) == len(report.surfaces), "oracle: surface count differs")

        found = self._check_surfaces(report, targets, len(stored))
        self._check_scalars(report)
        before = [self._decoded.get(self.pointers.get((s.underlying, s.expiry), 0) >> 96) for s in found]
        self.guard.admit(
            report.urgent,
            report.market_time,
            found,
            before,
            report.scalars,
            report.classes,
            sender=self.address,
            now=now,
        )

        if fresh:
            self._create(fresh, found[-1])
        self.sequence = report.sequence
        self.market_time = report.market_time
        self._emit(
            "ReportPosted",
            sequence=report.sequence,
            market_time=report.market_time,
            urgent=report.urgent,
            digest=signed,
            model=report.model,
            config=report.config,
            snapshot=report.snapshot,
        )
        stamp = (report.sequence & 0xFFFFFFFF) << 64 | report.market_time << 32 | now
        for (at, _), surface in zip(targets, found, strict=True):
            self.pointers[surface.underlying, surface.expiry] = at << 96 | stamp
            self._emit(
                "SurfacePosted",
                sequence=report.sequence,
                underlying=surface.underlying,
                expiry=surface.expiry,
                surface=at,
            )
        for word in report.scalars:
            self.scalars[word >> 240] = word
            self._emit("ScalarsPosted", sequence=report.sequence, underlying=word >> 240, word=word)
            self._set_funding(unpack_scalars(word), now)
        for word in report.classes:
            self.classes[word >> 248] = word
            self._emit("ClassPosted", sequence=report.sequence, klass=word >> 248, word=word)

    def _check_signatures(self, signed: bytes, signatures: Sequence[bytes], quorum: int, now: int) -> None:
        require(quorum > 0 and len(signatures) >= quorum, "oracle: below quorum")
        last = 0
        for signature in signatures:
            signer = recover(signed, signature)
            require(signer > last, "oracle: signers not ascending")
            require(now < self.valid.get(signer, 0), "oracle: not a signer")
            last = signer

    def _check_surfaces(self, report: Report, targets: Sequence[tuple[int, bytes | None]], known: int) -> list[Surface]:
        found: list[Surface] = []
        for at, ((_, code), signed) in enumerate(zip(targets, report.surfaces, strict=True)):
            code_hash = bytes(32) if code is None else keccak(code)
            require(code_hash == signed, "oracle: surface is not the signed one")
            surface = read_surface(code)
            if at < known:
                require(signed in self.checked, "oracle: surface not stored here")
            else:
                self.guard.check(surface)
            require(surface.time == report.market_time, "oracle: surface time is not the report's")
            if found:
                last = found[-1]
                require(
                    (surface.underlying, surface.expiry) > (last.underlying, last.expiry),
                    "oracle: surfaces not ascending",
                )
                same = (surface.set_id, surface.reference) == (last.set_id, last.reference)
                require(surface.underlying != last.underlying or same, "oracle: mixed sets")
            found.append(surface)
        return found

    def _check_scalars(self, report: Report) -> None:
        for word in report.scalars:
            scalars = unpack_scalars(word)
            require(
                scalars.depth >= MIN_DEPTH
                and scalars.kappa <= MAX_KAPPA
                and scalars.som <= MAX_SOM
                and scalars.im_factor > PPM + self._params.call_buffer
                and scalars.market <= PPM,
                "oracle: scalars out of range",
            )
        for word in report.classes:
            offset = unpack_class(word)
            require(offset.offset <= PPM and offset.cross_haircut <= PPM, "oracle: class out of range")

    def _set_funding(self, posted: Scalars, now: int) -> None:
        underlying, cap = posted.underlying, self._params.max_funding
        rate = min(max(posted.funding, -cap), cap)
        known = self.fundings.get(underlying, 0)
        if rate == 0 and known == 0:
            return
        at = self.pointers.get((underlying, 0), 0) >> 96
        slope = margin.slope(rate, self.surface_at(at).reference) if at else 0
        cumulative = margin.accrued(known, now)
        self.fundings[underlying] = margin.pack_funding(cumulative, now, slope)
        self._emit("FundingSet", underlying=underlying, rate=rate, slope=slope, cumulative=cumulative)

    # ----------------------------------------------------------------------------------------------- governance

    def set_signers(
        self, signers: Sequence[int], quorum: int, urgent_quorum: int, overlap: int, *, sender: int, now: int
    ) -> None:
        """Who may sign reports, ascending, and how many must; who leaves counts for `overlap` [s] more."""
        self._check_owner(sender)
        require(0 < quorum <= urgent_quorum <= len(signers), "oracle: quorum out of range")
        require(overlap <= MAX_OVERLAP, "oracle: overlap out of range")
        require(
            all(low < high for low, high in zip((0, *signers), signers, strict=False)),
            "oracle: signers zero or not ascending",
        )
        old = self.signer_list
        self.valid.update(dict.fromkeys(old, now + overlap))
        self.valid.update(dict.fromkeys(signers, ENDLESS))
        self._emit(
            "SignersSet",
            old_signers=old,
            old_quorum=self.quorum,
            old_urgent_quorum=self.urgent_quorum,
            signers=tuple(signers),
            quorum=quorum,
            urgent_quorum=urgent_quorum,
            overlap=overlap,
        )
        self.signer_list, self.quorum, self.urgent_quorum = tuple(signers), quorum, urgent_quorum

    def remove_signer(self, signer: int, *, sender: int, now: int) -> None:
        """A key that counts no more, at once."""
        authority.check(self.owner, sender, True, self.guardians)
        require(self.valid.get(signer, 0) > now, "oracle: not a signer")
        self.valid[signer] = 0
        self.signer_list = tuple(other for other in self.signer_list if other != signer)
        self._emit("SignerRemoved", signer=signer, left=len(self.signer_list))

    def signers(self) -> tuple[int, ...]:
        """Who may sign reports, ascending."""
        return self.signer_list

    def valid_until(self, signer: int) -> int:
        """Before when a signer's signature counts [s]."""
        return self.valid.get(signer, 0)

    def set_params(self, rates: int, floors: int, *, sender: int, now: int) -> None:
        """The governance numbers, packed."""
        authority.check(self.owner, sender, True, self.guardians)
        params = unpack_params(rates, floors)
        with atomic(self.guard):  # which takes note of a step before it is known who may take it
            tightens = self.guard.admit_params(
                self.rates, self.floors, rates, floors, sender=self.address, now=now, are_sound=are_sound(params)
            )
            authority.check(self.owner, sender, tightens, self.guardians)
        self._emit("ParamsSet", old_rates=self.rates, old_floors=self.floors, rates=rates, floors=floors)
        self.rates = rates
        self.floors = floors
        self._params = params

    def set_book(self, book: int, *, sender: int) -> None:
        """The book whose open interest the market term reads; once."""
        self._check_owner(sender)
        require(self.book == 0, "oracle: book is set")
        require(book != 0, "oracle: zero address")
        self.book = book
        self._emit("BookSet", book=book)

    # --------------------------------------------------------------------------------------------------- margin

    def view(self, now: int) -> View:
        """What a margin check at `now` reads."""
        return View(
            params=self._params,
            now=now,
            index=_Prices(self.feed, now),
            surfaces=_Surfaces(self),
            scalars=_Read(self.scalars, unpack_scalars),
            classes=_Read(self.classes, unpack_class),
            open_interest=_Interest(self),
            funding=_Read(self.fundings, lambda word: margin.funding(word, now)),
        )

    def assess(self, words: Sequence[int], ledger: int, now: int) -> Assessment:
        """Margin of a sorted book with `ledger` = cash + linear [wad]."""
        return margin.assess(words, ledger, self.view(now))

    def terms(self, words: Sequence[int], now: int) -> Terms:
        """What the words of one underlying add to an account."""
        require(0 < len(words) <= MAX_POSITIONS, "")
        view = self.view(now)
        first = margin.groups(words)[0]
        found, _ = margin.terms(first, view)
        require(len(first) == len(words), "oracle: words of several underlyings")
        return found

    def lanes(self, words: Sequence[int], now: int) -> tuple[int, ...]:
        """Profit or loss of a book in each lane over all its underlyings [wad], down."""
        view = self.view(now)
        total = [0] * LANES
        for group in margin.groups(words):
            _, sums = margin.terms(group, view)
            total = [t + div_floor(pnl, LANE_PRICE) for t, pnl in zip(total, sums, strict=True)]
        return tuple(total)

    def funding(self, underlying: int, now: int) -> int:
        """What a perp's long has paid for one contract since the first rate [wad], down."""
        return margin.funding(self.fundings.get(underlying, 0), now)

    def mark(self, instrument_id: int, now: int) -> int:
        """Mark of an instrument at the live index [wad], down."""
        instrument = unpack(id_of(instrument_id))
        view = self.view(now)
        index = view.index[instrument.underlying]
        surface = view.surfaces.get((instrument.underlying, instrument.expiry))
        return margin.mark(instrument, margin.row_of(surface, instrument), surface, index)

    def surface_at(self, at: int) -> Surface:
        """The surface that stands at an address."""
        return self._decoded[at]

    # -------------------------------------------------------------------------------------------------- helpers

    def _create(self, code: bytes, found: Surface) -> int:
        at = create_address(self.address, self.nonce)
        self.nonce += 1
        self.codes[at] = code
        self._decoded[at] = found
        self._emit("SurfaceStored", surface=at, code_hash=keccak(code))
        return at

    def _check_owner(self, sender: int) -> None:
        require(sender == self.owner, "ownable: caller is not the owner")

    @staticmethod
    def _event(name: str, **args: object) -> Event:
        return Event(NAME, name, args)

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(self._event(name, **args))
