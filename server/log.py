"""The server's log on standard error: readable lines on a terminal, one JSON object a line otherwise.

`note` writes an entry: a sentence for people, and fields for machines. Where an entry is about a contact, an agent or
an offer, the fields `contact`, `agent` and `offer` hold its id, so that all entries about it are found by that.

Tokens never belong into a log. Attributes of contacts, such as the number of a caller, are masked: see `masked`.
"""

import logging
import sys
from collections.abc import Collection, Mapping
from typing import Any, TextIO

import msgspec

logger = logging.getLogger("acd")


def note(level: int, sentence: str, /, **fields: Any) -> None:
    """Write `sentence` with `fields`, at a level of `logging`."""
    logger.log(level, sentence, extra={"fields": fields})


def about(message: object) -> dict[str, str]:
    """The fields that say what a command or event is about."""
    return {
        name: value
        for name in ("contact", "agent", "offer")
        if isinstance(value := getattr(message, name, None), str) and value
    }


def masked(attributes: Mapping[str, object], shown: Collection[str]) -> dict[str, object]:
    """Attributes of a contact as a log may hold them: those named in `shown` as they are.

    Of others the last two characters are left, if there are at least six: enough to tell two callers apart.
    """
    return {name: value if name in shown else _mask(str(value)) for name, value in attributes.items()}


def _mask(text: str) -> str:
    left = text[-2:] if len(text) >= 6 else ""
    return "*" * (len(text) - len(left)) + left


def configure(stream: TextIO = sys.stderr, *, level: int = logging.INFO, json: bool = False, domain: str = "") -> None:
    """Send the log to `stream`, in the form that suits it; or as JSON in any case. All entries name the `domain`, if given."""
    handler = logging.StreamHandler(stream)
    if domain:
        handler.addFilter(_Named(domain))
    handler.setFormatter(_Lines() if stream.isatty() and not json else _Json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logger.setLevel(level)


class _Named(logging.Filter):
    """Adds the field `domain` to every entry."""

    def __init__(self, domain: str) -> None:
        super().__init__()
        self._domain = domain

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it pass, with the field."""
        record.fields = {"domain": self._domain, **getattr(record, "fields", {})}
        return True


class _Lines(logging.Formatter):
    """`14:02:07 warning  sentence (field=value)`"""

    def format(self, record: logging.LogRecord) -> str:
        """One entry, with its traceback if it has one."""
        fields = getattr(record, "fields", {})
        tail = " (" + ", ".join(f"{name}={_shown(value)}" for name, value in fields.items()) + ")" if fields else ""
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():8} {record.getMessage()}{tail}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _shown(value: object) -> str:
    """`value` on one line, whatever a client put into it."""
    text = str(value)
    return text if text.isprintable() else repr(text)


class _Json(logging.Formatter):
    """`{"time":…,"level":…,"message":…,…fields}`; time is seconds since 1970."""

    def format(self, record: logging.LogRecord) -> str:
        """One entry on one line, its traceback in the field `traceback`."""
        entry = {"time": record.created, "level": record.levelname.lower(), "message": record.getMessage()}
        entry.update(getattr(record, "fields", {}))
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry, enc_hook=str).decode()
