"""The process: active or spare, from its start to its stop."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Collection
from pathlib import Path

from acd_pbx.asterisk.adapter import Adapter
from acd_pbx.asterisk.ari import Ari, AriRefused
from acd_pbx.asterisk.lease import Lease
from acd_pbx.asterisk.names import channel_of
from acd_pbx.asterisk.queue_log import Known, QueueLog
from acd_pbx.asterisk.queue_log_file import QueueLogFile
from acd_pbx.asterisk.settings import AdapterSettings
from acd_protocol.client import Client, ClientError, ConnectionState, Replaced
from acd_protocol.tls import TlsFileError, client_context
from acd_protocol.words import Event

_log = logging.getLogger(__name__)


class ServiceError(Exception):
    """Why the adapter cannot go on; the sentence says what to do."""


class Service:
    """One adapter process.

    Args:
        spare: wait until the active adapter is gone. One that is replaced becomes a spare in any case.
    """

    def __init__(self, settings: AdapterSettings, *, spare: bool = False) -> None:
        self._settings = settings
        self._spare = spare
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End in order: `run` returns. Calls stay as they are, for the next adapter."""
        self._stopped.set()

    async def run(self) -> None:
        """Serve until `stop`.

        Raises:
            ServiceError: Asterisk or engine do not want this adapter.
        """
        stopped = asyncio.create_task(self._stopped.wait())
        async with Ari(self._settings.ari) as ari:
            holder = f"{socket.gethostname()}-{os.getpid()}"
            lease = Lease(ari, self._settings.name, holder, self._settings.lease_s)
            spare = self._spare
            try:
                while not self._stopped.is_set():
                    if spare:
                        _log.info("spare: waiting until the active adapter %r is gone", self._settings.name)
                        waiting = asyncio.create_task(lease.wait())
                        await asyncio.wait([waiting, stopped], return_when=asyncio.FIRST_COMPLETED)
                        waiting.cancel()
                    if not self._stopped.is_set():
                        await self._be_active(ari, lease, stopped)
                    spare = True
            finally:
                stopped.cancel()

    async def _be_active(self, ari: Ari, lease: Lease, stopped: "asyncio.Task[bool]") -> None:
        settings = self._settings
        engine = settings.engine
        log = _open_queue_log(settings)
        client = Client(
            engine.host,
            engine.port,
            name=settings.name,
            token=engine.token,
            tls=_tls(settings),
            domain=engine.domain,
            tls_name=engine.tls_name or None,
            connect_deadline_s=None,
            reconnect_deadline_s=None,
            resume=(log.memory.seq or None) if log is not None else None,
            heartbeat_s=2,
            events_max=0,
        )
        adapter = _adapter(settings, ari, client, log)
        _log.info("active: %s between %s and %s:%d", settings.name, settings.ari.url, engine.host, engine.port)
        work = asyncio.create_task(self._serve(adapter, client))
        keeping = asyncio.create_task(lease.keep())
        try:
            await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        except Replaced:
            _log.warning("replaced: another adapter %r is active now", settings.name)
        except ClientError as problem:
            raise ServiceError(f"the engine does not take this adapter: {problem}") from problem
        except AriRefused as refused:
            raise ServiceError(
                f"Asterisk does not take this adapter ({refused}); check url, user and password against ari.conf"
            ) from refused
        finally:
            keeping.cancel()
            work.cancel()
            await asyncio.gather(work, keeping, return_exceptions=True)
            await adapter.close()
            await client.close(1.0)
            if log is not None:
                log.close()
            if self._stopped.is_set():
                await lease.give_back()

    async def _serve(self, adapter: Adapter, client: Client) -> None:
        await client.connect()
        await adapter.run()
        if client.state is ConnectionState.FAILED:
            await client.ping()  # raises why it failed


def _tls(settings: AdapterSettings) -> ssl.SSLContext | None:
    engine = settings.engine
    if not engine.speaks_tls:
        return None
    try:
        return client_context(engine.tls_ca or None, engine.client_cert or None, engine.client_key or None)
    except TlsFileError as error:
        raise ServiceError(f"engine: {error}") from error


def _open_queue_log(settings: AdapterSettings) -> QueueLogFile | None:
    if not settings.queue_log:
        return None
    try:
        return QueueLogFile(Path(settings.queue_log))
    except OSError as error:
        raise ServiceError(f"queue_log: {settings.queue_log} cannot be written: {error.strerror}") from error


def _adapter(settings: AdapterSettings, ari: Ari, client: Client, log: QueueLogFile | None) -> Adapter:
    """The adapter, with the writer of the queue_log listening if there is one."""
    if log is None:
        return Adapter(settings, ari, client)

    def known(contact: str) -> Known:
        call = adapter.calls.get(contact)
        callid = channel_of(settings.name, contact) or contact
        return Known(callid) if call is None else Known(callid, call.number, call.key, call.transfer, call.lost)

    translator = QueueLog(log.memory, known, several_tenants=not settings.tenant)

    def on_event(event: Event) -> None:
        lines = translator.lines_of(event)
        log.write(lines, translator.memory.at)

    def on_picture(live: Collection[str]) -> None:
        # Everything that the engine still has of the past came before its listing: what is missing now was missed.
        log.write(translator.reconcile(live), translator.memory.at)

    adapter = Adapter(settings, ari, client, on_event, on_picture)
    return adapter
