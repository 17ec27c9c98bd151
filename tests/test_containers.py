"""The containers of the core against Python's own: pairing heaps against `heapq`, the map of integers against `dict`."""

import heapq
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from acd_core._probe import Heaps, Map, Tags

NODES = 40
HEAPS = 3
KEYS = st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1)


# Pairing heaps


class PairingHeaps(RuleBasedStateMachine):
    """Some heaps over one array of nodes, beside plain sets of what should be in them."""

    @initialize()
    def begin(self) -> None:
        self.heaps = Heaps(NODES, HEAPS)
        self.expected: list[dict[int, tuple[int, int]]] = [{} for _ in range(HEAPS)]
        self.unused = list(range(NODES))
        self.seq = 0

    @precondition(lambda self: self.unused)
    @rule(heap=st.integers(0, HEAPS - 1), key=KEYS, pick=st.integers(0, NODES - 1))
    def insert(self, heap: int, key: int, pick: int) -> None:
        node = self.unused.pop(pick % len(self.unused))
        self.seq += 1
        self.heaps.insert(heap, node, key, self.seq)
        self.expected[heap][node] = (key, self.seq)

    @rule(heap=st.integers(0, HEAPS - 1), pick=st.integers(0, NODES - 1))
    def remove_any(self, heap: int, pick: int) -> None:
        nodes = list(self.expected[heap])
        if nodes:
            node = nodes[pick % len(nodes)]
            self.heaps.remove(heap, node)
            del self.expected[heap][node]
            self.unused.append(node)

    @rule(heap=st.integers(0, HEAPS - 1))
    def remove_first(self, heap: int) -> None:
        node = self.heaps.first(heap)
        if node != -1:
            self.heaps.remove(heap, node)
            del self.expected[heap][node]
            self.unused.append(node)

    @rule(into=st.integers(0, HEAPS - 1), distance=st.integers(1, HEAPS - 1))
    def meld(self, into: int, distance: int) -> None:
        other = (into + distance) % HEAPS
        self.heaps.meld(into, other)
        self.expected[into] |= self.expected[other]
        self.expected[other] = {}

    @invariant()
    def agree(self) -> None:
        for heap, expected in enumerate(self.expected):
            assert sorted(self.heaps.walk(heap)) == sorted(expected)
            first = min(expected, key=expected.__getitem__) if expected else -1
            assert self.heaps.first(heap) == first


PairingHeaps.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestPairingHeaps = PairingHeaps.TestCase


@pytest.mark.parametrize("seed", range(4))
def test_a_heap_gives_its_nodes_in_the_order_of_heapq(seed: int) -> None:
    rng = Random(seed)
    size = 5000
    heaps = Heaps(size)
    queue: list[tuple[int, int, int]] = []
    unused = list(range(size))
    for seq in range(1, 20_000):
        if unused and (not queue or rng.random() < 0.55):
            node = unused.pop()
            entry = (rng.randint(0, 50), seq, node)
            heaps.insert(0, node, entry[0], seq)
            heapq.heappush(queue, entry)
        else:
            _, _, node = heapq.heappop(queue)
            assert heaps.first(0) == node
            heaps.remove(0, node)
            unused.append(node)
        if seq % 2000 == 0:
            assert len(heaps.walk(0)) == len(queue)
    while queue:
        _, _, node = heapq.heappop(queue)
        assert heaps.first(0) == node
        heaps.remove(0, node)
    assert heaps.first(0) == -1


@pytest.mark.parametrize("order", ["rising", "falling", "equal"])
def test_a_heap_of_many_nodes_can_be_taken_apart_from_any_side(order: str) -> None:
    size = 20_000
    heaps = Heaps(size)
    for node in range(size):
        heaps.insert(0, node, {"rising": node, "falling": -node, "equal": 0}[order], node)
    for node in range(0, size, 2):
        heaps.remove(0, node)
    assert sorted(heaps.walk(0)) == list(range(1, size, 2))
    rest = []
    while (first := heaps.first(0)) != -1:
        rest.append(first)
        heaps.remove(0, first)
    assert rest == (list(range(size - 1, 0, -2)) if order == "falling" else list(range(1, size, 2)))


