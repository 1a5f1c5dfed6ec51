"""What a report may say, whoever signed it. Twin of `contracts/Guardrails.vy`.

Two looks. `check` needs no memory: what follows from a surface alone. `admit` has one: bounds, steps an hour, the band
around the live index. `reach` says how far a scalar may go, so that an engine at a limit posts what it allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

from plimsoll.spec import authority
from plimsoll.spec.authority import NOBODY, Guardians
from plimsoll.spec.errors import require
from plimsoll.spec.events import Event
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT
from plimsoll.spec.surface import Row, Surface
from plimsoll.spec.wad import FORWARD_UNIT, MARK_UNIT, PPM, mul_div_down, mul_div_up

CONTRACT: Final = "Guardrails"
(
    PSR,
    VOL_UP,
    VOL_DOWN,
    EXTREME,
    DAMP,
    GROSS,
    HAIRCUT,
    WORTH,
    BASIS,
    CARRY,
    DEPTH,
    KAPPA,
    SOM,
    IM_FACTOR,
    VOLATILITY,
    MARKET,
    OFFSET,
    CROSS_HAIRCUT,
) = range(18)
NAMES: Final = (
    "scan range",
    "volatility up",
    "volatility down",
    "extreme",
    "damping",
    "gross charge",
    "haircut",
    "worth of a token",
    "basis",
    "carry",
    "depth",
    "kappa",
    "short option minimum",
    "IM factor",
    "volatility",
    "market term",
    "offset",
    "cross haircut",
)
UNLIMITED: Final = 2**32 - 1
MIN_STEP: Final = 10_000  # [ppm an hour]
HOUR: Final = 3_600
BAND: Final = (1_000, 200_000)  # [ppm]
MAX_BOOST: Final = 20
MAX_HALT: Final = 7 * 86_400  # [s]
PARAM_WAIT: Final = 3_600  # [s]
NODE_UNIT: Final = 10**4
MAX_LANE: Final = 2**15 - 1
MASK_96: Final = 2**96 - 1
# governance numbers that raise or lower requirements: bits from the lowest, width, and the least step
STEPS: Final = ((232, 24, 10_000), (152, 24, 25_000), (128, 24, 10_000), (32, 96, 10**17), (0, 16, 5_000))
FLOOR_STEP: Final = 1_000  # [ppm]


class Feed(Protocol):
    """What the guardrails read of `IndexFeed`."""

    def price(self, underlying: int, now: int) -> tuple[int, int, int]:
        """Price [wad], its time [s], strike unit [wad]."""
        ...

    def strike_unit(self, underlying: int) -> int:
        """One unit of strike [wad]."""
        ...


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds of a scalar, and how far it may move an hour [ppm of the value that stands]."""

    low: int
    high: int
    rise: int = UNLIMITED
    fall: int = UNLIMITED

    def reach(self, was: int, seconds: int) -> tuple[int, int]:
        """Least and largest value that may follow `was` after so much time; from zero the bounds alone count."""
        if was == 0:
            return self.low, self.high
        low = was - min(was, was * self.fall * seconds // (PPM * HOUR)) if self.fall != UNLIMITED else self.low
        high = was + was * self.rise * seconds // (PPM * HOUR) if self.rise != UNLIMITED else self.high
        return max(low, self.low), min(high, self.high)

    def clamp(self, value: int, was: int, seconds: int) -> int:
        """The value nearest to `value` that may be posted; the nearest bound where the reach misses the bounds."""
        low, high = self.reach(was, seconds)
        if low > high:  # bounds were narrowed past what stands
            return self.low if was < self.low else self.high
        return min(max(value, low), high)


def pack_limit(limit: Limit) -> int:
    """Low u96 | high u96 | rise u32 | fall u32."""
    return limit.low << 160 | limit.high << 64 | limit.rise << 32 | limit.fall


def unpack_limit(word: int) -> Limit:
    """Inverse of `pack_limit`."""
    return Limit(word >> 160, word >> 64 & MASK_96, word >> 32 & 0xFFFFFFFF, word & 0xFFFFFFFF)


DEFAULTS: Final = {
    PSR: Limit(10_000, 900_000, 50_000, 50_000),
    VOL_UP: Limit(20_000, 3_000_000, 200_000, 100_000),
    VOL_DOWN: Limit(20_000, 950_000, 200_000, 100_000),
    EXTREME: Limit(100, 1_000),
    DAMP: Limit(10, 100),
    GROSS: Limit(0, 300_000, 4_000_000, 900_000),
    HAIRCUT: Limit(1_000, PPM, 200_000, 100_000),
    WORTH: Limit(500_000, 1_500_000, 100_000, 500_000),
    BASIS: Limit(0, 50_000),
    CARRY: Limit(0, 500_000),
    DEPTH: Limit(10**15, MASK_96, 500_000, 500_000),
    KAPPA: Limit(0, 10**7, 1_000_000, 500_000),
    SOM: Limit(1_000, PPM, 500_000, 250_000),
    IM_FACTOR: Limit(1_000_001, 2**24 - 1, UNLIMITED, 500_000),
    VOLATILITY: Limit(0, 2**32 - 1),
    MARKET: Limit(0, PPM, 1_000_000, 500_000),
    OFFSET: Limit(0, 900_000, 100_000, 100_000),
    CROSS_HAIRCUT: Limit(0, PPM, 200_000, 200_000),
}
DEFAULT_BAND: Final = 50_000  # [ppm]
DEFAULT_BOOST: Final = 10


@dataclass(frozen=True, slots=True)
class Scenarios:
    """The scenarios last posted for an underlying, and when; `scalars_time` of its scalars."""

    psr: int = 0
    vol_up: int = 0
    vol_down: int = 0
    damps: tuple[int, int, int] = (0, 0, 0)
    extremes: tuple[int, int, int] = (0, 0, 0)
    time: int = 0
    scalars_time: int = 0


def pack_scenarios(found: Scenarios) -> int:
    """Psr u32 | vol_up u32 | vol_down u32 | 3 damps u8 | 3 extremes u16 | time u40 | scalars_time u40."""
    word = 0
    for value, bits in (
        (found.psr, 32),
        (found.vol_up, 32),
        (found.vol_down, 32),
        *((damp, 8) for damp in found.damps),
        *((extreme, 16) for extreme in found.extremes),
        (found.time, 40),
        (found.scalars_time, 40),
    ):
        word = word << bits | value
    return word


def unpack_scenarios(word: int) -> Scenarios:
    """Inverse of `pack_scenarios`."""
    return Scenarios(
        word >> 216,
        word >> 184 & 0xFFFFFFFF,
        word >> 152 & 0xFFFFFFFF,
        (word >> 144 & 255, word >> 136 & 255, word >> 128 & 255),
        (word >> 112 & 0xFFFF, word >> 96 & 0xFFFF, word >> 80 & 0xFFFF),
        word >> 40 & (2**40 - 1),
        word & (2**40 - 1),
    )


def half_up(numerator: int, denominator: int) -> int:
    """The nearest integer, halves up; for what is not negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def linear_lanes(surface: Surface) -> tuple[int, ...]:
    """Lanes of one unit of the index itself: node x PSR, in lane units, half a unit away from zero."""
    unit = surface.scale * 10
    lanes = []
    for node in surface.nodes:
        size = half_up(abs(node) * surface.psr, NODE_UNIT * unit)
        require(size <= MAX_LANE, "guard: lanes out of range")
        lanes += [size if node > 0 else -size] * 2
    for extreme, damp in zip(surface.extremes, surface.damps, strict=True):
        require(extreme >= 100 and damp <= 100, "guard: extremes malformed")
        ahead = half_up(extreme * surface.psr * damp, NODE_UNIT * unit)
        require(ahead <= MAX_LANE, "guard: lanes out of range")
        lanes += [ahead, -half_up(min(extreme * surface.psr, 100 * PPM) * damp, NODE_UNIT * unit)]
    return tuple(lanes)


def is_token(lanes: Sequence[int], linear: Sequence[int], mark: int, unit: int) -> bool:
    """Whether a token gains no more than its worth does with the index, loses no less, and no more than all."""
    least = -(mark // (unit * 10**6)) - 1
    return all(
        (pnl - 1) * MARK_UNIT <= (of_index + 1) * mark and pnl >= least
        for pnl, of_index in zip(lanes, linear, strict=True)
    )


def is_option(
    lanes: Sequence[int], *, is_call: bool, widths: Sequence[int], most: Sequence[int], loss: int, gain: int
) -> bool:
    """Whether the 26 lanes on nodes are those of an option; `widths` and `most` from the middle outward."""
    if lanes[0] + 1 < lanes[1]:
        return False
    up, down = [lanes[0], lanes[1]], [lanes[0], lanes[1]]  # at the higher volatility, at the lower
    rises, falls, width = [0, 0], [0, 0], 0
    for k in range(1, 7):
        ahead, behind = list(lanes[4 * k - 2 : 4 * k]), list(lanes[4 * k : 4 * k + 2])
        if not is_call:
            ahead, behind = behind, ahead
        new_rises = [a - b for a, b in zip(ahead, up, strict=True)]
        new_falls = [a - b for a, b in zip(behind, down, strict=True)]
        if any(not -1 <= rise <= most[k] for rise in new_rises) or any(not -most[k] <= f <= 1 for f in new_falls):
            return False
        if ahead[0] + 1 < ahead[1] or behind[0] + 1 < behind[1]:
            return False
        if k == 1:
            bent = [a + b >= -2 for a, b in zip(new_rises, new_falls, strict=True)]
        else:
            slack = width + widths[k]
            bent = [
                new * width + slack >= old * widths[k]
                for new, old in zip(new_rises + new_falls, rises + falls, strict=True)
            ]
        if not all(bent):
            return False
        rises, falls, width, up, down = new_rises, new_falls, widths[k], ahead, behind
    return min(down) >= -loss and max(up) <= gain


def is_damped(lanes: Sequence[int], *, is_call: bool, damps: Sequence[int], far: Sequence[int]) -> bool:
    """Whether the six extremes are damped values of an option that goes on from the last nodes."""
    ahead, behind = lanes[22], lanes[24]
    for j, (damp, reach) in enumerate(zip(damps, far, strict=True)):
        up, down = 100 * lanes[26 + 2 * j], 100 * lanes[27 + 2 * j]
        up_low, up_high = (1, reach) if is_call else (reach, 1)
        if not damp * (ahead - up_low) - 100 <= up <= damp * (ahead + up_high) + 100:
            return False
        if not damp * (behind - up_high) - 100 <= down <= damp * (behind + up_low) + 100:
            return False
    return True


def _check_nodes(surface: Surface) -> tuple[int, ...]:
    """Nodes on one side, from 0 outward."""
    nodes = [0]
    require(surface.nodes[0] == 0, "guard: nodes malformed")
    for k in range(6):
        # a side's field is read as an unsigned number
        ahead, behind = surface.nodes[2 * k + 1] % 2**16, surface.nodes[2 * k + 2] % 2**16
        require(nodes[-1] < ahead <= NODE_UNIT and ahead + behind == 2**16, "guard: nodes malformed")
        nodes.append(ahead)
    require(nodes[-1] == NODE_UNIT, "guard: nodes malformed")
    return tuple(nodes)


def says_nothing(row: Row) -> bool:
    """Whether a row's third word is zero."""
    return not any((row.kind, row.strike, row.mark, row.delta, row.gamma, row.vega, row.theta, row.gross))


class Guardrails:
    """The state of one `Guardrails`. Addresses are integers; `sender` and `now` as in the other parts."""

    def __init__(self, owner: int, feed: Feed, guardians: Guardians = NOBODY) -> None:
        self.owner = owner
        self.feed = feed
        self.guardians = guardians
        self.oracle = 0
        self.limits: dict[int, int] = {}
        self.scopes: dict[int, int] = {}
        self.sets: dict[int, int] = {}
        self.scalars: dict[int, int] = {}
        self.class_words: dict[int, int] = {}
        self.index_band = 0
        self.boost = 0
        self.halted_until = 0
        self.params_at = 0
        self.log: list[Event] = []
        for place, limit in DEFAULTS.items():
            self._set_limit(0, place, limit)
        self._set_band(DEFAULT_BAND, DEFAULT_BOOST)

    # ------------------------------------------------------------------------------------------------- believing

    def check(self, surface: Surface) -> bool:
        """True; or refused where the lanes or marks of a surface cannot be, by its own header."""
        require(surface.psr <= PPM, "guard: scan range out of bounds")
        nodes = _check_nodes(surface)
        unit = surface.scale * 10  # [ppm] of the index
        linear = linear_lanes(surface)
        widths = [0, *(far - near for near, far in pairwise(nodes))]
        most = [
            mul_div_up(width * surface.psr, surface.forward, unit * NODE_UNIT * FORWARD_UNIT) + 1 for width in widths
        ]
        far = [
            mul_div_up((extreme - 100) * surface.psr, surface.forward, unit * 100 * FORWARD_UNIT) + 1
            for extreme in surface.extremes
        ]
        for row in surface.rows:
            if says_nothing(row):
                require(not any(row.lanes), "guard: lanes of no instrument")
                continue
            option = row.kind in {CALL, PUT}
            require(
                row.kind <= SPOT
                and (surface.expiry > 0) == (option or row.kind == FUTURE)
                and (row.strike > 0) == (option or row.kind == SPOT),
                "guard: instrument malformed",
            )
            if row.kind in {PERP, FUTURE}:
                require(row.lanes == linear, "guard: linear lanes are not node x PSR")
                require(row.mark <= 2 * MARK_UNIT, "guard: mark out of bounds")
            elif row.kind == SPOT:
                require(row.mark <= 2 * MARK_UNIT, "guard: mark out of bounds")
                require(
                    is_token(row.lanes, linear, row.mark, unit),
                    "guard: token gains more or loses less than its index",
                )
            else:
                self._check_option(surface, row, widths, most, far)
        return True

    def _check_option(
        self, surface: Surface, row: Row, widths: Sequence[int], most: Sequence[int], far: Sequence[int]
    ) -> None:
        is_call = row.kind == CALL
        worth = surface.reference * row.mark  # [1e-12 wad]
        paid = row.strike * self.feed.strike_unit(surface.underlying) * MARK_UNIT
        ahead = mul_div_down(surface.reference, surface.forward, FORWARD_UNIT) * MARK_UNIT
        least, highest = (max(0, ahead - paid), ahead) if is_call else (max(0, paid - ahead), paid)
        require(least <= worth <= highest, "guard: mark out of bounds")
        grain = surface.scale * 10 * 10**6  # a lane unit in 1e-12 of the index
        loss = row.mark // grain + 1
        if is_call:
            gain = surface.forward * 1_000 * (PPM + surface.psr) // PPM // grain + 1
        else:
            gain = paid // surface.reference // grain + 1
        gain = max(0, gain - row.mark // grain) + 1
        require(
            is_option(row.lanes, is_call=is_call, widths=widths, most=most, loss=loss, gain=gain),
            "guard: option lanes have an arbitrage",
        )
        require(
            is_damped(row.lanes, is_call=is_call, damps=surface.damps, far=far),
            "guard: extremes do not follow the nodes",
        )

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
        """Refused where a report leaves its bounds, moves too far, or lies off the index; else noted."""
        require(sender == self.oracle, "guard: not the oracle")
        require(now >= self.halted_until, "guard: posting is halted")
        sets, words, offsets = dict(self.sets), dict(self.scalars), dict(self.class_words)
        last: Surface | None = None
        seconds = 0
        for surface, stood in zip(surfaces, before, strict=True):
            scope = self.scopes.get(surface.underlying, 0)
            if last is not None and last.underlying == surface.underlying:
                require(_set_of(surface) == _set_of(last), "guard: mixed sets")
            else:
                seconds = self._admit_set(urgent, market_time, surface, scope, sets, now)
            last = surface
            apart = abs(surface.forward - FORWARD_UNIT)
            require(apart * PPM <= self.limit_of(scope, CARRY).high * FORWARD_UNIT, "guard: forward off the index")
            self._admit_rows(surface, stood, scope, seconds)
        for word in scalars:
            underlying = word >> 240
            scope = self.scopes.get(underlying, 0)
            was, known = words.get(underlying, 0), sets.get(underlying, 0)
            seconds = self.seconds(urgent, market_time, known & (2**40 - 1))
            for place, low, bits in SCALAR_FIELDS:
                mask = 2**bits - 1
                self._hold(scope, place, was >> low & mask, word >> low & mask, seconds)
            words[underlying] = word
            sets[underlying] = known >> 40 << 40 | market_time
        for word in classes:
            klass = word >> 248
            was = offsets.get(klass, 0)
            seconds = self.seconds(urgent, market_time, was & (2**40 - 1))
            for place, low in ((OFFSET, 224), (CROSS_HAIRCUT, 200)):
                self._hold(0, place, was >> low & 0xFFFFFF, word >> low & 0xFFFFFF, seconds)
            offsets[klass] = word >> 200 << 200 | market_time
        self.sets, self.scalars, self.class_words = sets, words, offsets

    def _admit_set(
        self,
        urgent: bool,  # noqa: FBT001 - as the contract has it
        market_time: int,
        surface: Surface,
        scope: int,
        sets: dict[int, int],
        now: int,
    ) -> int:
        price, _, _ = self.feed.price(surface.underlying, now)
        require(abs(price - surface.reference) * PPM <= self.index_band * price, "guard: reference price off the index")
        word = sets.get(surface.underlying, 0)
        was = unpack_scenarios(word)
        seconds = self.seconds(urgent, market_time, was.time)
        for place, old, new in (
            (PSR, was.psr, surface.psr),
            (VOL_UP, was.vol_up, surface.vol_up),
            (VOL_DOWN, was.vol_down, surface.vol_down),
        ):
            self._hold(scope, place, old, new, seconds)
        for j in range(3):
            self._hold(scope, EXTREME, was.extremes[j], surface.extremes[j], seconds)
            self._hold(scope, DAMP, was.damps[j], surface.damps[j], seconds)
        sets[surface.underlying] = pack_scenarios(
            Scenarios(
                surface.psr,
                surface.vol_up,
                surface.vol_down,
                _three(surface.damps),
                _three(surface.extremes),
                market_time,
                was.scalars_time,
            )
        )
        return seconds

    def _admit_rows(self, surface: Surface, stood: Surface | None, scope: int, seconds: int) -> None:
        fair = surface.forward * 1_000  # [1e-12]
        known = stood.rows if stood is not None else ()
        for at, row in enumerate(surface.rows):
            if says_nothing(row):
                continue
            old = known[at] if at < len(known) and _same(known[at], row) else None
            charge = old.gross if old else 0
            if row.kind == SPOT:
                self._hold(scope, HAIRCUT, charge, row.gross, seconds)
                self._hold(scope, WORTH, old.mark // 10**6 if old else 0, row.mark // 10**6, seconds)
                continue
            self._hold(scope, GROSS, charge, row.gross, seconds)
            if row.kind in {PERP, FUTURE}:
                off = abs(row.mark - fair)
                require(off * PPM <= self.limit_of(scope, BASIS).high * fair, "guard: linear mark off the forward")

    def admit_params(
        self, old_rates: int, old_floors: int, rates: int, floors: int, *, sender: int, now: int, are_sound: bool
    ) -> bool:
        """Whether no governance number gets looser; refused where they move too far or too soon.

        `are_sound` is what `plimsoll.spec.oracle.are_sound` says of the new ones.
        """
        require(sender == self.oracle, "guard: not the oracle")
        require(are_sound, "guard: params out of range")
        if self.params_at:
            require(now >= self.params_at + PARAM_WAIT, "guard: params moved within the hour")
            for low, bits, quantum in STEPS:
                mask = 2**bits - 1
                require(_is_step(old_rates >> low & mask, rates >> low & mask, quantum), "guard: params move too far")
        rates_fields = ((232, 24, 1), (208, 24, -1), (176, 32, -1), (152, 24, 1), (128, 24, 1), (32, 96, 1))
        tightens = all(
            sign * (rates >> low & 2**bits - 1) >= sign * (old_rates >> low & 2**bits - 1)
            for low, bits, sign in (*rates_fields, (16, 16, -1), (0, 16, 1))
        )
        for field in range(8):
            low = 232 - 24 * field
            old, new = old_floors >> low & 0xFFFFFF, floors >> low & 0xFFFFFF
            tightens = tightens and old <= new
            require(not self.params_at or _is_step(old, new, FLOOR_STEP), "guard: params move too far")
        self.params_at = now
        return tightens

    # ------------------------------------------------------------------------------------------------ governance

    def set_limit(self, scope: int, place: int, low: int, high: int, rise: int, fall: int, *, sender: int) -> None:
        """Bounds of a scalar, and how far it may move an hour."""
        was = unpack_limit(self.limit(scope, place))
        narrower = low >= was.low and high <= was.high and rise <= was.rise and fall <= was.fall
        authority.check(self.owner, sender, narrower, self.guardians)
        require(
            place < len(NAMES)
            and low <= high
            and 0 < high <= MASK_96
            and MIN_STEP <= rise <= UNLIMITED
            and MIN_STEP <= fall <= UNLIMITED,
            "guard: limit out of range",
        )
        self._set_limit(scope, place, Limit(low, high, rise, fall))

    def set_scope(self, underlying: int, scope: int, *, sender: int) -> None:
        """Which limits an underlying has."""
        authority.check(self.owner, sender, False, self.guardians)
        self._emit("ScopeSet", underlying=underlying, old=self.scopes.get(underlying, 0), scope=scope)
        self.scopes[underlying] = scope

    def set_band(self, index_band: int, boost: int, *, sender: int) -> None:
        """How far a reference price may lie from the index; how much further an urgent report may move."""
        authority.check(self.owner, sender, index_band <= self.index_band and boost <= self.boost, self.guardians)
        require(BAND[0] <= index_band <= BAND[1] and 0 < boost <= MAX_BOOST, "guard: band out of range")
        self._set_band(index_band, boost)

    def halt(self, until: int, *, sender: int, now: int) -> None:
        """No report is believed until then."""
        authority.check(self.owner, sender, True, self.guardians)
        require(until > now and self.halted_until < until <= now + MAX_HALT, "guard: halt out of range")
        self._emit("Halted", old=self.halted_until, until=until)
        self.halted_until = until

    def resume(self, *, sender: int, now: int) -> None:
        """Reports are believed again."""
        authority.check(self.owner, sender, False, self.guardians)
        require(now < self.halted_until, "guard: posting is not halted")
        self._emit("Halted", old=self.halted_until, until=now)
        self.halted_until = now

    def set_oracle(self, oracle: int, *, sender: int) -> None:
        """The RiskOracle whose reports these are; once."""
        authority.check(self.owner, sender, False, self.guardians)
        require(self.oracle == 0, "guard: oracle is set")
        require(oracle != 0, "guard: zero address")
        self.oracle = oracle
        self._emit("OracleSet", oracle=oracle)

    # ----------------------------------------------------------------------------------------------------- views

    def limit(self, scope: int, place: int) -> int:
        """The word of a limit, as it binds."""
        return self.limits.get(scope << 8 | place, 0) or self.limits.get(place, 0)

    def limit_of(self, scope: int, place: int) -> Limit:
        """A limit, as it binds."""
        return unpack_limit(self.limit(scope, place))

    def scenarios(self, underlying: int) -> int:
        """The word of scenarios last posted."""
        return self.sets.get(underlying, 0)

    def class_time(self, klass: int) -> int:
        """Market time of the last offset of a class [s]."""
        return self.class_words.get(klass, 0) & (2**40 - 1)

    def seconds(self, urgent: bool, market_time: int, last: int) -> int:  # noqa: FBT001 - as the contract has it
        """What the limits an hour are counted over [s]."""
        passed = market_time - last
        return max(passed, HOUR) * self.boost if urgent and passed > 0 else passed

    # --------------------------------------------------------------------------------------------------- helpers

    def _hold(self, scope: int, place: int, was: int, said: int, seconds: int) -> None:
        limit = self.limit_of(scope, place)
        require(limit.low <= said <= limit.high, f"guard: {NAMES[place]} out of bounds")
        if was in {0, said}:
            return
        pace = limit.rise if said > was else limit.fall
        require(
            pace == UNLIMITED or abs(said - was) * PPM * HOUR <= was * pace * seconds,
            f"guard: {NAMES[place]} moves too fast",
        )

    def _set_limit(self, scope: int, place: int, limit: Limit) -> None:
        word = pack_limit(limit)
        self._emit("LimitSet", scope=scope, place=place, old=self.limits.get(scope << 8 | place, 0), limit=word)
        self.limits[scope << 8 | place] = word

    def _set_band(self, index_band: int, boost: int) -> None:
        self._emit("BandSet", old_index_band=self.index_band, old_boost=self.boost, index_band=index_band, boost=boost)
        self.index_band, self.boost = index_band, boost

    def _emit(self, name: str, **args: object) -> None:
        self.log.append(Event(CONTRACT, name, args))


class OpenGuardrails:
    """Guardrails that let everything pass. Twin of `contracts/mocks/OpenGuardrails.vy`."""

    def __init__(self) -> None:
        self.log: list[Event] = []

    def check(self, _: Surface) -> bool:
        """True."""
        return True

    def admit(self, *_: object, **__: object) -> None:
        """Nothing is refused."""

    def admit_params(self, *_: int, are_sound: bool, **__: int) -> bool:
        """Bounds alone count."""
        require(are_sound, "guard: params out of range")
        return False


SCALAR_FIELDS: Final = (  # of the scalars' word: place, lowest bit, width
    (DEPTH, 144, 96),
    (KAPPA, 120, 24),
    (SOM, 96, 24),
    (IM_FACTOR, 72, 24),
    (VOLATILITY, 40, 32),
    (MARKET, 16, 24),
)


def _set_of(surface: Surface) -> tuple[object, ...]:
    """What surfaces of one underlying share in their second and third header words."""
    return (
        surface.reference,
        surface.psr,
        surface.vol_up,
        surface.vol_down,
        surface.damps,
        surface.nodes,
        surface.extremes,
    )


def _same(a: Row, b: Row) -> bool:
    return (a.kind, a.strike) == (b.kind, b.strike)


def _three(values: Sequence[int]) -> tuple[int, int, int]:
    a, b, c = values
    return a, b, c


def _is_step(old: int, new: int, quantum: int) -> bool:
    return abs(new - old) <= max(old // 4, quantum)
