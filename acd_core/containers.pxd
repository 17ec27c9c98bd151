cimport cython
from cpython.list cimport PyList_GET_ITEM, PyList_SET_ITEM
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
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

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif

    #define ACD_PLACES 12

    /* One cache line: a byte of each value's tag, 0 where a place is free; and how many had no room here and stand further on. */
    struct acd_bucket {
        uint8_t marks[ACD_PLACES];
        uint32_t passed;
        int32_t values[ACD_PLACES];
    };

    /* The places with this mark, a bit each. */
    static inline uint32_t acd_marked(const struct acd_bucket *bucket, uint8_t mark) {
    #if defined(__SSE2__)
        __m128i marks = _mm_load_si128((const __m128i *)bucket);
        return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(marks, _mm_set1_epi8((char)mark))) & ((1u << ACD_PLACES) - 1);
    #else
        uint32_t found = 0;
        for (int place = 0; place < ACD_PLACES; place++)
            found |= (uint32_t)(bucket->marks[place] == mark) << place;
        return found;
    #endif
    }
    """
    enum:
        PLACES "ACD_PLACES"
    ctypedef struct Bucket "struct acd_bucket":
        uint8_t marks[12]
        uint32_t passed
        int32_t values[12]
    uint32_t marked "acd_marked"(const Bucket *bucket, uint8_t mark) noexcept nogil
    int lowest_bit "__builtin_ctz"(uint32_t bits) noexcept nogil

# A look at all values of one tag.
cdef struct Search:
    Bucket *home
    Bucket *bucket
    uint32_t left             # places of it that are still to be looked at
    uint8_t mark


@cython.final
cdef class TagTable:
    cdef Bucket *buckets
    cdef int64_t count        # of them
    cdef int64_t used

    @cython.overflowcheck(False)
    cdef inline Bucket *home(self, uint32_t tag) noexcept nogil:
        """The first bucket that is looked at for a tag."""
        return &self.buckets[<uint64_t>tag * <uint64_t>self.count >> 32]

    cdef inline uint8_t mark(self, uint32_t tag) noexcept nogil:
        """The byte of a tag that tells values of one bucket apart."""
        cdef uint8_t mark = <uint8_t>tag
        return mark if mark else 1

    cdef inline Bucket *after(self, Bucket *bucket) noexcept nogil:
        return bucket + 1 if bucket + 1 != self.buckets + self.count else self.buckets

    cdef inline void prefetch_home(self, uint32_t tag) noexcept nogil:
        """Bring near where a tag is looked for."""
        prefetch(self.home(tag))

    cdef inline Search search(self, uint32_t tag) noexcept nogil:
        """A look, of which `found` gives the values."""
        cdef Search search
        search.home = self.home(tag)
        search.bucket = search.home
        search.mark = self.mark(tag)
        search.left = marked(search.bucket, search.mark)
        return search

    cdef inline int32_t found(self, Search *search) noexcept nogil:
        """The next value that may have the tag, since a part of it agrees; NONE when there is no further one."""
        cdef int place
        while not search.left:
            if not search.bucket.passed:
                return NONE
            search.bucket = self.after(search.bucket)
            if search.bucket == search.home:
                return NONE  # some have gone on from each bucket
            search.left = marked(search.bucket, search.mark)
        place = lowest_bit(search.left)
        search.left &= search.left - 1
        return search.bucket.values[place]

    cdef int enter(self, uint32_t tag, int32_t value, const void *tags, size_t step) except -1
    cdef void leave(self, uint32_t tag, int32_t value) noexcept nogil
    cdef void _put(self, uint32_t tag, int32_t value) noexcept nogil
    cdef int _grow(self, const char *tags, size_t step) except -1
