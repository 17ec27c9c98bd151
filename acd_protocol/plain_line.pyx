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
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from acd_core.transitions cimport offer_number_at

import re
from typing import get_args

import msgspec

from acd_core import commands, config

cdef extern from *:
    """
    #define acd_trailing_zeros(word) __builtin_ctzll(word)
    """
    int trailing_zeros "acd_trailing_zeros"(uint64_t word) noexcept nogil

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
    NO_FIELD = 0
    ID = 1
    CONTACT = 2
    TENANT = 4
    QUEUE = 8
    PRIORITY = 16
    REQUIRE = 32
    ATTRIBUTES = 64
    OFFER = 128
    AGENT = 256
    REASON = 512
    DISPOSITION = 1024

# By kind: its command, the fields that it may have, and those that it must have.
cdef tuple KINDS = (
    None, commands.ContactEnqueue, commands.OfferAccept, commands.ContactComplete, commands.AgentReady,
    commands.AgentWrapupDone, commands.ContactAbandon,
)
cdef int ALLOWED[PLAIN_KINDS]
ALLOWED[:] = [
    0, ID | CONTACT | TENANT | QUEUE | PRIORITY | REQUIRE | ATTRIBUTES, ID | OFFER, ID | CONTACT | REASON, ID | AGENT,
    ID | AGENT | DISPOSITION | CONTACT, ID | CONTACT,
]
cdef int REQUIRED[PLAIN_KINDS]
REQUIRED[:] = [0, CONTACT | TENANT | QUEUE, OFFER, CONTACT, AGENT, AGENT, CONTACT]

cdef object decode_id = msgspec.json.Decoder(commands.RequestId).decode
cdef dict REASONS = {reason: reason for reason in get_args(commands.CompletionReason)}
cdef bint IN_NAMES[128]
for _code in range(128):
    IN_NAMES[_code] = re.match(config.NAME_PATTERN, chr(_code)) is not None

# Texts that came lately, so that the names of queues and what contacts require need not be made, and hashed, for each.
cdef PyObject *lately[KNOWN_MAX]


