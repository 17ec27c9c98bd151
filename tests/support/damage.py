"""Journals on the disk, of either kind, as a fault of the disk or of a person leaves them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from acd_protocol import segments
from acd_protocol.journal_file import FILE_NAME
from acd_protocol.segments import Reading


def place_of(directory: Path, seq: int) -> tuple[Path, int, int]:
    """The file of a journal of files that holds a record, and where that begins and ends."""
    for segment in segments.segments_of(segments.found_in(directory)):
        reading = Reading(segment, segment.path.read_bytes())
        for stored in reading:
            if stored.record.seq == seq:
                return segment.path, reading.end - len(stored.data), reading.end
    raise AssertionError(f"there is no record {seq} in {directory}")


def damage(directory: Path, seq: int, back: int = 9) -> None:
    """Change a byte of a record, so many before its end."""
    if (directory / FILE_NAME).exists():
        with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
            (record,) = connection.execute("SELECT data FROM record WHERE seq=?", (seq,)).fetchone()
            changed = bytearray(record)
            changed[-back] ^= 0x20
            connection.execute("UPDATE record SET data=? WHERE seq=?", (bytes(changed), seq))
            connection.commit()
        return
    path, _, end = place_of(directory, seq)
    data = bytearray(path.read_bytes())
    data[end - back] ^= 0x20
    path.write_bytes(data)


def lose_after(directory: Path, seq: int) -> None:
    """Take away all records after one, without a trace."""
    if (directory / FILE_NAME).exists():
        with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
            connection.execute("DELETE FROM record WHERE seq > ?", (seq,))
            connection.commit()
        return
    path, _, end = place_of(directory, seq)
    for later in segments.found_in(directory):
        if later.name > path.name:
            later.unlink()
    data = path.read_bytes()
    path.write_bytes(data[:end] + bytes(len(data) - end))
