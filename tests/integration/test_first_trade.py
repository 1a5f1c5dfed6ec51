"""From an empty deployment to a first trade and what it must hold: deposit, report, orders, settlement, margin.

All through ape, as a user would: orders are signed as typed data the way wallets do it, reports by the risk nodes.
"""

from dataclasses import asdict, replace

import pytest
from ape.exceptions import ContractLogicError
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from plimsoll.spec import exchange, margin
from plimsoll.spec.instruments import CALL, PUT, Instrument, unpack
from plimsoll.spec.margin import Index, Params, Scalars, View
from plimsoll.spec.report import Report, digest, pack_scalars
from plimsoll.spec.surface import LANES, Row, Surface, encode
from plimsoll.spec.wad import WAD
from scripts._deployment import expiry_of

ETH = 0x0102
PRICE = 3_000
USD = 10**6
NODES = (0, *(sign * step for step in (1_667, 3_333, 5_000, 6_667, 8_333, 10_000) for sign in (1, -1)))  # [1e-4 PSR]
EXTREMES = (150, 200, 300)  # [1e-2 PSR]
DAMPS = (60, 45, 33)  # [1e-2]
PSR = 150_000  # [ppm]
FIELDS = [
    {"name": "account", "type": "uint256"},
    {"name": "signer", "type": "address"},
    {"name": "instrument", "type": "uint128"},
    {"name": "quantity", "type": "int256"},
    {"name": "price", "type": "uint256"},
    {"name": "expires", "type": "uint256"},
    {"name": "nonce", "type": "uint256"},
]


