"""One private Asterisk for all stories; a service with the directory that a story asks for."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from e2e.stage import AGENTS, BEAT, GROUPS, Stage, directory
from rig.stack import Stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
    from pathlib import Path

    Play = Callable[..., Awaitable[Stage]]


# What Asterisk calls an error and a story is about, and a hang-up that crosses its own on the way.
HARMLESS = re.compile(
    r"attempted blind transfer to .* but target does not exist|Session already DISCONNECTED"
    r"|Could not create dialog to invalid URI|Failed to create outgoing session"
    r"|configuration contains a duplicate object: 'agent"
)


class Theatre:
    """The stack, and what it remembers from one story to the next."""

    def __init__(self, stack: Stack, file: Path) -> None:
        self.stack, self.file = stack, file
        self.service_log = self.asterisk_log = 0

    @property
    def serving(self) -> bool:
        return self.stack._service is not None and self.stack._service.poll() is None

    def prepare(self, wanted: str) -> None:
        """The service runs, with this directory."""
        if not self.stack.asterisk.running:
            self.stack.asterisk.start()
        if self.serving and self.file.read_text(encoding="utf-8") == wanted:
            return
        self.stack.end_service()
        self.file.write_text(wanted, encoding="utf-8")
        self.stack.command("load", str(self.file))
        self.stack.start_service()
        self.await_heartbeat()

    def await_heartbeat(self, limit: float = 5.0) -> None:
        until = time.monotonic() + limit
        while "acd_heartbeat_age_seconds " not in self.stack.api.text("/metrics"):
            assert time.monotonic() < until, "no heartbeat has reached Asterisk"
            time.sleep(0.05)

    def wake(self) -> None:
        """A service that a story has left frozen goes on; what it then finds out belongs to the story."""
        if self.serving:
            self.stack.continue_service()

    def begin(self) -> None:
        self.service_log = self.stack.service_log.stat().st_size
        self.asterisk_log = self.stack.asterisk.log.stat().st_size

    def said(self) -> tuple[str, str]:
        """What service and Asterisk have written into their logs since the story began."""
        texts = []
        for log, offset in ((self.stack.service_log, self.service_log), (self.stack.asterisk.log, self.asterisk_log)):
            if not log.exists():  # all is over
                texts.append("")
                continue
            with log.open("rb") as file:
                # A restart of Asterisk begins a new log.
                file.seek(offset if log.stat().st_size >= offset else 0)
                texts.append(file.read().decode(errors="replace"))
        return texts[0], texts[1]


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    home = tmp_path_factory.mktemp("stack")
    file = home / "directory.toml"
    file.write_text(directory(), encoding="utf-8")
    stack = Stack(home / "run", agents=AGENTS, directory=file, phones=False, extra={"ACD_HEARTBEAT_MAX": str(BEAT)})
    stack.asterisk.failsafe = dict(GROUPS)
    with stack:
        theatre = Theatre(stack, file)
        theatre.await_heartbeat()
        yield theatre


@pytest.fixture
async def play(theatre: Theatre, request: pytest.FixtureRequest) -> AsyncIterator[Play]:
    """``stage = await play(max_wait=4)``: the service runs with that directory, all agents are signed out.

    After the story nothing may be left: no call, no occupied agent, no error in the service's log.
    """
    stages: list[Stage] = []

    async def begin(**wanted: Any) -> Stage:
        await asyncio.to_thread(theatre.prepare, directory(**wanted))
        stage = Stage(theatre.stack)
        stages.append(stage)
        for agent in theatre.stack.asterisk.agents:
            await stage.api.post(f"/api/v1/agents/{agent}/sign-out")
        theatre.begin()
        request.node.stash[SAID] = theatre.said
        return stage

    yield begin
    try:
        for stage in stages:
            await stage.put_away()
            theatre.wake()
            if theatre.serving:
                await stage.nothing_is_left()
            service, asterisk = theatre.said()
            assert "Traceback" not in service
            assert '"level": "error"' not in service
            errors = [line for line in asterisk.splitlines() if " ERROR[" in line and not HARMLESS.search(line)]
            assert not errors, errors
    finally:
        for stage in stages:
            await stage.close()


@pytest.fixture
async def partner_trusted_again(theatre: Theatre) -> AsyncIterator[None]:
    """Three calls a partner did not take, in three stories, would open the circuit for the fourth."""
    yield
    await asyncio.to_thread(theatre.stack.end_service)


SAID = pytest.StashKey["Callable[[], tuple[str, str]]"]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A story that failed is told with the logs of its time."""
    report = yield
    said = item.stash.get(SAID, None)
    if report.failed and said is not None:
        service, asterisk = said()
        report.sections += [("service", service[-6000:]), ("asterisk", asterisk[-3000:])]
    return report
