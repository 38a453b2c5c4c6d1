"""The border of the core: signals come in, orders and notices go out.

A **signal** says what happened; it may be late, doubled or about nobody we know. An **order** says what to do;
it must be carried out, and a failure comes back as ``OrderFailed``. A **notice** tells whoever is interested;
it may be lost, and no one dies.

All times are aware UTC datetimes. None of these carries a channel, a header or a SQL row.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dialog_acd.core.value import value

if TYPE_CHECKING:
    from datetime import datetime

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import (
        AgentId,
        CallId,
        EntryKind,
        FailsafeProfile,
        OfferId,
        Partner,
        PartnerId,
        Phone,
        QueueId,
        SwitchKind,
        TenantId,
    )
    from dialog_acd.core.records import Amendment, CallRecord, Counted
    from dialog_acd.core.waiting import Compared


class OfferFailure(StrEnum):
    """Why an offer ended without a conversation."""

    NO_ANSWER = "no-answer"
    DECLINED = "declined"
    """The agent, or the phone, refused the ringing call (486, 603)."""
    PHONE_BUSY = "phone-busy"
    """The phone was in use in the very second of the offer; it never rang."""
    PHONE_GONE = "phone-gone"
    """No contact, no route, or the phone rejected us."""
    CALLER_GONE = "caller-gone"
    NOT_TALKED = "not-talked"
    """The agent answered and hung up before the two were connected."""


class NamingFault(StrEnum):
    """Why a call's town, or that it was a test, could not be noted: ``Ignored.why`` of these signals."""

    NO_CALL = "no-such-call"
    """Nobody knows the call; at the phone: the agent's last one is not known, or its town needs no naming."""
    NO_TOWN = "no-such-town"
    NOT_A_CANDIDATE = "not-a-candidate"
    TOO_LATE = "too-late"


class PromiseFault(StrEnum):
    """Why it could not be noted that a caller was called back: ``Ignored.why`` of these signals."""

    NO_CALL = "no-such-call"
    NO_PROMISE = "no-promise"
    """Its caller is not to be called back; or the call has not ended, or is older than what is known of promises."""
    TOO_LATE = "too-late"
    """It was due so long ago that the promise is broken for good."""
    TOO_EARLY = "too-early"
    """Before the promise was made."""
    TO_COME = "to-come"
    """At a moment that has not come."""


# ---------------------------------------------------------------- signals


@value
class CallArrived:
    """A caller is at the door. ``dialled`` is the number exactly as the trunk wrote it."""

    call: CallId
    dialled: str
    ani: str | None = None
    caller_name: str = ""
    trunk: str = "trunk"
    trunk_call_id: str = ""
    """SIP Call-ID on the trunk: what a carrier asks for when a call is disputed."""
    diversion: str | None = None
    """Who forwarded the call to us, as the trunk wrote it, where it says so and may."""
    diversion_reason: str = ""
    """Why, in a word of RFC 5806; empty where nobody says."""
    takes_offer: bool = False
    """Whether the answer may be an offer. A dialplan from before that was possible does not say so."""


@value
class GreetingEnded:
    call: CallId


@value
class CallerHeld:
    """The dialplan holds the caller in its waiting loop. ``queue`` and ``entered_at`` are the channel's own
    memory of its place: all that is left of a call we have never heard of.
    """

    call: CallId
    queue: QueueId | None = None
    entered_at: datetime | None = None
    after: OfferId | None = None
    """The offer the caller comes back from, if any: a word from before an offer must not end that offer."""


@value
class OfferAnswered:
    call: CallId
    offer: OfferId


@value
class PartiesBridged:
    call: CallId
    offer: OfferId


@value
class OfferFailed:
    call: CallId
    offer: OfferId
    reason: OfferFailure


@value
class AgentHungUp:
    """The agent's side ended first, after a conversation."""

    call: CallId
    offer: OfferId


@value
class CallerHungUp:
    """The caller's channel is gone, whoever ended it. ``cause`` is a Q.850 number, 0 when unknown."""

    call: CallId
    cause: int = 16


