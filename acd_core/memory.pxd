cdef void *resized(void *items, size_t held, size_t *room) noexcept nogil
cdef void *zeroed(size_t size) noexcept nogil
cdef void release(void *items) noexcept nogil
cdef void give_back() noexcept nogil
