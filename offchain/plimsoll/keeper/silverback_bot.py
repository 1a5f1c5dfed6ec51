"""A bot for Silverback, over the keeper's own decisions: for those who run that platform already.

    PLIMSOLL_SETTINGS=keeper.yaml silverback run plimsoll.keeper.silverback_bot:bot --network ethereum:sepolia:node

    on start        the keeper that the settings build (`plimsoll.keeper.build`)
    on each block   chores, calls, rescues, auctions, bids
    each minute     a report, where one is due

The platform brings the blocks and the clock, and nothing else: the nodes that are read and written are the settings',
and so are keys, journal and rules. A block that comes while the last one is still worked on is left out: the next looks
at the same accounts. Transactions are waited for, one at a time; what `plimsoll keeper` does besides (replacement of
what is stuck, reorganisations, several nodes) is not here, see docs/AUTOMATION.md. PLIMSOLL_DRY_RUN=1 decides and
sends nothing.

Silverback is no requirement of ours: where it is missing, asking for `bot` says so.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from plimsoll.keeper.build import build_keeper
from plimsoll.keeper.errors import KeeperError, SettingsError
from plimsoll.keeper.loop import FAILURES, Keeper, Round
from plimsoll.keeper.settings import load_settings

SETTINGS: Final = "PLIMSOLL_SETTINGS"
DRY_RUN: Final = "PLIMSOLL_DRY_RUN"
EACH_MINUTE: Final = "* * * * *"
BUSY: Final = "busy"


class PlatformError(KeeperError):
    """Silverback is not installed, or cannot be loaded here."""


class Bot(Protocol):
    """What is used of Silverback's bot: decorators that register a function."""

    def on_startup(self) -> Callable[[Any], Any]:
        """Once, before anything else."""

    def on_(self, container: Any) -> Callable[[Any], Any]:
        """At each block of a container of blocks."""

    def cron(self, schedule: str) -> Callable[[Any], Any]:
        """At each time of a schedule."""


class Watch:
    """What a bot does, and when; each kind of work once at a time.

    Parameters
    ----------
    build
        Makes the keeper, at the start.
    """

    def __init__(self, build: Callable[[], Keeper]) -> None:
        self._build = build
        self._keeper: Keeper | None = None
        self._building = threading.Lock()
        self._enforcing = threading.Lock()
        self._posting = threading.Lock()

    @property
    def keeper(self) -> Keeper:
        """The keeper, built when it is needed first: a worker of its own process may see no start."""
        with self._building:
            if self._keeper is None:
                self._keeper = self._build()
            return self._keeper

    def start(self) -> None:
        """Build the keeper now, so that what is wrong with the settings is met at the start.

        Raises
        ------
        SettingsError, SourceError, DeploymentError, NodeError, JournalError
            As `build_keeper`.
        """
        keeper = self.keeper
        keeper.recorder.record("silverback-start", keeper.reader.system.chain.now, dry_run=keeper.config.dry_run)

    def block(self) -> dict[str, Any]:
        """What a new block brings: how many steps and chores were taken, how many were refused."""
        return self._once(self._enforcing, self._enforce)

    def minute(self) -> dict[str, Any]:
        """What a minute brings: the sequence that was posted, where a report was due."""
        return self._once(self._posting, self._post)

    def _once(self, lock: threading.Lock, work: Callable[[Keeper], Round]) -> dict[str, Any]:
        if not lock.acquire(blocking=False):
            return {BUSY: 1}
        try:
            return summary(work(self.keeper))
        finally:
            lock.release()

    @staticmethod
    def _enforce(keeper: Keeper) -> Round:
        now = 0
        try:
            now = keeper.reader.system.chain.now
            accounts = keeper.accounts()
            chores = keeper.keep_up(accounts)
            steps, planned = keeper.enforce(accounts)
        except FAILURES as problem:
            return Round(now, error=keeper.failed(problem, now))
        return Round(now, steps=steps, planned=planned, chores=chores)

    @staticmethod
    def _post(keeper: Keeper) -> Round:
        now = 0
        try:
            now = keeper.reader.system.chain.now
            return keeper.post_due(keeper.reader.read())
        except FAILURES as problem:
            return Round(now, error=keeper.failed(problem, now))


def summary(done: Round) -> dict[str, Any]:
    """A round as the platform's metrics take it: numbers by name."""
    found: dict[str, Any] = {
        "steps": sum(step.error is None for step in done.steps),
        "chores": sum(chore.error is None for chore in done.chores),
        "refused": sum(step.error is not None for step in done.steps)
        + sum(chore.error is not None for chore in done.chores),
        "failed": int(done.error is not None),
    }
    if done.posted is not None and done.posted.ok:
        found["sequence"] = done.posted.sequence
    return found


def wire(bot: Bot, blocks: Any, watch: Watch) -> None:
    """Let a bot do what a watch does.

    Parameters
    ----------
    bot
        Silverback's.
    blocks
        Its container of blocks: `ape.chain.blocks`.
    watch
        What is done.
    """

    @bot.on_startup()
    def start(state) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - the platform converts what is annotated
        del state
        watch.start()

    @bot.on_(blocks)
    def block(block):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - likewise
        del block
        return watch.block()

    @bot.cron(EACH_MINUTE)
    def minute(time):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - likewise
        del time
        return watch.minute()


def keeper_of_settings() -> Keeper:
    """The keeper of the settings that the environment names.

    Raises
    ------
    SettingsError
        It names none; and as `build_keeper`.
    """
    path = os.environ.get(SETTINGS)
    if not path:
        raise SettingsError(f"environment variable {SETTINGS} is not set; it should name a keeper's settings file")
    return build_keeper(load_settings(Path(path)), dry_run=os.environ.get(DRY_RUN, "") not in {"", "0"})


def make_bot() -> Any:
    """Silverback's bot, wired; ape must be connected, as `silverback run` connects it.

    Raises
    ------
    PlatformError
        Silverback or ape is missing.
    """
    try:
        silverback, ape = importlib.import_module("silverback"), importlib.import_module("ape")
    except ImportError as error:
        raise PlatformError(
            f"{error}; `pip install silverback 'taskiq<0.13'` beside Plimsoll brings it: it is no requirement of ours"
        ) from error
    made = silverback.SilverbackBot()
    wire(made, ape.chain.blocks, Watch(keeper_of_settings))
    return made


def __getattr__(name: str) -> Any:
    """`bot`, made when it is asked for: the platform asks the module for it by name, nobody else does."""
    if name != "bot":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    made = make_bot()
    globals()["bot"] = made
    return made
