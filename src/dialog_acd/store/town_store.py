"""One town leaves: its data for it to take along, and then nothing of its people stays here.

What stays are facts without persons: its calls with their times, entries and outcomes. The others' sums are made of
them, too (what the centre served, what each has paid), and figures of a year that is closed do not change any more.
The audit log stays until its own end comes: it answers for what was done with the data, this included.
"""

from __future__ import annotations

import asyncio
import csv
import json
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from sqlalchemy import String, and_, bindparam, case, cast, delete, insert, or_, select, update

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.kpi import berlin_day
from dialog_acd.core.ownership import SEEN_BY_A_TOWN, seen_by
from dialog_acd.core.retention import parted, without_agents
from dialog_acd.core.spreadsheet import harmless
from dialog_acd.store.database import writing
from dialog_acd.store.directory_plain import whole
from dialog_acd.store.figures_store import FiguresStore
from dialog_acd.store.number_store import days_held, keep_only
from dialog_acd.store.record_json import offers_from_plain, offers_to_plain, to_plain
from dialog_acd.store.record_store import RecordReader
from dialog_acd.store.tables import (
    audit,
    caller_keys,
    caller_numbers,
    record_conflicts,
    recordings,
    records,
    switches,
    tokens,
)
from dialog_acd.store.token_store import COMMAND_LINE
from dialog_acd.store.yaml_text import write_yaml

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from pathlib import Path

    from sqlalchemy import ColumnElement, Insert
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import TenantId
    from dialog_acd.core.records import CallRecord
    from dialog_acd.store.directory_store import DirectoryStore

QUIET_FOR = timedelta(days=1)
"""So long a town has to be out of the directory before it is erased: its last calls have ended then, their records are
here, and nobody names a town for one any more."""
_BATCH = 200
_BREATHE = 0.02
"""Seconds between two batches, in which everybody else may write."""
_NEVER_TAKEN = ("caller_hash",)
"""Says something only beside a key, and that is not given away."""
_AFTER_THE_ANSWER = ("t_end", "t_leave", "t_ovf", "t_ovf_ans", "t_failsafe", "t_callback", "t_amended")
"""Moments that may say when a conversation was over. Whoever names a call's town does it at its end."""


