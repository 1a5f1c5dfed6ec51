import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.backtest import chains
from plimsoll.market.sources import load_option_chain
from plimsoll.risk import black, svi
from plimsoll.risk.errors import PricingError

# QuantLib: a -.0666 b .229 sigma .337 rho .439 m .193
CASE = {"a": -0.0666, "b": 0.229, "rho": 0.439, "m": 0.193, "sigma": 0.337}
NEAR = svi.Slice(0.05, 0.004, 0.04, -0.3, 0.0, 0.10)
FAR = svi.Slice(0.25, 0.02, 0.10, -0.2, 0.01, 0.25)
STRIKES = np.linspace(0.7, 1.4, 29) * 100


def quotes_of(smile, forward=100.0, spread=0.02, noise=0.0, seed=0):
    """Both sides of the market for calls and puts at prices of a smile; half a spread of so much volatility."""
    rng = np.random.default_rng(seed)
    call = np.repeat([True, False], len(STRIKES))
    strike = np.tile(STRIKES, 2)
    volatility = smile.volatility(np.log(strike / forward)) + noise * rng.normal(size=len(strike))
    sides = [black.price(call, forward, strike, volatility + side * spread / 2, smile.tau) for side in (-1, 1)]
    return call, strike, *sides, forward, smile.tau


def apart(found, smile, reach=0.25):
    k = np.linspace(-reach, reach, 51)
    return float(np.max(np.abs(found.volatility(k) - smile.volatility(k))))


def test_total_variance_of_the_librarys_case():
    assert svi.total_variance(0.193, **CASE) == pytest.approx(0.010573, abs=5e-7)
    assert svi.total_variance(np.zeros((2, 3)), **CASE).shape == (2, 3)


@pytest.mark.parametrize("bad", [{"b": -1e-9}, {"rho": 1.0}, {"rho": -1.0}, {"sigma": 0.0}, {"a": math.nan}])
def test_total_variance_refuses(bad):
    with pytest.raises(PricingError, match="is right"):
        svi.total_variance(0.0, **(CASE | bad))


def test_durrleman_is_what_derivatives_say():
    k, h = np.linspace(-0.6, 0.6, 13), 1e-4
    w, up, down = (FAR.variance(k + move) for move in (0, h, -h))
    first, second = (up - down) / (2 * h), (up + down - 2 * w) / h**2
    expected = (1 - k * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + 0.25) + second / 2
    assert FAR.durrleman(k) == pytest.approx(expected, abs=1e-4)


def test_derivatives_by_the_parameters_are_what_differences_say():
    k, h, at = np.linspace(-0.6, 0.6, 13), 1e-6, np.array([FAR.a, FAR.b, FAR.rho, FAR.m, FAR.sigma])
    found = svi._derivatives(k, *at)
    durrleman = svi._durrleman_derivative(k, found)
    assert found[0] == pytest.approx(FAR.variance(k))
    for place, move in enumerate(h * np.eye(5)):
        ahead, behind = (svi._derivatives(k, *(at + sign * move)) for sign in (1, -1))
        for of, by in zip(range(3), found[3:], strict=True):
            assert by[place] == pytest.approx((ahead[of] - behind[of]) / (2 * h), abs=1e-6)
        more, less = (svi._durrleman(k, *(at + sign * move)) for sign in (1, -1))
        assert durrleman[place] == pytest.approx((more - less) / (2 * h), abs=1e-5)


def test_durrleman_of_a_surface_is_its_slices_and_between_them_what_derivatives_say():
    surface, k, h = svi.ImpliedSurface((NEAR, FAR)), np.linspace(-0.6, 0.6, 13), 1e-4
    assert surface.durrleman(k, FAR.tau) == pytest.approx(FAR.durrleman(k))
    for tau in (0.02, 0.12, 0.6):
        w, up, down = (surface.variance(k + move, tau) for move in (0, h, -h))
        first, second = (up - down) / (2 * h), (up + down - 2 * w) / h**2
        expected = (1 - k * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + 0.25) + second / 2
        assert surface.durrleman(k, tau) == pytest.approx(expected, abs=1e-4)
        assert surface.butterfly_excess(tau) == 0
    assert svi.ImpliedSurface((VOGT,)).butterfly_excess(VOGT.tau) > 0.01
    with pytest.raises(PricingError, match="above 0"):
        surface.durrleman(k, 0.0)


# Gatheral and Jacquier, example 3.1 (after A. Vogt): a smile that looks fine and has butterfly arbitrage
VOGT = svi.Slice(1.0, -0.0410, 0.1331, 0.3060, 0.3586, 0.4153)


