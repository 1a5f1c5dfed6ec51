"""Lens.explain: the margin, the state, and what each underlying adds; and the constructor."""

import pytest

from plimsoll.chain.contract import deploy
from plimsoll.spec.errors import Refused
from plimsoll.spec.instruments import PERP
from plimsoll.spec.margin import Assessment, Terms
from tests.pairs import compiled, text
from tests.unit.clearinghouse.stage import BTC, DAY, DEAD, ETH, MAKER, OTHER, OWNER, SOL, TRADER, WAD, wad


@pytest.fixture
def held(stage):
    """The trader on three underlyings of two classes."""
    stage.fund("maker", 10**6)
    stage.fund("trader", 5_000)
    stage.trade(TRADER, MAKER, stage.perp, WAD, 2_000 * WAD)
    stage.trade(MAKER, TRADER, stage.call, WAD, 100 * WAD)
    stage.trade(MAKER, TRADER, stage.btc_perp, WAD // 10, 20_000 * WAD)
    stage.trade(TRADER, MAKER, stage.sol_perp, 2 * WAD, 100 * WAD)
    stage.bring("trader", stage.weth, WAD)
    return stage


def explain(stage, who):
    """What the lens says: assessment, state, terms."""
    assessment, state, terms = stage.ask("lens", "explain", who)
    return Assessment(*assessment), state, [Terms(*part) for part in terms]


def test_it_is_the_books_margin_split_by_underlying(held):
    assessment, state, terms = explain(held, TRADER)
    assert assessment == held.margin(TRADER)
    assert state == held.ask("book", "state", TRADER) == 0
    assert [part.underlying for part in terms] == [BTC, ETH, SOL]
    words = held.book.positions(TRADER, held.pair.now)
    for part in terms:
        own = [word for word in words if word >> 112 & 0xFFFF == part.underlying]
        assert part == held.pair.twin.oracle.terms(own, held.pair.now)
    assert assessment.equity_full == sum(held.ledger(TRADER)) + sum(part.value + part.full for part in terms)
    assert assessment.im - assessment.mm == sum(part.im_add for part in terms)


def test_figures_by_hand(held):
    _, _, (btc, eth, sol) = explain(held, TRADER)
    assert (btc.value, btc.scan, btc.gross) == (-2_000 * WAD, 200 * WAD, 20 * WAD)
    # two long ETH and a short call: -2 x 200 + 60 at -10 %
    assert (eth.scan, eth.worst_lane, eth.short, eth.gross) == (340 * WAD, 24, 60 * WAD, 30 * WAD)
    assert (eth.value, eth.full, eth.haircut) == (1_900 * WAD, 2_000 * WAD, 1_800 * WAD)
    assert (sol.value, sol.scan, sol.im_add) == (200 * WAD, 20 * WAD, wad("6.6"))


def test_an_empty_account(stage):
    assert explain(stage, OTHER) == (Assessment(0, 0, 0, 0, 0, fresh=True), 0, [])


@pytest.mark.parametrize(("price", "state"), [(1_980, 1), (1_915, 2), (1_900, 3), (1_699, 4)])
def test_states(stage, price, state):
    stage.sick(300, price)
    assert explain(stage, TRADER)[1] == state


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(held, way):
    reason = held.kill_feed(ETH, way)
    function = held.pair.lens.interface.function("explain", 1)
    assert held.pair.ask(held.pair.lens, function.encode([TRADER]), function).reason == reason


def many(stage, count):
    """The trader long one perp on each of so many more underlyings."""
    pair = stage.pair
    perps = []
    for k in range(count):
        underlying = 0x1000 + k
        pair.must("feed", "set_feed", underlying, pair.aggregators[SOL], DAY, 18, sender=OWNER)
        perps.append(stage.list(underlying, 0, PERP))
    stage.fund("trader", 10**6)
    stage.fund("maker", 10**6)
    from plimsoll.spec.report import pack_scalars
    from tests.unit.clearinghouse.stage import make_row, make_scalars, make_surface

    made = [make_surface(0x1000 + k, 0, [make_row(PERP)], pair.now, reference=100 * WAD) for k in range(count)]
    pair.post(made, [pack_scalars(make_scalars(0x1000 + k)) for k in range(count)])
    for perp in perps:
        stage.trade(TRADER, MAKER, perp, WAD, 100 * WAD)


@pytest.mark.parametrize("name", ["explain", "greeks"])
def test_32_underlyings_and_no_more(stage, name):
    many(stage, 32)
    found = stage.ask("lens", name, TRADER)
    assert len(found[2] if name == "explain" else found) == 32
    stage.trade(TRADER, MAKER, stage.sol_perp, WAD, 100 * WAD)
    function = stage.pair.lens.interface.function(name, 1)
    refused = stage.pair.ask(stage.pair.lens, function.encode([TRADER]), function)
    assert refused.reason == "lens: too many underlyings"
    # the book itself knows no such limit
    assert stage.margin(TRADER).fresh


@pytest.mark.parametrize("missing", [0, 1])
def test_zero_address(stage, missing):
    at = stage.pair.twin.at
    args = [text(at.book), text(at.oracle)]
    args[missing] = "0x" + "00" * 20
    with pytest.raises(Refused, match=r"^lens: zero address$"):
        deploy(stage.pair.chain, compiled("Lens"), *args, sender=text(OWNER))
