"""The counted trees, against a sorted list."""

from bisect import bisect_left
from random import Random

import pytest

from acd_core._probe import Tree


@pytest.mark.parametrize("seed", range(8))
def test_a_counted_tree_is_a_sorted_list(seed: int) -> None:
    rng = Random(seed)
    tree, there = Tree(200), list[tuple[int, int, int]]()
    absent = list(range(200))
    for seq in range(3000):
        if absent and (not there or rng.random() < 0.5 + 0.1 * (seed % 3 - 1)):
            node = absent.pop(rng.randrange(len(absent)))
            entry = (rng.choice((seq, rng.randint(0, 50))), seq, node)
            there.insert(bisect_left(there, entry), entry)
            tree.insert(node, entry[0], seq)
        else:
            _, _, node = there.pop(rng.randrange(len(there)))
            tree.remove(node)
            absent.append(node)
        key = rng.randint(-1, seq)
        assert tree.before(key, seq) == bisect_left(there, (key, seq, -1))
        if seq % 50 == 0:
            assert tree.walk()[0] == [node for _, _, node in there]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_a_tree_made_at_once_is_the_one_that_grows_by_insertion(count: int) -> None:
    rng = Random(count)
    entries = [(node, rng.randint(0, 50), seq) for seq, node in enumerate(rng.sample(range(200), count), 1)]
    grown, built = Tree(200), Tree(200)
    for node, key, seq in entries:
        grown.insert(node, key, seq)
    built.build(sorted(entries, key=lambda entry: entry[1:]))
    assert built.shape() == grown.shape()
    assert [built.before(key, 101) for key in range(52)] == [grown.before(key, 101) for key in range(52)]


def test_a_tree_is_shallow_whatever_the_order_of_arrival() -> None:
    tree = Tree(10_000)
    for node in range(10_000):
        tree.insert(node, node, node + 1)
    found, depth = tree.walk()
    assert found == list(range(10_000))
    assert depth < 45
