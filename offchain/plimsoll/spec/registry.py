"""What may be traded, and within which limits. Twin of `contracts/Registry.vy` and `contracts/modules/fees.vy`.

Every function checks what the contract checks, in its order, raises `Refused` with its reason and leaves the state as
it was, or commits as a whole. `sender` and `now` stand for `msg.sender` and `block.timestamp`.

    account limits = min_equity u96 [wad] | borrow_cap u128 [wad] | max_positions u8 | zero u24
    pool limits    = total_borrow_cap u128 [wad] | outflow_cap u96 [wad] | outflow_window u32 [s]
    curve          = base u24 | kink u24 | slope_low u24 | slope_high u24 | reserve u24 | zero u136      [ppm]
    fees           = taker u24 | maker u24 | vol_scale u24 | util_scale u24 | cap u24 | liquidation u24
                   | liquidation_cap u24 | zero u88                                                      [ppm]

    fee rate       = min(cap, ceil(base (1 + ceil(vol_scale volatility) + ceil(util_scale utilisation)))) [ppm]

A cap of zero is none. `guardians` says who may tighten beside the owner (`plimsoll.spec.authority`). A level is stopped
before the second that `stops` holds for it; `stops` is one word: liquidation u64 | leave u64 | risk u64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from plimsoll.spec import authority
from plimsoll.spec.authority import NOBODY, Guardians
from plimsoll.spec.errors import FormatError, require
from plimsoll.spec.events import Event
from plimsoll.spec.instruments import CALL, MAX_POSITIONS, PERP, PUT, SPOT, Instrument, unpack
from plimsoll.spec.report import unpack_scalars
from plimsoll.spec.surface import MAX_ROWS
from plimsoll.spec.wad import MAX_LEDGER, MAX_QUANTITY, PPM, WAD, mul_div_up

NAME: Final = "Registry"
MAX_TOKENS: Final = 16
MAX_DECIMALS: Final = 18
BAND: Final = (1_000, 500_000)  # [ppm] of the index
MAX_CAP: Final = MAX_LEDGER  # [wad] of collateral
MAX_MIN_SIZE: Final = MAX_QUANTITY  # [wad]
MAX_MIN_EQUITY: Final = 10**24  # [wad]
MIN_OUTFLOW_CAP: Final = WAD
OUTFLOW_WINDOW: Final = (3_600, 7 * 86_400)  # [s]
MAX_RATE: Final = 10 * PPM  # a year
MAX_FEE: Final = 50_000  # [ppm]
MAX_LIQUIDATION_FEE: Final = 200_000  # [ppm] of MM

RISK: Final = 1  # levels that can be stopped
LEAVE: Final = 2
LIQUIDATION: Final = 4
LEVELS: Final = (RISK, LEAVE, LIQUIDATION)
MAX_STOP_OWNER: Final = 30 * 86_400  # [s] ahead
MAX_STOP_GUARDIAN: Final = 7 * 86_400  # [s]
MAX_STOP_BREAKERS: Final = 86_400  # [s]

ZERO_ADDRESS: Final = "registry: zero address"
ALREADY_LISTED: Final = "registry: already listed"
MALFORMED: Final = "registry: instrument malformed"
EXPIRED: Final = "registry: instrument expired"
UNKNOWN: Final = "registry: unknown instrument"

ACCOUNT_LAYOUT: Final = (("min_equity", 96), ("borrow_cap", 128), ("max_positions", 8))
POOL_LAYOUT: Final = (("total_borrow_cap", 128), ("outflow_cap", 96), ("outflow_window", 32))
CURVE_LAYOUT: Final = (("base", 24), ("kink", 24), ("slope_low", 24), ("slope_high", 24), ("reserve", 24))
FEES_LAYOUT: Final = (
    ("taker", 24),
    ("maker", 24),
    ("vol_scale", 24),
    ("util_scale", 24),
    ("cap", 24),
    ("liquidation", 24),
    ("liquidation_cap", 24),
)
Layout = Sequence[tuple[str, int]]


class Token(Protocol):
    """What the registry reads of a token."""

    decimals: int


class Underlyings(Protocol):
    """What the registry reads of `IndexFeed`."""

    def strike_unit(self, underlying: int) -> int:
        """One unit of strike [wad]; raises Refused where the underlying is unknown."""
        ...


class Posted(Protocol):
    """What the registry reads of `RiskOracle`: the posted words of underlyings."""

    address: int
    scalars: dict[int, int]


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What one account may do."""

    min_equity: int = 0  # [wad]
    borrow_cap: int = 2**128 - 1  # [wad]
    max_positions: int = MAX_POSITIONS


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What all accounts together may do."""

    total_borrow_cap: int = 2**128 - 1  # [wad]
    outflow_cap: int = 2**96 - 1  # [wad] a window
    outflow_window: int = 86_400  # [s]


@dataclass(frozen=True, slots=True)
class Curve:
    """What borrowing costs by utilisation [ppm a year], and the share of it that is the reserve's [ppm]."""

    base: int = 0
    kink: int = 800_000
    slope_low: int = 0
    slope_high: int = 0
    reserve: int = 200_000


