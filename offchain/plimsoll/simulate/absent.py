"""A crash while nobody bids: every loss ends on record, and everybody else gets what the books say is theirs.

March 2020 through the real contracts and the real keeper. Accounts are leveraged, some of them on collateral and some
with short options; margins are thin, the insurance fund is modest, and its caps bind. From the bar in which the crash
begins every bidder is away for six hours; reports, calls and auctions go on, and run dry. Then bidders come back, one
of them content to take an account over at cost. At the end

    losses     what bidders took over was paid by the fund or by all cash alike; what nobody took is on record
    the rest   settles, and withdraws: accounts without positions all they own, others down to their initial margin

and each withdrawal that the books promise is made, until nothing is left to withdraw; the fund's depositor leaves last.

Prices are recorded ones where a folder holds them, and made up in the same shape otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from plimsoll.chain.contract import Contract
from plimsoll.keeper.liquidation import BidConfig, LiquidationAgent
from plimsoll.keeper.state import assessment_of
from plimsoll.market.bars import Bars
from plimsoll.market.sources import load_bars
from plimsoll.risk.models import EwmaFhs, EwmaFhsConfig
from plimsoll.simulate.books import conserved, flows, fund_account
from plimsoll.simulate.market import Party
from plimsoll.simulate.paths import HOUR, MARCH_2020, START, WARM, made_up
from plimsoll.simulate.replay import Event, Replay, ReplayConfig, ReplayMarket
from plimsoll.simulate.traders import PUT_STRIKE, Leg, Reaction, Trader
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import CALL, PERP, PUT, SPOT, id_of, quantity_of, unpack
from plimsoll.spec.wad import WAD

END: Final = int(datetime(2020, 3, 13, 12, tzinfo=UTC).timestamp())
AWAY: Final = 6 * HOUR
CRASH: Final = 0.1  # a bar that falls by more than this within itself begins a crash
HORIZON: Final = 6 * HOUR  # of the margins: a day's, as the engine has it, would have covered most of what came
PER_LEG: Final = 2
MARKETS: Final = ("btc", "eth")
AT_COST: Final = BidConfig(min_profit=0, min_share=0, min_bonus=0)
EVENT_CAP: Final = 10_000  # [quote]
UNDERLYING_CAP: Final = 25_000  # [quote]
FUND: Final = 100_000  # [quote]
ROUNDS: Final = 6  # half hours after the end, for auctions to end and the lag to pass
LOOPS: Final = 4  # of settlements: losers pay winners, who may be losers' creditors in turn


@dataclass(frozen=True, slots=True)
class Numbers:
    """What such a replay comes to. Money in quote."""

    prices: str  # recorded, or made up
    accounts: int
    liquidated: int  # accounts of which bidders took a part
    worst_bad_debt: float  # on record at any one time
    fund_paid: float
    socialised: float
    on_record: float  # at the end
    off_record: float  # negative equity at the end that is not on record
    unaccounted: float  # paid or socialised by one contract's events and not by the other's
    withdrawals: int
    refused: int
    withdrawn: float
    deposited: float  # in the fund
    fund_owned: float  # by its depositor in the end, as the fund says
    redeemed: float
    comparisons: int
    mismatches: int
    conserved: bool

    @property
    def ok(self) -> bool:
        """Whether every loss is on record and nobody was refused what is his."""
        return (
            self.off_record == 0
            and self.unaccounted == 0
            and self.refused == 0
            and self.withdrawals > 0
            and self.redeemed == self.fund_owned > 0
            and self.mismatches == 0
            and self.conserved
        )


def accounts_of(markets: Sequence[str]) -> list[Trader]:
    """Who is there: leverage on cash and on collateral, short options, and some who take no risk at all."""
    found = []
    for k, name in enumerate(markets):
        perp, short = Leg(k, PERP, 1.0), Leg(k, PERP, -1.0)
        puts, straddle = Leg(k, PUT, -1.0, PUT_STRIKE), (Leg(k, CALL, -0.5, 1.0), Leg(k, PUT, -0.5, 1.0))
        found += [
            Trader(f"{name} reckless long", (Leg(k, PERP, 2.0),), 1.03),
            Trader(f"{name} bold long", (perp,), 1.4),
            Trader(f"{name} cautious long", (perp,), 12.0),
            Trader(f"{name} long that tops up", (perp,), 1.6, (), Reaction.MANDATED, 2.0),
            Trader(f"{name} long on its own token", (Leg(k, PERP, 2.0),), 1.03, ((k, 0.4),)),
            Trader(f"{name} put seller", (puts,), 1.03),
            Trader(f"{name} straddle seller", straddle, 1.1),
            Trader(f"{name} short", (short,), 2.0),
            Trader(f"{name} hedged pair", (short,), 1.5, ((k, 1.0),)),
            Trader(f"{name} holder", (), 1.0, ((k, 0.5),)),
        ]
    return [*found, Trader("saver", (), 1.0, savings=2.0), Trader("small saver", (), 1.0, savings=0.01)]


def crash_of(name: str, seed: int) -> Bars:
    """Made-up bars to the end: quiet, then the shape of the crash."""
    return made_up(name, seed, MARCH_2020, begin=START + HOUR, end=END)


def markets_of(folder: Path | None) -> list[ReplayMarket]:
    """Recorded hourly prices of a folder; made-up ones without it."""
    if folder is None:
        return [ReplayMarket(name.upper(), crash_of(name, 12 + k)) for k, name in enumerate(MARKETS)]
    return [ReplayMarket(name.upper(), load_bars(folder / f"{name}_usdt_spot_1h.csv.gz")) for name in MARKETS]


def crash_start(bars: Bars, first: int) -> int:
    """When the first bar opens, from a time on, that falls by more than CRASH within itself [unix s]."""
    falls = (bars.time >= first) & (bars.low < (1 - CRASH) * bars.open)
    return int(bars.time[int(np.argmax(falls))])


class Absent(Replay):
    """The replay with everybody away."""

    model = EwmaFhs(EwmaFhsConfig(horizon=HORIZON))
    bid_rules = (BidConfig(min_share=150_000, max_fraction=WAD // 4), AT_COST)
    fund_deposit = FUND
    look_after = HOUR

    def __init__(
        self,
        markets: Sequence[ReplayMarket],
        *,
        per_leg: int = PER_LEG,
        away: int = AWAY,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        traders = accounts_of([market.name for market in markets])
        super().__init__(markets, ReplayConfig(START, END, WARM, per_leg), traders=traders, on_event=on_event)
        self.away_from = min(crash_start(market.bars, START) for market in markets)
        self.away_until = self.away_from + away
        self.worst = 0  # bad debt on record [wad]
        self.withdrawals: list[tuple[int, str, int, str | None]] = []  # account, token, amount, why not
        self.redeemed = 0  # [token]
        self.owned_in_fund = 0  # [token]

    def _deploy(self) -> None:
        super()._deploy()
        caps = (EVENT_CAP * WAD, UNDERLYING_CAP * WAD)
        self.venue.system.fund.transact("set_caps", *caps, sender=self.venue.admin)

    def _present(self) -> Sequence[LiquidationAgent]:
        return () if self.away_from <= self.chain.now < self.away_until else self.agents

    def _enforce(self) -> None:
        super()._enforce()
        self.worst = max(self.worst, int(self.venue.system.liquidator.call("bad_debt")))

    def _finish(self) -> None:
        """Auctions end, losses go on record, accounts settle; then the books are closed, and everybody leaves."""
        for _ in range(ROUNDS):
            self.chain.advance(HOUR // 2)
            self.venue.set_index(self._inner_prices)
            self._post_round()
            self._enforce()
        system, keeper = self.venue.system, Party.of("keeper").address
        self._record_losses()
        for _ in range(LOOPS):
            for account in (*self.parties, fund_account(system)):
                system.clearinghouse.transact("settle", account, sender=keeper)
        super()._finish()

    # ------------------------------------------------------------------------------------------------- who leaves

    def leave(self) -> None:
        """Everybody but the insolvent withdraws what is free; the fund's depositor redeems after the cool-down."""
        system, book = self.venue.system, self.venue.system.clearinghouse
        tokens = [(system.quote, self.venue.wad(1)), *((token, 1) for token in system.tokens.values())]
        for account, party in self.parties.items():
            if assessment_of(book.call("margin", account)).equity_full < 0:
                continue
            for token, scale in tokens:
                units = self._owned(account, token, scale)
                if units > 0:
                    self._withdraw(party, token, units)
        fund, depositor = system.fund, self.depositor.address
        fund.transact("request", fund.call("balanceOf", depositor), sender=depositor)
        self.chain.advance(fund.call("cooldown") + 1)
        self.owned_in_fund = int(fund.call("convertToAssets", fund.call("maxRedeem", depositor)))
        fund.transact("redeem", fund.call("maxRedeem", depositor), depositor, depositor, sender=depositor)
        self.redeemed = int(system.quote.call("balanceOf", depositor))

    def _owned(self, account: int, token: Contract, scale: int) -> int:
        """What the books say an account owns of a token and needs for no margin [token]."""
        system, book = self.venue.system, self.venue.system.clearinghouse
        words = book.call("positions", account)
        cash, linear = book.call("ledger", account)
        if token is system.quote:
            held, price = max(cash, 0), WAD
        else:
            made = int(system.registry.call("collateral", token.address)[0])
            held, price = next((quantity_of(word) for word in words if id_of(word) == made), 0), 0
        risky = [word for word in words if unpack(id_of(word)).kind != SPOT]
        if not risky and cash + linear >= 0:
            return int(held // scale)
        margin = assessment_of(book.call("margin", account))
        free = margin.equity_haircut - margin.im - system.history.call("unpaid", list(words))
        if price:
            return int(max(0, min(held, free)) // scale)
        return self.venue.most(self.parties[account], token, held // scale) if free > 0 else 0

    def _withdraw(self, party: Party, token: Contract, units: int) -> None:
        args = (party.account, token.address, units, party.address)
        why = None
        try:
            self.venue.system.clearinghouse.transact("withdraw", *args, sender=party.address)
        except Refused as refused:
            why = refused.reason
        self.withdrawals.append((party.account, token.address, units, why))


def march_2020(folder: Path | None = None, **options: Any) -> Numbers:
    """Replay it, close the books, let everybody leave.

    Parameters
    ----------
    folder
        Of recorded prices; None: made up in the same shape.
    **options
        Of `Absent`.
    """
    replay = Absent(markets_of(folder), **options)
    outcome = replay.run()
    system = replay.venue.system
    margins = {account: assessment_of(system.clearinghouse.call("margin", account)) for account in replay.parties}
    recorded = {account: system.liquidator.call("recorded", account) for account in replay.parties}
    off = sum(abs(max(0, -margin.equity_full) - recorded[account]) for account, margin in margins.items())
    went = flows(system)
    off_books = abs(went.fund_paid - went.shortfalls_paid) + abs(went.socialised - went.shortfalls_socialised)
    off_books += abs(went.recorded - sum(recorded.values()))
    replay.leave()
    done = [
        units * replay.venue.wad(1)
        for _, token, units, why in replay.withdrawals
        if why is None and token == system.quote.address
    ]
    return Numbers(
        prices="made up" if folder is None else "recorded",
        accounts=len(replay.parties),
        liquidated=outcome.liquidated,
        worst_bad_debt=replay.worst / WAD,
        fund_paid=went.fund_paid / WAD,
        socialised=went.socialised / WAD,
        on_record=went.recorded / WAD,
        off_record=off / WAD,
        unaccounted=off_books / WAD,
        withdrawals=len(replay.withdrawals),
        refused=sum(why is not None for *_, why in replay.withdrawals),
        withdrawn=sum(done) / WAD,
        deposited=FUND,
        fund_owned=replay.venue.wad(replay.owned_in_fund) / WAD,
        redeemed=replay.venue.wad(replay.redeemed) / WAD,
        comparisons=outcome.comparisons,
        mismatches=len(outcome.mismatches),
        conserved=outcome.conserved and conserved(system, replay.parties, Party.of("keeper").address),
    )


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(asdict(march_2020(Path(sys.argv[1]) if len(sys.argv) > 1 else None)), indent=2))  # noqa: T201
