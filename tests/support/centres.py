"""Hypothesis strategies for small contact centres in which every rule of routing is met soon.

What comes first in each choice is the plainest, so a failing example shrinks to a centre with little in it.
"""

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from acd_core.config import Agent, Callback, Channel, Config, Queue, Reserve, Settings, Step, Tenant

SKILLS = ("billing", "spanish")
QUEUES = ("support", "sales")
TENANTS = ("acme", "bolt")
STRATEGIES = ("longest_idle", "linear", "lowest_cost", "most_skilled", "least_skilled", "round_robin", "least_occupied")
REQUIREMENTS = st.sampled_from(
    ("", "billing", "billing>=3", "billing & spanish", "billing | spanish", "!spanish", 'agent.site == "madrid"')
)
SKILL_LEVELS = st.dictionaries(st.sampled_from(SKILLS), st.sampled_from((1, 3, 50)), max_size=2)
CHANNELS = st.sampled_from(
    (
        (),
        (Channel(name="voice", units=2), Channel(name="chat", units=1, most_at_once=2)),
        (Channel(name="voice", units=2), Channel(name="mail", units=1, interruptible=True)),
    )
)
STEPS = st.lists(
    st.builds(
        Step,
        after_s=st.sampled_from((1, 3, 8)),
        require=st.none() | REQUIREMENTS,
        rank_max=st.none() | st.integers(0, 1),
        priority=st.sampled_from((0, 3)),
        drop=st.sampled_from(((), ("billing",))),
        further=st.sampled_from(((), ("sales",))),
        skip_if_nobody=st.booleans(),
    ),
    max_size=2,
    unique_by=lambda step: step.after_s,
).map(lambda steps: tuple(sorted(steps, key=lambda step: step.after_s)))
GATES = ("none", "none", "limits", "reserves")
GROUPS = ("", "lisbon", "porto")


@st.composite
def centres(draw: st.DrawFn) -> Config:
    """A valid configuration: one or two tenants with one or two queues each, and up to four agents."""
    tenants = TENANTS[: draw(st.integers(1, 2))]
    channels = draw(CHANNELS)
    gates = draw(st.sampled_from(GATES))
    paths = [(tenant, name) for tenant in tenants for name in QUEUES[: draw(st.integers(1, 2))]]
    queues = tuple(
        draw(queues_of(tenant, name, channels, gates, name != "sales" and (tenant, "sales") in paths))
        for tenant, name in paths
    )
    agents = tuple(draw(agents_of(number, tenants, paths, channels)) for number in range(draw(st.integers(1, 4))))
    return Config(
        settings=Settings(
            missed_offers_max=draw(st.sampled_from((0, 2))),
            strict_priority=draw(st.booleans()),
            occupancy_max=draw(st.sampled_from((None, None, None, 20))),
            occupancy_half_life_s=10,
        ),
        skills=SKILLS,
        channels=channels,
        tenants=tuple(
            Tenant(name, max_in_conversation=draw(st.integers(0, 2)) if gates == "limits" else 0) for name in tenants
        ),
        queues=queues,
        agents=agents,
    )


@st.composite
def queues_of(
    draw: st.DrawFn, tenant: str, name: str, channels: tuple[Channel, ...], gates: str, helped: bool
) -> Queue:
    gated: dict[str, Any] = {}
    if gates == "limits":
        gated["max_in_conversation"] = draw(st.integers(0, 2))
    else:
        gated["offers_at_once"] = draw(st.sampled_from((1, 1, 2, 1000)))
    if gates == "reserves" and draw(st.booleans()):
        gated["reserve"] = Reserve(agents=draw(st.integers(1, 2)), when_wait_s=draw(st.none() | st.just(3)))
    if draw(st.booleans()):
        gated["allocation"] = {"lisbon": draw(st.sampled_from((50, 0))), "porto": 30}
    return Queue(
        tenant=tenant,
        name=name,
        channel=draw(st.sampled_from([channel.name for channel in channels] or ["voice"])),
        require=draw(REQUIREMENTS),
        strategy=draw(st.sampled_from(STRATEGIES)),
        priority_step_s=draw(st.sampled_from((60, 1))),
        head_start_s=draw(st.sampled_from((0, 4))),
        ageing=draw(st.sampled_from((1, 3, 0))),
        urgency_max_s=draw(st.none() | st.just(5)),
        offer_timeout_s=draw(st.sampled_from((20, 2))),
        wrapup_s=draw(st.sampled_from((0, 3))),
        disposition_required=draw(st.booleans()),
        wrapup_max_s=9,
        reject_cooldown_s=draw(st.sampled_from((0, 2))),
        no_answer_cooldown_s=draw(st.sampled_from((0, 2))),
        max_wait_s=draw(st.sampled_from((0, 30, 4))),
        max_talk_s=60,
        rank_max=draw(st.none() | st.integers(0, 1)),
        steps=tuple(step if helped else replace(step, further=()) for step in draw(STEPS)),
        last_agent_s=draw(st.sampled_from((0, 5))),
        last_agent_wait=draw(st.booleans()),
        callback=draw(st.none() | st.builds(Callback, retry_s=st.sampled_from((5, 0)), expires_s=st.just(50))),
        **gated,
    )


@st.composite
def agents_of(
    draw: st.DrawFn, number: int, tenants: tuple[str, ...], paths: list[tuple[str, str]], channels: tuple[Channel, ...]
) -> Agent:
    return Agent(
        agent=f"a-{number}",
        tenants=draw(st.sampled_from(((), tenants[:1]))),
        skills=draw(SKILL_LEVELS),
        attributes=draw(st.sampled_from(({}, {"site": "madrid"}))),
        capacity=draw(st.sampled_from((None, 2, 4, 1))) if channels else None,
        cost=draw(st.integers(0, 2)),
        group=draw(st.sampled_from(GROUPS)),
        ranks={f"{tenant}/{name}": rank for tenant, name in paths if (rank := draw(st.integers(0, 2)))},
    )
