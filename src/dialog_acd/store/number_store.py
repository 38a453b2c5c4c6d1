"""Numbers of people: beside the records, for a few days, then gone; and the hashes that are left of them for a while.

``retention.py`` of the core says what and how long. Here it is made true on the disk, where *deleted* is not *gone*:

* PostgreSQL only marks a row as deleted, and what a page held stays in it until somebody needs the room. ``TRUNCATE``
  gives the table a new, empty file and removes the old one. It waits for those who read the table just then, and
  everybody else waits behind it; so it waits a moment only, and is tried again. Its statistics would keep samples of
  the numbers and the keys: of these columns it makes none (``SET STATISTICS 0``, in the migration).
* SQLite overwrites with zeros what is deleted, as every connection says ``secure_delete`` (``database.py``). Rows that
  are deleted one by one make it move others about, and their old places are not always overwritten; of a table that is
  emptied it frees whole pages, and those are. What the pages were before is in the ``-wal`` until a checkpoint has
  emptied that, too: ``RetentionStore.settle``.

A table belongs to one day at a time. The first call of a day takes the one of the day nine days before, which has long
been emptied if there was a service in one of the nights between. If not, it takes any that is free; and where none is,
one whose day is due is emptied for it. While the clock is in doubt nothing is due: by one that is ahead everything is,
and the first call would take away the numbers of whoever was promised one.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import and_, delete, insert, literal_column, select, text, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from dialog_acd.core.releases import month_at
from dialog_acd.core.retention import SLOTS, Numbers, day_of, is_outside, slot_of
from dialog_acd.store.tables import caller_keys, caller_numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from dialog_acd.core.records import CallRecord
    from dialog_acd.core.retention import Due

log = structlog.get_logger(__name__)

KEY_BYTES = 32
_WAIT_AT_MOST = "2s"
_AT_ONCE = 500
"""Calls asked for in one question."""

_days = union_all(
    *(
        select(literal_column(str(slot)).label("slot"), select(table.c.day).limit(1).scalar_subquery().label("day"))
        for slot, table in enumerate(caller_numbers)
    )
)


async def days_held(connection: AsyncConnection) -> dict[int, date]:
    """Which day's numbers are in which slot."""
    return {row.slot: row.day for row in await connection.execute(_days) if row.day is not None}


async def keep(
    connection: AsyncConnection, numbers: Mapping[CallRecord, Numbers], due: Due, now: datetime | None
) -> None:
    """Write down the numbers of these records, but for those that would be due already. Twice is once.

    ``now`` is ``None`` while the clock is in doubt.
    """
    rows: dict[int, list[dict[str, Any]]] = {}
    held: dict[int, date] | None = None
    tomorrow = date.max if now is None else day_of(now + timedelta(days=1))
    for record, said in sorted(numbers.items(), key=lambda one: one[0].t_in):
        day = day_of(record.t_in)
        if not due.numbers_to < day <= tomorrow:
            continue  # too late, or by a clock that is wrong: it would hold the table for long
        held = await days_held(connection) if held is None else held
        slot = _slot_for(day, held, [s for s, other in held.items() if not due.numbers_to < other <= tomorrow])
        if slot is None:
            log.error("record.no-room-for-its-numbers", call=record.call, day=day.isoformat())
            continue
        if held.get(slot, day) != day:
            await empty(connection, caller_numbers[slot])
        held[slot] = day
        rows.setdefault(slot, []).append(
            {
                "call": record.call,
                "day": day,
                "ani": said.ani,
                "diversion": said.diversion,
                "transferred_to": said.transferred_to,
                "dialled": said.dialled,
            }
        )
    for slot, new in rows.items():
        await connection.execute(_insert(connection, caller_numbers[slot]).on_conflict_do_nothing(), new)


def _slot_for(day: date, held: Mapping[int, date], gone: Collection[int]) -> int | None:
    """``gone``: those that may be emptied for it. ``None``: there is no room."""
    own = slot_of(day)
    by_choice = [own, *(slot for slot in range(SLOTS) if slot != own)]
    for slots in (
        (slot for slot, there in held.items() if there == day),
        (slot for slot in by_choice if slot not in held),
        (slot for slot in by_choice if slot in gone),
    ):
        if (slot := next(slots, None)) is not None:
            return slot
    return None