@dataclass(frozen=True, slots=True)
class Fees:
    """What trades cost [ppm of the notional] and liquidations [ppm of MM], and what raises that."""

    taker: int = 0
    maker: int = 0
    vol_scale: int = 0
    util_scale: int = 0
    cap: int = 0
    liquidation: int = 0
    liquidation_cap: int = 0


@dataclass(frozen=True, slots=True)
class TradeTerms:
    """All that the book asks for one trade: bands and fees [ppm], caps and sizes [wad], two words."""

    price_band: int
    reduce_band: int
    instrument_cap: int
    underlying_cap: int
    min_size: int
    maker_fee: int
    taker_fee: int
    account_limits: int
    pool_limits: int
    reduce_only: bool = False


def pack_account_limits(limits: AccountLimits) -> int:
    """The word of an account's limits."""
    return _pack(limits, ACCOUNT_LAYOUT)


def unpack_account_limits(word: int) -> AccountLimits:
    """Inverse of `pack_account_limits`."""
    return AccountLimits(**_unpack(word, ACCOUNT_LAYOUT))


def pack_pool_limits(limits: PoolLimits) -> int:
    """The word of the pool's limits."""
    return _pack(limits, POOL_LAYOUT)


def unpack_pool_limits(word: int) -> PoolLimits:
    """Inverse of `pack_pool_limits`."""
    return PoolLimits(**_unpack(word, POOL_LAYOUT))


def pack_curve(curve: Curve) -> int:
    """The word of the interest curve."""
    return _pack(curve, CURVE_LAYOUT)


def unpack_curve(word: int) -> Curve:
    """Inverse of `pack_curve`."""
    return Curve(**_unpack(word, CURVE_LAYOUT))


def pack_fees(fees: Fees) -> int:
    """The word of fees."""
    return _pack(fees, FEES_LAYOUT)


def unpack_fees(word: int) -> Fees:
    """Inverse of `pack_fees`."""
    return Fees(**_unpack(word, FEES_LAYOUT))


def _pack(fields: object, layout: Layout) -> int:
    word, left = 0, 256
    for name, bits in layout:
        value = getattr(fields, name)
        if not 0 <= value < 2**bits:
            msg = f"{name} {value} does not fit u{bits}"
            raise FormatError(msg)
        word = word << bits | value
        left -= bits
    return word << left


def _unpack(word: int, layout: Layout) -> dict[str, int]:
    """Fields of a word, from the top; what stands below them is not read, as on chain."""
    found, place = {}, 256
    for name, bits in layout:
        place -= bits
        found[name] = word >> place & (2**bits - 1)
    return found


def fee_rate(base: int, volatility: int, utilisation: int, cap: int, *, vol_scale: int, util_scale: int) -> int:
    """A base fee raised by volatility and utilisation [ppm], up: against the account; to its cap at most."""
    factor = PPM + mul_div_up(vol_scale, volatility, PPM) + mul_div_up(util_scale, utilisation, PPM)
    return min(cap, mul_div_up(base, factor, PPM))


def _is_tighter(old: int, new: int) -> bool:
    """Whether a cap is no looser than before; zero is none."""
    return new != 0 and (old == 0 or new <= old)


