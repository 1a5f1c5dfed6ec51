"""Errors of the keeper.

PlimsollError
+-- KeeperError
    +-- SettingsError   a settings file that is missing, malformed or contradicts itself
    +-- JournalError    the journal cannot be written, read or understood: nothing is sent then
    +-- SendingError    a transaction that is not sent
    |   +-- SpendingCapError      its key has spent what it may in a day
    |   +-- FeeCapError           a block would take more than the highest fee allowed
    +-- SourceDownError prices that cannot be had now; the next round tries again
    +-- ArchiveError    the archive cannot be written or read
    |   +-- NotArchivedError     what is asked for is not in it
    |   +-- CorruptArchiveError  what is in it is not what was written
    |   +-- NotPostedError       a transaction that posted no report
    +-- OrderLineError  a line of a file of standing orders (order_file.py)
    +-- ForkError       a fork for a drill that does not come up, or would be written to (fork.py)
    +-- PlatformError   a platform whose bot cannot be made (silverback_bot.py)
    +-- StatusError     what was read is no status of a keeper (status.py)
    +-- IndexStateError, IndexMismatchError, BlocksMovedError   of the account index (index/errors.py)
    +-- Halted          too many failures in a row: the keeper stops and says why
"""

from __future__ import annotations

from plimsoll.spec.errors import PlimsollError


class KeeperError(PlimsollError):
    """Root of the keeper's errors."""


class SettingsError(KeeperError):
    """A settings file that is missing, malformed or contradicts itself."""


class JournalError(KeeperError):
    """The journal cannot be written, read or understood."""


class SendingError(KeeperError):
    """A transaction that is not sent."""


class SpendingCapError(SendingError):
    """The key has spent what it may in a day."""


class FeeCapError(SendingError):
    """A block would take more than the highest fee allowed."""


class SourceDownError(KeeperError):
    """Prices that cannot be had now; the next round tries again."""


class ArchiveError(KeeperError):
    """The archive cannot be written or read."""


class NotArchivedError(ArchiveError):
    """What is asked for is not in the archive."""


class CorruptArchiveError(ArchiveError):
    """What is in the archive is not what was written."""


class NotPostedError(ArchiveError):
    """A transaction that posted no report, or not the one that was signed."""


class Halted(KeeperError):  # noqa: N818 - the name is what it says
    """Too many failures in a row."""
