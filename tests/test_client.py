import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from acd_core.commands import ContactAbandon, ContactEnqueue
from acd_core.config import Agent, Config
from acd_core.events import AgentUpdated, ContactQueued, Event
from acd_core.refusals import Outcome
from acd_protocol import Client, ClientError, ConnectionLost, ConnectionState, Refused, Replaced
from acd_protocol.messages import Draining, Gap, Ok, Ping, Subscribe, Topic
from acd_protocol.verbs import ALL_TOPICS
from tests.support.fake_server import CuttingProxy, FakeServer, fake_server
from tests.support.server_process import ROOT, ServerProcess
from tests.support.wait import patient, until


def enqueue(number: int) -> ContactEnqueue:
    return ContactEnqueue(contact=f"c-{number}", tenant="acme", queue="support")


def client_of(server: FakeServer, **options: object) -> Client:
    settings = {"name": "pbx-1", "connect_deadline_s": 5.0, "reconnect_deadline_s": 5.0, **options}
    return Client("127.0.0.1", server.port, **settings)  # type: ignore[arg-type]


async def take(client: Client, count: int) -> list[Event | Gap]:
    """The next `count` items of a client's events."""
    items: list[Event | Gap] = []
    async with asyncio.timeout(patient(10)):
        async for item in client.events():
            items.append(item)
            if len(items) == count:
                break
    return items


def seqs(items: list[Event | Gap]) -> list[int]:
    return [item.seq for item in items if isinstance(item, Event)]


async def test_a_command_is_answered_and_its_event_arrives() -> None:
    async with fake_server() as server, client_of(server) as client:
        answer = await client.enqueue("c-1", "acme", "support", priority=3, attributes={"ani": "+34"})
        assert isinstance(answer, Ok)
        assert not answer.duplicate
        [event] = await take(client, 1)
        assert isinstance(event, ContactQueued)
        assert (event.contact, event.priority) == ("c-1", 3)
        assert server.taken == [
            ContactEnqueue(id=1, contact="c-1", tenant="acme", queue="support", priority=3, attributes={"ani": "+34"})
        ]
        assert client.welcome is not None
        assert client.welcome.node == "fake"


async def test_every_verb_sends_the_message_of_its_name() -> None:
    async with fake_server() as server, client_of(server) as client:
        await client.update("c", priority=3)
        await client.abandon("c")
        await client.withdraw("c")
        await client.complete("c", "lost")
        await client.hold("c")
        await client.unhold("c")
        await client.accept("o-1")
        await client.reject("o-1", "busy")
        await client.login("a", address="PJSIP/1", ready=True)
        await client.ready("a")
        await client.pause("a", "lunch")
        await client.logout("a")
        await client.update_agent("a", skills={"spanish": 3})
        await client.end_wrapup("a")
        await client.away()
        await client.back()
        await client.apply_config(Config(agents=(Agent(agent="a"),)))
        await client.subscribe(("agent",))
        await client.listing("agents")
        await client.stats("acme")
        await client.explain(contact="c")
        await client.ping()
        sent = [str(message.__struct_config__.tag) for message in server.received]
    assert " ".join(sent) == (
        "contact.update contact.abandon contact.withdraw contact.complete contact.hold contact.unhold offer.accept "
        "offer.reject agent.login agent.ready agent.pause agent.logout agent.update agent.wrapup_done client.away "
        "client.back config.apply subscribe list stats explain ping"
    )


async def test_what_is_sent_in_one_tick_leaves_in_one_write() -> None:
    async with fake_server() as server, client_of(server) as client:
        server.bytes_at_once.clear()
        answers = [client.send(enqueue(number)) for number in range(50)]
        await asyncio.gather(*answers)
        assert len(server.bytes_at_once) == 1


