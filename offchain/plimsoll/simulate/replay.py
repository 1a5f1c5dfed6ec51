"""A crash, replayed through the real contracts with the real keeper.

The set-up: every market gets a feed, a perpetual, one option series that expires after the replay and a token that is
collateral; the engine posts; a cast of accounts is funded and trades by signed orders against a market maker. Then time
runs. At every step the index moves, the keeper does its chores, looks, posts, calls, brings in what owners mandated and
starts auctions of what was called, bidders bid, and owners do what they do when called. Trades and liquidations pay
fees into an insurance fund that a depositor filled. After every report, every account's margin on chain is compared
with `plimsoll.spec`.

Models see what had happened: a bar enters a history when it has closed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from plimsoll.chain.contract import batch
from plimsoll.chain.deployment import FeedConfig, SystemConfig, TokenConfig, deploy_system
from plimsoll.chain.embedded import EmbeddedChain
from plimsoll.keeper.liquidation import BidConfig, LiquidationAgent, Step, Taken
from plimsoll.keeper.loop import Keeper, LoopConfig
from plimsoll.keeper.poster import LocalKeys, Poster, Signing
from plimsoll.keeper.recorder import MemoryRecorder
from plimsoll.keeper.state import ChainReader, Held
from plimsoll.keeper.triggers import TriggerConfig
from plimsoll.keeper.upkeep import Upkeep, UpkeepConfig
from plimsoll.market.bars import DAY, Bars
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import BuiltReport, Engine
from plimsoll.risk.models import EwmaFhs
from plimsoll.risk.signing import address_of
from plimsoll.simulate.agreement import Agreement, Mismatch
from plimsoll.simulate.books import conserved, flows
from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.market import FEED_DECIMALS, Party, Venue, key_of
from plimsoll.simulate.nodes import LIAR, NodeCast, Story
from plimsoll.simulate.traders import STRIKES, Reaction, Trader, cast
from plimsoll.simulate.walk import Point, between, merge, per_leg_for, steps_of
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import CALL, MASK_ID, PERP, PUT, SPOT, unpack, word
from plimsoll.spec.margin import Assessment, State, assess, state_of
from plimsoll.spec.registry import Curve, Fees
from plimsoll.spec.wad import PPM, WAD

CLASS: Final = 1
CLIP: Final = 10**6  # [quote] worth of one clip at the first price
DEPTH_CLIPS: Final = 60.0  # what a market takes without moving, in clips
SIGNERS: Final = 3
QUORUM: Final = 2
WARM_UP: Final = 6 * 3_600  # [s] before the first bar: set-up
AUCTION_STEP: Final = 600  # [s] between looks while an account is called or auctioned
MAX_INNER: Final = 24
REACTION_TIME: Final = 1_200  # [s] an owner takes to answer a call
TOLD_MOVE: Final = 0.05  # a report is told when it moves a maintenance margin by more than this share
GIVE_UP: Final = 0.85  # share of an account taken after which its owner closes the rest
TOP_UP: Final = 1.25  # an owner brings E_h to this many times the call line
CUT: Final = 0.35  # share of the position that an owner who cuts gives up
EXPIRY_AFTER: Final = 21 * DAY  # the options expire this long after the replay's end
SIGNIFICANT: Final = 4  # digits of a strike
LOOK_AFTER: Final = 7 * DAY  # between looks at what is to be settled and collected
FUND: Final = CLIP // 4  # [quote] deposited in the insurance fund
FEE_ROOM: Final = 0.02  # of its margin, that an account brings for fees
FEES: Final = Fees(  # [ppm] of notional, more where volatile or borrowed; of MM for liquidations
    taker=300, maker=100, vol_scale=500_000, util_scale=250_000, cap=5_000, liquidation=30_000, liquidation_cap=100_000
)
CURVE: Final = Curve(base=20_000, kink=800_000, slope_low=40_000, slope_high=600_000, reserve=200_000)  # [ppm a year]
BIDDERS: Final = (  # one that is content with little, in small parts; one that waits and takes all
    BidConfig(min_share=150_000, max_fraction=15 * WAD // 100),
    BidConfig(min_share=250_000),
)
FEED_AGE: Final = 7 * DAY  # the longest allowed: a weekend and a holiday have no price


@dataclass(frozen=True)
class ReplayMarket:
    """One underlying of a replay: its name and its bars, history included."""

    name: str
    bars: Bars


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """What is replayed.

    Parameters
    ----------
    start, end
        The replay walks the bars that open at `start` <= t < `end` [unix s].
    warm
        Where histories begin [unix s]; None: with the bars.
    per_leg
        Steps on each of a bar's three legs; None: about 600 in all.
    heartbeat
        Of the keeper [s].
    nodes
        Let three processes sign, one of which lies from half time on, see `plimsoll.simulate.nodes`; otherwise the
        keeper has the keys.
    """

    start: int
    end: int
    warm: int | None = None
    per_leg: int | None = None
    heartbeat: int = 3_600
    nodes: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, for people.

    `kind`: posted, called, topped up, cut, auction, liquidated, recovered, insolvent, shortfall, recorded, fund, lie.
    """

    time: int  # [unix s]
    kind: str
    account: str
    text: str
    underlying: int = 0
    price: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One underlying when a report was posted. Rates are fractions of notional of one perpetual contract."""

    time: int
    price: float
    mm: float
    im: float
    psr: float
    volatility: float


@dataclass
class AccountStory:
    """What became of one account. Money in quote."""

    name: str
    funded: float = 0.0
    topped_up: float = 0.0
    calls: int = 0
    bids: int = 0
    recoveries: int = 0
    taken: float = 0.0  # share of it that went to bidders: 1 - product of what each bid left
    paid_discount: float = 0.0
    equity: float = 0.0  # at the end, collateral in full
    state: str = State.HEALTHY.name


@dataclass
class Outcome:
    """All that a replay leaves."""

    markets: dict[int, str]
    start: int
    end: int
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    path: list[Point] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    accounts: dict[int, AccountStory] = field(default_factory=dict)
    reports: int = 0
    failed_rounds: int = 0  # of the keeper: no report could be made, or it was refused
    post_gas: int = 0
    surfaces: int = 0
    comparisons: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    bad_debt: float = 0.0
    bidder_profit: float = 0.0
    fees: float = 0.0  # of trades
    liquidation_fees: float = 0.0
    fund_start: float = 0.0  # what the insurance fund holds
    fund_end: float = 0.0
    fund_paid: float = 0.0  # by it, to bidders
    socialised: float = 0.0  # losses borne by all positive cash
    recorded: float = 0.0  # bad debt on record
    conserved: bool = True
    nodes: Story | None = None  # of the risk nodes, where they are processes

    @property
    def called(self) -> int:
        """Accounts that were called at least once."""
        return sum(1 for story in self.accounts.values() if story.calls)

    @property
    def liquidated(self) -> int:
        """Accounts of which a bidder took a part."""
        return sum(1 for story in self.accounts.values() if story.bids)

    @property
    def recovered(self) -> int:
        """Accounts that were called or auctioned and got back over their line at least once."""
        return sum(1 for story in self.accounts.values() if story.recoveries)

    @property
    def ok(self) -> bool:
        """Whether chain and spec agreed everywhere, money was conserved, and no lie of a node got anywhere."""
        return not self.mismatches and self.conserved and (self.nodes is None or self.nodes.ok)


class ReplaySource:
    """Snapshots of a replay: the chain's index, and bars that had closed."""

    def __init__(
        self, markets: Mapping[int, ReplayMarket], listed: Mapping[int, Sequence[int]], depth: Mapping[int, float]
    ) -> None:
        self.markets = markets
        self.listed = listed
        self.depth = depth
        self._histories: dict[int, tuple[int, History]] = {}

    def snapshot(self, held: Held) -> Snapshot:
        """The snapshot at the time of `held`."""
        return Snapshot(held.time, tuple(self._market(u, m, held) for u, m in self.markets.items()))

    def _market(self, underlying: int, market: ReplayMarket, held: Held) -> Market:
        count = int((market.bars.time + market.bars.interval <= held.time).sum())
        kept = self._histories.get(underlying)
        if kept is None or kept[0] != count:
            kept = (count, History.from_bars(market.bars, held.time))
            self._histories[underlying] = kept
        index = held.index[underlying]
        return Market(
            underlying=underlying,
            index=index.price / WAD,
            history=kept[1],
            instruments=tuple(self.listed[underlying]),
            strike_unit=index.strike_unit,
            depth=self.depth[underlying],
            name=market.name,
        )


