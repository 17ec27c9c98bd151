"""The adapter's file: which Asterisk, which engine, which number is which queue, what callers hear."""

import re
import tomllib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
KeyAction = Literal["leave", "callback"]
RecordBy = bool | Literal["ari", "mixmonitor"]


SOUNDS = {
    "login": "sound:agent-loginok",
    "logout": "sound:agent-loggedoff",
    "ready": "sound:activated",
    "pause": "sound:de-activated",
    "wrapup_done": "sound:beep",
    "refused": "sound:beeperr",
}


class SettingsError(ValueError):
    """A file that cannot be used; the message names the place and what to do."""


class Ari(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where Asterisk's REST interface is.

    Attributes:
        url: with the path `/ari` that http.conf and ari.conf give it.
        user, password: those of ari.conf.
        app: the Stasis application that the dialplan names.
        requests_max: so many requests are under way at a time.
    """

    url: str = "http://127.0.0.1:8088/ari"
    user: str = "acd"
    password: str = ""
    app: str = "acd"
    requests_max: Annotated[int, Meta(ge=1, le=1000)] = 32


class Engine(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the engine is.

    Attributes:
        host, port: of its door for clients.
        domain: which routing domain is meant, where that door serves several.
        token: if it wants one; the variable ACD_TOKEN keeps it out of the file.
        tls: speak TLS; so does any of the next four.
        tls_ca: PEM file with the authority of its certificate; tls_name: the name in that, if it is not `host`.
        client_cert, client_key: PEM files to show to it.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 7410
    domain: str = ""
    token: str = ""
    tls: bool = False
    tls_ca: str = ""
    tls_name: str = ""
    client_cert: str = ""
    client_key: str = ""

    @property
    def speaks_tls(self) -> bool:
        """Whether TLS is asked for."""
        return bool(self.tls or self.tls_ca or self.tls_name or self.client_cert or self.client_key)


class Callback(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How callers are called back who asked for it by a key. Whether and when they are is the engine's `callback` table.

    Attributes:
        endpoint: how a customer is dialled, such as `PJSIP/{number}@trunk`; no caller is called back without.
        allowed: the whole of a number must match this expression to be dialled. A caller's number is what he says it
            is: keep those out that cost.
        ring_s: so long his phone rings.
        caller_name, caller_number: what it shows, filled in as `caller_name` of the queue.
        offer: media that tell a waiting caller of it, played when the engine says that it is to be offered.
        offer_first_s, offer_every_s: after so long, and how often; 0 to say it once.
        confirmed: media that a caller hears who is going to be called back, before he is let go.
        refused: media that he hears when that is not possible, and he goes on waiting.
        agent_announcement: what the agent hears before the customer is dialled, instead of that of the queue.
    """

    endpoint: str = ""
    allowed: str = r"\+?[0-9]{3,20}"
    ring_s: Annotated[float, Meta(ge=1, le=600)] = 30
    caller_name: str = ""
    caller_number: str = ""
    offer: tuple[str, ...] = ()
    offer_first_s: Seconds = 5
    offer_every_s: Seconds = 60
    confirmed: tuple[str, ...] = ("sound:vm-goodbye",)
    refused: tuple[str, ...] = ("sound:beeperr",)
    agent_announcement: str = ""

    def dialled(self, number: str) -> str:
        """What Asterisk dials for a customer's number; empty when he is not to be called."""
        if not self.endpoint or not re.fullmatch(self.allowed, number):
            return ""
        return self.endpoint.replace("{number}", number)


class Queue(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What callers of a queue hear, and what is done for them.

    Attributes:
        answer: answer at once and play music; else the caller hears ringing, and the call costs him nothing, until an
            agent answers.
        music: class of musiconhold.conf.
        announce_first_s, announce_every_s: when the announcements are played to a caller who waits, and how often; 0
            for never.
        announcements: media as ARI knows them, such as `sound:queue-youarenext`; `{position}`, `{waited_min}`, and of
            the engine's estimate `{wait_min}` (half of such waits end by then) and `{wait_max_min}` (nine of ten) are
            filled in. One with a field whose value is not known is left out, and with it the list that it stands in:
            `["sound:queue-holdtime", "number:{wait_min}", "sound:queue-minutes"]`.
        agent_announcement: media that the agent hears before he is connected.
        caller_name: what the agent's phone shows as the caller's name; `{queue}`, `{name}`, `{number}` and the names of
            attributes are filled in.
        caller_number: likewise, as the caller's number.
        headers: SIP headers for the agent's phone, filled in likewise.
        keys: what a caller's key does while he waits: `leave` takes him out of the queue, and the dialplan goes on
            with ACD_RESULT `withdrawn` and the key in ACD_KEY; `callback` lets him hang up and keep his place.
        callback: how he is called back then, at his number, or at that of his attribute `callback_number`.
        record: record conversations under the contact's id: `ari`, or true, into Asterisk's recording directory;
            `mixmonitor` in the dialplan, where the context acd-record has the options.
    """

    answer: bool = True
    music: str = "default"
    announce_first_s: Seconds = 0
    announce_every_s: Seconds = 0
    announcements: tuple[str | tuple[str, ...], ...] = ()
    agent_announcement: str = ""
    caller_name: str = "{name}"
    caller_number: str = "{number}"
    headers: dict[str, str] = {}
    keys: dict[Annotated[str, Meta(pattern=r"^[0-9*#A-D]\Z")], KeyAction] = {}
    callback: Callback = Callback()
    record: RecordBy = False


class Phones(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Agents' phones.

    Attributes:
        presence: an agent whose phone is not registered is paused until it is; one whose phone is in a call of his own
            is reported by agent.outside, and gets no offers for which he has no room. Leave that to nobody else then.
        ring_within_s: a phone that has not begun to ring by then has vanished; 0 to wait for the offer's end. Phones
            behind a trunk may take ten seconds.
        device_states: show each agent's state as the device `Stasis:acd-AGENT`, for lamps of phones.
        ready_on_login: whether an agent who logs in by feature code is ready at once.
        trunks: how a phone of another PBX is dialled, by that adapter's name: `pbx-2 = "PJSIP/{user}@to-pbx-2"`. With
            any, agents who log in by feature code get an address with this adapter's name in front.
        sounds: media that are played after a feature code, by its word; and `refused`.
    """

    presence: bool = True
    ring_within_s: Seconds = 10
    device_states: bool = False
    ready_on_login: bool = True
    trunks: dict[str, str] = {}
    sounds: dict[str, str] = field(default_factory=lambda: dict(SOUNDS))


class AdapterSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file.

    Attributes:
        name: of this adapter at the engine, and the beginning of its contacts' ids. One name for each Asterisk; active
            and spare of the same Asterisk have the same.
        tenant: of queues that are named without one.
        default_queue: for callers who bring neither a queue nor a known number.
        numbers: queue by dialled number or argument of Stasis().
        defaults: what holds for each queue that does not say otherwise.
        queues: what differs, by `tenant/queue`, or by queue of `tenant`.
        variables: channel variables that become attributes of the contact, by the attribute's name.
        engine_patience_s: a new caller of whom the engine has heard nothing by then leaves for the dialplan, with
            ACD_RESULT `engine_away`.
        queue_log: a file in the format of Asterisk's queue_log; empty for none.
        lease_s: with a spare: when the active adapter has shown no sign of life for so long, the spare takes over.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,40}\Z")] = "asterisk"
    tenant: str = ""
    default_queue: str = ""
    ari: Ari = Ari()
    engine: Engine = Engine()
    numbers: dict[str, str] = {}
    defaults: Queue = Queue()
    queues: dict[str, Queue] = field(default_factory=dict)
    variables: dict[str, str] = {}
    phones: Phones = Phones()
    engine_patience_s: Seconds = 20
    queue_log: str = ""
    lease_s: Annotated[float, Meta(ge=0.5, le=60)] = 3

    def path_of(self, word: str) -> str:
        """The `tenant/queue` that a number or a queue's name stands for; empty when nothing does."""
        found = self.numbers.get(word, word) or self.default_queue
        if not found:
            return ""
        return found if "/" in found or not self.tenant else f"{self.tenant}/{found}"

    def queue(self, path: str) -> Queue:
        """What holds for the queue `tenant/queue`."""
        own = self.queues.get(path)
        if own is None and path.startswith(f"{self.tenant}/"):
            own = self.queues.get(path.removeprefix(f"{self.tenant}/"))
        return own or self.defaults


def read_settings(text: str, source: str) -> AdapterSettings:
    """Read the TOML of an adapter's file.

    Queues take what they leave out from `defaults`.

    Raises:
        SettingsError: with the file, the place and what is wrong.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source}: it is no TOML: {error}") from error
    defaults = table.get("defaults", {})
    queues = table.get("queues", {})
    if isinstance(defaults, dict) and isinstance(queues, dict):
        table["queues"] = {name: _over(defaults, own) if isinstance(own, dict) else own for name, own in queues.items()}
    try:
        settings = msgspec.convert(table, AdapterSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {_place(str(error))}") from error
    for where, path in [("default_queue", settings.default_queue), *settings.numbers.items()]:
        if path and "/" not in path and not settings.tenant:
            raise SettingsError(f"{source}: {where}: {path!r} names no tenant; write tenant/queue, or set 'tenant'")
    for name, queue in settings.queues.items():
        if queue.announcements and not (queue.announce_first_s or queue.announce_every_s):
            raise SettingsError(f"{source}: queues.{name}: announcements without announce_first_s or announce_every_s")
    for name, queue in [("defaults", settings.defaults), *((f"queues.{n}", q) for n, q in settings.queues.items())]:
        _check_callback(f"{source}: {name}", queue)
    return settings


def _over(defaults: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A queue's table, with what it leaves out taken from `defaults`; so with its callback table."""
    both = {**defaults, **own}
    tables = (defaults.get("callback"), own.get("callback"))
    if all(isinstance(table, dict) for table in tables):
        both["callback"] = {**defaults["callback"], **own["callback"]}
    return both


def _check_callback(where: str, queue: Queue) -> None:
    endpoint = queue.callback.endpoint
    if "callback" in queue.keys.values() and not endpoint:
        raise SettingsError(f"{where}: keys: 'callback' needs callback.endpoint, such as \"PJSIP/{{number}}@trunk\"")
    if endpoint and ("{number}" not in endpoint or "/" not in endpoint):
        raise SettingsError(f'{where}: callback.endpoint: {endpoint!r} must be like "PJSIP/{{number}}@trunk"')
    try:
        re.compile(queue.callback.allowed)
    except re.error as error:
        raise SettingsError(f"{where}: callback.allowed: it is no regular expression: {error}") from error


def _place(message: str) -> str:
    """`x - at $.ari.port` as `ari.port: x`, which is how people point at things."""
    found = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message)
    return f"{found[2]}: {found[1]}" if found and found[2] else message
