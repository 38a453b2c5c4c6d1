"""How a question is written in an address, and how long an answer is.

Lists come in pages of one shape: ``limit`` entries, and ``next`` to give as ``before`` for those that follow. ``next``
names the last entry of the page, not a number of entries: what is added meanwhile neither doubles nor hides another.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator


def plus(number: str | None) -> str | None:
    """In an address a plus that is not written %2B is a blank, and +49... without it is another number."""
    return number if number is None else re.sub(r"^ (?=\d)", "+", number)


def plus_in_time(text: object) -> object:
    """The same for 2026-10-30T15:30+01:00."""
    return re.sub(r"(:\d\d(?:\.\d+)?) (?=\d\d:?\d\d$)", r"\1+", text) if isinstance(text, str) else text


def written(moment: object) -> object:
    """Raises ``ValueError`` for a number: pydantic would take it for seconds or milliseconds since 1970, and nobody who
    reads the document has meant that.
    """
    if isinstance(moment, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", moment):
        return moment
    raise ValueError("a moment is written as 2026-03-01T00:00:00+01:00")


def _written_day(day: object) -> object:
    if isinstance(day, date) or (isinstance(day, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII)):
        return day
    raise ValueError("a day is written as 2026-03-01")


Day = Annotated[date, BeforeValidator(_written_day)]


def _within(moment: datetime) -> datetime:
    if not 1970 < moment.year < 3000:  # a database, and a change of the zone, know less than a text can say
        raise ValueError("a moment has to lie between 1971 and 2999")
    return moment.astimezone(UTC)


PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
"""PostgreSQL takes no NUL, and nobody's name has a line break."""
SOMETHING = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
"""The same, and not blanks alone."""
_Moment = Annotated[AwareDatetime, BeforeValidator(written), BeforeValidator(plus_in_time), AfterValidator(_within)]

Limit = Annotated[int, Query(ge=1, le=200, description="Entries in a page.", examples=[50])]
Since = Annotated[
    _Moment | None,
    Query(
        alias="from",
        description="Only from this moment on (ISO 8601 with a zone; in the years 1971 to 2999).",
        examples=["2026-03-01T00:00:00+01:00"],
    ),
]
To = Annotated[
    _Moment | None,
    Query(
        description="Only before this moment (ISO 8601 with a zone; in the years 1971 to 2999).",
        examples=["2026-04-01T00:00:00+02:00"],
    ),
]
Name = Annotated[str | None, Query(min_length=1, max_length=100, pattern=PRINTABLE)]
