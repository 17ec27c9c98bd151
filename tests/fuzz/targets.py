"""What is fuzzed, and what must hold for any bytes whatever. A target that does not raise is content."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import msgspec

from acd_core import requirement
from acd_core.commands import AgentLogin, Command, ConfigApply, ContactEnqueue
from acd_core.config import Agent, Config, ConfigError, Queue, Settings, Tenant, to_json
from acd_core.refusals import Outcome
from acd_core.toml import read_toml
from acd_protocol.framing import LineReader, decode_from_client, decode_from_server, encode
from acd_protocol.journal_records import Kind, Tail
from acd_protocol.line_cutter import HEAD_BYTES
from acd_protocol.messages import Error, Request
from acd_protocol.plain_line import read_plain
from acd_protocol.segments import found_in
from server.config import Limits
from server.config import Settings as ServerSettings
from server.errors import JournalError
from server.journal import records, segments
from server.journal.contract import Batch
from server.journal.segments import SegmentJournal
from server.journal.sqlite import FILE_NAME, SqliteJournal
from tests.fuzz.choices import Choices, command_of
from tests.simulation.checks import Replay
from tests.simulation.disk import SimDisk, SimPath
from tests.simulation.loop import NS, PROCESS, Process, SimLoop
from tests.simulation.machine import Node, data_directory
from tests.simulation.network import Network
from tests.simulation.trace import Trace
from tests.support.lockstep import Lockstep

NOW = 1_800_000_000 * NS
AHEAD = "a client has seen events that this journal does not hold"
"""What a client that asks for the future makes the log say."""
CENTRE = Config(
    settings=Settings(missed_offers_max=2, max_contacts=6, ended_contacts_kept=3),
    tenants=(Tenant(name="acme"), Tenant(name="zeta")),
    queues=tuple(
        Queue(tenant=tenant, name="support", offer_timeout_s=2, wrapup_s=1, max_wait_s=9, max_talk_s=9)
        for tenant in ("acme", "zeta")
    ),
    agents=tuple(Agent(agent=f"a-{number}", skills={"spanish": number}) for number in (1, 2)),
)


def framing(data: bytes) -> None:
    """Lines do not depend on the pieces in which they come, and no more is kept than a line may be long."""
    choices = Choices(data[:8])
    limit = HEAD_BYTES + choices.below(64)
    stream = data[8:]
    whole = LineReader(limit, 2 * limit)
    at_once = whole.feed(stream)
    pieces = LineReader(limit, 2 * limit)
    lines: list[bytes] = []
    at = 0
    while at < len(stream):
        size = 1 + choices.below(16) if choices.left else 1 + at % 7
        lines += pieces.feed(stream[at : at + size])
        assert pieces.pending <= 2 * limit
        at += size
    assert lines == at_once, (lines, at_once)
    assert (pieces.error is None) == (whole.error is None)
    for line in lines:
        assert line
        assert b"\n" not in line
        assert len(line) <= 2 * limit


def decoding(data: bytes) -> None:
    """A line gives a message or an answer that says what is wrong, of bounded length; a message reads back as itself."""
    for line in data.split(b"\n"):
        message = decode_from_client(line)
        if isinstance(message, Error):
            assert len(encode(message)) < 4096
            assert message.message
        else:
            assert isinstance(message, Command | Request)
            assert decode_from_client(encode(message).rstrip(b"\n")) == message
        plain = read_plain(line)
        assert plain is None or plain == message
        try:
            decode_from_server(line)
        except ValueError:
            pass


def requirements(data: bytes) -> None:
    """A requirement is read or refused with the place; what was read can be written and read again."""
    text = data.decode("utf-8", "replace")
    try:
        read = requirement.parse(text)
    except requirement.RequirementError as problem:
        if not (0 <= problem.position <= len(text) and str(problem)):
            raise
        return
    written = requirement.describe(read)
    assert requirement.parse_canonical(written) == read, written
    for node in read:
        requirement.meets(node, {"spanish": 50}, {"site": "x", "floor": 3})


def configuration(data: bytes) -> None:
    """A file is a configuration or is refused with a sentence; a configuration reads back as itself."""
    try:
        config = read_toml(data.decode("utf-8", "replace"), "centre.toml")
    except ConfigError as problem:
        if not str(problem):
            raise
        return
    assert to_json(msgspec.json.decode(to_json(config), type=Config)) == to_json(config)


def machine(data: bytes) -> None:
    """Any commands, at any times: model and engine agree, and what is refused changes nothing but the time."""
    choices = Choices(data)
    both = Lockstep()
    now = NOW
    both.step(now, "pbx-1", ConfigApply(config=CENTRE))
    both.step(now, "pbx-1", AgentLogin(agent="a-1", ready=True))
    both.step(now, "pbx-1", ContactEnqueue(contact="c-1", tenant="acme", queue="support"))
    steps = 0
    while choices.left and steps < 60:
        steps += 1
        now += choices.of((0, 0, 0, 1, NS, 3 * NS, 20 * NS))
        client = choices.of(("pbx-1", "pbx-1", "pbx-2"))
        both.engine.advance(now)
        both.model.advance(now)
        assert both.engine.take_events() == both.model.take_events()
        before = both.engine.digest()
        command = command_of(choices)
        if command is None:
            continue
        outcome = command.apply(both.engine, now, client)
        assert outcome == command.apply(both.model, now, client), command
        assert both.engine.take_events() == both.model.take_events(), command
        if not Outcome(outcome).accepted:
            assert both.engine.digest() == before, f"refused with {outcome}, and it changed something: {command}"
    both.compare()


def journal_record(data: bytes) -> None:
    """Bytes are the record that was written, or are refused."""
    tail = Tail(bytes(16))
    first, after = records.pack(tail, Kind.FENCE, 1, 5, 0, b"node")
    second, _ = records.pack(after, Kind.BATCH, 1, 7, 1, records.encode_ticks([(6, [("pbx-1", b"{}")])]))
    choices = Choices(data[:16])
    good, before = (second, after) if choices.one_in(2) else (first, tail)
    at = choices.below(len(good) + 1)
    for bad in (data[16:], good[:at] + data[16:] + good[at + len(data[16:]) :]):
        try:
            record, _ = records.unpack(before, bad)
        except JournalError:
            continue
        assert bad == good
        if record.kind is Kind.BATCH:
            assert records.ticks_of(record) == [(6, [("pbx-1", b"{}")])]


class _JournalFile:
    """The bytes of a small journal's file and log."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            journal = SqliteJournal(directory)
            epoch = journal.fence("node", journal.open(), 500)
            for number in range(4):
                journal.append(epoch, 2 + number, Batch(2_000, 1, records.encode_ticks([(2_000, [("p", b"{}")])])))
            self.records = list(journal.read())
            self.file = (directory / FILE_NAME).read_bytes()
            self.log = (directory / f"{FILE_NAME}-wal").read_bytes()
            journal.close()