@value
class CallTransferred:
    """The agent handed the caller on, ``blind`` or not, to ``target`` (an extension or a phone)."""

    call: CallId
    target: str
    blind: bool


@value
class CallTakenByFailsafe:
    """Asterisk went on without us. ``why``: ``heartbeat``, ``no-answer``, ``max-wait``, ``verdict``, ``dialplan``."""

    call: CallId
    why: str
    dialled: str = ""


@value
class FailsafeAnswered:
    """Somebody of the failsafe profile answered (``by``: phone or partner)."""

    call: CallId
    by: str


@value
class CallbackAsked:
    """A waiting caller, asked for a key, wants to be called back instead."""

    call: CallId


@value
class DivertAnswered:
    call: CallId
    partner: PartnerId
    at: datetime | None = None
    """When, where it was before now: found so after we could not see."""


@value
class DivertFailed:
    call: CallId
    partner: PartnerId
    reason: str


@value
class AgentSignedIn:
    """The agent is at work and not yet ready. Signing in again changes nothing."""

    agent: AgentId


@value
class AgentSignedOut:
    agent: AgentId


@value
class AgentReady:
    """The agent wants calls. Signs in on the way where need be."""

    agent: AgentId


@value
class AgentNotReady:
    agent: AgentId
    why: str = "pause"


@value
class PhoneStateChanged:
    """``state`` is a value of ``lifecycle.PhoneState``."""

    phone: Phone
    state: str


@value
class OrderFailed:
    """``certain``: the switch refused, so nothing moved. Otherwise nobody knows, and a deadline decides."""

    order: Offer | Hold | Withdraw | Divert | Say | Release
    why: str
    certain: bool


@value
class SupervisorSwitched:
    """A supervisor wants something otherwise (``kind``) until a moment; ``None``: as it was, from now on."""

    kind: SwitchKind
    about: str
    """A queue, an entry's number as the directory has it, or nothing: as the kind demands."""
    until: datetime | None
    by: str = ""
    prompt: str | None = None
    """Name of a prompt in the folder ``acd``: with a message; with a closure, in place of the entry's ``closed``."""


@value
class TownNamed:
    """Somebody says for which town a call is, or was; ``UNASSIGNED``: that nobody knows after all."""

    call: CallId
    tenant: TenantId
    by: str = ""
    anywhere: bool = False
    """Also a town that is no candidate: who says so answers for all towns."""
    record: CallRecord | None = None
    """Of a call that ended longer ago than the core remembers, as far as whoever tells has found it."""


@value
class TownDialled:
    """An agent names the town of the last conversation by its code."""

    agent: AgentId
    code: str


@value
class CallMarked:
    """Somebody says that a call is, or was, a test call; ``test`` off: that it was none."""

    call: CallId
    test: bool
    by: str = ""
    record: CallRecord | None = None
    """As with ``TownNamed``."""


@value
class PromiseMarked:
    """Somebody says that a caller who was promised it has been called back; ``kept`` off: nobody has, after all."""

    call: CallId
    kept: bool
    at: datetime | None = None
    """When; ``None``: now, unless it has been said before."""
    by: str = ""
    tenant: TenantId | None = None
    """Whose calls alone whoever says so may speak of."""
    record: CallRecord | None = None
    """As with ``TownNamed``."""


@value
class DirectoryChanged:
    directory: Directory


@value
class SwitchCall:
    """One caller as the switch sees it in a snapshot."""

    call: CallId
    place: str
    """``wait``, ``offer``, ``talk``, ``overflow``, ``partner``, ``failsafe``, ``transfer``, ``closed`` or
    ``arriving``."""
    queue: QueueId | None = None
    entered_at: datetime | None = None
    offer: OfferId | None = None
    phone: Phone | None = None
    """Whose phone rings or talks (``offer``, ``talk``)."""
    partner: PartnerId | None = None
    """Who rings or talks (``overflow``, ``partner``)."""
    talked_at: datetime | None = None
    """When caller and agent were connected, to the second."""


@value
class SwitchLost:
    switch: str


