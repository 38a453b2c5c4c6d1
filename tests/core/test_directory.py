"""One snapshot, valid as a whole or not at all; and which number leads where."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.directory import Directory
from dialog_acd.core.errors import DirectoryInvalid
from dialog_acd.core.matching import fulfils, may_serve
from dialog_acd.core.model import (
    Action,
    Agent,
    AgentId,
    CalendarId,
    Entry,
    EntryKind,
    FailsafeProfile,
    Need,
    Partner,
    PartnerId,
    Phone,
    Queue,
    QueueId,
    Rung,
    Skill,
    SkillId,
    SkillKind,
    Step,
    Team,
    TeamId,
    Tenant,
    TenantId,
    Transport,
    Trigger,
    Trunk,
)
from dialog_acd.core.remarks import remarks
from dialog_acd.core.rules import parse_rung, parse_step
from dialog_acd.testing import MONDAY, demo_agent, demo_directory

if TYPE_CHECKING:
    from collections.abc import Callable

TOWN, CENTRE = TenantId("langenhagen"), TeamId("centre")


def queue(name: str, *steps: str, ladder: tuple[str, ...] = (), **more: Any) -> Queue:
    return Queue(
        QueueId(name),
        name,
        tuple(parse_step(step) for step in steps),
        ladder=tuple(parse_rung(rung) for rung in ladder),
        **more,
    )


def calendar(name: str, *hours: str, land: str | None = "NI", special_days: tuple[SpecialDay, ...] = ()) -> Calendar:
    return Calendar(CalendarId(name), name, tuple(parse_hours(line) for line in hours), land, special_days)


def entry(number: str, leads_to: str, kind: EntryKind = EntryKind.MAIN_NUMBER, **more: Any) -> Entry:
    return Entry(number, TOWN, QueueId(leads_to), kind, more.pop("failsafe", "standard"), **more)


def agent(name: str, team: TeamId | None = CENTRE, **skills: int) -> Agent:
    known = {SkillId(skill.strip("_")): level for skill, level in skills.items()}
    return Agent(AgentId(name), name.capitalize(), Phone(f"phone-{name}"), known, team)


GOOD = Directory(
    tenants=(Tenant(TOWN, "Langenhagen", "Langenhagen"), Tenant(TenantId("hannover"), "Hannover", "Hannover")),
    skills=(
        Skill(SkillId("citizens"), "Bürgerdienste"),
        Skill(SkillId("115"), "115", SkillKind.SERVICE_115),
        Skill(SkillId("tuerkisch"), "Türkisch", SkillKind.LANGUAGE),
    ),
    teams=(Team(CENTRE, "DialogCenter"),),
    calendars=(
        calendar("town-hall", "mon-thu 07:00-18:00", "fri 07:00-15:00"),
        calendar("always", "daily 00:00-24:00", land=None),
    ),
    queues=(
        queue(
            "langenhagen",
            "from 0 s: citizens>=3 and tuerkisch",
            "from 15 s: citizens",
            "from 30 s: any",
            ladder=("waited 20 s: widen 2", "waited 60 s: partner oldenburg"),
        ),
        queue("region", "from 0 s: citizens"),
        queue("115", "from 0 s: 115>=2", ladder=("closed by hours for 115: partner oldenburg",)),
        queue("dispatch", "from 0 s: citizens>=3", priority=9, to_partners=False),
    ),
    entries=(
        entry("+495117307", "langenhagen", block=True),
        entry("+49511616", "region", calendar=CalendarId("town-hall")),
        entry("115", "115", EntryKind.SERVICE_115, calendar=CalendarId("town-hall")),
        entry("+4951130", "dispatch", failsafe="stays", at_most=3, spare=1),
        entry("+495117777", "langenhagen", EntryKind.FORWARDED),
        entry("+495118888", "region", EntryKind.PARTNER_INBOUND),
        entry("4711", "region", EntryKind.INTERNAL),
        entry("", "region", EntryKind.CATCH_ALL),
    ),
    agents=(agent("anna", citizens=4, tuerkisch=2, _115=3), agent("bert", citizens=1)),
    partners=(Partner(PartnerId("oldenburg"), "Oldenburg", ("115", "+49441115"), channels=2, calls_per_hour=30),),
    failsafe_profiles=(FailsafeProfile("standard", "all", PartnerId("oldenburg")), FailsafeProfile("stays", "all")),
)


def with_entries(*entries: Entry) -> Directory:
    return replace(GOOD, entries=(*GOOD.entries, *entries))


# ---------------------------------------------------------------- where a partner is


@pytest.mark.parametrize(
    "host",
    [
        "sip.oldenburg.example",
        "sip.oldenburg.example:5061",
        "pbx",
        "192.0.2.7",
        "192.0.2.7:5060",
        "[2001:db8::7]",
        "[::1]:1",
    ],
)
def test_a_partners_host_is_a_name_or_an_address(host: str) -> None:
    partner_with(host=host)()
    partner_with(host=host, transport=Transport.UDP, srtp=False)()


def test_a_group_is_said_in_one_profile_or_alike_in_several() -> None:
    profile = FailsafeProfile("b", "all", phones=(Phone("door"),), team=CENTRE)
    replace(GOOD, failsafe_profiles=(*GOOD.failsafe_profiles, profile, replace(profile, name="c")))


# ---------------------------------------------------------------- which number leads where


def test_exact_beats_block_and_the_longest_block_wins() -> None:
    directory = with_entries(entry("+4951173", "region", block=True), entry("+495117307123", "115"))
    assert directory.entry_for("0511 7307-123", at=MONDAY).entry.queue == "115"
    assert directory.entry_for("0511 7307-1234", at=MONDAY).entry.queue == "langenhagen"
    assert directory.entry_for("0511 7307-0", at=MONDAY).entry.queue == "langenhagen"
    assert directory.entry_for("0511 7308", at=MONDAY).entry.queue == "region"
    assert directory.entry_for("0511 7307-99", at=MONDAY).why == "block +495117307"
    assert directory.entry_for("0511 7307-123", at=MONDAY).why == "number +495117307123"


def test_a_number_that_is_no_block_does_not_swallow_longer_ones() -> None:
    directory = with_entries(entry("+4951199", "region"))
    assert directory.entry_for("051199", at=MONDAY).entry.queue == "region"
    assert not directory.entry_for("0511991", at=MONDAY).known


@pytest.mark.parametrize("dialled", ["115", "0511115", "+49115"])
def test_115_is_one_entry_however_written(dialled: str) -> None:
    assert GOOD.entry_for(dialled, at=MONDAY).entry.kind is EntryKind.SERVICE_115


NOBODYS = "nobody owns this number"
UNREADABLE = "it is not one number as trunk trunk writes them (national)"


@pytest.mark.parametrize(
    ("dialled", "why"),
    [
        ("anonymous", NOBODYS),
        ("0511 999999", NOBODYS),
        ("112", NOBODYS),
        ("", UNREADABLE),
        ("ü" * 300, UNREADABLE),
        ("47110", UNREADABLE),
        ("49511115", UNREADABLE),
    ],
)
def test_a_number_nobody_owns_is_caught(dialled: str, why: str) -> None:
    found = GOOD.entry_for(dialled, at=MONDAY)
    assert (found.entry.kind, found.known, found.why) == (EntryKind.CATCH_ALL, False, why)


HEADS = st.text("01", min_size=1, max_size=6).map("+495117".__add__)


@given(st.dictionaries(HEADS, st.booleans(), max_size=12), st.text("01", max_size=8).map("+495117".__add__))
def test_whatever_the_numbers_the_most_exact_owner_gets_the_call(owners: dict[str, bool], dialled: str) -> None:
    directory = with_entries(*(entry(number, "region", block=block) for number, block in owners.items()))
    exact = {number for number in owners if number == dialled}
    heads = {number for number, block in owners.items() if block and dialled.startswith(number)}
    owner = max(exact or heads, key=len, default="")

    assert directory.entry_for(dialled, at=MONDAY).entry.number == owner
    assert directory.entry_for(f"0{dialled.removeprefix('+49')}", at=MONDAY).entry.number == owner


def test_each_trunk_is_read_its_own_way_and_an_unknown_one_like_the_first() -> None:
    directory = replace(GOOD, trunks=(Trunk("north"), Trunk("south", "cc-no-plus")))
    assert directory.entry_for("495117307", "south", at=MONDAY).entry.queue == "langenhagen"
    assert not directory.entry_for("495117307", "north", at=MONDAY).known
    assert not directory.entry_for("495117307", "nowhere", at=MONDAY).known


@pytest.mark.parametrize("trunk", ["national", "cc-no-plus", "subscriber"])
@pytest.mark.parametrize("extension", ["4711", "4", "0815", "493012"])
def test_own_staff_reach_the_it_fault_line_by_its_extension(trunk: str, extension: str) -> None:
    entries = tuple(replace(e, number=extension) if e.kind is EntryKind.INTERNAL else e for e in GOOD.entries)
    directory = replace(GOOD, entries=entries, trunks=(Trunk("pbx", trunk),))
    found = directory.entry_for(f" {extension} ", "pbx", at=MONDAY)
    assert (found.entry.kind, found.why) == (EntryKind.INTERNAL, f"extension {extension}")


def test_a_telephone_beats_an_extension_of_the_same_digits() -> None:
    directory = replace(with_entries(entry("+495114711", "langenhagen")), trunks=(Trunk("town", "subscriber"),))
    assert directory.entry_for("4711", "town", at=MONDAY).why == "number +495114711"
    assert directory.entry_for("+495114711", "town", at=MONDAY).entry.queue == "langenhagen"


# ---------------------------------------------------------------- faults


def skills(*ids: str) -> Callable[[], Directory]:
    return lambda: replace(GOOD, skills=(*GOOD.skills, *(Skill(SkillId(id_), id_) for id_ in ids)))


def agent_with(**changes: Any) -> Callable[[], Directory]:
    return lambda: replace(GOOD, agents=(replace(GOOD.agents[0], **changes), *GOOD.agents[1:]))


def queue_with(**changes: Any) -> Callable[[], Directory]:
    return lambda: replace(GOOD, queues=(replace(GOOD.queues[0], **changes), *GOOD.queues[1:]))


def steps(*lines: str) -> Callable[[], Directory]:
    return queue_with(steps=tuple(parse_step(line) for line in lines), ladder=())


def ladder(*lines: str) -> Callable[[], Directory]:
    return queue_with(ladder=tuple(parse_rung(line) for line in lines))


def rungs(*made: Rung) -> Callable[[], Directory]:
    return queue_with(ladder=made)


def entry_with(**changes: Any) -> Callable[[], Directory]:
    return lambda: replace(GOOD, entries=(replace(GOOD.entries[0], **changes), *GOOD.entries[1:]))


def partner_with(**changes: Any) -> Callable[[], Directory]:
    return lambda: replace(
        GOOD, partners=(*GOOD.partners, replace(GOOD.partners[0], **{"id": PartnerId("b"), **changes}))
    )


def profile_with(name: str = "b", group: str = "all", **changes: Any) -> Callable[[], Directory]:
    return lambda: replace(GOOD, failsafe_profiles=(*GOOD.failsafe_profiles, FailsafeProfile(name, group, **changes)))


CITIZENS = SkillId("citizens")
FAULTS: dict[str, Callable[[], Directory]] = {
    # twice
    "tenant 'langenhagen' appears 2 times": lambda: replace(GOOD, tenants=GOOD.tenants * 2),
    "queue 'langenhagen' appears 2 times": lambda: replace(GOOD, queues=GOOD.queues * 2),
    "skill 'citizens' appears 2 times": lambda: replace(GOOD, skills=GOOD.skills * 2),
    "team 'centre' appears 2 times": lambda: replace(GOOD, teams=GOOD.teams * 2),
    "calendar 'town-hall' appears 2 times": lambda: replace(GOOD, calendars=GOOD.calendars * 2),
    "agent 'anna' appears 2 times": lambda: replace(GOOD, agents=GOOD.agents * 2),
    "phone 'phone-anna' appears 2 times": lambda: replace(
        GOOD, agents=(GOOD.agents[0], replace(GOOD.agents[0], id=AgentId("b")))
    ),
    "partner 'oldenburg' appears 2 times": lambda: replace(GOOD, partners=GOOD.partners * 2),
    "failsafe profile 'standard' appears 2 times": lambda: replace(
        GOOD, failsafe_profiles=GOOD.failsafe_profiles * 2
    ),
    "number '+495117307' appears 2 times": lambda: with_entries(entry("+495117307", "region")),
    # words
    "skill 'Citizens' is not of the form [0-9a-z-], 1 to 30 characters": skills("Citizens"),
    "skill '-' is not of the form": skills("-"),
    "skill 'any' cannot be told from 'from 0 s: any' in a step": skills("any"),
    "skill 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is not of the form": skills("a" * 31),
    "team 'Team Nord' is not of the form [0-9a-z-], 1 to 30 characters": lambda: replace(
        GOOD, teams=(*GOOD.teams, Team(TeamId("Team Nord"), "Nord"))
    ),
    "agent anna: phone 'Anna,1' is not of the form": agent_with(phone=Phone("Anna,1")),
    "agent anna: phone 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is not of the form": agent_with(phone=Phone("a" * 31)),
    "partner 'A B' is not of the form": partner_with(id=PartnerId("A B")),
    "failsafe profile 'B!': 'B!' is not of the form": profile_with(name="B!"),
    "failsafe profile 'b': 'x,y' is not of the form": profile_with(group="x,y"),
    "failsafe profile b: '8-18 Uhr' is not like 8:00-18:00,mon-fri,*,*": profile_with(hours=("8-18 Uhr",)),
    # there must be
    "there is no trunk profile": lambda: replace(GOOD, trunks=()),
    "trunk 'pbx' appears 2 times": lambda: replace(GOOD, trunks=(Trunk("pbx"), Trunk("pbx"))),
    "trunk pbx: number format 'e164' is none of national, plus, 00, cc-no-plus, subscriber, auto-with": lambda: replace(
        GOOD, trunks=(Trunk("pbx", "e164"),)
    ),
    "trunk pbx: 5111 is no German area code, write it without its 0": lambda: replace(
        GOOD, trunks=(Trunk("pbx", area_code="5111"), Trunk("wien", area_code="1", country_code="43"))
    ),
    "there must be exactly one catch-all entry, or a caller": lambda: replace(GOOD, entries=GOOD.entries[:-1]),
    "there must be exactly one catch-all entry": lambda: with_entries(entry("x", "region", EntryKind.CATCH_ALL)),
    # entries
    "entry +495117307 names tenant 'langenhgen', which does not exist, did you mean 'langenhagen'?": entry_with(
        tenant=TenantId("langenhgen")
    ),
    "entry +495117307 names queue 'x', which does not exist": entry_with(queue=QueueId("x")),
    "entry +495117307 names failsafe profile 'x', which does not exist": entry_with(failsafe="x"),
    "entry +495117307 names calendar 'townhall', which does not exist, did you mean 'town-hall'?": entry_with(
        calendar=CalendarId("townhall")
    ),
    "entry 05117307: write the number in E.164, as +4951173070": entry_with(number="05117307"),
    "entry 4712: write the number in E.164, as +4951173070": entry_with(number="4712", kind=EntryKind.FORWARDED),
    "entry 0441: write the number in E.164": entry_with(number="0441", kind=EntryKind.PARTNER_INBOUND),
    "entry 1234567: write the number in E.164, as +4951173070, or as an extension of 1 to 6 digits": entry_with(
        number="1234567", kind=EntryKind.INTERNAL
    ),
    "entry IT: write the number in E.164": entry_with(number="IT", kind=EntryKind.INTERNAL),
    "entry 112: 112 is no extension, everybody who dials it wants something else": entry_with(
        number="112", kind=EntryKind.INTERNAL
    ),
    "entry +495117307: an entry of kind 115 has the number 115": entry_with(kind=EntryKind.SERVICE_115),
    "entry +495117307: at_most 0 would take no call, write at least 1 or leave it out": entry_with(at_most=0),
    "entry +495117307: spare -1 is not a number of agents, write 0 or more": entry_with(spare=-1),
    "entry +495117307: queue dispatch never goes to a partner, but failsafe profile 'standard' does (oldenburg), name"
    " a profile without a partner": entry_with(queue=QueueId("dispatch")),
    # queues
    "queue langenhagen: priority 10 is not between 0 and 9": queue_with(priority=10),
    "queue langenhagen: priority -1 is not between 0 and 9": queue_with(priority=-1),
    "queue langenhagen: a phone must ring for at least one second": queue_with(ring_for=timedelta(milliseconds=999)),
    # steps
    "queue langenhagen has no steps, write 'from 0 s: SKILL>=LEVEL' or 'from 0 s: any'": steps(),
    "queue langenhagen: step 0 (from 5 s: any) must begin at 0 s, or nobody may answer before": steps("from 5 s: any"),
    "queue langenhagen: step 1 (from 0 s: any) must begin later than step 0 (from 0 s: citizens>=1)": steps(
        "from 0 s: citizens", "from 0 s: any"
    ),
    "queue langenhagen: step 2 (from 9 s: any) must begin later than step 1 (from 10 s: any)": steps(
        "from 0 s: citizens", "from 10 s: any", "from 9 s: any"
    ),
    "queue langenhagen: step 1 (from 15 s: citizens>=3) contradicts step 0: who could answer before could not any more":
        steps("from 0 s: citizens>=2", "from 15 s: citizens>=3"),
    "queue langenhagen: step 2 (from 20 s: citizens>=1 and 115>=1) contradicts step 1": steps(
        "from 0 s: citizens>=2 and 115>=1", "from 10 s: citizens", "from 20 s: citizens and 115"
    ),
    "queue langenhagen: step 1 (from 15 s: citizens>=1) contradicts step 0": steps(
        "from 0 s: any", "from 15 s: citizens"
    ),
    "queue langenhagen: step 1 (from 9 s: tuerkisch>=1) asks for tuerkisch, but language is preferred, never a trap:"
    " the last step must do without it": steps("from 0 s: citizens and tuerkisch", "from 9 s: tuerkisch"),
    "queue langenhagen: step 0 (from 0 s: citzens>=1) asks for skill 'citzens', which is not declared, did you mean"
    " 'citizens'?": steps("from 0 s: citzens"),
    "queue langenhagen: step 0 (from 0 s: citizens>=6): level 6 of skill citizens is not between 1 and 5": queue_with(
        steps=(Step(timedelta(), (Need(CITIZENS, 6),)),), ladder=()
    ),
    "queue langenhagen: step 1 (from 90000 s: any) must begin at a whole number of milliseconds, and within a day":
        queue_with(steps=(Step(timedelta()), Step(timedelta(seconds=90_000))), ladder=()),
    # ladders
    "queue langenhagen: rung 'waited 20 s: partner oldenbrg' names partner 'oldenbrg', which does not exist, did you"
    " mean 'oldenburg'?": ladder("waited 20 s: partner oldenbrg"),
    "queue langenhagen: rung 'all busy: queue regio' names queue 'regio', which does not exist, did you mean 'region'?":
        ladder("all busy: queue regio"),
    "queue langenhagen: rung 'all busy: queue langenhagen' leads back to the queue itself": ladder(
        "all busy: queue langenhagen"
    ),
    "queue langenhagen: rung 'all busy: widen 0' widens to a step that is not there, name one of 1, 2": ladder(
        "all busy: widen 0"
    ),
    "queue langenhagen: rung 'all busy: widen 3' widens to a step that is not there, name one of 1, 2": ladder(
        "all busy: widen 3"
    ),
    "queue langenhagen: rung 'all busy: widen 1' widens to a step that is not there, this queue has no later step":
        queue_with(steps=(Step(timedelta()),), ladder=(parse_rung("all busy: widen 1"),)),
    "queue dispatch: rung 'waited 60 s: partner oldenburg' goes to a partner, but this queue never does (to_partners is"
    " off)": lambda: replace(
        GOOD,
        queues=(*GOOD.queues[:-1], replace(GOOD.queues[-1], ladder=(parse_rung("waited 60 s: partner oldenburg"),))),
    ),
    "queue langenhagen: rung 'waited 90 s for 115: partner oldenburg' can never be reached, 'waited 60 s: release'"
    " before it has already ended the call": ladder("waited 60 s: release", "waited 90 s for 115: partner oldenburg"),
    "queue langenhagen: rung 'queue length 4: widen 1' can never be reached": ladder(
        "queue length 4: release", "queue length 4: widen 1"
    ),
    "queue langenhagen: rung 'closed by day for 115, forwarded: announce x' can never be reached": ladder(
        "closed by day for 115, forwarded, internal: release", "closed by day for 115, forwarded: announce x"
    ),
    "queue langenhagen: rung 'waited -1 s: release' cannot be written": rungs(
        Rung(Trigger.WAITED, Action.RELEASE, timedelta(seconds=-1))
    ),
    "queue langenhagen: rung 'queue length 0: release' cannot be written, say how many callers already wait": rungs(
        Rung(Trigger.LENGTH, Action.RELEASE)
    ),
    "queue langenhagen: rung 'all busy: release' has values that cannot be written": rungs(
        Rung(Trigger.ALL_BUSY, Action.RELEASE, timedelta(seconds=5))
    ),
    "queue langenhagen: rung 'waited -1 s: widen 7' cannot be written": rungs(
        Rung(Trigger.WAITED, Action.WIDEN, timedelta(seconds=-1), target="7")
    ),
    # agents
    "agent anna has skill 'citizen', which is not declared, did you mean 'citizens'?": agent_with(
        skills={SkillId("citizen"): 3}
    ),
    "agent anna: level 9 of skill citizens is not between 1 and 5": agent_with(skills={CITIZENS: 9}),
    "agent anna: level 0 of skill citizens is not between 1 and 5": agent_with(skills={CITIZENS: 0}),
    "agent anna names team 'center', which does not exist, did you mean 'centre'?": agent_with(team=TeamId("center")),
    "agent anna names as home tenant 'peine', which does not exist": agent_with(home=TenantId("peine")),
    "agent anna keeps to queue 'dispatsch', which does not exist, did you mean 'dispatch'?": agent_with(
        lines=frozenset({QueueId("dispatsch"), QueueId("region")})
    ),
    # partners
    "partner b has no numbers to dial, name at least one": partner_with(numbers=()),
    "partner b: number '0441&Zap/1' is not made of digits": partner_with(numbers=("115", "0441&Zap/1")),
    "partner b names calendar 'alwas', which does not exist, did you mean 'always'?": partner_with(
        calendar=CalendarId("alwas")
    ),
    "partner b: channels 0 would send no call, write at least 1 or leave it out": partner_with(channels=0),
    "partner b: calls_per_hour 0 would send no call, write at least 1 or leave it out": partner_with(calls_per_hour=0),
    "failsafe profile b names partner 'x', which does not exist": profile_with(partner=PartnerId("x")),
    "failsafe profile b: phone 'Tür 1' is not of the form": profile_with(phones=(Phone("Tür 1"),)),
    "failsafe profile b: phone 'door' appears 2 times": profile_with(phones=(Phone("door"), Phone("door"))),
    "failsafe profile b names team 'center', which does not exist, did you mean 'centre'?": profile_with(
        team=TeamId("center")
    ),
    "failsafe profile c: group all has other phones in profile b": lambda: replace(
        GOOD,
        failsafe_profiles=(
            *GOOD.failsafe_profiles,
            FailsafeProfile("b", "all", phones=(Phone("door"),)),
            FailsafeProfile("c", "all", phones=(Phone("door"),), team=TeamId("centre")),
        ),
    ),
    **{
        f"partner b: host {host!r} is not like sip.oldenburg.example:5061": partner_with(host=host)
        for host in (
            "", "a b", "a;b", "a\n[x]", "sip:a", "a:0", "a:65536", "a:", "-a.example", "a..example", "1.2.3",
            "256.1.1.1", "2001:db8::7", "[1.2.3.4]", "[x]", "ä.example", "a/24", "a.example.",
        )
    },
    "partner b: over udp everybody on the way could read the keys of SRTP": partner_with(
        host="a.example", transport=Transport.UDP
    ),
    "phone-anna is an agent's phone and a partner": partner_with(id=PartnerId("phone-anna")),
    # calendars
    "calendar empty has no hours at all": lambda: replace(GOOD, calendars=(*GOOD.calendars, calendar("empty"))),
    "calendar odd: Land 'XX' is unknown": lambda: replace(
        GOOD, calendars=(*GOOD.calendars, calendar("odd", "mon 07:00-18:00", land="XX"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_contradiction_is_told_in_one_sentence(fault: str) -> None:
    with pytest.raises(DirectoryInvalid) as told:
        FAULTS[fault]()
    assert told.value.error_id == "directory-invalid"
    assert any(said.startswith(fault) for said in told.value.faults), told.value.faults
    assert str(told.value).startswith("The directory contradicts itself: ")
    assert all("; " not in said for said in told.value.faults), "faults are joined with it"


ONE_FAULT_EACH = [fault for fault in FAULTS if "appears 2 times" not in fault and "catch-all entry" not in fault]


@pytest.mark.parametrize("fault", ONE_FAULT_EACH)
def test_one_mistake_is_told_once(fault: str) -> None:
    with pytest.raises(DirectoryInvalid) as told:
        FAULTS[fault]()
    # Two mistakes in one: a rung that is wrong twice over; a skill that both is no word and is had by somebody.
    assert len(told.value.faults) == (2 if "widen 7" in fault else 1), told.value.faults


def test_a_moment_too_fine_to_be_written_is_refused() -> None:
    with pytest.raises(DirectoryInvalid, match="must begin at a whole number of milliseconds, and within a day"):
        queue_with(steps=(Step(timedelta()), Step(timedelta(microseconds=10))), ladder=())()


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(DirectoryInvalid) as told:
        replace(GOOD, trunks=(), teams=())
    assert len(told.value.faults) == 3


_needs = st.lists(st.builds(Need, st.sampled_from([CITIZENS, SkillId("115")]), st.integers(1, 5)), max_size=3)


@given(_needs, _needs)
def test_steps_are_accepted_when_nobody_loses_by_the_later_one(first: list[Need], then: list[Need]) -> None:
    """The rule of needs against what it is for: every kind of agent there can be."""
    earlier, later = Step(timedelta(), tuple(first)), Step(timedelta(seconds=5), tuple(then))
    somebody_loses = any(
        fulfils(one := agent("a", citizens=c, _115=s), earlier) and not fulfils(one, later)
        for c in range(6)
        for s in range(6)
    )
    refused = False
    try:
        queue_with(steps=(earlier, later), ladder=())()
    except DirectoryInvalid:
        refused = True
    assert refused == somebody_loses


# ---------------------------------------------------------------- remarks


def only(*queues: Queue, **changes: Any) -> Directory:
    """These queues and what they need; each has a number of kind 115, forwarded, or the catch-all."""
    kinds = (EntryKind.SERVICE_115, EntryKind.FORWARDED, EntryKind.CATCH_ALL)
    numbers = ("115", "+4951199", "")
    entries = tuple(entry(n, q.id, kind) for q, n, kind in zip(queues, numbers, kinds, strict=False))
    if len(queues) < 3:
        entries = (*entries, entry("", queues[-1].id, EntryKind.CATCH_ALL))
    return replace(
        GOOD,
        **{
            "queues": queues,
            "entries": entries,
            "skills": GOOD.skills[:1],
            "agents": (agent("anna", citizens=3),),
            **changes,
        },
    )


def plain(name: str, *rung: str, **more: Any) -> Queue:
    return queue(name, "from 0 s: citizens", ladder=rung, **more)


def shared(*codes: str | None) -> Directory:
    """115 is for one of the two towns, which have these codes."""
    number = replace(entry("115", "a", EntryKind.SERVICE_115), candidates=tuple(t.id for t in GOOD.tenants))
    towns = tuple(replace(t, code=code) for t, code in zip(GOOD.tenants, codes, strict=True))
    return only(plain("a"), tenants=towns, entries=(number, entry("", "a", EntryKind.CATCH_ALL)))


def hours(*lines: str, then: tuple[str, ...] = (), special_days: tuple[SpecialDay, ...] = ()) -> Directory:
    """115 open at ``lines``; its queue sends to Oldenburg when closed by hours, if that has hours ``then``."""
    calendars = (
        calendar("ours", *lines, special_days=special_days),
        calendar("theirs", *(then or ("sun 01:00-02:00",))),
    )
    return only(
        plain("a", *(("closed by hours for 115: partner oldenburg",) if then else ())),
        calendars=calendars,
        partners=(replace(GOOD.partners[0], calendar=CalendarId("theirs")),),
        entries=(
            entry("115", "a", EntryKind.SERVICE_115, calendar=CalendarId("ours")),
            entry("", "a", EntryKind.CATCH_ALL),
        ),
    )


def with_calendar(ours: Calendar, *rung: str) -> Directory:
    return only(
        plain("a", *rung),
        calendars=(ours,),
        entries=(entry("", "a", EntryKind.CATCH_ALL, calendar=ours.id),),
    )


DAY_OFF = SpecialDay(date(2026, 3, 3), "Betriebsausflug")
PROMISE = "entry 115 is promised Mon-Fri 08:00-18:00, but "
UNCOVERED = (
    " it is closed and no partner takes its calls, as a rung 'closed by hours for 115: partner NAME' would have it"
)
REMARKS: dict[str, Callable[[], Directory]] = {
    # skills
    "skill c is declared, but no queue asks for it": lambda: only(
        plain("q"), skills=(*GOOD.skills[:1], Skill(SkillId("c"), "C")), agents=(agent("anna", citizens=3, c=1),)
    ),
    "skill d is declared, but no agent has it and no queue asks for it": lambda: only(
        plain("q"), skills=(*GOOD.skills[:1], Skill(SkillId("d"), "D"))
    ),
    # steps
    "queue q: step 0 (from 0 s: citizens>=4) is of no use, no agent fulfils it": lambda: only(
        queue("q", "from 0 s: citizens>=4", "from 5 s: citizens")
    ),
    "queue q: step 0 (from 0 s: citizens>=4) is of no use, no agent fulfils it, and it is the last: nobody can answer"
    " this queue": lambda: only(queue("q", "from 0 s: citizens>=4")),
    "queue q: step 0 (from 0 s: any) is of no use, whoever fulfils it keeps to other queues, and it is the last: nobody"
    " can answer this queue": lambda: only(
        queue("q", "from 0 s: any"),
        plain("r"),
        agents=(replace(agent("anna", citizens=3), lines=frozenset({QueueId("r")})),),
    ),
    "queue q: step 1 (from 90 s: any) begins later than max_wait (60 s), when the callers have left the queue":
        lambda: only(queue("q", "from 0 s: citizens", "from 90 s: any", max_wait=timedelta(seconds=60))),
    "queue q: step 1 (from 10 s: citizens>=1) widens nothing, whoever may answer then could already from step 0 on":
        lambda: only(queue("q", "from 0 s: citizens", "from 10 s: citizens>=1")),
    # partners
    "partner oldenburg: number '4412350' is dialled just so, with neither + nor 0 in front: is the area code missing?":
        lambda: only(plain("q"), partners=(replace(GOOD.partners[0], numbers=("115", "0441235", "4412350")),)),
    # rungs
    "queue a: rung 'waited 120 s: partner oldenburg' comes too late, 'waited 90 s: release' has released the caller by"
    " then": lambda: only(plain("a", "waited 120 s: partner oldenburg", "waited 90 s: release")),
    "queue a: rung 'waited 60 s: announce acd/long-wait' is written more than once": lambda: only(
        plain("a", *["waited 60 s: announce acd/long-wait"] * 3)
    ),
    "queue a: rung 'closed by hours: widen 1' is of no use, no agent of this queue gets calls of a number that is"
    " closed": lambda: replace(
        base := with_calendar(calendar("ours", "mon 08:00-18:00")),
        queues=(queue("a", "from 0 s: citizens>=3", "from 9 s: any", ladder=("closed by hours: widen 1",)),),
        agents=base.agents,
    ),
    "queue a: rung 'all busy: announce pos' announces a prompt that is in no folder (as acd/long-wait is), did you mean"
    " 'position'?": lambda: only(plain("a", "all busy: announce pos")),
    "queue a: rung 'all busy: announce expected-wiat' announces a prompt that is in no folder (as acd/long-wait is),"
    " did you mean 'expected-wait'?": lambda: only(plain("a", "all busy: announce expected-wiat")),
    "queue a: rung 'all busy: announce hello' announces a prompt that is in no folder (as acd/long-wait is)":
        lambda: only(plain("a", "all busy: announce hello")),
    "queue c: no number leads to it": lambda: only(
        plain("a"), plain("b"), plain("d"), plain("c", "closed by hours: release", "all busy for 115: release")
    ),
    "queue a: rung 'closed by hours: release' never matches, no number that leads to this queue ever closes by its"
    " hours": lambda: only(plain("a", "closed by hours: release")),
    "queue a: rung 'closed by hours for catch-all: release' never matches, no number that leads to this queue ever"
    " closes by its hours": lambda: with_calendar(
        calendar("ours", "daily 00:00-24:00"), "closed by hours for catch-all: release"
    ),
    "queue a: rung 'closed by day: release' never matches, no number that leads to this queue has a calendar with"
    " holidays or special days": lambda: with_calendar(
        calendar("ours", "mon 08:00-18:00", land=None), "closed by day: release"
    ),
    "queue a: rung 'all busy for internal: release' never matches, no number of this kind leads to this queue":
        lambda: only(plain("a", "all busy for internal: release")),
    "queue b: rung 'all busy: partner oldenburg' never sends anybody, a call that comes from a partner never goes on to"
    " one": lambda: only(
        plain("a"),
        plain("b", "all busy: partner oldenburg"),
        entries=(entry("", "a", EntryKind.CATCH_ALL), entry("+4951188", "b", EntryKind.PARTNER_INBOUND)),
    ),
    "queue a: rung 'nobody signed in: partner oldenburg' never matches, 'all busy: release' before it takes every"
    " caller who has to wait": lambda: only(plain("a", "all busy: release", "nobody signed in: partner oldenburg")),
    "queue a: rung 'nobody signed in for 115: release' never matches, 'all busy for 115, catch-all: queue b' before it"
    " takes every caller who has to wait": lambda: only(
        plain("a", "all busy for 115, catch-all: queue b", "nobody signed in for 115: release"), plain("b")
    ),
    "queue a: rung 'waited 901 s: release' comes later than max_wait (900 s), when the callers have left the queue":
        lambda: only(plain("a", "waited 901 s: release")),
    "queue a never goes to a partner, but its ladder leads to queue b, which does ('waited 9 s: partner oldenburg')":
        lambda: only(
            plain("a", "all busy: queue b", to_partners=False),
            plain("b", "waited 9 s: partner oldenburg"),
            entries=(
                entry("115", "a", EntryKind.SERVICE_115, failsafe="stays"), entry("+4951177", "a", failsafe="stays"),
                entry("", "b", EntryKind.CATCH_ALL),
            ),
        ),
    # hours
    "entry catch-all: its calendar ours has no weekly hours, the number is open on special days alone":
        lambda: with_calendar(calendar("ours", special_days=(replace(DAY_OFF, hours=((time(8), time(12)),)),))),
    # circles
    "the ladders lead in a circle: queue a, queue b, queue a": lambda: only(
        plain("a", "all busy: queue b"), plain("b", "waited 5 s: queue a", "waited 9 s: queue a")
    ),
    "the ladders lead in a circle: queue a, queue c, queue b, queue a": lambda: only(
        plain("a", "all busy: queue c"), plain("b", "all busy: queue a"), plain("c", "all busy for 115: queue b")
    ),
    # 115
    f"{PROMISE}Fri 15:00-18:00{UNCOVERED}": lambda: hours("mon-thu 07:00-18:00", "fri 07:00-15:00"),
    f"{PROMISE}Fri 15:00-16:30 it is closed, and so is partner oldenburg (calendar theirs)": lambda: hours(
        "mon-thu 07:00-18:00", "fri 07:00-15:00", then=("fri 16:30-20:00",)
    ),
    f"{PROMISE}Mon-Tue,Thu-Fri 12:30-14:00, Mon-Fri 17:00-18:00{UNCOVERED}": lambda: hours(
        "mon,tue,thu,fri 08:00-12:30", "mon,tue,thu,fri 14:00-17:00", "wed 08:00-17:00"
    ),
    f"{PROMISE}Fri 14:00-18:00{UNCOVERED}": lambda: replace(
        changed := hours("mon-thu 07:00-18:00", "fri 07:00-14:00", then=("fri 13:00-20:00",)),
        queues=(plain("a", "closed by hours for catch-all: partner oldenburg"),),
        entries=(changed.entries[0], replace(changed.entries[1], calendar=CalendarId("ours"))),
    ),
    f"{PROMISE}Mon-Fri 08:00-18:00{UNCOVERED}": lambda: hours("sat 08:00-18:00"),
    "entry 115: candidate hannover has no code, so no agent can name it at the phone": lambda: shared("5", None),
    # trunks
    "trunk pbx is read by guess where there is but one guess, and bare numbers that can be two go to the catch-all:"
    " ask its carrier what it writes, and say so (number_format)": lambda: only(
        plain("q"), trunks=(Trunk("trunk"), Trunk("pbx", "auto-with-warning"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("remark", REMARKS)
def test_what_is_probably_a_mistake_is_told(remark: str) -> None:
    assert remarks(REMARKS[remark](), MONDAY) == (remark,)


def test_a_skill_nobody_has_and_the_step_that_asks_for_it_are_both_told() -> None:
    directory = only(
        queue("q", "from 0 s: citizens and b", "from 5 s: citizens"),
        skills=(*GOOD.skills[:1], Skill(SkillId("b"), "B")),
    )
    assert remarks(directory, MONDAY) == (
        "skill b is declared, but no agent has it",
        "queue q: step 0 (from 0 s: citizens>=1 and b>=1) is of no use, no agent fulfils it",
    )


FINE: dict[str, Callable[[], Directory]] = {
    "the whole of it": lambda: GOOD,
    "towns that are named at a screen": lambda: shared(None, None),
    "towns that are named at the phone": lambda: shared("5", "06"),
    "a step only those of this line fulfil": lambda: only(
        plain("q"), agents=(replace(agent("anna", citizens=1), lines=frozenset({QueueId("q")})),)
    ),
    "released late, but widened before": lambda: replace(
        only(queue("q", "from 0 s: citizens", "from 50 s: any")),
        queues=(
            queue(
                "q",
                "from 0 s: citizens",
                "from 50 s: any",
                ladder=(
                    "waited 60 s: release", "waited 30 s: widen 1", "queue length 4: release",
                    "queue length 2: widen 1", "expected wait 60 s for 115: release", "expected wait 60 s: widen 1",
                ),
            ),
        ),
    ),
    "a release that is for others, or later": lambda: only(
        plain(
            "a", "waited 120 s for catch-all: announce position", "waited 60 s for 115: release",
            "waited 60 s: announce expected-wait", "waited 120 s: release",
        )
    ),
    "a partner at a short number, or with a code in front": lambda: only(
        plain("q"), partners=(replace(GOOD.partners[0], numbers=("115", "9115", "0441235", "+49441235")),)
    ),
    "a step and a rung at max_wait itself": lambda: only(
        queue(
            "q", "from 0 s: citizens", "from 900 s: any", ladder=("waited 900 s: release",)
        )
    ),
    "a queue that only ladders lead to, closed as the number is": lambda: only(
        plain("a", "all busy: queue b"),
        plain("b", "closed by hours for catch-all: release", "closed by day: announce acd/long-wait"),
        entries=(entry("", "a", EntryKind.CATCH_ALL, calendar=CalendarId("town-hall")),),
    ),
    "special days alone close by day": lambda: with_calendar(
        calendar("ours", "daily 00:00-24:00", land=None, special_days=(DAY_OFF,)), "closed by day: release"
    ),
    "a partner first, and release where it cannot": lambda: only(
        plain("a", "all busy: partner oldenburg", "nobody signed in: release")
    ),
    "closed stays apart from all busy": lambda: only(
        plain("a", "all busy: release", "closed by hours: partner oldenburg"),
        entries=(entry("", "a", EntryKind.CATCH_ALL, calendar=CalendarId("town-hall")),),
    ),
    "all busy for others": lambda: only(
        plain("a", "all busy for 115: release", "nobody signed in: partner oldenburg")
    ),
    "there and back, but for other callers": lambda: only(
        plain("a", "all busy for 115: queue b"), plain("b", "all busy for forwarded: queue a")
    ),
    "a dispatch line that goes on for other callers than the partner takes": lambda: only(
        plain("a", "all busy: queue b", to_partners=False),
        plain("b", "waited 9 s for catch-all: partner oldenburg"),
        entries=(
            entry("115", "a", EntryKind.SERVICE_115, failsafe="stays"), entry("", "b", EntryKind.CATCH_ALL)
        ),
    ),
    "115 open longer than promised": lambda: hours("daily 07:00-20:00"),
    "115 with Oldenburg on Friday": lambda: hours(
        "mon-thu 07:00-18:00", "fri 07:00-15:00", then=("fri 15:00-18:00",)
    ),
    "115 handed over in the middle of each day": lambda: hours("daily 07:00-12:00", then=("mon-fri 11:30-19:00",)),
    "115 closed on a special day is closed, not forgotten": lambda: hours(
        "mon-fri 08:00-18:00", special_days=tuple(SpecialDay(date(2026, 3, day), "x") for day in range(1, 32))
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FINE)
def test_what_is_meant_so_is_not_remarked(what: str) -> None:
    assert remarks(FINE[what](), MONDAY) == ()


def test_the_gap_is_measured_by_the_clock_in_germany_whatever_the_partners_clock_shows() -> None:
    directory = hours("mon-thu 08:00-18:00", "fri 08:00-15:00", then=("fri 13:00-16:00",))
    lisbon = replace(directory.calendars[1], zone="Europe/Lisbon")  # an hour behind
    (remark,) = remarks(replace(directory, calendars=(directory.calendars[0], lisbon)), MONDAY)
    assert remark.startswith(f"{PROMISE}Fri 17:00-18:00 it is closed")


def test_a_partner_without_a_calendar_is_always_there() -> None:
    directory = hours("mon-thu 07:00-18:00", "fri 07:00-15:00", then=("sun 01:00-02:00",))
    assert len(remarks(directory, MONDAY)) == 1
    assert remarks(replace(directory, partners=GOOD.partners), MONDAY) == ()


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda edge: edge[0] != edge[1]), max_size=12))
def test_a_circle_is_told_exactly_where_there_is_one(leads: set[tuple[int, int]]) -> None:
    queues = [plain(f"q{n}", *(f"all busy: queue q{to}" for of, to in sorted(leads) if of == n)) for n in range(6)]
    told = [remark for remark in remarks(only(*queues), MONDAY) if "circle" in remark]
    # By taking away, again and again, every queue that leads nowhere any more.
    left = set(leads)
    while (shorter := {edge for edge in left if edge[1] in {of for of, _ in left}}) != left:
        left = shorter
    assert bool(told) == bool(left)
    for remark in told:
        names = remark.removeprefix("the ladders lead in a circle: queue ").split(", queue ")
        walked = [(int(of[1]), int(to[1])) for of, to in pairwise(names)]
        assert set(walked) <= leads
        assert names[0] == names[-1]
        assert len(set(names)) == len(names) - 1
    assert len(told) == len(set(told))


def test_the_earliest_and_the_last_minute_of_the_promise_count() -> None:
    (remark,) = remarks(hours("mon-fri 08:01-17:59"), MONDAY)
    assert remark.startswith(f"{PROMISE}Mon-Fri 08:00-08:01, Mon-Fri 17:59-18:00 it is closed")


# ------------------------------------------------------------ who may serve


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["115", "citizens"]), st.integers(1, 5)),
            st.sets(st.sampled_from(["langenhagen", "hannover", "115"])),
        ),
        max_size=8,
    )
)
def test_who_is_able_is_who_may_serve_one_by_one(people: list[tuple[dict[str, int], set[str]]]) -> None:
    steps = ("from 0 s: citizens>=3 and 115>=2", "from 5 s: citizens>=2", "from 9 s: any")
    agents = [
        replace(demo_agent(f"a{n}", skills), lines=frozenset(map(QueueId, lines)))
        for n, (skills, lines) in enumerate(people)
    ]
    directory = demo_directory(agents, steps=steps)
    for _ in range(2):  # worked out, and remembered
        for queue in directory.queues:
            for number, step in enumerate(queue.steps):
                assert list(directory.able(queue.id, number)) == [a for a in agents if may_serve(a, queue, step)]
