"""What the server says to a command or a request: the answer's content, not how it gets there."""

from collections.abc import Iterable
from typing import Any, cast

import msgspec
from msgspec import UNSET

from acd_core import Machine, Outcome, requirement
from acd_core.commands import Command, ConfigApply, ContactEnqueue
from acd_core.config import ConfigError
from acd_core.explain import explain_agent, explain_contact
from acd_core.refusals import SENTENCES
from acd_core.validation import validate
from acd_core.views import AGENT_STATES, CONTACT_STATES, ContactView, in_seconds
from acd_protocol.framing import encode, error
from acd_protocol.messages import Error, Estimate, Explain, List, Ok, Request, Stats
from server.access.guard import Guard
from server.config import Limits
from server.log import logger
from server.sequencer import Sequencer

_encode = msgspec.json.Encoder().encode
_NAMED_MAX = 3
"""Most agents or queues that a refusal names one by one."""


def to_command(command: Command, outcome: int, machine: Machine) -> bytes:
    """The line that answers a command, right after it was applied."""
    if outcome >= 100:
        return encode(refusal(command, outcome, machine))
    if type(command) is ContactEnqueue:
        position = machine.last_position if outcome == Outcome.OK else 0
        ended = "" if position else machine.ended_reason(command.contact)
        return encode(
            Ok(
                seq=machine.seq,
                id=command.id,
                duplicate=outcome == Outcome.DUPLICATE,
                position=position,
                wait_estimate=in_seconds(machine.last_estimate),
                ended=ended,
            )
        )
    return encode(Ok(seq=machine.seq, id=command.id, duplicate=outcome == Outcome.DUPLICATE))


def refusal(command: Command, number: int, machine: Machine) -> Error:
    """The `error` for a command that `machine` refused with outcome `number`, as exact as it can be said."""
    outcome = Outcome(number)
    message = ""
    at = None
    if outcome is Outcome.REQUIREMENT_INVALID and isinstance(command, ContactEnqueue):
        try:
            requirement.parse(command.require)
        except requirement.RequirementError as problem:
            message, at = f"require: {problem}", problem.position
    elif outcome is Outcome.CONFIG_INVALID and isinstance(command, ConfigApply):
        try:
            validate(command.config)
        except ConfigError as problem:
            message = str(problem)
    elif outcome is Outcome.AGENT_IN_USE and isinstance(command, ConfigApply):
        kept = {agent.agent for agent in command.config.agents}
        lacking = [view for view in machine.agents() if view.presence != "logged_out" and view.agent not in kept]
        message = f"{SENTENCES[outcome]}: {_some([f'{view.agent} ({view.state})' for view in lacking])}"
    elif outcome is Outcome.QUEUE_IN_USE and isinstance(command, ConfigApply):
        there = {(queue.tenant, queue.name) for queue in command.config.queues}
        held = [
            (f"{view.tenant}/{view.queue}", view.waiting + view.offered + view.connected + view.wrapup + view.parked)
            for view in machine.queues()
            if (view.tenant, view.queue) not in there
        ]
        message = f"{SENTENCES[outcome]}: {_some([f'{path} ({count})' for path, count in held if count])}"
    answer = error(outcome, message, command.id)
    return answer if at is None else msgspec.structs.replace(answer, at=at)


