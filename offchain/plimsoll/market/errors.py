"""What can be wrong with market data, by name.

PlimsollError
+-- MarketError
    +-- SourceError             a file or feed, with its row and what would be right
    |   +-- SourceNotFoundError     no such file, or no data folder
    |   +-- MalformedFileError      no header, a short row, text that is no number or time
    |   +-- MissingColumnError      no column for a time or a price
    |   +-- MissingPriceError       an empty or NaN price where none is allowed
    |   +-- NonPositivePriceError   a price at or under zero
    |   +-- InconsistentBarError    a high under, or a low over, another price of its bar
    |   +-- UnsortedTimesError      a time before the one above it
    |   +-- DuplicateTimesError     the same time twice
    |   +-- EmptyRangeError         nothing left in the range asked for
    +-- AggregationError
    |   +-- TooFewSourcesError      fewer live sources than a price needs
    |   +-- DuplicateSourceError    one source counted twice
    |   +-- SourcesDisagreeError    the sources that are left lie too far apart
    +-- SnapshotError           a snapshot that no engine should assess, or a file that is none
"""

from __future__ import annotations

from plimsoll.spec.errors import PlimsollError


class MarketError(PlimsollError):
    """Root of what is wrong with market data."""


class SourceError(MarketError):
    """A file or feed cannot be used.

    Parameters
    ----------
    source
        The file's path, or the feed's name.
    problem
        What was found.
    remedy
        What would be right.
    row
        The line of the file, its header being line 1; None where no one row is at fault.
    """

    def __init__(self, source: str, problem: str, remedy: str, row: int | None = None) -> None:
        where = source if row is None else f"{source}, row {row}"
        super().__init__(f"{where}: {problem}; {remedy}")
        self.source = source
        self.row = row
        self.problem = problem
        self.remedy = remedy


class SourceNotFoundError(SourceError):
    """The file, or the folder it should be in, is not there."""


class MalformedFileError(SourceError):
    """The text is not a table of times and numbers."""


class MissingColumnError(SourceError):
    """No column holds what is asked for."""


class MissingPriceError(SourceError):
    """A price is empty or NaN."""


class NonPositivePriceError(SourceError):
    """A price is zero or negative: its logarithm is no return."""


class InconsistentBarError(SourceError):
    """A bar's high or low does not hold its open and close."""


class UnsortedTimesError(SourceError):
    """Times do not rise."""


class DuplicateTimesError(SourceError):
    """A time comes twice."""


class EmptyRangeError(SourceError):
    """No row lies in the range."""


class AggregationError(MarketError):
    """Several sources make no price."""


class TooFewSourcesError(AggregationError):
    """Fewer sources are left than the price needs."""


class DuplicateSourceError(AggregationError):
    """A source is given twice: it would have two votes."""


class SourcesDisagreeError(AggregationError):
    """The sources that are left lie further apart than allowed."""


class SnapshotError(MarketError):
    """A snapshot is incomplete, contradicts itself or cannot be read."""
