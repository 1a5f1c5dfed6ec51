"""A co-signer asked to sign a report of some of the underlyings it sees."""

from dataclasses import replace

import pytest

from plimsoll.market.snapshot import Snapshot
from plimsoll.nodes.wire import Proposal
from plimsoll.risk.report_parts import part
from plimsoll.spec.instruments import MASK_ID

from .conftest import MAX_AGE, NOW, UNDERLYING, Eyes, snapshot

OTHER = UNDERLYING + 1


def moved_to(market, underlying):
    """The same market under another number."""
    shift = (underlying - market.underlying) << 112
    return replace(market, underlying=underlying, instruments=tuple((i + shift) & MASK_ID for i in market.instruments))


def both(time=NOW, index=100.0):
    (market,) = snapshot(time, index).markets
    return Snapshot(time, (market, moved_to(market, OTHER)))


class TwoEyes(Eyes):
    """What a node sees of two underlyings."""

    def look(self):
        return replace(super().look(), max_age=MAX_AGE, snapshot=lambda at: replace(both(), market_time=at))


@pytest.fixture
def node(cosigner):
    made = cosigner()
    made.observer = TwoEyes()
    return made


@pytest.mark.parametrize("only", [(UNDERLYING,), (OTHER,), (UNDERLYING, OTHER)])
def test_a_part_is_recomputed_and_signed(node, engine, only):
    report = part(engine.whole(both()), only)
    assert node.answer(Proposal.of("keeper", report)).signature is not None


def test_at_the_time_of_a_report_of_others_it_is_signed_and_of_the_same_it_is_not(node, engine):
    first = engine.report(both(), only=(UNDERLYING,))
    node.observer = TwoEyes(sequence=1, previous=first.state)
    rest = engine.report(both(), first.state, only=(OTHER,))
    assert node.answer(Proposal.of("keeper", rest)).signature is not None
    again = replace(first, report=replace(first.report, sequence=3))
    answer = node.answer(Proposal.of("keeper", again))
    assert (answer.signature, answer.error) == (None, "cannot recompute: ReportError")


def test_an_underlying_that_is_not_seen_is_refused_by_name(cosigner, engine):
    answer = cosigner().answer(Proposal.of("keeper", engine.report(both())))
    (said,) = answer.disagreements
    assert (said.what, said.own, said.proposed) == ("underlyings", f"[{UNDERLYING}]", f"[{UNDERLYING}, {OTHER}]")


def test_a_report_of_nothing_is_refused(node, engine):
    built = engine.report(both())
    empty = replace(built.report, surfaces=(), scalars=(), classes=())
    answer = node.answer(Proposal("liar", empty, ()))
    assert [item.what for item in answer.disagreements] == ["underlyings"]


@pytest.mark.parametrize("field", ["surfaces", "scalars", "classes"])
def test_a_part_of_an_underlying_is_refused(node, engine, field):
    built = engine.report(both(), only=(OTHER,))
    report = replace(built.report, **{field: getattr(built.report, field)[1:]})
    codes = built.codes[1:] if field == "surfaces" else built.codes
    answer = node.answer(Proposal("liar", report, codes))
    assert field in {item.what for item in answer.disagreements}
