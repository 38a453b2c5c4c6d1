"""Edits of the directory while calls go on: read aside, validated whole, stored as a version, and swapped.

An edit either counts as a whole or changes nothing and says why. What takes long (reading a large directory) happens
in a thread of its own; the centre takes the new one at its next signal, living calls with their next decision.

One thing (a queue, a town) is changed in the directory in force, and then the whole is put in force like any other.
Whether somebody was quicker is asked of the thing alone, by a mark of its own content (*ETag*): two administrators who
change different towns do not refuse each other, and two who change the same one do. Where the rest has moved
meanwhile, the change is made once more in what is in force by then.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar
from zoneinfo import ZoneInfo

from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid
from dialog_acd.core.gate import gate
from dialog_acd.core.model import NOT_YET, Entry, EntryKind, TenantId, Waiver
from dialog_acd.core.ownership import seen_by, town_of, trespasses
from dialog_acd.core.releases import policy_changes
from dialog_acd.core.remarks import remarks
from dialog_acd.directory_form import THINGS
from dialog_acd.store.directory_file import DirectoryFileInvalid, directory_from_json, thing_from_json
from dialog_acd.store.directory_plain import called, difference, differences, whole
from dialog_acd.store.directory_store import DirectoryMoved, Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from datetime import date, datetime

    from dialog_acd.api.ports import Address, Terms
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.gate import Verdict
    from dialog_acd.core.model import Tenant
    from dialog_acd.core.releases import PolicyChange
    from dialog_acd.store.directory_store import DirectoryStore, Version

CATCH_ALL = "catch-all"
"""What the entry without a number is found by."""
UNDATED = "none"
"""Of several entries of a number, the one that has no beginning."""
TRIES = 5
"""How often a change is made anew because the rest of the directory has moved. Inside this service edits wait for each
other, so only the command line can be in the way."""
EDIT_WITHIN = 60.0
"""Seconds until an edit is given up (``TimeoutError``). That of a very large directory takes some."""
_NAMED = 50
"""So many of those who still name a thing that shall go are told; a skill may have two thousand."""
_ADDRESS = re.compile(r"[^/?#\s]{1,100}")


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


class NoSuchThing(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """There is nothing of this name in the directory."""

    error_id = "no-such-thing"


class SeveralThings(DialogAcdError):  # noqa: N818
    """Several entries have this number, one after the other: say which, by the day it begins."""

    error_id = "several-entries"

    def __init__(self, since: tuple[str, ...]) -> None:
        self.since = since
        super().__init__()


class ThingExists(DialogAcdError):  # noqa: N818
    """There is one of this name already."""

    error_id = "thing-exists"


class ThingMoved(DialogAcdError):  # noqa: N818
    """Somebody else has changed this since: look at it again, and make the edit anew."""

    error_id = "thing-moved"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__()


class NotTheirs(DialogAcdError):  # noqa: N818
    """A town's administrator may change what is the town's alone."""

    error_id = "not-theirs"

    def __init__(self, town: str, why: tuple[str, ...]) -> None:
        self.town, self.why = town, why
        super().__init__(f"Not {town}'s to change: " + "; ".join(why[:3]))


class DirectoryUnreadable(DialogAcdError):  # noqa: N818
    """The directory in the database cannot be read by this version of the program."""

    error_id = "directory-unreadable"


class DirectoryBusy(DialogAcdError):  # noqa: N818
    """Others keep changing the directory; nothing was changed, try again."""

    error_id = "directory-busy"


class Thing:
    """One thing of a directory, and how it is found and told."""

    def __init__(self, section: str, place: int, one: Any, *, several: bool = False) -> None:
        """``place``: in its section. ``several``: other entries have its number, too."""
        self.section, self.place, self.one = section, place, one
        self.name, since = name_of(one), getattr(one, "active_from", None)
        self.since = since.isoformat() if since is not None else UNDATED if several else None

    @property
    def key(self) -> str:
        """Its place in a list that is read page by page; it stays where it is when others come and go."""
        return f"{self.name},{self.since if self.since != UNDATED else ''}" if self.since is not None else self.name

    @cached_property
    def said(self) -> dict[str, Any]:
        """All its fields, as JSON says them."""
        return whole(self.one)

    @cached_property
    def etag(self) -> str:
        return mark_of(self.said)


class Shelves:
    """A version of the directory, its things in order and found by their names."""

    def __init__(self, version: int, directory: Directory) -> None:
        self.version, self.directory = version, directory
        numbers = Counter(map(name_of, directory.entries))
        self._sections: dict[str, list[Thing]] = {
            section: sorted(
                (
                    Thing(section, place, one, several=section == "entries" and numbers[name_of(one)] > 1)
                    for place, one in enumerate(getattr(directory, section))
                ),
                key=lambda thing: thing.key,
            )
            for section in THINGS
        }
        self._named: dict[tuple[str, str], list[Thing]] = {}
        for section, things in self._sections.items():
            for thing in things:
                self._named.setdefault((section, thing.name), []).append(thing)
        self._remarks: tuple[datetime, tuple[str, ...]] | None = None

    def find(self, address: Address, town: str | None = None) -> Thing:
        """Raises ``NoSuchThing``, also for what the town does not see, and ``SeveralThings``."""
        found = self._named.get((address.section, address.name), [])
        if address.since is not None:
            day = None if address.since == UNDATED else address.since
            found = [t for t in found if isinstance(t.one, Entry) and _day(t.one) == day]
        if town is not None:
            found = list(filter(self.sight(town), found))
        if not found:
            raise NoSuchThing
        if len(found) > 1:
            raise SeveralThings(tuple(thing.since or UNDATED for thing in found))
        return found[0]

    def page(
        self, section: str, limit: int, after: str, wanted: Callable[[Any], bool], town: str | None
    ) -> list[Thing]:
        """As many things as that, from behind the one with this key on."""
        things = self._sections[section]
        seen = (lambda _: True) if town is None else self.sight(town)
        found: list[Thing] = []
        for thing in things[bisect_right(things, after, key=lambda t: t.key) if after else 0 :]:
            if wanted(thing.one) and seen(thing):
                found.append(thing)
                if len(found) == limit:
                    break
        return found

    def sight(self, town: str) -> Callable[[Thing], bool]:
        seen = seen_by(self.directory, TenantId(town))
        return lambda thing: seen(thing.one)

    def remarks(self, at: datetime) -> tuple[str, ...]:
        # What is over is over at a midnight somewhere on the full hour.
        at = at.replace(minute=0, second=0, microsecond=0)
        if self._remarks is None or self._remarks[0] != at:
            self._remarks = at, remarks(self.directory, at)
        return self._remarks[1]


@dataclass(frozen=True, slots=True)
class Page:
    things: Sequence[Thing]
    next: str | None
    """What the next page begins behind; ``None``: this is the last."""


@dataclass(frozen=True, slots=True)
class Edited(Changed):
    """What an edit of one thing did, or would do."""

    remarks: tuple[str, ...] = ()
    """What is probably a mistake now and was not before."""
    etag: str | None = None
    """Of what it is now; ``None``: it is gone."""
    thing: Thing | None = None
    town: str | None = None
    """The one town it concerns."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A directory that somebody wants, and what makes it differ from the one in force."""

    directory: Directory
    differences: tuple[str, ...]
    said: Any = None
    """What it will be; ``None``: gone."""
    thing: Thing | None = None
    town: str | None = None


