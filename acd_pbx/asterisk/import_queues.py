"""An existing queues.conf with its rules, as our configuration and the adapter's file; and what could not be carried over.

Membership becomes a skill: each queue asks for the skill `queue_NAME`, which its members have. So agents stay in the
queues that they were in, and real skills can be added beside it. A penalty becomes a rank, a rule's changes of the
highest penalty become steps.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from acd_pbx.asterisk import settings as adapter
from acd_pbx.asterisk.conf_file import ConfFile, Section, Setting
from acd_protocol.words import Agent, Config, JoinRule, Queue, Settings, StayRule, Step, Tenant

STRATEGIES = {
    "leastrecent": ("longest_idle", ""),
    "fewestcalls": ("fewest_contacts", ""),
    "rrmemory": ("round_robin", ""),
    "rrordered": ("round_robin", ""),
    "roundrobin": ("round_robin", ""),
    "linear": ("linear", "linear goes by the order of the agents in the configuration"),
    "ringall": ("longest_idle", ""),
    "random": ("random", ""),
    "wrandom": ("weighted_random", "a penalty became a weight of 1 / (penalty + 1), for all queues of the agent"),
}
WEIGHT = 1000
"""Of a member without a penalty in a queue that works by wrandom."""
DEFAULTS = {"timeout": "15", "retry": "5", "strategy": "ringall"}
"""Asterisk's own, where a queue says nothing."""
SILENT = {
    "member",
    "autofill",
    "ringinuse",
    "persistentmembers",
    "shared_lastcall",
    "updatecdr",
    "eventmemberstatus",
    "eventwhencalled",
    "setinterfacevar",
    "setqueuevar",
    "setqueueentryvar",
    "timeoutrestart",
    "log_membername_as_agent",
    "log-caller-id-name",
    "min-announce-frequency",
    "reportholdtime",
    "relative-periodic-announce",
    "random-periodic-announce",
}
"""Settings that need no carrying over: here it is so anyway, or it is about app_queue's own bookkeeping."""
EMPTY = {
    "loose": "nobody",
    "strict": "all_paused",
    "paused": "all_paused",
    "penalty": "nobody",
    "invalid": "nobody",
    "unavailable": "nobody",
    "unknown": "nobody",
}
"""When a queue is empty, by the words of joinempty and leavewhenempty."""
DROPPED = {
    "memberdelay": "use agent_announcement, which the agent hears before he is connected",
    "timeoutpriority": "an offer lasts as long as offer_timeout_s says",
    "penaltymemberslimit": "ranks always count",
    "announce-to-first-user": "announcements end when the agent answers, so the first caller hears them too",
    "membermacro": "use the adapter's variables and headers",
    "membergosub": "use the adapter's variables and headers",
    "servicelevel-announce": "nothing like it",
}
OFF = frozenset({"", "0", "no", "false", "off", "never"})
"""Values of what is not used: nothing is lost with it. FreePBX writes every setting there is."""


@dataclass
class Imported:
    """The result. `remarks` say for people what was changed or left out, each with its place."""

    config: Config
    queues: dict[str, adapter.Queue]
    remarks: list[str] = field(default_factory=list)


@dataclass
class _Member:
    address: str
    name: str
    ranks: dict[str, int] = field(default_factory=dict)
    skills: dict[str, int] = field(default_factory=dict)
    weight: int = WEIGHT
    autopause: bool = False


def import_queues(queues: ConfFile, rules: ConfFile, agents: ConfFile, tenant: str) -> Imported:
    """Carry over what was read. Files that are not there are empty ones."""
    remarks = [*queues.remarks, *rules.remarks, *agents.remarks]
    made: list[Queue] = []
    media: dict[str, adapter.Queue] = {}
    members: dict[str, _Member] = {}
    strict = weighted = False
    general = queues.sections.get("general")
    monitor_type = _value(general, "monitor-type") if general is not None else ""
    for section in queues.sections.values():
        if section.name == "general" or section.template:
            continue
        name = _name(section.name)
        if name != section.name:
            remarks.append(f"queue {section.name}: it is called {name!r} now; names have no blanks, quotes and slashes")
        path = f"{tenant}/{name}"
        steps = _steps(section, rules, remarks)
        queue, hears = _queue(section, name, tenant, steps, monitor_type, remarks)
        strict = strict or queue.priority > 0
        weighted = weighted or queue.strategy == "weighted_random"
        made.append(queue)
        if hears != adapter.Queue():
            media[name] = hears
        autopause = _value(section, "autopause").lower() in ("yes", "all", "true", "1", "on")
        for setting in section.all("member"):
            _member(setting, path, queue, autopause, members, _names_of_agents(agents), remarks)
    if strict:
        remarks.append(
            "weights are strict in Asterisk, and priorities here are too: strict_priority is set for the tenant; "
            "without it a point of priority is a minute of waiting, and nobody starves"
        )
    config = Config(
        settings=Settings(missed_offers_max=0),
        tenants=(Tenant(name=tenant, strict_priority=True if strict else None),),
        queues=tuple(made),
        agents=tuple(
            Agent(
                agent=agent,
                address=member.address,
                tenants=(tenant,),
                skills=member.skills,
                ranks={path: rank for path, rank in member.ranks.items() if rank},
                missed_offers_max=1 if member.autopause else None,
                weight=member.weight if weighted else 1,
            )
            for agent, member in members.items()
        ),
    )
    return Imported(config, media, remarks)


