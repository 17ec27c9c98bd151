# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Counted search trees over node arrays: how many stand before this one?

Treaps: ordered by where they stand from left to right, and by a hash of the sequence from top to bottom, so that the
shape depends on what is in and on nothing else, and is shallow whatever the order of coming and going: 2 ln n steps
on average. Each node counts those below it, so putting in, taking out and counting those before one are O(log n).
Nodes are indexes into arrays that the caller owns; a node is in one tree at most.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

from acd_core.standing cimport Standing, seq_of, stands_before
from acd_core.types cimport NONE


@cython.overflowcheck(False)
cdef inline uint64_t _height(const Twig *twigs, int32_t node) noexcept nogil:
    """A hash of the node's sequence (SplitMix64); the highest of a tree is its root."""
    cdef uint64_t mixed = <uint64_t>seq_of(&twigs[node].standing) * <uint64_t>0x9E3779B97F4A7C15
    mixed = (mixed ^ (mixed >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    mixed = (mixed ^ (mixed >> 27)) * <uint64_t>0x94D049BB133111EB
    return mixed ^ (mixed >> 31)


cdef int32_t tree_insert(Twig *twigs, int32_t root, int32_t node) noexcept nogil:
    """Put a node in, whose standing is set; gives the new root."""
    cdef int32_t *link = &root
    cdef int32_t *left = &twigs[node].left
    cdef int32_t *right = &twigs[node].right
    cdef int32_t at, less
    cdef uint64_t height = _height(twigs, node)
    while link[0] != NONE and _height(twigs, link[0]) > height:
        twigs[link[0]].size += 1
        link = &twigs[link[0]].right if stands_before(&twigs[link[0]].standing, &twigs[node].standing) else &twigs[link[0]].left
    at = link[0]
    less = tree_before(twigs, at, &twigs[node].standing)
    twigs[node].size = 1 + (twigs[at].size if at != NONE else 0)
    link[0] = node
    # Split what was there: `less` is how many of the tree at `at` go to the left.
    while at != NONE:
        if stands_before(&twigs[at].standing, &twigs[node].standing):
            left[0] = at
            left = &twigs[at].right
            twigs[at].size, less = less, less - 1 - (twigs[twigs[at].left].size if twigs[at].left != NONE else 0)
            at = left[0]
        else:
            right[0] = at
            right = &twigs[at].left
            twigs[at].size -= less
            at = right[0]
    left[0] = NONE
    right[0] = NONE
    return root


cdef int32_t tree_of(Twig *twigs, int32_t *nodes, int64_t count) noexcept nogil:
    """The root of the tree of these nodes, whose standings are set and in this order. O(n); uses up `nodes`."""
    cdef int64_t index, depth = 0
    cdef int32_t node, below
    cdef uint64_t height
    # The first `depth` places hold the way down the right side of what is built so far. Who leaves it has all below him.
    for index in range(count):
        node = nodes[index]
        height = _height(twigs, node)
        below = NONE
        while depth and _height(twigs, nodes[depth - 1]) < height:
            depth -= 1
            below = nodes[depth]
            _count(twigs, below)
        twigs[node].left = below
        twigs[node].right = NONE
        if depth:
            twigs[nodes[depth - 1]].right = node
        nodes[depth] = node
        depth += 1
    for index in range(depth - 1, -1, -1):
        _count(twigs, nodes[index])
    return nodes[0] if count else NONE


cdef inline void _count(Twig *twigs, int32_t node) noexcept nogil:
    """Set how many nodes are below one, from what its children say."""
    cdef int32_t left = twigs[node].left, right = twigs[node].right
    twigs[node].size = 1 + (twigs[left].size if left != NONE else 0) + (twigs[right].size if right != NONE else 0)


cdef int32_t tree_remove(Twig *twigs, int32_t root, int32_t node) noexcept nogil:
    """Take a node out that is in; gives the new root."""
    cdef int32_t *link = &root
    cdef int32_t left = twigs[node].left, right = twigs[node].right
    while link[0] != node:
        twigs[link[0]].size -= 1
        link = &twigs[link[0]].right if stands_before(&twigs[link[0]].standing, &twigs[node].standing) else &twigs[link[0]].left
    while left != NONE and right != NONE:
        if _height(twigs, left) > _height(twigs, right):
            link[0] = left
            twigs[left].size += twigs[right].size
            link = &twigs[left].right
            left = link[0]
        else:
            link[0] = right
            twigs[right].size += twigs[left].size
            link = &twigs[right].left
            right = link[0]
    link[0] = left if left != NONE else right
    return root


cdef int32_t tree_before(const Twig *twigs, int32_t root, const Standing *standing) noexcept nogil:
    """How many nodes of a tree stand before this."""
    cdef int32_t count = 0
    while root != NONE:
        if stands_before(&twigs[root].standing, standing):
            count += 1 + (twigs[twigs[root].left].size if twigs[root].left != NONE else 0)
            root = twigs[root].right
        else:
            root = twigs[root].left
    return count
