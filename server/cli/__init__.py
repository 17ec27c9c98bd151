"""The commands of `acd`: one module each, which exports `COMMAND`; others come from entry points `acd.commands`."""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module, metadata

from acd_protocol.cli import Command

BUILT_IN = (
    "serve",
    "apply",
    "list",
    "stats",
    "explain",
    "queue",
    "agent",
    "top",
    "trace",
    "journal",
    "audit",
    "token",
    "doctor",
)
ENTRY_POINTS = "acd.commands"


def names() -> list[str]:
    """All commands, the built-in ones first."""
    return [*BUILT_IN, *sorted({point.name for point in metadata.entry_points(group=ENTRY_POINTS)} - set(BUILT_IN))]


def load(name: str) -> Command:
    """The command of that name.

    Raises:
        LookupError: there is no such command.
        Exception: whatever the module of a broken one raises.
    """
    if name in BUILT_IN:
        command: object = import_module(f"server.cli.{name}").COMMAND
    else:
        points = metadata.entry_points(group=ENTRY_POINTS, name=name)
        if not points:
            raise LookupError(name)
        command = next(iter(points)).load()
    if not isinstance(command, Command):
        raise TypeError(f"{name!r} does not give a Command")
    return replace(command, name=name)


def load_all() -> Iterator[tuple[str, Command | Exception]]:
    """Every command, or what kept it from being loaded."""
    for name in names():
        try:
            yield name, load(name)
        except Exception as error:  # noqa: BLE001 - a broken plug-in must not break the others
            yield name, error
