"""A supervisor closes a number, opens it again, has callers told something; and all of it ends by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dialog_acd.core import messages as m
from dialog_acd.core.acd import Acd
from dialog_acd.core.calendars import Calendar, SpecialDay, parse_hours
from dialog_acd.core.model import CalendarId, CallId, EntryKind, PartnerId, QueueId, SwitchKind, TenantId
from dialog_acd.core.records import Blame, Outcome, Result
from dialog_acd.core.switches import SwitchBook, opening
from dialog_acd.switch.translate import Interpreter
from dialog_acd.testing import HANNOVER, LANGENHAGEN, MONDAY, Scenario, SequentialIds, demo_directory
from ladders import entries_are, laddered, moment, not_yet, orders, queue_is, sent, shut

if TYPE_CHECKING:
    from dialog_acd.core.directory import Directory

CLOSURE, OVERFLOW = SwitchKind.CLOSURE, SwitchKind.OVERFLOW
OF_ENTRY, OF_QUEUE, OF_CENTRE = SwitchKind.ENTRY_MESSAGE, SwitchKind.QUEUE_MESSAGE, SwitchKind.CENTRE_MESSAGE
NUMBER, OTHER = "+495117307", "+49511168"
NINE, TEN = "09:00:00", "10:00:00"
WHO = "frau-meyer"


def switches(
    acd: Scenario, kind: SwitchKind, until: str | None, about: str = NUMBER, prompt: str | None = None
) -> Scenario:
    return acd.tell(m.SupervisorSwitched(kind, about, moment(until) if until else None, WHO, prompt))


def closed(
    until: str = TEN, prompt: str | None = None, *, at: str = NINE, directory: Directory | None = None
) -> Scenario:
    return switches(Scenario(directory or demo_directory()).at(at), CLOSURE, until, prompt=prompt)


def served(directory: Directory, *hours: str, special: tuple[SpecialDay, ...] = ()) -> Directory:
    """The towns' own numbers are served at these hours."""
    calendar = Calendar(CalendarId("hours"), "hours", tuple(map(parse_hours, hours)), None, special)
    return entries_are(replace(directory, calendars=(calendar,)), EntryKind.MAIN_NUMBER, calendar=calendar.id)


def in_force(acd: Scenario) -> list[tuple[str, str]]:
    return [(str(s.kind), s.about) for s in acd.acd.view().switches]


def heard(acd: Scenario, call: str, dialled: str = LANGENHAGEN) -> tuple[str, ...]:
    """What this new caller is told before waiting."""
    return acd.arrives(call, dialled).expect(m.Treat, call=call).messages


# ------------------------------------------------------------ close this number now


def test_a_number_is_closed_and_who_calls_hears_when_it_opens() -> None:
    acd = closed()
    acd.expect(m.SwitchTurned, kind=CLOSURE, about=NUMBER, until=moment(TEN), by=WHO)
    acd.arrives("c1").expect(m.Treat, verdict=m.Verdict.CLOSED, closed="acd/closed", opens_at=moment(TEN))
    acd.expect(m.CallReleased, call="c1", why="closed-by-day")
    record = acd.after(10).caller_hangs_up("c1").record("c1")
    assert record.outcome == Outcome(Result.CLOSED, "closed-by-day", Blame.NOBODY)


def test_the_prompt_may_be_another_than_the_numbers_own() -> None:
    acd = closed(prompt="power-cut").arrives("c1")
    treat = acd.expect(m.Treat, verdict=m.Verdict.CLOSED, closed="acd/power-cut")
    assert Interpreter().variables(treat)["ACD_CLOSED"] == "power-cut"


@pytest.mark.parametrize("dialled", [HANNOVER, "115", "0511 999999"])
def test_other_numbers_stay_open(dialled: str) -> None:
    closed().arrives("c1", dialled).expect(m.Treat, verdict=m.Verdict.HOLD)


def test_of_a_block_every_number_is_closed_and_115_by_its_own_name() -> None:
    acd = closed().arrives("c1", "0511 7307-4711").arrives("c2", "0511 7307")
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.CLOSED)
    acd.expect(m.Treat, call="c2", verdict=m.Verdict.CLOSED)
    switches(acd, CLOSURE, TEN, "115").arrives("c3", "115").expect(m.Treat, call="c3", verdict=m.Verdict.CLOSED)


