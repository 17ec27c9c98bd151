"""Writes the page of settings from their declarations: `python -m server.settings_page docs/settings.md`."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import msgspec.inspect as types

from acd_protocol.cli import EXIT_USAGE, fail
from server.access.credentials import Credential, TenantLimits
from server.options import LIMITS, OPTIONS, Option, meanings_of

_HEAD = """\
<!-- Written by 'make docs' from server/config.py and server/access/credentials.py. Change those, not this page. -->

# Settings of a server

`acd serve` takes each setting from its option, else from its variable in the environment, else from the TOML file that
`--settings` or `ACD_SETTINGS` names, else from its default. A key that does not exist, or a value out of bounds, is told
in one sentence, and nothing is started.

```
# /etc/acd/server.toml
host = "0.0.0.0"
data = "/var/lib/acd"
credentials = "/etc/acd/credentials.toml"
tls_cert = "/etc/acd/tls/server.pem"
tls_key = "/etc/acd/tls/server.key"

[limits]
connections_max = 2000
```

| option | variable | key in the file | takes | default | meaning |
|---|---|---|---|---|---|
"""

_LIMITS_HEAD = """
## Limits

Each stands under `[limits]` in the file, in the environment with `ACD_LIMIT_` before it, or is given as
`--limit NAME=VALUE`. The defaults suit a centre of thousands of agents.

| limit | takes | default | meaning |
|---|---|---|---|
"""

_CREDENTIALS_HEAD = """
## The file of credentials

`--credentials` names it; [security.md](security.md) tells how it is used. Tables `[[credential]]`:

| key | takes | default | meaning |
|---|---|---|---|
"""

_TENANTS_HEAD = """
Tables `[[tenant]]`, for what all credentials whose wall holds one tenant may do together:

| key | takes | default | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = "".join(
        f"| `--{option.name}` | `{option.variable}` | `{option.key}` | {_takes(option.type)} | {_default(option)} "
        f"| {option.help} |\n"
        for option in OPTIONS
    )
    limits = "".join(
        f"| `{option.key}` | {_takes(option.type)} | {_default(option)} | {option.help} |\n" for option in LIMITS
    )
    return (
        _HEAD
        + rows
        + _LIMITS_HEAD
        + limits
        + _CREDENTIALS_HEAD
        + _keys(Credential)
        + _TENANTS_HEAD
        + _keys(TenantLimits)
    )


def _keys(struct: type[msgspec.Struct]) -> str:
    meanings = meanings_of(struct)
    lines = []
    for field in msgspec.structs.fields(struct):
        default = "**needed**" if field.required else _shown(field.default)
        lines.append(f"| `{field.name}` | {_takes(field.type)} | {default} | {meanings[field.name]} |\n")
    return "".join(lines)


def _default(option: Option) -> str:
    return "name of the machine" if option.field == "node" else _shown(option.default)


def _shown(value: Any) -> str:
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else f"`{value}`"


def _takes(kind: Any) -> str:
    info = types.type_info(kind)
    return _words(info)


def _words(info: types.Type) -> str:
    match info:
        case types.UnionType():
            return " or ".join(_words(member) for member in info.types if not isinstance(member, types.NoneType))
        case types.BoolType():
            return "on or off"
        case types.IntType() | types.FloatType():
            bounds = [_number(info.ge if info.ge is not None else info.gt), _number(info.le)]
            least = "above " if info.gt is not None else ""
            number = "whole number" if isinstance(info, types.IntType) else "number"
            if bounds == ["", ""]:
                return number
            return f"{number}, {least}{bounds[0]}" + (f" to {bounds[1]}" if bounds[1] else " or more")
        case types.StrType():
            return "text"
        case types.LiteralType():
            return "one of " + ", ".join(f"`{value}`" for value in info.values)
        case types.VarTupleType():
            return f"list of {_words(info.item_type)}s" if not isinstance(info.item_type, types.StrType) else "texts"
        case types.DateType():
            return "date"
        case types.Metadata():
            return _words(info.type)
        case types.CustomType():
            return "path"
        case _:
            raise NotImplementedError(f"the page has no words for {info!r}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def main(arguments: list[str]) -> int:
    """Write the page."""
    if len(arguments) != 1:
        return fail("give the path of the page, such as docs/settings.md", EXIT_USAGE)
    Path(arguments[0]).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
