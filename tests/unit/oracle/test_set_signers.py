"""RiskOracle.set_signers and remove_signer: ascending, two quorums, an overlap; a key that counts no more at once."""

from dataclasses import replace

import pytest

from tests.pairs import address_of, number
from tests.unit.clearinghouse.stage import ATTACKER, OWNER

RANGE = "oracle: quorum out of range"
ORDER = "oracle: signers zero or not ascending"
STRANGER = "ownable: caller is not the owner"
NOT_A_SIGNER = "oracle: not a signer"
ENDLESS = 2**256 - 1


def keys(stage):
    """Addresses of the stage's three signers."""
    return [address_of(name) for name in stage.pair.signers]


def entrust(stage):
    """Hand the oracle over to the timelock, which names guardians."""
    pair = stage.pair
    pair.hand_over("oracle", pair.twin.at.timelock)
    pair.must("timelock", "adopt", number(pair.contracts["oracle"].address))


def told(stage, **changes):
    """What the event says of the stage's signers, but for these."""
    known = tuple(keys(stage))
    old = {"old_signers": known, "old_quorum": 2, "old_urgent_quorum": 3}
    return old | {"signers": known, "quorum": 2, "urgent_quorum": 3, "overlap": 0} | changes


@pytest.mark.parametrize(
    ("signers", "quorum", "urgent", "overlap"),
    [([7], 1, 1, 0), ([1, 2, 2**160 - 1], 3, 3, 86_400), (list(range(1, 17)), 9, 16, 1), ([3, 4], 1, 2, 600)],
)
def test_they_are_set(stage, signers, quorum, urgent, overlap):
    stage.pair.must("oracle", "set_signers", signers, quorum, urgent, overlap, sender=OWNER)
    assert stage.ask("oracle", "signers") == tuple(signers)
    assert (stage.ask("oracle", "quorum"), stage.ask("oracle", "urgent_quorum")) == (quorum, urgent)
    assert all(stage.ask("oracle", "valid_until", signer) == ENDLESS for signer in signers)
    now = stage.pair.now
    assert all(stage.ask("oracle", "valid_until", signer) == now + overlap for signer in keys(stage))
    changes = {"signers": tuple(signers), "quorum": quorum, "urgent_quorum": urgent, "overlap": overlap}
    assert stage.last("oracle") == ("SignersSet", told(stage, **changes))


def test_who_stays_counts_without_end(stage):
    old = keys(stage)
    stage.pair.must("oracle", "set_signers", old[:2], 2, 2, 0, sender=OWNER)
    assert [stage.ask("oracle", "valid_until", who) for who in old] == [ENDLESS, ENDLESS, stage.pair.now]


def test_who_is_left_out_signs_no_more(stage):
    old = keys(stage)
    report, _ = stage.pair.report()
    stage.pair.must("oracle", "set_signers", [old[0], old[2]], 2, 2, 0, sender=OWNER)
    args = "oracle", "post", report
    stage.refuses(NOT_A_SIGNER, *args, stage.pair.signed(report, stage.pair.signers[:2]), [], b"")
    left = [stage.pair.signers[0], stage.pair.signers[2]]
    stage.pair.must(*args, stage.pair.signed(report, left), [], b"")
    assert stage.ask("oracle", "sequence") == 2


@pytest.mark.parametrize(("later", "counts"), [(0, True), (599, True), (600, False), (86_400, False)])
def test_who_leaves_counts_for_the_overlap(stage, later, counts):
    stage.pair.must("oracle", "set_signers", [keys(stage)[2]], 1, 1, 600, sender=OWNER)
    stage.later(later)
    report, _ = stage.pair.report()
    args = "oracle", "post", report, stage.pair.signed(report, stage.pair.signers[:1]), [], b""
    if counts:
        stage.pair.must(*args)
    else:
        stage.refuses(NOT_A_SIGNER, *args)
    assert stage.ask("oracle", "sequence") == 1 + counts


def test_who_left_before_counts_no_longer_for_another_change(stage):
    first, *_ = old = keys(stage)
    stage.pair.must("oracle", "set_signers", old[1:], 2, 2, 0, sender=OWNER)
    stage.pair.must("oracle", "set_signers", old[1:], 1, 2, 86_400, sender=OWNER)
    assert stage.ask("oracle", "valid_until", first) == stage.pair.now


@pytest.mark.parametrize(
    ("signers", "quorum", "urgent"),
    [
        ([1, 2], 0, 1),
        ([1, 2], 0, 0),
        ([1, 2], 3, 3),
        ([1, 2], 2, 1),  # the urgent one is no lower
        ([1, 2], 2, 3),
        ([1, 2], 1, 3),
        ([], 0, 0),
        ([], 1, 1),
        ([1], 2**255, 2**255),
    ],
)
def test_a_quorum_out_of_range(stage, signers, quorum, urgent):
    stage.refuses(RANGE, "oracle", "set_signers", signers, quorum, urgent, 0, sender=OWNER)


@pytest.mark.parametrize("overlap", [86_401, 2**256 - 1])
def test_an_overlap_out_of_range(stage, overlap):
    stage.refuses("oracle: overlap out of range", "oracle", "set_signers", keys(stage), 2, 3, overlap, sender=OWNER)


