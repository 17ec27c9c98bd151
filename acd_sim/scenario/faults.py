"""What the decoder of scenarios finds wrong, in the words of those who write them."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from acd_sim.scenario import shape
from acd_sim.scenario.document import Document, ScenarioError, Steps, meant

_AT = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`\Z")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`\Z")
_WORDS = {
    "`str`": "text",
    "`int`": "a whole number",
    "`float`": "a number",
    "`array`": "a list",
    "`object`": "a table",
    "`float | object`": "a number of seconds or a table with a law",
    "`float | object | null`": "a number of seconds or a table with a law",
}


def explained(found: Document, error: msgspec.ValidationError) -> ScenarioError:
    """The decoder's finding, with line and key, in the words of TOML."""
    message = str(error)
    steps: list[str | int] = []
    if at := _AT.search(message):
        message = message[: at.start()]
        for word, index in re.findall(r"\.(\w+)|\[(\d+)\]", at["path"]):
            steps.append(word or int(index))
    place = tuple(steps)
    if unknown := _UNKNOWN.match(message):
        known = _known_fields(place)
        close = meant(unknown[1], known) if known else ""
        return found.error((*place, unknown[1]), f"there is no such key{close}")
    if missing := _MISSING.match(message):
        if missing[1] == "law":
            return found.error(place, 'say which law: law = "exponential", for example')
        return found.error(place, f"the key {missing[1]!r} is missing")
    if "matching regex" in message:
        message = 'expected a time such as "08:30" or "tue 08:30"' if place and place[-1] in ("from", "to", "at") else (
            "expected tenant/queue" if place and place[-1] == "queue" else "expected a name without spaces, quotes, slashes"
        )  # fmt: skip
    for words, toml in _WORDS.items():
        message = message.replace(words, toml)
    return found.error(place, message[0].lower() + message[1:])


def _known_fields(place: Steps) -> list[str]:
    """The keys that a table may have."""
    node: Any = shape.Scenario
    for step in place:
        if isinstance(step, int):
            continue
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(node)}
        kinds = _structs(fields.get(str(step)))
        if len(kinds) != 1:
            return []
        node = kinds[0]
    return [field.encode_name for field in msgspec.structs.fields(node)]


def _structs(annotation: Any) -> list[type[Struct]]:
    """The Structs in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return [annotation]
    return [kind for part in getattr(annotation, "__args__", ()) for kind in _structs(part)]
