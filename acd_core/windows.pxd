from libc.stdint cimport int64_t
from acd_core.types cimport Contact, Pace

cdef struct Forecast:
    bint known
    int64_t mean_ms
    int64_t p50_ms
    int64_t p90_ms
    int64_t mean_us           # which the others follow from, with the spread
    int64_t spread            # the coefficient of variation, or the largest that the tables of quantiles know if that is less


cdef inline void foresee(Contact *row, const Forecast *forecast) noexcept nogil:
    """Keep a known forecast of how long a contact has to wait."""
    row.foreseen = True
    row.mean_us = forecast.mean_us
    row.spread = forecast.spread


cdef Forecast foreseen_of(const Contact *row) noexcept nogil
cdef bint find_forecast(int64_t mean_ms, int64_t p50_ms, int64_t p90_ms, Forecast *found) noexcept nogil
cdef void pass_time(Pace *row, int64_t now_us) noexcept nogil
cdef Forecast forecast_of(Pace *row, int64_t ahead, int64_t place, int64_t now_us) noexcept nogil
