"""Which underlyings a report is due for, and why: pure functions of what the chain holds and the engine would say.

A trigger is asked of each underlying by itself, the smallest thing that can be posted (`plimsoll.risk.report_parts`
says what is inseparable). Each is a number, 1 where it is due, and less before:

    heartbeat   age of what stands of the underlying, over the heartbeat
    gate        way of the live index from the reference price, over `gate_share` of the chain's move gate
    moved       change of a posted parameter, over its threshold
    listing     1 where the chain lacks a surface, or rows that are listed

The largest is the underlying's *pressure*. Past the move gate itself, whose far side is for risk reduction only, an
underlying is *urgent*: it goes before all others, the oldest of those first (`plimsoll.keeper.batches`). That is an
order of going, and no urgent report: one that may move scalars further takes the urgent quorum, and is asked for by a
person (`plimsoll keeper --urgent`).

Where something is due, its *near neighbours* go along: underlyings with a pressure of `neighbours` or more, which would
soon have cost a report of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.state import Held
from plimsoll.risk.engine import BuiltReport
from plimsoll.spec.instruments import SPOT
from plimsoll.spec.margin import ClassOffset
from plimsoll.spec.wad import PPM

HEADER: Final = ("psr", "vol_up", "vol_down")  # of an underlying's surfaces
SCALARS: Final = ("depth", "kappa", "som", "im_factor", "volatility", "market")
CLASS: Final = ("offset", "cross_haircut")
ROWS: Final = ("gross", "haircut")  # the charge of a row: of an instrument, of collateral
WATCHED: Final = (*HEADER, *SCALARS, *CLASS)  # by `threshold`, where `thresholds` does not name them
# go out with the heartbeat unless they are named: small, and each report moves them
ASKED: Final = ("funding", *ROWS)
PARAMETERS: Final = (*WATCHED, *ASKED)

FROM_ZERO: Final = 2.0  # pressure of a move from zero: of any size
MAX_GAS: Final = 10**9  # [gas] more than any chain's block
NEIGHBOURS: Final = 0.75
POST_GAS: Final = 15_000_000  # [gas] half a block of 30 million, the smallest that main net's blocks may be aimed at


@dataclass(frozen=True, slots=True)
class TriggerConfig:
    """When to post, and how much at once.

    Parameters
    ----------
    heartbeat
        Longest time between reports of an underlying [s]; above 0, for 0 would mean always.
    threshold
        Share of its posted value that a parameter may move before a report is due.
    thresholds
        The same by name (`PARAMETERS`), in place of `threshold`; those of `ASKED` count only where they are named.
    gate_share
        Share of the chain's move gate that an index may use up before a report is due: at 1 the gate has shut.
    neighbours
        Pressure from which an underlying goes along with others that are due; 1: none does, 0: all do, always.

        To go along at pressure p saves F, the fixed part of a report of one's own less the store that another's report
        takes, and spends the rest of what one's own report M is still good for: what would have lasted to 1 is paid at
        p. It pays above p = 1 - F / M. By `plimsoll.keeper.gas` F is 88,000 and M 313,000 for a perpetual alone,
        740,000 with ten options: 0.72 and 0.88. A pressure that comes from a price may fall again, one that comes from
        age does not. 0.75 pays for small markets, and costs large ones little; `docs/KEEPER.md` has what it came to
        over recorded prices.
    post_gas_limit
        Gas of one report, its stores included, by `plimsoll.keeper.gas`: what is due is split so that each stays under
        it; an underlying that does not by itself goes alone.

    Raises
    ------
    SettingsError
        Where a number is out of range, or a threshold names no parameter.
    """

    heartbeat: int = 3_600
    threshold: float = 0.05
    gate_share: float = 0.8
    thresholds: Mapping[str, float] = field(default_factory=dict)
    neighbours: float = NEIGHBOURS
    post_gas_limit: int = POST_GAS

    def __post_init__(self) -> None:
        if self.heartbeat <= 0:
            raise SettingsError(f"heartbeat {self.heartbeat} s; above 0 is right (0 would mean: always)")
        for name in ("threshold", "gate_share"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingsError(f"{name} {getattr(self, name)}; above 0, at most 1 is right")
        for name, share in self.thresholds.items():
            if name not in PARAMETERS:
                raise SettingsError(f"thresholds names {name!r}; one of {', '.join(PARAMETERS)} is right")
            if not 0 < share <= 1:
                raise SettingsError(f"threshold of {name} {share}; above 0, at most 1 is right")
        if not 0 <= self.neighbours <= 1:
            raise SettingsError(f"neighbours {self.neighbours}; 0 .. 1 is right")
        if not 0 < self.post_gas_limit <= MAX_GAS:
            raise SettingsError(f"post_gas_limit {self.post_gas_limit}; 1 .. {MAX_GAS:,} is right")

    def threshold_of(self, parameter: str) -> float | None:
        """Share of its posted value that a parameter may move; None: it is not looked at."""
        found = self.thresholds.get(parameter)
        return found if found is not None or parameter in ASKED else self.threshold


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a report is due, and the numbers.

    `first`, `heartbeat`, `gate`, `moved`, `listing`, `neighbour` (of another) or `urgent` (asked for).
    """

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one underlying stands to its triggers.

    Parameters
    ----------
    underlying
        Its number.
    reasons
        Why it is due; none: it is not.
    pressure
        The largest of its triggers, 1 where due.
    urgent
        Whether its index is past the gate: nobody may take on risk in it until it is posted.
    age
        Of what stands [s].
    """

    underlying: int
    reasons: tuple[Reason, ...]
    pressure: float
    urgent: bool
    age: int


def heartbeat_due(held: Held, underlying: int, config: TriggerConfig) -> Reason | None:
    """What stands of an underlying is too old, or nothing does."""
    at = held.posted_at(underlying)
    if at is None:
        return Reason("first", f"no report of underlying {underlying} yet")
    age = held.time - at
    return Reason("heartbeat", f"report of underlying {underlying} is {age} s old") if age >= config.heartbeat else None


def gate_used(held: Held, underlying: int) -> float:
    """Share of the chain's move gate that an index has used up since the reference of its surfaces; 1: it has shut."""
    index = held.index.get(underlying)
    references = {surface.reference for (u, _), surface in held.live.items() if u == underlying}
    if index is None or not references:
        return 0.0
    return max(abs(index.price - each) * PPM / (held.params.move_gate * each) for each in references)


