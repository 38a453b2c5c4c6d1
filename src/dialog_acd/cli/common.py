"""What several commands need: the database, the directory, words for numbers and moments."""

# ruff: noqa: PLC0415  see __init__.py
from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.inquiry import BERLIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sized
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.directory import Directory
    from dialog_acd.settings import Settings


class NothingToAsk(DialogAcdError):  # noqa: N818
    """There is no directory in force."""

    error_id = "nothing-to-ask"


@asynccontextmanager
async def opened(settings: Settings, *, create: bool = True) -> AsyncIterator[AsyncEngine]:
    """The database of the settings, with this version's schema, for one command."""
    from dialog_acd.store.database import open_database, require_current_schema

    database = await open_database(settings.store.database_url, create=create)
    try:
        await require_current_schema(database)
        yield database
    finally:
        await database.dispose()


async def directory(settings: Settings, file: Path | None) -> Directory:
    """That of the file, or else the one in force. Asking makes no database."""
    if file is not None:
        from dialog_acd.store.directory_file import read_directory

        return read_directory(file)

    from dialog_acd.store.database import DatabaseMissing, SchemaOutdated
    from dialog_acd.store.directory_store import DirectoryEmpty, DirectoryStore

    try:
        async with opened(settings, create=False) as database:
            return await DirectoryStore(database).load()
    except (DatabaseMissing, SchemaOutdated, DirectoryEmpty) as problem:
        raise NothingToAsk(f"{problem} Or ask a file: --directory FILE") from problem


async def tenants(database: AsyncEngine) -> list[str]:
    from dialog_acd.store.directory_store import DirectoryStore

    return [tenant.id for tenant in (await DirectoryStore(database).load()).tenants]


def count(things: Sized | int, one: str, many: str = "") -> str:
    number = things if isinstance(things, int) else len(things)
    return f"1 {one}" if number == 1 else f"{number} {many or one + 's'}"


def local(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(BERLIN).isoformat(timespec="seconds")
