"""What proves a lemma, and refutes its twin.

A proof is a function of a `Run`: it names unknowns in their ranges, calls functions of the contracts, and claims. It is
executed once for every path through the code, each claim asked of z3: is there any integer, on this path, for which it
does not hold? A claim once shown is known from there on, so that a hard one is reached in steps. A twin is the same
proof of a contract with one planted fault, or from one wider range: some claim must fail, and the integers it fails for
are run through the faulty code, and through the sound one.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import z3

from tests.proofs.registry import LEMMAS
from tests.proofs.vyper import Change, Cond, Machine, Num, Refusal, Term, term_of

TIMEOUT: Final = 20.0  # [s] of one core, a lemma; no answer is no proof
SLACK: Final = 6  # the solver's own clock runs on while others use the core
GLANCE: Final = 400_000  # [steps of the solver] to see that a way is closed; where that is not seen, it is gone
PATHS: Final = 4_096

Proof = Callable[["Run"], None]


@dataclass(frozen=True, slots=True)
class Twin:
    """The lemma with one thing wrong: a planted fault in a contract's text, or another number in the lemma."""

    what: str
    change: Change | None = None
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A lemma's proof and its twin."""

    id: str
    proof: Proof
    twin: Twin


@dataclass(slots=True)
class Verdict:
    """What came of a lemma: `holds`, `fails` with a counterexample, or `unknown`."""

    id: str
    word: str
    seconds: float
    claims: int = 0
    paths: int = 0
    claim: str = ""
    example: dict[str, int] = field(default_factory=dict)
    seen: set[tuple[str, int, int]] = field(default_factory=set)


PROOFS: dict[str, Entry] = {}
SEEN: dict[str, frozenset[tuple[str, int, int]]] = {}  # what each proof has worked out


def proof(lemma: str, twin: Twin) -> Callable[[Proof], Proof]:
    """Register the proof of a lemma."""

    def register(found: Proof) -> Proof:
        if lemma not in LEMMAS or lemma in PROOFS:
            raise ValueError(f"{lemma} is not in the registry, or has a proof already")
        PROOFS[lemma] = Entry(lemma, found, twin)
        return found

    return register


def planted(path: str, old: str, new: str, what: str = "") -> Twin:
    """A twin with one replacement in a contract's text."""
    return Twin(what or f"`{old}` becomes `{new}`", Change(path, old, new))


def moved(what: str, **numbers: int) -> Twin:
    """A twin with another number in the lemma's own words."""
    return Twin(what, None, numbers)


FLAT: dict[int, tuple[Any, Any]] = {}  # conditions, kept so that their numbers are not given to others
PRODUCTS: dict[int, tuple[Any, Any]] = {}


def _without_products(expr: Any) -> Any:
    """An expression with every product of unknowns replaced by one unknown."""
    if not z3.is_app(expr) or expr.num_args() == 0:
        return expr
    key = expr.get_id()
    if key in PRODUCTS:
        return PRODUCTS[key][1]
    args = expr.children()
    if expr.decl().kind() in {z3.Z3_OP_MUL, z3.Z3_OP_POWER}:
        numbers = [arg for arg in args if z3.is_int_value(arg)]
        rest = [arg for arg in args if not z3.is_int_value(arg)]
        if expr.decl().kind() == z3.Z3_OP_POWER or len(rest) > 1:
            name = "*".join(sorted(arg.sexpr() for arg in (rest if len(rest) > 1 else [expr])))
            found = z3.Int(f"product {name}")
            for number in numbers:
                found = number * found
            PRODUCTS[key] = (expr, found)
            return found
    found = expr.decl()(*(_without_products(arg) for arg in args))
    PRODUCTS[key] = (expr, found)
    return found


class Failed(Exception):  # noqa: N818
    """A claim does not hold, or nobody knows."""

    def __init__(self, word: str, claim: str, example: dict[str, int]) -> None:
        super().__init__(claim)
        self.word, self.claim, self.example = word, claim, example


class Discarded(Exception):  # noqa: N818
    """The integers given are outside of what the lemma is about."""


