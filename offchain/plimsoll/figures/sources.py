"""What the figures are read from, each measured at most once in a run."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from plimsoll.chain.artifacts import ROOT
from plimsoll.figures.commands import FigureError, run

DAY: Final = 86_400
SPLIT: Final = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp())  # what a calibration has not seen comes after


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
    def posting(self) -> dict[str, Any]:
        """What posting costs a day, of underlyings that move apart: by `neighbours`, 0 for reports of all."""
        return dict(json.loads(run([sys.executable, "-m", "tests.bench.posting_day", "--json"]))["apart"])

    @cached_property
    def scale(self) -> dict[str, Any]:
        """A million drawn cases on bytecode and in the twin."""
        return self._audited("agreement", "tests.scale", "--cases", "1000000", "--record")

    @cached_property
    def ten_million(self) -> dict[str, Any]:
        """Ten million of them."""
        return self._part("tests.scale", "--cases", "10000000", "--record")

    @cached_property
    def planted(self) -> dict[str, Any]:
        """How long faults of one unit, planted in the contracts, stay unfound."""
        return self._part("tests.scale", "--planted", "all")

    @cached_property
    def proofs(self) -> dict[str, int]:
        """Lemmas proven, and twins refuted."""
        return dict(self._audited("proofs", "tests.proofs")["counts"])

    @cached_property
    def symbolic(self) -> dict[str, int]:
        """Symbolic checks of the bytecode that hold, and twins refuted."""
        return dict(self._audited("symbolic", "tests.symbolic")["counts"])

    @cached_property
    def splits(self) -> dict[str, float]:
        """Splits of books over accounts, on the enforced margin."""
        return dict(self._audited("searches", "tests.searches", "--every", "40")["counts"])

    @cached_property
    def mutants(self) -> dict[str, Any]:
        """The record of mutants: counts, and files."""
        return self._part("tests.mutation", "--show")

    @cached_property
    def sample(self) -> dict[str, Any]:
        """Forty mutants of the record, run again."""
        return self._audited("sample", "tests.mutation", "--sample", "40")

    @cached_property
    def reached(self) -> dict[str, Any]:
        """The record of lines and branches of the contracts that tests reach."""
        return self._part("tests.coverage", "--recorded")

    @cached_property
    def audit(self) -> dict[str, Any]:
        """The whole audit in a clone in an empty folder: its minutes, and its findings; the report is kept here."""
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "plimsoll"
            run(["git", "clone", "--quiet", str(ROOT), str(home)])
            start = time.monotonic()
            run(["make", "audit"], cwd=home, codes=(0, 1, 2))
            minutes = (time.monotonic() - start) / 60
            shutil.copytree(home / "build" / "audit", ROOT / "build" / "audit", dirs_exist_ok=True)
            said = json.loads((ROOT / "build" / "audit" / "audit.json").read_text(encoding="utf-8"))
            found = sum(max(1, len(result["findings"])) for result in said["results"] if result["verdict"] != "ok")
            parts = {result["name"]: result["said"] for result in said["results"]}
            return {"minutes": minutes, "findings": found, "parts": parts}

    def score(self, folder: str) -> float:
        """Mutants of a folder that a test found [%], equivalent ones aside."""
        files = [item for item in self.mutants["files"] if item["file"].rpartition("/")[0] == folder]
        judged = sum(item["killed"] + item["survived"] - item["equivalent"] for item in files)
        return 100 * sum(item["killed"] for item in files) / judged if judged else 0.0

    def _audited(self, name: str, *words: str) -> dict[str, Any]:
        """What a part says: in the audit, where that was measured before; else by itself."""
        said: dict[str, Any] = vars(self).get("audit", {"parts": {}})["parts"].get(name) or self._part(*words)
        return said

    @staticmethod
    def _part(*words: str) -> dict[str, Any]:
        """What a part of the audit says of itself; FigureError where that is no JSON."""
        said = run([sys.executable, "-m", *words, "--json"], codes=(0, 1))
        try:
            found: dict[str, Any] = json.loads(said)
        except ValueError as error:
            command = f"python -m {' '.join(words)} --json"
            raise FigureError(f"`{command}` printed {said[-200:]!r}, which is no JSON: run it to see why") from error
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
            plain = ("-p", "no:cacheprovider", "-p", "no:ape_test")  # none of these tests asks ape for anything
            command = [sys.executable, "-m", "pytest", "-q", *plain, "-n", "2", *words]
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
