"""Mutants of the twin: read out of what mutmut writes, picked one at a time, judged by the server."""

import sys
import types

import pytest

from plimsoll.chain.artifacts import ROOT
from tests.mutation import picked, twin
from tests.mutation.twin import HELPERS, MUTMUTS, OURS, SPEC, Made, mutants_of, planned, prepare
from tests.mutation.workspace import WorkspaceError, serving

SOURCE = '''"""A sample."""

LIMIT = 3


def half(x: int, up: bool = False) -> int:
    """Half of it."""
    return (x + up) // 2


class Tank:
    """Holds something."""

    def fill(self, amount: int) -> int:
        """What overflows."""
        if amount > LIMIT:
            return amount - LIMIT
        return 0
'''
# what mutmut writes of it, two mutants of each function
CODE = (
    '"""A sample."""\n\nLIMIT = 3\n\n\n'
    + MUTMUTS
    + '''mutants_x_half__mutmut: MutantDict = {}  # type: ignore


@_mutmut_mutated(mutants_x_half__mutmut)
def half(x: int, up: bool = False) -> int:
    """Half of it."""
    return (x + up) // 2


def x_half__mutmut_orig(x: int, up: bool = False) -> int:
    """Half of it."""
    return (x + up) // 2


def x_half__mutmut_1(x: int, up: bool = True) -> int:
    """Half of it."""
    return (x + up) // 2


def x_half__mutmut_2(x: int, up: bool = False) -> int:
    """Half of it."""
    return (x - up) // 2

mutants_x_half__mutmut['_mutmut_orig'] = x_half__mutmut_orig
mutants_x_half__mutmut['x_half__mutmut_1'] = x_half__mutmut_1
mutants_x_half__mutmut['x_half__mutmut_2'] = x_half__mutmut_2
mutants_xǁTankǁfill__mutmut: MutantDict = {}  # type: ignore


class Tank:
    """Holds something."""

    @_mutmut_mutated(mutants_xǁTankǁfill__mutmut)
    def fill(self, amount: int) -> int:
        """What overflows."""
        if amount > LIMIT:
            return amount - LIMIT
        return 0

    def xǁTankǁfill__mutmut_orig(self, amount: int) -> int:
        """What overflows."""
        if amount > LIMIT:
            return amount - LIMIT
        return 0

    def xǁTankǁfill__mutmut_1(self, amount: int) -> int:
        """What overflows."""
        if amount >= LIMIT:
            return amount - LIMIT
        return 0

    def xǁTankǁfill__mutmut_2(self, amount: int) -> int:
        """What overflows."""
        if amount > LIMIT:
            return amount - LIMIT
        return 1

mutants_xǁTankǁfill__mutmut['_mutmut_orig'] = Tank.xǁTankǁfill__mutmut_orig
mutants_xǁTankǁfill__mutmut['xǁTankǁfill__mutmut_1'] = Tank.xǁTankǁfill__mutmut_1
mutants_xǁTankǁfill__mutmut['xǁTankǁfill__mutmut_2'] = Tank.xǁTankǁfill__mutmut_2
'''
)
PATH = f"{SPEC}sample.py"
NAMES = ["x_half__mutmut_1", "x_half__mutmut_2", "xǁTankǁfill__mutmut_1", "xǁTankǁfill__mutmut_2"]


def spans():
    """Where each generated function lies in the code, the blank lines before it with it."""
    lines = CODE.splitlines()
    found = {}
    for name in [*NAMES, "x_half__mutmut_orig", "xǁTankǁfill__mutmut_orig"]:
        first = next(k for k, line in enumerate(lines, 1) if f"def {name}(" in line)
        last = first
        while last < len(lines) and (lines[last].startswith((" " * 8, " " * 4 + "return", " " * 4 + '"'))):
            last += 1
        found[name] = (first - 1, last)
    return found


@pytest.fixture
def sample(monkeypatch):
    """The made module, imported, and its mutants."""
    mutants = twin._mutants(PATH, SOURCE, Made(CODE, NAMES, spans()))
    module = types.ModuleType("plimsoll.spec.sample")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(picked, "tables", {})
    monkeypatch.setattr(picked, "called", None)
    exec(compile(CODE.replace(MUTMUTS, OURS), PATH, "exec"), vars(module))  # noqa: S102
    return module, mutants