def gate_near(held: Held, underlying: int, config: TriggerConfig) -> Reason | None:
    """The index has used up its share of the move gate."""
    used = gate_used(held, underlying)
    if used < config.gate_share:
        return None
    return Reason("gate", f"underlying {underlying} moved {used * held.params.move_gate / PPM:.2%}")


def changed(old: int, new: int, threshold: float) -> bool:
    """Whether a parameter moved past its threshold; from zero any move does."""
    return abs(new - old) > threshold * abs(old)


def _pressure(old: int, new: int, threshold: float) -> float:
    """The same as a number: above 1 where it did."""
    if old == new:
        return 0.0
    return abs(new - old) / (threshold * abs(old)) if old else FROM_ZERO


@dataclass(frozen=True, slots=True)
class Move:
    """A parameter that stands at `old` on chain and would be posted as `new`."""

    name: str
    where: str
    old: int
    new: int
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.name} of {self.where}: {self.old} to {self.new}{self.unit}"


def moves(held: Held, wanted: BuiltReport, underlying: int) -> Iterator[Move]:
    """Every parameter of an underlying that stands on chain, and what the engine would say of it now."""
    for surface in wanted.surfaces:
        posted = held.surfaces.get((surface.underlying, surface.expiry))
        if surface.underlying != underlying or posted is None:
            continue
        for name in HEADER:
            yield Move(name, str(underlying), getattr(posted, name), getattr(surface, name), " ppm")
        for at, (was, now) in enumerate(zip(posted.rows, surface.rows, strict=False)):
            if (was.kind, was.strike) == (now.kind, now.strike):
                name = "haircut" if now.kind == SPOT else "gross"
                where = f"{underlying}, expiry {surface.expiry}, row {at}"
                yield Move(name, where, was.gross, now.gross, " ppm")
    last = held.scalars.get(underlying)
    for scalars in wanted.scalars:
        if scalars.underlying == underlying and last is not None:
            for name in (*SCALARS, "funding"):
                yield Move(name, str(underlying), getattr(last, name), getattr(scalars, name))


