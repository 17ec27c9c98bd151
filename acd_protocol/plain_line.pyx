# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Lines of the commands that every call consists of, read without making a message of them.

Whatever is not quite ordinary is left to msgspec: characters that are escaped or beyond ASCII, fields that are given
twice or seldom, numbers that are not whole, a type that does not come first, and all that is wrong. So what is read here
is what msgspec would have read, which tests compare over lines of all kinds.

What reads a value gives the place behind it; NULL for one that is unusual.
"""

cimport cython
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH, PyUnicode_New
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from acd_core.transitions cimport offer_number_at

import re
from typing import get_args

import msgspec

from acd_core import commands, config

cdef extern from *:
    """
    #define acd_trailing_zeros(word) __builtin_ctzll(word)

    /* Whether this literal stands there. Inline everywhere, since its length is known only there. */
    static inline __attribute__((always_inline)) int acd_stands(const char *at, const char *stop, const char *literal) {
        Py_ssize_t length = (Py_ssize_t)__builtin_strlen(literal);
        return stop - at > length && memcmp(at, literal, (size_t)length) == 0;
    }

    #ifdef __SSE2__
    #include <emmintrin.h>
    /* The first of 16 characters that is a quote, or stands not for itself; 16 for none. */
    static inline int acd_first_odd(const char *at) {
        __m128i text = _mm_loadu_si128((const __m128i *)at);
        __m128i odd = _mm_or_si128(
            _mm_cmplt_epi8(text, _mm_set1_epi8(32)), /* bytes beyond ASCII are negative */
            _mm_or_si128(_mm_cmpeq_epi8(text, _mm_set1_epi8('"')), _mm_cmpeq_epi8(text, _mm_set1_epi8('\\\\'))));
        return __builtin_ctz((unsigned)_mm_movemask_epi8(odd) | 1u << 16);
    }
    #define ACD_AT_ONCE 16
    #else
    static inline int acd_first_odd(const char *at) {
        (void)at;
        return 0;
    }
    #define ACD_AT_ONCE PY_SSIZE_T_MAX
    #endif

    /* Whoever is the only one to hold an ASCII text may write another one of its length into it. */
    static inline int acd_may_be_rewritten(PyObject *text, Py_ssize_t length) {
        return Py_REFCNT(text) == 1 && PyUnicode_IS_COMPACT_ASCII(text) && PyUnicode_GET_LENGTH(text) == length
            && !PyUnicode_CHECK_INTERNED(text);
    }
    static inline void acd_rewrite(PyObject *text, const char *from, Py_ssize_t length) {
        memcpy(PyUnicode_1BYTE_DATA(text), from, (size_t)length);
        ((PyASCIIObject *)text)->hash = -1;
    }
    """
    Py_ssize_t AT_ONCE "ACD_AT_ONCE"
    int first_odd "acd_first_odd"(const char *at) noexcept nogil
    bint may_be_rewritten "acd_may_be_rewritten"(PyObject *text, Py_ssize_t length) noexcept
    void rewrite "acd_rewrite"(PyObject *text, const char *letters, Py_ssize_t length) noexcept
    int trailing_zeros "acd_trailing_zeros"(uint64_t word) noexcept nogil
    bint stands "acd_stands"(const char *at, const char *stop, const char *literal) noexcept nogil

cdef enum:
    NAME_MAX = 64
    CONTACT_MAX = 128
    OFFER_MAX = 32
    REQUIRE_MAX = 1024
    REASON_MAX = 64
    ID_CHARACTERS_MAX = 64
    PRIORITY_MAX = 100
    ATTRIBUTES_MAX = 64
    ATTRIBUTE_NAME_MAX = 64
    KNOWN_BITS = 12
    KNOWN_MAX = 4096
    DIGITS_MAX = 15  # any number of so many digits may be an id, and an attribute

cdef enum Field:
    NO_FIELD
    ID
    CONTACT
    TENANT
    QUEUE
    PRIORITY
    REQUIRE
    ATTRIBUTES
    OFFER
    AGENT
    REASON
    DISPOSITION
    FIELDS  # how many

# By kind: its command, the fields that it may have, and those that it must have.
cdef tuple KINDS = (
    None, commands.ContactEnqueue, commands.OfferAccept, commands.ContactComplete, commands.AgentReady,
    commands.AgentWrapupDone, commands.ContactAbandon,
)
cdef int ALLOWED[PLAIN_KINDS]
ALLOWED[:] = [
    0,
    1 << ID | 1 << CONTACT | 1 << TENANT | 1 << QUEUE | 1 << PRIORITY | 1 << REQUIRE | 1 << ATTRIBUTES,
    1 << ID | 1 << OFFER,
    1 << ID | 1 << CONTACT | 1 << REASON,
    1 << ID | 1 << AGENT,
    1 << ID | 1 << AGENT | 1 << DISPOSITION | 1 << CONTACT,
    1 << ID | 1 << CONTACT,
]
cdef int REQUIRED[PLAIN_KINDS]
REQUIRED[:] = [
    0, 1 << CONTACT | 1 << TENANT | 1 << QUEUE, 1 << OFFER, 1 << CONTACT, 1 << AGENT, 1 << AGENT, 1 << CONTACT,
]
# By field: fewest and most characters of its text; no number of them where it has none.
cdef int LEAST[FIELDS]
LEAST[:] = [1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0]
cdef int MOST[FIELDS]
MOST[:] = [
    0, ID_CHARACTERS_MAX, CONTACT_MAX, NAME_MAX, NAME_MAX, 0, REQUIRE_MAX, 0, OFFER_MAX, NAME_MAX, NAME_MAX, REASON_MAX,
]

cdef object decode_id = msgspec.json.Decoder(commands.RequestId).decode
cdef dict REASONS = {reason: reason for reason in get_args(commands.CompletionReason)}
cdef bint IN_NAMES[128]
for _code in range(128):
    IN_NAMES[_code] = re.match(config.NAME_PATTERN, chr(_code)) is not None

# Texts that came lately, so that the names of queues and what contacts require need not be made, and hashed, for each.
cdef PyObject *lately[KNOWN_MAX]


cdef inline uint64_t short_word(const char *text, Py_ssize_t length) noexcept nogil:
    """The characters of a text of fewer than 8: another number for another text of that length."""
    cdef uint32_t first, last
    if length >= 4:
        memcpy(&first, text, 4)
        memcpy(&last, text + length - 4, 4)
        return <uint64_t>last << 32 | first
    if length == 0:
        return 0
    return (
        <uint64_t><unsigned char>text[0] << 16 | <uint64_t><unsigned char>text[length >> 1] << 8
        | <unsigned char>text[length - 1]
    )


cdef inline bint same(const char *text, const char *other, Py_ssize_t length) noexcept nogil:
    """Whether two texts of the same length are equal; as memcmp, which is worth a call for longer ones only."""
    cdef uint64_t word, other_word
    cdef Py_ssize_t place = 0
    if length < 8:
        return short_word(text, length) == short_word(other, length)
    while place + 8 < length:
        memcpy(&word, text + place, 8)
        memcpy(&other_word, other + place, 8)
        if word != other_word:
            return False
        place += 8
    memcpy(&word, text + length - 8, 8)
    memcpy(&other_word, other + length - 8, 8)
    return word == other_word


cdef inline bint is_text(str known, const char *text, Py_ssize_t length) noexcept:
    """Whether a text of ASCII characters, or None, is this one."""
    return (
        known is not None and PyUnicode_GET_LENGTH(known) == length
        and same(<const char *>PyUnicode_1BYTE_DATA(known), text, length)
    )


@cython.overflowcheck(False)
cdef str known_text(const char *text, Py_ssize_t length):
    """A text of ASCII characters, which is the same object as before if it came lately."""
    cdef uint64_t mixed = length, word
    cdef Py_ssize_t place = 0
    cdef PyObject **entry
    cdef str made
    while place + 8 < length:
        memcpy(&word, text + place, 8)
        mixed = (mixed ^ word) * 0x9E3779B97F4A7C15ULL
        mixed ^= mixed >> 32
        place += 8
    if length >= 8:
        memcpy(&word, text + length - 8, 8)
    else:
        word = short_word(text, length)
    mixed = (mixed ^ word) * 0x9E3779B97F4A7C15ULL
    entry = &lately[mixed >> (64 - KNOWN_BITS)]
    if entry[0] != NULL and is_text(<str>entry[0], text, length):
        return <str>entry[0]
    made = new_text(text, length)
    Py_XDECREF(entry[0])
    Py_INCREF(made)
    entry[0] = <PyObject *>made
    return made


cdef inline int put_contact(PlainLine plain, const char *text, Py_ssize_t length) except -1:
    """The contact's id: in the text of the one before, if nobody kept that."""
    cdef PyObject *former = <PyObject *>plain.contact  # without a reference of its own, which would count
    if plain.contact is not None and may_be_rewritten(former, length):
        rewrite(former, text, length)
    else:
        plain.contact = new_text(text, length)
    return 0