_journal_file: _JournalFile | None = None


class _JournalFiles:
    """The bytes of a small journal's files, by name."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as name, _small_files():
            directory = Path(name)
            journal = SegmentJournal(directory)
            epoch = journal.fence("node", journal.open(), 500)
            for number in range(12):
                journal.append(epoch, 2 + number, Batch(2_000, 1, records.encode_ticks([(2_000, [("p", b"{}")])])))
            self.records = list(journal.read())
            self.files = {path.name: path.read_bytes() for path in found_in(directory)}
            journal.close()


@contextmanager
def _small_files() -> Iterator[None]:
    sizes = {"BYTES_MIN": 400, "BYTES_MAX": 800, "_BLOCK_BYTES": 64}
    before = {name: getattr(segments, name) for name in sizes}
    vars(segments).update(sizes)
    try:
        yield
    finally:
        vars(segments).update(before)


_journal_files: _JournalFiles | None = None


def journal_segments(data: bytes) -> None:
    """Damaged files give the records that were written, or all but what no other record confirms, or a refusal."""
    global _journal_files
    if _journal_files is None:
        _journal_files = _JournalFiles()
    good = _journal_files
    choices = Choices(data)
    damaged = {name: bytearray(content) for name, content in good.files.items()}
    for _ in range(1 + choices.below(4)):
        target = damaged[choices.of(tuple(damaged))]
        at = choices.below(len(target) + 1)
        if choices.one_in(4):
            del target[at:]
        elif choices.one_in(4):
            other = good.files[choices.of(tuple(good.files))]
            begin = choices.below(len(other))
            target[at : at + 200] = other[begin : begin + 200]
        else:
            patch = bytes(choices.below(256) for _ in range(1 + choices.below(8)))
            target[at : at + len(patch)] = patch
    missing = choices.of(tuple(damaged)) if choices.one_in(8) else ""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        directory = Path(name)
        for file, content in damaged.items():
            if file != missing:
                (directory / file).write_bytes(content)
        journal = SegmentJournal(directory)
        try:
            journal.open()
            found = list(journal.read())
        except JournalError:
            return
        finally:
            journal.close()
        begin = journal.begin.seq
        assert found == good.records[begin : begin + len(found)]


def journal_file(data: bytes) -> None:
    """A damaged file or log gives the records that were written, or the first of them, or a refusal."""
    global _journal_file
    if _journal_file is None:
        _journal_file = _JournalFile()
    good = _journal_file
    choices = Choices(data)
    file, log = bytearray(good.file), bytearray(good.log)
    for _ in range(1 + choices.below(4)):
        target = choices.of((file, log))
        at = choices.below(len(target) + 1)
        if choices.one_in(4):
            del target[at:]
        else:
            patch = bytes(choices.below(256) for _ in range(1 + choices.below(8)))
            target[at : at + len(patch)] = patch
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        directory = Path(name)
        (directory / FILE_NAME).write_bytes(file)
        (directory / f"{FILE_NAME}-wal").write_bytes(log)
        journal = SqliteJournal(directory)
        try:
            journal.open()
            found = list(journal.read())
        except JournalError:
            return
        finally:
            try:
                journal.close()
            except JournalError:
                pass
        assert found == good.records[: len(found)]


class _Hostile(asyncio.Protocol):
    """Reads and counts what the server answers."""

    def __init__(self) -> None:
        self.answers = 0
        self.lost = False
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            kind = msgspec.json.decode(line)["type"]
            self.answers += kind in ("ok", "error", "welcome")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def session(data: bytes) -> None:
    """A hostile client, message by message: each line is answered once, others are served, and the journal replays."""
    choices = Choices(data)
    loop = SimLoop(Random(1))  # type: ignore[abstract]  # it has what is used
    loop.network = network = Network(loop, Random(2))
    disk = SimPath.disk = SimDisk(Random(3))
    limits = Limits(
        hello_s=2, linger_s=1, silence_s=3, unsent_bytes_max=2000, errors_in_a_row_max=10, line_bytes_max=9000
    )
    settings = ServerSettings(host="127.0.0.1", data=data_directory(), node="fuzz", limits=limits)
    node = Node(loop, network, disk, Random(4), settings, Trace(loop))

    async def attack() -> None:
        process = Process("hostile")
        PROCESS.set(process)
        node.start()
        await asyncio.sleep(0.2)
        transport, protocol = await network.connect(_Hostile, ("127.0.0.1", settings.port))
        lines = [encode(ConfigApply(config=CENTRE)).rstrip()] if choices.one_in(2) else []
        if not choices.one_in(16):
            lines.insert(0, b'{"type":"hello","version":1,"client":"pbx-1"}')
        while choices.left and len(lines) < 40:
            lines.append(choices.line())
        sent = 0
        for line in lines:
            if transport.is_closing():
                break
            transport.write(line + b"\n")
            sent += bool(line.strip(b"\r"))
            if choices.one_in(4):
                await asyncio.sleep(0.05)
        await asyncio.sleep(3)
        polite, answers = await network.connect(_Hostile, ("127.0.0.1", settings.port))
        polite.write(b'{"type":"hello","version":1,"client":"polite"}\n{"type":"ping","id":1}\n')
        await asyncio.sleep(1)
        assert answers.answers >= 2, "another client was not served"
        ended = protocol.lost or transport.is_closing()  # with a last word of the server's own
        assert protocol.answers <= sent + 1 if ended else protocol.answers == sent, (
            f"{sent} lines, {protocol.answers} answers"
        )
        service = node.service
        assert service is not None, node.failures
        live = service.sequencer.machine
        await node.stop()
        problems = [problem for problem in node.problems if AHEAD not in problem]
        assert not problems, problems[0]
        assert not loop.problems, loop.problems[0]
        _, stored = node.read_journal()
        replay = Replay(stored)
        replay.machine.check()
        assert live.digest() == replay.machine.digest(), "the journal and the server differ"

    with node.installed():
        loop.run(attack(), 200_000, 60)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "framing": framing,
    "decoding": decoding,
    "requirements": requirements,
    "configuration": configuration,
    "machine": machine,
    "journal_record": journal_record,
    "journal_file": journal_file,
    "journal_segments": journal_segments,
    "session": session,
}