class Venue:
    """The deployed contracts and the three roles of this page."""

    def __init__(self, site) -> None:
        self.site = site
        self.provider = site.provider
        for name, contract in site.deployed.contracts.items():
            setattr(self, name.lower(), contract)
        book = site.book()
        self.usd, self.weth, self.aggregator = (
            self.at("MockToken", str(book.quote)),
            self.at("MockToken", book.tokens["WETH"]),
            self.at("MockAggregator", book.aggregators[str(ETH)]),
        )
        self.maker, self.taker, self.keeper = site.accounts[10:13]
        self.nodes = sorted(site.accounts[1:4], key=lambda node: int(node.address, 16))
        self.surfaces: dict[tuple[int, int], Surface] = {}
        self.scalars = Scalars(ETH, 10_000 * WAD, 10**6, 20_000, 1_300_000, 600_000, 10_000)
        self.nonce = 0

    @staticmethod
    def at(name: str, address: str):
        from ape import project

        return getattr(project, name).at(address, fetch_from_explorer=False)

    @property
    def now(self) -> int:
        return self.provider.get_block("latest").timestamp

    def account(self, who) -> int:
        return int(who.address, 16) << 96

    def fund(self, who, dollars: int) -> None:
        self.usd.mint(who, dollars * USD, sender=who)
        self.usd.approve(self.clearinghouse, dollars * USD, sender=who)
        self.clearinghouse.deposit(self.account(who), self.usd, dollars * USD, sender=who)
        self.mandates.set_allowance(self.account(who), self.exchange, 2**255, 2**256 - 1, 0, 0, sender=who)

    def instruments(self, expiry: int) -> list[Instrument]:
        return [unpack(found) for found in self.registry.listing(ETH, expiry)]

    def report(self, sequence: int) -> Report:
        """Surfaces of all that is listed on ETH, stored, signed by two of three and believed."""
        expiry = expiry_of(self.now, 1)
        made = []
        for at in (0, expiry):
            rows = tuple(row(item) for item in self.instruments(at))
            self.surfaces[ETH, at] = Surface(
                underlying=ETH,
                expiry=at,
                scale=10,
                common=LANES,
                time=self.now,
                set_id=1,
                forward=10**9,
                reference=PRICE * WAD,
                psr=PSR,
                vol_up=300_000,
                vol_down=200_000,
                nodes=NODES,
                extremes=EXTREMES,
                damps=DAMPS,
                rows=rows,
            )
        time = self.now
        made = [encode(replace(surface, time=time)) for surface in self.surfaces.values()]
        self.surfaces = {key: replace(surface, time=time) for key, surface in self.surfaces.items()}
        told = Report(
            sequence,
            time,
            False,
            bytes(32),
            bytes(32),
            bytes(32),
            tuple(map(keccak, made)),
            (pack_scalars(self.scalars),),
            (),
        )
        signed = digest(told, self.provider.chain_id, self.riskoracle.address)
        assert self.riskoracle.digest(tuple(asdict(told).values())) == signed
        signatures = [node.sign_raw_msghash(signed).encode_rsv() for node in self.nodes[:2]]
        stored = self.riskoracle.store(made[0], sender=self.keeper).events.filter(self.riskoracle.SurfaceStored)
        self.riskoracle.post(tuple(asdict(told).values()), signatures, [stored[0].surface], made[1], sender=self.keeper)
        return told

    def order(self, who, instrument: int, quantity: int, price: int, **changes) -> tuple[tuple, bytes]:
        """An order and its signature, made as a wallet makes it."""
        self.nonce += 1
        made = exchange.Order(
            self.account(who), int(who.address, 16), instrument, quantity, price, self.now + 600, self.nonce
        )
        made = replace(made, **changes)
        fields = {**asdict(made), "signer": who.address}
        domain = {
            "name": "Plimsoll Exchange",
            "version": "1",
            "chainId": self.provider.chain_id,
            "verifyingContract": self.exchange.address,
        }
        message = encode_typed_data(domain, {"Order": FIELDS}, fields)
        signed = who.sign_message(message)
        values = tuple(fields.values())
        assert self.exchange.digest(values) == exchange.digest(made, self.provider.chain_id, self.exchange.address)
        return values, signed.encode_rsv()

    def trade(self, instrument: int, quantity: int, price: int):
        """The maker sells, the taker buys."""
        sold, bought = (
            self.order(self.maker, instrument, -quantity, price),
            self.order(self.taker, instrument, quantity, price),
        )
        return self.exchange.settle(*sold, *bought, quantity, sender=self.keeper)

    def assess(self, who) -> margin.Assessment:
        """The twin's margin of an account, from its words and ledgers."""
        account = self.account(who)
        view = View(
            params=Params(),
            now=self.now,
            index={ETH: Index(self.indexfeed.price(ETH)[0], WAD)},
            surfaces=self.surfaces,
            scalars={ETH: self.scalars},
            open_interest={ETH: self.clearinghouse.open_interest(ETH)},
        )
        return margin.assess(list(self.clearinghouse.positions(account)), sum(self.clearinghouse.ledger(account)), view)

    def margin(self, who) -> margin.Assessment:
        """The contract's margin of an account; the twin's must be the same."""
        found = self.clearinghouse.margin(self.account(who))
        made = margin.Assessment(
            found.equity_haircut, found.equity_full, found.mm, found.im, found.call_line, found.fresh
        )
        assert made == self.assess(who)
        return made


def row(item: Instrument) -> Row:
    """A risk array without time value: what an instrument is worth at each node of the price, less what it is now."""
    moves = [node * PSR / 10**10 for node in NODES]  # 1e-4 of ppm
    now = worth(item, 1.0)
    lanes = [half_up((worth(item, 1 + move) - now) * 1e4) for move in moves for _ in range(2)]
    lanes += [
        half_up((worth(item, 1 + sign * extreme * PSR / 1e8) - now) * damp * 1e2)
        for extreme, damp in zip(EXTREMES, DAMPS, strict=True)
        for sign in (1, -1)
    ]
    option = item.kind in {CALL, PUT}
    delta = {CALL: 500_000, PUT: -500_000}.get(item.kind, 10**6)
    return Row(
        kind=item.kind,
        strike=item.strike,
        lanes=tuple(lanes),
        mark=round((now + (0.02 if option else 0)) * 10**12),
        delta=delta,
        gamma=0,
        vega=0,
        theta=0,
        gross=10_000,
    )


