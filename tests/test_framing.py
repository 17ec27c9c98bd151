import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd_core.commands import Command, ConfigApply, ContactEnqueue
from acd_core.config import Agent, Config
from acd_core.refusals import SENTENCES, Outcome
from acd_protocol.framing import LineReader, decode_from_client, decode_from_server, encode, error
from acd_protocol.line_cutter import HEAD_BYTES
from acd_protocol.messages import CONFIG_LINE_BYTES_MAX, LINE_BYTES_MAX, Error, Ok, Ping, Request

CONFIG_START = b'{"type":"config.apply"'


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


def read_all(reader: LineReader, pieces: list[bytes]) -> list[bytes]:
    return [line for piece in pieces for line in reader.feed(piece)]


# Lines


def test_lines_are_the_same_wherever_the_stream_is_split() -> None:
    stream = b'{"type":"ping","id":1}\n\r\n\n{"type":"ping","id":2}\r\n \n{"a":"\xc3\xa9"}\n{"type":"pi'
    expected = [b'{"type":"ping","id":1}', b'{"type":"ping","id":2}', b" ", b'{"a":"\xc3\xa9"}']
    for first in range(len(stream) + 1):
        for second in (first, (first + 3) % len(stream), len(stream) // 2):
            reader = LineReader()
            assert read_all(reader, cut(stream, [first, second])) == expected
            assert reader.pending == len(b'{"type":"pi')
            assert reader.error is None


@given(
    st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b""))),
    st.lists(st.integers(0, 10_000), max_size=20),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_any_lines_survive_any_split(lines: list[bytes], places: list[int], end: bytes) -> None:
    stream = b"".join(line + end for line in lines)
    assert read_all(LineReader(), cut(stream, places)) == [line for line in lines if line]


@given(st.binary(max_size=200), st.integers(1, 20), st.lists(st.integers(0, 10_000), max_size=8))
def test_too_long_is_seen_alike_however_the_stream_is_split(data: bytes, limit: int, places: list[int]) -> None:
    whole, split = LineReader(limit), LineReader(limit)
    assert whole.feed(data) == read_all(split, cut(data, places))
    assert whole.error == split.error
    longest = max(len(line) for line in data.split(b"\n"))
    assert (whole.error is not None) is (longest > limit)
    assert split.pending <= limit


def test_a_line_of_just_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert LineReader().feed(b"x" * LINE_BYTES_MAX + b"\n") == [b"x" * LINE_BYTES_MAX]
    reader = LineReader()
    assert reader.feed(b"before\n" + b"x" * (LINE_BYTES_MAX + 1)) == [b"before"]
    assert reader.error is not None
    assert (reader.error.code, reader.error.number) == ("line_too_long", 504)
    assert "65536" in reader.error.message
    assert reader.pending == 0
    assert reader.feed(b"after\n") == []


def test_an_endless_line_is_refused_at_its_limit_and_kept_no_longer() -> None:
    reader = LineReader()
    fed = 0
    while reader.error is None:
        reader.feed(b"[" * 1000)
        fed += 1000
        assert reader.pending <= LINE_BYTES_MAX
    assert fed <= LINE_BYTES_MAX + 1000
    for _ in range(100):
        assert reader.feed(b"[" * 1000) == []
    assert reader.pending == 0


@pytest.mark.parametrize("start", [CONFIG_START, b' { "type" : "config.apply"', b'\t{"type":\t"config.apply"'])
def test_a_configuration_may_be_longer_where_that_is_allowed(start: bytes) -> None:
    line = start + b" " * 200_000 + b"}"
    for piece_size in (1000, 65_536, 300_000):
        pieces = [(line + b"\n")[at : at + piece_size] for at in range(0, len(line) + 1, piece_size)]
        reader = LineReader(config_max_line=CONFIG_LINE_BYTES_MAX)
        assert read_all(reader, pieces) == [line]
        assert read_all(reader, pieces) == [line]
        forbidden = LineReader()
        assert read_all(forbidden, pieces) == []
        assert forbidden.error is not None


@pytest.mark.parametrize(
    "start", [b'{"type":"ping"', b'{"id":1,"type":"config.apply"', b'{"type":"config.applyx"', b"x"]
)
def test_other_lines_may_not_be_longer(start: bytes) -> None:
    reader = LineReader(config_max_line=CONFIG_LINE_BYTES_MAX)
    reader.feed(start + b" " * 70_000)
    assert reader.error is not None


