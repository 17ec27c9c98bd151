# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Counted order of those who wait: how many stand before this one?

Counted B-trees over contacts. A leaf has up to 30 of them in the order in which they stand; branches above count those
below each child, and keep a bound by which a place is found without a look at a contact but those of one leaf. A contact
knows its leaf, so taking it out and counting those before it climb a few levels without a comparison; putting one in is as
many comparisons as a binary search has. The trees of all lines share one store. Those who come last go behind a full leaf
and not into half of it, so the leaves of a line that is served from its head are full.

Where a contact stands must not change while it is in. A leaf keeps a hint of it for each, since rows of contacts are far apart
in memory: only where hints do not tell two apart is it read from the row. Who leaves leaves an empty place, so that the hints,
which are far away as well, are not touched; places are closed up before others are looked for.
"""

cimport cython
from libc.stdint cimport int16_t, int32_t, int64_t
from libc.string cimport memcpy, memmove

from acd_core.containers cimport reserve
from acd_core.memory cimport release
from acd_core.standing cimport NO_HINT, Standing, hint_of, stands_before
from acd_core.types cimport NONE

cdef enum:
    FEW = 8                   # a leaf with fewer joins the next one,
    WELL_FILLED = 22          # if both together have no more than this
    ROOMY = 6                 # with so many free places a leaf takes some of a full one beside it
    DEPTH_MOST = 16


@cython.final
cdef class Order:
    """A store of counted trees of one engine, over its waiting lines. A tree is told by its root, NONE when empty. A contact is in
    one tree of a store, and keeps its leaf in `Contact.leaves`, at the store's place.
    """

    def __cinit__(self, Lines lines, int place=0):
        self.lines = lines
        self.place = place
        self.free_leaf = NONE
        self.free_branch = NONE

    def __dealloc__(self):
        release(self.leaves)
        release(self.hints)
        release(self.branches)
        release(self.bounds)

    cdef int32_t insert(self, int32_t root, int32_t contact) except -2:
        """Put a contact in that is in no tree; gives the new root."""
        cdef Standing own
        cdef Branch *branch
        cdef int32_t node = root, place, leaf
        cdef int64_t hint
        reserve(<void **>&self.leaves, &self.leaf_capacity, self.leaf_count + 1, sizeof(Leaf))
        reserve(<void **>&self.hints, &self.hint_capacity, self.leaf_count + 1, sizeof(Hints))
        reserve(<void **>&self.branches, &self.branch_capacity, self.branch_count + DEPTH_MOST, sizeof(Branch))
        reserve(<void **>&self.bounds, &self.bounds_capacity, self.branch_count + DEPTH_MOST, sizeof(Bounds))
        self.lines.stand_for_good(&own, contact)
        hint = hint_of(&own)
        if root == NONE:
            node = self._new_leaf()
            self._put(node >> 1, 0, contact, hint)
            return node
        while node & 1:
            place = self._child_for(node >> 1, &own, hint)
            branch = &self.branches[node >> 1]
            branch.children[place].size += 1
            node = branch.children[place].node
        leaf = node >> 1
        self._close_up(leaf)
        place = self._place_for(leaf, &own, hint)
        if self.leaves[leaf].count == LEAF_MOST:
            if self._put_beside(leaf, place, contact, hint):
                return root
            self._split_leaf(leaf, place, contact, hint)
            return self._top(root)
        self._put(leaf, place, contact, hint)
        return root

    cdef int32_t remove(self, int32_t root, int32_t contact) noexcept nogil:
        """Take a contact out; gives the new root."""
        cdef int32_t slot = self.leaf_of(contact)[0], node = 2 * slot, place = 0, above
        cdef Leaf *leaf = &self.leaves[slot]
        cdef Branch *branch
        while leaf.items[place] != contact:
            place += 1
        leaf.items[place] = NONE
        leaf.there -= 1
        above = leaf.parent
        while above != NONE:
            branch = &self.branches[above]
            branch.children[self._place_of(branch, node)].size -= 1
            node = 2 * above + 1
            above = branch.parent
        if leaf.there == 0:
            return self._take_out(2 * slot)
        if leaf.there < FEW and leaf.parent != NONE:
            branch = &self.branches[leaf.parent]
            place = self._place_of(branch, 2 * slot)
            if place + 1 < branch.count and self._join_next(branch, place):
                return self._take_out(2 * slot)
            if place and self._join_next(branch, place - 1):
                return self._take_out(branch.children[place - 1].node)
        return root

    cdef int64_t before(self, int32_t root, const Standing *standing) noexcept nogil:
        """How many of a tree stand before this."""
        cdef int32_t node = root, place, index
        cdef int64_t found = 0, hint = hint_of(standing)
        cdef Branch *branch
        if root == NONE:
            return 0
        while node & 1:
            branch = &self.branches[node >> 1]
            place = self._child_for(node >> 1, standing, hint)
            for index in range(place):
                found += branch.children[index].size
            node = branch.children[place].node
        self._close_up(node >> 1)
        return found + self._place_for(node >> 1, standing, hint)

    cdef int64_t rank(self, int32_t contact) noexcept nogil:
        """How many of its tree stand before a contact that is in one."""
        cdef int32_t slot = self.leaf_of(contact)[0], node = 2 * slot, above = self.leaves[slot].parent, place, index
        cdef int64_t found = 0
        cdef Branch *branch
        place = 0
        while self.leaves[slot].items[place] != contact:
            found += self.leaves[slot].items[place] != NONE
            place += 1
        while above != NONE:
            branch = &self.branches[above]
            place = self._place_of(branch, node)
            for index in range(place):
                found += branch.children[index].size
            node = 2 * above + 1
            above = branch.parent
        return found

    # -- nodes --------------------------------------------------------------------------------------------------

    cdef int32_t _new_leaf(self) noexcept nogil:
        """An empty leaf; there is room for it."""
        cdef int32_t slot = self.free_leaf
        if slot != NONE:
            self.free_leaf = self.leaves[slot].parent
        else:
            slot = self.leaf_count
            self.leaf_count += 1
        self.leaves[slot].parent = NONE
        self.leaves[slot].place = 0
        self.leaves[slot].count = 0
        self.leaves[slot].there = 0
        return 2 * slot

    cdef int32_t _new_branch(self) noexcept nogil:
        """An empty branch; there is room for it."""
        cdef int32_t slot = self.free_branch
        if slot != NONE:
            self.free_branch = self.branches[slot].parent
        else:
            slot = self.branch_count
            self.branch_count += 1
        self.branches[slot].parent = NONE
        self.branches[slot].place = 0
        self.branches[slot].count = 0
        return 2 * slot + 1

    cdef void _give_back(self, int32_t node) noexcept nogil:
        if node & 1:
            self.branches[node >> 1].parent = self.free_branch
            self.free_branch = node >> 1
        else:
            self.leaves[node >> 1].parent = self.free_leaf
            self.free_leaf = node >> 1

    cdef void _set_parent(self, int32_t node, int32_t parent) noexcept nogil:
        if node & 1:
            self.branches[node >> 1].parent = parent
        else:
            self.leaves[node >> 1].parent = parent

    cdef int32_t _place_of(self, const Branch *branch, int32_t child) noexcept nogil:
        """Which of a branch's children this is: mostly the one that it was the last time."""
        cdef int16_t *known = &self.branches[child >> 1].place if child & 1 else &self.leaves[child >> 1].place
        cdef int16_t place = known[0]
        if place < branch.count and branch.children[place].node == child:
            return place
        place = 0
        while branch.children[place].node != child:
            place += 1
        known[0] = place
        return place

    cdef int32_t _child_for(self, int32_t branch, const Standing *standing, int64_t hint) noexcept nogil:
        """Below which child of a branch one stands, or would stand, of which this is the hint. Mostly the last."""
        cdef const Bounds *bounds = &self.bounds[branch]
        cdef int32_t low = 0, high = self.branches[branch].count - 1, middle
        if not self._before_bound(bounds, high, standing, hint):
            return high
        while low + 1 < high:
            middle = (low + high) >> 1
            if self._before_bound(bounds, middle, standing, hint):
                high = middle
            else:
                low = middle
        return low

    cdef bint _before_bound(self, const Bounds *bounds, int32_t place, const Standing *standing, int64_t hint) noexcept nogil:
        """Whether one stands before the bound of this child."""
        cdef int64_t its = bounds.hints[place]
        if its != hint and its != NO_HINT and hint != NO_HINT:
            return hint < its
        return stands_before(standing, &bounds.of[place])

    cdef void _close_up(self, int32_t leaf) noexcept nogil:
        """Give the places in a leaf of those who left to those behind them."""
        cdef Leaf *row = &self.leaves[leaf]
        cdef int64_t *hints = self.hints[leaf].of
        cdef int32_t place, kept = 0
        if row.count == row.there:
            return
        for place in range(row.count):
            if row.items[place] != NONE:
                row.items[kept] = row.items[place]
                hints[kept] = hints[place]
                kept += 1
        row.count = row.there

    cdef void _put(self, int32_t leaf, int32_t place, int32_t contact, int64_t hint) noexcept nogil:
        """Put a contact into this place of a leaf that is closed up and has room."""
        cdef Leaf *row = &self.leaves[leaf]
        cdef int64_t *hints = self.hints[leaf].of
        cdef size_t behind = <size_t>(row.count - place)
        if behind:
            memmove(&row.items[place + 1], &row.items[place], behind * sizeof(int32_t))
            memmove(&hints[place + 1], &hints[place], behind * sizeof(int64_t))
        row.items[place] = contact
        hints[place] = hint
        row.count += 1
        row.there += 1
        self.leaf_of(contact)[0] = leaf

    cdef bint _one_before(self, int32_t leaf, int32_t place, const Standing *standing, int64_t hint) noexcept nogil:
        """Whether the contact in this place of a leaf stands before one that stands there, of which this is the hint."""
        cdef Standing other
        cdef int64_t its = self.hints[leaf].of[place]
        if its != hint and its != NO_HINT and hint != NO_HINT:
            return its < hint
        self.lines.stand_for_good(&other, self.leaves[leaf].items[place])
        return stands_before(&other, standing)

    cdef int32_t _place_for(self, int32_t leaf, const Standing *standing, int64_t hint) noexcept nogil:
        """How many of a leaf, which is closed up, stand before this, of which this is the hint. Mostly all, or none."""
        cdef int32_t low = 0, high = self.leaves[leaf].count - 1, middle
        if self._one_before(leaf, high, standing, hint):
            return high + 1
        while low < high:
            middle = (low + high) >> 1
            if self._one_before(leaf, middle, standing, hint):
                low = middle + 1
            else:
                high = middle
        return low

    cdef int32_t _top(self, int32_t node) noexcept nogil:
        """The root of the tree that a node is in."""
        cdef int32_t above = self.branches[node >> 1].parent if node & 1 else self.leaves[node >> 1].parent
        while above != NONE:
            node = 2 * above + 1
            above = self.branches[above].parent
        return node

    # -- growing ------------------------------------------------------------------------------------------------

    cdef bint _put_beside(self, int32_t leaf, int32_t place, int32_t contact, int64_t hint) noexcept nogil:
        """Put a contact into a full leaf, closed up, or where it ends one below the same branch that has room: those in both are
        spread over both, unless the contact is the last of a leaf, and becomes the first of the next. It is counted already
        above. Whether it is put.
        """
        cdef int32_t parent = self.leaves[leaf].parent, right, other
        cdef Branch *branch
        if parent == NONE:
            return False
        branch = &self.branches[parent]
        right = self._place_of(branch, 2 * leaf)
        if place == LEAF_MOST:
            right += 1
            if right == branch.count:
                return False
            other = branch.children[right].node >> 1
            if self.leaves[other].there == LEAF_MOST:
                return False
            self._close_up(other)
            self._put(other, 0, contact, hint)
            self._set_bound(parent, right)
        else:
            if right and self._has_room(branch.children[right - 1].node >> 1):
                place += self.leaves[branch.children[right - 1].node >> 1].there
            elif right + 1 < branch.count and self._has_room(branch.children[right + 1].node >> 1):
                right += 1
            else:
                return False
            self._even_out(parent, right)
            leaf = branch.children[right - 1].node >> 1
            other = branch.children[right].node >> 1
            if place <= self.leaves[leaf].count:
                self._put(leaf, place, contact, hint)
            else:
                self._put(other, place - self.leaves[leaf].count, contact, hint)
        branch.children[right - 1].size = self.leaves[branch.children[right - 1].node >> 1].there
        branch.children[right].size = self.leaves[other].there
        return True

    cdef inline bint _has_room(self, int32_t leaf) noexcept nogil:
        """Whether it is worth while to spread those of a full leaf over this one as well."""
        return self.leaves[leaf].there <= LEAF_MOST - ROOMY

    cdef void _set_bound(self, int32_t branch, int32_t place) noexcept nogil:
        """Let the bound of a leaf below a branch, closed up, be where its first contact stands."""
        cdef int32_t leaf = self.branches[branch].children[place].node >> 1
        self.bounds[branch].hints[place] = self.hints[leaf].of[0]
        self.lines.stand_for_good(&self.bounds[branch].of[place], self.leaves[leaf].items[0])

    cdef void _even_out(self, int32_t branch, int32_t place) noexcept nogil:
        """Spread those in a leaf below a branch and in the one before it over both. They are to be counted anew above."""
        cdef int32_t left = self.branches[branch].children[place - 1].node >> 1
        cdef int32_t right = self.branches[branch].children[place].node >> 1, moved, index
        cdef Leaf *low = &self.leaves[left]
        cdef Leaf *high = &self.leaves[right]
        cdef int64_t *low_hints = self.hints[left].of
        cdef int64_t *high_hints = self.hints[right].of
        self._close_up(left)
        self._close_up(right)
        moved = (high.count - low.count) // 2
        if moved > 0:
            memcpy(&low.items[low.count], &high.items[0], <size_t>moved * sizeof(int32_t))
            memcpy(&low_hints[low.count], &high_hints[0], <size_t>moved * sizeof(int64_t))
            memmove(&high.items[0], &high.items[moved], <size_t>(high.count - moved) * sizeof(int32_t))
            memmove(&high_hints[0], &high_hints[moved], <size_t>(high.count - moved) * sizeof(int64_t))
            for index in range(moved):
                self.leaf_of(low.items[low.count + index])[0] = left
        else:
            memmove(&high.items[-moved], &high.items[0], <size_t>high.count * sizeof(int32_t))
            memmove(&high_hints[-moved], &high_hints[0], <size_t>high.count * sizeof(int64_t))
            memcpy(&high.items[0], &low.items[low.count + moved], <size_t>-moved * sizeof(int32_t))
            memcpy(&high_hints[0], &low_hints[low.count + moved], <size_t>-moved * sizeof(int64_t))
            for index in range(-moved):
                self.leaf_of(high.items[index])[0] = right
        low.count = low.there = low.count + moved
        high.count = high.there = high.count - moved
        self._set_bound(branch, place)

    cdef void _split_leaf(self, int32_t leaf, int32_t place, int32_t contact, int64_t hint) noexcept nogil:
        """Put a contact into a full leaf, closed up, of which a part goes into a new one behind it. It is counted already above."""
        cdef int32_t other = self._new_leaf() >> 1, kept = LEAF_MOST if place == LEAF_MOST else <int32_t>LEAF_MOST // 2, index
        cdef Leaf *row = &self.leaves[leaf]
        cdef Leaf *new = &self.leaves[other]
        cdef Standing bound
        new.count = new.there = LEAF_MOST - kept
        row.count = row.there = kept
        memcpy(&new.items[0], &row.items[kept], <size_t>new.count * sizeof(int32_t))
        memcpy(&self.hints[other].of[0], &self.hints[leaf].of[kept], <size_t>new.count * sizeof(int64_t))
        for index in range(new.count):
            self.leaf_of(new.items[index])[0] = other
        if place > kept or place == LEAF_MOST:
            self._put(other, place - kept, contact, hint)
        else:
            self._put(leaf, place, contact, hint)
        self.lines.stand_for_good(&bound, new.items[0])
        self._grow_up(2 * leaf, row.count, 2 * other, new.count, &bound)

    cdef void _grow_up(self, int32_t node, int32_t size, int32_t other, int32_t other_size, const Standing *bound) noexcept nogil:
        """A part of a node went into another one behind it, which comes below the same branch."""
        cdef int32_t parent = self.branches[node >> 1].parent if node & 1 else self.leaves[node >> 1].parent, place
        cdef Branch *branch
        if parent == NONE:
            parent = self._new_branch() >> 1
            branch = &self.branches[parent]
            branch.children[0].node = node
            branch.count = 1
            self._set_parent(node, parent)
        branch = &self.branches[parent]
        place = self._place_of(branch, node)
        branch.children[place].size = size
        self._add_child(parent, place, other, other_size, bound)

    cdef void _add_child(self, int32_t branch, int32_t after, int32_t child, int32_t size, const Standing *bound) noexcept nogil:
        """Put a node below a branch, behind one of its children. It is counted already above."""
        cdef Branch *row = &self.branches[branch]
        cdef Branch *new
        cdef int32_t other, kept, index, place = after + 1, moved
        cdef int32_t total = 0, other_total = 0
        cdef Standing parting
        if row.count == BRANCH_MOST:
            other = self._new_branch() >> 1
            row = &self.branches[branch]
            new = &self.branches[other]
            kept = BRANCH_MOST if place == BRANCH_MOST else <int32_t>BRANCH_MOST // 2
            moved = BRANCH_MOST - kept
            memcpy(&new.children[0], &row.children[kept], <size_t>moved * sizeof(Child))
            memcpy(&self.bounds[other].hints[0], &self.bounds[branch].hints[kept], <size_t>moved * sizeof(int64_t))
            memcpy(&self.bounds[other].of[0], &self.bounds[branch].of[kept], <size_t>moved * sizeof(Standing))
            new.count = <int16_t>moved
            row.count = <int16_t>kept
            for index in range(moved):
                self._set_parent(new.children[index].node, other)
            if place > kept or place == BRANCH_MOST:
                self._put_child(other, place - kept, child, size, bound)
            else:
                self._put_child(branch, place, child, size, bound)
            parting = self.bounds[other].of[0]
            for index in range(row.count):
                total += row.children[index].size
            for index in range(new.count):
                other_total += new.children[index].size
            self._grow_up(2 * branch + 1, total, 2 * other + 1, other_total, &parting)
        else:
            self._put_child(branch, place, child, size, bound)

    cdef void _put_child(self, int32_t branch, int32_t place, int32_t child, int32_t size, const Standing *bound) noexcept nogil:
        """The same where there is room."""
        cdef Branch *row = &self.branches[branch]
        cdef Bounds *bounds = &self.bounds[branch]
        cdef size_t behind = <size_t>(row.count - place)
        memmove(&row.children[place + 1], &row.children[place], behind * sizeof(Child))
        memmove(&bounds.hints[place + 1], &bounds.hints[place], behind * sizeof(int64_t))
        memmove(&bounds.of[place + 1], &bounds.of[place], behind * sizeof(Standing))
        row.children[place].node = child
        row.children[place].size = size
        bounds.hints[place] = hint_of(bound)
        bounds.of[place] = bound[0]
        row.count += 1
        self._set_parent(child, branch)

    # -- shrinking ----------------------------------------------------------------------------------------------

    cdef bint _join_next(self, Branch *branch, int32_t place) noexcept nogil:
        """Let those in one of a branch's leaves stand at the head of the next, if there is room. Whether they do."""
        cdef int32_t slot = branch.children[place].node >> 1, other_slot = branch.children[place + 1].node >> 1, index
        cdef Leaf *row = &self.leaves[slot]
        cdef Leaf *other = &self.leaves[other_slot]
        cdef int64_t *hints = self.hints[other_slot].of
        cdef Bounds *bounds = &self.bounds[self.leaves[slot].parent]
        if row.there + other.there > WELL_FILLED:
            return False
        self._close_up(slot)
        self._close_up(other_slot)
        memmove(&other.items[row.count], &other.items[0], <size_t>other.count * sizeof(int32_t))
        memcpy(&other.items[0], &row.items[0], <size_t>row.count * sizeof(int32_t))
        memmove(&hints[row.count], &hints[0], <size_t>other.count * sizeof(int64_t))
        memcpy(&hints[0], &self.hints[slot].of[0], <size_t>row.count * sizeof(int64_t))
        for index in range(row.count):
            self.leaf_of(row.items[index])[0] = other_slot
        other.count += row.count
        other.there = other.count
        branch.children[place + 1].size = other.count
        bounds.hints[place + 1] = bounds.hints[place]
        bounds.of[place + 1] = bounds.of[place]
        row.count = row.there = 0
        return True

    cdef int32_t _take_out(self, int32_t node) noexcept nogil:
        """Take a node out that has nothing below it; gives the root of what is left."""
        cdef int32_t parent, place
        cdef size_t behind
        cdef Branch *branch
        cdef Bounds *bounds
        while True:
            parent = self.branches[node >> 1].parent if node & 1 else self.leaves[node >> 1].parent
            if parent == NONE:
                self._give_back(node)
                return NONE
            branch = &self.branches[parent]
            place = self._place_of(branch, node)
            self._give_back(node)
            branch.count -= 1
            if branch.count:
                break
            node = 2 * parent + 1
        behind = <size_t>(branch.count - place)
        bounds = &self.bounds[parent]
        memmove(&branch.children[place], &branch.children[place + 1], behind * sizeof(Child))
        memmove(&bounds.hints[place], &bounds.hints[place + 1], behind * sizeof(int64_t))
        memmove(&bounds.of[place], &bounds.of[place + 1], behind * sizeof(Standing))
        node = self._top(2 * parent + 1)
        while node & 1 and self.branches[node >> 1].count == 1:
            parent = node
            node = self.branches[parent >> 1].children[0].node
            self._set_parent(node, NONE)
            self._give_back(parent)
        return node
