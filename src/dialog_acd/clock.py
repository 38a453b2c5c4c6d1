"""The only module that asks the machine for the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

COMPARE_EVERY = 0.5
"""Seconds between two looks at the wall."""


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC; never earlier than any answer before."""
        ...


class SystemClock:
    """Wall time that never steps back.

    Anchored once, then advanced by the monotonic clock: an NTP step backwards must not put a deadline into the
    future twice. When wall time has run ahead by more than a second, the anchor moves forward; it never moves back.
    """

    def __init__(self, begins: datetime | None = None) -> None:
        """``begins``: for a rehearsal, the moment (aware) that it is now."""
        wall = datetime.now(UTC)
        self._ahead = timedelta() if begins is None else begins - wall
        self._anchor = wall + self._ahead
        self._started = time.monotonic()
        self._compare_at = self._started

    def now(self) -> datetime:
        monotonic = time.monotonic()
        ours = self._anchor + timedelta(seconds=monotonic - self._started)
        if monotonic >= self._compare_at:
            # Asked some ten times a call; compared with the wall no more often than a step of it can be seen.
            self._compare_at = monotonic + COMPARE_EVERY
            wall = datetime.now(UTC) + self._ahead
            if wall - ours > timedelta(seconds=1):
                self._anchor, self._started, ours = wall, monotonic, wall
        return ours
