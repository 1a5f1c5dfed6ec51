# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Views for people and keepers
@license GNU Affero General Public License v3.0 only
@notice Explains a margin, adds up Greeks, tries trades, and reads many accounts
        in one call. Holds nothing, changes nothing, and nobody depends on it:
        another can be deployed beside it at any time.
        Units: money and quantities [wad]. Greeks are of the posted surfaces, at
        their reference price: delta in units of the underlying, gamma in units
        per unit of price, vega in quote per 1.00 of volatility, theta in quote
        per day. They round toward zero: they are for reading.
@custom:security Not for use by contracts: a margin is the Clearinghouse's.
@custom:kill Stop calling it.
"""


# --------------------------------------------------------------------- imports


from interfaces import IClearinghouse
from interfaces import IRiskOracle

from modules import fixed
from modules import instruments
from modules import surface


# ------------------------------------------------------------------- constants


MAX_POSITIONS: constant(uint256) = instruments.MAX_POSITIONS
MAX_UNDERLYINGS: constant(uint256) = 32
MAX_TRADES: constant(uint256) = 16
MAX_ACCOUNTS: constant(uint256) = 200


# ------------------------------------------------------------------ interfaces


# Who is called, and who is at auction.
interface Liquidator:
    def ripe(account: uint256) -> uint256: view
    def deadline(account: uint256) -> uint256: view
    def auction(account: uint256) -> uint256: view


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


# -------------------------------------------------------------------- internal


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
