"""What of a shared directory is one town's. Whatever a town's administrator edits, nobody else notices."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from dialog_acd.core.calendars import Calendar, parse_hours
from dialog_acd.core.directory import Directory
from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.model import (
    NOT_YET,
    AgentOrder,
    CalendarId,
    Contract,
    EntryKind,
    Prompt,
    PromptId,
    QueueId,
    SkillKind,
    Team,
    TeamId,
    TenantId,
    Waiver,
)
from dialog_acd.core.ownership import OWN_OF_A_TENANT, OWN_OF_AN_ENTRY, seen_by, town_of, trespasses
from dialog_acd.testing import demo_agent, demo_directory

TOWN, OTHER = TenantId("langenhagen"), TenantId("hannover")
OWNERS = {"ours": TOWN, "ours-too": TOWN, "theirs": OTHER, "centre": None}
HOURS = (parse_hours("mon-fri 08:00-18:00"),)
CENTRE = replace(
    demo_directory([replace(demo_agent("anna"), home=TOWN), demo_agent("bert")]),
    calendars=tuple(Calendar(CalendarId(n), n, HOURS, tenant=town) for n, town in OWNERS.items()),
    prompts=tuple(Prompt(PromptId(n), n, "Guten Tag.", tenant=town) for n, town in OWNERS.items()),
    teams=(Team(TeamId("centre"), "Centre"),),
)

OTHERWISE: dict[str, dict[str, list[Any]]] = {
    "tenants": {
        "name": ["New"],
        "label": ["NEW"],
        "code": ["1"],
        "live_from": [date(2026, 5, 1), NOT_YET],
        "contract": [Contract(inhabitants=5)],
        "answers": [{"pbx": "Innovaphone"}, {}],
        "waivers": [(Waiver("pbx", "A. Muster", "later", date(2026, 1, 1)),)],
    },
    "entries": {
        "number": ["+4951199"],
        "tenant": [TOWN, OTHER],
        "queue": [QueueId("hannover"), QueueId("langenhagen")],
        "kind": [EntryKind.FORWARDED],
        "block": [True, False],
        "greeting": ["acd/ours", "acd/theirs", "acd/centre", "acd/other", None],
        "announcement": ["acd/ours", "acd/theirs", None],
        "closed": ["acd/ours", "acd/theirs", "acd/closed"],
        "calendar": [*map(CalendarId, OWNERS), None],
        "spare": [3],
        "active_to": [date(2026, 12, 31)],
        "candidates": [(TOWN, OTHER)],
    },
    "queues": {"priority": [3], "agent_order": [AgentOrder.BEST_LEVEL]},
    "agents": {"home": [TOWN, None], "name": ["New"]},
    "calendars": {"name": ["New"], "land": ["HH"], "tenant": [TOWN, OTHER, None]},
    "prompts": {"text": ["Moin."], "tenant": [TOWN, OTHER, None]},
    "teams": {"by_target": [True]},
    "skills": {"kind": [SkillKind.LANGUAGE]},
    "partners": {"channels": [2]},
    "trunks": {"area_code": ["5130"]},
    "failsafe_profiles": {"group": ["new"]},
}


@st.composite
def edited(draw: st.DrawFn) -> Directory:
    """The centre after some edits, most of them near to what a town may do."""
    after = CENTRE
    for _ in range(draw(st.integers(1, 4))):
        section = draw(st.sampled_from(["tenants", "entries", "calendars", "prompts", *OTHERWISE]))
        things = list(getattr(after, section))
        place = draw(st.integers(0, len(things) - 1)) if things else 0
        match draw(st.sampled_from(["change", "change", "change", "remove", "add", "swap"])):
            case "change" if things:
                name = draw(st.sampled_from(sorted(OTHERWISE[section])))
                things[place] = replace(things[place], **{name: draw(st.sampled_from(OTHERWISE[section][name]))})
            case "remove" if things:
                del things[place]
            case "swap":
                things.reverse()
            case "add" if things and section in ("calendars", "prompts"):
                owner = draw(st.sampled_from([TOWN, OTHER, None]))
                things.append(replace(things[place], id=f"new-{len(things)}", tenant=owner))
        try:
            after = replace(after, **{section: tuple(things)})
        except DirectoryInvalid:
            continue
    if draw(st.integers(0, 9)) == 0:
        after = replace(after, test_callers=("+493023125000",))
    return after


def of_others(directory: Directory) -> dict[str, Any]:
    """All that is not the town's own, written down without a look at how the check does it."""
    said: dict[str, Any] = {field.name: getattr(directory, field.name) for field in fields(directory)}
    said["tenants"] = [replace(t, answers={}) if t.id == TOWN else t for t in directory.tenants]
    said["entries"] = [
        replace(e, greeting=None, announcement=None, closed="", calendar=None) if e.tenant == TOWN else e
        for e in directory.entries
    ]
    said["calendars"] = [c for c in directory.calendars if c.tenant != TOWN]
    said["prompts"] = [p for p in directory.prompts if p.tenant != TOWN]
    return said


