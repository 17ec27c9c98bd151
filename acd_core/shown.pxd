from libc.stdint cimport int32_t, int64_t, uint32_t
from acd_core.state cimport State
from acd_core.windows cimport Forecast

cdef class Shown(State):
    cdef str tenant_of_contact(self, str contact)
    cdef Forecast _forecast(self, int32_t contact) noexcept
    cdef object _pace_view(self, object queue, int32_t pace)
    cdef int64_t _oldest(self, int32_t queue) except -1
    cdef object _queue_view(self, int32_t slot)
    cdef tuple _channel_names(self, uint32_t channels)
    cdef str _leg_contact(self, int32_t leg)
    cdef object _leg_view(self, int32_t leg)
    cdef object _agent_view(self, int32_t slot)
    cdef object _contact_view(self, int32_t slot)
    cdef object _urgency(self, int32_t slot)
    cdef tuple _order_key(self, int32_t slot)
