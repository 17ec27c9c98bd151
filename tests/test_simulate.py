"""`acd simulate`: what it prints and writes, and how it refuses."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from acd_sim.planner.alternatives import alternatives_of, play
from acd_sim.planner.page import page_of
from acd_sim.planner.pictures import pictures_of
from acd_sim.planner.summary import Cell, Report, clock, report_of
from acd_sim.planner.tables import bar
from acd_sim.planner.words import shown
from server.__main__ import main
from tests.support.wait import patient

ROOT = Path(__file__).parent.parent
FIRST = str(ROOT / "examples" / "scenarios" / "first.toml")
ONE = ("--processes", "1")


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(["simulate", *arguments]) == status
    out, err = capsys.readouterr()
    return out if status == 0 else err


def report_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, *arguments, "--json"))


def figure(summary: Any, measure: str) -> float:
    (row,) = [row for row in summary["rows"] if row["measure"] == measure]
    return float(row["total"]["mean"])


def test_a_scenario_is_played_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, FIRST, "--replications", "4", *ONE)
    assert "A support line from nine to five" in out
    assert "service level" in out
    assert "09:00" in out
    assert "4 replications, seed 1" in out


def test_json_has_every_figure_with_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    (summary,) = report_json(capsys, FIRST, "--replications", "6", "--seed", "4", *ONE)["alternatives"]
    assert summary["replications"] == summary["asked"] == 6
    assert summary["seed"] == 4
    assert 880 < figure(summary, "offered") < 1060
    assert 0.6 < figure(summary, "service_level") < 0.95
    assert figure(summary, "agent_hours") == pytest.approx(96, rel=0.03)
    assert figure(summary, "cost") == pytest.approx(2400, rel=0.03)
    assert all(row["total"]["half_width"] is not None for row in summary["rows"])
    assert sum(interval["total"]["offered"]["mean"] for interval in summary["intervals"]) == pytest.approx(
        figure(summary, "offered")
    )
    assert len(summary["agents"]) == 12


def test_equal_seeds_give_equal_reports(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (FIRST, "--replications", "3", "--seed", "8")
    one, two = (report_json(capsys, *arguments, "--processes", count)["alternatives"][0] for count in "12")
    assert one["rows"] == two["rows"]
    assert one["agents"] == two["agents"]


def test_a_sweep_gives_an_alternative_for_each_value(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_json(capsys, FIRST, "--sweep", "teams.front.count=10,14", "--replications", "4", *ONE)
    few, many = report["alternatives"]
    assert (few["label"], many["label"]) == ("front.count = 10", "front.count = 14")
    assert figure(few, "offered") == figure(many, "offered")
    (level,) = [found for found in report["differences"] if found["measure"] == "service_level"]
    assert level["difference"]["mean"] > level["difference"]["half_width"] > 0
    assert level["better"] is True
    product = report_json(
        capsys, FIRST, "--sweep", "teams.front.count=11,12", "--sweep", "queues.acme/support.strategy=linear,longest_idle",
        "--replications", "2", *ONE,
    )  # fmt: skip
    assert len(product["alternatives"]) == 4


def test_files_are_compared_by_their_differences(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "faster.toml"
    other.write_text(Path(FIRST).read_text().replace("mean_s = 300", "mean_s = 270"))
    report = report_json(capsys, FIRST, "--compare", str(other), "--replications", "4", *ONE)
    assert [summary["label"] for summary in report["alternatives"]] == ["first", "faster"]
    handle = next(found for found in report["differences"] if found["measure"] == "abandonment")
    assert handle["difference"]["mean"] < 0
    assert handle["better"] is True


def test_pages_pictures_and_tables_are_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page, tables, plots = tmp_path / "r.html", tmp_path / "csv", tmp_path / "png"
    out = run(
        capsys, FIRST, "--sweep", "teams.front.count=11,13", "--replications", "3", *ONE,
        "--report", str(page), "--csv", str(tables), "--png", str(plots),
    )  # fmt: skip
    assert f"written: {page}" in out
    with (tables / "summary.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    levels = [float(row["mean"]) for row in rows if row["measure"] == "service_level" and not row["kind"]]
    assert len(levels) == 2
    assert levels[0] < levels[1]
    assert {path.name for path in tables.iterdir()} == {
        "summary.csv", "intervals.csv", "waits.csv", "agents.csv", "differences.csv",
    }  # fmt: skip
    assert (plots / "service-level.png").read_bytes().startswith(b"\x89PNG")
    assert (plots / "sweep.png").exists()


class Tags(HTMLParser):
    """Checks that tags close in order, and gathers what the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.drawings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawings += tag == "svg"
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def played(*sweeps: str, replications: int = 3) -> Report:
    return report_of(play(alternatives_of(Path(FIRST), [], sweeps), replications=replications, processes=1))


