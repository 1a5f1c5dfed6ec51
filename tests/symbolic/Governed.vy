# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Strangers are refused
@notice A contract in any state whose owner is a Timelock in any state, and a
        caller who holds no role in either. He calls any function that is not open
        to all, at any time, with any arguments.
"""


from . import cheats


# ------------------------------------------------------------------ interfaces


interface Subject:
    def pending_owner() -> address: view
    def is_guardian(who: address) -> bool: view
    def hasRole(role: bytes32, who: address) -> bool: view
    def breakers() -> address: view
    def oracle() -> address: view
    def book() -> address: view
    def liquidator() -> address: view


# ------------------------------------------------------------------- constants


SUBJECT: constant(Subject) = Subject(cheats.TARGET)
# as the registry says
QUOTE: constant(address) = 0x0000000000000000000000000000000000020001
BOOK: constant(address) = 0x0000000000000000000000000000000000020002
FUNDS_LIQUIDATOR: constant(address) = 0x0000000000000000000000000000000000020003


# -------------------------------------------------------------------- internal


@internal
def _stranger(name: String[32]) -> address:
    """
    @notice Stands the contract up, and names a caller who is neither its owner,
            nor becomes it, nor is a guardian.
    """
    cheats._governed(name)
    who: address = cheats._address("caller")
    cheats._assume(who != cheats.GOVERNANCE)
    cheats._assume(not staticcall Subject(cheats.GOVERNANCE).is_guardian(who))
    cheats._assume(staticcall SUBJECT.pending_owner() != who)
    return who


@internal
def _is_refused(name: String[32], who: address):
    cheats._holds(not cheats._try(who, cheats.TARGET, cheats._calldata(name)))


# ---------------------------------------------------------------------- checks


@external
def check_registry():
    who: address = self._stranger("Registry")
    cheats._assume(staticcall SUBJECT.breakers() != who)
    self._is_refused("Registry", who)


@external
def check_guardrails():
    who: address = self._stranger("Guardrails")
    cheats._assume(staticcall SUBJECT.oracle() != who)
    self._is_refused("Guardrails", who)


@external
def check_riskoracle():
    self._is_refused("RiskOracle", self._stranger("RiskOracle"))


@external
def check_indexfeed():
    self._is_refused("IndexFeed", self._stranger("IndexFeed"))


@external
def check_history():
    self._is_refused("History", self._stranger("History"))


@external
def check_breakers():
    self._is_refused("Breakers", self._stranger("Breakers"))


@external
def check_liquidator():
    self._is_refused("Liquidator", self._stranger("Liquidator"))


@external
def check_insurancefund():
    who: address = self._stranger("InsuranceFund")
    cheats._stand("MockToken", QUOTE)
    cheats._stand("MockCustody", BOOK)
    cheats._assume(who != FUNDS_LIQUIDATOR)
    self._is_refused("InsuranceFund", who)


@external
def check_mandates():
    who: address = self._stranger("Mandates")
    cheats._assume(staticcall SUBJECT.book() != who)
    self._is_refused("Mandates", who)


@external
def check_clearinghouse():
    who: address = self._stranger("Clearinghouse")
    cheats._stand("BackOffice", cheats.BEHIND)
    cheats._assume(staticcall SUBJECT.liquidator() != who)
    self._is_refused("Clearinghouse", who)


@external
def check_timelock():
    """
    @notice Here nobody owns: there are three roles, and the Timelock itself.
    """
    cheats._stand("Timelock", cheats.TARGET)
    cheats._warp(cheats._bits(40, "time"))
    who: address = cheats._address("caller")
    cheats._assume(who != cheats.TARGET)
    cheats._assume(not staticcall SUBJECT.hasRole(keccak256("PROPOSER_ROLE"), who))
    cheats._assume(not staticcall SUBJECT.hasRole(keccak256("GUARDIAN_ROLE"), who))
    self._is_refused("Timelock", who)