def _queue(
    section: Section, name: str, tenant: str, steps: tuple[Step, ...], monitor_type: str, remarks: list[str]
) -> tuple[Queue, adapter.Queue]:
    place = f"queue {section.name}"
    strategy, remark = STRATEGIES.get(_value(section, "strategy"), ("", ""))
    if not strategy:
        remark = f"there is no strategy {_value(section, 'strategy')!r}; the longest idle agent is rung"
        strategy = "longest_idle"
    if remark:
        remarks.append(f"{place}: strategy: {remark}")
    timeout = _seconds(section, "timeout", remarks)
    if timeout == 0:
        remarks.append(f"{place}: timeout 0 rings for ever; an offer has an end here, after five minutes")
    weight = int(_seconds(section, "weight", remarks))
    if weight > 100:
        remarks.append(f"{place}: weight {weight} becomes priority 100, the highest there is")
    record: adapter.RecordBy = bool(_value(section, "monitor-format"))
    if record and (_value(section, "monitor-type") or monitor_type).lower() == "mixmonitor":
        record = "mixmonitor"
    frequency = _seconds(section, "announce-frequency", remarks)
    announcements: tuple[str | tuple[str, ...], ...] = ()
    if frequency and _value(section, "announce-position").lower() not in ("no", "false", "0"):
        announcements = ("sound:queue-thereare", "number:{position}", "sound:queue-callswaiting")
    holdtime = _value(section, "announce-holdtime").lower()
    if frequency and holdtime not in ("", "no", "false", "0"):
        announcements += (("sound:queue-holdtime", "number:{wait_min}", "sound:queue-minutes"),)
        if holdtime == "once":
            remarks.append(f"{place}: announce-holdtime once: it is said with each announcement")
    periodic = section.last("periodic-announce")
    if periodic is not None:
        every = _seconds(section, "periodic-announce-frequency", remarks)
        sounds = tuple(f"sound:{sound.strip()}" for sound in periodic.value.split(",") if sound.strip())
        if frequency:
            remarks.append(f"{place}: periodic-announce comes with the position now, every {frequency:g} s")
        elif every:
            frequency = every
        announcements += sounds[:1] if frequency else ()
        if len(sounds) > 1:
            remarks.append(f"{place}: periodic-announce: only {sounds[0]} was carried over")
    keys: dict[str, adapter.KeyAction] = {}
    if _value(section, "context"):
        keys = dict.fromkeys("0123456789", "leave")
        remarks.append(
            f"{place}: context {_value(section, 'context')}: any digit leaves the queue; send callers from acd-after, "
            "extension withdrawn, to that context by ${ACD_KEY}"
        )
    announce = section.last("announce")
    music = section.last("musicclass") or section.last("musiconhold") or section.last("music")
    for setting in section.settings:
        word = setting.name.lower()
        if setting.value.lower() in OFF:
            continue
        if word in DROPPED:
            remarks.append(f"{setting.place}: {section.name}: {setting.name} was left out: {DROPPED[word]}")
        elif word not in SILENT and word not in _CARRIED and not word.startswith(("queue-", "monitor", "sound_")):
            remarks.append(f"{setting.place}: {section.name}: {setting.name} was left out: nothing here is like it")
    ringall = _value(section, "strategy") == "ringall"
    queue = Queue(
        tenant=tenant,
        name=name,
        require=_skill(name),
        strategy=strategy,  # type: ignore[arg-type]
        priority=min(weight, 100),
        offers_at_once=1000 if ringall else 1,
        offer_timeout_s=timeout or 300,
        no_answer_cooldown_s=_seconds(section, "retry", remarks),
        wrapup_s=_seconds(section, "wrapuptime", remarks),
        max_waiting=int(_seconds(section, "maxlen", remarks)),
        service_level_s=_seconds(section, "servicelevel", remarks) or 60,
        rank_max=None,
        steps=steps,
        join=tuple(JoinRule(when=when, ends_as="no_agents") for when in _empty(section, "joinempty", "no", remarks)),
        stay=tuple(
            StayRule(when=when, ends_as="no_agents") for when in _empty(section, "leavewhenempty", "yes", remarks)
        ),
    )
    hears = adapter.Queue(
        music=music.value if music is not None else "default",
        announce_every_s=frequency if announcements else 0,
        announcements=announcements,
        agent_announcement=f"sound:{announce.value}" if announce is not None and announce.value else "",
        keys=keys,
        record=record,
    )
    return queue, hears


