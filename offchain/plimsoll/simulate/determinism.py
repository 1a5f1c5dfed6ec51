"""The same reports everywhere: drawn snapshots, recomputed in processes that differ in what a library may differ in.

    python -m plimsoll.simulate.determinism FIRST COUNT [--shuffled] [--erring]

prints the hash of two reports a drawn case: a first one, and a second one from another time that glides from it inside
guardrails. `variations` runs that under other numbers of threads, without the instructions that select numpy's kernels,
under another BLAS kernel and another hash seed, with inputs in another order, under another build of numpy and scipy
where this machine has one, and with every function of the libraries that IEEE 754 does not fix off by up to two units
in the last place.

Cases come from `random.random`, +, -, *, / and rounding to decimals alone, so they are the same everywhere too.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import random
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy
import scipy.special
from eth_utils.crypto import keccak

from plimsoll.market.observed import DepthHistory, Exposures, MarkHistory
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.arrays import ArrayConfig
from plimsoll.risk.engine import BuiltReport, Engine, EngineConfig
from plimsoll.risk.errors import RiskError
from plimsoll.risk.limits import Rails, charges_of
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig
from plimsoll.risk.procyclicality import Damping
from plimsoll.simulate.errors import SimulationError
from plimsoll.spec.guardrails import Scenarios
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT, Instrument
from plimsoll.spec.report import struct_hash
from plimsoll.spec.wad import WAD

NOW: Final = 1_735_689_600
DAY: Final = 86_400
HOUR: Final = 3_600
ULPS: Final = 2  # what an erring library errs by at most
MODULE: Final = "plimsoll.simulate.determinism"
SECONDS: Final = 300.0  # a process that takes longer hangs


@dataclass(frozen=True, slots=True)
class Case:
    """One drawn case: an engine, and two snapshots `pause` [s] apart."""

    engine: Engine
    first: Snapshot
    second: Snapshot


@dataclass(frozen=True, slots=True)
class Variation:
    """One way to run: in what environment, with what arguments, by whom."""

    name: str
    environment: Mapping[str, str]
    arguments: Sequence[str] = ()
    python: str = sys.executable
    paths: Sequence[str] = ()  # searched after the interpreter's own


# --------------------------------------------------------------------------------------------------------------- cases


def draw(seed: int, *, shuffled: bool = False) -> Case:
    """The case of a seed; `shuffled` gives the same inputs in another order.

    Engines and horizons, lengths of history, kinds, tenors, strikes, quotes, forwards, marks, depths and what else was
    observed vary; prices are decimals as markets show them, so that numbers which fall on a boundary of rounding are
    common.
    """
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    hourly = chance.random() < 0.2
    interval = HOUR if hourly else DAY
    model = EwmaFhs(
        EwmaFhsConfig(
            decay=_between(chance, 0.90, 0.97, 2),
            horizon=chance.choice((DAY, 2 * DAY, 4 * HOUR) if hourly else (DAY, 2 * DAY)),
            level=chance.choice((0.99, 0.975)),
            measure=chance.choice(("shortfall", "quantile")),
            freedom=chance.choice((4.0, 4.0, 5.5, None)),
            damping=Damping(stress_weight=chance.choice((0.25, 0.0))),
        )
    )
    arrays = ArrayConfig(bump=chance.choice((0.01, 0.01, 0.005)))
    engine = Engine(model, EngineConfig(arrays=arrays, look_ahead=chance.choice((DAY, 0))))
    bars = chance.randint(60, 500)
    order = random.Random(-1 - seed) if shuffled else None  # noqa: S311 - likewise
    numbers = [256 + k for k in range(chance.randint(1, 3))]
    shared = [_normal(chance) for _ in range(bars + 1)]
    markets = [_market(chance, number, bars + 1, interval, shared, order) for number in numbers]
    first = Snapshot(NOW, _order(tuple(markets[k][0] for k in range(len(markets))), order))
    pause = chance.choice((60, HOUR, 7_321, DAY))
    second = Snapshot(NOW + pause, _order(tuple(m[1] for m in markets), order))
    return Case(engine, first, second)


def _market(
    chance: random.Random,
    underlying: int,
    bars: int,
    interval: int,
    shared: Sequence[float],
    order: random.Random | None,
) -> tuple[Market, Market]:
    """One underlying, and the same with other prices."""
    digits = chance.choice((2, 2, 4))
    volatility = _between(chance, 0.005, chance.choice((0.05, 0.2)), 3) * math.sqrt(interval / DAY)
    price, closes = _between(chance, 1, 1_000, digits), []
    for step in shared[:bars]:
        move = volatility * (0.6 * step + 0.8 * _normal(chance))
        price = max(round(price * (1 + move), digits), 0.01)
        closes.append(price)
    start = NOW - interval * bars
    times = [start + interval * k for k in range(bars)]
    keep = [k for k in range(bars) if chance.random() > 0.01] if chance.random() < 0.3 else list(range(bars))  # gaps
    history = History(np.array([times[k] for k in keep]), np.array([closes[k] for k in keep]), interval)
    index = max(closes[-1], 0.5)
    unit = WAD // 100
    listed = [Instrument(underlying, 0, PERP, 0, 0), Instrument(underlying, 0, SPOT, 0, 1)]
    forwards: dict[int, float] = {}
    for days in chance.sample((0.3, 2, 7, 14, 30, 90, 360), chance.randint(0, 3)):
        expiry = NOW + DAY + int(days * DAY)
        listed.append(Instrument(underlying, expiry, FUTURE, 0, 0))
        row = 1
        for share in chance.sample((0.3, 0.6, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.6, 3.0), chance.randint(0, 5)):
            strike = max(1, int(index * share * 100))
            for kind in (CALL, PUT):
                listed.append(Instrument(underlying, expiry, kind, strike, row))
                row += 1
        if chance.random() < 0.6:
            forwards[expiry] = round(index * _between(chance, 0.98, 1.03, 3), digits)
    ids = [item.pack() for item in listed]
    options = [key for key, item in zip(ids, listed, strict=True) if item.is_option]
    vols = {key: _between(chance, 0.05, 2.0, chance.choice((2, 4))) for key in options if chance.random() < 0.7}
    marks = {ids[1]: round(index * _between(chance, 0.97, 1.0, 3), digits)} if chance.random() < 0.5 else {}
    depth = _between(chance, 1, 5_000, 3) if chance.random() < 0.7 else None
    made = Market(
        underlying,
        index,
        history,
        _order(tuple(ids), order),
        unit,
        _mixed(vols, order),
        _mixed(forwards, order),
        marks,
        depth,
        f"drawn {underlying}",
        **_observed(random.Random(round(closes[-1] * 10**4) + underlying), index),  # noqa: S311 - likewise
    )
    moved = max(round(index * _between(chance, 0.93, 1.07, 3), digits), 0.5)
    ratio = moved / index
    later = replace(
        made,
        index=moved,
        forwards={key: round(value * ratio, digits) for key, value in made.forwards.items()},
        marks={key: round(value * ratio, digits) for key, value in made.marks.items()},
    )
    return made, later


def _observed(chance: random.Random, index: float) -> dict[str, Any]:
    """Marks, depths of books, and where accounts are liquidated; a third of the time each."""
    found: dict[str, Any] = {}
    if chance.random() < 0.35:
        time = [NOW - HOUR * k for k in range(12, 0, -1)]
        marks = [index * _between(chance, 0.997, 1.004, 4) for _ in time]
        found["marks_seen"] = MarkHistory(np.array(time), np.array(marks), np.full(len(time), index))
    if chance.random() < 0.35:
        time = [NOW - 6 * HOUR * k for k in range(chance.randint(15, 60), 0, -1)]
        depths = [_between(chance, 500, 1_500, 3) for _ in time]
        found["depths"] = DepthHistory(np.array(time), np.array(depths))
    if chance.random() < 0.35:
        count = chance.randint(1, 30)
        levels = [_between(chance, -0.3, 0.3, 3) for _ in range(count)]
        deltas = [_between(chance, -20, 20, 2) for _ in range(count)]
        found["exposures"] = Exposures(np.array(levels), np.array(deltas))
    return found


def _between(chance: random.Random, low: float, high: float, digits: int) -> float:
    return round(low + (high - low) * chance.random(), digits)


def _normal(chance: random.Random) -> float:
    """Nearly normal, variance one, by + and - alone: what `random.gauss` gives is a C library's."""
    return 2 * (chance.random() + chance.random() + chance.random() - 1.5)


