"""What the chain holds, as the keeper needs it: what it believes, and where every account stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from plimsoll.chain.contract import Function, batch
from plimsoll.chain.deployment import System
from plimsoll.chain.protocol import Call
from plimsoll.risk.limits import Rails, charges_of
from plimsoll.risk.models import State as RiskState
from plimsoll.spec.errors import Refused
from plimsoll.spec.guardrails import NAMES, Limit, unpack_limit, unpack_scenarios
from plimsoll.spec.margin import Assessment, ClassOffset, Index, Params, Scalars, View
from plimsoll.spec.oracle import unpack_params
from plimsoll.spec.report import unpack_class, unpack_scalars
from plimsoll.spec.surface import Surface, decode

LENS_BATCH = 200  # accounts that Lens.margins takes at once


@dataclass(frozen=True)
class Held:
    """What the oracle believes, and the feed says, at one time."""

    time: int  # [unix s] of the chain
    sequence: int
    market_time: int
    params: Params
    index: dict[int, Index]  # underlyings whose feed is usable
    surfaces: dict[tuple[int, int], Surface] = field(default_factory=dict)
    scalars: dict[int, Scalars] = field(default_factory=dict)
    classes: dict[int, ClassOffset] = field(default_factory=dict)
    open_interest: dict[int, int] = field(default_factory=dict)
    funding: dict[int, int] = field(default_factory=dict)  # [wad a contract] what a perp's long has paid so far
    rails: Rails = field(default_factory=Rails)  # what the guardrails allow the next report

    @property
    def view(self) -> View:
        """The same as `plimsoll.spec.margin` reads it."""
        return View(
            self.params,
            self.time,
            self.index,
            self.surfaces,
            self.scalars,
            self.classes,
            self.open_interest,
            self.funding,
        )

    @cached_property
    def live(self) -> dict[tuple[int, int], Surface]:
        """The surfaces of expiries that have not passed: the others are never posted again."""
        return {key: surface for key, surface in self.surfaces.items() if key[1] == 0 or key[1] > self.time}

    @cached_property
    def _posted(self) -> dict[int, int]:
        """Underlying -> market time of what stands of it [unix s]."""
        found: dict[int, int] = {}
        for (underlying, _), surface in self.live.items():
            found[underlying] = max(surface.time, found.get(underlying, 0))
        return found

    def posted_at(self, underlying: int) -> int | None:
        """Market time of what stands of an underlying [unix s]; None: nothing does, or all of it has expired."""
        return self._posted.get(underlying)

    @property
    def oldest(self) -> int:
        """Market time of the underlying that was posted longest ago [unix s]; the last report's where none stands."""
        return min(self._posted.values(), default=self.market_time)

    @property
    def risk_state(self) -> RiskState | None:
        """The same as the engine glides from; None before the first report."""
        if self.sequence == 0:
            return None
        return RiskState.of(
            self.sequence,
            self.market_time,
            tuple(self.live.values()),
            tuple(self.classes.values()),
            tuple(self.scalars.values()),
        )


