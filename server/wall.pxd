from acd_core.engine cimport Engine
from acd_protocol.plain_line cimport PlainLine

cdef class Wall:
    cdef int _plain  # kinds of plain lines that may be sent for what is behind it
    cdef bint _has_tenants  # else it is made of agents
    cdef frozenset _tenants
    cdef object _reach
    cdef dict _sides  # by type of command
    cdef object _known_in  # the configuration by which these verdicts hold
    cdef dict _seen
    cdef dict _owned

    cdef bint passes_plain(self, Engine engine, PlainLine plain, str client) except -1
    cdef bint passes_command(self, Engine engine, object command, str client) except -1
    cdef bint shows(self, object config, str tenant, str agent) except -1
    cdef bint _has_contact(self, Engine engine, str contact, str client) except -1
    cdef bint _has_offer(self, Engine engine, str offer) except -1
    cdef bint _owns(self, object config, str agent) except -1
    cdef int _begin(self, object config) except -1
