"""The command table: everything that can change the state, one frozen Struct a command.

A row gives the wire type (tag), the fields with their bounds, and the docs; who may send it is said in
`acd_protocol/permissions.py`. Its `apply` calls the machine's method of the same name, so the readable model and the engine are driven alike::

    outcome = command.apply(machine, now_ns, client)

`id` is the sender's own number or word for the request, echoed in the answer; it does not reach the machine.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from acd_core.config import (
    NS_PER_MS,
    STEPS_MAX,
    Address,
    AgentAttributes,
    AgentId,
    Config,
    Level,
    Name,
    PositiveSeconds,
    Priority,
    QueuePath,
    RequirementText,
    Seconds,
    SkillName,
    Step,
    StepsMode,
    ns_of_seconds,
)
from acd_core.events import AttemptCause
from acd_core.machine import Machine
from acd_core.views import Direction, Place
from acd_core.wishes import NO_WISHES, Preferred, Wishes

ContactId = Annotated[
    str, Meta(min_length=1, max_length=128, description="chosen by the adapter, unique in the domain")
]
OfferId = Annotated[str, Meta(min_length=1, max_length=32)]
Reason = Annotated[str, Meta(max_length=64)]
RequestId = Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)] | Annotated[str, Meta(max_length=64)] | None
AttributeValue = str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
CompletionReason = Literal["completed_agent", "completed_caller", "transferred", "callback_done", "lost", "failed"]
PREFERRED_MAX = 20
"""Most agents that a contact prefers."""
INSTANT_MAX_MS = (2**63 - 1) // NS_PER_MS
"""No engine time is later: nanoseconds since 1970, in 64 bits."""
OwnSteps = Annotated[tuple[Step, ...], Meta(max_length=STEPS_MAX)]
QueuePaths = Annotated[tuple[QueuePath, ...], Meta(max_length=1000)]
Instants = Annotated[
    tuple[Annotated[int, Meta(ge=0, le=253_402_300_799_999)], ...],
    Meta(max_length=20_000, description="milliseconds since 1970, rising"),
]
Attributes = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], AttributeValue],
    Meta(max_length=64, description="caller and case data, handed to the agent with the offer"),
]


class Command(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True, omit_defaults=True):
    """What all commands have."""

    id: RequestId = None

    def apply(self, machine: Machine, now: int, client: str) -> int:
        """Carry the command out at engine time `now` for the client of that name; gives an `Outcome` number."""
        raise NotImplementedError


class ContactEnqueue(Command, tag="contact.enqueue", frozen=True, kw_only=True):
    """Put a contact into a queue. It is offered at once if an agent is free, else it waits.

    Args:
        contact: your id for it, unique among those of all clients: put your name in front, for two PBXs may number
            alike. A repeat of yours is answered with `duplicate` and changes nothing.
        priority: 0..100, more is more urgent; each point is worth `priority_step_s` of waiting.
        require: asked of the agent in addition to what the queue asks, such as `spanish>=50`.
        attributes: up to 64 values that come with the offer.
        age_s: counts as having waited for so long already, such as at another place; negative to begin later. It decides
            about its place only: steps and limits of waiting go by the time that it waits here.
        direction: who began it: a caller (`inbound`), the centre (`outbound`) or a colleague (`internal`). Agents of a
            queue that works by `longest_idle_inbound` lose their place by inbound contacts only.
        steps: rules of its own that relax as it waits, like those of a queue.
        steps_mode: whether they are added to the queue's steps, or replace them.
        prefer: agents who come first for `prefer_s` seconds, those of a higher score before others; ids that
            nobody has are passed over.
        prefer_wait: whether it waits for one of them who is busy, though others are free; for one who is logged out or
            paused it never waits. Otherwise they come first if they are free.
        caller: who calls, in your words, such as a customer's number. By it the queue may prefer his last agent, as
            `last_agent_s` says, and count what he waited before in vain, as `credit_window_s` says.
    """

    contact: ContactId
    tenant: Name
    queue: Name
    priority: Priority = 0
    require: RequirementText = ""
    attributes: Attributes = {}
    direction: Direction = "inbound"
    steps: OwnSteps = ()
    steps_mode: StepsMode = "add"
    prefer: Annotated[tuple[Preferred, ...], Meta(max_length=PREFERRED_MAX)] = ()
    prefer_s: Seconds = 60
    prefer_wait: bool = False
    caller: Annotated[str, Meta(max_length=128)] = ""
    age_s: Annotated[float, Meta(ge=-2_592_000, le=2_592_000)] = 0

    def apply(self, machine: Machine, now: int, client: str) -> int:
        wishes = NO_WISHES
        if self.steps or self.prefer or self.caller or self.age_s or self.steps_mode != "add":
            wishes = Wishes(
                steps=self.steps,
                steps_mode=self.steps_mode,
                prefer=self.prefer,
                prefer_s=self.prefer_s,
                prefer_wait=self.prefer_wait,
                caller=self.caller,
                age_ns=ns_of_seconds(self.age_s),
            )
        return machine.enqueue_contact(
            now,
            client,
            self.contact,
            self.tenant,
            self.queue,
            self.priority,
            self.require,
            self.attributes,
            self.direction,
            wishes,
        )


class ContactUpdate(Command, tag="contact.update", frozen=True, kw_only=True):
    """Change priority, place or steps of a waiting contact, or the attributes of any live one. What is left out stays.

    Args:
        priority: a new one; it undoes what `place` did.
        place: `first` in its queue, or right `before` or `after` the `other` contact. From then on it stands where that
            one stands, a nanosecond more or less urgent, until it goes to another queue.
        other: another contact that waits in the same queue.
        steps: its own steps from now on. Those whose time has passed hold at once.
        steps_mode: of these, as in contact.enqueue.
    """

    contact: ContactId
    priority: Priority | None = None
    attributes: Attributes | None = None
    steps: OwnSteps | None = None
    steps_mode: StepsMode = "add"
    place: Place | None = None
    other: ContactId | None = None

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.update_contact(
            now, self.contact, self.priority, self.attributes, self.steps, self.steps_mode, self.place, self.other
        )


class ContactAbandon(Command, tag="contact.abandon", frozen=True, kw_only=True):
    """The caller hung up. Right in any state: in conversation it ends the contact as `completed_caller`."""

    contact: ContactId

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.abandon_contact(now, self.contact)


class ContactWithdraw(Command, tag="contact.withdraw", frozen=True, kw_only=True):
    """Take a waiting contact out of its queue; it ends as `withdrawn`."""

    contact: ContactId

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.withdraw_contact(now, self.contact)


class ContactComplete(Command, tag="contact.complete", frozen=True, kw_only=True):
    """The conversation is over. The agent goes into wrap-up, if the queue has any.

    Args:
        reason: who ended it, or how: `completed_agent`, `completed_caller`, `transferred`, `callback_done`,
            `lost` (the PBX lost it) or `failed`.
    """

    contact: ContactId
    reason: CompletionReason = "completed_agent"

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.complete_contact(now, self.contact, self.reason)


class ContactTransfer(Command, tag="contact.transfer", frozen=True, kw_only=True):
    """Hand a contact on: to a queue of its tenant, to an agent, or out of the centre. One of the three is given.

    In conversation the agents are through with it, and wrap up; a waiting contact is moved by hand, and whoever is
    being rung for it is told. It keeps its id, its attributes and the record of who had it, which comes with the next
    offer.

    Args:
        queue: which it joins, as if it had just come, but for its age.
        agent: the only one who may get it now, in that queue or in the one that it is in.
        outside: address beyond the centre that it went to; the contact ends here, as `transferred`, or as `diverted`
            when nobody had answered it.
        keep_age: whether its waiting time goes on counting from its first arrival.
        require: asked of the agent instead of what the contact asked itself; left out, that stays.
        priority: instead of its own.
    """

    contact: ContactId
    queue: Name | None = None
    agent: AgentId | None = None
    outside: Address | None = None
    keep_age: bool = True
    require: RequirementText | None = None
    priority: Priority | None = None

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.transfer_contact(
            now, self.contact, self.queue, self.agent, self.outside, self.keep_age, self.require, self.priority
        )


class ContactConsult(Command, tag="contact.consult", frozen=True, kw_only=True):
    """An agent who talks with a caller asks a colleague, while the caller waits on hold, or listens.

    The question is a contact of its own, `internal`, which waits in its queue like any other and is offered with the id of
    the caller's contact. Whoever accepts talks with the agent who asked. Then the one who asked returns to the
    caller (contact.complete of the question), or brings the colleague in (contact.merge); until he is answered he
    can give up (contact.abandon). When the caller's contact ends or is handed on, or the agent who asked leaves
    it, the question ends too. There is one at a time for each contact.

    Args:
        contact: the caller's; it must be in conversation.
        consult: your id for the question.
        queue: where to ask; that of the caller's contact when left out.
        agent: the only one to be asked. Otherwise it is anybody who does not talk with the caller already.
        asked_by: who asks; the one who has talked with the caller for longest when left out.
        priority, require, attributes: of the question, as in contact.enqueue.
    """

    contact: ContactId
    consult: ContactId
    queue: Name | None = None
    agent: AgentId | None = None
    asked_by: AgentId | None = None
    priority: Priority = 0
    require: RequirementText = ""
    attributes: Attributes = {}

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.consult_contact(
            now,
            client,
            self.contact,
            self.consult,
            self.queue,
            self.agent,
            self.asked_by,
            self.priority,
            self.require,
            self.attributes,
        )


class ContactMerge(Command, tag="contact.merge", frozen=True, kw_only=True):
    """Bring the colleague who was asked into the caller's conversation, which makes it a conference.

    The question ends as `transferred`. From now on the colleague talks with the caller, who is taken off hold.

    Args:
        contact: the question.
        transfer: the agent who asked leaves at once, as contact.drop would have it: an attended transfer.
    """

    contact: ContactId
    transfer: bool = False

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.merge_contact(now, self.contact, self.transfer)


class ContactDrop(Command, tag="contact.drop", frozen=True, kw_only=True):
    """One of several agents leaves a conference, and wraps up. The others go on."""

    contact: ContactId
    agent: AgentId

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.drop_contact(now, self.contact, self.agent)


class ContactCallback(Command, tag="contact.callback", frozen=True, kw_only=True):
    """A waiting caller hangs up and wants to be called back, or an attempt to call him back has failed.

    The contact keeps its place, its steps and its priority. Its turn comes as it would have come on the phone: an agent
    is offered it with the number to dial, and only when he has accepted is the caller dialled, so nobody is called for
    whom there is no agent. If he cannot be reached, report that with `failed`: the agent is free at once, and the
    contact is parked until the next attempt. From the request on `max_wait_s` and the rules on staying do not count.

    Args:
        number: to dial; one callback at a time for each number of a tenant.
        failed: why the attempt failed: `busy`, `no_answer`, `unreachable`, or `invalid`, after which none is made again.
    """

    contact: ContactId
    number: Annotated[str, Meta(max_length=128)] = ""
    failed: AttemptCause | None = None

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.callback_contact(now, self.contact, self.number, self.failed)


class ContactHold(Command, tag="contact.hold", frozen=True, kw_only=True):
    """The agent put the contact on hold."""

    contact: ContactId

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.hold_contact(now, self.contact, True)


class ContactUnhold(Command, tag="contact.unhold", frozen=True, kw_only=True):
    """The agent took the contact off hold."""

    contact: ContactId

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.hold_contact(now, self.contact, False)


class OfferAccept(Command, tag="offer.accept", frozen=True, kw_only=True):
    """The agent answered. Connect contact and agent only after `ok`: of two answers the first one counts."""

    offer: OfferId

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.accept_offer(now, self.offer)


class OfferReject(Command, tag="offer.reject", frozen=True, kw_only=True):
    """The agent cannot or will not. The contact keeps its place; the agent rests for `reject_cooldown_s`.

    Args:
        cause: in your words; it comes back in the offer.ended event. After `busy`, `no_answer` and `unreachable` he rests
            for as long as the queue says for those.
    """

    offer: OfferId
    cause: Reason = ""

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.reject_offer(now, self.offer, self.cause)


class AgentLogin(Command, tag="agent.login", frozen=True, kw_only=True):
    """Log a configured agent in: paused with the reason `login`, or ready at once.

    Args:
        address: where he sits today; replaces the configured address until he logs out.
        ready: whether contacts may come at once.
        queues: those of his queues that he serves in this login, as tenant/queue; all that are his when left out. A
            repeat that leaves them out changes nothing about them.
    """

    agent: AgentId
    address: Address | None = None
    ready: bool = False
    queues: QueuePaths | None = None

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.login_agent(now, client, self.agent, self.address, self.ready, self.queues)


class AgentQueues(Command, tag="agent.queues", frozen=True, kw_only=True):
    """Change which of his queues a logged-in agent serves, until he logs out. With nothing named he serves all his again.

    His are the queues of the tenants that he answers for. A contact of a queue that he left does not come to him any more;
    one that rings or talks goes on.

    Args:
        queues: these and no others, as tenant/queue.
        join: these as well; leave: these no longer. One must be left.
    """

    agent: AgentId
    queues: QueuePaths | None = None
    join: QueuePaths = ()
    leave: QueuePaths = ()

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.choose_queues(now, self.agent, self.queues, self.join, self.leave)


class AgentReady(Command, tag="agent.ready", frozen=True, kw_only=True):
    """The agent wants contacts. Ends a pause and a cooldown; his idle time starts now."""

    agent: AgentId

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.ready_agent(now, self.agent)


class AgentPause(Command, tag="agent.pause", frozen=True, kw_only=True):
    """No more contacts for the agent. An open offer is withdrawn from him; a conversation goes on.

    Args:
        reason: one of the `pause_reasons` of the configuration, if it has any; else in your words.
    """

    agent: AgentId
    reason: Reason = ""

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.pause_agent(now, self.agent, self.reason)


class AgentLogout(Command, tag="agent.logout", frozen=True, kw_only=True):
    """The agent leaves. During a conversation it takes effect after the contact and its wrap-up."""

    agent: AgentId

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.logout_agent(now, self.agent)


class AgentOutside(Command, tag="agent.outside", frozen=True, kw_only=True):
    """The agent has contacts that did not come from here, such as a call on his direct line.

    They take room as contacts of their channel do. An offer to him for which there is no room then is withdrawn. Do not
    report what he was offered, or talks about, through this server.

    Args:
        channel: of what kind they are.
        contacts: how many of them he has now, in place of what was reported before; 0 when they are over.
        for_s: after so long without another report they count as over.
    """

    agent: AgentId
    channel: Name = "voice"
    contacts: Annotated[int, Meta(ge=0, le=1000)] = 1
    for_s: PositiveSeconds = 14_400

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.report_outside(now, self.agent, self.channel, self.contacts, ns_of_seconds(self.for_s))


class AgentUpdate(Command, tag="agent.update", frozen=True, kw_only=True):
    """Change address, skills or attributes of an agent, at once; until the next configuration says otherwise.

    Args:
        skills: replaces all his skills. They must be known to the configuration.
        attributes: replaces all his attributes.
    """

    agent: AgentId
    address: Address | None = None
    skills: Annotated[dict[SkillName, Level], Meta(max_length=256)] | None = None
    attributes: AgentAttributes | None = None

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.update_agent(now, self.agent, self.address, self.skills, self.attributes)


class AgentWrapupDone(Command, tag="agent.wrapup_done", frozen=True, kw_only=True):
    """The agent is through with the after-work.

    Args:
        disposition: how the contact went, in your words, such as `sold`; it comes in the contact.disposed event and with
            the end of the contact. Queues with `disposition_required` refuse to end the wrap-up without.
        contact: with which; all whose after-work he does when left out.
    """

    agent: AgentId
    disposition: Reason = ""
    contact: ContactId | None = None

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.end_wrapup(now, self.agent, self.disposition, self.contact)


class AgentWrapupExtend(Command, tag="agent.wrapup_extend", frozen=True, kw_only=True):
    """The agent needs more time for the after-work, up to the `wrapup_max_s` of the queue in all.

    Args:
        by_s: so many seconds more.
        contact: for which; all whose after-work he does when left out.
    """

    agent: AgentId
    by_s: PositiveSeconds
    contact: ContactId | None = None

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.extend_wrapup(now, self.agent, ns_of_seconds(self.by_s), self.contact)


class ClientAway(Command, tag="client.away", frozen=True, kw_only=True):
    """The client that sends it will be away. The server says it for one that stays away past `settings.client_grace_s`.

    Its agents who are ready are paused as `unreachable`, and offers to them are withdrawn. Its waiting contacts keep
    their places, or end as `lost`, as `settings.absent_client_contacts` says.
    """

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.leave_client(now, client)


class ClientBack(Command, tag="client.back", frozen=True, kw_only=True):
    """The client that sends it is there again. The server says it when the client says `hello`.

    Its agents who were paused as `unreachable` are ready again.
    """

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.return_client(now, client)


class QueueClose(Command, tag="queue.close", frozen=True, kw_only=True):
    """Close a queue at once, whatever its hours, until queue.open. Who joins, and who waits, goes where its rules say.

    Args:
        reason: for those who wonder, such as `fire alarm`.
    """

    tenant: Name
    queue: Name
    reason: Reason = ""

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.close_queue(now, self.tenant, self.queue, self.reason)


class QueueOpen(Command, tag="queue.open", frozen=True, kw_only=True):
    """End what queue.close began. The queue's hours hold again."""

    tenant: Name
    queue: Name

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.open_queue(now, self.tenant, self.queue)


