"""What queues are measured on beside the wait of their contacts: predicted waits, ratios of queues, costs of waiting."""

from msgspec.structs import replace

from acd_core.config import cost_steps_of, ns_of_seconds
from acd_core.model.rows import ContactRow, QueueRow
from acd_core.model.state import State
from acd_core.urgency import Costs, OrderKey, Ratio, Urgency, mean_handle_ns
from acd_core.views import ContactView

NS_PER_MS = 1_000_000


class Measures(State):
    """The state with the measures of its queues; see `Model`."""

    def _measured(self, contact: ContactRow) -> Urgency:
        """The urgency of a contact, as its queue is measured now."""
        queue, urgency = contact.queue, contact.urgency
        ratio, cost = queue.config.queue_ratio, queue.config.waiting_cost
        if queue.config.wait_measure == "predicted":
            return replace(urgency, left_ns=self._left(queue))
        if ratio is not None:
            group = self._ratio_group(queue)
            stands = Ratio(
                waiting=self._waiting_in([queue]),
                group_waiting=self._waiting_in(group),
                weight=ratio.weight,
                group_weight=sum(row.config.queue_ratio.weight for row in group if row.config.queue_ratio is not None),
                contact_ns=ns_of_seconds(ratio.contact_s),
            )
            return replace(urgency, ratio=stands)
        if cost is not None:
            handled = sum(queue.handle_histogram)
            handle_ns = mean_handle_ns(queue.handle_ns, handled, ns_of_seconds(cost.handle_s)) if cost.by_speed else 0
            return replace(urgency, costs=Costs(steps=cost_steps_of(cost), handle_ns=handle_ns))
        return urgency

    def _order(self, contact: ContactRow) -> OrderKey:
        """Sorts those who wait into the order of service, as it is now."""
        return self._measured(contact).key(self.now, contact.seq)

    def _left(self, queue: QueueRow) -> int:
        """How much longer a contact of the queue's main line would wait that has nobody before it, in ns; 0 if unknown."""
        main = queue.paces.get(())
        expected = main.estimate(0, 0) if main is not None else None
        return 0 if expected is None else expected.mean_ms * NS_PER_MS

    def _ratio_group(self, queue: QueueRow) -> list[QueueRow]:
        ratio = queue.config.queue_ratio
        assert ratio is not None
        return [
            other
            for other in self._queues.values()
            if other.config.tenant == queue.config.tenant
            and other.config.queue_ratio is not None
            and other.config.queue_ratio.group == ratio.group
        ]

    def _waiting_in(self, queues: list[QueueRow]) -> int:
        return sum(contact.state == "queued" and contact.queue in queues for contact in self._contacts.values())

    def _contact_view(self, contact: ContactRow) -> ContactView:
        return replace(super()._contact_view(contact), urgency=self._measured(contact))

    def check(self) -> None:
        super().check()
        for queue in self._queues.values():
            waiting = [c for c in self._contacts.values() if c.queue is queue and c.state == "queued"]
            if queue.config.urgency_max_s is None or queue.config.queue_ratio or queue.config.waiting_cost:
                now, good = sorted(waiting, key=self._order), sorted(waiting, key=lambda c: c.order_for_good)
                assert now == good, f"how {queue.path} is measured changes the order inside it"
