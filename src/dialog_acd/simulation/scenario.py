"""A scenario as a file an operator writes: YAML, one line for each rule, length and stretch of hours.

Who calls, who answers, and what is expected of the two. The centre itself is a directory like any other, either the
operator's own (a path to the TOML file) or one written into the scenario. Times of day are those of the clock on the
wall in Berlin::

    name: A Monday with seven people
    directory: hannover.toml             # or a table of the same form
    start: "2026-03-02T08:00"
    end: "2026-03-02T18:00"
    warm_up: 0                           # so many seconds of each run are not counted
    runs: 30
    room: 20                             # so many may wait at once, the network blocks others (left out: any number)
    arrivals:                            # each line: per_hour, or calls of a day over hours and shares, or moments at
      - {number: "0511 168-0", calls: 972, hours: mon-thu 08:00-18:00, shares: [6, 8, 9.5], day_cv: 0.1, hour_cv: 0.08}
      - {number: "115", per_hour: 4, patience: exponential 60 s, handling: fixed 120 s}
    handling: lognormal 85 s cv 1        # the conversation; the queue's wrap-up comes on top
    patience: exponential 180 s          # in line, from the end of a greeting on
    redial: {share: 0.1, after: uniform 60-300 s}
    prompts: {acd/closed: 12}            # seconds; others take as long as `prompt` says (5)
    agents:
      - {name: centre, count: 7, skills: {citizens: 3}, shifts: ["mon-fri 08:00-18:00"], breaks: ["daily 12:00-12:30"],
         answers: exponential 4 s, no_answer: 0.02, back_after: fixed 60 s}
      - {name: town-hall, agents: [anna, bert], handling: fixed 90 s}    # people of the directory
    partners:
      oldenburg: {people: 3, answers: fixed 8 s, handling: exponential 150 s, busy: 0.05, refused: 0, silent: 0.01,
                  down: ["mon 10:00-10:30"], while_down: silent}
    known: {agents: 9, handling: 95, patience: 180, per_hour: 260}     # told to predictors that need not learn
    windows: {busiest hour: ["daily 09:00-10:00"]}      # by the arrival; reported besides the whole
    expect:                              # per cent, seconds or calls per run, as they are reported
      - {kpi: Servicelevel X/T strict, of: queue hannover, in: busiest hour, from: 75}
      - {kpi: Auslastung, of: group centre, about: 62.8}               # within four standard errors

Whoever mistypes a word is told which one and where, and all faults at once, as with the directory's file and by the
same code. YAML has traps of its own: a key written twice counts once and silently, ``115`` is no text and ``8:30`` is
the number 510. The first is refused here, the other two because nothing is converted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from itertools import accumulate, pairwise
from pathlib import Path  # noqa: TC003  in a public signature
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, ValidationError
from pydantic_core import PydanticCustomError

from dialog_acd.core import calendars
from dialog_acd.core.calendars import Calendar, Hours
from dialog_acd.core.errors import DialogAcdError, DirectoryInvalid
from dialog_acd.core.model import (
    Action,
    Agent,
    AgentId,
    CalendarId,
    PartnerId,
    Phone,
    QueueId,
    SkillId,
    TeamId,
    TenantId,
)
from dialog_acd.directory_form import HoursLine, Name, Seconds, Table, rule_line
from dialog_acd.simulation.chance import AT_ONCE, Length, parse_length, parse_patience
from dialog_acd.simulation.figures import LOAD, named_kpis
from dialog_acd.simulation.predictors import Known
from dialog_acd.store.directory_file import DirectoryFileInvalid, directory_from_plain, read_directory, told
from dialog_acd.store.yaml_text import YamlInvalid, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dialog_acd.core.directory import Directory, Resolution

BERLIN = ZoneInfo("Europe/Berlin")
AFTERWARDS = timedelta(days=2)
"""So long after the end shifts go on, for callers who are still there: nobody may wait longer than a day."""
LONGEST = timedelta(days=400)
USUAL_SLOTS = frozenset({5, 10, 15, 20, 30, 60, 90, 120, 180, 240, 360, 480, 720})
"""Minutes. Slots of any other length come of a miscounted list of shares."""
MOST_CALLS = 20_000_000
"""Expected in all runs together: a slip of the finger is refused, not simulated for a week."""


class ScenarioInvalid(DialogAcdError):  # noqa: N818  nouns, see core/errors.py
    """The scenario cannot be used."""

    error_id = "scenario-invalid"

    def __init__(self, path: Path, faults: tuple[str, ...]) -> None:
        self.path = path
        self.faults = faults
        super().__init__(f"The scenario {path} cannot be used: " + "; ".join(faults))


# ---------------------------------------------------------------- as it is written


def _moment(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a moment, write it as 2026-03-02T08:00") from None
    if not isinstance(value, datetime):
        raise PydanticCustomError("string_type", "not a moment")
    if value.tzinfo is not None:
        raise ValueError("write the moment in local time, without a zone")
    if not 1990 <= value.year <= 2190:
        raise ValueError(f"{value.year} is not a year anybody simulates")
    return _local(value)


def _below_one(share: float) -> float:
    if share >= 1:
        raise ValueError("must be less than 1, or it would never end")
    return share


Moment = Annotated[InstanceOf[datetime], BeforeValidator(_moment)]
LengthLine = Annotated[InstanceOf[Length], rule_line(parse_length)]
PatienceLine = Annotated[InstanceOf[Length] | None, rule_line(parse_patience)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Cv = Annotated[float, Field(ge=0, le=3, allow_inf_nan=False)]
Percentage = Annotated[float, Field(allow_inf_nan=False)]


class ArrivalsTable(Table):
    number: Name
    """As dialled."""
    name: Name | None = None
    trunk: Name | None = None
    per_hour: Amount | None = None
    calls: Amount | None = None
    """Expected on each day of ``hours``, spread over it by ``shares``."""
    hours: HoursLine | None = None
    shares: Annotated[list[Amount], Field(min_length=1, max_length=1440)] | None = None
    at: list[Moment] = Field(default_factory=list)
    """Injected: one caller at each of these moments, in every run."""
    day_cv: Cv = 0
    hour_cv: Cv = 0
    patience: PatienceLine = None
    handling: LengthLine | None = None


class AgentsTable(Table):
    name: Annotated[str, Field(pattern="^[0-9a-z][0-9a-z-]{0,24}$")]
    count: Annotated[int, Field(ge=1, le=10_000)] | None = None
    agents: Annotated[list[Name], Field(min_length=1)] | None = None
    """People of the directory, instead of ``count`` new ones."""
    skills: dict[Name, int] = Field(default_factory=dict)
    team: Name | None = None
    home: Name | None = None
    lines: list[Name] = Field(default_factory=list)
    shifts: list[HoursLine] = Field(default_factory=list)
    """When they are there; empty: all the time."""
    breaks: list[HoursLine] = Field(default_factory=list)
    answers: LengthLine = AT_ONCE
    """How long the phone rings until it is picked up."""
    no_answer: Annotated[Share, AfterValidator(_below_one)] = 0
    """Share of the offers that ring out. Who did not answer is ready again ``back_after``."""
    back_after: LengthLine = Length("fixed", 30.0)
    handling: LengthLine | None = None
    """Where these people take another time than the call says."""


class PartnerTable(Table):
    people: Annotated[int, Field(ge=0)] | None = None
    """``None``: always somebody free."""
    answers: LengthLine = AT_ONCE
    handling: LengthLine | None = None
    busy: Share = 0
    refused: Share = 0
    silent: Share = 0
    down: list[HoursLine] = Field(default_factory=list)
    while_down: Literal["busy", "refused", "silent"] = "silent"


class RedialTable(Table):
    share: Annotated[Share, AfterValidator(_below_one)]
    after: LengthLine


class KnownTable(Table):
    """Of the only queue there is, which has these agents to itself; see ``predictors.py``."""

    agents: Annotated[int, Field(ge=1, le=10_000)]
    handling: Annotated[Seconds, Field(gt=0)]
    """Mean, wrap-up included."""
    patience: Annotated[Seconds | None, Field(gt=0)] = None
    """``None``: nobody gives up."""
    per_hour: Annotated[Amount, Field(gt=0)]


class ExpectTable(Table):
    kpi: Name
    of: Name = "all"
    within: Annotated[Name | None, Field(alias="in")] = None
    at_least: Annotated[Percentage | None, Field(alias="from")] = None
    at_most: Annotated[Percentage | None, Field(alias="to")] = None
    about: Percentage | None = None
    se: Annotated[Percentage, Field(ge=0)] = 0
    """Standard error of ``about``, where that is itself simulated."""


class ScenarioTable(Table):
    name: Name
    text: str = ""
    directory: Any
    start: Moment
    end: Moment
    warm_up: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 0
    runs: Annotated[int, Field(ge=1, le=100_000)] = 1
    room: Annotated[int, Field(ge=0)] | None = None
    patience: PatienceLine = None
    handling: LengthLine | None = None
    arrivals: Annotated[list[ArrivalsTable], Field(min_length=1)]
    agents: list[AgentsTable] = Field(default_factory=list)
    partners: dict[Name, PartnerTable] = Field(default_factory=dict)
    prompt: Seconds = 5
    prompts: dict[Name, Seconds] = Field(default_factory=dict)
    redial: RedialTable | None = None
    known: KnownTable | None = None
    windows: dict[Name, Annotated[list[HoursLine], Field(min_length=1)]] = Field(default_factory=dict)
    expect: list[ExpectTable] = Field(default_factory=list)


_TABLES: dict[str, type[Table]] = {
    "arrivals": ArrivalsTable,
    "agents": AgentsTable,
    "partners": PartnerTable,
    "redial": RedialTable,
    "known": KnownTable,
    "expect": ExpectTable,
}


# ---------------------------------------------------------------- as it is used

Stretch = tuple[datetime, datetime]
"""From, and until before. UTC."""


@dataclass(frozen=True)
class Source:
    """One stream of callers. ``rates``: calls per second over adjoining or separate stretches of time."""

    name: str
    dialled: str
    trunk: str
    entry: str
    rates: tuple[tuple[datetime, datetime, float], ...]
    at: tuple[datetime, ...]
    day_cv: float
    hour_cv: float
    patience: Length | None
    handling: Length


@dataclass(frozen=True)
class Group:
    """People who work alike. ``moves``: when they become ``ready``, ``pause`` or ``out``."""

    name: str
    agents: tuple[AgentId, ...]
    moves: tuple[tuple[datetime, str], ...]
    answers: Length
    no_answer: float
    back_after: Length
    handling: Length | None


@dataclass(frozen=True)
class PartnerWays:
    """How a partner behaves."""

    people: int | None
    answers: Length
    handling: Length | None
    busy: float
    refused: float
    silent: float
    down: tuple[Stretch, ...]
    while_down: str


@dataclass(frozen=True)
class Redial:
    """How many of those who gave up call once more."""

    share: float
    after: Length


@dataclass(frozen=True)
class Expectation:
    """A figure of the report and where it should lie, in the report's unit."""

    kpi: str
    of: str
    within: str | None
    at_least: float | None
    at_most: float | None
    about: float | None
    se: float