@pytest.mark.parametrize("blanks", [0, 100, 110, 127, 128, 200])
def test_whether_a_line_is_a_configuration_does_not_depend_on_its_pieces(blanks: int) -> None:
    line = b" " * blanks + CONFIG_START + b" " * 200 + b"}\n"
    told = set()
    for first in range(1, len(line)):
        reader = LineReader(max_line=HEAD_BYTES, config_max_line=1000)
        told.add(len(read_all(reader, [line[:first], line[first:]])))
    assert len(told) == 1


def test_a_configuration_has_a_limit_too() -> None:
    reader = LineReader(config_max_line=100_000)
    reader.feed(CONFIG_START + b" " * 90_000)
    assert reader.error is None
    reader.feed(b" " * 20_000)
    assert reader.error is not None
    assert "100000" in reader.error.message


def test_ten_megabytes_arrive_in_small_pieces() -> None:
    line = CONFIG_START + b" " * 10_000_000 + b"}"
    reader = LineReader(config_max_line=CONFIG_LINE_BYTES_MAX)
    lines = []
    for at in range(0, len(line), 4096):
        lines += reader.feed(line[at : at + 4096])
    assert lines == []
    assert reader.feed(b"\n") == [line]
    assert reader.pending == 0


def test_a_line_arrives_byte_by_byte() -> None:
    line = b"x" * LINE_BYTES_MAX
    reader = LineReader()
    for at in range(len(line)):
        assert reader.feed(line[at : at + 1]) == []
    assert reader.feed(b"\n") == [line]


# Messages


def refused(line: bytes) -> Error:
    answer = decode_from_client(line)
    assert isinstance(answer, Error)
    assert len(answer.message) < 600
    encode(answer)
    return answer


ENQUEUE = b'{"type":"contact.enqueue","id":7,"contact":"c","tenant":"acme","queue":"support"'


def test_a_command_is_read() -> None:
    assert decode_from_client(ENQUEUE + b',"priority":5}') == ContactEnqueue(
        id=7, contact="c", tenant="acme", queue="support", priority=5
    )


