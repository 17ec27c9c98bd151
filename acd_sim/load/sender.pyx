# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The loop that sends and reads, on connections that were greeted before.

It runs without the interpreter: one epoll, one write for each connection and turn, no memory taken on the way. Every
contact has a place in a table for as long as it lives, by its number; so what the server says can be checked at once:
each request is answered once, each contact is queued, connected and ended once, no agent holds two.

A closed loop keeps so many contacts in flight. An open one begins each contact at its planned time, whatever the server
does, and measures from that time, also where the sender itself was late. Of a message no more is read than its type and
the ids in it; ids carry the number of the contact, so nothing is looked up by text.
"""

cimport cython
from libc.errno cimport EAGAIN, EINTR, errno
from libc.math cimport log
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset

cdef extern from "string.h" nogil:
    void *memmem(const void *haystack, size_t length, const void *needle, size_t needle_length)

cdef extern from "sys/socket.h" nogil:
    enum:
        MSG_DONTWAIT
        MSG_NOSIGNAL
    ssize_t recv(int fd, void *data, size_t size, int flags)
    ssize_t send(int fd, const void *data, size_t size, int flags)

cdef extern from "sys/epoll.h" nogil:
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        unsigned int events
        epoll_data_t data
    enum:
        EPOLLIN
        EPOLLOUT
        EPOLL_CTL_ADD
        EPOLL_CTL_MOD
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll, epoll_event *events, int most, int timeout_ms)

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    struct itimerspec:
        timespec it_interval
        timespec it_value
    enum:
        CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec *time)

cdef extern from "sys/timerfd.h" nogil:
    enum:
        TFD_NONBLOCK
        TFD_TIMER_ABSTIME
    int timerfd_create(int clock, int flags)
    int timerfd_settime(int fd, int flags, const itimerspec *value, itimerspec *old)

cdef extern from "unistd.h" nogil:
    int close(int fd)

cdef enum:
    IN_BYTES = 262_144
    OUT_BYTES = 16_384        # a new buffer; it grows
    EVENTS = 256
    BEGINS_MAX = 512          # contacts begun before the loop looks at the connections again
    READ_TURNS_MS = 100       # longest sleep, so that `stop` is seen
    SUB_BITS = 11             # HdrHistogram's three significant digits
    HALF = 1024               # 1 << (SUB_BITS - 1)
    BUCKETS = 32              # up to 2 ** 42 ns, more than an hour
    HISTOGRAM_LENGTH = 33_792  # (BUCKETS + 1) * HALF; a number, as builds with overflow checks want it

cdef enum:                    # what a contact was asked; also the two low bits of a request's id
    ENQUEUE = 0
    ACCEPT = 1
    FINISH = 2                # complete or abandon
    ASIDE = 3                 # reject, hold, unhold

cdef enum:                    # fates
    SERVED
    ABANDONED
    REJECTED
    HELD
    FATES

cdef enum:                    # `Slot.said`
    QUEUED = 1
    OFFERED = 2
    CONNECTED = 4
    ENDED = 8

cdef enum:                    # what is counted
    STARTED
    FINISHED
    REFUSED
    ANSWERS
    EVENTS_SEEN
    BYTES_IN
    BYTES_OUT
    OFFERS
    CONNECTIONS_MADE
    DUPLICATES
    WAITED
    ANSWERED_TWICE
    UNKNOWN
    TOLD_TWICE
    OUT_OF_ORDER
    AGENT_TWICE
    TURNS
    COUNTERS

cdef enum:                    # histograms
    OFFER
    ACK
    LATE
    WHOLE
    HISTOGRAMS

COUNTED = (
    "started", "finished", "refused", "answers", "events", "bytes_in", "bytes_out", "offers", "connected", "duplicates",
    "waited", "answered_twice", "unknown", "told_twice", "out_of_order", "agent_twice", "turns",
)
"""Names of `Sender.counts`. `waited` are offers that had to wait for an agent. Those from `answered_twice` to `agent_twice`
must stay zero: they are the server's mistakes."""
MEASURED = ("offer", "ack", "late", "whole")
"""Names of the histograms: from the planned time to the offer, to the answer, to the sending, to the end less the talk."""
FATE_NAMES = ("served", "abandoned", "rejected", "held")
HISTOGRAM_COUNTS = HISTOGRAM_LENGTH
SUB_BUCKET_BITS = SUB_BITS