@value
class SwitchFound:
    """The link is up (or an audit is due): the whole truth about callers and phones.

    ``at`` is the moment the picture began to be taken, by our clock; what we learnt about a call after that
    moment is younger than the picture and wins.
    """

    switch: str
    calls: tuple[SwitchCall, ...]
    phones: tuple[tuple[Phone, str], ...]
    at: datetime
    audit: bool = False


@value
class Tick:
    """A deadline has come."""


@value
class Beat:
    """Two seconds are over; once this is handled, the engine has proven that it turns."""


Signal = (
    CallArrived
    | GreetingEnded
    | CallerHeld
    | OfferAnswered
    | PartiesBridged
    | OfferFailed
    | AgentHungUp
    | CallerHungUp
    | CallTransferred
    | CallTakenByFailsafe
    | FailsafeAnswered
    | CallbackAsked
    | DivertAnswered
    | DivertFailed
    | AgentSignedIn
    | AgentSignedOut
    | AgentReady
    | AgentNotReady
    | PhoneStateChanged
    | OrderFailed
    | SupervisorSwitched
    | TownNamed
    | TownDialled
    | CallMarked
    | PromiseMarked
    | DirectoryChanged
    | SwitchLost
    | SwitchFound
    | Tick
    | Beat
)


# ---------------------------------------------------------------- orders


class Verdict(StrEnum):
    """What the dialplan shall do with a caller at the door."""

    HOLD = "hold"
    EMERGENCY = "emergency"
    """110 or 112 dialled: say where help is, never queue it silently."""
    FAILSAFE = "failsafe"
    CLOSED = "closed"
    """Say so, and when it opens again; then hang up."""
    BUSY = "busy"
    """A partner's call that we have not promised to take: as busy, unanswered, so that it goes back there."""


@value
class Treat:
    """Answer to the question the dialplan asks at arrival; becomes channel variables."""

    call: CallId
    verdict: Verdict
    tenant: TenantId | None = None
    queue: QueueId | None = None
    entered_at: datetime | None = None
    max_wait_at: datetime | None = None
    patience: timedelta = timedelta(minutes=15)
    """How long the caller may wait from any beginning of a wait."""
    ring_for: timedelta | None = None
    greeting: str | None = None
    messages: tuple[str, ...] = ()
    """Prompts of the day, to be heard after the greeting and, like it, before anybody may answer."""
    announcement: str | None = None
    music: str = "acd"
    label: str = ""
    """Town, shown on the agent's phone in front of the caller's name."""
    caller_name: str = ""
    ani: str | None = None
    failsafe: str = ""
    closed: str = ""
    """Prompt of a caller who finds us closed."""
    opens_at: datetime | None = None
    offer: Offer | None = None
    """To be carried out at once, in the place of waiting: somebody was free."""


@value
class Offer:
    """Ring this agent for this call. The dialplan's own ``Dial`` timeout is ``ring_for``."""

    call: CallId
    offer: OfferId
    agent: AgentId
    phone: Phone
    ring_for: timedelta


@value
class Withdraw:
    """Take an offer back: the caller goes to the waiting loop, the phone stops ringing."""

    call: CallId
    offer: OfferId


@value
class Hold:
    """Send the caller (back) to the waiting loop."""

    call: CallId


@value
class Divert:
    call: CallId
    partner: PartnerId
    number: str
    ring_for: timedelta


@value
class Say:
    """Play a prompt to a waiting caller, who then waits on."""

    call: CallId
    prompt: str
    number: int | None = None
    """Spoken after the prompt."""
    callback: bool = False
    """The prompt offers a callback: the key 1 comes back as ``CallbackAsked``."""


@value
class Release:
    """Say a last word to a waiting caller and hang up. ``opens_at`` is spoken after the prompt."""

    call: CallId
    prompt: str
    opens_at: datetime | None = None
    again: bool = True
    """Without ``opens_at``: ask the caller to call again."""


@value
class ToFailsafe:
    """Let Asterisk alone look after a caller who waits: at the waiting loop's next turn, two seconds at most."""

    call: CallId


@value
class SaveRecord:
    record: CallRecord


@value
class AmendRecord:
    """Change the record of a call that has one, or is about to: it may still be on its way."""

    amendment: Amendment


