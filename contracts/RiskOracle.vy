# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
# pragma nonreentrancy on
"""
@title What the engine says, whether it is believed, and the margin it makes
@license GNU Affero General Public License v3.0 only
@notice Holds, per (underlying, expiry), a pointer to the surface last believed;
        per underlying and per class, the posted scalars; and what the longs of
        its perp have paid at the posted funding rates. Computes the margin of a
        book from them and the live index: integers in, integers out, no
        pricing. A report is believed when a quorum signed it, its sequence is
        above the last, and its market time is neither old nor in the future. It
        is refused whole, with a named error, or swaps in at once.
        Units: money [wad], rates [ppm], time [s]. Requirements round up.
        Trusts: the owner for signers and governance numbers, Guardrails for
        what a report may say, IndexFeed for live prices, `quorum` of the signers
        for everything posted. It trusts no caller: anyone may store a surface
        or carry a report.
@custom:security What is posted is checked here only so far as the arithmetic
        needs it; whether it is plausible, Guardrails says: at `store`, what
        follows from a surface alone, at `post`, what depends on the last report
        and the index. A funding rate is clamped to governance's limit, and
        stops a day after it was posted.
@custom:kill A guardian halts Guardrails or removes signers; the last surfaces
        stand and go stale after `max_age`, from when on only risk reduction
        passes.
"""


# --------------------------------------------------------------------- imports


from snekmate.auth import ownable_2step
from snekmate.auth import ownable
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator

from interfaces import IClearinghouse
from interfaces import IGuardrails
from interfaces import IIndexFeed
from interfaces import IRiskOracle

from modules import authority
from modules import fixed
from modules import instruments
from modules import margin
from modules import surface

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: authority[ownable := ownable]
initializes: eip712_domain_separator

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    eip712_domain_separator.eip712Domain,
)


# ------------------------------------------------------------------- constants


REPORT_TYPEHASH: constant(bytes32) = keccak256(
    "Report(uint64 sequence,uint64 market_time,bool urgent,bytes32 model,bytes32 config,bytes32 snapshot,bytes32[] surfaces,uint256[] scalars,uint256[] classes)"
)

MAX_POSITIONS: constant(uint256) = instruments.MAX_POSITIONS
MAX_SURFACES: constant(uint256) = 64
MAX_CLASSES: constant(uint256) = 16
MAX_SIGNERS: constant(uint256) = 16
MAX_CODE: constant(uint256) = 24_576

# Puts the bytes behind it into code as they are: these ten, then the two words
# that an ABI-encoded argument begins with (offset and length), are left out.
# PUSH2 size, DUP1, PUSH1 74, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN
CREATE_HEAD: constant(Bytes[1]) = x"61"
CREATE_TAIL: constant(Bytes[7]) = x"80604a3d393df3"

MIN_DEPTH: constant(uint256) = 10**15  # [wad] keeps the concentration charge in range
MAX_KAPPA: constant(uint256) = 10**7  # [ppm] ten times the notional per depth over depth
MAX_SOM: constant(uint256) = 10**6  # [ppm] the whole notional
LANE_PRICE: constant(int256) = 10**23  # a lane unit of 1e-5 by a wad of contracts
MAX_OVERLAP: constant(uint256) = 86_400  # [s] for reports that are under way when signers change


# ------------------------------------------------------------------ immutables


FEED: immutable(IIndexFeed)
GUARD: immutable(IGuardrails)


# --------------------------------------------------------------------- storage


sequence: public(uint64)  # of the last report that was believed
market_time: public(uint64)  # [s] of it
quorum: public(uint256)
urgent_quorum: public(uint256)  # of reports that may go faster
_signers: DynArray[address, MAX_SIGNERS]  # ascending
valid_until: public(HashMap[address, uint256])  # [s] before when a signature counts
# code hashes of surfaces whose lanes and marks were checked when they were stored
_checked: HashMap[bytes32, bool]
# underlying u16 | expiry u40 -> address | sequence u32 | market u32 | posted u32 [s]
_pointers: HashMap[uint256, uint256]
_scalars: HashMap[uint256, uint256]  # underlying -> word
_classes: HashMap[uint256, uint256]  # class -> word
# underlying -> cumulative int128 [wad * s / day] | since u40 [s] | slope int88 [wad a day]
_fundings: HashMap[uint256, uint256]
# call_buffer u24 | move_gate u24 | max_age u32 | floor_rate u24 | min_share u24 | leg_cost u96 | max_funding u16
# | widen u16
rates: public(uint256)
floors: public(uint256)  # gross floors: base u24 x 4 | slope u24 x 4 | 0 [ppm]
book: public(address)  # whose open interest the market term reads