class Registry:
    """The state of one `Registry`; `tokens` maps the addresses of all tokens there are to their twins."""

    def __init__(
        self,
        owner: int,
        quote: int,
        feed: Underlyings,
        oracle: Posted,
        tokens: Mapping[int, Token],
        guardians: Guardians = NOBODY,
    ) -> None:
        require(quote != 0 and oracle.address != 0, ZERO_ADDRESS)
        self.owner = owner
        self.guardians = guardians
        self.quote = quote
        self.feed = feed
        self.oracle = oracle
        self.known = tokens
        self.listings: dict[tuple[int, int], list[int]] = {}
        self.instrument_caps: dict[int, int] = {}
        self.limits: dict[int, tuple[int, int]] = {}  # underlying -> open interest cap, min size [wad]
        self.listed: dict[int, tuple[int, int, int]] = {}  # token -> id, scale, cap [wad]
        self.tokens: list[int] = [quote]
        self.venues: dict[int, bool] = {}
        self.price_band = 0
        self.reduce_band = 0
        self.account_word = 0
        self.pool_word = 0
        self.curve_word = 0
        self.fees_word = 0
        self.breakers = 0
        self.ends: dict[int, int] = {}  # by level, until when it is stopped [s]
        self.underlying_ends: dict[int, int] = {}  # likewise, by underlying
        self.log: list[Event] = []
        self._set_bands(100_000, 10_000)
        self._set_limits(pack_account_limits(AccountLimits()), pack_pool_limits(PoolLimits()))
        self._set_curve(pack_curve(Curve()))
        self._set_fees(pack_fees(Fees()))

    # ---------------------------------------------------------------------------------------------------- listing

    def list_instrument(self, underlying: int, expiry: int, kind: int, strike: int, *, sender: int, now: int) -> int:
        """List a perp, future, call or put; its id."""
        self._check_owner(sender)
        require(
            kind < SPOT
            and (expiry == 0) == (kind == PERP)
            and (strike == 0) == (kind not in {CALL, PUT})
            and self.feed.strike_unit(underlying) > 0,
            MALFORMED,
        )
        require(expiry == 0 or expiry > now, EXPIRED)
        return self._list(Instrument(underlying, expiry, kind, strike, 0))

    def list_collateral(self, token: int, underlying: int, *, sender: int) -> int:
        """List a token as collateral; its id. Tokens of one underlying are told apart by their number, as strike."""
        self._check_owner(sender)
        require(token != 0, ZERO_ADDRESS)
        require(token != self.quote and token not in self.listed, ALREADY_LISTED)
        require(len(self.tokens) < MAX_TOKENS, "registry: too many tokens")
        require(self.feed.strike_unit(underlying) > 0, MALFORMED)
        require(token in self.known, "")
        decimals = self.known[token].decimals
        require(decimals <= MAX_DECIMALS, "registry: decimals over 18")
        scale: int = 10 ** (MAX_DECIMALS - decimals)
        instrument_id = self._list(Instrument(underlying, 0, SPOT, len(self.tokens), 0))
        self.listed[token] = instrument_id, scale, 0
        self.tokens.append(token)
        self._emit("CollateralListed", token=token, instrument=instrument_id, scale=scale)
        return instrument_id

    def set_venue(self, venue: int, admitted: bool, *, sender: int) -> None:  # noqa: FBT001 - as the contract has it
        """Admit a venue, or dismiss it."""
        self._check(sender, is_safer=not admitted)
        require(venue != 0, ZERO_ADDRESS)
        self._emit("VenueSet", venue=venue, old_admitted=self.venues.get(venue, False), admitted=admitted)
        self.venues[venue] = admitted

    # ----------------------------------------------------------------------------------------------------- limits

    def set_bands(self, price_band: int, reduce_band: int, *, sender: int) -> None:
        """How far from the mark a price may lie [ppm of the index]."""
        self._check(sender, is_safer=price_band <= self.price_band and reduce_band <= self.reduce_band)
        require(BAND[0] <= reduce_band <= price_band <= BAND[1], "registry: bands out of range")
        self._set_bands(price_band, reduce_band)

    def set_collateral_cap(self, token: int, cap: int, *, sender: int) -> None:
        """How much of a token the book may hold [wad of the token]."""
        self._check(sender, is_safer=_is_tighter(self.collateral(token)[2], cap))
        require(token in self.listed, "registry: unknown token")
        require(cap <= MAX_CAP, "registry: cap out of range")
        instrument_id, scale, old = self.listed[token]
        self.listed[token] = instrument_id, scale, cap
        self._emit("CollateralCapSet", token=token, old_cap=old, cap=cap)

    def set_underlying_limits(self, underlying: int, open_interest_cap: int, min_size: int, *, sender: int) -> None:
        """How much open interest an underlying may have, and how small a trade in it may be [wad]."""
        old_cap, old_size = self.underlying_limits(underlying)
        self._check(sender, is_safer=_is_tighter(old_cap, open_interest_cap) and min_size == old_size)
        require(
            self.feed.strike_unit(underlying) > 0 and min_size <= MAX_MIN_SIZE,
            "registry: underlying limits out of range",
        )
        self.limits[underlying] = open_interest_cap, min_size
        self._emit(
            "UnderlyingLimitsSet",
            underlying=underlying,
            old_open_interest_cap=old_cap,
            old_min_size=old_size,
            open_interest_cap=open_interest_cap,
            min_size=min_size,
        )

    def set_instrument_cap(self, instrument_id: int, cap: int, *, sender: int) -> None:
        """How much open interest an instrument may have [wad]."""
        # the contract keeps it by all of the id but the row
        old = self.instrument_caps.get(self._row_of(instrument_id), 0)
        self._check(sender, is_safer=_is_tighter(old, cap))
        require(self._is_tradable(instrument_id), UNKNOWN)
        self.instrument_caps[instrument_id] = cap
        self._emit("InstrumentCapSet", instrument=instrument_id, old_cap=old, cap=cap)

    def set_limits(self, account_limits: int, pool_limits: int, *, sender: int) -> None:
        """What one account, and what all of them together, may do: packed words."""
        account, pool = unpack_account_limits(account_limits), unpack_pool_limits(pool_limits)
        old, old_pool = unpack_account_limits(self.account_word), unpack_pool_limits(self.pool_word)
        self._check(
            sender,
            is_safer=account.min_equity >= old.min_equity
            and account.borrow_cap <= old.borrow_cap
            and account.max_positions <= old.max_positions
            and pool.total_borrow_cap <= old_pool.total_borrow_cap
            and pool.outflow_cap <= old_pool.outflow_cap
            and pool.outflow_window >= old_pool.outflow_window,
        )
        require(
            account.min_equity <= MAX_MIN_EQUITY
            and 0 < account.max_positions <= MAX_POSITIONS
            and pack_account_limits(account) == account_limits,
            "registry: account limits out of range",
        )
        require(
            pool.outflow_cap >= MIN_OUTFLOW_CAP and OUTFLOW_WINDOW[0] <= pool.outflow_window <= OUTFLOW_WINDOW[1],
            "registry: pool limits out of range",
        )
        self._set_limits(account_limits, pool_limits)

    def set_curve(self, curve: int, *, sender: int) -> None:
        """What borrowing costs: a packed word."""
        self._check_owner(sender)
        found = unpack_curve(curve)
        require(
            max(found.base, found.slope_low, found.slope_high) <= MAX_RATE
            and 0 < found.kink < PPM
            and found.reserve <= PPM
            and pack_curve(found) == curve,
            "registry: curve out of range",
        )
        self._set_curve(curve)

    def set_fees(self, fees: int, *, sender: int) -> None:
        """What trades and liquidations cost: a packed word."""
        self._check_owner(sender)
        found = unpack_fees(fees)
        require(
            max(found.taker, found.maker) <= found.cap <= MAX_FEE
            and found.liquidation <= found.liquidation_cap <= MAX_LIQUIDATION_FEE
            and pack_fees(found) == fees,
            "registry: fees out of range",
        )
        self._set_fees(fees)

    # ------------------------------------------------------------------------------------------------------ stops

    def set_breakers(self, breakers: int, *, sender: int) -> None:
        """The contract that may stop by rule; zero for none."""
        self._check_owner(sender)
        self._emit("BreakersSet", old_breakers=self.breakers, breakers=breakers)
        self.breakers = breakers

    def stop(self, levels: int, until: int, *, sender: int, now: int) -> None:
        """Stop levels before a time [s], or as long as they are stopped already."""
        self._check_stop(sender, until, now)
        self._check_levels(levels)
        self._set_stops(levels, {level: max(end, until) for level, end in self._ends().items()}, sender)

    def stop_underlying(self, underlying: int, until: int, *, sender: int, now: int) -> None:
        """No new risk in an underlying before a time [s]."""
        self._check_stop(sender, until, now)
        self.feed.strike_unit(underlying)
        self._stop_underlying(underlying, max(self.underlying_stop(underlying), until), sender)

    def resume(self, levels: int, *, sender: int, now: int) -> None:
        """End stops now."""
        self._check_owner(sender)
        self._check_levels(levels)
        self._set_stops(levels, {level: min(end, now) for level, end in self._ends().items()}, sender)

    def resume_underlying(self, underlying: int, *, sender: int, now: int) -> None:
        """End the stop of an underlying now."""
        self._check_owner(sender)
        self._stop_underlying(underlying, min(self.underlying_stop(underlying), now), sender)

    # ------------------------------------------------------------------------------------------------------ views

    def stops(self) -> int:
        """Until when each level is stopped [s], in one word."""
        return sum(end << 64 * place for place, end in enumerate(self._ends().values()))

    def stopped(self, levels: int, now: int) -> bool:
        """Whether any of these levels is stopped now."""
        return any(levels & level and now < end for level, end in self.ends.items())

    def underlying_stop(self, underlying: int) -> int:
        """Until when no new risk is taken in an underlying [s], or was."""
        return self.underlying_ends.get(underlying, 0)

    def limits_of_leaving(self, is_leaving: bool, now: int) -> int:  # noqa: FBT001 - as the contract has it
        """The word of an account's limits, for what is taken out of it."""
        require(not (is_leaving and self.stopped(LEAVE, now)), "registry: withdrawals are stopped")
        return self.account_word

    def trade_terms(self, venue: int, instrument_id: int, utilisation: int, now: int) -> TradeTerms:
        """What binds a trade now; `utilisation` of the pool [ppm] raises fees."""
        require(self.venues.get(venue, False), "registry: venue not admitted")
        require(self._is_tradable(instrument_id), UNKNOWN)
        instrument = unpack(instrument_id)
        require(instrument.expiry == 0 or now < instrument.expiry, EXPIRED)
        fees = unpack_fees(self.fees_word)
        volatility = unpack_scalars(self.oracle.scalars.get(instrument.underlying, 0)).volatility
        underlying_cap, min_size = self.underlying_limits(instrument.underlying)
        maker, taker = (
            fee_rate(base, volatility, utilisation, fees.cap, vol_scale=fees.vol_scale, util_scale=fees.util_scale)
            for base in (fees.maker, fees.taker)
        )
        return TradeTerms(
            price_band=self.price_band,
            reduce_band=self.reduce_band,
            instrument_cap=self.instrument_cap(instrument_id),
            underlying_cap=underlying_cap,
            min_size=min_size,
            maker_fee=maker,
            taker_fee=taker,
            account_limits=self.account_word,
            pool_limits=self.pool_word,
            reduce_only=self.stopped(RISK, now) or now < self.underlying_stop(instrument.underlying),
        )

    def liquidation_fee(self, volatility: int, utilisation: int) -> int:
        """Fee of a liquidation [ppm of MM], up."""
        fees = unpack_fees(self.fees_word)
        return fee_rate(
            fees.liquidation,
            volatility,
            utilisation,
            fees.liquidation_cap,
            vol_scale=fees.vol_scale,
            util_scale=fees.util_scale,
        )

    def account_limits(self) -> int:
        """The word of an account's limits."""
        return self.account_word

    def pool_limits(self) -> int:
        """The word of the pool's limits."""
        return self.pool_word

    def curve(self) -> int:
        """The word of the interest curve."""
        return self.curve_word

    def fees(self) -> int:
        """The word of fees."""
        return self.fees_word

    def is_listed(self, instrument_id: int) -> bool:
        """Whether an instrument, collateral included, is listed."""
        instrument = unpack(instrument_id)
        rows = self.listings.get((instrument.underlying, instrument.expiry), [])
        return instrument.row < len(rows) and rows[instrument.row] == instrument_id

    def listing(self, underlying: int, expiry: int) -> tuple[int, ...]:
        """Ids of one surface's instruments, by row."""
        return tuple(self.listings.get((underlying, expiry), ()))

    def collateral(self, token: int) -> tuple[int, int, int]:
        """Instrument of a token, [wad] per unit of it, and its cap [wad]; zeros where it is none."""
        return self.listed.get(token, (0, 0, 0))

    def instrument_cap(self, instrument_id: int) -> int:
        """How much open interest an instrument may have [wad]; zero for any."""
        return self.instrument_caps.get(instrument_id, 0)

    def underlying_limits(self, underlying: int) -> tuple[int, int]:
        """How much open interest an underlying may have, and how small a trade in it may be [wad]."""
        return self.limits.get(underlying, (0, 0))

    # ---------------------------------------------------------------------------------------------------- helpers

    def _check_owner(self, sender: int) -> None:
        self._check(sender, is_safer=False)

    def _check(self, sender: int, *, is_safer: bool) -> None:
        authority.check(self.owner, sender, is_safer, self.guardians)

    def _check_stop(self, sender: int, until: int, now: int) -> None:
        """Who may stop, and for how long."""
        ahead = MAX_STOP_GUARDIAN
        if sender == self.owner:
            ahead = MAX_STOP_OWNER
        elif sender == self.breakers:
            ahead = MAX_STOP_BREAKERS
        else:
            self._check(sender, is_safer=True)
        require(now < until <= now + ahead, "registry: stop out of range")

    @staticmethod
    def _check_levels(levels: int) -> None:
        require(0 < levels <= sum(LEVELS), "registry: unknown level")

    def _ends(self) -> dict[int, int]:
        return {level: self.ends.get(level, 0) for level in LEVELS}

    def _set_stops(self, levels: int, ends: Mapping[int, int], sender: int) -> None:
        old = self.stops()
        self.ends |= {level: end for level, end in ends.items() if levels & level}
        self._emit("StopsSet", by=sender, old_stops=old, stops=self.stops())

    def _stop_underlying(self, underlying: int, until: int, sender: int) -> None:
        old = self.underlying_stop(underlying)
        self.underlying_ends[underlying] = until
        self._emit("UnderlyingStopSet", underlying=underlying, by=sender, old_until=old, until=until)

    def _row_of(self, instrument_id: int) -> int:
        """The listed id that is this one but for its row; or the id itself."""
        found = unpack(instrument_id)
        rows = self.listings.get((found.underlying, found.expiry), [])
        return next((known for known in rows if known >> 16 == instrument_id >> 16), instrument_id)

    def _is_tradable(self, instrument_id: int) -> bool:
        return unpack(instrument_id).kind != SPOT and self.is_listed(instrument_id)

    def _list(self, instrument: Instrument) -> int:
        rows = self.listings.get((instrument.underlying, instrument.expiry), [])
        require(len(rows) < MAX_ROWS, "registry: listing is full")
        head = instrument.pack()
        require(all(known >> 16 != head >> 16 for known in rows), ALREADY_LISTED)
        self.listings[instrument.underlying, instrument.expiry] = [*rows, head | len(rows)]
        self._emit("InstrumentListed", instrument=head | len(rows))
        return head | len(rows)

    def _set_bands(self, price_band: int, reduce_band: int) -> None:
        self._emit(
            "BandsSet",
            old_price_band=self.price_band,
            old_reduce_band=self.reduce_band,
            price_band=price_band,
            reduce_band=reduce_band,
        )
        self.price_band, self.reduce_band = price_band, reduce_band

    def _set_limits(self, account_limits: int, pool_limits: int) -> None:
        self._emit(
            "LimitsSet",
            old_account_limits=self.account_word,
            old_pool_limits=self.pool_word,
            account_limits=account_limits,
            pool_limits=pool_limits,
        )
        self.account_word, self.pool_word = account_limits, pool_limits

    def _set_curve(self, curve: int) -> None:
        self._emit("CurveSet", old_curve=self.curve_word, curve=curve)
        self.curve_word = curve

    def _set_fees(self, fees: int) -> None:
        self._emit("FeesSet", old_fees=self.fees_word, fees=fees)
        self.fees_word = fees

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(NAME, name, args))
