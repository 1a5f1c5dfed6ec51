"""Errors of the keeper.

PlimsollError
+-- KeeperError
    +-- SettingsError   a settings file that is missing, malformed or contradicts itself
    +-- SourceDownError prices that cannot be had now; the next round tries again
    +-- Halted          too many failures in a row: the keeper stops and says why
"""

from __future__ import annotations

from plimsoll.spec.errors import PlimsollError


class KeeperError(PlimsollError):
    """Root of the keeper's errors."""


class SettingsError(KeeperError):
    """A settings file that is missing, malformed or contradicts itself."""


class SourceDownError(KeeperError):
    """Prices that cannot be had now; the next round tries again."""


class Halted(KeeperError):  # noqa: N818 - the name is what it says
    """Too many failures in a row."""