# ---------------------------------------------------------------------- events


event SurfaceStored:
    surface: indexed(address)
    code_hash: bytes32


event ReportPosted:
    sequence: indexed(uint64)
    market_time: uint64
    urgent: bool
    digest: bytes32
    model: bytes32
    config: bytes32
    snapshot: bytes32


event SurfacePosted:
    sequence: indexed(uint64)
    underlying: indexed(uint16)
    expiry: indexed(uint40)
    surface: address


event ScalarsPosted:
    sequence: indexed(uint64)
    underlying: indexed(uint16)
    word: uint256


event FundingSet:
    underlying: indexed(uint16)
    rate: int256
    slope: int256
    cumulative: int256


event ClassPosted:
    sequence: indexed(uint64)
    klass: indexed(uint8)
    word: uint256


event SignersSet:
    old_signers: DynArray[address, MAX_SIGNERS]
    old_quorum: uint256
    old_urgent_quorum: uint256
    signers: DynArray[address, MAX_SIGNERS]
    quorum: uint256
    urgent_quorum: uint256
    overlap: uint256


event SignerRemoved:
    signer: indexed(address)
    left: uint256


event ParamsSet:
    old_rates: uint256
    old_floors: uint256
    rates: uint256
    floors: uint256


event BookSet:
    book: address


# ----------------------------------------------------------------- constructor


@deploy
def __init__(feed: address, guardrails: address):
    """
    @notice The deployer owns the oracle and sets signers and book.
    @param feed IndexFeed of live prices.
    @param guardrails Guardrails that reports stay within.
    """
    assert feed != empty(address) and guardrails != empty(address), "oracle: zero address"
    ownable.__init__()
    ownable_2step.__init__()
    eip712_domain_separator.__init__("Plimsoll RiskOracle", "1")
    FEED = IIndexFeed(feed)
    GUARD = IGuardrails(guardrails)
    self._set_params(
        # call buffer 10 %, gate 1 %, age 2 h, floor 50 %, share 5 %, no leg cost, funding 2 % a day, widen 2 % an hour
        (100_000 << 232)
        | (10_000 << 208)
        | (7_200 << 176)
        | (500_000 << 152)
        | (50_000 << 128)
        | (20_000 << 16)
        | 20_000,
        # perp .10 %, future .15 % + .50 % a year, options .20 % + .50 % a year
        (1_000 << 232)
        | (1_500 << 208)
        | (2_000 << 184)
        | (2_000 << 160)
        | (5_000 << 112)
        | (5_000 << 88)
        | (5_000 << 64),
    )


# ---------------------------------------------------------- external: believing


@external
def store(code: Bytes[MAX_CODE]) -> address:
    """
    @notice Writes a surface as the code of a new data contract, where its lanes
            and marks are possible. Anyone may: it binds nothing until a signed
            report names its hash. So a set of any size is brought in parts, and
            swaps in at once.
    @param code 0x00 | header | rows, see `modules/surface.vy`.
    @return Where it stands.
    """
    # code that begins with 0xEF cannot be created: refused here, by name
    assert len(code) > 0 and slice(code, 0, 1) == x"00", "oracle: surface malformed"
    at: address = raw_create(self._initcode(len(code)), code)
    log SurfaceStored(surface=at, code_hash=at.codehash)
    assert surface._opened(at)[0], "oracle: surface malformed"
    assert staticcall GUARD.check(at)  # or reverts with its reason
    self._checked[at.codehash] = True
    return at


