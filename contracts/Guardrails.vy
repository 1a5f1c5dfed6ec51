# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title What a report may say, whoever signed it
@license GNU Affero General Public License v3.0 only
@notice The second look at everything posted. A lane is a loss for a long and a
        gain for a short, so no lane has a safe direction. What can be limited is
        limited here: each posted scalar has bounds and moves so far an hour,
        counted from the value that stands, however often reports come; reference
        prices lie within a band of the live index; lanes and marks must be
        possible by the surface's own header. RiskOracle asks and refuses the
        report whole; a signed price may stop a report, it replaces none.
        Units: scalars [ppm] unless said otherwise, time [s], prices [wad].
        Tolerances are of one lane unit: what rounding to the nearest can do.
        Roles: the owner sets limits; a guardian may narrow them, and halt
        posting for a week at most; RiskOracle alone admits.
        Trusts IndexFeed for live prices.
@custom:security An urgent report, of the oracle's higher quorum, may move
        `boost` times as far, as if an hour at least had passed since what was
        said at another market time. Bounds, band and
        memoryless checks bind it all the same. A scalar that stands at zero, or
        that was never posted, is bound by its bounds alone.
@custom:kill `halt`: nothing is believed until it is over.
"""


# --------------------------------------------------------------------- imports


from snekmate.auth import ownable_2step
from snekmate.auth import ownable

from interfaces import IGuardrails
from interfaces import IIndexFeed

from modules import authority
from modules import fixed
from modules import instruments
from modules import params as words
from modules import surface

implements: IGuardrails

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: authority[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)


# ------------------------------------------------------------------- constants


# What is limited: places of limits.
PSR: constant(uint256) = 0
VOL_UP: constant(uint256) = 1
VOL_DOWN: constant(uint256) = 2
EXTREME: constant(uint256) = 3  # [1e-2 PSR]
DAMP: constant(uint256) = 4  # [1e-2] share of an extreme that counts
GROSS: constant(uint256) = 5
HAIRCUT: constant(uint256) = 6
WORTH: constant(uint256) = 7  # of a token, of its index
BASIS: constant(uint256) = 8  # distance of a linear mark from the forward, of it
CARRY: constant(uint256) = 9  # distance of a forward from the index, of it
DEPTH: constant(uint256) = 10  # [wad]
KAPPA: constant(uint256) = 11
SOM: constant(uint256) = 12
IM_FACTOR: constant(uint256) = 13
VOLATILITY: constant(uint256) = 14  # [ppm a year]
MARKET: constant(uint256) = 15
OFFSET: constant(uint256) = 16
CROSS_HAIRCUT: constant(uint256) = 17
LIMITS: constant(uint256) = 18

UNLIMITED: constant(uint256) = 2**32 - 1  # a step of any size, within bounds
MIN_STEP: constant(uint256) = 10**4  # [ppm an hour] 1 %: a slower engine could not follow any market
HOUR: constant(uint256) = 3_600
MIN_BAND: constant(uint256) = 10**3  # [ppm] 0.1 %: narrower, a block's delay would refuse reports
MAX_BAND: constant(uint256) = 2 * 10**5  # [ppm]
MAX_BOOST: constant(uint256) = 20
MAX_HALT: constant(uint256) = 7 * 86_400  # [s] longer, the owner must have found another way
PARAM_WAIT: constant(uint256) = 3_600  # [s] between steps of the oracle's governance numbers

MAX_SURFACES: constant(uint256) = 64
MAX_SCALARS: constant(uint256) = 64
MAX_CLASSES: constant(uint256) = 16
MASK_16: constant(uint256) = 2**16 - 1
MASK_24: constant(uint256) = 2**24 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_48: constant(uint256) = 2**48 - 1
MASK_96: constant(uint256) = 2**96 - 1
NODE_UNIT: constant(uint256) = 10**4
STEPS: constant(uint256) = 6  # nodes on each side of the middle one
MAX_LANE: constant(uint256) = 2**15 - 1

# Four numbers at a time, 64 bits apart, each under 2**40: whether one is not
# below another is then bit 40 of 2**40 + one - other. Differences of lanes stand
# 2**20 above zero.
FIELDS: constant(uint256) = (1 << 192) | (1 << 128) | (1 << 64) | 1
GAINING: constant(uint256) = (1 << 192) | (1 << 128)  # the side of the price where a long gains
LOSING: constant(uint256) = (1 << 64) | 1
LOWER: constant(uint256) = (1 << 128) | 1  # of the lower volatility
YES: constant(uint256) = FIELDS << 40
ZERO: constant(uint256) = 2**20
PAIRS: constant(uint256) = (2**32 - 1) * FIELDS


# ------------------------------------------------------------------ immutables


FEED: immutable(IIndexFeed)


# --------------------------------------------------------------------- storage


oracle: public(address)  # whose reports these are
# scope << 8 | place -> low u96 | high u96 | rise u32 | fall u32 [ppm an hour]
_limits: HashMap[uint256, uint256]
scopes: public(HashMap[uint16, uint8])  # underlying -> scope; limits that a scope lacks are those of scope 0
# psr u32 | vol_up u32 | vol_down u32 | 3 damps u8 | 3 extremes u16 | market time of it u40 | and of scalars u40
_sets: HashMap[uint256, uint256]  # underlying -> the scenarios last posted
_scalars: HashMap[uint256, uint256]  # underlying -> word last posted
_classes: HashMap[uint256, uint256]  # class -> word last posted, its market time u40 in the lowest bits
index_band: public(uint256)  # [ppm] of the live index
boost: public(uint256)  # how much further an urgent report may go
halted_until: public(uint256)  # [s]
params_at: public(uint256)  # [s] when the oracle's governance numbers last moved


# ---------------------------------------------------------------------- events


event LimitSet:
    scope: indexed(uint8)
    place: indexed(uint8)
    old: uint256
    limit: uint256


event ScopeSet:
    underlying: indexed(uint16)
    old: uint8
    scope: uint8


event BandSet:
    old_index_band: uint256
    old_boost: uint256
    index_band: uint256
    boost: uint256


event Halted:
    old: uint256
    until: uint256


event OracleSet:
    oracle: address


# ----------------------------------------------------------------- constructor


@deploy
def __init__(feed: address):
    """
    @notice The deployer owns the guardrails and names the oracle. The limits of
            scope 0 are the protocol's, see `docs/SPEC.md`.
    @param feed IndexFeed of live prices.
    """
    assert feed != empty(address), "guard: zero address"
    ownable.__init__()
    ownable_2step.__init__()
    FEED = IIndexFeed(feed)
    self._set_limit(0, PSR, 10_000, 900_000, 50_000, 50_000)
    self._set_limit(0, VOL_UP, 20_000, 3_000_000, 200_000, 100_000)
    self._set_limit(0, VOL_DOWN, 20_000, 950_000, 200_000, 100_000)
    self._set_limit(0, EXTREME, 100, 1_000, UNLIMITED, UNLIMITED)
    self._set_limit(0, DAMP, 10, 100, UNLIMITED, UNLIMITED)
    self._set_limit(0, GROSS, 0, 300_000, 4_000_000, 900_000)
    self._set_limit(0, HAIRCUT, 1_000, 1_000_000, 200_000, 100_000)
    self._set_limit(0, WORTH, 500_000, 1_500_000, 100_000, 500_000)
    self._set_limit(0, BASIS, 0, 50_000, UNLIMITED, UNLIMITED)
    self._set_limit(0, CARRY, 0, 500_000, UNLIMITED, UNLIMITED)
    self._set_limit(0, DEPTH, 10**15, MASK_96, 500_000, 500_000)
    self._set_limit(0, KAPPA, 0, 10**7, 1_000_000, 500_000)
    self._set_limit(0, SOM, 1_000, 10**6, 500_000, 250_000)
    # urgency goes into the IM factor at once
    self._set_limit(0, IM_FACTOR, 1_000_001, MASK_24, UNLIMITED, 500_000)
    self._set_limit(0, VOLATILITY, 0, MASK_32, UNLIMITED, UNLIMITED)
    self._set_limit(0, MARKET, 0, 10**6, 1_000_000, 500_000)
    self._set_limit(0, OFFSET, 0, 900_000, 100_000, 100_000)
    self._set_limit(0, CROSS_HAIRCUT, 0, 10**6, 200_000, 200_000)
    self._set_band(50_000, 10)


# ---------------------------------------------------------- external: believing


@external
@view
def check(at: address) -> bool:
    """
    @notice Reverts where the lanes or marks of a surface cannot be, by its own
            header: what needs no memory. Prices ascend as the nodes say; at each
            volatility the value of a call has a slope of 0 .. 1 of the forward
            and is convex, a put's of -1 .. 0; higher volatility and more time
            make no option worth less; a long loses no more than its mark; linear
            lanes are node x PSR, to the unit; marks lie inside no-arbitrage
            bounds.
    @param at A surface that `surface._opened` found good.
    @return True.
    """
    head: Bytes[96] = slice(at.code, 1, 96)
    first: uint256 = extract32(head, 0, output_type=uint256)
    second: uint256 = extract32(head, 32, output_type=uint256)
    third: uint256 = extract32(head, 64, output_type=uint256)
    scale: uint256 = (first >> 168) & 255
    forward: uint256 = (first >> 24) & MASK_32
    reference: uint256 = second >> 128
    psr: uint256 = (second >> 96) & MASK_32
    is_dated: bool = (first >> 192) & MASK_40 > 0
    assert psr <= fixed.PPM, "guard: scan range out of bounds"

    # nodes: 0, then pairs +x, -x that grow to 1 PSR
    nodes: uint256[7] = empty(uint256[7])
    assert third >> 240 == 0, "guard: nodes malformed"
    for k: uint256 in range(STEPS):
        ahead: uint256 = (third >> unsafe_sub(224, unsafe_mul(32, k))) & MASK_16
        behind: uint256 = (third >> unsafe_sub(208, unsafe_mul(32, k))) & MASK_16
        assert nodes[k] < ahead and ahead <= NODE_UNIT and ahead + behind == 2**16, "guard: nodes malformed"
        nodes[unsafe_add(k, 1)] = ahead
    assert nodes[STEPS] == NODE_UNIT, "guard: nodes malformed"

    # linear lanes, and what an option's may do from node to node
    unit: uint256 = scale * 10  # [ppm] of the index
    lanes: uint256[32] = empty(uint256[32])
    widths: uint256[7] = empty(uint256[7])
    least_step: uint256[7] = empty(uint256[7])  # packed, with the bit that a step over it leaves
    most_step: uint256[7] = empty(uint256[7])
    bend: uint256[7] = empty(uint256[7])
    for k: uint256 in range(1, 7):
        at_node: uint256 = self._half_up(nodes[k] * psr, NODE_UNIT * unit)
        assert at_node <= MAX_LANE, "guard: lanes out of range"
        lanes[4 * k - 2] = at_node
        lanes[4 * k - 1] = at_node
        lanes[4 * k] = (2**16 - at_node) & MASK_16
        lanes[4 * k + 1] = (2**16 - at_node) & MASK_16
        width: uint256 = nodes[k] - nodes[k - 1]
        # a slope of one, of the forward, and a unit for rounding: under 2**17
        most: uint256 = fixed._mul_div_up(width * psr, forward, unit * NODE_UNIT * surface.FORWARD_UNIT) + 1
        least_step[k] = YES - (ZERO - 1) * GAINING - (ZERO - most) * LOSING
        most_step[k] = YES + (ZERO + most) * GAINING + (ZERO + 1) * LOSING
        # convex: step / width does not fall by more than rounding, all in products under 2**35
        bend[k] = (2**40 + widths[k - 1] + width + ZERO * width - ZERO * widths[k - 1]) * FIELDS
        widths[k] = width
    damps: uint256 = 0  # packed
    extreme_least: uint256 = 0  # packed: what the side where a long gains may be at least and most
    extreme_most: uint256 = 0
    other_least: uint256 = 0
    other_most: uint256 = 0
    for j: uint256 in range(3):
        extreme: uint256 = (third >> (32 - 16 * j)) & MASK_16
        damp: uint256 = (second >> (24 - 8 * j)) & 255
        assert extreme >= 100 and damp <= 100, "guard: extremes malformed"
        ahead: uint256 = self._half_up(extreme * psr * damp, NODE_UNIT * unit)
        behind: uint256 = self._half_up(min(extreme * psr, 100 * fixed.PPM) * damp, NODE_UNIT * unit)
        assert ahead <= MAX_LANE, "guard: lanes out of range"
        lanes[26 + 2 * j] = ahead
        lanes[27 + 2 * j] = (2**16 - behind) & MASK_16
        # from the last node to the extreme, a slope of one and a unit: under 2**23
        far: uint256 = fixed._mul_div_up((extreme - 100) * psr, forward, unit * 100 * surface.FORWARD_UNIT) + 1
        bits: uint256 = 192 - 64 * j
        damps |= damp << bits
        # 100 x lane against damp x (last node's lane + reach) +- 100, both biased by 2**15
        bias: uint256 = 2**40 + 100 * 2**15 + 100
        extreme_most |= (bias - damp * 2**15 + damp * far) << bits
        other_most |= (bias - damp * 2**15 + damp) << bits
        bias = 2**40 + 100 - 100 * 2**15
        extreme_least |= (bias + damp * 2**15 + damp) << bits
        other_least |= (bias + damp * 2**15 + damp * far) << bits
    linear: uint256 = 0
    linear_far: uint256 = 0
    for lane: uint256 in range(16):
        linear = (linear << 16) | lanes[lane]
        linear_far = (linear_far << 16) | lanes[lane + 16]
    # what every option is held to; a lane unit is `grain` [1e-12 of the index]
    grain: uint256 = unit * 10**6
    call_most: uint256 = forward * 1_000 * (fixed.PPM + psr) // fixed.PPM // grain + 1
    # as the margin takes it, see `surface._mark`: down
    ahead: uint256 = surface._ahead(reference, forward) * surface.MARK_UNIT
    strike_unit: uint256 = 0
    for row: uint256 in range((first >> 176) & MASK_16, bound=surface.MAX_ROWS):
        data: Bytes[96] = slice(at.code, unsafe_add(surface.HEADER, unsafe_mul(surface.ROW, row)), 96)
        low: uint256 = extract32(data, 0, output_type=uint256)
        high: uint256 = extract32(data, 32, output_type=uint256)
        info: uint256 = extract32(data, 64, output_type=uint256)
        if info == 0:
            assert low == 0 and high == 0, "guard: lanes of no instrument"
            continue
        kind: uint256 = info >> 248
        strike: uint256 = (info >> 200) & MASK_48
        mark: uint256 = (info >> 152) & MASK_48
        is_option: bool = kind == instruments.CALL or kind == instruments.PUT
        assert (
            kind <= instruments.SPOT
            and is_dated == (is_option or kind == instruments.FUTURE)
            and (strike > 0) == (is_option or kind == instruments.SPOT)
        ), "guard: instrument malformed"
        if kind == instruments.PERP or kind == instruments.FUTURE:
            assert low == linear and high == linear_far, "guard: linear lanes are not node x PSR"
            assert mark <= 2 * surface.MARK_UNIT, "guard: mark out of bounds"
            continue
        if kind == instruments.SPOT:
            assert mark <= 2 * surface.MARK_UNIT, "guard: mark out of bounds"
            assert self._is_token(low, linear, mark, unit) and self._is_token(
                high, linear_far, mark, unit
            ), "guard: token gains more or loses less than its index"
            continue
        if strike_unit == 0:
            strike_unit = staticcall FEED.strike_unit(convert((first >> 232) & MASK_16, uint16))
        is_call: bool = kind == instruments.CALL
        # under 2**90 x 2**48, and 2**48 x 2**60 x 2**40
        worth: uint256 = unsafe_mul(reference, mark)  # [1e-12 wad]
        paid: uint256 = unsafe_mul(unsafe_mul(strike, strike_unit), surface.MARK_UNIT)
        inside: uint256 = 0
        most: uint256 = ahead
        if ahead > paid:
            inside = unsafe_sub(ahead, paid)
        # what a long may lose and gain at most [lane units], up; no lane is past 2**15
        loss: uint256 = min(unsafe_add(mark // grain, 1), 2**16)
        gain: uint256 = call_most
        if not is_call:
            inside = unsafe_sub(paid, ahead) if ahead < paid else 0
            most = paid
            gain = unsafe_add(paid // reference // grain, 1)
        assert inside <= worth and worth <= most, "guard: mark out of bounds"
        gain = min(unsafe_sub(gain, min(gain, mark // grain)) + 1, 2**16)
        # From the middle outward, on both sides and at both volatilities at once:
        # lanes 4k - 2 .. 4k + 1 are node k's, up and down the price, each at the
        # higher volatility, then the lower. A put is a call with the sides changed.
        # Lanes are biased to be positive; their differences are what counts.
        nearer: uint256 = ((low << 32) | (high >> 224)) ^ surface.BIAS  # lanes 2 .. 17
        farther: uint256 = (high << 32) ^ surface.BIAS  # lanes 18 .. 25, and the extremes
        at_node: uint256 = ((low >> 240) ^ 2**15) * (FIELDS ^ LOWER) + (((low >> 224) & MASK_16) ^ 2**15) * LOWER
        step: uint256 = 0
        good: uint256 = (at_node >> 64) + YES + FIELDS - at_node
        good |= YES ^ (LOWER << 40)
        if not is_call:
            nearer = self._mirrored(nearer)
            farther = self._mirrored(farther)
        # six steps outward, written out: in a loop they cost half as much again
        last: uint256 = step
        four: uint256 = (
            ((nearer >> 48) & (MASK_16 << 192))
            | ((nearer >> 96) & (MASK_16 << 128))
            | ((nearer >> 144) & (MASK_16 << 64))
            | ((nearer >> 192) & MASK_16)
        )
        step = unsafe_sub(unsafe_add(four, ZERO * FIELDS), at_node)
        at_node = four
        good &= unsafe_add(step, least_step[1]) & unsafe_sub(most_step[1], step)
        good &= unsafe_sub(unsafe_add(four >> 64, YES + FIELDS), four) | (YES ^ (LOWER << 40))
        good &= unsafe_sub(unsafe_add(unsafe_add(step >> 128, step), YES), (2 * ZERO - 2) * LOSING) | (GAINING << 40)
        last = step
        four = (
            ((nearer & (MASK_16 << 176)) << 16)
            | ((nearer >> 32) & (MASK_16 << 128))
            | ((nearer >> 80) & (MASK_16 << 64))
            | ((nearer >> 128) & MASK_16)
        )
        step = unsafe_sub(unsafe_add(four, ZERO * FIELDS), at_node)
        at_node = four
        good &= unsafe_add(step, least_step[2]) & unsafe_sub(most_step[2], step)
        good &= unsafe_sub(unsafe_add(four >> 64, YES + FIELDS), four) | (YES ^ (LOWER << 40))
        good &= unsafe_sub(unsafe_add(unsafe_mul(step, widths[1]), bend[2]), unsafe_mul(last, widths[2]))
        last = step
        four = (
            ((nearer & (MASK_16 << 112)) << 80)
            | ((nearer & (MASK_16 << 96)) << 32)
            | ((nearer >> 16) & (MASK_16 << 64))
            | ((nearer >> 64) & MASK_16)
        )
        step = unsafe_sub(unsafe_add(four, ZERO * FIELDS), at_node)
        at_node = four
        good &= unsafe_add(step, least_step[3]) & unsafe_sub(most_step[3], step)
        good &= unsafe_sub(unsafe_add(four >> 64, YES + FIELDS), four) | (YES ^ (LOWER << 40))
        good &= unsafe_sub(unsafe_add(unsafe_mul(step, widths[2]), bend[3]), unsafe_mul(last, widths[3]))
        last = step
        four = (
            ((nearer & (MASK_16 << 48)) << 144)
            | ((nearer & (MASK_16 << 32)) << 96)
            | ((nearer & (MASK_16 << 16)) << 48)
            | (nearer & MASK_16)
        )
        step = unsafe_sub(unsafe_add(four, ZERO * FIELDS), at_node)
        at_node = four
        good &= unsafe_add(step, least_step[4]) & unsafe_sub(most_step[4], step)
        good &= unsafe_sub(unsafe_add(four >> 64, YES + FIELDS), four) | (YES ^ (LOWER << 40))
        good &= unsafe_sub(unsafe_add(unsafe_mul(step, widths[3]), bend[4]), unsafe_mul(last, widths[4]))
        last = step
        four = (
            ((farther >> 48) & (MASK_16 << 192))
            | ((farther >> 96) & (MASK_16 << 128))
            | ((farther >> 144) & (MASK_16 << 64))
            | ((farther >> 192) & MASK_16)
        )
        step = unsafe_sub(unsafe_add(four, ZERO * FIELDS), at_node)
        at_node = four
        good &= unsafe_add(step, least_step[5]) & unsafe_sub(most_step[5], step)
        good &= unsafe_sub(unsafe_add(four >> 64, YES + FIELDS), four) | (YES ^ (LOWER << 40))
        good &= unsafe_sub(unsafe_add(unsafe_mul(step, widths[4]), bend[5]), unsafe_mul(last, widths[5]))
        last = step
        four = (
            ((farther & (MASK_16 << 176)) << 16)
            | ((farther >> 32) & (MASK_16 << 128))
            | ((farther >> 80) & (MASK_16 << 64))
            | ((farther >> 128) & MASK_16)
        )
        step = unsafe_sub(unsafe_add(four, ZERO * FIELDS), at_node)
        at_node = four
        good &= unsafe_add(step, least_step[6]) & unsafe_sub(most_step[6], step)
        good &= unsafe_sub(unsafe_add(four >> 64, YES + FIELDS), four) | (YES ^ (LOWER << 40))
        good &= unsafe_sub(unsafe_add(unsafe_mul(step, widths[5]), bend[6]), unsafe_mul(last, widths[6]))
        # no more gained than there is, no more lost than the mark
        good &= unsafe_sub(YES + (ZERO * LOSING) + 2**15 * GAINING + unsafe_mul(gain, GAINING), at_node)
        good &= unsafe_sub(unsafe_add(at_node, YES + unsafe_mul(loss, LOSING)), 2**15 * LOSING)
        assert good & YES == YES, "guard: option lanes have an arbitrage"
        # the extremes go on from the last nodes at the higher volatility, damped
        ups: uint256 = (
            (((high >> 80) & MASK_16) << 192) | (((high >> 48) & MASK_16) << 128) | (((high >> 16) & MASK_16) << 64)
        ) ^ (2**15 * (FIELDS - 1))
        downs: uint256 = (
            (((high >> 64) & MASK_16) << 192) | (((high >> 32) & MASK_16) << 128) | ((high & MASK_16) << 64)
        ) ^ (2**15 * (FIELDS - 1))
        if not is_call:
            swap: uint256 = ups
            ups = downs
            downs = swap
        ups = unsafe_mul(ups, 100)
        downs = unsafe_mul(downs, 100)
        gaining: uint256 = unsafe_mul(at_node >> 192, damps)
        losing: uint256 = unsafe_mul((at_node >> 64) & MASK_16, damps)
        good = (
            unsafe_sub(unsafe_add(gaining, extreme_most), ups)
            & unsafe_sub(unsafe_add(ups, extreme_least), gaining)
            & unsafe_sub(unsafe_add(losing, other_most), downs)
            & unsafe_sub(unsafe_add(downs, other_least), losing)
        )
        assert good >> 104 & (YES >> 104) == YES >> 104, "guard: extremes do not follow the nodes"
    return True


@external
def admit(
    urgent: bool,
    market_time: uint64,
    surfaces: DynArray[address, MAX_SURFACES],
    before: DynArray[address, MAX_SURFACES],
    scalars: DynArray[uint256, MAX_SCALARS],
    classes: DynArray[uint256, MAX_CLASSES],
):
    """
    @notice RiskOracle only: reverts where a report leaves its bounds, moves too
            far since the last, or lies off the index; else takes note of it.
    @param market_time [s] not before that of any report admitted so far.
    @param surfaces Good ones, ascending by (underlying, expiry).
    @param before What stood in their places; empty for none.
    """
    assert msg.sender == self.oracle, "guard: not the oracle"
    assert block.timestamp >= self.halted_until, "guard: posting is halted"
    now: uint256 = convert(market_time, uint256)
    self._admit_surfaces(urgent, now, surfaces, before)
    for word: uint256 in scalars:
        self._admit_scalars(urgent, now, word)
    for word: uint256 in classes:
        was: uint256 = self._classes[word >> 248]
        seconds: uint256 = self._seconds(urgent, now, was & MASK_40)
        self._hold(self._limit(0, OFFSET), OFFSET, (was >> 224) & MASK_24, (word >> 224) & MASK_24, seconds)
        self._hold(
            self._limit(0, CROSS_HAIRCUT), CROSS_HAIRCUT, (was >> 200) & MASK_24, (word >> 200) & MASK_24, seconds
        )
        self._classes[word >> 248] = ((word >> 200) << 200) | now


@external
def admit_params(old_rates: uint256, old_floors: uint256, rates: uint256, floors: uint256) -> bool:
    """
    @notice RiskOracle only: reverts where its governance numbers leave their
            bounds, or, once the first were set, where those that raise or lower
            requirements move by more than a quarter, or within an hour of the
            last: a change of any size is a ramp of steps.
    @return Whether no number gets looser.
    """
    assert msg.sender == self.oracle, "guard: not the oracle"
    assert words._are_sound(rates, floors), "guard: params out of range"
    if self.params_at != 0:
        assert block.timestamp >= self.params_at + PARAM_WAIT, "guard: params moved within the hour"
        assert (
            self._is_step(old_rates >> 232, rates >> 232, 10_000)
            and self._is_step((old_rates >> 152) & MASK_24, (rates >> 152) & MASK_24, 25_000)
            and self._is_step((old_rates >> 128) & MASK_24, (rates >> 128) & MASK_24, 10_000)
            and self._is_step((old_rates >> 32) & MASK_96, (rates >> 32) & MASK_96, 10**17)
            and self._is_step(old_rates & MASK_16, rates & MASK_16, 5_000)
        ), "guard: params move too far"
    tightens: bool = (
        old_rates >> 232 <= rates >> 232
        and (old_rates >> 208) & MASK_24 >= (rates >> 208) & MASK_24
        and (old_rates >> 176) & MASK_32 >= (rates >> 176) & MASK_32
        and (old_rates >> 152) & MASK_24 <= (rates >> 152) & MASK_24
        and (old_rates >> 128) & MASK_24 <= (rates >> 128) & MASK_24
        and (old_rates >> 32) & MASK_96 <= (rates >> 32) & MASK_96
        and (old_rates >> 16) & MASK_16 >= (rates >> 16) & MASK_16
        and old_rates & MASK_16 <= rates & MASK_16
    )
    for field: uint256 in range(8):
        bits: uint256 = 232 - 24 * field
        old: uint256 = (old_floors >> bits) & MASK_24
        new: uint256 = (floors >> bits) & MASK_24
        tightens = tightens and old <= new
        assert self.params_at == 0 or self._is_step(old, new, 1_000), "guard: params move too far"
    self.params_at = block.timestamp
    return tightens


# --------------------------------------------------------- external: governance


@external
def set_limit(scope: uint8, place: uint8, low: uint256, high: uint256, rise: uint256, fall: uint256):
    """
    @notice Owner, or a guardian where it gets narrower: bounds of a scalar, and
            how far it may move an hour, of the value that stands.
    @param scope Which underlyings it is for, see `set_scope`; 0 for all that
           have no other.
    @param place Which scalar: its number, as `docs/SPEC.md` lists them.
    @param low [ppm; depth in wad; extremes and damps in 1e-2]
    @param high Likewise.
    @param rise [ppm an hour]; 2**32 - 1 for no limit.
    @param fall Likewise.
    """
    was: uint256 = self._limit(convert(scope, uint256), convert(place, uint256))
    authority._check(
        low >= was >> 160 and high <= (was >> 64) & MASK_96 and rise <= (was >> 32) & MASK_32 and fall <= was & MASK_32
    )
    assert (
        convert(place, uint256) < LIMITS
        and low <= high
        and 0 < high
        and high <= MASK_96
        and MIN_STEP <= rise
        and rise <= UNLIMITED
        and MIN_STEP <= fall
        and fall <= UNLIMITED
    ), "guard: limit out of range"
    self._set_limit(convert(scope, uint256), convert(place, uint256), low, high, rise, fall)


@external
def set_scope(underlying: uint16, scope: uint8):
    """
    @notice Owner: which limits an underlying has.
    """
    ownable._check_owner()
    log ScopeSet(underlying=underlying, old=self.scopes[underlying], scope=scope)
    self.scopes[underlying] = scope


@external
def set_band(index_band: uint256, boost: uint256):
    """
    @notice Owner, or a guardian where neither grows: how far a reference price
            may lie from the live index [ppm of it], and how many times as far
            an urgent report may move.
    """
    authority._check(index_band <= self.index_band and boost <= self.boost)
    assert (
        MIN_BAND <= index_band and index_band <= MAX_BAND and 0 < boost and boost <= MAX_BOOST
    ), "guard: band out of range"
    self._set_band(index_band, boost)


@external
def halt(until: uint256):
    """
    @notice Owner or guardian: no report is believed until then [s]. It grows
            only; it ends by itself.
    """
    authority._check(True)
    assert (
        until > block.timestamp and until > self.halted_until and until <= block.timestamp + MAX_HALT
    ), "guard: halt out of range"
    log Halted(old=self.halted_until, until=until)
    self.halted_until = until


@external
def resume():
    """
    @notice Owner: reports are believed again.
    """
    ownable._check_owner()
    assert block.timestamp < self.halted_until, "guard: posting is not halted"
    log Halted(old=self.halted_until, until=block.timestamp)
    self.halted_until = block.timestamp


@external
def set_oracle(oracle: address):
    """
    @notice Owner, once: the RiskOracle whose reports these are.
    """
    ownable._check_owner()
    assert self.oracle == empty(address), "guard: oracle is set"
    assert oracle != empty(address), "guard: zero address"
    self.oracle = oracle
    log OracleSet(oracle=oracle)


# ------------------------------------------------------------- external: views


@external
@view
def limit(scope: uint8, place: uint8) -> uint256:
    """
    @notice low u96 | high u96 | rise u32 | fall u32 of a scalar, as it binds.
    """
    return self._limit(convert(scope, uint256), convert(place, uint256))


@external
@view
def scenarios(underlying: uint16) -> uint256:
    """
    @notice psr u32 | vol_up u32 | vol_down u32 | 3 damps u8 | 3 extremes u16
            | market time u40 | market time of scalars u40, as last posted.
    """
    return self._sets[convert(underlying, uint256)]


@external
@view
def class_time(klass: uint8) -> uint256:
    """
    @notice Market time of the last offset of a class [s].
    """
    return self._classes[convert(klass, uint256)] & MASK_40


@external
@view
def feed() -> address:
    """
    @notice IndexFeed of live prices.
    """
    return FEED.address


# --------------------------------------------------- internal: what is possible


@internal
@pure
def _half_up(numerator: uint256, denominator: uint256) -> uint256:
    """
    @notice The nearest integer, halves up.
    """
    return (2 * numerator + denominator) // (2 * denominator)


@internal
@pure
def _mirrored(lanes: uint256) -> uint256:
    """
    @notice Four times four lanes with the two of up and the two of down changed.
    """
    return ((lanes & PAIRS) << 32) | ((lanes >> 32) & PAIRS)


@internal
@pure
def _is_token(lanes: uint256, linear: uint256, mark: uint256, unit: uint256) -> bool:
    """
    @notice Whether a token worth `mark` [1e-12 of the index] gains no more than
            its worth does with the index, loses no less, and no more than all:
            sixteen lanes, to a unit.
    """
    whole: int256 = convert(surface.MARK_UNIT, int256)
    worth: int256 = convert(mark, int256)
    all_of_it: int256 = convert(mark // (unit * 10**6), int256) + 1
    for lane: uint256 in range(16):
        bits: uint256 = unsafe_mul(16, lane)
        pnl: int256 = fixed._signed((lanes << bits)) >> 240
        of_index: int256 = fixed._signed((linear << bits)) >> 240
        # times 1e12; a unit for the rounding of the token's lane, one for the index's
        if (pnl - 1) * whole > (of_index + 1) * worth or pnl < -all_of_it:
            return False
    return True


# ------------------------------------------------------ internal: what may move


@internal
def _admit_surfaces(
    urgent: bool,
    now: uint256,
    surfaces: DynArray[address, MAX_SURFACES],
    before: DynArray[address, MAX_SURFACES],
):
    """
    @notice Scenarios once an underlying, then the rows of each surface.
    """
    last: uint256 = max_value(uint256)
    scope: uint256 = 0
    seconds: uint256 = 0
    last_second: uint256 = 0
    last_third: uint256 = 0
    gross: uint256 = 0
    haircut: uint256 = 0
    worth: uint256 = 0
    basis: uint256 = 0
    carry: uint256 = 0
    for i: uint256 in range(len(surfaces), bound=MAX_SURFACES):
        at: address = surfaces[i]
        head: Bytes[96] = slice(at.code, 1, 96)
        first: uint256 = extract32(head, 0, output_type=uint256)
        second: uint256 = extract32(head, 32, output_type=uint256)
        third: uint256 = extract32(head, 64, output_type=uint256)
        underlying: uint256 = (first >> 232) & MASK_16
        if underlying == last:
            assert second == last_second and third == last_third, "guard: mixed sets"
        else:
            last = underlying
            last_second = second
            last_third = third
            scope = convert(self.scopes[convert(underlying, uint16)], uint256)
            gross = self._limit(scope, GROSS)
            haircut = self._limit(scope, HAIRCUT)
            worth = self._limit(scope, WORTH)
            basis = (self._limit(scope, BASIS) >> 64) & MASK_96
            carry = (self._limit(scope, CARRY) >> 64) & MASK_96
            price: uint256 = (staticcall FEED.price(convert(underlying, uint16)))[0]
            reference: uint256 = second >> 128
            distance: uint256 = price - reference if price > reference else reference - price
            assert distance * fixed.PPM <= self.index_band * price, "guard: reference price off the index"
            was: uint256 = self._sets[underlying]
            seconds = self._seconds(urgent, now, (was >> 40) & MASK_40)
            made: uint256 = (((second >> 8) & (2**120 - 1)) << 128) | ((third & MASK_48) << 80)
            self._hold(self._limit(scope, PSR), PSR, was >> 216, made >> 216, seconds)
            self._hold(self._limit(scope, VOL_UP), VOL_UP, (was >> 184) & MASK_32, (made >> 184) & MASK_32, seconds)
            self._hold(self._limit(scope, VOL_DOWN), VOL_DOWN, (was >> 152) & MASK_32, (made >> 152) & MASK_32, seconds)
            extreme: uint256 = self._limit(scope, EXTREME)
            damp: uint256 = self._limit(scope, DAMP)
            for j: uint256 in range(3):
                self._hold(
                    extreme, EXTREME, (was >> (112 - 16 * j)) & MASK_16, (made >> (112 - 16 * j)) & MASK_16, seconds
                )
                self._hold(damp, DAMP, (was >> (144 - 8 * j)) & 255, (made >> (144 - 8 * j)) & 255, seconds)
            self._sets[underlying] = made | (now << 40) | (was & MASK_40)
        forward: uint256 = (first >> 24) & MASK_32
        apart: uint256 = (
            forward - surface.FORWARD_UNIT if forward > surface.FORWARD_UNIT else surface.FORWARD_UNIT - forward
        )
        assert apart * fixed.PPM <= carry * surface.FORWARD_UNIT, "guard: forward off the index"

        stood: address = before[i]
        known: uint256 = 0
        if stood != empty(address):
            old_head: Bytes[32] = slice(stood.code, 1, 32)
            known = (extract32(old_head, 0, output_type=uint256) >> 176) & MASK_16
        fair: uint256 = unsafe_mul(forward, 1_000)  # [1e-12]
        place: uint256 = surface.HEADER + 64
        for row: uint256 in range((first >> 176) & MASK_16, bound=surface.MAX_ROWS):
            data: Bytes[32] = slice(at.code, place, 32)
            info: uint256 = extract32(data, 0, output_type=uint256)
            if info != 0:
                was: uint256 = 0
                if row < known:
                    old: Bytes[32] = slice(stood.code, place, 32)
                    was = extract32(old, 0, output_type=uint256)
                    if was >> 200 != info >> 200:
                        was = 0  # another instrument, or none
                kind: uint256 = info >> 248
                charge: uint256 = (info >> 24) & MASK_24
                if kind == instruments.SPOT:
                    self._hold(haircut, HAIRCUT, (was >> 24) & MASK_24, charge, seconds)
                    self._hold(
                        worth, WORTH, ((was >> 152) & MASK_48) // 10**6, ((info >> 152) & MASK_48) // 10**6, seconds
                    )
                else:
                    self._hold(gross, GROSS, (was >> 24) & MASK_24, charge, seconds)
                    if kind <= instruments.FUTURE:
                        mark: uint256 = (info >> 152) & MASK_48
                        off: uint256 = mark - fair if mark > fair else fair - mark
                        assert off * fixed.PPM <= basis * fair, "guard: linear mark off the forward"
            place = unsafe_add(place, surface.ROW)


@internal
def _admit_scalars(urgent: bool, now: uint256, word: uint256):
    """
    @notice The scalars of one underlying.
    """
    underlying: uint256 = word >> 240
    scope: uint256 = convert(self.scopes[convert(underlying, uint16)], uint256)
    was: uint256 = self._scalars[underlying]
    known: uint256 = self._sets[underlying]
    seconds: uint256 = self._seconds(urgent, now, known & MASK_40)
    self._hold(self._limit(scope, DEPTH), DEPTH, (was >> 144) & MASK_96, (word >> 144) & MASK_96, seconds)
    self._hold(self._limit(scope, KAPPA), KAPPA, (was >> 120) & MASK_24, (word >> 120) & MASK_24, seconds)
    self._hold(self._limit(scope, SOM), SOM, (was >> 96) & MASK_24, (word >> 96) & MASK_24, seconds)
    self._hold(self._limit(scope, IM_FACTOR), IM_FACTOR, (was >> 72) & MASK_24, (word >> 72) & MASK_24, seconds)
    self._hold(self._limit(scope, VOLATILITY), VOLATILITY, (was >> 40) & MASK_32, (word >> 40) & MASK_32, seconds)
    self._hold(self._limit(scope, MARKET), MARKET, (was >> 16) & MASK_24, (word >> 16) & MASK_24, seconds)
    self._scalars[underlying] = word
    self._sets[underlying] = ((known >> 40) << 40) | now


@internal
@view
def _seconds(urgent: bool, now: uint256, last: uint256) -> uint256:
    """
    @notice What the limits an hour are counted over: the market time that passed
            since the last value; for an urgent report an hour at least, and
            `boost` times as much. What was said at this very time stands: else
            a report that names a scalar twice would move it twice.
    """
    passed: uint256 = now - last
    if urgent and passed > 0:
        return max(passed, HOUR) * self.boost
    return passed


@internal
@view
def _limit(scope: uint256, place: uint256) -> uint256:
    found: uint256 = self._limits[(scope << 8) | place]
    if found == 0 and scope != 0:
        return self._limits[place]
    return found


@internal
@pure
def _hold(limit: uint256, place: uint256, was: uint256, said: uint256, seconds: uint256):
    """
    @notice Reverts where a scalar leaves its bounds, or has moved too far in
            this time from the one that stands; from zero it may go anywhere.
    """
    assert limit >> 160 <= said and said <= (limit >> 64) & MASK_96, concat(
        "guard: ", self._name(place), " out of bounds"
    )
    if was == 0 or said == was:
        return
    step: uint256 = 0
    pace: uint256 = 0
    if said > was:
        step = unsafe_sub(said, was)
        pace = (limit >> 32) & MASK_32
    else:
        step = unsafe_sub(was, said)
        pace = limit & MASK_32
    # under 2**96 * 2**32 * 2**45
    assert pace == UNLIMITED or step * (fixed.PPM * HOUR) <= was * pace * seconds, concat(
        "guard: ", self._name(place), " moves too fast"
    )


@internal
@pure
def _name(place: uint256) -> String[22]:
    """
    @notice What people call it.
    """
    if place == PSR:
        return "scan range"
    if place == VOL_UP:
        return "volatility up"
    if place == VOL_DOWN:
        return "volatility down"
    if place == EXTREME:
        return "extreme"
    if place == DAMP:
        return "damping"
    if place == GROSS:
        return "gross charge"
    if place == HAIRCUT:
        return "haircut"
    if place == WORTH:
        return "worth of a token"
    if place == DEPTH:
        return "depth"
    if place == KAPPA:
        return "kappa"
    if place == SOM:
        return "short option minimum"
    if place == IM_FACTOR:
        return "IM factor"
    if place == VOLATILITY:
        return "volatility"
    if place == MARKET:
        return "market term"
    if place == OFFSET:
        return "offset"
    return "cross haircut"


@internal
@pure
def _is_step(old: uint256, new: uint256, quantum: uint256) -> bool:
    """
    @notice Whether a governance number moves by no more than a quarter of
            itself, or by one quantum.
    """
    return (new - old if new > old else old - new) <= max(old // 4, quantum)


# --------------------------------------------------------- internal: governance


@internal
def _set_limit(scope: uint256, place: uint256, low: uint256, high: uint256, rise: uint256, fall: uint256):
    word: uint256 = (low << 160) | (high << 64) | (rise << 32) | fall
    log LimitSet(
        scope=convert(scope, uint8), place=convert(place, uint8), old=self._limits[(scope << 8) | place], limit=word
    )
    self._limits[(scope << 8) | place] = word


@internal
def _set_band(index_band: uint256, boost: uint256):
    log BandSet(old_index_band=self.index_band, old_boost=self.boost, index_band=index_band, boost=boost)
    self.index_band = index_band
    self.boost = boost
