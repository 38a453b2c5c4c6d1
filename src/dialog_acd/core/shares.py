"""Shares of cost: what each town used in a month, and what it pays for that, to the second and to the cent.

*Whose a call is.* A month is one of the calendar in Berlin, and a call belongs to the month, and to the day, in which
it came (``t_in``), however long it lasted. It stands with its town. Three sorts of calls are nobody's to pay and have
a line of their own, so that nothing is missing in the sum: those of which nobody has said for which of several towns
they were (unassigned), another centre's overflow that we took (partner-inbound), and the staff's own lines
(internal). Test calls are nowhere. *Offered* and *accepted* are those of ``kpi``: accepted is what our own people
answered; what a partner answered is counted beside it, and costs no minute of ours.

*Talk* is from an agent's answer to the end of that agent's conversation; *wrap-up* is what comes after; handling is
both. A caller who was transferred and came back may have several conversations: they are added up, and what lies
between them is nobody's minute, as is what the caller and an office had to say to each other. Older records do not say
so: of theirs, talk is from the answer to the end of the call, or of the wrap-up where that was earlier. Time on hold is
part of the talk.

*Seconds.* Milliseconds are added up first. The centre's seconds are their sum, rounded half up; the towns' are
rounded so that they add up to exactly that (largest remainder: all are rounded down, and the seconds that are missing
go to those that lost most by it). So no figure is a whole second away from its milliseconds (nor any part of it, where
a price changes within the month), and more use is never fewer seconds. What is charged are the seconds that are
shown: whoever has the statement can check it.

*Before a month is settled* (``kpi.settled_before``) its seconds are whole hours, and what is charged follows from
these: who read the statement every day would else see from the difference how long the one call of that day took.

*Prices* are those in force on the day of the call: a price that changes on the 15th counts from the 15th on.

- By the call and by the minute: quantity times price, rounded half up to the cent once, for each price in force.
- Sums for a month or a year: what is due up to the last day, rounded half up to the cent, less what was due, rounded
  the same, up to the day before the first. A day is an equal part of its month, a month a twelfth of its year. So the
  parts of a month add up to the month, and twelve months of 95,000 euros a year are 95,000.00 euros, not 95,000.04.
- Included minutes are one volume for their month or calendar year, used up in the order of time; what goes beyond is
  charged at the price of the day. A new price with the same volume leaves the volume as it is. Where the volume
  changes, begins or ends within its time, each has its part of the time as above. A part of a second is rounded half
  up.
- A levy (what the centre costs, refunded whole) is one sum for all towns whose prices name it: its part for the month
  is found as above and split by what each used, or by inhabitants, in whole cents that add up to it (largest
  remainder). Where its towns change within the month, the days before and after are split each by themselves. If
  nobody used anything, all pay alike: it has to be paid.

Sums are made of integers and fractions; nothing here is ever a float.
"""

from __future__ import annotations

import calendar
import csv
import io
import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import groupby, pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from dialog_acd.core.kpi import NOT_OFFERED, Fate, berlin_day, facts, fate, settled_before
from dialog_acd.core.model import UNASSIGNED, EntryKind, Key, Span, TenantId
from dialog_acd.core.records import handling_ms
from dialog_acd.core.spreadsheet import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dialog_acd.core.model import Price, Tenant
    from dialog_acd.core.records import CallRecord

_DAY = timedelta(days=1)
WITHOUT_PRICE = "Verbrauch ohne Preis"
"""Of a share whose town is not known; how a note begins."""
WARN_AT = (80, 100)
"""Per cent of an included volume at which somebody is told."""


# ---------------------------------------------------------------- time


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of the calendar in Berlin. Written ``2026-03``."""

    year: int
    number: int
    """1 to 12."""

    @classmethod
    def of(cls, day: date) -> Month:
        return cls(day.year, day.month)

    @classmethod
    def at(cls, moment: datetime) -> Month:
        return cls.of(berlin_day(moment))

    @classmethod
    def read(cls, text: str) -> Month:
        """Raises ``ValueError`` for what is no month of the years 2000 to 2099, written ``2026-03``."""
        if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text, re.ASCII):
            raise ValueError(f"a month is written as 2026-03, in the years 2000 to 2099, not {text[:20]!r}")
        return cls(int(text[:4]), int(text[5:]))

    @property
    def begins(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def ends(self) -> date:
        """The first day after it."""
        return date(self.year + self.number // 12, self.number % 12 + 1, 1)

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02}"


class Slice(NamedTuple):
    """Days in a row, within one month, on which no town's price changes."""

    begins: date
    ends: date
    """The first day after it."""


