"""The audit trail: who did what, when, and with what result; one JSON object a line in `audit.jsonl` beside the journal.

It tells of every configuration that was applied or refused, of every other command of supervisors, tenant admins and
operators who have a credential of their own, of their logins, of all that was refused to anybody for want of rights,
and of each start and stop. Each entry holds the hash of the line before it, so that a line that is changed, taken out
or put in between is found by `acd audit --verify`; only the latest lines can be cut off unseen.

An entry is handed to the system before the answer to the command leaves, so a killed server loses none; a thread
flushes it to the disk a moment later. A trail that cannot be written ends all acts that it should tell of.
"""

import datetime as dt
import hashlib
import logging
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from acd_core import Config, Outcome
from acd_core.commands import Command, ConfigApply, ContactCallback
from acd_core.config import to_json
from acd_protocol.permissions import verb
from server.access.identity import OPERATING, Identity
from server.clock import NS_PER_S, wall_ns
from server.config_diff import difference
from server.errors import StartError, Tampered
from server.log import masked, note
from server.pace import Pace

FILE_NAME = "audit.jsonl"
CHANGES_MAX = 100
"""Most changes of a configuration that an entry names one by one."""
LINE_BYTES_MAX = 1 << 20
REFUSALS_PER_S, REFUSALS_AT_ONCE = 5, 50
"""So many refusals are told one by one; what comes faster is only counted, lest anybody fill the disk with them."""


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line.

    Attributes:
        n: number of the entry, from 1.
        time: in UTC.
        who: name of the credential; empty where none is asked for, or all share one token.
        role: of the credential.
        client: the name under which it is connected; address: of its machine.
        act: the verb, `login`, `start`, `stop` or `reload`.
        what: the fields of the command; of a configuration its fingerprint, and what it changed.
        result: `ok`, `duplicate`, or the code of the refusal.
        seq: of the latest event after it.
        left_out: so many refusals before this one came too fast to be told.
        prev: hash of the line before; empty in the first.
    """

    n: int
    time: str
    act: str
    result: str
    who: str = ""
    role: str = ""
    client: str = ""
    address: str = ""
    what: dict[str, Any] = {}
    seq: int = 0
    left_out: int = 0
    prev: str = ""


class AuditTrail:
    """Appends entries.

    Args:
        directory: where the trail lies; it is begun when there is none.

    Attributes:
        working: False after a write failed, until one succeeds.
        failures: how many failed.

    Raises:
        StartError: the trail cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self.working = True
        self.failures = 0
        self._refusals = Pace(REFUSALS_PER_S, REFUSALS_AT_ONCE)
        self._left_out = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._flushing: Future[None] | None = None
        try:
            self._count, self._prev = _tail(self.path)
            self._open()
        except OSError as error:
            raise StartError(f"the audit trail {self.path} cannot be written: {error.strerror}") from error

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def reopen(self) -> None:
        """Go on in a new file, if somebody moved the old one away. The numbers and hashes go on too."""
        try:
            if os.stat(self.path).st_ino == os.fstat(self._file).st_ino:
                return
        except FileNotFoundError:
            pass
        old = self._file
        try:
            self._open()
        except OSError as error:
            self._failed(error)
            return
        self._thread.submit(os.close, old)

    def command(
        self, identity: Identity, client: str, address: str, command: Command, result: int, seq: int, before: Config
    ) -> None:
        """A command that was carried out, or that the engine refused. `before` is the configuration before it."""
        what = _config_told(before, command.config) if isinstance(command, ConfigApply) else _told(command)
        self._say(identity, client, address, verb(type(command)), Outcome(result).code, what, seq)

    def refused(self, identity: Identity, client: str, address: str, act: str, code: str) -> None:
        """Something that was refused for want of rights."""
        if self._refusals.wait_s():
            self._left_out += 1
            return
        self._refusals.take()
        self._say(identity, client, address, act, code)

    def login(self, identity: Identity, client: str, address: str) -> None:
        """Somebody has connected whose every command is told."""
        if identity.name and identity.role in OPERATING:
            self._say(identity, client, address, "login", Outcome.OK.code)

    def server(self, act: str, result: str = "ok", **what: Any) -> None:
        """Something that the server itself did, or that was done to it."""
        self._say(Identity(role="operator"), "", "", act, result, what, role="")

    def _say(
        self,
        identity: Identity,
        client: str,
        address: str,
        act: str,
        result: str,
        what: dict[str, Any] | None = None,
        seq: int = 0,
        role: str | None = None,
    ) -> None:
        entry = Entry(
            n=self._count + 1,
            time=_time(wall_ns()),
            who=identity.name,
            role=identity.role if role is None else role,
            client=client,
            address=address,
            act=act,
            what=what or {},
            result=result,
            seq=seq,
            left_out=self._left_out,
            prev=self._prev,
        )
        line = msgspec.json.encode(entry)
        try:
            _write_all(self._file, line + b"\n")
        except OSError as error:
            self._failed(error)
            return
        self.working = True
        self._count += 1
        self._prev = _hash(line)
        self._left_out = 0
        if self._flushing is None or self._flushing.running() or self._flushing.done():
            self._flushing = self._thread.submit(self._flush, self._file)  # else one that will see this line is to come

    def _flush(self, file: int) -> None:
        """In the thread."""
        try:
            os.fsync(file)
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if self.working:
            note(
                logging.CRITICAL,
                f"the audit trail {self.path} cannot be written ({error.strerror}): what it should tell of is refused",
            )
        self.working = False
        self.failures += 1

    def recovered(self) -> bool:
        """Whether the trail can be written; tries once if it could not."""
        if not self.working:
            self.server("resume")
        return self.working

    def close(self) -> None:
        """Flush, and let go of the file."""
        self._thread.submit(self._flush, self._file)
        self._thread.shutdown(wait=True)
        os.close(self._file)


