"""`LearnedFhs`: HAR's margin on a forecast that trees correct, as an engine runs it."""

import json

import numpy as np
import pytest

from plimsoll.market.portable import log
from plimsoll.risk.conformance import FIRST, check, history_of, market_of, snapshot_of
from plimsoll.risk.har import HOUR, HarConfig, log_volatility
from plimsoll.risk.learned import LearnedConfig, fit, table_of
from plimsoll.risk.learned_fhs import LearnedFhs, LearnedFhsConfig
from plimsoll.risk.models import HarFhs
from plimsoll.risk.named import made, recalled

DAY_BARS = 24


@pytest.fixture(scope="module")
def market():
    return market_of(history_of(33))


@pytest.fixture(scope="module")
def trees(market):
    """Trees for a horizon of a day, fitted to the history that a snapshot holds, and told prices and the time alone."""
    history = market.history
    har = 2 * log_volatility(history.returns, history.time[1:], HOUR, DAY_BARS, history.ranges, HarConfig())
    running = np.concatenate(([0.0], np.cumsum(np.square(history.returns))))
    wanted = np.full(len(har), np.nan)
    wanted[: len(har) - DAY_BARS] = log(running[DAY_BARS:] - running[:-DAY_BARS]) - har[: len(har) - DAY_BARS]
    table = table_of(history.returns, history.time[1:], HOUR, DAY_BARS, har, config=HarConfig())
    small = LearnedConfig(trees=20, rate=0.2, leaves=4, least=2.0, first=40, refit=30, begun=30)
    closes = np.append(history.time[1:], history.time[-1] + HOUR)
    return fit(table, wanted, closes, HOUR, DAY_BARS, small)


def test_trees_change_the_range_and_none_or_others_do_not(market, trees):
    snapshot = snapshot_of(market)
    har = HarFhs().assess(snapshot)[FIRST].forecast_psr
    assert LearnedFhs().assess(snapshot)[FIRST].forecast_psr == har
    found = LearnedFhs(LearnedFhsConfig(learned={FIRST: trees})).assess(snapshot)[FIRST].forecast_psr
    assert found != har
    assert found == pytest.approx(har, rel=0.5)
    elsewhere = LearnedFhs(LearnedFhsConfig(learned={FIRST + 1: trees})).assess(snapshot)[FIRST].forecast_psr
    assert elsewhere == har
    shorter = LearnedFhs(LearnedFhsConfig(learned={FIRST: trees}, horizon=8 * HOUR)).assess(snapshot)[FIRST]
    plain = LearnedFhs(LearnedFhsConfig(horizon=8 * HOUR)).assess(snapshot)[FIRST]
    assert shorter.forecast_psr == plain.forecast_psr  # trees for a day say nothing of eight hours


def test_it_is_made_of_its_parameters_and_conforms_with_trees(market, trees):
    plain = json.loads(json.dumps({"learned": {str(FIRST): trees.to_plain()}}))
    model = made("learned-fhs", plain)
    again = recalled("learned-fhs", model.version, json.loads(json.dumps(dict(model.parameters))))
    assert again.assess(snapshot_of(market), None) == model.assess(snapshot_of(market), None)
    assert [str(found) for found in check("learned-fhs", plain)] == []
