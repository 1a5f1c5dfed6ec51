"""A second trigger beside the small market, and its twin: whatever is asked or done is asked and done of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plimsoll.chain.contract import deploy, events_of
from plimsoll.spec.automation import Automation, Step, check_data, perform_data
from plimsoll.spec.errors import Refused
from plimsoll.spec.events import Event
from tests.pairs import compiled, from_chain, text
from tests.unit.clearinghouse.stage import ATTACKER, EVERYONE, OWNER, Stage

NOTHING = "automation: nothing was done"


class Trigger:
    """Contract and twin over one stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.pair = stage.pair
        at = self.pair.twin.at
        places = text(at.book), text(at.liquidator)
        self.contract = deploy(self.pair.chain, compiled("Automation"), *places, sender=text(OWNER))
        self.pair.twin.clock = self.pair.now
        twin = self.pair.twin
        self.twin = Automation(twin.book, twin.liquidator, twin.breakers, twin.feed)

    def due(
        self, accounts: Sequence[int] = (), underlyings: Sequence[int] = (), series: Sequence[tuple[int, int]] = ()
    ) -> list[Step]:
        """What is due, by all three views of both."""
        return self.look(check_data(accounts, underlyings, series))

    def look(self, data: bytes) -> list[Step]:
        """What is due of these data, by all three views of both."""
        now = self.pair.now
        found = [Step(*item) for item in self.contract.call("due", data)]
        assert tuple(found) == self.twin.due(data, now)
        is_due, payload = self.contract.call("checkUpkeep", data)
        assert (is_due, payload) == self.twin.checkUpkeep(data, now)
        assert (is_due, payload) == (bool(found), perform_data(found) if found else b"")
        is_due, call = self.contract.call("checker", data)
        assert (is_due, call) == self.twin.checker(data, now)
        assert call == (self.contract.encode("performUpkeep", payload) if found else b"automation: nothing is due")
        return found

    def perform(self, *steps: tuple[int, ...], sender: int = ATTACKER) -> list[bool] | str:
        """Take steps on both: which did anything, or why all were refused."""
        return self.perform_raw(perform_data([Step(*step) for step in steps]), sender=sender)

    def perform_raw(self, data: bytes, *, sender: int = ATTACKER) -> list[bool] | str:
        """As `perform`, of data as they come."""
        pair, before = self.pair, len(self.twin.log)
        known = len(self._events())

        def ask() -> Any:
            try:
                return self.twin.performUpkeep(data, now=pair.now)
            except Refused as refused:
                return refused

        function = self.contract.interface.function("performUpkeep", 1)
        found = pair._both("performUpkeep", ask, self.contract, function, function.encode([data]), sender)
        if isinstance(found, Refused):
            assert len(self.twin.log) == before
            return found.reason
        pair.compare(EVERYONE)
        events = self._events()[known:]
        assert events == self.twin.log[before:]
        return [event.name == "StepTaken" for event in events]

    def _events(self) -> list[Event]:
        logs = self.pair.chain.logs([self.contract.address], 0)
        return [
            Event(event.contract, event.name, {k: from_chain(v) for k, v in event.args._asdict().items()})
            for event in events_of(logs, [self.contract])
        ]

    def do(self, *args: Any) -> list[Step]:
        """Take all that is due: nothing of it is refused, and it is due no more."""
        steps = self.due(*args)
        assert steps
        assert self.perform(*steps) == [True] * len(steps)
        left = self.due(*args)
        assert not set(steps) & set(left)
        return steps
