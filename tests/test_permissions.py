"""Every verb for every role on both sides of a wall, from the declarations: a new verb is tested as soon as it is there."""

import inspect
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from acd_core import Outcome
from acd_core.commands import COMMAND_TYPES, AgentLogin, Command, ConfigApply
from acd_core.config import Agent, Settings
from acd_core.event_lines import EventLine
from acd_core.events import EVENT_TYPES, ConfigApplied, Event, HoursUpdated
from acd_protocol import permissions, permissions_page
from acd_protocol.framing import encode
from acd_protocol.message_examples import example_of
from acd_protocol.messages import REQUEST_TYPES, Error, Explain, List, Request, Stats
from acd_protocol.permissions import PERMISSIONS, ROLES, Role, verb
from server import answers
from server.access.guard import Guard
from server.access.identity import Identity
from server.config import Limits
from tests.support.two_tenants import START, TENANTS, TwoTenants, config

ROOT = Path(__file__).resolve().parent.parent
VERBS: tuple[type[Command | Request], ...] = (*COMMAND_TYPES, *REQUEST_TYPES)
NOT_THERE = {outcome for outcome in Outcome if outcome // 100 == 1}
CLIENT = "acme-pbx"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else verb(value)


def identity_of(role: Role) -> Identity:
    """A credential of each role that is for acme only; the agent's is for one agent of acme."""
    if role == "agent":
        return Identity(name="me", role=role, agents=frozenset({"acme-2"}))
    return Identity(name="me", role=role, tenants=frozenset({"acme"}))


def message_about(kind: type[Command | Request], world: TwoTenants, tenant: str) -> Command | Request:
    """The example of the protocol page, about a contact, offer, agent and tenant of one company."""
    values: dict[str, Any] = {
        "tenant": tenant,
        "queue": f"{tenant}-queue",
        "contact": f"{tenant}-new" if "tenant" in kind.__struct_fields__ else f"{tenant}-offered",
        "offer": world.offers[tenant],
        "agent": f"{tenant}-2",
        "require": "",
        "skills": {},
        "join": (f"{tenant}/{tenant}-queue",),
        "leave": (),
        "config": config_of(tenant),
    }
    message: Any = example_of(kind)
    given = {name: value for name, value in values.items() if getattr(message, name, None) is not None}
    if kind is List:
        given.pop("queue", None)
    changed: Command | Request = replace(message, **given)
    return changed


def config_of(tenant: str) -> Any:
    """What an administrator of `tenant` may apply: his own part, with one agent more."""
    whole = config()
    agents = [agent for agent in whole.agents if agent.tenants == (tenant,)]
    return replace(
        whole,
        tenants=tuple(row for row in whole.tenants if row.name == tenant),
        queues=tuple(row for row in whole.queues if row.tenant == tenant),
        agents=(*agents, replace(agents[0], agent=f"{tenant}-9")),
    )


def judged(guard: Guard, message: Command | Request) -> Error | None:
    """What a session asks before it carries a message out."""
    problem = guard.judge(message)
    if problem is None and isinstance(message, Command):
        whole = guard.whole(encode(message), message)
        return whole if isinstance(whole, Error) else None
    return problem


def test_every_verb_has_a_row_and_no_row_is_left_over() -> None:
    assert set(PERMISSIONS) == set(VERBS)
    for kind, permission in PERMISSIONS.items():
        assert permission.roles, kind
        assert "operator" in permission.roles, kind
        assert permission.roles <= set(ROLES)


def test_a_verb_without_a_row_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    class AgentDance(Command, tag="agent.dance", frozen=True, kw_only=True):
        """Nobody may."""

    monkeypatch.setattr(permissions, "COMMAND_TYPES", (*COMMAND_TYPES, AgentDance))
    with pytest.raises(TypeError, match="AgentDance has no row"):
        permissions._check()


@pytest.mark.parametrize("kind", VERBS, ids=verb)
def test_a_wall_is_declared_by_a_field_that_the_verb_has(kind: type[Command | Request]) -> None:
    wall = PERMISSIONS[kind].wall
    if wall in {"tenant", "contact", "offer", "agent", "config"}:
        assert wall in kind.__struct_fields__
    if wall == "none":
        assert not {"tenant", "contact", "offer", "agent", "config", "queue"} & set(kind.__struct_fields__)


@pytest.mark.parametrize(("kind", "role"), list(product(VERBS, ROLES)), ids=_word)
def test_what_a_role_may_not_send_is_refused_and_its_own_is_not(kind: type[Command | Request], role: Role) -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of(role), CLIENT)
    message = message_about(kind, world, "acme")
    before = world.machine.digest()
    problem = judged(guard, message)
    assert world.machine.digest() == before
    if role in PERMISSIONS[kind].roles:
        assert problem is None, problem
        if isinstance(message, Command):
            _, whole = guard.whole(encode(message), message)  # type: ignore[misc]
            assert Outcome(whole.apply(world.machine, START, CLIENT)) not in NOT_THERE
    else:
        assert problem is not None
        assert problem.number == Outcome.UNAUTHORISED


