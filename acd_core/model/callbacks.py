"""Callers who are called back: contacts that keep their place while nobody is on the phone."""

from collections.abc import Iterable

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from acd_core.config import Callback, ns_of_seconds, seconds_of_ns
from acd_core.events import AttemptCause, ContactCallbackChanged, EndReason
from acd_core.model.outside import OutsideContacts
from acd_core.model.rows import AgentRow, CalendarRow, ContactRow, QueueRow
from acd_core.plan import passed
from acd_core.views import CallbackView
from acd_core.wishes import Preference


class Callbacks(OutsideContacts):
    """The state with callbacks; see `Model`.

    A callback waits in line as its caller would have. Outside the hours of its queue, and for a while after an attempt
    that failed, it is parked: it stands in no line, and comes back to its place.
    """

    def _call_back(self, contact: ContactRow, number: str) -> None:
        """The caller hangs up, and is called back when his turn comes."""
        rules = _rules(contact.queue)
        contact.callback = CallbackView(
            number=number,
            asked_ns=self.now,
            joined_ns=contact.enqueued,
            due_ns=self.now,
            expires_ns=self.now + ns_of_seconds(rules.expires_s),
            attempts=0,
        )
        contact.queue.callbacks += 1
        contact.estimate = None
        contact.wait_expired = False
        rung = self._end_offers(contact, None, "callback")
        self._emit_callback(contact, "")
        if self._calls(contact.queue):
            self._arm(contact, contact.callback.expires_ns)
            self._judge(contact)
            self._serve_contact(contact)
        else:
            self._park(contact)
        for agent in rung:
            if not agent.rung:
                self._recall(agent)

    def _attempt_failed(self, contact: ContactRow, cause: AttemptCause) -> None:
        """An agent has the contact, and its caller could not be reached: the agent is free at once."""
        assert contact.callback is not None
        rules = _rules(contact.queue)
        attempts = contact.callback.attempts + 1
        due = self.now + ns_of_seconds(rules.retry_s)
        contact.callback = replace(contact.callback, attempts=attempts, due_ns=due)
        contact.queue.callbacks_failed += 1
        over = cause == "invalid" or attempts >= rules.attempts_max or due >= contact.callback.expires_ns
        self._emit_callback(contact, cause, over=over)
        talking = [leg for leg in contact.legs if leg.state == "connected"]
        for leg in talking:
            self._drop_leg(leg)
            if not leg.agent.rung:
                leg.agent.idle_seq = 0  # he comes to be free when the contact has its place again
        contact.connected = 0
        contact.held = False
        if over:
            self._leave_pace(contact, lost=False)
            contact.state = "parked"
            self._end(contact, "failed", talking[0].agent)
        else:
            self._park(contact)
            self._unpark(contact)
        for leg in talking:
            self._lighten(leg.agent)

    def _emit_callback(self, contact: ContactRow, cause: str, *, over: bool = False) -> None:
        assert contact.callback is not None
        agent = contact.agent
        next_in: int | float | UnsetType = UNSET
        if self._calls(contact.queue) and not over:
            next_in = seconds_of_ns(contact.callback.due_ns - self.now)
        self._emit(
            ContactCallbackChanged,
            contact,
            agent,
            contact=contact.id,
            tenant=contact.queue.config.tenant,
            queue=contact.queue.config.name,
            agent=agent.config.agent if agent else "",
            cause=cause,
            attempts=contact.callback.attempts,
            next_in=next_in,
        )

    # -- parking ------------------------------------------------------------------------------------------------

    def _enter(self, contact: ContactRow, preference: Preference | None = None) -> int:
        if contact.callback is not None and not self._calls(contact.queue):
            self._park(contact)  # it came from another queue, whose customers may be called now
            return 0
        return super()._enter(contact, preference)

    def _calls(self, queue: QueueRow) -> bool:
        """Whether customers of the queue may be called now."""
        hours = _rules(queue).hours
        return hours is None or self._calendars[hours].open

    def _park(self, contact: ContactRow) -> None:
        """It stands in no line until its time has come."""
        assert contact.callback is not None
        self._leave_pace(contact, lost=False)
        contact.state = "parked"
        contact.wait_expired = False
        self._stay_no_longer(contact)
        due, expires = contact.callback.due_ns, contact.callback.expires_ns
        self._arm(contact, min(due, expires) if due > self.now else max(self.now, expires))

    def _unpark(self, contact: ContactRow) -> None:
        """Put it in line again, if its time has come."""
        assert contact.callback is not None
        if contact.callback.due_ns > self.now or not self._calls(contact.queue):
            return
        contact.callback = replace(contact.callback, joined_ns=self.now)
        contact.state = "queued"
        contact.step = passed(contact.plan, self.now - contact.enqueued)
        self._arm(contact, max(self.now, contact.callback.expires_ns))
        self._enter(contact)

    def _park_callbacks(self, queues: Iterable[QueueRow]) -> None:
        """Park those of queues whose customers may not be called now."""
        quiet = [queue for queue in queues if not self._calls(queue)]
        for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq):
            if contact.callback is None or contact.queue not in quiet or contact.state not in {"queued", "offered"}:
                continue
            rung = self._end_offers(contact, None, "quiet_hours")
            self._park(contact)
            for agent in rung:
                self._recall(agent)

    def _unpark_callbacks(self, queues: Iterable[QueueRow]) -> None:
        """Put those in line whose time has come."""
        there = list(queues)
        for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq):
            if contact.state == "parked" and contact.queue in there:
                self._unpark(contact)

    def _calendar_turned(self, calendar: CalendarRow) -> None:
        super()._calendar_turned(calendar)
        queues = [queue for queue in self._queues.values() if _rules(queue).hours == calendar.name]
        self._park_callbacks(queues)
        self._unpark_callbacks(queues)

    def _contact_deadline(self, contact: ContactRow) -> None:
        if contact.state != "parked":
            super()._contact_deadline(contact)
            return
        assert contact.callback is not None
        if contact.callback.expires_ns <= self.now:
            self._end(contact, "max_wait")
            return
        self._arm(contact, contact.callback.expires_ns)
        self._unpark(contact)

    # -- the end ------------------------------------------------------------------------------------------------

    def _transfer(self, contact: ContactRow, queue: QueueRow, keep_age: bool, only_agent: str) -> None:
        if contact.state == "connected":
            contact.callback = None  # its caller is on the phone
        super()._transfer(contact, queue, keep_age, only_agent)

    def _complete(self, contact: ContactRow, reason: EndReason) -> None:
        reached = contact.callback is not None and reason in {"completed_agent", "completed_caller"}
        super()._complete(contact, "callback_done" if reached else reason)

    def _end(self, contact: ContactRow, reason: EndReason, agent: AgentRow | None = None) -> None:
        if contact.callback is not None and reason == "callback_done":
            # What he waited is what he waited on the phone.
            self._count_answered(contact.queue, contact.callback.asked_ns - contact.enqueued)
            contact.queue.callback_delay_ns += contact.connected - contact.callback.asked_ns
        super()._end(contact, reason, agent)

    def check(self) -> None:
        super().check()
        numbers = []
        for contact in self._contacts.values():
            if contact.callback is not None:
                numbers.append((contact.queue.config.tenant, contact.callback.number))
                quiet = contact.state in {"queued", "offered"} and not self._calls(contact.queue)
                assert not quiet, f"{contact.id} may not be called now"
            else:
                assert contact.state != "parked", f"{contact.id} is parked, and its caller is on the phone"
            if contact.state == "parked":
                assert contact.timer is not None, f"{contact.id} is parked for ever"
        assert len(set(numbers)) == len(numbers), "a number is to be called twice"


def _rules(queue: QueueRow) -> Callback:
    """How callers of the queue are called back; also of one that calls no more, but has callbacks left."""
    return queue.config.callback or Callback()
