"""Every story of the store is told twice: on a SQLite file, and on a real PostgreSQL started for this run alone."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from dialog_acd.store.database import migrate, open_database
from records import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine


# -- databases


class Database(Protocol):
    """A migrated database of one test's own, and the ways it can fail us."""

    @property
    def url(self) -> str: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...
    def held(self) -> Any:
        """Context: somebody else has the records and does not let go, so that a write hangs."""


@dataclass
class SqliteDatabase:
    path: Path

    @property
    def url(self) -> str:
        return f"sqlite+aiosqlite:///{self.path}"

    def stop(self) -> None:
        # A file cannot be stopped; what fails in life is its lock.
        self._other = sqlite3.connect(self.path, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    def start(self) -> None:
        self._other.close()

    @contextmanager
    def held(self) -> Iterator[None]:
        self.stop()
        yield
        self.start()


@dataclass
class PostgresDatabase:
    cluster: Cluster
    name: str

    @property
    def url(self) -> str:
        return self.cluster.url(self.name)

    def stop(self) -> None:
        self.cluster.stop()

    def start(self) -> None:
        self.cluster.start()

    @contextmanager
    def held(self) -> Iterator[None]:
        psql = subprocess.Popen(
            [*self.cluster.client("psql"), "-qtA", "-d", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert psql.stdin is not None
        assert psql.stdout is not None
        psql.stdin.write("BEGIN; LOCK TABLE records IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n")
        psql.stdin.flush()
        assert psql.stdout.readline().strip() == "held"
        yield
        psql.communicate("ROLLBACK;\n", timeout=10)


@dataclass
class Cluster:
    """A PostgreSQL of our own, on a Unix socket in its own folder: no port to collide with, no network."""

    programs: Path
    folder: Path
    user: str | None
    running: bool = False

    def run(self, program: str, *arguments: str) -> None:
        # A file, not a pipe: the server inherits it, and a pipe would not end before the server does.
        with (self.folder / "output").open("ab") as output:
            done = subprocess.run(
                [str(self.programs / program), *arguments],
                user=self.user,
                extra_groups=[] if self.user else None,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            )
        if done.returncode:
            pytest.fail(f"{program} failed: {(self.folder / 'output').read_text()[-2000:]}", pytrace=False)

    def client(self, program: str) -> list[str]:
        return [str(self.programs / program), "-h", str(self.folder), "-U", "acd"]

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c fsync=off"
        self.run("pg_ctl", "-D", "data", "-l", "log", "-o", options, "-w", "-t", "30", "start")
        self.running = True

    def stop(self) -> None:
        self.running = False
        self.run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://acd@/{name}?host={self.folder}"

    def create(self, name: str, template: str = "template0") -> None:
        command = [*self.client("createdb"), "-T", template, "--strategy=file_copy", name]
        subprocess.run(command, check=True, timeout=30)

    def drop(self, name: str) -> None:
        subprocess.run([*self.client("dropdb"), "--force", name], check=True, timeout=30)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    if not found:
        pytest.fail("PostgreSQL is missing on this machine; run make test, it installs it.", pytrace=False)
    # initdb refuses root, and pytest's own temporary folders are closed to anybody else.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="acd-pg-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    cluster = Cluster(found[-1].parent, folder, user)
    try:
        cluster.run("initdb", "-D", "data", "-U", "acd", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        cluster.start()
        try:
            cluster.create("migrated")
            asyncio.run(migrate(cluster.url("migrated")))
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


_numbers = count(1)
BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        path = tmp_path / "acd.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        yield SqliteDatabase(path)
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        name = f"test{next(_numbers)}"
        cluster.create(name, template="migrated")
        yield PostgresDatabase(cluster, name)
        if not cluster.running:  # a test that failed during its outage must not fail those after it
            cluster.start()
        cluster.drop(name)


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database nobody has migrated yet."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        name = f"test{next(_numbers)}"
        cluster.create(name)
        yield cluster.url(name)
        cluster.drop(name)


@pytest.fixture
def database_url(database: Database) -> str:
    return database.url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = await open_database(database_url, busy_for=0.05)
    yield engine
    await engine.dispose()


# -- time


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()
