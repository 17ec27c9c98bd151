"""The events of a client on their way from the connections to the program: in order, at most once, bounded."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from acd_core.events import Event
from acd_protocol.messages import AnyEvent, Gap

Item = AnyEvent | Gap


class EventStream:
    """Takes events as they arrive and gives each to its handlers, or to the queue that the program reads.

    An event whose `seq` is not beyond all that were given out is dropped: it is a repeat.

    When events are asked for again from an earlier `seq` on, they arrive after newer ones. `hold` keeps everything
    back from the asking on; `merge`, from the answer on, gives out what arrives, which is in order, and in its place
    what was kept back; `release`, when all have come, gives out the rest.

    The queue is `full` from `limit` on, and whoever fills it should stop when he can. With four times that in it, and
    at least `OVERFLOW_MIN` more, everything in it is thrown away for one `Gap`. With a limit of 0 nothing is queued.
    """

    OVERFLOW_MIN = 10_000
    """More than one read of the socket can bring."""

    def __init__(self, limit: int, resume: int | None) -> None:
        self._limit = limit
        self._overflow = max(4 * limit, limit + self.OVERFLOW_MIN)
        self._given = resume or 0
        self._known = resume
        self._holds = 0
        self._merging = False
        self._held: deque[AnyEvent] = deque()
        self._gap: Gap | None = None
        self._handlers: dict[type, list[Callable[[Any], object]]] = {}
        self._queue: deque[Item] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self._error: Exception | None = None

    def on(self, kind: type[Any], handler: Callable[[Any], object]) -> None:
        """Give events of this type to `handler`, no longer to the queue; `Event` stands for all that have none."""
        self._handlers.setdefault(kind, []).append(handler)

    @property
    def position(self) -> int | None:
        """The `seq` after which events may have been missed; None before the first connection."""
        return self._known if self._known is None else max(self._known, self._given)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether the program should first take some."""
        return bool(self._limit) and len(self._queue) >= self._limit

    @property
    def roomy(self) -> bool:
        """Whether the queue is at most half full."""
        return len(self._queue) * 2 <= self._limit

    def begin(self, seq: int) -> None:
        """A connection begins at which the server's latest event is `seq`."""
        self._holds = 0
        self._merging = False
        self._held.clear()
        self._gap = None
        position = self.position
        if position is None:
            self._known = seq
        elif seq < position:
            # This server never had what we have seen, and will number other events like that.
            self._known = self._given = seq
            self.take_gap(Gap(first_seq=seq + 1))

    def take(self, event: AnyEvent) -> None:
        """An event has arrived."""
        if self._merging:
            while self._held and self._held[0].seq < event.seq:
                self._pass_on(self._held.popleft())
        elif self._holds:
            self._held.append(event)
            return
        self._pass_on(event)

    def _pass_on(self, event: AnyEvent) -> None:
        if event.seq > self._given:
            self._given = event.seq
            self._give(event)

    def take_gap(self, gap: Gap) -> None:
        """The server no longer has all that was asked for again; it says so to each message that asks."""
        if gap != self._gap:
            self._gap = gap
            self._give(gap)

    def hold(self) -> None:
        """Keep events back from now on."""
        self._holds += 1

    def merge(self) -> None:
        """What arrives from now on is in order again, but may be older than what was kept back."""
        if self._holds == 1:
            self._held = deque(sorted(self._held, key=_seq_of))
            self._merging = True

    def release(self) -> None:
        """Undo one `hold`: all that was asked for has come."""
        self._holds -= 1
        if self._holds == 0:
            self._merging = False
            while self._held:
                self._pass_on(self._held.popleft())

    def _give(self, item: Item) -> None:
        handlers = self._handlers.get(type(item))
        if handlers is None and type(item) is not Gap:
            handlers = self._handlers.get(Event)
        if handlers is not None:
            for handler in handlers:
                guard(handler, item)
        elif self._limit and not self._closed:
            if len(self._queue) >= self._overflow:
                self._queue.clear()
                self._queue.append(Gap(first_seq=item.first_seq if isinstance(item, Gap) else item.seq))
            self._queue.append(item)
            self._filled.set()

    def close(self, error: Exception | None) -> None:
        """Nothing more will come, because of `error` if that is given."""
        self._closed = True
        self._error = error
        self._filled.set()

    async def get(self) -> Item | None:
        """The next in the queue; None when the stream is closed and nothing is left. Raises the error it was closed with."""
        while not self._queue:
            if self._closed:
                if self._error is not None:
                    raise self._error
                return None
            self._filled.clear()
            await self._filled.wait()
        return self._queue.popleft()


def guard(handler: Callable[[Any], object], argument: object) -> None:
    """Call a handler of the program; what it raises is reported to the loop, and ends nothing else."""
    try:
        handler(argument)
    except Exception as problem:  # noqa: BLE001 - the handler is not ours, and the connection goes on
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"the handler {handler!r} failed at {argument!r}", "exception": problem}
        )


def _seq_of(event: AnyEvent) -> int:
    return event.seq
