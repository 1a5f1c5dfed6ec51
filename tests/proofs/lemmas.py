"""All proofs, registered by importing the modules that hold them."""

from __future__ import annotations

from tests.proofs import dutch_auction, fees, fixed, instruments, interest, settlement_price
from tests.proofs.prove import PROOFS

MODULES = (fixed, instruments, settlement_price, interest, fees, dutch_auction)

__all__ = ["MODULES", "PROOFS"]
