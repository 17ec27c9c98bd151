"""Lines of events as they are sent, against msgspec; random traffic is compared in lockstep."""

from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from acd_core import Engine
from acd_core._probe import json_of
from acd_core.commands import AgentLogin, AgentReady, ConfigApply, ContactAbandon, ContactEnqueue, OfferReject
from acd_core.config import seconds_of_ns
from acd_core.event_lines import line_of
from acd_core.events import AgentChanged, ContactEnded
from acd_core.toml import read_toml

encode = msgspec.json.encode
NOW = 1_700_000_000_000_000_000


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_is_written_as_msgspec_does(text: str) -> None:
    assert json_of(text) == encode(text)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_whole_number_is_written_as_msgspec_does(number: int) -> None:
    assert json_of(number) == encode(number)


@given(st.integers(0, 2**62) | st.integers(0, 10**13) | st.integers(0, 10**7).map(lambda ms: ms * 1_000_000))
def test_seconds_are_written_as_msgspec_does(ns: int) -> None:
    assert json_of((ns,)) == encode(seconds_of_ns(ns))


def test_what_needs_escapes_reaches_the_line_in_its_escapes() -> None:
    config = read_toml(
        """
        [[tenants]]
        name = "日本"
        [[queues]]
        tenant = "日本"
        name = "größe"
        [[agents]]
        agent = "zoë"
        tenants = ["日本"]
        address = 'SIP/"a"\\b'
    """,
        "test",
    )
    pair = Engine(), Engine()
    for machine in pair:
        ConfigApply(config=config).apply(machine, NOW, "ops")
        AgentLogin(agent="zoë", ready=True).apply(machine, NOW, "desk")
        attributes: dict[str, Any] = {"say": 'a "quoted" word\n'}
        enqueue = ContactEnqueue(contact="c-é", tenant="日本", queue="größe", attributes=attributes)
        assert enqueue.apply(machine, NOW + 1_500_000, "pbx") == 0
        OfferReject(offer="o-1", cause='said "no"').apply(machine, NOW + 3_000_000, "desk")
        ContactAbandon(contact="c-é").apply(machine, NOW + 9_123_000_000, "pbx")
    events, lines = pair[0].take_events(), pair[1].take_lines()
    assert [line.line for line in lines] == [encode(event) + b"\n" for event, _, _ in events]
    assert {type(event) for event, _, _ in events} >= {AgentChanged, ContactEnded}
    assert pair[1].take_lines() == []


def test_what_was_made_an_event_before_is_in_its_place() -> None:
    """A change of the configuration makes events of the records so far, while their names still hold."""
    first, second = (read_toml(f'[[tenants]]\nname = "{name}"', "test") for name in "ab")
    pair = Engine(), Engine()
    for machine in pair:
        for config in (first, second, first):
            ConfigApply(config=config).apply(machine, NOW, "ops")
    expected = [line_of(addressed).line for addressed in pair[0].take_events()]
    assert [line.line for line in pair[1].take_lines()] == expected
    assert [line.seq for line in map(line_of, pair[0].take_events())] == []


def test_events_on_the_same_and_on_others_in_turn_name_whom_they_concern() -> None:
    """Short and long names, that follow each other in all ways; what is kept of one line must not come in another."""
    long = "n" * 64
    agents = "".join(f'[[agents]]\nagent = "{name}"\ntenants = ["t"]\n' for name in ("a", "b", long))
    queues = "".join(f'[[queues]]\ntenant = "t"\nname = "{name}"\n' for name in ("q", long))
    config = read_toml(f'[[tenants]]\nname = "t"\n{queues}{agents}', "test")
    rng = Random(5)
    pair = Engine(), Engine()
    for machine in pair:
        ConfigApply(config=config).apply(machine, NOW, "ops")
    now = NOW
    compared = 0
    for round_ in range(150):
        commands: list[Any] = []
        for number in range(rng.randint(1, 6)):
            now += rng.choice((0, 1, 1_000_000))
            contact = f"c-{round_}-{number}" + rng.choice(("", "x" * 100))
            queue = rng.choice(("q", long))
            agent = rng.choice(("a", "b", long))
            commands += [
                (now, AgentLogin(agent=agent, ready=True)),
                (now, ContactEnqueue(contact=contact, tenant="t", queue=queue)),
                (now, OfferReject(offer=f"o-{rng.randint(1, 150)}")),
                (now, rng.choice((ContactAbandon(contact=contact), AgentReady(agent=agent)))),
            ]
        for machine in pair:
            for at, command in commands:
                command.apply(machine, at, "pbx")
        events, lines = pair[0].take_events(), pair[1].take_lines()
        assert [line.line for line in lines] == [encode(event) + b"\n" for event, _, _ in events]
        compared += len(lines)
    assert compared > 500
