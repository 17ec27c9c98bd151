cimport cython
from cpython.list cimport PyList_GET_ITEM, PyList_SET_ITEM
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from acd_core.types cimport NONE, Node

cdef int grow(void **items, int64_t *capacity, int64_t needed, size_t item_size) except -1


cdef inline int reserve(void **items, int64_t *capacity, int64_t needed, size_t item_size) except -1:
    """Make room for `needed` items; new room is zeroed."""
    return grow(items, capacity, needed, item_size) if needed > capacity[0] else 0


cdef int reserve_lines(void **items, int64_t *capacity, int64_t needed, size_t item_size) except -1

cdef extern from *:
    """
    /* The empty statement is for compilers that leave out functions which do nothing but this. */
    static inline void acd_prefetch(const void *address) { __builtin_prefetch(address); __asm__ volatile(""); }
    """
    # Bring memory near while other work is done; whether there is any at that address does not matter.
    void prefetch "acd_prefetch"(const void *address) noexcept nogil

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item


cdef inline void prefetch_item(list items, Py_ssize_t index) noexcept:
    """The same for where a list keeps an item."""
    prefetch(&(<PyListObject *>items).ob_item[index])


cdef inline PyObject *item_of(list items, Py_ssize_t index) noexcept:
    """An item that is there; it is the list's, not the caller's."""
    return (<PyListObject *>items).ob_item[index]


cdef inline void put_item(list items, Py_ssize_t index, object item) noexcept:
    """`items[index] = item` for an index that is there."""
    cdef object former = <object>PyList_GET_ITEM(items, index)
    Py_INCREF(item)
    PyList_SET_ITEM(items, index, item)
    Py_DECREF(former)


@cython.overflowcheck(False)
cdef inline int64_t spread(int64_t key) noexcept nogil:
    """Mix the bits of a key, so that regular keys do not collide in a row."""
    return <int64_t>((<uint64_t>key * 0x9E3779B97F4A7C15ULL) >> 17)


cdef inline bint before(const Node *nodes, int32_t a, int32_t b) noexcept nogil:
    """Whether node `a` comes before node `b`: lower key, then lower sequence."""
    return nodes[a].key < nodes[b].key or (nodes[a].key == nodes[b].key and nodes[a].seq < nodes[b].seq)

cdef int32_t heap_meld(Node *nodes, int32_t a, int32_t b) noexcept nogil
cdef int32_t heap_insert(Node *nodes, int32_t root, int32_t node) noexcept nogil
cdef int32_t heap_remove(Node *nodes, int32_t root, int32_t node) noexcept nogil


@cython.final
cdef class IntMap:
    cdef int64_t *keys
    cdef int64_t *values
    cdef int64_t mask
    cdef int64_t used

    cdef inline int64_t get(self, int64_t key) noexcept nogil:
        """The value of `key`, or NONE."""
        cdef int64_t place = spread(key) & self.mask
        while self.keys[place]:
            if self.keys[place] == key:
                return self.values[place]
            place = (place + 1) & self.mask
        return NONE

    cdef int put(self, int64_t key, int64_t value) except -1
    cdef void remove(self, int64_t key) noexcept nogil
    cdef int _grow(self) except -1

cdef struct Tagged:
    uint32_t tag
    int32_t value             # NONE: the place is free


@cython.final
cdef class TagTable:
    cdef Tagged *places
    cdef int64_t mask
    cdef int64_t used

    cdef inline int64_t first(self, uint32_t tag) noexcept nogil:
        """The first place with this tag, or NONE."""
        cdef int64_t place = tag & self.mask
        while self.places[place].value != NONE:
            if self.places[place].tag == tag:
                return place
            place = (place + 1) & self.mask
        return NONE

    cdef inline void prefetch_first(self, uint32_t tag) noexcept nogil:
        """Bring near where a tag is looked for."""
        prefetch(&self.places[tag & self.mask])

    cdef int64_t following(self, int64_t place) noexcept nogil
    cdef int enter(self, uint32_t tag, int32_t value) except -1
    cdef void leave(self, uint32_t tag, int32_t value) noexcept nogil
    cdef int _grow(self) except -1
