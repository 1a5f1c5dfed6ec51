"""The agreement tests see what they are there to see: one rounding turned, in the twin or in a contract, is found.

Each planted fault is one replacement in a source text. Faults of the twin's margin are tried on recorded answers of the
chain; faults of contracts are compiled and run.
"""

from __future__ import annotations

import shutil
import sys
import types
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from plimsoll.chain.artifacts import ROOT, Artifact, compile_one
from plimsoll.spec import margin
from plimsoll.spec.instruments import PERP, Instrument
from plimsoll.spec.margin import LIFE, Assessment, Params, View
from plimsoll.spec.report import pack_scalars
from plimsoll.spec.wad import MAX_PRICE
from tests.agreement.rig import Rig
from tests.counts import record
from tests.pairs import Mismatch
from tests.strategies import Regime, Seeded, edge, pick, portfolio, scalars, surface, world

MARGIN_FAULTS = {
    "scan down": ("mul_div_up(price, max(0, -acc[worst])", "mul_div_down(price, max(0, -acc[worst])"),
    "value up": ("result.value = div_floor(", "result.value = div_up("),
    "collateral up": ("result.full = div_floor(", "result.full = div_up("),
    "haircut collateral up": ("result.haircut = div_floor(", "result.haircut = div_up("),
    "gross down": ("mul_div_up(price, gross, PPM * WAD)", "mul_div_down(price, gross, PPM * WAD)"),
    "short down": ("mul_div_up(price * som, short, PPM * WAD)", "mul_div_down(price * som, short, PPM * WAD)"),
    "net delta down": ("div_up(abs(net_delta), PPM)", "div_floor(abs(net_delta), PPM)"),
    "share of size down": ("mul_div_up(params.min_share, size", "mul_div_down(params.min_share, size"),
    "excess down": ("div_up(excess * excess, depth)", "div_floor(excess * excess, depth)"),
    "spread down": ("mul_div_up(div_up(excess", "mul_div_down(div_up(excess"),
    "concentration down": ("mul_div_up(price, spread, WAD)", "mul_div_down(price, spread, WAD)"),
    "market rate down": ("min(PPM, mul_div_up(scalars", "min(PPM, mul_div_down(scalars"),
    "market term down": ("mul_div_up(price * rate, size", "mul_div_down(price * rate, size"),
    "im factor down": ("mul_div_up(im_factor - PPM, base", "mul_div_down(im_factor - PPM, base"),
    "call line down": ("mul_div_up(mm, PPM + view", "mul_div_down(mm, PPM + view"),
    "floor of the gross charge down": ("mul_div_up(params.gross_slope", "mul_div_down(params.gross_slope"),
    "joint loss down": ("div_up(max(0, -min(lanes", "div_floor(max(0, -min(lanes"),
    "credit of a class up": ("mul_div_down(offset.offset", "mul_div_up(offset.offset"),
    "forward up": ("mul_div_down(price, surface.forward", "mul_div_up(price, surface.forward"),
    "mark up": ("mul_div_down(surface.reference, row.mark", "mul_div_up(surface.reference, row.mark"),
    "delta term up": ("mul_div_down(row.delta, move, PPM)", "mul_div_up(row.delta, move, PPM)"),
    "gamma term up": ("div_floor(row.gamma * move", "div_up(row.gamma * move"),
    "age one second longer": ("view.now > surface.time", "view.now >= surface.time"),
    "gate closed on itself": ("> params.move_gate * surface", ">= params.move_gate * surface"),
    "one lane too many nets": ("strict=True)][:common]", "strict=True)][: common + 1]"),
    "a debt of nothing is risky": ("risky = ledger < 0", "risky = ledger <= 0"),
    "fade up": ("mul_div_down(x, left, WINDOW)", "mul_div_up(x, left, WINDOW)"),
    "losses fade": ("left, WINDOW) if x > 0 else x", "left, WINDOW)"),
    "a window one second short": (
        "min(max(0, expiry - view.now), WINDOW)",
        "min(max(0, expiry - view.now + 1), WINDOW)",
    ),
    "expiries fade as the first": (
        "by_expiry.items():\n",
        "by_expiry.items():\n        expiry = next(iter(by_expiry))\n",
    ),
    "funding of every kind": ("if instrument.kind == PERP else 0", "if instrument.kind <= PERP + 1 else 0"),
    "funding taken for given": ("surface, index) - paid)", "surface, index) + paid)"),
}

