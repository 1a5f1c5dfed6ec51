# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title The book's storage, and what changes it
@notice Ledgers, positions, interest, custody: what Clearinghouse and its
        BackOffice share. Both declare this module's storage and no other but
        the owner's, in the same order, so that BackOffice can work on the
        storage of the Clearinghouse, which calls it as its own code. Twin:
        `plimsoll.spec.book`.
"""


# --------------------------------------------------------------------- imports


from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

from ..interfaces import IHistory
from ..interfaces import IIndexFeed
from ..interfaces import IMandates
from ..interfaces import IRegistry
from ..interfaces import IRiskOracle

from . import fixed
from . import instruments
from . import interest
from . import rights


# ------------------------------------------------------------------- constants


MAX_POSITIONS: constant(uint256) = instruments.MAX_POSITIONS
SYSTEM: constant(uint256) = 0
POOL: constant(uint256) = 1
INTEREST: constant(uint256) = 2
WAD: constant(int256) = 10**18
MOST: constant(int256) = 10**27  # [wad] of a quantity, as `fixed.MAX_QUANTITY`
MASK_LOW: constant(uint256) = 2**128 - 1
NO_CAP: constant(uint256) = 2**96 - 1  # of outflow
MIN_INDEX: constant(uint256) = 10**6  # of supply: past it rounding would eat what is left


# ------------------------------------------------------------------ immutables


QUOTE: immutable(address)
QUOTE_SCALE: immutable(uint256)  # [wad] per unit of the quote token
ORACLE: immutable(IRiskOracle)
FEED: immutable(IIndexFeed)
REGISTRY: immutable(IRegistry)
MANDATES: immutable(IMandates)
HISTORY: immutable(IHistory)


# --------------------------------------------------------------------- storage


_ledgers: HashMap[uint256, uint256]  # cash int128 | linear int128 [wad]
_entries: HashMap[uint256, uint256]  # index that cash stood at u128 | quote brought in u128 [wad]
_positions: HashMap[uint256, DynArray[uint256, MAX_POSITIONS]]  # words, sorted by id
_interest: HashMap[uint256, uint256]  # underlying -> open interest [wad], long side, non-spot
_open: HashMap[uint256, uint256]  # instrument -> open interest [wad]; token -> collateral held [wad]
_indexes: uint256  # supply u104 | borrow u104 | since u48 [s]
_sums: uint256  # positive cash u128 | negative cash u128 [wad], as of `since`
_kept: uint256  # [wad] of interest that is the fund's and was not claimed
_outflow: uint256  # profit that left u128 [wad] | as of u128 [s]
_batch: transient(uint256)  # the account whose check waits for the end of a multicall
_has_left: transient(bool)  # whether anything was taken out of it
liquidator: address
fund: address


# ---------------------------------------------------------------------- events


event LiquidatorSet:
    liquidator: address


event FundSet:
    fund: address


event Deposited:
    account: indexed(uint256)
    token: indexed(address)
    amount: uint256
    by: address


event Withdrawn:
    account: indexed(uint256)
    token: indexed(address)
    amount: uint256
    to: address


event Transferred:
    source: indexed(uint256)
    target: indexed(uint256)
    token: indexed(address)
    amount: uint256


event Traded:
    buyer: indexed(uint256)
    seller: indexed(uint256)
    instrument: indexed(uint128)
    quantity: uint256
    price: uint256
    paid: int256
    received: int256
    fees: uint256
    venue: address


event Seized:
    account: indexed(uint256)
    bidder: indexed(uint256)
    fraction: uint256
    payment: uint256
    fee: uint256


event Accrued:
    supply_index: uint256
    borrow_index: uint256
    supply: uint256
    debt: uint256
    kept: uint256


event InterestBooked:
    account: indexed(uint256)
    amount: int256


event Expired:
    account: indexed(uint256)
    instrument: indexed(uint128)
    quantity: int256
    price: uint256


event Settled:
    account: indexed(uint256)
    amount: int256


event LossSocialised:
    account: indexed(uint256)
    amount: uint256
    supply: uint256
    supply_index: uint256


event Claimed:
    amount: uint256


event BountyPaid:
    account: indexed(uint256)
    to: indexed(uint256)
    amount: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(quote: address, oracle: address, feed: address, registry: address, mandates: address, history: address):
    """
    @notice MUST be called by the constructor of each contract of the book.
    @param quote Token of the quote currency, at most 18 decimals.
    @param oracle RiskOracle: margins and marks.
    @param feed IndexFeed: live index prices.
    @param registry Registry: what may be traded, and within which limits.
    @param mandates Mandates: who may act for an account.
    @param history History: settlement prices, and prices of `lag` ago.
    """
    assert (
        quote != empty(address)
        and oracle != empty(address)
        and feed != empty(address)
        and registry != empty(address)
        and mandates != empty(address)
        and history != empty(address)
    ), "clearinghouse: zero address"
    decimals: uint8 = staticcall IERC20Detailed(quote).decimals()
    assert decimals <= 18, "clearinghouse: decimals over 18"
    QUOTE = quote
    QUOTE_SCALE = 10**convert(18 - decimals, uint256)
    ORACLE = IRiskOracle(oracle)
    FEED = IIndexFeed(feed)
    REGISTRY = IRegistry(registry)
    MANDATES = IMandates(mandates)
    HISTORY = IHistory(history)
    self._indexes = (interest.ONE << 152) | (interest.ONE << 48) | block.timestamp


# ----------------------------------------------------------- internal: who may


@internal
@view
def _check_right(account: uint256, right: uint256):
    assert staticcall MANDATES.may_act(account, msg.sender, right), "clearinghouse: not the account's"


@internal
@view
def _check_liquidator():
    assert msg.sender == self.liquidator, "clearinghouse: not the liquidator"


# --------------------------------------------------- internal: what time brings


@internal
@view
def _accrued() -> (interest.Pool, uint256):
    """
    @notice Indexes and sums with interest up to now; what the fund keeps of it.
    """
    indexes: uint256 = self._indexes
    sums: uint256 = self._sums
    pool: interest.Pool = interest.Pool(
        supply_index=indexes >> 152,
        borrow_index=(indexes >> 48) & (2**104 - 1),
        since=indexes & (2**48 - 1),
        supply=sums >> 128,
        debt=sums & MASK_LOW,
    )
    if pool.debt == 0 or pool.since == block.timestamp:
        return pool, 0
    return interest._accrued(pool, staticcall REGISTRY.curve(), block.timestamp)


@internal
@view
def _pool_now() -> (interest.Pool, uint256):
    """
    @notice Indexes and sums with interest up to now; all that the fund keeps.
    """
    pool: interest.Pool = empty(interest.Pool)
    kept: uint256 = 0
    pool, kept = self._accrued()
    return pool, self._kept + kept


@internal
def _accrue():
    """
    @notice Writes interest up to now. MUST come before any cash is touched.
    """
    if self._sums & MASK_LOW == 0 or self._indexes & (2**48 - 1) == block.timestamp:
        return
    pool: interest.Pool = empty(interest.Pool)
    kept: uint256 = 0
    pool, kept = self._pool_now()
    self._kept = kept
    self._indexes = (pool.supply_index << 152) | (pool.borrow_index << 48) | pool.since
    assert pool.supply <= MASK_LOW and pool.debt <= MASK_LOW, "clearinghouse: ledger over the maximum"
    self._sums = (pool.supply << 128) | pool.debt
    log Accrued(
        supply_index=pool.supply_index,
        borrow_index=pool.borrow_index,
        supply=pool.supply,
        debt=pool.debt,
        kept=kept,
    )


@internal
def _touch(account: uint256) -> DynArray[uint256, MAX_POSITIONS]:
    """
    @notice Books what time owes an account. `_accrue` MUST have come before.
    @return What it holds: to read it again costs as much as to scan it.
    """
    if account >> 96 == 0:
        return []
    cash: int256 = self._cash(account)
    if cash != 0:
        indexes: uint256 = self._indexes
        entry: uint256 = self._entries[account] >> 128
        index: uint256 = indexes >> 152 if cash > 0 else (indexes >> 48) & (2**104 - 1)
        if entry != index:
            grown: int256 = interest._grown(cash, entry, index, index)
            self._set_ledger(account, grown, self._linear(account))
            self._entries[account] = (index << 128) | (self._entries[account] & MASK_LOW)
            # totals hold it already
            self._add(INTEREST, cash - grown, 0)
            log InterestBooked(account=account, amount=grown - cash)
    words: DynArray[uint256, MAX_POSITIONS] = []
    linear: int256 = 0
    words, cash, linear = self._now(account)
    if len(words) != len(self._positions[account]):
        self._expire(account)
        self._positions[account] = words
        cash -= self._cash(account)
        linear -= self._linear(account)
        self._add(account, cash, linear)
        self._add(POOL, -cash, -linear)
    return words


@internal
def _expire(account: uint256):
    """
    @notice Tells what of an account is settled, and takes it off the interest.
    """
    for i: uint256 in range(len(self._positions[account]), bound=MAX_POSITIONS):
        word: uint256 = self._positions[account][i]
        price: uint256 = self._settled(instruments._surface_key(word))
        if price == 0:
            continue
        quantity: int256 = instruments._quantity(word)
        id: uint256 = word & instruments.MASK_ID
        if quantity > 0:
            self._interest[instruments._underlying(id)] -= convert(quantity, uint256)
            self._open[id] -= convert(quantity, uint256)
        log Expired(account=account, instrument=convert(id, uint128), quantity=quantity, price=price)


@internal
@view
def _settled(key: uint256) -> uint256:
    """
    @notice Settlement price of underlying u16 | expiry u40 [wad], zero where
            there is none yet.
    """
    expiry: uint256 = key & (2**40 - 1)
    if expiry == 0 or expiry > block.timestamp:
        return 0
    return staticcall HISTORY.settled(convert(key >> 40, uint16), convert(expiry, uint40))


@internal
@view
def _now(account: uint256) -> (DynArray[uint256, MAX_POSITIONS], int256, int256):
    """
    @notice What `_touch` leaves: positions, cash and linear. What is settled
            pays down, for both sides of it.
    """
    words: DynArray[uint256, MAX_POSITIONS] = self._positions[account]
    cash: int256 = self._cash(account)
    linear: int256 = self._linear(account)
    if cash != 0 and account >> 96 != 0:
        pool: interest.Pool = empty(interest.Pool)
        kept: uint256 = 0
        pool, kept = self._accrued()
        cash = interest._grown(cash, self._entries[account] >> 128, pool.supply_index, pool.borrow_index)
    has_expired: bool = False
    highest: uint256 = 0
    if len(words) > 0:
        highest = instruments._underlying(words[len(words) - 1])
    for word: uint256 in words:
        expiry: uint256 = (word >> 72) & (2**40 - 1)
        if expiry == 0:
            continue
        if expiry <= block.timestamp:
            has_expired = True
            break
        if (word >> 112) & 65_535 == highest:
            # sorted words: what follows expires later
            break
    if not has_expired:
        return words, cash, linear
    last: uint256 = max_value(uint256)
    price: uint256 = 0
    unit: uint256 = 0
    left: uint256 = 0
    for i: uint256 in range(len(words), bound=MAX_POSITIONS):
        word: uint256 = words[i]
        key: uint256 = instruments._surface_key(word)
        if key != last:
            last = key
            price = self._settled(key)
            if price != 0:
                unit = staticcall FEED.strike_unit(convert(key >> 40, uint16))
        if price == 0:
            words[left] = word
            left += 1
            continue
        kind: uint256 = instruments._kind(word)
        strike: uint256 = ((word >> 16) & (2**48 - 1)) * unit
        payoff: uint256 = price
        if kind == instruments.CALL:
            payoff = price - strike if price > strike else 0
        elif kind == instruments.PUT:
            payoff = strike - price if strike > price else 0
        pays: int256 = fixed._div_floor(instruments._quantity(word) * convert(payoff, int256), WAD)
        if kind == instruments.FUTURE:
            linear += pays
        else:
            cash += pays
    for _: uint256 in range(MAX_POSITIONS):
        if len(words) == left:
            break
        words.pop()
    return words, cash, linear


# ------------------------------------------------------------- internal: ledgers


@internal
@view
def _cash(account: uint256) -> int256:
    return fixed._signed(self._ledgers[account]) >> 128


@internal
@view
def _linear(account: uint256) -> int256:
    return fixed._signed(self._ledgers[account] << 128) >> 128


@internal
@view
def _sum(account: uint256) -> int256:
    return self._cash(account) + self._linear(account)


@internal
def _set_ledger(account: uint256, cash: int256, linear: int256):
    assert (abs(cash) <= fixed.MAX_LEDGER and abs(linear) <= fixed.MAX_LEDGER), "clearinghouse: ledger over the maximum"
    self._ledgers[account] = (fixed._unsigned(cash) << 128) | (fixed._unsigned(linear) & MASK_LOW)


@internal
def _add(account: uint256, cash: int256, linear: int256):
    """
    @notice Changes both ledgers of an account [wad]. `_touch` MUST have come
            before.
    """
    old: int256 = self._cash(account)
    new: int256 = old + cash
    self._set_ledger(account, new, self._linear(account) + linear)
    if cash == 0 or account >> 96 == 0:
        return
    indexes: uint256 = self._indexes
    if old == 0 or (old > 0) != (new > 0):
        index: uint256 = indexes >> 152 if new > 0 else (indexes >> 48) & (2**104 - 1)
        self._entries[account] = (index << 128) | (self._entries[account] & MASK_LOW)
    sums: uint256 = self._sums
    # what accounts round up, the sums do not: never under zero
    supply: int256 = max(0, convert(sums >> 128, int256) + max(new, 0) - max(old, 0))
    debt: int256 = max(0, convert(sums & MASK_LOW, int256) - min(new, 0) + min(old, 0))
    if sums & MASK_LOW == 0 and debt > 0:
        # no interest ran while nothing was owed
        self._indexes = (indexes >> 48 << 48) | block.timestamp
    self._sums = (convert(supply, uint256) << 128) | convert(debt, uint256)


@internal
def _book(account: uint256, change: int256, is_option: bool):
    """
    @notice Options are paid in cash, linear instruments in linear.
    """
    if is_option:
        self._add(account, change, 0)
    else:
        self._add(account, 0, change)


@internal
@view
def _utilisation() -> uint256:
    return interest._utilisation(self._sums >> 128, self._sums & MASK_LOW)


@internal
def _flow_out(profit: uint256):
    """
    @notice Counts profit that leaves [wad] against the cap of a window: what
            left before drains evenly.
    """
    if profit == 0 or msg.sender == self.fund:
        # what the fund earned is nobody's profit that may yet be lost
        return
    limits: uint256 = staticcall REGISTRY.pool_limits()
    cap: uint256 = (limits >> 32) & NO_CAP
    if cap == NO_CAP:
        return
    word: uint256 = self._outflow
    drained: uint256 = fixed._mul_div_down(cap, block.timestamp - (word & MASK_LOW), limits & (2**32 - 1))
    left: uint256 = word >> 128
    used: uint256 = profit + (left - drained if left > drained else 0)
    assert used <= cap, "clearinghouse: outflow over the cap"
    self._outflow = (used << 128) | block.timestamp


# -------------------------------------------------------------- internal: tokens


@internal
@pure
def _worth(amount: uint256, scale: uint256) -> int256:
    """
    @notice A token amount in [wad], exactly.
    """
    assert amount > 0, "clearinghouse: zero amount"
    assert amount <= fixed.MAX_QUANTITY // scale, "clearinghouse: amount over the maximum"
    return convert(amount * scale, int256)


@internal
def _bring(account: uint256, token: address, amount: uint256, payer: address):
    """
    @notice Tokens of `payer` into an account.
    """
    assert account >> 96 != 0, "clearinghouse: system account"
    self._accrue()
    self._touch(account)
    if token == QUOTE:
        worth: int256 = self._worth(amount, QUOTE_SCALE)
        self._add(account, worth, 0)
        self._entries[account] += convert(worth, uint256)
    else:
        id: uint128 = 0
        scale: uint256 = 0
        cap: uint256 = 0
        id, scale, cap = staticcall REGISTRY.collateral(token)
        assert scale > 0, "clearinghouse: unknown token"
        if payer == msg.sender:
            # a gift of collateral can cost its account more margin than it is worth
            self._check_right(account, rights.DEPOSIT)
        self._hold(account, convert(id, uint256), self._worth(amount, scale))
        self._open[convert(id, uint256)] += amount * scale
        assert cap == 0 or self._open[convert(id, uint256)] <= cap, "clearinghouse: collateral over the cap"
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    assert extcall IERC20(token).transferFrom(
        payer, self, amount, default_return_value=True
    ), "clearinghouse: vault moved another amount"
    assert staticcall IERC20(token).balanceOf(self) == before + amount, "clearinghouse: vault moved another amount"
    log Deposited(account=account, token=token, amount=amount, by=payer)


@internal
def _take(account: uint256, token: address, amount: uint256) -> int256:
    """
    @notice Token units out of an account's book [wad]; not what margin says to it.
    """
    self._touch(account)
    if token == QUOTE:
        worth: int256 = self._worth(amount, QUOTE_SCALE)
        assert self._cash(account) >= worth, "clearinghouse: cash not there"
        self._add(account, -worth, 0)
        return worth
    id: uint128 = 0
    scale: uint256 = 0
    cap: uint256 = 0
    id, scale, cap = staticcall REGISTRY.collateral(token)
    assert scale > 0, "clearinghouse: unknown token"
    worth: int256 = self._worth(amount, scale)
    assert (
        instruments._held(self._positions[account], convert(id, uint256)) >= worth
    ), "clearinghouse: collateral not there"
    self._hold(account, convert(id, uint256), -worth)
    self._open[convert(id, uint256)] -= amount * scale
    return worth


@internal
def _give(account: uint256, token: address, worth: int256):
    """
    @notice Collateral [wad] that left another account.
    """
    id: uint128 = 0
    scale: uint256 = 0
    cap: uint256 = 0
    id, scale, cap = staticcall REGISTRY.collateral(token)
    self._hold(account, convert(id, uint256), worth)
    self._open[convert(id, uint256)] += convert(worth, uint256)


@internal
def _hold(account: uint256, id: uint256, change: int256):
    self._positions[account] = instruments._changed(self._positions[account], id, change)


# --------------------------------------------------------------- internal: margin


@internal
@view
def _assess(account: uint256) -> IRiskOracle.Assessment:
    """
    @notice Margin as if touched. Not in the midst of a batch, when the account
            is not what it will be.
    """
    assert self._batch == 0 or account != self._batch, "clearinghouse: in a batch"
    words: DynArray[uint256, MAX_POSITIONS] = []
    cash: int256 = 0
    linear: int256 = 0
    words, cash, linear = self._now(account)
    return staticcall ORACLE.assess(words, cash + linear)


@internal
def _check_left(account: uint256, is_leaving: bool):
    """
    @notice What must hold after something was taken out of an account; in a
            batch, at its end. Profit of the last `lag` does not count, wherever
            it goes: another account of the owner's may need no margin, and let
            it out. An account that needs none is not asked anything.
    @param is_leaving Whether a stop of withdrawals holds it up: not what the
           liquidator moves.
    """
    if account == self._batch:
        self._has_left = self._has_left or is_leaving
        return
    words: DynArray[uint256, MAX_POSITIONS] = self._positions[account]
    ledger: int256 = self._sum(account)
    if not instruments._is_risky(words, ledger):
        return
    after: IRiskOracle.Assessment = staticcall ORACLE.assess(words, ledger)
    after.equity_haircut -= convert(staticcall HISTORY.unpaid(words), int256)
    self._check_healthy(after, staticcall REGISTRY.limits_of_leaving(is_leaving))


@internal
@pure
def _check_healthy(after: IRiskOracle.Assessment, limits: uint256):
    assert after.equity_haircut >= convert(after.im, int256), "clearinghouse: below initial margin"
    assert after.fresh, "clearinghouse: surface not fresh"
    assert after.mm == 0 or after.equity_haircut >= convert(
        limits >> 160, int256
    ), "clearinghouse: equity below the minimum"


@internal
def _fill(
    account: uint256,
    words: DynArray[uint256, MAX_POSITIONS],
    id: uint256,
    change: int256,
    money: int256,
    is_option: bool,
    is_against: bool,
    is_far: bool,
    terms: IRegistry.TradeTerms,
):
    """
    @notice One side of a trade. It passes when the account is healthy on fresh
            surfaces afterwards and within its limits; or when it reduces risk:
            IM does not rise, E_h - MM does not fall, E_m is not negative, and
            the price is not worse than the mark by more than the reduce band.
            While risk is stopped nothing but the latter passes, in a batch too.
            Profit of the last `lag` pays no price that is worse than the mark,
            and neither it nor profit that is not settled buys on credit: what
            nobody has paid yet would leave by the other side.
    @param words What `_touch` found that it holds.
    @param is_against Whether the price is worse than the mark for this side.
    @param is_far Whether by more than the reduce band.
    """
    book: DynArray[uint256, MAX_POSITIONS] = instruments._changed(words, id, change)
    limits: uint256 = terms.account_limits
    reduces: bool = False
    if account != self._batch or terms.reduce_only:
        ledger: int256 = self._sum(account)
        after: IRiskOracle.Assessment = staticcall ORACLE.assess(book, ledger + money)
        late: int256 = 0
        on_credit: bool = is_option and self._cash(account) + min(money, 0) < 0
        if is_against or on_credit:
            late = convert(staticcall HISTORY.unpaid(words), int256)
        if on_credit:
            now: int256 = 0
            lagged: int256 = 0
            now, lagged = staticcall HISTORY.variation(words)
            late = max(late, self._linear(account) + now)
        after.equity_haircut -= late
        if (
            terms.reduce_only
            or after.equity_haircut < convert(after.im, int256)
            or not after.fresh
            or (after.mm > 0 and after.equity_haircut < convert(limits >> 160, int256))
        ):
            before: IRiskOracle.Assessment = staticcall ORACLE.assess(words, ledger)
            reduces = (
                after.im <= before.im
                and after.equity_haircut + late - convert(after.mm, int256)
                >= before.equity_haircut - convert(before.mm, int256)
                and after.equity_full >= 0
            )
            if not reduces:
                self._check_healthy(after, limits)
                # healthy, so it is the stop that it is here for
                raise "clearinghouse: only reducing is allowed"
            assert not (is_against and is_far), "clearinghouse: price worse than allowed"
    assert len(book) <= len(words) or len(book) <= (limits >> 24) & 255, "clearinghouse: too many positions"
    self._positions[account] = book
    self._book(account, money, is_option)
    if is_option and money < 0 and not reduces:
        self._check_debt(account, limits, terms.pool_limits)


@internal
@view
def _check_debt(account: uint256, limits: uint256, pool_limits: uint256):
    """
    @notice Borrowing caps, of the account and of all.
    """
    cash: int256 = self._cash(account)
    assert cash >= 0 or (
        -cash <= convert((limits >> 32) & MASK_LOW, int256) and self._sums & MASK_LOW <= pool_limits >> 128
    ), "clearinghouse: borrowing over the cap"


@internal
def _take_over(
    words: DynArray[uint256, MAX_POSITIONS], others: DynArray[uint256, MAX_POSITIONS], part: int256
) -> (DynArray[uint256, MAX_POSITIONS], DynArray[uint256, MAX_POSITIONS]):
    """
    @notice A book with a part [wad] of every other's positions, down in
            magnitude, and what is left of the other: both sorted, in one pass.
            Open interest follows: what was long there may close a short here.
    @dev    0 < part <= 1e18 and |quantity| <= 1e27 on either side: what is
            unsafe here wraps nowhere.
    """
    book: DynArray[uint256, MAX_POSITIONS] = []
    rest: DynArray[uint256, MAX_POSITIONS] = []
    count: uint256 = len(words)
    place: uint256 = 0
    underlying: uint256 = 0
    closing: uint256 = 0  # [wad] of the underlying under way
    for word: uint256 in others:
        quantity: int256 = convert(convert(word, bytes32), int256) >> 128
        # SDIV truncates: down in magnitude, for both signs
        moved: int256 = unsafe_div(unsafe_mul(quantity, part), WAD)
        id: uint256 = word & instruments.MASK_ID
        if moved != quantity:
            rest.append((convert(convert(unsafe_sub(quantity, moved), bytes32), uint256) << 128) | id)
        if moved == 0:
            continue
        for _: uint256 in range(MAX_POSITIONS):
            if place == count or words[place] & instruments.MASK_ID >= id:
                break
            assert len(book) < MAX_POSITIONS, "clearinghouse: too many positions"
            book.append(words[place])
            place = unsafe_add(place, 1)
        if place < count and words[place] & instruments.MASK_ID == id:
            held: int256 = convert(convert(words[place], bytes32), int256) >> 128
            place = unsafe_add(place, 1)
            after: int256 = unsafe_add(held, moved)
            if (held ^ moved) >= 0:
                assert after <= MOST and after >= -MOST, "clearinghouse: quantity over the maximum"
            elif (id >> 64) & 255 != instruments.SPOT:
                # opposite signs: the smaller of both closes
                closed: uint256 = convert(min(abs(held), abs(moved)), uint256)
                self._open[id] -= closed
                if id >> 112 != underlying:
                    if closing != 0:
                        self._interest[underlying] -= closing
                    underlying = id >> 112
                    closing = 0
                closing = unsafe_add(closing, closed)
            moved = after
            if moved == 0:
                continue
        assert len(book) < MAX_POSITIONS, "clearinghouse: too many positions"
        book.append((convert(convert(moved, bytes32), uint256) << 128) | id)
    if closing != 0:
        self._interest[underlying] -= closing
    for _: uint256 in range(MAX_POSITIONS):
        if place == count:
            break
        assert len(book) < MAX_POSITIONS, "clearinghouse: too many positions"
        book.append(words[place])
        place = unsafe_add(place, 1)
    return book, rest