async def test_answers_keep_to_their_commands_whatever_ids_the_program_chooses() -> None:
    async with fake_server() as server, client_of(server) as client:
        named = client.send(ContactEnqueue(id="mine", contact="c-1", tenant="acme", queue="support"))
        again = client.send(ContactEnqueue(id="mine", contact="c-1", tenant="acme", queue="support"))
        numbered = client.send(ContactEnqueue(id=1, contact="c-2", tenant="acme", queue="support"))
        own = client.send(enqueue(3))
        answers = await asyncio.gather(named, again, numbered, own)
    assert [(answer.id, answer.duplicate) for answer in answers] == [
        ("mine", False),
        ("mine", True),
        (1, False),
        (1, False),
    ]


async def test_a_refusal_is_raised_with_code_number_and_sentence() -> None:
    async with fake_server() as server, client_of(server) as client:
        server.deny = Outcome.QUEUE_UNKNOWN
        with pytest.raises(Refused) as caught:
            await client.enqueue("c-1", "acme", "nowhere")
        assert (caught.value.code, caught.value.number) == ("queue_unknown", 102)
        assert "acd apply" in str(caught.value)
        server.deny = None
        await client.enqueue("c-1", "acme", "support")


async def test_a_message_longer_than_the_server_reads_is_refused_without_being_sent() -> None:
    async with fake_server() as server, client_of(server) as client:
        with pytest.raises(Refused, match="at most 65536") as caught:
            await client.update("c", attributes={"note": "x" * 70_000})
        assert caught.value.code == "line_too_long"
        await client.apply_config(Config(agents=tuple(Agent(agent=f"a-{n}") for n in range(5000))))
        assert len(server.received) == 1


async def test_no_server_is_said_at_once_with_a_deadline_of_zero(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionLost) as caught:
        async with Client("127.0.0.1", unused_tcp_port, name="pbx-1", connect_deadline_s=0):
            pytest.fail("there is no server")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_server_that_comes_late_is_waited_for(unused_tcp_port: int) -> None:
    server = FakeServer()
    client = Client("127.0.0.1", unused_tcp_port, name="pbx-1", connect_deadline_s=10)
    connecting = asyncio.ensure_future(client.connect())
    await until(lambda: client.state is ConnectionState.WAITING)
    await server.start(unused_tcp_port)
    await connecting
    await client.ping()
    await client.close()
    await server.stop()


async def test_something_that_is_no_acd_server_is_given_up() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionLost, match="no JSON"):
            await Client("127.0.0.1", port, name="pbx-1", connect_deadline_s=0.1).connect()


async def test_a_wrong_token_is_not_tried_twice() -> None:
    async with fake_server() as server:
        server.token = "right"
        with pytest.raises(Refused) as caught:
            await client_of(server, token="wrong").connect()
        assert caught.value.code == "unauthorised"
        assert len(server.hellos) == 1
        async with client_of(server, token="right") as client:
            await client.ping()


@pytest.mark.parametrize("refusal", [Outcome.UNAVAILABLE, Outcome.HELLO_MISSING])
async def test_a_server_that_cannot_serve_yet_or_did_not_wait_for_hello_is_tried_again(refusal: Outcome) -> None:
    async with fake_server() as server:
        server.refuse = refusal
        client = client_of(server)
        connecting = asyncio.ensure_future(client.connect())
        await until(lambda: len(server.hellos) >= 3)
        server.refuse = None
        await connecting
        await client.close()


async def test_unanswered_commands_are_sent_again_in_their_order() -> None:
    async with fake_server() as server, client_of(server) as client:
        server.mute = True
        answers = [client.send(enqueue(number)) for number in range(20)]
        await until(lambda: len(server.received) == 20)
        server.cut()
        await until(lambda: len(server.hellos) == 2)
        answers += [client.send(enqueue(number)) for number in range(20, 30)]
        server.mute = False
        server.cut()
        async with asyncio.timeout(patient(10)):
            await asyncio.gather(*answers)
        assert [command.contact for command in server.taken] == [f"c-{number}" for number in range(30)]  # type: ignore[attr-defined]
        assert client.unanswered == 0


