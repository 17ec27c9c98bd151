# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The run loop: plays callers and agents to an engine in virtual time, and counts.

Four things can be next: a deadline of the engine, an operation of the timetable (shifts, breaks, outages), an entry
of the calendar, an arrival. The loop goes from one to the next; nothing happens in between. Of those due at the same
instant the engine's deadlines come first, as they do live, then the others in the order above.

All chance was drawn before: arrivals come in blocks, and each contact brings how long he is patient, how long he will
talk, and whether he calls again. So two alternatives with equal seeds see the same callers, whatever becomes of them.

After the horizon nobody arrives any more, and those who are there are served or leave. A contact is counted in the
interval of its arrival; one that arrives before the end of the warm-up only in the totals.
"""

cimport cython
from libc.math cimport log
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.string cimport memcpy

from acd_core.containers cimport reserve
from acd_core.memory cimport release
from acd_core.state cimport (
    AGENT_CHANGED, CONTACT_CONNECTED_EVENT, CONTACT_ENDED, CONTACT_OFFERED_EVENT, CONTACT_QUEUED_EVENT,
    CONTACT_WRAPUP_EVENT, Record,
)
from acd_core.types cimport ABANDONED, MAX_WAIT, QUEUE_FULL
from acd_sim.virtual.calendar cimport Calendar, Entry
from acd_sim.virtual.driver cimport Driver

from acd_core import views
from acd_core.refusals import Outcome
from acd_sim.virtual.driver import SimulationError

TALLIES = (
    "offered", "answered", "answered_in_target", "delayed", "abandoned", "abandoned_in_target", "blocked", "expired",
    "other", "retried", "wait_ns", "answered_wait_ns", "talk_ns", "wrapup_ns", "queue_ns", "longest_ns", "queue_max", "onward",
    "called_back", "callback_delay_ns", "not_reached",
)
"""What is counted for each kind of contact in each interval; the first index of `Loop.tallies`.

`delayed` were not answered or did not leave in the instant of their arrival; `blocked` found the queue full;
`expired` waited for the longest time that the queue allows; `other` ended in any other way without an answer. `wait_ns`
sums the waits of all, `queue_ns` is the integral of the number waiting, `longest_ns` and `queue_max` are greatest ones,
`onward` were handed on to another kind after their talk. Who is called back waits until he hangs up, which is his wait;
`called_back` asked for it, `callback_delay_ns` sums the times from there to the conversations that came about, and
`not_reached` counts attempts that failed.
"""
TOTALS = ("entered", "answered", "ended", "wait_ns", "queue_ns")
"""What is counted for each kind over the whole run, warm-up and end included; the first index of `Loop.totals`."""
WAIT_BINS = 900
"""Length of a histogram of waits: bin 0 up to 10 ms, bin i up to 10 ms * 1.02 ** i."""
TRACE = (
    "kind", "agent", "outcome", "attempt", "arrived_ns", "wait_ns", "talk_ns", "number", "ahead", "p50_ms", "p90_ms",
)
"""Columns of `Loop.trace`; the last two are the engine's forecast of the wait on arrival, -1 for none."""
OUTCOMES = ("answered", "abandoned", "blocked", "expired", "other")
"""Names of the numbers in the column `outcome`."""

cdef int TOO_MANY_CONTACTS = Outcome.TOO_MANY_CONTACTS

cdef enum:                    # indexes into TALLIES
    OFFERED
    ANSWERED
    ANSWERED_IN_TARGET
    DELAYED
    GAVE_UP
    GAVE_UP_IN_TARGET
    BLOCKED
    EXPIRED
    OTHER
    RETRIED
    WAIT_NS
    ANSWERED_WAIT_NS
    TALK_NS
    WRAPUP_NS
    QUEUE_NS
    LONGEST_NS
    QUEUE_LONGEST
    ONWARD
    CALLED_BACK
    CALLBACK_DELAY_NS
    NOT_REACHED

cdef enum:                    # indexes into TOTALS
    TOTAL_ENTERED
    TOTAL_ANSWERED
    TOTAL_ENDED
    TOTAL_WAIT_NS
    TOTAL_QUEUE_NS

cdef enum Happening:
    PATIENCE_ENDS
    ANSWERS
    TALK_ENDS
    WRAPUP_ENDS
    CALLS_AGAIN
    COMES_BACK
    HANGS_UP
    RINGS_OUT

cdef enum OperationKind:
    LOGIN
    LOGOUT
    PAUSE
    AWAY
    BACK
    APPLY
    WITHDRAW
    TOP_UP

