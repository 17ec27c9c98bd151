"""`acd journal`: look at a journal while no server works on it."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from acd_core import Machine
from acd_protocol.cli import Command, add_json_option, fail, print_json
from server.errors import ServerError, StartError
from server.journal.contract import Journal, Kind, Record, Tail
from server.journal.lock import DirectoryLock
from server.journal.records import ticks_of
from server.journal.sqlite import FILE_NAME, SqliteJournal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which journal."""
    parser.add_argument(
        "action",
        choices=("verify", "stats", "dump"),
        help="verify: check every record, and that all commands can be applied; stats: how much there is; "
        "dump: every command, one a line",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("ACD_DATA") or "acd-data"),
        help="directory of the journal (ACD_DATA, else ./acd-data)",
    )
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    try:
        if not (args.data / FILE_NAME).is_file():
            raise StartError(f"there is no journal in {args.data}: give its directory with --data or ACD_DATA")
        lock = DirectoryLock(args.data)
        try:
            _ACTIONS[args.action](SqliteJournal(args.data), args.json)
        finally:
            lock.release()
    except ServerError as error:
        return fail(str(error), error.exit_status)
    return 0


def verify(journal: Journal, as_json: bool) -> None:
    """Check all of it, up to a full recovery."""
    from server.recovery import recover

    recovered = recover(journal, 0)
    journal.close()
    recovered.machine.check()
    tail = recovered.tail
    result = {
        **_tail(tail),
        "commands": recovered.commands,
        "events": recovered.machine.seq,
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


def stats(journal: Journal, as_json: bool) -> None:
    """Count."""
    tail = journal.open()
    kinds = dict.fromkeys(Kind, 0)
    commands = size = first_ns = 0
    for record in journal.read():
        kinds[record.kind] += 1
        commands += record.commands
        size += len(record.payload)
        first_ns = first_ns or record.time_ns
    journal.close()
    result = {
        **_tail(tail),
        **{kind.name.lower(): count for kind, count in kinds.items()},
        "commands": commands,
        "payload_bytes": size,
        "first_time_ns": first_ns,
    }
    _show(result, as_json, f"{tail.seq} records with {commands} commands")


def dump(journal: Journal, as_json: bool) -> None:
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


_ACTIONS: dict[str, Callable[[Journal, bool], None]] = {"verify": verify, "stats": stats, "dump": dump}

COMMAND = Command(
    name="journal",
    summary="verify, count or dump the journal of a server that does not run",
    example="acd journal verify --data /var/lib/acd\nacd journal dump --json | head",
    add_arguments=add_arguments,
    run=run,
)
