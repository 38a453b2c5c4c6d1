"""Reachability and speed, from finished records: numerators and denominators first, a percentage last.

The definitions are those of the 115 network and of the towns' contracts; ``catalogue.py`` says each of them in the
words of a report. Every call has exactly one *fate*, so that no two outcomes are ever mixed and all of them together
are all calls. **Offered** (O) are those that wanted a person, and came when the number is served:

- **answered** (own A): a person of ours answered, whatever became of the call later. **partner**: nobody of ours did, a
  partner's person did. **failsafe**: Asterisk took the call out of our hands and neither of the two had answered it
  before; whether the failsafe group then answered is told apart. **released**: the caller waited and was told that
  nobody will answer; one way of being abandoned. **callback**: the caller chose to be called back; neither answered nor
  abandoned. **failed**: technical losses.
- **abandoned** (B): whoever is left of the offered, without the answered, the callbacks and the technical losses
  (failed, failsafe). The caller hung up before anybody answered: within five seconds a *short* abandon, sent or not;
  later, after having been sent to a partner, overflowed and *lost*. Or the caller was *released*: who waits in vain and
  is sent away has not left us in a better way.

Not offered are: a call that found the number **closed** and was told when it opens, or was promised to be called back;
one that was **refused** (who dialled an emergency number was told where help is; a partner sent more than was agreed);
and a **test** call. A call that came out of hours and was sent to a partner all the same (115 on a Friday afternoon)
was promised a person, so it is offered.

- **sent** (V): handed to a partner at least once, whoever answered in the end.
- **wait** of a call: from the first signalling at our door until a person answers, announcements included; a
  partner's person counts. In whole milliseconds, begun ones counted: then 30.000 s is in time and 30.0001 s is not, and
  sums are exact wherever they are made.
- **service level, strict**: answered within what was promised (boundary included) by ours or by a partner, out of *all*
  offered. The kinder formulas stand beside it under names of their own: the same day can "meet" 75/30 by one of them
  and miss it by the strict one, so none of them is ever printed without its name.
- **promise**: what was promised to this caller on that day is on the record. Over several promises (a contract that
  changed within the year, 115 beside the town's own number) the pooled share says how many were answered within *their
  own* time. It can be compared with no promised share, for there are several: whether a promise was kept is said for
  each of them apart (``Figures.promises``).
- **unassigned**: offered calls of a number that several towns share of which nobody has said whose they were; a group
  of their own beside the towns.

A call belongs to the half hour and the Berlin day in which it came, whenever it ended. A value over a period is made of
pooled counts, never a mean of percentages, so a ``Ratio`` keeps both numbers, ``Figures`` of two days or towns add up,
and nothing divided by nothing is ``None`` ("keine Daten"), never 0 % and never 100 %.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from dialog_acd.core.errors import DialogAcdError
from dialog_acd.core.model import UNASSIGNED, EntryKind, Formula, QueueId, TenantId
from dialog_acd.core.records import NAMED_WITHIN, PROMISED, Result, handling_ms

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from dialog_acd.core.records import CallRecord

DEFAULT_TARGET = timedelta(seconds=30)
"""115: 75 per cent within 30 seconds. For records that do not say what was promised."""
SHORT = timedelta(seconds=5)
"""Who leaves within so long was hardly there: a *short* abandon."""
CITIZENS = frozenset(EntryKind) - {EntryKind.PARTNER_INBOUND, EntryKind.INTERNAL}
"""Kinds of entry whose calls are the citizens'. What a partner sends us is in that partner's figures, and our own
staff's fault line has other promises: neither is mixed into what a council reads."""
BERLIN = ZoneInfo("Europe/Berlin")
_LASTS = timedelta(hours=6)
"""A call that came before midnight is over by then."""
_MS = timedelta(milliseconds=1)
_NO_TIME = timedelta()


# ---------------------------------------------------------------- numbers