@pytest.mark.parametrize(("kind", "role"), list(product(VERBS, ROLES)), ids=_word)
def test_what_belongs_to_another_company_is_not_there(kind: type[Command | Request], role: Role) -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of(role), CLIENT)
    message = message_about(kind, world, "zeta")
    problem = judged(guard, message)
    names_something = b"zeta" in encode(message) or "offer" in kind.__struct_fields__
    if role not in PERMISSIONS[kind].roles:
        assert problem is not None
        assert problem.number == Outcome.UNAUTHORISED
    elif not names_something:
        assert problem is None
        assert PERMISSIONS[kind].wall in {"none", "view"}
    else:
        assert problem is not None, f"{role} may send {message}"
        assert problem.number in NOT_THERE or kind is ConfigApply
        assert "zeta" not in problem.message or kind is ConfigApply  # which repeats what it was told


@pytest.mark.parametrize(("kind", "role"), list(product(VERBS, ROLES)), ids=_word)
def test_without_a_wall_only_the_role_counts(kind: type[Command | Request], role: Role) -> None:
    if role == "agent":
        return  # whose wall is always there
    world = TwoTenants()
    guard = Guard(world.machine, Identity(name="me", role=role), CLIENT)
    for tenant in TENANTS:
        assert (judged(guard, message_about(kind, world, tenant)) is None) == (role in PERMISSIONS[kind].roles)


@pytest.mark.parametrize("kind", [kind for kind in COMMAND_TYPES if PERMISSIONS[kind].wall == "agent"])
@pytest.mark.parametrize("agent", ["both-agent", "any-agent"])
def test_an_agent_who_serves_others_too_is_seen_but_not_moved(kind: type[Command], agent: str) -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of("tenant_admin"), CLIENT)
    message = replace(message_about(kind, world, "acme"), agent=agent)
    problem = guard.judge(message)
    assert problem is not None
    assert problem.number == Outcome.UNAUTHORISED
    assert guard.judge(Explain(agent=agent)) is None


def test_an_agent_speaks_for_himself_and_not_for_a_colleague() -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of("agent"), "desk")
    for kind in COMMAND_TYPES:
        permission = PERMISSIONS[kind]
        if "agent" not in permission.roles or permission.wall == "none":
            continue
        own = message_about(kind, world, "acme")
        assert guard.judge(own) is None, own
        of_colleague = {"agent": "acme-1", "contact": "acme-connected", "offer": world.offers["acme"]}
        if permission.wall == "offer":
            guard_of_colleague = Guard(world.machine, Identity(role="agent", agents=frozenset({"acme-1"})), "desk")
            assert guard_of_colleague.judge(own) is not None
        else:
            foreign = replace(own, **{permission.wall: of_colleague[permission.wall]})
            assert guard.judge(foreign) is not None, foreign


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: str(kind.__struct_config__.tag))
def test_events_stop_at_the_wall(kind: type[Event], role: Role) -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of(role), CLIENT)
    fields = kind.__struct_fields__
    assert kind in {ConfigApplied, HoursUpdated} or {"tenant", "agent"} & set(fields), (
        "whose event this is cannot be told"
    )

    def seen(tenant: str, agent: str) -> bool:
        tenant = tenant if "tenant" in fields else ""
        return guard.sees(EventLine(1, b"", CLIENT, CLIENT, "", tenant, agent if "agent" in fields else ""))

    assert not seen("zeta", "zeta-2")
    assert not seen("zeta", "") or not {"tenant", "agent"} & set(fields)
    if role == "agent":
        assert seen("acme", "acme-2") == ("agent" in fields)
        assert not seen("acme", "acme-1")
    else:
        assert seen("acme", "acme-2") == bool({"tenant", "agent"} & set(fields))
    assert Guard(world.machine, Identity(), "x").sees(EventLine(1, b"", "", "", "", "zeta", "zeta-1"))