OPERATIONS = {
    "login": LOGIN, "logout": LOGOUT, "pause": PAUSE, "away": AWAY, "back": BACK, "apply": APPLY, "withdraw": WITHDRAW,
    "top_up": TOP_UP,
}

cdef enum CallerState:
    NOBODY
    WAITING
    TALKING
    WRAPPING_UP

cdef enum:
    NEVER = -1
    REJECTS = -2
    UNKNOWN = -3
    STATES = 16               # room for the engine's agent states
    STATE_LOGGED_OUT = 0
    STATE_PAUSED = 1

if len(views.AGENT_STATES) > STATES or views.AGENT_STATES[:2] != ("logged_out", "paused"):
    raise ImportError("the engine's agent states are not those that the loop knows")

cdef str NO_END = "the supply of draws for those who call again has an end"
cdef double WAIT_BIN_WIDTH = log(1.02)
cdef double NS_PER_FIRST_BIN = 1e7

cdef struct Caller:
    uint8_t state
    uint8_t answered
    uint8_t offered
    int32_t kind
    int32_t interval          # NEVER: not in the tallies
    int32_t agent
    int32_t attempt
    int32_t ahead
    int64_t stamp             # unique; 0 while nobody
    int64_t number            # of the caller, who keeps it when he calls again
    int64_t arrived
    int64_t connected
    int64_t patience
    int64_t talk
    int64_t wrapup
    int64_t retry
    int64_t onward            # the kind that it becomes after the talk; NEVER
    int64_t callback          # so often he is not reached when he is called back; NEVER: he does not want it
    int64_t hung_up           # when he asked to be called back; 0
    int64_t p50
    int64_t p90

cdef struct Row:
    int64_t values[11]


@cython.final
cdef class Supply:
    """Draws in blocks, handed out one by one.

    Args:
        refill: gives the next block, a tuple of int64 arrays of one length, or None when there is no more.
    """

    cdef object refill
    cdef int64_t[::1] arrival
    cdef int64_t[::1] patience
    cdef int64_t[::1] talk
    cdef int64_t[::1] wrapup
    cdef int64_t[::1] retry
    cdef int64_t[::1] priority
    cdef int64_t[::1] onward
    cdef int64_t[::1] callback
    cdef Py_ssize_t place
    cdef Py_ssize_t count

    def __init__(self, refill):
        self.refill = refill
        self.place = self.count = 0

    cdef bint more(self) except -1:
        """Whether `place` is at a row that has not been used."""
        if self.place < self.count:
            return True
        if self.refill is None:
            return False
        block = self.refill()
        if block is None:
            self.refill = None
            return False
        (
            self.arrival, self.patience, self.talk, self.wrapup, self.retry, self.priority, self.onward, self.callback,
        ) = block
        self.place = 0
        self.count = self.arrival.shape[0]
        return self.more()


