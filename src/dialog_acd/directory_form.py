"""The form of a directory: what a file, the REST API and a stored version may say of each thing, and how it is read.

One form for all three, so that nothing can be said in one place and not in the others. Durations are seconds, dates are
days in Berlin, rules are lines of text (``from 15 s: langenhagen>=2``), read by the core, which also says what is wrong
with them. Unknown fields are refused and types are taken at their word (``"20"`` is not 20): whoever mistypes a word is
to be told which one.

Each field has a description and an example: they are the API's documentation.
"""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, WithJsonSchema
from pydantic_core import PydanticCustomError

from dialog_acd.core.calendars import Calendar, Hours, SpecialDay, parse_hours
from dialog_acd.core.directory import Directory
from dialog_acd.core.errors import RuleInvalid
from dialog_acd.core.model import (
    NOT_YET,
    Agent,
    AgentId,
    AgentOrder,
    CalendarId,
    Contract,
    Entry,
    EntryKind,
    FailsafeProfile,
    Formula,
    Key,
    Partner,
    PartnerId,
    Phone,
    Price,
    Prompt,
    PromptId,
    Queue,
    QueueId,
    Rung,
    Skill,
    SkillId,
    SkillKind,
    Span,
    Statistics,
    Step,
    Target,
    Team,
    TeamId,
    Tenant,
    TenantId,
    Transport,
    Trunk,
    Waiver,
)
from dialog_acd.core.numbers import FORMATS
from dialog_acd.core.rules import parse_rung, parse_step, parse_target

if TYPE_CHECKING:
    from collections.abc import Callable


def speakable(text: str) -> str:
    # These texts reach displays, the dialplan and the database, and none of them has a use for a NUL or a line end.
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("must not contain control characters")
    return text


def whole_milliseconds(seconds: float) -> float:
    if abs(seconds * 1000 - round(seconds * 1000)) > 1e-6:
        raise ValueError("seconds have at most three digits after the point")
    return seconds


T = TypeVar("T")


def rule_line(parse: Callable[[str], T]) -> BeforeValidator:
    """A value written as one line of text; ``parse`` raises ``RuleInvalid``."""

    def read(line: object) -> T:
        if not isinstance(line, str):
            raise PydanticCustomError("string_type", "not a text")
        try:
            return parse(speakable(line))
        except RuleInvalid as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read)


def _parse_stretch(text: str) -> tuple[time, time]:
    """``08:00-12:00``: what is said of one day has no weekday in front."""
    if not re.match(r"\s*[0-9]", text):
        raise RuleInvalid(text, "write the hours of a special day as '08:00-12:00', without a day of the week")
    try:
        hours = parse_hours(f"daily {text}")
    except RuleInvalid as error:
        raise RuleInvalid(text, error.expected) from error
    return hours.opens, hours.closes


def _no_land(land: str | None) -> str | None:
    return None if land == "none" else land


_EUROS = re.compile(r"^[0-9]{1,9}(\.[0-9]{1,4})?$")


def _euros(amount: object) -> object:
    # A float is never money: 0.1 is not what it says.
    if isinstance(amount, Decimal):
        return amount
    if isinstance(amount, str) and _EUROS.fullmatch(amount):
        return Decimal(amount)
    raise ValueError("write euros in quotes, as '7916.67'")


def _live_from(day: object) -> object:
    if day == "not-yet":
        return NOT_YET
    try:
        return date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError:
        raise ValueError("must be a date, as 2022-03-01, or 'not-yet'") from None


Words = Annotated[str, AfterValidator(speakable)]
Name = Annotated[str, Field(min_length=1), AfterValidator(speakable)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), AfterValidator(whole_milliseconds)]
_A_LINE = WithJsonSchema({"type": "string"})
StepLine = Annotated[InstanceOf[Step], rule_line(parse_step), _A_LINE]
RungLine = Annotated[InstanceOf[Rung], rule_line(parse_rung), _A_LINE]
HoursLine = Annotated[InstanceOf[Hours], rule_line(parse_hours), _A_LINE]
TargetLine = Annotated[InstanceOf[Target], rule_line(parse_target), _A_LINE]
Stretch = Annotated[tuple[time, time], rule_line(_parse_stretch), _A_LINE]
Euros = Annotated[
    InstanceOf[Decimal],
    BeforeValidator(_euros),
    WithJsonSchema({"type": "string", "pattern": _EUROS.pattern}),
]
LiveFrom = Annotated[
    InstanceOf[date] | None,
    BeforeValidator(_live_from),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"const": "not-yet"}, {"type": "null"}]}),
]


