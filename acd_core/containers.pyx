# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Containers without a word of call centres: growing arrays, pairing heaps over node arrays, maps of integers.

The heap is intrusive: a node is an index into an array that the caller owns, so nothing is allocated per entry and
any node can be taken out. Inserting is O(1), taking out O(log n) amortised.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from acd_core.memory cimport release, resized, zeroed
from acd_core.types cimport NONE, Node

cdef enum:
    LARGE = 65536             # items, from which on arrays do not double any more
    USUAL = 9                 # values in a bucket, with so many on average the table grows


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
    """Values, not negative, by a hash of what they stand for, the tag, which their owner knows: a hash table without its keys.

    Values stand in buckets of a cache line each, with a byte of their tags; those that have no room go on to the next. Several
    may have one tag, and what a search finds may have another. Tags lie in memory of the owner: that of value 0, and a step
    further that of each following one.
    """

    def __cinit__(self):
        self.count = 2
        self.buckets = <Bucket *>zeroed(<size_t>self.count * sizeof(Bucket))
        if self.buckets == NULL:
            raise MemoryError

    def __dealloc__(self):
        release(self.buckets)

    cdef int enter(self, uint32_t tag, int32_t value, const void *tags, size_t step) except -1:
        """Put a value in. `tags` and `step` tell where those of the others are."""
        if self.used >= self.count * USUAL:
            self._grow(<const char *>tags, step)
        self._put(tag, value)
        self.used += 1
        return 0

    cdef void leave(self, uint32_t tag, int32_t value) noexcept nogil:
        """Take a value out that is in."""
        cdef Bucket *bucket = self.home(tag)
        cdef uint8_t mark = self.mark(tag)
        cdef uint32_t left
        cdef int place
        self.used -= 1
        while True:
            left = marked(bucket, mark)
            while left:
                place = lowest_bit(left)
                if bucket.values[place] == value:
                    bucket.marks[place] = 0
                    return
                left &= left - 1
            bucket.passed -= 1
            bucket = self.after(bucket)

    cdef void _put(self, uint32_t tag, int32_t value) noexcept nogil:
        cdef Bucket *bucket = self.home(tag)
        cdef uint32_t free = marked(bucket, 0)
        cdef int place
        while not free:
            bucket.passed += 1
            bucket = self.after(bucket)
            free = marked(bucket, 0)
        place = lowest_bit(free)
        bucket.marks[place] = self.mark(tag)
        bucket.values[place] = value

    cdef int _grow(self, const char *tags, size_t step) except -1:
        """Half as many buckets more. Tags may be far away, so those of the bucket after the next are fetched meanwhile."""
        cdef Bucket *old = self.buckets
        cdef Bucket *bucket
        cdef int64_t count = self.count, number
        cdef int place
        self.buckets = <Bucket *>zeroed(<size_t>(count + count // 2) * sizeof(Bucket))
        if self.buckets == NULL:
            self.buckets = old
            raise MemoryError(f"cannot hold {count + count // 2} buckets")
        self.count = count + count // 2
        for number in range(count):
            if number + 2 < count:
                for place in range(PLACES):
                    prefetch(tags + <size_t>old[number + 2].values[place] * step)
            bucket = &old[number]
            for place in range(PLACES):
                if bucket.marks[place]:
                    self._put((<const uint32_t *>(tags + <size_t>bucket.values[place] * step))[0], bucket.values[place])
        release(old)
        return 0