def test_quotes_with_butterfly_arbitrage_get_a_smile_without():
    """The smile that goes through them is one of ours, and is refused: the nearest that may be is taken."""
    k = np.linspace(-1.5, 1.5, 61)
    quotes = svi.Points(k, VOGT.volatility(k), np.ones(61), 0, 0, 0)
    fitted = svi.fit_slice(quotes, VOGT.tau)
    assert svi.butterfly_excess(fitted.slice) == 0
    assert not fitted.fallback
    assert 1e-4 < fitted.error < 0.02


def test_a_slice_that_is_known_to_have_butterfly_arbitrage():
    vogt = VOGT
    assert np.min(vogt.durrleman(np.linspace(-1.5, 1.5, 301))) < -0.01
    assert svi.butterfly_excess(vogt) > 0.01
    strikes = np.exp(np.linspace(0.4, 1.4, 101))
    call = black.price(np.array(True), 1.0, strikes, vogt.volatility(np.log(strikes)), 1.0)
    assert np.min(np.diff(np.diff(call) / np.diff(strikes))) < 0  # a butterfly of negative price
    assert svi.butterfly_excess(NEAR) == svi.butterfly_excess(FAR) == 0


def test_calendar_arbitrage_is_seen_and_its_size():
    assert svi.calendar_excess(NEAR, FAR) == 0
    assert svi.calendar_excess(FAR, replace(FAR, tau=0.5, a=FAR.a - 0.003)) == pytest.approx(0.003)
    assert svi.calendar_excess(FAR, replace(FAR, tau=0.5, a=1.0, b=0.09)) == pytest.approx(0.012)


def test_a_fit_finds_the_smile_that_quotes_came_from():
    for smile in (NEAR, FAR):
        quotes = svi.points(*quotes_of(smile))
        assert quotes.dropped == 0
        fitted = svi.fit_slice(quotes, smile.tau)
        assert apart(fitted.slice, smile) < 0.003
        assert fitted.error < 0.001
        assert fitted.used == 2 * len(STRIKES)
        assert not fitted.fallback


def test_bad_quotes_are_counted_and_wild_ones_move_little():
    call, strike, bid, ask, forward, tau = quotes_of(FAR, noise=0.003)
    clean = svi.fit_slice(svi.points(call, strike, bid, ask, forward, tau), tau)
    bid[3], ask[7], bid[40] = np.nan, np.nan, 0.0
    bid[10], ask[10] = ask[10], bid[10]
    bid[0], ask[0] = 20.0, 21.0  # a call at 70 is worth 30 at least
    bid[12], ask[12] = 1.6 * bid[12], 1.6 * ask[12]  # at the money, and far off
    quotes = svi.points(call, strike, bid, ask, forward, tau)
    assert (quotes.missing, quotes.crossed, quotes.impossible) == (3, 1, 1)
    assert quotes.dropped == 5
    wild = svi.fit_slice(quotes, tau)
    assert wild.used == len(strike) - 5
    assert apart(wild.slice, clean.slice) < 0.01
    assert apart(wild.slice, FAR) < 0.015


@settings(max_examples=2)
@given(seed=st.integers(0, 2**32 - 1), fall=st.floats(0.3, 0.95))
def test_no_arbitrage_whatever_the_quotes(seed, fall):
    """Noise of three points, a bite out of the smile, and a second expiry that quotes less variance than the first."""
    rng = np.random.default_rng(seed)
    call, strike, bid, ask, forward, tau = quotes_of(FAR, noise=0.03, seed=seed)
    volatility = np.where(np.abs(strike - 100) < 6, 0.6, 1.0) * FAR.volatility(np.log(strike / forward))
    bite = black.price(call, forward, strike, volatility, tau)
    later = replace(FAR, tau=0.3, a=FAR.a * fall, b=FAR.b * fall)
    less = quotes_of(later, noise=0.01, seed=seed)
    beyond = quotes_of(replace(FAR, tau=1.0, a=0.1, rho=float(rng.uniform(-0.6, 0.6))))
    surface, fitted = svi.fit(
        [
            (tau, svi.points(call, strike, bite * 0.99, bite * 1.01, forward, tau)),
            (0.3, svi.points(*less)),
            (1.0, svi.points(*beyond)),
        ]
    )
    assert surface.excess <= 1e-9
    for near, far in zip(surface.slices, surface.slices[1:], strict=False):
        k = np.linspace(-2, 2, 1_001)  # a grid of its own
        assert np.all(far.variance(k) >= near.variance(k) - 1e-6)
    for found in surface.slices:
        assert np.min(found.durrleman(np.linspace(-1.5, 1.5, 1_501))) > -1e-4
    assert len(fitted) == 3
    assert bid[0] < ask[0]