@pytest.mark.parametrize(
    ("line", "code", "request_id", "said"),
    [
        (b'{"type":"contact.enqeue","id":7}', "type_unknown", 7, "'contact.enqeue'; did you mean 'contact.enqueue'?"),
        (b'{"type":"zzzzzz","id":"a"}', "type_unknown", "a", "'zzzzzz'; the protocol page lists all"),
        (b'{"id":7,"type":3}', "malformed", 7, "no 'type'"),
        (b'{"id":7}', "malformed", 7, "no 'type'"),
        (b"{}", "malformed", None, "no 'type'"),
        (b"[1]", "malformed", None, "not a JSON object"),
        (b"3", "malformed", None, "not a JSON object"),
        (b"", "malformed", None, "ends at byte 0"),
        (b"GET / HTTP/1.1", "malformed", None, "byte 0"),
        (b'{"type":"ping" "id":7}', "malformed", None, "byte 15"),
        (b'{"type":"ping","id":7', "malformed", None, "ends at byte 21"),
        (b'{"type":"ping","id":7}x', "malformed", None, "byte 23"),
        (
            ENQUEUE + b',"prioritty":5}',
            "malformed",
            7,
            "contact.enqueue: there is no field 'prioritty'; did you mean 'p",
        ),
        (b'{"type":"contact.enqueue","id":7,"contact":"c"}', "malformed", 7, "the field 'tenant' is missing"),
        (ENQUEUE + b',"priority":"5"}', "malformed", 7, "contact.enqueue: priority: expected `int`, got `str`"),
        (ENQUEUE + b',"priority":101}', "value_invalid", 7, "contact.enqueue: priority: expected `int` <= 100"),
        (ENQUEUE + b',"attributes":{"a":[]}}', "malformed", 7, "contact.enqueue: attributes[...]: expected"),
        (ENQUEUE + b',"attributes":{"":1}}', "value_invalid", 7, "a key of attributes: expected `str` of length >= 1"),
        (ENQUEUE + b',"attributes":{"a":' + b"9" * 30 + b"}}", "value_invalid", 7, "attributes"),
        (ENQUEUE[:-9] + b'"a b"}', "value_invalid", 7, "contact.enqueue: queue: a name has 1..64 characters"),
        (
            b'{"type":"list","what":"calls","id":7}',
            "value_invalid",
            7,
            "what: expected one of agents, config, contacts, queues",
        ),
        (
            b'{"type":"config.apply","id":7,"config":{"queues":[{"tenant":"a","name":"b","wait":1}]}}',
            "malformed",
            7,
            "config.queues[0]: there is no field 'wait'",
        ),
        (b'{"type":"ping","id":-1}', "value_invalid", None, "ping: id: expected `int` >= 0"),
        (b'{"type":"ping","id":{}}', "malformed", None, "ping: id: expected"),
        (
            b'{"type":"ping","id":"' + b"x" * 65 + b'"}',
            "value_invalid",
            None,
            "ping: id: expected `str` of length <= 64",
        ),
        (b'{"type":"pi\xff","id":7}', "malformed", 7, "not UTF-8 at byte 11"),
        (b'{"type":"ping","id":"\xed\xa0\x80"}', "malformed", None, "not UTF-8 at byte 21"),
        (b'{"type":"ping","id":"\\ud800"}', "malformed", None, "no JSON"),
        (b'{"type":"ping","id":"\\udc00 and so on"}', "malformed", None, "surrogate"),
        (b'{"type":"ping"}\x00', "malformed", None, "byte 16"),
        (b'{"type":"ping","id":"a\x00b"}', "malformed", None, "byte 22"),
        (b"\x00" * 100, "malformed", None, "byte 0"),
        (b"[" * 50_000, "malformed", None, "not a JSON object"),
        (b'{"a":' * 12_000, "malformed", None, "nested too deeply"),
        (ENQUEUE + b',"attributes":' + b"[" * 50_000, "malformed", None, "nested too deeply"),
        (b'{"type":"ping","id":' + b"[" * 500 + b"]" * 500 + b"}", "malformed", None, "ping: id"),
        (b'{"type":"ping","' + b"y" * 60_000 + b'":1,"id":7}', "malformed", 7, "yyy…'"),
        (b'{"type":"' + b"y" * 60_000 + b'","id":7}', "type_unknown", 7, "yyy…'"),
        (b'{"type":"list","id":7,"what":"' + b"y" * 60_000 + b'"}', "value_invalid", 7, "expected one of"),
        (b'{"type":"ping","id":7,"` - at `$.type":1}', "malformed", 7, "there is no field"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_cannot_be_read_is_answered_with_the_place_and_the_id(
    line: bytes, code: str, request_id: int | str | None, said: str
) -> None:
    answer = refused(line)
    assert (answer.code, answer.id) == (code, request_id)
    assert said in answer.message
    assert answer.number == Outcome[code.upper()]


@given(st.binary(max_size=300))
def test_no_bytes_raise(line: bytes) -> None:
    assert isinstance(decode_from_client(line.replace(b"\n", b"")), Command | Request | Error)


def test_garbage_around_real_messages_raises_nothing() -> None:
    rng = random.Random(7)
    seeds = [encode(Ping(id=3)), ENQUEUE + b"}", encode(ConfigApply(config=Config(agents=(Agent(agent="a"),))))]
    for _ in range(3000):
        line = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(line))
            line[at : at + rng.randrange(3)] = rng.choice([b"\x00", b"\xff", b'"', b"[", b"\\u", b"{}", b"1e999", b""])
        decode_from_client(bytes(line))


def test_a_message_of_a_newer_server_is_passed_over() -> None:
    assert decode_from_server(b'{"type":"contact.beamed","seq":3,"at":5}') is None
    assert decode_from_server(b'{"type":"ok","seq":3,"id":1,"mood":"fine"}') == Ok(seq=3, id=1)


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b'{"type":"ok"}', b'{"type":"ok","seq":"\xff"}', b"[" * 9999]
)
def test_what_no_server_would_send_raises_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="the server sent"):
        decode_from_server(line)


def test_an_error_has_the_sentence_of_its_outcome_unless_told_better() -> None:
    assert error(Outcome.DRAINING) == Error(code="draining", number=602, message=SENTENCES[Outcome.DRAINING])
    assert error(Outcome.DRAINING, "soon", "a") == Error(code="draining", number=602, message="soon", id="a")


def test_what_json_does_not_have_cannot_be_encoded() -> None:
    with pytest.raises(TypeError):
        encode(Ok(seq=1, result=object()))
