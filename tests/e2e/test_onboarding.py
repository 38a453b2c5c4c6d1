"""A town joins the centre while people talk: made over REST, live at midnight, heard in its own words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from e2e.stage import HANNOVER
from e2e.test_sync import asterisk_has, forget
from wavs import sine, wav

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from e2e.conftest import Play, Theatre
    from e2e.stage import Stage

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE, TOWNS_VOICE = 440, 700, 1100
NUMBER, DIALLED = "+495118205", "051182050"
EVE, DAY = "2027-02-28", "2027-03-01"


class Night:
    """The service's clock, set by its configuration."""

    def __init__(self, theatre: Theatre) -> None:
        self._theatre = theatre

    async def it_is(self, moment: str) -> None:
        stack = self._theatre.stack
        await asyncio.to_thread(stack.end_service)
        stack.rehearse_at = moment
        await asyncio.to_thread(stack.start_service)
        await asyncio.to_thread(self._theatre.await_heartbeat)


@pytest.fixture
async def night(theatre: Theatre) -> AsyncIterator[Night]:
    stack = theatre.stack
    await asyncio.to_thread(stack.end_service)
    # A rehearsal has a database of its own: what it writes is of next year, and would come before all of today's.
    kept = {file: file.read_bytes() for file in stack.run_dir.glob("acd.sqlite*")}
    stack.syncs, stack.rehearse_at = True, f"{EVE}T12:00:00+01:00"
    try:
        yield Night(theatre)
    finally:
        await asyncio.to_thread(stack.end_service)
        stack.syncs, stack.rehearse_at = False, ""
        await asyncio.to_thread(forget, stack)
        for file in stack.run_dir.glob("acd.sqlite*"):
            file.unlink()
        for file, content in kept.items():
            file.write_bytes(content)
        theatre.file.write_text("", encoding="utf-8")  # the next story loads its own directory


async def said(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def make(stage: Stage, things: str, **thing: Any) -> int:
    """Over REST, one thing at a time; the version of the directory."""
    return int((await said(await stage.api.web.post(f"/api/v1/directory/{things}", json=thing), 201))["version"])


async def change(stage: Stage, path: str, **changes: Any) -> int:
    headers = {"If-Match": "*", "Content-Type": "application/merge-patch+json"}
    answer = await stage.api.web.patch(f"/api/v1/directory/{path}", json=changes, headers=headers)
    return int((await said(answer))["version"])


async def laatzen(stage: Stage) -> int:
    """The version with which there was something new for Asterisk."""
    sound = await stage.api.web.post(
        "/api/v1/recordings", content=wav(sine(TOWNS_VOICE, 3)), headers={"Content-Type": "audio/wav"}
    )
    assert sound.status_code in (200, 201), sound.text
    await make(stage, "tenants", id="laatzen", name="Stadt Laatzen", label="Laatzen")
    await make(stage, "skills", id="laatzen", name="Kennt Laatzen", kind="tenant")
    await make(
        stage, "calendars", id="laatzen", name="Rathaus", hours=["daily 00:00-24:00"], land="none", tenant="laatzen"
    )
    heard = await make(
        stage, "prompts", id="greeting-laatzen", name="Gruß", recording=sound.json()["digest"], tenant="laatzen"
    )
    await make(stage, "queues", id="laatzen", name="Laatzen", steps=["from 0 s: laatzen>=2"])
    await change(stage, "agents/agent01", skills={"laatzen": 3})
    entry = {"number": NUMBER, "block": True, "kind": "main-number", "calendar": "laatzen"}
    await make(
        stage, "entries", **entry, tenant="laatzen", queue="laatzen", failsafe="town", greeting="acd/greeting-laatzen"
    )
    return heard


async def resolved(stage: Stage) -> str:
    return str((await stage.api.get(f"/api/v1/resolve?called={DIALLED}"))["tenant"])


async def test_a_town_is_made_under_calls_goes_live_at_midnight_and_is_heard(night: Night, play: Play) -> None:
    stage = await play()
    old = await stage.agent("agent02")
    talking = await stage.dial(HANNOVER, tone=CALLERS_VOICE)
    await (await old.rings()).answer(tone=AGENTS_VOICE)
    await talking.media.hears_tone(AGENTS_VOICE)

    await asterisk_has(stage, await laatzen(stage))
    gaps = [f["id"] for f in (await stage.api.get("/api/v1/tenants/laatzen/gate"))["findings"]]
    assert {gap.partition(":")[0] for gap in gaps} == {"question"}
    waivers = [{"finding": gap, "by": "A. Muster", "why": "geklärt am Telefon"} for gap in gaps]
    await said(await stage.api.web.post("/api/v1/tenants/laatzen/go-live", json={"on": DAY, "waivers": waivers}))
    assert await resolved(stage) != "laatzen"
    await talking.media.hears_tone(AGENTS_VOICE)
    assert talking.media.longest_silence() < 1
    await talking.hang_up()
    await stage.agent_is("agent02", work="idle")

    await night.it_is(f"{EVE}T23:59:52+01:00")
    await stage.api.post("/api/v1/agents/agent02/ready")
    stranger = await stage.dial(HANNOVER, tone=CALLERS_VOICE)  # talks while the day begins
    await (await old.rings()).answer(tone=AGENTS_VOICE)
    knows = await stage.agent("agent01")
    await stage.until(lambda: resolved(stage), "laatzen".__eq__, 30, "midnight has made the town live")
    call = await stage.dial(DIALLED, tone=CALLERS_VOICE)
    await call.media.hears_tone(TOWNS_VOICE)
    ringing = await knows.rings(15)
    assert ringing.invite.display.startswith("Laatzen")
    await ringing.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()
    record = await stage.record(call)
    assert (record["tenant"], record["outcome"]["result"]) == ("laatzen", "served")
    assert stranger.media.longest_silence() < 1
    assert not stranger.ended
    await stranger.hang_up()


async def test_a_bad_edit_under_calls_changes_nothing(night: Night, play: Play) -> None:
    stage = await play()
    agent = await stage.agent("agent01")
    talking = await stage.dial(HANNOVER, tone=CALLERS_VOICE)
    await (await agent.rings()).answer(tone=AGENTS_VOICE)
    waiting = await stage.dial(HANNOVER, tone=CALLERS_VOICE)
    before = await said(await stage.api.web.get("/api/v1/directory"))
    broken = {**before["directory"], "queues": before["directory"]["queues"][1:]}
    bad: Any
    for bad in (broken, {"tenants": []}, [], {**before["directory"], "entries": "all of them"}):
        answer = await stage.api.web.put("/api/v1/directory", json=bad, headers={"If-Match": "*"})
        assert (await said(answer, 422))["error_id"] in ("directory-invalid", "not-valid")
    assert await said(await stage.api.web.get("/api/v1/directory")) == before
    await talking.media.hears_tone(AGENTS_VOICE)
    assert talking.media.longest_silence() < 1
    assert not waiting.ended
    await talking.hang_up()
    second = await agent.rings(15)
    await second.answer(tone=AGENTS_VOICE)
    await waiting.media.hears_tone(AGENTS_VOICE)
    await waiting.hang_up()
