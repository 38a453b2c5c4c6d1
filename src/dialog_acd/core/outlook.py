"""What waits ahead: how long callers of each queue may expect to wait, and which town is behind its contract today.

``Outlook`` keeps one ``QueueWaits`` per queue fed by what happens to its calls. ``Debt`` counts, per queue and town and
for the local day, the calls that count and those answered in time; a town is *short* of the calls it would still have
had to answer in time to stand at its contract, were one more to come. The matching turns that into a bounded head
start where a team has switched it on.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dialog_acd.core.waiting import Compared, QueueWaits, announce, in_use

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.core.matching import Staff
    from dialog_acd.core.model import QueueId, TenantId
    from dialog_acd.core.waiting import Announcement, Forecast, Prediction

_BERLIN = ZoneInfo("Europe/Berlin")


class Outlook:
    """Expected waits of all queues."""

    def __init__(self) -> None:
        self._waits: dict[QueueId, QueueWaits] = {}
        self._lines: Counter[QueueId] = Counter()

    def _of(self, queue: QueueId, now: datetime) -> QueueWaits:
        waits = self._waits.get(queue)
        if waits is None:
            waits = self._waits[queue] = QueueWaits(now)
        return waits

    def line(self, queue: QueueId, change: int, now: datetime) -> None:
        """One caller more, or fewer, stands in the queue's line."""
        self._lines[queue] += change
        self._of(queue, now).line(now, self._lines[queue])

    def forecast(self, queue: QueueId, ahead: int, staff: Staff, now: datetime) -> Forecast:
        """What is expected of a wait that begins; to be given back when it ends with an agent."""
        return self._of(queue, now).forecast(now, ahead, staff.servers)

    def predict(self, queue: QueueId, ahead: int, staff: Staff, now: datetime) -> Prediction:
        """How much longer a caller with so many before them will wait."""
        return self._of(queue, now).predict(now, ahead, staff.servers, dedicated=staff.dedicated)

    def expected(self, queue: QueueId, ahead: int, staff: Staff, now: datetime) -> timedelta | None:
        """The mean of that; ``None`` where nobody works for the queue."""
        if staff.servers <= 0:
            return None
        mean_s = self._of(queue, now).mean(now, ahead, staff.servers, dedicated=staff.dedicated)
        return timedelta(seconds=mean_s)

    def told(
        self, queue: QueueId, ahead: int, staff: Staff, before: Announcement | None, now: datetime
    ) -> Announcement | None:
        """What may be said to a caller who was last told ``before``."""
        return announce(self.predict(queue, ahead, staff, now), before)

    def served(
        self, queue: QueueId, waited: timedelta, forecast: Forecast | None, now: datetime, *, dedicated: bool
    ) -> Compared | None:
        """A wait ended with an agent. What the predictors made of it, where there was a forecast to compare.

        ``dedicated``: those who work for the queue serve no other.
        """
        waits, waited_s = self._of(queue, now), max(0.0, waited.total_seconds())
        waits.service_started(now, waited_s, forecast)
        if forecast is None or not (errors := waits.errors()):
            return None
        return Compared(waited_s, forecast.ahead, errors, in_use(forecast.gap_s, dedicated=dedicated))

    def handled(self, queue: QueueId, length: timedelta, now: datetime) -> None:
        """An agent is done with a call, wrap-up included."""
        self._of(queue, now).handled(max(0.0, length.total_seconds()))

    def left(self, queue: QueueId, waited: timedelta, now: datetime, *, gave_up: bool) -> None:
        """A wait ended without one of our agents."""
        self._of(queue, now).left(max(0.0, waited.total_seconds()), gave_up=gave_up)


class Debt:
    """How far each town is below its contract today. A day is a day in Berlin."""

    def __init__(self, now: datetime) -> None:
        self.day_ends = _midnight(now)
        """The next midnight in Berlin."""
        self.short: dict[tuple[QueueId, TenantId], float] = {}
        """By queue and town: calls short of the contract today."""

    def new_day(self, now: datetime) -> tuple[tuple[QueueId, TenantId], ...]:
        """Everything is counted from nothing again. Says of whom something was counted."""
        counted = tuple(self.short)
        self.day_ends = _midnight(now)
        self.short.clear()
        return counted

    def count(self, queue: QueueId, tenant: TenantId, share: float, *, in_time: bool) -> float:
        """One call more that counts today, of such as ``share`` of was promised to be in time. How many calls the town
        is short of its contract (negative: in hand).
        """
        short = self.short[queue, tenant] = self.short.get((queue, tenant), 0.0) + share - in_time
        return short


def _midnight(now: datetime) -> datetime:
    """The next one."""
    begun = now.astimezone(_BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)
    return (begun + timedelta(days=1)).astimezone(UTC)  # one day more by the wall clock, also where that is 25 h
