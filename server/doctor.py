"""Looks at a host before a server is trusted to it: disk, clock, limits, versions, files. Changes nothing.

Each check gives findings: `fine`; `warning` for what costs speed or comfort; `bad` for what voids a promise of the
server. A finding says what was found, and unless it is fine what to do about it.
"""

import ctypes
import os
import platform
import resource
import sqlite3
import ssl
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from acd_protocol import snapshot_file
from acd_protocol.snapshot_file import DamagedSnapshot
from server.clock import NS_PER_S, monotonic_ns, wall_ns
from server.config import Settings
from server.errors import StartError
from server.journal.stores import kind_in
from server.service import BACKLOG, FILES_RESERVED

Level = Literal["fine", "warning", "bad"]

FLUSHES = 100
FLUSH_BYTES = 8192
FLUSH_HONEST_US = 15
"""No device puts 8 KiB where they survive a power loss in less."""
FLUSH_SLOW_US = 20_000
ROOM_LEAST = 1 << 30
CERTIFICATE_DAYS = 30
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"})
_MEMORY = frozenset({"tmpfs", "ramfs"})
_TIME_ERROR = 5
"""What adjtimex(2) gives when the clock is not synchronised."""
_SQLITE_FAULTY = ((3, 7, 0), (3, 51, 2))
_SQLITE_REPAIRED = {(3, 44): 6, (3, 50): 7}
"""Versions within the faulty ones from which on a branch has the repair."""


