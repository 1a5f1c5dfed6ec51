"""The rehearsal of docs/MIGRATION.md: everybody moves from one deployment to another, to the unit, by his own key."""

import pytest

from plimsoll.chain.deployment import FeedConfig, SystemConfig, deploy_system
from plimsoll.risk.signing import address_of, sign_all
from plimsoll.simulate.market import Party, Venue
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import PERP
from plimsoll.spec.report import digest
from plimsoll.spec.wad import WAD
from tests.unit.keeper.conftest import DAY, PRICE, SIGNERS, UNDERLYING, World

RISK = 1
HOUR = 3_600
SCALE = 10**12  # [wad] a unit of the quote token


class Move:
    """An old deployment with people in it, and a new one beside it on the same tokens."""

    def __init__(self, folder):
        self.old = World(folder)
        self.chain, self.admin = self.old.chain, self.old.admin
        self.keeper = self.old.keeper(heartbeat=HOUR)
        self.keeper.round()
        self.maker = self.old.open("maker", 100_000)
        self.long, self.short = self.old.open("long", 10_000), self.old.open("short", 10_000)
        self.old.venue.token_of[UNDERLYING] = "tTOY"
        self.old.venue.fund_token(self.long, UNDERLYING, 5 * WAD)
        self.saver = Party.of("saver")
        self.old.venue.insure(self.saver, 20_000 * WAD)
        self.old.venue.trade(self.long, self.maker, self.old.perp, 100 * WAD)
        self.old.venue.trade(self.maker, self.short, self.old.perp, 40 * WAD)
        self.people = (self.maker, self.long, self.short)
        quote = self.old.system.quote
        self.brought = quote.call("balanceOf", self.book) + quote.call("balanceOf", self.old.system.fund.address)
        self.new = deploy_system(
            self.chain,
            SystemConfig(
                self.admin,
                [address_of(key) for key in SIGNERS],
                2,
                [FeedConfig(UNDERLYING, "TOY", round(PRICE * 10**8), max_age=7 * DAY)],
                quote=quote.address,
            ),
        )
        token = self.old.system.tokens["tTOY"]
        self.new.registry.transact("list_collateral", token.address, UNDERLYING, sender=self.admin)
        self.new.registry.transact("list_instrument", UNDERLYING, 0, PERP, 0, sender=self.admin)

    @property
    def book(self):
        return self.old.system.clearinghouse.address

    def pass_time(self, seconds):
        """Hours of a keeper that goes on: the index is fresh, reports come."""
        for _ in range(max(1, seconds // HOUR)):
            self.chain.advance(min(seconds, HOUR))
            self.old.index(PRICE * 1.005)
            assert self.keeper.round().ok

    def ledger(self, party):
        return self.old.system.clearinghouse.call("ledger", party.account)


@pytest.fixture
def move(tmp_path):
    return Move(tmp_path)


def close_all(move):
    """Steps 4 and 5: new risk is stopped, positions are closed, losers settle before winners."""
    registry, clearinghouse = move.old.system.registry, move.old.system.clearinghouse
    registry.transact("stop", RISK, move.chain.now + 6 * DAY, sender=move.admin)
    for party, amount in ((move.long, 100), (move.short, 40)):
        buyer, seller = (move.maker, party) if party is move.long else (party, move.maker)
        move.old.venue.trade(buyer, seller, move.old.perp, amount * WAD)
    for party in sorted(move.people, key=lambda p: move.ledger(p)[1]):
        clearinghouse.transact("settle", party.account, sender=move.admin)


def test_new_risk_is_stopped_and_closing_is_not(move):
    move.pass_time(HOUR)
    move.old.system.registry.transact("stop", RISK, move.chain.now + DAY, sender=move.admin)
    with pytest.raises(Refused, match="clearinghouse: only reducing is allowed"):
        move.old.venue.trade(move.long, move.maker, move.old.perp, WAD)
    move.old.venue.trade(move.maker, move.long, move.old.perp, 100 * WAD)
    assert [quantity for _, quantity in move.old.venue.positions(move.long.account)] == [5 * WAD]


def test_everybody_arrives_with_what_was_his_to_the_unit(move):
    move.pass_time(2 * HOUR)
    close_all(move)
    move.pass_time(2 * HOUR)  # profit younger than the lag does not leave
    clearinghouse, quote = move.old.system.clearinghouse, move.old.system.quote
    token = move.old.system.tokens["tTOY"]

    arrived = {}
    for party in move.people:
        cash, linear = move.ledger(party)
        assert linear == 0
        units = cash // SCALE
        with pytest.raises(Refused):  # nobody else's key moves it
            clearinghouse.transact("withdraw", party.account, quote.address, units, move.admin, sender=move.admin)
        clearinghouse.transact("withdraw", party.account, quote.address, units, party.address, sender=party.address)
        quote.transact("approve", move.new.clearinghouse.address, units, sender=party.address)
        move.new.clearinghouse.transact("deposit", party.account, quote.address, units, sender=party.address)
        arrived[party.name] = units
    clearinghouse.transact(
        "withdraw", move.long.account, token.address, 5 * WAD, move.long.address, sender=move.long.address
    )
    token.transact("approve", move.new.clearinghouse.address, 5 * WAD, sender=move.long.address)
    move.new.clearinghouse.transact("deposit", move.long.account, token.address, 5 * WAD, sender=move.long.address)

    # step 7: the fund's depositor, after the cool-down
    fund = move.old.system.fund
    fund.transact("request", fund.call("balanceOf", move.saver.address), sender=move.saver.address)
    move.chain.advance(7 * DAY + HOUR)  # nobody holds a position any more: no report is needed
    shares = fund.call("maxRedeem", move.saver.address)
    fund.transact("redeem", shares, move.saver.address, move.saver.address, sender=move.saver.address)
    saved = quote.call("balanceOf", move.saver.address)

    # the old book is empty but for dust, which is the system's, and nothing is lost
    left = quote.call("balanceOf", move.book) + quote.call("balanceOf", fund.address)
    assert sum(arrived.values()) + saved + left == move.brought
    assert left <= 10
    assert token.call("balanceOf", move.book) == 0
    assert clearinghouse.call("open_interest", UNDERLYING) == 0
    assert all(clearinghouse.call("positions", party.account) == () for party in move.people)

    # and the new one holds what they brought
    assert quote.call("balanceOf", move.new.clearinghouse.address) == sum(arrived.values())
    for party in move.people:
        assert move.new.clearinghouse.call("ledger", party.account) == (arrived[party.name] * SCALE, 0)


def test_a_signature_for_one_deployment_is_none_for_the_other(move):
    move.pass_time(HOUR)
    built = move.keeper.engine.report(move.old.source.snapshot(move.old.reader.read()), None, 1)
    signed = digest(built.report, move.chain.chain_id, move.old.system.oracle.address)
    assert signed != digest(built.report, move.chain.chain_id, move.new.oracle.address)
    with pytest.raises(Refused, match=r"oracle: (not a signer|signers not ascending)"):
        move.new.oracle.transact(
            "post", built.report, list(sign_all(signed, SIGNERS[:2])), [], built.codes[-1], sender=move.admin
        )


def test_trading_goes_on_beside(move):
    """A venue on the new deployment knows nothing of the old one's stop."""
    venue = Venue(move.chain, move.new, move.admin)
    venue.fund(move.maker, 1_000 * WAD)
    assert not move.new.registry.call("stopped", RISK)
    assert move.new.clearinghouse.call("ledger", move.maker.account) == (1_000 * WAD, 0)
