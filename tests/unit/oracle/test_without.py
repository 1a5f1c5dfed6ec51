"""What the oracle does without: without signers it believes nothing, without a book nobody has a share of a market."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import PERP
from plimsoll.spec.margin import Assessment
from plimsoll.spec.report import digest, pack_scalars
from plimsoll.spec.wad import WAD
from tests.pairs import Pair, address_of, compiled, encode_call, from_chain, sign, text
from tests.unit.clearinghouse.stage import ETH, FEED_AGE, OWNER, make_row, make_scalars, make_surface, words_of
from tests.unit.clearinghouse.test_set_liquidator import bare


@pytest.mark.parametrize("names", [(), ("signer-0",), ("attacker", "signer-0")])
@pytest.mark.parametrize("urgent", [False, True])
def test_without_signers_no_report_is_believed(names, urgent):
    """Not even one that nobody signed, though nobody is what the quorum asks for."""
    pair = bare()
    with pair.isolated():
        parts = text(pair.twin.at.feed), text(pair.twin.at.guard)
        oracle = deploy(pair.chain, compiled("RiskOracle"), *parts, sender=text(OWNER))
        assert (oracle.call("quorum"), oracle.call("urgent_quorum")) == (0, 0)
        report, _ = pair.report(urgent=urgent)
        message = digest(report, pair.chain.chain_id, oracle.address)
        function = oracle.interface.function("post", 4)
        data = encode_call(function, (report, [sign(name, message) for name in names], [], b""))
        with pytest.raises(Refused, match=r"^oracle: below quorum$"):
            pair.chain.transact(oracle.address, data, sender=text(OWNER))
        assert oracle.call("sequence") == 0


def test_the_last_of_the_old_may_be_removed_after_all_of_the_new(stage):
    """Within the overlap a key of before still counts, when no other is left."""
    pair = stage.pair
    old = [address_of(name) for name in pair.signers]
    pair.must("oracle", "set_signers", [5, 6], 1, 1, 600, sender=OWNER)
    for who, left in ((5, 1), (6, 0), (old[0], 0)):
        pair.must("oracle", "remove_signer", who, sender=OWNER)
        assert stage.last("oracle") == ("SignerRemoved", {"signer": who, "left": left})
    assert stage.ask("oracle", "signers") == ()
    assert stage.ask("oracle", "valid_until", old[0]) == 0
    assert stage.ask("oracle", "valid_until", old[1]) == pair.now + 600


def test_without_a_book_nobody_has_a_share_of_the_market():
    """The add-on for what an account has of all open interest needs somebody who counts that."""
    pair = Pair(underlyings=[ETH])
    pair.price(ETH, 2_000 * WAD)
    pair.must("feed", "set_feed", ETH, pair.aggregators[ETH], FEED_AGE, 18, sender=OWNER)
    perp = pair.must("registry", "list_instrument", ETH, 0, PERP, 0, sender=OWNER)
    scalars = pack_scalars(make_scalars(ETH, depth=10 * WAD, market=100_000, kappa=0))
    pair.post([make_surface(ETH, 0, [make_row(PERP)], pair.now)], [scalars])
    oracle, words = pair.contracts["oracle"], words_of({perp: WAD})

    def margins():
        found = Assessment(*from_chain(oracle.call("assess", words, 0)))
        assert found == pair.twin.oracle.assess(words, 0, pair.now)
        return found.mm, found.im

    # a reverting oracle would be no oracle: the address of the book is zero
    assert int(oracle.call("book"), 16) == 0
    assert margins() == (220 * WAD, 286 * WAD)
    pair.must("oracle", "set_book", pair.twin.at.book, sender=OWNER)
    assert margins() == (220 * WAD, 286 * WAD)  # of a market that is empty yet