def _at(day: date) -> Fraction:
    """Months of the calendar until the beginning of that day; within a month, days count alike."""
    return 12 * day.year + day.month - 1 + Fraction(day.day - 1, calendar.monthrange(day.year, day.month)[1])


# ---------------------------------------------------------------- usage


class Sort(StrEnum):
    """Whose calls these are."""

    TOWN = "town"
    UNASSIGNED = "unassigned"
    PARTNER_INBOUND = "partner-inbound"
    INTERNAL = "internal"


class Account(NamedTuple):
    """A line of the statement. Of the sorts that are no town's there is one each."""

    sort: Sort
    tenant: TenantId = TenantId("")


APART = (Account(Sort.UNASSIGNED), Account(Sort.PARTNER_INBOUND), Account(Sort.INTERNAL))


def account_of(tenant: TenantId, kind: str) -> Account:
    """``kind``: an ``EntryKind``, or one of a later version."""
    if kind == EntryKind.PARTNER_INBOUND:
        return Account(Sort.PARTNER_INBOUND)
    if kind == EntryKind.INTERNAL:
        return Account(Sort.INTERNAL)
    return Account(Sort.UNASSIGNED) if tenant == UNASSIGNED else Account(Sort.TOWN, tenant)


@dataclass(slots=True)
class Usage:
    """What was used, counted call by call."""

    offered: int = 0
    accepted: int = 0
    """By our own people."""
    by_partner: int = 0
    """Sent to a partner, and answered there by a person."""
    talk_ms: int = 0
    wrap_up_ms: int = 0

    def add(self, record: CallRecord) -> None:
        """A test call adds nothing."""
        became = fate(facts(record))
        if became in NOT_OFFERED:
            return
        self.offered += 1
        if record.t_ans is None:
            self.by_partner += became is Fate.PARTNER
            return
        self.accepted += 1
        talk_ms, wrap_ms = handling_ms(record.talk_ms, record.wrap_ms, record.t_ans, record.t_end, record.t_wrap_end)
        self.talk_ms += talk_ms
        self.wrap_up_ms += wrap_ms

    def join(self, other: Usage) -> None:
        self.offered += other.offered
        self.accepted += other.accepted
        self.by_partner += other.by_partner
        self.talk_ms += other.talk_ms
        self.wrap_up_ms += other.wrap_up_ms


Used = tuple[Slice, "Mapping[Account, Usage]"]


def usage_of(records: Iterable[CallRecord], slices: Iterable[Slice]) -> list[Used]:
    """What a database sums up, from the records themselves. Records of other days are not counted."""
    used: list[tuple[Slice, dict[Account, Usage]]] = [(of, {}) for of in slices]
    for record in records:
        day = berlin_day(record.t_in)
        for of, accounts in used:
            if of.begins <= day < of.ends:
                accounts.setdefault(account_of(record.tenant, record.kind), Usage()).add(record)
    return [(of, {account: usage for account, usage in found.items() if usage.offered}) for of, found in used]


def slices(month: Month, tenants: Iterable[Tenant]) -> tuple[Slice, ...]:
    """Of which days the usage is wanted, sums of each: the month, cut where a price changes; where a volume is for the
    year, the months before it as well.
    """
    tenants = tuple(tenants)
    begins, ends = month.begins, month.ends
    prices = (period.price for tenant in tenants for period in _periods(tenant, begins, ends))
    if any(price.included_minutes and price.each is Span.YEAR for price in prices):
        begins = date(month.year, 1, 1)
    days = {begins, ends, *(date(month.year, number, 1) for number in range(begins.month, month.number + 1))}
    days |= {day for tenant in tenants for day in _changes(tenant) if begins < day < ends}
    return tuple(Slice(*pair) for pair in pairwise(sorted(days)))


# ---------------------------------------------------------------- prices


class _Period(NamedTuple):
    begins: date
    ends: date
    price: Price


def _term(tenant: Tenant) -> tuple[date, date]:
    """First day of the contract, and the first day after it. A town that says neither pays once it is live."""
    contract = tenant.contract
    begins = contract.valid_from or tenant.live_from or date.min
    return begins, date.max if contract.valid_to is None else contract.valid_to + _DAY


