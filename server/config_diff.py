"""What a new configuration changes: the difference that `acd apply` shows before anything happens."""

from collections.abc import Iterable
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
    tables: tuple[tuple[str, dict[str, Struct], dict[str, Struct]], ...] = (
        ("tenant", {t.name: t for t in old.tenants}, {t.name: t for t in new.tenants}),
        ("channel", {c.name: c for c in old.channels}, {c.name: c for c in new.channels}),
        ("pause reason", {r.name: r for r in old.pause_reasons}, {r.name: r for r in new.pause_reasons}),
        ("calendar", {c.name: c for c in old.calendars}, {c.name: c for c in new.calendars}),
        ("queue", {f"{q.tenant}/{q.name}": q for q in old.queues}, {f"{q.tenant}/{q.name}": q for q in new.queues}),
        ("agent", {a.agent: a for a in old.agents}, {a.agent: a for a in new.agents}),
    )
    changes += [Change("removed", "skill", name) for name in old.skills if name not in new.skills]
    changes += [Change("added", "skill", name) for name in new.skills if name not in old.skills]
    changes += _order("skills", old.skills, new.skills)
    for noun, before, after in tables:
        changes += [Change("removed", noun, name) for name in before if name not in after]
        for name, entry in after.items():
            if name not in before:
                changes.append(Change("added", noun, name))
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