async def test_a_cancelled_call_is_not_sent_again() -> None:
    async with fake_server() as server, client_of(server) as client:
        server.mute = True
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.call(enqueue(1)), 0.05)
        kept = client.send(enqueue(2))
        server.mute = False
        server.cut()
        await kept
        assert [command.contact for command in server.taken] == ["c-2"]  # type: ignore[attr-defined]


async def test_missed_events_come_after_the_reconnection_once_and_in_order() -> None:
    async with fake_server() as server, client_of(server) as client:
        await asyncio.gather(*[client.send(enqueue(number)) for number in range(5)])
        assert seqs(await take(client, 5)) == [1, 2, 3, 4, 5]
        server.cut()
        for number in range(5, 10):
            server.enqueue(enqueue(number), "pbx-1")
        assert seqs(await take(client, 5)) == [6, 7, 8, 9, 10]
        assert [hello.resume for hello in server.hellos] == [None, 5]
        assert client.seq == 10


async def test_a_client_that_saw_no_event_yet_resumes_from_where_it_connected() -> None:
    async with fake_server() as server:
        server.announce(7)
        async with client_of(server) as client:
            server.cut()
            server.enqueue(enqueue(1), "pbx-1")
            assert seqs(await take(client, 1)) == [8]
            assert [hello.resume for hello in server.hellos] == [None, 7]


async def test_a_program_can_go_on_from_its_earlier_life() -> None:
    async with fake_server() as server:
        for number in range(4):
            server.enqueue(enqueue(number), "pbx-1")
        async with client_of(server, resume=2) as client:
            assert seqs(await take(client, 2)) == [3, 4]


async def test_a_gap_is_handed_to_the_program() -> None:
    async with fake_server() as server, client_of(server) as client:
        await client.call(enqueue(0))
        await take(client, 1)
        server.cut()
        for number in range(1, 10):
            server.enqueue(enqueue(number), "pbx-1")
        server.history_first = 8
        items = await take(client, 4)
        assert items[0] == Gap(first_seq=8)
        assert seqs(items) == [8, 9, 10]


@pytest.mark.parametrize("topics", [(), ALL_TOPICS])
async def test_a_server_with_another_history_is_not_mistaken_for_repeats(topics: tuple[Topic, ...]) -> None:
    async with fake_server() as server, client_of(server) as client:
        await client.subscribe(topics)
        await asyncio.gather(*[client.send(enqueue(number)) for number in range(9)])
        await take(client, 9)
        server.forget()
        server.cut()
        await until(lambda: len(server.hellos) == 2)
        server.enqueue(enqueue(100), "pbx-1")
        items = await take(client, 2)
        assert items[0] == Gap(first_seq=1)
        assert seqs(items) == [1]


@pytest.mark.parametrize(("topics", "resumed"), [(("contact", "agent"), 3), (ALL_TOPICS, None)])
async def test_a_subscription_is_brought_back_and_its_events_are_sorted_into_ones_own(
    topics: tuple[Topic, ...], resumed: int | None
) -> None:
    async with fake_server() as server, client_of(server) as client:
        await client.subscribe(topics)
        server.announce(3)
        assert seqs(await take(client, 3)) == [1, 2, 3]
        server.cut()
        for number in range(5):
            server.announce(2)
            server.enqueue(enqueue(number), "pbx-1")
        assert seqs(await take(client, 15)) == list(range(4, 19))
        server.announce(1)
        assert seqs(await take(client, 1)) == [19]
        await client.subscribe(topics=())
        server.cut()
        await until(lambda: len(server.hellos) == 3)
        server.announce(1)
        await client.call(enqueue(99))
        assert seqs(await take(client, 1)) == [21]
        assert [hello.resume for hello in server.hellos] == [None, resumed, 19]


