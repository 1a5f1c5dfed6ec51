"""The fork server: a pytest that collects once, runs the suite once, and then judges each mutant in a forked child.

`python -m tests.mutation.server PLAN FD` in a workspace. The plan names test files in order (cheapest first), mutants
with their numbers, and bounds. To the file descriptor go lines of JSON:

- `{"baseline": {"tests": n, "seconds": s, "failed": [...]}}`: tests that fail on the switched copy with no mutant real,
  such as one about bytecode, judge nothing; where they are many, nothing else follows
- `{"reached": n}`: mutants that some test reaches once the fixtures stand
- `{"mutant": id, "killed": test or null, "how": "test" | "timeout" | "survived" | "unreached", "seconds": s}`

The parent runs every test once, unmutated, which leaves its session fixtures standing and its caches warm; then once
more, each test in a child whose contracts tell which mutants they pass (`switched.traced`). A mutant's child sets
coinbase to the mutant's number and runs only the tests that pass it, those that killed last and the fastest first.
What a fixture ran (constructors above all) no test looks at again: mutants that nothing reaches, or that survive, run
once more in children of the process as it was before any fixture stood, on the first test of each file.
"""

from __future__ import annotations

import gc
import json
import os
import re
import select
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyrevm
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from plimsoll.chain import embedded
from tests.mutation.picked import Picked
from tests.mutation.switched import FIRST, LAST, traced

CODE_LIMIT: Final = 1 << 20  # [bytes] of a switched contract
_ASKED: Final = re.compile(r"0x0{36}([0-9a-f]{4})\b")
MOST_LEFT_OUT: Final = 0.02  # of the tests: more than these failing without a mutant is no suite to judge by
EXAMPLES: Final = 8  # drawn examples a test: a mutant that needs more of them is a gap worth naming


class Switch:
    """Which mutant is real, on every chain of this process."""

    def __init__(self) -> None:
        self.number = 0
        self.calling = b""
        self.tracing = False
        self.chains: list[embedded.EmbeddedChain] = []
        self.contracts: dict[int, set[str]] = {}
        self.passed: dict[str, set[int]] = defaultdict(set)  # by selector, mutants that calls of it passed
        self.refused: set[str] = set()  # selectors of calls that reverted
        self._install()

    def _install(self) -> None:
        chain_class: Any = embedded.EmbeddedChain
        plain_init, plain_deploy = chain_class.__init__, chain_class.deploy
        switch = self

        def environment(chain: Any) -> pyrevm.BlockEnv:
            return pyrevm.BlockEnv(
                number=chain._block,
                timestamp=chain._time,
                gas_limit=embedded.GAS_LIMIT,
                coinbase=f"0x{switch.number:040x}",
            )

        def init(chain: Any, **given: Any) -> None:
            given["code_limit"] = CODE_LIMIT
            plain_init(chain, **given)
            switch.chains.append(chain)

        def deploy(chain: Any, initcode: bytes, *, sender: str) -> Any:
            receipt = plain_deploy(chain, traced(initcode) if switch.tracing else initcode, sender=sender)
            switch.contracts.setdefault(id(chain), set()).add(receipt.address)
            return receipt

        def call(chain: Any, to: str, data: bytes, *, sender: str | None = None) -> bytes:
            if not switch.tracing:
                return bytes(plain_call(chain, to, data, sender=sender))
            checkpoint = chain._evm.snapshot()
            try:
                found = bytes(chain._evm.message_call(sender or embedded.NOBODY, to, data))
                switch.note(chain, data)
            except RuntimeError as error:
                switch.refused.add(data[:4].hex())
                raise chain._explain(error) from None
            finally:
                chain._evm.revert(checkpoint)
            return found

        def transact(chain: Any, to: str, data: bytes, *, sender: str, value: int = 0) -> Any:
            switch.calling = data
            try:
                return plain_transact(chain, to, data, sender=sender, value=value)
            except Exception:
                switch.refused.add(data[:4].hex())
                raise

        def receipt_of(chain: Any, output: bytes, address: str | None) -> Any:
            if switch.tracing:
                switch.note(chain, switch.calling)
            return plain_receipt(chain, output, address)

        plain_call, plain_transact, plain_receipt = chain_class.call, chain_class.transact, chain_class._receipt
        chain_class._environment, chain_class.__init__, chain_class.deploy = environment, init, deploy
        chain_class.call, chain_class.transact, chain_class._receipt = call, transact, receipt_of

    def turn(self, number: int) -> None:
        """Make one mutant real."""
        self.number = number
        for chain in self.chains:
            chain._evm.set_block_env(chain._environment())

    def trace(self) -> None:
        """Let every contract that stands tell what it passes."""
        self.tracing = True
        for chain in self.chains:
            for address in self.contracts.get(id(chain), ()):
                code = chain.code(address)
                if (told := traced(code)) != code:
                    checkpoint = chain._evm.snapshot()
                    info = chain._info(address)
                    chain._evm.revert(checkpoint)
                    made = embedded._account_info(nonce=info.nonce, balance=info.balance, code=told)
                    chain._write({}, {address: made})

    def note(self, chain: Any, data: bytes) -> None:
        """Keep what the call that just ran passed, while its journal stands."""
        found = {int(text, 16) for text in _ASKED.findall(chain._evm.journal_str)}
        self.passed[data[:4].hex()] |= {number for number in found if FIRST <= number <= LAST}


