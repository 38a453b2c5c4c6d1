"""Edits of the directory while calls go on: read aside, validated whole, stored as a version, and swapped.

An edit either counts as a whole or changes nothing and says why. What takes long (reading a large directory) happens
in a thread of its own; the centre takes the new one at its next signal, living calls with their next decision.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.store.directory_file import DirectoryFileInvalid, directory_from_json
from dialog_acd.store.directory_plain import differences
from dialog_acd.store.directory_store import Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from dialog_acd.core.directory import Directory
    from dialog_acd.store.directory_store import DirectoryStore, Version


class Clock(Protocol):
    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Told:
    """A version of the directory as plain values: texts, numbers, lists and tables; dates as ISO texts."""

    version: int
    directory: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changed:
    """What an edit did, or would do (``dry_run``): the version in force afterwards, and the difference in words."""

    version: int
    differences: tuple[str, ...]


class Administration:
    """Reads and changes the directory for whoever may, over REST or at the command line."""

    def __init__(self, store: DirectoryStore, clock: Clock, in_force: Callable[[Directory], None]) -> None:
        """``in_force``: told of each new directory, once it is stored."""
        self._store, self._clock, self._in_force = store, clock, in_force
        self._one_at_a_time = asyncio.Lock()

    async def told(self, version: int | None = None) -> Told:
        """The directory in force, or as it was. Raises ``NoSuchVersion``."""
        number, directory = await self._store.plain_of(version)
        return Told(number, directory)

    async def versions(self, limit: int, before: int | None = None) -> Sequence[Version]:
        return await self._store.versions(limit, before)

    async def change(self, text: bytes, by: str, why: str, expected: int | None, *, dry_run: bool = False) -> Changed:
        """Put the directory that ``text`` says (JSON) in force.

        ``expected``: the version the edit was made from. Raises ``DirectoryFileInvalid`` with every fault, and
        ``DirectoryMoved``; nothing has changed then.
        """
        wanted = await asyncio.to_thread(directory_from_json, text, "the directory")
        return await self.put(wanted, by, why, expected, dry_run=dry_run)

    async def roll_back(self, version: int, by: str, why: str, expected: int | None) -> Changed:
        """Put an earlier version in force again. Raises ``NoSuchVersion``, and what ``change`` raises."""
        why = why or f"rolled back to version {version}"
        return await self.put(await self._store.version(version), by, why, expected)

    async def reload(self) -> Directory:
        """Somebody changed the directory beside us: put in force what is stored. Raises what
        ``DirectoryStore.load`` raises, and the old one stays in force.
        """
        directory = await self._store.load()
        self._in_force(directory)
        return directory

    async def put(
        self, wanted: Directory, by: str, why: str, expected: int | None, *, dry_run: bool = False
    ) -> Changed:
        """Put this directory in force, unless it says the same as the one there is. Raises ``DirectoryMoved``.

        One in force that cannot be read any more keeps nobody from putting another in its place.
        """
        async with self._one_at_a_time:
            found, before = await self._found()
            lines = await asyncio.to_thread(differences, before, wanted)
            if found and before is None:
                lines = (f"version {found}, which is in force, cannot be read, and all of it is replaced", *lines)
            if dry_run or not lines:
                self._store.require(expected, found)
                return Changed(found, lines)
            edit = Edit(by, self._clock.now(), why)
            number = await self._store.replace(wanted, edit, found if expected is None else expected)
            self._in_force(wanted)
            return Changed(number, lines)

    async def _found(self) -> tuple[int, Directory | None]:
        """The version in force, and what it says: nothing where it cannot be read, or where there is none (0)."""
        try:
            return await self._store.in_force()
        except (DirectoryInvalid, DirectoryFileInvalid):
            return await self._store.current(), None