def test_equal_keys_come_in_the_order_of_their_sequence() -> None:
    heaps = Heaps(3)
    for node, seq in ((0, 7), (1, 5), (2, 6)):
        heaps.insert(0, node, 100, seq)
    order = []
    for _ in range(3):
        order.append(heaps.first(0))
        heaps.remove(0, order[-1])
    assert order == [1, 2, 0]


# The map of integers


def home(key: int, places: int) -> int:
    """The place at which the map begins to look for a key; see `_spread` in containers.pyx."""
    return (key * 0x9E3779B97F4A7C15 % 2**64 >> 17) % places


def colliding(count: int, places: int, at: int) -> list[int]:
    """The first `count` keys whose home is `at`."""
    found: list[int] = []
    key = 0
    while len(found) < count:
        key += 1
        if home(key, places) == at:
            found.append(key)
    return found


def test_an_empty_map_has_nothing() -> None:
    numbers = Map()
    numbers.remove(5)
    assert numbers.get(5) == -1
    assert len(numbers) == 0
    assert numbers.places() == [0] * 16


def test_keys_that_collide_stand_one_after_the_other_around_the_end() -> None:
    numbers = Map()
    keys = colliding(5, places=16, at=14)
    for value, key in enumerate(keys):
        numbers.put(key, value)
    places = numbers.places()
    assert [places[place] for place in (14, 15, 0, 1, 2)] == keys
    assert [numbers.get(key) for key in keys] == [0, 1, 2, 3, 4]
    assert numbers.get(colliding(6, 16, 14)[-1]) == -1


@pytest.mark.parametrize("gone", range(5))
def test_a_key_can_be_taken_out_of_the_middle_of_a_run(gone: int) -> None:
    numbers = Map()
    keys = colliding(5, places=16, at=14)
    for value, key in enumerate(keys):
        numbers.put(key, value)
    numbers.remove(keys[gone])
    assert [numbers.get(key) for key in keys] == [-1 if value == gone else value for value in range(5)]
    left = [key for key in keys if key != keys[gone]]
    places = numbers.places()
    assert [places[place] for place in (14, 15, 0, 1)] == left
    assert len(numbers) == 4


def test_a_hole_is_not_filled_with_a_key_that_is_at_home_behind_it() -> None:
    numbers = Map()
    before, after = colliding(1, 16, 3)[0], colliding(2, 16, 4)
    for value, key in enumerate((before, *after)):
        numbers.put(key, value)
    numbers.remove(before)
    places = numbers.places()
    assert (places[3], places[4], places[5]) == (0, *after)
    assert [numbers.get(key) for key in after] == [1, 2]


def test_the_map_is_never_more_than_half_full_and_keeps_everything() -> None:
    numbers = Map()
    for key in range(1, 100_001):
        numbers.put(key, key & 0x7FFF)
        if key & (key - 1) == 0:
            assert 2 * len(numbers) <= len(numbers.places())
    assert len(numbers) == 100_000
    assert all(numbers.get(key) == key & 0x7FFF for key in range(1, 100_001))
    for key in range(1, 100_001, 2):
        numbers.remove(key)
    assert all(numbers.get(key) == (-1 if key % 2 else key & 0x7FFF) for key in range(1, 100_001))


def test_a_value_is_replaced_in_its_place() -> None:
    numbers = Map()
    numbers.put(9, 1)
    numbers.put(9, 2)
    assert numbers.get(9) == 2
    assert len(numbers) == 1


FEW_HOMES = colliding(6, 64, 62) + colliding(4, 64, 63) + colliding(4, 64, 0) + colliding(4, 64, 1)
MAP_KEYS = st.sampled_from(FEW_HOMES) | st.integers(1, 40) | st.integers(1, 2**63 - 1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("put", "put", "remove")), MAP_KEYS, st.integers(0, 2**31 - 1)), max_size=80))
def test_the_map_is_a_dict(steps: list[tuple[str, int, int]]) -> None:
    numbers = Map()
    expected: dict[int, int] = {}
    for verb, key, value in steps:
        if verb == "put":
            numbers.put(key, value)
            expected[key] = value
        else:
            numbers.remove(key)
            expected.pop(key, None)
        assert len(numbers) == len(expected)
        assert numbers.get(key) == expected.get(key, -1)
    assert sorted(key for key in numbers.places() if key) == sorted(expected)
    assert {key: numbers.get(key) for key in expected} == expected
    assert all(numbers.get(key) == expected.get(key, -1) for key in FEW_HOMES)


