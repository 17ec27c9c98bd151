"""An event loop in virtual time, on which several processes live and can be killed between any two steps.

Nothing here waits: when nothing is ready, time moves to the next timer. Each step takes a little time of its own. Which
process a step belongs to is part of its context, so the steps of a process that was killed are simply left out: no
`finally` of it runs, as with `kill -9`.
"""

import asyncio
import gc
import heapq
import itertools
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar, cast

T = TypeVar("T")

NS = 1_000_000_000
STEP_NS = 5_000
"""What a step of the loop takes."""


@contextmanager
def unraisables_ignored() -> Iterator[None]:
    """Within the block nothing is said of what finalizers raise: those of the killed have every reason to."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = hook


class Stuck(Exception):  # noqa: N818 - says what happened
    """Nothing is left to do, or there is no end to it."""


class Process:
    """Something that can be killed as a whole.

    Attributes:
        alive: False from its end on.
        paused_until_ns: none of its steps is made before; see `pause`.
        context: in which its callbacks run.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.paused_until_ns = 0
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def kill(self) -> None:
        """No step of it is made any more."""
        self.alive = False

    def pause(self, until_ns: int) -> None:
        """Its steps have to wait, as with SIGSTOP; the kernel goes on. No pause is cut short: steps keep their order."""
        self.paused_until_ns = max(until_ns, self.paused_until_ns)


PROCESS: ContextVar[Process] = ContextVar("process")


class SimLoop(asyncio.AbstractEventLoop):
    """See the module.

    Args:
        rng: draws how long things take.

    Attributes:
        now_ns: virtual time, from 0.
        steps: made so far.
        problems: what nobody caught.
        network: where connections are made; see `tests.simulation.network`.
    """

    def __init__(self, rng: Random) -> None:
        self.now_ns = 0
        self.steps = 0
        self.problems: list[str] = []
        self.network: Any = None
        self._rng = rng
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.Handle]] = []
        self._order = itertools.count()
        self._tasks: list[tuple[asyncio.Task[Any], Process | None]] = []

    # -- time ---------------------------------------------------------------------------------------------------

    def time(self) -> float:
        return self.now_ns / NS

    def perf_counter_ns(self) -> int:
        """What a stopwatch of the simulated machine shows: looking at it takes time, and now and then much."""
        self.now_ns += 5_000_000 if self._rng.random() < 0.001 else 300
        return self.now_ns

    # -- what asyncio asks of a loop ----------------------------------------------------------------------------

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at_ns(self.now_ns + max(0, round(delay * NS)), callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at_ns(round(when * NS), callback, *args, context=context)

    def call_at_ns(
        self, when_ns: int, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Like `call_at`, exact to the nanosecond."""
        handle = asyncio.TimerHandle(when_ns / NS, callback, args, self, context)
        heapq.heappush(self._timers, (when_ns, next(self._order), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers leave the heap when their time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, name=cast("str | None", name), context=context)
        self._tasks.append((task, (context or copy_context()).get(PROCESS)))
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call `func` at one instant a little later."""
        future: asyncio.Future[T] = self.create_future()
        process = PROCESS.get()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as problem:  # noqa: BLE001 - handed on
                if process.alive:
                    future.set_exception(problem)

        self.call_later(self._rng.uniform(0.0001, 0.02), work)
        return future

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int, **_: object) -> tuple[Any, Any]:  # type: ignore[override]
        return await self.network.connect(factory, (host, port))  # type: ignore[no-any-return]

    async def create_server(self, factory: Callable[[], Any], *, sock: Any, **_: object) -> Any:  # type: ignore[override]
        return sock.serve(factory)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")

    # -- running ------------------------------------------------------------------------------------------------

    def start(self, process: Process, coro: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Run `coro` as a part of `process`."""
        return self.create_task(coro, name=name or process.name, context=process.context)

    def run(self, main: Coroutine[Any, Any, T], steps_max: int, time_max_s: float) -> T:
        """Run until `main` is done. Raises `Stuck`, and what `main` raises."""
        asyncio._set_running_loop(self)
        try:
            done = self.create_task(main)
            while not done.done():
                self._turn()
                if self.steps > steps_max or self.time() > time_max_s:
                    raise Stuck(f"no end after {self.steps} steps, {self.time():.1f} s")
            return done.result()
        finally:
            with unraisables_ignored():
                self._let_go()
                asyncio._set_running_loop(None)
                gc.collect()

    def _turn(self) -> None:
        ready, timers = self._ready, self._timers
        if not ready:
            if not timers:
                raise Stuck("nothing is left to do")
            self.now_ns = max(self.now_ns, timers[0][0])
        while timers and timers[0][0] <= self.now_ns:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
            if process is not None:
                if not process.alive:
                    _drop(handle)
                    continue
                if process.paused_until_ns > self.now_ns:
                    heapq.heappush(timers, (process.paused_until_ns, next(self._order), handle))
                    continue
            self.now_ns += STEP_NS
            self.steps += 1
            handle._run()

    def _let_go(self) -> None:
        """End what was killed here and now, so that no `finally` of it runs in the middle of another seed."""
        for handle in (*self._ready, *(handle for _, _, handle in self._timers)):
            _drop(handle)
        self._ready.clear()
        self._timers.clear()
        for task, process in self._tasks:
            if (process is None or process.alive) and task.done() and task._log_traceback:
                self.problems.append(f"a task failed, and nobody asked: {task.exception()!r}")
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coro = task.get_coro()
            if task.done():
                continue
            for _ in range(50):  # each `await` in a `finally` is another stop
                try:
                    coro.close()
                    break
                except BaseException:  # noqa: BLE001 - whatever it says, it is dead
                    continue
        self._ready.clear()
        self._timers.clear()
        self._tasks.clear()
        self.network = None


def _drop(handle: asyncio.Handle) -> None:
    """A callback will not be run: what it would have asked of a future is asked here."""
    for argument in handle._args or ():
        if isinstance(argument, asyncio.Future) and argument.done() and not argument.cancelled():
            argument.exception()