@dataclass(frozen=True, slots=True)
class Ratio:
    """So many of so many."""

    numerator: int
    denominator: int

    def percent(self) -> float | None:
        """Per cent, unrounded; ``None`` where there is nothing to divide by."""
        return 100 * self.numerator / self.denominator if self.denominator else None

    def share(self) -> float | None:
        """The same between 0 and 1."""
        return self.numerator / self.denominator if self.denominator else None

    def reaches(self, share: float) -> bool | None:
        """At least this share, 0 to 1; ``None`` where there is nothing to divide by."""
        # 0.55 of 100 is 55.00000000000001, which 55 would miss.
        return self.numerator >= round(share * self.denominator, 6) if self.denominator else None

    def __str__(self) -> str:
        percent = self.percent()
        return "keine Daten" if percent is None else f"{percent:.1f} %".replace(".", ",")

    def __add__(self, other: Ratio) -> Ratio:
        """Pool two counts: the only right way to join days or towns."""
        return Ratio(self.numerator + other.numerator, self.denominator + other.denominator)


@dataclass(frozen=True, slots=True)
class Mean:
    """A sum over so many."""

    total: float
    of: int

    def value(self) -> float | None:
        """``None`` where there is nothing to divide by."""
        return self.total / self.of if self.of else None

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.total + other.total, self.of + other.of)


@dataclass(frozen=True, slots=True)
class Rank:
    """One of so many waits, in seconds; ``None``: there is none."""

    seconds: float | None
    of: int


def percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank: the smallest value that at least ``share`` (0 to 1) of all values do not exceed.

    Always a wait that somebody really had; no interpolation between two callers. ``None`` without values.
    """
    return _nearest_rank(sorted(values), share)


def _nearest_rank(in_order: Sequence[float], share: float) -> float | None:
    if not 0 < share <= 1:
        raise ValueError(f"a share lies above 0 and not above 1, not {share}")
    if not in_order:
        return None
    # 0.07 * 100 is 7.000000000000001: without rounding, the rank would be one too high.
    return in_order[math.ceil(round(share * len(in_order), 9)) - 1]


def in_ms(length: timedelta) -> int:
    """Whole milliseconds, begun ones counted."""
    return -(-length // _MS)


# ---------------------------------------------------------------- one call


class Fate(StrEnum):
    """What became of a call: of each exactly one. See the head of this file."""

    ANSWERED = "answered"
    PARTNER = "partner"
    ABANDONED_HERE = "abandoned-here"
    """After more than five seconds, never sent to a partner."""
    SHORT = "abandoned-short"
    LOST = "overflowed-lost"
    """Was sent to a partner, nobody answered, and the caller left after more than five seconds."""
    CALLBACK = "callback"
    RELEASED = "released"
    FAILSAFE_ANSWERED = "failsafe-answered"
    FAILSAFE = "failsafe"
    """Nobody answered there, as far as we know."""
    FAILED = "failed"
    CLOSED = "closed"
    CLOSED_CALLBACK = "closed-callback"
    """Found the number closed, and was promised to be called back."""
    REFUSED = "refused"
    TEST = "test"


NOT_OFFERED = frozenset({Fate.CLOSED, Fate.CLOSED_CALLBACK, Fate.REFUSED, Fate.TEST})
OFFERED = frozenset(Fate) - NOT_OFFERED
GAVE_UP = frozenset({Fate.ABANDONED_HERE, Fate.SHORT, Fate.LOST, Fate.RELEASED})
"""B, abandoned."""


class Facts(NamedTuple):
    """What figures need of a record, and no more: no person, no number of a caller."""

    tenant: TenantId
    entry: str
    kind: EntryKind
    queue: QueueId
    t_in: datetime
    t_ann_end: datetime | None
    t_ans: datetime | None
    t_end: datetime
    t_wrap_end: datetime | None
    talk_ms: int | None
    wrap_ms: int | None
    t_leave: datetime | None
    t_ovf: datetime | None
    t_ovf_ans: datetime | None
    result: Result
    reason: str
    failsafe_answered: bool
    overflow_trigger: str
    overflow_partner: str | None
    test: bool
    target_ms: int | None
    target_share: float | None


def facts(record: CallRecord) -> Facts:
    """Of a record, what figures need."""
    return Facts(
        record.tenant, record.entry, record.kind, record.queue, record.t_in, record.t_ann_end, record.t_ans,
        record.t_end, record.t_wrap_end, record.talk_ms, record.wrap_ms, record.t_leave, record.t_ovf,
        record.t_ovf_ans, record.outcome.result, record.outcome.reason, record.failsafe_answered_by is not None,
        record.overflow_trigger,
        record.overflow_partner, record.test, record.target_ms, record.target_share,
    )  # fmt: skip


def fate(call: Facts) -> Fate:
    """What became of this call."""
    result = call.result
    if call.test:
        return Fate.TEST
    if call.t_ans is not None:
        return Fate.ANSWERED
    if call.t_ovf_ans is not None:
        return Fate.PARTNER
    if result is Result.ABANDONED:
        if (call.t_leave or call.t_end) - call.t_in <= SHORT:
            return Fate.SHORT
        return Fate.ABANDONED_HERE if call.t_ovf is None else Fate.LOST
    if result is Result.CLOSED:
        return Fate.CLOSED if call.t_ovf is None else Fate.RELEASED
    if result is Result.CALLBACK:
        return Fate.CLOSED_CALLBACK if call.reason != PROMISED and call.t_ovf is None else Fate.CALLBACK
    if result is Result.FAILSAFE:
        return Fate.FAILSAFE_ANSWERED if call.failsafe_answered else Fate.FAILSAFE
    if result is Result.RELEASED:
        return Fate.RELEASED
    return Fate.REFUSED if result is Result.REFUSED else Fate.FAILED


# ---------------------------------------------------------------- many calls


class Promise(NamedTuple):
    """What a caller was promised: to be answered within so long, with so large a share (0 to 1) of the others."""

    target_ms: int
    share: float


class Sent(NamedTuple):
    """What sent a call (a value of ``model.Trigger``), to which partner last, and what became of it."""

    trigger: str
    partner: str
    fate: Fate


@dataclass(slots=True)
class Kept:
    """How a promise was kept."""

    offered: int = 0
    accepted: int = 0
    """Answered by ours or by a partner."""
    in_time: int = 0
    """Of these, within what was promised."""
    abandoned_in_time: int = 0
    """Left within what was promised."""
    abandoned_short: int = 0
    abandoned: int = 0
    """All of them."""

    def level(self, formula: Formula) -> Ratio:
        """The service level by this formula."""
        match formula:
            case Formula.STRICT:
                return Ratio(self.in_time, self.offered)
            case Formula.LATE_ABANDONS_ONLY:
                return Ratio(self.in_time, self.offered - self.abandoned_in_time)
            case Formula.SERVED_ONLY:
                return Ratio(self.in_time, self.accepted)
            case Formula.ABANDONS_COUNT:
                late = self.accepted - self.in_time + self.abandoned - self.abandoned_in_time
                return Ratio(self.offered - late, self.offered)

    def join(self, other: Kept) -> None:
        self.offered += other.offered
        self.accepted += other.accepted
        self.in_time += other.in_time
        self.abandoned_in_time += other.abandoned_in_time
        self.abandoned_short += other.abandoned_short
        self.abandoned += other.abandoned


class Verdict(NamedTuple):
    """What is to be said of one promise. ``promise``: ``None``, where the records are older than that."""

    promise: Promise | None
    level: Ratio
    kept: bool | None
    """``None``: nobody called to whom it was made, or nobody knows what it was."""


@dataclass(frozen=True, slots=True)
class Dispositions:
    """How calls that were answered ended for the citizen: exactly one word for each, said by whoever answered."""

    final: int = 0
    """Answered, an appointment included."""
    transferred: int = 0
    """To an office, announced or not."""
    ticket: int = 0
    referred: int = 0
    """Told whom to turn to."""
    misdial: int = 0
    dropped: int = 0
    missing: int = 0
    """Of these calls nobody has said anything."""

    @property
    def answered(self) -> int:
        """A: all of them."""
        return self._told + self.misdial + self.dropped + self.missing

    @property
    def _told(self) -> int:
        return self.final + self.transferred + self.ticket + self.referred

    def fcr(self, *, referred_counts: bool = False) -> Ratio:
        """Erstlösungsquote. ``referred_counts``: the town's rule takes the right address for an answer."""
        return Ratio(self.final + self.referred * referred_counts, self._told)

    def fcr_lower_bound(self, *, referred_counts: bool = False) -> Ratio:
        """The same, if all of which nothing is said had not been solved."""
        return Ratio(self.final + self.referred * referred_counts, self._told + self.missing)

    @property
    def transfer_rate(self) -> Ratio:
        """Weitervermittlungsquote."""
        return Ratio(self.transferred, self._told)

    @property
    def ticket_rate(self) -> Ratio:
        """Ticketquote."""
        return Ratio(self.ticket, self._told)

    @property
    def referred_rate(self) -> Ratio:
        """Verweisquote: with it, the other three add up to all."""
        return Ratio(self.referred, self._told)

    @property
    def missing_rate(self) -> Ratio:
        """Anteil ohne Ergebnis. Always printed beside the others."""
        return Ratio(self.missing, self.answered)

    def __add__(self, other: Dispositions) -> Dispositions:
        return Dispositions(
            self.final + other.final,
            self.transferred + other.transferred,
            self.ticket + other.ticket,
            self.referred + other.referred,
            self.misdial + other.misdial,
            self.dropped + other.dropped,
            self.missing + other.missing,
        )


