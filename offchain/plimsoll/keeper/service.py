"""The keeper as it is run: the runner, and beside it what it needs and who it tells.

venues     ask for prices, in threads of their own
index      what every account holds
server     /metrics, /healthz, /status
watchman   alerts
systemd    told that it is up, and that the loop goes round
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from plimsoll.keeper.alerts import RULES, Watchman, Webhook, firing
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.live import LiveSource
from plimsoll.keeper.logs import event
from plimsoll.keeper.loop import Round
from plimsoll.keeper.notify import Notifier
from plimsoll.keeper.runner import Runner
from plimsoll.keeper.status import LoopStatus, StatusBoard
from plimsoll.keeper.telling import Teller
from plimsoll.keeper.web import OperationsServer

PATIENCE: Final = 30.0  # [s] that one round waits for venues


@dataclass
class Service:
    """Everything of one keeper; `run` it once.

    Parameters
    ----------
    runner, board, teller, watchman
        Always there.
    webhook, server, source, index
        Where the settings have them.
    notifier
        Of systemd.
    """

    runner: Runner
    board: StatusBoard
    teller: Teller
    watchman: Watchman
    webhook: Webhook | None = None
    server: OperationsServer | None = None
    source: LiveSource | None = None
    index: AccountIndex | None = None
    notifier: Notifier = field(default_factory=Notifier)
    _serving: bool = False

    def run(self, stop: threading.Event) -> None:
        """Follow the chain until told to stop; then finish what runs, and close."""
        self.runner.on_look = self._looked
        if self.server is not None:
            self.server.start()
            self._serving = True
        if self.source is not None:
            self.source.start()
        self.watchman.start()
        self.notifier.ready()
        try:
            self.runner.run(stop)
        except Exception as error:
            self.board.update(loop=LoopStatus(halted=f"{type(error).__name__}: {error}"))
            raise
        finally:
            self.notifier.stopping()
            self.watchman.stop()
            self.close()

    def once(self) -> Round:
        """One round of everything, and what came of what was sent.

        Raises
        ------
        NodeError
            No node answers.
        """
        try:
            if self.source is not None:
                self.source.start()
                self.source.wait(PATIENCE)
            return self.runner.once()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of ports, threads and files."""
        if self.source is not None:
            self.source.close()
        if self.webhook is not None:
            self.webhook.close()
        if self.server is not None:
            if self._serving:
                self.server.shutdown()
            self.server.server_close()
        if self.index is not None:
            self.index.close()
        self.runner.journal.close()

    def _looked(self, problem: str | None) -> None:
        try:
            self.teller.look(problem)
        except Exception as error:  # noqa: BLE001 - what is told of the work must not stop it
            event("error", "telling-failed", failure=error)
        hung = firing(self.board.current(), self.watchman.limits, [rule for rule in RULES if rule.name == "loop-hung"])
        if not hung:  # systemd restarts what hangs, in whichever thread
            self.notifier.beat(problem or "")
