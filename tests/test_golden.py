"""Data directories and backups that earlier releases wrote are read by this one.

`tests/golden/N` was written by the release in which the format N of the journal's files was the latest. They are never
written again. When a format changes, `python -m tests.test_golden tests/golden/N segments` makes the next one, before the
change is released; what each must give is told by `expected.json` in it.
"""

import json
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from acd_core import Engine
from acd_core.commands import AgentLogin, Command, ConfigApply, ContactEnqueue, ContactHold, OfferAccept
from acd_core.config import Agent, Config, Queue, Step, Tenant
from acd_protocol import snapshot_file
from acd_protocol.framing import encode
from acd_protocol.journal_file import FILE_NAME, read_copy
from acd_protocol.journal_records import Tail
from server import backup
from server.journal import archive, segments
from server.journal.contract import Batch
from server.journal.records import encode_ticks
from server.journal.sqlite import SqliteJournal
from server.journal.stores import journal_in
from server.recovery import recover

GOLDEN = Path(__file__).resolve().parent / "golden"
START = 1_795_000_000_000_000_000
S = 1_000_000_000
SMALL = {"BYTES_MIN": 1024, "BYTES_MAX": 1024, "_BLOCK_BYTES": 512}
"""So that the files of a short story are several."""


def story() -> list[list[Command]]:
    """Contacts that wait, ring, talk and hold, before a first, between two, and after a second snapshot."""
    queue = Queue(tenant="acme", name="support", require="billing>=2", steps=(Step(after_s=30, require="billing"),))
    plain = Queue(tenant="acme", name="info", max_wait_s=600)
    agents = [
        Agent(agent="ada", skills={"billing": 5}, attributes={"site": "lisbon"}),
        Agent(agent="bo", skills={"billing": 1}),
    ]
    config = Config(tenants=(Tenant(name="acme"),), queues=(queue, plain), agents=tuple(agents))

    def call(name: str, queue: str = "support") -> ContactEnqueue:
        return ContactEnqueue(contact=name, tenant="acme", queue=queue, attributes={"ani": "+351", "n": 1.5})

    return [
        [
            ConfigApply(config=config),
            AgentLogin(agent="ada", ready=True),
            call("c-1"),
            OfferAccept(offer="o-1"),
            call("c-2"),
        ],
        [AgentLogin(agent="bo", ready=True), call("c-3", "info"), ContactHold(contact="c-1"), call("c-4", "info")],
        [OfferAccept(offer="o-2"), call("c-5", "info")],
    ]


def write(directory: Path, kind: str) -> None:
    """The data directory of the story, with two snapshots, trimmed up to the older one; and a backup of it."""
    directory.mkdir(parents=True)
    journal = journal_in(directory, kind)
    epoch = journal.fence("golden", journal.open(), START)
    journal.close()
    seq, now = 1, START
    for number, part in enumerate(story()):
        journal = journal_in(directory)
        journal.open()
        for command in part:
            seq, now = seq + 1, now + S
            journal.append(epoch, seq, Batch(now, 1, encode_ticks([(now, [("pbx", encode(command).rstrip())])])))
        journal.close()
        if number < len(story()) - 1:
            backup.take_snapshot(directory, lambda _: None)
    backup.export(directory, directory / "whole.acdx", lambda _: None)
    journal = journal_in(directory)
    journal.open()
    while journal.trim(snapshot_file.found_in(directory)[-1].seq, 1 << 62, 3):
        pass
    journal.close()
    (directory / "lock").unlink(missing_ok=True)
    (directory / "expected.json").write_text(json.dumps(seen(directory), indent=1) + "\n")


def seen(directory: Path) -> dict[str, Any]:
    """What of the state must be the same in every release."""
    journal = journal_in(directory)
    recovered = recover(journal, 100, snapshots=directory)
    begin = journal.begin.seq
    journal.close()
    machine = recovered.machine
    assert isinstance(machine, Engine)
    machine.check()
    return {
        "records": recovered.tail.seq,
        "begin": begin,
        "snapshot": recovered.snapshot,
        "now_ns": machine.now,
        "next_deadline_ns": machine.next_deadline(),
        "contacts": {
            view.contact: [view.state, view.queue, view.agent, view.held, view.attributes]
            for view in machine.contacts()
        },
        "agents": {view.agent: [view.state, view.client, view.skills] for view in machine.agents()},
    }


@pytest.mark.parametrize("number", sorted(path.name for path in GOLDEN.glob("[0-9]*")))
def test_what_an_earlier_release_wrote_is_read(number: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(GOLDEN / number, data)
    expected = json.loads((data / "expected.json").read_text())
    assert seen(data) == expected
    newest, older = snapshot_file.found_in(data)
    newest.path.write_bytes(b"")
    assert seen(data) == {**expected, "snapshot": older.seq}, "from the older snapshot"
    whole = tmp_path / "whole"
    backup.restore(data / "whole.acdx", whole)
    assert seen(whole) == {**expected, "begin": 0}
    for found in snapshot_file.found_in(whole):
        found.path.unlink()
    assert seen(whole) == {**expected, "begin": 0, "snapshot": 0}, "from the journal alone"
    assert [record.seq for record in read_copy(whole)] == list(range(1, expected["records"] + 1))


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(segments, name, value)


@pytest.mark.usefixtures("small_files")
def test_what_this_release_writes_is_told_to_earlier_ones(tmp_path: Path) -> None:
    """A trimmed database is refused by releases that would take it for damaged; others are read by them."""
    write(tmp_path / "now", "sqlite")
    (tmp_path / "whole").mkdir()
    SqliteJournal(tmp_path / "whole").restore(*whole_chain(tmp_path / "now" / "whole.acdx"))
    for name, version in (("now", 2), ("whole", 1)):
        with closing(sqlite3.connect(tmp_path / name / FILE_NAME)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (version,)


def whole_chain(path: Path) -> tuple[Tail, list[bytes]]:
    """What comes before the first record of a backup, and its records."""
    with archive.closing_parts(path) as parts:
        return archive.begin_in(path), [data for kind, data in parts if kind == b"R"]


@pytest.mark.usefixtures("small_files")
def test_what_this_release_writes_is_what_the_latest_golden_files_are(tmp_path: Path) -> None:
    """All but where a file ends and the next begins: that follows from the length of a configuration, which may grow."""
    write(tmp_path / "now", "segments")
    latest = max(GOLDEN.glob("[0-9]*"), key=lambda path: int(path.name))
    assert kinds_in(tmp_path / "now") == kinds_in(latest)
    written, golden = (json.loads((path / "expected.json").read_text()) for path in (tmp_path / "now", latest))
    assert 0 < written.pop("begin") <= snapshot_file.found_in(latest)[-1].seq
    del golden["begin"]
    assert written == golden


def kinds_in(directory: Path) -> list[str]:
    """The names of the files, but for the number of a file of the journal."""
    return sorted(re.sub(r"^(journal-)\d+", r"\1", path.name) for path in directory.iterdir() if path.name != "lock")


if __name__ == "__main__":
    vars(segments).update(SMALL)
    write(Path(sys.argv[1]), sys.argv[2])
