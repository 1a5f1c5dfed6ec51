"""Every figure that the README claims, measured afresh: `make figures`, one row alone with `make figures ROW=name`.

A row is *quick* (all of them within 20 minutes) or *long* (`make figures-long`). Long rows are kept, with date and
commit of their last run, in `docs/figures-long.json`. The table is printed and written to `build/figures.json`.

This runs in a checkout: it starts the demo, the bench and the tests, and reads what they counted.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from plimsoll.spec.errors import PlimsollError

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD: Final = ROOT / "build"
# A post of 50 instruments, and of a real option chain: 850 options and 12 futures over 12 expiries.
GUARDED_50: Final = "post 50, guarded, 3 signatures"
GUARDED_850: Final = "post 850 options over 12 expiries, guarded, 3 signatures"
# Assumed, to turn gas into money: an hourly heartbeat, gas on a quiet mainnet and on a rollup, data fees aside.
L1_GWEI: Final = 1.0
L2_GWEI: Final = 0.01
ETHER: Final = 3_000.0  # [USD]
DAY: Final = 86_400
SPLIT: Final = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp())  # what a calibration has not seen comes after
KEPT: Final = ROOT / "docs" / "figures-long.json"


class FigureError(PlimsollError):
    """A figure could not be measured: what was run, and the end of what it said."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: `bar` is what `value` is held to, as `(comparison, number)`; `data` says it is of recorded prices."""

    name: str
    unit: str
    bar: tuple[str, float]
    measure: Callable[[Sources], float]
    long: bool = False
    data: bool = False

    @property
    def limit(self) -> str:
        """The bar in words."""
        return f"{self.bar[0]} {self.bar[1]:.10g}"

    def verdict(self, value: float) -> str:
        """`ok` where the bar is met, else `short`."""
        comparison, number = self.bar
        met = {
            "<=": value <= number,
            "<": value < number,
            ">=": value >= number,
            ">": value > number,
            "=": value == number,
        }[comparison]
        return "ok" if met else "short"


