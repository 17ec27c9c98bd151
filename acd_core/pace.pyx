# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""How fast each line of a queue moves, who stands before whom in it, and the forecasts that follow.

forecast.py tells what they are made of, model/pace.py makes them readably. Here a window is advanced only when it is
touched: that gives the same sums as advancing it all the time, and costs a handful of additions for each minute since,
until a minute changes nothing any more. Joining and leaving a line are O(log n) of its length; contacts that are offered
at once come to none.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, qsort
from libc.string cimport memset

from acd_core.containers cimport reserve
from acd_core.lines cimport Lines
from acd_core.standing cimport Standing, stands_before
from acd_core.trees cimport Twig, tree_before, tree_insert, tree_of, tree_remove
from acd_core.types cimport NONE

from acd_core import forecast

cdef extern from *:
    """
    __extension__ typedef __int128 acd_int128;
    """
    ctypedef long long int128_t "acd_int128"

cdef enum:
    ENTRIES = 97              # of the tables of quantiles

cdef int64_t PERIOD_US = forecast.PERIOD_US
cdef int FADE_SHIFT = forecast.FADE_SHIFT
cdef int64_t ONE = forecast.ONE
cdef int LOSS_SHIFT = forecast.LOSS_SHIFT
cdef int64_t LOSS_MAX = forecast.LOSS_MAX
cdef int64_t SERVED_MIN = forecast.SERVED_MIN
cdef int64_t LAST_MAX_US = forecast.LAST_MAX_US
cdef int64_t RING_MAX_MS = forecast.RING_MAX_MS
cdef int64_t WAIT_MAX_US = forecast.WAIT_MAX_US
cdef int64_t TERMS_EXACT = forecast.TERMS_EXACT
cdef int SPREAD_SHIFT = forecast.SPREAD_SHIFT
cdef int64_t P50_BY_SPREAD[97]
cdef int64_t P90_BY_SPREAD[97]
if len(forecast.P50_BY_SPREAD) != ENTRIES or len(forecast.P90_BY_SPREAD) != ENTRIES:
    raise ImportError("pace.pyx and forecast.py disagree; build the extension modules anew")
for _index in range(<int>ENTRIES):
    P50_BY_SPREAD[_index] = forecast.P50_BY_SPREAD[_index]
    P90_BY_SPREAD[_index] = forecast.P90_BY_SPREAD[_index]


cdef int64_t _root_of(int64_t square) noexcept nogil:
    """The square root, rounded down, of a number below 2**60."""
    cdef int64_t root = 0, bit = <int64_t>1 << 30
    while bit:
        if (root + bit) * (root + bit) <= square:
            root += bit
        bit >>= 1
    return root


cdef int64_t _quantile(int64_t mean, int64_t spread, const int64_t *by_spread) noexcept nogil:
    """See forecast.quantile."""
    cdef int64_t at = min(spread, <int64_t>(ENTRIES - 2) << 6)
    cdef int64_t low = at >> 6, part = at & 63
    return mean * ((by_spread[low] * (64 - part) + by_spread[low + 1] * part) >> 6) >> 16


cdef int _in_order(const void *one, const void *other) noexcept nogil:
    """Of two saplings, no two of which stand alike."""
    cdef const Sapling *a = <const Sapling *>one
    cdef const Sapling *b = <const Sapling *>other
    if a.pace != b.pace:
        return -1 if a.pace < b.pace else 1
    return -1 if stands_before(&a.standing, &b.standing) else 1