cdef struct Slot:
    int64_t number            # of the contact; -1 for a free place
    int64_t planned
    int64_t talk
    int32_t connection
    int32_t agent             # that holds it; -1 for none
    uint8_t fate
    uint8_t said
    uint8_t asked             # a bit for each kind of request
    uint8_t answered
    uint8_t asides            # requests aside that are under way
    uint8_t times_rejected

cdef struct Link:
    int fd
    char *inbox
    int64_t have
    char *outbox
    int64_t out_from
    int64_t out_to
    int64_t out_size
    bint dirty
    bint waiting              # for the socket to take more
    int32_t kinds             # how many tails it has
    int32_t first_kind

cdef struct Due:
    int64_t at
    int64_t number


cdef int64_t clock_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef int64_t index_of(int64_t value) noexcept nogil:
    """Where a value is counted, as HdrHistogram does it."""
    cdef int bucket = 0
    cdef int64_t high
    if value < 0:
        value = 0
    high = value >> SUB_BITS
    while high:
        high >>= 1
        bucket += 1
    if bucket >= BUCKETS:
        return HISTOGRAM_LENGTH - 1
    return ((<int64_t>bucket + 1) << (SUB_BITS - 1)) + (value >> bucket) - HALF


def histogram_index(int64_t value):
    """Where `Sender` counts a value of so many nanoseconds."""
    return index_of(value)