class Run:
    """One path through a proof. With `values` it runs on those integers instead of unknowns."""

    def __init__(
        self,
        twin: Twin | None = None,
        decisions: list[tuple[bool, bool]] | None = None,
        done: set[tuple[Any, ...]] | None = None,
        until: float = 0.0,
        values: dict[str, int] | None = None,
    ) -> None:
        self.twin = twin
        self.values = values
        self.decisions = decisions if decisions is not None else []
        self.taken: list[tuple[bool, bool]] = []  # which way, and whether there is no other
        self.done = done if done is not None else set()
        self.until = until
        self.known: list[Any] = []
        self.inputs: dict[str, Term] = {}
        self.seen: set[tuple[str, int, int]] = set()
        self.claims = 0
        self.wraps: set[str] = set()  # unchecked operations that are meant to wrap
        self.signs: set[str] = set()  # unchecked operations on two's complement
        self.total = False
        self.summarises = True  # a quotient is what L-01 .. L-03 say it is
        self._glance: z3.Solver | None = None
        self._told = 0
        self._count = 0
        self._owed = 0
        self.machine = Machine(self, twin.change if twin else None)

    # ------------------------------------------------------------------------------------------------ for proofs

    def number(self, name: str, value: int) -> int:
        """A number of the lemma's own, that a twin may move."""
        return self.twin.numbers.get(name, value) if self.twin else value

    def int(self, name: str, low: int | Num | None = None, high: int | Num | None = None) -> Num:
        """An unknown in a range."""
        found = Num(z3.Int(name) if self.values is None else self.values.get(name, 0))
        self.inputs[name] = found.term
        if low is not None:
            self.assume(found.term >= term_of(low))
        if high is not None:
            self.assume(found.term <= term_of(high))
        return found

    def bits(self, name: str, width: int) -> z3.BitVecRef:
        """Unknown bits."""
        found = z3.BitVec(name, width) if self.values is None else z3.BitVecVal(self.values.get(name, 0), width)
        self.inputs[name] = found if self.values is None else self.values.get(name, 0)
        return found

    def assume(self, cond: Cond) -> None:
        """Only where this holds."""
        self.know(cond)

    def claim(self, cond: Cond, text: str = "") -> None:
        """What must hold here; known from here on."""
        self.owe(cond, text or str(cond).replace("\n", " ")[:160])

    def call(self, path: str, name: str, *args: Any) -> Any:
        """A function of a contract, on these arguments."""
        return self.machine.call(path, name, *args)

    def run(self, path: str, name: str, text: str, **local: Any) -> dict[str, Any]:
        """Statements of a function."""
        return self.machine.run(path, name, text, local)

    def value(self, path: str, name: str, text: str, **local: Any) -> Any:
        """An expression of a function."""
        return self.machine.value(path, name, text, local)

    def when(self, cond: Cond) -> bool:
        """Split: both ways are gone."""
        return self.decide(cond)

    # ------------------------------------------------------------------------------------------- for the machine

    def decide(self, cond: Cond) -> bool:
        """Which way to go."""
        cond = self._plain(cond)
        if isinstance(cond, bool):
            return cond
        ids = {known.get_id() for known in self.known}
        if cond.get_id() in ids or z3.Not(cond).get_id() in ids:
            return cond.get_id() in ids
        at = len(self.taken)
        way, forced = self.decisions[at] if at < len(self.decisions) else self._open(cond)
        self.taken.append((way, forced))
        if not forced:
            self.known.append(cond if way else z3.Not(cond))
        return way

    def _open(self, cond: Cond) -> tuple[bool, bool]:
        """True first, as the last decision of a path is turned afterwards; and whether there is no other way."""
        for way in (False, True):
            if self._is_plain(self._linear(cond if way else z3.Not(cond))):
                return not way, True
        return True, False

    def know(self, cond: Cond) -> None:
        """Take for granted."""
        cond = self._plain(cond)
        if isinstance(cond, bool):
            if not cond:
                raise Discarded
            return
        self.known.append(cond)

    def owe(self, cond: Cond, text: str) -> None:
        """Show it, or fail."""
        self._owed += 1
        cond = self._plain(cond)
        if isinstance(cond, bool):
            if not cond:
                self._refute(text)
            return
        if any(known.get_id() == cond.get_id() for known in self.known):
            return
        key = (tuple(self.taken), self._owed)
        if key not in self.done:
            self._show(cond, text)
            self.done.add(key)
        self.known.append(cond)

    def fresh(self, name: str) -> Term:
        """Another unknown."""
        self._count += 1
        return z3.Int(f"{name}!{self._count}")

    def see(self, path: str, node: ast.Call) -> None:
        """Note an unchecked operation."""
        self.seen.add((path, node.lineno, node.col_offset))

    # -------------------------------------------------------------------------------------------------- internal

    def _plain(self, cond: Cond) -> Cond:
        """A condition on integers alone is true or false."""
        if self.values is None or isinstance(cond, bool):
            return cond
        return z3.is_true(z3.simplify(cond))

    def _solver(self, steps: int = 0) -> z3.Solver:
        solver = z3.Solver()
        solver.set("timeout", max(1, int(1000 * SLACK * (self.until - time.process_time()))))
        if steps:
            solver.set("rlimit", steps)
        solver.add(*self.known)
        return solver

    def _show(self, cond: Cond, text: str) -> None:
        self.claims += 1
        # products as unknowns of their own, which is less than is known: enough for most, and quick
        if self._is_plain(z3.Not(self._linear(cond))):
            return
        solver = self._solver()
        solver.add(z3.Not(cond))
        found = solver.check()
        if found == z3.unsat:
            return
        if found == z3.sat:
            raise Failed("fails", text, self._example(solver.model()))
        raise Failed("unknown", text, {})

    def _is_plain(self, negated: Any) -> bool:
        """Whether this cannot be, by what is known with products as unknowns."""
        if self._glance is None:
            self._glance = z3.Solver()
            self._glance.set("rlimit", GLANCE)
        for known in self.known[self._told :]:
            self._glance.add(self._linear(known))
        self._told = len(self.known)
        self._glance.push()
        self._glance.add(negated)
        found = self._glance.check() == z3.unsat
        self._glance.pop()
        return found

    def _linear(self, cond: Cond) -> Any:
        """A condition with an unknown for every product of unknowns, the same for the same product."""
        key = cond.get_id()
        if key not in FLAT:
            FLAT[key] = (cond, _without_products(z3.simplify(cond, som=True)))
        return FLAT[key][1]

    def _refute(self, text: str) -> None:
        """A claim that is plainly false: is the path there at all?"""
        if self.values is not None:
            raise Failed("fails", text, dict(self.values))
        solver = self._solver()
        found = solver.check()
        if found == z3.unsat:
            raise Discarded
        if found == z3.sat:
            raise Failed("fails", text, self._example(solver.model()))
        raise Failed("unknown", text, {})

    def _example(self, model: z3.ModelRef) -> dict[str, int]:
        return {
            name: model.eval(term, model_completion=True).as_long() if not isinstance(term, int) else term
            for name, term in self.inputs.items()
        }


