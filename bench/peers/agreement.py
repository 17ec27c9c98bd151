"""What the cores in C++ decided, told and show when they have played a trace, beside what our engine did."""

from typing import Any

import msgspec

from acd_core import Engine
from acd_core.views import END_REASONS
from bench.trace import Trace, contact_id

CONFIGURED = frozenset({"capacity", "channels", "skills"})
"""What the program does not repeat, since it does not follow from the traffic."""


def check_decisions(told: dict[str, Any], trace: Trace) -> None:
    """Raise `RuntimeError` where a core in C++ gave other contacts to other agents."""
    if told["digest"] != trace.digest:
        raise RuntimeError("a core in C++ gave other contacts to other agents")


def check_whole(told: dict[str, Any], trace: Trace) -> None:
    """Raise `RuntimeError` where the program decided, told or counted anything otherwise."""
    check_decisions(told, trace)
    for name, ours, what in (
        ("events", trace.events, "told other events"),
        ("ended", ended_of(trace), "remembers others of those who ended"),
    ):
        if told[name] != ours:
            raise RuntimeError(f"the whole core in C++ {what}")
    difference = unlike(told["shown"], shown_by(trace.engine))
    if difference:
        raise RuntimeError(f"the whole core in C++ shows something else: {difference}")


def shown_by(engine: Engine) -> dict[str, Any]:
    """All that an engine shows of itself but for single contacts."""
    return {
        "next_deadline": engine.next_deadline(),
        **{
            name: msgspec.to_builtins(getattr(engine, name)())
            for name in ("domain", "clients", "queues", "paces", "agents")
        },
    }


def ended_of(trace: Trace) -> str:
    """A letter for each contact of a trace: why it ended, or that this is not remembered."""
    letters = {"": "."} | {reason: chr(ord("a") + index) for index, reason in enumerate(END_REASONS)}
    return "".join(letters[trace.engine.ended_reason(contact_id(contact))] for contact in range(trace.contacts()))


def unlike(told: Any, shown: Any, where: str = "") -> str:
    """Where something that is told is not what is shown; empty when all is alike. What is not told must be nothing."""
    if isinstance(told, dict) and isinstance(shown, dict):
        if told.keys() - shown.keys():
            return f"{where} has {min(told.keys() - shown.keys())}"
        names = [name for name, value in shown.items() if name in told or (value and name not in CONFIGURED)]
        pairs = [(told.get(name), shown[name], f"{where} {name}".strip()) for name in names]
    elif isinstance(told, list) and isinstance(shown, list | tuple) and len(told) == len(shown):
        pairs = [(one, other, f"{where} {place}") for place, (one, other) in enumerate(zip(told, shown, strict=True))]
    else:
        return "" if told == shown else f"{where} is {told!r} and not {shown!r}"
    return next(filter(None, (unlike(*pair) for pair in pairs)), "")
