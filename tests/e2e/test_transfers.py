"""An agent hands a caller on from the phone: blind and attended, and what happens when nobody takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.stage import HANNOVER

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
    assert record["queue"] == "hannover"
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
    assert await at_phone.refer("2001", replacing=asking) == 202
    await call.media.hears_tone(OFFICES_VOICE)
    await at_office.media.hears_tone(CALLERS_VOICE)
    await at_phone.transferred()
    await at_phone.hang_up()
    await asking.hang_up()
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
    await at_office.answer(tone=OFFICES_VOICE)
    await call.media.hears_tone(OFFICES_VOICE)
    await at_office.media.hears_tone(CALLERS_VOICE)
    await stage.agent_is("agent01", state="available", limit=8)
    await at_office.hang_up()
    await call.is_over()
    record = await stage.record(call)
    assert record["outcome"]["result"] == "served"
    assert record["agent"] == "agent01"