def attempt(entry: Entry, *, twin: bool = False, timeout: float = TIMEOUT) -> Verdict:
    """Prove a lemma over all paths, or try to prove its twin."""
    began = time.process_time()
    FLAT.clear()
    PRODUCTS.clear()
    verdict = Verdict(entry.id, "holds", 0.0)
    decisions: list[tuple[bool, bool]] = []
    done: set[tuple[Any, ...]] = set()
    while True:
        run = Run(entry.twin if twin else None, decisions, done, began + timeout)
        try:
            entry.proof(run)
        except (Refusal, Discarded):
            pass
        except Failed as failed:
            verdict.word, verdict.claim, verdict.example = failed.word, failed.claim, failed.example
        verdict.claims += run.claims
        verdict.paths += 1
        verdict.seen |= run.seen
        if verdict.word != "holds":
            break
        if verdict.paths > PATHS or time.process_time() > began + timeout:
            verdict.word, verdict.claim = "unknown", "too many paths"
            break
        decisions = run.taken
        while decisions and (decisions[-1][1] or not decisions[-1][0]):
            decisions.pop()
        if not decisions:
            break
        decisions[-1] = (False, False)
    if verdict.word == "holds" and not verdict.claims:
        verdict.word, verdict.claim = "unknown", "nothing was claimed"
    verdict.seconds = time.process_time() - began
    if not twin:
        SEEN[entry.id] = frozenset(verdict.seen)
    return verdict


def execute(entry: Entry, values: dict[str, int], *, twin: bool) -> str:
    """Run a proof's code on given integers: `holds`, `fails`, `refused` where the contract reverts, or `outside`."""
    run = Run(entry.twin if twin else None, values=values)
    try:
        entry.proof(run)
    except Failed:
        return "fails"
    except Refusal:
        return "refused"
    except Discarded:
        return "outside"
    return "holds"


def seen_by(lemma: str) -> frozenset[tuple[str, int, int]]:
    """The unchecked operations that a lemma's proof works out: contract, line, column."""
    if lemma not in SEEN:
        attempt(PROOFS[lemma])
    return SEEN[lemma]
