"""Reads functions of the contracts and works them out, over integers or over unknowns.

An expression of Vyper is one of Python, and so, but for a few words, is a statement. `load` parses a contract with
Python's own parser; `Machine` walks the tree. Numbers are `Num`: a Python integer or a term of the solver, with the
Vyper type it has. What each operation means is the EVM's: DIV floors, SDIV truncates, `>>` of a signed number floors,
a checked result out of its type reverts, an `unsafe_` one must not leave its type, or wraps where a lemma says so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import z3

ROOT: Final = Path(__file__).resolve().parents[2] / "contracts"
WORD: Final = 2**256
FIXED: Final = "modules/fixed.vy"
SUMMARIES: Final = {"_div_up", "_mul_div_up", "_mul_div_down", "_div_floor", "_div_ceil", "_div_truncate"}
UNSAFE: Final = {"unsafe_add", "unsafe_sub", "unsafe_mul", "unsafe_div"}
# what Vyper says otherwise than Python; lines stay where they are
WORDS: Final = (
    (r"\bfor (\w+): \S+ in ", r"for \1 in "),
    (r"\b(?:staticcall|extcall) ", ""),
    (r"(?m)^(struct|event|interface|flag) (\w+):", r"class \2:"),
    (r"(?m)^(\s+)log (?=\w)", r"\1_log_ = "),
    (r"\bx\"", 'b"'),
    (r"(?m)^\s*(?:implements|uses|initializes): .*$", ""),
)

Term = Any  # int or z3.ArithRef
Cond = Any  # bool or z3.BoolRef


class AnchorError(Exception):
    """A text that a lemma is about is no longer in the contract."""


class Refusal(Exception):  # noqa: N818 - a contract's, not this program's
    """The contract reverts here."""


@dataclass(frozen=True, slots=True, eq=False)
class Num:
    """A number with its Vyper type; arithmetic of lemmas on it is that of the integers."""

    term: Term
    kind: str | None = None  # None: of the lemma's own, or a literal

    def __add__(self, other: object) -> Num:
        return Num(self.term + term_of(other))

    def __radd__(self, other: object) -> Num:
        return Num(term_of(other) + self.term)

    def __sub__(self, other: object) -> Num:
        return Num(self.term - term_of(other))

    def __rsub__(self, other: object) -> Num:
        return Num(term_of(other) - self.term)

    def __mul__(self, other: object) -> Num:
        return Num(self.term * term_of(other))

    def __rmul__(self, other: object) -> Num:
        return Num(term_of(other) * self.term)

    def __neg__(self) -> Num:
        return Num(-self.term)

    def __le__(self, other: object) -> Cond:
        return self.term <= term_of(other)

    def __lt__(self, other: object) -> Cond:
        return self.term < term_of(other)

    def __ge__(self, other: object) -> Cond:
        return self.term >= term_of(other)

    def __gt__(self, other: object) -> Cond:
        return self.term > term_of(other)

    def equals(self, other: object) -> Cond:
        """Whether it is the same number."""
        return self.term == term_of(other)


def term_of(value: object) -> Term:
    """The integer or solver's term behind a number."""
    return value.term if isinstance(value, Num) else value


@dataclass(slots=True)
class Struct:
    """A struct's fields."""

    fields: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


@dataclass(slots=True)
class Source:
    """One contract, parsed."""

    path: str
    tree: ast.Module
    functions: dict[str, ast.FunctionDef]
    constants: dict[str, ast.expr]
    structs: dict[str, list[tuple[str, str]]]
    modules: dict[str, str]  # names of imported modules -> path from contracts/
    kinds: dict[str, str] = field(default_factory=dict)


def as_python(text: str) -> str:
    """A contract's text as Python can parse it, line for line."""
    for old, new in WORDS:
        text = re.sub(old, new, text)
    return text


