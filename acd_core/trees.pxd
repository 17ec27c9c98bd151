from libc.stdint cimport int32_t, int64_t
from acd_core.standing cimport Standing

# A node of a counted tree. It keeps where it stands, so that what follows from that may change while it is in.
cdef struct Twig:
    Standing standing
    int32_t left
    int32_t right
    int32_t size              # of the tree below it, itself included

cdef int32_t tree_insert(Twig *twigs, int32_t root, int32_t node) noexcept nogil
cdef int32_t tree_of(Twig *twigs, int32_t *nodes, int64_t count) noexcept nogil
cdef int32_t tree_remove(Twig *twigs, int32_t root, int32_t node) noexcept nogil
cdef int32_t tree_before(const Twig *twigs, int32_t root, const Standing *standing) noexcept nogil
