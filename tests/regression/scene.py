"""What the replayed incidents share: an attacker's wealth, time that passes, contracts with a control taken out."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from plimsoll.chain.artifacts import EXTENSIONS, ROOT, Artifact, load_all
from plimsoll.spec.errors import Refused
from tests import pairs
from tests.pairs import account, address_of, text
from tests.unit.clearinghouse.stage import BTC, ETH, OWNER, PRICES, USD, WAD, Stage

LAG = 3_600  # [s]
SECOND = account("trader", 1)
LOW = "clearinghouse: below initial margin"

Fault = tuple[str, str, str]  # file, what stands there, what is put in its place


def wealth(stage: Stage, *roles: str, numbers: Sequence[int] = (0, 1)) -> int:
    """What roles have [wad]: wallets at the live index, and the equity of their accounts at full value, debts too."""
    total = 0
    for role in roles:
        for token, scale, price in (
            (stage.usd, 10**12, WAD),
            (stage.weth, 1, stage.index(ETH)),
            (stage.wbtc, 10**10, stage.index(BTC)),
        ):
            held = stage.pair.token_contracts[token].call("balanceOf", text(address_of(role)))
            total += held * scale * price // WAD
        for number in numbers:
            total += stage.margin(account(role, number)).equity_full
    return total


def pocket(stage: Stage, role: str) -> int:
    """Quote tokens outside the book [token]."""
    return stage.pair.token_contracts[stage.usd].call("balanceOf", text(address_of(role)))


def touch(stage: Stage) -> None:
    """Have today's prices remembered."""
    for underlying in PRICES:
        stage.pair.must("history", "touch", underlying)


def wait(stage: Stage, seconds: int = LAG) -> None:
    """Let a lag pass with keepers at work: prices are remembered before and after, surfaces renewed."""
    touch(stage)
    stage.later(seconds)
    touch(stage)
    stage.post()


def move(stage: Stage, price: int, underlying: int = ETH) -> None:
    """The market moves, and an honest report follows."""
    stage.pair.price(underlying, price)
    stage.post()


def fill_fund(stage: Stage, dollars: int, role: str = "other") -> None:
    """Somebody stakes quote in the insurance fund."""
    pair, who = stage.pair, address_of(role)
    pair.mint(stage.usd, who, dollars * USD)
    pair.approve(stage.usd, who, pair.twin.at.fund)
    pair.must("fund", "deposit", dollars * USD, who, sender=who)


def auction(stage: Stage, who: int) -> None:
    """Call an account and open its auction as soon as that may be."""
    pair = stage.pair
    if stage.margin(who).equity_full >= 0:
        pair.must("liquidator", "call", who)
        stage.later(pair.twin.liquidator.config.urgent_period + 1)
    pair.must("liquidator", "start", who)


def passes(stage: Stage, *args: Any, sender: int) -> bool:
    """Whether a step on the chain alone passes; for contracts that are not the twin's."""
    return isinstance(stage.on_chain(*args, sender=sender), list)


def reason(found: Any) -> str:
    """Why a step was refused; empty where it was not."""
    return found.reason if isinstance(found, Refused) else ""


def without(name: str, *faults: Fault) -> Artifact:
    """A contract compiled from a copy of the sources with a control taken out; kept under `build` until they change."""
    return _without(name, faults)


@cache
def _without(name: str, faults: tuple[Fault, ...]) -> Artifact:
    folder = ROOT / "build" / "regression" / hashlib.sha256(repr((name, faults)).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copytree(ROOT / "contracts", folder / "contracts", dirs_exist_ok=True)
        for file, old, new in faults:
            at = folder / "contracts" / file
            source = at.read_text()
            assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {file}"
            at.write_text(source.replace(old, new))
        return load_all([name], folder, jobs=1)[name] if name not in EXTENSIONS else _alone(name, folder)


def _alone(name: str, folder: Any) -> Artifact:
    with patch.dict(EXTENSIONS, clear=True):
        return load_all([name], folder, jobs=1)[name]


@contextmanager
def deployed(**replaced: Artifact) -> Any:
    """What is put up inside takes these contracts in place of ours."""
    ours = pairs.compiled
    with patch.object(pairs, "compiled", lambda name: replaced.get(name) or ours(name)):
        yield


def stage_without(name: str, *faults: Fault, lag: int = 0) -> Stage:
    """The small market with a control taken out of one contract; its twin still has it."""
    with deployed(**{name: without(name, *faults)}):
        return Stage(0, lag)


__all__ = ["BTC", "ETH", "LAG", "LOW", "OWNER", "SECOND", "USD", "WAD"]