def run(
    command: Sequence[str], *, cwd: Path = ROOT, env: dict[str, str] | None = None, codes: Sequence[int] = (0,)
) -> str:
    """Standard output of a command; FigureError where its exit code is none of `codes`."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise FigureError(f"`{' '.join(command)}` ended with {done.returncode}:\n{said}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Faults:
    """What a run of drawn faults came to."""

    tried: int
    kinds: int
    unsurvived: int  # faults that the keeper did not get over in time
    wrong: int  # double posts, missed liquidations, thin reports, overspending, journal against chain
    reports: int

    @classmethod
    def of(cls, minutes: int, seed: int) -> Faults:
        """Run so many minutes of a seed."""
        words = ["-m", "plimsoll.simulate.rig.faults", "--minutes", str(minutes), "--seed", str(seed), "--json"]
        found = json.loads(run([sys.executable, *words], codes=(0, 1)))
        return cls(
            len(found["faults"]),
            len({fault["kind"] for fault in found["faults"]}),
            sum(fault["outcome"] != "recovered" for fault in found["faults"]),
            sum(len(items) for items in found["wrong"].values()),
            found["reports"],
        )


class Sources:
    """What rows are read from, each run at most once."""

    @cached_property
    def demo(self) -> dict[str, Any]:
        """The demo's own summary, and `seconds` by the clock on the wall."""
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            said = run([sys.executable, "-m", "plimsoll.cli", "demo", "--quiet", "--json", "--out", folder])
            return {**json.loads(said), "seconds": time.monotonic() - start}

    @cached_property
    def gas(self) -> dict[str, int]:
        """Gas and bytecode sizes, as measured now."""
        found: dict[str, int] = json.loads(run([sys.executable, "-m", "tests.bench.gas", "--json"]))
        return found

    @cached_property
    def agreement(self) -> dict[str, float]:
        """What the agreement tests counted."""
        return self._counted("tests/agreement", profile="figures")

    @cached_property
    def stateful(self) -> dict[str, float]:
        """What the stateful tests counted."""
        return self._counted("tests/stateful/test_protocol.py", profile="figures")

    @cached_property
    def clone(self) -> dict[str, float]:
        """Seconds that set-up, demo and tests take from a clone in an empty folder; each must exit 0."""
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "plimsoll"
            run(["git", "clone", "--quiet", str(ROOT), str(home)])
            found = {}
            for target in ("setup", "demo", "test"):
                start = time.monotonic()
                run(["make", target], cwd=home)
                found[target] = time.monotonic() - start
            return found

    @cached_property
    def straddle(self) -> dict[str, float]:
        """What the test of a straddle's mark measured."""
        return self._counted("tests/unit/risk/test_arrays.py", "-k", "straddles_mark")

    @cached_property
    def adversary(self) -> dict[str, float]:
        """What the linear programs for the cheapest losing book found, with and without the gross charge."""
        from plimsoll.risk import adversary  # noqa: PLC0415 - scipy is slow to import

        return dict(adversary.search().numbers)

    @cached_property
    def concentration(self) -> dict[float, float]:
        """What short straddles of 20 % and of 0.1 % of open interest pay for concentration [coin]."""
        from plimsoll.risk import adversary  # noqa: PLC0415 - likewise

        quotes = adversary.quotes_of()
        found = adversary.target(quotes)
        shares = (0.2, 0.001)
        return {x: adversary.straddle_concentration(found, quotes.open_interest, x)["charge"] for x in shares}

    @cached_property
    def backtest(self) -> Any:
        """All models on the recorded prices of BTC and ETH, walk-forward."""
        from plimsoll.backtest.run import recorded  # noqa: PLC0415 - likewise
        from plimsoll.backtest.run import run as backtested  # noqa: PLC0415

        return backtested(recorded(), frontier=False)

    @cached_property
    def enforced(self) -> dict[str, float]:
        """The default model's margins as a chain would have enforced them: over assets and horizons."""
        found = self.backtest.enforced
        cells = [cell for item in found for cell in item.record.cells]
        return {
            "reports": sum(item.reports for item in found),
            "liquidating": sum(item.liquidating for item in found),
            "unglided": sum(item.liquidating_unglided for item in found),
            "not_green": sum(cell.daily.zone != "green" for cell in cells),
            "ratio": sum(cell.ratio for cell in cells) / len(cells),
            "rise_5": max(item.record.swings.rise_5 for item in found),
        }

    @cached_property
    def record(self) -> Any:
        """The summary of the default model."""
        from plimsoll.risk.named import DEFAULT  # noqa: PLC0415 - likewise

        return self.backtest.summary(DEFAULT)

    @cached_property
    def walk_seconds(self) -> float:
        """Processor seconds that eight years of hourly margins of BTC take, all three horizons."""
        from plimsoll.backtest.walk import har_fhs  # noqa: PLC0415 - likewise
        from plimsoll.market.sources import load_recorded  # noqa: PLC0415

        bars = load_recorded("btc_usdt_spot_1h")
        start = time.process_time()
        for horizon in (1, 8, 24):
            har_fhs(bars, horizon, 0.99)
        return time.process_time() - start

    @cached_property
    def calibration(self) -> Any:
        """The shape of the default model searched on what was before 2023, and judged on what came after."""
        from plimsoll.backtest.calibrate import calibrate  # noqa: PLC0415 - likewise
        from plimsoll.backtest.run import recorded  # noqa: PLC0415

        return calibrate(recorded(), SPLIT)

    @cached_property
    def forecasts(self) -> dict[str, float]:
        """The learned forecast of volatility against HAR, out of sample, by QLIKE: markets, horizons and periods."""
        from plimsoll.backtest.forecasts import LEARNED, choose, compare, recorded  # noqa: PLC0415 - likewise

        found = compare(recorded())
        choice = choose(found.scores)
        day = [score.gain for score in found.of(LEARNED) if score.horizon == DAY]
        return {"cells": choice.cells, "better": choice.better, "significant": choice.significant, "day": min(day)}

    @cached_property
    def offsets(self) -> Any:
        """Long BTC against short ETH and the other way round, at posted and at constant offsets."""
        from plimsoll.backtest.offsets import judge  # noqa: PLC0415 - likewise
        from plimsoll.backtest.run import recorded  # noqa: PLC0415

        first, second = recorded().values()
        return judge(first, second)

    @cached_property
    def funding(self) -> list[Any]:
        """Our funding rate against what an exchange's perpetuals paid."""
        from plimsoll.backtest.premium import judge, recorded_funding, recorded_marks  # noqa: PLC0415 - likewise

        return [judge(*recorded_marks(asset), recorded_funding(asset)) for asset in ("BTC", "ETH")]

    @cached_property
    def screened(self) -> dict[str, float]:
        """A million accounts of eight positions screened, in a process of its own, whose memory is then its."""
        code = "import json; from plimsoll.risk.screen import measure; print(json.dumps(measure()))"
        found: dict[str, float] = json.loads(run([sys.executable, "-c", code]))
        return found

    @cached_property
    def stressed(self) -> dict[str, float]:
        """Named scenarios over the example's accounts and fund."""
        from plimsoll.report.stress import numbers, stress  # noqa: PLC0415 - likewise
        from plimsoll.risk.stress import StressBook  # noqa: PLC0415

        return numbers(stress(StressBook.load(ROOT / "docs" / "stress.example.json")))

    @cached_property
    def reliability(self) -> dict[str, float]:
        """Probabilities of falling under MM within a day against what happened, calibrated walk-forward."""
        from plimsoll.backtest.reliability import record  # noqa: PLC0415 - likewise

        return record().numbers()

    @cached_property
    def smile(self) -> dict[str, float]:
        """Smiles completed without 30 % of a real chain's quotes, measured on those."""
        from plimsoll.backtest.chains import smile_record  # noqa: PLC0415 - likewise

        return smile_record()

    @cached_property
    def conforming(self) -> float:
        """How many models of the package pass the contract test of models."""
        from plimsoll.risk.conformance import check  # noqa: PLC0415 - likewise
        from plimsoll.risk.named import OWN  # noqa: PLC0415

        return sum(not check(name) for name in OWN)

    @cached_property
    def lanes(self) -> dict[str, float]:
        """What the lanes that are posted by default see of the worst loss on a fine grid, over drawn books."""
        from plimsoll.backtest.chains import full_snapshot  # noqa: PLC0415 - likewise
        from plimsoll.backtest.lanes import board, coverage, measure  # noqa: PLC0415

        return coverage(measure(board(full_snapshot()))).numbers()

    @cached_property
    def chains(self) -> dict[str, float]:
        """Books drawn from the chains of January 2026, margined one day and marked the next."""
        from plimsoll.backtest.chains import record  # noqa: PLC0415 - likewise

        return record().numbers()

    @cached_property
    def report(self) -> dict[str, float]:
        """How long a report on the full chains of 30 December 2025 takes."""
        from plimsoll.backtest.chains import report_record  # noqa: PLC0415 - likewise

        return report_record(runs=100)

    @cached_property
    def determinism(self) -> dict[str, int]:
        """Reports recomputed under other threads, instructions, orders, libraries and interpreters, and differences."""
        from plimsoll.simulate.determinism import compare  # noqa: PLC0415 - likewise

        outcomes = compare(100)
        return {
            "reports": sum(2 * outcome.count for outcome in outcomes),  # a case is two reports
            "differences": sum(len(outcome.different) for outcome in outcomes),
        }

    @cached_property
    def march(self) -> Any:
        """March 2020 with every bidder away for six hours."""
        from plimsoll.simulate import absent  # noqa: PLC0415 - likewise

        folder = os.environ.get("PLIMSOLL_DATA")
        return absent.march_2020(Path(folder) if folder else None)

    @cached_property
    def dead_engine(self) -> Any:
        """Days without the engine while the market falls by two fifths, and hours without the index."""
        from plimsoll.simulate import dead_engine  # noqa: PLC0415 - likewise

        folder = os.environ.get("PLIMSOLL_DATA")
        return dead_engine.dead_engine(Path(folder) if folder else None)

    @cached_property
    def profit(self) -> dict[str, float]:
        """What the search for a sequence that makes its owner richer counted, at its full length."""
        return self._counted("tests/stateful/test_profit.py", profile="figures")

    @cached_property
    def properties(self) -> float:
        """How many properties are numbered, each held by tests that are there: as many tests of that passed."""
        return self.checked("tests/stateful/test_properties.py", "-k", "what_holds_a_property_is_there")

    @cached_property
    def attacks(self) -> dict[str, float]:
        """What the attacks on reports counted at their full length."""
        return self._counted("tests/attacks", profile="figures")

    @cached_property
    def indexed(self) -> dict[str, float]:
        """100,000 accounts followed and screened, block by block, in a process of its own, whose memory is then its."""
        words = ["-m", "plimsoll.keeper.index.bench", "--accounts", "100000", "--json"]
        found: dict[str, float] = json.loads(run([sys.executable, *words]))
        return found

    @cached_property
    def latency(self) -> dict[str, Any]:
        """Blocks from what happens to what a keeper does about it, on a chain with a block every second."""
        words = ["-m", "plimsoll.simulate.rig.latency", "--moves", "30", "--accounts", "10000", "--json"]
        found: dict[str, Any] = json.loads(run([sys.executable, *words], codes=(0, 1)))
        return found

    @cached_property
    def faults(self) -> Faults:
        """Thirty minutes of drawn faults against a running keeper."""
        return Faults.of(30, 1)

    @cached_property
    def few_faults(self) -> Faults:
        """Three minutes of them."""
        return Faults.of(3, 3)

    @cached_property
    def demo_node(self) -> dict[str, Any]:
        """A small crash on a node of its own, with every process that belongs to it."""
        words = ["-m", "plimsoll.cli", "demo-node", "--minutes", "1", "--json"]
        found: dict[str, Any] = json.loads(run([sys.executable, *words], codes=(0, 1)))
        return found

    @cached_property
    def refusals(self) -> dict[str, float]:
        """How many unit tests passed: one file an external function, each named error among them."""
        return self._counted("tests/unit")

    def checked(self, *words: str) -> float:
        """How many of the selected tests passed; 0 where one of them fails."""
        found = self._counted(*words)
        return 0 if found["failed"] else found["passed"]

    @staticmethod
    def _counted(*words: str, profile: str = "ci") -> dict[str, float]:
        """What tests recorded, added up (`max_...`: the largest), with `passed` and `failed`."""
        with tempfile.TemporaryDirectory() as folder:
            counts = Path(folder) / "counts.jsonl"
            env = {"PLIMSOLL_COUNTS": str(counts), "PLIMSOLL_PROFILE": profile}
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", *words]
            said = run(command, env=env, codes=(0, 1))
            total: dict[str, float] = {}
            for word in ("passed", "failed", "error"):
                counted = re.search(rf"(\d+) {word}", said)
                total[word] = int(counted[1]) if counted else 0
            total["failed"] += total.pop("error")
            for line in counts.read_text(encoding="utf-8").splitlines() if counts.exists() else ():
                for name, value in json.loads(line).items():
                    known = total.get(name, 0)
                    total[name] = max(known, value) if name.startswith("max_") else known + value
            return total


