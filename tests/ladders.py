"""Words of the call sheets about overflow.

Ladders are those of Langenhagen's queue; Oldenburg is the partner. Everybody who is ready is so from before nine.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.model import (
    CalendarId,
    CallId,
    EntryKind,
    Partner,
    PartnerId,
    SwitchKind,
)
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.testing import Scenario, demo_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Agent

C1 = CallId("c1")
BREMEN = Partner(PartnerId("bremen"), "Bremen", ("+49421115",))
SENT_TO_US = "+49511900115"
"""What another centre dials when it is full."""


def moment(clock_time: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-02T{clock_time}").replace(tzinfo=UTC)


def queue_is(directory: Directory, queue: str, **traits: Any) -> Directory:
    return replace(directory, queues=tuple(replace(q, **traits) if q.id == queue else q for q in directory.queues))


def entries_are(directory: Directory, kind: EntryKind, **traits: Any) -> Directory:
    return replace(directory, entries=tuple(replace(e, **traits) if e.kind is kind else e for e in directory.entries))


def laddered(
    *ladder: str, agents: Sequence[str | Agent] = (), steps: Sequence[str] = ("from 0 s: citizens>=1",), **partner: Any
) -> Directory:
    """Langenhagen with this ladder, Oldenburg with these traits, Bremen beside it; nobody is there unless named."""
    directory = demo_directory(agents, wrap_up_s=0)
    partners = (replace(directory.partners[0], **partner), BREMEN)
    rungs, needs = tuple(map(parse_rung, ladder)), tuple(map(parse_step, steps))
    return queue_is(replace(directory, partners=partners), "langenhagen", ladder=rungs, steps=needs)


def overflowing(
    *ladder: str, agents: Sequence[str | Agent] = (), ready: tuple[str, ...] | None = None, **partner: Any
) -> Scenario:
    return Scenario(laddered(*ladder, agents=agents, **partner), ready=ready)


def orders(acd: Scenario, kind: type[m.Divert | m.Say | m.Release | m.Offer]) -> list[Any]:
    """All that were ever given, in order."""
    return [out for _, _, outs in acd.story for out in outs if isinstance(out, kind)]


def sent(acd: Scenario) -> list[str]:
    """Which calls were sent to a partner, in order."""
    return [order.call for order in orders(acd, m.Divert)]


def not_yet(acd: Scenario, kind: type[object], call: str = "c1") -> None:
    """Nothing of this kind has come for the call, from the beginning of the sheet on."""
    assert not [
        out for _, _, outs in acd.story for out in outs if isinstance(out, kind) and getattr(out, "call", "") == call
    ]


def partner_answers(acd: Scenario, call: str, partner: str = "oldenburg") -> Scenario:
    return acd.tell(m.DivertAnswered(CallId(call), PartnerId(partner)))


def partner_fails(acd: Scenario, call: str, reason: str = "busy", partner: str = "oldenburg") -> Scenario:
    """As the dialplan tells it: how it went, and at once that it holds the caller again."""
    return acd.tell(m.DivertFailed(CallId(call), PartnerId(partner), reason)).held(call)


def switched(acd: Scenario, until: str | None, queue: str = "langenhagen") -> Scenario:
    return acd.tell(m.SupervisorSwitched(SwitchKind.OVERFLOW, queue, moment(until) if until else None, "frau-meyer"))


def shut(directory: Directory, *, holiday: bool) -> Directory:
    """The towns' own numbers are closed all this Monday; 115 has no calendar."""
    hours = "daily 00:00-24:00" if holiday else "sun 03:00-04:00"
    special = (SpecialDay(moment("00:00").date(), "Betriebsausflug"),) if holiday else ()
    calendar = Calendar(CalendarId("shut"), "shut", (parse_hours(hours),), None, special)
    return entries_are(replace(directory, calendars=(calendar,)), EntryKind.MAIN_NUMBER, calendar=calendar.id)
