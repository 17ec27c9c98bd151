"""A configuration as TOML text, which `acd apply` and `acd_core.toml.read_toml` read back."""

import json
from typing import Any

import msgspec
from msgspec import Struct

from acd_core.config import Config, Settings


def to_toml(config: Config) -> str:
    """The text of `config`; whatever has its default value is left out."""
    parts = []
    if config.skills:
        parts.append(f"skills = {_value(config.skills)}\n")
    if config.settings != Settings():
        parts.append("[settings]\n" + _fields(config.settings))
    for table, entries in (("tenants", config.tenants), ("queues", config.queues), ("agents", config.agents)):
        parts += [f"[[{table}]]\n{_fields(entry)}" for entry in entries]
    return "\n".join(parts)


def _fields(entry: Struct) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in _given(entry).items())


def _given(entry: Struct) -> dict[str, Any]:
    """The fields that do not have their default value."""
    given = {}
    for field in msgspec.structs.fields(entry):
        value = getattr(entry, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if value is not None and value != default:
            given[field.name] = value
    return given


def _value(value: Any) -> str:
    if isinstance(value, Struct):
        value = _given(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # Strings, numbers and booleans are written alike in JSON and TOML, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("-", "").replace("_", "").isalnum() else _value(key)
