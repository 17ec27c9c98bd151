"""The timetable of one replication: who logs in, pauses, and leaves when; drawn where a shift leaves it to chance."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from acd_sim.virtual.arrivals import Backlog
from acd_sim.virtual.loop import OPERATIONS
from acd_sim.virtual.model import Model, Shift
from acd_sim.virtual.streams import NS_PER_S, Streams

# What happens first among operations of one instant: who leaves makes room for who comes.
_ORDER = {what: number for number, what in enumerate(("apply", "back", "logout", "login", "away"))}


class Timetable(Struct, frozen=True):
    """Operations in the order of their times, as the loop reads them; and who logs in by which client."""

    at: NDArray[np.int64]
    what: NDArray[np.int32]
    subject: NDArray[np.int32]
    length: NDArray[np.int64]
    clients: list[str]
    client_of: NDArray[np.int32]


def make_timetable(model: Model, streams: Streams) -> Timetable:
    """All operations of a replication."""
    index = {agent: number for number, agent in enumerate(model.agents)}
    clients = ["sim"]
    client_of = np.zeros(len(index), dtype=np.int32)
    rows: list[tuple[float, str, int, float]] = []
    for outage in model.outages:
        name = f"outage-{len(clients)}"
        clients.append(name)
        for agent in outage.agents:
            client_of[index[agent]] = len(clients) - 1
        rows += [(outage.from_s, "away", len(clients) - 1, 0.0), (outage.to_s, "back", len(clients) - 1, 0.0)]
    shifted = {agent for shift in model.shifts for agent in shift.agents}
    rows += [(0.0, "login", number, 0.0) for agent, number in index.items() if agent not in shifted]
    for shift in model.shifts:
        for agent in shift.agents:
            stream = streams.stream("shift", agent, f"{shift.from_s:g}")
            rows += _presence(shift, index[agent], model.horizon_s, stream)
    for number, timed in enumerate(model.commands):
        rows.append((timed.at_s, "apply", number, 0.0))
    for number, kind in enumerate(model.kinds):
        if isinstance(kind.arrivals, Backlog):
            until = model.horizon_s if kind.arrivals.to_s is None else min(kind.arrivals.to_s, model.horizon_s)
            rows += [(kind.arrivals.from_s, "top_up", number, 0.0), (until, "withdraw", number, 0.0)]
    rows.sort(key=lambda row: (row[0], _ORDER.get(row[1], len(_ORDER))))
    return Timetable(
        at=np.array([round(row[0] * NS_PER_S) for row in rows], dtype=np.int64),
        what=np.array([OPERATIONS[row[1]] for row in rows], dtype=np.int32),
        subject=np.array([row[2] for row in rows], dtype=np.int32),
        length=np.array([round(row[3] * NS_PER_S) for row in rows], dtype=np.int64),
        clients=clients,
        client_of=client_of,
    )


def _presence(
    shift: Shift, agent: int, horizon_s: float, stream: np.random.Generator
) -> list[tuple[float, str, int, float]]:
    """What one agent does in a shift, and in its repetitions."""
    rows: list[tuple[float, str, int, float]] = []
    offset = 0.0
    while shift.from_s + offset < horizon_s:
        here = stream.random() >= shift.absent
        start, end = shift.from_s + offset, shift.to_s + offset
        pauses = [(pause.at_s + offset, pause.length_s) for pause in shift.breaks]
        if shift.pauses_per_hour and shift.pause is not None:
            count = int(stream.poisson(shift.pauses_per_hour * (end - start) / 3600))
            at = start + np.sort(stream.random(count)) * (end - start)
            pauses += list(zip(at.tolist(), shift.pause.draw(stream, count).tolist(), strict=True))
        if here:
            rows += [(start, "login", agent, 0.0), (end, "logout", agent, 0.0)]
            rows += [(at, "pause", agent, length) for at, length in pauses if start < at < end]
        if not shift.every_s:
            break
        offset += shift.every_s
    return rows