class HoursSet(Command, tag="hours.set", frozen=True, kw_only=True):
    """Give the instants at which a calendar opens and closes. The server says it for each calendar, ahead of time.

    Args:
        open: whether it is open before the first of the instants.
        changes: when it closes, if open, or opens, and so on in turn. What is later than any engine time never comes, and is
            left out.
    """

    calendar: Name
    open: bool
    changes: Instants = ()

    def apply(self, machine: Machine, now: int, client: str) -> int:
        coming = [instant * NS_PER_MS for instant in self.changes if instant <= INSTANT_MAX_MS]
        return machine.set_hours(now, self.calendar, self.open, coming)


class ConfigApply(Command, tag="config.apply", frozen=True, kw_only=True):
    """Replace the whole configuration at one instant, for those already waiting too; or refuse it whole."""

    config: Config

    def apply(self, machine: Machine, now: int, client: str) -> int:
        return machine.apply_config(now, self.config)


AnyCommand = (
    ContactEnqueue
    | ContactUpdate
    | ContactAbandon
    | ContactWithdraw
    | ContactComplete
    | ContactTransfer
    | ContactConsult
    | ContactMerge
    | ContactDrop
    | ContactCallback
    | ContactHold
    | ContactUnhold
    | OfferAccept
    | OfferReject
    | AgentLogin
    | AgentQueues
    | AgentReady
    | AgentPause
    | AgentLogout
    | AgentOutside
    | AgentUpdate
    | AgentWrapupDone
    | AgentWrapupExtend
    | ClientAway
    | ClientBack
    | QueueClose
    | QueueOpen
    | HoursSet
    | ConfigApply
)
COMMAND_TYPES: tuple[type[Command], ...] = AnyCommand.__args__
