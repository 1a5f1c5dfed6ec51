"""Many blocks over several processes; what they come to, as they come."""

from __future__ import annotations

import gc
import multiprocessing
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from typing import Any

from tests.scale.engine import MOST_FINDINGS, Stands, Tally, run
from tests.scale.kind import CASES


def blocks_of(cases: int) -> list[tuple[int, int]]:
    """Blocks, and how many cases of each."""
    whole, rest = divmod(cases, CASES)
    return [(block, CASES) for block in range(whole)] + ([(whole, rest)] if rest else [])


def _work(taken: Any, seed: int, cases: int, kinds: Collection[str], results: Any) -> None:
    """Blocks, one by one, of those that no other process has taken: some take longer than others."""
    stands = Stands()
    gc.freeze()  # collected between blocks alone: in the midst of them it takes a twelfth of the time
    gc.disable()
    try:
        blocks = blocks_of(cases)
        while (place := _next(taken)) < len(blocks) and multiprocessing.parent_process().is_alive():
            block, count = blocks[place]
            results.put(run(stands, seed, block, kinds, count))
            gc.collect()
        results.put(Tally(processor=time.process_time()))
    except BaseException:
        results.put(traceback.format_exc())
        raise
    results.put(None)


def _next(taken: Any) -> int:
    """The next place of a list that several processes work off."""
    with taken.get_lock():
        place: int = taken.value
        taken.value += 1
    return place


def tallies(cases: int, seed: int, jobs: int, kinds: Collection[str]) -> Iterator[Tally]:
    """What each block comes to, in no order; of too many findings, no more.

    Raises
    ------
    RuntimeError
        Where a shard breaks.
    """
    if jobs == 1:
        stands, differ = Stands(), 0
        for block, count in blocks_of(cases):
            tally = run(stands, seed, block, kinds, count)
            differ += len(tally.findings)
            yield tally
            if differ >= MOST_FINDINGS:
                return
        return
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    taken = context.Value("q", 0)
    args = taken, seed, cases, kinds, results
    workers = [context.Process(target=_work, args=args, daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    left, differ = jobs, 0
    try:
        while left and differ < MOST_FINDINGS:
            found = results.get()
            if found is None:
                left -= 1
            elif isinstance(found, str):
                raise RuntimeError(f"a shard broke:\n{found}")
            else:
                differ += len(found.findings)
                yield found
    finally:
        for worker in workers:
            if differ or left:
                worker.terminate()
            worker.join()


def total(found: Iterator[Tally], progress: Callable[[int], None]) -> Tally:
    """All of them in one; `progress` is told how many cases came."""
    sums = Tally()
    for tally in found:
        sums.add(tally)
        progress(tally.cases)
    return sums
