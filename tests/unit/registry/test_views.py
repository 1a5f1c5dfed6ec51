"""Registry's views of what is listed; those of numbers are tested where the numbers are set."""

from .bench import BTC, ETH, EXPIRY, SOL, UNFED, number


def test_listing_and_tokens(bench):
    assert bench.ask("listing", ETH, 0) == (bench.perp, bench.spot)
    assert bench.ask("listing", BTC, 0) == (bench.btc_perp, bench.btc_spot)
    assert bench.ask("listing", ETH, EXPIRY) == (bench.future, bench.call)
    assert bench.ask("listing", SOL, EXPIRY) == ()
    assert bench.ask("tokens") == (bench.usd, bench.weth, bench.wbtc)
    assert bench.ask("collateral", bench.weth) == (bench.spot, 1, 0)
    assert bench.ask("collateral", bench.wbtc) == (bench.btc_spot, 10**10, 0)
    assert bench.ask("collateral", bench.usd) == (0, 0, 0)
    assert bench.ask("collateral", bench.unlisted) == (0, 0, 0)


def test_the_row_is_part_of_what_is_listed(bench):
    assert bench.ask("is_listed", bench.call)
    assert bench.ask("is_listed", bench.spot)
    for instrument in (0, bench.call + 1, bench.call - 1, 2**128 - 1, bench.call | 0xFFFF):
        assert not bench.ask("is_listed", instrument)


def test_a_cap_hides_nothing(bench):
    bench.must("set_instrument_cap", bench.call, 2**128 - 1)
    assert bench.ask("is_listed", bench.call)
    assert bench.ask("listing", ETH, EXPIRY) == (bench.future, bench.call)


def test_what_nobody_set(bench):
    assert bench.ask("instrument_cap", bench.perp) == 0
    assert bench.ask("underlying_limits", UNFED) == (0, 0)
    assert not bench.ask("venues", 0)


def test_whom_it_reads(bench):
    assert number(bench.contract.call("quote")) == bench.usd
    assert bench.contract.call("feed") == bench.feed.address
    assert bench.contract.call("oracle") == bench.oracle.address
