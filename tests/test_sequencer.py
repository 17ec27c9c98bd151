"""The sequencer: nothing leaves before it is durable, whatever arrives meanwhile, and the journal replays to the same state."""

import asyncio
import itertools
import random
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from acd_core import Machine, Outcome
from acd_core.commands import ConfigApply, ContactEnqueue
from server.clock import Clock
from server.config import Limits
from server.errors import Fatal, Full
from server.journal.ballast import Ballast
from server.journal.contract import Batch
from server.journal.records import ticks_of
from server.journal.segments import SegmentJournal
from tests.support import centre
from tests.support.journals import MemoryJournal
from tests.support.rig import START, Collected, Rig, rig
from tests.support.wait import until


@pytest.fixture
def journal() -> Iterator[MemoryJournal]:
    made = MemoryJournal()
    yield made
    made.gate.set()


async def test_what_arrives_in_one_turn_has_one_time_and_one_append(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        made.configure()
        made.clock.time += 5
        made.execute(centre.enqueue("c-1"))
        made.execute(centre.enqueue("c-2"), client="pbx-2")
        await made.sequencer.flushed()
        (record,) = journal.batches
        ((time, lines),) = ticks_of(record)
        assert time == START
        assert [client for client, _ in lines] == ["pbx-1", "pbx-1", "pbx-2"]
        assert record.commands == 3
        made.assert_replays()


async def test_nothing_leaves_before_it_is_durable(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        output = Collected()
        journal.gate.clear()
        made.configure()
        made.sequencer.send(output, b"first ")
        made.sequencer.send(output, b"second")
        await until(journal.under_way.is_set)
        for _ in range(5):
            await asyncio.sleep(0)
        assert output.writes == []
        journal.gate.set()
        await made.sequencer.flushed()
        assert output.writes == [b"first second"]


async def test_what_arrives_during_an_append_is_applied_and_forms_the_next_batch(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        output = Collected()
        made.configure()
        await made.sequencer.flushed()
        journal.gate.clear()
        for number in range(10):
            made.clock.time += 1
            assert made.execute(centre.enqueue(f"c-{number}")) == Outcome.OK
            made.sequencer.send(output, b"%d " % number)
            await asyncio.sleep(0.001)
        assert made.machine.domain().waiting == 10
        assert output.writes == []
        journal.gate.set()
        await made.sequencer.flushed()
        first, second = journal.batches[1:]
        assert (first.commands, second.commands) == (1, 9)
        assert [time - START for time, _ in ticks_of(second)] == list(range(2, 11))
        assert output.writes == [b"0 ", b"1 2 3 4 5 6 7 8 9 "]
        made.assert_replays()


class Lively(Collected):
    """An output whose client says something else as soon as it is answered."""

    def __init__(self, made: Rig) -> None:
        super().__init__()
        self._made = made

    def write(self, data: bytes) -> None:
        super().write(data)
        asyncio.get_running_loop().call_soon(self._made.execute, centre.enqueue(f"after {data.decode()}"))


async def test_next_batch_waits_for_what_those_say_who_were_just_answered(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        output = Lively(made)
        made.configure()
        await made.sequencer.flushed()
        journal.gate.clear()
        made.execute(centre.enqueue("c-1"))
        made.sequencer.send(output, b"c-1")
        await until(journal.under_way.is_set)
        made.execute(centre.enqueue("c-2"))
        await asyncio.sleep(0)
        journal.gate.set()
        await until(lambda: len(output.writes) == 1)
        await made.sequencer.flushed()
        assert [[line for _, lines in ticks_of(record) for _, line in lines] for record in journal.batches[2:]] == [
            [msgspec.json.encode(centre.enqueue(name)) for name in ("c-2", "after c-1")]
        ]
        made.assert_replays()


@pytest.mark.parametrize(
    ("last", "turns", "begun"),
    [
        (1, [1], True),
        (1, [2], True),
        (4, [4], True),
        (4, [3], False),
        (4, [1, 1], False),
        (4, [1, 1, 2], True),
        (4, [3, 0], True),
        (300, [255], False),
        (300, [256], True),
    ],
)
async def test_batch_waits_for_as_many_as_last_time_while_they_come(
    journal: MemoryJournal, last: int, turns: list[int], begun: bool
) -> None:
    """Given how many commands were in the last batch, and how many each turn has brought since."""
    names = map("c-{}".format, itertools.count())
    async with rig(journal) as made:

        def say(commands: int) -> None:
            for _ in range(commands):
                made.execute(centre.enqueue(next(names)))

        made.configure()
        await made.sequencer.flushed()
        say(last)
        await made.sequencer.flushed()
        for commands in turns:
            assert made.sequencer._in_flight is None
            say(commands)
            await asyncio.sleep(0)
        assert (made.sequencer._in_flight is not None) == begun
        await made.sequencer.flushed()
        assert [record.commands for record in journal.batches[1:]] == [last, sum(turns)]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no file system in memory")
async def test_batch_waits_no_longer_than_a_flush_takes_however_slow_turns_are(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        made.configure()
        await made.sequencer.flushed()
        for number in range(9):
            made.execute(centre.enqueue(f"c-{number}"))
        await made.sequencer.flushed()
        for number in range(2):
            assert made.sequencer._in_flight is None
            made.execute(centre.enqueue(f"d-{number}"))
            made.clock.time += 2_000_000
            await asyncio.sleep(0)
        assert made.sequencer._in_flight is not None
        await made.sequencer.flushed()
        assert [record.commands for record in journal.batches[1:]] == [9, 2]


async def test_answers_keep_their_order_where_appends_take_no_time() -> None:
    """A batch that had to wait for an errand is followed by one that is durable at once."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        gate = threading.Event()
        async with rig(cast("MemoryJournal", SegmentJournal(Path(name)))) as made:
            output, sequencer = Collected(), made.sequencer
            made.configure()
            await sequencer.flushed()
            errand = sequencer.ask_journal(lambda _: gate.wait(30))
            made.execute(centre.enqueue("c-1"))
            sequencer.send(output, b"c-1 is safe")
            await asyncio.sleep(0.01)
            made.execute(centre.enqueue("c-2"))
            sequencer.send(output, b"c-2 is safe")
            await asyncio.sleep(0.01)
            assert output.writes == []
            gate.set()
            await errand
            await sequencer.flushed()
            assert output.writes == [b"c-1 is safe", b"c-2 is safe"]


async def test_reading_needs_no_append_but_waits_for_the_one_under_way(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        output = Collected()
        made.sequencer.send(output, b"idle")
        await made.sequencer.flushed()
        assert output.writes == [b"idle"]
        assert journal.batches == []
        journal.gate.clear()
        made.configure()
        made.sequencer.send(output, b"applied")
        await until(journal.under_way.is_set)
        made.sequencer.send(output, b"read")
        for _ in range(5):
            await asyncio.sleep(0)
        assert output.writes == [b"idle"]
        journal.gate.set()
        await made.sequencer.flushed()
        assert output.writes == [b"idle", b"applied", b"read"]
        assert len(journal.batches) == 1


@pytest.mark.parametrize("fault", [Full("no room"), Fatal("the disk is gone")])
async def test_failing_journal_acknowledges_nothing_any_more(journal: MemoryJournal, fault: Full | Fatal) -> None:
    async with rig(journal) as made:
        output = Collected()
        made.configure()
        await made.sequencer.flushed()
        journal.fault = fault
        made.execute(centre.enqueue("c-1"))
        made.sequencer.send(output, b"c-1 is safe")
        await until(made.sequencer.failed.done)
        made.sequencer.send(output, b"anything")
        await asyncio.sleep(0.01)
        assert output.writes == []
        assert made.sequencer.state == "failed"
        with pytest.raises(type(fault)):
            await made.sequencer.stop()
        assert journal.stored[-1].commands == 1  # the configuration: neither c-1 nor a SEAL came after it


class FullDisk(MemoryJournal):
    """One that has room only where the ballast was."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.ballast = Ballast(directory, 1 << 16)
        self.full = False

    def append(self, epoch: int, seq: int, batch: Batch) -> None:
        if self.full and self.ballast.keeps:
            raise Full("no room")
        super().append(epoch, seq, batch)


async def test_a_disk_without_any_room_holds_the_server_and_loses_nothing(tmp_path: Path) -> None:
    journal = FullDisk(tmp_path)
    assert journal.ballast.take()
    async with rig(journal, ballast=journal.ballast) as made:
        output, sequencer = Collected(), made.sequencer
        made.configure(max_wait_s=60)
        await sequencer.flushed()
        journal.full = True
        made.execute(centre.enqueue("c-1"))
        sequencer.send(output, b"c-1 is safe")
        await sequencer.flushed()
        assert output.writes == [b"c-1 is safe"]
        assert (sequencer.phase, sequencer.read_only) == ("read_only", True)
        assert made.execute(centre.enqueue("c-2")) == Outcome.JOURNAL_FULL
        assert sequencer.counters.outcomes[Outcome.JOURNAL_FULL] == 1
        made.clock.time += 61 * 10**9
        sequencer._deadline()
        sequencer.send(output, b"a question is answered")
        await sequencer.flushed()
        assert output.writes[1:] == [b"a question is answered"]
        assert made.machine.contact("c-1") is not None, "no deadline has fired"
        assert len(journal.batches) == 2
        assert journal.ballast.take()
        journal.full = False
        sequencer.go_on()
        await until(lambda: made.machine.contact("c-1") is None)
        assert made.machine.ended_reason("c-1") == "max_wait"
        assert made.execute(centre.enqueue("c-2")) == Outcome.OK
        await sequencer.flushed()
        made.assert_replays()


async def test_housekeeping_without_room_costs_nothing(journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def maintain(_: bool) -> None:
        raise Full("no room")

    monkeypatch.setattr(journal, "maintain", maintain)
    async with rig(journal) as made:
        made.configure()
        await made.sequencer.flushed()
        assert made.execute(centre.enqueue("c-1")) == Outcome.OK
        await made.sequencer.flushed()
        assert len(journal.batches) == 2


async def test_command_that_fails_inside_the_engine_fails_alike_when_replayed(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = ContactEnqueue.apply

    def half(self: ContactEnqueue, machine: Machine, now: int, client: str) -> int:
        outcome = whole(self, machine, now, client)
        if self.contact == "poison":
            raise ZeroDivisionError("a fault of ours, after half of the work")
        return outcome

    monkeypatch.setattr(ContactEnqueue, "apply", half)
    async with rig(journal) as made:
        made.configure()
        assert made.execute(centre.enqueue("poison")) == Outcome.INTERNAL_ERROR
        assert made.execute(centre.enqueue("c-2")) == Outcome.OK
        await made.sequencer.flushed()
        assert made.sequencer.state == "serving"
        assert made.sequencer.counters.internal_errors == 1
        assert "ZeroDivisionError" in caplog.text
        made.assert_replays()


async def test_lack_of_memory_in_the_engine_ends_the_server(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starve(self: ConfigApply, machine: Machine, now: int, client: str) -> int:
        raise MemoryError

    monkeypatch.setattr(ConfigApply, "apply", starve)
    async with rig(journal) as made:
        made.execute({"type": "config.apply", "config": centre.config()})
        assert made.sequencer.failed.done()
        with pytest.raises(Fatal, match="memory"):
            await made.sequencer.stop()


async def test_a_command_that_cannot_be_journaled_is_not_applied(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        made.configure()
        with pytest.raises(UnicodeEncodeError):
            made.execute(centre.enqueue("c-1"), client="pbx-\ud800")  # no text that could be written
        assert made.machine.contact("c-1") is None
        assert made.execute(centre.enqueue("c-2")) == Outcome.OK
        await made.sequencer.flushed()
        made.assert_replays()


async def test_deadlines_fire_by_themselves_and_are_journaled(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        made.configure(max_wait_s=60)
        made.execute(centre.enqueue("c-1"))
        await made.sequencer.flushed()
        made.clock.time += 61 * 10**9
        made.execute(centre.enqueue("c-2"))  # c-1 ends on the way; c-2 waits for the next deadline
        assert made.machine.ended_reason("c-1") == "max_wait"
        await made.sequencer.flushed()
        made.clock.time += 61 * 10**9
        made.sequencer._deadline()
        await made.sequencer.flushed()
        assert made.machine.ended_reason("c-2") == "max_wait"
        assert ticks_of(journal.batches[-1]) == [(made.clock.time, [])]
        made.assert_replays()


async def test_timer_is_set_for_the_earliest_deadline(journal: MemoryJournal) -> None:
    made = Rig(journal, Limits())
    made.sequencer.clock = Clock(START, speed=1000)
    made.configure(max_wait_s=3600)
    made.execute(centre.enqueue("late"))
    await made.sequencer.flushed()
    made.execute({"type": "config.apply", "config": centre.config(max_wait_s=20)})
    made.execute(centre.enqueue("early"))
    await until(lambda: made.machine.ended_reason("early") == "max_wait")
    assert made.machine.ended_reason("late") in {"", "max_wait"}
    await made.sequencer.stop()
    made.assert_replays()


async def test_storm_of_deadlines_is_fired_in_steps_between_which_others_have_their_turn(
    journal: MemoryJournal,
) -> None:
    async with rig(journal, Limits(tick_deadlines_max=10)) as made:
        made.configure(max_wait_s=60)
        for number in range(100):
            made.clock.time += 1000
            made.execute(centre.enqueue(f"c-{number}"))
            await made.sequencer.flushed()
        made.clock.time += 3600 * 10**9
        assert made.execute({"type": "contact.abandon", "contact": "c-98"}) == Outcome.OK
        ended = 100 - made.machine.domain().contacts
        assert ended == 11
        assert made.machine.now < made.clock.time - 3500 * 10**9
        made.sequencer._deadline()  # which the loop would call, were the time real
        await until(lambda: not made.machine.domain().contacts)
        await made.sequencer.flushed()
        assert made.machine.ended_reason("c-98") == "abandoned"
        assert made.machine.ended_reason("c-99") == "max_wait"
        made.execute(centre.enqueue("later"))
        assert made.machine.now == made.clock.time
        await made.sequencer.flushed()
        steps = [tick for record in journal.batches for tick in ticks_of(record)][101:]
        assert len(steps) == 10  # the last with what came later
        made.assert_replays()


async def test_storm_goes_no_faster_than_its_events_become_durable(journal: MemoryJournal) -> None:
    async with rig(journal, Limits(tick_deadlines_max=10)) as made:
        made.configure(max_wait_s=60)
        for number in range(100):
            made.clock.time += 1000
            made.execute(centre.enqueue(f"c-{number}"))
            await made.sequencer.flushed()
        journal.gate.clear()
        made.clock.time += 3600 * 10**9
        made.sequencer._deadline()
        await until(journal.under_way.is_set)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert made.machine.domain().contacts == 90
        journal.gate.set()
        await until(lambda: not made.machine.domain().contacts)
        await made.sequencer.flushed()
        made.assert_replays()


async def test_fault_in_a_deadline_ends_the_server(journal: MemoryJournal) -> None:
    class Faulty:
        """A machine whose time cannot pass."""

        now = 0

        def next_deadline(self) -> int:
            return 1

        def advance(self, now: int, limit: int = 0) -> None:
            raise ZeroDivisionError

    async with rig(journal) as made:
        made.sequencer.machine = cast("Machine", Faulty())
        assert made.execute(centre.enqueue("c-1")) == Outcome.UNAVAILABLE
        with pytest.raises(Fatal, match="fault of its own"):
            await made.sequencer.stop()


async def test_engine_time_never_goes_back(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        made.configure()
        await made.sequencer.flushed()
        made.clock.time -= 10**12
        made.execute(centre.enqueue("c-1"))
        await made.sequencer.flushed()
        times = [time for record in journal.batches for time, _ in ticks_of(record)]
        assert times == sorted(times)
        made.assert_replays()


async def test_too_much_unflushed_stops_the_reading_until_it_is_flushed(journal: MemoryJournal) -> None:
    async with rig(journal, Limits(batch_bytes_max=100)) as made:
        output = Collected()
        made.configure()
        await made.sequencer.flushed()
        journal.gate.clear()
        made.execute(centre.enqueue("c-1"))
        await until(journal.under_way.is_set)
        made.execute(centre.enqueue("c-2"))
        made.execute(centre.enqueue("c-3"))
        made.sequencer.defer(output)
        await asyncio.sleep(0.01)
        assert made.sequencer.congested
        assert output.runs == 0
        journal.gate.set()
        await until(lambda: output.runs)
        assert not made.sequencer.congested


async def test_stop_seals_what_is_durable(journal: MemoryJournal) -> None:
    async with rig(journal) as made:
        made.configure()
        made.execute(centre.enqueue("c-1"))
    assert made.sequencer.state == "stopped"
    assert journal.open_tail.sealed
    assert [record.commands for record in journal.stored] == [0, 2, 0]


@pytest.mark.parametrize("seed", range(20))
async def test_random_traffic_over_a_halting_journal_replays_to_the_same_state(
    journal: MemoryJournal, seed: int
) -> None:
    rng = random.Random(seed)
    agents = [f"a-{number}" for number in range(1, 4)]
    async with rig(journal, Limits(tick_deadlines_max=rng.choice([1, 2, 1000]))) as made:
        made.configure(offer_timeout_s=1, wrapup_s=0.5, max_wait_s=5, max_waiting=6)
        for number in range(150):
            made.clock.time += rng.choice([0, 1, 10**6, 3 * 10**8, 2 * 10**9])
            contact = f"c-{rng.randrange(max(0, number - 8), number + 1)}"
            agent = {"agent": rng.choice(agents)}
            made.execute(
                rng.choice(
                    [
                        centre.enqueue(f"c-{number}", rng.choice(["acme", "zeta"]), priority=rng.randrange(3)),
                        {"type": "agent.login", "ready": True, **agent},
                        {"type": "agent.ready", **agent},
                        {"type": "agent.pause", **agent},
                        {"type": "agent.logout", **agent},
                        {"type": "offer.accept", "offer": f"o-{rng.randrange(1, 30)}"},
                        {"type": "offer.reject", "offer": f"o-{rng.randrange(1, 30)}"},
                        {"type": "contact.abandon", "contact": contact},
                        {"type": "contact.complete", "contact": contact},
                    ]
                ),
                client=rng.choice(["pbx-1", "pbx-2"]),
            )
            if rng.random() < 0.3:
                (journal.gate.set if rng.random() < 0.6 else journal.gate.clear)()
                await asyncio.sleep(0)
        journal.gate.set()
        await made.sequencer.flushed()
        made.assert_replays()
