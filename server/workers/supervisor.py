"""`acd serve --workers`: all domains of one address, started, watched, renewed and stopped together."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acd_protocol.cli import EXIT_FAILED, listen_sentence
from server.config import Settings, is_loopback
from server.errors import StartError
from server.journal.lock import DirectoryLock
from server.log import note
from server.notify import feed_watchdog, inherited_listener, notify
from server.service import BACKLOG, bind, raise_file_limit
from server.tls import TlsPort
from server.workers.front import Front
from server.workers.metrics import AllMetrics
from server.workers.site import read_site
from server.workers.worker import Worker

STOP_S = 30.0
"""A process that has not stopped by then is killed."""


async def supervise(settings: Settings, path: Path, *, json: bool) -> int:
    """Serve until SIGTERM or SIGINT; SIGHUP is passed on, and SIGUSR1 renews the processes one after the other.

    Raises:
        StartError: the address, the file of domains or the settings of a domain are not as needed.
    """
    settings.check()
    domains = read_site(path, settings)
    raise_file_limit()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        listener = inherited_listener() or bind(settings.host, settings.port)
        stack.callback(listener.close)
        lock = DirectoryLock(settings.data)
        stack.callback(lock.release)
        guarded = not is_loopback(settings.metrics_host)
        workers = [Worker(domain, guarded=guarded, json=json) for domain in domains]
        tls = TlsPort(settings.tls_cert, settings.tls_key, None) if settings.tls_cert is not None and guarded else None
        metrics = AllMetrics(settings.metrics_host, settings.metrics_port, workers, tls)
        try:
            await metrics.start()
        except OSError as error:
            raise StartError(
                listen_sentence(settings.metrics_host, settings.metrics_port, error, "--metrics-port")
            ) from error
        stack.push_async_callback(metrics.stop)
        lives = [asyncio.ensure_future(worker.run()) for worker in workers]
        stack.push_async_callback(_stop, workers, lives)
        await _first(lives, stop, workers)
        if stop.is_set():
            return 0
        doors = {worker.domain.name: worker.door for worker in workers}
        front = Front(listener, doors, settings.limits.hello_s, tls=settings.tls_cert is not None)
        metrics.show(front)
        try:
            front.open(BACKLOG)
        except OSError as error:
            raise StartError(listen_sentence(settings.host, settings.port, error)) from error
        stack.push_async_callback(front.close)
        renewing: list[asyncio.Task[None]] = []
        loop.add_signal_handler(signal.SIGHUP, reload, workers)
        loop.add_signal_handler(signal.SIGUSR1, lambda: renewing.append(loop.create_task(renew(workers))))
        watchdog = asyncio.ensure_future(feed_watchdog())
        stack.callback(watchdog.cancel)
        port = listener.getsockname()[1]
        note(
            logging.INFO,
            f"serving {len(workers)} domains on {settings.host} port {port}",
            port=port,
            metrics_port=metrics.port,
            domains=[worker.domain.name for worker in workers],
        )
        notify("READY=1", f"STATUS=serving {len(workers)} domains on port {port}")
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([stopping, *lives], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in renewing:
            task.cancel()
        notify("STOPPING=1", "STATUS=stopping")
        note(logging.INFO, "stopping")
    failed = [life.exception() for life in lives if not life.cancelled() and life.exception() is not None]
    for problem in failed:
        if isinstance(problem, StartError):
            raise problem
        note(logging.ERROR, str(problem))
    return EXIT_FAILED if failed else 0


def reload(workers: Sequence[Worker]) -> None:
    """Let all processes read their credentials and certificates again."""
    for worker in workers:
        worker.send_signal(signal.SIGHUP)


async def renew(workers: Sequence[Worker]) -> None:
    """Stop and start the processes one after the other; clients of a domain see no more than a short pause."""
    for worker in workers:
        await worker.renew()
        note(logging.INFO, f"the domain {worker.domain.name} is served by a new process", domain=worker.domain.name)


async def _first(lives: Sequence["asyncio.Future[None]"], stop: asyncio.Event, workers: Sequence[Worker]) -> None:
    """Wait until all processes serve, or there is no more use in that. Raises what one of them could not be started for."""
    while not stop.is_set():
        for life in lives:
            if life.done():
                life.result()
        if all(worker.state == "serving" for worker in workers):
            return
        for worker in workers:
            worker.changed.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, *(worker.changed for worker in workers))]
        either: list[asyncio.Future[Any]] = [*waits, *lives]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def _stop(workers: Sequence[Worker], lives: Sequence["asyncio.Future[None]"]) -> None:
    for worker in workers:
        worker.stop()
    _, late = await asyncio.wait(lives, timeout=STOP_S)
    for worker, life in zip(workers, lives, strict=True):
        if life in late:
            note(logging.ERROR, f"the process of the domain {worker.domain.name} does not stop and is killed")
            worker.kill()
    if late:
        await asyncio.wait(late)
