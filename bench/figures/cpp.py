"""Our engine from compiled code beside plain cores in C++: one of the same semantics, and one of the decisions alone.

All of them play the commands of one trace, segment by segment and by turns, each in a process of its own; of two segments in
a turn the second counts, so that none finds its caches as another has left them. The cores in C++ must come to the
same as ours, or the comparison fails.
"""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from acd_sim.load.floor import Centre, Shape
from bench.figures.core import built, name_of
from bench.figures.samples import Figures
from bench.figures.scale import Scale
from bench.peers.agreement import check_decisions, check_whole
from bench.trace import Trace, traffic_of

IN_TURN = 2


class CppCore:
    """A core in C++ that plays a trace, segment by segment. Like ours, its tables may lie in huge pages.

    Args:
        source: of the program, below `bench/peers`.
        write: writes the trace as the program reads it.
    """

    def __init__(self, source: str, write: Callable[[Path], None]) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "trace"
            write(path)
            self._process = subprocess.Popen(
                [built(source), path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
            )
            self._heard()  # it has read the trace, and come to the first segment

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _heard(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"a core in C++ said {line!r} where it should have told how long a segment took")
        return int(line)

    def segment(self) -> int:
        """Play the next; gives its CPU time in nanoseconds."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then nothing is heard of it either
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self._heard()

    def told(self) -> dict[str, Any]:
        """What it says of itself after the last segment."""
        said, _ = self._process.communicate()
        try:
            told: dict[str, Any] = json.loads(said)
        except ValueError:
            raise RuntimeError(
                f"a core in C++ ended with status {self._process.returncode}, and said {said[:80]!r}"
            ) from None
        return told


def whole_core(trace: Trace) -> CppCore:
    """The one of the same semantics."""
    return CppCore("whole/whole_core.cpp", trace.write_whole)


def plain_core(trace: Trace) -> CppCore:
    """The one of the decisions alone."""
    return CppCore("core.cpp", trace.write)


@contextlib.contextmanager
def _ours(trace: Trace) -> Iterator[Callable[[], float]]:
    """Our engine with the traffic that a trace was made by: plays a segment, and gives its CPU time in nanoseconds."""
    traffic = traffic_of(Centre(trace.centre.shape))
    traffic.open()
    traffic.settle(trace.assignments)
    yield lambda: float(traffic.run(trace.assignments)[0])
    if traffic.digest != trace.digest:
        raise RuntimeError("the engine decided otherwise when it was played again")


def shapes_of(scale: Scale) -> tuple[Shape, ...]:
    """The centres in which they are compared."""
    large = scale.agents[-1]
    return Shape(scale.agents[-2], 64), Shape(large, 64, scale.waiting[-1]), Shape(large, scale.skills[-1])


def beside_cpp(figures: Figures, scale: Scale) -> None:
    """Goal 3. Raises `RuntimeError` where a core in C++ comes to something else."""
    for shape in shapes_of(scale):
        trace = Trace(Centre(shape), IN_TURN * scale.turns, scale.assignments)
        with _ours(trace) as ours, whole_core(trace) as whole, plain_core(trace) as plain:
            cores = {"loop.again": ours, "whole_cpp": whole.segment, "cpp": plain.segment}
            for _ in range(scale.turns):
                for name, play in cores.items():
                    spent_ns = [play() for _ in range(IN_TURN)]
                    figures.add(name_of(name, shape), [spent_ns[-1] / scale.assignments])
            check_whole(whole.told(), trace)
            check_decisions(plain.told(), trace)