class Table(BaseModel):
    """What is written in it is all there may be, and is taken at its word."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _field(description: str, *examples: object, **more: Any) -> Any:
    return Field(description=description, examples=list(examples) or None, **more)


_OF_ONE_HOUSE = {
    "id": "What others name it by: `[0-9a-z-]`, 1 to 30 characters.",
    "name": "As people call it.",
}


class PriceTable(Table):
    """What a town pays, in euros; what is not named is free."""

    since: date | None = _field(
        "The first day it is paid; absent: from the beginning of the contract.", "2023-01-01", default=None
    )
    flat: Euros = _field("Euros a month, or a year (`each`).", "7916.67", default=Decimal())
    per_call: Euros = _field("Euros for each call answered.", "2.40", default=Decimal())
    per_minute: Euros = _field("Euros for each minute beyond the included ones.", "1.59", default=Decimal())
    per_inhabitant: Euros = _field("Euros for each inhabitant and year.", "0.85", default=Decimal())
    included_minutes: int = _field(
        "Minutes of a month, or of a year (`each`), that the flat sum covers.", 5000, default=0, ge=0, le=10_000_000
    )
    each: Annotated[Span, Field(strict=False)] = _field(
        "What the flat sum, the included minutes and the levy are for: a `month`, or a calendar `year`.",
        "year",
        default=Span.MONTH,
    )
    levy: Euros = _field(
        "Euros a month, or a year (`each`), that all towns pay together whose prices name the same `levy`, `levy_by`"
        " and `each`: what the centre costs.",
        "316500",
        default=Decimal(),
    )
    levy_by: Annotated[Key, Field(strict=False)] = _field(
        "How the levy is shared out: by `minutes`, `calls`, `inhabitants`, or `equally`.",
        "inhabitants",
        default=Key.MINUTES,
    )


class ContractTable(Table):
    """What was agreed with a town."""

    tasks: list[Name] = _field("What the centre does for the town.", ["Telefonzentrale", "115"], default=[])
    valid_from: date | None = _field("The first day.", "2022-01-01", default=None)
    valid_to: date | None = _field("The last day.", "2026-12-31", default=None)
    targets: list[TargetLine] = _field(
        "What is promised to callers, in order of no importance: the latest in force counts, and what is said of a kind"
        " of entry before what is said of all; none: what the queue is set to.",
        ["75 % within 30 s", "from 2022-07-01: 80 % within 30 s for 115"],
        default=[],
    )
    formula: Annotated[Formula, Field(strict=False)] = _field(
        "How the service level of `targets` is reckoned: answered in time out of all offered (`strict`), of those who"
        " did not leave within the time promised, of those answered alone, or with those who left in time as answered."
        " Reports show all four and mark this one.",
        "strict",
        default=Formula.STRICT,
    )
    prices: list[PriceTable] = _field("The latest in force counts.", [{"flat": "7916.67"}], default=[])
    inhabitants: int | None = _field("People who live there.", 54000, default=None, ge=1, le=100_000_000)
    statistics: Annotated[Statistics, Field(strict=False)] = _field(
        "How far figures may come near a person: groups alone, everybody's own as well, or named ones after a release.",
        "groups",
        default=Statistics.GROUPS,
    )
    data_protection: Words = _field(
        "Who is responsible for the callers' data.", "Auftragsverarbeitung nach Art. 28 DSGVO", default=""
    )


class WaiverTable(Table):
    """Somebody answers by name for going live although something is missing."""

    finding: Name = _field("Id of what is missing.", "greeting:+495117307")
    by: Name = _field("Who answers for it.", "A. Muster, Leitung DialogCenter")
    why: Name = _field("Why.", "Aufnahme folgt am 15.03.")
    on: date = _field("When it was said.", "2022-02-20")


class TenantTable(Table):
    """A customer of the centre: a town, a county, a region."""

    id: Name = _field(_OF_ONE_HOUSE["id"], "langenhagen")
    name: Name = _field(_OF_ONE_HOUSE["name"], "Stadt Langenhagen")
    label: Name = _field("What an agent's phone shows before the caller's name; a display has about 20.", "LGH")
    code: Name | None = _field("One to four digits by which an agent names the town at the phone.", "12", default=None)
    live_from: LiveFrom = _field(
        "Before this day none of its numbers is active; `not-yet`: until it goes live; absent: its numbers have their"
        " own dates alone.",
        "2022-03-01",
        default=None,
    )
    contract: ContractTable = _field("What was agreed.", {"tasks": ["115"]}, default_factory=ContractTable)
    answers: dict[Name, Words] = _field(
        "The onboarding form: question to answer.", {"pbx": "Innovaphone, Frau Muster, -230"}, default={}
    )
    waivers: list[WaiverTable] = _field("What was let pass.", [], default=[])


class TrunkTable(Table):
    """How one way in writes numbers."""

    name: Name = _field("As the switch calls it.", "trunk")
    number_format: Annotated[str, Field(pattern=f"^({'|'.join(FORMATS)})$")] = _field(
        "What a bare number means.", "subscriber", default="national"
    )
    area_code: Annotated[str, Field(pattern="^[1-9][0-9]{1,4}$")] = _field(
        "Local area code without its 0.", "511", default="511"
    )
    country_code: Annotated[str, Field(pattern="^[1-9][0-9]{0,2}$")] = _field(
        "Country code without plus.", "49", default="49"
    )


class SkillTable(Table):
    """Something an agent can do."""

    id: Name = _field(_OF_ONE_HOUSE["id"], "langenhagen")
    name: Name = _field(_OF_ONE_HOUSE["name"], "Langenhagen")
    # TOML has no enums: the word is looked up, here and below.
    kind: Annotated[SkillKind, Field(strict=False)] = _field("What kind of skill.", "tenant", default=SkillKind.TOPIC)


class TeamTable(Table):
    """People who take calls by the same rules."""

    id: Name = _field(_OF_ONE_HOUSE["id"], "centre")
    name: Name = _field(_OF_ONE_HOUSE["name"], "DialogCenter")
    by_target: bool = _field("Calls go by their wait over what is promised.", True, default=False)
    help_debt: bool = _field("A town behind its promise today gets a head start.", True, default=False)


class SpecialDayTable(Table):
    """A day that is not like its weekday."""

    day: date = _field("The day, in the calendar's zone.", "2026-12-24")
    name: Name = _field(_OF_ONE_HOUSE["name"], "Heiligabend")
    hours: list[Stretch] = _field("When it is served all the same; none: closed.", ["08:00-12:00"], default=[])


class CalendarTable(Table):
    """When something is served."""

    id: Name = _field(_OF_ONE_HOUSE["id"], "town-hall")
    name: Name = _field(_OF_ONE_HOUSE["name"], "Rathaus Langenhagen")
    hours: list[HoursLine] = _field("A stretch a line.", ["mon-thu 07:00-18:00", "fri 07:00-15:00"])
    # "none" is said, not left out: whoever forgets the Land would serve on Christmas Day.
    land: Annotated[str | None, AfterValidator(_no_land)] = _field(
        "Whose public holidays close it; `none`: they do not.", "NI", default="NI"
    )
    special_days: list[SpecialDayTable] = _field(
        "They win over hours and holidays.", [{"day": "2026-12-24", "name": "Heiligabend"}], default=[]
    )
    zone: Name = _field("Zone of the clock on the wall.", "Europe/Berlin", default="Europe/Berlin")
    tenant: Name | None = _field("Whose it is; absent: the centre's.", "langenhagen", default=None)


class PromptTable(Table):
    """What callers or agents hear, in a town's own words. Entries name it `acd/ID`."""

    id: Name = _field(_OF_ONE_HOUSE["id"], "greeting-langenhagen")
    name: Name = _field(_OF_ONE_HOUSE["name"], "Begrüßung Langenhagen")
    text: Words = _field(
        "The words; a draft of them is spoken until there is a recording.",
        "Willkommen bei der Stadt Langenhagen.",
        default="",
    )
    recording: Name | None = _field(
        "SHA-256 of an uploaded recording.",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        default=None,
    )
    tenant: Name | None = _field("Whose it is; absent: the centre's.", "langenhagen", default=None)


