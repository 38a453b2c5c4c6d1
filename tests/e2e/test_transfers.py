"""An agent hands a caller on from the phone: blind and attended, and what happens when nobody takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from e2e.stage import CALLER, HANNOVER, LANGENHAGEN

if TYPE_CHECKING:
    from e2e.conftest import Play
    from e2e.phone import Call, Phone
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE, OFFICES_VOICE = 440, 700, 1100


async def conversation(stage: Stage, phone: Phone, **how: str) -> tuple[Call, Call]:
    """A caller and an agent who hear each other."""
    call = await stage.dial(tone=CALLERS_VOICE, **how)
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.media.hears_tone(CALLERS_VOICE)
    return call, at_phone


async def test_blind_transfer_to_an_office(play: Play) -> None:
    stage = await play(wrap_up_for=2)
    phone = await stage.agent("agent01")
    office = await stage.phone("office01")
    call, at_phone = await conversation(stage, phone)

    assert await at_phone.refer("2001") == 202
    # Asterisk leaves it to the telephone to hang up after a transfer; the agent is freed before that.
    await at_phone.transferred()
    at_office = await office.rings()
    await at_phone.hang_up()
    assert (await stage.api.agent("agent01"))["work"] == "wrap-up"
    await call.media.hears_music()
    await at_office.answer(tone=OFFICES_VOICE)
    await call.media.hears_tone(OFFICES_VOICE)
    await at_office.media.hears_tone(CALLERS_VOICE)
    # The agent is free for the next caller while the first still talks.
    await stage.agent_is("agent01", state="available")
    await stage.live("diverted")
    await at_office.hang_up()
    await call.is_over()
    record = await stage.record(call)
    assert (record["transferred_to"], record["transfer_blind"]) == ("2001", True)
    assert record["outcome"] == {"result": "served", "reason": "transferred", "blame": "nobody"}
    assert (record["agent"], len(record["offers"])) == ("agent01", 1)


async def test_blind_transfer_nobody_answers_gives_the_caller_to_the_next_agent(play: Play) -> None:
    """The office's telephone declines; one that rings for ever is the same after thirty seconds."""
    stage = await play()
    phone = await stage.agent("agent01")
    office = await stage.phone("office01")
    call, at_phone = await conversation(stage, phone)
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    second = await stage.agent("agent02")

    mark = call.media.mark()
    assert await at_phone.refer("2001") == 202
    (await office.rings()).refuse(486)
    again = await second.rings(limit=15)
    assert call.media.was_said("transfer-failed", mark)
    assert again.invite.display == "Langenhagen"
    await again.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await again.hang_up()
    record = await stage.record(call)
    assert record["outcome"]["result"] == "served"
    assert [(offer["agent"], offer["result"]) for offer in record["offers"]] == [
        ("agent01", "answered"),
        ("agent02", "answered"),
    ]


async def test_blind_transfer_to_a_phone_that_is_not_there(play: Play) -> None:
    stage = await play()
    phone = await stage.agent("agent01")
    call, at_phone = await conversation(stage, phone)
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    second = await stage.agent("agent02")

    assert await at_phone.refer("2003") == 202
    again = await second.rings(limit=15)
    await again.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()
    assert (await stage.record(call))["agent"] in ("agent01", "agent02")


async def test_blind_transfer_to_a_number_that_does_not_exist_is_refused(play: Play) -> None:
    """The caller stays with the agent."""
    stage = await play()
    phone = await stage.agent("agent01")
    call, at_phone = await conversation(stage, phone)

    status = await at_phone.refer("9999")
    if status == 202:
        await at_phone.pulse.until(
            lambda: any(" 4" in text.splitlines()[0] for text in at_phone.notified if text), 5, "NOTIFY of the refusal"
        )
    assert not call.ended
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.hang_up()
    record = await stage.record(call)
    assert (record["outcome"]["reason"], record["transferred_to"]) == ("talked", None)


async def test_blind_transfer_to_another_towns_number_keeps_the_place(play: Play) -> None:
    stage = await play()
    phone = await stage.agent("agent01")
    call, at_phone = await conversation(stage, phone)
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    second = await stage.agent("agent02")

    assert await at_phone.refer(HANNOVER) == 202
    again = await second.rings()
    assert again.invite.display == "LHH Hannover"
    await again.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await again.hang_up()
    record = await stage.record(call)
    assert (record["tenant"], record["queue"]) == ("langenhagen", "langenhagen"), "whom the caller had dialled"
    assert record["outcome"]["result"] == "served"
    assert [offer["agent"] for offer in record["offers"]] == ["agent01", "agent02"]