@external
def post(
    report: IRiskOracle.Report,
    signatures: DynArray[Bytes[65], MAX_SIGNERS],
    stored: DynArray[address, MAX_SURFACES],
    fresh: Bytes[MAX_CODE],
):
    """
    @notice Believes a report, whole or not at all.
    @param report What the engine says; `surfaces` are code hashes, ordered by
           (underlying, expiry).
    @param signatures r | s | v each, in ascending order of their signers.
    @param stored Where the surfaces stand, in the report's order.
    @param fresh The last surface, where it was not stored before; else empty.
    """
    assert report.sequence > self.sequence, "oracle: sequence not above the last"
    assert convert(report.market_time, uint256) <= block.timestamp, "oracle: market time in the future"
    max_age: uint256 = (self.rates >> 176) & (2**32 - 1)
    assert convert(report.market_time, uint256) + max_age >= block.timestamp, "oracle: market time too old"
    assert report.market_time >= self.market_time, "oracle: market time goes back"

    digest: bytes32 = self._digest(report)
    self._check_signatures(digest, signatures, self.urgent_quorum if report.urgent else self.quorum)

    targets: DynArray[address, MAX_SURFACES] = stored
    if len(fresh) > 0:
        assert len(stored) < MAX_SURFACES, "oracle: surface count differs"
        assert slice(fresh, 0, 1) == x"00", "oracle: surface malformed"
        at: address = raw_create(self._initcode(len(fresh)), fresh)
        log SurfaceStored(surface=at, code_hash=at.codehash)
        targets.append(at)
    assert len(targets) == len(report.surfaces), "oracle: surface count differs"

    self.sequence = report.sequence
    self.market_time = report.market_time
    log ReportPosted(
        sequence=report.sequence,
        market_time=report.market_time,
        urgent=report.urgent,
        digest=digest,
        model=report.model,
        config=report.config,
        snapshot=report.snapshot,
    )
    before: DynArray[address, MAX_SURFACES] = self._point(report, targets, len(stored))
    self._set_scalars(report)
    extcall GUARD.admit(report.urgent, report.market_time, targets, before, report.scalars, report.classes)


@external
@view
def digest(report: IRiskOracle.Report) -> bytes32:
    """
    @notice The EIP-712 digest of a report, which signers sign.
    """
    return self._digest(report)


# --------------------------------------------------------- external: governance


@external
def set_signers(signers: DynArray[address, MAX_SIGNERS], quorum: uint256, urgent_quorum: uint256, overlap: uint256):
    """
    @notice Owner: who may sign reports, ascending, and how many must. Whoever
            leaves counts on for `overlap`, so that no report under way fails;
            a key that was lost is removed instead.
    @param urgent_quorum How many must sign a report that may go faster.
    @param overlap [s]
    """
    ownable._check_owner()
    assert (0 < quorum and quorum <= urgent_quorum and urgent_quorum <= len(signers)), "oracle: quorum out of range"
    assert overlap <= MAX_OVERLAP, "oracle: overlap out of range"
    old: DynArray[address, MAX_SIGNERS] = self._signers
    for signer: address in old:
        self.valid_until[signer] = block.timestamp + overlap
    last: uint160 = 0
    for signer: address in signers:
        assert convert(signer, uint160) > last, "oracle: signers zero or not ascending"
        last = convert(signer, uint160)
        self.valid_until[signer] = max_value(uint256)
    log SignersSet(
        old_signers=old,
        old_quorum=self.quorum,
        old_urgent_quorum=self.urgent_quorum,
        signers=signers,
        quorum=quorum,
        urgent_quorum=urgent_quorum,
        overlap=overlap,
    )
    self._signers = signers
    self.quorum = quorum
    self.urgent_quorum = urgent_quorum


@external
def remove_signer(signer: address):
    """
    @notice Owner or guardian, at once: a key that may be in wrong hands counts
            no more. The quorum stays: with too few left no report is believed
            until the owner names others.
    """
    authority._check(True)
    assert self.valid_until[signer] > block.timestamp, "oracle: not a signer"
    self.valid_until[signer] = 0
    left: DynArray[address, MAX_SIGNERS] = []
    for other: address in self._signers:
        if other != signer:
            left.append(other)
    self._signers = left
    log SignerRemoved(signer=signer, left=len(left))


@external
def set_params(rates: uint256, floors: uint256):
    """
    @notice Owner, or a guardian where no number gets looser: the governance
            numbers, packed as `docs/SPEC.md` lays out. Once the first are set
            they move in steps, see `Guardrails.admit_params`.
    """
    # a stranger is refused by name before anything else
    authority._check(True)
    authority._check(extcall GUARD.admit_params(self.rates, self.floors, rates, floors))
    self._set_params(rates, floors)


@external
def set_book(book: address):
    """
    @notice Owner, once: the book whose open interest the market term reads.
    """
    ownable._check_owner()
    assert self.book == empty(address), "oracle: book is set"
    assert book != empty(address), "oracle: zero address"
    self.book = book
    log BookSet(book=book)


# ------------------------------------------------------------- external: margin


