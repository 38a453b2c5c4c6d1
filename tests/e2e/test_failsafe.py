"""The service is dead, hangs, or was never there: Asterisk goes on alone, and nobody is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import pytest

from e2e.sound import share
from e2e.stage import BEAT, CALLER, HANNOVER, LANGENHAGEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from e2e.conftest import Play, Theatre
    from e2e.phone import Call, Phone
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE, OFFICES_VOICE = 440, 700, 1100
NOTICED = BEAT + 3.0
"""Seconds until a caller who waits is in failsafe: the oldest heartbeat that still counts, and one turn of the loop."""
RETRY = 15.0
"""Seconds until a phone of a group rings, on a machine that has other things to do; four of them are the sentence."""


def kill(theatre: Theatre) -> None:
    theatre.stack.kill_service()


def freeze(theatre: Theatre) -> None:
    theatre.stack.stop_service()


@pytest.fixture(autouse=True)
async def next_story_finds_a_service(theatre: Theatre) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(theatre.stack.kill_service)
    if theatre.stack.asterisk.running:
        await asyncio.to_thread(theatre.stack.asterisk.console, "dialplan set global ACD_FAILSAFE_WAIT 120")


async def talk(call: Call, at_phone: Call) -> None:
    call.say(CALLERS_VOICE)
    await at_phone.answer(tone=OFFICES_VOICE)
    await call.media.hears_tone(OFFICES_VOICE)
    await at_phone.media.hears_tone(CALLERS_VOICE)


async def any_rings(stage: Stage, phones: Iterable[Phone]) -> Call:
    """The group rings one phone after the other, and remembers where it was."""

    async def look() -> list[Phone]:
        return [phone for phone in phones if phone.incoming]

    found = await stage.until(look, bool, RETRY, "a phone of the group rings")
    return cast("Call", await found[0].rings())


@pytest.mark.parametrize("trouble", [kill, freeze])
async def test_service_is_gone_and_nobody_is_lost(
    play: Play, theatre: Theatre, trouble: Callable[[Theatre], None]
) -> None:
    """One caller waits, one rings at an agent, one calls a moment later: all three talk to a person."""
    stage = await play(ring_for=12, whisper=True)
    one, other = await stage.phone("office01"), await stage.phone("office02")
    phone = await stage.agent("agent01")
    ringing = await stage.dial(tone=CALLERS_VOICE)
    at_phone = await phone.rings()
    waiting = await stage.dial()
    await stage.live("waiting")
    ids = {call["state"]: call["call"] for call in await stage.api.live_calls()}
    earlier = {record["call"] for record in await stage.api.records()}
    trouble(theatre)
    now = asyncio.get_running_loop().time

    started = now()
    new = await (await stage.caller()).dial(HANNOVER)
    await new.answered(limit=5)
    # A service that accepts the question and says nothing costs three seconds and a half; a dead one nothing.
    assert now() - started < (1 if trouble is kill else 4.5)
    await new.media.hears_prompt("failsafe-hold", mark=0, limit=3)
    at_office = await one.rings(limit=5)
    await new.media.hears_music()
    await talk(new, at_office)
    # What rang when it happened can still be answered.
    await ringing.media.hears_music()
    await at_phone.answer(tone=AGENTS_VOICE)
    await ringing.media.hears_tone(AGENTS_VOICE)
    await at_phone.media.hears_tone(CALLERS_VOICE)
    await waiting.media.hears_prompt("failsafe-hold", limit=NOTICED - (now() - started) + 2, mark=0)
    await talk(waiting, await other.rings(limit=RETRY))
    assert waiting.media.longest_silence() < 1.5
    await ringing.hang_up()
    await at_phone.is_over()
    if trouble is kill:
        await asyncio.to_thread(theatre.stack.start_service)
    else:
        theatre.stack.continue_service()
    # The service is back and learns what has become of them.
    found = {call["call"] for call in await stage.live("failsafe", 2, limit=8)}
    assert ids["waiting"] in found
    await waiting.hang_up()
    await new.hang_up()
    record = await stage.record(ids["waiting"])
    assert record["outcome"]["result"] == "failsafe"
    assert record["failsafe_answered_by"] == "office02"
    await stage.until(stage.api.live_calls, lambda calls: not calls, 5, "no call is live")
    answered = await stage.record(ids["offered"])
    # Every call that anybody knew of has its record, and there is no record of anything else.
    after = [record["call"] for record in await stage.api.records() if record["call"] not in earlier]
    assert sorted(after) == sorted({*ids.values(), *found})
    assert (answered["trunk_call_id"], record["trunk_call_id"]) == (ringing.call_id, waiting.call_id)
    if trouble is freeze:  # it has lived through all of it, and had only to catch up
        assert answered["outcome"]["result"] == "served"
        assert record["outcome"]["reason"] == "heartbeat"
    else:  # nobody was there to see the end of what was answered and ended meanwhile
        assert (answered["outcome"]["result"], answered["outcome"]["reason"]) == ("failed", "lost-sight")


async def test_conversation_goes_on_and_is_recorded_once_after_the_service_came_back(
    play: Play, theatre: Theatre
) -> None:
    """Killed while one talks, one rings and one waits; all three come to their end under the new service."""
    stage = await play(ring_for=15)
    first = await stage.agent("agent01")
    talking = await stage.dial(tone=CALLERS_VOICE)
    in_talk = await first.rings()
    await in_talk.answer(tone=AGENTS_VOICE)
    await talking.media.hears_tone(AGENTS_VOICE)
    answered_at = datetime.now(UTC)
    await talking.media.listen(4, limit=6)  # the answer lies well before the restart
    second = await stage.agent("agent02")
    ringing = await stage.dial(HANNOVER, tone=CALLERS_VOICE)
    rung = await second.rings()
    waiting = await stage.dial(tone=CALLERS_VOICE)
    ids = [call["call"] for call in await stage.api.live_calls()]
    assert len(ids) == 3

    theatre.stack.kill_service()
    await asyncio.to_thread(theatre.stack.start_service)
    await stage.live("connected")
    await stage.live("offered")
    await stage.live("waiting")
    assert (await stage.api.agent("agent01"))["work"] == "talking"
    assert (await stage.api.agent("agent02"))["work"] == "offered"
    await talking.media.hears_tone(AGENTS_VOICE)
    await rung.answer(tone=AGENTS_VOICE)
    await ringing.media.hears_tone(AGENTS_VOICE)
    await stage.agent_is("agent02", work="talking")
    await in_talk.hang_up()
    await talking.is_over()
    await rung.hang_up()
    await ringing.is_over()
    # Whoever waited is still there, with the old place, for the first agent who is ready.
    await stage.api.post("/api/v1/agents/agent01/ready")
    late = await first.rings(limit=8)
    await late.answer(tone=AGENTS_VOICE)
    await waiting.media.hears_tone(AGENTS_VOICE)
    await waiting.hang_up()
    records = [await stage.record(call) for call in ids]
    assert [record["outcome"]["result"] for record in records] == ["served"] * 3
    assert [record["agent"] for record in records] == ["agent01", "agent02", "agent01"]
    assert [record["tenant"] for record in records] == ["langenhagen", "hannover", "langenhagen"]
    assert all(record["t_in"] <= record["t_ans"] <= record["t_end"] for record in records)
    # Who called whom, the new service has not heard itself.
    assert [record["dialled"] for record in records] == [LANGENHAGEN, HANNOVER, LANGENHAGEN]
    assert {record["ani"] for record in records} == {CALLER}
    assert {record["trunk"] for record in records} == {"trunk"}
    assert [record["trunk_call_id"] for record in records] == [talking.call_id, ringing.call_id, waiting.call_id]
    told = datetime.fromisoformat(records[0]["t_ans"])
    assert abs((told - answered_at).total_seconds()) < 2, "the moment of the answer, not of the restart"
    assert records[0]["in_time"]
    assert [record["t_failsafe"] for record in records] == [None] * 3
    # What the two agents did is counted on, from the moment at which the new service had found them.
    await asyncio.to_thread(theatre.stack.end_service)
    with closing(sqlite3.connect(theatre.stack.run_dir / "acd.sqlite")) as database:
        began, talked_ms, people = database.execute(
            "SELECT run, sum(talking_ms), max(people) FROM attendance WHERE run = (SELECT max(run) FROM attendance)"
        ).fetchone()
    start = datetime.fromisoformat(began).replace(tzinfo=UTC)
    moments = [[datetime.fromisoformat(record[name]) for name in ("t_ans", "t_end")] for record in records]
    talked = sum((ended - max(answered, start)).total_seconds() for answered, ended in moments)
    assert talked - 2 < talked_ms / 1000 <= talked + 0.1
    assert people == 2


async def test_first_caller_after_a_start_meets_the_service(play: Play, theatre: Theatre) -> None:
    """Ready means ready: nobody lands in failsafe because the first heartbeat is still to come."""
    stage = await play()
    await asyncio.to_thread(theatre.stack.end_service)
    await asyncio.to_thread(theatre.stack.asterisk.restart)
    await asyncio.to_thread(theatre.stack.start_service)

    call = await stage.dial()
    await stage.live("waiting")
    await call.hang_up()
    assert (await stage.record(call))["outcome"]["result"] == "abandoned"


# ---------------------------------------------------------------- Asterisk restarted, no service anywhere


OWN, CLOSED, SECOND, ALONE, PARTNER, NOBODY = (f"+495117307{n}" for n in range(1, 7))
"""Numbers of Langenhagen's block, each with a failsafe profile of its own."""


