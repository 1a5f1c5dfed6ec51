"""Whether what the chain shows is what should have happened. Each check is a list of what is wrong: none, all is well.

twice       a report's sequence mined in two transactions, failed ones included
missed      an account that anybody could call or put up for auction, and that stayed so for more than `WITHIN`
blocks in which no fault lay on the keeper
unbid       an auction that was never bid on, though its discount was whole for as long
disagree    the journal says other than the chain: a transaction, its nonce, its outcome
overspent   more was paid than the settings allow
thin        a report made from fewer sources than the settings ask for
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from plimsoll.simulate.rig.journal import Entry
from plimsoll.simulate.rig.watch import Mined, Stand

WITHIN: Final = 10  # blocks
Cover = tuple[int, int]  # first and last block that a fault lay on the keeper


def twice(posts: Iterable[tuple[int, int, bool]]) -> list[str]:
    """Sequences that were mined more than once."""
    blocks: dict[int, list[int]] = defaultdict(list)
    for block, sequence, _ in posts:
        blocks[sequence].append(block)
    return [f"report {sequence} in blocks {found}" for sequence, found in blocks.items() if len(found) > 1]


def longest_wait(stands: Sequence[Stand], covers: Sequence[Cover], steps: Iterable[str]) -> dict[int, int]:
    """Account -> the most uncovered blocks in a row for which one of these steps was due for it and was not taken.

    A step that is due at the end of a block and taken in the next has waited for one. A fault in between begins the
    count anew: so long after its recovery one may take.
    """
    wanted = set(steps)
    runs: dict[int, tuple[int, int]] = {}  # account: last block, uncovered blocks in a row so far
    worst: dict[int, int] = {}
    for stand in sorted(stands, key=lambda item: item.block):
        if stand.due not in wanted:
            runs.pop(stand.account, None)
            continue
        last, count = runs.get(stand.account, (stand.block - 1, 0))
        covered = any(first <= stand.block <= until for first, until in covers)
        count = 0 if covered else count + 1 if last == stand.block - 1 else 1
        runs[stand.account] = (stand.block, count)
        worst[stand.account] = max(worst.get(stand.account, 0), count)
    return worst


def missed(stands: Sequence[Stand], covers: Sequence[Cover], within: int = WITHIN) -> list[str]:
    """Accounts that were let stand."""
    waits = longest_wait(stands, covers, ("call", "start"))
    return [f"account {account:#x} waited {blocks} blocks" for account, blocks in waits.items() if blocks > within]


def unbid(stands: Sequence[Stand], covers: Sequence[Cover], bids: Iterable[int], within: int = WITHIN) -> list[str]:
    """Auctions that stood open with their whole discount as long, and were never bid on."""
    taken = set(bids)
    waits = longest_wait(stands, covers, ("bid",))
    return [
        f"account {account:#x} stood in auction for {blocks} blocks without a bid"
        for account, blocks in waits.items()
        if blocks > within and account not in taken
    ]


def disagree(
    mined: Sequence[Mined], entries: Sequence[Entry], attempts: Mapping[str, int], foreign: Iterable[str] = ()
) -> list[str]:
    """Where journal and chain differ.

    Parameters
    ----------
    mined
        Every transaction of the keeper's keys on the chain.
    entries, attempts
        The journal's.
    foreign
        Hashes of transactions of these keys that the keeper did not send.
    """
    others = {item.lower() for item in foreign}
    on_chain = {item.hash.lower(): item for item in mined if item.hash.lower() not in others}
    by_id = {entry.id: entry for entry in entries}
    found = []
    for hashed, item in on_chain.items():
        entry = by_id.get(attempts.get(hashed, -1))
        what = f"transaction {hashed[:12]} of block {item.block}"
        if entry is None:
            found.append(f"{what} is not in the journal")
        elif entry.hash != hashed or not entry.on_chain:
            found.append(f"{what}: the journal has it as {entry.state}, {entry.purpose} {entry.ref}".rstrip())
        elif entry.nonce != item.nonce or entry.failed is item.ok or entry.block != item.block:
            found.append(
                f"{what}: nonce {item.nonce}, {'went through' if item.ok else 'failed'}; the journal says block"
                f" {entry.block}, nonce {entry.nonce}, {entry.state}"
            )
    found += [
        f"the journal has {entry.purpose} {entry.ref} as {entry.state} in block {entry.block}: it is not on the chain"
        for entry in entries
        if entry.on_chain and entry.hash not in on_chain
    ]
    return found


def overspent(mined: Iterable[Mined], cap: float) -> list[str]:
    """Keys that paid more than `cap` [ether]."""
    paid: dict[str, int] = defaultdict(int)
    for item in mined:
        paid[item.sender] += item.cost
    return [
        f"{sender} spent {spent / 10**18:.4f} ether, {cap} a key is allowed"
        for sender, spent in paid.items()
        if spent > cap * 10**18
    ]


def thin(made: Mapping[int, float], times: Iterable[tuple[float, float]]) -> list[str]:
    """Reports of a time at which too few sources were good.

    Parameters
    ----------
    made
        Sequence -> when the chain came to the report's market time [unix s, by the wall's clock].
    times
        From and until when so few were [unix s].
    """
    return [
        f"report {sequence} is of a time at which too few sources were good"
        for sequence, at in made.items()
        if any(first < at < last for first, last in times)
    ]