def test_a_mutant_is_an_edit_of_the_source():
    mutants = twin._mutants(PATH, SOURCE, Made(CODE, NAMES, spans()))
    assert [mutant.id for mutant in mutants] == [
        "sample.half#1",
        "sample.half#2",
        "sample.Tank.fill#1",
        "sample.Tank.fill#2",
    ]
    assert [mutant.line for mutant in mutants] == [6, 8, 16, 18]
    assert mutants[1].edit == "return (x + up) // 2 -> return (x - up) // 2"
    for mutant, (old, new) in zip(
        mutants,
        [("= False", "= True"), ("x + up", "x - up"), ("> LIMIT", ">= LIMIT"), ("return 0", "return 1")],
        strict=True,
    ):
        assert mutant.applied(SOURCE) == SOURCE.replace(old, new)


@pytest.mark.parametrize("instead", ["strict=False", "strict=None", ""])
def test_the_strictness_of_a_zip_is_no_mutant(instead):
    def turned(text):
        return text.replace("(x + up) // 2", "[a for a, b in zip(x, up, strict=True)]")

    code = turned(CODE).replace("return (x - up) // 2", f"return [a for a, b in zip(x, up, {instead})]")
    mutants = twin._mutants(PATH, turned(SOURCE), Made(code, NAMES, spans()))
    assert [mutant.id for mutant in mutants] == ["sample.half#1", "sample.Tank.fill#1", "sample.Tank.fill#2"]


def test_one_mutant_is_real_and_the_others_are_not(sample):
    module, mutants = sample
    number = {mutant.id: k for k, mutant in enumerate(mutants, 1)}
    switch = picked.Picked([{"number": number[m.id], **planned(m)} for m in mutants])

    def said():
        return module.half(3), module.half(3, up=True), module.Tank().fill(3), module.Tank().fill(2)

    assert said() == (1, 2, 0, 0)
    switch.turn(number["sample.Tank.fill#2"])
    assert said() == (1, 2, 1, 1)
    switch.turn(number["sample.half#2"])
    assert said() == (1, 1, 1, 1)  # a process turns to one; a second only adds


def test_what_is_called_names_the_mutants_that_a_test_reaches(sample):
    module, mutants = sample
    switch = picked.Picked([{"number": k, **planned(m)} for k, m in enumerate(mutants, 1)])
    module.half(1)
    switch.trace()
    assert switch.passed == {"": set()}
    module.Tank().fill(1)
    assert switch.passed == {"": {3, 4}}
    module.half(1)
    assert switch.passed == {"": {1, 2, 3, 4}}


def test_without_mutmut_the_error_says_what_to_do(tmp_path):
    (tmp_path / SPEC).mkdir(parents=True)
    (tmp_path / PATH).write_text(SOURCE)
    with pytest.raises(WorkspaceError, match=r"make \.venv-mutmut/\.installed"):
        mutants_of(tmp_path, [PATH])


def verdicts(space, mutants, *tests):
    """How each mutant ended."""
    plan = {
        "tests": list(tests),
        "jobs": 2,
        "twin": True,
        "mutants": [
            {"id": mutant.id, "number": space.number[mutant.id], "function": mutant.function} | planned(mutant)
            for mutant in mutants
        ],
    }
    with serving(space.folder, plan) as lines:
        return {line["mutant"]: line["how"] for line in lines if "mutant" in line}


@pytest.mark.long
def test_a_file_of_the_twin_from_end_to_end(tmp_path):
    """mutmut makes its mutants, a sharp test kills all that are no others' equals."""
    path = f"{SPEC}wad.py"
    mutants = [mutant for mutant in mutants_of(ROOT, [path])[path] if mutant.function in {"div_up", "div_floor"}]
    assert any("mul_div_up" in mutant.after for mutant in mutants_of(ROOT, [f"{SPEC}fund.py"])[f"{SPEC}fund.py"])
    space = prepare(ROOT, tmp_path / "copy", mutants)
    assert HELPERS not in (space.folder / path).read_text()
    found = verdicts(space, mutants, "tests/unit/spec/test_wad.py")
    assert found == {mutant.id: "test" for mutant in mutants}


AT_THE_END = """import pytest
from plimsoll.spec.wad import div_up

@pytest.fixture
def upward():
    yield
    assert (div_up(7, 2), div_up(8, 2), div_up(-7, 2)) == (4, 4, -3)

def test_nothing_itself(upward):
    pass
"""


@pytest.mark.long
def test_what_a_fixture_notices_in_the_end_kills(tmp_path):
    """Be the test the last that is run, or the only one."""
    path = f"{SPEC}wad.py"
    mutants = [mutant for mutant in mutants_of(ROOT, [path])[path] if mutant.function == "div_up"]
    space = prepare(ROOT, tmp_path / "copy", mutants)
    (space.folder / "tests/unit/spec/test_at_the_end.py").write_text(AT_THE_END)
    assert set(verdicts(space, mutants, "tests/unit/spec/test_at_the_end.py").values()) == {"test"}
