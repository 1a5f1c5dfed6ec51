# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title The functions of the Clearinghouse that are called seldom
@license GNU Affero General Public License v3.0 only
@notice Code that the Clearinghouse calls as its own, for what does not fit its
        size limit: every function here is a function of the Clearinghouse, at
        its address, on its storage. Whoever calls this contract itself finds an
        empty book. Units, roles and trust are the Clearinghouse's.
@custom:security Storage must lie as in the Clearinghouse: both declare the same
        modules in the same order, and nothing else.
@custom:kill None: fixed when the Clearinghouse is deployed.
"""


# --------------------------------------------------------------------- imports


from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IRiskOracle

from modules import book
from modules import fixed
from modules import interest
from modules import rights

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: book


# ------------------------------------------------------------------- constants


MAX_CALLS: constant(uint256) = 8


# --------------------------------------------------------------------- structs


# One of several calls: of this contract, or of an admitted venue.
struct Call:
    target: address
    data: Bytes[2048]


# ----------------------------------------------------------------- constructor


@deploy
def __init__(quote: address, oracle: address, feed: address, registry: address, mandates: address, history: address):
    """
    @notice With the arguments of the Clearinghouse: immutables are code.
    @param quote Token of the quote currency, at most 18 decimals.
    @param oracle RiskOracle: margins and marks.
    @param feed IndexFeed: live index prices.
    @param registry Registry: what may be traded, and within which limits.
    @param mandates Mandates: who may act for an account.
    @param history History: settlement prices, and prices of `lag` ago.
    """
    ownable.__init__()
    ownable_2step.__init__()
    book.__init__(quote, oracle, feed, registry, mandates, history)


# --------------------------------------------------------- external: governance


@external
def set_liquidator(liquidator: address):
    """
    @notice Owner, once: who may seize.
    """
    ownable._check_owner()
    assert liquidator != empty(address), "clearinghouse: zero address"
    assert book.liquidator == empty(address), "clearinghouse: liquidator is set"
    book.liquidator = liquidator
    log book.LiquidatorSet(liquidator=liquidator)


@external
def set_fund(fund: address):
    """
    @notice Owner, once: who gets fees and the fund's part of interest.
    """
    ownable._check_owner()
    assert fund != empty(address), "clearinghouse: zero address"
    assert book.fund == empty(address), "clearinghouse: fund is set"
    book.fund = fund
    log book.FundSet(fund=fund)


# ----------------------------------------------------------- external: accounts


@external
def transfer(source: uint256, target: uint256, token: address, amount: uint256):
    """
    @notice Owner, or delegate with TRANSFER, between accounts of one owner; the
            liquidator, who asked for the right or for a reserve. The source must
            be at or over initial margin afterwards, on fresh surfaces, its profit
            of the last `lag` not counted.
    @param amount In the token's own decimals.
    """
    if msg.sender != book.liquidator:
        book._check_right(source, rights.TRANSFER)
    assert source >> 96 == target >> 96 and source >> 96 != 0, "clearinghouse: another owner"
    assert source != target, "clearinghouse: source is target"
    book._accrue()
    worth: int256 = book._take(source, token, amount)
    book._touch(target)
    if token == book.QUOTE:
        part: uint256 = min(book._entries[source] & book.MASK_LOW, convert(worth, uint256))
        book._entries[source] -= part
        book._add(target, worth, 0)
        book._entries[target] += part
    else:
        book._give(target, token, worth)
    book._check_left(source, msg.sender != book.liquidator)
    log book.Transferred(source=source, target=target, token=token, amount=amount)


@external
@reentrant
def multicall(account: uint256, calls: DynArray[Call, MAX_CALLS]):
    """
    @notice Several calls, of this contract or of admitted venues, with one
            solvency check of `account` at their end: at or over initial margin
            on fresh surfaces, as for a withdrawal. Each call needs what it
            needs alone; accounts besides `account` are checked as ever.
    @dev    Reentrant: each call takes the lock for itself, and no foreign code
            is called while none holds it but venues. `_batch` forbids a second
            multicall within, whoever makes it; and while it stands the account
            can be neither assessed nor seized.
    """
    assert book._batch == 0, "clearinghouse: batch within a batch"
    assert account != 0 and (
        staticcall book.MANDATES.may_act(account, msg.sender, rights.TRADE)
        or staticcall book.MANDATES.may_act(account, msg.sender, rights.WITHDRAW)
    ), "clearinghouse: not the account's"
    book._batch = account
    book._has_left = False
    for item: Call in calls:
        if item.target == self:
            raw_call(self, item.data, is_delegate_call=True)
        else:
            assert staticcall book.REGISTRY.venues(item.target), "clearinghouse: venue not admitted"
            raw_call(item.target, item.data)
    book._batch = 0
    book._accrue()
    book._touch(account)
    book._check_left(account, book._has_left)


@external
def settle(account: uint256):
    """
    @notice Anyone: moves realised profit or loss between `linear` and `cash`,
            against the pool. A gain counts at the worse of now and `lag` ago
            and is paid as far as the pool has cash; a loss is paid out of cash
            and, while the account is at or over initial margin on fresh
            surfaces, on credit within the borrowing caps. Equity stays as it is.
    """
    assert account >> 96 != 0, "clearinghouse: system account"
    book._accrue()
    book._touch(account)
    now: int256 = 0
    lagged: int256 = 0
    now, lagged = staticcall book.HISTORY.variation(book._positions[account])
    cash: int256 = book._cash(account)
    linear: int256 = book._linear(account)
    amount: int256 = min(linear + min(now, lagged), book._cash(book.POOL))
    if linear + now < 0:
        # a loss: no more of it than cash and credit pay
        amount = max(linear + now, -max(cash, 0) - self._credit(account, linear + now))
    else:
        amount = max(amount, 0)
    book._add(account, amount, -amount)
    book._add(book.POOL, -amount, amount)
    log book.Settled(account=account, amount=amount)


@external
def expire(account: uint256):
    """
    @notice Anyone: books what time owes an account: interest, and positions
            whose settlement price is fixed.
    """
    book._accrue()
    book._touch(account)


@external
def claim():
    """
    @notice Anyone: moves the fund's part of interest into its account, as far
            as borrowers have paid it.
    """
    assert book.fund != empty(address), "clearinghouse: no fund"
    book._accrue()
    account: uint256 = convert(book.fund, uint256) << 96
    book._touch(account)
    amount: uint256 = min(book._kept, convert(max(book._cash(book.INTEREST), 0), uint256))
    book._kept -= amount
    book._add(book.INTEREST, -convert(amount, int256), 0)
    book._add(account, convert(amount, int256), 0)
    log book.Claimed(amount=amount)


# --------------------------------------------------------- external: liquidator


@external
def seize(account: uint256, bidder: uint256, fraction: uint256, payment: uint256, fee: uint256):
    """
    @notice Liquidator: moves a fraction [wad] of all that an account is to a
            bidder, who pays `payment` [wad] of cash for it; `fee` of it is the
            fund's. Quantities move rounded down in magnitude, ledgers toward
            plus infinity. The bidder must be at or over initial margin
            afterwards; stale surfaces do not stop it.
    """
    book._check_liquidator()
    assert 0 < fraction and fraction <= fixed.WAD, "clearinghouse: fraction out of range"
    assert account != bidder and account >> 96 != 0 and bidder >> 96 != 0, "clearinghouse: buyer is seller"
    assert fee <= payment, "clearinghouse: fee over the payment"
    assert book._batch == 0, "clearinghouse: in a batch"
    book._accrue()
    words: DynArray[uint256, book.MAX_POSITIONS] = book._touch(account)
    held: DynArray[uint256, book.MAX_POSITIONS] = book._touch(bidder)
    part: int256 = convert(fraction, int256)
    held, words = book._take_over(held, words, part)
    book._positions[account] = words
    book._positions[bidder] = held

    cash: int256 = fixed._div_ceil(book._cash(account) * part, book.WAD)
    linear: int256 = fixed._div_ceil(book._linear(account) * part, book.WAD)
    price: int256 = convert(payment, int256)
    book._add(account, price - convert(fee, int256) - cash, -linear)
    book._add(bidder, cash - price, linear)
    if price > 0 and book._cash(bidder) < 0:
        book._check_debt(bidder, staticcall book.REGISTRY.account_limits(), staticcall book.REGISTRY.pool_limits())
    if fee > 0:
        to: uint256 = convert(book.fund, uint256) << 96
        book._touch(to)
        book._add(to, convert(fee, int256), 0)

    after: IRiskOracle.Assessment = staticcall book.ORACLE.assess(held, book._sum(bidder))
    assert after.equity_haircut >= convert(after.im, int256), "clearinghouse: below initial margin"
    log book.Seized(account=account, bidder=bidder, fraction=fraction, payment=payment, fee=fee)


@external
def pull(account: uint256, token: address, amount: uint256, to: uint256, bounty: uint256):
    """
    @notice Liquidator: tops an account up from its owner's wallet, as far as
            the owner authorised beforehand; `bounty` [wad] of the account's
            cash goes to the account of who triggered it.
    """
    book._check_liquidator()
    extcall book.MANDATES.use_top_up(account, token, amount)
    book._bring(account, token, amount, convert(account >> 96, address))
    if bounty > 0:
        book._touch(to)
        book._add(account, -convert(bounty, int256), 0)
        book._add(to, convert(bounty, int256), 0)
        log book.BountyPaid(account=account, to=to, amount=bounty)


@external
def socialise(loser: uint256, account: uint256, amount: uint256):
    """
    @notice Liquidator: a loss that nobody else bears is borne by all positive
            cash alike, each the part amount / supply; who takes the loss over
            receives it. At most half of all cash at once.
    @param loser Account whose loss it is: its own cash, which goes toward the
           loss already, bears no part of it.
    @param account Who takes the loss over.
    """
    book._check_liquidator()
    book._accrue()
    book._touch(loser)
    book._touch(account)
    own: uint256 = convert(max(book._cash(loser), 0), uint256)
    supply: uint256 = book._sums >> 128
    supply -= min(own, supply)
    assert amount <= supply // 2, "clearinghouse: loss over half of all cash"
    cut: uint256 = interest._cut(book._indexes >> 152, supply, amount)
    assert cut >= book.MIN_INDEX, "clearinghouse: loss over half of all cash"
    book._indexes = (cut << 152) | (book._indexes & (2**152 - 1))
    book._sums -= amount << 128
    if own > 0:
        book._entries[loser] = (cut << 128) | (book._entries[loser] & book.MASK_LOW)
    book._touch(account)  # it bears its part before it is paid
    book._add(book.INTEREST, -convert(amount, int256), 0)
    book._add(account, convert(amount, int256), 0)
    log book.LossSocialised(account=account, amount=amount, supply=supply, supply_index=cut)


# -------------------------------------------------------------- external: views


@external
@view
def instrument_interest(instrument: uint128) -> uint256:
    """
    @notice Open interest of an instrument [wad]; of collateral, all that is held.
    """
    return book._open[convert(instrument, uint256)]


@external
@view
def brought_in(account: uint256) -> uint256:
    """
    @notice Quote that an account brought in and did not take out [wad].
    """
    return book._entries[account] & book.MASK_LOW


@external
@view
def pool() -> (interest.Pool, uint256):
    """
    @notice Indexes, all cash and all debt now, and what of the interest is the
            fund's and unclaimed [wad].
    """
    return book._pool_now()


@external
@view
def utilisation() -> uint256:
    """
    @notice Part of all positive cash that is borrowed [ppm].
    """
    return book._utilisation()


@external
@view
def outflow() -> uint256:
    """
    @notice Profit that left [wad], as of the last that did, and when: u128 | u128.
    """
    return book._outflow


@external
@view
def may_act(account: uint256, who: address, right: uint256) -> bool:
    """
    @notice Whether `who` owns the account or is a delegate with the right.
    """
    return staticcall book.MANDATES.may_act(account, who, right)


@external
@view
def liquidator() -> address:
    """
    @notice The Liquidator; zero until set.
    """
    return book.liquidator


@external
@view
def fund() -> address:
    """
    @notice The InsuranceFund; zero until set.
    """
    return book.fund


# -------------------------------------------------------------------- internal


@internal
@view
def _credit(account: uint256, variation: int256) -> int256:
    """
    @notice How much of a loss [wad, negative] that cash does not pay may be
            lent: nothing to an account under initial margin, or the cash of
            others would leave as profit against a loss that nobody can pay.
    """
    cash: int256 = book._cash(account)
    if variation >= -cash:
        return 0
    after: IRiskOracle.Assessment = staticcall book.ORACLE.assess(book._positions[account], book._sum(account))
    if after.equity_haircut < convert(after.im, int256) or not after.fresh:
        return 0
    limits: uint256 = staticcall book.REGISTRY.account_limits()
    pool_limits: uint256 = staticcall book.REGISTRY.pool_limits()
    return max(
        0,
        min(
            convert((limits >> 32) & book.MASK_LOW, int256) + min(cash, 0),
            convert(pool_limits >> 128, int256) - convert(book._sums & book.MASK_LOW, int256),
        ),
    )