def _undisturbed(edit: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Without the garbage collector.

    A thread lets the engine have its turn every few milliseconds, the collector does not: with the tens of thousands
    of objects that a large directory is made of, it stops everything for a tenth of a second and more, several times
    in an edit. It would find next to nothing, as a directory has no cycles. So it is stopped meanwhile, and what is
    there afterwards is put out of its sight; once nobody refers to it, it goes all the same.

    And for no longer than ``EDIT_WITHIN``: a database that has gone silent would else keep the collector out, and
    everybody who waits for a turn, until the network gives up on it.
    """

    @wraps(edit)
    async def done(*args: P.args, **kwargs: P.kwargs) -> T:
        if not gc.isenabled():
            async with asyncio.timeout(EDIT_WITHIN):
                return await edit(*args, **kwargs)
        gc.collect()  # or what is garbage now would be put out of sight for ever
        gc.disable()
        try:
            async with asyncio.timeout(EDIT_WITHIN):
                return await edit(*args, **kwargs)
        finally:
            gc.freeze()
            gc.enable()

    return done


def _anew(edit: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Made once more from what is in force by then, where the command line was quicker. Raises ``DirectoryBusy``."""

    @wraps(edit)
    async def done(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(TRIES):
            try:
                return await edit(*args, **kwargs)
            except DirectoryMoved:
                continue
        raise DirectoryBusy

    return done


class Administration:
    """Reads and changes the directory for whoever may, over REST or at the command line."""

    def __init__(self, store: DirectoryStore, clock: Clock, in_force: Callable[[Directory], None]) -> None:
        """``in_force``: told of each new directory, once it is stored."""
        self._store, self._clock, self._in_force = store, clock, in_force
        self._one_at_a_time = asyncio.Lock()
        self._shelves: Shelves | None = None
        self._in_doubt = False
        """An edit broke off while it was stored, and may be there: the database had it and could not say so."""

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

    async def gate(self, tenant: TenantId, on: date | None, home: TenantId | None = None) -> Verdict:
        """What is missing for the town to go live on that day; ``None``: the planned one, or today. ``home``: told to
        this town, which reads of no other.

        Raises ``NoSuchTenant``, ``DirectoryUnreadable``.
        """
        _, directory = await self._readable()
        town = _town(directory, tenant)
        return await asyncio.to_thread(gate, directory, tenant, on or planned(town) or self._today(), home)

    @_undisturbed
    @_anew
    async def go_live(
        self, tenant: TenantId, on: date, waivers: Sequence[tuple[str, str, str]], by: str, why: str
    ) -> tuple[Verdict, Changed | None]:
        """Let the town go live on a day, or move the day; nothing changes where something is missing.

        Waivers (finding, who answers for it, why) are kept with the town, each as its latest word. Raises
        ``NoSuchTenant``, ``DayRefused`` for a day that is over or a town that is live, and ``DirectoryBusy``,
        ``DirectoryUnreadable``.
        """
        today = self._today()
        if on < today:
            raise DayRefused(f"{on.isoformat()} is over, today is {today.isoformat()}")
        async with self._one_at_a_time:
            found, directory = await self._readable()
            town = _town(directory, tenant)
            if town.live_from is None:
                raise DayRefused(f"{town.name} does not wait to go live: its numbers have their own dates alone")
            if town.live_from <= today and town.live_from != on:
                raise DayRefused(f"{town.name} is live since {town.live_from.isoformat()}")
            named = {w.finding: w for w in (*town.waivers, *(Waiver(*waiver, today) for waiver in waivers))}
            begins = replace(town, live_from=on, waivers=tuple(named.values()))
            # The very directory that is put in force is asked, not one like it.
            begun = await asyncio.to_thread(_with_town, directory, begins)
            verdict = await asyncio.to_thread(gate, begun, tenant, on)
            if not verdict.go:
                return verdict, None
            why = why or f"{town.name} goes live on {on.isoformat()}"
            return verdict, await self._put(begun, by, why, found)

    @_undisturbed
    @_anew
    async def put_off(self, tenant: TenantId, by: str) -> tuple[Verdict, Changed]:
        """The town waits again, and no day is known. Raises ``NoSuchTenant``, ``DayRefused`` where it is live, and
        ``DirectoryBusy``, ``DirectoryUnreadable``.
        """
        today = self._today()
        async with self._one_at_a_time:
            found, directory = await self._readable()
            town = _town(directory, tenant)
            if town.live_from is None or town.live_from <= today:
                raise DayRefused(f"{town.name} is live; end its entries by a date (active_to), or close them")
            waiting = await asyncio.to_thread(_with_town, directory, replace(town, live_from=NOT_YET))
            changed = await self._put(waiting, by, f"{town.name} does not go live yet", found)
        return await asyncio.to_thread(gate, waiting, tenant, today), changed

    def _today(self) -> date:
        return self._clock.now().astimezone(_BERLIN).date()

    @_undisturbed
    async def reload(self) -> Directory:
        """Somebody changed the directory beside us: put in force what is stored. Raises what
        ``DirectoryStore.load`` raises, and the old one stays in force.
        """
        # In turn: an edit that was stored meanwhile would be put out of force again by what was read before it.
        async with self._one_at_a_time:
            directory = await self._store.load()
            self._in_force(await asyncio.to_thread(directory.prepare))
        return directory

    # -- one thing

    async def page(
        self, section: str, limit: int, after: str, wanted: Callable[[Any], bool], town: str | None = None
    ) -> Page:
        """Things of a section by name; ``after`` is the ``next`` of the page before, empty for the first."""
        # One more than asked for tells whether there is a next page.
        found = (await self._shelved()).page(section, limit + 1, after, wanted, town)
        return Page(found[:limit], found[limit - 1].key if len(found) > limit else None)

    async def thing(self, address: Address, town: str | None = None) -> tuple[Thing, str | None]:
        """A thing, and the one town it concerns. Raises ``NoSuchThing``, also for what ``town`` does not see, and
        ``SeveralThings``.
        """
        shelves = await self._shelved()
        found = shelves.find(address, town)
        return found, town_of(shelves.directory, found.one)

    async def create(self, section: str, content: dict[str, Any], terms: Terms) -> Edited:
        """Raises ``ThingExists``, and what ``edit`` raises."""
        return await self._change(lambda shelves: _created(shelves, section, content, terms), terms)

    async def edit(
        self, address: Address, change: Callable[[dict[str, Any]], dict[str, Any] | None], terms: Terms
    ) -> Edited:
        """Put in the place of a thing what ``change`` makes of it; nothing: take it away.

        Raises ``NoSuchThing``, ``SeveralThings``, ``ThingMoved``; ``DirectoryInvalid`` with
        every fault; ``NotTheirs``; and ``DirectoryBusy``, ``DirectoryUnreadable``. Nothing has changed then.
        """
        return await self._change(lambda shelves: _edited(shelves, address, change, terms), terms)

    async def test_callers(self) -> tuple[Sequence[str], str]:
        """Their numbers, and the ETag of the list."""
        numbers = (await self._shelved()).directory.test_callers
        return numbers, mark_of(numbers)

    async def set_test_callers(self, numbers: Sequence[str], terms: Terms) -> Edited:
        """Raises ``ThingMoved``, ``DirectoryInvalid``, ``DirectoryBusy``."""

        def make(shelves: Shelves) -> _Wanted:
            before = shelves.directory
            _require(terms, mark_of(before.test_callers))
            after = replace(before, test_callers=tuple(numbers))
            return _Wanted(after, differences(before, after), after.test_callers)

        return await self._change(make, terms)

    async def _shelved(self) -> Shelves:
        """What is in force. Raises ``DirectoryUnreadable``."""
        shelves = self._shelves
        # A version never changes, so its number is enough to know it by.
        if shelves is None or shelves.version != await self._store.current():
            number, directory = await self._readable()
            shelves = self._shelves = await asyncio.to_thread(Shelves, number, directory)
        return shelves

    async def _readable(self) -> tuple[int, Directory]:
        """What is in force, with its number. Raises ``DirectoryUnreadable``."""
        try:
            return await self._store.in_force()
        except (DirectoryInvalid, DirectoryFileInvalid) as error:
            # Not the fault of who asks; only another whole directory helps, or a version before.
            raise DirectoryUnreadable(str(error)) from error

    @_undisturbed
    @_anew
    async def _change(self, make: Callable[[Shelves], _Wanted], terms: Terms) -> Edited:
        async with self._one_at_a_time:
            shelves = await self._shelved()
            wanted = await asyncio.to_thread(make, shelves)
            etag = None if wanted.said is None else mark_of(wanted.said)
            number, changed = shelves.version, wanted.differences
            new: tuple[str, ...] = ()
            if changed:
                after = await asyncio.to_thread(Shelves, number + 1, wanted.directory)
                new = await asyncio.to_thread(_new_remarks, shelves, after, self._clock.now())
                await self._require_recordings(wanted.directory, shelves.directory)
            policies = tuple(policy_changes(shelves.directory, wanted.directory)) if changed else ()
            if terms.dry_run:
                await self._store.require_released(policies, self._clock.now())
            if changed and not terms.dry_run:
                edit = Edit(terms.by, self._clock.now(), terms.why)
                number = await self._begin(wanted.directory, edit, number, policies)
                self._shelves = after
            elif not terms.dry_run:
                await self._settle(shelves.directory)
            return Edited(number, changed, new, etag, wanted.thing, wanted.town)

    # -- all of it

    @_undisturbed
    async def put(
        self, wanted: Directory, by: str, why: str, expected: int | None, *, dry_run: bool = False
    ) -> Changed:
        """Put this directory in force, unless it says the same as the one there is.

        Raises ``DirectoryMoved``, ``DirectoryInvalid`` for a prompt whose recording nobody has brought yet, and
        ``PolicyNotReleased``. One in force that cannot be read any more keeps nobody from putting another in its place;
        but what its policies were nobody can say then, and weaker ones than the strictest have to be agreed upon again.
        """
        async with self._one_at_a_time:
            return await self._put(wanted, by, why, expected, dry_run=dry_run)

    async def _put(
        self, wanted: Directory, by: str, why: str, expected: int | None, *, dry_run: bool = False
    ) -> Changed:
        """The same for whose turn it is already."""
        found, before = await self._found()
        # The first of all comes before the service that recordings are brought to.
        if found:
            await self._require_recordings(wanted, before)
        lines = await asyncio.to_thread(differences, before, wanted)
        if found and before is None:
            lines = (f"version {found}, which is in force, cannot be read, and all of it is replaced", *lines)
        policies = tuple(policy_changes(before, wanted))
        if dry_run or not lines:
            self._store.require(expected, found)
            await self._store.require_released(policies, self._clock.now())
            if not dry_run:
                await self._settle(before)
            return Changed(found, lines)
        edit = Edit(by, self._clock.now(), why)
        return Changed(await self._begin(wanted, edit, found if expected is None else expected, policies), lines)

    async def _begin(self, wanted: Directory, edit: Edit, expected: int, policies: Sequence[PolicyChange]) -> int:
        """Store it and put it in force; the number of the version. Raises ``DirectoryMoved``, ``PolicyNotReleased``."""
        self._in_doubt = True
        number = await self._store.replace(wanted, edit, expected, policies)
        await self._settle(wanted)
        return number

    async def _settle(self, stored: Directory | None) -> None:
        """Whoever repeats an edit that broke off finds that nothing changes: what is stored has to be in force."""
        if self._in_doubt and stored is not None:
            self._in_force(await asyncio.to_thread(stored.prepare))
            self._in_doubt = False

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


# ---------------------------------------------------------------- one thing


def name_of(one: Any) -> str:
    """What a thing is called in its section. An entry's number may be shared by others, with other dates."""
    if isinstance(one, Entry):
        return CATCH_ALL if one.kind is EntryKind.CATCH_ALL else one.number
    return str(getattr(one, "id", None) or one.name)


def mark_of(said: Any) -> str:
    """An ETag: the same for the same content, whoever edited what beside it."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _day(entry: Entry) -> str | None:
    return entry.active_from.isoformat() if entry.active_from is not None else None


def _require(terms: Terms, found: str) -> None:
    if terms.found is not None and found not in terms.found:
        raise ThingMoved(found)


# What follows takes its time and runs in a thread.


def _created(shelves: Shelves, section: str, content: dict[str, Any], terms: Terms) -> _Wanted:
    one = _read(section, content, terms)
    if not _ADDRESS.fullmatch(name_of(one)) or name_of(one) in (".", ".."):
        raise DirectoryInvalid((f"{name_of(one)!r} cannot be called so: 1 to 100 characters, and none of them / ? #",))
    before = shelves.directory
    things = getattr(before, section)
    if any(name_of(other) == name_of(one) and _since(other) == _since(one) for other in things):
        raise ThingExists(f"There is a {called(section, one)} already.")
    return _wanted(shelves, section, len(things), one, terms)


def _edited(
    shelves: Shelves, address: Address, change: Callable[[dict[str, Any]], dict[str, Any] | None], terms: Terms
) -> _Wanted:
    found = shelves.find(address, terms.town)
    _require(terms, found.etag)
    content = change(found.said)
    if content is None:
        try:
            return _wanted(shelves, found.section, found.place, None, terms)
        except DirectoryInvalid as error:
            # Each says what is missing now: that it names the thing. That there is none is no news to anybody.
            named = [re.split(", which (?:does not exist|is not declared)", fault)[0] for fault in error.faults]
            if len(named) > _NAMED:
                named[_NAMED:] = [f"and {len(named) - _NAMED} more"]
            raise DirectoryInvalid(tuple(named)) from error
    one = _read(found.section, content, terms)
    if name_of(one) != found.name:
        fault = f"it is called {found.name!r} and cannot be renamed: others refer to it by its name"
        raise DirectoryInvalid((fault,))
    return _wanted(shelves, found.section, found.place, one, terms)


def _since(one: Any) -> Any:
    return getattr(one, "active_from", None)


def _read(section: str, content: dict[str, Any], terms: Terms) -> Any:
    try:
        return thing_from_json(section, content)
    except DirectoryFileInvalid as error:
        raise DirectoryInvalid(_for_town(error.faults, terms)) from error


def _for_town(faults: Iterable[str], terms: Terms) -> tuple[str, ...]:
    """What was probably meant may be the name of something the town does not see."""
    return tuple(fault.partition(", did you mean")[0] if terms.town is not None else fault for fault in faults)


def _wanted(shelves: Shelves, section: str, place: int, one: Any | None, terms: Terms) -> _Wanted:
    """The directory with this thing in this place: behind all, in that of another, or nothing where one was."""
    before = shelves.directory
    things = list(getattr(before, section))
    was = things[place] if place < len(things) else None
    things[place : place + 1] = [] if one is None else [one]
    try:
        after = replace(before, **{section: tuple(things)}) if one != was else before
    except DirectoryInvalid as error:
        raise DirectoryInvalid(_for_town(error.faults, terms)) from error
    if terms.town is not None and (why := tuple(trespasses(before, after, TenantId(terms.town)))):
        raise NotTheirs(terms.town, why)
    towns = {town_of(d, thing) for d, thing in ((before, was), (after, one)) if thing is not None}
    town = towns.pop() if len(towns) == 1 else None
    changed = difference(section, was, one) if after is not before else ()
    if one is None:
        return _Wanted(after, changed, town=town)
    several = section == "entries" and sum(name_of(e) == name_of(one) for e in after.entries) > 1
    thing = Thing(section, place, one, several=several)
    return _Wanted(after, changed, thing.said, thing, town)


def _new_remarks(before: Shelves, after: Shelves, at: datetime) -> tuple[str, ...]:
    known = set(before.remarks(at))
    return tuple(remark for remark in after.remarks(at) if remark not in known)


# ---------------------------------------------------------------- going live


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