@cython.final
cdef class Loop:
    """One run of a model; see the module.

    Args:
        driver: the engine.
        start, warmup, horizon, interval: engine time of the start, and durations from there, in nanoseconds.
        kinds: for each kind of contact `(tenant, queue, require, attributes, priority)`.
        arrivals: for each kind a `Supply` of those who come; `patience_ns` and `retry_ns` of -1 are never.
        again: for each kind a `Supply`, without end, for those who call again or are handed on to it.
        backlog: for each kind how many contacts wait at all times while it is topped up; 0 for kinds that arrive.
        asking: for each kind who is asked whether he wants to be called back: 0 nobody, 1 whom the engine says, 2 all who
            have to wait, 3 who finds so many before him as `ahead` says.
        moved_to: for each kind the queue that contacts are moved to whose callers hung up; "" for none.
        ringing: for each kind how long a phone rings that nobody picks up.
        answering: `Supply` by group of agents: the column `arrival` is the time that an agent takes to answer an
            offer, -1 if he lets it ring, -2 if he rejects it at once.
        group: the group of each agent.
        returns: for each agent, after how long he comes back who was paused for missed offers.
        speed: factor on the talk for each kind and agent.
        operations: what the timetable asks, ordered by time: `at` (from the start), `what`, `subject`, `length`.
        clients: names of the clients that agents log in by; `client_of` for each agent.
        commands: what operation `apply` means, by its subject.
        traced: how many contacts to keep in `trace`.
    """

    cdef Driver driver
    cdef Calendar calendar
    cdef readonly int64_t start
    cdef int64_t warmup
    cdef int64_t horizon
    cdef int64_t interval
    cdef Py_ssize_t kinds
    cdef Py_ssize_t agents
    cdef Py_ssize_t intervals
    cdef list routes
    cdef list arrivals
    cdef list again
    cdef list answering
    cdef int64_t[::1] asking
    cdef int64_t[::1] ringing
    cdef int64_t[::1] ahead
    cdef list moved_to
    cdef list hung_up         # for each kind how many wait to be called back
    cdef list clients
    cdef list commands
    cdef int64_t[::1] targets
    cdef int64_t[::1] backlog
    cdef int64_t[::1] topping
    cdef int32_t[::1] group
    cdef int32_t[::1] client_of
    cdef int64_t[::1] returns
    cdef double[:, ::1] speed
    cdef int64_t[::1] op_at
    cdef int32_t[::1] op_what
    cdef int32_t[::1] op_subject
    cdef int64_t[::1] op_length
    cdef Py_ssize_t op_next
    cdef Caller *callers
    cdef int64_t caller_capacity
    cdef int32_t caller_count
    cdef int32_t *free_callers
    cdef int64_t free_capacity
    cdef int64_t free_count
    cdef int32_t *caller_of   # by the engine's contact slot
    cdef int64_t slot_capacity
    cdef int32_t coming       # kind that arrives next; NEVER or UNKNOWN
    cdef int64_t coming_at
    cdef int32_t entering     # whose enqueue is under way
    cdef int64_t stamps
    cdef bint too_long        # some sum of times
    cdef int64_t numbers
    cdef bint lacking         # some backlog is below its mark
    cdef int64_t[:, :, ::1] tally
    cdef int64_t[:, ::1] total
    cdef int64_t[:, ::1] histogram
    cdef int64_t[:, ::1] state_by_agent
    cdef int64_t[:, ::1] state_by_interval
    cdef int64_t[:, ::1] served
    cdef int64_t[:, ::1] talked
    cdef int64_t[::1] present
    cdef int64_t[::1] present_since
    cdef int32_t[::1] agent_state
    cdef int64_t[::1] agent_since
    cdef int64_t[::1] break_length
    cdef int64_t[::1] agent_stamp
    cdef int64_t[::1] away    # by client
    cdef Row *rows
    cdef int64_t row_capacity
    cdef int64_t row_count
    cdef int64_t traced
    cdef readonly int64_t now
    cdef readonly int64_t steps
    cdef readonly int64_t finished_contacts

    def __init__(
        self, Driver driver, *, int64_t start, int64_t warmup, int64_t horizon, int64_t interval, list kinds,
        list arrivals, list again, backlog, asking, ahead, list moved_to, ringing,
        list answering, group, returns, speed, operations, list clients, client_of,
        list commands, int64_t traced, counters,
    ):
        cdef Py_ssize_t kind
        self.driver = driver
        self.calendar = Calendar()
        self.start = self.now = start
        self.warmup = start + warmup
        self.horizon = start + horizon
        self.interval = interval
        self.kinds = len(kinds)
        self.routes = kinds
        self.arrivals = arrivals
        self.again = again
        self.backlog = backlog
        self.asking = asking
        self.ringing = ringing
        self.ahead = ahead
        self.moved_to = moved_to
        self.hung_up = [0] * self.kinds
        self.answering = answering
        self.group = group
        self.returns = returns
        self.speed = speed
        self.op_at, self.op_what, self.op_subject, self.op_length = operations
        self.clients = clients
        self.client_of = client_of
        self.commands = commands
        self.traced = traced
        self.tally = counters["tallies"]
        self.total = counters["totals"]
        self.histogram = counters["histograms"]
        self.state_by_agent = counters["state_by_agent"]
        self.state_by_interval = counters["state_by_interval"]
        self.served = counters["served"]
        self.talked = counters["talked"]
        self.targets = counters["targets"]
        self.topping = counters["topping"]
        self.present = counters["present"]
        self.present_since = counters["present_since"]
        self.agent_state = counters["agent_state"]
        self.agent_since = counters["agent_since"]
        self.break_length = counters["break_length"]
        self.agent_stamp = counters["agent_stamp"]
        self.away = counters["away"]
        self.agents = self.agent_state.shape[0]
        self.intervals = self.tally.shape[2]
        self.entering = NEVER
        self.coming = UNKNOWN
        for kind in range(self.kinds):
            self.present_since[kind] = start
        for kind in range(self.agents):
            self.agent_since[kind] = start

    def __dealloc__(self):
        release(self.callers)
        release(self.free_callers)
        release(self.caller_of)
        release(self.rows)

    # -- the loop -----------------------------------------------------------------------------------------------

    def run(self, int64_t steps):
        """Take up to so many steps; gives False when nothing is left to happen.

        Raises `SimulationError` when a sum of times is longer than can be counted.
        """
        cdef int64_t deadline, operation, entry, arrival, last
        last = self.steps + steps
        while self.steps < last:
            self.steps += 1
            if self.lacking:
                self._top_up()
            if self.coming == UNKNOWN:
                self._look_out()
            arrival = self.coming_at
            operation = self.start + self.op_at[self.op_next] if self.op_next < self.op_at.shape[0] else INT64_MAX
            entry = self.calendar.next_at()
            deadline = self.driver.next_deadline()
            if deadline <= operation and deadline <= entry and deadline <= arrival:
                if deadline == INT64_MAX:
                    self._look_at_sums()
                    return False
                self.now = deadline
                self.driver.advance(deadline)
            elif operation <= entry and operation <= arrival:
                self.now = operation
                self._operate()
            elif entry <= arrival:
                self.now = entry
                self._happen()
            else:
                self.now = arrival
                self._arrive(self.coming)
                self.coming = UNKNOWN
            self._note()
        self._look_at_sums()
        return True

    def close(self, bint finished):
        """Bring all integrals up to the present, or to the horizon if nothing happened until then.

        Gives how many contacts are still there.
        """
        cdef Py_ssize_t index
        cdef int64_t left = 0
        if finished and self.now < self.horizon:
            self.now = self.horizon
        for index in range(self.kinds):
            self._present(<int32_t>index, 0)
            left += self.present[index]
        for index in range(self.agents):
            self._agent_is(<int32_t>index, self.agent_state[index], self.now)
        self._look_at_sums()
        return left

    def trace(self):
        """The contacts kept, as bytes of rows of int64 with the columns of `TRACE`, in the order of their end."""
        cdef bytearray out = bytearray(self.row_count * sizeof(Row))
        if self.row_count:
            memcpy(<char *>out, self.rows, self.row_count * sizeof(Row))
        return out

    cdef int _look_out(self) except -1:
        """See who arrives next."""
        cdef int32_t kind
        cdef Supply supply
        self.coming = NEVER
        self.coming_at = INT64_MAX
        for kind in range(<int32_t>self.kinds):
            if self.backlog[kind]:
                continue
            supply = <Supply>self.arrivals[kind]
            if supply.more() and self.start + supply.arrival[supply.place] < self.coming_at:
                self.coming_at = self.start + supply.arrival[supply.place]
                self.coming = kind
        return 0

    # -- what happens -------------------------------------------------------------------------------------------

    cdef int _operate(self) except -1:
        cdef int what = self.op_what[self.op_next]
        cdef int32_t subject = self.op_subject[self.op_next]
        cdef int64_t length = self.op_length[self.op_next]
        cdef int32_t caller
        self.op_next += 1
        if what == LOGIN:
            self.agent_stamp[subject] += 1
            self.break_length[subject] = 0
            self.driver.login(self.now, subject, self.clients[self.client_of[subject]])
        elif what == LOGOUT:
            self.agent_stamp[subject] += 1
            self.break_length[subject] = 0
            self.driver.logout(self.now, subject)
        elif what == PAUSE:
            if self.agent_state[subject] > STATE_PAUSED:
                self.break_length[subject] = length
                self.driver.pause(self.now, subject, "break")
        elif what == AWAY:
            self.away[subject] = 1
            self.driver.away(self.now, self.clients[subject])
        elif what == BACK:
            self.away[subject] = 0
            self.driver.back(self.now, self.clients[subject])
        elif what == APPLY:
            self.commands[subject].apply(self.driver.engine, self.now, "sim")
        elif what == TOP_UP:
            self.topping[subject] = 1
            self.lacking = True
        elif what == WITHDRAW:
            self.topping[subject] = 0
            for caller in range(self.caller_count):
                if self.callers[caller].state == WAITING and self.callers[caller].kind == subject:
                    self.driver.withdraw(self.now, caller)
        return 0

    cdef int _happen(self) except -1:
        cdef Entry entry = self.calendar.take()
        cdef Caller *row
        cdef int32_t subject = entry.subject
        if entry.kind == ANSWERS:
            self.driver.accept(self.now, entry.stamp)  # refused if the offer is gone, as it is live
            return 0
        if entry.kind == COMES_BACK:
            if self.agent_stamp[subject] == entry.stamp and self.agent_state[subject] == STATE_PAUSED:
                self.driver.ready(self.now, subject)
            return 0
        row = &self.callers[subject]
        if row.stamp != entry.stamp:
            return 0
        if entry.kind == PATIENCE_ENDS:
            if row.state == WAITING and not row.hung_up:
                self.driver.abandon(self.now, subject)
        elif entry.kind == TALK_ENDS:
            if row.onward >= 0:
                self._hand_on(subject)
            else:
                self.driver.complete(self.now, subject, False)
        elif entry.kind == HANGS_UP:
            if row.state == WAITING:
                self._hang_up(subject)
        elif entry.kind == RINGS_OUT:
            if row.state == TALKING:
                row.state = WAITING
                self.hung_up[row.kind] += 1
                self.driver.not_reached(self.now, subject)
        elif entry.kind == WRAPUP_ENDS:
            if row.state == WRAPPING_UP:
                self.driver.end_wrapup(self.now, row.agent)
        else:
            self._call_again(subject)
        return 0

    cdef int32_t _new_caller(self) except -1:
        cdef int32_t caller
        if self.free_count:
            self.free_count -= 1
            caller = self.free_callers[self.free_count]
        else:
            caller = self.caller_count
            self.caller_count += 1
            reserve(<void **>&self.callers, &self.caller_capacity, self.caller_count, sizeof(Caller))
        self.stamps += 1
        self.callers[caller].stamp = self.stamps
        return caller

    cdef int _free_caller(self, int32_t caller) except -1:
        self.callers[caller].stamp = 0
        self.callers[caller].state = NOBODY
        reserve(<void **>&self.free_callers, &self.free_capacity, self.free_count + 1, sizeof(int32_t))
        self.free_callers[self.free_count] = caller
        self.free_count += 1
        return 0

    cdef int _arrive(self, int32_t kind) except -1:
        cdef Supply supply = <Supply>self.arrivals[kind]
        cdef Py_ssize_t place = supply.place
        cdef int32_t caller = self._new_caller()
        cdef Caller *row = &self.callers[caller]
        supply.place += 1
        self.numbers += 1
        row.kind = kind
        row.number = self.numbers
        row.attempt = 1
        row.patience = supply.patience[place]
        row.talk = supply.talk[place]
        row.wrapup = supply.wrapup[place]
        row.retry = supply.retry[place]
        row.onward = supply.onward[place]
        row.callback = supply.callback[place]
        return self._enter(caller, <int>supply.priority[place])

    cdef int _hand_on(self, int32_t caller) except -1:
        """The agent ends his part, and the caller waits for somebody else, as another kind of contact."""
        cdef int32_t next_caller = self._new_caller()
        cdef Caller *row = &self.callers[caller]
        cdef Caller *after = &self.callers[next_caller]
        cdef Supply supply = <Supply>self.again[row.onward]
        if row.interval >= 0:
            self.tally[ONWARD, row.kind, row.interval] += 1
        self.driver.complete(self.now, caller, True)
        if not supply.more():
            raise ValueError(NO_END)
        after.kind = <int32_t>row.onward
        after.number = row.number
        after.attempt = 1
        after.patience = supply.patience[supply.place]
        after.talk = supply.talk[supply.place]
        after.wrapup = supply.wrapup[supply.place]
        after.retry = supply.retry[supply.place]
        after.onward = supply.onward[supply.place]
        after.callback = supply.callback[supply.place]
        supply.place += 1
        return self._enter(next_caller, 0)

    cdef int _call_again(self, int32_t caller) except -1:
        cdef Caller *row = &self.callers[caller]
        cdef Supply supply = <Supply>self.again[row.kind]
        if not supply.more():
            raise ValueError(NO_END)
        row.attempt += 1
        row.patience = supply.patience[supply.place]
        row.retry = supply.retry[supply.place]
        row.callback = supply.callback[supply.place]
        supply.place += 1
        self.stamps += 1
        row.stamp = self.stamps
        return self._enter(caller, 0)

    cdef int _enter(self, int32_t caller, int priority) except -1:
        cdef Caller *row = &self.callers[caller]
        cdef tuple route = <tuple>self.routes[row.kind]
        cdef int outcome
        row.state = WAITING
        row.answered = row.offered = False
        row.agent = NEVER
        row.arrived = self.now
        row.connected = row.hung_up = 0
        row.p50 = row.p90 = NEVER
        row.ahead = <int32_t>self.present[row.kind]
        row.interval = NEVER
        if self.warmup <= self.now < self.horizon:
            row.interval = <int32_t>((self.now - self.start) // self.interval)
            self.tally[OFFERED, row.kind, row.interval] += 1
            if row.attempt > 1:
                self.tally[RETRIED, row.kind, row.interval] += 1
        self.total[TOTAL_ENTERED, row.kind] += 1
        self.entering = caller
        outcome = self.driver.enqueue(
            self.now, caller, f"{row.stamp}", <str>route[0], <str>route[1], <int>route[4] + priority, <str>route[2],
            <dict>route[3],
        )
        if outcome == TOO_MANY_CONTACTS:
            # All lines of the centre are taken: he is turned away as by a full queue.
            self.entering = NEVER
            return self._ended(caller, QUEUE_FULL, 0, 0, self.now)
        if outcome >= 100:
            raise ValueError(f"the engine refused a contact for {route[0]}/{route[1]} with outcome {outcome}")
        return 0

    cdef int _top_up(self) except -1:
        """Give each backlog the contacts that it lacks."""
        cdef int32_t kind
        cdef Supply supply
        self.lacking = False
        for kind in range(<int32_t>self.kinds):
            supply = <Supply>self.arrivals[kind]
            while self.topping[kind] and self.present[kind] < self.backlog[kind] and supply.more():
                self._arrive(kind)
                self._note()
        return 0

    # -- what the engine says -----------------------------------------------------------------------------------

    cdef int _note(self) except -1:
        """Take note of all records. What is answered at once adds to them."""
        cdef int64_t index = 0
        cdef Record *record
        cdef int32_t caller
        while index < self.driver.count():
            record = self.driver.record(index)
            index += 1
            if record.kind == AGENT_CHANGED:
                self._agent_changed(self.driver.agent_at(record.agent), record.code, record.at)
                continue
            if record.contact < 0:
                continue
            if record.contact >= self.slot_capacity or self.caller_of[record.contact] == 0:
                reserve(<void **>&self.caller_of, &self.slot_capacity, record.contact + 1, sizeof(int32_t))
                self.caller_of[record.contact] = self.entering + 1
                if record.kind == CONTACT_QUEUED_EVENT:
                    self._queued(self.entering, record)
            caller = self.caller_of[record.contact] - 1
            if record.kind == CONTACT_OFFERED_EVENT:
                self._offered(caller, self.driver.agent_at(record.agent), record.offer)
            elif record.kind == CONTACT_CONNECTED_EVENT:
                self._connected(caller, self.driver.agent_at(record.agent), record.a)
            elif record.kind == CONTACT_WRAPUP_EVENT:
                self.callers[caller].state = WRAPPING_UP
                if 0 <= self.callers[caller].wrapup < record.b:
                    self.calendar.add(
                        self.now + self.callers[caller].wrapup, WRAPUP_ENDS, caller, self.callers[caller].stamp
                    )
            elif record.kind == CONTACT_ENDED:
                self.caller_of[record.contact] = 0
                self._ended(caller, record.code, record.a, record.b, record.at)
        return self.driver.forget()

    cdef int _queued(self, int32_t caller, Record *record) except -1:
        cdef Caller *row = &self.callers[caller]
        if record.flag:
            row.p50, row.p90 = record.b, record.c
        self._present(row.kind, 1)
        if row.interval >= 0 and self.present[row.kind] > self.tally[QUEUE_LONGEST, row.kind, row.interval]:
            self.tally[QUEUE_LONGEST, row.kind, row.interval] = self.present[row.kind]
        if row.patience >= 0:
            self.calendar.add(self.now + row.patience, PATIENCE_ENDS, caller, row.stamp)
        if row.callback >= 0 and self._is_asked(row, record.offer):
            self.calendar.add(self.now, HANGS_UP, caller, row.stamp)
        return 0

    cdef bint _is_asked(self, Caller *row, bint advised) except -1:
        """Whether a caller is asked if he wants to be called back; the engine may have advised to."""
        cdef int64_t asking = self.asking[row.kind]
        if asking == 3:
            return row.ahead + <int64_t>self.hung_up[row.kind] >= self.ahead[row.kind]
        return asking == 2 or (asking == 1 and advised)

    cdef int _hang_up(self, int32_t caller) except -1:
        """He has not been offered to anybody yet, and wants to be called back."""
        cdef Caller *row = &self.callers[caller]
        cdef int outcome
        if row.offered:
            return 0
        outcome = self.driver.call_back(self.now, caller)
        if outcome >= 100:
            raise ValueError(f"the engine refused to call a caller back with outcome {outcome}")
        if self.moved_to[row.kind]:
            outcome = self.driver.move(self.now, caller, <str>self.moved_to[row.kind])
            if outcome >= 100:
                raise ValueError(f"the engine refused to move a callback with outcome {outcome}")
        row.hung_up = self.now
        self.hung_up[row.kind] += 1
        self._present(row.kind, -1)
        if row.interval >= 0:
            self.tally[CALLED_BACK, row.kind, row.interval] += 1
        return 0

    cdef int _offered(self, int32_t caller, int32_t agent, int64_t offer) except -1:
        cdef Supply supply = <Supply>self.answering[self.group[agent]]
        cdef int64_t delay = 0
        self.callers[caller].offered = True
        if supply.more():
            delay = supply.arrival[supply.place]
            supply.place += 1
        if delay == 0:
            self.driver.accept(self.now, offer)
        elif delay == REJECTS:
            self.driver.reject(self.now, offer)
        elif delay > 0:
            self.calendar.add(self.now + delay, ANSWERS, caller, offer)
        return 0

    cdef int _connected(self, int32_t caller, int32_t agent, int64_t wait) except -1:
        cdef Caller *row = &self.callers[caller]
        cdef int64_t talk = <int64_t>(<double>row.talk * self.speed[row.kind, agent])
        row.state = TALKING
        row.agent = agent
        if row.hung_up:
            wait = row.hung_up - row.arrived
            self.hung_up[row.kind] -= 1
            if row.callback > 0:
                row.callback -= 1
                if row.interval >= 0:
                    self.tally[NOT_REACHED, row.kind, row.interval] += 1
                return self.calendar.add(self.now + self.ringing[row.kind], RINGS_OUT, caller, row.stamp)
            if row.interval >= 0:
                self._add(&self.tally[CALLBACK_DELAY_NS, row.kind, row.interval], self.now - row.hung_up, 1)
        else:
            self._present(row.kind, -1)
        row.answered = True
        row.connected = self.now
        if self.backlog[row.kind]:
            self.lacking = True
        self.total[TOTAL_ANSWERED, row.kind] += 1
        self._add(&self.total[TOTAL_WAIT_NS, row.kind], wait, 1)
        if row.interval >= 0:
            self._count(row, ANSWERED, wait)
            self._add(&self.tally[ANSWERED_WAIT_NS, row.kind, row.interval], wait, 1)
            if wait <= self.targets[row.kind]:
                self.tally[ANSWERED_IN_TARGET, row.kind, row.interval] += 1
            self.served[row.kind, agent] += 1
            self.histogram[row.kind, _bin(wait)] += 1
        return self.calendar.add(self.now + talk, TALK_ENDS, caller, row.stamp)

    cdef void _count(self, Caller *row, int outcome, int64_t wait) noexcept:
        self.tally[outcome, row.kind, row.interval] += 1
        self._add(&self.tally[WAIT_NS, row.kind, row.interval], wait, 1)
        if wait or row.hung_up:
            self.tally[DELAYED, row.kind, row.interval] += 1
            if wait > self.tally[LONGEST_NS, row.kind, row.interval]:
                self.tally[LONGEST_NS, row.kind, row.interval] = wait

    cdef int _ended(self, int32_t caller, int reason, int64_t wait, int64_t talk, int64_t at) except -1:
        cdef Caller *row = &self.callers[caller]
        cdef int outcome = ANSWERED
        self.total[TOTAL_ENDED, row.kind] += 1
        self.finished_contacts += 1
        if row.hung_up:
            wait = row.hung_up - row.arrived
            if row.state == WAITING:
                self.hung_up[row.kind] -= 1
        if row.answered:
            if row.interval >= 0:
                self._add(&self.tally[TALK_NS, row.kind, row.interval], talk, 1)
                self._add(&self.tally[WRAPUP_NS, row.kind, row.interval], at - row.connected - talk, 1)
                self._add(&self.talked[row.kind, row.agent], at - row.connected, 1)
        else:
            outcome = GAVE_UP if reason == ABANDONED else EXPIRED if reason == MAX_WAIT else OTHER
            if reason == QUEUE_FULL:
                outcome = BLOCKED
            elif not row.hung_up:
                self._present(row.kind, -1)
            if self.backlog[row.kind]:
                self.lacking = True
            self._add(&self.total[TOTAL_WAIT_NS, row.kind], wait, 1)
            if row.interval >= 0:
                self._count(row, outcome, wait)
                if outcome == GAVE_UP and wait <= self.targets[row.kind]:
                    self.tally[GAVE_UP_IN_TARGET, row.kind, row.interval] += 1
        if self.row_count < self.traced and row.interval >= 0:
            self._keep(row, outcome, wait, talk)
        if outcome in (GAVE_UP, BLOCKED, EXPIRED) and row.retry >= 0 and self.now + row.retry < self.horizon:
            row.state = NOBODY
            self.calendar.add(self.now + row.retry, CALLS_AGAIN, caller, row.stamp)
            return 0
        return self._free_caller(caller)

    cdef int _keep(self, Caller *row, int outcome, int64_t wait, int64_t talk) except -1:
        cdef int64_t *values
        reserve(<void **>&self.rows, &self.row_capacity, self.row_count + 1, sizeof(Row))
        values = self.rows[self.row_count].values
        self.row_count += 1
        values[0] = row.kind
        values[1] = row.agent
        values[2] = (
            0 if outcome == ANSWERED else 1 if outcome == GAVE_UP else 2 if outcome == BLOCKED
            else 3 if outcome == EXPIRED else 4
        )
        values[3] = row.attempt
        values[4] = row.arrived - self.start
        values[5] = wait
        values[6] = talk
        values[7] = row.number
        values[8] = row.ahead
        values[9] = row.p50
        values[10] = row.p90
        return 0

    cdef int _agent_changed(self, int32_t agent, int state, int64_t at) except -1:
        if agent < 0:
            return 0
        self._agent_is(agent, state, at)
        if state != STATE_PAUSED or self.away[self.client_of[agent]]:
            return 0
        self.agent_stamp[agent] += 1
        self.calendar.add(
            at + (self.break_length[agent] if self.break_length[agent] else self.returns[agent]), COMES_BACK, agent,
            self.agent_stamp[agent],
        )
        self.break_length[agent] = 0
        return 0

    # -- integrals ----------------------------------------------------------------------------------------------

    cdef void _agent_is(self, int32_t agent, int32_t state, int64_t at) noexcept:
        """Account for the time up to `at`, and enter the next state."""
        cdef int32_t before = self.agent_state[agent]
        cdef int64_t since = self.agent_since[agent]
        self.agent_state[agent] = state
        self.agent_since[agent] = at
        if since < self.warmup:
            since = self.warmup
        if at > self.horizon:
            at = self.horizon
        if at > since:
            self.state_by_agent[agent, before] += at - since
            self._spread(&self.state_by_interval[before, 0], since, at, 1)

    cdef void _present(self, int32_t kind, int64_t change) noexcept:
        """The number of those who wait changes now."""
        cdef int64_t since = self.present_since[kind], until = self.now, count = self.present[kind]
        self.present[kind] += change
        self.present_since[kind] = self.now
        if count == 0 or until == since:
            return
        self._add(&self.total[TOTAL_QUEUE_NS, kind], until - since, count)
        if since < self.warmup:
            since = self.warmup
        if until > self.horizon:
            until = self.horizon
        if until > since:
            self._spread(&self.tally[QUEUE_NS, kind, 0], since, until, count)

    cdef void _add(self, int64_t *sum, int64_t time, int64_t count) noexcept nogil:
        """So often a time, to a sum. One that would be longer than 292 years stays, and is told of."""
        if count > 0 and time > (INT64_MAX - sum[0]) // count:
            self.too_long = True
        else:
            sum[0] += time * count

    cdef int _look_at_sums(self) except -1:
        if self.too_long:
            raise SimulationError(
                "all together have waited or talked for more than 292 years, which is more than can be counted: give callers "
                "patience or the queues a max_wait_s, more agents, shorter intervals or a shorter horizon"
            )
        return 0

    cdef void _spread(self, int64_t *cells, int64_t since, int64_t until, int64_t weight) noexcept nogil:
        """Add a stretch of time to the intervals that it lies in."""
        cdef int64_t index = (since - self.start) // self.interval
        cdef int64_t end = self.start + (index + 1) * self.interval
        while until > end:
            self._add(&cells[index], end - since, weight)
            since = end
            index += 1
            end += self.interval
        self._add(&cells[index], until - since, weight)


cdef inline int _bin(int64_t wait) noexcept nogil:
    cdef int index
    if wait <= NS_PER_FIRST_BIN:
        return 0
    index = 1 + <int>(log(wait / NS_PER_FIRST_BIN) / WAIT_BIN_WIDTH)
    return index if index < 900 else 899