def _strike_exponent(price: float) -> int:
    """Strike unit as a power of ten [wad]: fine enough for four digits of a price, at most one quote."""
    return max(0, min(18, 18 + math.floor(math.log10(price)) - SIGNIFICANT + 1))


def _feed_answer(price: float) -> int:
    return round(price * 10**FEED_DECIMALS)


class Replay:
    """One replay; `run` it once. What a class sets below, another scenario may set otherwise.

    Parameters
    ----------
    markets
        Up to four underlyings, with history before the replay's start.
    config
        What to replay.
    traders
        The cast; the standard one where not given.
    on_event
        Called with each event as it happens.
    on_progress
        Called with the share done, 0 .. 1, and the time [unix s].

    Raises
    ------
    SimulationError
        Where the range holds no bar, or no history comes before it.
    """

    model = EwmaFhs()
    bid_rules: tuple[BidConfig, ...] = BIDDERS
    fund_deposit = FUND  # [quote]
    look_after = LOOK_AFTER  # [s]
    feed_age = FEED_AGE  # [s]
    auction_step = AUCTION_STEP  # [s]

    def __init__(
        self,
        markets: Sequence[ReplayMarket],
        config: ReplayConfig,
        *,
        traders: Sequence[Trader] | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_progress: Callable[[float, int], None] | None = None,
    ) -> None:
        if not 1 <= len(markets) <= 4:
            raise SimulationError(f"{len(markets)} markets; one to four are right")
        self.config = config
        self.on_event = on_event or (lambda _: None)
        self._told: tuple[int, dict[int, float]] = (0, {})  # day and maintenance margins of the last report told
        self.on_progress = on_progress or (lambda _share, _time: None)
        self.markets: dict[int, ReplayMarket] = {}
        walks = {}
        first_prices = {}
        for k, market in enumerate(markets):
            bars = market.bars if config.warm is None else market.bars.between(config.warm, None)
            inside = bars.between(config.start, config.end)  # raises where there is none
            underlying = CLASS << 8 | k + 1
            first = int((bars.time < config.start).sum())
            if first < 2:
                raise SimulationError(f"{bars.source}: no history before the replay's start")
            per_leg = config.per_leg or per_leg_for(len(inside))
            self.markets[underlying] = ReplayMarket(market.name, bars)
            walks[underlying] = steps_of(bars, first, first + len(inside), per_leg)
            first_prices[underlying] = float(bars.close[first - 1])
        self.first_prices: dict[int, float] = first_prices
        self.points = merge(walks, first_prices)
        self.traders = list(cast([m.name for m in self.markets.values()]) if traders is None else traders)
        begin = min(config.start, self.points[0].time) - WARM_UP
        last_bar = max(
            int(m.bars.time[m.bars.time < config.start][-1]) + m.bars.interval for m in self.markets.values()
        )
        self.chain = EmbeddedChain(time=max(begin, last_bar))
        self.outcome = Outcome({u: m.name for u, m in self.markets.items()}, self.points[0].time, self.points[-1].time)
        self._inner_prices = dict(first_prices)
        self._called: dict[int, int] = {}  # account: when it was called
        self._answered: set[int] = set()
        self._auctioned: set[int] = set()
        self._left: dict[int, float] = {}
        self._insolvent: set[int] = set()
        self._cast: NodeCast | None = None

    # ------------------------------------------------------------------------------------------------------ set-up

    def _deploy(self) -> None:
        admin = Party.of("governance").address
        self._signers = [key_of(f"risk node {k}") for k in range(SIGNERS)]
        symbols = {u: f"t{m.name}" for u, m in self.markets.items()}
        system = deploy_system(
            self.chain,
            SystemConfig(
                owner=admin,
                signers=[address_of(key) for key in self._signers],
                quorum=QUORUM,
                feeds=[
                    FeedConfig(
                        u,
                        m.name,
                        _feed_answer(self.first_prices[u]),
                        FEED_DECIMALS,
                        self.feed_age,
                        _strike_exponent(self.first_prices[u]),
                    )
                    for u, m in self.markets.items()
                ],
                price_band=100_000,
                fees=FEES,
                curve=CURVE,
            ),
        )
        self.venue = Venue(self.chain, system, admin)
        self.expiry = (max(self.config.end, self.points[-1].time) + EXPIRY_AFTER) // DAY * DAY + 8 * 3_600
        self.listed: dict[int, list[int]] = {u: [] for u in self.markets}
        self.by_name: dict[tuple[int, int, float], int] = {}
        tokens = dict(system.tokens)
        for u in self.markets:
            self._list(u, 0, PERP, 0, 0.0)
            token = deploy_token(self.venue, symbols[u])
            tokens[symbols[u]] = token
            self.venue.token_of[u] = symbols[u]
            receipt = system.registry.transact("list_collateral", token.address, u, sender=admin)
            self.listed[u].append(int(system.registry.decode("list_collateral", receipt)))
            unit = 10 ** _strike_exponent(self.first_prices[u])
            for ratio in STRIKES:
                strike = round(self.first_prices[u] * ratio * WAD / unit)
                for kind in (CALL, PUT):
                    self._list(u, self.expiry, kind, strike, ratio)
        object.__setattr__(system, "tokens", tokens)

    def _list(self, underlying: int, expiry: int, kind: int, strike: int, ratio: float) -> None:
        registry = self.venue.system.registry
        receipt = registry.transact("list_instrument", underlying, expiry, kind, strike, sender=self.venue.admin)
        made = int(registry.decode("list_instrument", receipt)) & MASK_ID
        self.listed[underlying].append(made)
        self.by_name[underlying, kind, ratio] = made

    def _start_keeper(self) -> None:
        system = self.venue.system
        self.recorder = MemoryRecorder()
        clips = {u: CLIP / price for u, price in self.first_prices.items()}
        source = ReplaySource(self.markets, self.listed, {u: DEPTH_CLIPS * clips[u] for u in clips})
        reader = ChainReader(system, dict.fromkeys(self.markets, (0, self.expiry)))
        self.parties: dict[int, Party] = {}
        self.bidders = [Party.of(f"bidder {k + 1}") for k in range(len(self.bid_rules))]
        self.agents = [
            LiquidationAgent(
                system,
                bidder.address,
                self.recorder,
                bidder.account,
                rule,
            )
            for bidder, rule in zip(self.bidders, self.bid_rules, strict=True)
        ]
        keeper = Party.of("keeper")
        self.caller = LiquidationAgent(system, keeper.address, self.recorder)
        self.keeper = Keeper(
            source,
            Engine(self.model),
            reader,
            Poster(system, keeper.address, self._signing(source, reader), self.recorder),
            self.recorder,
            upkeep=Upkeep(
                system, keeper.address, self.recorder, list(self.markets), config=UpkeepConfig(every=self.look_after)
            ),
            accounts=lambda: list(self.parties),
            # each report says all: what is measured here is margin, and not what posting costs
            triggers=TriggerConfig(heartbeat=self.config.heartbeat, neighbours=0.0),
            config=LoopConfig(interval=0.0, max_failures=50),
        )
        self.agreement = Agreement(reader)
        self.clips = clips

    def _signing(self, source: ReplaySource, reader: ChainReader) -> Signing:
        """Who signs: nodes of their own, or keys at hand."""
        if not self.config.nodes:
            return LocalKeys(self._signers[:QUORUM])
        half = self.points[len(self.points) // 2].time
        self._cast = NodeCast(
            self.venue.system, reader, source, self.model, self._signers, half, self.recorder, self._tell_lie
        )
        self.outcome.nodes = self._cast.story
        return self._cast

    def _tell_lie(self, kind: str, said: str) -> None:
        self._say(Event(self.chain.now, "lie", LIAR, f"{kind}; an honest node refuses: {said}"))

    def _open_accounts(self) -> None:
        self.maker = Party.of("market maker")
        u_of = list(self.markets)
        held = self.keeper.reader.read()
        view = held.view
        needs = []
        for trader in self.traders:
            words = self._words(trader, u_of)
            needs.append((trader, words))
            for item in words:
                if unpack(item & MASK_ID).kind != SPOT:
                    size = abs(_quantity(item))
                    u = unpack(item & MASK_ID).underlying
                    view.open_interest = {
                        **view.open_interest,
                        u: view.open_interest.get(u, 0) + size,
                    }  # more than it will be
        amount = self.fund_deposit
        self.depositor = Party.of("fund depositor")
        self.venue.insure(self.depositor, amount * WAD)
        self.outcome.fund_start = amount
        self._say(Event(self.chain.now, "fund", self.depositor.name, f"deposits {amount:,} in the insurance fund"))
        total = len(self.traders) * CLIP * WAD
        for party in (self.maker, *self.bidders):
            self.venue.join(party)
            self._adopt(party, party.name)
            amount = 3 * total if party is self.maker else total
            self.venue.fund(party, amount)
            self.outcome.accounts[party.account].funded = amount / WAD
        for trader, words in needs:
            party = Party.of(trader.name)
            self.venue.join(party)
            self._adopt(party, trader.name)
            margin = assess(words, 0, view)
            worth = margin.equity_haircut - sum(_worth(item, view) for item in words)  # haircut collateral only
            cash = max(0, int((trader.funding + FEE_ROOM) * margin.im) - worth) + int(trader.savings * CLIP) * WAD
            self.venue.fund(party, cash)
            story = self.outcome.accounts[party.account]
            story.funded = cash / WAD
            for position, clips in trader.tokens:
                u = u_of[position]
                self.venue.fund_token(party, u, self._quantity(u, clips))
                story.funded += clips * CLIP
            self._wallets[party.account] = int(trader.wallet * margin.im)
            if trader.reaction is Reaction.MANDATED:
                self.venue.mandate(party, self._wallets[party.account])
            self._reactions[party.account] = trader.reaction
            for item in words:
                made, quantity = item & MASK_ID, _quantity(item)
                if unpack(made).kind == SPOT:
                    continue
                sides = (party, self.maker) if quantity > 0 else (self.maker, party)
                self.venue.trade(*sides, made, abs(quantity))

    def _adopt(self, party: Party, name: str) -> None:
        self.parties[party.account] = party
        self.outcome.accounts[party.account] = AccountStory(name)

    def _quantity(self, underlying: int, clips: float) -> int:
        return int(clips * self.clips[underlying] * 10**6) * 10**12

    def _words(self, trader: Trader, u_of: Sequence[int]) -> list[int]:
        found = []
        for leg in trader.legs:
            u = u_of[leg.market]
            found.append(word(self.by_name[u, leg.kind, leg.strike], self._quantity(u, leg.clips)))
        for position, clips in trader.tokens:
            u = u_of[position]
            (spot,) = (made for made in self.listed[u] if unpack(made).kind == SPOT)
            found.append(word(spot, self._quantity(u, clips)))
        return sorted(found, key=lambda item: item & MASK_ID)

    # ---------------------------------------------------------------------------------------------------------- run

    def run(self) -> Outcome:
        """Set up, walk every step, close the books.

        Raises
        ------
        SimulationError
            Where the engine cannot make a first report of this data.
        Refused
            Where the set-up is refused, which no replay of sound data is.
        """
        self._wallets: dict[int, int] = {}
        self._reactions: dict[int, Reaction] = {}
        try:
            self._deploy()
            self._start_keeper()
            self.venue.set_index(self.first_prices)
            self._post_round()
            self._open_accounts()
            self._agree()
            before = Point(self.chain.now, self.first_prices)
            for k, point in enumerate(self.points):
                self._inner_steps(before, point)
                self._arrive(point)
                before = point
                self.on_progress((k + 1) / len(self.points), point.time)
            self._finish()
        finally:
            if self._cast is not None:
                self._cast.close()
        return self.outcome

    def _inner_steps(self, a: Point, b: Point) -> None:
        """While somebody is called or auctioned, look more often on the way to the next point."""
        for k in range(1, MAX_INNER + 1):
            time = a.time + k * self.auction_step
            if time >= b.time or not (self._called or self._auctioned):
                return
            self._arrive(between(a, b, time), inner=True)

    def _arrive(self, point: Point, *, inner: bool = False) -> None:
        if point.time > self.chain.now:
            self.chain.set_time(point.time)
        self._show(point.prices)
        self._inner_prices = dict(point.prices)
        if not inner:
            self.outcome.path.append(point)
        self._owners(self._post_round())
        self._enforce()

    def _show(self, prices: Mapping[int, float]) -> None:
        """Let the index say these prices [quote]."""
        self.venue.set_index(prices)

    def _post_round(self) -> dict[int, Assessment]:
        found = self.keeper.round()
        if found.error is not None:
            if self.outcome.reports == 0:
                raise SimulationError(f"no first report: {found.error}")
            self.outcome.failed_rounds += 1
        if found.posted is None or not found.posted.ok or found.built is None:
            return self._margins()
        outcome = self.outcome
        outcome.reports += 1
        outcome.post_gas += found.posted.gas
        outcome.surfaces = found.posted.surfaces
        self._sample(found.built)
        self._tell_post(found.built)
        return self._agree()

    def _agree(self) -> dict[int, Assessment]:
        margins = self.agreement.compare(list(self.parties))
        for account, margin in margins.items():
            if state_of(margin) is State.INSOLVENT and account not in self._insolvent:
                self._insolvent.add(account)
                self._tell("insolvent", account, f"equity {margin.equity_full / WAD:,.0f}")
        return margins

    def _margins(self) -> dict[int, Assessment]:
        return dict(self.caller.watch(list(self.parties)))

    def _tell_post(self, built: BuiltReport) -> None:
        """Say the first report of a day, and those that move a maintenance margin by more than TOLD_MOVE."""
        rates = {u: rate.mm for u, rate in built.summary.items()}
        day = self.chain.now // DAY
        moved = any(abs(mm / self._told[1].get(u, mm) - 1) > TOLD_MOVE for u, mm in rates.items())
        if day == self._told[0] and not moved:
            return
        self._told = (day, rates)
        says = (f"{self.markets[u].name} MM {rate.mm:.1%}, IM {rate.im:.1%}" for u, rate in built.summary.items())
        self._say(Event(self.chain.now, "posted", f"report {built.report.sequence:,}", "; ".join(says)))

    def _sample(self, built: BuiltReport) -> None:
        for u, rate in built.summary.items():
            self.outcome.samples.setdefault(u, []).append(
                Sample(built.report.market_time, self._inner_prices[u], rate.mm, rate.im, rate.psr, rate.volatility)
            )

    # ------------------------------------------------------------------------------------------------------- people

    def _owners(self, margins: Mapping[int, Assessment]) -> None:
        """Owners who answer a call, some time after it."""
        for account, since in list(self._called.items()):
            reaction = self._reactions.get(account, Reaction.NOTHING)
            is_idle = reaction in {Reaction.NOTHING, Reaction.MANDATED}
            if is_idle or account in self._answered or account not in margins:
                continue
            if self.chain.now < since + REACTION_TIME:
                continue
            margin = margins[account]
            self._answered.add(account)
            if reaction is Reaction.TOPS_UP:
                wanted = int(margin.call_line * TOP_UP) - margin.equity_haircut
                amount = min(wanted, self._wallets[account])
                if amount <= 0:
                    continue
                self._wallets[account] -= amount
                self.venue.fund(self.parties[account], amount)
                self.outcome.accounts[account].topped_up += amount / WAD
                self._tell("topped up", account, f"deposits {amount / WAD:,.0f}")
            else:
                try:
                    self.venue.unwind(self.parties[account], self.maker, CUT)
                except Refused as refused:
                    self._tell("cut", account, f"could not cut: {refused.reason}")
                    continue
                self._tell("cut", account, f"gives up {CUT:.0%} of its position")

    def _enforce(self) -> None:
        """Calls, cures, starts and closes by the keeper; bids by the bidders, the least choosy first."""
        margins = self._margins()
        for due in self.caller.plan(margins):
            taken = self.caller.act(due, margins[due.account])
            if taken is not None:
                self._account_for(taken)
        for agent in self._present():
            for taken in agent.round(sorted(self._auctioned)):
                self._account_for(taken)
        if self._auctioned:
            self._forget_lapsed()

    def _present(self) -> Sequence[LiquidationAgent]:
        """The bidders who are there."""
        return self.agents

    def _forget_lapsed(self) -> None:
        """Auctions that lapsed, and whose accounts need none any more."""
        accounts = sorted(self._auctioned)
        liquidator = self.venue.system.liquidator
        started = batch(self.chain, [liquidator.request("auction", account) for account in accounts])
        self._auctioned -= {account for account, since in zip(accounts, started, strict=True) if not since}

    def _account_for(self, taken: Taken) -> None:
        if taken.error is not None:
            return
        account, story = taken.account, self.outcome.accounts[taken.account]
        if taken.step is Step.CALL:
            story.calls += 1
            self._called[account] = self.chain.now
            self._answered.discard(account)
            (called,) = (event.args for event in taken.events if event.name == "Called")
            notice = round((called.deadline - self.chain.now) / 60)
            self._tell("called", account, f"margin call, {notice} minutes' notice")
        elif taken.step in {Step.TOP_UP, Step.DRAW}:
            (moved,) = (event.args for event in taken.events if event.name in {"Deposited", "Transferred"})
            amount = self.venue.wad(moved.amount)
            story.topped_up += amount / WAD
            self._tell("topped up", account, f"{amount / WAD:,.0f} from its owner's wallet, as mandated")
        elif taken.step is Step.RECORD:
            self._tell_recorded(taken)
        elif taken.step is Step.CURE:
            self._called.pop(account, None)
            story.recoveries += 1
            self._tell("recovered", account, "back over its call line")
        elif taken.step is Step.START:
            self._called.pop(account, None)
            self._auctioned.add(account)
            self._tell("auction", account, "auction opens")
            self._tell_recorded(taken)
        elif taken.step is Step.CLOSE:
            self._recovered(account)
        elif taken.step is Step.BID:
            share = taken.fraction / WAD
            discount = taken.discount / WAD * share
            story.bids += 1
            story.paid_discount += discount
            self._left[account] = self._left.get(account, 1.0) * (1 - share)
            story.taken = 1 - self._left[account]
            bidder = self.parties[taken.bidder]
            self._tell(
                "liquidated",
                account,
                f"{share:.1%} to {bidder.name} for {taken.payment / WAD:,.0f}, discount {discount:,.0f}",
            )
            for event in taken.events:
                if event.name == "ShortfallPaid":
                    self._tell(
                        "shortfall",
                        account,
                        f"the fund pays {event.args.fund / WAD:,.0f}, all bear {event.args.socialised / WAD:,.0f}",
                    )
            self._tell_recorded(taken)
            if any(event.name == "AuctionClosed" for event in taken.events):
                self._recovered(account)
            self._lay_off(bidder)
            if story.taken > GIVE_UP:
                self._give_up(account)

    def _tell_recorded(self, taken: Taken) -> None:
        for event in taken.events:
            if event.name == "BadDebtRecorded":
                self._tell("recorded", taken.account, f"bad debt on record: {event.args.amount / WAD:,.0f}")

    def _recovered(self, account: int) -> None:
        self._auctioned.discard(account)
        self.outcome.accounts[account].recoveries += 1
        self._tell("recovered", account, "back at initial margin, auction closed")

    def _give_up(self, account: int) -> None:
        """The owner of an account of which little is left closes the rest."""
        try:
            closed = self.venue.unwind(self.parties[account], self.maker)
        except Refused:
            return  # still below its margin, and the trade would not help; the auction goes on
        if closed:
            self._tell("closed", account, "its owner closes what is left")

    def _lay_off(self, bidder: Party) -> None:
        """The bidder trades what it took on to the market maker, at the mark."""
        try:
            self.venue.unwind(bidder, self.maker)
        except Refused as refused:
            self._tell("carried", bidder.account, f"keeps what it took: {refused.reason}")

    def _tell(self, kind: str, account: int, text: str) -> None:
        u = self._main_underlying(account)
        name = self.outcome.accounts[account].name
        self._say(Event(self.chain.now, kind, name, text, u, self._inner_prices.get(u, 0.0)))

    def _say(self, event: Event) -> None:
        self.outcome.events.append(event)
        self.on_event(event)

    def _main_underlying(self, account: int) -> int:
        name = self.outcome.accounts[account].name
        for u, market in self.markets.items():
            if name.startswith(market.name):
                return u
        return next(iter(self.markets))

    # ------------------------------------------------------------------------------------------------------ the end

    def _record_losses(self) -> None:
        """Put what every account is short of on record."""
        for account in self.parties:
            self.venue.system.liquidator.transact("record", account, sender=Party.of("keeper").address)

    def _finish(self) -> None:
        outcome = self.outcome
        margins = self._agree()
        outcome.comparisons = self.agreement.comparisons
        outcome.mismatches = self.agreement.mismatches
        for account, margin in margins.items():
            story = outcome.accounts[account]
            story.equity = margin.equity_full / WAD
            story.state = state_of(margin).name
        outcome.bad_debt = -sum(min(0, margin.equity_full) for margin in margins.values()) / WAD
        outcome.bidder_profit = sum(
            outcome.accounts[b.account].equity - outcome.accounts[b.account].funded for b in self.bidders
        )
        system, keeper = self.venue.system, Party.of("keeper").address
        for contract, name in ((system.clearinghouse, "claim"), (system.fund, "collect")):
            contract.transact(name, sender=keeper)
        went = flows(system)
        outcome.fees, outcome.liquidation_fees = went.fees / WAD, went.liquidation_fees / WAD
        outcome.fund_paid, outcome.socialised, outcome.recorded = (
            went.fund_paid / WAD,
            went.socialised / WAD,
            went.recorded / WAD,
        )
        outcome.fund_end = system.fund.call("cover") / WAD
        outcome.conserved = conserved(system, self.parties, keeper)
        self._say(
            Event(self.chain.now, "fund", self.depositor.name, f"the insurance fund holds {outcome.fund_end:,.0f}")
        )


def deploy_token(venue: Venue, symbol: str) -> Any:
    """A mock token of 18 decimals."""
    from plimsoll.chain import artifacts  # noqa: PLC0415 - only a replay needs it
    from plimsoll.chain.contract import deploy  # noqa: PLC0415

    return deploy(venue.chain, artifacts.load("MockToken"), symbol, symbol, 18, sender=venue.admin)


def _quantity(item: int) -> int:
    q = item >> 128
    return q - 2**128 if q >> 127 else q


def _worth(item: int, view: Any) -> int:
    """Value at the mark of one position other than collateral [wad], about."""
    from plimsoll.spec.margin import mark, row_of  # noqa: PLC0415

    made = unpack(item & MASK_ID)
    if made.kind == SPOT:
        return 0
    surface = view.surfaces.get((made.underlying, made.expiry))
    return _quantity(item) * mark(made, row_of(surface, made), surface, view.index[made.underlying]) // WAD


__all__ = ["PPM", "AccountStory", "Event", "Outcome", "Replay", "ReplayConfig", "ReplayMarket", "Sample", "TokenConfig"]
