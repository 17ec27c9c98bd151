# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What queues are measured on beside the wait of their contacts; urgency.py tells how, model/measures.py does it readably.

Nothing is kept up to date but the number of those who wait in each group of a ratio, which changes where that of a queue
does. All else is read when a contact is looked at: the first of each line that an agent could serve, or all of a queue
where one is put first by hand. A ratio costs a division, a cost by speed the sum of a histogram, a predicted wait what a
forecast costs.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t

from acd_core.containers cimport reserve
from acd_core.memory cimport release
from acd_core.standing cimport AGEING_ONE, Claim, claim_by_measure, claim_by_wait, int128_t
from acd_core.tables cimport Tables
from acd_core.totals cimport mean_of
from acd_core.types cimport HANDLE_BUCKETS, NONE, Queue
from acd_core.windows cimport Forecast, forecast_of

from acd_core import urgency

cdef int64_t OBJECTIVE_NS = urgency.OBJECTIVE_MS * urgency.NS_PER_MS
cdef int64_t MINUTE_NS = urgency.MINUTE_NS
cdef int64_t HANDLED_MIN = urgency.HANDLED_MIN
cdef int64_t HANDLE_MIN_NS = urgency.HANDLE_MIN_NS


@cython.final
cdef class Measures:
    """The measures of all queues of one engine, over the rows of its tables."""

    def __cinit__(self, Tables tables):
        self.tables = tables
        self.windows = NULL

    def __dealloc__(self):
        release(self.rows)
        release(self.costs)
        release(self.groups)

    cdef void forget(self) noexcept nogil:
        """No queue is measured in a way of its own."""
        cdef int32_t queue
        for queue in range(self.tables.queue_count):
            self.tables.queues[queue].measure = NONE
        self.row_count = 0
        self.cost_count = 0
        self.group_count = 0

    cdef Measure *_new(self, int32_t queue, int kind) except NULL:
        cdef Measure *row
        reserve(<void **>&self.rows, &self.row_capacity, self.row_count + 1, sizeof(Measure))
        row = &self.rows[self.row_count]
        row.kind = kind
        row.group = NONE
        self.tables.queues[queue].measure = self.row_count
        self.row_count += 1
        return row

    cdef int predict(self, int32_t queue) except -1:
        """A queue is measured by predicted waits."""
        self._new(queue, PREDICTED_WAIT)
        return 0

    cdef int add_ratio(self, int32_t queue, int32_t group, int64_t weight, int64_t contact_ns) except -1:
        """A queue is measured by its ratio in a group, which may be a new one."""
        cdef Measure *row = self._new(queue, QUEUE_RATIO)
        row.group = group
        row.weight = weight
        row.contact_ns = contact_ns
        if group >= self.group_count:
            reserve(<void **>&self.groups, &self.group_capacity, group + 1, sizeof(RatioGroup))
            self.groups[group].weight = 0
            self.group_count = group + 1
        self.groups[group].weight += weight
        return 0

    cdef int add_costs(self, int32_t queue, list steps, bint by_speed, int64_t handle_ns) except -1:
        """A queue is measured by what waiting costs: `(after_ns, cost in units of 1/AGEING_ONE)`, in the order of time."""
        cdef Measure *row = self._new(queue, WAITING_COST)
        cdef int64_t after_ns, cost
        row.by_speed = by_speed
        row.handle_ns = handle_ns
        row.costs = self.cost_count
        row.cost_count = <int32_t>len(steps)
        reserve(<void **>&self.costs, &self.cost_capacity, self.cost_count + row.cost_count, sizeof(CostStep))
        for after_ns, cost in steps:
            self.costs[self.cost_count].after_ns = after_ns
            self.costs[self.cost_count].cost = cost
            self.cost_count += 1
        return 0

    cdef bint by_queue(self, int32_t measure) noexcept nogil:
        """Whether contacts of a queue with this measure may be equally urgent that did not begin to wait together."""
        return measure != NONE and self.rows[measure].kind != PREDICTED_WAIT

    cdef void count(self, int32_t measure, int by) noexcept nogil:
        """A contact of a queue with this measure waits (by 1), or does so no longer (by -1)."""
        if self.rows[measure].group != NONE:
            self.groups[self.rows[measure].group].waiting += by

    cdef void recount(self) noexcept nogil:
        """Count those who wait in each group anew."""
        cdef int32_t index
        cdef Queue *queue
        for index in range(self.group_count):
            self.groups[index].waiting = 0
        for index in range(self.tables.queue_count):
            queue = &self.tables.queues[index]
            if queue.measure != NONE and self.rows[queue.measure].group != NONE:
                self.groups[self.rows[queue.measure].group].waiting += queue.waiting

    cdef int64_t left_us(self, int32_t queue, int64_t now) noexcept nogil:
        """How much longer a contact of the queue's main line would wait that has nobody before it; 0 if unknown."""
        cdef int32_t pace = self.tables.queues[queue].main_pace
        cdef Forecast expected
        if pace == NONE:
            return 0
        expected = forecast_of(&self.windows[0][pace], 0, 0, now // 1000)
        return expected.mean_ms * 1000

    cdef int64_t handle_ns(self, int32_t queue) noexcept nogil:
        """How long an agent takes for a contact of a queue that is measured by what waiting costs."""
        cdef Queue *row = &self.tables.queues[queue]
        cdef int index
        cdef int64_t handled = 0, mean = self.rows[row.measure].handle_ns
        for index in range(HANDLE_BUCKETS):
            handled += row.handle_histogram[index]
        if handled >= HANDLED_MIN:
            mean = mean_of(&row.handle_ns, handled)
        return mean if mean > HANDLE_MIN_NS else HANDLE_MIN_NS

    @cython.overflowcheck(False)  # the checks know no 128 bits, which nothing here exceeds
    cdef void claim(
        self, Claim *claim, int32_t queue, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge,
        int64_t ageing, int64_t most, int64_t now
    ) noexcept nogil:
        """Tell where a contact of a queue that has a measure stands at `now`."""
        cdef Measure *row = &self.rows[self.tables.queues[queue].measure]
        cdef RatioGroup *group
        cdef int128_t found = 0, above
        cdef int32_t step
        if row.kind == PREDICTED_WAIT:
            claim_by_wait(
                claim, level, since, seq, head_start, nudge, ageing, most, now, self.left_us(queue, now) * 1000
            )
            return
        if row.kind == QUEUE_RATIO:
            group = &self.groups[row.group]
            above = <int128_t>self.tables.queues[queue].waiting * group.weight - <int128_t>row.weight * group.waiting
            above = above * row.contact_ns * AGEING_ONE
            found = above // group.weight
            if above < 0 and found * group.weight != above:
                found -= 1
        else:
            step = row.costs + row.cost_count - 1
            while step >= row.costs and <int128_t>now - since + head_start < self.costs[step].after_ns:
                step -= 1
            if step >= row.costs:
                found = <int128_t>self.costs[step].cost * OBJECTIVE_NS
            if row.by_speed:
                found = found * MINUTE_NS // self.handle_ns(queue)
        claim_by_measure(claim, level, since, seq, head_start, nudge, ageing, most, now, found)
