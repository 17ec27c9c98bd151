"""What a new configuration changes: the difference that `acd apply` shows before anything happens."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Literal

import msgspec
from msgspec import Struct

from acd_core.config import Config

_NOTHING = "(none)"


class FieldChange(Struct, frozen=True):
    """One field of an entry: `skills.billing`, from `old` to `new`; `(none)` where there was, or will be, nothing."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field} {_text(self.old)} → {_text(self.new)}"


class Change(Struct, frozen=True):
    """One entry that is `added`, `removed` or `changed`, such as the `queue` named `acme/support`."""

    kind: Literal["added", "removed", "changed"]
    noun: str
    name: str
    fields: tuple[FieldChange, ...] = ()

    def __str__(self) -> str:
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.kind]
        line = f"{sign} {self.noun} {self.name}".rstrip()
        return line + (": " + ", ".join(map(str, self.fields)) if self.fields else "")


def difference(old: Config, new: Config) -> list[Change]:
    """The entries in which `new` differs from `old`, table by table. Empty exactly when they are equal."""
    changes = []
    if settings := _fields(msgspec.to_builtins(old.settings), msgspec.to_builtins(new.settings)):
        changes.append(Change("changed", "settings", "", settings))
    tables: tuple[tuple[str, Callable[[Any], str], tuple[Struct, ...], tuple[Struct, ...]], ...] = (
        ("tenant", attrgetter("name"), old.tenants, new.tenants),
        ("channel", attrgetter("name"), old.channels, new.channels),
        ("pause reason", attrgetter("name"), old.pause_reasons, new.pause_reasons),
        ("calendar", attrgetter("name"), old.calendars, new.calendars),
        ("queue", lambda queue: f"{queue.tenant}/{queue.name}", old.queues, new.queues),
        ("agent", attrgetter("agent"), old.agents, new.agents),
    )
    skills_before, skills_after = set(old.skills), set(new.skills)
    changes += [Change("removed", "skill", name) for name in old.skills if name not in skills_after]
    changes += [Change("added", "skill", name) for name in new.skills if name not in skills_before]
    changes += _order("skills", old.skills, new.skills)
    for noun, name_of, entries_before, entries_after in tables:
        if entries_before == entries_after:
            continue
        before = {name_of(entry): entry for entry in entries_before}
        after = {name_of(entry): entry for entry in entries_after}
        changes += [Change("removed", noun, name) for name in before if name not in after]
        for name, entry in after.items():
            if name not in before:
                changes.append(Change("added", noun, name))
            elif before[name] == entry:
                continue  # as most are
            elif fields := _fields(msgspec.to_builtins(before[name]), msgspec.to_builtins(entry)):
                changes.append(Change("changed", noun, name, fields))
        changes += _order(f"{noun}s", before, after)
    return changes


def summary(changes: list[Change]) -> str:
    """The counts in one line, such as `2 added, 1 changed`."""
    counts = {kind: sum(change.kind == kind for change in changes) for kind in ("added", "removed", "changed")}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def _order(table: str, old: Iterable[str], new: Iterable[str]) -> list[Change]:
    old, new = list(old), list(new)
    if old == new:
        return []
    in_both = set(old) & set(new)
    moved = [name for name in old if name in in_both] != [name for name in new if name in in_both]
    return [Change("changed", "order of", table)] if moved else []


def _fields(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> tuple[FieldChange, ...]:
    changes: list[FieldChange] = []
    for field in old | new:
        before, after = old.get(field, _NOTHING), new.get(field, _NOTHING)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += _fields(before, after, f"{prefix}{field}.")
        elif before != after:
            changes.append(FieldChange(prefix + field, before, after))
    return tuple(changes)


def _text(value: Any) -> str:
    match value:
        case None | "" | () | []:
            return _NOTHING
        case list() | tuple():
            return "[" + ", ".join(map(str, value)) + "]"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)