class ExportRefused(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Nothing was exported."""

    error_id = "export-refused"


class ErasureRefused(DialogAcdError):  # noqa: N818
    """Nothing was erased."""

    error_id = "erasure-refused"


class UnknownTown(DialogAcdError):  # noqa: N818
    """There has never been such a town."""

    error_id = "no-such-tenant"


class TownStore:
    def __init__(self, engine: AsyncEngine, directories: DirectoryStore) -> None:
        self._engine, self._directories = engine, directories

    async def last_with(self, town: str) -> tuple[Directory, datetime | None]:
        """The youngest directory that has this town, and when it was replaced by one without; ``None``: it is in force.

        Raises ``UnknownTown``.
        """
        number, _, left = await self._last_with(town)
        return await self._directories.version(number), left

    async def _last_with(self, town: str) -> tuple[int, dict[str, Any], datetime | None]:
        """Its number, and what it says. None is built: today's rules need not allow those after it."""
        left: datetime | None = None
        before: int | None = None
        while page := await self._directories.versions(50, before):
            for version in page:
                _, said = await self._directories.plain_of(version.number)
                if any(tenant.get("id") == town for tenant in said.get("tenants", ())):
                    return version.number, said, left
                left, before = version.edit.at, version.number
        raise UnknownTown(f"no directory there ever was has a town {town!r}")

    # -- to take along

    async def export(self, town: TenantId, to: Path, now: datetime, by: str) -> dict[str, int]:
        """Make the folder ``to`` with everything that is this town's; say how much of each. Raises ``ExportRefused``
        and ``UnknownTown``.

        Without callers' numbers: whoever keeps the folder would keep them for longer than they may be. But who was
        promised a call, and was called back by nobody yet as far as is known here, is in ``callbacks.csv``.
        """
        directory, _ = await self.last_with(town)
        _make(to)
        seen = seen_by(directory, town)
        sections = {
            section: [whole(thing) for thing in getattr(directory, section) if seen(thing)]
            for section in sorted(SEEN_BY_A_TOWN)
        }
        _write(to / "directory.yaml", write_yaml(sections))
        counts = {"directory": sum(map(len, sections.values()))}
        counts |= await self._export_records(town, to)
        counts["recordings"] = await self._export_recordings(town, to)
        async with self._engine.connect() as connection:
            for name, question in (
                ("audit", select(audit).where(audit.c.tenant == town).order_by(audit.c.at, audit.c.id)),
                # Not the digests: they are secrets, if only by half.
                ("tokens", select(*(c for c in tokens.columns if c.name != "digest")).where(tokens.c.tenant == town)),
            ):
                rows = [dict(row) for row in (await connection.execute(question)).mappings()]
                _write(to / f"{name}.jsonl", "".join(_line(row) for row in rows))
                counts[name] = len(rows)
        # Whoever does not read of the folder in the log does not hear of it from us.
        async with writing(self._engine).begin() as connection:
            await connection.execute(_told(now, town, "tenants.export", counts | {"by": by}))
        return counts

    async def _export_records(self, town: TenantId, to: Path) -> dict[str, int]:
        """Line by line: a town of a large centre has some hundred thousand calls a year."""
        counts = {"records": 0, "callbacks": 0}
        rows: csv.DictWriter[str] | None = None
        with ExitStack() as files:
            lines, table, callbacks = (
                files.enter_context(_new(to / name)) for name in ("records.jsonl", "records.csv", "callbacks.csv")
            )
            owed = csv.writer(callbacks)
            owed.writerow(("call", "t_callback", "ani"))
            async for record in self._records(town):
                if record.t_callback is not None and record.ani is not None:
                    owed.writerow((record.call, record.t_callback.isoformat(), record.ani))
                    counts["callbacks"] += 1
                plain = _to_take_along(record)
                lines.write(_line(plain))
                flat = plain | {name: plain["outcome"][name] for name in ("result", "reason", "blame")}
                flat["offers"], flat["rungs"] = len(record.offers), len(record.rungs)
                flat["candidates"] = " ".join(record.candidates)
                del flat["outcome"]
                if rows is None:
                    rows = csv.DictWriter(table, flat.keys())
                    rows.writeheader()
                rows.writerow({n: harmless(value) if isinstance(value, str) else value for n, value in flat.items()})
                counts["records"] += 1
        return counts

    async def _records(self, town: TenantId) -> AsyncIterator[CallRecord]:
        """The latest first."""
        reader, before = RecordReader(self._engine), None
        while page := await reader.recent(_BATCH, before, tenant=town):
            for record in page:
                yield record
            before = (page[-1].t_in, page[-1].call)

    async def _export_recordings(self, town: TenantId, to: Path) -> int:
        folder = to / "recordings"
        _make(folder)
        told = []
        c = recordings.c
        async with self._engine.connect() as connection:
            question = select(c.digest, c.name, c.by, c.uploaded_at, c.duration_ms).where(c.tenant == town)
            for row in (await connection.execute(question.order_by(c.uploaded_at))).mappings().all():
                content = await connection.scalar(select(c.content).where(c.digest == row["digest"]))
                (folder / f"{row['digest']}.wav").write_bytes(content or b"")
                told.append(dict(row))
        _write(to / "recordings.jsonl", "".join(_line(row) for row in told))
        return len(told)

    # -- and nothing stays

    async def require_gone(self, town: TenantId, now: datetime, journal: Path) -> None:
        """Raises ``ErasureRefused`` while calls for this town could come, live, or be told of; ``UnknownTown``.

        ``journal``: the folder in which records wait for the database.
        """
        _, _, left = await self._last_with(town)
        if left is None:
            raise ErasureRefused(
                f"{town} is in the directory in force, and calls for it may come: take it out there first"
            )
        if now - left < QUIET_FOR:
            raise ErasureRefused(
                f"{town} left the directory less than a day ago, and records of its last calls may still come:"
                f" erase it after {(left + QUIET_FOR).isoformat(timespec='minutes')}"
            )
        waiting = await asyncio.to_thread(_waiting, journal, town)
        if waiting:
            raise ErasureRefused(
                f"{waiting} records or changes of {town} wait in {journal} for the database, and would bring its people"
                " back: erase it when the service has written them"
            )

    async def erase(self, town: TenantId, now: datetime, by: str, journal: Path) -> dict[str, int]:
        """Take out what says anything about a person, and say how much. Raises as ``require_gone``. Twice is once."""
        await self.require_gone(town, now, journal)
        # How many people answered can be counted while it is known who they were.
        await FiguresStore(self._engine, lambda: now).make(date.min, berlin_day(now) + timedelta(days=1), [town])
        async with writing(self._engine).begin() as connection:
            # It is done in many pieces. Whatever ends it between two of them, somebody has begun it.
            await connection.execute(_told(now, town, "tenants.erase-begun", {"by": by}))
        hall = await self._hall(town)
        _, in_force = await self._directories.plain_of()
        used = {prompt["recording"] for prompt in in_force.get("prompts", ()) if prompt.get("recording")}
        gone = {"records": await self._erase_records(town), "numbers": await self._erase_numbers(town)}
        async with writing(self._engine).begin() as connection:
            gone["keys"] = await keep_only(connection, caller_keys, caller_keys.c.tenant != town)
            conflicts = select(record_conflicts.c.call, record_conflicts.c.digest, record_conflicts.c.content)
            rows = (await connection.execute(conflicts)).all()
            theirs = [row for row in rows if row.content.get("tenant") == town]
            for row in theirs:
                this = and_(record_conflicts.c.call == row.call, record_conflicts.c.digest == row.digest)
                await connection.execute(delete(record_conflicts).where(this))
            gone["conflicts"] = len(theirs)
            for name, table, where in (
                ("recordings", recordings, and_(recordings.c.tenant == town, recordings.c.digest.not_in(used))),
                # An agent's own is of no town.
                ("tokens", tokens, or_(tokens.c.tenant == town, tokens.c.agent.in_(hall))),
                ("switches", switches, switches.c.tenant == town),
            ):
                gone[name] = (await connection.execute(delete(table).where(where))).rowcount
            await connection.execute(_told(now, town, "tenants.erase", gone | {"by": by}))
        return gone

    async def _hall(self, town: TenantId) -> set[str]:
        """The agents of its town hall, but for those who have stayed with the centre."""
        _, said, _ = await self._last_with(town)
        _, in_force = await self._directories.plain_of()
        here = {agent["id"] for agent in in_force.get("agents", ())}
        return {agent["id"] for agent in said.get("agents", ()) if agent.get("home") == town} - here

    async def _erase_records(self, town: TenantId) -> int:
        r = records.c
        change = (
            update(records)
            .where(r.call == bindparam("of"))
            .values(
                agent=None,
                failsafe_answered_by=case((r.failsafe_answered_by.is_not(None), "")),
                transferred_to=None,
                caller_hash=None,
                trunk_call_id="",
                offers=bindparam("offers_"),
            )
        )
        # Whoever is in none of these has nothing that was a person's any more.
        theirs = or_(
            *(column != "" for column in (r.agent, r.failsafe_answered_by, r.transferred_to, r.caller_hash)),
            r.trunk_call_id != "",
            cast(r.offers, String) != "[]",
        )
        changed = 0
        place: list[ColumnElement[bool]] = []
        while True:
            question = select(r.call, r.t_in, r.offers).where(r.tenant == town, theirs, *place)
            # Read outside the writing: whoever has a record to write waits for the change alone.
            async with self._engine.connect() as connection:
                rows = (await connection.execute(question.order_by(r.t_in, r.call).limit(_BATCH))).all()
            if not rows:
                return changed
            nobody = [[replace(offer, agent="", why="") for offer in offers_from_plain(row.offers)] for row in rows]
            async with writing(self._engine).begin() as connection:
                await connection.execute(
                    change,
                    [
                        {"of": row.call, "offers_": offers_to_plain(offers)}
                        for row, offers in zip(rows, nobody, strict=True)
                    ],
                )
            changed += len(rows)
            last = rows[-1]
            # The first says nothing new but to the database, which finds the place by it instead of sorting the town.
            place = [r.t_in >= last.t_in, or_(r.t_in > last.t_in, r.call > last.call)]
            await asyncio.sleep(_BREATHE)

    async def _erase_numbers(self, town: TenantId) -> int:
        async with self._engine.connect() as connection:
            held = await days_held(connection)
        gone = 0
        for slot in held:
            table = caller_numbers[slot]
            async with writing(self._engine).begin() as connection:
                whose = select(table.c.call).join(records, records.c.call == table.c.call)
                calls: Collection[str] = (await connection.scalars(whose.where(records.c.tenant == town))).all()
                if calls:
                    gone += await keep_only(connection, table, table.c.call.not_in(calls))
        return gone


def _to_take_along(record: CallRecord) -> dict[str, Any]:
    """Who of the centre's staff answered, and how long they took, is not the town's: a team may be one of them, and
    nothing that came after the answer says when it did. Nor do the times between two phones that rang.
    """
    kept = replace(
        without_agents(parted(record)[0]),
        team=None,
        t_wrap_end=None,
        talk_ms=None,
        wrap_ms=None,
        hung_up_first="unknown",
    )
    plain = {name: value for name, value in to_plain(kept).items() if name not in _NEVER_TAKEN}

    def told(moment: datetime | None) -> bool:
        return moment is None or record.t_ans is None or moment < record.t_ans

    plain |= {name: None for name in _AFTER_THE_ANSWER if not told(getattr(record, name))}
    plain["offers"] = [
        offer | ({} if n == 0 and told(record.offers[n].at) else {"at": None})
        for n, offer in enumerate(plain["offers"])
    ]
    plain["rungs"] = [
        rung | ({} if told(taken.at) else {"at": None})
        for rung, taken in zip(plain["rungs"], record.rungs, strict=True)
    ]
    return plain


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except OSError as problem:
        raise ExportRefused(f"the folder {folder} cannot be made ({problem.strerror}): name a new one") from None


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=lambda moment: moment.isoformat()) + "\n"


def _new(path: Path) -> TextIO:
    path.touch(0o600)
    return path.open("w", encoding="utf-8", newline="")  # csv has line ends of its own


def _write(path: Path, content: str) -> None:
    with _new(path) as file:
        file.write(content)


def _waiting(journal: Path, town: str) -> int:
    """How many lines of the journal are about calls of this town, or make one its own."""
    found = 0
    for path in journal.glob("records-*"):
        with suppress(FileNotFoundError):  # its records were carried just now
            for line in path.read_bytes().split(b"\n"):
                with suppress(ValueError, AttributeError):  # torn: nobody will read it
                    found += json.loads(line).get("tenant") == town
    return found


def _told(now: datetime, town: str, action: str, details: dict[str, Any]) -> Insert:
    return insert(audit).values(
        at=now,
        who=COMMAND_LINE,
        role="operator",
        tenant=town,
        action=action,
        about=town,
        outcome="done",
        details=details,
    )