@external
@view
def assess(words: DynArray[uint256, MAX_POSITIONS], ledger: int256) -> IRiskOracle.Assessment:
    """
    @notice Margin of a book. Reverts only where the index of an underlying is
            dead: a stale or missing surface costs more and clears `fresh`.
    @param words Position words, sorted by id, strictly; |quantity| <= 1e27.
    @param ledger Cash plus linear [wad].
    """
    rates: uint256 = self.rates
    floors: uint256 = self.floors
    result: IRiskOracle.Assessment = empty(IRiskOracle.Assessment)
    result.fresh = True
    equity: int256 = ledger
    full: int256 = 0
    haircut: int256 = 0
    portfolio: uint256 = 0
    short: uint256 = 0
    charges: uint256 = 0
    im_add: uint256 = 0

    # the class under way
    klass: uint256 = max_value(uint256)
    word: uint256 = 0
    members: uint256 = 0
    total: uint256 = 0
    largest: uint256 = 0
    common: uint256 = surface.LANES
    joint: int256[32] = empty(int256[32])
    held: int256[32] = empty(int256[32])  # lanes of the first member, weighed when a second comes
    held_price: uint256 = 0

    place: uint256 = 0
    for _: uint256 in range(MAX_POSITIONS):
        if place == len(words):
            break
        found: IRiskOracle.Terms = empty(IRiskOracle.Terms)
        lanes: int256[32] = empty(int256[32])
        found, lanes, place = self._terms(words, place, rates, floors)
        if found.underlying >> 8 != klass:
            if members > 1:
                total = margin._offset(joint, common, total, largest, (word >> 224) & (2**24 - 1))
            portfolio += total
            klass = found.underlying >> 8
            word = self._classes[klass]
            members = 0
            total = 0
            largest = 0
            common = surface.LANES
        members += 1
        total += found.scan
        largest = max(largest, found.scan)
        common = min(common, found.common)
        if members == 1:
            held = lanes
            held_price = found.price
        else:
            keep: int256 = 1_000_000 - convert((word >> 200) & (2**24 - 1), int256)
            if members == 2:
                joint = margin._weighed(empty(int256[32]), held, held_price, keep)
            joint = margin._weighed(joint, lanes, found.price, keep)
        equity += found.value
        full += found.full
        haircut += found.haircut
        short += found.short
        charges += found.gross + found.concentration
        im_add += found.im_add
        result.fresh = result.fresh and found.fresh
    if members > 1:
        total = margin._offset(joint, common, total, largest, (word >> 224) & (2**24 - 1))
    portfolio += total

    result.equity_haircut = equity + haircut
    result.equity_full = equity + full
    if instruments._is_risky(words, ledger):
        result.mm = max(portfolio, short) + charges
        result.im = result.mm + im_add
        result.call_line = fixed._mul_div_up(result.mm, fixed.PPM + (rates >> 232), fixed.PPM)
    return result


@external
@view
def terms(words: DynArray[uint256, MAX_POSITIONS]) -> IRiskOracle.Terms:
    """
    @notice What the words of one underlying add to an account.
    """
    found: IRiskOracle.Terms = empty(IRiskOracle.Terms)
    lanes: int256[32] = empty(int256[32])
    place: uint256 = 0
    found, lanes, place = self._terms(words, 0, self.rates, self.floors)
    assert place == len(words), "oracle: words of several underlyings"
    return found


@external
@view
def mark(instrument: uint128) -> uint256:
    """
    @notice Mark of an instrument at the live index [wad], down.
    """
    id: uint256 = convert(instrument, uint256)
    price: uint256 = 0
    updated_at: uint256 = 0
    strike_unit: uint256 = 0
    price, updated_at, strike_unit = staticcall FEED.price(convert(instruments._underlying(id), uint16))
    at: address = self._surface(instruments._surface_key(id))
    if at != empty(address):
        head: surface.Header = surface._header(at)
        info: uint256 = surface._info(at, head.rows, id)
        if info != 0:
            return surface._mark(id, info, price, surface._ahead(price, head.forward), strike_unit, head.reference)
    return surface._mark(id, 0, price, price, strike_unit, 0)


@external
@view
def pointer(underlying: uint16, expiry: uint40) -> uint256:
    """
    @notice Where a surface stands: address << 96 | sequence u32 | market time
            u32 | posted u32 [s]; zero where none was posted.
    """
    return self._pointers[(convert(underlying, uint256) << 40) | convert(expiry, uint256)]


@external
@view
def scalars(underlying: uint16) -> uint256:
    """
    @notice Posted word of an underlying, zero where there is none.
    """
    return self._scalars[convert(underlying, uint256)]


