# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The window of one line: how fast it moves, and the forecasts that follow.

forecast.py tells what they are made of, model/pace.py makes them readably. Here a window is advanced only when it is
touched: that gives the same sums as advancing it all the time, and costs a handful of additions for each minute since,
until a minute changes nothing any more.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memset

from acd_core.standing cimport int128_t
from acd_core.types cimport Contact, Pace

from acd_core import forecast

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    typedef uint64_t acd_pair __attribute__((vector_size(16)));

    #define ACD_FADE_SHIFT 4
    #define ACD_FADE(sums) (sums -= sums >> ACD_FADE_SHIFT)
    #define ACD_MINUTE(add) (queue += (add), ACD_FADE(queue), ACD_FADE(counts), ACD_FADE(rings))

    /* The sums of a Pace after so much more of a minute, which is over then, and as many whole ones: each is less by a sixteenth
       at the end of a minute. What a minute leaves as it is, each further one does. */
    static void acd_pass_minutes(int64_t *sums, int64_t waiting, int64_t elapsed, int64_t period, int64_t whole) {
        acd_pair counts, queue, rings, before, changed;
        acd_pair first = {waiting ? (uint64_t)elapsed : 0, (uint64_t)(waiting * elapsed)};
        acd_pair each = {waiting ? (uint64_t)period : 0, (uint64_t)(waiting * period)};
        memcpy(&counts, sums, sizeof counts);
        memcpy(&queue, sums + 2, sizeof queue);
        memcpy(&rings, sums + 4, sizeof rings);
        ACD_MINUTE(first);
        for (; whole >= 8; whole -= 8) {
            before = queue;
            for (int minute = 0; minute < 8; minute++)
                ACD_MINUTE(each);
            changed = (queue ^ before) | counts >> ACD_FADE_SHIFT | rings >> ACD_FADE_SHIFT;
            if (!(changed[0] | changed[1]))
                whole = 8;
        }
        for (; whole; whole--)
            ACD_MINUTE(each);
        memcpy(sums, &counts, sizeof counts);
        memcpy(sums + 2, &queue, sizeof queue);
        memcpy(sums + 4, &rings, sizeof rings);
    }
    """
    enum:
        FADE_SHIFT "ACD_FADE_SHIFT"

    # Counts, backlog and waiting, and rings lie in pairs from `sums` on.
    void pass_minutes "acd_pass_minutes"(
        int64_t *sums, int64_t waiting, int64_t elapsed, int64_t period, int64_t whole
    ) noexcept nogil

cdef enum:
    ENTRIES = 97              # of the tables of quantiles
    SPREAD_MOST = 6080        # the largest spread that they know: 64 for each entry but the last two
    UNIT = 65_536_000         # microseconds of a mean of which a quantile of as many parts of 2**16 is a millisecond
    PERIOD_US = 60_000_000    # as forecast.py has it, as FADE_SHIFT is

cdef int64_t ONE = forecast.ONE
cdef int LOSS_SHIFT = forecast.LOSS_SHIFT
cdef int64_t LOSS_MAX = forecast.LOSS_MAX
cdef int64_t SERVED_MIN = forecast.SERVED_MIN
cdef int64_t LAST_MAX_US = forecast.LAST_MAX_US
cdef int64_t WAIT_MAX_US = forecast.WAIT_MAX_US
cdef int64_t TERMS_EXACT = forecast.TERMS_EXACT
cdef int SPREAD_SHIFT = forecast.SPREAD_SHIFT
cdef int64_t P50_BY_SPREAD[97]
cdef int64_t P90_BY_SPREAD[97]
if (
    len(forecast.P50_BY_SPREAD) != ENTRIES or len(forecast.P90_BY_SPREAD) != ENTRIES
    or SPREAD_MOST != (len(forecast.P50_BY_SPREAD) - 2) << 6 or forecast.PERIOD_US != PERIOD_US or forecast.FADE_SHIFT != FADE_SHIFT
):
    raise ImportError("windows.pyx and forecast.py disagree; build the extension modules anew")
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


cdef inline int64_t _of_mean(int64_t spread, const int64_t *by_spread) noexcept nogil:
    """What a quantile is of the mean, in units of 2**-16."""
    cdef int64_t low = spread >> 6, part = spread & 63
    return (by_spread[low] * (64 - part) + by_spread[low + 1] * part) >> 6


cdef inline int64_t _quantile_ms(int64_t mean_us, int64_t spread, const int64_t *by_spread) noexcept nogil:
    """See forecast.quantile."""
    return min(mean_us * _of_mean(spread, by_spread) >> 16, WAIT_MAX_US) // 1000


cdef Forecast _forecast(int64_t mean_us, int64_t spread) noexcept nogil:
    """What follows from mean and spread."""
    cdef Forecast found
    found.known = True
    found.mean_us = mean_us
    found.spread = spread
    found.mean_ms = mean_us // 1000
    found.p50_ms = _quantile_ms(mean_us, spread, P50_BY_SPREAD)
    found.p90_ms = _quantile_ms(mean_us, spread, P90_BY_SPREAD)
    return found


cdef Forecast foreseen_of(const Contact *row) noexcept nogil:
    """The forecast that was made when a contact came, known or not."""
    cdef Forecast found
    if row.foreseen:
        return _forecast(<int64_t>row.mean_us, <int64_t>row.spread)
    memset(&found, 0, sizeof(Forecast))
    return found


cdef void _narrow(int64_t *least, int64_t *most, int64_t quantile_ms, int64_t of_mean) noexcept nogil:
    """Leave of some means, in microseconds, those of which this is a quantile."""
    least[0] = max(least[0], (quantile_ms * UNIT + of_mean - 1) // of_mean)
    if quantile_ms < WAIT_MAX_US // 1000:
        most[0] = min(most[0], ((quantile_ms + 1) * UNIT + of_mean - 1) // of_mean - 1)


cdef bint find_forecast(int64_t mean_ms, int64_t p50_ms, int64_t p90_ms, Forecast *found) noexcept nogil:
    """Find a mean and a spread that these follow from; False if there are none. Where several do, nothing tells them apart."""
    cdef int64_t low = 0, high = SPREAD_MOST, spread, least, most, longest = WAIT_MAX_US // 1000
    if not (0 <= mean_ms <= longest and 0 <= p50_ms <= longest and 0 <= p90_ms <= longest):
        return False
    while low < high:  # the larger the spread, the larger the means with this median: until they reach ours
        spread = (low + high) >> 1
        least = 0
        most = mean_ms * 1000 + 999
        _narrow(&least, &most, p50_ms, _of_mean(spread, P50_BY_SPREAD))
        if most < mean_ms * 1000:
            low = spread + 1
        else:
            high = spread
    for spread in range(low, <int64_t>SPREAD_MOST + 1):
        least = mean_ms * 1000
        most = min(least + 999, WAIT_MAX_US)
        _narrow(&least, &most, p50_ms, _of_mean(spread, P50_BY_SPREAD))
        if least > mean_ms * 1000 + 999:
            break
        _narrow(&least, &most, p90_ms, _of_mean(spread, P90_BY_SPREAD))
        if least <= most:
            found[0] = _forecast(least, spread)
            return True
    return False


cdef void pass_time(Pace *row, int64_t now_us) noexcept nogil:
    """Time has passed up to `now_us`, with as many waiting as are there."""
    cdef int64_t begun, elapsed
    if now_us == row.now_us:
        return
    begun = now_us - now_us % PERIOD_US
    if row.now_us < begun:
        elapsed = PERIOD_US - row.now_us % PERIOD_US
        pass_minutes(&row.served, row.waiting, elapsed, PERIOD_US, (begun - row.now_us - elapsed) // PERIOD_US)
        row.now_us = begun
    elapsed = now_us - row.now_us
    row.now_us = now_us
    row.waited_us += row.waiting * elapsed
    if row.waiting:
        row.backlog_us += elapsed


@cython.overflowcheck(False)  # the checks know no 128 bits, which nothing here exceeds
cdef Forecast forecast_of(Pace *row, int64_t ahead, int64_t place, int64_t now_us) noexcept nogil:
    """How much longer a contact waits that has `ahead` others before it, and had `place` when it came."""
    cdef Forecast found
    cdef int64_t step, loss = 0, begin = 0, size = 1, count, term, ring_ms, mean, spread, served, measured
    cdef int128_t total = 0, variance = 0, exact, square
    pass_time(row, now_us)
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
        memset(&found, 0, sizeof(Forecast))
        return found
    return _forecast(mean, min(spread, <int64_t>SPREAD_MOST))
