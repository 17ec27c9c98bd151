"""Configuration: validation, canonical JSON, TOML with errors that name the place, and the difference of two."""

from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd_core import Engine, Outcome
from acd_core.config import (
    Agent,
    Channel,
    Config,
    ConfigError,
    Queue,
    Settings,
    Tenant,
    from_json,
    known_skills,
    ns_of_seconds,
    seconds_of_ns,
    to_json,
)
from acd_core.requirement import describe
from acd_core.toml import read_toml
from acd_core.validation import validate
from server.config_diff import Change, FieldChange, difference, summary

EXAMPLE = Path(__file__).parent.parent / "examples" / "centre.toml"

NAMES = st.sampled_from(["acme", "zenith", "a-1", "größe", "x"])
SKILLS = st.sampled_from(["billing", "spanish", "level.2"])
TERMS = st.dictionaries(SKILLS, st.integers(1, 100), max_size=3).map(
    lambda levels: describe(tuple(("level", skill, level, 100) for skill, level in sorted(levels.items())))
)
SECONDS = st.integers(1, 2_592_000_000).map(lambda ms: ms / 1000)
CONFIGS = st.builds(
    Config,
    settings=st.builds(Settings, missed_offers_max=st.integers(0, 1000)),
    skills=st.lists(SKILLS, max_size=3).map(tuple),
    tenants=st.lists(st.builds(Tenant, name=NAMES), max_size=4).map(tuple),
    queues=st.lists(
        st.builds(
            Queue,
            tenant=NAMES,
            name=NAMES,
            require=TERMS | st.just("billing>"),
            strategy=st.sampled_from(["longest_idle", "most_skilled"]),
            priority=st.integers(0, 100),
            offer_timeout_s=SECONDS,
        ),
        max_size=4,
    ).map(tuple),
    agents=st.lists(
        st.builds(
            Agent,
            agent=NAMES,
            tenants=st.lists(NAMES, max_size=2).map(tuple),
            skills=st.dictionaries(SKILLS, st.integers(1, 100), max_size=3),
            missed_offers_max=st.none() | st.integers(0, 1000),
        ),
        max_size=4,
    ).map(tuple),
)


def is_valid(config: Config) -> bool:
    try:
        validate(config)
    except ConfigError:
        return False
    return True


@settings(deadline=None)
@given(CONFIGS)
def test_only_configurations_without_contradiction_pass(config: Config) -> None:
    tenants = [tenant.name for tenant in config.tenants]
    queues = [(queue.tenant, queue.name) for queue in config.queues]
    agents = [agent.agent for agent in config.agents]
    unique = all(len(set(names)) == len(names) for names in (tenants, queues, agents, config.skills))
    readable = all(not queue.require.endswith(">") for queue in config.queues)
    served = {queue.tenant for queue in config.queues} | {name for agent in config.agents for name in agent.tenants}
    declared = readable and (not config.skills or known_skills(config) == set(config.skills))
    assert is_valid(config) == (unique and readable and served <= set(tenants) and declared)


@settings(deadline=None)
@given(CONFIGS)
def test_json_is_read_back_and_canonical(config: Config) -> None:
    data = to_json(config)
    assert from_json(data) == config
    assert to_json(from_json(data)) == data
    turned = msgspec.structs.replace(
        config,
        agents=tuple(
            msgspec.structs.replace(agent, skills=dict(reversed(agent.skills.items()))) for agent in config.agents
        ),
    )
    assert to_json(turned) == data