_CARRIED = {
    "strategy",
    "timeout",
    "retry",
    "wrapuptime",
    "servicelevel",
    "weight",
    "maxlen",
    "autopause",
    "announce-frequency",
    "announce-position",
    "announce-holdtime",
    "periodic-announce",
    "periodic-announce-frequency",
    "context",
    "announce",
    "musicclass",
    "musiconhold",
    "music",
    "defaultrule",
    "joinempty",
    "leavewhenempty",
}


def _empty(section: Section, name: str, on: str, remarks: list[str]) -> tuple[Literal["nobody", "all_paused"], ...]:
    """When callers may not join, or not stay. `on` is the word for it that is no condition: it counts as `strict`."""
    setting = section.last(name)
    words = [] if setting is None else [word.strip().lower() for word in setting.value.split(",")]
    if setting is None or words in ([""], ["yes" if on == "no" else "no"]):
        return ()
    found = {"all_paused" if word == on else EMPTY.get(word, "") for word in words}
    unlike = [word for word in words if word != on and word not in EMPTY]
    if unlike:
        remarks.append(
            f"{setting.place}: {section.name}: {name}: {', '.join(unlike)} was left out: agents who are busy count as there"
        )
    if "all_paused" in found:
        return ("all_paused",)
    return ("nobody",) if "nobody" in found else ()


def _steps(section: Section, rules: ConfFile, remarks: list[str]) -> tuple[Step, ...]:
    """The steps of a queue's default rule: from when on agents of which rank count."""
    setting = section.last("defaultrule")
    if setting is None or not setting.value:
        return ()
    rule = rules.sections.get(setting.value)
    if rule is None:
        remarks.append(f"{setting.place}: {section.name}: there is no rule {setting.value!r} in the rules' file")
        return ()
    steps: dict[float, int] = {}
    highest: int | None = None
    for change in rule.all("penaltychange"):
        fields = [part.strip() for part in change.value.split(",")]
        try:
            after = float(fields[0])
            word = fields[1] if len(fields) > 1 else ""
            if word and word[0] in "+-":
                if highest is None:
                    remarks.append(f"{change.place}: {word} changes a highest penalty that no line has set; left out")
                    continue
                highest = max(0, highest + int(word))
            elif word:
                highest = int(word)
        except ValueError:
            remarks.append(f"{change.place}: {change.value!r} cannot be read; left out")
            continue
        if len(fields) > 2 and any(fields[2:]):
            remarks.append(f"{change.place}: only the highest penalty was carried over, not the lowest, nor a raise")
        if highest is not None and highest >= 0:
            steps[max(after, 0.001)] = min(highest, 1000)
    if steps:
        remarks.append(
            f"{setting.place}: {section.name}: the rule {setting.value} became steps; the highest penalty at the beginning "
            "came from QUEUE_MAX_PENALTY in the dialplan: set rank_max of the queue to it"
        )
    return tuple(Step(after_s=after, rank_max=rank) for after, rank in sorted(steps.items()))


