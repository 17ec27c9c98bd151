# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Memory of tables, which may become very large.

Small ones come from the allocator. Large ones lie in mappings of their own, in huge pages where the system has them: rows
that lie anywhere in hundreds of megabytes cost as much for finding their pages as for being read. A mapping has room to
grow into, of which nothing is taken until it is touched; beyond that it moves by its pages, and not byte by byte, so that
growing holds nobody up.
"""

from libc.stdlib cimport free
from libc.string cimport memcpy, memset

cdef extern from "<sys/mman.h>" nogil:
    int PROT_READ
    int PROT_WRITE
    int MAP_PRIVATE
    int MAP_ANONYMOUS
    int MAP_NORESERVE
    void *MAP_FAILED
    int MREMAP_MAYMOVE
    int MREMAP_FIXED
    int MADV_HUGEPAGE
    void *mmap(void *address, size_t length, int protection, int flags, int descriptor, long offset)
    int munmap(void *address, size_t length)
    void *mremap(void *former, size_t former_size, size_t size, int flags, void *address)
    int madvise(void *address, size_t length, int advice)

cdef extern from "<stdlib.h>" nogil:
    void *aligned_alloc(size_t alignment, size_t size)

cdef extern from *:
    """
    #ifdef __GLIBC__
    #include <malloc.h>
    static void acd_trim(void) { malloc_trim(0); }
    #else
    static void acd_trim(void) {}
    #endif
    """
    void acd_trim() noexcept nogil

cdef enum:
    LINE = 64                 # bytes of the processor's cache lines
    PAGE = 2097152            # a huge one
    LARGE = 4194304           # from so many bytes on, memory is mapped
    MIDDLING = 1048576        # from so many on, what is let go of leaves a hole that is worth closing
    AHEAD = 4                 # so many times what is needed is there to grow into
    MAPPINGS_MAX = 512

cdef struct Mapping:
    char *start
    size_t size

# Few are large, so they are looked for one by one; whoever calls holds the interpreter's lock.
cdef Mapping mappings[MAPPINGS_MAX]
cdef int mapping_count = 0


cdef Mapping *_mapping_of(const void *items) noexcept nogil:
    """The mapping that begins there; NULL for memory of the allocator."""
    cdef int index
    for index in range(mapping_count):
        if mappings[index].start == <const char *>items:
            return &mappings[index]
    return NULL


cdef char *_map(size_t size, size_t used) noexcept nogil:
    """A mapping of whole huge pages, zeroed; NULL where the system gives none. The rest behind the last of which all is used
    keeps small pages.
    """
    cdef char *found = <char *>mmap(
        NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    )
    cdef char *start
    if <void *>found == MAP_FAILED:
        return NULL
    start = <char *>((<size_t>found + PAGE - 1) & ~<size_t>(PAGE - 1))
    if start != found:
        munmap(found, <size_t>(start - found))
    munmap(start + size, <size_t>(found + PAGE - start))
    madvise(start, used & ~<size_t>(PAGE - 1), MADV_HUGEPAGE)  # where there are none, it stays as it is
    return start


cdef char *_map_ahead(size_t needed, size_t *size) noexcept nogil:
    """A mapping with room to grow, or with less where that is all there is; its size."""
    cdef size_t least = (needed + PAGE - 1) & ~<size_t>(PAGE - 1)
    cdef char *start
    size[0] = AHEAD * least
    start = _map(size[0], size[0])
    if start == NULL:
        size[0] = least
        start = _map(least, least)
    return start


cdef void *resized(void *items, size_t held, size_t *room) noexcept nogil:
    """Memory with what was in the first `held` bytes of `items`, which may be NULL, and room for `room` bytes, zeroed where
    it is new; `room` becomes what there is. It begins at a cache line. NULL where memory lacks: then all is as it was.
    """
    cdef Mapping *mapping = _mapping_of(items) if held >= LARGE // AHEAD else NULL
    cdef char *grown
    cdef size_t size
    if mapping != NULL:
        if room[0] > mapping.size:
            grown = _map_ahead(room[0], &size)
            if grown == NULL:
                return NULL
            if mremap(mapping.start, mapping.size, size, MREMAP_MAYMOVE | MREMAP_FIXED, grown) == MAP_FAILED:
                munmap(grown, size)
                return NULL
            mapping.start = grown
            mapping.size = size
        room[0] = mapping.size
        return mapping.start
    if room[0] < LARGE or mapping_count == MAPPINGS_MAX:
        room[0] = (room[0] + LINE - 1) & ~<size_t>(LINE - 1)
        grown = <char *>aligned_alloc(LINE, room[0])
        if grown != NULL:
            if held:
                memcpy(grown, items, held)
            memset(grown + held, 0, room[0] - held)
            free(items)
            if held >= MIDDLING:
                acd_trim()
        return grown
    grown = _map_ahead(room[0], &size)
    if grown == NULL:
        return NULL
    if held:
        memcpy(grown, items, held)
    free(items)
    acd_trim()  # what it and its smaller forerunners took is not asked for again
    _enter(grown, size)
    room[0] = size
    return grown


cdef void _enter(char *start, size_t size) noexcept nogil:
    global mapping_count
    mappings[mapping_count].start = start
    mappings[mapping_count].size = size
    mapping_count += 1


cdef void *zeroed(size_t size) noexcept nogil:
    """New memory of this size, which begins at a cache line; NULL where it lacks."""
    cdef char *start
    cdef size_t used = size
    if size < LARGE or mapping_count == MAPPINGS_MAX:
        size = (size + LINE - 1) & ~<size_t>(LINE - 1)
        start = <char *>aligned_alloc(LINE, size)
        if start != NULL:
            memset(start, 0, size)
        return start
    size = (size + PAGE - 1) & ~<size_t>(PAGE - 1)
    start = _map(size, used)
    if start != NULL:
        _enter(start, size)
    return start


cdef void release(void *items) noexcept nogil:
    """Give back what `resized` or `zeroed` gave; NULL does nothing."""
    global mapping_count
    cdef Mapping *mapping = _mapping_of(items) if items != NULL else NULL
    if mapping == NULL:
        free(items)
        return
    munmap(mapping.start, mapping.size)
    mapping_count -= 1
    mapping[0] = mappings[mapping_count]


cdef void give_back() noexcept nogil:
    """Let the system have memory that is free again: after something seldom that needed much for a while."""
    acd_trim()
