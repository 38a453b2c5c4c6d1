"""What was used in a month, summed up by the database: a million records are not read to send 22 bills.

``core.shares.Usage.add`` says what counts, and this says the same in SQL; the tests hold the two against each other.
Times are brought to whole milliseconds before anything is subtracted, and only integers are added up, so both databases
and Python have the same sum to the last millisecond. SQLite keeps a time as text, and its own functions for the
difference of two (``julianday``) are floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Integer, and_, case, cast, extract, func, or_, select

from dialog_acd.core.kpi import berlin_midnight
from dialog_acd.core.model import TenantId
from dialog_acd.core.records import PROMISED, Result
from dialog_acd.core.shares import Usage, account_of
from dialog_acd.store.tables import records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dialog_acd.core.shares import Account, Slice, Used


class UsageStore:
    """Sums over finished calls, as far as they are in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def usage(self, slices: Iterable[Slice]) -> list[Used]:
        """What was used in each of them, in their order."""
        question = _question(sqlite=self._engine.dialect.name == "sqlite")
        used: list[Used] = []
        async with self._engine.connect() as connection:
            for of in slices:
                rows = await connection.execute(
                    question.where(
                        records.c.t_in >= berlin_midnight(of.begins), records.c.t_in < berlin_midnight(of.ends)
                    )
                )
                accounts: dict[Account, Usage] = {}
                for tenant, kind, offered, accepted, by_partner, talk_ms, handling_ms in rows:
                    account = accounts.setdefault(account_of(TenantId(tenant), kind), Usage())
                    # PostgreSQL adds up big integers to a numeric, which the driver hands out as Decimal.
                    talk, handling = int(talk_ms or 0), int(handling_ms or 0)
                    account.join(Usage(offered, accepted, int(by_partner), talk, handling - talk))
                used.append((of, accounts))
        return used


def _question(*, sqlite: bool) -> Any:
    r = records.c
    least, greatest = (func.min, func.max) if sqlite else (func.least, func.greatest)
    begun, over = _milliseconds(r.t_ans, sqlite=sqlite), _milliseconds(r.t_end, sqlite=sqlite)
    wrapped = _milliseconds(func.coalesce(r.t_wrap_end, r.t_end, type_=r.t_end.type), sqlite=sqlite)
    # Of who was not answered all of this is NULL, and adds nothing: but PostgreSQL's greatest passes NULL over.
    answered = r.t_ans.is_not(None)
    said = and_(r.talk_ms.is_not(None), r.wrap_ms.is_not(None))
    talk = case((and_(answered, said), r.talk_ms), (answered, greatest(least(over, wrapped) - begun, 0)))
    handling = case((and_(answered, said), r.talk_ms + r.wrap_ms), (answered, greatest(wrapped - begun, 0)))
    closed = or_(r.result == Result.CLOSED.value, and_(r.result == Result.CALLBACK.value, r.reason != PROMISED))
    return (
        select(
            r.tenant,
            r.kind,
            func.count(),
            func.count(r.t_ans),
            func.sum(case((and_(r.t_ans.is_(None), r.t_ovf_ans.is_not(None)), 1), else_=0)),
            func.sum(talk),
            func.sum(handling),
        )
        # What ``core.kpi`` calls offered: who was answered once has been, whatever became of them then.
        .where(
            r.test.is_(False),
            or_(
                answered,
                r.t_ovf_ans.is_not(None),
                and_(r.result != Result.REFUSED.value, or_(~closed, r.t_ovf.is_not(None))),
            ),
        )
        .group_by(r.tenant, r.kind)
    )


def _milliseconds(moment: ColumnElement[Any], *, sqlite: bool) -> ColumnElement[int]:
    """Whole milliseconds since 1970, rounded down, as ``core.records.milliseconds``."""
    if sqlite:  # 2026-03-02 12:00:00.123456
        # Without its fraction: strftime rounds, and .9996 s would be the next second.
        seconds = cast(func.strftime("%s", func.substr(moment, 1, 19)), Integer)
        return seconds * 1000 + cast(func.substr(moment, 21, 3), Integer)
    return cast(extract("epoch", func.date_trunc("milliseconds", moment)) * 1000, BigInteger)