def test_an_emergency_call_is_told_where_help_is_all_the_same() -> None:
    acd = switches(closed(), OF_CENTRE, TEN, "", "storm-warning").arrives("c1", "112")
    assert Interpreter().variables(acd.expect(m.Treat, call="c1")) == {"ACD_VERDICT": "emergency"}


def test_it_opens_by_itself_to_the_instant() -> None:
    acd = closed().until(moment(TEN) - timedelta(microseconds=1)).arrives("c1")
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.CLOSED)
    acd.until(moment(TEN))
    acd.expect(m.SwitchTurned, kind=CLOSURE, about=NUMBER, until=None, why="its time is over")
    acd.expect(m.RememberSwitch, kind=CLOSURE, about=NUMBER, switch=None)
    acd.arrives("c2").expect(m.Treat, call="c2", verdict=m.Verdict.HOLD)
    assert in_force(acd) == []


def test_it_is_opened_again_before_its_time() -> None:
    acd = switches(closed(), CLOSURE, None)
    acd.expect(m.SwitchTurned, kind=CLOSURE, until=None, by=WHO, why="")
    acd.expect(m.RememberSwitch, kind=CLOSURE, about=NUMBER, switch=None)
    acd.arrives("c1").expect(m.Treat, verdict=m.Verdict.HOLD)
    assert acd.acd.next_deadline() != moment(TEN)


def test_the_last_word_counts() -> None:
    acd = switches(closed(), CLOSURE, "11:00:00", prompt="power-cut").at(TEN).arrives("c1")
    acd.expect(m.Treat, closed="acd/power-cut", opens_at=moment("11:00:00"))


def test_who_is_there_already_is_served() -> None:
    acd = Scenario(demo_directory(["anna"])).at("08:59:00").waits("c0").talks("anna").after(1).waits("c1").arrives("c2")
    switches(acd.at(NINE), CLOSURE, TEN).held("c2").after(1)
    not_yet(acd, m.Release, "c1")
    acd.agent_hangs_up("anna").after(10).expect(m.Offer, call="c1", agent="anna")
    acd.talks("anna").agent_hangs_up("anna").after(10).expect(m.Offer, call="c2", agent="anna")


def test_who_waits_is_not_told_that_it_is_closed_by_an_edit_of_the_directory_either() -> None:
    """Hours are looked at anew then, with everybody gone home; the closure is about whoever comes after it."""
    directory = served(demo_directory(["anna"]), "mon-fri 07:00-18:00")
    acd = Scenario(directory, ready=()).at("08:59:00").waits("c1")
    switches(acd.at(NINE), CLOSURE, TEN).tell(m.DirectoryChanged(directory)).after(60)
    not_yet(acd, m.Release)
    acd.is_ready("anna").expect(m.Offer, call="c1")


def test_who_waits_until_everybody_has_gone_home_is_not_told_to_call_again_while_it_is_closed() -> None:
    acd = Scenario(served(demo_directory(["anna"]), "mon-fri 07:00-18:00"), ready=()).at("16:55:00").waits("c1")
    tuesday_at_noon = datetime(2026, 3, 3, 11, tzinfo=UTC)
    acd.after(1).tell(m.SupervisorSwitched(CLOSURE, NUMBER, tuesday_at_noon, WHO, "power-cut")).at("17:00:00")
    acd.expect(m.Release, call="c1", prompt="acd/power-cut", opens_at=tuesday_at_noon)
    acd.expect(m.CallReleased, call="c1", why="closed-by-hours")


def test_an_agent_hands_a_caller_on_to_a_number_that_is_closed() -> None:
    acd = closed().waits("c1", HANNOVER).talks("anna").transferred("c1", NUMBER).arrives("c1")
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.CLOSED, opens_at=moment(TEN))


# ------------------------------------------------------------ ... like on a special day


