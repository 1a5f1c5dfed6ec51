"""Liquidator.start: after a call, or at once where the whole equity is negative (I-20, I-41)."""

import pytest

from plimsoll.spec.instruments import PERP, SPOT
from plimsoll.spec.margin import Params
from plimsoll.spec.report import pack_floors, pack_rates
from tests.unit.clearinghouse.stage import ATTACKER, DEAD, ETH, MAKER, NOW, OTHER, OWNER, TRADER, WAD, make_row, wad

from .rig import URGENT, bid, open_auction

NOT = "liquidator: not liquidatable"
FIRST = "liquidator: call first"


def refuses(stage, reason):
    stage.refuses(reason, "liquidator", "start", TRADER)


def test_after_the_urgent_notice(stage):
    stage.sick()
    refuses(stage, FIRST)
    stage.pair.must("liquidator", "call", TRADER)
    refuses(stage, FIRST)
    stage.later(URGENT)
    refuses(stage, FIRST)
    stage.later(1)
    stage.pair.must("liquidator", "start", TRADER, sender=ATTACKER)
    assert stage.ask("liquidator", "auction", TRADER) == NOW + URGENT + 1
    assert stage.ask("liquidator", "deadline", TRADER) == stage.ask("liquidator", "ripe", TRADER) == 0
    args = {"account": TRADER, "equity": 186 * WAD, "mm": 209 * WAD}
    assert stage.last("liquidator") == ("AuctionStarted", args)


@pytest.mark.parametrize(("top_up", "reason"), [("22.999999", FIRST), ("23", NOT), ("85.7", NOT)])
def test_maintenance_margin_is_the_line(stage, top_up, reason):
    stage.sick()
    stage.fund("trader", top_up)
    refuses(stage, reason)


def test_who_was_called_over_it_has_the_urgent_notice_from_the_call_on(stage):
    stage.sick()
    stage.fund("trader", 30)
    stage.pair.must("liquidator", "call", TRADER)
    stage.pair.price(ETH, 1_850 * WAD)
    refuses(stage, FIRST)
    stage.later(URGENT + 1)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("liquidator", "deadline", TRADER) == 0


def test_a_call_that_ran_out(stage):
    stage.sick()
    stage.fund("trader", 30)
    refuses(stage, NOT)
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(3_600)
    refuses(stage, NOT)
    stage.later(1)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("liquidator", "auction", TRADER) == NOW + 3_601
    assert stage.ask("liquidator", "deadline", TRADER) == 0
    assert stage.last("liquidator")[1]["equity"] == 216 * WAD


@pytest.mark.parametrize(("top_up", "starts"), [("13.899999", True), ("13.9", False)])
def test_a_call_that_ran_out_but_could_be_cured(stage, top_up, starts):
    stage.sick()
    stage.fund("trader", 30)
    stage.pair.must("liquidator", "call", TRADER)
    stage.fund("trader", top_up)
    stage.later(3_601)
    if starts:
        stage.pair.must("liquidator", "start", TRADER)
        assert stage.ask("liquidator", "auction", TRADER) == NOW + 3_601
    else:
        refuses(stage, NOT)


def test_a_call_that_lapsed_is_none(stage):
    stage.sick()
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(URGENT + 3_600)
    with stage.pair.isolated():
        stage.pair.must("liquidator", "start", TRADER)
    stage.later(1)
    refuses(stage, FIRST)


def test_negative_equity_needs_no_call(stage):
    stage.sick(price=1_714)
    refuses(stage, FIRST)
    stage.pair.price(ETH, 1_714 * WAD - 1)
    stage.pair.must("liquidator", "start", TRADER)
    log = [(event.name, dict(event.args)) for event in stage.pair.twin.liquidator.log[-2:]]
    assert log[0][0] == "AuctionStarted"
    assert log[0][1]["equity"] == -1
    assert log[1] == ("BadDebtRecorded", {"account": TRADER, "amount": 1, "total": 1})
    assert stage.ask("liquidator", "auction", TRADER) == NOW


def test_an_account_that_holds_nothing_but_a_loss(stage):
    # sold all at the index, 1,700, 14 short of what it was bought for: refused by the book, as equity is negative
    stage.sick(price=1_700)
    stage.refuses_trade("clearinghouse: below initial margin", MAKER, TRADER, stage.perp, WAD, 1_700 * WAD)
    stage.pair.must("liquidator", "start", TRADER)
    assert stage.ask("book", "state", TRADER) == 4


def test_already_in_auction(stage):
    # a restart would set the price back (I-24, I-26)
    stage.sick()
    open_auction(stage)
    stage.later(100)
    refuses(stage, "liquidator: already in auction")
    stage.pair.price(ETH, 1_700 * WAD)
    refuses(stage, "liquidator: already in auction")
    stage.fund("trader", 10_000)
    refuses(stage, "liquidator: already in auction")


