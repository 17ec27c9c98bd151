cimport cython
from libc.stdint cimport int64_t
from acd_core.engine cimport Engine
from acd_core.json_text cimport JsonText
from acd_protocol.plain_line cimport PLAIN_KINDS, PlainLine
from server.batch_text cimport BatchText
from server.counters cimport Counters, Histogram
from server.outlet cimport Outlet
from server.router_core cimport RouterCore

cpdef int64_t apply_command(object machine, object command, int64_t now, str client) except -1

cdef class SequencerCore:
    cdef object _machine
    cdef Engine engine  # the machine, where it is the compiled one
    cdef public object clock
    cdef readonly RouterCore router
    cdef readonly Counters counters
    cdef readonly object limits
    cdef public set away
    cdef public str state
    cdef public int64_t budget
    cdef public bint congested
    cdef public bint read_only
    cdef public int64_t commands_journaled
    cdef public int64_t _now
    cdef readonly BatchText _next  # what is appended when the batch under way is durable
    cdef public list _outputs
    cdef list _texts  # buffers that are free
    cdef int64_t _looked_at  # how many commands it had when it was last looked whether it should begin
    cdef int64_t _gathers_since  # engine time; 0 as long as it does not wait
    cdef int64_t _expected  # how many it is worth waiting for; while an append is under way, how many are in that
    cdef bint _answered  # whether the batch before it was answered since it was last looked
    cdef public object _in_flight
    cdef public object _deferred
    cdef public bint _turn_scheduled
    cdef object _turn  # `_end_turn`, bound once
    cdef public object _timer
    cdef public int64_t _timer_deadline
    cdef public bint _behind
    cdef public object _loop
    cdef public object _writer
    cdef public object _idle
    cdef public bint _awaited  # whether somebody waits for that
    cdef int _plain_kinds  # see `kinds_in_use`; -1 when it has to be looked at again
    cdef bint _machine_time  # whether nobody put another stopwatch in place of the machine's; looked at with those
    cdef list _plain_ns
    cdef void *_plain_histograms[PLAIN_KINDS]  # the same, without references
    cdef Py_ssize_t _plain_places[PLAIN_KINDS]
    cdef int64_t _deadlines_max
    cdef int64_t _batch_bytes_max
    cdef int64_t _lines_max

    cpdef int64_t execute(self, str client, bytes line, object command) except -1
    cpdef object send(self, object output, bytes data)
    cpdef object _arm(self)
    cpdef bint _held_up(self) except -1
    cdef int _look_at_kinds(self) except -1
    cdef int64_t execute_plain(self, str client, const char *line, Py_ssize_t length, PlainLine plain) except -1
    cdef JsonText text_of(self, Outlet outlet)
    cdef list _gathered(self)
    cdef int64_t _no_room(self) except -1
    cdef int64_t _opened(self) except -1
    cdef int64_t _time(self) except -1
    cdef int64_t _next_deadline(self) except -1
    cdef int64_t seq(self) except -1
    cdef int _schedule_turn(self) except -1
    cdef int64_t _open(self) except -1
    cdef int _close(self) except -1
    cdef bint _gathers(self) except -1
    cdef int _begin(self) except -1
    cdef int _release(self, list outputs) except -1
    cdef int _hand_out(self) except -1

    @cython.final
    cdef inline bint takes_plain(self, PlainLine plain) except -1:
        """Whether `execute_plain` carries out what was read."""
        if self._plain_kinds < 0:
            self._look_at_kinds()
        return self._plain_kinds >> <int>plain.kind & 1
