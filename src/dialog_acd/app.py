"""The composition root: one straight function builds everything, a stack tears it down.

It is long on purpose. Whoever wants to know what this service consists of, in which sequence it comes to life and
in which it dies, reads ``serve`` from top to bottom; nothing is wired anywhere else.

Stopping runs the stack backwards: the API and the questions of the dialplan first (Asterisk falls back by itself),
then the link, then the engine, and last the records, which are given time to reach the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import json
import os
import random
import signal
import socket
import sys
import threading
import traceback
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
import uvicorn
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from dialog_acd import log as log_setup
from dialog_acd.administration import Administration
from dialog_acd.api.app import create_api, end_streams
from dialog_acd.api.people import people_of
from dialog_acd.clock import SystemClock
from dialog_acd.core.acd import Acd
from dialog_acd.core.attendance import Attendance
from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.messages import AgentChanged, CallAssigned, DirectoryChanged
from dialog_acd.core.model import UNASSIGNED, OfferId
from dialog_acd.core.releases import matters
from dialog_acd.engine import Engine
from dialog_acd.metrics import COUNTED, Metrics, Sources
from dialog_acd.provisioning import FromDatabase, Provisioning
from dialog_acd.recordings import Recordings
from dialog_acd.reports import Reports, Told
from dialog_acd.retention import Retention
from dialog_acd.settings import Settings, read_secret
from dialog_acd.settlement import Settlement
from dialog_acd.sound.studio import Studio
from dialog_acd.store.attendance_store import AttendanceStore, AttendanceWriter
from dialog_acd.store.audit_store import AuditStore
from dialog_acd.store.call_store import CallMemory
from dialog_acd.store.database import open_database, require_current_schema
from dialog_acd.store.directory_store import DirectoryStore
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.intent_store import IntentStore
from dialog_acd.store.record_store import PromiseCount, RecordReader, RecordWriter
from dialog_acd.store.recording_store import RecordingStore
from dialog_acd.store.release_store import ReleaseStore
from dialog_acd.store.repeat_store import RepeatStore
from dialog_acd.store.retention_store import RetentionStore
from dialog_acd.store.statement_store import StatementStore
from dialog_acd.store.token_store import TokenStore
from dialog_acd.store.usage_store import UsageStore
from dialog_acd.switch.ami import AmiAddress
from dialog_acd.switch.asterisk import Asterisk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from fastapi import FastAPI

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.messages import Notice

log = structlog.get_logger()

LONGEST_SHIFT = timedelta(hours=14)
"""An intent older than this is of another day; its agent starts signed out."""
HEARTBEAT_OLD = 6.0
"""Seconds. The dialplan gives up at ten."""
LOOK_EVERY, PATIENCE = 5.0, 12
"""Seconds between two looks at the loop, and how many in vain until the process ends: a minute. Callers are with
Asterisk from the tenth second on."""
CANCEL_EVERY = 2.0
"""Seconds given to a task that ends to put its things away, before it is told once more."""
STOP_WITHIN = 10.0
"""Seconds given to the records at the end; what is not in the database then is in the journal."""


class PortTaken(DialogAcdError):  # noqa: N818
    """A port the service needs is in use."""

    error_id = "port-in-use"


class RisingIds:
    """Offer ids that rise, also across restarts: they begin at the milliseconds of the start."""

    def __init__(self, start: datetime) -> None:
        self._next = round(start.timestamp() * 1000)

    def offer(self) -> OfferId:
        self._next += 1
        return OfferId(str(self._next))


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT. Raises ``DialogAcdError`` when it cannot start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    secret = read_secret(settings.ami.secret_file, "the AMI secret")
    token = read_secret(settings.api.token_file, "the API token")
    of_scraper = settings.api.metrics_token_file
    metrics_token = None if of_scraper is None else read_secret(of_scraper, "the metrics token").get_secret_value()
    clock = SystemClock(settings.rehearse_at)
    if settings.rehearse_at is not None:
        log.warning("service.rehearsal", clock_begins=settings.rehearse_at.isoformat())
    oidc = settings.oidc
    people = people_of(oidc.issuer, oidc.audience, oidc.claim, oidc.roles, clock.now, oidc.agent_claim)
    log.info("service.starting")

    async with AsyncExitStack() as stack:
        stack.callback(end_when_stuck(loop))
        if people is not None:
            stack.push_async_callback(people.issuer.close)
            people.issuer.look()  # aside, and whatever comes of it: calls do not wait for who may sign in
        database = await open_database(settings.store.database_url)
        stack.push_async_callback(database.dispose)
        await require_current_schema(database)
        directories = DirectoryStore(database, rehearsal=settings.rehearse_at is not None)
        directory = await directories.load()

        terms = settings.retention.terms
        writer = RecordWriter(database, settings.store.journal_dir, clock.now, terms=terms)
        writing = asyncio.create_task(writer.run(), name="records")
        stack.push_async_callback(finish, writing)
        stack.push_async_callback(writer.close, STOP_WITHIN)
        # Behind the writer: its lock on the folder is what makes this file ours.
        callers = CallMemory(settings.store.journal_dir)
        stack.callback(callers.close)

        memory = IntentStore(database)
        wanted = await memory.load(since=clock.now() - LONGEST_SHIFT)
        remembering = asyncio.create_task(memory.run(), name="intents")
        stack.push_async_callback(memory.flush)
        stack.push_async_callback(finish, remembering)  # first, or its last batch is nobody's

        audit = AuditStore(database)
        auditing = asyncio.create_task(audit.run(), name="audit")
        stack.push_async_callback(audit.flush)
        stack.push_async_callback(finish, auditing)

        switches = await memory.switches()
        ids = RisingIds(clock.now())
        acd = Acd(
            directory,
            clock.now(),
            ids,
            intents=wanted,
            calls=callers.calls,
            switches=switches,
            stopped_at=callers.left_at,
        )
        attendance = Attendance(directory, clock.now(), wanted)
        attending = AttendanceWriter(database, attendance, clock.now)
        stack.push_async_callback(attending.close)
        stack.push_async_callback(finish, asyncio.create_task(attending.run(), name="attendance"))
        # A _created series for each counter would be a sixth of all lines, and nobody reads them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        metrics = Metrics(registry, acd.view, acd.expected_wait)
        writer.watch(metrics.write_took)
        metrics.directory_changed(directory)

        def note_phone(notice: Notice) -> None:
            """Who names a town by REST stands in the audit log by that; whoever does it at the phone, by this."""
            if isinstance(notice, CallAssigned) and notice.agent is not None:
                towns = {notice.before, notice.tenant} - {UNASSIGNED}
                audit.put(
                    at=clock.now(),
                    who="agent",  # which one, says the call; a list by name would be one of what they do
                    role="agent",
                    tenant=towns.pop() if len(towns) == 1 else None,
                    action="calls.name-town",
                    about=notice.call,
                    outcome="done",
                    details={"before": notice.before, "tenant": notice.tenant},
                )

        def attend(notice: Notice) -> None:
            attendance.note(notice, engine.now)

        # Some fifteen notices a call: whoever is not concerned by one is not asked.
        observers = [
            (COUNTED, metrics.observe),
            (log_setup.tells(settings.log_level), log_setup.tell),
            ({CallAssigned}, note_phone),
            ({AgentChanged}, attend),
        ]
        engine = Engine(acd, clock, writer, observers, intents=memory, calls=callers, took=metrics.signal_took)

        reader = RecordReader(database)
        promises = PromiseCount(reader, clock.now)
        stack.push_async_callback(finish, asyncio.create_task(promises.run(), name="promises"))
        figures = FiguresStore(database, clock.now)
        retention = Retention(
            RetentionStore(database),
            audit,
            clock,
            terms,
            matters=lambda release: matters(release, engine.directory()),
            teams=lambda: {agent.id: agent.team for agent in engine.directory().agents if agent.team is not None},
            count=figures.make,
            spool=writer,
            living=callers,
        )
        writer.trust(retention.sure)

        address = AmiAddress(settings.ami.host, settings.ami.port, settings.ami.username, secret.get_secret_value())
        asterisk = Asterisk(
            address,
            engine,
            clock,
            engine.directory,
            random=random.SystemRandom().random,
            agi_answer_within=settings.agi.answer_within,
        )
        engine.attach(asterisk)
        link, agi = asterisk.link, asterisk.agi

        def questions() -> Mapping[str, int]:
            return {"answered": agi.answered, "timed-out": agi.timed_out, "failed": agi.failed, "broken": agi.broken}

        metrics.watch(
            Sources(
                ami_link_up=lambda: link.up,
                ami_reconnects=lambda: link.reconnects,
                event_lag_seconds=lambda: link.event_lag,
                heartbeat_age_seconds=asterisk.heartbeat_age,
                inbox_depth=lambda: engine.inbox_depth,
                spool_depth=lambda: writer.depth,
                records_written=lambda: writer.written,
                records_conflicting=lambda: writer.conflicts,
                records_lost=lambda: writer.lost,
                records_rejected=lambda: writer.rejected,
                write_failures=lambda: writer.failures,
                orders_failed=lambda: asterisk.orders_failed,
                messages_failed=lambda: link.hear_failures,
                defects=lambda: engine.failures,
                agi_questions=questions,
                retention_done_at=lambda: retention.done_at.timestamp() if retention.done_at is not None else None,
                promises=promises.latest,
            )
        )

        turning = asyncio.create_task(engine.run(), name="engine")
        stack.push_async_callback(finish, turning)
        ports_ours = asyncio.Event()

        async def keep_link() -> None:
            # A second start by mistake has to notice before it has a word with Asterisk, or two services would pull
            # at the same callers.
            await ports_ours.wait()
            await asterisk.run()

        linking = asyncio.create_task(keep_link(), name="switch")
        stack.push_async_callback(finish, linking)
        stack.push_async_callback(link.close)
        await agi.start(settings.agi.host, settings.agi.port)
        stack.push_async_callback(agi.close)

        def switch_ready() -> tuple[bool, str]:
            if not link.up:
                return False, str(link.last_error or "connecting")
            age = asterisk.heartbeat_age()
            # Without a young heartbeat Asterisk takes nobody to us, link or not.
            return (
                age is not None and age < HEARTBEAT_OLD,
                "connected" if age is None else f"connected, last heartbeat {age:.0f} s ago",
            )

        readiness = {
            "switch": switch_ready,
            "database": lambda: (not writer.failing, writer.last_error or "reachable"),
            "engine": lambda: (not turning.done(), "turning" if not turning.done() else "stopped"),
        }
        if settings.rehearse_at is not None:
            readiness["clock"] = lambda: (True, f"a rehearsal: it is {clock.now():%Y-%m-%d %H:%M} UTC here")

        # One studio: whoever brings a recording and the drafts of prompts take turns.
        recordings, studio = RecordingStore(database), Studio()
        provisioning: Provisioning | None = None
        if settings.asterisk.sync is not None:
            provisioning = Provisioning(
                settings.asterisk.sync, FromDatabase(directories, recordings), studio, clock, settings.asterisk
            )
            told = provisioning.told
            # Calls go on without it, so it never makes the service unready: it only has something to say.
            readiness["asterisk-files"] = lambda: (True, told())

        def in_force(changed: Directory) -> None:
            metrics.directory_changed(changed)
            attendance.directory_changed(changed, clock.now())
            engine.tell(DirectoryChanged(changed))
            log.info("directory.changed", entries=len(changed.entries), agents=len(changed.agents))
            if provisioning is not None:
                provisioning.wake()

        administration = Administration(directories, clock, in_force)
        if provisioning is not None:
            syncing = asyncio.create_task(provisioning.run(), name="provisioning")
            stack.push_async_callback(finish, syncing)
        reports = Reports(figures, AttendanceStore(database), directories, clock.now)
        settlement = Settlement(
            UsageStore(database),
            directories,
            StatementStore(database),
            clock,
            spool=writer,
            living=lambda: [call.arrived_at for call in engine.view().calls],
        )
        watching = asyncio.create_task(settlement.watch(audit), name="volumes")
        stack.push_async_callback(finish, watching)
        api = create_api(
            engine,
            reader,
            administration,
            readiness=readiness,
            metrics_registry=registry,
            token=token.get_secret_value(),
            tokens=TokenStore(database),
            audit_log=audit,
            repeats=RepeatStore(database),
            agreements=ReleaseStore(database),
            archive=Recordings(recordings, studio, clock),
            told=Told(reports, clock.now),
            settlement=settlement,
            now=clock.now,
            people=people,
            metrics_token=metrics_token,
            rehearsal=settings.rehearse_at is not None,
        )
        # The framework looks into its routes when the first request comes, all of them at once. That takes some tenths
        # of a second: better now than while callers wait.
        await asyncio.to_thread(api.openapi)
        stack.callback(api.state.strangers.tell)  # after the last request, before the last flush
        serving = await _serve_api(settings.api.host, settings.api.port, api, stack)
        ports_ours.set()
        forgetting = asyncio.create_task(retention.run(), name="retention")
        stack.push_async_callback(finish, forgetting)
        # All that lives until the end is out of the collector's sight: or it would look through it again and again, a
        # twentieth of a second each time, in which no caller is served. And it looks less often: what a call leaves
        # behind goes by itself, and a thousand waiting callers are no garbage.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        log.info("service.started", api=settings.api.port, agi=settings.agi.port, ami=settings.ami.port)

        reloading: set[asyncio.Task[None]] = set()

        def on_hangup() -> None:
            task = asyncio.ensure_future(reload(administration))
            reloading.add(task)
            task.add_done_callback(reloading.discard)

        loop.add_signal_handler(signal.SIGHUP, on_hangup)

        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait(
            {stopping, turning, linking, writing, remembering, auditing, serving, forgetting},
            return_when=asyncio.FIRST_COMPLETED,
        )
        stopping.cancel()
        log.info("service.stopping")
        for task in done - {stopping}:
            task.result()  # ended by itself: a refused login or a defect, and it must be seen


async def reload(administration: Administration) -> None:
    """SIGHUP: the directory as the database has it now. One that contradicts itself changes nothing, nor does a
    database that is away.
    """
    try:
        await administration.reload()
    except DialogAcdError as problem:
        log.warning("directory.kept", why=str(problem))
    except Exception as problem:  # noqa: BLE001  whoever sent the signal reads it here or nowhere
        why = str(problem).partition("\n")[0][:300] or type(problem).__name__
        log.warning("directory.kept", why=why, kind=type(problem).__name__)


def end_when_stuck(
    loop: asyncio.AbstractEventLoop, every: float = LOOK_EVERY, patience: int = PATIENCE
) -> Callable[[], None]:
    """End the process, with status 70, when ``loop`` has not turned for ``patience`` looks; ``every`` is in seconds.

    Whoever runs the service starts it again when it ends; of one that is there and does nothing, Docker and systemd
    take no notice. Looks are counted and not time: a machine that was halted goes on where it was. Where each thread
    stood is written to standard error. What is returned ends the looking.

    Who hangs within one step of the interpreter (a regular expression, say) lets no thread look. After five times as
    long the process ends all the same, with status 1; a process that was stopped for so long (``docker pause``) does,
    too, when it goes on.
    """
    over, turned = threading.Event(), threading.Event()
    turned.set()

    def tell() -> None:
        stood = ["".join(traceback.format_stack(frame)) for frame in sys._current_frames().values()]  # noqa: SLF001
        # Not by the log: whoever hangs may have its lock.
        os.write(2, json.dumps({"event": "service.stuck", "level": "critical", "stood": stood}).encode() + b"\n")

    def without_us() -> None:
        faulthandler.dump_traceback_later(5 * patience * every, exit=True, file=2)

    def look() -> None:
        missed = 0
        while not over.wait(every):
            without_us()
            missed = 0 if turned.is_set() else missed + 1
            if missed >= patience:
                # Aside: that nobody takes what is written may be the very reason.
                last_words = threading.Thread(target=tell, daemon=True)
                last_words.start()
                last_words.join(2)
                os._exit(70)
            if not missed:
                turned.clear()
                with contextlib.suppress(RuntimeError):  # closed: it has come to its end in order
                    loop.call_soon_threadsafe(turned.set)
        faulthandler.cancel_dump_traceback_later()

    def end() -> None:
        over.set()
        looking.join(1)

    without_us()
    looking = threading.Thread(target=look, name="stuck", daemon=True)
    looking.start()
    return end


async def finish(task: asyncio.Task[None]) -> None:
    """Once is not enough where a library answers a cancellation with an error of its own: our tasks live through
    errors, and the process would stay for ever.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_EVERY)
    if not task.cancelled():
        task.result()


