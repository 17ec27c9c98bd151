"""What one connection may send and see: asked for each message before anything is done, and for each event."""

from acd_core import Machine, Outcome
from acd_core.commands import COMMAND_TYPES, ConfigApply
from acd_core.event_lines import EventLine
from acd_core.refusals import SENTENCES
from acd_protocol.framing import encode, error
from acd_protocol.messages import Command, Error, Explain, List, Request, Stats, Subscribe
from acd_protocol.permissions import PERMISSIONS, verb
from server.access.identity import Identity
from server.access.own_config import NotYours, merged
from server.access.walls import Reach, Walled
from server.wall import Wall


class Guard:
    """See the module.

    Attributes:
        identity: who is guarded.
        free: types of commands that need not be judged, and of which the audit trail does not tell. Configurations
            are always looked at.
        reach: what is behind the wall.
        wall: the same, for what is asked most often: of commands that need be judged only by what they are about.
    """

    def __init__(self, machine: Machine, identity: Identity, client: str) -> None:
        self.identity = identity
        unaudited = [
            kind
            for kind in COMMAND_TYPES
            if identity.may(kind) and not identity.audited(kind) and kind is not ConfigApply
        ]
        self.free = frozenset() if identity.walled else frozenset(unaudited)
        self._machine = machine
        self._client = client
        self.reach = Reach(machine, identity)
        walls = {kind: PERMISSIONS[kind].wall for kind in unaudited}
        self.wall = Wall(self.reach.tenants_of_events, self.reach, walls)

    @property
    def view(self) -> Machine | Walled:
        """The machine, as far as it may be seen."""
        return Walled(self._machine, self.reach, self._client) if self.identity.walled else self._machine

    def judge(self, message: Command | Request) -> Error | None:
        """Why the message must not be carried out; None if it may."""
        kind = type(message)
        identity = self.identity
        if not identity.may(kind):
            problem = f"the role {identity.role!r} may not send {verb(kind)}; docs/permissions.md has who may"
            return error(Outcome.UNAUTHORISED, problem, message.id)
        if not identity.walled:
            return None
        match PERMISSIONS[kind].wall:
            case "none" | "config":
                return None
            case "tenant":
                return self._judge_tenant(message, message.tenant)  # type: ignore[union-attr]
            case "contact":
                return self._judge_contact(message, message.contact)  # type: ignore[union-attr]
            case "offer":
                seen = self.reach.sees_offer(message.offer)  # type: ignore[union-attr]
                return None if seen else error(Outcome.OFFER_UNKNOWN, request_id=message.id)
            case "agent":
                return self._judge_agent(message, message.agent)  # type: ignore[union-attr]
            case "view":
                return self._judge_view(message)

    def _judge_tenant(self, message: Command | Request, tenant: str | None) -> Error | None:
        if tenant is None or self.reach.sees_tenant(tenant):
            return None
        return error(Outcome.TENANT_UNKNOWN, request_id=message.id)

    def _judge_contact(self, message: Command | Request, contact: str) -> Error | None:
        if self.reach.sees_contact(contact, self._client):
            return None
        return error(Outcome.CONTACT_UNKNOWN, request_id=message.id)

    def _judge_agent(self, message: Command | Request, agent: str) -> Error | None:
        if self.reach.owns_agent(agent):
            return None
        if not self.reach.sees_agent(agent):
            return error(Outcome.AGENT_UNKNOWN, request_id=message.id)
        problem = f"agent {agent} serves others too, so only who has no wall may change what he does"
        return error(Outcome.UNAUTHORISED, problem, message.id)

    def _judge_view(self, message: Command | Request) -> Error | None:
        """Lists, counts, explanations and subscriptions: what they name must be there; the rest is left out."""
        if isinstance(message, List | Stats | Subscribe) and message.tenant is not None:
            problem = self._judge_tenant(message, message.tenant)
            if problem is not None:
                return problem
        if isinstance(message, Stats) and message.digest:
            return error(Outcome.UNAUTHORISED, "the digest is of everything: only who has no wall gets it", message.id)
        if isinstance(message, Explain):
            if message.contact is not None and not self.reach.sees_contact(message.contact, self._client):
                return error(Outcome.CONTACT_UNKNOWN, request_id=message.id)
            if message.agent is not None and not self.reach.sees_agent(message.agent):
                return error(Outcome.AGENT_UNKNOWN, request_id=message.id)
        return None

    def whole(self, line: bytes, command: Command) -> tuple[bytes, Command] | Error:
        """A command as it is journaled. Of a configuration from behind a wall that is the whole one, with the part
        of those behind the wall replaced.
        """
        if not isinstance(command, ConfigApply) or not self.identity.walled:
            return line, command
        try:
            config = merged(self._machine.config(), command.config, self.reach)
        except NotYours as problem:
            return error(Outcome.UNAUTHORISED, f"{problem}; {SENTENCES[Outcome.CONFIG_INVALID]}", command.id)
        whole = ConfigApply(id=command.id, config=config)
        return encode(whole).rstrip(), whole

    def sees(self, event: EventLine) -> bool:
        """Whether an event may be sent to this connection."""
        return not self.identity.walled or self.reach.sees_event(event.tenant, event.agent)
