"""Four eyes: what may be told of a named person, and for how long; and who may weaken that rule.

Technical means *suited* to watch over behaviour or performance need the staff council's consent (NPersVG section 67),
and figures of single persons kept up for good are not justified at all (BAG 25.04.2017, 1 ABR 46/15). So there are two
things that nobody can do alone:

* **Named figures** of agents (``Kind.FIGURES``). Somebody of the management asks: for whom, about which months, what
  for, and until when, at most ``LONGEST`` days ahead. Somebody of the staff council agrees. What was agreed to names
  people, not teams: who joins the team later has not been asked about.
* **A weaker policy** for a town (``Kind.POLICY``): from groups to everybody's own figures, from there to named ones.
  Here the end is the day by which the directory has to be edited. The weaker policy then holds until somebody makes it
  stricter, which anybody who edits the directory may do at once.

Either side may revoke; a release ends by itself, with its last day in Berlin. Who asks is never who agrees: not with
one token, not under one name, and not as one person whom the identity provider has in both groups.

Which policy holds for an agent says the town hall where they sit; of those in the centre the strictest of all towns.
"""

from __future__ import annotations

import calendar
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dialog_acd.core.model import AgentId, Statistics, TenantId
from dialog_acd.core.records import handling_ms
from dialog_acd.core.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dialog_acd.core.directory import Directory
    from dialog_acd.core.model import Agent
    from dialog_acd.core.records import CallRecord

BERLIN = ZoneInfo("Europe/Berlin")
LONGEST = 90
"""Days from the request to the last day."""
MOST_MONTHS = 12
MOST_AGENTS = 50
NAMED_FOR = timedelta(days=7)
"""How long a single call names its agents to an operator: as long as the caller's number is kept, because until then
somebody may complain and can be called back."""
_STRICTNESS = (Statistics.GROUPS, Statistics.OWN, Statistics.RELEASED)
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


class Kind(StrEnum):
    """What a release is about."""

    FIGURES = "figures"
    """Named figures of some agents, about some months."""
    POLICY = "policy"
    """A weaker policy for one town."""


class State(StrEnum):
    """How a release stands."""

    ASKED = "asked"
    IN_FORCE = "in-force"
    REVOKED = "revoked"
    ENDED = "ended"


@value
class Signature:
    """Somebody's word. ``token``: its id, which is no secret; with an identity provider the person's subject."""

    name: str
    token: str
    at: datetime

    def same_person(self, name: str, token: str) -> bool:
        """As far as can be told: a name may be written another way."""
        return self.token == token or self.name.casefold().split() == name.casefold().split()


@dataclass(frozen=True, slots=True)
class Release:
    """What two people have to agree on."""

    id: int
    kind: Kind
    purpose: str
    until: date
    """The last day, in Berlin."""
    asked: Signature
    agents: tuple[AgentId, ...] = ()
    """Of ``Kind.FIGURES``."""
    first_month: str = ""
    """As ``2026-03``."""
    last_month: str = ""
    tenant: TenantId | None = None
    """Of ``Kind.POLICY``."""
    level: Statistics | None = None
    agreed: Signature | None = None
    revoked: Signature | None = None

    def state(self, now: datetime) -> State:
        if self.revoked is not None:
            return State.REVOKED
        if now >= end_of(self.until):
            return State.ENDED
        return State.ASKED if self.agreed is None else State.IN_FORCE

    def covers(self, agent: str, month: str, now: datetime) -> bool:
        """Whether the agent's figures of this month may be told under it."""
        return (
            self.kind is Kind.FIGURES
            and self.state(now) is State.IN_FORCE
            and agent in self.agents
            and self.first_month <= month <= self.last_month
        )

    def allows(self, tenant: str, level: Statistics, now: datetime) -> bool:
        """Whether the town's policy may be made as weak as this under it."""
        return (
            self.kind is Kind.POLICY
            and self.state(now) is State.IN_FORCE
            and self.tenant == tenant
            and self.level is not None
            and not weaker(level, self.level)
        )


# ---------------------------------------------------------------- the policy


def weaker(one: Statistics, other: Statistics) -> bool:
    """Whether ``one`` lets figures come nearer to a person than ``other``."""
    return _STRICTNESS.index(one) > _STRICTNESS.index(other)


def policy_of_centre(directory: Directory) -> Statistics:
    """For who sits in no town hall: the strictest of all towns, as their work is for all."""
    return min((t.contract.statistics for t in directory.tenants), key=_STRICTNESS.index, default=Statistics.GROUPS)


def policy_of(directory: Directory, agent: Agent) -> Statistics:
    """Which policy holds for the agent."""
    return _policy_at(directory, agent.home)


def _policy_at(directory: Directory, home: TenantId | None) -> Statistics:
    town = None if home is None else directory.tenant.get(home)
    return policy_of_centre(directory) if town is None else town.contract.statistics


def matters(release: Release, directory: Directory) -> bool:
    """Whether a policy may still be as weak as it is because of this release: it does not take anything back by ending.

    Of a town that is gone, or that somebody was moved away from, that is the policy of the centre.
    """
    if release.kind is not Kind.POLICY or release.agreed is None:
        return False
    town = None if release.tenant is None else directory.tenant.get(release.tenant)
    holds = policy_of_centre(directory) if town is None else town.contract.statistics
    return holds is not Statistics.GROUPS


@value
class PolicyChange:
    """What an edit of the directory makes of a town's policy."""

    tenant: TenantId
    before: Statistics
    after: Statistics

    @property
    def weakens(self) -> bool:
        return weaker(self.after, self.before)


