"""What the keeper says while it runs: an event a line, as JSON, or as text where somebody looks; never a secret.

Three nets, each for what falls through the one before:

1. secrets that are known, because they were read here (`Secrets.know`): wherever they stand, in whatever spelling;
2. fields whose name says so (`private_key`, `passphrase`, ...);
3. what looks like one: 64 hexadecimal digits that nothing names a hash, what an Authorization header carries, and of a
   URL everything but scheme, host, port and plain words of its path.

A line is made, then searched as a whole, tracebacks too. Rather a hash too few than a key too many.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO
from urllib.parse import quote, quote_plus, urlsplit

from plimsoll.keeper.recorder import Recorder

REDACTED: Final = "[redacted]"
NAME: Final = "plimsoll"  # of the logger all others hang under
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
SHORTEST: Final = 6  # a known secret of fewer characters would black out half of every line

_URL: Final = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>\\]+")
_AFTER: Final = ".,;:!)]}|"  # what stands behind a URL in a sentence, and is none of it
_PATH: Final = re.compile(r"(?<=url: )/[^\s\"'<>()]*")  # how requests and urllib3 quote a URL without its host
_HEADER: Final = re.compile(r"\b(Bearer|Basic|Token)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z][a-z]{0,15}|v\d{1,2}|\d{1,2}")  # of a path: what no provider makes a token of
_KEY: Final = re.compile(r"(?<![0-9a-zA-Z])(?:0x)?[0-9a-fA-F]{64}(?![0-9a-zA-Z])")
_NAMED: Final = re.compile(
    r"(?:account|transaction|tx|hash|block|digest|report|snapshot|parent|root)(?:[_ ]?hash)?"
    r"[\"']?\s{0,2}[=:]?\s{0,2}[\"']?\Z",
    re.IGNORECASE,
)
_HASHES: Final = re.compile(
    r"(?:.*_)?(?:hash|digest|snapshot|transaction|accounts?|bidder|reserve|ref|topic|root|config|model)"
)
_SECRET: Final = re.compile(
    r"(?:.*_)?(?:key|secret|pass|password|passphrase|mnemonic|seed|authorization|cookie|credentials?"
    r"|(?:api|auth|access)_?token)",
    re.IGNORECASE,
)


def public_url(url: str) -> str:
    """A URL without what may be secret in it: user, password, query, fragment, and words of the path that are no words.

    What was left out shows as `…`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return REDACTED
    where = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{where}{f':{port}' if port else ''}{_public_path(parts.path)}" + (
        "?…" if parts.query or parts.fragment else ""
    )


def _shown(found: re.Match[str]) -> str:
    """A URL in a sentence as it may be shown."""
    url = found[0].rstrip(_AFTER)
    return public_url(url) + found[0][len(url) :]


def _public_path(path: str) -> str:
    return "/".join(part if not part or _WORD.fullmatch(part) else "…" for part in path.split("/"))


