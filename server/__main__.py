"""`acd`: the door to everything that is done from a shell."""

import argparse
import difflib
import sys
from importlib import metadata

from acd_protocol.cli import EXIT_INTERRUPTED, EXIT_USAGE, Command, OptionError, fail
from server import cli

DISTRIBUTION = "acd-engine"


def main(argv: list[str] | None = None) -> int:
    """Run the command that `argv` (else the process's arguments) names; gives the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and not arguments[0].startswith("-"):
        return _run(arguments[0], arguments)
    parser, commands = _parser()
    for name, command in cli.load_all():
        if isinstance(command, Command):
            command.add_to(commands)
        else:
            commands.add_parser(name, help=f"(cannot be loaded: {command})")
    parser.parse_args(arguments)
    parser.print_help()
    return 0


def _run(name: str, arguments: list[str]) -> int:
    """Run one command; the others are not even imported."""
    try:
        command = cli.load(name)
    except LookupError:
        known = cli.names()
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        return fail(f"there is no command {name!r}; {hint}", EXIT_USAGE)
    except Exception as error:  # noqa: BLE001 - a plug-in may fail in any way
        return fail(f"the command {name!r} cannot be loaded ({error}): repair or remove its package", EXIT_USAGE)
    parser, commands = _parser()
    command.add_to(commands)
    try:
        return command.run(parser.parse_args(arguments))
    except OptionError as error:
        return fail(str(error), EXIT_USAGE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; Python would complain once more at exit
        return EXIT_INTERRUPTED


def _parser() -> tuple[argparse.ArgumentParser, "argparse._SubParsersAction[argparse.ArgumentParser]"]:
    parser = argparse.ArgumentParser(
        prog="acd",
        description="Automatic call distributor: decides which agent gets which contact, beside any PBX.",
        epilog="'acd COMMAND --help' explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"acd {_version()}")
    return parser, parser.add_subparsers(title="commands", metavar="COMMAND")


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "of a source tree that is not installed"


if __name__ == "__main__":
    sys.exit(main())
