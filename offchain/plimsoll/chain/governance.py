"""What the Timelock is built with: the selectors of the functions that wait longest, from the contracts themselves."""

from __future__ import annotations

from typing import Final

from plimsoll.chain.artifacts import load_all
from plimsoll.chain.contract import interface_of
from plimsoll.spec.timelock import SLOWEST

# contracts that the Timelock owns
OWNED: Final = (
    "IndexFeed",
    "Guardrails",
    "RiskOracle",
    "History",
    "Registry",
    "Mandates",
    "Clearinghouse",
    "Liquidator",
    "InsuranceFund",
    "Breakers",
)


def slowest() -> list[bytes]:
    """Selectors of every function of these names that a contract has, ascending.

    Raises
    ------
    ValueError
        Where no contract has a function of a name: it was renamed, and would not wait.
    """
    found: dict[str, set[bytes]] = {name: set() for name in SLOWEST}
    for artifact in load_all(OWNED).values():
        functions = interface_of(artifact).functions
        for name in SLOWEST:
            # of one name there is a function for each default argument
            found[name].update(function.selector for function in functions.get(name, {}).values())
    missing = [name for name, selectors in found.items() if not selectors]
    if missing:
        raise ValueError(f"no contract has a function {', '.join(missing)}")
    return sorted(set().union(*found.values()))