async def test_asterisk_was_restarted_and_there_is_no_service(play: Play, theatre: Theatre) -> None:
    """What the service said when it lived is in force: group, partner or none, and hours of each number.

    Only the sentences, which need no phone, are heard at the same time.
    """
    berlin = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin"))
    opens, closes = (f"{berlin + timedelta(hours=hours):%H:%M}" for hours in (3, 4))
    later = f"{opens}-{closes},*,*,*"  # closed now, whenever this runs
    stage = await play(
        profiles={
            OWN: {"group": "solo"},
            CLOSED: {"group": "demo", "hours": [later], "partner": "oldenburg"},
            SECOND: {"group": "solo", "hours": [later, "*,mon-sun,*,*"]},
            ALONE: {"group": "nobody"},
            PARTNER: {"group": "nobody", "partner": "oldenburg"},
            NOBODY: {"group": "nobody", "partner": "oldenburg"},
        }
    )
    theatre.stack.kill_service()
    await asyncio.to_thread(theatre.stack.asterisk.restart)
    theatre.begin()
    await stage.set_global("ACD_FAILSAFE_WAIT", "6")
    solo, office, partner = await stage.phone("office03"), await stage.phone("office01"), await stage.partner()

    async def the_sentence_and_the_end(number: str, sentence: str) -> Call:
        call = await stage.dial(number)
        await call.media.hears_prompt(sentence, limit=20, mark=0)
        await call.is_over(limit=14)
        assert not call.ended_by_us
        assert call.media.longest_silence(until=call.ended_at) < 3
        # Once round, and never again.
        assert len(call.media.since(0)) / 8000 < 25
        return call

    async def own_group() -> None:
        for number in (OWN, OWN.replace("+49", "0"), SECOND):
            call = await stage.dial(number)
            await talk(call, await solo.rings(limit=RETRY))
            await call.hang_up()

    async def group_of_all_the_rest() -> None:
        call = await stage.dial(HANNOVER)
        await talk(call, await office.rings(limit=RETRY))
        await call.hang_up()

    async def partners() -> None:
        call = await stage.dial(PARTNER)
        at_partner = await partner.rings(limit=20)
        assert at_partner.invite.start.startswith("INVITE sip:0441115@")
        await call.media.hears_music()
        await talk(call, at_partner)
        await at_partner.hang_up()
        await call.is_over()
        assert not call.media.was_said("failsafe-end")
        ending = asyncio.create_task(the_sentence_and_the_end(NOBODY, "failsafe-end"))
        (await partner.rings(limit=20)).refuse(486)
        await ending

    await own_group()
    await group_of_all_the_rest()
    await partners()
    await asyncio.gather(the_sentence_and_the_end(ALONE, "failsafe-end"), the_sentence_and_the_end(CLOSED, "closed"))
    for phone in (solo, office, partner):
        assert not phone.incoming
    assert await stage.channels() == 0