@pytest.mark.parametrize(
    ("until", "opens"),
    [
        ("2026-03-02T10:00", "2026-03-02T10:00"),  # Monday, while it would be open
        ("2026-03-02T17:00", "2026-03-03T06:00"),  # 18:00 in Berlin: at closing time
        ("2026-03-02T20:00", "2026-03-03T06:00"),
        ("2026-03-03T05:59", "2026-03-03T06:00"),
        ("2026-03-06T20:00", "2026-03-09T06:00"),  # Friday night
        ("2026-03-05T09:00", "2026-03-06T06:00"),  # on the day of the outing
    ],
)
def test_the_opening_spoken_is_the_end_or_the_next_one_after_it(until: str, opens: str) -> None:
    outing = (SpecialDay(date(2026, 3, 5), "Betriebsausflug"),)
    acd = Scenario(served(demo_directory(), "mon-fri 07:00-18:00", special=outing)).at(NINE)
    end = datetime.fromisoformat(until).replace(tzinfo=UTC)
    acd.tell(m.SupervisorSwitched(CLOSURE, NUMBER, end, WHO)).arrives("c1")
    acd.expect(m.Treat, verdict=m.Verdict.CLOSED, opens_at=datetime.fromisoformat(opens).replace(tzinfo=UTC))


def test_a_calendar_that_never_opens_again_names_no_opening() -> None:
    directory = served(demo_directory(), special=(SpecialDay(date(2026, 3, 2), "Wahl", ((_t("08:00"), _t("18:00")),)),))
    acd = Scenario(directory).at(NINE)
    acd.tell(m.SupervisorSwitched(CLOSURE, NUMBER, moment("20:00:00"), WHO)).arrives("c1")
    acd.expect(m.Treat, verdict=m.Verdict.CLOSED, opens_at=None)


def _t(text: str) -> Any:
    return datetime.fromisoformat(f"2026-01-01T{text}").time()


def test_it_wins_over_the_hour_of_the_night() -> None:
    acd = closed("20:00:00", directory=shut(demo_directory(), holiday=False)).arrives("c1")
    assert acd.caller_hangs_up("c1").record("c1").outcome.reason == "closed-by-day"


@pytest.mark.parametrize(("rung", "to_partner"), [("closed by day", ["c1"]), ("closed by hours", [])])
def test_the_rungs_of_a_special_day_speak(rung: str, to_partner: list[str]) -> None:
    acd = closed(directory=laddered(f"{rung}: partner oldenburg", agents=["anna"])).waits("c1")
    assert sent(acd) == to_partner
    acd.expect(m.Treat, call="c1", verdict=m.Verdict.HOLD if to_partner else m.Verdict.CLOSED)
    not_yet(acd, m.Offer)


def test_who_waited_for_a_partner_in_vain_hears_the_closures_prompt() -> None:
    directory = laddered("closed by day: partner oldenburg")
    acd = closed(directory=directory, prompt="power-cut").waits("c1")
    acd.after(3).tell(m.DivertFailed(CallId("c1"), PartnerId("oldenburg"), "busy")).held("c1")
    acd.expect(m.Release, call="c1", prompt="acd/power-cut", opens_at=moment(TEN))


def test_a_rung_that_releases_speaks_with_the_closures_prompt() -> None:
    acd = closed(directory=laddered("closed by day: release"), prompt="power-cut").waits("c1")
    acd.expect(m.Release, call="c1", prompt="acd/power-cut", opens_at=moment(TEN))


def test_what_is_said_of_a_moment_without_the_core() -> None:
    view = closed(prompt="power-cut").acd.view()
    (langenhagen, *_), hannover = demo_directory().entries, demo_directory().entries[1]
    closure = SwitchBook(view.switches).met(langenhagen).closure
    assert closure is not None
    assert (closure.by, closure.at, closure.until, closure.prompt) == (WHO, moment(NINE), moment(TEN), "power-cut")
    found = opening(None, closure, view.at)
    assert found is not None
    assert (found.open, str(found.why), found.opens_at) == (False, "closed-by-day", moment(TEN))
    assert SwitchBook(view.switches).met(hannover) == (None, (), None)
    assert SwitchBook(view.switches).met(replace(langenhagen, tenant=TenantId("hannover"))).closure is None
    assert SwitchBook(view.switches).met(langenhagen, moment(TEN)).closure is None
    assert opening(None, None, view.at) is None


# ------------------------------------------------------------ message of the day


