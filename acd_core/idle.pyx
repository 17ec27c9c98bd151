# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Free agents: which of them gets an arriving contact?

Each skill has an array of its free agents in idle order. An agent who becomes free is appended to the arrays of his
skills; when he is taken nothing is touched, for an entry lives only as long as its sequence number is still the
agent's. Who comes across a dead entry marks it, so that others need not look at the agent's row, which may be far away. When
more than half of an array is dead it is compacted.

Each class of contacts looks into the array of its index skill, from its cursor on: everything before the cursor is
known not to qualify. New entries come at the end only, so a class looks at each entry once, however many free agents
stand there who cannot serve it. That is all `longest_idle` without ranks needs. For any other order a class feeds the
qualified entries it passes into a heap of its own, its ranking: what orders an agent seldom changes while he is idle
(`reorder`). Only where chance decides nothing is kept, since each contact draws anew, and where occupancy has a price, since
what the agents pay falls for each by another amount: all who are free and qualified are looked at.

An agent who is being rung keeps his entry, since a withdrawn offer gives him back his place (`restore`). Who gets a contact that
waits as soon as he is free is not entered at all. Only arrays that some class looks into are kept filled.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport qsort, realloc

from acd_core.containers cimport IntMap, reserve
from acd_core.draws cimport draw, weighted, weighted_at_least
from acd_core.fixed_point cimport ONE, ONE_BITS
from acd_core.gates cimport Gates
from acd_core.memory cimport release
from acd_core.occupancy cimport USE_FREE, later
from acd_core.tables cimport Tables, held_skill
from acd_core.types cimport (
    ANY_SKILL, FEWEST_CONTACTS, LEAST_OCCUPIED, LEAST_SKILLED, LINEAR, LONGEST_IDLE_INBOUND, LOWEST_COST,
    MOST_SKILLED, NONE, RANDOM, ROUND_ROBIN, WEIGHTED_RANDOM, Agent, Class, Details,
)

cdef enum:
    UNITS_SHIFT = 40          # beyond the number of any place among the idle
    POWER_ERROR = 64          # by which a power of two in whole numbers may be too low, see fixed_point.py
    SLACK = 64                # dead entries that are never worth a compaction
    CLASSES_SHARE = 4         # nor are one more for so many classes


cdef inline bint _ranks_before(Rank *a, Rank *b) noexcept nogil:
    if a.rank != b.rank:
        return a.rank < b.rank
    if a.precedence != b.precedence:
        return a.precedence < b.precedence
    return a.seq < b.seq


cdef int _in_idle_order(const void *one, const void *other) noexcept nogil:
    return -1 if (<const Entry *>one).seq < (<const Entry *>other).seq else 1


