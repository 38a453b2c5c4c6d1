"""When somebody who was promised to be called back has to be called, and until when the promise is anybody's business.

The towns promise an answer "within 24 hours during the service times". That has three readings, and they are days
apart; ``Rule`` has them, and the first is meant where nobody says otherwise. In all of them the clock starts when the
promise is made, or, out of hours, with the next opening: who is promised a call on Saturday stands where the first
caller of Monday stands. Service times are those of the number the call came by, as its calendar has them, in its wall
time, public holidays and all; a number without a calendar is always served. What a supervisor has closed for a while
moves no promise.

The moment is worked out once, by the directory in force when the promise is made, and stands on the call's record:
neither a new calendar nor a new rule changes what was promised.

A promise is **open** until the call is made, and **overdue** when it is open at the moment it was due. Two weeks later
(``GIVEN_UP_AFTER``) it is broken for good and nobody is told of it any more: the caller's number is gone by then
(``retention.py``), an alarm that nobody can end teaches people to look away, and the figures of a month do not change
when they have been read.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum

from dialog_acd.core.calendars import Calendar, Hours
from dialog_acd.core.model import CalendarId
from dialog_acd.core.value import value

GIVEN_UP_AFTER = timedelta(days=14)
"""After it was due. So long a promise is told as overdue, and may be marked as kept, or as not kept after all."""
_DAY = timedelta(hours=24)
_ALWAYS = Calendar(CalendarId("always"), "", (Hours(frozenset(range(7)), time(), time()),), land=None)


class Rule(StrEnum):
    """What "within 24 hours during the service times" means."""

    SAME_TIME = "next_service_day_same_time"
    """The next service day, at the same time by the clock; where it is not served then, when it is next served on that
    day, or else when it closes."""
    END_OF_DAY = "end_of_next_service_day"
    """When the next service day ends."""
    SERVICE_HOURS = "service_hours_24"
    """When it has been served for 24 hours since."""


@value
class Promise:
    """A call that somebody was promised. Aware UTC."""

    made_at: datetime
    due_at: datetime
    kept_at: datetime | None = None
    """When the call was made; ``None``: not yet, as far as anybody has said."""


def in_time(due_at: datetime, kept_at: datetime | None, now: datetime) -> bool | None:
    """Whether somebody called in time, the very moment included; ``None``: it cannot be said yet.

    Whoever has not been called when it was due has been kept waiting, also where somebody called later. With whom
    nobody has spoken, and it is not due yet, is in no figure.
    """
    if kept_at is not None:
        return kept_at <= due_at
    return None if now <= due_at else False


def due(calendar: Calendar | None, made_at: datetime, rule: Rule = Rule.SAME_TIME) -> datetime:
    """By when (aware UTC) somebody is to be called who was promised it at ``made_at``. ``None``: always served.

    It is later than the promise, within service times or at their end, and never sooner for whoever was promised it
    later (but that in the hour of autumn that comes twice, its second time counts by the clock like its first). Where
    the calendar opens too seldom for that, a day is a day.
    """
    served = calendar or _ALWAYS
    days = served.days(made_at)
    begins: datetime | None = None
    left = _DAY
    for day, stretches in days:
        if begins is not None and rule is Rule.END_OF_DAY:
            return stretches[-1][1]
        if begins is not None and rule is Rule.SAME_TIME:
            wanted = served.moment(day, served.clock(begins))
            return next((max(wanted, opens) for opens, closes in stretches if wanted <= closes), stretches[-1][1])
        for opens, closes in stretches:
            if closes <= made_at:
                continue
            since = max(opens, made_at)
            begins = begins or since
            if rule is Rule.SERVICE_HOURS and left <= closes - since:
                return since + left
            left -= closes - since
    return (begins or made_at) + _DAY
