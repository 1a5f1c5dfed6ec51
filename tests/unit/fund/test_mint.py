"""InsuranceFund.mint: shares out, for tokens rounded up."""

from plimsoll.spec.fund import MAX_SHARES, VIRTUAL
from plimsoll.spec.wad import MAX_QUANTITY

from .bench import ALICE, BOB, MOST, WEEK


def test_assets_round_up(bench):
    bench.give(ALICE, 100)
    assert bench.must("mint", 1, ALICE) == 1
    assert bench.must("mint", VIRTUAL, ALICE) == 2
    assert bench.must("mint", 3 * VIRTUAL, BOB) == 6
    assert bench.read("balanceOf", BOB) == 3 * VIRTUAL


def test_as_its_preview_says(bench):
    bench.enter(ALICE, 1_000)
    bench.income(777)
    bench.later(12_345)
    said = bench.read("previewMint", 501_001)
    bench.give(BOB, said)
    assert bench.must("mint", 501_001, BOB, sender=BOB) == said


def test_zero_shares(bench):
    bench.refuses("fund: zero shares", "mint", 0, ALICE)


def test_receiver(bench):
    bench.give(ALICE, 10)
    bench.refuses("fund: zero address", "mint", 10, 0)
    bench.refuses("fund: receiver is the fund", "mint", 10, bench.at)
    assert bench.read("maxMint", 0) == bench.read("maxMint", bench.at) == 0


def test_over_the_maximum(any_bench):
    bench = any_bench
    most = bench.read("maxMint", ALICE)
    assert most == MAX_QUANTITY // bench.scale * VIRTUAL < MAX_SHARES
    bench.give(ALICE, MAX_QUANTITY // bench.scale)
    bench.refuses("fund: over the maximum", "mint", most + 1, ALICE)
    bench.refuses("fund: over the maximum", "mint", MOST, ALICE)
    bench.must("mint", most, ALICE)
    assert bench.read("maxMint", ALICE) == 0
    assert bench.has(ALICE) == 0


def test_the_maximum_after_gains_and_losses(bench):
    bench.enter(ALICE, 10 * bench.unit)
    bench.pay(bench.wad(8))
    bench.income(1_234_567)
    bench.later(WEEK // 3)
    most = bench.read("maxMint", BOB)
    bench.give(BOB, MAX_QUANTITY)
    bench.must("mint", most, BOB, sender=BOB)


def test_tokens_that_are_not_there(bench):
    bench.refuses("", "mint", 1, ALICE)