def test_too_few_quotes_leave_a_flat_smile_or_the_expiry_before():
    few = svi.points(*(part[:3] if np.ndim(part) else part for part in quotes_of(NEAR)))
    flat = svi.fit_slice(few, NEAR.tau)
    assert flat.fallback
    assert flat.slice.volatility(np.array([-0.5, 0.5])) == pytest.approx(np.full(2, np.median(few.volatility)))
    none = svi.points(*(part[:0] if np.ndim(part) else part for part in quotes_of(NEAR)))
    after = svi.fit_slice(none, 0.25, NEAR)
    assert after.fallback
    assert after.slice.slopes == NEAR.slopes
    assert after.slice.volatility(0.0) == pytest.approx(NEAR.volatility(0.0))
    with pytest.raises(PricingError, match="no quote can be used"):
        svi.fit_slice(none, 0.25)


def test_between_expiries_variance_is_linear_in_time():
    surface = svi.ImpliedSurface((NEAR, FAR))
    k = np.linspace(-0.4, 0.4, 9)
    assert surface.variance(k, 0.05) == pytest.approx(NEAR.variance(k))
    assert surface.variance(k, 0.25) == pytest.approx(FAR.variance(k))
    assert surface.variance(k, 0.15) == pytest.approx((NEAR.variance(k) + FAR.variance(k)) / 2)
    assert surface.volatility(k, 0.01) == pytest.approx(NEAR.volatility(k))
    assert float(surface.volatility(0.0, 0.75)) == pytest.approx(float(FAR.volatility(0.0)))
    times = np.linspace(0.01, 1.0, 60)
    assert np.all(np.diff([surface.variance(k, float(t)) for t in times], axis=0) >= 0)


@pytest.mark.parametrize("tau", [0.01, 0.1, 0.15, 0.2, 0.5])
def test_what_lies_between_has_no_butterfly_either(tau):
    surface = svi.ImpliedSurface((NEAR, FAR))
    strikes = np.exp(np.linspace(-0.8, 0.8, 321))
    call = black.price(np.array(True), 1.0, strikes, surface.volatility(np.log(strikes), tau), tau)
    assert np.min(np.diff(np.diff(call) / np.diff(strikes))) > -1e-9


def test_the_smile_moves_with_the_forward():
    """Sticky moneyness: at another forward the strike at the same distance has the same volatility."""
    surface = svi.ImpliedSurface((FAR,))
    at = [float(surface.volatility(math.log(strike / forward), 0.25)) for strike, forward in ((110, 100), (121, 110))]
    assert at[0] == pytest.approx(at[1])


def test_volatility_of_a_price_and_of_none():
    call = np.array([True, False, True, True])
    strike = np.array([90.0, 90.0, 100.0, 100.0])
    price = black.price(call, 100.0, strike, np.array([0.4, 0.9, 0.2, 0.2]), 0.25)
    price[2], price[3] = 0.0, 100.0
    found = svi.implied(call, 100.0, strike, price, 0.25)
    assert found[:2] == pytest.approx([0.4, 0.9])
    assert np.all(np.isnan(found[2:]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: svi.fit([]),
        lambda: svi.ImpliedSurface((FAR, NEAR)),
        lambda: svi.ImpliedSurface((FAR,)).variance(0.0, 0.0),
        lambda: replace(FAR, tau=0.0),
        lambda: svi.fit_slice(svi.points(*quotes_of(FAR)), 0.05, NEAR),
        lambda: svi.points(*quotes_of(FAR)[:4], 0.0, 0.25),
    ],
)
def test_refuses(call):
    with pytest.raises(PricingError):
        call()


@pytest.mark.data
def test_the_recorded_chain(data_folder):
    """Two expiries of 2025-12-30: within half a point of volatility, and free of arbitrage."""
    quotes = load_option_chain(data_folder / "option_chain_2025-12-30.csv.gz", "BTC")
    some = sorted({quote.expiry for quote in quotes})[::6]
    surface, fitted = chains.surface_of([quote for quote in quotes if quote.expiry in some])
    assert surface.excess <= 1e-9
    assert not any(found.fallback for found in fitted)
    assert max(found.error for found in fitted) < 0.005
    assert sum(found.dropped for found in fitted) > 0


@pytest.mark.data
@pytest.mark.long
@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_every_expiry_of_the_recorded_chain(data_folder, currency):
    assert data_folder
    found = chains.surface_record(currency)
    assert found["excess"] <= 1e-9
    assert found["fallbacks"] == 0
    assert found["worst_error"] < 0.005
