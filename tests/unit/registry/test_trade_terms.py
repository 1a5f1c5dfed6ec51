"""Registry.trade_terms: all that the book asks for one trade, and what it refuses."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.spec.registry import (
    AccountLimits,
    Fees,
    PoolLimits,
    TradeTerms,
    pack_account_limits,
    pack_fees,
    pack_pool_limits,
)
from plimsoll.spec.wad import WAD

from .bench import ATTACKER, DAY, ETH, EXPIRY, NOW, SOL, VENUE, text

ACCOUNT = pack_account_limits(AccountLimits())
POOL = pack_pool_limits(PoolLimits())
MOST_GAS = 30_000
BASE_COST = 21_000

each = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_nothing_set(bench):
    assert bench.terms(bench.perp, 500_000) == TradeTerms(100_000, 10_000, 0, 0, 0, 0, 0, ACCOUNT, POOL)


def test_all_set(bench):
    account = pack_account_limits(AccountLimits(50 * WAD, 10**6 * WAD, 64))
    pool = pack_pool_limits(PoolLimits(10**7 * WAD, 10**6 * WAD, DAY))
    bench.must("set_bands", 50_000, 5_000)
    bench.must("set_instrument_cap", bench.call, 77)
    bench.must("set_underlying_limits", ETH, 88, 99)
    bench.must("set_limits", account, pool)
    # 60 % posted: 1 + .5 x .6 + 2 x .25 = 1.8
    bench.must("set_fees", pack_fees(Fees(500, 200, 500_000, 2_000_000, 50_000)))
    assert bench.terms(bench.call, 250_000) == TradeTerms(50_000, 5_000, 77, 88, 99, 360, 900, account, pool)
    found = bench.terms(bench.future, 250_000)
    assert (found.instrument_cap, found.underlying_cap) == (0, 88)
    found = bench.terms(bench.btc_perp, 250_000)  # 40 % posted: 1.7
    assert (found.underlying_cap, found.min_size, found.maker_fee, found.taker_fee) == (0, 0, 340, 850)


def test_an_underlying_of_which_nothing_is_posted(bench):
    perp = bench.add(SOL, 0, 0)
    bench.must("set_fees", pack_fees(Fees(500, 200, 500_000, 0, 50_000)))
    assert bench.terms(perp).taker_fee == 500


def test_a_fee_follows_the_posted_volatility_to_its_cap(bench):
    bench.must("set_fees", pack_fees(Fees(500, 200, 1_000_000, 0, 1_000)))
    for volatility, taker in ((0, 500), (1, 501), (600_000, 800), (1_000_000, 1_000), (2**32 - 1, 1_000)):
        bench.post({ETH: volatility})
        assert bench.terms(bench.perp).taker_fee == taker


def test_a_venue_that_is_not_admitted(bench):
    reason = "refused: registry: venue not admitted"
    assert bench.terms(bench.perp, venue=ATTACKER) == reason
    assert bench.terms(0, venue=ATTACKER) == reason
    assert bench.terms(bench.perp, venue=0) == reason


def test_an_instrument_that_is_not_listed(bench):
    for instrument in (0, bench.call + 1, bench.call - 1, bench.call + (1 << 16), 2**128 - 1):
        assert bench.terms(instrument) == "refused: registry: unknown instrument"


def test_collateral(bench):
    assert bench.terms(bench.spot) == "refused: registry: unknown instrument"


def test_an_instrument_that_expired(bench):
    bench.chain.advance(EXPIRY - NOW - 1)
    assert bench.terms(bench.future).price_band == 100_000
    bench.chain.advance(1)
    for instrument in (bench.future, bench.call):
        assert bench.terms(instrument) == "refused: registry: instrument expired"
    # an unknown one first, and a perp never
    assert bench.terms(bench.call + 1) == "refused: registry: unknown instrument"
    assert bench.terms(bench.perp).price_band == 100_000


def test_no_utilisation_is_too_large(bench):
    bench.must("set_fees", pack_fees(Fees(1, 0, 0, 1, 50_000)))
    for utilisation in (2**64 - 1, 2**64, 2**64 + 1, 2**256 - 1):
        found = bench.terms(bench.perp, utilisation)
        assert (found.maker_fee, found.taker_fee) == (0, 50_000)


@each
@given(
    st.tuples(*(st.integers(0, 50_000) for _ in range(2))),
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**32 - 1) | st.integers(0, 2_000_000),
    st.integers(0, 2**256 - 1) | st.integers(0, 1_000_000),
)
def test_fees_as_the_twin_has_them(bench, bases, vol_scale, util_scale, volatility, utilisation):
    bench.post({ETH: volatility})
    bench.must("set_fees", pack_fees(Fees(*bases, vol_scale, util_scale, 50_000)))
    found = bench.terms(bench.perp, utilisation)
    assert bases[0] <= found.taker_fee <= 50_000
    assert bases[1] <= found.maker_fee <= 50_000


def test_gas(bench):
    """Everything cold, the oracle's word among it: base cost and calldata of the transaction left out."""
    bench.must("set_instrument_cap", bench.call, 77)
    bench.must("set_underlying_limits", ETH, 88, 99)

    def gas() -> int:
        function = bench.contract.interface.function("trade_terms", 3)
        data = function.encode([text(VENUE), bench.call, 250_000])
        used = bench.chain.transact(bench.contract.address, data, sender=text(ATTACKER)).gas_used
        return used - BASE_COST - sum(16 if byte else 4 for byte in data)

    plain = gas()
    bench.must("set_fees", pack_fees(Fees(500, 200, 500_000, 2_000_000, 50_000)))
    assert plain < gas() < MOST_GAS
