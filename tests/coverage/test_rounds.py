"""Which loops are known to have a round: what the text declares decides, and where it is not sure a loop counts."""

import pytest

from tests.coverage import report
from tests.coverage.points import LOOP, points_of
from tests.coverage.rounds import sure_of

SOURCE = """# pragma version 0.4.3
N: constant(uint256) = 3
FIXED: constant(uint256[2]) = [1, 2]
kept: uint256[N]
grown: DynArray[uint256, N]


@internal
@view
def _all(given: uint256[N], listed: DynArray[uint256, N], deep: DynArray[uint256, N][2]) -> uint256:
    own: uint256[2] = [3, 4]
    copy: DynArray[uint256, N] = self.grown
    total: uint256 = 0
    {loop}
        total += 1
    return total
"""
HEAD = "for x: {} in {}:"


def places(tmp_path, loop, template=SOURCE):
    path = tmp_path / "contracts" / "Toy.vy"
    path.parent.mkdir(exist_ok=True)
    path.write_text(template.format(loop=loop))
    return path, {(p.line, p.column) for p in points_of(path, "Toy.vy") if p.kind == LOOP}


@pytest.mark.parametrize(
    "loop",
    [
        HEAD.format("uint256", "given"),
        HEAD.format("uint256", "own"),
        HEAD.format("uint256", "FIXED"),
        HEAD.format("uint256", "self.kept"),
        HEAD.format("DynArray[uint256, N]", "deep"),
    ],
)
def test_over_an_array_of_fixed_length_there_is_a_round(tmp_path, loop):
    path, loops = places(tmp_path, loop)
    assert len(loops) == 1
    assert sure_of(path) == loops
    (unit,) = report.vyper_units(set(), tmp_path)
    assert unit.branches == 0


@pytest.mark.parametrize(
    "loop",
    [
        HEAD.format("uint256", "listed"),
        HEAD.format("uint256", "copy"),
        HEAD.format("uint256", "self.grown"),
        HEAD.format("uint256", "deep[0]"),
        HEAD.format("uint256", "self._listed()"),
        HEAD.format("uint256", "range(len(listed), bound=N)"),
    ],
)
def test_over_anything_else_there_may_be_none(tmp_path, loop):
    path, loops = places(tmp_path, loop)
    assert len(loops) == 1
    assert sure_of(path) == set()
    (unit,) = report.vyper_units(set(), tmp_path)
    assert unit.branches == 2


def test_a_name_of_two_types_is_not_known(tmp_path):
    """Two blocks of a function may each declare a name; which one a loop means is not sought."""
    template = SOURCE.replace(
        "    {loop}\n",
        "    if total == 0:\n        two: uint256[2] = [1, 2]\n        total += two[0]\n"
        "    else:\n        two: DynArray[uint256, 2] = []\n        total += len(two)\n    {loop}\n",
    )
    path, loops = places(tmp_path, HEAD.format("uint256", "two"), template)
    assert len(loops) == 1
    assert sure_of(path) == set()


def test_the_item_of_an_outer_loop_is_not_known(tmp_path):
    path, loops = places(tmp_path, "for own2: uint256[2] in [own]:\n      for x: uint256 in own2:")
    assert len(loops) == 1  # of the list that is written out the number of rounds is fixed
    assert sure_of(path) == set()


def test_what_is_known_of_our_own():
    found = {
        (path.stem, path.read_text(encoding="utf-8").splitlines()[line - 1].strip())
        for path in report.files_of()
        for line, _ in sure_of(path)
    }
    assert found == {
        ("IndexFeed", "for word: uint256 in route:"),
        ("settlement_price", "for price: uint256 in seen:"),
    }
