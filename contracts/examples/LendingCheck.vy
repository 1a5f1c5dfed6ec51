# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma evm-version cancun
"""
@title LendingCheck
@notice An example of who reads RiskOracle: a lending market that lends against
        a basket of collateral tokens and positions, and asks how much. A basket
        is a list of position words, as `docs/ORACLE.md` lays them out; a debt is
        the ledger, negative. Units: money [wad]. Rounding: against the borrower.
@custom:security It keeps nothing and trusts the oracle for risk and index. New
        loans need data that is fresh; a repayment needs none, so ask nothing
        then. Where an index is dead, `assess` reverts with the feed's reason.
@custom:kill Nothing to switch off.
"""


# --------------------------------------------------------------------- imports


from ..interfaces import IRiskOracle


# ------------------------------------------------------------------- constants


MAX_POSITIONS: constant(uint256) = 127
MAX_DEBT: constant(uint256) = 10**36  # [wad] as much as a ledger may hold


# ------------------------------------------------------------------ immutables


ORACLE: immutable(IRiskOracle)


# ----------------------------------------------------------------- constructor


@deploy
def __init__(oracle: address):
    assert oracle.is_contract, "lending: no oracle there"
    ORACLE = IRiskOracle(oracle)


# -------------------------------------------------------------------- external


@external
@view
def may_owe(basket: DynArray[uint256, MAX_POSITIONS], debt: uint256) -> bool:
    """
    @notice Whether a basket carries this debt with initial margin left: the
            question before a loan.
    """
    found: IRiskOracle.Assessment = self._assessed(basket, debt)
    assert found.fresh, "lending: risk data too old to lend on"
    return found.equity_haircut >= convert(found.im, int256)


@external
@view
def is_safe(basket: DynArray[uint256, MAX_POSITIONS], debt: uint256) -> bool:
    """
    @notice Whether a debt that stands may go on standing: maintenance margin,
            on data of any age, since old data must not free a borrower.
    """
    found: IRiskOracle.Assessment = self._assessed(basket, debt)
    return found.equity_haircut >= convert(found.mm, int256)


@external
@view
def shortfall(basket: DynArray[uint256, MAX_POSITIONS], debt: uint256) -> uint256:
    """
    @notice How much the borrower has to bring to be safe again; zero if he is.
    """
    found: IRiskOracle.Assessment = self._assessed(basket, debt)
    return convert(max(0, convert(found.mm, int256) - found.equity_haircut), uint256)


# -------------------------------------------------------------------- internal


@internal
@view
def _assessed(basket: DynArray[uint256, MAX_POSITIONS], debt: uint256) -> IRiskOracle.Assessment:
    assert debt <= MAX_DEBT, "lending: debt over the maximum"
    return staticcall ORACLE.assess(basket, -convert(debt, int256))