def entries(path: Path) -> Iterator[tuple[Entry, bytes]]:
    """The entries of a trail with their lines, oldest first. Raises `Tampered` for a line that is none."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield msgspec.json.decode(line, type=Entry), line.rstrip(b"\n")
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Tampered(f"{path} line {number} is no entry: {error}") from error


def verify(path: Path) -> int:
    """Check that each entry follows the one before it; gives how many there are.

    Raises:
        Tampered: one does not.
    """
    prev: str | None = None
    count = n = 0
    for entry, line in entries(path):
        if prev is not None and (entry.prev != prev or entry.n != n + 1):
            raise Tampered(f"{path}: entry {entry.n} does not follow entry {n}: lines were changed, lost or put in")
        if prev is None and (entry.n == 1) != (not entry.prev):
            raise Tampered(f"{path}: the first entry is number {entry.n}, and its hash does not fit")
        prev, n = _hash(line), entry.n
        count += 1
    return count


def _tail(path: Path) -> tuple[int, str]:
    """Number and hash of the last entry; ends a line that a power loss cut short."""
    try:
        with path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if not size:
                return 0, ""
            file.seek(max(0, size - LINE_BYTES_MAX - 1))
            data = file.read()
            whole, _, cut = data.rpartition(b"\n")
            if cut:
                file.truncate(size - len(cut))
                note(logging.WARNING, f"the last entry of the audit trail {path} was cut short, and is taken away")
            line = whole.rpartition(b"\n")[2]
    except FileNotFoundError:
        return 0, ""
    try:
        return (msgspec.json.decode(line, type=Entry).n, _hash(line)) if line else (0, "")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StartError(
            f"the last line of the audit trail {path} is no entry: move the file away, and find out who wrote it"
        ) from error


def _told(command: Command) -> dict[str, Any]:
    """The fields of a command. Callers' data is masked, as in the log."""
    what: dict[str, Any] = msgspec.to_builtins(command)
    for field in ("type", "id"):
        what.pop(field, None)
    attributes = what.get("attributes")
    if isinstance(attributes, dict) and hasattr(command, "contact"):
        what["attributes"] = masked(attributes, ())
    if isinstance(command, ContactCallback) and command.number:
        what |= masked({"number": command.number}, ())
    return what


def _config_told(before: Config, after: Config) -> dict[str, Any]:
    changes = difference(before, after)
    told: dict[str, Any] = {
        "sha256": hashlib.sha256(to_json(after)).hexdigest(),
        "changes": [str(change)[:500] for change in changes[:CHANGES_MAX]],
    }
    if len(changes) > CHANGES_MAX:
        told["more_changes"] = len(changes) - CHANGES_MAX
    return told


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _time(ns: int) -> str:
    seconds, rest = divmod(ns, NS_PER_S)
    at = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03}Z"


def _write_all(file: int, data: bytes) -> None:
    """Write all of `data`, or raise and leave none of it behind."""
    start = os.lseek(file, 0, os.SEEK_END)
    written = 0
    try:
        while written < len(data):
            written += os.write(file, data[written:])
    except OSError:
        os.ftruncate(file, start)
        raise
