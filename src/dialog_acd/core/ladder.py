"""When a call leaves the normal path, and for where: the overflow ladder, and what a partner has agreed to.

A ladder is tried from its top whenever something may have changed for a waiting call: when it begins to wait and
nobody was free, when a moment named by a rung has come, when people sign in or out, when a partner has a channel
again. ``fires`` says of one rung whether it does now, and if not, when to look again: a moment, or ``None`` where
only something that happens can change it. Nothing is polled but the expected wait, which nobody announces.

*Hysteresis.* A queue that overflowed for its expected wait goes on doing so until that has fallen to seven tenths of
the rung's: without it callers would be sent away and kept in turns.

*Partners.* A partner is asked only inside its calendar, its contracted channels and its calls per hour, and not while
its circuit is open: three calls in a row that it did not take close it for a minute, so that callers do not wait for
a centre that is down. All of that is kept in ``PartnerBook``, which never forgets a call it was told of: who has
answered or failed or left must be told too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from dialog_acd.core.model import Trigger

if TYPE_CHECKING:
    from dialog_acd.core.calendars import Opening
    from dialog_acd.core.model import CallId, EntryKind, Partner, PartnerId, Rung

FAILURES = 3
"""So many calls in a row not taken open a partner's circuit ..."""
CIRCUIT_OPEN = timedelta(minutes=1)
"""... for so long."""
AGAIN = timedelta(minutes=1)
"""A partner that did not take a call is asked again for the same caller after so long."""
LOOK_AGAIN = timedelta(seconds=10)
"""How often a waiting call compares its expected wait with the ladder."""
ENOUGH = 0.7
"""Of the expected wait of a rung: below it, overflowing ends."""
HOUR = timedelta(hours=1)


class Situation(NamedTuple):
    """What a ladder looks at, for one waiting call."""

    waiting_since: datetime
    closed: str = ""
    """``closed-by-hours`` or ``closed-by-day``; empty: open, or a number without a calendar."""
    somebody: bool = True
    """Somebody signed in could serve the queue at its widest."""
    reachable: bool = True
    """At least one of their phones can be reached."""
    ahead: int = 0
    """Callers who waited already when this one came."""
    expected: timedelta | None = None
    """``None``: nobody can say."""
    too_late: bool = False
    """Closing comes before the caller's turn, as far as one can say."""
    switched_until: datetime | None = None


def is_for(rung: Rung, kind: EntryKind) -> bool:
    """Whether the rung concerns calls of this kind of entry at all."""
    return not rung.kinds or kind in rung.kinds


def fires(rung: Rung, now: datetime, s: Situation, *, overflowing: bool = False) -> tuple[str, datetime | None]:
    """Why the rung is to be taken now (empty: it is not), and when to look again.

    ``overflowing``: the queue overflows by this rung for its expected wait already.
    """
    match rung.trigger:
        case Trigger.ALL_BUSY:
            # A call that still waits when the ladder is asked found nobody free: matching goes first.
            return ("" if s.closed else "all busy", None)
        case Trigger.WAITED:
            due = s.waiting_since + rung.after
            return (f"waited {rung.after.total_seconds():g} s", None) if due <= now else ("", due)
        case Trigger.EXPECTED_WAIT:
            enough = rung.after * (ENOUGH if overflowing else 1.0)
            if s.expected is not None and s.expected > enough:
                return f"expected wait {s.expected.total_seconds():.0f} s", None
            return "", now + LOOK_AGAIN
        case Trigger.LENGTH:
            return (f"{s.ahead} already waited" if s.ahead >= rung.length else "", None)
        case Trigger.NOBODY:
            # At night nobody has to be: that is what the rungs for a closed number are for.
            return ("" if s.somebody or s.closed else "nobody signed in", None)
        case Trigger.TECHNICAL:
            return ("no phone reachable" if s.somebody and not s.reachable else "", None)
        case Trigger.SWITCHED:
            on = s.switched_until is not None and now < s.switched_until
            return ("switched by a supervisor" if on else "", None)
        case Trigger.CLOSING_SOON:
            return ("closing before the caller's turn" if s.too_late else "", None)
        case Trigger.CLOSED_HOURS | Trigger.CLOSED_DAY:
            return (rung.trigger.value.replace("-", " ") if s.closed == rung.trigger else "", None)


