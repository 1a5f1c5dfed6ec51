"""Lemmas of `InsuranceFund.vy`: shares and assets, and what drips in."""

from __future__ import annotations

from typing import Final

from tests.proofs.prove import Run, planted, proof
from tests.proofs.vyper import Num

FUND: Final = "InsuranceFund.vy"
MAX_ASSETS: Final = 10**27
MAX_SHARES: Final = 10**48


def _vault(run: Run, supply: Num, assets: Num) -> None:
    """The fund with so many shares, worth so much together."""
    run.machine.given["erc20.totalSupply"] = Num(supply.term, "uint256")
    run.machine.given["self._assets"] = lambda: Num(assets.term, "uint256")


def _start(run: Run) -> tuple[Num, Num, Num]:
    supply, held = run.int("supply", 0, MAX_SHARES), run.int("assets", 0, MAX_ASSETS)
    _vault(run, supply, held)
    return supply, held, run.machine.constant(FUND, "VIRTUAL")


@proof(
    "L-64",
    planted(
        FUND,
        "return fixed._mul_div_down(shares, self._assets() + 1, erc20.totalSupply + VIRTUAL)",
        "return fixed._mul_div_up(shares, self._assets() + 1, erc20.totalSupply + VIRTUAL)",
    ),
)
def in_and_out(run: Run) -> None:
    supply, held, virtual = _start(run)
    assets = run.int("deposit", 1, MAX_ASSETS)
    shares = run.call(FUND, "_shares_down", assets)
    run.claim(shares * (held + 1) <= assets * (supply + virtual), "shares down")
    _vault(run, supply + shares, held + assets)
    back = run.call(FUND, "_assets_down", shares)
    run.claim(back * (supply + shares + virtual) <= shares * (held + assets + 1), "assets down")
    run.claim(back * (supply + shares + virtual) <= assets * (supply + virtual + shares), "of what went in")
    run.claim(back <= assets, "no more than went in")


@proof(
    "L-65",
    planted(
        FUND,
        "return fixed._mul_div_up(shares, self._assets() + 1, erc20.totalSupply + VIRTUAL)",
        "return fixed._mul_div_down(shares, self._assets() + 1, erc20.totalSupply + VIRTUAL)",
    ),
)
def up_and_down(run: Run) -> None:
    supply, held, virtual = _start(run)
    shares = run.int("mint", 1, MAX_SHARES)
    cost = run.call(FUND, "_assets_up", shares)
    run.claim(cost * (supply + virtual) >= shares * (held + 1), "assets up")
    worth = run.call(FUND, "_assets_down", shares)
    run.claim(worth <= cost, "a mint is never cheaper than it redeems for, then and there")
    given = run.call(FUND, "_shares_down", cost)
    run.claim(given * (held + 1) <= cost * (supply + virtual), "shares down")
    burnt = run.call(FUND, "_shares_up", cost)
    run.claim(given <= burnt, "what a withdrawal burns is no less than what a deposit gives")


@proof(
    "L-66",
    planted(
        FUND,
        "return fixed._mul_div_down(assets, erc20.totalSupply + VIRTUAL, self._assets() + 1)",
        "return fixed._mul_div_up(assets, erc20.totalSupply + VIRTUAL, self._assets() + 1)",
    ),
)
def who_stays(run: Run) -> None:
    supply, held, virtual = _start(run)
    assets = run.int("deposit", 0, MAX_ASSETS)
    shares = run.call(FUND, "_shares_down", assets)
    # what a share is worth, before and after, times both divisors
    run.claim(
        (held + assets + 1) * (supply + virtual) >= (held + 1) * (supply + shares + virtual),
        "a deposit lowers no share's worth",
    )
    burnt = run.int("redeem", 0, supply)
    back = run.call(FUND, "_assets_down", burnt)
    run.claim(back * (supply + virtual) <= burnt * (held + 1), "assets down")
    run.claim(
        (held + 1 - back) * (supply + virtual) >= (held + 1) * (supply - burnt + virtual), "nor does a redemption"
    )


@proof(
    "L-67",
    planted(
        FUND,
        "return fixed._mul_div_up(income.locked, income.until - block.timestamp, income.until - income.since)",
        "return fixed._mul_div_up(income.locked, block.timestamp - income.since, income.until - income.since)",
    ),
)
def dripping(run: Run) -> None:
    locked = run.int("locked", 0, MAX_ASSETS)
    since, until = run.int("since", 0, 2**40), run.int("until", 0, 2**40)
    sooner, later = run.int("sooner", 0, 2**41), run.int("later", 0, 2**41)
    run.assume(since <= sooner)
    run.assume(sooner <= later)
    run.machine.given["self._income"] = {
        "locked": Num(locked.term, "uint256"),
        "since": Num(since.term, "uint256"),
        "until": Num(until.term, "uint256"),
    }
    found = []
    if run.when(later < until):
        run.claim(locked * (until - later) <= locked * (until - sooner), "less time, less is left")
    if run.when(sooner < until):
        run.claim(locked * (until - sooner) <= locked * (until - since), "than at first")
    for now in (sooner, later):
        run.machine.given["block.timestamp"] = Num(now.term, "uint256")
        found.append(run.call(FUND, "_locked"))
    run.claim(found[0] <= locked, "no more than came in")
    run.claim(found[1] <= found[0], "never more than before")
    run.claim(found[1] >= 0, "never negative")
    if run.when(later >= until):
        run.claim(found[1].equals(0), "and done in its time")
    # what comes in on top waits the mean of both times, by amount: no longer than a drip
    left, income = run.int("left", 0, run.machine.constant(FUND, "DRIP")), run.int("income", 1, MAX_ASSETS)
    drip = run.machine.constant(FUND, "DRIP")
    run.claim(locked * left <= locked * drip, "times what is left")
    wait = run.run(
        FUND,
        "collect",
        "wait: uint256 = fixed._div_up(locked * left + income * DRIP, locked + income)",
        locked=Num(locked.term, "uint256"),
        left=Num(left.term, "uint256"),
        income=Num(income.term, "uint256"),
    )["wait"]
    run.claim((wait - 1 - drip) * (locked + income) < 0, "the mean of both")
    run.claim(wait <= drip, "within a drip")
