"""What of a call may be kept for how long, and what is due in a night. Pure: it says, others do.

Five things wear off, each in its own time, and what is left says nothing about a person:

* **The numbers of a call** (who called, who forwarded, whom it was transferred to outside the house) are no part of its
  record. They stand beside it, in one of ``SLOTS`` small tables, one for each day, and such a table is emptied as a
  whole: rows that are deleted one by one leave their bytes behind in a database's pages, a table that is emptied does
  not. A day's numbers go in the night in which the first of them is as old as ``Terms.numbers`` says; until then who
  was promised a call can be called back.
* **The hash of the caller's number** stays on the record and tells that the same person called again. Its key is
  random, of one town and one month, so hashes of two towns or two months have nothing to do with each other; and
  without its key a hash says nothing, however many numbers somebody tries. The key goes ``Terms.hashes`` days after the
  first call it was used for.
* **Who of us answered** becomes the team's after ``Terms.agents`` days; the id by which a carrier knows the call goes
  with it.
* **The audit log** says who did what, also with people's data, and has to answer for it until the year's figures have
  been looked at; then its lines are people's data as well.
* **Releases** (``releases.py``) say who was to be looked at, and what for. They are kept for as long when they are
  over, or were never agreed to, so that it can be answered for; but not one under which a policy was weakened that is
  still as weak.

All terms can be shortened and none lengthened: they are the most that was agreed upon with those concerned.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dialog_acd.core.model import EntryKind
from dialog_acd.core.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dialog_acd.core.records import CallRecord

BERLIN = ZoneInfo("Europe/Berlin")
_EVER = datetime.min.replace(tzinfo=UTC)
NIGHT = time(2, 30)
"""Local time of the work: nobody calls, and it comes once in every night, also in those in which the clock is changed:
in March it is then half past three, in October the first of the two."""
SLOTS = 9
"""Tables of a day each: the seven that are kept at most, today, and one to spare for a night without a service."""
HIDDEN = "…"
"""No telephone can dial this, so it is always from us."""
_EXTENSION_MOST = 5
"""Digits of an extension. What has more is a number somebody outside can be called at."""


@value
class Terms:
    """Days. ``fault_of`` says whether one is allowed."""

    numbers: int = 7
    hashes: int = 35
    agents: int = 35
    audit: int = 365
    releases: int = 365


_LEAST = {"audit": 30, "numbers": 2}
"""Whom a call was promised just before midnight (UTC, as the tables' days are) has to be called back in daylight."""
_WHY: Mapping[str, str] = {
    "numbers": "a caller's number is kept to call back and to follow up a fault, and carriers delete such data after"
    " seven days, too",
    "hashes": "longer than a month and some days nobody has to know that the same person called again",
    "agents": "longer than a month and some days nobody has to know who of the agents answered a single call",
    "audit": "after a year its lines are nothing but people's data",
    "releases": "a year after its end nobody has to answer for one any more, and it says who was to be looked at",
}


def fault_of(name: str, days: int) -> str | None:
    """Why a term cannot be ``days`` long, or ``None``."""
    least, most = _LEAST.get(name, 1), int(getattr(Terms(), name))
    if days > most:
        return f"at most {most} days, it can only be shortened: {_WHY[name]}"
    if days < least:
        return f"at least {least} day{'s' if least > 1 else ''}"
    return None


@value
class Due:
    """What is to go in a night. Moments are aware UTC; what is *before* them goes."""

    numbers_to: date
    """The numbers of calls that came on this day (UTC) or an earlier one."""
    keys_before: datetime
    """By the first call they were used for."""
    agents_before: datetime
    """By when the call came. Conflicts of records, which name agents, go with them."""
    audit_before: datetime
    releases_before: datetime
    """By when they were over."""


NOTHING = Due(date.min, _EVER, _EVER, _EVER, _EVER)
"""Is due by a clock that is in doubt."""


def due(terms: Terms, now: datetime) -> Due:
    return Due(
        numbers_to=(now - timedelta(days=terms.numbers)).astimezone(UTC).date(),
        keys_before=now - timedelta(days=terms.hashes),
        agents_before=now - timedelta(days=terms.agents),
        audit_before=now - timedelta(days=terms.audit),
        releases_before=now - timedelta(days=terms.releases),
    )


def last_night(now: datetime) -> datetime:
    """The latest moment, up to now, at which the work was to be done."""
    today = now.astimezone(BERLIN).date()
    tonight = _night_of(today)
    return tonight if tonight <= now else _night_of(today - timedelta(days=1))


def _night_of(day: date) -> datetime:
    return datetime.combine(day, NIGHT, BERLIN).astimezone(UTC)


def slot_of(day: date) -> int:
    """Which of the tables has this day's numbers."""
    return day.toordinal() % SLOTS


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


# -- the numbers of a record


@value
class Numbers:
    """Of one call, what stands beside its record: numbers of people. ``None``: this one is not among them."""

    ani: str | None = None
    diversion: str | None = None
    transferred_to: str | None = None
    dialled: str | None = None


NONE = Numbers()


def is_outside(text: str) -> bool:
    """Whether somebody could be called at this who is not in the house: no extension, and no name of a phone."""
    return sum(character.isdigit() for character in text) > _EXTENSION_MOST


def parted(record: CallRecord) -> tuple[CallRecord, Numbers]:
    """A record without numbers, and these. Nothing of them is left in the record but the area (``caller_area``).

    What a caller dialled is ours, a public number; but not where it led to the catch-all: somebody else's number then,
    sent to us by mistake, or whatever a stranger has put there. Its last three digits are hidden.
    """
    strange = record.kind is EntryKind.CATCH_ALL and not _is_ours(record.dialled)
    numbers = Numbers(
        ani=record.ani,
        diversion=record.diversion,
        transferred_to=record.transferred_to if is_outside(record.transferred_to or "") else None,
        dialled=record.dialled if strange else None,
    )
    if numbers == NONE:
        return record, numbers
    return replace(
        record,
        ani=None,
        diversion=None,
        transferred_to=None if numbers.transferred_to else record.transferred_to,
        dialled=as_dialled(record.dialled) if numbers.dialled else record.dialled,
    ), numbers


def rejoined(record: CallRecord, numbers: Numbers) -> CallRecord:
    """The record as it was before ``parted``."""
    return replace(
        record,
        ani=numbers.ani,
        diversion=numbers.diversion,
        transferred_to=numbers.transferred_to or record.transferred_to,
        dialled=numbers.dialled or record.dialled,
    )


def dialled_of(record: CallRecord) -> str:
    """What was dialled, as it can be told."""
    return as_dialled(record.dialled) if record.kind is EntryKind.CATCH_ALL else record.dialled


def as_dialled(dialled: str) -> str:
    """What led to the catch-all, as it can be told: a number without its last three digits, of other texts nothing."""
    if _is_ours(dialled):
        return dialled
    digits = dialled.removeprefix("+")
    return dialled[:-3] + HIDDEN if digits.isascii() and digits.isdigit() and is_outside(digits) else HIDDEN


def _is_ours(dialled: str) -> bool:
    """Short numbers, what was not said at all, and what is parted already."""
    short = dialled.isascii() and dialled.isalnum() and len(dialled) <= _EXTENSION_MOST
    return not dialled or short or dialled.endswith(HIDDEN)


def without_agents(record: CallRecord) -> CallRecord:
    """The record as it stays: the team has answered, not a person. That somebody did in failsafe counts, and stays.

    By then no carrier asks for a call any more, so its id goes, too: the caller's telephone may have made it of a name
    or a number.
    """
    return replace(
        record,
        trunk_call_id="",
        agent=None,
        failsafe_answered_by=None if record.failsafe_answered_by is None else "",
        transferred_to=None,
        offers=tuple(replace(offer, agent="", why="") for offer in record.offers),
    )