class PartnerTable(Table):
    """A foreign centre that takes our calls."""

    id: Name = _field("Also the name of its endpoint in Asterisk: `[0-9a-z-]`, 1 to 30 characters.", "oldenburg")
    name: Name = _field(_OF_ONE_HOUSE["name"], "Servicecenter Oldenburg")
    numbers: list[Name] = _field("Numbers to dial there, tried in turn.", ["+494412350"])
    ring_for: Annotated[Seconds, Field(ge=1)] = _field("Seconds.", 30, default=30)
    calendar: Name | None = _field("When it takes calls; absent: always.", "oldenburg", default=None)
    channels: int | None = _field("Calls there at once; absent: not limited.", 4, default=None)
    calls_per_hour: int | None = _field("Calls in any sixty minutes; absent: not limited.", 40, default=None)
    min_gain: Seconds = _field(
        "Nobody is sent away whom our own people would serve within so many seconds.", 20, default=0
    )
    host: Name | None = _field(
        "Where it speaks SIP, name or address, with a port where it is not the usual one; absent: its endpoint in"
        " Asterisk is set up by hand.",
        "sip.oldenburg.example:5061",
        default=None,
    )
    transport: Annotated[Transport, Field(strict=False)] = _field(
        "How SIP travels there: `tls`, `tcp` or `udp`.", "tls", default=Transport.TLS
    )
    srtp: bool = _field("The voices are encrypted; only with `tls`.", True, default=True)