@external
@view
def funding(underlying: uint16) -> int256:
    """
    @notice What a perp's long has paid for one contract since the first rate
            [wad], down; negative where it was paid. A function of time alone
            between posts. A perp is worth its mark less this.
    """
    return margin._funding(self._fundings[convert(underlying, uint256)], block.timestamp)


@external
@view
def classes(klass: uint8) -> uint256:
    """
    @notice Posted word of a class of underlyings, zero where there is none.
    """
    return self._classes[convert(klass, uint256)]


@external
@view
def lanes(words: DynArray[uint256, MAX_POSITIONS]) -> int256[32]:
    """
    @notice Profit or loss of a book in each lane [wad], down, over all its
            underlyings: the whole of it, without offset or haircut of gains.
            Lanes that are not common add up different things.
    """
    result: int256[32] = empty(int256[32])
    rates: uint256 = self.rates
    floors: uint256 = self.floors
    place: uint256 = 0
    for _: uint256 in range(MAX_POSITIONS):
        if place == len(words):
            break
        found: IRiskOracle.Terms = empty(IRiskOracle.Terms)
        sums: int256[32] = empty(int256[32])
        found, sums, place = self._terms(words, place, rates, floors)
        for lane: uint256 in range(32):
            result[lane] += fixed._div_floor(convert(found.price, int256) * sums[lane], LANE_PRICE)
    return result


@external
@view
def signers() -> DynArray[address, MAX_SIGNERS]:
    """
    @notice Who may sign reports, ascending; who left and still counts is in
            `valid_until`.
    """
    return self._signers


@external
@view
def feed() -> address:
    """
    @notice IndexFeed of live prices.
    """
    return FEED.address


@external
@view
def guardrails() -> address:
    """
    @notice Guardrails that reports stay within.
    """
    return GUARD.address


# -------------------------------------------------------- internal: believing


@internal
@pure
def _initcode(size: uint256) -> Bytes[10]:
    """
    @notice What returns the `size` bytes that follow it as code.
    @dev    The surface itself is no argument of any function here: it is the
            largest thing that is handled, and memory is paid for by its square.
    """
    # size <= 24,576 fits two bytes
    return concat(CREATE_HEAD, convert(convert(size, uint16), bytes2), CREATE_TAIL)


@internal
@view
def _digest(report: IRiskOracle.Report) -> bytes32:
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(
            abi_encode(
                REPORT_TYPEHASH,
                report.sequence,
                report.market_time,
                report.urgent,
                report.model,
                report.config,
                report.snapshot,
                # an EIP-712 array is hashed without its offset and length
                keccak256(slice(abi_encode(report.surfaces), 64, 32 * len(report.surfaces))),
                keccak256(slice(abi_encode(report.scalars), 64, 32 * len(report.scalars))),
                keccak256(slice(abi_encode(report.classes), 64, 32 * len(report.classes))),
            )
        )
    )


@internal
@view
def _check_signatures(digest: bytes32, signatures: DynArray[Bytes[65], MAX_SIGNERS], quorum: uint256):
    """
    @notice A quorum of signers, each once: ascending order is what forbids a
            second use, snekmate what forbids malleable and zero signatures.
    """
    assert quorum > 0 and len(signatures) >= quorum, "oracle: below quorum"
    last: uint160 = 0
    for signature: Bytes[65] in signatures:
        signer: address = ecdsa._recover_sig(digest, signature)
        assert convert(signer, uint160) > last, "oracle: signers not ascending"
        assert block.timestamp < self.valid_until[signer], "oracle: not a signer"
        last = convert(signer, uint160)


@internal
def _point(
    report: IRiskOracle.Report, targets: DynArray[address, MAX_SURFACES], known: uint256
) -> DynArray[address, MAX_SURFACES]:
    """
    @notice Swaps the pointers of a report in.
    @param known How many of the targets were stored before, and checked then.
    @return What they pointed to before.
    """
    before: DynArray[address, MAX_SURFACES] = []
    last: surface.Header = empty(surface.Header)
    stamp: uint256 = (
        (convert(report.sequence, uint256) & (2**32 - 1)) << 64
        | convert(report.market_time, uint256) << 32
        | block.timestamp
    )
    for i: uint256 in range(len(targets), bound=MAX_SURFACES):
        at: address = targets[i]
        assert at.codehash == report.surfaces[i], "oracle: surface is not the signed one"
        is_good: bool = False
        head: surface.Header = empty(surface.Header)
        is_good, head = surface._opened(at)
        assert is_good, "oracle: surface malformed"
        if i < known:
            assert self._checked[report.surfaces[i]], "oracle: surface not stored here"
        else:
            assert staticcall GUARD.check(at)
        assert head.time == convert(report.market_time, uint256), "oracle: surface time is not the report's"
        assert i == 0 or head.key > last.key, "oracle: surfaces not ascending"
        if i > 0 and head.key >> 40 == last.key >> 40:
            assert head.set_id == last.set_id and head.reference == last.reference, "oracle: mixed sets"
        last = head
        before.append(self._surface(head.key))
        self._pointers[head.key] = (convert(at, uint256) << 96) | stamp
        log SurfacePosted(
            sequence=report.sequence,
            underlying=convert(head.key >> 40, uint16),
            expiry=convert(head.key & (2**40 - 1), uint40),
            surface=at,
        )
    return before