def called(directory: Directory, number: str, trunk: str, start: datetime, end: datetime) -> Resolution:
    """Whose number this is when the scenario starts, or if it is nobody's then, when it ends: a town goes live."""
    first = directory.entry_for(number, trunk, at=start)
    return first if first.known else directory.entry_for(number, trunk, at=max(start, end - timedelta(seconds=1)))


@dataclass(frozen=True)
class Scenario:
    """A scenario that was found sound. Times are UTC."""

    name: str
    text: str
    directory: Directory
    start: datetime
    end: datetime
    counted_from: datetime
    """Calls that arrive from here on are counted, and followed to their end."""
    runs: int
    room: int | None
    sources: tuple[Source, ...]
    groups: tuple[Group, ...]
    partners: Mapping[PartnerId, PartnerWays]
    prompt: timedelta
    prompts: Mapping[str, timedelta]
    redial: Redial | None
    known: Known | None
    windows: Mapping[str, tuple[Stretch, ...]]
    expect: tuple[Expectation, ...]
    notes: tuple[str, ...] = ()
    """What is allowed, and may not be what its author thinks."""

    @property
    def by_chance(self) -> bool:
        """Whether one run may differ from another at all."""
        lengths = [
            *(length for source in self.sources for length in (source.patience, source.handling)),
            *(length for group in self.groups for length in (group.answers, group.handling)),
            *(length for ways in self.partners.values() for length in (ways.answers, ways.handling)),
        ]
        shares = [
            *(group.no_answer for group in self.groups),
            *(share for ways in self.partners.values() for share in (ways.busy, ways.refused, ways.silent)),
        ]
        return (
            any(source.rates for source in self.sources)
            or any(length is not None and length.shape != "fixed" for length in lengths)
            or any(0 < share < 1 for share in shares)
            or (self.redial is not None and self.redial.share > 0)
        )


