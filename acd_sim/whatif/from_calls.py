"""A past from recorded calls in a CSV file: who came when, how long each waited or talked, and who answered.

The record does not say who was at work, nor by which rules; `acd_sim.replay_plan` makes both from it, and `absence`
finds when agents were at something else. An absence that followed a talk belongs to that talk, as after-work does: it
lasts as long after it, whenever and with whomever it comes. Others are by the clock. So a rerun under these rules is a model of that centre, not a repetition:
compare it with the record before you trust what it says.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import structs

from acd_core.commands import (
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentReady,
    AgentWrapupDone,
    Command,
    ConfigApply,
    ContactAbandon,
    ContactComplete,
    ContactEnqueue,
    OfferAccept,
)
from acd_sim import replay_plan
from acd_sim.recorded_calls import Record, RecordedCall
from acd_sim.replay_plan import Plan
from acd_sim.whatif.absence import Span, absences, union
from acd_sim.whatif.past import AFTERWARDS, NS_PER_S, TALKING, WAITING, Answer, Contact, Deed, Past, PastError, Stage

CLIENT = "record"
TENANT = "bank"
AFTERWARDS_MAX_S = 86_400


def read(record: Record, source: str, days: int = 0) -> Past:
    """The past of a record, or of its first days. Raises `PastError` if nobody sought an agent."""
    calls = replay_plan.first_days(record.calls, days)
    if not calls:
        raise PastError(f"{source} holds no call that sought an agent; there is nothing to replay")
    plan = replay_plan.make_plan(calls)
    config = replay_plan.configuration(plan, TENANT, 1.0)
    # After-work lasts until the record says that it is over.
    config = structs.replace(config, queues=tuple(structs.replace(q, wrapup_s=AFTERWARDS_MAX_S) for q in config.queues))
    midnight = round(datetime.fromordinal(calls[0].day).replace(tzinfo=UTC).timestamp()) * NS_PER_S
    rows: list[tuple[int, int, Command]] = [
        (midnight + min(plan.starts_s[0], plan.shifts[0].start_s) * NS_PER_S, 0, ConfigApply(config=config))
    ]
    for shift in plan.shifts:
        rows.append((midnight + shift.start_s * NS_PER_S, 1, AgentLogin(agent=shift.agent, ready=True)))
        rows.append((midnight + shift.end_s * NS_PER_S, 3, AgentLogout(agent=shift.agent)))
    afterwards, pauses = _absences(plan)
    for agent, since, until in pauses:
        rows.append((midnight + since * NS_PER_S, 1, AgentPause(agent=agent, reason="away")))
        rows.append((midnight + until * NS_PER_S, 1, AgentReady(agent=agent)))
    by_id: dict[str, tuple[RecordedCall, int]] = {}
    for place, (call, start_s) in enumerate(zip(calls, plan.starts_s, strict=True)):
        by_id[f"row-{call.row}"] = call, afterwards.get(place, 0)
        enqueue = ContactEnqueue(
            contact=f"row-{call.row}", tenant=TENANT, queue=call.type, priority=1 if call.high_priority else 0
        )
        rows.append((midnight + start_s * NS_PER_S, 2, enqueue))
    rows.sort(key=lambda row: row[:2])
    deeds: list[Deed] = []
    contacts: dict[int, Contact] = {}
    order = 0
    for at, _, command in rows:
        order += 1
        deeds.append(Deed(at, order, CLIENT, command))
        if isinstance(command, ContactEnqueue):
            contacts[order] = _contact(len(contacts), *by_id[command.contact], command.contact, at, order)
            order += 4
    end = max(deed.at for deed in deeds)
    notes = _notes(record, calls)
    return Past(source, deeds, contacts, deeds[0].at, end, config, notes=notes)


def _absences(plan: Plan) -> tuple[dict[int, int], list[tuple[str, int, int]]]:
    """Who was away when, although he had logged in: seconds after the talk of a call, by its place; and at other times."""
    waits: dict[str, list[Span]] = defaultdict(list)
    talks: dict[str, list[Span]] = defaultdict(list)
    ends: dict[tuple[str, int], int] = {}
    for place, (call, start) in enumerate(zip(plan.calls, plan.starts_s, strict=True)):
        answered = start + call.wait_s
        if call.wait_s:
            waits[call.type].append((start, answered))
        if call.server:
            talks[call.server].append((answered, answered + call.service_s))
            ends[call.server, answered + call.service_s] = place
    waiting = {skills: union(span for kind in skills for span in waits[kind]) for skills in set(plan.skills.values())}
    afterwards: dict[int, int] = {}
    pauses: list[tuple[str, int, int]] = []
    for shift in plan.shifts:
        mine = [span for span in talks[shift.agent] if shift.start_s <= span[0] < shift.end_s]
        for since, until in absences((shift.start_s, shift.end_s), mine, waiting[plan.skills[shift.agent]]):
            followed = ends.get((shift.agent, since))
            if followed is None:
                pauses.append((shift.agent, since, until))
            else:
                afterwards[followed] = until - since
    return afterwards, pauses


def _contact(number: int, call: RecordedCall, afterwards_s: int, name: str, at: int, order: int) -> Contact:
    wait = call.wait_s * NS_PER_S
    waiting = Stage(at, wait, closed=call.outcome == "abandoned", deeds=[])
    contact = Contact(number, f"{TENANT}/{call.type}", CLIENT, {(WAITING, 1): waiting}, {}, call.server)
    if call.outcome == "abandoned":
        waiting.deeds.append(Deed(wait, order + 1, CLIENT, ContactAbandon(contact=name)))
        return contact
    talk = call.service_s * NS_PER_S
    done = Deed(talk, order + 3, CLIENT, ContactComplete(contact=name, reason="completed_caller"))
    contact.stages[TALKING, 1] = Stage(at + wait, talk, closed=True, deeds=[done])
    afterwards = afterwards_s * NS_PER_S
    worked = Deed(afterwards, order + 4, CLIENT, AgentWrapupDone(agent=call.server))
    contact.stages[AFTERWARDS, 1] = Stage(at + wait + talk, afterwards, closed=True, deeds=[worked])
    contact.answers[call.server, 1] = Answer(0, Deed(0, order + 2, CLIENT, OfferAccept(offer="o-0")), cut=False)
    return contact


def _notes(record: Record, calls: Sequence[RecordedCall]) -> tuple[str, ...]:
    notes = [
        "who was at work, and by which rules, is made from who answered what: the first column is the record itself"
    ]
    if record.bad:
        notes.append(f"{len(record.bad):,} rows could not be read and are left out, the first: {record.bad[0]}")
    nameless = sum(call.outcome == "served" and not call.server for call in calls)
    if nameless:
        notes.append(f"{nameless:,} answered calls do not say by whom")
    return tuple(notes)
