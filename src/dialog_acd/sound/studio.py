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
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
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
        self._turn = ThreadPoolExecutor(1, thread_name_prefix="studio")
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
        work = _Work(what, content, self._within)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._turn, work.do)
        finally:
            self._wanted -= 1
            work.end()  # where nobody waits for it any more
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


class _Work:
    """One process, waited for in a thread.

    Not asyncio's own processes: cancelled while one is being started, they wait for its pipes for ever (CPython 3.11),
    and with them everybody who waits for this turn.
    """

    def __init__(self, what: str, content: bytes, within: float) -> None:
        self._what, self._content, self._within = what, content, within
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def do(self) -> bytes:
        """What the process answers. Raises ``SoundRefused``, ``SoundUnavailable``."""
        with self._guard:
            if self._ended:
                raise SoundUnavailable("nobody waits for it any more")
            self._process = process = subprocess.Popen(  # noqa: S603
                # -P: or a folder that happens to be ours at the start could offer modules
                [sys.executable, "-P", "-m", "dialog_acd.sound.rendering", self._what],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # what it starts itself ends with it
            )
        with process:
            try:
                answer, complaint = process.communicate(self._content, self._within)
            except subprocess.TimeoutExpired:
                self.end()
                raise SoundUnavailable(f"it was not done within {self._within:.0f} s") from None
        if process.returncode == 0:
            return answer
        if self._ended:
            raise SoundUnavailable("nobody waits for it any more")
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2][:300]
        log.warning("sound.failed", what=self._what, status=process.returncode, why=last, size=len(self._content))
        if process.returncode == -signal.SIGKILL:
            raise SoundUnavailable("the conversion took too long, or was ended from outside")
        raise SoundRefused("the conversion broke off: this file cannot be used")

    def end(self) -> None:
        with self._guard:
            self._ended = True
            if self._process is not None and self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):  # it ends at this moment
                    os.killpg(self._process.pid, signal.SIGKILL)
