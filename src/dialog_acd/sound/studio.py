"""Where recordings are made fit and drafts are spoken: one at a time, elsewhere, and not for ever.

Each is a process of its own (``rendering.py`` says why). Two at once would be half of a small machine, and nobody
waits for a prompt as a caller waits for an agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from dialog_acd.core.errors import DialogAcdError

WITHIN = 30.0
"""Seconds for one; a minute and a half of stereo takes about one."""
WAITING = 3
"""Who may wait for their turn; each holds a whole recording in memory."""
TEXT_MOST = 8000
"""Bytes of text handed over at all."""

log = structlog.get_logger(__name__)


class SoundRefused(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The recording cannot be played to callers."""

    error_id = "recording-refused"


class SoundUnavailable(DialogAcdError):  # noqa: N818
    """No recording can be converted, and no draft be spoken, just now."""

    error_id = "sound-unavailable"


@dataclass(frozen=True, slots=True)
class Sound:
    """What Asterisk plays, and what was found on the way."""

    duration: timedelta
    """Of what is played, in whole milliseconds."""
    peak: float
    """dBFS of the original."""
    loudness: float
    """LUFS of the original (ITU-R BS.1770-4)."""
    gain: float
    """dB that were added to it."""
    findings: tuple[str, ...]
    """What was done, and what an ear should look into; a sentence each."""
    narrow: bytes
    """WAV, 8 kHz, one channel, 16 bits: Asterisk's ``wav``."""
    wide: bytes
    """The same at 16 kHz: Asterisk's ``wav16``."""


class Studio:
    def __init__(self, within: float = WITHIN) -> None:
        """``within``: seconds one recording or draft may take."""
        self._within = within
        self._turn = asyncio.Lock()
        self._wanted = 0

    async def convert(self, content: bytes) -> Sound:
        """Any WAV as Asterisk plays it. Raises ``SoundRefused``, ``SoundUnavailable``."""
        return await self._made("convert", content)

    async def speak(self, text: str) -> Sound:
        """The German words in a machine's voice; the same words give the same bytes.

        Raises ``SoundRefused`` for a text that is empty or too long, ``SoundUnavailable`` without espeak-ng.
        """
        words = text.encode(errors="replace")
        if len(words) > TEXT_MOST:
            raise SoundRefused("the text is too long to be spoken")
        return await self._made("speak", words)

    async def _made(self, what: str, content: bytes) -> Sound:
        if self._wanted > WAITING:
            raise SoundUnavailable("others' recordings are being converted; try again in a minute")
        self._wanted += 1
        try:
            async with self._turn:
                answer = await self._run(what, content)
        finally:
            self._wanted -= 1
        told: dict[str, Any] = json.loads(answer.partition(b"\n")[0])
        if "refused" in told:
            raise SoundRefused(told["refused"])
        if "unavailable" in told:
            raise SoundUnavailable(told["unavailable"])
        sounds = answer[-sum(told["sizes"]) :]
        narrow = told["sizes"][0]
        return Sound(
            duration=timedelta(milliseconds=round(told["seconds"] * 1000)),
            peak=told["peak"],
            loudness=told["loudness"],
            gain=told["gain"],
            findings=tuple(told["findings"]),
            narrow=sounds[:narrow],
            wide=sounds[narrow:],
        )

    async def _run(self, what: str, content: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # or a folder that happens to be ours at the start could offer modules
            "-m",
            "dialog_acd.sound.rendering",
            what,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # what it starts itself ends with it
        )
        try:
            async with asyncio.timeout(self._within):
                answer, complaint = await process.communicate(content)
        except TimeoutError:
            raise SoundUnavailable(f"it was not done within {self._within:.0f} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                # Reads the pipes to their end as well, or they would stay open.
                await process.communicate()
        if process.returncode == 0:
            return answer
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2][:300]
        log.warning("sound.failed", what=what, status=process.returncode, why=last, size=len(content))
        if process.returncode == -signal.SIGKILL:
            raise SoundUnavailable("the conversion took too long, or was ended from outside")
        raise SoundRefused("the conversion broke off: this file cannot be used")