def _order(items: tuple[Any, ...], order: random.Random | None) -> tuple[Any, ...]:
    return tuple(order.sample(items, len(items))) if order else items


def _mixed(items: dict[int, float], order: random.Random | None) -> dict[int, float]:
    return {key: items[key] for key in _order(tuple(items), order)}


def reports(case: Case) -> Iterator[BuiltReport]:
    """Both reports of a case, the second inside guardrails on which the first one stands."""
    first = case.engine.report(case.first)
    yield first
    time = case.first.market_time
    rails = Rails(
        sets={
            s.underlying: Scenarios(s.psr, s.vol_up, s.vol_down, s.damps, s.extremes, time, time)  # type: ignore[arg-type]
            for s in first.surfaces
        },
        scalars={item.underlying: item for item in first.scalars},
        classes={item.klass: item for item in first.classes},
        class_times={item.klass: time for item in first.classes},
        charges=charges_of({(s.underlying, s.expiry): s for s in first.surfaces}),
    )
    yield case.engine.report(case.second, first.state, rails=rails)


def digests(seeds: Sequence[int], *, shuffled: bool = False) -> list[str]:
    """A hash of each case's reports and codes, as text; of what the engine refuses, the error's name."""
    found = []
    for seed in seeds:
        try:
            built = list(reports(draw(seed, shuffled=shuffled)))
        except RiskError as error:
            found.append(type(error).__name__)
            continue
        found.append(keccak(b"".join(part for b in built for part in (struct_hash(b.report), *b.codes))).hex())
    return found


