"""A second trigger that anyone can run: asks the chain's `Automation` what is due, and has it done.

It shares nothing with the keeper but the chain: no engine, no prices, no rule of its own, one key with a little money.
So it can stand on another machine, be somebody else's, and be run from a clock. It neither bids nor posts: who is due
is called and started, breakers trip, prices are remembered and observed, and all that without a keeper awake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import System
from plimsoll.chain.errors import ChainError, DeploymentError
from plimsoll.keeper.accounts import AccountWatcher
from plimsoll.keeper.recorder import Recorder
from plimsoll.spec.automation import ACTIONS, MAX_ACCOUNTS, MAX_SERIES, MAX_UNDERLYINGS, check_data
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import WINDOW


@dataclass(frozen=True, slots=True)
class Performed:
    """One call of `performUpkeep`: what it took and what was refused in it, or why there is nothing of it."""

    taken: tuple[tuple[str, int, int], ...] = ()  # action, subject, detail
    refused: tuple[tuple[str, int, int], ...] = ()
    gas: int = 0
    error: str | None = None


class SecondTrigger:
    """Looks and acts through `Automation`.

    Parameters
    ----------
    system
        The deployment.
    sender
        Who pays.
    recorder
        The journal.
    first_block
        Where the deployment's history begins.

    Raises
    ------
    DeploymentError
        The address book names no Automation.
    """

    def __init__(self, system: System, sender: str, recorder: Recorder, first_block: int = 0) -> None:
        if system.automation is None:
            raise DeploymentError("the address book names no Automation; another `ape run deploy` adds it")
        self.system = system
        self.automation = system.automation
        self.sender = sender
        self.recorder = recorder
        self.watcher = AccountWatcher(system, first_block)

    def plan(self) -> list[bytes]:
        """What to give to `performUpkeep`, a call each: breakers, prices and expiries first, then accounts."""
        accounts = self.watcher.update()
        now = self.system.chain.now
        underlyings = [int(u) for u in self.system.feed.call("underlyings") if u < 2**16]
        series = [key for key, holders in sorted(self.watcher.holders.items()) if holders and key[1] - now <= WINDOW]
        asked = [
            *(check_data((), part) for part in _parts(underlyings, MAX_UNDERLYINGS)),
            *(check_data((), (), part) for part in _parts(series, MAX_SERIES)),
            *(check_data(part) for part in _parts(accounts, MAX_ACCOUNTS)),
        ]
        found = []
        for answer in batch(self.system.chain, [self.automation.request("checkUpkeep", data) for data in asked]):
            if isinstance(answer, Refused):
                self.recorder.record("check-failed", now, error=answer.reason)
            elif answer[0]:
                found.append(bytes(answer[1]))
        return found

    def round(self) -> list[Performed]:
        """Do what is due; never raises for what the chain refuses."""
        return [self._perform(data) for data in self.plan()]

    def _perform(self, data: bytes) -> Performed:
        now = self.system.chain.now
        try:
            receipt = self.automation.transact("performUpkeep", data, sender=self.sender)
        except (Refused, ChainError) as error:
            reason = str(error) or "reverted without a reason"
            self.recorder.record("perform-failed", now, error=reason)
            return Performed(error=reason)
        steps: dict[str, list[tuple[str, int, int]]] = {"StepTaken": [], "StepRefused": []}
        for event in self.automation.events(receipt):
            steps[event.name].append((ACTIONS[event.args.action], int(event.args.subject), int(event.args.detail)))
        done = Performed(tuple(steps["StepTaken"]), tuple(steps["StepRefused"]), receipt.gas_used)
        self.recorder.record(
            "perform", now, taken=list(done.taken), refused=list(done.refused), gas=done.gas, hash=receipt.hash
        )
        return done


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[k : k + size] for k in range(0, len(items), size)]
