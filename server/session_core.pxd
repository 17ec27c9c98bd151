from libc.stdint cimport int64_t
from acd_protocol.line_cutter cimport LineCutter
from acd_protocol.plain_line cimport PlainLine
from server.counters cimport Counters
from server.outlet cimport Outlet
from server.sequencer_core cimport SequencerCore
from server.wall cimport Wall

cdef class Cursor:
    cdef public int64_t cursor

cdef class SessionCore(Outlet):
    cdef public str name
    cdef public object identity
    cdef readonly SequencerCore _sequencer
    cdef Counters _counters
    cdef public object _transport
    cdef readonly LineCutter _reader
    cdef readonly Cursor _following
    cdef public list _lines
    cdef public Py_ssize_t _index
    cdef public int64_t _unsent
    cdef int64_t _unsent_max
    cdef int64_t _line_bytes_max
    cdef public int64_t _errors_in_a_row
    cdef public bint _put_off
    cdef public bint _stalled
    cdef public bint _paused
    cdef public bint _ended
    cdef public bint _closing
    cdef public bint _walled
    cdef public int _descriptor  # of its socket, where bytes may be sent without the transport; else -1
    cdef bint _held_back  # whether the transport may hold bytes that come before those
    cdef public tuple _paces  # how fast its lines are taken
    cdef readonly frozenset _free
    cdef int _plain_free  # kinds of plain lines whose commands are among those
    cdef Wall _wall
    cdef PlainLine _plain
    cdef set _long_lines

    cpdef object send(self, bytes data)
    cpdef object _read_lines(self, bytes data)
    cdef int _written(self) except -1
    cpdef object run(self)
    cdef Py_ssize_t _deal_in_place(self, bytes data) except -1
    cdef bint _deal_read(self, PlainLine plain, const char *line, Py_ssize_t length) except -1
    cdef bint _deal_other(self, bytes line) except -1
    cdef bint _sees(self, str tenant, str agent) except -1
    cdef int _answer(self, object command, int64_t outcome) except -1
    cdef int _answer_plain(self, PlainLine plain, int64_t outcome) except -1
