"""RiskOracle.set_signers: ascending, a quorum of one to all."""

import pytest

from tests.pairs import address_of
from tests.unit.clearinghouse.stage import ATTACKER, OWNER

RANGE = "oracle: quorum out of range"
ORDER = "oracle: signers zero or not ascending"


@pytest.mark.parametrize(("signers", "quorum"), [([7], 1), ([1, 2, 2**160 - 1], 3), (list(range(1, 17)), 9)])
def test_they_are_set(stage, signers, quorum):
    stage.pair.must("oracle", "set_signers", signers, quorum, sender=OWNER)
    assert stage.ask("oracle", "signers") == tuple(signers)
    assert stage.ask("oracle", "quorum") == quorum
    assert all(stage.ask("oracle", "is_signer", signer) for signer in signers)
    assert stage.last("oracle") == ("SignersSet", {"signers": tuple(signers), "quorum": quorum})


def test_who_is_left_out_signs_no_more(stage):
    old = [address_of(name) for name in stage.pair.signers]
    report, _ = stage.pair.report()
    stage.pair.must("oracle", "set_signers", [old[0], old[2]], 2, sender=OWNER)
    assert [stage.ask("oracle", "is_signer", who) for who in old] == [True, False, True]
    args = "oracle", "post", report
    stage.refuses("oracle: not a signer", *args, stage.pair.signed(report, stage.pair.signers[:2]), [], b"")
    left = [stage.pair.signers[0], stage.pair.signers[2]]
    stage.pair.must(*args, stage.pair.signed(report, left), [], b"")
    assert stage.ask("oracle", "sequence") == 2


@pytest.mark.parametrize(("signers", "quorum"), [([1, 2], 0), ([1, 2], 3), ([], 0), ([], 1), ([1], 2**255)])
def test_a_quorum_out_of_range(stage, signers, quorum):
    stage.refuses(RANGE, "oracle", "set_signers", signers, quorum, sender=OWNER)


@pytest.mark.parametrize("signers", [[0], [0, 1], [2, 1], [1, 1], [1, 3, 2]])
def test_zero_or_not_ascending(stage, signers):
    stage.refuses(ORDER, "oracle", "set_signers", signers, 1, sender=OWNER)


def test_only_the_owner(stage):
    reason = "ownable: caller is not the owner"
    stage.refuses(reason, "oracle", "set_signers", [ATTACKER], 1, sender=ATTACKER)


def test_seventeen_are_too_many(stage):
    found = stage.on_chain("oracle", "set_signers", list(range(1, 18)), 1, sender=OWNER)
    assert found == ""
    assert len(stage.ask("oracle", "signers")) == 3