def test_a_page_stands_alone_and_is_well_formed() -> None:
    page = page_of(played("teams.front.count=11,13"))
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.drawings >= 6
    assert all(target.startswith("#") for target in tags.loads)
    assert "What is different" in page


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    text = Path(FIRST).read_text().replace("A support line from nine to five", "<script>x</script>")
    path = tmp_path / "x.toml"
    path.write_text(text.replace('name = "calls"', 'name = "<b>$x_1^2$</b>"'))
    page = page_of(report_of(play(alternatives_of(path, [], []), replications=2, processes=1)))
    assert "<script>" not in page
    assert "<b>$" not in page


def test_each_picture_tells_something_of_its_own() -> None:
    names = [picture.name for picture in pictures_of(played())]
    assert names == ["service-level", "load", "waits", "abandonment", "occupancy"]
    assert "money" in [picture.name for picture in pictures_of(played("teams.front.cost=20,30"))]


def test_bands_of_shares_stay_between_nothing_and_all() -> None:
    tall = 0
    for picture in pictures_of(played()):
        if picture.name in {"service-level", "abandonment"}:
            for band in picture.figure.axes[0].collections:
                heights = band.get_paths()[0].vertices[:, 1]
                assert 0 <= heights.min() <= heights.max() <= 1
                tall += heights.max() == 1 or heights.min() == 0
    assert tall, "none of them would have left the picture"


REFUSED = [
    (("no.toml",), "no.toml cannot be read"),
    ((FIRST, "--sweep", "teams.front.count"), "is no sweep"),
    ((FIRST, "--sweep", "teams.back.count=3"), "there is no entry 'back'"),
    ((FIRST, "--sweep", "teams.front.count=-1"), "with teams.front.count=-1: first.toml:"),
    ((FIRST, "--compare", FIRST), "two alternatives are called 'first'"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_what_cannot_be_played_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    err = run(capsys, *arguments, status=2)
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--replications", "0"), ("--seed", "-1"), ("--processes", "two")])
def test_wrong_numbers_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", FIRST, *arguments])
    assert stopped.value.code == 2


def test_a_report_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    err = run(capsys, FIRST, "--replications", "1", *ONE, "--report", str(tmp_path / "no" / "r.html"), status=1)
    assert "cannot be written" in err


def test_ctrl_c_gives_a_partial_report(tmp_path: Path) -> None:
    tables = tmp_path / "csv"
    command = [
        sys.executable,
        "-m",
        "server",
        "simulate",
        FIRST,
        "--replications",
        "90000",
        "--json",
        "--csv",
        str(tables),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        give_up = time.monotonic() + 60
        while _cpu_s(process.pid) < 3:  # by then some of its replications are done
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=patient(60))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, err
    (summary,) = json.loads(out)["alternatives"]
    assert summary["interrupted"] is True
    assert 0 < summary["replications"] < 90000
    assert (tables / "summary.csv").exists()


def _cpu_s(leader: int) -> float:
    """Processor seconds of a session's processes."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def test_figures_are_written_with_the_digits_that_they_have() -> None:
    assert shown(Cell(0.80312, 0.0123), "%") == "80.3 % ± 1.2"
    assert shown(Cell(12.3456, 0.034), "s") == "12.35 s ± 0.03"
    assert shown(Cell(2422.3, 5.4), "") == "2,422 ± 5"
    assert shown(Cell(0.0312, 0.002), "%", signed=True) == "+3.1 points ± 0.2"
    assert shown(Cell(None, None), "s") == "–"
    assert shown(Cell(0.0, None), "") == "0"
    assert clock(26.5 * 3600) == "day 2 02:30"
    assert bar(0.5, 4) == "██"
    assert bar(1.0, 4) == "████"
    assert len(bar(0.99, 4)) == 4
