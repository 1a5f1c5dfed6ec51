"""A standing order of a called account, over the real book: `tests/unit/standing` has the venue itself."""

import pytest

from plimsoll.spec.standing import StandingOrder, digest
from tests.pairs import account, address_of, sign, text
from tests.unit.clearinghouse.stage import ATTACKER, ETH, EVERYONE, MAKER, OTHER, TRADER, WAD

from .rig import TRADER_ADDRESS, URGENT

MAKER_ADDRESS = address_of("maker")


@pytest.fixture
def weak(stage):
    """E_h 216: MM 209, call line 229.9; both sides allow the venue."""
    stage.sick()
    stage.fund("trader", 30)
    venue = stage.pair.twin.at.standing
    for role in ("trader", "maker"):
        stage.allow(role, venue)
    return stage


def order(stage, quantity=-WAD, slack=1_000, nonce=1, **changes):
    """Of the trader's, and his signature."""
    fields = {
        "account": TRADER,
        "signer": TRADER_ADDRESS,
        "instrument": stage.perp,
        "quantity": quantity,
        "slack": slack,
        "expires": stage.pair.now + 10**6,
        "nonce": nonce,
    }
    made = StandingOrder(**(fields | changes))
    return made, sign("trader", digest(made, stage.pair.chain.chain_id, text(stage.pair.twin.at.standing)))


def execute(stage, signed, quantity=WAD, counterparty=MAKER, sender=MAKER_ADDRESS):
    stage.pair.must("standing", "execute", *signed, counterparty, quantity, sender=sender)
    stage.pair.compare(EVERYONE)


def refuses(stage, reason, signed, quantity=WAD, counterparty=MAKER, sender=MAKER_ADDRESS):
    stage.refuses(reason, "standing", "execute", *signed, counterparty, quantity, sender=sender)


def test_not_before_the_account_is_called(weak):
    signed = order(weak)
    refuses(weak, "standing: account not called", signed)
    weak.pair.must("liquidator", "call", TRADER)
    execute(weak, signed)
    # at the mark less a thousandth
    assert weak.ledger(TRADER) == (316 * WAD, -101_900 * WAD // 1_000)
    assert weak.quantity(TRADER, weak.perp) == 0
    weak.pair.must("liquidator", "cure", TRADER)


def test_before_any_auction_and_instead_of_one(weak):
    weak.pair.must("liquidator", "call", TRADER)
    weak.pair.price(ETH, 1_880 * WAD)
    execute(weak, order(weak), WAD // 2)
    weak.later(URGENT + 1)
    assert weak.ask("book", "state", TRADER) == 0
    weak.refuses("liquidator: not liquidatable", "liquidator", "start", TRADER)


def test_within_an_auction(weak):
    weak.pair.must("liquidator", "call", TRADER)
    weak.pair.price(ETH, 1_880 * WAD)
    weak.later(URGENT + 1)
    weak.pair.must("liquidator", "start", TRADER)
    execute(weak, order(weak))
    weak.pair.must("liquidator", "close", TRADER)
    refuses(weak, "standing: account not called", order(weak, nonce=2))


def test_it_does_not_turn_the_position(weak):
    weak.pair.must("liquidator", "call", TRADER)
    signed = order(weak, -2 * WAD)
    refuses(weak, "standing: fill does not reduce", signed, WAD + 1)
    execute(weak, signed, WAD // 4)
    refuses(weak, "standing: fill does not reduce", signed)
    execute(weak, signed, 3 * WAD // 4)


def test_the_book_has_the_last_word(weak):
    weak.pair.must("liquidator", "call", TRADER)
    # the counterparty has nothing to hold it with
    weak.allow("other", weak.pair.twin.at.standing)
    other = address_of("other")
    refuses(weak, "clearinghouse: below initial margin", order(weak), counterparty=OTHER, sender=other)
    # a slack over the reduce band is worse than a weak account may trade at
    weak.pair.must("registry", "set_bands", 200_000, 5_000, sender=weak.pair.owner)
    refuses(weak, "clearinghouse: price worse than allowed", order(weak, slack=10_000), WAD // 100)
    # nor may the venue lose the account more than its owner said
    weak.allow("trader", weak.pair.twin.at.standing, budget=WAD)
    refuses(weak, "mandates: loss budget used up", order(weak))
    execute(weak, order(weak), WAD // 2)


def test_who_may_not_trade_the_counterparty(weak):
    weak.pair.must("liquidator", "call", TRADER)
    refuses(weak, "standing: not the counterparty's account", order(weak), sender=ATTACKER)
    assert weak.ask("book", "quantity", account("attacker"), weak.perp) == 0
