"""What an operator is told about a call that nobody makes; and that a living call then does just that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.inquiry import Answer, inquire
from dialog_acd.core.model import (
    CalendarId,
    CallId,
    Entry,
    EntryKind,
    QueueId,
    Skill,
    SkillId,
    SkillKind,
    TenantId,
    Trunk,
)
from dialog_acd.core.rules import parse_rung, parse_step, written
from dialog_acd.testing import HANNOVER, LANGENHAGEN, Scenario, demo_agent, demo_directory

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Agent

BERLIN = ZoneInfo("Europe/Berlin")
FROM_PARTNER = "+49511900115"


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


FREE = "an agent who is free answers at once; if all are busy: "
FRIDAY, SUNDAY = berlin("2026-03-06T10:00"), berlin("2026-03-08T10:00")


def county(*ladder: str, to_partners: bool = True) -> Directory:
    """Harburg's hours at Langenhagen's number and 115, both of one queue; Hannover has no calendar."""
    base = demo_directory(["anna", demo_agent("bert", {"115": 1})])
    house = Calendar(
        CalendarId("house"), "house", (parse_hours("mon-thu 07:00-18:00"), parse_hours("fri 07:00-15:00")), "NI",
        (SpecialDay(date(2026, 5, 12), "Betriebsausflug"),),
    )  # fmt: skip
    partner = Calendar(CalendarId("partner"), "partner", (parse_hours("mon-fri 08:00-20:00"),), "NW")
    langenhagen = QueueId("langenhagen")
    inbound = Entry(FROM_PARTNER, TenantId("langenhagen"), langenhagen, EntryKind.PARTNER_INBOUND, "standard")
    return replace(
        base,
        calendars=(house, partner),
        partners=(replace(base.partners[0], calendar=partner.id),),
        queues=tuple(
            replace(q, ladder=tuple(map(parse_rung, ladder)), to_partners=to_partners) if q.id == langenhagen else q
            for q in base.queues
        ),
        entries=(
            *(
                e if e.queue not in ("langenhagen", "115") else replace(e, queue=langenhagen, calendar=house.id)
                for e in base.entries
            ),
            replace(inbound, calendar=house.id),
        ),
    )


def ask(directory: Directory, called: str = LANGENHAGEN, at: datetime = FRIDAY, trunk: str = "trunk") -> Answer:
    return inquire(directory, called, trunk, at)


# ------------------------------------------------------------ open or closed


@pytest.mark.parametrize(
    ("at", "is_open", "verdict", "reason"),
    [
        ("2026-03-06T06:59:59.999", False, "closed", "closed by hours"),
        ("2026-03-06T07:00", True, "wait", "open"),
        ("2026-03-06T14:59:59.999", True, "wait", "open"),
        ("2026-03-06T15:00", False, "closed", "closed by hours"),
        ("2026-04-03T10:00", False, "closed", "closed by day (Karfreitag)"),
        ("2026-05-12T10:00", False, "closed", "closed by day (Betriebsausflug)"),
    ],
)
def test_the_main_number_at_this_moment(at: str, is_open: bool, verdict: str, reason: str) -> None:
    answer = ask(county("closed by hours for 115: partner oldenburg"), at=berlin(at))
    assert (answer.open, answer.verdict, answer.reason) == (is_open, verdict, reason)


@pytest.mark.parametrize(
    ("at", "verdict", "reason"),
    [
        ("2026-03-06T14:59:59.999", "wait", "open"),
        ("2026-03-06T15:00", "partner", "closed by hours"),
        ("2026-03-06T19:59:59", "partner", "closed by hours"),
        ("2026-03-06T20:00", "closed", "closed by hours"),
        ("2026-05-14T10:00", "closed", "closed by day (Christi Himmelfahrt)"),
    ],
)
def test_115_at_this_moment(at: str, verdict: str, reason: str) -> None:
    answer = ask(county("closed by hours for 115: partner oldenburg"), "115", berlin(at))
    assert answer.verdict == verdict
    assert answer.reason.startswith(reason)


def test_when_it_closes_and_when_it_opens_again() -> None:
    opening = ask(county()).opening
    assert opening is not None
    assert opening.closes_at == datetime(2026, 3, 6, 14, 0, tzinfo=UTC)
    closed = ask(county(), at=SUNDAY).opening
    assert closed is not None
    assert closed.opens_at == datetime(2026, 3, 9, 6, 0, tzinfo=UTC)


def test_a_number_without_a_calendar_is_always_open() -> None:
    answer = ask(county(), HANNOVER, SUNDAY)
    assert (answer.open, answer.opening, answer.verdict) == (True, None, "wait")
    assert answer.reason == "always open: the number has no calendar"


@pytest.mark.parametrize("called", ["110", "112"])
def test_an_emergency_number_is_never_queued(called: str) -> None:
    answer = ask(county("all busy: partner oldenburg"), called)
    assert answer.verdict == "emergency"


def test_a_number_nobody_owns_has_a_way_too() -> None:
    answer = ask(county(), "0999 1")
    assert (answer.found.known, answer.found.why, answer.queue.id) == (False, "nobody owns this number", "hannover")
    assert answer.verdict == "wait"


def test_the_trunk_decides_how_a_number_is_read() -> None:
    directory = replace(county(), trunks=(Trunk("trunk"), Trunk("local", "subscriber")))
    assert ask(directory, "7307-0", trunk="local").queue.id == "langenhagen"
    assert not ask(directory, "7307-0", trunk="trunk").found.known


# ------------------------------------------------------------ steps


def test_who_could_answer_and_who_could_not_for_what() -> None:
    people = (
        demo_agent("anna", {"citizens": 3}),
        demo_agent("bert", {"115": 1}),
        replace(demo_agent("cleo", {"citizens": 5}), lines=frozenset({QueueId("region"), QueueId("hannover")})),
    )
    base = replace(demo_directory(people), skills=(*demo_directory().skills, Skill(SkillId("dansk"), "Dansk")))
    steps = ("from 0 s: citizens>=4 and dansk>=1", "from 20 s: citizens>=2", "from 40 s: any")
    directory = replace(
        base,
        queues=tuple(
            replace(q, steps=tuple(map(parse_step, steps))) if q.id == "langenhagen" else q for q in base.queues
        ),
    )
    told = [([a.id for a in s.able], {a.id: why for a, why in s.unable}) for s in ask(directory).steps]
    keeps = "keeps to hannover, region"
    assert told == [
        ([], {"anna": "has citizens at 3, not 4, no dansk>=1", "bert": "no citizens>=4, no dansk>=1", "cleo": keeps}),
        (["anna"], {"bert": "no citizens>=2", "cleo": keeps}),
        (["anna", "bert"], {"cleo": keeps}),
    ]
    assert [written(s.step) for s in ask(directory).steps] == list(steps)


def test_nobody_is_left_out_of_a_step() -> None:
    directory = county()
    for step in ask(directory).steps:
        assert {a.id for a in step.able} | {a.id for a, _ in step.unable} == {a.id for a in directory.agents}


# ------------------------------------------------------------ ladder


def test_each_rung_says_whether_it_is_taken_and_why_not() -> None:
    ladder = (
        "closed by hours for 115: partner oldenburg",
        "closed by day: partner oldenburg",
        "nobody signed in: partner oldenburg",
        "technical: release",
        "switched: partner oldenburg",
        "queue length 3: partner oldenburg",
        "expected wait 120 s: partner oldenburg",
        "waited 0 s: announce acd/welcome",
        "waited 60 s: partner oldenburg",
        "all busy: partner oldenburg",
    )
    rungs = ask(county(*ladder)).ladder
    assert [written(rung.rung) for rung in rungs] == list(ladder)
    assert [(rung.at_arrival, rung.why) for rung in rungs] == [
        (False, "not for main-number"),
        (False, "open now"),
        (False, "when nobody signed in can answer"),
        (False, "when no phone can be reached"),
        (False, "when a supervisor has switched over"),
        (False, "when 3 callers wait already"),
        (False, "when the expected wait is above 120 s"),
        (True, "waited 0 s"),
        (False, "after 60 s"),
        (True, "all busy"),
    ]


def test_a_rung_for_another_hour_says_which_hour_it_is() -> None:
    ladder = "closed by hours: announce acd/x", "closed by day: release", "closing soon: callback", "all busy: release"
    closed = ask(county(*ladder), at=berlin("2026-05-12T10:00"))
    assert [(r.at_arrival, r.why) for r in closed.ladder] == [
        (False, "closed by day"), (True, "closed by day"), (False, "closed by day"), (False, "closed by day"),
    ]  # fmt: skip
    assert [r.why for r in ask(county(*ladder)).ladder][:3] == ["open now", "open now", "when closing comes first"]
    always = replace(county(*ladder), entries=tuple(replace(e, calendar=None) for e in county().entries))
    assert [r.why for r in ask(always).ladder][:3] == ["always open", "always open", "never closes"]


def test_who_is_told_at_the_door_that_we_are_closed_comes_to_no_rung() -> None:
    answer = ask(county("waited 0 s: partner oldenburg", "nobody signed in: partner oldenburg"), at=SUNDAY)
    assert [(r.at_arrival, r.why) for r in answer.ladder] == [(False, "closed by hours")] * 2
    assert (answer.verdict, answer.in_words) == ("closed", "closed")


def test_a_partner_who_rests_is_named_with_the_reason() -> None:
    ladder = "all busy: partner oldenburg"
    assert [r.why for r in ask(county(ladder), at=berlin("2026-03-06T07:30")).ladder] == [
        "Oldenburg is closed by hours"
    ]
    corpus_christi = ask(county(ladder), at=berlin("2026-06-04T10:00"))
    assert [r.why for r in corpus_christi.ladder] == ["Oldenburg is closed by day (Fronleichnam)"]
    assert corpus_christi.verdict == "wait"


def test_a_call_from_a_partner_is_never_sent_on() -> None:
    answer = ask(county("all busy: partner oldenburg"), FROM_PARTNER)
    assert [(r.at_arrival, r.why) for r in answer.ladder] == [(False, "came from a partner")]
    assert answer.verdict == "wait"


@pytest.mark.parametrize(
    ("at", "rung", "words"),
    [
        ("2026-03-06T10:00", "all busy: partner oldenburg", f"{FREE}partner"),
        ("2026-03-06T10:00", "all busy: callback", f"{FREE}a callback is offered, then wait"),
        ("2026-03-06T15:30", "closed by hours: partner oldenburg", "partner"),
        ("2026-03-06T15:30", "closed by hours: callback", "a callback is offered, then closed"),
        ("2026-03-06T15:30", "closed by hours: queue region", "wait for an agent of queue region"),
    ],
)
def test_the_verdict_in_words(at: str, rung: str, words: str) -> None:
    assert ask(county(rung), at=berlin(at)).in_words == words


# ------------------------------------------------------------ a living call does the same


def lived(directory: Directory, called: str, at: datetime) -> str:
    """What becomes of a call at this moment: everybody is signed in and nobody free."""
    acd = Scenario(directory, ready=())
    for agent in directory.agents:
        acd.tell(m.AgentSignedIn(agent.id))
    acd.until(at.astimezone(UTC)).waits("c1", called)
    treat = acd.expect(m.Treat, call="c1")
    if treat.verdict is not m.Verdict.HOLD:
        return str(treat.verdict)
    if any(isinstance(output, m.Say) for _, _, out in acd.story for output in out):
        acd.held("c1")  # the prompt is over
    if acd.state("c1") == "released":
        return "closed" if acd.acd._floor.calls[CallId("c1")].closed else "released"
    return {"waiting": "wait", "diverting": "partner"}[acd.state("c1")]


LADDERS = (
    (),
    ("closed by hours for 115: partner oldenburg",),
    ("closed by hours: partner oldenburg", "closed by day: partner oldenburg"),
    ("all busy: partner oldenburg",),
    ("all busy for 115: partner oldenburg", "waited 60 s: partner oldenburg"),
    ("queue length 1: partner oldenburg", "nobody signed in: partner oldenburg", "technical: partner oldenburg"),
    ("all busy: widen 1", "all busy: queue region"),
    ("closed by day: queue region",),
)
MOMENTS = ("2026-03-06T07:30", "2026-03-06T10:00", "2026-03-06T15:00", "2026-03-08T12:00", "2026-05-12T10:00")


def widening(*ladder: str) -> Directory:
    directory = county()
    steps = (parse_step("from 0 s: citizens>=2"), parse_step("from 600 s: citizens>=1"))
    rungs = tuple(map(parse_rung, ladder))
    return replace(
        directory,
        queues=tuple(replace(q, ladder=rungs, steps=steps) if q.id == "langenhagen" else q for q in directory.queues),
    )


@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize("ladder", LADDERS, ids=lambda ladder: " | ".join(ladder) or "none")
@pytest.mark.parametrize("called", [LANGENHAGEN, "115", FROM_PARTNER, HANNOVER, "112"])
def test_what_is_said_is_what_happens(called: str, ladder: tuple[str, ...], at: str) -> None:
    directory = widening(*ladder)
    assert ask(directory, called, berlin(at)).verdict == lived(directory, called, berlin(at))


@pytest.mark.parametrize(
    ("at", "happens", "ladder"),
    [
        ("2026-03-06T10:00", "partner", ("all busy: announce acd/moment", "all busy: partner oldenburg")),
        ("2026-03-06T10:00", "released", ("all busy: release",)),
        ("2026-03-06T15:00", "closed", ("waited 0 s: partner oldenburg",)),
        ("2026-03-06T15:00", "closed", ("closed by hours: announce acd/later",)),
        ("2026-03-06T15:00", "closed", ("closed by hours: release",)),
    ],
)
def test_what_is_said_is_what_happens_in_the_end(at: str, happens: str, ladder: tuple[str, ...]) -> None:
    """A rung that says something, or that ends the call, is not all that there is to it."""
    directory = widening(*ladder)
    if lived(directory, LANGENHAGEN, berlin(at)) != happens:
        pytest.fail("the living call does something else")
    assert ask(directory, at=berlin(at)).verdict == happens


@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize("rung", ["nobody signed in: partner oldenburg", "technical: partner oldenburg"])
@pytest.mark.parametrize("agents", [[], [demo_agent("bert", {"115": 5})]], ids=["nobody", "nobody-able"])
def test_where_nobody_can_answer_what_is_said_is_what_happens(agents: list[Agent], rung: str, at: str) -> None:
    directory = replace(widening(rung), agents=tuple(agents))
    answer = ask(directory, at=berlin(at))
    assert answer.verdict == lived(directory, LANGENHAGEN, berlin(at))
    assert answer.in_words.startswith("no agent in the directory can answer: ") == answer.open


@pytest.mark.parametrize(
    "shown", ["", "anonymous", "115", "0137 1234567", "0511 7307-0", "0511 7307-230", "+4951123559876", "0170 1234567"]
)
@pytest.mark.parametrize("rung", ["all busy: callback", "closed by hours: callback"])
def test_a_callback_is_said_to_be_offered_where_it_is(rung: str, shown: str) -> None:
    directory, at = county(rung), FRIDAY if rung.startswith("all") else berlin("2026-03-06T15:30")
    acd = Scenario(directory, ready=()).until(at.astimezone(UTC)).arrives("c1", ani=shown).held("c1")
    offered = any(isinstance(output, m.Say) and output.callback for _, _, out in acd.story for output in out)
    (told,) = inquire(directory, LANGENHAGEN, "trunk", at, shown).ladder
    assert told.at_arrival == offered
    assert offered or told.why == "this caller cannot be called back"


def test_of_a_caller_who_is_not_named_a_number_is_assumed() -> None:
    assert [r.at_arrival for r in ask(county("all busy: callback")).ladder] == [True]


def test_nothing_is_disturbed_by_being_asked() -> None:
    directory = county("all busy: partner oldenburg")
    assert ask(directory) == ask(directory)
    assert ask(directory, at=FRIDAY.astimezone(UTC)).verdict == ask(directory).verdict
    with pytest.raises(TypeError):
        ask(directory, at=datetime(2026, 3, 6, 10, 0))  # noqa: DTZ001  the point: no zone, no answer


def test_a_language_nobody_speaks_is_said_and_is_no_trap() -> None:
    skills = (*demo_directory().skills, Skill(SkillId("tuerkisch"), "Türkisch", SkillKind.LANGUAGE))
    steps = (parse_step("from 0 s: citizens>=1 and tuerkisch>=1"), parse_step("from 20 s: citizens>=1"))
    base = replace(demo_directory(["anna"]), skills=skills)
    directory = replace(base, queues=tuple(replace(q, steps=steps) for q in base.queues))
    assert [len(step.able) for step in ask(directory).steps] == [0, 1]


def test_half_a_second_before_it_opens_is_closed() -> None:
    at = berlin("2026-03-09T07:00") - timedelta(milliseconds=500)
    assert ask(county(), at=at).verdict == "closed"
    assert ask(county(), at=at + timedelta(milliseconds=500)).verdict == "wait"
