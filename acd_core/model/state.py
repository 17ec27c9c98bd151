"""The model's state: its rows, its deadlines and events, who suits whom, and the views that it shows."""

import heapq
from collections import Counter, OrderedDict
from typing import Any

from acd_core import requirement, views
from acd_core.config import Channel, Config, Tenant, ns_of_seconds, seconds_of_ns, to_json
from acd_core.credits import Credit
from acd_core.event_lines import EventLine, line_of
from acd_core.events import (
    Addressed,
    AgentChanged,
    Event,
)
from acd_core.forecast import LINES_OWN_MAX
from acd_core.joined import still_there
from acd_core.model import draws, occupancy
from acd_core.model.credits import Credits
from acd_core.model.fixed_point import ONE
from acd_core.model.pace import Pace
from acd_core.model.rows import (
    AgentRow,
    CalendarRow,
    ContactRow,
    LegRow,
    OutsideClock,
    PauseClock,
    QueueRow,
    RestClock,
    Timer,
    counted,
    offer_id,
)
from acd_core.views import (
    AGENT_STATES,
    END_REASONS,
    Activity,
    AgentView,
    CalendarView,
    ClientView,
    ContactView,
    DomainView,
    Estimate,
    LegView,
    PaceView,
    PauseUse,
    Presence,
    QueueView,
    Standing,
)

UNITS_SHIFT = 40
"""Beyond the number of any place among the idle."""
Owner = ContactRow | AgentRow | LegRow | CalendarRow | QueueRow | PauseClock | RestClock | OutsideClock


