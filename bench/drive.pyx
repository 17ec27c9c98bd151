# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""A centre at work, played to an engine from compiled code: what the engine costs, without the interpreter around it.

The traffic is that of `bench.workload`: contacts come, agents accept at once, conversations end in an order drawn by
seed, after-work ends at once; in 5 % of the turns somebody gives up. With a number waiting, that number is kept; with
nobody waiting, half of the agents are free. The first contacts are one of each kind, so that an engine that keeps what it
made of a requirement has made it before anything is measured. The same seed gives the same commands and so, from any core of the same
behaviour, the same offers: `trace` has the commands, `digest` is over who got whom, `events` over all that was told.

What the server has from a decoded line is made outside of the time that is measured: names, and attributes. And as it has
just read that line, the names of who goes next are brought near a turn ahead.
"""

cimport cython
from cpython.list cimport PyList_GET_ITEM
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from acd_core.containers cimport prefetch, prefetch_item
from acd_core.state cimport (
    AGENT_CHANGED, CONTACT_CONNECTED_EVENT, CONTACT_ENDED, CONTACT_OFFERED_EVENT, CONTACT_QUEUED_EVENT,
    CONTACT_WRAPUP_EVENT, OFFER_ENDED, Record,
)
from acd_core.types cimport NONE
from acd_sim.load.sender import histogram_index
from acd_sim.virtual.driver cimport Driver

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    enum:
        CLOCK_MONOTONIC
        CLOCK_THREAD_CPUTIME_ID
    int clock_gettime(int clock, timespec *time)

cdef extern from "Python.h":
    ctypedef struct PyASCIIObject:
        pass

cdef enum:
    GIVE_UP_AT_ONCE = 64
    NOT_SAID = -1
    ABANDONED_OF_1000 = 50
    PRIORITIES = 4

cdef enum:                    # operations of a trace
    ENQUEUE
    ACCEPT
    COMPLETE
    FREE
    ABANDON

OPERATIONS = ("enqueue", "accept", "complete", "free", "abandon")
"""What a row of a trace asks for. Its columns: operation, contact, kind of contact or offer or agent, priority."""
START_NS = 1_700_000_000_000_000_000
CLIENT = "sim"

cdef tuple KINDS = (
    CONTACT_QUEUED_EVENT, CONTACT_OFFERED_EVENT, CONTACT_CONNECTED_EVENT, CONTACT_WRAPUP_EVENT, CONTACT_ENDED, AGENT_CHANGED
)

cdef struct Row:
    int32_t operation
    int32_t contact
    int32_t value
    int32_t priority


cdef int64_t clock_ns(int which) noexcept nogil:
    cdef timespec now
    clock_gettime(which, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


@cython.final
cdef class Traffic:
    """A centre and its traffic.

    Args:
        config: of the centre.
        agents: ids of all its agents.
        kinds: (tenant, queue, requirement) of each kind of contact, and with or without it what it brings beside.
        waiting: how many contacts wait at all times; 0 for none, with half of the agents free.
        step_ns: engine time between two commands.
        traced: whether `trace` is kept, and all that is told goes into `events`.
        eventful: whether deadlines may cause offers while anything else is done, and one contact may ring at several.
        called_back: whether those who have to wait ask to be called back.
    """

    cdef Driver driver
    cdef list kinds
    cdef list names
    cdef list attributes
    cdef int32_t agent_count
    cdef int64_t waiting_wanted
    cdef int64_t now
    cdef int64_t step_ns
    cdef uint64_t random_state
    cdef int32_t contacts
    cdef int64_t room
    cdef int32_t *place       # in the bag that a contact is in
    cdef int32_t *agent_of    # who talks with it
    cdef int32_t *waiting
    cdef int32_t waiting_count
    cdef int32_t *talking
    cdef int32_t talking_count
    cdef int32_t coming       # who of them goes next, -1 for nobody
    cdef int32_t *number_of   # contact by the engine's slot
    cdef int64_t pending_offer
    cdef int32_t pending_contact
    cdef int32_t pending_agent
    cdef uint64_t digest_state
    cdef uint64_t events_state
    cdef Row *rows
    cdef int64_t row_count
    cdef int64_t row_room
    cdef bint traced
    cdef bint eventful
    cdef bint called_back
    cdef list more_offers     # (contact, agent, offer) that are still to be accepted, where it is eventful
    cdef int64_t *tail
    cdef readonly int64_t assigned
    cdef readonly int64_t commands

    def __init__(
        self, config, list agents, list kinds, *, int64_t waiting=0, int64_t step_ns=1_000_000, bint traced=False,
        uint64_t seed=1, bint eventful=False, bint called_back=False,
    ):
        cdef int32_t agent
        self.now = START_NS
        self.driver = Driver(config, self.now, agents)
        self.kinds = kinds
        self.names = []
        self.attributes = [{"ani": f"+34{number:09d}"} for number in range(16)]
        self.agent_count = len(agents)
        self.waiting_wanted = waiting
        self.step_ns = step_ns
        self.random_state = seed * 2 + 1
        self.digest_state = self.events_state = 14695981039346656037
        self.traced = traced
        self.eventful = eventful
        self.called_back = called_back
        self.more_offers = []
        self.pending_contact = -1
        self.coming = -1
        for agent in range(self.agent_count):
            self.now += self.step_ns
            self._check(self.driver.login(self.now, agent, CLIENT))
        self._forget()

    def __dealloc__(self):
        free(self.place)
        free(self.agent_of)
        free(self.waiting)
        free(self.talking)
        free(self.number_of)
        free(self.rows)
        free(self.tail)

    @property
    def engine(self):
        """What is driven."""
        return self.driver.engine

    @property
    def waiting_now(self):
        """How many contacts wait."""
        return self.waiting_count

    @property
    def digest(self):
        """Over all offers so far, who got whom, in their order."""
        return self.digest_state

    @property
    def events(self):
        """Over all fields of all events so far, in their order; contacts and agents count by their numbers."""
        return self.events_state

    def trace(self):
        """The commands so far but the logins, as rows of four 32-bit integers."""
        return (<char *>self.rows)[:self.row_count * sizeof(Row)]

    def prepare(self, int64_t more):
        """Make names and room for so many more contacts."""
        cdef int64_t number, room = self.contacts + more + 16
        for number in range(len(self.names), room):
            self.names.append(f"c-{number}")
        self.driver.names.extend([None] * (room - len(self.driver.names)))
        if room > self.room:
            self.place = <int32_t *>grown(self.place, self.room, room)
            self.agent_of = <int32_t *>grown(self.agent_of, self.room, room)
            self.waiting = <int32_t *>grown(self.waiting, self.room, room)
            self.talking = <int32_t *>grown(self.talking, self.room, room)
            self.number_of = <int32_t *>grown(self.number_of, self.room, room)
            self.room = room

    def open(self, int64_t waiting=NOT_SAID):
        """Let contacts come until the steady state is reached, or so many wait."""
        cdef int64_t wanted = self.waiting_wanted if waiting == NOT_SAID else waiting
        self.prepare(wanted - self.waiting_count + 8 * self.agent_count)
        if wanted:
            while self.waiting_count < wanted and self.contacts < self.room - 2:
                self._enqueue()
        else:
            while self.talking_count < self.agent_count // 2 and self.contacts < self.room - 2:
                self._enqueue()
        self.assigned = 0
        self.commands = 0

    def settle(self, int64_t assignments):
        """At least so many assignments, and until every kind of contact has come; nothing is measured."""
        self.run(max(assignments, len(self.kinds) + len(self.kinds) // 8 - self.contacts))

    def run(self, int64_t assignments):
        """So many assignments; gives (CPU time, wall time) in nanoseconds."""
        cdef int64_t goal = self.assigned + assignments
        cdef int64_t cpu, wall
        self.prepare(2 * assignments + 64)
        wall = clock_ns(CLOCK_MONOTONIC)
        cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID)
        while self.assigned < goal:
            self._turn()
        cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu
        return cpu, clock_ns(CLOCK_MONOTONIC) - wall

    def run_timing_each(self, int64_t assignments):
        """So many assignments; gives the CPU time of every command, as the counts of a histogram."""
        from acd_sim.load.histogram import Histogram

        cdef int64_t goal = self.assigned + assignments
        cdef object counts = Histogram().counts
        cdef int64_t[::1] view = counts
        self.prepare(2 * assignments + 64)
        self.tail = &view[0]
        try:
            while self.assigned < goal:
                self._turn()
        finally:
            self.tail = NULL
        return Histogram(counts.tobytes())

    def abandon_some(self, int64_t count):
        """So many of those who wait give up, wherever they stand; gives their CPU time in nanoseconds.

        Who they are is drawn before, and their ids are read, as a server has just read the id that a line brings.
        """
        cdef int32_t chosen[GIVE_UP_AT_ONCE]
        cdef int64_t cpu, spent = 0
        cdef int32_t index, some
        while count > 0 and self.waiting_count:
            some = <int32_t>min(count, self.waiting_count, <int64_t>GIVE_UP_AT_ONCE)
            for index in range(some):
                chosen[index] = self.waiting[self._draw(self.waiting_count)]
                self._take(self.waiting, &self.waiting_count, chosen[index])
                hash(self.driver.names[chosen[index]])
            cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID)
            for index in range(some):
                self._give_up(chosen[index])
            spent += clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu
            count -= some
        return spent

    # Chance

    @cython.overflowcheck(False)
    cdef int64_t _draw(self, int64_t below) noexcept nogil:
        self.random_state ^= self.random_state >> 12
        self.random_state ^= self.random_state << 25
        self.random_state ^= self.random_state >> 27
        return <int64_t>((self.random_state * <uint64_t>2685821657736338717) >> 33) % below

    cdef void _mix(self, int32_t number) noexcept nogil:
        """Take a number into the digest."""
        self.digest_state = mixed(self.digest_state, number)

    # Commands

    cdef int _turn(self) except -1:
        """One contact comes, and one goes."""
        cdef int32_t going = self.coming
        if going >= 0:
            prefetch_text(PyList_GET_ITEM(self.driver.names, going))
            prefetch_text(PyList_GET_ITEM(self.driver.agents, self.agent_of[going]))
        if self._draw(1000) < ABANDONED_OF_1000:
            if self.waiting_count:
                self._abandon(self.waiting[self._draw(self.waiting_count)])
        elif self.waiting_wanted == 0 or self.waiting_count <= self.waiting_wanted:
            self._enqueue()
        while self.waiting_count < self.waiting_wanted:
            self._enqueue()
        if going >= 0 and (self.waiting_wanted or self.talking_count > self.agent_count // 2):
            self._complete(going)
            going = -1
        if going < 0 and self.talking_count:
            going = self.talking[self._draw(self.talking_count)]
            prefetch_item(self.driver.names, going)
            prefetch(&self.agent_of[going])
            prefetch(&self.place[going])
        self.coming = going
        return 0

    cdef int _enqueue(self) except -1:
        cdef int32_t number = self.contacts
        cdef int32_t kind = number if number < len(self.kinds) else <int32_t>self._draw(len(self.kinds))
        cdef int priority = <int>self._draw(PRIORITIES)
        cdef int64_t began
        cdef tuple asked = self.kinds[kind]
        self.contacts += 1
        self._note(ENQUEUE, number, kind, priority)
        began = self._tick()
        if len(asked) > 3:
            self._check(
                self.driver.enqueue_wishing(
                    self.now, number, self.names[number], asked[0], asked[1], priority, asked[2],
                    self.attributes[number & 15], asked[3],
                )
            )
        else:
            self._check(
                self.driver.enqueue(
                    self.now, number, self.names[number], asked[0], asked[1], priority, asked[2],
                    self.attributes[number & 15],
                )
            )
        self._tock(began)
        self._see(number)
        if self.called_back and self.waiting_count and self.waiting[self.waiting_count - 1] == number:
            began = self._tick()
            self._check(self.driver.call_back(self.now, number))
            self._tock(began)
            self._see(-1)
        return 0

    cdef int _complete(self, int32_t number) except -1:
        cdef int32_t agent = self.agent_of[number]
        cdef int64_t began
        self._take(self.talking, &self.talking_count, number)
        self._note(COMPLETE, number, agent, 0)
        began = self._tick()
        self._check(self.driver.complete(self.now, number, False))
        self._tock(began)
        self._done()
        self._note(FREE, number, agent, 0)
        began = self._tick()
        self._check(self.driver.end_wrapup(self.now, agent))
        self._tock(began)
        self._see(-1)
        return 0

    cdef int _abandon(self, int32_t number) except -1:
        self._take(self.waiting, &self.waiting_count, number)
        return self._give_up(number)

    cdef int _give_up(self, int32_t number) except -1:
        """Who waited, and is no longer noted as waiting, gives up."""
        cdef int64_t began
        self._note(ABANDON, number, 0, 0)
        began = self._tick()
        self._check(
            self.driver.withdraw(self.now, number) if self.called_back else self.driver.abandon(self.now, number)
        )
        self._tock(began)
        return self._done()

    cdef int _done(self) except -1:
        """After what causes no offers by itself."""
        return self._see(-1) if self.eventful else self._forget()

    cdef int _see(self, int32_t enqueued) except -1:
        """Look at what the last command caused, and accept what was offered."""
        cdef int64_t index, began
        cdef Record *record
        if self.eventful:
            return self._see_all(enqueued)
        for index in range(self.driver.count()):
            record = self.driver.record(index)
            if record.kind == CONTACT_QUEUED_EVENT:
                self.number_of[record.contact] = enqueued
                self._put(self.waiting, &self.waiting_count, enqueued)
            elif record.kind == CONTACT_OFFERED_EVENT:
                self.pending_contact = self.number_of[record.contact]
                self.pending_offer = record.offer
                self.pending_agent = self.driver.agent_at(record.agent)
            elif record.kind == CONTACT_ENDED and enqueued >= 0:
                self.number_of[record.contact] = enqueued
        self._forget()
        if self.pending_contact < 0:
            return 0
        self._take(self.waiting, &self.waiting_count, self.pending_contact)
        self._put(self.talking, &self.talking_count, self.pending_contact)
        self.agent_of[self.pending_contact] = self.pending_agent
        self._mix(self.pending_contact)
        self._mix(self.pending_agent)
        self._note(ACCEPT, self.pending_contact, <int32_t>self.pending_offer, 0)
        self.pending_contact = -1
        began = self._tick()
        self._check(self.driver.accept(self.now, self.pending_offer))
        self._tock(began)
        self._forget()
        self.assigned += 1
        return 0

    cdef int _forget(self) except -1:
        """Drop the records, which are taken into the digest of all events before, if there is one."""
        cdef int64_t index
        if self.traced:
            for index in range(self.driver.count()):
                self._tell(self.driver.record(index))
        return self.driver.forget()

    cdef int _tell(self, Record *record) except -1:
        """Take an event into the digest of all."""
        cdef int64_t number
        cdef list texts = []
        cdef tuple numbers = (
            KINDS.index(record.kind), record.flag, record.code,
            NONE if record.contact == NONE else self.number_of[record.contact],
            NONE if record.agent == NONE else self.driver.agent_at(record.agent),
            record.queue, record.seq, record.at, record.offer, record.a, record.b, record.c, record.d,
        )
        if record.contact != NONE:
            texts.append(self.driver.engine._client(record.contact))
        if record.agent != NONE:
            texts.append(<object>record.agent_client)
        if record.kind == CONTACT_OFFERED_EVENT:
            texts += [<object>record.text, (<dict>record.data)["ani"]]
        elif record.text != NULL or record.data != NULL or record.history != NULL:
            raise ValueError("the event has texts that do not count in the digest")
        for number in numbers:
            self.events_state = mixed(self.events_state, number)
        for text in texts:
            for number in (*text.encode(), NONE):
                self.events_state = mixed(self.events_state, number)
        return 0

    cdef int _see_all(self, int32_t enqueued) except -1:
        """The same where there may be several offers, and some that are taken back at once."""
        cdef int64_t index, began
        cdef int32_t number
        cdef Record *record
        cdef list offers = self.more_offers
        while True:
            for index in range(self.driver.count()):
                record = self.driver.record(index)
                if record.kind == CONTACT_QUEUED_EVENT and enqueued >= 0:
                    self.number_of[record.contact] = enqueued
                    self._put(self.waiting, &self.waiting_count, enqueued)
                    enqueued = -1
                elif record.kind == CONTACT_OFFERED_EVENT:
                    number = self.number_of[record.contact]
                    if not offers or offers[len(offers) - 1][0] != number:
                        offers.append((number, self.driver.agent_at(record.agent), record.offer))
                elif record.kind == OFFER_ENDED:
                    offers[:] = [offer for offer in offers if offer[2] != record.offer]
            self.driver.forget()
            if not offers:
                return 0
            number, agent, offer = offers.pop(0)
            self.agent_of[number] = agent
            self._take(self.waiting, &self.waiting_count, number)
            self._put(self.talking, &self.talking_count, number)
            began = self._tick()
            self._check(self.driver.accept(self.now, offer))
            self._tock(began)
            self.assigned += 1

    cdef int64_t _tick(self) noexcept:
        self.now += self.step_ns
        self.commands += 1
        return clock_ns(CLOCK_THREAD_CPUTIME_ID) if self.tail != NULL else 0

    cdef int _tock(self, int64_t began) except -1:
        if self.tail != NULL:
            self.tail[<int64_t>histogram_index(clock_ns(CLOCK_THREAD_CPUTIME_ID) - began)] += 1
        return 0

    cdef int _check(self, int outcome) except -1:
        if outcome:
            raise RuntimeError(f"the engine refused: {outcome}")
        return 0

    cdef int _note(self, int32_t operation, int32_t contact, int32_t value, int32_t priority) except -1:
        cdef Row *more
        if not self.traced:
            return 0
        if self.row_count == self.row_room:
            more = <Row *>realloc(self.rows, (self.row_room * 2 + 4096) * sizeof(Row))
            if more == NULL:
                raise MemoryError
            self.rows = more
            self.row_room = self.row_room * 2 + 4096
        self.rows[self.row_count] = Row(operation, contact, value, priority)
        self.row_count += 1
        return 0

    cdef void _put(self, int32_t *bag, int32_t *count, int32_t number) noexcept nogil:
        bag[count[0]] = number
        self.place[number] = count[0]
        count[0] += 1

    cdef void _take(self, int32_t *bag, int32_t *count, int32_t number) noexcept nogil:
        cdef int32_t last
        count[0] -= 1
        last = bag[count[0]]
        bag[self.place[number]] = last
        self.place[last] = self.place[number]


cdef inline void prefetch_text(PyObject *text) noexcept nogil:
    """Bring a short text near: its head, and its letters, which often lie on another line."""
    prefetch(text)
    prefetch(<char *>text + sizeof(PyASCIIObject))


@cython.overflowcheck(False)
cdef uint64_t mixed(uint64_t digest, int64_t number) noexcept nogil:
    """A digest with one more number, taken into it as FNV-1a does it with bytes."""
    return (digest ^ <uint64_t>number) * <uint64_t>1099511628211


cdef void *grown(int32_t *array, int64_t old, int64_t new) except NULL:
    """A longer array, zero at its new end."""
    cdef int32_t *more = <int32_t *>realloc(array, new * sizeof(int32_t))
    if more == NULL:
        raise MemoryError
    memset(more + old, 0, (new - old) * sizeof(int32_t))
    return more


def measured(work):
    """Do it. Instruction counters watch for this function, so what is outside of it does not count."""
    return work()
