# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title What is due, for networks that call contracts
@license GNU Affero General Public License v3.0 only
@notice A second trigger beside the keeper, in the shapes that Chainlink
        Automation (`checkUpkeep`, `performUpkeep`) and Gelato (`checker`) made
        common, and that their successors, or a clock, call: which steps that
        anyone may take are due, and takes them. Accounts are
        called, their auctions started and closed, their losses recorded;
        breakers are tripped, prices remembered and observed, settlement prices
        proposed. It does not bid: a bid needs capital, and somebody who decides.
        Nothing is stored. What is looked at comes with every call:

            abi.encode(uint256[] accounts, uint16[] underlyings,
                       (uint16 underlying, uint40 expiry)[] series)

        accounts for liquidation, underlyings for breakers and prices, series for
        settlement; empty data stands for the first underlyings of the feed.
        Each step is checked again where it is taken, by the contract whose rule
        it is, so that what is performed may come from anyone. A step that is
        refused, or burns its gas, holds up no other; a call in which nothing was
        done reverts.
        What flickers is left out or has a margin. A call is not taken back here,
        and has a notice before it and a lapse behind it; an auction begins under
        MM and closes at IM; a record follows a loss once it is a twentieth off,
        a high-water mark once cover is a hundredth over it; all else is due once
        for each lag, minute or expiry.
        Units: money [wad], time [s], shares [ppm]. Trusts the contracts that it
        calls. It has no roles and no rights, and holds nothing.
@custom:security A view sees no auction that lapsed: an account whose auction ran
        dry is called once more before another begins. Who gives little gas has
        the first step taken alone.