@pytest.mark.parametrize(("kind", "role"), list(product(COMMAND_TYPES, ROLES)), ids=_word)
def test_the_quick_judge_lets_through_what_the_guard_would(kind: type[Command], role: Role) -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of(role), CLIENT)
    for tenant, client in product(TENANTS, (CLIENT, "zeta-pbx")):
        for command in (message_about(kind, world, tenant), *_about_shared_agents(kind, world)):
            assert isinstance(command, Command)
            quick = guard.wall.passes_decoded(world.machine, command, client)
            assert quick == guard.wall.passes(world.machine, encode(command), client), (
                "a plain line is judged otherwise"
            )
            if quick:
                assert kind is not ConfigApply
                assert not guard.identity.audited(kind)
                assert Guard(world.machine, identity_of(role), client).judge(command) is None, command


@pytest.mark.parametrize(("kind", "role"), list(product(COMMAND_TYPES, ROLES)), ids=_word)
def test_the_quick_judge_knows_the_ordinary_case(kind: type[Command], role: Role) -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of(role), CLIENT)
    ordinary = guard.identity.may(kind) and not guard.identity.audited(kind) and kind is not ConfigApply
    command = message_about(kind, world, "acme")
    assert isinstance(command, Command)
    assert guard.wall.passes_decoded(world.machine, command, CLIENT) == ordinary


def _about_shared_agents(kind: type[Command], world: TwoTenants) -> list[Command]:
    if PERMISSIONS[kind].wall != "agent":
        return []
    names = ("both-agent", "any-agent", "nobody", "acme-1")
    return [replace(message_about(kind, world, "acme"), agent=name) for name in names]  # type: ignore[misc]


def test_the_quick_judge_forgets_with_the_configuration() -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of("adapter"), CLIENT)
    command = AgentLogin(agent="acme-1")
    changed = EventLine(1, b"", CLIENT, CLIENT, "", "", "acme-1")
    assert guard.wall.passes_decoded(world.machine, command, CLIENT)
    assert guard.wall.shows_event(world.machine.config(), changed)
    agents = tuple(replace(row, tenants=("zeta",)) if row.agent == "acme-1" else row for row in config().agents)
    world.do(ConfigApply(config=replace(config(), agents=agents)), "operator")
    assert not guard.wall.passes_decoded(world.machine, command, CLIENT)
    assert not guard.wall.shows_event(world.machine.config(), changed)


@pytest.mark.parametrize("role", ROLES)
def test_the_quick_judge_shows_no_event_that_the_guard_would_not(role: Role) -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of(role), CLIENT)
    agents = ("", "acme-1", "acme-2", "zeta-1", "both-agent", "any-agent", "nobody")
    for tenant, agent in product(("", *TENANTS, "nowhere"), agents):
        event = EventLine(1, b"", CLIENT, CLIENT, "", tenant, agent)
        shown = guard.wall.shows_event(world.machine.config(), event)
        assert guard.sees(event) if shown else True, (tenant, agent)
        if role != "agent":
            assert shown == guard.sees(event), (tenant, agent)