def half_up(lane: float) -> int:
    """The nearest integer, halves away from zero, as guardrails want linear lanes."""
    size = int(abs(lane) + 0.5 + 1e-9)
    return size if lane > 0 else -size


def worth(item: Instrument, spot: float) -> float:
    """Of one unit, in units of the reference."""
    strike = item.strike / PRICE
    if item.kind == CALL:
        return max(0.0, spot - strike)
    if item.kind == PUT:
        return max(0.0, strike - spot)
    return spot


@pytest.fixture(scope="module")
def venue(site):
    """Two funded accounts and a report; what a test does is undone."""
    made = Venue(site)
    site.govern(made.registry, "set_fees", 0)  # what trades cost stands in the way of round numbers
    for who in (made.maker, made.taker):
        made.fund(who, 10_000)
    made.report(1)
    return made


def test_a_perpetual_changes_hands_and_both_hold_margin(venue):
    perp = venue.registry.listing(ETH, 0)[0]
    receipt = venue.trade(perp, 2 * WAD, PRICE * WAD)
    (traded,) = receipt.events.filter(venue.clearinghouse.Traded)
    assert (traded.buyer, traded.seller) == (venue.account(venue.taker), venue.account(venue.maker))
    assert (traded.quantity, traded.price, traded.venue) == (2 * WAD, PRICE * WAD, venue.exchange.address)
    assert len(receipt.events.filter(venue.exchange.OrderFilled)) == 2
    for who, sign in ((venue.taker, 1), (venue.maker, -1)):
        account = venue.account(who)
        assert venue.clearinghouse.quantity(account, perp) == sign * 2 * WAD
        assert tuple(venue.clearinghouse.ledger(account)) == (10_000 * WAD, -sign * 6_000 * WAD)
        held = venue.margin(who)
        assert held.equity_full == 10_000 * WAD
        assert 0 < held.mm < held.im < held.equity_haircut
        assert held.fresh
        assert venue.clearinghouse.state(account) == margin.State.HEALTHY
    assert venue.clearinghouse.open_interest(ETH) == 2 * WAD


def test_an_option_is_paid_in_cash(venue):
    call = next(item for item in venue.instruments(expiry_of(venue.now, 1)) if item.kind == CALL)
    price = venue.riskoracle.mark(call.pack())
    assert abs(price - (PRICE - call.strike + 60) * WAD) < WAD // 10**6
    venue.trade(call.pack(), WAD, price)
    assert tuple(venue.clearinghouse.ledger(venue.account(venue.taker))) == (10_000 * WAD - price, 0)
    assert tuple(venue.clearinghouse.ledger(venue.account(venue.maker))) == (10_000 * WAD + price, 0)
    assert venue.margin(venue.maker).mm > venue.margin(venue.taker).mm  # the seller's risk is the greater


def test_a_large_order_fills_in_parts_until_margin_ends_it(venue):
    perp = venue.registry.listing(ETH, 0)[0]
    sold = venue.order(venue.maker, perp, -1_000 * WAD, PRICE * WAD)
    bought = venue.order(venue.taker, perp, 1_000 * WAD, PRICE * WAD)
    for _ in range(2):
        venue.exchange.settle(*sold, *bought, 3 * WAD, sender=venue.keeper)
    with pytest.raises(ContractLogicError, match=r"^clearinghouse: below initial margin$"):
        venue.exchange.settle(*sold, *bought, 100 * WAD, sender=venue.keeper)
    key = venue.exchange.digest(sold[0])
    assert venue.exchange.filled(key) == 6 * WAD
    venue.exchange.cancel(sold[0], sender=venue.maker)
    with pytest.raises(ContractLogicError, match=r"^exchange: order cancelled$"):
        venue.exchange.settle(*sold, *bought, WAD, sender=venue.keeper)


