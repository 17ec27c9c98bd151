"""The commands that ask a running server, from `main` to what is printed; the server is a real one."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from acd_core import Config
from acd_core.config import Agent, Queue, Tenant
from acd_protocol.client import Client
from server.__main__ import main
from server.cli import table
from server.config import Settings
from server.service import running

EXAMPLE = str(Path(__file__).parent.parent / "examples" / "centre.toml")
TOKEN = "not-a-secret"


class Server:
    """A server in a thread of its own, since the commands run event loops of their own."""

    def __init__(self, data: Path) -> None:
        self.port = 0
        self._settings = Settings(port=0, metrics_port=0, data=data, token=TOKEN)
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as problem:  # noqa: BLE001 - the test that uses the server shows it
            self._problem = problem
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            self._started.set()

    async def _serve(self) -> None:
        async with running(self._settings) as service:
            self.port = service.port
            self._started.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(20)
        assert self._problem is None, self._problem
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self._problem is None, self._problem


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(tmp_path / "data") as running_server:
        monkeypatch.setenv("ACD_PORT", str(running_server.port))
        monkeypatch.setenv("ACD_TOKEN", TOKEN)
        yield running_server


def with_client(server: Server, action: Callable[[Client], Any]) -> None:
    async def session() -> None:
        async with Client(port=server.port, name="pbx", token=TOKEN) as client:
            await action(client)

    asyncio.run(session())


def centre(server: Server) -> None:
    """One agent who talks, one on a break, one who cannot; one contact that waits for either of the first two."""

    async def set_up(client: Client) -> None:
        await client.apply_config(
            Config(
                tenants=(Tenant(name="acme"), Tenant(name="zenith")),
                queues=(
                    Queue(tenant="acme", name="billing", require="billing>=30"),
                    Queue(tenant="zenith", name="sales"),
                ),
                agents=(
                    Agent(agent="ann", skills={"billing": 60}),
                    Agent(agent="bob", skills={"billing": 40}),
                    Agent(agent="cyd", tenants=("acme",), skills={"billing": 20}),
                ),
            )
        )
        await client.login("bob")
        await client.pause("bob", "lunch")
        await client.login("ann", ready=True)
        await client.login("cyd", ready=True)
        await client.enqueue("c-1", "acme", "billing")
        ann = (await client.listing("agents"))[0]
        await client.accept(ann["offer"])
        await client.enqueue("c-2", "acme", "billing", priority=3)

    with_client(server, set_up)


Capture = pytest.CaptureFixture[str]


def timeless(text: str) -> str:
    """`text` with every duration in seconds as `N s`, since the server's time goes on."""
    return re.sub(r"\b\d+ s\b", "N s", text)


