"""Errors of the chain layer.

    PlimsollError
    +-- ChainError
        +-- CompileError      a contract does not compile; the compiler's message is in it
        +-- AbiError          arguments that do not fit a function, or bytes that do not decode
        +-- NodeError         the node does not answer, or answers out of order
        |   +-- RefusedByNodeError  it answers, and will not: a nonce too low, a method it lacks
        +-- ExecutionError    a transaction halts (out of gas, invalid opcode): no revert, and no reason
        +-- DeploymentError   an address book or a configuration that describes no deployment

What a contract refuses is `plimsoll.spec.errors.Refused`, not an error of this layer.
"""

from __future__ import annotations

from plimsoll.spec.errors import PlimsollError


class ChainError(PlimsollError):
    """Root of the chain layer's errors."""


class CompileError(ChainError):
    """A contract does not compile."""


class AbiError(ChainError):
    """Arguments that do not fit a function, a name that is not there, or bytes that do not decode."""


class NodeError(ChainError):
    """The node does not answer, or refuses for a reason that is not a contract's."""


class RefusedByNodeError(NodeError):
    """The node answers, and will not."""


class ExecutionError(ChainError):
    """A transaction halts without a revert: out of gas, an invalid opcode, a call too deep."""


class DeploymentError(ChainError):
    """An address book or a configuration that describes no deployment."""
