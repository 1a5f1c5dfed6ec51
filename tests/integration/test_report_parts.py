"""Reports of some underlyings, on the real contracts: who moved goes, who is near goes along, the rest stays."""

import pytest

from plimsoll import cli
from plimsoll.keeper.archive import Archive
from plimsoll.keeper.gas import BAND, estimate
from plimsoll.nodes.cosigner import ALREADY
from plimsoll.nodes.wire import Proposal
from plimsoll.risk.report_parts import part
from plimsoll.simulate.agreement import Agreement
from plimsoll.simulate.market import Party
from plimsoll.spec.report import digest
from tests.many import HOUR, PRICE, START, Many

BTC, ETH, SOL, DOGE = 257, 258, 513, 514
EIGHT = (*range(257, 261), *range(513, 517))
EXPIRY = START + 14 * 86_400


@pytest.fixture
def four(tmp_path):
    return Many(tmp_path, (BTC, ETH, SOL, DOGE), (EXPIRY,), 4)


def open_books(many, names, underlyings):
    """Books on these perpetuals, each against one maker."""
    found = []
    maker = Party.of("maker")
    for party in (maker, *map(Party.of, names)):
        many.venue.join(party)
        many.venue.fund(party, 10**6 * 10**18)
        found.append(party)
    for party in found[1:]:
        for u in underlyings:
            many.venue.trade(party, maker, many.perps[u], 5 * 10**18)
    return [party.account for party in found]


def replays(folder, sequence, capsys):
    """Whether `plimsoll replay` finds an archived report equal to the byte."""
    with pytest.raises(SystemExit) as left:
        cli.main(["replay", str(sequence), "--archive", str(folder)])
    return left.value.code == 0 and capsys.readouterr().out.endswith("equal\n")


def test_two_move_a_neighbour_goes_along_and_the_fourth_stays(four, tmp_path, capsys):
    nodes = [four.node(0), four.node(1)]
    keeper = four.keeper(signing=four.peers(nodes), archive=Archive(tmp_path / "reports"))
    assert keeper.round().posted.ok
    four.chain.advance(1)
    accounts = open_books(four, ["one", "other"], (BTC, ETH, DOGE))
    four.chain.advance(599)
    four.index({BTC: 1.009 * PRICE, ETH: 0.991 * PRICE, SOL: 1.0065 * PRICE, DOGE: 1.001 * PRICE})
    found = keeper.round()
    assert found.posted.ok
    assert {(reason.kind, reason.detail[:14]) for reason in found.reasons} == {
        ("gate", f"underlying {BTC}"),
        ("gate", f"underlying {ETH}"),
        ("neighbour", f"underlying {SOL}"),
    }
    assert four.posts() == [(1, (BTC, ETH, SOL, DOGE)), (2, (BTC, ETH, SOL))]
    assert four.sequences() == {BTC: 2, ETH: 2, SOL: 2, DOGE: 1}
    held = keeper.reader.read()
    assert {(u, e): surface.time for (u, e), surface in held.surfaces.items()} == {
        (u, e): held.time if u != DOGE else START for u in (BTC, ETH, SOL, DOGE) for e in (0, EXPIRY)
    }
    # books over what was posted and what was not are fresh all the same, and as the twin has them
    agreement = Agreement(keeper.reader)
    margins = agreement.compare(accounts)
    assert agreement.mismatches == []
    assert all(margin.fresh for margin in margins.values())
    assert replays(tmp_path / "reports", 1, capsys)
    assert replays(tmp_path / "reports", 2, capsys)
    # what stayed glides from its own time: an hour and ten minutes on, co-signers of their own still agree
    four.chain.advance(HOUR)
    last = keeper.round()
    assert last.posted.ok
    assert four.sequences()[DOGE] == 3
    assert replays(tmp_path / "reports", 3, capsys)


def test_a_part_that_leaves_an_expiry_or_the_class_out_is_signed_by_nobody(four):
    node = four.node(0)
    keeper = four.keeper()
    four.chain.advance(1)
    held = keeper.reader.read()
    whole = keeper.engine.whole(keeper.source.snapshot(held), None, 1, rails=held.rails)
    honest = part(whole, (BTC, SOL))
    assert node.answer(Proposal.of("keeper", honest)).signature is not None
    for name, changes in {
        "surfaces": {"surfaces": honest.report.surfaces[1:]},
        "classes": {"classes": honest.report.classes[:1]},
        "scalars": {"scalars": honest.report.scalars[:1]},
    }.items():
        other = part(whole, (BTC, SOL))
        fields = {field: getattr(other.report, field) for field in ("surfaces", "scalars", "classes")} | changes
        report = type(other.report)(2, *_rest(other.report), **fields)
        codes = other.codes[1:] if name == "surfaces" else other.codes
        answer = node.answer(Proposal("liar", report, codes))
        assert name in {item.what for item in answer.disagreements}