@cython.overflowcheck(False)
cdef str known_text(const char *text, Py_ssize_t length):
    """A text of ASCII characters, which is the same object as before if it came lately."""
    cdef uint64_t mixed = length, word
    cdef Py_ssize_t place = 0
    cdef PyObject **entry
    cdef str made
    while place + 8 <= length:
        memcpy(&word, text + place, 8)
        mixed = (mixed ^ word) * 0x9E3779B97F4A7C15ULL
        mixed ^= mixed >> 32
        place += 8
    word = 0
    while place < length:
        word = word << 8 | <unsigned char>text[place]
        place += 1
    mixed = (mixed ^ word) * 0x9E3779B97F4A7C15ULL
    entry = &lately[mixed >> (64 - KNOWN_BITS)]
    if entry[0] != NULL:
        made = <str>entry[0]
        if PyUnicode_GET_LENGTH(made) == length and memcmp(PyUnicode_1BYTE_DATA(made), text, length) == 0:
            return made
    made = new_text(text, length)
    Py_XDECREF(entry[0])
    Py_INCREF(made)
    entry[0] = <PyObject *>made
    return made


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
    cdef uint64_t ones = 0x0101010101010101ULL, word, quotes, slashes, found
    while stop - at >= 8:  # as in `acd_core.json_text.is_plain_text`; the lowest of the bits found is right
        memcpy(&word, at, 8)
        quotes = word ^ (ones * c'"')
        slashes = word ^ (ones * c"\\")
        found = (
            ((word - ones * 0x20) & ~word) | ((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes) | word
        ) & (ones * 0x80)
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


cdef inline const char *blanks(const char *at) noexcept nogil:
    while at[0] == c" ":
        at += 1
    return at


cdef inline bint same(const char *key, const char *word, Py_ssize_t size) noexcept nogil:
    return memcmp(key, word, size) == 0


cdef inline Plain kind_of(const char *word, Py_ssize_t length) noexcept nogil:
    if length == 15:
        if same(word, b"contact.enqueue", 15):
            return ENQUEUE
        return ABANDON if same(word, b"contact.abandon", 15) else UNUSUAL
    if length == 12:
        return ACCEPT if same(word, b"offer.accept", 12) else UNUSUAL
    if length == 16:
        return COMPLETE if same(word, b"contact.complete", 16) else UNUSUAL
    if length == 17:
        return WRAPUP_DONE if same(word, b"agent.wrapup_done", 17) else UNUSUAL
    return READY if length == 11 and same(word, b"agent.ready", 11) else UNUSUAL


cdef inline Field field_of(const char *key, Py_ssize_t length) noexcept nogil:
    if length == 7:
        if same(key, b"contact", 7):
            return CONTACT
        return REQUIRE if same(key, b"require", 7) else NO_FIELD
    if length == 5:
        if same(key, b"queue", 5):
            return QUEUE
        if same(key, b"agent", 5):
            return AGENT
        return OFFER if same(key, b"offer", 5) else NO_FIELD
    if length == 6:
        if same(key, b"tenant", 6):
            return TENANT
        return REASON if same(key, b"reason", 6) else NO_FIELD
    if length == 2:
        return ID if same(key, b"id", 2) else NO_FIELD
    if length == 8:
        return PRIORITY if same(key, b"priority", 8) else NO_FIELD
    if length == 10:
        return ATTRIBUTES if same(key, b"attributes", 10) else NO_FIELD
    return DISPOSITION if length == 11 and same(key, b"disposition", 11) else NO_FIELD


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
        cdef const char *at = line
        cdef const char *stop = line + size
        cdef const char *begin
        cdef Plain kind
        cdef Field field
        cdef int given = 0
        if size < 8 or not same(at, b'{"type":', 8):
            return False
        at = blanks(at + 8)
        if at[0] != c'"':
            return False
        begin = at + 1
        at = end_of_text(begin, stop)
        if at == NULL:
            return False
        kind = kind_of(begin, at - begin)
        if kind == UNUSUAL:
            return False
        self.kind = kind
        self.request_id = NULL
        self.request_id_length = 0
        at = blanks(at + 1)
        while at[0] != c"}":
            if at[0] != c",":
                return False
            at = blanks(at + 1)
            if at[0] != c'"':
                return False
            begin = at + 1
            at = end_of_text(begin, stop)
            if at == NULL:
                return False
            field = field_of(begin, at - begin)
            at = blanks(at + 1)
            if not ALLOWED[<int>kind] & field & ~given or at[0] != c":":
                return False
            given |= field
            at = self._value(field, blanks(at + 1), stop)
            if at == NULL:
                return False
            at = blanks(at)
        if blanks(at + 1) != stop or REQUIRED[<int>kind] & ~given:
            return False
        if kind == ENQUEUE:
            if not given & PRIORITY:
                self.priority = 0
            if not given & REQUIRE:
                self.require = ""
            if not given & ATTRIBUTES:
                self.attributes = {}
        elif kind == COMPLETE:
            if not given & REASON:
                self.reason = "completed_agent"
        elif kind == WRAPUP_DONE:
            if not given & DISPOSITION:
                self.disposition = ""
            if not given & CONTACT:
                self.contact = None
        return True

    cdef const char *_value(self, int field, const char *at, const char *stop) except? NULL:
        """Read the value of a field."""
        cdef const char *begin = at + 1
        cdef const char *end
        cdef Py_ssize_t length, place
        cdef int64_t number
        if field == ATTRIBUTES:
            return self._pairs(at, stop)
        if field == PRIORITY:
            end = end_of_digits(at, &number)
            if end == NULL or number > PRIORITY_MAX:
                return NULL
            self.priority = <int>number
            return end
        if at[0] != c'"':
            if field != ID:
                return NULL
            end = end_of_digits(at, &number)
            self.request_id = at
            self.request_id_length = end - at
            return end
        end = end_of_text(begin, stop)
        if end == NULL:
            return NULL
        length = end - begin
        if field == ID:
            if length > ID_CHARACTERS_MAX or memchr(begin, 127, length) != NULL:
                return NULL
            self.request_id = at
            self.request_id_length = length + 2
        elif field == CONTACT:
            if not 1 <= length <= CONTACT_MAX:
                return NULL
            self.contact = new_text(begin, length)
        elif field == OFFER:
            if not 1 <= length <= OFFER_MAX:
                return NULL
            self.offer_id = begin
            self.offer_length = length
            self.offer = offer_number_at(begin, length)
        elif field == REQUIRE:
            if length > REQUIRE_MAX:
                return NULL
            self.require = known_text(begin, length)
        elif field == DISPOSITION:
            if length > REASON_MAX:
                return NULL
            self.disposition = known_text(begin, length)
        elif not 1 <= length <= NAME_MAX:
            return NULL
        elif field == AGENT:
            self.agent = known_text(begin, length)
        elif field == REASON:
            self.reason = REASONS.get(known_text(begin, length))
            if self.reason is None:
                return NULL
        else:
            for place in range(length):
                if not IN_NAMES[<int>begin[place]]:
                    return NULL
            if field == TENANT:
                self.tenant = known_text(begin, length)
            else:
                self.queue = known_text(begin, length)
        return end + 1

    cdef const char *_pairs(self, const char *at, const char *stop) except? NULL:
        """Read attributes."""
        cdef dict pairs
        cdef str name
        cdef const char *begin
        cdef const char *end
        cdef int64_t number
        if at[0] != c"{":
            return NULL
        pairs = self.attributes = {}
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


def read_plain(bytes line):
    """The command of a plain line; None for a line that msgspec has to read."""
    cdef PlainLine plain = PlainLine()
    return plain.command() if plain.read(line) else None
