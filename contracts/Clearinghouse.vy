# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title The one book, and the only custody
@license GNU Affero General Public License v3.0 only
@notice Accounts, collateral, two signed ledgers, positions. An account is
        `owner << 96 | number`: everybody has 2**96 of them, none is opened; one
        that holds one position is isolated margin, one that holds many is
        portfolio margin. `cash` holds the quote coin, pays for options and
        bears interest; `linear` holds what perps and futures cost, bears no
        interest and is no debt. Collateral is a position of kind SPOT. What
        time owes an account, interest and settled expiries, is booked when the
        account is next touched, and shown by every view before that.
        Accounts of owner 0 are the system's: 0 takes the dust of roundings,
        which go against accounts; 1 is the other side of settled profit and of
        expiries; 2 is what interest is paid from and to.
        Units: money and quantities [wad]; token amounts in the token's own
        decimals, converted here and nowhere else.
        Roles: owner names liquidator and fund, once; account owners and their
        delegates act (Mandates); admitted venues trade (Registry) as far as an
        account allows (Mandates); the liquidator seizes. It trusts RiskOracle
        for margins and marks, History for settlement prices, and no venue for
        either.
@custom:security Listed tokens must move exactly what they are asked to: any
        other amount reverts. Rebasing tokens must not be listed.
@custom:kill Dismiss the venues: deposits, withdrawals and liquidations go on.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20

from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IRegistry
from interfaces import IRiskOracle

from modules import book
from modules import fixed
from modules import instruments
from modules import rights

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: book

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


HEALTHY: constant(uint256) = 0
RESTRICTED: constant(uint256) = 1
CALLED: constant(uint256) = 2
LIQUIDATABLE: constant(uint256) = 3
INSOLVENT: constant(uint256) = 4


# ------------------------------------------------------------------ immutables


BACK_OFFICE: immutable(address)


# ----------------------------------------------------------------- constructor


@deploy
def __init__(
    quote: address,
    oracle: address,
    feed: address,
    registry: address,
    mandates: address,
    history: address,
    back_office: address,
):
    """
    @notice The deployer owns the book.
    @param quote Token of the quote currency, at most 18 decimals.
    @param oracle RiskOracle: margins and marks.
    @param feed IndexFeed: live index prices.
    @param registry Registry: what may be traded, and within which limits.
    @param mandates Mandates: who may act for an account.
    @param history History: settlement prices, and prices of `lag` ago.
    @param back_office BackOffice, built with the same arguments.
    """
    assert back_office != empty(address), "clearinghouse: zero address"
    ownable.__init__()
    ownable_2step.__init__()
    book.__init__(quote, oracle, feed, registry, mandates, history)
    BACK_OFFICE = back_office


# ----------------------------------------------------------- external: accounts


@external
def deposit(account: uint256, token: address, amount: uint256):
    """
    @notice Anyone brings quote; other tokens only the account's owner or a
            delegate with DEPOSIT: a gift fills another's book, and can weigh
            on its margin. Reads no price.
    @param amount In the token's own decimals.
    """
    book._bring(account, token, amount, msg.sender)


@external
def withdraw(account: uint256, token: address, amount: uint256, to: address):
    """
    @notice Owner, or delegate with WITHDRAW: takes tokens out. Cash never
            becomes negative by it. The account must be at or over initial
            margin afterwards on fresh surfaces, its profit of the last `lag`
            not counted; one that needs no margin reads no price. What leaves
            beyond what was brought in counts against the outflow cap.
    @param amount In the token's own decimals.
    """
    book._check_right(account, rights.WITHDRAW)
    assert to != empty(address), "clearinghouse: zero address"
    book._accrue()
    worth: int256 = book._take(account, token, amount)
    if token == book.QUOTE:
        own: uint256 = book._entries[account] & book.MASK_LOW
        part: uint256 = min(own, convert(worth, uint256))
        book._entries[account] -= part
        book._flow_out(convert(worth, uint256) - part)
    book._check_left(account, True)
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    # others may have borrowed what is owed
    assert before >= amount, "clearinghouse: cash not there"
    assert extcall IERC20(token).transfer(
        to, amount, default_return_value=True
    ), "clearinghouse: vault moved another amount"
    assert staticcall IERC20(token).balanceOf(self) == before - amount, "clearinghouse: vault moved another amount"
    log book.Withdrawn(account=account, token=token, amount=amount, to=to)


