"""What a call's record says, and how it is written down while the call lives.

Moments are those of the KPI definitions (domain sheet, events per call): the wait counts from the first
signalling at our door (``t_in``) until a *person* answers (``t_ans``), announcements included. Our record is
not the switch CDR: it knows towns, promises and blame, and exists exactly once per call.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dialog_acd.core.value import value

if TYPE_CHECKING:
    from dialog_acd.core.model import AgentId, CallId, EntryKind, PartnerId, QueueId, TeamId, TenantId


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
MOST_RUNGS = 12
MOST_OFFERS = 50
"""A caller may be offered to many phones that all fail at once; a record stays a record all the same."""
NAMED_WITHIN = timedelta(hours=24)
"""After a call's end a town may be named for it, or that it was a test. Later, a bill may have been written."""
PROMISED = "promised"
"""Reason of a callback to somebody who came when the number was served. Else it is why the number was closed."""


class Result(StrEnum):
    """How a call ended."""

    SERVED = "served"
    ABANDONED = "abandoned"
    OVERFLOWED = "overflowed"
    """A partner answered."""
    FAILSAFE = "failsafe"
    CLOSED = "closed"
    """Nobody serves the number at this hour; the caller was told when it opens. In no service level."""
    CALLBACK = "callback"
    """Waited, and was promised to be called back instead. Neither answered nor abandoned, unless ``t_ans`` says that
    somebody was spoken to before."""
    RELEASED = "released"
    """Waited, and was told that nobody will answer: a rung said so."""
    REFUSED = "refused"
    """We said something instead of queueing (emergency numbers), or a partner sent more than was agreed."""
    FAILED = "failed"


class Blame(StrEnum):
    CALLER = "caller"
    AGENT = "agent"
    US = "us"
    SWITCH = "switch"
    PARTNER = "partner"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


@value
class Outcome:
    """How a call ended for the business. ``reason`` is a short stable word, fit for a metric's label."""

    result: Result
    reason: str
    blame: Blame


@value
class OfferTried:
    """One offer in the life of a call. ``result`` is ``answered`` or an ``OfferFailure``."""

    offer: str
    agent: str
    at: datetime
    result: str
    why: str = ""
    """How this pair was chosen, in words."""


@value
class RungTaken:
    """One rung of the overflow ladder in the life of a call."""

    at: datetime
    rung: str
    """As an operator writes it."""
    why: str


@value
class Counted:
    """As what a call stands in figures and bills: whose, by which number, in which queue, and by what promise.

    It is what it was at the door, and stays that once somebody has answered: a transfer leads the caller to other
    people, and makes no other call of it.
    """

    tenant: TenantId
    """Whose the number is; nobody's where it has candidates, and another's where somebody has named one."""
    entry: str
    kind: EntryKind
    queue: QueueId
    target_ms: int
    target_share: float

    def in_time(self, waited: timedelta) -> bool:
        """Whether that is no longer than was promised, boundary included."""
        return waited <= timedelta(milliseconds=self.target_ms)


@value
class CallRecord:
    """One row per call. Times are aware UTC, milliseconds count; ``None`` means it did not happen."""

    call: CallId
    tenant: TenantId
    queue: QueueId
    kind: EntryKind
    dialled: str
    ani: str | None
    """The caller's number, E.164 where it can be read. Like ``diversion`` and an outside ``transferred_to`` it is there
    for some days only; ``None`` is also what is left then."""
    trunk: str
    trunk_call_id: str
    t_in: datetime
    t_ann_end: datetime | None
    t_q: datetime | None
    t_ans: datetime | None
    t_end: datetime
    t_wrap_end: datetime | None
    """When the agent's wrap-up is over. It has a fixed length, so this is known when the call ends."""
    t_leave: datetime | None
    """The caller hung up while waiting."""
    t_ovf: datetime | None
    t_ovf_ans: datetime | None
    t_failsafe: datetime | None
    agent: AgentId | None
    partner: PartnerId | None
    transferred_to: str | None
    transfer_blind: bool | None
    failsafe_answered_by: str | None
    hung_up_first: str
    """``caller``, ``agent`` or ``unknown``."""
    cause: int
    """Q.850 cause of the caller's channel, 0 when unknown."""
    outcome: Outcome
    in_time: bool
    """Answered within the queue's target, boundary included (30.000 s is in time)."""
    offers: tuple[OfferTried, ...] = ()
    """The last ``MOST_OFFERS``."""
    overflow_trigger: str = ""
    """A value of ``model.Trigger``: what last sent the caller to a partner, whether it answered or not."""
    overflow_partner: PartnerId | None = None
    """Who was last asked. ``partner`` is who answered."""
    rungs: tuple[RungTaken, ...] = ()
    """What the ladder did, the last ``MOST_RUNGS``."""
    t_callback: datetime | None = None
    """When the caller was promised to be called back (at ``ani``). Who was answered after all has this, too."""
    diversion: str | None = None
    """Who forwarded the call to us (E.164): the town hall whose switchboard is not staffed. Many networks lose it on
    the way, so nothing is decided by it."""
    diversion_reason: str = ""
    """Why it was forwarded, in a word of RFC 5806 (``no-answer``, ``unconditional``); empty where nobody said."""
    candidates: tuple[TenantId, ...] = ()
    """Towns the call could be for when it came, where several share the number; then ``tenant`` is the one that was
    named, or ``UNASSIGNED``."""
    test: bool = False
    """A test call: in no figure."""
    t_amended: datetime | None = None
    """When ``tenant`` or ``test`` was last changed after the record had been written."""
    entry: str = ""
    """Number of the entry, as the directory has it: the head of a block, ``115``. Empty: the catch-all, or a record
    older than this field."""
    target_ms: int | None = None
    """How long the caller might wait by what was promised on the day of the call, in milliseconds; ``None``: the record
    is older than this field. A figure of last year needs no directory of last year."""
    target_share: float | None = None
    """To how many of them it was promised, 0 to 1."""
    team: TeamId | None = None
    """Of the agent who answered, as it was then: what is left when nobody may know any more who it was."""
    caller_area: str | None = None
    """Where the caller's line is: the area code (ONKz) without its 0. ``None``: a mobile, from abroad, withheld, or an
    older record."""
    talk_ms: int | None = None
    """How long our own people talked with the caller, in milliseconds: all conversations, and not the wait between two
    of them. ``None``: nobody of ours did, or the record is older than this field."""
    wrap_ms: int | None = None
    """Wrap-up after these conversations, likewise."""
    caller_hash: str | None = field(default=None, compare=False)
    """The same within a town and a month for the same caller, and no number any more (``retention.py``). Only what
    comes from the database has it, so it makes no two records differ."""

    @property
    def waited(self) -> timedelta:
        """From the door to a person, or to the end where no person came."""
        return (self.t_ans or self.t_ovf_ans or self.t_leave or self.t_end) - self.t_in