@custom:kill None is needed: stop calling it.
"""


# --------------------------------------------------------------------- imports


from interfaces import IClearinghouse
from interfaces import IHistory
from interfaces import IIndexFeed
from interfaces import IInsuranceFund
from interfaces import IRegistry
from interfaces import IRiskOracle

from modules import fixed
from modules import instruments
from modules import settlement_price


# ------------------------------------------------------------------- constants


# What a step does; its subject, and its detail.
CALL: constant(uint256) = 0  # account
START: constant(uint256) = 1  # account
CLOSE: constant(uint256) = 2  # account
RECORD: constant(uint256) = 3  # account
TRIP: constant(uint256) = 4  # underlying, kind of breaker
NOTE: constant(uint256) = 5
TOUCH: constant(uint256) = 6  # underlying
OBSERVE: constant(uint256) = 7  # underlying, expiry
PROPOSE: constant(uint256) = 8  # underlying, expiry

# Chainlink's registries took 5,000 bytes of data to check and 2,000 to perform
MAX_ACCOUNTS: constant(uint256) = 64
MAX_UNDERLYINGS: constant(uint256) = 32
MAX_SERIES: constant(uint256) = 16
MAX_STEPS: constant(uint256) = 10  # in one call
MAX_CHECK: constant(uint256) = 32 * (6 + MAX_ACCOUNTS + MAX_UNDERLYINGS + 2 * MAX_SERIES)  # [byte]
MAX_PERFORM: constant(uint256) = 32 * (2 + 3 * MAX_STEPS)  # [byte]
MAX_PAYLOAD: constant(uint256) = 4 + 64 + MAX_PERFORM  # [byte] a whole call of `performUpkeep`
MAX_TRIPS: constant(uint256) = 4  # that Breakers.due names of one underlying: each kind once
TRIPS_SIZE: constant(uint256) = 32 * (2 + 2 * MAX_TRIPS)  # [byte]
FEED_SIZE: constant(uint256) = 256  # underlyings that IndexFeed names

STEP_GAS: constant(uint256) = 3_000_000  # three times what the largest account takes
PRICE_GAS: constant(uint256) = 500_000  # several times what a route of three legs takes
SPARE_GAS: constant(uint256) = 100_000  # for what comes behind the last step

DRIFT: constant(uint256) = 50_000  # [ppm] that a loss on record may be off
RISE: constant(uint256) = 10_000  # [ppm] that cover may be over its high-water mark


# ------------------------------------------------------------------ interfaces


# Who is called, who is at auction, what is on record.
interface Liquidator:
    def ripe(account: uint256) -> uint256: view
    def deadline(account: uint256) -> uint256: view
    def auction(account: uint256) -> uint256: view
    def recorded(account: uint256) -> uint256: view


interface Breakers:
    def peak() -> uint256: view
    def fund() -> address: view


# ------------------------------------------------------------------ immutables


BOOK: immutable(IClearinghouse)
LIQUIDATOR: immutable(Liquidator)
FEED: immutable(IIndexFeed)
HISTORY: immutable(IHistory)
REGISTRY: immutable(IRegistry)


# --------------------------------------------------------------------- structs


struct Series:
    underlying: uint16
    expiry: uint40  # [s]


struct Step:
    action: uint256  # CALL 0 .. PROPOSE 8
    subject: uint256  # account or underlying
    detail: uint256  # kind of breaker or expiry; else zero


struct Trip:
    kind: uint8
    underlying: uint16


# ---------------------------------------------------------------------- events


event StepTaken:
    action: indexed(uint256)
    subject: indexed(uint256)
    detail: uint256


event StepRefused:
    action: indexed(uint256)
    subject: indexed(uint256)
    detail: uint256


# ----------------------------------------------------------------- constructor


@deploy
def __init__(book: address, liquidator: address):
    """
    @param book Clearinghouse: names feed, history and registry.
    @param liquidator Liquidator of that book.
    """
    assert book != empty(address) and liquidator != empty(address), "automation: zero address"
    BOOK = IClearinghouse(book)
    LIQUIDATOR = Liquidator(liquidator)
    FEED = IIndexFeed(staticcall BOOK.feed())
    HISTORY = IHistory(staticcall BOOK.history())
    REGISTRY = IRegistry(staticcall BOOK.registry())


# ------------------------------------------------------------------- external


@external
def performUpkeep(performData: Bytes[MAX_PERFORM]):
    """
    @notice Anyone: takes the steps that are named and still due, in their order.
            Reverts where that is none. With too little gas for another step the
            rest is left for the next call.
    @param performData abi.encode of (action, subject, detail)[], as `checkUpkeep`
           answers it; it is not trusted.
    """
    steps: DynArray[Step, MAX_STEPS] = abi_decode(performData, DynArray[Step, MAX_STEPS])
    is_done: bool = False
    for step: Step in steps:
        if is_done and msg.gas < STEP_GAS + SPARE_GAS:
            break
        if self._perform(step):
            is_done = True
            log StepTaken(action=step.action, subject=step.subject, detail=step.detail)
        else:
            log StepRefused(action=step.action, subject=step.subject, detail=step.detail)
    assert is_done, "automation: nothing was done"


# -------------------------------------------------------------- external: views


@external
@view
def checkUpkeep(checkData: Bytes[MAX_CHECK]) -> (bool, Bytes[MAX_PERFORM]):
    """
    @notice Chainlink's shape: whether anything is due, and what to give to
            `performUpkeep`.
    @param checkData What to look at, as in the title; empty: the feed's
           underlyings.
    """
    steps: DynArray[Step, MAX_STEPS] = self._due(checkData)
    if len(steps) == 0:
        return False, b""
    return True, abi_encode(steps)


@external
@view
def checker(checkData: Bytes[MAX_CHECK] = b"") -> (bool, Bytes[MAX_PAYLOAD]):
    """
    @notice Gelato's shape: whether anything is due, and the whole call of
            `performUpkeep`; else why there is none.
    @param checkData As of `checkUpkeep`.
    """
    steps: DynArray[Step, MAX_STEPS] = self._due(checkData)
    if len(steps) == 0:
        return False, b"automation: nothing is due"
    return True, abi_encode(abi_encode(steps), method_id=method_id("performUpkeep(bytes)"))


@external
@view
def due(checkData: Bytes[MAX_CHECK]) -> DynArray[Step, MAX_STEPS]:
    """
    @notice The steps that are due, breakers and prices first; the first ten.
    @param checkData As of `checkUpkeep`.
    """
    return self._due(checkData)


@external
@view
def clearinghouse() -> address:
    """
    @notice The book.
    """
    return BOOK.address


@external
@view
def liquidator() -> address:
    """
    @notice The Liquidator.
    """
    return LIQUIDATOR.address


# --------------------------------------------------------------- internal: due


@internal
@view
def _due(data: Bytes[MAX_CHECK]) -> DynArray[Step, MAX_STEPS]:
    accounts: DynArray[uint256, MAX_ACCOUNTS] = []
    underlyings: DynArray[uint16, MAX_UNDERLYINGS] = []
    series: DynArray[Series, MAX_SERIES] = []
    if len(data) == 0:
        underlyings = self._listed()
    else:
        accounts, underlyings, series = abi_decode(
            data,
            (DynArray[uint256, MAX_ACCOUNTS], DynArray[uint16, MAX_UNDERLYINGS], DynArray[Series, MAX_SERIES]),
        )
    steps: DynArray[Step, MAX_STEPS] = []
    if len(underlyings) > 0:
        steps = self._trips(underlyings)
    lag: uint256 = staticcall HISTORY.lag()
    for underlying: uint16 in underlyings:
        if len(steps) == MAX_STEPS:
            return steps
        if self._is_touch_due(underlying, lag) and self._is_usable(underlying):
            steps.append(Step(action=TOUCH, subject=convert(underlying, uint256), detail=0))
    for item: Series in series:
        if len(steps) == MAX_STEPS:
            return steps
        is_due: bool = False
        action: uint256 = 0
        is_due, action = self._of_series(item)
        if is_due:
            subject: uint256 = convert(item.underlying, uint256)
            steps.append(Step(action=action, subject=subject, detail=convert(item.expiry, uint256)))
    until: uint256 = max(staticcall REGISTRY.stops() >> 128, staticcall FEED.grace_until())
    for account: uint256 in accounts:
        if len(steps) == MAX_STEPS:
            return steps
        is_due: bool = False
        action: uint256 = 0
        is_due, action = self._of_account(account, until)
        if is_due:
            steps.append(Step(action=action, subject=account, detail=0))
    return steps


@internal
@view
def _listed() -> DynArray[uint16, MAX_UNDERLYINGS]:
    """
    @notice The first underlyings of the feed; the quote coin is none.
    """
    found: DynArray[uint16, MAX_UNDERLYINGS] = []
    for underlying: uint256 in staticcall FEED.underlyings():
        if len(found) == MAX_UNDERLYINGS:
            break
        if underlying <= convert(max_value(uint16), uint256):
            found.append(convert(underlying, uint16))
    return found


@internal
@view
def _trips(underlyings: DynArray[uint16, MAX_UNDERLYINGS]) -> DynArray[Step, MAX_STEPS]:
    """
    @notice Breakers that are due, and the high-water mark; none where the
            registry has no breakers, or they do not answer.
    """
    steps: DynArray[Step, MAX_STEPS] = []
    breakers: address = staticcall REGISTRY.breakers()
    if not breakers.is_contract:
        return steps
    for underlying: uint16 in underlyings:
        # one by one: what burns its gas hides no other
        trips: DynArray[Trip, MAX_TRIPS] = self._asked(breakers, [underlying])
        for trip: Trip in trips:
            if len(steps) < MAX_STEPS and trip.underlying != 0:
                subject: uint256 = convert(trip.underlying, uint256)
                steps.append(Step(action=TRIP, subject=subject, detail=convert(trip.kind, uint256)))
    trips: DynArray[Trip, MAX_TRIPS] = self._asked(breakers, [])
    for trip: Trip in trips:
        if len(steps) < MAX_STEPS:
            steps.append(Step(action=TRIP, subject=0, detail=convert(trip.kind, uint256)))
    if len(steps) < MAX_STEPS and self._is_note_due(breakers):
        steps.append(Step(action=NOTE, subject=0, detail=0))
    return steps


@internal
@view
def _asked(breakers: address, underlyings: DynArray[uint16, 1]) -> DynArray[Trip, MAX_TRIPS]:
    """
    @notice What Breakers.due says of one underlying, or of none: then of all
            together alone. Nothing where it does not answer.
    """
    is_known: bool = False
    answer: Bytes[TRIPS_SIZE] = b""
    is_known, answer = raw_call(
        breakers,
        abi_encode(underlyings, method_id=method_id("due(uint16[])")),
        max_outsize=TRIPS_SIZE,
        gas=PRICE_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not is_known:
        return []
    return abi_decode(answer, DynArray[Trip, MAX_TRIPS])


@internal
@view
def _is_note_due(breakers: address) -> bool:
    """
    @notice Whether the fund could pay more than its high-water mark, or the mark
            ran out.
    """
    cover: uint256 = staticcall IInsuranceFund(staticcall Breakers(breakers).fund()).cover()
    return fixed._mul_div_down(cover, fixed.PPM - RISE, fixed.PPM) > staticcall Breakers(breakers).peak()


@internal
@view
def _is_touch_due(underlying: uint16, lag: uint256) -> bool:
    """
    @notice Whether the last price remembered is a lag old, or there is none.
    """
    if lag == 0:
        return False
    return block.timestamp - (staticcall HISTORY.checkpoints(underlying))[1] >= lag


@internal
@view
def _is_usable(underlying: uint16) -> bool:
    """
    @notice As IndexFeed.is_usable, within a bound of gas.
    """
    return raw_call(
        FEED.address,
        abi_encode(underlying, method_id=method_id("price(uint16)")),
        max_outsize=0,
        gas=PRICE_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )


@internal
@view
def _of_series(series: Series) -> (bool, uint256):
    """
    @notice Whether the minute that runs lacks its price, or the settlement price
            can be proposed.
    """
    expiry: uint256 = convert(series.expiry, uint256)
    if block.timestamp + instruments.WINDOW < expiry:
        return False, 0
    seen: uint256[settlement_price.BUCKETS] = staticcall HISTORY.buckets(series.underlying, series.expiry)
    if block.timestamp < expiry:
        bucket: uint256 = (block.timestamp + instruments.WINDOW - expiry) // settlement_price.BUCKET
        return seen[bucket] == 0 and self._is_usable(series.underlying), OBSERVE
    price: uint256 = 0
    ready_at: uint256 = 0
    is_disputed: bool = False
    price, ready_at, is_disputed = staticcall HISTORY.settlement(series.underlying, series.expiry)
    is_open: bool = expiry > 0 and price == 0 and not is_disputed
    return is_open and settlement_price._count(seen) >= settlement_price.MIN_BUCKETS, PROPOSE


@internal
@view
def _of_account(account: uint256, until: uint256) -> (bool, uint256):
    """
    @notice The step that is due for an account. None where it cannot be assessed.
    @param until When the last stop of liquidations, or the grace after the last
           outage, ends [s]: nothing starts before, and what began before starts
           anew.
    """
    is_known: bool = False
    answer: Bytes[192] = b""
    is_known, answer = raw_call(
        BOOK.address,
        abi_encode(account, method_id=method_id("margin(uint256)")),
        max_outsize=192,
        gas=STEP_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not is_known:
        return False, 0
    found: IRiskOracle.Assessment = abi_decode(answer, IRiskOracle.Assessment)
    is_running: bool = block.timestamp >= until
    is_under: bool = found.equity_full < 0 or found.equity_haircut < convert(found.mm, int256)
    opened: uint256 = staticcall LIQUIDATOR.auction(account)
    if opened != 0:
        if found.equity_haircut >= convert(found.im, int256):
            return True, CLOSE
        if opened < until and is_running and is_under:
            return True, START
    elif found.equity_full < 0:
        if is_running:
            return True, START
    elif found.equity_haircut < convert(found.call_line, int256):
        ripe: uint256 = staticcall LIQUIDATOR.ripe(account)
        if ripe == 0:
            return True, CALL
        due_at: uint256 = ripe if is_under else staticcall LIQUIDATOR.deadline(account)
        if is_running and block.timestamp > due_at:
            return True, START
    return self._is_record_due(account, found.equity_full), RECORD


@internal
@view
def _is_record_due(account: uint256, equity: int256) -> bool:
    """
    @notice Whether what is on record of an account's loss is missing, or far off.
    """
    loss: uint256 = convert(max(-equity, 0), uint256)
    recorded: uint256 = staticcall LIQUIDATOR.recorded(account)
    apart: uint256 = loss - recorded if loss > recorded else recorded - loss
    return apart > fixed._mul_div_down(max(loss, recorded), DRIFT, fixed.PPM)


# ----------------------------------------------------------- internal: perform


@internal
def _perform(step: Step) -> bool:
    """
    @notice Takes a step; whether it did anything. Nothing that it is told is
            trusted: there are nine functions it calls, each open to anyone, and
            each refuses what is not due, but `touch`, `note` and `record`, of
            which that is looked at here.
    """
    if step.action <= RECORD:
        return self._perform_account(step.action, step.subject)
    if step.action > PROPOSE or step.subject > convert(max_value(uint16), uint256):
        return False
    underlying: uint16 = convert(step.subject, uint16)
    if step.action == TOUCH:
        return self._is_touch_due(underlying, staticcall HISTORY.lag()) and self._try(
            HISTORY.address, abi_encode(underlying, method_id=method_id("touch(uint16)"))
        )
    if step.action == TRIP or step.action == NOTE:
        breakers: address = staticcall REGISTRY.breakers()
        if not breakers.is_contract or step.detail > convert(max_value(uint8), uint256):
            return False
        if step.action == NOTE:
            return self._is_note_due(breakers) and self._try(breakers, method_id("note()", output_type=Bytes[4]))
        return self._try(
            breakers, abi_encode(convert(step.detail, uint8), underlying, method_id=method_id("trip(uint8,uint16)"))
        )
    if step.detail > convert(max_value(uint40), uint256):
        return False
    expiry: uint40 = convert(step.detail, uint40)
    if step.action == OBSERVE:
        return self._try(HISTORY.address, abi_encode(underlying, expiry, method_id=method_id("observe(uint16,uint40)")))
    return self._try(HISTORY.address, abi_encode(underlying, expiry, method_id=method_id("propose(uint16,uint40)")))


@internal
def _perform_account(action: uint256, account: uint256) -> bool:
    if action == CALL:
        return self._try(LIQUIDATOR.address, abi_encode(account, method_id=method_id("call(uint256)")))
    if action == START:
        return self._try(LIQUIDATOR.address, abi_encode(account, method_id=method_id("start(uint256)")))
    if action == CLOSE:
        return self._try(LIQUIDATOR.address, abi_encode(account, method_id=method_id("close(uint256)")))
    recorded: uint256 = staticcall LIQUIDATOR.recorded(account)
    if not self._try(LIQUIDATOR.address, abi_encode(account, method_id=method_id("record(uint256)"))):
        return False
    return staticcall LIQUIDATOR.recorded(account) != recorded


@internal
def _try(target: address, data: Bytes[68]) -> bool:
    """
    @notice One call, of a contract, with no more than a step's gas.
    """
    return raw_call(target, data, max_outsize=0, gas=STEP_GAS, revert_on_failure=False)
