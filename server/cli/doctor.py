"""`acd doctor`: is this host fit for a server?"""

import argparse
import os

from acd_protocol.cli import EXIT_FAILED, Command, fail, print_json
from server.errors import ServerError
from server.options import add_options, settings_from

_SIGNS = {"fine": "ok", "warning": "!", "bad": "BAD"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _run(args: argparse.Namespace) -> int:
    from server.cli.table import printable
    from server.doctor import examine

    try:
        settings = settings_from(args, os.environ)
    except ServerError as error:
        return fail(str(error), error.exit_status)
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not args.json:
            print(f"{_SIGNS[finding.level]:>4}  {finding.check:<12}  {printable(finding.text)}", flush=True)
    bad = sum(finding.level == "bad" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if args.json:
        print_json({"fit": not bad, "findings": findings})
    elif bad:
        print(f"\nthis host is not fit for a server: {bad} bad, {warnings} warnings")
    else:
        print(f"\nthis host is fit for a server; {warnings} warnings")
    return EXIT_FAILED if bad else 0


COMMAND = Command(
    name="doctor",
    summary="look at this host before a server is trusted to it: disk, clock, limits, versions",
    example="acd doctor --data /var/lib/acd\nacd doctor --settings /etc/acd/server.toml --json",
    add_arguments=_add_arguments,
    run=_run,
)