class Secrets:
    """Values that must never be seen again, and what else looks like one."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._found: re.Pattern[str] | None = None
        for value in known:
            self.know(value)

    def know(self, value: str) -> None:
        """Black out a value from now on: with or without 0x, quoted for a URL, escaped for JSON, in any case."""
        bare = value.strip()
        plain = bare[2:] if bare[:2].lower() == "0x" else bare
        if len(plain) < SHORTEST:
            return
        for text in (bare, plain):
            self._known |= {text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], repr(text)[1:-1]}
        longest_first = sorted(self._known, key=len, reverse=True)
        self._found = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def out_of(self, text: str, *, hashes: bool = False) -> str:
        """A text without secrets; with `hashes`, 0x and 64 digits stay, unless they are a known secret."""
        if self._found is not None:
            text = self._found.sub(REDACTED, text)
        if "://" in text:
            text = _URL.sub(_shown, text)
        if "url: /" in text:
            text = _PATH.sub(lambda found: _public_path(found[0].partition("?")[0]), text)
        text = _HEADER.sub(lambda found: f"{found[1]} {REDACTED}", text)
        return _KEY.sub(lambda found: found[0] if _is_hash(found, hashes=hashes) else REDACTED, text)

    def plain(self, value: Any, name: str = "") -> Any:
        """A value of a field as JSON has it, without secrets; `name` is the field's."""
        if name and _SECRET.fullmatch(name) and value is not None and not isinstance(value, bool):
            return REDACTED
        if is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        if isinstance(value, Mapping):
            return {self.out_of(str(key)): self.plain(item, str(key)) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.plain(item, name) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        text = "0x" + value.hex() if isinstance(value, bytes) else str(value)
        return self.out_of(text, hashes=bool(_HASHES.fullmatch(name)))


def _is_hash(found: re.Match[str], *, hashes: bool) -> bool:
    """Whether 64 digits are a hash: with 0x, in a field or behind a word that says so."""
    if found[0][:2] != "0x":
        return False
    return hashes or _NAMED.search(found.string, max(0, found.start() - 24), found.start()) is not None


SECRETS: Final = Secrets()  # of this process: whoever reads a key or a passphrase makes it known here


class _Formatter(logging.Formatter):
    """What JSON and text share: the time, the event, its fields, without secrets."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self.secrets = secrets

    def parts(self, record: logging.LogRecord) -> tuple[str, str, dict[str, Any]]:
        """Time, event and fields of a record."""
        fields = self.secrets.plain(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = self.secrets.out_of(f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")
            fields["traceback"] = self.secrets.out_of("".join(traceback.format_exception(*record.exc_info)))
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return at, self.secrets.out_of(record.getMessage()), fields


class JsonFormatter(_Formatter):
    """A record as one line of JSON: `at`, `level`, `event`, then its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at, event, fields = self.parts(record)
        head = {"at": at, "level": record.levelname.lower(), "event": event}
        return json.dumps({**head, **{k if k not in head else f"{k}_": v for k, v in fields.items()}}, default=str)


class TextFormatter(_Formatter):
    """A record as a line for people; a traceback stands below it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at, event, fields = self.parts(record)
        below = fields.pop("traceback", "")
        said = " ".join(f"{name}={_short(value)}" for name, value in fields.items())
        event = event if event.isprintable() else json.dumps(event)  # nobody writes a second line into one
        line = f"{at[:10]} {at[11:19]}  {record.levelname.lower():<8} {event}" + (f"  {said}" if said else "")
        return line + ("\n" + below.rstrip() if below else "")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    shown = text.isprintable()
    return text if text and " " not in text and shown else json.dumps(text, ensure_ascii=not shown)


def set_up(
    level: str = "info", *, stream: TextIO | None = None, as_json: bool | None = None, secrets: Secrets = SECRETS
) -> logging.Logger:
    """The keeper's logger, made anew: to standard error, as JSON unless that is a terminal.

    Warnings of libraries go the same way: left to themselves they quote URLs whole.

    Parameters
    ----------
    level
        One of `LEVELS`.
    stream
        In place of standard error.
    as_json
        True or False where the stream is not to decide.
    secrets
        What must not be seen.

    Raises
    ------
    ValueError
        The level is none.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level!r}; one of {', '.join(LEVELS)} is right")
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    structured = not out.isatty() if as_json is None else as_json
    handler.setFormatter(JsonFormatter(secrets) if structured else TextFormatter(secrets))
    root, logger = logging.getLogger(), logging.getLogger(NAME)
    for old in [item for item in root.handlers if isinstance(item.formatter, _Formatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    logger.setLevel(level.upper())
    return logger


def event(level: str, name: str, /, *, failure: BaseException | None = None, **fields: Any) -> None:
    """Log one event with its fields; `failure` brings its traceback along."""
    logger = logging.getLogger(NAME)
    logger.log(logging.getLevelNamesMapping()[level.upper()], "%s", name, extra={"fields": fields}, exc_info=failure)


def level_of(kind: str) -> str:
    """How loud a line of the journal is."""
    if kind == "halt":
        return "critical"
    return "warning" if kind.endswith(("-failed", "-error", "failed", "mismatch", "reorg", "-large")) else "info"


class LoggedRecorder:
    """A journal whose lines are logged as well, once they are kept."""

    def __init__(self, journal: Recorder) -> None:
        self.journal = journal

    def record(self, kind: str, time: int, **fields: Any) -> None:
        """Keep a line, then say it."""
        self.journal.record(kind, time, **fields)
        event(level_of(kind), kind, chain_time=time, **fields)
