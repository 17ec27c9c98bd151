"""The server's log on standard error: readable lines on a terminal, one JSON object a line otherwise.

`note` writes an entry: a sentence for people, and fields for machines. Tokens and attributes of contacts never
belong into either.
"""

import logging
import sys
from typing import Any, TextIO

import msgspec

logger = logging.getLogger("acd")


def note(level: int, sentence: str, /, **fields: Any) -> None:
    """Write `sentence` with `fields`, at a level of `logging`."""
    logger.log(level, sentence, extra={"fields": fields})


def configure(stream: TextIO = sys.stderr, *, level: int = logging.INFO, json: bool = False) -> None:
    """Send the log to `stream`, in the form that suits it; or as JSON in any case."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines() if stream.isatty() and not json else _Json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logger.setLevel(level)


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