class Finding(Struct, frozen=True):
    """One line of the report.

    Attributes:
        check: what was looked at.
        level: how it is.
        text: what was found, and what to do.
    """

    check: str
    level: Level
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings for a server with these settings, one after the other; takes some seconds."""
    for check in CHECKS:
        yield from check(settings)


def hazards(settings: Settings) -> Iterator[Finding]:
    """What a server should be told of at its start, as far as that is found out at once: where its journal lies, versions."""
    for check in (check_file_system, check_versions):
        yield from (finding for finding in check(settings) if finding.level != "fine")


def _existing(path: Path) -> Path:
    """The directory itself, or where it would be made."""
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path


def mount_of(path: Path, mountinfo: str) -> tuple[str, str]:
    """Kind and source of the file system that a path lies on, out of the text of /proc/self/mountinfo."""
    best, found = "", ("", "")
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        place = left.split(" ")[4].replace("\\040", " ")
        if len(place) >= len(best) and (str(path) == place or str(path).startswith(place.rstrip("/") + "/")):
            kind, source, *_ = right.split(" ")
            best, found = place, (kind, source)
    return found


def check_file_system(settings: Settings) -> Iterator[Finding]:
    """Whether the journal's file system keeps its promises."""
    directory = _existing(settings.data)
    try:
        kind, source = mount_of(directory, Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    except OSError:
        kind, source = "", ""
    what = f"{directory} is on {kind or 'a file system of unknown kind'}" + (f" ({source})" if source else "")
    if kind in _REMOTE:
        yield Finding("file system", "bad", f"{what}: locks and flushes over a network cannot be relied on; use a disk")
    elif kind in _MEMORY:
        yield Finding("file system", "bad", f"{what}: it is gone with the next restart; use a disk")
    elif kind == "overlay":
        yield Finding("file system", "bad", f"{what}: a container's own layer is thrown away with it; mount a volume")
    else:
        yield Finding("file system", "fine", what)
    free = os.statvfs(directory)
    room = free.f_bavail * free.f_frsize
    level: Level = "fine" if room >= ROOM_LEAST else "bad"
    text = f"{room / 2**30:,.1f} GiB are free"
    yield Finding("room", level, text if level == "fine" else f"{text}: make room, the journal only grows")


def flush_times_us(directory: Path, count: int) -> list[float]:
    """How long each of `count` flushes of 8 KiB took, in microseconds, sorted."""
    took = []
    with tempfile.TemporaryFile(dir=directory) as file:
        descriptor = file.fileno()
        os.posix_fallocate(descriptor, 0, count * FLUSH_BYTES)
        os.fsync(descriptor)
        for number in range(count):
            os.pwrite(descriptor, os.urandom(FLUSH_BYTES), number * FLUSH_BYTES)
            started_ns = monotonic_ns()
            os.fdatasync(descriptor)
            took.append((monotonic_ns() - started_ns) / 1000)
    return sorted(took)


def check_flush(settings: Settings) -> Iterator[Finding]:
    """Whether a flush really waits for the disk, and how long."""
    directory = _existing(settings.data)
    try:
        took = flush_times_us(directory, FLUSHES)
    except OSError as error:
        yield Finding(
            "disk flush", "bad", f"{directory} cannot be written: {error.strerror}; give its owner to the server"
        )
        return
    yield judge_flush(took[len(took) // 2], took[-1 - len(took) // 100])


def judge_flush(median_us: float, worst_us: float) -> Finding:
    """What the times of flushes mean."""
    told = f"8 KiB are flushed in {median_us:,.0f} µs (median), {worst_us:,.0f} µs (99th percentile)"
    if median_us < FLUSH_HONEST_US:
        return Finding(
            "disk flush", "bad", f"{told}: no disk is so fast, so flushes are ignored somewhere; find out where"
        )
    if median_us > FLUSH_SLOW_US:
        return Finding("disk flush", "warning", f"{told}: every answer waits for it; use a faster disk")
    return Finding("disk flush", "fine", told)


def check_write_cache(settings: Settings) -> Iterator[Finding]:
    """Whether the device says that it may lose what it has taken."""
    try:
        device = os.stat(_existing(settings.data)).st_dev
        place = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve(strict=True)
        queue = next(path / "queue" for path in (place, place.parent) if (path / "queue").is_dir())
        cache = (queue / "write_cache").read_text(encoding="ascii").strip()
    except (OSError, StopIteration):
        yield Finding("write cache", "fine", "the system does not tell of one; a flush is what counts")
        return
    if cache == "write back":
        text = "the device has one, and empties it at each flush; whether it is honest shows only when power is cut"
    else:
        text = "the device says that what it took is safe; make sure of it if it is a controller with a battery"
    yield Finding("write cache", "fine", text)


def check_data_directory(settings: Settings) -> Iterator[Finding]:
    """Who may read the journal."""
    if not settings.data.exists():
        yield Finding("data", "fine", f"{settings.data} is not there yet; the server makes it")
        return
    found = settings.data.stat()
    if found.st_mode & stat.S_IRWXO:
        yield Finding(
            "data", "warning", f"anybody on this machine may look into {settings.data}: chmod o-rwx {settings.data}"
        )
    elif not os.access(settings.data, os.W_OK | os.X_OK):
        yield Finding("data", "bad", f"{settings.data} cannot be written by this user: give it to the one who serves")
    else:
        yield Finding("data", "fine", f"{settings.data} can be written, and not read by everybody")


def check_snapshots(settings: Settings) -> Iterator[Finding]:
    """Whether the snapshots can be read, and how old they are."""
    found = snapshot_file.found_in(settings.data) if settings.data.is_dir() else []
    for one in found:
        try:
            header, _ = snapshot_file.read(one.path)
        except DamagedSnapshot as damage:
            yield Finding("snapshot", "bad", f"{damage}; remove it, and have another taken with 'acd journal snapshot'")
            continue
        hours = (wall_ns() - header.taken_ns) / NS_PER_S / 3600
        text = f"{one.path.name}: {one.bytes / 1e6:.1f} MB, {hours:.1f} h old, of record {header.seq}"
        yield Finding("snapshot", "fine", text)
    if not found:
        yield Finding("snapshot", "fine", "there is none yet: a start reads the whole journal")


def check_clock(settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - all checks are called alike
    """Whether the clock is right, and cheap to ask."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        state = -1
    if state == _TIME_ERROR:
        yield Finding("clock", "warning", "nothing keeps it right: install chrony or systemd-timesyncd")
    elif state < 0:
        yield Finding("clock", "fine", "the system does not tell whether it is kept right")
    else:
        yield Finding("clock", "fine", "it is kept right from outside")
    try:
        source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource").read_text().strip()
    except OSError:
        return
    slow = source in {"hpet", "acpi_pm", "jiffies"}
    text = f"time comes from {source}" + (": asking it is slow; use tsc or kvm-clock" if slow else "")
    yield Finding("clock source", "warning" if slow else "fine", text)


def check_limits(settings: Settings) -> Iterator[Finding]:
    """Whether the system allows what the settings promise."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.limits.connections_max + FILES_RESERVED
    if files != resource.RLIM_INFINITY and files < wanted:
        yield Finding(
            "open files",
            "warning",
            f"{files} are allowed, so only {max(1, files - FILES_RESERVED)} of {settings.limits.connections_max} "
            f"connections: set LimitNOFILE={wanted}, or a smaller connections_max",
        )
    else:
        yield Finding("open files", "fine", f"enough for {settings.limits.connections_max} connections")
    try:
        backlog = int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        return
    if backlog < BACKLOG:
        text = f"{backlog} connections may wait to be taken: sysctl net.core.somaxconn={BACKLOG}"
        yield Finding("backlog", "warning", text)
    else:
        yield Finding("backlog", "fine", f"{backlog} connections may wait to be taken")


def check_memory(settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as above
    """How much there is for the engine."""
    try:
        pairs = (line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = next(int(value.split()[0]) for name, value in pairs if name == "MemAvailable") * 1024
    except (OSError, StopIteration, ValueError):
        return
    limit = _cgroup_limit()
    room = min(available, limit) if limit else available
    text = f"{room / 2**30:,.1f} GiB are to be had"
    if room < 512 * 2**20:
        yield Finding("memory", "warning", f"{text}: a waiting contact takes about 1 KiB, an agent 3; more is better")
    else:
        yield Finding("memory", "fine", text)


def _cgroup_limit() -> int:
    try:
        place = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
        text = Path(f"/sys/fs/cgroup{place}/memory.max").read_text().strip()
        return 0 if text == "max" else int(text)
    except (OSError, ValueError):
        return 0


def sqlite_may_lose_pages(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the fault that a checkpoint beside a writer on another connection can lose pages."""
    if not _SQLITE_FAULTY[0] <= version <= _SQLITE_FAULTY[1]:
        return False
    return version[2] < _SQLITE_REPAIRED.get(version[:2], sys.maxsize)


def _keeps_its_journal_in_sqlite(settings: Settings) -> bool:
    try:
        return (kind_in(settings.data) or settings.journal) == "sqlite"
    except (OSError, StartError):
        return True  # whatever is there, it is looked at when the server starts


def check_versions(settings: Settings) -> Iterator[Finding]:
    """Versions with known faults."""
    if not _keeps_its_journal_in_sqlite(settings):
        yield Finding("SQLite", "fine", f"{sqlite3.sqlite_version}; the journal here does without")
    elif sqlite_may_lose_pages(sqlite3.sqlite_version_info):
        yield Finding(
            "SQLite",
            "warning",
            f"{sqlite3.sqlite_version} can lose pages when a second connection checkpoints (repaired in 3.51.3, 3.50.7 and "
            "3.44.6). The server has one connection and locks others out: never open its journal with another program",
        )
    else:
        yield Finding("SQLite", "fine", sqlite3.sqlite_version)
    if ssl.OPENSSL_VERSION_INFO < (3, 0):
        yield Finding("OpenSSL", "warning", f"{ssl.OPENSSL_VERSION} gets no repairs any more: use 3.0 or later")
    else:
        yield Finding("OpenSSL", "fine", ssl.OPENSSL_VERSION)
    if sys.version_info.releaselevel != "final":
        yield Finding("Python", "warning", f"{platform.python_version()} is not released yet: use one that is")
    else:
        yield Finding("Python", "fine", platform.python_version())
    kernel = platform.release()
    numbers = tuple(int(part) for part in kernel.split("-")[0].split(".")[:2] if part.isdigit())
    if platform.system() == "Linux" and numbers < (4, 13):
        yield Finding("kernel", "bad", f"Linux {kernel} can swallow errors of the disk: use 4.13 or later")
    else:
        yield Finding("kernel", "fine", f"{platform.system()} {kernel}")


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Whether a server would start with these settings, and the files that they name."""
    from server.access.gate import Gate
    from server.tls import server_context

    try:
        settings.check()
        if settings.credentials is not None:
            Gate(settings.token, settings.credentials)
        tls = None
        if settings.tls_cert is not None:
            tls = server_context(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    except StartError as problem:
        yield Finding("settings", "bad", str(problem))
        return
    yield Finding("settings", "fine", f"a server would listen on {settings.host} port {settings.port}")
    for path in filter(None, (settings.tls_key, settings.credentials, settings.token_file)):
        if path.stat().st_mode & stat.S_IRWXO:
            yield Finding("secrets", "warning", f"anybody on this machine may read {path}: chmod o-rwx {path}")
    if settings.tls_cert is not None and tls is not None:
        yield judge_certificate(settings.tls_cert, tls, wall_ns() // 10**9)


def judge_certificate(path: Path, server: ssl.SSLContext, now_s: int) -> Finding:
    """How long the certificate holds with which `server` was made."""
    try:
        ends = _not_after(server, path)
    except ssl.SSLCertVerificationError as error:
        return Finding(
            "certificate", "bad", f"{path}: {error.verify_message}; the server takes a new one without a restart"
        )
    left = (ssl.cert_time_to_seconds(ends) - now_s) // 86_400
    if left < CERTIFICATE_DAYS:
        return Finding("certificate", "warning", f"{path} expires in {left} days: get a new one")
    return Finding("certificate", "fine", f"{path} holds for {left} days")


def _not_after(server: ssl.SSLContext, path: Path) -> str:
    """When the certificate ends, as a client is told that believes in no other; the library shows no shorter way."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    done: set[ssl.SSLObject] = set()
    while len(done) < len(ends):
        for end in ends:
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                pass
    told = ends[0].getpeercert()
    assert told is not None
    return str(told["notAfter"])


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    check_settings,
    check_file_system,
    check_flush,
    check_write_cache,
    check_data_directory,
    check_snapshots,
    check_clock,
    check_limits,
    check_memory,
    check_versions,
)
