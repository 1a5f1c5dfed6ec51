"""What can be wrong with a back-test."""

from __future__ import annotations

from plimsoll.spec.errors import PlimsollError


class BacktestError(PlimsollError):
    """A back-test that cannot be run as it was asked for."""
