"""Whom to look at: everyone who may be due is among the few that are read, the likeliest to fail first."""

import numpy as np
import pytest

from plimsoll.keeper.index.errors import IndexStateError
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.lookout import VERIFY_EVERY, Lookout
from plimsoll.keeper.outlook import Lookahead, paths_of
from plimsoll.keeper.state import read_margins
from plimsoll.market.snapshot import History, Market
from plimsoll.risk.errors import TooFewObservationsError
from plimsoll.spec.instruments import Instrument
from plimsoll.spec.margin import State, state_of

from .conftest import UNDERLYING

DAY = 86_400
PERP = Instrument(UNDERLYING, 0, 0, 0, 1).pack()


@pytest.fixture
def town(world):
    """Five traders, from safe to nearly called, and a maker."""
    world.keeper().round()
    maker = world.open("maker", 10**6)
    world.traders = []
    for k, cash in enumerate((50_000, 1_200, 900, 700, 1_000)):
        party = world.open(f"trader {k}", cash)
        side = (party, maker) if k != 4 else (maker, party)
        world.venue.trade(*side, world.perp, 50 * 10**18, 100 * 10**18)
        world.traders.append(party.account)
    return world


def lookout_of(world, **other):
    index = AccountIndex.of(world.system, world.folder / "index.db")
    return Lookout(world.system, index, world.reader, **other)


def test_everyone_is_who_events_name_and_who_is_named_besides(town):
    found = lookout_of(town, extra=[77])
    assert set(town.traders) < set(found.everyone())
    assert found.everyone()[-1] == 77


def test_an_index_that_fails_is_said_until_it_works_again(town, monkeypatch):
    found = lookout_of(town)
    update = found.index.update

    def full():
        raise IndexStateError("the index cannot be written: disk full")

    monkeypatch.setattr(found.index, "update", full)
    with pytest.raises(IndexStateError):
        found.everyone()
    assert "disk full" in found.failing
    monkeypatch.setattr(found.index, "update", update)
    found.everyone()
    assert not found.failing


def test_who_may_be_due_is_read_and_who_is_safe_is_not(town):
    found = lookout_of(town)
    found.everyone()
    calm = found.due()
    assert town.traders[0] not in calm
    for price in (95.0, 90.0, 84.0):
        town.index(price)
        found.everyone()
        due = found.due()
        margins = read_margins(town.system, town.traders)
        late = {account for account, margin in margins.items() if state_of(margin) >= State.CALLED}
        assert late <= set(due)
    assert len(late) >= 2
    assert town.traders[0] not in due


def test_the_likeliest_to_fail_comes_first(town):
    """Long and short with one headroom: which of them is likelier to fail is a matter of the paths."""
    town.index(97.0)
    found = lookout_of(town, outlook=Lookahead(town.source))
    found.everyone()
    order = found.due()
    longs = [account for account in order if account in town.traders[:4]]
    assert longs == sorted(longs, key=lambda a: read_margins(town.system, [a])[a].equity_haircut)


def test_an_outlook_that_cannot_be_made_leaves_the_order_by_headroom(town):
    told = []
    town.prices.write_text("nothing\n")
    found = lookout_of(town, outlook=Lookahead(town.source, told=told.append))
    found.everyone()
    found.due()
    assert len(told) == 1
    assert "toy.csv" in told[0]


def test_an_outlook_lasts_a_while(town):
    made = []
    lookahead = Lookahead(town.source, every=600)
    held = town.reader.read()
    made.append(lookahead(held))
    town.chain.advance(599)
    made.append(lookahead(town.reader.read()))
    town.chain.advance(10)
    made.append(lookahead(town.reader.read()))
    assert made[0] is made[1]
    assert made[2] is not made[0]


def test_the_index_is_held_to_the_chain_now_and_then(town):
    found = lookout_of(town)
    found.everyone()
    found.due()
    town.chain.advance(12, blocks=VERIFY_EVERY + 1)
    account = town.traders[0]
    found.index.state.ledgers[account] = (1, 2)  # as no event said
    found.everyone()
    found.due()
    assert found.mismatch == "read anew"
    assert found.index.state.ledgers[account] != (1, 2)


def test_paths_are_in_units_of_what_was_forecast():
    rng = np.random.default_rng(3)
    sizes = np.repeat([0.01, 0.04], 400)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, sizes)))
    history = History(DAY * np.arange(len(closes)), closes, DAY)
    paths, forecast, days = paths_of([Market(UNDERLYING, float(closes[-1]), history, (PERP,))])
    assert paths.shape[1:] == (1, 1)
    assert days == 1
    assert np.std(paths) == pytest.approx(1.0, abs=0.15)  # calm years and wild ones alike
    assert forecast[0] == pytest.approx(0.04, rel=0.4)


def test_hours_make_a_day_of_steps_and_only_common_closes_count():
    rng = np.random.default_rng(4)
    times = 3_600 * np.arange(2_400)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.005, (2, len(times))), axis=1))
    first = Market(257, 100.0, History(times, closes[0], 3_600), (PERP,))
    second = Market(258, 100.0, History(times[:-7], closes[1][:-7], 3_600), (Instrument(258, 0, 0, 0, 1).pack(),))
    paths, forecast, days = paths_of([first, second])
    assert paths.shape[1:] == (24, 2)
    assert days == 1
    assert forecast.shape == (2,)
    assert forecast[0] == pytest.approx(0.005 * 24**0.5, rel=0.3)


def test_too_short_a_history():
    history = History(DAY * np.arange(20), np.full(20, 100.0), DAY)
    with pytest.raises(TooFewObservationsError):
        paths_of([Market(UNDERLYING, 100.0, history, (PERP,))])


def test_settling_asks_those_alone_who_have_something_to_settle(town):
    found = lookout_of(town)
    town.index(90.0)
    found.everyone()
    asked = found.unsettled(100 * 10**18)
    assert set(town.traders) <= set(asked)
    assert found.unsettled(10**6 * 10**18) == []
    upkeep = town.upkeep(least=100 * 10**18)
    upkeep.unsettled = lambda: asked[:1]
    town.chain.advance(86_400)
    settled = [chore.args[0] for chore in upkeep.plan([]) if chore.name == "settle"]
    assert set(settled) <= {asked[0], int(town.system.fund.address, 16) << 96}
    assert settled