async def test_group_rings_in_vain_and_the_call_ends_with_a_sentence(play: Play, theatre: Theatre) -> None:
    stage = await play()
    theatre.stack.kill_service()
    await stage.set_global("ACD_FAILSAFE_WAIT", "3")
    office, partner = await stage.phone("office01"), await stage.partner()

    call = await stage.dial()
    at_office = await office.rings(limit=BEAT + RETRY)
    await call.media.hears_music()
    await at_office.is_over(limit=8)
    assert at_office.cancelled
    await call.media.hears_prompt("failsafe-end")
    await call.is_over(limit=14)
    assert call.media.longest_silence(until=call.ended_at) < 3
    assert not partner.incoming, "a call without partner stays here, always"


async def test_group_that_nobody_has_set_up_rings_the_sites_own(play: Play, theatre: Theatre) -> None:
    stage = await play(profiles={OWN: {"group": "nowhere"}})
    kill(theatre)
    office = await stage.phone("office01")

    call = await stage.dial(OWN)
    await call.media.hears_prompt("failsafe-hold", mark=0)
    await talk(call, await office.rings(limit=RETRY))
    await call.hang_up()
    assert not call.media.was_said("failsafe-end")


async def test_ways_to_write_a_number_lead_to_its_own_group(play: Play, theatre: Theatre) -> None:
    """What the service reads as one number, the dialplan reads as one, too; 115 is dialled with and without area."""
    stage = await play(group_115="solo", profiles={OWN: {"group": "solo"}})
    kill(theatre)
    solo, rest = await stage.phone("office03"), await stage.phone("office01")
    own = OWN.removeprefix("+49")
    numbers = ["115", "0511115", "+49511115", "0049511115", "+49115"]
    numbers += [OWN, f"0{own}", f"0049{own}", f"+490{own}", f"00490{own}", f"+49(0){own}", f"0049(0){own}"]

    # All at once, told apart by their own numbers: the sentence before the ringing takes its time.
    calls = {
        f"+4930231250{place:02d}": (
            number,
            await (await stage.caller()).dial(number, shown=f"<sip:+4930231250{place:02d}@a.example>"),
        )
        for place, number in enumerate(numbers)
    }
    led = {}
    for _ in numbers:
        at_phone = await any_rings(stage, (solo, rest))
        number, call = calls[at_phone.invite.user]
        led[number] = at_phone.phone.name
        await call.hang_up()
        await at_phone.is_over()
    assert led == dict.fromkeys(numbers, "office03")


