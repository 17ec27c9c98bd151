"""Lines that are read without msgspec say what msgspec would have read in them, or are left to it."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from acd_core.commands import (
    AgentReady,
    AgentWrapupDone,
    Command,
    ContactAbandon,
    ContactComplete,
    ContactEnqueue,
    OfferAccept,
)
from acd_protocol.framing import decode_from_client, encode
from acd_protocol.messages import Error
from acd_protocol.plain_line import read_plain

TEXTS = (
    st.text('ab-1./ñ\\"\x7f\n ', max_size=6)
    | st.text(max_size=4)
    | st.sampled_from(["x" * size for size in (31, 32, 33, 64, 65, 128, 129)])
)
NUMBERS = st.integers(-2, 101) | st.sampled_from([10**15 - 1, 10**15, 2**53 - 1, 2**53, 2**63, 10**30])
VALUES = TEXTS | NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
MESSAGES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                *("contact.enqueue", "offer.accept", "contact.complete", "agent.ready", "agent.wrapup_done"),
                *("contact.abandon", "agent.pause", "ping"),
            ]
        )
    },
    optional={
        "id": VALUES,
        "contact": VALUES,
        "tenant": st.just("acme") | VALUES,
        "queue": st.just("support") | VALUES,
        "priority": VALUES,
        "require": VALUES | st.just("r" * 1024) | st.just("r" * 1025),
        "attributes": VALUES | st.dictionaries(TEXTS, VALUES, max_size=4),
        "offer": VALUES,
        "agent": VALUES,
        "reason": VALUES | st.sampled_from(["lost", "failed", "completed_caller"]),
        "disposition": VALUES,
        "direction": st.sampled_from(["inbound", "outbound"]),
    },
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" , ", " :  "), (",\t", ":")])


def same_as_msgspec(line: bytes) -> Command | None:
    """The command of a plain line, which msgspec reads alike."""
    read = read_plain(line)
    if read is not None:
        assert read == decode_from_client(line)
        assert encode(read) == encode(decode_from_client(line))
    return read


@given(message=MESSAGES, separators=SEPARATORS, ascii_only=st.booleans())
def test_any_message(message: dict[str, Any], separators: tuple[str, str], ascii_only: bool) -> None:
    same_as_msgspec(json.dumps(message, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "replace"))


PLAIN = [
    b'{"type":"contact.enqueue","contact":"c-1","tenant":"acme","queue":"support"}',
    b'{"type":"contact.enqueue","id":17,"contact":"c-1","tenant":"acme","queue":"support","priority":100,"require":"a>=1 b"}',
    b'{"type": "contact.enqueue", "queue": "q", "tenant": "t", "attributes": {"ani": "+34 1", "n": 7}, "contact": "c"}',
    b'{"type":"contact.enqueue","contact":"c-1","tenant":"acme","queue":"support","attributes":{}} ',
    b'{"type":"offer.accept","id":"a-1","offer":"o-12"}',
    b'{"type":"contact.complete","contact":"c-1"}',
    b'{"type":"contact.complete","reason":"lost","contact":"c-1","id":0}',
    b'{"type":"agent.ready","id":"","agent":"ann@example"}',
    b'{"type":"agent.wrapup_done","agent":"ann"}',
    b'{"type":"agent.wrapup_done","contact":"c-1","agent":"ann","disposition":"sold, at last","id":3}',
    b'{"type":"agent.wrapup_done","agent":"ann","disposition":""}',
    b'{"type":"contact.abandon","id":"x","contact":"a contact of 21 letters"}',
]


@pytest.mark.parametrize("line", PLAIN)
def test_usual_lines_are_plain(line: bytes) -> None:
    assert same_as_msgspec(line) is not None


UNUSUAL = [
    b"",
    b"{}",
    b'{"type":"agent.ready"',
    b'{"type":"agent.ready","agent":"a"',
    b'{"type":"agent.ready","agent":"a"}x',
    b'{"type":"agent.ready","agent":"a",}',
    b'{"type":"agent.ready","agent":"a","agent":"b"}',
    b'{"type":"agent.ready","id":1,"id":1,"agent":"b"}',
    b'{"type":"agent.ready","agent":""}',
    b'{"type":"agent.ready","agent":"a\\u0041"}',
    b'{"type":"agent.ready","agent":"\xc3\xb1"}',
    b'{"type":"agent.ready","agent":"\xff"}',
    b'{"type":"agent.ready","agent":"a\x00b"}',
    b'{"type":"agent.ready","id":01,"agent":"a"}',
    b'{"type":"agent.ready","id":-1,"agent":"a"}',
    b'{"type":"agent.ready","id":1.0,"agent":"a"}',
    b'{"type":"agent.ready","id":null,"agent":"a"}',
    b'{"type":"agent.ready","id":9007199254740992,"agent":"a"}',
    b'{"type":"agent.ready","more":1,"agent":"a"}',
    b'{"agent":"a","type":"agent.ready"}',
    b'{"type":"agent.wrapup_done","contact":"c"}',
    b'{"type":"agent.wrapup_done","agent":"a","contact":null}',
    b'{"type":"agent.wrapup_done","agent":"a","contact":""}',
    b'{"type":"agent.wrapup_done","agent":"a","disposition":7}',
    b'{"type":"contact.abandon","contact":"c","reason":"lost"}',
    b'{"type":"contact.abandon"}',
    b'{"type":"offer.accept"}',
    b'{"type":"contact.complete","contact":"c","reason":"bored"}',
    b'{"type":"contact.enqueue","contact":"c","tenant":"a b","queue":"q"}',
    b'{"type":"contact.enqueue","contact":"c","tenant":"t","queue":"a/b"}',
    b'{"type":"contact.enqueue","contact":"c","tenant":"t","queue":"q","priority":101}',
    b'{"type":"contact.enqueue","contact":"c","tenant":"t","queue":"q","attributes":{"a":1,"a":2}}',
    b'{"type":"contact.enqueue","contact":"c","tenant":"t","queue":"q","attributes":{"a":1,}}',
    b'{"type":"contact.enqueue","contact":"c","tenant":"t","queue":"q","attributes":{,"a":1}}',
    b'{"type":"contact.enqueue","contact":"c","tenant":"t","queue":"q","attributes":{"a":[]}}',
    b'{"type":"contact.enqueue","contact":"c","tenant":"t","queue":"q","attributes":{"a"',
    b'{"type":"contact.enqueue","contact":"c","tenant":"t","queue":"q","direction":"outbound"}',
]


@pytest.mark.parametrize("line", UNUSUAL)
def test_unusual_lines_are_left_to_msgspec(line: bytes) -> None:
    assert read_plain(line) is None


@given(line=st.sampled_from(PLAIN), seed=st.integers(0, 2**32))
@example(line=PLAIN[1], seed=1)
def test_damaged_lines_are_read_as_msgspec_reads_them(line: bytes, seed: int) -> None:
    rng = Random(seed)
    damaged = bytearray(line)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(damaged) + 1)
        match rng.randrange(3):
            case 0:
                damaged[at : at + rng.randint(1, 3)] = b""
            case 1:
                damaged[at:at] = rng.choice([b'"', b",", b"}", b"\\", b"0", b"\xc3\xb1", b" ", b"\x00", b"x", b"{"])
            case 2:
                piece = rng.choice(PLAIN)
                damaged[at:at] = piece[rng.randrange(len(piece)) :][: rng.randint(1, 30)]
    same_as_msgspec(bytes(damaged))


@pytest.mark.parametrize("character", [b'"', b"\\", b"\x00", b"\x1f", b"\x7f", b"\x80", b"\xff", b" ", b"~"])
def test_what_stands_for_itself_is_known_at_every_place_of_a_text(character: bytes) -> None:
    for length in range(1, 30):
        for place in range(length):
            text = b"x" * place + character + b"x" * (length - 1 - place)
            same_as_msgspec(b'{"type":"contact.abandon","contact":"%s"}' % text)
            same_as_msgspec(b'{"type":"contact.abandon","contact":"%s' % text)


def test_as_many_attributes_as_are_allowed() -> None:
    for count in (63, 64, 65):
        line = msgspec.json.encode(
            {
                "type": "contact.enqueue",
                "contact": "c",
                "tenant": "t",
                "queue": "q",
                "attributes": {f"k{n}": n for n in range(count)},
            }
        )
        assert (same_as_msgspec(line) is not None) == (count <= 64)
        assert isinstance(decode_from_client(line), Error) == (count > 64)


def test_what_is_read_depends_on_its_own_line_only() -> None:
    rng = Random(2)
    commands = [
        ContactEnqueue(id=1, contact="c", tenant="t", queue="q", priority=3, require="x", attributes={"a": "b"}),
        ContactEnqueue(contact="d", tenant="t", queue="q"),
        OfferAccept(offer="o-1"),
        ContactComplete(id="z", contact="c", reason="lost"),
        ContactComplete(contact="c"),
        AgentReady(agent="a"),
        AgentWrapupDone(agent="a"),
        AgentWrapupDone(agent="b", contact="c", disposition="sold"),
        ContactAbandon(contact="c"),
    ]
    for _ in range(200):
        command = rng.choice(commands)
        assert read_plain(encode(command).rstrip()) == command