@dataclass(slots=True)
class _Account:
    """What one partner has of us."""

    calls: set[CallId] = field(default_factory=set)
    """Ringing there, or talking."""
    sent: deque[datetime] = field(default_factory=deque)
    failures: int = 0
    failed_last: CallId | None = None
    open_until: datetime | None = None
    trial: CallId | None = None
    """The one call that finds out whether a partner whose circuit was open takes calls again."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a partner cannot be asked now. ``until``: when to ask again; ``None``: when it has told us something."""

    why: str
    until: datetime | None = None
    passes: bool = False
    """It is a matter of minutes: whoever has nobody else waits for it."""


class PartnerBook:
    """Which calls are with which partner, and whether one more may go there."""

    def __init__(self) -> None:
        self._accounts: dict[PartnerId, _Account] = {}
        self._where: dict[CallId, PartnerId] = {}

    def obstacle(self, partner: Partner, opening: Opening | None, now: datetime) -> Obstacle | None:
        """Why not now; ``None``: it may be asked. ``opening``: what its calendar says, if it has one."""
        account = self._accounts.setdefault(partner.id, _Account())
        if opening is not None and not opening.open:
            return Obstacle("partner closed", opening.opens_at)
        if account.open_until is not None and now < account.open_until:
            return Obstacle("partner does not take calls", account.open_until, passes=True)
        if account.trial is not None:
            return Obstacle("one call tries the partner again", passes=True)
        if partner.channels is not None and self.at(partner.id) >= partner.channels:
            return Obstacle("partner's channels are full", passes=True)
        if partner.calls_per_hour is not None:
            while account.sent and account.sent[0] <= now - HOUR:
                account.sent.popleft()
            if len(account.sent) >= partner.calls_per_hour:
                return Obstacle("partner's calls per hour are used up", account.sent[0] + HOUR, passes=True)
        return None

    def sends(self, call: CallId, partner: PartnerId, now: datetime) -> None:
        """A call goes there. Also for one found there after a restart, whatever the limits say."""
        self.ends(call)
        account = self._accounts.setdefault(partner, _Account())
        account.calls.add(call)
        account.sent.append(now)
        if account.open_until is not None:
            account.trial = call
        if len(account.sent) > 10_000:
            account.sent.popleft()
        self._where[call] = partner

    def answered(self, call: CallId) -> None:
        """The partner took it, so its circuit is whole."""
        partner = self._where.get(call)
        if partner is not None:
            account = self._accounts[partner]
            account.failures, account.failed_last, account.open_until, account.trial = 0, None, None, None

    def failed(self, call: CallId, now: datetime) -> bool:
        """The partner was busy, refused, or silent. Says whether its circuit opens with this one.

        A caller counts once, however many of the partner's numbers were tried for them.
        """
        partner = self.ends(call)
        if partner is None:
            return False
        account = self._accounts[partner]
        if account.failed_last == call and account.open_until is None:
            return False
        account.failures, account.failed_last = account.failures + 1, call
        if account.failures < FAILURES:
            return False
        # The first call after the minute is the trial: one more failure opens the circuit again.
        account.failures, account.open_until = FAILURES - 1, now + CIRCUIT_OPEN
        return True

    def never_went(self, call: CallId) -> None:
        """The switch refused to send it: it is none of the hour's calls."""
        partner = self._where.get(call)
        if partner is not None and self._accounts[partner].sent:
            self._accounts[partner].sent.pop()

    def ends(self, call: CallId) -> PartnerId | None:
        """The call is not there any more, and the partner is not to blame. Says where it was."""
        partner = self._where.pop(call, None)
        if partner is not None:
            account = self._accounts[partner]
            account.calls.discard(call)
            if account.trial == call:
                account.trial = None
        return partner

    def shut(self, partner: PartnerId) -> bool:
        """Whether it took none of several calls in a row, and none since: also while one call is to try it again."""
        account = self._accounts.get(partner)
        return account is not None and account.open_until is not None

    def at(self, partner: PartnerId) -> int:
        """How many calls are there now."""
        account = self._accounts.get(partner)
        return len(account.calls) if account else 0
