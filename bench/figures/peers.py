"""What people would build instead: Redis with a Lua matcher, PostgreSQL with SKIP LOCKED. Raises `FileNotFoundError`."""

import contextlib

from acd_sim.load.floor import Centre, Shape
from bench.figures.path import folder
from bench.figures.samples import Figures
from bench.figures.scale import Scale
from bench.peers import postgres_server, redis_server
from bench.trace import Trace


def redis(figures: Figures, scale: Scale) -> None:
    """Goal 6: CPU time of Redis for an assignment, nothing on disk; it must decide as our engine does."""
    figures.notes["Redis"] = redis_server.version()
    trace = Trace(Centre(Shape(scale.agents[-2], 64)), scale.rounds, max(10, scale.assignments // 8))
    figures.add("peer.redis", redis_server.measure(trace))


def redis_more(figures: Figures, scale: Scale) -> None:
    """Redis at other sizes, and with its log on disk."""
    for agents, waiting in ((scale.agents[0], 0), (scale.agents[-1], 0), (scale.agents[-2], scale.waiting[0])):
        trace = Trace(Centre(Shape(agents, 64, waiting)), 3, max(10, scale.assignments // 16))
        figures.add(f"peer.redis {agents}/64/{waiting}", redis_server.measure(trace))
    trace = Trace(Centre(Shape(scale.agents[-2], 64)), 3, max(10, scale.assignments // 16))
    for aof in ("everysec", "always"):
        figures.add(f"peer.redis aof {aof}", redis_server.measure(trace, aof))


def postgres(figures: Figures, scale: Scale) -> None:
    """Goal 8: lifecycles a second, durable."""
    _postgres(figures, scale, durable=True)


def postgres_more(figures: Figures, scale: Scale) -> None:
    """PostgreSQL that answers before its log is on disk."""
    _postgres(figures, scale, durable=False)


def _postgres(figures: Figures, scale: Scale, *, durable: bool) -> None:
    figures.notes["PostgreSQL"] = postgres_server.version()
    trace = Trace(Centre(Shape(scale.agents[-2], 64)), 1, 1)
    with contextlib.ExitStack() as stack:
        rates = postgres_server.measure(
            trace, folder(stack, durable=True), scale.peer_s, min(3, scale.rounds), durable=durable
        )
    figures.add("peer.postgres" if durable else "peer.postgres async", rates, "per s")
