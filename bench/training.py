"""What a server does often, done for a while: from it the compiler learns which code to lay side by side, see tools/train.py.

Most of it is plain traffic, in the core and through the server's path. Each dear feature of the routing has a part, lest what
it needs be taken for what never happens.
"""

from typing import NamedTuple

from acd_sim.load.floor import Centre, Shape
from bench.dear import FEATURES, traffic_with
from bench.path import recorded
from bench.trace import traffic_of

SKILLS = 64


class Scale(NamedTuple):
    """How much is done.

    Attributes:
        agents: of a centre.
        waiting: contacts, where any wait.
        assignments: of plain traffic in each centre.
        dear: assignments with each dear feature.
        lines: that come at a time through the server's path.
    """

    agents: int
    waiting: int
    assignments: int
    dear: int
    lines: tuple[int, ...]


FULL = Scale(1_000, 1_000, 40_000, 4_000, (1, 16, 256))
TINY = Scale(20, 10, 40, 10, (1, 4))


def train(scale: Scale) -> int:
    """Do all of it; gives the assignments that there were."""
    done = 0
    shapes = (Shape(scale.agents, SKILLS), Shape(scale.agents, SKILLS, scale.waiting))
    for shape in shapes:
        traffic = traffic_of(Centre(shape))
        traffic.open()
        traffic.run(scale.assignments)
        if shape.waiting:
            traffic.abandon_some(min(shape.waiting, scale.dear))
        done += scale.assignments
        for feature in FEATURES:
            dear = traffic_with(feature, shape)
            dear.open()
            dear.run(scale.dear)
            done += scale.dear
    for size in scale.lines:
        path, chunks = recorded(shapes[0], scale.assignments, size, 0)
        path.feed(chunks)
        done += scale.assignments
    return done


if __name__ == "__main__":
    print(f"{train(FULL):,} assignments")
