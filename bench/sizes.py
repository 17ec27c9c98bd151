"""How much is measured: everything, a quick look, or next to nothing, to see that it still runs."""

from typing import NamedTuple

from acd_sim.load.floor import Shape


class Size(NamedTuple):
    """The dimensions of one run of all benchmarks.

    Attributes:
        name: as in `--size`.
        shapes: centres for the engine; model_shapes: those that the readable model is tried with too.
        loop_shapes: those that the engine is driven through from compiled code, `looped` assignments a round.
        feature_shapes: centres whose rules are made dearer.
        config_shapes: centres that are given another configuration.
        segment, segments: assignments of a round, and rounds.
        model_segment, model_segments: the same for the model.
        wire_shape: the centre behind the server.
        connections: most connections of the load.
        depths: lifecycles in flight.
        lifecycles, lifecycles_max: of a round, for each one in flight, but at most so many.
        wire_rounds: rounds of each depth.
        rates, rate_s: contacts a second of the latency measurements, and for how long each.
        groups: commands in one append.
        appends: appends of a round.
        replayed: assignments in the journal that is recovered; restored: the centre in the snapshot.
        paused: a centre that a snapshot is made of while it serves; without one it is watched for `quiet_s`.
        simulated: contacts of a round of the simulator.
    """

    name: str
    shapes: tuple[Shape, ...]
    model_shapes: tuple[Shape, ...]
    loop_shapes: tuple[Shape, ...]
    looped: int
    feature_shapes: tuple[Shape, ...]
    config_shapes: tuple[Shape, ...]
    segment: int
    segments: int
    model_segment: int
    model_segments: int
    wire_shape: Shape
    connections: int
    depths: tuple[int, ...]
    lifecycles: int
    lifecycles_max: int
    wire_rounds: int
    rates: tuple[int, ...]
    rate_s: float
    groups: tuple[int, ...]
    appends: int
    replayed: int
    restored: Shape
    paused: Shape
    quiet_s: float
    simulated: int


def grid(agents: tuple[int, ...], skills: tuple[int, ...], waiting: tuple[int, ...]) -> tuple[Shape, ...]:
    """All combinations."""
    return tuple(Shape(*shape) for shape in ((a, s, w) for w in waiting for s in skills for a in agents))


SIZES = {
    size.name: size
    for size in (
        Size(
            name="full",
            shapes=grid((100, 1_000, 10_000), (4, 64), (0, 1_000, 100_000)),
            model_shapes=grid((100, 1_000), (64,), (0, 1_000)),
            loop_shapes=grid((100, 1_000, 10_000, 100_000), (4, 64, 1_000), (0, 1_000, 100_000, 1_000_000)),
            looped=3_000,
            feature_shapes=grid((1_000,), (64,), (0, 1_000)),
            config_shapes=grid((1_000, 10_000, 100_000), (64,), (0,)) + grid((1_000,), (64,), (10_000, 100_000)),
            segment=250,
            segments=60,
            model_segment=25,
            model_segments=8,
            wire_shape=Shape(4_000, 64),
            connections=16,
            depths=(1, 16, 64, 256),
            lifecycles=300,
            lifecycles_max=12_000,
            wire_rounds=5,
            rates=(1_000, 5_000, 10_000, 20_000, 50_000),
            rate_s=2,
            groups=(1, 16, 256),
            appends=200,
            replayed=250_000,
            restored=Shape(100_000, 64, 1_000_000),
            paused=Shape(1_000, 64, 100_000),
            quiet_s=5,
            simulated=300_000,
        ),
        Size(
            name="quick",
            shapes=grid((100, 1_000), (64,), (0, 1_000)),
            model_shapes=grid((100,), (64,), (0,)),
            loop_shapes=grid((100, 1_000, 10_000), (64,), (0, 1_000, 100_000)),
            looped=3_000,
            feature_shapes=grid((1_000,), (64,), (0, 1_000)),
            config_shapes=grid((1_000,), (64,), (0, 10_000)) + grid((10_000,), (64,), (0,)),
            segment=250,
            segments=20,
            model_segment=25,
            model_segments=4,
            wire_shape=Shape(4_000, 64),
            connections=16,
            depths=(1, 64),
            lifecycles=100,
            lifecycles_max=4_000,
            wire_rounds=3,
            rates=(1_000,),
            rate_s=2,
            groups=(1, 256),
            appends=50,
            replayed=4_000,
            restored=Shape(1_000, 64, 10_000),
            paused=Shape(1_000, 64, 10_000),
            quiet_s=2,
            simulated=100_000,
        ),
        Size(
            name="tiny",
            shapes=grid((8, 80), (4,), (0, 20)),
            model_shapes=grid((8,), (4,), (0,)),
            loop_shapes=grid((20, 80), (4,), (0, 20)),
            looped=40,
            feature_shapes=grid((40,), (4,), (0, 20)),
            config_shapes=grid((40,), (4,), (0, 20)),
            segment=10,
            segments=2,
            model_segment=10,
            model_segments=2,
            wire_shape=Shape(30, 4),
            connections=2,
            depths=(1, 4),
            lifecycles=5,
            lifecycles_max=20,
            wire_rounds=1,
            rates=(200,),
            rate_s=0.2,
            groups=(1, 16),
            appends=3,
            replayed=50,
            restored=Shape(20, 4, 50),
            paused=Shape(20, 4, 50),
            quiet_s=0.2,
            simulated=500,
        ),
    )
}