def test_a_price_far_from_the_mark_is_the_books_business(venue):
    perp = venue.registry.listing(ETH, 0)[0]
    with pytest.raises(ContractLogicError, match=r"^clearinghouse: price outside the band$"):
        venue.trade(perp, WAD, PRICE * WAD * 12 // 10)


def test_an_account_that_withdrew_its_allowance_is_not_traded(venue):
    perp = venue.registry.listing(ETH, 0)[0]
    venue.mandates.set_allowance(venue.account(venue.maker), venue.exchange, 0, 0, 0, 0, sender=venue.maker)
    with pytest.raises(ContractLogicError, match=r"^mandates: venue not allowed$"):
        venue.trade(perp, WAD, PRICE * WAD)


def test_a_dismissed_venue_settles_nothing(venue):
    perp = venue.registry.listing(ETH, 0)[0]
    venue.registry.set_venue(venue.exchange, False, sender=venue.site.guardian)
    with pytest.raises(ContractLogicError, match=r"^registry: venue not admitted$"):
        venue.trade(perp, WAD, PRICE * WAD)


def test_what_margin_holds_does_not_leave(venue, chain):
    venue.trade(venue.registry.listing(ETH, 0)[0], 2 * WAD, PRICE * WAD)
    account = venue.account(venue.taker)
    with pytest.raises(ContractLogicError, match=r"^history: no price of so long ago$"):
        venue.clearinghouse.withdraw(account, venue.usd, 1, venue.taker, sender=venue.taker)
    chain.mine(timestamp=venue.now + 3_600)
    spare = (10_000 * WAD - venue.margin(venue.taker).im) // 10**12
    with pytest.raises(ContractLogicError, match=r"^clearinghouse: below initial margin$"):
        venue.clearinghouse.withdraw(account, venue.usd, spare + 1, venue.taker, sender=venue.taker)
    spare -= USD  # requirements grow with the age of a report, by less than this in a few seconds
    venue.clearinghouse.withdraw(account, venue.usd, spare, venue.taker, sender=venue.taker)
    assert venue.usd.balanceOf(venue.taker) == spare
    assert venue.clearinghouse.state(account) == margin.State.HEALTHY


def test_collateral_that_hedges_lowers_the_requirement(venue):
    """The maker is short two; two of the underlying as collateral leave next to nothing to scan."""
    venue.trade(venue.registry.listing(ETH, 0)[0], 2 * WAD, PRICE * WAD)
    before = venue.margin(venue.maker)
    venue.weth.mint(venue.maker, 2 * WAD, sender=venue.maker)
    venue.weth.approve(venue.clearinghouse, 2 * WAD, sender=venue.maker)
    venue.clearinghouse.deposit(venue.account(venue.maker), venue.weth, 2 * WAD, sender=venue.maker)
    after = venue.margin(venue.maker)
    assert after.mm * 4 < before.mm
    assert after.equity_full == before.equity_full + 6_000 * WAD


def test_the_index_falls_and_the_long_is_called_then_liquidatable(venue):
    venue.trade(venue.registry.listing(ETH, 0)[0], 12 * WAD, PRICE * WAD)
    states = []
    for price in (3_000, 2_850, 2_660, 2_600, 2_560, 2_000):
        venue.aggregator.set(price * 10**8, sender=venue.keeper)
        venue.margin(venue.taker)
        states.append(venue.clearinghouse.state(venue.account(venue.taker)))
    assert states == sorted(states)
    assert states[0] == margin.State.HEALTHY
    assert states[-1] == margin.State.INSOLVENT
    assert margin.State.LIQUIDATABLE in states


def test_a_stale_index_stops_trading_and_not_deposits(venue, chain):
    perp = venue.registry.listing(ETH, 0)[0]
    chain.mine(timestamp=venue.now + 86_401)
    with pytest.raises(ContractLogicError, match=r"^feed: stale price$"):
        venue.trade(perp, WAD, PRICE * WAD)
    venue.fund(venue.maker, 1)