def _changes(tenant: Tenant) -> list[date]:
    return [*_term(tenant), *(price.since for price in tenant.contract.prices if price.since is not None)]


def price_on(tenant: Tenant, day: date) -> Price | None:
    """What is paid on that day; ``None``: nothing was agreed."""
    begins, ends = _term(tenant)
    agreed = [price for price in tenant.contract.prices if (price.since or date.min) <= day]
    return max(agreed, key=lambda price: price.since or date.min) if agreed and begins <= day < ends else None


def _periods(tenant: Tenant, begins: date, ends: date) -> list[_Period]:
    if not tenant.contract.prices:
        return []
    cuts = sorted({begins, ends, *(day for day in _changes(tenant) if begins < day < ends)})
    return [_Period(a, b, price) for a, b in pairwise(cuts) if (price := price_on(tenant, a)) is not None]


class Element(StrEnum):
    """What is paid for."""

    FLAT = "flat"
    PER_CALL = "per-call"
    PER_MINUTE = "per-minute"
    PER_INHABITANT = "per-inhabitant"
    LEVY = "levy"


@dataclass(frozen=True, slots=True)
class Position:
    """One price of one town, for the days on which it was in force."""

    element: Element
    begins: date
    last: date
    quantity: int
    """Calls; seconds of handling beyond the included minutes; inhabitants; of a flat sum, the days; of a levy, what it
    is shared out by: calls, seconds of handling, inhabitants, or 1."""
    price: Decimal
    """Euros a call, a minute, an inhabitant and year, a month or a year; of a levy, the whole of it."""
    amount: Decimal
    """Euros, two digits."""
    basis: str
    """How the amount was found, in words."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Included minutes, and how far they are used up."""

    begins: date
    last: date
    """The days it is for, the whole year where it is a year's."""
    included_s: int
    used_s: int
    """Up to the end of the statement's month."""
    each: Span

    @property
    def percent(self) -> Fraction:
        return Fraction(100 * self.used_s, self.included_s)

    @property
    def passed(self) -> tuple[int, ...]:
        """Which of ``WARN_AT`` are reached."""
        return tuple(limit for limit in WARN_AT if 100 * self.used_s >= limit * self.included_s)


@dataclass(frozen=True, slots=True)
class Share:
    """A line of the statement: a town's, or that of calls which are no town's."""

    account: Account
    name: str
    offered: int
    accepted: int
    by_partner: int
    talk_s: int
    wrap_up_s: int
    positions: tuple[Position, ...] = ()
    volumes: tuple[Volume, ...] = ()
    notes: tuple[str, ...] = ()
    """What whoever pays, or sends the bill, should know."""

    @property
    def handling_s(self) -> int:
        return self.talk_s + self.wrap_up_s

    @property
    def amount(self) -> Decimal:
        return sum((position.amount for position in self.positions), Decimal("0.00"))


@dataclass(frozen=True, slots=True)
class Total:
    """The whole centre, from the sum of all milliseconds and not from the lines."""

    offered: int
    accepted: int
    by_partner: int
    talk_s: int
    wrap_up_s: int
    amount: Decimal

    @property
    def handling_s(self) -> int:
        return self.talk_s + self.wrap_up_s


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of all towns, those that left within it included."""

    month: Month
    version: int
    """Of the directory that the prices are from."""
    as_of: datetime
    """When it was made: calls named, or marked as tests, after that are as they were."""
    shares: tuple[Share, ...]
    """Towns by name, then ``APART``."""
    total: Total | None
    """``None``: this is one town's part."""

    @property
    def complete(self) -> bool:
        """The month was settled: it stays as it is."""
        return self.month.ends <= settled_before(self.as_of)

    def of_town(self, tenant: str) -> Statement:
        """That town's line alone; none where it has none."""
        return replace(self, shares=tuple(s for s in self.shares if s.account == (Sort.TOWN, tenant)), total=None)


class Beside(NamedTuple):
    """A line as it was issued, and as it would be now; where there is none, one of nothing."""

    issued: Share
    now: Share

    @property
    def differs(self) -> bool:
        return (_counts(self.issued), self.issued.amount) != (_counts(self.now), self.now.amount)


def beside(issued: Statement, now: Statement) -> list[Beside]:
    """All lines of both."""
    was, would = ({share.account: share for share in told.shares} for told in (issued, now))
    blank = {account: Share(account, share.name, 0, 0, 0, 0, 0) for account, share in (was | would).items()}
    return [Beside(was.get(a, nothing), would.get(a, nothing)) for a, nothing in (would | blank).items()]