@value
class RememberIntent:
    """Keep what an agent wants beyond our own restart: nobody should have to sign in again because we were updated.

    ``intent`` is a value of ``lifecycle.Intent``.
    """

    agent: AgentId
    intent: str
    reason: str
    at: datetime


@value
class Switch:
    """What a supervisor has switched. It always ends by itself."""

    kind: SwitchKind
    about: str
    until: datetime
    by: str
    at: datetime
    """Since when: who was there before is not concerned."""
    prompt: str | None = None
    tenant: TenantId | None = None
    """Whose number it is about; ``None``: about a queue, or the whole centre."""


@value
class RememberSwitch:
    """Keep what a supervisor has switched beyond our own restart; ``switch`` is ``None`` when it is over."""

    kind: SwitchKind
    about: str
    switch: Switch | None


@value
class RememberCall:
    """Keep what is known of a call from its door on, until its record is saved: a restart of ours must not forget who
    is there, and whoever leaves meanwhile still gets a record. Comes again when a callback is promised, a town named,
    a test marked, when somebody has answered or is done, and when the call is sent to a partner.
    """

    call: CallId
    dialled: str
    ani: str | None
    caller_name: str
    trunk: str
    trunk_call_id: str
    at: datetime
    callback_at: datetime | None = None
    diversion: str | None = None
    diversion_reason: str = ""
    named: TenantId | None = None
    """The town somebody has named."""
    test: bool = False
    t_ann_end: datetime | None = None
    t_ans: datetime | None = None
    agent: AgentId | None = None
    """Who talked with the caller last, or does."""
    t_talk: datetime | None = None
    """Since when, of a conversation that goes on."""
    talk_ms: int | None = None
    wrap_ms: int | None = None
    """Of the conversations that are over."""
    t_ovf: datetime | None = None
    asked: PartnerId | None = None
    """Which partner was last asked."""
    trigger: str = ""
    """What sent the call there."""
    due_at: datetime | None = None
    """By when the caller is to be called back."""
    counted: Counted | None = None
    """As what it is counted, if somebody has answered."""


@value
class Heartbeat:
    """Tell every switch that the engine turns."""


@value
class KeepFailsafe:
    """Write the failsafe profiles, and which number has which, into the switch's own memory."""

    profiles: tuple[tuple[FailsafeProfile, Partner | None], ...]
    numbers: tuple[tuple[str, bool, str], ...]
    """(number as in ``Entry.number``, whether it heads a block, name of its profile)."""
    default: str


Order = (
    Treat
    | Offer
    | Withdraw
    | Hold
    | Divert
    | Say
    | Release
    | ToFailsafe
    | SaveRecord
    | AmendRecord
    | RememberIntent
    | RememberSwitch
    | RememberCall
    | Heartbeat
    | KeepFailsafe
)


# ---------------------------------------------------------------- notices
#
# ``tenant`` is whose the call is at that moment: ``UNASSIGNED`` until somebody has named its town (``CallAssigned``).
# ``test``: known at the door as a test call, to be counted apart.


@value
class CallOffered:
    """A call came in and belongs to this queue. (In a report: *offered*. An offer to an agent is ``Offer``.)"""

    call: CallId
    tenant: TenantId
    queue: QueueId
    kind: EntryKind
    test: bool = False


@value
class NumberUnknown:
    """Nobody owns the number; the catch-all queue took the call. Somebody should look."""

    call: CallId
    dialled: str
    test: bool = False


@value
class CallQueued:
    call: CallId
    queue: QueueId
    position: int


@value
class CallAnswered:
    call: CallId
    tenant: TenantId
    queue: QueueId
    kind: EntryKind
    agent: AgentId
    waited: timedelta
    in_time: bool
    test: bool = False


@value
class CallAbandoned:
    call: CallId
    tenant: TenantId
    queue: QueueId
    kind: EntryKind
    waited: timedelta
    test: bool = False


@value
class CallDiverted:
    call: CallId
    tenant: TenantId
    queue: QueueId
    partner: PartnerId
    why: str
    trigger: str = ""
    """A value of ``model.Trigger``."""
    test: bool = False


