"""docs/MIGRATION.md, rehearsed: from one deployment to the next, by the owners of accounts, without an owner's key.

Real contracts on the embedded chain, the engine's own reports on both, the old one owned by its timelock. Numbers are
chosen so that nothing is rounded: what people had they have, to the unit.
"""

import numpy as np
import pytest

from plimsoll.chain.artifacts import load
from plimsoll.chain.contract import deploy, events_of
from plimsoll.chain.deployment import CONTRACTS, FeedConfig, SystemConfig, TokenConfig, deploy_system
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.chain.governance import OWNED, slowest
from plimsoll.keeper.accounts import AccountWatcher
from plimsoll.keeper.poster import LocalKeys, Poster
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.state import ChainReader
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.report.solvency import read_solvency
from plimsoll.risk.engine import Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of
from plimsoll.simulate.market import Party, Venue, key_of
from plimsoll.spec.errors import Refused
from plimsoll.spec.history import BUCKET, WINDOW
from plimsoll.spec.instruments import CALL, MASK_ID, PERP
from plimsoll.spec.mandates import DEPOSIT, WITHDRAW
from plimsoll.spec.registry import RISK
from plimsoll.spec.wad import WAD

DAY = 86_400
START = 1_700_006_400 // DAY * DAY
EXPIRY = START + 10 * DAY
ETH = 0x0102
USD = 10**6
FOREVER = 2**64 - 1
SIGNERS = [key_of(f"risk node {k}") for k in range(3)]
GUARDIANS = sorted((Party.of(f"guardian {k}").address for k in range(2)), key=lambda at: int(at, 16))
PARTS = [key for key, name in CONTRACTS.items() if name in OWNED]


def put_up(chain, owner: str, like=None):
    """A deployment that its timelock owns; with the tokens and aggregators of another, where there is one."""
    feed, token, quote = (
        (like.aggregators[ETH].address, like.tokens["WETH"].address, like.quote.address) if like else (None, None, None)
    )
    eth = FeedConfig(ETH, "ETH / USD", 2_000 * 10**8, max_age=DAY, aggregator=feed)
    weth = TokenConfig("WETH", ETH, address=token)
    signers = [address_of(key) for key in SIGNERS]
    system = deploy_system(chain, SystemConfig(owner, signers, 2, [eth], [weth], quote=quote, lag=3_600, delay=3_600))
    for expiry, kind, strike in ((0, PERP, 0), (EXPIRY, CALL, 200_000)):
        system.registry.transact("list_instrument", ETH, expiry, kind, strike, sender=owner)
    zero = f"0x{0:040x}"
    people = ([Party.of("proposer").address], [zero], GUARDIANS)
    timelock = deploy(chain, load("Timelock"), *people, 3_600, 7_200, slowest(), sender=owner)
    for part in PARTS:
        contract = getattr(system, part)
        contract.transact("transfer_ownership", timelock.address, sender=owner)
        timelock.transact("adopt", contract.address, sender=owner)
    return system, timelock


class Rehearsal:
    """Two deployments, and the people who go from one to the other."""

    def __init__(self) -> None:
        self.chain = EmbeddedChain(time=START)
        self.begun = self.chain.block + 1
        self.old, self.timelock = put_up(self.chain, Party.of("deployer of the old").address)
        self.venues = [self.venue(self.old)]
        self.alice, self.bob, self.carol, self.dave = (Party.of(name) for name in ("alice", "bob", "carol", "dave"))
        self.people = (self.alice, self.bob, self.carol, self.dave)
        self.lender = Party.of("lender")
        self.guardian = GUARDIANS[0]
        self.price = 2_000

    def venue(self, system) -> Venue:
        made = Venue(self.chain, system, Party.of("price feed").address)
        made.token_of[ETH] = "WETH"
        return made

    def tell(self, price: int) -> None:
        """The index, for both: they share the aggregator."""
        self.price = price
        self.venues[0].set_index({ETH: price})

    def post(self, system) -> None:
        """A report on one of them, by the same nodes."""
        rng, time = np.random.default_rng(5), self.chain.now // DAY * DAY + DAY * np.arange(-400, 0, dtype=np.int64)
        path = np.cumsum(rng.normal(0, 0.02, 400))
        expiries = [0, EXPIRY] if self.chain.now < EXPIRY else [0]
        listed = [int(w) & MASK_ID for expiry in expiries for w in system.registry.call("listing", ETH, expiry)]
        history = History(time, self.price * np.exp(path - path[-1]), DAY)
        market = Market(ETH, float(self.price), history, tuple(listed), strike_unit=10**16)
        held = ChainReader(system, {ETH: expiries}).read()
        built = Engine(EwmaFhs()).report(Snapshot(self.chain.now, (market,)), held.risk_state, rails=held.rails)
        poster = Poster(system, Party.of("poster").address, LocalKeys(SIGNERS[:2]), MemoryRecorder())
        posted = poster.post(built)
        assert posted.ok, posted.error

    def later(self, seconds: int) -> None:
        self.chain.advance(seconds)
        self.tell(self.price)

    def ids(self, system):
        perp = next(int(w) & MASK_ID for w in system.registry.call("listing", ETH, 0) if (int(w) >> 64 & 0xFF) == PERP)
        return perp, int(system.registry.call("listing", ETH, EXPIRY)[0]) & MASK_ID

    def held(self, system, party):
        """Cash, linear, and whether any word is left."""
        book = system.clearinghouse
        return (*book.call("ledger", party.account), len(book.call("positions", party.account)))

    def wallets(self) -> dict[str, int]:
        """All tokens of everybody, wherever they are, by token."""
        owners = [p.address for p in (*self.people, self.lender, Party.of("mover"))]
        found = {}
        for name, token in (("USD", self.old.quote), ("WETH", self.old.tokens["WETH"])):
            places = [*owners, self.old.clearinghouse.address, self.old.fund.address]
            places += [part.address for part in (self.new.clearinghouse, self.new.fund)] if hasattr(self, "new") else []
            found[name] = sum(token.call("balanceOf", place) for place in places)
        return found