ROWS: Final[tuple[Row, ...]] = (
    Row("demo.seconds", "s", ("<", 90), lambda s: s.demo["seconds"]),
    Row("demo.comparisons", "accounts", (">=", 1_000), lambda s: s.demo["comparisons"]),
    Row("demo.mismatches", "accounts", ("=", 0), lambda s: s.demo["mismatches"]),
    Row("agreement.margin_cases", "cases", (">=", 5_000), lambda s: s.agreement["margin_cases"], long=True),
    Row("agreement.margin_mismatches", "cases", ("=", 0), lambda s: s.agreement["margin_mismatches"], long=True),
    Row(
        "agreement.over_10_positions",
        "%",
        (">=", 30),
        lambda s: 100 * s.agreement["margin_large"] / s.agreement["margin_cases"],
        long=True,
    ),
    Row(
        "agreement.at_a_boundary",
        "%",
        (">=", 20),
        lambda s: 100 * s.agreement["margin_boundary"] / s.agreement["margin_cases"],
        long=True,
    ),
    Row("agreement.sequences", "sequences", (">=", 2_000), lambda s: s.agreement["sequences"], long=True),
    Row(
        "agreement.sequence_mismatches", "sequences", ("=", 0), lambda s: s.agreement["sequence_mismatches"], long=True
    ),
    Row(
        "agreement.planted_bugs_found",
        "of planted, %",
        ("=", 100),
        lambda s: 100 * s.agreement["planted_found"] / s.agreement["planted"],
        long=True,
    ),
    Row("conservation.steps", "steps", (">=", 1_000), lambda s: s.stateful["stateful_steps"]),
    Row("conservation.failures", "tests", ("=", 0), lambda s: s.stateful["failed"]),
    Row("agreement.replayed_logs", "logs", (">=", 50), lambda s: s.agreement["replayed_sequences"], long=True),
    Row("agreement.failures", "tests", ("=", 0), lambda s: s.agreement["failed"], long=True),
    Row("properties.held", "properties", (">=", 30), lambda s: s.properties),
    Row("profit.sequences", "sequences", (">=", 10_000), lambda s: s.profit["profit_sequences"], long=True),
    Row("profit.gains", "sequences", ("=", 0), lambda s: s.profit["profit_gains"], long=True),
    Row(
        "profit.planted_leak_found",
        "of planted, %",
        ("=", 100),
        lambda s: 100 * s.profit["planted_found"] / s.profit["planted"],
        long=True,
    ),
    Row("determinism.reports", "reports", (">=", 1_000), lambda s: s.determinism["reports"]),
    Row("determinism.differences", "reports", ("=", 0), lambda s: s.determinism["differences"]),
    Row("march_2020.losses_off_record", "quote", ("=", 0), lambda s: s.march.off_record + s.march.unaccounted),
    Row("march_2020.losses_paid_or_shared", "quote", (">", 0), lambda s: s.march.fund_paid + s.march.socialised),
    Row("march_2020.withdrawals", "withdrawals", (">=", 10), lambda s: s.march.withdrawals),
    Row("march_2020.refused_withdrawals", "withdrawals", ("=", 0), lambda s: s.march.refused),
    # the fund's first layer: the most it pays for one event
    Row(
        "dead_engine.bad_debt_over_live", "first layers", ("<=", 1), lambda s: s.dead_engine.most("bad_debt_over_live")
    ),
    # the urgent notice (2), a whole ramp (60), and a look (2.5)
    Row("dead_engine.slowest_minutes", "min", ("<=", 64.5), lambda s: s.dead_engine.most("slowest")),
    Row("dead_engine.tried", "trades, withdrawals", (">=", 5_000), lambda s: s.dead_engine.tried),
    Row("dead_engine.new_risk", "trades", ("=", 0), lambda s: s.dead_engine.count("new_risk")),
    Row("dead_engine.withdrawn_below_im", "withdrawals", ("=", 0), lambda s: s.dead_engine.count("below_im")),
    Row("dead_engine.on_dead_index", "actions", ("=", 0), lambda s: s.dead_engine.on_dead_index),
    Row("gas.margin_64_over_4", "gas", ("<=", 600_000), lambda s: s.gas["margin 64 over 4"]),
    Row("gas.post_per_instrument_50", "gas", ("<=", 34_000), lambda s: s.gas[GUARDED_50] / 50),
    Row("gas.post_chain_850", "gas", ("<=", 34_000 * 862), lambda s: s.gas[GUARDED_850]),
    Row("cost.chain_850_a_post_l1", "USD", ("<", 1_000), lambda s: s.gas[GUARDED_850] * L1_GWEI * 1e-9 * ETHER),
    Row("cost.chain_850_a_day_l1", "USD", ("<", 24_000), lambda s: 24 * s.gas[GUARDED_850] * L1_GWEI * 1e-9 * ETHER),
    Row("cost.chain_850_a_post_l2", "USD", ("<", 10), lambda s: s.gas[GUARDED_850] * L2_GWEI * 1e-9 * ETHER),
    Row("cost.chain_850_a_day_l2", "USD", ("<", 240), lambda s: 24 * s.gas[GUARDED_850] * L2_GWEI * 1e-9 * ETHER),
    Row("demo.lies", "forged reports", (">=", 100), lambda s: s.demo["nodes"]["told"]),
    Row("demo.lies_cosigned", "forged reports", ("=", 0), lambda s: s.demo["nodes"]["cosigned"]),
    Row("demo.lies_believed", "forged reports", ("=", 0), lambda s: s.demo["nodes"]["believed"]),
    Row("attacks.tried", "attacks", (">=", 10_000), lambda s: s.attacks["attacks"], long=True),
    Row("attacks.not_refused_by_name", "attacks", ("=", 0), lambda s: s.attacks["attacks_wrong"], long=True),
    Row("attacks.honest_reports", "reports", (">=", 300), lambda s: s.attacks["honest"], long=True),
    Row("attacks.honest_refused", "reports", ("=", 0), lambda s: s.attacks["honest_refused"], long=True),
    Row("attacks.jumps_of_10_percent", "jumps", (">=", 30), lambda s: s.attacks["honest_jumps"], long=True),
    Row("stolen_key.sequences", "sequences", (">=", 1_000), lambda s: s.attacks["stolen_sequences"], long=True),
    Row("stolen_key.moved", "sequences", ("=", 0), lambda s: s.attacks["stolen_moved"], long=True),
    Row(
        "gas.bid_64_same_series",
        "gas",
        ("<=", 1_700_000),
        lambda s: s.gas["bid on 64 positions, bidder holding the same series"],
    ),
    Row("gas.bid_64_empty", "gas", ("<=", 2_900_000), lambda s: s.gas["bid on 64 positions, bidder empty"]),
    Row(
        "size.largest_contract",
        "byte",
        ("<", 24_576),
        lambda s: max(value for name, value in s.gas.items() if name.startswith("size ")),
    ),
    Row("backtest.cells_passing", "of 12 cells", (">=", 10), lambda s: s.record.passing, data=True),
    Row("backtest.cells_red", "cells", ("=", 0), lambda s: s.record.red, data=True),
    Row("backtest.worst_loss_over_margin", "margins", ("<=", 2.5), lambda s: s.record.worst, data=True),
    Row("backtest.margin_over_static", "static margins", ("<=", 0.90), lambda s: s.record.ratio, data=True),
    Row("backtest.margin_over_static_1h", "static margins", ("<=", 0.75), lambda s: s.record.ratios[3_600], data=True),
    Row("backtest.peak_over_trough", "", ("<=", 8), lambda s: s.record.peak_over_trough, data=True),
    Row("backtest.worst_5_day_rise", "%", ("<=", 150), lambda s: 100 * s.record.rise_5, data=True),
    Row("backtest.models_beaten", "of 3 models", ("=", 3), lambda s: sum(s.backtest.beaten().values()), data=True),
    Row("backtest.seconds_for_8_years", "s", ("<=", 60), lambda s: s.walk_seconds, data=True),
    Row("enforced.reports", "reports", (">=", 300_000), lambda s: s.enforced["reports"], data=True),
    Row("enforced.liquidating_alone", "reports", ("=", 0), lambda s: s.enforced["liquidating"], data=True),
    Row("enforced.liquidating_without_glide", "reports", (">", 0), lambda s: s.enforced["unglided"], data=True),
    Row("enforced.cells_not_green", "of 12 cells", ("=", 0), lambda s: s.enforced["not_green"], data=True),
    Row("enforced.margin_over_static", "static margins", ("<=", 0.90), lambda s: s.enforced["ratio"], data=True),
    Row("enforced.worst_5_day_rise", "%", ("<=", 150), lambda s: 100 * s.enforced["rise_5"], data=True),
    Row(
        "calibrate.unseen_margin_over_static",
        "static margins",
        ("<=", 0.90),
        lambda s: s.calibration.present.unseen.ratio,
        long=True,
        data=True,
    ),
    Row("calibrate.unseen_red", "cells", ("=", 0), lambda s: s.calibration.present.unseen.red, long=True, data=True),
    Row(
        "calibrate.unseen_passing",
        "of 12 cells",
        (">=", 10),
        lambda s: s.calibration.present.unseen.passing,
        long=True,
        data=True,
    ),
    Row("calibrate.place_when_trained", "of 27", ("<=", 3), lambda s: s.calibration.place, long=True, data=True),
    Row("forecasts.learned_better", "of 12 cells", ("=", 12), lambda s: s.forecasts["better"], long=True, data=True),
    Row(
        "forecasts.learned_significantly",
        "of 12 cells",
        (">=", 7),
        lambda s: s.forecasts["significant"],
        long=True,
        data=True,
    ),
    Row("forecasts.learned_gain_a_day", "%", (">", 0), lambda s: 100 * s.forecasts["day"], long=True, data=True),
    Row(
        "offsets.days_exceeded",
        "% of days",
        ("<=", 1),
        lambda s: 100 * max(s.offsets.row("posted").exceeded_long, s.offsets.row("posted").exceeded_short),
        data=True,
    ),
    Row(
        "offsets.constant_80_exceeded",
        "% of days",
        (">", 1),
        lambda s: 100 * s.offsets.row("constant 0.8").exceeded_long,
        data=True,
    ),
    Row("funding.correlation", "", (">=", 0.8), lambda s: min(item.correlation for item in s.funding), data=True),
    Row("funding.error", "bp an interval", ("<=", 0.5), lambda s: 1e4 * max(i.error for i in s.funding), data=True),
    Row("models.conforming", "of 3 models", ("=", 3), lambda s: s.conforming),
    Row("smile.inside_the_quotes", "% of held-out quotes", (">=", 90), lambda s: 100 * s.smile["inside"], data=True),
    Row("smile.arbitrage", "ppm of the forward", ("<=", 1), lambda s: 1e6 * s.smile["arbitrage"], data=True),
    Row("stress.scenarios", "scenarios", (">=", 10), lambda s: s.stressed["scenarios"]),
    Row("stress.unaccounted", "quote", ("<=", 0.01), lambda s: s.stressed["gap"]),
    Row("reliability.books", "books", (">=", 10_000), lambda s: s.reliability["books"], long=True, data=True),
    Row("reliability.error", "%", ("<=", 2), lambda s: 100 * s.reliability["error"], long=True, data=True),
    Row("reliability.skill", "", (">=", 0.3), lambda s: s.reliability["skill"], long=True, data=True),
    Row("screen.accounts", "accounts", (">=", 1_000_000), lambda s: s.screened["accounts"]),
    Row("screen.seconds", "s", ("<=", 1.0), lambda s: s.screened["seconds"]),
    Row("screen.memory", "GiB", ("<=", 4), lambda s: s.screened["gibibytes"]),
    Row("index.accounts", "accounts", (">=", 100_000), lambda s: s.indexed["accounts"]),
    Row("index.seconds_a_block", "s", ("<", 1.0), lambda s: s.indexed["seconds_per_block"]),
    Row("index.memory", "GiB", ("<=", 4), lambda s: s.indexed["gib"]),
    Row(
        "keeper.posted_next_block",
        "% of moves",
        (">=", 95),
        lambda s: 100 * s.latency["posted_next_block"],
        long=True,
    ),
    Row("keeper.moves", "moves", (">=", 30), lambda s: s.latency["moves"], long=True),
    Row("keeper.accounts", "accounts", (">=", 10_000), lambda s: s.latency["accounts"], long=True),
    Row("keeper.blocks_to_first_bid", "blocks", ("<=", 3), lambda s: s.latency["blocks_to_first_bid_max"], long=True),
    Row("keeper.under_water", "accounts", (">=", 10), lambda s: s.latency["under_water"], long=True),
    Row("faults.tried", "faults", (">=", 100), lambda s: s.faults.tried, long=True),
    Row("faults.kinds", "kinds", (">=", 12), lambda s: s.faults.kinds, long=True),
    Row("faults.not_survived", "faults", ("=", 0), lambda s: s.faults.unsurvived, long=True),
    Row("faults.wrong", "findings", ("=", 0), lambda s: s.faults.wrong, long=True),
    Row("faults.short_tried", "faults", (">=", 8), lambda s: s.few_faults.tried),
    Row("faults.short_wrong", "findings", ("=", 0), lambda s: s.few_faults.wrong + s.few_faults.unsurvived),
    Row("demo_node.reports", "reports", (">=", 5), lambda s: s.demo_node["reports"]),
    Row("demo_node.missed", "accounts", ("=", 0), lambda s: len(s.demo_node["missed"]) + s.demo_node["keeper_ended"]),
    Row("lanes.books", "books", (">=", 10_000), lambda s: s.lanes["books"], long=True, data=True),
    Row("lanes.seen_on_average", "%", (">=", 98), lambda s: 100 * s.lanes["mean"], long=True, data=True),
    Row("lanes.seen_at_1st_percentile", "%", (">=", 90), lambda s: 100 * s.lanes["first"], long=True, data=True),
    Row("lanes.books_over_mm", "books", ("=", 0), lambda s: s.lanes["over_margin"], long=True, data=True),
    Row("chains.days", "days", (">=", 30), lambda s: s.chains["days"], long=True, data=True),
    Row(
        "chains.kinds_inside", "of 7 kinds of book", ("=", 7), lambda s: s.chains["kinds_inside"], long=True, data=True
    ),
    Row("chains.worst_book", "MM", ("<=", 1), lambda s: s.chains["worst_book"], long=True, data=True),
    Row("chains.worst_day", "MM", ("<=", 1), lambda s: s.chains["worst_day"], long=True, data=True),
    Row("report.options", "options", (">=", 1_300), lambda s: s.report["options"], data=True),
    Row("report.milliseconds", "ms", ("<=", 40), lambda s: s.report["milliseconds"], data=True),
    Row("cases.met", "tests", (">=", 41), lambda s: s.checked("tests/unit/risk/test_cases.py")),
    Row("cheapest_book.programs", "linear programs", (">=", 1_000), lambda s: s.adversary["programs"]),
    Row("cheapest_book.loss_over_mm", "coin", ("<=", 0), lambda s: s.adversary["worst_excess"]),
    Row("cheapest_book.loss_without_charge", "coin", (">=", 0.5), lambda s: s.adversary["free_single_loss"]),
    Row("straddle.concentration_20_percent", "coin", (">", 0), lambda s: s.concentration[0.2]),
    Row("straddle.concentration_0.1_percent", "coin", ("=", 0), lambda s: s.concentration[0.001]),
    Row("straddle.mark_error", "bp of index", ("<=", 35), lambda s: s.straddle["max_straddle_bp"]),
    Row("hedged_pair.owes_nothing", "tests", (">=", 1), lambda s: s.checked("tests/unit", "-k", "hedged_perp_pair")),
    Row("lane.minus_42_percent_posts", "tests", (">=", 1), lambda s: s.checked("tests/unit/oracle", "-k", "minus_42")),
    Row("refusals.unit_tests_passed", "tests", (">=", 1_000), lambda s: s.refusals["passed"], long=True),
    Row("refusals.unit_tests_failed", "tests", ("=", 0), lambda s: s.refusals["failed"], long=True),
    Row("clone.demo_seconds", "s", ("<", 90), lambda s: s.clone["demo"], long=True),
    Row("clone.test_seconds", "s", ("<", 720), lambda s: s.clone["test"], long=True),
    Row("clone.setup_seconds", "s", ("<", 600), lambda s: s.clone["setup"], long=True),
)


