"""The commands and requests of the protocol as methods: what a program that uses the client calls."""

from collections.abc import Mapping, Sequence
from typing import Any

from acd_core.commands import (
    AgentLogin,
    AgentLogout,
    AgentOutside,
    AgentPause,
    AgentQueues,
    AgentReady,
    AgentUpdate,
    AgentWrapupDone,
    AgentWrapupExtend,
    AttributeValue,
    ClientAway,
    ClientBack,
    CompletionReason,
    ConfigApply,
    ContactAbandon,
    ContactCallback,
    ContactComplete,
    ContactConsult,
    ContactDrop,
    ContactEnqueue,
    ContactHold,
    ContactMerge,
    ContactTransfer,
    ContactUnhold,
    ContactUpdate,
    ContactWithdraw,
    OfferAccept,
    OfferReject,
)
from acd_core.config import Config
from acd_core.events import AttemptCause
from acd_core.views import Place
from acd_core.wishes import Preferred
from acd_protocol.messages import (
    Command,
    Estimate,
    Explain,
    List,
    ListedState,
    Listing,
    Ok,
    Ping,
    Request,
    Stats,
    Subscribe,
    Topic,
)

ALL_TOPICS: tuple[Topic, ...] = ("contact", "offer", "agent", "config")


class Verbs:
    """One method a verb. Each waits for the answer, and raises `Refused` if that is an error.

    The fields and their bounds are those of the message of the same name; the protocol page describes them.
    """

    async def call(self, message: Command | Request) -> Ok:
        """Send a command or request and wait for its answer."""
        raise NotImplementedError

    async def enqueue(
        self,
        contact: str,
        tenant: str,
        queue: str,
        *,
        priority: int = 0,
        require: str = "",
        attributes: Mapping[str, AttributeValue] | None = None,
        prefer: Mapping[str, int] | None = None,
        prefer_s: float = 60,
        prefer_wait: bool = False,
        age_s: float = 0,
        caller: str = "",
    ) -> Ok:
        """contact.enqueue: put a contact into a queue. `prefer` gives agents with their scores."""
        return await self.call(
            ContactEnqueue(
                contact=contact,
                tenant=tenant,
                queue=queue,
                priority=priority,
                require=require,
                attributes=dict(attributes or {}),
                prefer=tuple(Preferred(agent, score) for agent, score in (prefer or {}).items()),
                prefer_s=prefer_s,
                prefer_wait=prefer_wait,
                age_s=age_s,
                caller=caller,
            )
        )

    async def update(
        self,
        contact: str,
        *,
        priority: int | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        place: Place | None = None,
        other: str | None = None,
    ) -> Ok:
        """contact.update: change priority, place or attributes of a contact; what is None stays."""
        changed = None if attributes is None else dict(attributes)
        return await self.call(
            ContactUpdate(contact=contact, priority=priority, attributes=changed, place=place, other=other)
        )

    async def abandon(self, contact: str) -> Ok:
        """contact.abandon: the caller hung up."""
        return await self.call(ContactAbandon(contact=contact))

    async def withdraw(self, contact: str) -> Ok:
        """contact.withdraw: take a waiting contact out of its queue."""
        return await self.call(ContactWithdraw(contact=contact))

    async def complete(self, contact: str, reason: CompletionReason = "completed_agent") -> Ok:
        """contact.complete: the conversation is over."""
        return await self.call(ContactComplete(contact=contact, reason=reason))

    async def transfer(
        self,
        contact: str,
        *,
        queue: str | None = None,
        agent: str | None = None,
        outside: str | None = None,
        keep_age: bool = True,
        require: str | None = None,
    ) -> Ok:
        """contact.transfer: hand a contact on, to a queue, an agent, or out of the centre."""
        return await self.call(
            ContactTransfer(
                contact=contact, queue=queue, agent=agent, outside=outside, keep_age=keep_age, require=require
            )
        )

    async def consult(
        self,
        contact: str,
        consult: str,
        *,
        queue: str | None = None,
        agent: str | None = None,
        asked_by: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Ok:
        """contact.consult: ask a colleague, in a queue or by name, by a contact called `consult`."""
        return await self.call(
            ContactConsult(
                contact=contact,
                consult=consult,
                queue=queue,
                agent=agent,
                asked_by=asked_by,
                attributes=dict(attributes or {}),
            )
        )

    async def merge(self, consult: str, *, transfer: bool = False) -> Ok:
        """contact.merge: bring in the colleague who was asked; with `transfer` the one who asked leaves."""
        return await self.call(ContactMerge(contact=consult, transfer=transfer))

    async def drop(self, contact: str, agent: str) -> Ok:
        """contact.drop: one of several agents leaves a conference."""
        return await self.call(ContactDrop(contact=contact, agent=agent))

    async def call_back(self, contact: str, number: str) -> Ok:
        """contact.callback: the caller hangs up, and is called at this number when his turn comes."""
        return await self.call(ContactCallback(contact=contact, number=number))

    async def callback_failed(self, contact: str, cause: AttemptCause) -> Ok:
        """contact.callback: an agent has it, and the caller could not be reached."""
        return await self.call(ContactCallback(contact=contact, failed=cause))

    async def hold(self, contact: str) -> Ok:
        """contact.hold: the agent put the contact on hold."""
        return await self.call(ContactHold(contact=contact))

    async def unhold(self, contact: str) -> Ok:
        """contact.unhold: the agent took the contact off hold."""
        return await self.call(ContactUnhold(contact=contact))

    async def accept(self, offer: str) -> Ok:
        """offer.accept: the agent answered. Connect the two only after this returns."""
        return await self.call(OfferAccept(offer=offer))

    async def reject(self, offer: str, cause: str = "") -> Ok:
        """offer.reject: the agent cannot or will not."""
        return await self.call(OfferReject(offer=offer, cause=cause))

    async def login(
        self, agent: str, *, address: str | None = None, ready: bool = False, queues: Sequence[str] | None = None
    ) -> Ok:
        """agent.login: log an agent in, paused or ready at once, to all his queues or to these (tenant/queue)."""
        chosen = None if queues is None else tuple(queues)
        return await self.call(AgentLogin(agent=agent, address=address, ready=ready, queues=chosen))

    async def choose_queues(
        self, agent: str, queues: Sequence[str] | None = None, *, join: Sequence[str] = (), leave: Sequence[str] = ()
    ) -> Ok:
        """agent.queues: he serves these of his queues from now on, or more or fewer than before; all with none given."""
        chosen = None if queues is None else tuple(queues)
        return await self.call(AgentQueues(agent=agent, queues=chosen, join=tuple(join), leave=tuple(leave)))

    async def ready(self, agent: str) -> Ok:
        """agent.ready: the agent wants contacts."""
        return await self.call(AgentReady(agent=agent))

    async def pause(self, agent: str, reason: str = "") -> Ok:
        """agent.pause: no more contacts for the agent."""
        return await self.call(AgentPause(agent=agent, reason=reason))

    async def logout(self, agent: str) -> Ok:
        """agent.logout: the agent leaves."""
        return await self.call(AgentLogout(agent=agent))

    async def outside(self, agent: str, channel: str = "voice", contacts: int = 1, *, for_s: float = 14_400) -> Ok:
        """agent.outside: the agent has so many contacts that did not come from here; 0 when they are over."""
        return await self.call(AgentOutside(agent=agent, channel=channel, contacts=contacts, for_s=for_s))

    async def update_agent(
        self, agent: str, *, address: str | None = None, skills: Mapping[str, int] | None = None
    ) -> Ok:
        """agent.update: change address or skills of an agent; what is None stays."""
        changed = None if skills is None else dict(skills)
        return await self.call(AgentUpdate(agent=agent, address=address, skills=changed))

    async def end_wrapup(self, agent: str, disposition: str = "", *, contact: str | None = None) -> Ok:
        """agent.wrapup_done: the agent is through with the after-work, and says how the contact went."""
        return await self.call(AgentWrapupDone(agent=agent, disposition=disposition, contact=contact))

    async def extend_wrapup(self, agent: str, by_s: float, *, contact: str | None = None) -> Ok:
        """agent.wrapup_extend: the agent needs so many seconds more for the after-work."""
        return await self.call(AgentWrapupExtend(agent=agent, by_s=by_s, contact=contact))

    async def away(self) -> Ok:
        """client.away: this program will be away for longer."""
        return await self.call(ClientAway())

    async def back(self) -> Ok:
        """client.back: this program is there again."""
        return await self.call(ClientBack())

    async def apply_config(self, config: Config) -> Ok:
        """config.apply: replace the whole configuration."""
        return await self.call(ConfigApply(config=config))

    async def subscribe(
        self, topics: tuple[Topic, ...] = ALL_TOPICS, *, tenant: str | None = None, from_seq: int | None = None
    ) -> Ok:
        """subscribe: get events beyond those of one's own contacts and agents; kept over reconnections."""
        return await self.call(Subscribe(topics=topics, tenant=tenant, from_seq=from_seq))

    async def listing(
        self,
        what: Listing,
        *,
        tenant: str | None = None,
        queue: str | None = None,
        state: ListedState | None = None,
        limit: int = 1000,
    ) -> Any:
        """list: the queues, agents, contacts or the configuration; gives the `result` of the answer."""
        return (await self.call(List(what=what, tenant=tenant, queue=queue, state=state, limit=limit))).result

    async def stats(self, tenant: str | None = None, *, digest: bool = False) -> Any:
        """stats: counters of queues and domain; gives the `result` of the answer."""
        return (await self.call(Stats(tenant=tenant, digest=digest))).result

    async def estimate(self, contact: str) -> Ok:
        """estimate: where a waiting contact stands now, and how much longer it will wait."""
        return await self.call(Estimate(contact=contact))

    async def explain(self, *, contact: str | None = None, agent: str | None = None) -> Any:
        """explain: why a contact waits, or what keeps an agent free; gives the `result` of the answer."""
        return (await self.call(Explain(contact=contact, agent=agent))).result

    async def ping(self) -> Ok:
        """ping: ask for a sign of life."""
        return await self.call(Ping())
