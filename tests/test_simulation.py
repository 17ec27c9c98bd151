"""The whole server on made-up time, network and disk: what holds, that a seed replays, and that broken servers are found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import sabotage
from tests.simulation.kept import KEPT
from tests.simulation.run import simulate
from tests.simulation.sabotage import SABOTAGES, Sabotage

ROOT = Path(__file__).resolve().parent.parent
SEEDS_UNTIL_FOUND = 300

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("first", range(1, 81, 10))
def test_everything_acknowledged_survives_whatever_goes_wrong(first: int) -> None:
    for seed in range(first, first + 10):
        result = simulate(seed)
        assert not result.violation, f"make sim SEED={seed}: {result.violation}"


@pytest.mark.parametrize("seed", KEPT)
def test_seed_that_once_found_something_passes(seed: int) -> None:
    assert not simulate(seed).violation, KEPT[seed]


def test_simulated_faults_really_happen() -> None:
    results = [simulate(seed) for seed in range(1001, 1061)]
    assert all(sum(result.faults[name] for result in results) for name in results[0].faults)
    assert sum(result.kills for result in results) > 10
    assert sum(result.acknowledged for result in results) > 1000


def test_seed_replays_exactly_also_in_another_process() -> None:
    seeds = [3, 5, 8, 13, 21]
    here = [simulate(seed).trace for seed in seeds]
    assert here == [simulate(seed).trace for seed in seeds]
    program = f"from tests.simulation.run import simulate\nfor seed in {seeds}: print(simulate(seed).trace)"
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == here
    assert len(set(here)) == len(seeds)


@pytest.mark.parametrize("broken", SABOTAGES, ids=lambda broken: broken.__name__)
def test_broken_server_is_found(broken: Sabotage) -> None:
    with broken():
        for seed in range(1, SEEDS_UNTIL_FOUND):
            if simulate(seed).violation:
                return
    pytest.fail(f"{SEEDS_UNTIL_FOUND} seeds do not notice it: {broken.__doc__}")


def test_all_sabotages_are_tried() -> None:
    functions = {
        function
        for name, function in vars(sabotage).items()
        if getattr(function, "__module__", "") == sabotage.__name__ and not name.startswith("_")
    }
    assert functions == {*SABOTAGES, sabotage.failed_flush_read_from_the_cache}


def test_command_line_tells_what_it_did_and_fails_when_a_seed_does(capsys: pytest.CaptureFixture[str]) -> None:
    from tests.simulation.__main__ import one

    assert one(4, show=False) == 0
    said = capsys.readouterr().out
    assert said.startswith("seed 4: ")
    with sabotage.seal_left_out():
        assert one(4, show=False) == 1
    said, told = capsys.readouterr()
    assert "faults cease" in said
    assert "not sealed" in told
