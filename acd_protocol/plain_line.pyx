# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Lines of the commands that every call consists of, read without making a message of them.

Whatever is not quite ordinary is left to msgspec: characters that are escaped or beyond ASCII, fields that are given
twice or seldom, numbers that are not whole, a type that does not come first, and all that is wrong. So what is read here
is what msgspec would have read, which tests compare over lines of all kinds.
"""

cimport cython
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH, PyUnicode_New
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

import re
from typing import get_args

import msgspec

from acd_core import commands, config

cdef enum:
    NAME_MAX = 64
    CONTACT_MAX = 128
    OFFER_MAX = 32
    REQUIRE_MAX = 1024
    ID_CHARACTERS_MAX = 64
    PRIORITY_MAX = 100
    ATTRIBUTES_MAX = 64
    ATTRIBUTE_NAME_MAX = 64
    GIVEN_ID = 1
    GIVEN_PRIORITY = 2
    GIVEN_REQUIRE = 4
    GIVEN_REASON = 8
    KNOWN_BITS = 12
    KNOWN_MAX = 4096
    DIGITS_MAX = 15  # any number of so many digits may be an id, and an attribute

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
    while place < length:
        mixed = (mixed ^ <unsigned char>text[place]) * 0x9E3779B97F4A7C15ULL
        place += 1
    entry = &lately[mixed >> (64 - KNOWN_BITS)]
    if entry[0] != NULL:
        made = <str>entry[0]
        if PyUnicode_GET_LENGTH(made) == length and memcmp(PyUnicode_1BYTE_DATA(made), text, length) == 0:
            return made
    made = PyUnicode_New(length, 127)
    memcpy(PyUnicode_1BYTE_DATA(made), text, length)
    Py_XDECREF(entry[0])
    Py_INCREF(made)
    entry[0] = <PyObject *>made
    return made


cdef inline bint same(const signed char *key, Py_ssize_t length, const char *word, Py_ssize_t size) noexcept nogil:
    return length == size and memcmp(key, word, size) == 0


@cython.final
cdef class PlainLine:
    """Holds what stands in the line that was read last."""

    cdef bint read(self, bytes line) except -1:
        """Read a line; False for one that msgspec has to read."""
        return self.read_at(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))

    cdef bint read_at(self, const char *line, Py_ssize_t size) except -1:
        """The same, for one behind which is a zero, or the end of a line."""
        cdef const signed char *key
        cdef Py_ssize_t length
        self.at = <const signed char *>line
        self.stop = self.at + size
        self.kind = UNUSUAL
        self.given = 0
        self.request_id = NULL
        self.request_id_length = 0
        self.contact = self.tenant = self.queue = self.offer = self.agent = None
        self.require = ""
        self.reason = "completed_agent"
        self.priority = 0
        self.attributes = None
        if size < 8 or memcmp(self.at, b'{"type":', 8) != 0:
            return False
        self.at += 8
        self._blanks()
        if not self._word(&key, &length):
            return False
        if same(key, length, b"contact.enqueue", 15):
            self.kind = ENQUEUE
        elif same(key, length, b"offer.accept", 12):
            self.kind = ACCEPT
        elif same(key, length, b"contact.complete", 16):
            self.kind = COMPLETE
        elif same(key, length, b"agent.ready", 11):
            self.kind = READY
        else:
            return False
        while True:
            self._blanks()
            if self.at[0] == 125:  # }
                break
            if self.at[0] != 44:  # a comma
                return False
            self.at += 1
            self._blanks()
            if not self._word(&key, &length):
                return False
            self._blanks()
            if self.at[0] != 58:  # a colon
                return False
            self.at += 1
            self._blanks()
            if not self._field(key, length):
                return False
        self.at += 1
        self._blanks()
        return self.at == self.stop and self._complete()

    cdef bint _complete(self):
        """Whether all that must be there is."""
        if self.kind == ACCEPT:
            return self.offer is not None
        if self.kind == READY:
            return self.agent is not None
        if self.kind == COMPLETE:
            return self.contact is not None
        if self.attributes is None:
            self.attributes = {}
        return self.contact is not None and self.tenant is not None and self.queue is not None

    cdef bint _field(self, const signed char *key, Py_ssize_t length) except -1:
        """Read the value of a field; False for one that is unusual, or was read already."""
        cdef int64_t number
        if same(key, length, b"id", 2):
            if self._again(GIVEN_ID):
                return False
            return self._id()
        if self.kind == ACCEPT:
            if not same(key, length, b"offer", 5) or self.offer is not None:
                return False
            self.offer = self._text(1, OFFER_MAX)
            return self.offer is not None
        if self.kind == READY:
            if not same(key, length, b"agent", 5) or self.agent is not None:
                return False
            self.agent = self._known(1, NAME_MAX)
            return self.agent is not None
        if same(key, length, b"contact", 7):
            if self.contact is not None:
                return False
            self.contact = self._text(1, CONTACT_MAX)
            return self.contact is not None
        if self.kind == COMPLETE:
            if not same(key, length, b"reason", 6) or self._again(GIVEN_REASON):
                return False
            self.reason = REASONS.get(self._known(1, NAME_MAX))
            return self.reason is not None
        if same(key, length, b"tenant", 6):
            if self.tenant is not None:
                return False
            self.tenant = self._name()
            return self.tenant is not None
        if same(key, length, b"queue", 5):
            if self.queue is not None:
                return False
            self.queue = self._name()
            return self.queue is not None
        if same(key, length, b"priority", 8):
            if self._again(GIVEN_PRIORITY):
                return False
            if not self._digits(&number) or number > PRIORITY_MAX:
                return False
            self.priority = number
            return True
        if same(key, length, b"require", 7):
            if self._again(GIVEN_REQUIRE):
                return False
            self.require = self._known(0, REQUIRE_MAX)
            return self.require is not None
        if same(key, length, b"attributes", 10):
            if self.attributes is not None:
                return False
            self.attributes = self._pairs()
            return self.attributes is not None
        return False

    cdef bint _again(self, int field) noexcept:
        cdef bint again = (self.given & field) != 0
        self.given |= field
        return again

    cdef void _blanks(self) noexcept:
        while self.at[0] == 32:
            self.at += 1

    cdef bint _word(self, const signed char **begin, Py_ssize_t *length) noexcept:
        """A text in quotes that is as it stands there. Behind the end of a line is a zero, so that it ends nowhere else."""
        cdef const signed char *at = self.at + 1
        if self.at[0] != 34:
            return False
        while at[0] >= 32 and at[0] != 34 and at[0] != 92:
            at += 1
        if at[0] != 34:
            return False
        begin[0] = self.at + 1
        length[0] = at - begin[0]
        self.at = at + 1
        return True

    cdef str _text(self, Py_ssize_t least, Py_ssize_t most):
        """A text of so many characters; None for anything else."""
        cdef const signed char *begin
        cdef Py_ssize_t length
        cdef str text
        if not self._word(&begin, &length) or not least <= length <= most:
            return None
        text = PyUnicode_New(length, 127)
        memcpy(PyUnicode_1BYTE_DATA(text), begin, length)
        return text

    cdef str _known(self, Py_ssize_t least, Py_ssize_t most):
        """As `_text`, for what is likely to come again."""
        cdef const signed char *begin
        cdef Py_ssize_t length
        if not self._word(&begin, &length) or not least <= length <= most:
            return None
        return known_text(<const char *>begin, length)

    cdef str _name(self):
        """A text that the pattern of names allows; None for anything else."""
        cdef const signed char *begin = self.at + 1
        cdef const signed char *end = begin
        if self.at[0] != 34:
            return None
        while end[0] > 0 and IN_NAMES[<int>end[0]]:
            end += 1
        if end[0] != 34 or not 1 <= end - begin <= NAME_MAX:
            return None
        self.at = end + 1
        return known_text(<const char *>begin, end - begin)

    cdef bint _id(self) noexcept:
        """The id of a request; False for an unusual one."""
        cdef const signed char *begin = self.at
        cdef const signed char *text
        cdef Py_ssize_t length
        cdef int64_t number
        if begin[0] == 34:
            if not self._word(&text, &length) or length > ID_CHARACTERS_MAX or memchr(text, 127, length) != NULL:
                return False
        elif not self._digits(&number):
            return False
        self.request_id = begin
        self.request_id_length = self.at - begin
        return True

    cdef bint _digits(self, int64_t *number) noexcept:
        """A whole number, 0 or more, of a usual size; False for anything else."""
        cdef const signed char *begin = self.at
        number[0] = 0
        while 48 <= self.at[0] <= 57 and self.at - begin < DIGITS_MAX:
            number[0] = 10 * number[0] + self.at[0] - 48
            self.at += 1
        return self.at != begin and (begin[0] != 48 or self.at - begin == 1)

    cdef object _integer(self):
        """The same; None for anything else."""
        cdef int64_t number
        return number if self._digits(&number) else None

    cdef dict _pairs(self):
        """Attributes; None for what is unusual among them."""
        cdef dict pairs = {}
        cdef str name
        if self.at[0] != 123:  # {
            return None
        self.at += 1
        self._blanks()
        while self.at[0] != 125:  # }
            if pairs:
                if self.at[0] != 44:
                    return None
                self.at += 1
                self._blanks()
            name = self._text(1, ATTRIBUTE_NAME_MAX)
            self._blanks()
            if name is None or self.at[0] != 58 or name in pairs or len(pairs) == ATTRIBUTES_MAX:
                return None
            self.at += 1
            self._blanks()
            value = self._text(0, self.stop - self.at) if self.at[0] == 34 else self._integer()
            if value is None:
                return None
            pairs[name] = value
            self._blanks()
        self.at += 1
        return pairs

    cdef object command(self):
        """The message that was read, as long as its line is there."""
        cdef object request_id = None
        if self.request_id != NULL:
            request_id = decode_id((<const char *>self.request_id)[:self.request_id_length])
        if self.kind == ENQUEUE:
            return commands.ContactEnqueue(
                id=request_id, contact=self.contact, tenant=self.tenant, queue=self.queue,
                priority=self.priority, require=self.require, attributes=self.attributes,
            )
        if self.kind == ACCEPT:
            return commands.OfferAccept(id=request_id, offer=self.offer)
        if self.kind == COMPLETE:
            return commands.ContactComplete(id=request_id, contact=self.contact, reason=self.reason)
        return commands.AgentReady(id=request_id, agent=self.agent)


def read_plain(bytes line):
    """The command of a plain line; None for a line that msgspec has to read."""
    cdef PlainLine plain = PlainLine()
    return plain.command() if plain.read(line) else None
