import random

import pytest

from acd_core.events import AgentUpdated, Event
from acd_protocol.event_stream import EventStream
from acd_protocol.messages import Gap


def event(seq: int) -> AgentUpdated:
    return AgentUpdated(seq=seq, at=0, agent="a")


def feed(stream: EventStream, *numbers: int) -> None:
    for seq in numbers:
        stream.take(event(seq))


async def given(stream: EventStream) -> list[int]:
    """What waits in the queue; a gap as the negative of its number."""
    found = []
    while len(stream):
        item = await stream.get()
        assert item is not None
        found.append(item.seq if isinstance(item, Event) else -item.first_seq)
    return found


async def test_repeats_and_older_events_are_dropped() -> None:
    stream = EventStream(100, None)
    feed(stream, 3, 3, 5, 4, 5, 9)
    assert await given(stream) == [3, 5, 9]
    assert stream.position is None
    stream.begin(2)
    assert stream.position == 9


async def test_what_was_seen_in_an_earlier_life_is_dropped() -> None:
    stream = EventStream(100, 4)
    stream.begin(8)
    feed(stream, 3, 4, 5)
    assert await given(stream) == [5]


async def test_what_comes_again_is_put_between_what_was_held_back_as_it_arrives() -> None:
    stream = EventStream(100, 10)
    stream.begin(20)
    stream.hold()
    feed(stream, 12, 15, 21)
    assert await given(stream) == []
    stream.merge()
    feed(stream, 11, 13)
    assert await given(stream) == [11, 12, 13]
    feed(stream, 14, 20)
    assert await given(stream) == [14, 15, 20]
    stream.release()
    feed(stream, 22)
    assert await given(stream) == [21, 22]


async def test_two_askings_at_once_are_sorted_into_one() -> None:
    stream = EventStream(100, 10)
    stream.begin(20)
    stream.hold()
    stream.hold()
    feed(stream, 18, 19)
    stream.merge()
    feed(stream, 11, 12, 20)
    stream.release()
    stream.merge()
    feed(stream, 13, 14)
    stream.release()
    assert await given(stream) == [11, 12, 13, 14, 18, 19, 20]


async def test_a_new_connection_forgets_what_was_held_back() -> None:
    stream = EventStream(100, 10)
    stream.begin(20)
    stream.hold()
    feed(stream, 15)
    stream.begin(20)
    feed(stream, 11)
    feed(stream, 15)
    assert await given(stream) == [11, 15]


@pytest.mark.parametrize("seed", range(20))
async def test_any_split_into_own_and_replayed_events_comes_out_sorted(seed: int) -> None:
    rng = random.Random(seed)
    numbers = list(range(1, 200))
    own = [seq for seq in numbers if rng.random() < 0.3]
    replayed = [seq for seq in numbers if seq not in own or rng.random() < 0.1]
    stream = EventStream(1000, 0)
    stream.begin(150)
    stream.hold()
    feed(stream, *own)
    stream.merge()
    feed(stream, *replayed)
    stream.release()
    assert await given(stream) == numbers


async def test_a_gap_is_given_once_a_connection() -> None:
    stream = EventStream(100, 4)
    stream.begin(30)
    stream.take_gap(Gap(first_seq=20))
    stream.take_gap(Gap(first_seq=20))
    stream.begin(40)
    stream.take_gap(Gap(first_seq=20))
    assert await given(stream) == [-20, -20]


async def test_the_queue_says_full_and_overflows_into_a_gap() -> None:
    stream = EventStream(2, None)
    feed(stream, 1)
    assert (stream.full, stream.roomy) == (False, True)
    feed(stream, 2)
    assert (stream.full, stream.roomy) == (True, False)
    overflow = 2 + EventStream.OVERFLOW_MIN
    feed(stream, *range(3, overflow + 1))
    assert len(stream) == overflow
    feed(stream, overflow + 1, overflow + 2)
    assert await given(stream) == [-(overflow + 1), overflow + 1, overflow + 2]


async def test_a_closed_stream_gives_what_is_left_and_then_its_error() -> None:
    stream = EventStream(10, None)
    feed(stream, 1)
    stream.close(ValueError("over"))
    feed(stream, 2)
    assert await stream.get() == event(1)
    with pytest.raises(ValueError, match="over"):
        await stream.get()
    ended = EventStream(10, None)
    ended.close(None)
    assert await ended.get() is None