@pytest.mark.parametrize("signers", [[0], [0, 1], [2, 1], [1, 1], [1, 3, 2]])
def test_zero_or_not_ascending(stage, signers):
    stage.refuses(ORDER, "oracle", "set_signers", signers, 1, 1, 0, sender=OWNER)


@pytest.mark.parametrize("sender", [ATTACKER, address_of("guardian")])
def test_only_the_owner(stage, sender):
    stage.refuses(STRANGER, "oracle", "set_signers", [ATTACKER], 1, 1, 0, sender=sender)


def test_seventeen_are_too_many(stage):
    found = stage.on_chain("oracle", "set_signers", list(range(1, 18)), 1, 1, 0, sender=OWNER)
    assert found == ""
    assert len(stage.ask("oracle", "signers")) == 3


# ------------------------------------------------------------------------------------------------- the urgent quorum


@pytest.mark.parametrize("count", [0, 1, 2])
def test_an_urgent_report_below_its_quorum(stage, count):
    report, _ = stage.pair.report(urgent=True)
    signed = stage.pair.signed(report, stage.pair.signers[:count])
    stage.refuses("oracle: below quorum", "oracle", "post", report, signed, [], b"")


def test_an_urgent_report_of_its_quorum(stage):
    report, _ = stage.pair.report(urgent=True)
    stage.pair.must("oracle", "post", report, stage.pair.signed(report, stage.pair.signers), [], b"")
    assert stage.ask("oracle", "sequence") == 2
    event = next(e for e in reversed(stage.pair.twin.oracle.log) if e.name == "ReportPosted")
    assert event.args["urgent"] is True


def test_that_it_is_urgent_is_signed(stage):
    report, _ = stage.pair.report()
    signed = stage.pair.signed(report, stage.pair.signers[:1]) * 3
    stage.refuses(NOT_A_SIGNER, "oracle", "post", replace(report, urgent=True), signed, [], b"")


# --------------------------------------------------------------------------------------------------- remove_signer


@pytest.mark.parametrize("by", ["owner", "guardian", "other guardian"])
def test_a_key_is_removed_at_once(stage, by):
    pair, old = stage.pair, keys(stage)
    if by != "owner":
        entrust(stage)
    report, _ = pair.report()
    pair.must("oracle", "remove_signer", old[1], sender=address_of(by))
    assert stage.last("oracle") == ("SignerRemoved", {"signer": old[1], "left": 2})
    assert stage.ask("oracle", "signers") == (old[0], old[2])
    assert stage.ask("oracle", "valid_until", old[1]) == 0
    assert (stage.ask("oracle", "quorum"), stage.ask("oracle", "urgent_quorum")) == (2, 3)
    args = "oracle", "post", report
    stage.refuses(NOT_A_SIGNER, *args, pair.signed(report, pair.signers[:2]), [], b"")
    pair.must(*args, pair.signed(report, [pair.signers[0], pair.signers[2]]), [], b"")
    assert stage.ask("oracle", "sequence") == 2


def test_with_too_few_left_nothing_is_believed(stage):
    for key in keys(stage)[:2]:
        stage.pair.must("oracle", "remove_signer", key, sender=OWNER)
    report, _ = stage.pair.report()
    for names in (stage.pair.signers[2:], stage.pair.signers[1:], stage.pair.signers):
        reason = "oracle: below quorum" if len(names) < 2 else NOT_A_SIGNER
        stage.refuses(reason, "oracle", "post", report, stage.pair.signed(report, names), [], b"")
    stage.pair.must("oracle", "set_signers", keys(stage), 2, 3, 0, sender=OWNER)
    stage.pair.must("oracle", "post", report, stage.pair.signed(report), [], b"")
    assert stage.ask("oracle", "sequence") == 2


def test_a_key_that_leaves_is_removed_within_the_overlap(stage):
    old = keys(stage)
    stage.pair.must("oracle", "set_signers", old[1:], 2, 2, 600, sender=OWNER)
    stage.pair.must("oracle", "remove_signer", old[0], sender=OWNER)
    assert stage.last("oracle") == ("SignerRemoved", {"signer": old[0], "left": 2})
    assert stage.ask("oracle", "signers") == tuple(old[1:])
    assert stage.ask("oracle", "valid_until", old[0]) == 0


def test_whoever_is_no_signer_cannot_be_removed(stage):
    for who in (ATTACKER, 0):
        stage.refuses(NOT_A_SIGNER, "oracle", "remove_signer", who, sender=OWNER)
    stage.pair.must("oracle", "remove_signer", keys(stage)[0], sender=OWNER)
    stage.refuses(NOT_A_SIGNER, "oracle", "remove_signer", keys(stage)[0], sender=OWNER)
    stage.pair.must("oracle", "set_signers", [1], 1, 1, 10, sender=OWNER)
    stage.later(10)  # the overlap is over, to the second
    stage.refuses(NOT_A_SIGNER, "oracle", "remove_signer", keys(stage)[1], sender=OWNER)


def test_a_stranger_removes_nobody(stage):
    stage.refuses(STRANGER, "oracle", "remove_signer", keys(stage)[0], sender=ATTACKER)
    entrust(stage)
    for who in ("attacker", "owner", "proposer", "executor", "signer-0"):
        stage.refuses(STRANGER, "oracle", "remove_signer", keys(stage)[0], sender=address_of(who))
