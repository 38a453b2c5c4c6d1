"""Recordings come in: looked at, made fit for the telephone, and kept under the digest of what came.

The same bytes are the same recording, whoever brings them and however often; then nothing is converted again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dialog_acd.store.recording_store import NoSuchRecording, Recording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dialog_acd.sound.studio import Sound
    from dialog_acd.store.recording_store import Part, RecordingStore


class Clock(Protocol):
    def now(self) -> datetime: ...


class Converts(Protocol):
    """A ``Studio``."""

    async def convert(self, content: bytes) -> Sound: ...


@dataclass(frozen=True, slots=True)
class Taken:
    recording: Recording
    fresh: bool
    """False: it was here already, and is told as it came the first time."""


class Recordings:
    def __init__(self, store: RecordingStore, studio: Converts, clock: Clock) -> None:
        self._store, self._studio, self._clock = store, studio, clock

    async def take(self, content: bytes, *, name: str, by: str, tenant: str | None) -> Taken:
        """Keep a WAV. Raises ``SoundRefused``, ``SoundUnavailable``; nothing is kept then."""
        digest = hashlib.sha256(content).hexdigest()
        try:
            return Taken(await self._store.one(digest), fresh=False)
        except NoSuchRecording:
            pass
        sound = await self._studio.convert(content)
        recording = Recording(
            digest=digest,
            name=name,
            tenant=tenant,
            by=by,
            uploaded_at=self._clock.now(),
            duration=sound.duration,
            peak=sound.peak,
            loudness=sound.loudness,
            gain=sound.gain,
            findings=sound.findings,
        )
        kept = await self._store.add(recording, content=content, narrow=sound.narrow, wide=sound.wide)
        return Taken(kept, fresh=kept is recording)

    async def one(self, digest: str) -> Recording:
        """Raises ``NoSuchRecording``."""
        return await self._store.one(digest)

    async def page(self, limit: int, before: str | None, tenant: str | None) -> Sequence[Recording]:
        """The latest first, after the one with the digest ``before``; with ``tenant`` the town's and the centre's.

        Raises ``NoSuchRecording`` for a ``before`` that is none.
        """
        mark = None if before is None else await self._store.one(before)
        return await self._store.page(limit, mark, tenant)

    async def sound(self, digest: str, part: Part) -> bytes:
        """A WAV. Raises ``NoSuchRecording``."""
        return await self._store.sound(digest, part)
