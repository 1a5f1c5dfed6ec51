import json
import math
from dataclasses import replace

import numpy as np
import pytest

from plimsoll.market.bars import DAY
from plimsoll.risk.errors import ModelError, TooFewObservationsError
from plimsoll.risk.har import HOUR, HarConfig, log_volatility
from plimsoll.risk.learned import (
    Inputs,
    LearnedConfig,
    LearnedModel,
    Table,
    Tree,
    Vintage,
    _exported,
    fit,
    learned_log_volatility,
    table_of,
    training_error,
)

HAR = HarConfig(half_lives=(1 / 6, 1.0, 4.0), burn_in=20, refit=10)
FAST = LearnedConfig(trees=30, rate=0.15, leaves=6, least=2.0, first=100, refit=60, begun=30)
HORIZON = 8


def market(days=300, seed=1):
    """Hourly returns, wild on weekdays and calm on the weekend, with an implied volatility that sees what comes."""
    source = np.random.default_rng(seed)
    n = days * 24
    time = np.arange(n) * HOUR
    wander = np.zeros(n)
    for t in range(1, n):
        wander[t] = 0.99 * wander[t - 1] + 0.08 * source.standard_normal()
    weekend = (time // DAY + 4) % 7 % 6 == 0
    true = 0.005 * np.exp(wander - np.where(weekend, 0.8, 0.0))
    returns = true * source.standard_normal(n)
    sees = np.append(true, true[-1]) * math.sqrt(365 * 24) * np.exp(0.1 * source.standard_normal(n + 1))
    funding = 1e-4 * source.standard_normal(n + 1)
    depth = np.exp(source.standard_normal(n + 1))
    return returns, true, time, Inputs(sees, funding, depth)


def parts(returns, time, inputs=None):
    """Table, what is wanted, times of the closes, and HAR's forecast."""
    n = len(returns)
    har = 2 * log_volatility(returns, time, HOUR, HORIZON, config=HAR)
    running = np.concatenate(([0.0], np.cumsum(np.square(returns))))
    realised = np.full(n + 1, np.nan)
    realised[: n + 1 - HORIZON] = np.log(running[HORIZON:] - running[:-HORIZON])
    table = table_of(returns, time, HOUR, HORIZON, har, inputs=inputs, config=HAR)
    return table, realised - har, np.append(time, time[-1] + HOUR), har


@pytest.fixture(scope="module")
def world():
    returns, true, time, inputs = market()
    table, wanted, closes, har = parts(returns, time, inputs)
    return returns, true, time, inputs, table, wanted, closes, har


@pytest.fixture(scope="module")
def model(world):
    *_, table, wanted, closes, _ = world
    return fit(table, wanted, closes, HOUR, HORIZON, FAST)


def judged(model, closes, wanted):
    return (closes >= model.vintages[0].since) & np.isfinite(wanted)


def test_it_learns_what_har_cannot_say(world, model):
    *_, table, wanted, closes, _ = world
    late = judged(model, closes, wanted)
    left = (wanted - model.correction(table, closes))[late]
    assert np.var(left) < 0.8 * np.var(wanted[late])


@pytest.mark.parametrize("missing", ["implied", "funding", "depth", "all"])
def test_every_input_may_be_missing(world, model, missing):
    """At the forecast, of a model that was fitted with it; and from the fit on."""
    returns, _, time, inputs, _, wanted, closes, _ = world
    less = None if missing == "all" else replace(inputs, **{missing: None})
    table, *_ = parts(returns, time, less)
    late = judged(model, closes, wanted)
    assert np.isfinite(model.correction(table, closes)).all()
    own = fit(table, wanted, closes, HOUR, HORIZON, FAST)
    assert not set(own.columns) & {missing}
    left = (wanted - own.correction(table, closes))[late]
    assert np.var(left) < 0.95 * np.var(wanted[late])  # the weekend is known without any input


def test_an_input_that_begins_late_is_used_from_then_on(world):
    returns, _, time, inputs, _, wanted, closes, _ = world
    late = inputs.implied.copy()
    late[: 180 * 24] = np.nan
    table, *_ = parts(returns, time, replace(inputs, implied=late))
    model = fit(table, wanted, closes, HOUR, HORIZON, FAST)
    at = table.names.index("implied")
    asked = [any(at in tree.feature for tree in vintage.trees) for vintage in model.vintages]
    assert not asked[0]
    assert asked[-1]


def test_it_does_not_look_ahead(world, model):
    returns, _, time, inputs, table, _, closes, _ = world
    cut = int(np.searchsorted(closes, model.vintages[-1].since))  # where trees are fitted anew
    changed = returns.copy()
    changed[cut:] *= -5
    later = [np.where(np.arange(len(x)) > cut, 2.0, x) for x in (inputs.implied, inputs.funding, inputs.depth)]
    other, wanted, *_ = parts(changed, time, Inputs(*later))
    again = fit(other, wanted, closes, HOUR, HORIZON, FAST)
    whole, part = model.correction(table, closes), again.correction(other, closes)
    assert np.array_equal(part[: cut + 1], whole[: cut + 1])
    assert not np.array_equal(part, whole)


def test_before_the_first_vintage_har_stands(world, model):
    *_, table, _, closes, _ = world
    early = closes < model.vintages[0].since
    assert early.sum() > 100 * 24
    assert np.all(model.correction(table, closes)[early] == 0)


def test_a_path_is_hars_and_what_was_learned(world, model):
    returns, _, time, inputs, table, _, closes, har = world
    found = learned_log_volatility(model, returns, time, HOUR, HORIZON, inputs=inputs, config=HAR)
    assert np.array_equal(found, har / 2 + model.correction(table, closes) / 2, equal_nan=True)
    plain = learned_log_volatility(None, returns, time, HOUR, HORIZON, inputs=inputs, config=HAR)
    assert np.array_equal(plain, har / 2, equal_nan=True)
    assert np.isfinite(learned_log_volatility(model, returns, time, HOUR, HORIZON, config=HAR)[20 * 24 :]).all()
    with pytest.raises(ModelError, match="trees of 8 bars of 3600 s for 4 of 3600 s"):
        learned_log_volatility(model, returns, time, HOUR, 4, config=HAR)


def test_own_trees_say_what_scikit_learn_does(world):
    from sklearn.ensemble import HistGradientBoostingRegressor

    *_, table, wanted, _, _ = world
    source = np.random.default_rng(3)
    values = table.values.copy()
    values[source.random(values.shape) < 0.2] = np.nan
    told = np.isfinite(wanted)
    theirs = HistGradientBoostingRegressor(max_iter=40, max_leaf_nodes=12, early_stopping=False, random_state=0)
    theirs.fit(values[told], wanted[told])
    start, trees = _exported(theirs, range(len(table.names)))
    assert len(trees) == 40
    level = np.full(len(values), start)
    for tree in trees:
        tree.add(level, values)
    assert level == pytest.approx(theirs.predict(values), abs=1e-9)


def test_no_row_depends_on_the_rows_beside_it(world, model):
    """The same bits, whichever rows are asked together, and in which order; by plain Python, too."""
    *_, table, _, closes, _ = world
    values = table.values[-500:]
    order = np.random.default_rng(4).permutation(len(values))
    vintage = model.vintages[-1]

    def of(rows):
        level = np.full(len(rows), vintage.start)
        for tree in vintage.trees:
            tree.add(level, rows)
        return level

    assert np.array_equal(of(values[order]), of(values)[order])
    assert np.array_equal(np.concatenate([of(row[None]) for row in values[:50]]), of(values)[:50])
    assert np.array_equal(model.correction(table, closes)[-500:], of(values))
    for row, found in zip(values[:50].tolist(), of(values).tolist(), strict=False):
        level = vintage.start
        for tree in vintage.trees:
            at = 0
            while tree.feature[at] >= 0:
                x = row[tree.feature[at]]
                leftward = tree.missing_left[at] if math.isnan(x) else x <= tree.threshold[at]
                at = tree.left[at] if leftward else tree.right[at]
            level += tree.value[at]
        assert level == found


def test_plain_numbers_and_back(world, model):
    *_, table, _, closes, _ = world
    text = json.dumps(model.to_plain(), allow_nan=False, sort_keys=True)
    again = LearnedModel.from_plain(json.loads(text))
    assert again == model
    assert json.dumps(again.to_plain(), sort_keys=True) == text
    assert np.array_equal(again.correction(table, closes), model.correction(table, closes))


def test_a_digest_tells_models_apart(model):
    again = LearnedModel.from_plain(json.loads(json.dumps(model.to_plain())))
    assert again.digest == model.digest
    assert len(model.digest) == 66
    last = model.vintages[-1]
    other = replace(model, vintages=(*model.vintages[:-1], replace(last, start=np.nextafter(last.start, 1).item())))
    assert other.digest != model.digest


def test_a_late_history_needs_late_vintages_only(world, model):
    *_, table, _, closes, _ = world
    second = model.vintages[1].since
    for time, left in ((second - 1, 0), (second, 1), (model.vintages[-1].since + 5, len(model.vintages) - 1)):
        less = model.in_force(time)
        assert less.vintages == model.vintages[left:]
        late = closes >= time
        cut = Table(table.names, table.values[late])
        assert np.array_equal(less.correction(cut, closes[late]), model.correction(table, closes)[late])


def test_columns_go_by_name(world, model):
    *_, table, _, closes, _ = world
    order = np.random.default_rng(5).permutation(len(table.names))
    turned = Table(tuple(table.names[k] for k in order), table.values[:, order])
    assert np.array_equal(model.correction(turned, closes), model.correction(table, closes))


def test_a_scale_of_prices_is_in_no_column_but_the_forecast(world):
    returns, _, time, inputs, table, *_ = world
    twice = replace(inputs, implied=2 * inputs.implied, depth=7 * inputs.depth)
    other, *_ = parts(2 * returns, time, twice)
    settled = slice(200 * 24, None)  # the ridge of HAR's fit knows a scale
    for k, name in enumerate(table.names):
        one, two = table.values[settled, k], other.values[settled, k]
        moved = one > -12  # not bars that stood still: their variance is the least there is
        assert two[moved] == pytest.approx(one[moved] + (2 * math.log(2) if name == "har" else 0), abs=2e-2), name


def test_depth_is_against_its_month():
    returns, _, time, _ = market(60)
    n = len(returns)
    depth = np.full(n + 1, 5.0)
    depth[:100] = np.nan
    depth[500] = 0.0
    depth[-1] = 10.0
    table = table_of(returns, time, HOUR, HORIZON, np.zeros(n + 1), inputs=Inputs(depth=depth), config=HAR)
    found = table.values[:, table.names.index("depth")]
    assert np.isnan(found[:100]).all()
    assert np.isnan(found[500])
    assert found[101:500] == pytest.approx(0)
    assert 0.6 < found[-1] < math.log(2)


def test_the_training_error_sees_nothing_after_its_end(world):
    *_, table, wanted, closes, _ = world
    until = int(closes[200 * 24])
    one = training_error(table, wanted, closes, HOUR, HORIZON, until, FAST)
    changed = wanted.copy()
    changed[200 * 24 - HORIZON + 1 :] = 50.0
    values = table.values.copy()
    values[200 * 24 :] = np.nan
    assert training_error(Table(table.names, values), changed, closes, HOUR, HORIZON, until, FAST) == one
    changed[200 * 24 - HORIZON] = 50.0
    assert training_error(table, changed, closes, HOUR, HORIZON, until, FAST) > one


LEAF = Tree((-1,), (0.0,), (False,), (0,), (0,), (1.0,))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Tree((), (), (), (), (), ()), "no node"),
        (lambda: replace(LEAF, value=(1.0, 2.0)), "differ in length"),
        (lambda: replace(LEAF, value=(math.inf,)), "not finite"),
        (lambda: Tree((0, -1), (0.0,) * 2, (True,) * 2, (1, 0), (0, 0), (0.0,) * 2), "node 0 of 2 asks column 0"),
        (lambda: replace(LEAF, feature=(-2,)), "asks column -2"),
        (
            lambda: LearnedModel(
                ("a",),
                HOUR,
                1,
                (Vintage(0, 0.0, (Tree((1, -1, -1), (0.0,) * 3, (True,) * 3, (1, 0, 0), (2, 0, 0), (0.0,) * 3),)),),
            ),
            "asks column 1 of 1",
        ),
        (lambda: LearnedModel((), HOUR, 1, (Vintage(5, 0.0, ()), Vintage(5, 0.0, ()))), "vintages out of order"),
        (lambda: Table(("a",), np.zeros((2, 2))), r"shape \(2, 2\) for 1"),
        (lambda: Table(("a",), np.full((2, 1), np.inf)), "infinite"),
        (lambda: LearnedConfig(trees=0), "trees 0"),
        (lambda: LearnedConfig(rate=2.0), "rate 2"),
    ],
)
def test_what_is_no_model_is_refused(make, said):
    with pytest.raises(ModelError, match=said):
        make()


def test_bad_input_is_named(world, model):
    returns, _, time, _, table, wanted, closes, har = world
    with pytest.raises(ModelError, match="implied of shape"):
        table_of(returns, time, HOUR, HORIZON, har, inputs=Inputs(implied=np.ones(3)), config=HAR)
    with pytest.raises(ModelError, match="wanted"):
        fit(table, wanted[1:], closes, HOUR, HORIZON, FAST)
    with pytest.raises(ModelError, match="times for"):
        model.correction(table, closes[1:])
    with pytest.raises(TooFewObservationsError, match="learned forecast"):
        fit(Table(table.names, table.values[:900]), wanted[:900], closes[:900], HOUR, HORIZON, FAST)
    with pytest.raises(ValueError, match="vintages"):
        LearnedModel.from_plain({"columns": [], "interval": 1, "horizon": 1, "vintages": 7})