def test_every_new_caller_is_told_once_before_anybody_may_answer() -> None:
    acd = switches(Scenario().at(NINE), OF_QUEUE, TEN, "langenhagen", "storm-warning")
    assert heard(acd, "c1") == ("acd/storm-warning",)
    acd.expect_no(m.Offer)
    acd.held("c1").expect(m.Offer, call="c1")
    assert heard(acd, "h1", HANNOVER) == ()
    assert heard(acd.at(TEN), "c2") == ()


def test_who_waits_already_is_not_told() -> None:
    acd = Scenario(ready=()).at("08:59:00").waits("c1").at(NINE)
    switches(acd, OF_CENTRE, TEN, "", "storm-warning").after(60)
    not_yet(acd, m.Say)


def test_messages_add_up_from_the_widest_to_the_narrowest_and_none_is_told_twice() -> None:
    acd = switches(Scenario().at(NINE), OF_ENTRY, TEN, NUMBER, "register-down")
    switches(acd, OF_QUEUE, TEN, "langenhagen", "storm-warning")
    assert heard(acd, "c1") == ("acd/storm-warning", "acd/register-down")
    switches(acd, OF_CENTRE, "09:30:00", "", "election")
    assert heard(acd, "c2") == ("acd/election", "acd/storm-warning", "acd/register-down")
    assert heard(acd, "h1", HANNOVER) == heard(acd, "u1", "0511 999999") == ("acd/election",)
    switches(acd, OF_CENTRE, "09:30:00", "", "storm-warning")
    assert heard(acd, "c3") == ("acd/storm-warning", "acd/register-down")
    assert heard(acd.at("09:30:00"), "c4") == ("acd/storm-warning", "acd/register-down")


def test_after_the_greeting_and_in_its_way() -> None:
    directory = entries_are(demo_directory(), EntryKind.MAIN_NUMBER, greeting="acd/welcome")
    acd = switches(Scenario(directory).at(NINE), OF_CENTRE, TEN, "", "storm-warning")
    switches(acd, OF_ENTRY, TEN, NUMBER, "register-down").arrives("c1")
    said = Interpreter().variables(acd.expect(m.Treat, call="c1"))
    assert said["ACD_GREETING"] == "acd/welcome&acd/storm-warning&acd/register-down"
    said = Interpreter().variables(acd.arrives("x1", "0511 999999").expect(m.Treat, call="x1"))
    assert said["ACD_GREETING"] == "acd/storm-warning"
    switches(acd, OF_CENTRE, None, "").arrives("x2", "0511 999999")
    assert Interpreter().variables(acd.expect(m.Treat, call="x2"))["ACD_GREETING"] == ""


def test_a_question_asked_twice_is_answered_alike() -> None:
    acd = switches(Scenario().at(NINE), OF_CENTRE, TEN, "", "storm-warning")
    assert heard(acd, "c1") == heard(acd, "c1") == ("acd/storm-warning",)


def test_who_is_handed_on_to_another_town_hears_only_what_is_new() -> None:
    acd = switches(Scenario().at(NINE), OF_CENTRE, TEN, "", "storm-warning")
    switches(acd, OF_QUEUE, TEN, "hannover", "register-down")
    acd.waits("c1").talks("anna").transferred("c1", HANNOVER)
    assert acd.expect(m.Treat, call="c1").messages == ("acd/storm-warning",)
    assert heard(acd, "c1", HANNOVER) == ("acd/register-down",)


def test_who_finds_us_closed_hears_that_and_nothing_else() -> None:
    acd = switches(closed(directory=laddered("closed by day: partner oldenburg")), OF_CENTRE, TEN, "", "storm-warning")
    assert heard(acd, "c1") == ()


# ------------------------------------------------------------ what cannot be switched


