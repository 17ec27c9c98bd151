# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Waiting lines: which waiting contact does a freed agent get?

Contacts that ask the same of an agent, and whose urgency grows alike, form a class; within a class, those that began
with the same head start form a line. In a line keys arrive in order, so it is a FIFO: joining, leaving and abandoning
from the middle are O(1). A contact that comes back after a failed offer, or whose priority is changed, goes into the
line's heap instead, so that it stands where its key says.

The first contact of each class is packed, with what the class asks, into an array under the class's index skill.
A freed agent looks through the arrays of his own skills, and nothing else: classes that nobody waits in are not
there. Cost: the number of classes that wait under his skills, whatever the number of contacts.

Plain contacts, whose urgency grows as they wait, have one key for good: since when they wait less their head start. The
others, of mixed classes, are ordered by since when they wait inside their line only; between lines of a class the order
is as fixed, unless there is a limit to urgency, and between classes it changes with time. So as long as one of them
waits, the heads are compared by where they stand now (standing.pxd), and a class with a limit shows all its lines.
"""

cimport cython
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t
from libc.stdlib cimport qsort

from acd_core.containers cimport heap_insert, heap_remove, prefetch, reserve
from acd_core.gates cimport Gates
from acd_core.measures cimport Measures
from acd_core.memory cimport release
from acd_core.standing cimport Claim, Standing, claim_by_wait, claims_before, stand, stands_before
from acd_core.tables cimport LEVEL_BITS, Tables, held_level, held_skill
from acd_core.types cimport (
    ANY_SKILL, HEAD_TERMS, HELD_FIFO, HELD_HEAP, HELD_NOWHERE, NONE, Class, Contact, Line, Node, Term,
)


# A contact that is sorted by its claim.
cdef struct Claimant:
    Claim claim
    int32_t contact


cdef int _by_claim(const void *one, const void *other) noexcept nogil:
    """Of two claimants, no two of which have the same claim."""
    return -1 if claims_before(&(<const Claimant *>one).claim, &(<const Claimant *>other).claim) else 1


@cython.final
cdef class Lines:
    """All waiting lines of one engine, over the rows of its tables."""

    def __cinit__(self, Tables tables, Measures measures, Gates gates):
        self.tables = tables
        self.measures = measures
        self.gates = gates

    def __dealloc__(self):
        cdef int32_t skill, index
        for skill in range(self.skill_count):
            for index in range(<int32_t>self.heads[skill].capacity):
                release(self.heads[skill].buckets[index].items)
            release(self.heads[skill].buckets)
        release(self.heads)
        release(self.lines)
        release(self.levels)

    cdef int reset(self, int32_t skills) except -1:
        """Forget all lines, and know so many skills."""
        cdef int32_t skill
        self.line_count = 0
        self.mixed_heads = 0
        reserve(<void **>&self.heads, &self.skill_capacity, skills, sizeof(Heads))
        reserve(<void **>&self.levels, &self.level_capacity, skills, sizeof(int64_t))
        if skills > self.skill_count:
            self.skill_count = skills
        for skill in range(self.skill_count):
            self.heads[skill].count = 0
            self.heads[skill].waiting = 0
        return 0

    cdef int32_t line_for(self, int32_t owner, int32_t level, int64_t head_start, int64_t nudge) except -1:
        """The line of a class for contacts that begin alike; made when first asked for."""
        cdef int32_t line = self.tables.classes[owner].lines
        while line != NONE:
            if (
                self.lines[line].head_start == head_start and self.lines[line].level == level
                and self.lines[line].nudge == nudge
            ):
                return line
            line = self.lines[line].next_in_class
        line = self.line_count
        reserve(<void **>&self.lines, &self.line_capacity, line + 1, sizeof(Line))
        self.line_count += 1
        self.lines[line].head_start = head_start
        self.lines[line].level = level
        self.lines[line].nudge = nudge
        self.lines[line].owner = owner
        self.lines[line].next_in_class = self.tables.classes[owner].lines
        self.lines[line].fifo_head = NONE
        self.lines[line].fifo_tail = NONE
        self.lines[line].heap = NONE
        self.lines[line].first = NONE
        self.tables.classes[owner].lines = line
        return line

    cdef int assign(self, int32_t contact, int32_t owner, int32_t level, int64_t head_start, int64_t nudge) except -1:
        """Give a contact that is in no line its line, and so its key. They stay until it is assigned anew."""
        cdef Contact *row = &self.tables.contacts[contact]
        row.line = self.line_for(owner, level, head_start, nudge)
        return 0

    cdef int add(self, int32_t contact) except -1:
        """Let a contact wait where its key says: at the end of its line, or among those that came back."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Line *line = &self.lines[row.line]
        cdef int64_t since = self.tables.since(contact)
        if line.fifo_tail == NONE or line.tail_since < since or self._before(line.fifo_tail, contact):
            row.where = HELD_FIFO
            row.line_prev = line.fifo_tail
            row.line_next = NONE
            if line.fifo_tail == NONE:
                line.fifo_head = contact
            else:
                self.tables.contacts[line.fifo_tail].line_next = contact
            line.fifo_tail = contact
            line.tail_since = since
        else:
            row.where = HELD_HEAP
            reserve(<void **>&self.tables.nodes, &self.tables.node_capacity, contact + 1, sizeof(Node))
            self.tables.nodes[contact].key = self.key(contact)
            self.tables.nodes[contact].seq = row.seq
            line.heap = heap_insert(self.tables.nodes, line.heap, contact)
        if line.first == NONE or self._before(contact, line.first):
            self._set_first(line, contact)
            self._comes_first(row.line)
        return 0

    cdef int remove(self, int32_t contact) except -1:
        """Take a waiting contact out of its line. Line and key stay, for `add`."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Line *line = &self.lines[row.line]
        if row.where == HELD_HEAP:
            line.heap = heap_remove(self.tables.nodes, line.heap, contact)
        else:
            if row.line_prev == NONE:
                line.fifo_head = row.line_next
            else:
                self.tables.contacts[row.line_prev].line_next = row.line_next
            if row.line_next == NONE:
                line.fifo_tail = row.line_prev
                if line.fifo_tail != NONE:
                    line.tail_since = self.tables.since(line.fifo_tail)
            else:
                self.tables.contacts[row.line_next].line_prev = row.line_prev
        row.where = HELD_NOWHERE
        if line.first == contact:
            self._find_first(row.line)
            if self.tables.classes[line.owner].head_line == row.line or self.tables.classes[line.owner].mixed:
                self._head_changed(line.owner)
        return 0

    cdef void _find_first(self, int32_t line) noexcept nogil:
        """Find out who is at the head of a line, of its list and its heap."""
        cdef Line *row = &self.lines[line]
        if row.heap == NONE or (row.fifo_head != NONE and self._before(row.fifo_head, row.heap)):
            self._set_first(row, row.fifo_head)
        else:
            self._set_first(row, row.heap)

    cdef void _set_first(self, Line *line, int32_t contact) noexcept nogil:
        """This contact, or NONE, is at the head of a line. What it is compared by is kept with the line."""
        line.first = contact
        if contact != NONE:
            line.key = self.key(contact)

    cdef int _comes_first(self, int32_t line) except -1:
        """A line has another first contact, who goes before the one it had."""
        cdef Line *row = &self.lines[line]
        cdef Class *owner = &self.tables.classes[row.owner]
        if owner.mixed or owner.head_line == NONE:
            return self._head_changed(row.owner)
        if owner.head_line != line and not self._plain_before(row, &self.lines[owner.head_line]):
            return 0
        owner.head_line = line
        self._set_head(&self.heads[owner.index_skill].buckets[owner.bucket], owner.head_position, row)
        return 0

    cdef int _head_changed(self, int32_t owner) except -1:
        """Bring the packed head of a class up to date with its lines."""
        cdef Class *row = &self.tables.classes[owner]
        cdef Bucket *bucket
        cdef Term *terms = self.tables.terms + row.terms
        cdef int32_t line = row.lines, best = NONE, index
        cdef Line *place
        cdef Head *head
        row.head_line = NONE
        if row.mixed:
            best = self._first_for_good(owner, &row.head_line)
            line = NONE
        while line != NONE:
            place = &self.lines[line]
            if place.first != NONE and (best == NONE or self._plain_before(place, &self.lines[row.head_line])):
                best = place.first
                row.head_line = line
            line = place.next_in_class
        if row.bucket == NONE:
            self._choose_bucket(row)
        bucket = &self.heads[row.index_skill].buckets[row.bucket]
        if best == NONE:
            if row.head_position != NONE:
                bucket.count -= 1
                self.heads[row.index_skill].waiting -= 1
                self.mixed_heads -= row.mixed
                if row.head_position != bucket.count:
                    bucket.items[row.head_position] = bucket.items[bucket.count]
                    self.tables.classes[bucket.items[row.head_position].owner].head_position = row.head_position
                row.head_position = NONE
            return 0
        if row.head_position == NONE:
            reserve(<void **>&bucket.items, &bucket.capacity, bucket.count + 1, sizeof(Head))
            row.head_position = bucket.count
            bucket.count += 1
            self.heads[row.index_skill].waiting += 1
            self.mixed_heads += row.mixed
            head = &bucket.items[row.head_position]
            head.owner = owner
            head.tenant = row.tenant
            head.channel = row.channel
            head.queue = row.queue
            for index in range(HEAD_TERMS):
                head.terms[index] = terms[index].skill * 128 + terms[index].level if index < row.term_count else 0
            if row.condition != NONE or row.rank_max != NONE:
                head.terms[0] = -1
            elif row.term_count > HEAD_TERMS:
                head.terms[HEAD_TERMS - 1] = -1
        self._set_head(bucket, row.head_position, &self.lines[row.head_line])
        return 0

    cdef void _set_head(self, Bucket *bucket, int32_t position, const Line *line) noexcept nogil:
        """Change the contact of a packed head: it is the first of this line now."""
        cdef Head *head = &bucket.items[position]
        head.key = line.key
        head.first = line.first
        if head.key < bucket.least or bucket.count == 1:
            bucket.least = head.key

    cdef int _choose_bucket(self, Class *row) except -1:
        """Find the bucket of a class under its index skill, or make it."""
        cdef Heads *heads = &self.heads[row.index_skill]
        cdef int32_t index
        for index in range(heads.count):
            if heads.buckets[index].second == row.second_skill:
                row.bucket = index
                return 0
        reserve(<void **>&heads.buckets, &heads.capacity, heads.count + 1, sizeof(Bucket))
        row.bucket = heads.count
        heads.count += 1
        heads.buckets[row.bucket].second = row.second_skill
        heads.buckets[row.bucket].count = 0
        return 0

    cdef bint _plain_before(self, const Line *a, const Line *b) noexcept nogil:
        """Whether the first of line `a` goes before that of line `b`, both plain: lower key; waiting for longer; first come."""
        if a.key != b.key:
            return a.key < b.key
        if a.head_start + a.nudge != b.head_start + b.nudge:
            return a.head_start + a.nudge < b.head_start + b.nudge
        return self.tables.contacts[a.first].seq < self.tables.contacts[b.first].seq

    cdef bint _before(self, int32_t a, int32_t b) noexcept nogil:
        """Whether contact `a` goes before contact `b` of the same line."""
        cdef int64_t since_a = self.tables.since(a), since_b = self.tables.since(b)
        return since_a < since_b if since_a != since_b else self.tables.contacts[a].seq < self.tables.contacts[b].seq

    cdef void stand_at(self, Claim *claim, int32_t contact, int64_t now) noexcept nogil:
        """Tell where a contact stands beside those of all queues at `now`."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Line *line = &self.lines[row.line]
        cdef Class *owner = &self.tables.classes[line.owner]
        cdef int64_t since = self.tables.since(contact)
        if owner.measured == NONE:
            claim_by_wait(
                claim, line.level, since, row.seq, line.head_start, line.nudge, owner.ageing, owner.most, now, 0
            )
        else:
            self.measures.claim(
                claim, owner.measured, line.level, since, row.seq, line.head_start, line.nudge, owner.ageing,
                owner.most, now,
            )

    cdef list in_order(self, list contacts, int64_t now):
        """Contacts that have their lines, in the order of service at `now`."""
        cdef Claimant *claimants = NULL
        cdef int64_t capacity = 0, place, count = len(contacts)
        if count < 2:
            return contacts
        try:
            reserve(<void **>&claimants, &capacity, count, sizeof(Claimant))
            for place in range(count):
                claimants[place].contact = contacts[place]
                self.stand_at(&claimants[place].claim, claimants[place].contact, now)
            qsort(claimants, <size_t>count, sizeof(Claimant), &_by_claim)
            return [claimants[place].contact for place in range(count)]
        finally:
            release(claimants)

    cdef void stand_for_good(self, Standing *standing, int32_t contact) noexcept nogil:
        """Tell where a contact stands among those of its queue, apart from a limit of urgency. As they all have one
        slope, that stays so.
        """
        cdef Contact *row = &self.tables.contacts[contact]
        cdef Line *line = &self.lines[row.line]
        stand(
            standing, line.level, self.tables.since(contact), row.seq, line.head_start, line.nudge,
            self.tables.classes[line.owner].ageing, NONE, 0,
        )

    cdef int32_t _first_for_good(self, int32_t owner, int32_t *line) noexcept nogil:
        """The contact of a mixed class that goes first, a limit of urgency apart, and its line; NONE when nobody waits."""
        cdef int32_t place = self.tables.classes[owner].lines, best = NONE, contact
        cdef Standing standing, best_standing
        while place != NONE:
            contact = self.lines[place].first
            if contact != NONE:
                self.stand_for_good(&standing, contact)
                if best == NONE or stands_before(&standing, &best_standing):
                    best = contact
                    best_standing = standing
                    line[0] = place
            place = self.lines[place].next_in_class
        return best

    cdef int32_t _first_of_capped(self, int32_t owner, int64_t now) noexcept nogil:
        """The contact of a class with a limit of urgency that goes first at `now`; NONE when nobody waits."""
        cdef int32_t place = self.tables.classes[owner].lines, best = NONE, contact
        cdef Claim claim, best_claim
        while place != NONE:
            contact = self.lines[place].first
            if contact != NONE:
                self.stand_at(&claim, contact, now)
                if best == NONE or claims_before(&claim, &best_claim):
                    best = contact
                    best_claim = claim
            place = self.lines[place].next_in_class
        return best

    cdef int32_t _lay_out(self, uint32_t *held, int32_t count) noexcept nogil:
        """The first of the skills that an agent holds, by place, under which somebody waits, or `count`; then his levels are
        laid out.
        """
        cdef int32_t first = 0, index
        cdef int64_t laid = self.laid + (1 << LEVEL_BITS)
        while first < count and not self.heads[held_skill(held[first])].waiting:
            first += 1
        if first < count:
            self.laid = laid
            for index in range(count):
                prefetch(self.heads[held_skill(held[index])].buckets)
                self.levels[held_skill(held[index])] = laid + held_level(held[index])
        return first

    cdef bint _barred(self, Head *head, bint withheld) noexcept nogil:
        """Whether a gate keeps the contacts of a class from an agent, who is withheld for another queue or not."""
        if self.gates.at_limit(head.queue):
            return True
        return withheld and not self.tables.queues[head.queue].reserved

    cdef inline bint _passed_over(self, Bucket *bucket) noexcept nogil:
        """Whether nobody waits in a bucket, or the agent, whose levels are laid out, lacks its second skill."""
        return not bucket.count or (bucket.second != ANY_SKILL and self.levels[bucket.second] <= self.laid)

    cdef inline bint _open_to(
        self, Head *head, int32_t agent, uint32_t channels, bint gated, bint withheld, bint choosy
    ) noexcept nogil:
        """Whether the agent may have contacts of a class now, whatever they ask: by these channels, by the gates, and as he chose."""
        if not (head.channel & channels) or (gated and self._barred(head, withheld)):
            return False
        return not choosy or self.tables.counts_for(agent, head.owner)

    cdef bint _asks_met(self, Head *head, int32_t agent) noexcept nogil:
        """Whether the agent, whose levels are laid out, meets what a packed head asks."""
        cdef int32_t index, term
        for index in range(HEAD_TERMS):
            term = head.terms[index]
            if term == 0:
                break
            if term < 0:
                return self.tables.eligible(agent, head.owner)
            if self.levels[term >> 7] < self.laid + (term & 127):
                return False
        return self.tables.serves(agent, head.tenant)

    cdef int32_t first_of(self, int32_t owner, int64_t now) noexcept nogil:
        """The contact of a class that is served first, of those that wait."""
        if self.tables.classes[owner].capped:
            return self._first_of_capped(owner, now)
        return self.lines[self.tables.classes[owner].head_line].first

    cdef int32_t best_contact(self, int32_t agent, int64_t now) noexcept nogil:
        """The waiting contact that the agent serves first, by his rank in its queue and then by its urgency, or NONE.

        Only contacts of channels that he is open to count.
        """
        return self._best_of_mixed(agent, now) if self.mixed_heads else self._best_of_plain(agent)

    cdef int32_t _best_of_mixed(self, int32_t agent, int64_t now) noexcept nogil:
        """`best_contact` where the order of some changes with time."""
        cdef uint32_t channels = self.tables.agents[agent].open
        cdef bint gated = self.gates.active, withheld = gated and self.gates.withholds(agent)
        cdef uint32_t *held = self.tables.agent_skills + self.tables.agents[agent].skills
        cdef int32_t count = self.tables.agents[agent].skill_count
        cdef bint ranked = self.tables.agents[agent].ranked
        cdef bint choosy = self.tables.agents[agent].choosy
        cdef int32_t index, waiting, position, best = NONE, contact, rank = 0, best_rank = 0
        cdef Claim claim, best_claim
        cdef Heads *heads
        cdef Bucket *bucket
        cdef Head *head
        for index in range(self._lay_out(held, count), count):
            heads = &self.heads[held_skill(held[index])]
            waiting = heads.waiting
            if not waiting:
                continue
            bucket = heads.buckets - 1
            while waiting:
                bucket += 1
                waiting -= bucket.count
                if self._passed_over(bucket):
                    continue
                for position in range(bucket.count):
                    head = &bucket.items[position]
                    if not self._open_to(head, agent, channels, gated, withheld, choosy):
                        continue
                    if ranked:
                        rank = self.tables.rank_of(agent, head.queue)
                    if (best != NONE and rank > best_rank) or not self._asks_met(head, agent):
                        continue
                    contact = self.first_of(head.owner, now)
                    self.stand_at(&claim, contact, now)
                    if best == NONE or rank < best_rank or claims_before(&claim, &best_claim):
                        best = contact
                        best_claim = claim
                        best_rank = rank
        return best

    cdef int32_t _best_of_plain(self, int32_t agent) noexcept nogil:
        """`best_contact` where nobody waits but plain contacts."""
        cdef uint32_t channels = self.tables.agents[agent].open
        cdef bint gated = self.gates.active, withheld = gated and self.gates.withholds(agent)
        cdef uint32_t *held = self.tables.agent_skills + self.tables.agents[agent].skills
        cdef int32_t count = self.tables.agents[agent].skill_count
        cdef bint ranked = self.tables.agents[agent].ranked
        cdef bint choosy = self.tables.agents[agent].choosy
        cdef int32_t index, waiting, position, rank = 0, best_rank = 0
        cdef int64_t key, least, best_key = INT64_MAX
        cdef Heads *heads
        cdef Bucket *bucket
        cdef Head *head
        cdef Head *best = NULL
        for index in range(self._lay_out(held, count), count):
            heads = &self.heads[held_skill(held[index])]
            waiting = heads.waiting
            if not waiting:
                continue
            bucket = heads.buckets - 1
            while waiting:
                bucket += 1
                waiting -= bucket.count
                if self._passed_over(bucket) or (bucket.least > best_key and not ranked):
                    continue
                least = INT64_MAX
                for position in range(bucket.count):
                    head = &bucket.items[position]
                    key = head.key
                    if key < least:
                        least = key
                    if key > best_key and not ranked:
                        continue
                    if not self._open_to(head, agent, channels, gated, withheld, choosy):
                        continue
                    if ranked:
                        rank = self.tables.rank_of(agent, head.queue)
                        if best != NULL and (rank > best_rank or (rank == best_rank and key > best_key)):
                            continue
                    if not self._asks_met(head, agent):
                        continue
                    if (
                        best == NULL or rank < best_rank or key < best_key
                        or self._plain_before(
                            &self.lines[self.tables.classes[head.owner].head_line],
                            &self.lines[self.tables.classes[best.owner].head_line],
                        )
                    ):
                        best = head
                        best_key = key
                        best_rank = rank
                bucket.least = least
        return best.first if best != NULL else NONE
