"""Equal bytes everywhere: `plimsoll.risk.rounding` says why, this says that it is so.

What varies between machines is varied in processes; what could still go wrong is put back, and is seen to go wrong.
"""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.special

import plimsoll
from plimsoll.market import portable, snapshot
from plimsoll.risk import arrays, black, correlation, models, rounding, scenarios
from plimsoll.simulate.determinism import Variation, compare, digests, draw, erring, reports, variations
from plimsoll.simulate.errors import SimulationError
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, SPOT

CASES = 6  # a variation; `make figures` takes more
MANY = 40

ROOT = Path(plimsoll.__file__).parent
# every module between a snapshot and a report
PATH = (
    "market/observed.py",
    "market/snapshot.py",
    "market/portable.py",
    "risk/arrays.py",
    "risk/black.py",
    "risk/correlation.py",
    "risk/cascade.py",
    "risk/closing.py",
    "risk/engine.py",
    "risk/har.py",
    "risk/learned.py",
    "risk/learned_fhs.py",
    "risk/limits.py",
    "risk/liquidity.py",
    "risk/models.py",
    "risk/premium.py",
    "risk/procyclicality.py",
    "risk/rounding.py",
    "risk/scenarios.py",
    "risk/volatility.py",
    "risk/watch.py",
)
# fits trees and judges fits, once and by one machine; what comes of it enters a report as plain numbers
OFF_LINE = {"risk/learned.py": {"fit", "_fitted", "_exported", "training_error"}}


def test_draws_reach_all_that_a_report_holds():
    cases = [draw(seed) for seed in range(MANY)]
    kinds = {item.kind for case in cases for market in case.first.markets for item in market.listed}
    assert kinds == {PERP, FUTURE, CALL, PUT, SPOT}
    made = [built for case in cases for built in reports(case)]
    assert {f.tail.method for built in made for f in built.forecasts.values()} == {"historical", "student", "normal"}
    assert {surface.scale for built in made for surface in built.surfaces} == {1, 10}
    closings = [f.closing for built in made for f in built.forecasts.values()]
    assert {found.depth.origin for found in closings} == {"measured", "default"}
    assert min(sum(found.thin > 1 for found in closings), sum(found.crowded > 1 for found in closings)) > 5
    assert {np.sign(f.funding) for built in made for f in built.forecasts.values()} == {-1, 0, 1}
    assert len({c.offset for built in made for c in built.classes}) > 5
    assert len(set(digests(range(10)))) == 10


def test_other_threads_instructions_kernels_seeds_orders_libraries_and_interpreters():
    outcomes = compare(CASES)
    ran = {outcome.name: outcome for outcome in outcomes if outcome.left_out is None}
    for outcome in outcomes:
        print(f"{outcome.name}: {outcome.left_out or outcome.libraries}")  # noqa: T201 - pytest shows it where it fails
    assert len(ran) >= 6  # every variation of this interpreter
    if "NPY_DISABLE_CPU_FEATURES" in slowest().environment:
        assert ran[slowest().name].libraries.endswith("; baseline")  # it was really run without
    assert all(outcome.count == CASES for outcome in ran.values())
    assert {name: outcome.different for name, outcome in ran.items() if outcome.different} == {}


def slowest():
    (found,) = (variation for variation in variations() if variation.name.startswith("no instructions"))
    return found


def test_a_difference_is_seen(monkeypatch):
    one = variations()[:1]
    monkeypatch.setattr("plimsoll.simulate.determinism.digests", lambda seeds, **_: ["00" * 32 for _ in seeds])
    (outcome,) = compare(3, chosen=one)
    assert outcome.different == (0, 1, 2)


def test_a_process_that_fails_is_an_error_and_another_interpreter_that_does_is_left_out(tmp_path):
    with pytest.raises(SimulationError, match="nonsense: "):
        compare(1, chosen=[Variation("nonsense", {"NPY_DISABLE_CPU_FEATURES": "SSE"})])
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho no numpy here >&2\nexit 1\n")
    other.chmod(0o755)
    (outcome,) = compare(1, chosen=[Variation("other", {}, python=str(other))])
    assert (outcome.left_out, outcome.count) == ("no numpy here", 0)