@pytest.mark.parametrize(
    ("kind", "about", "prompt", "why"),
    [
        (CLOSURE, "+49511999", None, "no entry with this number is active"),
        (CLOSURE, "0511 7307", None, "no entry with this number is active"),
        (CLOSURE, "", None, "no entry with this number is active"),
        (OF_ENTRY, "+49511999", "storm-warning", "no entry with this number is active"),
        (OF_QUEUE, "atlantis", "storm-warning", "unknown queue"),
        (OF_QUEUE, "langenhagen", None, "a message needs a prompt"),
        (OF_CENTRE, "", None, "a message needs a prompt"),
        *(
            (kind, about, prompt, "a prompt's name is of the form [0-9a-z-], 1 to 30 characters")
            for kind, about in ((CLOSURE, NUMBER), (OF_CENTRE, ""))
            for prompt in ("", "-x", "x" * 31, "../x", "a&b", "a*1", "Storm", "a\n", "ä", "a,1")
        ),
        (OVERFLOW, "langenhagen", None, "the queue's ladder has no rung 'switched: ...'"),
    ],
)
def test_what_does_not_fit_changes_nothing_and_says_why(
    kind: SwitchKind, about: str, prompt: str | None, why: str
) -> None:
    acd = switches(Scenario().at(NINE), kind, TEN, about, prompt)
    acd.expect(m.Ignored, signal="SupervisorSwitched", why=why, about=about)
    acd.expect_no(m.RememberSwitch)
    assert in_force(acd) == []


@pytest.mark.parametrize("kind", SwitchKind)
@pytest.mark.parametrize(
    ("end", "possible"),
    [(timedelta(0), False), (timedelta(microseconds=1), True), (timedelta(7), True), (timedelta(7, 0, 1), False)],
)
def test_a_switch_ends_within_a_week_and_not_before_it_begins(
    kind: SwitchKind, end: timedelta, *, possible: bool
) -> None:
    acd = Scenario(laddered("switched: release")).at(NINE)
    about = {OVERFLOW: "langenhagen", OF_QUEUE: "langenhagen", OF_CENTRE: ""}.get(kind, NUMBER)
    acd.tell(m.SupervisorSwitched(kind, about, acd.clock.now() + end, WHO, "storm-warning"))
    assert in_force(acd) == ([(str(kind), about)] if possible else [])


# ------------------------------------------------------------ what it was about is gone


def test_with_the_entry_the_closure_goes_and_does_not_come_back_with_it() -> None:
    whole = demo_directory()
    without = replace(whole, entries=tuple(e for e in whole.entries if e.number != NUMBER))
    acd = switches(closed(), OF_ENTRY, TEN, NUMBER, "storm-warning").tell(m.DirectoryChanged(without))
    for kind in (CLOSURE, OF_ENTRY):
        acd.expect(m.SwitchTurned, kind=kind, about=NUMBER, until=None, why="the entry is gone")
        acd.expect(m.RememberSwitch, kind=kind, about=NUMBER, switch=None)
    acd.tell(m.DirectoryChanged(whole)).arrives("c1").expect(m.Treat, verdict=m.Verdict.HOLD, messages=())


def test_with_the_queue_its_message_goes() -> None:
    whole = demo_directory()
    without = replace(
        whole,
        queues=tuple(q for q in whole.queues if q.id != "langenhagen"),
        entries=tuple(replace(e, queue=QueueId("region")) if e.queue == "langenhagen" else e for e in whole.entries),
    )
    acd = switches(Scenario().at(NINE), OF_QUEUE, TEN, "langenhagen", "storm-warning")
    acd.tell(m.DirectoryChanged(without)).expect(m.SwitchTurned, kind=OF_QUEUE, why="the queue is gone")
    assert in_force(acd) == []


def test_an_edit_elsewhere_leaves_it_on() -> None:
    acd = closed().tell(m.DirectoryChanged(queue_is(demo_directory(), "hannover", priority=3))).arrives("c1")
    acd.expect(m.Treat, verdict=m.Verdict.CLOSED)
    acd.at(TEN).expect(m.SwitchTurned, why="its time is over")


def test_a_number_that_goes_to_another_town_at_midnight_is_not_closed_there() -> None:
    whole = demo_directory()
    ours = next(e for e in whole.entries if e.number == NUMBER)
    tonight = date(2026, 3, 2)
    theirs = replace(ours, tenant=TenantId("hannover"), active_from=tonight + timedelta(1))
    rest = tuple(e for e in whole.entries if e is not ours)
    directory = replace(whole, entries=(replace(ours, active_to=tonight), theirs, *rest))
    acd = Scenario(directory).at(NINE)
    acd.tell(m.SupervisorSwitched(CLOSURE, NUMBER, moment(NINE) + timedelta(1), WHO))
    acd.until(moment("22:59:59")).arrives("c1").expect(m.Treat, call="c1", verdict=m.Verdict.CLOSED)
    acd.until(moment("23:00:00")).expect(m.SwitchTurned, why="the number is another town's")
    acd.arrives("c2").expect(m.Treat, call="c2", verdict=m.Verdict.HOLD, tenant="hannover")


