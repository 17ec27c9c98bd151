"""`acd audit`: who did what, read from the audit trail; also while the server runs."""

import argparse
import os
import sys
from pathlib import Path

from acd_protocol.cli import EXIT_USAGE, Command, add_json_option, fail, print_json
from server.audit import FILE_NAME, Entry, entries, verify
from server.cli.table import print_table
from server.errors import ServerError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("ACD_DATA") or "acd-data"),
        help="directory of the journal (ACD_DATA, else ./acd-data)",
    )
    parser.add_argument("--file", type=Path, help="a trail that was moved away, instead")
    parser.add_argument("--who", help="only of this credential")
    parser.add_argument("--act", help="only this, such as config.apply or login")
    parser.add_argument("--refused", action="store_true", help="only what was refused or failed")
    parser.add_argument(
        "--since", metavar="TIME", help="only from then on, such as 2026-10-28 or 2026-10-28T14:00, in UTC"
    )
    parser.add_argument("--last", type=int, metavar="N", help="only so many, the latest")
    parser.add_argument("--verify", action="store_true", help="check that no line was changed, taken out or put in")
    add_json_option(parser)


def _run(args: argparse.Namespace) -> int:
    path: Path = args.file or args.data / FILE_NAME
    try:
        if args.verify:
            count = verify(path)
            if args.json:
                print_json({"file": str(path), "entries": count, "sound": True})
            else:
                print(f"the audit trail is sound: {count} entries")
            return 0
        chosen = [entry for entry, _ in entries(path) if _wanted(entry, args)]
    except OSError as error:
        return fail(f"there is no audit trail {path} ({error.strerror}); give --data or --file", EXIT_USAGE)
    except ServerError as error:
        return fail(str(error), error.exit_status)
    _show(chosen[-args.last :] if args.last else chosen, args.json)
    return 0


def _wanted(entry: Entry, args: argparse.Namespace) -> bool:
    return (
        (not args.who or entry.who == args.who)
        and (not args.act or entry.act == args.act)
        and (not args.refused or entry.result not in {"ok", "duplicate"})
        and (not args.since or entry.time >= args.since)
    )


def _show(chosen: list[Entry], as_json: bool) -> None:
    if as_json:
        for entry in chosen:
            print_json(entry)
    elif chosen:
        print_table(
            ["time", "who", "client", "act", "result", "what"],
            [
                (entry.time, entry.who or "-", entry.client or "-", entry.act, entry.result, _what(entry))
                for entry in chosen
            ],
        )
    else:
        sys.stdout.write("no entries\n")


def _what(entry: Entry) -> str:
    """What it was about, in one line."""
    changes = entry.what.get("changes")
    if isinstance(changes, list):
        more = len(changes) - 3 + entry.what.get("more_changes", 0)
        return "; ".join(map(str, changes[:3])) + (f"; and {more} more" if more > 0 else "")
    told = ", ".join(f"{name}={value}" for name, value in entry.what.items())
    return told + (f" ({entry.left_out} more refusals before)" if entry.left_out else "")


COMMAND = Command(
    name="audit",
    summary="tell who changed what, and what was refused to whom",
    example="acd audit --act config.apply --last 10\nacd audit --who maria --since 2026-10-28 --json\nacd audit --verify",
    add_arguments=_add_arguments,
    run=_run,
)