@settings(deadline=None)
@given(CONFIGS, CONFIGS)
def test_json_differs_when_configurations_do(one: Config, other: Config) -> None:
    assert (to_json(one) == to_json(other)) == (one == other)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_bytes_that_are_no_configuration_are_refused(data: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        from_json(b"[" + data)


@settings(deadline=None)
@given(st.integers(0, 2_592_000_000))
def test_seconds_are_exact_to_the_millisecond(ms: int) -> None:
    assert ns_of_seconds(ms / 1000) == ms * 1_000_000
    assert seconds_of_ns(ms * 1_000_000) == ms / 1000


def test_the_example_is_valid() -> None:
    config = read_toml(EXAMPLE.read_text(), EXAMPLE.name)
    assert [tenant.name for tenant in config.tenants] == ["acme", "zenith"]
    assert len(config.queues) == 6
    assert len(config.agents) == 10
    assert "billing" in config.skills
    assert config.queues[3].priority == 2


def test_the_defaults_that_the_example_names_are_the_defaults() -> None:
    named = {}
    for line in EXAMPLE.read_text().splitlines():
        setting, _, comment = line.partition("#")
        if "default" in comment and "=" in setting:
            value = comment.split("default", 1)[1].lstrip().split(":")[0].split(",")[0].replace("_", "").strip()
            named[setting.split("=")[0].strip()] = value or None
    defaults = {
        field.name: field.default
        for kind in (Settings, Queue)
        for field in msgspec.structs.fields(kind)
        if field.default is not msgspec.NODEFAULT
    }
    numbers = {field: int(value) for field, value in named.items() if value and value.isdigit()}
    assert len(numbers) >= 10
    assert numbers == {field: defaults[field] for field in numbers}


QUEUE = '[[tenants]]\nname = "acme"\n[[queues]]\ntenant = "acme"\nname = "support"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f'{QUEUE}[[queues]]\ntenant = "acme"\nname = "sales"\nstrategy = "longest"',
            "queues[2] (acme/sales): strategy: 'longest' is not one of 'longest_idle', 'most_skilled'",
        ),
        (f"{QUEUE}priority = 200", "queues[1] (acme/support): priority: expected a whole number <= 100, got 200"),
        (f'{QUEUE}priority = "5"', "queues[1] (acme/support): priority: expected a whole number, got '5'"),
        (
            f"{QUEUE}offer_timeout_s = nan",
            "queues[1] (acme/support): offer_timeout_s: expected a number >= 0.001, got nan",
        ),
        (f"{QUEUE}prioritty = 5", "queues[1] (acme/support): there is no field 'prioritty'; 'priority' was meant?"),
        (
            f'{QUEUE}require = "a b"',
            "queue acme/support: require: expected '&', '|' or the end, found 'b' at character 3 of 'a b'",
        ),
        (
            f"{QUEUE}ageing = 2\nservice_objective_s = 20",
            "queue acme/support: ageing and service_objective_s say the same thing twice; keep one of them",
        ),
        (
            f'{QUEUE}queue_ratio = {{ group = "a" }}\nservice_objective_s = 20',
            "queue acme/support: queue_ratio takes the place of service_objective_s; keep one of them",
        ),
        (
            f'{QUEUE}queue_ratio = {{ group = "a" }}\nwaiting_cost = {{ steps = [{{ after_s = 0, cost = 1 }}] }}',
            "queue acme/support: queue_ratio takes the place of waiting_cost; keep one of them",
        ),
        (
            f'{QUEUE}wait_measure = "predicted"\nwaiting_cost = {{ steps = [{{ after_s = 0, cost = 1 }}] }}',
            "queue acme/support: waiting_cost takes the place of wait_measure; keep one of them",
        ),
        (
            f"{QUEUE}waiting_cost = {{ steps = [{{ after_s = 0, cost = 3 }}, {{ after_s = 60, cost = 1 }}] }}",
            "queue acme/support: waiting_cost: the cost falls from 3 to 1 after 60 s, and those who came first would not",
        ),
        (
            f"{QUEUE}waiting_cost = {{ steps = [{{ after_s = 9, cost = 1 }}, {{ after_s = 9, cost = 2 }}] }}",
            "queue acme/support: waiting_cost: after_s 9 follows 9; order the steps by after_s",
        ),
        (
            f"{QUEUE}waiting_cost = {{ steps = [] }}",
            "queues[1] (acme/support): waiting_cost: steps: expected a list of length >= 1, got []",
        ),
        (
            f"{QUEUE}queue_ratio = {{ weight = 2 }}",
            "queues[1] (acme/support): queue_ratio: the field 'group' is missing",
        ),
        (
            f"{QUEUE}occupancy_price = 5",
            "queue acme/support: occupancy_price: strategy longest_idle compares nothing that could have a price; choose",
        ),
        ('[[queues]]\ntenant = "acme"', "queues[1] (acme): the field 'name' is missing"),
        ('[[queues]]\ntenant = "a"\nname = "b"', "queue a/b: there is no tenant 'a'; add it under [[tenants]]"),
        ('[[tenants]]\nname = "a b"', "tenants[1] (a b): name: expected 1 to 64 characters without white space, "),
        ('[[agents]]\nagent = "x"\nskills = { a = 101 }', "agents[1] (x): skills: expected a whole number <= 100, got"),
        ('[[agents]]\nagent = "x"\nskills = { "1" = 1 }', "agents[1] (x): skills: expected names of letters, digits, "),
        ('[[agents]]\nagent = "x"\ntenants = ["a", 5]', "agents[1] (x): tenants: expected text, got 5"),
        ('[[agents]]\nagent = "x"\n[[agents]]\nagent = "x"', "agent 'x' is there twice; keep one"),
        ("agents = [5]", "agents[1]: expected a table, got 5"),
        ("[agents]\na = 1", "agents: write each entry under its own [[agents]], with two brackets"),
        ("[[agent]]\nagent = 'x'", "there is no table 'agent'; 'agents' was meant?"),
        ("settings = 5", "settings: expected a table, got 5"),
        ("[settings]\nmax = 5", "settings: there is no field 'max'; known are missed_offers_max, "),
        ("[settings]\nskills = ['a']", "settings: 'skills' is no setting; put the list above the first [table]"),
        ("skills = 5", "skills: expected a list, got 5"),
        ("skills = ['a', 'a']", "skill 'a' is there twice; keep one"),
        ("[skills]\na = 5", "skills: a: expected a description in quotes, got 5"),
        (
            "skills = ['b']\n[[agents]]\nagent = 'x'\nskills = { a = 1 }",
            "agent x: skill 'a' is not in the list 'skills'",
        ),
        ("[settings]\noccupancy_resume = 80", "settings: occupancy_resume is where a rest ends: give an occupancy_max"),
        (
            '[[tenants]]\nname = "a"\n[[queues]]\ntenant = "a"\nname = "b"\n[[queues.join]]\nwhen = "wait_estimate"',
            "queue a/b: join: wait_estimate: over_s is there for wait_estimate, and for nothing else",
        ),
        (
            '[[tenants]]\nname = "a"\n[[queues]]\ntenant = "a"\nname = "b"\n[[queues.stay]]\nwhen = "closed"\nover_s = 5',
            "queue a/b: stay: closed: over_s is there for wait_estimate, and for nothing else",
        ),
        ("[[agents]\n", "not valid TOML: "),
        ("x = " + "[" * 5000, "not valid TOML: nested too deeply"),
    ],
)
def test_errors_name_file_table_and_entry(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_toml(text, "centre.toml")
    assert str(caught.value).startswith(f"centre.toml: {message}")


def test_skills_are_a_list_or_a_table_of_descriptions() -> None:
    listed = read_toml('skills = ["billing", "spanish"]', "a.toml")
    described = read_toml('[skills]\nbilling = "invoices"\nspanish = "fluent"', "b.toml")
    assert listed == described == Config(skills=("billing", "spanish"))


VALUES: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [field for kind in (Settings, Tenant, Queue, Agent) for field in kind.__struct_fields__]
DOCUMENTS = st.dictionaries(
    st.sampled_from(["settings", "skills", "tenants", "queues", "agents"]) | st.text(max_size=3),
    st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4), max_size=3)
    | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4)
    | VALUES,
)