def _member(
    setting: Setting,
    path: str,
    queue: Queue,
    autopause: bool,
    members: dict[str, _Member],
    names_of_agents: dict[str, str],
    remarks: list[str],
) -> None:
    """`member => interface,penalty,name,state interface,ringinuse,wrapuptime,paused`."""
    fields = [part.strip().strip('"') for part in setting.value.split(",")]
    fields += [""] * (7 - len(fields))
    address, penalty, name, state_interface, _, wrapup, _ = fields[:7]
    if "/" not in address:
        remarks.append(f"{setting.place}: {address!r} is no interface such as PJSIP/1012; left out")
        return
    if address.lower().startswith("agent/"):
        number = address.partition("/")[2]
        name = name or names_of_agents.get(number, "")
        remarks.append(
            f"{setting.place}: {address}: agents of the pool have no phone of their own; give him an address"
        )
    agent = next((known for known, member in members.items() if member.address == address), None)
    if agent is None:
        wanted = _name(name or re.sub(r"@.*|/n$", "", address.partition("/")[2]))
        agent = wanted
        while agent in members:
            agent = f"{agent}-{address.partition('/')[2]}"[:64] if agent == wanted else f"{agent}_"
        members[agent] = _Member(address, name)
    member = members[agent]
    rank = int(penalty) if penalty.isdecimal() else 0
    if queue.strategy == "weighted_random":
        member.weight = min(member.weight, max(1, round(WEIGHT / (rank + 1))))
    else:
        member.ranks[path] = min(rank, 1000)
    member.skills[queue.require] = 100
    member.autopause = member.autopause or autopause
    if address.lower().startswith("local/"):
        remarks.append(
            f"{setting.place}: {address} is reached through the dialplan, so the state of his phone is not looked at, and "
            "the codes do not know him by it: better give the phone, such as PJSIP/1012, as his address"
        )
    elif state_interface and state_interface != address:
        remarks.append(f"{setting.place}: the state of {state_interface} is not looked at: presence looks at {address}")
    if wrapup and wrapup.isdecimal():
        remarks.append(f"{setting.place}: a wrap-up of one member's own was left out: the queue's wrapup_s holds")


def _names_of_agents(agents: ConfFile) -> dict[str, str]:
    """Names in agents.conf, old form (`agent => 1001,pin,Name`) and new (`[1001] fullname = Name`)."""
    found = {}
    for section in agents.sections.values():
        for setting in section.all("agent"):
            number, _, rest = setting.value.partition(",")
            found[number.strip()] = rest.partition(",")[2].strip()
        fullname = section.last("fullname")
        if fullname is not None:
            found[section.name] = fullname.value
    return found


def _value(section: Section, name: str) -> str:
    setting = section.last(name)
    return setting.value.strip() if setting is not None else DEFAULTS.get(name, "")


def _seconds(section: Section, name: str, remarks: list[str]) -> float:
    """A number that is not negative; 0 when it is not there, or cannot be read."""
    setting = section.last(name)
    text = _value(section, name)
    if not text:
        return 0
    try:
        return max(0.0, float(text))
    except ValueError:
        place = setting.place if setting is not None else section.name
        remarks.append(f"{place}: {name} = {text!r} is no number; 0 is taken")
        return 0


def _name(text: str) -> str:
    """A name that our configuration takes."""
    return re.sub(r'[\s"\\/\x00-\x1f\x7f]+', "-", text.strip())[:64] or "unnamed"


def _skill(queue: str) -> str:
    """The skill that stands for membership of a queue."""
    return "queue_" + re.sub(r"[^\w.-]", "_", queue)[:58]


def settings_text(imported: Imported, tenant: str) -> str:
    """The adapter's file for the imported queues, as TOML."""
    lines = ['name = "pbx-1"', f'tenant = "{tenant}"', "", "[ari]", 'user = "acd"', 'password = ""', "", "[numbers]"]
    lines += [
        f'# the number that callers dial = the queue, such as\n# "{number}" = "{queue.name}"'
        for number, queue in enumerate(imported.config.queues[:1], 2000)
    ]
    for name, hears in imported.queues.items():
        lines += ["", f'[queues."{name}"]', *_differing(hears)]
    return "\n".join(lines) + "\n"


def _differing(queue: adapter.Queue) -> list[str]:
    """The settings that are not the default, as TOML."""
    default, lines = adapter.Queue(), []
    for name in queue.__struct_fields__:
        value = getattr(queue, name)
        if value == getattr(default, name):
            continue
        if isinstance(value, tuple):
            text = _listed(value)
        elif isinstance(value, dict):
            text = "{ " + ", ".join(f'"{key}" = {_quoted(each)}' for key, each in value.items()) + " }"
        elif isinstance(value, bool):
            text = str(value).lower()
        else:
            text = f"{value:g}" if isinstance(value, float) else _quoted(str(value))
        lines.append(f"{name} = {text}")
    return lines


def _listed(value: tuple[str | tuple[str, ...], ...]) -> str:
    return "[" + ", ".join(_quoted(each) if isinstance(each, str) else _listed(each) for each in value) + "]"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
