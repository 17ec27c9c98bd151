from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cpdef bytes record_bytes(
    bytes magic, uint16_t version, object tail, uint16_t kind, uint64_t epoch, int64_t time_ns, uint32_t commands, bytes payload,
)
cpdef object tail_after(object tail, bytes record, bint sealed)


cdef inline tuple fields_of(object named, Py_ssize_t last):
    """A NamedTuple as what it is, whose fields up to a number are found at once."""
    if not isinstance(named, tuple) or len(<tuple>named) <= last:
        raise TypeError(f"a tuple with a field {last} is expected, not {named!r}")
    return <tuple>named
