"""Writes the protocol page from the declarations: `python -m acd_protocol.docs docs/protocol.md`.

With `--check` it writes nothing, and fails when the page is not what it would write.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import msgspec.inspect as types
from msgspec import NODEFAULT, UNSET, Struct

from acd_core.commands import COMMAND_TYPES, Command
from acd_core.config import (
    NAME_PATTERN,
    Agent,
    Calendar,
    Callback,
    Channel,
    Config,
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
from acd_core.events import EVENT_TYPES, WaitEstimate
from acd_core.refusals import SENTENCES, Outcome
from acd_core.requirement import SKILL_PATTERN
from acd_core.wishes import Preferred
from acd_protocol.cli import EXIT_FAILED, EXIT_USAGE, fail
from acd_protocol.message_examples import SESSION, example_of
from acd_protocol.messages import (
    CONFIG_LINE_BYTES_MAX,
    DEFAULT_PORT,
    LINE_BYTES_MAX,
    PROTOCOL_VERSION,
    REPLY_TYPES,
    REQUEST_TYPES,
    Request,
)
from acd_protocol.permissions import PERMISSIONS, ROLES

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CONFIG_TYPES: tuple[type[Struct], ...] = (
    Config,
    Settings,
    Tenant,
    Channel,
    PauseReason,
    Calendar,
    Holiday,
    Queue,
    QueueRatio,
    WaitingCost,
    CostStep,
    Reserve,
    Callback,
    Step,
    JoinRule,
    StayRule,
    Agent,
)

_NUMBERS = {2**53 - 1: "2⁵³ - 1", 2**63 - 1: "2⁶³ - 1", -(2**63): "-2⁶³"}
_PATTERNS = {
    NAME_PATTERN: "no white space, quotes, slashes",
    SKILL_PATTERN: "a letter or `_`, then letters, digits, `_`, `.`, `-`",
}
_FAMILIES = {
    0: "Accepted: answered with `ok`, never with `error`",
    1: "Something named in the command does not exist",
    2: "It exists, but not in a state in which the command makes sense",
    3: "A value is not acceptable",
    4: "A limit is reached",
    5: "The line, the connection or its rights are not in order",
    6: "The server cannot serve now; the same command may succeed later",
    9: "A fault of the server",
}
_HEAD = f"""\
<!-- Written by 'make docs' from the declarations in acd_core and acd_protocol. Change those, not this page. -->

# The protocol

This is how an adapter for a PBX, a console or any other program speaks with the ACD server. The page describes
version {PROTOCOL_VERSION} of the protocol.

A connection is TCP, by default to port {DEFAULT_PORT} of the loopback. What goes over it, both ways, is UTF-8 text:
**one JSON object on each line**. `type` says which message it is. A language needs nothing but sockets and a JSON
library for it, and a person needs nothing but `nc`.