cdef inline str new_text(const char *text, Py_ssize_t length):
    """A text of ASCII characters."""
    cdef str made = PyUnicode_New(length, 127)
    memcpy(PyUnicode_1BYTE_DATA(made), text, length)
    return made


@cython.overflowcheck(False)
cdef inline const char *end_of_text(const char *at, const char *stop) noexcept nogil:
    """Where the quote is that ends a text; NULL if anything comes before it that does not stand for itself.

    Behind the end of a line is a zero, or a line feed, so that a text ends nowhere else.
    """
    cdef uint64_t ones = 0x0101010101010101ULL, word, found
    cdef uint64_t quotes = ones * c'"', slashes = ones * c"\\"
    cdef int odd
    while stop - at >= AT_ONCE:
        odd = first_odd(at)
        at += odd
        if odd < 16:
            return at if at[0] == c'"' else NULL
    while stop - at >= 8:  # as in `acd_core.json_text.odd_bytes`; the lowest of the bits found is right
        memcpy(&word, at, 8)
        found = ((word - ones * 0x20) | ((word ^ quotes) - ones) | ((word ^ slashes) - ones) | word) & (ones * 0x80)
        if found:
            at += trailing_zeros(found) >> 3
            return at if at[0] == c'"' else NULL
        at += 8
    while <signed char>at[0] >= 32 and at[0] != c'"' and at[0] != c"\\":
        at += 1
    return at if at[0] == c'"' else NULL