_NOTHING = Ratio(0, 0)


@dataclass(slots=True)
class Figures:
    """Finished calls, counted one by one. Waits are whole milliseconds (``in_ms``), in no order."""

    fates: Counter[Fate] = field(default_factory=Counter)
    """Every call once."""
    sent: Counter[Sent] = field(default_factory=Counter)
    """V, every call once."""
    promises: dict[Promise | None, Kept] = field(default_factory=dict)
    """Offered calls by what was promised; ``None``: the record is older than that, and was measured by a fallback."""
    unassigned: int = 0
    """Offered, and nobody has said for which of several towns: in no town's figures, and in nobody's bill."""
    waits: list[int] = field(default_factory=list)
    """Of whoever a person answered, ours or a partner's."""
    waits_in_line: list[int] = field(default_factory=list)
    """The same, without the announcement that had to be heard."""
    waits_of_abandoned: list[int] = field(default_factory=list)
    talked_ms: int = 0
    """Conversation, of calls answered by ours."""
    handled_ms: int = 0
    """Conversation and wrap-up, of the same."""
    people: int = field(default=0, compare=False)
    """At least so many different agents answered them; 0: nobody can say. Told for towns and whole days of citizens'
    calls alone."""
    dispositions: Dispositions | None = None
    """``None``: nobody says how calls ended for the citizen."""
    callbacks: Ratio | None = None
    """Promises of a callback kept by when they were due, of all that were due; ``None``: there were none, or these are
    not whole days and towns."""

    def add(self, record: CallRecord, fallback: timedelta = DEFAULT_TARGET) -> None:
        """Count a finished call. ``fallback``: what was promised, where the record does not say."""
        self.count(facts(record), fallback)

    def count(self, call: Facts, fallback: timedelta = DEFAULT_TARGET) -> None:
        """As ``add``."""
        became = fate(call)
        self.fates[became] += 1
        if became in NOT_OFFERED:
            return
        target, share = call.target_ms, call.target_share
        promise = None if target is None or share is None else Promise(target, share)
        if target is None:
            target = in_ms(fallback)
        kept = self.promises.get(promise)
        if kept is None:
            kept = self.promises[promise] = Kept()
        kept.offered += 1
        self.unassigned += call.tenant == UNASSIGNED
        if call.t_ovf is not None:
            self.sent[Sent(call.overflow_trigger, call.overflow_partner or "", became)] += 1
        answer = call.t_ans or call.t_ovf_ans
        if answer is not None:
            wait = in_ms(answer - call.t_in)
            self.waits.append(wait)
            heard = call.t_ann_end
            self.waits_in_line.append(wait if heard is None else in_ms(max(answer - heard, _NO_TIME)))
            kept.accepted += 1
            kept.in_time += wait <= target
            if became is Fate.ANSWERED:
                # The same milliseconds as on the bill.
                talk_ms, wrap_ms = handling_ms(call.talk_ms, call.wrap_ms, answer, call.t_end, call.t_wrap_end)
                self.handled_ms += talk_ms + wrap_ms
                self.talked_ms += talk_ms
        elif became in GAVE_UP:
            wait = in_ms((call.t_leave or call.t_end) - call.t_in)
            self.waits_of_abandoned.append(wait)
            kept.abandoned_in_time += wait <= target
            kept.abandoned_short += became is Fate.SHORT
            kept.abandoned += 1

    def join(self, other: Figures) -> None:
        """Pool the counts of other calls with these."""
        for became, count in other.fates.items():
            self.fates[became] += count
        for sent, count in other.sent.items():
            self.sent[sent] += count
        for promise, theirs in other.promises.items():
            kept = self.promises.get(promise)
            if kept is None:
                kept = self.promises[promise] = Kept()
            kept.join(theirs)
        self.unassigned += other.unassigned
        self.waits += other.waits
        self.waits_in_line += other.waits_in_line
        self.waits_of_abandoned += other.waits_of_abandoned
        self.talked_ms += other.talked_ms
        self.handled_ms += other.handled_ms
        # Perhaps the same people.
        self.people = max(self.people, other.people)
        if other.dispositions is not None:
            self.dispositions = (self.dispositions or Dispositions()) + other.dispositions
        if other.callbacks is not None:
            self.callbacks = (self.callbacks or _NOTHING) + other.callbacks

    # ---------------------------------------------------------------- counts

    @property
    def calls(self) -> int:
        """All there were, the test calls included."""
        return self.fates.total()

    @property
    def offered(self) -> int:
        return self.calls - sum(self.fates[became] for became in NOT_OFFERED)

    @property
    def answered(self) -> int:
        """By ours."""
        return self.fates[Fate.ANSWERED]

    @property
    def overflowed(self) -> int:
        """By a partner, and by none of ours."""
        return self.fates[Fate.PARTNER]

    @property
    def abandoned(self) -> int:
        """B: the short ones, those lost by an overflow, those released, and all others."""
        return sum(self.fates[became] for became in GAVE_UP)

    @property
    def abandoned_short(self) -> int:
        return self.fates[Fate.SHORT]

    @property
    def failsafe(self) -> int:
        """Answered there or not."""
        return self.fates[Fate.FAILSAFE] + self.fates[Fate.FAILSAFE_ANSWERED]

    @property
    def answered_here(self) -> int:
        """Of ``answered``, those never sent to a partner."""
        return self.answered - self._sent_and(Fate.ANSWERED)

    @property
    def pooled(self) -> Kept:
        """Of all promises together, each call by its own."""
        whole = Kept()
        for kept in self.promises.values():
            whole.join(kept)
        return whole

    @property
    def in_time(self) -> int:
        return sum(kept.in_time for kept in self.promises.values())

    @property
    def abandoned_in_time(self) -> int:
        """Left within the target."""
        return sum(kept.abandoned_in_time for kept in self.promises.values())

    @property
    def had_to_wait(self) -> int:
        """Answered or abandoned, and not in the very moment they came."""
        return sum(wait > 0 for waits in (self.waits, self.waits_of_abandoned) for wait in waits)

    def _sent_and(self, became: Fate) -> int:
        return sum(count for sent, count in self.sent.items() if sent.fate is became)

    # ---------------------------------------------------------------- reachability

    @property
    def accepted(self) -> Ratio:
        """Annahmequote (Netz): ours and the partners' answers out of all offered."""
        return Ratio(self.answered + self.overflowed, self.offered)

    @property
    def accepted_own(self) -> Ratio:
        """Annahmequote (eigen): what our own people made of the calls that were left to them.

        A call that was sent and came back is in neither number: with it above and not below, a partner who is down
        would lift the share beyond 100 %.
        """
        return Ratio(self.answered_here, self.offered - self.sent.total())

    @property
    def accepted_adjusted(self) -> Ratio:
        """Annahmequote bereinigt: short abandons are not offered. Never printed without their count."""
        return Ratio(self.answered + self.overflowed, self.offered - self.abandoned_short)

    @property
    def abandon_rate(self) -> Ratio:
        """Abbruchquote."""
        return Ratio(self.abandoned, self.offered)

    @property
    def sent_rate(self) -> Ratio:
        """Überlaufquote."""
        return Ratio(self.sent.total(), self.offered)

    def sent_by(self, trigger: str) -> Ratio:
        """Überlaufquote by what sent the call."""
        return Ratio(sum(count for sent, count in self.sent.items() if sent.trigger == trigger), self.offered)

    @property
    def sent_accepted(self) -> Ratio:
        """Überlauf-Annahmequote: how many of those sent the partner answered, where we know how it ended."""
        return Ratio(self.overflowed, self.sent.total() - self._sent_and(Fate.FAILED))

    def sent_accepted_at(self, partner: str) -> Ratio:
        """The same of this partner alone."""
        there = Counter({sent: count for sent, count in self.sent.items() if sent.partner == partner})
        answered, unknown = (
            sum(count for sent, count in there.items() if sent.fate is became) for became in (Fate.PARTNER, Fate.FAILED)
        )
        return Ratio(answered, there.total() - unknown)

    @property
    def callback_rate(self) -> Ratio:
        """Rückrufwunsch-Quote: who chose to be called back out of all offered."""
        return Ratio(self.fates[Fate.CALLBACK], self.offered)

    # ---------------------------------------------------------------- speed

    def service_level(self, formula: Formula = Formula.STRICT) -> Ratio:
        """Servicelevel by this formula, each call by what was promised to it."""
        return self.pooled.level(formula)

    @property
    def service_level_short_excluded(self) -> Ratio:
        """Strict, but short abandons are not offered: the wording of some contracts."""
        return Ratio(self.in_time, self.offered - self.abandoned_short)

    def verdicts(self, formula: Formula = Formula.STRICT) -> list[Verdict]:
        """Whether each promise was kept by this formula: the only comparison with a promised share there is."""
        return [
            Verdict(promise, level := kept.level(formula), None if promise is None else level.reaches(promise.share))
            for promise, kept in sorted(self.promises.items(), key=lambda item: item[0] or Promise(-1, 0.0))
        ]

    @property
    def asa(self) -> Mean:
        """Durchschnittliche Wartezeit (ASA) in seconds, of whoever a person answered."""
        return Mean(sum(self.waits) / 1000, len(self.waits))

    @property
    def asa_in_line(self) -> Mean:
        """The same from the end of the announcement on."""
        return Mean(sum(self.waits_in_line) / 1000, len(self.waits_in_line))

    @property
    def wait_of_abandoned(self) -> Mean:
        """Wartezeit der Abbrecher."""
        return Mean(sum(self.waits_of_abandoned) / 1000, len(self.waits_of_abandoned))

    @property
    def wait_of_all(self) -> Mean:
        """Both together: what queueing formulas call the mean wait."""
        return self.asa + self.wait_of_abandoned

    def wait(self, share: float) -> Rank:
        """The wait that so large a share of those answered did not exceed: 0.5 the median, 1 the longest."""
        return _rank(self.waits, share)

    def wait_in_line(self, share: float) -> Rank:
        """The same from the end of the announcement on."""
        return _rank(self.waits_in_line, share)

    # ---------------------------------------------------------------- effort

    @property
    def aht(self) -> Mean:
        """AHT: conversation and wrap-up of the calls our own people answered."""
        return Mean(self.handled_ms / 1000, self.answered)

    @property
    def talk(self) -> Mean:
        """Gesprächsdauer: the conversation alone."""
        return Mean(self.talked_ms / 1000, self.answered)