async def numbers_of(connection: AsyncConnection, calls: Iterable[tuple[str, datetime]]) -> dict[str, Numbers]:
    """Of these calls (id, when it came), where there are any (any more)."""
    wanted: dict[int, list[str]] = {}
    slots: dict[date, int] | None = None
    for call, t_in in calls:
        if slots is None:
            slots = {day: slot for slot, day in (await days_held(connection)).items()}
        if (slot := slots.get(day_of(t_in))) is not None:
            wanted.setdefault(slot, []).append(call)
    found: dict[str, Numbers] = {}
    for slot, ids in wanted.items():
        table = caller_numbers[slot]
        for start in range(0, len(ids), _AT_ONCE):
            question = select(table).where(table.c.call.in_(ids[start : start + _AT_ONCE]))
            for row in await connection.execute(question):
                found[row.call] = Numbers(row.ani, row.diversion, row.transferred_to, row.dialled)
    return found


# -- hashes


async def hashes_of(
    connection: AsyncConnection, callers: Collection[tuple[str, str, datetime, str | None]], due: Due
) -> dict[str, str]:
    """By call, for callers (call, town, when it came, number). Who shows no number, or an extension, has none; nor has
    a call that is older than its key could be.
    """
    known: list[tuple[str, tuple[str, str], str]] = []
    since: dict[tuple[str, str], datetime] = {}
    for call, tenant, t_in, number in callers:
        if number is not None and is_outside(number) and t_in >= due.keys_before:
            whose = tenant, month_at(t_in)
            known.append((call, whose, number))
            # A key is as old as the oldest of what it hashes: of a late record nothing is known for longer.
            since[whose] = min(t_in, since.get(whose, t_in))
    keys = await _keys(connection, since)
    return {call: hmac.digest(keys[whose], number.encode(), "sha256").hex() for call, whose, number in known}


async def _keys(
    connection: AsyncConnection, wanted: Mapping[tuple[str, str], datetime]
) -> dict[tuple[str, str], bytes]:
    if not wanted:
        return {}
    question = select(caller_keys).where(caller_keys.c.month.in_({month for _, month in wanted}))

    async def there() -> dict[tuple[str, str], Row[Any]]:
        return {(row.tenant, row.month): row for row in await connection.execute(question)}

    found = await there()
    if missing := sorted(wanted.keys() - found.keys()):
        rows = [
            {"tenant": whose[0], "month": whose[1], "key": secrets.token_bytes(KEY_BYTES), "made_at": wanted[whose]}
            for whose in missing
        ]
        # Another may make the same one now; then both have to use the first.
        await connection.execute(_insert(connection, caller_keys).on_conflict_do_nothing(), rows)
        found = await there()
    k = caller_keys.c
    for whose, made_at in sorted(wanted.items()):
        if made_at < found[whose].made_at:
            # It came late, is older than those the key has hashed so far, and is to be nobody's in time, too.
            this = and_(k.tenant == whose[0], k.month == whose[1], k.made_at > made_at)
            await connection.execute(update(caller_keys).where(this).values(made_at=made_at))
    return {whose: found[whose].key for whose in wanted}


# -- the end


async def empty(connection: AsyncConnection, table: Table) -> None:
    """Nothing is left of what was in this table, see the head of this file."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_AT_MOST}'"))
        await connection.execute(text(f"TRUNCATE {table.name}"))
    else:
        await connection.execute(delete(table))


async def keep_only(connection: AsyncConnection, table: Table, kept: ColumnElement[bool]) -> int:
    """Empty the table but for some rows, and say how many are gone."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_AT_MOST}'"))
        # Or what somebody adds after we have looked would go with the rest.
        await connection.execute(text(f"LOCK TABLE {table.name} IN ACCESS EXCLUSIVE MODE"))
    rows = [dict(row) for row in (await connection.execute(select(table).where(kept))).mappings()]
    before = len((await connection.execute(select(*table.primary_key.columns))).all())
    if before > len(rows):
        await empty(connection, table)
        if rows:
            await connection.execute(insert(table), rows)
    return before - len(rows)


def _insert(connection: AsyncConnection, table: Table) -> Any:
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)
