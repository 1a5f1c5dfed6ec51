# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Views for people and keepers
@license GNU Affero General Public License v3.0 only
@notice Explains a margin, adds up Greeks, tries trades, reads many accounts in
        one call, and holds what the system has against what it owes, now and in
        every scenario. Holds nothing, changes nothing, and nobody depends on it:
        another can be deployed beside it at any time.
        Units: money and quantities [wad]. Greeks are of the posted surfaces, at
        their reference price: delta in units of the underlying, gamma in units
        per unit of price, vega in quote per 1.00 of volatility, theta in quote
        per day. They round toward zero: they are for reading.
@custom:security Not for use by contracts: a margin is the Clearinghouse's.
@custom:kill Stop calling it.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

from interfaces import IClearinghouse
from interfaces import IInsuranceFund
from interfaces import IRegistry
from interfaces import IRiskOracle

from modules import fixed
from modules import instruments
from modules import surface


# ------------------------------------------------------------------- constants


MAX_POSITIONS: constant(uint256) = instruments.MAX_POSITIONS
MAX_UNDERLYINGS: constant(uint256) = 32
MAX_TRADES: constant(uint256) = 16
MAX_ACCOUNTS: constant(uint256) = 200
MAX_TOKENS: constant(uint256) = 16
POOL: constant(uint256) = 1  # the account that settled variation and expiries go through
NO_CAP: constant(uint256) = 2**96 - 1  # of outflow


# ------------------------------------------------------------------ interfaces


# Who is called, and who is at auction.
interface Liquidator:
    def ripe(account: uint256) -> uint256: view
    def deadline(account: uint256) -> uint256: view
    def auction(account: uint256) -> uint256: view
    def bad_debt() -> uint256: view


# ------------------------------------------------------------------ immutables


BOOK: immutable(IClearinghouse)
ORACLE: immutable(IRiskOracle)


# --------------------------------------------------------------------- structs


struct Explanation:
    assessment: IRiskOracle.Assessment
    state: uint256
    terms: DynArray[IRiskOracle.Terms, MAX_UNDERLYINGS]


struct Greeks:
    underlying: uint256
    delta: int256
    gamma: int256
    vega: int256
    theta: int256


# Where an account stands.
struct Standing:
    is_known: bool  # false: one of its indexes is dead, nobody can assess it now
    state: uint256  # 0 healthy .. 4 insolvent, where known
    assessment: IRiskOracle.Assessment  # where known
    ripe: uint256  # [s] of its call, 0 none
    deadline: uint256  # [s] of its call, 0 none
    auction: uint256  # [s] when it began, 0 none


# What the book holds of a token, and what accounts could take out of it once
# every debt is paid [wad].
struct Holding:
    token: address
    held: uint256
    owed: int256


struct Solvency:
    holdings: DynArray[Holding, MAX_TOKENS]  # the quote token first
    supply: uint256  # [wad] all positive cash
    debt: uint256  # [wad] all negative cash
    kept: uint256  # [wad] of interest, the fund's and unclaimed
    pool: int256  # [wad] what losers settled and winners did not yet, or less than nothing
    utilisation: uint256  # [ppm]
    outflow: uint256  # [wad] of the cap that is used
    bad_debt: uint256  # [wad] on record
    cover: uint256  # [wad] what the fund could pay
    event_cap: uint256  # [wad] at most for one event
    underlying_cap: uint256  # [wad] and for one underlying within a week


struct Trade:
    instrument: uint128
    quantity: int256  # [wad] + buys, - sells
    price: uint256  # [wad]


# ----------------------------------------------------------------- constructor


@deploy
def __init__(book: address, oracle: address):
    """
    @param book Clearinghouse.
    @param oracle RiskOracle.
    """
    assert book != empty(address) and oracle != empty(address), "lens: zero address"
    BOOK = IClearinghouse(book)
    ORACLE = IRiskOracle(oracle)


# -------------------------------------------------------------------- external


@external
@view
def explain(account: uint256) -> Explanation:
    """
    @notice An account's margin and state, and what each underlying adds: value,
            collateral, scan risk and the lane of its worst loss, short option
            minimum, gross charge, concentration, and the part above MM.
    """
    result: Explanation = empty(Explanation)
    result.assessment = staticcall BOOK.margin(account)
    result.state = staticcall BOOK.state(account)
    words: DynArray[uint256, MAX_POSITIONS] = staticcall BOOK.positions(account)
    group: DynArray[uint256, MAX_POSITIONS] = []
    for word: uint256 in words:
        if len(group) > 0 and instruments._underlying(group[0]) != instruments._underlying(word):
            assert len(result.terms) < MAX_UNDERLYINGS - 1, "lens: too many underlyings"
            result.terms.append(staticcall ORACLE.terms(group))
            group = []
        group.append(word)
    if len(group) > 0:
        result.terms.append(staticcall ORACLE.terms(group))
    return result


