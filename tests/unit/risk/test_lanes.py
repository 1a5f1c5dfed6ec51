import numpy as np
import pytest

from plimsoll.risk.errors import ScenarioError
from plimsoll.risk.lanes import CANDIDATES, PAIRS, QUANTILE, Draws, place, score, share
from plimsoll.risk.scenarios import ScenarioSet


def kinked(at, books=40, width=0.03, seed=0):
    """Books whose worst loss, of 1, lies at one of the distances `at` [PSR] and falls off to nothing within `width`."""
    rng = np.random.default_rng(seed)
    centre = rng.choice(at, books)
    away = np.abs(np.array(CANDIDATES) / 10_000 - centre[:, None])
    return Draws(np.zeros(books, dtype=np.int64), np.ones(books), np.zeros(books), np.maximum(1 - away / width, 0.0))


def test_nodes_go_where_losses_are():
    where = (0.11, 0.23, 0.42, 0.58, 0.87)
    assert place([kinked(where)]) == (1100, 2300, 4200, 5800, 8700)


def test_the_sixth_place_is_missed_by_five_pairs_and_found_by_six():
    draws = kinked((0.11, 0.23, 0.42, 0.58, 0.70, 0.87), books=120)
    five, six = place([draws]), place([draws], 6)
    assert len(five) == PAIRS == 5
    assert six == (1100, 2300, 4200, 5800, 7000, 8700)
    assert set(five) < set(six)


def test_one_set_serves_two_chains():
    one, other = kinked((0.2, 0.5)), kinked((0.3, 0.8), seed=1)
    assert {2000, 5000} < set(place([one]))
    assert {2000, 3000, 5000, 8000} < set(place([one, other]))


def test_exchange_undoes_what_greed_took_first():
    """Two kinds: one pair between two kinks helps both a little at first, and neither enough in the end."""
    draws = kinked((0.30, 0.36), books=60, width=0.07)
    assert {3000, 3600} < set(place([draws], 5))
    assert place([draws], 2) == (3000, 3600)


def test_what_is_chosen_makes_a_scenario_set():
    chosen = place([kinked((0.05, 0.4))])
    assert ScenarioSet(psr=100_000, vol_up=400_000, vol_down=250_000, inner=chosen).inner == chosen


def test_share_of_a_loss():
    seen, worst = np.array([0.5, 2.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0, -1.0])
    assert share(seen, worst).tolist() == [0.5, 1.0, 1.0, 1.0]


def test_the_lowest_quantile_decides():
    quantiles, means = np.array([[0.9, 0.8], [0.9, 0.99]]), np.array([[0.98, 0.99], [0.98, 0.99]])
    even, uneven = score(quantiles, means)
    assert even > uneven
    assert QUANTILE == 0.01


@pytest.mark.parametrize("pairs", [0, len(CANDIDATES)])
def test_refuses_a_number_of_pairs(pairs):
    with pytest.raises(ScenarioError, match="pairs"):
        place([kinked((0.5,))], pairs)


def test_refuses_no_draws_and_shapes_that_differ():
    with pytest.raises(ScenarioError, match="at least one"):
        place([])
    with pytest.raises(ScenarioError, match="shapes"):
        Draws(np.zeros(2, dtype=np.int64), np.ones(2), np.zeros(2), np.zeros((2, 3)))
