from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from acd_core.commands import COMMAND_TYPES, Command
from acd_core.config import Agent, Config, Queue, Settings, Step, Tenant
from acd_core.events import EVENT_TYPES
from acd_protocol.framing import decode_from_client, decode_from_server, encode
from acd_protocol.messages import LINE_BYTES_MAX, REPLY_TYPES, REQUEST_TYPES, Error, Request
from acd_protocol.permissions import PERMISSIONS
from tests.support.strategies import messages

FROM_CLIENT = (*COMMAND_TYPES, *REQUEST_TYPES)
FROM_SERVER = (*REPLY_TYPES, *EVENT_TYPES)
CONFIG_TYPES: tuple[type[Struct], ...] = (Agent, Config, Queue, Settings, Step, Tenant)

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def name(kind: type[Struct]) -> str:
    return str(kind.__struct_config__.tag)


@pytest.mark.parametrize("kind", FROM_CLIENT, ids=name)
@quick
@given(data=st.data())
def test_what_a_client_sends_comes_back_equal(kind: type[Struct], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_from_client(line[:-1]) == message


@pytest.mark.parametrize("kind", FROM_SERVER, ids=name)
@quick
@given(data=st.data())
def test_what_a_server_sends_comes_back_equal(kind: type[Struct], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    assert decode_from_server(encode(message)) == message


@quick
@given(data=st.data())
def test_no_single_changed_byte_raises(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(FROM_CLIENT).flatmap(messages))
    line = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(decode_from_client(bytes(line)), Command | Request | Error)


def test_every_message_has_a_type_of_its_own() -> None:
    for kinds in (FROM_CLIENT, FROM_SERVER):
        assert len({name(kind) for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", FROM_CLIENT, ids=name)
def test_every_message_of_a_client_is_documented_bounded_and_has_a_role(kind: type[Command] | type[Request]) -> None:
    assert kind.__doc__
    assert kind in PERMISSIONS
    config = kind.__struct_config__
    assert config.frozen
    assert config.forbid_unknown_fields


def literals(annotation: Any) -> list[tuple[Any, ...]]:
    """The values of every Literal inside a type."""
    if get_origin(annotation) is Literal:
        return [get_args(annotation)]
    return [found for inner in get_args(annotation) for found in literals(inner)]


def test_a_value_that_is_none_of_a_choice_is_answered_with_the_choice() -> None:
    tried = 0
    kinds: list[type[Struct]] = [*FROM_CLIENT, *CONFIG_TYPES]
    for kind in kinds:
        for field in fields(kind):
            for choice in literals(field.type):
                answer = decode_from_client(wrong_choice(kind, field.name))
                assert isinstance(answer, Error)
                assert answer.code == "value_invalid"
                assert ", ".join(sorted(choice)) in answer.message
                assert field.name in answer.message
                tried += 1
    assert tried >= 4


def wrong_choice(kind: type[Struct], field: str) -> bytes:
    """A line in which `field` has a value that its Literal does not have; other fields are left out or minimal."""
    if kind is Queue:
        return b'{"type":"config.apply","config":{"queues":[{"tenant":"t","name":"n","%s":"wrong"}]}}' % field.encode()
    if kind is Settings:
        return b'{"type":"config.apply","config":{"settings":{"%s":"wrong"}}}' % field.encode()
    wrong = '["wrong"]' if field == "topics" else '"wrong"'
    needed = '"contact":"c",' if "contact" in kind.__struct_fields__ else ""
    return f'{{"type":"{name(kind)}",{needed}"{field}":{wrong}}}'.encode()


def test_the_largest_ordinary_command_fits_into_a_line() -> None:
    from acd_core.commands import ContactEnqueue

    attributes = {f"{number:064}": "x" * 800 for number in range(64)}
    line = encode(
        ContactEnqueue(
            id="i" * 64,
            contact="c" * 128,
            tenant="t" * 64,
            queue="q" * 64,
            require="r" * 1024,
            attributes=attributes,  # type: ignore[arg-type]
        )
    )
    assert len(line) < LINE_BYTES_MAX
