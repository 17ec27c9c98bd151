# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""Agents who ask a colleague about the contact that they talk with, and conferences.

The behaviour is that of model/consults.py. Which question is asked about which contact is a Python dictionary, that of
the few contacts about which one is being asked; all others pay for a look at whether it is empty.
"""

from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int32_t

from acd_core.callbacks cimport Callbacks
from acd_core.state cimport CONTACT_CONSULTED, CONTACT_LEFT, CONTACT_MERGED, CONTACT_RESUMED, Record
from acd_core.types cimport COMPLETED_CALLER, CONTACT_CONNECTED, CONTACT_WRAPUP, LEG_CONNECTED, NONE, TRANSFERRED, WITHDRAWN, Contact

from acd_core import views

cdef Py_ssize_t HISTORY_MAX = views.HISTORY_MAX


cdef class Consults(Callbacks):
    """The state with questions among agents; see `Engine`."""

    cdef int _begin_consult(self, int32_t consult, object wishes) except -1:
        cdef int32_t contact = self.contact_slots.find(wishes.consults)
        cdef object name = self.contact_ids.get(consult)
        cdef Record *record
        self.tables.contacts[consult].consults = True
        self.consulting[contact] = consult
        self.tables.queues[self.tables.contacts[contact].queue].consults += 1
        record = self._record(
            CONTACT_CONSULTED, contact, self.agent_slots[wishes.asked_by], self.tables.contacts[contact].queue
        )
        Py_INCREF(name)
        record.text = <PyObject *>name
        return 0

    cdef int32_t _about(self, int32_t consult) except -2:
        """The contact that a question is about, while they are joined."""
        contact = self.contact_slots.get(self._wishes(consult).consults)
        return contact if contact is not None and self.consulting.get(contact) == consult else NONE

    cdef int _end_consult(self, int32_t contact) except -1:
        """Whoever was asked about the contact is asked no more."""
        cdef int32_t consult
        found = self.consulting.pop(contact, None)
        if found is None:
            return 0
        consult = found
        if self.tables.contacts[consult].state == CONTACT_CONNECTED:
            return self._complete(consult, COMPLETED_CALLER)
        return self._leave_queue(consult, WITHDRAWN)

    cdef int _forget_consult(self, int32_t consult) except -1:
        cdef int32_t contact = self._about(consult)
        if contact != NONE:
            del self.consulting[contact]
        return 0

    cdef int32_t _connected_leg(self, int32_t contact, str agent) noexcept:
        """The leg by which the agent talks with the contact; NONE for none."""
        cdef int32_t leg = self.tables.contacts[contact].legs
        while leg != NONE:
            if self.legs.legs[leg].state == LEG_CONNECTED and self._agent_name(self.legs.legs[leg].agent) == agent:
                return leg
            leg = self.legs.legs[leg].next_of_contact
        return NONE

    cdef int32_t _talking(self, int32_t contact) noexcept:
        """How many agents talk with the contact."""
        cdef int32_t leg = self.tables.contacts[contact].legs, count = 0
        while leg != NONE:
            count += self.legs.legs[leg].state == LEG_CONNECTED
            leg = self.legs.legs[leg].next_of_contact
        return count

    cdef int _merge(self, int32_t consult, int32_t contact, bint transfer) except -1:
        """Who was asked talks with the caller."""
        cdef Contact *row = &self.tables.contacts[contact]
        cdef int32_t leg = self.tables.contacts[consult].legs, agent = self.legs.legs[leg].agent
        cdef object name = self.contact_ids.get(consult)
        cdef str asker = self._wishes(consult).asked_by
        cdef Record *record
        self.legs.pass_on(leg, contact)
        self.tables.queues[row.queue].conferences += 1
        self._note(contact, "joined", "", agent, 0)
        record = self._record(CONTACT_MERGED, contact, agent, row.queue)
        record.code = self._talking(contact)
        Py_INCREF(name)
        record.text = <PyObject *>name
        if row.held:
            row.held = False
            self._record(CONTACT_RESUMED, contact, agent, row.queue)
        self._note_last_agent(contact, agent)
        del self.consulting[contact]
        self.tables.contacts[consult].completed = self.now
        self.tables.contacts[consult].held = False
        self._set_state(consult, CONTACT_WRAPUP)
        self._end(consult, TRANSFERRED, agent)
        if transfer:
            self._leave(contact, self._connected_leg(contact, asker))
        return 0

    cdef int _leave(self, int32_t contact, int32_t leg) except -1:
        """One of several agents leaves the conversation."""
        cdef int32_t agent = self.legs.legs[leg].agent
        cdef str name = self._agent_name(agent)
        cdef Record *record
        source = self.queue_configs[self.legs.legs[leg].queue]
        self.left_contacts[leg] = self.contact_ids.get(contact)
        self.legs.detach(leg)
        self.histories[contact] = (
            *self.histories.get(contact, ()), f"{name}@{source.tenant}/{source.name}"
        )[-HISTORY_MAX:]
        self._note(contact, "left", "", agent, 0)
        record = self._record(CONTACT_LEFT, contact, agent, self.tables.contacts[contact].queue)
        record.code = self._talking(contact)
        consult = self.consulting.get(contact)
        if consult is not None and self._wishes(consult).asked_by == name:
            self._end_consult(contact)
        return self._wrap_up(leg, TRANSFERRED)

    # -- the end ------------------------------------------------------------------------------------------------

    cdef int _complete(self, int32_t contact, int reason) except -1:
        if self.consulting:
            self._end_consult(contact)
            if self.tables.contacts[contact].consults:
                self._forget_consult(contact)
        return Callbacks._complete(self, contact, reason)

    cdef int _transfer(self, int32_t contact, int32_t target, bint keep_age, str only_agent) except -1:
        if self.consulting:
            self._end_consult(contact)
        return Callbacks._transfer(self, contact, target, keep_age, only_agent)

    cdef int _attempt_failed(self, int32_t contact, str cause) except -1:
        if self.consulting:
            self._end_consult(contact)
        return Callbacks._attempt_failed(self, contact, cause)

    cdef int _end(self, int32_t contact, int reason, int32_t agent) except -1:
        if self.consulting and self.tables.contacts[contact].consults:
            self._forget_consult(contact)
        return Callbacks._end(self, contact, reason, agent)
