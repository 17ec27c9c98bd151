"""`acd load`: what it measures is counted right, what a server does wrong is noticed, and a right server passes."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd_sim.load.floor import Centre, Shape
from acd_sim.load.histogram import Histogram, highest, lowest
from acd_sim.load.link import Link
from acd_sim.load.plan import Plan, Step, mix_of
from acd_sim.load.sender import HISTOGRAM_COUNTS, Sender, histogram_index
from acd_sim.server_process import ServerProcess
from tests.support.wait import patient

ROOT = Path(__file__).resolve().parent.parent
DURATIONS = st.integers(0, 2**42 - 1)

# The histogram


@given(DURATIONS)
def test_a_value_is_counted_where_values_like_it_are(value: int) -> None:
    index = histogram_index(value)
    assert 0 <= index < HISTOGRAM_COUNTS
    assert lowest(index) <= value <= highest(index)
    assert highest(index) - lowest(index) <= value / 1024


def test_places_follow_each_other_without_a_gap() -> None:
    for index in range(HISTOGRAM_COUNTS - 1):
        assert highest(index) + 1 == lowest(index + 1)


def histogram_of(values: list[int]) -> Histogram:
    counts = Histogram().counts
    for value in values:
        counts[histogram_index(value)] += 1
    return Histogram(counts.tobytes())


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.floats(0, 1))
def test_a_share_of_all_is_found_as_in_the_sorted_values(values: list[int], share: float) -> None:
    found = histogram_of(values).at(share)
    exact = sorted(values)[max(0, -(-round(share * len(values) * 10**6) // 10**6) - 1)]
    assert exact <= found * (1 + 1e-9) + 1
    assert found <= exact + exact / 1024 + 1 or found in [highest(histogram_index(value)) for value in values]


def test_what_came_in_between_is_the_difference() -> None:
    early, late = histogram_of([5, 7]), histogram_of([5, 7, 7, 9_000_000])
    passed = late - early
    assert passed.total == 2
    assert passed.at(0.5) == 7
    assert passed.most == highest(histogram_index(9_000_000))
    assert (early + passed).counts == late.counts


def test_the_text_of_a_histogram_is_that_of_the_plotter() -> None:
    text = histogram_of([*range(1_000_000, 2_000_000, 1000), 50_000_000]).hgrm()
    rows = [line.split() for line in text.splitlines()[2:] if not line.startswith("#")]
    values, shares, counts = zip(*((float(row[0]), float(row[1]), int(row[2])) for row in rows), strict=True)
    assert list(values) == sorted(values)
    assert list(shares) == sorted(shares)
    assert shares[-1] == 1
    assert counts[-1] == 1001
    assert values[-1] == pytest.approx(50, rel=1e-3)
    assert re.search(r"^#\[Max +=\s+50\.0\d\d, Total count +=\s+1001\]$", text, re.MULTILINE)


# The plan


def test_a_mix_is_read_and_bad_ones_are_told() -> None:
    assert mix_of("served=90,abandoned=5, rejected=5") == {"served": 90, "abandoned": 5, "rejected": 5}
    assert mix_of("held") == {"held": 1}
    for text, complaint in (
        ("sold=1", "no fate"),
        ("served=x", "no number"),
        ("served=0", "all weights"),
        ("served=-1", "range"),
    ):
        with pytest.raises(ValueError, match=complaint):
            mix_of(text)


def test_there_is_room_for_what_an_open_loop_may_have_under_way() -> None:
    assert Plan(steps=(Step(1, depth=64),)).capacity == 4096
    assert Plan(steps=(Step(1, rate=10_000),), talk_s=5).capacity >= 10_000 * 50
    assert Plan(steps=(Step(1, rate=1_000),), talk_s=3).most_busy == 3000


def test_plain_contacts_ask_for_what_many_agents_can() -> None:
    centre = Centre(Shape(300, 16), tenants=("a", "b"))
    for tenant in ("a", "b"):
        tails = [json.loads(b"{" + tail) for tail in centre.tails(tenant, plain=True)]
        assert len(tails) == 150
        assert {tail["tenant"] for tail in tails} == {tenant}
        assert not any(tail["require"] for tail in tails)
        assert all(json.loads(b"{" + tail)["require"] for tail in centre.tails(tenant))


# The sender, against a server that makes mistakes

Reply = Callable[[dict[str, Any], list[dict[str, Any]]], None]


class FakeServer(threading.Thread):
    """Answers as an engine with one free agent for each contact would; `twist` may change what is said."""

    def __init__(self, end: socket.socket, twist: Reply) -> None:
        super().__init__(daemon=True)
        self.end = end
        self.twist = twist
        self.offers: dict[str, str] = {}

    def run(self) -> None:
        with contextlib.suppress(OSError):  # the test is over
            self.talk()

    def talk(self) -> None:
        rest = b""
        while data := self.end.recv(65_536):
            *lines, rest = (rest + data).split(b"\n")
            said: list[dict[str, Any]] = []
            for line in lines:
                asked = json.loads(line)
                answers = self.answers(asked)
                self.twist(asked, answers)
                said += answers
            self.end.sendall(b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in said))

    def answers(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        kind, ok = asked["type"], {"type": "ok", "seq": 1, "id": asked["id"]}
        if kind == "contact.enqueue":
            offer, contact = f"o-{len(self.offers)}", asked["contact"]
            self.offers[offer] = contact
            offered = {
                "type": "contact.offered",
                "offer": offer,
                "contact": contact,
                "agent": f"a-{len(self.offers) - 1}",
            }
            return [ok, {"type": "contact.queued", "contact": contact}, {**offered, "wait": 0, "attributes": {}}]
        if kind == "offer.accept":
            return [ok, {"type": "contact.connected", "contact": self.offers[asked["offer"]]}]
        return [ok, {"type": "contact.ended", "contact": asked["contact"], "reason": "completed_agent"}]


@pytest.fixture
def play() -> Iterator[Callable[..., Sender]]:
    ends: list[socket.socket] = []

    def run(twist: Reply, *, awake: bool = False) -> Sender:
        ours, theirs = socket.socketpair()
        ends.extend((ours, theirs))
        FakeServer(theirs, twist).start()
        tails = [[b'"tenant":"t","queue":"q"}\n']]
        sender = Sender([ours.fileno()], tails, b"c-", agents=1000, capacity=64, awake=awake)
        sender.run(10, depth=4, most=20)
        sender.drain(0.3)
        return sender

    yield run
    for end in ends:
        end.close()


def wrong(sender: Sender) -> dict[str, int]:
    names = ("refused", "answered_twice", "unknown", "told_twice", "out_of_order", "agent_twice")
    return {name: sender.counts[name] for name in names if sender.counts[name]}


@pytest.mark.parametrize("awake", [False, True])
def test_a_right_server_is_found_right(play: Callable[..., Sender], awake: bool) -> None:
    sender = play(lambda asked, answers: None, awake=awake)
    assert wrong(sender) == {}
    assert sender.alive == 0
    assert (sender.counts["started"], sender.counts["finished"], sender.counts["answers"]) == (20, 20, 60)
    assert sender.failure == sender.refusal == ""


def on(kind: str, change: Callable[[list[dict[str, Any]]], object], contact: str = "c-7") -> Reply:
    """Change what is said to this kind of request about one contact."""
    of_offer: dict[str, str] = {}

    def twist(asked: dict[str, Any], answers: list[dict[str, Any]]) -> None:
        for answer in answers:
            if answer["type"] == "contact.offered":
                of_offer[answer["offer"]] = answer["contact"]
        named = asked.get("contact") or of_offer.get(asked.get("offer", ""))
        if asked["type"] == kind and named == contact:
            change(answers)

    return twist


MISTAKES: list[tuple[str, Callable[[list[dict[str, Any]]], object], dict[str, int]]] = [
    ("contact.enqueue", lambda said: said.append(said[0]), {"answered_twice": 1}),
    ("contact.enqueue", lambda said: said.insert(1, said[1]), {"told_twice": 1}),
    ("contact.complete", lambda said: said.append({"type": "contact.ended", "contact": "c-7"}), {"unknown": 1}),
    ("offer.accept", lambda said: said.append({"type": "ok", "id": 4 * 9999}), {"unknown": 1}),
    ("offer.accept", lambda said: said.append({"type": "contact.queued", "contact": "x-1"}), {"unknown": 1}),
    (
        "contact.enqueue",
        lambda said: said.insert(2, {"type": "contact.connected", "contact": "c-7"}),
        {"out_of_order": 2},
    ),
]


@pytest.mark.parametrize(("kind", "change", "found"), MISTAKES)
def test_each_mistake_of_a_server_is_noticed(
    kind: str, change: Callable[[list[dict[str, Any]]], object], found: dict[str, int], play: Callable[..., Sender]
) -> None:
    noticed = wrong(play(on(kind, change)))
    assert {name: noticed.get(name) for name in found} == found


def test_an_agent_who_gets_two_is_noticed(play: Callable[..., Sender]) -> None:
    def everybody_to_one(asked: dict[str, Any], answers: list[dict[str, Any]]) -> None:
        for answer in answers:
            if "agent" in answer:
                answer["agent"] = "a-3"

    assert wrong(play(everybody_to_one))["agent_twice"] > 0


def test_a_lost_contact_is_named(play: Callable[..., Sender]) -> None:
    sender = play(on("contact.enqueue", lambda said: said.pop()))
    assert sender.alive == 1
    assert sender.lost(10) == ["c-7"]
    sender = play(on("offer.accept", lambda said: said.pop(0)))
    assert sender.lost(10) == ["c-7"], "the answer never came, though the contact ended"


def test_a_refusal_is_kept(play: Callable[..., Sender]) -> None:
    def refuse(said: list[dict[str, Any]]) -> None:
        said[:] = [{"type": "error", "id": 28, "code": "queue_unknown", "message": "no such queue"}]

    sender = play(on("contact.enqueue", refuse))
    assert wrong(sender) == {"refused": 1}
    assert "queue_unknown" in sender.refusal
    assert sender.alive == 0


def test_a_connection_that_breaks_ends_the_load(play: Callable[..., Sender]) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    sender = Sender([ours.fileno()], [[b"}\n"]], b"c-", agents=1, capacity=4)
    assert not sender.run(5, depth=1)
    assert "connection" in sender.failure
    ours.close()


def test_what_cannot_be_sent_so_is_told() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Sender([0], [[b"}\n"]], b"c-", agents=1, capacity=3)
    with pytest.raises(ValueError, match="list of tails"):
        Sender([0, 1], [[b"}\n"]], b"c-", agents=1, capacity=4)


# The command, against the real server


def acd_load(*options: str, timeout: float = 100) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACD_")}
    return subprocess.run(
        [sys.executable, "-m", "server", "load", *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(timeout),
    )


SMALL = ("--agents", "200", "--skills", "8", "--connections", "4")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    process = ServerProcess()
    process.start()
    yield process
    process.close()


def test_all_fates_are_played_and_reported(server: ServerProcess, tmp_path: Path) -> None:
    done = acd_load(
        *(f"--port={server.port}", *SMALL, "--rate=200,400", "--for=0.8", "--poisson", "--vary-talk", "--talk=0.02"),
        *("--mix=served=70,abandoned=10,rejected=10,held=10", "--json"),
        *(f"--report={tmp_path / 'load.html'}", f"--hgrm={tmp_path / 'latencies'}"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    counts = report["counts"]
    assert report["mistakes"] == []
    assert counts["started"] == counts["finished"] > 100
    assert 0 < counts["connected"] < counts["finished"], "some abandoned"
    assert counts["offers"] > counts["finished"], "some were rejected and offered again"
    assert [step["step"]["rate"] for step in report["steps"]] == [200, 400]
    for step in report["steps"]:
        assert 0 < step["offer"]["p50"] <= step["offer"]["p99"] <= step["offer"]["max"]
    page = (tmp_path / "load.html").read_text()
    assert page.count("<svg") >= 2
    assert "nothing was lost" in page
    assert sorted(path.name for path in (tmp_path / "latencies").iterdir()) == [
        "01-200-a-second.hgrm",
        "02-400-a-second.hgrm",
    ]


def test_a_closed_loop_ends_after_so_many_contacts(server: ServerProcess) -> None:
    done = acd_load(f"--port={server.port}", *SMALL, "--depth=8", "--contacts=300")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 300 contacts were answered" in done.stdout


def test_a_limit_that_is_passed_fails(server: ServerProcess) -> None:
    done = acd_load(f"--port={server.port}", *SMALL, "--depth=1", "--contacts=20", "--p99-max=0.000001")
    assert done.returncode == 1
    assert "p99 was" in done.stderr


def test_the_configuration_of_others_is_not_replaced_unasked() -> None:
    process = ServerProcess()
    process.start()
    try:
        applied = subprocess.run(
            [sys.executable, "-m", "server", "apply", "examples/first.toml", f"--port={process.port}"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert applied.returncode == 0, applied.stderr
        done = acd_load(f"--port={process.port}", *SMALL, "--contacts=5")
        assert done.returncode == 1
        assert "serves acme" in done.stderr
        assert acd_load(f"--port={process.port}", *SMALL, "--contacts=5", "--replace-config").returncode == 0
    finally:
        process.close()


def wait_for_contacts(server: ServerProcess) -> None:
    """Return when contacts come; fail when none do in time."""
    watcher = Link(server.host, server.port)
    watcher.hello("watcher")

    def entered() -> int:
        return sum(queue["entered"] for queue in watcher.ask(b'{"type":"stats","id":0}\n')[0]["queues"])

    least, deadline = entered(), time.monotonic() + 60
    while (now := entered()) < least + 10:
        least = min(least, now)  # a configuration may begin at zero
        assert time.monotonic() < deadline, "no contact came"
        time.sleep(0.02)
    watcher.close()


def test_a_load_that_is_interrupted_ends_in_order(server: ServerProcess) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACD_")}
    with subprocess.Popen(
        [sys.executable, "-m", "server", "load", f"--port={server.port}", *SMALL, "--depth=4", "--for=1h", "--json"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        wait_for_contacts(server)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=patient(30))
    assert process.returncode == 130, out + err
    report = json.loads(out)
    assert report["interrupted"] is True
    assert report["mistakes"] == []
    assert report["counts"]["finished"] == report["counts"]["started"] > 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--rate=5000", "--talk=10"), "give --agents 100000"),
        (("--agents=2", "--connections=4"), "each connection needs an agent"),
        (("--rate=0",), "out of range"),
        (("--mix=sold=3",), "no fate of a contact"),
        (("--for=soon",), "is no time"),
        (("--tls",), "speaks no TLS"),
        (("--port=1",), "no server answers"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(options: tuple[str, ...], complaint: str) -> None:
    done = acd_load(*options)
    assert done.returncode == 2
    assert complaint in done.stderr
