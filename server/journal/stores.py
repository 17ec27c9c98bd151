"""Which of the two kinds of journal a data directory has, or is to have."""

from pathlib import Path

from acd_protocol import segments
from acd_protocol.journal_file import FILE_NAME
from server.errors import StartError
from server.journal.segments import SegmentJournal
from server.journal.sqlite import SqliteJournal

KINDS: dict[str, type[SegmentJournal] | type[SqliteJournal]] = {"segments": SegmentJournal, "sqlite": SqliteJournal}
"""By the name that the settings know them by."""


def journal_in(directory: Path, kind: str = "segments") -> SegmentJournal | SqliteJournal:
    """The journal of a directory, which keeps the kind it has; a new one is of `kind`. It is not opened.

    Raises:
        StartError: there are two.
    """
    found = kind_in(directory)
    return KINDS[found or kind](directory)


def kind_in(directory: Path) -> str | None:
    """The kind of the journal in a directory; None if there is none. Raises `StartError` if there are two."""
    if not directory.exists():
        return None
    database = any(path.name in (FILE_NAME, f"{FILE_NAME}-wal") for path in directory.iterdir())
    files = segments.found_in(directory)
    if database and files:
        raise StartError(f"there are two journals in {directory}, {FILE_NAME} and {files[0].name}: take one away")
    return "sqlite" if database else "segments" if files else None
