# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title What a symbolic check may do to the world
@notice Calls of halmos's cheat codes, and the way a check says that its sentence
        is false: the revert data of a failed assertion, which halmos looks for.
        A plain revert of a check is a path that is left out, so checks compute
        with operations that cannot revert.
"""


# ------------------------------------------------------------------ interfaces


interface Vm:
    def assume(condition: bool): nonpayable
    def getCode(path: String[37]) -> Bytes[28_000]: view
    def etch(who: address, code: Bytes[28_000]): nonpayable
    def store(who: address, slot: bytes32, word: bytes32): nonpayable
    def load(who: address, slot: bytes32) -> bytes32: view
    def prank(who: address): nonpayable
    def warp(time: uint256): nonpayable


interface Svm:
    def enableSymbolicStorage(who: address): nonpayable
    def createCalldata(contract: String[32]) -> Bytes[6_000]: nonpayable
    def createUint256(name: String[32]) -> uint256: nonpayable
    def createUint(bits: uint256, name: String[32]) -> uint256: nonpayable
    def createBytes(size: uint256, name: String[32]) -> Bytes[2_000]: nonpayable
    def createAddress(name: String[32]) -> address: nonpayable


# ------------------------------------------------------------------- constants


VM: constant(address) = 0x7109709ECfa91a80626fF3989D68f67F5b1DD12D
SVM: constant(address) = 0xF3993A62377BCd56AE39D773740A5390411E8BC9
# [byte] of the calldata with a selector of no function, which halmos adds to
# those of a contract's functions: a selector read from memory at a place that is
# not a number is more than it can follow
NO_FUNCTION: constant(uint256) = 1_028
# addresses that checks give to what they stand up, and to the contracts' others
TARGET: constant(address) = 0x0000000000000000000000000000000000010001
GOVERNANCE: constant(address) = 0x0000000000000000000000000000000000010002
BEHIND: constant(address) = 0x0000000000000000000000000000000000010003


# -------------------------------------------------------------------- internal


@internal
def _assume(condition: bool):
    """
    @notice Leaves out every path where this is false.
    """
    extcall Vm(VM).assume(condition, skip_contract_check=True)


@internal
def _holds(condition: bool):
    """
    @notice The sentence: a path where this can be false is a counterexample.
    """
    if not condition:
        raw_revert(concat(method_id("Panic(uint256)"), convert(1, bytes32)))


@internal
def _stand(name: String[32], where: address):
    """
    @notice Puts the compiled contract `name` at an address, with any storage
            whatever.
    """
    code: Bytes[28_000] = staticcall Vm(VM).getCode(concat("code/", name), skip_contract_check=True)
    extcall Vm(VM).etch(where, code, skip_contract_check=True)
    extcall Svm(SVM).enableSymbolicStorage(where, skip_contract_check=True)


@internal
def _calldata(name: String[32]) -> Bytes[6_000]:
    """
    @notice Calldata of any function of `name` that changes state, with any
            arguments.
    """
    data: Bytes[6_000] = extcall Svm(SVM).createCalldata(name, skip_contract_check=True)
    self._assume(len(data) > 3 and len(data) != NO_FUNCTION)
    return data


@internal
def _uint(name: String[32]) -> uint256:
    return extcall Svm(SVM).createUint256(name, skip_contract_check=True)


@internal
def _bits(bits: uint256, name: String[32]) -> uint256:
    return extcall Svm(SVM).createUint(bits, name, skip_contract_check=True)


@internal
def _bytes(size: uint256, name: String[32]) -> Bytes[2_000]:
    return extcall Svm(SVM).createBytes(size, name, skip_contract_check=True)


@internal
def _address(name: String[32]) -> address:
    return extcall Svm(SVM).createAddress(name, skip_contract_check=True)


@internal
def _load(who: address, slot: uint256) -> uint256:
    return convert(staticcall Vm(VM).load(who, convert(slot, bytes32), skip_contract_check=True), uint256)


@internal
def _store(who: address, slot: uint256, word: uint256):
    extcall Vm(VM).store(who, convert(slot, bytes32), convert(word, bytes32), skip_contract_check=True)


@internal
def _warp(time: uint256):
    extcall Vm(VM).warp(time, skip_contract_check=True)


@internal
def _try(who: address, target: address, data: Bytes[6_000]) -> bool:
    """
    @notice Whether a call by `who` goes through.
    """
    extcall Vm(VM).prank(who, skip_contract_check=True)
    return raw_call(target, data, revert_on_failure=False)


@internal
def _governed(name: String[32]):
    """
    @notice Stands a contract up, at any time, whose owner is a Timelock.
    """
    self._stand(name, TARGET)
    self._stand("Timelock", GOVERNANCE)
    self._store(TARGET, 0, convert(GOVERNANCE, uint256))
    self._warp(self._bits(40, "time"))


@internal
@pure
def _field(word: uint256, place: uint256, bits: uint256) -> uint256:
    """
    @notice So many bits of a word, from a place on.
    """
    return (word >> place) & (max_value(uint256) >> unsafe_sub(256, bits))


@internal
@pure
def _is_within(low: uint256, number: uint256, high: uint256) -> bool:
    return low <= number and number <= high
