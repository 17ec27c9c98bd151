"""Configuration as people write it: TOML text to a `Config`, with errors that name file, table and entry.

The tables are those of `Config`::

    [settings]                    # missed_offers_max, max_contacts, ended_contacts_kept
    [skills]                      # name = "what it means"; or a list of names above the first table
    [[channels]]                  # name, units, most_at_once, interruptible
    [[tenants]]                   # name
    [[calendars]]                 # name, zone, mon = ["09:00-17:00"], holidays
    [[queues]]                    # tenant, name, require, strategy, times, limits
    [[agents]]                    # agent, address, tenants, skills = { billing = 60 }

Entries of a list are counted from 1, as one counts them on paper.
"""

import difflib
import re
import reprlib
import tomllib
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from acd_core.config import (
    Agent,
    Calendar,
    Callback,
    Channel,
    Config,
    ConfigError,
    CostStep,
    Holiday,
    JoinRule,
    PauseReason,
    Queue,
    QueueRatio,
    Reserve,
    Settings,
    StayRule,
    Step,
    Tenant,
    WaitingCost,
)
from acd_core.validation import validate

TABLES = ("settings", "skills", "channels", "pause_reasons", "tenants", "calendars", "queues", "agents")
_Entry = TypeVar("_Entry", bound=Struct)


def read_toml(text: str, source: str) -> Config:
    """Read and validate a configuration.

    Args:
        text: the TOML document.
        source: its name in error messages, such as `centre.toml`.

    Raises:
        ConfigError: for the first error, such as `centre.toml: queues[3] (acme/support): strategy: 'longest' is
            not one of 'longest_idle', 'most_skilled'`.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: not valid TOML: nested too deeply") from error
    return read_document(document, source)


def read_document(document: dict[str, Any], source: str) -> Config:
    """As `read_toml`, for a document that `tomllib` has read."""
    try:
        for table in document:
            if table not in TABLES:
                raise ConfigError(f"there is no table {table!r}{_meant(table, TABLES)}")
        config = Config(
            settings=_entry("settings", document.get("settings", {}), Settings),
            skills=_skills(document.get("skills", [])),
            channels=_entries("channels", document, Channel),
            pause_reasons=_entries("pause_reasons", document, PauseReason),
            tenants=_entries("tenants", document, Tenant),
            calendars=_entries("calendars", document, Calendar),
            queues=_entries("queues", document, Queue),
            agents=_entries("agents", document, Agent),
        )
        validate(config)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
    return config


def _skills(value: object) -> tuple[str, ...]:
    """The declared skills: a list of names, or a table of names with a description each."""
    if isinstance(value, dict):
        for name, description in value.items():
            if not isinstance(description, str):
                raise ConfigError(f"skills: {name}: expected a description in quotes, got {description!r}")
        value = list(value)
    try:
        return msgspec.convert({"skills": value}, Config).skills
    except msgspec.ValidationError as error:
        raise ConfigError(_explained(error, {"skills": value}, Config)) from error


def _entries(table: str, document: dict[str, Any], kind: type[_Entry]) -> tuple[_Entry, ...]:
    value = document.get(table, [])
    if not isinstance(value, list):
        raise ConfigError(f"{table}: write each entry under its own [[{table}]], with two brackets")
    return tuple(_entry(f"{table}[{number}]{_name(item)}", item, kind) for number, item in enumerate(value, 1))


def _entry(place: str, value: object, kind: type[_Entry]) -> _Entry:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        fields = value if isinstance(value, dict) else {}
        for field, inner in _INNER.get(kind, {}).items():
            items = fields.get(field)
            if isinstance(items, dict):
                _entry(f"{place}: {field}", items, inner)
            for number, item in enumerate(items if isinstance(items, list) else (), 1):
                _entry(f"{place}: {field}[{number}]", item, inner)
        raise ConfigError(f"{place}: {_explained(error, value, kind)}") from error


def _name(item: object) -> str:
    """How people call an entry, as ` (acme/support)`; empty when it has no usable name."""
    if not isinstance(item, dict):
        return ""
    words = [item[key] for key in ("tenant", "name", "agent") if isinstance(item.get(key), str)]
    return f" ({'/'.join(words)})" if words else ""


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`\Z")
_AT = re.compile(r" - at (?:`key` in )?`\$\.?(?P<field>\w*)(?:\[(?P<index>\d+)\])?.*`\Z", re.DOTALL)
_GOT = re.compile(r", got `.*`\Z")
_TOML_WORDS = {
    "`str`": "text",
    "`int`": "a whole number",
    "`int | null`": "a whole number",
    "`float`": "a number",
    "`array`": "a list",
    "`object`": "a table",
}


def _explained(error: msgspec.ValidationError, value: object, kind: type[Struct]) -> str:
    """The decoder's finding in the words of someone who writes TOML, led by the field."""
    message = str(error)
    if unknown := _UNKNOWN.match(message):
        if kind is Settings and unknown[1] == "skills":
            return "'skills' is no setting; put the list above the first [table], or write a table [skills]"
        return f"there is no field {unknown[1]!r}{_meant(unknown[1], kind.__struct_fields__)}"
    if missing := _MISSING.match(message):
        return f"the field {missing[1]!r} is missing"
    at = _AT.search(message)
    if at is None or not isinstance(value, dict):
        return f"expected a table, got {reprlib.repr(value)}"
    field = at["field"]
    found = value[field]
    if at["index"]:
        found = found[int(at["index"])]
    problem = _GOT.sub("", message[: at.start()])
    if problem.startswith("Invalid enum value"):
        return f"{field}: {found!r} is not one of {', '.join(map(repr, kind.__annotations__[field].__args__))}"
    if "matching regex" in problem:
        problem = f"expected {_RULES.get(field, _NAME_RULE)}"
    for word, toml_word in _TOML_WORDS.items():
        problem = problem.replace(word, toml_word)
    return f"{field}: {problem[0].lower()}{problem[1:]}, got {reprlib.repr(found)}"


_INNER: dict[type[Struct], dict[str, type[Struct]]] = {
    Queue: {
        "steps": Step,
        "join": JoinRule,
        "stay": StayRule,
        "reserve": Reserve,
        "queue_ratio": QueueRatio,
        "waiting_cost": WaitingCost,
        "callback": Callback,
    },
    WaitingCost: {"steps": CostStep},
    Calendar: {"holidays": Holiday},
}
"""Fields that are tables themselves, or lists of them."""
_NAME_RULE = "1 to 64 characters without white space, quotes and slashes"
_SKILL_RULE = "names of letters, digits, '_', '.' and '-' that begin with a letter, with at most 64 characters"
_HOURS_RULE = "hours such as 09:00-17:30"
_RULES = {
    "skills": _SKILL_RULE,
    "drop": _SKILL_RULE,
    "date": "a date such as 2026-12-25",
    **dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun", "open"), _HOURS_RULE),
}


def _meant(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; {close[0]!r} was meant?" if close else f"; known are {', '.join(known)}"
