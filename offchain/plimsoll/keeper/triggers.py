"""Whether a report is due, and why. Pure functions of what the chain holds, what the engine would say, and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.state import Held
from plimsoll.risk.engine import BuiltReport
from plimsoll.spec.wad import PPM

# funding goes out with the heartbeat: it is small, and always moves
SCALARS: Final = ("depth", "kappa", "som", "im_factor", "volatility", "market")
HEADER: Final = ("psr", "vol_up", "vol_down")


@dataclass(frozen=True, slots=True)
class TriggerConfig:
    """When to post.

    Parameters
    ----------
    heartbeat
        Longest time between reports [s]; above 0, for 0 would mean always.
    threshold
        Share of its posted value that a parameter may move before a report is due.
    gate_share
        Share of the chain's move gate that an index may use up before a report is due: at 1 the gate has shut.

    Raises
    ------
    SettingsError
        Where a number is out of range.
    """

    heartbeat: int = 3_600
    threshold: float = 0.05
    gate_share: float = 0.8

    def __post_init__(self) -> None:
        if self.heartbeat <= 0:
            raise SettingsError(f"heartbeat {self.heartbeat} s; above 0 is right (0 would mean: always)")
        if not 0 < self.threshold <= 1:
            raise SettingsError(f"threshold {self.threshold}; above 0, at most 1 is right")
        if not 0 < self.gate_share <= 1:
            raise SettingsError(f"gate_share {self.gate_share}; above 0, at most 1 is right")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a report is due: `first`, `heartbeat`, `gate`, `moved`, `listing` or `urgent`, and the numbers."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def heartbeat_due(held: Held, config: TriggerConfig) -> Reason | None:
    """The last report is too old, or there is none."""
    if held.sequence == 0:
        return Reason("first", "no report yet")
    age = held.time - held.market_time
    return Reason("heartbeat", f"last report {age} s old") if age >= config.heartbeat else None


def gate_near(held: Held, config: TriggerConfig) -> list[Reason]:
    """Indices that have used up their share of the move gate since their surface's reference."""
    found = []
    for underlying, index in sorted(held.index.items()):
        references = {s.reference for (u, _), s in held.live.items() if u == underlying}
        for reference in references:
            moved = abs(index.price - reference)
            if moved * PPM >= config.gate_share * held.params.move_gate * reference:
                found.append(Reason("gate", f"underlying {underlying} moved {moved / reference:.2%}"))
                break
    return found


def changed(old: int, new: int, threshold: float) -> bool:
    """Whether a parameter moved past its threshold; from zero any move does."""
    return abs(new - old) > threshold * old


def moved(held: Held, wanted: BuiltReport, config: TriggerConfig) -> list[Reason]:
    """Parameters that the engine would post beyond their threshold, and surfaces that the chain lacks."""
    found = []
    for surface in wanted.surfaces:
        key = (surface.underlying, surface.expiry)
        posted = held.surfaces.get(key)
        if posted is None or len(posted.rows) < len(surface.rows):
            found.append(Reason("listing", f"underlying {key[0]}, expiry {key[1]} has rows that the chain lacks"))
            continue
        for name in HEADER:
            old, new = getattr(posted, name), getattr(surface, name)
            if changed(old, new, config.threshold):
                found.append(Reason("moved", f"{name} of {key[0]}: {old} to {new} ppm"))
    held_scalars: Mapping[int, object] = held.scalars
    for scalars in wanted.scalars:
        last = held_scalars.get(scalars.underlying)
        if last is None:
            found.append(Reason("moved", f"underlying {scalars.underlying} has no scalars"))
            continue
        for name in SCALARS:
            old, new = getattr(last, name), getattr(scalars, name)
            if changed(old, new, config.threshold):
                found.append(Reason("moved", f"{name} of {scalars.underlying}: {old} to {new}"))
    return list(dict.fromkeys(found))


def due(held: Held, wanted: BuiltReport, config: TriggerConfig) -> tuple[Reason, ...]:
    """Every reason to post now; none: the chain holds what it should."""
    beat = heartbeat_due(held, config)
    return (*([beat] if beat else []), *gate_near(held, config), *moved(held, wanted, config))
