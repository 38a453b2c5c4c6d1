"""Opening the database: SQLite in a file, or PostgreSQL, the same code behind either.

An operator meets this file on a bad day, so each way it can fail ends in one sentence that says what to do.

SQLite traps, all settled in ``_settle_sqlite``:

* Python's driver begins a transaction at the first *write* only, so that several SELECTs in a row see several
  states. We take transactions away from the driver and say BEGIN ourselves.
* A transaction that reads first and writes later can be refused at once, without waiting its turn. Those that
  will write say so at the start: ``writing(engine).begin()``.
* ``synchronous`` stays FULL: a journal segment is deleted once its records are committed, so committed has to
  mean on the disk.
* Foreign keys are off unless asked for, and cannot be switched inside a transaction. Migrations need them off:
  changing a table means copying and dropping it, and dropping it would delete what refers to it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import create_async_engine

from dialog_acd.core.errors import DialogAcdError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import URL, ColumnElement, Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)

URL_SETTING = "ACD_STORE__DATABASE_URL"
"""Name of the setting, for the sentences an operator reads."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_MIGRATION_LOCK = 115


class DatabaseUnavailable(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The database cannot be opened."""

    error_id = "database-unavailable"


class DatabaseMissing(DatabaseUnavailable):
    """There is no database yet; run `dialog-acd migrate`."""

    error_id = "database-missing"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"There is no database yet (file {path}); run `dialog-acd migrate`.")


class SchemaUnknown(DialogAcdError):  # noqa: N818
    """A schema that this version of the program does not know."""

    error_id = "schema-unknown"


class SchemaOutdated(DialogAcdError):  # noqa: N818
    """The database has an older schema than this version needs; run `dialog-acd migrate`."""

    error_id = "schema-outdated"

    def __init__(self, found: str | None, needed: str) -> None:
        self.found = found
        self.needed = needed
        what = "The database has no tables yet" if found is None else f"The database has schema {found}"
        super().__init__(f"{what}, this version needs {needed}; run `dialog-acd migrate`.")


async def open_database(
    url: str, *, busy_for: float = 4.0, connect_within: float = 5.0, create: bool = True
) -> AsyncEngine:
    """Open the database and say hello to it.

    ``busy_for``: seconds a SQLite write waits for another writer; keep it below the record writer's own limit.
    ``create``: make SQLite's file where there is none; who only asks makes nothing, and gets ``DatabaseMissing``.
    Raises ``DatabaseUnavailable``.
    """
    return await _open(
        _read_url(url), busy_for=busy_for, connect_within=connect_within, foreign_keys=True, create=create
    )


def by_the_first(
    *wanted: tuple[ColumnElement[str], str | None], after: Sequence[ColumnElement[bool]] = ()
) -> list[ColumnElement[bool]]:
    """Conditions for a list that is filtered: the index of the first column that is asked for is used, and no other;
    none where there are conditions ``after`` which these come, and which have an index.

    SQLite has no figures of how many rows a value has, unless somebody makes them, and takes any of the indexes: that
    of the most frequent result, for a queue that had five calls. Name the columns with the fewest rows a value first.
    """
    asked = [(column, value) for column, value in wanted if value is not None]
    free = not after
    return [*after] + [
        (column if free and place == 0 else column.concat("")) == value for place, (column, value) in enumerate(asked)
    ]


def writing(engine: AsyncEngine) -> AsyncEngine:
    """The same engine, for transactions that will write."""
    return engine.execution_options(acd_begin="BEGIN IMMEDIATE")


def outside_transactions(engine: AsyncEngine) -> AsyncEngine:
    """The same engine, for what cannot be done in a transaction."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(acd_begin="SELECT 1")
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def schema_version(engine: AsyncEngine) -> str | None:
    """Revision of the schema, ``None`` where there is none."""
    async with engine.connect() as connection:
        return await connection.run_sync(_revision)


async def require_current_schema(engine: AsyncEngine) -> None:
    """Raise ``SchemaOutdated`` where a migration is missing.

    A schema *newer* than this code is accepted: a migration marked ``pre`` is made to be applied while the old
    version still runs, and the old version must be able to start again on it.
    """
    scripts = ScriptDirectory.from_config(_alembic_config())
    needed = _head(scripts)
    found = await schema_version(engine)
    if found == needed:
        return
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        log.warning("schema.newer", found=found, needed=needed)
        return
    raise SchemaOutdated(found, needed)


async def migrate(url: str, to: str = "head", *, now: datetime | None = None) -> str:
    """Bring the schema up to date, or to a revision, in one transaction, and return its revision.

    An earlier revision is for an earlier version of this program; what it has no place for is gone. ``now`` (aware;
    by default what the database says) decides what may not be kept any more. Raises ``DatabaseUnavailable``, and
    ``SchemaUnknown`` where the way there is not known here.
    """
    engine = await _open(_read_url(url), busy_for=30.0, connect_within=5.0, foreign_keys=False)
    config = _alembic_config()
    config.attributes["now"] = now
    try:
        async with writing(engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                # Two services that start at once would both create the tables.
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            before = await connection.run_sync(_revision)
            await connection.run_sync(_upgrade, config, to)
        found = await schema_version(engine)
    finally:
        await engine.dispose()
    log.info("schema.migrated", before=before, after=found)
    return found or ""


def sqlite_file(url: str) -> Path | None:
    """Where the database lies if it is a file; ``None``: PostgreSQL. Raises ``DatabaseUnavailable``."""
    parsed = _read_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _upgrade(connection: Connection, config: Config, to: str = "head") -> None:
    config.attributes["connection"] = connection
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]  # the youngest first
    found = _revision(connection)
    if found is not None and found not in known:
        raise SchemaUnknown(
            f"The database has schema {found}, this version knows none after {known[0]}. Only a version that knows it"
            f" can lead it back: run `dialog-acd migrate --to {known[0]}` with that one."
        )
    if to == "head":
        to = known[0]
    elif to not in known:
        raise SchemaUnknown(f"There is no schema {to!r}; there are {known[-1]} to {known[0]}.")
    if found is not None and known.index(found) < known.index(to):
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _head(scripts: ScriptDirectory) -> str:
    head = scripts.get_current_head()
    if head is None:
        raise DialogAcdError("There are no migrations; the installation is not complete.")
    return head


def _alembic_config() -> Config:
    config = Config()
    # Alembic reads % in its options as interpolation.
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    return config


def _migrations() -> Path:
    """Inside the installed package, or beside ``src`` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise DialogAcdError("The migrations folder is missing; the installation is not complete.")


def _read_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        raise DatabaseUnavailable(
            f"The database address is not readable; set {URL_SETTING} to sqlite+aiosqlite:////path/to/file.db or"
            " postgresql+asyncpg://user:password@host/name."
        ) from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise DatabaseUnavailable(
            f"{parsed.drivername!r} is not a database dialog-acd speaks; set {URL_SETTING} to"
            " sqlite+aiosqlite:////path/to/file.db or postgresql+asyncpg://user:password@host/name."
        )
    return parsed.set(drivername=driver)


async def _open(
    url: URL, *, busy_for: float, connect_within: float, foreign_keys: bool, create: bool = True
) -> AsyncEngine:
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite:
        _prepare_file(url, create=create)
    options: dict[str, Any] = (
        {}
        if sqlite
        else {
            # A connection from before the database's restart is noticed before it is used.
            "pool_pre_ping": True,
            "connect_args": {
                "timeout": connect_within,
                "server_settings": {"application_name": "dialog-acd", "timezone": "UTC"},
            },
        }
    )
    try:
        engine = create_async_engine(url, **options)
    except (ArgumentError, NoSuchModuleError, TypeError, ValueError) as error:
        raise DatabaseUnavailable(
            f"The database address {_shown(url)} is not usable ({error}); correct {URL_SETTING}."
        ) from error
    if sqlite:
        _settle_sqlite(engine, busy_for, foreign_keys=foreign_keys)
    try:
        # Twice the driver's own limit: its error says more than ours.
        async with asyncio.timeout(2 * connect_within), engine.connect() as connection:
            await connection.execute(text("SELECT count(*) FROM sqlite_master" if sqlite else "SELECT 1"))
    except Exception as error:  # asyncpg lets its own errors through while connecting; all mean the same here
        await engine.dispose()
        raise DatabaseUnavailable(_sentence(url, error)) from error
    return engine


def _sentence(url: URL, error: Exception) -> str:
    """Where, what the database said, and what to do about it."""
    said = str(getattr(error, "orig", None) or error).split("\n", 1)[0].strip() or type(error).__name__
    # SQLAlchemy's translation puts the driver's class in front; it tells an operator nothing.
    said = said.rpartition("'>: ")[2].rstrip(".")
    if url.get_backend_name() == "sqlite":
        return (
            f"The database file {url.database} cannot be used ({said}); check that it is a SQLite database this"
            f" user may write, or name another in {URL_SETTING}."
        )
    if isinstance(error, TimeoutError):
        said = "no answer in time"
    return (
        f"PostgreSQL at {_shown(url)} cannot be used ({said}); check that it runs and that name, user and"
        f" password in {URL_SETTING} are right."
    )


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _prepare_file(url: URL, *, create: bool) -> None:
    """See that the file is there; a new one is readable by its owner alone, it holds the numbers of callers."""
    if not url.database or url.database == ":memory:":
        raise DatabaseUnavailable(
            f"A database in memory forgets every record; name a file in {URL_SETTING}, as"
            " sqlite+aiosqlite:////var/lib/dialog-acd/acd.db."
        )
    path = Path(url.database)
    if not path.parent.is_dir():
        raise DatabaseUnavailable(
            f"The folder {path.parent} for the database file {path.name} does not exist; create it"
            f" (mkdir -p {path.parent}) or name another in {URL_SETTING}."
        )
    try:
        os.close(os.open(path, os.O_RDWR | (os.O_CREAT if create else 0) | os.O_CLOEXEC, 0o600))
    except FileNotFoundError as error:
        raise DatabaseMissing(path) from error
    except OSError as error:
        raise DatabaseUnavailable(
            f"The database file {path} cannot be opened ({error.strerror}); give this user the right to write it"
            f" and its folder, or name another in {URL_SETTING}."
        ) from error


def _settle_sqlite(engine: AsyncEngine, busy_for: float, *, foreign_keys: bool) -> None:
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        # First of all: switching to WAL takes a lock, and has to wait its turn like everything else.
        cursor.execute(f"PRAGMA busy_timeout = {round(busy_for * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        # What is deleted is overwritten with zeros: callers' numbers must not outlive their rows in a free page.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("acd_begin", "BEGIN"))

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)