# ------------------------------------------------------------------------------------------------- what makes it so


def put_back(monkeypatch, log, exp, normal, power, expm1):
    """Other functions in place of ours, everywhere on the path."""
    for module in (black, arrays, correlation, scenarios, snapshot):
        monkeypatch.setattr(module, "log", log)
    for module in (black, scenarios):
        monkeypatch.setattr(module, "exp", exp)
    monkeypatch.setattr(black, "normal", normal)
    for module in (correlation, models):
        monkeypatch.setattr(module, "power", power)
    monkeypatch.setattr(models, "expm1", expm1)


def libraries(monkeypatch):
    """The libraries' functions, each value off by up to 2 units in the last place: another machine's."""
    put_back(
        monkeypatch,
        *(
            erring(function, seed)
            for seed, function in enumerate((np.log, np.exp, scipy.special.ndtr, math.pow, math.expm1))
        ),
    )


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_with_the_guard_band_even_functions_that_err_change_nothing_and_without_it_they_do(monkeypatch):
    """The one line of defence for those who do not use ours: see it hold, take it away, see it fail."""
    known = digests(range(MANY))
    with monkeypatch.context() as patch:
        libraries(patch)
        assert digests(range(MANY)) == known
    monkeypatch.setattr(rounding, "GUARD", 0.0)
    bare = digests(range(MANY))
    libraries(monkeypatch)
    differ = sum(ours != theirs for ours, theirs in zip(bare, digests(range(MANY)), strict=True))
    assert differ >= 5


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield (owner.id if isinstance(owner, ast.Name) else ""), node.func.attr, node.lineno


# Basic operations, what moves bits or picks elements, and running sums: IEEE 754 fixes them, in numpy's own order.
EXACT_NUMPY = """
    abs add append arange argmax argmin argsort array array_equal asarray broadcast_shapes broadcast_to ceil
    clip concatenate cumprod cumsum diff empty empty_like errstate flatnonzero finfo float64 floor frexp full
    full_like intersect1d isfinite isinf isnan ldexp max maximum min minimum negative partition repeat rint
    searchsorted sign sort split sqrt square stack subtract take tile where zeros zeros_like any all ones
    bincount
"""
EXACT_MATH = frozenset({"sqrt", "fsum", "floor", "ceil", "isfinite"})


@pytest.mark.parametrize("name", PATH)
def test_nothing_on_the_path_asks_a_library_for_what_ieee_does_not_fix(name):
    tree = ast.parse((ROOT / name).read_text())
    off_line = OFF_LINE.get(name, set())
    kept = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name in off_line)]
    assert len(tree.body) - len(kept) == len(off_line)
    tree.body = kept
    for owner, function, line in calls(tree):
        if owner == "np":
            assert function in EXACT_NUMPY.split(), f"{name}:{line} np.{function}"
        elif owner == "math":
            assert function in EXACT_MATH, f"{name}:{line} math.{function}"
        else:
            assert function not in {"dot", "mean", "std", "var", "prod"}, f"{name}:{line} .{function}()"
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            assert not isinstance(node.op, ast.MatMult) or name == "risk/arrays.py", f"{name}:{node.lineno} @"
            if isinstance(node.op, ast.Pow):
                assert not isinstance(node.right, ast.Constant) or isinstance(node.right.value, int)
                text = ast.unparse(node)
                assert text.startswith(("2 ** ", "10 ** ", "EXTREME_UNIT ** ")), f"{name}:{node.lineno} {text}"


# -------------------------------------------------------------------------------------------------------- functions

grid = np.concatenate([np.linspace(-40, 40, 1_001), np.random.default_rng(5).normal(0, 2, 1_000)])