@internal
def _set_params(rates: uint256, floors: uint256):
    log ParamsSet(old_rates=self.rates, old_floors=self.floors, rates=rates, floors=floors)
    self.rates = rates
    self.floors = floors


@internal
def _set_scalars(report: IRiskOracle.Report):
    """
    @notice Takes over the scalars and class offsets of a report.
    """
    rates: uint256 = self.rates
    least: uint256 = fixed.PPM + (rates >> 232)
    cap: int256 = convert((rates >> 16) & 65_535, int256)
    for word: uint256 in report.scalars:
        assert (
            (word >> 144) & (2**96 - 1) >= MIN_DEPTH
            and (word >> 120) & (2**24 - 1) <= MAX_KAPPA
            and (word >> 96) & (2**24 - 1) <= MAX_SOM
            and (word >> 72) & (2**24 - 1) > least
            and (word >> 16) & (2**24 - 1) <= fixed.PPM
        ), "oracle: scalars out of range"
        self._scalars[word >> 240] = word
        log ScalarsPosted(sequence=report.sequence, underlying=convert(word >> 240, uint16), word=word)
        self._set_funding(word >> 240, min(max(fixed._signed(word << 240) >> 240, -cap), cap))
    for word: uint256 in report.classes:
        assert (
            (word >> 224) & (2**24 - 1) <= fixed.PPM and (word >> 200) & (2**24 - 1) <= fixed.PPM
        ), "oracle: class out of range"
        self._classes[word >> 248] = word
        log ClassPosted(sequence=report.sequence, klass=convert(word >> 248, uint8), word=word)


@internal
def _set_funding(underlying: uint256, rate: int256):
    """
    @notice Closes what the last funding rate ran up, and opens another one
            [ppm a day], of the reference price of the perp's surface. The price
            stays until the next report, so that funding is linear in time.
    """
    known: uint256 = self._fundings[underlying]
    if rate == 0 and known == 0:
        return
    slope: int256 = 0
    if rate != 0:
        at: address = self._surface(underlying << 40)
        if at != empty(address):
            slope = margin._slope(rate, surface._header(at).reference)
    cumulative: int256 = margin._accrued(known, block.timestamp)
    # ranges: see `modules/margin.vy`
    self._fundings[underlying] = (
        (fixed._unsigned(cumulative) << 128) | (block.timestamp << 88) | (fixed._unsigned(slope) & (2**88 - 1))
    )
    log FundingSet(underlying=convert(underlying, uint16), rate=rate, slope=slope, cumulative=cumulative)


# ------------------------------------------------------------ internal: margin


@internal
@view
def _surface(key: uint256) -> address:
    return convert(self._pointers[key] >> 96, address)