@external
@view
def greeks(account: uint256) -> DynArray[Greeks, MAX_UNDERLYINGS]:
    """
    @notice Net Greeks of an account by underlying, collateral included. A row
            that its surface lacks counts its quantity as delta.
    """
    words: DynArray[uint256, MAX_POSITIONS] = staticcall BOOK.positions(account)
    result: DynArray[Greeks, MAX_UNDERLYINGS] = []
    sums: Greeks = empty(Greeks)
    key: uint256 = max_value(uint256)
    at: address = empty(address)
    head: surface.Header = empty(surface.Header)
    for word: uint256 in words:
        if instruments._surface_key(word) != key:
            if key != max_value(uint256) and sums.underlying != instruments._underlying(word):
                assert len(result) < MAX_UNDERLYINGS - 1, "lens: too many underlyings"
                result.append(sums)
                sums = empty(Greeks)
            key = instruments._surface_key(word)
            sums.underlying = instruments._underlying(word)
            pointer: uint256 = staticcall ORACLE.pointer(
                convert(key >> 40, uint16), convert(key & (2**40 - 1), uint40)
            )
            at = convert(pointer >> 96, address)
            head = empty(surface.Header)
            if at != empty(address):
                head = surface._header(at)
        quantity: int256 = instruments._quantity(word)
        info: uint256 = 0
        if at != empty(address):
            info = surface._info(at, head.rows, word)
        if info == 0:
            sums.delta += quantity
            continue
        reference: int256 = convert(head.reference, int256)
        sums.delta += quantity * surface._delta(info) // 10**6
        sums.gamma += quantity * convert((info >> 96) & (2**32 - 1), int256) * 10**12 // reference
        sums.vega += (quantity * convert((info >> 72) & (2**24 - 1), int256) // 10**6 * reference // 10**18)
        sums.theta += quantity * (fixed._signed(info << 184) >> 232) // 10**7 * reference // 10**18
    if key != max_value(uint256):
        result.append(sums)
    return result


@external
@view
def margin_after(account: uint256, trades: DynArray[Trade, MAX_TRADES]) -> IRiskOracle.Assessment:
    """
    @notice What the margin would be after trades: a buyer pays rounded up, a
            seller receives rounded down, as in the book, of a perp the price
            less the funding so far. Neither price bands, nor listing, nor fees,
            nor the effect on open interest are looked at.
    """
    words: DynArray[uint256, MAX_POSITIONS] = staticcall BOOK.positions(account)
    cash: int256 = 0
    linear: int256 = 0
    cash, linear = staticcall BOOK.ledger(account)
    money: int256 = cash + linear
    for trade: Trade in trades:
        id: uint256 = convert(trade.instrument, uint256)
        words = instruments._changed(words, id, trade.quantity)
        cost: int256 = convert(trade.price, int256)
        if instruments._kind(id) == instruments.PERP:
            cost -= staticcall ORACLE.funding(convert(instruments._underlying(id), uint16))
        money -= fixed._div_ceil(trade.quantity * cost, 10**18)
    return staticcall ORACLE.assess(words, money)


@external
@view
def margins(accounts: DynArray[uint256, MAX_ACCOUNTS]) -> DynArray[IRiskOracle.Assessment, MAX_ACCOUNTS]:
    """
    @notice Margins of many accounts: the batch view that keepers read.
    """
    result: DynArray[IRiskOracle.Assessment, MAX_ACCOUNTS] = []
    for account: uint256 in accounts:
        result.append(staticcall BOOK.margin(account))
    return result


@external
@view
def standings(accounts: DynArray[uint256, MAX_ACCOUNTS]) -> DynArray[Standing, MAX_ACCOUNTS]:
    """
    @notice Margin, state, call and auction of many accounts. One that cannot be
            assessed, as the feed of something it holds is dead, hides no other.
    """
    liquidator: address = staticcall BOOK.liquidator()
    result: DynArray[Standing, MAX_ACCOUNTS] = []
    for account: uint256 in accounts:
        found: Standing = empty(Standing)
        answer: Bytes[192] = b""
        found.is_known, answer = raw_call(
            BOOK.address,
            abi_encode(account, method_id=method_id("margin(uint256)")),
            max_outsize=192,
            is_static_call=True,
            revert_on_failure=False,
        )
        if found.is_known:
            found.assessment = abi_decode(answer, IRiskOracle.Assessment)
            found.state = self._state(found.assessment)
        if liquidator != empty(address):
            found.ripe = staticcall Liquidator(liquidator).ripe(account)
            found.deadline = staticcall Liquidator(liquidator).deadline(account)
            found.auction = staticcall Liquidator(liquidator).auction(account)
        result.append(found)
    return result


@external
@view
def solvency() -> Solvency:
    """
    @notice What the system holds against what it owes. Of the quote token:

                owed = cash of all - debt of all + kept + accounts 0 and 1

            of collateral, what was deposited and not taken out. `held` is never
            less; it is more by what was sent without a deposit, and by roundings
            of interest. Reads no price.
    """
    found: Solvency = empty(Solvency)
    registry: IRegistry = IRegistry(staticcall BOOK.registry())
    pool: IClearinghouse.Pool = empty(IClearinghouse.Pool)
    pool, found.kept = staticcall BOOK.pool()
    found.supply = pool.supply
    found.debt = pool.debt
    linear: int256 = 0
    dust: int256 = 0
    found.pool, linear = staticcall BOOK.ledger(POOL)
    dust, linear = staticcall BOOK.ledger(0)
    owed: int256 = (convert(pool.supply + found.kept, int256) - convert(pool.debt, int256) + found.pool + dust)
    quote: address = staticcall BOOK.quote()
    for token: address in staticcall registry.tokens():
        scale: uint256 = 0
        if token == quote:
            scale = 10**convert(18 - staticcall IERC20Detailed(token).decimals(), uint256)
        else:
            id: uint128 = 0
            cap: uint256 = 0
            id, scale, cap = staticcall registry.collateral(token)
            owed = convert(staticcall BOOK.instrument_interest(id), int256)
        found.holdings.append(
            Holding(token=token, held=staticcall IERC20(token).balanceOf(BOOK.address) * scale, owed=owed)
        )
    found.utilisation = staticcall BOOK.utilisation()
    found.outflow = self._outflow(staticcall registry.pool_limits())
    liquidator: address = staticcall BOOK.liquidator()
    if liquidator != empty(address):
        found.bad_debt = staticcall Liquidator(liquidator).bad_debt()
    fund: address = staticcall BOOK.fund()
    if fund != empty(address):
        found.cover = staticcall IInsuranceFund(fund).cover()
        found.event_cap = staticcall IInsuranceFund(fund).event_cap()
        found.underlying_cap = staticcall IInsuranceFund(fund).underlying_cap()
    return found


@external
@view
def shortfalls(accounts: DynArray[uint256, MAX_ACCOUNTS]) -> (uint256[32], uint256):
    """
    @notice In every lane, what these accounts would lack together [wad]: the sum
            of max(0, -(equity at full value + profit or loss of the lane)); and
            how many of them cannot be assessed, as an index is dead: they are
            left out. Lanes that are not common mean another thing in each
            underlying: their sums are an upper bound of nothing in particular.
    """
    lacks: uint256[32] = empty(uint256[32])
    unknown: uint256 = 0
    for account: uint256 in accounts:
        words: DynArray[uint256, MAX_POSITIONS] = staticcall BOOK.positions(account)
        cash: int256 = 0
        linear: int256 = 0
        cash, linear = staticcall BOOK.ledger(account)
        is_known: bool = False
        answer: Bytes[192] = b""
        is_known, answer = raw_call(
            ORACLE.address,
            abi_encode(words, cash + linear, method_id=method_id("assess(uint256[],int256)")),
            max_outsize=192,
            is_static_call=True,
            revert_on_failure=False,
        )
        if not is_known:
            unknown += 1
            continue
        equity: int256 = abi_decode(answer, IRiskOracle.Assessment).equity_full
        lanes: int256[32] = staticcall ORACLE.lanes(words)
        for lane: uint256 in range(32):
            if equity + lanes[lane] < 0:
                lacks[lane] += convert(-(equity + lanes[lane]), uint256)
    return lacks, unknown


# -------------------------------------------------------------------- internal


@internal
@view
def _outflow(limits: uint256) -> uint256:
    """
    @notice How much of the outflow cap is used now [wad]; zero without a cap.
    @param limits The Registry's `pool_limits`.
    """
    cap: uint256 = (limits >> 32) & NO_CAP
    if cap == NO_CAP:
        return 0
    word: uint256 = staticcall BOOK.outflow()
    left: uint256 = word >> 128
    drained: uint256 = fixed._mul_div_down(cap, block.timestamp - (word & (2**128 - 1)), limits & (2**32 - 1))
    return left - drained if left > drained else 0


@internal
@pure
def _state(found: IRiskOracle.Assessment) -> uint256:
    """
    @notice As `Clearinghouse.state` names it.
    """
    if found.equity_full < 0:
        return 4
    if found.equity_haircut < convert(found.mm, int256):
        return 3
    if found.equity_haircut < convert(found.call_line, int256):
        return 2
    if found.equity_haircut < convert(found.im, int256):
        return 1
    return 0
