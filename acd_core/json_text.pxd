cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_AsUTF8AndSize, PyUnicode_GET_LENGTH
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    ROOM = 256   # for the literals and numbers that come before the next text
    EXACT_MS = 1_000_000_000_000_000  # above, a number of seconds has more digits than a float keeps: msgspec writes it

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(str text)

cdef extern from *:
    """
    static const char acd_pairs[201] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354"
        "5556575859606162636465666768697071727374757677787980818283848586878889909192939495969798990123456789";

    static const uint64_t acd_powers[20] = {
        0, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL, 100000000ULL, 1000000000ULL,
        10000000000ULL, 100000000000ULL, 1000000000000ULL, 10000000000000ULL, 100000000000000ULL, 1000000000000000ULL,
        10000000000000000ULL, 100000000000000000ULL, 1000000000000000000ULL, 10000000000000000000ULL};

    /* The digits of a number; gives where they end. What is short comes often. 1233 / 4096 is a little more than the
       logarithm of 2; see "Bit Twiddling Hacks", "integer log base 10". */
    static __attribute__((noinline, unused)) char *acd_number(char *at, int64_t number) {
        uint64_t value = (uint64_t)number;
        char *end, *place;
        uint32_t rest;
        int guess;
        if (value < 10) {
            at[0] = (char)('0' + value);
            return at + 1;
        }
        guess = ((64 - __builtin_clzll(value)) * 1233) >> 12;
        place = end = at + guess + (value >= acd_powers[guess]);
        for (; value > UINT32_MAX; value /= 100) {
            place -= 2;
            memcpy(place, acd_pairs + 2 * (value % 100), 2);
        }
        for (rest = (uint32_t)value; rest >= 100; rest /= 100) {
            place -= 2;
            memcpy(place, acd_pairs + 2 * (rest % 100), 2);
        }
        if (rest >= 10)
            memcpy(place - 2, acd_pairs + 2 * rest, 2);
        else
            at[0] = (char)('0' + rest);
        return end;
    }

    /* How all but the last two digits of a number looked that was written lately; all zero at first, for none. */
    #define ACD_SOME (1ULL << 63)
    typedef struct {
        uint64_t base; /* and ACD_SOME */
        size_t length;
        char text[16];
    } acd_near_number;

    static __attribute__((noinline, unused)) char *acd_far(acd_near_number *near, char *at, int64_t number) {
        char *end = acd_number(at, number);
        size_t length = (size_t)(end - at);
        if (length >= 3 && length <= 18) {
            near->base = ((uint64_t)number - (uint64_t)number % 100) | ACD_SOME;
            near->length = length - 2;
            memcpy(near->text, at, length - 2);
        }
        return end;
    }

    /* As acd_number, for numbers that are mostly near each other; writes up to 14 bytes more, which mean nothing. */
    static inline char *acd_near(acd_near_number *near, char *at, int64_t number) {
        uint64_t rest = ((uint64_t)number | ACD_SOME) - near->base;
        if (rest >= 100)
            return acd_far(near, at, number);
        memcpy(at, near->text, 16);
        memcpy(at + near->length, acd_pairs + 2 * rest, 2);
        return at + near->length + 2;
    }

    /* A literal. Inline everywhere, since its length is known only there. */
    static inline __attribute__((always_inline)) char *acd_put(char *at, const char *literal) {
        size_t length = __builtin_strlen(literal);
        memcpy(at, literal, length);
        return at + length;
    }

    /* As memcpy, without calling it for what is mostly as short as a name; each step may write some bytes twice. */
    static inline char *acd_copy(char *at, const char *from, size_t length) {
        if (length > 64) {
            memcpy(at, from, length);
        } else if (length >= 16) {
            char block[16];
            size_t place = 0;
            for (; place + 16 < length; place += 16) {
                memcpy(block, from + place, 16);
                memcpy(at + place, block, 16);
            }
            memcpy(block, from + length - 16, 16);
            memcpy(at + length - 16, block, 16);
        } else if (length >= 8) {
            uint64_t first, last;
            memcpy(&first, from, 8);
            memcpy(&last, from + length - 8, 8);
            memcpy(at, &first, 8);
            memcpy(at + length - 8, &last, 8);
        } else if (length >= 4) {
            uint32_t first, last;
            memcpy(&first, from, 4);
            memcpy(&last, from + length - 4, 4);
            memcpy(at, &first, 4);
            memcpy(at + length - 4, &last, 4);
        } else if (length) {
            at[0] = from[0];
            at[length >> 1] = from[length >> 1];
            at[length - 1] = from[length - 1];
        }
        return at + length;
    }

    /* The same where up to 15 bytes more may be read, and as many more may be written, which mean nothing. */
    static inline char *acd_blocks(char *at, const char *from, size_t length) {
        char block[16];
        size_t place = 0;
        do {
            memcpy(block, from + place, 16);
            memcpy(at + place, block, 16);
            place += 16;
        } while (place < length);
        return at + length;
    }
    """
    ctypedef struct NearNumber "acd_near_number":
        pass
    const char *acd_pairs  # of digits
    char *put_number "acd_number"(char *at, int64_t number) noexcept nogil
    char *put_near "acd_near"(NearNumber *near, char *at, int64_t number) noexcept nogil
    char *blocks "acd_blocks"(char *at, const char *text, size_t length) noexcept nogil
    char *put "acd_put"(char *at, const char *literal) noexcept nogil
    char *copy "acd_copy"(char *at, const char *text, size_t length) noexcept nogil