class State:
    """What `Model` works on; see there."""

    def __init__(self) -> None:
        self.seq = 0
        self.now = 0
        self.last_position = 0
        self.last_estimate: Estimate | None = None
        self._config = Config()
        self._channels: dict[str, Channel] = {}
        self._tenants: dict[str, Tenant] = {}
        self._skills: frozenset[str] = frozenset()
        self._queues: dict[tuple[str, str], QueueRow] = {}
        self._agents: dict[str, AgentRow] = {}
        self._contacts: dict[str, ContactRow] = {}
        self._ended: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._last_agents: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._credits = Credits()
        self._contact_seq = 0
        self._offer_seq = 0
        self._idle_seq = 0
        self._timer_seq = 0
        self._calendars: dict[str, CalendarRow] = {}
        self._deadlines: list[tuple[int, int, Owner, Timer]] = []
        self._events: list[Addressed] = []
        self._agent_us = dict.fromkeys(AGENT_STATES, 0)
        self._half_life_us = 0  # of occupancy; 0 while no queue asks for it

    # -- time ---------------------------------------------------------------------------------------------------

    def next_deadline(self) -> int:
        self._drop_stale_timers()
        return self._deadlines[0][0] if self._deadlines else 0

    def _drop_stale_timers(self) -> None:
        while self._deadlines:
            _, _, owner, timer = self._deadlines[0]
            if timer is owner.timer or (isinstance(owner, ContactRow) and timer in owner.timers):
                break
            heapq.heappop(self._deadlines)

    def _arm(self, owner: Owner, deadline: int) -> None:
        owner.timer = self._timer(owner, deadline)

    def _arm_step(self, contact: ContactRow) -> None:
        """Set the time of the contact's next step, if its queue has one more."""
        contact.step_timer = None
        if contact.step + 1 < len(contact.plan):
            due = contact.enqueued + contact.plan[contact.step + 1].after_ns
            contact.step_timer = self._timer(contact, self.now if contact.useless else max(self.now, due))

    def _timer(self, owner: Owner, deadline: int) -> Timer:
        self._timer_seq += 1
        timer = Timer(deadline, self._timer_seq)
        heapq.heappush(self._deadlines, (deadline, self._timer_seq, owner, timer))
        return timer

    def _pass_time(self, now: int) -> None:
        """Let time pass up to `now`. Nothing else happens meanwhile."""
        now_us = now // 1000
        if now_us > self.now // 1000:
            waiting = Counter(id(contact.pace) for contact in self._contacts.values() if contact.state == "queued")
            for queue in self._queues.values():
                for pace in queue.paces.values():
                    pace.elapse(now_us, waiting[id(pace)])
        self.now = now

    # -- events -------------------------------------------------------------------------------------------------

    def take_events(self) -> list[Addressed]:
        events, self._events = self._events, []
        return events

    def take_lines(self) -> list[EventLine]:
        return [line_of(addressed) for addressed in self.take_events()]

    def _emit(
        self,
        kind: type[Event],
        contact: ContactRow | None,
        agent: AgentRow | None,
        /,
        **fields: Any,
    ) -> None:
        self.seq += 1
        event = kind(seq=self.seq, at=self.now, **fields)
        self._events.append(Addressed(event, contact.client if contact else "", agent.client if agent else ""))

    def _agent_changed(self, agent: AgentRow) -> None:
        fields: dict[str, Any] = {"agent": agent.config.agent, "state": agent.state}
        if agent.presence == "paused":
            fields["reason"] = agent.pause_reason
        elif agent.activity == "cooldown":
            fields["reason"] = agent.cause
        elif agent.on_outside:
            fields["reason"] = "outside"
        timer = agent.clock
        if timer is not None:
            fields["expires_in"] = seconds_of_ns(timer.deadline - self.now)
        self._emit(AgentChanged, None, agent, logging_out=agent.logging_out, **fields)

    def _count_time(self, agent: AgentRow) -> None:
        """Add the time since the last call to the state that the agent was in."""
        now_us = self.now // 1000
        self._agent_us[agent.state] += now_us - agent.counted_us
        agent.counted_us = now_us

    def _refresh(self, agent: AgentRow) -> None:
        """Bring the agent's activity up to date with what he holds."""
        activities: dict[str, Activity] = {"connected": "busy", "offered": "offered", "wrapup": "wrapup"}
        at_rest = agent.timer is not None or (agent.resting and agent.presence == "ready")
        resting: Activity = "cooldown" if at_rest else "none"
        activity = activities[agent.leg.state] if agent.leg else resting
        if agent.outside and agent.presence != "logged_out":
            activity = "busy"
        if activity != agent.activity:
            self._count_time(agent)
            agent.activity = activity
            agent.since = self.now
        self._count_occupancy(agent)  # what keeps him busy may be another thing

    def _set_presence(self, agent: AgentRow, presence: Presence, reason: str = "") -> None:
        self._count_time(agent)
        if agent.activity == "none":
            agent.since = self.now
        agent.presence = presence
        agent.pause_reason = reason
        self._count_occupancy(agent)

    def _count_occupancy(self, agent: AgentRow) -> None:
        """Bring an agent's occupancy up to date when what he does begins to change it in another way."""
        if self._half_life_us and agent.use != self._present_use(agent):
            self._take_occupancy(agent)

    def _present_use(self, agent: AgentRow) -> occupancy.Use:
        """What the present does to his occupancy."""
        outside = self._config.settings.outside_counts and agent.outside and agent.presence != "logged_out"
        if outside or any(leg.state != "offered" for leg in agent.legs):
            return "occupied"
        return "paused" if agent.presence == "paused" else "free"

    def _take_occupancy(self, agent: AgentRow) -> None:
        now_us = self.now // 1000
        elapsed = now_us - agent.occupancy_us
        agent.occupancy = occupancy.later(agent.occupancy, agent.use, elapsed, self._half_life_us)
        agent.occupancy_us = now_us
        agent.use = self._present_use(agent)
        agent.occupancy_key = occupancy.order_key(agent.occupancy, agent.use, now_us, self._half_life_us)

    def _begin_occupancy(self, agent: AgentRow) -> None:
        """Count from nothing: he is new, or nobody asked for occupancy until now."""
        agent.occupancy = agent.occupancy_us = agent.occupancy_key = 0
        agent.use = "free"
        if self._half_life_us:
            agent.occupancy_us = self.now // 1000
            agent.use = self._present_use(agent)
            agent.occupancy_key = occupancy.order_key(0, agent.use, agent.occupancy_us, self._half_life_us)

    # -- capacity -----------------------------------------------------------------------------------------------

    def _capacity(self, agent: AgentRow) -> int:
        given = agent.config.capacity
        return given if given is not None else max(channel.units for channel in self._channels.values())

    def _has_room(self, agent: AgentRow, channel: Channel, names: list[str]) -> bool:
        """Whether the agent could have one more contact of this channel, beside those of the channels with these names."""
        held = [self._channels[name] for name in names]
        taken = sum(other.units for other in held if channel.interruptible or not other.interruptible)
        most = agent.config.channels.get(channel.name, channel.most_at_once)
        return taken + channel.units <= self._capacity(agent) and held.count(channel) < most

    def _in_hand(self, agent: AgentRow) -> list[str]:
        """The channels of what the agent holds, from here or from elsewhere."""
        outside = [name for name, found in agent.outside.items() for _ in range(found.contacts)]
        return [leg.queue.config.channel for leg in agent.legs] + outside

    def _room(self, agent: AgentRow) -> tuple[str, ...]:
        held = self._in_hand(agent)
        return tuple(name for name, channel in self._channels.items() if self._has_room(agent, channel, held))

    def _open(self, agent: AgentRow, contact: ContactRow) -> bool:
        """Whether the agent can be offered a contact like this one now, if he is eligible."""
        if not agent.idle_seq or agent.rung:
            return False
        return self._has_room(agent, self._channels[contact.queue.config.channel], self._in_hand(agent))

    def _units(self, agent: AgentRow) -> int:
        return sum(self._channels[leg.queue.config.channel].units for leg in agent.legs)

    # -- matching -----------------------------------------------------------------------------------------------

    def _eligible(self, agent: AgentRow, contact: ContactRow) -> bool:
        tenants = agent.config.tenants
        if tenants and contact.queue.config.tenant not in tenants:
            return False
        if not agent.serves(contact.helping):
            return False
        rank_max = contact.stage.rank_max
        if rank_max is not None and agent.rank(contact.queue.path) > rank_max:
            return False
        return all(requirement.meets(node, agent.skills, agent.facts) for node in contact.terms)

    def _precedence(self, agent: AgentRow, contact: ContactRow) -> int:
        """What the strategy of the contact's queue makes of the agent, and the price of his occupancy; the lowest comes
        first.
        """
        index, price = self._index(agent, contact), contact.queue.config.occupancy_price
        return index * ONE + price * self._occupancy(agent) if price else index

    def _occupancy(self, agent: AgentRow) -> int:
        """How occupied the agent is now, in units of 1/ONE."""
        elapsed_us = self.now // 1000 - agent.occupancy_us
        return occupancy.later(agent.occupancy, agent.use, elapsed_us, self._half_life_us)

    def _index(self, agent: AgentRow, contact: ContactRow) -> int:
        match contact.queue.config.strategy:
            case "longest_idle_inbound":
                return (self._units(agent) << UNITS_SHIFT) + (agent.inbound_seq or agent.idle_seq)
            case "least_occupied":
                return agent.occupancy_key
            case "most_skilled":
                return -sum(agent.skills.get(skill, 0) for skill in requirement.wanted_skills(contact.terms))
            case "least_skilled":
                return len(agent.skills)
            case "fewest_contacts":
                return agent.answered_since_login
            case "round_robin":
                return agent.turns.get(contact.queue.path, 0)
            case "linear":
                return agent.position
            case "lowest_cost":
                return agent.config.cost
            case "random":
                return self._draw(agent)
            case "weighted_random":
                return draws.weighted(self._draw(agent), agent.config.weight)
        return self._units(agent)

    def _draw(self, agent: AgentRow) -> int:
        """What the agent draws for the next offer."""
        return draws.draw(self._config.settings.random_seed, self._offer_seq + 1, agent.position)

    # -- waiting ------------------------------------------------------------------------------------------------

    def _before(self, contact: ContactRow) -> list[ContactRow]:
        """Those who wait in the contact's queue and are served before it, its limit of urgency apart."""
        order = contact.order_for_good
        return [
            other
            for other in self._contacts.values()
            if other.state == "queued" and other.queue is contact.queue and other.order_for_good < order
        ]

    def _position(self, contact: ContactRow) -> int:
        return 1 + len(self._before(contact))

    def _ahead(self, contact: ContactRow) -> int:
        """How many stand before the contact in its line."""
        return sum(other.pace is contact.pace for other in self._before(contact))

    def _wait(self, contact: ContactRow) -> None:
        """No agent is free for the contact: it stands in its line, from the first time on that this happens."""
        if contact.pace is None:
            contact.pace = self._line(contact)
            contact.place = self._ahead(contact)

    def _line(self, contact: ContactRow) -> Pace:
        """The contact's line in its queue, by what it asks itself; made when first asked for."""
        paces, asked = contact.queue.paces, contact.own_terms
        if asked not in paces and self._in_main_line(contact):
            asked = ()
        return paces.setdefault(asked, Pace(self.now // 1000))

    def _in_main_line(self, contact: ContactRow) -> bool:
        """Whether a contact, for which its queue has no line yet, gets none of its own."""
        full = sum(own != () for own in contact.queue.paces) >= LINES_OWN_MAX
        return full or requirement.is_for_one(contact.own_terms)

    def _prospect(self, contact: ContactRow) -> Estimate | None:
        """How long a contact would wait that is about to join its queue, and finds nobody free."""
        paces, asked = contact.queue.paces, contact.own_terms
        pace = paces.get(() if asked not in paces and self._in_main_line(contact) else asked)
        if pace is None:
            return None
        ahead = sum(other.pace is pace for other in self._before(contact))
        return pace.estimate(ahead, ahead)

    def _estimate(self, contact: ContactRow) -> Estimate | None:
        """How much longer a waiting contact waits."""
        assert contact.pace is not None
        return contact.pace.estimate(self._ahead(contact), contact.place)

    def _score(self, contact: ContactRow, wait: int, rung: int) -> None:
        """An agent answered the contact, after so many nanoseconds in all and of ringing: measure, and score."""
        if contact.pace is not None:
            contact.pace.serve(wait // 1000, rung // 1_000_000)
        forecast, queue, wait_ms = contact.estimate, contact.queue, wait // 1_000_000
        if forecast is not None:
            queue.forecasts += 1
            queue.forecast_error_ms += forecast.mean_ms - wait_ms
            queue.forecast_off_ms += abs(forecast.p50_ms - wait_ms)
            queue.forecast_in_p50 += wait_ms <= forecast.p50_ms
            queue.forecast_in_p90 += wait_ms <= forecast.p90_ms

    # -- contacts -----------------------------------------------------------------------------------------------

    def _remember(self, contact: ContactRow, reason: str) -> None:
        self._ended[contact.id] = reason, contact.client
        self._forget()

    def _forget(self) -> None:
        while len(self._ended) > self._config.settings.ended_contacts_kept:
            self._ended.popitem(last=False)
        while len(self._last_agents) > self._config.settings.callers_kept:
            self._last_agents.popitem(last=False)

    # -- views --------------------------------------------------------------------------------------------------

    def config(self) -> Config:
        return self._config

    def domain(self) -> DomainView:
        for agent in self._agents.values():
            self._count_time(agent)
        states = [agent.state for agent in self._agents.values()]
        return DomainView(
            now_ns=self.now,
            seq=self.seq,
            contacts=len(self._contacts),
            waiting=sum(contact.state == "queued" for contact in self._contacts.values()),
            agents={state: states.count(state) for state in AGENT_STATES},
            pause_reasons=counted(agent.pause_reason for agent in self._agents.values() if agent.state == "paused"),
            cooldown_causes=counted(agent.cause for agent in self._agents.values() if agent.state == "cooldown"),
            agent_us=dict(self._agent_us),
        )

    def clients(self) -> list[ClientView]:
        agents = counted(agent.client for agent in self._agents.values() if agent.client)
        contacts = counted(contact.client for contact in self._contacts.values())
        return [
            ClientView(client=client, agents=agents.get(client, 0), contacts=contacts.get(client, 0))
            for client in sorted(agents.keys() | contacts.keys())
        ]

    def queue(self, tenant: str, queue: str) -> QueueView | None:
        found = self._queues.get((tenant, queue))
        return None if found is None else self._queue_view(found)

    def calendars(self) -> list[CalendarView]:
        return [
            CalendarView(
                calendar=calendar.name,
                open=calendar.open,
                changes_ns=tuple(calendar.changes),
                timer=calendar.timer.seq if calendar.timer else 0,
            )
            for calendar in self._calendars.values()
        ]

    def queues(self) -> list[QueueView]:
        return [self._queue_view(queue) for queue in self._queues.values()]

    def agent(self, agent: str) -> AgentView | None:
        found = self._agents.get(agent)
        return None if found is None else self._agent_view(found)

    def agents(self, tenant: str = "", state: str = "", limit: int = 0) -> list[AgentView]:
        found = [
            agent
            for agent in self._agents.values()
            if (not tenant or not agent.config.tenants or tenant in agent.config.tenants)
            and (not state or agent.state == state)
        ]
        return [self._agent_view(agent) for agent in (found[:limit] if limit > 0 else found)]

    def contact(self, contact: str) -> ContactView | None:
        found = self._contacts.get(contact)
        return None if found is None else self._contact_view(found)

    def contacts(self, tenant: str = "", queue: str = "", limit: int = 0, state: str = "") -> list[ContactView]:
        found = [
            contact
            for contact in sorted(self._contacts.values(), key=lambda contact: contact.seq)
            if (not tenant or contact.queue.config.tenant == tenant)
            and (not queue or contact.queue.config.name == queue)
            and (not state or contact.state == state)
        ]
        return [self._contact_view(contact) for contact in (found[:limit] if limit > 0 else found)]

    def contact_owner(self, contact: str) -> tuple[str, str, tuple[str, ...]] | None:
        found = self._contacts.get(contact)
        if found is None:
            return (self._ended[contact][1], "", ()) if contact in self._ended else None
        return found.client, found.queue.config.tenant, tuple(leg.agent.config.agent for leg in found.legs)

    def offer_owner(self, offer: str) -> tuple[str, str] | None:
        for agent in self._agents.values():
            for leg in agent.legs:
                if offer_id(leg.number) == offer:
                    return leg.queue.config.tenant, agent.config.agent
        return None

    def standing(self, contact: str) -> Standing | None:
        found = self._contacts.get(contact)
        if found is None or found.state != "queued":
            return None
        return Standing(position=self._position(found), estimate=self._estimate(found))

    def paces(self) -> list[PaceView]:
        waiting = Counter(id(contact.pace) for contact in self._contacts.values() if contact.state == "queued")
        return [
            PaceView(
                tenant=queue.config.tenant,
                queue=queue.config.name,
                require=requirement.describe(asked),
                waiting=waiting[id(pace)],
                served=pace.served,
                left=pace.left,
                backlog_us=pace.backlog_us,
                waited_us=pace.waited_us,
                ring_ms=pace.ring_ms,
                ring_square=pace.ring_square,
                last_wait_us=pace.last_wait_us,
                last_at_us=pace.last_at_us,
            )
            for queue in self._queues.values()
            for asked, pace in queue.paces.items()
        ]

    def credits(self) -> list[Credit]:
        return self._credits.rows(self.now)

    def ended_reason(self, contact: str) -> str:
        reason, _ = self._ended.get(contact, ("", ""))
        return reason

    def _queue_view(self, queue: QueueRow) -> QueueView:
        contacts = [contact for contact in self._contacts.values() if contact.queue is queue]
        states = [contact.state for contact in contacts]
        on_the_phone = [c for c in contacts if c.state in {"queued", "offered"} and c.callback is None]
        main = queue.paces.get(())
        in_line = sum(contact.state == "queued" and contact.pace is main for contact in contacts)
        return QueueView(
            tenant=queue.config.tenant,
            queue=queue.config.name,
            waiting=states.count("queued"),
            offered=states.count("offered"),
            connected=states.count("connected"),
            wrapup=states.count("wrapup"),
            parked=states.count("parked"),
            consults=queue.consults,
            conferences=queue.conferences,
            callbacks=queue.callbacks,
            callbacks_failed=queue.callbacks_failed,
            callback_delay_ns=queue.callback_delay_ns,
            oldest_ns=min((c.enqueued for c in on_the_phone), default=0),
            closed=queue.closed[0] if queue.closed else "",
            closed_reason=queue.closed[1] if queue.closed else "",
            entered=queue.entered,
            overflowed=queue.overflowed,
            answered=queue.answered,
            answered_in_target=queue.answered_in_target,
            abandoned_in_target=queue.abandoned_in_target,
            ended={reason: queue.ended[reason] for reason in END_REASONS if reason in queue.ended},
            offers=queue.offers,
            offers_rejected=queue.failed.get("rejected", 0),
            offers_timed_out=queue.failed.get("timed_out", 0),
            offers_withdrawn=queue.failed.get("withdrawn", 0),
            wait_ns=queue.wait_ns,
            talk_ns=queue.talk_ns,
            wait_histogram=tuple(queue.histogram),
            accept_ns=queue.accept_ns,
            accept_histogram=tuple(queue.accept_histogram),
            handle_ns=queue.handle_ns,
            handle_histogram=tuple(queue.handle_histogram),
            forecasts=queue.forecasts,
            forecast_error_ms=queue.forecast_error_ms,
            forecast_off_ms=queue.forecast_off_ms,
            forecast_in_p50=queue.forecast_in_p50,
            forecast_in_p90=queue.forecast_in_p90,
            estimate=main.estimate(in_line, in_line) if main else None,
            reserving=queue.reserving,
            reserve_until_ns=queue.timer.deadline if queue.timer else 0,
            reserve_timer=queue.timer.seq if queue.timer else 0,
            recent_in_target=queue.recent_in_target,
            allocated=dict(sorted(queue.allocated.items())),
        )

    def _agent_view(self, agent: AgentRow) -> AgentView:
        timer = agent.clock
        clock = agent.pause_clock
        rest = agent.rest_clock.timer if agent.rest_clock else None
        return AgentView(
            agent=agent.config.agent,
            address=agent.address,
            tenants=agent.config.tenants,
            skills=dict(sorted(agent.skills.items())),
            attributes=dict(sorted(agent.attributes.items())),
            ranks=agent.config.ranks,
            client=agent.client,
            presence=agent.presence,
            activity=agent.activity,
            pause_reason=agent.pause_reason,
            cooldown_cause=agent.cause if agent.activity == "cooldown" else agent.cooldown_cause,
            resting=agent.resting,
            occupancy_deadline_ns=rest.deadline if rest else 0,
            occupancy_timer=rest.seq if rest else 0,
            logging_out=agent.logging_out,
            queues=agent.queues,
            outside={name: agent.outside[name].contacts for name in sorted(agent.outside)},
            outside_until_ns=agent.outside_clock.timer.deadline
            if agent.outside_clock and agent.outside_clock.timer
            else 0,
            outside_timer=agent.outside_clock.timer.seq if agent.outside_clock and agent.outside_clock.timer else 0,
            contact=agent.leg.contact_id if agent.leg else "",
            offer=offer_id(agent.leg.number) if agent.leg else "",
            legs=tuple(self._leg_view(leg) for leg in agent.legs),
            capacity=self._capacity(agent),
            channels=tuple(name for name, channel in self._channels.items() if self._has_room(agent, channel, [])),
            room=self._room(agent),
            idle_seq=agent.idle_seq,
            kept_free=False,
            missed=agent.missed,
            failed_ns=tuple(agent.failed),
            since_ns=agent.since,
            deadline_ns=timer.deadline if timer else 0,
            timer=timer.seq if timer else 0,
            rest_until_ns=agent.timer.deadline if agent.timer else 0,
            rest_timer=agent.timer.seq if agent.timer else 0,
            answered=agent.answered,
            answered_since_login=agent.answered_since_login,
            inbound_seq=agent.inbound_seq,
            occupancy=agent.occupancy,
            occupancy_us=agent.occupancy_us,
            occupancy_key=agent.occupancy_key,
            turns=dict(sorted(agent.turns.items())),
            missed_total=agent.missed_total,
            rejected_total=agent.rejected_total,
            talk_ns=agent.talk_ns,
            pauses=tuple(
                PauseUse(
                    reason=reason.name,
                    paid=reason.paid,
                    allowance_ns=ns_of_seconds(reason.allowance_s),
                    began_ns=agent.pauses[reason.name].began,
                    used_ns=agent.pauses[reason.name].used,
                )
                for reason in self._config.pause_reasons
                if reason.name in agent.pauses
            ),
            pause_since_ns=clock.began if clock else 0,
            pause_deadline_ns=clock.timer.deadline if clock and clock.timer else 0,
            pause_timer=clock.timer.seq if clock and clock.timer else 0,
            paid_ns=agent.paid_ns,
            unpaid_ns=agent.unpaid_ns,
        )

    def _leg_view(self, leg: LegRow) -> LegView:
        return LegView(
            offer=offer_id(leg.number),
            contact=leg.contact_id,
            path=leg.queue.path,
            state=leg.state,
            since_ns=leg.since,
            connected_ns=leg.connected,
            deadline_ns=leg.timer.deadline if leg.timer else 0,
            timer=leg.timer.seq if leg.timer else 0,
            latest_ns=leg.latest,
            disposition_required=leg.queue.config.disposition_required,
        )

    def _contact_view(self, contact: ContactRow) -> ContactView:
        leg = contact.leg
        return ContactView(
            contact=contact.id,
            tenant=contact.queue.config.tenant,
            queue=contact.queue.config.name,
            client=contact.client,
            state=contact.state,
            seq=contact.seq,
            priority=contact.priority,
            require=requirement.describe(contact.terms),
            attributes=contact.attributes,
            direction=contact.direction,
            age_ns=contact.age,
            credit_ns=contact.credit,
            waited_before_ns=contact.waited_before,
            by_hand=contact.by_hand is not None,
            enqueued_ns=contact.enqueued,
            urgency=contact.urgency,
            connected_ns=contact.connected,
            completed_ns=contact.completed,
            held=contact.held,
            channel=contact.queue.config.channel,
            agent=leg.agent.config.agent if leg else "",
            offer=offer_id(leg.number) if leg else "",
            agents=tuple(leg.agent.config.agent for leg in contact.legs),
            end_reason=contact.end_reason or "",
            disposition=contact.disposition,
            deadline_ns=contact.timer.deadline if contact.timer else 0,
            timer=contact.timer.seq if contact.timer else 0,
            wait_expired=contact.wait_expired,
            step=contact.step,
            limit="",
            reserved=False,
            callback=contact.callback,
            further=contact.stage.further,
            rank_max=-1 if contact.stage.rank_max is None else contact.stage.rank_max,
            step_deadline_ns=contact.step_timer.deadline if contact.step_timer else 0,
            step_timer=contact.step_timer.seq if contact.step_timer else 0,
            place=contact.place,
            estimate=contact.estimate,
            step_useless=contact.useless,
            own_steps=contact.own_steps,
            own_steps_mode=contact.own_steps_mode,
            history=tuple(contact.history),
            trail=tuple(contact.trail),
            caller=contact.caller,
            consults=contact.consults,
            asked_by=contact.asked_by,
            consult=contact.consult.id if contact.consult is not None else "",
            talking=sum(leg.state == "connected" for leg in contact.legs),
            preferred=tuple(contact.preferred),
            prefer_wait=contact.bound,
            deserted=contact.deserted,
            prefer_deadline_ns=contact.prefer_timer.deadline if contact.prefer_timer else 0,
            prefer_timer=contact.prefer_timer.seq if contact.prefer_timer else 0,
            arrived_in=contact.arrived_in,
            overflows=contact.overflows,
            stay="" if contact.stay is None else contact.queue.config.stay[contact.stay].when,
            stay_deadline_ns=contact.stay_timer.deadline if contact.stay_timer else 0,
            stay_timer=contact.stay_timer.seq if contact.stay_timer else 0,
            seen_ms=contact.seen_ms,
            look_deadline_ns=contact.look_timer.deadline if contact.look_timer else 0,
            look_timer=contact.look_timer.seq if contact.look_timer else 0,
        )

    # -- proof --------------------------------------------------------------------------------------------------

    def digest(self) -> str:
        counters = [self.seq, self._contact_seq, self._offer_seq, self._idle_seq, self._timer_seq]
        ended = [(contact, *how) for contact, how in self._ended.items()]
        rows = [self.calendars(), self.queues(), self.agents(), self.contacts(), self.credits()]
        callers = [(*caller, agent) for caller, agent in self._last_agents.items()]
        return views.digest([counters, to_json(self._config), *rows, ended, self.paces(), callers])

    def check(self) -> None:
        for contact in self._contacts.values():
            states = {leg.state for leg in contact.legs}
            if contact.state == "queued":
                assert contact.pace in contact.queue.paces.values(), f"{contact.id} waits in no line of its queue"
                assert not states & {"offered", "connected"}, f"{contact.id} only waits and has an agent"
            elif contact.state == "parked":
                assert not states, f"{contact.id} is parked and has an agent"
            else:
                assert contact.state in states, f"{contact.id} is {contact.state} without an agent"
            assert all(leg in leg.agent.legs for leg in contact.legs), f"{contact.id} and its agents disagree"
            rung = [leg.agent for leg in contact.offers]
            assert len(rung) == len({id(agent) for agent in rung}), f"{contact.id} is offered to somebody twice"
            assert len(rung) <= 1 or contact.state == "offered", f"{contact.id} rings and is {contact.state}"
        for agent in self._agents.values():
            name = agent.config.agent
            assert sum(leg.state == "offered" for leg in agent.legs) <= 1, f"{name} is rung twice"
            for leg in agent.legs:
                assert leg.agent is agent, f"{name} holds a leg of somebody else"
                assert leg.contact is None or leg in leg.contact.legs, f"{name} and {leg.contact_id} disagree"
                assert (leg.timer is not None) == (leg.state != "connected"), f"{name}: deadline of {leg.contact_id}"
            if agent.queues:
                assert agent.presence != "logged_out", f"{name} is logged out of all and in to some queues"
                left = still_there(agent.queues, agent.config.tenants, self._queues.keys())
                assert left == agent.queues, f"{name} is logged in to queues that are not his"
            idle = agent.presence == "ready" and not agent.timer and not agent.logging_out
            open_to_more = not agent.resting and bool(self._room(agent))
            assert (agent.idle_seq != 0) == (idle and (agent.rung or open_to_more)), f"idle_seq of {name}"
        for queue in self._queues.values():
            live = sum(contact.queue is queue for contact in self._contacts.values())
            gone = queue.overflowed + sum(queue.ended.values())
            assert queue.entered == live + gone, f"sums of {queue.config.name} do not close"
            assert queue.closed == queue.closed_told, f"{queue.config.name} closed or opened, and nobody was told"
        for calendar in self._calendars.values():
            assert (calendar.timer is not None) == bool(calendar.changes), calendar.name
