# cython: auto_pickle=False, autotestdict=False
"""What router and sequencer know of a connection, so that they reach it without a detour through Python."""

from acd_core.event_lines cimport EventLine


cdef class Outlet:
    """A way out of the server.

    Attributes:
        gathered: what `Sequencer.send` has gathered for the next batch.
    """

    def __cinit__(self):
        self.gathered = []

    cpdef object write(self, bytes data):
        """Send `data`, which may now be seen by anyone."""
        raise NotImplementedError

    cpdef object deliver(self, EventLine event):
        """Take an event. Delivering is in order, and never waits."""
        raise NotImplementedError