@cython.final
cdef class IdleAgents:
    """The free agents of one engine, over the rows of its tables."""

    def __cinit__(self, Tables tables, Gates gates):
        self.tables = tables
        self.gates = gates
        self.turns = IntMap()

    def __dealloc__(self):
        cdef int32_t index
        for index in range(self.skill_count):
            release(self.arrays[index].items)
        for index in range(<int32_t>self.ranking_capacity):
            release(self.rankings[index].items)
        release(self.arrays)
        release(self.rankings)
        release(self.moved)

    cdef int reset(self, int32_t skills) except -1:
        """Forget entries, classes and rankings, and know so many skills."""
        cdef int32_t skill
        reserve(<void **>&self.arrays, &self.array_capacity, skills, sizeof(IdleArray))
        if skills > self.skill_count:
            self.skill_count = skills
        for skill in range(self.skill_count):
            self.arrays[skill].count = 0
            self.arrays[skill].room = 0
            self.arrays[skill].live = 0
            self.arrays[skill].classes = NONE
            self.arrays[skill].class_count = 0
            self.arrays[skill].staff = 0
            self.arrays[skill].changes = self.changes
        self.ranking_count = 0
        self.count_staff()
        return 0

    cdef void hold(self) noexcept nogil:
        """After `reset`: many classes are to be entered, and no array is filled until `refill`."""
        self.held = True

    cdef void count_staff(self) noexcept nogil:
        """Count the configured agents, and those free or rung, of each skill."""
        cdef int32_t agent, index
        cdef Agent *row
        for agent in range(self.tables.agent_count):
            row = &self.tables.agents[agent]
            for index in range(row.skill_count):
                self.arrays[held_skill(self.tables.agent_skills[row.skills + index])].staff += 1
                if row.idle_seq:
                    self.arrays[held_skill(self.tables.agent_skills[row.skills + index])].live += 1

    cdef int add_class(self, int32_t owner) except -1:
        """Choose the index skill of a new class, the one that the fewest agents have, and the next after it, and begin to look
        there.
        """
        cdef Class *row = &self.tables.classes[owner]
        cdef int32_t index, skill
        for index in range(row.term_count):
            skill = self.tables.terms[row.terms + index].skill
            if index == 0 or self.arrays[skill].staff < self.arrays[row.index_skill].staff:
                row.index_skill = skill
        for index in range(row.term_count):
            skill = self.tables.terms[row.terms + index].skill
            if skill != row.index_skill and (
                row.second_skill == ANY_SKILL or self.arrays[skill].staff < self.arrays[row.second_skill].staff
            ):
                row.second_skill = skill
        if self.arrays[row.index_skill].classes == NONE and not self.held:
            self._fill(row.index_skill)
        row.next_in_skill = self.arrays[row.index_skill].classes
        self.arrays[row.index_skill].classes = owner
        self.arrays[row.index_skill].class_count += 1
        return 0

    cdef int add(self, int32_t agent) except -1:
        """An agent became free, with a new idle_seq: he is the last in all his arrays."""
        self.count_in(agent)
        return self.enter(agent)

    cdef void count_in(self, int32_t agent) noexcept nogil:
        """An agent became free, with a new idle_seq, but is still to be entered, unless he is rung at once: then nobody looks
        for him, and `restore` enters him if he keeps his place.
        """
        cdef Agent *row = &self.tables.agents[agent]
        cdef uint32_t *held = self.tables.agent_skills + row.skills
        cdef int32_t index
        for index in range(row.skill_count):
            self.arrays[held_skill(held[index])].live += 1

    cdef int enter(self, int32_t agent) except -1:
        """Enter an agent who was counted in; nobody came to be free since."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef uint32_t *held = self.tables.agent_skills + row.skills
        cdef Entry entry = self._entry(agent)
        cdef IdleArray *array
        cdef int32_t index
        for index in range(row.skill_count):
            array = &self.arrays[held_skill(held[index])]
            if array.classes != NONE:
                if array.count >= array.room:
                    self._make_room(held_skill(held[index]))
                array.items[array.count] = entry
                array.count += 1
        return 0

    cdef int drop(self, int32_t agent) except -1:
        """An agent is neither free nor rung any more. Call it while his idle_seq is still set; then clear that."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t index
        for index in range(row.skill_count):
            self.arrays[held_skill(self.tables.agent_skills[row.skills + index])].live -= 1
        return 0

    cdef int add_again(self, int32_t agent) except -1:
        """After `drop` and a change of his skills: count the agent under the new ones, at the place that he had."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t index
        self.changes += 1
        for index in range(row.skill_count):
            self.arrays[held_skill(self.tables.agent_skills[row.skills + index])].live += 1
        return self.restore(agent)

    cdef int restore(self, int32_t agent) except -1:
        """An agent who was rung, or whose skills were changed, is free at the place of his idle_seq.

        His entries may have been compacted away, so they are looked up by sequence, and put in where missing; the
        classes that have passed them look again, if he is for them.
        """
        cdef Agent *row = &self.tables.agents[agent]
        cdef int32_t index, skill, place, owner, entry
        cdef IdleArray *array
        cdef Class *wanted
        cdef Ranking *ranking
        cdef bint passed
        for index in range(row.skill_count):
            skill = held_skill(self.tables.agent_skills[row.skills + index])
            array = &self.arrays[skill]
            if array.classes == NONE:
                continue
            place = self._find(skill, row.idle_seq)
            if place == array.count or array.items[place].seq != row.idle_seq:
                if array.count >= array.capacity:
                    self._grow(array)
                for entry in range(array.count, place, -1):
                    array.items[entry] = array.items[entry - 1]
                array.count += 1
                owner = array.classes
                while owner != NONE:
                    wanted = &self.tables.classes[owner]
                    if wanted.cursor > place:
                        wanted.cursor += 1
                    if wanted.ranking != NONE and self.rankings[wanted.ranking].cursor > place:
                        self.rankings[wanted.ranking].cursor += 1
                    owner = wanted.next_in_skill
            array.items[place] = self._entry(agent)
            owner = array.classes
            while owner != NONE:
                wanted = &self.tables.classes[owner]
                ranking = &self.rankings[wanted.ranking] if wanted.ranking != NONE else NULL
                passed = ranking != NULL and ranking.cursor > place
                if (wanted.cursor > place or passed) and self.tables.eligible(agent, owner):
                    if wanted.cursor > place:
                        wanted.cursor = place
                    if passed and ranking.count > 2 * array.live + SLACK:
                        ranking.count = 0  # nobody has asked for long: it is made anew when somebody does
                        ranking.cursor = 0
                    elif passed:
                        self._rank(ranking, owner, agent)
                owner = wanted.next_in_skill
        return 0

    cdef int reorder(self, int32_t agent) except -1:
        """What orders an agent is another, though not his place, if he is free at all: he is ranked anew."""
        cdef Agent *row = &self.tables.agents[agent]
        return self.restore(agent) if row.idle_seq and not row.rung else 0

    cdef int refill(self) except -1:
        """Fill all arrays in use, after `hold`: in one look at the agents, and not in one for each array."""
        cdef int32_t agent, index, skill
        cdef Agent *row
        cdef Entry *idle = NULL
        cdef IdleArray *array
        cdef int64_t capacity = 0, count = 0, place
        self.held = False
        try:
            reserve(<void **>&idle, &capacity, self.tables.agent_count, sizeof(Entry))
            for agent in range(self.tables.agent_count):
                if self.tables.agents[agent].idle_seq:
                    idle[count] = self._entry(agent)
                    count += 1
            if count:
                qsort(idle, <size_t>count, sizeof(Entry), &_in_idle_order)
            for place in range(count):
                row = &self.tables.agents[idle[place].agent]
                for index in range(row.skill_count):
                    skill = held_skill(self.tables.agent_skills[row.skills + index])
                    array = &self.arrays[skill]
                    if array.classes == NONE:
                        continue
                    if array.count >= array.room:
                        self._make_room(skill)
                    array.items[array.count] = idle[place]
                    array.count += 1
        finally:
            release(idle)
        return 0

    cdef int32_t best_agent(self, int32_t owner, int64_t offer) except -2:
        """The free agent whom a contact of this class gets, or NONE. `offer` is the number of the offer to be made."""
        cdef int32_t queue = self.tables.classes[owner].queue
        if self.arrays[self.tables.classes[owner].index_skill].live == 0:
            return NONE
        if queue == NONE:
            return self._longest_idle(owner)
        if self.tables.queues[queue].strategy >= RANDOM or self.tables.queues[queue].occupancy_price:
            return self.look_through(owner, offer, True)
        return self._first_ranked(owner)

    cdef int32_t look_through(self, int32_t owner, int64_t offer, bint spared) noexcept nogil:
        """The same by looking at all who are free: for chance, for a price of occupancy, for shares of groups, and where
        agents may be withheld.

        With `spared` nobody is withheld.
        """
        cdef Class *wanted = &self.tables.classes[owner]
        cdef IdleArray *array = &self.arrays[wanted.index_skill]
        cdef int strategy = self.tables.queues[wanted.queue].strategy
        cdef int64_t price = self.tables.queues[wanted.queue].occupancy_price
        cdef Entry *entry
        cdef Agent *agent
        cdef Rank candidate, best
        cdef int32_t place, weight
        cdef int64_t share, best_share = 0
        cdef bint any_free = False, tied
        best.agent = NONE
        for place in range(wanted.cursor, array.count):
            entry = &array.items[place]
            if wanted.signature & entry.lacks:
                continue
            agent = &self.tables.agents[entry.agent]
            if (
                agent.idle_seq != entry.seq
                or not agent.open & wanted.channel
                or not self.tables.eligible(entry.agent, owner)
            ):
                continue
            if not any_free:
                any_free = True
                wanted.cursor = place
            if not spared and self.gates.withholds(entry.agent):
                continue
            candidate.rank = self.tables.rank_of(entry.agent, wanted.queue)
            share = self.gates.above_share(entry.agent, wanted.queue)
            tied = best.agent != NONE and candidate.rank == best.rank and share == best_share
            if best.agent != NONE and not tied and (
                candidate.rank > best.rank or (candidate.rank == best.rank and share > best_share)
            ):
                continue
            if strategy < RANDOM:
                candidate.precedence = self.precedence(entry.agent, owner)
                if price:
                    candidate.precedence *= ONE
                    if tied and candidate.precedence + price * self.occupancy_at_least(entry.agent) > best.precedence:
                        continue
                    candidate.precedence += price * self.occupancy(entry.agent)
            else:
                candidate.precedence = draw(self.seed, offer, agent.position)
                if strategy == WEIGHTED_RANDOM:
                    weight = self.tables.detail(entry.agent).weight
                    if tied and weighted_at_least(candidate.precedence, weight) > best.precedence:
                        continue
                    candidate.precedence = weighted(candidate.precedence, weight)
            candidate.seq = agent.idle_seq
            candidate.agent = entry.agent
            if not tied or _ranks_before(&candidate, &best):
                best = candidate
                best_share = share
        if not any_free:
            wanted.cursor = array.count
        return best.agent

    cdef int64_t count_free(self, int32_t owner, int64_t most) noexcept nogil:
        """How many agents are open to contacts of this class; no more than `most` are counted."""
        cdef Class *wanted = &self.tables.classes[owner]
        cdef IdleArray *array = &self.arrays[wanted.index_skill]
        cdef Entry *entry
        cdef int32_t place
        cdef int64_t found = 0
        for place in range(array.count - 1, -1, -1):
            entry = &array.items[place]
            if (
                not (wanted.signature & entry.lacks)
                and self.tables.agents[entry.agent].idle_seq == entry.seq
                and self.tables.agents[entry.agent].open & wanted.channel
                and self.tables.eligible(entry.agent, owner)
            ):
                found += 1
                if found == most:
                    break
        return found

    cdef int64_t turn(self, int32_t queue, int32_t agent) noexcept nogil:
        """Number of the last offer of this queue to the agent; 0 for none."""
        cdef int64_t found = self.turns.get((<int64_t>queue << 32) + agent + 1)
        return found if found != NONE else 0

    cdef int set_turn(self, int32_t queue, int32_t agent, int64_t turn) except -1:
        """Keep that number; 0 forgets it."""
        cdef int64_t key = (<int64_t>queue << 32) + agent + 1
        if turn:
            self.turns.put(key, turn)
        else:
            self.turns.remove(key)
        return 0

    cdef int64_t precedence(self, int32_t agent, int32_t owner) noexcept nogil:
        """What the strategy of the class's queue makes of the agent; the lowest comes first."""
        cdef int32_t queue = self.tables.classes[owner].queue
        cdef int strategy = self.tables.queues[queue].strategy
        cdef Agent *row = &self.tables.agents[agent]
        if strategy == LONGEST_IDLE_INBOUND:
            return (<int64_t>row.units << UNITS_SHIFT) + (row.inbound_seq or row.idle_seq)
        if strategy == LEAST_OCCUPIED:
            return self.tables.detail(agent).occupancy_key
        if strategy == MOST_SKILLED:
            return -self.tables.skill_sum(agent, owner)
        if strategy == LEAST_SKILLED:
            return row.skill_count - 1  # all but ANY_SKILL
        if strategy == FEWEST_CONTACTS:
            return row.answered_since_login
        if strategy == ROUND_ROBIN:
            return self.turn(queue, agent)
        if strategy == LINEAR:
            return row.position
        if strategy == LOWEST_COST:
            return self.tables.detail(agent).cost
        return row.units

    cdef int64_t occupancy(self, int32_t agent) noexcept nogil:
        """How occupied the agent is now, in units of 1/ONE."""
        cdef const Details *row = self.tables.detail(agent)
        return later(row.occupancy, row.use, self.clock[0] // 1000 - row.occupancy_us, self.half_life_us)

    cdef int64_t occupancy_at_least(self, int32_t agent) noexcept nogil:
        """A bound that needs no powers: half is lost in each half-life, and so less than half in what is left of one."""
        cdef const Details *row = self.tables.detail(agent)
        cdef int64_t halves
        if row.use != USE_FREE:
            return 0
        halves = (self.clock[0] // 1000 - row.occupancy_us) // self.half_life_us + 1
        return max(0, (row.occupancy >> halves) - POWER_ERROR) if halves < ONE_BITS else 0

    cdef int64_t drawn(self, int32_t agent, int32_t queue, int64_t offer) noexcept nogil:
        """What the agent draws for an offer of a queue that chooses at random; the lowest comes first."""
        cdef int64_t number = draw(self.seed, offer, self.tables.agents[agent].position)
        return weighted(number, self.tables.detail(agent).weight) if self.tables.queues[queue].strategy == WEIGHTED_RANDOM else number

    @cython.overflowcheck(False)  # which takes the distance of two pointers for bytes
    cdef int32_t _longest_idle(self, int32_t owner) noexcept nogil:
        cdef Class *wanted = &self.tables.classes[owner]
        cdef IdleArray *array = &self.arrays[wanted.index_skill]
        cdef Entry *entry = array.items + wanted.cursor
        cdef Entry *end = array.items + array.count
        cdef uint32_t signature = wanted.signature
        cdef Agent *agent
        while entry != end:
            if not (signature & entry.lacks):
                agent = &self.tables.agents[entry.agent]
                if agent.idle_seq != entry.seq:
                    entry.lacks = ~<uint32_t>0  # the other classes need not look at his row
                elif agent.open & wanted.channel and self.tables.eligible(entry.agent, owner):
                    wanted.cursor = <int32_t>(entry - array.items)
                    return entry.agent
            entry += 1
        wanted.cursor = array.count
        return NONE

    cdef int32_t _first_ranked(self, int32_t owner) except -2:
        cdef Class *wanted = &self.tables.classes[owner]
        cdef IdleArray *array = &self.arrays[wanted.index_skill]
        cdef Ranking *ranking
        cdef Entry *entry
        cdef Rank *top
        cdef Agent *agent
        if wanted.ranking == NONE:
            reserve(<void **>&self.rankings, &self.ranking_capacity, self.ranking_count + 1, sizeof(Ranking))
            wanted.ranking = self.ranking_count
            self.ranking_count += 1
            self.rankings[wanted.ranking].count = 0
            self.rankings[wanted.ranking].cursor = 0
        ranking = &self.rankings[wanted.ranking]
        if ranking.count > 2 * array.live + SLACK:
            ranking.count = 0
            ranking.cursor = 0
        while ranking.cursor < array.count:
            entry = &array.items[ranking.cursor]
            ranking.cursor += 1
            if (
                not (wanted.signature & entry.lacks)
                and self.tables.agents[entry.agent].idle_seq == entry.seq
                and self.tables.eligible(entry.agent, owner)
            ):
                self._rank(ranking, owner, entry.agent)
        while ranking.count:
            top = &ranking.items[0]
            agent = &self.tables.agents[top.agent]
            if (
                agent.idle_seq == top.seq
                and agent.open & wanted.channel
                and self.tables.eligible(top.agent, owner)
                and self.precedence(top.agent, owner) == top.precedence
            ):
                return top.agent
            self._pop_rank(ranking)
        return NONE

    cdef inline Entry _entry(self, int32_t agent) noexcept nogil:
        """The entry of an agent who is free or rung."""
        cdef Agent *row = &self.tables.agents[agent]
        cdef Entry entry
        entry.seq = row.idle_seq
        entry.agent = agent
        entry.lacks = ~row.signature
        return entry

    cdef int _make_room(self, int32_t skill) except -1:
        """Room for one more entry, by a compaction if dead ones are many, and until they may be many again."""
        cdef IdleArray *array = &self.arrays[skill]
        cdef int32_t bearable = 2 * array.live + SLACK + array.class_count // CLASSES_SHARE  # a compaction looks at each class
        if array.count > bearable:
            self._compact(skill)
        if array.count >= array.capacity:
            self._grow(array)
        array.room = <int32_t>min(array.capacity, max(array.count, bearable) + 1)
        return 0

    cdef int _grow(self, IdleArray *array) except -1:
        """Room for more entries: at first for each configured agent with the skill, then for the dead ones beside them too."""
        cdef int64_t size = array.staff
        cdef void *grown
        if array.count >= size:
            size = 2 * max(array.count, array.staff) + SLACK + 2
        grown = realloc(array.items, <size_t>size * sizeof(Entry))
        if grown == NULL:
            raise MemoryError(f"cannot hold {size} entries")
        array.items = <Entry *>grown
        array.capacity = size
        return 0

    cdef int _compact(self, int32_t skill) except -1:
        """Drop dead entries, and those of agents who have lost the skill; cursors keep to the entries that they stood at."""
        cdef IdleArray *array = &self.arrays[skill]
        cdef int32_t place, kept = 0, owner
        cdef bint changed = array.changes != self.changes
        cdef Agent *agents = self.tables.agents
        cdef Entry *entry
        cdef Class *wanted
        reserve(<void **>&self.moved, &self.moved_capacity, array.count + 1, sizeof(int32_t))
        for place in range(array.count):
            self.moved[place] = kept
            entry = &array.items[place]
            if agents[entry.agent].idle_seq == entry.seq and not (changed and not self.tables.level_of(entry.agent, skill)):
                array.items[kept] = entry[0]
                kept += 1
        array.changes = self.changes
        self.moved[array.count] = kept
        owner = array.classes
        while owner != NONE:
            wanted = &self.tables.classes[owner]
            wanted.cursor = self.moved[wanted.cursor]
            if wanted.ranking != NONE:
                self.rankings[wanted.ranking].cursor = self.moved[self.rankings[wanted.ranking].cursor]
            owner = wanted.next_in_skill
        array.count = kept
        return 0

    cdef int _fill(self, int32_t skill) except -1:
        """Enter all who are free or rung and have this skill, in idle order, and let its classes look again."""
        cdef IdleArray *array = &self.arrays[skill]
        cdef int32_t agent, owner
        cdef list idle = []
        array.count = 0
        for agent in range(self.tables.agent_count):
            if self.tables.agents[agent].idle_seq and self.tables.level_of(agent, skill):
                idle.append((self.tables.agents[agent].idle_seq, agent))
        idle.sort()
        for _, agent in idle:
            if array.count >= array.room:
                self._make_room(skill)
            array.items[array.count] = self._entry(agent)
            array.count += 1
        array.changes = self.changes
        owner = array.classes
        while owner != NONE:
            self.tables.classes[owner].cursor = 0
            if self.tables.classes[owner].ranking != NONE:
                self.rankings[self.tables.classes[owner].ranking].cursor = 0
                self.rankings[self.tables.classes[owner].ranking].count = 0
            owner = self.tables.classes[owner].next_in_skill
        return 0

    cdef int32_t _find(self, int32_t skill, int64_t seq) noexcept nogil:
        """Place of the first entry of an array that is not before `seq`."""
        cdef IdleArray *array = &self.arrays[skill]
        cdef int32_t low = 0, high = array.count, middle
        while low < high:
            middle = (low + high) >> 1
            if array.items[middle].seq < seq:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int _rank(self, Ranking *ranking, int32_t owner, int32_t agent) except -1:
        """Enter an agent into a ranking."""
        cdef Rank entry
        cdef int32_t place, parent
        reserve(<void **>&ranking.items, &ranking.capacity, ranking.count + 1, sizeof(Rank))
        entry.rank = self.tables.rank_of(agent, self.tables.classes[owner].queue)
        entry.precedence = self.precedence(agent, owner)
        entry.seq = self.tables.agents[agent].idle_seq
        entry.agent = agent
        place = ranking.count
        ranking.count += 1
        while place:
            parent = (place - 1) >> 1
            if not _ranks_before(&entry, &ranking.items[parent]):
                break
            ranking.items[place] = ranking.items[parent]
            place = parent
        ranking.items[place] = entry
        return 0

    cdef void _pop_rank(self, Ranking *ranking) noexcept nogil:
        """Take the first entry out of a ranking."""
        cdef int32_t place = 0, child
        cdef Rank entry
        ranking.count -= 1
        entry = ranking.items[ranking.count]
        while True:
            child = 2 * place + 1
            if child >= ranking.count:
                break
            if child + 1 < ranking.count and _ranks_before(&ranking.items[child + 1], &ranking.items[child]):
                child += 1
            if not _ranks_before(&ranking.items[child], &entry):
                break
            ranking.items[place] = ranking.items[child]
            place = child
        if ranking.count:
            ranking.items[place] = entry