@pytest.fixture(scope="module")
def done():
    """The whole of it, in the order of the document; tests look at what it left."""
    scene = Rehearsal()
    old, venue = scene.old, scene.venues[0]
    scene.later(3_600)  # a price of a lag ago is remembered
    scene.post(old)
    alice, bob, carol, dave = scene.people
    for party, dollars in ((alice, 20_000), (bob, 50_000), (carol, 9_000), (dave, 1_000)):
        venue.join(party)
        venue.fund(party, dollars * WAD)
    venue.fund_token(carol, ETH, 3 * WAD)
    venue.insure(scene.lender, 5_000 * WAD)
    perp, call = scene.ids(old)
    venue.trade(alice, bob, perp, 4 * WAD, 2_000 * WAD)
    venue.trade(carol, bob, call, 2 * WAD, 100 * WAD)
    venue.trade(bob, carol, perp, 2 * WAD, 2_000 * WAD)
    scene.before = scene.wallets()

    # 1, 2: the new one beside it, with the same tokens, feeds and nodes; verified
    scene.new, _ = put_up(scene.chain, Party.of("deployer of the new").address, like=old)
    scene.venues.append(scene.venue(scene.new))
    new = scene.new
    scene.post(new)

    # 3: no new risk on the old; the guardian says so, for a week, and again
    old.registry.transact("stop", RISK, scene.chain.now + 7 * DAY, sender=scene.guardian)
    with pytest.raises(Refused) as caught:
        venue.trade(alice, bob, perp, WAD, 2_000 * WAD)
    scene.new_risk_on_the_old = caught.value.reason

    # 4: what can be closed is closed, at marks; both sides reduce
    scene.later(600)
    scene.tell(2_010)
    scene.post(old)
    venue.trade(bob, alice, perp, 4 * WAD, 2_010 * WAD)
    # a leg that hedges another does not go before it: here the perpetual waits for the call
    with pytest.raises(Refused) as caught:
        venue.trade(carol, bob, perp, 2 * WAD, 2_010 * WAD)
    scene.hedge_first = caught.value.reason
    scene.later(6 * DAY)
    old.registry.transact("stop", RISK, scene.chain.now + 7 * DAY, sender=scene.guardian)

    # 5: what cannot is held to its expiry, which settles by itself
    scene.tell(2_150)
    scene.chain.advance(EXPIRY - WINDOW - scene.chain.now)
    for _ in range(WINDOW // BUCKET):
        scene.tell(2_150)
        old.history.transact("observe", ETH, EXPIRY, sender=Party.of("keeper").address)
        scene.chain.advance(BUCKET)
    scene.chain.advance(max(0, EXPIRY - scene.chain.now))
    old.history.transact("propose", ETH, EXPIRY, sender=Party.of("keeper").address)
    scene.later(3_600)
    for party in scene.people:
        old.clearinghouse.transact("expire", party.account, sender=Party.of("keeper").address)
    venue.trade(carol, bob, perp, 2 * WAD, 2_150 * WAD)
    # losers first: winners are paid out of what they paid in
    for party in (carol, bob, alice, dave):
        old.clearinghouse.transact("settle", party.account, sender=Party.of("keeper").address)

    # 6: money goes over: by its owner, or by whom its owner signed for
    scene.ledgers = {party.name: scene.held(old, party) for party in scene.people}
    for party in (alice, bob):
        cash = old.clearinghouse.call("ledger", party.account)[0] // 10**12
        old.clearinghouse.transact(
            "withdraw", party.account, old.quote.address, cash, party.address, sender=party.address
        )
        new.quote.transact("approve", new.clearinghouse.address, cash, sender=party.address)
        new.clearinghouse.transact("deposit", party.account, new.quote.address, cash, sender=party.address)
    mover = Party.of("mover").address
    until = scene.chain.now + DAY
    old.mandates.transact("set_delegate", carol.account, mover, WITHDRAW, until, sender=carol.address)
    new.mandates.transact("set_delegate", carol.account, mover, DEPOSIT, until, sender=carol.address)
    cash = old.clearinghouse.call("ledger", carol.account)[0] // 10**12
    for token, amount in ((old.quote, cash), (old.tokens["WETH"], 3 * WAD)):
        old.clearinghouse.transact("withdraw", carol.account, token.address, amount, mover, sender=mover)
        token.transact("approve", new.clearinghouse.address, amount, sender=mover)
        new.clearinghouse.transact("deposit", carol.account, token.address, amount, sender=mover)

    # 7: who stood in the fund waits the cool-down, and stands in the new one
    fund, lender = old.fund, scene.lender.address
    fund.transact("request", fund.call("balanceOf", lender), sender=lender)
    scene.chain.advance(7 * DAY)
    fund.transact("redeem", fund.call("maxRedeem", lender), lender, lender, sender=lender)
    assets = old.quote.call("balanceOf", lender)
    old.quote.transact("approve", new.fund.address, assets, sender=lender)
    new.fund.transact("deposit", assets, lender, sender=lender)
    scene.insured = assets
    return scene


def test_no_new_risk_is_taken_on_the_old(done):
    assert done.new_risk_on_the_old == "clearinghouse: only reducing is allowed"


def test_a_hedge_does_not_go_before_what_it_hedges(done):
    assert done.hedge_first == "clearinghouse: only reducing is allowed"


def test_everything_settled_to_cash(done):
    """Alice made 10 on each of 4, Carol lost 150 on each of 2 and made 50 on each of 2 calls; Bob is the rest."""
    exact = {"alice": 20_040, "carol": 9_000 - 300 + 100, "bob": 50_000 - 40 + 300 - 100, "dave": 1_000}
    for name, dollars in exact.items():
        assert done.ledgers[name] == (dollars * WAD, 0, name == "carol"), name  # her token


def test_all_have_their_tokens_on_the_new(done):
    for party, dollars in ((done.alice, 20_040), (done.bob, 50_160), (done.carol, 8_800)):
        assert done.held(done.new, party)[:2] == (dollars * WAD, 0)
        assert done.held(done.old, party) == (0, 0, 0)
    assert done.new.clearinghouse.call("positions", done.carol.account)[0] >> 128 == 3 * WAD
    assert done.new.fund.call("cover") == (5_000 - 1) * WAD  # a coin is never paid out
    assert done.insured == 5_000 * USD


def test_sums_are_the_same_to_the_unit(done):
    assert done.wallets() == done.before


def test_the_old_book_is_empty_but_for_who_did_not_come(done):
    old = done.old
    assert old.quote.call("balanceOf", old.clearinghouse.address) == 1_000 * USD
    assert old.tokens["WETH"].call("balanceOf", old.clearinghouse.address) == 0
    assert old.clearinghouse.call("open_interest", ETH) == 0
    said = read_solvency(old, AccountWatcher(old).update())
    assert (said["supply"], said["debt"], said["pool"]) == ("1000", "0", "0")
    assert said["failures"] == []


def test_the_new_one_trades(done):
    mark = done.chain.snapshot()
    done.tell(2_150)
    done.post(done.new)
    perp, _ = done.ids(done.new)
    venue = done.venues[1]
    for party in (done.alice, done.bob):
        venue.join(party)
    venue.trade(done.alice, done.bob, perp, WAD, 2_150 * WAD)
    assert done.new.clearinghouse.call("open_interest", ETH) == WAD
    done.chain.revert(mark)


def test_nobody_needed_an_owners_key(done):
    """What the timelock and the registry said since: nothing was scheduled or executed; a guardian stopped, twice."""
    contracts = [done.timelock, done.old.registry]
    addresses = [contract.address for contract in contracts]
    said = events_of(done.chain.logs(addresses, done.begun), contracts)
    assert not {"CallScheduled", "CallExecuted"} & {event.name for event in said}
    stops = [event.args for event in said if event.name == "StopsSet"]
    assert [stop.by for stop in stops] == [done.guardian] * 2
    for part in PARTS:
        assert getattr(done.old, part).call("owner") == done.timelock.address


def test_the_old_one_stays_withdrawable_for_ever(done):
    """A year on: no report, no price, no keeper, and the stop long over."""
    mark = done.chain.snapshot()
    done.chain.advance(365 * DAY)
    old, dave = done.old, done.dave
    assert not old.feed.call("is_usable", ETH)
    old.clearinghouse.transact(
        "withdraw", dave.account, old.quote.address, 1_000 * USD, dave.address, sender=dave.address
    )
    assert old.quote.call("balanceOf", dave.address) == 1_000 * USD
    assert old.quote.call("balanceOf", old.clearinghouse.address) == 0
    assert read_solvency(old, AccountWatcher(old).update())["supply"] == "0"
    done.chain.revert(mark)
