# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The contacts that ended last, so that a command which is repeated is known as such.

Each contact that ends comes in, and one that ended long ago goes, so both are made cheap for the cache: ids lie in the order
in which they ended, letter by letter, as do the rows beside them, and nothing of an old one is touched but these and its
place in a table by a hash of the id, from which nothing follows that can be seen.
"""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from acd_core.containers cimport Search
from acd_core.json_text cimport copy
from acd_core.names cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, same_letters, tag_of
from acd_core.types cimport NONE

cdef extern from "Python.h":
    str PyUnicode_FromKindAndData(int kind, const void *letters, Py_ssize_t length)

cdef enum:
    ROOM = 16                 # of an empty ring of rows
    LETTERS = 256


cdef inline int64_t _least(int64_t a, int64_t b) noexcept nogil:
    return a if a < b else b


@cython.final
cdef class Ended:
    """Ended contacts by id, oldest first; of each, why it ended and whose it was."""

    def __cinit__(self):
        self.room = ROOM
        self.places = TagTable()
        self.letter_room = LETTERS
        self.memories = <Memory *>calloc(ROOM, sizeof(Memory))
        self.letters = <char *>malloc(LETTERS)
        if self.memories == NULL or self.letters == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef int64_t index
        for index in range(self.first, self.first + self.count):
            Py_DECREF(<object>self.memories[index & (self.room - 1)].client)
        free(self.memories)
        free(self.letters)

    def __len__(self):
        return self.count

    def __contains__(self, str contact):
        return self.find_tagged(contact, tag_of(contact)) != NONE

    cdef tuple get(self, str contact):
        """Why a contact ended, as an index into views.END_REASONS, and its client; None if it is not remembered."""
        cdef int32_t place = self.find_tagged(contact, tag_of(contact))
        if place == NONE:
            return None
        return self.memories[place].reason, <object>self.memories[place].client

    cdef object client_of(self, int32_t place):
        """Whose the contact was that `find_tagged` found."""
        return <object>self.memories[place].client

    cdef int add(self, str contact, int reason, object client, int64_t most) except -1:
        """Remember a contact, which is not there, as the last that ended, among no more than `most`."""
        cdef Id found
        found.tag = tag_of(contact)
        found.width = <uint8_t>PyUnicode_KIND(contact)
        found.size = <uint32_t>(PyUnicode_GET_LENGTH(contact) * found.width)
        return self.add_id(&found, <const char *>PyUnicode_DATA(contact), reason, client, most)

    cdef int add_id(self, const Id *found, const char *letters, int reason, object client, int64_t most) except -1:
        """The same of one whose id is kept, and these are its letters."""
        cdef int64_t size = found.size, part
        cdef int32_t place
        cdef Memory *memory
        self.places.prefetch_home(found.tag)
        if self.count >= most:
            self.keep(most - 1 if most > 0 else 0)
            if most <= 0:
                return 0
        if self.count == self.room:
            self._grow()
        place = <int32_t>((self.first + self.count) & (self.room - 1))
        memory = &self.memories[place]
        if self.count == 0:
            self.letters_end = 0
        memory.start = self.letters_end
        if self.letters_end + size - (self.memories[self.first & (self.room - 1)].start if self.count else 0) > self.letter_room:
            self._grow_letters(size)
        part = _least(size, self.letter_room - (memory.start & (self.letter_room - 1)))
        copy(self.letters + (memory.start & (self.letter_room - 1)), letters, <size_t>part)
        if part < size:
            copy(self.letters, letters + part, <size_t>(size - part))
        self.letters_end += size
        memory.tag = found.tag
        memory.size = found.size
        memory.width = found.width
        memory.reason = <uint8_t>reason
        memory.client = <PyObject *>client
        self.places.enter(found.tag, place, &self.memories[0].tag, sizeof(Memory))
        Py_INCREF(client)
        self.count += 1
        return 0

    cdef void keep(self, int64_t most):
        """Forget the oldest, until no more than `most` are there."""
        cdef int32_t place
        while self.count > most:
            place = <int32_t>(self.first & (self.room - 1))
            self.places.leave(self.memories[place].tag, place)
            self.first += 1
            self.count -= 1
            Py_DECREF(<object>self.memories[place].client)
        if self.count == most and most:
            self.places.prefetch_home(self.memories[self.first & (self.room - 1)].tag)  # the next to go

    cdef list items(self):
        """All, oldest first: `(id, (reason, client))`."""
        cdef list found = []
        cdef int64_t index
        cdef Memory *memory
        for index in range(self.first, self.first + self.count):
            memory = &self.memories[index & (self.room - 1)]
            found.append((self._id(memory), (memory.reason, <object>memory.client)))
        return found

    cdef str _id(self, Memory *memory):
        cdef int64_t at = memory.start & (self.letter_room - 1), part = _least(memory.size, self.letter_room - at)
        cdef char *whole = <char *>malloc(<size_t>memory.size + 1)
        if whole == NULL:
            raise MemoryError
        try:
            memcpy(whole, self.letters + at, <size_t>part)
            memcpy(whole + part, self.letters, <size_t>(memory.size - part))
            return PyUnicode_FromKindAndData(memory.width, whole, memory.size // memory.width)
        finally:
            free(whole)

    cdef bint _is(self, Memory *memory, str contact) noexcept:
        """Whether this is the contact's id: letters of equal texts are of equal width."""
        cdef int64_t at = memory.start & (self.letter_room - 1), part
        cdef const char *letters = <const char *>PyUnicode_DATA(contact)
        cdef int width = PyUnicode_KIND(contact)
        if memory.width != width or <int64_t>memory.size != PyUnicode_GET_LENGTH(contact) * width:
            return False
        part = _least(memory.size, self.letter_room - at)
        return (
            same_letters(self.letters + at, letters, <size_t>part)
            and same_letters(self.letters, letters + part, <size_t>(memory.size - part))
        )

    cdef int32_t find_tagged(self, str contact, uint32_t tag) noexcept:
        """Where a contact is remembered, until the next change, or NONE; `tag` is `tag_of` its id."""
        cdef Search search = self.places.search(tag)
        cdef int32_t place = self.places.found(&search) if contact is not None else NONE
        while place != NONE:
            if self.memories[place].tag == tag and self._is(&self.memories[place], contact):
                return place
            place = self.places.found(&search)
        return NONE

    cdef int _grow(self) except -1:
        """Twice as many rows."""
        cdef int64_t room = 2 * self.room, index
        cdef Memory *memories = <Memory *>calloc(<size_t>room, sizeof(Memory))
        if memories == NULL:
            raise MemoryError(f"cannot remember {room} ended contacts")
        for index in range(self.first, self.first + self.count):
            memories[index & (room - 1)] = self.memories[index & (self.room - 1)]
        free(self.memories)
        self.memories = memories
        self.room = room
        self.places = TagTable()
        for index in range(self.first, self.first + self.count):
            self.places.enter(
                memories[index & (room - 1)].tag, <int32_t>(index & (room - 1)), &memories[0].tag, sizeof(Memory)
            )
        return 0

    cdef int _grow_letters(self, int64_t needed) except -1:
        """Room for so many more bytes of ids, whose places stay."""
        cdef int64_t start = self.memories[self.first & (self.room - 1)].start if self.count else self.letters_end
        cdef int64_t room = 2 * self.letter_room, index, part
        cdef char *letters
        while room < self.letters_end - start + needed:
            room *= 2
        letters = <char *>malloc(<size_t>room)
        if letters == NULL:
            raise MemoryError(f"cannot hold {room} bytes of ids")
        index = start
        while index < self.letters_end:
            part = _least(self.letters_end - index, self.letter_room - (index & (self.letter_room - 1)))
            part = _least(part, room - (index & (room - 1)))
            memcpy(letters + (index & (room - 1)), self.letters + (index & (self.letter_room - 1)), <size_t>part)
            index += part
        free(self.letters)
        self.letters = letters
        self.letter_room = room
        return 0
