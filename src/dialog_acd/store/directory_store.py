"""The directory in the database: read whole, replaced whole, and never forgotten.

There is no editing of single rows. An edit builds a new ``Directory``, which refuses contradictions, and is added as
the next *version*, with who, when and why. The youngest version is the one in force; nobody ever reads half of each.
An edit says which version it was made from; if another is in force by then, it is refused, and nobody overwrites what
they have not seen.

A version is what ``directory_plain`` makes of the directory, as JSON, and is read by the form that a file has
(``directory_file``): there is one way to say a directory and one way to read it. Two traps lie in this:

* What is equal to its default is not written. To change a default of a field is to change every stored directory
  that is silent about it, so that takes a migration which writes the old one out.
* What was allowed when a version was stored may be refused by the rules of a later program. Then it is told with its
  faults like a file, and the database still gives it out as a text that can be corrected.

Reading and writing a large directory takes some tenths of a second: a thread does it, while calls are routed.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, text

from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid, OurFault
from dialog_acd.store.database import writing
from dialog_acd.store.directory_file import DirectoryFileInvalid, directory_from_json
from dialog_acd.store.directory_plain import plain
from dialog_acd.store.recording_store import RecordingStore
from dialog_acd.store.release_store import PolicyNotReleased, require_agreed, settle
from dialog_acd.store.tables import directory_versions
from dialog_acd.store.yaml_text import write_yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.releases import PolicyChange


@dataclass(frozen=True, slots=True)
class Edit:
    """Who changes the directory, when, and why, in their own words."""

    by: str
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A directory that was in force from ``edit.at`` until the next one."""

    number: int
    edit: Edit


