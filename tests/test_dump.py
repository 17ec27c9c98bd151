"""An engine made of a dump is the engine that was dumped; lockstep proves it, with engines that are reloaded on the way.

Here: that no field is forgotten, that damage is refused, and that dumps of earlier releases are read.
"""

import re
from pathlib import Path
from random import Random

import msgspec
import pytest

from acd_core import Engine
from acd_core.config import Config, Tenant
from acd_core.dump_form import Dump, DumpError, decode, encode
from tests.support.lockstep import as_sent
from tests.support.streams import Stream

CORE = Path(__file__).resolve().parent.parent / "acd_core"

DERIVED = {
    "Agent": """
        all_tenants signature open legs last_leg timer outside cooling skills skill_count skill_room tenants ranked position
        capacity units missed_max failed_max choosy
    """,
    "Details": """
        rest_timer outside_timer pause_timer group cost weight ranks rank_count attributes attribute_count attribute_room queues
        queue_count queue_room
    """,
    "Contact": """
        where moved line legs timer planned stands aged client leaves line_prev line_next queue_prev queue_next attributes asked
        foreseen mean_us spread
    """,
    "ContactDetails": "plan step_timer stay_timer look_timer prefer_timer since",
    "Leg": "next_of_number timer previous_of_contact next_of_contact previous_of_agent next_of_agent",
    "Queue": """
        measure occupancy_price tenant callback_offer_ms plan base_class channel offers_at_once max_in_conversation shares share_count timer
        reserved conditional
        reserve_agents reserve_when_wait reserve_until_wait reserve_when_level reserve_until_level reserve_lasts
        strategy ranked strict head_start ageing most credit_window credit_max closed join_count stay_count looks priority_step offer_timeout wrapup
        wrapup_most disposes reject_cooldown no_answer_cooldown max_waiting max_wait max_talk service_level head tail main_pace first_pace
        last_pace own_lines others moved
    """,
    "Pace": "next_in_queue root",
}
"""What follows from the configuration, from other fields, or from the lists and timers that are dumped on their own."""

DERIVED_STATE = """
    tables measures lines idle paces_of_lines timers legs watches gates live_contacts live_waiting live_in_line agents_by_state
    agents_cooling agents_pausing half_life_us rest_most rest_least missed_offers_max max_contacts ended_contacts_kept tenants_limited
    classes_swept plans_swept lines_swept texts_swept attributes_swept records record_capacity skill_names skills_of_agents skill_ids
    tenant_ids channel_names channel_ids group_ids share_groups attribute_ids text_ids class_of route_of routes_taken routes own_lines agent_slots
    queue_configs queue_tenants queue_json queue_calendars judging_queues queues_by_name plans stages plan_ids free_calendars agent_names
    callback_numbers free_agents free_queues free_contact ended_contact callers_kept pause_reasons pause_codes
    failed_window outside_counts choosy open_agents former_clients arriving arriving_pace queues_of announcers contact_wishes
    state_us
"""
"""The same of the attributes of `State`, and what is dumped by another name: `state_us`, as `agent_us`."""


def structs() -> dict[str, list[str]]:
    """The fields of the structs that are dumped."""
    text = (CORE / "types.pxd").read_text("utf-8") + (CORE / "pace.pxd").read_text("utf-8")
    found = {}
    for name in DERIVED:
        body = re.search(rf"c(?:type)?def struct {name}(?: \".*\")?:\n((?:    .*\n)+)", text)
        assert body is not None, name
        found[name] = re.findall(r"^ +\w+ \*?(\w+)", body[1], re.MULTILINE)
    return found


def dumped(name: str) -> set[str]:
    """The fields in the layouts of a struct, and of the numbers that are made of it."""
    text = (CORE / "dump.pyx").read_text("utf-8")
    layouts = re.findall(rf"^cdef Layout (\w+) = Layout.of\(.*sizeof\({name}(?:Numbers)?\)", text, re.MULTILINE)
    assert layouts, name
    return set(re.findall(rf'^(?:{"|".join(layouts)})\.\w+\("(\w+)"', text, re.MULTILINE))


@pytest.mark.parametrize("name", DERIVED)
def test_each_field_of_a_row_is_dumped_or_follows_from_what_is(name: str) -> None:
    known = dumped(name)
    derived = set(DERIVED[name].split())
    for field in structs()[name]:
        assert (field in known) != (field in derived), (
            f"{name}.{field}: give it a line in its layout in acd_core/dump.pyx, or name it in DERIVED here"
        )
    assert not derived - set(structs()[name]), "these fields are gone"


