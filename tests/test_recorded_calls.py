"""The reader of recorded calls: what a row means, what is wrong with a bad one, and the profile of the real month."""

import gzip
from pathlib import Path
from statistics import fmean, median

import pytest

from acd_sim.recorded_calls import RecordedCall, RecordError, read
from tests.support.recorded import CALLS_FILE, needs_month, row, text


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "calls.csv"
    path.write_text(content)
    return path


def only_call(tmp_path: Path, **changes: str) -> RecordedCall:
    record = read(written(tmp_path, text(row(**changes))))
    assert record.bad == ()
    (call,) = record.calls
    return call


def problem(tmp_path: Path, line: str) -> str:
    record = read(written(tmp_path, text(row(), line)))
    (bad,) = record.bad
    assert len(record.calls) == 1, "the good row before the bad one is read"
    assert bad.row == 3
    return bad.problem


def test_a_served_call_seeks_an_agent_when_it_enters_the_queue(tmp_path: Path) -> None:
    call = only_call(tmp_path)
    assert (call.start_s, call.wait_s, call.service_s) == (36_010, 30, 100)
    assert (call.outcome, call.queued, call.server, call.type, call.high_priority) == (
        "served",
        True,
        "ann",
        "PS",
        False,
    )
    assert call.row == 2


def test_a_call_that_never_queued_seeks_an_agent_when_it_is_answered(tmp_path: Path) -> None:
    call = only_call(tmp_path, queue_start_s="", queue_time_s="0", service_start_s="36012")
    assert (call.start_s, call.wait_s, call.queued) == (36_012, 0, False)


def test_without_either_time_it_is_the_end_of_the_voice_menu(tmp_path: Path) -> None:
    assert only_call(tmp_path, queue_start_s="", service_start_s="").start_s == 36_010


def test_a_negative_time_in_the_menu_does_not_matter_to_a_call_that_queued(tmp_path: Path) -> None:
    assert only_call(tmp_path, vru_time_s="-87").start_s == 36_010


def test_a_caller_who_gave_up_has_his_wait_as_patience(tmp_path: Path) -> None:
    call = only_call(tmp_path, outcome="HANG", priority="2", service_start_s="", service_time_s="0", server="")
    assert (call.outcome, call.wait_s, call.service_s, call.high_priority) == ("abandoned", 30, 0, True)


def test_every_row_is_counted_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        text(
            row(), row(outcome="PHANTOM"), row(outcome="HANG", queue_start_s=""), row(outcome="?"), row(outcome="HANG")
        ),
    )
    record = read(path)
    assert (len(record.calls), record.phantom, record.left_in_vru, len(record.bad)) == (2, 1, 1, 1)
    assert record.rows == 5


def test_calls_come_by_day_and_time_whatever_their_order_in_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path, text(row(date="1999-08-02", queue_start_s="5"), row(queue_start_s="90"), row(queue_start_s="80"))
    )
    assert [call.row for call in read(path).calls] == [4, 3, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcome": "LOST"}, "outcome is 'LOST'"),
        ({"queue_start_s": "soon"}, "queue_start_s is 'soon'"),
        ({"queue_start_s": "999999"}, "queue_start_s is '999999'"),
        ({"queue_time_s": ""}, "queue_time_s is empty"),
        ({"queue_time_s": "-1"}, "queue_time_s is '-1'"),
        ({"service_time_s": "١٢"}, "service_time_s is '١٢'"),
        ({"queue_start_s": "", "service_start_s": "", "vru_time_s": "-5"}, "vru_time_s is '-5'"),
        ({"date": "31.08.1999"}, "date is '31.08.1999'"),
        ({"type": "a b"}, "type is 'a b'"),
        ({"type": ""}, "type is ''"),
        ({"priority": "9"}, "priority is '9'"),
        ({"server": "x" * 61}, "server has more than 60 characters"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    assert words in problem(tmp_path, row(**changes))


def test_a_row_of_the_wrong_length_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path, "a,b,c") == "3 fields where the heading has 13"


def test_a_line_that_is_no_csv_is_named_and_reading_goes_on(tmp_path: Path) -> None:
    path = written(tmp_path, text(row(), "x" * 200_000, row()))
    record = read(path)
    assert len(record.calls) == 2
    assert str(record.bad[0]).startswith("line 3: not a line of CSV")


def test_columns_may_stand_in_any_order_and_others_are_ignored(tmp_path: Path) -> None:
    lines = text(row()).splitlines()
    turned = "\n".join(",".join(["more", *reversed(line.split(","))]) for line in lines)
    assert len(read(written(tmp_path, turned)).calls) == 1


def test_a_gzipped_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_bytes(gzip.compress(text(row()).encode()))
    assert len(read(path).calls) == 1


def test_a_damaged_gzip_file_gives_what_came_before_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv.gz"
    whole = gzip.compress(
        text(*(row(call_id=str(number), server=f"s{number * 7919 % 997}") for number in range(5000))).encode()
    )
    path.write_bytes(whole[: len(whole) // 2])
    record = read(path)
    assert record.calls
    assert "damaged from here on" in record.bad[-1].problem


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "is empty"), ("a,b\n1,2\n", "its heading lacks line, call_id")],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        read(written(tmp_path, content))


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(RecordError, match="directory"):
        read(tmp_path)


@needs_month
def test_the_real_month_has_its_known_profile() -> None:
    record = read(CALLS_FILE)
    served = [call for call in record.calls if call.outcome == "served"]
    gave_up = [call for call in record.calls if call.outcome == "abandoned"]
    assert record.rows == 42_078
    assert record.bad == ()
    assert len(served) == 31_402
    assert len(gave_up) == 7_309
    assert len(gave_up) + record.left_in_vru == 10_366
    assert record.phantom == 310
    # All phantoms of this month had reached the queue.
    assert sum(call.queued for call in record.calls) + record.phantom == 26_011
    assert round(fmean(call.service_s for call in served), 1) == 184.4
    assert median(call.service_s for call in served) == 110