class FailsafeTable(Table):
    """What Asterisk does with a number's calls when this service is not there."""

    name: Name = _field("`[0-9a-z-]`, 1 to 30 characters.", "standard")
    group: Name = _field("The phones that ring, by the name of their group in Asterisk.", "centre")
    partner: Name | None = _field("Who is asked when nobody of the group answered.", "oldenburg", default=None)
    hours: list[Name] = _field(
        "Asterisk time specifications, any of which must match; none: always.",
        ["8:00-18:00,mon-fri,*,*"],
        default=[],
    )
    phones: list[Name] = _field(
        "Phones of the group; with neither these nor a team it is set up by hand, or by another profile that names it.",
        ["phone-21", "front-desk"],
        default=[],
    )
    team: Name | None = _field("The phones of its agents belong to the group as well.", "centre", default=None)


class QueueTable(Table):
    """Where calls wait, and what their callers need."""

    id: Name = _field(_OF_ONE_HOUSE["id"], "langenhagen")
    name: Name = _field(_OF_ONE_HOUSE["name"], "Stadt Langenhagen")
    steps: list[StepLine] = _field(
        "Who may answer, from which wait on.", ["from 0 s: langenhagen>=2", "from 30 s: any"]
    )
    priority: int = _field("Class from 0 to 9; a higher one goes first.", 0, default=0)
    agent_order: Annotated[AgentOrder, Field(strict=False)] = _field(
        "Whose phone rings first.", "longest-idle", default=AgentOrder.LONGEST_IDLE
    )
    home_first: bool = _field("Agents in the caller's town hall first.", False, default=False)
    to_partners: bool = _field("False: never to a partner, failsafe included.", True, default=True)
    ring_for: Seconds = _field("Seconds a phone rings.", 20, default=20)
    wrap_up_for: Seconds = _field("Seconds of rest after a call.", 10, default=10)
    max_wait: Annotated[Seconds, Field(ge=1)] = _field(
        "Seconds; then the caller leaves for the failsafe profile.", 900, default=900
    )
    target: Seconds = _field("Seconds within which a call is answered in time.", 30, default=30)
    target_share: Annotated[float, Field(ge=0, le=1)] = _field(
        "Share of calls for which this is promised, 0 to 1.", 0.75, default=0.75
    )
    ladder: list[RungLine] = _field("Overflow, tried from the top.", ["waited 60 s: partner oldenburg"], default=[])
    music: Name = _field("Music-on-hold class.", "acd", default="acd")