class Server:
    """The pytest plugin."""

    def __init__(self, plan: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        self.plan = plan
        self.say = say
        self.switch: Any = Picked(plan["mutants"]) if plan.get("twin") else Switch()
        self.seconds: dict[str, float] = {}
        self.kills: Counter[str] = Counter(plan.get("kills", {}))
        self.near: dict[str, Counter[str]] = defaultdict(Counter)  # by the mutated function

    def pytest_collection(self) -> None:
        """Few drawn examples, always the same, none kept."""
        settings.register_profile(
            "mutation",
            max_examples=EXAMPLES,
            stateful_step_count=15,
            derandomize=True,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests: judge the mutants."""
        skip = tuple(self.plan.get("deselect", ()))
        items = [item for item in session.items if not item.nodeid.startswith(skip)] if skip else list(session.items)
        cold = self._cold(items)
        failed = self._baseline(items)
        if len(failed) > MOST_LEFT_OUT * len(items):
            return True
        items = [item for item in items if item.nodeid not in failed]
        gc.collect()
        gc.freeze()
        reach = self._reach(items)
        self.say({"reached": len({k for found in reach.values() for k in found})})
        by_id = {item.nodeid: item for item in items}
        jobs = []
        for mutant in self.plan["mutants"]:
            number = mutant["number"]
            found = [name for name, passed in reach.items() if number in passed]
            if found:
                jobs.append((mutant["id"], number, found))
            else:
                os.write(cold, json.dumps([mutant["id"], number, "unreached"]).encode() + b"\n")
        for name, number in self._judge(jobs, by_id):  # what a fixture did with it, no test looked at again
            os.write(cold, json.dumps([name, number, "survived"]).encode() + b"\n")
        os.close(cold)
        self._collect_cold()
        return True

    # ----------------------------------------------------------------------------------------------------- baseline

    def _baseline(self, items: list[pytest.Item]) -> set[str]:
        """Run every test; those that fail."""
        begun, failed = time.monotonic(), []
        for k, item in enumerate(items):
            start = time.monotonic()
            reports = runtestprotocol(item, nextitem=items[(k + 1) % len(items)], log=False)
            self.seconds[item.nodeid] = time.monotonic() - start
            bad = next((report for report in reports if report.failed), None)
            if bad is not None:
                failed.append({"test": item.nodeid, "why": str(bad.longrepr)[-1500:]})
        self.say({"baseline": {"tests": len(items), "seconds": round(time.monotonic() - begun, 2), "failed": failed}})
        return {item["test"] for item in failed}

    def _reach(self, items: list[pytest.Item]) -> dict[str, set[int]]:
        """Which mutants each test passes.

        A call that reverts leaves no journal: it is taken to pass whatever any call of the same function passed, and
        what stands beside that and no call passed.
        """
        passed: dict[str, set[int]] = {}
        refused: dict[str, set[str]] = {}
        by_selector: dict[str, set[int]] = defaultdict(set)

        def task(item: pytest.Item) -> Callable[[], Any]:
            def run() -> Any:
                _leave_for(item)
                self.switch.trace()
                _run(item, item.parent)
                found = {selector: sorted(numbers) for selector, numbers in self.switch.passed.items()}
                return {"passed": found, "refused": sorted(self.switch.refused)}

            return run

        for name, answer, _ in self._fork_all([(item.nodeid, task(item), 120.0) for item in items]):
            said = answer if isinstance(answer, dict) else {"passed": {}, "refused": []}
            passed[name] = {number for numbers in said["passed"].values() for number in numbers}
            refused[name] = set(said["refused"])
            for selector, numbers in said["passed"].items():
                by_selector[selector] |= set(numbers)
        anywhere = set().union(*by_selector.values())
        for selector, numbers in by_selector.items():
            by_selector[selector] = numbers | self._beside(numbers, anywhere)
        return {
            name: found.union(*(by_selector[selector] for selector in refused[name])) for name, found in passed.items()
        }

    def _beside(self, passed: set[int], anywhere: set[int]) -> set[int]:
        """Mutants that only a call which reverts can reach: those that none passed, of functions that these passed."""
        mutants = self.plan["mutants"]
        functions = {mutant["function"] for mutant in mutants if mutant["number"] in passed}
        return {m["number"] for m in mutants if m["function"] in functions and m["number"] not in anywhere}

    # ------------------------------------------------------------------------------------------------------- judging

    def _judge(
        self, jobs: list[tuple[str, int, list[str]]], items: dict[str, pytest.Item]
    ) -> Iterator[tuple[str, int]]:
        """Judge mutants by the tests that reach them; those that survive."""
        numbers = {name: number for name, number, _ in jobs}
        function = {mutant["id"]: mutant["function"] for mutant in self.plan["mutants"]}

        def tasks() -> Iterator[tuple[str, Callable[[], Any], float]]:
            for name, number, found in jobs:
                near = self.near[function[name]]

                def cost(test: str, near: Counter[str] = near) -> float:
                    return (self.seconds[test] + 0.02) / (1 + self.kills[test] + 10 * near[test])

                order = sorted(found, key=cost)
                limit = 15.0 + 6.0 * sum(self.seconds[test] for test in order)

                def run(number: int = number, order: list[str] = order) -> Any:
                    self.switch.turn(number)
                    return _first_failure([items[test] for test in order])

                yield name, run, limit

        for name, answer, seconds in self._fork_all(tasks()):
            if answer is None:
                self.say({"mutant": name, "killed": None, "how": "timeout", "seconds": seconds})
            elif answer:
                self.kills[answer] += 1
                self.near[function[name]][answer] += 1
                self.say({"mutant": name, "killed": answer, "how": "test", "seconds": seconds})
            else:
                yield name, numbers[name]

    def _fork_all(self, tasks: Any) -> Iterator[tuple[str, Any, float]]:
        """Run tasks in forked children, so many at once; each one's name, answer (None: out of time) and seconds."""
        waiting = iter(tasks)
        running: dict[int, tuple[str, int, float, float, list[bytes]]] = {}
        more = True
        while more or running:
            while more and len(running) < self.plan["jobs"]:
                task = next(waiting, None)
                if task is None:
                    more = False
                    break
                name, run, limit = task
                read, write = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.close(read)
                    _child(run, write)
                os.close(write)
                running[read] = (name, pid, time.monotonic(), limit, [])
            ready, _, _ = select.select(list(running), [], [], 0.5)
            for read in ready:
                name, pid, start, limit, parts = running[read]
                part = os.read(read, 1 << 16)
                if part:
                    parts.append(part)
                    continue
                os.close(read)
                os.waitpid(pid, 0)
                del running[read]
                text = b"".join(parts)
                # a child that died without a word was killed by its mutant: an abort within the chain's library
                yield name, json.loads(text) if text else "the process", round(time.monotonic() - start, 2)
            for read, (name, pid, start, limit, _) in list(running.items()):
                if time.monotonic() - start > limit:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    os.close(read)
                    del running[read]
                    yield name, None, round(time.monotonic() - start, 2)

    # ---------------------------------------------------------------------------------------------------------- cold

    def _cold(self, items: list[pytest.Item]) -> int:
        """A child from before any fixture stands, that waits for mutants no test reaches; where to write them."""
        read, write = os.pipe()
        back_read, back_write = os.pipe()
        if os.fork() == 0:
            os.close(write)
            os.close(back_read)
            with os.fdopen(read) as lines, os.fdopen(back_write, "w") as out:
                asked = [json.loads(line) for line in lines]
                firsts = list({item.path: item for item in reversed(items)}.values())[::-1]
                chosen = [*firsts, *(item for item in items if "test_init" in item.nodeid and item not in firsts)]

                def tasks() -> Iterator[tuple[str, Callable[[], Any], float]]:
                    for name, number, _ in asked:

                        def run(number: int = number) -> Any:
                            self.switch.turn(number)
                            return _first_failure(chosen)

                        yield name, run, 120.0

                otherwise = {name: how for name, _, how in asked}
                for name, answer, seconds in self._fork_all(tasks()):
                    how = "timeout" if answer is None else "test" if answer else otherwise[name]
                    out.write(
                        json.dumps({"mutant": name, "killed": answer or None, "how": how, "seconds": seconds}) + "\n"
                    )
                    out.flush()
            os._exit(0)
        os.close(read)
        os.close(back_write)
        self._back = back_read
        return write

    def _collect_cold(self) -> None:
        with os.fdopen(self._back) as lines:
            for line in lines:
                self.say(json.loads(line))


def _run(item: pytest.Item, following: Any) -> bool:
    """Whether a test passes, what its own fixtures find in the end among it; those that `following` shares stay."""
    reports = runtestprotocol(item, nextitem=following, log=False)
    return not any(report.failed for report in reports)


def _first_failure(items: list[pytest.Item]) -> str:
    """The first test that fails, or nothing."""
    if not items:
        return ""
    _leave_for(items[0])
    for k, item in enumerate(items):
        if not _run(item, items[k + 1] if k + 1 < len(items) else item.parent):
            return item.nodeid
    return ""


def _leave_for(item: pytest.Item) -> None:
    """End what stands of other tests, and not of this one."""
    item.session._setupstate.teardown_exact(item)


def _child(run: Callable[[], Any], write: int) -> None:
    """Run, answer, be gone: nothing of the parent's is torn down."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    gc.disable()
    try:
        answer = run()
    except BaseException as error:  # noqa: BLE001 - whatever a mutant makes the machinery raise, it was noticed
        answer = f"{type(error).__name__}: {error}"[:300]
    with os.fdopen(write, "w") as out:
        out.write(json.dumps(answer))
    os._exit(0)


def main(arguments: list[str]) -> int:
    """Serve one plan."""
    plan = json.loads(Path(arguments[0]).read_text())
    out = os.fdopen(int(arguments[1]), "w")
    owner = os.getpid()

    def say(message: dict[str, Any]) -> None:
        if os.getpid() == owner:
            out.write(json.dumps(message) + "\n")
            out.flush()

    server = Server(plan, say)
    marks = "not long and not node and not data"
    args = ["-q", "-p", "no:cacheprovider", "-p", "no:ape_test", "--assert=plain", "--tb=native", "-m", marks]
    code = pytest.main([*args, *plan["tests"]], plugins=[server])
    out.close()
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
