"""Foreign sound is opened elsewhere: whatever happens there, the calls here go on."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dialog_acd.sound.rendering import NARROW, WIDE, render
from dialog_acd.sound.studio import WAITING, SoundRefused, SoundUnavailable, Studio
from patience import soon
from wavs import heard, sine, wav

TONE = wav(sine(1000), encoding="PCM_24")


async def test_what_comes_back_is_what_was_rendered() -> None:
    made, here = await Studio().convert(TONE), render(TONE)
    assert (made.narrow, made.wide) == (here.narrow, here.wide)
    assert (made.peak, made.loudness, made.gain, made.findings) == (-20.0, -23.0, here.gain, here.findings)
    assert made.duration.total_seconds() == 2.0


async def test_what_is_refused_there_is_refused_here() -> None:
    with pytest.raises(SoundRefused, match="this is not a WAV file"):
        await Studio().convert(b"MZ")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng (make tools)")
async def test_a_draft_is_spoken() -> None:
    made = await Studio().speak("Die Stadt Gehrden begrüßt Sie.")
    assert len(heard(made.wide, WIDE)) == pytest.approx(2 * len(heard(made.narrow, NARROW)), abs=2)
    assert made.duration.total_seconds() > 1


async def test_a_text_without_end_is_not_even_handed_over() -> None:
    with pytest.raises(SoundRefused, match="too long"):
        await Studio().speak("a" * 10_000_000)


async def test_half_a_character_is_no_defect() -> None:
    with pytest.raises(SoundRefused, match="no words"):
        await Studio().speak("\ud800")


# ---------------------------------------------------------------- when it goes wrong over there


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is started instead of the interpreter; each test says what it does."""
    program = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def does(program: Path, what: str) -> None:
    program.write_text(f"#!/bin/bash\n{textwrap.dedent(what)}", encoding="utf-8")
    program.chmod(0o700)


async def test_a_library_that_crashes_costs_this_file_and_nothing_else(elsewhere: Path) -> None:
    does(elsewhere, "cat >/dev/null; kill -SEGV $$")
    with capture_logs() as lines, pytest.raises(SoundRefused, match="cannot be used"):
        await Studio().convert(TONE)
    assert [(line["event"], line["status"], line["size"]) for line in lines] == [("sound.failed", -11, len(TONE))]


async def test_one_that_takes_too_much_is_ended_by_its_limits(elsewhere: Path) -> None:
    does(elsewhere, "ulimit -t 1; while :; do :; done")
    with capture_logs(), pytest.raises(SoundUnavailable, match="took too long"):
        await Studio().convert(TONE)


async def test_one_that_never_ends_is_ended_with_all_it_started(elsewhere: Path, tmp_path: Path) -> None:
    does(elsewhere, f"sleep 600 & echo $! >{tmp_path}/started; wait")
    with pytest.raises(SoundUnavailable, match="not done within 0 s"):
        await Studio(within=0.3).convert(TONE)
    started = int((tmp_path / "started").read_text(encoding="ascii"))
    await soon(lambda: _gone(started))


async def test_one_that_hears_nothing_out_is_no_reason_to_wait(elsewhere: Path) -> None:
    does(elsewhere, 'echo \'{"refused": "it said so before the end"}\'')
    with pytest.raises(SoundRefused, match="it said so before the end"):
        await Studio().convert(bytes(5_000_000))


async def test_who_leaves_takes_the_conversion_along(elsewhere: Path, tmp_path: Path) -> None:
    does(elsewhere, f"echo $$ >{tmp_path}/started.; mv {tmp_path}/started. {tmp_path}/started; sleep 600")
    asking = asyncio.create_task(Studio().convert(TONE))
    await soon((tmp_path / "started").exists)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await soon(lambda: _gone(int((tmp_path / "started").read_text(encoding="ascii"))))


async def test_who_leaves_before_it_began_leaves_nothing_behind(elsewhere: Path, tmp_path: Path) -> None:
    does(elsewhere, f'echo x >>{tmp_path}/started; cat >/dev/null; echo \'{{"refused": "in turn"}}\'')
    studio = Studio()
    asking = [asyncio.create_task(studio.convert(TONE)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    for _ in range(3):  # and the way is free
        with pytest.raises(SoundRefused, match="in turn"):
            await studio.convert(TONE)
    assert len((tmp_path / "started").read_text(encoding="ascii").split()) <= 4


async def test_one_at_a_time_and_who_comes_when_many_wait_is_asked_to_come_again(
    elsewhere: Path, tmp_path: Path
) -> None:
    does(
        elsewhere,
        f"""
        mkdir {tmp_path}/turn || exit 3
        cat >/dev/null
        while [ ! -e {tmp_path}/go ]; do read -t 0.01 <> <(:); done
        rmdir {tmp_path}/turn
        echo '{{"refused": "in turn"}}'
        """,
    )
    studio = Studio()
    asking = [asyncio.create_task(studio.convert(TONE)) for _ in range(1 + WAITING)]
    await soon((tmp_path / "turn").exists)
    with pytest.raises(SoundUnavailable, match="try again in a minute"):
        await studio.convert(TONE)
    (tmp_path / "go").touch()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(result) for result in results] == ["in turn"] * 4
    with pytest.raises(SoundRefused, match="in turn"):
        await studio.convert(TONE)


def test_the_limits_are_set_where_the_sound_is_opened() -> None:
    """Asked in the program itself: its own memory and time, and it makes way for calls."""
    asked = """if True:
        import os, resource, sys, io
        sys.stdin = io.TextIOWrapper(io.BytesIO(b"x"))
        from dialog_acd.sound import rendering
        assert rendering.main() == 0
        memory = resource.getrlimit(resource.RLIMIT_AS)[0]
        print(os.nice(0), resource.getrlimit(resource.RLIMIT_CPU)[0], 2 << 30 < memory < 16 << 30)
        try:
            bytearray(memory)
        except MemoryError:
            print("no")
    """
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == [f"{min(19, os.nice(0) + 10)} 20 True", "no"]


def _gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(") ")[2][0] == "Z"  # ended, and nobody has looked yet
