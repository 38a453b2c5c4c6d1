"""A citizen calls, and their number is where it is needed and for as long; Asterisk keeps none of it for a moment."""

from __future__ import annotations

import asyncio
import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from e2e.stage import LANGENHAGEN
from rig.stack import _program

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.conftest import Play

pytestmark = pytest.mark.e2e
STRIKING, ELSEWHERE = "+493023125986", "+4917139200986"
TAILS = (b"23125986", b"39200986", b"Rosamunde")


def traces(*folders: Path, but: str = "") -> dict[str, list[bytes]]:
    """The files that have something of a caller in them."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != but]
    found = {str(path): [tail for tail in TAILS if tail in path.read_bytes()] for path in files}
    return {name: tails for name, tails in found.items() if tails}


async def test_asterisk_never_writes_a_callers_number_down_and_we_forget_it(play: Play, tmp_path: Path) -> None:
    stage = await play(group="solo")
    asterisk = stage.stack.asterisk
    agent, office = await stage.agent("agent01"), await stage.phone("office03")
    shown = f'"Rosamunde" <sip:{STRIKING}@a.b>'

    call = await (await stage.caller()).dial(LANGENHAGEN, shown=shown)
    await (await agent.rings()).answer()
    await call.answered()
    await call.hang_up()
    served = await stage.record(call)
    assert served["ani"] == STRIKING
    # A number that is none of ours, dialled by somebody whom nobody answers.
    await stage.api.post("/api/v1/agents/agent01/sign-out")
    lost = await (await (await stage.caller()).dial(ELSEWHERE, shown=shown)).answered()
    await lost.hang_up()
    assert (await stage.record(lost))["dialled"] == ELSEWHERE
    # And in the hour in which Asterisk is alone.
    await asyncio.to_thread(stage.stack.end_service)
    alone = await (await stage.caller()).dial(LANGENHAGEN, shown=shown)
    await (await office.rings(limit=15)).answer()
    await alone.answered()
    await alone.hang_up()

    log, cdr = asterisk.log.read_bytes(), await stage.console("cdr show status")
    # Its log, AstDB, and where CDR files would be.
    assert traces(asterisk.host_home) == {}, log
    assert {path.name for path in (asterisk.host_home / "log").rglob("*") if path.is_file()} <= {
        "console",
        "messages",
    }
    assert "No such command" in cdr or "Disabled" in cdr
    assert not [tail for tail in TAILS if tail in stage.stack.service_log.read_bytes()]

    await asyncio.to_thread(stage.stack.start_service)
    assert (await stage.record(served["call"]))["ani"] == STRIKING, "for those who have to call back"
    saved = tmp_path / "saved"
    await asyncio.to_thread(stage.stack.command, "backup", str(saved))
    assert traces(saved, but="calls.jsonl"), "what is looked for can be found"
    nine_days_later = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    settings = stage.stack.environment | {
        "ACD_STORE__DATABASE_URL": f"sqlite+aiosqlite:///{saved}/acd.sqlite",
        "ACD_REHEARSE_AT": nine_days_later,
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [str(_program()), "retention", "run"],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "done" in done.stdout
    assert traces(saved, but="calls.jsonl") == {}