# ---------------------------------------------------------------------------------------------------------- variations


def erring(function: Callable[..., Any], seed: int = 0) -> Callable[..., Any]:
    """A function whose floats are off by up to `ULPS` units in the last place, by chance."""
    chance = np.random.default_rng(seed)

    def off(*args: Any, **named: Any) -> Any:
        exact = np.asarray(function(*args, **named), dtype=np.float64)
        steps = chance.integers(-ULPS, ULPS + 1, exact.shape)
        moved = np.where(np.isfinite(exact), exact, 0.0)
        for _ in range(ULPS):
            up, down = np.nextafter(moved, np.inf), np.nextafter(moved, -np.inf)
            moved = np.where(steps > 0, up, np.where(steps < 0, down, moved))
            steps = steps - np.sign(steps)
        moved = np.where(np.isfinite(exact) & (exact != 0), moved, exact)
        return moved if moved.ndim else float(moved)

    return off


# What IEEE 754 does not fix, or whose order of summation is a library's; a sum that errs stands for another order.
LIBRARY: Final = {
    "numpy": "log log2 log10 log1p exp exp2 expm1 power float_power sin cos tan tanh sinh cosh sum mean var std dot "
    "matmul einsum inner vdot average cov corrcoef linspace logspace geomspace cbrt hypot",
    "math": "log log2 log10 log1p exp expm1 pow sin cos tan tanh sinh cosh erf erfc gamma lgamma cbrt hypot",
    "scipy.special": "ndtr ndtri log_ndtr erf erfc erfinv expit logit gamma gammaln betainc stdtr stdtrit",
}


def let_libraries_err() -> int:
    """Put `erring` in place of what the libraries offer and are not held to; how many functions."""
    count = 0
    for name, functions in LIBRARY.items():
        module = sys.modules[name]
        for function in functions.split():
            if hasattr(module, function):
                setattr(module, function, erring(getattr(module, function), count))
                count += 1
    if len({float(np.log(2.0)) for _ in range(99)}) < 2:
        raise SimulationError("the libraries do not err: nothing would be tested")
    return count


def numpy_features() -> list[str]:
    """Instruction sets that this processor has and numpy chooses kernels by, without those that its build demands."""
    core: Any  # no part of numpy's stubs
    try:
        core = importlib.import_module("numpy._core._multiarray_umath")  # numpy 2
    except ImportError:
        core = importlib.import_module("numpy.core._multiarray_umath")
    return [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]


