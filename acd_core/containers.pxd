from libc.stdint cimport int32_t, int64_t, uint32_t
from acd_core.types cimport Node

cdef int reserve(void **items, int64_t *capacity, int64_t needed, size_t item_size) except -1

cdef inline bint before(const Node *nodes, int32_t a, int32_t b) noexcept nogil:
    """Whether node `a` comes before node `b`: lower key, then lower sequence."""
    return nodes[a].key < nodes[b].key or (nodes[a].key == nodes[b].key and nodes[a].seq < nodes[b].seq)

cdef int32_t heap_meld(Node *nodes, int32_t a, int32_t b) noexcept nogil
cdef int32_t heap_insert(Node *nodes, int32_t root, int32_t node) noexcept nogil
cdef int32_t heap_remove(Node *nodes, int32_t root, int32_t node) noexcept nogil

cdef class IntMap:
    cdef int64_t *keys
    cdef int64_t *values
    cdef int64_t mask
    cdef int64_t used

    cdef int64_t get(self, int64_t key) noexcept nogil
    cdef int put(self, int64_t key, int64_t value) except -1
    cdef void remove(self, int64_t key) noexcept nogil
    cdef int _grow(self) except -1

cdef struct Tagged:
    uint32_t tag
    int32_t value             # NONE: the place is free

cdef class TagTable:
    cdef Tagged *places
    cdef int64_t mask
    cdef int64_t used

    cdef int64_t first(self, uint32_t tag) noexcept nogil
    cdef int64_t following(self, int64_t place) noexcept nogil
    cdef int enter(self, uint32_t tag, int32_t value) except -1
    cdef void leave(self, uint32_t tag, int32_t value) noexcept nogil
    cdef int _grow(self) except -1
