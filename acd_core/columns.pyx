# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Rows of C structs as columns of bytes and back, field by field and by name.

A column is the least of its numbers, and how far each is above it, in as few bytes as the furthest needs; a column
whose numbers are all the same takes none. Slots of other rows become their places in the order in which those rows are
dumped, so nothing of where a row lay in memory is kept.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc

from acd_core.containers cimport reserve
from acd_core.memory cimport release
from acd_core.types cimport NONE

from acd_core.dump_form import Column, DumpError


cdef inline int64_t _get(const char *at, int32_t size) noexcept nogil:
    if size == 1:
        return (<const uint8_t *>at)[0]
    if size == 4:
        return (<const int32_t *>at)[0]
    if size == 2:
        return (<const int16_t *>at)[0]
    return (<const int64_t *>at)[0]


cdef inline void _set(char *at, int32_t size, int64_t value) noexcept nogil:
    if size == 1:
        (<uint8_t *>at)[0] = <uint8_t>value
    elif size == 4:
        (<int32_t *>at)[0] = <int32_t>value
    elif size == 2:
        (<int16_t *>at)[0] = <int16_t>value
    else:
        (<int64_t *>at)[0] = value


@cython.overflowcheck(False)
cdef object pack(const int64_t *values, int64_t count):
    """The column of these numbers."""
    cdef int64_t least = 0, most = 0, index
    cdef uint64_t above
    cdef int width = 0, part
    cdef bytes data
    cdef uint8_t *at
    for index in range(count):
        if index == 0 or values[index] < least:
            least = values[index]
        if index == 0 or values[index] > most:
            most = values[index]
    above = <uint64_t>most - <uint64_t>least
    while above:
        width += 1
        above >>= 8
    data = PyBytes_FromStringAndSize(NULL, count * width)
    at = <uint8_t *>PyBytes_AS_STRING(data)
    for index in range(count):
        above = <uint64_t>values[index] - <uint64_t>least
        for part in range(width):
            at[0] = <uint8_t>(above >> (8 * part))
            at += 1
    return Column(least, width, data)


@cython.overflowcheck(False)
cdef int unpack(object column, int64_t *values, int64_t count) except -1:
    """Read `count` numbers of a column."""
    cdef int64_t least = column.least, index
    cdef uint64_t above
    cdef int width = column.width, part
    cdef bytes data = column.data
    cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(data)
    if not 0 <= width <= 8 or len(data) != count * width:
        raise DumpError(f"a column of {len(data)} bytes is not one of {count} numbers of {width} bytes")
    for index in range(count):
        above = 0
        for part in range(width):
            above |= <uint64_t>at[0] << (8 * part)
            at += 1
        values[index] = <int64_t>(above + <uint64_t>least)
    return 0


@cython.final
cdef class Rows:
    """The rows of a table that are in use, by the places that they have in a dump."""

    def __cinit__(self, slots):
        cdef int32_t slot
        cdef int64_t index, most = 0
        self.count = len(slots)
        reserve(<void **>&self.slots, &self.slot_capacity, self.count + 1, sizeof(int32_t))
        for slot in slots:
            most = max(most, slot + 1)
        reserve(<void **>&self.places, &self.place_capacity, most, sizeof(int32_t))
        for index in range(most):
            self.places[index] = NONE
        index = 0
        for slot in slots:
            self.slots[index] = slot
            self.places[slot] = <int32_t>index
            index += 1

    def __dealloc__(self):
        release(self.slots)
        release(self.places)