# ---------------------------------------------------------------- reading


def read_scenario(path: Path) -> Scenario:
    """Read and check the file. Raises ``ScenarioInvalid`` naming every fault and its place."""
    content = _plain(path)
    faults: list[str] = []
    directory, table = None, None
    try:
        table = ScenarioTable.model_validate(content)
    except ValidationError as error:
        faults += told(error, content, ScenarioTable, _TABLES)
    try:
        directory = _read_directory(content.get("directory"), path)
    except DirectoryFileInvalid as error:
        faults += [f"directory: {fault}" for fault in error.faults]
    if table is None or directory is None:
        raise ScenarioInvalid(path, tuple(faults))
    reader = _Reader(table, directory)
    scenario = reader.scenario()
    if reader.faults:
        raise ScenarioInvalid(path, tuple(reader.faults))
    return scenario


def _plain(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ScenarioInvalid(path, (f"it cannot be read ({error.strerror})",)) from error
    except UnicodeDecodeError as error:
        raise ScenarioInvalid(path, ("it is not UTF-8 text; save it as UTF-8",)) from error
    try:
        return parse_yaml(text, "'name', 'directory' and 'arrivals'", aliases=True)
    except YamlInvalid as error:
        raise ScenarioInvalid(path, (str(error),)) from error


def _read_directory(where: object, scenario: Path) -> Directory | None:
    """``None``: it is missing, or of the wrong kind; what is missing has been told."""
    if isinstance(where, str):
        path = scenario.parent / where
        try:
            return read_directory(path)
        except DirectoryFileInvalid as error:
            raise DirectoryFileInvalid(path, tuple(f"{where}: {fault}" for fault in error.faults)) from error
    if isinstance(where, dict):
        return directory_from_plain(where, scenario)
    if where is None:
        return None
    raise DirectoryFileInvalid(scenario, ("must be the path of a directory file, or a table of the same form",))


class _Reader:
    """From the tables to the scenario, with every fault that no table can see alone."""

    def __init__(self, table: ScenarioTable, directory: Directory) -> None:
        self.table, self.directory = table, directory
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.start, self.end = table.start, table.end
        self.counted_from = self.start + timedelta(seconds=table.warm_up)

    def _fault(self, place: str, sentence: str) -> None:
        self.faults.append(f"{place}: {sentence}")

    def scenario(self) -> Scenario:
        table = self.table
        if self.end <= self.start:
            self._fault("end", "must lie after start")
            self.end = self.start + timedelta(seconds=1)  # so that the rest can be looked at
        elif self.end - self.start > LONGEST:
            self._fault("end", f"a run is at most {LONGEST.days} days long")
            self.end = self.start + LONGEST
        elif self.counted_from >= self.end:
            self._fault("warm_up", "must be over before the end, or no call is counted")
        sources = tuple(self._sources())
        groups = tuple(self._groups())
        partners = dict(self._partners())
        redial = Redial(table.redial.share, table.redial.after) if table.redial else None
        windows = {
            name: tuple(self._stretches(f"windows.{name}", lines, self.end)) for name, lines in table.windows.items()
        }
        for name, when in windows.items():
            if not when:
                self._fault(f"windows.{name}", "lies wholly outside of the time from start to end")
        self._count(sources)
        return Scenario(
            name=table.name,
            text=" ".join(table.text.split()),
            directory=self.directory,
            start=self.start,
            end=self.end,
            counted_from=self.counted_from,
            runs=table.runs,
            room=table.room,
            sources=sources,
            groups=groups,
            partners=partners,
            prompt=timedelta(seconds=table.prompt),
            prompts={prompt: timedelta(seconds=length) for prompt, length in table.prompts.items()},
            redial=redial,
            known=self._known_truth(),
            windows=windows,
            expect=tuple(self._expectations(sources, groups)),
            notes=(*self.notes, *self._never_offered(sources)),
        )

    # -- callers

    def _count(self, sources: Iterable[Source]) -> None:
        expected = self.table.runs * sum(
            len(source.at) + sum((until - begin).total_seconds() * rate for begin, until, rate in source.rates)
            for source in sources
        )
        if expected > MOST_CALLS:
            self._fault("arrivals", f"{expected:.0f} calls are expected in all, more than {MOST_CALLS}")

    def _sources(self) -> Iterator[Source]:
        taken: dict[str, int] = {}
        trunks = [trunk.name for trunk in self.directory.trunks]
        for position, arrivals in enumerate(self.table.arrivals):
            place = f"arrivals[{position}]"
            trunk = arrivals.trunk or trunks[0]
            if trunk not in trunks:
                self._fault(f"{place}.trunk", f"there is no trunk {trunk!r}{_meant(trunk, trunks)}")
            found = called(self.directory, arrivals.number, trunk, self.start, self.end)
            if not found.known:
                self._fault(f"{place}.number", f"nobody owns {arrivals.number!r}, only the catch-all would take it")
            handling = arrivals.handling or self.table.handling
            if handling is None:
                self._fault(f"{place}.handling", "is missing, here or for the whole scenario")
            patience = arrivals.patience if "patience" in arrivals.model_fields_set else self.table.patience
            name = arrivals.name or arrivals.number
            taken[name] = taken.get(name, 0) + 1
            # A second line for the same number (another day of the week) has dice of its own.
            yield Source(
                name=name if taken[name] == 1 else f"{name} {taken[name]}",
                dialled=arrivals.number,
                trunk=trunk,
                entry=found.entry.number or found.entry.kind.value,
                rates=tuple(self._rates(place, arrivals)),
                at=tuple(self._injected(place, arrivals)),
                day_cv=arrivals.day_cv,
                hour_cv=arrivals.hour_cv,
                patience=patience,
                handling=handling or AT_ONCE,
            )

    def _injected(self, place: str, arrivals: ArrivalsTable) -> Iterator[datetime]:
        for number, moment in enumerate(sorted(arrivals.at)):
            if not self.start <= moment < self.end:
                self._fault(f"{place}.at[{number}]", "must lie between start and end")
            yield moment

    def _rates(self, place: str, arrivals: ArrivalsTable) -> Iterator[tuple[datetime, datetime, float]]:
        given = [name for name in ("per_hour", "calls") if getattr(arrivals, name) is not None]
        if arrivals.at:
            given.append("at")
        if len(given) != 1:
            self._fault(place, "say exactly one of per_hour (an even stream), calls (a day's) and at (moments)")
            return
        if arrivals.shares is not None and arrivals.calls is None:
            self._fault(f"{place}.shares", "spread the calls of a day, so say calls")
        if arrivals.per_hour is not None:
            hours = [arrivals.hours] if arrivals.hours else None
            for begin, until in self._stretches(f"{place}.hours", hours, self.end):
                yield from _by_the_hour(arrivals, begin, until, arrivals.per_hour / 3600)
        elif arrivals.calls is not None and arrivals.hours is None:
            self._fault(f"{place}.hours", "is missing: when do the calls of a day come, as 'mon-thu 08:00-18:00'?")
        elif arrivals.calls is not None and arrivals.hours is not None:
            shares = arrivals.shares or [1.0]
            if not sum(shares) > 0:
                self._fault(f"{place}.shares", "at least one share must be above 0")
                return
            self._look_at_slots(place, arrivals.hours, len(shares))
            for begin, until, share in _slots(arrivals.hours, shares, self.start, self.end):
                whole = (until - begin).total_seconds()
                begin, until = max(begin, self.start), min(until, self.end)  # noqa: PLW2901
                if begin < until:
                    rate = arrivals.calls * share / sum(shares) / whole
                    yield from _by_the_hour(arrivals, begin, until, rate)

    def _look_at_slots(self, place: str, hours: Hours, count: int) -> None:
        """One share too many or too few moves all that follow: told by slots that begin at no usual minute."""
        opens, closes = (time_of.hour * 60 + time_of.minute for time_of in (hours.opens, hours.closes))
        whole = (closes or 24 * 60) - opens
        if count > 1 and (whole % count or whole // count not in USUAL_SLOTS):
            self.notes.append(
                f"{place}.shares: {count} shares cut {calendars.written(hours)} into slots of {whole / count:.4g}"
                f" minutes; half hours would be {whole / 30:g} shares"
            )

    def _never_offered(self, sources: Iterable[Source]) -> Iterator[str]:
        directory = self.directory
        start, end = self.start, self.end
        reached = {called(directory, s.dialled, s.trunk, start, end).entry.queue for s in sources}
        for queue in directory.queues:
            if queue.id in reached and any(rung.action is Action.CALLBACK for rung in queue.ladder):
                yield (
                    f"queue {queue.id}: simulated callers have no number to be called back at, so its rungs"
                    " 'callback' are passed over, and whoever would press 1 waits on"
                )

    # -- people

    def _groups(self) -> Iterator[Group]:
        new: list[tuple[str, Agent, int]] = []
        names: set[str] = set()
        used: dict[AgentId, str] = {}
        groups: list[Group] = []
        for position, wanted in enumerate(self.table.agents):
            place = f"agents[{position}]"
            if wanted.name in names:
                self._fault(f"{place}.name", f"there is another group {wanted.name!r}")
            names.add(wanted.name)
            people = self._known(place, wanted) if wanted.agents else tuple(_made(wanted))
            if wanted.agents is None:
                new.append((place, people[0], len(people)))
            for agent in people:
                if agent.id in used:
                    self._fault(place, f"agent {agent.id!r} works in {used[agent.id]} already")
                used[agent.id] = place
            if wanted.agents is None:
                self._add(place, people)
            groups.append(
                Group(
                    wanted.name,
                    tuple(agent.id for agent in people),
                    tuple(self._moves(place, wanted)),
                    wanted.answers,
                    wanted.no_answer,
                    wanted.back_after,
                    wanted.handling,
                )
            )
        yield from groups

    def _known(self, place: str, wanted: AgentsTable) -> tuple[Agent, ...]:
        for field in sorted({"count", "skills", "team", "home", "lines"} & wanted.model_fields_set):
            self._fault(f"{place}.{field}", "is known from the directory, whose people are named in agents")
        found = []
        for number, name in enumerate(wanted.agents or ()):
            agent = self.directory.agent.get(AgentId(name))
            if agent is None:
                known = [*self.directory.agent]
                self._fault(f"{place}.agents[{number}]", f"there is no agent {name!r}{_meant(name, known)}")
            else:
                found.append(agent)
        return tuple(found)

    def _add(self, place: str, people: tuple[Agent, ...]) -> None:
        """Put new people into the directory; one who does not fit stands for all who are alike."""
        try:
            replace(self.directory, agents=(*self.directory.agents, people[0]))
            self.directory = replace(self.directory, agents=(*self.directory.agents, *people))
        except DirectoryInvalid as error:
            for fault in error.faults:
                self._fault(place, fault)

    def _moves(self, place: str, wanted: AgentsTable) -> Iterator[tuple[datetime, str]]:
        last = self.end + AFTERWARDS
        shifts = list(self._stretches(f"{place}.shifts", wanted.shifts or None, last))
        breaks = list(self._stretches(f"{place}.breaks", wanted.breaks, last))
        if wanted.shifts and not any(begin < self.end for begin, _ in shifts):
            self._fault(f"{place}.shifts", "lie wholly outside of the time from start to end")
        before = "out"
        edges = {edge for stretch in (*shifts, *breaks) for edge in stretch if edge < last}
        for moment in sorted(edges):
            there = any(begin <= moment < until for begin, until in shifts)
            pausing = any(begin <= moment < until for begin, until in breaks)
            now = "out" if not there else "pause" if pausing else "ready"
            if now != before:
                yield moment, now
                before = now

    def _partners(self) -> Iterator[tuple[PartnerId, PartnerWays]]:
        for name, wanted in self.table.partners.items():
            place = f"partners.{name}"
            if name not in self.directory.partner:
                self._fault(place, f"there is no partner {name!r}{_meant(name, self.directory.partner)}")
            if wanted.busy + wanted.refused + wanted.silent > 1 + 1e-9:
                self._fault(place, "the shares busy, refused and silent are more than 1 together")
            yield (
                PartnerId(name),
                PartnerWays(
                    wanted.people,
                    wanted.answers,
                    wanted.handling,
                    wanted.busy,
                    wanted.refused,
                    wanted.silent,
                    tuple(self._stretches(f"{place}.down", wanted.down, self.end + AFTERWARDS)),
                    wanted.while_down,
                ),
            )

    def _known_truth(self) -> Known | None:
        table = self.table.known
        if table is None:
            return None
        if len(self.directory.queues) > 1:
            self._fault("known", "is the truth about the only queue there is, and here are more")
        known = Known(table.agents, table.handling, table.patience or math.inf, table.per_hour / 3600)
        try:
            if known.mean_wait_s < math.inf:
                return known
            self._fault("known", "more calls than these agents can serve, and nobody gives up: say a patience")
        except ValueError as error:
            self._fault("known", str(error))
        return None

    # -- times

    def _stretches(self, place: str, lines: Sequence[Hours] | None, end: datetime) -> Iterator[Stretch]:
        """When the lines hold, between the start and ``end``. ``None``: all the time."""
        if lines is None:
            yield self.start, end
            return
        calendar = Calendar(CalendarId("x"), place, tuple(lines), land=None)
        faults = list(calendars.faults(calendar)) if lines else ()
        for fault in faults:
            self._fault(place, fault.removeprefix("calendar x: "))
        if not lines or faults:
            return
        moment = self.start
        while moment < end:
            opening = calendar.opening(moment)
            until = opening.closes_at if opening.open else opening.opens_at
            if opening.open:
                yield moment, min(until or end, end)
            if until is None:
                return
            moment = until

    # -- what is expected

    def _expectations(self, sources: Iterable[Source], groups: Iterable[Group]) -> Iterator[Expectation]:
        directory = self.directory
        scopes = [
            "all",
            *(f"kind {kind.value}" for kind in dict.fromkeys(entry.kind for entry in directory.entries)),
            *(f"queue {queue.id}" for queue in directory.queues),
            *(f"number {number}" for number in dict.fromkeys(source.entry for source in sources)),
        ]
        of_groups = [f"group {group.name}" for group in groups]
        kpis = named_kpis([group.name for group in groups], known=self.table.known is not None)
        for position, wanted in enumerate(self.table.expect):
            place = f"expect[{position}]"
            fitting = of_groups if wanted.kpi == LOAD else scopes
            if wanted.kpi not in (*kpis, LOAD):
                self._fault(f"{place}.kpi", f"there is no figure {wanted.kpi!r}{_meant(wanted.kpi, (*kpis, LOAD))}")
            elif wanted.of not in fitting:
                sentence = f"there is no {wanted.of!r} with {wanted.kpi}{_meant(wanted.of, fitting)}"
                self._fault(f"{place}.of", f"{sentence} (write {', '.join(fitting[:6])})")
            if wanted.within is not None and wanted.within not in self.table.windows:
                self._fault(
                    f"{place}.in", f"there is no window {wanted.within!r}{_meant(wanted.within, self.table.windows)}"
                )
            self._bounds(place, wanted)
            yield Expectation(
                wanted.kpi, wanted.of, wanted.within, wanted.at_least, wanted.at_most, wanted.about, wanted.se
            )

    def _bounds(self, place: str, wanted: ExpectTable) -> None:
        least, most = wanted.at_least, wanted.at_most
        if (least is None and most is None) == (wanted.about is None):
            self._fault(place, "say either from and to (one of them is enough), or about")
        elif least is not None and most is not None and least > most:
            self._fault(f"{place}.to", f"must not be less than from ({least:g})")
        if wanted.about is None and wanted.se:
            self._fault(f"{place}.se", "is the standard error of about, which is not said")


def _made(wanted: AgentsTable) -> Iterator[Agent]:
    """The people of a group that exists in the scenario only. The phone has the agent's own name."""
    for number in range(1, (wanted.count or 1) + 1):
        name = f"{wanted.name}-{number}"
        yield Agent(
            id=AgentId(name),
            name=name,
            phone=Phone(name),
            skills={SkillId(skill): level for skill, level in wanted.skills.items()},
            team=TeamId(wanted.team) if wanted.team else None,
            home=TenantId(wanted.home) if wanted.home else None,
            lines=frozenset(QueueId(line) for line in wanted.lines),
        )


def _meant(name: str, known: Iterable[str]) -> str:
    found = get_close_matches(name, [*known], n=1)
    return f", did you mean {found[0]!r}?" if found else ""


def _local(moment: datetime) -> datetime:
    """From the clock on the wall to UTC."""
    return moment.replace(tzinfo=BERLIN).astimezone(UTC)


def _slots(
    hours: Hours, shares: Sequence[float], start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime, float]]:
    """Each day's stretch cut into as many slots as there are shares, by the clock on the wall.

    In the night the clock is put forward, the slots of the missing hour are empty, and their calls do not come.
    """
    day, last = start.astimezone(BERLIN).date(), end.astimezone(BERLIN).date()
    while day <= last:
        if day.weekday() in hours.days:
            opens = datetime.combine(day, hours.opens)
            closes = datetime.combine(day + timedelta(days=hours.closes == time()), hours.closes)
            each = (closes - opens) / len(shares)
            edges = [_local(opens + each * number) for number in range(len(shares) + 1)]
            # A time that does not exist is reckoned as an hour later, and would come after its successors.
            edges = [*accumulate(reversed(edges), min)][::-1]
            for (begin, until), share in zip(pairwise(edges), shares, strict=True):
                yield begin, until, share
        day += timedelta(days=1)


def _by_the_hour(
    arrivals: ArrivalsTable, begin: datetime, until: datetime, rate: float
) -> Iterator[tuple[datetime, datetime, float]]:
    """A rate that differs from hour to hour by chance must not reach over the hour's end."""
    while (arrivals.day_cv or arrivals.hour_cv) and begin < until:
        hour_ends = begin.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        yield begin, min(hour_ends, until), rate
        begin = min(hour_ends, until)
    if begin < until:
        yield begin, until, rate


def local_day(moment: datetime) -> date:
    """The date on the wall."""
    return moment.astimezone(BERLIN).date()