def rounded(amount: Fraction) -> int:
    """Half up, as money is."""
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


def whole(parts: Sequence[int], unit: int) -> list[int]:
    """Each part (not negative) divided by ``unit`` in whole numbers that add up to the sum's (largest remainder)."""
    found = [part // unit for part in parts]
    missing = rounded(Fraction(sum(parts), unit)) - sum(found)
    losers = sorted(range(len(parts)), key=lambda place: -(parts[place] % unit))  # of two alike the first in the list
    for place in losers[:missing]:
        found[place] += 1
    return found


def _euros(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _due(sum_: Fraction, each: Span, begins: date, ends: date) -> int:
    """The part of a monthly or yearly sum for days within one such time, in whole units."""
    first = begins.replace(day=1) if each is Span.MONTH else begins.replace(month=1, day=1)
    length = 1 if each is Span.MONTH else 12
    up_to = [rounded(sum_ * (_at(day) - _at(first)) / length) for day in (begins, ends)]
    return up_to[1] - up_to[0]


# ---------------------------------------------------------------- the statement


@dataclass(slots=True)
class _Meter:
    """What one line has used, slice by slice, in whole seconds."""

    calls: dict[Slice, int] = field(default_factory=dict)
    talk_s: dict[Slice, int] = field(default_factory=dict)
    wrap_up_s: dict[Slice, int] = field(default_factory=dict)

    def accepted(self, begins: date, ends: date) -> int:
        return sum(number for of, number in self.calls.items() if begins <= of.begins and of.ends <= ends)

    def handling_s(self, begins: date, ends: date) -> int:
        return sum(
            self.talk_s[of] + self.wrap_up_s[of] for of in self.talk_s if begins <= of.begins and of.ends <= ends
        )


def statement(
    month: Month,
    tenants: Iterable[Tenant],
    used: Iterable[Used],
    *,
    version: int,
    as_of: datetime,
    left: Mapping[TenantId, int] = MappingProxyType({}),
    unread: bool = False,
) -> Statement:
    """What each town used and pays. ``used``: what was used in each of ``slices``, in the order of time. ``left``: of
    towns that ``version`` does not have any more, from which version they are. ``unread``: nobody is told the seconds,
    which are therefore no whole hours in a month that is not settled.
    """

    def unit_of(each: Month) -> int:
        return 1 if unread or each.ends <= settled_before(as_of) else 3600

    towns = {tenant.id: tenant for tenant in tenants}
    used = [*used]
    meters: dict[Account, _Meter] = {}
    # Each month is rounded by itself, or a volume of the year would not be the sum of what its months have shown.
    for of_month, months in groupby(used, key=lambda part: Month.of(part[0].begins)):
        unit_s = unit_of(of_month)
        cells = [(of, account, usage) for of, accounts in months for account, usage in sorted(accounts.items())]
        talk = whole([usage.talk_ms for *_, usage in cells], 1000 * unit_s)
        wrap_up = whole([usage.wrap_up_ms for *_, usage in cells], 1000 * unit_s)
        for (of, account, usage), talked, wrapped in zip(cells, talk, wrap_up, strict=True):
            meter = meters.setdefault(account, _Meter())
            meter.calls[of], meter.talk_s[of], meter.wrap_up_s[of] = usage.accepted, talked * unit_s, wrapped * unit_s

    sums: dict[Account, Usage] = {Account(Sort.TOWN, tenant): Usage() for tenant in towns}
    sums |= {account: Usage() for account in APART}
    centre = Usage()
    for of, accounts in used:
        if of.begins >= month.begins:
            for account, usage in accounts.items():
                sums.setdefault(account, Usage()).join(usage)
                centre.join(usage)

    shares = []
    levied = _levied(month, towns.values(), meters)
    for account, usage in sums.items():
        meter = meters.get(account, _Meter())
        tenant = towns.get(account.tenant)
        positions, volumes, notes = ((), (), ()) if tenant is None else _charged(tenant, month, meter)
        if account.tenant in left:
            notes = (f"Nicht mehr im Verzeichnis: berechnet nach dessen Version {left[account.tenant]}.", *notes)
        elif account.sort is Sort.TOWN and tenant is None:
            notes = (f"{WITHOUT_PRICE}: die Kommune stand in diesem Monat nie im Verzeichnis.",)
        shares.append(
            Share(
                account,
                _NAMES.get(account.sort) or (tenant.name if tenant is not None else account.tenant),
                usage.offered,
                usage.accepted,
                usage.by_partner,
                sum(seconds for of, seconds in meter.talk_s.items() if of.begins >= month.begins),
                sum(seconds for of, seconds in meter.wrap_up_s.items() if of.begins >= month.begins),
                (*positions, *levied.get(account.tenant, ())),
                volumes,
                notes,
            )
        )
    shares.sort(key=lambda share: (_ORDER[share.account.sort], share.name.casefold(), share.account.tenant))
    unit_s = unit_of(month)
    total = Total(
        centre.offered,
        centre.accepted,
        centre.by_partner,
        rounded(Fraction(centre.talk_ms, 1000 * unit_s)) * unit_s,
        rounded(Fraction(centre.wrap_up_ms, 1000 * unit_s)) * unit_s,
        sum((share.amount for share in shares), Decimal("0.00")),
    )
    return Statement(month, version, as_of, tuple(shares), total)


def _charged(
    tenant: Tenant, month: Month, meter: _Meter
) -> tuple[tuple[Position, ...], tuple[Volume, ...], tuple[str, ...]]:
    positions: list[Position] = []
    volumes: list[Volume] = []
    notes: list[str] = []
    periods = _periods(tenant, month.begins, month.ends)
    for begins, ends, price in periods:

        def position(element: Element, quantity: int, price_: Decimal, cents: int, basis: str) -> None:
            positions.append(Position(element, begins, ends - _DAY, quantity, price_, _euros(cents), basis))  # noqa: B023  used at once

        days, of_days = (ends - begins).days, _of_days(Slice(begins, ends), month)
        if price.flat:
            cents = _due(Fraction(price.flat) * 100, price.each, begins, ends)
            position(Element.FLAT, days, price.flat, cents, f"{german(price.flat)} EUR {_EACH[price.each]}, {of_days}")
        people = tenant.contract.inhabitants or 0
        by_people = price.per_inhabitant or (price.levy and price.levy_by is Key.INHABITANTS)
        if by_people and not people:
            notes.append("Die Einwohnerzahl ist nicht bekannt: nach Einwohnern wurde nichts berechnet.")
        if price.per_inhabitant and people:
            cents = _due(Fraction(price.per_inhabitant) * people * 100, Span.YEAR, begins, ends)
            basis = f"{german(people)} Einwohner zu {german(price.per_inhabitant)} EUR im Jahr, {of_days}"
            position(Element.PER_INHABITANT, people, price.per_inhabitant, cents, basis)
        if price.per_call:
            calls = meter.accepted(begins, ends)
            cents = rounded(Fraction(price.per_call) * calls * 100)
            position(
                Element.PER_CALL,
                calls,
                price.per_call,
                cents,
                f"{german(calls)} angenommene Anrufe zu {german(price.per_call)} EUR",
            )
        over = meter.handling_s(begins, ends)
        beyond = ""
        if price.included_minutes:
            since, until = _volume_days(tenant, begins, price)
            included = _due(Fraction(60 * price.included_minutes), price.each, since, until)
            before, then = meter.handling_s(since, begins), meter.handling_s(since, ends)
            over = max(then - included, 0) - max(before - included, 0)
            beyond = f" über {german(included)} s hinaus, die enthalten sind"
            volumes = [volume for volume in volumes if volume.begins != since]
            volumes += [Volume(since, until - _DAY, included, then, price.each)] if included else []
        if price.per_minute:
            cents = rounded(Fraction(price.per_minute) * over * 100 / 60)
            basis = f"{german(over)} s{beyond}, zu {german(price.per_minute)} EUR je Minute"
            position(Element.PER_MINUTE, over, price.per_minute, cents, basis)
    notes += [warning(volume) for volume in volumes if volume.passed]
    return tuple(positions), tuple(volumes), tuple(dict.fromkeys(notes))


class _Levy(NamedTuple):
    sum_: Decimal
    by: Key
    each: Span


def _levied(
    month: Month, tenants: Iterable[Tenant], meters: Mapping[Account, _Meter]
) -> dict[TenantId, list[Position]]:
    """What each town pays of the sums that several pay together."""
    tenants = sorted(tenants, key=lambda tenant: tenant.id)
    runs: dict[_Levy, list[tuple[Slice, list[Tenant]]]] = {}
    for of in slices(month, tenants):
        if of.begins < month.begins:
            continue
        members: dict[_Levy, list[Tenant]] = {}
        for tenant in tenants:
            price = price_on(tenant, of.begins)
            if price is not None and price.levy:
                members.setdefault(_Levy(price.levy, price.levy_by, price.each), []).append(tenant)
        for levy, found in members.items():
            run = runs.setdefault(levy, [])
            if run and run[-1][0].ends == of.begins and run[-1][1] == found:
                run[-1] = Slice(run[-1][0].begins, of.ends), found
            else:
                run.append((of, found))
    positions: dict[TenantId, list[Position]] = {}
    for levy, run in runs.items():
        for of, found in run:
            cents = _due(Fraction(levy.sum_) * 100, levy.each, of.begins, of.ends)
            weights = [_weight(levy.by, tenant, meters, of) for tenant in found]
            basis = f"Anteil an {german(levy.sum_)} EUR {_EACH[levy.each]} {_BY[levy.by]}, {_of_days(of, month)}"
            if not any(weights):
                weights = [1] * len(found)
                basis += "; zu gleichen Teilen, weil es nichts zu teilen gab"
            parts = whole([cents * weight for weight in weights], sum(weights))
            for tenant, weight, part in zip(found, weights, parts, strict=True):
                told = Position(Element.LEVY, of.begins, of.ends - _DAY, weight, levy.sum_, _euros(part), basis)
                positions.setdefault(tenant.id, []).append(told)
    return positions


def _weight(by: Key, tenant: Tenant, meters: Mapping[Account, _Meter], of: Slice) -> int:
    meter = meters.get(Account(Sort.TOWN, tenant.id), _Meter())
    match by:
        case Key.MINUTES:
            return meter.handling_s(*of)
        case Key.CALLS:
            return meter.accepted(*of)
        case Key.INHABITANTS:
            return tenant.contract.inhabitants or 0
        case Key.EQUALLY:
            return 1


def _of_days(of: Slice | _Period, month: Month) -> str:
    return f"{(of.ends - of.begins).days} von {(month.ends - month.begins).days} Tagen"


def _volume_days(tenant: Tenant, day: date, price: Price) -> tuple[date, date]:
    """The days one volume is for: those of its month or year, in a row, on which it stays the same."""
    if price.each is Span.MONTH:
        begins, ends = Month.of(day).begins, Month.of(day).ends
    else:
        begins, ends = date(day.year, 1, 1), date(day.year + 1, 1, 1)
    since = until = begins
    for period in _periods(tenant, begins, ends):
        if (period.price.included_minutes, period.price.each) != (price.included_minutes, price.each):
            continue
        if period.begins > until:
            if since <= day < until:
                break
            since = period.begins
        until = period.ends
    return since, until


# ---------------------------------------------------------------- for people, in German

_NAMES = {
    Sort.UNASSIGNED: "Nicht zugeordnet",
    Sort.PARTNER_INBOUND: "Überlauf anderer Zentralen",
    Sort.INTERNAL: "Eigene Leitungen",
}
_EACH = {Span.MONTH: "im Monat", Span.YEAR: "im Jahr"}
_BY = {
    Key.MINUTES: "nach Bearbeitungszeit",
    Key.CALLS: "nach angenommenen Anrufen",
    Key.INHABITANTS: "nach Einwohnern",
    Key.EQUALLY: "zu gleichen Teilen",
}
_ORDER = {sort: place for place, sort in enumerate(Sort)}
_ELEMENTS = {
    Element.FLAT: ("Grundbetrag", "Tage"),
    Element.PER_CALL: ("Angenommene Anrufe", "Anrufe"),
    Element.PER_MINUTE: ("Minuten", "Sekunden"),
    Element.PER_INHABITANT: ("Einwohner", "Einwohner"),
    Element.LEVY: ("Umlage", "Anteile"),
}
_LIST = (
    "Monat",
    "Kennung",
    "Kommune",
    "Anrufe angeboten",
    "Anrufe angenommen",
    "beim Partner angenommen",
    "Gesprächszeit (s)",
    "Nachbearbeitung (s)",
    "Bearbeitungszeit (s)",
    "Inklusivvolumen (s)",
    "davon verbraucht (s)",
    "Betrag (EUR)",
)
_POSITIONS = (
    "Monat",
    "Kennung",
    "Kommune",
    "Position",
    "von",
    "bis",
    "Menge",
    "Einheit",
    "Einzelpreis (EUR)",
    "Betrag (EUR)",
    "Berechnung",
)


def german(number: int | Decimal) -> str:
    """``12.345`` or ``7.916,67``: at least two digits after the comma where it is money."""
    if isinstance(number, Decimal):
        exponent = number.as_tuple().exponent
        digits = max(2, -exponent) if isinstance(exponent, int) else 2
        return f"{number:,.{digits}f}".translate(str.maketrans(",.", ".,"))
    return f"{number:,}".replace(",", ".")


def clock(seconds: int) -> str:
    """``1:05:09`` hours, minutes, seconds."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def element_name(element: Element) -> str:
    return _ELEMENTS[element][0]


def warning(volume: Volume) -> str:
    percent = int(volume.percent)  # 79,9 % are not 80 %
    return f"{_used_up(percent, volume)}: {clock(volume.used_s)} von {clock(volume.included_s)} Stunden."


def warning_of(limit: int, volume: Volume) -> str:
    """That one of ``WARN_AT`` is reached, on the day it was: not by how much, because that may be one call."""
    return f"{_used_up(limit, volume)} ({clock(volume.included_s)} Stunden)."


def _used_up(percent: int, volume: Volume) -> str:
    of = {Span.MONTH: "Monats", Span.YEAR: "Jahres"}[volume.each]
    return f"{german(percent)} % der Inklusivminuten des {of} sind verbraucht"


def _month(told: Statement) -> str:
    return str(told.month) if told.complete else f"{told.month} (vorläufig)"


def difference(lines: Beside) -> str:
    """``Langenhagen: 2.502,39 EUR statt 2.500,00 EUR; 4 statt 3 angenommene Anrufe; ...``"""
    issued, now = lines
    amount = f"{german(now.amount)} EUR"
    said = [amount + (f" statt {german(issued.amount)} EUR" if now.amount != issued.amount else " wie zuvor")]
    if now.accepted != issued.accepted:
        said.append(f"{german(now.accepted)} statt {german(issued.accepted)} angenommene Anrufe")
    if now.handling_s != issued.handling_s:
        said.append(f"{clock(now.handling_s)} statt {clock(issued.handling_s)} Bearbeitung")
    return f"{now.name}: {'; '.join(said)}"


def list_csv(told: Statement, issued: Statement | None = None) -> str:
    """One line a town, as spreadsheets read it here: semicolons, decimal comma, a byte order mark.

    ``issued``: beside the amounts those that were issued.
    """
    rows: list[tuple[object, ...]] = []
    month = _month(told)
    for was, share in beside(issued or told, told):
        included = sum(volume.included_s for volume in share.volumes)
        rows.append(
            (
                month,
                _id(share),
                share.name,
                *_counts(share),
                *((included, sum(volume.used_s for volume in share.volumes)) if share.volumes else ("", "")),
                _plain(share.amount),
                *(() if issued is None else (_plain(was.amount),)),
            )
        )
    if told.total is not None:
        issued_total = () if issued is None or issued.total is None else (_plain(issued.total.amount),)
        rows.append((month, "", "Summe", *_counts(told.total), "", "", _plain(told.total.amount), *issued_total))
    return _csv(_LIST if issued is None else (*_LIST, "zuletzt ausgestellt (EUR)"), rows)


def positions_csv(told: Statement) -> str:
    """One line for each price of each town; the amounts add up to the centre's."""
    return _csv(
        _POSITIONS,
        (
            (
                _month(told),
                _id(share),
                share.name,
                _ELEMENTS[position.element][0],
                f"{position.begins:%d.%m.%Y}",
                f"{position.last:%d.%m.%Y}",
                position.quantity,
                _ELEMENTS[position.element][1],
                _plain(position.price),
                _plain(position.amount),
                position.basis,
            )
            for share in told.shares
            for position in share.positions
        ),
    )


def _id(share: Share) -> str:
    return share.account.tenant or share.account.sort.value


def _counts(line: Share | Total) -> tuple[int, ...]:
    return line.offered, line.accepted, line.by_partner, line.talk_s, line.wrap_up_s, line.handling_s


def _plain(amount: Decimal) -> str:
    return german(amount).replace(".", "")


def _csv(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    file = io.StringIO()
    file.write("\N{BYTE ORDER MARK}")
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return file.getvalue()