async def test_history_can_be_asked_for() -> None:
    async with fake_server() as server:
        server.announce(4)
        async with client_of(server) as client:
            await client.subscribe(from_seq=1)
            server.announce(1)
            assert seqs(await take(client, 4)) == [2, 3, 4, 5]


async def test_the_older_of_two_clients_with_one_name_stops_for_good() -> None:
    async with fake_server() as server:
        older = client_of(server)
        await older.connect()
        server.mute = True
        waiting = older.send(Ping())
        async with client_of(server):
            with pytest.raises(Replaced, match="pbx-1"):
                await waiting
            with pytest.raises(Replaced):
                older.send(Ping())
            with pytest.raises(Replaced):
                await take(older, 1)
            assert older.state is ConnectionState.FAILED
            assert len(server.hellos) == 2
        await older.close()


async def test_a_server_that_drains_is_left_after_its_answers_and_found_again() -> None:
    async with fake_server() as server, client_of(server) as client:
        states: list[ConnectionState] = []
        client.on_state(states.append)
        server.mute = True
        before = client.send(Ping())
        await until(lambda: len(server.received) == 1)
        server.say(Draining())
        await until(lambda: client.state is ConnectionState.DRAINING)
        after = client.send(enqueue(1))
        server.mute = False
        server.say(Ok(seq=0, id=1))
        assert (await before).id == 1
        await after
        assert len(server.hellos) == 2
        assert [type(message) for message in server.received] == [Ping, ContactEnqueue]
    assert states == [
        ConnectionState.DRAINING,
        ConnectionState.WAITING,
        ConnectionState.CONNECTING,
        ConnectionState.CONNECTED,
        ConnectionState.CLOSED,
    ]


async def test_a_command_that_came_too_late_for_a_draining_server_is_sent_again() -> None:
    async with fake_server() as server, client_of(server) as client:
        server.deny = Outcome.DRAINING
        answers = [client.send(enqueue(number)) for number in range(3)]
        await until(lambda: len(server.hellos) >= 2)
        server.deny = None
        async with asyncio.timeout(patient(10)):
            await asyncio.gather(*answers)
        assert [command.contact for command in server.taken] == ["c-0", "c-1", "c-2"]  # type: ignore[attr-defined]


async def test_answers_out_of_order_end_the_connection_and_reach_nobody() -> None:
    async with fake_server() as server, client_of(server) as client:
        server.mute = True
        answers = [client.send(enqueue(number)) for number in range(2)]
        await until(lambda: len(server.received) == 2)
        server.mute = False
        server.say(Ok(seq=77, id=2))
        async with asyncio.timeout(patient(10)):
            assert [answer.id for answer in await asyncio.gather(*answers)] == [1, 2]
        assert len(server.hellos) == 2


async def test_a_silent_server_is_left() -> None:
    async with fake_server() as server, client_of(server, heartbeat_s=0.02) as client:
        await until(lambda: len(server.received) >= 2)
        assert len(server.hellos) == 1
        server.mute = True
        await until(lambda: len(server.hellos) >= 2)
        server.mute = False
        await client.call(enqueue(1))


async def test_an_outage_beyond_the_deadline_fails_every_waiter() -> None:
    async with fake_server() as server:
        client = client_of(server, reconnect_deadline_s=0.1)
        await client.connect()
        server.mute = True
        answers = [client.send(enqueue(number)) for number in range(3)]
        await until(lambda: len(server.received) == 3)
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionLost] * 3
    assert len({id(result) for result in results}) == 3
    assert client.unanswered == 0
    with pytest.raises(ConnectionLost):
        client.send(Ping())
    with pytest.raises(ConnectionLost):
        await take(client, 1)
    assert client.state is ConnectionState.FAILED
    await client.close()


