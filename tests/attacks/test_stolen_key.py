"""One key of three is stolen: what is posted never leaves what the honest two sign.

The thief sees every report and every signature as soon as it is made, and the oracle is open to anyone. He posts late,
out of order, again; he recombines signatures, signs what he likes with his key, once, twice, malleated, in the short
form, for the usual quorum and for the urgent one, for this chain and others. The honest nodes sign one report a
sequence each; now and then one of them is away, or they sign different ones.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plimsoll.risk.signing import sign
from plimsoll.spec.errors import Refused
from plimsoll.spec.report import Report, pack_scalars, unpack_scalars
from tests.agreement.test_planted import faulty_contracts
from tests.attacks.desk import ADMIN, KEYS, Desk
from tests.counts import record
from tests.strategies import Seeded, Source, chance, pick

SHARDS = 4
SEQUENCES = {"quick": 8, "ci": 60, "figures": 1_000, "long": 1_000}[os.environ.get("PLIMSOLL_PROFILE", "quick")]
STEPS = 8
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ZERO = bytes(32)
U = 0x0101


class Heist:
    """One sequence: two honest nodes, and the thief with the third key."""

    def __init__(self, desk: Desk, source: Source) -> None:
        self.desk, self.source = desk, source
        self.stolen = source.integer(0, 2)
        self.honest = [key for k, key in enumerate(KEYS) if k != self.stolen]
        self.thief = KEYS[self.stolen]
        self.seen: list[tuple[Report, dict[int, bytes]]] = []  # reports with the signatures that honest nodes made
        self.base = self.posted()
        self.refusals: set[str] = set()
        self.first = unpack_scalars(self.base[2])
        self.promised: dict[int, set[bytes]] = {}  # sequence: digests that an honest node signed

    # -------------------------------------------------------------------------------------------- honest nodes

    def report(self, sequence: int) -> Report:
        """What an honest node finds: numbers that move a little."""
        source = self.source
        # only what the guardrails let move at once: here the signatures are what is tried
        scalars = replace(self.first, volatility=source.integer(400_000, 800_000), funding=source.integer(-100, 100))
        return Report(
            sequence,
            self.desk.chain.now,
            False,
            ZERO,
            ZERO,
            source.blob(32),
            (),
            (pack_scalars(scalars),),
            (self.base[3],),
        )

    def sign_honestly(self) -> None:
        """Both sign the same report, or one is away, or each finds another: the thief sees it all."""
        sequence = max([self.desk.oracle.call("sequence"), *(r.sequence for r, _ in self.seen)]) + 1
        way = self.source.integer(0, 3)
        both = [self.report(sequence)] * 2 if way < 2 else [self.report(sequence), self.report(sequence)]
        for k, (report, key) in enumerate(zip(both, self.honest, strict=True)):
            if way == 2 and k == 1:
                break
            digest = self.desk.digest(report)
            self.promised.setdefault(sequence, set()).add(digest)
            known = next((s for r, s in self.seen if r == report), None)
            if known is None:
                known = {}
                self.seen.append((report, known))
            known[KEYS.index(key)] = sign(digest, key)

    # -------------------------------------------------------------------------------------------------- the thief

    def attack(self) -> None:
        """One thing that he tries."""
        source = self.source
        if not self.seen:
            return
        report, signatures = pick(source, self.seen)
        way = source.integer(0, 9)
        lie = replace(report, scalars=(self.lie(),), sequence=report.sequence + source.integer(0, 3))
        own, on_lie = self.own(report), self.own(lie)
        honest = [signatures[k] for k in sorted(signatures)]
        if way == 0:  # as it is, late or early
            self.post(report, honest)
        elif way == 1:  # with his own beside it
            self.post(report, [s for _, s in sorted([*signatures.items(), (self.stolen, own)])])
        elif way == 2:  # his lie with their signatures of something else
            self.post(lie, [s for _, s in sorted([*signatures.items(), (self.stolen, on_lie)])])
        elif way == 3:  # himself twice
            self.post(lie, [on_lie, pick(source, (on_lie, self.short(on_lie), self.other_root(on_lie)))])
        elif way == 4:  # alone, for the usual quorum and for the urgent one
            alone = replace(lie, urgent=chance(source, 50))
            self.post(alone, [self.own(alone)] * source.integer(1, 3))
        elif way == 5:  # with a stranger who is zero, or nobody
            self.post(lie, pick(source, ([bytes(65), on_lie], [on_lie, bytes(65)], [b"", on_lie], [on_lie, b""])))
        elif way == 6:  # what they signed on another chain or for another contract
            other = self.desk.digest(lie, chain_id=self.desk.chain.chain_id + 1)
            elsewhere = self.desk.digest(lie, oracle=f"0x{source.integer(1, 2**160 - 1):040x}")
            theirs = [sign(pick(source, (other, elsewhere)), key) for key in self.honest]
            self.post(lie, [s for _, s in sorted(zip([KEYS.index(k) for k in self.honest], theirs, strict=True))])
        elif way == 7:  # every signature that was ever seen
            stock = [s for _, known in self.seen for s in known.values()]
            self.post(lie, [pick(source, stock), pick(source, [*stock, on_lie])])
        elif way == 8:  # the numbers of one report under another's name
            other, theirs = pick(source, self.seen)
            self.post(replace(report, scalars=other.scalars, classes=other.classes), [*theirs.values(), own])
        else:  # a flood of sequence numbers, to shut the honest out
            self.post(replace(lie, sequence=2**63), [on_lie, self.own(replace(lie, sequence=2**63))])

    def lie(self) -> int:
        """A word that would suit him, and that the guardrails let pass: nobody may open anything any more."""
        return pack_scalars(replace(self.first, im_factor=2**24 - 1, volatility=2**32 - 1, funding=-(2**15)))

    def own(self, report: Report) -> bytes:
        return sign(self.desk.digest(report), self.thief)

    @staticmethod
    def short(signature: bytes) -> bytes:
        """EIP-2098."""
        s = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
        return signature[:32] + s.to_bytes(32, "big")

    @staticmethod
    def other_root(signature: bytes) -> bytes:
        s = ORDER - int.from_bytes(signature[32:64], "big")
        return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])

    def post(self, report: Report, signatures: list[bytes]) -> None:
        try:
            self.desk.oracle.transact("post", report, signatures[:16], [], b"", sender=ADMIN)
        except Refused as refused:
            self.refusals.add(refused.reason)  # whether with the right error is another test's

    # -------------------------------------------------------------------------------------------- what must hold

    def posted(self) -> tuple[Any, ...]:
        oracle = self.desk.oracle
        return tuple(oracle.call(*view) for view in (("sequence",), ("market_time",), ("scalars", U), ("classes", 1)))

    def moved(self) -> bool:
        """Whether the posted state is neither what it began with nor a report that an honest node signed."""
        found = self.posted()
        if found == self.base:
            return False
        return not any(
            found == (report.sequence, report.market_time, report.scalars[0], report.classes[0])
            and self.desk.digest(report) in self.promised.get(report.sequence, ())
            for report, _ in self.seen
        )


def steal(desk: Desk, source: Source) -> tuple[bool, int]:
    """A sequence; whether the state ever moved outside, and how many reports were believed in it."""
    heist = Heist(desk, source)
    for _ in range(STEPS):
        if chance(source, 50):
            desk.chain.advance(source.integer(1, 3_600))
        if chance(source, 60):
            heist.sign_honestly()
            report, signatures = heist.seen[-1]
            if chance(source, 50):
                heist.post(report, [signatures[k] for k in sorted(signatures)])
        for _ in range(2):
            heist.attack()
            if heist.moved():
                return True, 0
    return False, len({report.sequence for report, _ in heist.seen if report.sequence <= heist.posted()[0]})


def begun(replaced: Any = None) -> Desk:
    """A deployment with a first report."""
    desk = Desk(Seeded(7), replaced)
    desk.move()
    built = desk.build()
    assert desk.post(desk.signed(built.report, built.codes)) is None
    return desk


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_nothing_moves_outside_what_honest_nodes_sign(shard: int) -> None:
    desk = begun()
    moved = believed = 0
    for seed in range(shard, SEQUENCES, SHARDS):
        with desk.chain.isolate():
            outside, count = steal(desk, Seeded(seed))
            moved += outside
            believed += count
    record(stolen_sequences=len(range(shard, SEQUENCES, SHARDS)), stolen_moved=moved, stolen_believed=believed)
    assert moved == 0
    assert believed > SEQUENCES // SHARDS // 2


@pytest.mark.long
def test_a_quorum_of_one_less_is_seen(tmp_path: Path) -> None:
    change = ("RiskOracle.vy", "len(signatures) >= quorum", "len(signatures) + 1 >= quorum")
    desk = begun(faulty_contracts(tmp_path, ["RiskOracle"], *change))
    found = False
    for seed in range(20):
        with desk.chain.isolate():
            found = found or steal(desk, Seeded(seed))[0]
    record(planted_attacks=1, planted_attacks_found=int(found))
    assert found
