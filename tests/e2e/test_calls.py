"""Calls in everyday life: answered, not answered, given up, waiting, declined."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from e2e.stage import CALLER, HANNOVER, LANGENHAGEN

if TYPE_CHECKING:
    from e2e.conftest import Play

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE = 440, 700


def moments(record: dict[str, Any], *names: str) -> list[datetime]:
    return [datetime.fromisoformat(record[name]) for name in names]


async def test_citizen_dials_the_town_hall_and_talks_to_an_agent(play: Play) -> None:
    stage = await play(whisper=True, wrap_up_for=2)
    phone = await stage.agent("agent01")
    before = await stage.api.metrics()
    caller = await stage.caller()

    call = await caller.dial(
        "0511 7307-0".replace(" ", "").replace("-", ""), shown=f'"Erika Muster" <sip:{CALLER}@a.b>'
    )
    at_phone = await phone.rings()
    assert at_phone.invite.display == "Langenhagen: Erika Muster"
    assert at_phone.invite.user == CALLER
    await call.answered(tone=CALLERS_VOICE)
    await call.media.hears_music()
    mark = at_phone.media.mark()
    await at_phone.answer(tone=AGENTS_VOICE)
    await at_phone.media.hears_prompt("town-langenhagen", mark=mark)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.media.hears_tone(CALLERS_VOICE)
    assert call.media.longest_silence() < 1.5
    assert not call.media.was_said("town-langenhagen"), "only the agent hears the announcement"
    (live,) = await stage.live("connected")
    assert live["agent"] == "agent01"

    await at_phone.hang_up()
    await call.is_over()
    assert not call.ended_by_us
    record = await stage.record(call)
    assert record["outcome"] == {"result": "served", "reason": "talked", "blame": "nobody"}
    assert (record["agent"], record["tenant"], record["queue"]) == ("agent01", "langenhagen", "langenhagen")
    assert (record["hung_up_first"], record["ani"], record["kind"]) == ("agent", CALLER, "main-number")
    assert record["dialled"] == "051173070"
    assert record["in_time"]
    assert [offer["result"] for offer in record["offers"]] == ["answered"]
    times = moments(record, "t_in", "t_q", "t_ans", "t_end", "t_wrap_end")
    assert times == sorted(times)
    assert (await stage.api.agent("agent01"))["work"] == "wrap-up"
    await stage.agent_is("agent01", state="available")
    after = await stage.api.metrics()
    labels = '{kind="main-number",queue="langenhagen",tenant="langenhagen"}'
    for name in ("acd_calls_offered_total", "acd_calls_answered_total", "acd_calls_answered_in_time_total"):
        assert after[name + labels] == before[name + labels] + 1


async def test_caller_hangs_up_in_conversation(play: Play) -> None:
    stage = await play()
    phone = await stage.agent("agent01")

    call = await stage.dial(HANNOVER)
    at_phone = await phone.rings()
    assert at_phone.invite.display == "LHH Hannover"
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()
    await at_phone.is_over()
    record = await stage.record(call)
    assert (record["outcome"]["result"], record["hung_up_first"]) == ("served", "caller")
    await stage.agent_is("agent01", state="available")


async def test_no_answer_goes_to_the_next_agent_and_keeps_the_place(play: Play) -> None:
    stage = await play(ring_for=3)
    first = await stage.agent("agent01")
    second = await stage.agent("agent02")

    call = await stage.dial()
    ignored = await first.rings()
    # Somebody who comes later must stay behind, although the first caller has to be offered twice.
    later = await stage.dial()
    busy = await second.rings()
    await busy.answer(tone=AGENTS_VOICE)
    await later.media.hears_tone(AGENTS_VOICE)
    await ignored.is_over()
    assert ignored.cancelled
    await stage.agent_is("agent01", state="not-ready", reason="rona")
    await stage.live("waiting")
    await call.media.hears_music()
    await busy.hang_up()
    await later.is_over()
    again = await second.rings()
    await again.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await again.hang_up()
    record = await stage.record(call)
    assert [(offer["agent"], offer["result"]) for offer in record["offers"]] == [
        ("agent01", "no-answer"),
        ("agent02", "answered"),
    ]
    assert (record["outcome"]["result"], record["agent"]) == ("served", "agent02")


async def test_caller_gives_up_while_the_phone_rings(play: Play) -> None:
    stage = await play()
    phone = await stage.agent("agent01")

    call = await stage.dial()
    at_phone = await phone.rings()
    await call.hang_up()
    await at_phone.is_over()
    assert at_phone.cancelled
    record = await stage.record(call)
    assert record["outcome"] == {"result": "abandoned", "reason": "ringing", "blame": "caller"}
    assert (record["agent"], record["hung_up_first"], record["t_ans"]) == (None, "caller", None)
    assert [offer["result"] for offer in record["offers"]] == ["caller-gone"]
    # No wrap-up for a conversation that never was, and no punishment.
    await stage.agent_is("agent01", state="available")


async def test_all_busy_waits_with_music_and_longest_waiting_is_first(play: Play) -> None:
    stage = await play()
    phone = await stage.agent("agent01")
    talking = await stage.dial()
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await talking.media.hears_tone(AGENTS_VOICE)

    earlier = await stage.dial()
    await stage.live("waiting", 1)
    later = await stage.dial(HANNOVER)
    await stage.live("waiting", 2)
    await asyncio.gather(earlier.media.hears_music(2), later.media.hears_music(2))
    metrics = await stage.api.metrics()
    assert metrics['acd_calls_waiting{queue="langenhagen"}'] == 1
    assert not phone.incoming

    await at_phone.hang_up()
    await talking.is_over()
    at_phone = await phone.rings()
    assert at_phone.invite.display == "Langenhagen", "the first who came is the first who is served"
    await earlier.media.hears_music()
    await at_phone.answer(tone=AGENTS_VOICE)
    await earlier.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    at_phone = await phone.rings()
    assert at_phone.invite.display == "LHH Hannover"
    await at_phone.answer(tone=AGENTS_VOICE)
    await later.media.hears_tone(AGENTS_VOICE)
    await later.hang_up()
    assert (await stage.record(earlier))["agent"] == "agent01"
    assert (await stage.record(later))["agent"] == "agent01"
    assert earlier.media.longest_silence(until=earlier.ended_at) < 1.5


async def test_caller_gives_up_while_waiting(play: Play) -> None:
    stage = await play()

    call = await stage.dial()
    await stage.live("waiting")
    await call.media.hears_music()
    await call.hang_up()
    record = await stage.record(call)
    assert record["outcome"] == {"result": "abandoned", "reason": "waiting", "blame": "caller"}
    assert record["t_leave"] == record["t_end"]


async def test_please_hold_is_said_after_ten_seconds(play: Play) -> None:
    stage = await play()

    call = await stage.dial()
    await call.media.hears_prompt("please-hold", limit=20)
    await call.media.hears_music(limit=10)
    assert call.media.longest_silence() < 1.5
    await call.hang_up()


@pytest.mark.parametrize("status", [603, 486])
async def test_declined_goes_to_the_next_agent(play: Play, status: int) -> None:
    stage = await play()
    first = await stage.agent("agent01")
    second = await stage.agent("agent02")

    call = await stage.dial()
    (await first.rings()).refuse(status)
    at_phone = await second.rings()
    await stage.agent_is("agent01", state="not-ready", reason="declined")
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    record = await stage.record(call)
    assert [offer["result"] for offer in record["offers"]] == ["declined", "answered"]


@pytest.mark.parametrize("heard", [False, True], ids=["at-once", "in-the-middle"])
async def test_agent_who_hangs_up_during_the_announcement_has_not_served(play: Play, heard: bool) -> None:
    stage = await play(whisper=True, wrap_up_for=2)
    first = await stage.agent("agent01")
    second = await stage.agent("agent02")

    call = await stage.dial()
    at_phone = await first.rings()
    await at_phone.answer()
    if heard:
        await at_phone.media.listen(0.6)
    await at_phone.hang_up()
    again = await second.rings()
    await stage.agent_is("agent01", state="not-ready", reason="not-talked")
    await again.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE, limit=8)
    await again.hang_up()
    record = await stage.record(call)
    assert [offer["result"] for offer in record["offers"]] == ["not-talked", "answered"]
    assert (record["agent"], record["outcome"]["result"]) == ("agent02", "served")


async def test_phone_that_is_in_use_is_not_rung(play: Play) -> None:
    """The agent is on a call of their own, which the service had no part in."""
    stage = await play()
    phone = await stage.agent("agent01")
    office = await stage.phone("office01")
    own = await phone.dial("2001")
    at_office = await office.rings()
    await at_office.answer()
    await own.answered()
    await stage.agent_is("agent01", state="phone-in-use")

    call = await stage.dial()
    await stage.live("waiting")
    await call.media.hears_music()
    assert not phone.incoming
    await own.hang_up()
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    assert (await stage.record(call))["outcome"]["result"] == "served"


async def test_greeting_is_heard_before_anybody_answers(play: Play) -> None:
    stage = await play(greeting="acd/town-hannover")
    phone = await stage.agent("agent01")

    call = await (await stage.caller()).dial(LANGENHAGEN)
    await call.answered()
    await call.media.hears_prompt("town-hannover", mark=0)
    assert not phone.incoming
    at_phone = await phone.rings(limit=15)
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    record = await stage.record(call)
    times = moments(record, "t_in", "t_ann_end", "t_q", "t_ans", "t_end")
    assert times == sorted(times)