# ---------------------------------------------------------------- with the service


async def test_caller_who_has_waited_the_longest_time_reaches_the_failsafe_group(play: Play) -> None:
    stage = await play(max_wait=4)
    office = await stage.phone("office01")

    call = await stage.dial()
    await call.media.hears_prompt("failsafe-hold", limit=10)
    await talk(call, await office.rings())
    (live,) = await stage.live("failsafe")
    await call.hang_up()
    record = await stage.record(live["call"])
    assert record["trunk_call_id"] == call.call_id
    assert record["outcome"] == {"result": "failsafe", "reason": "max-wait", "blame": "us"}
    assert record["failsafe_answered_by"] == "office01"


async def test_limit_of_waiting_is_reached_while_a_phone_rings(play: Play) -> None:
    """The agent may still pick up; afterwards the caller is not told as waiting again, or would be offered on."""
    stage = await play(max_wait=2, ring_for=4)
    first = await stage.agent("agent01")
    office = await stage.phone("office01")

    call = await stage.dial()
    at_phone = await first.rings()
    second = await stage.agent("agent02")
    await at_phone.is_over(limit=8)
    assert at_phone.cancelled
    await call.media.hears_prompt("failsafe-hold", limit=10)
    await talk(call, await office.rings(limit=RETRY))
    (live,) = await stage.live("failsafe")
    await stage.agent_is("agent02", work="idle", available=True)
    assert not second.incoming
    await call.hang_up()
    record = await stage.record(call)
    assert record["call"] == live["call"]
    assert record["outcome"] == {"result": "failsafe", "reason": "max-wait", "blame": "us"}
    assert [(offer["agent"], offer["result"]) for offer in record["offers"]] == [("agent01", "no-answer")]
    assert record["failsafe_answered_by"] == "office01"