def _rest(report):
    return report.market_time, report.urgent, report.model, report.config, report.snapshot


@pytest.fixture
def eight(tmp_path):
    return Many(tmp_path, EIGHT, (EXPIRY,), 4)


def limit_for(many, count):
    """A limit of gas that this many underlyings fit, the first time, and one more does not."""
    keeper = many.keeper()
    many.chain.advance(1)
    held = keeper.reader.read()
    whole = keeper.engine.whole(keeper.source.snapshot(held), None, 1, rails=held.rails)
    gas = [estimate(part(whole, EIGHT[:k]), held) for k in (count, count + 1)]
    return sum(gas) // 2


def test_a_venue_of_eight_takes_three_batches_each_under_the_limit(eight, tmp_path, capsys):
    limit = limit_for(eight, 3)
    keeper = eight.keeper(post_gas_limit=limit, archive=Archive(tmp_path / "reports"))
    rounds = [keeper.round() for _ in range(4)]  # of one moment: others may be posted at the time of the first
    assert [done.posted is not None and done.posted.ok for done in rounds] == [True, True, True, False]
    assert eight.posts() == [(1, EIGHT[:3]), (2, EIGHT[3:6]), (3, EIGHT[6:])]
    assert [line["waiting"] for line in eight.recorder.of("post-due")] == [2, 1, 0]
    for done in rounds[:3]:
        assert 0 < done.posted.gas <= limit * (1 + BAND)
    assert all(replays(tmp_path / "reports", sequence, capsys) for sequence in (1, 2, 3))
    # an hour on, slots are written already, and four fit: past the gate goes first, then who has waited longest
    eight.chain.advance(HOUR)
    eight.index({EIGHT[7]: 1.011 * PRICE})
    again = [keeper.round() for _ in range(3)]
    assert [done.posted is not None and done.posted.ok for done in again] == [True, True, False]
    assert eight.posts()[3:] == [(4, (*EIGHT[:3], EIGHT[7])), (5, EIGHT[3:7])]


def test_a_kill_between_batches_posts_none_twice(eight):
    limit = limit_for(eight, 3)
    for number in (1, 2, 3):
        # who starts anew knows what is on the chain, and what its journal says it sent
        keeper = eight.keeper(post_gas_limit=limit, last=number - 1)
        assert keeper.round().posted.ok
        eight.chain.advance(12)
    assert eight.keeper(post_gas_limit=limit, last=3).round().posted is None
    assert eight.posts() == [(1, EIGHT[:3]), (2, EIGHT[3:6]), (3, EIGHT[6:])]


def test_two_keepers_and_one_set_of_co_signers_use_no_sequence_twice(eight):
    limit = limit_for(eight, 3)
    nodes = [eight.node(0), eight.node(1)]
    one, other = (eight.keeper(post_gas_limit=limit, signing=eight.peers(nodes)) for _ in range(2))
    # the first has its batch signed, and dies before it posts
    held = one.reader.read()
    built, _ = one.assess(held)
    signed = digest(built.report, eight.chain.chain_id, eight.system.oracle.address)
    one.poster.signing.sign(built, signed)
    eight.chain.advance(1)
    refused = other.round()
    assert f"{ALREADY}: own 2, proposed 1" in refused.error  # the sequence is given away, to something else
    for number in range(4):
        done = (other, eight.keeper(post_gas_limit=limit, signing=eight.peers(nodes)))[number % 2].round()
        eight.chain.advance(1)
        if done.error:  # a keeper that starts anew learns of given sequences by being refused once
            assert ALREADY in done.error
    while other.round().posted is not None:
        eight.chain.advance(1)
    posts = eight.posts()
    sequences = [sequence for sequence, _ in posts]
    assert sequences == sorted(set(sequences))
    assert sorted(u for _, numbers in posts for u in numbers) == list(EIGHT)
    assert len({line["sequence"] for line in eight.recorder.of("posted")}) == len(posts)


def test_a_batch_that_is_refused_holds_no_other_up(eight, monkeypatch):
    limit = limit_for(eight, 3)
    keeper = eight.keeper(post_gas_limit=limit)
    real = keeper.poster.signing.sign

    def refuse_the_first(built, signed):
        good = built.scalars[0].underlying != EIGHT[0]
        return real(built, signed) if good else real(built, signed)[:1]

    monkeypatch.setattr(keeper.poster.signing, "sign", refuse_the_first)
    done = [keeper.round() for _ in range(3)]
    assert done[0].error == "post refused: oracle: below quorum"
    assert [item.posted.ok for item in done] == [False, True, False]
    assert eight.posts()[0][1] == EIGHT[3:6]
