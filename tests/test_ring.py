"""The ring of events: always the latest, without a hole, within both of its limits."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd_core import Engine
from acd_core.commands import ConfigApply, ContactAbandon, ContactEnqueue
from acd_core.event_lines import EventLine
from acd_core.toml import read_toml
from server.counters import Counters
from server.ring import EventRing
from server.router import Router


def event(seq: int, size: int) -> EventLine:
    return EventLine(seq, bytes([seq % 256]) * size, f"pbx-{seq}", f"desk-{size}", "contact", "acme", f"{seq}")


def of(line: EventLine) -> tuple[object, ...]:
    return line.seq, line.line, line.contact_client, line.agent_client, line.topic, line.tenant, line.agent


@given(
    events_max=st.integers(1, 8),
    bytes_max=st.integers(10, 60) | st.integers(60, 300_000),
    last_seq=st.integers(0, 100),
    sizes=st.lists(st.integers(1, 70) | st.sampled_from([30_000, 70_000]), max_size=40),
)
def test_ring_holds_the_latest_within_its_limits(
    events_max: int, bytes_max: int, last_seq: int, sizes: list[int]
) -> None:
    ring = EventRing(events_max, bytes_max, last_seq)
    kept: deque[int] = deque()
    for number, size in enumerate(sizes, start=last_seq + 1):
        ring.append(event(number, size))
        kept.append(size)
        while len(kept) > events_max or sum(kept) > bytes_max:
            kept.popleft()
        assert ring.last_seq == number
        assert [of(ring[seq]) for seq in range(ring.first_seq, number + 1)] == [
            of(event(seq, size)) for seq, size in enumerate(kept, start=number - len(kept) + 1)
        ]
        assert (len(ring), ring.bytes) == (len(kept), sum(kept))


def test_hole_in_the_numbers_is_refused() -> None:
    ring = EventRing(4, 100)
    ring.append(event(1, 1))
    with pytest.raises(AssertionError):
        ring.append(event(3, 1))


@given(
    events_max=st.integers(1, 300),
    bytes_max=st.integers(200, 200_000),
    turns=st.lists(st.tuples(st.integers(1, 150), st.sampled_from([5, 5, 300, 9_000])), max_size=8),
)
@settings(max_examples=30)
def test_events_that_come_together_are_kept_as_one_by_one(
    events_max: int, bytes_max: int, turns: list[tuple[int, int]]
) -> None:
    """Of an engine whose events the router writes itself, and of its twin that gives their lines."""
    together, single = (Router(EventRing(events_max, bytes_max), Counters()) for _ in range(2))
    pair = Engine(), Engine()
    config = read_toml('[[tenants]]\nname = "t"\n[[queues]]\ntenant = "t"\nname = "q"\n', "test")
    for machine in pair:
        ConfigApply(config=config).apply(machine, 1, "ops")
    number = 0
    for count, size in turns:
        for _ in range(count):
            number += 1
            contact = f"c-{number}"
            attributes: dict[str, Any] = {"note": "n" * size}
            for machine in pair:
                ContactEnqueue(contact=contact, tenant="t", queue="q", attributes=attributes).apply(
                    machine, number, "pbx"
                )
                if number % 3 == 0:
                    ContactAbandon(contact=contact).apply(machine, number, f"pbx-{number % 2}")
        together.hand_out(pair[0])
        single.route(pair[1].take_lines())
        assert together.ring.first_seq == single.ring.first_seq
        assert together.ring.last_seq == single.ring.last_seq == pair[0].seq
        assert [of(together.ring[seq]) for seq in range(together.ring.first_seq, pair[0].seq + 1)] == [
            of(single.ring[seq]) for seq in range(together.ring.first_seq, pair[0].seq + 1)
        ]
        assert together.ring.bytes == single.ring.bytes