def test_each_attribute_of_the_state_is_dumped_or_follows_from_what_is() -> None:
    text = (CORE / "state.pxd").read_text("utf-8").partition("cdef class State:")[2]
    code = (CORE / "dump.pyx").read_text("utf-8").partition("# -- to bytes")[2]
    lists = (CORE / "dump.pyx").read_text("utf-8").partition("_lists_of_agents")[2].partition("# -- to bytes")[0]
    attributes = re.findall(r"^    cdef (?!inline )(?:readonly )?\w+ \*?(\w+)(?:\[\d+\])?(?: .*)?$", text, re.MULTILINE)
    assert len(attributes) > 60
    derived = set(DERIVED_STATE.split())
    for name in attributes:
        used = re.search(rf"self\.{name}\b", code + lists)
        assert used or name in derived, f"State.{name}: dump it in acd_core/dump.pyx, or name it in DERIVED_STATE here"
    assert not derived - set(attributes), "these attributes are gone"


def busy(seed: int = 5, steps: int = 600) -> Engine:
    """An engine in the middle of a random stream, with some contacts."""
    engine = Engine()
    stream = Stream(Random(seed), 8)
    for step, (now, client, command) in enumerate(stream):
        if step >= steps and engine.domain().contacts:
            break
        if command is None:
            engine.advance(now)
        else:
            as_sent(command).apply(engine, now, client)
        stream.note(engine.take_events())
    return engine


def test_what_is_loaded_has_the_same_digest_and_invariants() -> None:
    for seed in range(12):
        engine = busy(seed)
        loaded = Engine.load(engine.dump())
        loaded.check()
        assert loaded.digest() == engine.digest()
        assert loaded.domain() == engine.domain()
        assert loaded.next_deadline() == engine.next_deadline()


def test_a_new_engine_can_be_dumped() -> None:
    assert Engine.load(Engine().dump()).digest() == Engine().digest()


def test_events_must_have_been_taken() -> None:
    engine = Engine()
    engine.apply_config(1, Config(tenants=(Tenant(name="acme"),)))
    with pytest.raises(ValueError, match="take the events first"):
        engine.dump()


def test_a_field_that_an_earlier_release_did_not_have_gets_its_default() -> None:
    dump = decode(busy().dump())
    columns = {table: dict(found) for table, found in dump.columns.items()}
    del columns["agent"]["missed_total"]
    loaded = Engine.load(encode(msgspec.structs.replace(dump, columns=columns)))
    assert {agent.missed_total for agent in loaded.agents()} == {0}


def test_a_forecast_that_this_release_would_not_make_is_left_out() -> None:
    engine = next(
        engine for engine in map(busy, range(100)) if any(contact.estimate is not None for contact in engine.contacts())
    )
    dump = decode(engine.dump())
    columns = {table: dict(found) for table, found in dump.columns.items()}
    columns["contact"]["p90_ms"] = msgspec.structs.replace(columns["contact"]["p90_ms"], least=80_000_000)
    loaded = Engine.load(encode(msgspec.structs.replace(dump, columns=columns)))
    assert {contact.estimate for contact in loaded.contacts()} == {None}
    assert [contact.contact for contact in loaded.contacts()] == [contact.contact for contact in engine.contacts()]


def with_contacts() -> Engine:
    """Such an engine that has contacts and timers."""
    return next(engine for engine in map(busy, range(100)) if engine.contacts() and engine.next_deadline())


def damaged(dump: Dump) -> dict[str, bytes]:
    """Dumps that whoever wrote them cannot have meant."""
    columns = dump.columns
    queue = msgspec.structs.replace(columns["contact"]["queue"], least=99)
    short = msgspec.structs.replace(columns["agent"]["since"], width=3)
    place = msgspec.structs.replace(columns["timer"]["place"], least=5000)
    kind = msgspec.structs.replace(columns["timer"]["kind"], least=90)
    change = msgspec.structs.replace
    contact = columns["contact"]
    ageless = {name: column for name, column in contact.items() if name != "since"}
    return {
        "bytes": b"\x93nonsense",
        "cut": encode(dump)[:-7],
        "later": encode(change(dump, version=99)),
        "words": encode(change(dump, words={"direction": ["outbound"]})),
        "queue": encode(change(dump, columns={**columns, "contact": {**columns["contact"], "queue": queue}})),
        "width": encode(change(dump, columns={**columns, "agent": {**columns["agent"], "since": short}})),
        "place": encode(change(dump, columns={**columns, "timer": {**columns["timer"], "place": place}})),
        "kind": encode(change(dump, columns={**columns, "timer": {**columns["timer"], "kind": kind}})),
        "since": encode(change(dump, columns={**columns, "contact": ageless})),
        "config": encode(change(dump, config=b'{"tenants": 5}')),
        "agents": encode(change(dump, rows={**dump.rows, "agent": 1})),
        "counters": encode(change(dump, counters={})),
        "clients": encode(change(dump, clients=change(dump.clients, values=[]))),
    }


@pytest.mark.parametrize("name", damaged(decode(with_contacts().dump())))
def test_damage_is_refused(name: str) -> None:
    with pytest.raises(DumpError):
        Engine.load(damaged(decode(with_contacts().dump()))[name])
