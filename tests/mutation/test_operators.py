"""Each operator on a few lines: the edits that it makes, and no others."""

import re

import pytest

from plimsoll.chain.artifacts import ROOT
from tests.mutation.operators import Tables, mutants_of, tables
from tests.mutation.source import Source, SourceError, as_python
from tests.mutation.targets import CONTRACTS, TWINS
from tests.mutation.twin import SPEC

HEAD = "# pragma version 0.4.3\nLIMIT: constant(uint256) = 7\nTOP: constant(uint256) = max_value(uint256)\n\n"
KNOWN = Tables(
    {"sample": {"LIMIT": "+", "TOP": "-"}, "fixed": {"WAD": "+"}},
    {"sample": {"_two": ("uint256", "uint256", "address")}, "fixed": {"_mul_div_up": ("uint256",) * 3}},
    {"transferFrom": ("address", "address", "uint256")},
)


def edits(body, *, operator=None):
    """Operator and edit of each mutant of a function with this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    source = Source.of("contracts/sample.vy", f"{HEAD}@internal\ndef _f():\n{lines}\n")
    found = [(m.operator, " ".join(m.before.split()), m.after) for m in mutants_of(source, KNOWN)]
    return [item[1:] for item in found if item[0] == operator] if operator else found


@pytest.mark.parametrize(
    ("sign", "turned", "operator"),
    [
        ("<", "<=", "boundary"),
        ("<=", "<", "boundary"),
        (">", ">=", "boundary"),
        (">=", ">", "boundary"),
        ("==", "!=", "comparison"),
        ("!=", "==", "comparison"),
        ("in", "not in", "comparison"),
    ],
)
def test_comparisons(sign, turned, operator):
    assert edits(f"return a {sign} b") == [(operator, f"a {sign} b", f"a {turned} b")]


@pytest.mark.parametrize(("sign", "turned"), [("+", "-"), ("-", "+"), ("*", "//"), ("//", "*"), ("%", "//")])
def test_arithmetic(sign, turned):
    assert edits(f"return (a {sign} b)") == [("arithmetic", f"a {sign} b", f"a {turned} b")]


@pytest.mark.parametrize(("sign", "turned"), [("&", "|"), ("|", "&"), ("<<", ">>"), (">>", "<<")])
def test_bits_within_brackets(sign, turned):
    assert ("bits", f"(a + b) {sign} (c)", f"(a + b) {turned} (c)") in edits(f"return (a + b) {sign} (c)")


@pytest.mark.parametrize(
    ("call", "turned"),
    [
        ("fixed._mul_div_up(a, b, c)", "fixed._mul_div_down(a, b, c)"),
        ("fixed._mul_div_down(a, b, c)", "fixed._mul_div_up(a, b, c)"),
        ("fixed._div_floor(a, b)", "fixed._div_ceil(a, b)"),
        ("fixed._div_ceil(a, b)", "fixed._div_floor(a, b)"),
        ("fixed._div_truncate(a, b)", "fixed._div_floor(a, b)"),
        ("fixed._div_up(a, b)", "((a) // (b))"),
    ],
)
def test_roundings(call, turned):
    assert edits(f"return {call}", operator="rounding") == [(call, turned)]


def test_numbers_and_named_constants_move_by_one_where_they_can():
    assert edits("return 9") == [("constant", "9", "10")]
    assert edits("return LIMIT") == [("constant", "LIMIT", "(LIMIT + 1)")]
    assert edits("return TOP") == [("constant", "TOP", "(TOP - 1)")]
    assert edits("return fixed.WAD") == [("constant", "fixed.WAD", "(fixed.WAD + 1)")]
    assert edits("return 2**8 - 1") == [("constant", "2**8 - 1", "(2**8 - 1 + 1)")]
    assert edits("return True") == [("constant", "True", "False")]
    assert edits("return 0x00000000000000000000000000000000000000AA") == []
    assert edits("for i: uint256 in range(9):\n    pass") == []  # the compiler wants to know the bound
    assert edits("return empty(uint256[7])") == []


def test_guards():
    assert edits('assert ok, "sample: no"') == [("guard", "ok", "True")]
    assert edits("if ok:\n    return") == [("guard", "ok", "False")]
    assert edits("return a if ok else b") == [("guard", "ok", "False")]


def test_calls_assignments_and_events_left_out():
    assert edits("self._check(a)") == [("call", "self._check(a)", "")]
    assert edits("extcall TOKEN.burn(a)") == [("call", "extcall TOKEN.burn(a)", "")]
    assert edits("log Moved(a=a)") == [("event", "log Moved(a=a)", "")]
    assert edits("self.x = a") == [("assign", "self.x = a", "")]
    assert edits("self.x += a") == [("assign", "self.x += a", ""), ("arithmetic", "self.x += a", "self.x -= a")]
    assert edits("book.__init__(a, b)") == []  # a module's constructor runs, or nothing compiles
    assert edits("break") == [("call", "break", "")]


def test_neighbouring_arguments_of_one_type_are_swapped():
    assert edits("return self._two(a, b, c)", operator="swap") == [("self._two(a, b, c)", "self._two(b, a, c)")]
    assert edits("return self._two(a, a, c)", operator="swap") == []
    # a product's factors may stand either way
    assert edits("return fixed._mul_div_up(a, b, c)", operator="swap") == [
        ("fixed._mul_div_up(a, b, c)", "fixed._mul_div_up(a, c, b)")
    ]
    assert edits("extcall TOKEN.transferFrom(a, b, c)", operator="swap") == [
        ("extcall TOKEN.transferFrom(a, b, c)", "extcall TOKEN.transferFrom(b, a, c)")
    ]


def test_logic():
    assert edits("return a and b") == [("logic", "a and b", "a or b")]
    assert edits("return a or b or c") == [
        ("logic", "a or b or c", "(a) and (b or c)"),
        ("logic", "a or b or c", "(a or b) and (c)"),
    ]
    assert edits("return not a") == [("logic", "not a", "(a)")]
    assert edits("return -a") == [("logic", "-a", "(a)")]
    assert edits("return min(a, b)") == [("logic", "min(a, b)", "max(a, b)")]


def test_the_lock_is_taken_from_what_changes_state():
    text = "# pragma nonreentrancy on\n@external\ndef f():\n    pass\n\n@external\n@view\ndef g():\n    pass\n"
    [lock] = mutants_of(Source.of("contracts/sample.vy", text), KNOWN)
    assert (lock.operator, lock.function, lock.alone) == ("lock", "f", True)
    assert "@external\n@reentrant\ndef f()" in lock.applied(text)


def test_a_name_stays_while_other_code_moves():
    body = "@internal\ndef _f():\n    return a < b\n"
    [before] = mutants_of(Source.of("contracts/sample.vy", HEAD + body), KNOWN)
    [_, after] = mutants_of(
        Source.of("contracts/sample.vy", f"{HEAD}@internal\ndef _e():\n    return 1\n{body}"), KNOWN
    )
    assert before.line != after.line
    assert before.id == after.id


def test_equal_edits_of_one_function_have_names_of_their_own():
    source = Source.of("contracts/sample.vy", f"{HEAD}@internal\ndef _f():\n    x = a < b\n    y = a < b\n")
    found = [mutant.id for mutant in mutants_of(source, KNOWN)]
    assert len(found) == 4 == len(set(found))


def test_every_contract_is_read_and_every_edit_is_where_it_says():
    known, seen = tables(ROOT), set()
    files = {path for target in CONTRACTS for path in target.files}
    for path in sorted(files):
        source = Source.load(ROOT, path)
        for mutant in mutants_of(source, known):
            assert mutant.before == source.text[mutant.start : mutant.end]
            assert mutant.before != mutant.after
            assert mutant.id not in seen
            seen.add(mutant.id)
    contracts = {path.relative_to(ROOT).as_posix() for path in (ROOT / "contracts").glob("*.vy")}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "contracts/modules").glob("*.vy")}
    assert contracts | modules == files | {"contracts/modules/rights.vy"}  # named constants alone
    assert len(seen) > 5_000


def test_every_file_of_the_twin_that_has_a_function_is_mutated():
    files = {path for target in TWINS for path in target.files}
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / SPEC).glob("*.py")}
    bare = {path for path in there if not re.search(r"^ *def ", (ROOT / path).read_text(), re.MULTILINE)}
    assert files == there - bare


def test_python_sees_every_character_where_it_is():
    text = 'struct A:\n    x: uint256\n\ndef f():\n    for i: uint256 in xs:\n        y: bool = staticcall B.c(x"00")\n'
    turned = as_python(text)
    assert len(turned) == len(text)
    assert turned.index("B.c") == text.index("B.c")
    assert turned.index("in xs") == text.index("in xs")


def test_what_cannot_be_read_is_named():
    with pytest.raises(SourceError, match="outside ASCII"):
        Source.of("contracts/x.vy", "# é\n")
    with pytest.raises(SourceError, match=r"x\.vy does not parse"):
        Source.of("contracts/x.vy", "def f(:\n")


def test_a_value_that_nothing_reads_is_left_alone():
    """Vyper wants variables declared before a tuple is taken apart."""
    source = """
@internal
def f() -> uint256:
    a: uint256 = 7
    b: uint256 = 7
    a, b = self._two()
    c: uint256 = 8
    d: uint256 = c
    c, d = self._two()
    e: uint256 = 9
    e, d = self._other(e)
    return a + e
"""
    found = mutants_of(Source.of("contracts/A.vy", source), Tables({}, {}, {}))
    assert {mutant.before for mutant in found if mutant.operator == "constant"} == {"8", "9"}