async def test_failsafe_call_handed_on_in_vain_rings_the_group_once_more(play: Play) -> None:
    """Never the queue, never for ever: ring, answer, transfer, ring once more, a sentence and the end."""
    stage = await play(max_wait=2)
    offices = {number: await stage.phone(f"office{number[2:]}") for number in ("2001", "2002")}

    call = await stage.dial()
    await call.media.hears_prompt("failsafe-hold", limit=10)
    at_office = await any_rings(stage, offices.values())
    (other,) = (number for number, phone in offices.items() if phone is not at_office.phone)
    await talk(call, at_office)
    agent = await stage.agent("agent01")
    await stage.set_global("ACD_FAILSAFE_WAIT", "6")
    mark = call.media.mark()
    assert await at_office.refer(other) == 202
    (await offices[other].rings()).refuse(486)
    await at_office.transferred()
    await at_office.hang_up()
    await call.media.hears_prompt("transfer-failed", mark=mark)
    again = await any_rings(stage, offices.values())
    await call.media.hears_music()
    await again.is_over(limit=RETRY)
    assert again.cancelled
    await call.media.hears_prompt("failsafe-end", mark=mark)
    await call.is_over(limit=14)
    assert not call.ended_by_us
    assert call.media.longest_silence(until=call.ended_at) < 3
    assert not agent.incoming, "failsafe is one-way"
    record = await stage.record(call)
    assert record["outcome"] == {"result": "failsafe", "reason": "max-wait", "blame": "us"}
    assert record["offers"] == []


async def test_service_that_was_frozen_does_not_pull_two_people_apart(play: Play, theatre: Theatre) -> None:
    """What it slept through is told to it before its own deadlines count."""
    stage = await play(ring_for=3)
    phone = await stage.agent("agent01")
    call = await stage.dial(tone=CALLERS_VOICE)
    at_phone = await phone.rings()
    freeze(theatre)

    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.media.listen(8, limit=10)  # the phone may ring for three seconds, and two more are grace
    theatre.stack.continue_service()
    await stage.live("connected")
    mark = call.media.mark()
    await call.media.listen(3)
    assert not call.ended
    assert not at_phone.ended
    assert share(call.media.since(mark), AGENTS_VOICE) > 0.95, "they talk without a gap"
    await at_phone.media.hears_tone(CALLERS_VOICE)
    await stage.agent_is("agent01", work="talking")
    await at_phone.hang_up()
    await call.is_over()
    record = await stage.record(call)
    assert record["outcome"] == {"result": "served", "reason": "talked", "blame": "nobody"}
    assert (record["agent"], record["hung_up_first"]) == ("agent01", "agent")
    assert [offer["result"] for offer in record["offers"]] == ["answered"]
    await stage.agent_is("agent01", intent="ready", state="available")


async def test_feature_code_without_a_service(play: Play, theatre: Theatre) -> None:
    stage = await play()
    phone: Phone = await stage.phone("agent01")
    theatre.stack.stop_service()

    call = await phone.dial("*73")
    await call.answered()
    await call.media.hears_prompt("service-down", limit=10)
    await call.is_over()
    theatre.stack.kill_service()
    call = await phone.dial("*73")
    await call.answered()
    await call.media.hears_prompt("service-down", limit=10, mark=0)
    await call.is_over()