@cython.overflowcheck(False)
cdef inline uint64_t odd_bytes(uint64_t word) noexcept nogil:
    """Not 0 if any of 8 bytes is a control character, a quote or a backslash."""
    cdef uint64_t ones = 0x0101010101010101ULL  # see "Bit Twiddling Hacks", "Determine if a word has a byte less than n"
    cdef uint64_t quotes = word ^ (ones * c'"')
    cdef uint64_t slashes = word ^ (ones * c"\\")
    return (
        ((word - ones * 0x20) & ~word) | ((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes)
    ) & (ones * 0x80)


@cython.overflowcheck(False)
cdef inline uint64_t may_be_odd(uint64_t word) noexcept nogil:
    """Not 0 if `odd_bytes` is not; it is seldom so for anything else than what is beyond ASCII."""
    cdef uint64_t ones = 0x0101010101010101ULL
    return (
        (word - ones * 0x20) | ((word ^ (ones * c'"')) - ones) | ((word ^ (ones * c"\\")) - ones) | word
    ) & (ones * 0x80)


cdef inline bint is_plain_text(const char *text, Py_ssize_t length) noexcept nogil:
    """Whether UTF-8 stands in JSON as it is: without control characters, quotes and backslashes."""
    cdef uint64_t word, found = 0
    cdef uint32_t first, last
    cdef Py_ssize_t place = 0
    if length >= 8:
        while place + 8 < length:
            memcpy(&word, text + place, 8)
            found |= may_be_odd(word)
            place += 8
        memcpy(&word, text + length - 8, 8)
        if (found | may_be_odd(word)) == 0:
            return True
        found = 0
        place = 0
        while place + 8 < length:
            memcpy(&word, text + place, 8)
            found |= odd_bytes(word)
            place += 8
        memcpy(&word, text + length - 8, 8)
        return (found | odd_bytes(word)) == 0
    if length >= 4:
        memcpy(&first, text, 4)
        memcpy(&last, text + length - 4, 4)
        return odd_bytes(<uint64_t>last << 32 | first) == 0
    while place < length:
        if <unsigned char>text[place] < 0x20 or text[place] == c'"' or text[place] == c"\\":
            return False
        place += 1
    return True


cdef inline const char *utf8_of(str text, Py_ssize_t *length) except NULL:
    """A text's UTF-8, there as long as the text is. Raises UnicodeEncodeError for what UTF-8 does not have."""
    if PyUnicode_IS_COMPACT_ASCII(text):
        length[0] = PyUnicode_GET_LENGTH(text)
        return <const char *>PyUnicode_1BYTE_DATA(text)
    return PyUnicode_AsUTF8AndSize(text, length)


@cython.final
cdef class JsonText:
    cdef char *start
    cdef Py_ssize_t length
    cdef Py_ssize_t capacity

    cdef int grow(self, Py_ssize_t more) except -1
    cdef void clear(self) noexcept
    cdef char *escaped(self, char *at, object value) except NULL
    cdef bytes taken(self)

    cdef inline int room(self, Py_ssize_t more) except -1:
        """Make room for so many bytes more."""
        return 0 if self.length + more <= self.capacity else self.grow(more)

    cdef inline int add(self, const char *text, Py_ssize_t length) except -1:
        """JSON as it is."""
        self.room(length)
        memcpy(self.start + self.length, text, length)
        self.length += length
        return 0

    cdef inline int add_bytes(self, bytes text) except -1:
        """JSON as it is."""
        return self.add(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    # What follows writes at a place of the buffer and gives the place behind, where there is room for as many bytes as
    # ROOM has: for literals and numbers, which ask for none. `finish` is told of the last place.

    cdef inline char *begin(self) except NULL:
        """Where what comes next is written."""
        self.room(ROOM)
        return self.start + self.length

    cdef inline void finish(self, char *at) noexcept:
        """All was written."""
        self.length = at - self.start

    cdef inline char *on(self, char *at, Py_ssize_t more) except NULL:
        """The same place, with room for so many bytes more."""
        if at - self.start + more + ROOM <= self.capacity:
            return at
        self.length = at - self.start
        self.room(more + ROOM)
        return self.start + self.length

    cdef inline char *piece(self, char *at, bytes text) except NULL:
        """JSON as it is."""
        cdef Py_ssize_t length = PyBytes_GET_SIZE(text)
        return copy(self.on(at, length), PyBytes_AS_STRING(text), length)

    cdef inline char *string(self, char *at, str text) except NULL:
        """A string, in its quotes. Raises UnicodeEncodeError for what UTF-8 does not have."""
        cdef Py_ssize_t length
        cdef const char *utf8 = utf8_of(text, &length)
        if not is_plain_text(utf8, length):
            return self.escaped(at, text)
        return self.plain(at, utf8, length)

    cdef inline char *plain(self, char *at, const char *text, Py_ssize_t length) except NULL:
        """The same of one that stands in JSON as it is."""
        at = self.on(at, length + 2)
        at[0] = c'"'
        at = copy(at + 1, text, length)
        at[0] = c'"'
        return at + 1

    cdef inline char *number(self, char *at, int64_t value) except NULL:
        """A whole number."""
        return put_number(at, value) if value >= 0 else self.escaped(at, value)

    @cython.cdivision(True)
    cdef inline char *seconds(self, char *at, int64_t ns) except NULL:
        """A time, which is not negative, as seconds to the nearest millisecond, as `config.seconds_of_ns` has them."""
        cdef uint64_t ms = (<uint64_t>ns + 500_000) // 1_000_000
        cdef int part = ms % 1000
        if ms >= EXACT_MS:
            return self.escaped(at, ms // 1000 if part == 0 else ms / 1000.0)
        at = put_number(at, ms // 1000)
        if part == 0:
            return at
        at[0] = c"."
        at[1] = <char>(c"0" + part // 100)
        memcpy(at + 2, acd_pairs + 2 * (part % 100), 2)
        return at + (2 if part % 100 == 0 else 3 if part % 10 == 0 else 4)
