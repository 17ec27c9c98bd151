"""The payload that is written command by command is byte for byte the one that MessagePack's own encoder writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd_protocol.journal_records import Tick, encode_ticks
from server.batch_text import BatchText

TICKS = st.lists(
    st.tuples(
        st.integers(0, 2**63 - 1) | st.sampled_from([2**bits + more for bits in (7, 8, 16, 32) for more in (-1, 0)]),
        st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=300)), max_size=20),
    ),
    max_size=20,
)


def payload_of(batch: BatchText, ticks: list[Tick]) -> bytes:
    for time_ns, lines in ticks:
        for client, line in lines:
            batch.add_line(client, line)
        assert batch.close_tick(time_ns) == len(lines)
    return batch.take()


@given(first=TICKS, second=TICKS)
def test_payload_is_that_of_the_encoder(first: list[Tick], second: list[Tick]) -> None:
    batch = BatchText()
    assert payload_of(batch, first) == encode_ticks(first)
    assert payload_of(batch, second) == encode_ticks(second)


@pytest.mark.parametrize("length", [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536])
def test_every_length_of_lists_names_and_lines(length: int) -> None:
    ticks: list[Tick] = [(1, [("é" * length, b"x" * length)] * min(length, 3)), (2, [("pbx", b"{}")] * length)]
    assert payload_of(BatchText(), ticks) == encode_ticks(ticks)
    many: list[Tick] = [(number, []) for number in range(length)]
    assert payload_of(BatchText(), many) == encode_ticks(many)


def test_batch_tells_what_it_holds() -> None:
    batch = BatchText()
    batch.add_line("pbx", b"12345")
    assert (batch.ticks, batch.commands, batch.line_bytes) == (0, 0, 5)
    batch.close_tick(7)
    batch.add_line("pbx", b"678")
    batch.close_tick(9)
    assert (batch.ticks, batch.commands, batch.line_bytes, batch.time_ns) == (2, 2, 8, 9)
    batch.take()
    assert (batch.ticks, batch.commands, batch.line_bytes) == (0, 0, 0)