@given(edited())
def test_what_a_town_may_do_changes_nothing_that_is_not_its_own(after: Directory) -> None:
    allowed = not list(trespasses(CENTRE, after, TOWN))
    event(f"allowed: {allowed}, changed: {after != CENTRE}")
    if allowed:
        assert of_others(after) == of_others(CENTRE)
        others = {c.id for c in after.calendars if c.tenant == OTHER}
        assert not any(e.calendar in others for e in after.entries if e.tenant == TOWN)
        assert not any("acd/theirs" in (e.greeting, e.announcement, e.closed) for e in after.entries)
    elif of_others(after) == of_others(CENTRE):
        # Then all that is left is something borrowed from another town.
        assert all("is another town's" in why for why in trespasses(CENTRE, after, TOWN))


@given(edited())
def test_nobody_is_refused_for_nothing(after: Directory) -> None:
    assert not list(trespasses(after, after, TOWN))


@pytest.mark.parametrize("section", [field.name for field in fields(Directory)])
def test_of_no_section_more_than_named_may_change(section: str) -> None:
    """Also of one that is added later: it is here by itself."""
    things = getattr(CENTRE, section)
    gone = object.__new__(Directory)
    for field in fields(Directory):
        object.__setattr__(gone, field.name, getattr(CENTRE, field.name))
    object.__setattr__(gone, section, (*things, *things[:1]) if things else ("+493023125000",))
    own_first = section in ("calendars", "prompts")
    assert bool(list(trespasses(CENTRE, gone, TOWN))) is not own_first
    assert list(trespasses(CENTRE, gone, TenantId("region")))


def test_what_a_town_may_change() -> None:
    assert {"answers"} == OWN_OF_A_TENANT
    assert {"greeting", "announcement", "closed", "calendar"} == OWN_OF_AN_ENTRY
    entry = replace(CENTRE.entries[0], greeting="acd/ours", closed="acd/centre", calendar=CalendarId("ours"))
    tenant = replace(CENTRE.tenants[0], answers={"pbx": "x"})
    after = replace(
        CENTRE,
        entries=(entry, *CENTRE.entries[1:]),
        tenants=(tenant, *CENTRE.tenants[1:]),
        prompts=CENTRE.prompts[:1] + CENTRE.prompts[2:],
    )
    assert not list(trespasses(CENTRE, after, TOWN))
    assert list(trespasses(CENTRE, after, OTHER))


def test_what_is_borrowed_already_may_stay() -> None:
    """The operator has lent the town another's calendar and prompt; the town changes its greeting."""
    entry = replace(CENTRE.entries[0], calendar=CalendarId("theirs"), closed="acd/theirs")
    lent = replace(CENTRE, entries=(entry, *CENTRE.entries[1:]))
    after = replace(CENTRE, entries=(replace(entry, greeting="acd/ours"), *CENTRE.entries[1:]))
    assert not list(trespasses(lent, after, TOWN))


def test_what_a_town_sees() -> None:
    entry = replace(CENTRE.entries[0], calendar=CalendarId("centre"), closed="acd/centre")
    directory = replace(CENTRE, entries=(entry, *CENTRE.entries[1:]))
    seen = seen_by(directory, TOWN)

    def names(section: str) -> list[str]:
        return [str(getattr(t, "id", None) or t.number) for t in getattr(directory, section) if seen(t)]

    assert {field.name: names(field.name) for field in fields(directory) if field.name != "test_callers"} == {
        "tenants": ["langenhagen"],
        "queues": ["langenhagen"],
        "entries": ["+495117307"],
        "agents": ["anna"],
        "calendars": ["ours", "ours-too", "centre"],
        "prompts": ["ours", "ours-too", "centre"],
        "partners": [],
        "failsafe_profiles": [],
        "trunks": [],
        "skills": [],
        "teams": [],
    }


def test_whose_a_thing_is() -> None:
    def whose(section: str) -> list[str | None]:
        return [town_of(CENTRE, thing) for thing in getattr(CENTRE, section)]

    assert whose("tenants") == ["langenhagen", "hannover", "region"]
    assert whose("entries") == ["langenhagen", "hannover", "region", "hannover", "hannover"]
    assert whose("queues") == ["langenhagen", "hannover", "region", "hannover"]
    assert whose("agents") == ["langenhagen", None]
    assert whose("calendars") == whose("prompts") == ["langenhagen", "langenhagen", "hannover", None]
    assert whose("skills") == [None, None]
    shared = replace(CENTRE, entries=tuple(replace(e, queue=QueueId("115")) for e in CENTRE.entries))
    assert [town_of(shared, queue) for queue in shared.queues] == [None] * 4