# ------------------------------------------------------------- external: venues


@external
def trade(
    buyer: uint256, seller: uint256, instrument: uint128, quantity: uint256, price: uint256, buyer_takes: bool = True
):
    """
    @notice Admitted venue: moves `quantity` [wad] from seller to buyer, and
            `quantity` x `price` [wad] back: of cash for options, of linear for
            perps and futures; a perp's price less the funding so far, which its
            value is less too. The buyer pays it rounded up, the seller receives
            it rounded down; both pay their fee, rounded up, from the same
            ledger. The book, not the venue, checks the price band, the limits
            and the margin of both sides.
    """
    assert buyer != seller, "clearinghouse: buyer is seller"
    assert quantity > 0, "clearinghouse: zero quantity"
    assert quantity <= fixed.MAX_QUANTITY, "clearinghouse: quantity over the maximum"
    assert price > 0, "clearinghouse: zero price"
    assert price <= fixed.MAX_PRICE, "clearinghouse: price over the maximum"
    book._accrue()
    terms: IRegistry.TradeTerms = staticcall book.REGISTRY.trade_terms(msg.sender, instrument, book._utilisation())
    id: uint256 = convert(instrument, uint256)
    kind: uint256 = instruments._kind(id)
    underlying: uint256 = instruments._underlying(id)
    mark: uint256 = staticcall book.ORACLE.mark(instrument)
    index: uint256 = 0
    updated_at: uint256 = 0
    strike_unit: uint256 = 0
    index, updated_at, strike_unit = staticcall book.FEED.price(convert(underlying, uint16))
    distance: uint256 = price - mark if price > mark else mark - price
    assert distance * fixed.PPM <= terms.price_band * index, "clearinghouse: price outside the band"
    # worse than the mark by more than this a side may not go that is not healthy
    is_far: bool = distance * fixed.PPM > terms.reduce_band * index
    loss: uint256 = fixed._mul_div_up(quantity, distance, fixed.WAD)
    extcall book.MANDATES.spend(buyer, msg.sender, instrument, loss if price > mark else 0)
    extcall book.MANDATES.spend(seller, msg.sender, instrument, loss if price < mark else 0)

    bought: DynArray[uint256, book.MAX_POSITIONS] = book._touch(buyer)
    sold: DynArray[uint256, book.MAX_POSITIONS] = book._touch(seller)
    change: int256 = convert(quantity, int256)
    held_buyer: int256 = instruments._held(bought, id)
    held_seller: int256 = instruments._held(sold, id)
    opened: int256 = (
        max(held_buyer + change, 0) - max(held_buyer, 0) + max(held_seller - change, 0) - max(held_seller, 0)
    )
    book._interest[underlying] = convert(convert(book._interest[underlying], int256) + opened, uint256)
    book._open[id] = convert(convert(book._open[id], int256) + opened, uint256)
    if opened > 0:
        assert (terms.underlying_cap == 0 or book._interest[underlying] <= terms.underlying_cap) and (
            terms.instrument_cap == 0 or book._open[id] <= terms.instrument_cap
        ), "clearinghouse: open interest over the cap"
    least: int256 = convert(terms.min_size, int256)
    for after: int256 in [held_buyer + change, held_seller - change]:
        assert after == 0 or abs(after) >= least, "clearinghouse: position below the minimum"

    is_option: bool = kind == instruments.CALL or kind == instruments.PUT
    cost: int256 = convert(price, int256)
    if kind == instruments.PERP:
        cost -= staticcall book.ORACLE.funding(convert(underlying, uint16))
    notional: uint256 = fixed._mul_div_up(quantity, index, fixed.WAD)
    fee: uint256 = fixed._mul_div_up(notional, terms.taker_fee if buyer_takes else terms.maker_fee, fixed.PPM)
    fees: uint256 = fee + fixed._mul_div_up(notional, terms.maker_fee if buyer_takes else terms.taker_fee, fixed.PPM)
    paid: int256 = fixed._div_ceil(change * cost, book.WAD) + convert(fee, int256)
    received: int256 = fixed._div_floor(change * cost, book.WAD) - convert(fees - fee, int256)
    book._fill(buyer, bought, id, change, -paid, is_option, price > mark, is_far, terms)
    book._fill(seller, sold, id, -change, received, is_option, price < mark, is_far, terms)
    dust: int256 = paid - received - convert(fees, int256)
    if dust > 0:
        book._book(book.SYSTEM, dust, is_option)
    if fees > 0:
        to: uint256 = convert(book.fund, uint256) << 96
        book._touch(to)
        book._book(to, convert(fees, int256), is_option)
    log book.Traded(
        buyer=buyer,
        seller=seller,
        instrument=instrument,
        quantity=quantity,
        price=price,
        paid=paid,
        received=received,
        fees=fees,
        venue=msg.sender,
    )