def read(text: str) -> Config | ConfigError:
    try:
        return read_toml(text, "some.toml")
    except ConfigError as error:
        return error


@settings(deadline=None)
@given(DOCUMENTS)
def test_no_document_breaks_the_reader(document: dict[str, object]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("acd_core.toml.tomllib.loads", lambda text: document)
        found = read("")
    if isinstance(found, Config):
        validate(found)
    else:
        assert str(found).startswith("some.toml: ")


@settings(deadline=None)
@given(st.text(max_size=100))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = read(text)
    assert isinstance(found, Config) or str(found).startswith("some.toml: ")


def without_contradiction(config: Config) -> Config:
    """What is left of `config` when everything goes that contradicts the rest."""
    queues = {(queue.tenant, queue.name): queue for queue in config.queues if not queue.require.endswith(">")}
    agents = {agent.agent: agent for agent in config.agents}
    tenants = {tenant.name for tenant in config.tenants}
    tenants.update(name for agent in agents.values() for name in agent.tenants)
    tenants.update(tenant for tenant, _ in queues)
    kept = Config(
        settings=config.settings,
        tenants=tuple(Tenant(name=name) for name in sorted(tenants)),
        queues=tuple(queues.values()),
        agents=tuple(agents.values()),
    )
    return msgspec.structs.replace(kept, skills=tuple(sorted(known_skills(kept)))) if config.skills else kept


VALID_CONFIGS = CONFIGS.map(without_contradiction)


def contradiction(config: Config, held: Config | None = None) -> str:
    """What `validate` has against a configuration; nothing when it is empty."""
    try:
        validate(config, held)
    except ConfigError as error:
        return str(error)
    return ""


@settings(deadline=None)
@given(VALID_CONFIGS, CONFIGS, st.sampled_from(["the same tuple", "the same objects", "others behind them", "others"]))
def test_agents_who_were_right_are_looked_at_again_when_what_they_name_is_gone(
    held: Config, config: Config, agents: str
) -> None:
    given_agents = {
        "the same tuple": held.agents,
        "the same objects": tuple(reversed(held.agents)),
        "others behind them": held.agents + config.agents,
        "others": config.agents,
    }
    config = msgspec.structs.replace(config, agents=given_agents[agents])
    for wanted in (config, without_contradiction(config), msgspec.structs.replace(held, agents=config.agents)):
        assert contradiction(wanted, held) == contradiction(wanted)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ({"tenants": ()}, "agent a-1: there is no tenant 'acme'; add it under [[tenants]]"),
        ({"channels": ()}, "agent a-1: channels: there is no channel 'chat'; add it under [[channels]]"),
        ({"queues": ()}, "agent a-1: ranks: there is no queue 'acme/support'; write it as tenant/queue"),
        (
            {"skills": ("spanish",)},
            "agent a-1: skill 'billing' is not in the list 'skills'; correct it, or add it there",
        ),
    ],
)
def test_an_agent_who_names_what_is_gone_is_told_of_though_he_is_the_same(gone: dict[str, Any], message: str) -> None:
    agent = Agent(
        agent="a-1",
        tenants=("acme",),
        channels={"chat": 2},
        ranks={"acme/support": 1},
        skills={"billing": 5, "spanish": 5},
    )
    if "tenants" in gone:
        gone = {"tenants": (), "queues": ()}
        agent = msgspec.structs.replace(agent, ranks={})
    held = Config(
        tenants=(Tenant(name="acme"),),
        channels=(Channel(name="chat"),),
        queues=(Queue(tenant="acme", name="support"),),
        skills=("billing", "spanish"),
        agents=(agent,),
    )
    assert contradiction(held, held) == ""
    assert contradiction(msgspec.structs.replace(held, **gone), held) == message


