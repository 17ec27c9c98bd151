"""Entries that clients cause: the first is written, the others are counted."""

import logging

import pytest

from server import seldom
from server.seldom import Seldom


def test_repeated_entries_are_counted_and_told_with_the_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0
    monkeypatch.setattr(seldom, "monotonic_ns", lambda: now)
    kind, other = Seldom(), Seldom()
    for number in range(1000):
        kind.note(logging.WARNING, "refused", client=f"c-{number}")
    other.note(logging.WARNING, "cut off", client="x")
    now = seldom.PERIOD_S * 10**9
    kind.note(logging.WARNING, "refused", client="later")
    fields = [(record.message, getattr(record, "fields", None)) for record in caplog.records]
    assert fields == [
        ("refused", {"client": "c-0"}),
        ("cut off", {"client": "x"}),
        ("refused", {"client": "later", "left_out": 999}),
    ]