@value
class DivertMissed:
    """The partner did not take the call, who has the old place again. ``reason``: ``busy``, ``noanswer``, ..."""

    call: CallId
    queue: QueueId
    partner: PartnerId
    reason: str


@value
class PartnerShut:
    """A partner took none of several calls in a row; nobody is sent there before ``until``."""

    partner: PartnerId
    until: datetime


@value
class CallWidened:
    """More people may serve a waiting call now: a later step, or another queue's."""

    call: CallId
    queue: QueueId
    why: str


@value
class CallReleased:
    """A caller was told that nobody will answer, and why (``closed-by-hours``, ...)."""

    call: CallId
    tenant: TenantId
    queue: QueueId
    why: str


@value
class CallbackPromised:
    """A waiting caller was promised to be called back at the number they call from."""

    call: CallId
    tenant: TenantId
    queue: QueueId


@value
class CallAssigned:
    """A call's town was named, or taken back. ``agent``: who dialled it at the phone; ``by``: whoever it was."""

    call: CallId
    before: TenantId
    tenant: TenantId
    by: str
    agent: AgentId | None = None
    test: bool = False
    counted: bool = False
    """The call has ended: it stands in the counters as what it was then."""


@value
class TestMarked:
    """Somebody has said after its arrival that a call is a test call, or that it is none."""

    call: CallId
    test: bool
    by: str
    counted: bool = False
    """The call has ended: it stands in the counters as what it was then."""


@value
class CallbackMade:
    """Somebody has said that a caller was called back (``at``), or that nobody has called; or said it again."""

    call: CallId
    tenant: TenantId
    due_at: datetime
    at: datetime | None
    by: str


@value
class SwitchTurned:
    """What a supervisor has switched is in force, or (``until`` is ``None``) no longer, and ``why`` not."""

    kind: SwitchKind
    about: str
    until: datetime | None
    by: str
    prompt: str | None = None
    why: str = ""


@value
class WaitsCompared:
    """A wait ended with an agent, who was named just before (``OfferTaken``): what was expected of it, and what the
    queue's predictors were worth lately.
    """

    queue: QueueId
    wait: Compared


@value
class FailsafeEntered:
    call: CallId
    tenant: TenantId
    queue: QueueId
    why: str
    test: bool = False


@value
class OfferMade:
    """An agent is being rung for a call; ``why`` says how the choice was made."""

    call: CallId
    queue: QueueId
    agent: AgentId
    why: str


@value
class OfferMissed:
    call: CallId
    queue: QueueId
    agent: AgentId
    reason: OfferFailure
    test: bool = False


@value
class OfferTaken:
    call: CallId
    queue: QueueId
    agent: AgentId
    test: bool = False


@value
class AgentChanged:
    """``axis`` is ``intent``, ``work`` or ``phone``; ``before`` and ``after`` are values of that axis."""

    agent: AgentId
    axis: str
    before: str
    after: str
    why: str


@value
class CallEnded:
    """The whole story of a call: for the one canonical log line, and for whoever counts finished calls."""

    record: CallRecord


@value
class PictureDiffered:
    """An audit found the switch and us of two minds; ``what`` says how it was settled."""

    call: CallId | None
    what: str


@value
class Ignored:
    """A signal that made no sense now. Normal on a hostile wire: counted, logged, forgotten."""

    signal: str
    why: str
    about: str = ""


@value
class Unsettled:
    """A signal set something going that did not come to rest: a defect. What is left waits for the next signal."""

    signal: str


Notice = (
    CallOffered
    | NumberUnknown
    | CallQueued
    | CallAnswered
    | CallAbandoned
    | CallDiverted
    | DivertMissed
    | PartnerShut
    | CallWidened
    | CallReleased
    | CallbackPromised
    | CallAssigned
    | TestMarked
    | CallbackMade
    | SwitchTurned
    | WaitsCompared
    | FailsafeEntered
    | OfferMade
    | OfferMissed
    | OfferTaken
    | AgentChanged
    | CallEnded
    | PictureDiffered
    | Ignored
    | Unsettled
)