def lacking(held: Held, wanted: BuiltReport, underlying: int) -> Iterator[Reason]:
    """Surfaces and rows of an underlying that are listed, and that the chain lacks."""
    for surface in wanted.surfaces:
        if surface.underlying != underlying:
            continue
        posted = held.surfaces.get((underlying, surface.expiry))
        if posted is None or len(posted.rows) < len(surface.rows):
            where = f"underlying {underlying}, expiry {surface.expiry}"
            yield Reason("listing", f"{where} has rows that the chain lacks")
    if underlying not in held.scalars:
        yield Reason("moved", f"underlying {underlying} has no scalars")


def standing_of(held: Held, wanted: BuiltReport, underlying: int, config: TriggerConfig) -> Standing:
    """How an underlying stands to its own triggers; its class left out."""
    at = held.posted_at(underlying)
    age = held.time - (at or 0)
    used = gate_used(held, underlying)
    pressure = max(age / config.heartbeat, used / config.gate_share)
    found = [heartbeat_due(held, underlying, config), gate_near(held, underlying, config)]
    found += lacking(held, wanted, underlying)
    for move in moves(held, wanted, underlying):
        threshold = config.threshold_of(move.name)
        if threshold is not None:
            pressure = max(pressure, _pressure(move.old, move.new, threshold))
            if changed(move.old, move.new, threshold):
                found.append(Reason("moved", str(move)))
    reasons = tuple(dict.fromkeys(reason for reason in found if reason is not None))
    return Standing(underlying, reasons, max(pressure, 1.0) if reasons else pressure, used >= 1, age)


def standings(held: Held, wanted: BuiltReport, config: TriggerConfig, *, urgent: bool = False) -> tuple[Standing, ...]:
    """How each underlying stands that can be posted now, by number.

    What was posted at this very time cannot be posted again: no time has passed in which a limit an hour lets anything
    move. The move of a class's word is the business of that of its members that is nearest to due, since the word goes
    along with any.

    Parameters
    ----------
    held
        What the chain holds.
    wanted
        What the engine would post of all underlyings.
    config
        The thresholds.
    urgent
        Whether a report was asked for: then all are due.
    """
    numbers = sorted(scalars.underlying for scalars in wanted.scalars)
    free = [u for u in numbers if (at := held.posted_at(u)) is None or at < held.time]
    found = {u: standing_of(held, wanted, u, config) for u in free}
    for offset in wanted.classes:
        members = [found[u] for u in free if u >> 8 == offset.klass]
        last = held.classes.get(offset.klass)
        if members and last is not None:
            nearest = max(members, key=lambda one: (one.pressure, -one.underlying))
            found[nearest.underlying] = _with_class(nearest, last, offset, config)
    if urgent:
        asked = Reason("urgent", "asked for")
        found = {u: replace(one, reasons=(asked, *one.reasons)) for u, one in found.items()}
    return tuple(found.values())


def _with_class(one: Standing, last: ClassOffset, said: ClassOffset, config: TriggerConfig) -> Standing:
    for name in CLASS:
        threshold = config.threshold_of(name)
        move = Move(name, f"class {said.klass}", getattr(last, name), getattr(said, name), " ppm")
        if threshold is None:
            continue
        pressure = max(one.pressure, _pressure(move.old, move.new, threshold))
        new = (Reason("moved", str(move)),) if changed(move.old, move.new, threshold) else ()
        one = replace(one, pressure=pressure, reasons=(*one.reasons, *new))
    return one


def due(held: Held, wanted: BuiltReport, config: TriggerConfig, *, urgent: bool = False) -> tuple[Standing, ...]:
    """Underlyings to post now, and their near neighbours: urgent ones first, then those that wait longest.

    None: the chain holds what it should. Parameters as `standings`.
    """
    found = standings(held, wanted, config, urgent=urgent)
    if not any(one.reasons for one in found):
        return ()
    going = [_riding(one) if not one.reasons and one.pressure >= config.neighbours else one for one in found]
    return tuple(
        sorted((one for one in going if one.reasons), key=lambda one: (not one.urgent, -one.age, one.underlying))
    )


def _riding(one: Standing) -> Standing:
    return replace(one, reasons=(Reason("neighbour", f"underlying {one.underlying} is at {one.pressure:.0%} of due"),))
