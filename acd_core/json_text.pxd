cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen

cdef enum:
    DIGITS = 20  # of the longest 64-bit number, with its sign

cdef extern from *:
    """
    static const char acd_pairs[201] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354"
        "5556575859606162636465666768697071727374757677787980818283848586878889909192939495969798990123456789";
    """
    const char *acd_pairs  # of digits


@cython.cdivision(True)
@cython.overflowcheck(False)
cdef inline char *put_digits(char *end, int64_t value) noexcept nogil:
    """Write the digits of a number, which is not negative, so that they end before `end`; gives where they begin."""
    cdef uint64_t rest = <uint64_t>value
    cdef uint64_t higher
    while rest >= 100:
        higher = rest // 100
        end -= 2
        memcpy(end, acd_pairs + 2 * (rest - 100 * higher), 2)
        rest = higher
    if rest >= 10:
        end -= 2
        memcpy(end, acd_pairs + 2 * rest, 2)
    else:
        end -= 1
        end[0] = <char>(c"0" + rest)
    return end


@cython.overflowcheck(False)
cdef inline bint is_plain_text(const char *text, Py_ssize_t length) noexcept nogil:
    """Whether UTF-8 stands in JSON as it is: without control characters, quotes and backslashes."""
    cdef uint64_t ones = 0x0101010101010101ULL, word, quotes, slashes, found = 0
    cdef Py_ssize_t place = 0
    while place + 8 <= length:  # see "Bit Twiddling Hacks", "Determine if a word has a byte less than n"
        memcpy(&word, text + place, 8)
        quotes = word ^ (ones * c'"')
        slashes = word ^ (ones * c"\\")
        found |= ((word - ones * 0x20) & ~word) | ((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes)
        place += 8
    if found & (ones * 0x80):
        return False
    while place < length:
        if <unsigned char>text[place] < 0x20 or text[place] == c'"' or text[place] == c"\\":
            return False
        place += 1
    return True


@cython.final
cdef class JsonText:
    cdef char *start
    cdef Py_ssize_t length
    cdef Py_ssize_t capacity
    cdef int64_t repeated  # the number that was written last by `again`
    cdef char repeated_digits[DIGITS]
    cdef Py_ssize_t repeated_count

    cdef int grow(self, Py_ssize_t more) except -1
    cdef void clear(self) noexcept
    cdef int escaped(self, object value) except -1

    cdef inline int room(self, Py_ssize_t more) except -1:
        """Make room for so many bytes more."""
        return 0 if self.length + more <= self.capacity else self.grow(more)

    cdef inline int add(self, const char *text, Py_ssize_t length) except -1:
        """JSON as it is."""
        self.room(length)
        memcpy(self.start + self.length, text, length)
        self.length += length
        return 0

    cdef inline int say(self, const char *text) except -1:
        """A literal: JSON as it is, whose length the compiler knows."""
        return self.add(text, strlen(text))

    cdef inline int add_bytes(self, bytes text) except -1:
        """JSON as it is."""
        return self.add(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    cdef inline int string(self, str text) except -1:
        """A string, in its quotes. Raises UnicodeEncodeError for what UTF-8 does not have."""
        cdef Py_ssize_t length
        cdef const char *utf8 = PyUnicode_AsUTF8AndSize(text, &length)
        if not is_plain_text(utf8, length):
            return self.escaped(text)
        self.room(length + 2)
        self.start[self.length] = c'"'
        memcpy(self.start + self.length + 1, utf8, length)
        self.start[self.length + 1 + length] = c'"'
        self.length += length + 2
        return 0

    cdef inline int number(self, int64_t value) except -1:
        """A whole number."""
        cdef char digits[DIGITS]
        cdef char *begin
        if value < 0:
            return self.escaped(value)
        begin = put_digits(digits + DIGITS, value)
        return self.add(begin, digits + DIGITS - begin)

    cdef inline int again(self, int64_t value) except -1:
        """A whole number, 0 or more, which is likely to be that of the time before."""
        cdef char *begin
        if value != self.repeated or not self.repeated_count:
            begin = put_digits(self.repeated_digits + DIGITS, value)
            self.repeated = value
            self.repeated_count = self.repeated_digits + DIGITS - begin
        return self.add(self.repeated_digits + DIGITS - self.repeated_count, self.repeated_count)

    cdef int seconds(self, int64_t ns) except -1
    cdef bytes taken(self)