class EntryTable(Table):
    """A dialled number, or a block of them, and where it leads."""

    number: Words = _field("E.164 with plus; 115; an extension; nothing for the catch-all.", "+495117307", default="")
    tenant: Name = _field("Whose number it is.", "langenhagen")
    queue: Name = _field("Where its calls wait.", "langenhagen")
    kind: Annotated[EntryKind, Field(strict=False)] = _field("Why the number exists.", "main-number")
    failsafe: Name = _field("Name of a failsafe profile.", "standard")
    block: bool = _field("Longer numbers that begin so belong to it as well.", True, default=False)
    greeting: Name | None = _field(
        "Prompt that is heard before anybody may answer; absent: none.", "acd/greeting-langenhagen", default=None
    )
    announcement: Name | None = _field(
        "Prompt the agent hears before the two are connected.", "acd/town-langenhagen", default=None
    )
    calendar: Name | None = _field("When it is served; absent: always.", "town-hall", default=None)
    closed: Name = _field("Prompt when it is not.", "acd/closed", default="acd/closed")
    at_most: int | None = _field("Most calls of it with us at once; absent: not limited.", 4, default=None)
    spare: int = _field("Its calls are taken only while so many able agents stay free.", 2, default=0)
    active_from: date | None = _field(
        "The first day, from 00:00 in Berlin on; absent: it always was.", "2022-03-01", default=None
    )
    active_to: date | None = _field("The last day, to 24:00 in Berlin; absent: no end.", "2026-12-31", default=None)
    candidates: list[Name] = _field(
        "Towns its calls may be for; an agent names the one. None: its tenant's.",
        ["hannover", "langenhagen", "laatzen"],
        default=[],
    )


class AgentTable(Table):
    """A person who takes calls, and the phone at the place where they sit."""

    id: Name = _field(_OF_ONE_HOUSE["id"], "anna")
    name: Name = _field(_OF_ONE_HOUSE["name"], "Anna Muster")
    phone: Name = _field("Name of the phone in Asterisk: `[0-9a-z-]`, 1 to 30 characters.", "phone-21")
    skills: dict[Name, int] = _field("Skill to level, 1 to 5.", {"langenhagen": 4}, default={})
    team: Name | None = _field("Whose rules count.", "centre", default=None)
    home: Name | None = _field("Whose town hall the agent sits in; absent: the centre.", "langenhagen", default=None)
    lines: list[Name] = _field("Queues the agent keeps to; none: all.", ["dispatch"], default=[])


class DirectoryTable(Table):
    """All there is to know of a centre."""

    tenants: list[TenantTable] = _field("Towns.")
    queues: list[QueueTable] = _field("Queues.")
    entries: list[EntryTable] = _field("Dialled numbers.")
    agents: list[AgentTable] = _field("Agents.", default=[])
    partners: list[PartnerTable] = _field("Partners.", default=[])
    failsafe_profiles: list[FailsafeTable] = _field("Failsafe profiles.", default=[])
    trunks: list[TrunkTable] = _field(
        "Ways in; an unknown one is read like the first.", default_factory=lambda: [TrunkTable(name="trunk")]
    )
    skills: list[SkillTable] = _field("Skills.", default=[])
    teams: list[TeamTable] = _field("Teams.", default=[])
    calendars: list[CalendarTable] = _field("Calendars.", default=[])
    prompts: list[PromptTable] = _field("Prompts of our own.", default=[])
    test_callers: list[Name] = _field(
        "E.164 numbers whose calls are test calls: in no figure.", ["+493023125000"], default=[]
    )


TABLES: dict[str, type[Table]] = {
    "tenants": TenantTable,
    "queues": QueueTable,
    "entries": EntryTable,
    "agents": AgentTable,
    "partners": PartnerTable,
    "failsafe_profiles": FailsafeTable,
    "trunks": TrunkTable,
    "skills": SkillTable,
    "teams": TeamTable,
    "calendars": CalendarTable,
    "prompts": PromptTable,
    "special_days": SpecialDayTable,
    "contract": ContractTable,
    "prices": PriceTable,
    "waivers": WaiverTable,
}
"""The form of a thing by the name it stands under."""


def directory_of(table: DirectoryTable) -> Directory:
    """What it says. Raises ``DirectoryInvalid``."""
    sections = {section: tuple(map(thing, getattr(table, section))) for section, thing in THINGS.items()}
    return Directory(**sections, test_callers=tuple(table.test_callers))


def _tenant(table: TenantTable) -> Tenant:
    c = table.contract
    return Tenant(
        id=TenantId(table.id),
        name=table.name,
        label=table.label,
        code=table.code,
        live_from=table.live_from,
        contract=Contract(
            tasks=tuple(c.tasks),
            valid_from=c.valid_from,
            valid_to=c.valid_to,
            targets=tuple(c.targets),
            formula=c.formula,
            prices=tuple(
                Price(
                    p.since,
                    p.flat,
                    p.per_call,
                    p.per_minute,
                    p.per_inhabitant,
                    p.included_minutes,
                    p.each,
                    p.levy,
                    p.levy_by,
                )
                for p in c.prices
            ),
            inhabitants=c.inhabitants,
            statistics=c.statistics,
            data_protection=c.data_protection,
        ),
        answers=dict(table.answers),
        waivers=tuple(Waiver(w.finding, w.by, w.why, w.on) for w in table.waivers),
    )