async def test_attended_transfer_to_an_office(play: Play) -> None:
    stage = await play(wrap_up_for=2)
    phone = await stage.agent("agent01")
    office = await stage.phone("office01")
    call, at_phone = await conversation(stage, phone)

    await at_phone.hold(on=True)
    asking = await phone.dial("2001")
    at_office = await office.rings()
    await at_office.answer(tone=OFFICES_VOICE)
    await asking.answered(tone=AGENTS_VOICE)
    await at_office.media.hears_tone(AGENTS_VOICE)
    await asking.media.hears_tone(OFFICES_VOICE)
    assert (await stage.live("connected"))[0]["agent"] == "agent01"
    await complete(at_phone, asking, "2001")
    await call.media.hears_tone(OFFICES_VOICE)
    await at_office.media.hears_tone(CALLERS_VOICE)
    assert (await stage.api.agent("agent01"))["work"] == "wrap-up"
    await stage.agent_is("agent01", state="available")
    await stage.live("diverted")
    await at_office.hang_up()
    await call.is_over()
    record = await stage.record(call)
    assert (record["transferred_to"], record["transfer_blind"]) == ("office01", False)
    assert record["outcome"] == {"result": "served", "reason": "transferred", "blame": "nobody"}
    assert record["agent"] == "agent01"


async def test_attended_transfer_while_the_office_still_rings(play: Play) -> None:
    """The agent does not wait for the answer: the caller hears it ring and is then connected."""
    stage = await play(wrap_up_for=2)
    phone = await stage.agent("agent01")
    office = await stage.phone("office01")
    call, at_phone = await conversation(stage, phone)

    asking = await phone.dial("2001")
    at_office = await office.rings()
    await asking.pulse.until(lambda: 180 in asking.statuses, 5, "ringing at the office")
    assert await at_phone.refer("2001", replacing=asking) == 202
    await at_phone.transferred()
    await at_office.answer(tone=OFFICES_VOICE)
    await call.media.hears_tone(OFFICES_VOICE)
    await at_office.media.hears_tone(CALLERS_VOICE)
    await stage.agent_is("agent01", state="available", limit=8)
    await at_office.hang_up()
    await call.is_over()
    record = await stage.record(call)
    assert record["outcome"]["result"] == "served"
    assert record["agent"] == "agent01"


# ---------------------------------------------------------------- announced, into a queue of ours or a phone that rings


async def complete(at_phone: Call, asking: Call, number: str) -> None:
    """The agent presses the transfer key: first call and second call become one, and both legs here are over.

    The phone ends the first leg when it is told of the success. The second is ended by the other side (RFC 3891,
    section 3). Asterisk tells of the success before the caller has moved: a phone that ends both legs at once takes
    the place away to which the caller moves, and the caller is lost ("Can't move channel", or into what is ending).
    """
    assert await at_phone.refer(number, replacing=asking) == 202
    await at_phone.transferred()
    assert any("200" in told for told in at_phone.notified), at_phone.notified
    await at_phone.hang_up()
    await asking.is_over()


async def both_ways(call: Call, at_phone: Call) -> None:
    """What was heard before does not count: the tones are looked for from now on."""
    await call.media.hears_tone(AGENTS_VOICE)
    await at_phone.media.hears_tone(CALLERS_VOICE)


async def one_record(stage: Stage, call: Call, earlier: set[str]) -> dict[str, Any]:
    """The caller's only record; beside it there may be one of the agent's own second call, and nothing else."""
    record = await stage.record(call)
    await stage.until(stage.api.live_calls, lambda calls: not calls, 5, "no call is live")
    others = [r for r in await stage.api.records() if r["call"] not in earlier and r["call"] != record["call"]]
    assert [other["trunk"] for other in others] in ([], ["agent01"])
    assert record["trunk"] == "trunk"
    assert (record["dialled"], record["ani"]) == (LANGENHAGEN, CALLER)
    return record


async def test_announced_transfer_into_a_queue_where_nobody_is_free(play: Play) -> None:
    """The agent does not wait for a colleague either: the caller waits on in the agent's place, and is served."""
    stage = await play()
    phone = await stage.agent("agent01")
    call, at_phone = await conversation(stage, phone)
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    earlier = {record["call"] for record in await stage.api.records()}
    (caller,) = await stage.api.live_calls()

    asking = await phone.dial(HANNOVER)
    await asking.answered(tone=AGENTS_VOICE)
    await asking.media.hears_music()
    await stage.live("waiting")
    await complete(at_phone, asking, HANNOVER)
    await call.media.hears_music()
    (waiting,) = await stage.live("waiting")
    assert waiting["call"] == caller["call"]
    await stage.until(stage.api.live_calls, lambda calls: len(calls) == 1, 5, "the caller alone")
    second = await stage.agent("agent02")
    at_second = await second.rings()
    await at_second.answer(tone=AGENTS_VOICE)
    await both_ways(call, at_second)
    (talking,) = await stage.api.live_calls()
    assert (talking["call"], talking["state"], talking["agent"]) == (caller["call"], "connected", "agent02")
    await at_second.hang_up()
    await call.is_over()
    record = await one_record(stage, call, earlier)
    assert record["outcome"] == {"result": "served", "reason": "talked", "blame": "nobody"}
    assert [(offer["agent"], offer["result"]) for offer in record["offers"]] == [
        ("agent01", "answered"),
        ("agent02", "answered"),
    ]
    assert record["transferred_to"]
    assert record["transfer_blind"] is False
    assert not second.incoming