QUESTIONS: list[Request] = [
    *(List(what=what) for what in ("queues", "agents", "contacts", "config")),
    *(List(what="agents", state=state) for state in ("busy", "offered", "wrapup", "logged_out")),
    *(List(what="contacts", state=state) for state in ("queued", "offered", "connected", "wrapup")),
    List(what="agents", tenant="acme"),
    example_of(Stats),  # type: ignore[list-item]
    *(Explain(contact=f"acme-{word}") for word in ("waiting", "offered", "connected", "wrapup")),
    *(Explain(agent=agent) for agent in ("acme-0", "acme-1", "acme-2", "both-agent", "any-agent")),
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("question", QUESTIONS, ids=repr)
def test_answers_hold_nothing_of_another_company(question: Request, role: Role) -> None:
    if role not in PERMISSIONS[type(question)].roles:
        return
    world = TwoTenants()
    for agent in ("both-agent", "any-agent"):  # who now talk for the other company
        chosen = ("zeta/zeta-queue",) if agent == "any-agent" else None
        world.do(AgentLogin(agent=agent, ready=True, queues=chosen), "zeta-pbx")
    assert {view.contact for view in world.machine.agents() if view.agent in {"both-agent", "any-agent"}} & {
        "zeta-waiting"
    }
    guard = Guard(world.machine, identity_of(role), CLIENT)
    if isinstance(question, Stats):
        question = replace(question, tenant=None, digest=False)
    problem = guard.judge(question)
    if problem is not None:
        assert role == "agent"
        return
    view: Any = guard.view
    if isinstance(question, List):
        result, _ = answers.listed(question, view, Limits())
    elif isinstance(question, Explain):
        result = answers.explanation(question, view, START)
    else:
        result = {"domain": view.domain(), "queues": view.queues()}
    text = msgspec.json.encode(result)
    assert b"zeta" not in text, text
    assert isinstance(question, List) or b"acme" in text or isinstance(question, Stats) or b"agent" in text


def test_an_administrators_part_is_replaced_and_nothing_else() -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of("tenant_admin"), CLIENT)
    seen = guard.view.config()
    assert {row.agent for row in seen.agents} == {"acme-0", "acme-1", "acme-2"}
    command = ConfigApply(id=7, config=config_of("acme"))
    line, whole = guard.whole(b"", command)  # type: ignore[misc]
    assert isinstance(whole, ConfigApply)
    assert msgspec.json.decode(line, type=ConfigApply) == whole
    assert whole.id == 7
    world.do(whole, CLIENT)
    now = world.machine.config()
    assert {row.agent for row in now.agents} == {row.agent for row in config().agents} | {"acme-9"}
    assert [row for row in now.agents if row.agent.startswith("zeta")] == [
        row for row in config().agents if row.agent.startswith("zeta")
    ]
    assert now.queues == config().queues
    guard.whole(b"", ConfigApply(config=guard.view.config()))  # what he reads he may apply again


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": Settings(max_contacts=5)}, "'settings'"),
        ({"tenants": config().tenants}, "tenant zeta"),
        ({"queues": config().queues}, "queue zeta/zeta-queue"),
        ({"agents": config().agents[3:4]}, "agent zeta-0"),
        ({"agents": (Agent(agent="any-agent", tenants=("acme",)),)}, "agent any-agent"),
        ({"agents": (Agent(agent="new"),)}, "agent new"),
        ({"agents": (Agent(agent="n", tenants=("acme", "zeta")),)}, "agent n"),
        (
            {"agents": (Agent(agent="n", tenants=("acme",), ranks={"zeta/zeta-queue": 1}),)},
            "agent n names the queue",
        ),
    ],
)
def test_an_administrator_cannot_reach_beyond_his_part(change: dict[str, Any], words: str) -> None:
    world = TwoTenants()
    guard = Guard(world.machine, identity_of("tenant_admin"), CLIENT)
    refused = guard.whole(b"", ConfigApply(config=replace(config_of("acme"), **change)))
    assert isinstance(refused, Error)
    assert refused.number == Outcome.UNAUTHORISED
    assert words in refused.message


def test_the_page_is_what_the_declarations_say() -> None:
    page = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert page == permissions_page.page(), "docs/permissions.md is stale; run 'make docs'"
    for kind in VERBS:
        assert f"`{verb(kind)}`" in page
    assert inspect.getdoc(permissions)