class ChainReader:
    """Reads what the oracle holds, a few batches a time; surfaces never change, so each is fetched once.

    Parameters
    ----------
    system
        The deployment.
    expiries
        Underlying -> expiries listed on it [unix s], 0 for perpetuals and collateral. May grow.
    """

    def __init__(self, system: System, expiries: dict[int, Sequence[int]]) -> None:
        self.system = system
        self.expiries = expiries
        self._surfaces: dict[int, Surface] = {}
        self._scopes: tuple[int, ...] = ()  # of the guardrails, as they were last

    def read(self) -> Held:
        """What the chain holds now.

        Raises
        ------
        NodeError
            Where the node does not answer.
        """
        system = self.system
        chain = system.chain
        underlyings = sorted(self.expiries)
        keys = [(u, e) for u in underlyings for e in self.expiries[u]]
        classes = sorted({u >> 8 for u in underlyings})
        oracle = system.oracle
        found = iter(
            batch(
                chain,
                [
                    *(oracle.request(name) for name in ("sequence", "market_time", "rates", "floors")),
                    *(oracle.request("pointer", *key) for key in keys),
                    *(oracle.request("scalars", u) for u in underlyings),
                    *(oracle.request("classes", k) for k in classes),
                    *(system.feed.request("price", u) for u in underlyings),
                    *(system.clearinghouse.request("open_interest", u) for u in underlyings),
                    *(oracle.request("funding", u) for u in underlyings),
                    system.guard.request("boost"),
                    *(system.guard.request("scopes", u) for u in underlyings),
                    *(system.guard.request("scenarios", u) for u in underlyings),
                    *(system.guard.request("class_time", k) for k in classes),
                    *self._limits_asked(self._scopes),
                ],
            )
        )
        sequence, market_time, rates, floors = (next(found) for _ in range(4))
        pointers = {key: next(found) for key in keys}
        scalars = {u: next(found) for u in underlyings}
        offsets = {k: next(found) for k in classes}
        prices = {u: next(found) for u in underlyings}
        interest = {u: next(found) for u in underlyings}
        funding = {u: next(found) for u in underlyings}
        boost = next(found)
        scopes = {u: next(found) for u in underlyings}
        sets = {u: unpack_scenarios(next(found)) for u in underlyings}
        times = {k: next(found) for k in classes}
        limits = self._limits_of(self._scopes, found)
        wanted = tuple(sorted({0, *scopes.values()}))
        if wanted != self._scopes:  # the first time, and where governance changed one
            self._scopes = wanted
            limits = self._limits_of(wanted, iter(batch(chain, self._limits_asked(wanted))))
        surfaces = {key: self._surface(pointer >> 96) for key, pointer in pointers.items() if pointer}
        self._surfaces = {pointers[key] >> 96: found for key, found in surfaces.items()}  # no post points to the others
        posted = {u: unpack_scalars(word) for u, word in scalars.items() if word}
        known = {k: unpack_class(word) for k, word in offsets.items() if word}
        rails = Rails(
            limits,
            {u: scope for u, scope in scopes.items() if scope},
            boost,
            {u: found for u, found in sets.items() if found.time or found.scalars_time},
            posted,
            known,
            {k: time for k, time in times.items() if time},
            charges_of(surfaces),
        )
        return Held(
            time=chain.now,
            sequence=sequence,
            market_time=market_time,
            params=unpack_params(rates, floors),
            index={u: Index(p[0], p[2]) for u, p in prices.items() if not isinstance(p, Refused)},
            surfaces=surfaces,
            scalars=posted,
            classes=known,
            open_interest=interest,
            funding=funding,
            rails=rails,
        )

    def _limits_asked(self, scopes: Sequence[int]) -> list[tuple[Call, Function]]:
        """Reads of every limit of these scopes."""
        return [self.system.guard.request("limit", scope, place) for scope in scopes for place in range(len(NAMES))]

    @staticmethod
    def _limits_of(scopes: Sequence[int], words: Iterator[Any]) -> dict[int, dict[int, Limit]]:
        """Every limit of these scopes, by scope and place."""
        return {scope: {place: unpack_limit(next(words)) for place in range(len(NAMES))} for scope in scopes}

    def _surface(self, address: int) -> Surface:
        found = self._surfaces.get(address)
        if found is None:
            found = decode(self.system.chain.code(f"0x{address:040x}"))
            self._surfaces[address] = found
        return found


def assessment_of(found: Any) -> Assessment:
    """The twin's assessment of what a contract returned."""
    return Assessment(*found)


def read_margins(system: System, accounts: Sequence[int]) -> dict[int, Assessment | Refused]:
    """Where accounts stand, by batches of `Lens.margins`.

    One account that cannot be assessed (its feed is dead, say) makes its whole batch revert; such a batch is asked
    again one by one, so that the others are still watched.
    """
    found: dict[int, Assessment | Refused] = {}
    parts = [list(accounts[k : k + LENS_BATCH]) for k in range(0, len(accounts), LENS_BATCH)]
    for part, answer in zip(
        parts, batch(system.chain, [system.lens.request("margins", part) for part in parts]), strict=True
    ):
        if not isinstance(answer, Refused):
            found.update((account, assessment_of(item)) for account, item in zip(part, answer, strict=True))
            continue
        singles = batch(system.chain, [system.clearinghouse.request("margin", account) for account in part])
        found.update(
            (account, item if isinstance(item, Refused) else assessment_of(item))
            for account, item in zip(part, singles, strict=True)
        )
    return found
