from libc.stdint cimport int64_t
from acd_core.types cimport Pace

cdef struct Forecast:
    bint known
    int64_t mean_ms
    int64_t p50_ms
    int64_t p90_ms

cdef void pass_time(Pace *row, int64_t now_us) noexcept nogil
cdef Forecast forecast_of(Pace *row, int64_t ahead, int64_t place, int64_t now_us) noexcept nogil