def _rank(waits: list[int], share: float) -> Rank:
    # Their order says nothing, and once they are in order it is found at once.
    waits.sort()
    found = _nearest_rank(waits, share)
    return Rank(None if found is None else found / 1000, len(waits))


def figures(records: Iterable[CallRecord], fallback: timedelta = DEFAULT_TARGET) -> Figures:
    """Count finished calls, of whatever kind. ``fallback``: what was promised, where a record does not say."""
    found = Figures()
    for record in records:
        found.add(record, fallback)
    return found


# ---------------------------------------------------------------- groups of calls


def half_hour(moment: datetime) -> datetime:
    """Begin of its half hour, in UTC: Berlin's are the same, and on the day with 25 hours no two of them are one."""
    moment = moment.astimezone(UTC)
    return moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)


def berlin_day(moment: datetime) -> date:
    """The day it is in Berlin."""
    return moment.astimezone(BERLIN).date()


def berlin_midnight(day: date) -> datetime:
    """When this day begins in Berlin, in UTC: the next one begins 23 to 25 hours later, and a difference says so."""
    return datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)


def settled_before(now: datetime) -> date:
    """The days before this one stay as they are: no call of theirs can be named or marked any more.

    Until then two looks, before and after, would tell of one call alone.
    """
    return berlin_day(now - NAMED_WITHIN - _LASTS)