def test_a_number_of_another_days_entry_cannot_be_closed_and_the_same_towns_next_entry_stays_closed() -> None:
    whole = demo_directory()
    ours, other = (next(e for e in whole.entries if e.number == n) for n in (NUMBER, OTHER))
    today = date(2026, 3, 2)
    rest = tuple(e for e in whole.entries if e not in (ours, other))
    later = replace(ours, active_from=today + timedelta(1), greeting="acd/new")
    directory = replace(
        whole, entries=(replace(ours, active_to=today), later, replace(other, active_from=date(2026, 3, 3)), *rest)
    )
    acd = switches(Scenario(directory).at(NINE), CLOSURE, TEN, OTHER)
    acd.expect(m.Ignored, why="no entry with this number is active")
    acd.tell(m.SupervisorSwitched(CLOSURE, NUMBER, moment(NINE) + timedelta(1), WHO)).until(moment("23:30:00"))
    acd.arrives("c1").expect(m.Treat, verdict=m.Verdict.CLOSED)


# ------------------------------------------------------------ the service starts anew


def switch(kind: SwitchKind = CLOSURE, about: str = NUMBER, until: str = TEN, **more: Any) -> m.Switch:
    tenant = TenantId("langenhagen") if kind in (CLOSURE, OF_ENTRY) else None
    return m.Switch(kind, about, moment(until), WHO, moment("07:00:00"), **{"tenant": tenant, **more})


def restarted(*switches: m.Switch, calls: tuple[m.RememberCall, ...] = ()) -> Scenario:
    """At 08:00."""
    acd = Scenario(found=False, ready=())
    acd.acd = Acd(acd.directory, MONDAY, SequentialIds(), switches=switches, calls=calls)
    return acd.switch_found()


def test_what_was_switched_is_so_after_a_restart() -> None:
    acd = restarted(switch(), switch(OF_CENTRE, "", prompt="storm-warning"))
    assert heard(acd, "h1", HANNOVER) == ("acd/storm-warning",)
    acd.arrives("c1").expect(m.Treat, verdict=m.Verdict.CLOSED, opens_at=moment(TEN))
    acd.at(TEN).arrives("c2").expect(m.Treat, call="c2", verdict=m.Verdict.HOLD, messages=())


@pytest.mark.parametrize(
    ("old", "why"),
    [
        (switch(until="08:00:00"), "its time is over"),
        (switch(about="+49511999"), "the entry is gone"),
        (switch(tenant=TenantId("hannover")), "the number is another town's"),
        (switch(OF_QUEUE, "atlantis", prompt="x"), "the queue is gone"),
    ],
)
def test_what_has_ended_meanwhile_is_forgotten_at_the_start(old: m.Switch, why: str) -> None:
    acd = restarted(old)
    acd.expect(m.SwitchTurned, kind=old.kind, about=old.about, until=None, why=why)
    acd.expect(m.RememberSwitch, kind=old.kind, about=old.about, switch=None)
    assert in_force(acd) == []
    acd.arrives("c1").expect(m.Treat, verdict=m.Verdict.HOLD)


@pytest.mark.parametrize(("came", "result"), [("06:59:59", "failed"), ("07:00:01", "closed")])
def test_a_restart_does_not_turn_who_came_before_the_closure_into_one_who_came_after(came: str, result: str) -> None:
    known = m.RememberCall(CallId("c1"), LANGENHAGEN, None, "", "trunk", "", moment(came))
    acd = restarted(switch(until="07:30:00"), calls=(known,)).caller_hangs_up("c1")
    assert acd.record("c1").outcome.result == result


def test_what_is_kept_is_what_is_in_force() -> None:
    acd = switches(closed(prompt="power-cut").after(1), OF_CENTRE, TEN, "", "storm-warning")
    kept = {out.switch for _, _, outs in acd.story for out in outs if isinstance(out, m.RememberSwitch)}
    assert kept == set(acd.acd.view().switches)
    assert [s.tenant for s in acd.acd.view().switches] == [None, "langenhagen"]
    assert orders(acd, m.Say) == []
