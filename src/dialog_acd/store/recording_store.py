"""Recordings by the SHA-256 of what was uploaded: added, read, never changed.

A digest in a directory therefore means the same sound for ever, in every version of it. What Asterisk plays is kept
beside the original, so a later version of this program that converts better changes no prompt behind anybody's back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import and_, insert, or_, select
from sqlalchemy.exc import IntegrityError

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.store.database import writing
from dialog_acd.store.tables import recordings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncEngine

    Part = Literal["content", "narrow", "wide"]


class NoSuchRecording(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """There is no recording with this digest."""

    error_id = "no-such-recording"


@dataclass(frozen=True, slots=True)
class Recording:
    """All but the sound."""

    digest: str
    """SHA-256 of what was uploaded, 64 hexadecimal digits."""
    name: str
    tenant: str | None
    """Whose administrator brought it; ``None``: the centre's."""
    by: str
    uploaded_at: datetime
    duration: timedelta
    """Of what is played."""
    peak: float
    """dBFS of the original."""
    loudness: float
    """LUFS of the original."""
    gain: float
    """dB added to it."""
    findings: tuple[str, ...]


_MILLISECOND = timedelta(milliseconds=1)
_TOLD = [recordings.c["duration_ms" if name == "duration" else name].label(name) for name in Recording.__slots__]


class RecordingStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, recording: Recording, *, content: bytes, narrow: bytes, wide: bytes) -> Recording:
        """Keep it; the one that is kept already where somebody was quicker with the same content."""
        row = {name: getattr(recording, name) for name in Recording.__slots__ if name != "duration"}
        row |= {"duration_ms": recording.duration // _MILLISECOND, "findings": list(recording.findings)}
        row |= {"content": content, "narrow": narrow, "wide": wide}
        try:
            async with writing(self._engine).begin() as connection:
                await connection.execute(insert(recordings), row)
        except IntegrityError:
            return await self.one(recording.digest)
        return recording

    async def one(self, digest: str) -> Recording:
        """Raises ``NoSuchRecording``."""
        async with self._engine.connect() as connection:
            found = await connection.execute(select(*_TOLD).where(recordings.c.digest == digest))
            row = found.mappings().one_or_none()
        if row is None:
            raise NoSuchRecording(f"there is no recording {digest}")
        return _recording(row)

    async def sound(self, digest: str, part: Part) -> bytes:
        """A WAV: as it was uploaded, or as Asterisk plays it. Raises ``NoSuchRecording``."""
        async with self._engine.connect() as connection:
            wanted = select(recordings.c[part]).where(recordings.c.digest == digest)
            sound: bytes | None = await connection.scalar(wanted)
        if sound is None:
            raise NoSuchRecording(f"there is no recording {digest}")
        return sound

    async def page(self, limit: int, before: Recording | None = None, tenant: str | None = None) -> Sequence[Recording]:
        """The latest first; with ``before`` what comes after it in this order.

        With ``tenant`` only what is this town's or the centre's.
        """
        c = recordings.c
        wanted = select(*_TOLD).order_by(c.uploaded_at.desc(), c.digest.desc()).limit(limit)
        if before is not None:
            same = and_(c.uploaded_at == before.uploaded_at, c.digest < before.digest)
            wanted = wanted.where(or_(c.uploaded_at < before.uploaded_at, same))
        if tenant is not None:
            wanted = wanted.where(or_(c.tenant == tenant, c.tenant.is_(None)))
        async with self._engine.connect() as connection:
            return [_recording(row) for row in (await connection.execute(wanted)).mappings()]

    async def missing(self, digests: Iterable[str]) -> set[str]:
        """Those of which there is no recording here."""
        left = set(digests)
        wanted = sorted(left)
        async with self._engine.connect() as connection:
            for start in range(0, len(wanted), 500):  # databases limit how many values a question may have
                some = recordings.c.digest.in_(wanted[start : start + 500])
                left.difference_update(await connection.scalars(select(recordings.c.digest).where(some)))
        return left


def _recording(row: RowMapping) -> Recording:
    told = dict(row)
    duration = told["duration"] * _MILLISECOND
    return Recording(**told | {"duration": duration, "findings": tuple(told["findings"])})