def run(capsys: Capture, *arguments: str, status: int = 0) -> str:
    """What a command prints; errors for a status other than 0."""
    assert main(list(arguments)) == status, capsys.readouterr()
    out, err = capsys.readouterr()
    if status:
        assert err.startswith("acd: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err
    assert err == ""
    return out


def test_apply_shows_the_difference_then_applies_once(server: Server, capsys: Capture, tmp_path: Path) -> None:
    shown = run(capsys, "apply", "--dry-run", EXAMPLE)
    assert "+ queue acme/billing\n" in shown
    assert shown.endswith("dry run, nothing applied: 25 added, 1 changed\n")
    applied = run(capsys, "apply", EXAMPLE)
    assert applied.endswith("applied: 25 added, 1 changed\n")
    assert applied.splitlines()[:-1] == shown.splitlines()[:-1]
    assert run(capsys, "apply", EXAMPLE) == f"nothing differs: the server already has what is in {EXAMPLE}\n"
    changed = tmp_path / "changed.toml"
    changed.write_text(Path(EXAMPLE).read_text().replace("max_waiting = 200", "max_waiting = 100"))
    assert run(capsys, "apply", str(changed)) == ("~ queue acme/billing: max_waiting 200 → 100\napplied: 1 changed\n")


def test_apply_speaks_json(server: Server, capsys: Capture) -> None:
    first = json.loads(run(capsys, "apply", "--json", EXAMPLE))
    assert (first["applied"], first["dry_run"], len(first["changes"])) == (True, False, 26)
    assert first["changes"][0] == {
        "kind": "changed",
        "noun": "settings",
        "name": "",
        "fields": [{"field": "max_contacts", "old": 2000000, "new": 100000}],
    }
    again = json.loads(run(capsys, "apply", "--json", EXAMPLE))
    assert (again["applied"], again["changes"]) == (False, [])


def test_apply_reads_standard_input(server: Server, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.read", lambda: '[[tenants]]\nname = "acme"')
    assert run(capsys, "apply", "-") == "+ tenant acme\napplied: 1 added\n"


def test_a_wrong_file_is_told_with_its_place_and_applies_nothing(
    server: Server, capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "centre.toml"
    path.write_text('[[tenants]]\nname = "a"\n[[queues]]\ntenant = "a"\nname = "q"\nstrategy = "longest"')
    assert run(capsys, "apply", str(path), status=1) == (
        f"acd: {path}: queues[1] (a/q): strategy: 'longest' is not one of 'longest_idle', 'most_skilled', "
        "'least_skilled', 'fewest_contacts', 'round_robin', 'linear', 'lowest_cost', 'longest_idle_inbound', "
        "'least_occupied', 'random', 'weighted_random'\n"
    )
    path.write_bytes(b"\xff")
    assert "is not UTF-8" in run(capsys, "apply", str(path), status=2)
    assert "No such file" in run(capsys, "apply", str(tmp_path / "none.toml"), status=2)
    assert run(capsys, "list", "queues") == "no queues\n"


def test_a_refused_configuration_is_told(server: Server, capsys: Capture, tmp_path: Path) -> None:
    centre(server)
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert main(["apply", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "- queue acme/billing\n" in out
    assert "applied" not in out
    assert err.startswith("acd: the new configuration lacks ")
    assert "acme/billing" in run(capsys, "list", "queues")


def test_a_queue_is_closed_and_opened(server: Server, capsys: Capture) -> None:
    centre(server)
    assert run(capsys, "queue", "close", "zenith/sales", "--reason", "flood") == "zenith/sales is closed: flood\n"
    assert run(capsys, "queue", "close", "zenith/sales", "--reason", "flood").startswith("zenith/sales is already")
    assert "closed: flood" in run(capsys, "list", "queues")
    assert json.loads(run(capsys, "queue", "open", "zenith/sales", "--json"))["closed"] == ""


def test_an_agent_is_led_by_hand(server: Server, capsys: Capture) -> None:
    centre(server)
    assert "queues" not in run(capsys, "list", "agents").splitlines()[0].split()
    assert run(capsys, "agent", "leave", "bob", "zenith/sales") == "bob is paused, serving acme/billing\n"
    assert run(capsys, "agent", "leave", "bob", "zenith/sales").endswith("; nothing was changed\n")
    heads, *rows = run(capsys, "list", "agents").splitlines()
    assert "queues" in heads.split()
    assert [line.split()[0] for line in rows if "acme/billing" in line] == ["bob"]
    assert json.loads(run(capsys, "agent", "serve", "bob", "--all", "--json"))["queues"] == []
    assert run(capsys, "agent", "pause", "cyd", "--reason", "training") == "cyd is paused, serving all his queues\n"
    assert run(capsys, "agent", "ready", "cyd") == "cyd is ready, serving all his queues\n"
    assert run(capsys, "agent", "logout", "cyd") == "cyd is logged out, serving all his queues\n"
    assert main(["agent", "join", "ann", "zenith/nowhere"]) == 1
    assert "no such queue" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["join", "ann"], "name the queues to join"),
        (["serve", "ann"], "name the queues, or give --all"),
        (["serve", "ann", "acme/billing", "--all"], "name the queues, or give --all"),
        (["pause", "ann", "acme/billing"], "pause is for all queues"),
        (["join", "ann", "billing"], "write queues as tenant/queue"),
        (["ready", "ann", "--reason", "x"], "--reason is for pause"),
        (["leave", "ann", "acme/billing", "--all"], "--all is for serve"),
    ],
)
def test_what_an_agent_cannot_be_told_is_refused(words: list[str], problem: str, capsys: Capture) -> None:
    assert main(["agent", *words]) == 2
    assert problem in capsys.readouterr().err


def test_hours_of_a_configuration_close_its_queues(server: Server, capsys: Capture, tmp_path: Path) -> None:
    config = tmp_path / "hours.toml"
    config.write_text(
        '[[tenants]]\nname = "acme"\n[[calendars]]\nname = "never"\nzone = "Europe/Madrid"\n'
        '[[queues]]\ntenant = "acme"\nname = "billing"\nhours = "never"\n'
    )
    run(capsys, "apply", str(config))
    assert "closed: hours" in run(capsys, "list", "queues")


def test_queues_agents_and_contacts_are_listed(server: Server, capsys: Capture) -> None:
    centre(server)
    lines = run(capsys, "list", "queues").splitlines()
    assert lines[0].split() == [
        "queue",
        "state",
        "wait",
        "ring",
        "talk",
        "wrap",
        "oldest",
        "answered",
        "gave",
        "up",
        "level",
    ]
    assert lines[1].split()[:6] == ["acme/billing", "open", "1", "0", "1", "0"]
    assert lines[2].split() == ["zenith/sales", "open", "0", "0", "0", "0", "-", "0", "0", "-"]
    agents = {line.split()[0]: line for line in run(capsys, "list", "agents").splitlines()[1:]}
    assert agents["ann"].split()[1] == "busy"
    assert "paused: lunch" in agents["bob"]
    assert "billing:20" in agents["cyd"]
    contacts = run(capsys, "list", "contacts").splitlines()
    assert [line.split()[:3] for line in contacts[1:]] == [
        ["c-1", "acme/billing", "connected"],
        ["c-2", "acme/billing", "queued"],
    ]
    assert contacts[2].split()[4:] == ["1", "-", "3", "-", "billing>=30"]


def test_lists_are_filtered_and_limited(server: Server, capsys: Capture) -> None:
    centre(server)
    assert [row["queue"] for row in json.loads(run(capsys, "list", "queues", "--tenant", "zenith", "--json"))] == [
        "sales"
    ]
    assert len(json.loads(run(capsys, "list", "agents", "--tenant", "zenith", "--json"))) == 2
    assert run(capsys, "list", "contacts", "--queue", "sales") == "no contacts\n"
    assert run(capsys, "list", "contacts", "--limit", "1").endswith("the first 1; --limit shows more\n")
    assert "belong to no queue" in run(capsys, "list", "agents", "--queue", "sales", status=2)
    for wrong in (["--limit", "0"], ["--state", "asleep"]):
        with pytest.raises(SystemExit) as exit_status:
            main(["list", "agents", *wrong])
        assert exit_status.value.code == 2


def test_agents_and_contacts_are_listed_by_state(server: Server, capsys: Capture) -> None:
    centre(server)
    assert [line.split()[0] for line in run(capsys, "list", "agents", "--state", "paused").splitlines()[1:]] == ["bob"]
    waiting = run(capsys, "list", "contacts", "--state", "queued", "--queue", "billing").splitlines()
    assert [line.split()[0] for line in waiting[1:]] == ["c-2"]
    assert run(capsys, "list", "contacts", "--state", "wrapup") == "no contacts\n"
    assert "queued, offered, connected" in run(capsys, "list", "contacts", "--state", "ready", status=2)
    assert "have no state" in run(capsys, "list", "queues", "--state", "ready", status=2)


def test_stats_are_shown_with_a_sum(server: Server, capsys: Capture) -> None:
    assert "queues:   none" in run(capsys, "stats")
    centre(server)
    lines = run(capsys, "stats").splitlines()
    assert lines[0] == "contacts: 2 live, 1 of them waiting"
    assert lines[1] == "agents:   1 paused, 1 ready, 1 busy"
    rows = {line.split()[0]: line.split()[1:] for line in lines[4:]}
    assert list(rows) == ["acme/billing", "zenith/sales", "all"]
    assert rows["acme/billing"][:7] == ["2", "1", "0", "1", "0", "100", "%"]
    assert rows["all"] == rows["acme/billing"]
    only = json.loads(run(capsys, "stats", "--tenant", "zenith", "--json"))
    assert [queue["queue"] for queue in only["queues"]] == ["sales"]
    assert only["domain"]["waiting"] == 1


def test_a_contact_is_explained(server: Server, capsys: Capture) -> None:
    centre(server)
    shown = timeless(run(capsys, "explain", "contact", "c-2"))
    assert shown.startswith(
        "c-2 waits in acme/billing for N s. It counts as if it had waited for N s. It is next. It asks for billing>=30. "
    )
    assert "3 agents logged in, 2 of them qualify: 1 paused, 1 busy." in shown
    verdicts = {line.split()[0]: line.split(maxsplit=2)[1:] for line in shown.splitlines()[-3:]}
    assert verdicts == {
        "ann": ["yes", "busy with contact c-1 for N s"],
        "bob": ["yes", "paused: lunch"],
        "cyd": ["no", "skill billing 20, needs 30"],
    }
    found = json.loads(run(capsys, "explain", "contact", "c-2", "--json"))
    assert (found["position"], found["agents_logged_in"]) == (1, 3)
    assert run(capsys, "explain", "contact", "c-1").startswith("c-1 of acme/billing talks with agent ann for ")
    assert "there is no such contact" in run(capsys, "explain", "contact", "c-9", status=1)


def test_an_agent_is_explained(server: Server, capsys: Capture) -> None:
    centre(server)
    shown = timeless(run(capsys, "explain", "agent", "cyd"))
    assert shown.startswith("cyd is free for N s. 1 contact waits, and he could serve none of them.")
    assert "skill billing 20, needs 30 (1)" in shown
    assert json.loads(run(capsys, "explain", "agent", "bob", "--json"))["could_serve"] == 1
    assert "there is no such agent" in run(capsys, "explain", "agent", "nobody", status=1)


COMMANDS = [
    ["list", "queues"],
    ["list", "agents"],
    ["list", "contacts"],
    ["stats"],
    ["explain", "contact", "c-2"],
    ["explain", "agent", "ann"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_tables_fit_eighty_columns(
    server: Server, capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    centre(server)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "\x1b[" in out or arguments[-1] == "ann"
    assert "…" not in out
    from rich.text import Text

    shown = Text.from_ansi(out).plain
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "acme/billing" in shown or arguments[-1] in {"agents", "ann"}
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert "\x1b" not in run(capsys, *arguments)


def test_ids_cannot_steer_the_terminal(server: Server, capsys: Capture) -> None:
    centre(server)

    async def enqueue(client: Client) -> None:
        await client.enqueue("\x1b[2J[red]\n", "acme", "billing")

    with_client(server, enqueue)
    assert "\\x1b[2J[red]\\n  acme/billing" in run(capsys, "list", "contacts")
    assert "\x1b" not in run(capsys, "explain", "contact", "\x1b[2J[red]\n")


@pytest.mark.parametrize("arguments", [*COMMANDS, ["apply", EXAMPLE]], ids=lambda arguments: arguments[0])
def test_no_server_is_one_clear_sentence(
    arguments: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("ACD_PORT", str(unused_tcp_port))
    assert f"no server answers at 127.0.0.1:{unused_tcp_port}; start one with 'acd serve'" in run(
        capsys, *arguments, status=2
    )


def test_a_wrong_token_is_one_clear_sentence(server: Server, capsys: Capture) -> None:
    assert "the token is missing or wrong" in run(capsys, "stats", "--token", "wrong", status=1)


@pytest.mark.parametrize("command", ["apply", "list", "stats", "explain"])
def test_help_has_an_example_and_json(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit_status:
        main([command, "--help"])
    assert exit_status.value.code == 0
    shown = capsys.readouterr().out
    assert f"acd {command}" in shown.split("example:")[1]
    assert "--json" in shown


@pytest.mark.parametrize(
    ("ns", "text"), [(-5, "0:00"), (59_999_999_999, "0:59"), (60_000_000_000, "1:00"), (3_661_000_000_000, "1:01:01")]
)
def test_durations_read_like_a_clock(ns: int, text: str) -> None:
    assert table.duration(ns) == text


@pytest.mark.parametrize(("part", "whole", "text"), [(0, 0, "-"), (0, 3, "0 %"), (2, 3, "67 %"), (3, 3, "100 %")])
def test_shares_are_rounded(part: int, whole: int, text: str) -> None:
    assert table.percent(part, whole) == text