def _some(names: list[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def to_request(request: Command | Request, guard: Guard, sequencer: Sequencer) -> bytes:
    """The line that answers a request which reads only, as far as `guard` lets see: list, stats, explain."""
    machine = cast("Machine", guard.view)  # its reading part, which is all that follows needs
    result: Any = UNSET
    more = False
    try:
        if isinstance(request, List):
            result, more = listed(request, machine, sequencer.limits)
        elif isinstance(request, Stats):
            result = counts(request, machine, sequencer, guard.identity.walled)
        elif isinstance(request, Estimate):
            return encode(standing(request, machine))
        elif isinstance(request, Explain):
            result = explanation(request, machine, sequencer.clock.now())
    except Exception:  # noqa: BLE001 - logged; a fault in reading must not cut the connection
        logger.exception("a request failed by a fault of ours (type=%s)", type(request).__name__)
        result = error(Outcome.INTERNAL_ERROR, request_id=request.id)
    if isinstance(result, Error):
        return encode(result)
    return encode(Ok(seq=machine.seq, id=request.id, result=result, more=more))


_STATES = {"agents": AGENT_STATES, "contacts": CONTACT_STATES}


def listed(request: List, machine: Machine, limits: Limits) -> tuple[Any, bool]:
    """What was asked for, and whether there is more than that; or the `Error` that says why there is no such list."""
    what, state = request.what, request.state or ""
    if state and state not in _STATES.get(what, ()):
        known = f"their states are {', '.join(_STATES[what])}" if what in _STATES else "they have none"
        return error(Outcome.VALUE_INVALID, f"list: {what} are never {state!r}; {known}", request.id), False
    if what == "config":
        return machine.config(), False
    limit = min(request.limit, limits.list_rows_max)
    tenant, queue = request.tenant or "", request.queue or ""
    encoded: Iterable[bytes]
    if what == "contacts":
        encoded = (_contact_row(view, machine) for view in machine.contacts(tenant, queue, limit + 1, state))
    elif what == "agents":
        # The word that a supervisor uses for what an agent does is no field of its own.
        agents = machine.agents(tenant, state, limit + 1)
        encoded = (b'{"state":"%s",%s' % (agent.state.encode(), _encode(agent)[1:]) for agent in agents)
    else:
        queues = machine.queues()
        encoded = (
            _encode(view)
            for view in queues
            if (not tenant or view.tenant == tenant) and (not queue or view.queue == queue)
        )
    rows: list[msgspec.Raw] = []
    room = limits.list_bytes_max
    for row in encoded:
        room -= len(row)
        if len(rows) == limit or (room < 0 and rows):
            return rows, True
        rows.append(msgspec.Raw(row))
    return rows, False


def _contact_row(view: ContactView, machine: Machine) -> bytes:
    """A contact as `ListedContact` reads it."""
    stands = machine.standing(view.contact) if view.state == "queued" else None
    if stands is None:
        return _encode(view)
    estimate = _encode(in_seconds(stands.estimate))
    return b'{"position":%d,"wait_estimate":%s,%s' % (stands.position, estimate, _encode(view)[1:])


def standing(request: Estimate, machine: Machine) -> Ok | Error:
    """Where a contact stands, or the `Error` that says why it stands nowhere."""
    stands = machine.standing(request.contact)
    if stands is not None:
        estimate = in_seconds(stands.estimate)
        return Ok(seq=machine.seq, id=request.id, position=stands.position, wait_estimate=estimate)
    live = machine.contact(request.contact)
    if live is None and not machine.ended_reason(request.contact):
        return error(Outcome.CONTACT_UNKNOWN, request_id=request.id)
    is_now = "is over" if live is None else f"is {live.state}"
    return error(Outcome.CONTACT_NOT_WAITING, f"the contact {is_now}; only waiting contacts have a place", request.id)


def counts(request: Stats, machine: Machine, sequencer: Sequencer, walled: bool) -> dict[str, Any] | Error:
    """Counts of the domain, of the queues, and of this process unless `walled`; or the `Error` that says why there is
    no digest.
    """
    counters = sequencer.counters
    domain = machine.domain()
    size = domain.contacts + sum(domain.agents.values())
    if request.digest and size > sequencer.limits.digest_rows_max:
        return error(
            Outcome.UNAVAILABLE,
            f"the digest would walk over {size} agents and contacts, and at most {sequencer.limits.digest_rows_max} "
            "are walked over while calls are served; 'acd journal verify --json' gives it for a copy of the data directory",
            request.id,
        )
    result: dict[str, Any] = {
        "domain": domain,
        "queues": [view for view in machine.queues() if not request.tenant or view.tenant == request.tenant],
    }
    if not walled:
        result["server"] = {
            "connections": counters.connections,
            "commands": sum(counters.commands.values()),
            "batches": counters.batches,
            "journal_seq": sequencer.journal_seq,
        }
    if request.digest:
        result["digest"] = machine.digest()
    return result


def explanation(request: Explain, machine: Machine, now: int) -> Any:
    """The explanation, or the `Error` that says why there is none."""
    if request.contact is not None and request.agent is None:
        return explain_contact(machine, request.contact, now=now) or error(
            Outcome.CONTACT_UNKNOWN, request_id=request.id
        )
    if request.agent is not None and request.contact is None:
        return explain_agent(machine, request.agent, now=now) or error(Outcome.AGENT_UNKNOWN, request_id=request.id)
    return error(Outcome.VALUE_INVALID, "explain: name a contact or an agent, one of the two", request.id)