FUNDING_FAULTS = {
    "funding up": ("return div_floor(accrued(word, now), DAY)", "return div_up(accrued(word, now), DAY)"),
    "funding toward zero": (
        "return div_floor(accrued(word, now), DAY)",
        "return div_truncate(accrued(word, now), DAY)",
    ),
    "slope down": ("div_truncate(rate * price, PPM)", "div_floor(rate * price, PPM)"),
    "slope up": ("div_truncate(rate * price, PPM)", "div_up(rate * price, PPM)"),
    "a life one second longer": ("LIFE: Final = 86_400", "LIFE: Final = 86_401"),
    "a life one second shorter": ("LIFE: Final = 86_400", "LIFE: Final = 86_399"),
}

# contract, file, text, replacement
CONTRACT_FAULTS = {
    "scan down": (
        "RiskOracle",
        "modules/margin.vy",
        "fixed._mul_div_up(price, convert(-worst, uint256)",
        "fixed._mul_div_down(price, convert(-worst, uint256)",
    ),
    "bias of one lane": (
        "RiskOracle",
        "modules/surface.vy",
        "lanes[unsafe_sub(23, k)] = unsafe_sub(high, bias)",
        "lanes[unsafe_sub(23, k)] = unsafe_sub(unsafe_sub(high, bias), 1)",
    ),
    "funding up": (
        "RiskOracle",
        "modules/margin.vy",
        "fixed._div_floor(self._accrued",
        "fixed._div_ceil(self._accrued",
    ),
    "slope down": (
        "RiskOracle",
        "modules/margin.vy",
        "fixed._div_truncate(rate * convert",
        "fixed._div_floor(rate * convert",
    ),
    "fade up": (
        "RiskOracle",
        "modules/margin.vy",
        "unsafe_div(unsafe_mul(pnl, share)",
        "fixed._div_ceil(unsafe_mul(pnl, share)",
    ),
    "an expiry past is left whole": (
        "RiskOracle",
        "RiskOracle.vy",
        "instruments.WINDOW if expiry == 0 else",
        "instruments.WINDOW if expiry <= block.timestamp else",
    ),
    "expiries fade as one": (
        "RiskOracle",
        "RiskOracle.vy",
        "if i > start and (left <",
        "if i > start and until == instruments.WINDOW and (left <",
    ),
}


@dataclass(frozen=True)
class Recorded:
    """One question to a margin check, and what the chain answered."""

    words: tuple[int, ...]
    ledger: int
    view: View
    answer: Assessment


def cases(rig: Rig, worlds: int, books: int = 15) -> list[Recorded]:
    """Recorded answers of the chain; each agrees with the twin."""
    found = []
    for seed in range(worlds):
        source = Seeded(seed)
        known = world(source)
        with rig.load(known):
            view = rig.pair.twin.oracle.view(rig.pair.now)
            for _ in range(books):
                case = portfolio(source, known, rig.twin_assess)
                if case.regime is Regime.REVERT:
                    continue
                answer = rig.check_assess(case.words, case.ledger)
                assert isinstance(answer, Assessment)
                found.append(Recorded(case.words, case.ledger, view, answer))
    return found


@dataclass(frozen=True)
class Paid:
    """A rate that the chain was posted, and what a long had paid for it some time later."""

    rate: int  # [ppm a day], limited
    price: int
    slope: int
    word: int
    now: int
    funding: int


def payments(rig: Rig, count: int) -> list[Paid]:
    """What the chain told of funding: slopes by its events, payments by its view; some rates lapse."""
    found = []
    source = Seeded(0)
    perp = Instrument(0x0100, 0, PERP, 0, 0)
    with rig.pair.isolated():
        for _ in range(count):
            price = edge(source, 1, MAX_PRICE)
            made = surface(source, [perp], price, Params(), 1, calm=True)
            posted = scalars(source, perp.underlying, Params())
            rig.pair.post([replace(made, time=rig.pair.now)], [pack_scalars(posted)])
            told = rig.pair.twin.oracle.log[-1]  # which is the chain's too
            if told.name != "FundingSet":
                continue
            rig.pair.advance(pick(source, (0, 1, LIFE - 1, LIFE, LIFE + 1, source.integer(0, 2 * LIFE))))
            funding = rig.check_funding(perp.underlying)
            word = rig.pair.twin.oracle.fundings[perp.underlying]
            found.append(Paid(told.args["rate"], made.reference, told.args["slope"], word, rig.pair.now, funding))
    return found


