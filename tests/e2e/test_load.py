"""Many at once, with the SIPp scenarios of the demo: nothing is lost, and SIPp and our records agree."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from e2e.stage import HANNOVER, LANGENHAGEN
from rig.ports import free_port
from rig.sipp import Caller, agents_phones, callers, registered, silent_phones

if TYPE_CHECKING:
    from e2e.conftest import Play, Theatre

pytestmark = pytest.mark.e2e
CALLS = 40


async def test_forty_calls_four_agents_nothing_is_lost(play: Play, theatre: Theatre) -> None:
    stage = await play()
    asterisk, port = theatre.stack.asterisk, free_port()
    before = len(await stage.api.records())

    def play_it() -> tuple[int, int, int]:
        public = [
            Caller((LANGENHAGEN, HANNOVER)[n % 2], f"+4930231250{n:02d}", f"Muster {n}", 4 if n % 10 == 0 else 60)
            for n in range(CALLS)
        ]
        with agents_phones(asterisk, port, ring=0.1, talk=0.5) as phones:
            registrations = registered(asterisk, port, asterisk.agents)
            try:
                theatre.stack.make_ready(asterisk.agents)
                with callers(asterisk, public, rate=20) as outside:
                    counted = outside.wait(60)
            finally:
                registrations.stop(0.1)
            answered = phones.stop(0.1)
        return counted["connected"], counted["out_of_patience"], answered["answered"]

    connected, gave_up, answered = await asyncio.to_thread(play_it)
    assert connected == CALLS
    assert answered + gave_up >= CALLS

    async def finished() -> list[dict[str, object]]:
        return (await stage.api.records())[: -before or None]

    records = await stage.until(finished, lambda seen: len(seen) == CALLS, 8, f"{CALLS} records")
    assert len({record["call"] for record in records}) == CALLS
    results = [record["outcome"]["result"] for record in records]
    assert set(results) <= {"served", "abandoned"}
    assert results.count("served") == answered
    assert results.count("abandoned") <= gave_up


async def test_phones_that_nobody_picks_up_are_all_tried_once(play: Play, theatre: Theatre) -> None:
    stage = await play(ring_for=1)
    asterisk, port = theatre.stack.asterisk, free_port()
    silent = silent_phones(asterisk, port)
    await asyncio.to_thread(silent.start)
    registrations = await asyncio.to_thread(registered, asterisk, port, asterisk.agents)
    try:
        for agent in asterisk.agents:
            await stage.api.post(f"/api/v1/agents/{agent}/ready")
        call = await stage.dial()
        for agent in asterisk.agents:
            await stage.agent_is(agent, limit=10, state="not-ready", reason="rona")
        await stage.live("waiting")
        await call.media.hears_music()
        await call.hang_up()
    finally:
        await asyncio.to_thread(registrations.stop, 0.1)
        await asyncio.to_thread(silent.stop, 0.1)
    record = await stage.record(call)
    assert sorted(offer["agent"] for offer in record["offers"]) == asterisk.agents
    assert {offer["result"] for offer in record["offers"]} == {"no-answer"}
    assert record["outcome"]["result"] == "abandoned"
