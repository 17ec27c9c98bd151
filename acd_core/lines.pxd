from libc.stdint cimport int32_t, int64_t, uint32_t
from acd_core.gates cimport Gates
from acd_core.measures cimport Measures
from acd_core.standing cimport Claim, Standing
from acd_core.tables cimport Tables
from acd_core.types cimport HEAD_TERMS, Class, Line, Term

# What a freed agent looks at: the first contact of a class, with what it asks.
cdef struct Head:
    int64_t key               # it says nothing where the class is mixed
    int32_t owner             # the class
    int32_t tenant
    uint32_t channel          # of the class, as is the queue
    int32_t queue
    int32_t terms[4]          # skill * 128 + level; 0 for none, -1: ask `Tables.eligible`
    int32_t first             # the contact; where there is a limit, another of the class may go before it

# The heads of the classes that need one more skill, of those that need one. Who has not both looks at none of them.
cdef struct Bucket:
    int64_t least             # no key is below it
    Head *items
    int64_t capacity
    int32_t count
    int32_t second            # ANY_SKILL: of those that need no other

cdef struct Heads:
    Bucket *buckets
    int64_t capacity
    int32_t count
    int32_t waiting           # packed heads in all of them

cdef class Lines:
    cdef Tables tables
    cdef Measures measures
    cdef Gates gates
    cdef Line *lines
    cdef int64_t line_capacity
    cdef int32_t line_count
    cdef Heads *heads         # by index skill
    cdef int64_t skill_capacity
    cdef int32_t skill_count
    cdef int32_t mixed_heads  # packed heads of classes that are not of plain urgency
    cdef int64_t *levels      # scratch: the levels of the agent in hand, by skill, above `laid`; at most that: he lacks it
    cdef int64_t laid
    cdef int64_t level_capacity

    cdef int32_t line_for(self, int32_t owner, int32_t level, int64_t head_start, int64_t nudge) except -1
    cdef int assign(self, int32_t contact, int32_t owner, int32_t level, int64_t head_start, int64_t nudge) except -1
    cdef int add(self, int32_t contact) except -1
    cdef int remove(self, int32_t contact) except -1
    cdef int32_t first_of(self, int32_t owner, int64_t now) noexcept nogil
    cdef int32_t best_contact(self, int32_t agent, int64_t now) noexcept nogil
    cdef int reset(self, int32_t skills) except -1
    cdef void _find_first(self, int32_t line) noexcept nogil
    cdef void _set_first(self, Line *line, int32_t contact) noexcept nogil
    cdef int _comes_first(self, int32_t line) except -1
    cdef void _set_head(self, Bucket *bucket, int32_t position, const Line *line) noexcept nogil
    cdef int _head_changed(self, int32_t owner) except -1
    cdef int _choose_bucket(self, Class *row) except -1
    cdef bint _plain_before(self, const Line *a, const Line *b) noexcept nogil
    cdef bint _before(self, int32_t a, int32_t b) noexcept nogil

    cdef inline int64_t key(self, int32_t contact) noexcept nogil:
        """What orders a contact in its line, and if it is plain, among all that are."""
        cdef Line *line = &self.lines[self.tables.contacts[contact].line]
        cdef int64_t since = self.tables.since(contact)
        return since if self.tables.classes[line.owner].mixed else since - line.head_start - line.nudge

    cdef list in_order(self, list contacts, int64_t now)
    cdef void stand_at(self, Claim *claim, int32_t contact, int64_t now) noexcept nogil
    cdef void stand_for_good(self, Standing *standing, int32_t contact) noexcept nogil
    cdef int32_t _first_for_good(self, int32_t owner, int32_t *line) noexcept nogil
    cdef int32_t _first_of_capped(self, int32_t owner, int64_t now) noexcept nogil
    cdef int32_t _best_of_plain(self, int32_t agent) noexcept nogil
    cdef int32_t _best_of_mixed(self, int32_t agent, int64_t now) noexcept nogil
    cdef int32_t _lay_out(self, uint32_t *held, int32_t count) noexcept nogil
    cdef bint _barred(self, Head *head, bint withheld) noexcept nogil
    cdef bint _passed_over(self, Bucket *bucket) noexcept nogil
    cdef bint _open_to(
        self, Head *head, int32_t agent, uint32_t channels, bint gated, bint withheld, bint choosy
    ) noexcept nogil
    cdef bint _asks_met(self, Head *head, int32_t agent) noexcept nogil
