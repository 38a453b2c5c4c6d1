"""What holds for all tests: how long Hypothesis searches, when garbage is collected; and what several of them ask for.

``HYPOTHESIS_PROFILE``: ``quick`` (unless told otherwise) is for every day; what it does not find today it may find
tomorrow, as each run searches elsewhere. ``full`` searches three times as long (``make test``: before a change lands),
``long`` thirty times: minutes instead of seconds. A property that is slow takes a part of ``settings().max_examples``.
"""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING

import pytest
import structlog
import uvloop
from hypothesis import HealthCheck, Phase, settings

from dialog_acd import log
from shell import Shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FULL = settings(
    max_examples=300,
    stateful_step_count=60,
    deadline=None,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
)
settings.register_profile("quick", _FULL, max_examples=100)
settings.register_profile("full", _FULL)
settings.register_profile("long", _FULL, max_examples=3000, stateful_step_count=120)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# What is imported and collected lives until the end. The garbage collector would look through all of it again and
# again, some fifty times a run, to find nothing: an eighth of the whole time. And what is made afterwards and lives on
# (a compiled statement, a strategy) is little, so it need not be looked through every 70,000 objects either.
gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 200)
    gc.enable()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop the program turns on: transports of uvloop and of asyncio differ in what they do while they close."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with tables and nothing in them, to be copied: migrating takes longer than most tests."""
    from dialog_acd.store.database import migrate  # noqa: PLC0415  slow to load, and only half of the tests need it

    path = tmp_path_factory.mktemp("migrated") / "acd.sqlite"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    for name in [name for name in os.environ if name.upper().startswith("ACD_")]:
        monkeypatch.delenv(name)
    # It would bind loggers, once and for all tests, to a standard error that pytest takes away again.
    monkeypatch.setattr(log, "set_up", lambda **_: structlog.reset_defaults())
    monkeypatch.chdir(tmp_path)
    yield Shell(tmp_path, monkeypatch, capsys)
    structlog.reset_defaults()