# -------------------------------------------------------------- external: views


@external
@view
def ledger(account: uint256) -> (int256, int256):
    """
    @notice Cash and linear of an account [wad], interest and settled expiries
            included.
    """
    words: DynArray[uint256, book.MAX_POSITIONS] = []
    cash: int256 = 0
    linear: int256 = 0
    words, cash, linear = book._now(account)
    return cash, linear


@external
@view
def positions(account: uint256) -> DynArray[uint256, book.MAX_POSITIONS]:
    """
    @notice Position words of an account, sorted by id; collateral among them,
            what is settled not.
    """
    words: DynArray[uint256, book.MAX_POSITIONS] = []
    cash: int256 = 0
    linear: int256 = 0
    words, cash, linear = book._now(account)
    return words


@external
@view
def quantity(account: uint256, instrument: uint128) -> int256:
    """
    @notice What an account holds of an instrument [wad], long +; a settled
            position is none.
    """
    words: DynArray[uint256, book.MAX_POSITIONS] = []
    cash: int256 = 0
    linear: int256 = 0
    words, cash, linear = book._now(account)
    return instruments._held(words, convert(instrument, uint256))


@external
@view
def margin(account: uint256) -> IRiskOracle.Assessment:
    """
    @notice Equities and requirements of an account [wad], at the live index.
    """
    return book._assess(account)


@external
@view
def state(account: uint256) -> uint256:
    """
    @notice 0 healthy, 1 restricted, 2 called, 3 liquidatable, 4 insolvent.
    """
    found: IRiskOracle.Assessment = book._assess(account)
    if found.equity_full < 0:
        return INSOLVENT
    if found.equity_haircut < convert(found.mm, int256):
        return LIQUIDATABLE
    if found.equity_haircut < convert(found.call_line, int256):
        return CALLED
    if found.equity_haircut < convert(found.im, int256):
        return RESTRICTED
    return HEALTHY


@external
@view
@reentrant
def open_interest(underlying: uint16) -> uint256:
    """
    @notice Open interest of an underlying [wad]: what all accounts are long.
    @dev    Reentrant: RiskOracle reads it in the midst of a trade's margin
            check, when it is already what it will be after the trade.
    """
    return book._interest[convert(underlying, uint256)]


@external
@view
@reentrant
def quote() -> address:
    """
    @notice The quote token.
    """
    return book.QUOTE


@external
@view
@reentrant
def oracle() -> address:
    """
    @notice RiskOracle: margins and marks.
    """
    return book.ORACLE.address


@external
@view
@reentrant
def feed() -> address:
    """
    @notice IndexFeed: live index prices.
    """
    return book.FEED.address


@external
@view
@reentrant
def registry() -> address:
    """
    @notice Registry: what may be traded, and within which limits.
    """
    return book.REGISTRY.address


@external
@view
@reentrant
def mandates() -> address:
    """
    @notice Mandates: who may act for an account.
    """
    return book.MANDATES.address


@external
@view
@reentrant
def history() -> address:
    """
    @notice History: what prices were.
    """
    return book.HISTORY.address


# ------------------------------------------------------------ external: the rest


@external
@reentrant
@raw_return
def __default__() -> Bytes[8192]:
    """
    @notice Every function of BackOffice, as if it stood here.
    @dev    Reentrant: the function called takes the lock, which is in the same
            place there.
    """
    return raw_call(BACK_OFFICE, msg.data, max_outsize=8192, is_delegate_call=True)