cdef inline const char *end_of_digits(const char *at, int64_t *number) noexcept nogil:
    """A whole number, 0 or more, of a usual size."""
    cdef const char *begin = at
    number[0] = 0
    while c"0" <= at[0] <= c"9" and at - begin < DIGITS_MAX:
        number[0] = 10 * number[0] + at[0] - c"0"
        at += 1
    return at if at != begin and (begin[0] != c"0" or at - begin == 1) else NULL


cdef inline bint is_name(const char *text, Py_ssize_t length) noexcept nogil:
    """Whether the pattern of names allows all of these characters."""
    cdef Py_ssize_t place
    for place in range(length):
        if not IN_NAMES[<int>text[place]]:
            return False
    return True


cdef inline const char *blanks(const char *at) noexcept nogil:
    while at[0] == c" ":
        at += 1
    return at


cdef inline Plain kind_at(const char *at, const char *stop, const char **behind) noexcept nogil:
    """The kind that stands there in its quotes, and the place behind it."""
    if at[0] != c'"':
        return UNUSUAL
    if at[1] == c"c":
        if stands(at, stop, b'"contact.enqueue"'):
            behind[0] = at + 17
            return ENQUEUE
        if stands(at, stop, b'"contact.complete"'):
            behind[0] = at + 18
            return COMPLETE
        if stands(at, stop, b'"contact.abandon"'):
            behind[0] = at + 17
            return ABANDON
    elif stands(at, stop, b'"offer.accept"'):
        behind[0] = at + 14
        return ACCEPT
    elif stands(at, stop, b'"agent.wrapup_done"'):
        behind[0] = at + 19
        return WRAPUP_DONE
    elif stands(at, stop, b'"agent.ready"'):
        behind[0] = at + 13
        return READY
    return UNUSUAL


cdef inline Field field_at(const char *at, const char *stop, const char **behind) noexcept nogil:
    """The field whose name stands there in its quotes, and the place behind it, which means nothing for no field."""
    if at[0] != c'"':
        return NO_FIELD
    behind[0] = at + 9
    if at[1] == c"c":
        return CONTACT if stands(at, stop, b'"contact"') else NO_FIELD
    if at[1] == c"r":
        if stands(at, stop, b'"require"'):
            return REQUIRE
        behind[0] = at + 8
        return REASON if stands(at, stop, b'"reason"') else NO_FIELD
    if at[1] == c"a":
        behind[0] = at + 7
        if stands(at, stop, b'"agent"'):
            return AGENT
        behind[0] = at + 12
        return ATTRIBUTES if stands(at, stop, b'"attributes"') else NO_FIELD
    if at[1] == c"i":
        behind[0] = at + 4
        return ID if stands(at, stop, b'"id"') else NO_FIELD
    if at[1] == c"o":
        behind[0] = at + 7
        return OFFER if stands(at, stop, b'"offer"') else NO_FIELD
    if at[1] == c"t":
        behind[0] = at + 8
        return TENANT if stands(at, stop, b'"tenant"') else NO_FIELD
    if at[1] == c"q":
        behind[0] = at + 7
        return QUEUE if stands(at, stop, b'"queue"') else NO_FIELD
    if at[1] == c"p":
        behind[0] = at + 10
        return PRIORITY if stands(at, stop, b'"priority"') else NO_FIELD
    behind[0] = at + 13
    return DISPOSITION if stands(at, stop, b'"disposition"') else NO_FIELD


