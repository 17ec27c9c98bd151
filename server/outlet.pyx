# cython: auto_pickle=False, autotestdict=False
"""What router and sequencer know of a connection, so that they reach it without a detour through Python."""

from acd_core.event_lines cimport EventLine, Told
from acd_core.json_text cimport JsonText


cdef class Outlet:
    """A way out of the server. What is due to it is gathered in its own buffer; see `Sequencer.send`."""

    cpdef object write(self, bytes data):
        """Send `data`, which may now be seen by anyone."""
        raise NotImplementedError

    cpdef object deliver(self, EventLine event):
        """Take an event. Delivering is in order, and never waits."""
        raise NotImplementedError

    cdef int write_text(self, JsonText text) except -1:
        """As `write`; `text` is there only until this returns."""
        self.write(text.taken())
        return 0

    cdef bint deliver_lines(self, Told *told, Py_ssize_t count) except -1:
        """As `deliver`, for what is there only until this returns, their lines one behind the other.

        Takes all or none of them: False if they must be delivered one by one, or, of one, if the event itself must be.
        """
        return False
