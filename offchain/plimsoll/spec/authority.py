"""Who may set what: tightening is immediate, loosening waits. Twin of `contracts/modules/authority.vy`.

The owner passes always; where a change is safer in every field, so do the guardians that the owner names. `guardians`
says by owner who they are: the Timelock's, whose set is shared, and nobody's where the owner is no contract.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from plimsoll.spec.errors import require

Guardians = Mapping[int, Container[int]]

NOBODY: Final[Guardians] = {}
NOT_OWNER: Final = "ownable: caller is not the owner"


def check(owner: int, sender: int, is_safer: bool, guardians: Guardians) -> None:  # noqa: FBT001 - as the contract has it
    """Refuse whoever may not make a change; `is_safer` where no field of it is looser than before."""
    require(sender == owner or (is_safer and is_guardian(owner, sender, guardians)), NOT_OWNER)


def is_guardian(owner: int, who: int, guardians: Guardians) -> bool:
    """Whether the owner names him its guardian."""
    return who in guardians.get(owner, ())
