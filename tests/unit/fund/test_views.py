"""The views of InsuranceFund; each test besides compares them all after each of its steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.chain.artifacts import load
from plimsoll.spec.wad import WAD

from .bench import ALICE, BOB, BTC, DAY, ETH, MOST, VIEWS_OF_AMOUNTS, WEEK
from .conftest import made


def test_of_an_empty_fund(bench):
    assert bench.read("convertToShares", 5) == 5 * 10**6
    assert bench.read("convertToAssets", 5 * 10**6) == 5
    assert bench.read("convertToAssets", 5 * 10**6 - 1) == 4
    assert bench.read("previewMint", 1) == 1
    assert bench.read("previewWithdraw", 1) == 10**6
    assert bench.read("requested", ALICE) == (0, 0, 0)
    assert bench.read("cover") == bench.read("spent", BTC) == bench.read("available", BTC, 0) == 0


def test_available_is_the_least_of_three(bench):
    bench.enter(ALICE, 1_001 * bench.unit)
    assert bench.read("available", ETH, 0) == bench.read("cover") == 1_000 * WAD
    assert bench.read("available", ETH, 99_999 * WAD) == WAD
    bench.pay(400 * WAD)
    bench.must("set_caps", 300 * WAD, 500 * WAD, sender=bench.twin.fund.owner)
    assert bench.read("available", BTC, 0) == 300 * WAD
    assert bench.read("available", ETH, 0) == 100 * WAD


@pytest.mark.parametrize("name", VIEWS_OF_AMOUNTS)
def test_conversions_heed_no_limit_but_overflow(bench, name):
    bench.enter(ALICE, 1_000)
    bench.read(name, 10**60)
    assert isinstance(bench.on_chain(name, (MOST,), ALICE)[0], Exception)


@given(
    deposit=st.integers(1, 10**15),
    income=st.integers(0, 10**15),
    wait=st.integers(0, WEEK),
    loss=st.integers(0, 2 * 10**15),
    amount=st.integers(0, 10**18),
)
def test_rounding_is_for_the_fund(deposit, income, wait, loss, amount):
    bench = made(6)
    with bench.isolated():
        bench.enter(BOB, deposit)
        if income:
            bench.income(income)
        bench.later(wait)
        bench.must("set_caps", 10**27, 10**27, sender=bench.twin.fund.owner)
        bench.pay(loss * bench.scale)
        assets, shares = bench.price()
        # in: no more shares than are paid for; out: no more assets than are given up for
        assert bench.read("previewDeposit", amount) * assets <= amount * shares
        assert bench.read("previewMint", amount) * shares >= amount * assets
        assert bench.read("previewWithdraw", amount) * assets >= amount * shares
        assert bench.read("previewRedeem", amount) * shares <= amount * assets
        assert bench.read("previewRedeem", bench.read("previewDeposit", amount)) <= amount
        assert bench.read("previewWithdraw", bench.read("previewMint", amount)) >= amount


def test_the_claim_views_follow_the_window(bench):
    shares = bench.enter(ALICE, 1_000)
    bench.must("request", shares)
    for wait, open_ in ((WEEK - 1, False), (1, True), (2 * DAY, True), (1, False)):
        bench.later(wait)
        assert bench.read("maxRedeem", ALICE) == (shares if open_ else 0)
        assert bench.read("maxWithdraw", ALICE) == (1_000 if open_ else 0)


def test_the_interface_file_says_what_the_contract_says():
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.output import build_abi_output
    from vyper.compiler.phases import CompilerData

    from plimsoll.chain.artifacts import ROOT

    bundle = FilesystemInputBundle([ROOT / "contracts"])
    file = bundle.load_file(ROOT / "contracts" / "interfaces" / "IInsuranceFund.vyi")
    declared = build_abi_output(CompilerData(file, bundle))

    def told(abi):
        return {
            (
                entry["type"],
                entry["name"],
                *((part["type"], part.get("indexed")) for part in entry["inputs"]),
                *(part["type"] for part in entry.get("outputs", ())),
            )
            for entry in abi
            if entry["type"] in {"function", "event"}
        }

    assert told(declared) <= told(load("InsuranceFund").abi)
