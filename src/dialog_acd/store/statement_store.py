"""Statements that were issued: kept as they went out, whatever becomes of calls and prices afterwards.

A statement is a document. One that turns out wrong is not changed but issued once more, under the next number of its
month; rows are only ever added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.shares import Month, Statement
from dialog_acd.store.database import writing
from dialog_acd.store.tables import statements

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

_FORM: TypeAdapter[Statement] = TypeAdapter(Statement)
TRIES = 3


class IssuedMeanwhile(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Others issue this very statement: look at theirs first."""

    error_id = "issued-meanwhile"


@dataclass(frozen=True, slots=True)
class Issue:
    """A statement as it went out."""

    statement: Statement
    number: int
    """Of this month's issues, from 1."""
    at: datetime
    by: str


class StatementStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def latest(self, month: Month, number: int | None = None) -> Issue | None:
        """The one issued last for this month, or that of this number; ``None`` where there is none."""
        s = statements.c
        question = select(statements).where(s.month == str(month)).order_by(s.number.desc()).limit(1)
        if number is not None:
            question = question.where(s.number == number)
        async with self._engine.connect() as connection:
            row = (await connection.execute(question)).one_or_none()
        return None if row is None else Issue(_FORM.validate_python(row.content), row.number, row.at, row.by)

    async def keep(self, statement: Statement, at: datetime, by: str) -> Issue:
        """Add it under the next number of its month. Raises ``IssuedMeanwhile``."""
        month = str(statement.month)
        content: Any = _FORM.dump_python(statement, mode="json")
        for _ in range(TRIES):
            try:
                async with writing(self._engine).begin() as connection:
                    found = await connection.scalar(
                        select(func.max(statements.c.number)).where(statements.c.month == month)
                    )
                    number = (found or 0) + 1
                    row = {"month": month, "number": number, "at": at, "by": by, "content": content}
                    await connection.execute(insert(statements), row)
            except IntegrityError:
                continue  # somebody else has taken the number
            return Issue(statement, number, at, by)
        raise IssuedMeanwhile