@value
class Amendment:
    """What somebody said of a call after its record had been written. ``None``: of this, nothing."""

    call: CallId
    at: datetime
    tenant: TenantId | None = None
    test: bool | None = None


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970. What is measured is the difference of two of these, here as in the database."""
    return (moment - _EPOCH) // _MILLISECOND


def handling_ms(
    talk_ms: int | None, wrap_ms: int | None, t_ans: datetime, t_end: datetime, t_wrap_end: datetime | None
) -> tuple[int, int]:
    """Talk and wrap-up of an answered call, in milliseconds.

    A record that does not say them had one conversation, from the answer to the end of the call: of a transferred one
    at the longest until the wrap-up was over.
    """
    if talk_ms is not None and wrap_ms is not None:
        return talk_ms, wrap_ms
    begun, over = milliseconds(t_ans), milliseconds(t_end)
    wrapped = over if t_wrap_end is None else milliseconds(t_wrap_end)
    # A record may say anything; nobody pays less for a clock that was set back.
    talk = max(min(over, wrapped) - begun, 0)
    return talk, max(wrapped - begun, 0) - talk


def field_names() -> tuple[str, ...]:
    return tuple(f.name for f in fields(CallRecord))


# Q.850 cause of the caller's channel to the blame for a call nobody answered. 0 (Asterisk's word for a plain BYE of a
# caller who is in no bridge), 16, 17, 26 and 31 are what a
# caller's own hang-up looks like on SIP trunks; 34, 38, 41, 42, 44 are the network's (ITU-T Q.850, 2.2.7).
_NETWORK_CAUSES = frozenset({27, 34, 38, 41, 42, 43, 44, 47, 58, 63, 79, 88, 102, 111, 127})


def blame_for(cause: int) -> Blame:
    return Blame.SWITCH if cause in _NETWORK_CAUSES else Blame.CALLER


@dataclass(slots=True)
class Timeline:
    """The moments of a living call. Each is written once, at its first occurrence, except ``t_q``'s successors."""

    t_in: datetime
    t_ann_end: datetime | None = None
    t_q: datetime | None = None
    t_ans: datetime | None = None
    t_wrap_end: datetime | None = None
    t_ovf: datetime | None = None
    t_ovf_ans: datetime | None = None
    t_failsafe: datetime | None = None
    t_talk: datetime | None = None
    """Since when the agent in force has picked up; gone with that agent."""
    talk_ms: int | None = None
    wrap_ms: int | None = None
    """Of the conversations that are over."""
    offers: list[OfferTried] = field(default_factory=list)

    def talked(self, until: datetime, wrap_up_for: timedelta) -> None:
        """A conversation that began at ``t_talk`` is over."""
        if self.t_talk is not None:
            talk_ms = max(milliseconds(until) - milliseconds(self.t_talk), 0)
            self.talk_ms = (self.talk_ms or 0) + talk_ms
            self.wrap_ms = (self.wrap_ms or 0) + wrap_up_for // _MILLISECOND
        self.t_talk = None