def test_an_engine_keeps_the_agents_who_are_as_they_were() -> None:
    first = Config(agents=tuple(Agent(agent=f"a-{number}", cost=number) for number in range(4)))
    engine = Engine()
    assert engine.apply_config(1, first) == Outcome.OK
    held = engine.config().agents
    second = from_json(to_json(first))
    others = (second.agents[3], Agent(agent="new"), second.agents[0], msgspec.structs.replace(second.agents[1], cost=9))
    assert engine.apply_config(2, msgspec.structs.replace(second, agents=others)) == Outcome.OK
    kept = engine.config().agents
    assert kept == others
    assert kept[0] is held[3]
    assert kept[2] is held[0]
    engine.check()


def test_canonical_json_does_not_depend_on_how_numbers_were_written() -> None:
    def of(seconds: float) -> Config:
        return Config(
            settings=Settings(client_grace_s=seconds),
            tenants=(Tenant(name="acme"),),
            queues=(Queue(tenant="acme", name="support", wrapup_s=seconds),),
            agents=(Agent(agent="a-1", skills={"b": 2, "a": 1}, attributes={"grade": 3, "site": "x"}, cost=4),),
        )

    assert to_json(of(5)) == to_json(of(5.0)) == to_json(from_json(to_json(of(5))))
    assert "float" not in str(get_type_hints(Agent)), "what agents say would have to be read back as well"


@settings(deadline=None)
@given(VALID_CONFIGS, VALID_CONFIGS)
def test_there_is_a_difference_exactly_between_different_configurations(one: Config, other: Config) -> None:
    assert is_valid(one)
    assert difference(one, one) == []
    assert (difference(one, other) == []) == (one == other)
    swapped = {"added": "removed", "removed": "added", "changed": "changed"}
    forth = sorted((change.kind, change.noun, change.name) for change in difference(one, other))
    back = sorted((swapped[change.kind], change.noun, change.name) for change in difference(other, one))
    assert forth == back


def test_the_difference_names_fields_with_old_and_new_value() -> None:
    old = Config(
        tenants=(Tenant(name="acme"),),
        queues=(Queue(tenant="acme", name="support"), Queue(tenant="acme", name="old")),
        agents=(Agent(agent="a-1", skills={"billing": 20, "spanish": 5}),),
    )
    new = Config(
        tenants=(Tenant(name="acme"),),
        settings=Settings(missed_offers_max=5),
        queues=(Queue(tenant="acme", name="support", wrapup_s=30, require="billing"),),
        agents=(Agent(agent="a-1", skills={"billing": 40}, tenants=("acme",)), Agent(agent="a-2")),
    )
    changes = difference(old, new)
    assert [str(change) for change in changes] == [
        "~ settings: missed_offers_max 3 → 5",
        "- queue acme/old",
        "~ queue acme/support: require (none) → billing, wrapup_s 0 → 30",
        "~ agent a-1: tenants (none) → [acme], skills.billing 20 → 40, skills.spanish 5 → (none)",
        "+ agent a-2",
    ]
    assert changes[0] == Change("changed", "settings", "", (FieldChange("missed_offers_max", 3, 5),))
    assert summary(changes) == "1 added, 1 removed, 3 changed"


def test_another_order_is_a_difference() -> None:
    old = Config(tenants=(Tenant(name="a"), Tenant(name="b")))
    new = Config(tenants=(Tenant(name="b"), Tenant(name="a")))
    assert [str(change) for change in difference(old, new)] == ["~ order of tenants"]
