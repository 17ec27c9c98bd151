"""The records of a journal and their bytes: header, payload, checksum, and the chain of hashes that binds them.

The server writes them, whatever stores them; what-if replay reads them. Nothing here opens a file.

::

    magic 'ACDJ' · version u16 · kind u16 · journal uuid 16 bytes · epoch u64 · seq u64 · time_ns i64 · commands u32
    · payload length u32 · hash of the previous record 8 bytes · payload · crc32 of all before u32

Integers are little-endian. A record's hash is blake2b-64 over all its bytes. The payload of a batch is MessagePack:
a list of ticks `[time_ns, [[client, line], ...]]`; replaying all ticks gives the same state, events and numbers. The
payload of a FENCE is the owner's name.
"""

import hashlib
import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

import msgspec

from acd_protocol import record_bytes

FORMAT_VERSION = 1
MAGIC = b"ACDJ"
_HEADER = struct.Struct("<4sHH16sQQqII8s")
_CRC = struct.Struct("<I")


class Kind(IntEnum):
    """What a record is; part of the stored format."""

    BATCH = 1
    FENCE = 2
    SEAL = 3


class Tail(NamedTuple):
    """The end of a journal.

    Attributes:
        uuid: 16 bytes that tell one journal from all others.
        seq: number of the last record; 0 if there is none.
        epoch: of the last FENCE; 0 if there is none.
        hash: 8 bytes, of the last record.
        time_ns: engine time of the last record; 0 if there is none.
        sealed: whether the last record is a SEAL, that is, whether the last writer stopped cleanly.
    """

    uuid: bytes
    seq: int = 0
    epoch: int = 0
    hash: bytes = bytes(8)
    time_ns: int = 0
    sealed: bool = False


class Record(NamedTuple):
    """One stored record."""

    kind: Kind
    seq: int
    epoch: int
    time_ns: int
    commands: int
    payload: bytes


class Stored(NamedTuple):
    """A record, the tails before and after it, and its bytes."""

    before: Tail
    record: Record
    tail: Tail
    data: bytes


class DamagedRecord(Exception):  # noqa: N818 - the name says what was found
    """A record is damaged, missing, out of order, or of a format that this version does not know."""


Tick = tuple[int, list[tuple[str, bytes]]]
"""Engine time, and the lines applied at it with the names of their clients."""

encode_ticks = msgspec.msgpack.Encoder().encode
_decode_ticks = msgspec.msgpack.Decoder(list[Tick]).decode


def hash_of(record: bytes) -> bytes:
    """What the next record must name as its predecessor."""
    return hashlib.blake2b(record, digest_size=8).digest()


def pack(tail: Tail, kind: Kind, epoch: int, time_ns: int, commands: int, payload: bytes) -> tuple[bytes, Tail]:
    """The bytes of the record that follows `tail`, and the tail that it makes.

    The time of records never goes back; an earlier one is taken as that of the tail. Ticks hold their own: those that
    catch up with deadlines which passed while no server ran are earlier than the FENCE or SEAL before them.
    """
    record = record_bytes.record_bytes(MAGIC, FORMAT_VERSION, tail, kind, epoch, time_ns, commands, payload)
    return record, record_bytes.tail_after(tail, record, kind is Kind.SEAL)


def unpack(tail: Tail, data: bytes, *, whole: bool = False) -> tuple[Record, Tail]:
    """Read and verify the record that follows `tail`; gives it and the tail that it makes.

    Its checksum is not looked at if the caller has found it `whole`.

    Raises:
        DamagedRecord: with the record's number and what is wrong with it.
    """
    seq = tail.seq + 1
    if len(data) < _HEADER.size + _CRC.size or not data.startswith(MAGIC):
        raise _damaged(seq, "it is not a record")
    _, version, kind, uuid, epoch, own_seq, time_ns, commands, length, previous = _HEADER.unpack_from(data)
    if not whole and not is_whole(data):
        raise _damaged(seq, "its checksum is wrong")
    if version > FORMAT_VERSION:
        raise DamagedRecord(
            f"journal record {seq} has format version {version}, this server reads up to {FORMAT_VERSION}: "
            "start the newer release that wrote it"
        )
    if length != len(data) - _HEADER.size - _CRC.size:
        raise _damaged(seq, "its length is wrong")
    if uuid != tail.uuid:
        raise _damaged(seq, "it belongs to another journal")
    if own_seq != seq:
        raise _damaged(seq, f"its number is {own_seq}: records before it are missing")
    if previous != tail.hash:
        raise _damaged(seq, "it does not follow the record before it")
    try:
        kind = Kind(kind)
    except ValueError:
        raise _damaged(seq, f"its kind {kind} is unknown") from None
    if epoch != tail.epoch + (kind is Kind.FENCE):
        raise _damaged(seq, f"its epoch is {epoch} where {tail.epoch} holds")
    if time_ns < tail.time_ns:
        raise _damaged(seq, "its time is before that of the record before it")
    record = Record(kind, seq, epoch, time_ns, commands, data[_HEADER.size : -_CRC.size])
    return record, Tail(uuid, seq, epoch, hash_of(data), time_ns, kind is Kind.SEAL)


def tail_of(data: bytes) -> Tail:
    """The tail that a record makes, told from the record alone. Raises `DamagedRecord`."""
    if len(data) < _HEADER.size + _CRC.size or not data.startswith(MAGIC):
        raise DamagedRecord("a record of the journal is not one: look at it with 'acd journal verify'")
    if not is_whole(data):
        raise DamagedRecord("the checksum of a record of the journal is wrong: look at it with 'acd journal verify'")
    _, _, kind, uuid, epoch, seq, time_ns, _, _, _ = _HEADER.unpack_from(data)
    return Tail(uuid, seq, epoch, hash_of(data), time_ns, kind == Kind.SEAL)


def length_at(data: bytes, place: int) -> int:
    """How long the record that begins at `place` says it is; 0 if none begins there."""
    if data[place : place + len(MAGIC)] != MAGIC or len(data) < place + _HEADER.size:
        return 0
    return _HEADER.size + int(_HEADER.unpack_from(data, place)[8]) + _CRC.size


def seq_at(data: bytes, place: int) -> int:
    """The number of the record that begins at `place`."""
    return int(_HEADER.unpack_from(data, place)[5])


def uuid_at(data: bytes, place: int) -> bytes:
    """The journal of the record that begins at `place`."""
    return bytes(_HEADER.unpack_from(data, place)[3])


def is_whole(data: bytes) -> bool:
    """Whether the checksum at the end of a record is right."""
    return len(data) >= _HEADER.size + _CRC.size and _CRC.unpack_from(data, len(data) - _CRC.size)[0] == zlib.crc32(
        memoryview(data)[: -_CRC.size]
    )


def ticks_of(record: Record) -> list[Tick]:
    """The ticks of a batch. Raises `DamagedRecord` if they cannot be read."""
    try:
        return _decode_ticks(record.payload)
    except msgspec.DecodeError as error:
        raise _damaged(record.seq, f"its payload cannot be read ({error})") from error


def _damaged(seq: int, problem: str) -> DamagedRecord:
    return DamagedRecord(
        f"the journal is damaged at record {seq}: {problem}. Nothing was changed; keep a copy of the data directory, "
        "then restore it from a backup, or look at it with 'acd journal verify'"
    )
