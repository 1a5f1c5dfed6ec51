"""What can go wrong between a snapshot and a report, by name.

PlimsollError
+-- RiskError
    +-- TooFewObservationsError   a history too short to measure anything on
    +-- ReturnError               a return is NaN or infinite, or all are zero
    +-- ModelError                a parameter out of its range, or a model that left an underlying out
    +-- ScenarioError             a scan range or volatility shift that makes no scenarios
    +-- PricingError              an input that no option price is defined for
    +-- LaneRangeError            a lane, mark or Greek that does not fit its field
    +-- ListingError              rows with gaps or repeats, an expired instrument
    +-- ReportError               a report too large, or one that goes back in time
    +-- SigningError              a digest or key that cannot sign
"""

from __future__ import annotations

from collections.abc import Iterable

from plimsoll.spec.errors import PlimsollError


class RiskError(PlimsollError):
    """Root of what the engine refuses."""


class TooFewObservationsError(RiskError):
    """Fewer returns than the estimate needs."""

    def __init__(self, what: str, found: int, needed: int) -> None:
        super().__init__(f"{what}: {found} returns, at least {needed} are needed")
        self.found = found
        self.needed = needed


class ReturnError(RiskError):
    """Returns that no volatility can be measured on."""


class ModelError(RiskError):
    """A model's parameter or answer is out of range."""


class ScenarioError(RiskError):
    """No scenario set can be made from these numbers."""


class PricingError(RiskError):
    """An input is outside what the formula is defined for."""


class LaneRangeError(RiskError):
    """A number of a row does not fit its field: it is refused, never cut off."""


class ListingError(RiskError):
    """The instruments listed on one expiry make no surface."""


class ReportError(RiskError):
    """The parts make no report that the oracle would take."""


class SigningError(RiskError):
    """Nothing can be signed with this."""


def check_bounds(config: object, bounds: Iterable[tuple[str, float, float]]) -> None:
    """Refuse a parameter outside its bounds, given as (name, lowest, highest).

    Raises
    ------
    ModelError
        Names it.
    """
    for name, low, high in bounds:
        value = getattr(config, name)
        if not low <= value <= high:
            raise ModelError(f"{name} {value}; {low} .. {high} is right")
