"""Errors of the account index.

KeeperError
+-- IndexStateError       an index that cannot be used, or that cannot take an event
|   +-- IndexVersionError     of a schema that is not known here
|   +-- ForeignIndexError     of another deployment
+-- IndexMismatchError    what the chain says of an account is not what its events gave
+-- BlocksMovedError      the chain was another when it was looked at again; the next look begins anew
"""

from __future__ import annotations

from plimsoll.keeper.errors import KeeperError


class IndexStateError(KeeperError):
    """An index that cannot be used, or that cannot take an event."""


class IndexVersionError(IndexStateError):
    """A schema that is not known here."""


class ForeignIndexError(IndexStateError):
    """The index of another deployment."""


class IndexMismatchError(KeeperError):
    """What the chain says of an account is not what its events gave."""


class BlocksMovedError(KeeperError):
    """The chain was another when it was looked at again."""
