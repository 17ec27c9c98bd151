# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""The simulation's hold on an engine: commands by our own numbers, and what they caused as C records.

Everything that knows how the engine is spoken to is here. Commands give its `Outcome`; a command may cause events,
which `record` shows until `forget`. No Python object is made for an event.
"""

cimport cython
from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.stdlib cimport free, malloc

from acd_core.engine cimport Engine
from acd_core.state cimport Record

from acd_core.refusals import Outcome

cdef str CLIENT = "sim"
cdef int DISPOSITION_MISSING = Outcome.DISPOSITION_MISSING


class SimulationError(Exception):
    """The engine refused what a model must not ask; the message says what."""


@cython.final
cdef class Driver:
    """An engine with the model's configuration. Raises `SimulationError` when it refuses that.

    Args:
        config: the configuration.
        now: engine time of the start, above 0.
        agents: ids of the agents, by the model's numbers.
    """

    def __init__(self, config, int64_t now, list agents):
        cdef int32_t index, slot
        self.engine = Engine()
        self.names = []
        self.agents = agents
        outcome = self.engine.apply_config(now, config)
        if outcome >= 100:
            raise SimulationError(f"the engine refused the configuration: {Outcome(outcome).name}")
        self.slots = 1 + max(self.engine.agent_slots.values(), default=0)
        self.agent_of = <int32_t *>malloc(self.slots * sizeof(int32_t))
        if self.agent_of == NULL:
            raise MemoryError
        for index in range(<int32_t>self.slots):
            self.agent_of[index] = -1
        for index, name in enumerate(agents):
            if name not in self.engine.agent_slots:
                raise SimulationError(f"the configuration has no agent {name!r}")
            slot = self.engine.agent_slots[name]
            self.agent_of[slot] = index
        self.engine.discard_events()

    def __dealloc__(self):
        free(self.agent_of)

    cdef int32_t agent_at(self, int32_t slot) noexcept nogil:
        """Our number of the agent in the engine's slot; -1 for one that the model does not know."""
        return self.agent_of[slot] if 0 <= slot < self.slots else -1

    cdef int64_t count(self) noexcept nogil:
        """How many records there are."""
        return self.engine.record_count

    cdef Record *record(self, int64_t index) noexcept nogil:
        """A record; commands may move it."""
        return &self.engine.records[index]

    cdef int forget(self) except -1:
        """Drop the records."""
        return self.engine.forget_events()

    cdef int64_t next_deadline(self) noexcept nogil:
        """When `advance` next has something to do; INT64_MAX for never."""
        cdef int64_t at = self.engine.timers.next_deadline()
        return at if at else INT64_MAX

    cdef int advance(self, int64_t now) except -1:
        self.engine._advance(now)
        return 0

    cdef int enqueue(
        self, int64_t now, int32_t caller, str name, str tenant, str queue, int priority, str require, dict attributes
    ) except -1:
        while len(self.names) <= caller:
            self.names.append(None)
        self.names[caller] = name
        return self.engine.enqueue_contact(now, CLIENT, name, tenant, queue, priority, require, attributes)

    cdef int enqueue_wishing(
        self, int64_t now, int32_t caller, str name, str tenant, str queue, int priority, str require, dict attributes,
        object wishes
    ) except -1:
        """The same of a contact with rules of its own."""
        while len(self.names) <= caller:
            self.names.append(None)
        self.names[caller] = name
        return self.engine.enqueue_contact(
            now, CLIENT, name, tenant, queue, priority, require, attributes, "inbound", wishes
        )

    cdef int abandon(self, int64_t now, int32_t caller) except -1:
        return self.engine.abandon_contact(now, self.names[caller])

    cdef int withdraw(self, int64_t now, int32_t caller) except -1:
        return self.engine.withdraw_contact(now, self.names[caller])

    cdef int call_back(self, int64_t now, int32_t caller) except -1:
        """The waiting caller hangs up and is called back; his contact's id serves as the number."""
        return self.engine.callback_contact(now, self.names[caller], self.names[caller], None)

    cdef int move(self, int64_t now, int32_t caller, str queue) except -1:
        """A waiting contact joins another queue of its tenant, with its age."""
        return self.engine.transfer_contact(now, self.names[caller], queue, None, None, True, None, None)

    cdef int not_reached(self, int64_t now, int32_t caller) except -1:
        return self.engine.callback_contact(now, self.names[caller], "", "no_answer")

    cdef int complete(self, int64_t now, int32_t caller, bint transferred) except -1:
        return self.engine.complete_contact(
            now, self.names[caller], "transferred" if transferred else "completed_caller"
        )

    cdef int accept(self, int64_t now, int64_t offer) except -1:
        return self.engine.accept(now, offer)

    cdef int reject(self, int64_t now, int64_t offer) except -1:
        return self.engine.reject_offer(now, f"o-{offer}", "")

    cdef int end_wrapup(self, int64_t now, int32_t agent) except -1:
        cdef int outcome = self.engine.end_wrapup(now, self.agents[agent])
        if outcome == DISPOSITION_MISSING:
            outcome = self.engine.end_wrapup(now, self.agents[agent], "done")
        return outcome

    cdef int login(self, int64_t now, int32_t agent, str client) except -1:
        return self.engine.login_agent(now, client, self.agents[agent], None, True)

    cdef int logout(self, int64_t now, int32_t agent) except -1:
        return self.engine.logout_agent(now, self.agents[agent])

    cdef int pause(self, int64_t now, int32_t agent, str reason) except -1:
        return self.engine.pause_agent(now, self.agents[agent], reason)

    cdef int ready(self, int64_t now, int32_t agent) except -1:
        return self.engine.ready_agent(now, self.agents[agent])

    cdef int away(self, int64_t now, str client) except -1:
        return self.engine.leave_client(now, client)

    cdef int back(self, int64_t now, str client) except -1:
        return self.engine.return_client(now, client)