@lru_cache(maxsize=256)
def parse(path: str, text: str) -> Source:
    """A contract of this text."""
    tree = ast.parse(as_python(text))
    source = Source(path, tree, {}, {}, {}, {})
    folder = Path(path).parent
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            source.functions[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            source.constants[node.target.id] = node.value
            source.kinds[node.target.id] = ast.unparse(node.annotation).removeprefix("constant(").removesuffix(")")
        elif isinstance(node, ast.ClassDef):
            source.structs[node.name] = [
                (item.target.id, ast.unparse(item.annotation))
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            ]
        elif isinstance(node, ast.ImportFrom):
            base = ROOT / folder if node.module is None else ROOT / folder / node.module.replace(".", "/")
            if node.module == "modules":
                base = ROOT / "modules"
            for alias in node.names:
                found = base / f"{alias.name}.vy"
                if found.exists():
                    source.modules[alias.asname or alias.name] = str(found.relative_to(ROOT))
    return source


@lru_cache(maxsize=64)
def read(path: str) -> str:
    """The text of a contract as it stands."""
    return (ROOT / path).read_text()


@lru_cache(maxsize=1024)
def plain(text: str) -> str:
    """A statement or expression, written one way."""
    return ast.unparse(ast.parse(as_python(text)))


def bounds_of(kind: str) -> tuple[int, int]:
    """Least and greatest number of a type."""
    bits = int(re.sub(r"\D", "", kind))
    return (0, 2**bits - 1) if kind.startswith("uint") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


class Context(Protocol):
    """What a machine asks of who runs it."""

    wraps: set[str]
    signs: set[str]
    total: bool
    summarises: bool

    def decide(self, cond: Cond) -> bool:
        """Which way to go."""
        ...

    def know(self, cond: Cond) -> None:
        """Take for granted."""
        ...

    def owe(self, cond: Cond, text: str) -> None:
        """What must be shown here."""
        ...

    def fresh(self, name: str) -> Term:
        """Another unknown."""
        ...

    def see(self, path: str, node: ast.Call) -> None:
        """Note that an unchecked operation was worked out."""
        ...


class _Return(Exception):  # noqa: N818
    def __init__(self, value: Any) -> None:
        self.value = value


class _Break(Exception):  # noqa: N818
    pass


class _Continue(Exception):  # noqa: N818
    pass


@dataclass(frozen=True, slots=True)
class Change:
    """One replacement in the text of one contract: a planted fault."""

    path: str
    old: str
    new: str


class Layout(NamedTuple):
    """A word made of fields: the lowest bit, the width and the number of each, from the lowest."""

    term: Term  # kept, so that its number in the solver is not given to another
    fields: tuple[tuple[int, int, Term], ...]
    signed: bool = False


class Machine:
    """Works functions of contracts out; `given` stands for storage and for other contracts, by the name called."""

    def __init__(self, context: Context, change: Change | None = None) -> None:
        self.context = context
        self.change = change
        self.given: dict[str, Any] = {}
        self._quotients: dict[tuple[int, int, bool], tuple[Term, Term]] = {}
        self._layouts: dict[int, Layout] = {}
        self._fields: dict[int, tuple[Term, Term]] = {}  # what a signed field says
        self._views: dict[int, tuple[Term, Term]] = {}  # what a word in two's complement says

    # -------------------------------------------------------------------------------------------------- reading

    def source(self, path: str) -> Source:
        """A contract, with the planted fault where there is one."""
        text = read(path)
        if self.change is not None and self.change.path == path:
            if self.change.old not in text:
                raise AnchorError(f"{path} has no {self.change.old!r}")
            text = text.replace(self.change.old, self.change.new)
        return parse(path, text)

    def constant(self, path: str, name: str) -> Any:
        """A module's constant."""
        return self._constant(self.source(path), name)

    def loops(self, path: str, name: str) -> Iterator[int]:
        """How often the loops of a function go round at most, where a number says so."""
        for node in ast.walk(self.source(path).functions[name]):
            match node:
                case ast.For(iter=ast.Call(args=[ast.Constant(value=int() as count)])):
                    yield count

    def _changed(self, path: str, text: str) -> str:
        if self.change is not None and self.change.path == path:
            return text.replace(self.change.old, self.change.new)
        return text

    def nodes(self, path: str, name: str, text: str, *, is_changed: bool = False) -> list[ast.AST]:
        """The statements or expressions of a function that read so."""
        function = self.source(path).functions[name]
        wanted = plain(text if is_changed else self._changed(path, text))
        found = [n for n in ast.walk(function) if isinstance(n, (ast.stmt, ast.expr)) and ast.unparse(n) == wanted]
        if not found:
            raise AnchorError(f"{path}::{name} has no {wanted!r}")
        return found

    # -------------------------------------------------------------------------------------------------- calling

    def call(self, path: str, name: str, *args: Any) -> Any:
        """What a function returns."""
        if path == FIXED and name in SUMMARIES and self.context.summarises and not all(_is_known(arg) for arg in args):
            return self._summary(name, *args)
        source = self.source(path)
        function = source.functions[name]
        names = function.args.args
        local = {
            arg.arg: self._typed(_copied(value), ast.unparse(arg.annotation) if arg.annotation else None)
            for arg, value in zip(names, args, strict=True)
        }
        try:
            self._block(source, function.body, local)
        except _Return as found:
            return found.value
        return None

    def _summary(self, name: str, *args: Num) -> Num:
        """A quotient by what is proven of it: the lemmas of `tests.proofs.fixed`."""
        kind = "uint256" if name in {"_div_up", "_mul_div_up", "_mul_div_down"} else "int256"
        *factors, d = args
        text = f"{name}({', '.join(str(term_of(arg)) for arg in args)})"[:120]
        n = factors[0].term
        self._fit(n, kind, text, must=self.context.total)
        for factor in factors[1:]:
            self._fit(factor.term, kind, text, must=self.context.total)
            n = self._checked(n * factor.term, kind, text).term
        self.context.owe(d.term > 0, f"{text}: divisor")
        if name in {"_div_up", "_mul_div_up", "_div_ceil"}:
            return Num(-self.divide(-n, d.term)[0], kind)
        return Num(self.divide(n, d.term, truncates=name == "_div_truncate")[0], kind)

    def run(self, path: str, name: str, text: str, local: dict[str, Any]) -> dict[str, Any]:
        """The locals after the statements of a function that read so; all of them that do are taken as seen."""
        source = self.source(path)
        for part in _statements(self._changed(path, text)):
            first, *rest = self.nodes(path, name, part, is_changed=True)
            for node in rest:
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id in UNSAFE:
                        self.context.see(path, inner)
            if isinstance(first, ast.expr):
                msg = f"{part!r} is no statement"
                raise AnchorError(msg)
            self._statement(source, first, local)  # type: ignore[arg-type]
        return local

    def value(self, path: str, name: str, text: str, local: dict[str, Any]) -> Any:
        """What an expression of a function that reads so is worth."""
        first, *rest = self.nodes(path, name, text)
        for node in rest:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id in UNSAFE:
                    self.context.see(path, inner)
        if isinstance(first, (ast.Expr, ast.Return)) and first.value is not None:
            first = first.value
        return self._value(self.source(path), first, local)

    # --------------------------------------------------------------------------------------------- packed words

    def word(self, *fields: tuple[Num, int]) -> Num:
        """A word of fields, the highest first, each a number and its width; shifts and masks give them back whole."""
        low = sum(bits for _, bits in fields)
        found = []
        for number, bits in fields:
            low -= bits
            self.context.owe(z3.And(number.term >= 0, number.term < 2**bits), f"a field of {bits} bits")
            found.append((low, bits, number.term))
        return self._laid(tuple(reversed(found)), "uint256")

    def _laid(self, fields: tuple[tuple[int, int, Term], ...], kind: str | None) -> Num:
        term: Term = 0
        for low, _, field_ in fields:
            part = field_ if low == 0 else field_ * 2**low
            term = part if isinstance(term, int) and term == 0 else term + part
        if not isinstance(term, int):
            self._layouts[term.get_id()] = Layout(term, fields)
        return Num(term, kind)

    def _shifted(self, a: Num, bits: int) -> Num | None:
        """A packed word shifted right, or left where negative, where no field is cut."""
        layout = None if isinstance(a.term, int) else self._layouts.get(a.term.get_id())
        if layout is None or any(low < bits < low + width for low, width, _ in layout.fields):
            return None
        if any(low - bits < 256 < low - bits + width for low, width, _ in layout.fields):
            return None
        kept = tuple((low - bits, width, f) for low, width, f in layout.fields if low >= bits and low - bits < 256)
        if layout.signed:
            if len(kept) != 1 or kept[0][0] != 0:
                return None
            _, width, term = kept[0]
            return Num(self._of_field(term, width), a.kind)
        return self._laid(kept, a.kind)

    def _of_field(self, term: Term, width: int) -> Term:
        """What a field of two's complement says."""
        meant = None if isinstance(term, int) else self._fields.get(term.get_id())
        if meant is not None:
            return meant[1]
        return z3.If(term >= 2 ** (width - 1), term - 2**width, term)

    def field(self, number: Num, width: int) -> Num:
        """A signed number's field."""
        if isinstance(number.term, int):
            fits = -(2 ** (width - 1)) <= number.term < 2 ** (width - 1)
            self.context.owe(fits, f"a signed field of {width} bits")
            return Num(number.term % 2**width)
        self.context.owe(
            z3.And(-(2 ** (width - 1)) <= number.term, number.term < 2 ** (width - 1)),
            f"a signed field of {width} bits",
        )
        found = z3.If(number.term < 0, number.term + 2**width, number.term)
        self._fields[found.get_id()] = (found, number.term)
        return Num(found)

    # ----------------------------------------------------------------------------------------------- statements

    def _block(self, source: Source, body: Sequence[ast.stmt], local: dict[str, Any]) -> None:
        for node in body:
            self._statement(source, node, local)

    def _statement(self, source: Source, node: ast.stmt, local: dict[str, Any]) -> None:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=value) if value is not None:
                local[name] = self._typed(_copied(self._value(source, value, local)), ast.unparse(kind))
            case ast.Assign(targets=[ast.Name(id="_log_")]):
                pass
            case ast.Assign(targets=[target], value=value):
                self._assign(source, target, _copied(self._value(source, value, local)), local)
            case ast.AugAssign(target=target, op=op, value=value):
                load = ast.parse(ast.unparse(target), mode="eval").body
                old = self._value(source, load, local)
                new = self._operate(op, old, self._value(source, value, local), ast.unparse(node), value)
                self._assign(source, target, new, local)
            case ast.If(test=test, body=body, orelse=orelse):
                taken = self.context.decide(self._value(source, test, local))
                self._block(source, body if taken else orelse, local)
            case ast.For(target=ast.Name(id=name), iter=over, body=body):
                self._loop(source, name, self._value(source, over, local), body, local)
            case ast.Return(value=value):
                raise _Return(None if value is None else _copied(self._value(source, value, local)))
            case ast.Assert(test=test):
                if not self.context.decide(self._value(source, test, local)):
                    raise Refusal(ast.unparse(node))
            case ast.Raise():
                raise Refusal(ast.unparse(node))
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr(value=value):
                self._value(source, value, local)
            case ast.Break():
                raise _Break
            case ast.Continue():
                raise _Continue
            case _:
                raise NotImplementedError(ast.unparse(node))

    def _loop(self, source: Source, name: str, over: Sequence[Any], body: Sequence[ast.stmt], local: Any) -> None:
        for item in over:
            local[name] = item
            try:
                self._block(source, body, local)
            except _Break:
                break
            except _Continue:
                continue

    def _assign(self, source: Source, target: ast.expr, value: Any, local: dict[str, Any]) -> None:
        match target:
            case ast.Name(id=name):
                old = local.get(name)
                local[name] = self._typed(value, old.kind if isinstance(old, Num) else None)
            case ast.Tuple(elts=parts):
                for part, item in zip(parts, value, strict=True):
                    self._assign(source, part, item, local)
            case ast.Attribute(value=ast.Name(id="self"), attr=attr):
                self.given[f"self.{attr}"] = value
            case ast.Attribute(value=base, attr=attr):
                found = self._value(source, base, local)
                old = found.fields.get(attr)
                found.fields[attr] = self._typed(value, old.kind if isinstance(old, Num) else None)
            case ast.Subscript(value=base, slice=index):
                found = self._value(source, base, local)
                at = self._value(source, index, local)
                if isinstance(found, dict):
                    found[_key(at)] = value
                else:
                    found[term_of(at)] = value
            case _:
                raise NotImplementedError(ast.unparse(target))

    # ---------------------------------------------------------------------------------------------- expressions

    def _value(self, source: Source, node: ast.AST, local: dict[str, Any]) -> Any:
        match node:
            case ast.Constant(value=bool() as value):
                return value
            case ast.Constant(value=int() as value):
                return Num(value)
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                if name in local:
                    return local[name]
                if name in self.given:
                    return self.given[name]
                return self._constant(source, name)
            case ast.Attribute():
                return self._attribute(source, node, local)
            case ast.Subscript(value=base, slice=index):
                found = self._value(source, base, local)
                at = self._value(source, index, local)
                return found.get(_key(at), Num(0, "uint256")) if isinstance(found, dict) else found[term_of(at)]
            case ast.BinOp(left=left, op=op, right=right):
                a = self._value(source, left, local)
                return self._operate(op, a, self._value(source, right, local), ast.unparse(node), right, left)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                a = self._value(source, operand, local)
                return self._checked(-a.term, a.kind, ast.unparse(node))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                a = self._value(source, operand, local)
                return (not a) if isinstance(a, bool) else z3.Not(a)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _compare(op, self._value(source, left, local), self._value(source, right, local))
            case ast.BoolOp(op=op, values=values):
                return self._both(source, op, values, local)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                taken = self.context.decide(self._value(source, test, local))
                return self._value(source, body if taken else orelse, local)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self._value(source, item, local) for item in items]
            case ast.Call():
                return self._call(source, node, local)
            case _:
                raise NotImplementedError(ast.unparse(node))

    def _both(self, source: Source, op: ast.boolop, values: Sequence[ast.expr], local: dict[str, Any]) -> Cond:
        wanted = isinstance(op, ast.And)
        simple = not any(isinstance(n, (ast.Call, ast.Add, ast.Sub, ast.Mult)) for v in values for n in ast.walk(v))
        if simple:
            found = [self._value(source, value, local) for value in values]
            known = [f for f in found if isinstance(f, bool)]
            rest = [f for f in found if not isinstance(f, bool)]
            if any(k is not wanted for k in known):
                return not wanted
            if not rest:
                return wanted
            return z3.And(*rest) if wanted else z3.Or(*rest)
        for value in values:  # what stands to the right may not be worked out
            if self.context.decide(self._value(source, value, local)) is not wanted:
                return not wanted
        return wanted

    def _constant(self, source: Source, name: str) -> Any:
        if name not in source.constants:
            raise NotImplementedError(f"{source.path}: {name}")
        return self._typed(self._value(source, source.constants[name], {}), source.kinds[name])

    def _attribute(self, source: Source, node: ast.Attribute, local: dict[str, Any]) -> Any:
        text = ast.unparse(node)
        if text in self.given:
            return self.given[text]
        if isinstance(node.value, ast.Name) and node.value.id in source.modules and node.value.id not in local:
            return self._constant(self.source(source.modules[node.value.id]), node.attr)
        return self._value(source, node.value, local)[node.attr]

    def _call(self, source: Source, node: ast.Call, local: dict[str, Any]) -> Any:
        name = ast.unparse(node.func)
        if name in UNSAFE:
            return self._unsafe(source, node, local)
        if name in self.given:
            args = [self._value(source, arg, local) for arg in node.args]
            found = self.given[name]
            return found(*args) if callable(found) else found
        if name == "convert":
            return self._convert(self._value(source, node.args[0], local), ast.unparse(node.args[1]))
        if name == "empty":
            return self._empty(source, ast.unparse(node.args[0]))
        if name in {"max_value", "min_value"}:
            kind = ast.unparse(node.args[0])
            return Num(bounds_of(kind)[name == "max_value"], kind)
        if name in source.structs:
            kinds = dict(source.structs[name])
            return Struct(
                {k.arg: self._typed(self._value(source, k.value, local), kinds[k.arg]) for k in node.keywords if k.arg}
            )
        args = [self._value(source, arg, local) for arg in node.args]
        if name == "range":
            return [Num(i, "uint256") for i in range(*(term_of(arg) for arg in args))]
        if name == "len":
            return Num(len(args[0]), "uint256")
        if name in {"min", "max"}:
            a, b = args
            kind = a.kind or b.kind
            less = self.context.decide(a.term <= b.term)
            return Num((a if less == (name == "min") else b).term, kind)
        if name == "abs":
            return Num(args[0].term if self.context.decide(args[0].term >= 0) else -args[0].term, args[0].kind)
        if name == "pow_mod256":
            return Num(pow(args[0].term, args[1].term), "uint256")
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            owner, inner = node.func.value.id, node.func.attr
            if owner == "self":
                return self.call(source.path, inner, *args)
            if owner in source.modules:
                return self.call(source.modules[owner], inner, *args)
            if inner == "append":
                local[owner].append(args[0])
                return None
            if inner == "pop":
                return local[owner].pop()
        raise NotImplementedError(ast.unparse(node))

    # ------------------------------------------------------------------------------------------------ operations

    def _operate(self, op: ast.operator, a: Num, b: Num, text: str, right: ast.AST, left: ast.AST | None = None) -> Num:
        kind = a.kind or b.kind
        match op:
            case ast.Add():
                return self._checked(a.term + b.term, kind, text)
            case ast.Sub():
                return self._checked(a.term - b.term, kind, text)
            case ast.Mult():
                return self._checked(a.term * b.term, kind, text)
            case ast.Pow():
                return Num(a.term**b.term, kind)
            case ast.FloorDiv() | ast.Mod():
                self.context.owe(b.term > 0, f"{text}: divisor")
                q, r = self.divide(a.term, b.term, truncates=(kind or "").startswith("int"))
                return Num(q if isinstance(op, ast.FloorDiv) else r, kind)
            case ast.RShift() if isinstance(b.term, int) and (found := self._shifted(a, b.term)) is not None:
                return found
            case ast.LShift() if isinstance(b.term, int) and (found := self._shifted(a, -b.term)) is not None:
                return found
            case ast.RShift():
                return Num(self.divide(a.term, 2**b.term)[0], kind)
            case ast.LShift():
                if kind is None:
                    return Num(a.term << b.term)
                return Num(self.divide(a.term * 2**b.term, WORD)[1], kind)
            case ast.BitAnd():
                return Num(self._masked(a.term, b.term), kind)
            case ast.BitOr():
                return self._joined(a, b, text, left)
            case ast.BitXor() if isinstance(a.term, int) and isinstance(b.term, int):
                return Num(a.term ^ b.term, kind)
            case _:
                raise NotImplementedError(text)

    def _joined(self, a: Num, b: Num, text: str, left: ast.AST | None) -> Num:
        kind = a.kind or b.kind
        if isinstance(a.term, int) and isinstance(b.term, int):
            self.context.owe(a.term & b.term == 0, f"{text}: no bit is in both")
            return Num(a.term | b.term, kind)
        if not (isinstance(left, ast.BinOp) and isinstance(left.op, (ast.LShift, ast.BitOr))):
            raise NotImplementedError(text)
        last = left.right if isinstance(left.op, ast.BitOr) else left
        if not (isinstance(last, ast.BinOp) and isinstance(last.op, ast.LShift)):
            raise NotImplementedError(text)
        bits = ast.literal_eval(last.right)
        self.context.owe(z3.And(b.term >= 0, b.term < 2**bits), f"{text}: no bit is in both")
        return Num(a.term + b.term, kind)

    def _masked(self, a: Term, mask: Term) -> Term:
        if isinstance(a, int) and isinstance(mask, int):
            return a & mask
        if isinstance(a, int):
            a, mask = mask, a
        if not isinstance(mask, int):
            raise NotImplementedError("a mask that is unknown")
        layout = self._layouts.get(a.get_id())
        runs = list(_runs(mask))
        if layout is not None and not layout.signed:
            edges = {edge for low, bits in runs for edge in (low, low + bits)}
            if not any(low < edge < low + width for low, width, _ in layout.fields for edge in edges):
                kept = tuple(f for f in layout.fields if any(low <= f[0] < low + bits for low, bits in runs))
                return self._laid(kept, None).term
        total: Term = 0
        for low, bits in _runs(mask):
            shifted = self.divide(a, 2**low)[0] if low else a
            part = shifted if low + bits == 256 else self.divide(shifted, 2**bits)[1]
            total = total + part * 2**low
        return total

    def _checked(self, term: Term, kind: str | None, text: str) -> Num:
        if kind is not None:
            self._fit(term, kind, text, must=self.context.total)
        return Num(term, kind)

    def _fit(self, term: Term, kind: str, text: str, *, must: bool) -> None:
        low, high = bounds_of(kind)
        if isinstance(term, int):
            if not low <= term <= high:
                if must:
                    self.context.owe(cond=False, text=f"{text} fits {kind}")
                raise Refusal(f"{text} leaves {kind}")
            return
        cond = z3.And(low <= term, term <= high)
        if must:
            self.context.owe(cond, f"{text} fits {kind}")
        else:
            self.context.know(cond)

    def _unsafe(self, source: Source, node: ast.Call, local: dict[str, Any]) -> Num:
        self.context.see(source.path, node)
        text = ast.unparse(node)
        a, b = (self._value(source, arg, local) for arg in node.args)
        kind = a.kind or b.kind
        name = ast.unparse(node.func)
        if name == "unsafe_div":
            self.context.owe(b.term > 0, f"{text}: divisor")
            return Num(self.divide(a.term, b.term, truncates=(kind or "").startswith("int"))[0], kind)
        term = {"unsafe_add": lambda: a.term + b.term, "unsafe_sub": lambda: a.term - b.term}.get(
            name, lambda: a.term * b.term
        )()
        if text in self.context.wraps:
            return Num(self._wrapped(term, kind or "uint256"), kind)
        if text in self.context.signs:
            return self._in_twos_complement(name, a, b, text)
        low, high = bounds_of(kind or "uint256")
        fits = low <= term <= high if isinstance(term, int) else z3.And(low <= term, term <= high)
        self.context.owe(fits, f"{text} fits {kind}")
        return Num(term, kind)

    def _in_twos_complement(self, name: str, a: Num, b: Num, text: str) -> Num:
        """An unsigned operation on what is meant signed: modulo 2**256 both are the same, and the result says which."""
        if isinstance(a.term, int) and isinstance(b.term, int):
            plainly = {"unsafe_add": a.term + b.term, "unsafe_sub": a.term - b.term}.get(name, a.term * b.term)
            return Num(plainly % WORD, "uint256")
        x, y = (
            self._views.get(n.term.get_id(), (0, n.term))[1] if not isinstance(n.term, int) else n.term for n in (a, b)
        )
        meant = {"unsafe_add": lambda: x + y, "unsafe_sub": lambda: x - y}.get(name, lambda: x * y)()
        self.context.owe(z3.And(meant >= -(WORD // 2), meant < WORD // 2), f"{text} fits 255 bits and a sign")
        if isinstance(meant, int):
            return Num(meant % WORD, "uint256")
        if self.context.decide(meant >= 0):
            return Num(meant, "uint256")
        self._views[(meant + WORD).get_id()] = (found := meant + WORD, meant)
        return Num(found, "uint256")

    def _wrapped(self, term: Term, kind: str) -> Term:
        rest = self.divide(term, WORD)[1]
        return rest if kind.startswith("uint") else self._signed(rest)

    def _bits(self, value: Num) -> Term:
        """The 256 bits of a number, read as unsigned."""
        if isinstance(value.term, int):
            return value.term % WORD
        if (value.kind or "").startswith("uint"):
            return value.term
        if self.context.signs:
            found = value.term + WORD if self.context.decide(value.term < 0) else value.term
        else:
            found = z3.If(value.term < 0, value.term + WORD, value.term)
        self._views[found.get_id()] = (found, value.term)
        return found

    def _signed(self, term: Term) -> Term:
        """The same bits, read as signed."""
        if isinstance(term, int):
            return term - WORD if term >= WORD // 2 else term
        found = z3.If(term >= WORD // 2, term - WORD, term)
        layout = self._layouts.get(term.get_id())
        if layout is not None and layout.fields and layout.fields[-1][0] + layout.fields[-1][1] == 256:
            self._layouts[found.get_id()] = Layout(found, layout.fields, signed=True)
        return found

    def divide(self, n: Term, d: Term, *, truncates: bool = False) -> tuple[Term, Term]:
        """Quotient and remainder, toward minus infinity, or toward zero as SDIV and SMOD."""
        if isinstance(n, int) and isinstance(d, int):
            q = n // d if n >= 0 or not truncates else -(-n // d)
            return q, n - q * d
        if isinstance(d, int) and d == 1:
            return n, 0
        key = (hash(n) if isinstance(n, int) else n.get_id(), hash(d) if isinstance(d, int) else d.get_id(), truncates)
        if key not in self._quotients:
            q, r = self.context.fresh("q"), self.context.fresh("r")
            self.context.know(n == d * q + r)
            if not truncates:
                self.context.know(z3.Implies(n <= 0, q <= 0))
                self.context.know(z3.Implies(n >= 0, q <= n))  # as d is one at least
            if truncates:
                self.context.know(z3.Implies(n >= 0, z3.And(r >= 0, r < d, q >= 0)))
                self.context.know(z3.Implies(n < 0, z3.And(-d < r, r <= 0, q <= 0)))
            else:
                self.context.know(z3.And(r >= 0, r < d))
                self.context.know(z3.Implies(n >= 0, q >= 0))
            self._quotients[key] = (q, r, n, d)  # type: ignore[assignment] # terms kept, so that ids are not reused
        return self._quotients[key][:2]

    def _convert(self, value: Any, kind: str) -> Any:
        if not isinstance(value, Num):
            return value
        if kind == "bytes32":
            return Num(self._bits(value), "bytes32")
        if value.kind == "bytes32":
            return Num(self._signed(value.term) if kind.startswith("int") else value.term, kind)
        if kind == "address":
            return Num(value.term, kind)
        self._fit(value.term, kind, f"convert to {kind}", must=self.context.total)
        return Num(value.term, kind)

    def _typed(self, value: Any, kind: str | None) -> Any:
        if kind is not None and isinstance(value, Num) and re.fullmatch(r"u?int\d+|address|bytes32", kind):
            return Num(value.term, kind)
        return value

    def _empty(self, source: Source, kind: str) -> Any:
        if match := re.fullmatch(r"(u?int\d+)\[(\w+)\]", kind):
            size = match[2]
            count = int(size) if size.isdigit() else term_of(self._constant(source, size))
            return [Num(0, match[1]) for _ in range(count)]
        name = kind.rsplit(".", 1)[-1]
        structs = source.structs
        if "." in kind and kind.split(".", maxsplit=1)[0] in source.modules:
            structs = self.source(source.modules[kind.split(".", maxsplit=1)[0]]).structs
        if name in structs:
            return Struct({n: self._empty(source, k) for n, k in structs[name]})
        if "." in kind:  # of an interface: fields as they are set
            return Struct({})
        if kind == "bool":
            return False
        return Num(0, kind)


def _is_known(value: Any) -> bool:
    return isinstance(term_of(value), int)


def _copied(value: Any) -> Any:
    """Vyper's values are values."""
    if isinstance(value, Struct):
        return Struct({k: _copied(v) for k, v in value.fields.items()})
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _key(value: Any) -> Any:
    term = term_of(value)
    return term if isinstance(term, int) else term.get_id()


def _statements(text: str) -> Iterator[str]:
    for node in ast.parse(as_python(text)).body:
        yield ast.unparse(node)


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    """Runs of ones in a mask: lowest bit, and how many."""
    low = 0
    while mask:
        while not mask & 1:
            mask >>= 1
            low += 1
        bits = 0
        while mask & 1:
            mask >>= 1
            bits += 1
        yield low, bits
        low += bits


def _compare(op: ast.cmpop, a: Any, b: Any) -> Cond:
    if isinstance(a, (bool, z3.BoolRef)) or not isinstance(a, Num):
        return a == b if isinstance(op, ast.Eq) else a != b
    x, y = a.term, b.term
    match op:
        case ast.Eq():
            return x == y
        case ast.NotEq():
            return x != y
        case ast.Lt():
            return x < y
        case ast.LtE():
            return x <= y
        case ast.Gt():
            return x > y
        case ast.GtE():
            return x >= y
        case _:
            raise NotImplementedError(ast.dump(op))


def unsafe_calls() -> dict[tuple[str, str], list[ast.Call]]:
    """Every unchecked operation there is, by contract and function."""
    found: dict[tuple[str, str], list[ast.Call]] = {}
    for path in sorted(ROOT.rglob("*.vy")):
        name = str(path.relative_to(ROOT))
        for function in parse(name, read(name)).functions.values():
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in UNSAFE:
                    found.setdefault((name, function.name), []).append(node)
    return found