def ulps(found, exact):
    """Largest error in units in the last place against 40 digits."""
    unit = [portable.Decimal(float(np.spacing(abs(float(value))))) for value in exact]
    return max(float(abs(portable.Decimal(float(f)) - e) / u) for f, e, u in zip(found, exact, unit, strict=True))


def test_logarithm_and_exponential_to_the_last_place():
    x = np.concatenate([2.0**grid, 1 + grid / 4_000, [5e-324, 2.3e-308, 1.7e308, 1.0]])
    decimals = [portable.Decimal(float(value)) for value in x]
    logs = portable.log(x)
    assert portable.log(1.0) == 0.0
    assert (
        ulps(logs[x != 1], [portable.DIGITS.ln(value) for value, one in zip(decimals, x, strict=True) if one != 1])
        < 1.6
    )
    powers = np.concatenate([grid, grid * 17])
    assert ulps(portable.exp(powers), [portable.DIGITS.exp(portable.Decimal(float(v))) for v in powers]) < 1.3
    assert portable.exp(0.0) == 1.0
    assert portable.log(0.0) == -np.inf
    assert portable.exp(np.array([-np.inf, -701.0, 710.0, np.inf])).tolist() == [0.0, 0.0, np.inf, np.inf]


def test_the_normal_distribution():
    tails = [portable.normal_tail(portable.Decimal(float(abs(x)))) for x in grid if abs(x) <= 9]
    inside = grid[np.abs(grid) <= 9]
    errors = [abs(portable.Decimal(float(f)) - t) for f, t in zip(portable.normal(-np.abs(inside)), tails, strict=True)]
    assert float(max(errors)) < 1.3e-16
    assert portable.normal(grid) == pytest.approx(scipy.special.ndtr(grid), abs=3e-16)
    assert portable.normal(grid) + portable.normal(-grid) == pytest.approx(np.ones(len(grid)), abs=3e-16)
    assert portable.normal(np.array([-np.inf, -9.1, 0.0, 9.1, np.inf])).tolist() == [0, 0, 0.5, 1, 1]
    assert np.all(np.diff(portable.normal(np.linspace(-9.2, 9.2, 40_001))) >= -1.2e-16)


def test_scalars_are_rounded_correctly():
    assert portable.power(0.94, 1.0) == 0.94
    assert portable.power(0.94, 1 / 24) == pytest.approx(0.94 ** (1 / 24), rel=4e-16)
    assert portable.expm1(1e-12) == pytest.approx(math.expm1(1e-12), rel=4e-16)
    assert portable.expm1(0.0) == 0.0


def test_a_callers_decimal_context_changes_nothing():
    import decimal

    before = digests(range(2)), snapshot.to_wad(12_345.678901234567)
    with decimal.localcontext(decimal.Context(prec=5, rounding=decimal.ROUND_UP)):
        portable._normal_table.cache_clear()
        portable._log_table.cache_clear()
        portable.power.cache_clear()
        assert (digests(range(2)), snapshot.to_wad(12_345.678901234567)) == before


def test_what_lies_within_the_guard_of_a_boundary_counts_as_on_it():
    near = 1e-9
    values = np.array([0.5 - near, 0.5, 0.5 + near, -0.5 + near, 2.5 - near, 0.5 - 1e-5, 0.0, -0.49])
    assert rounding.nearest(values).tolist() == [1, 1, 1, -1, 3, 0, 0, 0]
    assert [rounding.nearest_int(float(v)) for v in values] == [1, 1, 1, -1, 3, 0, 0, 0]
    assert rounding.upward(np.array([20 - near, 20, 20 + near, 20 + 1e-5])).tolist() == [20, 20, 20, 21]
    assert [rounding.downward_int(v) for v in (29 - near, 29.0, 29 + near, 29 - 1e-5)] == [29, 29, 29, 28]
    assert rounding.downward_int(0.29 * 100) == 29  # 28.999999999999996
    assert [rounding.decimal_down(v, 6) for v in (0.29, 1_000.0, 1e-7, 123_456_789.123456)] == [
        290_000,
        10**9,
        0,
        123_456_789_123_456,
    ]
