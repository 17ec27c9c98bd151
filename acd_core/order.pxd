cimport cython
from acd_core.containers cimport prefetch
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t
from acd_core.lines cimport Lines
from acd_core.standing cimport Standing
from acd_core.types cimport NONE

cdef enum:
    LEAF_MOST = 30
    BRANCH_MOST = 31

# Neighbours in the order, first come first: two cache lines.
cdef struct Leaf:
    int32_t parent            # the branch above it, NONE for a root; of a leaf not in use: the next such
    int16_t place             # below that, as far as is known: whoever uses it looks whether it still is
    int8_t count              # places taken
    int8_t there              # contacts that are there; places of those who left are NONE until others are looked for
    int32_t items[30]         # contacts

# Of where they stand, who are in the leaf of the same slot.
cdef struct Hints:
    int64_t of[30]

cdef struct Child:
    int32_t node
    int32_t size              # contacts below it

# Neighbouring leaves or branches, in four cache lines. One is named by twice its slot, and 1 more for a branch.
cdef struct Branch:
    int32_t parent            # as of a leaf, as is the place
    int16_t place
    int16_t count
    Child children[31]

# Between the children of the branch of the same slot: nobody below a child stands before its bound, and all to its left do. The
# first has none. Hints come first, since few bounds are not told apart by them.
cdef struct Bounds:
    int64_t hints[32]
    Standing of[32]


@cython.final
cdef class Order:
    cdef Lines lines
    cdef Leaf *leaves
    cdef Hints *hints
    cdef Branch *branches
    cdef Bounds *bounds
    cdef int64_t leaf_capacity
    cdef int64_t hint_capacity
    cdef int64_t branch_capacity
    cdef int64_t bounds_capacity
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
        cdef const Leaf *leaf = &self.leaves[self.leaf_of(contact)[0]]
        cdef const Branch *branch = &self.branches[leaf.parent]
        if leaf.parent != NONE:
            prefetch(branch)
            prefetch(&branch.children[leaf.place])

    cdef int32_t insert(self, int32_t root, int32_t contact) except -2
    cdef int32_t remove(self, int32_t root, int32_t contact) noexcept nogil
    cdef int64_t before(self, int32_t root, const Standing *standing) noexcept nogil
    cdef int64_t rank(self, int32_t contact) noexcept nogil
    cdef int32_t _new_leaf(self) noexcept nogil
    cdef int32_t _new_branch(self) noexcept nogil
    cdef void _give_back(self, int32_t node) noexcept nogil
    cdef void _set_parent(self, int32_t node, int32_t parent) noexcept nogil
    cdef int32_t _place_of(self, const Branch *branch, int32_t child) noexcept nogil
    cdef int32_t _child_for(self, int32_t branch, const Standing *standing, int64_t hint) noexcept nogil
    cdef bint _before_bound(self, const Bounds *bounds, int32_t place, const Standing *standing, int64_t hint) noexcept nogil
    cdef void _close_up(self, int32_t leaf) noexcept nogil
    cdef int32_t _place_for(self, int32_t leaf, const Standing *standing, int64_t hint) noexcept nogil
    cdef bint _one_before(self, int32_t leaf, int32_t place, const Standing *standing, int64_t hint) noexcept nogil
    cdef void _put(self, int32_t leaf, int32_t place, int32_t contact, int64_t hint) noexcept nogil
    cdef int32_t _top(self, int32_t node) noexcept nogil
    cdef bint _put_beside(self, int32_t leaf, int32_t place, int32_t contact, int64_t hint) noexcept nogil
    cdef bint _has_room(self, int32_t leaf) noexcept nogil
    cdef void _set_bound(self, int32_t branch, int32_t place) noexcept nogil
    cdef void _even_out(self, int32_t branch, int32_t place) noexcept nogil
    cdef void _split_leaf(self, int32_t leaf, int32_t place, int32_t contact, int64_t hint) noexcept nogil
    cdef void _add_child(self, int32_t branch, int32_t after, int32_t child, int32_t size, const Standing *bound) noexcept nogil
    cdef void _put_child(self, int32_t branch, int32_t place, int32_t child, int32_t size, const Standing *bound) noexcept nogil
    cdef void _grow_up(self, int32_t node, int32_t size, int32_t other, int32_t other_size, const Standing *bound) noexcept nogil
    cdef int32_t _take_out(self, int32_t node) noexcept nogil
    cdef bint _join_next(self, Branch *branch, int32_t place) noexcept nogil
