"""`acd journal`: look at a journal while no server works on it; snapshots and backups, also beside a server."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from acd_core import Machine
from acd_protocol import journal_file, snapshot_file
from acd_protocol.cli import Command, add_json_option, fail, print_json
from server.clock import monotonic_ns
from server.errors import ServerError, StartError
from server.journal.contract import Journal, Kind, Record, Tail
from server.journal.lock import DirectoryLock
from server.journal.records import ticks_of
from server.journal.stores import journal_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which journal."""
    parser.add_argument(
        "action",
        choices=("verify", "stats", "dump", "snapshot", "export", "import"),
        help="verify: check every record, and that all commands can be applied; stats: how much there is; "
        "dump: every command, one a line; snapshot: keep the state beside the journal, for a quicker start; "
        "export: all of it into one file; import: a new data directory of such a file",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="to export to, or to import from")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("ACD_DATA") or "acd-data"),
        help="directory of the journal (ACD_DATA, else ./acd-data)",
    )
    parser.add_argument("--fed-after", type=int, help=argparse.SUPPRESS)  # a server sends the records
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    try:
        if (args.file is not None) != (args.action in {"export", "import"}):
            raise StartError(
                f"acd journal {args.action} {'takes no file' if args.file else 'needs a FILE'}: see 'acd journal --help'"
            )
        if args.action in _ON_DIRECTORIES:
            _ON_DIRECTORIES[args.action](args)
            return 0
        if not journal_file.is_in(args.data):
            raise StartError(f"there is no journal in {args.data}: give its directory with --data or ACD_DATA")
        lock = DirectoryLock(args.data)
        try:
            _ACTIONS[args.action](journal_in(args.data), args.data, args.json)
        finally:
            lock.release()
    except ServerError as error:
        return fail(str(error), error.exit_status)
    return 0


def snapshot(args: argparse.Namespace) -> None:
    """Take one, beside a server or without; or of what a server sends."""
    from server import backup

    if args.fed_after is not None:
        backup.lower_priority()
        path, header = backup.take_fed_snapshot(args.data, args.fed_after, sys.stdin.buffer)
    else:
        with Counting("records") as told:
            path, header = backup.take_snapshot(args.data, told)
    result = {
        "file": str(path),
        "bytes": path.stat().st_size,
        "record": header.seq,
        "contacts": header.contacts,
        "agents": header.agents,
        "digest": header.digest,
    }
    _show(result, args.json, f"the state after record {header.seq} is kept in {path}")


def export(args: argparse.Namespace) -> None:
    """Everything into one file."""
    from server import backup

    with Counting("records") as told:
        sums = backup.export(args.data, args.file, told)
    result = {"file": str(args.file), "bytes": args.file.stat().st_size, **sums._asdict()}
    _show(result, args.json, f"{sums.records} records and {sums.snapshots} snapshots are in {args.file}")


def restore(args: argparse.Namespace) -> None:
    """A new data directory of such a file."""
    from server import backup

    recovered = backup.restore(args.file, args.data)
    result = {
        "data": str(args.data),
        **_tail(recovered.tail),
        "events": recovered.machine.seq,
        "digest": recovered.machine.digest(),
        **_sums(recovered.machine),
    }
    _show(
        result, args.json, f"{args.data} holds the journal up to record {recovered.tail.seq}: a server can start there"
    )