cdef inline Field text_at(const char *at, const char *stop, const char **begin) noexcept nogil:
    """The field whose name stands there behind a comma, with its text right behind that, and where the text begins.

    So most lines are written; no field where anything is between them, or the value is no text.
    """
    if at[0] != c"," or at[1] != c'"':
        return NO_FIELD
    begin[0] = at + 12
    if at[2] == c"c":
        return CONTACT if stands(at, stop, b',"contact":"') else NO_FIELD
    if at[2] == c"r":
        if stands(at, stop, b',"require":"'):
            return REQUIRE
        begin[0] = at + 11
        return REASON if stands(at, stop, b',"reason":"') else NO_FIELD
    begin[0] = at + 10
    if at[2] == c"a":
        return AGENT if stands(at, stop, b',"agent":"') else NO_FIELD
    if at[2] == c"o":
        return OFFER if stands(at, stop, b',"offer":"') else NO_FIELD
    if at[2] == c"q":
        return QUEUE if stands(at, stop, b',"queue":"') else NO_FIELD
    begin[0] = at + 11
    if at[2] == c"t":
        return TENANT if stands(at, stop, b',"tenant":"') else NO_FIELD
    begin[0] = at + 7
    return ID if stands(at, stop, b',"id":"') else NO_FIELD


cdef int plain_kinds(object types) except -1:
    """Bits of the kinds, `1 << kind`, whose commands are among these types."""
    cdef int kind, kinds = 0
    for kind in range(ENQUEUE, PLAIN_KINDS):
        if KINDS[kind] in types:
            kinds |= 1 << kind
    return kinds


def plain_commands():
    """The types of the commands that plain lines say, by kind."""
    return KINDS


@cython.final
cdef class PlainLine:
    """Holds what stands in the line that was read last."""

    cdef bint read(self, bytes line) except -1:
        """Read a line; False for one that msgspec has to read."""
        return self.read_at(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))

    cdef bint read_at(self, const char *line, Py_ssize_t size) except -1:
        """The same, for one behind which is a zero, or the end of a line."""
        return self.read_first(line, line + size) == line + size

    cdef const char *read_first(self, const char *line, const char *stop) except? NULL:
        """Read the first of some lines; gives where it must end, and NULL if msgspec has to read it."""
        cdef const char *at
        cdef Plain kind
        cdef Field field
        cdef const char *begin
        cdef int may  # the fields that may still come
        if not stands(line, stop, b'{"type":'):
            return NULL
        kind = kind_at(blanks(line + 8), stop, &at)
        if kind == UNUSUAL:
            return NULL
        self.kind = kind
        self.request_id = NULL
        self.request_id_length = 0
        may = ALLOWED[<int>kind]
        while True:
            field = text_at(at, stop, &begin)
            if field == NO_FIELD:
                at = blanks(at)
                if at[0] == c"}":
                    break
                if at[0] != c",":
                    return NULL
                field = field_at(blanks(at + 1), stop, &at)
                if not may & 1 << field:
                    return NULL
                at = blanks(at)
                if at[0] != c":":
                    return NULL
                begin = blanks(at + 1)
                if begin[0] != c'"':
                    at = other_value_at(self, field, begin, stop)
                    if at == NULL:
                        return NULL
                    may ^= 1 << field
                    continue
                begin += 1
            if not may & 1 << field:
                return NULL
            may ^= 1 << field
            at = value_at(self, field, begin, stop)
            if at == NULL:
                return NULL
        if may:
            if REQUIRED[<int>kind] & may:
                return NULL
            if kind == ENQUEUE:
                if may & 1 << PRIORITY:
                    self.priority = 0
                if may & 1 << REQUIRE:
                    self.require = ""
                if may & 1 << ATTRIBUTES:
                    self.attributes = {}
            elif kind == COMPLETE:
                if may & 1 << REASON:
                    self.reason = "completed_agent"
            elif kind == WRAPUP_DONE:
                if may & 1 << DISPOSITION:
                    self.disposition = ""
                if may & 1 << CONTACT:
                    self.contact = None
        return blanks(at + 1)

    cdef str offer_text(self):
        """The id of the offer, as long as the line is there."""
        return new_text(self.offer_id, self.offer_length)

    cdef object command(self):
        """The message that was read, as long as its line is there."""
        cdef object request_id = None
        if self.request_id != NULL:
            request_id = decode_id(self.request_id[:self.request_id_length])
        if self.kind == ENQUEUE:
            return commands.ContactEnqueue(
                id=request_id, contact=self.contact, tenant=self.tenant, queue=self.queue,
                priority=self.priority, require=self.require, attributes=self.attributes,
            )
        if self.kind == ACCEPT:
            return commands.OfferAccept(id=request_id, offer=self.offer_text())
        if self.kind == COMPLETE:
            return commands.ContactComplete(id=request_id, contact=self.contact, reason=self.reason)
        if self.kind == READY:
            return commands.AgentReady(id=request_id, agent=self.agent)
        if self.kind == WRAPUP_DONE:
            return commands.AgentWrapupDone(
                id=request_id, agent=self.agent, disposition=self.disposition, contact=self.contact
            )
        return commands.ContactAbandon(id=request_id, contact=self.contact)