def variations() -> list[Variation]:
    """What this machine can vary, each but a few of it together with another, since a process takes its time."""
    features = numpy_features()

    def without(*prefixes: str) -> dict[str, str]:
        off = [name for name in features if name.startswith(prefixes)]
        return {"NPY_DISABLE_CPU_FEATURES": " ".join(off)} if off else {}

    def threads(number: int) -> dict[str, str]:
        return {"OMP_NUM_THREADS": str(number), "OPENBLAS_NUM_THREADS": str(number)}

    found = [
        Variation("1 thread", threads(1)),
        Variation("2 threads, no AVX-512", threads(2) | without("AVX512", "X86_V4")),
        Variation("4 threads, no AVX, no FMA", threads(4) | without("AVX", "FMA", "F16C", "X86_V3", "X86_V4")),
        Variation("no instructions by choice, old BLAS kernel", without("") | {"OPENBLAS_CORETYPE": "Prescott"}),
        Variation("another hash seed, shuffled inputs", {"PYTHONHASHSEED": "4242"}, ("--shuffled",)),
        Variation("libraries off by 2 ulp", {}, ("--erring",)),
    ]
    own = Path(sys.executable).absolute()
    minor = f"python3.{11 if sys.version_info.minor == 12 else 12}"
    others = {shutil.which(name) for name in (getattr(sys, "_base_executable", ""), minor) if name}
    for python in sorted(path for path in others if path and Path(path).absolute() != own):
        name = f"{Path(python).name} with its own numpy and scipy"
        where = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        found.append(Variation(name, where, python=python, paths=(sysconfig.get_paths()["purelib"],)))
    return found


def start(variation: Variation, first: int, count: int) -> subprocess.Popen[str]:
    """The process of a variation."""
    program = f"import sys; sys.path += {list(variation.paths)!r}; from {MODULE} import main; main(sys.argv[1:])"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NPY_", "PYTHONHASHSEED"))}
    return subprocess.Popen(  # noqa: S603 - ourselves
        [variation.python, "-c", program, str(first), str(count), *variation.arguments],
        env={**environment, **variation.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a variation came to: `seeds` whose reports differ, of `count`; `left_out` says why it could not run."""

    name: str
    libraries: str
    count: int = 0
    different: tuple[int, ...] = ()
    left_out: str | None = None


def compare(count: int, first: int = 0, chosen: Sequence[Variation] | None = None) -> list[Outcome]:
    """Every variation against this process.

    Raises
    ------
    SimulationError
        A variation of this very interpreter does not run.
    """
    asked = variations() if chosen is None else chosen
    processes = [start(variation, first, count) for variation in asked]
    known = digests(range(first, first + count))
    outcomes = []
    for variation, process in zip(asked, processes, strict=True):
        out, err = process.communicate(timeout=SECONDS)
        if process.returncode:
            why = (err.strip().splitlines() or ["it says nothing"])[-1][:200]
            if variation.python == sys.executable:
                raise SimulationError(f"{variation.name}: {why}")
            outcomes.append(Outcome(variation.name, "", left_out=why))
            continue
        said = json.loads(out)
        pairs = enumerate(zip(known, said["digests"], strict=True), first)
        different = tuple(seed for seed, (ours, theirs) in pairs if ours != theirs)
        outcomes.append(Outcome(variation.name, said["libraries"], count, different))
    return outcomes


def main(arguments: Sequence[str]) -> None:
    """One process: its libraries, and a digest a case, as one line of JSON."""
    first, count = map(int, arguments[:2])
    if "--erring" in arguments:
        let_libraries_err()
    on = " ".join(name for name in numpy_features())
    libraries = (
        f"Python {sys.version.split()[0]}, numpy {np.__version__}, scipy {scipy.__version__}; {on or 'baseline'}"
    )
    found = digests(range(first, first + count), shuffled="--shuffled" in arguments)
    print(json.dumps({"libraries": libraries, "digests": found}))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main(sys.argv[1:])
