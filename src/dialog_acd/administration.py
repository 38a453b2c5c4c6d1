"""Edits of the directory while calls go on: read aside, validated whole, stored as a version, and swapped.

An edit either counts as a whole or changes nothing and says why. What takes long (reading a large directory) happens
in a thread of its own; the centre takes the new one at its next signal, living calls with their next decision.
"""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar
from zoneinfo import ZoneInfo

from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid
from dialog_acd.core.gate import gate
from dialog_acd.core.model import NOT_YET, Waiver
from dialog_acd.store.directory_file import DirectoryFileInvalid, directory_from_json
from dialog_acd.store.directory_plain import differences
from dialog_acd.store.directory_store import Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import date, datetime

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.gate import Verdict
    from dialog_acd.core.model import Tenant, TenantId
    from dialog_acd.store.directory_store import DirectoryStore, Version


P = ParamSpec("P")
T = TypeVar("T")
_BERLIN = ZoneInfo("Europe/Berlin")


class NoSuchTenant(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """There is no town with this id."""

    error_id = "no-such-tenant"


class DayRefused(DialogAcdError):  # noqa: N818
    """The town cannot go live on this day."""

    error_id = "day-refused"


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


def _undisturbed(edit: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Without the garbage collector.

    A thread lets the engine have its turn every few milliseconds, the collector does not: with the tens of thousands
    of objects that a large directory is made of, it stops everything for a tenth of a second and more, several times
    in an edit. It would find next to nothing, as a directory has no cycles. So it is stopped meanwhile, and what is
    there afterwards is put out of its sight; once nobody refers to it, it goes all the same.
    """

    @wraps(edit)
    async def done(*args: P.args, **kwargs: P.kwargs) -> T:
        if not gc.isenabled():
            return await edit(*args, **kwargs)
        gc.collect()  # or what is garbage now would be put out of sight for ever
        gc.disable()
        try:
            return await edit(*args, **kwargs)
        finally:
            gc.freeze()
            gc.enable()

    return done


class Administration:
    """Reads and changes the directory for whoever may, over REST or at the command line."""

    def __init__(self, store: DirectoryStore, clock: Clock, in_force: Callable[[Directory], None]) -> None:
        """``in_force``: told of each new directory, once it is stored."""
        self._store, self._clock, self._in_force = store, clock, in_force
        self._one_at_a_time = asyncio.Lock()

    async def current(self) -> int:
        """Number of the version in force."""
        return await self._store.current()

    async def told(self, version: int | None = None) -> Told:
        """The directory in force, or as it was. Raises ``NoSuchVersion``."""
        number, directory = await self._store.plain_of(version)
        return Told(number, directory)

    async def versions(self, limit: int, before: int | None = None) -> Sequence[Version]:
        return await self._store.versions(limit, before)

    @_undisturbed
    async def change(self, text: bytes, by: str, why: str, expected: int | None, *, dry_run: bool = False) -> Changed:
        """Put the directory that ``text`` says (JSON) in force.

        ``expected``: the version the edit was made from. Raises ``DirectoryFileInvalid`` with every fault, and
        ``DirectoryMoved``; nothing has changed then.
        """
        wanted = await asyncio.to_thread(directory_from_json, text, "the directory")
        return await self.put(wanted, by, why, expected, dry_run=dry_run)

    @_undisturbed
    async def roll_back(self, version: int, by: str, why: str, expected: int | None) -> Changed:
        """Put an earlier version in force again. Raises ``NoSuchVersion``, and what ``change`` raises."""
        why = why or f"rolled back to version {version}"
        return await self.put(await self._store.version(version), by, why, expected)

    async def gate(self, tenant: TenantId, on: date | None) -> Verdict:
        """What is missing for the town to go live on that day; ``None``: the planned one, or today.

        Raises ``NoSuchTenant``.
        """
        directory = await self._store.load()
        town = _town(directory, tenant)
        return await asyncio.to_thread(gate, directory, tenant, on or planned(town) or self._today())

    @_undisturbed
    async def go_live(
        self, tenant: TenantId, on: date, waivers: Sequence[tuple[str, str, str]], by: str, why: str
    ) -> tuple[Verdict, Changed | None]:
        """Let the town go live on a day, or move the day; nothing changes where something is missing.

        Waivers (finding, who answers for it, why) are kept with the town, each as its latest word. Raises
        ``NoSuchTenant``, and ``DayRefused`` for a day that is over or a town that is live.
        """
        today = self._today()
        if on < today:
            raise DayRefused(f"{on.isoformat()} is over, today is {today.isoformat()}")
        found, directory = await self._store.in_force()
        town = _town(directory, tenant)
        if town.live_from is None:
            raise DayRefused(f"{town.name} does not wait to go live: its numbers have their own dates alone")
        if town.live_from <= today and town.live_from != on:
            raise DayRefused(f"{town.name} is live since {town.live_from.isoformat()}")
        named = {w.finding: w for w in (*town.waivers, *(Waiver(*waiver, today) for waiver in waivers))}
        # Asked again: the answer has to be that of the directory that is put in force.
        prepared = await asyncio.to_thread(_with_town, directory, replace(town, waivers=tuple(named.values())))
        verdict = await asyncio.to_thread(gate, prepared, tenant, on)
        if not verdict.go:
            return verdict, None
        begun = await asyncio.to_thread(_with_town, prepared, replace(prepared.tenant[tenant], live_from=on))
        return verdict, await self.put(begun, by, why or f"{town.name} goes live on {on.isoformat()}", found)

    @_undisturbed
    async def put_off(self, tenant: TenantId, by: str) -> Verdict:
        """The town waits again, and no day is known. Raises ``NoSuchTenant``, and ``DayRefused`` where it is live."""
        today = self._today()
        found, directory = await self._store.in_force()
        town = _town(directory, tenant)
        if town.live_from is None or town.live_from <= today:
            raise DayRefused(f"{town.name} is live; end its entries by a date (active_to), or close them")
        waiting = await asyncio.to_thread(_with_town, directory, replace(town, live_from=NOT_YET))
        await self.put(waiting, by, f"{town.name} does not go live yet", found)
        return await asyncio.to_thread(gate, waiting, tenant, today)

    def _today(self) -> date:
        return self._clock.now().astimezone(_BERLIN).date()

    @_undisturbed
    async def reload(self) -> Directory:
        """Somebody changed the directory beside us: put in force what is stored. Raises what
        ``DirectoryStore.load`` raises, and the old one stays in force.
        """
        directory = await self._store.load()
        self._in_force(await asyncio.to_thread(directory.prepare))
        return directory

    @_undisturbed
    async def put(
        self, wanted: Directory, by: str, why: str, expected: int | None, *, dry_run: bool = False
    ) -> Changed:
        """Put this directory in force, unless it says the same as the one there is.

        Raises ``DirectoryMoved``, and ``DirectoryInvalid`` for a prompt whose recording nobody has brought yet. One in
        force that cannot be read any more keeps nobody from putting another in its place.
        """
        async with self._one_at_a_time:
            found, before = await self._found()
            await self._require_recordings(wanted, before)
            lines = await asyncio.to_thread(differences, before, wanted)
            if found and before is None:
                lines = (f"version {found}, which is in force, cannot be read, and all of it is replaced", *lines)
            if dry_run or not lines:
                self._store.require(expected, found)
                return Changed(found, lines)
            edit = Edit(by, self._clock.now(), why)
            number = await self._store.replace(wanted, edit, found if expected is None else expected)
            self._in_force(await asyncio.to_thread(wanted.prepare))
            return Changed(number, lines)

    async def _require_recordings(self, wanted: Directory, before: Directory | None) -> None:
        """Only of those that are new: where one has been lost, the directory can still be edited."""
        known = {prompt.recording for prompt in before.prompts} if before is not None else set()
        asked = {p.recording for p in wanted.prompts if p.recording is not None and p.recording not in known}
        missing = await self._store.missing_recordings(asked) if asked else set()
        if faults := [
            f"prompt {p.id}: nobody has brought the recording {p.recording}: upload it first"
            for p in wanted.prompts
            if p.recording in missing
        ]:
            raise DirectoryInvalid(tuple(faults))

    async def _found(self) -> tuple[int, Directory | None]:
        """The version in force, and what it says: nothing where it cannot be read, or where there is none (0)."""
        try:
            return await self._store.in_force()
        except (DirectoryInvalid, DirectoryFileInvalid):
            return await self._store.current(), None


def planned(town: Tenant) -> date | None:
    """The day it goes live, where one is known."""
    return None if town.live_from == NOT_YET else town.live_from


def _town(directory: Directory, tenant: TenantId) -> Tenant:
    town = directory.tenant.get(tenant)
    if town is None:
        raise NoSuchTenant(f"there is no town {tenant!r}; there are: {', '.join(sorted(directory.tenant))}"[:500])
    return town


def _with_town(directory: Directory, town: Tenant) -> Directory:
    return replace(directory, tenants=tuple(town if t.id == town.id else t for t in directory.tenants))
