"""The settings of a server, put together: options before environment, that before the file, that before the defaults.

Everything follows from the declarations in `server.config`: the options of `acd serve`, their variables, the keys of the
file, and the page docs/settings.md. `metrics_port` is `--metrics-port`, `ACD_METRICS_PORT`, and `metrics_port` in the
file; a limit such as `hello_s` is `--limit hello_s=5`, `ACD_LIMIT_HELLO_S`, and `hello_s` under `[limits]`.
"""

import argparse
import inspect
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import NODEFAULT, Struct

from server.config import Limits, Settings
from server.errors import StartError

_OPTION_NAMES = {"config_file": "config"}
"""Where the word for people is not that of the program."""
_SECRET = frozenset({"token"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


class Option(NamedTuple):
    """One setting.

    Attributes:
        field: its name in the Struct.
        name: of the option, without dashes; variable: of the environment; key: in the file.
        type: what it takes; default: None where there is none, or where it is told elsewhere.
        help: what it means.
    """

    field: str
    name: str
    variable: str
    key: str
    type: Any
    default: Any
    help: str

    @property
    def switch(self) -> bool:
        """Whether it is on or off."""
        return self.type is bool


def _options(struct: type[Struct], variable: str) -> tuple[Option, ...]:
    meanings = meanings_of(struct)
    found = []
    for info in msgspec.structs.fields(struct):
        if info.name == "limits":
            continue
        word = _OPTION_NAMES.get(info.name, info.name)
        default = None if info.default is NODEFAULT else info.default
        found.append(
            Option(
                info.name,
                word.replace("_", "-"),
                f"{variable}{word.upper()}",
                word,
                info.type,
                default,
                meanings[info.name],
            )
        )
    return tuple(found)


def meanings_of(struct: type) -> dict[str, str]:
    """What the docstring of a Struct says of each of its fields."""
    text = inspect.cleandoc(struct.__doc__ or "").partition("\nAttributes:\n")[2]
    meanings = {}
    for names, meaning in re.findall(r"^    ([\w, ]+): (.*(?:\n     +.*)*)", text, re.MULTILINE):
        for name in names.split(", "):
            meanings[name] = re.sub(r"\s*\n\s*", " ", meaning)
    return meanings


OPTIONS = _options(Settings, "ACD_")
LIMITS = _options(Limits, "ACD_LIMIT_")


def add_options(parser: argparse.ArgumentParser) -> None:
    """All of them; what is not given is None."""
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="a TOML file with any of the settings below (ACD_SETTINGS); options and environment count more",
    )
    for option in OPTIONS:
        told = f"{option.help.rstrip('.')} ({option.variable}{_default_told(option)})".replace("%", "%%")
        if option.switch:
            parser.add_argument(f"--{option.name}", dest=option.field, action="store_const", const=True, help=told)
        else:
            parser.add_argument(f"--{option.name}", dest=option.field, metavar=_metavar(option), help=told)
    parser.add_argument(
        "--limit",
        dest="limits",
        action="append",
        metavar="NAME=VALUE",
        help="one of the limits in docs/settings.md (ACD_LIMIT_NAME); may be given several times",
    )


def _default_told(option: Option) -> str:
    if option.switch:
        return "=1"
    return f", else {option.default}" if option.default not in (None, "", ()) else ""


def _metavar(option: Option) -> str:
    kinds = {"host": "HOST", "port": "PORT", "data": "DIRECTORY", "speed": "NUMBER", "attributes": "NAME,NAME"}
    ending = option.field.rpartition("_")[2]
    is_path = "Path" in str(option.type)
    return kinds.get(ending, "FILE" if is_path else "TEXT")


def settings_from(args: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """The settings that options, environment and file give together.

    Raises:
        StartError: something in them is wrong; it names the place.
    """
    path = args.settings or environment.get("ACD_SETTINGS") or None
    values, limits = ({}, {}) if path is None else values_of(_read(Path(path)), f"{path}")
    for option in OPTIONS:
        value: Any = getattr(args, option.field)
        if value is not None:
            values[option.field] = _value(option, value, f"--{option.name}")
        elif environment.get(option.variable):
            values[option.field] = _value(option, environment[option.variable], option.variable)
    given = dict(map(_named_limit, args.limits or ()))
    _refuse_unknown(given, LIMITS, "--limit")
    for option in LIMITS:
        if option.key in given:
            limits[option.field] = _value(option, given[option.key], f"--limit {option.key}")
        elif environment.get(option.variable):
            limits[option.field] = _value(option, environment[option.variable], option.variable)
    values["limits"] = Limits(**limits)
    return _with_token(Settings(**values))


def values_of(said: Mapping[str, Any], place: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a table of settings gives, by field: the settings, and the limits. Raises `StartError`."""
    _refuse_unknown({key: value for key, value in said.items() if key != "limits"}, OPTIONS, place)
    limits_said = said.get("limits", {})
    if not isinstance(limits_said, dict):
        raise StartError(f"{place}: limits is a table: write [limits] above the limits")
    _refuse_unknown(limits_said, LIMITS, f"{place}: limits")
    settings = {
        option.field: _value(option, said[option.key], f"{place}: {option.key}")
        for option in OPTIONS
        if option.key in said
    }
    limits = {
        option.field: _value(option, limits_said[option.key], f"{place}: limits.{option.key}")
        for option in LIMITS
        if option.key in limits_said
    }
    return settings, limits


def _with_token(settings: Settings) -> Settings:
    """The token out of its file."""
    if settings.token_file is None:
        return settings
    if settings.token:
        raise StartError("a token and a file with one are given: leave one of the two out")
    try:
        token = settings.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"the token file {settings.token_file} cannot be read: {error}") from error
    if not token:
        raise StartError(f"the token file {settings.token_file} is empty: put a token into it")
    return msgspec.structs.replace(settings, token=token)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(f"the settings {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StartError(f"the settings {path} cannot be read: {error}") from error


def _named_limit(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise StartError(f"--limit {text}: write it as NAME=VALUE, such as --limit hello_s=5")
    return name.strip(), value.strip()


def _refuse_unknown(said: Mapping[str, Any], known: tuple[Option, ...], place: str) -> None:
    import difflib

    keys = [option.key for option in known]
    for key in said:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "docs/settings.md has all"
            raise StartError(f"{place}: there is no setting {key!r}; {hint}")


def _value(option: Option, value: Any, place: str) -> Any:
    """`value` as the setting needs it. What is secret is not quoted."""
    if option.switch and isinstance(value, str):
        return value.lower() not in _FALSE
    if option.type == tuple[str, ...] and isinstance(value, str):
        return tuple(filter(None, (name.strip() for name in value.split(","))))
    try:
        return msgspec.convert(value, option.type, strict=not isinstance(value, str), dec_hook=_path)
    except (msgspec.ValidationError, TypeError) as error:
        shown = "" if option.field in _SECRET else f" {value!r}"
        raise StartError(f"{place}{shown}: {_lower(str(error))}; docs/settings.md tells what it takes") from error


def _path(kind: type, value: Any) -> Path:
    if kind is not Path or not isinstance(value, str):
        raise TypeError(f"Expected a path, got {type(value).__name__}")
    return Path(value)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