@cython.final
cdef class Layout:
    """The fields of a struct that are dumped. Callers name them with a sample of the struct at hand."""

    @staticmethod
    cdef Layout of(const void *sample, size_t stride):
        cdef Layout layout = Layout()
        layout.sample = <const char *>sample
        layout.stride = <int64_t>stride
        layout.names = []
        return layout

    def __dealloc__(self):
        release(self.fields)

    cdef int64_t offset(self, const void *field) noexcept:
        """Where in the struct a field of the sample lies."""
        return <const char *>field - self.sample

    cdef int _add(self, str name, const void *field, size_t size, int32_t refers, int64_t absent) except -1:
        cdef int64_t index = len(self.names)
        reserve(<void **>&self.fields, &self.capacity, index + 1, sizeof(Field))
        self.fields[index].offset = <int32_t>self.offset(field)
        self.fields[index].size = <int32_t>size
        self.fields[index].refers = refers
        self.fields[index].absent = absent
        self.names.append(name)
        return 0

    cdef int number(self, str name, const void *field, size_t size, int64_t absent=0) except -1:
        """A number: unsigned of 1 byte, or signed of 2, 4 or 8."""
        return self._add(name, field, size, NONE, absent)

    cdef int numbers(self, str name, const void *first, size_t size, int count) except -1:
        """An array of `count` numbers, `size` bytes in all; each is a column of its own."""
        cdef int index
        cdef size_t each = size // count
        for index in range(count):
            self._add(f"{name}.{index}", <const char *>first + index * each, each, NONE, 0)
        return 0

    cdef int reference(self, str name, const void *field, int32_t table) except -1:
        """A slot, of 4 bytes, of that table in the list that `dump` and `load` are given; NONE for none."""
        return self._add(name, field, sizeof(int32_t), table, NONE)

    cdef dict dump(self, const char *base, Rows rows, list tables):
        """The columns of these rows, by name."""
        cdef dict columns = {}
        cdef int64_t index, field
        cdef int64_t *values = <int64_t *>malloc(<size_t>(rows.count + 1) * sizeof(int64_t))
        cdef Field *row
        cdef Rows table
        if values == NULL:
            raise MemoryError(f"cannot hold {rows.count} numbers")
        try:
            for field in range(len(self.names)):
                row = &self.fields[field]
                for index in range(rows.count):
                    values[index] = _get(base + rows.slots[index] * self.stride + row.offset, row.size)
                if row.refers != NONE:
                    table = tables[row.refers]
                    for index in range(rows.count):
                        if values[index] != NONE:
                            values[index] = table.places[values[index]]
                columns[self.names[field]] = pack(values, rows.count)
        finally:
            free(values)
        return columns

    cdef dict alike(self, const char *row, int64_t count):
        """The columns of so many rows that are all like one."""
        cdef int64_t field
        return {
            self.names[field]: Column(_get(row + self.fields[field].offset, self.fields[field].size) if count else 0, 0, b"")
            for field in range(len(self.names))
        }

    cdef bint all_like(self, const char *row, dict columns) except -1:
        """Whether all rows that these columns are of are like one."""
        cdef int64_t field
        for field in range(len(self.names)):
            column = columns.get(self.names[field])
            if column is not None and (
                column.width or column.least != _get(row + self.fields[field].offset, self.fields[field].size)
            ):
                return False
        return True

    cdef int load(self, dict columns, char *base, int64_t count, list tables) except -1:
        """Fill the first `count` rows. A field without a column gets what it had before there was one."""
        cdef int64_t index, field, most
        cdef int64_t *values = <int64_t *>malloc(<size_t>(count + 1) * sizeof(int64_t))
        cdef Field *row
        cdef Rows table
        if values == NULL:
            raise MemoryError(f"cannot hold {count} numbers")
        try:
            for field in range(len(self.names)):
                row = &self.fields[field]
                column = columns.get(self.names[field])
                if column is not None:
                    unpack(column, values, count)
                else:
                    for index in range(count):
                        values[index] = row.absent
                if row.refers != NONE:
                    table = tables[row.refers]
                    most = table.count
                    for index in range(count):
                        if not NONE <= values[index] < most:
                            raise DumpError(f"{self.names[field]} names row {values[index]} of {most}")
                for index in range(count):
                    _set(base + index * self.stride + row.offset, row.size, values[index])
        finally:
            free(values)
        return 0