class Cell(NamedTuple):
    """The finest group there is."""

    tenant: TenantId
    half_hour: datetime
    """Its begin, in UTC."""
    entry: str
    kind: EntryKind
    queue: QueueId


def cell_of(call: Facts) -> Cell:
    return Cell(call.tenant, half_hour(call.t_in), call.entry, call.kind, call.queue)


class By(StrEnum):
    """What calls can be grouped by, and what stands in a key for it."""

    TENANT = "tenant"
    """Its id."""
    ENTRY = "entry"
    """Its number, as on the record."""
    KIND = "kind"
    """An ``EntryKind``."""
    QUEUE = "queue"
    HALF_HOUR = "half-hour"
    """Its begin, a moment in UTC: 48 a day, 46 or 50 on the two days on which the clock is changed."""
    DAY = "day"
    """A date in Berlin."""
    MONTH = "month"
    """Its first day."""
    YEAR = "year"
    """The number of the year."""
    CLOCK = "clock"
    """The half hour on the clock in Berlin, ``08:30``, of all days together: the rows of a heat map."""
    WEEKDAY = "weekday"
    """1, Monday, to 7."""


class TooManyGroups(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """Calls fall into more groups than were wanted."""

    error_id = "too-many-groups"


Key = tuple[str | int | date | datetime, ...]
"""One value for each ``By`` asked for, in that order."""


def key_of(cell: Cell, by: Sequence[By]) -> Key:
    """Which group this cell belongs to."""
    return tuple([_part(cell, one) for one in by])


def _part(cell: Cell, by: By) -> str | int | date | datetime:
    match by:
        case By.TENANT:
            return cell.tenant
        case By.ENTRY:
            return cell.entry
        case By.KIND:
            return cell.kind
        case By.QUEUE:
            return cell.queue
        case By.HALF_HOUR:
            return cell.half_hour
    local = cell.half_hour.astimezone(BERLIN)
    match by:
        case By.DAY:
            return local.date()
        case By.MONTH:
            return local.date().replace(day=1)
        case By.YEAR:
            return local.year
        case By.CLOCK:
            return f"{local:%H:%M}"
        case By.WEEKDAY:
            return local.isoweekday()


def grouped(
    records: Iterable[CallRecord], by: Sequence[By] = (By.TENANT,), *, kinds: Collection[EntryKind] = CITIZENS
) -> dict[Key, Figures]:
    """Count the calls of these kinds of entry in groups, the groups in the order of their keys.

    Calls of which nobody has said whose they are stand under the town ``UNASSIGNED``.
    """
    found: dict[Key, Figures] = {}
    for record in records:
        if record.kind in kinds:
            call = facts(record)
            found.setdefault(key_of(cell_of(call), by), Figures()).count(call)
    return dict(sorted(found.items()))
