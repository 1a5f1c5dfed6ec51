"""Contracts with probes: `python -m tests.coverage.probes [NAME ...]` compiles them into `build/coverage/artifacts`.

pyrevm tells no caller which instructions ran, but it remembers every account that was ever looked at, even where the
call that looked reverted. So each statement, and each condition with its outcome, looks at the balance of an account
whose address is its number (`points`), and afterwards the list of accounts says what ran. A look changes no state, may
stand in a view, and costs gas alone: 2,600 the first time in a transaction, 100 again.

The probes go in where the compiler makes its intermediate code, before any optimisation: what counts as run is what
the source says, and short-circuits are seen as such. The compiler itself is not changed on disk; for the time of a
compilation the two classes that translate statements and expressions are wrapped.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from plimsoll.chain import artifacts
from plimsoll.chain.artifacts import ROOT, Artifact
from tests.coverage.points import ID_BITS, LINE, LOOP, MARK, condition_kind, is_bounded, point_at

FOLDER: Final = Path("build") / "coverage"
CODE_LIMIT: Final = 10**6  # [byte] probes make contracts larger than the chain's limit
GAS_LIMIT: Final = 10**9  # and dearer
LOOPS: Final = ("range_ix", "for_list_ix")  # what the compiler calls the counters of `for`


@cache
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def file_of(module: Any) -> str | None:
    """The file of ours that a module is, or is a copy of; None for any other, and for one that was changed."""
    path = Path(module.resolved_path)
    for start in range(len(path.parts) - 1, 0, -1):
        own = ROOT / Path(*path.parts[start:])
        if path.parts[start] == "contracts" and own.is_file():
            return own.relative_to(ROOT).as_posix() if _digest(str(own)) == _digest(str(path)) else None
    return None


@contextmanager
def probing(name_of: Callable[[Any], str | None] = file_of) -> Iterator[None]:
    """What is compiled inside carries probes, in the modules to which `name_of` gives a name."""
    from vyper.codegen.core import unwrap_location
    from vyper.codegen.expr import Expr
    from vyper.codegen.ir_node import IRnode
    from vyper.codegen.stmt import Stmt
    from vyper.semantics.types.primitives import BoolT

    plain_statement, plain_expression = Stmt.__init__, Expr.__init__

    def named(node: Any) -> str | None:
        module = node.module_node if node.get("lineno") is not None and node.get_ancestor() is not None else None
        return None if module is None else name_of(module)

    def look(address: Any) -> list[Any]:
        return ["pop", ["balance", address]]

    def looked(condition: Any, number: int, outcome: Callable[[Any], Any]) -> Any:
        """A value, and on the way to it a look at the number of its outcome."""
        with unwrap_location(condition).cache_when_complex("probed") as (held, value):
            seen = look(["add", number, outcome(value)])
            return held.resolve(IRnode.from_list(["seq", seen, value], typ=condition.typ))

    def rounds_probed(code: Any, number: int) -> bool:
        """Put a probe before the first loop of the source in some code; whether there was one."""
        if code.value == "repeat" and str(code.args[0].value).startswith(LOOPS):
            rounds = IRnode.from_list(code.args[2])
            code.args[2] = looked(rounds, number, lambda value: ["iszero", ["iszero", value]])
            return True
        return any(rounds_probed(part, number) for part in code.args)

    def statement(self: Any, node: Any, context: Any) -> None:
        plain_statement(self, node, context)
        file = named(node)
        if file is None:
            return
        if type(node).__name__ == "For" and is_bounded(node):
            assert rounds_probed(self.ir_node, point_at(node, LOOP, file).number), node
        code = IRnode.from_list(["seq", look(point_at(node, LINE, file).number), self.ir_node])
        code.annotation, code.ast_source = self.ir_node.annotation, node
        self.ir_node = code

    def expression(self: Any, node: Any, context: Any, is_stmt: bool = False) -> None:  # noqa: FBT001, FBT002 - vyper's
        plain_expression(self, node, context, is_stmt)
        kind = condition_kind(node)
        file = named(node)
        if kind is None or file is None:
            return
        assert self.ir_node.typ == BoolT(), node
        writes = self.ir_node._writes
        self.ir_node = looked(self.ir_node, point_at(node, kind, file).number, lambda value: value)
        self.ir_node._writes = writes
        self.ir_node.ast_source = node

    Stmt.__init__, Expr.__init__ = statement, expression
    try:
        yield
    finally:
        Stmt.__init__, Expr.__init__ = plain_statement, plain_expression


def looked_at(evm: Any) -> set[int]:
    """The numbers of the probes that an EVM of pyrevm passed since it was made."""
    numbers = (int(address, 16) for address in evm.db_accounts)
    return {number for number in numbers if number >> ID_BITS + 8 == MARK}


# ------------------------------------------------------------------------------------------------- in place of the real


def install() -> None:
    """From now on this process deploys contracts with probes: the artifacts are others, and kept apart."""
    from plimsoll.chain import embedded

    real_compile, real_file, real_tree = artifacts.compile_one, artifacts._file, artifacts._tree
    own = hashlib.sha256(b"".join((Path(__file__).parent / f).read_bytes() for f in ("probes.py", "points.py")))

    def compile_one(path: Path, root: Path = ROOT) -> Artifact:
        with probing():
            return real_compile(path, root)

    def file(name: str, root: Path) -> Path:
        return ROOT / FOLDER / "artifacts" / f"{name}.json" if root == ROOT else real_file(name, root)

    def compile_missing(missing: Sequence[str], paths: dict[str, Path], root: Path, jobs: int) -> None:
        for name in missing:
            artifacts._store(artifacts.compile_one(paths[name], root), root)

    artifacts.compile_one = compile_one
    artifacts._file = file
    artifacts._tree = lambda root: {**real_tree(root), "probes": own.hexdigest()}
    artifacts._compile_missing = compile_missing

    plain = embedded.EmbeddedChain.__init__

    def roomy(self: Any, **options: Any) -> None:
        plain(self, **{**options, "code_limit": max(CODE_LIMIT, options.get("code_limit") or 0)})

    embedded.EmbeddedChain.__init__ = roomy  # type: ignore[method-assign]
    embedded.GAS_LIMIT = GAS_LIMIT  # type: ignore[misc]


def compile_all(jobs: int = 2) -> None:
    """Compile every contract with probes, in several processes."""
    names = sorted(paths := artifacts.contract_paths(), key=lambda name: -paths[name].stat().st_size)
    command = [sys.executable, "-m", "tests.coverage.probes"]
    workers = [subprocess.Popen([*command, *names[k::jobs]], cwd=ROOT) for k in range(jobs)]
    codes = [worker.wait() for worker in workers]
    if any(codes):
        raise SystemExit("the contracts do not compile with probes")


def main(names: Sequence[str]) -> int:
    """Compile some contracts, or all, that are not in the cache."""
    install()
    for name in names or list(artifacts.contract_paths()):
        artifacts.load(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
