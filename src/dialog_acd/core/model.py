"""The nouns: what exists in a centre, as immutable values.

Everything here is configuration or identity. What *happens* to these things lives in ``acd.py`` and the rooms it opens;
how it is told lives in ``messages.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Mapping

TenantId = NewType("TenantId", str)
QueueId = NewType("QueueId", str)
SkillId = NewType("SkillId", str)
AgentId = NewType("AgentId", str)
PartnerId = NewType("PartnerId", str)
TeamId = NewType("TeamId", str)
CalendarId = NewType("CalendarId", str)
PromptId = NewType("PromptId", str)
CallId = NewType("CallId", str)
"""Asterisk's Uniqueid of the caller's channel; ``systemname`` makes it unique across machines."""
OfferId = NewType("OfferId", str)
"""Decimal digits; travels through the dialplan as part of an extension."""
Phone = NewType("Phone", str)
"""Name of a PJSIP endpoint, ``[0-9a-z-]{1,30}``: it travels through the dialplan as an extension."""


class EntryKind(StrEnum):
    """Why a number exists; reports keep the kinds apart (a town's own number against 115)."""

    MAIN_NUMBER = "main-number"
    SERVICE_115 = "115"
    FORWARDED = "forwarded"
    """A town's own switchboard is unstaffed and forwards to us (Salzhausen, Jesteburg): a number of ours, nobody's
    printed one."""
    PARTNER_INBOUND = "partner-inbound"
    """We are somebody's Oldenburg: another centre's overflow. It never goes on to a partner."""
    INTERNAL = "internal"
    """Own staff: the IT fault line. Not in the citizens' figures."""
    CATCH_ALL = "catch-all"


class SkillKind(StrEnum):
    """What a skill is about."""

    TENANT = "tenant"
    """Knows this town."""
    TOPIC = "topic"
    LANGUAGE = "language"
    """Preferred, never a trap: the last step of a queue must do without."""
    SERVICE_115 = "115"


@dataclass(frozen=True, slots=True)
class Skill:
    id: SkillId
    """``[0-9a-z-]{1,30}``: it is written in steps."""
    name: str
    kind: SkillKind = SkillKind.TOPIC


class Formula(StrEnum):
    """Ways to reckon a service level: the same day can keep a promise by one of them and break it by another."""

    STRICT = "strict"
    """Answered in time, of all offered."""
    LATE_ABANDONS_ONLY = "late-abandons-only"
    """Whoever left within the time promised is not offered."""
    SERVED_ONLY = "served-only"
    """Of those who were answered: hides who gave up."""
    ABANDONS_COUNT = "abandons-count"
    """Whoever left within the time promised counts as answered in time."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is promised: so large a share of the callers is answered within so long. Written ``75 % within 30 s``."""

    share: float
    """0 to 1."""
    within: timedelta
    """Waits up to and including this count as answered in time."""
    since: date | None = None
    """The first day it is promised. ``None``: from the beginning of the contract."""
    kinds: frozenset[EntryKind] = frozenset()
    """Only to callers of these kinds of entry; empty: to all."""


class Span(StrEnum):
    """How long a sum and a volume are agreed for. Years are those of the calendar, as budgets are."""

    MONTH = "month"
    YEAR = "year"


class Key(StrEnum):
    """By what a sum is shared out."""

    MINUTES = "minutes"
    """Of talk and wrap-up."""
    CALLS = "calls"
    """Answered by the centre's own people."""
    INHABITANTS = "inhabitants"
    EQUALLY = "equally"


@dataclass(frozen=True, slots=True)
class Price:
    """What a town pays, in euros; what is not named is free. Several of them add up: a flat sum, then per minute."""

    since: date | None = None
    """The first day it is paid. ``None``: from the beginning of the contract."""
    flat: Decimal = Decimal()
    """Each month, or each year (``each``)."""
    per_call: Decimal = Decimal()
    """For each call answered."""
    per_minute: Decimal = Decimal()
    """For each minute of talk and wrap-up beyond the included ones."""
    per_inhabitant: Decimal = Decimal()
    """Each year."""
    included_minutes: int = 0
    """Minutes of a month, or of a year (``each``), that the flat sum covers."""
    each: Span = Span.MONTH
    """What ``flat``, ``included_minutes`` and ``levy`` are for."""
    levy: Decimal = Decimal()
    """A sum that the towns whose prices name this very one pay together, such as what the centre costs."""
    levy_by: Key = Key.MINUTES
    """How it is shared out between them."""


class Statistics(StrEnum):
    """How far figures may come near a person. Weakening it needs more than one person's word."""

    GROUPS = "groups"
    """Groups of people alone."""
    OWN = "own"
    """Everybody may see their own figures as well."""
    RELEASED = "released"
    """Named figures, after a release that ends."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What was agreed with a town: what the agreement between administrations has to name (NKomZG)."""

    tasks: tuple[str, ...] = ()
    """What the centre does for the town, in its own words."""
    valid_from: date | None = None
    valid_to: date | None = None
    """The last day."""
    targets: tuple[Target, ...] = ()
    """Of those in force for a call the latest counts; none: what its queue is set to."""
    formula: Formula = Formula.STRICT
    """How the service level is reckoned that ``targets`` promise."""
    prices: tuple[Price, ...] = ()
    """Of several, the latest in force counts."""
    inhabitants: int | None = None
    statistics: Statistics = Statistics.GROUPS
    data_protection: str = ""
    """Who is responsible for the callers' data, in a sentence (processor, joint controllers)."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """Somebody answers by name for going live although something is missing."""

    finding: str
    """Id of what is missing."""
    by: str
    why: str
    on: date


NOT_YET = date.max
"""A town that waits to go live: no day is known. Written ``not-yet``."""
UNASSIGNED = TenantId("unassigned")
"""Whose call it is that could be for several towns, until an agent has named one. No town has this id."""

QUESTIONS = {
    "numbers": "Which numbers are to be answered, and how long are the extensions?",
    "hours": "When is the town hall served, by number?",
    "pbx": "Which telephone system forwards the calls, and who looks after it?",
    "trunk-format": "How does its trunk write numbers (a called and a calling one as it sends them)?",
    "closure-days": "On which days besides public holidays is it closed?",
    "staff-council": "Has the staff council (Personalrat) agreed?",
    "bus": "Are the services in the BUS up to date, with office, contact and hours?",
}
"""What a town is asked before it goes live. All of it has to be answered, or waived."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the centre: a town, a county, a region."""

    id: TenantId
    name: str
    label: str
    """What an agent's phone shows in front of the caller's name; short, a display has about 20 characters."""
    code: str | None = None
    """One to four digits by which an agent names the town at the phone."""
    live_from: date | None = None
    """Before this day (00:00 in Berlin) none of its numbers is active. ``NOT_YET``: until it goes live. ``None``: they
    have their own dates alone."""
    contract: Contract = field(default_factory=Contract)
    answers: Mapping[str, str] = field(default_factory=dict)
    """The onboarding form: a key of ``QUESTIONS`` to what the town has answered."""
    waivers: tuple[Waiver, ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What callers or agents hear, in a town's own words. Played as ``acd/<id>``."""

    id: PromptId
    """``[0-9a-z-]{1,30}``."""
    name: str
    text: str = ""
    """The words. A draft of them is spoken by the machine until there is a recording."""
    recording: str | None = None
    """SHA-256 of an uploaded recording, 64 hexadecimal digits."""
    tenant: TenantId | None = None
    """Whose it is; ``None``: the centre's."""


@dataclass(frozen=True, slots=True)
class FailsafeProfile:
    """What Asterisk does with a number's calls when this service is not there.

    Kept inside Asterisk (AstDB), because the day it is needed nobody is there to be asked.
    """

    name: str
    """``[a-z0-9-]{1,30}``."""
    group: str
    """Name of a static group in queues.conf (``acd-failsafe-<group>``)."""
    partner: PartnerId | None = None
    """Where calls go when the group did not answer; ``None``: nowhere, a dispatch call stays here."""
    hours: tuple[str, ...] = ()
    """Asterisk time specifications (``8:00-18:00,mon-fri,*,*``), any of which must match; empty: always open."""
    phones: tuple[Phone, ...] = ()
    """Phones of the group, whether agents sit at them or not. Neither phones nor a team: the group is set up by hand,
    or by another profile that names it."""
    team: TeamId | None = None
    """The phones of this team's agents belong to the group as well."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A dialled number, or a block of them, and where it leads.

    Outside its dates an entry is as if it were not there: a shorter block takes its calls, or the catch-all. What is to
    happen then is another entry of the same number, whose dates do not overlap with this one's.
    """

    number: str
    """E.164 with plus; for the national short number the literal ``115``; for the catch-all an empty text."""
    tenant: TenantId
    queue: QueueId
    kind: EntryKind
    failsafe: str
    """Name of a failsafe profile."""
    block: bool = False
    """The number is the head of a direct-dial block: longer numbers belong to it as well."""
    greeting: str | None = None
    """Prompt that must be heard before anybody may answer; it counts as waiting time. ``None``: none."""
    announcement: str | None = None
    """Prompt the agent hears before the two are connected (the town's name)."""
    calendar: CalendarId | None = None
    """When this number is served. ``None``: always."""
    closed: str = "acd/closed"
    """Prompt a caller hears when it is not; the next opening time is spoken after it."""
    at_most: int | None = None
    """Most calls of this entry with us at once: what was promised to a partner who sends us theirs."""
    spare: int = 0
    """Calls of this entry are taken only while so many able agents would still be free."""
    active_from: date | None = None
    """The first day on which it is active, from 00:00 in Berlin on. ``None``: it always was."""
    active_to: date | None = None
    """The last day on which it is active, to 24:00 in Berlin: a contract *from 01.01. to 31.12.* counts both days, so
    ``2026-12-31`` here, and ``2027-01-01`` as its successor's ``active_from``, leave no gap. ``None``: no end."""
    candidates: tuple[TenantId, ...] = ()
    """Towns that a call to this number may be for (115, where several share an area code). An agent names the one;
    until then the call is ``UNASSIGNED``. Empty: its tenant's."""


# ---------------------------------------------------------------- what a queue needs, step by step


@dataclass(frozen=True, slots=True)
class Need:
    """A skill, at least at this level (1 to 5)."""

    skill: SkillId
    level: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """From so long a wait on, whoever fulfils all of these needs may answer. No needs: anybody.

    Steps only widen: whoever could answer at one step can at the next. Written ``from 15 s: langenhagen>=2``.
    """

    after: timedelta
    needs: tuple[Need, ...] = ()


class AgentOrder(StrEnum):
    """Whose phone rings first, of several who could answer."""

    LONGEST_IDLE = "longest-idle"
    """Fair to the agents; the default."""
    BEST_LEVEL = "best-level"
    """The highest level of what the queue asks for first, then longest idle."""


# ---------------------------------------------------------------- the ladder


class Trigger(StrEnum):
    """What makes a call leave the normal path. The word stands on the record (``overflow by trigger``)."""

    ALL_BUSY = "all-busy"
    WAITED = "waited"
    EXPECTED_WAIT = "expected-wait"
    LENGTH = "queue-length"
    NOBODY = "nobody-signed-in"
    CLOSED_HOURS = "closed-by-hours"
    CLOSED_DAY = "closed-by-day"
    TECHNICAL = "technical"
    SWITCHED = "switched"
    """A supervisor switched the queue over, until a moment."""
    CLOSING_SOON = "closing-soon"
    """The caller will probably not be served before closing."""


class SwitchKind(StrEnum):
    """What a supervisor can switch for a while, and what each is about."""

    OVERFLOW = "overflow"
    """A queue's calls are sent over, by the rungs ``switched`` of its ladder. About the queue."""
    CLOSURE = "closure"
    """An entry is closed. About its number, as the directory has it."""
    ENTRY_MESSAGE = "entry-message"
    """A prompt for each new caller of an entry. About its number."""
    QUEUE_MESSAGE = "queue-message"
    """... whose call waits in a queue. About the queue."""
    CENTRE_MESSAGE = "centre-message"
    """... of the whole centre. About nothing: an empty text."""


class Action(StrEnum):
    WIDEN = "widen"
    QUEUE = "queue"
    PARTNER = "partner"
    ANNOUNCE = "announce"
    CALLBACK = "callback"
    """Offered once in a wait by each such rung: a key, and the caller is promised to be called back at the number they
    call from."""
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a queue's overflow ladder, tried from the top. Written ``waited 60 s: partner oldenburg``."""

    trigger: Trigger
    action: Action
    after: timedelta = timedelta()
    """With ``waited`` and ``expected-wait``."""
    length: int = 0
    """With ``queue-length``: so many callers already wait here."""
    target: str = ""
    """A queue, a partner or a prompt, as the action demands; ``widen``: the number of the step (from 0)."""
    kinds: frozenset[EntryKind] = frozenset()
    """Only for calls of these kinds of entry; empty: for all."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Where calls wait, and what their callers need."""

    id: QueueId
    name: str
    steps: tuple[Step, ...]
    """At least one, the first from 0 s."""
    priority: int = 0
    """Class of the queue's calls, 0 to 9: a higher one goes before all lower ones, however long they have waited
    (dispatch lines). Inside a class the order is the agent's team's."""
    agent_order: AgentOrder = AgentOrder.LONGEST_IDLE
    home_first: bool = False
    """Agents whose home is the caller's town come first (town halls as part of a virtual service centre)."""
    to_partners: bool = True
    """Off: never to a partner, failsafe included (a dispatch line)."""
    ring_for: timedelta = timedelta(seconds=20)
    wrap_up_for: timedelta = timedelta(seconds=10)
    max_wait: timedelta = timedelta(minutes=15)
    """After this the caller leaves the queue for the number's failsafe profile, with or without us."""
    target: timedelta = timedelta(seconds=30)
    """Waits up to and including this count as answered in time."""
    target_share: float = 0.75
    ladder: tuple[Rung, ...] = ()
    music: str = "acd"
    """Music-on-hold class."""


@dataclass(frozen=True, slots=True)
class Team:
    """People who take calls by the same rules. Without a rule switched on: plain longest waiting."""

    id: TeamId
    name: str
    by_target: bool = False
    """Calls go by waiting time *over target*: ten seconds matter more where 20 s were promised than where 60."""
    help_debt: bool = False
    """A town that is below its contract today gets a head start of at most ``MOST_HELP``."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who takes calls, and the phone at the place where they sit."""

    id: AgentId
    name: str
    phone: Phone
    skills: Mapping[SkillId, int] = field(default_factory=dict)
    """Skill to level, 1 to 5."""
    team: TeamId | None = None
    home: TenantId | None = None
    """The town in whose town hall the agent sits; ``None``: in the centre."""
    lines: frozenset[QueueId] = frozenset()
    """The agent keeps to these queues (a dispatch desk); empty: all whose needs they fulfil."""

    def __hash__(self) -> int:
        return hash(self.id)


class Transport(StrEnum):
    """How SIP travels to a partner."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Partner:
    """A foreign centre that takes our calls."""

    id: PartnerId
    """Also the name of its PJSIP endpoint, ``[0-9a-z-]{1,30}``."""
    name: str
    numbers: tuple[str, ...]
    """Numbers to dial there, tried in this order; digits and plus only."""
    ring_for: timedelta = timedelta(seconds=30)
    calendar: CalendarId | None = None
    """When it takes calls, by its own Land's holidays. ``None``: always."""
    channels: int | None = None
    """Calls there at once, as contracted. ``None``: not limited."""
    calls_per_hour: int | None = None
    """Calls sent within any sixty minutes. ``None``: not limited."""
    min_gain: timedelta = timedelta()
    """Nobody is sent away whom our own people would serve within so long."""
    host: str | None = None
    """Where it speaks SIP: ``sip.oldenburg.example:5061``, ``192.0.2.7``, ``[2001:db8::7]``. ``None``: its endpoint is
    set up by hand."""
    transport: Transport = Transport.TLS
    srtp: bool = True
    """The voices are encrypted, too. Their keys are in the signalling (SDES, RFC 4568), hence only with TLS."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """How one way in writes numbers (domain rule: a format is a property of the trunk, never guessed)."""

    name: str
    number_format: str = "national"
    """What a bare number means. Numbers with a prefix (+49, 0049, 0) are read on every trunk.

    ``national``, ``plus``, ``00``: it writes prefixes, and no bare numbers. ``cc-no-plus``: 49... without plus.
    ``subscriber``: bare numbers are completed with the local area code, except those that are as likely whole ones
    that lost their plus. ``auto-with-warning``: nobody knows; a bare number is read where it can be but one number,
    and the directory is remarked on until somebody asks the carrier."""
    area_code: str = "511"
    """Local area code (ONKz) without its leading zero."""
    country_code: str = "49"
