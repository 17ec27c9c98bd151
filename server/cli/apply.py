"""`acd apply`: make a TOML file the configuration, at one instant, after showing the difference."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from acd_core.config import Config, ConfigError
from acd_core.toml import read_toml
from acd_protocol.cli import EXIT_USAGE, Command, add_connection_options, fail, print_json, run_with_client
from server import hours
from server.cli.table import printable
from server.config_diff import Change, difference, summary

if TYPE_CHECKING:
    from acd_protocol.client import Client

CHANGES_SHOWN_MAX = 200
"""More changes than this are only counted, but for `--json`."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.toml", help="tenants, queues, skills, agents; - reads standard input")
    parser.add_argument("--dry-run", action="store_true", help="stop after showing the difference")
    add_connection_options(parser)


def _run(args: argparse.Namespace) -> int:
    source = "standard input" if args.file == "-" else args.file
    try:
        text = sys.stdin.read() if args.file == "-" else Path(args.file).read_text(encoding="utf-8")
    except OSError as error:
        return fail(f"cannot read {source}: {error.strerror}; give the path of a TOML file", EXIT_USAGE)
    except UnicodeDecodeError as error:
        return fail(f"{source}: byte {error.start} is not UTF-8; TOML files are UTF-8", EXIT_USAGE)
    try:
        config = read_toml(text, source)
    except ConfigError as error:
        return fail(printable(str(error)))
    try:
        hours.check(config)
    except ConfigError as error:
        return fail(printable(f"{source}: {error}"))

    async def apply(client: "Client") -> int:
        changes = difference(msgspec.convert(await client.listing("config"), Config), config)
        if not args.json:
            _show(changes)
        applied = bool(changes) and not args.dry_run
        if applied:
            await client.apply_config(config)
        if args.json:
            print_json({"file": source, "dry_run": args.dry_run, "applied": applied, "changes": changes})
        elif applied:
            sys.stdout.write(f"applied: {summary(changes)}\n")
        elif changes:
            sys.stdout.write(f"dry run, nothing applied: {summary(changes)}\n")
        else:
            sys.stdout.write(f"nothing differs: the server already has what is in {printable(source)}\n")
        return 0

    return run_with_client(args, apply)


def _show(changes: list[Change]) -> None:
    for change in changes[:CHANGES_SHOWN_MAX]:
        sys.stdout.write(printable(str(change)) + "\n")
    if len(changes) > CHANGES_SHOWN_MAX:
        sys.stdout.write(f"… and {len(changes) - CHANGES_SHOWN_MAX} more, which --json shows\n")
    sys.stdout.flush()


COMMAND = Command(
    name="apply",
    summary="apply a configuration file at one instant, after showing what changes",
    example="acd apply --dry-run centre.toml\nacd apply centre.toml",
    add_arguments=_add_arguments,
    run=_run,
)
