"""The ring of events: always the latest, without a hole, within both of its limits."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd_core.event_lines import EventLine
from server.ring import EventRing


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