@pytest.fixture(scope="module")
def paid() -> list[Paid]:
    return payments(Rig(), 100)


def agrees(module: Any, case: Paid) -> bool:
    """Whether a twin's funding is the chain's."""
    told = module.slope(case.rate, case.price), module.funding(case.word, case.now)
    return told == (case.slope, case.funding)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FUNDING_FAULTS)
def test_a_fault_in_the_twin_of_funding_is_found(paid: list[Paid], fault: str) -> None:
    faulty = faulty_margin(*FUNDING_FAULTS[fault])
    found = any(not agrees(faulty, case) for case in paid)
    record(planted=1, planted_found=int(found))
    assert found


def test_no_fault_of_funding_is_found_where_there_is_none(paid: list[Paid]) -> None:
    assert sum(case.slope != 0 for case in paid) > 50
    assert all(agrees(margin, case) for case in paid)


@pytest.fixture(scope="module")
def recorded() -> list[Recorded]:
    return cases(Rig(), 60)


def faulty_margin(old: str, new: str) -> types.ModuleType:
    """`plimsoll.spec.margin` with one replacement in its source."""
    source = Path(margin.__file__).read_text()
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in the source"
    module = types.ModuleType("faulty_margin")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(compile(source.replace(old, new), "faulty_margin", "exec"), vars(module))  # noqa: S102 - our own source
    finally:
        del sys.modules[module.__name__]
    return module


@pytest.mark.slow
@pytest.mark.parametrize("fault", MARGIN_FAULTS)
def test_a_fault_in_the_twin_is_found(recorded: list[Recorded], fault: str) -> None:
    faulty = faulty_margin(*MARGIN_FAULTS[fault])
    differ = 0
    for case in recorded:
        told = faulty.assess(case.words, case.ledger, case.view)
        differ += (told.equity_haircut, told.equity_full, told.mm, told.im, told.call_line, told.fresh) != (
            case.answer.equity_haircut,
            case.answer.equity_full,
            case.answer.mm,
            case.answer.im,
            case.answer.call_line,
            case.answer.fresh,
        )
        if differ:
            break
    record(planted=1, planted_found=differ)
    assert differ


def test_no_fault_is_found_where_there_is_none(recorded: list[Recorded]) -> None:
    assert len(recorded) > 700
    assert all(margin.assess(case.words, case.ledger, case.view) == case.answer for case in recorded)


def is_found(compare: Callable[[], Any]) -> bool:
    """Whether a comparison finds the planted fault; it is counted."""
    try:
        compare()
    except Mismatch:
        record(planted=1, planted_found=1)
        return True
    record(planted=1, planted_found=0)
    return False


def faulty_contracts(folder: Path, contracts: Sequence[str], file: str, old: str, new: str) -> dict[str, Artifact]:
    """Contracts compiled from a copy of the sources with one replacement, by name."""
    shutil.copytree(ROOT / "contracts", folder / "contracts")
    at = folder / "contracts" / file
    source = at.read_text()
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {file}"
    at.write_text(source.replace(old, new))
    return {name: compile_one(folder / "contracts" / f"{name}.vy", folder) for name in contracts}


def compiled_rarely(faults: Iterable[str], usual: Container[str]) -> list[Any]:
    """Parameters for a test, all but the usual ones marked long: a fault takes as long as its contract to compile."""
    return [fault if fault in usual else pytest.param(fault, marks=pytest.mark.long) for fault in faults]


@pytest.mark.slow
@pytest.mark.parametrize("fault", compiled_rarely(CONTRACT_FAULTS, {"slope down"}))
def test_a_fault_in_a_contract_is_found(tmp_path: Path, fault: str) -> None:
    contract, *change = CONTRACT_FAULTS[fault]
    rig = Rig(replaced=faulty_contracts(tmp_path, [contract], *change))
    assert is_found(lambda: cases(rig, 40))
