"""Asterisk learns of new phones, partners and groups while people talk; nobody edits a file, AMI has no new right."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from e2e.phone import Phone
from e2e.stage import LANGENHAGEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from e2e.conftest import Play, Theatre
    from e2e.stage import Stage
    from rig.stack import Stack

pytestmark = pytest.mark.e2e
CALLERS_VOICE, AGENTS_VOICE = 440, 700
ELSEWHERE = "127.0.0.2"
"""Another address of this machine: a partner is recognised by its own."""


@pytest.fixture
async def syncing(theatre: Theatre) -> AsyncIterator[None]:
    """The service keeps what Asterisk knows at what the directory says; afterwards it knows nothing of it any more."""
    stack = theatre.stack
    await asyncio.to_thread(stack.end_service)
    stack.syncs = True
    try:
        yield
    finally:
        await asyncio.to_thread(stack.end_service)
        stack.syncs = False
        await asyncio.to_thread(forget, stack)


def forget(stack: Stack) -> None:
    """Asterisk knows nothing of a directory any more."""
    for thing in stack.asterisk.synced.iterdir():
        shutil.rmtree(thing) if thing.is_dir() and not thing.is_symlink() else thing.unlink()
    for command in ("module reload res_pjsip.so", "queue reload all"):
        stack.asterisk.console(command)


async def edit(stage: Stage, **sections: list[dict[str, Any]]) -> int:
    """Put other tables of the directory in force, over REST; the number of the version."""
    told = (await stage.api.web.get("/api/v1/directory")).raise_for_status()
    wanted = {**told.json()["directory"], **sections}
    answer = await stage.api.web.put("/api/v1/directory", json=wanted, headers={"If-Match": told.headers["etag"]})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["version"])


async def agents_of(stage: Stage) -> list[dict[str, Any]]:
    return list((await stage.api.get("/api/v1/directory"))["directory"]["agents"])


async def sync_is(stage: Stage, *words: str) -> str:
    """What the service says of it."""

    async def look() -> str:
        return str((await stage.api.get("/health/ready"))["dependencies"]["asterisk-files"]["detail"])

    return str(await stage.until(look, lambda said: all(word in said for word in words), 20, f"the sync says {words}"))


async def asterisk_has(stage: Stage, version: int) -> None:
    """It has taken what this version says."""
    synced = stage.stack.asterisk.synced

    async def look() -> int:
        try:
            linked = json.loads((synced / "current" / "manifest.json").read_bytes())["version"]
            taken = json.loads((synced / "state.json").read_bytes())["folder"]
        except OSError:
            return 0
        return int(linked) if taken.startswith(f"{linked}-") else 0

    await stage.until(look, lambda found: found == version, 20, f"Asterisk has version {version}")


async def password(stage: Stage, phone: str) -> str:
    stack = stage.stack
    return (await asyncio.to_thread(stack.command, "asterisk", "password", phone, str(stack.asterisk.synced))).strip()


async def phone_with(stage: Stage, name: str, secret: str) -> Phone:
    phone = await Phone.open(name, stage.stack.asterisk.phone_sip, secret)
    stage.phones.append(phone)
    return phone


async def test_a_new_agents_phone_rings_and_a_removed_one_is_shut_out(syncing: None, play: Play) -> None:
    stage = await play()
    old = await stage.agent("agent01")
    talking = await stage.dial(tone=CALLERS_VOICE)
    in_talk = await old.rings()
    await in_talk.answer(tone=AGENTS_VOICE)
    await talking.media.hears_tone(AGENTS_VOICE)

    agents = await agents_of(stage)
    new = {**agents[0], "id": "nina", "name": "Nina; [evil]", "phone": "agent09"}
    await asterisk_has(stage, await edit(stage, agents=[*agents, new]))
    with pytest.raises(AssertionError, match="agent09 is not registered"):
        await (await phone_with(stage, "agent09", "guessed")).register()
    phone = await phone_with(stage, "agent09", await password(stage, "agent09"))
    await phone.register()
    await stage.api.post("/api/v1/agents/nina/ready")
    await stage.agent_is("nina", available=True)
    call = await stage.dial(tone=CALLERS_VOICE)
    ringing = await phone.rings()
    await ringing.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)

    # Somebody else comes, and Asterisk reloads while both talk.
    other = {**new, "id": "otto", "phone": "agent10"}
    await asterisk_has(stage, await edit(stage, agents=[*agents, new, other]))
    for one in (talking, call):
        await one.media.hears_tone(AGENTS_VOICE)
        assert one.media.longest_silence() < 1
    await call.hang_up()
    await talking.hang_up()

    await asterisk_has(stage, await edit(stage, agents=[*agents, other]))
    with pytest.raises(AssertionError, match="agent09 is not registered"):
        await phone.register()
    assert "Unable to find object agent09" in await stage.console("pjsip show endpoint agent09")
    assert "agent09" not in (stage.stack.asterisk.synced / "passwords").read_text()


async def test_calls_go_to_a_new_partner(syncing: None, play: Play) -> None:
    stage = await play(overflow_after=0.5)
    asterisk = stage.stack.asterisk
    partner = await Phone.open("bremen", asterisk.sip, host=ELSEWHERE)
    stage.phones.append(partner)
    accounts = asterisk.synced / "accounts"
    accounts.write_text("bremen langenhagen s;e\\;c;--ret\n")
    accounts.chmod(0o640)
    told = (await stage.api.get("/api/v1/directory"))["directory"]
    bremen = {"id": "bremen", "name": "Bürgertelefon Bremen", "numbers": ["0421115"], "ring_for": 5}
    bremen |= {"host": f"{ELSEWHERE}:{partner.port}", "transport": "udp", "srtp": False}
    queues = [{**queue, "ladder": ["waited 0.5 s: partner bremen"]} for queue in told["queues"]]
    await asterisk_has(stage, await edit(stage, partners=[*told["partners"], bremen], queues=queues))
    accounts.unlink()

    call = await stage.dial(LANGENHAGEN, tone=CALLERS_VOICE)
    there = await partner.rings(10)
    assert there.invite.start.startswith(f"INVITE sip:0421115@{ELSEWHERE}:{partner.port}")
    await there.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await there.hang_up()
    assert (await stage.record(call))["partner"] == "bremen"
    # What an administrator writes comes to Asterisk as it is, whatever begins a comment in its files.
    assert " password                 : s;e\\;c;--ret\n" in await stage.console("pjsip show auth bremen")
    assert f"Match: {ELSEWHERE}/32" in await stage.console("pjsip show identifies")


async def test_without_the_service_a_group_of_the_directory_rings(syncing: None, play: Play) -> None:
    stage = await play()
    told = (await stage.api.get("/api/v1/directory"))["directory"]
    profiles = [
        {**p, "group": "town-hall", "phones": ["office03"]} if p["name"] == "town" else p
        for p in told["failsafe_profiles"]
    ]
    await asterisk_has(stage, await edit(stage, failsafe_profiles=profiles))
    await stage.until(
        lambda: stage.console("database show CustomPresence"),
        lambda said: "town-hall" in said,
        8,
        "the profile is told",
    )
    office = await stage.phone("office03")
    stage.stack.kill_service()
    call = await stage.dial(LANGENHAGEN)
    ringing = await office.rings(15)
    # Whoever waits there stays, and what rings goes on ringing.
    await stage.console("queue reload all")
    await stage.console("module reload res_pjsip.so")
    assert not ringing.ended
    await ringing.answer(tone=AGENTS_VOICE)
    await call.media.hears_tone(AGENTS_VOICE)
    await call.hang_up()


async def test_what_stands_twice_is_put_back_and_told(syncing: None, play: Play) -> None:
    """Asterisk says that its reload was successful, and would have no phones at all after the next restart."""
    stage = await play()
    asterisk = stage.stack.asterisk
    agents = await agents_of(stage)
    nina = {**agents[0], "id": "nina", "name": "Nina", "phone": "agent09"}
    before = await edit(stage, agents=[*agents, nina])
    await asterisk_has(stage, before)
    by_hand = asterisk.host_home / "etc" / "pjsip-phones.conf"
    phones = by_hand.read_text()
    by_hand.write_text(phones + "[agent11](acd-phone)\naors = agent11\n[agent11](acd-phone-aor)\n")
    try:
        otto = {**nina, "id": "otto", "phone": "agent11"}
        await edit(stage, agents=[*agents, nina, otto])
        await sync_is(stage, "not synced", "Asterisk has not taken the new files", "ACD_ASTERISK__BY_HAND")
        await asterisk_has(stage, before)
        # What is on the disk again has everybody who was there.
        await stage.console("module reload res_pjsip.so")
        await (await phone_with(stage, "agent09", await password(stage, "agent09"))).register()
    finally:
        by_hand.write_text(phones)
    await asterisk_has(stage, await edit(stage, agents=[*agents, nina, {**otto, "name": "Otto"}]))
    await sync_is(stage, "synced at")
    await (await phone_with(stage, "agent11", await password(stage, "agent11"))).register()


async def test_another_host_reads_the_directory_with_an_auditors_token(play: Play, theatre: Theatre) -> None:
    stage = await play()
    stack, synced = stage.stack, stage.stack.asterisk.synced
    made = ("token", "create", "--name", "asterisk-2", "--role")
    file = stack.run_dir / "read.token"
    file.touch(0o600)
    agents = await agents_of(stage)
    version = await edit(stage, agents=[*agents, {**agents[0], "id": "nina", "phone": "agent09"}])
    try:
        file.write_text(await asyncio.to_thread(stack.command, *made, "town-admin", "--tenant", "langenhagen"))
        sync = ("asterisk", "sync", str(synced), "--url", stack.api_url, "--token-file", str(file))
        with pytest.raises(Exception, match="answers 403"):
            await asyncio.to_thread(stack.command, *sync)
        file.write_text(await asyncio.to_thread(stack.command, *made, "auditor"))
        said = await asyncio.to_thread(stack.command, *sync)
        assert said == f"version {version}: 3 files changed, Asterisk was reloaded\n"
        assert await asyncio.to_thread(stack.command, *sync) == "nothing has changed\n"
        await (await phone_with(stage, "agent09", await password(stage, "agent09"))).register()
    finally:
        await asyncio.to_thread(forget, stack)
