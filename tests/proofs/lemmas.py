"""All proofs, registered by importing the modules that hold them."""

from __future__ import annotations

from tests.proofs import (
    book,
    dutch_auction,
    fees,
    fixed,
    guardrails,
    history,
    instruments,
    insurance_fund,
    interest,
    margin,
    params,
    risk_oracle,
    settlement_price,
    surface,
)
from tests.proofs.prove import PROOFS

MODULES = (
    fixed,
    instruments,
    surface,
    margin,
    risk_oracle,
    settlement_price,
    interest,
    fees,
    dutch_auction,
    book,
    history,
    guardrails,
    insurance_fund,
    params,
)

__all__ = ["MODULES", "PROOFS"]