def kept() -> list[dict[str, Any]]:
    """The long rows as last measured."""
    found: list[dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else []
    return found


def measure(rows: Sequence[Row], console: Console) -> list[dict[str, Any]]:
    """Measure rows one by one, with a line that says which is under way."""
    sources = Sources()
    found: list[dict[str, Any]] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        for row in rows:
            progress.update(task, description=row.name)
            value = round(float(row.measure(sources)), 3)
            entry: dict[str, Any] = {
                "name": row.name,
                "value": int(value) if value == int(value) else value,
                "unit": row.unit,
                "bar": row.limit,
                "verdict": row.verdict(value),
            }
            if row.long:
                commit = run(["git", "rev-parse", "--short", "HEAD"]).strip()
                entry |= {"date": datetime.now(UTC).date().isoformat(), "commit": commit}
            found.append(entry)
    return found


def show(entries: Sequence[dict[str, Any]], console: Console) -> None:
    """The table."""
    table = Table("figure", "value", "unit", "bar", "verdict", "long: run on", title="Figures")
    for entry in entries:
        style = "green" if entry["verdict"] == "ok" else "red"
        ran = f"{entry['date']} {entry['commit']}" if "date" in entry else ""
        value = f"{entry['value']:,}"
        table.add_row(entry["name"], value, entry["unit"], entry["bar"], f"[{style}]{entry['verdict']}[/]", ran)
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; exit code 1 where a figure falls short, 2 where a row is unknown."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    long = "--long" in words
    names = [word for word in words if not word.startswith("-")]
    unknown = sorted(set(names) - {row.name for row in ROWS})
    console = Console(stderr=True)
    if unknown:
        known = ", ".join(row.name for row in ROWS)
        console.print(f"figures: no row {', '.join(unknown)}; rows are {known}", soft_wrap=True)
        return 2
    rows = [row for row in ROWS if (row.name in names if names else row.long == long)]
    left_out = [] if os.environ.get("PLIMSOLL_DATA") else [row.name for row in rows if row.data]
    if left_out:
        console.print(f"figures: left out, as PLIMSOLL_DATA is unset: {', '.join(left_out)}", soft_wrap=True)
        rows = [row for row in rows if row.name not in left_out]
    try:
        entries = measure(rows, console)
    except FigureError as error:
        console.print(f"figures: {error}", markup=False)
        return 1
    fresh = {entry["name"] for entry in entries}
    if any(row.long for row in rows):
        remembered = [entry for entry in kept() if entry["name"] not in fresh]
        KEPT.write_text(json.dumps(remembered + [e for e in entries if "date" in e], indent=2) + "\n", encoding="utf-8")
    if not names:
        entries += [entry for entry in kept() if entry["name"] not in fresh]
    BUILD.mkdir(exist_ok=True)
    (BUILD / "figures.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    show(entries, Console(width=shutil.get_terminal_size((120, 40)).columns))
    return 1 if any(entry["verdict"] != "ok" for entry in entries) else 0


if __name__ == "__main__":
    sys.exit(main())
