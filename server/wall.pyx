# cython: auto_pickle=False, autotestdict=False
"""What is surely behind the wall of a connection, for each line and each event of its calls.

`server.access.walls.Reach` says what is behind a wall, and `server.access.guard.Guard` what comes of a line. Both are asked
wherever this says no, so here it is enough to know the ordinary case; and what is let through here must be what they would
let through, which `tests/test_permissions.py` tries with every verb.
"""

cimport cython

from acd_core.engine cimport Engine
from acd_core.event_lines cimport EventLine
from acd_protocol.plain_line cimport ABANDON, ACCEPT, COMPLETE, ENQUEUE, PlainLine, plain_kinds

from sys import intern

from acd_protocol import framing

cdef enum Side:               # by what a command is held to the wall
    NOTHING
    TENANT
    CONTACT
    OFFER
    AGENT

cdef dict SIDES = {"none": NOTHING, "tenant": TENANT, "contact": CONTACT, "offer": OFFER, "agent": AGENT}


@cython.final
cdef class Wall:
    """See the module.

    Verdicts on agents are kept as long as the configuration holds by which they were made.

    Args:
        tenants: whose every contact is behind the wall; empty where it is made of agents.
        reach: all that is.
        walls: the commands that may be sent for what is behind the wall, and that nobody need be told of; each with the
            word of `acd_protocol.permissions.Wall` for what it is about.
    """

    def __init__(self, frozenset tenants not None, reach, dict walls not None):
        self._tenants = frozenset(map(intern, tenants))  # as the engine keeps them
        self._has_tenants = bool(tenants)
        self._reach = reach
        self._sides = {kind: SIDES[wall] for kind, wall in walls.items()}
        self._plain = plain_kinds(walls)

    cdef bint passes_plain(self, Engine engine, PlainLine plain, str client) except -1:
        """Whether `client` surely may send what stands in `plain`."""
        if not self._plain >> <int>plain.kind & 1:
            return False
        if plain.kind == ENQUEUE:
            return plain.tenant in self._tenants
        if plain.kind == ACCEPT:
            return self._has_offer(engine, plain.offer_text())
        if plain.kind == COMPLETE or plain.kind == ABANDON:
            return self._has_contact(engine, plain.contact, client)
        return self._owns(engine.configuration, plain.agent)

    cdef bint passes_command(self, Engine engine, object command, str client) except -1:
        """Whether `client` surely may send a command."""
        cdef int side
        found = self._sides.get(type(command))
        if found is None:
            return False
        side = found
        if side == AGENT:
            return self._owns(engine.configuration, command.agent)
        if side == CONTACT:
            return self._has_contact(engine, command.contact, client)
        if side == OFFER:
            return self._has_offer(engine, command.offer)
        return side == NOTHING or command.tenant in self._tenants

    cdef bint shows(self, object config, str tenant, str agent) except -1:
        """Whether an event surely is behind the wall while this configuration holds, by whom it concerns."""
        if tenant:
            return tenant in self._tenants
        if not agent:
            return False
        if config is not self._known_in:
            self._begin(config)
        verdict = self._seen.get(agent)
        if verdict is None:
            verdict = self._seen[agent] = bool(self._reach.sees_agent(agent))
        return verdict is True

    cdef bint _has_contact(self, Engine engine, str contact, str client) except -1:
        cdef str tenant
        if not self._has_tenants:
            return self._reach.sees_contact(contact, client)
        tenant = engine.tenant_of_contact(contact)
        return tenant is not None and tenant in self._tenants

    cdef bint _has_offer(self, Engine engine, str offer) except -1:
        cdef str tenant
        if not self._has_tenants:
            return self._reach.sees_offer(offer)
        tenant = engine.tenant_of_offer(offer)
        return tenant is None or tenant in self._tenants  # of one that is over, the engine says no more than that

    cdef bint _owns(self, object config, str agent) except -1:
        """Whether an agent serves nobody beyond the wall."""
        if config is not self._known_in:
            self._begin(config)
        verdict = self._owned.get(agent)
        if verdict is None:
            # Nothing is kept of names that nobody has: a client may make up as many as it likes.
            if not self._reach.sees_agent(agent):
                return False
            verdict = self._owned[agent] = bool(self._reach.owns_agent(agent))
        return verdict is True

    cdef int _begin(self, object config) except -1:
        """Forget verdicts that were made by another configuration."""
        self._known_in = config
        self._seen = {}
        self._owned = {}
        return 0

    # -- for tests ----------------------------------------------------------------------------------------------

    def passes(self, Engine engine not None, bytes line not None, str client not None):
        """Whether a line surely may be sent: as a plain one, or else as a command."""
        cdef PlainLine plain = PlainLine()
        if plain.read(line):
            return self.passes_plain(engine, plain, client)
        return self.passes_command(engine, framing.decode_from_client(line), client)

    def passes_decoded(self, Engine engine not None, command, str client not None):
        """The same of a command, whether or not a plain line can say it."""
        return self.passes_command(engine, command, client)

    def shows_event(self, config, EventLine event not None):
        """Whether an event surely is behind the wall while this configuration holds."""
        return self.shows(config, event.tenant, event.agent)
