"""The records of `acd_protocol.journal_records`, whose faults are errors of the server here."""

from acd_protocol import journal_records
from acd_protocol.journal_records import DamagedRecord, Record, Tail, Tick, encode_ticks, hash_of, pack
from server.errors import Corrupt

__all__ = ["Tick", "encode_ticks", "hash_of", "pack", "ticks_of", "unpack"]


def unpack(tail: Tail, data: bytes) -> tuple[Record, Tail]:
    """Read and verify the record that follows `tail`; gives it and the tail that it makes. Raises `Corrupt`."""
    try:
        return journal_records.unpack(tail, data)
    except DamagedRecord as damage:
        raise Corrupt(str(damage)) from damage


def ticks_of(record: Record) -> list[Tick]:
    """The ticks of a batch. Raises `Corrupt` if they cannot be read."""
    try:
        return journal_records.ticks_of(record)
    except DamagedRecord as damage:
        raise Corrupt(str(damage)) from damage