class DirectoryMoved(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Somebody else has changed the directory since this edit was begun."""

    error_id = "directory-moved"

    def __init__(self, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"The directory is at version {found} by now, this edit was made from version {expected}: "
            "look at what has changed, and make it again."
        )


class NoSuchVersion(DialogAcdError):  # noqa: N818
    """There is no version of the directory with this number."""

    error_id = "no-such-version"


class DirectoryEmpty(DirectoryInvalid):
    """The database holds no directory yet: load one with `dialog-acd load FILE`."""

    error_id = "directory-empty"

    def __init__(self) -> None:
        super().__init__(("there is none yet",))
        self.args = ((self.__doc__ or "").strip(),)


class DirectoryStore:
    """Loads and replaces the directory, and remembers what it was."""

    def __init__(self, engine: AsyncEngine, *, rehearsal: bool = False) -> None:
        """``rehearsal``: edits are made by a clock of another time, by which a release that has ended could hold again.
        So they weaken no policy, released or not.
        """
        self._engine, self._rehearsal = engine, rehearsal
        self._last: tuple[bytes, Directory] | None = None
        """What was stored or read last, and what it says: most of the time it is asked for again."""

    async def load(self) -> Directory:
        """The directory in force. Raises what ``in_force`` raises."""
        return (await self.in_force())[1]

    async def in_force(self) -> tuple[int, Directory]:
        """Number of the version in force, and the directory.

        Raises ``DirectoryEmpty`` where there is none yet, and ``DirectoryFileInvalid``, which names the version, where
        today's rules do not allow it or somebody has spoilt it in the database.
        """
        number, content = await self._content(None)
        last = self._last
        if last is None or last[0] != content:
            last = self._last = content, await asyncio.to_thread(_directory, content, _source(number))
        return number, last[1]

    async def replace(
        self, directory: Directory, edit: Edit, expected: int | None = None, policies: Sequence[PolicyChange] = ()
    ) -> int:
        """Put this directory in the place of the one stored. It is valid, or it could not have been built.

        ``expected``: the version the edit was made from; ``policies``: what it makes of those of towns. Returns the
        number of the new version. Raises ``DirectoryMoved``, ``PolicyNotReleased``, and nothing has changed.
        """
        self._require_none_rehearsed(policies)
        content = await asyncio.to_thread(_packed, directory)
        async with writing(self._engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                # Two edits at once: the second waits, and sees what the first has left. Without the lock both would
                # take the same number, and one fail on it.
                await connection.execute(text("LOCK TABLE directory_versions IN SHARE ROW EXCLUSIVE MODE"))
            found = await _current(connection)
            self.require(expected, found)
            row = {"number": found + 1, "at": edit.at, "by": edit.by, "why": edit.why, "content": content}
            await connection.execute(insert(directory_versions), row)
            # In the same transaction: what was revoked a moment ago allows nothing.
            await settle(connection, policies, edit.by, edit.at)
        self._last = content, directory
        return found + 1

    @staticmethod
    def require(expected: int | None, found: int) -> None:
        """Raise ``DirectoryMoved`` where an edit was made from another version than the one found."""
        if expected is not None and expected != found:
            raise DirectoryMoved(expected, found)

    async def current(self) -> int:
        """Number of the version in force; 0 where there is none yet."""
        async with self._engine.connect() as connection:
            return await _current(connection)

    async def number_at(self, moment: datetime) -> int:
        """Number of the version that was in force just before that moment; of the first one where there was none yet.

        Raises ``DirectoryEmpty``.
        """
        v = directory_versions
        async with self._engine.connect() as connection:
            # By the number and not by the time: a clock that was set back must not bring an older one into force.
            found: int | None = await connection.scalar(select(func.max(v.c.number)).where(v.c.at < moment))
            found = found or await connection.scalar(select(func.min(v.c.number)))
        if found is None:
            raise DirectoryEmpty
        return found

    async def is_empty(self) -> bool:
        """Nothing was ever stored."""
        return await self.current() == 0

    async def versions(self, limit: int = 50, before: int | None = None) -> list[Version]:
        """The latest first; with ``before`` only older ones than that number."""
        v = directory_versions
        question = select(v.c.number, v.c.at, v.c.by, v.c.why).order_by(v.c.number.desc()).limit(limit)
        if before is not None:
            question = question.where(v.c.number < before)
        async with self._engine.connect() as connection:
            return [Version(r.number, Edit(r.by, r.at, r.why)) for r in await connection.execute(question)]

    async def version(self, number: int) -> Directory:
        """The directory as it was. Raises ``NoSuchVersion``, and ``DirectoryFileInvalid`` where today's rules do not
        allow it any more.
        """
        _, content = await self._content(number)
        return await asyncio.to_thread(_directory, content, _source(number))

    async def text_of(self, number: int | None = None) -> str:
        """What was applied (the one in force) as YAML, also where today's rules do not allow it any more.

        Raises ``NoSuchVersion`` or ``DirectoryEmpty``, and ``DirectoryFileInvalid`` where it is spoilt.
        """
        number, content = await self._content(number)
        return await asyncio.to_thread(_yaml, content, _source(number))

    async def plain_of(self, number: int | None = None) -> tuple[int, dict[str, Any]]:
        """The same as plain values, dates as ISO texts, with its number. Raises what ``text_of`` raises."""
        number, content = await self._content(number)
        return number, await asyncio.to_thread(_unpacked, content, _source(number))

    async def require_released(self, policies: Sequence[PolicyChange], now: datetime) -> None:
        """Raise ``PolicyNotReleased`` for what ``replace`` would."""
        self._require_none_rehearsed(policies)
        async with self._engine.connect() as connection:
            await require_agreed(connection, policies, now)

    def _require_none_rehearsed(self, policies: Sequence[PolicyChange]) -> None:
        if self._rehearsal and (weaker := next((change for change in policies if change.weakens), None)) is not None:
            raise PolicyNotReleased(weaker)

    async def missing_recordings(self, digests: Collection[str]) -> set[str]:
        """Those of which this database has no recording."""
        return await RecordingStore(self._engine).missing(digests)

    async def _content(self, number: int | None) -> tuple[int, bytes]:
        """Of this version, or of the one in force."""
        v = directory_versions
        question = select(v.c.number, v.c.content).order_by(v.c.number.desc()).limit(1)
        if number is not None:
            question = question.where(v.c.number == number)
        async with self._engine.connect() as connection:
            row = (await connection.execute(question)).one_or_none()
        if row is not None:
            return row.number, row.content
        if number is None:
            raise DirectoryEmpty
        raise NoSuchVersion(f"there is no version {number} of the directory")


async def _current(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.max(directory_versions.c.number))) or 0


def _source(number: int) -> str:
    """What stands in the place of a file's name where faults are told."""
    return f"version {number}"


# ---------------------------------------------------------------- a version's content; all of it slow, all in threads


def _packed(directory: Directory) -> bytes:
    said = json.dumps(plain(directory), default=_day_written, ensure_ascii=False, separators=(",", ":"))
    content = zlib.compress(said.encode())
    # What cannot be read again would be found out at the next start, when there is no other.
    if _directory(content, "the new directory") != directory:
        raise OurFault("the directory would not come back from the database as it is; it was not stored")
    return content


def _directory(content: bytes, source: str) -> Directory:
    return directory_from_json(_text(content, source), source)


def _unpacked(content: bytes, source: str) -> dict[str, Any]:
    try:
        said = json.loads(_text(content, source))
    except (ValueError, RecursionError) as error:
        raise DirectoryFileInvalid(Path(source), (f"it is not JSON: {error}",)) from error
    if not isinstance(said, dict):
        raise DirectoryFileInvalid(Path(source), ("it is no table",))
    return said


def _yaml(content: bytes, source: str) -> str:
    try:
        return write_yaml(plain(_directory(content, source)))
    except DirectoryFileInvalid:
        # For whoever wants to correct it, as it stands.
        return write_yaml(_with_days(_unpacked(content, source)))


def _text(content: bytes, source: str) -> bytes:
    try:
        return zlib.decompress(content)
    except zlib.error as error:
        raise DirectoryFileInvalid(Path(source), (f"it is spoilt in the database ({error})",)) from error


def _day_written(value: object) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a directory")


def _with_days(value: Any) -> Any:
    """The same with dates where there are texts that look like one: who knew the form would not be here."""
    match value:
        case dict():
            return {key: _with_days(one) for key, one in value.items()}
        case list():
            return [_with_days(one) for one in value]
        case str() if len(value) == len("2026-12-24"):
            try:
                return date.fromisoformat(value)
            except ValueError:
                return value
    return value
