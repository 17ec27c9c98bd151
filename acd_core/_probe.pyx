# cython: auto_pickle=False, autotestdict=False
"""Doors onto the C structures, for tests only; not in the wheel.

Each class here holds one structure and hands calls on, with no more thought than a Python caller needs. What the
structures expect of their callers, such as never to take out what is not in, the tests must keep to.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport calloc, free

from acd_core cimport draws, fixed_point, names, occupancy, route
from acd_core.containers cimport (
    IntMap, Search, TagTable, before, heap_insert, heap_meld, heap_remove, marked, reserve,
)
from acd_core.ended cimport Ended
from acd_core.gates cimport Gates
from acd_core.idle cimport IdleAgents
from acd_core.json_text cimport JsonText
from acd_core.lines cimport Bucket, Lines
from acd_core.memory cimport release
from acd_core.tables cimport Tables
from acd_core.timers cimport KIND_BITS, Due, Lane, Timer, Timers
from acd_core.measures cimport Measures
from acd_core.order cimport Branch, Leaf, Order
from acd_core.route cimport RoutesTaken
from acd_core.standing cimport AGEING_ONE, Standing, hint_of, stand, stands_before
from acd_core.types cimport HELD_HEAP, MOST_SKILLED, NONE, READY, Node
from acd_core.windows cimport Forecast, find_forecast


def halved(int64_t time, int64_t half_life):
    """`fixed_point.halved`."""
    return fixed_point.halved(time, half_life)


def log2(int64_t value):
    """`fixed_point.log2`."""
    return fixed_point.log2(value)


def draw(int64_t seed, int64_t offer, int64_t place):
    """`draws.draw`."""
    return draws.draw(seed, offer, place)


def weighted_at_least(int64_t drawn, int64_t weight):
    """`draws.weighted_at_least`."""
    return draws.weighted_at_least(drawn, weight)


def weighted(int64_t drawn, int64_t weight):
    """`draws.weighted`."""
    return draws.weighted(drawn, weight)


def occupancy_later(int64_t value, int use, int64_t elapsed_us, int64_t half_life_us):
    """`occupancy.later`."""
    return occupancy.later(value, use, elapsed_us, half_life_us)


def occupancy_free_key(int64_t value, int64_t now_us, int64_t half_life_us):
    """`occupancy.free_key`."""
    return occupancy.free_key(value, now_us, half_life_us)


def forecast_with(int64_t mean_ms, int64_t p50_ms, int64_t p90_ms):
    """Mean in microseconds and spread of what `windows.find_forecast` finds, and what follows from them; None for nothing."""
    cdef Forecast found
    if not find_forecast(mean_ms, p50_ms, p90_ms, &found):
        return None
    return (found.mean_us, found.spread), (found.mean_ms, found.p50_ms, found.p90_ms)


def json_of(value):
    """JSON as `JsonText` writes it: of a text or a whole number; of a tuple of one number of nanoseconds, as seconds."""
    cdef JsonText out = JsonText()
    cdef char *at
    if isinstance(value, str):
        at = out.string(out.begin(), value)
    elif isinstance(value, tuple):
        at = out.seconds(out.begin(), value[0])
    else:
        at = out.number(out.begin(), value)
    out.finish(at)
    return out.taken()


def tag_of(str name):
    """`names.tag_of`."""
    return names.tag_of(name)


def same_letters(bytes a, bytes b):
    """`names.same_letters` of equally many."""
    return names.same_letters(a, b, <size_t>len(a))


@cython.final
cdef class Remembered:
    """`ended.Ended`."""

    cdef Ended ended

    def __cinit__(self):
        self.ended = Ended()

    def __len__(self):
        return len(self.ended)

    def __contains__(self, str contact):
        return contact in self.ended

    def get(self, str contact):
        """Reason and client, or None."""
        return self.ended.get(contact)

    def add(self, str contact, int reason, str client, int64_t most):
        """Remember one that is not there."""
        self.ended.add(contact, reason, client, most)

    def keep(self, int64_t most):
        """Forget the oldest beyond so many."""
        self.ended.keep(most)

    def items(self):
        """All, oldest first."""
        return self.ended.items()


@cython.final
cdef class Taken:
    """`route.RoutesTaken`."""

    cdef RoutesTaken routes

    def __cinit__(self):
        self.routes = RoutesTaken()

    def __len__(self):
        return self.routes.count

    @property
    def places(self):
        """How many there are."""
        return self.routes.mask + 1

    def find(self, str tenant, str queue, str require):
        """Queue, class and what is asked, or None."""
        cdef route.Taken *row = self.routes.find(tenant, queue, require)
        return None if row == NULL else (row.target, row.owner, <tuple>row.terms)

    def line_of(self, str tenant, str queue, str require, int priority):
        """The line that is remembered for a priority, of a route that is there, or None."""
        cdef int32_t line = route.line_of(self.routes.find(tenant, queue, require), priority)
        return None if line == NONE else line

    def remember(self, str tenant, str queue, str require, int32_t target, int32_t owner, tuple terms, int64_t known):
        """Keep a route that is not there."""
        self.routes.remember(tenant, queue, require, target, owner, terms, known)

    def remember_line(self, str tenant, str queue, str require, int priority, int32_t line):
        """Of a route that is there."""
        route.remember_line(self.routes.find(tenant, queue, require), priority, line)

    def forget(self):
        """Know none any more."""
        self.routes.forget()


@cython.final
cdef class Ordered:
    """Counted trees of contacts that are named by their slots and stand by keys of their own."""

    cdef Tables tables
    cdef Lines lines
    cdef Order order
    cdef list roots

    def __cinit__(self, int32_t contacts, int trees=1):
        cdef int32_t owner, slot
        self.tables = Tables()
        self.lines = Lines(self.tables, Measures(self.tables), Gates(self.tables))
        self.lines.reset(1)
        self.order = Order(self.lines)
        self.roots = [NONE] * trees
        owner = self.tables.new_class(0, 1, NONE, NONE, ((0, 1),), (), NONE)
        for slot in range(contacts):
            self.tables.new_contact()
            self.lines.assign(slot, owner, 0, 0, 0)

    def insert(self, int32_t contact, int64_t key, int64_t seq, int tree=0):
        """Put a contact in; those with lower keys stand before it."""
        self.tables.contacts[contact].enqueued = key
        self.tables.contacts[contact].seq = seq
        self.roots[tree] = self.order.insert(self.roots[tree], contact)

    def remove(self, int32_t contact, int tree=0):
        """Take a contact out that is in."""
        self.roots[tree] = self.order.remove(self.roots[tree], contact)

    def before(self, int64_t key, int64_t seq, int tree=0):
        """How many contacts come before."""
        cdef Standing standing
        stand(&standing, 0, key, seq, 0, 0, AGEING_ONE, NONE, 0)
        return self.order.before(self.roots[tree], &standing)

    def rank(self, int32_t contact):
        """How many come before a contact that is in."""
        return self.order.rank(contact)

    def nodes(self):
        """How many leaves and branches are in use."""
        cdef int32_t free_leaves = 0, free_branches = 0, slot = self.order.free_leaf
        while slot != NONE:
            free_leaves += 1
            slot = self.order.leaves[slot].parent
        slot = self.order.free_branch
        while slot != NONE:
            free_branches += 1
            slot = self.order.branches[slot].parent
        return self.order.leaf_count - free_leaves, self.order.branch_count - free_branches

    def walk(self, int tree=0):
        """All contacts in their order, and how deep the deepest lies, after proof that nodes and counts hold together."""
        cdef int32_t root = self.roots[tree]
        return self._walk(root, NONE) if root != NONE else ([], 0)

    def _walk(self, int32_t node, int32_t parent):
        cdef int32_t slot = node >> 1, place
        cdef Leaf *leaf
        cdef Branch *branch
        cdef Standing first
        if not node & 1:
            leaf = &self.order.leaves[slot]
            found = [leaf.items[place] for place in range(leaf.count) if leaf.items[place] != NONE]
            if leaf.there != len(found):
                raise AssertionError(f"leaf {slot} counts {leaf.there}, and {len(found)} are there")
            if leaf.parent != parent or not found or any([self.order.leaf_of(<int32_t>item)[0] != slot for item in found]):
                raise AssertionError(f"leaf {slot}")
            for place in range(leaf.count):
                if leaf.items[place] == NONE:
                    continue
                self.lines.stand_for_good(&first, leaf.items[place])
                if self.order.hints[slot].of[place] != hint_of(&first):
                    raise AssertionError(f"the hint of {leaf.items[place]} is not of where it stands")
            return found, 1
        branch = &self.order.branches[slot]
        if branch.parent != parent or not branch.count or (parent == NONE and branch.count == 1):
            raise AssertionError(f"branch {slot}")
        found, deep = [], 0
        for place in range(branch.count):
            below, depth = self._walk(branch.children[place].node, slot)
            if len(below) != branch.children[place].size:
                raise AssertionError(f"branch {slot} counts {branch.children[place].size} below a child, and there are {len(below)}")
            self.lines.stand_for_good(&first, <int32_t>below[0])
            if place and stands_before(&first, &self.order.bounds[slot].of[place]):
                raise AssertionError(f"{below[0]} stands before the bound of its branch")
            if place:
                self.lines.stand_for_good(&first, <int32_t>found[len(found) - 1])
                if not stands_before(&first, &self.order.bounds[slot].of[place]):
                    raise AssertionError(f"{found[len(found) - 1]} stands behind the bound of the next branch")
            found += below
            deep = max(deep, depth)
        return found, deep + 1


@cython.final
cdef class Grown:
    """An array of numbers of 8 bytes, as tables are made."""

    cdef int64_t *items
    cdef readonly int64_t capacity

    def __dealloc__(self):
        release(self.items)

    def reserve(self, int64_t needed):
        """Have room for so many."""
        reserve(<void **>&self.items, &self.capacity, needed, sizeof(int64_t))

    def __getitem__(self, int64_t index):
        if not 0 <= index < self.capacity:
            raise IndexError(index)
        return self.items[index]

    def __setitem__(self, int64_t index, int64_t value):
        if not 0 <= index < self.capacity:
            raise IndexError(index)
        self.items[index] = value


@cython.final
cdef class Heaps:
    """Pairing heaps over one array of nodes; a heap is named by a number, a node by its index."""

    cdef Node *nodes
    cdef list roots

    def __cinit__(self, int32_t nodes, int32_t heaps=1):
        self.nodes = <Node *>calloc(nodes, sizeof(Node))
        if self.nodes == NULL:
            raise MemoryError
        self.roots = [NONE] * heaps

    def __dealloc__(self):
        free(self.nodes)

    def insert(self, int32_t heap, int32_t node, int64_t key, int64_t seq):
        """Put a node in."""
        self.nodes[node].key = key
        self.nodes[node].seq = seq
        self.roots[heap] = heap_insert(self.nodes, self.roots[heap], node)

    def remove(self, int32_t heap, int32_t node):
        """Take a node out that is in."""
        self.roots[heap] = heap_remove(self.nodes, self.roots[heap], node)

    def meld(self, int32_t into, int32_t other):
        """Move everything of one heap into another."""
        self.roots[into] = heap_meld(self.nodes, self.roots[into], self.roots[other])
        self.roots[other] = NONE

    def first(self, int32_t heap):
        """The root, or -1."""
        return self.roots[heap]

    def walk(self, int32_t heap):
        """All nodes of a heap, after proof that every link has its counterpart and no child comes before its parent."""
        cdef int32_t node = self.roots[heap], left, child
        cdef list found = []
        if node == NONE:
            return found
        if self.nodes[node].prev != NONE or self.nodes[node].next != NONE:
            raise AssertionError(f"root {node} has neighbours")
        found.append(node)
        for node in found:
            left = node
            child = self.nodes[node].child
            while child != NONE:
                if self.nodes[child].prev != left:
                    raise AssertionError(f"{child} does not know {left} on its left")
                if before(self.nodes, child, node):
                    raise AssertionError(f"{child} stands under {node} and comes before it")
                found.append(child)
                left = child
                child = self.nodes[child].next
        return found


@cython.final
cdef class Tags:
    """A `TagTable` of the values 0 and on, each with its tag."""

    cdef TagTable table
    cdef uint32_t *tags
    cdef int64_t capacity
    cdef int64_t given

    def __cinit__(self):
        self.table = TagTable()

    def __dealloc__(self):
        release(self.tags)

    def __len__(self):
        return self.table.used

    def enter(self, uint32_t tag):
        """Put the next value in, and give it."""
        reserve(<void **>&self.tags, &self.capacity, self.given + 1, sizeof(uint32_t))
        self.tags[self.given] = tag
        self.table.enter(tag, <int32_t>self.given, self.tags, sizeof(uint32_t))
        self.given += 1
        return self.given - 1

    def leave(self, int32_t value):
        """Take a value out that is in."""
        self.table.leave(self.tags[value], value)

    def find(self, uint32_t tag):
        """The values that were put in with this tag."""
        cdef Search search = self.table.search(tag)
        cdef int32_t value = self.table.found(&search)
        cdef list found = []
        while value != NONE:
            if self.tags[value] == tag:
                found.append(value)
            value = self.table.found(&search)
        return found

    def state(self):
        """How many buckets there are, how many places are taken, and how many values stand beyond their buckets."""
        cdef int64_t number, taken = 0, passed = 0
        for number in range(self.table.count):
            taken += bin(4095 & ~marked(&self.table.buckets[number], 0)).count("1")
            passed += self.table.buckets[number].passed
        return self.table.count, taken, passed


@cython.final
cdef class Map:
    """An `IntMap`."""

    cdef IntMap map

    def __cinit__(self):
        self.map = IntMap()

    def __len__(self):
        return self.map.used

    def get(self, int64_t key):
        """The value, or -1."""
        return self.map.get(key)

    def put(self, int64_t key, int32_t value):
        """Set a value."""
        self.map.put(key, value)

    def remove(self, int64_t key):
        """Forget a key, there or not."""
        self.map.remove(key)

    def places(self):
        """The keys by place, 0 where there is none."""
        return [self.map.keys[place] for place in range(self.map.mask + 1)]


cdef bint _comes_before(int64_t deadline, int64_t number, const Due *due) noexcept:
    return deadline < due.deadline or (deadline == due.deadline and number < due.number)


@cython.final
cdef class Deadlines:
    """`Timers`."""

    cdef Timers timers

    def __cinit__(self):
        self.timers = Timers()

    def arm(self, int64_t deadline, int64_t duration, int32_t slot, bint is_agent=False):
        """Arm a timer; gives its handle."""
        return self.timers.arm(deadline, duration, slot, is_agent)

    def cancel(self, int32_t timer):
        """Forget a timer that is armed."""
        self.timers.cancel(timer)

    def first(self):
        """Handle, deadline, slot and `is_agent` of the timer that comes first, or None."""
        cdef int32_t timer = self.timers.first()
        if timer == NONE:
            return None
        return (
            timer, self.timers.deadline(timer), self.timers.owner(timer), bool(self.timers.kind(timer)),
        )

    def next_deadline(self):
        """The first deadline, or 0."""
        return self.timers.next_deadline()

    def due(self, int64_t now):
        """Whether something may be due."""
        return self.timers.due(now)

    def is_regular(self, int32_t timer):
        """Whether an armed timer stands in a lane."""
        return self.timers.rows[timer].lane_and_kind >= 0

    @property
    def lanes(self):
        """How many durations have a lane, empty ones too."""
        return self.timers.lane_of.used

    @property
    def created(self):
        """How many handles there are, free ones too."""
        return self.timers.created

    def check(self):
        """Prove that lanes, their order and their map agree."""
        cdef int32_t number, position, what, in_use = 0, ordered = 0
        cdef Lane *lane
        cdef Due *due
        for number in range(self.timers.lane_count):
            lane = &self.timers.lanes[number]
            if lane.duration < 0:
                continue
            in_use += 1
            if self.timers.lane_of.get(lane.duration + 1) != number:
                raise AssertionError(f"lane {number} is not found by its duration")
            self._check_lane(number)
            if lane.position == NONE:
                if lane.head != NONE:
                    raise AssertionError(f"lane {number} is not in the order, and is not empty")
                continue
            ordered += 1
            if self.timers.order[lane.position].what != number:
                raise AssertionError(f"lane {number} is not at its position {lane.position}")
        for position in range(self.timers.order_count):
            due = &self.timers.order[position]
            what = due.what
            if what < 0:
                ordered += 1
                if self.timers.rows[~what].lane_and_kind >= 0 or self.timers.rows[~what].prev != position:
                    raise AssertionError(f"timer {~what} is not at its position {position}")
            if position and _comes_before(due.deadline, due.number, &self.timers.order[(position - 1) >> 1]):
                raise AssertionError(f"what is at {position} comes before the one above it")
        if ordered != self.timers.order_count or in_use != self.timers.lane_of.used:
            raise AssertionError(f"{in_use} lanes in use, {ordered} of {self.timers.order_count} in the order")

    cdef int _check_lane(self, int32_t number) except -1:
        cdef Lane *lane = &self.timers.lanes[number]
        cdef Timer *row
        cdef int32_t timer = lane.head, left = NONE
        if timer != NONE and lane.position != NONE:
            row = &self.timers.rows[timer]
            if _comes_before(row.deadline, row.number, &self.timers.order[lane.position]):
                raise AssertionError(f"lane {number} is due before its place in the order")
        while timer != NONE:
            row = &self.timers.rows[timer]
            if row.prev != left or row.lane_and_kind >> KIND_BITS != number:
                raise AssertionError(f"timer {timer} does not fit into lane {number}")
            if left != NONE and (row.deadline, row.number) < (self.timers.deadline(left), self.timers.number(left)):
                raise AssertionError(f"timer {timer} comes before {left}, which stands in front of it")
            left = timer
            timer = row.next
        if lane.tail != left:
            raise AssertionError(f"lane {number} does not end with {left}")
        return 0


@cython.final
cdef class Floor:
    """`Lines` and `IdleAgents` over one set of tables, without an engine around them.

    First come the agents, then `open`, then the classes; skills are numbers from 1, tenants numbers from 0.
    """

    cdef Tables tables
    cdef Gates gates
    cdef Lines lines
    cdef IdleAgents idle
    cdef int64_t idle_seq
    cdef int64_t contact_seq
    cdef dict twins           # class to the class that asks the same in a queue with an order of its own
    cdef dict asked

    def __cinit__(self):
        self.twins = {}
        self.asked = {}
        self.tables = Tables()
        self.gates = Gates(self.tables)
        self.gates.reset([])
        self.lines = Lines(self.tables, Measures(self.tables), self.gates)
        self.idle = IdleAgents(self.tables, self.gates)

    def new_agent(self, dict skills, object tenants=()):
        """One more agent, with levels by skill; no tenants means all. He is not free."""
        cdef int32_t agent = self.tables.new_agent()
        self.tables.agents[agent].presence = READY
        self.tables.set_skills(agent, skills, {skill: skill for skill in skills})
        self.tables.agents[agent].all_tenants = not tenants
        self.tables.agents[agent].tenants = self.tables.add_tenants(list(tenants))
        return agent

    def open(self, int32_t skills):
        """Begin with so many skills, and no classes."""
        self.lines.reset(skills + 1)
        self.idle.reset(skills + 1)

    def new_class(self, tuple terms, int32_t tenant=0):
        """One more class; `terms` are pairs of skill and least level, `((0, 1),)` for none."""
        cdef int32_t owner = self._new_class(tenant, NONE, terms)
        self.asked[owner] = (tenant, terms)
        return owner

    cdef int32_t _new_class(self, int32_t tenant, int32_t queue, tuple terms) except -1:
        cdef int32_t owner = self.tables.new_class(
            tenant, 1, queue, NONE, terms, tuple([skill for skill, _ in terms if skill]), NONE
        )
        self.idle.add_class(owner)
        return owner

    def eligible(self, int32_t agent, int32_t owner):
        """Whether an agent meets what a class asks."""
        return bool(self.tables.eligible(agent, owner))

    def skill_sum(self, int32_t agent, int32_t owner):
        """Sum of the agent's levels in the skills of a class."""
        return self.tables.skill_sum(agent, owner)

    def free(self, int32_t agent):
        """An agent becomes free, last in the order; gives his idle_seq."""
        self.idle_seq += 1
        self.tables.agents[agent].idle_seq = self.idle_seq
        self.tables.agents[agent].open = 1
        self.idle.add(agent)
        return self.idle_seq

    def ring(self, int32_t agent):
        """A free agent is rung."""
        self.tables.agents[agent].open = 0

    def restore(self, int32_t agent):
        """An agent who was rung is free again, where he was."""
        self.tables.agents[agent].open = 1
        self.idle.restore(agent)

    def take(self, int32_t agent):
        """An agent is neither free nor rung any more."""
        self.idle.drop(agent)
        self.tables.agents[agent].idle_seq = 0
        self.tables.agents[agent].open = 0

    def reskill(self, int32_t agent, dict skills):
        """Give an agent other skills, free or not."""
        cdef bint counted = self.tables.agents[agent].idle_seq != 0
        if counted:
            self.idle.drop(agent)
        self.tables.set_skills(agent, skills, {skill: skill for skill in skills})
        if counted:
            self.idle.add_again(agent)

    def relevel(self, int32_t agent, dict skills):
        """Give an agent other levels in the skills that he has, at the place that he has."""
        self.tables.set_skills(agent, skills, {skill: skill for skill in skills})
        self.idle.reorder(agent)

    def best_agent(self, int32_t owner, int strategy):
        """The free agent for a contact of a class, or -1; strategy 0 is `longest_idle`, 1 `most_skilled`."""
        if strategy:
            if owner not in self.twins:
                if not self.tables.queue_count:
                    self.tables.queues[self.tables.new_queue()].strategy = MOST_SKILLED
                self.twins[owner] = self._new_class(self.asked[owner][0], 0, self.asked[owner][1])
            owner = self.twins[owner]
        return self.idle.best_agent(owner, 1)

    def entries(self, int32_t skill):
        """The agents in the array of a skill, dead entries too."""
        return [self.idle.arrays[skill].items[place].agent for place in range(self.idle.arrays[skill].count)]

    def cursor(self, int32_t owner):
        """Place from which a class looks for the longest idle."""
        return self.tables.classes[owner].cursor

    def index_skill(self, int32_t owner):
        """Skill under which a class looks and is looked for."""
        return self.tables.classes[owner].index_skill

    def ranked(self, int32_t owner):
        """Entries in the ranking by which `most_skilled` looks for a class."""
        cdef int32_t ranking = self.tables.classes[self.twins.get(owner, owner)].ranking
        return self.idle.rankings[ranking].count if ranking != NONE else 0

    def new_contact(self, int32_t owner, int64_t head_start, int64_t enqueued):
        """One more contact, in no line yet; gives its slot, which is also its order of arrival."""
        cdef int32_t contact = self.tables.new_contact()
        self.contact_seq += 1
        self.tables.contacts[contact].seq = self.contact_seq
        self.tables.contacts[contact].enqueued = enqueued
        self.lines.assign(contact, owner, 0, head_start, 0)
        return contact

    def assign(self, int32_t contact, int32_t owner, int64_t head_start):
        """Move a contact that is in no line to another."""
        self.lines.assign(contact, owner, 0, head_start, 0)

    def wait(self, int32_t contact):
        """Let a contact wait in its line."""
        self.lines.add(contact)

    def leave(self, int32_t contact):
        """Take a waiting contact out of its line."""
        self.lines.remove(contact)

    def key(self, int32_t contact):
        """What the contact's place follows from: lower comes first, then the order of arrival."""
        return self.lines.key(contact)

    def since(self, int32_t contact):
        """From when on the contact's waiting counts."""
        return self.tables.since(contact)

    def came_back(self, int32_t contact):
        """Whether a waiting contact stands in the heap of its line and not in the list."""
        return self.tables.contacts[contact].where == HELD_HEAP

    def best_contact(self, int32_t agent):
        """The waiting contact that an agent, who is open to all, gets, or -1."""
        self.tables.agents[agent].open = 1
        return self.lines.best_contact(agent, 0)

    def heads(self, int32_t skill):
        """The classes with waiting contacts under an index skill."""
        cdef int32_t index, place
        cdef Bucket *bucket
        cdef list found = []
        for index in range(self.lines.heads[skill].count):
            bucket = &self.lines.heads[skill].buckets[index]
            found += [bucket.items[place].owner for place in range(bucket.count)]
        return found

    @property
    def line_count(self):
        """How many lines there are, empty ones too."""
        return self.lines.line_count