def policy_changes(before: Directory | None, after: Directory) -> Iterator[PolicyChange]:
    """A town that is new, and every town where nobody knows what there was before, comes from the strictest.

    Taking away the town that was strictest weakens the policy of those in the centre: that stands here as if the town
    had been given what holds for them afterwards. And who is moved to another desk takes their policy along until the
    council of the town they come to (or, for the centre, of the one they leave) has agreed: that, too, stands here so.
    Who is new comes from the centre: else somebody is moved by being taken out and brought back.
    """
    found = list(_of_towns(before, after))
    agreed = {(change.tenant, change.after) for change in found if change.weakens}
    yield from found
    for change in () if before is None else _of_moves(before, after):
        if (change.tenant, change.after) not in agreed:
            agreed.add((change.tenant, change.after))
            yield change


def _of_towns(before: Directory | None, after: Directory) -> Iterator[PolicyChange]:
    was = {} if before is None else {town.id: town.contract.statistics for town in before.tenants}
    for town in after.tenants:
        change = PolicyChange(town.id, was.pop(town.id, Statistics.GROUPS), town.contract.statistics)
        if change.before is not change.after:
            yield change
    centre = policy_of_centre(after)
    yield from (PolicyChange(gone, level, centre) for gone, level in was.items() if weaker(centre, level))


def _of_moves(before: Directory, after: Directory) -> Iterator[PolicyChange]:
    """What becomes weaker for agents because they sit elsewhere."""
    were = {agent.id: agent for agent in before.agents}
    levels: dict[tuple[bool, TenantId | None], Statistics] = {}

    def level(directory: Directory, home: TenantId | None) -> Statistics:
        # Of all who sit there; a large centre has two thousand in five hundred towns.
        key = directory is after, home
        if key not in levels:
            levels[key] = _policy_at(directory, home)
        return levels[key]

    for agent in after.agents:
        was = were.get(agent.id)
        came_from = None if was is None else was.home
        if came_from == agent.home:
            continue
        had, has = level(before, came_from), level(after, agent.home)
        about = agent.home or came_from
        if weaker(has, had) and about is not None:
            yield PolicyChange(about, had, has)


# ---------------------------------------------------------------- months


def end_of(day: date) -> datetime:
    """The moment a day is over in Berlin, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), BERLIN).astimezone(UTC)


def month_at(moment: datetime) -> str:
    """In which of Berlin's months it is, as ``2026-03``."""
    return f"{moment.astimezone(BERLIN):%Y-%m}"


def bounds_of(month: str) -> tuple[datetime, datetime]:
    """Beginning and end of one of Berlin's months, in UTC. Raises ``ValueError`` for what is none."""
    said = _MONTH.fullmatch(month)
    if said is None:
        raise ValueError(f"{month!r} is no month: it is written as 2026-03")
    year, number = int(said[1]), int(said[2])
    first, last = date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1])
    return datetime.combine(first, time(), BERLIN).astimezone(UTC), end_of(last)


def faults_of(release: Release) -> list[str]:
    """What speaks against asking for this, one sentence each."""
    faults = []
    today = release.asked.at.astimezone(BERLIN).date()
    if not today <= release.until <= today + timedelta(days=LONGEST):
        faults.append(f"until: from today, {today}, to {LONGEST} days ahead, {today + timedelta(days=LONGEST)}")
    if release.kind is Kind.POLICY:
        if release.tenant is None or release.level in (None, Statistics.GROUPS):
            faults.append("a release of the policy names the town and what it may become: own or released")
        if release.agents or release.first_month or release.last_month:
            faults.append("a release of the policy names neither agents nor months")
        return faults
    if release.tenant is not None or release.level is not None:
        faults.append("a release of figures names neither town nor policy")
    if not 1 <= len(release.agents) <= MOST_AGENTS:
        faults.append(f"agents: 1 to {MOST_AGENTS} of them")
    if not (_MONTH.fullmatch(release.first_month) and _MONTH.fullmatch(release.last_month)):
        faults.append("first_month and last_month are written as 2026-03")
    elif not 0 <= _number(release.last_month) - _number(release.first_month) < MOST_MONTHS:
        faults.append(f"from first_month to last_month: 1 to {MOST_MONTHS} months")
    return faults


def _number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:])


# ---------------------------------------------------------------- one person


@dataclass(slots=True)
class OfOne:
    """One agent's figures of a month. Test calls are in none."""

    answered: int = 0
    talk: timedelta = timedelta()
    """Of a call that several took, one after the other, the talk of all."""
    wrap_up: timedelta = timedelta()
    offers: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    """Offers that came to nothing, by their result."""
    forgotten_to: datetime | None = None
    """The latest call of which nobody knows any more who answered it: what came up to then is missing here."""


def of_one(records: Iterable[CallRecord], agent: str) -> OfOne:
    """Of records that came in the month; those without the agent add nothing but that somebody is forgotten.

    When somebody was signed in or had a pause is kept of nobody by name, and so in no figure.
    """
    found = OfOne()
    for record in records:
        if record.test:
            continue
        if record.agent is None and record.t_ans is not None:
            found.forgotten_to = max(found.forgotten_to or record.t_in, record.t_in)
        if record.agent == agent and record.t_ans is not None:
            found.answered += 1
            talk_ms, wrap_ms = handling_ms(
                record.talk_ms, record.wrap_ms, record.t_ans, record.t_end, record.t_wrap_end
            )
            found.talk += timedelta(milliseconds=talk_ms)
            found.wrap_up += timedelta(milliseconds=wrap_ms)
        for offer in record.offers:
            if offer.agent == agent:
                found.offers += 1
                if offer.result != "answered":
                    found.missed[offer.result] += 1
    return found