def test_one_that_ran_dry_goes_on_within_a_call_period(stage):
    stage.sick()
    open_auction(stage)
    began = stage.pair.now
    stage.later(7_200)
    refuses(stage, "liquidator: already in auction")
    stage.later(1)
    with stage.pair.isolated():
        stage.pair.must("liquidator", "start", TRADER)
        # from the first discount on
        assert stage.ask("liquidator", "auction", TRADER) == began + 7_201
        assert tuple(stage.ask("liquidator", "quote", TRADER, WAD))[2] == wad("10.45")
    stage.later(3_599)
    with stage.pair.isolated():
        stage.pair.must("liquidator", "start", TRADER)
    stage.later(1)
    refuses(stage, FIRST)
    open_auction(stage)


def test_one_that_was_closed_does_not_go_on(stage):
    stage.sick()
    open_auction(stage)
    stage.pair.price(ETH, 2_000 * WAD)
    stage.pair.must("liquidator", "close", TRADER)
    stage.pair.price(ETH, 1_900 * WAD)
    refuses(stage, FIRST)


def test_one_that_a_bid_closed_does_not_go_on(auction):
    bid(auction)
    auction.pair.price(ETH, 1_700 * WAD)
    assert auction.ask("book", "state", TRADER) == 3
    refuses(auction, FIRST)


def test_a_sound_account(stage):
    stage.refuses(NOT, "liquidator", "start", OTHER)
    stage.bring("other", stage.weth, WAD)
    stage.refuses(NOT, "liquidator", "start", OTHER)
    stage.sick(300, 1_980)
    refuses(stage, NOT)
    assert stage.margin(TRADER).mm == wad("217.8")


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_feed(stage, way):
    stage.sick()
    stage.pair.must("liquidator", "call", TRADER)
    stage.later(URGENT + 1)
    reason = stage.kill_feed(ETH, way)
    refuses(stage, reason)


def test_stale_surfaces_do_not_stop_it(stage):
    stage.sick()
    stage.later(20_000)
    open_auction(stage)
    assert stage.ask("liquidator", "auction", TRADER) == NOW + 20_000 + URGENT + 1


# ------------------------------------------------------------------------------- what a report alone cannot do (I-41)


def tighten(stage):
    """A report under which the trader needs twice as much: gross 10 % of the notional."""
    stage.surfaces[ETH, 0] = (make_row(PERP, gross=100_000), make_row(SPOT, 1))
    stage.post()


def loosen(stage):
    stage.surfaces[ETH, 0] = (make_row(PERP), make_row(SPOT, 1))
    stage.post()


@pytest.fixture
def sound(stage):
    """The trader sound, with 300 over 286."""
    stage.sick(300, 2_000)
    return stage


def test_a_report_alone_starts_nothing(sound):
    tighten(sound)
    assert sound.ask("book", "state", TRADER) == 3
    refuses(sound, FIRST)
    sound.later(86_000)
    refuses(sound, FIRST)


def test_nor_do_parameters(sound):
    floors = Params(gross_base=(200_000,) * 4)
    sound.pair.must("oracle", "set_params", pack_rates(floors), pack_floors(floors), sender=OWNER)
    assert sound.ask("book", "state", TRADER) == 3
    refuses(sound, FIRST)


def test_nor_do_reports_that_tighten_and_loosen_by_turns(sound):
    for _ in range(3):
        tighten(sound)
        refuses(sound, FIRST)
        sound.later(URGENT + 1)
        refuses(sound, FIRST)
        loosen(sound)
        refuses(sound, NOT)
        sound.refuses("liquidator: not under the call line", "liquidator", "call", TRADER)
        sound.later(60)


def test_who_is_called_between_the_reports_can_be_cured_between_them(sound):
    tighten(sound)
    sound.pair.must("liquidator", "call", TRADER)
    sound.later(60)
    loosen(sound)
    sound.pair.must("liquidator", "cure", TRADER, sender=ATTACKER)
    sound.later(URGENT)
    tighten(sound)
    refuses(sound, FIRST)


def test_tightening_arrives_after_call_and_wait(sound):
    tighten(sound)
    sound.pair.must("liquidator", "call", TRADER)
    sound.later(URGENT)
    refuses(sound, FIRST)
    sound.later(1)
    sound.pair.must("liquidator", "start", TRADER)
    assert sound.ask("liquidator", "auction", TRADER) == sound.pair.now


def test_no_report_makes_equity_negative(sound):
    """What an account would be sold for at the marks: haircuts, scans, charges and floors are no part of it."""
    before = sound.margin(TRADER).equity_full
    tighten(sound)
    assert sound.margin(TRADER).equity_full == before