- [A session](#a-session)
- [An adapter in an afternoon](#an-adapter-in-an-afternoon)
- [Rules of a connection](#rules-of-a-connection)
- [Commands](#commands): what changes something
- [Requests](#requests): what asks or arranges something
- [Answers](#answers)
- [Events](#events): what happened
- [The configuration](#the-configuration)
- [Refusals](#refusals): all codes of `error`
"""

_SESSION_HEAD = """\
## A session

`→` goes to the server, `←` comes from it. A caller waits, an agent is free; he answers, they talk, the caller hangs up.
"""

_AFTERNOON = """\
## An adapter in an afternoon

The example configuration has one company, one queue and one agent:

```
acd serve
acd apply examples/first.toml
```

Then this is a whole adapter, on the client library, which connects again and resumes by itself:

```python
{python}```

And this is the same without any library, `examples/adapter_nc.sh`:

```bash
{shell}```

What a real adapter does beyond that:

1. Its PBX tells it of a call: `contact.enqueue`, with an id that is unique in the whole routing domain and that it can
   find again after a crash, such as the PBX's own id of the call. Music on hold starts.
2. On `contact.offered` it rings the agent's `address`. He picks up: `offer.accept`, and **only after `ok`** it connects
   the two; on `error` it hangs up on the agent, because the caller is gone or somebody else's. He does not want to:
   `offer.reject`. On `offer.ended` it stops ringing him.
3. The caller hangs up, in whatever state: `contact.abandon`. The conversation ends: `contact.complete`.
4. On `contact.ended` it frees the call. Reasons such as `max_wait` or `queue_full` mean that the caller is still on the
   line, and that the adapter plays an announcement or sends him elsewhere.
5. After a lost connection it says `hello` with `resume`, deals with the events that it missed, and sends again, in
   their order, the commands that have no answer yet.
"""

_RULES = f"""\
## Rules of a connection

**Lines.** A line ends with `\\n`; `\\r\\n` is taken as well, and empty lines are passed over. A line from a client has at
most {LINE_BYTES_MAX:,} bytes, and the first of a connection at most 8,192. A `config.apply` may have
{CONFIG_LINE_BYTES_MAX // (1024 * 1024)} MiB if its line begins with `{{"type":"config.apply"`. A longer line is answered with `line_too_long`,
and the connection is closed. Lines from the server have no such limit.

**Hello.** The first message is `hello`, soon after connecting; the answer is `welcome`. Anything else comes after it.

**Answers.** Each command and request gets exactly one answer, `ok` or `error`, with the `id` that it had. Answers come in
the order in which the messages were sent. So a client need not wait for one before it sends the next, and every message
may have an `id`: a whole number from 0 to 2⁵³ - 1, or a text of at most 64 characters. It is the client's own, and the
server does nothing with it but to send it back.

**Credit.** `welcome` says how many messages may be on their way without an answer; each answer gives one back. What is sent
beyond that is not refused, but read late: a client that keeps it back can still change its mind.

**Durable.** A command is answered only when it is on disk. What was answered with `ok` survives a crash of the server.
`error` means that nothing was changed.

**Repeats.** Commands name things by ids that the client chooses, so they can be sent again: a repeat is answered with
`ok` and `"duplicate":true`, and changes nothing. After a lost connection a client sends again, in their order, the
commands that have no answer yet, and need not know which of them arrived.

**Events.** They come in between, and concern the contacts that this client enqueued and the agents that it logged in;
with `subscribe`, others too. Each event has a `seq`, which numbers all events of the routing domain without a gap
and never repeats, so what one client gets has gaps in it. It grows, but where `subscribe` asks for past
events with `from_seq`: those come then, so keep the highest `seq` and not the last. `at` is the time of the event, in
nanoseconds since 1970. The events of a command may come before or after its answer.

**Resuming.** Contacts and agents belong to the client's name, not to its connection. When a connection is lost, nothing
happens to them at first; for a client that stays away longer than `client_grace_s` of the [settings](#settings), its
ready agents are paused as `unreachable` until it is back, and its waiting contacts are kept, or ended as `lost`, as
`absent_client_contacts` says. A client that comes back gives in `resume` the `seq` of the last event that it dealt with, and gets
those that it missed, in their order, before newer ones. If the server no longer has all of them, it says `gap` first:
then the client lists what it needs. With `subscribe` and `from_seq` the same is had for the subscription; those events
come after the `ok`, in their order, and all of them before the answer to another `subscribe`.

**One connection a name.** A newer connection with the same name takes over. The older is told `replaced` and closed, and
must not connect again by itself, or the two would chase each other for ever.

**Draining.** Before a planned stop the server says `draining`, and refuses what comes later with the code `draining`. The
client connects again after a short while, with `resume`, and sends again what was refused so.

**Read-only.** While its disk is full the server refuses every command as `journal_full`, changes nothing, and still answers
questions. What a client asks for it may ask for elsewhere; what has happened already, as that a caller has hung up, it
tells again until it is taken.

**Slow readers.** A client that does not read what it is sent is read no further itself; when it has fallen too far behind
it is cut, and may come back with `resume`. Nobody else notices.

**Errors.** What cannot be read is answered with `error`, which says where it is wrong, and hurts nothing. A connection
that sends nothing but such lines is closed.

**Unknown things.** The server refuses fields and types that it does not know, so that a misspelt one is found at once.
Clients pass over fields and types that they do not know: newer servers may have more. What is left out of a message
from the server has its default.

**Tokens and roles.** If the server wants a token, `hello` carries it, or a client certificate says who this is. A wrong
one is answered with `unauthorised`, after a while that grows with each failure. The token's role says which messages its
connection may send, its wall which tenants it can see; [permissions.md](permissions.md) has all of it. What is beyond the
wall is answered as if it were not there. A client name can be bound to a token, and as long as a connection uses it, no
other token can take it over. When a token is taken away, its connections are told `unauthorised` and closed.

**TLS.** A server that others than its own machine can reach speaks TLS 1.3, from the first byte on.
"""


def page() -> str:
    """The whole page."""
    parts = [
        _HEAD,
        _SESSION_HEAD,
        "```\n" + "".join(f"{_arrow(message)} {_json(message)}\n" for message in SESSION) + "```\n",
        _AFTERNOON.format(python=_source("adapter.py"), shell=_source("adapter_nc.sh")),
        _RULES,
        "## Commands\n\nEach changes something, and is answered with `ok` or `error`. Every one may have an `id` besides.\n",
        *(_section(kind, ("id",)) for kind in COMMAND_TYPES),
        "## Requests\n\nThey change nothing of the routing. Every one may have an `id` besides.\n",
        *(_section(kind, ("id",)) for kind in REQUEST_TYPES),
        "## Answers\n\nAnd what else the server has to say about the connection.\n",
        *(_section(kind) for kind in REPLY_TYPES),
        "## Events\n\nEvery one has `seq` and `at` besides: its number, and its time in nanoseconds since 1970.\n",
        *(_section(kind, ("seq", "at")) for kind in EVENT_TYPES),
        _section(WaitEstimate),
        _section(Preferred),
        "## The configuration\n\n`config.apply` carries a `Config`; `acd apply` reads the same from TOML.\n",
        *(_section(kind) for kind in CONFIG_TYPES),
        _refusals(),
    ]
    return "\n".join(parts)


def _source(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def _json(message: Struct) -> str:
    return msgspec.json.encode(message).decode()


def _arrow(message: Struct) -> str:
    return "→" if isinstance(message, Command | Request) else "←"


def _section(kind: type[Struct], besides: tuple[str, ...] = ()) -> str:
    """One message, or one part of the configuration."""
    tag = kind.__struct_config__.tag
    prose, meanings = _docstring(kind)
    info = types.type_info(kind)
    assert isinstance(info, types.StructType)
    fields = [field for field in info.fields if field.name not in besides]
    lines = [f"### {tag or kind.__name__}", "", prose, ""]
    permission = next((row for of_kind, row in PERMISSIONS.items() if of_kind is kind), None)
    sent_by_server = bool(tag) and permission is None
    if permission is not None:
        roles = [f"`{role}`" for role in ROLES if role in permission.roles]
        lines += [f"Roles: {'all' if len(roles) == len(ROLES) else ', '.join(roles)}.", ""]
    if fields:
        lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
        for field in fields:
            meaning = meanings.get(field.name) or _description(field.type)
            lines.append(
                f"| `{field.encode_name}` | {_type(field.type)} | {_default(field, sent_by_server)} | {meaning} |"
            )
        lines.append("")
    if tag:
        lines += ["```json", _json(example_of(kind)), "```", ""]
    return "\n".join(lines)


def _docstring(kind: type) -> tuple[str, dict[str, str]]:
    """What a docstring says: its prose, and the meanings of fields from its list of arguments or attributes."""
    text, _, listed = re.sub(r"\n(?:Args|Attributes):\n", "\0", inspect.cleandoc(kind.__doc__ or "")).partition("\0")
    meanings = {}
    for names, meaning in re.findall(r"^    ([\w, ]+): (.*(?:\n     +.*)*)", listed, re.MULTILINE):
        for name in names.split(", "):
            meanings[name] = re.sub(r"\s*\n\s*", " ", meaning)
    return text.strip(), meanings


def _default(field: types.Field, sent_by_server: bool) -> str:
    if field.required:
        return "always there" if sent_by_server else "**needed**"
    if field.default_factory is not NODEFAULT:
        default = field.default_factory()
    elif field.default is NODEFAULT or field.default is UNSET:
        return "left out"
    else:
        default = field.default
    if default is None:
        return "left out"
    if isinstance(default, Struct):
        return "its defaults"
    return f"`{msgspec.json.encode(default).decode()}`"


def _description(info: types.Type) -> str:
    """What the declaration itself says about a field, where that is more than its bounds."""
    if isinstance(info, types.Metadata):
        if isinstance(info.type, types.StrType) and info.type.pattern is not None:
            return ""
        return str((info.extra_json_schema or {}).get("description", "")) or _description(info.type)
    if isinstance(info, types.UnionType):
        return "".join({_description(member): None for member in info.types})
    return ""


def _type(info: types.Type) -> str:
    """A type and its bounds, in words."""
    match info:
        case types.Metadata():
            return _type(info.type)
        case types.StructType():
            return f"[{info.cls.__name__}](#{info.cls.__name__.lower()})"
        case types.UnionType():
            names = [_type(member) for member in info.types if not isinstance(member, types.CustomType)]
            if names == ["whole number", "number"]:
                return "number"
            return " or ".join(names)
        case types.StrType():
            bounds = [_range(info.min_length, info.max_length, "character"), _PATTERNS.get(info.pattern or "")]
            return _with("text", bounds)
        case types.IntType():
            return _with("whole number", [_range(info.ge, info.le)])
        case types.FloatType():
            return _with("number", [_range(info.ge, info.le)])
        case types.LiteralType():
            return "one of " + ", ".join(f"`{value}`" for value in info.values)
        case types.VarTupleType():
            return _with(f"list of {_type(info.item_type)}", [_range(info.min_length, info.max_length, "entry")])
        case types.DictType():
            bounds = [_range(info.min_length, info.max_length, "entry")]
            return _with(f"object: {_type(info.key_type)} → {_type(info.value_type)}", bounds)
        case types.BoolType():
            return "`true` or `false`"
        case types.NoneType():
            return "`null`"
        case types.AnyType():
            return "anything"
        case _:
            raise NotImplementedError(f"the page has no words for {info!r}")


def _with(name: str, bounds: Iterable[str | None]) -> str:
    said = ", ".join(filter(None, bounds))
    return f"{name} ({said})" if said else name


def _range(least: float | None, most: float | None, noun: str = "") -> str:
    """Bounds in words; empty for none."""
    plural = {"entry": "entries"}.get(noun, f"{noun}s")
    unit = f" {plural}" if noun else ""
    if least is not None and most is not None:
        return f"{_number(least)}..{_number(most)}{unit}"
    if most is not None:
        return f"at most {_number(most)}{unit}"
    if least is not None:
        return f"at least {_number(least)}{unit}"
    return ""


def _number(value: float) -> str:
    if value in _NUMBERS:
        return _NUMBERS[int(value)]
    return f"{int(value):,}" if value == int(value) else str(value)


def _refusals() -> str:
    lines = [
        "## Refusals",
        "",
        "`code` and `number` of an `error` are never given a second meaning. The hundreds alone tell a program what to",
        "do. `message` is for people, and often more exact than the sentence here.",
    ]
    family: Any = None
    for outcome in Outcome:
        if outcome.value // 100 != family:
            family = outcome.value // 100
            lines += ["", f"### {family}xx" if family else "### 0..99", "", f"{_FAMILIES[family]}.", ""]
            lines += ["| number | code | sentence |", "|---|---|---|"]
        lines.append(f"| {outcome.value} | `{outcome.code}` | {SENTENCES[outcome]} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(prog="python -m acd_protocol.docs", description="Write the protocol page.")
    parser.add_argument("path", type=Path, help="the page, such as docs/protocol.md")
    parser.add_argument("--check", action="store_true", help="only tell whether the page is as it should be")
    args = parser.parse_args(arguments)
    try:
        wanted = page()
        if not args.check:
            args.path.write_text(wanted, encoding="utf-8")
        elif args.path.read_text(encoding="utf-8") != wanted:
            return fail(f"{args.path} is not what the declarations say; run 'make docs'", EXIT_FAILED)
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}; run this in the source tree", EXIT_USAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
