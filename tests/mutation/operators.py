"""The edits: what a slip of the hand could make of a contract.

========== ==========================================================================================
rounding   a helper that rounds up turned down, floor turned ceiling, and the like
boundary   a comparison takes in its bound, or no longer does
comparison equal turned unequal, a membership turned
guard      a check left out: an assert, a condition that never holds
call       a statement left out that calls something for what it does: checks, hooks, transfers, bookings
assign     an assignment left out, `+=` turned `-=`
arithmetic + for -, * for //, and the other way round
bits       & for |, << for >>, and the other way round
constant   a number, or a named constant where it is used, one larger; True for False
swap       two neighbouring arguments of the same type, swapped
logic      `and` for `or`, a `not` or a sign left out, min for max
event      a log left out
lock       the lock against reentrancy taken from one function
========== ==========================================================================================

What changes nothing for certain is left out: the first value of a variable that is declared for a tuple's sake.

A mutant's name is made of its file, function, operator, edit and its turn among equal ones in that function: it stays
the same while other code moves.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.mutation.source import Source

COMPARISONS: Final = {
    ast.Lt: ("<", "<=", "boundary"),
    ast.LtE: ("<=", "<", "boundary"),
    ast.Gt: (">", ">=", "boundary"),
    ast.GtE: (">=", ">", "boundary"),
    ast.Eq: ("==", "!=", "comparison"),
    ast.NotEq: ("!=", "==", "comparison"),
    ast.In: ("in", "not in", "comparison"),
    ast.NotIn: ("not in", "in", "comparison"),
}
BINARY: Final = {
    ast.Add: ("+", "-", "arithmetic"),
    ast.Sub: ("-", "+", "arithmetic"),
    ast.Mult: ("*", "//", "arithmetic"),
    ast.FloorDiv: ("//", "*", "arithmetic"),
    ast.Mod: ("%", "//", "arithmetic"),
    ast.BitAnd: ("&", "|", "bits"),
    ast.BitOr: ("|", "&", "bits"),
    ast.LShift: ("<<", ">>", "bits"),
    ast.RShift: (">>", "<<", "bits"),
}
ROUNDING: Final = {
    "_mul_div_down": "_mul_div_up",
    "_mul_div_up": "_mul_div_down",
    "_div_floor": "_div_ceil",
    "_div_ceil": "_div_floor",
    "_div_truncate": "_div_floor",
}
UNSAFE: Final = {"unsafe_add": "unsafe_sub", "unsafe_sub": "unsafe_add", "unsafe_mul": "unsafe_div"}
LITERAL_ONLY: Final = {  # arguments that the compiler wants to know: types and sizes
    "empty",
    "max_value",
    "min_value",
    "method_id",
    "slice",
    "raw_call",
    "raw_create",
    "create_copy_of",
    "abi_decode",
    "_abi_decode",
    "range",
}
ERC20: Final = {
    "transfer": ("address", "uint256"),
    "transferFrom": ("address", "address", "uint256"),
    "approve": ("address", "uint256"),
}
_CONSTANT: Final = re.compile(r"^[A-Z][A-Z0-9_]*$")
_TYPE: Final = re.compile(r"^u?int\d+$")


@dataclass(frozen=True)
class Mutant:
    """One edit of one file."""

    id: str
    path: str
    function: str
    operator: str
    line: int
    start: int = field(repr=False)
    end: int = field(repr=False)
    before: str
    after: str
    whole: bool = field(default=False, repr=False)  # the edit replaces a statement, not an expression
    alone: bool = field(default=False, repr=False)  # the switch cannot carry it: it is compiled by itself

    def applied(self, text: str) -> str:
        """The file with this edit made."""
        return text[: self.start] + (self.after or "pass") + text[self.end :]

    @property
    def edit(self) -> str:
        """What it does, on one line."""
        return f"{_flat(self.before)} -> {_flat(self.after) or 'nothing'}"


def _flat(text: str, most: int = 110) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 3]}..."


@dataclass(frozen=True)
class Tables:
    """What the files say about each other: named constants, types of arguments."""

    constants: Mapping[str, Mapping[str, str]]  # by module, name: the sign by which a number can move
    arguments: Mapping[str, Mapping[str, tuple[str, ...]]]  # by module or interface, function: types
    anywhere: Mapping[str, tuple[str, ...]]  # functions of interfaces by name alone


def tables(root: Path) -> Tables:
    """Read all contracts, modules and interfaces under a root."""
    constants: dict[str, dict[str, str]] = {}
    arguments: dict[str, dict[str, tuple[str, ...]]] = {}
    declared: dict[str, set[tuple[str, ...]]] = {name: {types} for name, types in ERC20.items()}
    for path in sorted((root / "contracts").rglob("*.vy*")):
        source = Source.load(root, path.relative_to(root).as_posix())
        constants[path.stem] = {
            node.target.id: sign
            for node in source.tree.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and (sign := _moves(node))
        }
        own = {node.name: _types(node) for node in source.functions()}
        arguments[path.stem] = own
        inner = [item for node in source.tree.body if isinstance(node, ast.ClassDef) for item in node.body]
        told = {item.name: _types(item) for item in inner if isinstance(item, ast.FunctionDef)}
        for name, types in [*told.items(), *(own.items() if path.suffix == ".vyi" else ())]:
            declared.setdefault(name, set()).add(types)
    # of two functions of one name, a call by name alone does not tell which is meant
    return Tables(
        constants, arguments, {name: next(iter(found)) for name, found in declared.items() if len(found) == 1}
    )


def _moves(node: ast.AnnAssign) -> str:
    """Which way a named constant can be moved by one: `+`, or `-` where it is the largest of its type."""
    match node.annotation:
        case ast.Call(func=ast.Name(id="constant"), args=[ast.Name(id=kind)]) if _TYPE.match(kind):
            bits = int(re.sub(r"\D", "", kind))
            most = 2 ** (bits if kind.startswith("u") else bits - 1) - 1
            text = ast.unparse(node.value) if node.value else ""
            return "-" if "max_value" in text or text in {str(most), f"2 ** {bits} - 1"} else "+"
        case _:
            return ""


def _types(function: ast.FunctionDef) -> tuple[str, ...]:
    return tuple(ast.unparse(arg.annotation) if arg.annotation else "" for arg in function.args.args)


def mutants_of(source: Source, known: Tables) -> list[Mutant]:
    """Every mutant of a file, in the order of its text."""
    found: list[Mutant] = []
    for function in source.functions():
        seen: Counter[tuple[str, str, str]] = Counter()
        for operator, span, after, whole in sorted(_Walk(source, known, function).all(), key=lambda item: item[1]):
            before = source.text[span[0] : span[1]]
            turn = seen[operator, before, after]
            seen[operator, before, after] += 1
            found.append(_mutant(source, function.name, operator, span, after, turn, whole=whole))
        lock = _lock(source, function)
        if lock is not None:
            found.append(lock)
    return found


def _mutant(
    source: Source,
    function: str,
    operator: str,
    span: tuple[int, int],
    after: str,
    turn: int,
    *,
    whole: bool = False,
    alone: bool = False,
) -> Mutant:
    before = source.text[span[0] : span[1]]
    said = "\0".join([source.path, function, operator, " ".join(before.split()), " ".join(after.split()), str(turn)])
    name = hashlib.blake2b(said.encode(), digest_size=5).hexdigest()
    return Mutant(name, source.path, function, operator, source.line(span[0]), *span, before, after, whole, alone)


def _lock(source: Source, function: ast.FunctionDef) -> Mutant | None:
    """Reentrancy let into an external function of a file whose functions are all locked."""
    marks = {source.cut(mark): mark for mark in function.decorator_list}
    if "external" not in marks or "reentrant" in marks or "view" in marks or "pure" in marks:
        return None
    if "# pragma nonreentrancy on" not in source.text:
        return None
    start, end = source.span(marks["external"])
    return _mutant(source, function.name, "lock", (start, end), "external\n@reentrant", 0, alone=True)


def _is_only_declared(node: ast.stmt, following: Sequence[ast.stmt]) -> bool:
    """Whether a variable is declared for the tuple that it is then assigned in: its first value is never read."""
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
        return False
    name = node.target.id
    for after in following:
        if name in {part.id for part in ast.walk(after) if isinstance(part, ast.Name)}:
            match after:
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                    read = {part.id for part in ast.walk(value) if isinstance(part, ast.Name)}
                    return name in {part.id for part in targets if isinstance(part, ast.Name)} - read
            return False
        if not isinstance(after, ast.AnnAssign):
            return False
    return False


Found = tuple[str, tuple[int, int], str, bool]  # operator, place, replacement, a whole statement


class _Walk:
    """One function's mutants."""

    def __init__(self, source: Source, known: Tables, function: ast.FunctionDef) -> None:
        self.source = source
        self.known = known
        self.function = function
        self.here = Path(source.path).stem

    def all(self) -> Iterator[Found]:
        """What can be edited, function's docstring left out."""
        yield from self._block(self.function.body)

    def _block(self, body: Sequence[ast.stmt]) -> Iterator[Found]:
        for place, node in enumerate(body):
            if not _is_only_declared(node, body[place + 1 :]):
                yield from self._statement(node)

    def _statement(self, node: ast.stmt) -> Iterator[Found]:
        span, cut = self.source.span(node), self.source.cut
        match node:
            case ast.Assert():
                test = self.source.span(node.test)
                yield "guard", test, "True", False
                yield from self._expression(node.test)
            case ast.If():
                yield "guard", self.source.span(node.test), "False", False
                yield from self._expression(node.test)
                yield from self._block(node.body)
                yield from self._block(node.orelse)
            case ast.For():
                yield from self._expression(node.iter)
                yield from self._block(node.body)
            case ast.Expr(value=ast.Constant()):
                return
            case ast.Expr():
                if cut(node.value).partition("(")[0].endswith(".__init__"):  # a module's constructor runs once
                    yield from self._expression(node.value, swap=False)
                    return
                yield "call", span, "", True
                swapped = self._swaps(node.value)
                yield from (("swap", span, text, True) for text in swapped)
                yield from self._expression(node.value, swap=False)
            case ast.Assign(targets=[ast.Name(id="_")]):  # a log, or a value thrown away
                text = cut(node)
                if text.startswith("log"):
                    yield "event", span, "", True
                    yield from self._expression(node.value, swap=False)
            case ast.Assign(targets=[target]):
                yield "assign", span, "", True
                if isinstance(target, ast.Tuple):
                    for text in self._swaps(node.value):
                        start, end = self.source.span(node.value)
                        yield "swap", span, self._within(span, (start, end), text), True
                    yield from self._expression(node.value, swap=False)
                else:
                    yield from self._expression(node.value)
            case ast.AugAssign():
                turned = BINARY.get(type(node.op))
                yield "assign", span, "", True
                if turned is not None:
                    sign, other, operator = turned
                    target_end, value_start = self.source.span(node.target)[1], self.source.span(node.value)[0]
                    between = self.source.text[target_end:value_start]
                    after = (
                        cut(node.target)
                        + between.replace(f"{sign}=", f"{other}=")
                        + self.source.text[value_start : span[1]]
                    )
                    if after != cut(node):
                        yield operator, span, after, True
                yield from self._expression(node.value)
            case ast.AnnAssign(value=ast.expr() as value):
                yield from self._expression(value)
            case ast.Return(value=ast.Tuple(elts=parts)):
                for part in parts:
                    yield from self._expression(part)
            case ast.Return(value=ast.expr() as value):
                yield from self._expression(value)
            case ast.Break() | ast.Continue():
                yield "call", span, "", True
            case _:
                return

    def _within(self, outer: tuple[int, int], inner: tuple[int, int], text: str) -> str:
        return self.source.text[outer[0] : inner[0]] + text + self.source.text[inner[1] : outer[1]]

    # --------------------------------------------------------------------------------------------------- expressions

    def _expression(self, node: ast.expr, *, swap: bool = True) -> Iterator[Found]:
        span, cut = self.source.span(node), self.source.cut
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                sign, other, operator = COMPARISONS[type(op)]
                yield operator, span, self._between(node, left, right, (sign, other)), False
                yield from self._expression(left)
                yield from self._expression(right)
            case ast.BinOp(left=left, op=op, right=right):
                if isinstance(op, ast.Pow) or self._is_fixed(node):
                    if self._is_fixed(node):
                        yield "constant", span, f"({cut(node)} + 1)", False
                    return
                turned = BINARY.get(type(op))
                if turned is not None:
                    sign, other, operator = turned
                    yield operator, span, self._between(node, left, right, (sign, other)), False
                yield from self._expression(left)
                yield from self._expression(right)
            case ast.BoolOp(op=op, values=values):
                sign, other = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
                for left, right in itertools.pairwise(values):
                    place = self.source.span(left)[1], self.source.span(right)[0]
                    text = self.source.text[place[0] : place[1]].replace(sign, other)
                    # all of the other terms in brackets, or `and` would bind them anew
                    head = self.source.text[span[0] : place[0]]
                    tail = self.source.text[place[1] : span[1]]
                    yield "logic", span, f"({head}){text}({tail})" if len(values) > 2 else head + text + tail, False
                for value in values:
                    yield from self._expression(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield "logic", span, f"({cut(operand)})", False
                yield from self._expression(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                if isinstance(operand, ast.Constant):
                    return
                yield "logic", span, f"({cut(operand)})", False
                yield from self._expression(operand)
            case ast.Constant(value=bool() as value):
                yield "constant", span, str(not value), False
            case ast.Constant(value=int() as number):
                if not cut(node).startswith("0x"):
                    yield "constant", span, str(number + 1), False
            case ast.Name(id=name):
                if sign := self._type_of(self.here, name):
                    yield "constant", span, f"({name} {sign} 1)", False
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                if module != "self" and (sign := self._type_of(module, name)):
                    yield "constant", span, f"({cut(node)} {sign} 1)", False
            case ast.Attribute(value=value):
                yield from self._expression(value)
            case ast.Subscript(value=value, slice=index):
                yield from self._expression(value)
                if not isinstance(index, ast.Constant):
                    yield from self._expression(index)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield "guard", self.source.span(test), "False", False
                yield from self._expression(test)
                yield from self._expression(body)
                yield from self._expression(orelse)
            case ast.Await(value=ast.Call() as call):
                if swap:
                    yield from (("swap", span, text, False) for text in self._swaps(node))
                yield from self._call(call, swap=False)
            case ast.Call():
                yield from self._call(node, swap=swap)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                for part in parts:
                    yield from self._expression(part)
            case _:
                return

    def _call(self, node: ast.Call, *, swap: bool) -> Iterator[Found]:
        span, cut = self.source.span(node), self.source.cut
        name = self._name(node)
        turned = ROUNDING.get(name)
        if turned is not None:
            yield "rounding", span, self._renamed(node, name, turned), False
        if name == "_div_up" and len(node.args) == 2:
            yield "rounding", span, f"(({cut(node.args[0])}) // ({cut(node.args[1])}))", False
        if name in {"min", "max"}:
            yield "logic", span, self._renamed(node, name, "max" if name == "min" else "min"), False
        if name in UNSAFE:
            yield "arithmetic", span, self._renamed(node, name, UNSAFE[name]), False
        if swap:
            yield from (("swap", span, text, False) for text in self._swaps(node))
        if name in LITERAL_ONLY:
            if name in {"slice", "abi_decode", "_abi_decode", "raw_call"}:
                yield from self._expression(node.args[0])
            return
        args = node.args[:1] if name == "convert" else node.args
        for arg in args:
            yield from self._expression(arg)
        for keyword in node.keywords:
            if not isinstance(node.func, ast.Name) or node.func.id[0].isupper():  # fields of a struct or event
                yield from self._expression(keyword.value)

    def _name(self, node: ast.Call) -> str:
        return node.func.attr if isinstance(node.func, ast.Attribute) else self.source.cut(node.func)

    def _swaps(self, node: ast.expr) -> list[str]:
        """The text of a call with two neighbouring arguments of one type swapped."""
        call = node.value if isinstance(node, ast.Await) else node
        if not isinstance(call, ast.Call):
            return []
        types = self._arguments(call)
        outer = self.source.span(node)
        found = []
        for k in range(min(len(call.args), len(types)) - 1):
            first, second = call.args[k], call.args[k + 1]
            one, two = self.source.cut(first), self.source.cut(second)
            if types[k] != types[k + 1] or one == two or (k == 0 and self._name(call).startswith("_mul_div")):
                continue
            middle = self.source.text[self.source.span(first)[1] : self.source.span(second)[0]]
            place = self.source.span(first)[0], self.source.span(second)[1]
            found.append(self._within(outer, place, two + middle + one))
        return found

    def _arguments(self, call: ast.Call) -> tuple[str, ...]:
        match call.func:
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self.known.arguments.get(self.here, {}).get(name, ())
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in self.known.arguments.get(module, {}):
                return self.known.arguments[module][name]
            case ast.Attribute(attr=name):
                return self.known.anywhere.get(name, ())
            case ast.Name(id="unsafe_sub" | "unsafe_div"):
                return ("int", "int")
            case _:
                return ()

    def _renamed(self, node: ast.Call, name: str, other: str) -> str:
        start, end = self.source.span(node)
        func_end = self.source.span(node.func)[1]
        return self.source.text[start : func_end - len(name)] + other + self.source.text[func_end:end]

    def _between(self, node: ast.expr, left: ast.expr, right: ast.expr, signs: tuple[str, str]) -> str:
        """Both sides with another sign between; brackets around either stay."""
        outer = self.source.span(node)
        place = self.source.span(left)[1], self.source.span(right)[0]
        return self._within(outer, place, self.source.text[place[0] : place[1]].replace(*signs, 1))

    def _type_of(self, module: str, name: str) -> str:
        """Where this is a named constant that is a number: which way it can move."""
        return self.known.constants.get(module, {}).get(name, "") if _CONSTANT.match(name) else ""

    def _is_fixed(self, node: ast.expr) -> bool:
        """Whether the compiler folds it to one number."""
        match node:
            case ast.Constant(value=int()):
                return True
            case ast.Name(id=name):
                return bool(self._type_of(self.here, name))
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                return module != "self" and bool(self._type_of(module, name))
            case ast.BinOp(left=left, right=right):
                return self._is_fixed(left) and self._is_fixed(right)
            case _:
                return False
