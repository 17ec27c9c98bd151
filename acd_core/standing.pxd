# Where a waiting contact stands: urgency.py in C, where formulas and bounds are told. Urgencies take up to 126 bits. A
# standing is for good, inside a queue; a claim is what a contact has beside those of all queues at one moment.

from libc.stdint cimport int32_t, int64_t

cdef extern from *:
    """
    #include <stdint.h>

    #define ACD_AGEING_ONE 1000000000

    __extension__ typedef __int128 acd_int128;

    /* Without gaps, for orders keep many. */
    typedef struct __attribute__((packed, aligned(4))) {
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

    /* A number by which most standings are told apart: who has the lower one stands before; the same, or none at all, tell
       nothing. */
    #define ACD_NO_HINT INT64_MIN

    static inline int64_t acd_hint_of(const acd_standing *standing) {
        __int128 hint = -(standing->urgency >> 30);
        if (standing->level != 0 || hint <= INT64_MIN || hint > INT64_MAX) return ACD_NO_HINT;
        return (int64_t)hint;
    }

    typedef struct {
        acd_standing standing;
        __int128 place;  /* among the contacts of its queue that are as urgent; 0 where each has an urgency of its own */
    } acd_claim;

    static inline void acd_claim_by_wait(
        acd_claim *claim, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge, int64_t ageing,
        int64_t most, int64_t now, int64_t left
    ) {
        acd_stand(&claim->standing, level, since - left, seq, head_start, nudge, ageing, most, now);
        claim->standing.since = since;
        claim->place = 0;
    }

    static inline void acd_claim_by_measure(
        acd_claim *claim, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge, int64_t ageing,
        int64_t most, int64_t now, __int128 urgency
    ) {
        acd_stand(&claim->standing, level, since, seq, head_start, nudge, ageing, -1, now);
        claim->place = claim->standing.urgency;
        if (most >= 0 && urgency > (__int128)most * ACD_AGEING_ONE) {
            urgency = (__int128)most * ACD_AGEING_ONE;
        }
        claim->standing.urgency = urgency;
    }

    static inline int acd_claims_before(const acd_claim *a, const acd_claim *b) {
        if (a->standing.level != b->standing.level) return a->standing.level > b->standing.level;
        if (a->standing.urgency != b->standing.urgency) return a->standing.urgency > b->standing.urgency;
        if (a->place != b->place) return a->place > b->place;
        if (a->standing.since != b->standing.since) return a->standing.since < b->standing.since;
        return a->standing.seq < b->standing.seq;
    }
    """
    ctypedef long long int128_t "acd_int128"

    cdef enum:
        AGEING_ONE "ACD_AGEING_ONE"

    ctypedef struct Standing "acd_standing":
        pass

    ctypedef struct Claim "acd_claim":
        pass

    void claim_by_wait "acd_claim_by_wait"(
        Claim *claim, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge, int64_t ageing,
        int64_t most, int64_t now, int64_t left
    ) noexcept nogil
    void claim_by_measure "acd_claim_by_measure"(
        Claim *claim, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge, int64_t ageing,
        int64_t most, int64_t now, int128_t urgency
    ) noexcept nogil
    bint claims_before "acd_claims_before"(const Claim *a, const Claim *b) noexcept nogil
    void stand "acd_stand"(
        Standing *standing, int32_t level, int64_t since, int64_t seq, int64_t head_start, int64_t nudge,
        int64_t ageing, int64_t most, int64_t now
    ) noexcept nogil
    const int64_t NO_HINT "ACD_NO_HINT"

    int64_t hint_of "acd_hint_of"(const Standing *standing) noexcept nogil
    int64_t seq_of "acd_seq_of"(const Standing *standing) noexcept nogil
    bint stands_before "acd_stands_before"(const Standing *a, const Standing *b) noexcept nogil
