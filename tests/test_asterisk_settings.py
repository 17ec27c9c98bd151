"""The adapter's file, what a caller wants, and what a channel tells of itself."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from acd_pbx.asterisk import names
from acd_pbx.asterisk.names import read_channel
from acd_pbx.asterisk.operations import OPERATIONS, ask
from acd_pbx.asterisk.picture import read_picture, standing
from acd_pbx.asterisk.settings import AdapterSettings, Callback, SettingsError, read_settings
from acd_pbx.asterisk.wish import read_wish
from server.__main__ import main
from tests.support.fake_ari import channel

TEXT = """
name = "pbx-1"
tenant = "acme"
[ari]
password = "secret"
[numbers]
2000 = "support"
2001 = "other/sales"
[defaults]
music = "jazz"
[queues.support]
answer = false
"""


def test_a_queue_takes_from_the_defaults_what_it_does_not_say() -> None:
    settings = read_settings(TEXT, "x.toml")
    assert settings.queue("acme/support").answer is False
    assert settings.queue("acme/support").music == "jazz"
    assert settings.queue("other/sales").music == "jazz"
    assert settings.path_of("2000") == "acme/support"
    assert settings.path_of("2001") == "other/sales"
    assert settings.path_of("") == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "x.toml: it is no TOML"),
        ("[ari]\nport = 1", "x.toml: ari: .*port"),
        ("[engine]\nport = 0", r"x.toml: engine\.port"),
        ('[numbers]\n2000 = "support"', "x.toml: 2000: 'support' names no tenant"),
        ('[queues.a]\nannouncements = ["sound:x"]', r"queues\.a: announcements without"),
        ('[defaults]\nkeys = { x = "leave" }', "x.toml: "),
        ('[defaults]\nkeys = { 2 = "callback" }', r"defaults: keys: 'callback' needs callback\.endpoint"),
        ('[queues.a.callback]\nendpoint = "trunk"', r"queues\.a: callback\.endpoint: 'trunk' must be like"),
        ('[defaults.callback]\nallowed = "("', r"defaults: callback\.allowed: it is no regular"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_settings(text, "x.toml")


def test_a_queue_takes_from_the_defaults_what_its_callbacks_do_not_say() -> None:
    text = '[defaults.callback]\nendpoint = "PJSIP/{number}@a"\nring_s = 9\n[queues."x/y".callback]\nring_s = 20'
    settings = read_settings(text, "x.toml")
    assert settings.queue("x/y").callback.ring_s == 20
    assert settings.queue("x/y").callback.dialled("+49301234") == "PJSIP/+49301234@a"
    assert settings.queue("x/z").callback.ring_s == 9


def test_the_adapters_files_that_the_page_shows_are_valid() -> None:
    page = (Path(__file__).parent.parent / "docs/asterisk.md").read_text()
    shown = re.findall(r"^ *```ini\n( *name = .*?| *\[defaults.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    assert len(shown) > 1
    for text in map(textwrap.dedent, shown):
        read_settings(text if "tenant" in text else f'tenant = "acme"\n{text}', "asterisk.md")


@pytest.mark.parametrize("number", ["", "12", "anna", "123&Local/1", "123\n", "1" * 21])
def test_a_number_that_is_none_is_not_dialled(number: str) -> None:
    assert Callback(endpoint="PJSIP/{number}@a").dialled(number) == ""


def wish(*arguments: str, variables: dict[str, str] | None = None, **settings: Any) -> Any:
    made = read_channel(channel("1", *arguments), list(arguments))
    return read_wish(made, variables or {}, AdapterSettings(tenant="acme", **settings))


def test_the_queue_comes_from_the_argument_the_variable_or_the_number() -> None:
    assert wish("support").queue == "acme/support"
    assert wish("queue", "support").queue == "acme/support"
    assert wish("queue=support").queue == "acme/support"
    assert wish(variables={"ACD_QUEUE": "sales"}).queue == "acme/sales"
    assert wish(numbers={"2000": "x/y"}).queue == "x/y"


def test_options_are_priority_requirement_and_attributes() -> None:
    found = wish("support", "priority=500", "require=spanish>=50", "crm=4=5")
    assert (found.priority, found.require, found.attributes["crm"]) == (100, "spanish>=50", "4=5")
    assert wish("support", "priority=much").priority == 0
    assert found.attributes["ani"] == "4930"


def test_ids_tell_what_they_belong_to() -> None:
    contact = names.contact_of("pbx-1", "177.2")
    assert names.channel_of("pbx-1", contact) == "177.2"
    assert names.channel_of("pbx-2", contact) == ""
    assert names.leg_parts(names.leg_of("o-5", contact)) == ("o-5", contact)
    assert names.leg_parts("177.2") is None
    assert names.bridge_contact(names.bridge_of(contact)) == contact


def test_fields_of_a_request_go_where_they_belong() -> None:
    made = ask("join", bridge="a/b", channel="c")
    assert (made.path, made.params) == ("/bridges/a%2Fb/addChannel", {"channel": "c"})
    assert ask("hang_up", channel="c").done_by(404)
    assert not ask("join", bridge="b", channel="c").done_by(404)
    assert all(operation.method in ("POST", "PUT", "DELETE") for operation in OPERATIONS.values())


def test_a_picture_tells_callers_legs_attendants_and_others() -> None:
    contact = "pbx-1:1"
    leg = names.leg_of("o-1", contact)
    bridge = names.bridge_of(contact)
    picture = read_picture(
        "acd",
        {"status": {"startup_time": "x"}},
        [
            channel("1", "2000"),
            {**channel(leg), "dialplan": {"app_name": "AppDial2"}, "state": "Ringing"},
            channel("3", "agent", "login"),
            channel("4", name="Local/1@x-1;1"),
            {**channel("5", "2000"), "dialplan": {"app_name": "Queue", "app_data": "acd"}},
        ],
        [{"id": bridge, "channels": ["1", "4", "3"]}, {"id": "other", "channels": ["5"]}],
    )
    assert (list(picture.callers), list(picture.attendants), list(picture.strangers)) == (["1"], ["3"], ["4"])
    assert picture.legs == {leg: "Ringing"}
    now = standing(picture, contact, "1", None)
    assert (now.caller, now.legs, now.others, now.joined, now.known) == (
        "Up",
        {leg: "Ringing"},
        ["4"],
        ["1", "4"],
        False,
    )


def test_the_far_half_of_a_local_channel_is_not_ours() -> None:
    near, far = (f"{make('o-1', 'pbx-1:1')}{half}" for make, half in ((names.leg_of, ""), (names.leg_of, ";2")))
    assert names.leg_parts(near) == ("o-1", "pbx-1:1")
    assert names.leg_parts(far) is None
    # The caller may be such a half, and his agent's leg is not.
    ours = names.leg_of("o-1", "pbx-1:1;2")
    assert names.leg_parts(ours) == ("o-1", "pbx-1:1;2")
    assert names.leg_parts(f"{ours};2") is None
    assert names.customer_parts(names.customer_of("o-1", "pbx-1:1") + ";2") is None
    assert read_picture("acd", {}, [channel(far, name="Local/1@from-queue-1;2")], []).legs == {}


def test_a_picture_tells_who_was_dialled_back_and_who_was_reached() -> None:
    contact = "pbx-1:1"
    customer, leg = names.customer_of("o-1", contact), names.leg_of("o-1", contact)
    rings = {**channel(customer), "dialplan": {"app_name": "AppDial2"}, "state": "Ringing"}
    bridges = [{"id": names.dial_of(contact), "channels": []}]
    view = {
        "state": "connected",
        "offer": "o-1",
        "agent": "a",
        "tenant": "acme",
        "queue": "q",
        "callback": {"number": "49"},
        "held": False,
    }
    now = standing(read_picture("acd", {}, [rings, channel(leg)], bridges), contact, "1", view)
    assert (now.caller, now.customers, now.legs) == ("", {customer: "Ringing"}, {leg: "Up"})
    assert (now.number, now.dialled, now.bridged) == ("49", True, False)
    bridges.append({"id": names.bridge_of(contact), "channels": [customer, leg]})
    now = standing(read_picture("acd", {}, [channel(customer), channel(leg)], bridges), contact, "1", view)
    assert (now.customers, now.others, now.bridged) == ({customer: "Up"}, [], True)
    now = standing(read_picture("acd", {}, [], []), contact, "1", view | {"callback": None})
    assert (now.number, now.dialled, now.bridged) == ("", False, False)


def test_check_prints_what_holds_and_no_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pbx.toml"
    path.write_text(TEXT)
    assert main(["asterisk", str(path), "--check", "--json"]) == 0
    told = capsys.readouterr().out
    assert '"name":"pbx-1"' in told
    assert "secret" not in told
    assert main(["asterisk", str(tmp_path / "no.toml")]) == 2
    path.write_text("x = 1")
    assert main(["asterisk", str(path)]) == 2
    assert "pbx.toml" in capsys.readouterr().err
