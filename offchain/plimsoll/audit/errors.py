"""What an audit cannot do."""

from __future__ import annotations

from plimsoll.spec.errors import PlimsollError


class AuditError(PlimsollError):
    """A part could not be run: which, what was run, and the end of what it said."""