async def test_a_server_that_ends_every_connection_is_given_up_in_the_end() -> None:
    async with fake_server() as server:
        client = client_of(server, reconnect_deadline_s=0.2)
        client.on_state(lambda state: server.cut() if state is ConnectionState.CONNECTED else None)
        await client.connect()
        await until(lambda: client.state is ConnectionState.FAILED)
        await client.close()


async def test_closing_waits_for_answers_and_fails_the_rest() -> None:
    async with fake_server() as server:
        async with client_of(server) as client:
            answered = client.send(enqueue(1))
        assert (await answered).id == 1
        client = client_of(server)
        await client.connect()
        server.mute = True
        unanswered = client.send(enqueue(2))
        await client.close(0.01)
        with pytest.raises(ConnectionLost, match="closed"):
            await unanswered
        with pytest.raises(ConnectionLost, match="closed"):
            client.send(enqueue(3))
        assert [item async for item in client.events()] == []
        await until(lambda: not server.sessions)


async def test_nothing_can_be_sent_before_the_client_connects() -> None:
    with pytest.raises(ClientError, match="async with"):
        Client(name="pbx-1").send(Ping())


async def test_handlers_get_their_events_and_the_queue_the_others() -> None:
    async with fake_server() as server, client_of(server) as client:
        handled: list[Event] = []
        client.on(ContactQueued, handled.append)
        await client.subscribe()
        await client.call(enqueue(1))
        server.announce(1)
        [other] = await take(client, 1)
        assert isinstance(other, AgentUpdated)
        assert seqs([*handled]) == [1]
        everything: list[Event] = []
        client.on(Event, everything.append)
        server.announce(1)
        await client.call(enqueue(2))
        assert [type(event) for event in everything] == [AgentUpdated]
        assert client.events_waiting == 0


async def test_a_failing_handler_is_reported_and_breaks_nothing() -> None:
    reports: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))

    def fail(event: ContactQueued) -> None:
        raise KeyError(event.contact)

    async with fake_server() as server, client_of(server) as client:
        client.on(ContactQueued, fail)
        await client.call(enqueue(1))
        await client.call(enqueue(2))
        await until(lambda: len(reports) == 2)
        assert len(server.hellos) == 1
    assert isinstance(reports[0]["exception"], KeyError)


async def test_a_slow_consumer_stops_the_reading_and_loses_nothing() -> None:
    async with fake_server() as server, client_of(server, events_max=100) as client:
        await client.subscribe()
        server.announce(60_000)
        received: list[int] = []
        most_waiting = 0
        async for event in client.events():
            assert isinstance(event, Event)
            received.append(event.seq)
            most_waiting = max(most_waiting, client.events_waiting)
            if len(received) % 1000 == 0:
                await asyncio.sleep(0)
            if len(received) == 60_000:
                break
        assert received == list(range(1, 60_001))
        assert most_waiting < 10_100


async def test_a_consumer_may_call_while_its_queue_is_full() -> None:
    async with fake_server() as server, client_of(server, events_max=5) as client:
        await client.subscribe()
        server.announce(500)
        await until(lambda: client.events_waiting >= 5)
        received = 0
        async with asyncio.timeout(patient(20)):
            async for _ in client.events():
                received += 1
                await client.ping()
                if received == 500:
                    break


async def test_events_beyond_all_bounds_become_a_gap() -> None:
    async with fake_server() as server, client_of(server, events_max=10) as client:
        await client.subscribe()
        server.mute = True
        waiting = client.send(Ping())
        await until(lambda: len(server.received) == 2)
        server.announce(25_000)
        await until(lambda: client.seq == 25_000)
        assert client.events_waiting < 10_100
        first, second = await take(client, 2)
        assert isinstance(first, Gap)
        assert seqs([second]) == [first.first_seq]
        waiting.cancel()


async def test_a_program_that_wants_no_queue_has_none() -> None:
    async with fake_server() as server, client_of(server, events_max=0) as client:
        await asyncio.gather(*[client.send(enqueue(number)) for number in range(10)])
        await until(lambda: client.seq == 10)
        assert client.events_waiting == 0


