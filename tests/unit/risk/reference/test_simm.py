import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk.reference.portfolio import PortfolioError
from plimsoll.risk.reference.simm import Bucket, delta_margin

numbers = st.floats(-1e4, 1e4)


def test_by_hand():
    """WS 30 and -40, rho .5: K = sqrt(900 + 1600 - 1200); beside a bucket of 20, gamma .25, S of the first is -10."""
    first = Bucket((3.0, -2.0), (10.0, 20.0), 0.5, 1e6)
    other = Bucket((4.0,), (5.0,), 0.0, 1e6)
    assert first.margin == pytest.approx(math.sqrt(1_300))
    assert other.margin == 20
    assert delta_margin([first, other], 0.25) == pytest.approx(math.sqrt(1_300 + 400 + 2 * 0.25 * -10 * 20))


def test_concentration():
    bucket = Bucket((300.0, 100.0), (1.0, 1.0), 1.0, 100.0)
    assert bucket.concentration == 2.0  # sqrt(400 / 100)
    assert bucket.margin == pytest.approx(800)
    assert Bucket((60.0,), (1.0,), 0.0, 100.0).concentration == 1.0
    assert Bucket((300.0, -300.0), (1.0, 1.0), 0.5, 100.0).concentration == 1.0


def test_the_sum_of_a_bucket_is_bounded_by_its_margin():
    """rho of zero: K is sqrt(2), the sum 2; what stands across buckets is the lesser."""
    bucket = Bucket((1.0, 1.0), (1.0, 1.0), 0.0, 1e6)
    assert delta_margin([bucket, bucket], 1.0) == pytest.approx(2 * math.sqrt(2))


@given(st.lists(st.tuples(numbers, st.floats(0.1, 50)), min_size=1, max_size=5), st.floats(0, 1), st.floats(1, 1e5))
def test_it_is_the_formula_term_by_term(parts, rho, threshold):
    s, weights = zip(*parts, strict=True)
    bucket = Bucket(s, weights, rho, threshold)
    concentration = max(1, math.sqrt(abs(sum(s)) / threshold))
    ws = [w * x * concentration for x, w in parts]
    squares = sum(x * x for x in ws) + sum(rho * x * y for i, x in enumerate(ws) for j, y in enumerate(ws) if i != j)
    scale = max(1.0, *(abs(x) for x in ws))
    assert bucket.margin / scale == pytest.approx(math.sqrt(max(squares, 0)) / scale, rel=1e-6, abs=1e-6)
    assert delta_margin([bucket], 0.3) == pytest.approx(bucket.margin)


def test_refuses():
    with pytest.raises(PortfolioError, match="2 sensitivities, 1 weights"):
        Bucket((1.0, 2.0), (1.0,), 0.0, 1.0)
    with pytest.raises(PortfolioError, match="threshold 0"):
        Bucket((1.0,), (1.0,), 0.0, 0.0)
    with pytest.raises(PortfolioError, match="0 buckets"):
        delta_margin([], 0.0)
    with pytest.raises(PortfolioError, match=r"correlations \(1, 1\)"):
        delta_margin([Bucket((1.0,), (1.0,), 0.0, 1.0)] * 2, [[1.0]])
