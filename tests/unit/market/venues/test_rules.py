"""One round, judged: what a single source says or fails to say changes nothing; too few sources make no price."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.market.venues.answers import Answer, OptionLine, Round
from plimsoll.market.venues.errors import VenueSettingError
from plimsoll.market.venues.rules import Rules, SourceRule, consolidate

from .conftest import START, answer, round_of, rules_of

PRICE = 60_000.0
anything = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(min_value=PRICE / 10, max_value=PRICE * 10),
    st.sampled_from([0.0, -1.0, PRICE * 10, PRICE / 10, 1e300]),
)


def row(said, name):
    return next(found for found in said.rows if found.name == name)


@given(
    wrong=anything,
    at=st.integers(0, 4),
    stamp=st.one_of(st.none(), st.integers(-(10**10), 10**10)),
    changed=st.integers(0, 10**6),
)
def test_no_answer_of_one_source_moves_a_price_on_which_the_others_agree(wrong, at, stamp, changed):
    found = round_of([PRICE] * 5)
    others = [a for a in found.answers if a.source != f"s{at}"]
    bad = answer(f"s{at}", wrong, START, stamp=stamp, changed=changed)
    said = consolidate(Round.of(1, START, [*others, bad]), rules_of(5))
    # what lies within the least band is no lie, and cannot move the median of four that agree
    assert said.price == PRICE
    assert all(row(said, a.source).used for a in others)


@given(prices=st.lists(st.floats(PRICE * 0.999, PRICE * 1.001), min_size=5, max_size=9), wrong=anything)
def test_the_price_stays_among_the_honest(prices, wrong):
    honest = prices[1:]
    found = round_of([wrong, *honest])
    said = consolidate(found, rules_of(len(prices)))
    assert min(honest) <= said.price <= max(honest) or (wrong is not None and abs(wrong / PRICE - 1) < 0.01)


@pytest.mark.parametrize("good", [0, 1, 2])
def test_under_the_minimum_there_is_no_price_and_never_the_mean_of_two(good):
    said = consolidate(round_of([PRICE, PRICE * 1.001][:good]), rules_of(5))
    assert said.price is None
    assert f"{good} of {good} sources left, 3 needed" in said.why
    assert "s4: no answer yet" in said.why
    assert said.used == ()


def test_three_that_are_good_make_a_price_and_it_is_the_middle_one():
    said = consolidate(round_of([100.0, 100.3, 100.1]), rules_of(3))
    assert said.price == 100.1
    assert said.used == ("s0", "s1", "s2")


def test_of_three_one_that_lies_leaves_no_price():
    said = consolidate(round_of([100.0, 100.1, 1_000.0]), rules_of(3))
    assert said.price is None
    assert "far from" in said.why


def test_sources_that_lie_far_apart_are_no_agreement():
    said = consolidate(round_of([90.0, 100.0, 110.0, 95.0, 105.0]), rules_of(5))
    assert said.price is None
    assert "from their median" in said.why


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"stamp": 61}, "61 s old"),
        ({"stamp": -6}, "6 s in the future"),
        ({"stamp": None, "changed": 61}, "61 s old"),
        ({"stamp": 0, "changed": 301}, "unchanged for 301 s"),
    ],
)
def test_what_is_old_frozen_or_ahead_is_dropped_with_its_reason(bad, reason):
    found = round_of([PRICE] * 4)
    said = consolidate(replace(found, answers=(*found.answers, answer("s4", PRICE, START, **bad))), rules_of(5))
    assert row(said, "s4").dropped == reason
    assert not row(said, "s4").used
    assert said.price == PRICE


def test_what_is_just_within_a_limit_counts():
    found = round_of([PRICE] * 2)
    edge = [
        answer("s2", PRICE, START, stamp=60),
        answer("s3", PRICE, START, stamp=-5),
        answer("s4", PRICE, START, changed=300),
    ]
    said = consolidate(Round.of(1, START, [*found.answers, *edge]), rules_of(5))
    assert said.used == ("s0", "s1", "s2", "s3", "s4")
    assert said.price_time == START - 60


def test_the_trouble_of_a_source_stands_beside_its_age():
    found = Round.of(
        1,
        START,
        [*round_of([PRICE] * 4).answers, answer("s4", PRICE, START, stamp=90)],
        [("s4", "HTTP 500")],
    )
    assert row(consolidate(found, rules_of(5)), "s4").dropped == "90 s old (HTTP 500)"


def test_a_last_good_answer_counts_until_it_is_too_old_whatever_came_after():
    found = Round.of(1, START, [*round_of([PRICE] * 2).answers, answer("s2", PRICE, START, stamp=30)], [("s2", "gone")])
    said = consolidate(found, rules_of(3))
    assert said.price == PRICE
    assert row(said, "s2").used


def test_each_source_has_an_age_of_its_own():
    rules = Rules(
        (
            SourceRule("a", "spot", 60),
            SourceRule("b", "spot", 60),
            SourceRule("feed", "chainlink", 3_900),
        )
    )
    answers = [
        answer("a", 100.0, START),
        answer("b", 100.1, START),
        answer("feed", 99.9, START, "chainlink", 3_000, 9_999),
    ]
    said = consolidate(Round.of(1, START, answers), rules)
    assert said.price == 100.0
    assert said.price_time == START - 3_000


def test_depth_is_the_lower_median_of_books_that_count():
    prices = [answer(f"s{k}", PRICE, START, depth=depth) for k, depth in enumerate([40.0, 50.0, 60.0, 1e9])]
    assert consolidate(Round.of(1, START, prices), rules_of(4)).depth == 50.0
    liar = answer("s4", PRICE * 10, START, depth=1e9)
    assert consolidate(Round.of(1, START, [*prices[:3], liar]), rules_of(5)).depth == 50.0
    two = [*prices[:2], answer("s2", PRICE, START)]
    assert consolidate(Round.of(1, START, two), rules_of(3)).depth is None


def perps(*marks, price=PRICE, count=None, **more):
    found = [*round_of([price] * 3).answers]
    found += [answer(f"p{k}", m, START, "perp", funding=k / 1e4, **more) for k, m in enumerate(marks) if m is not None]
    return consolidate(Round.of(1, START, found), rules_of(3, perps=count or len(marks)))


def test_of_two_perpetuals_the_first_that_is_good_counts_and_not_their_mean():
    assert perps(60_030.0, 60_010.0).mark == 60_030.0
    assert perps(None, 60_010.0).mark == 60_010.0
    said = perps(600_000.0, 60_010.0)
    assert (said.mark, said.funding, said.chosen[0]) == (60_010.0, 1e-4, "p1")
    assert "far from" in row(said, "p0").dropped


@pytest.mark.parametrize("bad", [{"stamp": 61}, {"stamp": -6}, {"changed": 301}])
def test_a_perpetual_that_is_old_ahead_or_frozen_is_passed_over(bad):
    assert perps(60_030.0, **bad).mark is None
    assert perps(60_030.0).mark == 60_030.0


def test_of_three_perpetuals_the_median_counts_and_two_are_too_few():
    assert perps(60_030.0, 60_010.0, 60_020.0).mark == 60_020.0
    assert perps(60_030.0, 60_010.0, None).mark is None


def test_a_perpetual_is_not_a_price():
    said = perps(60_030.0, 60_010.0, 60_020.0, price=50_000.0)
    assert said.price == 50_000.0
    assert said.mark is None


def chain_of(forward, source="o0", stamp=0):
    lines = tuple(
        OptionLine(START + days * 86_400, 60_000.0, True, forward * (1 + days / 1_000), 100.0, 110.0, 0.6)
        for days in (7, 90)
    )
    return Answer(source, "option", START, START - stamp, START, "c", chain=lines)


def test_the_first_chain_that_is_fresh_and_near_the_price_is_taken():
    base = round_of([PRICE] * 3).answers
    rules = rules_of(3, options=2)

    def said(*chains):
        return consolidate(Round.of(1, START, [*base, *chains]), rules)

    assert said(chain_of(PRICE), chain_of(PRICE, "o1")).chosen[1] == "o0"
    assert said(chain_of(PRICE, stamp=61), chain_of(PRICE, "o1")).chosen[1] == "o1"
    lied = said(chain_of(PRICE * 10), chain_of(PRICE, "o1"))
    assert lied.chosen[1] == "o1"
    assert "nearest forward" in row(lied, "o0").dropped
    assert said(replace(chain_of(PRICE), chain=())).chain == ()


def test_a_source_that_is_asked_for_one_thing_does_not_pass_for_another():
    found = Round.of(1, START, [*round_of([PRICE] * 3).answers, answer("p0", PRICE, START, "spot")])
    said = consolidate(found, rules_of(3, perps=1))
    assert said.mark is None
    assert row(said, "p0").dropped == "an answer of kind spot"


def test_the_form_in_bytes_does_not_depend_on_the_order_of_answers():
    found = round_of([100.0, 100.1, 100.2])
    again = Round.of(1, START, list(reversed(found.answers)))
    assert consolidate(found, rules_of(3)).content == consolidate(again, rules_of(3)).content


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: rules_of(5, minimum=2), "two cannot outvote"),
        (lambda: rules_of(2), "2 sources of a price"),
        (lambda: rules_of(2, perps=5), "2 sources of a price"),
        (lambda: rules_of(3, max_age=0), "must be positive"),
        (lambda: rules_of(3, premium=1.5), "between 0 and 1"),
        (lambda: Rules((SourceRule("a", "spot", 1),) * 3), "named twice: a"),
    ],
)
def test_rules_that_cannot_hold_are_refused(make, match):
    with pytest.raises(VenueSettingError, match=match):
        make()


def test_dispersion_is_how_far_used_sources_lie():
    said = consolidate(round_of([100.0, 100.4, 99.9]), rules_of(3))
    assert math.isclose(said.dispersion, 0.004)