_THIS_MACHINE = ("127.0.0.0/8", "::1", "::ffff:127.0.0.0/104")
"""From here, a proxy says for whom it asks (X-Forwarded-For). The last is how a port on ``::`` sees 127.0.0.1: were it
not believed, everybody whom the proxy serves would be on this machine, and ``/metrics`` open to them."""


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: we stop it, not it us. And without looking ten times a second whether it is
    to stop, which is more than all else an idle service does; the date of an answer, which it would set meanwhile, is
    set by our own door.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._leave = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._leave.wait()

    def leave(self) -> None:
        self.should_exit = True
        self._leave.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve_api(host: str, port: int, api: FastAPI, stack: AsyncExitStack) -> asyncio.Task[None]:
    """Open the port ourselves (uvicorn would end the whole process over a port in use), then serve.

    The port takes connections when this returns. Raises ``PortTaken``.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # With SO_REUSEADDR two may bind; only the second to listen is told that it is the second.
        listening.listen()
    except OSError as problem:
        listening.close()
        raise PortTaken(
            f"port {port} for the API on {host} cannot be opened ({problem.strerror}): "
            "stop what uses it, or set ACD_API__PORT (ACD_API__HOST) to another one"
        ) from None
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=2,
        forwarded_allow_ips=list(_THIS_MACHINE),
    )
    server = _QuietServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="api")

    async def stop() -> None:
        end_streams(api)  # or the server would wait for their readers
        server.leave()
        await serving

    stack.push_async_callback(stop)
    return serving
