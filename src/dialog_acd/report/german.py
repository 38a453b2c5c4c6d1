"""Numbers and days as people in Germany write them: 1.234,5 and 02.03.2026.

Numbers are rounded half up, as everybody does it who checks them by hand; a percentage that is rounded up to the
promise is one that was not kept, so ``kept`` decides on the unrounded one.
"""

from __future__ import annotations

from datetime import time
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime, timedelta

NO_DATA = "keine Daten"
SUPPRESSED = "unterdrückt"
_LOCALE = "de_DE"


def number(value: float | Decimal, places: int = 0) -> str:
    """``1.234,5`` with so many digits after the comma."""
    exact = Decimal(value) if isinstance(value, int | Decimal) else Decimal(repr(value))
    rounded = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return format_decimal(rounded, format=f"#,##0.{'0' * places}" if places else "#,##0", locale=_LOCALE)


def plain(value: float | Decimal, places: int) -> str:
    """For spreadsheets: ``1234,5``, no thousands' points, no noughts at the end."""
    said = number(value, places).replace(".", "")
    return said.rstrip("0").rstrip(",") if "," in said else said


def percent(numerator: int, denominator: int) -> str:
    """With one digit after the comma; nothing of nothing is no figure."""
    if not denominator:
        return NO_DATA
    return f"{number(Decimal(100 * numerator) / Decimal(denominator), 1)}\N{NO-BREAK SPACE}%"


def seconds(value: float | None, places: int = 1) -> str:
    return NO_DATA if value is None else f"{number(value, places)}\N{NO-BREAK SPACE}s"


def duration(value: timedelta) -> str:
    """Hours and minutes and seconds of a sum: ``1.234:05:09 h``."""
    whole = round(value.total_seconds())
    return f"{number(whole // 3600)}:{whole // 60 % 60:02}:{whole % 60:02}\N{NO-BREAK SPACE}h"


def euros(value: Decimal) -> str:
    return f"{number(value, 2)}\N{NO-BREAK SPACE}€"


def day(value: date) -> str:
    return format_date(value, "dd.MM.yyyy", locale=_LOCALE)


def month(value: date) -> str:
    return format_skeleton("yMMMM", value, locale=_LOCALE)


def weekday(value: date) -> str:
    return format_date(value, "EEE", locale=_LOCALE)


def hours(days: Collection[int], opens: time, closes: time) -> str:
    """A line of a week's hours, ``Mo, Mi 15:00 bis 18:00 Uhr``. 0 is Monday; midnight at the end of a day is 24:00."""
    names = ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")
    end = "24:00" if closes == time(0) else f"{closes:%H:%M}"
    return f"{', '.join(names[day] for day in sorted(days))} {opens:%H:%M} bis {end} Uhr"


def moment(value: datetime) -> str:
    """A time in the zone it is given in."""
    return f"{day(value.date())}, {value:%H:%M} Uhr"
