"""The counted trees, against a sorted list."""

from bisect import bisect_left, insort
from random import Random

import pytest

from acd_core._probe import Ordered

Entry = tuple[int, int, int]


@pytest.mark.parametrize("seed", range(12))
def test_a_counted_tree_is_a_sorted_list(seed: int) -> None:
    """It grows and shrinks by turns, by keys that come in order, nearly in order, or anyhow."""
    rng = Random(seed)
    room = (200, 5_000)[seed % 2]
    tree, there = Ordered(room), list[Entry]()
    absent = list(range(room))
    for seq in range(12_000):
        growing = seq // 3_000 % 2 == 0
        if absent and (not there or rng.random() < (0.8 if growing else 0.3)):
            contact = absent.pop(rng.randrange(len(absent)))
            entry = (rng.choice((seq, seq - 100 * rng.randrange(4), rng.randint(0, 50))), seq, contact)
            insort(there, entry)
            tree.insert(contact, entry[0], seq)
            assert tree.rank(contact) == there.index(entry)
        else:
            _, _, contact = there.pop(0 if rng.random() < 0.5 else rng.randrange(len(there)))
            tree.remove(contact)
            absent.append(contact)
        key = rng.randint(-1, seq)
        assert tree.before(key, seq) == bisect_left(there, (key, seq, -1))
        if seq % 200 == 0:
            assert tree.walk()[0] == [contact for _, _, contact in there]
            assert [tree.rank(contact) for _, _, contact in there[::17]] == list(range(0, len(there), 17))


def test_trees_share_one_store_and_leave_nothing_in_it() -> None:
    rng = Random(7)
    trees = 5
    order = Ordered(3_000, trees)
    held: list[list[int]] = [[] for _ in range(trees)]
    for contact in range(3_000):
        tree = rng.randrange(trees)
        held[tree].append(contact)
        order.insert(contact, contact, contact + 1, tree)
    for tree in range(trees):
        assert order.walk(tree)[0] == held[tree]
        assert order.before(1_500, 0, tree) == bisect_left(held[tree], 1_500)
    for tree in range(trees):
        rng.shuffle(held[tree])
        for contact in held[tree]:
            order.remove(contact, tree)
        assert order.walk(tree) == ([], 0)
    assert order.nodes() == (0, 0)


def test_those_who_come_last_fill_their_leaves() -> None:
    order = Ordered(100_000)
    for contact in range(100_000):
        order.insert(contact, contact, contact + 1)
    found, depth = order.walk()
    assert found == list(range(100_000))
    leaves, branches = order.nodes()
    assert leaves == -(-100_000 // 30)
    assert branches < leaves / 20
    assert depth == 4


def test_leaves_are_well_filled_by_those_who_come_at_several_places() -> None:
    """As contacts of four priorities do, each of which goes before those of a lower one who came lately."""
    rng = Random(3)
    order = Ordered(30_000)
    for contact in range(30_000):
        order.insert(contact, contact - 300 * rng.randrange(4), contact + 1)
    order.walk()
    assert order.nodes()[0] < 30_000 / (0.75 * 30)


def test_few_who_are_left_share_leaves() -> None:
    """Of many only each fiftieth stays: their leaves are joined with their neighbours."""
    order = Ordered(50_000)
    for contact in range(50_000):
        order.insert(contact, contact, contact + 1)
    for contact in range(50_000):
        if contact % 50:
            order.remove(contact)
    assert order.walk()[0] == list(range(0, 50_000, 50))
    assert order.nodes()[0] < 1_000 / 15