async def test_a_program_that_sends_only_is_never_stopped_by_events_nobody_takes() -> None:
    async with fake_server() as server, client_of(server, events_max=5) as client:
        for number in range(50):
            await client.call(enqueue(number))
        assert len(server.taken) == 50


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_connections_cut_anywhere_lose_and_double_nothing(
    new_loop: Callable[[], asyncio.AbstractEventLoop], seed: int
) -> None:
    contacts = 400

    async def story() -> None:
        rng = random.Random(seed)
        async with fake_server() as server, CuttingProxy(server.port, rng, cuts=12, bytes_max=60_000) as proxy:
            client = Client("127.0.0.1", proxy.port, name="pbx-1", connect_deadline_s=20, rng=random.Random(seed))
            async with asyncio.timeout(patient(30)), client:
                await client.call(Subscribe())
                answers = []
                for number in range(contacts):
                    answers.append(client.send(enqueue(number)))
                    if number % 5 == 0:
                        answers.append(client.send(ContactAbandon(contact=f"c-{number}")))
                        server.announce()
                    if rng.random() < 0.2:
                        await asyncio.sleep(rng.random() * 0.004)
                await asyncio.gather(*answers)
                server.announce()
                events = await take(client, server.seq)
            enqueued = [command.contact for command in server.taken if isinstance(command, ContactEnqueue)]
            assert enqueued == [f"c-{number}" for number in range(contacts)]
            assert seqs(events) == list(range(1, server.seq + 1))
            assert len(server.hellos) > 1

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


@pytest.mark.parametrize(("seed", "topics"), [(1, ALL_TOPICS), (2, ALL_TOPICS), (3, ("agent", "offer"))])
async def test_a_real_server_loses_and_doubles_nothing_either(
    tmp_path: Path, seed: int, topics: tuple[Topic, ...]
) -> None:
    contacts, most_waiting = 3000, 50
    rng = random.Random(seed)
    configuration = str(ROOT / "examples" / "first.toml")
    async with (
        ServerProcess(tmp_path / "data", "--config", configuration, "--json") as server,
        CuttingProxy(server.port, rng, cuts=8, bytes_max=1_500_000) as proxy,
        Client("127.0.0.1", proxy.port, name="pbx-1", rng=rng) as client,
    ):
        assert client.welcome is not None
        first = client.welcome.seq
        states: list[ConnectionState] = []
        client.on_state(states.append)
        await client.subscribe(topics)
        answers = []
        for number in range(contacts):
            answers.append(client.send(enqueue(number)))
            if number >= most_waiting:
                answers.append(client.send(ContactAbandon(contact=f"c-{number - most_waiting}")))
            if number % 100 == 0:
                await asyncio.sleep(0)
        last = max(answer.seq for answer in await asyncio.gather(*answers))
        assert last == first + len(answers)
        assert seqs(await take(client, len(answers))) == list(range(first + 1, last + 1))
        [queue] = (await client.stats())["queues"]
        assert (queue["entered"], queue["waiting"]) == (contacts, most_waiting)
        assert ConnectionState.WAITING in states


async def test_no_more_is_on_its_way_than_the_server_gives_credit_for() -> None:
    async with fake_server() as server:
        server.credit = 3
        async with client_of(server) as client:
            server.mute = True
            answers = [client.send(enqueue(number)) for number in range(10)]
            await until(lambda: len(server.received) == 3)
            answers[5].cancel()  # it has not left yet, so it never will
            await asyncio.sleep(0.05)
            assert len(server.received) == 3
            assert client.unanswered == 10
            server.mute = False
            server.cut()  # the next connection answers
            await asyncio.gather(*answers, return_exceptions=True)
            assert [command.contact for command in server.taken] == [  # type: ignore[attr-defined]
                enqueue(number).contact for number in range(10) if number != 5
            ]