@pytest.mark.parametrize("seed", range(3))
def test_the_map_is_a_dict_over_a_long_life(seed: int) -> None:
    rng = Random(seed)
    numbers = Map()
    expected: dict[int, int] = {}
    newest = 0
    for step in range(60_000):  # as the engine uses it: numbers that rise, and go when their time comes
        if rng.random() < 0.5 + 0.1 * (step % 20_000 < 4000):
            newest += rng.choice((1, 1, 1, 64, 1 << 40))
            newest %= 2**63
            numbers.put(newest, step)
            expected[newest] = step
        elif expected:
            key = rng.choice((next(iter(expected)), newest))
            numbers.remove(key)
            expected.pop(key, None)
    assert len(numbers) == len(expected)
    assert all(numbers.get(key) == value for key, value in expected.items())


TOP = (1 << 32) - 1


@pytest.mark.parametrize("tag", [0, 1, 256, TOP])
def test_values_of_one_tag_go_on_into_the_next_buckets_and_around_the_end(tag: int) -> None:
    tags = Tags()
    values = [tags.enter(tag) for _ in range(18)]
    assert tags.state() == (2, 18, 6)
    assert sorted(tags.find(tag)) == values
    for gone in (0, 17, 5, 12):
        tags.leave(gone)
        values.remove(gone)
        assert sorted(tags.find(tag)) == values
    while values:
        tags.leave(values.pop())
    assert tags.state() == (2, 0, 0)
    assert tags.find(tag) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_table_of_tags_is_a_dict_of_lists(seed: int) -> None:
    rng = Random(seed)
    few = [rng.randint(0, TOP) for _ in range(40)]
    tags, expected, kept = Tags(), dict[int, list[int]](), list[tuple[int, int]]()
    for step in range(30_000):
        if rng.random() < (0.7 if step < 20_000 else 0.2) or not kept:
            tag = rng.choice(few) if rng.random() < 0.02 else rng.randint(0, TOP)
            kept.append((tag, tags.enter(tag)))
            expected.setdefault(tag, []).append(kept[-1][1])
        else:
            tag, value = kept.pop(rng.randrange(len(kept)))
            tags.leave(value)
            expected[tag].remove(value)
        if step % 100 == 0:
            assert len(tags) == len(kept)
            for tag in (*few, rng.randint(0, TOP), rng.choice(kept)[0] if kept else 0):
                assert sorted(tags.find(tag)) == expected.get(tag, [])
    buckets, taken, _ = tags.state()
    assert taken == len(kept)
    assert buckets * 12 > len(kept)
    assert all(value in tags.find(tag) for tag, value in kept)
    for _, value in kept:
        tags.leave(value)
    assert tags.state() == (buckets, 0, 0)


def test_a_table_of_tags_takes_less_than_eleven_bytes_a_value() -> None:
    rng = Random(1)
    tags = Tags()
    for number in range(1, 100_001):
        tags.enter(rng.randint(0, TOP))
        if number % 5_000 == 0:
            assert tags.state()[0] * 64 < 11 * number
            assert tags.state()[2] < number // 10


def test_a_tag_that_is_not_there_is_not_looked_for_without_end() -> None:
    tags = Tags()
    low, high = 1 << 8, 1 << 31  # of the first and of the second of two buckets
    first = [tags.enter(low + number) for number in range(13)]  # the last stands in the second
    for value in first[:8]:
        tags.leave(value)
    for number in range(12):
        tags.enter(high + number)  # the last stands in the first
    assert tags.state() == (2, 17, 2)
    assert tags.find(low + 255 - 1) == tags.find(high + 255) == []
    assert tags.find(low + 12) == [12]