@cython.final
cdef class Paces:
    """The windows and trees of all lines of one engine, over its waiting lines."""

    def __cinit__(self, Lines lines):
        self.lines = lines
        self.unused = []

    def __dealloc__(self):
        free(self.rows)
        free(self.twigs)
        free(self.saplings)

    cdef int32_t new(self, int64_t now_us) except -1:
        """An empty window that begins now."""
        cdef int32_t pace
        if self.unused:
            pace = self.unused.pop()
        else:
            pace = self.count
            reserve(<void **>&self.rows, &self.capacity, pace + 1, sizeof(Pace))
            self.count += 1
        memset(&self.rows[pace], 0, sizeof(Pace))
        self.rows[pace].next_in_queue = NONE
        self.rows[pace].root = NONE
        self.rows[pace].now_us = now_us
        return pace

    # -- order --------------------------------------------------------------------------------------------------

    cdef void forget_trees(self) noexcept nogil:
        """Where contacts stand is about to change: empty the trees. `restore` collects who is in them, `grow_trees` makes
        them anew.
        """
        cdef int32_t pace
        for pace in range(self.count):
            self.rows[pace].root = NONE

    cdef int restore(self, int32_t pace, int32_t contact) except -1:
        """A contact that waits in this line will be in its tree again; between `forget_trees` and `grow_trees`."""
        cdef Sapling *sapling
        reserve(<void **>&self.saplings, &self.sapling_capacity, self.sapling_count + 1, sizeof(Sapling))
        sapling = &self.saplings[self.sapling_count]
        self.sapling_count += 1
        self.lines.stand_for_good(&sapling.standing, contact)
        sapling.pace = pace
        sapling.contact = contact
        reserve(<void **>&self.twigs, &self.twig_capacity, contact + 1, sizeof(Twig))
        self.twigs[contact].standing = sapling.standing
        return 0

    cdef int grow_trees(self) except -1:
        """Make the trees of all who were restored: n log n as their insertion would be, but mostly in the cache."""
        cdef int32_t *nodes = NULL
        cdef int64_t room = 0, first = 0, index
        cdef int32_t pace
        try:
            reserve(<void **>&nodes, &room, self.sapling_count + 1, sizeof(int32_t))
            if self.sapling_count:
                qsort(self.saplings, <size_t>self.sapling_count, sizeof(Sapling), &_in_order)
            for index in range(self.sapling_count):
                nodes[index] = self.saplings[index].contact
            while first < self.sapling_count:
                pace = self.saplings[first].pace
                index = first
                while index < self.sapling_count and self.saplings[index].pace == pace:
                    index += 1
                self.rows[pace].root = tree_of(self.twigs, nodes + first, index - first)
                first = index
        finally:
            free(nodes)
            free(self.saplings)
            self.saplings = NULL
            self.sapling_capacity = self.sapling_count = 0
        return 0

    cdef void move(self, int32_t pace, int32_t contact) noexcept nogil:
        """A contact that waits in this line stands elsewhere in it from now on."""
        self.rows[pace].root = tree_remove(self.twigs, self.rows[pace].root, contact)
        self.lines.stand_for_good(&self.twigs[contact].standing, contact)
        self.rows[pace].root = tree_insert(self.twigs, self.rows[pace].root, contact)

    cdef int join(self, int32_t pace, int32_t contact, int64_t now_us) except -1:
        """A contact, whose line is assigned, waits from now on."""
        reserve(<void **>&self.twigs, &self.twig_capacity, contact + 1, sizeof(Twig))
        self.lines.stand_for_good(&self.twigs[contact].standing, contact)
        self.rows[pace].root = tree_insert(self.twigs, self.rows[pace].root, contact)
        self.elapse(pace, now_us)
        self.rows[pace].waiting += 1
        return 0

    cdef void leave(self, int32_t pace, int32_t contact, int64_t now_us) noexcept nogil:
        """A contact waits no longer."""
        self.elapse(pace, now_us)
        self.rows[pace].waiting -= 1
        self.rows[pace].root = tree_remove(self.twigs, self.rows[pace].root, contact)

    cdef int64_t ahead(self, int32_t pace, int32_t contact) noexcept nogil:
        """How many of a line come before a contact, which need not be in it."""
        cdef Standing standing
        self.lines.stand_for_good(&standing, contact)
        return self.ahead_of(pace, &standing)

    cdef int64_t ahead_of(self, int32_t pace, Standing *standing) noexcept nogil:
        """How many of a line come before one that would stand there."""
        return tree_before(self.twigs, self.rows[pace].root, standing)

    cdef int64_t position(self, int32_t first, int32_t contact) noexcept nogil:
        """The contact's place among all lines of a queue, of which this is the first."""
        cdef int64_t place = 1
        while first != NONE:
            place += self.ahead(first, contact)
            first = self.rows[first].next_in_queue
        return place

    # -- window -------------------------------------------------------------------------------------------------

    cdef void elapse(self, int32_t pace, int64_t now_us) noexcept nogil:
        """Time has passed up to `now_us`, with as many waiting as are there."""
        cdef Pace *row = &self.rows[pace]
        cdef Pace earlier
        cdef int64_t elapsed
        cdef bint whole
        if now_us == row.now_us:
            return
        while row.now_us // PERIOD_US < now_us // PERIOD_US:
            earlier = row[0]
            elapsed = PERIOD_US - row.now_us % PERIOD_US
            whole = elapsed == PERIOD_US
            row.now_us += elapsed
            row.waited_us += row.waiting * elapsed
            if row.waiting:
                row.backlog_us += elapsed
            row.served -= row.served >> FADE_SHIFT
            row.left -= row.left >> FADE_SHIFT
            row.backlog_us -= row.backlog_us >> FADE_SHIFT
            row.waited_us -= row.waited_us >> FADE_SHIFT
            row.ring_ms -= row.ring_ms >> FADE_SHIFT
            row.ring_square -= row.ring_square >> FADE_SHIFT
            if (
                whole and row.served == earlier.served and row.left == earlier.left
                and row.backlog_us == earlier.backlog_us and row.waited_us == earlier.waited_us
                and row.ring_ms == earlier.ring_ms and row.ring_square == earlier.ring_square
            ):
                row.now_us = now_us - now_us % PERIOD_US  # as this minute went by, so do all that follow
        elapsed = now_us - row.now_us
        row.now_us = now_us
        row.waited_us += row.waiting * elapsed
        if row.waiting:
            row.backlog_us += elapsed

    cdef void serve(self, int32_t pace, int64_t now_us, int64_t wait_us, int64_t rung_ms) noexcept nogil:
        """One who waited in the line was answered."""
        cdef Pace *row = &self.rows[pace]
        self.elapse(pace, now_us)
        rung_ms = min(rung_ms, RING_MAX_MS)
        row.served += ONE
        row.ring_ms += rung_ms
        row.ring_square += rung_ms * rung_ms
        row.last_wait_us = wait_us
        row.last_at_us = now_us

    cdef void lose(self, int32_t pace, int64_t now_us) noexcept nogil:
        """One who waited in the line is gone without an agent."""
        self.elapse(pace, now_us)
        self.rows[pace].left += ONE

    # -- forecasts ----------------------------------------------------------------------------------------------

    @cython.overflowcheck(False)  # the checks know no 128 bits, which nothing here exceeds
    cdef Forecast estimate(self, int32_t pace, int64_t ahead, int64_t place, int64_t now_us) noexcept nogil:
        """How much longer a contact waits that has `ahead` others before it, and had `place` when it came."""
        cdef Pace *row = &self.rows[pace]
        cdef Forecast found
        cdef int64_t step, loss = 0, begin = 0, size = 1, count, term, ring_ms, mean, spread, served, measured
        cdef int128_t total = 0, variance = 0, exact, square
        found.known = False
        found.mean_ms = 0
        found.p50_ms = 0
        found.p90_ms = 0
        self.elapse(pace, now_us)
        if row.served >= SERVED_MIN * ONE:
            served = row.served // ONE
            exact = <int128_t>row.backlog_us * ONE // row.served
            step = <int64_t>min(exact, <int128_t>WAIT_MAX_US)
            if step == 0:
                step = 1
            if row.waited_us:
                exact = (<int128_t>row.left * step << LOSS_SHIFT) // (<int128_t>ONE * row.waited_us)
                loss = <int64_t>min(exact, <int128_t>LOSS_MAX)
            while begin <= ahead:
                if begin >= TERMS_EXACT and begin & (begin - 1) == 0:
                    size = begin >> 2
                count = min(size, ahead + 1 - begin)
                term = (step << (LOSS_SHIFT + 1)) // (
                    (<int64_t>1 << (LOSS_SHIFT + 1)) + (2 * begin + count - 1) * loss
                )
                total += <int128_t>count * term
                variance += <int128_t>count * term * term
                begin += count
            ring_ms = <int64_t>(<int128_t>row.ring_ms * ONE // row.served)
            square = <int128_t>row.ring_square * ONE // row.served - <int128_t>ring_ms * ring_ms
            if square > 0:
                variance += square * 1_000_000
            exact = total + <int128_t>ring_ms * 1000
            measured = <int64_t>((total << SPREAD_SHIFT) // exact)
            square = (variance << (2 * SPREAD_SHIFT)) // (exact * exact) + measured * measured // served
            mean = <int64_t>min(exact, <int128_t>WAIT_MAX_US)
            spread = _root_of(<int64_t>min(square, <int128_t>1 << 40))
        elif row.last_at_us and now_us - row.last_at_us <= LAST_MAX_US:
            exact = <int128_t>row.last_wait_us * (ahead + 1) // (place + 1)
            mean = <int64_t>min(exact, <int128_t>WAIT_MAX_US)
            spread = _root_of(min(
                (<int64_t>2 << (2 * SPREAD_SHIFT)) // (ahead + 1), <int64_t>1 << (2 * SPREAD_SHIFT)
            ))
        else:
            return found
        found.known = True
        found.mean_ms = mean // 1000
        found.p50_ms = min(_quantile(mean, spread, P50_BY_SPREAD), WAIT_MAX_US) // 1000
        found.p90_ms = min(_quantile(mean, spread, P90_BY_SPREAD), WAIT_MAX_US) // 1000
        return found
