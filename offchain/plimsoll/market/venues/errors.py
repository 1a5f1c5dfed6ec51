"""Errors of live prices.

MarketError
+-- VenueError
    +-- VenueSettingError   an exchange, a symbol or a limit that cannot be meant
    +-- VenueDownError      no answer: refused, timed out, too slow, too long, turned away
    |   +-- VenueBusyError      asked too often, it says
    +-- VenueAnswerError    an answer that cannot be used
    +-- RecordError         rounds that cannot be written or read
"""

from __future__ import annotations

from plimsoll.market.errors import MarketError


class VenueError(MarketError):
    """Root of what is wrong with live prices."""


class VenueSettingError(VenueError):
    """An exchange, a symbol or a limit that cannot be meant."""


class VenueDownError(VenueError):
    """No answer: refused, timed out, too slow, too long, turned away."""


class VenueBusyError(VenueDownError):
    """Asked too often, it says."""


class VenueAnswerError(VenueError):
    """An answer that cannot be used."""


class RecordError(VenueError):
    """Rounds that cannot be written or read."""
