"""Errors of the simulations.

PlimsollError
+-- SimulationError   a replay that cannot be set up from what it was given
"""

from __future__ import annotations

from plimsoll.spec.errors import PlimsollError


class SimulationError(PlimsollError):
    """A replay that cannot be set up from what it was given."""
