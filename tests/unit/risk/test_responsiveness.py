"""The responsiveness of a posted margin: rises, their ratio, and the lag."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.risk.errors import ModelError
from plimsoll.risk.responsiveness import Posted, responsiveness

DAY = 86_400
RANGE = st.integers(10_000, 900_000)


def test_by_hand():
    posts = [
        Posted(0, 40_000, 40_000),
        Posted(27 * DAY, 80_000, 90_000),
        Posted(31 * DAY + 1, 60_000, 60_000),
        Posted(32 * DAY, 66_000, 120_000),
    ]
    found = responsiveness(posts)
    one, five, thirty = found.answers
    assert (one.margin, one.forecast) == pytest.approx((0.1, 1.0))
    assert one.ratio == pytest.approx(math.log(1.1) / math.log(2))
    assert five.margin == pytest.approx(0.1)
    assert thirty.margin == pytest.approx(0.1)  # what is older than thirty days does not count
    assert found.lag == pytest.approx(120 / 66 - 1)


@given(st.lists(st.tuples(RANGE, RANGE), min_size=1, max_size=60))
def test_a_longer_window_rises_no_less(ranges):
    posts = [Posted(k * DAY // 2, psr, forecast) for k, (psr, forecast) in enumerate(ranges)]
    answers = responsiveness(posts).answers
    assert all(a.margin >= 0 and a.forecast >= 0 for a in answers)
    assert [a.margin for a in answers] == sorted(a.margin for a in answers)
    follows = responsiveness([Posted(p.time, p.forecast, p.forecast) for p in posts])
    assert all(a.ratio is None or a.ratio == pytest.approx(1) for a in follows.answers)
    assert follows.lag == 0


@pytest.mark.parametrize(
    ("posts", "said"),
    [
        ([], "no report"),
        ([Posted(2, 1, 1), Posted(1, 1, 1)], "out of order"),
        ([Posted(1, 0, 1)], "a posted range of 0"),
    ],
)
def test_what_cannot_be_has_a_name(posts, said):
    with pytest.raises(ModelError, match=said):
        responsiveness(posts)
