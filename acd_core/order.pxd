cimport cython
from acd_core.containers cimport prefetch
from libc.stdint cimport int16_t, int32_t, int64_t
from acd_core.lines cimport Lines
from acd_core.standing cimport Standing
from acd_core.types cimport NONE

cdef enum:
    LEAF_MOST = 30
    BRANCH_MOST = 31

# Neighbours in the order, first come first: two cache lines.
cdef struct Leaf:
    int32_t parent            # the branch above it, NONE for a root; of a leaf not in use: the next such
    int16_t count             # places taken
    int16_t there             # contacts that are there; places of those who left are NONE until others are looked for
    int32_t items[30]         # contacts

# Of where they stand, who are in the leaf of the same slot.
cdef struct Hints:
    int64_t of[30]

# Neighbouring leaves or branches. One is named by twice its slot, and 1 more for a branch.
cdef struct Branch:
    int32_t parent            # as of a leaf
    int32_t count
    int32_t children[31]
    int32_t sizes[31]         # contacts below each
    Standing bounds[31]       # nobody below a child stands before its bound, and all to its left do; not of the first


@cython.final
cdef class Order:
    cdef Lines lines
    cdef Leaf *leaves
    cdef Hints *hints
    cdef Branch *branches
    cdef int64_t leaf_capacity
    cdef int64_t hint_capacity
    cdef int64_t branch_capacity
    cdef int32_t leaf_count
    cdef int32_t branch_count
    cdef int32_t free_leaf
    cdef int32_t free_branch
    cdef int place            # in Contact.leaves

    cdef inline int32_t *leaf_of(self, int32_t contact) noexcept nogil:
        """Where a contact that is in keeps its leaf."""
        return &self.lines.tables.contacts[contact].leaves[self.place]

    cdef inline void prefetch_leaf(self, int32_t contact) noexcept nogil:
        """Bring the leaf near that a contact is in."""
        cdef const char *leaf = <const char *>&self.leaves[self.leaf_of(contact)[0]]
        prefetch(leaf)
        prefetch(leaf + 64)

    cdef inline void prefetch_above(self, int32_t contact) noexcept nogil:
        """Bring near what counts the leaf that a contact is in."""
        cdef int32_t above = self.leaves[self.leaf_of(contact)[0]].parent
        cdef const char *branch = <const char *>&self.branches[above]
        if above != NONE:
            prefetch(branch)
            prefetch(branch + 64)
            prefetch(branch + 128)
            prefetch(branch + 192)
            prefetch(branch + 256)

    cdef int32_t insert(self, int32_t root, int32_t contact) except -2
    cdef int32_t remove(self, int32_t root, int32_t contact) noexcept nogil
    cdef int64_t before(self, int32_t root, const Standing *standing) noexcept nogil
    cdef int64_t rank(self, int32_t contact) noexcept nogil
    cdef int32_t _new_leaf(self) noexcept nogil
    cdef int32_t _new_branch(self) noexcept nogil
    cdef void _give_back(self, int32_t node) noexcept nogil
    cdef void _set_parent(self, int32_t node, int32_t parent) noexcept nogil
    cdef int32_t _place_of(self, const Branch *branch, int32_t child) noexcept nogil
    cdef int32_t _child_for(self, const Branch *branch, const Standing *standing) noexcept nogil
    cdef void _close_up(self, int32_t leaf) noexcept nogil
    cdef int32_t _place_for(self, int32_t leaf, const Standing *standing, int64_t hint) noexcept nogil
    cdef bint _one_before(self, int32_t leaf, int32_t place, const Standing *standing, int64_t hint) noexcept nogil
    cdef void _put(self, int32_t leaf, int32_t place, int32_t contact, int64_t hint) noexcept nogil
    cdef int32_t _top(self, int32_t node) noexcept nogil
    cdef void _split_leaf(self, int32_t leaf, int32_t place, int32_t contact, int64_t hint) noexcept nogil
    cdef void _add_child(self, int32_t branch, int32_t after, int32_t child, int32_t size, const Standing *bound) noexcept nogil
    cdef void _put_child(
        self, Branch *row, int32_t branch, int32_t place, int32_t child, int32_t size, const Standing *bound
    ) noexcept nogil
    cdef void _grow_up(self, int32_t node, int32_t size, int32_t other, int32_t other_size, const Standing *bound) noexcept nogil
    cdef int32_t _take_out(self, int32_t node) noexcept nogil
    cdef bint _join_next(self, Branch *branch, int32_t place) noexcept nogil
