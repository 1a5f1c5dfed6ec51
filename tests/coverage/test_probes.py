"""The probes tell the truth: a contract whose covered lines and branches are known by heart."""

import shutil

import pytest

from plimsoll.chain.artifacts import compile_one
from plimsoll.chain.contract import deploy
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.spec.errors import Refused
from tests.coverage import probes, report
from tests.coverage.points import LINE, points_of
from tests.isolation import _function_isolation

__all__ = ["_function_isolation"]

SENDER = "0x" + "11" * 20
PART = """# pragma version 0.4.3

@internal
@pure
def _half(x: uint256) -> uint256:
    assert x % 2 == 0, "odd"
    return x // 2


@internal
@pure
def _unused(x: uint256) -> uint256:
    return x
"""
TOY = """# pragma version 0.4.3
from modules import part

seen: uint256


@external
def pick(x: uint256, y: uint256, late: bool) -> uint256:
    if x > 10 and y > 10:
        return 1
    elif x == 0 or (y == 0 and not late):
        self.seen = 2 if late else 3
        return self.seen
    for k: uint256 in range(x, bound=4):
        if k == 2:
            break
        self.seen += k
    return part._half(x)


@external
@view
def total(numbers: DynArray[uint256, 3]) -> uint256:
    found: uint256 = 0
    for n: uint256 in numbers:
        found += n
    for k: uint256 in range(2):
        found += k
    return found
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    (root / "contracts" / "modules").mkdir(parents=True)
    (root / "contracts" / "Toy.vy").write_text(TOY)
    (root / "contracts" / "modules" / "part.vy").write_text(PART)
    return root


@pytest.fixture(scope="module")
def compiled(tree):
    def name_of(module):
        return module.resolved_path.removeprefix(f"{tree}/") if module.resolved_path.startswith(str(tree)) else None

    with probes.probing(name_of):
        return compile_one(tree / "contracts" / "Toy.vy", tree)


@pytest.fixture
def toy(compiled):
    return deploy(EmbeddedChain(code_limit=probes.CODE_LIMIT), compiled, sender=SENDER)


def missed(toy, tree):
    """What was not reached of both files, and their numbers."""
    units = report.vyper_units(probes.looked_at(toy.chain._evm), tree)
    return {(unit.name, item["line"], item["what"]) for unit in units for item in unit.missed}, {
        unit.name: (unit.lines, unit.covered, unit.branches, unit.taken) for unit in units
    }


def test_nothing_ran(toy, tree):
    found, numbers = missed(toy, tree)
    assert {what for _, _, what in found} == {"never run"}
    assert {line for name, line, _ in found if name == "Toy"} == {
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        18,
        24,
        25,
        26,
        27,
        28,
        29,
    }
    assert numbers == {"Toy": (16, 0, 24, 0), "modules/part": (3, 0, 2, 0)}


def test_what_ran_is_told_to_the_branch(toy, tree):
    toy.transact("pick", 2, 0, True, sender=SENDER)
    assert toy.call("total", [5, 6]) == 12
    found, numbers = missed(toy, tree)
    assert found == {
        ("Toy", 9, "if `x > 10 and y > 10` never true"),
        ("Toy", 9, "operand `x > 10` never true"),
        ("Toy", 9, "operand `y > 10` never false"),  # it was not looked at
        ("Toy", 9, "operand `y > 10` never true"),
        ("Toy", 10, "never run"),
        ("Toy", 11, "if `x == 0 or (y == 0 and not late)` never true"),
        ("Toy", 11, "operand `x == 0` never true"),
        ("Toy", 11, "operand `y == 0 and not late` never true"),
        ("Toy", 11, "operand `y == 0` never false"),
        ("Toy", 11, "operand `not late` never true"),
        ("Toy", 12, "never run"),
        ("Toy", 13, "never run"),
        ("Toy", 14, "loop `for k: uint256 in range(x, bound=4):` never no round"),
        ("Toy", 15, "if `k == 2` never true"),
        ("Toy", 16, "never run"),
        ("Toy", 25, "loop `for n: uint256 in numbers:` never no round"),
        ("modules/part", 6, "assert `x % 2 == 0` never refuses"),
        ("modules/part", 13, "never run"),  # no contract has it
    }
    assert numbers == {"Toy": (16, 12, 24, 10), "modules/part": (3, 2, 2, 1)}


def test_what_reverts_ran_too_and_all_can_be_reached(toy, tree):
    with pytest.raises(Refused, match="odd"):
        toy.transact("pick", 3, 5, True, sender=SENDER)  # breaks at 2
    for x, y, late, wanted in (
        (11, 11, True, 1),
        (11, 0, True, None),
        (0, 1, True, 2),
        (0, 1, False, 3),
        (4, 0, False, 3),
    ):
        if wanted is None:
            with pytest.raises(Refused):  # beyond the bound of the loop
                toy.transact("pick", x, y, late, sender=SENDER)
        else:
            assert toy.decode("pick", toy.transact("pick", x, y, late, sender=SENDER)) == wanted
    assert toy.decode("pick", toy.transact("pick", 2, 1, True, sender=SENDER)) == 1
    assert (toy.call("total", []), toy.call("total", [1])) == (1, 2)
    found, numbers = missed(toy, tree)
    assert found == {
        ("Toy", 14, "loop `for k: uint256 in range(x, bound=4):` never no round"),  # x == 0 returned before
        ("modules/part", 13, "never run"),
    }
    assert numbers == {"Toy": (16, 16, 24, 23), "modules/part": (3, 2, 2, 2)}


def test_a_contract_with_probes_does_what_it_does_without(toy, tree):
    plain = deploy(EmbeddedChain(), compile_one(tree / "contracts" / "Toy.vy", tree), sender=SENDER)
    for x in range(14):
        for y in (0, 5, 11):
            for late in (True, False):
                outcomes = []
                for contract in (toy, plain):
                    try:
                        outcomes.append(contract.decode("pick", contract.transact("pick", x, y, late, sender=SENDER)))
                    except Refused as refused:
                        outcomes.append(str(refused))
                assert outcomes[0] == outcomes[1], (x, y, late)
                assert toy.chain.storage(toy.address, 0) == plain.chain.storage(plain.address, 0)
    assert probes.looked_at(plain.chain._evm) == set()


def test_a_file_of_ours_is_known_by_what_it_says(tmp_path):
    class Module:
        resolved_path = str(tmp_path / "contracts" / "modules" / "fixed.vy")

    shutil.copytree(probes.ROOT / "contracts" / "modules", tmp_path / "contracts" / "modules")
    assert probes.file_of(Module) == "contracts/modules/fixed.vy"
    other = tmp_path / "changed" / "contracts" / "modules" / "fixed.vy"
    other.parent.mkdir(parents=True)
    other.write_text(other.name)
    Module.resolved_path = str(other)
    assert probes.file_of(Module) is None  # a planted fault does not count


def test_numbers_of_all_our_points_differ():
    points = [p for path in report.files_of() for p in points_of(path, path.relative_to(probes.ROOT).as_posix())]
    numbers = [p.number + k for p in points for k in range(max(1, len(p.ways)))]
    assert len(numbers) == len(set(numbers)) > 4_000
    assert sum(p.kind == LINE for p in points) > 3_000


@pytest.mark.parametrize("cut", [0, 1, 4, 9])
def test_an_expression_is_shown_whole(cut):
    line = "    assert staticcall GUARD.check(at)  # why"
    end = line.index(")") + 1
    assert report.whole(line, 11, end - cut) == "staticcall GUARD.check(at)"
    assert report.whole("if x > 10 and y:", 3, 9) == "x > 10"


def test_reasons_are_judged():
    unit = report.Unit("Toy", missed=[{"file": "f", "line": 3, "function": "g", "what": "never run", "source": "x"}])
    fits = {"file": "f", "function": "g", "what": "never run", "source": "x", "why": "nobody can ever get here"}
    assert report.judged([unit], [fits]) == []
    assert [f["kind"] for f in report.judged([unit], [])] == ["uncovered"]
    assert [f["kind"] for f in report.judged([], [fits])] == ["stale reason"]
    assert [f["kind"] for f in report.judged([unit], [{**fits, "why": "dead"}])] == ["reason without a why"]
    assert [f["kind"] for f in report.judged([unit], [{**fits, "source": "y"}])] == ["uncovered", "stale reason"]


def test_every_reason_is_of_a_line_that_there_is():
    for reason in report.reasons_of():
        path = probes.ROOT / reason["file"]
        source = path.read_text(encoding="utf-8").splitlines()
        lines = {p.line for p in points_of(path, reason["file"]) if p.function == reason["function"]}
        assert reason["source"] in {source[line - 1].strip() for line in lines}, reason
        assert len(reason["why"].split()) >= 4, reason
