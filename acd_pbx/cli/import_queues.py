"""`acd import-queues`: an existing queues.conf as our configuration."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from acd_protocol.cli import EXIT_USAGE, Command, add_json_option, fail, print_json

if TYPE_CHECKING:
    from acd_pbx.asterisk.conf_file import ConfFile


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queues", metavar="queues.conf", type=Path, help="of Asterisk; what it includes is read too")
    parser.add_argument("agents", metavar="agents.conf", type=Path, nargs="*", help="for the names of Agent/ members")
    parser.add_argument(
        "--rules", metavar="queuerules.conf", type=Path, help="(the file of that name beside queues.conf, if there)"
    )
    parser.add_argument("--tenant", default="default", metavar="NAME", help="that owns the queues (%(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE.toml", help="for `acd apply` (standard output)")
    parser.add_argument("--adapter-output", type=Path, metavar="FILE.toml", help="the beginning of the adapter's file")
    add_json_option(parser)


def _run(args: argparse.Namespace) -> int:
    from acd_pbx.asterisk.conf_file import ConfFile, ConfFileError
    from acd_pbx.asterisk.import_queues import import_queues, settings_text
    from acd_protocol.config_text import to_toml
    from acd_protocol.words import ConfigError, validate

    beside = args.queues.parent / "queuerules.conf"
    rules_path = args.rules or (beside if beside.is_file() else None)
    try:
        queues = _read(ConfFile(), [args.queues])
        rules = _read(ConfFile(), [rules_path] if rules_path else [])
        agents = _read(ConfFile(), args.agents)
        imported = import_queues(queues, rules, agents, args.tenant)
        validate(imported.config)
    except (ConfFileError, ConfigError) as error:
        return fail(str(error), EXIT_USAGE)
    if not imported.config.queues:
        return fail(f"{args.queues} has no queues: every section but [general] and templates is one", EXIT_USAGE)
    text = to_toml(imported.config)
    adapter_text = settings_text(imported, args.tenant)
    try:
        if args.output:
            args.output.write_text(text, encoding="utf-8")
        if args.adapter_output:
            args.adapter_output.write_text(adapter_text, encoding="utf-8")
    except OSError as error:
        return fail(f"cannot write {error.filename}: {error.strerror}", EXIT_USAGE)
    if args.json:
        print_json(
            {"config": imported.config, "adapter": imported.queues, "remarks": imported.remarks, "config_toml": text}
        )
        return 0
    if not args.output:
        sys.stdout.write(text)
    config = imported.config
    sys.stderr.write(f"{len(config.queues)} queues and {len(config.agents)} agents were carried over.\n")
    for remark in imported.remarks:
        sys.stderr.write(f"  {remark}\n")
    return 0


def _read(file: "ConfFile", paths: list[Path]) -> "ConfFile":
    for path in paths:
        file.read(path)
    return file


COMMAND = Command(
    name="import-queues",
    summary="turn Asterisk's queues.conf and its rules into our configuration, and say what could not be carried over",
    example="acd import-queues /etc/asterisk/queues.conf --tenant acme --output acme.toml --adapter-output pbx-1.toml",
    add_arguments=_add_arguments,
    run=_run,
)
