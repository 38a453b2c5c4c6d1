"""115 from an area that several towns share: which town was it for? And calls that only test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from e2e.stage import TESTER

if TYPE_CHECKING:
    from e2e.conftest import Play, Theatre
    from e2e.phone import Call, Phone
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE = 440, 700


async def conversation(stage: Stage, phone: Phone) -> tuple[Call, Call]:
    call = await stage.dial("115", tone=CALLERS_VOICE)
    at_phone = await phone.rings()
    assert at_phone.invite.display.startswith("115 Ort?")  # and no town: nobody knows it yet
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    return call, at_phone


async def dials(phone: Phone, code: str, *said: str | bytes) -> None:
    call = await phone.dial(f"*75{code}")
    await call.answered()
    for prompt in said:
        await call.media.hears_prompt(prompt, mark=0)
    await call.hang_up()


async def test_the_agent_hangs_up_dials_the_towns_code_and_the_record_names_the_town(play: Play) -> None:
    stage = await play(shared=True, whisper=True)
    phone, other = await stage.agent("agent01"), await stage.phone("agent02")
    before = await stage.api.metrics()

    call, at_phone = await conversation(stage, phone)
    [live] = await stage.live("connected")
    assert (live["tenant"], [(c["tenant"], c["code"]) for c in live["candidates"]]) == (
        "unassigned",
        [("langenhagen", "1"), ("hannover", "22")],
    )
    await at_phone.hang_up()
    await call.is_over()
    record = await stage.record(call)
    assert (record["tenant"], record["outcome"]["result"]) == ("unassigned", "served")
    assert record["call"] in {r["call"] for r in (await stage.api.get("/api/v1/calls?tenant=unassigned"))["calls"]}

    await dials(phone, "9", "no-such-town")
    await dials(phone, "", "no-such-town")
    await dials(phone, "221", "no-such-town")
    await dials(other, "1", "no-call")
    assert (await stage.record(call))["tenant"] == "unassigned"
    await dials(phone, "1", "town-noted", "town-langenhagen")
    await stage.until(lambda: stage.record(call), lambda r: r["tenant"] == "langenhagen", 5, "the record is the town's")
    await dials(phone, "22", "town-noted", "town-hannover")  # it was a slip
    await stage.until(lambda: stage.record(call), lambda r: r["tenant"] == "hannover", 5, "the record is the other's")

    after = await stage.api.metrics()

    def counted(name: str) -> float:
        return after[name] - before.get(name, 0)

    labels = 'kind="115",queue="catchall",tenant="unassigned"'
    assert counted(f"acd_calls_answered_total{{{labels}}}") == 1
    assert counted('acd_calls_moved_from_total{tenant="unassigned"}') == 1
    assert counted('acd_calls_moved_to_total{tenant="langenhagen"}') == 1
    assert counted('acd_calls_moved_from_total{tenant="langenhagen"}') == 1
    assert counted('acd_calls_moved_to_total{tenant="hannover"}') == 1
    lines = (await stage.api.get("/api/v1/audit?limit=2&action=calls.name-town"))["lines"]
    assert [(line["who"], line["action"], line["about"]) for line in lines] == [
        ("agent", "calls.name-town", record["call"])
    ] * 2


async def test_without_a_spoken_name_the_digits_are_repeated(play: Play) -> None:
    stage = await play(shared=True)
    phone = await stage.agent("agent01")

    call, at_phone = await conversation(stage, phone)
    await at_phone.hang_up()
    await call.is_over()
    await dials(phone, "22", "town-noted", await stage.spoken(2))
    await stage.until(lambda: stage.record(call), lambda r: r["tenant"] == "hannover", 5, "the record is the town's")


async def test_a_town_named_during_the_call_is_not_forgotten_when_the_service_is_killed(
    play: Play, theatre: Theatre
) -> None:
    stage = await play(shared=True)
    phone = await stage.agent("agent01")

    call, at_phone = await conversation(stage, phone)
    [live] = await stage.live("connected")
    # On a second line, the caller on hold; or by the desk.
    await dials(phone, "1", "town-noted")
    assert [c["tenant"] for c in await stage.live("connected")] == ["langenhagen"]
    await stage.api.put(f"/api/v1/calls/{live['call']}/town", {"tenant": "hannover"})
    theatre.stack.kill_service()
    await asyncio.to_thread(theatre.stack.start_service)
    assert [c["tenant"] for c in await stage.live("connected")] == ["hannover"]
    await at_phone.hang_up()
    await call.is_over()
    assert (await stage.record(call))["tenant"] == "hannover"


async def test_a_test_caller_is_served_and_counted_apart(play: Play) -> None:
    stage = await play(shared=True)
    phone = await stage.agent("agent01")
    before = await stage.api.metrics()

    call = await (await stage.caller()).dial("051173070", shown=f"<sip:{TESTER}@a.example>")
    at_phone = await phone.rings()
    await at_phone.answer(tone=AGENTS_VOICE)
    await call.answered()
    await call.media.hears_tone(AGENTS_VOICE)
    [live] = await stage.live("connected")
    assert live["test"] is True
    await call.hang_up()
    record = await stage.record(call)
    assert (record["test"], record["tenant"], record["outcome"]["result"]) == (True, "langenhagen", "served")
    after = await stage.api.metrics()
    changed = {name for name, value in after.items() if name.startswith("acd_") and value != before.get(name)}
    assert 'acd_test_calls_total{result="served"}' in changed
    assert not {name for name in changed if name.startswith(("acd_calls_", "acd_wait", "acd_offers"))}
