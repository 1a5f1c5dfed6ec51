"""Who may set what: tightening is immediate, loosening waits. Twin of `contracts/modules/authority.vy`.

The owner passes always; where a change is safer in every field, so do the guardians that the owner names. `guardians`
says of an owner and somebody whether he is one: the Timelock's answer, and no where the owner is no contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from plimsoll.spec.errors import require

Guardians = Callable[[int, int], bool]

NOT_OWNER: Final = "ownable: caller is not the owner"


def _nobody(_: int, __: int) -> bool:
    return False


NOBODY: Final[Guardians] = _nobody  # of an owner that is no contract


def check(owner: int, sender: int, is_safer: bool, guardians: Guardians) -> None:  # noqa: FBT001 - as the contract has it
    """Refuse whoever may not make a change; `is_safer` where no field of it is looser than before."""
    require(sender == owner or (is_safer and guardians(owner, sender)), NOT_OWNER)