@internal
@view
def _terms(
    words: DynArray[uint256, MAX_POSITIONS], start: uint256, rates: uint256, floors: uint256
) -> (IRiskOracle.Terms, int256[32], uint256):
    """
    @notice What the words of one underlying, from `start` on, add to an
            account; its lanes [1e-5 price * wad]; and the place of the next
            underlying's first word.
    @dev    The scan of a position is sixteen multiplications, see
            `modules/surface.vy`; a word's row is read once.
    """
    result: IRiskOracle.Terms = empty(IRiskOracle.Terms)
    underlying: uint256 = instruments._underlying(words[start])
    price: uint256 = 0
    updated_at: uint256 = 0
    strike_unit: uint256 = 0
    price, updated_at, strike_unit = staticcall FEED.price(convert(underlying, uint16))
    result.underlying = underlying
    result.price = price
    result.common = surface.LANES
    result.fresh = True

    sums: margin.Sums = empty(margin.Sums)
    packed: uint256[16] = empty(uint256[16])
    weight: int256 = 0  # sum of scale x quantity, what undoes the lanes' bias
    closed: int256[32] = empty(int256[32])  # lanes of expiries that are through, apart where one is in its window
    is_apart: bool = False
    left: uint256 = instruments.WINDOW  # [s] of the expiry under way, at most a window
    set_id: uint256 = max_value(uint256)
    key: uint256 = max_value(uint256)
    at: address = empty(address)
    head: surface.Header = empty(surface.Header)
    ahead: uint256 = 0
    tenor: uint256 = 0
    least: uint256 = 0
    least_kind: uint256 = max_value(uint256)
    paid: int256 = 0  # [wad a contract] funding, of the kind under way
    oldest: uint256 = block.timestamp  # [s] market time of the oldest surface that was read
    place: uint256 = start

    for i: uint256 in range(start, len(words), bound=MAX_POSITIONS):
        word: uint256 = words[i]
        if (word >> 112) & 65_535 != underlying:
            break
        place = unsafe_add(i, 1)
        quantity: int256 = convert(convert(word, bytes32), int256) >> 128
        size: uint256 = convert(abs(quantity), uint256)
        assert size <= fixed.MAX_QUANTITY, "oracle: quantity over the maximum"
        kind: uint256 = (word >> 64) & 255

        if (word >> 72) & instruments.MASK_KEY != key:
            key = (word >> 72) & instruments.MASK_KEY
            expiry: uint256 = key & (2**40 - 1)
            tenor = 0
            least_kind = max_value(uint256)
            if expiry > block.timestamp:
                tenor = expiry - block.timestamp
            until: uint256 = instruments.WINDOW if expiry == 0 else min(tenor, instruments.WINDOW)
            if i > start and (left < instruments.WINDOW or until < instruments.WINDOW):
                # of an expiry in its window gains fade alone: hedges inside it net first
                closed = margin._faded(closed, surface._lanes(packed, weight), left)
                is_apart = True
                packed = empty(uint256[16])
                weight = 0
            left = until
            at = self._surface(key)
            head = empty(surface.Header)
            if at != empty(address):
                head = surface._header(at)
                ahead = surface._ahead(price, head.forward)
                oldest = min(oldest, head.time)
                result.common = min(result.common, head.common)
                distance: uint256 = price - head.reference if price > head.reference else head.reference - price
                if (
                    block.timestamp > head.time + ((rates >> 176) & (2**32 - 1))
                    or distance * fixed.PPM > ((rates >> 208) & (2**24 - 1)) * head.reference
                    or (set_id != max_value(uint256) and set_id != head.set_id)
                ):
                    result.fresh = False
                set_id = head.set_id
        info: uint256 = 0
        row: uint256 = word & 65_535
        mark: uint256 = 0
        charge: uint256 = 0
        delta: int256 = 10**6
        if row < head.rows:
            first: uint256 = 0
            second: uint256 = 0
            first, second, info = abi_decode(
                slice(at.code, unsafe_add(surface.HEADER, unsafe_mul(surface.ROW, row)), 96),
                (uint256, uint256, uint256),
            )
            if info != 0 and info >> 200 == (word >> 16) & instruments.MASK_KEY:
                mark = surface._mark(word, info, price, ahead, strike_unit, head.reference)
                charge = (info >> 24) & (2**24 - 1)
                delta = convert(convert(info << 104, bytes32), int256) >> 232
                scaled: int256 = unsafe_mul(quantity, convert(head.scale, int256))
                weight = unsafe_add(weight, scaled)
                by: uint256 = convert(convert(scaled, bytes32), uint256)
                first ^= surface.BIAS
                packed[0] = unsafe_add(packed[0], unsafe_mul(first & surface.PAIR, by))
                packed[1] = unsafe_add(packed[1], unsafe_mul((first >> 16) & surface.PAIR, by))
                packed[2] = unsafe_add(packed[2], unsafe_mul((first >> 32) & surface.PAIR, by))
                packed[3] = unsafe_add(packed[3], unsafe_mul((first >> 48) & surface.PAIR, by))
                packed[4] = unsafe_add(packed[4], unsafe_mul((first >> 64) & surface.PAIR, by))
                packed[5] = unsafe_add(packed[5], unsafe_mul((first >> 80) & surface.PAIR, by))
                packed[6] = unsafe_add(packed[6], unsafe_mul((first >> 96) & surface.PAIR, by))
                packed[7] = unsafe_add(packed[7], unsafe_mul((first >> 112) & surface.PAIR, by))
                second ^= surface.BIAS
                packed[8] = unsafe_add(packed[8], unsafe_mul(second & surface.PAIR, by))
                packed[9] = unsafe_add(packed[9], unsafe_mul((second >> 16) & surface.PAIR, by))
                packed[10] = unsafe_add(packed[10], unsafe_mul((second >> 32) & surface.PAIR, by))
                packed[11] = unsafe_add(packed[11], unsafe_mul((second >> 48) & surface.PAIR, by))
                packed[12] = unsafe_add(packed[12], unsafe_mul((second >> 64) & surface.PAIR, by))
                packed[13] = unsafe_add(packed[13], unsafe_mul((second >> 80) & surface.PAIR, by))
                packed[14] = unsafe_add(packed[14], unsafe_mul((second >> 96) & surface.PAIR, by))
                packed[15] = unsafe_add(packed[15], unsafe_mul((second >> 112) & surface.PAIR, by))
            else:
                info = 0
        if info == 0:
            # a held row that its surface lacks: never skipped, never a revert
            result.fresh = False
            charge = (rates >> 152) & (2**24 - 1)
            mark = surface._mark(word, 0, price, price, strike_unit, 0)
        # ranges: see `modules/margin.vy`; |quantity| was checked above
        sums.delta = unsafe_add(sums.delta, unsafe_mul(quantity, delta))
        if kind == instruments.SPOT:
            worth: int256 = unsafe_mul(quantity, convert(mark, int256))
            sums.full = unsafe_add(sums.full, worth)
            if charge < fixed.PPM:
                sums.haircut = unsafe_add(
                    sums.haircut, unsafe_mul(worth, convert(unsafe_sub(fixed.PPM, charge), int256))
                )
            continue
        if kind != least_kind:
            # sorted words: once for each kind of a surface
            least_kind = kind
            least = margin._gross_floor(floors, kind, tenor)
            paid = 0
            if kind == instruments.PERP:
                paid = margin._funding(self._fundings[underlying], block.timestamp)
        sums.value = unsafe_add(sums.value, unsafe_mul(quantity, unsafe_sub(convert(mark, int256), paid)))
        sums.gross = unsafe_add(sums.gross, unsafe_mul(size, max(charge, least)))
        sums.size = unsafe_add(sums.size, size)
        sums.legs = unsafe_add(sums.legs, 1)
        if quantity < 0 and (kind == instruments.CALL or kind == instruments.PUT):
            sums.short = unsafe_add(sums.short, size)
    lanes: int256[32] = surface._lanes(packed, weight)
    if is_apart or left < instruments.WINDOW:
        lanes = margin._faded(closed, lanes, left)
    result.scan, result.worst_lane = margin._scan(price, lanes)
    result.value = fixed._div_floor(sums.value, 10**18)
    result.full = fixed._div_floor(sums.full, 10**18)
    result.haircut = fixed._div_floor(sums.haircut, 10**24)
    result.gross = fixed._mul_div_up(price, sums.gross, fixed.PPM * fixed.WAD) + sums.legs * (
        (rates >> 32) & (2**96 - 1)
    )

    posted: uint256 = self._scalars[underlying]
    som: uint256 = (rates >> 152) & (2**24 - 1)
    im_factor: uint256 = 2 * fixed.PPM
    market: uint256 = 0
    if posted == 0:
        result.fresh = False
    else:
        depth: uint256 = (posted >> 144) & (2**96 - 1)
        som = (posted >> 96) & (2**24 - 1)
        # old data, more room: over the IM factor it grows without end
        im_factor = ((posted >> 72) & (2**24 - 1)) + fixed._mul_div_up(
            rates & 65_535, unsafe_sub(block.timestamp, oldest), 3_600
        )
        result.concentration = margin._concentration(
            price, sums.delta, sums.size, (rates >> 128) & (2**24 - 1), depth, (posted >> 120) & (2**24 - 1)
        )
        slope: uint256 = (posted >> 16) & (2**24 - 1)
        if slope > 0 and sums.size > 0 and self.book != empty(address):
            interest: uint256 = staticcall IClearinghouse(self.book).open_interest(convert(underlying, uint16))
            market = margin._market(price, sums.size, slope, interest, depth)
    result.short = fixed._mul_div_up(price * som, sums.short, fixed.PPM * fixed.WAD)
    base: uint256 = max(result.scan, result.short) + result.gross + result.concentration
    result.im_add = fixed._mul_div_up(im_factor - fixed.PPM, base, fixed.PPM) + market
    return result, lanes, place