@cython.final
cdef class Sender:
    """Connections under load.

    Args:
        sockets: file descriptors of connections that were greeted; they stay the caller's.
        tails: for each connection the kinds of contact that it sends: what stands in their line behind the id of the contact.
        prefix: of all ids of contacts of this run.
        agents: agents are called `a-0` to `a-<agents - 1>`.
        capacity: most contacts alive at a time; a power of two.
        weights: how often a contact is served, abandons when offered, is rejected once and then served, is put on hold.
        talk_ns: mean time of a conversation; 0 to end it at once.
        exponential_talk, poisson: whether conversations, gaps between contacts vary, or are all alike.
        echo: the other side only sends back what it gets; a contact is then three requests, one after the other.
        repeat: each connection says one and the same thing all the time, and counts answers: one request, one answer.
        awake: it never sleeps, and takes a whole processor: a processor that slept is some ten microseconds late.
        seed: of what is drawn.
    """

    cdef Link *links
    cdef int32_t link_count
    cdef Slot *slots
    cdef int64_t mask
    cdef int32_t *holders
    cdef int64_t agent_count
    cdef Due *heap
    cdef int64_t heap_count
    cdef int64_t heap_size
    cdef int epoll
    cdef int timer
    cdef list kept
    cdef char **tails
    cdef int64_t *tail_sizes
    cdef char prefix[64]
    cdef int64_t prefix_size
    cdef int64_t thresholds[FATES]
    cdef int64_t talk_ns
    cdef bint exponential_talk
    cdef bint poisson
    cdef bint echo
    cdef uint64_t random_state
    cdef int64_t next_number
    cdef int32_t next_link
    cdef int64_t in_flight
    cdef int64_t counters[COUNTERS]
    cdef int64_t *histograms
    cdef volatile bint stopped
    cdef int64_t planned_next
    cdef char why[512]
    cdef char refused_line[512]
    cdef bint repeat
    cdef bint awake

    def __cinit__(self):
        self.epoll = self.timer = -1

    def __init__(
        self, list sockets, list tails, bytes prefix, *, int64_t agents, int64_t capacity, tuple weights=(1, 0, 0, 0),
        int64_t talk_ns=0, bint exponential_talk=False, bint poisson=False, bint echo=False, bint repeat=False,
        bint awake=False, uint64_t seed=1,
    ):
        cdef int32_t index
        cdef int64_t place = 0
        cdef epoll_event event
        cdef bytes text
        if capacity & (capacity - 1) or capacity < 1:
            raise ValueError(f"the capacity is a power of two, not {capacity}")
        if self.links != NULL:
            raise RuntimeError("a sender is made once")
        if len(sockets) != len(tails) or not sockets:
            raise ValueError("each connection has a list of tails")
        if len(prefix) >= sizeof(self.prefix) or len(weights) != FATES or sum(weights) <= 0:
            raise ValueError("the prefix is too long, or the weights are not four of which one is above zero")
        self.link_count = len(sockets)
        self.links = <Link *>calloc(self.link_count, sizeof(Link))
        self.slots = <Slot *>malloc(capacity * sizeof(Slot))
        self.holders = <int32_t *>malloc(max(1, agents) * sizeof(int32_t))
        self.histograms = <int64_t *>calloc(HISTOGRAMS * HISTOGRAM_LENGTH, sizeof(int64_t))
        self.kept = [bytes(tail) for own in tails for tail in own]
        self.tails = <char **>calloc(max(1, len(self.kept)), sizeof(char *))
        self.tail_sizes = <int64_t *>calloc(max(1, len(self.kept)), sizeof(int64_t))
        if not (self.links and self.slots and self.holders and self.histograms and self.tails and self.tail_sizes):
            raise MemoryError
        for place in range(capacity):
            self.slots[place].number = -1
        self.mask = capacity - 1
        memset(self.holders, 0, max(1, agents) * sizeof(int32_t))
        self.agent_count = agents
        for index in range(<int32_t>len(self.kept)):
            text = self.kept[index]
            self.tails[index] = text
            self.tail_sizes[index] = len(text)
        place = 0
        self.epoll = epoll_create1(0)
        self.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)
        if self.epoll < 0 or self.timer < 0:
            raise OSError(errno, "no epoll or no timer to be had")
        for index in range(self.link_count):
            link = &self.links[index]
            link.fd = sockets[index]
            link.inbox = <char *>malloc(IN_BYTES)
            link.outbox = <char *>malloc(OUT_BYTES)
            link.out_size = OUT_BYTES
            if not link.inbox or not link.outbox:
                raise MemoryError
            link.first_kind = place
            link.kinds = len(tails[index])
            if not link.kinds:
                raise ValueError("each connection has at least one tail")
            place += link.kinds
            event.events = EPOLLIN
            event.data.fd = index
            if epoll_ctl(self.epoll, EPOLL_CTL_ADD, link.fd, &event) < 0:
                raise OSError(errno, "a connection cannot be watched")
        event.events = EPOLLIN
        event.data.fd = -1
        epoll_ctl(self.epoll, EPOLL_CTL_ADD, self.timer, &event)
        memcpy(self.prefix, <char *>prefix, len(prefix))
        self.prefix_size = len(prefix)
        place = 0
        for index in range(FATES):
            place += round(weights[index] * 1e15 / sum(weights))
            self.thresholds[index] = place
        self.thresholds[FATES - 1] = 1 << 62
        self.talk_ns = talk_ns
        self.exponential_talk = exponential_talk
        self.poisson = poisson
        self.echo = echo
        self.repeat = repeat
        self.awake = awake
        self.random_state = seed * 2 + 1

    def __dealloc__(self):
        cdef int32_t index
        if self.links != NULL:
            for index in range(self.link_count):
                free(self.links[index].inbox)
                free(self.links[index].outbox)
        free(self.links)
        free(self.slots)
        free(self.holders)
        free(self.heap)
        free(self.histograms)
        free(self.tails)
        free(self.tail_sizes)
        if self.epoll >= 0:
            close(self.epoll)
        if self.timer >= 0:
            close(self.timer)

    # What is seen from outside, also while it runs

    @property
    def counts(self):
        """What happened so far, by the names in `COUNTED`."""
        return {name: self.counters[index] for index, name in enumerate(COUNTED)}

    @property
    def alive(self):
        """How many contacts are under way."""
        return self.in_flight

    @property
    def failure(self):
        """Why the loop ended before its time; empty if it did not."""
        return self.why.decode(errors="replace")

    @property
    def refusal(self):
        """The last refusal, as it came."""
        return self.refused_line.decode(errors="replace")

    def histogram(self, int which):
        """The counts of a histogram, by its place in `MEASURED`, as bytes of 64-bit integers."""
        if not 0 <= which < HISTOGRAMS:
            raise IndexError(which)
        return (<char *>&self.histograms[which * HISTOGRAM_LENGTH])[:HISTOGRAM_LENGTH * sizeof(int64_t)]

    def lost(self, int64_t most):
        """Ids of contacts that are under way, at most so many."""
        cdef int64_t place
        found = []
        for place in range(self.mask + 1):
            if self.slots[place].number >= 0:
                found.append(f"{self.prefix[:self.prefix_size].decode()}{self.slots[place].number}")
                if len(found) >= most:
                    break
        return found

    def stop(self):
        """Let the loop end within a tenth of a second; for another thread or a signal's handler."""
        self.stopped = True

    # The loop

    def run(self, double seconds, *, double rate=0, int64_t depth=0, int64_t most=-1):
        """Keep `depth` contacts in flight, or begin `rate` a second, for so long or until `most` were begun.

        What is under way at the end stays so; the next `run` or `drain` goes on with it. Gives whether all went well:
        if not, `failure` says why.
        """
        cdef int64_t end = clock_ns() + <int64_t>(seconds * 1e9)
        cdef int64_t last = self.next_number + most if most >= 0 else <int64_t>1 << 62
        cdef int64_t gap = <int64_t>(1e9 / rate) if rate > 0 else 0
        with nogil:
            self.planned_next = clock_ns()
            self._loop(end, gap, depth, last)
        return self.why[0] == 0

    def drain(self, double seconds):
        """See what is under way to its end, for at most so long. Gives whether nothing is left."""
        cdef int64_t end = clock_ns() + <int64_t>(seconds * 1e9)
        self.stopped = False
        with nogil:
            self._loop(end, 0, 0, 0)
        return self.in_flight == 0 and self.why[0] == 0

    cdef void _loop(self, int64_t end, int64_t gap, int64_t depth, int64_t last) noexcept nogil:
        cdef epoll_event events[EVENTS]
        cdef int found, index, who
        cdef int64_t now, wake, begun
        cdef itimerspec alarm
        memset(&alarm, 0, sizeof(alarm))
        while not self.stopped and not self.why[0]:
            now = clock_ns()
            self.counters[TURNS] += 1
            if now >= end:
                return
            begun = 0
            if gap:
                while self.planned_next <= now and begun < BEGINS_MAX and self.next_number < last:
                    if not self._begin(self.planned_next, now):
                        break
                    self.planned_next += self._vary(gap, self.poisson)
                    begun += 1
            else:
                while self.in_flight < depth and begun < BEGINS_MAX and self.next_number < last:
                    if not self._begin(now, now):
                        break
                    begun += 1
            if not self.in_flight and not begun and (self.next_number >= last or (not gap and not depth)):
                return
            while self.heap_count and self.heap[0].at <= now:
                self._talk_ends()
            for index in range(self.link_count):
                if self.links[index].dirty and not self.links[index].waiting:
                    self._flush(index)
            wake = now + READ_TURNS_MS * <int64_t>1_000_000
            wake = min(wake, end)
            if gap and self.next_number < last:
                wake = min(wake, self.planned_next)
            if self.heap_count:
                wake = min(wake, self.heap[0].at)
            if self.awake or begun == BEGINS_MAX or wake <= now:
                found = epoll_wait(self.epoll, events, EVENTS, 0)
            else:
                alarm.it_value.tv_sec = wake // 1_000_000_000
                alarm.it_value.tv_nsec = wake % 1_000_000_000
                timerfd_settime(self.timer, TFD_TIMER_ABSTIME, &alarm, NULL)
                found = epoll_wait(self.epoll, events, EVENTS, READ_TURNS_MS)
            if found < 0 and errno != EINTR:
                self._fail(b"epoll failed", 12)
                return
            now = clock_ns()
            for index in range(max(0, found)):
                who = events[index].data.fd
                if who < 0:
                    continue
                if events[index].events & EPOLLOUT:
                    self._flush(who)
                if events[index].events & ~(<unsigned int>EPOLLOUT):
                    self._read(who, now)
                if self.links[who].dirty and not self.links[who].waiting:
                    self._flush(who)

    # Chance

    @cython.overflowcheck(False)
    cdef uint64_t _draw(self) noexcept nogil:
        """The next number of xorshift64*."""
        self.random_state ^= self.random_state >> 12
        self.random_state ^= self.random_state << 25
        self.random_state ^= self.random_state >> 27
        return self.random_state * <uint64_t>2685821657736338717

    cdef int64_t _vary(self, int64_t mean, bint exponential) noexcept nogil:
        if not exponential:
            return mean
        return <int64_t>(-log((<double>(self._draw() >> 11) + 1) / 9007199254740993.0) * mean)

    # A contact's way

    cdef bint _begin(self, int64_t planned, int64_t now) noexcept nogil:
        """Send the next contact; false when its place in the table is still taken."""
        cdef int64_t number = self.next_number
        cdef Slot *slot = &self.slots[number & self.mask]
        cdef Link *link
        cdef int32_t tail, index = self.next_link
        cdef int64_t drawn
        cdef uint8_t fate = 0
        if slot.number >= 0:
            return False
        self.next_number += 1
        self.next_link = (index + 1) % self.link_count
        link = &self.links[index]
        tail = link.first_kind + <int32_t>(self._draw() % <uint64_t>link.kinds)
        drawn = <int64_t>(self._draw() % <uint64_t>1_000_000_000_000_000)
        while drawn >= self.thresholds[fate]:
            fate += 1
        slot.number = number
        slot.planned = planned
        slot.talk = self._vary(self.talk_ns, self.exponential_talk) if self.talk_ns else 0
        slot.connection = index
        slot.agent = -1
        slot.fate = fate
        slot.said = 0
        slot.asked = 1 << ENQUEUE
        slot.answered = 0
        slot.asides = 0
        slot.times_rejected = 0
        self.in_flight += 1
        self.counters[STARTED] += 1
        if self.repeat:
            number = index
            tail = link.first_kind
        self._put(index, b'{"type":"contact.enqueue","id":', 31)
        self._put_number(index, slot.number * 4 + ENQUEUE)
        self._put(index, b',"contact":"', 12)
        self._put(index, self.prefix, self.prefix_size)
        self._put_number(index, number)
        self._put(index, b'",', 2)
        self._put(index, self.tails[tail], self.tail_sizes[tail])
        self._count(LATE, now - planned)
        return True

    cdef void _ask(self, int32_t index, Slot *slot, int kind, const char *verb, int64_t size) noexcept nogil:
        """A request about a contact: `"type":"<verb>","id":<id>`, open at its end."""
        self._put(index, b'{"type":"', 9)
        self._put(index, verb, size)
        self._put(index, b'","id":', 7)
        self._put_number(index, slot.number * 4 + kind)
        if kind == ASIDE:
            slot.asides += 1
        else:
            slot.asked |= 1 << kind

    cdef void _ask_by_contact(self, int32_t index, Slot *slot, int kind, const char *verb, int64_t size) noexcept nogil:
        self._ask(index, slot, kind, verb, size)
        self._put(index, b',"contact":"', 12)
        self._put(index, self.prefix, self.prefix_size)
        self._put_number(index, slot.number)

    cdef void _complete(self, Slot *slot) noexcept nogil:
        if slot.fate == HELD:
            self._ask_by_contact(slot.connection, slot, ASIDE, b"contact.unhold", 14)
            self._put(slot.connection, b'"}\n', 3)
        self._ask_by_contact(slot.connection, slot, FINISH, b"contact.complete", 16)
        self._put(slot.connection, b'"}\n', 3)

    cdef void _talk_ends(self) noexcept nogil:
        """The earliest conversation is over."""
        cdef Due due = self.heap[0]
        cdef int64_t place = 0, child
        cdef Slot *slot
        self.heap_count -= 1
        if self.heap_count:
            self.heap[0] = self.heap[self.heap_count]
            while True:
                child = 2 * place + 1
                if child >= self.heap_count:
                    break
                if child + 1 < self.heap_count and self.heap[child + 1].at < self.heap[child].at:
                    child += 1
                if self.heap[place].at <= self.heap[child].at:
                    break
                self.heap[place], self.heap[child] = self.heap[child], self.heap[place]
                place = child
        slot = &self.slots[due.number & self.mask]
        if slot.number == due.number and not slot.said & ENDED:
            self._complete(slot)

    cdef void _talk_begins(self, Slot *slot, int64_t now) noexcept nogil:
        cdef int64_t place
        cdef Due *grown
        if not slot.talk:
            self._complete(slot)
            return
        if self.heap_count == self.heap_size:
            grown = <Due *>realloc(self.heap, (self.heap_size * 2 + 1024) * sizeof(Due))
            if grown == NULL:
                self._fail(b"out of memory", 13)
                return
            self.heap = grown
            self.heap_size = self.heap_size * 2 + 1024
        place = self.heap_count
        self.heap_count += 1
        self.heap[place].at = now + slot.talk
        self.heap[place].number = slot.number
        while place and self.heap[(place - 1) >> 1].at > self.heap[place].at:
            self.heap[place], self.heap[(place - 1) >> 1] = self.heap[(place - 1) >> 1], self.heap[place]
            place = (place - 1) >> 1

    cdef void _maybe_over(self, Slot *slot, int64_t now) noexcept nogil:
        """Free the place of a contact that has ended and all of whose requests were answered."""
        if slot.said & ENDED and slot.answered == slot.asked and not slot.asides:
            self._count(WHOLE, now - slot.planned - slot.talk)
            slot.number = -1
            self.in_flight -= 1
            self.counters[FINISHED] += 1

    # What the server says

    cdef void _read(self, int32_t index, int64_t now) noexcept nogil:
        cdef Link *link = &self.links[index]
        cdef ssize_t got
        cdef char *start
        cdef char *end
        cdef char *newline
        got = recv(link.fd, link.inbox + link.have, IN_BYTES - link.have, MSG_DONTWAIT)
        if got < 0 and (errno == EAGAIN or errno == EINTR):
            return
        if got <= 0:
            self._fail(b"the server closed a connection", 30)
            return
        self.counters[BYTES_IN] += got
        start = link.inbox
        end = link.inbox + link.have + got
        while start < end:
            newline = <char *>memchr(start, 10, end - start)
            if newline == NULL:
                break
            self._line(index, start, newline - start, now)
            start = newline + 1
        link.have = end - start
        if link.have >= IN_BYTES:
            self._fail(b"the server sent a line that is too long", 39)
            return
        if link.have:
            memmove(link.inbox, start, link.have)

    cdef void _line(self, int32_t index, char *line, int64_t size, int64_t now) noexcept nogil:
        """One message."""
        if size < 12 or memcmp(line, b'{"type":"', 9):
            self.counters[UNKNOWN] += 1
        elif not memcmp(line + 9, b'ok"', 3):
            self._answer(line, size, now)
        elif not memcmp(line + 9, b"contact.", 8):
            self._contact_event(index, line, size, now)
        elif not memcmp(line + 9, b"agent.", 6):
            self.counters[EVENTS_SEEN] += 1
        elif not memcmp(line + 9, b"offer.", 6):
            self._offer_event(index, line, size, now)
        elif not memcmp(line + 9, b"error", 5):
            memcpy(self.refused_line, line, min(size, sizeof(self.refused_line) - 1))
            self.refused_line[min(size, sizeof(self.refused_line) - 1)] = 0
            self._refused(line, size)
        else:
            self.counters[EVENTS_SEEN] += 1
            if not memcmp(line + 9, b"replaced", 8) or not memcmp(line + 9, b"gap", 3):
                self._fail(line, size)

    cdef Slot *_slot_of_id(self, char *line, int64_t size, int64_t *id) noexcept nogil:
        cdef char *at = <char *>memmem(line, size, b'"id":', 5)
        cdef Slot *slot
        if at == NULL:
            return NULL
        id[0] = digits(at + 5, line + size)
        slot = &self.slots[(id[0] >> 2) & self.mask]
        return slot if slot.number == id[0] >> 2 else NULL

    cdef Slot *_slot_of_contact(self, char *line, int64_t size) noexcept nogil:
        cdef char *at = <char *>memmem(line, size, b'"contact":"', 11)
        cdef Slot *slot
        cdef int64_t number
        if at == NULL or at + 11 + self.prefix_size >= line + size or memcmp(at + 11, self.prefix, self.prefix_size):
            return NULL
        number = digits(at + 11 + self.prefix_size, line + size)
        slot = &self.slots[number & self.mask]
        return slot if slot.number == number else NULL

    cdef void _answer(self, char *line, int64_t size, int64_t now) noexcept nogil:
        cdef int64_t id = 0
        cdef Slot *slot = self._slot_of_id(line, size, &id)
        cdef int kind = id & 3
        self.counters[ANSWERS] += 1
        if slot == NULL:
            self.counters[UNKNOWN] += 1
            return
        if self.repeat:
            self._count(ACK, now - slot.planned)
            slot.number = -1
            self.in_flight -= 1
            self.counters[FINISHED] += 1
            return
        if memmem(line, size, b'"duplicate":true', 16) != NULL:
            self.counters[DUPLICATES] += 1
        if kind == ASIDE:
            if slot.asides:
                slot.asides -= 1
            else:
                self.counters[ANSWERED_TWICE] += 1
        elif slot.answered & (1 << kind) or not slot.asked & (1 << kind):
            self.counters[ANSWERED_TWICE] += 1
        else:
            slot.answered |= 1 << kind
            if kind == ENQUEUE:
                self._count(ACK, now - slot.planned)
        self._maybe_over(slot, now)

    cdef void _refused(self, char *line, int64_t size) noexcept nogil:
        cdef int64_t id = 0
        cdef Slot *slot = self._slot_of_id(line, size, &id)
        self.counters[REFUSED] += 1
        if slot == NULL:
            self.counters[UNKNOWN] += 1
        elif id & 3 == ENQUEUE:
            slot.number = -1
            self.in_flight -= 1
        elif id & 3 == ASIDE:
            slot.asides -= 1
        else:
            slot.answered |= 1 << (id & 3)

    cdef void _contact_event(self, int32_t index, char *line, int64_t size, int64_t now) noexcept nogil:
        cdef char *kind = line + 17
        cdef Slot *slot
        cdef int64_t id = 0
        self.counters[EVENTS_SEEN] += 1
        if self.repeat:
            if self.echo:
                self._answer(line, size, now)
            return
        if self.echo:
            slot = self._slot_of_id(line, size, &id)
            if slot == NULL:
                self.counters[UNKNOWN] += 1
            elif not memcmp(kind, b"enqueue", 7):
                self._count(ACK, now - slot.planned)
                self._put(index, b'{"type":"offer.accept","id":', 28)
                self._put_number(index, slot.number * 4 + ACCEPT)
                self._put(index, b',"offer":"o-1234567"}\n', 22)
            else:
                slot.said = ENDED
                slot.answered = slot.asked
                self._maybe_over(slot, now)
            return
        slot = self._slot_of_contact(line, size)
        if slot == NULL:
            self.counters[UNKNOWN] += 1
        elif not memcmp(kind, b"queued", 6):
            self._told(slot, QUEUED)
        elif not memcmp(kind, b"offered", 7):
            self._offered(index, slot, line, size, now)
        elif not memcmp(kind, b"connected", 9):
            if not slot.said & OFFERED or not slot.asked & (1 << ACCEPT):
                self.counters[OUT_OF_ORDER] += 1
            if self._told(slot, CONNECTED):
                self.counters[CONNECTIONS_MADE] += 1
                if slot.fate == HELD:
                    self._ask_by_contact(slot.connection, slot, ASIDE, b"contact.hold", 12)
                    self._put(slot.connection, b'"}\n', 3)
                self._talk_begins(slot, now)
        elif not memcmp(kind, b"ended", 5):
            if not slot.asked & (1 << FINISH):
                self.counters[OUT_OF_ORDER] += 1
                slot.asked |= 1 << FINISH
                slot.answered |= 1 << FINISH
            self._release(slot)
            if self._told(slot, ENDED):
                self._maybe_over(slot, now)

    cdef bint _told(self, Slot *slot, int what) noexcept nogil:
        if slot.said & what:
            self.counters[TOLD_TWICE] += 1
            return False
        slot.said |= what
        return True

    cdef void _release(self, Slot *slot) noexcept nogil:
        """The contact is no longer held by an agent."""
        if slot.agent >= 0:
            self.holders[slot.agent] -= 1
            slot.agent = -1

    cdef void _offered(self, int32_t index, Slot *slot, char *line, int64_t size, int64_t now) noexcept nogil:
        cdef char *offer = <char *>memmem(line, size, b'"offer":"', 9)
        cdef char *agent = <char *>memmem(line, size, b'"agent":"a-', 11)
        cdef char *quote
        cdef int64_t number
        self.counters[OFFERS] += 1
        if offer == NULL or agent == NULL or slot.agent >= 0 or slot.said & (CONNECTED | ENDED):
            self.counters[OUT_OF_ORDER] += 1
            return
        quote = <char *>memchr(offer + 9, 34, line + size - offer - 9)
        number = digits(agent + 11, line + size)
        if quote == NULL or number < 0 or number >= self.agent_count:
            self.counters[UNKNOWN] += 1
            return
        self.holders[number] += 1
        slot.agent = <int32_t>number
        if self.holders[number] > 1:
            self.counters[AGENT_TWICE] += 1
        if not slot.said & OFFERED:
            slot.said |= OFFERED
            if memmem(line, size, b'"wait":0,', 9) == NULL:
                self.counters[WAITED] += 1
            self._count(OFFER, now - slot.planned)
        if slot.fate == ABANDONED:
            self._ask_by_contact(slot.connection, slot, FINISH, b"contact.abandon", 15)
            self._put(slot.connection, b'"}\n', 3)
            slot.talk = 0
        elif slot.fate == REJECTED and not slot.times_rejected:
            slot.times_rejected = 1
            self._ask(index, slot, ASIDE, b"offer.reject", 12)
            self._put(index, b',"offer":"', 10)
            self._put(index, offer + 9, quote - offer - 9)
            self._put(index, b'"}\n', 3)
        else:
            self._ask(index, slot, ACCEPT, b"offer.accept", 12)
            self._put(index, b',"offer":"', 10)
            self._put(index, offer + 9, quote - offer - 9)
            self._put(index, b'"}\n', 3)

    cdef void _offer_event(self, int32_t index, char *line, int64_t size, int64_t now) noexcept nogil:
        cdef Slot *slot
        cdef int64_t id = 0
        self.counters[EVENTS_SEEN] += 1
        if self.echo:
            slot = self._slot_of_id(line, size, &id)
            if slot == NULL:
                self.counters[UNKNOWN] += 1
            else:
                self._put(index, b'{"type":"contact.complete","id":', 32)
                self._put_number(index, slot.number * 4 + FINISH)
                self._put(index, b',"contact":"c-1234567"}\n', 24)
            return
        slot = self._slot_of_contact(line, size)
        if slot == NULL:
            self.counters[UNKNOWN] += 1
        else:
            self._release(slot)

    # Bytes

    cdef void _put(self, int32_t index, const char *data, int64_t size) noexcept nogil:
        cdef Link *link = &self.links[index]
        cdef char *grown
        if link.out_to + size > link.out_size:
            grown = <char *>realloc(link.outbox, link.out_size * 2 + size)
            if grown == NULL:
                self._fail(b"out of memory", 13)
                return
            link.outbox = grown
            link.out_size = link.out_size * 2 + size
        memcpy(link.outbox + link.out_to, data, size)
        link.out_to += size
        link.dirty = True

    cdef void _put_number(self, int32_t index, int64_t number) noexcept nogil:
        cdef char text[24]
        cdef int at = 24
        while True:
            at -= 1
            text[at] = 48 + number % 10
            number //= 10
            if not number:
                break
        self._put(index, &text[at], 24 - at)

    cdef void _flush(self, int32_t index) noexcept nogil:
        """Send what the socket takes; wait for it to take more if that is not all."""
        cdef Link *link = &self.links[index]
        cdef ssize_t sent
        cdef epoll_event event
        while link.out_from < link.out_to:
            sent = send(link.fd, link.outbox + link.out_from, link.out_to - link.out_from, MSG_DONTWAIT | MSG_NOSIGNAL)
            if sent < 0 and errno == EINTR:
                continue
            if sent < 0:
                if errno != EAGAIN:
                    self._fail(b"a connection broke while sending", 32)
                break
            link.out_from += sent
            self.counters[BYTES_OUT] += sent
        if link.out_from == link.out_to:
            link.out_from = link.out_to = 0
            link.dirty = False
        if link.waiting != link.dirty:
            link.waiting = link.dirty
            event.events = EPOLLIN | (EPOLLOUT if link.dirty else 0)
            event.data.fd = index
            epoll_ctl(self.epoll, EPOLL_CTL_MOD, link.fd, &event)

    cdef void _count(self, int which, int64_t value) noexcept nogil:
        self.histograms[which * HISTOGRAM_LENGTH + index_of(value)] += 1

    cdef void _fail(self, const char *why, int64_t size) noexcept nogil:
        if not self.why[0]:
            size = min(size, <int64_t>sizeof(self.why) - 1)
            memcpy(self.why, why, size)
            self.why[size] = 0


cdef int64_t digits(char *at, char *end) noexcept nogil:
    """The number that stands there; -1 for none."""
    cdef int64_t value = 0
    if at >= end or not 48 <= at[0] <= 57:
        return -1
    while at < end and 48 <= at[0] <= 57:
        value = value * 10 + at[0] - 48
        at += 1
    return value
