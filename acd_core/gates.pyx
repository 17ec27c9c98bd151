# cython: boundscheck=False, wraparound=False, cdivision=True, auto_pickle=False, autotestdict=False
"""What keeps a contact from agents who could serve it: limits, reserves for other queues, shares of groups.

None of it is looked at unless it is configured somewhere.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t

from acd_core.containers cimport reserve
from acd_core.memory cimport release
from acd_core.tables cimport Tables
from acd_core.types cimport Class, Queue

from acd_core import config

cdef int64_t MEMORY = config.ALLOCATION_MEMORY


@cython.final
cdef class Gates:
    """The gates of one engine, over the rows of its tables."""

    def __cinit__(self, Tables tables):
        self.tables = tables

    def __dealloc__(self):
        release(self.reserves)
        release(self.tight)
        release(self.tenant_limits)
        release(self.tenant_busy)
        release(self.shares)

    cdef int reset(self, list tenant_limits) except -1:
        """Know the tenants by their limits; reserves and shares are to be added anew, and who is busy counted."""
        cdef int32_t tenant
        reserve(<void **>&self.tenant_limits, &self.tenant_limit_capacity, len(tenant_limits) + 1, sizeof(int64_t))
        reserve(<void **>&self.tenant_busy, &self.tenant_busy_capacity, len(tenant_limits) + 1, sizeof(int64_t))
        self.active = False
        self.opened = False
        self.reserve_count = 0
        self.tight_count = 0
        self.share_total = 0
        for tenant in range(<int32_t>len(tenant_limits)):
            self.tenant_limits[tenant] = tenant_limits[tenant]
            self.tenant_busy[tenant] = 0
            if self.tenant_limits[tenant]:
                self.active = True
        return 0

    cdef int add_reserve(self, int32_t queue) except -1:
        """A queue has a reserve."""
        reserve(<void **>&self.reserves, &self.reserve_capacity, self.reserve_count + 1, sizeof(int32_t))
        self.reserves[self.reserve_count] = queue
        self.reserve_count += 1
        self.active = True
        return 0

    cdef int add_share(self, int32_t queue, int32_t group, int32_t percent, int64_t count) except -1:
        """A group has a share of a queue, and has had so many of its contacts. All of a queue are added in a row."""
        cdef Queue *row = &self.tables.queues[queue]
        reserve(<void **>&self.shares, &self.share_capacity, self.share_total + 1, sizeof(Share))
        if row.share_count == 0:
            row.shares = self.share_total
        self.shares[self.share_total].group = group
        self.shares[self.share_total].percent = percent
        self.shares[self.share_total].count = count
        row.share_count += 1
        self.share_total += 1
        self.active = True
        return 0

    cdef int tighten(self, int32_t owner) except -1:
        """Nobody can be spared of those who suit this base class."""
        reserve(<void **>&self.tight, &self.tight_capacity, self.tight_count + 1, sizeof(int32_t))
        self.tight[self.tight_count] = owner
        self.tight_count += 1
        return 0

    cdef int at_limit(self, int32_t queue) noexcept nogil:
        """Who has as many in conversation, or being rung for, as it may: the place in `views.LIMITS`, 0 for none."""
        cdef Queue *row = &self.tables.queues[queue]
        if 0 < row.max_in_conversation <= row.offered + row.connected:
            return 1
        return 2 if 0 < self.tenant_limits[row.tenant] <= self.tenant_busy[row.tenant] else 0

    cdef bint was_at_limit(self, Queue *queue) noexcept nogil:
        """Whether a queue or its tenant had as many in conversation as it may, and has one less now."""
        if queue.max_in_conversation and queue.offered + queue.connected == queue.max_in_conversation - 1:
            return True
        return self.tenant_limits[queue.tenant] and (
            self.tenant_busy[queue.tenant] == self.tenant_limits[queue.tenant] - 1
        )

    cdef bint withholds(self, int32_t agent) noexcept nogil:
        """Whether an agent, who is open to contacts, is kept free for a queue."""
        cdef int32_t index
        cdef Class *owner
        for index in range(self.tight_count):
            owner = &self.tables.classes[self.tight[index]]
            if self.tables.agents[agent].open & owner.channel and self.tables.eligible(agent, self.tight[index]):
                return True
        return False

    cdef int64_t above_share(self, int32_t agent, int32_t queue) noexcept nogil:
        """How far the agent's group is above its share of the queue; the lowest comes first."""
        cdef Queue *row = &self.tables.queues[queue]
        cdef Share *share
        cdef int32_t index, group = self.tables.detail(agent).group
        if row.share_count == 0:
            return 0
        for index in range(row.shares, row.shares + row.share_count):
            share = &self.shares[index]
            if share.group == group and share.percent:
                return share.count * 10_000 // share.percent
        return MEMORY * 10_000

    cdef void allocate(self, int32_t queue, int32_t agent, int by) noexcept nogil:
        """An offer was made to the agent (by 1), or has failed (by -1)."""
        cdef Queue *row = &self.tables.queues[queue]
        cdef int32_t index, group
        cdef int64_t total = 0
        cdef bint listed = False
        if row.share_count == 0:
            return
        group = self.tables.detail(agent).group
        for index in range(row.shares, row.shares + row.share_count):
            if self.shares[index].group == group:
                self.shares[index].count += by
                if self.shares[index].count < 0:
                    self.shares[index].count = 0
                listed = True
            total += self.shares[index].count
        if listed and total >= MEMORY:
            for index in range(row.shares, row.shares + row.share_count):
                self.shares[index].count >>= 1