def _entry(table: EntryTable) -> Entry:
    return Entry(
        number=table.number,
        tenant=TenantId(table.tenant),
        queue=QueueId(table.queue),
        kind=table.kind,
        failsafe=table.failsafe,
        block=table.block,
        greeting=table.greeting,
        announcement=table.announcement,
        calendar=CalendarId(table.calendar) if table.calendar else None,
        closed=table.closed,
        at_most=table.at_most,
        spare=table.spare,
        active_from=table.active_from,
        active_to=table.active_to,
        candidates=tuple(TenantId(t) for t in table.candidates),
    )


def _agent(table: AgentTable) -> Agent:
    return Agent(
        id=AgentId(table.id),
        name=table.name,
        phone=Phone(table.phone),
        skills={SkillId(skill): level for skill, level in table.skills.items()},
        team=TeamId(table.team) if table.team else None,
        home=TenantId(table.home) if table.home else None,
        lines=frozenset(QueueId(line) for line in table.lines),
    )


def _partner(table: PartnerTable) -> Partner:
    return Partner(
        id=PartnerId(table.id),
        name=table.name,
        numbers=tuple(table.numbers),
        ring_for=_duration(table.ring_for),
        calendar=CalendarId(table.calendar) if table.calendar else None,
        channels=table.channels,
        calls_per_hour=table.calls_per_hour,
        min_gain=_duration(table.min_gain),
        host=table.host,
        transport=table.transport,
        srtp=table.srtp,
    )


def _failsafe(table: FailsafeTable) -> FailsafeProfile:
    return FailsafeProfile(
        name=table.name,
        group=table.group,
        partner=PartnerId(table.partner) if table.partner else None,
        hours=tuple(table.hours),
        phones=tuple(Phone(phone) for phone in table.phones),
        team=TeamId(table.team) if table.team else None,
    )


def _calendar(table: CalendarTable) -> Calendar:
    return Calendar(
        id=CalendarId(table.id),
        name=table.name,
        hours=tuple(table.hours),
        land=table.land,
        special_days=tuple(SpecialDay(s.day, s.name, tuple(s.hours)) for s in table.special_days),
        zone=table.zone,
        tenant=TenantId(table.tenant) if table.tenant else None,
    )


def _prompt(table: PromptTable) -> Prompt:
    tenant = TenantId(table.tenant) if table.tenant else None
    return Prompt(PromptId(table.id), table.name, table.text, table.recording, tenant)


def _trunk(table: TrunkTable) -> Trunk:
    return Trunk(table.name, table.number_format, table.area_code, table.country_code)


def _skill(table: SkillTable) -> Skill:
    return Skill(SkillId(table.id), table.name, table.kind)


def _team(table: TeamTable) -> Team:
    return Team(TeamId(table.id), table.name, table.by_target, table.help_debt)


def _queue(table: QueueTable) -> Queue:
    return Queue(
        id=QueueId(table.id),
        name=table.name,
        steps=tuple(table.steps),
        priority=table.priority,
        agent_order=table.agent_order,
        home_first=table.home_first,
        to_partners=table.to_partners,
        ring_for=_duration(table.ring_for),
        wrap_up_for=_duration(table.wrap_up_for),
        max_wait=_duration(table.max_wait),
        target=_duration(table.target),
        target_share=table.target_share,
        ladder=tuple(table.ladder),
        music=table.music,
    )


def _duration(seconds: float) -> timedelta:
    return timedelta(milliseconds=round(seconds * 1000))


THINGS: dict[str, Callable[[Any], Any]] = {
    "tenants": _tenant,
    "queues": _queue,
    "entries": _entry,
    "agents": _agent,
    "partners": _partner,
    "failsafe_profiles": _failsafe,
    "trunks": _trunk,
    "skills": _skill,
    "teams": _team,
    "calendars": _calendar,
    "prompts": _prompt,
}
"""What one table of a section says, by the section's name; its form is in ``TABLES``."""
