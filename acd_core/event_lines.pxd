from libc.stdint cimport int64_t
from acd_core.state cimport State

cdef class EventLine:
    cdef readonly int64_t seq
    cdef readonly bytes line
    cdef readonly str contact_client
    cdef readonly str agent_client
    cdef readonly str topic
    cdef readonly str tenant
    cdef readonly str agent

    @staticmethod
    cdef list of_records(State state)
