from libc.stdint cimport uint32_t, uint64_t

cdef extern from "Python.h":
    int PyUnicode_KIND(str text) noexcept
    void *PyUnicode_DATA(str text) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(str text) noexcept

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    static inline uint64_t acd_eight(const char *letters) {
        uint64_t word;
        memcpy(&word, letters, 8);
        return word;
    }

    static inline uint64_t acd_four(const char *letters) {
        uint32_t word;
        memcpy(&word, letters, 4);
        return word;
    }

    /* Both halves of a product. */
    static inline uint64_t acd_folded(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }

    /* Words overlap where the size is no multiple of theirs, so that nothing beside the letters is read. */
    static inline uint32_t acd_tag(const char *letters, size_t size, uint64_t one, uint64_t other) {
        uint64_t a = 0, b = 0, all = size;
        if (size >= 8) {
            for (; size > 16; size -= 16, letters += 16)
                other = acd_folded(acd_eight(letters) ^ one, acd_eight(letters + 8) ^ other);
            if (size < 8)  /* of more than 16, so there are letters before */
                letters -= 8 - size, size = 8;
            a = acd_eight(letters);
            b = acd_eight(letters + size - 8);
        } else if (size >= 4) {
            a = acd_four(letters);
            b = acd_four(letters + size - 4);
        } else if (size) {
            a = (unsigned char)letters[0] | (uint64_t)(unsigned char)letters[size >> 1] << 8;
            b = (unsigned char)letters[size - 1];
        }
        return (uint32_t)acd_folded(acd_folded(a ^ one, b ^ other) ^ all, one);
    }

    static inline int acd_same(const char *a, const char *b, size_t size) {
        if (size >= 8) {
            for (; size > 8; size -= 8, a += 8, b += 8) {
                if (acd_eight(a) != acd_eight(b))
                    return 0;
                if (size < 16)
                    a -= 16 - size, b -= 16 - size, size = 16;
            }
            return acd_eight(a) == acd_eight(b);
        }
        if (size >= 4)
            return acd_four(a) == acd_four(b) && acd_four(a + size - 4) == acd_four(b + size - 4);
        return !size || (a[0] == b[0] && a[size >> 1] == b[size >> 1] && a[size - 1] == b[size - 1]);
    }
    """
    uint32_t acd_tag(const char *letters, size_t size, uint64_t one, uint64_t other) noexcept nogil
    bint same_letters "acd_same"(const char *a, const char *b, size_t size) noexcept nogil


cdef inline bint same_name(str a, str b) noexcept:
    """Whether two names are equal."""
    cdef int width
    cdef Py_ssize_t length
    if a is b:
        return True
    width = PyUnicode_KIND(a)
    length = PyUnicode_GET_LENGTH(a)
    return PyUnicode_KIND(b) == width and PyUnicode_GET_LENGTH(b) == length and same_letters(
        <const char *>PyUnicode_DATA(a), <const char *>PyUnicode_DATA(b), <size_t>(length * width)
    )


cdef uint64_t one_key
cdef uint64_t other_key


cdef inline uint32_t tag_of(str name) noexcept:
    """A hash of a name, another in each process; 0 for None."""
    if name is None:
        return 0
    return acd_tag(
        <const char *>PyUnicode_DATA(name), <size_t>PyUnicode_GET_LENGTH(name) * PyUnicode_KIND(name), one_key, other_key
    )
