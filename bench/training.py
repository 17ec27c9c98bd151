"""What a server does often, done for a while: from it the compiler learns which code to lay side by side, see tools/train.py.

Most of it is plain traffic, in the core and through the server's path. Each dear feature of the routing has a part, lest what
it needs be taken for what never happens.
"""

from typing import NamedTuple

from acd_sim.load.floor import Centre, Shape
from bench.dear import FEATURES, traffic_with
from bench.path import recorded
from bench.trace import traffic_of


class Scale(NamedTuple):
    """How much is done.

    Attributes:
        shapes: of centres with plain traffic, small ones and large ones; with the first two, dear features are tried as well.
        assignments: of plain traffic in each centre.
        dear: assignments with each dear feature.
        lines: that come at a time through the server's path.
    """

    shapes: tuple[Shape, ...]
    assignments: int
    dear: int
    lines: tuple[int, ...]


FULL = Scale(
    shapes=(
        Shape(1_000, 64),
        Shape(1_000, 64, 1_000),
        Shape(100, 4),
        Shape(100, 4, 1_000),
        Shape(1_000, 1_000),
        Shape(1_000, 1_000, 1_000),
        Shape(10_000, 64),
        Shape(10_000, 64, 10_000),
    ),
    assignments=20_000,
    dear=4_000,
    lines=(1, 16, 256),
)
TINY = Scale((Shape(20, 8), Shape(20, 8, 10), Shape(10, 4)), 40, 10, (1, 4))


def train(scale: Scale) -> int:
    """Do all of it; gives the assignments that there were."""
    done = 0
    for shape in scale.shapes:
        traffic = traffic_of(Centre(shape))
        traffic.open()
        traffic.run(scale.assignments)
        if shape.waiting:
            traffic.abandon_some(min(shape.waiting, scale.dear))
        done += scale.assignments
    for shape in scale.shapes[:2]:
        for feature in FEATURES:
            dear = traffic_with(feature, shape)
            dear.open()
            dear.run(scale.dear)
            done += scale.dear
    for size in scale.lines:
        path, chunks = recorded(scale.shapes[0], scale.assignments, size, 0)
        path.feed(chunks)
        done += scale.assignments
    return done


if __name__ == "__main__":
    print(f"{train(FULL):,} assignments")
