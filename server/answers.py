"""What the server says to a command or a request: the answer's content, not how it gets there."""

from typing import Any

import msgspec
from msgspec import UNSET

from acd_core import Machine, Outcome, requirement
from acd_core import config as core_config
from acd_core.commands import Command, ConfigApply, ContactEnqueue
from acd_core.explain import explain_agent, explain_contact
from acd_protocol.framing import encode, error
from acd_protocol.messages import Error, Explain, List, Ok, Request, Stats
from server.log import logger
from server.sequencer import Sequencer


def to_command(command: Command, outcome: int, machine: Machine) -> bytes:
    """The line that answers a command, right after it was applied."""
    if outcome >= 100:
        return encode(refusal(command, outcome))
    if type(command) is ContactEnqueue:
        position = machine.last_position if outcome == Outcome.OK else 0
        ended = "" if position else machine.ended_reason(command.contact)
        return encode(
            Ok(seq=machine.seq, id=command.id, duplicate=outcome == Outcome.DUPLICATE, position=position, ended=ended)
        )
    return encode(Ok(seq=machine.seq, id=command.id, duplicate=outcome == Outcome.DUPLICATE))


def refusal(command: Command, number: int) -> Error:
    """The `error` for a command refused with outcome `number`, as exact as it can be said."""
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
            core_config.validate(command.config)
        except core_config.ConfigError as problem:
            message = str(problem)
    answer = error(outcome, message, command.id)
    return answer if at is None else msgspec.structs.replace(answer, at=at)


def to_request(request: Command | Request, sequencer: Sequencer) -> bytes:
    """The line that answers a request which reads only: list, stats, explain, ping."""
    machine = sequencer.machine
    result: Any = UNSET
    try:
        if isinstance(request, List):
            result = rows(request, machine, sequencer.limits.list_rows_max)
        elif isinstance(request, Stats):
            result = counts(request, sequencer)
        elif isinstance(request, Explain):
            result = explanation(request, machine, sequencer.clock.now())
    except Exception:  # noqa: BLE001 - logged; a fault in reading must not cut the connection
        logger.exception("a request failed by a fault of ours (type=%s)", type(request).__name__)
        result = error(Outcome.INTERNAL_ERROR, request_id=request.id)
    if isinstance(result, Error):
        return encode(result)
    return encode(Ok(seq=machine.seq, id=request.id, result=result))


def rows(request: List, machine: Machine, rows_max: int) -> Any:
    """What was asked for, at most `rows_max`; the whole configuration for `config`. Agents come with their `state`."""
    limit = min(request.limit, rows_max)
    tenant, queue = request.tenant or "", request.queue or ""
    if request.what == "contacts":
        return machine.contacts(tenant, queue, limit)
    if request.what == "config":
        return machine.config()
    if request.what == "agents":
        agents = machine.agents()
        if tenant:
            agents = [agent for agent in agents if not agent.tenants or tenant in agent.tenants]
        return [{"state": agent.state, **msgspec.structs.asdict(agent)} for agent in agents[:limit]]
    return [
        view
        for view in machine.queues()
        if (not tenant or view.tenant == tenant) and (not queue or view.queue == queue)
    ][:limit]


def counts(request: Stats, sequencer: Sequencer) -> dict[str, Any] | Error:
    """Counts of the domain, of the queues, and of this process; or the `Error` that says why there is no digest."""
    machine = sequencer.machine
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
        "server": {
            "connections": counters.connections,
            "commands": sum(counters.commands.values()),
            "batches": counters.batches,
            "journal_seq": sequencer.journal_seq,
        },
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
