"""Whom the screener says to read: never fewer than the chain's own margins say, and hardly more."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from plimsoll.keeper.errors import SettingsError
from plimsoll.keeper.index.arrays import AccountArrays
from plimsoll.keeper.index.bench import drawn_market, made_up
from plimsoll.keeper.index.follow import AccountIndex
from plimsoll.keeper.index.generate import generated_log
from plimsoll.keeper.index.screener import Screener, _screened, settled_prices, usable_table
from plimsoll.keeper.upkeep import settlement_due
from plimsoll.risk.probability import Outlook
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import FUTURE, WINDOW, id_of, quantity_of, unpack
from plimsoll.spec.margin import assess, mark, row_of
from plimsoll.spec.wad import WAD
from tests.unit.keeper.index.scene import Scene, view_of

DAY = 86_400


@pytest.fixture(scope="module")
def scene():
    return Scene(0)


@pytest.fixture(scope="module")
def market():
    return drawn_market(1)


@pytest.fixture
def generated(market, tmp_path):
    """Two hundred generated accounts: their log, their index, a screener, and what the oracle holds."""
    view, listings = market
    deployed = made_up()
    log = generated_log(200, 5, deployed, listings, per_block=300)
    index = AccountIndex(tmp_path / "index.db", deployed, log)
    index.update()
    return log, index, Screener(index), view


def seen(scene, found, counts):
    """Hold every verdict to the margin that the chain gives, at the same block."""
    below, exact, near = set(found.below), set(found.exact), set(found.near)
    book = scene.system.clearinghouse
    for account in scene.pair.twin.book.ledgers:
        if not account >> 96 or account >> 96 == scene.pair.twin.book.fund:
            continue
        try:
            margin = book.call("margin", account)
        except Refused:
            assert account in exact
            counts["blind"] += 1
            continue
        short = margin.equity_haircut < margin.mm
        verdict = "below" if account in below else "exact" if account in exact else "above"
        assert verdict == "exact" or short == (verdict == "below"), (hex(account), margin)
        counts[verdict, short] += 1
        called = margin.mm > 0 and margin.equity_haircut < margin.call_line
        assert not called or account in below | exact | near  # nobody under the call line is left out
        counts["called"] += called and not short


def test_verdicts_are_those_of_the_chain_after_time_passed(scene, tmp_path):
    counts = Counter()
    for seed in range(8):
        with scene.pair.isolated():
            index = scene.index(tmp_path / f"{seed}.db")
            screener = Screener(index)
            for part in range(2):
                scene.play(100 * part + seed, 8)
                for later in (0, 1, 3 * DAY):
                    scene.pair.advance(later)
                    index.update()
                    settled = settled_prices(scene.system, list(index.holders), scene.pair.now)
                    found = screener.screen(view_of(scene.pair), settled)
                    assert found.accounts >= len(index.accounts())  # the fund's account, too
                    seen(scene, found, counts)
                    counts["settled"] += len(settled)
            index.close()
    assert min(counts["above", False], counts["below", True], counts["blind"], counts["settled"]) > 5, counts
    assert counts["exact", True] + counts["exact", False] < 0.02 * counts.total()


@pytest.mark.parametrize("ahead", [0, 1, WINDOW // 3, WINDOW - 1, WINDOW, -60])
def test_near_an_expiry_gains_fade_and_verdicts_hold(generated, ahead):
    _, index, screener, view = generated
    expiry = min(e for _, e in view.surfaces if e)
    late = replace(view, now=expiry - ahead)
    found = screener.screen(late)
    below, exact = set(found.below), set(found.exact)
    pool = index.state.pool_at(late.now)
    held = {a for (_, e), accounts in index.holders.items() if e == expiry for a in accounts}
    assert len(held) > 20
    arrays = screener.arrays
    positions, ledgers, slack = screener.books(pool, {}, {})
    low, _, _ = _screened(usable_table(late), arrays, positions, ledgers, slack, late)
    faded = 0
    for account in index.accounts():
        words, cash, linear = index.state.held(account, pool)
        margin = assess(words, cash + linear, late)
        if account not in exact:
            assert (margin.equity_haircut < margin.mm) == (account in below)
        slot = arrays.slot(account)
        true, least = (margin.equity_haircut - margin.mm) / WAD, low.headroom[slot]
        assert true >= least - low.bound[slot] - slack[slot]
        faded += true > least + 1
        assert account in held or abs(true - least) <= low.bound[slot] + slack[slot]
    assert (faded > 0) == (ahead < WINDOW)
    assert len(exact) < len(held) / 4  # two bounds say more than that gains fade
    assert not exact or ahead < WINDOW


def test_what_a_block_changed_is_all_that_is_taken_over(generated):
    log, index, screener, view = generated
    screener.screen(view)
    for events in (1, 40, 200, 0, 7):
        if events:
            log.grow(events)
        index.update()
        first = len(screener.arrays)
        screener.screen(view)
        assert len(screener.arrays) >= first
        fresh = AccountArrays()
        fresh.take(index.state, screener.arrays.accounts)
        one, other = screener.arrays.positions(), fresh.positions()
        assert np.array_equal(one.starts, other.starts)
        assert [screener.arrays.items[k] for k in one.items] == [fresh.items[k] for k in other.items]
        for name in ("cash", "linear", "entry"):
            size = len(fresh)
            assert np.array_equal(getattr(screener.arrays, name)[:size], getattr(fresh, name)[:size])
        assert np.array_equal(one.quantities, other.quantities)


def test_blocks_taken_back_are_taken_back_here_too(generated, tmp_path):
    log, index, screener, view = generated
    before = screener.screen(view)
    at = log.head()
    for _ in range(3):
        log.grow(50)
    index.update()
    assert screener.screen(view).order != before.order
    log.fork(at)
    log.grow(1)
    index.update()
    fresh = AccountIndex(tmp_path / "fresh.db", index.deployed, log)
    fresh.update()
    assert screener.screen(view).order == Screener(fresh).screen(view).order


def test_the_order_is_the_least_headroom_over_margin_first(generated):
    _, index, screener, view = generated
    found = screener.screen(view)
    assert len(found.below) > 5
    assert len(found.near) > 5
    ratios = []
    for account in found.order:
        words, cash, linear = index.state.held(account, index.state.sums)
        margin = assess(words, cash + linear, view)
        ratios.append((margin.equity_haircut - margin.mm) / margin.mm)
    assert all(a <= b + 1e-9 for a, b in pairwise(ratios))
    assert ratios[len(found.below) - 1] < 0 <= ratios[len(found.below)]
    assert ratios[-1] < screener.near


def test_an_outlook_puts_the_likeliest_first(generated):
    _, _, screener, view = generated
    table = usable_table(view)
    rng = np.random.default_rng(1)
    paths = np.cumsum(rng.standard_normal((300, 4, len(table.market))), axis=1)
    outlook = Outlook.of(table, view.surfaces, paths, np.full(len(table.market), 0.02), 1.0)
    plain, likely = screener.screen(view), screener.screen(view, outlook=outlook)
    assert set(plain.order) == set(likely.order)
    assert plain.order != likely.order
    assert set(likely.order[: len(likely.below)]) == set(likely.below)  # who is under already has probability 1
    screener.weighed = 3
    assert screener.screen(view, outlook=outlook).order[3:] == plain.order[3:]
    wrong = Outlook(outlook.curves[:2], outlook.moves[:, :, :2], 1.0)
    assert screener.screen(view, outlook=wrong).order == plain.order  # as when a feed died since it was made


def test_without_a_price_or_a_row_nothing_is_certain(generated):
    _, index, screener, view = generated
    underlying = unpack(id_of(next(iter(index.state.books.values()))[0])).underlying
    down = replace(view, index={k: v for k, v in view.index.items() if k != underlying})
    exact = set(screener.screen(down).exact)
    holders = {a for a, words in index.state.books.items() if any(w >> 112 & 0xFFFF == underlying for w in words)}
    assert exact >= holders - {a for a in holders if not a >> 96}
    assert len(exact) < len(index.accounts())
    nothing = screener.screen(replace(view, surfaces={}))
    assert set(nothing.exact) == {a for a, words in index.state.books.items() if words and a >> 96}
    assert nothing.below == nothing.near == ()


def test_interest_is_in_the_ledgers(generated):
    _, index, screener, view = generated
    account = next(a for a in index.accounts() if index.state.ledgers[a][0] > 1_000 * WAD)
    screener.refresh()
    pool = replace(index.state.sums, supply_index=3 * WAD // 2, borrow_index=2 * WAD)
    _, ledgers, slack = screener.books(pool, {}, {})
    cash, linear = index.state.ledgers[account]
    assert abs(ledgers[screener.arrays.slot(account)] - (1.5 * cash + linear) / WAD) <= slack.max()
    found = screener.screen(view)
    index.state.ledgers[account] = (-cash, linear)
    index.state.entries[account] = (WAD, 0)
    screener._changed.add(account)
    screener.refresh()
    _, ledgers, _ = screener.books(pool, {}, {})
    assert abs(ledgers[screener.arrays.slot(account)] - (-2 * cash + linear) / WAD) <= slack.max()
    assert account in set(screener.screen(view).below) - set(found.below)


def test_called_accounts_are_read_wherever_they_stand(generated):
    _, index, screener, view = generated
    plain = screener.screen(view)
    safe = next(a for a in index.accounts() if a not in plain.order)
    index.state.calls[safe] = (view.now - 10, view.now + 10, view.now + 20)
    found = screener.screen(view)
    assert found.open == (safe,)
    assert found.order == (*plain.order, safe)
    assert found.counts["read"] == plain.counts["read"] + 1
    assert screener.screen(replace(view, now=view.now + 21)).open == ()


def test_nobody_whose_profit_or_loss_is_due_is_left_out(scene, tmp_path):
    counts = Counter()
    for seed in range(6):
        with scene.pair.isolated():
            index = scene.index(tmp_path / f"due{seed}.db")
            screener = Screener(index)
            scene.play(seed, 10)
            index.update()
            found = screener.unsettled(view_of(scene.pair), WAD)
            for account in index.accounts():
                words, _, linear = index.state.held(account, index.state.sums)
                try:
                    variation = scene.system.history.call("variation", list(words))
                except Refused:
                    continue
                due = settlement_due(linear, *variation)
                assert abs(due) < WAD or account in found
                counts[abs(due) >= WAD, account in found] += 1
            index.close()
    assert min(counts[True, True], counts[False, False]) > 5, counts


def test_losses_are_settled_first(generated):
    _, index, screener, view = generated
    assert screener.unsettled(view, WAD) == []  # all traded at these marks
    view = replace(view, index={k: replace(i, price=i.price * 11 // 10) for k, i in view.index.items()})
    found = screener.unsettled(view, WAD)
    amounts = []
    for account in found:
        words, _, linear = index.state.held(account, index.state.sums)
        amounts.append(linear + sum(worth(word, view) for word in words if unpack(id_of(word)).kind <= FUTURE))
    assert amounts == sorted(amounts)
    assert min(map(abs, amounts)) >= WAD
    assert amounts[0] < 0 < amounts[-1]
    assert len(found) < len(index.accounts())


def worth(word, view):
    """What a position in a perp or future is worth at its mark [wad]."""
    item = unpack(id_of(word))
    surface = view.surfaces[item.underlying, item.expiry]
    return quantity_of(word) * mark(item, row_of(surface, item), surface, view.index[item.underlying]) // WAD


@pytest.mark.parametrize("options", [{"near": -0.1}, {"near": float("nan")}, {"weighed": -1}])
def test_numbers_out_of_range_are_refused(generated, options):
    with pytest.raises(SettingsError):
        Screener(generated[1], **options)
