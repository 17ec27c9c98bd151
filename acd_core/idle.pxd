from libc.stdint cimport int32_t, int64_t, uint32_t
from acd_core.containers cimport IntMap, prefetch
from acd_core.gates cimport Gates
from acd_core.tables cimport Tables
from acd_core.types cimport Class

cdef struct Entry:
    int64_t seq               # the agent's idle_seq when he was entered; another one now: a dead entry
    int32_t agent
    uint32_t lacks            # all bits but those of his signature; all there are of an entry that was seen to be dead

cdef struct IdleArray:
    Entry *items
    int64_t capacity
    int32_t count
    int32_t live              # agents with this skill who are free or being rung
    int32_t classes           # first class with this index skill; NONE: nobody looks here, nothing is entered
    int32_t staff             # configured agents with this skill
    int32_t class_count       # how many classes have this index skill
    int32_t room              # a count from which on it is to be grown or compacted
    int64_t changes           # as of IdleAgents.changes when it was filled or compacted

cdef struct Rank:
    int32_t agent
    int32_t rank
    int64_t precedence
    int64_t seq

cdef struct Ranking:
    Rank *items               # binary heap: rank, then what the strategy says, then longest idle
    int64_t capacity
    int32_t count
    int32_t cursor            # entries of the index skill before it have been looked at

cdef class IdleAgents:
    cdef Tables tables
    cdef Gates gates
    cdef IdleArray *arrays    # by skill
    cdef int64_t array_capacity
    cdef int32_t skill_count
    cdef Ranking *rankings
    cdef int64_t ranking_capacity
    cdef int32_t ranking_count
    cdef int64_t *clock       # the engine's time
    cdef int64_t half_life_us  # of occupancy, as the engine has it
    cdef int64_t seed         # of the draws of those queues that choose at random
    cdef IntMap turns         # (queue, agent) to the number of the last offer, where offers go round
    cdef int64_t changes      # how often an agent got other skills
    cdef bint held            # arrays are filled only when all classes are entered
    cdef int32_t *moved       # scratch for compaction
    cdef int64_t moved_capacity

    cdef inline void bring_array(self, int32_t owner) noexcept nogil:
        """Have at hand soon where contacts of this class look for an agent."""
        prefetch(&self.arrays[self.tables.classes[owner].index_skill])

    cdef inline void bring_first(self, int32_t owner) noexcept nogil:
        """And then whom they look at first."""
        cdef Class *wanted = &self.tables.classes[owner]
        prefetch(self.arrays[wanted.index_skill].items + wanted.cursor)

    cdef int reset(self, int32_t skills) except -1
    cdef void count_staff(self) noexcept nogil
    cdef int add_class(self, int32_t owner) except -1
    cdef int add(self, int32_t agent) except -1
    cdef void count_in(self, int32_t agent) noexcept nogil
    cdef int enter(self, int32_t agent) except -1
    cdef int drop(self, int32_t agent) except -1
    cdef int add_again(self, int32_t agent) except -1
    cdef int restore(self, int32_t agent) except -1
    cdef int reorder(self, int32_t agent) except -1
    cdef void hold(self) noexcept nogil
    cdef int refill(self) except -1
    cdef int32_t best_agent(self, int32_t owner, int64_t offer) except -2
    cdef int32_t look_through(self, int32_t owner, int64_t offer, bint spared) noexcept nogil
    cdef int64_t count_free(self, int32_t owner, int64_t most) noexcept nogil
    cdef int64_t turn(self, int32_t queue, int32_t agent) noexcept nogil
    cdef int set_turn(self, int32_t queue, int32_t agent, int64_t turn) except -1
    cdef int64_t drawn(self, int32_t agent, int32_t queue, int64_t offer) noexcept nogil
    cdef int64_t precedence(self, int32_t agent, int32_t owner) noexcept nogil
    cdef int64_t occupancy(self, int32_t agent) noexcept nogil
    cdef int64_t occupancy_at_least(self, int32_t agent) noexcept nogil
    cdef int _make_room(self, int32_t skill) except -1
    cdef int _grow(self, IdleArray *array) except -1
    cdef Entry _entry(self, int32_t agent) noexcept nogil
    cdef int _compact(self, int32_t skill) except -1
    cdef int _fill(self, int32_t skill) except -1
    cdef int32_t _find(self, int32_t skill, int64_t seq) noexcept nogil
    cdef int32_t _longest_idle(self, int32_t owner) noexcept nogil
    cdef int32_t _first_ranked(self, int32_t owner) except -2
    cdef int _rank(self, Ranking *ranking, int32_t owner, int32_t agent) except -1
    cdef void _pop_rank(self, Ranking *ranking) noexcept nogil
