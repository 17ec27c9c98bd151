# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Containers without a word of call centres: growing arrays, pairing heaps over node arrays, maps of integers.

The heap is intrusive: a node is an index into an array that the caller owns, so nothing is allocated per entry and
any node can be taken out. Inserting is O(1), taking out O(log n) amortised.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy

from acd_core.memory cimport release, resized, zeroed
from acd_core.types cimport NONE, Node

cdef enum:
    LARGE = 65536             # items, from which on arrays do not double any more


cdef int grow(void **items, int64_t *capacity, int64_t needed, size_t item_size) except -1:
    """Make room for `needed` items, which is more than there is."""
    cdef int64_t size = capacity[0]
    cdef size_t room
    cdef void *grown
    if size < LARGE:
        size = size * 2 if size else 16
    else:
        size += size >> 2  # idle room is not cheap any more
    if size < needed:
        size = needed
    room = <size_t>size * item_size
    grown = resized(items[0], <size_t>capacity[0] * item_size, &room)
    if grown == NULL:
        raise MemoryError(f"cannot hold {needed} items of {item_size} bytes")
    items[0] = grown
    capacity[0] = <int64_t>(room // item_size)
    return 0


cdef int reserve_lines(void **items, int64_t *capacity, int64_t needed, size_t item_size) except -1:
    """Make room for exactly `needed` items, if that is more than there is, so that the first begins at a cache line; new
    room is zeroed. All are copied, so callers ask for many at once.
    """
    cdef void *grown
    if needed <= capacity[0]:
        return 0
    grown = zeroed(<size_t>needed * item_size)
    if grown == NULL:
        raise MemoryError(f"cannot hold {needed} items of {item_size} bytes")
    if items[0] != NULL:
        memcpy(grown, items[0], <size_t>capacity[0] * item_size)
    release(items[0])
    items[0] = grown
    capacity[0] = needed
    return 0


cdef int32_t heap_meld(Node *nodes, int32_t a, int32_t b) noexcept nogil:
    """Join two heaps by their roots; gives the root of both."""
    cdef int32_t swap
    if a == NONE:
        return b
    if b == NONE:
        return a
    if before(nodes, b, a):
        swap = a
        a = b
        b = swap
    nodes[b].prev = a
    nodes[b].next = nodes[a].child
    if nodes[a].child != NONE:
        nodes[nodes[a].child].prev = b
    nodes[a].child = b
    return a


cdef int32_t heap_insert(Node *nodes, int32_t root, int32_t node) noexcept nogil:
    """Put `node`, whose key and sequence are set, into the heap; gives the new root."""
    nodes[node].child = NONE
    nodes[node].prev = NONE
    nodes[node].next = NONE
    return heap_meld(nodes, root, node)


cdef int32_t _merge_children(Node *nodes, int32_t first) noexcept nogil:
    """Make one heap of a list of siblings: meld in pairs from the left, then all from the right."""
    cdef int32_t pairs = NONE, a, b, following, root
    while first != NONE:
        a = first
        b = nodes[a].next
        following = nodes[b].next if b != NONE else NONE
        nodes[a].prev = NONE
        nodes[a].next = NONE
        if b != NONE:
            nodes[b].prev = NONE
            nodes[b].next = NONE
        a = heap_meld(nodes, a, b)
        nodes[a].next = pairs
        pairs = a
        first = following
    root = NONE
    while pairs != NONE:
        following = nodes[pairs].next
        nodes[pairs].next = NONE
        root = heap_meld(nodes, root, pairs)
        pairs = following
    return root


cdef int32_t heap_remove(Node *nodes, int32_t root, int32_t node) noexcept nogil:
    """Take `node` out, wherever it is; gives the new root."""
    cdef int32_t orphans = _merge_children(nodes, nodes[node].child)
    nodes[node].child = NONE
    if node == root:
        return orphans
    if nodes[nodes[node].prev].child == node:
        nodes[nodes[node].prev].child = nodes[node].next
    else:
        nodes[nodes[node].prev].next = nodes[node].next
    if nodes[node].next != NONE:
        nodes[nodes[node].next].prev = nodes[node].prev
    nodes[node].prev = NONE
    nodes[node].next = NONE
    return heap_meld(nodes, root, orphans)


@cython.final
cdef class IntMap:
    """Positive 64-bit keys to slots or numbers, by open addressing; 0 marks a free place."""

    def __cinit__(self):
        self.mask = 15
        self.used = 0
        self.keys = <int64_t *>zeroed(16 * sizeof(int64_t))
        self.values = <int64_t *>zeroed(16 * sizeof(int64_t))
        if self.keys == NULL or self.values == NULL:
            raise MemoryError

    def __dealloc__(self):
        release(self.keys)
        release(self.values)

    cdef int put(self, int64_t key, int64_t value) except -1:
        """Set the value of `key`, which is positive."""
        cdef int64_t place
        if self.used * 2 > self.mask:
            self._grow()
        place = spread(key) & self.mask
        while self.keys[place] and self.keys[place] != key:
            place = (place + 1) & self.mask
        if not self.keys[place]:
            self.used += 1
            self.keys[place] = key
        self.values[place] = value
        return 0

    cdef void remove(self, int64_t key) noexcept nogil:
        """Forget `key`, if it is there. Later entries of its run move up, so no marker is left behind."""
        cdef int64_t hole = spread(key) & self.mask, place, home
        while self.keys[hole] != key:
            if not self.keys[hole]:
                return
            hole = (hole + 1) & self.mask
        self.used -= 1
        place = hole
        while True:
            place = (place + 1) & self.mask
            if not self.keys[place]:
                break
            home = spread(self.keys[place]) & self.mask
            if ((place - home) & self.mask) >= ((place - hole) & self.mask):
                self.keys[hole] = self.keys[place]
                self.values[hole] = self.values[place]
                hole = place
        self.keys[hole] = 0

    cdef int _grow(self) except -1:
        cdef int64_t *old_keys = self.keys
        cdef int64_t *old_values = self.values
        cdef int64_t old_size = self.mask + 1, place
        self.keys = <int64_t *>zeroed(old_size * 2 * sizeof(int64_t))
        self.values = <int64_t *>zeroed(old_size * 2 * sizeof(int64_t))
        if self.keys == NULL or self.values == NULL:
            release(self.keys)
            release(self.values)
            self.keys = old_keys
            self.values = old_values
            raise MemoryError
        self.mask = old_size * 2 - 1
        self.used = 0
        for place in range(old_size):
            if old_keys[place]:
                self.put(old_keys[place], old_values[place])
        release(old_keys)
        release(old_values)
        return 0


@cython.final
cdef class TagTable:
    """Values, not negative, by a hash of what they stand for, which their owner knows: a hash table without its keys.

    Several values may have one tag. Open addressing; no more than half of the places are used.
    """

    def __cinit__(self):
        cdef int64_t place
        self.mask = 15
        self.places = <Tagged *>zeroed(16 * sizeof(Tagged))
        if self.places == NULL:
            raise MemoryError
        for place in range(16):
            self.places[place].value = NONE

    def __dealloc__(self):
        release(self.places)

    cdef int64_t following(self, int64_t place) noexcept nogil:
        """The next place with the tag of this one, or NONE."""
        cdef uint32_t tag = self.places[place].tag
        place = (place + 1) & self.mask
        while self.places[place].value != NONE:
            if self.places[place].tag == tag:
                return place
            place = (place + 1) & self.mask
        return NONE

    cdef int enter(self, uint32_t tag, int32_t value) except -1:
        """Put a value in."""
        cdef int64_t place
        if self.used * 2 > self.mask:
            self._grow()
        place = tag & self.mask
        while self.places[place].value != NONE:
            place = (place + 1) & self.mask
        self.places[place].tag = tag
        self.places[place].value = value
        self.used += 1
        return 0

    cdef void leave(self, uint32_t tag, int32_t value) noexcept nogil:
        """Take a value out that is in. Later entries of its run move up, so no marker is left behind."""
        cdef int64_t hole = tag & self.mask, place
        while self.places[hole].value != value:
            hole = (hole + 1) & self.mask
        self.used -= 1
        place = hole
        while True:
            place = (place + 1) & self.mask
            if self.places[place].value == NONE:
                break
            if ((place - <int64_t>self.places[place].tag) & self.mask) >= ((place - hole) & self.mask):
                self.places[hole] = self.places[place]
                hole = place
        self.places[hole].value = NONE

    cdef int _grow(self) except -1:
        cdef Tagged *old = self.places
        cdef int64_t size = self.mask + 1, place
        self.places = <Tagged *>zeroed(<size_t>(2 * size) * sizeof(Tagged))
        if self.places == NULL:
            self.places = old
            raise MemoryError(f"cannot hold {2 * size} places")
        self.mask = 2 * size - 1
        self.used = 0
        for place in range(2 * size):
            self.places[place].value = NONE
        for place in range(size):
            if old[place].value != NONE:
                self.enter(old[place].tag, old[place].value)
        release(old)
        return 0
