# Where a waiting contact stands: urgency.py in C, where formulas and bounds are told. Urgencies take up to 110 bits.

from libc.stdint cimport int32_t, int64_t

cdef extern from *:
    """
    #include <stdint.h>

    #define ACD_AGEING_ONE 1000000000

    typedef struct {
        __int128 urgency;
        int64_t since;
        int64_t seq;
        int32_t level;
    } acd_standing;

    static inline void acd_stand(
        acd_standing *standing, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge,
        int64_t ageing, int64_t most, int64_t now
    ) {
        __int128 urgency = (__int128)head_start * ACD_AGEING_ONE + (__int128)ageing * ((__int128)now - since);
        if (most >= 0 && urgency > (__int128)most * ACD_AGEING_ONE) {
            urgency = (__int128)most * ACD_AGEING_ONE;
        }
        standing->urgency = urgency + (__int128)nudge * ACD_AGEING_ONE;
        standing->level = level;
        standing->since = since;
        standing->seq = seq;
    }

    static inline int64_t acd_seq_of(const acd_standing *standing) { return standing->seq; }

    static inline int acd_stands_before(const acd_standing *a, const acd_standing *b) {
        if (a->level != b->level) return a->level > b->level;
        if (a->urgency != b->urgency) return a->urgency > b->urgency;
        if (a->since != b->since) return a->since < b->since;
        return a->seq < b->seq;
    }
    """
    cdef enum:
        AGEING_ONE "ACD_AGEING_ONE"

    ctypedef struct Standing "acd_standing":
        pass

    void stand "acd_stand"(
        Standing *standing, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge,
        int64_t ageing, int64_t most, int64_t now
    ) noexcept nogil
    int64_t seq_of "acd_seq_of"(const Standing *standing) noexcept nogil
    bint stands_before "acd_stands_before"(const Standing *a, const Standing *b) noexcept nogil
