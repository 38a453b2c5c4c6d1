"""A recording that a town has brought over REST, heard at a caller's telephone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from wavs import sine, wav

if TYPE_CHECKING:
    from e2e.conftest import Play

pytestmark = pytest.mark.e2e


async def test_a_studio_recording_is_heard_as_asterisk_plays_it(play: Play) -> None:
    """The narrow sound is taken on a line that speaks A-law, with the wide one beside it."""
    stage = await play(greeting="acd/brought")
    folder = stage.stack.asterisk.host_home / "data" / "sounds" / "de" / "acd"
    for hertz, form, name in ((440, "8k", "brought.wav"), (700, "16k", "brought.wav16")):
        tone = np.tile(sine(hertz, 2, 44_100)[:, None], 2)
        answer = await stage.api.web.post(
            "/api/v1/recordings", content=wav(tone, 44_100, "PCM_24"), headers={"Content-Type": "audio/wav"}
        )
        assert answer.status_code == 201
        audio = await stage.api.web.get(f"/api/v1/recordings/{answer.json()['digest']}/audio?format={form}")
        (folder / name).write_bytes(audio.content)
    call = await stage.dial()
    assert await call.media.hears_one_of([440, 700]) == 440
    await call.hang_up()

    (folder / "brought.wav").unlink()
    call = await stage.dial()
    await call.media.hears_tone(700)
    await call.hang_up()
    (folder / "brought.wav16").unlink()
