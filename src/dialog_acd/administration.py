"""Edits of the directory while calls go on: read aside, validated whole, stored as a version, and swapped.

An edit either counts as a whole or changes nothing and says why. What takes long (reading a large directory) happens
in a thread of its own; the centre takes the new one at its next signal, living calls with their next decision.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dialog_acd.store.directory_file import directory_from_json
from dialog_acd.store.directory_plain import differences, plain
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
    """Reads and changes the directory for whoever may."""

    def __init__(self, store: DirectoryStore, clock: Clock, in_force: Callable[[Directory], None]) -> None:
        """``in_force``: told of each new directory, once it is stored."""
        self._store, self._clock, self._in_force = store, clock, in_force
        self._one_at_a_time = asyncio.Lock()

    async def current(self) -> int:
        """Number of the version in force."""
        return await self._store.current()

    async def told(self, version: int | None = None) -> Told:
        """The directory in force, or as it was. Raises ``NoSuchVersion``."""
        if version is not None:
            return Told(version, _json(await self._store.version(version)))
        number = await self._store.current()
        return Told(number, _json(await self._store.load()))

    async def versions(self, limit: int, before: int | None = None) -> Sequence[Version]:
        return await self._store.versions(limit, before)

    async def change(self, text: bytes, by: str, why: str, expected: int | None, *, dry_run: bool = False) -> Changed:
        """Put the directory that ``text`` says (JSON) in force.

        ``expected``: the version the edit was made from. Raises ``DirectoryFileInvalid`` with every fault, and
        ``DirectoryMoved``; nothing has changed then.
        """
        wanted = await asyncio.to_thread(directory_from_json, text, "the directory")
        return await self._put(wanted, by, why, expected, dry_run=dry_run)

    async def roll_back(self, version: int, by: str, why: str, expected: int | None) -> Changed:
        """Put an earlier version in force again. Raises ``NoSuchVersion``, and what ``change`` raises."""
        why = why or f"rolled back to version {version}"
        return await self._put(await self._store.version(version), by, why, expected)

    async def reload(self) -> Directory:
        """Somebody changed the directory beside us: put in force what is stored. Raises ``DirectoryInvalid``."""
        directory = await self._store.load()
        self._in_force(directory)
        return directory

    async def _put(
        self, wanted: Directory, by: str, why: str, expected: int | None, *, dry_run: bool = False
    ) -> Changed:
        async with self._one_at_a_time:
            found, before = await self._store.current(), await self._store.load()
            lines = await asyncio.to_thread(differences, before, wanted)
            if dry_run or not lines:
                self._store.require(expected, found)
                return Changed(found, lines)
            edit = Edit(by, self._clock.now(), why)
            number = await self._store.replace(wanted, edit, found if expected is None else expected)
            self._in_force(wanted)
            return Changed(number, lines)


def _json(directory: Directory) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(plain(directory), default=str))
    return made