async def test_announced_transfer_while_a_colleagues_phone_rings(play: Play) -> None:
    stage = await play(ring_for=10)
    phone = await stage.agent("agent01")
    call, at_phone = await conversation(stage, phone)
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    second = await stage.agent("agent02")
    earlier = {record["call"] for record in await stage.api.records()}

    asking = await phone.dial(HANNOVER)
    await asking.answered(tone=AGENTS_VOICE)
    at_second = await second.rings()
    await complete(at_phone, asking, HANNOVER)
    await call.media.hears_music()
    await at_second.answer(tone=AGENTS_VOICE)
    await both_ways(call, at_second)
    # The offer was the consult's, and that call is over; what keeps others away from the second agent is the phone.
    await stage.agent_is("agent02", state="phone-in-use")
    await stage.agent_is("agent01", work="idle")
    await call.hang_up()
    await at_second.is_over()
    await stage.agent_is("agent02", state="available")
    record = await one_record(stage, call, earlier)
    assert record["outcome"]["result"] == "served"
    assert record["transferred_to"]
    assert not second.incoming


@pytest.mark.parametrize("how", ["silent", "declined"])
async def test_announced_transfer_to_a_colleague_who_does_not_answer(play: Play, how: str) -> None:
    """The caller is back in the queue and is served by a third."""
    stage = await play(ring_for=5)
    phone = await stage.agent("agent01")
    call, at_phone = await conversation(stage, phone)
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    second = await stage.agent("agent02")
    earlier = {record["call"] for record in await stage.api.records()}

    asking = await phone.dial(HANNOVER)
    await asking.answered(tone=AGENTS_VOICE)
    at_second = await second.rings()
    await complete(at_phone, asking, HANNOVER)
    await stage.api.post("/api/v1/agents/agent02/not-ready")
    if how == "declined":
        at_second.refuse(603)
    else:
        await at_second.is_over(limit=10)
        assert at_second.cancelled
    await stage.live("waiting")
    await stage.until(stage.api.live_calls, lambda calls: len(calls) == 1, 5, "the caller alone")
    await call.media.hears_music()
    third = await stage.agent("agent03")
    at_third = await third.rings(limit=10)
    await at_third.answer(tone=AGENTS_VOICE)
    await both_ways(call, at_third)
    await at_third.hang_up()
    await call.is_over()
    record = await one_record(stage, call, earlier)
    assert record["outcome"]["result"] == "served"
    assert record["offers"][-1]["agent"] == "agent03"
    assert record["offers"][-1]["result"] == "answered"
    await stage.agent_is("agent02", work="idle")


async def test_announced_transfer_to_an_office_that_declines_while_it_rings(play: Play) -> None:
    stage = await play()
    phone = await stage.agent("agent01")
    office = await stage.phone("office01")
    call, at_phone = await conversation(stage, phone)
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    second = await stage.agent("agent02")
    earlier = {record["call"] for record in await stage.api.records()}

    asking = await phone.dial("2001")
    at_office = await office.rings()
    await asking.pulse.until(lambda: 180 in asking.statuses, 5, "ringing at the office")
    mark = call.media.mark()
    assert await at_phone.refer("2001", replacing=asking) == 202
    await at_phone.transferred()
    await stage.live("diverted")
    at_office.refuse(486)
    await call.media.hears_prompt("transfer-failed", mark=mark)
    at_second = await second.rings(limit=10)
    await at_second.answer(tone=AGENTS_VOICE)
    await both_ways(call, at_second)
    await at_second.hang_up()
    await call.is_over()
    record = await one_record(stage, call, earlier)
    assert record["outcome"] == {"result": "served", "reason": "talked", "blame": "nobody"}
    assert [(offer["agent"], offer["result"]) for offer in record["offers"]] == [
        ("agent01", "answered"),
        ("agent02", "answered"),
    ]
    assert record["transferred_to"] is None, "the office has not taken the caller"


async def test_limit_of_waiting_begins_anew_after_a_conversation(play: Play) -> None:
    """The conversation was longer than anybody may wait, and the transfer leads nowhere: back to the queue."""
    stage = await play(max_wait=4)
    phone = await stage.agent("agent01")
    office = await stage.phone("office01")
    call, at_phone = await conversation(stage, phone)
    await stage.api.post("/api/v1/agents/agent01/not-ready")
    await call.media.listen(6, limit=8)

    mark = call.media.mark()
    assert await at_phone.refer("2001") == 202
    (await office.rings()).refuse(486)
    await call.media.hears_prompt("transfer-failed", mark=mark)
    await stage.live("waiting")
    await call.media.hears_music()
    second = await stage.agent("agent02")
    again = await second.rings()
    await again.answer(tone=AGENTS_VOICE)
    await both_ways(call, again)
    await again.hang_up()
    record = await stage.record(call)
    assert record["outcome"] == {"result": "served", "reason": "talked", "blame": "nobody"}
    assert [offer["agent"] for offer in record["offers"]] == ["agent01", "agent02"]
    assert record["t_failsafe"] is None
    assert not call.media.was_said("failsafe-hold")
    assert not office.incoming
