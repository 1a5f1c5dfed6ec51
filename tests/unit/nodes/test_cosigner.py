"""The co-signer: signs what it finds itself, once a sequence, in its own time, for its own chain; nothing else."""

from dataclasses import replace

import pytest

from plimsoll.market.errors import SourceNotFoundError
from plimsoll.nodes.cosigner import ALREADY, WINDOW
from plimsoll.nodes.tolerance import DEFAULT
from plimsoll.nodes.wire import Proposal
from plimsoll.risk.models import Posted, State
from plimsoll.risk.signing import recover
from plimsoll.simulate.nodes import forged, zero_lanes
from plimsoll.spec.report import digest

from .conftest import ADDRESSES, CHAIN_ID, KEYS, MAX_AGE, NOW, ORACLE, UNDERLYING, again, closes, snapshot


def test_it_signs_what_it_finds_itself(cosigner, proposal, journal):
    node = cosigner(now=NOW - 3, index=100.03)
    answer = node.answer(proposal)
    assert recover(digest(proposal.report, CHAIN_ID, ORACLE), answer.signature) == ADDRESSES[0]
    (line,) = journal
    assert (line["kind"], line["proposer"], line["sequence"]) == ("node-signed", "somebody", 1)


def test_it_looks_with_its_own_eyes(cosigner, proposal, journal):
    """A true report of another market is not signed: each number that differs is told."""
    answer = cosigner(close=closes(seed=6)).answer(proposal)
    assert answer.signature is None
    assert {"psr", "lane"} <= {item.what for item in answer.disagreements}
    assert journal[0]["kind"] == "node-refused"
    assert journal[0]["count"] == answer.count > 8


def test_a_lane_is_refused_with_both_numbers(cosigner, built):
    lanes = (0,) * 32
    surface = built.surfaces[1]
    rows = (replace(surface.rows[0], lanes=lanes), *surface.rows[1:])
    lie = forged(built, lambda s: replace(s, rows=rows) if s.expiry else s)
    answer = cosigner().answer(Proposal.of("liar", lie))
    assert answer.signature is None
    told = {(d.row, d.lane): (d.own, d.proposed) for d in answer.disagreements}
    own = surface.rows[0].lanes
    assert told == {
        (0, k): (own[k], 0)
        for k in range(32)
        if abs(own[k]) > 1 + DEFAULT.lane // (10 * surface.scale) + abs(own[k]) * DEFAULT.lane_share // 10**6
    }
    assert len(told) > 20


def test_the_glide_starts_where_the_chain_stands(cosigner, engine, built):
    """What the chain holds is the node's to read: a proposer cannot claim another start."""
    held = {UNDERLYING: Posted(built.forecasts[UNDERLYING].psr * 2, 400_000, 250_000)}
    state = State(4, NOW - 3_600, held, dict(built.state.offsets))
    answer = cosigner(sequence=4, previous=state).answer(again(engine, sequence=5))
    assert {"psr"} <= {item.what for item in answer.disagreements}


def test_small_lies_do_not_add_up(cosigner, engine, built):
    """Who takes all of the tolerance each time gets it once: the second report is refused, though it asks no more."""
    scan = built.forecasts[UNDERLYING].psr
    state, signed, now = built.state, 0, NOW
    for number in range(2, 12):
        now += 60
        node = cosigner(now=now, sequence=number - 1, previous=state)
        honest = engine.report(snapshot(now), state, number)
        less = replace(state.posted[UNDERLYING], psr=round(honest.forecasts[UNDERLYING].psr * 0.985))
        base = replace(state, sequence=0, market_time=now - 1, posted={UNDERLYING: less})
        lie = engine.report(snapshot(now), base, number)
        if node.answer(Proposal.of("liar", lie)).signature is None:
            break
        signed += 1
        state = lie.state
    assert signed == 1
    assert state.posted[UNDERLYING].psr >= scan * (1 - DEFAULT.scan / 10**6)


@pytest.mark.parametrize("sequence", [3, 4, 4 + WINDOW + 1, 2**64 - 1])
def test_a_sequence_out_of_range(cosigner, proposal, sequence):
    node = cosigner(sequence=4, previous=State(4, NOW - 60))
    (said,) = node.answer(replace(proposal, report=replace(proposal.report, sequence=sequence))).disagreements
    assert (said.what, said.own, said.proposed) == ("sequence", 5, sequence)


@pytest.mark.parametrize("late", [DEFAULT.behind + 1, MAX_AGE + 1, -DEFAULT.ahead - 1])
def test_a_market_time_out_of_range(cosigner, proposal, late):
    (said,) = cosigner(now=NOW + late).answer(proposal).disagreements
    assert (said.what, said.own, said.proposed) == ("market_time", NOW + late, NOW)


def test_the_oracle_s_age_binds_where_it_is_the_tighter(cosigner, proposal, monkeypatch):
    node = cosigner(now=NOW + 31)
    look = node.observer.look
    monkeypatch.setattr(node.observer, "look", lambda: replace(look(), max_age=30))
    (said,) = node.answer(proposal).disagreements
    assert (said.what, said.tolerance) == ("market_time", 30)


def test_one_report_a_sequence(cosigner, engine, proposal, opened):
    promises = opened()
    node = cosigner(promises=promises)
    first = node.answer(proposal).signature
    other = again(engine, time=NOW + 1)
    for _ in range(2):  # before and after a restart
        (said,) = node.answer(other).disagreements
        assert (said.what, said.own, said.proposed) == (ALREADY, 2, 1)
        assert node.answer(proposal).signature == first
        promises.close()
        promises = opened()
        node = cosigner(promises=promises)
    assert node.answer(again(engine, sequence=2, time=NOW + 1)).signature is not None


def test_a_refused_report_promises_nothing(cosigner, engine, built, proposal):
    node = cosigner()
    assert node.answer(Proposal.of("liar", forged(built, zero_lanes))).signature is None
    assert node.answer(proposal).signature is not None


def test_a_sequence_that_failed_is_free_after_max_age(cosigner, engine, proposal):
    node = cosigner()
    assert node.answer(proposal).signature is not None
    node.observer.now = NOW + MAX_AGE + 1
    later = again(engine, time=NOW + MAX_AGE + 1)
    assert node.answer(later).signature is not None


def test_no_signature_without_a_promise_on_disk(cosigner, proposal, opened, journal):
    promises = opened()
    promises._file.close()
    answer = cosigner(promises=promises).answer(proposal)
    assert (answer.signature, answer.error) == (None, "cannot recompute: PromiseError")
    assert journal[0]["kind"] == "node-blind"


def test_a_node_that_sees_nothing_says_no_more_than_that(cosigner, proposal, journal):
    error = SourceNotFoundError("/secret/place", "no such file", "another")
    answer = cosigner(error=error).answer(proposal)
    assert answer.error == "cannot recompute: SourceNotFoundError"
    assert "/secret/place" in journal[0]["error"]


def test_busy_is_said(cosigner, proposal, monkeypatch):
    node = cosigner()
    monkeypatch.setattr("plimsoll.nodes.cosigner.BUSY", 0.01)
    with node._one:
        assert node.answer(proposal).error == "busy with other proposals"
    assert node.answer(proposal).signature is not None


def test_the_key_is_nowhere(cosigner, proposal, journal):
    node = cosigner()
    node.answer(proposal)
    assert KEYS[0] not in repr(node) + repr(journal)
