"""Lemmas of `modules/dutch_auction.vy` and of the Liquidator's offers."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, planted, proof
from tests.proofs.vyper import Num, Struct

AUCTION: Final = "modules/dutch_auction.vy"
LIQUIDATOR: Final = "Liquidator.vy"
PPM: Final = 10**6
WAD: Final = 10**18
MAX_MONEY: Final = 10**64  # [wad] over any equity or requirement that 127 positions can make


def _ramp(run: Run) -> tuple[Num, Num]:
    """A ramp and a start that the configuration allows."""
    ramp = run.int("ramp", run.machine.constant(LIQUIDATOR, "MIN_RAMP"), run.machine.constant(LIQUIDATOR, "MAX_RAMP"))
    return ramp, run.int("start", 0, run.machine.constant(LIQUIDATOR, "MAX_START"))


@proof(
    "L-42",
    planted(
        AUCTION,
        "return start + fixed._mul_div_down(fixed.PPM - start, elapsed, ramp)",
        "return start + fixed._mul_div_down(fixed.PPM, elapsed, ramp)",
        "the share grows by the whole, not by the rest",
    ),
)
def share_grows(run: Run) -> None:
    ramp, start = _ramp(run)
    sooner, later = run.int("sooner", 0, 2**48), run.int("later", 0, 2**48)
    run.assume(sooner <= later)
    run.total = True
    one = run.call(AUCTION, "_share", sooner, ramp, start)
    two = run.call(AUCTION, "_share", later, ramp, start)
    run.claim(one >= start, "not under its start")
    run.claim(two <= PPM, "not over the whole")
    run.claim(one <= two, "it never falls")


@proof(
    "L-43",
    planted(
        AUCTION, "convert(full - haircut, uint256) + mm, share", "convert(full - haircut, uint256) + mm, share + 1"
    ),
)
def discount(run: Run) -> None:
    haircut = run.int("haircut", -MAX_MONEY, MAX_MONEY)
    cut = run.int("cut", 0, MAX_MONEY)
    mm = run.int("mm", 0, MAX_MONEY)
    one, two = run.int("share", 0, PPM), run.int("later", 0, PPM)
    run.assume(one <= two)
    run.total = True
    less = run.call(AUCTION, "_discount", haircut + cut, haircut, mm, one)
    more = run.call(AUCTION, "_discount", haircut + cut, haircut, mm, two)
    run.claim(less >= 0, "not negative")
    run.claim(more <= cut + mm, "not over the whole")
    run.claim(less <= more, "it never falls")
    run.claim(less * PPM >= (cut + mm) * one, "up: for the bidder")


@proof(
    "L-44",
    planted(
        LIQUIDATOR,
        "found.equity_full > convert(offer.discount, int256)",
        "found.equity_full != convert(offer.discount, int256)",
    ),
)
def price_falls(run: Run) -> None:
    # the share never falls with time: L-42
    shares = [run.int("sooner", 0, PPM), run.int("later", 0, PPM)]
    run.assume(shares[0] <= shares[1])
    prices: list[Num] = []
    full, cut, mm = run.int("equity", -MAX_MONEY, MAX_MONEY), run.int("cut", 0, MAX_MONEY), run.int("mm", 0, MAX_MONEY)
    run.total = True
    for share in shares:
        taken = run.call(AUCTION, "_discount", full, full - cut, mm, share)
        offer = Struct({"discount": taken, "cap": Num(WAD, "uint256")})
        found = Struct({"equity_full": Num(full.term, "int256")})
        price = Num(0)
        # the branch of `_offer` that sets a price, and its price
        is_priced = run.value(
            LIQUIDATOR, "_offer", "found.equity_full > convert(offer.discount, int256)", found=found, offer=offer
        )
        if run.when(is_priced):
            price = run.value(
                LIQUIDATOR,
                "_offer",
                "convert(found.equity_full, uint256) - offer.discount",
                found=found,
                offer=offer,
            )
        run.claim(price >= 0, "never under nothing")
        if run.when(full > 0):
            run.claim(price <= full, "nor over equity")
        prices.append(price)
    run.claim(prices[1] <= prices[0], "it only falls")


@proof(
    "L-45",
    planted(
        AUCTION, "fixed._mul_div_up(need, fixed.WAD, net + need)", "fixed._mul_div_down(need, fixed.WAD, net + need)"
    ),
)
def restores(run: Run) -> None:
    haircut, im = run.int("haircut", -MAX_MONEY, MAX_MONEY), run.int("im", 0, MAX_MONEY)
    net = run.int("net", 0, 2 * MAX_MONEY)
    run.assume(haircut < im)
    # MAX_MONEY * WAD is over a word: what the contract cannot multiply it refuses
    f = run.call(AUCTION, "_fraction", haircut, im, net)
    run.claim(f > 0, "something is taken")
    run.claim(f <= WAD, "at most all")
    # (1 - f) E_h + f net >= (1 - f) IM, as f (net - E_h + IM) >= IM - E_h
    run.claim(f * (net + im - haircut) >= (im - haircut) * WAD, "the rest is at initial margin")


@proof(
    "L-46",
    planted(
        LIQUIDATOR,
        "offer.fee = min(offer.payment, fixed._mul_div_up(fee, offer.fraction, fixed.WAD))",
        "offer.fee = fixed._mul_div_up(fee, offer.fraction, fixed.WAD)",
        "the fee is not cut at the payment",
    ),
)
def payment(run: Run) -> None:
    price, fee = run.int("price", 0, 10**58), run.int("fee", 0, 10**58)
    run.assume(fee <= price)
    cap, wanted = run.int("cap", 1, WAD), run.int("wanted", 1)
    run.assume(wanted < 2**256)
    offer = Struct({"cap": Num(cap.term, "uint256"), "fraction": Num(0), "payment": Num(0), "fee": Num(0)})
    run.total = True
    for text in (
        "offer.fraction = min(wanted, offer.cap)",
        "offer.payment = fixed._mul_div_down(price, offer.fraction, fixed.WAD)",
        "offer.fee = min(offer.payment, fixed._mul_div_up(fee, offer.fraction, fixed.WAD))",
    ):
        local = {"offer": offer, "wanted": Num(wanted.term, "uint256"), "price": Num(price.term, "uint256")}
        run.run(LIQUIDATOR, "_offer", text, fee=Num(fee.term, "uint256"), **local)
    run.claim(offer["fraction"] <= cap, "no more than the cap")
    run.claim(offer["payment"] * WAD <= price * offer["fraction"], "no more than its part, down")
    run.claim(offer["fee"] <= offer["payment"], "the fee comes out of the payment")
    run.claim(offer["fee"] >= 0, "and is none of the fund's to pay")


@proof(
    "L-47",
    planted(LIQUIDATOR, "max(bonus - found.equity_full, 0)", "max(bonus - found.equity_full, 1)"),
)
def due(run: Run) -> None:
    equity, mm = run.int("equity", -(10**40), 10**40), run.int("mm", 0, 10**40)
    bonus = run.int("bonus", 0, run.machine.constant(LIQUIDATOR, "MAX_BONUS"))
    share, fraction = run.int("share", 0, PPM), run.int("fraction", 0, WAD)
    offer = Struct({"fraction": Num(fraction.term, "uint256"), "due": Num(0)})
    run.machine.given["self.config.bonus"] = Num(bonus.term, "uint256")
    found = Struct({"mm": Num(mm.term, "uint256"), "equity_full": Num(equity.term, "int256")})
    run.total = True
    local: dict[str, object] = {"found": found, "offer": offer, "share": Num(share.term, "uint256")}
    for text in (
        "bonus: int256 = convert(fixed._mul_div_down(found.mm, self.config.bonus, fixed.PPM), int256)",
        "owed: uint256 = convert(max(bonus - found.equity_full, 0), uint256)",
        "offer.due = fixed._mul_div_down(fixed._mul_div_down(owed, share, fixed.PPM), offer.fraction, fixed.WAD)",
    ):
        local = run.run(LIQUIDATOR, "_offer", text, **local)
    run.claim(local["bonus"] * PPM <= mm * bonus, "the bonus is its part of MM, down")  # type: ignore[operator]
    if run.when(equity >= local["bonus"]):
        run.claim(offer["due"].equals(0), "nothing where equity covers the bonus")
    else:
        run.claim(offer["due"] <= local["bonus"] - equity, "at most what is lacking")
        run.claim(offer["due"] >= 0, "not negative")


@proof(
    "L-48",
    planted(LIQUIDATOR, 'assert ripe, "liquidator: call first"', "assert is_under", "a call is not asked for"),
)
def start_after_call(run: Run) -> None:
    now = run.int("now", 1, 2**40)
    haircut, full = run.int("haircut", -MAX_MONEY, MAX_MONEY), run.int("full", 0, MAX_MONEY)
    mm, line = run.int("mm", 0, MAX_MONEY), run.int("line", 0, MAX_MONEY)
    ripe, deadline = run.int("ripe", 0, 2**41), run.int("deadline", 0, 2**41)
    is_called, was_dry = run.int("is_called", 0, 1), run.int("was_dry", 0, 1)
    end, period = run.int("end", 1, 2**41), run.int("call_period", 0, 2**20)
    called = is_called * (ripe * 2**128 + deadline * 2**64 + 1)
    given = run.machine.given
    given["self._check_running"] = lambda: Num(0, "uint256")
    given["self._auction"] = lambda _: Num(0, "uint256")
    given["BOOK.margin"] = lambda _: Struct(
        {
            "equity_haircut": Num(haircut.term, "int256"),
            "equity_full": Num(full.term, "int256"),
            "mm": Num(mm.term, "uint256"),
            "call_line": Num(line.term, "uint256"),
        }
    )
    given["self._called"] = lambda _: Num(called.term, "uint256")
    given["self._auctions"] = {0: Num(was_dry.term, "uint256")}
    given["self._end"] = lambda _: Num(end.term, "uint256")
    given["self.config.call_period"] = Num(period.term, "uint256")
    given["block.timestamp"] = Num(now.term, "uint256")
    given["self._calls"], given["self._paid"] = {}, {}
    given["self.config.ramp"] = given["self.config.start_discount"] = Num(1, "uint256")
    given["self._record"] = lambda *_: None
    run.call(LIQUIDATOR, "start", Num(0, "uint256"))
    # it was not refused, with E_m >= 0
    late = run.when(is_called.equals(1)) and run.when(now > deadline) and run.when(haircut < line)
    if not late:
        run.claim(haircut < mm, "it is under MM")
        if not (run.when(is_called.equals(1)) and run.when(now > ripe)):
            run.claim(was_dry.equals(1), "else the last auction ran dry")
            run.claim(now <= end + period, "a call period ago at most")