class Counting:
    """Says on a terminal, once a second, how far a long work is."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def __enter__(self) -> Callable[[int], None]:
        return self._tell

    def _tell(self, number: int) -> None:
        if self._shown and monotonic_ns() / 1e9 > self._next:
            self._next = monotonic_ns() / 1e9 + 1
            print(f"\r{number} {self._noun}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._shown and self._next:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def verify(journal: Journal, directory: Path, as_json: bool) -> None:
    """Check all of it, up to a full recovery; and that each snapshot gives the same state as the one before it."""
    from server.recovery import check_snapshots, recover

    snapshots = check_snapshots(journal, directory)
    journal.close()
    recovered = recover(journal, 0, snapshots=directory)
    journal.close()
    recovered.machine.check()
    tail = recovered.tail
    result = {
        **_tail(tail),
        "commands": recovered.commands,
        "events": recovered.machine.seq,
        "snapshots": snapshots,
        "digest": recovered.machine.digest(),
        **_sums(recovered.machine),
    }
    _show(result, as_json, f"the journal is sound: {tail.seq} records, {recovered.commands} commands")


def _sums(machine: Machine) -> dict[str, int]:
    """What became of all contacts that the journal tells of: entered = live + ended."""
    queues = machine.queues()
    abandoned = sum(queue.ended.get("abandoned", 0) for queue in queues)
    ended = sum(sum(queue.ended.values()) for queue in queues)
    return {
        "entered": sum(queue.entered for queue in queues),
        "answered": sum(queue.answered for queue in queues),
        "abandoned": abandoned,
        "ended": ended,
        "live": machine.domain().contacts,
    }


def stats(journal: Journal, directory: Path, as_json: bool) -> None:
    """Count."""
    tail = journal.open()
    kinds = dict.fromkeys(Kind, 0)
    commands = size = first_ns = 0
    for record in journal.read():
        kinds[record.kind] += 1
        commands += record.commands
        size += len(record.payload)
        first_ns = first_ns or record.time_ns
    begin, stored_bytes = journal.begin, journal.stored_bytes
    journal.close()
    snapshots = snapshot_file.found_in(directory)
    result = {
        **_tail(tail),
        "trimmed": begin.seq,
        "file_bytes": stored_bytes,
        "snapshots": [one.seq for one in snapshots],
        "snapshot_bytes": sum(one.bytes for one in snapshots),
        **{kind.name.lower(): count for kind, count in kinds.items()},
        "commands": commands,
        "payload_bytes": size,
        "first_time_ns": first_ns,
    }
    _show(result, as_json, f"{tail.seq - begin.seq} records with {commands} commands")


def dump(journal: Journal, _: Path, as_json: bool) -> None:
    """Print every command with its record and time."""
    journal.open()
    for record in journal.read():
        for row in _rows(record):
            if as_json:
                print_json(row)
            else:
                print(*(bytes(v).decode(errors="replace") if isinstance(v, msgspec.Raw) else v for v in row.values()))
    journal.close()


def _rows(record: Record) -> list[dict[str, Any]]:
    place = {"record": record.seq, "time_ns": record.time_ns}
    if record.kind is not Kind.BATCH:
        return [{**place, "kind": record.kind.name.lower(), "owner": record.payload.decode(errors="replace")}]
    rows: list[dict[str, Any]] = []
    for time_ns, lines in ticks_of(record):
        place["time_ns"] = time_ns
        if not lines:
            rows.append({**place, "kind": "deadlines"})
        rows.extend({**place, "client": client, "command": msgspec.Raw(line)} for client, line in lines)
    return rows


def _tail(tail: Tail) -> dict[str, Any]:
    return {
        "journal": tail.uuid.hex(),
        "records": tail.seq,
        "epoch": tail.epoch,
        "last_time_ns": tail.time_ns,
        "sealed": tail.sealed,
    }


def _show(result: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(result)
        return
    print(sentence)
    for name, value in result.items():
        print(f"  {name:14} {value}")


_ACTIONS: dict[str, Callable[[Journal, Path, bool], None]] = {"verify": verify, "stats": stats, "dump": dump}
_ON_DIRECTORIES: dict[str, Callable[[argparse.Namespace], None]] = {
    "snapshot": snapshot,
    "export": export,
    "import": restore,
}

COMMAND = Command(
    name="journal",
    summary="verify, count, dump, export or import a journal; take a snapshot",
    example="acd journal verify --data /var/lib/acd\nacd journal dump --json | head\n"
    "acd journal export /backup/today.acdx --data /var/lib/acd\n"
    "acd journal import /backup/today.acdx --data /var/lib/acd-restored",
    add_arguments=add_arguments,
    run=run,
)