cdef inline const char *value_at(PlainLine plain, Field field, const char *begin, const char *stop) except? NULL:
    """Read the text of a field, which begins behind its quote."""
    cdef const char *end = end_of_text(begin, stop)
    cdef Py_ssize_t length
    if end == NULL:
        return NULL
    length = end - begin
    if not LEAST[<int>field] <= length <= MOST[<int>field]:
        return NULL
    if field == CONTACT:
        put_contact(plain, begin, length)
    elif field == OFFER:
        plain.offer_id = begin
        plain.offer_length = length
        plain.offer = offer_number_at(begin, length)
    elif field == AGENT:
        plain.agent = known_text(begin, length)
    elif field == REQUIRE:
        plain.require = known_text(begin, length)
    elif field == DISPOSITION:
        plain.disposition = known_text(begin, length)
    elif field == REASON:
        plain.reason = REASONS.get(known_text(begin, length))
        if plain.reason is None:
            return NULL
    elif field == TENANT:
        if not is_text(plain.tenant, begin, length):
            if not is_name(begin, length):
                return NULL
            plain.tenant = known_text(begin, length)
    elif field == QUEUE:
        if not is_text(plain.queue, begin, length):
            if not is_name(begin, length):
                return NULL
            plain.queue = known_text(begin, length)
    else:
        if memchr(begin, 127, length) != NULL:
            return NULL
        plain.request_id = begin - 1
        plain.request_id_length = length + 2
    return end + 1


cdef const char *other_value_at(PlainLine plain, Field field, const char *at, const char *stop) except? NULL:
    """Read the value of a field that is no text."""
    cdef const char *end
    cdef int64_t number
    if field == ATTRIBUTES:
        return pairs_at(plain, at, stop)
    end = end_of_digits(at, &number)
    if end == NULL:
        return NULL
    if field == PRIORITY and number <= PRIORITY_MAX:
        plain.priority = <int>number
        return end
    if field == ID:
        plain.request_id = at
        plain.request_id_length = end - at
        return end
    return NULL


cdef const char *pairs_at(PlainLine plain, const char *at, const char *stop) except? NULL:
    """Read attributes."""
    cdef dict pairs
    cdef str name
    cdef const char *begin
    cdef const char *end
    cdef int64_t number
    if at[0] != c"{":
        return NULL
    pairs = plain.attributes = {}
    at = blanks(at + 1)
    while at[0] != c"}":
        if pairs:
            if at[0] != c",":
                return NULL
            at = blanks(at + 1)
        begin = at + 1
        if at[0] != c'"':
            return NULL
        end = end_of_text(begin, stop)
        if end == NULL or not 1 <= end - begin <= ATTRIBUTE_NAME_MAX:
            return NULL
        name = known_text(begin, end - begin)
        at = blanks(end + 1)
        if at[0] != c":" or (pairs and (name in pairs or len(pairs) == ATTRIBUTES_MAX)):
            return NULL
        begin = blanks(at + 1)
        if begin[0] == c'"':
            begin += 1
            end = end_of_text(begin, stop)
            if end == NULL:
                return NULL
            pairs[name] = new_text(begin, end - begin)
            at = blanks(end + 1)
        else:
            end = end_of_digits(begin, &number)
            if end == NULL:
                return NULL
            pairs[name] = number
            at = blanks(end)
    return at + 1


def read_plain(bytes line):
    """The command of a plain line; None for a line that msgspec has to read."""
    cdef PlainLine plain = PlainLine()
    return plain.command() if plain.read(line) else None
