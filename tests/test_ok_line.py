"""Answers that are written in C are byte for byte those of msgspec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd_core.commands import RequestId
from acd_core.views import Estimate, in_seconds
from acd_protocol.framing import encode
from acd_protocol.messages import Ok
from server.ok_line import ok_line

SEQS = st.integers(0, 2**63 - 1)
IDS = st.none() | st.integers(0, 2**53 - 1) | st.text(max_size=64) | st.text("abc-./~ {}", max_size=64)


ESTIMATES = st.none() | st.builds(
    Estimate, mean_ms=st.just(0), p50_ms=st.integers(0, 10**12), p90_ms=st.integers(0, 10**12)
)


@given(seq=SEQS, request_id=IDS, duplicate=st.booleans(), position=st.integers(0, 2**40), estimate=ESTIMATES)
def test_line_is_that_of_msgspec(
    seq: int, request_id: RequestId, duplicate: bool, position: int, estimate: Estimate | None
) -> None:
    wait = in_seconds(estimate)
    said = Ok(seq=seq, id=request_id, duplicate=duplicate, position=position, wait_estimate=wait)
    assert ok_line(seq, request_id, duplicate, position, estimate) == encode(said)


@pytest.mark.parametrize("number", [0, 1, 9, 10, 99, 100, 2**31, 2**53 - 1, 2**63 - 1])
def test_every_length_of_numbers(number: int) -> None:
    expected = encode(Ok(seq=number, id=number, position=number))
    assert ok_line(number, number, False, number) == expected


@pytest.mark.parametrize("given_id", ["", '"', "\\", "\n", "\x7f", "é", "語", "x" * 65, -1, 2**63, 1.5, True])
def test_any_id_is_given_back(given_id: RequestId) -> None:
    assert ok_line(7, given_id, True, 0) == encode(Ok(seq=7, id=given_id, duplicate=True))
