"""Before a town goes live: what its citizens would stumble over is told beforehand, and somebody answers for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.gate import gate
from dialog_acd.core.model import (
    NOT_YET,
    QUESTIONS,
    CalendarId,
    Contract,
    Entry,
    EntryKind,
    Prompt,
    PromptId,
    Queue,
    QueueId,
    Skill,
    SkillId,
    SkillKind,
    Tenant,
    TenantId,
    Trunk,
    Waiver,
)
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.testing import demo_agent, demo_directory

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory

DAY = date(2026, 4, 1)
LAATZEN = TenantId("laatzen")
HOURS = Calendar(CalendarId("laatzen"), "Rathaus Laatzen", (parse_hours("mon-fri 08:00-18:00"),))


def ready(**changes: object) -> Directory:
    """A centre that Laatzen joins, with nothing missing; ``changes`` are made to the directory."""
    base = demo_directory()
    town = Tenant(
        LAATZEN, "Stadt Laatzen", "Laatzen", code="5", live_from=NOT_YET, answers=dict.fromkeys(QUESTIONS, "geklärt")
    )
    entry = Entry(
        "+4951182050",
        LAATZEN,
        QueueId("laatzen"),
        EntryKind.MAIN_NUMBER,
        base.entries[0].failsafe,
        greeting="acd/greeting-laatzen",
        announcement="acd/town-laatzen",
        calendar=HOURS.id,
    )
    skill = SkillId("laatzen")
    directory = replace(
        base,
        tenants=(*base.tenants, town),
        entries=(*base.entries, entry),
        queues=(*base.queues, Queue(QueueId("laatzen"), "Laatzen", (parse_step("from 0 s: laatzen>=2"),))),
        skills=(*base.skills, Skill(skill, "Laatzen", SkillKind.TENANT)),
        agents=tuple(replace(demo_agent(who), skills={skill: 2}) for who in ("anna", "bert")),
        calendars=(*base.calendars, HOURS),
        prompts=(
            Prompt(PromptId("greeting-laatzen"), "Gruß", recording="0" * 64),
            Prompt(PromptId("town-laatzen"), "Ort", recording="1" * 64),
        ),
    )
    return replace(directory, **changes)  # type: ignore[arg-type]


READY = ready()
TOWN = READY.tenant[LAATZEN]
ENTRY = next(e for e in READY.entries if e.tenant == LAATZEN)


def with_town(**changes: object) -> Directory:
    town = replace(TOWN, **changes)  # type: ignore[arg-type]
    return replace(READY, tenants=tuple(town if t.id == LAATZEN else t for t in READY.tenants))


def with_entry(*more: Entry, **changes: object) -> Directory:
    entry = replace(ENTRY, **changes)  # type: ignore[arg-type]
    return replace(READY, entries=(*(e for e in READY.entries if e != ENTRY), entry, *more))


def missing(directory: Directory, on: date = DAY) -> dict[str, str]:
    return {finding.id: finding.what for finding in gate(directory, LAATZEN, on).missing}


def test_a_town_of_which_all_is_known_may_go_live() -> None:
    verdict = gate(READY, LAATZEN, DAY)
    assert (verdict.go, verdict.findings, verdict.notes) == (True, (), ())


def test_a_town_of_which_nothing_is_known_hears_everything_at_once() -> None:
    bare = replace(demo_directory(), tenants=(*demo_directory().tenants, Tenant(LAATZEN, "Stadt Laatzen", "Laatzen")))
    verdict = gate(bare, LAATZEN, DAY)
    assert not verdict.go
    assert [f.id for f in verdict.findings] == ["number", *(f"question:{question}" for question in QUESTIONS)]


@pytest.mark.parametrize(
    ("directory", "finding", "what"),
    [
        (
            with_entry(greeting=None),
            "greeting:+4951182050",
            "entry +4951182050 greets nobody: name a prompt (greeting)",
        ),
        (
            with_entry(greeting="acd/greeting-latzen"),
            "prompt:greeting-latzen",
            "entry +4951182050: there is no greeting 'acd/greeting-latzen', make that prompt",
        ),
        (
            with_entry(calendar=None),
            "hours:+4951182050",
            "entry +4951182050 has no hours, and would be served day and night: name a calendar",
        ),
        (
            with_entry(active_to=date(2026, 3, 31)),
            "over:+4951182050",
            "entry +4951182050 (to 2026-03-31) is over before that day",
        ),
        (
            ready(agents=(replace(demo_agent("anna"), skills={SkillId("laatzen"): 1}),)),
            "agents:laatzen",
            "no agent of queue laatzen has what its first step asks for: laatzen>=2",
        ),
        (
            ready(trunks=(Trunk("carrier", "auto-with-warning"),)),
            "trunk-format:carrier",
            "nobody knows how trunk carrier writes numbers: ask its carrier, and say so (number_format)",
        ),
        (
            with_town(answers={**dict.fromkeys(QUESTIONS, "ja"), "staff-council": "  "}),
            "question:staff-council",
            "not answered yet: Has the staff council (Personalrat) agreed?",
        ),
        (
            with_town(contract=Contract(valid_from=date(2026, 5, 1))),
            "contract",
            "the contract is not in force on 2026-04-01: it is from 2026-05-01",
        ),
        (
            with_town(contract=Contract(valid_from=date(2025, 1, 1), valid_to=date(2026, 3, 31))),
            "contract",
            "the contract is not in force on 2026-04-01: it is from 2025-01-01 to 2026-03-31",
        ),
    ],
)
def test_a_gap_is_found_and_said(directory: Directory, finding: str, what: str) -> None:
    assert missing(directory) == {finding: what}


def test_a_number_that_another_town_still_has_that_day_is_found() -> None:
    """Laatzen's number stood in Langenhagen's block, and was given a date of its own too late."""
    block = replace(ENTRY, number="+495118205", tenant=TenantId("langenhagen"), block=True)
    directory = with_entry(block, active_from=date(2026, 5, 1))
    assert missing(directory, date(2026, 5, 1)) == {}
    assert missing(directory) == {}, "the number's own first day counts"


def test_115_keeps_its_hours_by_a_partner_or_not_at_all() -> None:
    """Friday from three on, and nobody there: found for every town whose calls these may be."""
    short = replace(
        HOURS, id=CalendarId("short"), hours=(parse_hours("mon-thu 08:00-18:00"), parse_hours("fri 08:00-15:00"))
    )
    shared = replace(
        ENTRY,
        number="115",
        kind=EntryKind.SERVICE_115,
        calendar=short.id,
        tenant=TenantId("region"),
        candidates=(LAATZEN,),
    )
    entries = (*(e for e in READY.entries if e.kind is not EntryKind.SERVICE_115), shared)
    directory = replace(READY, calendars=(*READY.calendars, short), entries=entries)
    assert missing(directory) == {
        "promised-hours:115": (
            "entry 115 is promised Mon-Fri 08:00-18:00, but Fri 15:00-18:00 it is closed and no partner takes its"
            " calls, as a rung 'closed by hours for 115: partner NAME' would have it"
        )
    }
    partner = parse_rung(f"closed by hours for 115: partner {READY.partners[0].id}")
    covered = tuple(replace(q, ladder=(partner,)) if q.id == "laatzen" else q for q in directory.queues)
    assert missing(replace(directory, queues=covered)) == {}


def test_somebody_answers_for_a_gap_by_name() -> None:
    waiver = Waiver("question:bus", "A. Muster", "Pflege endet im Mai", date(2026, 3, 1))
    answers = {question: "ja" for question in QUESTIONS if question != "bus"}
    verdict = gate(with_town(answers=answers, waivers=(waiver,)), LAATZEN, DAY)
    assert verdict.go
    assert [(f.id, f.waiver) for f in verdict.findings] == [("question:bus", waiver)]
    assert verdict.notes == ("question:bus is waived by A. Muster (2026-03-01): Pflege endet im Mai",)
    # For another gap nobody has answered.
    assert set(missing(with_town(answers={}, waivers=(waiver,)))) == {f"question:{q}" for q in QUESTIONS if q != "bus"}


def test_what_keeps_nobody_from_going_live_is_told_all_the_same() -> None:
    spoken = tuple(replace(prompt, recording=None, text="Laatzen") for prompt in READY.prompts[:1])
    directory = replace(
        READY,
        prompts=(*spoken, READY.prompts[1]),
        agents=READY.agents[:1],
        entries=tuple(replace(e, announcement=None) if e == ENTRY else e for e in READY.entries),
    )
    verdict = gate(directory, LAATZEN, DAY)
    assert verdict.go
    assert verdict.notes == (
        "queue laatzen: Anna alone has what its first step asks for",
        "entry +4951182050: agents hear no town before the caller (announcement)",
        "prompt greeting-laatzen has no recording yet: a machine speaks it",
    )


def test_asking_changes_nothing() -> None:
    gate(READY, LAATZEN, DAY)
    assert READY.tenant[LAATZEN].live_from == NOT_YET
