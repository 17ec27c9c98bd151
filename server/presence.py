"""Which clients are gone, and for how long they may be before their agents count as unreachable.

Contacts and agents belong to client names. When the last connection of a name is gone its grace time begins, in
engine time. If the name owns something when that is over, the server says `client.away` in its name, and `client.back`
when it says `hello` again. Both are journaled like any command, so a replay does what was done, and who is away after
a restart is known from it. The grace times themselves are in no journal: after a start all begin anew.

A name without a connection can come to own nothing more. So those that own nothing are forgotten as soon as anybody
looks; and somebody looks, which costs a glance at each agent and contact, once in a grace time, and when many names
have gathered.
"""

import asyncio
import logging
from collections import deque

from acd_core.commands import ClientAway, ClientBack
from acd_core.config import ns_of_seconds
from server.log import note
from server.sequencer import Sequencer

NAMES_SPARE = 1024
"""So many names more than were worth keeping at the last look are kept before the next."""
AWAY_AT_ONCE = 32
"""So many clients are said to be away before other work of the loop has its turn."""


class Presence:
    """See the module. A `client_grace_s` holds for those that go while it is configured."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._loop = asyncio.get_running_loop()
        self._deadlines: dict[str, int] = {}
        self._due: deque[str] = deque()
        self._kept = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_deadline = 0

    def __len__(self) -> int:
        """How many names are kept."""
        return len(self._deadlines) + len(self._sequencer.away)

    def start(self) -> None:
        """Nobody is connected yet: for all who own something the grace time begins."""
        for view in self._sequencer.machine.clients():
            self.left(view.client)
        self._forget()

    def stop(self) -> None:
        """Say of nobody any more that he is away."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def go_on(self) -> None:
        """The server takes commands again: say who came back, and who is away, meanwhile."""
        sequencer = self._sequencer
        for name in sorted(sequencer.away & sequencer.router.receivers.keys()):
            sequencer.perform(name, ClientBack())
        self.stop()
        self._expire()

    def left(self, name: str) -> None:
        """The last connection of `name` is gone."""
        sequencer = self._sequencer
        if sequencer.state != "serving":
            return
        grace_ns = ns_of_seconds(sequencer.machine.config().settings.client_grace_s)
        if grace_ns:
            deadline = sequencer.clock.now() + grace_ns
            self._deadlines[name] = deadline
            self._arm(deadline)
        if len(self) > 2 * self._kept + NAMES_SPARE:
            self._forget()

    def arrived(self, name: str) -> None:
        """A connection speaks for `name`."""
        self._deadlines.pop(name, None)
        if name in self._sequencer.away:
            self._sequencer.perform(name, ClientBack())

    def _forget(self) -> None:
        """Keep those only that own something."""
        owners = {view.client for view in self._sequencer.machine.clients()}
        self._deadlines = {name: deadline for name, deadline in self._deadlines.items() if name in owners}
        self._sequencer.away &= owners
        self._kept = len(self)

    def _arm(self, deadline: int) -> None:
        if self._timer is not None:
            if self._timer_deadline <= deadline:
                return
            self._timer.cancel()
        self._timer_deadline = deadline
        self._timer = self._loop.call_later(self._sequencer.clock.seconds_until(deadline), self._expire)

    def _expire(self) -> None:
        """Say who is away, a few at a time."""
        self._timer = None
        sequencer = self._sequencer
        if sequencer.phase != "serving":
            return
        now = sequencer.clock.now()
        if not self._due and any(deadline <= now for deadline in self._deadlines.values()):
            self._forget()
            self._due.extend(name for name, deadline in self._deadlines.items() if deadline <= now)
        for _ in range(min(len(self._due), AWAY_AT_ONCE)):
            name = self._due.popleft()
            if self._deadlines.get(name, now + 1) > now:
                continue  # it has come back meanwhile
            del self._deadlines[name]
            note(logging.WARNING, "a client stays away past its grace time", client=name)
            sequencer.perform(name, ClientAway())
        if self._deadlines:
            self._arm(now if self._due else min(self._deadlines.values()))
